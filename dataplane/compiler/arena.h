/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The arena of abi.h from user space: cells by number, in segments that a callback supplies - memory
 * of a process, or what is mapped of BPF arrays. Cells are given out one after the other and are never
 * taken back: an image that has become too full of garbage is built anew.
 */
#ifndef CV_ARENA_H
#define CV_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

/* Where segments come from. */
struct cv_arena_source {
	/* Segment number index (below CV_ARENA_SEGMENTS), made and zeroed if it does not exist; NULL:
	 * there is no memory. It stays where it is while the arena is used. Segments are asked for in
	 * ascending order. */
	struct cv_arena_segment *(*make)(void *arg, uint32_t index);
	/* Returns when all packets are through that were on their way when it was called. May be NULL:
	 * nobody else reads. */
	void (*settle)(void *arg);
	void *arg;
};

struct cv_arena {
	struct cv_arena_source source;
	struct cv_arena_segment *segments[CV_ARENA_SEGMENTS]; /* borrowed */
	uint32_t segment_count;
	uint32_t used; /* cells that are given out */
};

/* An empty arena, whose first cells are the image's. False: there is no memory. */
bool cv_arena_init(struct cv_arena *arena, const struct cv_arena_source *source);

/* Fetches the segments of an arena of which so many cells are given out. False: there is no memory. */
bool cv_arena_adopt(struct cv_arena *arena, uint32_t used);

/* Gives out cells, which are zero. may_cross: an array of what is no larger than a cell, which may lie
 * in several segments; else they all lie in one. Returns the first one's number, 0 if there is no
 * memory. */
uint32_t cv_arena_take(struct cv_arena *arena, uint32_t cells, bool may_cross);

/* The cell, and the others that were taken with it as far as its segment goes. It must have been given
 * out. */
static inline void *cv_arena_at(const struct cv_arena *arena, uint32_t cell)
{
	return arena->segments[cell >> CV_ARENA_SEGMENT_BITS]
		->cells[cell & (CV_ARENA_SEGMENT_CELLS - 1)];
}

static inline struct cv_image *cv_arena_image(const struct cv_arena *arena)
{
	return cv_arena_at(arena, 0);
}

/* Segments of this process' memory. */
struct cv_arena_source cv_arena_heap(void);
/* Releases the segments of an arena of such. */
void cv_arena_heap_fini(struct cv_arena *arena);

#endif
