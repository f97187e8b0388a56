/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes into tunnels and routes with guards, and the ip rules that select the table of a routed
 * app. Ours are told by their protocol number and by the names of their programs (abi.h:
 * CV_ROUTE_NAME_FORMAT) or their nexthop object; no other route or rule is touched.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "chain.h"
#include "map.h"
#include "mode.h"
#include "nl_link.h"
#include "object.h"
#include "own.h"
#include "plan.h"
#include "route_loop.h"
#include "sysctl.h"

/* ---- plan ---- */

static const char *route_text(const struct cv_route_conf *conf, char *buf)
{
	return cv_prefix_format(&conf->to, buf);
}

static uint32_t table_of(const struct cv_plan *plan, const struct cv_route_conf *conf)
{
	const struct cv_app *app = conf->app[0] ? cv_plan_app(plan, conf->app) : NULL;

	if (app)
		return CV_APP_TABLE_BASE + app->mark / cv_mark_unit(plan->state->mark_mask);
	if (conf->table != CV_TABLE_AUTO)
		return conf->table;
	return conf->is_local ? CV_TABLE_LOCAL : CV_TABLE_MAIN;
}

static uint32_t metric_of(const struct cv_route_conf *conf, uint8_t family)
{
	if (conf->has_metric && conf->metric)
		return conf->metric;
	return family == 6 ? CV_IPV6_METRIC : 0;
}

/* Returns 1 if the device has IPv6, 0 if not, or a negative errno. */
static int ipv6_is_on(const char *dev, struct cv_err *err)
{
	char path[PATH_MAX];
	CV_FCLOSE FILE *file = NULL;
	int value;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", dev);
	file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return 0;
	value = file ? fgetc(file) : EOF;
	if (value == EOF)
		return cv_err_set(err, -errno, "%s: %s", path, strerrordesc_np(errno));
	return value != '1';
}

/* A tunnel's name for the program, or "@ID" for that of a guard. */
static void name_program(struct cv_lwt *lwt, enum cv_lwt_hook hook, const char *subject,
			 uint32_t generation)
{
	static const char *const hooks[CV_LWT_HOOKS] = { "in", "out", "xmit" };

	_Static_assert(CV_ROUTE_NAME_LEN <= CV_LWT_NAME_LEN, "names fit");
	lwt->is_bpf = true;
	snprintf(lwt->names[hook], sizeof(lwt->names[hook]), CV_ROUTE_NAME_FORMAT, CV_ABI_VERSION,
		 hooks[hook], subject, generation);
}

static void name_guards(const struct cv_plan *plan, const struct cv_route_plan *route,
			struct cv_lwt *lwt)
{
	for (int hook = 0; hook < CV_LWT_HOOKS; hook++) {
		uint32_t id = route->guards[hook];
		char subject[16];

		snprintf(subject, sizeof(subject), "@%u", id);
		if (id)
			name_program(lwt, hook, subject, plan->guards[id].generation);
	}
}

static void name_tunnel(const struct cv_plan *plan, const struct cv_route_conf *conf, uint32_t id,
			struct cv_lwt *lwt)
{
	const struct cv_tunnel *tunnel = &plan->tunnels[id];
	uint8_t hooks = cv_route_conf_hooks(conf);

	if (hooks & CV_HOOK_XMIT)
		name_program(lwt, CV_LWT_XMIT, tunnel->name, tunnel->generation);
	if (hooks & CV_HOOK_IN)
		name_program(lwt, CV_LWT_IN, tunnel->name, tunnel->generation);
}

/*
 * The guards of a route. Conditions are asked once: where packets come in if the route has that
 * hook; and packets are counted once: where they go out if it has that one.
 */
static int plan_guards(struct cv_plan *plan, struct cv_route_plan *route, struct cv_err *err)
{
	uint8_t hooks = cv_route_conf_hooks(route->conf);
	bool has_in = hooks & CV_HOOK_IN && !route->tunnel && !route->hop_count;
	bool has_out = hooks & CV_HOOK_OUT;
	struct cv_guard_role in = { .hook = CV_LWT_IN, .decides = true, .counts = !has_out };
	struct cv_guard_role out = { .hook = CV_LWT_OUT, .decides = !has_in, .counts = true };
	int rc = 0;

	if (has_in)
		rc = cv_guard_plan(plan, route->conf, &route->fib, &in, &route->guards[CV_LWT_IN],
				   err);
	if (!rc && has_out)
		rc = cv_guard_plan(plan, route->conf, &route->fib, &out, &route->guards[CV_LWT_OUT],
				   err);
	return rc;
}

