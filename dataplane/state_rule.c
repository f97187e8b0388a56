/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules of the wanted state. There may be a million of them, so they are found by a hash of their name;
 * they stay in the order of adding. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"

static uint64_t hash_of(const char *name)
{
	uint64_t hash = 0;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 0x100000001b3; /* FNV-1a */
	return hash ^ hash >> 29;
}

/* Makes room for one more: twice as much as before, and every rule is linked anew. */
static int grow(struct cv_state *state)
{
	size_t room = state->rule_chains.room ? state->rule_chains.room * 2 : 16;
	struct cv_rule_conf *rules;

	if (state->rule_count < state->rule_chains.room)
		return 0;
	rules = reallocarray(state->rules, room, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	state->rules = rules;
	if (cv_chains_grow(&state->rule_chains, room))
		return -ENOMEM;
	for (size_t i = 0; i < state->rule_count; i++)
		cv_chains_link(&state->rule_chains, hash_of(rules[i].name), i);
	return 0;
}

int cv_state_add_rule(struct cv_state *state, struct cv_rule_conf *conf, struct cv_err *err)
{
	if (grow(state)) {
		cv_rule_conf_fini(conf);
		return cv_err_set(err, -ENOMEM, "state: out of memory");
	}
	cv_chains_link(&state->rule_chains, hash_of(conf->name), state->rule_count);
	state->rules[state->rule_count++] = *conf;
	return 0;
}

struct cv_rule_conf *cv_state_find_rule(const struct cv_state *state, const char *name)
{
	uint32_t found = CV_NOBODY, number;

	if (!state->rule_count)
		return NULL;
	number = cv_chains_first(&state->rule_chains, hash_of(name));
	for (; number != CV_NOBODY; number = state->rule_chains.next[number])
		if (number < found && !strcmp(state->rules[number].name, name))
			found = number;
	return found == CV_NOBODY ? NULL : &state->rules[found];
}

void cv_state_del_rule(struct cv_state *state, struct cv_rule_conf *conf)
{
	uint32_t number = conf - state->rules;

	cv_chains_unlink(&state->rule_chains, hash_of(conf->name), number);
	cv_chains_shift(&state->rule_chains, number, state->rule_count);
	cv_rule_conf_fini(conf);
	memmove(conf, conf + 1, (--state->rule_count - number) * sizeof(*conf));
}

void cv_state_fini_rules(struct cv_state *state)
{
	for (size_t i = 0; i < state->rule_count; i++)
		cv_rule_conf_fini(&state->rules[i]);
	free(state->rules);
	cv_chains_fini(&state->rule_chains);
}
