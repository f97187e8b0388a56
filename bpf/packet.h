/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet as rules see it: named, typed fields, read once. Serves tc programs (which start at
 * the MAC header) and LWT programs (which start at the IP header).
 */
#ifndef CV_PACKET_H
#define CV_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

#define CV_IPV4_MF 0x2000
#define CV_IPV4_DF 0x4000
#define CV_IPV4_OFFSET 0x1fff
#define CV_IPV6_OFFSET 0xfff8
#define CV_IPV6_MF 0x0001
#define CV_IPV6_FLOW_LABEL 0xfffff
#define CV_E_INVAL (-22)
#define CV_MAX_HEADER_OFFSET 0x3fff /* no header is looked for behind it */

struct cv_pkt {
	__be32 src[4];
	__be32 dst[4];
	__u32 l3; /* offset of the IP header */
	__u32 l4; /* offset of what follows the IP header and its options or extensions */
	__u32 bytes; /* IP header included */
	__u32 end; /* offset at which the packet ends by its own length; what follows is padding */
	__u32 ifindex;
	__u32 mark;
	__u32 app; /* CV_APP_NONE until the owner was asked */
	__u32 tunnel; /* it was taken out of; 0: none */
	__be32 fragment_id; /* that all fragments of a packet have; IPv4: in the first two bytes */
	__u32 flow_label; /* IPv6 */
	__u16 sport;
	__u16 dport;
	__u8 family; /* 4, 6; 0: not IP, or a header that is wrong */
	__u8 proto; /* of what follows at l4 */
	__u8 tos; /* IPv4 TOS, IPv6 traffic class: DSCP and ECN */
	__u8 ttl;
	bool has_ports; /* false in later fragments and where a header is cut off */
	bool is_fragment; /* any fragment, the first included */
	bool is_later; /* a fragment that is not the first: what stands at l4 is data */
	bool has_df; /* IPv4 "do not fragment"; always true for IPv6 */
	bool is_unfinished; /* IPv6: hops of a routing header are to come, or an AH is to be checked */
	__u8 owner_source; /* enum cv_owner_source: how app is known */
	/* Only where a rule asks for it: see field.h. */
	bool is_quoted; /* by an ICMP error, which is the packet that all else is about */
	bool has_tcp;
	bool has_icmp;
	__u8 tcp_flags; /* as in byte 13 of the header */
	__u8 icmp_type;
	__u8 icmp_code;
	__u16 vlan; /* id of the outermost tag, or CV_NO_VLAN */
	__u16 ethertype; /* behind all tags, host order; 0: none */
};
#define CV_NO_VLAN 0xffff

/* Length of the IP packet by its own header, or as it is if that cannot say so much; 0: it is not IP. */
static __always_inline __u32 cv_pkt_len(const struct cv_pkt *pkt)
{
	return pkt->end - pkt->l3;
}

/*
 * Changes nothing, the value is at most the mask (the next power of 2, less 1). But the verifier forgets
 * the least that it was: rounds of a loop then begin with one range, and not each with its own, which
 * took it longer than all the rest of a program. value is a __u64.
 */
#define CV_FORGET_LEAST(value, mask) asm volatile("%0 &= %1" : "+r"(value) : "i"(mask))

/*
 * Reads a 32-bit member of the context by just that instruction: out of two reads the compiler would
 * make one pointer plus a constant, which the verifier refuses. The result is 64 bits wide, for the
 * kernel puts a pointer there for data and data_end.
 */
#define CV_CTX(skb, member)                                                                        \
	({                                                                                         \
		unsigned long value_;                                                              \
                                                                                                   \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(value_)                                                        \
			     : "r"(skb), "i"(offsetof(struct __sk_buff, member)));                 \
		value_;                                                                            \
	})

/* Points at len bytes at offset, or NULL if the packet has none there that can be read. */
static __always_inline void *cv_at(struct __sk_buff *skb, __u32 offset, __u32 len)
{
	void *data = (void *)CV_CTX(skb, data);
	void *end = (void *)CV_CTX(skb, data_end);
	__u64 at = offset;

	/* What is compared must be what is added: the verifier does not see through sums. */
	asm volatile("" : "+r"(at));
	if (at > CV_MAX_HEADER_OFFSET)
		return NULL;
	data += at;
	if (data + len > end)
		return NULL;
	return data;
}

/*
 * The same, after making the bytes readable if they lie in pages. Only on demand and no further than
 * asked: a pull copies the header of the packet, and TCP keeps no more than its headers out of pages.
 * Pointers from before are dead.
 */
static __always_inline void *cv_need(struct __sk_buff *skb, __u32 offset, __u32 len)
{
	void *at = cv_at(skb, offset, len);

	if (at || offset > CV_MAX_HEADER_OFFSET || offset + len > CV_CTX(skb, len) ||
	    bpf_skb_pull_data(skb, offset + len))
		return at;
	return cv_at(skb, offset, len);
}

