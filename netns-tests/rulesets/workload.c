/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a lookup is measured with: see workload.h. */
#include "workload.h"

#include "forms.h"

#define SEED_TRACE 2

int workload_make(struct workload *workload, const struct ruleset_conf *conf, enum trace_kind kind,
		  size_t packets)
{
	int rc = ruleset_make(&workload->set, conf);

	if (!rc)
		rc = form_compiled(&workload->rules, &workload->set);
	if (!rc)
		rc = index_make(&workload->index, &workload->rules);
	if (!rc)
		rc = trace_make(&workload->trace, &workload->set, kind, packets, SEED_TRACE);
	return rc;
}
