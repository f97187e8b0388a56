/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tunnels, for the programs that encapsulate and those that decapsulate. */
#ifndef CV_TUNNEL_H
#define CV_TUNNEL_H

#include "maps.h"

/* The tunnel at that entry (CV_TUNNEL_OUT, CV_TUNNEL_IN), or NULL if there is none. */
static __always_inline const struct cv_tunnel *cv_tunnel_get(__u32 entry)
{
	__u32 zero = 0;
	void *slot = bpf_map_lookup_elem(&CV_MAP_TUNNELS, &zero);
	const struct cv_tunnel *tunnel;

	if (!slot)
		return NULL;
	tunnel = bpf_map_lookup_elem(slot, &entry);
	return tunnel && tunnel->mode != CV_MODE_NONE ? tunnel : NULL;
}

#endif
