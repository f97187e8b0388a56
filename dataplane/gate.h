/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gates: while an app with `gate` has no live route, what it sends is dropped (bpf/gate.bpf.c), so
 * that nothing leaves by another way than the one that is meant.
 */
#ifndef CV_GATE_H
#define CV_GATE_H

#include "plan.h"

/* The first step of a change: closes the gates of all apps that are not routed now or will not be
 * after it; a new app is known from here on. */
int cv_gate_close(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

/* The last step: only gates of apps without a route stay closed. */
int cv_gate_open(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

/* True if some gate of the host is closed, or if that cannot be told. */
bool cv_gate_is_closed(const struct cv_instance *inst);

/* Removes all gates of a network namespace that is being forgotten. */
void cv_gate_forget(const struct cv_instance *inst, uint64_t netns_cookie);

#endif
