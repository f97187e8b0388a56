/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The nearest of many words, looked at one after the other; of a list: cv_nearest() in culvert.h. */
#ifndef CV_NEAREST_H
#define CV_NEAREST_H

#include <stddef.h>

/* A search: word is set by who begins it, all else is zero then. */
struct cv_nearest {
	const char *word; /* borrowed */
	const char *found; /* the nearest so far, or NULL; borrowed */
	size_t distance; /* of it */
};

/* Looks at one more word. */
void cv_nearest_look(struct cv_nearest *nearest, const char *known);

#endif
