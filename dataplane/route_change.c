/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes, ip rules and nexthop objects as the kernel has them, and what is to change in them. Ours are
 * told by their protocol number and by the names of their programs (abi.h: CV_ROUTE_NAME_FORMAT) or
 * their nexthop object; no other route or rule is touched.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "array.h"
#include "chain.h"
#include "nexthop.h"
#include "own.h"
#include "swap.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static const uint8_t families[] = { 4, 6 };

/* ---- what the kernel has ---- */

bool cv_route_is_ours(const struct cv_fib_route *route)
{
	if (route->protocol != CV_ROUTE_PROTOCOL || route->weight)
		return false; /* several nexthops of its own are never ours */
	for (int hook = 0; hook < CV_LWT_HOOKS; hook++)
		if (!strncmp(route->lwt.names[hook], "culvert/", strlen("culvert/")))
			return true;
	return route->nh_id || route->table == CV_OWN_TABLE;
}

/* The routes that there are of our protocol number, and all ip rules; both families together, and chains
 * to find them. */
struct live {
	struct cv_fib_routes routes;
	struct cv_chains route_chains; /* by place */
	struct cv_fib_rule *rules; /* owned */
	size_t rule_count;
	struct cv_chains rule_chains;
};

static void live_fini(struct live *live)
{
	cv_fib_routes_fini(&live->routes);
	cv_chains_fini(&live->route_chains);
	free(live->rules);
	cv_chains_fini(&live->rule_chains);
}

static int collect_rule(const struct cv_fib_rule *rule, void *arg, struct cv_err *err)
{
	struct live *live = arg;

	return cv_array_add((void **)&live->rules, &live->rule_count, rule, sizeof(*rule), "routes",
			    err);
}

static size_t room_for(size_t count)
{
	size_t room = 1;

	while (room < count)
		room *= 2;
	return room;
}

static int chain_up(struct live *live, struct cv_err *err)
{
	if (cv_chains_grow(&live->route_chains, room_for(live->routes.count)) ||
	    cv_chains_grow(&live->rule_chains, room_for(live->rule_count)))
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	/* The first of those in one place is to be found first. */
	for (size_t i = live->routes.count; i-- > 0;)
		cv_chains_link(&live->route_chains, cv_fib_place_hash(&live->routes.items[i]), i);
	for (size_t i = live->rule_count; i-- > 0;)
		cv_chains_link(&live->rule_chains, cv_fib_rule_hash(&live->rules[i]), i);
	return 0;
}

static int read_live(struct cv_nl *nl, struct live *live, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < CV_COUNT(families); i++) {
		rc = cv_fib_read(nl, families[i], CV_ROUTE_PROTOCOL, NULL, NULL, &live->routes,
				 err);
		if (!rc)
			rc = cv_fib_rule_list(nl, families[i], collect_rule, live, err);
	}
	return rc ? rc : chain_up(live, err);
}

static const struct cv_fib_route *find_route(const struct live *live,
					     const struct cv_fib_route *route)
{
	uint32_t number = cv_chains_first(&live->route_chains, cv_fib_place_hash(route));

	while (number != CV_NOBODY && !cv_fib_same_place(&live->routes.items[number], route))
		number = live->route_chains.next[number];
	return number == CV_NOBODY ? NULL : &live->routes.items[number];
}

/* True if they are equal, whoever made them: the kernel takes no second one. */
static bool same_rule(const struct cv_fib_rule *a, const struct cv_fib_rule *b)
{
	struct cv_fib_rule other = *b;

	other.protocol = a->protocol;
	return cv_fib_rule_equal(a, &other);
}

/* One of ours, else somebody else's, or NULL. */
static const struct cv_fib_rule *find_rule(const struct live *live, const struct cv_fib_rule *rule)
{
	const struct cv_fib_rule *found = NULL;
	uint32_t number;

	if (!live->rules)
		return NULL;
	number = cv_chains_first(&live->rule_chains, cv_fib_rule_hash(rule));
	for (; number != CV_NOBODY; number = live->rule_chains.next[number]) {
		if (cv_fib_rule_equal(&live->rules[number], rule))
			return &live->rules[number];
		if (same_rule(&live->rules[number], rule))
			found = &live->rules[number];
	}
	return found;
}

