/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing a state most of whose rules are applied already. A line of a state file that is, byte by byte, the
 * line of that rule in the applied text is what would be written of it: it is copied, or found to be the same,
 * without putting the rule into words again. With a hundred thousand rules that is most of an apply.
 */
#ifndef CV_CARRY_H
#define CV_CARRY_H

#include <stdio.h>

#include "culvert.h"
#include "parts.h"

/* Writes what cv_config_write() would. applied: the text that is applied now; parts: the files that the
 * state was read from; NULL: none. */
void cv_carry_write(const struct cv_state *state, const char *applied, const struct cv_parts *parts,
		    FILE *out);

/* True if that is the text that is applied. */
bool cv_carry_is(const struct cv_state *state, const char *applied, const struct cv_parts *parts);

#endif
