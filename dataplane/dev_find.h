/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the names and patterns of a state to the devices that there are. */
#ifndef CV_DEV_FIND_H
#define CV_DEV_FIND_H

#include "instance.h"
#include "nl_link.h"

struct cv_dev_at {
	const struct cv_dev_conf *conf; /* borrowed */
	struct cv_link
		link; /* ifindex 0: there is none of that name; its name is the conf's then */
};

/* True if frames of the device have the header that the classifier reads. */
bool cv_link_has_ethernet(const struct cv_link *link);

/* In the order of the state; those that one pattern fits by name. */
struct cv_devs {
	struct cv_dev_at *items; /* owned */
	size_t count;
	size_t capacity;
};

int cv_devs_find(struct cv_instance *inst, const struct cv_state *state, struct cv_devs *out,
		 struct cv_err *err);
void cv_devs_fini(struct cv_devs *devs);

/* The confs of the devices that there are, each by its own name in place of a pattern. Allocates *out
 * (caller frees). */
int cv_devs_confs(struct cv_instance *inst, const struct cv_state *state, struct cv_dev_conf **out,
		  size_t *count, struct cv_err *err);

#endif
