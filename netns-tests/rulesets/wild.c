/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames of every kind: see wild.h. */
#include "wild.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "trace.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define IPV4_MF 0x2000
#define QUOTES_MAX 1 /* an error about an error quotes no more */

static void put8(struct wild *wild, uint8_t value)
{
	if (wild->len < WILD_MAX)
		wild->bytes[wild->len++] = value;
}

static void put16(struct wild *wild, uint16_t value)
{
	put8(wild, value >> 8);
	put8(wild, value);
}

static void put_bytes(struct wild *wild, const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put8(wild, ((const uint8_t *)bytes)[i]);
}

static void put_random(struct wild *wild, struct random *random, size_t count)
{
	while (count--)
		put8(wild, random_u64(random));
}

static bool one_in(struct random *random, unsigned int count)
{
	return !random_below(random, count);
}

static void put_ip(struct wild *wild, struct random *random, const struct ruleset *set,
		   const struct cv_oracle_packet *packet, int quotes);

static void draw_packet(struct random *random, const struct ruleset *set,
			struct cv_oracle_packet *packet)
{
	static const uint8_t families[] = {
		[RULESET_IPV4] = 4, [RULESET_IPV6] = 6, [RULESET_BOTH] = 0
	};
	const struct ruleset_rule *rule = &set->rules[random_below(random, set->count)];

	if (one_in(random, 10))
		trace_draw_anywhere(random, families[set->conf.family], packet);
	else if (one_in(random, 2))
		trace_draw_edge(random, rule, packet);
	else
		trace_draw_inside(random, rule, packet);
}

/* ---- what IP carries ---- */

static void put_tcp(struct wild *wild, struct random *random, const struct cv_oracle_packet *packet)
{
	put16(wild, packet->sport);
	put16(wild, packet->dport);
	put_random(wild, random, 8);
	put8(wild, 5 << 4);
	put8(wild, one_in(random, 2) ? 1ull << random_below(random, 8) : random_u64(random));
	put_random(wild, random, 6);
}

/* An error with what it is about, or any message. */
static void put_icmp(struct wild *wild, struct random *random, const struct ruleset *set,
		     uint8_t family, int quotes)
{
	static const uint8_t errors[2][4] = { { 3, 5, 11, 12 }, { 1, 2, 3, 4 } };
	struct cv_oracle_packet quoted;
	bool is_error = !one_in(random, 3);

	put8(wild,
	     is_error ? errors[family == 6][random_below(random, 4)] : random_below(random, 20));
	put8(wild, random_below(random, 4));
	put_random(wild, random, 6);
	if (!is_error || quotes >= QUOTES_MAX)
		return;
	do
		draw_packet(random, set, &quoted);
	while (set->conf.family == RULESET_BOTH && quoted.family != family && !one_in(random, 8));
	put_ip(wild, random, set, &quoted, quotes + 1);
}

static void put_transport(struct wild *wild, struct random *random, const struct ruleset *set,
			  const struct cv_oracle_packet *packet, int quotes)
{
	if (packet->proto == IPPROTO_TCP) {
		put_tcp(wild, random, packet);
	} else if (packet->proto == IPPROTO_ICMP || packet->proto == IPPROTO_ICMPV6) {
		put_icmp(wild, random, set, packet->family, quotes);
	} else {
		put16(wild, packet->sport);
		put16(wild, packet->dport);
		put_random(wild, random, 4);
	}
	put_random(wild, random, random_below(random, 24));
}

/* ---- IPv4 ---- */

static uint16_t draw_ipv4_fragment(struct random *random)
{
	switch (random_below(random, 12)) {
	case 0:
		return IPV4_MF;
	case 1:
		return random_between(random, 1, 0x1fff);
	case 2:
		return IPV4_MF | random_between(random, 1, 0x1fff);
	default:
		return one_in(random, 2) ? 0x4000 : 0;
	}
}

static void put_ipv4(struct wild *wild, struct random *random, const struct ruleset *set,
		     const struct cv_oracle_packet *packet, int quotes)
{
	size_t begin = wild->len, options = one_in(random, 10) ? random_below(random, 11) : 0, len;

	put8(wild, 0x40 | (5 + options));
	put8(wild, one_in(random, 3) ? random_u64(random) : 0);
	put16(wild, 0); /* length: below */
	put16(wild, random_u64(random));
	put16(wild, draw_ipv4_fragment(random));
	put8(wild, 64);
	put8(wild, packet->proto);
	put16(wild, 0);
	put_bytes(wild, packet->src, 4);
	put_bytes(wild, packet->dst, 4);
	for (size_t i = 0; i < options * 4; i++)
		put8(wild, 1); /* no operation */
	put_transport(wild, random, set, packet, quotes);
	len = wild->len - begin;
	wild->bytes[begin + 2] = len >> 8;
	wild->bytes[begin + 3] = len;
}

