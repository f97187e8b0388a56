/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules that no packet ever meets: what they ask for excludes itself, or rules before them match all
 * their packets. Pure; what is found is so for certain, not everything that is so is found.
 */
#ifndef CV_SHADOW_H
#define CV_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules.h"

#define CV_SHADOW_NOBODY SIZE_MAX

/* Comparisons of matches after which the search is given up: about a second. */
#define CV_SHADOW_MAX_STEPS (24u << 20)

/* A rule that is never met, and the rules that are met before it; numbers of cv_rules.rules. */
struct cv_shadow {
	size_t rule;
	size_t by; /* the first of them; CV_SHADOW_NOBODY: it asks for what cannot be */
	bool is_by_several; /* none of them alone matches all its packets */
};

/*
 * Finds them, in the order of the rules: *out is the caller's to free. Packets before encapsulation do
 * not count. Returns 0, -ENOMEM, or -E2BIG if it takes more than max_steps: *out then has what was found
 * so far.
 */
int cv_shadow_find(const struct cv_rules *rules, uint64_t max_steps, struct cv_shadow **out,
		   size_t *count);

/* True if every packet that meets match b in one of those directions meets match a as well. */
bool cv_match_covers(const struct cv_match *a, const struct cv_match *b);

#endif
