/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What rules have counted (abi.h: struct cv_rule_stats), by id: chunks of counters, mapped, which are
 * made when ids of theirs are used and go when none is.
 */
#ifndef CV_COUNTERS_H
#define CV_COUNTERS_H

#include "compiler/rules.h"
#include "instance.h"

struct cv_counters;

/* Makes and pins the map of chunks, before an object with it is loaded: no object knows how many CPUs
 * there are. */
int cv_counters_create(const struct cv_instance *inst, struct cv_err *err);

/* Opens what an instance has counted. */
int cv_counters_open(struct cv_counters **out, const struct cv_instance *inst, struct cv_err *err);
void cv_counters_close(struct cv_counters **counters);

/* How many chunks rules of these ids need that are missing, and how many there are that they do not. */
void cv_counters_compare(const struct cv_counters *counters, const struct cv_rules *rules,
			 int *missing, int *surplus);

/* Makes what rules of these ids need. */
int cv_counters_grow(struct cv_counters *counters, const struct cv_rules *rules,
		     struct cv_err *err);
/* Gives back what they do not need; they are the live ones. */
int cv_counters_shrink(struct cv_counters *counters, const struct cv_rules *rules,
		       struct cv_err *err);

/* Sets the counters of an id to zero. Packets that are counted meanwhile may be missed. */
void cv_counters_clear(struct cv_counters *counters, uint32_t id);

/* Adds up the CPUs, with what waits to be counted; zeros if the id has no counters. */
struct cv_rule_stats cv_counters_sum(const struct cv_counters *counters, uint32_t id);

#endif
