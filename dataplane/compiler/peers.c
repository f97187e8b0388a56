/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The peer compiler: see peers.h, and abi.h for what a set of peers looks like. */
#include "peers.h"

#include <errno.h>
#include <string.h>

#include "own.h"

#define CV_MIN_STRIDE 2 /* nodes begin at a cell's beginning and fill it */
#define CV_MAX_STRIDE 16 /* bits that one step tests */
/* A node has one occupied step in so many: more is faster, until memory makes it slower. */
#define CV_SPARSENESS 4
#define CV_ADDR_BITS 128

struct compile {
	struct cv_peer_prefix *prefixes; /* sorted: a prefix before those that it encloses */
	uint32_t *cell_of; /* owned; of each prefix */
	struct cv_peer_cell *cells; /* owned */
	size_t count;
	size_t room;
	int rc; /* what went wrong: -ENOMEM, -ENOSPC */
};

/* A part of the sorted prefixes. */
struct range {
	size_t first, end;
};

/* Steps that follow each other, and what chooses among them. */
struct node {
	size_t cell;
	unsigned int first_bit;
	unsigned int bit_count;
};

static void free_compile(struct compile *compile)
{
	free(compile->cell_of);
	free(compile->cells);
}

static uint32_t *step_at(struct compile *compile, const struct node *node, size_t number)
{
	return &compile->cells[node->cell + number / CV_PEER_CELL_STEPS]
			.steps[number % CV_PEER_CELL_STEPS];
}

static uint32_t put_cell(uint32_t cell)
{
	return cell << 12;
}

static uint32_t step_to_peers(const struct compile *compile, size_t first, size_t count)
{
	return put_cell(compile->cell_of[first]) | count << 5;
}

static uint32_t step_to_peer(const struct compile *compile, size_t prefix)
{
	return step_to_peers(compile, prefix, 1);
}

/* The step to a node from one whose bits end at bit `from`. */
static uint32_t step_to_node(const struct node *node, unsigned int from)
{
	return put_cell(node->cell) | (node->first_bit - from) << 5 | node->bit_count;
}

static void set_outer(struct compile *compile, size_t prefix, uint32_t step)
{
	compile->cells[compile->cell_of[prefix]].peer.outer =
		put_cell(CV_PEER_CELL(step)) | compile->prefixes[prefix].len;
}

/* ---- bits ---- */

static unsigned int leading_zeros(uint64_t high, uint64_t low)
{
	if (high)
		return __builtin_clzll(high);
	return low ? 64 + __builtin_clzll(low) : CV_ADDR_BITS;
}

static unsigned int common_bits(const struct cv_peer_prefix *a, const struct cv_peer_prefix *b)
{
	return leading_zeros(a->bits[0] ^ b->bits[0], a->bits[1] ^ b->bits[1]);
}

static uint32_t bits_at(const uint64_t bits[2], unsigned int first, unsigned int count)
{
	uint64_t from = first < 64 ? bits[0] << first | bits[1] >> 1 >> (63 - first)
				   : bits[1] << (first - 64);

	return from >> (64 - count);
}

static int compare_prefixes(const void *a_, const void *b_)
{
	const struct cv_peer_prefix *a = a_, *b = b_;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	for (int i = 0; i < 2; i++)
		if (a->bits[i] != b->bits[i])
			return a->bits[i] < b->bits[i] ? -1 : 1;
	return (int)a->len - (int)b->len;
}

size_t cv_peer_prefixes_sort(struct cv_peer_prefix *prefixes, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(prefixes, count, sizeof(*prefixes), compare_prefixes);
	for (size_t i = 0; i < count; i++)
		if (!kept || compare_prefixes(&prefixes[kept - 1], &prefixes[i]))
			prefixes[kept++] = prefixes[i];
	return kept;
}

/* ---- nodes ---- */

/*
 * The most bits that a node over these prefixes, which differ behind first_bit at the latest, can
 * test with one step in CV_SPARSENESS occupied; more where the way would become too long else.
 */
