/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cells: see arena.h. */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define IMAGE_CELLS (sizeof(struct cv_image) / CV_CELL_BYTES)

/* Makes the segments of the cells below end. */
static bool reach(struct cv_arena *arena, uint32_t end)
{
	while (arena->segment_count < (end + CV_ARENA_SEGMENT_CELLS - 1) >> CV_ARENA_SEGMENT_BITS) {
		struct cv_arena_segment *segment = NULL;

		if (arena->segment_count < CV_ARENA_SEGMENTS)
			segment = arena->source.make(arena->source.arg, arena->segment_count);
		if (!segment)
			return false;
		arena->segments[arena->segment_count++] = segment;
	}
	return true;
}

bool cv_arena_init(struct cv_arena *arena, const struct cv_arena_source *source)
{
	*arena = (struct cv_arena){ .source = *source };
	if (!reach(arena, IMAGE_CELLS))
		return false;
	arena->used = IMAGE_CELLS;
	return true;
}

bool cv_arena_adopt(struct cv_arena *arena, uint32_t used)
{
	if (!reach(arena, used))
		return false;
	arena->used = used;
	return true;
}

uint32_t cv_arena_take(struct cv_arena *arena, uint32_t cells, bool may_cross)
{
	uint32_t first = arena->used;
	uint32_t left = CV_ARENA_SEGMENT_CELLS - (first & (CV_ARENA_SEGMENT_CELLS - 1));

	if (!may_cross && cells > left)
		first += left;
	if (cells > CV_ARENA_SEGMENTS * CV_ARENA_SEGMENT_CELLS - first ||
	    !reach(arena, first + cells))
		return 0;
	arena->used = first + cells;
	return first;
}

/* ---- memory of this process ---- */

static struct cv_arena_segment *make_on_heap(void *arg, uint32_t index)
{
	(void)arg;
	(void)index;
	return calloc(1, sizeof(struct cv_arena_segment));
}

struct cv_arena_source cv_arena_heap(void)
{
	return (struct cv_arena_source){ .make = make_on_heap };
}

void cv_arena_heap_fini(struct cv_arena *arena)
{
	for (uint32_t i = 0; i < arena->segment_count; i++)
		free(arena->segments[i]);
	*arena = (struct cv_arena){ 0 };
}
