/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Plans: memory, what is live now, lookups by name. The nouns fill them. */
#include "plan.h"

#include <errno.h>
#include <string.h>

#include "map.h"
#include "object.h"
#include "own.h"
#include "reply.h"
#include "tunnel_table.h"

void cv_plan_free(struct cv_plan **plan_ptr)
{
	struct cv_plan *plan = *plan_ptr;

	if (!plan)
		return;
	free(plan->live_entries);
	free(plan->tunnels);
	free(plan->tunnel_plans);
	cv_names_fini(&plan->tunnel_names);
	cv_changes_fini(&plan->rule_changes);
	cv_banks_close(&plan->banks);
	cv_rules_fini(&plan->live_rules);
	cv_rules_fini(&plan->rules);
	free(plan->live_apps);
	free(plan->apps);
	free(plan->live_outer);
	free(plan->outer);
	free(plan->live_guards);
	free(plan->guards);
	for (size_t i = 0; i < plan->dev_count; i++)
		cv_dev_plan_fini(&plan->devs[i]);
	free(plan->devs);
	cv_names_fini(&plan->dev_names);
	free(plan->apps_of);
	cv_dev_look_free(&plan->dev_look);
	for (size_t i = 0; i < plan->route_count; i++)
		free(plan->routes[i].hops);
	free(plan->routes);
	cv_route_view_free(&plan->route_view);
	free(plan->fib_rules);
	free(plan->endpoints);
	cv_map_copy_fini(&plan->live_endpoints);
	cv_map_copy_fini(&plan->live_allowed);
	free(plan->endpoint_is_live);
	free(plan->endpoint_is_wanted);
	for (size_t i = 0; i < plan->remote_count; i++)
		free(plan->remotes[i].set);
	free(plan->remotes);
	for (size_t i = 0; i < plan->peer_count; i++)
		cv_peer_plan_fini(&plan->peers[i]);
	free(plan->peers);
	free(plan);
	*plan_ptr = NULL;
}

static size_t count_route_marks(const struct cv_state *state)
{
	size_t count = 0;

	for (size_t i = 0; i < state->rule_count; i++)
		count += state->rules[i].action.route_mark[0] != 0;
	return count;
}

static struct cv_plan *alloc_plan(const struct cv_state *state)
{
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	plan->live_entries = calloc(CV_MAX_TUNNEL_ENTRIES, sizeof(*plan->live_entries));
	plan->tunnels = calloc(CV_MAX_TUNNELS, sizeof(*plan->tunnels));
	plan->tunnel_plans = calloc(state->tunnel_count + 1, sizeof(*plan->tunnel_plans));
	plan->live_apps = calloc(1, sizeof(*plan->live_apps));
	plan->apps = calloc(1, sizeof(*plan->apps));
	plan->live_outer = calloc(1, sizeof(*plan->live_outer));
	plan->outer = calloc(1, sizeof(*plan->outer));
	plan->live_guards = calloc(CV_MAX_GUARDS, sizeof(*plan->live_guards));
	plan->guards = calloc(CV_MAX_GUARDS, sizeof(*plan->guards));
	/* A default route stands for two, each may need an ip rule, and that of IPv4 a twin with two
	 * rules of its own. */
	plan->route_view = cv_route_view_new();
	plan->routes = calloc(3 * state->route_count + 1, sizeof(*plan->routes));
	plan->fib_rules = calloc(4 * state->route_count + 2 * count_route_marks(state) + 1,
				 sizeof(*plan->fib_rules));
	plan->apps_of = calloc(state->app_count + 1, sizeof(struct cv_app *));
	plan->remotes = calloc(state->tunnel_count + 1, sizeof(*plan->remotes));
	plan->peers = calloc(state->tunnel_count + 1, sizeof(*plan->peers));
	if (cv_names_init(&plan->tunnel_names, state->tunnels ? state->tunnels->name : NULL,
			  sizeof(*state->tunnels), state->tunnel_count))
		return NULL;
	if (!plan->live_entries || !plan->tunnels || !plan->tunnel_plans || !plan->live_apps ||
	    !plan->apps || !plan->live_outer || !plan->outer || !plan->live_guards ||
	    !plan->guards || !plan->routes || !plan->route_view || !plan->fib_rules ||
	    !plan->remotes || !plan->peers || !plan->apps_of)
		return NULL;
	plan->live_tunnels = &plan->live_entries[CV_TUNNEL_IN(0)];
	return CV_TAKE_PTR(plan);
}

/* ---- what names stand for ---- */

static int name_devs(struct cv_plan *plan, struct cv_err *err)
{
	int rc = cv_names_init(&plan->dev_names, plan->devs ? plan->devs->name : NULL,
			       sizeof(*plan->devs), plan->dev_count);

	return rc ? cv_err_set(err, rc, "devs: out of memory") : 0;
}

