/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a rule does: an action of the state becomes members of struct cv_rule here. */
#include "action.h"

#include <string.h>

static uint8_t verdict_of(const struct cv_rule_conf *conf)
{
	return conf->action.verdict == CV_DROP	   ? CV_VERDICT_DROP
	       : conf->action.verdict == CV_ACCEPT ? CV_VERDICT_ACCEPT
						   : CV_VERDICT_NEXT;
}

void cv_compile_actions(const struct cv_state *state, const struct cv_resolver *resolver,
			const struct cv_rule_conf *conf, struct cv_compiled_rule *out)
{
	const struct cv_action_conf *action = &conf->action;
	struct cv_rule *rule = &out->rule;
	uint32_t every_other_bit = ~state->mark_mask;

	memcpy(rule->name, conf->name, sizeof(conf->name));
	rule->id = resolver->rule_id(resolver->arg, conf->name);
	rule->flags = (action->has_mark ? CV_ACTION_MARK : 0) |
		      (action->has_priority ? CV_ACTION_PRIORITY : 0) |
		      (action->has_dscp ? CV_ACTION_DSCP : 0);
	if (action->has_mark) {
		rule->mark = action->mark;
		rule->mark_mask = action->has_mark_mask ? action->mark_mask : every_other_bit;
	}
	rule->priority = action->priority;
	rule->dscp = action->dscp;
	rule->verdict = verdict_of(conf);
}
