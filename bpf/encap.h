/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Puts a packet into a tunnel from LWT_XMIT: builds the outer header, pushes it, and leaves the
 * packet to be routed anew. To add a mode: fill struct cv_outer's payload in cv_fill_payload() and
 * set hdr_len in user space.
 */
#ifndef CV_ENCAP_H
#define CV_ENCAP_H

#include "action.h"
#include "gre.h"
#include "packet.h"
#include "tunnel.h"

#define CV_E_NOTSUPP (-524) /* kernel-internal ENOTSUPP: a GSO type that cannot be tunnelled */
#define CV_E_PROTONOSUPPORT (-93)
#define CV_IP_MAX_LEN 65535
#define CV_FLOW_LABEL_MASK 0x000fffff

/* All that one push may write; hdr_len bytes of it are used. */
struct cv_outer4 {
	struct iphdr ip;
	struct cv_gre gre;
};

struct cv_outer6 {
	struct ipv6hdr ip;
	struct cv_gre gre;
};

static __always_inline __u8 cv_outer_tos(const struct cv_tunnel *tunnel, const struct cv_pkt *pkt)
{
	__u8 tos =
		tunnel->flags & CV_TUNNEL_DSCP_INHERIT ? pkt->tos & CV_TOS_DSCP : tunnel->dscp << 2;

	if (tunnel->flags & CV_TUNNEL_ECN)
		tos |= pkt->tos & CV_TOS_ECN; /* RFC 6040 section 4.1, normal mode */
	return tos;
}

static __always_inline __u8 cv_outer_ttl(const struct cv_tunnel *tunnel, const struct cv_pkt *pkt)
{
	return tunnel->flags & CV_TUNNEL_TTL_INHERIT ? pkt->ttl : tunnel->ttl;
}

static __always_inline bool cv_outer_df(const struct cv_tunnel *tunnel, const struct cv_pkt *pkt)
{
	if (tunnel->flags & CV_TUNNEL_DF_INHERIT)
		return pkt->has_df;
	return tunnel->flags & CV_TUNNEL_DF_ON;
}

/* What stands behind the outer IP header. Returns the IP protocol of it. */
static __always_inline __u8 cv_fill_payload(const struct cv_tunnel *tunnel,
					    const struct cv_pkt *pkt, struct cv_gre *gre)
{
	if (tunnel->mode == CV_MODE_IPIP)
		return pkt->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	gre->proto = pkt->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	gre->flags = tunnel->flags & CV_TUNNEL_KEY ? bpf_htons(CV_GRE_FLAG_KEY) : 0;
	gre->key = tunnel->key;
	return IPPROTO_GRE;
}

/*
 * The protocol to push in place of the real one. bpf_lwt_push_encap() knows no GSO of protocol 4
 * (kernel: net/core/lwt_bpf.c handle_gso_encap() tests IPPROTO_IP, 0, where IPPROTO_IPIP is meant),
 * but it knows 41, which is segmented by the same code. So 41 is pushed, and 4 written over it.
 */
static __always_inline __u8 cv_pushed_proto(__u8 real, bool is_gso)
{
	return real == IPPROTO_IPIP && is_gso ? IPPROTO_IPV6 : real;
}

/* Pushes len bytes of outer header. The helper changes the packet before it fails, so after an
 * error the packet can only be dropped. */
static __always_inline int cv_push(struct __sk_buff *skb, void *outer, __u32 len)
{
	int rc = bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, outer, len);

	if (rc == CV_E_NOTSUPP || rc == CV_E_PROTONOSUPPORT)
		return CV_R_ENCAP_GSO;
	return rc ? CV_R_ENCAP_FAILED : CV_R_OK;
}

