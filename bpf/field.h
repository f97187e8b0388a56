/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fields of a packet that few rules ask for, read only where one does (CV_RULES_NEED_*). Global
 * functions, as cv_parse_ip() is: few packets come to them.
 */
#ifndef CV_FIELD_H
#define CV_FIELD_H

#include "packet.h"

#define CV_TCP_FLAGS_AT 13
#define CV_ICMP_HEADER 8 /* of an error; what it quotes follows */
#define CV_VLAN_ID 0x0fff

/* Types of ICMP errors, a bit each: unreachable, source quench, redirect, time exceeded, parameter. */
#define CV_ICMP_ERRORS (1u << 3 | 1u << 4 | 1u << 5 | 1u << 11 | 1u << 12)
/* Unreachable, too big, time exceeded, parameter. */
#define CV_ICMPV6_ERRORS (1u << 1 | 1u << 2 | 1u << 3 | 1u << 4)

/* What cv_read_fields() is for. */
#define CV_RULES_NEED_FIELDS (CV_RULES_NEED_TCP | CV_RULES_NEED_ICMP | CV_RULES_NEED_QUOTED)

static __always_inline void cv_read_tcp(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	__u8 *flags;

	if (pkt->proto != IPPROTO_TCP || pkt->is_later)
		return;
	flags = cv_need(skb, pkt->l4 + CV_TCP_FLAGS_AT, 1);
	if (!flags)
		return;
	pkt->tcp_flags = *flags;
	pkt->has_tcp = true;
}

static __always_inline void cv_read_icmp(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	__u8 *icmp;

	if (!cv_has_icmp(pkt))
		return;
	icmp = cv_need(skb, pkt->l4, 2);
	if (!icmp)
		return;
	pkt->icmp_type = icmp[0];
	pkt->icmp_code = icmp[1];
	pkt->has_icmp = true;
}

/* Reads what stands behind the IP header and is asked for: needs has CV_RULES_NEED_*. Returns 0. */
__attribute__((noinline)) int cv_read_fields(struct __sk_buff *skb, struct cv_pkt *pkt, __u32 needs)
{
	if (!pkt)
		return 0; /* never, but the verifier asks */
	if (needs & CV_RULES_NEED_TCP)
		cv_read_tcp(skb, pkt);
	if (needs & (CV_RULES_NEED_ICMP | CV_RULES_NEED_QUOTED))
		cv_read_icmp(skb, pkt);
	return 0;
}

/* The id of the outermost tag of an Ethernet frame, in skb metadata or in the frame. */
static __always_inline __u16 cv_vlan_of(struct __sk_buff *skb)
{
	__be16 *tag;

	if (CV_CTX(skb, vlan_present))
		return CV_CTX(skb, vlan_tci) & CV_VLAN_ID;
	if (!cv_is_vlan_tag(CV_CTX(skb, protocol)))
		return CV_NO_VLAN;
	tag = cv_need(skb, ETH_HLEN, sizeof(*tag));
	return tag ? bpf_ntohs(*tag) & CV_VLAN_ID : CV_NO_VLAN;
}

/* Reads of an Ethernet frame what stands before the packet. A frame that says its length where others
 * have an ethertype has none. Returns where the packet begins. */
__attribute__((noinline)) int cv_read_link(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	__u32 l3;
	__u16 type;

	if (!pkt)
		return 0;
	type = bpf_ntohs(cv_find_type(skb, &l3));
	pkt->ethertype = type < ETH_P_802_3_MIN ? 0 : type;
	pkt->vlan = cv_vlan_of(skb);
	return l3;
}

/* The same where there is no frame: before encapsulation. */
static __always_inline void cv_read_no_link(struct cv_pkt *pkt)
{
	pkt->ethertype = pkt->family == 4 ? ETH_P_IP : ETH_P_IPV6;
	pkt->vlan = CV_NO_VLAN;
}

/* Fills pkt from an Ethernet frame that carries no IP, or a wrong IP header. */
static __always_inline void cv_parse_other(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->l3 = pkt->end = cv_read_link(skb, pkt);
	pkt->bytes = CV_CTX(skb, len) - pkt->l3;
	pkt->ifindex = CV_CTX(skb, ifindex);
	pkt->mark = CV_CTX(skb, mark);
}

/* True if the packet is an ICMP error: what it is about is quoted in it. */
static __always_inline bool cv_quotes(const struct cv_pkt *pkt)
{
	__u32 errors = pkt->family == 4 ? CV_ICMP_ERRORS : CV_ICMPV6_ERRORS;

	return pkt->has_icmp && pkt->icmp_type < 32 && errors >> pkt->icmp_type & 1;
}

/* Fills pkt anew from the IP header at l3; what is not said by headers stays as it is. Returns false
 * if there is no IP header. */
static __always_inline bool cv_parse_again(struct __sk_buff *skb, struct cv_pkt *pkt, __u32 l3,
					   __u32 needs)
{
	__u16 vlan = pkt->vlan, ethertype = pkt->ethertype;
	__u8 owner_source = pkt->owner_source;
	__u32 app = pkt->app, mark = pkt->mark;
	bool is_ip = cv_parse_ip(skb, pkt, l3);

	if (is_ip)
		cv_read_fields(skb, pkt, needs);
	pkt->app = app;
	pkt->mark = mark;
	pkt->owner_source = owner_source;
	pkt->vlan = vlan;
	pkt->ethertype = ethertype;
	return is_ip;
}

#endif
