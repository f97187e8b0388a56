/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow caches of an instance: one for each CPU, behind CV_MAP_CACHES. They take a megabyte each,
 * so they are made where there are rules enough for a search to be worth remembering.
 */
#ifndef CV_CACHE_H
#define CV_CACHE_H

#include "err.h"

/* Makes those that are missing. caches_fd: the map of slots. */
int cv_caches_make(int caches_fd, struct cv_err *err);
/* Takes them all out: from then on packets search. */
int cv_caches_drop(int caches_fd, struct cv_err *err);

#endif
