/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes: those with programs or nexthop objects are written, all are read, and the kernel is asked
 * for the one a packet would take.
 */
#include "nl_route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "array.h"
#include "chain.h"
#include "nl_link.h"
#include "own.h"

#define ERRNO_MAX 4095 /* MAX_ERRNO of the kernel */
#define IPV6_DEFAULT_METRIC 1024 /* IP6_RT_PRIO_USER of the kernel */

struct route_list {
	uint8_t family;
	uint8_t protocol; /* 0: any */
	cv_fib_keep_fn keep; /* may be NULL */
	void *arg; /* its */
	struct cv_fib_routes *out; /* borrowed */
	size_t first; /* what was there before */
};

void cv_fib_routes_fini(struct cv_fib_routes *routes)
{
	free(routes->items);
	*routes = (struct cv_fib_routes){ 0 };
}

int cv_fib_routes_add(struct cv_fib_routes *routes, const struct cv_fib_route *route,
		      struct cv_err *err)
{
	return cv_array_add((void **)&routes->items, &routes->count, route, sizeof(*route),
			    "routes", err);
}

static uint8_t os_family(uint8_t family)
{
	return family == 4 ? AF_INET : AF_INET6;
}

static int addr_bytes(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

bool cv_fib_same_place(const struct cv_fib_route *a, const struct cv_fib_route *b)
{
	return a->to.bits == b->to.bits && cv_addr_equal(&a->to.addr, &b->to.addr) &&
	       a->table == b->table && a->metric == b->metric;
}

uint64_t cv_fib_place_hash(const struct cv_fib_route *route)
{
	const uint32_t place[] = { route->to.addr.family, route->to.bits, route->table,
				   route->metric };

	return cv_hash_bytes(cv_hash_bytes(0, place, sizeof(place)), route->to.addr.bytes,
			     (size_t)addr_bytes(route->to.addr.family));
}

/* ---- writing ---- */

static int put_addr(struct nl_msg *msg, int type, const struct cv_addr *addr)
{
	return nla_put(msg, type, addr_bytes(addr->family), addr->bytes) ? -EMSGSIZE : 0;
}

static int put_via(struct nl_msg *msg, const struct cv_fib_route *route)
{
	struct nlattr *attr;
	struct rtvia *via;

	if (!route->via.family)
		return 0;
	if (route->via.family == route->to.addr.family)
		return put_addr(msg, RTA_GATEWAY, &route->via);
	attr = nla_reserve(msg, RTA_VIA, (int)sizeof(*via) + addr_bytes(route->via.family));
	if (!attr)
		return -EMSGSIZE;
	via = nla_data(attr);
	via->rtvia_family = os_family(route->via.family);
	memcpy(via->rtvia_addr, route->via.bytes, (size_t)addr_bytes(route->via.family));
	return 0;
}

/* What says which route it is: the same for adding and deleting. */
static int put_key(struct nl_msg *msg, struct rtmsg *header, const struct cv_fib_route *route)
{
	uint32_t metric = route->metric;

	header->rtm_family = os_family(route->to.addr.family);
	header->rtm_dst_len = route->to.bits;
	header->rtm_table = route->table <= UINT8_MAX ? (uint8_t)route->table : RT_TABLE_UNSPEC;
	header->rtm_protocol = route->protocol;
	header->rtm_type = route->type;
	/* When deleting, a metric of 0 would mean "whichever". */
	if (!metric && route->to.addr.family == 6)
		metric = IPV6_DEFAULT_METRIC;
	if (put_addr(msg, RTA_DST, &route->to.addr) || nla_put_u32(msg, RTA_TABLE, route->table) ||
	    (metric && nla_put_u32(msg, RTA_PRIORITY, metric)))
		return -EMSGSIZE;
	/* A nexthop object says device and gateway, and the kernel wants them said once. */
	if (route->nh_id)
		return nla_put_u32(msg, RTA_NH_ID, route->nh_id) ? -EMSGSIZE : 0;
	if (route->ifindex && nla_put_u32(msg, RTA_OIF, route->ifindex))
		return -EMSGSIZE;
	return put_via(msg, route);
}

static int put_mtu(struct nl_msg *msg, uint32_t mtu_bytes)
{
	struct nlattr *metrics;

	if (!mtu_bytes)
		return 0;
	metrics = nla_nest_start(msg, RTA_METRICS);
	if (!metrics || nla_put_u32(msg, RTAX_MTU, mtu_bytes))
		return -EMSGSIZE;
	nla_nest_end(msg, metrics);
	return 0;
}

/* IPv4 wants to know how far away the next stop is; a nexthop object says it itself. */
static uint8_t scope_of(const struct cv_fib_route *route)
{
	if (route->to.addr.family == 6 || route->nh_id || route->via.family)
		return RT_SCOPE_UNIVERSE;
	return route->type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
}

static int put_route(struct nl_msg *msg, struct rtmsg *header, const struct cv_fib_route *route,
		     const int fds[CV_LWT_HOOKS])
{
	int ret = put_key(msg, header, route);

	header->rtm_scope = scope_of(route);
	if (!ret && route->src.family)
		ret = put_addr(msg, RTA_PREFSRC, &route->src);
	if (!ret)
		ret = put_mtu(msg, route->mtu_bytes);
	return ret || route->nh_id ? ret
				   : cv_lwt_put(msg, RTA_ENCAP_TYPE, RTA_ENCAP, &route->lwt, fds);
}

int cv_fib_refusal(const struct cv_fib_route *route, const char *verb, int code, const char *kernel,
		   struct cv_err *err)
{
	char prefix[CV_PREFIX_TEXT], what[160];

	snprintf(what, sizeof(what), "route %s in table %u: %s",
		 cv_prefix_format(&route->to, prefix), route->table, verb);
	cv_nl_refusal(err, code, kernel, what);
	if (code == -EOPNOTSUPP || strstr(kernel, "lwt encapsulation type"))
		cv_err_hint(err, "this kernel has no CONFIG_LWTUNNEL_BPF");
	return code;
}

/* Takes msg to the batch if it is there and was filled. */
static int put_in_batch(struct cv_nl_batch *batch, struct nl_msg *msg, int ret,
			const struct cv_fib_route *route, const char *verb, struct cv_err *err)
{
	if (!ret)
		ret = cv_nl_batch_add(batch, msg);
	return ret ? cv_fib_refusal(route, verb, ret, "", err) : 0;
}

int cv_fib_add(struct cv_nl_batch *batch, const struct cv_fib_route *route,
	       const int fds[CV_LWT_HOOKS], enum cv_fib_mode mode, struct cv_err *err)
{
	bool is_new = mode == CV_FIB_NEW;
	struct rtmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_NEWROUTE, NLM_F_CREATE | (is_new ? NLM_F_EXCL : NLM_F_REPLACE),
			  sizeof(*header), (void **)&header);
	int ret = msg ? put_route(msg, header, route, fds) : -ENOMEM;

	return put_in_batch(batch, msg, ret, route, is_new ? "add" : "replace", err);
}

