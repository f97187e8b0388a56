/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The search for a rule in the image (abi.h: struct cv_image): words of the packet's fields say which
 * tuples can have a record for it, each of these is probed by a hash, and the records of the bucket
 * are asked in their order. The global functions are there for the verifier, which looks at each of
 * them once.
 */
#ifndef CV_ENGINE_H
#define CV_ENGINE_H

#include "arena.h"
#include "extra.h"
#include "packet.h"
#include "set.h"

/* A packet as records ask for it, and how far the search is. No member that steers it begins with a
 * value that the verifier knows: see siphash.h. */
struct cv_query {
	__u64 live; /* cv_live.word */
	__u64 left; /* tuples that are still to be probed */
	const struct cv_root *root;
	const struct cv_pkt *pkt;
	__u32 after; /* only records of a higher order are meant */
	__u32 limit; /* only ones of a lower order: of what was found already */
	__u32 asked; /* CV_RECORD_* that decide whether a record is about such a packet */
	__u32 wanted; /* what they must be */
	__u32 cell; /* of the next record of a bucket; 0: a tuple is to be probed */
	__u32 found; /* cell of a rule */
	__u32 dir; /* the bit of it */
};

/* Half of an IPv6 address in host order. Addresses are read where they are used: programs that
 * encapsulate have little stack left. */
