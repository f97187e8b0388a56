/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets for a rule set. Uniform: each in a rule drawn anew, somewhere in its space, and one of
 * twenty anywhere; no packet comes twice but by chance. Zipf: the same of a number of flows, of which
 * the one of rank k comes 1/k as often as the first.
 */
#ifndef CV_TRACE_H
#define CV_TRACE_H

#include "compiler/oracle.h"
#include "random.h"
#include "ruleset.h"

enum trace_kind { TRACE_UNIFORM, TRACE_ZIPF, TRACE_KIND_COUNT };
extern const char *const trace_kind_names[TRACE_KIND_COUNT];

#define TRACE_FLOWS 65536

struct trace {
	struct cv_oracle_packet *packets; /* owned */
	size_t count;
};

/* Makes *trace, which the caller releases. Returns 0, or -ENOMEM. */
int trace_make(struct trace *trace, const struct ruleset *set, enum trace_kind kind, size_t count,
	       uint64_t seed);
void trace_fini(struct trace *trace);

/* A packet somewhere in the rule's space. */
void trace_draw_inside(struct random *random, const struct ruleset_rule *rule,
		       struct cv_oracle_packet *packet);
/* At the edge of its space: the first or last value of some field, or the one beyond. */
void trace_draw_edge(struct random *random, const struct ruleset_rule *rule,
		     struct cv_oracle_packet *packet);
/* Anywhere. */
void trace_draw_anywhere(struct random *random, uint8_t family, struct cv_oracle_packet *packet);

#endif
