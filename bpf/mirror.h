/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers `tunnel check` of the other end: a probe (abi.h: CV_PROBE_PORT) that arrives in a tunnel is
 * turned round where it lies and goes back the way it came, as large as it was. So a TCP socket that
 * connects to the probe port meets itself (RFC 9293 section 3.5, simultaneous open), and a UDP probe
 * brings back what became of it here.
 *
 * Only a known remote is answered; a probe that another end turned round has the probe port as its
 * source and is never turned again.
 */
#ifndef CV_MIRROR_H
#define CV_MIRROR_H

#include <linux/if_ether.h>

#include "claim.h"
#include "packet.h"
#include "tunnel.h"

#define CV_UDP_CHECK_AT 6
#define CV_UDP_LEN 8
#define CV_TRACE_TICK_SHIFT 20 /* about a millisecond */
#define CV_TRACE_FRESH_TICKS 1000

/* What a probe brings back: the second half of struct cv_probe as words. */
struct cv_probe_answer {
	__be32 finding;
	__be32 seen;
};

/* True if cv_mirror() has to look at the inner packet: it is for the probe port, or a later fragment
 * of one that may be. */
static __always_inline bool cv_may_be_probe(const struct cv_pkt *inner)
{
	return inner->dport == CV_PROBE_PORT || inner->is_later;
}

/* Exchanges two neighbours of len bytes each. No checksum changes by that. They are written back one by
 * one: the stack has no room for another copy of both. */
static __always_inline int cv_exchange(struct __sk_buff *skb, __u32 at, __u32 len)
{
	__u8 pair[2 * sizeof(struct in6_addr)];

	at &= CV_MAX_HEADER_OFFSET;
	if (bpf_skb_load_bytes(skb, at, pair, 2 * len))
		return -1;
	return bpf_skb_store_bytes(skb, at, pair + len, len, 0) ||
	       bpf_skb_store_bytes(skb, at + len, pair, len, 0);
}

static __always_inline int cv_exchange_addresses(struct __sk_buff *skb, __u32 l3, __u8 family)
{
	if (family == 4)
		return cv_exchange(skb, l3 + offsetof(struct iphdr, saddr), sizeof(__be32));
	return cv_exchange(skb, l3 + offsetof(struct ipv6hdr, saddr), sizeof(struct in6_addr));
}

static __always_inline void cv_trace_key(struct cv_trace_key *key, __u32 tunnel, __u32 kind,
					 const struct cv_pkt *inner)
{
	key->tunnel = tunnel;
	key->kind = kind;
	key->family = inner->family;
	__builtin_memcpy(key->src, inner->src, sizeof(key->src));
	__builtin_memcpy(key->dst, inner->dst, sizeof(key->dst));
}

/* True if the fragment belongs to a probe: a first one is remembered, a later one looked for. Not for
 * long: the IDs of IPv4 come again. */
static __always_inline bool cv_is_probe_fragment(const struct cv_pkt *inner, __u32 tunnel)
{
	__u32 now = bpf_ktime_get_boot_ns() >> CV_TRACE_TICK_SHIFT, *since;
	struct cv_trace_key key = {};

	cv_trace_key(&key, tunnel, CV_TRACE_FRAGMENT, inner);
	key.id = inner->fragment_id;
	if (inner->has_ports)
		return !bpf_map_update_elem(&CV_MAP_PROBES, &key, &now, BPF_ANY);
	since = bpf_map_lookup_elem(&CV_MAP_PROBES, &key);
	return since && now - *since < CV_TRACE_FRESH_TICKS;
}

static __always_inline bool cv_is_probe(const struct cv_pkt *inner, __u32 tunnel)
{
	if (inner->has_ports && (inner->dport != CV_PROBE_PORT || inner->sport == CV_PROBE_PORT))
		return false;
	if (inner->is_fragment)
		return inner->proto == IPPROTO_UDP && cv_is_probe_fragment(inner, tunnel);
	return inner->has_ports && (inner->proto == IPPROTO_UDP || inner->proto == IPPROTO_TCP);
}

/* Notes that a step's packet arrived; returns all that did. */
static __always_inline __u32 cv_note_step(const struct cv_pkt *inner, __u32 tunnel,
					  const struct cv_probe *probe)
{
	struct cv_trace_key key = { .id = probe->nonce };
	__u32 steps = 1u << (probe->step & 31);
	__u32 *seen;

	cv_trace_key(&key, tunnel, CV_TRACE_STEPS, inner);
	seen = bpf_map_lookup_elem(&CV_MAP_PROBES, &key);
	if (seen)
		steps |= *seen;
	bpf_map_update_elem(&CV_MAP_PROBES, &key, &steps, BPF_ANY);
	return steps;
}

/* Puts a word in the place of another, at an even distance from the UDP header at l4, and mends the
 * datagram's checksum if it has one. */
static __always_inline int cv_answer_word(struct __sk_buff *skb, __u32 l4, __u32 at, __be32 old,
					  __be32 new)
{
	if (bpf_l4_csum_replace(skb, l4 + CV_UDP_CHECK_AT, old, new,
				sizeof(new) | BPF_F_MARK_MANGLED_0))
		return -1;
	return bpf_skb_store_bytes(skb, l4 + CV_UDP_LEN + at, &new, sizeof(new), 0);
}

/* Writes into a UDP probe what became of it. Returns 0, also if the datagram has no room for it or
 * is none of ours: it goes back all the same. */
