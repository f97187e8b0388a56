/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sets that compiled rules ask: those with a name, and those that stand for a list. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile_parts.h"
#include "own.h"
#include "set.h"

#define CV_MAX_SET_NUMBER UINT16_MAX /* that cv_set_ref.set can have */

static int make_room(struct compile *compile, struct cv_err *err)
{
	struct cv_rules *out = compile->out;
	size_t room = compile->set_room ? compile->set_room * 2 : 8;
	struct cv_compiled_set *grown;

	if (out->set_count < compile->set_room)
		return 0;
	grown = reallocarray(out->sets, room, sizeof(*grown));
	if (!grown)
		return cv_err_set(err, -ENOMEM, "sets: out of memory");
	out->sets = grown;
	compile->set_room = room;
	return 0;
}

int cv_compile_sets(struct compile *compile, struct cv_err *err)
{
	const struct cv_state *state = compile->state;
	int rc = 0;

	for (size_t i = 0; !rc && i < state->set_count; i++) {
		struct cv_compiled_set *set;

		rc = make_room(compile, err);
		if (rc)
			return rc;
		set = &compile->out->sets[compile->out->set_count++];
		*set = (struct cv_compiled_set){ 0 };
		rc = cv_set_compile(set, &state->sets[i], compile->resolver->kept, err);
	}
	return rc;
}

/* ---- sets without a name, each once ---- */

static uint64_t hash_words(uint64_t hash, const struct cv_interval *intervals, size_t count)
{
	const uint64_t *words = (const uint64_t *)intervals;

	hash = (hash ^ count) * 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < count * sizeof(*intervals) / sizeof(*words); i++)
		hash = (hash ^ hash >> 29 ^ words[i]) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

static uint64_t hash_of(const struct cv_compiled_set *set)
{
	return hash_words(hash_words(0, set->numbers, set->number_count), set->addresses,
			  set->address_count);
}

/* The slot that has such a set, or a free one. */
static uint32_t *find_slot(const struct compile *compile, const struct cv_compiled_set *set)
{
	size_t mask = compile->slot_count - 1;
	size_t at = hash_of(set) & mask;

	while (compile->set_slots[at] &&
	       !cv_compiled_set_equal(set, &compile->out->sets[compile->set_slots[at] - 1]))
		at = (at + 1) & mask;
	return &compile->set_slots[at];
}

/* Keeps half of the slots free. */
static int make_slots(struct compile *compile, struct cv_err *err)
{
	size_t first = compile->state->set_count, count = compile->out->set_count - first;
	size_t slots = compile->slot_count ? compile->slot_count * 2 : 64;

	if (2 * (count + 1) <= compile->slot_count)
		return 0;
	free(compile->set_slots);
	compile->set_slots = calloc(slots, sizeof(*compile->set_slots));
	compile->slot_count = compile->set_slots ? slots : 0;
	if (!compile->set_slots)
		return cv_err_set(err, -ENOMEM, "sets: out of memory");
	for (size_t i = 0; i < count; i++)
		*find_slot(compile, &compile->out->sets[first + i]) = first + i + 1;
	return 0;
}

static int too_many_sets(const struct cv_rule_conf *conf, struct cv_err *err)
{
	cv_err_input(err,
		     "rule %s: with what it negates and its long lists there are more than the %u "
		     "sets that one instance holds",
		     conf->name, CV_MAX_SET_NUMBER);
	cv_err_hint(err, "let several rules ask one set with a name");
	return cv_err_at(err, &conf->place);
}

int cv_compile_anonymous(struct compile *compile, const struct cv_rule_conf *conf,
			 struct cv_compiled_set *set, uint16_t *number, struct cv_err *err)
{
	CV_CLEANUP(cv_compiled_set_fini) struct cv_compiled_set owned = *set;
	struct cv_rules *out = compile->out;
	uint32_t *slot;
	int rc = make_slots(compile, err);

	*set = (struct cv_compiled_set){ 0 };
	if (!rc)
		rc = make_room(compile, err);
	if (rc)
		return rc;
	slot = find_slot(compile, &owned);
	if (!*slot) {
		if (out->set_count == CV_MAX_SET_NUMBER)
			return too_many_sets(conf, err);
		out->sets[out->set_count++] = owned;
		owned = (struct cv_compiled_set){ 0 };
		*slot = out->set_count;
	}
	*number = *slot;
	return 0;
}

bool cv_match_ask_set(struct cv_match *match, uint16_t number, enum cv_set_field field, bool is_not)
{
	for (int i = 0; i < CV_MAX_SET_REFS; i++) {
		if (match->extra.sets[i].set)
			continue;
		match->flags |= CV_MATCH_SETS;
		match->extra.sets[i] = (struct cv_set_ref){ number, field, is_not };
		return true;
	}
	return false;
}
