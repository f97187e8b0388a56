/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changing an image in place: see engine.h. What packets may read is never written over but by one
 * store: a chunk of a bucket is copied with the new record in it, and then what leads to it is
 * changed. New records begin to hold, and old ones end, with the next generation.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine_parts.h"
#include "own.h"

#define ORDER_GAP 65536
#define MIN_GARBAGE_CELLS 1024 /* below that no image is worth to be built anew */
#define GARBAGE_SHARE 4 /* one cell of so many */
#define MIN_GROWTH 1024 /* records */

struct cv_engine_update {
	struct cv_arena *arena;
	uint16_t next; /* generation that sees the change */
	struct cv_shapes shapes[CV_ROOT_COUNT];
};

static int out_of_memory(struct cv_err *err)
{
	return cv_err_set(err, -ENOMEM, "rules: out of memory");
}

/* ---- begin and end ---- */

static bool is_worn(const struct cv_image *image)
{
	uint32_t garbage = image->garbage_cells;

	return image->is_open || image->generation + 2 >= CV_GENERATION_NEVER ||
	       (garbage > MIN_GARBAGE_CELLS && garbage > image->used_cells / GARBAGE_SHARE) ||
	       image->record_count > 2 * image->built_count + MIN_GROWTH;
}

static void read_shapes(struct cv_engine_update *update, int index)
{
	const struct cv_arena *arena = update->arena;
	uint32_t root = cv_arena_image(arena)->roots[index];
	struct cv_shapes *shapes = &update->shapes[index];

	if (root)
		shapes->count = ((const struct cv_root *)cv_arena_at(arena, root))->tuple_count;
	for (uint32_t i = 0; i < shapes->count; i++)
		shapes->shapes[i] =
			cv_tuple_to_shape(cv_root_tuple(arena, root, i), cv_root_is_ipv6(index));
}

int cv_engine_open(struct cv_engine_update **out, struct cv_arena *arena, uint16_t generation,
		   struct cv_err *err)
{
	struct cv_image *image = cv_arena_image(arena);
	struct cv_engine_update *update;

	if (image->magic != CV_IMAGE_MAGIC || image->generation != generation || is_worn(image))
		return -ESTALE;
	update = calloc(1, sizeof(*update));
	if (!update)
		return out_of_memory(err);
	update->arena = arena;
	update->next = generation + 1;
	for (int i = 0; i < CV_ROOT_COUNT; i++)
		read_shapes(update, i);
	*out = update;
	return 0;
}

void cv_engine_close(struct cv_engine_update **update)
{
	free(*update);
	*update = NULL;
}

static struct cv_image *begin(struct cv_engine_update *update)
{
	struct cv_image *image = cv_arena_image(update->arena);

	image->is_open = 1;
	return image;
}

void cv_engine_need(struct cv_engine_update *update, uint32_t flags)
{
	struct cv_image *image = begin(update);

	CV_PUBLISH(image->flags, image->flags | flags);
}

uint16_t cv_engine_commit(struct cv_engine_update *update)
{
	struct cv_image *image = cv_arena_image(update->arena);

	image->used_cells = update->arena->used;
	image->generation = update->next;
	image->is_open = 0;
	return update->next;
}

/* ---- a record comes ---- */

/* Where a record is to go, and what its bucket will be. */
struct target {
	enum cv_root_index root;
	bool is_ipv6;
	uint32_t root_cell;
	uint32_t tuple_index;
	struct cv_tuple *tuple;
	__u32 *slot;
	__u32 *link; /* leads to the chunk that is changed */
	uint32_t link_bits; /* what stands in it beside the cell */
	struct cv_chunk chunk; /* that one; empty: there is none */
	uint32_t bucket_steps; /* of the whole bucket, with the record */
	struct cv_rule_entry *entry;
};

static uint32_t chunk_cells(const struct cv_chunk *chunk, bool is_ipv6)
{
	uint32_t cells = !!chunk->jump;

	for (uint32_t i = 0; i < chunk->count; i++)
		cells += cv_item_cells(&chunk->items[i], is_ipv6);
	return cells;
}

static bool is_place(const struct cv_chunk *chunk, uint32_t order)
{
	return !chunk->next || chunk->items[chunk->count - 1].record.order > order;
}

/* Finds the chunk of the bucket in which a record of that order belongs. */
static void find_chunk(const struct cv_arena *arena, struct target *target, uint32_t order)
{
	uint32_t cell = CV_RECORD_CELL(*target->slot);
	__u32 *link = target->slot;
	struct cv_chunk chunk;
	bool is_found = false;

	target->link = link;
	target->link_bits = *link & ~CV_RECORD_CELL(UINT32_MAX);
	target->bucket_steps = 2; /* the record, and a jump if a chunk is split */
	for (; cell; cell = chunk.next) {
		cv_chunk_read(arena, cell, target->is_ipv6, &chunk);
		target->bucket_steps += chunk.count + !!chunk.jump;
		if (!is_found && is_place(&chunk, order)) {
			target->chunk = chunk;
			target->link = link;
			target->link_bits = *link & ~CV_RECORD_CELL(UINT32_MAX);
			is_found = true;
		}
		if (chunk.jump)
			link = &((struct cv_record *)cv_arena_at(arena, chunk.jump))->rule;
	}
}

