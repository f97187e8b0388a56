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

/* The counters of this CPU behind that slot, NULL if there are none. */
static __always_inline struct cv_stats_chunk *cv_stats_of_slot(__u32 index)
{
	__u32 cpu = bpf_get_smp_processor_id();
	void *slot = bpf_map_lookup_elem(&CV_MAP_RULE_STATS, &index);

	return slot ? bpf_map_lookup_elem(slot, &cpu) : NULL;
}

/* Counts one of those that wait. A slot with the array of the first one stands empty. */
static __always_inline void cv_count_packet(struct cv_stats_chunk *first, __u64 packet)
{
	__u32 rule_id = (packet >> 32) - 1;
	__u32 index = rule_id >> CV_STATS_RULES_BITS;
	struct cv_stats_chunk *chunk = cv_stats_of_slot(index);
	struct cv_rule_stats *stats;

	if (!packet || !chunk || (index && chunk == first))
		return;
	stats = &chunk->rules[rule_id & (CV_STATS_RULES - 1)];
	stats->packets++;
	stats->bytes += (__u32)packet;
	stats->last_ns = first->waiting.last_ns;
}

/* Nothing else is moved past it. */
static __always_inline void cv_raise(__u64 *turns)
{
	__u64 before = __sync_fetch_and_add(turns, 1);

	asm volatile("" : : "r"(before) : "memory");
}

/* Counts all that wait, for others to wait in their place. Returns 0. A global function: few packets
 * come to it. The clock moves with the kernel's tick: it is asked only if that has moved since. */
__attribute__((noinline)) int cv_count_waiting(void)
{
	struct cv_stats_chunk *first = cv_stats_of_slot(0);
	__u64 tick = bpf_jiffies64();
	int i;

	if (!first)
		return 0;
	cv_raise(&first->waiting.turns);
	for (i = 0; i < CV_COUNTS_WAITING; i++) {
		cv_count_packet(first, first->waiting.packets[i]);
		first->waiting.packets[i] = 0;
	}
	first->waiting.count = 0;
	if (first->waiting.tick != tick)
		first->waiting.last_ns = bpf_ktime_get_coarse_ns();
	first->waiting.tick = tick;
	cv_raise(&first->waiting.turns);
	return 0;
}

/* Lets the packet wait to be counted. */
static __always_inline void cv_count_rule(__u32 rule_id, __u32 bytes)
{
	__u64 packet = (__u64)(rule_id + 1) << 32 | bytes, tick;
	struct cv_stats_chunk *first;

	/* One word, made now: callers have no room left on their stack for its parts. */
	asm volatile("" : "+r"(packet));
	first = cv_stats_of_slot(0);
	if (!first)
		return;
	tick = bpf_jiffies64();
	if (first->waiting.count >= CV_COUNTS_WAITING || first->waiting.tick != tick)
		cv_count_waiting();
	first->waiting.packets[first->waiting.count++ & (CV_COUNTS_WAITING - 1)] = packet;
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
