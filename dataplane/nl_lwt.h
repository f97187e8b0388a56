/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of a route or a nexthop object (`encap bpf`) as attributes of rtnetlink (kernel:
 * net/core/lwt_bpf.c). A program itself is never reported back, only its name.
 */
#ifndef CV_NL_LWT_H
#define CV_NL_LWT_H

#include <netlink/msg.h>
#include <stdbool.h>
#include <stdint.h>

#define CV_LWT_NAME_LEN 96

enum cv_lwt_hook { CV_LWT_IN, CV_LWT_OUT, CV_LWT_XMIT, CV_LWT_HOOKS };

struct cv_lwt {
	bool is_bpf; /* there is an encap, and it is of programs */
	char names[CV_LWT_HOOKS][CV_LWT_NAME_LEN]; /* of the programs; empty: none there */
};

bool cv_lwt_equal(const struct cv_lwt *a, const struct cv_lwt *b);

/* Adds the two attributes, whose types differ between routes and nexthop objects; fds are the
 * programs of the hooks that have a name. Nothing without programs. Returns 0 or -EMSGSIZE. */
int cv_lwt_put(struct nl_msg *msg, int type_attr, int encap_attr, const struct cv_lwt *lwt,
	       const int fds[CV_LWT_HOOKS]);

/* Reads them; either may be NULL. Returns 0 or -EBADMSG. */
int cv_lwt_read(struct nlattr *type, struct nlattr *encap, struct cv_lwt *lwt);

#endif
