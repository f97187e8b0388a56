/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sentries: two processes that roll a change back when nobody confirms it. Each has a session of its
 * own, so no terminal and no connection takes it along; a pidfd tells it that the other one died. They
 * are this program started anew, so they are small, and hold none of their parent's files and locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confirm.h"
#include "own.h"

#define CV_SENTRIES 2
#define CV_READY_FD 3 /* of a new sentry: it writes a byte when it watches */
#define CV_PARTNER_FD 4 /* pidfd of who started it */
#define CV_NONE "-" /* in place of a partner's fd */
#define CV_COMMAND_WORDS 32
#define CV_READY_MS 10000
#define CV_RETRY_MS 500 /* between partners that do not live or cannot be started */

/* ---- starting one ---- */

/* In the child: nothing is left of what the parent had, but the two fds. Does not return. */
static void become_sentry(char *const argv[], int ready, int partner)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		signal(number, number == SIGHUP || number == SIGPIPE ? SIG_IGN : SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	umask(022);
	/* Out of the way of the numbers that they are to have. */
	ready = fcntl(ready, F_DUPFD, CV_PARTNER_FD + 1);
	partner = partner < 0 ? -1 : fcntl(partner, F_DUPFD, CV_PARTNER_FD + 1);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (chdir("/") || dup2(ready, CV_READY_FD) < 0 ||
	    (partner >= 0 && dup2(partner, CV_PARTNER_FD) < 0))
		_exit(1);
	close_range(partner < 0 ? CV_PARTNER_FD : CV_PARTNER_FD + 1, ~0u, 0);
	execv("/proc/self/exe", argv);
	_exit(1);
}

static int pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Starts a sentry, which writes to ready. has_partner: the caller is one, too. Returns a pidfd. */
static int start(char *const command[], int ready, bool has_partner, struct cv_err *err)
{
	CV_CLOSE int self = has_partner ? pidfd_open(getpid()) : -1;
	char ready_word[16], partner_word[16], *argv[CV_COMMAND_WORDS + 3] = { NULL };
	size_t count = 0;
	pid_t pid;
	int fd;

	if (has_partner && self < 0)
		return cv_err_set(err, -errno, "sentry: pidfd: %s", strerrordesc_np(errno));
	while (count < CV_COMMAND_WORDS && command[count]) {
		argv[count] = command[count];
		count++;
	}
	snprintf(ready_word, sizeof(ready_word), "%d", CV_READY_FD);
	snprintf(partner_word, sizeof(partner_word), "%d", CV_PARTNER_FD);
	argv[count++] = ready_word;
	argv[count] = has_partner ? partner_word : (char *)CV_NONE;
	pid = fork();
	if (!pid)
		become_sentry(argv, ready, self);
	/* It cannot be another's number yet: nobody waited for the child. */
	fd = pid < 0 ? -1 : pidfd_open(pid);
	return fd >= 0 ? fd : cv_err_set(err, -errno, "sentry: %s", strerrordesc_np(errno));
}

/* Waits until as many have written as there are to be. */
static int wait_until_ready(int fd, struct cv_err *err)
{
	int64_t end_ns = cv_boottime_ns() + CV_READY_MS * 1000000ll;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char byte;

	for (int count = 0; count < CV_SENTRIES;) {
		int left_ms = (int)((end_ns - cv_boottime_ns()) / 1000000);
		int rc = left_ms > 0 ? poll(&poll_fd, 1, left_ms) : 0;

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0 || read(fd, &byte, 1) != 1)
			return cv_err_set(err, -ECHILD,
					  "who is to roll the change back does not start");
		count++;
	}
	return 0;
}

int cv_sentries_start(char *const command[], struct cv_err *err)
{
	CV_CLOSE int ready = -1;
	CV_CLOSE int told = -1;
	CV_CLOSE int first = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return cv_err_set(err, -errno, "pipe: %s", strerrordesc_np(errno));
	ready = fds[0];
	told = fds[1];
	first = start(command, told, false, err);
	if (first < 0)
		return CV_TAKE_FD(first);
	close(CV_TAKE_FD(told)); /* so that it ends if the sentries do */
	return wait_until_ready(ready, err);
}

/* ---- being one ---- */

struct sentry {
	const struct cv_instance *inst;
	char *const *command;
	int ready; /* where to say that it watches; -1: it was said */
	int partner; /* pidfd; -1: there is none */
	int64_t partner_since_ns;
	int files; /* inotify on the directory of the change */
	int timer;
};

