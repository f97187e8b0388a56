// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Iterators over the sockets of a network namespace, with whose they are: the one in which user space
 * reads them for TCP and UDP, every one for the others. Loaded for one question, and gone with it.
 */
#define CV_USE_OWNERS

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "closed.h"
#include "kernel.h"
#include "maps.h"

#define CV_AF_INET 2
#define CV_AF_INET6 10
#define CV_IPPROTO_TCP 6
#define CV_IPPROTO_UDP 17
#define CV_TCP_TIME_WAIT 6
#define CV_TCP_LISTEN 10
#define CV_TCP_NEW_SYN_RECV 12 /* its listener stands for it */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct udp_sock;
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};
struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};
struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	struct cv_owner *value;
};
#pragma clang attribute pop

/* An IPv6 socket may hold IPv4 addresses, as ::ffff:a.b.c.d. */
static __always_inline bool cv_is_mapped(const __be32 *addr)
{
	return !addr[0] && !addr[1] && addr[2] == bpf_htonl(0xffff);
}

/* Fills the addresses of a socket, the family of which is then that of its packets. */
static __always_inline void cv_socket_addrs(struct cv_socket *out, const struct sock_common *sk)
{
	BPF_CORE_READ_INTO(&out->local, sk, skc_v6_rcv_saddr);
	BPF_CORE_READ_INTO(&out->remote, sk, skc_v6_daddr);
	out->family = 6;
	if (BPF_CORE_READ(sk, skc_family) == CV_AF_INET6 && !cv_is_mapped(out->local) &&
	    !cv_is_mapped(out->remote)) {
		out->takes_ipv4 = !BPF_CORE_READ_BITFIELD_PROBED(sk, skc_ipv6only) &&
				  !(out->local[0] | out->local[1] | out->local[2] | out->local[3]);
		return;
	}
	__builtin_memset(out->local, 0, sizeof(out->local));
	__builtin_memset(out->remote, 0, sizeof(out->remote));
	out->local[0] = BPF_CORE_READ(sk, skc_rcv_saddr);
	out->remote[0] = BPF_CORE_READ(sk, skc_daddr);
	out->family = 4;
}

/* Writes a socket. In TIME_WAIT (is_full false) others stand behind sock_common. */
static __always_inline void cv_socket_write(struct bpf_iter_meta *meta, const struct sock *sk,
					    const struct cv_owner *owner, bool is_full)
{
	const struct sock_common *common = &sk->__sk_common;
	struct cv_socket out = {};

	cv_socket_addrs(&out, common);
	out.local_port = BPF_CORE_READ(common, skc_num);
	out.remote_port = bpf_ntohs(BPF_CORE_READ(common, skc_dport));
	out.ifindex = BPF_CORE_READ(common, skc_bound_dev_if);
	out.is_listener = BPF_CORE_READ(common, skc_state) == CV_TCP_LISTEN;
	out.proto = is_full ? BPF_CORE_READ(sk, sk_protocol) : CV_IPPROTO_TCP;
	out.mark = is_full ? BPF_CORE_READ(sk, sk_mark)
			   : BPF_CORE_READ((const struct inet_timewait_sock *)sk, tw_mark);
	if (owner)
		out.owner = *owner;
	bpf_seq_write(meta->seq, &out, sizeof(out));
}

/* Writes what is left of a socket in TIME_WAIT. */
static __always_inline void cv_closed_write(struct bpf_iter_meta *meta, struct sock_common *sk)
{
	const struct cv_owner *owner = cv_closed_find(sk->skc_cookie.counter);
	struct cv_owner closed = {};

	if (owner)
		closed = *owner;
	closed.source = owner ? CV_OWNER_COOKIE : CV_OWNER_NONE;
	cv_socket_write(meta, (struct sock *)sk, &closed, false);
}

SEC("iter/tcp")
int cv_iter_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;

	if (!sk || sk->skc_state == CV_TCP_NEW_SYN_RECV)
		return 0;
	if (sk->skc_state == CV_TCP_TIME_WAIT)
		cv_closed_write(ctx->meta, sk);
	else
		cv_socket_write(ctx->meta, (struct sock *)sk,
				bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0), true);
	return 0;
}

SEC("iter/udp")
int cv_iter_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *sk = ctx->udp_sk;

	if (sk)
		cv_socket_write(ctx->meta, (struct sock *)sk,
				bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0), true);
	return 0;
}

/* The kernel has no other list of raw and ping sockets. */
SEC("iter/bpf_sk_storage_map")
int cv_iter_others(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct cv_owner *owner = ctx->value;
	struct sock *sk = ctx->sk;
	__u16 family, proto;

	if (!sk || !owner)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	proto = BPF_CORE_READ(sk, sk_protocol);
	if ((family == CV_AF_INET || family == CV_AF_INET6) && proto != CV_IPPROTO_TCP &&
	    proto != CV_IPPROTO_UDP)
		cv_socket_write(ctx->meta, sk, owner, true);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