int cv_fib_del(struct cv_nl_batch *batch, const struct cv_fib_route *route, struct cv_err *err)
{
	struct rtmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_DELROUTE, 0, sizeof(*header), (void **)&header);
	int ret = msg ? put_key(msg, header, route) : -ENOMEM;

	/* To the kernel a zero means "whichever". */
	if (!route->protocol || !route->table)
		ret = -EINVAL;
	if (!ret)
		header->rtm_scope = RT_SCOPE_NOWHERE; /* any */
	return put_in_batch(batch, msg, ret, route, "delete", err);
}

/* ---- reading ---- */

static int read_addr(const struct nlattr *attr, uint8_t family, struct cv_addr *out)
{
	*out = (struct cv_addr){ .family = family };
	if (!attr)
		return 0;
	if (nla_len(attr) != addr_bytes(family))
		return -EBADMSG;
	memcpy(out->bytes, nla_data(attr), (size_t)addr_bytes(family));
	return 0;
}

static int read_via(const struct nlattr *attr, struct cv_addr *out)
{
	const struct rtvia *via = nla_data(attr);
	uint8_t family;

	if (nla_len(attr) < (int)sizeof(*via))
		return -EBADMSG;
	if (via->rtvia_family != AF_INET && via->rtvia_family != AF_INET6)
		return 0;
	family = via->rtvia_family == AF_INET ? 4 : 6;
	if (nla_len(attr) != (int)sizeof(*via) + addr_bytes(family))
		return -EBADMSG;
	out->family = family;
	memcpy(out->bytes, via->rtvia_addr, (size_t)addr_bytes(family));
	return 0;
}

/* Gateway and programs, which stand beside the route or inside a nexthop of it. */
static int read_nexthop(struct nlattr *const attrs[], struct cv_fib_route *route)
{
	int ret = 0;

	route->via = (struct cv_addr){ 0 };
	if (attrs[RTA_GATEWAY])
		ret = read_addr(attrs[RTA_GATEWAY], route->to.addr.family, &route->via);
	else if (attrs[RTA_VIA])
		ret = read_via(attrs[RTA_VIA], &route->via);
	return ret ? ret : cv_lwt_read(attrs[RTA_ENCAP_TYPE], attrs[RTA_ENCAP], &route->lwt);
}

