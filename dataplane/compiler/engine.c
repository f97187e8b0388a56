/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Building an image: see engine.h. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine_parts.h"
#include "own.h"
#include "set_image.h"

#define ORDER_GAP 65536 /* between two rules, if there are not too many */
#define MIN_SLOTS 8
#define NAME_CELLS 64 /* of names that are taken at once */
#define ACTION_CELLS (sizeof(struct cv_actions) / CV_CELL_BYTES)

/* An image in the making. */
struct build {
	struct cv_arena *arena;
	const struct cv_rules *rules;
	struct cv_rule_entry **entries; /* of rules */
	struct cv_engine_fault *fault;
	struct cv_err *err;
};

static int out_of_memory(struct cv_err *err)
{
	return cv_err_set(err, -ENOMEM, "rules: out of memory");
}

static int arena_full(const struct cv_arena *arena, struct cv_err *err)
{
	if (arena->segment_count < CV_ARENA_SEGMENTS)
		return out_of_memory(err);
	cv_err_set(err, -ENOSPC, "rules: they take more than the %u MiB that one instance has",
		   CV_ARENA_SEGMENTS / 4);
	return cv_err_hint(err, "use fewer rules, or sets in place of lists");
}

/* ---- rules ---- */

/* Returns where it stands, 0: there is no memory. Names have cells of their own: packets do not read
 * them. */
static uint32_t write_name(struct cv_arena *arena, const char *name)
{
	struct cv_image *image = cv_arena_image(arena);
	uint32_t units = strlen(name) / CV_NAME_UNIT + 1, at;

	if (image->names + units > image->names_end) {
		uint32_t cell = cv_arena_take(arena, NAME_CELLS, false);

		if (!cell)
			return 0;
		image->names = cell * (CV_CELL_BYTES / CV_NAME_UNIT);
		image->names_end = image->names + NAME_CELLS * (CV_CELL_BYTES / CV_NAME_UNIT);
	}
	at = image->names;
	image->names += units;
	memcpy((char *)cv_arena_at(arena, CV_NAME_CELL(at)) + CV_NAME_BYTE(at), name,
	       strlen(name) + 1);
	return at;
}

uint32_t cv_rule_write(struct cv_arena *arena, const struct cv_compiled_rule *compiled,
		       uint32_t order, uint16_t born)
{
	const struct cv_rule *rule = &compiled->rule;
	bool has_more = rule->flags & CV_ACTION_MORE;
	uint32_t name = write_name(arena, rule->name);
	uint32_t cell = cv_arena_take(arena, 1 + (has_more ? ACTION_CELLS : 0), false);
	struct cv_rule_cell *written;

	if (!name || !cell)
		return 0;
	written = cv_arena_at(arena, cell);
	*written = (struct cv_rule_cell){
		.name = name,
		.id = rule->id,
		.order = order,
		.mark = rule->mark,
		.mark_mask = rule->mark_mask,
		.priority = rule->priority,
		.flags = rule->flags,
		.born = born,
		.dead = CV_GENERATION_NEVER,
		.dscp = rule->dscp,
		.verdict = rule->verdict,
	};
	if (has_more)
		memcpy(written + 1, &compiled->actions, sizeof(compiled->actions));
	return cell;
}

static uint32_t order_gap(size_t rules)
{
	size_t gap = UINT32_MAX / (rules + 2);

	return gap < ORDER_GAP ? gap : ORDER_GAP;
}

static bool begin_rules(struct build *build)
{
	struct cv_image *image = cv_arena_image(build->arena);
	size_t count = build->rules->rule_count;

	image->order_gap = order_gap(count);
	image->order_end = count * image->order_gap;
	return cv_entries_make(build->arena, count);
}

/* The entry of a rule, NULL: there is no memory. It is written when its first record is: who finds the
 * record then finds the rule beside it, and not on another page. */
static const struct cv_rule_entry *need_rule(struct build *build, size_t index)
{
	uint32_t gap = cv_arena_image(build->arena)->order_gap, cell;

	if (build->entries[index])
		return build->entries[index];
	cell = cv_rule_write(build->arena, &build->rules->rules[index], (index + 1) * gap,
			     CV_ENGINE_FIRST);
	if (cell)
		build->entries[index] = cv_entry_add(build->arena, cell);
	return build->entries[index];
}

/* Those without a record. */
static int write_other_rules(struct build *build)
{
	for (size_t i = 0; i < build->rules->rule_count; i++)
		if (!need_rule(build, i))
			return arena_full(build->arena, build->err);
	return 0;
}

/* ---- one root ---- */

