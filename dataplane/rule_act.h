/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The acts of rules and sets (act.h): what is different between those that packets meet and those that
 * they are to meet. */
#ifndef CV_RULE_ACT_H
#define CV_RULE_ACT_H

#include "plan.h"

/* Tells of all that plan->rule_changes has, which is something. Returns as cv_act(). */
int cv_rule_tell(const struct cv_plan *plan, struct cv_err *err);

/* Tells of what stands behind rules in memory of its own, such as counters, of which so many come
 * (count > 0) or go. Returns as cv_act(), and 1 for none. */
int cv_rule_tell_inner(const struct cv_plan *plan, const char *what, int count, struct cv_err *err);

#endif
