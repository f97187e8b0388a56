/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A veth pair of our own over rtnetlink (kernel: drivers/net/veth.c). */
#ifndef CV_NL_VETH_H
#define CV_NL_VETH_H

#include <stdint.h>

#include "err.h"
#include "nl.h"

struct cv_veth {
	const char *name;
	const char *peer;
	uint32_t mtu_bytes; /* of both ends */
	/* Of the end called name: a GSO packet with more segments, or as large, is segmented before
	 * it is sent. */
	uint32_t gso_max_segs;
	uint32_t gso_max_bytes;
};

/* Makes a pair, both ends down; -EEXIST if one of the names is taken. */
int cv_veth_add(struct cv_nl *nl, const struct cv_veth *veth, struct cv_err *err);
/* Deletes the pair that the device belongs to. */
int cv_veth_del(struct cv_nl *nl, uint32_t ifindex, struct cv_err *err);
/* Brings one end up, without ARP and neighbour discovery; alias is shown by `ip link`. */
int cv_veth_up(struct cv_nl *nl, uint32_t ifindex, const char *alias, struct cv_err *err);

#endif
