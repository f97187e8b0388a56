/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoints: which packets that arrive belong to which tunnel, and the UDP ports they come to. */
#ifndef CV_ENDPOINT_H
#define CV_ENDPOINT_H

#include "plan.h"

/* Adds one remote that may send to the tunnel of that id in the plan, which is filled already. */
int cv_endpoint_add(struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
		    const struct cv_addr *remote, struct cv_err *err);
/* Adds all remotes of a tunnel that the configuration names. */
int cv_endpoint_plan(struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
		     struct cv_err *err);
/* Brings the list into order, each endpoint once, and reads what is live; after the last tunnel. */
int cv_endpoint_finish(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err);

int cv_endpoint_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
int cv_endpoint_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

#define CV_NS_PER_SECOND 1000000000ULL
/* CLOCK_BOOTTIME now, in ns: what programs in the kernel compare with. */
uint64_t cv_boot_ns(void);

#endif
