/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Acts: each thing that grow and shrink are about to change in the kernel is told first, and done
 * only if the change is made and not just looked at. So what `diff` lists, what `apply` does and what
 * `repair` says it did are one.
 */
#ifndef CV_ACT_H
#define CV_ACT_H

#include "instance.h"

struct cv_plan;

/* The acts of one change. */
struct cv_acts {
	struct cv_instance *inst;
	enum cv_change_mode mode;
	bool is_glance; /* there is to be none; rules were not read, and are those that the stamp tells of */
	const char *what; /* the command that makes them; for the journal */
	cv_act_fn tell; /* NULL: nobody listens */
	cv_progress_fn progress; /* NULL: nobody watches */
	const char *about; /* what is being worked at */
	void *arg; /* of both */
	size_t told; /* so far */
	size_t made; /* of them, those that were to be done */
};

/* Tells of an act, before anything of it is done. At a glance: -ESTALE, without a text. Else
 * returns 1 if it is to be done now, 0 if it was only to be told, a negative errno if it must not
 * be done. The first one that is done is preceded by a note in the journal. act->name and the texts
 * behind it are looked at only if cv_acts_are_told(). */
int cv_act(const struct cv_plan *plan, const struct cv_act *act, struct cv_err *err);

/* The same without a plan: before there is one. */
int cv_act_alone(struct cv_acts *acts, const struct cv_act *act, struct cv_err *err);

/* Notes in the journal that a change begins, unless that is done. Before an act is done, and before the
 * text of the state is replaced: what the journal tells of the text is from before that. */
int cv_acts_begin(struct cv_acts *acts, struct cv_err *err);

/* Tells whoever watches how far it has come. */
void cv_acts_progress(const struct cv_acts *acts);

/* False if nobody listens: names and texts of acts need not be made. */
bool cv_acts_are_told(const struct cv_plan *plan);

/* True if the change is not made, but programs are to be loaded, and dropped again. */
bool cv_acts_are_tried(const struct cv_plan *plan);

/* True if the change is made. What is no act, since it changes nothing that lasts (looking for open
 * sockets, waiting), asks this. */
bool cv_acts_are_made(const struct cv_plan *plan);

/* Fill in name, what and command: printf of each, cut off where the room ends. */
void cv_act_name(struct cv_act *act, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cv_act_what(struct cv_act *act, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cv_act_command(struct cv_act *act, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