static int ifindex_of(struct cv_instance *inst, const char *name, uint32_t *ifindex,
		      struct cv_err *err)
{
	struct cv_link link;
	int rc = cv_link_by_name(inst->nl, name, &link, err);

	if (!rc)
		*ifindex = link.ifindex;
	return rc;
}

/* The gateway that a route of that family can have. */
static struct cv_addr usable_via(const struct cv_addr *via, uint8_t family)
{
	bool is_usable = via->family == family || (via->family == 6 && family == 4);

	return is_usable ? *via : (struct cv_addr){ 0 };
}

static int find_tunnel(const struct cv_plan *plan, const char *name, uint32_t *id,
		       struct cv_err *err)
{
	*id = cv_plan_tunnel(plan, name);
	return *id ? 0 : cv_err_set(err, -ENOENT, "tunnel %s: not set up", name);
}

/* Inner packets of the route must fit the tunnel. */
static int lower_mtu(struct cv_route_plan *route, const struct cv_tunnel *tunnel,
		     struct cv_err *err)
{
	struct cv_fib_route *fib = &route->fib;
	char to[CV_PREFIX_TEXT];

	if (!fib->mtu_bytes || tunnel->mtu_bytes < fib->mtu_bytes)
		fib->mtu_bytes = tunnel->mtu_bytes;
	if (fib->to.addr.family == 4 || fib->mtu_bytes >= CV_IPV6_MIN_MTU)
		return 0;
	cv_err_set(err, -EMSGSIZE, "route %s: tunnel %s leaves an mtu of %u, IPv6 needs %u",
		   route_text(route->conf, to), tunnel->name, fib->mtu_bytes, CV_IPV6_MIN_MTU);
	return cv_err_hint(err, "raise the mtu of the route to the tunnel's remote");
}

/*
 * Whether hook in can work: to the kernel the encapsulated packet is one that came in on the route's
 * device. It drops an IPv4 source of this host there as a martian unless accept_local is set, and
 * with a strict rp_filter one whose route is not over that device. IPv6 asks nothing of the kind.
 */
static int check_in(struct cv_instance *inst, const struct cv_route_plan *route,
		    const struct cv_tunnel *tunnel, uint32_t ifindex, struct cv_err *err)
{
	struct cv_addr source = { .family = tunnel->family }, any = { 0 };
	struct cv_fib_answer answer = { 0 };
	struct cv_link link;
	char to[CV_PREFIX_TEXT], addr[CV_PREFIX_TEXT];
	int rc = tunnel->family == 4 ? cv_link_by_index(inst->nl, ifindex, &link, err) : 0;

	if (rc || tunnel->family != 4)
		return rc;
	memcpy(source.bytes, tunnel->local, sizeof(tunnel->local[0]));
	cv_addr_format(&source, addr);
	rc = cv_fib_lookup(inst->nl, &source, &any, 0, &answer, NULL);
	if (!rc && answer.is_local && !cv_sysctl_get(link.name, "accept_local")) {
		cv_err_set(err, -EADDRINUSE,
			   "route %s: hook in: the kernel drops what came in with %s of this host "
			   "as source",
			   route_text(route->conf, to), addr);
		return cv_err_hint(err,
				   "hook xmit carries forwarded packets too; or give the tunnel a "
				   "nonlocal source, or set net.ipv4.conf.%s.accept_local",
				   link.name);
	}
	if (cv_sysctl_get(link.name, CV_RP_FILTER) == CV_RP_FILTER_STRICT &&
	    (rc || answer.route.ifindex != ifindex)) {
		cv_err_set(err, -EXDEV,
			   "route %s: hook in: rp_filter drops what came in on %s with source %s",
			   route_text(route->conf, to), link.name, addr);
		return cv_err_hint(err,
				   "hook xmit carries forwarded packets too; or set "
				   "net.ipv4.conf.%s.rp_filter to 2",
				   link.name);
	}
	return 0;
}