static bool same_route(const struct cv_fib_route *a, const struct cv_fib_route *b)
{
	if (a->type != b->type || a->mtu_bytes != b->mtu_bytes ||
	    a->other_metrics != b->other_metrics || !cv_addr_equal(&a->src, &b->src) ||
	    a->nh_id != b->nh_id || a->weight != b->weight)
		return false;
	/* A nexthop object says the rest. */
	return a->nh_id || (a->ifindex == b->ifindex && cv_addr_equal(&a->via, &b->via) &&
			    cv_lwt_equal(&a->lwt, &b->lwt));
}

/* ---- what is wanted of it ---- */

/* The lists are long, and are read once: growing only adds, and what takes another's place is wanted there,
 * so what was there before it and is not wanted is what there is to shrink. */
struct cv_route_view {
	struct live live;
	bool *route_is_wanted; /* owned; of each of live.routes: something is, in its place */
	bool *rule_is_wanted; /* owned; of each of live.rules */
};

struct cv_route_view *cv_route_view_new(void)
{
	return calloc(1, sizeof(struct cv_route_view));
}

void cv_route_view_free(struct cv_route_view **view_ptr)
{
	struct cv_route_view *view = *view_ptr;

	if (!view)
		return;
	live_fini(&view->live);
	free(view->route_is_wanted);
	free(view->rule_is_wanted);
	free(view);
	*view_ptr = NULL;
}

static int fill_view(struct cv_route_view *view, struct cv_nl *nl, struct cv_err *err)
{
	int rc = read_live(nl, &view->live, err);

	if (rc)
		return rc;
	view->route_is_wanted = calloc(view->live.routes.count + 1, sizeof(bool));
	view->rule_is_wanted = calloc(view->live.rule_count + 1, sizeof(bool));
	return view->route_is_wanted && view->rule_is_wanted
		       ? 0
		       : cv_err_set(err, -ENOMEM, "routes: out of memory");
}

static void want_route(struct cv_route_view *view, const struct cv_fib_route *route)
{
	const struct live *live = &view->live;
	uint32_t number = cv_chains_first(&live->route_chains, cv_fib_place_hash(route));

	for (; number != CV_NOBODY; number = live->route_chains.next[number])
		view->route_is_wanted[number] |=
			cv_fib_same_place(&live->routes.items[number], route);
}

static void want_rule(struct cv_route_view *view, const struct cv_fib_rule *rule)
{
	const struct live *live = &view->live;
	uint32_t number = cv_chains_first(&live->rule_chains, cv_fib_rule_hash(rule));

	for (; number != CV_NOBODY; number = live->rule_chains.next[number])
		view->rule_is_wanted[number] |= cv_fib_rule_equal(&live->rules[number], rule);
}

/* ---- grow ---- */

/* Everything of one change. */
struct change {
	const struct cv_plan *plan;
	struct cv_route_view *view; /* the plan's */
	struct live wanted; /* when growing: what of it is told as an act */
	bool replaces; /* something of it takes the place of what is there */
	struct cv_nexthop_pool *pool; /* owned */
	struct cv_swap *swap; /* owned */
};

static void change_fini(struct change *change)
{
	cv_swap_free(&change->swap);
	cv_nexthop_pool_free(&change->pool);
	live_fini(&change->wanted);
}

static int change_init(struct change *change, const struct cv_plan *plan, struct cv_err *err)
{
	struct cv_instance *inst = plan->acts->inst;
	int rc;

	change->plan = plan;
	change->view = plan->route_view;
	rc = cv_swap_new(&change->swap, plan, err);
	return rc ? rc : cv_nexthop_pool_new(&change->pool, inst, err);
}

static int grow_route(struct change *change, const struct cv_route_plan *plan, struct cv_err *err)
{
	struct cv_fib_route fib = plan->fib;
	struct cv_swap_route route = { .fib = &fib, .plan = plan };
	int rc = 0;

	if (plan->hop_count)
		rc = cv_nexthop_grow(change->pool, change->swap, plan, &fib.nh_id, err);
	if (rc)
		return rc;
	want_route(change->view, &fib);
	route.now = find_route(&change->view->live, &fib);
	if (route.now && same_route(route.now, &fib))
		return 0;
	change->replaces = change->replaces || route.now;
	rc = cv_fib_routes_add(&change->wanted.routes, &fib, err);
	return rc ? rc : cv_swap_route(change->swap, &route, err);
}

/* ---- grow: what is somebody else's ---- */

static bool is_changing(const struct cv_fib_route *route, void *arg)
{
	return find_route(&((const struct change *)arg)->wanted, route);
}

/* Whether the first one in the place of each route that is told is ours: that is the one that the kernel
 * would replace, and one that is added is refused if there is any. */
