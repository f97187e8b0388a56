/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Making, mending and removing the pair; CV_MAP_SEGMENT is the ledger of it. */
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

/* An ifindex may have been given to another device meanwhile; the name tells. */
static bool end_is_there(struct cv_instance *inst, uint32_t ifindex, const char *name, bool is_up)
{
	struct cv_link link;

	return ifindex && !cv_link_by_index(inst->nl, ifindex, &link, NULL) &&
	       !strcmp(link.name, name) && (link.is_up || !is_up);
}

static bool pair_is_there(struct cv_instance *inst, const struct cv_segment *segment, bool is_up)
{
	return end_is_there(inst, segment->in_ifindex, CV_SEGMENT_IN, is_up) &&
	       end_is_there(inst, segment->out_ifindex, CV_SEGMENT_OUT, is_up);
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
	struct cv_segment segment;
	int rc = ledger_read(inst, &segment, err);

	if (rc)
		return rc;
	if (!pair_is_there(inst, &segment, true))
		return cv_err_set(err, -ENODEV, "dev %s or %s is not there or not up",
				  CV_SEGMENT_IN, CV_SEGMENT_OUT);
	rc = find_filter(inst, segment.out_ifindex, &search, err);
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

static int make_pair(struct cv_instance *inst, struct cv_segment *segment, struct cv_err *err)
{
	const struct cv_veth veth = {
		.name = CV_SEGMENT_IN,
		.peer = CV_SEGMENT_OUT,
		.mtu_bytes = CV_SEGMENT_MTU,
		.gso_max_segs = 1,
		.gso_max_bytes = CV_SEGMENT_GSO_BYTES,
	};
	struct cv_link in, out;
	int rc = cv_veth_add(inst->nl, &veth, err);

	if (!rc)
		rc = cv_link_by_name(inst->nl, CV_SEGMENT_IN, &in, err);
	if (!rc)
		rc = cv_link_by_name(inst->nl, CV_SEGMENT_OUT, &out, err);
	if (rc)
		return rc;
	*segment = (struct cv_segment){ .in_ifindex = in.ifindex, .out_ifindex = out.ifindex };
	return 0;
}

static int attach(struct cv_instance *inst, uint32_t ifindex, struct cv_err *err)
{
	CV_CLOSE int prog = -1;
	struct cv_filter filter = segment_filter;
	struct filter_search search;
	enum cv_qdisc qdisc;
	int rc = cv_tc_qdisc(inst->nl, ifindex, &qdisc, err);

	if (!rc && qdisc == CV_QDISC_NONE)
		rc = cv_tc_clsact_add(inst->nl, ifindex, err);
	if (!rc)
		rc = find_filter(inst, ifindex, &search, err);
	if (rc)
		return rc;
	prog = cv_pin_open(inst->progs, CV_PROG_SEGMENT, err);
	if (prog < 0)
		return prog;
	filter.ifindex = ifindex;
	return search.prog_id == cv_prog_id(prog)
		       ? 0
		       : cv_filter_add(inst->nl, &filter, prog, search.prog_id, err);
}

static int load_program(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int prog = cv_pin_open(inst->progs, CV_PROG_SEGMENT, err);

	if (prog < 0 && prog != -ENOENT)
		return prog;
	return prog < 0 || plan->is_upgrade ? cv_object_pin_segment(inst, err) : 0;
}

static int bring_up(struct cv_instance *inst, const struct cv_segment *segment, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(sysctls) / sizeof(*sysctls); i++)
		rc = sysctl_set(&sysctls[i], err);
	if (!rc)
		rc = cv_veth_up(inst->nl, segment->out_ifindex, CV_SEGMENT_ALIAS, err);
	if (!rc)
		rc = cv_veth_up(inst->nl, segment->in_ifindex, CV_SEGMENT_ALIAS, err);
	return rc;
}

static int remove_pair(struct cv_instance *inst, const struct cv_segment *segment,
		       struct cv_err *err)
{
	const struct cv_segment none = { 0 };
	int rc = ledger_write(inst, &none, err);

	if (!rc && end_is_there(inst, segment->out_ifindex, CV_SEGMENT_OUT, false))
		rc = cv_veth_del(inst->nl, segment->out_ifindex, err);
	return rc;
}

/* The ledger knows of a pair as soon as it is there; programs use it when all else is done. */
static int mend(struct cv_instance *inst, const struct cv_plan *plan, struct cv_segment *segment,
		struct cv_err *err)
{
	struct cv_segment unused;
	int rc = load_program(inst, plan, err);

	if (!rc && !pair_is_there(inst, segment, false)) {
		rc = remove_pair(inst, segment, err);
		*segment = (struct cv_segment){ 0 };
		if (!rc)
			rc = make_pair(inst, segment, err);
		unused = (struct cv_segment){ .out_ifindex = segment->out_ifindex };
		if (!rc)
			rc = ledger_write(inst, &unused, err);
	}
	if (!rc)
		rc = attach(inst, segment->out_ifindex, err);
	if (!rc)
		rc = bring_up(inst, segment, err);
	return rc ? rc : ledger_write(inst, segment, err);
}

int cv_segment_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	struct cv_segment segment;
	struct cv_err why;
	int rc;

	if (!has_tunnel(plan))
		return 0;
	rc = ledger_read(inst, &segment, err);
	if (rc || !mend(inst, plan, &segment, &why))
		return rc;
	cv_log(inst, CV_LOG_WARN,
	       "large packets of UDP_SEGMENT and SCTP senders are dropped at tunnels: %s",
	       why.text);
	return remove_pair(inst, &segment, err);
}

int cv_segment_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	struct cv_segment segment;
	int rc;

	if (has_tunnel(plan))
		return 0;
	rc = ledger_read(inst, &segment, err);
	return rc || !segment.out_ifindex ? rc : remove_pair(inst, &segment, err);
}