static const struct nla_policy *route_policy(void)
{
	static const struct nla_policy policy[RTA_MAX + 1] = {
		[RTA_OIF] = { .type = NLA_U32 },
		[RTA_PRIORITY] = { .type = NLA_U32 },
		[RTA_TABLE] = { .type = NLA_U32 },
		[RTA_ENCAP_TYPE] = { .type = NLA_U16 },
		[RTA_NH_ID] = { .type = NLA_U32 },
		[RTA_MULTIPATH] = { .minlen = sizeof(struct rtnexthop) },
		[RTA_CACHEINFO] = { .minlen = sizeof(struct rta_cacheinfo) },
	};

	return policy;
}

static int parse_attrs(struct nlattr *attrs[], struct nlattr *first, int len)
{
	return nla_parse(attrs, RTA_MAX, first, len, (struct nla_policy *)route_policy()) < 0
		       ? -EBADMSG
		       : 0;
}

/* The nexthops of a route that has several, one after the other. */
struct hops {
	struct rtnexthop *next;
	int left; /* bytes */
};

/* Reads the next one into route. Returns 1, 0 behind the last, or -EBADMSG. */
static int read_hop(struct hops *hops, struct cv_fib_route *route)
{
	struct rtnexthop *hop = hops->next;
	struct nlattr *attrs[RTA_MAX + 1];
	int len;

	if (hops->left < (int)sizeof(*hop))
		return 0;
	if (hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > hops->left)
		return -EBADMSG;
	route->ifindex = (uint32_t)hop->rtnh_ifindex;
	route->weight = hop->rtnh_hops + 1u;
	if (parse_attrs(attrs, (struct nlattr *)RTNH_DATA(hop),
			(int)(hop->rtnh_len - RTNH_LENGTH(0))) ||
	    read_nexthop(attrs, route))
		return -EBADMSG;
	len = RTNH_ALIGN(hop->rtnh_len);
	hops->next = (struct rtnexthop *)((char *)hop + len);
	hops->left -= len;
	return 1;
}

static struct hops hops_of(const struct nlattr *multipath)
{
	return (struct hops){ .next = nla_data(multipath), .left = nla_len(multipath) };
}

/* Of several nexthops the first with an xmit program speaks for the route, else the last. */
static int read_multipath(const struct nlattr *multipath, struct cv_fib_route *route)
{
	struct hops hops = hops_of(multipath);
	int ret = read_hop(&hops, route);

	if (!ret)
		return -EBADMSG;
	while (ret > 0 && !route->lwt.names[CV_LWT_XMIT][0])
		ret = read_hop(&hops, route);
	route->weight = 0;
	return ret < 0 ? ret : 0;
}

static int read_metrics(struct nlattr *metrics, struct cv_fib_route *route)
{
	static struct nla_policy policy[RTAX_MAX + 1] = { [RTAX_MTU] = { .type = NLA_U32 } };
	struct nlattr *attrs[RTAX_MAX + 1];

	if (nla_parse_nested(attrs, RTAX_MAX, metrics, policy) < 0)
		return -EBADMSG;
	for (int metric = 0; metric <= RTAX_MAX; metric++)
		route->other_metrics += attrs[metric] && metric != RTAX_MTU;
	route->mtu_bytes = attrs[RTAX_MTU] ? nla_get_u32(attrs[RTAX_MTU]) : 0;
	return 0;
}

static int read_route(struct nlattr *const attrs[], const struct rtmsg *header,
		      struct cv_fib_route *route)
{
	uint8_t family = header->rtm_family == AF_INET ? 4 : 6;

	*route = (struct cv_fib_route){
		.to.bits = header->rtm_dst_len,
		.table = attrs[RTA_TABLE] ? nla_get_u32(attrs[RTA_TABLE]) : header->rtm_table,
		.metric = attrs[RTA_PRIORITY] ? nla_get_u32(attrs[RTA_PRIORITY]) : 0,
		.protocol = header->rtm_protocol,
		.type = header->rtm_type,
		.ifindex = attrs[RTA_OIF] ? nla_get_u32(attrs[RTA_OIF]) : 0,
		.nh_id = attrs[RTA_NH_ID] ? nla_get_u32(attrs[RTA_NH_ID]) : 0,
	};
	if (header->rtm_dst_len > 8 * addr_bytes(family) ||
	    read_addr(attrs[RTA_DST], family, &route->to.addr))
		return -EBADMSG;
	if (attrs[RTA_PREFSRC] && read_addr(attrs[RTA_PREFSRC], family, &route->src))
		return -EBADMSG;
	if (attrs[RTA_METRICS] && read_metrics(attrs[RTA_METRICS], route))
		return -EBADMSG;
	if (attrs[RTA_MULTIPATH])
		return read_multipath(attrs[RTA_MULTIPATH], route);
	return read_nexthop(attrs, route);
}

