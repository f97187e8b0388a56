/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Devices: the classifier's filters on clsact. The map of devs is the ledger: it says which filters
 * are ours (prio, CV_HANDLE, a name that begins with CV_FILTER_NAME), whether we made the qdisc, and
 * whether we set src_valid_mark. Nothing else on a device is ever touched.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#include "map.h"
#include "nl_tc.h"
#include "object.h"
#include "own.h"
#include "plan.h"
#include "sysctl.h"

#define CV_HANDLE 0xc1
#define CV_FILTER_NAME "culvert:"

static struct cv_filter our_filter(uint32_t ifindex, bool ingress, uint32_t prio)
{
	struct cv_filter filter = {
		.ifindex = ifindex,
		.ingress = ingress,
		.prio = prio,
		.handle = CV_HANDLE,
		.kind = "bpf",
		.direct_action = true,
	};

	snprintf(filter.name, sizeof(filter.name), CV_FILTER_NAME "%s",
		 ingress ? "ingress" : "egress");
	return filter;
}

/* What stands where our filter goes, and what else there is on that side. */
struct side {
	uint32_t prio;
	bool is_taken; /* by somebody else's filter */
	bool is_ours;
	uint32_t prog_id; /* of ours */
	size_t others;
};

static bool is_our_name(const char *name)
{
	return !strncmp(name, CV_FILTER_NAME, strlen(CV_FILTER_NAME));
}

static int look_at_filter(const struct cv_filter *filter, void *arg, struct cv_err *err)
{
	struct side *side = arg;

	(void)err;
	if (filter->prio != side->prio || filter->handle != CV_HANDLE) {
		side->others++;
	} else if (is_our_name(filter->name)) {
		side->is_ours = true;
		side->prog_id = filter->prog_id;
	} else {
		side->is_taken = true;
		side->others++;
	}
	return 0;
}

static int look_at_side(struct cv_instance *inst, uint32_t ifindex, bool ingress, uint32_t prio,
			struct side *side, struct cv_err *err)
{
	*side = (struct side){ .prio = prio };
	return cv_filter_list(inst->nl, ifindex, ingress, look_at_filter, side, err);
}

/* ---- plan ---- */

static int check_link(const struct cv_dev_conf *conf, const struct cv_link *link,
		      struct cv_err *err)
{
	if (link->type == ARPHRD_ETHER || link->type == ARPHRD_LOOPBACK)
		return 0;
	cv_err_set(err, -EOPNOTSUPP, "dev %s: has no Ethernet header (link type %u)", conf->name,
		   link->type);
	return cv_err_hint(err, "attach to the Ethernet device below it");
}

static int check_qdisc(struct cv_instance *inst, const struct cv_dev_conf *conf, uint32_t ifindex,
		       struct cv_err *err)
{
	enum cv_qdisc qdisc = CV_QDISC_NONE;
	int rc = cv_tc_qdisc(inst->nl, ifindex, &qdisc, err);

	if (rc || qdisc != CV_QDISC_INGRESS)
		return rc;
	cv_err_set(err, -EEXIST, "dev %s: has an ingress qdisc, which excludes clsact", conf->name);
	return cv_err_hint(err,
			   "replace it: tc qdisc del dev %s ingress && tc qdisc add dev %s clsact",
			   conf->name, conf->name);
}

static int check_side(struct cv_instance *inst, const struct cv_dev_plan *dev, bool ingress,
		      struct cv_err *err)
{
	struct side side;
	int rc = look_at_side(inst, dev->ifindex, ingress, dev->prio, &side, err);

	if (rc || !side.is_taken)
		return rc;
	cv_err_set(err, -EEXIST, "dev %s: %s prio %u handle 0x%x is somebody else's filter",
		   dev->conf->name, ingress ? "ingress" : "egress", dev->prio, CV_HANDLE);
	return cv_err_hint(err, "give another prio N");
}

