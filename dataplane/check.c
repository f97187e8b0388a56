/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a state makes sense in itself: references, duplicates, families, limits. Looks at nothing
 * but the state; what depends on the system is found out by the plans (plan.h).
 */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "abi.h"
#include "chain.h"
#include "nearest.h"
#include "own.h"

#define CV_SUGGESTED_MAX 100 /* faults with a suggestion: for each all names are looked at */
#define CV_OBJECT_TEXT 160

void cv_check_report(struct check *check, struct cv_err *err, const struct cv_place *place)
{
	cv_err_at(err, place);
	check->fault(err, check->arg);
	check->errors++;
}

/* Objects that others refer to: structs that begin with their names. */
struct named {
	const char *noun;
	const void *items;
	size_t count, size;
};

static const char *nearest_name(const struct check *check, const char *noun, const char *name)
{
	const struct cv_state *state = check->state;
	const struct named lists[] = {
		{ "app", state->apps, state->app_count, sizeof(*state->apps) },
		{ "tunnel", state->tunnels, state->tunnel_count, sizeof(*state->tunnels) },
		{ "set", state->sets, state->set_count, sizeof(*state->sets) },
	};
	struct cv_nearest nearest = { .word = name };

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		for (size_t j = 0; !strcmp(lists[i].noun, noun) && j < lists[i].count; j++)
			cv_nearest_look(&nearest, (const char *)lists[i].items + j * lists[i].size);
	return nearest.found;
}

void cv_check_missing(struct check *check, const struct cv_place *place, const char *noun,
		      const char *name, const char *format, ...)
{
	const char *nearest =
		check->errors < CV_SUGGESTED_MAX ? nearest_name(check, noun, name) : NULL;
	char user[CV_OBJECT_TEXT];
	struct cv_err err;
	va_list args;

	va_start(args, format);
	vsnprintf(user, sizeof(user), format, args);
	va_end(args);
	cv_err_input(&err, "%s: there is no %s %s", user, noun, name);
	if (nearest)
		cv_err_hint(&err, "did you mean \"%s\"?", nearest);
	else
		cv_err_hint(&err, "add the %s first, or mend the name", noun);
	cv_check_report(check, &err, place);
}

void cv_check_twice(struct check *check, const struct cv_place *place, const struct cv_place *first,
		    const char *format, ...)
{
	char object[CV_OBJECT_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(object, sizeof(object), format, args);
	va_end(args);
	if (first->file && first->line)
		FAULT(check, place, "", "%s: given twice, first at %s:%d:%d", object, first->file,
		      first->line, first->column);
	else
		FAULT(check, place, "", "%s: given twice", object);
}

bool cv_check_limit(struct check *check, const char *what, size_t count, size_t limit,
		    const struct cv_place *place)
{
	if (count <= limit)
		return true;
	FAULT(check, place, "", "%zu %s: more than the %zu that one instance holds", count, what,
	      limit);
	return false;
}

static void check_mark_mask(struct check *check)
{
	uint32_t mask = check->state->mark_mask;
	uint32_t lowest = mask & -mask;

	if (!lowest || (mask / lowest & (mask / lowest + 1)) || mask == lowest)
		FAULT(check, &check->state->mark_mask_place, "for instance 0x7f000000",
		      "mark-mask 0x%x: not a run of two or more neighbouring bits", mask);
}

static void check_hook(struct check *check, const struct cv_dev_conf *dev)
{
	if (!dev->tcx && dev->place_on_tcx != CV_TCX_ANYWHERE)
		FAULT(check, &dev->place, "add tcx, or give prio N",
		      "dev %s: first, last, before and after are places on tcx", dev->name);
	if (dev->tcx && (dev->prio || dev->handle))
		FAULT(check, &dev->place, "give first, last, before or after",
		      "dev %s: on tcx there is no prio and no handle", dev->name);
}

static void check_devs(struct check *check)
{
	const struct cv_state *state = check->state;

	if (state->dev_count && !cv_check_limit(check, "devs", state->dev_count, CV_MAX_DEVS,
						&state->devs[state->dev_count - 1].place))
		return;
	for (size_t i = 0; i < state->dev_count; i++) {
		const struct cv_dev_conf *dev = &state->devs[i], *first;

		if (!dev->ingress && !dev->egress)
			FAULT(check, &dev->place, "give ingress, egress or both",
			      "dev %s: neither ingress nor egress", dev->name);
		check_hook(check, dev);
		first = cv_state_find_dev(state, dev->name);
		if (first != dev)
			cv_check_twice(check, &dev->place, &first->place, "dev %s", dev->name);
	}
}

static uint64_t bits_of(const struct cv_addrs *remotes)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < remotes->count; i++)
		bits |= 1ULL << (cv_hash_bytes(0, remotes->items[i].bytes,
					       sizeof(remotes->items[i].bytes)) %
				 64);
	return bits;
}

