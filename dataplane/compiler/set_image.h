/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sets in an image (abi.h: struct cv_set), where bpf/set.h looks values up in them. Pure but for the
 * memory that the arena's source supplies: the same sets give the same cells.
 */
#ifndef CV_SET_IMAGE_H
#define CV_SET_IMAGE_H

#include "arena.h"
#include "err.h"
#include "rules.h"

/* Writes the sets of rules, and the table of them, into an image that is being built. -ENOSPC if they
 * do not fit. */
int cv_sets_write(struct cv_arena *arena, const struct cv_rules *rules, struct cv_err *err);

/* Reads the sets that packets of that generation meet: fills sets and set_count of *out, which is
 * empty, so that cv_set_ref.set is right. The caller releases it, also on failure. */
int cv_sets_read(const struct cv_arena *arena, uint16_t generation, struct cv_rules *out,
		 struct cv_err *err);

/*
 * Lets packets of the generation behind that one, which is to be committed, meet the sets of rules: what
 * holds the same stays as it is, what is not among them goes. numbers, of rules->set_count, says which
 * number in the image (cv_set_ref.set) each of them has. Packets of the generation itself see nothing of
 * it. -ESTALE (without a text): there is no room for it, the image is to be built anew.
 */
int cv_sets_change(struct cv_arena *arena, uint16_t generation, const struct cv_rules *rules,
		   uint16_t *numbers);

/* The same of one set that has a name and is there, all others staying. Returns its number, 0 if there
 * is no such set or no room for what it is to hold. */
uint16_t cv_set_change(struct cv_arena *arena, uint16_t generation,
		       const struct cv_compiled_set *set);
/* The number of the set of that name that packets of that generation meet, 0: there is none. */
uint16_t cv_set_number(const struct cv_arena *arena, uint16_t generation, const char *name);

#endif
