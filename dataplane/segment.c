/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Making, mending and removing the pair. CV_MAP_SEGMENT is the ledger of it; where the bpffs was lost with
 * it, the alias of the devices says whose they are. */
#include "segment.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "map.h"
#include "nl_link.h"
#include "nl_tc.h"
#include "nl_veth.h"
#include "object.h"
#include "own.h"

#define CV_SEGMENT_ALIAS "culvert: segments UDP and SCTP for tunnels"
#define CV_SEGMENT_MTU 65535
/* Below any GSO packet worth the name, above what kernels since 6.12 refuse (MAX_TCP_HEADER). */
#define CV_SEGMENT_GSO_BYTES 512
#define CV_HANDLE 0xc1

static const struct cv_filter segment_filter = {
	.ingress = true,
	.prio = CV_DEFAULT_PRIO,
	.handle = CV_HANDLE,
	.kind = "bpf",
	.direct_action = true,
	.name = "culvert:segment",
};

/* What the devices need to be: silent, and on the way out allowed to ask where packets would be
 * forwarded to. */
static const struct sysctl {
	const char *path;
	const char *value;
} sysctls[] = {
	{ "ipv6/conf/" CV_SEGMENT_IN "/disable_ipv6", "1" },
	{ "ipv6/conf/" CV_SEGMENT_OUT "/addr_gen_mode", "1" },
	{ "ipv6/conf/" CV_SEGMENT_OUT "/forwarding", "1" },
	{ "ipv4/conf/" CV_SEGMENT_OUT "/forwarding", "1" },
};

static FILE *sysctl_open(const struct sysctl *sysctl, const char *how)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s", sysctl->path);
	return fopen(path, how);
}

static bool sysctl_is_set(const struct sysctl *sysctl)
{
	CV_FCLOSE FILE *file = sysctl_open(sysctl, "re");

	/* A host without IPv6 has none of its settings. */
	return file ? fgetc(file) == sysctl->value[0] : errno == ENOENT;
}

static int sysctl_set(const struct sysctl *sysctl, struct cv_err *err)
{
	CV_FCLOSE FILE *file = NULL;

	if (sysctl_is_set(sysctl))
		return 0;
	file = sysctl_open(sysctl, "we");
	if (!file || fputs(sysctl->value, file) < 0 || fflush(file))
		return cv_err_set(err, -errno, "/proc/sys/net/%s: write: %s", sysctl->path,
				  strerrordesc_np(errno));
	return 0;
}

/* ---- the ledger ---- */

/* Zeros if there is none: the map comes with the first tunnel. */
static int ledger_read(const struct cv_instance *inst, struct cv_segment *segment,
		       struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->maps, CV_STRING(CV_MAP_SEGMENT), err);
	uint32_t zero = 0;

	*segment = (struct cv_segment){ 0 };
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (bpf_map_lookup_elem(fd, &zero, segment))
		return cv_err_set(err, -errno, "segment map: %s", strerrordesc_np(errno));
	return 0;
}

static int ledger_write(const struct cv_instance *inst, const struct cv_segment *segment,
			struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_SEGMENT), err);
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(fd, &zero, segment, BPF_ANY))
		return cv_err_set(err, -errno, "segment map: %s", strerrordesc_np(errno));
	return 0;
}

/* ---- what is there ---- */

struct pair {
	struct cv_segment ledger;
	struct cv_link in, out; /* ifindex 0: no such device, or not ours */
};

/* An ifindex may have been given to another device meanwhile, and a name may be somebody else's. */
static int find_end(struct cv_instance *inst, const struct pair *pair, uint32_t ifindex,
		    const char *name, struct cv_link *end, struct cv_err *err)
{
	bool is_making = pair->ledger.out_ifindex == CV_SEGMENT_MAKING;
	int rc = cv_link_by_name(inst->nl, name, end, err);

	if (rc ||
	    (!is_making && end->ifindex != ifindex && strcmp(end->alias, CV_SEGMENT_ALIAS) != 0))
		*end = (struct cv_link){ 0 };
	return rc == -ENODEV ? 0 : rc;
}

static bool pair_is_there(const struct pair *pair)
{
	return pair->in.ifindex && pair->out.ifindex;
}

