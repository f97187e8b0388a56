/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rule compiler: see compile.h. */
#include "compile.h"

#include <errno.h>
#include <string.h>

#include "action.h"
#include "own.h"

#define CV_DIR_BIT(dir) (1 << (dir))

/* A compilation at work. */
struct compile {
	struct cv_rules *out;
	const struct cv_state *state;
	const struct cv_resolver *resolver;
	size_t room; /* for matches */
};

/* Insertion sort: stable, and the count is bounded. */
void cv_rule_order(const struct cv_state *state, size_t *order)
{
	for (size_t i = 0; i < state->rule_count; i++) {
		size_t at = i;

		for (; at && cv_rule_conf_prio(&state->rules[order[at - 1]]) >
				     cv_rule_conf_prio(&state->rules[i]);
		     at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

/* ---- one rule ---- */

static void prefix_to_abi(const struct cv_prefix *prefix, __be32 addr[4], __be32 mask[4])
{
	uint8_t bytes[16] = { 0 };

	for (unsigned int bit = 0; bit < prefix->bits; bit++)
		bytes[bit / 8] |= 0x80 >> bit % 8;
	memcpy(mask, bytes, sizeof(bytes));
	memcpy(addr, prefix->addr.bytes, sizeof(bytes));
}

static void set_family(struct cv_match *match, uint8_t family)
{
	if (!family)
		return;
	match->flags |= CV_MATCH_FAMILY;
	match->family = family;
}

/* Conditions that are not lists, and not the owner. False if no packet can meet them: a name that a
 * lenient plan left out. */
static bool fill_plain(const struct compile *compile, const struct cv_match_conf *conf,
		       struct cv_match *match)
{
	const struct cv_resolver *resolver = compile->resolver;

	set_family(match, conf->family);
	if (conf->has_proto) {
		match->flags |= CV_MATCH_PROTO;
		match->proto = conf->proto;
	}
	if (conf->has_dscp) {
		match->flags |= CV_MATCH_DSCP;
		match->extra.dscps = 1ULL << conf->dscp;
	}
	if (conf->has_mark) {
		match->flags |= CV_MATCH_MARK;
		match->extra.mark = conf->mark;
		match->extra.mark_mask = conf->mark_mask;
	}
	if (conf->dev[0]) {
		match->flags |= CV_MATCH_DEV;
		match->extra.ifindex = resolver->ifindex(resolver->arg, conf->dev);
	}
	if (conf->tunnel[0]) {
		match->flags |= CV_MATCH_TUNNEL;
		match->extra.tunnel = resolver->tunnel(resolver->arg, conf->tunnel);
	}
	return (!conf->dev[0] || match->extra.ifindex) && (!conf->tunnel[0] || match->extra.tunnel);
}

/* Whether the owner that a rule asks for can be told. */
enum owner {
	OWNER_TOLD, /* the match says it */
	OWNER_NEVER, /* no packet can meet it */
	OWNER_UNKNOWN, /* before encapsulation nobody can say */
};

/* Adds "the socket's mark is that of this app". */
static enum owner require_mark(const struct compile *compile, const struct cv_app *app,
			       struct cv_match *match)
{
	uint32_t mask = compile->state->mark_mask;

	if ((match->extra.mark ^ app->mark) & match->extra.mark_mask & mask)
		return OWNER_NEVER;
	match->flags |= CV_MATCH_MARK;
	match->extra.mark |= app->mark;
	match->extra.mark_mask |= mask;
	return OWNER_TOLD;
}

/*
 * Before encapsulation sockets cannot be asked, but those of a routed app carry its mark, so there
 * the condition is one on the mark; an app that is not routed has none, and cannot be told from
 * "none". A mark does not say how the app is known: with "exact" it is only a part of what is asked.
 */
static enum owner fill_app_by_mark(const struct compile *compile, const struct cv_match_conf *conf,
				   const struct cv_app *app, struct cv_match *match)
{
	enum owner owner = app && app->mark ? require_mark(compile, app, match) : OWNER_UNKNOWN;

	return owner == OWNER_TOLD && conf->app_is_exact ? OWNER_UNKNOWN : owner;
}

/* The owner. */
static enum owner fill_app(const struct compile *compile, const struct cv_match_conf *conf,
			   const struct cv_app *app, struct cv_match *match)
{
	if (!conf->has_app)
		return OWNER_TOLD;
	if (conf->app_match == CV_APP_MATCH_NAME && !app)
		return OWNER_NEVER; /* left out of a lenient plan: nobody is that app */
	if (match->dirs == CV_DIR_BIT(CV_DIR_ENCAP))
		return fill_app_by_mark(compile, conf, app, match);
	match->flags |= CV_MATCH_APP | (conf->app_is_exact ? CV_MATCH_EXACT : 0);
	match->extra.app = app					 ? app->id
			   : conf->app_match == CV_APP_MATCH_ANY ? CV_APP_ANY
								 : CV_APP_NONE;
	return OWNER_TOLD;
}

/* ---- lists multiplied out ---- */

static int emit(struct compile *compile, const struct cv_rule_conf *conf,
		const struct cv_match *match, struct cv_err *err)
{
	struct cv_rules *out = compile->out;

	if (out->match_count == compile->room) {
		size_t room = compile->room ? compile->room * 2 : 64;
		struct cv_match *grown = reallocarray(out->matches, room, sizeof(*grown));

		if (!grown)
			return cv_err_set(err, -ENOMEM, "rule %s: out of memory", conf->name);
		out->matches = grown;
		compile->room = room;
	}
	out->matches[out->match_count++] = *match;
	return 0;
}

static const struct cv_range any_port = { 0, UINT16_MAX };

static int emit_ports(struct compile *compile, const struct cv_rule_conf *conf,
		      const struct cv_match *base, struct cv_err *err)
{
	const struct cv_ranges *sport = &conf->match.sport, *dport = &conf->match.dport;
	struct cv_match match = *base;

	if (!sport->count && !dport->count)
		return emit(compile, conf, base, err);
	match.flags |= CV_MATCH_PORTS;
	for (size_t s = 0; s < (sport->count ? sport->count : 1); s++) {
		const struct cv_range *src = sport->count ? &sport->items[s] : &any_port;

		for (size_t d = 0; d < (dport->count ? dport->count : 1); d++) {
			const struct cv_range *dst = dport->count ? &dport->items[d] : &any_port;
			int rc;

			match.sport_min = src->min;
			match.sport_max = src->max;
			match.dport_min = dst->min;
			match.dport_max = dst->max;
			rc = emit(compile, conf, &match, err);
			if (rc)
				return rc;
		}
	}
	return 0;
}

/* Adds a prefix as source or destination. False if its family is another than the match has. */
static bool add_prefix(struct cv_match *match, const struct cv_prefix *prefix, bool is_src)
{
	if (match->flags & CV_MATCH_FAMILY && match->family != prefix->addr.family)
		return false;
	set_family(match, prefix->addr.family);
	match->flags |= is_src ? CV_MATCH_SRC : CV_MATCH_DST;
	if (is_src)
		prefix_to_abi(prefix, match->src, match->src_mask);
	else
		prefix_to_abi(prefix, match->dst, match->dst_mask);
	return true;
}

static int emit_destinations(struct compile *compile, const struct cv_rule_conf *conf,
			     const struct cv_match *base, struct cv_err *err)
{
	const struct cv_prefixes *dst = &conf->match.dst;
	int rc = 0;

	if (!dst->count)
		return emit_ports(compile, conf, base, err);
	for (size_t i = 0; !rc && i < dst->count; i++) {
		struct cv_match match = *base;

		if (add_prefix(&match, &dst->items[i], false))
			rc = emit_ports(compile, conf, &match, err);
	}
	return rc;
}

static int emit_sources(struct compile *compile, const struct cv_rule_conf *conf,
			const struct cv_match *base, struct cv_err *err)
{
	const struct cv_prefixes *src = &conf->match.src;
	int rc = 0;

	if (!src->count)
		return emit_destinations(compile, conf, base, err);
	for (size_t i = 0; !rc && i < src->count; i++) {
		struct cv_match match = *base;

		if (add_prefix(&match, &src->items[i], true))
			rc = emit_destinations(compile, conf, &match, err);
	}
	return rc;
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
	enum owner owner;

	if (!dirs || !fill_plain(compile, &conf->match, &match))
		return 0;
	owner = fill_app(compile, &conf->match, app, &match);
	if (owner == OWNER_NEVER ||
	    (owner == OWNER_UNKNOWN && !is_asked_unknown(conf, &compile->out->rules[index].rule)))
		return 0;
	return emit_sources(compile, conf, &match, err);
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

/* What has to be known of packets because of one match of a rule. */
static uint32_t needs_of(const struct compile *compile, const struct cv_rule_conf *conf,
			 const struct cv_match *match)
{
	bool needs_owner =
		match->flags & CV_MATCH_APP || cv_action_needs_owner(compile->state, &conf->action);
	uint32_t needs = 0;

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
	int rc;

	cv_compile_actions(compile->state, compile->resolver, conf, &out->rules[index]);
	if (conf->match.has_app)
		rc = compile_rule_of_app(compile, conf, index, err);
	else
		rc = emit_rule(compile, conf, index, dirs_of(&conf->match), NULL, err);
	for (size_t i = first; !rc && i < out->match_count; i++)
		out->flags |= needs_of(compile, conf, &out->matches[i]);
	return rc;
}

int cv_compile(struct cv_rules *out, const struct cv_state *state,
	       const struct cv_resolver *resolver, struct cv_err *err)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	struct compile compile = { .out = &rules, .state = state, .resolver = resolver };
	CV_FREE size_t *order = calloc(state->rule_count + 1, sizeof(*order));
	int rc = 0;

	rules.rules = calloc(state->rule_count + 1, sizeof(*rules.rules));
	if (!order || !rules.rules)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	if (state->rule_count > CV_MAX_RULES) {
		cv_err_input(err, "%zu rules: more than the %u that one instance holds",
			     state->rule_count, CV_MAX_RULES);
		return cv_err_at(err, &state->rules[CV_MAX_RULES].place);
	}
	rules.rule_count = state->rule_count;
	cv_rule_order(state, order);
	for (size_t i = 0; !rc && i < state->rule_count; i++)
		rc = compile_rule(&compile, &state->rules[order[i]], i, err);
	if (rc)
		return rc;
	*out = rules;
	rules = (struct cv_rules){ 0 };
	return 0;
}
