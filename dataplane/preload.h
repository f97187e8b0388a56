/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The first instance of a host needs a second of the kernel's verifier for the socket hooks, and as much for
 * the programs on packets: the hooks are loaded by a thread meanwhile, and attached when it is their turn.
 */
#ifndef CV_PRELOAD_H
#define CV_PRELOAD_H

#include "object.h"

/* Begins to load the hooks that any app needs. Their maps are there when it returns. That it fails is no
 * error: they are loaded again, then, by who needs them. */
void cv_preload_begin(struct cv_instance *inst);

/* Waits for an object that was asked for and hands it over. False: there is none; it is to be loaded. */
bool cv_preload_take(struct cv_instance *inst, enum cv_object which, struct bpf_object **out);

/* Waits for the thread and closes what nobody took. */
void cv_preload_end(struct cv_instance *inst);

#endif
