/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The verb watch: repairs at once what others take away. Everything works without it, as long as
 * somebody says `repair`. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "acts.h"
#include "command.h"
#include "notify.h"
#include "own.h"
#include "pace.h"

struct watcher {
	struct cv_session *session;
	struct cv_instance *inst; /* what is listened to; not that of the session */
	struct cv_watch *watch;
	struct cv_pace pace;
	int signals;
	uint32_t port; /* of who took away what is ours; 0: not known */
	char failed[sizeof(((struct cv_err *)0)->text)]; /* what was said last; empty: it worked */
	unsigned long long repairs; /* that had something to do */
};

static void watcher_close(struct watcher *watcher)
{
	cv_watch_close(&watcher->watch);
	cv_instance_close(&watcher->inst);
	cv_close_fd(&watcher->signals);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* ---- repairs ---- */

/* Name of the process with that number, which mostly has a netlink socket of the same number. */
static void name_process(uint32_t pid, char *out, size_t size)
{
	CV_FCLOSE FILE *file = NULL;
	char path[64], comm[32] = "";

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(comm, sizeof(comm), file))
		comm[strcspn(comm, "\n")] = '\0';
	snprintf(out, size, *comm ? ", by process %u (%s)" : ", by process %u, which is gone", pid,
		 comm);
}

/* Tells the first lines of two repairs apart; never 0. FNV-1a. */
static uint64_t hash_line(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text && *text != '\n'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash ? hash : 1;
}

/* text: the lines of the repair, of which the first tells what it is about. */
static void tell_of_fight(const struct watcher *watcher, const char *text, int held_ms)
{
	char who[80] = "", warning[512];

	if (watcher->port)
		name_process(watcher->port, who, sizeof(who));
	snprintf(
		warning, sizeof(warning),
		"'%.*s' is undone again and again%s: the next repair comes %d s later at the soonest",
		(int)strcspn(text, "\n"), text, who, held_ms / 1000);
	cv_report_warning(watcher->session->report, warning);
	cv_notify("STATUS=%s", warning);
}

/* Says what is wrong once, not at each try. */
static void tell_of_failure(struct watcher *watcher, const struct cv_err *err)
{
	if (!err->code || !strcmp(watcher->failed, err->text))
		return;
	memcpy(watcher->failed, err->text, sizeof(watcher->failed));
	cv_report_error(watcher->session->report, err);
	cv_notify("STATUS=%s", err->text);
}

static void tell_of_success(struct watcher *watcher, size_t acts)
{
	if (acts)
		watcher->repairs++;
	watcher->failed[0] = '\0';
	cv_notify("STATUS=watching, %llu repairs", watcher->repairs);
}

/* Repairs, and prints what that took to out; *acts: how much. */
static int repair(struct cv_session *session, FILE *out, size_t *acts, struct cv_err *err)
{
	int rc = cv_acts_print(session, out, err);

	if (rc)
		return rc;
	rc = cv_session_repair(session, err);
	*acts = cv_acts_end(session);
	cv_session_close(session); /* others are to have the lock */
	return rc;
}

/* Where nothing is applied there is nothing to repair, nor to be mounted for it. */
static bool is_anything_applied(const struct watcher *watcher)
{
	struct cv_text text = { 0 };
	bool is_there = cv_instance_applied(watcher->inst, &text, NULL) || text.len;

	cv_text_fini(&text);
	return is_there;
}

static void repair_and_report(struct watcher *watcher)
{
	struct cv_session *session = watcher->session;
	CV_FREE char *text = NULL;
	size_t len = 0, acts = 0;
	FILE *out = open_memstream(&text, &len);
	struct cv_err err = { 0 };
	int rc, held_ms;

	if (!out) {
		cv_pace_defer(&watcher->pace, now_ms());
		return;
	}
	rc = repair(session, out, &acts, &err);
	fclose(out);
	if (acts) {
		fwrite(text, 1, len, session->out);
		fflush(session->out);
	}
	if (rc)
		tell_of_failure(watcher, &err);
	else
		tell_of_success(watcher, acts);
	held_ms = cv_pace_done(&watcher->pace, acts ? hash_line(text) : 0, now_ms());
	if (held_ms)
		tell_of_fight(watcher, text, held_ms);
	watcher->port = 0;
}

