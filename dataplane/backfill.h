/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that are open already when apps change: who owns them is found out, and routed apps' marks
 * are put into them, so that established connections follow too (bpf/backfill.bpf.c).
 */
#ifndef CV_BACKFILL_H
#define CV_BACKFILL_H

#include "instance.h"

/*
 * Brings the records of all open sockets up to date with the app sets that the kernel has now, and
 * the marks of sockets of this network namespace with their records. A process that ends meanwhile is no
 * error, nor is a socket that refuses its mark: it is counted, and logged. Does nothing while no
 * hooks are attached.
 */
int cv_backfill(const struct cv_instance *inst, struct cv_err *err);

#endif