static __always_inline int cv_answer(struct __sk_buff *skb, const struct cv_pkt *inner,
				     const struct cv_arrival *arrival, __u32 reason)
{
	const __u32 half = offsetof(struct cv_probe, step);
	struct cv_probe_answer old, new;
	struct cv_probe probe;
	__u32 l4 = inner->l4 & CV_MAX_HEADER_OFFSET;

	if (!inner->has_ports || inner->proto != IPPROTO_UDP ||
	    bpf_skb_load_bytes(skb, l4 + CV_UDP_LEN, &probe, sizeof(probe)) ||
	    probe.magic != bpf_htonl(CV_PROBE_MAGIC))
		return 0;
	__builtin_memcpy(&old, (__u8 *)&probe + half, sizeof(old));
	probe.reason = reason;
	probe.outer_tos = arrival->outer_tos;
	probe.is_answer = 1;
	probe.seen = bpf_htonl(cv_note_step(inner, arrival->tunnel, &probe));
	__builtin_memcpy(&new, (__u8 *)&probe + half, sizeof(new));
	return cv_answer_word(skb, l4, half, old.finding, new.finding) ||
	       cv_answer_word(skb, l4, half + sizeof(new.finding), old.seen, new.seen);
}

/* Writes a segment list; len is that of its tunnel's table. */
static __always_inline int cv_store_segments(struct __sk_buff *skb, __u32 at, const void *list,
					     __u64 len)
{
	/* What is compared must be what is handed over (kernel 6.1). */
	asm volatile("" : "+r"(len));
	if (len < sizeof(__be64) || len > CV_MAX_PAYLOAD_HDR)
		return -1;
	return bpf_skb_store_bytes(skb, at, list, len, BPF_F_RECOMPUTE_CSUM);
}

/*
 * SRv6: the segment list that it came with is the other end's; back it takes ours. Where the two are
 * of different length, room is made or taken behind the IPv6 header.
 */
static __always_inline int cv_turn_srv6(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
					const struct cv_arrival *arrival)
{
	const __u32 l3 = ETH_HLEN, payload = ETH_HLEN + sizeof(struct ipv6hdr);
	const void *list = arrival->inner_family == 4 ? tunnel->payload4 : tunnel->payload6;
	__u8 proto = arrival->inner_family == 4 ? tunnel->proto4 : tunnel->proto6;
	__s32 difference = tunnel->hdr_len - arrival->strip;
	__be16 bytes;

	if (difference &&
	    bpf_skb_adjust_room(skb, difference, BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	if (bpf_skb_load_bytes(skb, l3 + offsetof(struct ipv6hdr, payload_len), &bytes,
			       sizeof(bytes)))
		return -1;
	bytes = bpf_htons(bpf_ntohs(bytes) + difference);
	return bpf_skb_store_bytes(skb, l3 + offsetof(struct ipv6hdr, payload_len), &bytes,
				   sizeof(bytes), BPF_F_RECOMPUTE_CSUM) ||
	       bpf_skb_store_bytes(skb, l3 + offsetof(struct ipv6hdr, nexthdr), &proto,
				   sizeof(proto), BPF_F_RECOMPUTE_CSUM) ||
	       bpf_skb_store_bytes(skb, l3 + offsetof(struct ipv6hdr, saddr), tunnel->local,
				   sizeof(tunnel->local), BPF_F_RECOMPUTE_CSUM) ||
	       bpf_skb_store_bytes(skb, l3 + offsetof(struct ipv6hdr, daddr), tunnel->remote,
				   sizeof(tunnel->remote), BPF_F_RECOMPUTE_CSUM) ||
	       cv_store_segments(skb, payload, list, tunnel->hdr_len - sizeof(struct ipv6hdr));
}

/* Exchanges who sent the inner packet and whom it was for. */
static __always_inline int cv_turn_inner(struct __sk_buff *skb, const struct cv_pkt *inner,
					 const struct cv_arrival *arrival)
{
	if (arrival->has_ethernet && cv_exchange(skb, inner->l3 - ETH_HLEN, ETH_ALEN))
		return -1;
	if (inner->has_ports && cv_exchange(skb, inner->l4, sizeof(__be16)))
		return -1;
	return cv_exchange_addresses(skb, inner->l3, inner->family);
}

/* The same of the frame around it. The ports of an outer UDP header stay: the other end's port is
 * ours, and where it sent from nobody listens. */
static __always_inline int cv_turn_outer(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
					 const struct cv_arrival *arrival)
{
	if (cv_exchange(skb, 0, ETH_ALEN))
		return -1;
	return tunnel->mode == CV_MODE_SRV6
		       ? cv_turn_srv6(skb, tunnel, arrival)
		       : cv_exchange_addresses(skb, ETH_HLEN, arrival->outer_family);
}

/*
 * Turns the frame round if it carries a probe. reason: what decapsulation made of it. Returns
 * CV_R_PROBE, CV_R_OK if it is no probe or is not to be answered, and nothing was changed, or
 * CV_R_DECAP_FAILED. A global function, as cv_parse_ip() is.
 */
__attribute__((noinline)) int cv_mirror(struct __sk_buff *skb, const struct cv_arrival *arrival,
					__u32 reason)
{
	const struct cv_tunnel *tunnel;
	struct cv_pkt inner = {};

	if (!arrival)
		return CV_R_OK; /* never, but the verifier asks */
	tunnel = cv_tunnel_get(CV_TUNNEL_IN(arrival->tunnel));
	if (!tunnel || tunnel->flags & CV_TUNNEL_NO_PROBE || arrival->outer_ttl <= 1)
		return CV_R_OK;
	if (!cv_parse_ip(skb, &inner, ETH_HLEN + arrival->strip) ||
	    inner.family != arrival->inner_family || !cv_is_probe(&inner, arrival->tunnel))
		return CV_R_OK;
	if (cv_answer(skb, &inner, arrival, reason) || cv_turn_inner(skb, &inner, arrival) ||
	    cv_turn_outer(skb, tunnel, arrival))
		return CV_R_DECAP_FAILED;
	return CV_R_PROBE;
}

#endif
