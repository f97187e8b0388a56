/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes into tunnels, and the ip rules that select the table of a routed app. Ours are told by
 * their protocol number and by the name of their program (abi.h: CV_ROUTE_NAME_FORMAT); no other
 * route or rule is touched.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "map.h"
#include "mode.h"
#include "nl_link.h"
#include "object.h"
#include "own.h"
#include "plan.h"

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
	return conf->table ? conf->table : CV_TABLE_MAIN;
}

static uint32_t metric_of(const struct cv_route_conf *conf, uint8_t family)
{
	if (conf->has_metric && conf->metric)
		return conf->metric;
	return family == 6 ? CV_IPV6_METRIC : 0;
}

static bool ipv6_is_off(const char *dev)
{
	char path[PATH_MAX];
	CV_FCLOSE FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", dev);
	file = fopen(path, "re");
	return !file || fgetc(file) == '1';
}

/* Fills the route of one family. The device is that of the tunnel's underlay unless one is given;
 * it only has to be there: the packet is routed anew with its outer header. */
static int fill_fib(struct cv_instance *inst, const struct cv_plan *plan,
		    const struct cv_route_conf *conf, uint8_t family, struct cv_route_plan *route,
		    struct cv_err *err)
{
	const struct cv_tunnel *tunnel = &plan->tunnels[route->tunnel];
	struct cv_fib_route *fib = &route->fib;
	struct cv_link link;
	char to[CV_PREFIX_TEXT];

	fib->to = conf->to;
	fib->to.addr.family = family;
	fib->table = table_of(plan, conf);
	fib->metric = metric_of(conf, family);
	fib->protocol = CV_ROUTE_PROTOCOL;
	fib->type = RTN_UNICAST;
	fib->ifindex = tunnel->ifindex;
	fib->mtu_bytes = tunnel->mtu_bytes;
	fib->is_encap_bpf = true;
	if (conf->src.family == family)
		fib->src = conf->src;
	if (conf->via.family == family || (conf->via.family == 6 && family == 4))
		fib->via = conf->via;
	snprintf(fib->xmit_name, sizeof(fib->xmit_name), CV_ROUTE_NAME_FORMAT, CV_ABI_VERSION,
		 "xmit", tunnel->name, tunnel->generation);
	if (conf->dev[0]) {
		int rc = cv_link_by_name(inst->nl, conf->dev, &link, err);

		if (rc)
			return rc;
		fib->ifindex = link.ifindex;
	}
	if (family == 6 && fib->mtu_bytes < CV_IPV6_MIN_MTU) {
		cv_err_set(err, -EMSGSIZE, "route %s: tunnel %s leaves an mtu of %u, IPv6 needs %u",
			   route_text(conf, to), conf->tunnel, fib->mtu_bytes, CV_IPV6_MIN_MTU);
		return cv_err_hint(err, "raise the mtu of the route to the tunnel's remote");
	}
	return 0;
}

/*
 * Refuses a route that would carry the outer packets of a tunnel to one of its remotes: their
 * destination would match it better than the route they take now. Routes of apps are not asked:
 * outer packets carry the guard mark, which selects no app's table.
 */
static int check_loop(struct cv_instance *inst, const struct cv_plan *plan,
		      const struct cv_route_plan *route, const struct cv_tunnel_conf *tunnel,
		      const struct cv_addr *destination, struct cv_err *err)
{
	static const struct cv_addr any;
	const struct cv_fib_route *fib = &route->fib;
	struct cv_fib_answer now;
	char to[CV_PREFIX_TEXT], remote[CV_PREFIX_TEXT];
	int rc;

	if (route->conf->app[0] || !cv_prefix_contains(&fib->to, destination))
		return 0;
	rc = cv_fib_lookup(inst->nl, destination, tunnel->is_nonlocal ? &any : &tunnel->local,
			   plan->state->mark_mask, &now, err);
	if (rc)
		return rc;
	if (now.route.table != fib->table || now.route.to.bits > fib->to.bits ||
	    (now.route.to.bits == fib->to.bits && now.route.metric < fib->metric))
		return 0;
	cv_err_set(err, -ELOOP, "route %s: remote %s of tunnel %s would be routed into tunnel %s",
		   cv_prefix_format(&fib->to, to), cv_addr_format(destination, remote),
		   tunnel->name, route->conf->tunnel);
	return cv_err_hint(err, "first add a more specific route to %s over the underlay", remote);
}

