/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sets of values, normalised (rules.h: struct cv_compiled_set): the same elements are the same set in
 * whatever order and however often they are given.
 */
#ifndef CV_SET_H
#define CV_SET_H

#include "culvert.h"
#include "rules.h"

void cv_compiled_set_fini(struct cv_compiled_set *set);

/* Append elements; -ENOMEM leaves the set as it was. cv_set_normalise() has to follow. */
int cv_set_add_prefixes(struct cv_compiled_set *set, const struct cv_prefixes *prefixes);
int cv_set_add_ranges(struct cv_compiled_set *set, const struct cv_ranges *ranges);
/* Sorts what the set has, and merges what overlaps or touches. */
void cv_set_normalise(struct cv_compiled_set *set);

/* The set of that name, NULL: there is none; borrowed. */
const struct cv_compiled_set *cv_set_find(const struct cv_rules *rules, const char *name);

/* Fills *out, which is empty, with name and elements of a set of the state. If its file was not read
 * now it borrows what it has among the sets of kept, which may be NULL. The caller releases it, also on
 * failure. */
int cv_set_compile(struct cv_compiled_set *out, const struct cv_set_conf *conf,
		   const struct cv_rules *kept, struct cv_err *err);

/* True if the set has the number, or the IPv6 address, the high half first. */
bool cv_set_has_number(const struct cv_compiled_set *set, uint32_t number);
bool cv_set_has_address(const struct cv_compiled_set *set, const uint64_t address[2]);

/* True if both hold the same values; names do not count. */
bool cv_compiled_set_equal(const struct cv_compiled_set *a, const struct cv_compiled_set *b);

#endif
