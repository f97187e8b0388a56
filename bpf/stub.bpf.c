// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lwt programs of single tunnels and guards: each says whose packet it is and goes on to the
 * program that all share, which is loaded once and replaced for all at once. User space loads the
 * instructions again and again, each time with another id in place of CV_STUB_ID.
 */
#define CV_USE_RULES
#define CV_USE_STUBS

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "count.h"

/* Comes back only if there is no such program: then the packet must not go on as it is. */
static __always_inline int cv_hand_over(struct __sk_buff *skb, void *programs, const __u32 shared)
{
	volatile __u32 *id = &skb->cb[0]; /* read back: the constant stands in the code once */

	*id = CV_STUB_ID;
	bpf_tail_call_static(skb, programs, shared);
	cv_count_reason(shared == CV_SHARED_TUNNEL ? CV_TUNNEL_ID(*id) : 0, CV_R_NO_PROGRAM);
	return BPF_DROP;
}

SEC("lwt_xmit")
int cv_stub_xmit(struct __sk_buff *skb)
{
	return cv_hand_over(skb, &CV_MAP_XMIT_PROGRAMS, CV_SHARED_TUNNEL);
}

SEC("lwt_in")
int cv_stub_in(struct __sk_buff *skb)
{
	return cv_hand_over(skb, &CV_MAP_IN_PROGRAMS, CV_SHARED_TUNNEL);
}

SEC("lwt_in")
int cv_stub_g_in(struct __sk_buff *skb)
{
	return cv_hand_over(skb, &CV_MAP_IN_PROGRAMS, CV_SHARED_GUARD);
}

SEC("lwt_out")
int cv_stub_g_out(struct __sk_buff *skb)
{
	return cv_hand_over(skb, &CV_MAP_OUT_PROGRAMS, CV_SHARED_GUARD);
}

char _license[] SEC("license") = "Dual BSD/GPL";
