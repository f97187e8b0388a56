/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Named sets: what the kernel has of them. They are compiled and put in with the rules (rule.c). */
#include <errno.h>
#include <string.h>

#include "compiler/set.h"
#include "own.h"
#include "plan.h"

int cv_set_list(struct cv_instance *inst, const struct cv_state *state, struct cv_set_info **out,
		size_t *count, struct cv_err *err)
{
	CV_FREE struct cv_set_info *infos = calloc(state->set_count + 1, sizeof(*infos));
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	int rc;

	if (!infos)
		return cv_err_set(err, -ENOMEM, "sets: out of memory");
	rc = state->set_count ? cv_live_rules(inst, &live, err) : 0;
	if (rc)
		return rc;
	for (size_t i = 0; i < state->set_count; i++) {
		const struct cv_compiled_set *set = cv_set_find(&live, state->sets[i].name);

		memcpy(infos[i].name, state->sets[i].name, sizeof(infos[i].name));
		infos[i].ranges = set ? set->number_count + set->address_count : 0;
	}
	*count = state->set_count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
