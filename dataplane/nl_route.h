/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes with `encap bpf` over rtnetlink. libnl-route is not used: its route cache fails as soon as
 * one route has an encap.
 */
#ifndef CV_NL_ROUTE_H
#define CV_NL_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "culvert.h"
#include "nl.h"
#include "nl_lwt.h"

struct cv_fib_route {
	struct cv_prefix to; /* never family 0 */
	uint32_t table;
	uint32_t metric; /* 0: the family's default (IPv4 0, IPv6 1024) */
	uint8_t protocol; /* rtm_protocol */
	uint8_t type; /* RTN_UNICAST, RTN_LOCAL, ... */
	uint32_t ifindex;
	struct cv_addr via; /* may be of the other family than to (RTA_VIA); family 0: none */
	struct cv_addr src; /* preferred source; family 0: none */
	uint32_t mtu_bytes; /* RTAX_MTU; 0: none */
	uint32_t other_metrics; /* how many others it has; read only, ours have none */
	struct cv_lwt lwt;
	uint32_t
		nh_id; /* nexthop object or group that says device, gateway and programs; 0: none */
	uint32_t hop; /* of a route with several nexthops of its own: which, from 0 */
	uint32_t weight; /* of that nexthop; 0: it is the only one */
};

/* True if both have the same prefix, table and metric: the kernel holds one of them. */
bool cv_fib_same_place(const struct cv_fib_route *a, const struct cv_fib_route *b);
/* A hash of these. */
uint64_t cv_fib_place_hash(const struct cv_fib_route *route);

enum cv_fib_mode {
	CV_FIB_NEW, /* -EEXIST if the prefix is there with that table and metric */
	CV_FIB_REPLACE, /* take the place of the one with the same prefix, table and metric */
};

/* Puts a change of a route into a batch; fds are the programs of route->lwt, and stay open until it is
 * sent. IPv4 without via gets link scope. */
int cv_fib_add(struct cv_nl_batch *batch, const struct cv_fib_route *route,
	       const int fds[CV_LWT_HOOKS], enum cv_fib_mode mode, struct cv_err *err);
/* The same to delete the route with that prefix, table, metric, protocol, device and gateway, which is
 * there. With an IPv4 metric of 0 the kernel takes away the lowest metric first: that one. */
int cv_fib_del(struct cv_nl_batch *batch, const struct cv_fib_route *route, struct cv_err *err);
/* Fills err with why the kernel refused one of these, and returns code. verb: "add", ... */
int cv_fib_refusal(const struct cv_fib_route *route, const char *verb, int code, const char *kernel,
		   struct cv_err *err);

/* Which routes a list is to hold: there may be millions. */
typedef bool (*cv_fib_keep_fn)(const struct cv_fib_route *route, void *arg);
/* Called for each of them; a negative return ends the walk. */
typedef int (*cv_fib_fn)(const struct cv_fib_route *route, void *arg, struct cv_err *err);
/* Lists the routes of a family (4, 6) in all tables that keep (NULL: all) is true for, cached clones
 * left out; one with several nexthops of its own comes once for each, in a row, if keep is true for
 * any. protocol 0: any. */
int cv_fib_list(struct cv_nl *nl, uint8_t family, uint8_t protocol, cv_fib_keep_fn keep,
		cv_fib_fn fn, void *arg, struct cv_err *err);

struct cv_fib_routes {
	struct cv_fib_route *items; /* owned */
	size_t count;
};

void cv_fib_routes_fini(struct cv_fib_routes *routes);
int cv_fib_routes_add(struct cv_fib_routes *routes, const struct cv_fib_route *route,
		      struct cv_err *err);
/* The same as a list, behind what it has. */
int cv_fib_read(struct cv_nl *nl, uint8_t family, uint8_t protocol, cv_fib_keep_fn keep, void *arg,
		struct cv_fib_routes *out, struct cv_err *err);

/* A packet, as far as routing asks for it. */
struct cv_fib_question {
	struct cv_addr dst;
	struct cv_addr src; /* of this host, unless ifindex_in is given; family 0: not given */
	uint32_t mark;
	uint32_t ifindex_in; /* it arrives by this device; 0: this host sends it */
	uint32_t ifindex_out; /* its socket is bound to this device; 0: to none */
	uint8_t proto; /* 0: not given; the kernel can be asked for TCP, UDP and ICMP only */
	uint16_t sport; /* 0: not given */
	uint16_t dport;
};

/* What the kernel would do with a packet (ip route get DST from SRC mark M fibmatch, and the same
 * without fibmatch for the way it takes and the MTU). */
struct cv_fib_answer {
	/* The matching one: its prefix, table, metric. Of several nexthops one speaks for all:
	 * one with an xmit program if there is one. */
	struct cv_fib_route route;
	uint32_t ifindex; /* of the packet */
	struct cv_addr via; /* of the packet; family 0: none */
	struct cv_lwt lwt; /* the programs that the packet meets */
	uint32_t mtu_bytes; /* the route's own, else the device's */
	bool is_local; /* the address is one of this host */
};
/* -ENETUNREACH and the like when there is no route. */
int cv_fib_ask(struct cv_nl *nl, const struct cv_fib_question *question, struct cv_fib_answer *out,
	       struct cv_err *err);
/* The same for a packet of no protocol. src of family 0: not given. */
int cv_fib_lookup(struct cv_nl *nl, const struct cv_addr *dst, const struct cv_addr *src,
		  uint32_t mark, struct cv_fib_answer *out, struct cv_err *err);

/* From now on an answer is remembered, until all are forgotten: what is asked again is not asked the
 * kernel. For when no route comes or changes meanwhile. */
void cv_fib_remember(struct cv_nl *nl);
/* Asks what is not remembered yet, many questions at once. Those that have no answer of use are to be
 * asked one by one, which says why. */
void cv_fib_ask_ahead(struct cv_nl *nl, const struct cv_fib_question *questions, size_t count);
void cv_fib_forget(struct cv_nl *nl);

#endif
