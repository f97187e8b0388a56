/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting. Per CPU, only ever increased; readers take differences. */
#ifndef CV_COUNT_H
#define CV_COUNT_H

#include "maps.h"

/* Counts one packet of a tunnel (0: of no tunnel that is known) under a reason. */
static __always_inline void cv_count_reason(__u32 tunnel, __u32 reason)
{
	struct cv_drop_key key = { .tunnel = tunnel, .reason = reason };
	__u64 *count = bpf_map_lookup_elem(&CV_MAP_DROPS, &key);
	__u64 one = 1;

	if (count)
		(*count)++;
	else if (bpf_map_update_elem(&CV_MAP_DROPS, &key, &one, BPF_NOEXIST))
		/* Another packet on another CPU made the entry first. */
		if ((count = bpf_map_lookup_elem(&CV_MAP_DROPS, &key)))
			(*count)++;
}

/* Where a rule's packets are counted on this CPU, NULL if nowhere. */
static __always_inline struct cv_rule_stats *cv_rule_stats_of(__u32 rule_id)
{
	__u32 index = rule_id >> CV_STATS_RULES_BITS;
	__u32 cpu = bpf_get_smp_processor_id();
	void *slot = bpf_map_lookup_elem(&CV_MAP_RULE_STATS, &index);
	struct cv_stats_chunk *chunk = slot ? bpf_map_lookup_elem(slot, &cpu) : NULL;

	return chunk ? &chunk->rules[rule_id & (CV_STATS_RULES - 1)] : NULL;
}

/* The clock moves with the kernel's tick: it is asked only if that has moved since. Asking it takes
 * longer than all the rest; the tick is there to be read. */
static __always_inline void cv_count_rule(__u32 rule_id, __u32 bytes)
{
	struct cv_rule_stats *stats = cv_rule_stats_of(rule_id);
	__u64 tick = bpf_jiffies64();

	if (!stats)
		return;
	stats->packets++;
	stats->bytes += bytes;
	if (stats->tick == tick)
		return;
	stats->tick = tick;
	stats->last_ns = bpf_ktime_get_coarse_ns();
}

#ifdef CV_USE_TUNNELS
static __always_inline void cv_count_tx(__u32 tunnel, __u32 bytes)
{
	struct cv_tunnel_stats *stats = bpf_map_lookup_elem(&CV_MAP_TUNNEL_STATS, &tunnel);

	if (stats) {
		stats->tx_packets++;
		stats->tx_bytes += bytes;
	}
}

/* The same of a packet that was a part of a GSO packet until now. */
static __always_inline void cv_count_tx_segment(__u32 tunnel, __u32 bytes)
{
	struct cv_tunnel_stats *stats = bpf_map_lookup_elem(&CV_MAP_TUNNEL_STATS, &tunnel);

	if (stats) {
		stats->tx_packets++;
		stats->tx_bytes += bytes;
		stats->tx_segments++;
	}
}

static __always_inline void cv_count_rx(__u32 tunnel, __u32 bytes)
{
	struct cv_tunnel_stats *stats = bpf_map_lookup_elem(&CV_MAP_TUNNEL_STATS, &tunnel);

	if (stats) {
		stats->rx_packets++;
		stats->rx_bytes += bytes;
	}
}
#endif

#endif
