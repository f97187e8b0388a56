/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Compiled rules: names are numbers, lists are multiplied out. What the compiler makes of a state,
 * what the engine's image is built of, and what an image is read back as. In user space only.
 */
#ifndef CV_RULES_H
#define CV_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

/* What a match leads to: a struct cv_rule_cell with its name, which names the members. */
struct cv_rule {
	char name[CV_NAME_LEN];
	uint32_t id;
	uint32_t flags;
	uint32_t mark;
	uint32_t mark_mask;
	uint32_t priority;
	uint8_t dscp;
	uint8_t verdict;
	uint8_t pad[2];
};

struct cv_compiled_rule {
	struct cv_rule rule;
	struct cv_actions actions; /* all zero without one of CV_ACTION_MORE */
};

/* Closed interval of 128-bit numbers, the high half first; of an IPv4 address or a number only the
 * last 32 bits are used. Host order. */
struct cv_interval {
	uint64_t min[2];
	uint64_t max[2];
};

/* What a set holds: intervals that neither overlap nor touch, ascending. */
struct cv_compiled_set {
	char name[CV_NAME_LEN]; /* empty: made by the compiler, for a list that is negated */
	struct cv_interval
		*numbers; /* owned; IPv4 addresses, or whatever else is no IPv6 address */
	size_t number_count;
	struct cv_interval *addresses; /* owned; IPv6 */
	size_t address_count;
	bool is_borrowed; /* these two lists are those of a set that lives longer */
};

#define CV_NEEDS 32

struct cv_rules {
	struct cv_compiled_rule
		*rules; /* owned, as are all lists; in the order they are asked in */
	size_t rule_count;
	struct cv_match *matches; /* those of a rule stand together, in the order of the rules */
	size_t match_count;
	struct cv_compiled_set *sets; /* cv_set_ref.set is an index of it + 1 */
	size_t set_count;
	uint32_t flags; /* CV_RULES_NEED_* */
	uint32_t needs
		[CV_NEEDS]; /* how many rules need each bit of flags; not read back of an image */
	uint64_t netns_cookie; /* owners of sockets of another network namespace are not asked */
};

/* Releases the lists. */
void cv_rules_fini(struct cv_rules *rules);

#endif
