/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Samples: what user space is told of packets. */
#ifndef CV_EVENTS_H
#define CV_EVENTS_H

#include "arena.h"
#include "count.h"
#include "maps.h"
#include "packet.h"

/* Copies the beginning of the frame. The asm makes the compiler forget what it knows of the length, so
 * that the mask stays, which tells the verifier its bounds: Linux 6.1 does not see them in a
 * comparison of two ends by one subtraction. */
static __always_inline __u32 cv_capture(struct __sk_buff *skb, struct cv_event *event)
{
	__u32 len = CV_CTX(skb, len);

	_Static_assert(!(sizeof(event->bytes) & (sizeof(event->bytes) - 1)), "a power of 2");
	__builtin_memset(event->bytes, 0, sizeof(event->bytes));
	if (!len)
		return 0;
	if (len > sizeof(event->bytes))
		len = sizeof(event->bytes);
	asm volatile("" : "+r"(len));
	len = ((len - 1) & (sizeof(event->bytes) - 1)) + 1;
	return bpf_skb_load_bytes(skb, 0, event->bytes, len) ? 0 : len;
}

/* Tells of one packet of one_in, chosen at random. */
static __always_inline void cv_sample(struct __sk_buff *skb, const struct cv_pkt *pkt, __u64 live,
				      const struct cv_rule_cell *rule, __u32 dir, __u32 one_in)
{
	const __u8 *names = cv_cell(CV_LIVE_BANK(live), CV_NAME_CELL(rule->name));
	struct cv_event *event;

	if (!names || (one_in > 1 && bpf_get_prandom_u32() % one_in))
		return;
	event = bpf_ringbuf_reserve(&CV_MAP_EVENTS, sizeof(*event), 0);
	if (!event) {
		cv_count_reason(pkt->tunnel, CV_R_EVENT_LOST);
		return;
	}
	__builtin_memset(event, 0, offsetof(struct cv_event, bytes));
	event->time_ns = bpf_ktime_get_boot_ns();
	__builtin_memcpy(event->rule, names + CV_NAME_BYTE(rule->name), sizeof(event->rule));
	event->rule_id = rule->id;
	event->ifindex = pkt->ifindex;
	event->mark = pkt->mark;
	event->app = pkt->app;
	event->tunnel = pkt->tunnel;
	event->len_bytes = CV_CTX(skb, len);
	event->dir = dir;
	event->owner_source = pkt->owner_source;
	event->captured_bytes = cv_capture(skb, event);
	bpf_ringbuf_submit(event, 0);
}

#endif
