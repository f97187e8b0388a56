// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sockets that change hands: one that was made by a process and is used by another (workers of a
 * server, descriptors passed on, a program that takes the place of the one before) gets the record
 * of who uses it. These programs run for every call that receives or sends, on any socket of the
 * host. They cannot mark the socket: accept.h does for connections that came in.
 *
 * Each is attached where the kernel has its tracepoint.
 */
#define CV_USE_APPS
#define CV_USE_OWNERS

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#include "record.h"

#define CV_AF_INET 2
#define CV_AF_INET6 10
#define CV_AF_PACKET 17

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct tcp_sock {
	__u8 bpf_sock_ops_cb_flags;
};
struct trace_event_raw_tcp_sendmsg_locked {
	int size_goal;
};
#pragma clang attribute pop

/* True if the record is of that task. Of older apps too: user space sees to open sockets when they
 * change, and this runs for every call. */
static __always_inline bool cv_is_user(const struct cv_owner *owner, struct task_struct *task)
{
	return owner->tgid == (__u32)task->tgid && owner->exec_id == cv_exec_id(task) &&
	       owner->cgroup_id == cv_cgroup_id(task) && owner->uid == task->cred->uid.val;
}

/* True if the task was no app when it was asked about last, and is the same still. */
static __always_inline bool cv_is_nobody(const struct cv_task *kept, struct task_struct *task,
					 __u64 netns_cookie)
{
	return kept && !kept->app && !kept->outer_app && kept->exec_id == task->self_exec_id &&
	       kept->netns_cookie == netns_cookie && kept->cgroup_id == cv_cgroup_id(task) &&
	       kept->uid == task->cred->uid.val && kept->gid == task->cred->gid.val &&
	       cv_comm_equal(kept->comm, task->comm);
}

/* True if accept.h sees to the mark. */
static __always_inline bool cv_is_marked_soon(struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP &&
	       BPF_CORE_READ((struct tcp_sock *)sk, bpf_sock_ops_cb_flags) &
		       BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG;
}

static __always_inline int cv_on_new_user(struct sock *sk, struct task_struct *task, __u8 source)
{
	__u32 now = sk->sk_mark;
	struct cv_change change;
	struct cv_view view;

	if (!cv_view_open(&view, sk->__sk_common.skc_net.net->net_cookie))
		return 0;
	cv_record_refresh(sk, &view, task, source, false, now, &change);
	if (cv_mark_wanted(&view, now, &change) != now && !cv_is_marked_soon(sk))
		cv_count_host(CV_R_LATE_MARK);
	return 0;
}

static __always_inline int cv_on_use(struct sock *sk, __u8 source)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u16 family = sk->__sk_common.skc_family;
	struct cv_owner *owner;
	struct cv_task *kept;

	if (family != CV_AF_INET && family != CV_AF_INET6 && family != CV_AF_PACKET)
		return 0;
	owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);
	if (owner && cv_is_user(owner, task)) {
		cv_record_confirm(owner, source);
		return 0;
	}
	kept = bpf_task_storage_get(&CV_MAP_TASKS, task, NULL, 0);
	if (!owner && cv_is_nobody(kept, task, sk->__sk_common.skc_net.net->net_cookie))
		return 0;
	/* A thread of the kernel that sends for a process does not own its socket. */
	return task->flags & CV_PF_KTHREAD ? 0 : cv_on_new_user(sk, task, source);
}

/* Arguments: socket, result, flags. */
SEC("tp_btf/sock_recv_length")
int cv_sock_recv(__u64 *ctx)
{
	return (int)ctx[1] < 0 ? 0 : cv_on_use((struct sock *)ctx[0], CV_OWNER_RECV);
}

/* What TCP sends is seen better below, where the kernel has that. */
SEC("tp_btf/sock_send_length")
int cv_sock_send(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];

	if ((int)ctx[1] < 0 || (sk->sk_protocol == IPPROTO_TCP &&
				bpf_core_type_exists(struct trace_event_raw_tcp_sendmsg_locked)))
		return 0;
	return cv_on_use(sk, CV_OWNER_SEND);
}

/* Before anything is sent. */
SEC("tp_btf/tcp_sendmsg_locked")
int cv_tcp_send(__u64 *ctx)
{
	return cv_on_use((struct sock *)ctx[0], CV_OWNER_SEND);
}

char _license[] SEC("license") = "Dual BSD/GPL";