static int check_loops(struct cv_instance *inst, const struct cv_plan *plan,
		       const struct cv_route_plan *route, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < plan->state->tunnel_count; i++) {
		const struct cv_tunnel_conf *tunnel = &plan->state->tunnels[i];

		for (size_t j = 0; !rc && j < tunnel->remotes.count; j++)
			rc = check_loop(inst, plan, route, tunnel, cv_mode_destination(tunnel, j),
					err);
	}
	return rc;
}

static bool same_fib_rule(const struct cv_fib_rule *a, const struct cv_fib_rule *b)
{
	return a->family == b->family && a->priority == b->priority && a->mark == b->mark &&
	       a->mark_mask == b->mark_mask && a->table == b->table && a->protocol == b->protocol;
}

static void add_fib_rule(struct cv_plan *plan, const struct cv_route_conf *conf, uint8_t family)
{
	const struct cv_app *app = cv_plan_app(plan, conf->app);
	struct cv_fib_rule rule = {
		.family = family,
		.priority = CV_IP_RULE_PRIO,
		.mark_mask = plan->state->mark_mask,
		.protocol = CV_ROUTE_PROTOCOL,
	};

	if (!app)
		return;
	rule.mark = app->mark;
	rule.table = table_of(plan, conf);
	for (size_t i = 0; i < plan->fib_rule_count; i++)
		if (same_fib_rule(&plan->fib_rules[i], &rule))
			return;
	plan->fib_rules[plan->fib_rule_count++] = rule;
}

static int plan_family(struct cv_instance *inst, struct cv_plan *plan,
		       const struct cv_route_conf *conf, uint8_t family, struct cv_err *err)
{
	struct cv_route_plan *route = &plan->routes[plan->route_count];
	int rc;

	*route = (struct cv_route_plan){
		.conf = conf,
		.tunnel = cv_plan_tunnel(plan, conf->tunnel),
	};
	if (!route->tunnel)
		return cv_err_set(err, -ENOENT, "tunnel %s: not set up", conf->tunnel);
	rc = fill_fib(inst, plan, conf, family, route, err);
	if (!rc && !plan->is_lenient)
		rc = check_loops(inst, plan, route, err);
	if (rc)
		return rc;
	plan->route_count++;
	if (conf->app[0])
		add_fib_rule(plan, conf, family);
	return 0;
}

/* "default" means both families; IPv6 only where the device has it. */
static int plan_route(struct cv_instance *inst, struct cv_plan *plan,
		      const struct cv_route_conf *conf, struct cv_err *err)
{
	struct cv_link link;
	uint32_t tunnel = cv_plan_tunnel(plan, conf->tunnel);
	int rc;

	if (conf->to.addr.family)
		return plan_family(inst, plan, conf, conf->to.addr.family, err);
	rc = plan_family(inst, plan, conf, 4, err);
	if (rc)
		return rc;
	if (cv_link_by_index(inst->nl, plan->tunnels[tunnel].ifindex, &link, NULL) ||
	    ipv6_is_off(conf->dev[0] ? conf->dev : link.name))
		return 0;
	return plan_family(inst, plan, conf, 6, err);
}

int cv_route_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	for (size_t i = 0; i < plan->state->route_count; i++) {
		const struct cv_route_conf *conf = &plan->state->routes[i];
		int rc = plan_route(inst, plan, conf, err);

		if (rc && !plan->is_lenient)
			return cv_err_at(err, &conf->place);
	}
	return 0;
}

/* ---- what the kernel has ---- */

static bool is_our_name(const char *name)
{
	return !strncmp(name, "culvert/", strlen("culvert/"));
}

/* Lists that grow; both families together. */
struct fib_list {
	struct cv_fib_route *items; /* owned */
	size_t count;
};

static void free_fib_list(struct fib_list *list)
{
	free(list->items);
}

