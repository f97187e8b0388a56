/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes that would carry the outer packets of a tunnel to one of its remotes: packets would go round
 * in a circle. All remotes of a plan stand in one sorted list, of which a route looks at those inside
 * its prefix; how the kernel routes one now is asked once.
 */
#ifndef CV_ROUTE_LOOP_H
#define CV_ROUTE_LOOP_H

#include "plan.h"

struct cv_loops;

/* Gathers the remotes of the plan's tunnels; after these. inst and plan are borrowed. */
int cv_loops_new(struct cv_loops **out, struct cv_instance *inst, const struct cv_plan *plan,
		 struct cv_err *err);
void cv_loops_free(struct cv_loops **loops);

/* Refuses a route, -ELOOP, that a remote's packets would match better than the one they take now. */
int cv_loops_check(struct cv_loops *loops, const struct cv_route_plan *route, struct cv_err *err);

#endif
