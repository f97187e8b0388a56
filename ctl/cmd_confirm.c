/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The verb confirm: a change that was made for a time stays, or goes at once. */
#include <errno.h>
#include <string.h>

#include "command.h"
#include "pending.h"

static int nothing_to_confirm(struct cv_session *session, struct cv_err *err)
{
	cv_pending_end(session->inst, NULL);
	cv_err_set(err, -ENOENT, "confirm: no change is to be confirmed");
	return cv_err_hint(err, "it was rolled back, or confirmed, or made without --confirm");
}

static int too_late(struct cv_session *session, const struct cv_pending *pending,
		    struct cv_err *err)
{
	int rc = cv_pending_roll_back(session, err);

	if (rc)
		return rc;
	return cv_err_set(err, -ETIME, "confirm: too late, '%s' was rolled back", pending->command);
}

/* The session is open to change. */
static int confirm(struct cv_session *session, bool is_back, struct cv_err *err)
{
	struct cv_pending pending;
	int found = cv_pending_find(session, &pending, err);

	if (found <= 0)
		return found ? found : nothing_to_confirm(session, err);
	if (is_back)
		return cv_pending_roll_back(session, err);
	if (!*pending.failed && !cv_pending_seconds_left(&pending))
		return too_late(session, &pending, err);
	return cv_pending_end(session->inst, err);
}

int cv_confirm_run(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	bool is_back = argc && !strcmp(argv[0], "--rollback");
	int rc;

	/* Of culvert's own: a process that rolls back in time. */
	if (argc == 3 && !strcmp(argv[0], "--sentry"))
		return cv_pending_stand_sentry(session, argv[1], argv[2], err);
	if (argc > is_back)
		return cv_err_input(err, "confirm: unknown word \"%s\"", argv[is_back]);
	rc = cv_session_commit(session, err); /* of a batch, what came before */
	session->is_past_pending = true;
	if (!rc)
		rc = cv_session_open_raw(session, CV_ACCESS_WRITE, err);
	if (!rc)
		rc = confirm(session, is_back, err);
	session->is_past_pending = false;
	return rc;
}