/* ---- IPv6 ---- */

/* One extension header; returns false if it was that of a later fragment. */
static bool put_extension(struct wild *wild, struct random *random, uint8_t type, uint8_t next)
{
	size_t units = one_in(random, 4) ? random_below(random, 4) : 0;
	uint16_t fragment;

	put8(wild, next);
	if (type == IPPROTO_FRAGMENT) {
		fragment =
			one_in(random, 2) ? random_below(random, 2) : random_u64(random) & 0xfff9;
		put8(wild, 0);
		put16(wild, fragment);
		put_random(wild, random, 4);
		return !(fragment & 0xfff8);
	}
	if (type == IPPROTO_AH) {
		put8(wild, units + 1);
		put_random(wild, random, (units + 3) * 4 - 2);
		return true;
	}
	put8(wild, units);
	put_random(wild, random, (units + 1) * 8 - 2);
	return true;
}

static void put_ipv6(struct wild *wild, struct random *random, const struct ruleset *set,
		     const struct cv_oracle_packet *packet, int quotes)
{
	static const uint8_t types[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
					 IPPROTO_DSTOPTS, IPPROTO_AH };
	size_t begin = wild->len, count = one_in(random, 4) ? random_below(random, 9) : 0, len;
	uint8_t chain[10];

	for (size_t i = 0; i < count; i++)
		chain[i] = types[random_below(random, sizeof(types))];
	chain[count] = packet->proto;
	put8(wild, 0x60 | (one_in(random, 3) ? random_below(random, 16) : 0));
	put_random(wild, random, 1);
	put16(wild, one_in(random, 2) ? random_below(random, 8) : random_u64(random));
	put16(wild, 0); /* length: below */
	put8(wild, chain[0]);
	put8(wild, 64);
	put_bytes(wild, packet->src, 16);
	put_bytes(wild, packet->dst, 16);
	for (size_t i = 0; i < count; i++)
		if (!put_extension(wild, random, chain[i], chain[i + 1]))
			break;
	put_transport(wild, random, set, packet, quotes);
	len = wild->len - begin - IPV6_HEADER;
	wild->bytes[begin + 4] = len >> 8;
	wild->bytes[begin + 5] = len;
}

static void put_ip(struct wild *wild, struct random *random, const struct ruleset *set,
		   const struct cv_oracle_packet *packet, int quotes)
{
	if (packet->family == 6)
		put_ipv6(wild, random, set, packet, quotes);
	else
		put_ipv4(wild, random, set, packet, quotes);
}

/* ---- the frame ---- */

/* Returns how many tags. */
static size_t put_ethernet(struct wild *wild, struct random *random, uint16_t type)
{
	static const uint16_t others[] = { ETH_P_ARP, ETH_P_MPLS_UC, ETH_P_IP, ETH_P_IPV6, 60 };
	size_t tags = one_in(random, 8) ? random_between(random, 1, 3) : 0;

	memset(wild->bytes, 2, 2 * ETH_ALEN);
	wild->len = 2 * ETH_ALEN;
	for (size_t i = 0; i < tags; i++) {
		put16(wild, one_in(random, 4) ? ETH_P_8021AD : ETH_P_8021Q);
		put16(wild, one_in(random, 2) ? random_below(random, 8) : random_u64(random));
	}
	if (one_in(random, 40))
		type = others[random_below(random, sizeof(others) / sizeof(others[0]))];
	put16(wild, type);
	return tags;
}

/* Changes a few bytes behind the addresses of the frame. */
static void mutate(struct wild *wild, struct random *random, size_t from)
{
	for (size_t i = random_between(random, 1, 3); i; i--)
		wild->bytes[random_between(random, from, wild->len - 1)] ^=
			one_in(random, 2) ? 1ull << random_below(random, 8) : random_u64(random);
}

void wild_draw(struct random *random, const struct ruleset *set, struct wild *wild)
{
	struct cv_oracle_packet packet;
	size_t tags, whole;

	draw_packet(random, set, &packet);
	tags = put_ethernet(wild, random, packet.family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	put_ip(wild, random, set, &packet, 0);
	whole = tags ? ETH_HLEN : ETH_HLEN + IPV6_HEADER;
	if (one_in(random, 8))
		mutate(wild, random, tags ? 2 * ETH_ALEN : ETH_HLEN);
	if (one_in(random, 8) && wild->len > whole)
		wild->len = random_between(random, whole, wild->len);
}
