/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose packet is it: from a packet to its socket's owner record. The record was written when the
 * socket was born (owner.bpf.c); here it is only read.
 */
#ifndef CV_OWNER_H
#define CV_OWNER_H

#include "maps.h"
#include "packet.h"

/* The app that owns a full socket of this network namespace, else CV_APP_NONE. */
static __always_inline __u32 cv_app_of_socket(struct bpf_sock *sk, __u64 netns_cookie)
{
	struct cv_owner *owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);

	/* A bridge leaves the socket of another namespace on a packet; its app ids are not ours. */
	if (!owner || owner->netns_cookie != netns_cookie)
		return CV_APP_NONE;
	return owner->app;
}

/* A SYN-ACK and the last ACK of a handshake have a request socket: its listener owns them. */
static __always_inline struct bpf_sock *cv_full_socket(struct bpf_sock *sk)
{
	struct bpf_sock *full = bpf_sk_fullsock(sk);

	return full ? full : bpf_get_listener_sock(sk);
}

/* On the way out the packet still carries its socket. */
static __always_inline __u32 cv_app_of_sender(struct __sk_buff *skb, __u64 netns_cookie)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return CV_APP_NONE;
	sk = cv_full_socket(sk);
	return sk ? cv_app_of_socket(sk, netns_cookie) : CV_APP_NONE;
}

/* Fills the tuple as the helper wants it; returns its size. */
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

/* On the way in the socket that will receive it is looked up. */
static __always_inline __u32 cv_app_of_receiver(struct __sk_buff *skb, const struct cv_pkt *pkt,
						__u64 netns_cookie)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk, *full;
	__u32 app = CV_APP_NONE;
	__u32 size;

	if (!pkt->has_ports)
		return CV_APP_NONE;
	size = cv_tuple(pkt, &tuple);
	if (pkt->proto == IPPROTO_TCP)
		sk = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	else if (pkt->proto == IPPROTO_UDP)
		sk = bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	else
		return CV_APP_NONE;
	if (!sk)
		return CV_APP_NONE;
	full = cv_full_socket(sk);
	if (full)
		app = cv_app_of_socket(full, netns_cookie);
	bpf_sk_release(sk);
	return app;
}

#endif