/* Messages come out at once, and what failed once is not how the command ends. */
static void repair_and_tell(struct watcher *watcher)
{
	struct cv_session *session = watcher->session;
	struct cv_report *whole = session->report;

	if (cv_report_new(&session->report, stderr, session->is_json))
		return;
	repair_and_report(watcher);
	cv_report_free(&session->report);
	session->report = whole;
}

/* ---- what happens ---- */

/* What we changed ourselves is heard, too, and looks like what others did: one more look, which finds
 * nothing to do, and is quiet. */
static void hear_ourselves(struct watcher *watcher)
{
	struct cv_stirred stirred;

	cv_watch_wait(watcher->watch, -1, 0, &stirred);
	if (stirred.stir != CV_STIR_NONE)
		cv_pace_stir(&watcher->pace, CV_STIR_CALM, now_ms());
}

/* Somebody who has the lock knows what he does; his own changes are no reason to wait for him. */
static bool is_changed_by_others(const struct watcher *watcher)
{
	struct cv_glance glance;

	cv_instance_glance(watcher->inst, &glance);
	return glance.writer.pid && !glance.writer.is_stopped;
}

/* Reads which devices and files matter now. */
static int follow(struct watcher *watcher, struct cv_err *err)
{
	struct cv_session *session = watcher->session;
	int rc;

	if (!cv_watch_is_stale(watcher->watch))
		return 0;
	rc = cv_session_open(session, CV_ACCESS_READ, err);
	if (!rc)
		rc = cv_watch_follow(watcher->watch, &session->applied, err);
	cv_session_close(session);
	return rc;
}

static int shorter(int a_ms, int b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static int run_once(struct watcher *watcher, struct cv_err *err)
{
	int wait_ms = shorter(cv_pace_wait_ms(&watcher->pace, now_ms()), cv_notify_period_ms());
	struct cv_stirred stirred;
	int rc = cv_watch_wait(watcher->watch, watcher->signals, wait_ms, &stirred);

	if (rc < 0)
		return cv_err_set(err, rc, "watch: %s", strerrordesc_np(-rc));
	if (rc)
		return rc;
	if (stirred.port)
		watcher->port = stirred.port;
	cv_pace_stir(&watcher->pace, stirred.stir, now_ms());
	if (cv_notify_period_ms() >= 0)
		cv_notify("WATCHDOG=1");
	rc = follow(watcher, err);
	if (rc || cv_pace_wait_ms(&watcher->pace, now_ms()))
		return rc;
	if (is_changed_by_others(watcher)) {
		cv_pace_defer(&watcher->pace, now_ms());
	} else if (!is_anything_applied(watcher)) {
		cv_pace_done(&watcher->pace, 0, now_ms());
	} else {
		repair_and_tell(watcher);
		hear_ourselves(watcher);
	}
	return 0;
}

static int run(struct watcher *watcher, struct cv_err *err)
{
	int rc = follow(watcher, err);

	if (rc)
		return rc;
	cv_notify("READY=1\nSTATUS=watching");
	cv_pace_stir(&watcher->pace, CV_STIR_URGENT, now_ms()); /* what happened before */
	while (!rc)
		rc = run_once(watcher, err);
	cv_notify("STOPPING=1");
	return rc < 0 ? rc : 0;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int cv_watch_run(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	CV_CLEANUP(watcher_close) struct watcher watcher = { .session = session, .signals = -1 };
	int rc = argc ? cv_err_input(err, "watch: unknown word \"%s\"", argv[0]) : 0;

	if (!rc)
		rc = cv_session_commit(session, err); /* of a batch, what came before */
	cv_session_close(session);
	if (!rc)
		rc = cv_instance_open(&watcher.inst, &session->options, CV_ACCESS_READ, err);
	if (rc)
		return rc;
	/* The process is there for good: who gives the name to another namespace does not lead it away. */
	session->options.netns = NULL;
	rc = cv_watch_open(&watcher.watch, watcher.inst, err);
	watcher.signals = open_signals();
	return rc ? rc : run(&watcher, err);
}
