// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The socket-birth hooks: who opened, connected, listens on or uses a socket is found out once and
 * kept in the socket's storage; a routed app's mark goes into the socket's mark, so that the first
 * route lookup already follows it.
 *
 * One set of programs serves the whole host; the apps are looked up by the socket's network
 * namespace. Sockets of no app get a record only where a hook runs for every datagram.
 */
#define CV_USE_APPS
#define CV_USE_OWNERS

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "accept.h"
#include "closed.h"
#include "maps.h"
#include "record.h"

/* States of a TCP socket (kernel: include/net/tcp_states.h) that no TIME_WAIT comes after. */
#define CV_TCP_SYN_SENT 2
#define CV_TCP_CLOSE_WAIT 8
#define CV_TCP_LAST_ACK 9
#define CV_TCP_LISTEN 10

/* TCP and UDP sockets get their record when they are bound, connected or used: many never are. */
static __always_inline bool cv_is_recorded_later(const struct bpf_sock *sk)
{
	return sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_UDP;
}

SEC("cgroup/sock_create")
int cv_sock_create(struct bpf_sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cv_change change = {};
	struct cv_who who = {};
	struct cv_view view;

	if (!cv_view_open(&view, bpf_get_netns_cookie(sk)))
		return 1;
	if (cv_is_recorded_later(sk)) {
		cv_task_find(&view, task, &who);
		change.mark = who.mark;
	} else {
		cv_record_refresh(sk, &view, task, CV_OWNER_CREATE, false, sk->mark, &change);
	}
	if (change.mark)
		sk->mark = cv_mark_wanted(&view, sk->mark, &change);
	return 1;
}

/* A bound UDP socket can receive. */
static __always_inline int cv_on_bind(struct bpf_sock *sk)
{
	struct cv_change change;
	struct cv_view view;

	if (sk->protocol == IPPROTO_UDP && cv_view_open(&view, bpf_get_netns_cookie(sk)))
		cv_record_refresh(sk, &view, bpf_get_current_task_btf(), CV_OWNER_CREATE, false,
				  sk->mark, &change);
	return 1;
}

SEC("cgroup/post_bind4")
int cv_post_bind4(struct bpf_sock *sk)
{
	return cv_on_bind(sk);
}

SEC("cgroup/post_bind6")
int cv_post_bind6(struct bpf_sock *sk)
{
	return cv_on_bind(sk);
}

/* Puts a mark into the socket of a hook that may. */
#define CV_SET_MARK(ctx, view, now, change)                                                        \
	do {                                                                                       \
		__u32 wanted_ = cv_mark_wanted(view, now, change);                                 \
                                                                                                   \
		if (wanted_ != (now) &&                                                            \
		    bpf_setsockopt(ctx, CV_SOL_SOCKET, CV_SO_MARK, &wanted_, sizeof(wanted_)))     \
			cv_count_host(CV_R_MARK_REFUSED);                                          \
	} while (0)

/* For the hooks that get a socket and an address: they run in the process that uses the socket. */
static __always_inline int cv_on_address(struct bpf_sock_addr *ctx, __u8 source, bool keeps_none)
{
	struct bpf_sock *sk = ctx->sk;
	struct cv_change change;
	struct cv_view view;
	__u32 now;

	if (!sk || !cv_view_open(&view, bpf_get_netns_cookie(ctx)))
		return 1;
	now = sk->mark;
	cv_record_refresh(sk, &view, bpf_get_current_task_btf(), source, keeps_none, now, &change);
	CV_SET_MARK(ctx, &view, now, &change);
	return 1;
}

/* A socket that both ends have shut down is in TIME_WAIT before its process closes it: what is kept
 * there has its cookie only if it had one by then. */
static __always_inline int cv_on_connect(struct bpf_sock_addr *ctx)
{
	if (ctx->protocol == IPPROTO_TCP)
		bpf_get_socket_cookie(ctx);
	return cv_on_address(ctx, CV_OWNER_CONNECT, false);
}

SEC("cgroup/connect4")
int cv_connect4(struct bpf_sock_addr *ctx)
{
	return cv_on_connect(ctx);
}

SEC("cgroup/connect6")
int cv_connect6(struct bpf_sock_addr *ctx)
{
	return cv_on_connect(ctx);
}

SEC("cgroup/sendmsg4")
int cv_sendmsg4(struct bpf_sock_addr *ctx)
{
	return cv_on_address(ctx, CV_OWNER_SEND, true);
}

SEC("cgroup/sendmsg6")
int cv_sendmsg6(struct bpf_sock_addr *ctx)
{
	return cv_on_address(ctx, CV_OWNER_SEND, true);
}

SEC("cgroup/recvmsg4")
int cv_recvmsg4(struct bpf_sock_addr *ctx)
{
	return cv_on_address(ctx, CV_OWNER_RECV, true);
}

SEC("cgroup/recvmsg6")
int cv_recvmsg6(struct bpf_sock_addr *ctx)
{
	return cv_on_address(ctx, CV_OWNER_RECV, true);
}

/* accept() with an address asks for the peer's name, in the process that accepts. */
SEC("cgroup/getpeername4")
int cv_getpeername4(struct bpf_sock_addr *ctx)
{
	return cv_on_address(ctx, CV_OWNER_ACCEPT, false);
}

SEC("cgroup/getpeername6")
int cv_getpeername6(struct bpf_sock_addr *ctx)
{
	return cv_on_address(ctx, CV_OWNER_ACCEPT, false);
}

/* In the other callbacks the current task may be anyone. */
static __always_inline void cv_on_listen(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct cv_change change;
	struct cv_view view;
	__u32 now;

	if (!sk || !cv_view_open(&view, bpf_get_netns_cookie(ctx)))
		return;
	now = sk->mark;
	cv_record_refresh(sk, &view, bpf_get_current_task_btf(), CV_OWNER_LISTEN, false, now,
			  &change);
	CV_SET_MARK(ctx, &view, now, &change);
}

SEC("sockops")
int cv_sockops(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_TCP_LISTEN_CB)
		cv_on_listen(ctx);
	else if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		cv_accept_begin(ctx);
	else if (ctx->op == BPF_SOCK_OPS_HDR_OPT_LEN_CB)
		cv_accept_mark(ctx);
	return 1;
}

static __always_inline bool cv_may_wait(const struct bpf_sock *sk)
{
	return sk->protocol == IPPROTO_TCP && sk->dst_port && sk->state != CV_TCP_SYN_SENT &&
	       sk->state != CV_TCP_CLOSE_WAIT && sk->state != CV_TCP_LAST_ACK &&
	       sk->state != CV_TCP_LISTEN;
}

SEC("cgroup/sock_release")
int cv_sock_release(struct bpf_sock *sk)
{
	struct cv_owner *owner;

	if (!cv_may_wait(sk))
		return 1;
	owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);
	if (!owner || (!owner->app && !owner->outer_app))
		return 1;
	cv_closed_keep(bpf_get_socket_cookie(sk), owner);
	return 1;
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	void *sk;
	struct cv_owner *value;
};
#pragma clang attribute pop

/* Writes the owner record of every open socket that has one; user space counts them. */
SEC("iter/bpf_sk_storage_map")
int cv_iter_owners(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct cv_owner *owner = ctx->value;

	if (ctx->sk && owner)
		bpf_seq_write(ctx->meta->seq, owner, sizeof(*owner));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
