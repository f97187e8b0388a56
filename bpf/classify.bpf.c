// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tc entry points, for clsact ingress and egress of Ethernet devices:
 * parse, decapsulate (ingress), ask for the owner if a rule does, find the rule, act, count.
 */
#define CV_USE_TUNNELS
#define CV_USE_PEERS /* no program here reads them: all maps of an instance are made with this object */
#define CV_USE_ENDPOINTS
#define CV_USE_RULES
#define CV_USE_ACTIONS
#define CV_USE_OWNERS
#define CV_USE_FLOWS

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "action.h"
#include "count.h"
#include "decap.h"
#include "match.h"
#include "more.h"
#include "owner.h"
#include "packet.h"
#include "path.h"

#define CV_NEXT_RULE (-100) /* no verdict of tc */

/* What the rule's verdict is in tc's terms, or CV_NEXT_RULE. */
static __always_inline int cv_verdict_of(const struct cv_pkt *pkt, const struct cv_rule_cell *rule)
{
	if (rule->verdict == CV_VERDICT_ACCEPT)
		return TC_ACT_OK;
	if (rule->verdict == CV_VERDICT_NEXT)
		return TC_ACT_UNSPEC;
	if (rule->verdict == CV_VERDICT_CONTINUE)
		return CV_NEXT_RULE;
	cv_count_reason(pkt->tunnel, CV_R_RULE_DROP);
	return TC_ACT_SHOT;
}

/* Does what a plain rule says. Returns as cv_obey() does. */
static __always_inline int cv_obey_plain(struct __sk_buff *skb, struct cv_pkt *pkt,
					 const struct cv_rule_cell *rule)
{
	if (rule->flags & CV_ACTION_PRIORITY)
		skb->priority = rule->priority;
	if (rule->flags & CV_ACTION_MARK)
		skb->mark = pkt->mark = (pkt->mark & ~rule->mark_mask) | rule->mark;
	cv_count_rule(rule->id, pkt->bytes);
	if (rule->verdict == CV_VERDICT_CONTINUE)
		return CV_NEXT_RULE;
	return rule->verdict == CV_VERDICT_ACCEPT ? TC_ACT_OK : TC_ACT_UNSPEC;
}

/* Does what the rule at that cell says. Returns tc's verdict, or CV_NEXT_RULE. A global function: the
 * verifier checks it once, not once for each rule that may come before it. */
__attribute__((noinline)) int cv_obey(struct __sk_buff *skb, struct cv_pkt *pkt, __u64 live,
				      __u32 cell, __u32 dir)
{
	const struct cv_rule_cell *rule = cv_rule_at(live, cell);
	int reason;

	if (!pkt || !rule)
		return TC_ACT_UNSPEC; /* never, but the verifier asks */
	cv_count_rule(rule->id, pkt->bytes);
	cv_rule_write(skb, pkt, rule);
	if (!(rule->flags & CV_ACTION_MORE))
		return cv_verdict_of(pkt, rule);
	reason = cv_do_more(skb, pkt, live, rule, cv_rule_actions(rule), dir);
	if (reason != CV_R_OK) {
		cv_count_reason(pkt->tunnel, reason);
		return TC_ACT_SHOT;
	}
	if (rule->flags & CV_ACTION_REDIRECT)
		return cv_redirect(skb, pkt, dir, cv_rule_actions(rule));
	return cv_verdict_of(pkt, rule);
}

/* Asks for the owner as far as rules of that direction need it: flags and cookie are the image's.
 * Returns 0. A global function, as cv_arrive() is. */
__attribute__((noinline)) int cv_ask_owner(struct __sk_buff *skb, struct cv_pkt *pkt, __u32 flags,
					   __u64 cookie, __u32 dir)
{
	if (!pkt)
		return 0; /* never, but the verifier asks */
	if (dir == CV_DIR_OUT && flags & CV_RULES_NEED_OWNER(CV_DIR_IN) && cv_has_icmp(pkt))
		cv_note_ping(skb, pkt, cookie);
	if (!(flags & CV_RULES_NEED_OWNER(dir & 1)))
		return 0;
	if (dir == CV_DIR_IN)
		cv_owner_of_receiver(skb, pkt, cookie);
	else
		cv_owner_of_sender(skb, pkt, cookie);
	return 0;
}

#define CV_RULES_NEED_ANY_OWNER (CV_RULES_NEED_OWNER(CV_DIR_IN) | CV_RULES_NEED_OWNER(CV_DIR_OUT))

/* Behind the rule at that cell, which says continue: asks the others, one after the other while they
 * do, and does what they say. Returns tc's verdict. A global function, for few packets come to it. */
__attribute__((noinline)) int cv_continue(struct __sk_buff *skb, struct cv_pkt *pkt, __u64 live,
					  __u32 cell, __u32 dir)
{
	const struct cv_rule_cell *rule = cv_rule_at(live, cell);
	int i, verdict;

	if (!pkt)
		return TC_ACT_UNSPEC; /* never, but the verifier asks */
	for (i = 1; rule && i < CV_MAX_CONTINUES; i++) {
		cell = cv_rule_search(skb, pkt, live, dir, rule->order);
		rule = cv_rule_at(live, cell);
		if (!rule)
			break;
		verdict = cv_obey(skb, pkt, live, cell, dir);
		if (verdict != CV_NEXT_RULE)
			return verdict;
	}
	return TC_ACT_UNSPEC;
}

