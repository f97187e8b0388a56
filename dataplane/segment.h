/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pair of devices on which GSO packets are segmented that the kernel does not encapsulate:
 * those of UDP and SCTP. It is there while the instance has a tunnel. See bpf/segment.h.
 */
#ifndef CV_SEGMENT_H
#define CV_SEGMENT_H

#include "plan.h"

/* Packets go into the first and their segments come out of the second. */
#define CV_SEGMENT_IN "culvert-seg"
#define CV_SEGMENT_OUT "culvert-out"

/* Makes the pair, or mends it. Tunnels work without it but for such packets: where it cannot be had
 * that is a warning, no error. */
int cv_segment_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
/* Takes it away after the last tunnel. */
int cv_segment_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

/* 0 if such packets get through, or a negative errno, and err says what is amiss. */
int cv_segment_check(struct cv_instance *inst, struct cv_err *err);

#endif