static int find_pair(struct cv_instance *inst, struct pair *pair, struct cv_err *err)
{
	int rc = ledger_read(inst, &pair->ledger, err);

	if (!rc)
		rc = find_end(inst, pair, pair->ledger.out_ifindex, CV_SEGMENT_OUT, &pair->out,
			      err);
	if (!rc)
		rc = find_end(inst, pair, pair->ledger.in_ifindex, CV_SEGMENT_IN, &pair->in, err);
	if (rc)
		return rc;
	/* Both ends come by one request: where there is one of them, it was refused. */
	if (pair->ledger.out_ifindex == CV_SEGMENT_MAKING && !pair_is_there(pair))
		pair->in = pair->out = (struct cv_link){ 0 };
	return 0;
}

static bool end_is_up(const struct cv_link *end)
{
	return end->is_up && !strcmp(end->alias, CV_SEGMENT_ALIAS);
}

struct filter_search {
	uint32_t prog_id; /* of the filter that stands where ours does; 0: none does */
};

static int look_at_filter(const struct cv_filter *filter, void *arg, struct cv_err *err)
{
	struct filter_search *search = arg;

	(void)err;
	if (filter->prio == segment_filter.prio && filter->handle == segment_filter.handle)
		search->prog_id = filter->prog_id;
	return 0;
}

static int find_filter(struct cv_instance *inst, uint32_t ifindex, struct filter_search *search,
		       struct cv_err *err)
{
	*search = (struct filter_search){ 0 };
	return cv_filter_list(inst->nl, ifindex, true, look_at_filter, search, err);
}

int cv_segment_check(struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int prog = cv_pin_open(inst->progs, CV_PROG_SEGMENT, NULL);
	struct filter_search search;
	struct pair pair;
	int rc = find_pair(inst, &pair, err);

	if (rc)
		return rc;
	if (!pair_is_there(&pair) || !pair.in.is_up || !pair.out.is_up ||
	    pair.ledger.in_ifindex != pair.in.ifindex)
		return cv_err_set(err, -ENODEV, "dev %s or %s is not there or not up",
				  CV_SEGMENT_IN, CV_SEGMENT_OUT);
	rc = find_filter(inst, pair.out.ifindex, &search, err);
	if (rc)
		return rc;
	if (prog < 0 || search.prog_id != cv_prog_id(prog))
		return cv_err_set(err, -ENOENT, "dev %s: its ingress filter is gone",
				  CV_SEGMENT_OUT);
	for (size_t i = 0; i < sizeof(sysctls) / sizeof(*sysctls); i++)
		if (!sysctl_is_set(&sysctls[i]))
			return cv_err_set(err, -EINVAL, "/proc/sys/net/%s is not %s",
					  sysctls[i].path, sysctls[i].value);
	return 0;
}

/* ---- grow ---- */

static bool has_tunnel(const struct cv_plan *plan)
{
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++)
		if (plan->tunnels[id].mode)
			return true;
	return false;
}

/* The whole pair comes in one act: what is done to it before it is used is no act of its own. */
static int tell_of_pair(const struct cv_plan *plan, enum cv_act_kind kind, struct cv_err *err)
{
	struct cv_act act = { .kind = kind, .noun = "dev", .name = CV_SEGMENT_IN };

	if (kind == CV_ACT_ADD)
		cv_act_command(&act,
			       "ip link add " CV_SEGMENT_IN
			       " mtu %u gso_max_segs 1 gso_max_size %u type veth peer "
			       "name " CV_SEGMENT_OUT " mtu %u",
			       CV_SEGMENT_MTU, CV_SEGMENT_GSO_BYTES, CV_SEGMENT_MTU);
	else
		cv_act_command(&act, "ip link del " CV_SEGMENT_IN);
	return cv_act(plan, &act, err);
}

static int make_pair(struct cv_instance *inst, struct pair *pair, struct cv_err *err)
{
	const struct cv_segment making = { .out_ifindex = CV_SEGMENT_MAKING };
	const struct cv_veth veth = {
		.name = CV_SEGMENT_IN,
		.peer = CV_SEGMENT_OUT,
		.mtu_bytes = CV_SEGMENT_MTU,
		.gso_max_segs = 1,
		.gso_max_bytes = CV_SEGMENT_GSO_BYTES,
	};
	int rc = ledger_write(inst, &making, err);

	pair->ledger = (struct cv_segment){ 0 };
	if (rc)
		return rc;
	rc = cv_veth_add(inst->nl, &veth, err);
	if (rc) {
		/* What has these names is somebody else's. */
		ledger_write(inst, &pair->ledger, NULL);
		return rc;
	}
	rc = cv_link_by_name(inst->nl, CV_SEGMENT_IN, &pair->in, err);
	if (!rc)
		rc = cv_link_by_name(inst->nl, CV_SEGMENT_OUT, &pair->out, err);
	if (rc)
		return rc;
	pair->ledger.out_ifindex = pair->out.ifindex;
	return ledger_write(inst, &pair->ledger, err);
}

