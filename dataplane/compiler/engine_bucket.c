/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Buckets: runs of records in chunks, so that a long one is changed in a part of it. */
#include "engine_parts.h"

uint32_t cv_bucket_steps(size_t count)
{
	return count ? count + (count - 1) / CV_BUCKET_CHUNK : 0;
}

/* Writes the last chunk of a run, and ends it or makes it go on. */
static uint32_t write_chunk(struct cv_arena *arena, const struct cv_item *const *items,
			    size_t count, uint32_t next, bool is_ipv6)
{
	uint32_t cells = !!next, first, at;

	for (size_t i = 0; i < count; i++)
		cells += cv_item_cells(items[i], is_ipv6);
	first = at = cv_arena_take(arena, cells, false);
	for (size_t i = 0; first && i < count; i++) {
		cv_item_write(items[i], is_ipv6, cv_arena_at(arena, at));
		if (i == count - 1 && !next)
			((struct cv_record *)cv_arena_at(arena, at))->rule |= CV_RECORD_LAST;
		at += cv_item_cells(items[i], is_ipv6);
	}
	if (first && next)
		((struct cv_record *)cv_arena_at(arena, at))->rule = next | CV_RECORD_JUMP;
	return first;
}

/* From its end on: each chunk is told where the next one begins. */
uint32_t cv_bucket_write(struct cv_arena *arena, const struct cv_item *const *items, size_t count,
			 uint32_t next, bool is_ipv6)
{
	size_t begin = count ? (count - 1) / CV_BUCKET_CHUNK * CV_BUCKET_CHUNK : 0;

	while (count) {
		next = write_chunk(arena, items + begin, count - begin, next, is_ipv6);
		if (!next)
			return 0;
		count = begin;
		begin -= count ? CV_BUCKET_CHUNK : 0;
	}
	return next;
}

void cv_chunk_read(const struct cv_arena *arena, uint32_t cell, bool is_ipv6,
		   struct cv_chunk *chunk)
{
	*chunk = (struct cv_chunk){ 0 };
	for (;;) {
		const struct cv_record *record = cv_arena_at(arena, cell);

		if (record->rule & CV_RECORD_JUMP) {
			chunk->jump = cell;
			chunk->next = CV_RECORD_CELL(record->rule);
			return;
		}
		cv_item_read(&chunk->items[chunk->count], is_ipv6, record);
		chunk->cells[chunk->count] = cell;
		/* Where it is written next it may not be the last. */
		chunk->items[chunk->count].record.rule &= ~CV_RECORD_LAST;
		cell += cv_item_cells(&chunk->items[chunk->count], is_ipv6);
		chunk->count++;
		if (record->rule & CV_RECORD_LAST)
			return;
	}
}

uint32_t cv_root_steps(const struct cv_arena *arena, uint32_t root)
{
	const struct cv_root *head = cv_arena_at(arena, root);
	uint32_t steps = 0;

	for (uint32_t i = 0; i < head->tuple_count; i++) {
		const struct cv_tuple *tuple = cv_root_tuple(arena, root, i);

		if (tuple->steps)
			steps += 1 + tuple->steps;
	}
	return steps;
}

static bool visit_bucket(const struct cv_arena *arena, uint32_t cell, enum cv_root_index index,
			 cv_record_fn fn, void *arg)
{
	bool is_ipv6 = cv_root_is_ipv6(index);
	struct cv_item item;

	while (cell) {
		const struct cv_record *record = cv_arena_at(arena, cell);

		if (record->rule & CV_RECORD_JUMP) {
			cell = CV_RECORD_CELL(record->rule);
			continue;
		}
		cv_item_read(&item, is_ipv6, record);
		item.record.rule &= ~CV_RECORD_LAST;
		if (!fn(arg, index, &item))
			return false;
		cell = record->rule & CV_RECORD_LAST ? 0 : cell + cv_item_cells(&item, is_ipv6);
	}
	return true;
}

static bool visit_root(const struct cv_arena *arena, enum cv_root_index index, uint32_t root,
		       cv_record_fn fn, void *arg)
{
	const struct cv_root *head = cv_arena_at(arena, root);

	for (uint32_t i = 0; i < head->tuple_count; i++) {
		const struct cv_tuple *tuple = cv_root_tuple(arena, root, i);

		for (uint32_t slot = 0; slot <= tuple->slot_mask; slot++) {
			const __u32 *slots = cv_arena_at(arena, tuple->slots + slot / 8);

			if (!visit_bucket(arena, CV_RECORD_CELL(slots[slot % 8]), index, fn, arg))
				return false;
		}
	}
	return true;
}

bool cv_records_visit(const struct cv_arena *arena, cv_record_fn fn, void *arg)
{
	const struct cv_image *image = cv_arena_image(arena);

	for (int i = 0; i < CV_ROOT_COUNT; i++)
		if (image->roots[i] && !visit_root(arena, i, image->roots[i], fn, arg))
			return false;
	return true;
}
