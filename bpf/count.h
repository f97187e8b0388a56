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

static __always_inline void cv_count_rule(__u32 rule_id, __u32 bytes)
{
	struct cv_rule_stats *stats = bpf_map_lookup_elem(&CV_MAP_RULE_STATS, &rule_id);

	if (stats) {
		stats->packets++;
		stats->bytes += bytes;
	}
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
