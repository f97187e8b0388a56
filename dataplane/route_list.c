/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What routes there are, as far as they have programs: ours, and those that somebody made by hand.
 * The kernel reports the names of programs only; what they say is looked up among our pins.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "array.h"
#include "chain.h"
#include "map.h"
#include "object.h"
#include "own.h"
#include "plan.h"

void cv_routes_fini(struct cv_routes *routes)
{
	free(routes->items);
	free(routes->hops);
	*routes = (struct cv_routes){ 0 };
}

/* Everything that a listing looks things up in. */
struct lookup {
	struct cv_instance *inst;
	struct cv_app_set apps;
	struct cv_guard guards[CV_MAX_GUARDS];
	struct cv_tunnel tunnels[CV_MAX_TUNNELS];
	struct cv_nexthop_list nexthops;
	struct known *known; /* owned; programs that were looked at */
	size_t known_count;
	struct cv_chains known_chains; /* by name */
	bool is_brief; /* ways are left out */
	struct cv_routes out;
	struct cv_fib_route last; /* of several nexthops of one route the one before */
};

/* What a name says, and what there is of that. */
struct known {
	enum cv_lwt_hook hook;
	struct cv_program_name meaning;
	struct cv_route_program program;
};

static void lookup_free(struct lookup **lookup_ptr)
{
	struct lookup *lookup = *lookup_ptr;

	if (!lookup)
		return;
	cv_nexthop_list_fini(&lookup->nexthops);
	free(lookup->known);
	cv_chains_fini(&lookup->known_chains);
	cv_routes_fini(&lookup->out);
	free(lookup);
}

/* ---- which routes ---- */

static bool nexthop_has_programs(const struct cv_nexthop_list *nexthops, uint32_t id)
{
	const struct cv_nexthop *nexthop = cv_nexthop_find(nexthops, id);

	if (!nexthop)
		return false;
	for (size_t i = 0; i < nexthop->member_count; i++)
		if (nexthop_has_programs(nexthops, nexthop->members[i].id))
			return true;
	return nexthop->lwt.is_bpf;
}

static bool is_to_be_shown(const struct cv_fib_route *route, void *arg)
{
	const struct lookup *lookup = arg;

	/* Twins of routes with hook in (route.c) are no routes of the user's. */
	if (route->table == CV_OWN_TABLE && cv_route_is_ours(route))
		return false;
	return route->lwt.is_bpf || cv_route_is_ours(route) ||
	       (route->nh_id && nexthop_has_programs(&lookup->nexthops, route->nh_id));
}

/* ---- programs ---- */

static const struct cv_tunnel *tunnel_of(const struct cv_tunnel *tunnels, const char *name)
{
	uint32_t id = cv_tunnel_find(tunnels, name);

	return id ? &tunnels[id] : NULL;
}

/* culvert/ABI/HOOK/TUNNEL/GENERATION, or @ID in place of the tunnel. */
static bool read_own_name(const char *name, struct cv_program_name *out)
{
	char hook[16], subject[CV_NAME_MAX + 1];
	unsigned int abi;

	if (sscanf(name, "culvert/%u/%15[a-z]/%31[^/]/%u", &abi, hook, subject, &out->generation) !=
	    4)
		return false;
	out->has_generation = true;
	if (sscanf(subject, "@%u", &out->guard) != 1)
		memcpy(out->tunnel, subject, sizeof(out->tunnel));
	return true;
}

/* NAME:[*fsobj], which ip makes of the last part of a pin's path: for ours that is the tunnel. */
static bool read_pin_name(const struct cv_tunnel *tunnels, const char *name,
			  struct cv_program_name *out)
{
	const struct cv_tunnel *tunnel;
	char pin[CV_NAME_MAX + 1];
	int end = 0;

	if (sscanf(name, "%31[^:]:[*fsobj]%n", pin, &end) != 1 || !end || name[end])
		return false;
	tunnel = tunnel_of(tunnels, pin);
	if (!tunnel)
		return false;
	memcpy(out->tunnel, pin, sizeof(out->tunnel));
	out->has_generation = true;
	out->generation = tunnel->generation;
	return true;
}

bool cv_program_name_read(const struct cv_tunnel *tunnels, enum cv_lwt_hook hook, const char *name,
			  struct cv_program_name *out)
{
	*out = (struct cv_program_name){ .guard = 0 };
	return read_own_name(name, out) ||
	       (tunnels && hook == CV_LWT_XMIT && read_pin_name(tunnels, name, out));
}

/* The program that a name of this meaning stands for now. -ENOENT: not known. */
static int open_program(const struct lookup *lookup, enum cv_lwt_hook hook,
			const struct cv_program_name *meaning)
{
	const struct cv_tunnel *tunnel = tunnel_of(lookup->tunnels, meaning->tunnel);
	uint32_t guard = meaning->guard % CV_MAX_GUARDS;

	if (guard)
		return lookup->guards[guard].generation == meaning->generation
			       ? cv_guard_open(lookup->inst, guard, NULL)
			       : -ENOENT;
	if (!tunnel || tunnel->generation != meaning->generation)
		return -ENOENT;
	return cv_program_open(lookup->inst, meaning->tunnel, hook, NULL);
}

