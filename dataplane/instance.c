/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opening, making and removing an instance: see instance.h for where it keeps what. */
#include "instance.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "bpffs.h"
#include "counters.h"
#include "hooks.h"
#include "lock.h"
#include "map.h"
#include "netns.h"
#include "object.h"
#include "own.h"
#include "path.h"
#include "plan.h"
#include "readers.h"
#include "preload.h"
#include "takeover.h"
#include "text.h"

#define CV_APPLIED_FILE "state.yaml"

void cv_log(const struct cv_instance *inst, enum cv_log_level level, const char *format, ...)
{
	CV_FREE char *text = NULL;
	va_list args;

	if (!inst->options.log)
		return;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		inst->options.log(level, text, inst->options.log_arg);
}

const char *cv_instance_name(const struct cv_instance *inst)
{
	return inst->name;
}

bool cv_instance_exists(const struct cv_instance *inst)
{
	char meta[PATH_MAX];

	/* It is made last. */
	return snprintf(meta, sizeof(meta), "%s/" CV_STRING(CV_MAP_META), inst->maps) <
		       (int)sizeof(meta) &&
	       !cv_path_is_absent(meta);
}

/* ---- paths ---- */

static int set_path(char *out, struct cv_err *err, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(out, PATH_MAX, format, args);
	va_end(args);
	return len < PATH_MAX ? 0 : cv_err_set(err, -ENAMETOOLONG, "path %.40s...: too long", out);
}

static int set_paths_below_root(struct cv_instance *inst, struct cv_err *err)
{
	int rc = set_path(inst->host_maps, err, "%s/host/maps", inst->root);

	if (!rc)
		rc = set_path(inst->host_links, err, "%s/host/links", inst->root);
	if (!rc)
		rc = set_path(inst->host_progs, err, "%s/host/progs", inst->root);
	if (!rc)
		rc = set_path(inst->dir, err, "%s/%s", inst->root, inst->name);
	if (!rc)
		rc = set_path(inst->maps, err, "%s/maps", inst->dir);
	if (!rc)
		rc = set_path(inst->progs, err, "%s/progs", inst->dir);
	if (!rc)
		rc = set_path(inst->links, err, "%s/links", inst->dir);
	if (!rc)
		rc = set_path(inst->tunnels, err, "%s/tunnels", inst->dir);
	if (!rc)
		rc = set_path(inst->xmit, err, "%s/xmit", inst->dir);
	if (!rc)
		rc = set_path(inst->guards, err, "%s/guards", inst->dir);
	if (!rc)
		rc = set_path(inst->inner, err, "%s/inner", inst->dir);
	return rc ? rc : set_path(inst->stock, err, "%s/tc", inst->dir);
}

static int set_paths(struct cv_instance *inst, struct cv_err *err)
{
	int rc = set_path(inst->root, err, "%s/%s", inst->options.bpffs, CV_ABI_DIR);

	if (!rc)
		rc = set_paths_below_root(inst, err);
	if (!rc)
		rc = set_path(inst->state_dir, err, "%s/%s", inst->options.state_dir, inst->name);
	return rc;
}

/* ---- which state it is in ---- */

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

void cv_instance_glance(const struct cv_instance *inst, struct cv_glance *out)
{
	CV_CLOSE int fd = cv_pin_open(inst->maps, CV_STRING(CV_MAP_META), NULL);
	struct cv_meta meta;
	char path[PATH_MAX];
	uint32_t zero = 0;
	struct stat st;

	*out = (struct cv_glance){ 0 };
	cv_lock_holder(inst, &out->writer);
	if (fd >= 0 && !bpf_map_lookup_elem(fd, &zero, &meta)) {
		out->meta_id = map_id(fd);
		out->generation = meta.generation;
	}
	if (cv_applied_path(inst, path, NULL) || stat(path, &st))
		return;
	out->text_inode = st.st_ino;
	out->text_ns = st.st_mtim.tv_sec * 1000000000ull + st.st_mtim.tv_nsec;
}

static bool is_at_work(const struct cv_writer *writer)
{
	return writer->pid && !writer->is_stopped;
}

bool cv_glance_differs(const struct cv_glance *before, const struct cv_glance *after)
{
	return before->meta_id != after->meta_id || before->generation != after->generation ||
	       before->text_inode != after->text_inode || before->text_ns != after->text_ns ||
	       is_at_work(&before->writer) || is_at_work(&after->writer);
}

