/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which remote a packet of a tunnel goes to. */
#ifndef CV_REMOTE_H
#define CV_REMOTE_H

#include "packet.h"
#include "peer.h"
#include "tunnel.h"

#define CV_HASH_MULTIPLIER 0x9e3779b97f4a7c15ULL /* 2^64 divided by the golden ratio */

static __always_inline __u64 cv_hash_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * CV_HASH_MULTIPLIER;
	return hash ^ hash >> 32;
}

/* True if a fragment, also the first: only what all fragments have may choose their way. */
static __always_inline bool cv_is_ipv4_fragment(const struct iphdr *ip)
{
	return ip->frag_off & bpf_htons(CV_IPV4_MF | CV_IPV4_OFFSET);
}

/*
 * A number that all packets of a flow share, from the IP header at l3: addresses, protocol, and
 * ports where every packet of the flow shows them. The packet's own hash is not used: the kernel
 * changes that of a TCP socket when it retransmits, which would move the flow to another remote.
 */
static __always_inline __u32 cv_flow_hash(struct __sk_buff *skb, __u8 family, __u32 l3)
{
	struct iphdr *ip4;
	struct ipv6hdr *ip6;
	__u32 *words, *ports = NULL;
	__u64 hash;
	__u8 proto;

	if (family == 4) {
		ip4 = cv_at(skb, l3, sizeof(*ip4));
		if (!ip4)
			return 0;
		proto = ip4->protocol;
		hash = cv_hash_mix(proto, (__u64)ip4->saddr << 32 | ip4->daddr);
		if (ip4->ihl == 5 && !cv_is_ipv4_fragment(ip4) && cv_proto_has_ports(proto))
			ports = cv_at(skb, l3 + sizeof(*ip4), sizeof(*ports));
	} else {
		ip6 = cv_at(skb, l3, sizeof(*ip6));
		if (!ip6)
			return 0;
		proto = ip6->nexthdr;
		words = (__u32 *)&ip6->saddr;
		hash = cv_hash_mix(proto, (__u64)words[0] << 32 | words[1]);
		hash = cv_hash_mix(hash, (__u64)words[2] << 32 | words[3]);
		hash = cv_hash_mix(hash, (__u64)words[4] << 32 | words[5]);
		hash = cv_hash_mix(hash, (__u64)words[6] << 32 | words[7]);
		if (cv_proto_has_ports(proto))
			ports = cv_at(skb, l3 + sizeof(*ip6), sizeof(*ports));
	}
	if (ports)
		hash = cv_hash_mix(hash, *ports);
	return cv_hash_mix(hash, proto) >> 16;
}

static __always_inline const __be32 *cv_remote_of_flow(__u32 slot, __u32 hash)
{
	void *set_map = bpf_map_lookup_elem(&CV_MAP_REMOTES, &slot);
	const struct cv_remote_set *set;
	__u32 zero = 0;

	if (!set_map)
		return NULL;
	set = bpf_map_lookup_elem(set_map, &zero);
	if (!set)
		return NULL;
	return set->remotes[set->bucket[hash % CV_REMOTE_BUCKETS] % CV_MAX_REMOTES];
}

/* The outer destination for the packet whose IP header, of that family, stands at l3: four words as
 * in abi.h. NULL if there is none. query, which must be zero, is where it may stand. */
static __always_inline const __be32 *cv_remote_choose(struct __sk_buff *skb,
						      const struct cv_tunnel *tunnel, __u8 family,
						      __u32 l3, struct cv_peer_query *query)
{
	if (tunnel->remote_kind == CV_REMOTE_ONE)
		return tunnel->remote;
	if (tunnel->remote_kind == CV_REMOTE_PEERS)
		return cv_peer_remote(skb, tunnel, l3, query);
	return cv_remote_of_flow(tunnel->remote_slot, cv_flow_hash(skb, family, l3));
}

#endif
