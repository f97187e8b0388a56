/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes that are to be confirmed: see pending.h. */
#include "pending.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "own.h"

#define CV_SENTRY_WORDS 16
#define CV_SENTRY_TRIES 60 /* one a second: what is in the way may go */
#define CV_LATE_NS 1000000000ll

/* ---- what there is ---- */

/* True if the state is the former one still: whoever was to change it died before its turn, or it was put
 * back already. */
static bool is_undone(const struct cv_session *session)
{
	CV_FREE char *former = NULL;
	CV_CLEANUP(cv_text_fini) struct cv_text applied = { 0 };

	return !cv_pending_former(session->inst, &former, NULL) &&
	       !cv_instance_applied(session->inst, &applied, NULL) &&
	       !strcmp(former, applied.bytes);
}

int cv_pending_find(const struct cv_session *session, struct cv_pending *out, struct cv_err *err)
{
	int found = cv_pending_get(session->inst, out, err);

	return found > 0 ? !is_undone(session) : found;
}

/* "17:05:30", when it is rolled back. */
static void put_time(const struct cv_pending *pending, char *out, size_t size)
{
	time_t at = time(NULL) + cv_pending_seconds_left(pending);
	struct tm local;

	*out = '\0';
	if (localtime_r(&at, &local))
		strftime(out, size, "%T", &local);
}

static int refuse(const struct cv_pending *pending, struct cv_err *err)
{
	char at[16];

	if (*pending->failed) {
		cv_err_set(err, -EBUSY, "a change of %s could not be rolled back: %s", pending->by,
			   pending->failed);
		return cv_err_hint(err, "'culvert confirm' keeps it, 'culvert confirm --rollback' "
					"tries again");
	}
	put_time(pending, at, sizeof(at));
	cv_err_set(err, -EBUSY, "a change of %s is to be confirmed until %s, in %u s: '%s'",
		   pending->by, at, cv_pending_seconds_left(pending), pending->command);
	return cv_err_hint(
		err, "'culvert confirm' keeps it, 'culvert confirm --rollback' takes it back");
}

/* ---- rolling back ---- */

static int put_back(struct cv_session *session, struct cv_err *err)
{
	CV_FREE char *former = NULL;
	int rc = cv_pending_former(session->inst, &former, err);

	if (rc)
		return rc;
	/* It is no command's change: neither to be told of, nor to be confirmed. */
	session->is_past_pending = true;
	rc = cv_session_put_back(session, former, err);
	session->is_past_pending = false;
	return rc;
}

int cv_pending_roll_back(struct cv_session *session, struct cv_err *err)
{
	uint32_t seconds = session->confirm_seconds;
	cv_act_fn tell = session->tell;
	int rc;

	session->confirm_seconds = 0;
	session->tell = NULL;
	rc = put_back(session, err);
	session->confirm_seconds = seconds;
	session->tell = tell;
	if (!rc) {
		rc = cv_pending_end(session->inst, err);
		if (rc && err)
			err->kind = CV_ERR_LEFT; /* what was rolled back stays so */
		return rc;
	}
	cv_pending_fail(session->inst, err->text, NULL);
	return rc;
}

/* The sentries are dead: whoever comes first does what they were to do. */
static int roll_back_late(struct cv_session *session, const struct cv_pending *pending,
			  struct cv_err *err)
{
	char text[CV_PENDING_TEXT + 64];
	int rc = cv_pending_roll_back(session, err);

	if (rc)
		return cv_err_prefix(err, "rolling back what was not confirmed");
	snprintf(text, sizeof(text), "'%s' was not confirmed: rolled back", pending->command);
	cv_report_warning(session->report, text);
	return 0;
}

/* True if the sentries should have rolled it back long ago. */
static bool is_late(struct cv_pending pending)
{
	pending.deadline_ns += CV_LATE_NS;
	return !*pending.failed && !cv_pending_seconds_left(&pending);
}

/* Opens a reader's session to change, which rolls back. Who may not, or would have to wait for it, only
 * reads. */
static int roll_back_for_reader(struct cv_session *session, struct cv_err *err)
{
	uint32_t seconds = session->options.wait_seconds;
	struct cv_err why;
	int rc;

	session->options.wait_seconds = 0;
	rc = cv_session_open_raw(session, CV_ACCESS_WRITE, &why);
	session->options.wait_seconds = seconds;
	if (!rc)
		return 0;
	session->is_past_pending = true;
	rc = cv_session_open_raw(session, CV_ACCESS_READ, err);
	session->is_past_pending = false;
	return rc;
}

int cv_pending_settle(struct cv_session *session, struct cv_err *err)
{
	struct cv_pending pending;
	int found;

	if (session->is_past_pending)
		return 0;
	found = cv_pending_get(session->inst, &pending, err);
	if (!found && session->access == CV_ACCESS_WRITE)
		return cv_pending_tidy(session->inst, err);
	if (found <= 0)
		return found;
	if (session->access == CV_ACCESS_READ)
		return is_late(pending) ? roll_back_for_reader(session, err) : 0;
	if (is_undone(session))
		return cv_pending_end(session->inst, err);
	if (*pending.failed || cv_pending_seconds_left(&pending))
		return 0;
	return roll_back_late(session, &pending, err);
}

/* ---- sentries ---- */

