/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arrays that grow one by one, and double when they are full: what the kernel lists is collected so. */
#ifndef CV_ARRAY_H
#define CV_ARRAY_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

/* Adds an item of size bytes behind the count there are; *items: owned, NULL at first. -ENOMEM: what, which
 * the text names, is as it was. */
static inline int cv_array_add(void **items, size_t *count, const void *item, size_t size,
			       const char *what, struct cv_err *err)
{
	if (!(*count & (*count - 1))) {
		void *grown = reallocarray(*items, *count ? *count * 2 : 1, size);

		if (!grown)
			return cv_err_set(err, -ENOMEM, "%s: out of memory", what);
		*items = grown;
	}
	memcpy((char *)*items + *count * size, item, size);
	(*count)++;
	return 0;
}

#endif
