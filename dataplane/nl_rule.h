/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy routing rules ("ip rule") over rtnetlink. */
#ifndef CV_NL_RULE_H
#define CV_NL_RULE_H

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

/* Adds "[to PREFIX] [fwmark MARK/MASK] [iif DEV] lookup TABLE [suppress_prefixlength N]"; -EEXIST if
 * that very rule is there. */
int cv_fib_rule_add(struct cv_nl *nl, const struct cv_fib_rule *rule, struct cv_err *err);
/* Deletes the rule that is equal in all members, and no other. */
int cv_fib_rule_del(struct cv_nl *nl, const struct cv_fib_rule *rule, struct cv_err *err);

/* Called for each rule; a negative return ends the walk. */
typedef int (*cv_fib_rule_fn)(const struct cv_fib_rule *rule, void *arg, struct cv_err *err);
/* Lists the rules of a family (4, 6). */
int cv_fib_rule_list(struct cv_nl *nl, uint8_t family, cv_fib_rule_fn fn, void *arg,
		     struct cv_err *err);

#endif
