/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rule compiler: rules as the user wrote them -> rules.h. Pure: names are resolved by the caller,
 * nothing in the system is looked at, and the same input gives the same rules.
 *
 * A rule with lists (src A,B) becomes one conjunction for each combination, as far as they are not so
 * long that a set takes their place; one that asks for an app has others before encapsulation, where
 * marks stand for apps. The sets with a name come first among the sets, in the order of the state.
 */
#ifndef CV_COMPILE_H
#define CV_COMPILE_H

#include "abi.h"
#include "culvert.h"
#include "rules.h"

#define CV_MAX_CONJUNCTIONS (4u << 20) /* of all rules together */

/* What names stand for. */
struct cv_resolver {
	/* NULL: no such app. */
	const struct cv_app *(*app)(const void *arg, const char *name);
	uint32_t (*tunnel)(const void *arg, const char *name); /* 0: no such tunnel */
	uint32_t (*ifindex)(const void *arg, const char *name); /* 0: no such device */
	uint32_t (*rule_id)(void *arg, const char *name); /* index of its counters */
	void *arg;
	const struct cv_rules
		*kept; /* sets whose files were not read now are borrowed of it; may be NULL */
};

/*
 * Makes *out, which is empty or not initialised; the caller releases it. netns_cookie stays zero.
 * Fails with CV_ERR_INPUT and the place of the rule at which a bound is passed: CV_MAX_RULES,
 * CV_MAX_CONJUNCTIONS, or how many sets there can be; *out is then untouched.
 */
int cv_compile(struct cv_rules *out, const struct cv_state *state,
	       const struct cv_resolver *resolver, struct cv_err *err);

/* What has to be read of packets because of one match, and what else it asks of programs: of
 * CV_RULES_* all but what depends on the rule. */
uint32_t cv_match_needs(const struct cv_match *match);

/* Rules in the order in which packets meet them: lowest prio, then order of adding. order has
 * room for state->rule_count indexes into state->rules. Returns 0, or -ENOMEM. */
int cv_rule_order(const struct cv_state *state, size_t *order);

#endif