/* A route into one tunnel. The device is that of the tunnel's underlay unless one is given; it only
 * has to be there: the packet is routed anew with its outer header. */
static int fill_one_tunnel(struct cv_instance *inst, const struct cv_plan *plan,
			   struct cv_route_plan *route, struct cv_err *err)
{
	const struct cv_route_conf *conf = route->conf;
	struct cv_fib_route *fib = &route->fib;
	int rc;

	fib->ifindex = plan->tunnels[route->tunnel].ifindex;
	fib->via = usable_via(&conf->via, fib->to.addr.family);
	name_tunnel(plan, conf, route->tunnel, &fib->lwt);
	rc = lower_mtu(route, &plan->tunnels[route->tunnel], err);
	if (!rc && conf->dev[0])
		rc = ifindex_of(inst, conf->dev, &fib->ifindex, err);
	if (!rc && !plan->is_lenient && conf->hooks & CV_HOOK_IN)
		rc = check_in(inst, route, &plan->tunnels[route->tunnel], fib->ifindex, err);
	return rc;
}

static int fill_hop(struct cv_instance *inst, const struct cv_plan *plan,
		    struct cv_route_plan *route, const struct cv_nexthop_conf *conf,
		    struct cv_hop_plan *hop, struct cv_err *err)
{
	int rc = find_tunnel(plan, conf->tunnel, &hop->tunnel, err);

	if (rc)
		return rc;
	hop->weight = conf->weight ? conf->weight : 1;
	hop->ifindex = plan->tunnels[hop->tunnel].ifindex;
	hop->via = usable_via(&conf->via, route->fib.to.addr.family);
	name_tunnel(plan, route->conf, hop->tunnel, &hop->lwt);
	name_guards(plan, route, &hop->lwt);
	rc = lower_mtu(route, &plan->tunnels[hop->tunnel], err);
	if (!rc && conf->dev[0])
		rc = ifindex_of(inst, conf->dev, &hop->ifindex, err);
	return rc;
}

static int fill_hops(struct cv_instance *inst, const struct cv_plan *plan,
		     struct cv_route_plan *route, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < route->hop_count; i++)
		rc = fill_hop(inst, plan, route, &route->conf->nexthops[i], &route->hops[i], err);
	return rc;
}

/* An ordinary route, whose packets meet a guard. */
static int fill_plain(struct cv_instance *inst, struct cv_route_plan *route, struct cv_err *err)
{
	const struct cv_route_conf *conf = route->conf;
	struct cv_fib_route *fib = &route->fib;
	struct cv_fib_answer answer;
	char to[CV_PREFIX_TEXT];
	int rc;

	fib->via = usable_via(&conf->via, fib->to.addr.family);
	if (conf->is_local)
		fib->type = RTN_LOCAL;
	if (conf->dev[0] || conf->is_local)
		return ifindex_of(inst, conf->dev[0] ? conf->dev : "lo", &fib->ifindex, err);
	rc = cv_fib_lookup(inst->nl, &fib->via, NULL, 0, &answer, err);
	if (rc)
		return cv_err_prefix(err, "route %s: via", route_text(conf, to));
	fib->ifindex = answer.ifindex;
	return 0;
}

/* Fills the route of one family. */
static int fill_fib(struct cv_instance *inst, struct cv_plan *plan, uint8_t family,
		    struct cv_route_plan *route, struct cv_err *err)
{
	const struct cv_route_conf *conf = route->conf;
	struct cv_fib_route *fib = &route->fib;
	int rc;

	fib->to = conf->to;
	fib->to.addr.family = family;
	fib->table = table_of(plan, conf);
	fib->metric = metric_of(conf, family);
	fib->protocol = CV_ROUTE_PROTOCOL;
	fib->type = RTN_UNICAST;
	fib->nh_id = conf->nhid;
	if (conf->src.family == family)
		fib->src = conf->src;
	rc = plan_guards(plan, route, err);
	if (rc || conf->nhid)
		return rc;
	if (route->hop_count)
		return fill_hops(inst, plan, route, err);
	name_guards(plan, route, &fib->lwt);
	return route->tunnel ? fill_one_tunnel(inst, plan, route, err)
			     : fill_plain(inst, route, err);
}

