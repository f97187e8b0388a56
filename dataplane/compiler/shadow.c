/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules that are never met: see shadow.h. What covers a match has no longer prefixes than that, so the
 * matches before it are kept by their pair of prefix lengths, and among those of one pair by the bits
 * that these have: few are compared.
 */
#include "shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

/* Where a packet can meet a rule. */
#define CV_LIVE_DIRS (1 << CV_DIR_IN | 1 << CV_DIR_OUT)

/* Matches that ask for as many bits. */
struct tuple {
	__be32 src_mask[4];
	__be32 dst_mask[4];
	uint8_t family; /* 0: not asked */
	bool has_proto;
};

/* A search at work. Lists are owned. */
struct search {
	const struct cv_rules *rules;
	uint64_t steps; /* that are left */
	struct tuple *tuples;
	size_t tuple_count;
	uint32_t *tuple_of; /* by match, as the next two */
	uint32_t *next; /* match + 1 in the same bucket, 0: the last */
	uint32_t *last; /* of the bucket that the match is the first of */
	uint64_t *
		slots; /* a part of the key's hash : 32 | first match of the bucket + 1, 0: free : 32 */
	size_t mask; /* of slots */
	size_t last_change; /* rule + 1 that changed a mark or DSCP and let the search go on; 0: none */
	struct cv_shadow *found;
	size_t found_count;
};

static void fini(struct search *search)
{
	free(search->tuples);
	free(search->tuple_of);
	free(search->next);
	free(search->last);
	free(search->slots);
	free(search->found);
}

static int init(struct search *search)
{
	size_t count = search->rules->match_count + 1, slots = 2;

	while (slots < 2 * count)
		slots *= 2;
	search->mask = slots - 1;
	search->tuple_of = calloc(count, sizeof(*search->tuple_of));
	search->next = calloc(count, sizeof(*search->next));
	search->last = calloc(count, sizeof(*search->last));
	search->slots = calloc(slots, sizeof(*search->slots));
	search->found = calloc(search->rules->rule_count + 1, sizeof(*search->found));
	return search->tuple_of && search->next && search->last && search->slots && search->found
		       ? 0
		       : -ENOMEM;
}

/* ---- tuples and buckets ---- */

#define FIRST(slot) ((uint32_t)(slot))

static struct tuple tuple_of(const struct cv_match *match)
{
	struct tuple tuple = { .family = match->flags & CV_MATCH_FAMILY ? match->family : 0,
			       .has_proto = match->flags & CV_MATCH_PROTO };

	memcpy(tuple.src_mask, match->src_mask, sizeof(tuple.src_mask));
	memcpy(tuple.dst_mask, match->dst_mask, sizeof(tuple.dst_mask));
	return tuple;
}

static bool is_within(const __be32 mask[4], const __be32 other[4])
{
	return !((mask[0] & ~other[0]) | (mask[1] & ~other[1]) | (mask[2] & ~other[2]) |
		 (mask[3] & ~other[3]));
}

/* True if matches of the tuple may cover one of the other. */
static bool may_cover(const struct tuple *tuple, const struct tuple *other)
{
	return (!tuple->family || tuple->family == other->family) &&
	       tuple->has_proto <= other->has_proto &&
	       is_within(tuple->src_mask, other->src_mask) &&
	       is_within(tuple->dst_mask, other->dst_mask);
}

/* What matches of a tuple have in common with each other in one bucket. */
struct key {
	uint32_t tuple;
	uint32_t proto;
	__be32 src[4];
	__be32 dst[4];
};

static struct key key_of(const struct search *search, size_t number, const struct cv_match *match)
{
	const struct tuple *tuple = &search->tuples[number];
	struct key key = { .tuple = number, .proto = tuple->has_proto ? match->proto : 0 };

	for (int i = 0; i < 4; i++) {
		key.src[i] = match->src[i] & tuple->src_mask[i];
		key.dst[i] = match->dst[i] & tuple->dst_mask[i];
	}
	return key;
}

