/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pins of maps that somebody has removed: the programs that have these maps are still there, so the maps
 * are, with all that they hold. They are pinned again before anything is made that would have others.
 */
#ifndef CV_MEND_H
#define CV_MEND_H

#include "act.h"

/* Pins what is missing again, and tells of each. What no program has any more stays away. */
int cv_mend_pins(struct cv_acts *acts, struct cv_err *err);

/* The name of a map without a pin, of those that every instance has from its beginning; NULL: none. */
const char *cv_pin_missing(const struct cv_instance *inst);

#endif
