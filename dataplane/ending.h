/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether packets end at somebody's filter or program, and never come to what stands behind it. Nothing
 * is run: what can be known beforehand is read from actions and instructions, the rest is "maybe".
 */
#ifndef CV_ENDING_H
#define CV_ENDING_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#include "culvert.h"

struct cv_filter;
struct nlattr;

/* Of a filter with actions, from its options (may be NULL). One that matches some packets only ends
 * the chain for these: maybe. Of a filter with a program that has an id, that is to be asked: maybe. */
enum cv_ending cv_ending_of_filter(const struct cv_filter *filter, const struct nlattr *options);

/* Of a program on tcx, or of a direct-action one on clsact, from what it can return. Maybe if this
 * process may not read it. */
enum cv_ending cv_ending_of_program(uint32_t prog_id, bool is_tcx);

/* The same from its instructions, as the kernel has translated them. */
enum cv_ending cv_ending_of_insns(const struct bpf_insn *insns, size_t count, bool is_tcx);

#endif
