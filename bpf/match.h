/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which rule applies. Today an ordered list of conjunctions, one list a direction; a faster engine
 * takes the place of cv_rule_find() and of cv_rule_set's lists, and nothing else.
 */
#ifndef CV_MATCH_H
#define CV_MATCH_H

#include "extra.h"
#include "maps.h"
#include "packet.h"

struct cv_search {
	const struct cv_rule_set *set;
	const struct cv_pkt *pkt;
	__u32 first;
	__u32 found; /* index into set->rules, or CV_RULE_NOT_FOUND */
};
#define CV_RULE_NOT_FOUND 0xffffffffu

/* True if an address lies in a masked prefix; four words, so IPv4 compares three zeros. */
static __always_inline bool cv_addr_matches(const __be32 *addr, const __be32 *prefix,
					    const __be32 *mask)
{
	return !(((addr[0] & mask[0]) ^ prefix[0]) | ((addr[1] & mask[1]) ^ prefix[1]) |
		 ((addr[2] & mask[2]) ^ prefix[2]) | ((addr[3] & mask[3]) ^ prefix[3]));
}

static __always_inline bool cv_match_holds(const struct cv_match *match, const struct cv_pkt *pkt)
{
	__u32 flags = match->flags;

	if (flags & CV_MATCH_FAMILY && match->family != pkt->family)
		return false;
	if (flags & CV_MATCH_PROTO && match->proto != pkt->proto)
		return false;
	if (flags & CV_MATCH_PORTS &&
	    (!pkt->has_ports || pkt->sport < match->sport_min || pkt->sport > match->sport_max ||
	     pkt->dport < match->dport_min || pkt->dport > match->dport_max))
		return false;
	if (flags & CV_MATCH_DST && !cv_addr_matches(pkt->dst, match->dst, match->dst_mask))
		return false;
	if (flags & CV_MATCH_SRC && !cv_addr_matches(pkt->src, match->src, match->src_mask))
		return false;
	return !(flags & CV_MATCH_EXTRAS) || cv_conditions_hold(&match->extra, flags, pkt);
}

/* bpf_loop body: looks at one match. Returns 1 to end the search. */
static long cv_rule_step(__u32 i, struct cv_search *search)
{
	__u32 index = search->first + i;

	/* The mask tells the verifier what the compiler of the set already made sure of. */
	const struct cv_match *match = &search->set->matches[index & (CV_MAX_MATCHES - 1)];

	if (!cv_match_holds(match, search->pkt))
		return 0;
	search->found = match->rule;
	return 1;
}

/* The rule set of the current generation, or NULL if there is none. */
static __always_inline const struct cv_rule_set *cv_rules_current(void)
{
	__u32 zero = 0;
	void *slot = bpf_map_lookup_elem(&CV_MAP_RULES, &zero);

	return slot ? bpf_map_lookup_elem(slot, &zero) : NULL;
}

/* The first rule of the set that the packet meets in that direction, or NULL. */
static __always_inline const struct cv_rule *
cv_rule_find(const struct cv_rule_set *set, const struct cv_pkt *pkt, enum cv_direction dir)
{
	struct cv_search search = {
		.set = set,
		.pkt = pkt,
		.first = set->lists[dir].first,
		.found = CV_RULE_NOT_FOUND,
	};
	__u32 count = set->lists[dir].count;

	if (count)
		bpf_loop(count, cv_rule_step, &search, 0);
	return search.found < CV_MAX_RULES ? &set->rules[search.found] : NULL;
}

#endif
