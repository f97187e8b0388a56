/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network devices over rtnetlink. */
#ifndef CV_NL_LINK_H
#define CV_NL_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "nl.h"

#define CV_LINK_ALIAS_LEN 64

struct cv_link {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	uint32_t mtu_bytes;
	uint16_t type; /* ARPHRD_*: what the link header looks like */
	bool is_up;
	char alias[CV_LINK_ALIAS_LEN]; /* as far as it fits; empty: none */
};

/* Finds a device by name or by ifindex. -ENODEV with a text when there is none. */
int cv_link_by_name(struct cv_nl *nl, const char *name, struct cv_link *out, struct cv_err *err);
int cv_link_by_index(struct cv_nl *nl, uint32_t ifindex, struct cv_link *out, struct cv_err *err);

/*
 * From now on devices are found in one picture of all of them, until it is forgotten; it is taken when
 * a few have been asked for one by one. For asking about many while none comes or changes. Each call
 * to remember has one to forget, and the last of these counts.
 */
void cv_links_remember(struct cv_nl *nl);
void cv_links_forget(struct cv_nl *nl);

/* Devices, sorted by name. */
struct cv_links {
	struct cv_link *items; /* owned */
	size_t count;
	size_t capacity;
};
/* All that there are, by one question. */
int cv_link_list(struct cv_nl *nl, struct cv_links *out, struct cv_err *err);
/* Adds one behind the others: for few devices, which are asked for one by one. */
int cv_links_add(struct cv_links *links, const struct cv_link *link, struct cv_err *err);
/* The one of that name among them, which are sorted; NULL if there is none. */
const struct cv_link *cv_links_find(const struct cv_links *links, const char *name);
void cv_links_sort(struct cv_links *links);
void cv_links_fini(struct cv_links *links);

#endif