/* No program sends to a device that goes, and the ledger knows of the pair as long as it is there. */
static int remove_pair(struct cv_instance *inst, const struct pair *pair, struct cv_err *err)
{
	uint32_t end = pair->out.ifindex ? pair->out.ifindex : pair->in.ifindex;
	const struct cv_segment going = { .out_ifindex = pair->out.ifindex }, none = { 0 };
	bool is_noted =
		pair->ledger.out_ifindex; /* else the pins were lost, and the map with them */
	int rc = is_noted && end ? ledger_write(inst, &going, err) : 0;

	if (!rc && end)
		rc = cv_veth_del(inst->nl, end, err);
	return rc || !is_noted ? rc : ledger_write(inst, &none, err);
}

/* ---- what the pair needs ---- */

/* Things that may be amiss with a pair that is there; each is an act of its own then. */
static int mend_filter(struct cv_instance *inst, const struct cv_plan *plan, uint32_t ifindex,
		       bool is_new, struct cv_err *err)
{
	CV_CLOSE int prog = cv_pin_open(inst->progs, CV_PROG_SEGMENT, NULL);
	struct cv_act act = { .noun = "filter", .name = CV_SEGMENT_OUT " ingress" };
	struct cv_filter filter = segment_filter;
	struct filter_search search;
	enum cv_qdisc qdisc;
	int rc = find_filter(inst, ifindex, &search, err);

	if (rc || (prog >= 0 && search.prog_id == cv_prog_id(prog)))
		return rc;
	act.kind = search.prog_id ? CV_ACT_CHANGE : CV_ACT_ADD;
	cv_act_command(&act,
		       "tc filter replace dev " CV_SEGMENT_OUT
		       " ingress prio %u handle %u bpf da object-pinned %s/" CV_PROG_SEGMENT,
		       segment_filter.prio, segment_filter.handle, inst->progs);
	rc = is_new ? 1 : cv_act(plan, &act, err);
	if (rc <= 0)
		return rc;
	rc = cv_tc_qdisc(inst->nl, ifindex, &qdisc, err);
	if (!rc && qdisc == CV_QDISC_NONE)
		rc = cv_tc_clsact_add(inst->nl, ifindex, err);
	filter.ifindex = ifindex;
	if (!rc && prog < 0)
		rc = cv_err_set(err, -ENOENT, "program %s/%s is gone", inst->progs,
				CV_PROG_SEGMENT);
	return rc ? rc : cv_filter_add(inst->nl, &filter, prog, search.prog_id, err);
}

static int mend_sysctl(const struct cv_plan *plan, const struct sysctl *sysctl, bool is_new,
		       struct cv_err *err)
{
	struct cv_act act = { .kind = CV_ACT_CHANGE, .noun = "sysctl" };
	int rc;

	if (sysctl_is_set(sysctl))
		return 0;
	cv_act_name(&act, "net/%s", sysctl->path);
	cv_act_what(&act, "to %s", sysctl->value);
	cv_act_command(&act, "sysctl -w net/%s=%s", sysctl->path, sysctl->value);
	rc = is_new ? 1 : cv_act(plan, &act, err);
	return rc <= 0 ? rc : sysctl_set(sysctl, err);
}

static int mend_end(struct cv_instance *inst, const struct cv_plan *plan, const struct cv_link *end,
		    bool is_new, struct cv_err *err)
{
	struct cv_act act = { .kind = CV_ACT_CHANGE, .noun = "dev", .what = "up" };
	int rc;

	if (end_is_up(end))
		return 0;
	cv_act_name(&act, "%s", end->name);
	cv_act_command(&act, "ip link set dev %s up arp off alias \"" CV_SEGMENT_ALIAS "\"",
		       end->name);
	rc = is_new ? 1 : cv_act(plan, &act, err);
	return rc <= 0 ? rc : cv_veth_up(inst->nl, end->ifindex, CV_SEGMENT_ALIAS, err);
}

