/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pacing: earliest departure times, as the fq qdisc of the device heeds them. Nothing is held here.
 */
#ifndef CV_PACE_H
#define CV_PACE_H

#include "count.h"
#include "meter.h"

/* Not before which the packet is to leave already: TCP and SO_TXTIME give such times. What is not of
 * this clock lies far from now. */
static __always_inline __u64 cv_earliest(struct __sk_buff *skb, __u64 now)
{
	__u64 wanted = skb->tstamp;

	return wanted > now && wanted - now <= CV_PACE_HORIZON_NS ? wanted : now;
}

/* Gives the packet its time. False if it would have to wait for longer than the horizon. */
static __always_inline bool cv_pace(struct __sk_buff *skb, const struct cv_pkt *pkt, __u32 rule,
				    __u64 bytes_ps, __u32 bytes)
{
	__u64 now = bpf_ktime_get_ns(), from = cv_earliest(skb, now), wait;
	__u64 horizon = CV_PACE_HORIZON_NS << CV_TICK_BITS;
	struct cv_withdrawal want = {
		.now = from << CV_TICK_BITS,
		.cost = cv_ticks_of(bytes, bytes_ps),
		.patience = horizon - ((from - now) << CV_TICK_BITS),
		.most = horizon + cv_ticks_of(CV_MAX_PACKET, bytes_ps),
	};
	struct cv_meter *meter = cv_meter_of(rule);

	if (!meter) {
		cv_count_reason(pkt->tunnel, CV_R_METER_FULL);
		return true;
	}
	wait = cv_bucket_take(&meter->pace, &want);
	if (wait == CV_REFUSED)
		return false;
	from += wait >> CV_TICK_BITS;
	/* The helper says what clock it is, but takes only what the kernel holds for IP. */
	if (bpf_skb_set_tstamp(skb, from, BPF_SKB_TSTAMP_DELIVERY_MONO))
		skb->tstamp = from;
	return true;
}

#endif
