/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looking things up for a change of an image: see engine_index.h. */
#include "engine_index.h"

#include <stdlib.h>
#include <string.h>

#include "own.h"

#define REMOVED UINT32_MAX /* in names: a rule was there, the search goes on */

static const struct cv_rule *rule_at(const struct cv_arena *arena, uint32_t cell)
{
	return cv_arena_at(arena, cell);
}

/* ---- names ---- */

static uint32_t name_hash(const char *name)
{
	uint64_t hash = 0;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * CV_HASH_1 + 1;
	return (hash ^ hash >> 29) * CV_HASH_2 >> 32;
}

static bool make_names(struct cv_index *index, uint32_t rules)
{
	uint32_t room = 64;

	while (room < 2 * rules)
		room *= 2;
	index->names = calloc(room, sizeof(*index->names));
	index->name_mask = room - 1;
	index->name_count = 0;
	return index->names;
}

static void put_name(struct cv_index *index, const char *name, uint32_t cell)
{
	uint32_t at = name_hash(name) & index->name_mask;

	while (index->names[at] && index->names[at] != REMOVED)
		at = (at + 1) & index->name_mask;
	index->name_count += !index->names[at];
	index->names[at] = cell;
}

/* Doubles the room when half of it is used. */
static bool grow_names(struct cv_index *index, const struct cv_arena *arena)
{
	CV_FREE uint32_t *old = index->names;
	uint32_t old_mask = index->name_mask;

	if (index->name_count < old_mask / 2) {
		old = NULL;
		return true;
	}
	if (!make_names(index, old_mask + 1)) {
		index->names = CV_TAKE_PTR(old);
		return false;
	}
	for (uint32_t i = 0; i <= old_mask; i++)
		if (old[i] && old[i] != REMOVED)
			put_name(index, rule_at(arena, old[i])->name, old[i]);
	return true;
}

static uint32_t *find_name(const struct cv_index *index, const struct cv_arena *arena,
			   const char *name)
{
	uint32_t at = name_hash(name) & index->name_mask;

	for (; index->names[at]; at = (at + 1) & index->name_mask)
		if (index->names[at] != REMOVED &&
		    !strcmp(rule_at(arena, index->names[at])->name, name))
			return &index->names[at];
	return NULL;
}

uint32_t cv_index_find(const struct cv_index *index, const struct cv_arena *arena, const char *name)
{
	const uint32_t *found = find_name(index, arena, name);

	return found ? *found : 0;
}

/* ---- orders ---- */

