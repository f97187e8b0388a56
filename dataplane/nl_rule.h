/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy routing rules ("ip rule") over rtnetlink. */
#ifndef CV_NL_RULE_H
#define CV_NL_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "culvert.h"
#include "nl.h"

struct cv_fib_rule {
	uint8_t family; /* 4 or 6 */
	uint32_t priority;
	uint32_t mark;
	uint32_t mark_mask;
	uint32_t table;
	uint8_t protocol; /* FRA_PROTOCOL */
	bool is_for_own; /* only what this host sends (iif lo) */
	char iif[CV_IFNAME_MAX + 1]; /* else only what comes in by that device; empty: all */
	bool is_inverted; /* "not"; only read */
	struct cv_prefix to; /* family 0: any destination */
	bool has_suppress;
	uint8_t suppress_bits; /* what the table says with no more bits than that does not count */
};

/* True if both are equal in all members; and a hash of what differs most. */
bool cv_fib_rule_equal(const struct cv_fib_rule *a, const struct cv_fib_rule *b);
uint64_t cv_fib_rule_hash(const struct cv_fib_rule *rule);

/* Puts a change into a batch: adding "[to PREFIX] [fwmark MARK/MASK] [iif DEV] lookup TABLE
 * [suppress_prefixlength N]", which is refused with -EEXIST if that very rule is there; or deleting
 * the rule that is equal in all members, and no other. */
int cv_fib_rule_add(struct cv_nl_batch *batch, const struct cv_fib_rule *rule, struct cv_err *err);
int cv_fib_rule_del(struct cv_nl_batch *batch, const struct cv_fib_rule *rule, struct cv_err *err);
/* Fills err with why the kernel refused one of these, and returns code. verb: "add", ... */
int cv_fib_rule_refusal(const struct cv_fib_rule *rule, const char *verb, int code,
			const char *kernel, struct cv_err *err);

/* Called for each rule; a negative return ends the walk. */
typedef int (*cv_fib_rule_fn)(const struct cv_fib_rule *rule, void *arg, struct cv_err *err);
/* Lists the rules of a family (4, 6). */
int cv_fib_rule_list(struct cv_nl *nl, uint8_t family, cv_fib_rule_fn fn, void *arg,
		     struct cv_err *err);

#endif
