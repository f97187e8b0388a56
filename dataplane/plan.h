/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A plan: a wanted state with everything resolved that the system has to say (devices, inodes,
 * cgroups, the underlay), in the form in which the kernel will hold it, next to what it holds now.
 *
 * Each noun has three acts, called in this order (converge.c):
 *   plan    looks everything up, changes nothing; the only act that refuses what the user asked for
 *   grow    adds and replaces; after it the wanted state works
 *   shrink  removes what is not wanted
 * Each compares with what is there and leaves alone what is equal, so all of them can be repeated:
 * undoing a change is converging on the old state, and so is finishing one that was interrupted.
 */
#ifndef CV_PLAN_H
#define CV_PLAN_H

#include "instance.h"
#include "nl_link.h"
#include "nl_route.h"
#include "nl_rule.h"

struct cv_dev_plan {
	const struct cv_dev_conf *conf;
	uint32_t ifindex;
	uint32_t prio;
};

struct cv_route_plan {
	const struct cv_route_conf *conf;
	uint32_t tunnel; /* id */
	struct cv_fib_route fib; /* xmit_name empty until the tunnel's generation is known */
};

struct cv_endpoint_plan {
	struct cv_endpoint_key key;
	uint32_t tunnel; /* id */
};

struct cv_remote_plan {
	struct cv_remote_set *set; /* owned */
	uint32_t slot; /* of CV_MAP_REMOTES */
	bool is_live; /* it is there already */
};

struct cv_plan {
	const struct cv_state *state;
	/* Undoing or clearing away: what cannot be looked up any more is left out, not refused. */
	bool is_lenient;
	uint32_t generation; /* of this change */
	bool is_upgrade; /* another build pinned the programs: they are loaded anew */

	struct cv_tunnel *live_tunnels; /* CV_MAX_TUNNELS each, by id */
	struct cv_tunnel *tunnels;
	struct cv_rule_set *live_rules;
	struct cv_rule_set *rules;
	struct cv_app_set *live_apps;
	struct cv_app_set *apps;

	struct cv_dev_plan *devs;
	size_t dev_count;
	struct cv_route_plan *routes;
	size_t route_count;
	struct cv_fib_rule *fib_rules;
	size_t fib_rule_count;
	struct cv_remote_plan *remotes; /* of the tunnels that have several */
	size_t remote_count;
	struct cv_endpoint_plan *endpoints; /* sorted by key */
	size_t endpoint_count;
};

int cv_plan_new(struct cv_plan **out, struct cv_instance *inst, const struct cv_state *state,
		bool is_lenient, struct cv_err *err);
void cv_plan_free(struct cv_plan **plan);

/* Ids in the plan, 0 if the name is not in it. */
uint32_t cv_plan_tunnel(const struct cv_plan *plan, const char *name);
const struct cv_app *cv_plan_app(const struct cv_plan *plan, const char *name);
uint32_t cv_plan_ifindex(const struct cv_plan *plan, const char *name);
/* Of the two slots for remotes that the tunnel of that id has, the one that no packet reads. */
uint32_t cv_plan_free_slot(const struct cv_plan *plan, uint32_t id);

int cv_dev_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
int cv_dev_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_dev_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

int cv_tunnel_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
/* Notes in every tunnel whether rules have to be asked before encapsulation; after the rules. */
void cv_tunnel_note_rules(struct cv_plan *plan);
int cv_tunnel_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_tunnel_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

int cv_app_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
int cv_app_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_app_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

int cv_route_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
int cv_route_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_route_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

int cv_rule_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
int cv_rule_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

/* Shapes of what the slots hold. */
extern const struct cv_slot_shape cv_tunnel_shape;
extern const struct cv_slot_shape cv_rule_shape;
extern const struct cv_slot_shape cv_app_shape;

/* Reads one slot of the instance (of the host, for apps); zeros if there is none yet. */
int cv_live_tunnels(const struct cv_instance *inst, struct cv_tunnel *tunnels, struct cv_err *err);
int cv_live_rules(const struct cv_instance *inst, struct cv_rule_set *rules, struct cv_err *err);
int cv_live_apps(const struct cv_instance *inst, struct cv_app_set *apps, struct cv_err *err);

/* The reasons counted for a tunnel, 0 for those that belong to none. */
int cv_drops_read(const struct cv_instance *inst, uint32_t tunnel, struct cv_drops *out,
		  struct cv_err *err);

/* Adds those that the socket hooks counted; they are the whole host's. */
int cv_host_drops_add(const struct cv_instance *inst, struct cv_drops *out, struct cv_err *err);

/* Addresses as the ABI has them: four words, IPv4 in the first. */
void cv_addr_to_abi(const struct cv_addr *addr, uint32_t out[4]);

/* The mark mask's lowest bit: marks are multiples of it. */
uint32_t cv_mark_unit(uint32_t mask);

#endif
