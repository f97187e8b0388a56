/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stamp of what was applied last: which text it was, which word the rules' image had then, and
 * figures of all rules together. As long as both are what they were, a few rules can be changed without
 * looking at the others (edit.c). Who changes something else leaves a stamp that does not fit, and the
 * next change looks at everything.
 */
#ifndef CV_STAMP_H
#define CV_STAMP_H

#include "compiler/rules.h"
#include "instance.h"
#include "memo.h"

/* Of all rules. */
struct cv_figures {
	uint32_t rules;
	uint32_t matches;
	uint32_t meters; /* rules that police or pace */
	uint32_t needs[CV_NEEDS]; /* as in struct cv_rules */
};

/* Those of compiled rules. */
struct cv_figures cv_figures_of(const struct cv_rules *rules);

/* False if there is no stamp, or none of this build, of the text that stands there, and of that word. */
bool cv_stamp_read(const struct cv_instance *inst, uint64_t word, struct cv_figures *figures);

/* The same, and what the rules came to. */
bool cv_stamp_recall(const struct cv_instance *inst, uint64_t word, struct cv_figures *figures,
		     struct cv_memo *memo);

/* Stamps the text that stands there now, unless it has that stamp. memo: NULL if there is none;
 * origin: see struct cv_change; NULL, or of none: what is known of it stays. Without a stamp the
 * next change takes longer, so that it is no error if this cannot be done. */
void cv_stamp_write(const struct cv_instance *inst, uint64_t word, const struct cv_figures *figures,
		    const struct cv_memo *memo, const struct cv_origin *origin);

#endif
