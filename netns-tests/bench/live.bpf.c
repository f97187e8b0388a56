// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The live path for measurements: packets of a trace that enter a device as if its card had received
 * them, whatever classifies them there, and what says at another device how it did.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "live.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the loader knows how many */
	__type(key, __u32);
	__type(value, struct live_frame);
} live_trace SEC(".maps");

/* By the number in the packet: 1 + the mark that it came with; 0: it did not come. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} live_marks SEC(".maps");

__u32 live_cursor; /* index of the next packet; the loader sets it before each run */

SEC("xdp")
int live_source(struct xdp_md *ctx)
{
	__u32 at = live_cursor++;
	const struct live_frame *frame = bpf_map_lookup_elem(&live_trace, &at);
	__u64 *data = (void *)(unsigned long)ctx->data;
	int i;

	if (!frame || (void *)data + LIVE_LEN > (void *)(unsigned long)ctx->data_end)
		return XDP_ABORTED;
	for (i = 0; i < LIVE_LEN / 8; i++)
		data[i] = frame->words[i];
	return XDP_PASS;
}

SEC("tc")
int live_sink(struct __sk_buff *skb)
{
	/* u32 has no action here that marks: it leaves its class. */
	__u32 mark = skb->mark ? skb->mark : skb->tc_index, number;
	__u64 *seen;

	if (bpf_skb_load_bytes(skb, LIVE_LEN - sizeof(number), &number, sizeof(number)))
		return TC_ACT_SHOT;
	seen = bpf_map_lookup_elem(&live_marks, &number);
	if (seen)
		*seen = (__u64)mark + 1;
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
