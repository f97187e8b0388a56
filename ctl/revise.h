/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file that differs from what is applied in a few rules, found line by line: where its rules stand in the applied
 * text as they stand in the file, the lines that differ are all that has to be read.
 */
#ifndef CV_REVISE_H
#define CV_REVISE_H

#include "edits.h"

/*
 * Puts what the rules of the file have changed into edits, which were begun on the applied text. rules: their section in the
 * file. False if that is too much, nothing, or nothing that edits can do: the order of rules that stay, or a line
 * that is not of the form in which rules are written.
 */
bool cv_revise(struct cv_edits *edits, struct cv_line rules);

#endif