static uint64_t hash_of(const struct key *key)
{
	const uint32_t *words = (const uint32_t *)key;
	uint64_t hash = 0;

	for (size_t i = 0; i < sizeof(*key) / sizeof(*words); i++)
		hash = (hash ^ hash >> 31 ^ words[i]) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static bool is_bucket_of(const struct search *search, uint32_t first, const struct key *key)
{
	struct key other = key_of(search, search->tuple_of[first], &search->rules->matches[first]);

	return !memcmp(&other, key, sizeof(other));
}

/* The slot of the bucket, or a free one. Most buckets that are asked for are not there: where the hash
 * is another no match is read. */
static uint64_t *slot_of(const struct search *search, const struct key *key)
{
	uint64_t hash = hash_of(key);
	size_t at = hash & search->mask;

	while (search->slots[at] && (search->slots[at] >> 32 != hash >> 32 ||
				     !is_bucket_of(search, FIRST(search->slots[at]) - 1, key)))
		at = (at + 1) & search->mask;
	return &search->slots[at];
}

static bool are_equal(const struct tuple *a, const struct tuple *b)
{
	return a->family == b->family && a->has_proto == b->has_proto &&
	       !memcmp(a->src_mask, b->src_mask, sizeof(a->src_mask)) &&
	       !memcmp(a->dst_mask, b->dst_mask, sizeof(a->dst_mask));
}

static int find_tuple(struct search *search, const struct tuple *tuple, uint32_t *out)
{
	struct tuple *grown;

	for (size_t i = 0; i < search->tuple_count; i++)
		if (are_equal(&search->tuples[i], tuple)) {
			*out = i;
			return 0;
		}
	grown = reallocarray(search->tuples, search->tuple_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	search->tuples = grown;
	grown[search->tuple_count] = *tuple;
	*out = search->tuple_count++;
	return 0;
}

static int insert(struct search *search, size_t number)
{
	const struct cv_match *match = &search->rules->matches[number];
	struct tuple tuple = tuple_of(match);
	int rc = find_tuple(search, &tuple, &search->tuple_of[number]);
	struct key key;
	uint64_t *slot;
	uint32_t first;

	if (rc)
		return rc;
	key = key_of(search, search->tuple_of[number], match);
	slot = slot_of(search, &key);
	first = *slot ? FIRST(*slot) - 1 : number;
	if (*slot)
		search->next[search->last[first]] = number + 1;
	else
		*slot = hash_of(&key) >> 32 << 32 | (number + 1);
	search->last[first] = number;
	return 0;
}

/* ---- what covers a match ---- */

/* True if what earlier rules did to the packet may change whether the match holds. */
static bool sees_changes(const struct cv_match *match)
{
	if (match->flags & (CV_MATCH_MARK | CV_MATCH_DSCP))
		return true;
	for (int i = 0; match->flags & CV_MATCH_SETS && i < CV_MAX_SET_REFS; i++)
		if (match->extra.sets[i].set && (match->extra.sets[i].field == CV_SET_FIELD_MARK ||
						 match->extra.sets[i].field == CV_SET_FIELD_DSCP))
			return true;
	return false;
}

/* Notes a rule that covers a part of another. */
static void note(struct cv_shadow *shadow, size_t by)
{
	if (shadow->by != CV_SHADOW_NOBODY && shadow->by != by)
		shadow->is_by_several = true;
	if (by < shadow->by)
		shadow->by = by;
}

#define LOOKUP_STEPS 8 /* what looking for a bucket costs */

static bool take_steps(struct search *search, uint64_t count)
{
	bool are_there = search->steps >= count;

	search->steps -= are_there ? count : 0;
	return are_there;
}

/* Looks in one bucket for what covers the match in the directions *dirs, and takes these away. Returns
 * 0, or -E2BIG. */
static int look_into(struct search *search, uint32_t first, const struct cv_match *match,
		     uint8_t *dirs, struct cv_shadow *shadow)
{
	for (uint32_t at = first; at && *dirs; at = search->next[at - 1]) {
		const struct cv_match *other = &search->rules->matches[at - 1];

		if (!take_steps(search, 1))
			return -E2BIG;
		if (!(other->dirs & *dirs) || !cv_match_covers(other, match) ||
		    (other->rule + 1 < search->last_change && sees_changes(other)))
			continue;
		note(shadow, other->rule);
		*dirs &= ~other->dirs;
	}
	return 0;
}

/* Returns 1 if rules before its own cover the match, 0 if not, or a negative errno. */
static int is_covered(struct search *search, const struct cv_match *match, struct cv_shadow *shadow)
{
	struct tuple tuple = tuple_of(match);
	uint8_t dirs = match->dirs & CV_LIVE_DIRS;
	int rc = 0;

	for (size_t i = 0; !rc && dirs && i < search->tuple_count; i++) {
		struct key key;

		if (!may_cover(&search->tuples[i], &tuple))
			continue;
		if (!take_steps(search, LOOKUP_STEPS))
			return -E2BIG;
		key = key_of(search, i, match);
		rc = look_into(search, FIRST(*slot_of(search, &key)), match, &dirs, shadow);
	}
	return rc ? rc : !dirs;
}

/* ---- rule for rule ---- */

/* The matches of one rule, from first to before end. */
static int look_at_rule(struct search *search, size_t rule, size_t first, size_t end)
{
	struct cv_shadow shadow = { .rule = rule, .by = CV_SHADOW_NOBODY };
	const struct cv_rule *compiled = &search->rules->rules[rule].rule;
	int rc = 1;

	for (size_t i = first; rc > 0 && i < end; i++)
		rc = is_covered(search, &search->rules->matches[i], &shadow);
	if (rc < 0)
		return rc;
	if (rc) {
		search->found[search->found_count++] = shadow;
		return 0;
	}
	if (compiled->verdict == CV_VERDICT_CONTINUE) {
		if (compiled->flags & (CV_ACTION_MARK | CV_ACTION_DSCP))
			search->last_change = rule + 1;
		return 0;
	}
	for (size_t i = first; !rc && i < end; i++)
		rc = insert(search, i);
	return rc;
}

int cv_shadow_find(const struct cv_rules *rules, uint64_t max_steps, struct cv_shadow **out,
		   size_t *count)
{
	CV_CLEANUP(fini) struct search search = { .rules = rules, .steps = max_steps };
	size_t first = 0;
	int rc = init(&search);

	for (size_t rule = 0; !rc && rule < rules->rule_count; rule++) {
		size_t end = first;

		while (end < rules->match_count && rules->matches[end].rule == rule)
			end++;
		rc = look_at_rule(&search, rule, first, end);
		first = end;
	}
	*count = search.found_count;
	*out = CV_TAKE_PTR(search.found);
	return rc;
}
