/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The clsact qdisc and its bpf filters over rtnetlink (kernel: net/sched/cls_bpf.c). */
#ifndef CV_NL_TC_H
#define CV_NL_TC_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "nl.h"

enum cv_qdisc {
	CV_QDISC_NONE,
	CV_QDISC_CLSACT,
	CV_QDISC_INGRESS, /* the older one, without egress; the two exclude each other */
};

/* Which of the two the device has. */
int cv_tc_qdisc(struct cv_nl *nl, uint32_t ifindex, enum cv_qdisc *out, struct cv_err *err);
/* Whether the device has a qdisc that heeds the departure times of packets. */
int cv_tc_has_departures(struct cv_nl *nl, uint32_t ifindex, bool *out, struct cv_err *err);
/* Adds clsact; -EEXIST if one is there. Deletes it with all its filters. */
int cv_tc_clsact_add(struct cv_nl *nl, uint32_t ifindex, struct cv_err *err);
int cv_tc_clsact_del(struct cv_nl *nl, uint32_t ifindex, struct cv_err *err);

struct cv_filter {
	uint32_t ifindex;
	bool ingress; /* else egress */
	uint32_t prio; /* 1..65535 */
	uint32_t handle; /* 0: the filter's chain head of another kind, not an instance */
	char kind[16]; /* "bpf", "u32", ... */
	char name[64]; /* of a bpf filter: free text shown by tc */
	uint32_t prog_id; /* of a bpf filter; 0 when adding */
	bool direct_action;
};

/* Adds a direct-action bpf filter for all protocols, chain 0, with the program prog_fd;
 * is_replace: swaps the program of the one with the same prio and handle, in one step. */
int cv_filter_add(struct cv_nl *nl, const struct cv_filter *filter, int prog_fd, bool is_replace,
		  struct cv_err *err);
/* Deletes the filter with that ifindex, direction, prio and handle, and no other. */
int cv_filter_del(struct cv_nl *nl, const struct cv_filter *filter, struct cv_err *err);

/* Called for each filter of one direction of a device; a negative return ends the walk. */
typedef int (*cv_filter_fn)(const struct cv_filter *filter, void *arg, struct cv_err *err);
/* Lists the filters of all kinds and chains in the order in which packets meet them. A device
 * without clsact has none. */
int cv_filter_list(struct cv_nl *nl, uint32_t ifindex, bool ingress, cv_filter_fn fn, void *arg,
		   struct cv_err *err);

#endif
