/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rule compiler: see compile.h. */
#include "compile.h"

#include <errno.h>
#include <string.h>

#include "action.h"
#include "compile_parts.h"
#include "own.h"

/* ---- order ---- */

/* What is asked first is the smaller number: prio, then index. */
static int compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int cv_rule_order(const struct cv_state *state, size_t *order)
{
	CV_FREE uint64_t *keys = calloc(state->rule_count + 1, sizeof(*keys));
	bool is_sorted = true;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < state->rule_count; i++) {
		keys[i] = (uint64_t)cv_rule_conf_prio(&state->rules[i]) << 32 | i;
		is_sorted = is_sorted && (!i || keys[i - 1] < keys[i]);
	}
	if (!is_sorted)
		qsort(keys, state->rule_count, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < state->rule_count; i++)
		order[i] = (uint32_t)keys[i];
	return 0;
}

/* ---- one rule ---- */

/* Whether the owner that a rule asks for can be told. */
enum owner {
	OWNER_TOLD, /* the match says it */
	OWNER_NEVER, /* no packet can meet it */
	OWNER_UNKNOWN, /* before encapsulation nobody can say */
};

static void add_mark(struct cv_mark_conditions *marks, uint32_t mark, uint32_t mask, bool is_not)
{
	marks->items[marks->count++] = (struct cv_mark_condition){ mark, mask, is_not };
}

/*
 * Before encapsulation sockets cannot be asked, but those of a routed app carry its mark, so there
 * the condition is one on the mark; an app that is not routed has none, and cannot be told from
 * "none". A mark does not say how the app is known: with "exact" it is only a part of what is asked.
 */
static enum owner fill_app_by_mark(const struct compile *compile, const struct cv_match_conf *conf,
				   const struct cv_app *app, struct cv_mark_conditions *marks)
{
	if (!app || !app->mark)
		return OWNER_UNKNOWN;
	add_mark(marks, app->mark, compile->state->mark_mask,
		 cv_match_conf_is_not(conf, CV_FIELD_APP));
	return conf->app_is_exact ? OWNER_UNKNOWN : OWNER_TOLD;
}

static void fill_app_by_socket(const struct cv_match_conf *conf, const struct cv_app *app,
			       struct cv_match *match)
{
	match->flags |= CV_MATCH_APP;
	match->extra.app = app					 ? app->id
			   : conf->app_match == CV_APP_MATCH_ANY ? CV_APP_ANY
								 : CV_APP_NONE;
	if (cv_match_conf_is_not(conf, CV_FIELD_APP))
		match->extra.not_flags |= CV_MATCH_APP;
}

/* The owner. */
static enum owner fill_app(const struct compile *compile, const struct cv_match_conf *conf,
			   const struct cv_app *app, struct cv_match *match,
			   struct cv_mark_conditions *marks)
{
	bool is_nobody = conf->app_match == CV_APP_MATCH_NAME && !app; /* of a lenient plan */

	if (!conf->has_app)
		return OWNER_TOLD;
	if (is_nobody && !cv_match_conf_is_not(conf, CV_FIELD_APP))
		return OWNER_NEVER;
	if (match->dirs == CV_DIR_BIT(CV_DIR_ENCAP))
		return is_nobody && !conf->app_is_exact
			       ? OWNER_TOLD
			       : fill_app_by_mark(compile, conf, app, marks);
	if (!is_nobody)
		fill_app_by_socket(conf, app, match);
	match->flags |= conf->app_is_exact ? CV_MATCH_EXACT : 0;
	return OWNER_TOLD;
}

/* Notes what a rule is whose owner is unknown. False if it is left out. */
static bool is_asked_unknown(const struct cv_rule_conf *conf, struct cv_rule *rule)
{
	bool is_seen_later = rule->flags & (CV_ACTION_MARK | CV_ACTION_DSCP);

	if (conf->action.verdict == CV_CONTINUE && is_seen_later)
		rule->flags |= CV_ACTION_UNSURE;
	return conf->action.verdict != CV_DROP &&
	       (conf->action.verdict != CV_CONTINUE || is_seen_later);
}

/*
 * Where the owner is unknown a rule that drops is left out, and one that lets pass stands for every
 * owner; so does one that may or may not change what later rules see: a packet is never dropped before
 * encapsulation that the rules would not drop.
 */
static int emit_rule(struct compile *compile, const struct cv_rule_conf *conf, uint32_t index,
		     uint8_t dirs, const struct cv_app *app, struct cv_err *err)
{
	struct cv_match match = { .rule = index, .dirs = dirs };
	struct cv_mark_conditions marks = { .count = 0 };
	enum owner owner;
	int rc;

	if (!dirs)
		return 0;
	rc = cv_compile_conditions(compile, conf, &match, err);
	if (rc <= 0)
		return rc;
	if (conf->match.has_mark)
		add_mark(&marks, conf->match.mark, conf->match.mark_mask,
			 cv_match_conf_is_not(&conf->match, CV_FIELD_MARK));
	owner = fill_app(compile, &conf->match, app, &match, &marks);
	if (owner == OWNER_NEVER ||
	    (owner == OWNER_UNKNOWN && !is_asked_unknown(conf, &compile->out->rules[index].rule)))
		return 0;
	return cv_multiply(compile, conf, &match, &marks, err);
}

/* Directions in which the rule is asked, as bits. */
static uint8_t dirs_of(const struct cv_match_conf *match)
{
	uint8_t dirs = 0;

	if (match->dir != CV_DIR_ONLY_OUT)
		dirs |= CV_DIR_BIT(CV_DIR_IN);
	/* A tunnel that a packet came out of is known on its way in only. */
	if (match->dir != CV_DIR_ONLY_IN && !match->tunnel[0])
		dirs |= CV_DIR_BIT(CV_DIR_OUT) | CV_DIR_BIT(CV_DIR_ENCAP);
	/* Before encapsulation there is no frame yet. */
	if (match->vlan.count || cv_match_conf_set(match, CV_FIELD_VLAN))
		dirs &= ~CV_DIR_BIT(CV_DIR_ENCAP);
	return dirs;
}