/* A message from the kernel. */
struct parsed {
	struct cv_fib_route route;
	unsigned int flags; /* rtm_flags */
	int rta_error; /* 0 or a negative errno that IPv6 keeps in a route which leads nowhere */
	const struct nlattr *multipath; /* NULL: it has not several nexthops of its own */
};

/* Returns 1 for a route, 0 for a message that is none, -EBADMSG. */
static int parse_route(struct nlmsghdr *hdr, struct parsed *out)
{
	struct nlattr *attrs[RTA_MAX + 1];
	const struct rtmsg *header = nlmsg_data(hdr);

	if (hdr->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (!nlmsg_valid_hdr(hdr, sizeof(*header)))
		return -EBADMSG;
	if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6)
		return 0; /* multicast routing and others share the message */
	if (parse_attrs(attrs, nlmsg_attrdata(hdr, sizeof(*header)),
			nlmsg_attrlen(hdr, sizeof(*header))) ||
	    read_route(attrs, header, &out->route))
		return -EBADMSG;
	out->flags = header->rtm_flags;
	out->rta_error = 0;
	out->multipath = out->route.nh_id ? NULL : attrs[RTA_MULTIPATH];
	if (attrs[RTA_CACHEINFO]) {
		struct rta_cacheinfo cache;

		memcpy(&cache, nla_data(attrs[RTA_CACHEINFO]), sizeof(cache));
		out->rta_error = (int)cache.rta_error;
		if (out->rta_error < -ERRNO_MAX)
			return -EBADMSG;
	}
	return 1;
}

/* Whether the list is to hold a route with several nexthops. Returns 1, 0 or -EBADMSG. */
static int keeps_hops(const struct route_list *list, const struct parsed *parsed)
{
	struct cv_fib_route route = parsed->route;
	struct hops hops = hops_of(parsed->multipath);
	int ret;

	while ((ret = read_hop(&hops, &route)) > 0)
		if (!list->keep || list->keep(&route, list->arg))
			return 1;
	return ret;
}

static int collect_hops(struct route_list *list, const struct parsed *parsed, struct cv_err *err)
{
	struct cv_fib_route route = parsed->route;
	struct hops hops = hops_of(parsed->multipath);
	int ret = keeps_hops(list, parsed);

	if (ret < 0)
		return cv_err_set(err, ret, "routes: malformed answer from the kernel");
	for (route.hop = 0; ret > 0 && read_hop(&hops, &route) > 0; route.hop++)
		if (cv_fib_routes_add(list->out, &route, err))
			return -ENOMEM;
	return 0;
}

static int collect_route(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct route_list *list = arg;
	struct parsed parsed;
	int ret;

	if (!hdr) {
		list->out->count = list->first;
		return 0;
	}
	ret = parse_route(hdr, &parsed);
	if (ret < 0)
		return cv_err_set(err, ret, "routes: malformed answer from the kernel");
	if (!ret || parsed.flags & RTM_F_CLONED || parsed.route.to.addr.family != list->family ||
	    (list->protocol && parsed.route.protocol != list->protocol))
		return 0;
	if (parsed.multipath)
		return collect_hops(list, &parsed, err);
	if (list->keep && !list->keep(&parsed.route, list->arg))
		return 0;
	return cv_fib_routes_add(list->out, &parsed.route, err);
}

int cv_fib_read(struct cv_nl *nl, uint8_t family, uint8_t protocol, cv_fib_keep_fn keep, void *arg,
		struct cv_fib_routes *out, struct cv_err *err)
{
	struct route_list list = {
		.family = family,
		.protocol = protocol,
		.keep = keep,
		.arg = arg,
		.out = out,
		.first = out->count,
	};
	struct rtmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETROUTE, NLM_F_DUMP, sizeof(*header), (void **)&header);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "routes: %s", strerrordesc_np(ENOMEM));
	header->rtm_family = os_family(family);
	header->rtm_protocol = protocol;
	return cv_nl_query(nl, msg, collect_route, &list, err, "IPv%u routes", family);
}

int cv_fib_list(struct cv_nl *nl, uint8_t family, uint8_t protocol, cv_fib_keep_fn keep,
		cv_fib_fn fn, void *arg, struct cv_err *err)
{
	CV_CLEANUP(cv_fib_routes_fini) struct cv_fib_routes routes = { 0 };
	int ret = cv_fib_read(nl, family, protocol, keep, arg, &routes, err);

	for (size_t i = 0; i < routes.count && !ret; i++)
		ret = fn(&routes.items[i], arg, err);
	return ret;
}

/* ---- asking ---- */