static void look_at_program(const struct lookup *lookup, const char *name, struct known *out)
{
	struct cv_route_program *program = &out->program;
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	CV_CLOSE int fd = -1;

	_Static_assert(sizeof(program->name) == CV_LWT_NAME_LEN, "names fit");
	memcpy(program->name, name, sizeof(program->name));
	if (!cv_program_name_read(lookup->tunnels, out->hook, name, &out->meaning))
		return;
	program->has_generation = out->meaning.has_generation;
	program->generation = out->meaning.generation;
	fd = open_program(lookup, out->hook, &out->meaning);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return;
	program->prog_id = info.id;
	for (size_t i = 0; i < sizeof(info.tag); i++)
		snprintf(program->tag + 2 * i, 3, "%02x", info.tag[i]);
}

static const struct known *find_known(const struct lookup *lookup, enum cv_lwt_hook hook,
				      const char *name)
{
	uint32_t number = CV_NOBODY;

	if (lookup->known_count)
		number = cv_chains_first(&lookup->known_chains, cv_hash_text(name));
	for (; number != CV_NOBODY; number = lookup->known_chains.next[number])
		if (lookup->known[number].hook == hook &&
		    !strcmp(lookup->known[number].program.name, name))
			return &lookup->known[number];
	return NULL;
}

static int grow_known(struct lookup *lookup, struct cv_err *err)
{
	if (cv_chains_grow(&lookup->known_chains,
			   lookup->known_count ? 2 * lookup->known_count : 1))
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	for (size_t i = 0; i < lookup->known_count; i++)
		cv_chains_link(&lookup->known_chains, cv_hash_text(lookup->known[i].program.name),
			       i);
	return 0;
}

/* Many routes lead into few tunnels: each program is looked at once. */
static int know_program(struct lookup *lookup, enum cv_lwt_hook hook, const char *name,
			const struct known **out, struct cv_err *err)
{
	struct known known = { .hook = hook };
	int rc = 0;

	*out = find_known(lookup, hook, name);
	if (*out)
		return 0;
	look_at_program(lookup, name, &known);
	if (lookup->known_count == lookup->known_chains.room)
		rc = grow_known(lookup, err);
	if (!rc)
		rc = cv_array_add((void **)&lookup->known, &lookup->known_count, &known,
				  sizeof(known), "routes", err);
	if (rc)
		return rc;
	cv_chains_link(&lookup->known_chains, cv_hash_text(name), lookup->known_count - 1);
	*out = &lookup->known[lookup->known_count - 1];
	return 0;
}

/* ---- nexthops ---- */

/* Adds what the guards of a route counted. Which of them counts, it says itself. */
static int add_meter(struct lookup *lookup, uint32_t guard, struct cv_route_info *info,
		     struct cv_err *err)
{
	if (!guard || guard >= CV_MAX_GUARDS || !lookup->guards[guard].family)
		return 0;
	info->has_meter = true;
	return cv_guard_meter(lookup->inst, guard, lookup->guards[guard].flags & CV_GUARD_COUNT,
			      &info->meter, err);
}

/* A way of the route at hand: where it leads, and what packets meet there. */
struct way {
	uint32_t id;
	uint32_t weight;
	uint32_t ifindex;
	const struct cv_addr *via;
	const struct cv_lwt *lwt;
};

static int add_way(struct lookup *lookup, struct cv_route_info *info, const struct way *way,
		   struct cv_err *err)
{
	struct cv_route_hop hop = { .id = way->id, .weight = way->weight, .via = *way->via };
	struct cv_route_program *programs[CV_LWT_HOOKS] = { &hop.in, &hop.out, &hop.xmit };
	struct cv_link link;
	int rc = 0;

	if (way->ifindex && !cv_link_by_index(lookup->inst->nl, way->ifindex, &link, NULL))
		memcpy(hop.dev, link.name, sizeof(hop.dev));
	for (int hook = 0; !rc && hook < CV_LWT_HOOKS; hook++) {
		const struct known *known;

		if (!way->lwt->names[hook][0])
			continue;
		rc = know_program(lookup, hook, way->lwt->names[hook], &known, err);
		if (rc)
			break;
		*programs[hook] = known->program;
		if (known->meaning.tunnel[0])
			memcpy(hop.tunnel, known->meaning.tunnel, sizeof(hop.tunnel));
		/* The guards of a route are the same on all its ways. */
		if (!info->hop_count)
			rc = add_meter(lookup, known->meaning.guard, info, err);
	}
	info->hop_count++;
	return rc ? rc
		  : cv_array_add((void **)&lookup->out.hops, &lookup->out.hop_count, &hop,
				 sizeof(hop), "routes", err);
}

