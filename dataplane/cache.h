/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow caches of an instance: one for each CPU, behind CV_MAP_CACHES. They take two megabytes each,
 * so they are made when there are rules enough for a search to be worth remembering; then they stay.
 */
#ifndef CV_CACHE_H
#define CV_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "instance.h"

#define CV_CACHES_FROM 512 /* conjunctions; among fewer a search takes no longer than a look */

/* How many are missing of what so many conjunctions are worth, or, below zero, are there and not to be. */
int cv_caches_missing(const struct cv_instance *inst, size_t match_count, bool is_off);

/* Gives the instance what so many conjunctions are worth. is_off: it is to have none. */
int cv_caches_fit(const struct cv_instance *inst, size_t match_count, bool is_off,
		  struct cv_err *err);

/* Makes those that are missing. caches_fd: the map of slots. */
int cv_caches_make(int caches_fd, struct cv_err *err);
/* Takes them all out: from then on packets search. */
int cv_caches_drop(int caches_fd, struct cv_err *err);

#endif
