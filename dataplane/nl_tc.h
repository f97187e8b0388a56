/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The clsact qdisc and its bpf filters over rtnetlink (kernel: net/sched/cls_bpf.c). */
#ifndef CV_NL_TC_H
#define CV_NL_TC_H

#include <netlink/attr.h>
#include <stdbool.h>
#include <stdint.h>

#include "ending.h"
#include "err.h"
#include "nl.h"

enum cv_qdisc {
	CV_QDISC_NONE,
	CV_QDISC_CLSACT,
	CV_QDISC_SHARED, /* clsact whose filters are those of a block that devices share */
	CV_QDISC_INGRESS, /* the older one, without egress; the two exclude each other */
};

/* Which of the two the device has. */
int cv_tc_qdisc(struct cv_nl *nl, uint32_t ifindex, enum cv_qdisc *out, struct cv_err *err);
/* Whether the device has a qdisc that heeds the departure times of packets. */
int cv_tc_has_departures(struct cv_nl *nl, uint32_t ifindex, bool *out, struct cv_err *err);

/* Which devices have one of the two. */
struct cv_qdisc_at {
	uint32_t ifindex;
	enum cv_qdisc qdisc;
};
struct cv_qdiscs {
	struct cv_qdisc_at *items; /* owned; sorted by ifindex */
	size_t count;
	size_t capacity;
};
/* All of the network namespace, by one question. */
int cv_tc_qdiscs(struct cv_nl *nl, struct cv_qdiscs *out, struct cv_err *err);
enum cv_qdisc cv_qdiscs_find(const struct cv_qdiscs *qdiscs, uint32_t ifindex);
void cv_qdiscs_fini(struct cv_qdiscs *qdiscs);

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
	/* Of filters that are listed: */
	uint32_t chain; /* packets begin in chain 0 */
	uint16_t protocol; /* ETH_P_*, host order: which packets the prio is for */
	enum cv_ending ending; /* of one without prog_id; else its program is to be asked */
};

/* Adds a direct-action bpf filter for all protocols, chain 0, with the program prog_fd;
 * is_replace: swaps the program of the one with the same prio and handle, in one step. The device must
 * have clsact: on an `ingress` qdisc the kernel attaches a filter for egress to ingress. */
int cv_filter_add(struct cv_nl *nl, const struct cv_filter *filter, int prog_fd, bool is_replace,
		  struct cv_err *err);
/* Deletes the filter with that ifindex, direction, prio and handle, and no other. */
int cv_filter_del(struct cv_nl *nl, const struct cv_filter *filter, struct cv_err *err);

#define CV_TC_ACTIONS_MAX 32 /* TCA_ACT_MAX_PRIO of the kernel */

/* The actions of a filter of that kind among its options (may be NULL); NULL: it has none. */
struct nlattr *cv_tc_actions(const char *kind, const struct nlattr *options);

/* Called for each filter of one direction of a device; a negative return ends the walk. */
typedef int (*cv_filter_fn)(const struct cv_filter *filter, void *arg, struct cv_err *err);
/* Lists the filters of all kinds and chains in the order in which packets meet them. A device
 * without clsact has none; one with an `ingress` qdisc answers for both sides with what it has on
 * ingress. */
int cv_filter_list(struct cv_nl *nl, uint32_t ifindex, bool ingress, cv_filter_fn fn, void *arg,
		   struct cv_err *err);

/* The same as a list. */
struct cv_filters {
	struct cv_filter *items; /* owned */
	size_t count;
};
int cv_filters_read(struct cv_nl *nl, uint32_t ifindex, bool ingress, struct cv_filters *out,
		    struct cv_err *err);
void cv_filters_fini(struct cv_filters *filters);

#endif
