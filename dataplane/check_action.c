/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether what a rule does can be done: by itself, together with its other actions, and to the packets
 * that it matches. */
#include <string.h>

#include "abi.h"
#include "check.h"

static void check_mark(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_action_conf *action = &rule->action;
	uint32_t ours = check->state->mark_mask;

	if (action->has_mark && action->has_mark_mask && action->mark & ~action->mark_mask)
		FAULT(check, &rule->place, "", "rule %s: mark 0x%x has bits outside its mask 0x%x",
		      rule->name, action->mark, action->mark_mask);
	if (action->has_mark &&
	    (action->mark | (action->has_mark_mask ? action->mark_mask : 0)) & ours)
		FAULT(check, &rule->place, "use other bits, or move mark-mask",
		      "rule %s: mark 0x%x touches culvert's own bits 0x%x", rule->name,
		      action->mark, ours);
}

static void check_route_mark(struct check *check, const struct cv_rule_conf *rule)
{
	const char *app = rule->action.route_mark;

	if (!app[0])
		return;
	if (!cv_state_find_app(check->state, app))
		cv_check_missing(check, &rule->place, "app", app, "rule %s: route-mark",
				 rule->name);
	else if (!cv_state_routes_app(check->state, app))
		FAULT(check, &rule->place, "add a route with that app",
		      "rule %s: route-mark: app %s has no route", rule->name, app);
	if (rule->match.dir != CV_DIR_ONLY_IN)
		FAULT(check, &rule->place, "add dir in to match",
		      "rule %s: route-mark: what leaves is routed already", rule->name);
	if (!rule->match.dev[0] || rule->match.not_fields & 1 << CV_FIELD_DEV)
		FAULT(check, &rule->place, "add dev IFNAME to match",
		      "rule %s: route-mark: the packets come in by one device, which is not given",
		      rule->name);
}

static void check_rates(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_action_conf *action = &rule->action;

	if (!action->police_bits_ps &&
	    (action->police_burst_bytes || action->police_scope != CV_PER_RULE))
		FAULT(check, &rule->place, "add police RATE",
		      "rule %s: burst and per belong to police, which is not there", rule->name);
	if (action->pace_bits_ps && rule->match.dir != CV_DIR_ONLY_OUT)
		FAULT(check, &rule->place, "add dir out to match",
		      "rule %s: pace: only what leaves can be sent later", rule->name);
}

/* Where a packet would come to the same rule again, and again. */
static bool comes_back(const struct cv_rule_conf *rule)
{
	enum cv_dir dir =
		rule->action.redirect_way == CV_TO_INGRESS ? CV_DIR_ONLY_IN : CV_DIR_ONLY_OUT;

	return rule->match.dir == dir && rule->match.dev[0] &&
	       !(rule->match.not_fields & 1 << CV_FIELD_DEV) &&
	       !strcmp(rule->match.dev, rule->action.redirect);
}

static void check_redirect(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_action_conf *action = &rule->action;

	if (!action->redirect[0] && action->redirect_way != CV_TO_EGRESS)
		FAULT(check, &rule->place, "add redirect IFNAME",
		      "rule %s: ingress and neigh belong to redirect, which is not there",
		      rule->name);
	if (!action->redirect[0])
		return;
	if (action->has_verdict && action->verdict != CV_NEXT)
		FAULT(check, &rule->place, "leave one of the two out; mirror sends a copy",
		      "rule %s: redirect and %s: a packet goes one way", rule->name,
		      action->verdict == CV_ACCEPT ? "accept"
		      : action->verdict == CV_DROP ? "drop"
						   : "continue");
	if (comes_back(rule))
		FAULT(check, &rule->place, "", "rule %s: redirect: it is on %s already", rule->name,
		      action->redirect);
}

void cv_check_action(struct check *check, const struct cv_rule_conf *rule)
{
	check_mark(check, rule);
	check_route_mark(check, rule);
	check_rates(check, rule);
	check_redirect(check, rule);
}

void cv_check_meters(struct check *check)
{
	const struct cv_state *state = check->state;
	const struct cv_rule_conf *last = NULL;
	size_t count = 0;

	for (size_t i = 0; i < state->rule_count; i++) {
		if (!state->rules[i].action.police_bits_ps && !state->rules[i].action.pace_bits_ps)
			continue;
		last = &state->rules[i];
		count++;
	}
	if (last)
		cv_check_limit(check, "rules that police or pace", count, CV_MAX_METERS,
			       &last->place);
}
