/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Devices: the classifier's filters on clsact, or its links on tcx. The ledger says which of them are
 * ours, whether we made the qdisc, and whether we set src_valid_mark; what is nobody's there but has
 * our names is an orphan, and repaired away. Nothing else on a device is ever touched.
 *
 * Everything is looked at once, when the plan is made. While hooks, prios or places change, the old
 * and the new one both stand: better a packet classified twice than one not at all.
 */
#include "dev.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "act.h"
#include "dev_find.h"
#include "ledger.h"
#include "map.h"
#include "object.h"
#include "own.h"
#include "plan.h"
#include "sysctl.h"

#define TRIES_MAX 8 /* a chain that changed while we found our place in it is read again */

static uint32_t handle_of(const struct cv_dev *dev)
{
	return dev->handle ? dev->handle : CV_DEFAULT_HANDLE;
}

/* Entries that say nothing of hooks are older than tcx. */
static bool was_on_clsact(const struct cv_dev *was)
{
	return was->prio && !(was->flags & CV_DEV_TCX && !(was->flags & CV_DEV_CLSACT));
}

static uint32_t side_flag(bool ingress)
{
	return ingress ? CV_DEV_INGRESS : CV_DEV_EGRESS;
}

static bool is_wanted(const struct cv_dev_plan *dev, bool ingress)
{
	return dev->conf && (ingress ? dev->conf->ingress : dev->conf->egress);
}

/* ---- plan ---- */

static int check_link(const char *name, const struct cv_link *link, struct cv_err *err)
{
	if (cv_link_has_ethernet(link))
		return 0;
	cv_err_set(err, -EOPNOTSUPP, "dev %s: has no Ethernet header (link type %u)", name,
		   link->type);
	return cv_err_hint(err, "attach to the Ethernet device below it");
}

static int check_qdisc(const struct cv_dev_plan *dev, struct cv_err *err)
{
	if (dev->conf->tcx || (dev->qdisc != CV_QDISC_INGRESS && dev->qdisc != CV_QDISC_SHARED))
		return 0;
	if (dev->qdisc == CV_QDISC_SHARED) {
		cv_err_set(err, -EBUSY, "dev %s: its clsact has a block that devices share",
			   dev->name);
		return cv_err_hint(err, "give tcx, or replace it: tc qdisc del dev %s clsact",
				   dev->name);
	}
	cv_err_set(err, -EEXIST, "dev %s: has an ingress qdisc, which excludes clsact", dev->name);
	return cv_err_hint(err,
			   "replace it: tc qdisc del dev %s ingress && tc qdisc add dev %s clsact",
			   dev->name, dev->name);
}

/* True if the ledger has a filter of ours at that place: what stands there has replaced it. */
static bool is_our_place(const struct cv_dev_plan *dev, bool ingress)
{
	return was_on_clsact(&dev->was) && dev->was.flags & side_flag(ingress) &&
	       dev->was.prio == dev->prio && handle_of(&dev->was) == dev->handle;
}

static int check_filter(const struct cv_dev_plan *dev, bool ingress, struct cv_err *err)
{
	const struct cv_dev_side *side = &dev->sides[ingress];
	const struct cv_filter *other = cv_dev_side_obstacle(side, dev->prio);

	if (other) {
		cv_err_set(err, -EEXIST, "dev %s: %s prio %u has somebody else's filters, %s",
			   dev->name, cv_dev_side_name(ingress), dev->prio, other->kind);
		return cv_err_hint(err, "give another prio N");
	}
	other = cv_dev_side_filter(side, dev->prio, dev->handle);
	if (!other || cv_filter_is_ours(other) || is_our_place(dev, ingress))
		return 0;
	cv_err_set(err, -EEXIST, "dev %s: %s prio %u handle 0x%x is somebody else's filter",
		   dev->name, cv_dev_side_name(ingress), dev->prio, dev->handle);
	return cv_err_hint(err, "give another prio N or handle N");
}

/* An anchor that went after our link was placed is no reason to leave the device alone. */
static int check_anchor(struct cv_instance *inst, const struct cv_dev_plan *dev, bool ingress,
			struct cv_err *err)
{
	const struct cv_dev_side *side = &dev->sides[ingress];

	if (side->link.id || cv_dev_side_place(side, dev->conf) != CV_TCX_NOWHERE)
		return 0;
	cv_err_set(err, -ENOENT, "dev %s: %s: tcx has no program or link %s to stand %s", dev->name,
		   cv_dev_side_name(ingress), dev->conf->anchor,
		   dev->conf->place_on_tcx == CV_TCX_BEFORE ? "before" : "after");
	if (!(dev->was.flags & CV_DEV_TCX))
		return cv_err_hint(err, "attach it first, or give another anchor");
	if (err)
		cv_log(inst, CV_LOG_WARN, "%s: put behind all others", err->text);
	return 0;
}

