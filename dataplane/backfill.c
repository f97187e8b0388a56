/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets that are open already: see backfill.h. */
#include "backfill.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "map.h"
#include "object.h"
#include "own.h"

#define CV_PIDFD_THREAD O_EXCL /* linux/pidfd.h, since 6.9 */
#define CV_WALK_ROOM 1024 /* entries at a time */

/* What was done about the marks that cv_fill_marks asked for. */
struct marks {
	uint32_t pid; /* 0: none yet */
	int pidfd; /* of pid, or a negative errno */
	bool has_unmarked;
	size_t refused;
	int reason; /* negative errno of the first one refused */
};

static void close_process(struct marks *marks)
{
	if (marks->pid && marks->pidfd >= 0)
		close(marks->pidfd);
}

/* Entries of one process come one after another. */
static int open_process(struct marks *marks, const struct cv_fill_mark *entry)
{
	if (entry->pid == marks->pid)
		return marks->pidfd;
	close_process(marks);
	marks->pid = entry->pid;
	marks->pidfd = syscall(SYS_pidfd_open, entry->pid, entry->is_thread ? CV_PIDFD_THREAD : 0);
	if (marks->pidfd < 0)
		marks->pidfd = -errno;
	return marks->pidfd;
}

/* True if the descriptor is still that of the socket that was meant. */
static bool is_meant(int sock, const struct cv_fill_mark *entry)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return !getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &len) && cookie == entry->cookie;
}

/* Opens the socket; returns an fd or a negative errno. */
static int open_socket(struct marks *marks, const struct cv_fill_mark *entry)
{
	int fd = open_process(marks, entry);

	if (fd < 0)
		return fd;
	fd = syscall(SYS_pidfd_getfd, fd, entry->fd, 0);
	return fd < 0 ? -errno : fd;
}

/* Returns a negative errno if the socket is there and does not get its mark. */
static int put_mark(struct marks *marks, const struct cv_fill_mark *entry)
{
	CV_CLOSE int sock = open_socket(marks, entry);

	if (sock < 0)
		return sock == -ESRCH || sock == -EBADF ? 0 : sock;
	if (!is_meant(sock, entry) ||
	    !setsockopt(sock, SOL_SOCKET, SO_MARK, &entry->mark, sizeof(entry->mark)))
		return 0;
	return -errno;
}

static void put_marks(struct marks *marks, const struct cv_fill_mark *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int reason = put_mark(marks, &entries[i]);

		marks->has_unmarked |= entries[i].is_unmark;
		if (!reason)
			continue;
		marks->refused++;
		if (!marks->reason)
			marks->reason = reason;
	}
}

/* Takes the walk of a pinned program to its end, and puts the marks that it asks for on the way. */
static int walk(const struct cv_instance *inst, const char *name, struct marks *marks,
		struct cv_err *err)
{
	CV_CLOSE int prog = cv_pin_open(inst->host_progs, name, err);
	CV_FCLOSE FILE *file = prog < 0 ? NULL : cv_iterator_open(prog, NULL);
	struct cv_fill_mark entries[CV_WALK_ROOM];
	ssize_t size = -1;

	if (prog < 0)
		return prog;
	/* EAGAIN: a million files without an entry; the walk goes on. */
	while (file && ((size = read(fileno(file), entries, sizeof(entries))) > 0 ||
			(size < 0 && errno == EAGAIN)))
		if (size > 0)
			put_marks(marks, entries, size / sizeof(*entries));
	return size ? cv_err_set(err, -errno, "open sockets: %s: %s", name, strerrordesc_np(errno))
		    : 0;
}

int cv_backfill(const struct cv_instance *inst, struct cv_err *err)
{
	static const char *const walks[] = { CV_PROG_FILL_TASKS, CV_PROG_FILL_KNOWN,
					     CV_PROG_FILL_REST, CV_PROG_FILL_TCP,
					     CV_PROG_FILL_MARKS };
	CV_CLEANUP(close_process) struct marks marks = { 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(walks) / sizeof(*walks); i++)
		rc = walk(inst, walks[i], &marks, err);
	if (rc == -ENOENT)
		return 0; /* no hooks */
	if (!rc && (marks.refused || marks.has_unmarked))
		rc = walk(inst, CV_PROG_FILL_CHECK, &marks, err);
	if (marks.refused)
		cv_log(inst, CV_LOG_WARN,
		       "%zu open sockets of apps cannot be marked: %s; they go on as they are",
		       marks.refused, strerrordesc_np(-marks.reason));
	return rc;
}
