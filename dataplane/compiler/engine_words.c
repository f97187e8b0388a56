/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pruning words: for each value of a field, which tuples have records that it may meet. There are
 * more of them the more records there are, up to what a cache holds: beyond that they cost more than
 * they save.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_parts.h"
#include "own.h"

#define MIN_WORD_BITS 6
#define MAX_TOP_BITS 13 /* of IPv4 addresses */
#define MAX_HASHED_BITS 12
#define MIN_PORT_BLOCKS 64
#define RECORDS_A_PORT_BLOCK 64 /* one block more for so many */
#define PORTS 65536

/* ---- single words ---- */

static __u64 *word_at(const struct cv_arena *arena, const struct cv_words *words, uint32_t index)
{
	return (__u64 *)cv_arena_at(arena, words->cell + index / 4) + index % 4;
}

static void set_bits(__u64 *word, uint64_t bits)
{
	if (~*word & bits)
		CV_PUBLISH(*word, *word | bits);
}

/* A word for 4 to 8 records: with more of them fewer tuples are looked into in vain, but in the live
 * path, where other programs and packets use the caches, that is less than what they cost. */
static uint32_t word_bits(size_t records, uint32_t max)
{
	uint32_t bits = MIN_WORD_BITS;

	while (bits < max && records >> (bits + 2))
		bits++;
	return bits;
}

/* ---- addresses ---- */

static uint32_t index6(const struct cv_words *words, uint64_t high, uint64_t low)
{
	return CV_HASH_WORD(CV_ADDR_NUMBER(words, high, low)) & words->mask;
}

static uint32_t bits6(const struct cv_words *words)
{
	return words->has_low ? 128 : 64 - words->shift;
}

static uint32_t index4(const struct cv_words *words, uint32_t addr)
{
	return CV_HASH_WORD(addr >> (32 - CV_WORD_BITS_IPV4)) & words->mask;
}

static void add_top4(const struct cv_arena *arena, struct cv_words *words, uint32_t shift,
		     uint32_t addr, uint32_t bits, uint64_t bit)
{
	uint32_t first = addr >> shift, count = bits >= 32 - shift ? 1 : 1u << (32 - shift - bits);

	if (!bits)
		set_bits(&words->any, bit);
	for (uint32_t i = 0; bits && i < count; i++)
		set_bits(word_at(arena, words, first + i), bit);
}

static void add_addr4(const struct cv_arena *arena, struct cv_words *words, uint32_t shift,
		      uint32_t addr, uint32_t bits, uint64_t bit)
{
	add_top4(arena, &words[0], shift, addr, bits, bit);
	if (bits >= CV_WORD_BITS_IPV4)
		set_bits(word_at(arena, &words[1], index4(&words[1], addr)), bit);
	else
		set_bits(&words[1].any, bit);
}

static void add_addr6(const struct cv_arena *arena, struct cv_words *words, uint64_t high,
		      uint64_t low, uint32_t bits, uint64_t bit)
{
	for (uint32_t i = 0; i < CV_ADDR_WORDS; i++)
		if (bits >= bits6(&words[i]))
			set_bits(word_at(arena, &words[i], index6(&words[i], high, low)), bit);
		else
			set_bits(&words[i].any, bit);
}

static void add_addresses(const struct cv_arena *arena, struct cv_root *root,
			  const struct cv_item *item, uint64_t bit, bool is_ipv6)
{
	const struct cv_record *record = &item->record;

	if (is_ipv6) {
		add_addr6(arena, root->src, record->src_high, item->more.src_low, record->src_bits,
			  bit);
		add_addr6(arena, root->dst, item->more.dst_high, item->more.dst_low,
			  record->dst_bits, bit);
	} else {
		add_addr4(arena, root->src, root->src_shift, record->src, record->src_bits, bit);
		add_addr4(arena, root->dst, root->dst_shift, record->dst, record->dst_bits, bit);
	}
}

/* Gives words the cells from *cell on. */
static void place_words(struct cv_words *words, uint32_t *cell, uint32_t count)
{
	words->mask = count - 1;
	words->cell = *cell;
	*cell += count / 4;
}

