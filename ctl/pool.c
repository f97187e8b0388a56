/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory in blocks: see pool.h. */
#include "pool.h"

#include <stdalign.h>
#include <stdlib.h>

#define CV_BLOCK_BYTES 16384

struct cv_pool_block {
	struct cv_pool_block *next;
	size_t size; /* of data */
	alignas(max_align_t) char data[];
};

static int add_block(struct cv_pool *pool, size_t size)
{
	size_t room = size > CV_BLOCK_BYTES ? size : CV_BLOCK_BYTES;
	struct cv_pool_block *block = malloc(sizeof(*block) + room);

	if (!block)
		return -1;
	block->next = pool->blocks;
	block->size = room;
	pool->blocks = block;
	pool->used = 0;
	return 0;
}

void *cv_pool_take(struct cv_pool *pool, size_t size)
{
	size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void *taken;

	if ((!pool->blocks || pool->blocks->size - pool->used < rounded) &&
	    add_block(pool, rounded))
		return NULL;
	taken = pool->blocks->data + pool->used;
	pool->used += rounded;
	return taken;
}

static void free_blocks(struct cv_pool_block *block)
{
	while (block) {
		struct cv_pool_block *next = block->next;

		free(block);
		block = next;
	}
}

void cv_pool_reset(struct cv_pool *pool)
{
	if (pool->blocks) {
		free_blocks(pool->blocks->next);
		pool->blocks->next = NULL;
	}
	pool->used = 0;
}

void cv_pool_free(struct cv_pool *pool)
{
	free_blocks(pool->blocks);
	*pool = (struct cv_pool){ 0 };
}
