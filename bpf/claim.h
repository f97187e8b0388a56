/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose a packet is that arrives: reads the outer and the tunnel header of every mode, and finds the
 * tunnel with these ends and this key. Looks only; decap.h acts.
 */
#ifndef CV_CLAIM_H
#define CV_CLAIM_H

#include "endpoint.h"
#include "gre.h"
#include "packet.h"
#include "udp.h"

/* What decapsulation found. */
struct cv_arrival {
	__u32 tunnel; /* 0: not claimed by any */
	__u32 strip; /* bytes from the outer IP header to the inner one */
	__u32 end; /* offset at which the outer packet ends by its own length */
	__u32 payload_end; /* the same, or the end of its UDP datagram: the inner packet ends there */
	__u8 inner_family;
	__u8 outer_family;
	__u8 outer_tos;
	__u8 outer_ttl;
	bool has_ethernet; /* an Ethernet header stands before the inner packet */
	__u8 pad[3]; /* all of it must be written where a global function may read it (kernel 6.1) */
};

#define CV_IPV4_MAX_HEADER 60
#define CV_IPV4_HEADER_MASK 63 /* the next power of 2, less 1 */
#define CV_IPV4_MAX_OPTIONS 40
#define CV_IPV4_OPT_END 0
#define CV_IPV4_OPT_NOP 1
#define CV_IPV4_OPT_LSRR 131 /* loose source route */
#define CV_IPV4_OPT_SSRR 137 /* strict source route */

static __always_inline __u8 cv_family_of_ethertype(__be16 type)
{
	return type == bpf_htons(ETH_P_IP) ? 4 : type == bpf_htons(ETH_P_IPV6) ? 6 : 0;
}

static __always_inline __u8 cv_family_of_proto(__u8 proto)
{
	return proto == IPPROTO_IPIP ? 4 : proto == IPPROTO_IPV6 ? 6 : 0;
}

static __always_inline int cv_read_gre(struct __sk_buff *skb, __u32 at, struct cv_endpoint_key *key,
				       struct cv_arrival *arrival)
{
	struct cv_gre *gre = cv_need(skb, at, CV_GRE_BASE_LEN);

	if (!gre)
		return CV_R_DECAP_HEADER;
	if (gre->flags & bpf_htons(CV_GRE_FLAGS_REFUSED))
		return CV_R_DECAP_GRE_FLAGS;
	arrival->inner_family = cv_family_of_ethertype(gre->proto);
	if (!arrival->inner_family)
		return CV_R_DECAP_HEADER;
	arrival->strip += CV_GRE_BASE_LEN;
	if (!(gre->flags & bpf_htons(CV_GRE_FLAG_KEY)))
		return CV_R_OK;
	gre = cv_need(skb, at, CV_GRE_BASE_LEN + CV_GRE_KEY_LEN);
	if (!gre)
		return CV_R_DECAP_HEADER;
	key->key = gre->key;
	key->has_key = 1;
	arrival->strip += CV_GRE_KEY_LEN;
	return CV_R_OK;
}

/* An IP header that stands right behind the UDP header: FOU, and GUE variant 1. */
static __always_inline int cv_read_bare_ip(struct __sk_buff *skb, __u32 at,
					   struct cv_arrival *arrival)
{
	__u8 *version = cv_need(skb, at, 1);

	if (!version || (*version >> 4 != 4 && *version >> 4 != 6))
		return CV_R_DECAP_HEADER;
	arrival->inner_family = *version >> 4;
	return CV_R_OK;
}

static __always_inline int cv_read_gue(struct __sk_buff *skb, __u32 at, struct cv_arrival *arrival)
{
	struct cv_gue *gue = cv_need(skb, at, sizeof(*gue));

	if (!gue)
		return CV_R_DECAP_HEADER;
	if (gue->version >> CV_GUE_VARIANT_SHIFT == 1)
		return cv_read_bare_ip(skb, at, arrival);
	if (gue->version || gue->flags)
		return CV_R_DECAP_GUE;
	arrival->inner_family = cv_family_of_proto(gue->proto);
	arrival->strip += sizeof(*gue);
	return arrival->inner_family ? CV_R_OK : CV_R_DECAP_HEADER;
}

/* The Ethernet header inside. One that carries no IP is ours all the same: it is dropped later. */
static __always_inline int cv_read_ethernet(struct __sk_buff *skb, __u32 at,
					    struct cv_arrival *arrival)
{
	struct ethhdr *eth = cv_need(skb, at, sizeof(*eth));

