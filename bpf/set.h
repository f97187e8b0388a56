/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a value is in a set of the image (abi.h: struct cv_set). The global functions are there for
 * the verifier, which looks at each of them once.
 */
#ifndef CV_SET_H
#define CV_SET_H

#include "arena.h"
#include "packet.h"

#define CV_SET_NODE_CELLS 2

/* 1 if a is below b, else 0: without branches, of which each would double the paths of the verifier and
 * be guessed wrong half of the time. */
static __always_inline __u64 cv_is_below(__u64 a, __u64 b)
{
	return ((~a & b) | ((~a | b) & (a - b))) >> 63;
}

/* The same of numbers of 32 bits. The compiler would see a comparison in it and make it a branch. */
static __always_inline __u64 cv_number_below(__u64 a, __u64 b)
{
	__u64 difference = a - b;

	asm volatile("" : "+r"(difference));
	return difference >> 63;
}

/* How many of the keys are below value: first which quarter of the node ends behind it. */
static __always_inline __u32 cv_numbers_below(const __u32 *keys, __u32 value)
{
	__u64 at = 4 * (cv_number_below(keys[3], value) + cv_number_below(keys[7], value) +
			cv_number_below(keys[11], value));

	keys += at;
	return at + cv_number_below(keys[0], value) + cv_number_below(keys[1], value) +
	       cv_number_below(keys[2], value) + cv_number_below(keys[3], value);
}

/* How many high halves are below value, by halves of the node. */
static __always_inline __u32 cv_halves_below(const __u64 *keys, __u64 value)
{
	__u64 at = 4 * cv_is_below(keys[3], value);

	keys += at;
	return at + cv_is_below(keys[0], value) + cv_is_below(keys[1], value) +
	       cv_is_below(keys[2], value) + cv_is_below(keys[3], value);
}

/* 1 if the number is in the set of that cell. */
__attribute__((noinline)) int cv_set_has_number(__u64 live, __u32 set_cell, __u32 value)
{
	__u32 bank = CV_LIVE_BANK(live), node = 0, below = 0;
	const struct cv_set *set = cv_cell(bank, set_cell);
	const __u32 *keys;
	int level;

	if (!set_cell || !set)
		return 0;
	for (level = 0; level < CV_SET_LEVELS && set->numbers.levels[level]; level++) {
		keys = cv_cell(bank, set->numbers.levels[level] + node * CV_SET_NODE_CELLS);
		if (!keys)
			return 0;
		below = cv_numbers_below(keys, value);
		node = node * (CV_SET_NUMBERS + 1) + below;
	}
	return (below ^ set->numbers.keys / CV_SET_FROM_ZERO) & 1;
}

/* How many keys of the node that begins in those cells have the high half of an address, and a low half
 * below its own. */
__attribute__((noinline)) __u32 cv_set_lows_below(__u64 live, __u32 highs_cell, __u32 lows_cell,
						  __u64 high, __u64 low)
{
	const __u64 *highs = cv_cell(CV_LIVE_BANK(live), highs_cell);
	const __u64 *lows = cv_cell(CV_LIVE_BANK(live), lows_cell);
	__u64 count = 0;
	int i;

	if (!highs || !lows)
		return 0;
	for (i = 0; i < CV_SET_HALVES; i++)
		count += cv_is_below(highs[i] ^ high, 1) & cv_is_below(lows[i], low);
	return count;
}

/* 1 if the IPv6 address is in the set of that cell. Low halves are read where a node has the address'
 * high one. */
static __always_inline int cv_set_has_address(__u64 live, __u32 set_cell, __u64 high, __u64 low)
{
	__u32 bank = CV_LIVE_BANK(live), node = 0, below = 0;
	const struct cv_set *set = cv_cell(bank, set_cell);
	__u32 highs_cell;
	const __u64 *highs;
	int level;

	if (!set_cell || !set)
		return 0;
	for (level = 0; level < CV_SET_LEVELS && set->highs.levels[level]; level++) {
		highs_cell = set->highs.levels[level] + node * CV_SET_NODE_CELLS;
		highs = cv_cell(bank, highs_cell);
		if (!highs)
			return 0;
		below = cv_halves_below(highs, high);
		if (set->lows.keys && highs[below % CV_SET_HALVES] == high)
			below += cv_set_lows_below(
				live, highs_cell,
				set->lows.levels[level] + node * CV_SET_NODE_CELLS, high, low);
		node = node * (CV_SET_HALVES + 1) + below;
	}
	return (below ^ set->highs.keys / CV_SET_FROM_ZERO) & 1;
}