/* A root in the making; records stand in their order. */
struct root_build {
	struct build *build;
	enum cv_root_index index;
	bool is_ipv6;
	struct cv_item *items; /* owned, as are all lists */
	uint8_t *tuple_of; /* of items */
	uint32_t *sorted; /* items by tuple */
	uint32_t starts[CV_MAX_TUPLES + 1]; /* where those of a tuple begin in sorted */
	size_t count;
	struct cv_shapes shapes;
	uint32_t cell;
};

static void root_build_fini(struct root_build *root)
{
	free(root->items);
	free(root->tuple_of);
	free(root->sorted);
}

static bool collect_items(struct root_build *root)
{
	const struct build *build = root->build;
	const struct cv_rules *rules = build->rules;
	uint32_t gap = cv_arena_image(build->arena)->order_gap;
	struct cv_item item;
	size_t count = 0;

	for (size_t i = 0; i < rules->match_count; i++)
		count += cv_item_of_match(&item, &rules->matches[i], root->index);
	if (!count)
		return true;
	root->items = malloc(count * sizeof(*root->items));
	root->tuple_of = malloc(count);
	root->sorted = malloc(count * sizeof(*root->sorted));
	if (!root->items || !root->tuple_of || !root->sorted)
		return false;
	for (size_t i = 0; i < rules->match_count; i++) {
		struct cv_item *next = &root->items[root->count];

		if (!cv_item_of_match(next, &rules->matches[i], root->index))
			continue;
		next->record.order = (next->rule + 1) * gap;
		root->count++;
	}
	return true;
}

/* Numbers the tuples in the order of their first records, so that a search can end early. */
static void number_tuples(struct root_build *root)
{
	struct cv_shapes numbered = { 0 };
	uint8_t number[CV_MAX_TUPLES];

	memset(number, 0xff, sizeof(number));
	for (size_t i = 0; i < root->count; i++) {
		uint32_t old = cv_shape_best(&root->shapes, &root->items[i]);

		if (number[old] == 0xff) {
			number[old] = numbered.count;
			numbered.shapes[numbered.count++] = root->shapes.shapes[old];
		}
		root->tuple_of[i] = number[old];
	}
	for (uint32_t i = 0; i < root->shapes.count; i++)
		if (number[i] == 0xff)
			numbered.shapes[numbered.count++] = root->shapes.shapes[i];
	root->shapes = numbered;
}

static void sort_by_tuple(struct root_build *root)
{
	uint32_t at[CV_MAX_TUPLES];

	for (size_t i = 0; i < root->count; i++)
		root->starts[root->tuple_of[i] + 1]++;
	for (uint32_t t = 0; t < CV_MAX_TUPLES; t++) {
		root->starts[t + 1] += root->starts[t];
		at[t] = root->starts[t];
	}
	for (size_t i = 0; i < root->count; i++)
		root->sorted[at[root->tuple_of[i]]++] = i;
}

static uint32_t slots_for(uint32_t records)
{
	uint32_t slots = MIN_SLOTS;

	while (slots < records && slots < CV_MAX_SLOTS)
		slots *= 2;
	return slots;
}

/* The records of a tuple by slot, in their order. */
struct slots {
	uint32_t *starts; /* where those of a slot begin in items */
	struct cv_item **items;
};

static void slots_fini(struct slots *slots)
{
	free(slots->starts);
	free(slots->items);
}

static bool sort_by_slot(struct root_build *root, const struct cv_tuple *tuple, uint32_t index,
			 struct slots *slots)
{
	uint32_t first = root->starts[index], count = root->starts[index + 1] - first;
	uint32_t *starts = slots->starts = calloc(tuple->slot_mask + 3, sizeof(*starts));

	slots->items = malloc((count + 1) * sizeof(*slots->items));
	if (!starts || !slots->items)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct cv_item *item = &root->items[root->sorted[first + i]];
		struct cv_tuple_key key = cv_item_key(item, root->is_ipv6);

		item->hash = cv_tuple_hash(tuple, root->is_ipv6, &key);
		starts[(CV_HASH_SLOT(item->hash) & tuple->slot_mask) + 2]++;
	}
	for (uint32_t i = 2; i < tuple->slot_mask + 3; i++)
		starts[i] += starts[i - 1];
	for (uint32_t i = 0; i < count; i++) {
		struct cv_item *item = &root->items[root->sorted[first + i]];

		slots->items[starts[(CV_HASH_SLOT(item->hash) & tuple->slot_mask) + 1]++] = item;
	}
	return true;
}

