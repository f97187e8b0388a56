/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets for rule sets: see trace.h. */
#include "trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

const char *const trace_kind_names[TRACE_KIND_COUNT] = {
	[TRACE_UNIFORM] = "uniform",
	[TRACE_ZIPF] = "zipf",
};

#define ANYWHERE 0.05

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

/* What comes by when a rule does not ask. */
static uint8_t draw_proto(struct random *random, uint8_t family)
{
	uint64_t at = random_below(random, 100);

	return at < 60	 ? IPPROTO_TCP
	       : at < 90 ? IPPROTO_UDP
	       : at < 95 ? (family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)
	       : at < 97 ? IPPROTO_SCTP
			 : IPPROTO_ESP;
}

/* Of an unicast address, where the prefix leaves a choice: loopback and the like are not routed. */
static void draw_address(struct random *random, uint8_t family, const struct ruleset_prefix *prefix,
			 __be32 addr[4])
{
	uint8_t bytes[16] = { 0 };

	for (unsigned int i = 0; i < ruleset_width(family) / 8; i++)
		bytes[i] = random_u64(random);
	if (prefix->bits < 8)
		bytes[0] = family == 6 ? 0x20 | (bytes[0] & 0x1f) : random_between(random, 1, 126);
	for (unsigned int bit = 0; bit < prefix->bits; bit++) {
		bytes[bit / 8] &= ~(0x80 >> bit % 8);
		bytes[bit / 8] |= prefix->bytes[bit / 8] & 0x80 >> bit % 8;
	}
	memcpy(addr, bytes, sizeof(bytes));
}

/* As any packet of that family and protocol has them. */
static void finish(struct cv_oracle_packet *packet)
{
	packet->has_ports = has_ports(packet->proto);
	if (!packet->has_ports)
		packet->sport = packet->dport = 0;
}

void trace_draw_inside(struct random *random, const struct ruleset_rule *rule,
		       struct cv_oracle_packet *packet)
{
	memset(packet, 0, sizeof(*packet));
	packet->family = rule->family ? rule->family : random_chance(random, 0.5) ? 4 : 6;
	packet->proto = rule->has_proto ? rule->proto : draw_proto(random, packet->family);
	draw_address(random, packet->family, &rule->src, packet->src);
	draw_address(random, packet->family, &rule->dst, packet->dst);
	packet->sport = random_between(random, rule->sport.min, rule->sport.max);
	packet->dport = random_between(random, rule->dport.min, rule->dport.max);
	finish(packet);
}

/* The first or last address of the prefix, or the one before or behind it. */
static void edge_address(struct random *random, uint8_t family, const struct ruleset_prefix *prefix,
			 __be32 addr[4])
{
	unsigned int width = ruleset_width(family), last = random_below(random, 2);
	bool is_beyond = random_chance(random, 0.4);
	uint8_t bytes[16];

	memcpy(bytes, prefix->bytes, sizeof(bytes));
	for (unsigned int bit = prefix->bits; last && bit < width; bit++)
		bytes[bit / 8] |= 0x80 >> bit % 8;
	/* Plus or minus one carries over bytes; of the whole space it wraps. */
	for (int i = (int)width / 8 - 1; is_beyond && i >= 0; i--) {
		bytes[i] += last ? 1 : -1;
		is_beyond = bytes[i] == (last ? 0 : 0xff);
	}
	memcpy(addr, bytes, sizeof(bytes));
}

static uint16_t edge_port(struct random *random, struct ruleset_ports ports)
{
	return random_chance(random, 0.5) ? ports.min - random_chance(random, 0.4)
					  : ports.max + random_chance(random, 0.4);
}

void trace_draw_edge(struct random *random, const struct ruleset_rule *rule,
		     struct cv_oracle_packet *packet)
{
	uint64_t which;

	trace_draw_inside(random, rule, packet);
	which = random_u64(random);
	if (which & 1)
		edge_address(random, packet->family, &rule->src, packet->src);
	if (which & 2)
		edge_address(random, packet->family, &rule->dst, packet->dst);
	if (which & 4)
		packet->sport = edge_port(random, rule->sport);
	if (which & 8)
		packet->dport = edge_port(random, rule->dport);
	if (!(which & 0x70))
		packet->proto = draw_proto(random, packet->family);
	finish(packet);
}

void trace_draw_anywhere(struct random *random, uint8_t family, struct cv_oracle_packet *packet)
{
	const struct ruleset_rule any = { .family = family,
					  .sport = { 0, 65535 },
					  .dport = { 0, 65535 } };

	trace_draw_inside(random, &any, packet);
}

static void draw_packet(struct random *random, const struct ruleset *set,
			struct cv_oracle_packet *packet)
{
	static const uint8_t families[] = {
		[RULESET_IPV4] = 4, [RULESET_IPV6] = 6, [RULESET_BOTH] = 0
	};

	if (random_chance(random, ANYWHERE))
		trace_draw_anywhere(random, families[set->conf.family], packet);
	else
		trace_draw_inside(random, &set->rules[random_below(random, set->count)], packet);
}

/* Rank of a flow: sums[k] is the share of those up to rank k. */
static size_t draw_rank(struct random *random, const double *sums)
{
	double share = random_share(random) * sums[TRACE_FLOWS - 1];
	size_t low = 0, high = TRACE_FLOWS - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sums[middle] > share)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static int fill_zipf(struct trace *trace, const struct ruleset *set, struct random *random)
{
	CV_FREE struct cv_oracle_packet *flows = calloc(TRACE_FLOWS, sizeof(*flows));
	CV_FREE double *sums = calloc(TRACE_FLOWS, sizeof(*sums));
	double sum = 0;

	if (!flows || !sums)
		return -ENOMEM;
	for (size_t i = 0; i < TRACE_FLOWS; i++) {
		draw_packet(random, set, &flows[i]);
		sums[i] = sum += 1.0 / (double)(i + 1);
	}
	for (size_t i = 0; i < trace->count; i++)
		trace->packets[i] = flows[draw_rank(random, sums)];
	return 0;
}

int trace_make(struct trace *trace, const struct ruleset *set, enum trace_kind kind, size_t count,
	       uint64_t seed)
{
	struct random random = { .state = seed };
	int rc = 0;

	*trace = (struct trace){ .count = count };
	trace->packets = calloc(count, sizeof(*trace->packets));
	if (!trace->packets)
		return -ENOMEM;
	if (kind == TRACE_ZIPF)
		rc = fill_zipf(trace, set, &random);
	else
		for (size_t i = 0; i < count; i++)
			draw_packet(&random, set, &trace->packets[i]);
	if (rc)
		trace_fini(trace);
	return rc;
}

void trace_fini(struct trace *trace)
{
	free(trace->packets);
	*trace = (struct trace){ 0 };
}
