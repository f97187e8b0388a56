/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Odd rules: see twist.h. */
#include "twist.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "compiler/compile.h"

#define SETS 6
#define SET_INTERVALS 8

static void twist_dscp(struct cv_match *match, struct random *random)
{
	match->flags |= CV_MATCH_DSCP;
	match->extra.dscps = random_u64(random) | 1;
}

static void twist_ecn(struct cv_match *match, struct random *random)
{
	match->flags |= CV_MATCH_ECN;
	match->extra.ecns = random_between(random, 1, 15);
}

static void twist_len(struct cv_match *match, struct random *random)
{
	match->flags |= CV_MATCH_LEN;
	match->extra.len_min = random_between(random, 0, 100);
	match->extra.len_max = match->extra.len_min + random_between(random, 0, 100);
}

static void twist_fragment(struct cv_match *match, struct random *random)
{
	(void)random;
	match->flags |= CV_MATCH_FRAGMENT;
}

static void twist_tcp_flags(struct cv_match *match, struct random *random)
{
	match->flags |= CV_MATCH_TCP_FLAGS | CV_MATCH_PROTO;
	match->proto = IPPROTO_TCP;
	match->extra.tcp_mask = random_u64(random);
	match->extra.tcp_flags = random_u64(random) & match->extra.tcp_mask;
}

static void twist_icmp(struct cv_match *match, struct random *random)
{
	match->flags &= ~CV_MATCH_PORTS;
	match->sport_min = match->sport_max = match->dport_min = match->dport_max = 0;
	match->flags |= CV_MATCH_ICMP_TYPE | CV_MATCH_PROTO;
	match->proto = match->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	match->extra.icmp_type = random_below(random, 13);
	if (random_chance(random, 0.5)) {
		match->flags |= CV_MATCH_ICMP_CODE;
		match->extra.icmp_code = random_below(random, 4);
	}
}

static void twist_vlan(struct cv_match *match, struct random *random)
{
	match->flags |= CV_MATCH_VLAN;
	match->extra.vlan_min = random_below(random, 8);
	match->extra.vlan_max = match->extra.vlan_min + random_below(random, 2000);
}

/* Of anything that is no IP packet, or of IP with that type. */
static void twist_ethertype(struct cv_match *match, struct random *random)
{
	static const uint16_t types[] = { ETH_P_ARP, ETH_P_MPLS_UC, ETH_P_IP, ETH_P_IPV6 };

	*match = (struct cv_match){ .dirs = match->dirs,
				    .rule = match->rule,
				    .flags = CV_MATCH_ETHERTYPE };
	match->extra.ethertype = types[random_below(random, 4)];
	if (match->extra.ethertype == ETH_P_IP || match->extra.ethertype == ETH_P_IPV6)
		twist_dscp(match, random);
}

static void twist_flow_label(struct cv_match *match, struct random *random)
{
	if (match->family != 6)
		return;
	match->flags |= CV_MATCH_FLOW_LABEL;
	match->extra.flow_label = random_below(random, 8);
}

static void twist_mark(struct cv_match *match, struct random *random)
{
	match->flags |= CV_MATCH_MARK;
	match->extra.mark_mask = 1 << random_below(random, 4);
	match->extra.mark = random_u64(random) & match->extra.mark_mask;
}

static void twist_quoted(struct cv_match *match, struct random *random)
{
	(void)random;
	match->flags |= CV_MATCH_QUOTED;
}

/* Set i of the image is for field i of these; the last one is one of sizes. */
static const uint8_t set_fields[SETS] = { CV_SET_FIELD_SRC,   CV_SET_FIELD_DST,
					  CV_SET_FIELD_SPORT, CV_SET_FIELD_DPORT,
					  CV_SET_FIELD_PROTO, CV_SET_FIELD_LEN };
static const uint8_t set_bits[SETS] = { 32, 32, 16, 16, 6, 9 };

static void twist_set(struct cv_match *match, struct random *random, unsigned int kinds)
{
	int set = (int)random_below(random, kinds & TWIST_SIZES ? SETS : SETS - 1);
	bool is_address = set < 2;

	/* Addresses are of a family. */
	if (is_address && !(match->flags & CV_MATCH_FAMILY))
		return;
	match->flags |= CV_MATCH_SETS;
	match->extra.sets[0] = (struct cv_set_ref){ .set = set + 1,
						    .field = set_fields[set],
						    .is_not = random_below(random, 2) };
}

