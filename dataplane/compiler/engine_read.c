/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading an image back: see engine.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine_parts.h"
#include "own.h"
#include "set_image.h"

int cv_engine_adopt(struct cv_arena *arena, const struct cv_arena_source *source,
		    struct cv_err *err)
{
	if (!cv_arena_init(arena, source))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	if (cv_arena_image(arena)->magic != CV_IMAGE_MAGIC)
		return -ESTALE;
	if (!cv_arena_adopt(arena, cv_arena_image(arena)->used_cells))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	return 0;
}

/*
 * A reading at work. Orders of rules stand a gap apart, but for those of rules that came later: so a table by
 * order / gap says where a rule is among the others, or at least near which.
 */
struct reading {
	const struct cv_arena *arena;
	struct cv_rules *out;
	const struct cv_rule_cell **cells; /* owned, as are all lists; of out's rules */
	uint32_t
		*first; /* of each gap, number of the first rule whose order is in it, and an end */
	uint32_t gap;
	uint32_t gap_count;
	uint32_t *first_match; /* of each rule */
	uint16_t generation;
};

static void fini_reading(struct reading *reading)
{
	free(reading->cells);
	free(reading->first);
	free(reading->first_match);
}

/* Makes of counts, each one place behind its own, where what was counted begins. */
static void add_up(uint32_t *counts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		counts[i + 1] += counts[i];
}

/* ---- rules ---- */

static int compare_rules(const void *a, const void *b)
{
	uint32_t left = (*(const struct cv_rule_cell *const *)a)->order;
	uint32_t right = (*(const struct cv_rule_cell *const *)b)->order;

	return (left > right) - (left < right);
}

static uint32_t gap_of(const struct reading *reading, uint32_t order)
{
	uint32_t gap = order / reading->gap;

	return gap < reading->gap_count ? gap : reading->gap_count - 1;
}

static void note_rule(void *arg, const struct cv_rule_cell *rule)
{
	struct reading *reading = arg;

	if (!cv_is_born(rule->born, rule->dead, reading->generation))
		return;
	reading->cells[reading->out->rule_count++] = rule;
	reading->first[gap_of(reading, rule->order) + 1]++;
}

static void read_rule(const struct cv_arena *arena, const struct cv_rule_cell *rule,
		      struct cv_compiled_rule *out)
{
	*out = (struct cv_compiled_rule){
		.rule = {
			.id = rule->id,
			.flags = rule->flags,
			.mark = rule->mark,
			.mark_mask = rule->mark_mask,
			.priority = rule->priority,
			.dscp = rule->dscp,
			.verdict = rule->verdict,
		},
	};
	strncpy(out->rule.name, cv_rule_name(arena, rule), sizeof(out->rule.name) - 1);
	if (rule->flags & CV_ACTION_MORE)
		memcpy(&out->actions, rule + 1, sizeof(out->actions));
}

/* Puts rules into their order. False without memory. */
static bool sort_rules(struct reading *reading)
{
	size_t count = reading->out->rule_count;
	CV_FREE const struct cv_rule_cell **sorted = calloc(count + 1, sizeof(*sorted));
	uint32_t *first = reading->first;

	if (!sorted)
		return false;
	add_up(first, reading->gap_count);
	for (size_t i = 0; i < count; i++)
		sorted[first[gap_of(reading, reading->cells[i]->order)]++] = reading->cells[i];
	/* Each has moved on to where the next one begins. */
	memmove(first + 1, first, reading->gap_count * sizeof(*first));
	first[0] = 0;
	for (uint32_t i = 0; i < reading->gap_count; i++)
		if (first[i + 1] - first[i] > 1)
			qsort(&sorted[first[i]], first[i + 1] - first[i], sizeof(*sorted),
			      compare_rules);
	memcpy(reading->cells, sorted, count * sizeof(*sorted));
	return true;
}

static bool read_rules(struct reading *reading)
{
	const struct cv_image *image = cv_arena_image(reading->arena);
	size_t count = image->entry_count;
	struct cv_rules *out = reading->out;

	reading->gap = image->order_gap ? image->order_gap : 1;
	reading->gap_count = count + 2;
	reading->cells = calloc(count + 1, sizeof(*reading->cells));
	reading->first = calloc(reading->gap_count + 1, sizeof(*reading->first));
	reading->first_match = calloc(count + 2, sizeof(*reading->first_match));
	out->rules = calloc(count + 1, sizeof(*out->rules));
	if (!reading->cells || !reading->first || !reading->first_match || !out->rules)
		return false;
	cv_entries_visit(reading->arena, note_rule, reading);
	if (!sort_rules(reading))
		return false;
	for (size_t i = 0; i < out->rule_count; i++)
		read_rule(reading->arena, reading->cells[i], &out->rules[i]);
	return true;
}

/* ---- matches ---- */