/* Of an app that stands there several times the first one counts, and of both sets the own one. */
static void note_apps(struct cv_plan *plan)
{
	const struct cv_app_set *const sets[] = { plan->outer, plan->apps };
	const struct cv_app_conf *conf;

	for (size_t i = 0; i < 2; i++)
		for (uint32_t j = sets[i]->count; j-- > 0;) {
			conf = cv_state_find_app(plan->state, sets[i]->apps[j].name);
			if (conf)
				plan->apps_of[conf - plan->state->apps] = &sets[i]->apps[j];
		}
}

uint32_t cv_plan_tunnel(const struct cv_plan *plan, const char *name)
{
	uint32_t index = cv_names_find(&plan->tunnel_names, name);

	return index == CV_NAMES_NONE ? 0 : plan->tunnel_plans[index].id;
}

const struct cv_app *cv_plan_app(const struct cv_plan *plan, const char *name)
{
	const struct cv_app_conf *conf = cv_state_find_app(plan->state, name);

	return conf ? plan->apps_of[conf - plan->state->apps] : NULL;
}

uint32_t cv_plan_ifindex(const struct cv_plan *plan, const char *name)
{
	uint32_t index = cv_names_find(&plan->dev_names, name);

	return index == CV_NAMES_NONE ? 0 : plan->devs[index].ifindex;
}

/* ---- a plan ---- */

/* A change that was broken off before its turn has left its generation in the table. */
static int read_tunnels(struct cv_instance *inst, struct cv_plan *plan, uint32_t turned,
			struct cv_err *err)
{
	int rc = cv_tunnel_table_read(inst, plan->live_entries, err);

	for (uint32_t id = 1; !rc && id < CV_MAX_TUNNELS; id++)
		plan->live_versions[id] = cv_tunnel_version(plan->live_entries, id, turned);
	for (uint32_t i = 0; !rc && i < CV_MAX_TUNNEL_ENTRIES; i++)
		if (plan->live_entries[i].generation >= plan->generation)
			plan->generation = plan->live_entries[i].generation + 1;
	return rc;
}

/* What is live now. */
static int read_live(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	struct cv_meta meta;
	int rc = cv_meta_read(inst, &meta, err);

	plan->generation = meta.generation + 1;
	plan->is_upgrade = !rc && strcmp(meta.build, cv_object_build());
	if (!rc)
		rc = read_tunnels(inst, plan, meta.generation, err);
	if (!rc)
		rc = cv_live_apps(inst, plan->live_apps, err);
	if (!rc)
		rc = cv_live_outer_apps(inst, plan->live_outer, err);
	if (!rc)
		rc = cv_live_guards(inst, plan->live_guards, err);
	return rc;
}

/* Each noun finds what those before it came to. */
static int fill(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	int rc = cv_dev_plan(inst, plan, err);

	if (!rc)
		rc = name_devs(plan, err);
	if (!rc)
		rc = cv_tunnel_plan(inst, plan, err);
	if (!rc)
		rc = cv_app_plan(inst, plan, err);
	note_apps(plan);
	if (!rc)
		cv_guard_plan_start(inst, plan);
	if (!rc)
		rc = cv_route_plan(inst, plan, err);
	return rc ? rc : cv_rule_plan(inst, plan, err);
}

int cv_plan_new(struct cv_plan **out, struct cv_acts *acts, const struct cv_state *before,
		const struct cv_state *state, bool is_lenient, struct cv_err *err)
{
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = alloc_plan(state);
	struct cv_instance *inst = acts->inst;
	int rc;

	if (!plan)
		return cv_err_set(err, -ENOMEM, "plan: out of memory");
	plan->acts = acts;
	plan->state = state;
	plan->before = before;
	plan->is_lenient = is_lenient;
	rc = read_live(inst, plan, err);
	cv_links_remember(inst->nl);
	cv_fib_remember(inst->nl);
	if (!rc)
		rc = fill(inst, plan, err);
	cv_fib_forget(inst->nl);
	cv_links_forget(inst->nl);
	if (rc)
		return rc;
	cv_tunnel_note_rules(plan);
	cv_reply_plan(plan);
	*out = CV_TAKE_PTR(plan);
	return 0;
}

uint32_t cv_plan_free_slot(const struct cv_plan *plan, uint32_t id)
{
	const struct cv_tunnel *live = &plan->live_tunnels[id];
	bool has_first = live->mode && live->remote_kind != CV_REMOTE_ONE &&
			 live->remote_slot % CV_MAX_REMOTE_SLOTS == 2 * id;

	return 2 * id + (has_first ? 1 : 0);
}

void cv_addr_to_abi(const struct cv_addr *addr, uint32_t out[4])
{
	memset(out, 0, 4 * sizeof(*out));
	memcpy(out, addr->bytes, addr->family == 4 ? 4 : 16);
}

struct cv_addr cv_addr_from_abi(uint8_t family, const uint32_t words[4])
{
	struct cv_addr addr = { .family = family };

	memcpy(addr.bytes, words, family == 4 ? sizeof(*words) : sizeof(addr.bytes));
	return addr;
}

uint32_t cv_mark_unit(uint32_t mask)
{
	return mask & -mask;
}
