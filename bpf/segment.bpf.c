// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The end of the detour of GSO packets that LWT_XMIT cannot encapsulate (segment.h): at clsact
 * ingress of our own veth pair, each segment is put into its tunnel and sent to the underlay.
 */
#define CV_USE_TUNNELS
#define CV_USE_PEERS
#define CV_USE_RULES

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "count.h"
#include "encap.h"
#include "forward.h"
#include "packet.h"
#include "segment.h"
#include "tunnel.h"

#define CV_E_ALREADY (-114)

/*
 * Makes room for len bytes behind the link header and writes the outer header there. A segment that
 * another tunnel device made has an inner header on record already, which stays; its family cannot
 * be changed then.
 */
static __always_inline int cv_insert(struct __sk_buff *skb, const void *outer, __u32 len,
				     __u64 family_flag)
{
	bool is_same = CV_CTX(skb, protocol) == (family_flag == BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
							 ? bpf_htons(ETH_P_IP)
							 : bpf_htons(ETH_P_IPV6));
	int rc = bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC, family_flag);

	if (rc == CV_E_ALREADY && is_same)
		rc = bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC, 0);
	if (rc || bpf_skb_store_bytes(skb, ETH_HLEN, outer, len, 0))
		return CV_R_ENCAP_FAILED;
	return CV_R_OK;
}

static __always_inline int cv_send_ipv4(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
					const __be32 *remote, const struct cv_pkt *pkt,
					struct cv_way *way)
{
	struct cv_outer4 outer;
	__u32 len = tunnel->hdr_len;
	int reason;

	if (len < sizeof(outer.ip) || len > sizeof(outer.ip) + sizeof(outer.payload))
		return CV_R_ENCAP_FAILED;
	cv_build_ipv4(skb, &outer, tunnel, remote, pkt);
	reason = cv_way_ipv4(skb, &outer.ip, way);
	if (reason != CV_R_OK)
		return reason;
	return cv_insert(skb, &outer.ip, len, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4);
}

static __always_inline int cv_send_ipv6(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
					const __be32 *remote, const struct cv_pkt *pkt,
					struct cv_way *way)
{
	struct cv_outer6 outer;
	__u32 len = tunnel->hdr_len;
	int reason;

	if (len < sizeof(outer.ip) || len > sizeof(outer))
		return CV_R_ENCAP_FAILED;
	/* The verifier asks that all be written that may be read. */
	__builtin_memset(outer.payload + CV_SHORT_PAYLOAD_HDR, 0,
			 sizeof(outer.payload) - CV_SHORT_PAYLOAD_HDR);
	cv_build_ipv6(skb, &outer, tunnel, remote, pkt);
	reason = cv_way_ipv6(skb, &outer.ip, way);
	if (reason != CV_R_OK)
		return reason;
	return cv_insert(skb, &outer, len, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6);
}

static __always_inline int cv_send(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
				   struct cv_pkt *pkt, struct cv_way *way)
{
	struct cv_peer_query query = {};
	const __be32 *remote;

	if (!cv_peek_ip(skb, pkt, ETH_HLEN))
		return CV_R_ENCAP_INNER;
	remote = cv_remote_choose(skb, tunnel, pkt->family, ETH_HLEN, &query);
	if (!remote)
		return CV_R_NO_PEER;
	return tunnel->family == 4 ? cv_send_ipv4(skb, tunnel, remote, pkt, way)
				   : cv_send_ipv6(skb, tunnel, remote, pkt, way);
}

/* Nothing but segments has business on our pair: all else is dropped. */
SEC("tc")
int cv_cls_segment(struct __sk_buff *skb)
{
	__u32 entry = cv_detour_end(skb), id = CV_TUNNEL_ID(entry);
	const struct cv_tunnel *tunnel;
	struct cv_pkt pkt = {};
	struct cv_way way;
	int reason;

	if (!entry)
		return TC_ACT_SHOT;
	tunnel = cv_tunnel_get(entry);
	reason = !tunnel ? CV_R_NO_TUNNEL
		 /* The kernel takes the word of a virtual machine for a small one. */
		 : CV_CTX(skb, gso_size) ? CV_R_ENCAP_GSO
					 : cv_send(skb, tunnel, &pkt, &way);
	if (reason != CV_R_OK) {
		cv_count_reason(id, reason);
		return TC_ACT_SHOT;
	}
	cv_count_tx_segment(id, pkt.bytes);
	return bpf_redirect_neigh(way.ifindex, &way.next_hop, sizeof(way.next_hop), 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
