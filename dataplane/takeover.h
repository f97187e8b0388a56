/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taking over what an instance has in the kernel when its pins cannot be read: they are of another
 * version of the map ABI, or lost with their bpffs. The state file is the same for all versions, and
 * filters, routes and ip rules are known by names, handles and protocol. So a new instance is made
 * beside, converging moves each of them over in one step, and then the old pins go: traffic flows
 * on all the while.
 */
#ifndef CV_TAKEOVER_H
#define CV_TAKEOVER_H

#include "instance.h"

/* Refuses pins of a newer version, and to read those of an older one; to write, it locks them. Nothing to
 * do if the instance has pins of this version. */
int cv_takeover_check(struct cv_instance *inst, struct cv_err *err);

/* The generation that an instance begins at: routes that live have no program of a later one. */
int cv_takeover_generation(struct cv_instance *inst, uint32_t *generation, struct cv_err *err);

/* Removes the pins of an older version. */
int cv_takeover_finish(struct cv_instance *inst, struct cv_err *err);

#endif
