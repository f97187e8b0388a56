/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hooks that find out who owns a socket: which programs are attached where. They serve the whole
 * host; their links are pinned under host/links, the programs of iterators under host/progs.
 *
 *   always     socket hooks, on a cgroup: without each of them owners are wrong or not known
 *   always     what follows a socket from process to process, where the kernel has it
 *   as needed  what some apps ask for
 */
#ifndef CV_HOOKS_H
#define CV_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

#include "instance.h"

struct cv_plan;

/* What some apps ask for. */
#define CV_HOOKS_LINEAGE (1 << 0) /* what a process descends from, and what script it runs */
#define CV_HOOKS_GATE (1 << 1) /* while a gate is closed */

#define CV_MAX_HOOKS 32 /* more than there are */

/* True if all that any app needs is there. */
bool cv_hooks_are_attached(const struct cv_instance *inst);

/* Says before anything changes whether there is a cgroup to attach hooks to. */
int cv_hooks_check(const struct cv_instance *inst, struct cv_err *err);

/* Attaches the hooks that are not attached yet, those of wanted (CV_HOOKS_*) among them, beside what
 * others have attached there. Hooks of another build are replaced; at no moment there is none. */
int cv_hooks_attach(struct cv_instance *inst, const struct cv_plan *plan, uint32_t wanted,
		    struct cv_err *err);

/* Takes off the hooks that no app of the host needs any more: all of them if there is none. */
int cv_hooks_detach(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

/* A hook that should be attached and is not. */
struct cv_missing_hook {
	const char *name; /* static */
	const char *lost; /* what is not known without it; static */
	bool is_refused; /* by the kernel; else a repair attaches it */
};

/* Which are missing while the host has apps. Returns how many. */
size_t cv_hooks_missing(struct cv_instance *inst, struct cv_missing_hook out[CV_MAX_HOOKS]);

#endif