struct reply {
	struct cv_fib_route route;
	int rta_error;
	bool is_given;
	bool has_hops; /* of the route's own */
};

static int read_reply(struct nlmsghdr *hdr, struct reply *reply)
{
	struct parsed parsed;
	int ret = parse_route(hdr, &parsed);

	if (ret > 0)
		*reply = (struct reply){
			.route = parsed.route,
			.rta_error = parsed.rta_error,
			.is_given = true,
			.has_hops = parsed.multipath,
		};
	return ret;
}

static int take_reply(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	int ret = hdr ? read_reply(hdr, arg) : 0;

	return ret < 0 ? cv_err_set(err, ret, "route: malformed answer from the kernel") : 0;
}

/* The kernel can be asked for no other protocols (rtm_getroute_parse_ip_proto()). */
static bool can_ask_for(uint8_t proto, uint8_t family)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
	       proto == (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static int put_flow(struct nl_msg *msg, const struct cv_fib_question *question)
{
	if (!can_ask_for(question->proto, question->dst.family))
		return 0;
	if (nla_put_u8(msg, RTA_IP_PROTO, question->proto) ||
	    (question->sport && nla_put_u16(msg, RTA_SPORT, htons(question->sport))) ||
	    (question->dport && nla_put_u16(msg, RTA_DPORT, htons(question->dport))))
		return -EMSGSIZE;
	return 0;
}

static int put_question(struct nl_msg *msg, struct rtmsg *header,
			const struct cv_fib_question *question)
{
	uint8_t bits = (uint8_t)(8 * addr_bytes(question->dst.family));

	header->rtm_family = os_family(question->dst.family);
	header->rtm_dst_len = bits;
	/* Without it IPv4 says "main" whatever the table; IPv6 refuses the flag. */
	if (question->dst.family == 4)
		header->rtm_flags |= RTM_F_LOOKUP_TABLE;
	if (put_addr(msg, RTA_DST, &question->dst))
		return -EMSGSIZE;
	if (question->src.family) {
		header->rtm_src_len = bits;
		if (put_addr(msg, RTA_SRC, &question->src))
			return -EMSGSIZE;
	}
	if ((question->mark && nla_put_u32(msg, RTA_MARK, question->mark)) ||
	    (question->ifindex_in && nla_put_u32(msg, RTA_IIF, question->ifindex_in)) ||
	    (question->ifindex_out && nla_put_u32(msg, RTA_OIF, question->ifindex_out)))
		return -EMSGSIZE;
	return put_flow(msg, question);
}

/* The errno a route of that type stands for, as IPv4 gives it; 0: it leads somewhere. */
static int type_errno(uint8_t type)
{
	switch (type) {
	case RTN_UNREACHABLE:
		return -EHOSTUNREACH;
	case RTN_BLACKHOLE:
		return -EINVAL;
	case RTN_PROHIBIT:
		return -EACCES;
	case RTN_THROW:
		return -ENETUNREACH;
	}
	return 0;
}

static int set_no_route(struct cv_err *err, int code, const char *what)
{
	cv_err_set(err, code, "%s: %s", what, strerrordesc_np(-code));
	return code;
}

/* Some kernel errors here mean a route, not the caller. */
static void explain(struct cv_err *err, int code, bool has_src)
{
	if (!err)
		return;
	if (code == -EACCES) {
		err->kind = CV_ERR_FAILED;
		cv_err_hint(err, "a route of type prohibit matches");
	} else if (has_src && (code == -EINVAL || code == -ENETUNREACH)) {
		cv_err_hint(err, "the source may not be an address of this host");
	} else if (code == -EINVAL) {
		cv_err_hint(err, "a route of type blackhole matches");
	}
}

/* 0 if the kernel named a route that leads somewhere. */
static int reply_errno(const struct reply *reply)
{
	if (!reply->is_given)
		return -ENETUNREACH;
	return reply->rta_error < 0 ? reply->rta_error : type_errno(reply->route.type);
}

/* flags: RTM_F_FIB_MATCH or 0. NULL without memory. */
static struct nl_msg *new_question(const struct cv_fib_question *question, unsigned int flags)
{
	struct rtmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETROUTE, 0, sizeof(*header), (void **)&header);

	if (!msg)
		return NULL;
	header->rtm_flags = flags;
	return put_question(msg, header, question) ? NULL : CV_TAKE_PTR(msg);
}

static int ask_route(struct cv_nl *nl, const struct cv_fib_question *question, unsigned int flags,
		     struct reply *reply, struct cv_err *err)
{
	CV_NL_MSG_FREE struct nl_msg *msg = new_question(question, flags);
	char addr[CV_PREFIX_TEXT];
	char what[CV_PREFIX_TEXT + 16];
	int ret;