/* The cell of the set of that number that packets of this generation meet; 0: there is none. */
static __always_inline __u32 cv_set_cell(__u64 live, __u32 number)
{
	__u32 bank = CV_LIVE_BANK(live), index = number - 1, from;
	const struct cv_image *image = cv_cell(bank, 0);
	const struct cv_set_slot *slots;
	__u64 word;

	slots = image ? cv_cell(bank, image->sets + index / CV_SET_SLOTS) : NULL;
	if (!slots)
		return 0;
	word = *(const volatile __u64 *)&slots[index % CV_SET_SLOTS].word;
	from = CV_SET_SLOT_FROM(word);
	return from && CV_LIVE_GENERATION(live) >= from ? CV_SET_SLOT_NEXT(word)
							: CV_SET_SLOT_ROOT(word);
}

/* What comes of asking for a field. */
enum cv_membership {
	CV_IS_OUTSIDE,
	CV_IS_INSIDE,
	CV_IS_NOWHERE, /* the packet has no such field */
};

static __always_inline int cv_set_has_endpoint(__u64 live, __u32 cell, const __be32 *addr,
					       __u8 family)
{
	if (family == 4)
		return cv_set_has_number(live, cell, bpf_ntohl(addr[0]));
	if (family != 6)
		return CV_IS_NOWHERE;
	return cv_set_has_address(live, cell, (__u64)bpf_ntohl(addr[0]) << 32 | bpf_ntohl(addr[1]),
				  (__u64)bpf_ntohl(addr[2]) << 32 | bpf_ntohl(addr[3]));
}

/* The field as a number. Returns false if the packet has none. */
static __always_inline bool cv_set_field_number(const struct cv_pkt *pkt, __u32 field, __u32 *value)
{
	switch (field) {
	case CV_SET_FIELD_PROTO:
		*value = pkt->proto;
		return pkt->family;
	case CV_SET_FIELD_SPORT:
		*value = pkt->sport;
		return pkt->has_ports;
	case CV_SET_FIELD_DPORT:
		*value = pkt->dport;
		return pkt->has_ports;
	case CV_SET_FIELD_DSCP:
		*value = pkt->tos >> 2;
		return pkt->family;
	case CV_SET_FIELD_MARK:
		*value = pkt->mark;
		return true;
	case CV_SET_FIELD_LEN:
		*value = pkt->len;
		return pkt->family;
	case CV_SET_FIELD_VLAN:
		*value = pkt->vlan;
		return pkt->vlan != CV_NO_VLAN;
	}
	return false;
}

/* Whether that field of the packet is in the set of that number: enum cv_membership. */
__attribute__((noinline)) int cv_set_has_field(const struct cv_pkt *pkt, __u64 live, __u32 number,
					       __u32 field)
{
	__u32 cell = cv_set_cell(live, number), value;

	if (!pkt)
		return CV_IS_NOWHERE; /* never, but the verifier asks */
	if (field == CV_SET_FIELD_SRC)
		return cv_set_has_endpoint(live, cell, pkt->src, pkt->family);
	if (field == CV_SET_FIELD_DST)
		return cv_set_has_endpoint(live, cell, pkt->dst, pkt->family);
	return cv_set_field_number(pkt, field, &value) ? cv_set_has_number(live, cell, value)
						       : CV_IS_NOWHERE;
}

/* True if all conditions that ask sets hold. A packet without the field is neither in a set nor "not"
 * in it. */
static __always_inline bool cv_sets_hold(const struct cv_extra *extra, const struct cv_pkt *pkt,
					 __u64 live)
{
	int i;

	for (i = 0; i < CV_MAX_SET_REFS; i++)
		if (extra->sets[i].set &&
		    cv_set_has_field(pkt, live, extra->sets[i].set, extra->sets[i].field) !=
			    !extra->sets[i].is_not)
			return false;
	return true;
}

#endif