/* The rule of that order among out's. */
static uint32_t find_order(const struct reading *reading, uint32_t order)
{
	uint32_t gap = gap_of(reading, order);
	uint32_t low = reading->first[gap], high = reading->first[gap + 1];

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (reading->cells[middle]->order < order)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The rule of a record that is read. False: it is none of the generation, or, since what is of no
 * family stands in both roots, one of those that are read of the other. */
static bool is_read(const struct reading *reading, enum cv_root_index root,
		    const struct cv_record *record)
{
	return cv_is_born(record->born, record->dead, reading->generation) &&
	       (!cv_root_is_ipv6(root) || (record->rule & CV_RECORD_FAMILY));
}

/* False for a record of no rule, which would be a fault of the image. */
static bool count_record(void *arg, enum cv_root_index root, const struct cv_item *item)
{
	struct reading *reading = arg;
	uint32_t rule;

	if (!is_read(reading, root, &item->record))
		return true;
	rule = find_order(reading, item->record.order);
	if (rule == reading->out->rule_count || reading->cells[rule]->order != item->record.order)
		return false;
	reading->first_match[rule + 1]++;
	return true;
}

static bool read_record(void *arg, enum cv_root_index root, const struct cv_item *item)
{
	struct reading *reading = arg;
	struct cv_match *match;
	uint32_t rule;

	if (!is_read(reading, root, &item->record))
		return true;
	rule = find_order(reading, item->record.order);
	match = &reading->out->matches[reading->first_match[rule]++];
	cv_item_to_match(item, root, match);
	match->rule = rule;
	return true;
}

static int compare_matches(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cv_match));
}

/* Those of a rule stand together, in the same order whatever the image is like. */
static bool read_matches(struct reading *reading)
{
	struct cv_rules *out = reading->out;
	uint32_t *first = reading->first_match, begin = 0;

	if (!cv_records_visit(reading->arena, count_record, reading))
		return false;
	add_up(first, out->rule_count);
	out->match_count = first[out->rule_count];
	out->matches = calloc(out->match_count + 1, sizeof(*out->matches));
	if (!out->matches || !cv_records_visit(reading->arena, read_record, reading))
		return false;
	for (size_t i = 0; i < out->rule_count; begin = first[i++])
		if (first[i] - begin > 1)
			qsort(&out->matches[begin], first[i] - begin, sizeof(*out->matches),
			      compare_matches);
	return true;
}

int cv_engine_read(const struct cv_arena *arena, uint16_t generation, struct cv_rules *out,
		   struct cv_err *err)
{
	const struct cv_image *image = cv_arena_image(arena);
	CV_CLEANUP(cv_rules_fini)
	struct cv_rules rules = {
		.flags = image->flags,
		.netns_cookie = image->netns_cookie,
	};
	CV_CLEANUP(fini_reading)
	struct reading reading = { .arena = arena, .out = &rules, .generation = generation };
	int rc;

	if (!read_rules(&reading) || !read_matches(&reading))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_sets_read(arena, generation, &rules, err);
	if (rc)
		return rc;
	*out = rules;
	rules = (struct cv_rules){ 0 };
	return 0;
}

/* ---- single rules ---- */

bool cv_engine_id(const struct cv_arena *arena, const char *name, uint32_t *id)
{
	const struct cv_rule_entry *entry = cv_entry_find(arena, name);

	if (entry)
		*id = ((const struct cv_rule_cell *)cv_arena_at(arena, entry->rule))->id;
	return entry;
}

struct visit {
	cv_engine_id_fn fn;
	void *arg;
	uint16_t generation;
};

static void visit_id(void *arg, const struct cv_rule_cell *rule)
{
	const struct visit *visit = arg;

	if (cv_is_born(rule->born, rule->dead, visit->generation))
		visit->fn(visit->arg, rule->id);
}

void cv_engine_each_id(const struct cv_arena *arena, uint16_t generation, cv_engine_id_fn fn,
		       void *arg)
{
	struct visit visit = { fn, arg, generation };

	cv_entries_visit(arena, visit_id, &visit);
}

/* ---- figures ---- */

static void add_root(const struct cv_arena *arena, uint32_t root, struct cv_engine_stats *stats)
{
	const struct cv_root *head = cv_arena_at(arena, root);

	if (head->tuple_count > stats->tuples)
		stats->tuples = head->tuple_count;
	for (uint32_t i = 0; i < head->tuple_count; i++) {
		uint32_t steps = cv_root_tuple(arena, root, i)->steps;

		if (steps > stats->longest_bucket)
			stats->longest_bucket = steps;
	}
}

void cv_engine_stats(const struct cv_arena *arena, struct cv_engine_stats *stats)
{
	const struct cv_image *image = cv_arena_image(arena);

	*stats = (struct cv_engine_stats){
		.bytes = (uint64_t)arena->used * CV_CELL_BYTES,
		.garbage_bytes = (uint64_t)image->garbage_cells * CV_CELL_BYTES,
		.rules = image->rule_count,
		.records = image->record_count,
		.steps = image->steps,
	};
	for (int i = 0; i < CV_ROOT_COUNT; i++)
		if (image->roots[i])
			add_root(arena, image->roots[i], stats);
}