/* ---- maps ---- */

static int open_map(const char *dir, const char *name, struct cv_err *err)
{
	int fd = cv_pin_open(dir, name, err);

	if (fd != -ENOENT)
		return fd;
	cv_err_set(err, -ENOENT, "map %s/%s: gone", dir, name);
	return cv_err_hint(err, "'culvert repair' makes it anew");
}

int cv_instance_map(const struct cv_instance *inst, const char *name, struct cv_err *err)
{
	return open_map(inst->maps, name, err);
}

int cv_host_map(const struct cv_instance *inst, const char *name, struct cv_err *err)
{
	return open_map(inst->host_maps, name, err);
}

int cv_meta_read(const struct cv_instance *inst, struct cv_meta *meta, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_META), err);
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &zero, meta))
		return cv_err_set(err, -errno, "meta map: %s", strerrordesc_np(errno));
	if (meta->magic != CV_ABI_MAGIC || meta->abi_version != CV_ABI_VERSION)
		return cv_err_set(err, -EPROTO,
				  "%s: made by culvert %.*s with map ABI %u, this is %s "
				  "with ABI %u",
				  inst->dir, CV_BUILD_LEN, meta->build, meta->abi_version,
				  CV_VERSION, CV_ABI_VERSION);
	return 0;
}

int cv_meta_write(const struct cv_instance *inst, const struct cv_meta *meta, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_META), err);
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(fd, &zero, meta, BPF_ANY))
		return cv_err_set(err, -errno, "meta map: %s", strerrordesc_np(errno));
	return 0;
}

/* ---- open and close ---- */

static int check_abi(const struct cv_instance *inst, struct cv_err *err)
{
	struct cv_meta meta;

	return cv_instance_exists(inst) ? cv_meta_read(inst, &meta, err) : 0;
}

/* What may not be looked at is not to be taken for what is not there. */
static int check_readable(const struct cv_instance *inst, struct cv_err *err)
{
	if (!access(inst->maps, F_OK) || errno != EACCES)
		return 0;
	cv_err_set(err, -EACCES, "pins %s: %s", inst->dir, strerrordesc_np(EACCES));
	return cv_err_hint(err, CV_READERS_HINT);
}

/* What changing this instance needs CAP_SYS_ADMIN for; NULL: nothing. */
static const char *admin_reason(const struct cv_instance *inst)
{
	if (!cv_is_bpffs(inst->options.bpffs))
		return "mounting the bpffs";
	/* An instance that was made without it, or for the group, has its pins. */
	if (cv_instance_exists(inst) && cv_path_is_absent(inst->inner))
		return "opening maps by id; 'culvert repair' with the group culvert pins them";
	return NULL;
}

static int open_at(struct cv_instance *inst, struct cv_err *err)
{
	int rc = cv_netns_enter(inst->options.netns, err);

	if (!rc)
		rc = cv_netns_identity(&inst->netns_cookie, &inst->netns_inode, err);
	if (rc)
		return rc;
	snprintf(inst->name, sizeof(inst->name), "ns-%llu", (unsigned long long)inst->netns_cookie);
	rc = set_paths(inst, err);
	if (!rc)
		cv_map_ids_are_pinned(inst->inner);
	if (!rc && inst->access == CV_ACCESS_WRITE)
		rc = cv_check_capabilities(admin_reason(inst), err);
	if (!rc)
		rc = check_readable(inst, err);
	if (!rc && inst->access == CV_ACCESS_WRITE) {
		inst->lock_fd = cv_lock_take(inst, err);
		rc = inst->lock_fd < 0 ? inst->lock_fd : 0;
	}
	return rc ? rc : cv_nl_open(&inst->nl, err);
}

int cv_instance_open(struct cv_instance **out, const struct cv_instance_options *options,
		     enum cv_access access, struct cv_err *err)
{
	CV_CLEANUP(cv_instance_close) struct cv_instance *inst = calloc(1, sizeof(*inst));
	int rc;

	if (!inst)
		return cv_err_set(err, -ENOMEM, "instance: out of memory");
	inst->options = *options;
	inst->access = access;
	inst->lock_fd = -1;
	inst->files_prog = -1;
	inst->mount_fd = -1;
	inst->older_fd = -1;
	if (!inst->options.bpffs)
		inst->options.bpffs = CV_DEFAULT_BPFFS;
	if (!inst->options.state_dir)
		inst->options.state_dir = CV_DEFAULT_STATE_DIR;
	rc = open_at(inst, err);
	if (!rc)
		rc = check_abi(inst, err);
	if (!rc)
		rc = cv_takeover_check(inst, err);
	if (!rc && access == CV_ACCESS_WRITE)
		rc = cv_reap(inst, err);
	if (!rc)
		*out = CV_TAKE_PTR(inst);
	return rc;
}

