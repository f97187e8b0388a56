/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules: compiled aside (compiler/), put in by one update of a slot, so that every packet meets
 * either the old set or the new one. Counters are by id and stay with a rule as long as it lives.
 */
#include <errno.h>
#include <string.h>

#include "compiler/compile.h"
#include "map.h"
#include "nl_link.h"
#include "own.h"
#include "plan.h"

const struct cv_slot_shape cv_rule_shape = {
	.name = CV_STRING(CV_MAP_RULES),
	.value_size = sizeof(struct cv_rule_set),
	.max_entries = 1,
};

/* A list engine's set as compiled rules: matches are of one direction each. */
static int read_set(const struct cv_rule_set *set, struct cv_rules *rules, struct cv_err *err)
{
	rules->rules = calloc(set->rule_count + 1, sizeof(*rules->rules));
	rules->matches = calloc(CV_MAX_MATCHES, sizeof(*rules->matches));
	if (!rules->rules || !rules->matches)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	for (uint32_t i = 0; i < set->rule_count; i++) {
		rules->rules[i].rule = set->rules[i];
		rules->rules[i].actions = set->actions[i];
	}
	rules->rule_count = set->rule_count;
	for (int dir = 0; dir < CV_DIR_COUNT; dir++)
		for (uint32_t i = 0; i < set->lists[dir].count; i++) {
			struct cv_match *match = &rules->matches[rules->match_count++];

			*match = set->matches[set->lists[dir].first + i];
			match->dirs = 1 << dir;
		}
	rules->flags = set->flags;
	rules->netns_cookie = set->netns_cookie;
	return 0;
}

int cv_live_rules(const struct cv_instance *inst, struct cv_rules *rules, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_RULES), err);
	CV_FREE struct cv_rule_set *set = calloc(1, sizeof(*set));
	uint32_t zero = 0;
	int rc;

	if (fd < 0)
		return fd;
	if (!set)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_slot_read(fd, &zero, &cv_rule_shape, set, err);
	return rc ? rc : read_set(set, rules, err);
}

/* ---- plan ---- */

/* What the compiler's questions are answered from. */
struct context {
	struct cv_instance *inst;
	const struct cv_plan *plan;
	bool is_taken[CV_MAX_RULES]; /* ids given out in this run */
};

static const struct cv_app *resolve_app(const void *arg, const char *name)
{
	return cv_plan_app(((const struct context *)arg)->plan, name);
}

static uint32_t resolve_tunnel(const void *arg, const char *name)
{
	return cv_plan_tunnel(((const struct context *)arg)->plan, name);
}

/* A rule may name a device that has no filter of ours: an encapsulating route's. */
static uint32_t resolve_ifindex(const void *arg, const char *name)
{
	const struct context *context = arg;
	uint32_t ifindex = cv_plan_ifindex(context->plan, name);
	struct cv_link link;

	if (ifindex || cv_link_by_name(context->inst->nl, name, &link, NULL))
		return ifindex;
	return link.ifindex;
}

static const struct cv_rule *find_rule(const struct cv_rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->rule_count; i++)
		if (!strcmp(rules->rules[i].rule.name, name))
			return &rules->rules[i].rule;
	return NULL;
}

static bool id_is_live(const struct cv_rules *rules, uint32_t id)
{
	for (size_t i = 0; i < rules->rule_count; i++)
		if (rules->rules[i].rule.id == id)
			return true;
	return false;
}

/* Ids of rules that stay are theirs, also while ids of rules that go are given out again. */
static void take_kept_ids(struct context *context)
{
	const struct cv_state *state = context->plan->state;

	for (size_t i = 0; i < state->rule_count; i++) {
		const struct cv_rule *rule =
			find_rule(&context->plan->live_rules, state->rules[i].name);

		if (rule)
			context->is_taken[rule->id % CV_MAX_RULES] = true;
	}
}

/* A new rule gets an id that no live rule has, or failing that one of a rule that goes; clear_new()
 * sets its counters to zero before the set is put in. */
static uint32_t resolve_rule_id(void *arg, const char *name)
{
	struct context *context = arg;
	const struct cv_rules *live = &context->plan->live_rules;
	const struct cv_rule *rule = find_rule(live, name);
	uint32_t id = rule ? rule->id : 0;

	for (int pass = 0; !rule && pass < 2; pass++) {
		for (id = 0; id < CV_MAX_RULES; id++)
			if (!context->is_taken[id] && (pass || !id_is_live(live, id)))
				break;
		if (id < CV_MAX_RULES)
			break;
	}
	context->is_taken[id % CV_MAX_RULES] = true;
	return id % CV_MAX_RULES;
}

static int check_device(const struct context *context, const struct cv_rule_conf *conf,
			const char *name, struct cv_err *err)
{
	if (!name[0] || resolve_ifindex(context, name))
		return 0;
	cv_err_set(err, -ENODEV, "rule %s: there is no device %s", conf->name, name);
	return cv_err_at(err, &conf->place);
}

