/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rule sets of any size, like those that real filters have: access lists (acl), firewalls (fw), IP
 * chains (ipc), and all three (mix). What makes a set hard or easy is drawn after published
 * statistics of such filters: address pairs are nearly unique, combinations of prefix lengths few,
 * a small core of broad rules is told apart by ports alone, and some hundred pairs of port ranges
 * come again and again.
 *
 * The same conf makes the same set everywhere.
 */
#ifndef CV_RULESET_H
#define CV_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ruleset_style { RULESET_ACL, RULESET_FW, RULESET_IPC, RULESET_MIX, RULESET_STYLE_COUNT };
extern const char *const ruleset_style_names[RULESET_STYLE_COUNT];

enum ruleset_family { RULESET_IPV4, RULESET_IPV6, RULESET_BOTH, RULESET_FAMILY_COUNT };
extern const char *const ruleset_family_names[RULESET_FAMILY_COUNT]; /* 4, 6, both */

struct ruleset_conf {
	enum ruleset_style style;
	enum ruleset_family family;
	bool is_shuffled; /* rules stand in any order; else mostly the more specific ones first */
	size_t count;
	uint64_t seed;
};

struct ruleset_prefix {
	uint8_t bytes[16]; /* network order; IPv4 has four */
	uint8_t bits; /* 0: any address */
};

struct ruleset_ports {
	uint16_t min;
	uint16_t max;
};

struct ruleset_rule {
	struct ruleset_prefix src;
	struct ruleset_prefix dst;
	struct ruleset_ports sport; /* 0 to 65535: not asked */
	struct ruleset_ports dport;
	uint8_t family; /* 4, 6; 0: both, then there are no addresses */
	uint8_t proto; /* asked if has_proto */
	bool has_proto;
};

/* Rules in the order in which they are asked. */
struct ruleset {
	struct ruleset_rule *rules; /* owned */
	size_t count;
	struct ruleset_conf conf;
};

/* Index of the name, -1: it is none of them. */
int ruleset_choose(const char *const *names, int count, const char *name);
/* Fills conf with what these words say: style, count, family; seed 1, not shuffled. */
bool ruleset_conf_read(struct ruleset_conf *conf, const char *style, const char *count,
		       const char *family);

/* Makes *set, which the caller releases. Returns 0, or -ENOMEM. */
int ruleset_make(struct ruleset *set, const struct ruleset_conf *conf);
void ruleset_fini(struct ruleset *set);

/* Width of an address of that family. */
static inline unsigned int ruleset_width(uint8_t family)
{
	return family == 6 ? 128 : 32;
}

static inline bool ruleset_is_any_port(struct ruleset_ports ports)
{
	return ports.min == 0 && ports.max == 65535;
}

static inline bool ruleset_has_ports(const struct ruleset_rule *rule)
{
	return !ruleset_is_any_port(rule->sport) || !ruleset_is_any_port(rule->dport);
}

/* What a set looks like, as the statistics of filters are told. */
struct ruleset_shape {
	size_t tuples; /* combinations of prefix lengths */
	size_t sources; /* prefixes, any included */
	size_t destinations;
	size_t pairs; /* of prefixes */
	size_t port_pairs;
	size_t any_source; /* rules */
	size_t any_destination;
	size_t broad; /* rules with neither prefix longer than a /16, or a /32 of IPv6 */
};

/* Returns 0, or -ENOMEM. */
int ruleset_measure(struct ruleset_shape *shape, const struct ruleset *set);

#endif
