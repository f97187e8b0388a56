/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lowers the maximum segment size that a TCP SYN announces (RFC 9293 section 3.7.1), so that the
 * other end sends nothing larger than the tunnel carries. */
#ifndef CV_MSS_H
#define CV_MSS_H

#include <linux/tcp.h>

#include "packet.h"

#define CV_TCP_OPT_END 0
#define CV_TCP_OPT_NOP 1
#define CV_TCP_OPT_MSS 2
#define CV_TCP_OPT_MSS_LEN 4
#define CV_TCP_OPT_MAX 40
#define CV_TCP_OPT_MASK 63 /* the next power of 2, less 1 */

/* Where the value of the MSS option stands in a list of options, or 0 if there is none. */
static __always_inline __u32 cv_find_mss(const __u8 *options, __u32 len)
{
	__u64 at = 0;
	int i;

	for (i = 0; i < CV_TCP_OPT_MAX; i++) {
		if (at + CV_TCP_OPT_MSS_LEN > len)
			return 0;
		barrier_var(at); /* at the first test Linux 6.12 forgets the other */
		if (at > CV_TCP_OPT_MAX - CV_TCP_OPT_MSS_LEN)
			return 0;
		CV_FORGET_LEAST(at, CV_TCP_OPT_MASK);
		if (options[at] == CV_TCP_OPT_END)
			return 0;
		if (options[at] == CV_TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (options[at] == CV_TCP_OPT_MSS && options[at + 1] == CV_TCP_OPT_MSS_LEN)
			return at + 2;
		if (options[at + 1] < 2)
			return 0;
		at += options[at + 1];
	}
	return 0;
}

/* Lowers the MSS of the SYN whose TCP header stands at l4. A global function, as cv_parse_ip() is.
 * Returns 0; what is no proper SYN is left alone, the receiver will judge it. */
__attribute__((noinline)) int cv_lower_mss(struct __sk_buff *skb, __u32 l4, __u32 limit)
{
	__u8 options[CV_TCP_OPT_MAX] = {};
	struct tcphdr *tcp = cv_need(skb, l4, sizeof(*tcp));
	__u32 len, at;
	__be16 old, new;

	if (!tcp || !tcp->syn || tcp->doff * 4 <= sizeof(*tcp))
		return 0;
	len = tcp->doff * 4 - sizeof(*tcp);
	l4 &= CV_MAX_HEADER_OFFSET;
	if (len > sizeof(options) || bpf_skb_load_bytes(skb, l4 + sizeof(*tcp), options, len))
		return 0;
	at = cv_find_mss(options, len);
	if (!at || at > CV_TCP_OPT_MAX - sizeof(old))
		return 0;
	old = bpf_htons((__u16)options[at] << 8 | options[at + 1]);
	if (bpf_ntohs(old) <= limit)
		return 0;
	new = bpf_htons(limit);
	if (bpf_skb_store_bytes(skb, l4 + sizeof(*tcp) + at, &new, sizeof(new), 0))
		return 0;
	/* At an odd offset the two bytes belong to two words of the sum. */
	if (at & 1) {
		old = __builtin_bswap16(old);
		new = __builtin_bswap16(new);
	}
	bpf_l4_csum_replace(skb, l4 + offsetof(struct tcphdr, check), old, new, sizeof(new));
	return 0;
}

/* True if the packet of that family, whose IP header stands at l3, shows a TCP header: at *l4. Not
 * behind IPv6 extension headers. */
static __always_inline bool cv_find_tcp(struct __sk_buff *skb, __u32 l3, __u8 family, __u32 *l4)
{
	struct iphdr *ip4;
	struct ipv6hdr *ip6;

	if (family == 4) {
		ip4 = cv_at(skb, l3, sizeof(*ip4));
		if (!ip4 || ip4->protocol != IPPROTO_TCP ||
		    ip4->frag_off & bpf_htons(CV_IPV4_OFFSET))
			return false;
		*l4 = l3 + ip4->ihl * 4;
		return true;
	}
	ip6 = cv_at(skb, l3, sizeof(*ip6));
	*l4 = l3 + sizeof(*ip6);
	return ip6 && ip6->nexthdr == IPPROTO_TCP;
}

/* Lowers the MSS if the packet of that family, whose IP header stands at l3, is a TCP SYN. limit 0:
 * never. */
static __always_inline void cv_clamp_mss(struct __sk_buff *skb, __u32 l3, __u8 family, __u32 limit)
{
	__u32 l4;

	if (limit && cv_find_tcp(skb, l3, family, &l4))
		cv_lower_mss(skb, l4, limit);
}

#endif
