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

#include "act.h"
#include "compiler/changes.h"
#include "compiler/peers.h"
#include "compiler/rules.h"
#include "dev.h"
#include "image.h"
#include "instance.h"
#include "map.h"
#include "names.h"
#include "nl_link.h"
#include "nl_nexthop.h"
#include "nl_route.h"
#include "nl_rule.h"
#include "stub.h"

/* Told where what goes and what comes do not fit in beside each other. */
#define CV_TWO_STEPS                                                                               \
	"what goes keeps its own until the change is made: take it away in a change before this one"

/* One of several ways of a route. */
struct cv_hop_plan {
	uint32_t tunnel; /* id */
	uint32_t weight;
	uint32_t ifindex;
	struct cv_addr via;
	struct cv_lwt lwt;
};

struct cv_route_plan {
	const struct cv_route_conf *conf;
	uint32_t tunnel; /* id; 0: none, or those of the hops */
	uint32_t guards[CV_LWT_HOOKS]; /* ids; 0: none */
	struct cv_fib_route fib; /* with hops: nh_id is not known before they are made */
	struct cv_hop_plan *hops; /* owned */
	size_t hop_count;
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

/* A tunnel with `remote peers`. */
struct cv_peer_plan {
	uint32_t tunnel; /* id */
	struct cv_peer_prefix *prefixes; /* owned, as are all lists here */
	size_t prefix_count;
	struct cv_addr *remotes; /* sorted, each once */
	uint32_t *ways; /* of each remote: number of the route that leads to it */
	size_t remote_count;
	size_t way_count;
	struct cv_peer_set set;
	uint32_t remote_slot;
	bool is_live; /* the set is there already */
};

/* One tunnel of the wanted state. */
struct cv_tunnel_plan {
	uint32_t id; /* 0: it could not be planned, and is left out */
	bool has_in; /* a route into it has hook in */
	bool has_ipv6; /* a route into it may carry IPv6 */
	/* Which pins of its programs are there and work. */
	bool xmit_is_live;
	bool named_is_live; /* the second one of xmit */
	bool in_is_live;
};

struct cv_plan {
	struct cv_acts *acts; /* borrowed */
	const struct cv_state *state;
	const struct cv_state
		*before; /* what was applied until now; NULL if that does not matter */
	/* Undoing or clearing away: what cannot be looked up any more is left out, not refused. */
	bool is_lenient;
	bool is_repair; /* what changed around it is heeded, too */
	bool is_end; /* nothing is wanted any more: the instance goes, and its maps */
	uint32_t generation; /* of this change */
	bool is_upgrade; /* another build pinned the programs: they are loaded anew */

	struct cv_tunnel *live_entries; /* CV_MAX_TUNNEL_ENTRIES */
	uint32_t live_versions[CV_MAX_TUNNELS]; /* what tunnels send by, by id */
	struct cv_tunnel *live_tunnels; /* what arrives: a part of live_entries, by id */
	struct cv_tunnel *tunnels; /* CV_MAX_TUNNELS, by id */
	uint32_t versions[CV_MAX_TUNNELS]; /* by id; of those that are wanted */
	struct cv_tunnel_plan *tunnel_plans; /* in the order of the state */
	struct cv_names tunnel_names; /* of them */
	uint32_t stub_arrays[CV_ROLES]; /* ids of the maps that stubs go on through; 0: none yet */
	struct cv_banks *banks; /* owned; of the rules' images */
	struct cv_rules live_rules;
	struct cv_rules rules;
	struct cv_changes rule_changes;
	struct cv_app_set *live_apps;
	struct cv_app_set *apps;
	struct cv_app_set *live_outer; /* whoever's they are */
	struct cv_app_set *outer;
	struct cv_guard *live_guards; /* CV_MAX_GUARDS each, by id */
	struct cv_guard *guards;
	bool guard_is_live[CV_MAX_GUARDS]; /* its program works; by id of a live one */

	/* What the names of the state's apps came to, in its order; NULL: they are not in the plan. */
	const struct cv_app **apps_of;

