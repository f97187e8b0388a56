/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing a state without putting its rules into words again, which with a hundred thousand of them takes longer
 * than most of an apply: a rule that has a line of its own in the file, of the form that is written here, keeps
 * it; so does one whose line is, byte by byte, its line in the applied text.
 */
#ifndef CV_CARRY_H
#define CV_CARRY_H

#include <stdio.h>

#include "culvert.h"
#include "parts.h"

/* Writes what cv_config_write() would, or the same rules in the words of the file. applied: the
 * text that is applied now; parts: the files that the state was read from; NULL: none. */
void cv_carry_write(const struct cv_state *state, const char *applied, const struct cv_parts *parts,
		    FILE *out);

/* True if that is the text that is applied. */
bool cv_carry_is(const struct cv_state *state, const char *applied, const struct cv_parts *parts);

#endif