/* True if no instance has pins here. */
static bool no_instance_is_left(const struct cv_instance *inst);
static int remove_pins(struct cv_instance *inst, struct cv_err *err);

void cv_instance_close(struct cv_instance **inst_ptr)
{
	struct cv_instance *inst = *inst_ptr;

	if (!inst)
		return;
	cv_preload_end(inst);
	cv_nl_close(&inst->nl);
	cv_close_fd(&inst->files_prog);
	cv_close_fd(&inst->mount_fd);
	cv_close_fd(&inst->older_fd);
	/* With the last instance gone, neither the mount nor the folders are left. */
	if (inst->lock_fd >= 0 && no_instance_is_left(inst)) {
		rmdir(inst->root);
		close(CV_TAKE_FD(inst->lock_fd));
		cv_bpffs_unmount(inst->options.bpffs);
		/* Folders that the user named stay, ours go. */
		if (!strcmp(inst->options.bpffs, CV_DEFAULT_BPFFS))
			rmdir(CV_DEFAULT_BPFFS);
		if (!strcmp(inst->options.state_dir, CV_DEFAULT_STATE_DIR))
			rmdir(CV_DEFAULT_STATE_DIR);
	}
	if (inst->lock_fd >= 0)
		close(inst->lock_fd);
	free(inst);
	*inst_ptr = NULL;
}

/* ---- make and remove ---- */

/* The ledger of devices. */
static int create_devs(const struct cv_instance *inst, struct cv_err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	CV_CLOSE int fd =
		bpf_map_create(BPF_MAP_TYPE_HASH, CV_STRING(CV_MAP_DEVS), sizeof(uint32_t),
			       sizeof(struct cv_dev), CV_MAX_DEVS, &opts);

	if (fd < 0)
		return cv_err_set(err, -errno, "map " CV_STRING(CV_MAP_DEVS) ": create: %s",
				  strerrordesc_np(errno));
	return cv_pin_set(fd, inst->maps, CV_STRING(CV_MAP_DEVS), err);
}

/* With it the instance exists, so it is full when its pin appears. */
static int create_meta(const struct cv_instance *inst, const struct cv_meta *meta,
		       struct cv_err *err)
{
	CV_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, CV_STRING(CV_MAP_META),
					 sizeof(uint32_t), sizeof(*meta), 1, NULL);
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_update_elem(fd, &zero, meta, BPF_ANY))
		return cv_err_set(err, -errno, "map " CV_STRING(CV_MAP_META) ": create: %s",
				  strerrordesc_np(errno));
	return cv_pin_set(fd, inst->maps, CV_STRING(CV_MAP_META), err);
}

static int create_contents(struct cv_instance *inst, struct cv_err *err)
{
	struct cv_meta meta = {
		.magic = CV_ABI_MAGIC,
		.abi_version = CV_ABI_VERSION,
		.mark_mask = CV_DEFAULT_MARK_MASK,
		.netns_cookie = inst->netns_cookie,
		.netns_inode = inst->netns_inode,
	};
	int rc;

	snprintf(meta.build, sizeof(meta.build), "%s", cv_object_build());
	rc = cv_takeover_generation(inst, &meta.generation, err);
	if (!rc)
		rc = create_devs(inst, err);
	if (!rc)
		rc = cv_counters_create(inst, err);
	if (!rc)
		rc = cv_object_pin_classify(inst, err);
	return rc ? rc : create_meta(inst, &meta, err);
}

/* The maps of the host that programs on packets have. */
static const char *const packet_maps[] = {
	CV_STRING(CV_MAP_OWNERS),
	CV_STRING(CV_MAP_CLOSED),
	CV_STRING(CV_MAP_SOURCES),
};

/* With TC_BPF_MNT=DIR stock tc and ip look for the maps of an object that they load below
 * DIR/tc/globals: they find ours, those of the host among them. */