static int look_at_neighbours(struct cv_nl *nl, struct change *change, struct live *neighbours,
			      struct cv_err *err)
{
	const struct cv_plan *plan = change->plan;
	int rc = chain_up(&change->wanted, err);

	for (size_t i = 0; !rc && i < CV_COUNT(families); i++)
		rc = cv_fib_read(nl, families[i], 0, is_changing, change, &neighbours->routes, err);
	if (!rc)
		rc = chain_up(neighbours, err);
	for (size_t i = 0; !rc && i < plan->route_count; i++) {
		const struct cv_fib_route *fib = &plan->routes[i].fib;
		const struct cv_fib_route *first = find_route(neighbours, fib);

		if (!first || first->protocol == CV_ROUTE_PROTOCOL)
			continue;
		cv_route_in_the_way(plan->acts->inst, fib, err);
		return cv_err_at(err, &plan->routes[i].conf->place);
	}
	return rc;
}

/* There may be millions of routes, so all of them are looked at only where the kernel is not asked, or
 * would not refuse. */
static int check_neighbours(struct change *change, struct cv_err *err)
{
	CV_CLEANUP(live_fini) struct live neighbours = { 0 };
	bool is_needed =
		cv_acts_are_made(change->plan) ? change->replaces : change->wanted.routes.count;

	return is_needed
		       ? look_at_neighbours(change->plan->acts->inst->nl, change, &neighbours, err)
		       : 0;
}

static int grow_rule(const struct change *change, const struct cv_fib_rule *rule,
		     struct cv_err *err)
{
	const struct cv_fib_rule *now = find_rule(&change->view->live, rule);

	want_rule(change->view, rule);
	if (!now)
		return cv_swap_rule(change->swap, CV_ACT_ADD, rule, err);
	if (now->protocol == rule->protocol)
		return 0;
	cv_fib_rule_refusal(rule, "add", -EEXIST, "", err);
	return cv_err_hint(err, "somebody else has made it, with protocol %u: delete it",
			   now->protocol);
}

/*
 * Guards first. Then rules before the routes that they lead to: a table without routes leads on to the
 * next rule, and for each rule of IPv6 the kernel goes through all its routes.
 */
int cv_route_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(change_fini) struct change change = { 0 };
	int rc = cv_guard_grow(inst, plan, err);

	if (!rc)
		rc = change_init(&change, plan, err);
	if (!rc)
		rc = fill_view(change.view, inst->nl, err);
	for (size_t i = 0; !rc && i < plan->fib_rule_count; i++)
		rc = grow_rule(&change, &plan->fib_rules[i], err);
	for (size_t i = 0; !rc && i < plan->route_count; i++) {
		rc = grow_route(&change, &plan->routes[i], err);
		if (rc)
			cv_err_at(err, &plan->routes[i].conf->place);
	}
	if (!rc)
		rc = check_neighbours(&change, err);
	return rc ? rc : cv_swap_send(change.swap, err);
}

/* ---- shrink ---- */

static int shrink_rules(const struct change *change, struct cv_err *err)
{
	const struct cv_route_view *view = change->view;
	int rc = 0;

	for (size_t i = 0; !rc && i < view->live.rule_count; i++) {
		const struct cv_fib_rule *rule = &view->live.rules[i];

		if (rule->protocol == CV_ROUTE_PROTOCOL && !view->rule_is_wanted[i])
			rc = cv_swap_rule(change->swap, CV_ACT_DEL, rule, err);
	}
	return rc;
}

static int shrink_routes(const struct change *change, struct cv_err *err)
{
	const struct cv_route_view *view = change->view;
	int rc = 0;

	for (size_t i = 0; !rc && i < view->live.routes.count; i++) {
		struct cv_swap_route gone = { .now = &view->live.routes.items[i] };

		if (cv_route_is_ours(gone.now) && !view->route_is_wanted[i])
			rc = cv_swap_route(change->swap, &gone, err);
	}
	return rc;
}

int cv_route_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(change_fini) struct change change = { 0 };
	int rc = change_init(&change, plan, err);

	if (!rc)
		rc = shrink_routes(&change, err);
	if (!rc)
		rc = shrink_rules(&change, err);
	if (!rc)
		rc = cv_nexthop_shrink(change.pool, change.swap, plan, err);
	if (!rc)
		rc = cv_swap_send(change.swap, err);
	return rc ? rc : cv_guard_shrink(inst, plan, err);
}