static bool take_addr_words(struct cv_arena *arena, struct cv_root *root, size_t records,
			    bool is_ipv6)
{
	uint32_t hashed = 1u << word_bits(records, MAX_HASHED_BITS);
	uint32_t top = 1u << word_bits(records, MAX_TOP_BITS);
	uint32_t fields = is_ipv6 ? CV_ADDR_WORDS : 2, first = is_ipv6 ? hashed : top;
	uint32_t words = 2 * (first + (fields - 1) * hashed) + CV_PROTO_WORDS;
	uint32_t cell = cv_arena_take(arena, words / 4, false);

	if (!cell)
		return false;
	for (uint32_t i = 0; i < fields; i++) {
		place_words(&root->src[i], &cell, i ? hashed : first);
		place_words(&root->dst[i], &cell, i ? hashed : first);
	}
	place_words(&root->proto, &cell, CV_PROTO_WORDS);
	return true;
}

/* ---- ports ---- */

/* Where ranges of a field begin and end, in lists by port. */
struct edge {
	uint32_t next; /* index + 1 */
	uint8_t tuple;
};

struct sweep {
	uint32_t *begins; /* by port: index + 1 of the first edge */
	uint32_t *ends; /* by the port behind the range */
	struct edge *edges;
	uint32_t edge_count;
	uint64_t *words; /* of all ports, borrowed */
};

static void sweep_fini(struct sweep *sweep)
{
	free(sweep->begins);
	free(sweep->ends);
	free(sweep->edges);
}

static bool sweep_init(struct sweep *sweep, size_t records)
{
	sweep->begins = calloc(PORTS + 1, sizeof(*sweep->begins));
	sweep->ends = calloc(PORTS + 1, sizeof(*sweep->ends));
	sweep->edges = calloc(2 * records + 1, sizeof(*sweep->edges));
	return sweep->begins && sweep->ends && sweep->edges;
}

static void add_edge(struct sweep *sweep, uint32_t *list, uint8_t tuple)
{
	sweep->edges[sweep->edge_count] = (struct edge){ .next = *list, .tuple = tuple };
	*list = ++sweep->edge_count;
}

static void add_range(struct sweep *sweep, uint32_t min, uint32_t max, uint8_t tuple)
{
	add_edge(sweep, &sweep->begins[min], tuple);
	add_edge(sweep, &sweep->ends[max + 1], tuple);
}

static void fill_port_words(struct sweep *sweep)
{
	uint32_t open[CV_MAX_TUPLES] = { 0 };
	uint64_t word = 0;

	for (uint32_t port = 0; port < PORTS; port++) {
		for (uint32_t i = sweep->ends[port]; i; i = sweep->edges[i - 1].next)
			if (!--open[sweep->edges[i - 1].tuple])
				word &= ~(1ull << sweep->edges[i - 1].tuple);
		for (uint32_t i = sweep->begins[port]; i; i = sweep->edges[i - 1].next)
			if (!open[sweep->edges[i - 1].tuple]++)
				word |= 1ull << sweep->edges[i - 1].tuple;
		sweep->words[port] = word;
	}
}

/* Blocks of ports that are the same share their words. Of those that differ at most max are kept
 * apart; the others share one that has the bits of all. */
struct blocks {
	uint16_t number[CV_PORT_BLOCKS]; /* of each block of ports */
	uint16_t of[CV_PORT_BLOCKS]; /* the first block of ports that has that number */
	uint32_t count;
	uint32_t max;
	uint64_t rest[CV_PORT_BLOCK];
	bool has_rest;
	uint64_t words[PORTS];
};

static uint64_t block_hash(const uint64_t *words)
{
	uint64_t hash = 0;

	for (int i = 0; i < CV_PORT_BLOCK; i++)
		hash = (hash ^ words[i] ^ hash >> 29) * CV_HASH_1;
	return hash ^ hash >> 32;
}

#define BLOCK_SLOTS (2 * CV_PORT_BLOCKS)

static void number_blocks(struct blocks *blocks)
{
	const uint64_t *words = blocks->words;
	uint16_t slots[BLOCK_SLOTS] = { 0 }; /* number + 1 */
	const size_t size = CV_PORT_BLOCK * sizeof(*words);

	for (uint32_t i = 0; i < CV_PORT_BLOCKS; i++) {
		const uint64_t *block = words + i * CV_PORT_BLOCK;
		uint32_t at = block_hash(block) % BLOCK_SLOTS;

		while (slots[at] &&
		       memcmp(words + blocks->of[slots[at] - 1] * CV_PORT_BLOCK, block, size))
			at = (at + 1) % BLOCK_SLOTS;
		if (!slots[at] && blocks->count < blocks->max) {
			blocks->of[blocks->count++] = i;
			slots[at] = blocks->count;
		}
		blocks->number[i] = slots[at] ? slots[at] - 1u : blocks->max;
		for (int j = 0; !slots[at] && j < CV_PORT_BLOCK; j++)
			blocks->rest[j] |= block[j];
		blocks->has_rest |= !slots[at];
	}
}