static int plan_dev(struct cv_instance *inst, const struct cv_dev_conf *conf,
		    struct cv_dev_plan *dev, struct cv_err *err)
{
	struct cv_link link;
	int rc = cv_link_by_name(inst->nl, conf->name, &link, err);

	if (rc)
		return rc;
	dev->conf = conf;
	dev->ifindex = link.ifindex;
	dev->prio = conf->prio ? conf->prio : CV_DEFAULT_PRIO;
	rc = check_link(conf, &link, err);
	if (!rc)
		rc = check_qdisc(inst, conf, link.ifindex, err);
	if (!rc && conf->ingress)
		rc = check_side(inst, dev, true, err);
	if (!rc && conf->egress)
		rc = check_side(inst, dev, false, err);
	return rc;
}

int cv_dev_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	for (size_t i = 0; i < plan->state->dev_count; i++) {
		const struct cv_dev_conf *conf = &plan->state->devs[i];
		int rc = plan_dev(inst, conf, &plan->devs[plan->dev_count], err);

		if (!rc)
			plan->dev_count++;
		else if (!plan->is_lenient)
			return cv_err_at(err, &conf->place);
	}
	return 0;
}

/* ---- grow ---- */

static int write_ledger(int devs_fd, uint32_t ifindex, const struct cv_dev *entry,
			struct cv_err *err)
{
	if (bpf_map_update_elem(devs_fd, &ifindex, entry, BPF_ANY))
		return cv_err_set(err, -errno, "dev %s: ledger: %s", entry->name,
				  strerrordesc_np(errno));
	return 0;
}

static int attach_side(struct cv_instance *inst, const struct cv_dev_plan *dev, bool ingress,
		       struct cv_err *err)
{
	const char *name = ingress ? CV_PROG_INGRESS : CV_PROG_EGRESS;
	struct cv_filter filter = our_filter(dev->ifindex, ingress, dev->prio);
	CV_CLOSE int prog = cv_pin_open(inst->progs, name, err);
	struct side side;
	int rc;

	if (prog < 0)
		return prog != -ENOENT
			       ? prog
			       : cv_err_set(err, prog, "program %s/%s: gone", inst->progs, name);
	rc = look_at_side(inst, dev->ifindex, ingress, dev->prio, &side, err);
	if (rc || (side.is_ours && side.prog_id == cv_prog_id(prog)))
		return rc;
	return cv_filter_add(inst->nl, &filter, prog, side.is_ours, err);
}

/* The ledger comes first: a filter that nobody knows of would stay for ever. */
static int grow_dev(struct cv_instance *inst, int devs_fd, const struct cv_dev_plan *dev,
		    struct cv_err *err)
{
	struct cv_dev entry = { .prio = dev->prio };
	struct cv_dev old = { 0 };
	bool is_filtered =
		dev->conf->src_valid_mark && !cv_sysctl_get(dev->conf->name, CV_SRC_VALID_MARK);
	enum cv_qdisc qdisc = CV_QDISC_NONE;
	int rc = cv_tc_qdisc(inst->nl, dev->ifindex, &qdisc, err);

