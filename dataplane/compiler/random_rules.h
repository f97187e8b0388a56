/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules and packets by chance, of a seed: for tests that hold the engine against the oracle. Rules
 * overlap much, and packets are made of rules, at their bounds and beside them.
 */
#ifndef CV_RANDOM_RULES_H
#define CV_RANDOM_RULES_H

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "oracle.h"
#include "rules.h"

/* ---- chance ---- */

struct random {
	uint64_t state;
};

/* splitmix64 */
static inline uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint32_t random_below(struct random *random, uint32_t end)
{
	return (random_next(random) >> 32) * end >> 32;
}

/* True once in so many. */
static inline bool random_once_in(struct random *random, uint32_t times)
{
	return !random_below(random, times);
}

/* ---- rules ---- */

struct random_style {
	const char *name;
	uint32_t any_src; /* one in so many has no source */
	uint32_t any_dst;
	uint32_t min_bits; /* of prefixes; IPv6: four times as many */
	uint32_t nets; /* addresses lie in so many /16 (IPv6: /64) */
	uint32_t port_rules; /* one in so many asks for ports */
	uint32_t range_rules; /* of these, one in so many for a range */
	uint32_t extra_rules; /* one in so many */
	uint32_t ipv6; /* one in so many */
};

static const struct random_style random_styles[] = {
	{ "acl", 200, 200, 8, 4096, 2, 3, 20, 4 },   { "fw", 3, 4, 4, 256, 2, 2, 10, 4 },
	{ "ipc", 12, 12, 8, 1024, 3, 4, 20, 4 },     { "ports", 30, 1, 0, 2, 1, 1, 30, 4 },
	{ "overlaps", 8, 8, 0, 1, 2, 1, 5, 4 },	     { "extras", 5, 5, 0, 4, 4, 2, 1, 2 },
	{ "hosts", 20, 20, 30, 65536, 8, 8, 50, 2 },
};
#define RANDOM_STYLES (sizeof(random_styles) / sizeof(*random_styles))

static inline void random_prefix(struct random *random, const struct random_style *style,
				 uint8_t family, __be32 addr[4], __be32 mask[4])
{
	uint32_t scale = family == 6 ? 4 : 1, words = family == 6 ? 4 : 1;
	uint32_t bits =
		scale * style->min_bits + random_below(random, scale * (32 - style->min_bits) + 1);
	uint32_t net = random_below(random, style->nets) * 40503u;

	if (family == 4) {
		addr[0] = htobe32(net << 16 | random_below(random, 65536));
	} else {
		addr[0] = htobe32(0x20010000u | (net & 0xffff));
		addr[1] = htobe32(net * 77u & (random_once_in(random, 2) ? 0xffffu : 0));
		addr[2] = htobe32(random_below(random, 4) << 28);
		addr[3] = htobe32(random_below(random, 65536));
	}
	for (uint32_t i = 0; i < words * 32; i++)
		if (i < bits)
			mask[i / 32] |= htobe32(0x80000000u >> i % 32);
	for (uint32_t i = 0; i < 4; i++)
		addr[i] &= mask[i];
}

static inline void random_range(struct random *random, bool is_range, uint16_t *min, uint16_t *max)
{
	static const uint16_t common[] = { 0, 22, 53, 80, 443, 1023, 1024, 8080, 65535 };
	uint16_t port = random_once_in(random, 2) ? common[random_below(random, sizeof(common) / 2)]
						  : random_below(random, 65536);

	*min = *max = port;
	if (is_range)
		*max = port + random_below(random, 65536 - port);
	if (random_once_in(random, 3)) {
		*min = 0;
		*max = 65535;
	}
}

static inline void random_extra(struct random *random, struct cv_match *match)
{
	switch (random_below(random, 4)) {
	case 0:
		match->flags |= CV_MATCH_DSCP;
		match->extra.dscps = random_next(random);
		break;
	case 1:
		match->flags |= CV_MATCH_MARK;
		match->extra.mark_mask = random_below(random, 16);
		match->extra.mark = random_below(random, 16) & match->extra.mark_mask;
		break;
	case 2:
		match->flags |= CV_MATCH_DEV;
		match->extra.ifindex = 1 + random_below(random, 3);
		break;
	default:
		match->flags |= CV_MATCH_TUNNEL;
		match->extra.tunnel = 1 + random_below(random, 3);
	}
	match->extra.flags = match->flags & CV_MATCH_EXTRAS;
}

static inline void random_match(struct random *random, const struct random_style *style,
				struct cv_match *match)
{
	uint8_t family = random_once_in(random, style->ipv6) ? 6 : 4;

	*match = (struct cv_match){ .dirs = 1 + random_below(random, 7) };
	if (!random_once_in(random, style->any_src)) {
		match->flags |= CV_MATCH_SRC | CV_MATCH_FAMILY;
		random_prefix(random, style, family, match->src, match->src_mask);
	}
	if (!random_once_in(random, style->any_dst)) {
		match->flags |= CV_MATCH_DST | CV_MATCH_FAMILY;
		random_prefix(random, style, family, match->dst, match->dst_mask);
	}
	if (random_once_in(random, 10))
		match->flags |= CV_MATCH_FAMILY;
	if (match->flags & CV_MATCH_FAMILY)
		match->family = family;
	if (random_once_in(random, style->port_rules)) {
		match->flags |= CV_MATCH_PORTS;
		random_range(random, random_once_in(random, style->range_rules), &match->sport_min,
			     &match->sport_max);
		random_range(random, random_once_in(random, style->range_rules), &match->dport_min,
			     &match->dport_max);
	}
	if (random_once_in(random, 2)) {
		match->flags |= CV_MATCH_PROTO;
		match->proto = random_once_in(random, 2) ? 6 : 17;
	}
	if (random_once_in(random, style->extra_rules))
		random_extra(random, match);
}

