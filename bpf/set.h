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

/* Adds, here and now: many sums that the compiler puts off would be put on the stack, of which all
 * functions that are called one from another have 512 bytes together. */
static __always_inline __u64 cv_plus(__u64 sum, __u64 more)
{
	sum += more;
	asm volatile("" : "+r"(sum));
	return sum;
}

/* How many of the keys are below value: first which quarter of the node ends behind it. */
static __always_inline __u32 cv_numbers_below(const __u32 *keys, __u32 value)
{
	__u64 at = cv_number_below(keys[3], value);

	at = cv_plus(at, cv_number_below(keys[7], value));
	at = 4 * cv_plus(at, cv_number_below(keys[11], value));
	keys += at;
	at = cv_plus(at, cv_number_below(keys[0], value));
	at = cv_plus(at, cv_number_below(keys[1], value));
	at = cv_plus(at, cv_number_below(keys[2], value));
	return cv_plus(at, cv_number_below(keys[3], value));
}

/* How many high halves are below value, by halves of the node. */
static __always_inline __u32 cv_halves_below(const __u64 *keys, __u64 value)
{
	__u64 at = 4 * cv_plus(0, cv_is_below(keys[3], value));

	keys += at;
	at = cv_plus(at, cv_is_below(keys[0], value));
	at = cv_plus(at, cv_is_below(keys[1], value));
	at = cv_plus(at, cv_is_below(keys[2], value));
	return cv_plus(at, cv_is_below(keys[3], value));
}

/* Which of the keys have that value, a bit each. */
static __always_inline __u64 cv_halves_equal(const __u64 *keys, __u64 value)
{
	__u64 equal = 0;
	int i;

	for (i = 0; i < CV_SET_HALVES; i++)
		equal = cv_plus(equal, cv_is_below(keys[i] ^ value, 1) << i);
	return equal;
}

/* How many of those keys are below value. */
static __always_inline __u32 cv_some_below(const __u64 *keys, __u64 which, __u64 value)
{
	__u64 count = 0;
	int i;

	for (i = 0; i < CV_SET_HALVES; i++)
		count = cv_plus(count, which >> i & cv_is_below(keys[i], value));
	return count;
}

/* The set of that number that packets of this generation meet; NULL: there is none. */
static __always_inline const struct cv_set *cv_set_at(__u64 live, __u32 number)
{
	__u32 bank = CV_LIVE_BANK(live), index = number - 1, from, cell;
	const struct cv_image *image = cv_cell(bank, 0);
	const struct cv_set_slot *slots;
	__u64 word;

	slots = image ? cv_cell(bank, image->sets + index / CV_SET_SLOTS) : NULL;
	if (!slots)
		return NULL;
	word = *(const volatile __u64 *)&slots[index % CV_SET_SLOTS].word;
	from = CV_SET_SLOT_FROM(word);
	cell = from && CV_LIVE_GENERATION(live) >= from ? CV_SET_SLOT_NEXT(word)
							: CV_SET_SLOT_ROOT(word);
	return cell ? cv_cell(bank, cell) : NULL;
}

/* 1 if the number is in the set of that number. */
__attribute__((noinline)) int cv_set_has_number(__u64 live, __u32 number, __u32 value)
{
	const struct cv_set *set = cv_set_at(live, number);
	__u32 node = 0, below = 0;
	const __u32 *keys;
	int level;

	if (!set)
		return 0;
	for (level = 0; level < CV_SET_LEVELS && set->numbers.levels[level]; level++) {
		keys = cv_cell(CV_LIVE_BANK(live),
			       set->numbers.levels[level] + node * CV_SET_NODE_CELLS);
		if (!keys)
			return 0;
		below = cv_numbers_below(keys, value);
		node = node * (CV_SET_NUMBERS + 1) + below;
	}
	return (below ^ set->numbers.keys / CV_SET_FROM_ZERO) & 1;
}

/* 1 if the IPv6 address is in the set of that number. Low halves are read where a node has the address'
 * high one. */
__attribute__((noinline)) int cv_set_has_address(__u64 live, __u32 number, __u64 high, __u64 low)
{
	const struct cv_set *set = cv_set_at(live, number);
	__u32 node = 0, below = 0;
	const __u64 *keys;
	__u64 equal;
	int level;

	if (!set)
		return 0;
	for (level = 0; level < CV_SET_LEVELS && set->highs.levels[level]; level++) {
		keys = cv_cell(CV_LIVE_BANK(live),
			       set->highs.levels[level] + node * CV_SET_NODE_CELLS);
		if (!keys)
			return 0;
		below = cv_halves_below(keys, high);
		if (set->lows.keys && keys[below % CV_SET_HALVES] == high) {
			equal = cv_halves_equal(keys, high);
			keys = cv_cell(CV_LIVE_BANK(live),
				       set->lows.levels[level] + node * CV_SET_NODE_CELLS);
			if (!keys)
				return 0;
			below += cv_some_below(keys, equal, low);
		}
		node = node * (CV_SET_HALVES + 1) + below;
	}
	return (below ^ set->highs.keys / CV_SET_FROM_ZERO) & 1;
}

/* What comes of asking for a field. */
enum cv_membership {
	CV_IS_OUTSIDE,
	CV_IS_INSIDE,
	CV_IS_NOWHERE, /* the packet has no such field */
};

static __always_inline int cv_set_has_endpoint(__u64 live, __u32 number, const __be32 *addr,
					       __u8 family)
{
	if (family == 4)
		return cv_set_has_number(live, number, bpf_ntohl(addr[0]));
	if (family != 6)
		return CV_IS_NOWHERE;
	return cv_set_has_address(live, number,
				  (__u64)bpf_ntohl(addr[0]) << 32 | bpf_ntohl(addr[1]),
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
		*value = cv_pkt_len(pkt);
		return pkt->family;
	case CV_SET_FIELD_VLAN:
		*value = pkt->vlan;
		return pkt->vlan != CV_NO_VLAN;
	}
	return false;
}

/* Whether that field of the packet is in the set of that number. */
static __always_inline enum cv_membership cv_set_has_field(const struct cv_pkt *pkt, __u64 live,
							   __u32 number, __u32 field)
{
	__u32 value;

	if (field == CV_SET_FIELD_SRC)
		return cv_set_has_endpoint(live, number, pkt->src, pkt->family);
	if (field == CV_SET_FIELD_DST)
		return cv_set_has_endpoint(live, number, pkt->dst, pkt->family);
	return cv_set_field_number(pkt, field, &value) ? cv_set_has_number(live, number, value)
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
			    (extra->sets[i].is_not ? CV_IS_OUTSIDE : CV_IS_INSIDE))
			return false;
	return true;
}

#endif
