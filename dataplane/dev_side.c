/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stands on one side of a device: see dev_side.h. */
#include "dev_side.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "map.h"
#include "object.h"
#include "own.h"

#define CV_FILTER_NAME "culvert:"

const char *cv_dev_side_name(bool ingress)
{
	return ingress ? "ingress" : "egress";
}

const char *cv_dev_side_program(bool ingress)
{
	return ingress ? CV_PROG_INGRESS : CV_PROG_EGRESS;
}

void cv_dev_side_link_name(uint32_t ifindex, bool ingress, char name[CV_LINK_NAME_MAX])
{
	snprintf(name, CV_LINK_NAME_MAX, "%s-%u", cv_dev_side_name(ingress), ifindex);
}

/* A link whose device went, or that somebody has detached, is none. */
static int find_link(const struct cv_instance *inst, struct cv_dev_side *side, struct cv_err *err)
{
	CV_CLOSE int fd = -1;
	char name[CV_LINK_NAME_MAX];
	struct cv_tcx_link link;
	int rc;

	if (!side->tcx.count && !side->tcx.is_hidden)
		return 0;
	cv_dev_side_link_name(side->ifindex, side->ingress, name);
	if (side->tcx.is_hidden) {
		/* The kernel opens no link to be only read, either: that there is one must do. */
		side->link.id = cv_pin_exists(inst->links, name) ? UINT32_MAX : 0;
		return 0;
	}
	fd = cv_pin_open(inst->links, name, err);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = cv_tcx_link_read(fd, &link, err);
	if (rc > 0 && link.ifindex == side->ifindex && link.ingress == side->ingress)
		side->link = link;
	return rc < 0 ? rc : 0;
}

int cv_dev_side_look(const struct cv_instance *inst, uint32_t ifindex, bool ingress,
		     enum cv_qdisc qdisc, struct cv_dev_side *out, struct cv_err *err)
{
	int rc = 0;

	*out = (struct cv_dev_side){ .ifindex = ifindex, .ingress = ingress };
	if (qdisc == CV_QDISC_CLSACT)
		rc = cv_filters_read(inst->nl, ifindex, ingress, &out->filters, err);
	if (!rc)
		rc = cv_tcx_query(ifindex, ingress, &out->tcx, err);
	if (!rc)
		rc = find_link(inst, out, err);
	return rc;
}

void cv_dev_side_fini(struct cv_dev_side *side)
{
	cv_filters_fini(&side->filters);
	cv_tcx_chain_fini(&side->tcx);
}

bool cv_filter_is_culverts(const struct cv_filter *filter)
{
	return !strcmp(filter->kind, "bpf") &&
	       !strncmp(filter->name, CV_FILTER_NAME, strlen(CV_FILTER_NAME));
}

bool cv_filter_is_ours(const struct cv_filter *filter)
{
	return cv_filter_is_culverts(filter) &&
	       !strcmp(filter->name + strlen(CV_FILTER_NAME), cv_dev_side_name(filter->ingress));
}

const struct cv_filter *cv_dev_side_filter(const struct cv_dev_side *side, uint32_t prio,
					   uint32_t handle)
{
	for (size_t i = 0; i < side->filters.count; i++) {
		const struct cv_filter *filter = &side->filters.items[i];

		if (!filter->chain && filter->prio == prio && filter->handle == handle)
			return filter;
	}
	return NULL;
}

const struct cv_filter *cv_dev_side_obstacle(const struct cv_dev_side *side, uint32_t prio)
{
	for (size_t i = 0; i < side->filters.count; i++) {
		const struct cv_filter *filter = &side->filters.items[i];

		if (!filter->chain && filter->prio == prio &&
		    (strcmp(filter->kind, "bpf") != 0 || filter->protocol != ETH_P_ALL))
			return filter;
	}
	return NULL;
}

bool cv_dev_side_is_orphan(const struct cv_dev_side *side, const struct cv_tcx_program *program)
{
	char name[16];

	if (!program->link_id || program->link_id == side->link.id)
		return false;
	cv_prog_name(program->prog_id, name);
	return !strcmp(name, cv_dev_side_program(side->ingress));
}

/* ---- the place on tcx ---- */

size_t cv_dev_side_place(const struct cv_dev_side *side, const struct cv_dev_conf *conf)
{
	size_t anchor;

	switch (conf->place_on_tcx) {
	case CV_TCX_FIRST:
		return 0;
	case CV_TCX_BEFORE:
		return cv_tcx_find(&side->tcx, conf->anchor, false);
	case CV_TCX_AFTER:
		anchor = cv_tcx_find(&side->tcx, conf->anchor, true);
		return anchor == CV_TCX_NOWHERE ? anchor : anchor + 1;
	default:
		return side->tcx.count;
	}
}

bool cv_dev_side_is_misplaced(const struct cv_dev_side *side, const struct cv_dev_conf *conf)
{
	size_t own = cv_tcx_find_link(&side->tcx, side->link.id);
	size_t place = cv_dev_side_place(side, conf);

	if (own == CV_TCX_NOWHERE || place == CV_TCX_NOWHERE)
		return false;
	switch (conf->place_on_tcx) {
	case CV_TCX_FIRST:
		return own;
	case CV_TCX_LAST:
		return own + 1 != side->tcx.count;
	case CV_TCX_BEFORE:
		return own > place;
	case CV_TCX_AFTER:
		return own < place;
	default:
		return false;
	}
}
