/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a rule does, as the packet path reads it. */
#ifndef CV_ACTION_H
#define CV_ACTION_H

#include "compile.h"

/* Fills out (zeroed by the caller) with its name, the number of its counters and its actions. */
void cv_compile_actions(const struct cv_state *state, const struct cv_resolver *resolver,
			const struct cv_rule_conf *conf, struct cv_compiled_rule *out);

/* True if the action has to know whose packets are: to have a rate for each app, or to tell of them. */
bool cv_action_needs_owner(const struct cv_state *state, const struct cv_action_conf *action);

#endif
