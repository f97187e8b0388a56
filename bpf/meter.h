/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Measuring a rate: struct cv_bucket. Time, not bytes, is what is kept: when the bucket will be full
 * again. So it fills by itself, one word is all that packets on several CPUs have to agree about, and a
 * bucket that nobody knew of is full.
 */
#ifndef CV_METER_H
#define CV_METER_H

#include "maps.h"
#include "packet.h"

#define CV_NS_PER_SECOND 1000000000ULL
#define CV_BUCKET_TRIES 8
#define CV_MAX_PACKET (1 << 19) /* no packet is larger, GSO ones included */
#define CV_MAX_TICKS (1ULL << 60)

/* What one packet asks of a bucket, in ticks. */
struct cv_withdrawal {
	__u64 now;
	__u64 cost; /* of its bytes, at the rate */
	__u64 patience; /* for so long the packet may wait; a full bucket lets any packet through */
	__u64 most; /* a bucket that will be full later than that was filled at another rate */
};

#define CV_TCP_OFFSET_AT 12 /* length of the header, in the upper half of the byte */
#define CV_UDP_HEADER 8
#define CV_REFUSED (~0ULL)

/* How long bytes take at a rate, in ticks. */
static __always_inline __u64 cv_ticks_of(__u64 bytes, __u64 bytes_ps)
{
	__u64 ns;

	if (!bytes_ps)
		return CV_MAX_TICKS;
	if (bytes <= CV_MAX_PACKET)
		return (bytes * (CV_NS_PER_SECOND << CV_TICK_BITS)) / bytes_ps;
	ns = bytes * CV_NS_PER_SECOND / bytes_ps;
	return ns < CV_MAX_TICKS >> CV_TICK_BITS ? ns << CV_TICK_BITS : CV_MAX_TICKS;
}

/*
 * Takes the packet's bytes out of the bucket. Returns after how many ticks they are there, or
 * CV_REFUSED if that is too long; then nothing is taken.
 */
static __always_inline __u64 cv_bucket_take(struct cv_bucket *bucket,
					    const struct cv_withdrawal *want)
{
	__u64 seen, full;
	int i;

	for (i = 0; i < CV_BUCKET_TRIES; i++) {
		seen = *(volatile __u64 *)&bucket->full_ticks;
		full = seen;
		if (full < want->now || full - want->now > want->most)
			full = want->now;
		if (full - want->now > want->patience)
			return CV_REFUSED;
		if (__sync_val_compare_and_swap(&bucket->full_ticks, seen, full + want->cost) ==
		    seen)
			return full - want->now;
	}
	/* Others were quicker each time: they leave, and pay. */
	__sync_fetch_and_add(&bucket->full_ticks, want->cost);
	return 0;
}

/* What is measured for a rule, made if it is not there; NULL without memory. */
static __always_inline struct cv_meter *cv_meter_of(__u32 rule)
{
	struct cv_meter *meter = bpf_map_lookup_elem(&CV_MAP_METERS, &rule);
	struct cv_meter fresh = {};

	if (meter)
		return meter;
	bpf_map_update_elem(&CV_MAP_METERS, &rule, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&CV_MAP_METERS, &rule);
}

/*
 * Bytes on the wire, Ethernet header included: what tc counts. The kernel works it out for GSO packets
 * that leave; of those that GRO put together, or that came out of a tunnel, the headers of all parts
 * but the first are added here.
 */
static __always_inline __u32 cv_wire_bytes(struct __sk_buff *skb, const struct cv_pkt *pkt,
					   __u32 dir)
{
	__u32 len = CV_CTX(skb, len), wire = CV_CTX(skb, wire_len);
	__u32 parts = CV_CTX(skb, gso_segs), header = CV_UDP_HEADER;
	__u8 offset = 0;

	if (dir == CV_DIR_OUT && wire >= len)
		return wire;
	if (parts < 2)
		return len;
	if (pkt->proto == IPPROTO_TCP &&
	    !bpf_skb_load_bytes(skb, pkt->l4 + CV_TCP_OFFSET_AT, &offset, 1))
		header = (offset >> 4) * 4;
	return len + (parts - 1) * (pkt->l4 + header);
}

#endif