/* Writes the chunk anew with the record in it, in two if it becomes too long. Returns its cell. */
static uint32_t write_chunk(struct cv_engine_update *update, const struct target *target,
			    const struct cv_item *item)
{
	const struct cv_item *items[CV_BUCKET_CHUNK + 1];
	const struct cv_chunk *chunk = &target->chunk;
	uint32_t count = 0, first_half, next = chunk->next;
	bool is_in = false;

	for (uint32_t i = 0; i < chunk->count; i++) {
		if (!is_in && chunk->items[i].record.order > item->record.order) {
			items[count++] = item;
			is_in = true;
		}
		items[count++] = &chunk->items[i];
	}
	if (!is_in)
		items[count++] = item;
	if (count <= CV_BUCKET_CHUNK)
		return cv_bucket_write(update->arena, items, count, next, target->is_ipv6);
	first_half = count / 2;
	next = cv_bucket_write(update->arena, items + first_half, count - first_half, next,
			       target->is_ipv6);
	return next ? cv_bucket_write(update->arena, items, first_half, next, target->is_ipv6) : 0;
}

/* Packets that come to the tuple must not stop before it. */
static void lower_best(const struct cv_arena *arena, const struct target *target, uint32_t order)
{
	for (uint32_t i = 0; i <= target->tuple_index; i++) {
		struct cv_tuple *tuple = cv_root_tuple(arena, target->root_cell, i);

		if (tuple->best > order)
			CV_PUBLISH(tuple->best, order);
	}
}

static bool keeps_bound(const struct cv_arena *arena, const struct target *target)
{
	struct cv_image *image = cv_arena_image(arena);
	uint32_t steps;

	if (target->bucket_steps > target->tuple->steps)
		target->tuple->steps = target->bucket_steps;
	steps = cv_root_steps(arena, target->root_cell);
	if (steps > image->steps)
		image->steps = steps;
	return steps <= CV_MAX_STEPS;
}

static int insert_item(struct cv_engine_update *update, struct target *target, struct cv_item *item,
		       struct cv_err *err)
{
	struct cv_arena *arena = update->arena;
	struct cv_image *image = cv_arena_image(arena);
	struct cv_tuple_key key = cv_item_key(item, target->is_ipv6);
	uint32_t cell, place;

	target->tuple_index = cv_shape_best(&update->shapes[target->root], item);
	target->tuple = cv_root_tuple(arena, target->root_cell, target->tuple_index);
	item->hash = cv_tuple_hash(target->tuple, target->is_ipv6, &key);
	target->slot = cv_tuple_slot(arena, target->tuple, item->hash);
	place = CV_PLACE(target->root, target->tuple_index,
			 CV_HASH_SLOT(item->hash) & target->tuple->slot_mask);
	find_chunk(arena, target, item->record.order);
	if (!keeps_bound(arena, target))
		return -ESTALE;
	cell = write_chunk(update, target, item);
	if (!cell || !cv_place_add(arena, target->entry, place))
		return out_of_memory(err);
	cv_words_add(arena, cv_arena_at(arena, target->root_cell), item, target->tuple_index,
		     target->is_ipv6);
	lower_best(arena, target, item->record.order);
	if (target->link == target->slot)
		target->link_bits |= CV_HASH_BLOOM(item->hash);
	else
		CV_PUBLISH(*target->slot, *target->slot | CV_HASH_BLOOM(item->hash));
	CV_PUBLISH(*target->link, cell | target->link_bits);
	image->garbage_cells += chunk_cells(&target->chunk, target->is_ipv6);
	image->record_count++;
	return 0;
}

static int insert_match(struct cv_engine_update *update, const struct cv_match *match,
			struct cv_rule_entry *entry, uint32_t order, struct cv_err *err)
{
	const struct cv_image *image = cv_arena_image(update->arena);
	int rc = 0;

	for (int root = 0; !rc && root < CV_ROOT_COUNT; root++) {
		struct target target = {
			.root = root,
			.is_ipv6 = cv_root_is_ipv6(root),
			.root_cell = image->roots[root],
			.entry = entry,
		};
		struct cv_item item;

		if (!cv_item_of_match(&item, match, root))
			continue;
		if (!target.root_cell)
			return -ESTALE;
		item.record.rule |= entry->rule;
		item.record.order = order;
		item.record.born = update->next;
		rc = insert_item(update, &target, &item, err);
	}
	return rc;
}

