/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of nexthop objects, routes and ip rules, which go to the kernel together: inside one system
 * call, so that packets meet old and new ones side by side no longer than the kernel takes, and
 * nothing can end the change in its middle. Each is told as an act (act.h), and refused by the name
 * and with the place of what asked for it.
 */
#ifndef CV_SWAP_H
#define CV_SWAP_H

#include "plan.h"

struct cv_swap;

/* On failure *out is untouched. plan is borrowed. */
int cv_swap_new(struct cv_swap **out, const struct cv_plan *plan, struct cv_err *err);
/* What was not sent is forgotten. */
void cv_swap_free(struct cv_swap **swap);

/* A change of a route; what is pointed at is borrowed until the change is sent. */
struct cv_swap_route {
	const struct cv_fib_route *fib;
	const struct cv_fib_route
		*now; /* what it takes the place of, or what goes; NULL: nothing */
	const struct cv_route_plan *plan; /* NULL: it goes */
};

int cv_swap_route(struct cv_swap *swap, const struct cv_swap_route *route, struct cv_err *err);
/* kind: it is added or goes; the rule is borrowed until the change is sent. */
int cv_swap_rule(struct cv_swap *swap, enum cv_act_kind kind, const struct cv_fib_rule *rule,
		 struct cv_err *err);
/* The same of a nexthop object: hop is that of a single one of the route, NULL: a group, or it goes. */
int cv_swap_nexthop(struct cv_swap *swap, enum cv_act_kind kind, const struct cv_nexthop *nexthop,
		    const struct cv_route_plan *route, const struct cv_hop_plan *hop,
		    struct cv_err *err);

/* Sends what was gathered. What the kernel refuses is told, and everything else of it is done. */
int cv_swap_send(struct cv_swap *swap, struct cv_err *err);

/* Says what stands in the place of a route that is to be added, and returns -EEXIST. */
int cv_route_in_the_way(struct cv_instance *inst, const struct cv_fib_route *fib,
			struct cv_err *err);

#endif
