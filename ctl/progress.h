/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* On a terminal, one line on standard error that tells how far a change has come which takes longer than a
 * second. It is wiped out before anything else is written there. */
#ifndef CV_PROGRESS_H
#define CV_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cv_progress {
	bool is_wanted;
	bool is_shown; /* the line stands there */
	uint64_t begin_ns;
};

/* Begins anew. is_silent: nobody wants to see it. */
void cv_progress_begin(struct cv_progress *progress, bool is_silent);
/* about: what is being worked at; acts: how many changes there were so far. */
void cv_progress_show(struct cv_progress *progress, const char *about, size_t acts);
/* Wipes the line out; the next one that is shown comes again. */
void cv_progress_end(struct cv_progress *progress);

#endif
