/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory for many small things that go together: taken piece by piece, given back all at once. */
#ifndef CV_POOL_H
#define CV_POOL_H

#include <stddef.h>

struct cv_pool_block;

struct cv_pool {
	struct cv_pool_block *blocks; /* the one at work first */
	size_t used; /* of it */
};

/* Memory that is good for any type, not set to anything; NULL if there is none. */
void *cv_pool_take(struct cv_pool *pool, size_t size);

/* Forgets everything that was taken; one block is kept for what comes. */
void cv_pool_reset(struct cv_pool *pool);
void cv_pool_free(struct cv_pool *pool);

#endif
