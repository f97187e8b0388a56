/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The journal: a file STATE/ns-COOKIE/change that is there while a change is made. If its writer dies,
 * it stays, and tells the next one. Which state stands then is told by state.yaml, whose rename is
 * the turn of a change (converge.c): before it the old state works, and behind it the new one.
 */
#ifndef CV_JOURNAL_H
#define CV_JOURNAL_H

#include "instance.h"

/* Begins a change; what: the command that makes it. */
int cv_journal_begin(const struct cv_instance *inst, const char *what, struct cv_err *err);
/* The change is done or undone. */
int cv_journal_end(const struct cv_instance *inst, struct cv_err *err);
/* The change is made. That it goes on being noted as one that is not would only mislead: it is warned of. */
void cv_journal_done(const struct cv_instance *inst);

#endif
