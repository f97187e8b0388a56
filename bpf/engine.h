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

/*
 * How far a search is. It stops at a record whose other conditions hold for the caller to ask its
 * extra conditions: below a search there is no stack left for what these take.
 */
struct cv_query {
	__u64 live; /* cv_live.word */
	__u64 left; /* tuples that are still to be probed */
	__u32 root; /* cell of struct cv_root; 0: the search has not begun */
	__u32 dir; /* enum cv_direction */
	__u32 after; /* only records of a higher order are meant */
	__u32 limit; /* only ones of a lower order: of what was found already */
	__u32 asked; /* CV_RECORD_PORTS: it must not ask for them; CV_RECORD_LINK: frames must be meant */
	__u32 cell; /* of the next record of a bucket; 0: a tuple is to be probed */
	__u32 found; /* cell of a rule */
	__u32 extra; /* cell of extra conditions that are to be asked; 0: the search is at its end */
	__u32 rule; /* what is found if they hold */
};

/* A search at work. */
struct cv_search {
	struct cv_query *query;
	const struct cv_pkt *pkt;
	const struct cv_image *image;
	const struct cv_root *root;
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
static __always_inline bool cv_record_holds(const struct cv_query *query, const struct cv_pkt *pkt,
					    const struct cv_record *record, bool is_ipv6)
{
	__u32 word = record->rule;
	__u64 outside = cv_is_outside(pkt->sport, record->sport_min, record->sport_max) |
			cv_is_outside(pkt->dport, record->dport_min, record->dport_max) |
			cv_is_outside(CV_LIVE_GENERATION(query->live), record->born,
				      (__u64)record->dead - 1) |
			((__u64)record->order - query->after - 1);
	__u64 differs = cv_addresses_differ(pkt, record, is_ipv6) | (outside >> 63) |
			((word & query->asked) ^ (query->asked & CV_RECORD_LINK)) |
			((record->proto ^ pkt->proto) & -(__u64)(word / CV_RECORD_PROTO & 1));

	return !differs && record->dirs >> (query->dir & 7) & 1;
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

static __always_inline __u64 cv_addr_word6(const __u8 *segment, const struct cv_words *words,
					   __u64 high, __u64 low)
{
	return cv_word(segment, words, CV_HASH_WORD(CV_ADDR_NUMBER(words, high, low)));
}

static __always_inline __u64 cv_addr_words(const __u8 *segment, const struct cv_words *words,
					   const __be32 *addr, __u32 shift, bool is_ipv6)
{
	__u64 high = cv_half(addr), low = bpf_ntohl(addr[0]);

	if (is_ipv6)
		return cv_addr_word6(segment, &words[0], high, cv_half(addr + 2)) &
		       cv_addr_word6(segment, &words[1], high, cv_half(addr + 2)) &
		       cv_addr_word6(segment, &words[2], high, cv_half(addr + 2));
	return cv_word(segment, &words[0], low >> (shift & 31)) &
	       cv_word(segment, &words[1], CV_HASH_WORD(low >> (32 - CV_WORD_BITS_IPV4)));
}

/* Where the segment of a cell begins; image: where the bank's first one does. */
static __always_inline const void *cv_segment_of(const void *image, __u32 bank, __u32 cell)
{
	return cell < CV_ARENA_SEGMENT_CELLS ? image
					     : cv_cell(bank, cell & ~(CV_ARENA_SEGMENT_CELLS - 1));
}

/* The tuples that can have a record for the packet. */
static __always_inline __u64 cv_candidates(const struct cv_query *query, const struct cv_pkt *pkt,
					   const struct cv_image *image, const struct cv_root *root,
					   bool is_ipv6)
{
	__u32 bank = CV_LIVE_BANK(query->live);
	const void *addrs = cv_segment_of(image, bank, root->src[0].cell);
	const void *ports = cv_segment_of(image, bank, root->sport.cell);
	__u64 tuples;

	if (!addrs || !ports)
		return 0;
	tuples = root->dirs[query->dir & 3] & cv_word(addrs, &root->proto, pkt->proto) &
		 cv_addr_words(addrs, root->src, pkt->src, root->src_shift, is_ipv6) &
		 cv_addr_words(addrs, root->dst, pkt->dst, root->dst_shift, is_ipv6);
	if (!pkt->has_ports)
		return tuples & root->no_ports;
	return tuples & cv_port_word(ports, &root->sport, pkt->sport) &
	       cv_port_word(ports, &root->dport, pkt->dport);
}

/* The same for IPv6. A global function: its stack must not lie below a bucket's. */
__attribute__((noinline)) __u64 cv_candidates6(const struct cv_query *query,
					       const struct cv_pkt *pkt)
{
	const struct cv_image *image = query ? cv_cell(CV_LIVE_BANK(query->live), 0) : NULL;
	const struct cv_root *root =
		image ? cv_cell_near(image, CV_LIVE_BANK(query->live), query->root) : NULL;

	return root && pkt ? cv_candidates(query, pkt, image, root, true) : 0;
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

static __always_inline const void *cv_search_cell(const struct cv_search *search, __u32 cell)
{
	return cv_cell_near(search->image, CV_LIVE_BANK(search->query->live), cell);
}

/* The first record of the bucket that the packet is in, 0: none. */
static __always_inline __u32 cv_probe(const struct cv_search *search, const struct cv_tuple *tuple,
				      bool is_ipv6)
{
	__u64 hash = cv_pkt_hash(search->pkt, tuple, is_ipv6);
	__u32 index = CV_HASH_SLOT(hash) & tuple->slot_mask;
	const __u32 *slots = cv_search_cell(search, tuple->slots + index / 8);
	__u32 slot;

	if (!slots)
		return 0;
	slot = slots[index % 8];
	return slot & CV_HASH_BLOOM(hash) ? CV_RECORD_CELL(slot) : 0;
}

/* ---- the search ---- */

/* The tuple of that bit of a pruning word. */
static __always_inline const struct cv_tuple *cv_tuple_of(const struct cv_search *search, __u64 bit)
{
	const struct cv_tuple *tuples = (const void *)(search->root + 1);
	__u32 number = search->root->bit_numbers[bit * CV_BIT_FACTOR >> 58];

	return &tuples[number & (CV_MAX_TUPLES - 1)];
}

/* Takes the next tuple. False: there is none that may have a record of a lower order. */
static __always_inline bool cv_next_tuple(const struct cv_search *search, bool is_ipv6)
{
	struct cv_query *query = search->query;
	__u64 bit = query->left & -query->left;
	const struct cv_tuple *tuple;

	if (!bit)
		return false;
	query->left ^= bit;
	tuple = cv_tuple_of(search, bit);
	if (tuple->best >= query->limit)
		return false;
	query->cell = cv_probe(search, tuple, is_ipv6);
	return true;
}

static __always_inline __u32 cv_record_cells(__u32 word, bool is_ipv6)
{
	return 1 + is_ipv6 + (word & CV_RECORD_EXTRA ? sizeof(struct cv_extra) / CV_CELL_BYTES : 0);
}

/* Looks at one cell of a run. Returns 1 to stop there. */
static __always_inline long cv_next_record(const struct cv_search *search, bool is_ipv6)
{
	struct cv_query *query = search->query;
	__u32 cell = query->cell, word;
	const struct cv_record *record = cv_search_cell(search, cell);

	query->cell = 0;
	if (!record)
		return 0;
	word = record->rule;
	if (word & CV_RECORD_JUMP)
		query->cell = CV_RECORD_CELL(word);
	if (word & CV_RECORD_JUMP || record->order >= query->limit)
		return 0;
	/* Masked, so that the verifier sees the same state again after a step. */
	if (!(word & CV_RECORD_LAST))
		query->cell = CV_RECORD_CELL(cell + cv_record_cells(word, is_ipv6));
	if (!cv_record_holds(query, search->pkt, record, is_ipv6))
		return 0;
	if (word & CV_RECORD_EXTRA) {
		query->extra = cell + 1 + is_ipv6;
		query->rule = CV_RECORD_CELL(word);
		return 1;
	}
	query->limit = record->order;
	query->found = CV_RECORD_CELL(word);
	query->cell = 0;
	return 0;
}

/* True if there is a tuple left that may have a record of a lower order. */
static __always_inline bool cv_has_tuple(const struct cv_search *search)
{
	__u64 bit = search->query->left & -search->query->left;

	return bit && cv_tuple_of(search, bit)->best < search->query->limit;
}

/* Returns 1 at the end: a call more, to find that out, would take longer than to look ahead. */
static __always_inline long cv_search_step(const struct cv_search *search, bool is_ipv6)
{
	if (!search->query->cell && !cv_next_tuple(search, is_ipv6))
		return 1;
	if (search->query->cell && cv_next_record(search, is_ipv6))
		return 1;
	return !search->query->cell && !cv_has_tuple(search);
}

/* bpf_loop bodies. */
static long cv_search_step4(__u32 i, struct cv_search *search)
{
	return cv_search_step(search, false);
}

static long cv_search_step6(__u32 i, struct cv_search *search)
{
	return cv_search_step(search, true);
}

static __always_inline void cv_search_begin(const struct cv_search *search, bool is_ipv6)
{
	struct cv_query *query = search->query;
	const struct cv_pkt *pkt = search->pkt;

	query->asked = (pkt->has_ports ? 0 : CV_RECORD_PORTS) | (pkt->family ? 0 : CV_RECORD_LINK);
	query->left = is_ipv6 ? cv_candidates6(query, pkt)
			      : cv_candidates(query, pkt, search->image, search->root, false);
}

/* Goes on with a search, up to extra conditions that are to be asked, or to its end. Returns 1 if it
 * is not at its end. */
#define CV_SEARCH(name, is_ipv6, step)                                                             \
	__attribute__((noinline)) int name(struct cv_query *query, const struct cv_pkt *pkt)       \
	{                                                                                          \
		struct cv_search search = { .query = query, .pkt = pkt };                          \
		bool has_begun;                                                                    \
                                                                                                   \
		if (!query || !pkt)                                                                \
			return 0;                                                                  \
		search.image = cv_cell(CV_LIVE_BANK(query->live), 0);                              \
		if (!search.image)                                                                 \
			return 0;                                                                  \
		has_begun = query->root;                                                           \
		/* The root of the records for such packets, if there is one. */                   \
		if (!has_begun)                                                                    \
			query->root = search.image->roots[(is_ipv6) + 2 * pkt->is_quoted];         \
		search.root = cv_search_cell(&search, query->root);                                \
		query->extra = 0;                                                                  \
		if (!query->root || !search.root)                                                  \
			return 0;                                                                  \
		if (!has_begun)                                                                    \
			cv_search_begin(&search, is_ipv6);                                         \
		/* Most searches end with their first step, which is made here: a call less. */    \
		if (!cv_search_step(&search, is_ipv6))                                             \
			bpf_loop(CV_MAX_STEPS, step, &search, 0);                                  \
		return !!query->extra;                                                             \
	}
CV_SEARCH(cv_search4, false, cv_search_step4)
CV_SEARCH(cv_search6, true, cv_search_step6)

static __always_inline int cv_search_on(struct cv_query *query, const struct cv_pkt *pkt)
{
	return pkt->family == 6 ? cv_search6(query, pkt) : cv_search4(query, pkt);
}

/* 1 if the extra conditions that begin in a cell hold. A global function: inline, their paths would
 * multiply with those of the caller. */
__attribute__((noinline)) int cv_extra_of_cell_holds(const struct cv_pkt *pkt, __u64 live,
						     __u32 cell)
{
	const struct cv_extra *extra = cv_cell(CV_LIVE_BANK(live), cell);

	return pkt && extra && cv_extra_holds(extra, pkt) &&
	       (!(extra->flags & CV_MATCH_SETS) || cv_sets_hold(extra, pkt, live));
}

struct cv_asking {
	struct cv_query *query;
	const struct cv_pkt *pkt;
};

/* bpf_loop body: asks extra conditions and goes on. Returns 1 at the end. */
static long cv_extra_step(__u32 i, struct cv_asking *asking)
{
	struct cv_query *query = asking->query;
	const struct cv_rule_cell *rule;

	if (cv_extra_of_cell_holds(asking->pkt, query->live, query->extra)) {
		rule = cv_cell(CV_LIVE_BANK(query->live), query->rule);
		query->found = query->rule;
		query->limit = rule ? rule->order : 0;
		query->cell = 0;
	}
	return !cv_search_on(query, asking->pkt);
}

/* Fills query, which is zero but for live, dir, after and limit: found is the cell of the rule that
 * the packet meets in that direction, of those whose order is above after; 0: none. */
static __always_inline void cv_query_answer(struct cv_query *query, const struct cv_pkt *pkt)
{
	struct cv_asking asking = { .query = query, .pkt = pkt };

	if (cv_search_on(query, pkt))
		bpf_loop(CV_MAX_STEPS, cv_extra_step, &asking, 0);
}

#endif
