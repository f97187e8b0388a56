/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The remote of a tunnel that has a peer for every destination prefix: the peer with the longest
 * prefix that the inner destination is in. How a set of peers is laid out: abi.h.
 */
#ifndef CV_PEER_H
#define CV_PEER_H

#include "maps.h"
#include "packet.h"
#include "tunnel.h"

struct cv_peer_query {
	__u32 slot; /* in the map of its size */
	__u32 l3; /* offset of the IP header whose destination is asked for */
	__u32 family; /* of the remotes */
	__be32 remote[4]; /* the answer */
};

/* A destination as prefixes are kept: host order, the first bit highest. */
struct cv_peer_bits {
	__u64 high;
	__u64 low;
};

#define CV_PEER_BITS 128 /* of a destination */

/* count (1 to 16) bits from bit first on. */
static __always_inline __u32 cv_peer_bits_at(const struct cv_peer_bits *bits, __u32 first,
					     __u32 count)
{
	__u64 from;

	if (first < 64)
		from = bits->high << first | bits->low >> 1 >> (63 - first);
	else
		from = bits->low << (first & 63);
	return from >> ((64 - count) & 63);
}

/* True if the first count (0 to 128) bits are zero. */
static __always_inline bool cv_peer_bits_begin_zero(const struct cv_peer_bits *bits, __u32 count)
{
	if (count <= 64)
		return !count || !(bits->high >> ((64 - count) & 63));
	return !bits->high && !(bits->low >> ((128 - count) & 63));
}

/* Reads the destination of the IP header at l3. Returns where in cell 0 the lookup begins, or -1 if
 * there is no IP header. */
static __always_inline int cv_peer_read(struct __sk_buff *skb, __u32 l3, struct cv_peer_bits *bits)
{
	struct iphdr *ip4 = cv_at(skb, l3, sizeof(*ip4));
	struct ipv6hdr *ip6;

	if (!ip4)
		return -1;
	if (ip4->version == 4) {
		bits->high = (__u64)bpf_ntohl(ip4->daddr) << 32;
		bits->low = 0;
		return CV_PEERS_IPV4;
	}
	ip6 = cv_at(skb, l3, sizeof(*ip6));
	if (!ip6 || ip6->version != 6)
		return -1;
	bits->high = (__u64)bpf_ntohl(ip6->daddr.s6_addr32[0]) << 32 |
		     bpf_ntohl(ip6->daddr.s6_addr32[1]);
	bits->low = (__u64)bpf_ntohl(ip6->daddr.s6_addr32[2]) << 32 |
		    bpf_ntohl(ip6->daddr.s6_addr32[3]);
	return CV_PEERS_IPV6;
}

static __always_inline const struct cv_peer_cell *cv_peer_cell(void *set, __u32 number)
{
	return bpf_map_lookup_elem(set, &number);
}

/* The step to peers that the trie leads to. */
static __always_inline __u32 cv_peer_descend(void *set, const struct cv_peer_bits *bits, __u32 step)
{
	const struct cv_peer_cell *cell;
	__u32 first = 0, value;
	int i;

	for (i = 0; i < CV_PEER_MAX_DEPTH && CV_PEER_TESTED(step); i++) {
		/* Masked for the verifier: every round then begins with the same range. */
		first = (first + CV_PEER_SKIPPED(step)) & (CV_PEER_BITS - 1);
		value = cv_peer_bits_at(bits, first, CV_PEER_TESTED(step));
		first += CV_PEER_TESTED(step);
		cell = cv_peer_cell(set, CV_PEER_CELL(step) + value / CV_PEER_CELL_STEPS);
		if (!cell)
			return 0;
		step = cell->steps[value % CV_PEER_CELL_STEPS];
	}
	return step;
}

/* The cell of the last one of several peers whose prefix covers the destination; that of the first one
 * if it is the only one, or if none does. peer_cells: those that each takes. */