/* Lets the next two cells be in one cache line: those of a rule and its record. */
static void share_line(struct cv_arena *arena)
{
	if (arena->used & 1)
		cv_arena_take(arena, 1, true);
}

/* Returns false if there is no memory. */
static bool write_slot(struct root_build *root, struct cv_tuple *tuple, uint32_t index,
		       struct cv_item **items, uint32_t count)
{
	struct build *build = root->build;
	uint32_t steps = cv_bucket_steps(count), word;

	if (!count)
		return true;
	share_line(build->arena);
	for (uint32_t i = 0; i < count; i++) {
		const struct cv_rule_entry *entry = need_rule(build, items[i]->rule);

		if (!entry)
			return false;
		items[i]->record.rule |= entry->rule;
	}
	word = cv_bucket_write(build->arena, (const struct cv_item *const *)items, count, 0,
			       root->is_ipv6);
	if (!word)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot = CV_HASH_SLOT(items[i]->hash) & tuple->slot_mask;

		word |= CV_HASH_BLOOM(items[i]->hash);
		if (!cv_place_add(build->arena, build->entries[items[i]->rule],
				  CV_PLACE(root->index, index, slot)))
			return false;
	}
	*cv_tuple_slot(build->arena, tuple, items[0]->hash) = word;
	if (steps > tuple->steps)
		tuple->steps = steps;
	return true;
}

static bool build_tuple(struct root_build *root, uint32_t index)
{
	struct cv_arena *arena = root->build->arena;
	struct cv_tuple *tuple = cv_root_tuple(arena, root->cell, index);
	uint32_t count = root->starts[index + 1] - root->starts[index];
	CV_CLEANUP(slots_fini) struct slots slots = { 0 };

	*tuple = cv_tuple_of_shape(&root->shapes.shapes[index], root->is_ipv6);
	tuple->slot_mask = slots_for(count) - 1;
	tuple->slots = cv_arena_take(arena, (tuple->slot_mask + 1) / 8, true);
	tuple->best =
		count ? root->items[root->sorted[root->starts[index]]].record.order : UINT32_MAX;
	if (!tuple->slots || !sort_by_slot(root, tuple, index, &slots))
		return false;
	for (uint32_t i = 0; i <= tuple->slot_mask; i++)
		if (!write_slot(root, tuple, index, slots.items + slots.starts[i],
				slots.starts[i + 1] - slots.starts[i]))
			return false;
	return true;
}

static bool fill_root(struct root_build *root)
{
	struct cv_arena *arena = root->build->arena;
	struct cv_root *head;

	if (!cv_shapes_choose(&root->shapes, root->items, root->count, root->is_ipv6))
		return false;
	number_tuples(root);
	sort_by_tuple(root);
	root->cell = cv_arena_take(arena, CV_ROOT_CELLS + CV_MAX_TUPLES, false);
	if (!root->cell)
		return false;
	head = cv_arena_at(arena, root->cell);
	head->tuple_count = root->shapes.count;
	for (int i = 0; i < 64; i++)
		head->bit_numbers[(CV_BIT_FACTOR << i) >> 58] = i;
	if (!cv_words_build(arena, head, root->items, root->tuple_of, root->count, root->is_ipv6))
		return false;
	for (uint32_t i = 0; i < root->shapes.count; i++)
		if (!build_tuple(root, i))
			return false;
	return true;
}

/* ---- the bound ---- */

/* The slot of a tuple's longest bucket, as the items in it say. */
static uint32_t longest_slot(const struct root_build *root, uint32_t index,
			     const struct cv_tuple *tuple, uint32_t *count)
{
	CV_FREE uint32_t *counts = calloc(tuple->slot_mask + 1, sizeof(*counts));
	uint32_t longest = 0;

	for (uint32_t i = root->starts[index]; counts && i < root->starts[index + 1]; i++)
		counts[CV_HASH_SLOT(root->items[root->sorted[i]].hash) & tuple->slot_mask]++;
	for (uint32_t i = 0; counts && i <= tuple->slot_mask; i++)
		if (counts[i] > counts[longest])
			longest = i;
	*count = counts ? counts[longest] : 0;
	return longest;
}

static uint32_t worst_tuple(const struct root_build *root)
{
	uint32_t worst = 0, most = 0;

	for (uint32_t i = 0; i < root->shapes.count; i++) {
		uint32_t steps = cv_root_tuple(root->build->arena, root->cell, i)->steps;

		if (steps > most) {
			worst = i;
			most = steps;
		}
	}
	return worst;
}