/* A rule with an app asks for the socket, but before encapsulation for the mark; there one condition
 * "any app" becomes one for each app. */
static int compile_rule_of_app(struct compile *compile, const struct cv_rule_conf *conf,
			       uint32_t index, struct cv_err *err)
{
	const struct cv_resolver *resolver = compile->resolver;
	const struct cv_match_conf *match = &conf->match;
	bool is_named = match->app_match == CV_APP_MATCH_NAME;
	const struct cv_app *app = is_named ? resolver->app(resolver->arg, match->app) : NULL;
	uint8_t encap = dirs_of(match) & CV_DIR_BIT(CV_DIR_ENCAP);
	int rc = emit_rule(compile, conf, index, dirs_of(match) & ~encap, app, err);

	if (!rc && match->app_match != CV_APP_MATCH_ANY)
		return emit_rule(compile, conf, index, encap, app, err);
	for (size_t i = 0; !rc && i < compile->state->app_count; i++) {
		app = resolver->app(resolver->arg, compile->state->apps[i].name);
		rc = emit_rule(compile, conf, index, encap, app, err);
	}
	return rc;
}

static uint32_t fields_of_set(const struct cv_set_ref *ref)
{
	if (!ref->set)
		return 0;
	return ref->field == CV_SET_FIELD_VLAN	? CV_RULES_NEED_LINK
	       : ref->field == CV_SET_FIELD_LEN ? CV_RULES_NO_CACHE
						: 0;
}

uint32_t cv_match_needs(const struct cv_match *match)
{
	uint32_t flags = match->flags;
	uint32_t needs = 0;

	if (flags & CV_MATCH_TCP_FLAGS)
		needs |= CV_RULES_NEED_TCP;
	if (flags & (CV_MATCH_ICMP_TYPE | CV_MATCH_ICMP_CODE))
		needs |= CV_RULES_NEED_ICMP;
	if (flags & (CV_MATCH_VLAN | CV_MATCH_ETHERTYPE))
		needs |= CV_RULES_NEED_LINK;
	if (flags & CV_MATCH_QUOTED)
		needs |= CV_RULES_NEED_QUOTED;
	if (flags & (CV_MATCH_LEN | CV_MATCH_FLOW_LABEL))
		needs |= CV_RULES_NO_CACHE;
	for (int i = 0; flags & CV_MATCH_SETS && i < CV_MAX_SET_REFS; i++)
		needs |= fields_of_set(&match->extra.sets[i]);
	return needs;
}

/* What has to be known of packets because of one match of a rule. */
static uint32_t needs_of(const struct compile *compile, const struct cv_rule_conf *conf,
			 const struct cv_match *match)
{
	bool needs_owner = match->flags & (CV_MATCH_APP | CV_MATCH_EXACT) ||
			   cv_action_needs_owner(compile->state, &conf->action);
	uint32_t needs = cv_match_needs(match);

	for (enum cv_direction dir = CV_DIR_IN; dir <= CV_DIR_OUT; dir++)
		if (needs_owner && match->dirs & CV_DIR_BIT(dir))
			needs |= CV_RULES_NEED_OWNER(dir);
	if (match->dirs & CV_DIR_BIT(CV_DIR_ENCAP) && conf->action.verdict == CV_DROP)
		needs |= CV_RULES_DROP_ENCAP;
	return needs;
}

static int compile_rule(struct compile *compile, const struct cv_rule_conf *conf, uint32_t index,
			struct cv_err *err)
{
	struct cv_rules *out = compile->out;
	size_t first = out->match_count;
	uint32_t needs = 0;
	int rc;

	cv_compile_actions(compile->state, compile->resolver, conf, &out->rules[index]);
	if (conf->match.has_app)
		rc = compile_rule_of_app(compile, conf, index, err);
	else
		rc = emit_rule(compile, conf, index, dirs_of(&conf->match), NULL, err);
	for (size_t i = first; !rc && i < out->match_count; i++)
		needs |= needs_of(compile, conf, &out->matches[i]);
	out->flags |= needs;
	for (; needs; needs &= needs - 1)
		out->needs[__builtin_ctz(needs)]++;
	return rc;
}

static void free_slots(struct compile *compile)
{
	free(compile->set_slots);
}

int cv_compile(struct cv_rules *out, const struct cv_state *state,
	       const struct cv_resolver *resolver, struct cv_err *err)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	CV_CLEANUP(free_slots)
	struct compile compile = { .out = &rules,
				   .state = state,
				   .resolver = resolver,
				   .max_matches = CV_MAX_CONJUNCTIONS };
	CV_FREE size_t *order = calloc(state->rule_count + 1, sizeof(*order));
	int rc = 0;

	if (state->rule_count > CV_MAX_RULES) {
		cv_err_input(err, "%zu rules: more than the %u that one instance holds",
			     state->rule_count, CV_MAX_RULES);
		return cv_err_at(err, &state->rules[CV_MAX_RULES].place);
	}
	rules.rules = calloc(state->rule_count + 1, sizeof(*rules.rules));
	if (!order || !rules.rules)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rules.rule_count = state->rule_count;
	if (cv_rule_order(state, order))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_compile_sets(&compile, err);
	for (size_t i = 0; !rc && i < state->rule_count; i++)
		rc = compile_rule(&compile, &state->rules[order[i]], i, err);
	if (rc)
		return rc;
	*out = rules;
	rules = (struct cv_rules){ 0 };
	return 0;
}
