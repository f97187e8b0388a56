/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules: compiled aside (compiler/), compared with those that packets meet, and put in so that from
 * one instant on all packets meet them (image.h). Counters are by id and stay with a rule as long as it
 * lives.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "act.h"
#include "cache.h"
#include "compiler/compile.h"
#include "counters.h"
#include "image.h"
#include "names.h"
#include "nl_link.h"
#include "own.h"
#include "plan.h"
#include "rule_act.h"
#include "stamp.h"

static void close_banks(struct cv_banks **banks)
{
	cv_banks_close(banks);
}

int cv_live_rules(const struct cv_instance *inst, struct cv_rules *rules, struct cv_err *err)
{
	CV_CLEANUP(close_banks) struct cv_banks *banks = NULL;
	int rc = cv_banks_open(&banks, inst, err);

	return rc ? rc : cv_banks_read(banks, rules, err);
}

int cv_rule_image(const struct cv_instance *inst, struct cv_image_info *out, struct cv_err *err)
{
	CV_CLEANUP(close_banks) struct cv_banks *banks = NULL;
	struct cv_engine_stats stats;
	int rc = cv_banks_open(&banks, inst, err);

	if (!rc)
		rc = cv_banks_stats(banks, &stats, err);
	if (rc)
		return rc;
	*out = (struct cv_image_info){ .rules = stats.rules,
				       .steps = stats.steps,
				       .bytes = stats.bytes,
				       .garbage_bytes = stats.garbage_bytes };
	return 0;
}

/* ---- plan ---- */

/* What the compiler's questions are answered from. */
struct context {
	struct cv_instance *inst;
	const struct cv_plan *plan;
	struct cv_names live; /* rules of plan->live_rules */
	bool *is_taken; /* owned; ids that are not to be given out */
	uint32_t id_count; /* of them: those behind are nobody's */
	uint32_t next_id; /* none below is free */
	/* Borrowed: the first failure of looking for a device, and its text. */
	int *failed;
	struct cv_err *err;
};

static void fini_context(struct context *context)
{
	cv_names_fini(&context->live);
	free(context->is_taken);
}

static const struct cv_app *resolve_app(const void *arg, const char *name)
{
	return cv_plan_app(((const struct context *)arg)->plan, name);
}

static uint32_t resolve_tunnel(const void *arg, const char *name)
{
	return cv_plan_tunnel(((const struct context *)arg)->plan, name);
}

/* Fills in 0 if there is none. Fails if that cannot be told. */
static int find_ifindex(const struct cv_plan *plan, const char *name, uint32_t *ifindex,
			struct cv_err *err)
{
	struct cv_link link;
	int rc;

	*ifindex = cv_plan_ifindex(plan, name);
	if (*ifindex)
		return 0;
	rc = cv_link_by_name(plan->acts->inst->nl, name, &link, err);
	if (!rc)
		*ifindex = link.ifindex;
	return rc == -ENODEV ? 0 : rc;
}

uint32_t cv_rule_ifindex(const struct cv_plan *plan, const char *name)
{
	uint32_t ifindex;

	find_ifindex(plan, name, &ifindex, NULL);
	return ifindex;
}

static uint32_t resolve_ifindex(const void *arg, const char *name)
{
	const struct context *context = arg;
	uint32_t ifindex = 0;

	if (!*context->failed)
		*context->failed = find_ifindex(context->plan, name, &ifindex, context->err);
	return ifindex;
}

static int name_rules(struct cv_names *names, const struct cv_rules *rules, struct cv_err *err)
{
	return cv_names_init(names, rules->rules ? rules->rules->rule.name : NULL,
			     sizeof(*rules->rules), rules->rule_count)
		       ? cv_err_set(err, -ENOMEM, "rules: out of memory")
		       : 0;
}

/* A rule of rules, whose names are given; NULL if none has that name. */
static const struct cv_rule *find_rule(const struct cv_rules *rules, struct cv_names *names,
				       const char *name)
{
	uint32_t index = cv_names_find_next(names, name);

	return index == CV_NAMES_NONE ? NULL : &rules->rules[index].rule;
}

/* Ids of rules that stay are theirs. Those of rules that go are given out again by a later change: as
 * long as packets meet the old rules, they are counted. */
static int take_live_ids(struct context *context, struct cv_err *err)
{
	const struct cv_rules *live = &context->plan->live_rules;
	uint32_t last = 0;

	for (size_t i = 0; i < live->rule_count; i++)
		if (live->rules[i].rule.id > last)
			last = live->rules[i].rule.id;
	context->id_count = last + 1 + context->plan->state->rule_count;
	context->is_taken = calloc(context->id_count, sizeof(*context->is_taken));
	if (!context->is_taken)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	for (size_t i = 0; i < live->rule_count; i++)
		context->is_taken[live->rules[i].rule.id] = true;
	return 0;
}

/* The lowest that is free, so that counters stay few. */
static uint32_t new_id(struct context *context)
{
	while (context->is_taken[context->next_id])
		context->next_id++;
	return context->next_id++;
}

