/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One run of the command: its options, the instance, the applied state and the state that the words
 * so far ask for. Changes are collected and committed once, so a batch is one transaction.
 */
#ifndef CV_SESSION_H
#define CV_SESSION_H

#include <stdbool.h>
#include <stdio.h>

#include "culvert.h"
#include "edits.h"
#include "progress.h"
#include "report.h"

#define CV_SECONDS_MAX 604800 /* of an option: a week */

struct cv_session {
	struct cv_instance_options options;
	bool is_json;
	bool has_stats; /* -s */
	bool is_quiet;
	bool is_verbose;
	FILE *out;
	struct cv_report *report;
	struct cv_place place; /* of the command at work: a line of a batch */

	struct cv_instance *inst; /* NULL until a command needs it */
	enum cv_access access;
	bool is_loaded; /* what follows is of the instance */
	struct cv_text text; /* of the applied state */
	struct cv_state applied; /* see cv_session_open_anew() */
	struct cv_state undone; /* the same with its rules, to be put back */
	struct cv_state wanted; /* empty unless has_wanted: see cv_session_wanted() */
	bool has_wanted; /* else it is what is applied */
	const struct cv_parts *parts; /* files that states were read from; NULL: none */
	bool is_checked; /* wanted was, and did not change since */
	struct cv_origin origin; /* of the files that are wanted as they are */
	bool is_changed; /* what is wanted is to be applied */
	struct cv_edits edits; /* of what is applied: see cv_session_edit() */
	bool has_no_edits; /* that was found out */
	enum cv_change_mode mode; /* or only looked at */
	bool is_repair; /* with all that changed around it */
	const char *what; /* the command that is at work, as it was given */
	struct cv_progress progress;
	struct cv_act_printer *acts; /* see acts.h */
	cv_act_fn tell; /* of each act, with the session as its argument; NULL: nobody listens */
	uint32_t confirm_seconds; /* that a change has to be confirmed; 0: it need not be */
	bool is_glancing; /* see cv_session_stands(): nothing is told */
	bool has_spoken; /* something was there to be told */
	bool is_past_pending; /* a change that is to be confirmed is no hindrance: see pending.h */
	bool has_finding; /* what was looked at is not as it should be: exit status 4 */
	const char *only; /* key of the one object to show; NULL: all */
};

/* Opens the instance and reads the applied state, unless that is done; a session that was opened to
 * read is opened anew to write. */
int cv_session_open(struct cv_session *session, enum cv_access access, struct cv_err *err);

/* The same without reading the applied state, which is then empty. */
int cv_session_open_raw(struct cv_session *session, enum cv_access access, struct cv_err *err);

/* Reads the instance, and prints what it read. */
typedef int (*cv_read_fn)(struct cv_session *session, const void *arg, struct cv_err *err);

/*
 * Commits, then calls fn with the applied state. Readers wait for nobody: if the instance is being
 * changed, what fn printed is thrown away and fn is called again, a few times within half a second. What
 * the last call printed stays.
 */
int cv_session_read(struct cv_session *session, cv_read_fn fn, const void *arg, struct cv_err *err);

/* Opens the instance to make its state another one, or to see what that takes. Of the applied state
 * the rules are not read, unless they were: the new one is on its way sooner. */
int cv_session_open_anew(struct cv_session *session, enum cv_access access, struct cv_err *err);

/*
 * True if nothing would be done, nor said, to make what is applied the running state: found out without reading its
 * rules, where these are so many that it pays. Opens the instance. origin: only if it is of these files; NULL:
 * whatever it is of. False says nothing.
 */
bool cv_session_stands(struct cv_session *session, enum cv_access access,
		       const struct cv_origin *origin, bool is_repair);

/*
 * Makes what files of that origin say the running state if that takes no more than to change a few rules; these
 * stand in a section of theirs. Returns 1 if it takes more, or that cannot be told: then nothing was done.
 */
int cv_session_revise(struct cv_session *session, const struct cv_origin *origin,
		      struct cv_line rules, struct cv_err *err);

/* Applies what is wanted, if it is changed, or looks at what that takes. Faults of the state are
 * reported here (status 1). */
int cv_session_commit(struct cv_session *session, struct cv_err *err);

/* Makes the state of a text, which was written by us, the running one. The session is open to change. */
int cv_session_put_back(struct cv_session *session, const char *text, struct cv_err *err);

/*
 * Opens the instance to change single objects of its state without reading all of it. *edits is NULL if
 * that cannot be; else the session is changed by what is put into them, and reads the applied state
 * only if something else is asked of it.
 */
int cv_session_edit(struct cv_session *session, struct cv_edits **edits, struct cv_err *err);

/* The state that is wanted, to be changed: a copy of what is applied, at first. The session is open. */
int cv_session_wanted(struct cv_session *session, struct cv_state **out, struct cv_err *err);

/* The same, but that the applied state, which takes much memory, is not there any more. Opens the
 * session. */
int cv_session_want_applied(struct cv_session *session, struct cv_state **out, struct cv_err *err);

/* Takes another state, which was checked, as the one wanted; takes what it owns. */
void cv_session_want(struct cv_session *session, struct cv_state *state);

/* True if the object with that key is to be shown. */
bool cv_session_shows(const struct cv_session *session, const char *key);

void cv_session_close(struct cv_session *session);

#endif