/* ---- ip rules ---- */

/* Of a rule (of packets) that gives an app's mark: whose, and on which device. */
struct forward {
	const char *app;
	const char *dev;
};

/* What is looked up again and again while all routes are planned. */
struct planner {
	struct cv_instance *inst;
	struct cv_plan *plan;
	struct cv_loops *loops; /* owned; NULL: not asked */
	struct cv_chains rule_chains; /* of plan->fib_rules */
	struct forward *forwards; /* owned; sorted, each once */
	size_t forward_count;
	struct cv_nexthop_list nexthops; /* owned; those that there are */
	bool has_nexthops;
	uint32_t ipv6_ifindex; /* device that was asked for last; 0: none */
	bool ipv6_is_on; /* on it */
};

static void planner_fini(struct planner *planner)
{
	cv_loops_free(&planner->loops);
	cv_chains_fini(&planner->rule_chains);
	free(planner->forwards);
	cv_nexthop_list_fini(&planner->nexthops);
}

static int compare_forwards(const void *a, const void *b)
{
	const struct forward *x = a, *y = b;
	int order = strcmp(x->app, y->app);

	return order ? order : strcmp(x->dev, y->dev);
}

static int gather_forwards(struct planner *planner, struct cv_err *err)
{
	const struct cv_state *state = planner->plan->state;
	struct forward *forwards;
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < state->rule_count; i++)
		count += state->rules[i].action.route_mark[0] != 0;
	forwards = planner->forwards = calloc(count + 1, sizeof(*forwards));
	if (!forwards)
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	for (size_t i = 0, next = 0; i < state->rule_count; i++)
		if (state->rules[i].action.route_mark[0])
			forwards[next++] = (struct forward){ state->rules[i].action.route_mark,
							     state->rules[i].match.dev };
	qsort(forwards, count, sizeof(*forwards), compare_forwards);
	for (size_t i = 0; i < count; i++)
		if (!kept || compare_forwards(&forwards[kept - 1], &forwards[i]))
			forwards[kept++] = forwards[i];
	planner->forward_count = kept;
	return 0;
}

/* There is room for all rules of a plan (plan.c). */
static void add_rule(struct planner *planner, const struct cv_fib_rule *rule)
{
	struct cv_plan *plan = planner->plan;
	uint64_t hash = cv_fib_rule_hash(rule);
	uint32_t number = cv_chains_first(&planner->rule_chains, hash);

	for (; number != CV_NOBODY; number = planner->rule_chains.next[number])
		if (cv_fib_rule_equal(&plan->fib_rules[number], rule))
			return;
	cv_chains_link(&planner->rule_chains, hash, plan->fib_rule_count);
	plan->fib_rules[plan->fib_rule_count++] = *rule;
}

/* What comes in by the devices on which rules route it as that app's. */
static void add_forward_rules(struct planner *planner, const char *app, struct cv_fib_rule *rule)
{
	size_t low = 0, high = planner->forward_count;

	rule->is_for_own = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(planner->forwards[middle].app, app) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < planner->forward_count && !strcmp(planner->forwards[low].app, app); low++) {
		snprintf(rule->iif, sizeof(rule->iif), "%s", planner->forwards[low].dev);
		add_rule(planner, rule);
	}
}

/* Forwarded packets do not follow an app's table, whatever their mark, unless a rule says so: what is
 * taken out of a tunnel may have the app's mark for the sake of rp_filter. The kernel's question for
 * the way back, too, is one of this host's own. */
static void add_fib_rule(struct planner *planner, const struct cv_route_conf *conf, uint8_t family)
{
	const struct cv_plan *plan = planner->plan;
	const struct cv_app *app = cv_plan_app(plan, conf->app);
	struct cv_fib_rule rule = {
		.family = family,
		.priority = CV_IP_RULE_PRIO,
		.mark_mask = plan->state->mark_mask,
		.protocol = CV_ROUTE_PROTOCOL,
		.is_for_own = true,
	};

	if (!app)
		return;
	rule.mark = app->mark;
	rule.table = table_of(plan, conf);
	add_rule(planner, &rule);
	add_forward_rules(planner, conf->app, &rule);
}