static __always_inline __u32 cv_peer_pick(void *set, const struct cv_peer_bits *bits, __u32 step,
					  __u32 peer_cells)
{
	const struct cv_peer_cell *cell;
	__u32 number;
	int i;

	for (i = CV_PEER_MAX_COUNT - 1; i > 0; i--) {
		if (i >= CV_PEER_COUNT(step))
			continue;
		number = CV_PEER_CELL(step) + i * peer_cells;
		cell = cv_peer_cell(set, number);
		if (cell && !((bits->high ^ cell->peer.prefix) >>
			      ((64 - CV_PEER_PREFIX_BITS(cell->peer.outer)) & 63)))
			return number;
	}
	return CV_PEER_CELL(step);
}

/* The cell of the first peer, from that one outwards, whose prefix covers the destination, 0: none.
 * more_cell: how far behind its first cell a long prefix goes on. */
static __always_inline __u32 cv_peer_verify(void *set, struct cv_peer_bits *bits, __u32 number,
					    __u32 more_cell)
{
	const struct cv_peer_cell *cell = cv_peer_cell(set, number), *more;
	int i;

	if (!cell)
		return 0;
	bits->high ^= cell->peer.prefix;
	if (CV_PEER_PREFIX_BITS(cell->peer.outer) > 64) {
		more = cv_peer_cell(set, number + more_cell);
		if (!more)
			return 0;
		bits->low ^= more->prefix_low;
	}
	for (i = 0; i < CV_PEER_MAX_OUTER && number; i++) {
		if (cv_peer_bits_begin_zero(bits, CV_PEER_PREFIX_BITS(cell->peer.outer)))
			return number;
		number = CV_PEER_CELL(cell->peer.outer);
		cell = cv_peer_cell(set, number);
		if (!cell)
			return 0;
	}
	return 0;
}

static __always_inline int cv_peer_search(struct __sk_buff *skb, void *set,
					  struct cv_peer_query *query)
{
	__u32 remote_cell = query->family == 6;
	const struct cv_peer_cell *cell = cv_peer_cell(set, 0);
	struct cv_peer_bits bits;
	int start = cv_peer_read(skb, query->l3, &bits);
	__u32 number, step;

	if (!cell || start < 0)
		return 0;
	step = cv_peer_descend(set, &bits, cell->steps[start]);
	number = cv_peer_pick(set, &bits, step, remote_cell + 1);
	number = cv_peer_verify(set, &bits, number, remote_cell + 1);
	if (!number)
		return 0;
	cell = cv_peer_cell(set, number + remote_cell);
	if (!cell)
		return 0;
	if (remote_cell)
		__builtin_memcpy(query->remote, cell->remote, sizeof(query->remote));
	else
		query->remote[0] = cell->peer.remote;
	return 1;
}

/* cv_peer_find_SIZE() answers the query: returns 1, or 0 if there is no peer. Global functions: the
 * verifier walks their loops once, and not on every path of the caller. */
#define CV_PEER_FIND(name, map, cells)                                                             \
	__attribute__((noinline)) int cv_peer_find_##name(struct __sk_buff *skb,                   \
							  struct cv_peer_query *query)             \
	{                                                                                          \
		__u32 slot = query ? query->slot : 0;                                              \
		void *set = query ? bpf_map_lookup_elem(&(map), &slot) : NULL;                     \
                                                                                                   \
		return set ? cv_peer_search(skb, set, query) : 0;                                  \
	}
CV_PEER_SIZES(CV_PEER_FIND)

static __always_inline int cv_peer_find(struct __sk_buff *skb, __u32 size,
					struct cv_peer_query *query)
{
	switch (size) {
#define CV_PEER_CASE(name, map, cells)                                                             \
	case CV_PEERS_##name:                                                                      \
		return cv_peer_find_##name(skb, query);
		CV_PEER_SIZES(CV_PEER_CASE)
	}
	return 0;
}

/* The outer destination for the packet whose IP header is at l3, four words as in abi.h; it stands in
 * query, which must be zero. NULL if no peer of the tunnel has the inner destination. */
static __always_inline const __be32 *cv_peer_remote(struct __sk_buff *skb,
						    const struct cv_tunnel *tunnel, __u32 l3,
						    struct cv_peer_query *query)
{
	__u32 size = tunnel->remote_slot / CV_MAX_REMOTE_SLOTS;

	query->slot = tunnel->remote_slot % CV_MAX_REMOTE_SLOTS;
	query->l3 = l3;
	query->family = tunnel->family;
	return cv_peer_find(skb, size, query) ? query->remote : NULL;
}

#endif
