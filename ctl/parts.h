/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files that one state is made of: the one that the user names, and those of its folder. */
#ifndef CV_PARTS_H
#define CV_PARTS_H

#include <stddef.h>

#include "report.h"

struct cv_part {
	char *file; /* its name, as places have it; owned, as is the text */
	char *text; /* a zero follows it */
	size_t len;
};

struct cv_parts {
	struct cv_part *items; /* owned */
	size_t count;
};

/*
 * Reads a state file whole ("-": standard input) and, if its name is DIR/NAME.yaml, each DIR/NAME.d/XXX.yaml in the
 * order of their names as bytes; those that begin with a dot are passed over. Adds them to parts. Reports every
 * one that cannot be read: -EINVAL if there was one, and nothing is added then. Warns if there is nothing in them.
 */
int cv_parts_read(struct cv_parts *parts, const char *file, struct cv_report *report);
void cv_parts_fini(struct cv_parts *parts);

#endif
