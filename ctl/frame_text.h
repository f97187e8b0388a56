/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a frame is, as far as its first bytes say it, for people. */
#ifndef CV_FRAME_TEXT_H
#define CV_FRAME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "culvert.h"

#define CV_FRAME_MAX 256 /* bytes that are looked at */

struct cv_frame_text {
	uint16_t ethertype; /* behind VLAN tags; 0: cut off */
	struct cv_addr src; /* family 0: no IP, or cut off */
	struct cv_addr dst;
	uint8_t proto; /* behind IPv6 extension headers that can be told */
	bool has_ports;
	uint16_t sport;
	uint16_t dport;
};

/* Reads an Ethernet frame of which the first len bytes are there. */
void cv_frame_read(struct cv_frame_text *out, const uint8_t *bytes, size_t len);

/* Writes it: "udp 10.0.0.1:53 > 10.0.0.2:1024", or "ethertype 0x806". */
void cv_frame_put(FILE *out, const struct cv_frame_text *frame);

#endif
