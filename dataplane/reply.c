/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replies to routed apps under a strict rp_filter. They come out of the tunnel on the underlay's
 * device, and the kernel drops them unless its route back to their source leads over that device:
 * that of the app's table does, that of main may not. With src_valid_mark the kernel asks with the
 * packet's mark, so what is taken out of a tunnel gets the mark of an app that is routed into it.
 * Only with the user's consent, and IPv4 alone: IPv6 has no such filter.
 */
#include "reply.h"

#include <errno.h>
#include <string.h>

#include "plan.h"
#include "sysctl.h"

/* ---- plan ---- */

static bool has_consent(const struct cv_state *state)
{
	for (size_t i = 0; i < state->dev_count; i++)
		if (state->devs[i].src_valid_mark)
			return true;
	return false;
}

static bool carries_ipv4_of_app(const struct cv_route_conf *route)
{
	return route->app[0] && route->to.addr.family != 6;
}

/* Of several apps in one tunnel the one whose routes reach farthest: one mark is all there is. */
static void note_widest(const struct cv_plan *plan, const struct cv_route_conf *route,
			const char *tunnel, const struct cv_route_conf **widest)
{
	uint32_t id = cv_plan_tunnel(plan, tunnel);

	if (!widest[id] || route->to.bits < widest[id]->to.bits)
		widest[id] = route;
}

/* widest has CV_MAX_TUNNELS, by id. */
static void find_widest(const struct cv_plan *plan, const struct cv_route_conf **widest)
{
	for (size_t i = 0; i < plan->state->route_count; i++) {
		const struct cv_route_conf *route = &plan->state->routes[i];

		if (!carries_ipv4_of_app(route))
			continue;
		for (size_t j = 0; j < route->nexthop_count; j++)
			note_widest(plan, route, route->nexthops[j].tunnel, widest);
		if (route->tunnel[0])
			note_widest(plan, route, route->tunnel, widest);
	}
}

void cv_reply_plan(struct cv_plan *plan)
{
	const struct cv_route_conf *widest[CV_MAX_TUNNELS] = { NULL };

	if (has_consent(plan->state))
		find_widest(plan, widest);
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++) {
		const struct cv_app *app = widest[id] ? cv_plan_app(plan, widest[id]->app) : NULL;

		if (plan->tunnels[id].mode)
			plan->tunnels[id].return_mark = app ? app->mark : 0;
	}
}

/* ---- check ---- */

/* Whether the route to what the app talks to leads over the device. */
static bool leads_over(struct cv_instance *inst, const struct cv_prefix *to, uint32_t mark,
		       uint32_t ifindex)
{
	struct cv_addr source = to->addr;
	struct cv_fib_answer answer;

	source.family = 4;
	if (to->bits < 32)
		source.bytes[3] |= 1; /* "default" itself is no address */
	return !cv_fib_lookup(inst->nl, &source, NULL, mark, &answer, NULL) &&
	       answer.ifindex == ifindex;
}

enum cv_reply cv_reply_check(struct cv_instance *inst, const struct cv_dev_conf *dev,
			     const struct cv_route_conf *route, const struct cv_tunnel *tunnel)
{
	struct cv_link link;
	uint32_t mark = 0;

	/* What costs least first: this is asked for each device and each route. */
	if (!dev->ingress || !carries_ipv4_of_app(route) ||
	    !cv_route_conf_enters(route, tunnel->name) ||
	    cv_link_by_name(inst->nl, dev->name, &link, NULL) || link.ifindex != tunnel->ifindex ||
	    cv_sysctl_get(dev->name, CV_RP_FILTER) != CV_RP_FILTER_STRICT)
		return CV_REPLY_PASSES;
	if (dev->src_valid_mark && !cv_sysctl_get(dev->name, CV_SRC_VALID_MARK))
		return CV_REPLY_IS_OFF;
	if (dev->src_valid_mark)
		mark = tunnel->return_mark;
	if (leads_over(inst, &route->to, mark, link.ifindex))
		return CV_REPLY_PASSES;
	return dev->src_valid_mark ? CV_REPLY_NO_MARK : CV_REPLY_NO_CONSENT;
}
