/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the socket hooks know of the host: see host.h. */
#include "host.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "bpffs.h"
#include "map.h"
#include "object.h"
#include "own.h"

/* ---- files ---- */

/* True if the hooks of the host are of this build, as is what is pinned with them. */
static bool is_of_this_build(const struct cv_instance *inst)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_HOST), NULL);
	struct cv_host host;
	uint32_t zero = 0;

	return fd >= 0 && !bpf_map_lookup_elem(fd, &zero, &host) &&
	       !strcmp(host.hooks_build, cv_object_build());
}

/* The program as it was pinned with the hooks; -1 if it is not there, or is not what its name says. */
static int open_iterator(const struct cv_instance *inst)
{
	CV_CLOSE int fd =
		is_of_this_build(inst) ? cv_pin_open(inst->host_progs, CV_PROG_FILES, NULL) : -1;
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ||
	    info.type != BPF_PROG_TYPE_TRACING || strcmp(info.name, CV_PROG_FILES) != 0)
		return -1;
	return CV_TAKE_FD(fd);
}

/* It lives as long as the instance is open. To load it takes longer than all else that is asked of the
 * host: of the kernel's own types all have to be read. */
static int load_iterator(struct cv_instance *inst, struct cv_err *err)
{
	CV_CLEANUP(cv_object_close) struct bpf_object *object = NULL;
	int rc;

	if (inst->files_prog < 0)
		inst->files_prog = open_iterator(inst);
	if (inst->files_prog >= 0)
		return 0;
	rc = cv_object_load(inst, CV_OBJECT_SELF, NULL, &object, err);
	if (rc)
		return rc;
	inst->files_prog = dup(bpf_program__fd(bpf_object__next_program(object, NULL)));
	return inst->files_prog >= 0
		       ? 0
		       : cv_err_set(err, -errno, "open files: %s", strerrordesc_np(errno));
}

int cv_host_files(struct cv_instance *inst, const int *fds, size_t count, struct cv_host_file *out,
		  struct cv_err *err)
{
	/* This thread alone: Linux 6.1 shows the files of a process once for each of its threads. */
	const union bpf_iter_link_info info = { .task.tid = gettid() };
	CV_FCLOSE FILE *file = NULL;
	struct cv_host_file entry;
	size_t found = 0;
	int rc = load_iterator(inst, err);

	if (rc)
		return rc;
	file = cv_iterator_open(inst->files_prog, &info);
	if (!file)
		return cv_err_set(err, -errno, "open files: iterate: %s", strerrordesc_np(errno));
	while (fread(&entry, sizeof(entry), 1, file) == 1)
		for (size_t i = 0; i < count; i++)
			if (fds[i] == (int)entry.fd) {
				out[i] = entry;
				found++;
			}
	if (found != count)
		return cv_err_set(err, -EIO, "open files: the kernel shows %zu of %zu", found,
				  count);
	return 0;
}

/* ---- the host ---- */

/* As the hooks declare it (bpf/maps.h): it is there before they are. */
static int create_map(const struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, CV_STRING(CV_MAP_HOST),
					 sizeof(uint32_t), sizeof(struct cv_host), 1, NULL);
	struct cv_host host = { 0 };
	int rc;

	if (fd < 0)
		return cv_err_set(err, -errno, "map " CV_STRING(CV_MAP_HOST) ": create: %s",
				  strerrordesc_np(errno));
	if (getrandom(host.hash_key, sizeof(host.hash_key), 0) != sizeof(host.hash_key))
		return cv_err_set(err, -EIO, "hash key: no random numbers");
	rc = cv_pin_set(fd, inst->host_maps, CV_STRING(CV_MAP_HOST), err);
	return rc ? rc : cv_host_write(inst, &host, err);
}

static int open_map(const struct cv_instance *inst, struct cv_err *err)
{
	int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_HOST), err);
	int rc;

	if (fd != -ENOENT || inst->access != CV_ACCESS_WRITE)
		return fd != -ENOENT ? fd : cv_host_map(inst, CV_STRING(CV_MAP_HOST), err);
	rc = create_map(inst, err);
	return rc ? rc : cv_host_map(inst, CV_STRING(CV_MAP_HOST), err);
}

static int look_at_root(struct cv_instance *inst, struct cv_host *host, struct cv_err *err)
{
	CV_CLOSE int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct cv_host_file root = { 0 };
	int rc;

	if (fd < 0)
		return cv_err_set(err, -errno, "root directory: %s", strerrordesc_np(errno));
	rc = cv_host_files(inst, &fd, 1, &root, err);
	if (rc)
		return rc;
	host->root_dev = root.dev;
	host->root_inode = root.inode;
	return 0;
}

/* The id of a cgroup is the inode number of its directory (kernel: kernfs_id()). */
static int look_at_cgroups(struct cv_host *host, struct cv_err *err)
{
	char mount[PATH_MAX];
	struct stat st;
	int rc = cv_cgroup2_mount(mount, &host->cgroup_root_level, err);

	if (rc == -ENOENT && host->cgroup_root_id)
		return 0; /* not mounted any more: hooks that are attached go on as they are */
	if (rc)
		return rc;
	if (stat(mount, &st))
		return cv_err_set(err, -errno, "cgroup %s: %s", mount, strerrordesc_np(errno));
	host->cgroup_root_id = st.st_ino;
	return 0;
}

static int look_at_user_namespace(struct cv_host *host, struct cv_err *err)
{
	static const char path[] = "/proc/self/ns/user";
	struct stat st;

	if (stat(path, &st))
		return cv_err_set(err, -errno, "%s: %s", path, strerrordesc_np(errno));
	host->user_namespace = st.st_ino;
	return 0;
}

static int refresh(struct cv_instance *inst, struct cv_host *host, struct cv_err *err)
{
	struct cv_host before = *host;
	int rc = look_at_root(inst, host, err);

	if (!rc)
		rc = look_at_cgroups(host, err);
	if (!rc)
		rc = look_at_user_namespace(host, err);
	if (rc || !memcmp(&before, host, sizeof(before)))
		return rc;
	return cv_host_write(inst, host, err);
}

int cv_host_read(struct cv_instance *inst, struct cv_host *out, struct cv_err *err)
{
	CV_CLOSE int fd = open_map(inst, err);
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &zero, out))
		return cv_err_set(err, -errno, "map " CV_STRING(CV_MAP_HOST) ": read: %s",
				  strerrordesc_np(errno));
	return inst->access == CV_ACCESS_WRITE ? refresh(inst, out, err) : 0;
}

int cv_host_write(const struct cv_instance *inst, const struct cv_host *host, struct cv_err *err)
{
	CV_CLOSE int fd = cv_host_map(inst, CV_STRING(CV_MAP_HOST), err);
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(fd, &zero, host, BPF_ANY))
		return cv_err_set(err, -errno, "map " CV_STRING(CV_MAP_HOST) ": write: %s",
				  strerrordesc_np(errno));
	return 0;
}