static int check_sides(struct cv_instance *inst, const struct cv_dev_plan *dev, struct cv_err *err)
{
	int rc = 0;

	for (int ingress = 1; !rc && ingress >= 0; ingress--)
		if (is_wanted(dev, ingress))
			rc = dev->conf->tcx ? check_anchor(inst, dev, ingress, err)
					    : check_filter(dev, ingress, err);
	return rc;
}

static int check_hook(const struct cv_dev_conf *conf, struct cv_err *err)
{
	if (!conf->tcx || cv_tcx_is_supported())
		return 0;
	cv_err_set(err, -EOPNOTSUPP, "dev %s: this kernel has no tcx (Linux has it from 6.6 on)",
		   conf->name);
	return cv_err_hint(err, "leave tcx out: filters on clsact do the same");
}

static int look_at_sides(struct cv_instance *inst, struct cv_dev_plan *dev, struct cv_err *err)
{
	int rc = 0;

	for (int ingress = 0; !rc && ingress <= 1; ingress++)
		rc = cv_dev_side_look(inst, dev->ifindex, ingress, dev->qdisc, &dev->sides[ingress],
				      err);
	return rc;
}

void cv_dev_plan_fini(struct cv_dev_plan *dev)
{
	cv_dev_side_fini(&dev->sides[0]);
	cv_dev_side_fini(&dev->sides[1]);
}

/* The ledger knows a device by its ifindex. That may be another one's now: then it has not the name,
 * unless it was renamed, nor anything of ours. */
static bool is_same_device(const struct cv_dev_plan *dev, const struct cv_dev *was)
{
	bool has_ours = dev->sides[0].link.id || dev->sides[1].link.id;

	for (int ingress = 0; ingress <= 1; ingress++) {
		const struct cv_filter *filter =
			cv_dev_side_filter(&dev->sides[ingress], was->prio, handle_of(was));

		has_ours = has_ours || (filter && cv_filter_is_ours(filter));
	}
	return has_ours || !strcmp(was->name, dev->name);
}

/* What there is on a device that the state has, or the ledger alone (at->conf NULL). */
static int look_at(struct cv_instance *inst, const struct cv_dev_look *look,
		   const struct cv_dev_at *at, struct cv_dev_plan *dev, struct cv_err *err)
{
	const struct cv_dev *was = cv_ledger_find(&look->ledger, at->link.ifindex);
	int rc;

	*dev = (struct cv_dev_plan){
		.conf = at->conf,
		.ifindex = at->link.ifindex,
		.qdisc = cv_qdiscs_find(&look->qdiscs, at->link.ifindex),
	};
	memcpy(dev->name, at->link.name, sizeof(dev->name));
	if (at->conf) {
		dev->prio = at->conf->prio ? at->conf->prio : CV_DEFAULT_PRIO;
		dev->handle = at->conf->handle ? at->conf->handle : CV_DEFAULT_HANDLE;
		dev->sets_mark =
			at->conf->src_valid_mark && !cv_sysctl_get(dev->name, CV_SRC_VALID_MARK);
	}
	rc = look_at_sides(inst, dev, err);
	if (!rc && was && is_same_device(dev, was))
		dev->was = *was;
	return rc;
}

static int plan_dev(struct cv_instance *inst, struct cv_plan *plan, const struct cv_dev_at *at,
		    struct cv_err *err)
{
	CV_CLEANUP(cv_dev_plan_fini) struct cv_dev_plan dev = { 0 };
	int rc = check_hook(at->conf, err);

	if (!rc)
		rc = check_link(at->link.name, &at->link, err);
	if (!rc)
		rc = look_at(inst, plan->dev_look, at, &dev, err);
	if (!rc)
		rc = check_qdisc(&dev, err);
	if (!rc)
		rc = check_sides(inst, &dev, err);
	if (rc)
		return rc;
	plan->devs[plan->dev_count++] = dev;
	dev = (struct cv_dev_plan){ 0 };
	return 0;
}

static int tell_missing(const struct cv_dev_conf *conf, struct cv_err *err)
{
	cv_err_set(err, -ENODEV, "dev %s: %s", conf->name, strerrordesc_np(ENODEV));
	return cv_err_hint(err, "with 'optional' it need not be there");
}

/* A pattern's devices are those that can be had; of the others the user is told. */
static int take_dev(struct cv_instance *inst, struct cv_plan *plan, const struct cv_dev_at *at,
		    struct cv_err *err)
{
	bool is_pattern = cv_dev_conf_is_pattern(at->conf);
	struct cv_err why = { 0 };
	int rc;

