/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The wanted state as lists of plain structs: adding, finding, removing. What a state means and
 * whether it makes sense is check.c's. */
#include "state.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"
#include "state_list.h"

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
	free(rule->match.sets);
}

const char *cv_match_conf_set(const struct cv_match_conf *match, enum cv_field field)
{
	return match->sets && match->sets[field][0] ? match->sets[field] : NULL;
}

int cv_match_conf_put_set(struct cv_match_conf *match, enum cv_field field, const char *name)
{
	if (!match->sets)
		match->sets = calloc(CV_FIELD_COUNT, sizeof(*match->sets));
	if (!match->sets)
		return -ENOMEM;
	snprintf(match->sets[field], sizeof(match->sets[field]), "%s", name);
	return 0;
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

/* ---- lists ---- */

/* Of what is named, the name stands first. */
static uint64_t hash_name(const void *conf)
{
	return cv_hash_text(conf);
}

static bool is_named(const void *conf, const void *name)
{
	return !strcmp(conf, name);
}

#define CV_LIST(state, noun, list, ...)                                                            \
	(struct cv_list)                                                                           \
	{                                                                                          \
		(void **)&(state)->list, &(state)->noun##_count, sizeof(*(state)->list),           \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

#define CV_DEFINE_LIST(noun, list, fini, ...)                                                      \
	static struct cv_list list##_of(const struct cv_state *state)                              \
	{                                                                                          \
		struct cv_state *owner = (struct cv_state *)state;                                 \
                                                                                                   \
		return CV_LIST(owner, noun, list, __VA_ARGS__);                                    \
	}                                                                                          \
                                                                                                   \
	int cv_state_add_##noun(struct cv_state *state, struct cv_##noun##_conf *conf,             \
				struct cv_err *err)                                                \
	{                                                                                          \
		struct cv_list all = list##_of(state);                                             \
                                                                                                   \
		if (!cv_list_add(&all, conf))                                                      \
			return 0;                                                                  \
		fini(conf);                                                                        \
		return cv_err_set(err, -ENOMEM, "state: out of memory");                           \
	}                                                                                          \
                                                                                                   \
	void cv_state_del_##noun(struct cv_state *state, struct cv_##noun##_conf *conf)            \
	{                                                                                          \
		struct cv_list all = list##_of(state);                                             \
		struct cv_##noun##_conf gone = *conf;                                              \
                                                                                                   \
		cv_list_remove(&all, conf - state->list);                                          \
		fini(&gone);                                                                       \
	}                                                                                          \
                                                                                                   \
	static void fini_##list(struct cv_state *state)                                            \
	{                                                                                          \
		struct cv_list all = list##_of(state);                                             \
                                                                                                   \
		for (size_t i = 0; i < state->noun##_count; i++)                                   \
			fini(&state->list[i]);                                                     \
		cv_list_free(&all);                                                                \
	}

#define CV_DEFINE_NAMED(noun, list, fini)                                                          \
	_Static_assert(!offsetof(struct cv_##noun##_conf, name), "the name stands first");         \
	CV_DEFINE_LIST(noun, list, fini, { &owner->noun##_chains, hash_name, false })              \
                                                                                                   \
	struct cv_##noun##_conf *cv_state_find_##noun(const struct cv_state *state,                \
						      const char *name)                            \
	{                                                                                          \
		struct cv_list all = list##_of(state);                                             \
		uint32_t number =                                                                  \
			cv_list_find(&all, &all.indexes[0], cv_hash_text(name), is_named, name);   \
                                                                                                   \
		return number == CV_NOBODY ? NULL : &state->list[number];                          \
	}

CV_DEFINE_NAMED(dev, devs, fini_nothing)
CV_DEFINE_NAMED(app, apps, cv_app_conf_fini)
CV_DEFINE_NAMED(tunnel, tunnels, cv_tunnel_conf_fini)
CV_DEFINE_NAMED(set, sets, cv_set_conf_fini)
CV_DEFINE_NAMED(rule, rules, cv_rule_conf_fini)

/* ---- routes ---- */

static uint32_t table_of(const struct cv_route_conf *route)
{
	if (route->table != CV_TABLE_AUTO || route->app[0])
		return route->table;
	return route->is_local ? CV_TABLE_LOCAL : CV_TABLE_MAIN;
}

/* The metric that the kernel will see of a route of IPv6, which has no zero. */
static uint32_t metric6_of(const struct cv_route_conf *route)
{
	return route->metric ? route->metric : CV_IPV6_METRIC;
}

/* In a family that both are of; "default" is of both. */
static bool is_same_metric(const struct cv_route_conf *a, const struct cv_route_conf *b)
{
	bool is_ipv4 = a->to.addr.family == 4 || b->to.addr.family == 4;

	return is_ipv4 ? a->metric == b->metric : metric6_of(a) == metric6_of(b);
}

/* "default" is that of both families. */
static uint64_t hash_route(const void *conf)
{
	const struct cv_route_conf *route = conf;
	const uint32_t place[] = { route->to.bits, table_of(route), metric6_of(route) };
	uint64_t hash = cv_hash_bytes(cv_hash_text(route->app), place, sizeof(place));

	return route->to.bits ? cv_hash_bytes(hash, route->to.addr.bytes, 16) : hash;
}

static bool is_same_route(const void *conf, const void *key_conf)
{
	const struct cv_route_conf *route = conf, *key = key_conf;

	return cv_prefix_same(&route->to, &key->to) && table_of(route) == table_of(key) &&
	       is_same_metric(route, key) && !strcmp(route->app, key->app);
}

static uint64_t hash_route_app(const void *conf)
{
	return cv_hash_text(((const struct cv_route_conf *)conf)->app);
}

static bool is_of_app(const void *conf, const void *app)
{
	return !strcmp(((const struct cv_route_conf *)conf)->app, app);
}

CV_DEFINE_LIST(route, routes, cv_route_conf_fini, { &owner->route_chains, hash_route, false },
	       { &owner->route_app_chains, hash_route_app, false })

struct cv_route_conf *cv_state_find_route(const struct cv_state *state,
					  const struct cv_route_conf *key)
{
	struct cv_list all = routes_of(state);
	uint32_t number = cv_list_find(&all, &all.indexes[0], hash_route(key), is_same_route, key);

	return number == CV_NOBODY ? NULL : &state->routes[number];
}

const struct cv_route_conf *cv_state_route_before(const struct cv_state *state,
						  const struct cv_route_conf *route)
{
	struct cv_list all = routes_of(state);
	uint32_t number = cv_list_find_before(&all, &all.indexes[0], route - state->routes,
					      is_same_route, route);

	return number == CV_NOBODY ? NULL : &state->routes[number];
}

bool cv_state_routes_app(const struct cv_state *state, const char *app)
{
	struct cv_list all = routes_of(state);

	return cv_list_find(&all, &all.indexes[1], cv_hash_text(app), is_of_app, app) != CV_NOBODY;
}

void cv_state_fini(struct cv_state *state)
{
	fini_devs(state);
	fini_apps(state);
	fini_tunnels(state);
	cv_state_fini_peers(state);
	fini_routes(state);
	fini_sets(state);
	fini_rules(state);
	cv_state_init(state);
}