static int add_nexthop(struct lookup *lookup, struct cv_route_info *info, uint32_t id,
		       uint32_t weight, struct cv_err *err)
{
	const struct cv_nexthop *nexthop = cv_nexthop_find(&lookup->nexthops, id);
	int rc = 0;

	if (!nexthop)
		return 0;
	for (size_t i = 0; !rc && i < nexthop->member_count; i++)
		rc = add_nexthop(lookup, info, nexthop->members[i].id, nexthop->members[i].weight,
				 err);
	if (rc || nexthop->member_count)
		return rc;
	return add_way(lookup, info,
		       &(struct way){ .id = id,
				      .weight = weight,
				      .ifindex = nexthop->ifindex,
				      .via = &nexthop->via,
				      .lwt = &nexthop->lwt },
		       err);
}

/* ---- routes ---- */

static const struct cv_app *app_of_table(const struct cv_app_set *apps, uint32_t table)
{
	for (uint32_t i = 0; i < apps->count; i++) {
		const struct cv_app *app = &apps->apps[i];

		if (app->mark &&
		    table == CV_APP_TABLE_BASE + app->mark / cv_mark_unit(apps->mark_mask))
			return app;
	}
	return NULL;
}

static struct cv_route_info new_info(const struct lookup *lookup, const struct cv_fib_route *fib)
{
	const struct cv_app *app = app_of_table(&lookup->apps, fib->table);
	struct cv_route_info info = {
		.to = fib->to,
		.table = fib->table,
		.metric = fib->metric,
		.mtu_bytes = fib->mtu_bytes,
		.protocol = fib->protocol,
		.is_foreign = !cv_route_is_ours(fib),
		.is_local = fib->type == RTN_LOCAL,
		.nhid = fib->nh_id,
		.first_hop = lookup->out.hop_count,
	};

	if (app)
		memcpy(info.app, app->name, sizeof(info.app));
	return info;
}

/* True if this is one more nexthop of the route that came before. */
static bool goes_on(const struct lookup *lookup, const struct cv_fib_route *fib)
{
	const struct cv_fib_route *last = &lookup->last;

	return fib->hop > last->hop && last->weight && fib->to.bits == last->to.bits &&
	       cv_addr_equal(&fib->to.addr, &last->to.addr) && fib->table == last->table &&
	       fib->metric == last->metric && fib->protocol == last->protocol;
}

static int add_route(const struct cv_fib_route *fib, void *arg, struct cv_err *err)
{
	struct lookup *lookup = arg;
	struct cv_routes *out = &lookup->out;
	bool is_more = out->count && goes_on(lookup, fib);
	struct cv_route_info info = new_info(lookup, fib);
	int rc = is_more ? 0
			 : cv_array_add((void **)&out->items, &out->count, &info, sizeof(info),
					"routes", err);

	if (rc || lookup->is_brief)
		return rc;
	lookup->last = *fib;
	if (fib->nh_id)
		return add_nexthop(lookup, &out->items[out->count - 1], fib->nh_id, 0, err);
	return add_way(lookup, &out->items[out->count - 1],
		       &(struct way){ .weight = fib->weight,
				      .ifindex = fib->ifindex,
				      .via = &fib->via,
				      .lwt = &fib->lwt },
		       err);
}

static int fill_lookup(struct lookup *lookup, struct cv_err *err)
{
	int rc = cv_nexthop_list(lookup->inst->nl, &lookup->nexthops, err);

	if (rc || !cv_instance_exists(lookup->inst))
		return rc;
	rc = cv_live_apps(lookup->inst, &lookup->apps, err);
	if (!rc)
		rc = cv_live_tunnels(lookup->inst, lookup->tunnels, err);
	return rc ? rc : cv_live_guards(lookup->inst, lookup->guards, err);
}

static int list_routes(struct cv_instance *inst, bool is_brief, struct cv_routes *out,
		       struct cv_err *err)
{
	CV_CLEANUP(lookup_free) struct lookup *lookup = calloc(1, sizeof(*lookup));
	int rc;

	if (!lookup)
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	lookup->inst = inst;
	lookup->is_brief = is_brief;
	rc = fill_lookup(lookup, err);
	cv_links_remember(inst->nl);
	if (!rc)
		rc = cv_fib_list(inst->nl, 4, 0, is_to_be_shown, add_route, lookup, err);
	if (!rc)
		rc = cv_fib_list(inst->nl, 6, 0, is_to_be_shown, add_route, lookup, err);
	cv_links_forget(inst->nl);
	if (rc)
		return rc;
	*out = lookup->out;
	lookup->out = (struct cv_routes){ 0 };
	return 0;
}

int cv_route_list(struct cv_instance *inst, const struct cv_state *state, struct cv_routes *out,
		  struct cv_err *err)
{
	(void)state;
	return list_routes(inst, false, out, err);
}

int cv_route_list_brief(struct cv_instance *inst, struct cv_routes *out, struct cv_err *err)
{
	return list_routes(inst, true, out, err);
}
