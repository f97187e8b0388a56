/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a state makes sense in itself: references, duplicates, families, limits. Looks at nothing
 * but the state; what depends on the system is found out by the plans (plan.h).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "abi.h"
#include "check.h"

void cv_check_report(struct check *check, struct cv_err *err, const struct cv_place *place)
{
	cv_err_at(err, place);
	check->fault(err, check->arg);
	check->errors++;
}

/* True if a list is within its bound; what is beyond it is not looked at in detail. */
static bool check_limit(struct check *check, const char *what, size_t count, size_t limit,
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

static void check_devs(struct check *check)
{
	const struct cv_state *state = check->state;

	if (state->dev_count && !check_limit(check, "devs", state->dev_count, CV_MAX_DEVS,
					     &state->devs[state->dev_count - 1].place))
		return;
	for (size_t i = 0; i < state->dev_count; i++) {
		const struct cv_dev_conf *dev = &state->devs[i];

		if (!dev->ingress && !dev->egress)
			FAULT(check, &dev->place, "give ingress, egress or both",
			      "dev %s: neither ingress nor egress", dev->name);
		if (cv_state_find_dev(state, dev->name) != dev)
			FAULT(check, &dev->place, "", "dev %s: given twice", dev->name);
	}
}

static void check_apps(struct check *check)
{
	const struct cv_state *state = check->state;

	if (state->app_count && !check_limit(check, "apps", state->app_count, CV_MAX_APPS,
					     &state->apps[state->app_count - 1].place))
		return;
	for (size_t i = 0; i < state->app_count; i++) {
		const struct cv_app_conf *app = &state->apps[i];

		if (!app->exe && !app->cgroup && !app->comm[0] && !app->has_uid && !app->has_gid)
			FAULT(check, &app->place, "give exe, cgroup, uid, gid or comm",
			      "app %s: no selector, it would be every program", app->name);
		if (!strcmp(app->name, "any") || !strcmp(app->name, "none"))
			FAULT(check, &app->place, "give it another name",
			      "app %s: the word has a meaning of its own in rules", app->name);
		if (cv_state_find_app(state, app->name) != app)
			FAULT(check, &app->place, "", "app %s: given twice", app->name);
	}
}

static void check_tunnels(struct check *check)
{
	const struct cv_state *state = check->state;

	if (state->tunnel_count &&
	    !check_limit(check, "tunnels", state->tunnel_count, CV_MAX_TUNNELS - 1,
			 &state->tunnels[state->tunnel_count - 1].place))
		return;
	for (size_t i = 0; i < state->tunnel_count; i++)
		cv_check_tunnel(check, &state->tunnels[i]);
}

static void check_route_families(struct check *check, const struct cv_route_conf *route,
				 const char *to)
{
	if (route->src.family && route->to.addr.family &&
	    route->src.family != route->to.addr.family)
		FAULT(check, &route->place, "", "route %s: src is IPv%u", to, route->src.family);
	if (route->via.family == 4 && route->to.addr.family == 6)
		FAULT(check, &route->place, "", "route %s: an IPv6 route has no IPv4 gateway", to);
}

static void check_route_mtu(struct check *check, const struct cv_route_conf *route, const char *to)
{
	const struct cv_tunnel_conf *tunnel = cv_state_find_tunnel(check->state, route->tunnel);

	if (tunnel && route->to.addr.family != 4 && tunnel->mtu_bytes >= CV_IPV4_MIN_MTU &&
	    tunnel->mtu_bytes < CV_IPV6_MIN_MTU)
		FAULT(check, &route->place, "IPv6 needs 1280 or more",
		      "route %s: mtu %u of tunnel %s is too small for IPv6", to, tunnel->mtu_bytes,
		      route->tunnel);
}

static void check_route(struct check *check, const struct cv_route_conf *route)
{
	const struct cv_state *state = check->state;
	char to[CV_PREFIX_TEXT];

	cv_prefix_format(&route->to, to);
	if (!route->tunnel[0])
		FAULT(check, &route->place, "give tunnel NAME", "route %s: no tunnel", to);
	else if (!cv_state_find_tunnel(state, route->tunnel))
		FAULT(check, &route->place, "add the tunnel first, or mend the name",
		      "route %s: there is no tunnel %s", to, route->tunnel);
	if (route->app[0] && !cv_state_find_app(state, route->app))
		FAULT(check, &route->place, "add the app first, or mend the name",
		      "route %s: there is no app %s", to, route->app);
	if (route->app[0] && route->table != CV_TABLE_AUTO)
		FAULT(check, &route->place, "leave table out: every app has a table of its own",
		      "route %s: table and app together", to);
	if (cv_state_find_route(state, route) != route)
		FAULT(check, &route->place, "", "route %s: given twice", to);
	check_route_families(check, route, to);
	check_route_mtu(check, route, to);
}

static bool ports_need_proto(const struct cv_match_conf *match)
{
	return match->sport.count || match->dport.count;
}

static bool proto_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

/* The one family that a list of prefixes has, 0 if it has both or is empty. */
static uint8_t family_of(const struct cv_prefixes *prefixes)
{
	uint8_t family = prefixes->count ? prefixes->items[0].addr.family : 0;

	for (size_t i = 1; i < prefixes->count; i++)
		if (prefixes->items[i].addr.family != family)
			return 0;
	return family;
}

static void check_match(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;
	const struct cv_place *place = &rule->place;
	uint8_t src = family_of(&match->src), dst = family_of(&match->dst);

	if (ports_need_proto(match) && !(match->has_proto && proto_has_ports(match->proto)))
		FAULT(check, place, "add proto tcp or proto udp",
		      "rule %s: ports without a protocol that has them", rule->name);
	if ((src && dst && src != dst) || (match->family && src && match->family != src) ||
	    (match->family && dst && match->family != dst))
		FAULT(check, place, "", "rule %s: IPv4 and IPv6 together, it would never match",
		      rule->name);
	if (match->has_app && match->app_match == CV_APP_MATCH_NAME &&
	    !cv_state_find_app(check->state, match->app))
		FAULT(check, place, "add the app first, or mend the name",
		      "rule %s: there is no app %s", rule->name, match->app);
	if (match->tunnel[0] && !cv_state_find_tunnel(check->state, match->tunnel))
		FAULT(check, place, "add the tunnel first, or mend the name",
		      "rule %s: there is no tunnel %s", rule->name, match->tunnel);
	if (match->tunnel[0] && match->dir == CV_DIR_ONLY_OUT)
		FAULT(check, place, "a tunnel is known on the way in only",
		      "rule %s: tunnel with dir out would never match", rule->name);
	if (match->has_mark && match->mark & ~match->mark_mask)
		FAULT(check, place, "", "rule %s: mark 0x%x has bits outside its mask 0x%x",
		      rule->name, match->mark, match->mark_mask);
}

static void check_action(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_action_conf *action = &rule->action;
	uint32_t ours = check->state->mark_mask;

	if (action->has_mark && action->has_mark_mask && action->mark & ~action->mark_mask)
		FAULT(check, &rule->place, "", "rule %s: mark 0x%x has bits outside its mask 0x%x",
		      rule->name, action->mark, action->mark_mask);
	if (action->has_mark &&
	    (action->mark | (action->has_mark_mask ? action->mark_mask : 0)) & ours)
		FAULT(check, &rule->place, "use other bits, or move mark-mask",
		      "rule %s: mark 0x%x touches culvert's own bits 0x%x", rule->name,
		      action->mark, ours);
}

static void check_rule(struct check *check, const struct cv_rule_conf *rule)
{
	if (cv_state_find_rule(check->state, rule->name) != rule)
		FAULT(check, &rule->place, "", "rule %s: given twice", rule->name);
	check_match(check, rule);
	check_action(check, rule);
}

static void check_rules(struct check *check)
{
	const struct cv_state *state = check->state;

	if (state->rule_count && !check_limit(check, "rules", state->rule_count, CV_MAX_RULES,
					      &state->rules[state->rule_count - 1].place))
		return;
	for (size_t i = 0; i < state->rule_count; i++)
		check_rule(check, &state->rules[i]);
}

int cv_state_check(const struct cv_state *state, cv_fault_fn fault, void *arg)
{
	struct check check = { .state = state, .fault = fault, .arg = arg };

	check_mark_mask(&check);
	check_devs(&check);
	check_apps(&check);
	check_tunnels(&check);
	for (size_t i = 0; i < state->route_count; i++)
		check_route(&check, &state->routes[i]);
	check_rules(&check);
	return check.errors;
}
