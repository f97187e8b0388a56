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
	struct cv_fib_route *items; /* owned */
	size_t count;
	size_t capacity;
};

static void route_list_fini(struct route_list *list)
{
	free(list->items);
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

static int read_mtu(struct nlattr *metrics, uint32_t *mtu_bytes)
{
	static struct nla_policy policy[RTAX_MAX + 1] = { [RTAX_MTU] = { .type = NLA_U32 } };
	struct nlattr *attrs[RTAX_MAX + 1];

	if (nla_parse_nested(attrs, RTAX_MAX, metrics, policy) < 0)
		return -EBADMSG;
	*mtu_bytes = attrs[RTAX_MTU] ? nla_get_u32(attrs[RTAX_MTU]) : 0;
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
	if (attrs[RTA_METRICS] && read_mtu(attrs[RTA_METRICS], &route->mtu_bytes))
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

static int append(struct route_list *list, const struct cv_fib_route *route, struct cv_err *err)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		struct cv_fib_route *items = reallocarray(list->items, capacity, sizeof(*items));

		if (!items)
			return cv_err_set(err, -ENOMEM, "routes: %s", strerrordesc_np(ENOMEM));
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = *route;
	return 0;
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
		if (append(list, &route, err))
			return -ENOMEM;
	return 0;
}

static int collect_route(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct route_list *list = arg;
	struct parsed parsed;
	int ret;

	if (!hdr) {
		list->count = 0;
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
	return append(list, &parsed.route, err);
}

int cv_fib_list(struct cv_nl *nl, uint8_t family, uint8_t protocol, cv_fib_keep_fn keep,
		cv_fib_fn fn, void *arg, struct cv_err *err)
{
	CV_CLEANUP(route_list_fini)
	struct route_list list = {
		.family = family,
		.protocol = protocol,
		.keep = keep,
		.arg = arg,
	};
	struct rtmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETROUTE, NLM_F_DUMP, sizeof(*header), (void **)&header);
	int ret;

	if (!msg)
		return cv_err_set(err, -ENOMEM, "routes: %s", strerrordesc_np(ENOMEM));
	header->rtm_family = os_family(family);
	header->rtm_protocol = protocol;
	ret = cv_nl_query(nl, msg, collect_route, &list, err, "IPv%u routes", family);
	for (size_t i = 0; i < list.count && !ret; i++)
		ret = fn(&list.items[i], arg, err);
	return ret;
}

/* ---- asking ---- */

struct reply {
	struct cv_fib_route route;
	int rta_error;
	bool is_given;
};

static int take_reply(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct reply *reply = arg;
	struct parsed parsed;
	int ret = hdr ? parse_route(hdr, &parsed) : 0;

	if (ret < 0)
		return cv_err_set(err, ret, "route: malformed answer from the kernel");
	if (ret)
		*reply = (struct reply){
			.route = parsed.route,
			.rta_error = parsed.rta_error,
			.is_given = true,
		};
	return 0;
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

static int ask_route(struct cv_nl *nl, const struct cv_fib_question *question, unsigned int flags,
		     struct reply *reply, struct cv_err *err)
{
	struct rtmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETROUTE, 0, sizeof(*header), (void **)&header);
	char addr[CV_PREFIX_TEXT];
	char what[CV_PREFIX_TEXT + 16];
	int ret;

	snprintf(what, sizeof(what), "route to %s", cv_addr_format(&question->dst, addr));
	if (!msg)
		return cv_err_set(err, -ENOMEM, "%s: %s", what, strerrordesc_np(ENOMEM));
	header->rtm_flags = flags;
	ret = put_question(msg, header, question);
	if (ret)
		return cv_err_set(err, ret, "%s: %s", what, strerrordesc_np(-ret));
	*reply = (struct reply){ .is_given = false };
	ret = cv_nl_query(nl, msg, take_reply, reply, err, "%s", what);
	if (!ret && !reply->is_given)
		ret = set_no_route(err, -ENETUNREACH, what);
	else if (!ret && reply->rta_error < 0)
		ret = set_no_route(err, reply->rta_error, what);
	else if (!ret && type_errno(reply->route.type))
		ret = set_no_route(err, type_errno(reply->route.type), what);
	explain(err, ret, question->src.family);
	return ret;
}

static int ask_kernel(struct cv_nl *nl, const struct cv_fib_question *question,
		      struct cv_fib_answer *out, struct cv_err *err)
{
	struct reply matched = { 0 };
	struct reply taken = { 0 };
	struct cv_link link = { 0 };
	int ret = ask_route(nl, question, RTM_F_FIB_MATCH, &matched, err);

	if (!ret)
		ret = ask_route(nl, question, 0, &taken, err);
	if (ret)
		return ret;
	link.mtu_bytes = taken.route.mtu_bytes;
	if (!link.mtu_bytes)
		ret = cv_link_by_index(nl, taken.route.ifindex, &link, err);
	if (ret)
		return ret;
	*out = (struct cv_fib_answer){
		.route = matched.route,
		.ifindex = taken.route.ifindex,
		.via = taken.route.via,
		.lwt = taken.route.lwt,
		.mtu_bytes = link.mtu_bytes,
		.is_local = taken.route.type == RTN_LOCAL,
	};
	return 0;
}

/* ---- remembering ---- */

/* An answer of before, and what was asked. */
struct way {
	struct cv_fib_question question;
	struct cv_fib_answer answer;
};

struct cv_ways {
	struct way *items; /* owned */
	size_t count;
	struct cv_chains chains;
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

/* Without memory it is forgotten at once. */
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
		if (cv_chains_grow(&ways->chains, room))
			return;
		for (size_t i = 0; i < ways->count; i++)
			cv_chains_link(&ways->chains, hash_question(&grown[i].question), i);
	}
	cv_chains_link(&ways->chains, hash_question(question), ways->count);
	ways->items[ways->count++] = (struct way){ *question, *answer };
}

int cv_fib_ask(struct cv_nl *nl, const struct cv_fib_question *question, struct cv_fib_answer *out,
	       struct cv_err *err)
{
	struct cv_ways *ways = *cv_nl_ways(nl);
	const struct way *way = find_way(ways, question);
	int ret = 0;

	if (way)
		*out = way->answer;
	else
		ret = ask_kernel(nl, question, out, err);
	if (ways && !way && !ret)
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
