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
#include <bpf/bpf_helpers.h>

#include "record.h"

#define CV_AF_INET 2
#define CV_AF_INET6 10
#define CV_AF_PACKET 17
#define CV_PF_KTHREAD 0x00200000 /* kernel: include/linux/sched.h */

/* Sockets that packets are sent by. */
static __always_inline bool cv_is_followed(const struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	return family == CV_AF_INET || family == CV_AF_INET6 || family == CV_AF_PACKET;
}

/* A thread of the kernel that sends for a process does not own its socket. */
static __always_inline int cv_on_use(struct sock *sk, __u8 source)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cv_change change;
	struct cv_view view;

	if (!cv_is_followed(sk) || task->flags & CV_PF_KTHREAD ||
	    !cv_view_open(&view, sk->__sk_common.skc_net.net->net_cookie))
		return 0;
	cv_record_refresh(sk, &view, task, source, false, sk->sk_mark, &change);
	return 0;
}

/* Arguments: socket, result, flags. */
SEC("tp_btf/sock_recv_length")
int cv_sock_recv(__u64 *ctx)
{
	return (int)ctx[1] < 0 ? 0 : cv_on_use((struct sock *)ctx[0], CV_OWNER_RECV);
}

SEC("tp_btf/sock_send_length")
int cv_sock_send(__u64 *ctx)
{
	return (int)ctx[1] < 0 ? 0 : cv_on_use((struct sock *)ctx[0], CV_OWNER_SEND);
}

/* Before anything is sent. */
SEC("tp_btf/tcp_sendmsg_locked")
int cv_tcp_send(__u64 *ctx)
{
	return cv_on_use((struct sock *)ctx[0], CV_OWNER_SEND);
}

char _license[] SEC("license") = "Dual BSD/GPL";
