/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Marks that ip rules ask for. */
#include "marks/marks.h"

#include "nl_rule.h"

static int look_at(const struct cv_fib_rule *rule, void *arg, struct cv_err *err)
{
	struct cv_mark_use use = {
		.how = CV_MARK_MATCHES,
		.bits = rule->mark_mask,
		.ones = rule->mark & rule->mark_mask,
		.is_inverted = rule->is_inverted,
	};

	if (rule->protocol == CV_ROUTE_PROTOCOL)
		return 0;
	return cv_marks_add(arg, &use, "ip rule", err, "ip rule %u (IPv%u): %sfwmark 0x%x/0x%x",
			    rule->priority, rule->family, rule->is_inverted ? "not " : "",
			    rule->mark, rule->mark_mask);
}

int cv_marks_rule(struct cv_marks *marks, struct cv_nl *nl, struct cv_err *err)
{
	int rc = cv_fib_rule_list(nl, 4, look_at, marks, err);

	return rc ? rc : cv_fib_rule_list(nl, 6, look_at, marks, err);
}