static void check_tunnels(struct check *check)
{
	const struct cv_state *state = check->state;
	CV_FREE uint64_t *bits = calloc(state->tunnel_count + 1, sizeof(*bits));

	if (state->tunnel_count &&
	    !cv_check_limit(check, "tunnels", state->tunnel_count, CV_MAX_TUNNELS - 1,
			    &state->tunnels[state->tunnel_count - 1].place))
		return;
	for (size_t i = 0; bits && i < state->tunnel_count; i++)
		bits[i] = bits_of(&state->tunnels[i].remotes);
	check->remote_bits = bits;
	for (size_t i = 0; i < state->tunnel_count; i++)
		cv_check_tunnel(check, &state->tunnels[i]);
	check->remote_bits = NULL;
}

static bool has_tunnel(const struct cv_route_conf *route)
{
	return route->tunnel[0] || route->nexthop_count;
}

static void check_route_families(struct check *check, const struct cv_route_conf *route,
				 const char *to)
{
	uint8_t family = route->to.addr.family;

	if (route->src.family && family && route->src.family != family)
		FAULT(check, &route->place, "", "route %s: src is IPv%u", to, route->src.family);
	if (route->via.family == 4 && family == 6)
		FAULT(check, &route->place, "", "route %s: an IPv6 route has no IPv4 gateway", to);
	for (size_t i = 0; i < route->nexthop_count; i++)
		if (route->nexthops[i].via.family == 4 && family == 6)
			FAULT(check, &route->place, "",
			      "route %s: an IPv6 route has no IPv4 gateway", to);
	for (size_t i = 0; family && i < route->from.count; i++)
		if (route->from.items[i].addr.family && route->from.items[i].addr.family != family)
			FAULT(check, &route->place, "", "route %s: from is IPv%u", to,
			      route->from.items[i].addr.family);
}

/* A tunnel that the route sends to. */
static void check_route_tunnel(struct check *check, const struct cv_route_conf *route,
			       const char *name, const char *to)
{
	const struct cv_tunnel_conf *tunnel = cv_state_find_tunnel(check->state, name);

	if (!tunnel)
		cv_check_missing(check, &route->place, "tunnel", name, "route %s", to);
	else if (route->to.addr.family != 4 && tunnel->mtu_bytes >= CV_IPV4_MIN_MTU &&
		 tunnel->mtu_bytes < CV_IPV6_MIN_MTU)
		FAULT(check, &route->place, "IPv6 needs 1280 or more",
		      "route %s: mtu %u of tunnel %s is too small for IPv6", to, tunnel->mtu_bytes,
		      name);
}

/* The kernel takes a nexthop object but once into a group. */
static bool has_hop_twice(const struct cv_route_conf *route, size_t index)
{
	const struct cv_nexthop_conf *hop = &route->nexthops[index];

	for (size_t i = 0; i < index; i++) {
		const struct cv_nexthop_conf *other = &route->nexthops[i];

		if (!strcmp(other->tunnel, hop->tunnel) && !strcmp(other->dev, hop->dev) &&
		    cv_addr_equal(&other->via, &hop->via))
			return true;
	}
	return false;
}

static void check_route_tunnels(struct check *check, const struct cv_route_conf *route,
				const char *to)
{
	if (route->tunnel[0])
		check_route_tunnel(check, route, route->tunnel, to);
	for (size_t i = 0; i < route->nexthop_count; i++) {
		if (has_hop_twice(route, i))
			FAULT(check, &route->place, "a weight N makes one of them count more",
			      "route %s: a nexthop into tunnel %s is given twice", to,
			      route->nexthops[i].tunnel);
		if (route->nexthops[i].tunnel[0])
			check_route_tunnel(check, route, route->nexthops[i].tunnel, to);
		else
			FAULT(check, &route->place, "nexthop tunnel NAME",
			      "route %s: a nexthop without a tunnel", to);
	}
	if (route->from_tunnel[0] && !cv_state_find_tunnel(check->state, route->from_tunnel))
		cv_check_missing(check, &route->place, "tunnel", route->from_tunnel, "route %s",
				 to);
}