static void sentry_close(struct sentry *sentry)
{
	cv_close_fd(&sentry->ready);
	cv_close_fd(&sentry->partner);
	cv_close_fd(&sentry->files);
	cv_close_fd(&sentry->timer);
}

static int open_watches(struct sentry *sentry, struct cv_err *err)
{
	char dir[PATH_MAX];
	int rc = cv_confirm_path(sentry->inst, "", dir, err);

	if (rc)
		return rc;
	sentry->files = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	sentry->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (sentry->files < 0 || sentry->timer < 0)
		return cv_err_set(err, -errno, "sentry: %s", strerrordesc_np(errno));
	/* If the directory is gone, so is what was to be confirmed: the record says so. */
	if (inotify_add_watch(sentry->files, dir, IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF) < 0 &&
	    errno != ENOENT)
		return cv_err_set(err, -errno, "sentry: %s: %s", dir, strerrordesc_np(errno));
	return 0;
}

static void set_timer(const struct sentry *sentry, int64_t deadline_ns)
{
	const struct itimerspec when = { .it_value = { .tv_sec = deadline_ns / 1000000000,
						       .tv_nsec = deadline_ns % 1000000000 } };

	timerfd_settime(sentry->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Without a partner the sentry goes on, and tries again after a while. */
static void find_partner(struct sentry *sentry)
{
	int64_t now_ns = cv_boottime_ns();

	if (sentry->partner >= 0 || now_ns - sentry->partner_since_ns < CV_RETRY_MS * 1000000ll)
		return;
	sentry->partner_since_ns = now_ns;
	sentry->partner = start(sentry->command, sentry->ready, true, NULL);
}

/* The first one says so for itself when it has a partner, which speaks for itself: both then know of each
 * other. */
static void say_ready(struct sentry *sentry)
{
	if (sentry->ready < 0)
		return;
	if (write(sentry->ready, "", 1) < 0 && errno != EPIPE)
		return; /* whoever listened is gone: the deadline stays */
	close(CV_TAKE_FD(sentry->ready));
	sentry->ready = open("/dev/null", O_WRONLY | O_CLOEXEC); /* of partners to come */
}

/* Takes the events; what they mean is read from the record. */
static void take_events(struct sentry *sentry, const struct pollfd *fds)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (fds[0].revents && read(sentry->files, buffer, sizeof(buffer)) > 0)
		;
	if (fds[2].revents) {
		waitid(P_PIDFD, sentry->partner, &(siginfo_t){ 0 }, WEXITED | WNOHANG);
		close(CV_TAKE_FD(sentry->partner));
	}
}

static void wait_for_events(struct sentry *sentry)
{
	struct pollfd fds[] = { { .fd = sentry->files, .events = POLLIN },
				{ .fd = sentry->timer, .events = POLLIN },
				{ .fd = sentry->partner, .events = POLLIN } };

	if (poll(fds, 3, sentry->partner < 0 ? CV_RETRY_MS : -1) > 0)
		take_events(sentry, fds);
}

/* What cannot be read now is not gone: it is looked at again. */
static bool look(const struct sentry *sentry, struct cv_pending *out)
{
	int found;

	while ((found = cv_pending_get(sentry->inst, out, NULL)) < 0)
		poll(NULL, 0, CV_RETRY_MS);
	return found;
}

static int watch(struct sentry *sentry)
{
	struct cv_pending first, now;

	if (!look(sentry, &first))
		return 0;
	while (look(sentry, &now) && now.id == first.id && !*now.failed) {
		if (!cv_pending_seconds_left(&now))
			return 1;
		set_timer(sentry, now.deadline_ns);
		find_partner(sentry);
		say_ready(sentry);
		wait_for_events(sentry);
	}
	return 0;
}

int cv_sentry_wait(const struct cv_instance *inst, char *const command[], const char *ready,
		   const char *partner, struct cv_err *err)
{
	CV_CLEANUP(sentry_close)
	struct sentry sentry = { .inst = inst,
				 .command = command,
				 .ready = atoi(ready),
				 .partner = strcmp(partner, CV_NONE) ? atoi(partner) : -1,
				 .partner_since_ns = INT64_MIN / 2,
				 .files = -1,
				 .timer = -1 };
	int rc = open_watches(&sentry, err);

	fcntl(sentry.ready, F_SETFD, FD_CLOEXEC);
	if (sentry.partner >= 0)
		fcntl(sentry.partner, F_SETFD, FD_CLOEXEC);
	return rc ? rc : watch(&sentry);
}
