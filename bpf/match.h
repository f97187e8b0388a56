/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which rule applies: the door to the engine (engine.h). */
#ifndef CV_MATCH_H
#define CV_MATCH_H

#include "arena.h"
#include "cache.h"
#include "engine.h"
#include "extra.h"
#include "field.h"
#include "maps.h"
#include "packet.h"

/* What is live, to be read once a packet: *live is what all lookups for it go by. NULL: there are no
 * rules. */
static __always_inline const struct cv_image *cv_rules_current(__u64 *live)
{
	__u32 zero = 0;
	const struct cv_live *current = bpf_map_lookup_elem(&CV_MAP_LIVE, &zero);

	*live = current ? *(const volatile __u64 *)&current->word : 0;
	return CV_LIVE_GENERATION(*live) ? cv_cell(CV_LIVE_BANK(*live), 0) : NULL;
}

static __always_inline bool cv_rules_ask(const struct cv_image *image, enum cv_direction dir)
{
	return image->dirs >> dir & 1;
}

/*
 * Makes pkt the packet that the ICMP error at hand quotes, as far as it does, for
 * which the stack has no room beside it. Returns 1, or 0 if nothing is quoted. A global function, as
 * cv_parse_ip() is.
 */
__attribute__((noinline)) int cv_turn_to_quoted(struct __sk_buff *skb, struct cv_pkt *pkt,
						__u32 needs)
{
	__u8 family;

	if (!pkt)
		return 0;
	family = pkt->family;
	if (!cv_parse_again(skb, pkt, pkt->l4 + CV_ICMP_HEADER, needs) || pkt->family != family)
		return 0;
	pkt->is_quoted = true;
	return 1;
}

/* The cell of the first rule behind that order (0: of all) that the packet or what it quotes meets in
 * that direction; 0: none. A global function, so that its stack is its own. */
__attribute__((noinline)) __u32 cv_rule_search(struct __sk_buff *skb, struct cv_pkt *pkt,
					       __u64 live, __u32 dir, __u32 after)
{
	struct cv_query query = { .live = live, .dir = dir, .after = after, .limit = 0xffffffff };
	const struct cv_image *image;
	__u32 l3;
	__u8 tos;

	if (!pkt)
		return 0;
	cv_query_answer(&query, pkt);
	if (!cv_quotes(pkt))
		return query.found;
	image = cv_cell(CV_LIVE_BANK(live), 0);
	if (!image || !(image->flags & CV_RULES_NEED_QUOTED))
		return query.found;
	l3 = pkt->l3;
	tos = pkt->tos;
	query.root = 0; /* another search, of which only a rule of a lower order is wanted */
	if (cv_turn_to_quoted(skb, pkt, image->flags))
		cv_query_answer(&query, pkt);
	cv_parse_again(skb, pkt, l3, image->flags);
	pkt->tos = tos; /* as an earlier rule has changed it */
	return query.found;
}

/* The same, unless it is known, or says that it is not. What is to be remembered is. */
static __always_inline __u32 cv_rule_unless(struct __sk_buff *skb, struct cv_pkt *pkt, __u64 live,
					    __u32 dir, __u32 after, __u32 known)
{
	__u32 cell;

	if (known < CV_CACHE_NONE)
		return known;
	cell = cv_rule_search(skb, pkt, live, dir, after);
	if (known == CV_CACHE_MISS)
		cv_cache_keep(pkt, live, dir, cell);
	return cell;
}

/* The same, remembered or searched for. A function of its own for the sake of its callers' stack: on
 * 6.1 that of cv_xmit() must not pass 128 bytes. */
__attribute__((noinline)) __u32 cv_rule_cell(struct __sk_buff *skb, struct cv_pkt *pkt, __u64 live,
					     __u32 dir, __u32 after)
{
	const struct cv_image *image = cv_cell(CV_LIVE_BANK(live), 0);
	__u32 known = CV_CACHE_NONE;

	if (!pkt || !image)
		return 0; /* never, but the verifier asks */
	if (!after && cv_cache_can(image, pkt))
		known = cv_cache_recall(pkt, live, dir);
	return cv_rule_unless(skb, pkt, live, dir, after, known);
}

/* The actions of a rule that has one of CV_ACTION_MORE. */
static __always_inline const struct cv_actions *cv_rule_actions(const struct cv_rule_cell *rule)
{
	return (const struct cv_actions *)(rule + 1);
}

#endif