/* Asks the rules and does what they say. */
static __always_inline int cv_classify(struct __sk_buff *skb, struct cv_pkt *pkt,
				       const struct cv_image *image, __u64 live,
				       enum cv_direction dir)
{
	const struct cv_rule_cell *rule;
	__u32 cell = CV_CACHE_NONE;
	int verdict;

	if (image->flags & CV_RULES_NEED_LINK)
		cv_read_link(skb, pkt);
	if (image->flags & CV_RULES_NEED_FIELDS)
		cv_read_fields(skb, pkt, image->flags);
	if (image->flags & CV_RULES_NEED_ANY_OWNER)
		cv_ask_owner(skb, pkt, image->flags, image->netns_cookie, dir);
	if (cv_cache_can(image, pkt))
		cell = cv_cache_obey(skb, pkt, live, dir);
	if (cell == CV_CACHE_NEXT || cell == CV_CACHE_ACCEPT)
		return cell == CV_CACHE_NEXT ? TC_ACT_UNSPEC : TC_ACT_OK;
	cell = cv_rule_unless(skb, pkt, live, dir, 0, cell);
	rule = cell ? cv_cell_near(image, CV_LIVE_BANK(live), cell) : NULL;
	if (!rule)
		return TC_ACT_UNSPEC;
	verdict = cv_is_plain(rule) ? cv_obey_plain(skb, pkt, rule)
				    : cv_obey(skb, pkt, live, cell, dir);
	return verdict == CV_NEXT_RULE ? cv_continue(skb, pkt, live, cell, dir) : verdict;
}

/* True if a rule may say anything about a packet that leaves, or has to know of it to tell whose the
 * answer is. */
static __always_inline bool cv_concerns_egress(struct __sk_buff *skb, const struct cv_image *image)
{
	return cv_rules_ask(image, CV_DIR_OUT) ||
	       (image->flags & CV_RULES_NEED_OWNER(CV_DIR_IN) && cv_may_ping(skb));
}

/* Takes the packet out of its tunnel of that mode, if it is in one. Returns as cv_decap() does. A
 * global function: its stack must not lie below that of a search for a rule. */
__attribute__((noinline)) int cv_arrive(struct __sk_buff *skb, struct cv_pkt *pkt, __u32 mode)
{
	if (!pkt)
		return CV_R_OK; /* never, but the verifier asks */
	if (cv_is_icmp(pkt))
		cv_note_path(skb, pkt->family, pkt->l4);
	return cv_decap(skb, pkt, mode);
}

/* The same for packets of which most have nothing to do with a tunnel. */
static __always_inline int cv_receive(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	__u8 mode = cv_mode_of(skb, pkt);

	return mode == CV_MODE_NONE && !cv_is_icmp(pkt) ? CV_R_OK : cv_arrive(skb, pkt, mode);
}

/* True if rules may be about a frame that carries no IP, or a wrong header; pkt then is that. */
static __always_inline bool cv_parse_any(struct __sk_buff *skb, struct cv_pkt *pkt,
					 const struct cv_image *image)
{
	if (!image || !(image->flags & CV_RULES_NEED_LINK))
		return false;
	cv_parse_other(skb, pkt);
	return true;
}

SEC("tc")
int cv_cls_ingress(struct __sk_buff *skb)
{
	__u64 live;
	const struct cv_image *image = cv_rules_current(&live);
	struct cv_pkt pkt = {};
	int reason = CV_R_OK;

	/* Decapsulation writes the tunnel's id there, and guards of routes read it: what another
	 * namespace may have left must not pass for one. */
	skb->tc_index = 0;
	if (cv_parse_frame(skb, &pkt))
		reason = cv_receive(skb, &pkt);
	else if (!cv_parse_any(skb, &pkt, image))
		return TC_ACT_UNSPEC;
	if (reason == CV_R_PROBE)
		return bpf_redirect(CV_CTX(skb, ifindex), 0);
	if (reason != CV_R_OK)
		return TC_ACT_SHOT;
	return image && cv_rules_ask(image, CV_DIR_IN)
		       ? cv_classify(skb, &pkt, image, live, CV_DIR_IN)
		       : TC_ACT_UNSPEC;
}

SEC("tc")
int cv_cls_egress(struct __sk_buff *skb)
{
	__u64 live;
	const struct cv_image *image = cv_rules_current(&live);
	struct cv_pkt pkt = {};

	if (!image || !cv_concerns_egress(skb, image))
		return TC_ACT_UNSPEC;
	if (!cv_parse_frame(skb, &pkt) && !cv_parse_any(skb, &pkt, image))
		return TC_ACT_UNSPEC;
	return cv_classify(skb, &pkt, image, live, CV_DIR_OUT);
}

char _license[] SEC("license") = "Dual BSD/GPL";
