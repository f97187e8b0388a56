/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parts of which an image is put together: records, tuples, pruning words, buckets. For the
 * engine's own files.
 */
#ifndef CV_ENGINE_PARTS_H
#define CV_ENGINE_PARTS_H

#include <stddef.h>

#include "arena.h"
#include "engine.h"

/* ---- records ---- */

/* A record in the making, or one that was read. */
struct cv_item {
	struct cv_record record; /* the cell in rule: 0 until the rule has one */
	struct cv_record6 more; /* IPv6 */
	const struct cv_extra *extra; /* borrowed; of CV_RECORD_EXTRA */
	uint64_t hash; /* in its tuple */
	uint32_t rule; /* index of it */
	uint32_t extra_flags; /* CV_MATCH_* of extra: what extra->flags may not say */
};

/* What a match becomes in that root. False: nothing. */
bool cv_item_of_match(struct cv_item *item, const struct cv_match *match, enum cv_root_index root);
/* The other way round; rule is the caller's. */
void cv_item_to_match(const struct cv_item *item, enum cv_root_index root, struct cv_match *match);
/* Cells that the record takes. */
uint32_t cv_item_cells(const struct cv_item *item, bool is_ipv6);
/* Writes it to cells that are zero, and reads it. */
void cv_item_write(const struct cv_item *item, bool is_ipv6, void *cells);
void cv_item_read(struct cv_item *item, bool is_ipv6, const void *cells);

static inline bool cv_root_is_ipv6(enum cv_root_index root)
{
	return root == CV_ROOT_IPV6 || root == CV_ROOT_QUOTED_IPV6;
}

static inline bool cv_root_is_quoted(enum cv_root_index root)
{
	return root >= CV_ROOT_QUOTED_IPV4;
}

/* ---- tuples ---- */

/* How exact records of a tuple are at least. */
struct cv_shape {
	uint8_t src_bits;
	uint8_t dst_bits;
	bool has_sport; /* one port, and not a range */
	bool has_dport;
	bool has_proto;
};

struct cv_shapes {
	struct cv_shape shapes[CV_MAX_TUPLES];
	uint32_t count;
};

/* Chooses shapes for records. One of them is that which every record has. */
bool cv_shapes_choose(struct cv_shapes *shapes, const struct cv_item *items, size_t count,
		      bool is_ipv6);
/* Index of the most exact shape that the record has. */
uint32_t cv_shape_best(const struct cv_shapes *shapes, const struct cv_item *item);

/* The lengths of prefixes, of at least 1 bit, that lose the fewest bits of those that a histogram of
 * lengths (0 to 128) has; some of them may be the same. */
void cv_levels_choose(const uint32_t *histogram, uint8_t *levels, uint32_t count);

struct cv_tuple cv_tuple_of_shape(const struct cv_shape *shape, bool is_ipv6);
struct cv_shape cv_tuple_to_shape(const struct cv_tuple *tuple, bool is_ipv6);
/* Where a packet, or a record, is in a tuple. */
uint64_t cv_tuple_hash(const struct cv_tuple *tuple, bool is_ipv6, const struct cv_tuple_key *key);
struct cv_tuple_key cv_item_key(const struct cv_item *item, bool is_ipv6);

static inline struct cv_tuple *cv_root_tuple(const struct cv_arena *arena, uint32_t root,
					     uint32_t index)
{
	return cv_arena_at(arena, root + CV_ROOT_CELLS + index);
}

/* ---- pruning words ---- */

/* Makes the words of a root. tuple_of[i] is the tuple of items[i]. */
bool cv_words_build(struct cv_arena *arena, struct cv_root *root, const struct cv_item *items,
		    const uint8_t *tuple_of, size_t count, bool is_ipv6);
/* Sets what a record needs that comes into a tuple, while packets read. */
void cv_words_add(const struct cv_arena *arena, struct cv_root *root, const struct cv_item *item,
		  uint32_t tuple, bool is_ipv6);
/* The tuples that a packet is to be looked for in. */
uint64_t cv_words_of(const struct cv_arena *arena, const struct cv_root *root,
		     const struct cv_engine_packet *packet);

/* ---- buckets ---- */