	if (!eth)
		return CV_R_DECAP_HEADER;
	arrival->inner_family = cv_family_of_ethertype(eth->h_proto);
	arrival->has_ethernet = true;
	arrival->strip += sizeof(*eth);
	return CV_R_OK;
}

static __always_inline int cv_read_vxlan(struct __sk_buff *skb, __u32 at,
					 struct cv_endpoint_key *key, struct cv_arrival *arrival)
{
	struct cv_vxlan *vxlan = cv_need(skb, at, sizeof(*vxlan));

	if (!vxlan)
		return CV_R_DECAP_HEADER;
	/* Like the kernel's device, and unlike RFC 7348: extensions that are not known are not
	 * ignored. */
	if (vxlan->flags != bpf_htonl(CV_VXLAN_FLAGS) || vxlan->vni & bpf_htonl(~CV_VNI_MASK))
		return CV_R_DECAP_VXLAN;
	key->key = vxlan->vni;
	key->has_key = 1;
	arrival->strip += sizeof(*vxlan);
	return cv_read_ethernet(skb, at + sizeof(*vxlan), arrival);
}

static __always_inline int cv_read_geneve(struct __sk_buff *skb, __u32 at,
					  struct cv_endpoint_key *key, struct cv_arrival *arrival)
{
	struct cv_geneve *geneve = cv_need(skb, at, sizeof(*geneve));
	__u32 len;

	if (!geneve)
		return CV_R_DECAP_HEADER;
	if (geneve->version >> CV_GENEVE_VERSION_SHIFT ||
	    geneve->flags & (CV_GENEVE_CONTROL | CV_GENEVE_CRITICAL))
		return CV_R_DECAP_GENEVE;
	len = sizeof(*geneve) + (geneve->version & CV_GENEVE_OPT_LEN) * 4;
	key->key = geneve->vni & bpf_htonl(CV_VNI_MASK);
	key->has_key = 1;
	arrival->strip += len;
	if (geneve->proto == bpf_htons(CV_ETH_P_TEB))
		return cv_read_ethernet(skb, at + len, arrival);
	arrival->inner_family = cv_family_of_ethertype(geneve->proto);
	return CV_R_OK;
}

static __always_inline int cv_read_udp(struct __sk_buff *skb, const struct cv_pkt *pkt,
				       struct cv_endpoint_key *key, struct cv_arrival *arrival)
{
	struct cv_udp *udp = cv_need(skb, pkt->l4, sizeof(*udp));
	__u32 at = pkt->l4 + sizeof(*udp);

	if (!udp)
		return CV_R_DECAP_HEADER;
	if (!CV_CTX(skb, gso_size)) {
		arrival->payload_end = pkt->l4 + bpf_ntohs(udp->len);
		if (arrival->payload_end < at || arrival->payload_end > arrival->end)
			return CV_R_DECAP_HEADER;
	}
	arrival->strip += sizeof(*udp);
	if (key->mode == CV_MODE_GUE)
		return cv_read_gue(skb, at, arrival);
	if (key->mode == CV_MODE_FOU)
		return cv_read_bare_ip(skb, at, arrival);
	if (key->mode == CV_MODE_VXLAN)
		return cv_read_vxlan(skb, at, key, arrival);
	return cv_read_geneve(skb, at, key, arrival);
}

/* Reads the tunnel header: fills the key, and strip and inner family of the arrival. Returns
 * CV_R_OK or the reason why this is no header of ours. */
static __always_inline int cv_read_payload(struct __sk_buff *skb, const struct cv_pkt *pkt,
					   struct cv_endpoint_key *key, struct cv_arrival *arrival)
{
	arrival->strip = pkt->l4 - pkt->l3;
	if (key->mode == CV_MODE_GRE)
		return cv_read_gre(skb, pkt->l4, key, arrival);
	if (pkt->proto == IPPROTO_UDP)
		return cv_read_udp(skb, pkt, key, arrival);
	arrival->inner_family = cv_family_of_proto(pkt->proto);
	return CV_R_OK;
}

/* True if the options of an IPv4 header, which end at len, have a source route: the packet may have
 * hops to come, or hide whom it came from (RFC 791 section 3.1). */
static __always_inline bool cv_has_source_route(const __u8 *header, __u32 len)
{
	__u64 at = sizeof(struct iphdr);
	int i;

	for (i = 0; i < CV_IPV4_MAX_OPTIONS; i++) {
		if (at + 2 > len || at > CV_IPV4_MAX_HEADER - 2)
			return false;
		CV_FORGET_LEAST(at, CV_IPV4_HEADER_MASK);
		if (header[at] == CV_IPV4_OPT_END)
			return false;
		if (header[at] == CV_IPV4_OPT_LSRR || header[at] == CV_IPV4_OPT_SSRR)
			return true;
		if (header[at] != CV_IPV4_OPT_NOP && header[at + 1] < 2)
			return false;
		at += header[at] == CV_IPV4_OPT_NOP ? 1 : header[at + 1];
	}
	return false;
}

