/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The detour of GSO packets that bpf_lwt_push_encap() refuses, which are all but TCP's: UDP_SEGMENT
 * senders, UDP that was aggregated on arrival, SCTP, and what another tunnel device made of TCP.
 *
 * LWT_XMIT hands such a packet to one end of a veth pair that takes no GSO packet, so the kernel
 * segments it in software. The segments come out of the other end, where cv_cls_segment at clsact
 * ingress puts each into the tunnel and sends it to the underlay. On the way a frame says in place
 * of addresses what the segments need; no device has that address, so nothing is received where
 * the filter is missing.
 */
#ifndef CV_SEGMENT_H
#define CV_SEGMENT_H

#include "encap.h"

#define CV_DETOUR_MAGIC bpf_htons(0x02c5) /* of an address that is nobody's: local, unicast */

/* In place of the Ethernet header. */
struct cv_detour {
	__be16 to_magic;
	__u16 priority[2]; /* skb->priority, high half first; the pair would clear it */
	__be16 from_magic;
	__u16 tunnel[2]; /* id */
	__be16 proto;
};
_Static_assert(sizeof(struct cv_detour) == ETH_HLEN, "cv_detour is an Ethernet header");

/* True if only the segments of the packet, not the packet itself, can be put into a tunnel. */
static __always_inline bool cv_needs_detour(struct __sk_buff *skb, const struct cv_pkt *pkt)
{
	return CV_CTX(skb, gso_size) && pkt->proto != IPPROTO_TCP;
}

/* Makes the packet ready to be redirected to where it is segmented. Returns CV_R_OK or the reason to
 * drop it. */
static __always_inline int cv_detour_start(struct __sk_buff *skb, __u32 entry,
					   const struct cv_tunnel *tunnel, const struct cv_pkt *pkt)
{
	__u32 priority = CV_CTX(skb, priority);
	struct cv_detour detour = {
		.to_magic = CV_DETOUR_MAGIC,
		.priority = { priority >> 16, priority },
		.from_magic = CV_DETOUR_MAGIC,
		.tunnel = { entry >> 16, entry },
		.proto = pkt->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6),
	};
	int reason = cv_may_encap(tunnel, pkt);

	if (reason != CV_R_OK)
		return reason;
	skb->mark = pkt->mark | tunnel->guard_mark;
	if (bpf_skb_change_head(skb, sizeof(detour), 0) ||
	    bpf_skb_store_bytes(skb, 0, &detour, sizeof(detour), 0))
		return CV_R_ENCAP_FAILED;
	return CV_R_OK;
}

/* Reads what cv_detour_start() wrote, and gives the packet its priority back. Returns the tunnel's
 * entry, 0 if the frame is not from there. */
static __always_inline __u32 cv_detour_end(struct __sk_buff *skb)
{
	const struct cv_detour *detour = cv_at(skb, 0, sizeof(*detour));

	if (!detour || detour->to_magic != CV_DETOUR_MAGIC || detour->from_magic != CV_DETOUR_MAGIC)
		return 0;
	skb->priority = (__u32)detour->priority[0] << 16 | detour->priority[1];
	return (__u32)detour->tunnel[0] << 16 | detour->tunnel[1];
}

#endif
