/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Takes packets of configured peers out of their tunnel at clsact ingress. What no tunnel claims
 * goes on to the stack as it came, since another tunnel on this host may own it; what a tunnel
 * claims and then finds wrong is dropped. Both are counted with a reason.
 *
 * Fragments of outer packets go on: the kernel puts them together only after this hook. The sender
 * avoids them by the MTU of its route.
 */
#ifndef CV_DECAP_H
#define CV_DECAP_H

#include "action.h"
#include "claim.h"
#include "count.h"
#include "mirror.h"
#include "mss.h"
#include "packet.h"
#include "tunnel.h"

#define CV_PACKET_HOST 0 /* skb->pkt_type: addressed to this host at the link layer */

/* linux/bpf.h of Debian 12 does not have them; kernels from 6.3 on do. */
#define CV_DECAP_L3_IPV4 (1ULL << 7)
#define CV_DECAP_L3_IPV6 (1ULL << 8)

enum cv_ecn { CV_ECN_NOT, CV_ECN_ECT1, CV_ECN_ECT0, CV_ECN_CE };

static __always_inline bool cv_source_allowed(__u32 tunnel_id, const struct cv_tunnel *tunnel,
					      const struct cv_pkt *inner)
{
	struct cv_allowed_key key = {
		.prefix_bits = CV_ALLOWED_BASE_BITS + (inner->family == 4 ? 32 : 128),
		.tunnel = tunnel_id,
		.generation = tunnel->allow_generation,
		.family = inner->family,
	};

	if (!(tunnel->flags & CV_TUNNEL_ALLOW))
		return true;
	__builtin_memcpy(key.source, inner->src, sizeof(key.source));
	return bpf_map_lookup_elem(&CV_MAP_ALLOWED, &key);
}

/* RFC 6040 section 4.2: the ECN field that the inner packet leaves with, or -1 to drop it. */
static __always_inline int cv_ecn_combine(__u8 inner, __u8 outer)
{
	if (outer == CV_ECN_CE)
		return inner == CV_ECN_NOT ? -1 : CV_ECN_CE;
	if (inner == CV_ECN_ECT0 && outer == CV_ECN_ECT1)
		return CV_ECN_ECT1;
	return inner;
}

/* True if not all of the inner packet is there: the outer packet is longer than what arrived, or
 * ends before the inner one. A GSO packet may be larger than its length fields. */
static __always_inline bool cv_inner_is_cut(struct __sk_buff *skb, const struct cv_arrival *arrival,
					    const struct cv_pkt *inner)
{
	if (CV_CTX(skb, gso_size))
		return false;
	return arrival->end > CV_CTX(skb, len) || inner->end > arrival->payload_end ||
	       (inner->family == 4 && inner->end < inner->l4);
}

/* Checks the inner packet, which `inner` describes in place. *ecn: what it leaves with. */
static __always_inline int cv_check_inner(struct __sk_buff *skb, const struct cv_arrival *arrival,
					  const struct cv_tunnel *tunnel,
					  const struct cv_pkt *inner, int *ecn)
{
	if (inner->family != arrival->inner_family || cv_inner_is_cut(skb, arrival, inner))
		return CV_R_DECAP_INNER;
	if (!cv_source_allowed(arrival->tunnel, tunnel, inner))
		return CV_R_DECAP_SOURCE;
	*ecn = inner->tos & CV_TOS_ECN;
	if (tunnel->flags & CV_TUNNEL_ECN)
		*ecn = cv_ecn_combine(*ecn, arrival->outer_tos & CV_TOS_ECN);
	return *ecn < 0 ? CV_R_DECAP_ECN : CV_R_OK;
}

/* Without FIXED_GSO the kernel would raise gso_size, and segments would not be those that were
 * sent. */
static __always_inline int cv_shrink(struct __sk_buff *skb, __u32 len, __u64 flags)
{
	return bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC,
				   BPF_F_ADJ_ROOM_FIXED_GSO | flags);
}

/*
 * Removes the outer headers on kernels before 6.3, whose bpf_skb_adjust_room() cannot change
 * skb->protocol. bpf_skb_change_proto() always could: it takes away, or adds, the bytes in which the
 * two IP headers differ, behind the Ethernet header. It is made for translation of addresses, but
 * what it does to the kind of GSO is right here, too: it leaves alone what is of the new family
 * already.
 */
static __always_inline int cv_strip_in_two(struct __sk_buff *skb, const struct cv_arrival *arrival,
					   __be16 ethertype)
{
	const __u32 difference = sizeof(struct ipv6hdr) - sizeof(struct iphdr);

	if (arrival->inner_family == 4 && cv_shrink(skb, arrival->strip - difference, 0))
		return -1;
	if (bpf_skb_change_proto(skb, ethertype, 0))
		return -1;
	return arrival->inner_family == 6 ? cv_shrink(skb, arrival->strip + difference, 0) : 0;
}

