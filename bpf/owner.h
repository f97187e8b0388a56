/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose packet is it: from a packet to its socket's owner record. Records are written by the socket
 * hooks (owner.bpf.c); here they are only read. What no record says is CV_APP_NONE, never a guess.
 */
#ifndef CV_OWNER_H
#define CV_OWNER_H

#include "closed.h"
#include "flow.h"
#include "kernel.h"
#include "local.h"
#include "maps.h"
#include "packet.h"
#include "source.h"

#define CV_SOCK_RAW 3
#define CV_TCP_FLAGS_AT 13
#define CV_TCP_SYN_ACK 0x12
#define CV_TCP_FLAGS 0x17 /* FIN, SYN, RST, ACK */

/* Takes over what a record says to the instance with that cookie. */
static __always_inline void cv_owner_take(struct cv_pkt *pkt, const struct cv_owner *owner,
					  __u8 source, __u64 netns_cookie)
{
	if (owner->netns_cookie == netns_cookie)
		pkt->app = owner->app;
	else if (owner->outer_cookie == netns_cookie)
		pkt->app = owner->outer_app;
	else
		return; /* app ids of another namespace are not ours */
	pkt->owner_source = source;
	if (source == CV_OWNER_COOKIE)
		cv_count_source(source);
}

/* The record that the socket left behind which now is in TIME_WAIT. */
static __always_inline const struct cv_owner *cv_record_of_closed(struct bpf_sock *sk)
{
	struct tcp_timewait_sock *rest = bpf_skc_to_tcp_timewait_sock(sk);
	__u64 cookie;

	if (!rest)
		return NULL;
	cookie = rest->tw_sk.__tw_common.skc_cookie.counter;
	return cv_closed_find(cookie);
}

/* The record that speaks for a socket which has none itself: a SYN-ACK and the last ACK of a
 * handshake have a request socket, whose listener owns them. */
static __always_inline const struct cv_owner *cv_record_behind(struct bpf_sock *sk, __u8 *source)
{
	struct bpf_sock *listener;

	if (sk->state == BPF_TCP_TIME_WAIT) {
		*source = CV_OWNER_COOKIE;
		return cv_record_of_closed(sk);
	}
	if (sk->state != BPF_TCP_NEW_SYN_RECV)
		return NULL;
	*source = CV_OWNER_LISTEN;
	listener = bpf_get_listener_sock(sk);
	return listener ? bpf_sk_storage_get(&CV_MAP_OWNERS, listener, NULL, 0) : NULL;
}

/* The record of any socket, NULL without one. *source: how it is known. */
static __always_inline const struct cv_owner *cv_record_of(struct bpf_sock *sk, __u8 *source)
{
	/* Of what is not a full socket the helper says that it has none. */
	const struct cv_owner *owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);

	if (!owner)
		return cv_record_behind(sk, source);
	*source = owner->source;
	return owner;
}

/* Fills the tuple as the helper wants it for a packet that arrives; returns its size. */
static __always_inline __u32 cv_tuple(const struct cv_pkt *pkt, struct bpf_sock_tuple *tuple)
{
	if (pkt->family == 4) {
		tuple->ipv4.saddr = pkt->src[0];
		tuple->ipv4.daddr = pkt->dst[0];
		tuple->ipv4.sport = bpf_htons(pkt->sport);
		tuple->ipv4.dport = bpf_htons(pkt->dport);
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, pkt->src, sizeof(pkt->src));
	__builtin_memcpy(tuple->ipv6.daddr, pkt->dst, sizeof(pkt->dst));
	tuple->ipv6.sport = bpf_htons(pkt->sport);
	tuple->ipv6.dport = bpf_htons(pkt->dport);
	return sizeof(tuple->ipv6);
}

