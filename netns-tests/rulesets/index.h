/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The oracle for large sets: the definition of a match (compiler/oracle.h) asked only of those
 * conjunctions that can hold, so that millions of packets are judged in minutes. It has nothing in
 * common with the engine but that definition: conjunctions stand in lists by the first bits of their
 * addresses, and a packet is compared with those of sixteen lists, each in order.
 */
#ifndef CV_INDEX_H
#define CV_INDEX_H

#include <stdint.h>

#include "compiler/oracle.h"

/* By how much of an address is heeded: nothing, some, more, most. */
#define INDEX_DEPTHS 4
#define INDEX_LISTS (INDEX_DEPTHS * INDEX_DEPTHS)

struct index_list {
	uint64_t key; /* of the address bits, the family and the depths */
	uint32_t first; /* index into members */
	uint32_t count; /* 0: the slot is free */
};

struct index {
	const struct cv_rules *rules; /* borrowed */
	struct index_list *lists; /* owned; open addressing */
	uint64_t mask;
	uint32_t *members; /* owned; indexes of conjunctions, ascending within a list */
};

/* The rules must stay as they are while the index lives. Returns 0, or -ENOMEM. */
int index_make(struct index *index, const struct cv_rules *rules);
void index_fini(struct index *index);

/* As cv_oracle_find(). */
const struct cv_compiled_rule *
index_find(const struct index *index, const struct cv_oracle_packet *packet, enum cv_direction dir);

/* What of the conjunctions is looked at. */
struct index_part {
	const bool *is_kept; /* by index of the rule; NULL: all are */
	size_t begin;
	size_t end;
};

/* Index of the first conjunction of that part that holds in that direction, or part->end. */
size_t index_first(const struct index *index, const struct cv_oracle_packet *packet,
		   enum cv_direction dir, const struct index_part *part);

#endif
