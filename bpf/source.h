/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting how owners are known. */
#ifndef CV_SOURCE_H
#define CV_SOURCE_H

#include "maps.h"

/* Counts a record that was written, or a packet that was told without one on its socket. */
static __always_inline void cv_count_source(__u32 source)
{
	__u64 *count = bpf_map_lookup_elem(&CV_MAP_SOURCES, &source);

	if (count)
		(*count)++;
}

#endif
