/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the underlay says about the path of our own outer packets: ICMP "fragmentation needed" (RFC
 * 1191) and ICMPv6 "packet too big" (RFC 8201). The stack has no socket that they could be for, so
 * nobody else keeps them.
 */
#ifndef CV_PATH_H
#define CV_PATH_H

#include "endpoint.h"
#include "packet.h"
#include "udp.h"

#define CV_ICMP_UNREACHABLE 3
#define CV_ICMP_FRAGMENTATION_NEEDED 4
#define CV_ICMPV6_TOO_BIG 2

/* Of both families; the quoted packet follows. linux/icmp.h wants the C library's headers. */
struct cv_icmp {
	__u8 type;
	__u8 code;
	__be16 check;
	__be16 mtu_high; /* IPv4: unused */
	__be16 mtu_low;
};

/* The end of a tunnel that the quoted packet left from, which begins at `at`. False if no mode of
 * ours looks like that. */
static __always_inline bool cv_read_quote(struct __sk_buff *skb, __u8 family, __u32 at,
					  struct cv_endpoint_key *key)
{
	struct iphdr *ip4;
	struct ipv6hdr *ip6;
	__be16 *ports;
	__u8 proto;

	if (family == 4) {
		ip4 = cv_need(skb, at, sizeof(*ip4));
		if (!ip4)
			return false;
		key->local[0] = ip4->saddr;
		key->remote[0] = ip4->daddr;
		proto = ip4->protocol;
		at += ip4->ihl * 4;
	} else {
		ip6 = cv_need(skb, at, sizeof(*ip6));
		if (!ip6)
			return false;
		__builtin_memcpy(key->local, &ip6->saddr, sizeof(key->local));
		__builtin_memcpy(key->remote, &ip6->daddr, sizeof(key->remote));
		proto = ip6->nexthdr;
		at += sizeof(*ip6);
	}
	key->family = family;
	key->mode = proto == IPPROTO_GRE       ? CV_MODE_GRE
		    : proto == IPPROTO_ROUTING ? CV_MODE_SRV6
					       : CV_MODE_IPIP;
	if (proto != IPPROTO_UDP)
		return key->mode != CV_MODE_IPIP || proto == IPPROTO_IPIP || proto == IPPROTO_IPV6;
	ports = cv_need(skb, at, 2 * sizeof(*ports));
	if (!ports)
		return false;
	key->port = bpf_ntohs(ports[1]);
	key->mode = cv_mode_of_port(key->port);
	return key->mode != CV_MODE_NONE;
}

/* The MTU that an ICMP message at l4 announces; 0 if it is another message. */
static __always_inline __u32 cv_announced_mtu(struct __sk_buff *skb, __u8 family, __u32 l4)
{
	struct cv_icmp *icmp = cv_need(skb, l4, sizeof(*icmp));

	if (!icmp)
		return 0;
	if (family == 4 && icmp->type == CV_ICMP_UNREACHABLE &&
	    icmp->code == CV_ICMP_FRAGMENTATION_NEEDED)
		return bpf_ntohs(icmp->mtu_low);
	if (family == 6 && icmp->type == CV_ICMPV6_TOO_BIG)
		return (__u32)bpf_ntohs(icmp->mtu_high) << 16 | bpf_ntohs(icmp->mtu_low);
	return 0;
}

/* True if the packet may be such a message; in a later fragment the header is another one's data. */
static __always_inline bool cv_is_icmp(const struct cv_pkt *pkt)
{
	return pkt->proto == (pkt->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) &&
	       !pkt->is_fragment;
}

/* Keeps the smallest MTU that was announced of late for the tunnel whose packet the message at l4
 * quotes. A global function, as cv_parse_ip() is. Returns 0; the message goes on in any case. */
__attribute__((noinline)) int cv_note_path(struct __sk_buff *skb, __u32 family, __u32 l4)
{
	struct cv_endpoint_key key = { .kind = CV_ENDPOINT_PATH };
	__u64 now = bpf_ktime_get_boot_ns();
	struct cv_path *path;
	__u32 tunnel, mtu = cv_announced_mtu(skb, family, l4);

	if (!mtu || !cv_read_quote(skb, family, l4 + sizeof(struct cv_icmp), &key))
		return 0;
	tunnel = cv_endpoint_get(&key);
	path = tunnel ? bpf_map_lookup_elem(&CV_MAP_PATHS, &tunnel) : NULL;
	if (!path)
		return 0;
	if (!path->mtu_bytes || mtu < path->mtu_bytes || now - path->seen_ns > CV_PATH_FRESH_NS)
		path->mtu_bytes = mtu;
	path->seen_ns = now;
	path->messages++;
	return 0;
}

#endif
