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

/* A reading at work. */
struct reading {
	const struct cv_arena *arena;
	struct cv_rules *out;
	const struct cv_rule_cell **cells; /* of out's rules, while they are read; borrowed */
	uint32_t *orders; /* of out's rules */
	uint16_t generation;
	size_t room; /* for matches */
};

/* ---- rules ---- */

static int compare_rules(const void *a, const void *b)
{
	uint32_t left = (*(const struct cv_rule_cell *const *)a)->order;
	uint32_t right = (*(const struct cv_rule_cell *const *)b)->order;

	return (left > right) - (left < right);
}

static void note_rule(void *arg, const struct cv_rule_cell *rule)
{
	struct reading *reading = arg;

	if (cv_is_born(rule->born, rule->dead, reading->generation))
		reading->cells[reading->out->rule_count++] = rule;
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

static bool read_rules(struct reading *reading)
{
	size_t count = cv_arena_image(reading->arena)->entry_count;
	CV_FREE const struct cv_rule_cell **cells =
		calloc(count + 1, sizeof(struct cv_rule_cell *));
	struct cv_rules *out = reading->out;

	out->rules = calloc(count + 1, sizeof(*out->rules));
	reading->orders = calloc(count + 1, sizeof(*reading->orders));
	if (!cells || !out->rules || !reading->orders)
		return false;
	reading->cells = cells;
	cv_entries_visit(reading->arena, note_rule, reading);
	qsort(cells, out->rule_count, sizeof(*cells), compare_rules);
	for (size_t i = 0; i < out->rule_count; i++) {
		reading->orders[i] = cells[i]->order;
		read_rule(reading->arena, cells[i], &out->rules[i]);
	}
	return true;
}

/* ---- matches ---- */

static int compare_orders(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static struct cv_match *new_match(struct reading *reading)
{
	struct cv_rules *out = reading->out;

	if (out->match_count == reading->room) {
		size_t room = reading->room ? 2 * reading->room : 64;
		struct cv_match *matches = reallocarray(out->matches, room, sizeof(*matches));

		if (!matches)
			return NULL;
		out->matches = matches;
		reading->room = room;
	}
	return &out->matches[out->match_count++];
}

/* What is of no family stands in both roots, and is read of one. */
static bool read_record(void *arg, enum cv_root_index root, const struct cv_item *item)
{
	struct reading *reading = arg;
	const struct cv_record *record = &item->record;
	const uint32_t *order;
	struct cv_match *match;

	if (!cv_is_born(record->born, record->dead, reading->generation) ||
	    (cv_root_is_ipv6(root) && !(record->rule & CV_RECORD_FAMILY)))
		return true;
	order = bsearch(&record->order, reading->orders, reading->out->rule_count, sizeof(*order),
			compare_orders);
	match = order ? new_match(reading) : NULL;
	if (!match)
		return false;
	cv_item_to_match(item, root, match);
	match->rule = order - reading->orders;
	return true;
}

static int compare_matches(const void *a, const void *b)
{
	const struct cv_match *left = a, *right = b;

	if (left->rule != right->rule)
		return left->rule > right->rule ? 1 : -1;
	return memcmp(left, right, sizeof(*left));
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
	struct reading reading = { .arena = arena, .out = &rules, .generation = generation };
	CV_FREE uint32_t *orders = NULL;
	bool is_read = read_rules(&reading);
	int rc;

	orders = reading.orders;
	if (!is_read || !cv_records_visit(arena, read_record, &reading))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_sets_read(arena, generation, &rules, err);
	if (rc)
		return rc;
	if (rules.match_count)
		qsort(rules.matches, rules.match_count, sizeof(*rules.matches), compare_matches);
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
