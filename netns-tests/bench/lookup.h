/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What lookup.bpf.c and its loader have in common. */
#ifndef CV_LOOKUP_H
#define CV_LOOKUP_H

#include <linux/types.h>

/* A packet as the parser leaves it, in one cache line. */
struct lookup_packet {
	__be32 src[4];
	__be32 dst[4];
	__u32 mark; /* of the rule that it meets; 0: none */
	__u16 sport;
	__u16 dport;
	__u8 family;
	__u8 proto;
	__u8 has_ports;
	__u8 pad[21];
};
_Static_assert(sizeof(struct lookup_packet) == 64, "a packet is a cache line");

/* A place in the calibrator's memory: where to go next. */
struct lookup_place {
	__u32 next;
	__u8 pad[60];
};
_Static_assert(sizeof(struct lookup_place) == 64, "a place is a cache line");
#define LOOKUP_PLACES 65536 /* 4 MB; power of 2 */

#endif