	if (!at->link.ifindex && (is_pattern || at->conf->optional))
		return 0;
	rc = at->link.ifindex ? plan_dev(inst, plan, at, &why) : tell_missing(at->conf, &why);
	if (!rc || plan->is_lenient)
		return 0;
	if (is_pattern && rc != -ENOMEM && !(at->conf->tcx && !cv_tcx_is_supported())) {
		cv_log(inst, CV_LOG_WARN, "%s: left out of %s", why.text, at->conf->name);
		return 0;
	}
	if (err)
		*err = why;
	return cv_err_at(err, &at->conf->place);
}

static int take_devs(struct cv_instance *inst, struct cv_plan *plan, const struct cv_devs *devs,
		     struct cv_err *err)
{
	int rc = 0;

	plan->devs = calloc(devs->count + 1, sizeof(*plan->devs));
	if (!plan->devs)
		return cv_err_set(err, -ENOMEM, "devs: out of memory");
	for (size_t i = 0; !rc && i < devs->count; i++)
		rc = take_dev(inst, plan, &devs->items[i], err);
	if (rc || plan->dev_count <= CV_MAX_DEVS)
		return rc;
	return cv_err_set(err, -E2BIG, "devs: patterns fit %zu devices, at most %d can be had",
			  plan->dev_count, CV_MAX_DEVS);
}

/* The pins of programs may have been taken away: they come back as those of another build do. */
static bool has_programs(const struct cv_instance *inst)
{
	for (int ingress = 0; ingress <= 1; ingress++) {
		CV_CLOSE int fd = cv_pin_open(inst->progs, cv_dev_side_program(ingress), NULL);

		if (fd < 0)
			return false;
	}
	return true;
}

int cv_dev_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(cv_devs_fini) struct cv_devs devs = { 0 };
	int rc;

	plan->dev_look = calloc(1, sizeof(*plan->dev_look));
	if (!plan->dev_look)
		return cv_err_set(err, -ENOMEM, "devs: out of memory");
	rc = cv_ledger_read(inst, &plan->dev_look->ledger, err);
	if (!rc)
		rc = cv_tc_qdiscs(inst->nl, &plan->dev_look->qdiscs, err);
	if (!rc)
		rc = cv_devs_find(inst, plan->state, &devs, err);
	if (!rc)
		rc = take_devs(inst, plan, &devs, err);
	if (!rc && plan->dev_count && !has_programs(inst))
		plan->is_upgrade = true;
	return rc;
}

void cv_dev_look_free(struct cv_dev_look **look)
{
	if (!*look)
		return;
	cv_ledger_fini(&(*look)->ledger);
	cv_qdiscs_fini(&(*look)->qdiscs);
	free(*look);
	*look = NULL;
}

/* ---- what is done, one by one ---- */

/* A run of grow or shrink. */
struct work {
	struct cv_instance *inst;
	const struct cv_plan *plan;
	int progs[2]; /* by ingress; owned; -1: not there */
	uint32_t prog_ids[2];
	bool is_noted; /* the ledger says what is about to be done */
};

static void work_fini(struct work *work)
{
	cv_close_fd(&work->progs[0]);
	cv_close_fd(&work->progs[1]);
}

static bool makes_clsact(const struct cv_dev_plan *dev)
{
	return !dev->conf->tcx && dev->qdisc == CV_QDISC_NONE;
}

/* What the ledger says of a device that is as it is wanted. */
static struct cv_dev entry_of(const struct cv_dev_plan *dev)
{
	struct cv_dev entry = { .prio = dev->prio, .handle = dev->handle };

	memcpy(entry.name, dev->name, sizeof(dev->name));
	entry.flags = (dev->conf->ingress ? CV_DEV_INGRESS : 0) |
		      (dev->conf->egress ? CV_DEV_EGRESS : 0) |
		      (dev->conf->tcx ? CV_DEV_TCX : CV_DEV_CLSACT);
	if (dev->conf->src_valid_mark)
		entry.flags |= dev->was.flags & CV_DEV_SRC_VALID_MARK;
	if (dev->qdisc == CV_QDISC_CLSACT)
		entry.flags |= dev->was.flags & CV_DEV_CLSACT_OURS;
	return entry;
}

/* What it says while that is under way: what there may be of both. */
static struct cv_dev entry_between(const struct cv_dev_plan *dev)
{
	struct cv_dev entry = entry_of(dev);

