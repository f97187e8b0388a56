/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The image's table of rules: by name, with where their records are, so that a change reads no more of
 * an image than it has to. */
#include <string.h>

#include "engine_parts.h"

#define SPARE_ENTRIES 64

static struct cv_rule_entry *entry_at(const struct cv_arena *arena, uint32_t index)
{
	const uint32_t in_cell = CV_CELL_BYTES / sizeof(struct cv_rule_entry);
	uint32_t first = cv_arena_image(arena)->entries;

	return (struct cv_rule_entry *)cv_arena_at(arena, first + index / in_cell) +
	       index % in_cell;
}

static uint32_t name_hash(const char *name)
{
	uint64_t words[CV_NAME_LEN / sizeof(uint64_t)] = { 0 }, hash = 0;

	memcpy(words, name, strnlen(name, CV_NAME_LEN));
	for (size_t i = 0; i < CV_NAME_LEN / sizeof(uint64_t); i++) {
		hash = (hash ^ words[i]) * CV_HASH_1;
		hash ^= hash >> 32;
	}
	return hash;
}

bool cv_entries_make(struct cv_arena *arena, uint32_t rules)
{
	struct cv_image *image = cv_arena_image(arena);
	uint32_t room = rules + rules / 2 + SPARE_ENTRIES;

	image->entries = cv_arena_take(
		arena, (room * sizeof(struct cv_rule_entry) + CV_CELL_BYTES - 1) / CV_CELL_BYTES,
		true);
	image->entry_room = room;
	return image->entries;
}

struct cv_rule_entry *cv_entry_add(struct cv_arena *arena, uint32_t cell)
{
	struct cv_image *image = cv_arena_image(arena);
	const struct cv_rule_cell *rule = cv_arena_at(arena, cell);
	uint32_t at = name_hash(cv_rule_name(arena, rule)) % image->entry_room;
	struct cv_rule_entry *entry = entry_at(arena, at);

	/* One entry stays free, so that every search ends. */
	if (image->entry_count + 1 >= image->entry_room)
		return NULL;
	while (entry->rule) {
		at = (at + 1) % image->entry_room;
		entry = entry_at(arena, at);
	}
	entry->rule = cell;
	image->entry_count++;
	image->rule_count++;
	return entry;
}

struct cv_rule_entry *cv_entry_find(const struct cv_arena *arena, const char *name)
{
	const struct cv_image *image = cv_arena_image(arena);
	uint32_t at = name_hash(name) % image->entry_room;

	for (;; at = (at + 1) % image->entry_room) {
		struct cv_rule_entry *entry = entry_at(arena, at);
		const struct cv_rule_cell *rule;

		if (!entry->rule)
			return NULL;
		rule = cv_arena_at(arena, entry->rule);
		if (rule->dead == CV_GENERATION_NEVER && !strcmp(cv_rule_name(arena, rule), name))
			return entry;
	}
}

void cv_entries_visit(const struct cv_arena *arena, cv_rule_fn fn, void *arg)
{
	for (uint32_t i = 0; i < cv_arena_image(arena)->entry_room; i++) {
		const struct cv_rule_entry *entry = entry_at(arena, i);

		if (entry->rule)
			fn(arg, cv_arena_at(arena, entry->rule));
	}
}

/* ---- places ---- */

/* Puts a chunk with a place before those that there are. */
static bool add_chunk(struct cv_arena *arena, uint32_t *places, uint32_t next, uint32_t place)
{
	uint32_t cell = cv_arena_take(arena, 1, false);
	struct cv_place_chunk *chunk;

	if (!cell)
		return false;
	chunk = cv_arena_at(arena, cell);
	chunk->next = next;
	chunk->places[0] = place;
	*places = cell;
	return true;
}

bool cv_place_add(struct cv_arena *arena, struct cv_rule_entry *entry, uint32_t place)
{
	struct cv_place_chunk *chunk;
	uint32_t one = entry->places;

	if (!entry->places || entry->places == place) {
		entry->places = place;
		return true;
	}
	if (CV_PLACE_IS_ONE(one) && !add_chunk(arena, &entry->places, 0, one))
		return false;
	chunk = cv_arena_at(arena, entry->places);
	for (int i = 0; i < CV_PLACE_CHUNK; i++) {
		if (chunk->places[i] == place)
			return true;
		if (!chunk->places[i]) {
			chunk->places[i] = place;
			return true;
		}
	}
	return add_chunk(arena, &entry->places, entry->places, place);
}

void cv_places_visit(const struct cv_arena *arena, const struct cv_rule_entry *entry,
		     cv_place_fn fn, void *arg)
{
	const struct cv_place_chunk *chunk;

	if (CV_PLACE_IS_ONE(entry->places)) {
		fn(arg, entry->rule, entry->places);
		return;
	}
	for (uint32_t cell = entry->places; cell; cell = chunk->next) {
		chunk = cv_arena_at(arena, cell);
		for (int i = 0; i < CV_PLACE_CHUNK && chunk->places[i]; i++)
			fn(arg, entry->rule, chunk->places[i]);
	}
}

/* ---- orders ---- */

bool cv_order_add(struct cv_arena *arena, uint32_t order)
{
	struct cv_image *image = cv_arena_image(arena);
	struct cv_order_chunk *chunk = image->orders ? cv_arena_at(arena, image->orders) : NULL;
	uint32_t cell;

	for (int i = 0; chunk && i < CV_ORDER_CHUNK; i++)
		if (!chunk->orders[i]) {
			chunk->orders[i] = order;
			return true;
		}
	cell = cv_arena_take(arena, 1, false);
	if (!cell)
		return false;
	chunk = cv_arena_at(arena, cell);
	chunk->next = image->orders;
	chunk->orders[0] = order;
	image->orders = cell;
	return true;
}

void cv_order_remove(const struct cv_arena *arena, uint32_t order)
{
	struct cv_order_chunk *chunk;

	for (uint32_t cell = cv_arena_image(arena)->orders; cell; cell = chunk->next) {
		chunk = cv_arena_at(arena, cell);
		for (int i = 0; i < CV_ORDER_CHUNK; i++)
			if (chunk->orders[i] == order) {
				chunk->orders[i] = 0;
				return;
			}
	}
}

uint32_t cv_order_next(const struct cv_arena *arena, uint32_t order)
{
	const struct cv_image *image = cv_arena_image(arena);
	uint32_t next = UINT32_MAX;
	const struct cv_order_chunk *chunk;

	if (order < image->order_end)
		next = (order / image->order_gap + 1) * image->order_gap;
	for (uint32_t cell = image->orders; cell; cell = chunk->next) {
		chunk = cv_arena_at(arena, cell);
		for (int i = 0; i < CV_ORDER_CHUNK; i++)
			if (chunk->orders[i] > order && chunk->orders[i] < next)
				next = chunk->orders[i];
	}
	return next;
}