/* Internet sum of an IPv4 header without options (RFC 1071): 0xffff for one whose check is right;
 * its complement is the check of one whose check is zero. */
static __always_inline __u16 cv_ipv4_sum(const struct iphdr *ip)
{
	const __u16 *words = (const __u16 *)ip;
	__u32 sum = 0;
	int i;

	for (i = 0; i < (int)(sizeof(*ip) / 2); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline bool cv_proto_has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

/* True if the header of an ICMP message of the packet's family can be read at l4. */
static __always_inline bool cv_has_icmp(const struct cv_pkt *pkt)
{
	return pkt->proto == (pkt->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) && !pkt->is_later;
}

/* Reads the ports if they can be read. */
static __always_inline void cv_parse_ports(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	__be16 *ports;

	if (!cv_proto_has_ports(pkt->proto))
		return;
	ports = cv_need(skb, pkt->l4, 2 * sizeof(*ports));
	if (!ports)
		return;
	pkt->sport = bpf_ntohs(ports[0]);
	pkt->dport = bpf_ntohs(ports[1]);
	pkt->has_ports = true;
}

/* Where a packet ends whose header stands at offset `from` and says that so many bytes follow. A
 * packet of segments may be longer than a header can say, and then it says 0. */
static __always_inline __u32 cv_end_of(struct __sk_buff *skb, __u32 from, __u32 bytes)
{
	return !bytes && CV_CTX(skb, gso_size) ? CV_CTX(skb, len) : from + bytes;
}

/* Fills pkt from the IPv4 header at pkt->l3. Returns false if that is not one. */
static __always_inline bool cv_parse_ipv4(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	struct iphdr *ip = cv_need(skb, pkt->l3, sizeof(*ip));
	__u16 fragment;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return false;
	fragment = bpf_ntohs(ip->frag_off);
	pkt->src[0] = ip->saddr;
	pkt->dst[0] = ip->daddr;
	pkt->proto = ip->protocol;
	pkt->tos = ip->tos;
	pkt->ttl = ip->ttl;
	pkt->has_df = fragment & CV_IPV4_DF;
	pkt->is_fragment = fragment & (CV_IPV4_MF | CV_IPV4_OFFSET);
	pkt->is_later = fragment & CV_IPV4_OFFSET;
	pkt->fragment_id = ip->id;
	pkt->l4 = pkt->l3 + ip->ihl * 4;
	pkt->end = cv_end_of(skb, pkt->l3, bpf_ntohs(ip->tot_len));
	pkt->family = 4;
	if (!pkt->is_later)
		cv_parse_ports(skb, pkt);
	return true;
}

struct cv_ipv6_ext {
	__u8 next;
	__u8 len; /* in 8-byte units, the first not counted; AH: in 4-byte units, two not counted */
	union {
		__be16 fragment; /* fragment header: offset and flags */
		struct {
			__u8 type;
			__u8 segments_left;
		} routing;
	};
	__be32 fragment_id; /* fragment header */
};

static __always_inline bool cv_is_ipv6_ext(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT || proto == IPPROTO_AH;
}

/*
 * Walks at most CV_MAX_EXT_HEADERS extension headers; pkt->proto and pkt->l4 then name what comes
 * after them. Returns true if that is where a transport header begins (not in a later fragment,
 * nor behind a longer chain).
 */
static __always_inline bool cv_skip_ipv6_ext(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	struct cv_ipv6_ext *ext;
	__u32 len;
	int i;

	for (i = 0; i < CV_MAX_EXT_HEADERS; i++) {
		if (!cv_is_ipv6_ext(pkt->proto))
			return true;
		ext = cv_need(skb, pkt->l4, sizeof(*ext));
		if (!ext)
			return false;
		if (pkt->proto == IPPROTO_AH ||
		    (pkt->proto == IPPROTO_ROUTING && ext->routing.segments_left))
			pkt->is_unfinished = true;
		len = (ext->len + 1) * 8;
		if (pkt->proto == IPPROTO_AH)
			len = (ext->len + 2) * 4;
		if (pkt->proto == IPPROTO_FRAGMENT) {
			len = 8;
			pkt->is_fragment |=
				!!(ext->fragment & bpf_htons(CV_IPV6_OFFSET | CV_IPV6_MF));
			pkt->is_later = ext->fragment & bpf_htons(CV_IPV6_OFFSET);
			pkt->fragment_id = ext->fragment_id;
			if (pkt->is_later) {
				pkt->proto = ext->next;
				return false;
			}
		}
		pkt->proto = ext->next;
		pkt->l4 += len;
	}
	return !cv_is_ipv6_ext(pkt->proto);
}

/* Fills pkt from the IPv6 header at pkt->l3. Returns false if that is not one. */
static __always_inline bool cv_parse_ipv6(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	struct ipv6hdr *ip = cv_need(skb, pkt->l3, sizeof(*ip));
	__u32 first;

	if (!ip || ip->version != 6)
		return false;
	first = bpf_ntohl(*(__be32 *)ip);
	__builtin_memcpy(pkt->src, &ip->saddr, sizeof(pkt->src));
	__builtin_memcpy(pkt->dst, &ip->daddr, sizeof(pkt->dst));
	pkt->proto = ip->nexthdr;
	pkt->tos = first >> 20;
	pkt->flow_label = first & CV_IPV6_FLOW_LABEL;
	pkt->ttl = ip->hop_limit;
	pkt->has_df = true;
	pkt->l4 = pkt->l3 + sizeof(*ip);
	pkt->end = cv_end_of(skb, pkt->l4, bpf_ntohs(ip->payload_len));
	pkt->family = 6;
	if (cv_skip_ipv6_ext(skb, pkt))
		cv_parse_ports(skb, pkt);
	return true;
}

/*
 * Fills pkt from the IP header at l3, of the family that the header itself names. All that was in
 * pkt is forgotten but the tunnel it came from. Returns 1, or 0 if there is no IP header.
 *
 * A global function: the verifier checks it once for any packet and any offset, and callers do not
 * multiply its paths with theirs (inlined twice, the ingress program is beyond the limit).
 */
__attribute__((noinline)) int cv_parse_ip(struct __sk_buff *skb, struct cv_pkt *pkt, __u32 l3)
{
	__u32 tunnel;
	__u8 *version;

	if (!pkt)
		return 0; /* never, but the verifier asks */
	tunnel = pkt->tunnel;
	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->tunnel = tunnel;
	pkt->l3 = l3;
	pkt->bytes = CV_CTX(skb, len) - l3;
	pkt->ifindex = CV_CTX(skb, ifindex);
	pkt->mark = CV_CTX(skb, mark);
	version = cv_need(skb, l3, 1);
	if (!version)
		return 0;
	if (*version >> 4 == 4)
		return cv_parse_ipv4(skb, pkt);
	if (*version >> 4 == 6)
		return cv_parse_ipv6(skb, pkt);
	return 0;
}

/* Fills of pkt only what encapsulation asks of the packet whose IP header stands at l3; proto is that of
 * the IP header itself. Returns false if there is no IP header. */
static __always_inline bool cv_peek_ip(struct __sk_buff *skb, struct cv_pkt *pkt, __u32 l3)
{
	struct iphdr *ip4 = cv_at(skb, l3, sizeof(*ip4));
	struct ipv6hdr *ip6;

	pkt->l3 = l3;
	pkt->bytes = CV_CTX(skb, len) - l3;
	pkt->mark = CV_CTX(skb, mark);
	if (!ip4)
		return false;
	if (ip4->version == 4) {
		pkt->proto = ip4->protocol;
		pkt->tos = ip4->tos;
		pkt->ttl = ip4->ttl;
		pkt->has_df = ip4->frag_off & bpf_htons(CV_IPV4_DF);
		pkt->family = 4;
		return true;
	}
	ip6 = cv_at(skb, l3, sizeof(*ip6));
	if (!ip6 || ip6->version != 6)
		return false;
	pkt->proto = ip6->nexthdr;
	pkt->tos = bpf_ntohs(*(__be16 *)ip6) >> 4;
	pkt->ttl = ip6->hop_limit;
	pkt->has_df = true;
	pkt->family = 6;
	return true;
}

static __always_inline bool cv_is_vlan_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/*
 * Finds what an Ethernet frame carries behind at most CV_MAX_VLAN_TAGS tags that are in the frame
 * itself (the outermost is usually in skb metadata already). Returns its ethertype, 0 if the frame
 * is cut off.
 */
static __always_inline __be16 cv_find_type(struct __sk_buff *skb, __u32 *l3)
{
	__be16 type = CV_CTX(skb, protocol);
	__be16 *inner;
	int i;

	*l3 = ETH_HLEN;
	for (i = 0; i < CV_MAX_VLAN_TAGS; i++) {
		if (!cv_is_vlan_tag(type))
			break;
		inner = cv_need(skb, *l3 + 2, sizeof(*inner));
		if (!inner)
			return 0;
		type = *inner;
		*l3 += 4;
	}
	return type;
}

/* Finds the IP header of an Ethernet frame. Returns the family that the ethertype says, 0 if the
 * frame carries no IP. */
static __always_inline __u8 cv_find_ip(struct __sk_buff *skb, __u32 *l3)
{
	__be16 type = cv_find_type(skb, l3);

	return type == bpf_htons(ETH_P_IP) ? 4 : type == bpf_htons(ETH_P_IPV6) ? 6 : 0;
}

/* Fills pkt from an Ethernet frame. Returns false if it carries no IP. */
static __always_inline bool cv_parse_frame(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	__u32 l3;
	__u8 family = cv_find_ip(skb, &l3);

	return family && cv_parse_ip(skb, pkt, l3) && pkt->family == family;
}

#endif