static int check_devices(const struct context *context, struct cv_err *err)
{
	const struct cv_state *state = context->plan->state;

	int rc = 0;

	for (size_t i = 0; !rc && !context->plan->is_lenient && i < state->rule_count; i++) {
		const struct cv_rule_conf *conf = &state->rules[i];

		rc = check_device(context, conf, conf->match.dev, err);
		if (!rc)
			rc = check_device(context, conf, conf->action.redirect, err);
		if (!rc)
			rc = check_device(context, conf, conf->action.mirror, err);
	}
	return rc;
}

int cv_rule_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	struct context context = { .inst = inst, .plan = plan };
	struct cv_resolver resolver = {
		.app = resolve_app,
		.tunnel = resolve_tunnel,
		.ifindex = resolve_ifindex,
		.rule_id = resolve_rule_id,
		.arg = &context,
	};
	int rc = check_devices(&context, err);

	if (rc)
		return rc;
	take_kept_ids(&context);
	rc = cv_compile(&plan->rules, plan->state, &resolver, err);
	plan->rules.netns_cookie = inst->netns_cookie;
	return rc;
}

/* ---- grow ---- */

static int clear_new(const struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_RULE_STATS), err);
	int rc = fd < 0 ? fd : 0;

	for (uint32_t i = 0; !rc && i < plan->rules.rule_count; i++) {
		const struct cv_rule *rule = &plan->rules.rules[i].rule;

		if (!find_rule(&plan->live_rules, rule->name))
			rc = cv_percpu_clear(fd, &rule->id,
					     sizeof(struct cv_rule_stats) / sizeof(uint64_t), err);
	}
	return rc;
}

/* The list engine's set of the compiled rules. */
static int write_set(const struct cv_rules *rules, struct cv_rule_set *set, struct cv_err *err)
{
	uint32_t count = 0;

	set->flags = rules->flags;
	set->rule_count = rules->rule_count;
	set->netns_cookie = rules->netns_cookie;
	for (size_t i = 0; i < rules->rule_count; i++) {
		set->rules[i] = rules->rules[i].rule;
		set->rules[i].order = i + 1;
		set->actions[i] = rules->rules[i].actions;
	}
	for (int dir = 0; dir < CV_DIR_COUNT; dir++) {
		set->lists[dir].first = count;
		for (size_t i = 0; i < rules->match_count; i++) {
			const struct cv_match *match = &rules->matches[i];

			if (!(match->dirs & 1 << dir))
				continue;
			if (count == CV_MAX_MATCHES)
				return cv_err_input(
					err,
					"rule %s: with its lists multiplied out there are more than the %u matches that one instance holds",
					rules->rules[match->rule].rule.name, CV_MAX_MATCHES);
			set->matches[count++] = *match;
		}
		set->lists[dir].count = count - set->lists[dir].first;
	}
	return 0;
}

/* The whole set at once, what is to go included. */
int cv_rule_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_FREE struct cv_rule_set *set = calloc(1, sizeof(*set)), *live = calloc(1, sizeof(*live));
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_RULES), err);
	uint32_t zero = 0;
	int rc;

	if (fd < 0)
		return fd;
	if (!set || !live)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_slot_read(fd, &zero, &cv_rule_shape, live, err);
	if (!rc)
		rc = write_set(&plan->rules, set, err);
	set->generation = live->generation;
	if (rc || !memcmp(set, live, sizeof(*set)))
		return rc;
	rc = clear_new(inst, plan, err);
	if (rc)
		return rc;
	set->generation++;
	return cv_slot_write(fd, &zero, &cv_rule_shape, set, err);
}

/* ---- list ---- */

static int fill_info(int stats_fd, const struct cv_rules *live, const struct cv_rule_conf *conf,
		     struct cv_rule_info *info, struct cv_err *err)
{
	const struct cv_rule *rule = find_rule(live, conf->name);
	struct cv_rule_stats stats = { 0 };
	int rc = 0;

	memcpy(info->name, conf->name, sizeof(info->name));
	if (rule)
		rc = cv_percpu_sum(stats_fd, &rule->id, (uint64_t *)&stats,
				   sizeof(stats) / sizeof(uint64_t), err);
	info->packets = stats.packets;
	info->bytes = stats.bytes;
	return rc;
}

int cv_rule_list(struct cv_instance *inst, const struct cv_state *state, struct cv_rule_info **out,
		 size_t *count, struct cv_err *err)
{
	CV_FREE struct cv_rule_info *infos = calloc(state->rule_count + 1, sizeof(*infos));
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	CV_FREE size_t *order = calloc(state->rule_count + 1, sizeof(*order));
	CV_CLOSE int fd = -1;
	int rc = 0;

	if (!infos || !order)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	if (state->rule_count) {
		rc = cv_live_rules(inst, &live, err);
		if (!rc)
			fd = cv_instance_map(inst, CV_STRING(CV_MAP_RULE_STATS), err);
		if (!rc && fd < 0)
			rc = fd;
	}
	cv_rule_order(state, order);
	for (size_t i = 0; !rc && i < state->rule_count; i++) {
		infos[i].index = order[i];
		rc = fill_info(fd, &live, &state->rules[order[i]], &infos[i], err);
	}
	if (rc)
		return rc;
	*count = state->rule_count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
