/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nexthop objects of ours: one for each way of a route with several tunnels, and a group of them
 * that the route names. None is ever edited: a change makes new ones, the route is replaced in one
 * step, and what no route uses any more goes.
 */
#ifndef CV_NEXTHOP_H
#define CV_NEXTHOP_H

#include "swap.h"

/* Those that there are, and those that a swap adds. */
struct cv_nexthop_pool;

int cv_nexthop_pool_new(struct cv_nexthop_pool **out, struct cv_instance *inst, struct cv_err *err);
void cv_nexthop_pool_free(struct cv_nexthop_pool **pool);

/* The nexthop group for a route with hops: *id is of one that is there, or that the swap adds. */
int cv_nexthop_grow(struct cv_nexthop_pool *pool, struct cv_swap *swap,
		    const struct cv_route_plan *route, uint32_t *id, struct cv_err *err);

/* Takes those away that neither the plan nor routes of somebody else use; behind the routes of ours that
 * go. */
int cv_nexthop_shrink(struct cv_nexthop_pool *pool, struct cv_swap *swap,
		      const struct cv_plan *plan, struct cv_err *err);

#endif