static unsigned int choose_stride(const struct compile *compile, struct range range,
				  unsigned int first_bit, unsigned int depth)
{
	size_t differ_at[CV_MAX_STRIDE] = { 0 }; /* neighbours that differ first in this bit */
	unsigned int left = CV_ADDR_BITS - first_bit, levels = CV_PEER_MAX_DEPTH - depth;
	unsigned int stride = (left + levels - 1) / levels;
	size_t occupied = 1;

	if (stride < CV_MIN_STRIDE)
		stride = CV_MIN_STRIDE;
	for (size_t i = range.first + 1; i < range.end; i++) {
		unsigned int bit =
			common_bits(&compile->prefixes[i - 1], &compile->prefixes[i]) - first_bit;

		if (bit < CV_MAX_STRIDE)
			differ_at[bit]++;
	}
	for (unsigned int bit = 0; bit < CV_MAX_STRIDE && bit < left; bit++) {
		occupied += differ_at[bit];
		if (bit >= stride && occupied * CV_SPARSENESS >= (size_t)2 << bit)
			stride = bit + 1;
	}
	return stride;
}

/* Returns the number of the first of count new cells, which are zero; 0 if there are none, and
 * compile->rc says why. */
static size_t add_cells(struct compile *compile, size_t count)
{
	size_t first = compile->count, room = compile->room;
	struct cv_peer_cell *cells;

	if (compile->rc)
		return 0;
	if (first + count > CV_PEER_MAX_CELLS) {
		compile->rc = -ENOSPC;
		return 0;
	}
	while (room < first + count)
		room = room ? room * 2 : 1024;
	if (room > compile->room) {
		cells = reallocarray(compile->cells, room, sizeof(*cells));
		if (!cells) {
			compile->rc = -ENOMEM;
			return 0;
		}
		memset(&cells[compile->room], 0, (room - compile->room) * sizeof(*cells));
		compile->cells = cells;
		compile->room = room;
	}
	compile->count += count;
	return first;
}

/* A few peers are compared with one by one: they stand in one or two cache lines. */
static bool is_few(const struct compile *compile, struct range range)
{
	if (range.end - range.first > CV_PEER_MAX_COUNT)
		return false;
	for (size_t i = range.first; i < range.end; i++)
		if (compile->prefixes[i].len > 64)
			return false;
	return true;
}

/* Returns the step to these few, all of which outer encloses. */
static uint32_t build_few(struct compile *compile, struct range range, uint32_t outer)
{
	for (size_t i = range.first; i < range.end; i++) {
		size_t other = i;

		/* The one before it that encloses it, if any, is the longest that does. */
		while (other > range.first &&
		       common_bits(&compile->prefixes[other - 1], &compile->prefixes[i]) <
			       compile->prefixes[other - 1].len)
			other--;
		set_outer(compile, i,
			  other > range.first ? step_to_peer(compile, other - 1) : outer);
	}
	return step_to_peers(compile, range.first, range.end - range.first);
}

static uint32_t build(struct compile *compile, struct range range, uint32_t outer,
		      unsigned int from, unsigned int depth);

/* A prefix that ends inside the node's bits has all steps that begin with it; those that it
 * encloses come after it and take theirs from it. */
static void fill_short(struct compile *compile, size_t prefix, const struct node *node)
{
	const struct cv_peer_prefix *at = &compile->prefixes[prefix];
	size_t step = bits_at(at->bits, node->first_bit, node->bit_count);
	size_t count = (size_t)1 << (node->first_bit + node->bit_count - at->len);

	set_outer(compile, prefix, *step_at(compile, node, step));
	while (count--)
		*step_at(compile, node, step++) = step_to_peer(compile, prefix);
}

