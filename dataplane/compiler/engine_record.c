/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records: matches as they stand in the arena. */
#include <endian.h>
#include <string.h>

#include "engine_parts.h"

static uint8_t bits_of(const __be32 mask[4], int words)
{
	uint8_t bits = 0;

	for (int i = 0; i < words; i++)
		bits += __builtin_popcount(mask[i]);
	return bits;
}

static uint64_t half_of(const __be32 addr[4], int half)
{
	return (uint64_t)be32toh(addr[2 * half]) << 32 | be32toh(addr[2 * half + 1]);
}

static void half_to(uint64_t value, __be32 *words)
{
	words[0] = htobe32(value >> 32);
	words[1] = htobe32(value);
}

static uint32_t flags_of(const struct cv_match *match)
{
	uint32_t flags = match->flags;

	return (flags & CV_MATCH_EXTRAS ? CV_RECORD_EXTRA : 0) |
	       (flags & CV_MATCH_PORTS ? CV_RECORD_PORTS : 0) |
	       (flags & CV_MATCH_PROTO ? CV_RECORD_PROTO : 0) |
	       (flags & CV_MATCH_FAMILY ? CV_RECORD_FAMILY : 0) |
	       ((flags & (CV_MATCH_ETHERTYPE | CV_MATCH_IP)) == CV_MATCH_ETHERTYPE ? CV_RECORD_LINK
										   : 0) |
	       (flags & CV_MATCH_SRC ? CV_RECORD_SRC : 0) |
	       (flags & CV_MATCH_DST ? CV_RECORD_DST : 0);
}

static void set_addresses(struct cv_item *item, const struct cv_match *match, bool is_ipv6)
{
	struct cv_record *record = &item->record;
	int words = is_ipv6 ? 4 : 1;

	if (match->flags & CV_MATCH_SRC)
		record->src_bits = bits_of(match->src_mask, words);
	if (match->flags & CV_MATCH_DST)
		record->dst_bits = bits_of(match->dst_mask, words);
	if (is_ipv6) {
		record->src_high = half_of(match->src, 0);
		item->more.src_low = half_of(match->src, 1);
		item->more.dst_high = half_of(match->dst, 0);
		item->more.dst_low = half_of(match->dst, 1);
	} else {
		record->src = be32toh(match->src[0]);
		record->dst = be32toh(match->dst[0]);
	}
}

bool cv_item_of_match(struct cv_item *item, const struct cv_match *match, enum cv_root_index root)
{
	uint8_t family = cv_root_is_ipv6(root) ? 6 : 4;

	if (cv_root_is_quoted(root) != !!(match->flags & CV_MATCH_QUOTED) || !match->dirs ||
	    (match->flags & CV_MATCH_FAMILY && match->family != family))
		return false;
	*item = (struct cv_item){
		.record = {
			.rule = flags_of(match),
			.born = CV_ENGINE_FIRST,
			.dead = CV_GENERATION_NEVER,
			.proto = match->proto,
			.dirs = match->dirs,
			.sport_min = match->sport_min,
			.sport_max = match->sport_max,
			.dport_min = match->dport_min,
			.dport_max = match->dport_max,
		},
		.extra = &match->extra,
		.rule = match->rule,
		.extra_flags = match->flags & CV_MATCH_EXTRAS,
	};
	if (!(match->flags & CV_MATCH_PORTS)) {
		item->record.sport_max = UINT16_MAX;
		item->record.dport_max = UINT16_MAX;
	}
	set_addresses(item, match, family == 6);
	return true;
}

static void set_mask(__be32 mask[4], uint8_t bits)
{
	for (uint8_t i = 0; i < bits; i++)
		mask[i / 32] |= htobe32(0x80000000u >> i % 32);
}

static uint32_t match_flags_of(uint32_t flags)
{
	return (flags & CV_RECORD_PORTS ? CV_MATCH_PORTS : 0) |
	       (flags & CV_RECORD_PROTO ? CV_MATCH_PROTO : 0) |
	       (flags & CV_RECORD_FAMILY ? CV_MATCH_FAMILY : 0) |
	       (flags & CV_RECORD_SRC ? CV_MATCH_SRC : 0) |
	       (flags & CV_RECORD_DST ? CV_MATCH_DST : 0);
}

void cv_item_to_match(const struct cv_item *item, enum cv_root_index root, struct cv_match *match)
{
	const struct cv_record *record = &item->record;

	*match = (struct cv_match){
		.flags = match_flags_of(record->rule),
		.proto = record->proto,
		.dirs = record->dirs,
	};
	if (record->rule & CV_RECORD_PORTS) {
		match->sport_min = record->sport_min;
		match->sport_max = record->sport_max;
		match->dport_min = record->dport_min;
		match->dport_max = record->dport_max;
	}
	if (cv_root_is_quoted(root))
		match->flags |= CV_MATCH_QUOTED;
	if (record->rule & CV_RECORD_FAMILY)
		match->family = cv_root_is_ipv6(root) ? 6 : 4;
	if (record->rule & CV_RECORD_EXTRA) {
		match->flags |= item->extra->flags;
		match->extra = *item->extra;
	}
	set_mask(match->src_mask, record->src_bits);
	set_mask(match->dst_mask, record->dst_bits);
	if (cv_root_is_ipv6(root)) {
		half_to(record->src_high, match->src);
		half_to(item->more.src_low, match->src + 2);
		half_to(item->more.dst_high, match->dst);
		half_to(item->more.dst_low, match->dst + 2);
	} else {
		match->src[0] = htobe32(record->src);
		match->dst[0] = htobe32(record->dst);
	}
}

uint32_t cv_item_cells(const struct cv_item *item, bool is_ipv6)
{
	uint32_t cells = is_ipv6 ? 2 : 1;

	return item->record.rule & CV_RECORD_EXTRA ? cells + sizeof(struct cv_extra) / CV_CELL_BYTES
						   : cells;
}

void cv_item_write(const struct cv_item *item, bool is_ipv6, void *cells)
{
	uint8_t *at = cells;

	memcpy(at, &item->record, sizeof(item->record));
	at += sizeof(item->record);
	if (is_ipv6) {
		memcpy(at, &item->more, sizeof(item->more));
		at += sizeof(item->more);
	}
	if (item->record.rule & CV_RECORD_EXTRA) {
		struct cv_extra *extra = (struct cv_extra *)at;

		*extra = *item->extra;
		extra->flags |= item->extra_flags;
	}
}

void cv_item_read(struct cv_item *item, bool is_ipv6, const void *cells)
{
	const uint8_t *at = cells;

	*item = (struct cv_item){ 0 };
	memcpy(&item->record, at, sizeof(item->record));
	at += sizeof(item->record);
	if (is_ipv6) {
		memcpy(&item->more, at, sizeof(item->more));
		at += sizeof(item->more);
	}
	if (item->record.rule & CV_RECORD_EXTRA)
		item->extra = (const struct cv_extra *)at;
}