/* The first rules of the longest bucket. */
static void find_fault(const struct root_build *root, struct cv_engine_fault *fault,
		       uint32_t *records)
{
	uint32_t index = worst_tuple(root);
	const struct cv_tuple *tuple = cv_root_tuple(root->build->arena, root->cell, index);
	uint32_t slot = longest_slot(root, index, tuple, records);

	*fault = (struct cv_engine_fault){ 0 };
	for (uint32_t i = root->starts[index]; i < root->starts[index + 1]; i++) {
		const struct cv_item *item = &root->items[root->sorted[i]];

		if ((CV_HASH_SLOT(item->hash) & tuple->slot_mask) != slot ||
		    (fault->count && fault->rules[fault->count - 1] == item->rule))
			continue;
		if (fault->count == CV_ENGINE_FAULTS)
			return;
		fault->rules[fault->count++] = item->rule;
	}
}

static int too_many_steps(const struct root_build *root, uint32_t steps)
{
	const struct cv_compiled_rule *rules = root->build->rules->rules;
	struct cv_err *err = root->build->err;
	struct cv_engine_fault fault;
	char names[CV_ENGINE_FAULTS * (CV_NAME_LEN + 2)] = "";
	uint32_t records = 0;
	size_t len = 0;

	find_fault(root, &fault, &records);
	for (uint32_t i = 0; i < fault.count; i++)
		len += snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
				rules[fault.rules[i]].rule.name);
	if (root->build->fault)
		*root->build->fault = fault;
	cv_err_input(
		err,
		"rules %s: nothing in their addresses, ports or protocols tells %u conditions of these and other rules apart: a packet might take %u steps, and %u is the most",
		names, records, steps, CV_MAX_STEPS);
	cv_err_hint(err, "put what they list into sets, or give them prefixes that differ");
	if (err)
		err->code = -E2BIG;
	return -E2BIG;
}

static int build_root(struct build *build, enum cv_root_index index)
{
	CV_CLEANUP(root_build_fini)
	struct root_build root = {
		.build = build,
		.index = index,
		.is_ipv6 = cv_root_is_ipv6(index),
	};
	struct cv_image *image = cv_arena_image(build->arena);
	uint32_t steps;

	if (!collect_items(&root))
		return out_of_memory(build->err);
	if (!root.count)
		return 0;
	if (!fill_root(&root))
		return arena_full(build->arena, build->err);
	steps = cv_root_steps(build->arena, root.cell);
	if (steps > CV_MAX_STEPS)
		return too_many_steps(&root, steps);
	if (steps > image->steps)
		image->steps = steps;
	image->roots[index] = root.cell;
	image->record_count += root.count;
	return 0;
}

/* ---- the image ---- */

static void fill_image(const struct build *build)
{
	struct cv_image *image = cv_arena_image(build->arena);
	const struct cv_rules *rules = build->rules;

	image->magic = CV_IMAGE_MAGIC;
	image->flags = rules->flags;
	image->netns_cookie = rules->netns_cookie;
	image->generation = CV_ENGINE_FIRST;
	image->built_count = image->record_count;
	image->used_cells = build->arena->used;
	for (size_t i = 0; i < rules->match_count; i++)
		image->dirs |= rules->matches[i].dirs;
}

int cv_engine_build(struct cv_arena *arena, const struct cv_rules *rules,
		    struct cv_engine_fault *fault, struct cv_err *err)
{
	CV_FREE struct cv_rule_entry **entries =
		calloc(rules->rule_count + 1, sizeof(struct cv_rule_entry *));
	struct build build = {
		.arena = arena, .rules = rules, .entries = entries, .fault = fault, .err = err
	};
	int rc = 0;

	if (!entries || !arena->used)
		return out_of_memory(err);
	if (fault)
		*fault = (struct cv_engine_fault){ 0 };
	if (!begin_rules(&build))
		return arena_full(arena, err);
	if (!rc)
		rc = cv_sets_write(arena, rules, err);
	for (int i = 0; !rc && i < CV_ROOT_COUNT; i++)
		rc = build_root(&build, i);
	if (!rc)
		rc = write_other_rules(&build);
	if (!rc)
		rc = cv_sets_write(arena, rules, err);
	if (!rc)
		fill_image(&build);
	return rc;
}

int cv_engine_try(const struct cv_rules *rules, struct cv_engine_fault *fault, struct cv_err *err)
{
	struct cv_arena_source source = cv_arena_heap();
	struct cv_arena arena;
	int rc;

	if (!rules->rule_count && !rules->set_count)
		return 0;
	if (!cv_arena_init(&arena, &source))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_engine_build(&arena, rules, fault, err);
	cv_arena_heap_fini(&arena);
	return rc;
}
