/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The oracle for large sets: see index.h. */
#include "index.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

/* First bits of an address that count at each depth; at most 64. */
static const uint8_t depth_bits[2][INDEX_DEPTHS] = { { 0, 8, 16, 24 }, { 0, 24, 48, 64 } };

static uint64_t first_bits(const __be32 addr[4], unsigned int bits)
{
	uint64_t high = (uint64_t)ntohl(addr[0]) << 32 | ntohl(addr[1]);

	return bits ? high >> (64 - bits) : 0;
}

static int depth_of(const __be32 mask[4], uint8_t family)
{
	int depth = INDEX_DEPTHS - 1;

	for (; depth > 0; depth--) {
		unsigned int bits = depth_bits[family == 6][depth];

		if (first_bits(mask, bits) == ~0ull >> (64 - bits))
			break;
	}
	return depth;
}

static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

/* Lists of equal keys are one list, which costs time only. */
static uint64_t key_of(const __be32 src[4], const __be32 dst[4], uint8_t family, int src_depth,
		       int dst_depth)
{
	const uint8_t *bits = depth_bits[family == 6];
	uint64_t place = (uint64_t)family << 8 | src_depth << 4 | dst_depth;

	return mix(first_bits(src, bits[src_depth]) +
		   mix(first_bits(dst, bits[dst_depth]) + mix(place + 1)));
}

static struct index_list *slot_of(const struct index *index, uint64_t key)
{
	uint64_t slot = key & index->mask;

	while (index->lists[slot].count && index->lists[slot].key != key)
		slot = (slot + 1) & index->mask;
	return &index->lists[slot];
}

static uint64_t key_of_match(const struct cv_match *match, uint8_t family)
{
	return key_of(match->src, match->dst, family, depth_of(match->src_mask, family),
		      depth_of(match->dst_mask, family));
}

/* The families of packets for which the match can hold: 0, 4 and 6 for one without. */
static size_t families_of(const struct cv_match *match, uint8_t families[3])
{
	if (match->flags & CV_MATCH_FAMILY) {
		families[0] = match->family;
		return 1;
	}
	families[0] = 0;
	families[1] = 4;
	families[2] = 6;
	return 3;
}

/* Counts the lists' members and shares the array of members out. */
static size_t lay_out(struct index *index)
{
	size_t total = 0;
	uint8_t families[3];

	for (size_t i = 0; i < index->rules->match_count; i++) {
		const struct cv_match *match = &index->rules->matches[i];
		size_t count = families_of(match, families);

		for (size_t j = 0; j < count; j++) {
			uint64_t key = key_of_match(match, families[j]);
			struct index_list *list = slot_of(index, key);

			list->key = key;
			list->count++;
		}
	}
	for (size_t slot = 0; slot <= index->mask; slot++) {
		index->lists[slot].first = total;
		total += index->lists[slot].count;
	}
	return total;
}

/* After that first is where it was, for each list is as long as it was counted. */
static void enter(struct index *index)
{
	uint8_t families[3];

	for (size_t i = 0; i < index->rules->match_count; i++) {
		const struct cv_match *match = &index->rules->matches[i];
		size_t count = families_of(match, families);

		for (size_t j = 0; j < count; j++)
			index->members[slot_of(index, key_of_match(match, families[j]))->first++] =
				i;
	}
	for (size_t slot = 0; slot <= index->mask; slot++)
		index->lists[slot].first -= index->lists[slot].count;
}

int index_make(struct index *index, const struct cv_rules *rules)
{
	size_t size = 64, total;

	while (size < 4 * rules->match_count)
		size *= 2;
	*index = (struct index){ .rules = rules, .mask = size - 1 };
	index->lists = calloc(size, sizeof(*index->lists));
	if (!index->lists)
		return -ENOMEM;
	total = lay_out(index);
	index->members = calloc(total + 1, sizeof(*index->members));
	if (!index->members) {
		index_fini(index);
		return -ENOMEM;
	}
	enter(index);
	return 0;
}

void index_fini(struct index *index)
{
	free(index->lists);
	free(index->members);
	*index = (struct index){ 0 };
}

/* The first member of the list that holds, in part and before best; else best. */
static size_t search_list(const struct index *index, const struct index_list *list,
			  const struct cv_oracle_packet *packet, enum cv_direction dir,
			  const struct index_part *part, size_t best)
{
	for (uint32_t i = 0; i < list->count; i++) {
		size_t at = index->members[list->first + i];
		const struct cv_match *match = &index->rules->matches[at];

		if (at >= best)
			break;
		if (at >= part->begin && match->dirs & 1 << dir &&
		    (!part->is_kept || part->is_kept[match->rule]) &&
		    cv_oracle_holds(index->rules, match, packet))
			return at;
	}
	return best;
}

/* In the lists for the addresses of where, which is the packet or what it quotes. */
static size_t search_lists(const struct index *index, const struct cv_oracle_packet *packet,
			   const struct cv_oracle_packet *where, enum cv_direction dir,
			   const struct index_part *part, size_t best)
{
	for (int i = 0; i < INDEX_LISTS; i++) {
		uint64_t key = key_of(where->src, where->dst, where->family, i / INDEX_DEPTHS,
				      i % INDEX_DEPTHS);

		best = search_list(index, slot_of(index, key), packet, dir, part, best);
	}
	return best;
}

size_t index_first(const struct index *index, const struct cv_oracle_packet *packet,
		   enum cv_direction dir, const struct index_part *part)
{
	size_t best = search_lists(index, packet, packet, dir, part, part->end);

	return packet->quoted ? search_lists(index, packet, packet->quoted, dir, part, best) : best;
}

const struct cv_compiled_rule *
index_find(const struct index *index, const struct cv_oracle_packet *packet, enum cv_direction dir)
{
	const struct cv_rules *rules = index->rules;
	const struct index_part all = { .end = rules->match_count };
	struct cv_oracle_packet asked = *packet;
	size_t first;

	if (dir == CV_DIR_ENCAP || !(rules->flags & CV_RULES_NEED_OWNER(dir))) {
		asked.app = CV_APP_NONE;
		asked.is_exact = false;
	}
	first = index_first(index, &asked, dir, &all);
	return first < rules->match_count ? &rules->rules[rules->matches[first].rule] : NULL;
}
