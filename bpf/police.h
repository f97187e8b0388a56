/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policing: a token bucket for a rule, or for each app or source of it. */
#ifndef CV_POLICE_H
#define CV_POLICE_H

#include "count.h"
#include "meter.h"

/* The bucket of the packet's app or source, NULL without memory. */
static __always_inline struct cv_bucket *cv_bucket_of(const struct cv_pkt *pkt, __u32 rule,
						      __u8 per)
{
	struct cv_bucket_key key = { .rule = rule };
	struct cv_bucket *bucket, fresh = {};

	if (per == CV_POLICE_APP)
		key.app = pkt->app;
	else
		__builtin_memcpy(key.src, pkt->src, sizeof(key.src));
	bucket = bpf_map_lookup_elem(&CV_MAP_BUCKETS, &key);
	if (bucket)
		return bucket;
	bpf_map_update_elem(&CV_MAP_BUCKETS, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&CV_MAP_BUCKETS, &key);
}

/*
 * Polices: true if the packet is within the rate. One that is larger than the burst passes when the
 * bucket is full, which then owes the rest: the rate holds, and no packet is too large for ever.
 */
static __always_inline bool cv_police(const struct cv_pkt *pkt, __u32 rule,
				      const struct cv_actions *actions, __u32 bytes)
{
	__u64 rate = actions->police_bytes_ps;
	__u64 burst = cv_ticks_of(actions->police_burst_bytes, rate);
	struct cv_withdrawal want = {
		.now = bpf_ktime_get_ns() << CV_TICK_BITS,
		.cost = cv_ticks_of(bytes, rate),
		.most = burst + cv_ticks_of(CV_MAX_PACKET, rate),
	};
	struct cv_bucket *bucket = NULL;
	struct cv_meter *meter;

	if (actions->police_per != CV_POLICE_RULE)
		bucket = cv_bucket_of(pkt, rule, actions->police_per);
	else if ((meter = cv_meter_of(rule)))
		bucket = &meter->police;
	if (!bucket) {
		cv_count_reason(pkt->tunnel, CV_R_METER_FULL);
		return true;
	}
	want.patience = burst > want.cost ? burst - want.cost : 0;
	return cv_bucket_take(bucket, &want) != CV_REFUSED;
}

#endif
