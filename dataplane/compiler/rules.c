/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Compiled rules: see rules.h. */
#include "rules.h"

#include <stdlib.h>

#include "set.h"

void cv_rules_fini(struct cv_rules *rules)
{
	for (size_t i = 0; i < rules->set_count; i++)
		cv_compiled_set_fini(&rules->sets[i]);
	free(rules->rules);
	free(rules->matches);
	free(rules->sets);
	*rules = (struct cv_rules){ 0 };
}