static int link_for_stock_tools(const struct cv_instance *inst, struct cv_err *err)
{
	int rc = cv_dir_link(inst->stock, "globals", "../maps", err);
	char target[PATH_MAX];

	for (size_t i = 0; !rc && i < sizeof(packet_maps) / sizeof(*packet_maps); i++) {
		snprintf(target, sizeof(target), "../../host/maps/%s", packet_maps[i]);
		rc = cv_dir_link(inst->maps, packet_maps[i], target, err);
	}
	return rc;
}

int cv_instance_make_dirs(const struct cv_instance *inst, struct cv_err *err)
{
	const char *const dirs[] = { inst->host_maps, inst->host_links, inst->host_progs,
				     inst->maps,      inst->progs,	inst->tunnels,
				     inst->stock };
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(dirs) / sizeof(*dirs); i++)
		if (access(dirs[i], F_OK))
			rc = cv_dir_make(dirs[i], err);
	return rc ? rc : link_for_stock_tools(inst, err);
}

static int create_pins(struct cv_instance *inst, bool has_apps, struct cv_err *err)
{
	int rc = cv_instance_make_dirs(inst, err);

	if (!rc && cv_readers_need_ids())
		rc = cv_dir_make(inst->inner, err);
	if (!rc && has_apps && !cv_hooks_are_attached(inst))
		cv_preload_begin(inst);
	return rc ? rc : create_contents(inst, err);
}

int cv_instance_create(struct cv_instance *inst, bool has_apps, struct cv_err *err)
{
	/* What a maker that was killed on the way has left. */
	int rc = cv_dir_remove(inst->dir, err);

	if (!rc)
		rc = cv_dir_make(inst->state_dir, err);
	if (!rc)
		rc = create_pins(inst, has_apps, err);
	if (rc) {
		remove_pins(inst, NULL);
		rmdir(inst->state_dir); /* stays if a state is in it */
	}
	return rc;
}

/* ---- an instance that is not there ---- */

