// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Holds an app back: while its gate is closed its packets end here, after they were routed and
 * before they are encapsulated. The sender is not told: a datagram counts as sent, and TCP tries
 * again. Attached only while a gate of the host is closed.
 */
#define CV_USE_APPS
#define CV_USE_OWNERS
#define CV_USE_GATES

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "task.h"

/*
 * Both drop. A datagram's sender would be told of EPERM. TCP takes congestion here for a reason to
 * try again every half second, and to give up after some tries; of EPERM it takes no notice, and goes
 * on as if the packet was lost on the way.
 */
#define CV_GATE_DROP_EPERM 0
#define CV_GATE_DROP_CONGESTION 2
#define CV_GATE_PASS 1

SEC("cgroup_skb/egress")
int cv_gate(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct cv_gate_key key = {};
	struct cv_owner *owner;
	__u64 *dropped;

	/* Of a SYN-ACK it is the listener (kernel: __cgroup_bpf_run_filter_skb()). */
	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	owner = sk ? bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0) : NULL;
	if (!owner)
		return CV_GATE_PASS;
	key.netns_cookie = owner->netns_cookie;
	key.app = owner->app;
	dropped = bpf_map_lookup_elem(&CV_MAP_GATES, &key);
	if (!dropped)
		return CV_GATE_PASS;
	(*dropped)++;
	cv_count_host(CV_R_GATE);
	return sk->protocol == IPPROTO_TCP ? CV_GATE_DROP_EPERM : CV_GATE_DROP_CONGESTION;
}

char _license[] SEC("license") = "Dual BSD/GPL";
