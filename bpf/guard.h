/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Guards of routes, on the hooks lwt_in and lwt_out: which packets may pass, and how many did. They
 * read packets and count; neither hook can change one.
 */
#ifndef CV_GUARD_H
#define CV_GUARD_H

#include "count.h"
#include "packet.h"

/* True if the packet's source lies in one of the guard's prefixes. */
static __always_inline bool cv_guard_has_source(struct __sk_buff *skb, const struct cv_guard *guard)
{
	__u32 words = guard->family == 4 ? 1 : 4;
	__u32 at = words == 1 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, saddr);
	__be32 src[4] = {};
	__u32 i;

	if (words == 1 ? bpf_skb_load_bytes(skb, at, src, sizeof(src[0]))
		       : bpf_skb_load_bytes(skb, at, src, sizeof(src)))
		return false;
	for (i = 0; i < CV_MAX_GUARD_SOURCES && i < guard->source_count; i++) {
		const struct cv_guard_source *source = &guard->sources[i];

		if (!((src[0] & source->mask[0]) ^ source->addr[0]) &&
		    !((src[1] & source->mask[1]) ^ source->addr[1]) &&
		    !((src[2] & source->mask[2]) ^ source->addr[2]) &&
		    !((src[3] & source->mask[3]) ^ source->addr[3]))
			return true;
	}
	return false;
}

/*
 * True if the packet was taken out of that tunnel: clsact ingress wrote the tunnel's id to tc_index
 * (0: out of none). It does so for every packet, so on its devices nobody else's number stands there;
 * on other devices it may.
 */
static __always_inline bool cv_guard_is_from(struct __sk_buff *skb, __u32 tunnel)
{
	__u32 ifindex = CV_CTX(skb, ingress_ifindex);
	__u32 tc_index = CV_CTX(skb, tc_index);
	const struct cv_dev *dev = bpf_map_lookup_elem(&CV_MAP_DEVS, &ifindex);

	return dev && dev->flags & CV_DEV_INGRESS && tc_index == tunnel;
}

/* True if all conditions of the guard hold; also if it has none. */
static __always_inline bool cv_guard_holds(struct __sk_buff *skb, const struct cv_guard *guard)
{
	__u32 mark = CV_CTX(skb, mark);

	if (guard->flags & CV_GUARD_MARK && (mark & guard->mark_mask) != guard->mark)
		return false;
	if (guard->flags & CV_GUARD_TUNNEL && !cv_guard_is_from(skb, guard->tunnel))
		return false;
	return !(guard->flags & CV_GUARD_FROM) || cv_guard_has_source(skb, guard);
}

/* The bucket of struct cv_guard_stats that a length falls into. */
static __always_inline __u32 cv_length_bucket(__u32 bytes)
{
	__u32 bucket = 0;

	while (bucket < CV_LENGTH_BUCKETS - 1 && bytes >= 64u << bucket)
		bucket++;
	return bucket;
}

static __always_inline void cv_guard_count(__u32 id, __u32 bytes)
{
	struct cv_guard_stats *stats = bpf_map_lookup_elem(&CV_MAP_GUARD_STATS, &id);

	if (!stats)
		return;
	stats->packets++;
	stats->bytes += bytes;
	stats->lengths[cv_length_bucket(bytes)]++;
}

static __always_inline void cv_guard_count_drop(__u32 id)
{
	struct cv_guard_stats *stats = bpf_map_lookup_elem(&CV_MAP_GUARD_STATS, &id);

	if (stats)
		stats->dropped++;
}

/* Decides about one packet and counts it. Returns the hook's verdict. */
static __always_inline int cv_guard_run(struct __sk_buff *skb, __u32 id)
{
	const struct cv_guard *guard = bpf_map_lookup_elem(&CV_MAP_GUARDS, &id);

	if (!guard || !guard->family) {
		cv_count_reason(0, CV_R_NO_GUARD);
		return BPF_DROP;
	}
	if (cv_guard_holds(skb, guard) == !!(guard->flags & CV_GUARD_DROP)) {
		cv_count_reason(0, CV_R_GUARD);
		cv_guard_count_drop(id);
		return BPF_DROP;
	}
	if (guard->flags & CV_GUARD_COUNT)
		cv_guard_count(id, CV_CTX(skb, len));
	return BPF_OK;
}

#endif
