/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* In what two versions of a tunnel differ, in words. */
#ifndef CV_TUNNEL_CHANGE_H
#define CV_TUNNEL_CHANGE_H

#include <stddef.h>

#include "abi.h"

/* Writes "ttl 64 -> 9, mtu 1472 -> 1400": the words of the command line, then what no word stands for.
 * Cut off where the room ends; empty if both are equal. */
void cv_tunnel_change(const struct cv_tunnel *live, const struct cv_tunnel *wanted, char *text,
		      size_t size);

#endif