static uint32_t block_cells(const struct blocks *blocks)
{
	return CV_PORT_LIST_CELLS + (blocks->count + blocks->has_rest) * CV_PORT_BLOCK_CELLS;
}

static void write_blocks(const struct cv_arena *arena, const struct cv_words *words,
			 const struct blocks *blocks)
{
	struct cv_words block = { .cell = words->cell + CV_PORT_LIST_CELLS };

	for (uint32_t i = 0; i < CV_PORT_BLOCKS; i++)
		((uint16_t *)cv_arena_at(arena, words->cell + i / 16))[i % 16] = blocks->number[i];
	for (uint32_t i = 0; i < words->mask; i++)
		for (uint32_t j = 0; j < CV_PORT_BLOCK; j++)
			*word_at(arena, &block, i * CV_PORT_BLOCK + j) =
				i == blocks->max ? blocks->rest[j]
						 : blocks->words[blocks->of[i] * CV_PORT_BLOCK + j];
}

/* Makes the blocks of one of the fields. */
static bool sweep_ports(struct blocks *blocks, struct cv_words *words, const struct cv_item *items,
			const uint8_t *tuple_of, size_t count, bool is_sport)
{
	CV_CLEANUP(sweep_fini) struct sweep sweep = { .words = blocks->words };

	if (!sweep_init(&sweep, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct cv_record *record = &items[i].record;
		uint32_t min = is_sport ? record->sport_min : record->dport_min;
		uint32_t max = is_sport ? record->sport_max : record->dport_max;

		if (!min && max == PORTS - 1)
			words->any |= 1ull << tuple_of[i];
		else if (min <= max)
			add_range(&sweep, min, max, tuple_of[i]);
	}
	fill_port_words(&sweep);
	blocks->max = MIN_PORT_BLOCKS + count / RECORDS_A_PORT_BLOCK;
	if (blocks->max >= CV_MAX_PORT_BLOCKS)
		blocks->max = CV_MAX_PORT_BLOCKS - 1;
	number_blocks(blocks);
	return true;
}

static bool build_ports(struct cv_arena *arena, struct cv_root *root, const struct cv_item *items,
			const uint8_t *tuple_of, size_t count)
{
	CV_FREE struct blocks *sport = calloc(1, sizeof(*sport));
	CV_FREE struct blocks *dport = calloc(1, sizeof(*dport));

	if (!sport || !dport || !sweep_ports(sport, &root->sport, items, tuple_of, count, true) ||
	    !sweep_ports(dport, &root->dport, items, tuple_of, count, false))
		return false;
	root->sport.cell = cv_arena_take(arena, block_cells(sport) + block_cells(dport), false);
	root->dport.cell = root->sport.cell + block_cells(sport);
	root->sport.mask = sport->count + sport->has_rest;
	root->dport.mask = dport->count + dport->has_rest;
	if (!root->sport.cell)
		return false;
	write_blocks(arena, &root->sport, sport);
	write_blocks(arena, &root->dport, dport);
	return true;
}

static __u64 *port_word(const struct cv_arena *arena, const struct cv_words *words, uint32_t port)
{
	uint32_t i = port / CV_PORT_BLOCK;
	uint32_t block = ((uint16_t *)cv_arena_at(arena, words->cell + i / 16))[i % 16];
	struct cv_words first = { .cell = words->cell + CV_PORT_LIST_CELLS };

	return word_at(arena, &first, block * CV_PORT_BLOCK + port % CV_PORT_BLOCK);
}

#define MAX_PORTS_IN_PLACE 1024 /* a wider range is as good as any port */

/* Blocks are shared: a bit comes to other ports, too, and costs a look at the tuple there. */
static void add_ports(const struct cv_arena *arena, struct cv_words *words, uint32_t min,
		      uint32_t max, uint64_t bit)
{
	if (max - min >= MAX_PORTS_IN_PLACE && min <= max) {
		set_bits(&words->any, bit);
		return;
	}
	for (uint32_t port = min; port <= max; port++)
		set_bits(port_word(arena, words, port), bit);
}

/* ---- all of a record ---- */

/* Fields that have a few values. */
static void add_rest(const struct cv_arena *arena, struct cv_root *root, const struct cv_item *item,
		     uint64_t bit)
{
	const struct cv_record *record = &item->record;

	if (record->rule & CV_RECORD_PROTO)
		set_bits(word_at(arena, &root->proto, record->proto & root->proto.mask), bit);
	else
		set_bits(&root->proto.any, bit);
	if (!(record->rule & CV_RECORD_PORTS))
		set_bits(&root->no_ports, bit);
	for (int dir = 0; dir < CV_DIR_COUNT; dir++)
		if (record->dirs >> dir & 1)
			set_bits(&root->dirs[dir], bit);
}

static void set_bits6(struct cv_words *words, const uint32_t *histogram)
{
	uint8_t levels[CV_ADDR_WORDS];

	cv_levels_choose(histogram, levels, CV_ADDR_WORDS);
	for (int i = 0; i < CV_ADDR_WORDS; i++) {
		words[i].has_low = levels[i] == 128;
		words[i].shift = levels[i] < 64 ? 64 - levels[i] : 0;
	}
}

/* Words of IPv6 addresses are by those lengths of prefixes that lose the fewest bits. */
static void choose_bits(struct cv_root *root, const struct cv_item *items, size_t count)
{
	uint32_t src[129] = { 0 }, dst[129] = { 0 };

	for (size_t i = 0; i < count; i++) {
		src[items[i].record.src_bits]++;
		dst[items[i].record.dst_bits]++;
	}
	set_bits6(root->src, src);
	set_bits6(root->dst, dst);
}

bool cv_words_build(struct cv_arena *arena, struct cv_root *root, const struct cv_item *items,
		    const uint8_t *tuple_of, size_t count, bool is_ipv6)
{
	root->src_shift = root->dst_shift = 32 - word_bits(count, MAX_TOP_BITS);
	if (is_ipv6)
		choose_bits(root, items, count);
	if (!take_addr_words(arena, root, count, is_ipv6) ||
	    !build_ports(arena, root, items, tuple_of, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		add_addresses(arena, root, &items[i], 1ull << tuple_of[i], is_ipv6);
		add_rest(arena, root, &items[i], 1ull << tuple_of[i]);
	}
	return true;
}

void cv_words_add(const struct cv_arena *arena, struct cv_root *root, const struct cv_item *item,
		  uint32_t tuple, bool is_ipv6)
{
	const struct cv_record *record = &item->record;
	uint64_t bit = 1ull << tuple;

	add_addresses(arena, root, item, bit, is_ipv6);
	add_rest(arena, root, item, bit);
	add_ports(arena, &root->sport, record->sport_min, record->sport_max, bit);
	add_ports(arena, &root->dport, record->dport_min, record->dport_max, bit);
}

/* ---- a packet ---- */

static uint64_t addr_words(const struct cv_arena *arena, const struct cv_words *words,
			   uint32_t shift, const uint64_t addr[2], bool is_ipv6)
{
	uint64_t bits = UINT64_MAX;

	if (!is_ipv6)
		return (words[0].any | *word_at(arena, &words[0], (uint32_t)addr[1] >> shift)) &
		       (words[1].any | *word_at(arena, &words[1], index4(&words[1], addr[1])));
	for (uint32_t i = 0; i < CV_ADDR_WORDS; i++)
		bits &= words[i].any |
			*word_at(arena, &words[i], index6(&words[i], addr[0], addr[1]));
	return bits;
}

uint64_t cv_words_of(const struct cv_arena *arena, const struct cv_root *root,
		     const struct cv_engine_packet *packet)
{
	bool is_ipv6 = cv_root_is_ipv6(packet->root);
	const struct cv_words *proto = &root->proto;
	uint64_t bits = root->dirs[packet->dir];

	bits &= proto->any | *word_at(arena, proto, packet->proto & proto->mask);
	bits &= addr_words(arena, root->src, root->src_shift, packet->src, is_ipv6);
	bits &= addr_words(arena, root->dst, root->dst_shift, packet->dst, is_ipv6);
	if (!packet->has_ports)
		return bits & root->no_ports;
	bits &= root->sport.any | *port_word(arena, &root->sport, packet->sport);
	return bits & (root->dport.any | *port_word(arena, &root->dport, packet->dport));
}