	entry.flags |= dev->was.flags;
	if (makes_clsact(dev))
		entry.flags |= CV_DEV_CLSACT_OURS;
	if (dev->sets_mark)
		entry.flags |= CV_DEV_SRC_VALID_MARK;
	if (was_on_clsact(&dev->was) &&
	    (dev->was.prio != dev->prio || handle_of(&dev->was) != dev->handle)) {
		entry.old_prio = (uint16_t)dev->was.prio;
		entry.old_handle = (uint16_t)handle_of(&dev->was);
	}
	return entry;
}

static const struct cv_dev_plan *find_by_ifindex(const struct cv_plan *plan, uint32_t ifindex)
{
	for (size_t i = 0; i < plan->dev_count; i++)
		if (plan->devs[i].ifindex == ifindex)
			return &plan->devs[i];
	return NULL;
}

/* Before the first change: the ledger knows of all of them. */
static int note(const struct work *work, struct cv_err *err)
{
	const struct cv_plan *plan = work->plan;
	const struct cv_ledger *was = &plan->dev_look->ledger;
	CV_CLEANUP(cv_ledger_fini) struct cv_ledger ledger = { 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < plan->dev_count; i++) {
		struct cv_dev entry = entry_between(&plan->devs[i]);

		rc = cv_ledger_add(&ledger, plan->devs[i].ifindex, &entry, err);
	}
	for (size_t i = 0; !rc && i < was->count; i++)
		if (!find_by_ifindex(plan, was->items[i].ifindex))
			rc = cv_ledger_add(&ledger, was->items[i].ifindex, &was->items[i].dev, err);
	return rc ? rc : cv_ledger_write(work->inst, &ledger, err);
}

/* As cv_act(); the first one that is done is noted before. */
static int tell(struct work *work, const struct cv_act *act, struct cv_err *err)
{
	int rc = cv_act(work->plan, act, err), noted;

	if (rc <= 0 || work->is_noted)
		return rc;
	noted = note(work, err);
	work->is_noted = !noted;
	return noted ? noted : rc;
}

static struct cv_act act_on(enum cv_act_kind kind, const char *noun, const struct cv_dev_conf *conf)
{
	return (struct cv_act){ .kind = kind, .noun = noun, .place = conf ? &conf->place : NULL };
}

static struct cv_filter our_filter(uint32_t ifindex, bool ingress, uint32_t prio, uint32_t handle)
{
	struct cv_filter filter = {
		.ifindex = ifindex,
		.ingress = ingress,
		.prio = prio,
		.handle = handle,
		.kind = "bpf",
		.direct_action = true,
	};

	snprintf(filter.name, sizeof(filter.name), "culvert:%s", cv_dev_side_name(ingress));
	return filter;
}

/* What of a side changes by attaching: "program 12 -> 15". */
static void say_program(const struct work *work, struct cv_act *act, uint32_t old, uint32_t id)
{
	if (work->plan->is_upgrade && !cv_acts_are_made(work->plan))
		cv_act_what(act, "program %u -> of this build", old);
	else
		cv_act_what(act, "program %u -> %u", old, id);
}

static int add_clsact(struct work *work, const struct cv_dev_plan *dev, struct cv_err *err)
{
	struct cv_act act = act_on(CV_ACT_ADD, "qdisc", dev->conf);
	int rc;

	if (!makes_clsact(dev))
		return 0;
	cv_act_name(&act, "%s clsact", dev->name);
	cv_act_command(&act, "tc qdisc add dev %s clsact", dev->name);
	rc = tell(work, &act, err);
	return rc <= 0 ? rc : cv_tc_clsact_add(work->inst->nl, dev->ifindex, err);
}

/* True if a new program is put in by a change that is only looked at. */
static bool is_to_be_renewed(const struct work *work)
{
	return work->plan->is_upgrade && !cv_acts_are_made(work->plan);
}

static int attach_filter(struct work *work, const struct cv_dev_plan *dev, bool ingress,
			 struct cv_err *err)
{
	const struct cv_filter *old =
		cv_dev_side_filter(&dev->sides[ingress], dev->prio, dev->handle);
	struct cv_filter filter = our_filter(dev->ifindex, ingress, dev->prio, dev->handle);
	struct cv_act act = act_on(old ? CV_ACT_CHANGE : CV_ACT_ADD, "dev", dev->conf);
	uint32_t id = work->prog_ids[ingress];
	bool is_ours = old && cv_filter_is_ours(old);
	int rc;