static void fill_node(struct compile *compile, struct range range, const struct node *node,
		      unsigned int depth)
{
	unsigned int bits = node->first_bit + node->bit_count;
	struct range child = range;

	for (; child.first < range.end; child.first = child.end) {
		const struct cv_peer_prefix *first = &compile->prefixes[child.first];
		uint32_t number, step;

		child.end = child.first + 1;
		if (first->len < bits) {
			fill_short(compile, child.first, node);
			continue;
		}
		while (child.end < range.end &&
		       common_bits(first, &compile->prefixes[child.end]) >= bits)
			child.end++;
		number = bits_at(first->bits, node->first_bit, node->bit_count);
		step = build(compile, child, *step_at(compile, node, number), bits, depth + 1);
		*step_at(compile, node, number) = step; /* building may have moved the cells */
	}
}

/*
 * Returns the step to these prefixes, for a node whose bits end at bit `from`. outer is the step to
 * the longest prefix that encloses them all.
 */
static uint32_t build(struct compile *compile, struct range range, uint32_t outer,
		      unsigned int from, unsigned int depth)
{
	const struct cv_peer_prefix *last = &compile->prefixes[range.end - 1];
	struct node node = { 0 };

	/* One that encloses all the others needs no node: they know it as their outer one. */
	for (; range.first < range.end; range.first++) {
		node.first_bit = common_bits(&compile->prefixes[range.first], last);
		if (compile->prefixes[range.first].len > node.first_bit)
			break;
		set_outer(compile, range.first, outer);
		outer = step_to_peer(compile, range.first);
	}
	if (range.first == range.end)
		return outer;
	if (is_few(compile, range))
		return build_few(compile, range, outer);
	node.bit_count = choose_stride(compile, range, node.first_bit, depth);
	node.cell = add_cells(compile, ((size_t)1 << node.bit_count) / CV_PEER_CELL_STEPS);
	if (!node.cell)
		return outer;
	for (size_t i = 0; i < (size_t)1 << node.bit_count; i++)
		*step_at(compile, &node, i) = outer;
	fill_node(compile, range, &node, depth);
	return step_to_node(&node, from);
}

/* ---- the set ---- */

struct cv_peer_prefix cv_peer_prefix_of(const struct cv_prefix *prefix,
					const struct cv_addr *remote)
{
	struct cv_peer_prefix out = { .family = prefix->addr.family, .len = prefix->bits };

	for (int i = 0; i < (out.family == 4 ? 4 : 16); i++)
		out.bits[i / 8] |= (uint64_t)prefix->addr.bytes[i] << (56 - i % 8 * 8);
	memcpy(out.remote, remote->bytes, remote->family == 4 ? 4 : 16);
	return out;
}

static int alloc_compile(struct compile *compile, size_t count)
{
	compile->cell_of = calloc(count + 1, sizeof(*compile->cell_of));
	if (!compile->cell_of)
		compile->rc = -ENOMEM;
	add_cells(compile, 1); /* the head */
	return compile->rc;
}

/* Peers in the order of their prefixes: what is near each other is asked for together. */
static int put_peers(struct compile *compile, size_t count, uint8_t remote_family)
{
	for (size_t i = 0; i < count; i++) {
		const struct cv_peer_prefix *prefix = &compile->prefixes[i];
		size_t number = add_cells(compile, 1 + (remote_family == 6) + (prefix->len > 64));
		struct cv_peer_cell *cell = &compile->cells[number];

		if (!number)
			return compile->rc;
		compile->cell_of[i] = number;
		cell++->peer =
			(struct cv_peer){ .prefix = prefix->bits[0], .remote = prefix->remote[0] };
		if (remote_family == 6)
			memcpy(cell++->remote, prefix->remote, sizeof(prefix->remote));
		if (prefix->len > 64)
			cell->prefix_low = prefix->bits[1];
	}
	return 0;
}

static int put_family(struct compile *compile, struct range range, unsigned int start)
{
	uint32_t step;

	if (range.first == range.end)
		return 0;
	step = build(compile, range, 0, 0, 0);
	compile->cells[0].steps[start] = step;
	return compile->rc;
}