static __always_inline int cv_push_ipv4(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
					const struct cv_pkt *pkt)
{
	struct cv_outer4 outer = {};
	__u32 len = tunnel->hdr_len;
	__u32 total = pkt->bytes + len;
	bool is_gso = CV_CTX(skb, gso_size);
	bool has_df = cv_outer_df(tunnel, pkt);
	/* Protocol and checksum are neighbours in the header: one store mends both. */
	struct {
		__u8 proto;
		__u8 check[2];
	} mend;
	int reason;

	if (total > CV_IP_MAX_LEN && !is_gso)
		return CV_R_ENCAP_SIZE;
	outer.ip.version = 4;
	outer.ip.ihl = sizeof(outer.ip) / 4;
	outer.ip.tos = cv_outer_tos(tunnel, pkt);
	/* A GSO packet may be larger than the field: each segment gets its own length. */
	outer.ip.tot_len = bpf_htons(total > CV_IP_MAX_LEN ? 0 : total);
	outer.ip.ttl = cv_outer_ttl(tunnel, pkt);
	outer.ip.protocol = cv_fill_payload(tunnel, pkt, &outer.gre);
	outer.ip.frag_off = has_df ? bpf_htons(CV_IPV4_DF) : 0;
	/* RFC 6864: only a datagram that may be fragmented needs an ID of its own. */
	outer.ip.id = has_df ? 0 : bpf_get_prandom_u32();
	outer.ip.saddr = tunnel->local[0];
	outer.ip.daddr = tunnel->remote[0];
	outer.ip.check = ~cv_ipv4_sum(&outer.ip);
	mend.proto = outer.ip.protocol;
	__builtin_memcpy(mend.check, &outer.ip.check, sizeof(mend.check));
	outer.ip.protocol = cv_pushed_proto(mend.proto, is_gso);
	if (len < sizeof(outer.ip) || len > sizeof(outer))
		return CV_R_ENCAP_FAILED;
	reason = cv_push(skb, &outer, len);
	if (reason == CV_R_OK && outer.ip.protocol != mend.proto &&
	    bpf_skb_store_bytes(skb, offsetof(struct iphdr, protocol), &mend, sizeof(mend), 0))
		reason = CV_R_ENCAP_FAILED;
	return reason;
}

static __always_inline int cv_push_ipv6(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
					const struct cv_pkt *pkt)
{
	struct cv_outer6 outer = {};
	__u32 len = tunnel->hdr_len;
	__u32 payload = pkt->bytes + len - sizeof(outer.ip);
	bool is_gso = CV_CTX(skb, gso_size);
	__u32 flow;
	__u8 real;
	int reason;

	if (payload > CV_IP_MAX_LEN && !is_gso)
		return CV_R_ENCAP_SIZE;
	/* RFC 6438: the flow label lets the underlay spread the flows of one tunnel. */
	flow = bpf_get_hash_recalc(skb) & CV_FLOW_LABEL_MASK;
	*(__be32 *)&outer.ip = bpf_htonl(6u << 28 | (__u32)cv_outer_tos(tunnel, pkt) << 20 | flow);
	outer.ip.payload_len = bpf_htons(payload > CV_IP_MAX_LEN ? 0 : payload);
	outer.ip.hop_limit = cv_outer_ttl(tunnel, pkt);
	real = cv_fill_payload(tunnel, pkt, &outer.gre);
	outer.ip.nexthdr = cv_pushed_proto(real, is_gso);
	__builtin_memcpy(&outer.ip.saddr, tunnel->local, sizeof(outer.ip.saddr));
	__builtin_memcpy(&outer.ip.daddr, tunnel->remote, sizeof(outer.ip.daddr));
	if (len < sizeof(outer.ip) || len > sizeof(outer))
		return CV_R_ENCAP_FAILED;
	reason = cv_push(skb, &outer, len);
	if (reason == CV_R_OK && outer.ip.nexthdr != real &&
	    bpf_skb_store_bytes(skb, offsetof(struct ipv6hdr, nexthdr), &real, sizeof(real), 0))
		reason = CV_R_ENCAP_FAILED;
	return reason;
}

/*
 * Puts the packet into the tunnel. Returns CV_R_OK, and the packet must be routed anew
 * (BPF_LWT_REROUTE), or a reason, and it must be dropped. The guard mark says "encapsulated
 * already": no ip rule of ours matches it, and a second tunnel route drops it.
 */
static __always_inline int cv_encap(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
				    const struct cv_pkt *pkt)
{
	if ((pkt->mark & tunnel->guard_mark) == tunnel->guard_mark)
		return CV_R_LOOP;
	if (!pkt->family)
		return CV_R_ENCAP_INNER;
	skb->mark = pkt->mark | tunnel->guard_mark;
	return tunnel->family == 4 ? cv_push_ipv4(skb, tunnel, pkt)
				   : cv_push_ipv6(skb, tunnel, pkt);
}

#endif