	if (rc)
		return rc;
	memcpy(entry.name, dev->conf->name, sizeof(dev->conf->name));
	entry.flags =
		(dev->conf->ingress ? CV_DEV_INGRESS : 0) | (dev->conf->egress ? CV_DEV_EGRESS : 0);
	if (!bpf_map_lookup_elem(devs_fd, &dev->ifindex, &old) && !strcmp(old.name, entry.name))
		entry.flags |= old.flags & (CV_DEV_CLSACT_OURS | CV_DEV_SRC_VALID_MARK);
	/* Both stand for a moment: better a packet classified twice than one not at all. */
	if (old.prio != entry.prio)
		entry.old_prio = old.prio;
	if (qdisc == CV_QDISC_NONE)
		entry.flags |= CV_DEV_CLSACT_OURS;
	if (is_filtered)
		entry.flags |= CV_DEV_SRC_VALID_MARK;
	/* Sides that are to go are shrink's, which reads the old flags. */
	entry.flags |= old.flags & (CV_DEV_INGRESS | CV_DEV_EGRESS);
	rc = write_ledger(devs_fd, dev->ifindex, &entry, err);
	if (!rc && qdisc == CV_QDISC_NONE)
		rc = cv_tc_clsact_add(inst->nl, dev->ifindex, err);
	if (!rc && dev->conf->ingress)
		rc = attach_side(inst, dev, true, err);
	if (!rc && dev->conf->egress)
		rc = attach_side(inst, dev, false, err);
	if (!rc && is_filtered)
		rc = cv_sysctl_set(dev->conf->name, CV_SRC_VALID_MARK, 1, err);
	return rc;
}

int cv_dev_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int devs_fd = cv_instance_map(inst, CV_STRING(CV_MAP_DEVS), err);

	if (devs_fd < 0)
		return devs_fd;
	for (size_t i = 0; i < plan->dev_count; i++) {
		int rc = grow_dev(inst, devs_fd, &plan->devs[i], err);

		if (rc)
			return cv_err_at(err, &plan->devs[i].conf->place);
	}
	return 0;
}

/* ---- shrink ---- */

static const struct cv_dev_plan *find_by_ifindex(const struct cv_plan *plan, uint32_t ifindex)
{
	for (size_t i = 0; i < plan->dev_count; i++)
		if (plan->devs[i].ifindex == ifindex)
			return &plan->devs[i];
	return NULL;
}

static int detach_side(struct cv_instance *inst, uint32_t ifindex, uint32_t prio, bool ingress,
		       struct cv_err *err)
{
	struct cv_filter filter = our_filter(ifindex, ingress, prio);
	struct side side;
	int rc = look_at_side(inst, ifindex, ingress, prio, &side, err);

	if (rc || !side.is_ours)
		return rc;
	return cv_filter_del(inst->nl, &filter, err);
}

static int detach_both(struct cv_instance *inst, uint32_t ifindex, uint32_t prio,
		       struct cv_err *err)
{
	int rc = detach_side(inst, ifindex, prio, true, err);

	return rc ? rc : detach_side(inst, ifindex, prio, false, err);
}

/* Removes clsact if we made it and no filter of anybody is left on it. */
static int drop_clsact(struct cv_instance *inst, uint32_t ifindex, struct cv_err *err)
{
	enum cv_qdisc qdisc = CV_QDISC_NONE;
	struct side in, out;
	int rc = cv_tc_qdisc(inst->nl, ifindex, &qdisc, err);

	if (rc || qdisc != CV_QDISC_CLSACT)
		return rc;
	rc = look_at_side(inst, ifindex, true, 0, &in, err);
	if (!rc)
		rc = look_at_side(inst, ifindex, false, 0, &out, err);
	if (rc || in.others || out.others)
		return rc;
	return cv_tc_clsact_del(inst->nl, ifindex, err);
}

struct shrink {
	struct cv_instance *inst;
	const struct cv_plan *plan;
};

/* Takes off what the ledger has and the plan (NULL: the device is in none) has not. */
static int shrink_filters(struct cv_instance *inst, uint32_t ifindex, const struct cv_dev *entry,
			  const struct cv_dev_conf *conf, struct cv_err *err)
{
	int rc = 0;

	if (entry->old_prio)
		rc = detach_both(inst, ifindex, entry->old_prio, err);
	if (!rc && entry->flags & CV_DEV_INGRESS && !(conf && conf->ingress))
		rc = detach_side(inst, ifindex, entry->prio, true, err);
	if (!rc && entry->flags & CV_DEV_EGRESS && !(conf && conf->egress))
		rc = detach_side(inst, ifindex, entry->prio, false, err);
	if (!rc && !conf && entry->flags & CV_DEV_CLSACT_OURS)
		rc = drop_clsact(inst, ifindex, err);
	return rc;
}