/* The same for the packet that this one answers. */
static __always_inline __u32 cv_tuple_turned(const struct cv_pkt *pkt, struct bpf_sock_tuple *tuple)
{
	if (pkt->family == 4) {
		tuple->ipv4.saddr = pkt->dst[0];
		tuple->ipv4.daddr = pkt->src[0];
		tuple->ipv4.sport = bpf_htons(pkt->dport);
		tuple->ipv4.dport = bpf_htons(pkt->sport);
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, pkt->dst, sizeof(pkt->dst));
	__builtin_memcpy(tuple->ipv6.daddr, pkt->src, sizeof(pkt->src));
	tuple->ipv6.sport = bpf_htons(pkt->dport);
	tuple->ipv6.dport = bpf_htons(pkt->sport);
	return sizeof(tuple->ipv6);
}

static __always_inline bool cv_is_syn_ack(struct __sk_buff *skb, const struct cv_pkt *pkt)
{
	__u8 *flags = cv_need(skb, pkt->l4 + CV_TCP_FLAGS_AT, sizeof(*flags));

	return flags && (*flags & CV_TCP_FLAGS) == CV_TCP_SYN_ACK;
}

/*
 * TCP that the kernel sends without the socket that it speaks for, which is looked up: a SYN cookie
 * belongs to the listener that its SYN was for, and on older kernels the ACK from TIME_WAIT is such a
 * packet, too. A forwarded one, which came in by some device, is nobody's, even if somebody here
 * listens on its port. A global function, as all here that few packets come to, see cv_parse_ip().
 * Returns 0.
 */
__attribute__((noinline)) int cv_owner_of_answer(struct __sk_buff *skb, struct cv_pkt *pkt,
						 __u64 netns_cookie)
{
	struct bpf_sock_tuple tuple = {};
	const struct cv_owner *owner = NULL;
	__u8 source = CV_OWNER_COOKIE;
	struct bpf_sock *sk;
	bool is_syn_ack;
	__u32 size;

	if (!pkt || !pkt->has_ports || CV_CTX(skb, ingress_ifindex))
		return 0;
	is_syn_ack = cv_is_syn_ack(skb, pkt);
	size = cv_tuple_turned(pkt, &tuple);
	sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	if (sk->state == BPF_TCP_TIME_WAIT) {
		owner = cv_record_of_closed(sk);
	} else if (sk->state == BPF_TCP_LISTEN && is_syn_ack) {
		owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);
		source = CV_OWNER_LISTEN;
	}
	if (owner)
		cv_owner_take(pkt, owner, source, netns_cookie);
	if (pkt->owner_source == CV_OWNER_LISTEN)
		cv_count_source(CV_OWNER_LISTEN);
	bpf_sk_release(sk);
	return 0;
}

/* True if the socket may be one of the kernel's own, which answers for others. */
static __always_inline bool cv_may_be_control(struct bpf_sock *sk)
{
	return sk->state == BPF_TCP_CLOSE && sk->family == CV_AF_INET;
}

/* On the way out: a packet carries its socket until it is received. */
static __always_inline void cv_owner_of_sender(struct __sk_buff *skb, struct cv_pkt *pkt,
					       __u64 netns_cookie)
{
	const struct cv_owner *owner = NULL;
	struct bpf_sock *sk = skb->sk;
	__u8 source;

	if (sk)
		owner = cv_record_of(sk, &source);
	if (owner)
		cv_owner_take(pkt, owner, source, netns_cookie);
	else if (pkt->proto == IPPROTO_TCP && (!sk || cv_may_be_control(sk)))
		cv_owner_of_answer(skb, pkt, netns_cookie);
}

/* True if the packet is not for the socket that was found: one that is bound to no address is found
 * for what this host only forwards, too. */
static __always_inline bool cv_is_passing_by(struct __sk_buff *skb, const struct cv_pkt *pkt,
					     struct bpf_sock *sk)
{
	if (sk->src_ip4)
		return false;
	if (pkt->family == 6 && sk->src_ip6[0] | sk->src_ip6[1] | sk->src_ip6[2] | sk->src_ip6[3])
		return false;
	return !cv_is_local(skb, pkt);
}

static __always_inline void cv_owner_by_tcp(struct __sk_buff *skb, struct cv_pkt *pkt,
					    __u64 netns_cookie)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = cv_tuple(pkt, &tuple);
	const struct cv_owner *owner;
	struct bpf_sock *sk;
	__u8 source;

	sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return;
	owner = cv_record_of(sk, &source);
	if (owner && !cv_is_passing_by(skb, pkt, sk))
		cv_owner_take(pkt, owner, source, netns_cookie);
	bpf_sk_release(sk);
}

