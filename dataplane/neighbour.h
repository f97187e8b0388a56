/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose filters and programs stand beside ours on the devices of a state: for `culvert status`. */
#ifndef CV_NEIGHBOUR_H
#define CV_NEIGHBOUR_H

#include "instance.h"
#include "plan.h"

/* In the order in which packets meet them: device by device, what arrives first, tcx before clsact.
 * infos are the devices (cv_dev_list). *out is the caller's. */
int cv_neighbours_find(struct cv_instance *inst, const struct cv_dev_info *infos, size_t info_count,
		       struct cv_foreign_info **out, size_t *count, struct cv_err *err);

/* Calls add with a line for each that keeps packets from us, and that we keep packets from. Ends with
 * what it returns if that is not zero. */
int cv_neighbour_problems(const struct cv_state *state, const struct cv_foreign_info *foreign,
			  size_t count, cv_problem_fn add, void *arg);

#endif
