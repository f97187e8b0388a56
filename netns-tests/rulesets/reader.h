/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an Ethernet frame says, read plainly and with nothing of bpf/packet.h: a second opinion, after
 * RFC 791, 8200, 4302 (AH), 792, 4443 and what culvert.8 says of fields. At most two VLAN tags and
 * six IPv6 extension headers are walked; ports, flags and types are where their bytes arrived, and
 * not in later fragments.
 */
#ifndef CV_READER_H
#define CV_READER_H

#include <stddef.h>

#include "compiler/oracle.h"

/* Fills packet, which points to quoted if it is an ICMP error that quotes an IP packet of its family.
 * What no header says (mark, device, app, tunnel) is zero in both. */
void reader_read(struct cv_oracle_packet *packet, struct cv_oracle_packet *quoted,
		 const uint8_t *frame, size_t len);

#endif