/* Where packets of the route go: one answer, and no more. */
static void check_route_target(struct check *check, const struct cv_route_conf *route,
			       const char *to)
{
	uint8_t hooks = cv_route_conf_hooks(route);
	bool has_guard = cv_route_conf_has_guard(route);

	if (route->nhid && (has_tunnel(route) || hooks || has_guard || route->via.family ||
			    route->dev[0] || route->is_local))
		FAULT(check, &route->place, "give nhid alone",
		      "route %s: a nexthop object says itself where packets go and what they meet",
		      to);
	else if (route->tunnel[0] && route->nexthop_count)
		FAULT(check, &route->place, "nexthop tunnel NAME names each of several",
		      "route %s: tunnel and nexthop together", to);
	else if (route->nexthop_count && (route->via.family || route->dev[0]))
		FAULT(check, &route->place, "give it behind the nexthop",
		      "route %s: via and dev are those of a nexthop here", to);
	else if (!has_tunnel(route) && !route->nhid && !hooks && !has_guard)
		FAULT(check, &route->place, "give tunnel NAME", "route %s: no tunnel", to);
	else if (!has_tunnel(route) && hooks && !(hooks & CV_HOOK_XMIT) && !route->is_local &&
		 !route->via.family && !route->dev[0])
		FAULT(check, &route->place, "give via ADDR, dev IFNAME or type local",
		      "route %s: without a tunnel it leads nowhere", to);
}

/* What a hook cannot do, and why. */
static void check_route_hooks(struct check *check, const struct cv_route_conf *route,
			      const char *to)
{
	uint8_t hooks = cv_route_conf_hooks(route);
	const struct cv_place *place = &route->place;

	if (!has_tunnel(route) && hooks & CV_HOOK_XMIT)
		FAULT(check, place, "give tunnel NAME, or hook in or out for a guard",
		      "route %s: hook xmit encapsulates, and there is no tunnel", to);
	if (has_tunnel(route) && hooks == CV_HOOK_OUT)
		FAULT(check, place, "hook xmit,out does both",
		      "route %s: hook out can count and drop, not encapsulate", to);
	if (has_tunnel(route) && hooks & CV_HOOK_IN && hooks & CV_HOOK_OUT)
		FAULT(check, place, "hook xmit,out carries received packets too",
		      "route %s: what hook in encapsulates never comes to hook out", to);
	if (hooks & CV_HOOK_IN && route->nexthop_count)
		FAULT(check, place, "hook xmit carries received packets too",
		      "route %s: hook in: not with nexthops", to);
	if (hooks & CV_HOOK_IN && route->app[0])
		FAULT(check, place, "leave app out, or use hook out",
		      "route %s: hook in: what is received is of no app", to);
	if (route->is_local && (has_tunnel(route) || hooks != CV_HOOK_IN || route->via.family))
		FAULT(check, place, "use hook in, without tunnel and via",
		      "route %s: type local: what is delivered here is not sent on", to);
}

static void check_route_guard(struct check *check, const struct cv_route_conf *route,
			      const char *to)
{
	const struct cv_place *place = &route->place;
	uint8_t hooks = cv_route_conf_hooks(route);

	if (!cv_route_conf_has_guard(route) || route->nhid)
		return;
	if (has_tunnel(route) && !(hooks & CV_HOOK_OUT))
		FAULT(check, place, "hook xmit,out guards what is encapsulated",
		      "route %s: from, from-tunnel, from-mark and policy are asked on hook out here",
		      to);
	else if (!hooks)
		FAULT(check, place, "give hook in (what is received) or hook out (all)",
		      "route %s: from, from-tunnel, from-mark and policy need a hook", to);
	if (route->from.count > CV_MAX_GUARD_SOURCES)
		FAULT(check, place, "a rule takes more",
		      "route %s: from has %zu prefixes, at most %u", to, route->from.count,
		      CV_MAX_GUARD_SOURCES);
	if (route->has_from_mark && route->from_mark & ~route->from_mark_mask)
		FAULT(check, place, "", "route %s: from-mark 0x%x has bits outside its mask 0x%x",
		      to, route->from_mark, route->from_mark_mask);
}

static void check_route(struct check *check, const struct cv_route_conf *route)
{
	const struct cv_state *state = check->state;
	const struct cv_route_conf *first;
	char to[CV_PREFIX_TEXT];

	cv_prefix_format(&route->to, to);
	check_route_target(check, route, to);
	check_route_tunnels(check, route, to);
	check_route_hooks(check, route, to);
	check_route_guard(check, route, to);
	if (route->app[0] && !cv_state_find_app(state, route->app))
		cv_check_missing(check, &route->place, "app", route->app, "route %s", to);
	if (route->app[0] && route->table != CV_TABLE_AUTO)
		FAULT(check, &route->place, "leave table out: every app has a table of its own",
		      "route %s: table and app together", to);
	first = cv_state_route_before(state, route);
	if (first)
		cv_check_twice(check, &route->place, &first->place, "route %s", to);
	check_route_families(check, route, to);
}

int cv_state_check(const struct cv_state *state, cv_fault_fn fault, void *arg)
{
	struct check check = { .state = state, .fault = fault, .arg = arg };

	check_mark_mask(&check);
	check_devs(&check);
	cv_check_apps(&check);
	check_tunnels(&check);
	cv_check_peers(&check);
	for (size_t i = 0; i < state->route_count; i++)
		check_route(&check, &state->routes[i]);
	cv_check_sets(&check);
	cv_check_rules(&check);
	return check.errors;
}
