/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The wanted state as lists of plain structs: adding, finding, removing. What a state means and
 * whether it makes sense is check.c's. */
#include "state.h"

#include <errno.h>
#include <string.h>

#include "own.h"

void cv_state_init(struct cv_state *state)
{
	*state = (struct cv_state){ .mark_mask = CV_DEFAULT_MARK_MASK };
}

void cv_app_conf_fini(struct cv_app_conf *app)
{
	free(app->exe);
	free(app->parent_exe);
	free(app->unit);
	free(app->cgroup);
	free(app->netns);
}

void cv_tunnel_conf_fini(struct cv_tunnel_conf *tunnel)
{
	free(tunnel->remotes.items);
	free(tunnel->weights.items);
	free(tunnel->segments.items);
	free(tunnel->allow.items);
}

void cv_route_conf_fini(struct cv_route_conf *route)
{
	free(route->from.items);
	free(route->nexthops);
}

void cv_set_conf_fini(struct cv_set_conf *set)
{
	free(set->prefixes.items);
	free(set->ranges.items);
	free(set->file);
	free(set->file_prefixes.items);
	free(set->file_ranges.items);
	free(set->unread);
}

void cv_rule_conf_fini(struct cv_rule_conf *rule)
{
	free(rule->match.src.items);
	free(rule->match.dst.items);
	free(rule->match.sport.items);
	free(rule->match.dport.items);
	free(rule->match.len.items);
	free(rule->match.vlan.items);
	for (int i = 0; i < CV_FIELD_COUNT; i++)
		free(rule->match.sets[i]);
}

uint32_t cv_rule_conf_prio(const struct cv_rule_conf *rule)
{
	return rule->has_prio ? rule->prio : CV_DEFAULT_RULE_PRIO;
}

bool cv_route_conf_has_guard(const struct cv_route_conf *route)
{
	return route->from.count || route->from_tunnel[0] || route->has_from_mark ||
	       route->has_policy;
}

uint8_t cv_route_conf_hooks(const struct cv_route_conf *route)
{
	if (!route->tunnel[0] && !route->nexthop_count)
		return route->hooks;
	/* What hook in cannot encapsulate, and what this host sends, is left to xmit. */
	return !route->hooks || route->hooks & CV_HOOK_IN ? route->hooks | CV_HOOK_XMIT
							  : route->hooks;
}

bool cv_route_conf_enters(const struct cv_route_conf *route, const char *tunnel)
{
	for (size_t i = 0; i < route->nexthop_count; i++)
		if (!strcmp(route->nexthops[i].tunnel, tunnel))
			return true;
	return !strcmp(route->tunnel, tunnel);
}

bool cv_route_conf_uses(const struct cv_route_conf *route, const char *tunnel)
{
	return cv_route_conf_enters(route, tunnel) || !strcmp(route->from_tunnel, tunnel);
}

static void fini_nothing(void *conf)
{
	(void)conf;
}

/* The lists differ in type only: each is an array that doubles. */
static int append(void **items, size_t *count, const void *item, size_t size, struct cv_err *err)
{
	void *grown;

	if (!(*count & (*count - 1))) {
		grown = reallocarray(*items, *count ? *count * 2 : 1, size);
		if (!grown)
			return cv_err_set(err, -ENOMEM, "state: out of memory");
		*items = grown;
	}
	memcpy((char *)*items + *count * size, item, size);
	(*count)++;
	return 0;
}

static void remove_item(void *items, size_t *count, void *item, size_t size)
{
	char *next = (char *)item + size;
	char *end = (char *)items + *count * size;

	memmove(item, next, end - next);
	(*count)--;
}

#define CV_DEFINE_LIST(noun, list, counter, fini)                                                  \
	int cv_state_add_##noun(struct cv_state *state, struct cv_##noun##_conf *conf,             \
				struct cv_err *err)                                                \
	{                                                                                          \
		int rc = append((void **)&state->list, &state->counter, conf, sizeof(*conf), err); \
                                                                                                   \
		if (rc)                                                                            \
			fini(conf);                                                                \
		return rc;                                                                         \
	}                                                                                          \
                                                                                                   \
	void cv_state_del_##noun(struct cv_state *state, struct cv_##noun##_conf *conf)            \
	{                                                                                          \
		fini(conf);                                                                        \
		remove_item(state->list, &state->counter, conf, sizeof(*conf));                    \
	}                                                                                          \
                                                                                                   \
	static void fini_##list(struct cv_state *state)                                            \
	{                                                                                          \
		for (size_t i = 0; i < state->counter; i++)                                        \
			fini(&state->list[i]);                                                     \
		free(state->list);                                                                 \
	}

#define CV_DEFINE_FIND(noun, list, counter)                                                        \
	struct cv_##noun##_conf *cv_state_find_##noun(const struct cv_state *state,                \
						      const char *name)                            \
	{                                                                                          \
		for (size_t i = 0; i < state->counter; i++)                                        \
			if (!strcmp(state->list[i].name, name))                                    \
				return &state->list[i];                                            \
		return NULL;                                                                       \
	}

CV_DEFINE_LIST(dev, devs, dev_count, fini_nothing)
CV_DEFINE_LIST(app, apps, app_count, cv_app_conf_fini)
CV_DEFINE_LIST(tunnel, tunnels, tunnel_count, cv_tunnel_conf_fini)
CV_DEFINE_LIST(route, routes, route_count, cv_route_conf_fini)
CV_DEFINE_LIST(set, sets, set_count, cv_set_conf_fini)
CV_DEFINE_FIND(dev, devs, dev_count)
CV_DEFINE_FIND(app, apps, app_count)
CV_DEFINE_FIND(tunnel, tunnels, tunnel_count)
CV_DEFINE_FIND(set, sets, set_count)

static uint32_t table_of(const struct cv_route_conf *route)
{
	if (route->table != CV_TABLE_AUTO || route->app[0])
		return route->table;
	return route->is_local ? CV_TABLE_LOCAL : CV_TABLE_MAIN;
}

/* The metric that the kernel will see: IPv6 has no zero. */
static uint32_t metric_of(const struct cv_route_conf *route)
{
	return route->metric || route->to.addr.family != 6 ? route->metric : CV_IPV6_METRIC;
}

struct cv_route_conf *cv_state_find_route(const struct cv_state *state,
					  const struct cv_route_conf *key)
{
	for (size_t i = 0; i < state->route_count; i++) {
		struct cv_route_conf *route = &state->routes[i];

		if (cv_prefix_same(&route->to, &key->to) && table_of(route) == table_of(key) &&
		    metric_of(route) == metric_of(key) && !strcmp(route->app, key->app))
			return route;
	}
	return NULL;
}

bool cv_state_routes_app(const struct cv_state *state, const char *app)
{
	for (size_t i = 0; i < state->route_count; i++)
		if (!strcmp(state->routes[i].app, app))
			return true;
	return false;
}

void cv_state_fini(struct cv_state *state)
{
	fini_devs(state);
	fini_apps(state);
	fini_tunnels(state);
	cv_state_fini_peers(state);
	fini_routes(state);
	fini_sets(state);
	cv_state_fini_rules(state);
	cv_state_init(state);
}