	snprintf(what, sizeof(what), "route to %s", cv_addr_format(&question->dst, addr));
	if (!msg)
		return cv_err_set(err, -ENOMEM, "%s: %s", what, strerrordesc_np(ENOMEM));
	*reply = (struct reply){ .is_given = false };
	ret = cv_nl_query(nl, msg, take_reply, reply, err, "%s", what);
	if (!ret && reply_errno(reply))
		ret = set_no_route(err, reply_errno(reply), what);
	explain(err, ret, question->src.family);
	return ret;
}

/* Of the route that matches a packet and the way that it takes. */
static int make_answer(struct cv_nl *nl, const struct cv_fib_route *matched,
		       const struct cv_fib_route *taken, struct cv_fib_answer *out,
		       struct cv_err *err)
{
	struct cv_link link = { .mtu_bytes = taken->mtu_bytes };
	int ret = link.mtu_bytes ? 0 : cv_link_by_index(nl, taken->ifindex, &link, err);

	if (ret)
		return ret;
	*out = (struct cv_fib_answer){
		.route = *matched,
		.ifindex = taken->ifindex,
		.via = taken->via,
		.lwt = taken->lwt,
		.mtu_bytes = link.mtu_bytes,
		.is_local = taken->type == RTN_LOCAL,
	};
	return 0;
}

static int ask_kernel(struct cv_nl *nl, const struct cv_fib_question *question,
		      struct cv_fib_answer *out, struct cv_err *err)
{
	struct reply matched = { 0 };
	struct reply taken = { 0 };
	int ret = ask_route(nl, question, RTM_F_FIB_MATCH, &matched, err);

	if (!ret)
		ret = ask_route(nl, question, 0, &taken, err);
	return ret ? ret : make_answer(nl, &matched.route, &taken.route, out, err);
}

/* ---- remembering ---- */

/* An answer of before, and what was asked. */
struct way {
	struct cv_fib_question question;
	struct cv_fib_answer answer;
	bool is_known; /* the answer is; else it was asked for together with others, and none came */
	bool leads; /* others of its route take the same way */
};

#define EXCEPTIONS_MAX 256 /* of more the destinations are not looked through */

struct cv_ways {
	struct way *items; /* owned */
	size_t count;
	struct cv_chains chains; /* by question */
	struct cv_chains leaders; /* by route and source */
	/* Destinations of IPv6 of which the kernel learned something: a path MTU, or a better gateway. */
	struct cv_addr exceptions[EXCEPTIONS_MAX];
	size_t exception_count; /* may be more than there is room for */
	bool has_exceptions; /* they are read */
};

void cv_fib_remember(struct cv_nl *nl)
{
	cv_fib_forget(nl);
	*cv_nl_ways(nl) = calloc(1, sizeof(struct cv_ways)); /* without it all are asked */
}

void cv_fib_forget(struct cv_nl *nl)
{
	struct cv_ways **ways = cv_nl_ways(nl);

	if (*ways) {
		free((*ways)->items);
		cv_chains_fini(&(*ways)->chains);
		cv_chains_fini(&(*ways)->leaders);
	}
	free(*ways);
	*ways = NULL;
}

static uint64_t hash_question(const struct cv_fib_question *question)
{
	const uint32_t numbers[] = { question->mark, question->ifindex_in, question->ifindex_out };
	uint64_t hash = cv_hash_bytes(question->dst.family, numbers, sizeof(numbers));

	hash = cv_hash_bytes(hash, question->dst.bytes, sizeof(question->dst.bytes));
	return cv_hash_bytes(hash, question->src.bytes, sizeof(question->src.bytes));
}

static uint64_t hash_leader(const struct way *way)
{
	return cv_hash_bytes(cv_fib_place_hash(&way->answer.route), way->question.src.bytes,
			     sizeof(way->question.src.bytes));
}

static bool same_question(const struct cv_fib_question *a, const struct cv_fib_question *b)
{
	return cv_addr_equal(&a->dst, &b->dst) && cv_addr_equal(&a->src, &b->src) &&
	       a->mark == b->mark && a->ifindex_in == b->ifindex_in &&
	       a->ifindex_out == b->ifindex_out && a->proto == b->proto && a->sport == b->sport &&
	       a->dport == b->dport;
}

static const struct way *find_way(const struct cv_ways *ways,
				  const struct cv_fib_question *question)
{
	uint32_t number = CV_NOBODY;

	if (ways && ways->count)
		number = cv_chains_first(&ways->chains, hash_question(question));
	for (; number != CV_NOBODY; number = ways->chains.next[number])
		if (same_question(&ways->items[number].question, question))
			return &ways->items[number];
	return NULL;
}