/* What they are started as. */
struct command {
	char bpffs[PATH_MAX]; /* they leave this directory */
	char state_dir[PATH_MAX];
	char cgroup_dir[PATH_MAX];
	char *words[CV_SENTRY_WORDS];
	size_t count;
};

static void add_path(struct command *command, const char *option, const char *path, char *real)
{
	if (!path)
		return;
	if (!realpath(path, real))
		snprintf(real, PATH_MAX, "%s", path);
	command->words[command->count++] = (char *)option;
	command->words[command->count++] = real;
}

static void make_command(const struct cv_session *session, struct command *command)
{
	const struct cv_instance_options *options = &session->options;

	command->count = 0;
	command->words[command->count++] = (char *)"culvert";
	add_path(command, "--bpffs", options->bpffs, command->bpffs);
	add_path(command, "--state", options->state_dir, command->state_dir);
	add_path(command, "--cgroup", options->cgroup_dir, command->cgroup_dir);
	command->words[command->count++] = (char *)"confirm";
	command->words[command->count++] = (char *)"--sentry";
	command->words[command->count] = NULL;
}

/* The other sentry may have been faster, or somebody confirmed it at the last moment. Returns a failure if
 * it is to be tried again: also if that it failed could not even be written down. */
static int act_as_sentry(struct cv_session *session, struct cv_err *err)
{
	struct cv_pending pending;
	int rc = cv_pending_find(session, &pending, err);

	if (rc < 0)
		return rc;
	if (!rc)
		return cv_pending_end(session->inst, err);
	if (*pending.failed || cv_pending_seconds_left(&pending))
		return 0;
	rc = cv_pending_roll_back(session, err);
	if (rc)
		syslog(LOG_ERR, "'%s' was not confirmed, and rolling back failed: %s",
		       pending.command, err->text);
	else
		syslog(LOG_WARNING, "'%s' was not confirmed within %u s: rolled back",
		       pending.command, pending.seconds);
	return rc && cv_pending_get(session->inst, &pending, NULL) > 0 && !*pending.failed ? rc : 0;
}

int cv_pending_stand_sentry(struct cv_session *session, const char *ready, const char *partner,
			    struct cv_err *err)
{
	struct command command;
	int rc;

	openlog("culvert", LOG_PID, LOG_DAEMON);
	session->is_past_pending = true;
	rc = cv_session_open_raw(session, CV_ACCESS_READ, err);
	make_command(session, &command);
	if (!rc)
		rc = cv_sentry_wait(session->inst, command.words, ready, partner, err);
	if (rc <= 0)
		return rc;
	session->options.wait_seconds = CV_WAIT_FOR_EVER;
	for (int tries = 0; tries < CV_SENTRY_TRIES; tries++) {
		rc = cv_session_open_raw(session, CV_ACCESS_WRITE, err);
		if (!rc)
			rc = act_as_sentry(session, err);
		if (!rc)
			return 0;
		syslog(LOG_ERR, "a change was not confirmed, and cannot be rolled back: %s",
		       err->text);
		cv_session_close(session);
		sleep(1);
	}
	return -ETIMEDOUT;
}

/* ---- changes ---- */

static void name_user(char *out, size_t size)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *user = getpwuid(getuid());

	if (sudo || user)
		snprintf(out, size, "%s", sudo ? sudo : user->pw_name);
	else
		snprintf(out, size, "user %u", getuid());
}

static int begin(struct cv_session *session, struct cv_pending *pending, struct cv_err *err)
{
	struct command command;
	int rc;

	pending->seconds = session->confirm_seconds;
	name_user(pending->by, sizeof(pending->by));
	snprintf(pending->command, sizeof(pending->command), "%s", session->what);
	rc = cv_pending_begin(session->inst, pending, session->text.bytes, err);
	if (rc)
		return rc;
	make_command(session, &command);
	rc = cv_sentries_start(command.words, err);
	if (rc)
		cv_pending_end(session->inst, NULL);
	return rc;
}

int cv_pending_open(struct cv_session *session, bool is_same, struct cv_pending *pending,
		    struct cv_err *err)
{
	struct cv_pending other;
	int rc;

	*pending = (struct cv_pending){ 0 };
	if (session->mode != CV_CHANGE_MAKE || session->is_past_pending || session->is_repair)
		return 0;
	rc = cv_pending_find(session, &other, err);
	if (rc)
		return rc < 0 ? rc : refuse(&other, err);
	if (session->confirm_seconds && !is_same)
		rc = begin(session, pending, err);
	if (rc)
		pending->seconds = 0;
	return rc;
}

static void tell(const struct cv_session *session, const struct cv_pending *pending)
{
	const char *netns = session->options.netns;
	char at[16];

	put_time(pending, at, sizeof(at));
	fprintf(stderr,
		"culvert: rolled back in %u s, at %s, unless 'culvert%s%s confirm' comes before\n",
		pending->seconds, at, netns ? " -n " : "", netns ? netns : "");
}

int cv_pending_close(struct cv_session *session, struct cv_pending *pending, int rc,
		     struct cv_err *err)
{
	session->confirm_seconds = 0;
	if (!pending->seconds)
		return rc;
	if (rc) {
		cv_pending_end(session->inst, NULL);
		return rc;
	}
	rc = cv_pending_renew(session->inst, pending, err);
	if (!rc && !session->is_quiet && !session->is_json)
		tell(session, pending);
	return rc;
}
