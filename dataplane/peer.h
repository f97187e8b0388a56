/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tunnels with `remote peers`: the set that chooses among their peers, and their remotes, of which
 * there may be 100,000. The kernel is asked once for all remotes whose longest prefix among the
 * routes of all tables is the same, since the same route leads to them.
 */
#ifndef CV_PEER_H
#define CV_PEER_H

#include "plan.h"

/* Gathers the peers of the tunnel in plan->peers; to be called once for a tunnel, before all else. */
int cv_peer_gather(struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
		   struct cv_err *err);

/* Those of the tunnel of that id, NULL if it has none of its own. */
struct cv_peer_plan *cv_peer_of(const struct cv_plan *plan, uint32_t id);

/* The prefixes of the kernel's routes, by family (4, 6); read when they are needed first. */
struct cv_peer_ways {
	struct cv_peer_routes *families[2]; /* owned */
};
void cv_peer_ways_fini(struct cv_peer_ways *ways);

/* Notes which of the kernel's routes leads to each remote, all of a family. Of a few remotes each
 * counts as led to by a route of its own. */
int cv_peer_find_ways(struct cv_instance *inst, struct cv_peer_ways *ways,
		      struct cv_peer_plan *peers, uint8_t family, struct cv_err *err);

/* Called with a remote that stands for all those that the same route leads to. */
typedef int (*cv_peer_remote_fn)(const struct cv_addr *remote, void *arg, struct cv_err *err);
/* Calls fn for one remote inside the prefix for each route that leads to some of them. Without
 * cv_peer_find_ways() the first one stands for all. */
int cv_peer_each_way(const struct cv_peer_plan *peers, const struct cv_prefix *inside,
		     cv_peer_remote_fn fn, void *arg, struct cv_err *err);

/* The remote that a live tunnel has for an inner destination. -ENOENT, without a text: no peer has
 * it. */
int cv_peer_find_remote(const struct cv_instance *inst, const struct cv_tunnel *live,
			const struct cv_addr *to, struct cv_addr *remote, struct cv_err *err);

/* Compiles the set and fills what decides the outer destination. */
int cv_peer_plan(struct cv_instance *inst, struct cv_plan *plan, uint32_t id,
		 struct cv_tunnel *tunnel, struct cv_err *err);
/* Writes the sets that are new, each into a slot that no packet reads. */
int cv_peer_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* Empties the slots that no tunnel reads any more. */
int cv_peer_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

#endif