/* ---- a rule comes ---- */

static int insert_rule(struct cv_engine_update *update, const struct cv_engine_rule *rule,
		       uint32_t order, struct cv_err *err)
{
	struct cv_image *image = begin(update);
	uint32_t cell = cv_rule_write(update->arena, rule->rule, order, update->next), dirs = 0;
	struct cv_rule_entry *entry;
	int rc = 0;

	if (!cell || !cv_order_add(update->arena, order))
		return out_of_memory(err);
	entry = cv_entry_add(update->arena, cell);
	if (!entry)
		return -ESTALE;
	for (size_t i = 0; !rc && i < rule->match_count; i++) {
		rc = insert_match(update, &rule->matches[i], entry, order, err);
		dirs |= rule->matches[i].dirs;
	}
	CV_PUBLISH(image->dirs, image->dirs | dirs);
	return rc;
}

/* An order between that of a rule (0: before all) and that of the next one; 0: there is none. */
static uint32_t order_behind(const struct cv_arena *arena, uint32_t order)
{
	uint32_t next = cv_order_next(arena, order);

	if (next == UINT32_MAX && order < UINT32_MAX - ORDER_GAP)
		return order + ORDER_GAP;
	return next - order < 2 ? 0 : order + (next - order) / 2;
}

int cv_engine_insert(struct cv_engine_update *update, const struct cv_engine_rule *rule,
		     const char *behind, struct cv_err *err)
{
	const struct cv_rule_entry *entry = behind ? cv_entry_find(update->arena, behind) : NULL;
	uint32_t order = 0;

	if (behind && !entry)
		return -ENOENT;
	if (entry)
		order = ((const struct cv_rule_cell *)cv_arena_at(update->arena, entry->rule))
				->order;
	order = order_behind(update->arena, order);
	return order ? insert_rule(update, rule, order, err) : -ESTALE;
}

/* ---- a rule goes ---- */

static void end_record(struct cv_engine_update *update, const struct cv_item *item,
		       struct cv_record *record, bool is_ipv6)
{
	CV_PUBLISH(record->dead, update->next);
	cv_arena_image(update->arena)->garbage_cells += cv_item_cells(item, is_ipv6);
}

/* Ends the records of a rule in one bucket. */
static void end_records(void *arg, uint32_t rule, uint32_t place)
{
	struct cv_engine_update *update = arg;
	struct cv_arena *arena = update->arena;
	bool is_ipv6 = cv_root_is_ipv6(CV_PLACE_ROOT(place));
	uint32_t root = cv_arena_image(arena)->roots[CV_PLACE_ROOT(place)];
	const struct cv_tuple *tuple = cv_root_tuple(arena, root, CV_PLACE_TUPLE(place));
	uint32_t slot = CV_PLACE_SLOT(place);
	const __u32 *slots = cv_arena_at(arena, tuple->slots + slot / 8);
	uint32_t cell = CV_RECORD_CELL(slots[slot % 8]);
	struct cv_chunk chunk;

	for (; cell; cell = chunk.next) {
		cv_chunk_read(arena, cell, is_ipv6, &chunk);
		for (uint32_t i = 0; i < chunk.count; i++) {
			struct cv_record *record = cv_arena_at(arena, chunk.cells[i]);

			if (CV_RECORD_CELL(record->rule) == rule &&
			    record->dead == CV_GENERATION_NEVER)
				end_record(update, &chunk.items[i], record, is_ipv6);
		}
	}
}

static void end_rule(struct cv_engine_update *update, const struct cv_rule_entry *entry)
{
	struct cv_rule_cell *rule = cv_arena_at(update->arena, entry->rule);
	struct cv_image *image = begin(update);

	cv_places_visit(update->arena, entry, end_records, update);
	cv_order_remove(update->arena, rule->order);
	rule->dead = update->next;
	image->rule_count--;
	image->garbage_cells += sizeof(*rule) / CV_CELL_BYTES;
}

int cv_engine_remove(struct cv_engine_update *update, const char *name, struct cv_err *err)
{
	(void)err;
	const struct cv_rule_entry *entry = cv_entry_find(update->arena, name);

	if (!entry)
		return -ENOENT;
	end_rule(update, entry);
	return 0;
}

int cv_engine_replace(struct cv_engine_update *update, const struct cv_engine_rule *rule,
		      struct cv_err *err)
{
	const struct cv_rule_entry *entry = cv_entry_find(update->arena, rule->rule->rule.name);
	uint32_t order;

	if (!entry)
		return -ENOENT;
	order = ((const struct cv_rule_cell *)cv_arena_at(update->arena, entry->rule))->order;
	end_rule(update, entry);
	return insert_rule(update, rule, order, err);
}
