// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The search for a rule alone: each run takes the next packet of a trace, and which one that is hangs
 * on the rule that the one before met, so that no search begins before the last one ended. Beside
 * it the same without a search, and one load from memory that no L2 cache holds, by which machines
 * can be compared.
 */
#define CV_USE_RULES

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "../../bpf/match.h"
#include "lookup.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the loader knows how many */
	__type(key, __u32);
	__type(value, struct lookup_packet);
} lookup_trace SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LOOKUP_PLACES);
	__type(key, __u32);
	__type(value, struct lookup_place);
} lookup_places SEC(".maps");

__u32 lookup_cursor; /* index of the next packet; the loader sets it before each run */
__u32 lookup_last; /* what the search before found */
volatile __u32 lookup_zero; /* 0, which the compiler does not know */
__u64 lookup_wrong; /* packets that met another rule than they should */

static __always_inline const struct lookup_packet *next_packet(void)
{
	__u32 at = lookup_cursor + (lookup_last & lookup_zero);

	lookup_cursor++;
	return bpf_map_lookup_elem(&lookup_trace, &at);
}

static __always_inline void take_packet(struct cv_pkt *pkt, const struct lookup_packet *packet)
{
	__builtin_memcpy(pkt->src, packet->src, sizeof(pkt->src));
	__builtin_memcpy(pkt->dst, packet->dst, sizeof(pkt->dst));
	pkt->sport = packet->sport;
	pkt->dport = packet->dport;
	pkt->family = packet->family;
	pkt->proto = packet->proto;
	pkt->has_ports = packet->has_ports;
}

/* Says which rule the packet met: the cell of it, 0 for none. */
static __always_inline void met_rule(__u64 live, __u32 cell, __u32 mark)
{
	const struct cv_rule_cell *rule = cell ? cv_cell(CV_LIVE_BANK(live), cell) : NULL;

	lookup_last = rule ? rule->mark : 0;
	lookup_wrong += lookup_last != mark;
}

SEC("tc")
int lookup_rule(struct __sk_buff *skb)
{
	const struct lookup_packet *packet = next_packet();
	struct cv_pkt pkt = {};
	__u64 live;

	if (!packet || !cv_rules_current(&live))
		return TC_ACT_SHOT;
	take_packet(&pkt, packet);
	met_rule(live, cv_rule_search(skb, &pkt, live, CV_DIR_IN, 0), packet->mark);
	return TC_ACT_OK;
}

/* The same with the flow cache. */
SEC("tc")
int lookup_cached(struct __sk_buff *skb)
{
	const struct lookup_packet *packet = next_packet();
	struct cv_pkt pkt = {};
	__u64 live;

	if (!packet || !cv_rules_current(&live))
		return TC_ACT_SHOT;
	take_packet(&pkt, packet);
	met_rule(live, cv_rule_cell(skb, &pkt, live, CV_DIR_IN, 0), packet->mark);
	return TC_ACT_OK;
}

/* The same but for the search. A global function, so that the packet is filled in. */
__attribute__((noinline)) __u32 lookup_none(const struct cv_pkt *pkt, __u32 mark)
{
	return pkt ? mark | (pkt->family & lookup_zero) : 0;
}

SEC("tc")
int lookup_nothing(struct __sk_buff *skb)
{
	const struct lookup_packet *packet = next_packet();
	struct cv_pkt pkt = {};

	if (!packet)
		return TC_ACT_SHOT;
	take_packet(&pkt, packet);
	lookup_last = lookup_none(&pkt, packet->mark);
	lookup_wrong += lookup_last != packet->mark;
	return TC_ACT_OK;
}

SEC("tc")
int lookup_memory(struct __sk_buff *skb)
{
	__u32 at = lookup_last & (LOOKUP_PLACES - 1);
	const struct lookup_place *place = bpf_map_lookup_elem(&lookup_places, &at);

	lookup_last = place ? place->next : 0;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