static int collect_route(const struct cv_fib_route *route, void *arg, struct cv_err *err)
{
	struct fib_list *list = arg;
	struct cv_fib_route *grown;

	if (route->protocol != CV_ROUTE_PROTOCOL || !is_our_name(route->xmit_name))
		return 0;
	if (!(list->count & (list->count - 1))) {
		grown = reallocarray(list->items, list->count ? list->count * 2 : 1,
				     sizeof(*grown));
		if (!grown)
			return cv_err_set(err, -ENOMEM, "routes: out of memory");
		list->items = grown;
	}
	list->items[list->count++] = *route;
	return 0;
}

static int live_routes(struct cv_instance *inst, struct fib_list *list, struct cv_err *err)
{
	int rc = cv_fib_list(inst->nl, 4, CV_ROUTE_PROTOCOL, collect_route, list, err);

	return rc ? rc : cv_fib_list(inst->nl, 6, CV_ROUTE_PROTOCOL, collect_route, list, err);
}

static bool same_place(const struct cv_fib_route *a, const struct cv_fib_route *b)
{
	return a->to.bits == b->to.bits && cv_addr_equal(&a->to.addr, &b->to.addr) &&
	       a->table == b->table && a->metric == b->metric;
}

static bool same_route(const struct cv_fib_route *a, const struct cv_fib_route *b)
{
	return same_place(a, b) && a->ifindex == b->ifindex && a->mtu_bytes == b->mtu_bytes &&
	       cv_addr_equal(&a->via, &b->via) && cv_addr_equal(&a->src, &b->src) &&
	       !strcmp(a->xmit_name, b->xmit_name);
}

static const struct cv_fib_route *find_live(const struct fib_list *list,
					    const struct cv_fib_route *route)
{
	for (size_t i = 0; i < list->count; i++)
		if (same_place(&list->items[i], route))
			return &list->items[i];
	return NULL;
}

/* ---- grow ---- */

static int open_program(const struct cv_instance *inst, const char *tunnel, struct cv_err *err)
{
	char dir[PATH_MAX];
	int fd;

	if (snprintf(dir, sizeof(dir), "%s/%s", inst->tunnels, tunnel) >= (int)sizeof(dir))
		return cv_err_set(err, -ENAMETOOLONG, "tunnel %s: path too long", tunnel);
	fd = cv_pin_open(dir, CV_PROG_XMIT, err);
	return fd != -ENOENT ? fd
			     : cv_err_set(err, fd, "tunnel %s: its program %s/%s is gone", tunnel,
					  dir, CV_PROG_XMIT);
}

static int grow_route(struct cv_instance *inst, const struct cv_plan *plan,
		      const struct fib_list *live, const struct cv_route_plan *route,
		      struct cv_err *err)
{
	const struct cv_fib_route *now = find_live(live, &route->fib);
	CV_CLOSE int prog = -1;
	char to[CV_PREFIX_TEXT];
	int rc;

	if (now && same_route(now, &route->fib))
		return 0;
	prog = open_program(inst, plan->tunnels[route->tunnel].name, err);
	if (prog < 0)
		return prog;
	rc = cv_fib_add(inst->nl, &route->fib, prog, now ? CV_FIB_REPLACE : CV_FIB_NEW, err);
	if (rc == -EEXIST) {
		cv_err_set(err, rc, "route %s: there is one already in table %u, not culvert's",
			   cv_prefix_format(&route->fib.to, to), route->fib.table);
		cv_err_hint(err, "give another metric M, or delete it");
	}
	return rc;
}

struct rule_search {
	const struct cv_fib_rule *wanted;
	bool is_found;
};

static int look_at_rule(const struct cv_fib_rule *rule, void *arg, struct cv_err *err)
{
	struct rule_search *search = arg;

	(void)err;
	if (same_fib_rule(rule, search->wanted))
		search->is_found = true;
	return 0;
}

static int grow_fib_rule(struct cv_instance *inst, const struct cv_fib_rule *rule,
			 struct cv_err *err)
{
	struct rule_search search = { .wanted = rule };
	int rc = cv_fib_rule_list(inst->nl, rule->family, look_at_rule, &search, err);

	return rc || search.is_found ? rc : cv_fib_rule_add(inst->nl, rule, err);
}

/* Tables first, then the rules that lead to them. */
int cv_route_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(free_fib_list) struct fib_list live = { 0 };
	int rc = live_routes(inst, &live, err);

	for (size_t i = 0; !rc && i < plan->route_count; i++) {
		rc = grow_route(inst, plan, &live, &plan->routes[i], err);
		if (rc)
			cv_err_at(err, &plan->routes[i].conf->place);
	}
	for (size_t i = 0; !rc && i < plan->fib_rule_count; i++)
		rc = grow_fib_rule(inst, &plan->fib_rules[i], err);
	return rc;
}