	if (is_ours && old->prog_id == id && !is_to_be_renewed(work))
		return 0;
	cv_act_name(&act, "%s %s", dev->name, cv_dev_side_name(ingress));
	if (is_ours)
		say_program(work, &act, old->prog_id, id);
	else if (old)
		cv_act_what(&act, "was replaced by filter %s of somebody else", old->name);
	cv_act_command(&act,
		       "tc filter replace dev %s %s prio %u handle 0x%x bpf da object-pinned %s/%s",
		       dev->name, cv_dev_side_name(ingress), dev->prio, dev->handle,
		       work->inst->progs, cv_dev_side_program(ingress));
	rc = tell(work, &act, err);
	return rc <= 0 ? rc
		       : cv_filter_add(work->inst->nl, &filter, work->progs[ingress], old, err);
}

/* ---- attaching on tcx ---- */

/* Puts a new link where the conf wants it. Returns its fd. */
static int create_link(const struct cv_dev_plan *dev, bool ingress, int prog_fd, struct cv_err *err)
{
	int fd = -ESTALE;

	for (int i = 0; fd == -ESTALE && i < TRIES_MAX; i++) {
		CV_CLEANUP(cv_dev_side_fini) struct cv_dev_side side = { 0 };
		size_t place;

		fd = cv_tcx_query(dev->ifindex, ingress, &side.tcx, err);
		if (fd)
			return fd;
		place = cv_dev_side_place(&side, dev->conf);
		fd = cv_tcx_attach(dev->ifindex, ingress, prog_fd, &side.tcx,
				   place == CV_TCX_NOWHERE ? side.tcx.count : place, err);
	}
	return fd;
}

static int pin_link(const struct cv_instance *inst, uint32_t ifindex, bool ingress, int link_fd,
		    struct cv_err *err)
{
	char name[CV_LINK_NAME_MAX];
	int rc = cv_dir_make(inst->links, err);

	cv_dev_side_link_name(ifindex, ingress, name);
	return rc ? rc : cv_pin_replace(link_fd, inst->links, name, err);
}

static int open_link(const struct cv_instance *inst, uint32_t ifindex, bool ingress,
		     struct cv_err *err)
{
	char name[CV_LINK_NAME_MAX];
	int fd;

	cv_dev_side_link_name(ifindex, ingress, name);
	fd = cv_pin_open(inst->links, name, err);
	return fd == -ENOENT ? cv_err_set(err, fd, "pin %s/%s: gone", inst->links, name) : fd;
}

/* To another place of the chain. A chain has every program once: until the new link is there, the old
 * one has a copy. */
static int move_link(const struct work *work, const struct cv_dev_plan *dev, bool ingress,
		     struct cv_err *err)
{
	CV_CLOSE int old = open_link(work->inst, dev->ifindex, ingress, err);
	CV_CLOSE int copy = -1;
	CV_CLOSE int link = -1;
	int rc;

	if (old < 0)
		return old;
	copy = cv_object_load_classify(work->inst, cv_dev_side_program(ingress), err);
	rc = copy < 0 ? copy : cv_tcx_link_update(old, copy, err);
	if (rc)
		return rc;
	link = create_link(dev, ingress, work->progs[ingress], err);
	rc = link < 0 ? link : pin_link(work->inst, dev->ifindex, ingress, link, err);
	if (rc) {
		cv_tcx_link_update(old, work->progs[ingress], NULL);
		return rc;
	}
	return cv_tcx_link_detach(old, err);
}

static int add_link(const struct work *work, const struct cv_dev_plan *dev, bool ingress,
		    struct cv_err *err)
{
	CV_CLOSE int link = create_link(dev, ingress, work->progs[ingress], err);

	return link < 0 ? link : pin_link(work->inst, dev->ifindex, ingress, link, err);
}

static int update_link(const struct work *work, const struct cv_dev_plan *dev, bool ingress,
		       struct cv_err *err)
{
	CV_CLOSE int link = open_link(work->inst, dev->ifindex, ingress, err);

	return link < 0 ? link : cv_tcx_link_update(link, work->progs[ingress], err);
}

static void name_link(const struct work *work, const struct cv_dev_plan *dev, bool ingress,
		      struct cv_act *act)
{
	cv_act_name(act, "%s %s tcx", dev->name, cv_dev_side_name(ingress));
	cv_act_command(act, "bpftool net attach tcx_%s pinned %s/%s dev %s",
		       cv_dev_side_name(ingress), work->inst->progs, cv_dev_side_program(ingress),
		       dev->name);
}

static int attach_link(struct work *work, const struct cv_dev_plan *dev, bool ingress,
		       struct cv_err *err)
{
	const struct cv_dev_side *side = &dev->sides[ingress];
	bool is_misplaced = cv_dev_side_is_misplaced(side, dev->conf);
	struct cv_act act = act_on(side->link.id ? CV_ACT_CHANGE : CV_ACT_ADD, "dev", dev->conf);
	uint32_t id = work->prog_ids[ingress];
	int rc;

