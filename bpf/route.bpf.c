// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lwt programs of a route's guard, loaded once a guard: on the way in (what this host received)
 * and on the way out (what it received and what it sends).
 */
#define CV_USE_RULES
#define CV_USE_GUARDS

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "guard.h"

/* The one setting that is not in a map: whose program this is. Stock tools load it as 0, which is
 * no guard. */
const volatile __u32 cv_guard_id = 0;

SEC("lwt_in")
int cv_guard_in(struct __sk_buff *skb)
{
	return cv_guard_run(skb, cv_guard_id);
}

SEC("lwt_out")
int cv_guard_out(struct __sk_buff *skb)
{
	return cv_guard_run(skb, cv_guard_id);
}

char _license[] SEC("license") = "Dual BSD/GPL";
