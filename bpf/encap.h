/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Puts a packet into a tunnel from LWT_XMIT or LWT_IN: builds the outer header, pushes it, and leaves
 * the packet to be routed anew. On LWT_IN no byte that is there can be changed (may_write is false).
 * What stands behind the outer IP header is in the tunnel's table; a mode is added there, by user
 * space.
 */
#ifndef CV_ENCAP_H
#define CV_ENCAP_H

#include "action.h"
#include "mss.h"
#include "packet.h"
#include "remote.h"
#include "tunnel.h"
#include "udp.h"

#define CV_E_NOTSUPP (-524) /* kernel-internal ENOTSUPP: a GSO type that cannot be tunnelled */
#define CV_E_PROTONOSUPPORT (-93)
#define CV_IP_MAX_LEN 65535
#define CV_FLOW_LABEL_MASK 0x000fffff
/* Dynamic ports (RFC 6335), as RFC 7348 section 5 asks for. */
#define CV_UDP_PORT_MIN 49152
#define CV_UDP_PORT_MASK 0x3fff
#define CV_GRE_KEY_AT 4 /* where the word with the key stands behind the outer IP header */
#define CV_VNI_AT (sizeof(struct cv_udp) + 4) /* VXLAN and Geneve have it at the same place */

/* All that one packet is given; hdr_len bytes from ip on are used. */
struct cv_outer4 {
	__u32 align; /* brings the payload to a multiple of 8 */
	struct iphdr ip;
	__u8 payload[CV_SHORT_PAYLOAD_HDR];
} __attribute__((aligned(8)));

struct cv_outer6 {
	struct ipv6hdr ip;
	__u8 payload[CV_MAX_PAYLOAD_HDR];
} __attribute__((aligned(8)));

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

/* What the underlay spreads flows by. All packets of a flow share it, until TCP chooses another hash
 * for its socket, as it does to find a way around a broken path. Not bpf_get_hash_recalc(): where no
 * hash is known yet, its flow dissector takes longer than all the rest. */
static __always_inline __u32 cv_entropy(struct __sk_buff *skb, const struct cv_pkt *pkt)
{
	return cv_flow_hash(skb, pkt->family, pkt->l3) + CV_CTX(skb, hash);
}

/* Writes the key that the other end still knows. */
static __always_inline void cv_put_old_key(__u8 *payload, const struct cv_tunnel *tunnel)
{
	__u32 at = tunnel->mode == CV_MODE_GRE ? CV_GRE_KEY_AT : CV_VNI_AT;

	if (at == CV_GRE_KEY_AT)
		*(__be32 *)(payload + CV_GRE_KEY_AT) = tunnel->old_key;
	else
		*(__be32 *)(payload + CV_VNI_AT) = tunnel->old_key;
}

/* Writes what stands behind the outer IP header, but for what cv_fill_udp() adds. */
static __always_inline void cv_fill_payload(__u8 *payload, const struct cv_tunnel *tunnel,
					    const struct cv_pkt *pkt)
{
	if (pkt->family == 4)
		__builtin_memcpy(payload, tunnel->payload4, CV_SHORT_PAYLOAD_HDR);
	else
		__builtin_memcpy(payload, tunnel->payload6, CV_SHORT_PAYLOAD_HDR);
	if (tunnel->switch_ns && bpf_ktime_get_boot_ns() < tunnel->switch_ns)
		cv_put_old_key(payload, tunnel);
}

/* The UDP header and all behind it are len bytes. */
static __always_inline void cv_fill_udp(__u8 *payload, __u32 entropy, __u32 len)
{
	struct cv_udp *udp = (struct cv_udp *)payload;

	udp->source = bpf_htons(CV_UDP_PORT_MIN | (entropy & CV_UDP_PORT_MASK));
	udp->len = bpf_htons(len > CV_IP_MAX_LEN ? 0 : len);
}

/* The rest of a long one, an SRv6 segment list. */
static __always_inline void cv_fill_segments(__u8 *payload, const struct cv_tunnel *tunnel,
					     const struct cv_pkt *pkt)
{
	const __u32 rest = CV_MAX_PAYLOAD_HDR - CV_SHORT_PAYLOAD_HDR;

	if (pkt->family == 4)
		__builtin_memcpy(payload + CV_SHORT_PAYLOAD_HDR,
				 tunnel->payload4 + CV_SHORT_PAYLOAD_HDR, rest);
	else
		__builtin_memcpy(payload + CV_SHORT_PAYLOAD_HDR,
				 tunnel->payload6 + CV_SHORT_PAYLOAD_HDR, rest);
}