typedef void (*twist_fn)(struct cv_match *match, struct random *random);

/* The first TWIST_SIZES_COUNT are of sizes. */
#define TWIST_SIZES_COUNT 2
static const twist_fn twists[] = {
	twist_len,  twist_flow_label, twist_dscp,      twist_ecn,  twist_fragment, twist_tcp_flags,
	twist_icmp, twist_vlan,	      twist_ethertype, twist_mark, twist_quoted,
};

#define CAN_BE_NOT                                                                                 \
	(CV_MATCH_MARK | CV_MATCH_TCP_FLAGS | CV_MATCH_ICMP_TYPE | CV_MATCH_LEN | CV_MATCH_VLAN |  \
	 CV_MATCH_FRAGMENT | CV_MATCH_FLOW_LABEL)

static void twist_match(struct cv_match *match, struct random *random, unsigned int kinds)
{
	size_t first = kinds & TWIST_SIZES ? 0 : TWIST_SIZES_COUNT;

	if (kinds & TWIST_SETS && random_chance(random, 0.2))
		twist_set(match, random, kinds);
	else
		twists[random_between(random, first, sizeof(twists) / sizeof(twists[0]) - 1)](
			match, random);
	if (random_chance(random, 0.3))
		match->extra.not_flags = match->flags & CAN_BE_NOT;
	match->extra.flags = match->flags & CV_MATCH_EXTRAS;
}

/* Ascending, with holes: every other stretch of the numbers of that many bits. */
static struct cv_interval *make_intervals(struct random *random, unsigned int bits)
{
	struct cv_interval *intervals = calloc(SET_INTERVALS, sizeof(*intervals));
	uint64_t stretch = (bits == 64 ? ~0ull : (1ull << bits) - 1) / (2 * SET_INTERVALS);

	for (uint64_t i = 0; intervals && i < SET_INTERVALS; i++) {
		int half = bits == 64 ? 0 : 1;

		intervals[i].min[half] = 2 * i * stretch + random_below(random, stretch / 2);
		intervals[i].max[half] =
			2 * i * stretch + stretch / 2 + random_below(random, stretch / 2);
		intervals[i].max[1] |= half ? 0 : ~0ull;
	}
	return intervals;
}

static int add_sets(struct cv_rules *rules, struct random *random)
{
	rules->sets = calloc(SETS, sizeof(*rules->sets));
	if (!rules->sets)
		return -ENOMEM;
	rules->set_count = SETS;
	for (int i = 0; i < SETS; i++) {
		struct cv_compiled_set *set = &rules->sets[i];

		set->numbers = make_intervals(random, set_bits[i]);
		set->number_count = set->numbers ? SET_INTERVALS : 0;
		set->addresses = set_bits[i] == 32 ? make_intervals(random, 64) : NULL;
		set->address_count = set->addresses ? SET_INTERVALS : 0;
		if (!set->numbers || (set_bits[i] == 32 && !set->addresses))
			return -ENOMEM;
	}
	return 0;
}

/* Some bits of the mark, so that both rules are seen in it. */
static void let_continue(struct cv_rule *rule, struct random *random)
{
	rule->verdict = CV_VERDICT_CONTINUE;
	rule->mark_mask = 0xf0000000;
	rule->mark = (uint32_t)random_u64(random) & rule->mark_mask;
}

int twist_rules(struct cv_rules *rules, struct random *random, unsigned int kinds,
		unsigned int one_in)
{
	int rc = kinds & TWIST_SETS ? add_sets(rules, random) : 0;

	for (size_t i = 0; i < rules->match_count && !rc; i++) {
		struct cv_match *match = &rules->matches[i];
		struct cv_rule *rule = &rules->rules[match->rule].rule;

		rule->verdict = random_below(random, CV_VERDICT_CONTINUE);
		if (kinds & TWIST_CONTINUE && !random_below(random, one_in))
			let_continue(rule, random);
		if (!random_below(random, one_in))
			twist_match(match, random, kinds);
		rules->flags |= cv_match_needs(match);
	}
	return rc;
}
