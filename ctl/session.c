/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One run of the command: see session.h. */
#include "session.h"

#include <errno.h>
#include <string.h>

#include "config.h"
#include "own.h"

static void print_log(enum cv_log_level level, const char *text, void *arg)
{
	const struct cv_session *session = arg;
	size_t len = strcspn(text, "\n");

	if (level == CV_LOG_WARN)
		cv_report_warning(session->report, text);
	else if (level == CV_LOG_INFO && !session->is_quiet && !session->is_json)
		fprintf(stderr, "culvert: %.*s\n", (int)len, text);
	else if (level == CV_LOG_DEBUG && session->is_verbose)
		fprintf(stderr, "%s%s", text, text[len] ? "" : "\n");
}

/* Reads the applied state twice: one copy stays, one is changed. */
static int load(struct cv_session *session, struct cv_err *err)
{
	CV_FREE char *text = NULL;
	struct cv_report *silent = NULL;
	int rc = cv_instance_applied(session->inst, &text, err);

	if (rc)
		return rc;
	rc = cv_report_new(&silent, NULL, false);
	if (rc)
		return cv_err_set(err, rc, "state: out of memory");
	cv_state_init(&session->applied);
	cv_state_init(&session->wanted);
	if (cv_config_parse(&session->applied, NULL, text, strlen(text), silent) ||
	    cv_config_parse(&session->wanted, NULL, text, strlen(text), silent)) {
		rc = cv_err_set(err, -EPROTO, "instance %s: its applied state cannot be read",
				cv_instance_name(session->inst));
		cv_err_hint(err, "'culvert down' clears it away");
	}
	cv_report_free(&silent);
	session->is_loaded = !rc;
	return rc;
}

static void forget(struct cv_session *session)
{
	cv_state_fini(&session->applied);
	cv_state_fini(&session->wanted);
	session->is_loaded = false;
}

static bool is_open(const struct cv_session *session, enum cv_access access)
{
	return session->inst && (session->access == CV_ACCESS_WRITE || access == CV_ACCESS_READ);
}

int cv_session_open_raw(struct cv_session *session, enum cv_access access, struct cv_err *err)
{
	int rc;

	if (is_open(session, access))
		return 0;
	cv_session_close(session);
	session->options.log = print_log;
	session->options.log_arg = session;
	rc = cv_instance_open(&session->inst, &session->options, access, err);
	session->access = access;
	return rc;
}

int cv_session_open(struct cv_session *session, enum cv_access access, struct cv_err *err)
{
	int rc = cv_session_open_raw(session, access, err);

	return rc || session->is_loaded ? rc : load(session, err);
}

int cv_session_commit(struct cv_session *session, struct cv_err *err)
{
	CV_FREE char *text = NULL;
	int rc;

	if (!session->is_changed)
		return 0;
	session->is_changed = false;
	if (cv_config_check(&session->wanted, session->report))
		return -EINVAL;
	text = cv_config_text(&session->wanted);
	if (!text)
		return cv_err_set(err, -ENOMEM, "state: out of memory");
	rc = cv_instance_apply(session->inst, &session->applied, &session->wanted, text, err);
	if (rc)
		return rc;
	/* What follows in a batch, if anything, starts from what was written. */
	forget(session);
	return 0;
}

void cv_session_want(struct cv_session *session, struct cv_state *state)
{
	cv_state_fini(&session->wanted);
	session->wanted = *state;
	cv_state_init(state);
	session->is_changed = true;
}

bool cv_session_shows(const struct cv_session *session, const char *key)
{
	return !session->only || !strcmp(session->only, key);
}

void cv_session_close(struct cv_session *session)
{
	forget(session);
	cv_instance_close(&session->inst);
}