/* make_counters() sets the counters of a new id to zero before the rule is put in. */
static uint32_t resolve_rule_id(void *arg, const char *name)
{
	struct context *context = arg;
	const struct cv_rule *rule = find_rule(&context->plan->live_rules, &context->live, name);

	return rule ? rule->id : new_id(context);
}

static int check_device(const struct context *context, const struct cv_rule_conf *conf,
			const char *name, struct cv_err *err)
{
	const struct cv_dev_conf *dev;

	if (!name[0] || resolve_ifindex(context, name))
		return 0;
	if (*context->failed)
		return *context->failed;
	/* One that comes later: until then no packet is of it, and what is sent to it is lost. */
	dev = cv_state_dev_of(context->plan->state, name);
	if (dev && (dev->optional || cv_dev_conf_is_pattern(dev)))
		return 0;
	cv_err_set(err, -ENODEV, "rule %s: there is no device %s", conf->name, name);
	cv_err_hint(err, "add the device first, or mend the name; 'ip link' shows those that are");
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

static int compile(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	int failed = 0;
	CV_CLEANUP(fini_context)
	struct context context = { .inst = inst, .plan = plan, .failed = &failed, .err = err };
	struct cv_resolver resolver = {
		.app = resolve_app,
		.tunnel = resolve_tunnel,
		.ifindex = resolve_ifindex,
		.rule_id = resolve_rule_id,
		.arg = &context,
		.kept = inst->former_rules ? inst->former_rules : &plan->live_rules,
	};
	int rc = check_devices(&context, err);

	if (!rc)
		rc = name_rules(&context.live, &plan->live_rules, err);
	if (!rc)
		rc = take_live_ids(&context, err);
	if (!rc)
		rc = cv_compile(&plan->rules, plan->state, &resolver, err);
	plan->rules.netns_cookie = inst->netns_cookie;
	return rc ? rc : failed;
}

/* The place of the first rule that keeps an image from being built. */
static int tell_place(const struct cv_plan *plan, const struct cv_engine_fault *fault,
		      struct cv_err *err)
{
	const struct cv_state *state = plan->state;
	CV_FREE size_t *order = calloc(state->rule_count + 1, sizeof(*order));

	if (!order)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	cv_rule_order(state, order);
	return cv_err_at(err, &state->rules[order[fault->rules[0]]].place);
}

static int build_image(const struct cv_plan *plan, struct cv_err *err)
{
	bool is_looked_at = !cv_acts_are_made(plan) && !cv_acts_are_tried(plan);
	struct cv_engine_fault fault = { 0 };
	int rc = is_looked_at ? cv_engine_try(&plan->rules, &fault, err)
			      : cv_banks_build(plan->banks, &plan->rules, &fault, err);

	return rc && fault.count ? tell_place(plan, &fault, err) : rc;
}

/* The rules of the applied state, which were not read, as the stamp has them. */
static int recall(const struct cv_instance *inst, struct cv_plan *plan)
{
	CV_FREE struct cv_memo *memo = malloc(sizeof(*memo));
	struct cv_figures figures;

	if (!memo || !cv_stamp_recall(inst, cv_banks_word(plan->banks), &figures, memo) ||
	    !cv_memo_holds(memo, plan))
		return -ESTALE;
	plan->rules.match_count = figures.matches;
	for (int i = 0; i < CV_NEEDS; i++)
		plan->rules.flags |= figures.needs[i] ? 1u << i : 0;
	plan->rules.netns_cookie = inst->netns_cookie;
	return 0;
}

/* An image that is wanted is built here already: an engine may refuse rules. */
int cv_rule_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	int rc = cv_banks_open(&plan->banks, inst, err);

	if (!rc && plan->acts->is_glance)
		return recall(inst, plan);
	if (!rc)
		rc = cv_banks_read(plan->banks, &plan->live_rules, err);
	if (!rc)
		rc = compile(inst, plan, err);
	if (!rc)
		rc = cv_changes_find(&plan->rule_changes, &plan->live_rules, &plan->rules, err);
	return !rc && plan->rule_changes.must_rebuild ? build_image(plan, err) : rc;
}

/* ---- grow ---- */

/* Counters for all rules that there will be; those of rules that come begin at zero. */
static int make_counters(struct cv_counters *counters, const struct cv_plan *plan,
			 struct cv_err *err)
{
	CV_CLEANUP(cv_names_fini) struct cv_names live = { 0 };
	int rc = name_rules(&live, &plan->live_rules, err);

	if (!rc)
		rc = cv_counters_grow(counters, &plan->rules, err);
	for (size_t i = 0; !rc && i < plan->rules.rule_count; i++) {
		const struct cv_rule *rule = &plan->rules.rules[i].rule;

		if (!find_rule(&plan->live_rules, &live, rule->name))
			cv_counters_clear(counters, rule->id);
	}
	return rc;
}

/* In place if that can be done. */
static int show_rules(const struct cv_plan *plan, struct cv_err *err)
{
	int rc = 0;

	if (!plan->rule_changes.must_rebuild) {
		rc = cv_banks_change(plan->banks, &plan->rule_changes, err);
		if (rc != -ESTALE)
			return rc;
		rc = build_image(plan, err);
	}
	return rc ? rc : cv_banks_swap(plan->banks, err);
}