/* Without memory it is forgotten at once. answer: NULL if it is not known yet. */
static void note_way(struct cv_ways *ways, const struct cv_fib_question *question,
		     const struct cv_fib_answer *answer)
{
	size_t room = ways->chains.room ? 2 * ways->chains.room : 16;
	struct way *grown;

	if (ways->count == ways->chains.room) {
		grown = reallocarray(ways->items, room, sizeof(*grown));
		if (!grown)
			return;
		ways->items = grown;
		if (cv_chains_grow(&ways->leaders, room) || cv_chains_grow(&ways->chains, room))
			return;
		for (size_t i = 0; i < ways->count; i++) {
			cv_chains_link(&ways->chains, hash_question(&grown[i].question), i);
			if (grown[i].leads)
				cv_chains_link(&ways->leaders, hash_leader(&grown[i]), i);
		}
	}
	cv_chains_link(&ways->chains, hash_question(question), ways->count);
	ways->items[ways->count] = (struct way){ .question = *question, .is_known = answer };
	if (answer)
		ways->items[ways->count].answer = *answer;
	ways->count++;
}

int cv_fib_ask(struct cv_nl *nl, const struct cv_fib_question *question, struct cv_fib_answer *out,
	       struct cv_err *err)
{
	struct cv_ways *ways = *cv_nl_ways(nl);
	const struct way *way = find_way(ways, question);
	bool is_known = way && way->is_known;
	int ret = 0;

	if (is_known)
		*out = way->answer;
	else
		ret = ask_kernel(nl, question, out, err);
	/* One that is noted anew is found before the other. */
	if (ways && !is_known && !ret)
		note_way(ways, question, out);
	return ret;
}

int cv_fib_lookup(struct cv_nl *nl, const struct cv_addr *dst, const struct cv_addr *src,
		  uint32_t mark, struct cv_fib_answer *out, struct cv_err *err)
{
	struct cv_fib_question question = { .dst = *dst, .mark = mark };

	if (src)
		question.src = *src;
	return cv_fib_ask(nl, &question, out, err);
}

/* ---- asking ahead ---- */

#define FEW_QUESTIONS 32 /* to ask them is less than to read what the kernel knows of exceptions */

/* Questions that are asked together: those of ways from first on. */
struct ahead {
	struct cv_nl *nl;
	struct cv_ways *ways;
	size_t first;
	size_t count;
	struct reply *matched; /* owned */
	struct reply *taken; /* owned */
	uint32_t *
		leaders; /* owned; the way that each takes, by its number; its own if nobody leads */
	size_t *sent; /* owned; which are in the batch */
};

static void ahead_fini(struct ahead *ahead)
{
	free(ahead->matched);
	free(ahead->taken);
	free(ahead->leaders);
	free(ahead->sent);
}

static bool ahead_init(struct ahead *ahead)
{
	ahead->matched = calloc(ahead->count, sizeof(*ahead->matched));
	ahead->taken = calloc(ahead->count, sizeof(*ahead->taken));
	ahead->leaders = calloc(ahead->count, sizeof(*ahead->leaders));
	ahead->sent = calloc(ahead->count, sizeof(*ahead->sent));
	return ahead->matched && ahead->taken && ahead->leaders && ahead->sent;
}

static struct way *way_of(const struct ahead *ahead, size_t i)
{
	return &ahead->ways->items[ahead->first + i];
}

static bool has_leader(const struct ahead *ahead, size_t i)
{
	return ahead->leaders[i] != ahead->first + i;
}

/* One batch of questions and its answers. */
struct round {
	struct ahead *ahead;
	struct reply *replies; /* borrowed */
};

static void take_answer(size_t number, struct nlmsghdr *hdr, void *arg)
{
	const struct round *round = arg;

	read_reply(hdr, &round->replies[round->ahead->sent[number]]);
}

/* Asks for the routes that match, or for the ways of those that nobody leads. */
static void ask_round(struct ahead *ahead, unsigned int flags, struct reply *replies)
{
	struct round round = { ahead, replies };
	struct cv_nl_batch batch = { 0 };

	for (size_t i = 0; i < ahead->count; i++) {
		CV_NL_MSG_FREE struct nl_msg *msg = NULL;

		if (!flags && (reply_errno(&ahead->matched[i]) || has_leader(ahead, i)))
			continue;
		msg = new_question(&way_of(ahead, i)->question, flags);
		if (msg && !cv_nl_batch_add(&batch, msg))
			ahead->sent[batch.count - 1] = i;
	}
	cv_nl_batch_ask(ahead->nl, &batch, take_answer, &round);
}

