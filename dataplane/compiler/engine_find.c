/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looking a packet up in an image: bpf/engine.h in user space. */
#include "engine_parts.h"

/* A search at work. */
struct search {
	const struct cv_arena *arena;
	const struct cv_engine_packet *packet;
	uint32_t generation;
	uint32_t after;
	cv_engine_extra_fn holds;
	const void *arg;
	uint32_t found; /* cell of a rule */
	uint32_t found_order;
	uint32_t steps;
};

/* True if the first bits of both are the same. */
static bool half_agrees(uint64_t a, uint64_t b, uint32_t bits)
{
	return !bits || !((a ^ b) >> (bits >= 64 ? 0 : 64 - bits));
}

static bool prefix_agrees(uint64_t high, uint64_t low, const uint64_t addr[2], uint32_t bits)
{
	return half_agrees(high, addr[0], bits) &&
	       half_agrees(low, addr[1], bits > 64 ? bits - 64 : 0);
}

static bool addresses_agree(const struct cv_item *item, const struct cv_engine_packet *packet)
{
	const struct cv_record *record = &item->record;

	if (cv_root_is_ipv6(packet->root))
		return prefix_agrees(record->src_high, item->more.src_low, packet->src,
				     record->src_bits) &&
		       prefix_agrees(item->more.dst_high, item->more.dst_low, packet->dst,
				     record->dst_bits);
	return half_agrees((uint64_t)record->src << 32, packet->src[1] << 32, record->src_bits) &&
	       half_agrees((uint64_t)record->dst << 32, packet->dst[1] << 32, record->dst_bits);
}

static bool record_holds(const struct search *search, const struct cv_item *item)
{
	const struct cv_engine_packet *packet = search->packet;
	const struct cv_record *record = &item->record;

	if (record->born > search->generation || record->dead <= search->generation ||
	    record->order <= search->after || !(record->dirs >> packet->dir & 1))
		return false;
	if (!packet->is_ip && !(record->rule & CV_RECORD_LINK))
		return false;
	if (record->rule & CV_RECORD_PROTO && record->proto != packet->proto)
		return false;
	if (record->rule & CV_RECORD_PORTS &&
	    (!packet->has_ports || packet->sport < record->sport_min ||
	     packet->sport > record->sport_max || packet->dport < record->dport_min ||
	     packet->dport > record->dport_max))
		return false;
	if (!addresses_agree(item, packet))
		return false;
	return !(record->rule & CV_RECORD_EXTRA) || search->holds(item->extra, search->arg);
}

/* The first record of a run that holds, unless one with a lower order was found before. */
static void walk(struct search *search, uint32_t cell)
{
	bool is_ipv6 = cv_root_is_ipv6(search->packet->root);
	struct cv_item item;

	for (;; search->steps++) {
		const struct cv_record *record = cv_arena_at(search->arena, cell);

		if (record->rule & CV_RECORD_JUMP) {
			cell = CV_RECORD_CELL(record->rule);
			continue;
		}
		if (record->order >= search->found_order)
			break;
		cv_item_read(&item, is_ipv6, record);
		if (record_holds(search, &item)) {
			search->found = CV_RECORD_CELL(record->rule);
			search->found_order = record->order;
			break;
		}
		if (record->rule & CV_RECORD_LAST)
			break;
		cell += cv_item_cells(&item, is_ipv6);
	}
	search->steps++;
}

static void probe(struct search *search, const struct cv_tuple *tuple)
{
	const struct cv_engine_packet *packet = search->packet;
	struct cv_tuple_key key = {
		.src_high = packet->src[0],
		.src_low = packet->src[1],
		.dst_high = packet->dst[0],
		.dst_low = packet->dst[1],
		.ports = (uint32_t)packet->sport << 16 | packet->dport,
		.proto = packet->proto,
	};
	uint64_t hash = cv_tuple_hash(tuple, cv_root_is_ipv6(packet->root), &key);
	uint32_t slot = *cv_tuple_slot(search->arena, tuple, hash);

	search->steps++;
	if (slot & CV_HASH_BLOOM(hash))
		walk(search, CV_RECORD_CELL(slot));
}

uint32_t cv_engine_find(const struct cv_arena *arena, uint16_t generation,
			const struct cv_engine_packet *packet, uint32_t after,
			cv_engine_extra_fn holds, const void *arg, uint32_t *steps)
{
	struct search search = {
		.arena = arena,
		.packet = packet,
		.generation = generation,
		.after = after,
		.holds = holds,
		.arg = arg,
		.found_order = UINT32_MAX,
	};
	uint32_t root = cv_arena_image(arena)->roots[packet->root];
	uint64_t left = root ? cv_words_of(arena, cv_arena_at(arena, root), packet) : 0;

	for (; left; left &= left - 1) {
		const struct cv_tuple *tuple = cv_root_tuple(arena, root, __builtin_ctzll(left));

		if (tuple->best >= search.found_order)
			break;
		probe(&search, tuple);
	}
	if (steps)
		*steps = search.steps;
	return search.found;
}
