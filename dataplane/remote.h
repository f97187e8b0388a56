/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tunnels with several remotes: which flow goes to which. */
#ifndef CV_REMOTE_H
#define CV_REMOTE_H

#include "plan.h"

/*
 * Shares the buckets out among the remotes by their weights (NULL: all equal), by weighted
 * rendezvous hashing: every remote draws a number for every bucket, and the best one has it. A
 * remote that goes gives up its own buckets, a new one takes its share, and no other bucket moves.
 * The order of the remotes does not matter but for the numbers that stand for them.
 */
void cv_remote_spread(const struct cv_addr *remotes, const uint32_t *weights, size_t count,
		      uint8_t bucket[CV_REMOTE_BUCKETS]);

/* Reads the set of a live tunnel with CV_REMOTE_SET. */
int cv_remote_read(const struct cv_instance *inst, const struct cv_tunnel *live,
		   struct cv_remote_set *set, struct cv_err *err);

/* Fills what decides the outer destination. The live tunnel of that id has mode 0 if it is new. */
int cv_remote_plan(struct cv_instance *inst, struct cv_plan *plan,
		   const struct cv_tunnel_conf *conf, uint32_t id, struct cv_tunnel *tunnel,
		   struct cv_err *err);
/* Writes the sets that are new, each into a slot that no packet reads. */
int cv_remote_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* Empties the slots that no tunnel reads any more. */
int cv_remote_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

#endif