/* Memory that rules come to need, and that they need no more. */
static int tell_counters(const struct cv_plan *plan, const struct cv_counters *counters,
			 struct cv_err *err)
{
	int missing, surplus, rc;

	cv_counters_compare(counters, &plan->rules, &missing, &surplus);
	rc = cv_rule_tell_inner(plan, "counters of 1024 rules", missing, err);
	return rc < 0 ? rc : cv_rule_tell_inner(plan, "counters of 1024 rules", -surplus, err);
}

/* All of it at once, what is to go included. */
static int put_rules(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(cv_counters_close) struct cv_counters *counters = NULL;
	int rc = cv_rule_tell(plan, err);

	if (rc >= 0)
		rc = cv_counters_open(&counters, inst, err);
	if (!rc)
		rc = tell_counters(plan, counters, err);
	if (rc < 0 || !cv_acts_are_made(plan))
		return rc < 0 ? rc : 0;
	rc = make_counters(counters, plan, err);
	if (!rc)
		rc = show_rules(plan, err);
	return rc ? rc : cv_counters_shrink(counters, &plan->rules, err);
}

static int fit_caches(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	bool is_off = plan->state->flow_cache_is_off;
	int missing = cv_caches_missing(inst, plan->rules.match_count, is_off);
	int rc = missing ? cv_rule_tell_inner(plan, "flow cache of a CPU", missing, err) : 0;

	return rc <= 0 ? rc : cv_caches_fit(inst, plan->rules.match_count, is_off, err);
}

/* What a change that was broken off, or one just now, has left. */
static int tidy(const struct cv_plan *plan, struct cv_err *err)
{
	int unread = cv_banks_unread(plan->banks);
	int rc =
		unread ? cv_rule_tell_inner(plan, "256 KiB of rules from before", -unread, err) : 0;

	return rc <= 0 ? rc : cv_banks_tidy(plan->banks, err);
}

int cv_rule_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = fit_caches(inst, plan, err);

	if (!rc && !cv_changes_none(&plan->rule_changes))
		rc = put_rules(inst, plan, err);
	return rc ? rc : tidy(plan, err);
}

void cv_rule_stamp(const struct cv_instance *inst, const struct cv_plan *plan,
		   const struct cv_origin *origin)
{
	CV_FREE struct cv_memo *memo = malloc(sizeof(*memo));
	struct cv_figures figures = cv_figures_of(&plan->rules);

	if (memo)
		cv_memo_make(memo, plan);
	cv_stamp_write(inst, cv_banks_word(plan->banks), &figures, memo, origin);
}

/* ---- list ---- */

#define CV_NS_PER_SECOND 1000000000ULL

/* The clock of cv_rule_stats.last_ns. */
static uint64_t now_ns(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * CV_NS_PER_SECOND + now.tv_nsec;
}

static void fill_info(struct cv_rule_info *info, const struct cv_rule_stats *stats, uint64_t now)
{
	info->packets = stats->packets;
	info->bytes = stats->bytes;
	info->is_hit = stats->last_ns;
	/* A packet may come while counters are read. */
	if (info->is_hit && now > stats->last_ns)
		info->idle_seconds = (now - stats->last_ns) / CV_NS_PER_SECOND;
}

/* What live rules have counted, to those of their names. */
static int fill_infos(struct cv_instance *inst, struct cv_rule_info *infos, size_t count,
		      struct cv_err *err)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	CV_CLEANUP(cv_names_fini) struct cv_names names = { 0 };
	CV_CLEANUP(cv_counters_close) struct cv_counters *counters = NULL;
	uint64_t now = now_ns();
	int rc = cv_live_rules(inst, &live, err);

	if (!rc)
		rc = name_rules(&names, &live, err);
	if (!rc)
		rc = cv_counters_open(&counters, inst, err);
	for (size_t i = 0; !rc && i < count; i++) {
		const struct cv_rule *rule = find_rule(&live, &names, infos[i].name);
		struct cv_rule_stats stats = { 0 };

		if (rule)
			stats = cv_counters_sum(counters, rule->id);
		fill_info(&infos[i], &stats, now);
	}
	return rc;
}

int cv_rule_list(struct cv_instance *inst, const struct cv_state *state, struct cv_rule_info **out,
		 size_t *count, struct cv_err *err)
{
	CV_FREE struct cv_rule_info *infos = calloc(state->rule_count + 1, sizeof(*infos));
	CV_FREE size_t *order = calloc(state->rule_count + 1, sizeof(*order));
	int rc = 0;

	if (!infos || !order)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	if (cv_rule_order(state, order))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	for (size_t i = 0; i < state->rule_count; i++) {
		infos[i].index = order[i];
		memcpy(infos[i].name, state->rules[order[i]].name, sizeof(infos[i].name));
	}
	if (state->rule_count)
		rc = fill_infos(inst, infos, state->rule_count, err);
	if (rc)
		return rc;
	*count = state->rule_count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