/*
 * Builds the outer header around a packet of pkt->bytes bytes. A GSO packet may be larger than the
 * length fields: each segment gets its own.
 */
static __always_inline void cv_build_ipv4(struct __sk_buff *skb, struct cv_outer4 *outer,
					  const struct cv_tunnel *tunnel, const __be32 *remote,
					  const struct cv_pkt *pkt)
{
	__u32 total = pkt->bytes + tunnel->hdr_len;
	bool has_df = cv_outer_df(tunnel, pkt);

	outer->ip.version = 4;
	outer->ip.ihl = sizeof(outer->ip) / 4;
	outer->ip.tos = cv_outer_tos(tunnel, pkt);
	outer->ip.tot_len = bpf_htons(total > CV_IP_MAX_LEN ? 0 : total);
	outer->ip.ttl = cv_outer_ttl(tunnel, pkt);
	outer->ip.protocol = pkt->family == 4 ? tunnel->proto4 : tunnel->proto6;
	outer->ip.frag_off = has_df ? bpf_htons(CV_IPV4_DF) : 0;
	/* RFC 6864: only a datagram that may be fragmented needs an ID of its own. */
	outer->ip.id = has_df ? 0 : bpf_get_prandom_u32();
	outer->ip.saddr = tunnel->local[0];
	outer->ip.daddr = remote[0];
	outer->ip.check = 0;
	outer->ip.check = ~cv_ipv4_sum(&outer->ip);
	cv_fill_payload(outer->payload, tunnel, pkt);
	if (tunnel->proto4 == IPPROTO_UDP)
		cv_fill_udp(outer->payload, cv_entropy(skb, pkt), total - sizeof(outer->ip));
}

static __always_inline void cv_build_ipv6(struct __sk_buff *skb, struct cv_outer6 *outer,
					  const struct cv_tunnel *tunnel, const __be32 *remote,
					  const struct cv_pkt *pkt)
{
	__u32 payload_len = pkt->bytes + tunnel->hdr_len - sizeof(outer->ip);
	__u32 entropy = cv_entropy(skb, pkt);

	/* RFC 6438: the flow label lets the underlay spread the flows of one tunnel. */
	*(__be32 *)&outer->ip = bpf_htonl(6u << 28 | (__u32)cv_outer_tos(tunnel, pkt) << 20 |
					  (entropy & CV_FLOW_LABEL_MASK));
	outer->ip.payload_len = bpf_htons(payload_len > CV_IP_MAX_LEN ? 0 : payload_len);
	outer->ip.hop_limit = cv_outer_ttl(tunnel, pkt);
	outer->ip.nexthdr = pkt->family == 4 ? tunnel->proto4 : tunnel->proto6;
	__builtin_memcpy(&outer->ip.saddr, tunnel->local, sizeof(outer->ip.saddr));
	__builtin_memcpy(&outer->ip.daddr, remote, sizeof(outer->ip.daddr));
	cv_fill_payload(outer->payload, tunnel, pkt);
	if (tunnel->proto4 == IPPROTO_UDP)
		cv_fill_udp(outer->payload, entropy, payload_len);
	if (tunnel->mode == CV_MODE_SRV6)
		cv_fill_segments(outer->payload, tunnel, pkt);
}

/*
 * The protocol to push in place of the real one. bpf_lwt_push_encap() knows GSO of the protocols
 * UDP, GRE and 41 alone (kernel: net/core/lwt_bpf.c handle_gso_encap(), which tests IPPROTO_IP, 0,
 * where IPPROTO_IPIP is meant). But 4 and a routing header in front of either are segmented by the
 * same code as 41. So 41 is pushed, and the real protocol written over it.
 */