/* Judges an outer IPv4 header with options, len bytes at l3: CV_R_OK or the reason to leave it
 * alone. A global function, as cv_parse_ip() is. */
__attribute__((noinline)) int cv_judge_options(struct __sk_buff *skb, __u32 l3, __u32 len)
{
	/* Room for all that the mask of a place allows, and the byte behind: Linux 6.12 knows no less. */
	__u8 header[CV_IPV4_HEADER_MASK + 5] = {};
	__s64 sum;

	if (len < sizeof(struct iphdr))
		return CV_R_DECAP_HEADER;
	barrier_var(len); /* or both are one test, of a difference */
	if (len > CV_IPV4_MAX_HEADER || bpf_skb_load_bytes(skb, l3, header, len))
		return CV_R_DECAP_HEADER;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)header, CV_IPV4_MAX_HEADER, 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if (sum != 0xffff)
		return CV_R_DECAP_HEADER;
	return cv_has_source_route(header, len) ? CV_R_DECAP_ROUTING : CV_R_OK;
}

/* This hook comes before the stack's own check of the header (RFC 1122 section 3.2.1.2). Returns
 * CV_R_OK or the reason to leave the packet alone. */
static __always_inline int cv_judge_outer(struct __sk_buff *skb, const struct cv_pkt *pkt)
{
	struct iphdr *ip;

	if (pkt->is_fragment)
		return CV_R_DECAP_FRAGMENT;
	if (pkt->is_unfinished)
		return CV_R_DECAP_ROUTING;
	if (pkt->family == 6)
		return CV_R_OK;
	if (pkt->l4 - pkt->l3 != sizeof(*ip))
		return cv_judge_options(skb, pkt->l3, pkt->l4 - pkt->l3);
	ip = cv_at(skb, pkt->l3, sizeof(*ip));
	return ip && cv_ipv4_sum(ip) == 0xffff ? CV_R_OK : CV_R_DECAP_HEADER;
}

/* The tunnel of that endpoint. A packet in IPv6 that carries IP may be IPIP or, with or without its
 * segment list, SRv6. */
static __always_inline __u32 cv_claimant(struct cv_endpoint_key *key)
{
	__u32 tunnel = cv_endpoint_get(key);

	if (tunnel || key->mode != CV_MODE_IPIP || key->family != 6)
		return tunnel;
	key->mode = CV_MODE_SRV6;
	tunnel = cv_endpoint_get(key);
	key->mode = CV_MODE_IPIP;
	return tunnel;
}

/* Why nobody claimed it: looks for its sender with any key, then for its destination. Returns
 * CV_R_OK if it has nothing to do with us. *tunnel is the one that it came nearest to. */
static __always_inline int cv_endpoint_miss(struct cv_endpoint_key *key, int near_reason,
					    __u32 *tunnel)
{
	key->key = 0;
	key->has_key = 0;
	key->kind = CV_ENDPOINT_PAIR;
	*tunnel = cv_claimant(key);
	if (*tunnel)
		return near_reason;
	__builtin_memset(key->remote, 0, sizeof(key->remote));
	key->kind = CV_ENDPOINT_LOCAL;
	*tunnel = cv_claimant(key);
	return *tunnel ? CV_R_DECAP_PEER : CV_R_OK;
}

/* Finds the tunnel that claims the packet. Returns CV_R_OK, or the reason why none does. */
static __always_inline int cv_claim(struct __sk_buff *skb, const struct cv_pkt *pkt, __u8 mode,
				    struct cv_arrival *arrival)
{
	struct cv_endpoint_key key = {
		.port = pkt->proto == IPPROTO_UDP ? pkt->dport : 0,
		.mode = mode,
		.family = pkt->family,
		.kind = CV_ENDPOINT_EXACT,
	};
	int near;

	__builtin_memcpy(key.local, pkt->dst, sizeof(key.local));
	__builtin_memcpy(key.remote, pkt->src, sizeof(key.remote));
	near = cv_judge_outer(skb, pkt);
	if (near == CV_R_OK)
		near = cv_read_payload(skb, pkt, &key, arrival);
	if (near == CV_R_OK) {
		arrival->tunnel = cv_claimant(&key);
		if (arrival->tunnel)
			return CV_R_OK;
		near = CV_R_DECAP_KEY;
	}
	return cv_endpoint_miss(&key, near, &arrival->tunnel);
}

#endif