/* The last block that begins with that order or a lower one; the first one if there is none. */
static uint32_t block_of(const struct cv_index *index, uint32_t order)
{
	uint32_t low = 0, high = index->block_count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (index->blocks[middle]->orders[0] <= order)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The number of orders in a block that are at most that one. */
static uint32_t rank_in(const struct cv_order_block *block, uint32_t order)
{
	uint32_t low = 0, high = block->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (block->orders[middle] <= order)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct cv_order_block *new_block(struct cv_index *index, uint32_t at)
{
	struct cv_order_block **blocks = reallocarray(index->blocks, index->block_count + 1,
						      sizeof(struct cv_order_block *));
	struct cv_order_block *block = calloc(1, sizeof(*block));

	if (blocks)
		index->blocks = blocks;
	if (!blocks || !block) {
		free(block);
		return NULL;
	}
	memmove(blocks + at + 1, blocks + at,
		(index->block_count - at) * sizeof(struct cv_order_block *));
	blocks[at] = block;
	index->block_count++;
	return block;
}

/* Moves the upper half of a block that is full into a new one. */
static bool split_block(struct cv_index *index, uint32_t at)
{
	struct cv_order_block *upper = new_block(index, at + 1);
	struct cv_order_block *lower = index->blocks[at];

	if (!upper)
		return false;
	upper->count = lower->count / 2;
	lower->count -= upper->count;
	memcpy(upper->orders, lower->orders + lower->count, upper->count * sizeof(uint32_t));
	return true;
}

static bool add_order(struct cv_index *index, uint32_t order)
{
	uint32_t at = block_of(index, order), rank;
	struct cv_order_block *block;

	if (!index->block_count && !new_block(index, 0))
		return false;
	if (index->blocks[at]->count == CV_ORDER_BLOCK) {
		if (!split_block(index, at))
			return false;
		at = block_of(index, order);
	}
	block = index->blocks[at];
	rank = rank_in(block, order);
	memmove(block->orders + rank + 1, block->orders + rank,
		(block->count - rank) * sizeof(uint32_t));
	block->orders[rank] = order;
	block->count++;
	return true;
}

static void remove_order(struct cv_index *index, uint32_t order)
{
	uint32_t at = block_of(index, order);
	struct cv_order_block *block = index->blocks[at];
	uint32_t rank = rank_in(block, order);

	memmove(block->orders + rank - 1, block->orders + rank,
		(block->count - rank) * sizeof(uint32_t));
	if (--block->count || index->block_count == 1)
		return;
	free(block);
	index->block_count--;
	memmove(index->blocks + at, index->blocks + at + 1,
		(index->block_count - at) * sizeof(struct cv_order_block *));
}

uint32_t cv_index_next_order(const struct cv_index *index, uint32_t order)
{
	uint32_t at = block_of(index, order), rank;

	if (!index->block_count)
		return 0;
	rank = rank_in(index->blocks[at], order);
	if (rank < index->blocks[at]->count)
		return index->blocks[at]->orders[rank];
	return at + 1 < index->block_count ? index->blocks[at + 1]->orders[0] : 0;
}

/* ---- rules ---- */

bool cv_index_add_rule(struct cv_index *index, const struct cv_arena *arena, uint32_t cell)
{
	const struct cv_rule *rule = rule_at(arena, cell);

	if (!grow_names(index, arena))
		return false;
	put_name(index, rule->name, cell);
	return add_order(index, rule->order);
}

void cv_index_remove_rule(struct cv_index *index, const struct cv_arena *arena, uint32_t cell)
{
	const struct cv_rule *rule = rule_at(arena, cell);

	*find_name(index, arena, rule->name) = REMOVED;
	remove_order(index, rule->order);
}

static int compare_orders(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

bool cv_index_make(struct cv_index *index, const struct cv_arena *arena, uint16_t generation)
{
	const struct cv_image *image = cv_arena_image(arena);
	CV_FREE uint32_t *orders = calloc(image->rule_count + 1, sizeof(*orders));
	const struct cv_rule_chunk *chunk;
	uint32_t count = 0;

	if (!orders || !make_names(index, image->rule_count))
		return false;
	for (uint32_t at = image->rule_list; at; at = chunk->next) {
		chunk = cv_arena_at(arena, at);
		for (int i = 0; i < CV_RULE_CHUNK && chunk->rules[i]; i++) {
			const struct cv_rule *rule = rule_at(arena, chunk->rules[i]);

			if (!cv_is_born(rule->born, rule->dead, generation))
				continue;
			put_name(index, rule->name, chunk->rules[i]);
			orders[count++] = rule->order;
		}
	}
	qsort(orders, count, sizeof(*orders), compare_orders);
	for (uint32_t i = 0; i < count; i++)
		if (!add_order(index, orders[i]))
			return false;
	return true;
}

void cv_index_fini(struct cv_index *index)
{
	for (uint32_t i = 0; i < index->block_count; i++)
		free(index->blocks[i]);
	free(index->blocks);
	free(index->names);
	free(index->places);
	free(index->heads);
}

/* ---- places ---- */

static bool reach_head(struct cv_index *index, uint32_t rule)
{
	uint32_t room = index->head_room ? index->head_room : 4096;
	uint32_t *heads;

	if (rule < index->head_room)
		return true;
	while (room <= rule)
		room *= 2;
	heads = reallocarray(index->heads, room, sizeof(*heads));
	if (!heads)
		return false;
	memset(heads + index->head_room, 0, (room - index->head_room) * sizeof(*heads));
	index->heads = heads;
	index->head_room = room;
	return true;
}

bool cv_index_add_place(struct cv_index *index, uint32_t rule, const struct cv_bucket_place *bucket)
{
	if (!reach_head(index, rule))
		return false;
	if (index->place_count == index->place_room) {
		uint32_t room = index->place_room ? 2 * index->place_room : 64;
		struct cv_engine_place *places = reallocarray(index->places, room, sizeof(*places));

		if (!places)
			return false;
		index->places = places;
		index->place_room = room;
	}
	index->places[index->place_count] =
		(struct cv_engine_place){ .bucket = *bucket, .next = index->heads[rule] };
	index->heads[rule] = ++index->place_count;
	return true;
}

/* Records that came in this change are noted already: a place that is known twice is looked at twice. */
static bool note_record(void *arg, const struct cv_bucket_place *bucket, const struct cv_item *item)
{
	struct cv_index *index = arg;

	return item->record.dead != CV_GENERATION_NEVER ||
	       cv_index_add_place(index, CV_RECORD_CELL(item->record.rule), bucket);
}

bool cv_index_need_places(struct cv_index *index, const struct cv_arena *arena)
{
	if (!index->has_places)
		index->has_places = cv_records_visit(arena, note_record, index);
	return index->has_places;
}

const struct cv_engine_place *cv_index_places(const struct cv_index *index, uint32_t rule)
{
	uint32_t first = rule < index->head_room ? index->heads[rule] : 0;

	return first ? &index->places[first - 1] : NULL;
}

const struct cv_engine_place *cv_index_next_place(const struct cv_index *index,
						  const struct cv_engine_place *place)
{
	return place->next ? &index->places[place->next - 1] : NULL;
}
