/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Commands: one line of words, from the shell or from a batch. */
#ifndef CV_COMMAND_H
#define CV_COMMAND_H

#include "session.h"
#include "words.h"

/* Runs "OBJECT VERB WORDS" or "VERB-ON-STATE WORDS". Changes are collected in the session. */
int cv_command_run(struct cv_session *session, int argc, char **argv, struct cv_err *err);

/* Runs every line of a file ("-": stdin) as a command; all changes together are one transaction. */
int cv_batch_run(struct cv_session *session, const char *file, struct cv_err *err);

/* The verbs that are no object's (cmd_state.c). */
struct cv_verb {
	const char *name;
	const char *words;
	const char *help;
	int (*run)(struct cv_session *session, int argc, char **argv, struct cv_err *err);
	const struct cv_group *group; /* the words, for help; may be NULL */
};
extern const struct cv_verb cv_state_verbs[];
extern const size_t cv_state_verb_count;

/* 'tunnel check' (cmd_tunnel_check.c). */
extern const struct cv_noun_verb cv_tunnel_check_verb;

/* 'explain' (cmd_explain.c). */
int cv_explain_run(struct cv_session *session, int argc, char **argv, struct cv_err *err);
extern const struct cv_group cv_explain_words;

/* 'confirm' (cmd_confirm.c). */
int cv_confirm_run(struct cv_session *session, int argc, char **argv, struct cv_err *err);

/* Applies once more what is applied (cmd_state.c): what is missing comes back, and what changed around it
 * is heeded. */
int cv_session_repair(struct cv_session *session, struct cv_err *err);

/* 'watch' (cmd_watch.c). */
int cv_watch_run(struct cv_session *session, int argc, char **argv, struct cv_err *err);

/* 'monitor' (cmd_monitor.c). */
int cv_monitor_run(struct cv_session *session, int argc, char **argv, struct cv_err *err);
extern const struct cv_group cv_monitor_words;

void cv_usage(FILE *out);

#endif