/*
 * IPv4 alone: the kernel remembers with a route's programs what to do with a packet that the one on
 * hook in lets through, and forgets it for "discard" as soon as this host itself sends over the route
 * (include/net/lwtunnel.h lwtunnel_set_redirect(), 4.10 to 6.18 at least; IPv6 has one answer for
 * both). So what this host sends must never meet such a route: ip rules lead it to a twin without the
 * program, unless the main table knows a longer prefix.
 */
static bool needs_twin(const struct cv_route_plan *route)
{
	return route->fib.to.addr.family == 4 && route->fib.type != RTN_LOCAL &&
	       route->fib.lwt.names[CV_LWT_IN][0];
}

static int check_twin(const struct cv_route_plan *route, struct cv_err *err)
{
	char to[CV_PREFIX_TEXT];

	if (route->fib.table == CV_TABLE_MAIN)
		return 0;
	cv_err_set(
		err, -EOPNOTSUPP,
		"route %s: hook in: in a table other than main the kernel may discard all that it "
		"lets through",
		route_text(route->conf, to));
	return cv_err_hint(err, "hook out (with a tunnel xmit) judges received packets too");
}

/* The twin stands before its route: it is there when that comes. */
static void add_twin(struct planner *planner, struct cv_route_plan *twin)
{
	struct cv_route_plan *route = &planner->plan->routes[planner->plan->route_count++];
	struct cv_fib_rule rule = {
		.family = 4,
		/* Longer prefixes first. */
		.priority = CV_OWN_RULE_PRIO + 2u * (32u - twin->fib.to.bits),
		.table = CV_TABLE_MAIN,
		.protocol = CV_ROUTE_PROTOCOL,
		.is_for_own = true,
		.has_suppress = true,
		.suppress_bits = twin->fib.to.bits,
	};

	*route = *twin;
	twin->guards[CV_LWT_IN] = 0;
	twin->fib.table = CV_OWN_TABLE;
	twin->fib.lwt.names[CV_LWT_IN][0] = '\0';
	twin->fib.lwt.is_bpf =
		twin->fib.lwt.names[CV_LWT_OUT][0] || twin->fib.lwt.names[CV_LWT_XMIT][0];
	if (route->fib.to.bits)
		rule.to = route->fib.to;
	add_rule(planner, &rule);
	rule.priority++;
	rule.table = CV_OWN_TABLE;
	rule.has_suppress = false;
	rule.suppress_bits = 0;
	add_rule(planner, &rule);
}

/* ---- routes ---- */

static int new_route_plan(const struct cv_plan *plan, const struct cv_route_conf *conf,
			  struct cv_route_plan *route, struct cv_err *err)
{
	*route = (struct cv_route_plan){ .conf = conf, .hop_count = conf->nexthop_count };
	if (conf->tunnel[0])
		return find_tunnel(plan, conf->tunnel, &route->tunnel, err);
	if (!route->hop_count)
		return 0;
	route->hops = calloc(route->hop_count, sizeof(*route->hops));
	return route->hops ? 0 : cv_err_set(err, -ENOMEM, "routes: out of memory");
}

static int plan_family(struct planner *planner, const struct cv_route_conf *conf, uint8_t family,
		       struct cv_err *err)
{
	struct cv_plan *plan = planner->plan;
	struct cv_route_plan *route = &plan->routes[plan->route_count];
	int rc = new_route_plan(plan, conf, route, err);

	if (!rc)
		rc = fill_fib(planner->inst, plan, family, route, err);
	if (!rc && planner->loops && (route->tunnel || route->hop_count))
		rc = cv_loops_check(planner->loops, route, err);
	if (!rc && !plan->is_lenient && needs_twin(route))
		rc = check_twin(route, err);
	if (rc) {
		free(CV_TAKE_PTR(route->hops));
		return rc;
	}
	plan->route_count++;
	if (needs_twin(route))
		add_twin(planner, route);
	if (conf->app[0])
		add_fib_rule(planner, conf, family);
	return 0;
}

