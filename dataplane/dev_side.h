/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One side of a device, arriving or leaving: what stands there, of ours and of others, on clsact and on
 * tcx. What is ours is told by its name alone here; whether it is where the ledger says is dev.c's.
 */
#ifndef CV_DEV_SIDE_H
#define CV_DEV_SIDE_H

#include "instance.h"
#include "nl_tc.h"
#include "tcx.h"

struct cv_dev_side {
	uint32_t ifindex;
	bool ingress;
	struct cv_filters filters; /* everybody's, as packets meet them; none without clsact */
	struct cv_tcx_chain tcx; /* everybody's; met before */
	/* Our link that is pinned and attached; ids 0: there is none. Of a hidden chain only the pin is
	 * known, and no id. */
	struct cv_tcx_link link;
};

int cv_dev_side_look(const struct cv_instance *inst, uint32_t ifindex, bool ingress,
		     enum cv_qdisc qdisc, struct cv_dev_side *out, struct cv_err *err);
void cv_dev_side_fini(struct cv_dev_side *side);

const char *cv_dev_side_name(bool ingress);
/* The tc program of a side, as it is pinned in progs and called by the kernel. */
const char *cv_dev_side_program(bool ingress);

/* True if the filter has the name of ours on its side, or is another one that culvert needs. */
bool cv_filter_is_ours(const struct cv_filter *filter);
bool cv_filter_is_culverts(const struct cv_filter *filter);
/* Whoever's has that prio and handle in chain 0; NULL: none. */
const struct cv_filter *cv_dev_side_filter(const struct cv_dev_side *side, uint32_t prio,
					   uint32_t handle);
/* A filter that excludes ours from that prio, since it is of another kind or for other packets. */
const struct cv_filter *cv_dev_side_obstacle(const struct cv_dev_side *side, uint32_t prio);

/* True if that program of the chain is one of ours without a pin of ours. */
bool cv_dev_side_is_orphan(const struct cv_dev_side *side, const struct cv_tcx_program *program);

/* Where links are pinned: links/NAME of this name. */
#define CV_LINK_NAME_MAX 32
void cv_dev_side_link_name(uint32_t ifindex, bool ingress, char name[CV_LINK_NAME_MAX]);

/* Where in the chain the conf wants our program: an index, its count for the end, CV_TCX_NOWHERE if
 * the anchor is not there. */
size_t cv_dev_side_place(const struct cv_dev_side *side, const struct cv_dev_conf *conf);
/* True if our link stands where the conf does not want it. With its anchor gone it stands well. */
bool cv_dev_side_is_misplaced(const struct cv_dev_side *side, const struct cv_dev_conf *conf);

#endif