int cv_peers_compile(struct cv_peer_set *set, struct cv_peer_prefix *prefixes, size_t count,
		     uint8_t remote_family, struct cv_err *err)
{
	CV_CLEANUP(free_compile) struct compile compile = { .prefixes = prefixes };
	struct range v4 = { 0 }, v6 = { .end = count };
	int rc = alloc_compile(&compile, count);

	cv_peer_prefixes_sort(prefixes, count);
	while (v4.end < count && prefixes[v4.end].family == 4)
		v4.end++;
	v6.first = v4.end;
	if (!rc)
		rc = put_peers(&compile, count, remote_family);
	if (!rc)
		rc = put_family(&compile, v4, CV_PEERS_IPV4);
	if (!rc)
		rc = put_family(&compile, v6, CV_PEERS_IPV6);
	if (rc)
		return cv_err_set(err, rc, "%zu peers: %s", count, strerrordesc_np(-rc));
	set->cell_count = compile.count;
	set->cells = CV_TAKE_PTR(compile.cells);
	return 0;
}

/* ---- lookup ---- */

static bool begins_equal(const uint64_t a[2], const uint64_t b[2], unsigned int len)
{
	return leading_zeros(a[0] ^ b[0], a[1] ^ b[1]) >= len;
}

/* What is compared at the end of a lookup. */
struct search {
	const struct cv_peer_set *set;
	uint64_t wanted[2];
	unsigned int remote_cell; /* where in a peer's cells its remote stands */
};

static uint32_t descend(const struct search *search, uint32_t step)
{
	unsigned int first = 0;

	while (CV_PEER_TESTED(step)) {
		uint32_t value;

		first += CV_PEER_SKIPPED(step);
		value = bits_at(search->wanted, first, CV_PEER_TESTED(step));
		first += CV_PEER_TESTED(step);
		step = search->set->cells[CV_PEER_CELL(step) + value / CV_PEER_CELL_STEPS]
			       .steps[value % CV_PEER_CELL_STEPS];
	}
	return step;
}

/* The first of the peer and those that enclose it whose prefix covers what is wanted, 0: none. */
static uint32_t verify(const struct search *search, uint32_t number)
{
	const struct cv_peer_cell *cells = search->set->cells;
	uint64_t found[2] = { cells[number].peer.prefix };

	if (CV_PEER_PREFIX_BITS(cells[number].peer.outer) > 64)
		found[1] = cells[number + search->remote_cell + 1].prefix_low;
	while (number &&
	       !begins_equal(search->wanted, found, CV_PEER_PREFIX_BITS(cells[number].peer.outer)))
		number = CV_PEER_CELL(cells[number].peer.outer);
	return number;
}

const uint32_t *cv_peers_find(const struct cv_peer_set *set, uint8_t remote_family,
			      const struct cv_addr *addr)
{
	struct cv_prefix whole = { .addr = *addr };
	struct cv_peer_prefix wanted = cv_peer_prefix_of(&whole, addr);
	struct search search = { set,
				 { wanted.bits[0], wanted.bits[1] },
				 remote_family == 6 ? 1 : 0 };
	uint32_t step = set->cells->steps[addr->family == 4 ? CV_PEERS_IPV4 : CV_PEERS_IPV6];
	uint32_t number, count;

	step = descend(&search, step);
	number = CV_PEER_CELL(step);
	if (!number)
		return NULL;
	for (count = CV_PEER_COUNT(step); count > 1; count--) {
		uint32_t other = number + (count - 1) * (search.remote_cell + 1);
		const struct cv_peer *peer = &set->cells[other].peer;
		uint64_t found[2] = { peer->prefix };

		if (begins_equal(search.wanted, found, CV_PEER_PREFIX_BITS(peer->outer)))
			return set->cells[other + search.remote_cell].remote;
	}
	number = verify(&search, number);
	return number ? set->cells[number + search.remote_cell].remote : NULL;
}

void cv_peer_set_fini(struct cv_peer_set *set)
{
	free(set->cells);
	*set = (struct cv_peer_set){ 0 };
}