static __always_inline __u8 cv_pushed_proto(__u8 real, bool is_gso)
{
	return is_gso && (real == IPPROTO_IPIP || real == IPPROTO_ROUTING) ? IPPROTO_IPV6 : real;
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
					const __be32 *remote, const struct cv_pkt *pkt,
					bool may_write)
{
	struct cv_outer4 outer;
	__u32 len = tunnel->hdr_len;
	bool is_gso = CV_CTX(skb, gso_size);
	/* Protocol and checksum are neighbours in the header: one store mends both. */
	struct {
		__u8 proto;
		__u8 check[2];
	} mend;
	int reason;

	if (len < sizeof(outer.ip) || len > sizeof(outer.ip) + sizeof(outer.payload))
		return CV_R_ENCAP_FAILED;
	if (pkt->bytes + len > CV_IP_MAX_LEN && !is_gso)
		return CV_R_ENCAP_SIZE;
	cv_build_ipv4(skb, &outer, tunnel, remote, pkt);
	mend.proto = outer.ip.protocol;
	__builtin_memcpy(mend.check, &outer.ip.check, sizeof(mend.check));
	outer.ip.protocol = cv_pushed_proto(mend.proto, is_gso);
	if (outer.ip.protocol != mend.proto && !may_write)
		return CV_R_ENCAP_GSO;
	reason = cv_push(skb, &outer.ip, len);
	if (may_write && reason == CV_R_OK && outer.ip.protocol != mend.proto &&
	    bpf_skb_store_bytes(skb, offsetof(struct iphdr, protocol), &mend, sizeof(mend), 0))
		reason = CV_R_ENCAP_FAILED;
	return reason;
}

static __always_inline int cv_push_ipv6(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
					const __be32 *remote, const struct cv_pkt *pkt,
					bool may_write)
{
	struct cv_outer6 outer;
	__u32 len = tunnel->hdr_len;
	bool is_gso = CV_CTX(skb, gso_size);
	__u8 real;
	int reason;

	if (len < sizeof(outer.ip) || len > sizeof(outer))
		return CV_R_ENCAP_FAILED;
	if (pkt->bytes + len > CV_IP_MAX_LEN + sizeof(outer.ip) && !is_gso)
		return CV_R_ENCAP_SIZE;
	/* The helper may read all of it, and the verifier asks that all of it be written. */
	__builtin_memset(outer.payload + CV_SHORT_PAYLOAD_HDR, 0,
			 sizeof(outer.payload) - CV_SHORT_PAYLOAD_HDR);
	cv_build_ipv6(skb, &outer, tunnel, remote, pkt);
	real = outer.ip.nexthdr;
	outer.ip.nexthdr = cv_pushed_proto(real, is_gso);
	if (outer.ip.nexthdr != real && !may_write)
		return CV_R_ENCAP_GSO;
	reason = cv_push(skb, &outer, len);
	if (may_write && reason == CV_R_OK && outer.ip.nexthdr != real &&
	    bpf_skb_store_bytes(skb, offsetof(struct ipv6hdr, nexthdr), &real, sizeof(real), 0))
		reason = CV_R_ENCAP_FAILED;
	return reason;
}

/* CV_R_OK, or the reason why the packet must not enter the tunnel. */
static __always_inline int cv_may_encap(const struct cv_tunnel *tunnel, const struct cv_pkt *pkt)
{
	if ((pkt->mark & tunnel->guard_mark) == tunnel->guard_mark)
		return CV_R_LOOP;
	return pkt->family ? CV_R_OK : CV_R_ENCAP_INNER;
}

/*
 * Puts the packet into the tunnel. Returns CV_R_OK, and the packet must be routed anew
 * (BPF_LWT_REROUTE), or a reason, and it must be dropped. The guard mark says "encapsulated
 * already": no ip rule of ours matches it, and a second tunnel route drops it.
 */
static __always_inline int cv_encap(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
				    const struct cv_pkt *pkt, bool may_write)
{
	int reason = cv_may_encap(tunnel, pkt);
	struct cv_peer_query query = {};
	const __be32 *remote;

	if (reason != CV_R_OK)
		return reason;
	if (may_write)
		cv_clamp_mss(skb, 0, pkt->family, pkt->family == 4 ? tunnel->mss4 : tunnel->mss6);
	remote = cv_remote_choose(skb, tunnel, pkt->family, 0, &query);
	if (!remote)
		return CV_R_NO_PEER;
	skb->mark = pkt->mark | tunnel->guard_mark;
	return tunnel->family == 4 ? cv_push_ipv4(skb, tunnel, remote, pkt, may_write)
				   : cv_push_ipv6(skb, tunnel, remote, pkt, may_write);
}

#endif