#define CV_BUCKET_CHUNK 8 /* records, behind which a run may jump */

/* Writes records, which stand in their order, as a run that goes on at a cell, 0: that ends. Returns
 * its first cell, 0: there is no memory. */
uint32_t cv_bucket_write(struct cv_arena *arena, const struct cv_item *const *items, size_t count,
			 uint32_t next, bool is_ipv6);
/* Steps that a run of so many records takes, as it is written. */
uint32_t cv_bucket_steps(size_t count);

/* The records of a run up to a jump or its end: at most CV_BUCKET_CHUNK. */
struct cv_chunk {
	struct cv_item items[CV_BUCKET_CHUNK];
	uint32_t cells[CV_BUCKET_CHUNK]; /* where they stand */
	uint32_t count;
	uint32_t jump; /* cell of the jump; 0: the run ends */
	uint32_t next; /* where it leads to */
};

void cv_chunk_read(const struct cv_arena *arena, uint32_t cell, bool is_ipv6,
		   struct cv_chunk *chunk);

/* Steps that a packet may take in a root: a look at each tuple, and its longest bucket. */
uint32_t cv_root_steps(const struct cv_arena *arena, uint32_t root);

/* Calls fn for each record, dead ones included. True if all calls returned true. */
typedef bool (*cv_record_fn)(void *arg, enum cv_root_index root, const struct cv_item *item);
bool cv_records_visit(const struct cv_arena *arena, cv_record_fn fn, void *arg);

/* True if packets of that generation see it. */
static inline bool cv_is_born(uint16_t born, uint16_t dead, uint16_t generation)
{
	return born <= generation && generation < dead;
}

/* Writes a rule to cells. Returns the first one, 0: there is no memory. */
uint32_t cv_rule_write(struct cv_arena *arena, const struct cv_compiled_rule *compiled,
		       uint32_t order, uint16_t born);

static inline const char *cv_rule_name(const struct cv_arena *arena,
				       const struct cv_rule_cell *rule)
{
	return (const char *)cv_arena_at(arena, CV_NAME_CELL(rule->name)) +
	       CV_NAME_BYTE(rule->name);
}

static inline uint32_t *cv_tuple_slot(const struct cv_arena *arena, const struct cv_tuple *tuple,
				      uint64_t hash)
{
	uint32_t index = CV_HASH_SLOT(hash) & tuple->slot_mask;

	return (uint32_t *)cv_arena_at(arena, tuple->slots + index / 8) + index % 8;
}

/* ---- rules by name ---- */

/* Makes an empty table with room for rules and some more. */
bool cv_entries_make(struct cv_arena *arena, uint32_t rules);
/* Puts the rule of that cell in. NULL: there is no room. */
struct cv_rule_entry *cv_entry_add(struct cv_arena *arena, uint32_t cell);
/* The rule of that name that is not to go. NULL: there is none. */
struct cv_rule_entry *cv_entry_find(const struct cv_arena *arena, const char *name);

/* Calls fn for each rule, those that are gone included, in no order. */
typedef void (*cv_rule_fn)(void *arg, const struct cv_rule_cell *rule);
void cv_entries_visit(const struct cv_arena *arena, cv_rule_fn fn, void *arg);

/* Notes where a record of the rule is: CV_PLACE. False: there is no memory. */
bool cv_place_add(struct cv_arena *arena, struct cv_rule_entry *entry, uint32_t place);
typedef void (*cv_place_fn)(void *arg, uint32_t rule, uint32_t place);
void cv_places_visit(const struct cv_arena *arena, const struct cv_rule_entry *entry,
		     cv_place_fn fn, void *arg);

/* Notes the order of a rule that comes into an image that was there. */
bool cv_order_add(struct cv_arena *arena, uint32_t order);
/* Gives such an order back: no packet sees both the rule that goes and one that comes. */
void cv_order_remove(const struct cv_arena *arena, uint32_t order);
/* The lowest order above that one, UINT32_MAX: there is none. */
uint32_t cv_order_next(const struct cv_arena *arena, uint32_t order);

/* Writes what packets read by one store. */
#define CV_PUBLISH(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)

#endif