/* Restores src_valid_mark if we set it and nobody asks for it any more. */
static int shrink_sysctl(const char *name, struct cv_dev *entry, const struct cv_dev_conf *conf,
			 struct cv_err *err)
{
	int rc;

	if (!(entry->flags & CV_DEV_SRC_VALID_MARK) || (conf && conf->src_valid_mark))
		return 0;
	rc = cv_sysctl_set(name, CV_SRC_VALID_MARK, 0, err);
	if (!rc)
		entry->flags &= ~CV_DEV_SRC_VALID_MARK;
	return rc;
}

static int shrink_dev(int devs_fd, const void *key, void *arg, struct cv_err *err)
{
	const struct shrink *shrink = arg;
	uint32_t ifindex = *(const uint32_t *)key;
	const struct cv_dev_plan *dev = find_by_ifindex(shrink->plan, ifindex);
	struct cv_dev entry;
	struct cv_link link;
	bool is_there;
	int rc = 0;

	if (bpf_map_lookup_elem(devs_fd, key, &entry))
		return 0;
	/* A device that is gone took its filters and settings with it. */
	is_there = !cv_link_by_index(shrink->inst->nl, ifindex, &link, NULL);
	if (is_there)
		rc = shrink_filters(shrink->inst, ifindex, &entry, dev ? dev->conf : NULL, err);
	if (!rc && is_there)
		rc = shrink_sysctl(link.name, &entry, dev ? dev->conf : NULL, err);
	if (rc)
		return rc;
	if (!dev) {
		bpf_map_delete_elem(devs_fd, key);
		return 0;
	}
	entry.flags = (entry.flags & (CV_DEV_CLSACT_OURS | CV_DEV_SRC_VALID_MARK)) |
		      (dev->conf->ingress ? CV_DEV_INGRESS : 0) |
		      (dev->conf->egress ? CV_DEV_EGRESS : 0);
	entry.old_prio = 0;
	return write_ledger(devs_fd, ifindex, &entry, err);
}

int cv_dev_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int devs_fd = cv_instance_map(inst, CV_STRING(CV_MAP_DEVS), err);
	struct shrink shrink = { .inst = inst, .plan = plan };

	if (devs_fd < 0)
		return devs_fd;
	return cv_map_each(devs_fd, sizeof(uint32_t), CV_MAX_DEVS, shrink_dev, &shrink, err);
}

/* ---- list ---- */

static int fill_info(struct cv_instance *inst, const struct cv_dev_conf *conf,
		     struct cv_dev_info *info, struct cv_err *err)
{
	struct cv_link link;
	struct side side;
	int rc;

	memcpy(info->name, conf->name, sizeof(conf->name));
	info->prio = conf->prio ? conf->prio : CV_DEFAULT_PRIO;
	if (cv_link_by_name(inst->nl, conf->name, &link, NULL))
		return 0;
	info->ifindex = link.ifindex;
	rc = look_at_side(inst, link.ifindex, true, info->prio, &side, err);
	if (rc)
		return rc;
	info->ingress = side.is_ours;
	rc = look_at_side(inst, link.ifindex, false, info->prio, &side, err);
	info->egress = side.is_ours;
	return rc;
}

int cv_dev_list(struct cv_instance *inst, const struct cv_state *state, struct cv_dev_info **out,
		size_t *count, struct cv_err *err)
{
	CV_FREE struct cv_dev_info *infos = calloc(state->dev_count + 1, sizeof(*infos));

	if (!infos)
		return cv_err_set(err, -ENOMEM, "devs: out of memory");
	for (size_t i = 0; i < state->dev_count; i++) {
		int rc = fill_info(inst, &state->devs[i], &infos[i], err);

		if (rc)
			return rc;
	}
	*count = state->dev_count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