	if (side->link.id && side->link.prog_id == id && !is_misplaced && !is_to_be_renewed(work))
		return 0;
	name_link(work, dev, ingress, &act);
	if (is_misplaced)
		cv_act_what(&act, "to its place among the others");
	else if (side->link.id)
		say_program(work, &act, side->link.prog_id, id);
	rc = tell(work, &act, err);
	if (rc <= 0)
		return rc;
	if (is_misplaced)
		return move_link(work, dev, ingress, err);
	return side->link.id ? update_link(work, dev, ingress, err)
			     : add_link(work, dev, ingress, err);
}

/* ---- grow ---- */

static int set_sysctl(struct work *work, const struct cv_dev_plan *dev, int value,
		      struct cv_err *err)
{
	struct cv_act act = act_on(CV_ACT_CHANGE, "sysctl", dev->conf);
	int rc;

	cv_act_name(&act, "net.ipv4.conf.%s." CV_SRC_VALID_MARK, dev->name);
	cv_act_what(&act, "%d -> %d", !value, value);
	cv_act_command(&act, "sysctl -w net.ipv4.conf.%s." CV_SRC_VALID_MARK "=%d", dev->name,
		       value);
	rc = tell(work, &act, err);
	return rc <= 0 ? rc : cv_sysctl_set(dev->name, CV_SRC_VALID_MARK, value, err);
}

static int grow_dev(struct work *work, const struct cv_dev_plan *dev, struct cv_err *err)
{
	int rc = add_clsact(work, dev, err);

	for (int ingress = 1; !rc && ingress >= 0; ingress--)
		if (is_wanted(dev, ingress))
			rc = dev->conf->tcx ? attach_link(work, dev, ingress, err)
					    : attach_filter(work, dev, ingress, err);
	return !rc && dev->sets_mark ? set_sysctl(work, dev, 1, err) : rc;
}

static int open_programs(struct work *work, struct cv_err *err)
{
	for (int ingress = 0; ingress <= 1; ingress++) {
		const char *name = cv_dev_side_program(ingress);

		work->progs[ingress] = cv_pin_open(work->inst->progs, name, err);
		if (work->progs[ingress] == -ENOENT && !is_to_be_renewed(work))
			cv_err_set(err, -ENOENT, "program %s/%s: gone", work->inst->progs, name);
		else if (work->progs[ingress] == -ENOENT)
			work->progs[ingress] = -1;
		if (work->progs[ingress] < -1)
			return work->progs[ingress];
		work->prog_ids[ingress] = cv_prog_id(work->progs[ingress]);
	}
	return 0;
}

int cv_dev_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(work_fini)
	struct work work = { .inst = inst, .plan = plan, .progs = { -1, -1 } };
	int rc = plan->dev_count ? open_programs(&work, err) : 0;

	for (size_t i = 0; !rc && i < plan->dev_count; i++) {
		rc = grow_dev(&work, &plan->devs[i], err);
		if (rc)
			cv_err_at(err, &plan->devs[i].conf->place);
	}
	return rc;
}

/* ---- shrink ---- */

/* True if culvert is to clear away what no ledger knows. */
static bool finds_orphans(const struct cv_plan *plan)
{
	return plan->is_repair || (plan->is_lenient && !plan->state->dev_count);
}

/* True if a filter of our name is one that we know of, or whose nobody else's it is. */
static bool is_known(const struct work *work, const struct cv_dev_plan *dev,
		     const struct cv_filter *filter)
{
	const struct cv_dev *was = &dev->was;

	if (finds_orphans(work->plan))
		return true;
	return (filter->prio == was->prio && filter->handle == handle_of(was)) ||
	       (was->old_prio && filter->prio == was->old_prio &&
		filter->handle == (was->old_handle ? was->old_handle : CV_DEFAULT_HANDLE));
}

static bool is_filter_wanted(const struct cv_dev_plan *dev, const struct cv_filter *filter)
{
	return is_wanted(dev, filter->ingress) && !dev->conf->tcx && !filter->chain &&
	       filter->prio == dev->prio && filter->handle == dev->handle;
}

/* What is gone already need not be taken away. */
static int gone_is_well(int rc)
{
	return rc == -ENOENT || rc == -ENODEV ? 0 : rc;
}

