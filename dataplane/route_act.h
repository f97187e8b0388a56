/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Acts on routes, ip rules and nexthop objects in words: what they are about, in what the kernel's
 * differs, and how ip does the same. */
#ifndef CV_ROUTE_ACT_H
#define CV_ROUTE_ACT_H

#include "plan.h"

/* now: what it takes the place of, or NULL. act->kind says whether it is added, changed or goes. */
void cv_route_act(struct cv_act *act, struct cv_instance *inst, const struct cv_fib_route *fib,
		  const struct cv_fib_route *now);
void cv_fib_rule_act(struct cv_act *act, const struct cv_fib_rule *rule);
void cv_nexthop_act(struct cv_act *act, struct cv_instance *inst, const struct cv_nexthop *nexthop);

#endif
