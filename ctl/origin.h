/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which files a state is of, as hashes: struct cv_origin of the files that were read. */
#ifndef CV_ORIGIN_H
#define CV_ORIGIN_H

#include "culvert.h"
#include "lines.h"
#include "parts.h"

/* Zeros without memory: then states are compared. */
struct cv_origin cv_origin_of(const struct cv_parts *files);

/* The section of rules in the largest of the files, without its head, if it is in block style;
 * begin NULL: there is none. */
struct cv_line cv_origin_rules(const struct cv_parts *files);

#endif
