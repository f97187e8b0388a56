/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inner sources that tunnels accept. A list that changed is written beside the old one, under the
 * generation of the change, and counts when the tunnel names that generation.
 */
#ifndef CV_ALLOWED_H
#define CV_ALLOWED_H

#include "plan.h"

/* Reads the lists of all live tunnels into the plan. */
int cv_allowed_read(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
/* True if the kernel's list of that generation of a tunnel is the one wanted. */
bool cv_allowed_is_live(const struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
			uint32_t generation);

/* Writes the lists of the plan's generation. */
int cv_allowed_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* Removes those that no tunnel names any more. */
int cv_allowed_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

#endif