static int detach_filter(struct work *work, const struct cv_dev_plan *dev,
			 const struct cv_filter *old, struct cv_err *err)
{
	struct cv_filter filter = our_filter(dev->ifindex, old->ingress, old->prio, old->handle);
	struct cv_act act = act_on(CV_ACT_DEL, "dev", dev->conf);
	int rc;

	cv_act_name(&act, "%s %s", dev->name, cv_dev_side_name(old->ingress));
	cv_act_what(&act, "prio %u handle 0x%x", old->prio, old->handle);
	cv_act_command(&act, "tc filter del dev %s %s prio %u handle 0x%x bpf", dev->name,
		       cv_dev_side_name(old->ingress), old->prio, old->handle);
	rc = tell(work, &act, err);
	return rc <= 0 ? rc : gone_is_well(cv_filter_del(work->inst->nl, &filter, err));
}

static int detach_filters(struct work *work, const struct cv_dev_plan *dev, bool ingress,
			  struct cv_err *err)
{
	const struct cv_filters *filters = &dev->sides[ingress].filters;
	int rc = 0;

	for (size_t i = 0; !rc && i < filters->count; i++) {
		const struct cv_filter *filter = &filters->items[i];

		if (cv_filter_is_ours(filter) && !filter->chain && !is_filter_wanted(dev, filter) &&
		    is_known(work, dev, filter))
			rc = detach_filter(work, dev, filter, err);
	}
	return rc;
}

/* Our own has a pin; another that only carries our program needs more privilege. */
static int detach(const struct work *work, const struct cv_dev_plan *dev, bool ingress,
		  uint32_t link_id, struct cv_err *err)
{
	CV_CLOSE int pinned = -1;
	char name[CV_LINK_NAME_MAX];

	cv_dev_side_link_name(dev->ifindex, ingress, name);
	if (link_id == dev->sides[ingress].link.id)
		pinned = cv_pin_open(work->inst->links, name, NULL);
	return pinned >= 0 ? cv_tcx_link_detach(pinned, err) : cv_tcx_link_detach_id(link_id, err);
}

static int detach_link(struct work *work, const struct cv_dev_plan *dev, bool ingress,
		       uint32_t link_id, struct cv_err *err)
{
	struct cv_act act = act_on(CV_ACT_DEL, "dev", dev->conf);
	int rc;

	cv_act_name(&act, "%s %s tcx", dev->name, cv_dev_side_name(ingress));
	cv_act_what(&act, "link %u", link_id);
	cv_act_command(&act, "bpftool link detach id %u", link_id);
	rc = tell(work, &act, err);
	return rc <= 0 ? rc : detach(work, dev, ingress, link_id, err);
}

static int unpin_link(const struct work *work, uint32_t ifindex, bool ingress, struct cv_err *err)
{
	char name[CV_LINK_NAME_MAX];

	cv_dev_side_link_name(ifindex, ingress, name);
	return cv_pin_del(work->inst->links, name, err);
}

static int detach_links(struct work *work, const struct cv_dev_plan *dev, bool ingress,
			struct cv_err *err)
{
	const struct cv_dev_side *side = &dev->sides[ingress];
	bool stays = is_wanted(dev, ingress) && dev->conf->tcx;
	int rc = 0;

	for (size_t i = 0; !rc && finds_orphans(work->plan) && i < side->tcx.count; i++)
		if (cv_dev_side_is_orphan(side, &side->tcx.items[i]))
			rc = detach_link(work, dev, ingress, side->tcx.items[i].link_id, err);
	if (!rc && side->link.id && !stays)
		rc = detach_link(work, dev, ingress, side->link.id, err);
	if (!rc && !stays && dev->was.flags & CV_DEV_TCX && cv_acts_are_made(work->plan))
		rc = unpin_link(work, dev->ifindex, ingress, err);
	return rc;
}

/* True if nobody else's filter stands on that side now. */
static bool is_left_empty(struct cv_instance *inst, const struct cv_dev_plan *dev, bool ingress)
{
	CV_CLEANUP(cv_filters_fini) struct cv_filters filters = { 0 };

	return !cv_filters_read(inst->nl, dev->ifindex, ingress, &filters, NULL) && !filters.count;
}

static bool has_others(const struct cv_dev_side *side)
{
	for (size_t i = 0; i < side->filters.count; i++)
		if (!cv_filter_is_ours(&side->filters.items[i]))
			return true;
	return false;
}

/* Removes clsact if we made it and no filter of anybody is left on it. */
static int drop_clsact(struct work *work, const struct cv_dev_plan *dev, struct cv_err *err)
{
	struct cv_act act = act_on(CV_ACT_DEL, "qdisc", dev->conf);
	int rc;

	if (dev->qdisc != CV_QDISC_CLSACT || has_others(&dev->sides[0]) ||
	    has_others(&dev->sides[1]))
		return 0;
	if (cv_acts_are_made(work->plan) &&
	    (!is_left_empty(work->inst, dev, true) || !is_left_empty(work->inst, dev, false)))
		return 0;
	cv_act_name(&act, "%s clsact", dev->name);
	cv_act_command(&act, "tc qdisc del dev %s clsact", dev->name);
	rc = tell(work, &act, err);
	return rc <= 0 ? rc : gone_is_well(cv_tc_clsact_del(work->inst->nl, dev->ifindex, err));
}

