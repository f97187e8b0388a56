/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a rule does to a packet. Header writes go through helpers, not through packet pointers: a
 * program with direct writes copies the headers of every cloned packet, also where no rule writes.
 */
#ifndef CV_ACTION_H
#define CV_ACTION_H

#include "packet.h"

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

#define CV_TOS_DSCP 0xfc
#define CV_TOS_ECN 0x03

/* Applies the actions of a rule; its verdict is the caller's. */
static __always_inline void cv_rule_apply(struct __sk_buff *skb, const struct cv_pkt *pkt,
					  const struct cv_rule *rule)
{
	if (rule->flags & CV_ACTION_MARK)
		skb->mark = (pkt->mark & ~rule->mark_mask) | rule->mark;
	if (rule->flags & CV_ACTION_PRIORITY)
		skb->priority = rule->priority;
	if (rule->flags & CV_ACTION_DSCP)
		cv_set_tos(skb, pkt, rule->dscp << 2, CV_TOS_DSCP);
}

#endif