/* A rule of its own name, and of 1 to 3 matches, which are written to matches. */
static inline size_t random_rule(struct random *random, const struct random_style *style,
				 uint32_t number, struct cv_compiled_rule *rule,
				 struct cv_match matches[3])
{
	size_t count = random_once_in(random, 4) ? 1 + random_below(random, 3) : 1;

	*rule = (struct cv_compiled_rule){ .rule = { .id = number } };
	snprintf(rule->rule.name, sizeof(rule->rule.name), "r%u", number);
	if (random_once_in(random, 8)) {
		rule->rule.flags = CV_ACTION_SAMPLE;
		rule->actions.sample_one_in = number;
	}
	for (size_t i = 0; i < count; i++)
		random_match(random, style, &matches[i]);
	return count;
}

static inline void random_rules(struct random *random, const struct random_style *style,
				size_t count, struct cv_rules *rules)
{
	*rules = (struct cv_rules){
		.rules = calloc(count + 1, sizeof(*rules->rules)),
		.matches = calloc(3 * count + 1, sizeof(*rules->matches)),
		.rule_count = count,
		.netns_cookie = 99,
	};
	for (size_t i = 0; i < count; i++) {
		struct cv_match *matches = &rules->matches[rules->match_count];
		size_t more = random_rule(random, style, i, &rules->rules[i], matches);

		for (size_t j = 0; j < more; j++)
			matches[j].rule = i;
		rules->match_count += more;
	}
}

/* ---- packets ---- */

static inline uint16_t random_port(struct random *random, bool is_asked, uint16_t min, uint16_t max)
{
	if (!is_asked || random_once_in(random, 8))
		return random_below(random, 65536);
	switch (random_below(random, 5)) {
	case 0:
		return min;
	case 1:
		return max;
	case 2:
		return min - 1;
	case 3:
		return max + 1;
	default:
		return min + random_below(random, max - min + 1);
	}
}

/* An address in the prefix, or one bit beside it. */
static inline void random_addr(struct random *random, uint8_t family, const __be32 addr[4],
			       const __be32 mask[4], __be32 out[4])
{
	uint32_t words = family == 6 ? 4 : 1, bit = random_below(random, words * 32);

	memset(out, 0, 16);
	for (uint32_t i = 0; i < words; i++) {
		__be32 rest = random_once_in(random, 4)	  ? 0
			      : random_once_in(random, 3) ? UINT32_MAX
							  : (__be32)random_next(random);

		out[i] = addr[i] | (rest & ~mask[i]);
	}
	if (random_once_in(random, 6))
		out[bit / 32] ^= htobe32(0x80000000u >> bit % 32);
}

static inline void random_packet(struct random *random, const struct cv_rules *rules,
				 struct cv_oracle_packet *packet)
{
	static const struct cv_match any;
	const struct cv_match *match =
		rules->match_count ? &rules->matches[random_below(random, rules->match_count)]
				   : &any;
	bool has_ports = match->flags & CV_MATCH_PORTS;

	*packet = (struct cv_oracle_packet){
		.family = match->family		      ? match->family
			  : random_once_in(random, 2) ? 4
						      : 6,
		.proto = match->flags & CV_MATCH_PROTO && !random_once_in(random, 16) ? match->proto
			 : random_once_in(random, 2)				      ? 6
										      : 17,
		.ifindex = 1,
		.mark = random_below(random, 16),
		.tunnel = random_below(random, 4),
		.dscp = random_below(random, 64),
		.has_ports = true,
	};
	if (random_once_in(random, 12)) {
		packet->has_ports = false;
		packet->proto = random_once_in(random, 2) ? 1 : 70; /* beside 6 in pruning words */
	}
	if (match->flags & CV_MATCH_MARK)
		packet->mark = match->extra.mark | (packet->mark & ~match->extra.mark_mask);
	random_addr(random, packet->family, match->src, match->src_mask, packet->src);
	random_addr(random, packet->family, match->dst, match->dst_mask, packet->dst);
	if (packet->has_ports) {
		packet->sport = random_port(random, has_ports, match->sport_min, match->sport_max);
		packet->dport = random_port(random, has_ports, match->dport_min, match->dport_max);
	}
}

/* What the oracle says: the index of the first rule from that one on that holds; -1: none. */
static inline long random_expected(const struct cv_rules *rules, size_t first,
				   const struct cv_oracle_packet *packet, enum cv_direction dir)
{
	for (size_t i = 0; i < rules->match_count; i++)
		if (rules->matches[i].rule >= first && rules->matches[i].dirs >> dir & 1 &&
		    cv_oracle_holds(rules, &rules->matches[i], packet))
			return rules->matches[i].rule;
	return -1;
}

#endif
