/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule sets that are made to hurt: see hostile.h. */
#include "hostile.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

const char *const hostile_texts[HOSTILE_COUNT] = {
#define HOSTILE_TEXT(name, text) [HOSTILE_##name] = (text),
	HOSTILE_KINDS(HOSTILE_TEXT)
#undef HOSTILE_TEXT
};

#define ANY_PORT                                                                                   \
	{                                                                                          \
		0, 65535                                                                           \
	}
#define HOST 0x0a010203u
#define NETWORK 0x0a000000u

static struct ruleset_prefix prefix_of(uint32_t address, uint8_t bits)
{
	return (struct ruleset_prefix){
		.bytes = { address >> 24, address >> 16, address >> 8, address }, .bits = bits
	};
}

static struct ruleset_rule tcp_rule(void)
{
	return (struct ruleset_rule){ .family = 4,
				      .has_proto = true,
				      .proto = IPPROTO_TCP,
				      .sport = ANY_PORT,
				      .dport = ANY_PORT };
}

/* Numbers that are spread over 32 bits and never come twice. */
static uint32_t spread(size_t i)
{
	return (uint32_t)i * 2654435761u;
}

static struct ruleset_rule ranges_rule(size_t i, size_t count)
{
	struct ruleset_rule rule = tcp_rule();

	rule.sport.min = i % 20000;
	rule.sport.max = 65535 - (i * 7) % 20000;
	rule.dport.min = (count - i) % 30000;
	rule.dport.max = 65535 - (i * 3) % 30000;
	return rule;
}

static struct ruleset_rule ports_rule(size_t i)
{
	struct ruleset_rule rule = tcp_rule();

	rule.src = prefix_of(HOST, 32);
	rule.dst = prefix_of(HOST + 1, 32);
	rule.dport.min = spread(i) % 60000;
	rule.dport.max = rule.dport.min + spread(i + 1) % 5000;
	return rule;
}

/* All that is in the prefixes has bits in common with each other, so that one packet may lie in many. */
static struct ruleset_rule lengths_rule(size_t i)
{
	struct ruleset_rule rule = tcp_rule();

	rule.family = 6;
	rule.src = (struct ruleset_prefix){ .bytes = { 0x20 }, .bits = 8 + i % 120 };
	rule.dst = (struct ruleset_prefix){ .bytes = { 0x20 }, .bits = 8 + i / 120 % 120 };
	return rule;
}

static struct ruleset_rule tuple_rule(size_t i)
{
	struct ruleset_rule rule = tcp_rule();

	rule.src = prefix_of(spread(i), 32);
	rule.dst = prefix_of(spread(i * 5 + 3), 32);
	return rule;
}

static struct ruleset_rule neighbours_rule(size_t i)
{
	struct ruleset_rule rule = tcp_rule();

	rule.src = prefix_of(NETWORK + (uint32_t)i, 32);
	rule.dst = prefix_of(HOST, 32);
	rule.dport.min = rule.dport.max = 443;
	return rule;
}

/* One address is in all of them; how wide they are comes from bits. */
static struct ruleset_rule chain_rule(size_t i, uint8_t bits)
{
	struct ruleset_rule rule = tcp_rule();

	rule.src = prefix_of(NETWORK, bits);
	rule.dst = prefix_of(NETWORK, bits);
	rule.sport.max = 65535 - i % 1000;
	return rule;
}

static struct ruleset_rule protocols_rule(size_t i)
{
	struct ruleset_rule rule = tcp_rule();

	rule.proto = i % 256;
	rule.src = prefix_of(NETWORK, 8 + i / 256 % 25);
	return rule;
}

static struct ruleset_rule rule_of(enum hostile_kind kind, size_t i, size_t count)
{
	switch (kind) {
	case HOSTILE_RANGES:
		return ranges_rule(i, count);
	case HOSTILE_PORTS:
		return ports_rule(i);
	case HOSTILE_LENGTHS:
		return lengths_rule(i);
	case HOSTILE_TUPLE:
		return tuple_rule(i);
	case HOSTILE_NEIGHBOURS:
		return neighbours_rule(i);
	case HOSTILE_SHADOW:
		return chain_rule(i, 8 + i * 24 / count);
	case HOSTILE_NESTED:
		return chain_rule(i, 32 - i * 24 / count);
	default:
		return protocols_rule(i);
	}
}

/* A prefix has nothing behind its length. */
static void clear_tail(struct ruleset_prefix *prefix)
{
	for (unsigned int bit = prefix->bits; bit < 128; bit++)
		prefix->bytes[bit / 8] &= ~(0x80 >> bit % 8);
}

int hostile_make(struct ruleset *set, enum hostile_kind kind, size_t count)
{
	*set = (struct ruleset){ .count = count, .conf = { .count = count } };
	set->conf.family = kind == HOSTILE_LENGTHS ? RULESET_IPV6 : RULESET_IPV4;
	set->rules = calloc(count, sizeof(*set->rules));
	if (!set->rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		set->rules[i] = rule_of(kind, i, count);
		clear_tail(&set->rules[i].src);
		clear_tail(&set->rules[i].dst);
	}
	return 0;
}