static __always_inline __u64 cv_half(const __be32 *words)
{
	return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

static __always_inline __u32 cv_pkt_ports(const struct cv_pkt *pkt)
{
	return (__u32)pkt->sport << 16 | pkt->dport;
}

/* ---- a record ---- */

/* Not zero if the first bits (0 to 64) of both differ. */
static __always_inline __u64 cv_half_differs(__u64 a, __u64 b, __u64 bits)
{
	__u64 shift = 64 - bits;

	/* In two steps: a shift by 64 is one by 0. */
	return (a ^ b) >> (shift >> 1) >> (shift - (shift >> 1));
}

static __always_inline __u64 cv_prefix_differs(const __be32 *addr, __u64 prefix_high,
					       __u64 prefix_low, __u64 bits)
{
	__u64 high_bits = bits < 64 ? bits : 64;

	return cv_half_differs(cv_half(addr), prefix_high, high_bits) |
	       cv_half_differs(cv_half(addr + 2), prefix_low, bits - high_bits);
}

static __always_inline __u64 cv_addresses_differ(const struct cv_pkt *pkt,
						 const struct cv_record *record, bool is_ipv6)
{
	const struct cv_record6 *more = (const void *)(record + 1);
	__u64 src = bpf_ntohl(pkt->src[0]), dst = bpf_ntohl(pkt->dst[0]);

	if (is_ipv6)
		return cv_prefix_differs(pkt->src, record->src_high, more->src_low,
					 record->src_bits) |
		       cv_prefix_differs(pkt->dst, more->dst_high, more->dst_low, record->dst_bits);
	return (src ^ record->src) >> ((32 - record->src_bits) & 63) |
	       (dst ^ record->dst) >> ((32 - record->dst_bits) & 63);
}

/* The highest bit is set if value is not in the range: a difference is below zero then. Without
 * branches, of which each would double the paths of the verifier. */
static __always_inline __u64 cv_is_outside(__u64 value, __u64 min, __u64 max)
{
	return (value - min) | (max - value);
}

/* True if the conditions that every record has hold. */
static __always_inline bool cv_record_holds(const struct cv_query *query,
					    const struct cv_record *record, bool is_ipv6)
{
	const struct cv_pkt *pkt = query->pkt;
	__u32 word = record->rule;
	__u64 outside = cv_is_outside(pkt->sport, record->sport_min, record->sport_max) |
			cv_is_outside(pkt->dport, record->dport_min, record->dport_max) |
			cv_is_outside(CV_LIVE_GENERATION(query->live), record->born,
				      (__u64)record->dead - 1) |
			((__u64)record->order - query->after - 1);
	__u64 differs = cv_addresses_differ(pkt, record, is_ipv6) | (outside >> 63) |
			((word & query->asked) ^ query->wanted) |
			((record->proto ^ pkt->proto) & -(__u64)(word / CV_RECORD_PROTO & 1));

	return !differs && record->dirs & query->dir;
}

/* ---- pruning words ---- */

/* The word at that index. segment: what cv_cell() gives for any cell of the segment's beginning. */
static __always_inline __u64 cv_word(const __u8 *segment, const struct cv_words *words, __u32 index)
{
	__u32 at = (words->cell * CV_CELL_BYTES + (index & words->mask) * sizeof(__u64)) &
		   (CV_ARENA_SEGMENT_CELLS * CV_CELL_BYTES - 1);

	return words->any | *(const __u64 *)(segment + at);
}

static __always_inline __u64 cv_port_word(const __u8 *segment, const struct cv_words *words,
					  __u32 port)
{
	__u32 begin = words->cell * CV_CELL_BYTES;
	__u32 mask = CV_ARENA_SEGMENT_CELLS * CV_CELL_BYTES - 1;
	__u32 at = (begin + port / CV_PORT_BLOCK * sizeof(__u16)) & mask;
	__u32 block = *(const __u16 *)(segment + at);

	at = (begin + CV_PORT_LIST_CELLS * CV_CELL_BYTES +
	      (block * CV_PORT_BLOCK + port % CV_PORT_BLOCK) * sizeof(__u64)) &
	     mask;
	return words->any | *(const __u64 *)(segment + at);
}

static __always_inline __u64 cv_addr_words(const __u8 *segment, const struct cv_words *words,
					   const __be32 *addr, __u32 shift, bool is_ipv6)
{
	__u64 high = cv_half(addr), low = bpf_ntohl(addr[0]);

	if (is_ipv6)
		return cv_word(segment, &words[0], CV_HASH_WORD(high >> 32)) &
		       cv_word(segment, &words[1], CV_HASH_WORD(high >> 16)) &
		       cv_word(segment, &words[2], CV_HASH_WORD(high));
	return cv_word(segment, &words[0], low >> (shift & 31)) &
	       cv_word(segment, &words[1], CV_HASH_WORD(low >> (32 - CV_WORD_BITS_IPV4)));
}

static __always_inline const void *cv_segment_of(__u32 bank, __u32 cell)
{
	return cv_cell(bank, cell & ~(CV_ARENA_SEGMENT_CELLS - 1));
}

/* The tuples that can have a record for the packet. */
static __always_inline __u64 cv_candidates(const struct cv_query *query, const struct cv_root *root,
					   __u32 dir, bool is_ipv6)
{
	__u32 bank = CV_LIVE_BANK(query->live);
	const void *addrs = cv_segment_of(bank, root->src[0].cell);
	const void *ports = cv_segment_of(bank, root->sport.cell);
	const struct cv_pkt *pkt = query->pkt;
	__u64 tuples;

	if (!addrs || !ports)
		return 0;
	tuples = root->dirs[dir & 3] & cv_word(addrs, &root->proto, pkt->proto) &
		 cv_addr_words(addrs, root->src, pkt->src, root->src_shift, is_ipv6) &
		 cv_addr_words(addrs, root->dst, pkt->dst, root->dst_shift, is_ipv6);
	if (!pkt->has_ports)
		return tuples & root->no_ports;
	return tuples & cv_port_word(ports, &root->sport, pkt->sport) &
	       cv_port_word(ports, &root->dport, pkt->dport);
}

/* ---- tuples ---- */

static __always_inline __u64 cv_first_bits(__u64 half, __u64 bits)
{
	__u64 shift = 64 - bits;

	return half >> (shift >> 1) >> (shift - (shift >> 1))
					       << (shift >> 1) << (shift - (shift >> 1));
}

static __always_inline __u64 cv_pkt_hash(const struct cv_pkt *pkt, const struct cv_tuple *tuple,
					 bool is_ipv6)
{
	__u32 ports = cv_pkt_ports(pkt) & tuple->ports_mask;
	__u32 proto = pkt->proto & tuple->proto_mask;
	__u64 src = tuple->src_mask, dst = tuple->dst_mask;
	__u64 src_high = src < 64 ? src : 64, dst_high = dst < 64 ? dst : 64;
	struct cv_tuple_key key;

	if (!is_ipv6)
		return cv_tuple_hash4(bpf_ntohl(pkt->src[0]) & src, bpf_ntohl(pkt->dst[0]) & dst,
				      ports, proto);
	key.src_high = cv_first_bits(cv_half(pkt->src), src_high);
	key.src_low = cv_first_bits(cv_half(pkt->src + 2), src - src_high);
	key.dst_high = cv_first_bits(cv_half(pkt->dst), dst_high);
	key.dst_low = cv_first_bits(cv_half(pkt->dst + 2), dst - dst_high);
	key.ports = ports;
	key.proto = proto;
	return cv_tuple_hash6(&key);
}

/* The first record of the bucket that the packet is in, 0: none. */
static __always_inline __u32 cv_probe(const struct cv_query *query, const struct cv_tuple *tuple,
				      bool is_ipv6)
{
	__u64 hash = cv_pkt_hash(query->pkt, tuple, is_ipv6);
	__u32 index = CV_HASH_SLOT(hash) & tuple->slot_mask;
	const __u32 *slots = cv_cell(CV_LIVE_BANK(query->live), tuple->slots + index / 8);
	__u32 slot;

	if (!slots)
		return 0;
	slot = slots[index % 8];
	return slot & CV_HASH_BLOOM(hash) ? CV_RECORD_CELL(slot) : 0;
}

/* ---- the search ---- */

/* 1 if the extra conditions that begin in a cell hold, but for those that ask sets: with such a one 2.
 * A global function: inline, their paths would multiply with those of the search. */
__attribute__((noinline)) int cv_extra_of_cell_holds(const struct cv_pkt *pkt, __u64 live,
						     __u32 cell)
{
	const struct cv_extra *extra = cv_cell(CV_LIVE_BANK(live), cell);

	if (!pkt || !extra || !cv_extra_holds(extra, pkt))
		return 0;
	return extra->flags & CV_MATCH_SETS ? 2 : 1;
}

/* True if all extra conditions hold. Sets are not asked from within the function above: all that are
 * called one from another share a stack of 512 bytes. */
static __always_inline bool cv_cell_holds(const struct cv_pkt *pkt, __u64 live, __u32 cell)
{
	int holds = cv_extra_of_cell_holds(pkt, live, cell);

	return holds == 2 ? cv_sets_of_cell_hold(pkt, live, cell) : holds;
}

/* Takes the next tuple. False: there is none that may have a record of a lower order. */
static __always_inline bool cv_next_tuple(struct cv_query *query, bool is_ipv6)
{
	const struct cv_root *root = query->root;
	const struct cv_tuple *tuples = (const void *)(root + 1), *tuple;
	__u64 bit = query->left & -query->left;

	if (!bit)
		return false;
	query->left ^= bit;
	tuple = &tuples[root->bit_numbers[bit * CV_BIT_FACTOR >> 58] & (CV_MAX_TUPLES - 1)];
	if (tuple->best >= query->limit)
		return false;
	query->cell = cv_probe(query, tuple, is_ipv6);
	return true;
}

static __always_inline __u32 cv_record_cells(__u32 word, bool is_ipv6)
{
	return 1 + is_ipv6 + (word & CV_RECORD_EXTRA ? sizeof(struct cv_extra) / CV_CELL_BYTES : 0);
}

/* Looks at one cell of a run. */
static __always_inline void cv_next_record(struct cv_query *query, bool is_ipv6)
{
	const struct cv_record *record = cv_cell(CV_LIVE_BANK(query->live), query->cell);
	__u32 cell = query->cell, word;

	query->cell = 0;
	if (!record)
		return;
	word = record->rule;
	if (word & CV_RECORD_JUMP) {
		query->cell = CV_RECORD_CELL(word);
		return;
	}
	if (record->order >= query->limit)
		return;
	if (cv_record_holds(query, record, is_ipv6) &&
	    (!(word & CV_RECORD_EXTRA) ||
	     cv_cell_holds(query->pkt, query->live, cell + 1 + is_ipv6))) {
		query->limit = record->order;
		query->found = CV_RECORD_CELL(word);
		return;
	}
	/* Masked, so that the verifier sees the same state again after a step. */
	if (!(word & CV_RECORD_LAST))
		query->cell = CV_RECORD_CELL(cell + cv_record_cells(word, is_ipv6));
}

static __always_inline long cv_search_step(struct cv_query *query, bool is_ipv6)
{
	if (!query->cell && !cv_next_tuple(query, is_ipv6))
		return 1;
	if (query->cell)
		cv_next_record(query, is_ipv6);
	return 0;
}

/* bpf_loop bodies. */
static long cv_search_step4(__u32 i, struct cv_query *query)
{
	return cv_search_step(query, false);
}

static long cv_search_step6(__u32 i, struct cv_query *query)
{
	return cv_search_step(query, true);
}

/* Says where the search begins. False: no record is of that kind. */
static __always_inline bool cv_query_start(struct cv_query *query, __u32 root_index, __u32 dir,
					   bool is_ipv6)
{
	__u32 bank = CV_LIVE_BANK(query->live), cell;
	const struct cv_image *image = cv_cell(bank, 0);

	if (!image)
		return false;
	cell = image->roots[root_index & (CV_ROOT_COUNT - 1)];
	query->root = cv_cell(bank, cell);
	if (!cell || !query->root)
		return false;
	query->cell = image->zero;
	query->limit = ~image->zero;
	query->dir = 1 << dir;
	query->asked = (query->pkt->has_ports ? 0 : CV_RECORD_PORTS) |
		       (query->pkt->family ? 0 : CV_RECORD_LINK);
	query->wanted = query->pkt->family ? 0 : CV_RECORD_LINK;
	query->left = cv_candidates(query, query->root, dir, is_ipv6);
	return query->left;
}

/* The cell of the rule that the packet meets in that direction, of those whose order is above after;
 * 0: none. */
__attribute__((noinline)) __u32 cv_search4(const struct cv_pkt *pkt, __u64 live, __u32 dir,
					   __u32 after)
{
	struct cv_query query = { .live = live, .pkt = pkt, .after = after };

	if (!pkt)
		return 0;
	if (cv_query_start(&query, CV_ROOT_IPV4 + 2 * pkt->is_quoted, dir, false))
		bpf_loop(CV_MAX_STEPS, cv_search_step4, &query, 0);
	return query.found;
}

__attribute__((noinline)) __u32 cv_search6(const struct cv_pkt *pkt, __u64 live, __u32 dir,
					   __u32 after)
{
	struct cv_query query = { .live = live, .pkt = pkt, .after = after };

	if (!pkt)
		return 0;
	if (cv_query_start(&query, CV_ROOT_IPV6 + 2 * pkt->is_quoted, dir, true))
		bpf_loop(CV_MAX_STEPS, cv_search_step6, &query, 0);
	return query.found;
}

#endif
