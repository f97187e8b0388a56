/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which rule applies. Today an ordered list of conjunctions, one list a direction; a faster engine
 * takes the place of cv_rule_find() and of cv_rule_set's lists, and nothing else.
 */
#ifndef CV_MATCH_H
#define CV_MATCH_H

#include "extra.h"
#include "field.h"
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

	if (!cv_match_concerns(flags, pkt))
		return false;
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

/*
 * The same of the packet that an ICMP error quotes, as far as it does: the index of its rule, or
 * CV_RULE_NOT_FOUND. For the time of that pkt is the quoted packet: the stack of programs that
 * encapsulate has no room for two. A global function, as cv_parse_ip() is.
 */
__attribute__((noinline)) __u32 cv_rule_find_quoted(struct __sk_buff *skb, struct cv_pkt *pkt,
						    __u32 dir)
{
	const struct cv_rule_set *set = cv_rules_current();
	const struct cv_rule *rule = NULL;
	__u32 l3;
	__u8 family;

	if (!pkt || !set || dir >= CV_DIR_COUNT)
		return CV_RULE_NOT_FOUND;
	l3 = pkt->l3;
	family = pkt->family;
	if (cv_parse_again(skb, pkt, pkt->l4 + CV_ICMP_HEADER, set->flags) &&
	    pkt->family == family) {
		pkt->is_quoted = true;
		rule = cv_rule_find(set, pkt, dir);
	}
	cv_parse_again(skb, pkt, l3, set->flags);
	return rule ? rule - set->rules : CV_RULE_NOT_FOUND;
}

/* The first rule that the packet or what it quotes meets, or NULL. */
static __always_inline const struct cv_rule *cv_rule_of(struct __sk_buff *skb, struct cv_pkt *pkt,
							const struct cv_rule_set *set,
							enum cv_direction dir)
{
	const struct cv_rule *rule = cv_rule_find(set, pkt, dir);
	__u32 quoted;

	if (!(set->flags & CV_RULES_NEED_QUOTED) || !cv_quotes(pkt))
		return rule;
	quoted = cv_rule_find_quoted(skb, pkt, dir);
	if (quoted >= CV_MAX_RULES || (rule && rule->order < set->rules[quoted].order))
		return rule;
	return &set->rules[quoted];
}

#endif
