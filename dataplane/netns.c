/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network namespaces: see netns.h. */
#include "netns.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "own.h"
#include "path.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* asm-generic/socket.h, Linux 5.14 */
#endif
#define CV_NETNS_DIR "/run/netns"

/* Opens the network namespace of that name under /run/netns, or at that path. */
static int open_netns(const char *netns, struct cv_err *err)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s%s", strchr(netns, '/') ? "" : CV_NETNS_DIR "/", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = -errno;
	cv_err_set(err, fd, "netns %s: %s", netns, strerrordesc_np(-fd));
	cv_err_hint(err, "'ip netns list' shows the names, /proc/PID/ns/net works too");
	return fd;
}

/* Says why setns() failed. */
static int not_entered(const char *netns, int rc, struct cv_err *err)
{
	cv_err_set(err, rc, "netns %s: enter: %s", netns, strerrordesc_np(-rc));
	if (rc == -EPERM)
		cv_err_hint(err, "entering a network namespace needs CAP_SYS_ADMIN");
	if (rc == -EINVAL)
		cv_err_hint(err, "%s is not a network namespace", netns);
	return rc;
}

int cv_netns_enter(const char *netns, struct cv_err *err)
{
	CV_CLOSE int fd = -1;

	if (!netns)
		return 0;
	fd = open_netns(netns, err);
	if (fd < 0)
		return fd;
	return setns(fd, CLONE_NEWNET) ? not_entered(netns, -errno, err) : 0;
}

static int own_cookie(uint64_t *cookie)
{
	CV_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len))
		return -errno;
	return 0;
}

int cv_netns_identity(uint64_t *cookie, uint64_t *inode, struct cv_err *err)
{
	struct stat st;
	int rc = own_cookie(cookie);

	if (rc)
		return cv_err_set(err, rc, "network namespace: cookie: %s", strerrordesc_np(-rc));
	if (stat("/proc/thread-self/ns/net", &st))
		return cv_err_set(err, -errno, "/proc/thread-self/ns/net: %s",
				  strerrordesc_np(errno));
	*inode = st.st_ino;
	return 0;
}

/* Cookie of the network namespace that is open at fd. Enters it and comes back. */
static int cookie_of(int fd, uint64_t *cookie)
{
	CV_CLOSE int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int rc;

	if (home < 0 || setns(fd, CLONE_NEWNET))
		return -errno;
	rc = own_cookie(cookie);
	if (setns(home, CLONE_NEWNET))
		abort(); /* in a foreign namespace for good: nothing that follows would be right */
	return rc;
}

int cv_netns_cookie(const char *netns, uint64_t *cookie, struct cv_err *err)
{
	CV_CLOSE int fd = open_netns(netns, err);
	int rc;

	if (fd < 0)
		return fd;
	rc = cookie_of(fd, cookie);
	return rc ? not_entered(netns, rc, err) : 0;
}

/* What cannot be looked at because it is gone or dying, or is another user's, tells nothing. Behind
 * any other failure the namespace may be: it is taken for alive, nothing is removed on a guess. */
static bool may_hide_it(int code)
{
	return code && !cv_errno_is_absence(code) && code != ESRCH && code != EINVAL &&
	       code != EACCES && code != EPERM;
}

/* True if path is a network namespace with that inode and cookie. */
static bool is_netns(const char *path, uint64_t cookie, uint64_t inode)
{
	CV_CLOSE int fd = -1;
	uint64_t found = 0;
	struct stat st;

	if (stat(path, &st))
		return may_hide_it(errno);
	if (st.st_ino != inode)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* What cannot be entered is taken for alive, too. */
	return fd < 0 || cookie_of(fd, &found) || found == cookie;
}

/* Looks at each DIR/ENTRY/suffix. */
static bool lives_below(const char *dir_path, const char *suffix, uint64_t cookie, uint64_t inode)
{
	int rc;
	CV_DIR_CLOSE DIR *dir = cv_dir_open(dir_path, &rc);
	char path[PATH_MAX];
	struct dirent *entry;

	while ((entry = cv_dir_next(dir, &rc))) {
		snprintf(path, sizeof(path), "%s/%s%s", dir_path, entry->d_name, suffix);
		if (is_netns(path, cookie, inode))
			return true;
	}
	return may_hide_it(-rc);
}

static bool lives_in_an_fd(uint64_t cookie, uint64_t inode)
{
	int rc;
	CV_DIR_CLOSE DIR *dir = cv_dir_open("/proc", &rc);
	char path[PATH_MAX];
	struct dirent *entry;

	while ((entry = cv_dir_next(dir, &rc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fd", entry->d_name);
		if (lives_below(path, "", cookie, inode))
			return true;
	}
	return may_hide_it(-rc);
}

/* A mount of a namespace shows as "net:[INODE]" in the root column, also outside /run/netns and in
 * the mount namespaces of other processes. */
static bool lives_in_a_mount(uint64_t inode)
{
	int rc;
	CV_DIR_CLOSE DIR *dir = cv_dir_open("/proc", &rc);
	struct dirent *entry;
	char needle[64];

	snprintf(needle, sizeof(needle), " net:[%llu] ", (unsigned long long)inode);
	while ((entry = cv_dir_next(dir, &rc))) {
		CV_FCLOSE FILE *file = NULL;
		CV_FREE char *line = NULL;
		char path[PATH_MAX];
		size_t size = 0;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/mountinfo", entry->d_name);
		file = fopen(path, "re");
		if (!file && may_hide_it(errno))
			return true;
		while (file && getline(&line, &size, file) > 0)
			if (strstr(line, needle))
				return true;
	}
	return may_hide_it(-rc);
}

bool cv_netns_lives(uint64_t cookie, uint64_t inode)
{
	return lives_below("/proc", "/ns/net", cookie, inode) ||
	       lives_below(CV_NETNS_DIR, "", cookie, inode) || lives_in_an_fd(cookie, inode) ||
	       lives_in_a_mount(inode);
}
