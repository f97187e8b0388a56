/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The lock of those who change something: flock, exclusive, on BPFFS/v1. It dies with its holder, and
 * nothing is left to be cleared away. Readers take none: they look again if what they read was changed
 * meanwhile (struct cv_glance).
 */
#ifndef CV_LOCK_H
#define CV_LOCK_H

#include "instance.h"

/* Mounts the bpffs and makes the directory as needed, then waits for the lock, as long as the options
 * say; after a second the log tells for whom. Returns an fd that holds it, or a negative errno: -EBUSY
 * if somebody else holds it still. */
int cv_lock_take(const struct cv_instance *inst, struct cv_err *err);

/* Finds out who else holds the lock. False: nobody, or nobody whom this process can see. */
bool cv_lock_holder(const struct cv_instance *inst, struct cv_writer *out);

#endif