static int note_exception(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct cv_ways *ways = arg;
	struct parsed parsed;
	int ret = hdr ? parse_route(hdr, &parsed) : 0;

	if (ret < 0)
		return cv_err_set(err, ret, "routes: malformed answer from the kernel");
	if (ret && ways->exception_count < EXCEPTIONS_MAX)
		ways->exceptions[ways->exception_count] = parsed.route.to.addr;
	ways->exception_count += ret;
	return 0;
}

static void read_exceptions(struct cv_nl *nl, struct cv_ways *ways)
{
	struct rtmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETROUTE, NLM_F_DUMP, sizeof(*header), (void **)&header);

	if (msg) {
		header->rtm_family = AF_INET6;
		header->rtm_flags = RTM_F_CLONED;
	}
	ways->has_exceptions =
		msg && !cv_nl_query(nl, msg, note_exception, ways, NULL, "exceptions");
}

static bool is_exception(const struct cv_ways *ways, const struct cv_addr *addr)
{
	if (!ways->has_exceptions || ways->exception_count > EXCEPTIONS_MAX)
		return true;
	for (size_t i = 0; i < ways->exception_count; i++)
		if (cv_addr_equal(&ways->exceptions[i], addr))
			return true;
	return false;
}

/* True if all packets of the route take one way, but for the exceptions. */
static bool has_one_way(const struct reply *matched)
{
	return !reply_errno(matched) && !matched->has_hops && !matched->route.nh_id &&
	       matched->route.type == RTN_UNICAST && matched->route.to.addr.family == 6;
}

/* True if both are of one route, and asked for alike. */
static bool same_way(const struct way *a, const struct way *b)
{
	struct cv_fib_question question = a->question;

	question.dst = b->question.dst;
	return cv_fib_same_place(&a->answer.route, &b->answer.route) &&
	       same_question(&question, &b->question);
}

/*
 * To be asked for the way of a packet costs IPv6 ten times what a route that matches does: it looks for
 * the source address that would be best, among those of all devices. So of many destinations of one
 * route the first is asked for, and leads.
 */
static uint32_t find_leader(struct cv_ways *ways, uint32_t number)
{
	struct way *way = &ways->items[number];
	uint64_t hash = hash_leader(way);
	uint32_t leader = cv_chains_first(&ways->leaders, hash);

	while (leader != CV_NOBODY && !same_way(&ways->items[leader], way))
		leader = ways->leaders.next[leader];
	if (leader != CV_NOBODY)
		return leader;
	way->leads = true;
	cv_chains_link(&ways->leaders, hash, number);
	return number;
}

static void find_leaders(struct ahead *ahead)
{
	if (!ahead->ways->has_exceptions && ahead->count > FEW_QUESTIONS)
		read_exceptions(ahead->nl, ahead->ways);
	for (size_t i = 0; i < ahead->count; i++) {
		struct way *way = way_of(ahead, i);

		way->answer.route = ahead->matched[i].route;
		ahead->leaders[i] = ahead->first + i;
		if (has_one_way(&ahead->matched[i]) &&
		    !is_exception(ahead->ways, &way->question.dst))
			ahead->leaders[i] = find_leader(ahead->ways, ahead->first + i);
	}
}

/* Who leads comes before who follows. */
static void note_answer(const struct ahead *ahead, size_t i)
{
	const struct way *leader = &ahead->ways->items[ahead->leaders[i]];
	const struct cv_fib_route *matched = &ahead->matched[i].route;
	struct way *way = way_of(ahead, i);

	if (leader != way) {
		way->is_known = leader->is_known;
		way->answer = leader->answer;
		way->answer.route = *matched;
		return;
	}
	way->is_known =
		!reply_errno(&ahead->matched[i]) && !reply_errno(&ahead->taken[i]) &&
		!make_answer(ahead->nl, matched, &ahead->taken[i].route, &way->answer, NULL);
}

void cv_fib_ask_ahead(struct cv_nl *nl, const struct cv_fib_question *questions, size_t count)
{
	struct cv_ways *ways = *cv_nl_ways(nl);
	CV_CLEANUP(ahead_fini)
	struct ahead ahead = { .nl = nl, .ways = ways, .first = ways ? ways->count : 0 };

	for (size_t i = 0; ways && i < count; i++)
		if (!find_way(ways, &questions[i]))
			note_way(ways, &questions[i], NULL);
	ahead.count = ways ? ways->count - ahead.first : 0;
	if (!ahead.count || !ahead_init(&ahead))
		return;
	ask_round(&ahead, RTM_F_FIB_MATCH, ahead.matched);
	find_leaders(&ahead);
	ask_round(&ahead, 0, ahead.taken);
	for (size_t i = 0; i < ahead.count; i++)
		note_answer(&ahead, i);
}