/* Removes the outer headers where the inner packet is of the other family. */
static __always_inline int cv_strip_other(struct __sk_buff *skb, const struct cv_arrival *arrival)
{
	bool is_4 = arrival->inner_family == 4;
	__be16 ethertype = is_4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	int rc = cv_shrink(skb, arrival->strip, is_4 ? CV_DECAP_L3_IPV4 : CV_DECAP_L3_IPV6);

	/* A flag that the kernel does not know: nothing was changed. */
	if (rc == CV_E_INVAL)
		rc = cv_strip_in_two(skb, arrival, ethertype);
	return rc ? rc
		  : bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &ethertype,
					sizeof(ethertype), 0);
}

/* Removes the outer headers; the inner IP header comes to stand behind the Ethernet header. */
static __always_inline int cv_strip(struct __sk_buff *skb, const struct cv_arrival *arrival)
{
	int rc = arrival->inner_family == arrival->outer_family ? cv_shrink(skb, arrival->strip, 0)
								: cv_strip_other(skb, arrival);

	if (rc)
		return CV_R_DECAP_FAILED;
	bpf_set_hash_invalid(skb);
	return CV_R_OK;
}

/* Takes the packet out of the tunnel that claimed it; pkt then is the inner packet. Returns CV_R_OK
 * or the reason to drop it. */
static __always_inline int cv_take_out(struct __sk_buff *skb, struct cv_pkt *pkt,
				       const struct cv_arrival *arrival)
{
	const struct cv_tunnel *tunnel = cv_tunnel_get(CV_TUNNEL_IN(arrival->tunnel));
	int ecn = 0, reason, answer = CV_R_OK;
	__u8 tos;

	if (!tunnel)
		return CV_R_NO_TUNNEL;
	pkt->tunnel = arrival->tunnel;
	if (!cv_parse_ip(skb, pkt, ETH_HLEN + arrival->strip))
		return CV_R_DECAP_INNER;
	reason = cv_check_inner(skb, arrival, tunnel, pkt, &ecn);
	if (cv_may_be_probe(pkt) && reason != CV_R_DECAP_INNER)
		answer = cv_mirror(skb, arrival, reason);
	if (answer != CV_R_OK && reason != CV_R_OK)
		cv_count_reason(arrival->tunnel, reason);
	if (answer != CV_R_OK)
		return answer;
	if (reason != CV_R_OK)
		return reason;
	reason = cv_strip(skb, arrival);
	if (reason != CV_R_OK)
		return reason;
	pkt->l3 -= arrival->strip;
	pkt->l4 -= arrival->strip;
	pkt->end -= arrival->strip;
	tos = (tunnel->flags & CV_TUNNEL_DSCP_UNIFORM ? arrival->outer_tos : pkt->tos) &
	      CV_TOS_DSCP;
	tos |= ecn;
	if (cv_set_tos(skb, pkt, tos, CV_TOS_DSCP | CV_TOS_ECN))
		return CV_R_DECAP_FAILED;
	pkt->tos = tos;
	cv_clamp_mss(skb, pkt->l3, pkt->family, pkt->family == 4 ? tunnel->mss4 : tunnel->mss6);
	cv_count_rx(arrival->tunnel, pkt->bytes);
	skb->tc_index = arrival->tunnel;
	if (tunnel->return_mark)
		skb->mark = pkt->mark = (pkt->mark & ~tunnel->guard_mark) | tunnel->return_mark;
	return CV_R_OK;
}

/* The mode of the tunnel that a packet could belong to, CV_MODE_NONE if it can be none. Later
 * fragments of a UDP datagram do not show their port; their first one is counted. */
static __always_inline __u8 cv_mode_of(struct __sk_buff *skb, const struct cv_pkt *pkt)
{
	if (pkt->l3 != ETH_HLEN || CV_CTX(skb, pkt_type) != CV_PACKET_HOST)
		return CV_MODE_NONE;
	if (pkt->proto == IPPROTO_UDP)
		return pkt->has_ports ? cv_mode_of_port(pkt->dport) : CV_MODE_NONE;
	if (pkt->proto == IPPROTO_GRE)
		return CV_MODE_GRE;
	return cv_family_of_proto(pkt->proto) ? CV_MODE_IPIP : CV_MODE_NONE;
}

/*
 * Decapsulates if the packet is for one of our tunnels, of that mode; pkt then is the inner packet and
 * names the tunnel. Returns CV_R_OK (decapsulated, or not ours: goes on), CV_R_PROBE (turned round: to be sent
 * back) or the reason to drop the packet.
 */
static __always_inline int cv_decap(struct __sk_buff *skb, struct cv_pkt *pkt, __u8 mode)
{
	struct cv_arrival arrival = {
		.end = pkt->end,
		.payload_end = pkt->end,
		.outer_family = pkt->family,
		.outer_tos = pkt->tos,
		.outer_ttl = pkt->ttl,
	};
	int reason;

	if (mode == CV_MODE_NONE)
		return CV_R_OK;
	reason = cv_claim(skb, pkt, mode, &arrival);
	if (reason != CV_R_OK) {
		cv_count_reason(arrival.tunnel, reason);
		if (reason != CV_R_DECAP_KEY)
			return CV_R_OK;
		reason = cv_mirror(skb, &arrival, reason);
	} else if (arrival.tunnel) {
		reason = cv_take_out(skb, pkt, &arrival);
	}
	if (reason != CV_R_OK)
		cv_count_reason(arrival.tunnel, reason);
	return reason;
}

#endif
