/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a rule does to a packet and what every program can do; more.h has the rest. Header writes go
 * through helpers, not through packet pointers: a program with direct writes copies the headers of
 * every cloned packet, also where no rule writes.
 */
#ifndef CV_ACTION_H
#define CV_ACTION_H

#include "packet.h"

#define CV_TOS_DSCP 0xfc
#define CV_TOS_ECN 0x03

/* Replaces the six DSCP bits, or the two ECN bits, by mask, in the header at pkt->l3, and mends the
 * IPv4 header checksum (RFC 1624). Returns 0 or a negative errno. */
static __always_inline int cv_set_tos(struct __sk_buff *skb, const struct cv_pkt *pkt, __u8 value,
				      __u8 mask)
{
	__u8 tos = (pkt->tos & ~mask) | (value & mask);
	__be16 old, new;
	int rc;

	if (tos == pkt->tos)
		return 0;
	rc = bpf_skb_load_bytes(skb, pkt->l3, &old, sizeof(old));
	if (rc)
		return rc;
	if (pkt->family == 6) {
		new = (old & bpf_htons(0xf00f)) | bpf_htons(tos << 4);
		return bpf_skb_store_bytes(skb, pkt->l3, &new, sizeof(new), BPF_F_RECOMPUTE_CSUM);
	}
	new = (old & bpf_htons(0xff00)) | bpf_htons(tos);
	rc = bpf_l3_csum_replace(skb, pkt->l3 + offsetof(struct iphdr, check), old, new,
				 sizeof(new));
	if (rc)
		return rc;
	return bpf_skb_store_bytes(skb, pkt->l3, &new, sizeof(new), 0);
}

/* True if the rule does what takes few instructions, as most do. */
static __always_inline bool cv_is_plain(const struct cv_rule_cell *rule)
{
	return !(rule->flags & ~(CV_ACTION_MARK | CV_ACTION_PRIORITY)) &&
	       (rule->verdict == CV_VERDICT_NEXT || rule->verdict == CV_VERDICT_ACCEPT ||
		rule->verdict == CV_VERDICT_CONTINUE);
}

/* The actions of a rule that change what later rules see of the packet; the packet itself stays as it
 * is. */
static __always_inline void cv_rule_show(struct cv_pkt *pkt, const struct cv_rule_cell *rule)
{
	if (rule->flags & CV_ACTION_MARK)
		pkt->mark = (pkt->mark & ~rule->mark_mask) | rule->mark;
	if (rule->flags & CV_ACTION_DSCP && pkt->family)
		pkt->tos = (pkt->tos & ~CV_TOS_DSCP) | rule->dscp << 2;
}

/* The actions that most rules have. A frame that is no IP has no DSCP. */
static __always_inline void cv_rule_write(struct __sk_buff *skb, struct cv_pkt *pkt,
					  const struct cv_rule_cell *rule)
{
	if (rule->flags & CV_ACTION_DSCP && pkt->family)
		cv_set_tos(skb, pkt, rule->dscp << 2, CV_TOS_DSCP);
	if (rule->flags & CV_ACTION_PRIORITY)
		skb->priority = rule->priority;
	cv_rule_show(pkt, rule);
	if (rule->flags & CV_ACTION_MARK)
		skb->mark = pkt->mark;
}

#endif
