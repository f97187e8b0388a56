/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets of traces as Ethernet frames of one size, whose last word is a number of the sender's. */
#ifndef CV_WIRE_H
#define CV_WIRE_H

#include "compiler/oracle.h"

#define WIRE_LEN 88 /* room for IPv6, a TCP header and the number; a multiple of 8 */
#define WIRE_MAC "\2\0\0\0\0\1" /* of the device that receives them, and of the sender */

void wire_frame(uint8_t frame[WIRE_LEN], const struct cv_oracle_packet *packet, uint32_t number);

#endif
