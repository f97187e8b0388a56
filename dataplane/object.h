/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * BPF objects: the bytes of bpf/NAME.bpf.o stand in the binary; loading one creates or reuses the
 * pinned maps of the instance and the host. This is the only file that knows the skeletons.
 */
#ifndef CV_OBJECT_H
#define CV_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "instance.h"

/* The tc programs, as pinned under PROGS. */
#define CV_PROG_INGRESS "cv_cls_ingress"
#define CV_PROG_EGRESS "cv_cls_egress"
#define CV_PROG_ITER "cv_iter_owners"
/* Walks over what is open, in the order in which they are taken (bpf/backfill.bpf.c). */
#define CV_PROG_FILES "cv_iter_files"
#define CV_PROG_FILL_TASKS "cv_fill_tasks"
#define CV_PROG_FILL_KNOWN "cv_fill_known"
#define CV_PROG_FILL_REST "cv_fill_rest"
#define CV_PROG_FILL_TCP "cv_fill_tcp"
#define CV_PROG_FILL_MARKS "cv_fill_marks"
#define CV_PROG_FILL_CHECK "cv_fill_check"
#define CV_PROG_SEGMENT "cv_cls_segment"
#define CV_PROG_XMIT "xmit" /* pins of a tunnel's lwt programs in tunnels/NAME */
#define CV_PROG_IN "in"

/* The directory that a pinned map of that name lies in. */
const char *cv_object_map_dir(const struct cv_instance *inst, const char *name);

/* Version and fingerprint of the objects in this binary: programs that another build has pinned are
 * to be replaced. Static. */
const char *cv_object_build(void);

/* Loads the tc programs and pins them, in place of those of another build, and with them all maps
 * of the instance that are not there yet. */
int cv_object_pin_classify(struct cv_instance *inst, struct cv_err *err);

/* Loads one of them once more and pins nothing. Returns its fd. */
int cv_object_load_classify(struct cv_instance *inst, const char *name, struct cv_err *err);

/* Loads the tc program that encapsulates segments and pins it, in place of one of another build; or
 * loads it only. */
int cv_object_pin_segment(struct cv_instance *inst, struct cv_err *err);
int cv_object_try_segment(struct cv_instance *inst, struct cv_err *err);

/* Objects of which single programs are loaded. */
enum cv_object {
	CV_OBJECT_OWNER,
	CV_OBJECT_REFRESH,
	CV_OBJECT_LINEAGE,
	CV_OBJECT_BACKFILL,
	CV_OBJECT_GATE,
	CV_OBJECT_SELF,
	CV_OBJECT_SOCKETS,
	CV_OBJECT_TUNNEL,
	CV_OBJECT_ROUTE,
	CV_OBJECT_STUB,
};

struct bpf_object;

#define CV_OBJECT_MAPS_ONLY "" /* name of none of them */

/* Loads one of them: all its programs, or only the one of that name, and makes its pinned maps that are not
 * there yet. *out is the caller's. Two threads may load two objects at a time, if all maps are there. */
int cv_object_load(const struct cv_instance *inst, enum cv_object which, const char *only,
		   struct bpf_object **out, struct cv_err *err);
/* Closes it; what is pinned or attached stays. */
void cv_object_close(struct bpf_object **object);

/* False on a kernel whose programs of cgroups have no task storage: 6.12, not 6.18. What a task
 * descends from, and which script it runs, is kept there. */
bool cv_object_has_task_storage(void);

/* What the user is told then. */
#define CV_NO_SCRIPTS "which script a process runs cannot be told on this kernel (on 6.18 it can)"
#define CV_NO_DESCENT                                                                              \
	"on this kernel a process descends only from those above it that still run; who has ended, or became another program, is not known (on 6.18 it is)"

#endif
