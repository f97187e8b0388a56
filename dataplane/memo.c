/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What rules came to: see memo.h. */
#include "memo.h"

#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "own.h"
#include "plan.h"

#define CV_SLOTS 1024 /* of devices, by name: a power of two, more than there can be */

/* ---- names ---- */

/* What is known of one name, to be hashed; padding is zero. */
struct known {
	char name[CV_NAME_LEN];
	uint32_t id;
	uint32_t mark;
};

static void know_app(const struct cv_plan *plan, const char *name, struct known *known)
{
	const struct cv_app *app = cv_plan_app(plan, name);

	memcpy(known->name, name, strlen(name));
	known->id = app ? app->id : 0;
	known->mark = app ? app->mark : 0;
}

/* 0 without memory. */
static uint64_t hash_names(const struct cv_plan *plan)
{
	const struct cv_state *state = plan->state;
	size_t count = state->app_count + state->tunnel_count;
	CV_FREE struct known *known = calloc(count + 1, sizeof(*known));
	const struct cv_piece pieces[] = {
		{ (const char *)known, count * sizeof(*known) },
		{ (const char *)&plan->acts->inst->netns_cookie, sizeof(uint64_t) },
	};

	if (!known)
		return 0;
	for (size_t i = 0; i < state->app_count; i++)
		know_app(plan, state->apps[i].name, &known[i]);
	for (size_t i = 0; i < state->tunnel_count; i++) {
		struct known *tunnel = &known[state->app_count + i];

		memcpy(tunnel->name, state->tunnels[i].name, strlen(state->tunnels[i].name));
		tunnel->id = plan->tunnel_plans[i].id;
	}
	return cv_texts_hash(pieces, sizeof(pieces) / sizeof(*pieces));
}

/* ---- devices ---- */

/* Which are noted already. */
struct noted {
	uint16_t slots[CV_SLOTS]; /* number + 1 of a device; 0: free */
	bool is_full; /* there are more than a memo holds */
};

static uint32_t slot_of(const struct cv_memo *memo, const struct noted *noted, const char *name)
{
	uint32_t slot = cv_hash_bytes(0, name, strlen(name)) % CV_SLOTS;

	while (noted->slots[slot] && strcmp(memo->devices[noted->slots[slot] - 1].name, name) != 0)
		slot = (slot + 1) % CV_SLOTS;
	return slot;
}

static void note_device(struct cv_memo *memo, struct noted *noted, const struct cv_plan *plan,
			const char *name)
{
	uint32_t slot;

	if (!name[0] || noted->is_full)
		return;
	slot = slot_of(memo, noted, name);
	if (noted->slots[slot])
		return;
	noted->is_full = memo->device_count == CV_MEMO_DEVICES;
	if (noted->is_full)
		return;
	memcpy(memo->devices[memo->device_count].name, name, strlen(name));
	memo->devices[memo->device_count].ifindex = cv_rule_ifindex(plan, name);
	noted->slots[slot] = ++memo->device_count;
}

/* False if there are too many. */
static bool note_devices(struct cv_memo *memo, const struct cv_plan *plan)
{
	struct noted noted = { .is_full = false };

	for (size_t i = 0; i < plan->state->rule_count; i++) {
		const struct cv_rule_conf *rule = &plan->state->rules[i];

		note_device(memo, &noted, plan, rule->match.dev);
		note_device(memo, &noted, plan, rule->action.redirect);
		note_device(memo, &noted, plan, rule->action.mirror);
	}
	return !noted.is_full;
}

/* ---- memos ---- */

/* Rates that are measured, what is routed anew and files are looked at each time. */
static bool is_plain(const struct cv_state *state)
{
	for (size_t i = 0; i < state->set_count; i++)
		if (state->sets[i].file)
			return false;
	for (size_t i = 0; i < state->rule_count; i++)
		if (state->rules[i].action.route_mark[0] || state->rules[i].action.police_bits_ps ||
		    state->rules[i].action.pace_bits_ps)
			return false;
	return true;
}

void cv_memo_make(struct cv_memo *memo, const struct cv_plan *plan)
{
	memset(memo, 0, sizeof(*memo)); /* it is written */
	if (!is_plain(plan->state) || !note_devices(memo, plan))
		return;
	memo->names = hash_names(plan);
	if (memo->names)
		memo->image = cv_banks_hash(plan->banks);
}

static bool has_device(const struct cv_memo *memo, const char *name)
{
	for (uint32_t i = 0; i < memo->device_count; i++)
		if (!strcmp(memo->devices[i].name, name))
			return true;
	return !name[0];
}

bool cv_memo_covers(const struct cv_memo *memo, const struct cv_state *state)
{
	bool covers = memo->image && is_plain(state);

	for (size_t i = 0; covers && i < state->rule_count; i++)
		covers = has_device(memo, state->rules[i].match.dev) &&
			 has_device(memo, state->rules[i].action.redirect) &&
			 has_device(memo, state->rules[i].action.mirror);
	return covers;
}

bool cv_memo_holds(const struct cv_memo *memo, const struct cv_plan *plan)
{
	if (!memo->image || memo->device_count > CV_MEMO_DEVICES || memo->names != hash_names(plan))
		return false;
	for (uint32_t i = 0; i < memo->device_count; i++)
		if (cv_rule_ifindex(plan, memo->devices[i].name) != memo->devices[i].ifindex)
			return false;
	return memo->image == cv_banks_hash(plan->banks);
}