/* Takes off what is not wanted; of a device that the state has not (conf NULL), all that is ours. */
static int shrink_dev(struct work *work, const struct cv_dev_plan *dev, struct cv_err *err)
{
	int rc = 0;

	for (int ingress = 1; !rc && ingress >= 0; ingress--) {
		rc = detach_filters(work, dev, ingress, err);
		if (!rc)
			rc = detach_links(work, dev, ingress, err);
	}
	/* To add or remove a clsact qdisc the kernel takes the device's queues away for some
	 * milliseconds, and what it sends then is lost: on tcx ours stays for the way back. */
	if (!rc && !dev->conf && dev->was.flags & CV_DEV_CLSACT_OURS)
		rc = drop_clsact(work, dev, err);
	if (!rc && dev->was.flags & CV_DEV_SRC_VALID_MARK &&
	    !(dev->conf && dev->conf->src_valid_mark))
		rc = set_sysctl(work, dev, 0, err);
	return rc;
}

/* A device that only the ledger has, or nobody. One that is gone took its filters and settings with
 * it; what is left is a pin. */
static int shrink_other(struct work *work, const struct cv_link *link, struct cv_err *err)
{
	const struct cv_dev_at at = { .link = *link };
	CV_CLEANUP(cv_dev_plan_fini) struct cv_dev_plan dev = { 0 };
	int rc = look_at(work->inst, work->plan->dev_look, &at, &dev, err);

	return rc ? rc : shrink_dev(work, &dev, err);
}

static int shrink_gone(struct work *work, uint32_t ifindex, struct cv_err *err)
{
	int rc = cv_acts_are_made(work->plan) ? unpin_link(work, ifindex, true, err) : 0;

	return rc || !cv_acts_are_made(work->plan) ? rc : unpin_link(work, ifindex, false, err);
}

static int shrink_ledger(struct work *work, struct cv_err *err)
{
	const struct cv_ledger *ledger = &work->plan->dev_look->ledger;
	int rc = 0;

	for (size_t i = 0; !rc && i < ledger->count; i++) {
		uint32_t ifindex = ledger->items[i].ifindex;
		struct cv_link link;

		if (find_by_ifindex(work->plan, ifindex))
			continue;
		rc = cv_link_by_index(work->inst->nl, ifindex, &link, err);
		if (!rc)
			rc = shrink_other(work, &link, err);
		else if (rc == -ENODEV)
			rc = shrink_gone(work, ifindex, err);
	}
	return rc;
}

/* Devices that neither the state nor the ledger has, and that have something of ours all the same. */
static int shrink_orphans(struct work *work, struct cv_err *err)
{
	CV_CLEANUP(cv_links_fini) struct cv_links links = { 0 };
	int rc = cv_link_list(work->inst->nl, &links, err);

	for (size_t i = 0; !rc && i < links.count; i++)
		if (!find_by_ifindex(work->plan, links.items[i].ifindex) &&
		    !cv_ledger_find(&work->plan->dev_look->ledger, links.items[i].ifindex))
			rc = shrink_other(work, &links.items[i], err);
	return rc;
}

/* What is there now, and nothing else. */
static int write_ledger(const struct work *work, struct cv_err *err)
{
	const struct cv_plan *plan = work->plan;
	CV_CLEANUP(cv_ledger_fini) struct cv_ledger ledger = { 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < plan->dev_count; i++) {
		const struct cv_dev_plan *dev = &plan->devs[i];
		struct cv_dev entry = entry_of(dev);

		if (makes_clsact(dev))
			entry.flags |= CV_DEV_CLSACT_OURS;
		if (dev->sets_mark)
			entry.flags |= CV_DEV_SRC_VALID_MARK;
		rc = cv_ledger_add(&ledger, dev->ifindex, &entry, err);
	}
	return rc ? rc : cv_ledger_write(work->inst, &ledger, err);
}

int cv_dev_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	struct work work = { .inst = inst, .plan = plan, .progs = { -1, -1 } };
	int rc = 0;

	for (size_t i = 0; !rc && i < plan->dev_count; i++)
		rc = shrink_dev(&work, &plan->devs[i], err);
	if (!rc)
		rc = shrink_ledger(&work, err);
	if (!rc && finds_orphans(plan))
		rc = shrink_orphans(&work, err);
	return rc || !cv_acts_are_made(plan) ? rc : write_ledger(&work, err);
}
