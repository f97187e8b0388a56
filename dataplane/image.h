/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The image of an instance's rules in life: two banks of segments in CV_MAP_RULES, of which the word in
 * CV_MAP_LIVE says which one packets read, and up to which change. The word is the truth: what else
 * stands in slots is garbage, of a change that was broken off or of an image that was replaced, and
 * goes with the next change.
 *
 * The segments' arrays are found by their ids, which takes CAP_SYS_ADMIN, as reading any slot of a map
 * of maps does; a pin each would take no more than CAP_BPF, but two hundred of them would have to be
 * set and removed with every large image.
 */
#ifndef CV_IMAGE_H
#define CV_IMAGE_H

#include "compiler/changes.h"
#include "compiler/engine.h"
#include "compiler/rules.h"
#include "instance.h"

struct cv_banks;

int cv_banks_open(struct cv_banks **out, const struct cv_instance *inst, struct cv_err *err);
/* The same of maps that are open; takes neither. */
int cv_banks_open_maps(struct cv_banks **out, int slots_fd, int live_fd, struct cv_err *err);
void cv_banks_close(struct cv_banks **banks);

/* The rules that packets meet now. The caller releases *out, which may have none. */
int cv_banks_read(struct cv_banks *banks, struct cv_rules *out, struct cv_err *err);

/* The word that says what packets read: another one after every change. */
uint64_t cv_banks_word(const struct cv_banks *banks);

/* A hash over all of the live image, as packets read it; 0: there is none. */
uint64_t cv_banks_hash(struct cv_banks *banks);

/* The id of a rule that packets meet now. False: there is none of that name. */
bool cv_banks_id(struct cv_banks *banks, const char *name, uint32_t *id);
/* Calls fn with the id of each of them, in no order. */
void cv_banks_each_id(struct cv_banks *banks, cv_engine_id_fn fn, void *arg);

/* Figures of the image that packets look rules up in; all zero if there is none. */
int cv_banks_stats(struct cv_banks *banks, struct cv_engine_stats *out, struct cv_err *err);

/* Changes the live image in place. Packets meet all of it from one instant on. -ESTALE (no text): that
 * cannot be done; with any error packets meet what they met before. */
int cv_banks_change(struct cv_banks *banks, const struct cv_changes *changes, struct cv_err *err);

/* The same in two steps: packets see nothing of what was prepared before the turn, which cannot fail. What
 * was prepared and never turned to is built anew by the next change. */
int cv_banks_prepare(struct cv_banks *banks, const struct cv_changes *changes, struct cv_err *err);
void cv_banks_turn(struct cv_banks *banks);

/* Behind a turn: packets are not asked any more for what no rule needs now (CV_RULES_NEED_*). */
void cv_banks_forgo(struct cv_banks *banks, uint32_t flags);

/* Builds an image of rules in the bank that packets do not read; of none if there are none. Packets see
 * nothing of it yet. fault: as for cv_engine_build(). */
int cv_banks_build(struct cv_banks *banks, const struct cv_rules *rules,
		   struct cv_engine_fault *fault, struct cv_err *err);

/* Lets packets meet the rules of the image that was built last, all from one instant on. With an error
 * packets meet what they met before. */
int cv_banks_swap(struct cv_banks *banks, struct cv_err *err);

/* How many segments there are that packets do not read. */
int cv_banks_unread(struct cv_banks *banks);
/* Gives back the memory of what packets do not read, if there is any, when they are through with it. */
int cv_banks_tidy(struct cv_banks *banks, struct cv_err *err);

#endif
