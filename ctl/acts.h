/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Acts in words: what a change does, or would do, line by line, or as JSON. */
#ifndef CV_ACTS_H
#define CV_ACTS_H

#include "session.h"

/* From now on each act of what is committed is printed to out: "+ OBJECT NAME", "~" and "-"; with -v the
 * equivalent command of other tools below it, and culvert's own bookkeeping, which is else left out
 * unless nothing else changes. With -j one array. */
int cv_acts_print(struct cv_session *session, FILE *out, struct cv_err *err);

/* Ends that. Returns how many acts there were. */
size_t cv_acts_end(struct cv_session *session);

#endif