/* Programs use the pair when all else is done. */
static int mend_ledger(struct cv_instance *inst, const struct cv_plan *plan,
		       const struct pair *pair, bool is_new, struct cv_err *err)
{
	const struct cv_segment wanted = { .in_ifindex = pair->in.ifindex,
					   .out_ifindex = pair->out.ifindex };
	struct cv_act act = { .kind = CV_ACT_CHANGE,
			      .noun = "map",
			      .name = CV_STRING(CV_MAP_SEGMENT),
			      .is_inner = true };
	int rc;

	if (!memcmp(&wanted, &pair->ledger, sizeof(wanted)))
		return 0;
	rc = is_new ? 1 : cv_act(plan, &act, err);
	return rc <= 0 ? rc : ledger_write(inst, &wanted, err);
}

static int mend_pair(struct cv_instance *inst, const struct cv_plan *plan, const struct pair *pair,
		     bool is_new, struct cv_err *err)
{
	int rc = mend_filter(inst, plan, pair->out.ifindex, is_new, err);

	for (size_t i = 0; !rc && i < sizeof(sysctls) / sizeof(*sysctls); i++)
		rc = mend_sysctl(plan, &sysctls[i], is_new, err);
	if (!rc)
		rc = mend_end(inst, plan, &pair->out, is_new, err);
	if (!rc)
		rc = mend_end(inst, plan, &pair->in, is_new, err);
	return rc ? rc : mend_ledger(inst, plan, pair, is_new, err);
}

/* ---- grow ---- */

static int grow_program(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int prog = cv_pin_open(inst->progs, CV_PROG_SEGMENT, err);
	struct cv_act act = { .kind = prog < 0 ? CV_ACT_ADD : CV_ACT_CHANGE,
			      .noun = "program",
			      .name = CV_PROG_SEGMENT,
			      .is_inner = !plan->is_upgrade };
	int rc;

	if (prog < 0 && prog != -ENOENT)
		return prog;
	if (prog >= 0 && !plan->is_upgrade)
		return 0;
	if (prog >= 0)
		cv_act_what(&act, "to build %s", cv_object_build());
	rc = cv_act(plan, &act, err);
	if (rc > 0)
		return cv_object_pin_segment(inst, err);
	return rc < 0 || !cv_acts_are_tried(plan) ? rc : cv_object_try_segment(inst, err);
}

/* What there is of a pair that is not whole goes first. */
static int grow_pair(struct cv_instance *inst, const struct cv_plan *plan, struct pair *pair,
		     struct cv_err *err)
{
	int rc;

	if (pair_is_there(pair))
		return mend_pair(inst, plan, pair, false, err);
	rc = tell_of_pair(plan, CV_ACT_ADD, err);
	if (rc <= 0)
		return rc;
	rc = remove_pair(inst, pair, err);
	*pair = (struct pair){ 0 };
	if (!rc)
		rc = make_pair(inst, pair, err);
	return rc ? rc : mend_pair(inst, plan, pair, true, err);
}

static int grow(struct cv_instance *inst, const struct cv_plan *plan, struct pair *pair,
		struct cv_err *err)
{
	int rc = grow_program(inst, plan, err);

	return rc ? rc : grow_pair(inst, plan, pair, err);
}

int cv_segment_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	struct pair pair = { 0 };
	struct cv_err why = { 0 };
	int rc;

	if (!has_tunnel(plan))
		return 0;
	rc = find_pair(inst, &pair, err);
	if (rc || !grow(inst, plan, &pair, &why))
		return rc;
	cv_log(inst, CV_LOG_WARN,
	       "large packets of UDP_SEGMENT and SCTP senders are dropped at tunnels: %s",
	       why.text);
	return cv_acts_are_made(plan) ? remove_pair(inst, &pair, err) : 0;
}

/* ---- shrink ---- */

int cv_segment_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	struct pair pair = { 0 };
	int rc;

	if (has_tunnel(plan))
		return 0;
	rc = find_pair(inst, &pair, err);
	if (rc || (!pair.in.ifindex && !pair.out.ifindex && !pair.ledger.out_ifindex))
		return rc;
	rc = tell_of_pair(plan, CV_ACT_DEL, err);
	return rc <= 0 ? rc : remove_pair(inst, &pair, err);
}
