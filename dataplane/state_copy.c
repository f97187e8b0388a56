/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A second state like the first, to be changed: everything that a conf owns is copied with it. */
#include "culvert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Puts a copy in place of what the pointer at `owned` points to. Without memory it becomes NULL, so
 * that nothing is ever owned twice. */
static void copy_owned(void *owned, size_t bytes, bool *is_short)
{
	void **pointer = owned;
	void *copy;

	if (!*pointer)
		return;
	copy = malloc(bytes ? bytes : 1);
	if (copy)
		memcpy(copy, *pointer, bytes);
	else
		*is_short = true;
	*pointer = copy;
}

static void copy_text(char **text, bool *is_short)
{
	copy_owned(text, *text ? strlen(*text) + 1 : 0, is_short);
}

#define COPY_LIST(list, is_short)                                                                  \
	copy_owned(&(list)->items, (list)->count * sizeof(*(list)->items), is_short)

static void copy_nothing(void *conf, bool *is_short)
{
	(void)conf;
	(void)is_short;
}

static void copy_app(struct cv_app_conf *app, bool *is_short)
{
	copy_text(&app->exe, is_short);
	copy_text(&app->parent_exe, is_short);
	copy_text(&app->unit, is_short);
	copy_text(&app->cgroup, is_short);
	copy_text(&app->netns, is_short);
}

static void copy_tunnel(struct cv_tunnel_conf *tunnel, bool *is_short)
{
	COPY_LIST(&tunnel->remotes, is_short);
	COPY_LIST(&tunnel->weights, is_short);
	COPY_LIST(&tunnel->segments, is_short);
	COPY_LIST(&tunnel->allow, is_short);
}

static void copy_route(struct cv_route_conf *route, bool *is_short)
{
	COPY_LIST(&route->from, is_short);
	copy_owned(&route->nexthops, route->nexthop_count * sizeof(*route->nexthops), is_short);
}

static void copy_set(struct cv_set_conf *set, bool *is_short)
{
	COPY_LIST(&set->prefixes, is_short);
	COPY_LIST(&set->ranges, is_short);
	copy_text(&set->file, is_short);
	COPY_LIST(&set->file_prefixes, is_short);
	COPY_LIST(&set->file_ranges, is_short);
	copy_text(&set->unread, is_short);
}

static void copy_rule(struct cv_rule_conf *rule, bool *is_short)
{
	COPY_LIST(&rule->match.src, is_short);
	COPY_LIST(&rule->match.dst, is_short);
	COPY_LIST(&rule->match.sport, is_short);
	COPY_LIST(&rule->match.dport, is_short);
	COPY_LIST(&rule->match.len, is_short);
	COPY_LIST(&rule->match.vlan, is_short);
	if (rule->match.sets)
		copy_owned(&rule->match.sets, CV_FIELD_COUNT * sizeof(*rule->match.sets), is_short);
}

#define CV_DEFINE_COPY(noun, list, counter, copy)                                                  \
	static int copy_##list(struct cv_state *out, const struct cv_state *state, bool *is_short, \
			       struct cv_err *err)                                                 \
	{                                                                                          \
		int rc = 0;                                                                        \
                                                                                                   \
		for (size_t i = 0; !rc && !*is_short && i < state->counter; i++) {                 \
			struct cv_##noun##_conf conf = state->list[i];                             \
                                                                                                   \
			copy(&conf, is_short);                                                     \
			rc = cv_state_add_##noun(out, &conf, err);                                 \
		}                                                                                  \
		return rc;                                                                         \
	}

CV_DEFINE_COPY(dev, devs, dev_count, copy_nothing)
CV_DEFINE_COPY(app, apps, app_count, copy_app)
CV_DEFINE_COPY(tunnel, tunnels, tunnel_count, copy_tunnel)
CV_DEFINE_COPY(peer, peers, peer_count, copy_nothing)
CV_DEFINE_COPY(route, routes, route_count, copy_route)
CV_DEFINE_COPY(set, sets, set_count, copy_set)
CV_DEFINE_COPY(rule, rules, rule_count, copy_rule)

/* All that is not a list. */
static void copy_options(struct cv_state *out, const struct cv_state *state)
{
	*out = *state;
	out->devs = NULL;
	out->apps = NULL;
	out->tunnels = NULL;
	out->peers = NULL;
	out->routes = NULL;
	out->sets = NULL;
	out->rules = NULL;
	out->dev_count = out->app_count = out->tunnel_count = out->peer_count = 0;
	out->route_count = out->set_count = out->rule_count = 0;
	out->dev_chains = out->app_chains = out->tunnel_chains = (struct cv_chains){ 0 };
	out->peer_chains = out->route_chains = out->route_app_chains = (struct cv_chains){ 0 };
	out->set_chains = out->rule_chains = (struct cv_chains){ 0 };
}

int cv_state_copy(struct cv_state *out, const struct cv_state *state, struct cv_err *err)
{
	static int (*const copies[])(struct cv_state * out, const struct cv_state *state,
				     bool *is_short, struct cv_err *err) = {
		copy_devs, copy_apps, copy_tunnels, copy_peers, copy_routes, copy_sets, copy_rules,
	};
	bool is_short = false;
	int rc = 0;

	copy_options(out, state);
	for (size_t i = 0; !rc && i < sizeof(copies) / sizeof(*copies); i++)
		rc = copies[i](out, state, &is_short, err);
	if (!rc && is_short)
		rc = cv_err_set(err, -ENOMEM, "state: out of memory");
	if (rc)
		cv_state_fini(out);
	return rc;
}
