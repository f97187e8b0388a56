/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a packet that arrives is for this host or would be forwarded. The routing tables know; as
 * asking them takes longer than all else that is done for a packet, addresses that are ours are
 * remembered for some milliseconds.
 */
#ifndef CV_LOCAL_H
#define CV_LOCAL_H

#include "forward.h"
#include "maps.h"
#include "packet.h"

#define CV_LOCAL_FRESH_JIFFIES 16
#define CV_IPV4_MULTICAST 0xe0000000u /* and broadcast, behind it */

/* Asks the routing tables. Returns 1 or 0. A global function, as cv_parse_ip() is. */
__attribute__((noinline)) int cv_is_routed_here(struct __sk_buff *skb, const struct cv_pkt *pkt)
{
	struct bpf_fib_lookup fib = { .ifindex = CV_CTX(skb, ifindex) };
	int rc;

	if (!pkt)
		return 0;
	fib.l4_protocol = pkt->proto;
	if (pkt->family == 4) {
		fib.family = CV_AF_INET;
		fib.tos = pkt->tos;
		fib.ipv4_src = pkt->src[0];
		fib.ipv4_dst = pkt->dst[0];
	} else {
		fib.family = CV_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, pkt->src, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, pkt->dst, sizeof(fib.ipv6_dst));
	}
	rc = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	return rc == BPF_FIB_LKUP_RET_NOT_FWDED || rc == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

static __always_inline bool cv_local_is_known(const struct cv_local *local,
					      const struct cv_pkt *pkt)
{
	return !((local->addr[0] ^ pkt->dst[0]) | (local->addr[1] ^ pkt->dst[1]) |
		 (local->addr[2] ^ pkt->dst[2]) | (local->addr[3] ^ pkt->dst[3])) &&
	       local->ifindex == pkt->ifindex && local->family == pkt->family &&
	       bpf_jiffies64() - local->seen_jiffies < CV_LOCAL_FRESH_JIFFIES;
}

/* True if the packet is for this host: nobody will forward it. */
static __always_inline bool cv_is_local(struct __sk_buff *skb, const struct cv_pkt *pkt)
{
	__u32 index = (pkt->dst[0] ^ pkt->dst[1] ^ pkt->dst[2] ^ pkt->dst[3]) * 0x9e3779b1u >>
		      (32 - CV_LOCAL_BITS);
	struct cv_local *local = bpf_map_lookup_elem(&CV_MAP_LOCALS, &index);

	if (pkt->family == 4 && bpf_ntohl(pkt->dst[0]) >= CV_IPV4_MULTICAST)
		return true;
	if (!local || cv_local_is_known(local, pkt))
		return local;
	if (!cv_is_routed_here(skb, pkt))
		return false;
	__builtin_memcpy(local->addr, pkt->dst, sizeof(local->addr));
	local->ifindex = pkt->ifindex;
	local->family = pkt->family;
	local->seen_jiffies = bpf_jiffies64();
	return true;
}

#endif
