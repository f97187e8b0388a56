/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes that are rolled back unless they are confirmed (`apply --confirm`). Until then no other
 * change is made, but by `confirm`, `down` and `repair`, which set is_past_pending of the session.
 */
#ifndef CV_PENDING_H
#define CV_PENDING_H

#include "session.h"

/* What a command does first with an instance that it has opened: rolls back what nobody else has rolled
 * back in time, and forgets what was never made. */
int cv_pending_settle(struct cv_session *session, struct cv_err *err);

/* Returns 1 if a change is to be confirmed, 0 if none is, else a negative errno. */
int cv_pending_find(const struct cv_session *session, struct cv_pending *out, struct cv_err *err);

/* Around a change: refuses it while another one is to be confirmed; if it is itself to be confirmed, sees
 * to it that it is rolled back. is_same: it changes nothing. cv_pending_close() returns rc, what came of
 * the change, or a failure of its own. */
int cv_pending_open(struct cv_session *session, bool is_same, struct cv_pending *pending,
		    struct cv_err *err);
int cv_pending_close(struct cv_session *session, struct cv_pending *pending, int rc,
		     struct cv_err *err);

/* Rolls the change back now. */
int cv_pending_roll_back(struct cv_session *session, struct cv_err *err);

/* What a sentry does, see culvert.h. */
int cv_pending_stand_sentry(struct cv_session *session, const char *ready, const char *partner,
			    struct cv_err *err);

#endif
