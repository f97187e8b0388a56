/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nexthop objects over rtnetlink (ip nexthop): single ones, with a gateway, a device and programs,
 * and groups of them with weights (kernel: net/ipv4/nexthop.c).
 */
#ifndef CV_NL_NEXTHOP_H
#define CV_NL_NEXTHOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "culvert.h"
#include "nl.h"
#include "nl_lwt.h"

struct cv_nexthop_member {
	uint32_t id;
	uint32_t weight; /* 1..256 */
};

struct cv_nexthop {
	uint32_t id;
	uint8_t family; /* 4 or 6; 0: a group */
	uint8_t protocol; /* rtm_protocol of who made it */
	uint32_t ifindex;
	struct cv_addr via; /* family 0: none */
	struct cv_lwt lwt;
	struct cv_nexthop_member *members; /* owned by the list it is in */
	size_t member_count; /* 0: a single one */
};

struct cv_nexthop_list {
	struct cv_nexthop *items; /* owned */
	size_t count;
};

void cv_nexthop_list_fini(struct cv_nexthop_list *list);
/* The one with that id, or NULL; borrowed. */
const struct cv_nexthop *cv_nexthop_find(const struct cv_nexthop_list *list, uint32_t id);

/* Lists all, whoever made them; empty on a kernel without nexthop objects. */
int cv_nexthop_list(struct cv_nl *nl, struct cv_nexthop_list *out, struct cv_err *err);
/* Puts a change into a batch: adding one under an id that is free, fds being the programs of lwt, which
 * stay open until it is sent; or deleting one, and with it, by the kernel, the routes that use it. */
int cv_nexthop_add(struct cv_nl_batch *batch, const struct cv_nexthop *nexthop,
		   const int fds[CV_LWT_HOOKS], struct cv_err *err);
int cv_nexthop_del(struct cv_nl_batch *batch, uint32_t id, struct cv_err *err);
/* Fills err with why the kernel refused one of these, and returns code. verb: "add", ... */
int cv_nexthop_refusal(uint32_t id, const char *verb, int code, const char *kernel,
		       struct cv_err *err);

#endif