/* ---- shrink ---- */

/* Rules of ours that the plan has not. Collected first: a list is not changed while it is read. */
struct rule_list {
	const struct cv_plan *plan;
	struct cv_fib_rule items[CV_MAX_APPS * 4];
	size_t count;
};

static int collect_unwanted(const struct cv_fib_rule *rule, void *arg, struct cv_err *err)
{
	struct rule_list *list = arg;

	(void)err;
	if (rule->protocol != CV_ROUTE_PROTOCOL)
		return 0;
	for (size_t i = 0; i < list->plan->fib_rule_count; i++)
		if (same_fib_rule(rule, &list->plan->fib_rules[i]))
			return 0;
	if (list->count < sizeof(list->items) / sizeof(*list->items))
		list->items[list->count++] = *rule;
	return 0;
}

static int shrink_fib_rules(struct cv_instance *inst, const struct cv_plan *plan, uint8_t family,
			    struct cv_err *err)
{
	struct rule_list list = { .plan = plan };
	int rc = cv_fib_rule_list(inst->nl, family, collect_unwanted, &list, err);

	for (size_t i = 0; !rc && i < list.count; i++)
		rc = cv_fib_rule_del(inst->nl, &list.items[i], err);
	return rc;
}

static bool is_wanted(const struct cv_plan *plan, const struct cv_fib_route *live)
{
	for (size_t i = 0; i < plan->route_count; i++)
		if (same_place(live, &plan->routes[i].fib))
			return true;
	return false;
}

int cv_route_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(free_fib_list) struct fib_list live = { 0 };
	int rc = shrink_fib_rules(inst, plan, 4, err);

	if (!rc)
		rc = shrink_fib_rules(inst, plan, 6, err);
	if (!rc)
		rc = live_routes(inst, &live, err);
	for (size_t i = 0; !rc && i < live.count; i++) {
		if (is_wanted(plan, &live.items[i]))
			continue;
		rc = cv_fib_del(inst->nl, &live.items[i], err);
		if (rc == -ESRCH)
			rc = 0; /* its device went away between the list and now */
	}
	return rc;
}

/* ---- list ---- */

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

static void fill_info(struct cv_instance *inst, const struct cv_app_set *apps,
		      const struct cv_fib_route *fib, struct cv_route_info *info)
{
	const struct cv_app *app = app_of_table(apps, fib->table);
	CV_CLOSE int prog = -1;
	struct cv_link link;
	char hook[16];
	unsigned int abi;

	info->to = fib->to;
	info->table = fib->table;
	info->metric = fib->metric;
	info->mtu_bytes = fib->mtu_bytes;
	if (app)
		memcpy(info->app, app->name, sizeof(info->app));
	if (!cv_link_by_index(inst->nl, fib->ifindex, &link, NULL))
		memcpy(info->dev, link.name, sizeof(info->dev));
	if (sscanf(fib->xmit_name, "culvert/%u/%15[a-z]/%31[^/]/%u", &abi, hook, info->tunnel,
		   &info->generation) != 4)
		return;
	prog = open_program(inst, info->tunnel, NULL);
	info->prog_id = prog < 0 ? 0 : cv_prog_id(prog);
}

int cv_route_list(struct cv_instance *inst, const struct cv_state *state,
		  struct cv_route_info **out, size_t *count, struct cv_err *err)
{
	CV_CLEANUP(free_fib_list) struct fib_list live = { 0 };
	CV_FREE struct cv_app_set *apps = calloc(1, sizeof(*apps));
	CV_FREE struct cv_route_info *infos = NULL;
	int rc;

	(void)state;
	if (!apps)
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	rc = cv_live_apps(inst, apps, err);
	if (!rc)
		rc = live_routes(inst, &live, err);
	if (rc)
		return rc;
	infos = calloc(live.count + 1, sizeof(*infos));
	if (!infos)
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	for (size_t i = 0; i < live.count; i++)
		fill_info(inst, apps, &live.items[i], &infos[i]);
	*count = live.count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
