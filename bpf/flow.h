/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that cannot be told by themselves, but by one before them: later fragments have no ports
 * to look a socket up by, and answers to a ping no socket that can be looked up. Who owned the packet
 * before is remembered for a while, as an app of this instance.
 */
#ifndef CV_FLOW_H
#define CV_FLOW_H

#include "maps.h"
#include "packet.h"

/* As long as the kernel waits for the rest of a packet. */
#define CV_FLOW_FRESH_NS 30000000000ULL

#define CV_ICMP_ECHO 8
#define CV_ICMP_ECHO_REPLY 0
#define CV_ICMPV6_ECHO 128
#define CV_ICMPV6_ECHO_REPLY 129

/* Of both families. */
struct cv_echo {
	__u8 type;
	__u8 code;
	__be16 check;
	__be16 id;
	__be16 sequence;
};

/* The key of the packet that the fragment is a part of. The protocol that IPv6 fragments name may
 * differ: behind the first one other extension headers may follow. */
static __always_inline void cv_flow_of_fragment(const struct cv_pkt *pkt, struct cv_flow_key *key)
{
	__builtin_memcpy(key->src, pkt->src, sizeof(key->src));
	__builtin_memcpy(key->dst, pkt->dst, sizeof(key->dst));
	key->id = pkt->fragment_id;
	key->kind = CV_FLOW_FRAGMENT;
	key->family = pkt->family;
	key->proto = pkt->family == 4 ? pkt->proto : 0;
}

/* The key of the echo reply that the packet is (is_reply) or asks for; false if it does not. */
static __always_inline bool cv_flow_of_ping(struct __sk_buff *skb, const struct cv_pkt *pkt,
					    bool is_reply, struct cv_flow_key *key)
{
	struct cv_echo *echo = cv_need(skb, pkt->l4, sizeof(*echo));
	__u8 type = is_reply ? CV_ICMP_ECHO_REPLY : CV_ICMP_ECHO;

	if (pkt->family == 6)
		type = is_reply ? CV_ICMPV6_ECHO_REPLY : CV_ICMPV6_ECHO;
	if (!echo || echo->type != type)
		return false;
	__builtin_memcpy(key->src, is_reply ? pkt->src : pkt->dst, sizeof(key->src));
	__builtin_memcpy(key->dst, is_reply ? pkt->dst : pkt->src, sizeof(key->dst));
	key->id = echo->id;
	key->kind = CV_FLOW_PING;
	key->family = pkt->family;
	key->proto = pkt->proto;
	return true;
}

/* Remembers whose the packet is, for those that come after it. One of no app makes forget what an
 * older one with the same key said. */
static __always_inline void cv_flow_note(const struct cv_flow_key *key, const struct cv_pkt *pkt)
{
	struct cv_flow flow = { .seen_ns = bpf_ktime_get_boot_ns(), .app = pkt->app };

	if (pkt->app == CV_APP_NONE)
		bpf_map_delete_elem(&CV_MAP_FLOWS, key);
	else
		bpf_map_update_elem(&CV_MAP_FLOWS, key, &flow, BPF_ANY);
}

/* The app that is remembered, else CV_APP_NONE. */
static __always_inline __u32 cv_flow_recall(const struct cv_flow_key *key)
{
	const struct cv_flow *flow = bpf_map_lookup_elem(&CV_MAP_FLOWS, key);

	if (!flow || bpf_ktime_get_boot_ns() - flow->seen_ns > CV_FLOW_FRESH_NS)
		return CV_APP_NONE;
	return flow->app;
}

#endif
