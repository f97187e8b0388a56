/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether rules make sense: what each asks for can be met, and what it names is there. */
#include <netinet/in.h>
#include <string.h>

#include "abi.h"
#include "check.h"

static bool ports_need_proto(const struct cv_match_conf *match)
{
	return match->sport.count || match->dport.count;
}

static bool proto_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

/* The one family that a list of prefixes has, 0 if it has both or is empty. */
static uint8_t family_of(const struct cv_prefixes *prefixes)
{
	uint8_t family = prefixes->count ? prefixes->items[0].addr.family : 0;

	for (size_t i = 1; i < prefixes->count; i++)
		if (prefixes->items[i].addr.family != family)
			return 0;
	return family;
}

static void check_match(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;
	const struct cv_place *place = &rule->place;
	uint8_t src = family_of(&match->src), dst = family_of(&match->dst);

	if (ports_need_proto(match) && !(match->has_proto && proto_has_ports(match->proto)))
		FAULT(check, place, "add proto tcp or proto udp",
		      "rule %s: ports without a protocol that has them", rule->name);
	if ((src && dst && src != dst) || (match->family && src && match->family != src) ||
	    (match->family && dst && match->family != dst))
		FAULT(check, place, "", "rule %s: IPv4 and IPv6 together, it would never match",
		      rule->name);
	if (match->has_app && match->app_match == CV_APP_MATCH_NAME &&
	    !cv_state_find_app(check->state, match->app))
		FAULT(check, place, "add the app first, or mend the name",
		      "rule %s: there is no app %s", rule->name, match->app);
	if (match->app_is_exact && (!match->has_app || match->app_match == CV_APP_MATCH_NONE))
		FAULT(check, place, "add app NAME or app any, or leave exact out",
		      "rule %s: exact without an app, it would never match", rule->name);
	if (match->tunnel[0] && !cv_state_find_tunnel(check->state, match->tunnel))
		FAULT(check, place, "add the tunnel first, or mend the name",
		      "rule %s: there is no tunnel %s", rule->name, match->tunnel);
	if (match->tunnel[0] && match->dir == CV_DIR_ONLY_OUT)
		FAULT(check, place, "a tunnel is known on the way in only",
		      "rule %s: tunnel with dir out would never match", rule->name);
	if (match->has_mark && match->mark & ~match->mark_mask)
		FAULT(check, place, "", "rule %s: mark 0x%x has bits outside its mask 0x%x",
		      rule->name, match->mark, match->mark_mask);
}

static void check_action(struct check *check, const struct cv_rule_conf *rule)
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

static void check_rule(struct check *check, const struct cv_rule_conf *rule)
{
	if (cv_state_find_rule(check->state, rule->name) != rule)
		FAULT(check, &rule->place, "", "rule %s: given twice", rule->name);
	check_match(check, rule);
	check_action(check, rule);
}

void cv_check_rules(struct check *check)
{
	const struct cv_state *state = check->state;

	if (state->rule_count && !cv_check_limit(check, "rules", state->rule_count, CV_MAX_RULES,
						 &state->rules[state->rule_count - 1].place))
		return;
	for (size_t i = 0; i < state->rule_count; i++)
		check_rule(check, &state->rules[i]);
}
