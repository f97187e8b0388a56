/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a change of an image looks things up by: rules by name and by order, and the buckets that hold
 * records of a rule. In memory of the process, made when a change begins.
 */
#ifndef CV_ENGINE_INDEX_H
#define CV_ENGINE_INDEX_H

#include "engine_parts.h"

/* A bucket with records of a rule. */
struct cv_engine_place {
	struct cv_bucket_place bucket;
	uint32_t next; /* index + 1 of the rule's next one */
};

/* Orders, ascending. Blocks keep an insertion short. */
#define CV_ORDER_BLOCK 1024
struct cv_order_block {
	uint32_t count;
	uint32_t orders[CV_ORDER_BLOCK];
};

struct cv_index {
	uint32_t *
		names; /* owned, as are all lists; by a hash of the name: cell of the rule, 0: free */
	uint32_t name_mask;
	uint32_t name_count; /* used, with those that rules left behind */
	struct cv_order_block **blocks;
	uint32_t block_count;
	struct cv_engine_place *places;
	uint32_t place_count;
	uint32_t place_room;
	uint32_t *heads; /* by cell of a rule: index + 1 of its first place */
	uint32_t head_room;
	bool has_places;
};

/* Fills an index that is zero with the rules of that generation. False: there is no memory; the index
 * is to be released in any case. */
bool cv_index_make(struct cv_index *index, const struct cv_arena *arena, uint16_t generation);
void cv_index_fini(struct cv_index *index);

/* The cell of the rule of that name, 0: none. */
uint32_t cv_index_find(const struct cv_index *index, const struct cv_arena *arena,
		       const char *name);
/* The lowest order above that one, 0: none. */
uint32_t cv_index_next_order(const struct cv_index *index, uint32_t order);
bool cv_index_add_rule(struct cv_index *index, const struct cv_arena *arena, uint32_t cell);
void cv_index_remove_rule(struct cv_index *index, const struct cv_arena *arena, uint32_t cell);

/* Places are found by a walk over all records, when they are first asked for. */
bool cv_index_need_places(struct cv_index *index, const struct cv_arena *arena);
bool cv_index_add_place(struct cv_index *index, uint32_t rule,
			const struct cv_bucket_place *bucket);
/* The first place of a rule, and those behind it; NULL: no more. */
const struct cv_engine_place *cv_index_places(const struct cv_index *index, uint32_t rule);
const struct cv_engine_place *cv_index_next_place(const struct cv_index *index,
						  const struct cv_engine_place *place);

#endif
