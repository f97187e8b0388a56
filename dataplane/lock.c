/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Waiting for the lock: see lock.h. */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <time.h>

#include "bpffs.h"
#include "own.h"

#define CV_LOCK_TRIES 1000 /* the directory goes with the last instance, and comes with the next */
#define CV_ALARM_US 250000

/* ---- who holds it ---- */

/* What a process was started as, without its own name; one line. */
static void read_command(pid_t pid, char *out, size_t size)
{
	CV_FCLOSE FILE *file = NULL;
	char path[64], text[512];
	size_t len, at;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file = fopen(path, "re");
	len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	text[len] = '\0';
	at = strlen(text) + 1;
	for (size_t i = at; i + 1 < len; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	snprintf(out, size, "%s", at < len ? text + at : "");
}

static bool is_stopped(pid_t pid)
{
	CV_FCLOSE FILE *file = NULL;
	char path[64], state = '\0';

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	return file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1 &&
	       (state == 'T' || state == 't');
}

bool cv_lock_holder(const struct cv_instance *inst, struct cv_writer *out)
{
	CV_FCLOSE FILE *file = fopen("/proc/locks", "re");
	CV_FREE char *line = NULL;
	size_t size = 0;
	struct stat st;

	if (stat(inst->root, &st))
		return false;
	/* 1: FLOCK  ADVISORY  WRITE 1234 00:2f:5678 0 EOF; of those who wait "->" stands before FLOCK. */
	while (file && getline(&line, &size, file) > 0) {
		unsigned int major_number, minor_number;
		unsigned long inode;
		int pid;

		if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %x:%x:%lu", &pid, &major_number,
			   &minor_number, &inode) != 4)
			continue;
		if (inode != st.st_ino || makedev(major_number, minor_number) != st.st_dev ||
		    pid == getpid() || pid <= 0)
			continue;
		out->pid = pid;
		out->is_stopped = is_stopped(pid);
		read_command(pid, out->command, sizeof(out->command));
		return true;
	}
	return false;
}

/* ---- waiting ---- */

/* While one of these is set, SIGALRM breaks off a system call that waits four times a second. */
struct alarm {
	struct sigaction action;
	struct itimerval timer;
};

static void nothing(int signal_number)
{
	(void)signal_number;
}

static void alarm_set(struct alarm *former)
{
	const struct sigaction action = { .sa_handler = nothing };
	const struct timeval period = { .tv_usec = CV_ALARM_US };
	const struct itimerval timer = { period, period };

	sigaction(SIGALRM, &action, &former->action);
	setitimer(ITIMER_REAL, &timer, &former->timer);
}

static void alarm_reset(const struct alarm *former)
{
	setitimer(ITIMER_REAL, &former->timer, NULL);
	sigaction(SIGALRM, &former->action, NULL);
}

static time_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void say_who(const struct cv_instance *inst)
{
	struct cv_writer writer;

	if (cv_lock_holder(inst, &writer))
		cv_log(inst, CV_LOG_INFO, "waits for pid %d: '%s'%s", writer.pid, writer.command,
		       writer.is_stopped ? ", which is stopped" : "");
	else
		cv_log(inst, CV_LOG_INFO, "waits for another culvert that changes something");
}

static int still_held(const struct cv_instance *inst, struct cv_err *err)
{
	struct cv_writer writer;
	uint32_t seconds = inst->options.wait_seconds;

	if (!cv_lock_holder(inst, &writer)) {
		cv_err_set(err, -EBUSY,
			   "%s: still locked after %u s, by a process of another namespace",
			   inst->root, seconds);
		return cv_err_hint(err, "'--wait SECONDS' waits longer");
	}
	cv_err_set(err, -EBUSY, "pid %d changes something here, still after %u s: '%s'", writer.pid,
		   seconds, writer.command);
	if (writer.is_stopped)
		return cv_err_hint(err, "it is stopped: 'kill -CONT %d' lets it go on", writer.pid);
	return cv_err_hint(err, "'--wait SECONDS' waits longer");
}

/* The lock on fd, of which somebody else holds one now. */
static int wait_for(const struct cv_instance *inst, int fd, struct cv_err *err)
{
	CV_CLEANUP(alarm_reset) struct alarm former;
	time_t begin = seconds_now(), waited;
	bool is_said = false;

	alarm_set(&former);
	while (flock(fd, LOCK_EX)) {
		if (errno != EINTR)
			return cv_err_set(err, -errno, "pin directory %s: lock: %s", inst->root,
					  strerrordesc_np(errno));
		waited = seconds_now() - begin;
		if (waited >= 1 && !is_said) {
			say_who(inst);
			is_said = true;
		}
		if (inst->options.wait_seconds != CV_WAIT_FOR_EVER &&
		    waited >= (time_t)inst->options.wait_seconds)
			return still_held(inst, err);
	}
	return 0;
}

static int lock(const struct cv_instance *inst, int fd, struct cv_err *err)
{
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK && !inst->options.wait_seconds)
		return still_held(inst, err);
	return wait_for(inst, fd, err);
}

/* ---- what is locked ---- */

/* True if fd is still what stands at path: the last `down` removes the directory. */
static bool is_current(int fd, const char *path)
{
	struct stat ours, theirs;

	return !fstat(fd, &ours) && !stat(path, &theirs) && ours.st_ino == theirs.st_ino &&
	       ours.st_dev == theirs.st_dev;
}

/* Opens BPFFS/v1. What is open cannot be unmounted, so that it is never made below the mount. -EAGAIN:
 * it went away meanwhile. */
static int open_root(const struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int base = open(inst->options.bpffs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	int fd;

	if (base < 0 && errno != ENOENT)
		return cv_err_set(err, -errno, "bpffs %s: %s", inst->options.bpffs,
				  strerrordesc_np(errno));
	if (base >= 0 && fstatfs(base, &fs))
		return cv_err_set(err, -errno, "bpffs %s: %s", inst->options.bpffs,
				  strerrordesc_np(errno));
	if (base < 0 || fs.f_type != BPF_FS_MAGIC)
		return -EAGAIN;
	if (mkdirat(base, CV_ABI_DIR, 0755) && errno != EEXIST)
		return cv_err_set(err, -errno, "directory %s: make: %s", inst->root,
				  strerrordesc_np(errno));
	fd = openat(base, CV_ABI_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 || errno == ENOENT)
		return fd >= 0 ? fd : -EAGAIN;
	return cv_err_set(err, -errno, "pin directory %s: %s", inst->root, strerrordesc_np(errno));
}

int cv_lock_take(const struct cv_instance *inst, struct cv_err *err)
{
	for (int tries = 0; tries < CV_LOCK_TRIES; tries++) {
		CV_CLOSE int fd = -1;
		int rc = cv_bpffs_mount(inst->options.bpffs, err);

		if (rc)
			return rc;
		fd = open_root(inst, err);
		if (fd == -EAGAIN)
			continue;
		if (fd < 0)
			return CV_TAKE_FD(fd);
		rc = lock(inst, fd, err);
		if (rc)
			return rc;
		if (is_current(fd, inst->root))
			return CV_TAKE_FD(fd);
	}
	return cv_err_set(err, -EBUSY, "pin directory %s: comes and goes, cannot lock it",
			  inst->root);
}
