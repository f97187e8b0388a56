/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finding structs of an array by their names, at once however many there are. */
#ifndef CV_NAMES_H
#define CV_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CV_NAMES_NONE UINT32_MAX

struct cv_names {
	const char *first; /* borrowed: the array must stay as it is */
	size_t stride;
	uint32_t *slots; /* owned; index + 1 of a struct, 0: free */
	uint32_t mask;
	uint32_t count; /* of structs */
	uint32_t next; /* see cv_names_find_next() */
};

/* Enters count structs of stride bytes each; first is the name within the first of them. Of two with
 * one name the first is found. -ENOMEM sets no text. */
int cv_names_init(struct cv_names *names, const void *first, size_t stride, size_t count);

/* True if no two of them have one name. False if that is not so, or, next to never, not seen, or if
 * there is no memory. Looks at each name once, which with many is much quicker than to find each. */
bool cv_names_are_distinct(const void *first, size_t stride, size_t count);

/* The index of the struct of that name, CV_NAMES_NONE if there is none. */
uint32_t cv_names_find(const struct cv_names *names, const char *name);

/* The same of names that differ from each other, asked for mostly in the order of the structs: the
 * one behind the last that was found is looked at first. */
uint32_t cv_names_find_next(struct cv_names *names, const char *name);

void cv_names_fini(struct cv_names *names);

#endif
