// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lwt programs that all guards of routes share; the stub of a guard (stub.bpf.c) goes on to them:
 * on the way in (what this host received) and on the way out (what it received and what it sends).
 */
#define CV_USE_RULES
#define CV_USE_GUARDS

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "guard.h"

SEC("lwt_in")
int cv_guard_in(struct __sk_buff *skb)
{
	return cv_guard_run(skb, CV_CTX(skb, cb[0]));
}

SEC("lwt_out")
int cv_guard_out(struct __sk_buff *skb)
{
	return cv_guard_run(skb, CV_CTX(skb, cb[0]));
}

char _license[] SEC("license") = "Dual BSD/GPL";
