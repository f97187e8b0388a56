/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way of a packet that a tc program sends by itself: what the routing tables say of it. */
#ifndef CV_FORWARD_H
#define CV_FORWARD_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "packet.h"

#define CV_AF_INET 2
#define CV_AF_INET6 10
#define CV_FIB_LOOKUP_MARK (1u << 5) /* since 6.10; the mark then stands where smac begins */

struct cv_way {
	__u32 ifindex;
	struct bpf_redir_neigh next_hop;
};

/* Asks the routing tables. The mark counts where the kernel can take it into account. Device and
 * next hop are then in fib. Returns a CV_R_*. */
static __always_inline int cv_fib_ask(struct __sk_buff *skb, struct bpf_fib_lookup *fib)
{
	__u32 mark = CV_CTX(skb, mark);
	__u32 ifindex = CV_CTX(skb, ifindex);
	int rc;

	fib->ifindex = ifindex;
	__builtin_memcpy(fib->smac, &mark, sizeof(mark));
	rc = bpf_fib_lookup(skb, fib, sizeof(*fib), BPF_FIB_LOOKUP_SKIP_NEIGH | CV_FIB_LOOKUP_MARK);
	if (rc == CV_E_INVAL)
		rc = bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
	return rc == BPF_FIB_LKUP_RET_SUCCESS || rc == BPF_FIB_LKUP_RET_NO_NEIGH
		       ? CV_R_OK
		       : CV_R_SEGMENT_ROUTE;
}

static __always_inline void cv_way_of_fib(const struct bpf_fib_lookup *fib, struct cv_way *way)
{
	way->ifindex = fib->ifindex;
	way->next_hop.nh_family = fib->family;
	__builtin_memcpy(way->next_hop.ipv6_nh, fib->ipv6_dst, sizeof(way->next_hop.ipv6_nh));
}

static __always_inline int cv_way_ipv4(struct __sk_buff *skb, const struct iphdr *ip,
				       struct cv_way *way)
{
	struct bpf_fib_lookup fib = {
		.family = CV_AF_INET,
		.l4_protocol = ip->protocol,
		.tot_len = bpf_ntohs(ip->tot_len),
		.tos = ip->tos,
		.ipv4_src = ip->saddr,
		.ipv4_dst = ip->daddr,
	};
	int reason = cv_fib_ask(skb, &fib);

	cv_way_of_fib(&fib, way);
	return reason;
}

static __always_inline int cv_way_ipv6(struct __sk_buff *skb, const struct ipv6hdr *ip,
				       struct cv_way *way)
{
	struct bpf_fib_lookup fib = {
		.family = CV_AF_INET6,
		.l4_protocol = ip->nexthdr,
		.tot_len = bpf_ntohs(ip->payload_len) + sizeof(*ip),
		.flowinfo = *(__be32 *)ip & bpf_htonl(0x0fffffff),
	};
	int reason;

	__builtin_memcpy(fib.ipv6_src, &ip->saddr, sizeof(fib.ipv6_src));
	__builtin_memcpy(fib.ipv6_dst, &ip->daddr, sizeof(fib.ipv6_dst));
	reason = cv_fib_ask(skb, &fib);
	cv_way_of_fib(&fib, way);
	return reason;
}

#endif
