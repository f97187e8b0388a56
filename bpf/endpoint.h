/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ends of tunnels that are known, and the UDP ports that they use. */
#ifndef CV_ENDPOINT_H
#define CV_ENDPOINT_H

#include "maps.h"

/* The tunnel of that endpoint, 0 if there is none (any more). */
static __always_inline __u32 cv_endpoint_get(const struct cv_endpoint_key *key)
{
	struct cv_endpoint *endpoint = bpf_map_lookup_elem(&CV_MAP_ENDPOINTS, key);

	if (!endpoint)
		return 0;
	if (endpoint->until_ns && bpf_ktime_get_boot_ns() > endpoint->until_ns)
		return 0;
	return endpoint->tunnel;
}

/* The mode that a UDP destination port stands for. */
static __always_inline __u8 cv_mode_of_port(__u16 port)
{
	__u32 zero = 0, index = port;
	struct cv_ports *ports = bpf_map_lookup_elem(&CV_MAP_PORTS, &zero);

	/* Kernels up to 6.12 know no limit of what a byte swap gives; to the compiler a mask of 16
	 * bits does nothing, unless it does not see where the index comes from. */
	asm volatile("" : "+r"(index));
	return ports ? ports->mode[index & 0xffff] : CV_MODE_NONE;
}

#endif