/* A bpffs that stands nowhere: below /proc/self/fd it has a path, and with the last fd it is gone. */
static int mount_nowhere(struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int context = fsopen("bpf", FSOPEN_CLOEXEC);

	if (context >= 0 && !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		inst->mount_fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (inst->mount_fd >= 0)
		return 0;
	cv_err_set(err, -errno, "bpffs to try it in: mount: %s", strerrordesc_np(errno));
	return errno == EPERM ? cv_err_hint(err, "it needs CAP_SYS_ADMIN") : -errno;
}

int cv_instance_pretend(struct cv_instance *inst, bool has_apps, struct cv_err *err)
{
	bool has_host = !cv_path_is_absent(inst->host_maps);
	struct cv_instance real = *inst;
	int rc = mount_nowhere(inst, err);

	if (!rc)
		rc = set_path(inst->root, err, "/proc/self/fd/%d", inst->mount_fd);
	if (!rc)
		rc = set_paths_below_root(inst, err);
	if (rc)
		return rc;
	if (has_host) {
		memcpy(inst->host_maps, real.host_maps, sizeof(inst->host_maps));
		memcpy(inst->host_links, real.host_links, sizeof(inst->host_links));
		memcpy(inst->host_progs, real.host_progs, sizeof(inst->host_progs));
	} else {
		inst->access = CV_ACCESS_WRITE; /* of what is nowhere */
	}
	return create_pins(inst, has_apps, err);
}

/* Calls fn for each instance directory below the root; ends when it returns something else than
 * zero, and returns that. */
static int each_instance(const struct cv_instance *inst,
			 int (*fn)(const struct cv_instance *inst, const char *name,
				   struct cv_err *err),
			 struct cv_err *err)
{
	int rc;
	CV_DIR_CLOSE DIR *dir = cv_dir_open(inst->root, &rc);
	struct dirent *entry;

	while (!rc && (entry = cv_dir_next(dir, &rc))) {
		int result = strncmp(entry->d_name, "ns-", 3) ? 0 : fn(inst, entry->d_name, err);

		if (result)
			return result;
	}
	if (rc)
		cv_err_set(err, rc, "pin directory %s: %s", inst->root, strerrordesc_np(-rc));
	return rc;
}

static int found_one(const struct cv_instance *inst, const char *name, struct cv_err *err)
{
	(void)inst;
	(void)name;
	(void)err;
	return 1;
}

/* Nor if that cannot be told. */
static bool no_instance_is_left(const struct cv_instance *inst)
{
	return !each_instance(inst, found_one, NULL);
}

static int remove_host(const struct cv_instance *inst, struct cv_err *err)
{
	char host[PATH_MAX];
	int rc = set_path(host, err, "%s/host", inst->root);

	return rc ? rc : cv_dir_remove(host, err);
}

/* And the host's parts if no other instance is left. */
static int remove_pins(struct cv_instance *inst, struct cv_err *err)
{
	int rc;

	cv_preload_end(inst); /* nobody is to make more of them */
	cv_apps_forget(inst, inst->netns_cookie);
	rc = cv_dir_remove(inst->dir, err);
	if (!rc && no_instance_is_left(inst))
		rc = remove_host(inst, err);
	return rc;
}

int cv_instance_remove_version(const struct cv_instance *inst, uint32_t version, struct cv_err *err)
{
	struct cv_instance other = *inst;
	int rc = set_path(other.root, err, "%s/v%u", inst->options.bpffs, version);

	other.preload = NULL;
	if (!rc)
		rc = set_paths_below_root(&other, err);
	if (!rc)
		rc = remove_pins(&other, err);
	if (!rc && no_instance_is_left(&other))
		rmdir(other.root);
	return rc;
}

/* The state goes last: until then it tells that something may be left. */
int cv_instance_remove(struct cv_instance *inst, struct cv_err *err)
{
	int rc = remove_pins(inst, err);

	return rc ? rc : cv_dir_remove(inst->state_dir, err);
}

/* Reads the identity of another instance. False if that cannot be told. */
static bool read_identity(const struct cv_instance *inst, const char *name, struct cv_meta *meta)
{
	CV_CLOSE int fd = -1;
	char maps[PATH_MAX];
	uint32_t zero = 0;

	if (set_path(maps, NULL, "%s/%s/maps", inst->root, name))
		return false;
	fd = cv_pin_open(maps, CV_STRING(CV_MAP_META), NULL);
	return fd >= 0 && !bpf_map_lookup_elem(fd, &zero, meta) && meta->magic == CV_ABI_MAGIC;
}

static int reap_one(const struct cv_instance *inst, const char *name, struct cv_err *err)
{
	struct cv_meta meta;
	char dir[PATH_MAX];
	int rc;

	if (!strcmp(name, inst->name) || !read_identity(inst, name, &meta) ||
	    cv_netns_lives(meta.netns_cookie, meta.netns_inode))
		return 0;
	cv_log(inst, CV_LOG_INFO, "instance %s: its network namespace is gone, removing its pins",
	       name);
	cv_apps_forget(inst, meta.netns_cookie);
	rc = set_path(dir, err, "%s/%s", inst->root, name);
	if (!rc)
		rc = cv_dir_remove(dir, err);
	if (!rc)
		rc = set_path(dir, err, "%s/%s", inst->options.state_dir, name);
	return rc ? rc : cv_dir_remove(dir, err);
}

int cv_reap(struct cv_instance *inst, struct cv_err *err)
{
	int rc = each_instance(inst, reap_one, err);

	if (!rc && no_instance_is_left(inst))
		rc = remove_host(inst, err);
	return rc;
}

/* ---- the applied state ---- */

int cv_applied_path(const struct cv_instance *inst, char *path, struct cv_err *err)
{
	return set_path(path, err, "%s/" CV_APPLIED_FILE, inst->state_dir);
}

int cv_instance_applied(const struct cv_instance *inst, struct cv_text *text, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = cv_applied_path(inst, path, err);

	return rc ? rc : cv_text_map(path, text, err);
}

int cv_applied_prepare(const struct cv_instance *inst, cv_text_fn put, const void *arg,
		       struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = cv_applied_path(inst, path, err);

	if (!rc)
		rc = cv_dir_make(inst->state_dir, err);
	return rc ? rc : cv_text_prepare(path, put, arg, err);
}

int cv_applied_turn(const struct cv_instance *inst, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = cv_applied_path(inst, path, err);

	return rc ? rc : cv_text_turn(path, err);
}

static void put_text(FILE *file, const void *arg)
{
	fputs(arg, file);
}

int cv_applied_write(const struct cv_instance *inst, const char *text, struct cv_err *err)
{
	int rc = cv_applied_prepare(inst, put_text, text, err);

	return rc ? rc : cv_applied_turn(inst, err);
}

void cv_applied_tidy(const struct cv_instance *inst)
{
	char path[PATH_MAX];

	if (!cv_applied_path(inst, path, NULL))
		cv_text_tidy(path);
}
