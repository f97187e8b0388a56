/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether the sets make sense, each alone. That rules ask for sets that are there, and of the type that
 * their field has, is check_rule.c's. */
#include "abi.h"
#include "check.h"

static size_t count_elements(const struct cv_set_conf *set)
{
	return set->prefixes.count + set->ranges.count + set->file_prefixes.count +
	       set->file_ranges.count;
}

static void check_set(struct check *check, const struct cv_set_conf *set)
{
	const struct cv_set_conf *first = cv_state_find_set(check->state, set->name);
	size_t count = count_elements(set);

	if (first != set)
		cv_check_twice(check, &set->place, &first->place, "set %s", set->name);
	if (!set->has_type)
		FAULT(check, &set->place, "type prefix, port, proto, dscp, mark, len or vlan",
		      "set %s: no type", set->name);
	if (count > CV_SET_ELEMENTS_MAX)
		FAULT(check, &set->place, "use broader prefixes, or two sets",
		      "set %s: %zu elements: more than the %u that one set holds", set->name, count,
		      CV_SET_ELEMENTS_MAX);
}

void cv_check_sets(struct check *check)
{
	const struct cv_state *state = check->state;

	if (state->set_count && !cv_check_limit(check, "sets", state->set_count, CV_MAX_SETS,
						&state->sets[state->set_count - 1].place))
		return;
	for (size_t i = 0; i < state->set_count; i++)
		check_set(check, &state->sets[i]);
}