static __always_inline void cv_owner_by_udp(struct __sk_buff *skb, struct cv_pkt *pkt,
					    __u64 netns_cookie)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = cv_tuple(pkt, &tuple);
	const struct cv_owner *owner;
	struct bpf_sock *sk;

	sk = bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return;
	owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);
	if (owner && !cv_is_passing_by(skb, pkt, sk))
		cv_owner_take(pkt, owner, owner->source, netns_cookie);
	bpf_sk_release(sk);
}

/*
 * A packet from another network namespace that was not received since: at the host's end of a
 * container's cable its socket is still on it. Only what our apps with `netns` say of that socket
 * counts. Returns 0.
 */
__attribute__((noinline)) int cv_owner_of_stranger(struct __sk_buff *skb, struct cv_pkt *pkt,
						   __u64 netns_cookie)
{
	struct bpf_sock *sk = skb->sk;
	const struct cv_owner *owner;
	__u8 source;

	if (!pkt || !sk)
		return 0;
	owner = cv_record_of(sk, &source);
	if (owner && owner->netns_cookie != netns_cookie && owner->outer_app != CV_APP_NONE)
		cv_owner_take(pkt, owner, source, netns_cookie);
	return 0;
}

/* What only a packet before it can tell: a later fragment, or the answer to a ping. Returns 0. */
__attribute__((noinline)) int cv_owner_by_flow(struct __sk_buff *skb, struct cv_pkt *pkt)
{
	struct cv_flow_key key = {};

	if (!pkt)
		return 0;
	if (pkt->is_later)
		cv_flow_of_fragment(pkt, &key);
	else if (!cv_has_icmp(pkt) || !cv_flow_of_ping(skb, pkt, true, &key))
		return 0;
	pkt->app = cv_flow_recall(&key);
	if (pkt->app == CV_APP_NONE)
		return 0;
	pkt->owner_source = CV_OWNER_FLOW;
	cv_count_source(CV_OWNER_FLOW);
	return 0;
}

/* Remembers whose the first fragment of a packet is. Returns 0. */
__attribute__((noinline)) int cv_note_fragment(const struct cv_pkt *pkt)
{
	struct cv_flow_key key = {};

	if (!pkt)
		return 0;
	cv_flow_of_fragment(pkt, &key);
	cv_flow_note(&key, pkt);
	return 0;
}

/* Remembers who sent an ICMP message that asks for an answer. Returns 0. */
__attribute__((noinline)) int cv_note_ping(struct __sk_buff *skb, struct cv_pkt *pkt,
					   __u64 netns_cookie)
{
	struct cv_flow_key key = {};

	if (!pkt || !cv_flow_of_ping(skb, pkt, false, &key))
		return 0;
	cv_owner_of_sender(skb, pkt, netns_cookie);
	cv_flow_note(&key, pkt);
	return 0;
}

/* On the way in: the socket that will receive the packet is looked up. */
static __always_inline void cv_owner_of_receiver(struct __sk_buff *skb, struct cv_pkt *pkt,
						 __u64 netns_cookie)
{
	if (skb->sk)
		cv_owner_of_stranger(skb, pkt, netns_cookie);
	if (pkt->app != CV_APP_NONE)
		return;
	if (pkt->has_ports && pkt->proto == IPPROTO_TCP)
		cv_owner_by_tcp(skb, pkt, netns_cookie);
	else if (pkt->has_ports && pkt->proto == IPPROTO_UDP)
		cv_owner_by_udp(skb, pkt, netns_cookie);
	else
		cv_owner_by_flow(skb, pkt);
	if (pkt->is_fragment && !pkt->is_later)
		cv_note_fragment(pkt);
}

/* True if the packet's socket may be one that pings: a ping socket or a raw one. */
static __always_inline bool cv_may_ping(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	return sk && (sk->protocol == IPPROTO_ICMP || sk->protocol == IPPROTO_ICMPV6 ||
		      sk->type == CV_SOCK_RAW);
}

#endif
