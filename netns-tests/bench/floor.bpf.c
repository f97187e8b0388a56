// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The least that a flow cache can take in the live path: the parser, one line of memory that is
 * compared, has the count in it and says what to do; and nothing else. It has no rules: a packet that
 * it does not know gets a line for nothing.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "../../bpf/packet.h"

struct floor_line {
	__be32 src;
	__be32 dst;
	__u32 ports;
	__u32 mark;
	__u64 packets;
	__u64 bytes;
	__u64 proto;
	__u8 pad[24];
};
_Static_assert(sizeof(struct floor_line) == 64, "a line is a cache line");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CV_CACHE_LINES);
	__type(key, __u32);
	__type(value, struct floor_line);
} floor_lines SEC(".maps");

SEC("tc")
int floor_ingress(struct __sk_buff *skb)
{
	struct floor_line *line;
	struct cv_pkt pkt = {};
	__u32 ports, at;

	if (!cv_parse_frame(skb, &pkt))
		return TC_ACT_UNSPEC;
	ports = (__u32)pkt.sport << 16 | pkt.dport;
	at = cv_tuple_hash4(pkt.src[0], pkt.dst[0], ports, pkt.proto) >> (64 - CV_CACHE_BITS);
	line = bpf_map_lookup_elem(&floor_lines, &at);
	if (!line)
		return TC_ACT_SHOT;
	if (line->src != pkt.src[0] || line->dst != pkt.dst[0] || line->ports != ports ||
	    line->proto != pkt.proto) {
		line->src = pkt.src[0];
		line->dst = pkt.dst[0];
		line->ports = ports;
		line->proto = pkt.proto;
		line->mark = at;
	}
	line->packets++;
	line->bytes += pkt.bytes;
	skb->mark = line->mark;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
