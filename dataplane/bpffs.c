/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The surroundings of an instance: see bpffs.h. */
#include "bpffs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <mntent.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "map.h"
#include "own.h"
#include "path.h"

#define CV_MOUNT_SOURCE "culvert" /* first column of /proc/mounts: says who mounted it */

bool cv_is_bpffs(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) ? !cv_errno_is_absence(errno) : fs.f_type == BPF_FS_MAGIC;
}

/* True if this process has a mount namespace that its parent does not share: whoever called us put
 * a wrapper around us, and the namespace ends with us. */
static bool mounts_are_private(void)
{
	char parent[64];
	struct stat ours, theirs;

	snprintf(parent, sizeof(parent), "/proc/%d/ns/mnt", getppid());
	return !stat("/proc/self/ns/mnt", &ours) && !stat(parent, &theirs) &&
	       ours.st_ino != theirs.st_ino;
}

/* Two that come at the same time must not mount twice: what lies below the mount is their lock. */
static int mount_alone(const char *dir, struct cv_err *err)
{
	CV_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0 || flock(fd, LOCK_EX))
		return cv_err_set(err, -errno, "bpffs %s: %s", dir, strerrordesc_np(errno));
	if (cv_is_bpffs(dir) || !mount(CV_MOUNT_SOURCE, dir, "bpf", 0, "mode=0750"))
		return 0;
	rc = cv_err_set(err, -errno, "bpffs %s: mount: %s", dir, strerrordesc_np(errno));
	return rc == -EPERM ? cv_err_hint(err, "mounting needs CAP_SYS_ADMIN") : rc;
}

int cv_bpffs_mount(const char *dir, struct cv_err *err)
{
	int rc = cv_dir_make(dir, err);

	if (rc || cv_is_bpffs(dir))
		return rc;
	if (mounts_are_private()) {
		cv_err_set(
			err, -ENOENT,
			"bpffs %s: not mounted, and mounted here it would vanish with this command",
			dir);
		return cv_err_hint(err,
				   "use 'culvert -n NETNS ...' in place of 'ip netns exec', or "
				   "mount it first: mount -t bpf culvert %s",
				   dir);
	}
	return mount_alone(dir, err);
}

static void close_mounts(FILE **file)
{
	if (*file)
		endmntent(*file);
}

static bool is_our_mount(const char *dir)
{
	CV_CLEANUP(close_mounts) FILE *file = setmntent("/proc/self/mounts", "re");
	char real[PATH_MAX];
	struct mntent *entry;
	bool is_ours = false;

	if (!file || !realpath(dir, real))
		return false;
	while ((entry = getmntent(file)))
		if (!strcmp(entry->mnt_dir, real))
			is_ours = !strcmp(entry->mnt_type, "bpf") &&
				  !strcmp(entry->mnt_fsname, CV_MOUNT_SOURCE);
	return is_ours;
}

void cv_bpffs_admit(const char *dir, gid_t group)
{
	if (is_our_mount(dir) && chown(dir, -1, group))
		return; /* then they may not, as before */
}

/* True if nothing is pinned there: the kernel's own two files are in every bpffs. */
static bool is_bare(const char *path)
{
	int rc;
	CV_DIR_CLOSE DIR *dir = cv_dir_open(path, &rc);
	struct dirent *entry;

	while ((entry = cv_dir_next(dir, &rc)))
		if (strcmp(entry->d_name, "maps.debug") && strcmp(entry->d_name, "progs.debug"))
			return false;
	return dir && !rc;
}

void cv_bpffs_unmount(const char *dir)
{
	if (is_our_mount(dir) && is_bare(dir))
		umount2(dir, UMOUNT_NOFOLLOW);
}

static uint32_t depth_of(const char *path)
{
	uint32_t depth = 0;

	for (const char *p = path; *p; p++)
		if (*p == '/' && p[1] && p[1] != '/')
			depth++;
	return depth;
}

int cv_cgroup2_mount(char *path, uint32_t *root_level, struct cv_err *err)
{
	CV_FCLOSE FILE *file = fopen("/proc/self/mountinfo", "re");
	CV_FREE char *line = NULL;
	char root[PATH_MAX];
	size_t size = 0;

	/* 36 35 98:0 ROOT MOUNT-POINT rw,noatime master:1 - TYPE SOURCE OPTIONS */
	if (!file)
		return cv_err_set(err, -errno, "/proc/self/mountinfo: %s", strerrordesc_np(errno));
	while (getline(&line, &size, file) > 0) {
		const char *type = strstr(line, " - ");

		if (!type || strncmp(type + 3, "cgroup2 ", 8))
			continue;
		if (sscanf(line, "%*s %*s %*s %4095s %4095s", root, path) != 2)
			continue;
		*root_level = depth_of(root);
		return 0;
	}
	if (ferror(file))
		return cv_err_set(err, -EIO, "/proc/self/mountinfo: %s", strerrordesc_np(EIO));
	cv_err_set(err, -ENOENT, "cgroup2: not mounted; apps need the socket hooks of a cgroup");
	return cv_err_hint(err, "mount it: mkdir -p /sys/fs/cgroup/unified && "
				"mount -t cgroup2 none /sys/fs/cgroup/unified");
}

static int read_capabilities(struct __user_cap_data_struct *caps)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &header, caps) ? -errno : 0;
}

static bool has_capability(const struct __user_cap_data_struct *caps, int cap)
{
	return caps[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

bool cv_has_capability(int cap)
{
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return !read_capabilities(caps) && has_capability(caps, cap);
}

static const struct {
	int cap;
	bool is_in_sys_admin; /* CAP_SYS_ADMIN includes it, for the kernel's bpf() */
	const char *name;
	const char *reason;
} wanted_capabilities[] = {
	{ CAP_NET_ADMIN, false, "CAP_NET_ADMIN", "filters, routes and rules" },
	{ CAP_BPF, true, "CAP_BPF", "programs and maps" },
	{ CAP_PERFMON, true, "CAP_PERFMON", "the socket hooks" },
};

static int missing(const char *name, const char *reason, struct cv_err *err)
{
	cv_err_set(err, -EPERM, "not permitted: %s is missing, needed for %s", name, reason);
	return cv_err_hint(err, "run it as root");
}

int cv_check_capabilities(const char *admin_reason, struct cv_err *err)
{
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { 0 };
	int rc = read_capabilities(caps);
	bool is_admin;

	if (rc)
		return cv_err_set(err, rc, "capabilities: %s", strerrordesc_np(-rc));
	is_admin = has_capability(caps, CAP_SYS_ADMIN);
	for (size_t i = 0; i < sizeof(wanted_capabilities) / sizeof(*wanted_capabilities); i++)
		if (!has_capability(caps, wanted_capabilities[i].cap) &&
		    !(wanted_capabilities[i].is_in_sys_admin && is_admin))
			return missing(wanted_capabilities[i].name, wanted_capabilities[i].reason,
				       err);
	return !admin_reason || is_admin ? 0 : missing("CAP_SYS_ADMIN", admin_reason, err);
}
