/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the wanted state share: see culvert.h. */
#ifndef CV_STATE_H
#define CV_STATE_H

#include "culvert.h"

/* Releases the list of peers and their index. */
void cv_state_fini_peers(struct cv_state *state);

#endif
