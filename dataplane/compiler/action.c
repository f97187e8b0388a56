/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a rule does: an action of the state becomes members of struct cv_rule here. */
#include "action.h"

#include <string.h>

#define BITS_A_BYTE 8
#define MIN_BURST_BYTES 65536 /* the largest packet */
#define BURSTS_PER_SECOND 100 /* without a burst: what passes in 10 ms */

static const uint8_t verdicts[] = {
	[CV_NEXT] = CV_VERDICT_NEXT,
	[CV_ACCEPT] = CV_VERDICT_ACCEPT,
	[CV_DROP] = CV_VERDICT_DROP,
	[CV_CONTINUE] = CV_VERDICT_CONTINUE,
};

static const uint8_t scopes[] = {
	[CV_PER_RULE] = CV_POLICE_RULE,
	[CV_PER_APP] = CV_POLICE_APP,
	[CV_PER_SOURCE] = CV_POLICE_SOURCE,
};

static const uint8_t ways[] = {
	[CV_TO_EGRESS] = CV_REDIRECT_EGRESS,
	[CV_TO_INGRESS] = CV_REDIRECT_INGRESS,
	[CV_TO_NEIGHBOUR] = CV_REDIRECT_NEIGH,
};

static void add_mark(struct cv_rule *rule, uint32_t mark, uint32_t mask)
{
	rule->flags |= CV_ACTION_MARK;
	rule->mark |= mark;
	rule->mark_mask |= mask;
}

/* The mark that the rule gives, and that of the app as which packets are to be routed: they have no
 * bit in common. An app without a mark was left out of a lenient plan. */
static void fill_mark(const struct cv_state *state, const struct cv_resolver *resolver,
		      const struct cv_action_conf *action, struct cv_rule *rule)
{
	const struct cv_app *app;

	if (action->has_mark)
		add_mark(rule, action->mark,
			 action->has_mark_mask ? action->mark_mask : ~state->mark_mask);
	app = action->route_mark[0] ? resolver->app(resolver->arg, action->route_mark) : NULL;
	if (app && app->mark)
		add_mark(rule, app->mark, state->mark_mask);
}

static void fill_police(const struct cv_action_conf *action, struct cv_compiled_rule *out)
{
	uint64_t rate = action->police_bits_ps / BITS_A_BYTE, burst = action->police_burst_bytes;

	if (!rate)
		return;
	if (!burst)
		burst = rate / BURSTS_PER_SECOND;
	if (!action->police_burst_bytes && burst < MIN_BURST_BYTES)
		burst = MIN_BURST_BYTES;
	out->rule.flags |= CV_ACTION_POLICE;
	out->actions.police_bytes_ps = rate;
	out->actions.police_burst_bytes = burst;
	out->actions.police_per = scopes[action->police_scope];
}

/* A device that a lenient plan does not find has index 0. */
static void fill_devices(const struct cv_resolver *resolver, const struct cv_action_conf *action,
			 struct cv_compiled_rule *out)
{
	if (action->mirror[0]) {
		out->rule.flags |= CV_ACTION_MIRROR;
		out->actions.mirror_ifindex = resolver->ifindex(resolver->arg, action->mirror);
	}
	if (action->redirect[0]) {
		out->rule.flags |= CV_ACTION_REDIRECT;
		out->actions.redirect_ifindex = resolver->ifindex(resolver->arg, action->redirect);
		out->actions.redirect_to = ways[action->redirect_way];
	}
}

static void fill_more(const struct cv_resolver *resolver, const struct cv_action_conf *action,
		      struct cv_compiled_rule *out)
{
	fill_police(action, out);
	fill_devices(resolver, action, out);
	if (action->pace_bits_ps) {
		out->rule.flags |= CV_ACTION_PACE;
		out->actions.pace_bytes_ps = action->pace_bits_ps / BITS_A_BYTE;
	}
	if (action->sample_one_in) {
		out->rule.flags |= CV_ACTION_SAMPLE;
		out->actions.sample_one_in = action->sample_one_in;
	}
}

void cv_compile_actions(const struct cv_state *state, const struct cv_resolver *resolver,
			const struct cv_rule_conf *conf, struct cv_compiled_rule *out)
{
	const struct cv_action_conf *action = &conf->action;
	struct cv_rule *rule = &out->rule;

	memcpy(rule->name, conf->name, sizeof(conf->name));
	rule->id = resolver->rule_id(resolver->arg, conf->name);
	rule->flags = (action->has_priority ? CV_ACTION_PRIORITY : 0) |
		      (action->has_dscp ? CV_ACTION_DSCP : 0);
	rule->priority = action->priority;
	rule->dscp = action->dscp;
	rule->verdict = verdicts[action->verdict];
	fill_mark(state, resolver, action, rule);
	fill_more(resolver, action, out);
}

bool cv_action_needs_owner(const struct cv_state *state, const struct cv_action_conf *action)
{
	bool is_per_app = action->police_bits_ps && action->police_scope == CV_PER_APP;

	return is_per_app || (action->sample_one_in && state->app_count);
}
