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
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "app.h"
#include "maps.h"

#define CV_SOL_SOCKET 1
#define CV_SO_MARK 36

/* What a hook found out about a socket's user. */
struct cv_claim {
	const struct cv_app_set *set;
	__u32 app;
	__u32 mark;
	bool is_changed; /* record was missing, or of another process, or of older apps */
};

static __always_inline void cv_count_host(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&CV_MAP_HOST_DROPS, &reason);

	if (count)
		(*count)++;
}

static __always_inline bool cv_owner_is_current(const struct cv_owner *owner,
						const struct cv_app_set *set)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return owner->generation == set->generation && owner->tgid == (__u32)task->tgid &&
	       owner->exec_id == task->self_exec_id;
}

static __always_inline void cv_owner_write(struct cv_owner *owner, const struct cv_app_set *set,
					   __u64 netns_cookie, const struct cv_task *user,
					   __u32 app, __u32 mark, __u8 source)
{
	struct task_struct *task = bpf_get_current_task_btf();

	owner->app = app;
	owner->generation = set->generation;
	owner->tgid = task->tgid;
	owner->mark = mark;
	owner->netns_cookie = netns_cookie;
	owner->exec_id = task->self_exec_id;
	owner->uid = user->uid;
	owner->source = source;
}

/*
 * Brings the socket's record up to date with the current task. keep_none: also a socket of no app
 * gets a record, so that the next datagram need not ask again. *mark_before: the mark that the old
 * record had put in, *mark: the one wanted now.
 */
static __always_inline void cv_owner_refresh(struct bpf_sock *sk, const struct cv_app_set *set,
					     __u64 netns_cookie, __u8 source, bool keep_none,
					     __u32 *mark_before, __u32 *mark)
{
	struct cv_owner *owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);
	struct cv_task user = {};
	__u32 app;

	*mark_before = owner ? owner->mark : 0;
	if (owner && cv_owner_is_current(owner, set)) {
		*mark = owner->mark;
		return;
	}
	cv_app_find(set, &user, &app, mark);
	if (!owner && app == CV_APP_NONE && !keep_none)
		return;
	if (!owner)
		owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner) {
		cv_count_host(CV_R_OWNER_FULL);
		return;
	}
	cv_owner_write(owner, set, netns_cookie, &user, app, *mark, source);
}

/* The socket's mark with our bits set to the app's. Bits that a socket of no app has there are left
 * alone unless we had put them in. */
static __always_inline __u32 cv_mark_wanted(__u32 now, __u32 mask, __u32 before, __u32 mark)
{
	if (!mark && (!before || (now & mask) != before))
		return now;
	return (now & ~mask) | mark;
}

SEC("cgroup/sock_create")
int cv_sock_create(struct bpf_sock *sk)
{
	__u64 netns_cookie = bpf_get_netns_cookie(sk);
	const struct cv_app_set *set = cv_apps_of(netns_cookie);
	__u32 before, mark = 0;

	if (!set)
		return 1;
	cv_owner_refresh(sk, set, netns_cookie, CV_OWNER_CREATE, false, &before, &mark);
	if (mark)
		sk->mark = cv_mark_wanted(sk->mark, set->mark_mask, before, mark);
	return 1;
}

/* For the hooks that get a socket and an address: they run in the process that uses the socket. */
static __always_inline int cv_on_address(struct bpf_sock_addr *ctx, __u8 source, bool keep_none)
{
	__u64 netns_cookie = bpf_get_netns_cookie(ctx);
	const struct cv_app_set *set = cv_apps_of(netns_cookie);
	struct bpf_sock *sk = ctx->sk;
	__u32 before, mark = 0, now, wanted;

	if (!set || !sk)
		return 1;
	cv_owner_refresh(sk, set, netns_cookie, source, keep_none, &before, &mark);
	now = sk->mark;
	wanted = cv_mark_wanted(now, set->mark_mask, before, mark);
	if (wanted != now &&
	    bpf_setsockopt(ctx, CV_SOL_SOCKET, CV_SO_MARK, &wanted, sizeof(wanted)))
		cv_count_host(CV_R_MARK_REFUSED);
	return 1;
}

SEC("cgroup/connect4")
int cv_connect4(struct bpf_sock_addr *ctx)
{
	return cv_on_address(ctx, CV_OWNER_CONNECT, false);
}

SEC("cgroup/connect6")
int cv_connect6(struct bpf_sock_addr *ctx)
{
	return cv_on_address(ctx, CV_OWNER_CONNECT, false);
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

/* Only listen() is taken from here: in the other callbacks the current task may be anyone. */
SEC("sockops")
int cv_sockops(struct bpf_sock_ops *ctx)
{
	const struct cv_app_set *set;
	__u32 before, mark = 0, now, wanted;
	struct bpf_sock *sk;
	__u64 netns_cookie;

	if (ctx->op != BPF_SOCK_OPS_TCP_LISTEN_CB)
		return 1;
	netns_cookie = bpf_get_netns_cookie(ctx);
	set = cv_apps_of(netns_cookie);
	sk = ctx->sk;
	if (!set || !sk)
		return 1;
	cv_owner_refresh(sk, set, netns_cookie, CV_OWNER_LISTEN, false, &before, &mark);
	now = sk->mark;
	wanted = cv_mark_wanted(now, set->mark_mask, before, mark);
	if (wanted != now &&
	    bpf_setsockopt(ctx, CV_SOL_SOCKET, CV_SO_MARK, &wanted, sizeof(wanted)))
		cv_count_host(CV_R_MARK_REFUSED);
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
