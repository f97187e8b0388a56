/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a lookup is measured with: a rule set, as the compiler makes it, its oracle, and packets. */
#ifndef CV_WORKLOAD_H
#define CV_WORKLOAD_H

#include "compiler/rules.h"
#include "index.h"
#include "ruleset.h"
#include "trace.h"

struct workload {
	struct ruleset set;
	struct cv_rules rules;
	struct index index; /* the oracle of rules */
	struct trace trace;
};

/* Makes *workload, which is zero; it is held as long as the process lives. Returns 0, or -ENOMEM. */
int workload_make(struct workload *workload, const struct ruleset_conf *conf, enum trace_kind kind,
		  size_t packets);

#endif