	struct cv_dev_look *dev_look; /* owned */
	struct cv_dev_plan *devs; /* owned; those that are there */
	struct cv_names dev_names; /* of them */
	size_t dev_count;
	struct cv_route_plan *routes;
	size_t route_count;
	struct cv_route_view *route_view; /* owned; what there was before */
	struct cv_fib_rule *fib_rules;
	size_t fib_rule_count;
	struct cv_remote_plan *remotes; /* of the tunnels that have several */
	size_t remote_count;
	struct cv_peer_plan *peers; /* of the tunnels that have them */
	size_t peer_count;
	struct cv_endpoint_plan *endpoints; /* sorted by key */
	size_t endpoint_count;
	struct cv_map_copy live_endpoints;
	struct cv_map_copy live_allowed; /* sorted (allowed.c) */
	bool *endpoint_is_live; /* of each wanted one */
	bool *endpoint_is_wanted; /* of each live one */
};

/* before may be NULL; both states and acts are borrowed. */
int cv_plan_new(struct cv_plan **out, struct cv_acts *acts, const struct cv_state *before,
		const struct cv_state *state, bool is_lenient, struct cv_err *err);
void cv_plan_free(struct cv_plan **plan);

/* Ids in the plan, 0 if the name is not in it. */
uint32_t cv_plan_tunnel(const struct cv_plan *plan, const char *name);
/* NULL if the name is not in the plan; an app that stands in both sets has the same id in both. */
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

/* Releases what a tunnel's plan of peers owns. */
void cv_peer_plan_fini(struct cv_peer_plan *peers);

int cv_app_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
int cv_app_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* Grows without telling of apps: those with a gate are known before the rest of a change is made. */
int cv_app_put(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_app_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* The app of that name in a set, or NULL. */
const struct cv_app *cv_app_find(const struct cv_app_set *set, const char *name);
/* Calls add with a line for each app that is not as it should be. Ends with what it returns if that
 * is not zero. */
typedef int (*cv_problem_fn)(const char *text, void *arg);
/* Calls add with a line that is printed. Returns what it returns, -ENOMEM without memory. */
int cv_problem_tell(cv_problem_fn add, void *arg, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int cv_app_problems(struct cv_instance *inst, const struct cv_state *state, cv_problem_fn add,
		    void *arg, struct cv_err *err);
/* Forgets the apps of the instance of that cookie, so that the hooks pass its sockets by. */
void cv_apps_forget(const struct cv_instance *inst, uint64_t cookie);

int cv_route_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
/* What there is of our routes and ip rules: empty at first, read when they grow, used once more when they
 * shrink. NULL without memory. */
struct cv_route_view *cv_route_view_new(void);
void cv_route_view_free(struct cv_route_view **view);
int cv_route_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_route_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

/* Tells of an act on what stands behind a tunnel: part of it, in a map or a program. As cv_act(). */
int cv_tunnel_act(const struct cv_plan *plan, enum cv_act_kind kind, const char *noun,
		  const char *part, const char *tunnel, struct cv_err *err);

/* Where tunnels' programs are pinned. */
struct cv_program_pins {
	const struct cv_instance *inst;
	int tunnels; /* directories, to look into; owned; -1: not there */
	int xmit;
};

/* Finds the maps that stubs go on through, before all else that has to do with programs. */
void cv_program_pins_open(const struct cv_instance *inst, struct cv_plan *plan,
			  struct cv_program_pins *out);
void cv_program_pins_close(struct cv_program_pins *pins);
/* Finds out which pins of a tunnel's programs work. True if that of xmit does: its routes keep it. */
bool cv_program_plan(const struct cv_program_pins *pins, const struct cv_plan *plan,
		     struct cv_tunnel_plan *tunnel, const char *name);
/* Opens the program of a tunnel for the hook xmit or in. */
int cv_program_open(const struct cv_instance *inst, const char *tunnel, enum cv_lwt_hook hook,
		    struct cv_err *err);
/* Those that the plan needs; and away with those that it does not. */
int cv_program_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_program_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

/* What a guard does: asks the conditions of its route, counts what passes, or both. */
struct cv_guard_role {
	enum cv_lwt_hook hook; /* in or out */
	bool decides;
	bool counts;
};
/* Finds out whose programs work: their routes keep them. */
void cv_guard_plan_start(const struct cv_instance *inst, struct cv_plan *plan);
/* Puts a guard of a route into the plan; a live one that is equal keeps its id. */
int cv_guard_plan(struct cv_plan *plan, const struct cv_route_conf *conf,
		  const struct cv_fib_route *fib, const struct cv_guard_role *role, uint32_t *id,
		  struct cv_err *err);
/* Around the routes that use them: before these grow, and after they shrank. */
int cv_guard_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_guard_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* Opens the program of a guard. */
int cv_guard_open(const struct cv_instance *inst, uint32_t id, struct cv_err *err);
/* Adds what a guard dropped; fills in the rest if it is the one that counts. */
int cv_guard_meter(const struct cv_instance *inst, uint32_t id, bool counts,
		   struct cv_meter_info *meter, struct cv_err *err);

/* As cv_route_list(), without the ways of the routes; those of several come several times. */
int cv_route_list_brief(struct cv_instance *inst, struct cv_routes *out, struct cv_err *err);
/* True if culvert made the route. */
bool cv_route_is_ours(const struct cv_fib_route *route);

int cv_rule_image(const struct cv_instance *inst, struct cv_image_info *out, struct cv_err *err);
int cv_rule_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);
/* A device that a rule names, which need not have a filter of ours: it may be an encapsulating
 * route's. 0: there is none. */
uint32_t cv_rule_ifindex(const struct cv_plan *plan, const char *name);
int cv_rule_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

/* Stamps what the plan has made of the instance: see stamp.h. */
void cv_rule_stamp(const struct cv_instance *inst, const struct cv_plan *plan,
		   const struct cv_origin *origin);

/* Forgets the rates of rules that do not measure any. */
int cv_meter_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* Forgets that of the rule with that id, if it has one. */
int cv_meter_forget(const struct cv_instance *inst, uint32_t id, struct cv_err *err);
/* Calls add with a line for each thing that rules are to do and that does not come about; the second
 * one for the pace of one rule. Both end with what add returns if that is not zero. */
int cv_rule_problems(struct cv_instance *inst, const struct cv_state *state, cv_problem_fn add,
		     void *arg, struct cv_err *err);
/* Warns of rules of the plan that did not pace before, and whose pace nobody heeds. */
int cv_pace_warn(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* The same of rules of a state; before: where they are looked for. */
int cv_pace_warn_of(struct cv_instance *inst, const struct cv_state *before,
		    const struct cv_state *state, struct cv_err *err);

/* Shapes of what the slots hold. */
extern const struct cv_slot_shape cv_app_shape;

/* Reads one slot of the instance (of the host, for apps); zeros if there is none yet. Of tunnels: what
 * arrives, by id. */
int cv_live_tunnels(const struct cv_instance *inst, struct cv_tunnel *tunnels, struct cv_err *err);
int cv_live_rules(const struct cv_instance *inst, struct cv_rules *rules, struct cv_err *err);
int cv_live_apps(const struct cv_instance *inst, struct cv_app_set *apps, struct cv_err *err);
/* The apps of sockets in other network namespaces, of whichever instance has them. */
int cv_live_outer_apps(const struct cv_instance *inst, struct cv_app_set *apps, struct cv_err *err);
/* Both sets as far as they are the instance's. */
int cv_live_both_apps(const struct cv_instance *inst, struct cv_app_set *own,
		      struct cv_app_set *outer, struct cv_err *err);
int cv_live_guards(const struct cv_instance *inst, struct cv_guard *guards, struct cv_err *err);

/* The id of the tunnel of that name among CV_MAX_TUNNELS by id, 0 if there is none. */
uint32_t cv_tunnel_find(const struct cv_tunnel *tunnels, const char *name);

/* What the name of a route's program says, in any of its forms. */
struct cv_program_name {
	char tunnel[CV_NAME_MAX + 1]; /* empty: none */
	uint32_t guard; /* id; 0: none */
	bool has_generation;
	uint32_t generation;
};
/* Reads the name that the kernel reports for a hook. False if it is not of a program of ours. tunnels:
 * NULL if names that ip gave to programs by their pins are not asked for. */
bool cv_program_name_read(const struct cv_tunnel *tunnels, enum cv_lwt_hook hook, const char *name,
			  struct cv_program_name *out);

/* What a reason means; static. */
const char *cv_reason_text(uint32_t reason);
/* Its JSON key, NULL behind the last; static. */
const char *cv_reason_key(uint32_t reason);

/* The reasons counted for a tunnel, 0 for those that belong to none. */
int cv_drops_read(const struct cv_instance *inst, uint32_t tunnel, struct cv_drops *out,
		  struct cv_err *err);

/* The probes that were answered for a tunnel. */
int cv_probes_read(const struct cv_instance *inst, uint32_t tunnel, uint64_t *packets,
		   struct cv_err *err);

/* How often owners became known, by source; the whole host's. */
int cv_sources_read(const struct cv_instance *inst, uint64_t sources[CV_OWNER_SOURCES_MAX],
		    struct cv_err *err);

/* Adds those that the socket hooks counted; they are the whole host's. */
int cv_host_drops_add(const struct cv_instance *inst, struct cv_drops *out, struct cv_err *err);

/* Addresses as the ABI has them: four words, IPv4 in the first. */
void cv_addr_to_abi(const struct cv_addr *addr, uint32_t out[4]);
struct cv_addr cv_addr_from_abi(uint8_t family, const uint32_t words[4]);

/* The mark mask's lowest bit: marks are multiples of it. */
uint32_t cv_mark_unit(uint32_t mask);

#endif
