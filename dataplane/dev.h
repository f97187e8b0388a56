/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Devices in a plan: what is wanted of each, and what there was when the plan was made. */
#ifndef CV_DEV_H
#define CV_DEV_H

#include "ledger.h"
#include "dev_side.h"

struct cv_dev_plan {
	const struct cv_dev_conf *conf; /* borrowed; NULL: nothing is wanted of it */
	char name[CV_IFNAME_MAX + 1]; /* conf may have a pattern */
	uint32_t ifindex;
	uint32_t prio;
	uint32_t handle;
	bool sets_mark; /* src_valid_mark is wanted, and 0 */
	enum cv_qdisc qdisc;
	struct cv_dev_side sides[2]; /* owned; by whether packets arrive */
	struct cv_dev was; /* what the ledger has of it; zeros: nothing */
};
void cv_dev_plan_fini(struct cv_dev_plan *dev);

/* What was read once for all devices. */
struct cv_dev_look {
	struct cv_ledger ledger;
	struct cv_qdiscs qdiscs;
};
void cv_dev_look_free(struct cv_dev_look **look);

#endif
