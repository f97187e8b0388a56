/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The modes: what each puts behind the outer IP header, and what it needs to be told. */
#ifndef CV_MODE_H
#define CV_MODE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "culvert.h"

/* Fills what the mode and its parameters decide: mode, key, outer protocols, the header templates
 * and hdr_len. The family is set already. */
void cv_mode_fill(const struct cv_tunnel_conf *conf, struct cv_tunnel *tunnel);

/* The address that outer packets are sent to first: the first segment of SRv6, else the remote of
 * that index. */
const struct cv_addr *cv_mode_destination(const struct cv_tunnel_conf *conf, size_t remote);
/* The address that outer packets arrive at: the SID of SRv6, else local. */
const struct cv_addr *cv_mode_arrival(const struct cv_tunnel_conf *conf);

#endif
