/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The devices of a state as they are now. */
#include <errno.h>
#include <string.h>

#include "dev_find.h"
#include "own.h"
#include "plan.h"

static bool is_attached(const struct cv_dev_side *side, const struct cv_dev_info *info)
{
	const struct cv_filter *filter;

	if (info->conf->tcx)
		return side->link.id;
	filter = cv_dev_side_filter(side, info->prio, info->handle);
	return filter && cv_filter_is_ours(filter);
}

static int fill_info(struct cv_instance *inst, const struct cv_dev_at *at, enum cv_qdisc qdisc,
		     struct cv_dev_info *info, struct cv_err *err)
{
	int rc = 0;

	*info = (struct cv_dev_info){
		.conf = at->conf,
		.ifindex = at->link.ifindex,
		.prio = at->conf->prio ? at->conf->prio : CV_DEFAULT_PRIO,
		.handle = at->conf->handle ? at->conf->handle : CV_DEFAULT_HANDLE,
	};
	memcpy(info->name, at->link.name, sizeof(info->name));
	for (int ingress = 0; !rc && info->ifindex && ingress <= 1; ingress++) {
		CV_CLEANUP(cv_dev_side_fini) struct cv_dev_side side = { 0 };

		rc = cv_dev_side_look(inst, info->ifindex, ingress, qdisc, &side, err);
		if (rc == -ENODEV) /* it went a moment ago */
			rc = info->ifindex = 0;
		if (ingress)
			info->ingress = is_attached(&side, info);
		else
			info->egress = is_attached(&side, info);
		info->is_misplaced =
			info->is_misplaced || cv_dev_side_is_misplaced(&side, at->conf);
	}
	return rc;
}

int cv_dev_list(struct cv_instance *inst, const struct cv_state *state, struct cv_dev_info **out,
		size_t *count, struct cv_err *err)
{
	CV_CLEANUP(cv_devs_fini) struct cv_devs devs = { 0 };
	CV_CLEANUP(cv_qdiscs_fini) struct cv_qdiscs qdiscs = { 0 };
	CV_FREE struct cv_dev_info *infos = NULL;
	int rc = cv_devs_find(inst, state, &devs, err);

	if (!rc)
		rc = cv_tc_qdiscs(inst->nl, &qdiscs, err);
	if (rc)
		return rc;
	infos = calloc(devs.count + 1, sizeof(*infos));
	if (!infos)
		return cv_err_set(err, -ENOMEM, "devs: out of memory");
	for (size_t i = 0; !rc && i < devs.count; i++)
		rc = fill_info(inst, &devs.items[i],
			       cv_qdiscs_find(&qdiscs, devs.items[i].link.ifindex), &infos[i], err);
	if (rc)
		return rc;
	*count = devs.count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