/* Whether the device of the IPv4 route that was planned last has IPv6, too: 1, 0, or a negative errno. */
static int dev_has_ipv6(struct planner *planner, struct cv_err *err)
{
	const struct cv_plan *plan = planner->plan;
	const struct cv_route_plan *route = &plan->routes[plan->route_count - 1];
	uint32_t ifindex = route->hop_count ? route->hops[0].ifindex : route->fib.ifindex;
	struct cv_link link;
	int rc;

	/* Neighbours mostly have the same device. */
	if (ifindex == planner->ipv6_ifindex)
		return planner->ipv6_is_on;
	rc = cv_link_by_index(planner->inst->nl, ifindex, &link, err);
	if (rc && rc != -ENODEV)
		return rc;
	rc = rc ? 0 : ipv6_is_on(link.name, err);
	if (rc < 0)
		return rc;
	planner->ipv6_is_on = rc;
	planner->ipv6_ifindex = ifindex;
	return rc;
}

/* The family that a nexthop object or group is of: 4, or 6, which IPv4 may use too. */
static int family_of_nhid(struct planner *planner, uint32_t id, uint8_t *family, struct cv_err *err)
{
	const struct cv_nexthop *nexthop;
	int rc = planner->has_nexthops
			 ? 0
			 : cv_nexthop_list(planner->inst->nl, &planner->nexthops, err);

	if (rc)
		return rc;
	planner->has_nexthops = true;
	nexthop = cv_nexthop_find(&planner->nexthops, id);
	if (nexthop && nexthop->member_count)
		nexthop = cv_nexthop_find(&planner->nexthops, nexthop->members[0].id);
	if (!nexthop) {
		cv_err_set(err, -ENOENT, "nexthop %u: there is none", id);
		return cv_err_hint(err, "'ip nexthop' shows those that are");
	}
	*family = nexthop->family ? nexthop->family : 4;
	return 0;
}

static int plan_nhid(struct planner *planner, const struct cv_route_conf *conf, struct cv_err *err)
{
	char to[CV_PREFIX_TEXT];
	uint8_t family = 0;
	int rc = family_of_nhid(planner, conf->nhid, &family, err);

	if (rc)
		return cv_err_prefix(err, "route %s", route_text(conf, to));
	return plan_family(planner, conf, conf->to.addr.family ? conf->to.addr.family : family,
			   err);
}

/* "default" means both families; IPv6 only where the device and the gateway have it. */
static int plan_route(struct planner *planner, const struct cv_route_conf *conf, struct cv_err *err)
{
	bool has_tunnel = conf->tunnel[0] || conf->nexthop_count;
	int rc;

	if (conf->nhid)
		return plan_nhid(planner, conf, err);
	if (conf->to.addr.family)
		return plan_family(planner, conf, conf->to.addr.family, err);
	rc = plan_family(planner, conf, 4, err);
	if (rc || (!has_tunnel && conf->via.family == 4))
		return rc;
	rc = dev_has_ipv6(planner, err);
	return rc <= 0 ? rc : plan_family(planner, conf, 6, err);
}

static int start_planning(struct planner *planner, struct cv_err *err)
{
	const struct cv_plan *plan = planner->plan;
	size_t room = 1;
	int rc = gather_forwards(planner, err);

	while (room < 4 * plan->state->route_count + 2 * planner->forward_count)
		room *= 2;
	if (!rc && cv_chains_grow(&planner->rule_chains, room))
		rc = cv_err_set(err, -ENOMEM, "routes: out of memory");
	if (rc || plan->is_lenient)
		return rc;
	return cv_loops_new(&planner->loops, planner->inst, plan, err);
}

int cv_route_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(planner_fini) struct planner planner = { .inst = inst, .plan = plan };
	int rc = plan->state->route_count ? start_planning(&planner, err) : 0;

	for (size_t i = 0; !rc && i < plan->state->route_count; i++) {
		const struct cv_route_conf *conf = &plan->state->routes[i];

		rc = plan_route(&planner, conf, err);
		if (rc && plan->is_lenient)
			rc = 0;
		if (rc)
			cv_err_at(err, &conf->place);
	}
	return rc;
}
