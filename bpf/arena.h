/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cells of the arena (abi.h), as programs reach them. */
#ifndef CV_ARENA_H
#define CV_ARENA_H

#include "maps.h"

/*
 * The cell, or NULL. Both lookups are a few instructions in line: programs and user space agree on
 * the size of a segment. What begins in the cell may be read up to CV_ARENA_SLACK_CELLS beyond it.
 */
static __always_inline const void *cv_cell(__u32 bank, __u32 cell)
{
	__u32 slot = (bank & (CV_ARENA_BANKS - 1)) * CV_ARENA_SEGMENTS +
		     (cell >> CV_ARENA_SEGMENT_BITS & (CV_ARENA_SEGMENTS - 1));
	__u32 zero = 0;
	void *segment = bpf_map_lookup_elem(&CV_MAP_RULES, &slot);
	const __u8 *cells = segment ? bpf_map_lookup_elem(segment, &zero) : NULL;

	if (!cells)
		return NULL;
	/* Nothing may be added ahead of the check: Linux 6.1 refuses that. */
	asm volatile("" : "+r"(cells));
	return cells + (cell & (CV_ARENA_SEGMENT_CELLS - 1)) * CV_CELL_BYTES;
}

/* The same where first is the bank's cell 0: most of what every packet reads lies in that segment, and
 * is reached by fewer instructions. */
static __always_inline const void *cv_cell_near(const void *first, __u32 bank, __u32 cell)
{
	return cell < CV_ARENA_SEGMENT_CELLS ? (const __u8 *)first + cell * CV_CELL_BYTES
					     : cv_cell(bank, cell);
}

/* The rule at a cell; NULL for cell 0. */
static __always_inline const struct cv_rule_cell *cv_rule_at(__u64 live, __u32 cell)
{
	return cell ? cv_cell(CV_LIVE_BANK(live), cell) : NULL;
}

#endif
