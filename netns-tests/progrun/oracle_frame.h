/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames of the oracle's packets: addresses, ports, protocol and DSCP. */
#ifndef CV_ORACLE_FRAME_H
#define CV_ORACLE_FRAME_H

#include <endian.h>
#include <linux/if_ether.h>
#include <string.h>

#include "compiler/oracle.h"
#include "frame.h"

static inline size_t put_ipv4(const struct cv_oracle_packet *packet, uint8_t *at, size_t payload)
{
	at[0] = 0x45;
	at[1] = packet->dscp << 2;
	at[3] = 20 + payload;
	at[8] = 64;
	at[9] = packet->proto;
	memcpy(at + 12, packet->src, 4);
	memcpy(at + 16, packet->dst, 4);
	return 20;
}

static inline size_t put_ipv6(const struct cv_oracle_packet *packet, uint8_t *at, size_t payload)
{
	at[0] = 0x60 | packet->dscp >> 2;
	at[1] = packet->dscp << 6;
	at[5] = payload;
	at[6] = packet->proto;
	at[7] = 64;
	memcpy(at + 8, packet->src, 16);
	memcpy(at + 24, packet->dst, 16);
	return 40;
}

#define L4_BYTES 20

static inline void put_frame(const struct cv_oracle_packet *packet, struct frame *frame)
{
	uint16_t type = htobe16(packet->family == 4 ? ETH_P_IP : ETH_P_IPV6);
	uint16_t ports[] = { htobe16(packet->sport), htobe16(packet->dport) };
	size_t at = ETH_HLEN;

	memset(frame->bytes, 0, ETH_HLEN + 40 + L4_BYTES);
	memcpy(frame->bytes + ETH_HLEN - 2, &type, sizeof(type));
	at += packet->family == 4 ? put_ipv4(packet, frame->bytes + at, L4_BYTES)
				  : put_ipv6(packet, frame->bytes + at, L4_BYTES);
	memcpy(frame->bytes + at, ports, sizeof(ports));
	frame->len = at + L4_BYTES;
}

#endif
