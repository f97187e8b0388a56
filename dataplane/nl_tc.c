/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The clsact qdisc and filters. Written are direct-action bpf filters with a handle only; listed
 * are the filters of everybody, because the order among them is what packets meet.
 */
#include "nl_tc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "nl_link.h"
#include "own.h"

struct entry {
	struct cv_filter filter;
	size_t index; /* in the kernel's answer: of two in one chain and prio the first is met first */
	bool is_head; /* belongs to the kind, not to an instance of it */
};

struct entry_list {
	uint32_t ifindex;
	bool ingress;
	struct entry *items; /* owned */
	size_t count;
	size_t capacity;
};

static void entry_list_fini(struct entry_list *list)
{
	free(list->items);
}

static const char *direction(bool ingress)
{
	return ingress ? "ingress" : "egress";
}

static uint32_t parent(bool ingress)
{
	return TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

/* Puts the name of the device in front of a text; asked for only when something failed. */
static int name_dev(struct cv_nl *nl, uint32_t ifindex, int ret, struct cv_err *err)
{
	struct cv_link link;

	if (!ret || !err)
		return ret;
	if (cv_link_by_index(nl, ifindex, &link, NULL))
		cv_err_prefix(err, "dev with index %u", ifindex);
	else
		cv_err_prefix(err, "dev %s", link.name);
	return ret;
}

/* ---- the qdisc ---- */

struct qdisc_search {
	uint32_t ifindex;
	enum cv_qdisc found;
	bool has_departures;
};

static int parse_qdisc(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	static struct nla_policy policy[TCA_MAX + 1] = { [TCA_KIND] = { .type = NLA_STRING } };
	struct nlattr *attrs[TCA_MAX + 1];
	struct qdisc_search *search = arg;
	const struct tcmsg *header;
	char kind[16];

	if (!hdr) {
		search->found = CV_QDISC_NONE;
		search->has_departures = false;
		return 0;
	}
	if (hdr->nlmsg_type != RTM_NEWQDISC)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*header), attrs, TCA_MAX, policy) < 0 || !attrs[TCA_KIND])
		return cv_err_set(err, -EBADMSG, "qdiscs: malformed answer from the kernel");
	header = nlmsg_data(hdr);
	if ((uint32_t)header->tcm_ifindex != search->ifindex)
		return 0;
	nla_strlcpy(kind, attrs[TCA_KIND], sizeof(kind));
	/* Anywhere below the root: mq has one for each queue. */
	if (!strcmp(kind, "fq") || !strcmp(kind, "etf"))
		search->has_departures = true;
	if (header->tcm_parent != TC_H_CLSACT)
		return 0;
	if (!strcmp(kind, "clsact"))
		search->found = attrs[TCA_INGRESS_BLOCK] || attrs[TCA_EGRESS_BLOCK]
					? CV_QDISC_SHARED
					: CV_QDISC_CLSACT;
	else if (!strcmp(kind, "ingress"))
		search->found = CV_QDISC_INGRESS;
	return 0;
}

/* All devices are dumped and sifted here: older kernels answer the question for one qdisc to
 * listeners only. */
static int search_qdiscs(struct cv_nl *nl, uint32_t ifindex, struct qdisc_search *search,
			 struct cv_err *err)
{
	struct tcmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETQDISC, NLM_F_DUMP, sizeof(*header), (void **)&header);

	*search = (struct qdisc_search){ .ifindex = ifindex, .found = CV_QDISC_NONE };
	if (!msg)
		return cv_err_set(err, -ENOMEM, "qdiscs: %s", strerrordesc_np(ENOMEM));
	header->tcm_ifindex = (int)ifindex;
	return cv_nl_query(nl, msg, parse_qdisc, search, err, "qdiscs");
}

int cv_tc_qdisc(struct cv_nl *nl, uint32_t ifindex, enum cv_qdisc *out, struct cv_err *err)
{
	struct qdisc_search search;
	int ret = search_qdiscs(nl, ifindex, &search, err);

	if (!ret)
		*out = search.found;
	return ret;
}

int cv_tc_has_departures(struct cv_nl *nl, uint32_t ifindex, bool *out, struct cv_err *err)
{
	struct qdisc_search search;
	int ret = search_qdiscs(nl, ifindex, &search, err);

	if (!ret)
		*out = search.has_departures;
	return ret;
}

/* ---- the qdiscs of all devices ---- */

static int add_qdisc(struct cv_qdiscs *qdiscs, uint32_t ifindex, enum cv_qdisc qdisc,
		     struct cv_err *err)
{
	if (qdiscs->count == qdiscs->capacity) {
		size_t capacity = qdiscs->capacity ? 2 * qdiscs->capacity : 16;
		struct cv_qdisc_at *grown = reallocarray(qdiscs->items, capacity, sizeof(*grown));

		if (!grown)
			return cv_err_set(err, -ENOMEM, "qdiscs: %s", strerrordesc_np(ENOMEM));
		qdiscs->items = grown;
		qdiscs->capacity = capacity;
	}
	qdiscs->items[qdiscs->count++] = (struct cv_qdisc_at){ ifindex, qdisc };
	return 0;
}

static int parse_any_qdisc(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct qdisc_search search = { .found = CV_QDISC_NONE };
	struct cv_qdiscs *qdiscs = arg;
	int rc;

	if (!hdr) {
		qdiscs->count = 0;
		return 0;
	}
	if (hdr->nlmsg_type != RTM_NEWQDISC)
		return 0;
	if (nlmsg_datalen(hdr) < (int)sizeof(struct tcmsg))
		return cv_err_set(err, -EBADMSG, "qdiscs: malformed answer from the kernel");
	search.ifindex = (uint32_t)((const struct tcmsg *)nlmsg_data(hdr))->tcm_ifindex;
	rc = parse_qdisc(hdr, &search, err);
	return rc || search.found == CV_QDISC_NONE
		       ? rc
		       : add_qdisc(qdiscs, search.ifindex, search.found, err);
}

static int compare_qdiscs(const void *left, const void *right)
{
	const struct cv_qdisc_at *a = left, *b = right;

	return a->ifindex < b->ifindex ? -1 : a->ifindex > b->ifindex;
}

int cv_tc_qdiscs(struct cv_nl *nl, struct cv_qdiscs *out, struct cv_err *err)
{
	struct tcmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETQDISC, NLM_F_DUMP, sizeof(*header), (void **)&header);
	int rc;

	if (!msg)
		return cv_err_set(err, -ENOMEM, "qdiscs: %s", strerrordesc_np(ENOMEM));
	rc = cv_nl_query(nl, msg, parse_any_qdisc, out, err, "qdiscs");
	if (out->count)
		qsort(out->items, out->count, sizeof(*out->items), compare_qdiscs);
	return rc;
}

enum cv_qdisc cv_qdiscs_find(const struct cv_qdiscs *qdiscs, uint32_t ifindex)
{
	const struct cv_qdisc_at key = { .ifindex = ifindex };
	const struct cv_qdisc_at *found =
		qdiscs->count
			? bsearch(&key, qdiscs->items, qdiscs->count, sizeof(key), compare_qdiscs)
			: NULL;

	return found ? found->qdisc : CV_QDISC_NONE;
}

void cv_qdiscs_fini(struct cv_qdiscs *qdiscs)
{
	free(qdiscs->items);
	*qdiscs = (struct cv_qdiscs){ 0 };
}

/* ---- clsact ---- */

static int change_clsact(struct cv_nl *nl, uint32_t ifindex, int type, int flags, const char *verb,
			 struct cv_err *err)
{
	struct tcmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(type, flags, sizeof(*header), (void **)&header);
	int ret;

	if (!msg)
		return cv_err_set(err, -ENOMEM, "qdisc clsact: %s", strerrordesc_np(ENOMEM));
	header->tcm_ifindex = (int)ifindex;
	header->tcm_parent = TC_H_CLSACT;
	header->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	if (nla_put_string(msg, TCA_KIND, "clsact"))
		return cv_err_set(err, -EMSGSIZE, "qdisc clsact: message too long");
	ret = cv_nl_request(nl, msg, err, "qdisc clsact: %s", verb);
	return name_dev(nl, ifindex, ret, err);
}

int cv_tc_clsact_add(struct cv_nl *nl, uint32_t ifindex, struct cv_err *err)
{
	int ret = change_clsact(nl, ifindex, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, "add", err);

	if (ret == -EOPNOTSUPP || ret == -ENOENT)
		cv_err_hint(err, "this kernel has no CONFIG_NET_SCH_INGRESS");
	return ret;
}

/* Without the check an `ingress` qdisc would go, which has the same handle. */
int cv_tc_clsact_del(struct cv_nl *nl, uint32_t ifindex, struct cv_err *err)
{
	enum cv_qdisc qdisc = CV_QDISC_NONE;
	int ret = cv_tc_qdisc(nl, ifindex, &qdisc, err);

	if (!ret && qdisc != CV_QDISC_CLSACT)
		ret = cv_err_set(err, -ENOENT, "qdisc clsact: delete: %s", strerrordesc_np(ENOENT));
	if (ret)
		return name_dev(nl, ifindex, ret, err);
	return change_clsact(nl, ifindex, RTM_DELQDISC, 0, "delete", err);
}

/* ---- writing filters ---- */

static void format_filter(const struct cv_filter *filter, const char *verb, char *text,
			  size_t text_size)
{
	snprintf(text, text_size, "%s filter prio %u handle 0x%x: %s", direction(filter->ingress),
		 filter->prio, filter->handle, verb);
}

static int check_filter(const struct cv_filter *filter, const char *what, struct cv_err *err)
{
	/* A zero would be chosen by the kernel, or when deleting mean all of them. */
	if (!filter->prio || filter->prio > UINT16_MAX || !filter->handle)
		return cv_err_set(err, -EINVAL, "%s: needs a prio of 1 to 65535 and a handle",
				  what);
	return 0;
}

static void fill_header(struct tcmsg *header, const struct cv_filter *filter)
{
	header->tcm_ifindex = (int)filter->ifindex;
	header->tcm_parent = parent(filter->ingress);
	header->tcm_handle = filter->handle;
	header->tcm_info = TC_H_MAKE(filter->prio << 16, htons(ETH_P_ALL));
}

static int put_bpf(struct nl_msg *msg, const struct cv_filter *filter, int prog_fd)
{
	struct nlattr *options;

	if (nla_put_string(msg, TCA_KIND, "bpf"))
		return -EMSGSIZE;
	options = nla_nest_start(msg, TCA_OPTIONS);
	if (!options || nla_put_u32(msg, TCA_BPF_FD, (uint32_t)prog_fd) ||
	    nla_put_string(msg, TCA_BPF_NAME, filter->name) ||
	    nla_put_u32(msg, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT))
		return -EMSGSIZE;
	nla_nest_end(msg, options);
	return 0;
}

static int send_filter(struct cv_nl *nl, struct nl_msg *msg, const struct cv_filter *filter,
		       const char *what, struct cv_err *err)
{
	int ret = cv_nl_request(nl, msg, err, "%s", what);

	if (ret && err && strstr(err->text, "Parent Qdisc doesn't exist"))
		cv_err_hint(err, "the device has no clsact qdisc");
	else if (ret && err && strstr(err->text, "TC classifier not found"))
		cv_err_hint(err, "this kernel has no CONFIG_NET_CLS_BPF");
	return name_dev(nl, filter->ifindex, ret, err);
}

int cv_filter_add(struct cv_nl *nl, const struct cv_filter *filter, int prog_fd, bool is_replace,
		  struct cv_err *err)
{
	struct tcmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_NEWTFILTER, NLM_F_CREATE | (is_replace ? 0 : NLM_F_EXCL),
			  sizeof(*header), (void **)&header);
	char what[128];
	int ret;

	format_filter(filter, is_replace ? "replace" : "add", what, sizeof(what));
	ret = check_filter(filter, what, err);
	if (ret)
		return ret;
	if (!msg)
		return cv_err_set(err, -ENOMEM, "%s: %s", what, strerrordesc_np(ENOMEM));
	fill_header(header, filter);
	ret = put_bpf(msg, filter, prog_fd);
	if (ret)
		return cv_err_set(err, ret, "%s: %s", what, strerrordesc_np(-ret));
	return send_filter(nl, msg, filter, what, err);
}

int cv_filter_del(struct cv_nl *nl, const struct cv_filter *filter, struct cv_err *err)
{
	struct tcmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_DELTFILTER, 0, sizeof(*header), (void **)&header);
	char what[128];
	int ret;

	format_filter(filter, "delete", what, sizeof(what));
	ret = check_filter(filter, what, err);
	if (ret)
		return ret;
	if (!msg)
		return cv_err_set(err, -ENOMEM, "%s: %s", what, strerrordesc_np(ENOMEM));
	fill_header(header, filter);
	if (nla_put_string(msg, TCA_KIND, "bpf"))
		return cv_err_set(err, -EMSGSIZE, "%s: %s", what, strerrordesc_np(EMSGSIZE));
	return send_filter(nl, msg, filter, what, err);
}

/* ---- reading filters ---- */

struct nlattr *cv_tc_actions(const char *kind, const struct nlattr *options)
{
	/* Kinds of filters that can have actions, and where these stand among their options. */
	static const struct {
		const char *name;
		int actions;
	} kinds[] = {
		{ "basic", TCA_BASIC_ACT },	  { "bpf", TCA_BPF_ACT },
		{ "cgroup", TCA_CGROUP_ACT },	  { "flow", TCA_FLOW_ACT },
		{ "flower", TCA_FLOWER_ACT },	  { "fw", TCA_FW_ACT },
		{ "matchall", TCA_MATCHALL_ACT }, { "route", TCA_ROUTE4_ACT },
		{ "u32", TCA_U32_ACT },
	};

	for (size_t i = 0; options && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kind, kinds[i].name))
			return nla_find(nla_data(options), nla_len(options), kinds[i].actions);
	return NULL;
}

static int append(struct entry_list *list, const struct entry *entry, struct cv_err *err)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct entry *items = reallocarray(list->items, capacity, sizeof(*items));

		if (!items)
			return cv_err_set(err, -ENOMEM, "filters: %s", strerrordesc_np(ENOMEM));
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count] = *entry;
	list->items[list->count].index = list->count;
	list->count++;
	return 0;
}

static int parse_bpf(const struct nlattr *options, struct cv_filter *filter)
{
	static struct nla_policy policy[TCA_BPF_MAX + 1] = {
		[TCA_BPF_NAME] = { .type = NLA_STRING },
		[TCA_BPF_FLAGS] = { .type = NLA_U32 },
		[TCA_BPF_ID] = { .type = NLA_U32 },
	};
	struct nlattr *attrs[TCA_BPF_MAX + 1];

	if (nla_parse_nested(attrs, TCA_BPF_MAX, (struct nlattr *)options, policy) < 0)
		return -EBADMSG;
	if (attrs[TCA_BPF_NAME])
		nla_strlcpy(filter->name, attrs[TCA_BPF_NAME], sizeof(filter->name));
	if (attrs[TCA_BPF_ID])
		filter->prog_id = nla_get_u32(attrs[TCA_BPF_ID]);
	if (attrs[TCA_BPF_FLAGS])
		filter->direct_action = nla_get_u32(attrs[TCA_BPF_FLAGS]) & TCA_BPF_FLAG_ACT_DIRECT;
	return 0;
}

/* u32 lists its hash tables too, with a handle whose node part is 0. */
static bool is_head(const struct cv_filter *filter)
{
	return !filter->handle || (!strcmp(filter->kind, "u32") && !TC_U32_NODE(filter->handle));
}

static int parse_filter(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	static struct nla_policy policy[TCA_MAX + 1] = {
		[TCA_KIND] = { .type = NLA_STRING },
		[TCA_CHAIN] = { .type = NLA_U32 },
	};
	struct nlattr *attrs[TCA_MAX + 1];
	struct entry_list *list = arg;
	struct entry entry = { .index = 0 };
	const struct tcmsg *header;

	if (!hdr) {
		list->count = 0;
		return 0;
	}
	if (hdr->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*header), attrs, TCA_MAX, policy) < 0 || !attrs[TCA_KIND])
		return cv_err_set(err, -EBADMSG, "filters: malformed answer from the kernel");
	header = nlmsg_data(hdr);
	entry.filter = (struct cv_filter){
		.ifindex = list->ifindex,
		.ingress = list->ingress,
		.prio = TC_H_MAJ(header->tcm_info) >> 16,
		.handle = header->tcm_handle,
		.protocol = ntohs(TC_H_MIN(header->tcm_info)),
	};
	nla_strlcpy(entry.filter.kind, attrs[TCA_KIND], sizeof(entry.filter.kind));
	if (!strcmp(entry.filter.kind, "bpf") && attrs[TCA_OPTIONS] &&
	    parse_bpf(attrs[TCA_OPTIONS], &entry.filter))
		return cv_err_set(err, -EBADMSG, "filters: malformed answer from the kernel");
	entry.filter.chain = attrs[TCA_CHAIN] ? nla_get_u32(attrs[TCA_CHAIN]) : 0;
	entry.filter.ending = cv_ending_of_filter(&entry.filter, attrs[TCA_OPTIONS]);
	entry.is_head = is_head(&entry.filter);
	return append(list, &entry, err);
}

/* Within a prio the heads come first, then the instances as the kernel has them. */
static int compare(const void *left, const void *right)
{
	const struct entry *a = left;
	const struct entry *b = right;

	if (a->filter.chain != b->filter.chain)
		return a->filter.chain < b->filter.chain ? -1 : 1;
	if (a->filter.prio != b->filter.prio)
		return a->filter.prio < b->filter.prio ? -1 : 1;
	if (a->is_head != b->is_head)
		return a->is_head ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

/* A head stands for its filters only if nothing else of that prio is listed after it. */
static bool is_hidden(const struct entry_list *list, size_t i)
{
	const struct entry *entry = &list->items[i];
	const struct entry *next = entry + 1;

	return entry->is_head && i + 1 < list->count && next->filter.chain == entry->filter.chain &&
	       next->filter.prio == entry->filter.prio;
}

static int query_filters(struct cv_nl *nl, struct entry_list *list, struct cv_err *err)
{
	struct tcmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETTFILTER, NLM_F_DUMP, sizeof(*header), (void **)&header);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "filters: %s", strerrordesc_np(ENOMEM));
	header->tcm_ifindex = (int)list->ifindex;
	header->tcm_parent = parent(list->ingress);
	return cv_nl_query(nl, msg, parse_filter, list, err, "%s filters: list",
			   direction(list->ingress));
}

int cv_filter_list(struct cv_nl *nl, uint32_t ifindex, bool ingress, cv_filter_fn fn, void *arg,
		   struct cv_err *err)
{
	CV_CLEANUP(entry_list_fini)
	struct entry_list list = { .ifindex = ifindex, .ingress = ingress };
	int ret = query_filters(nl, &list, err);

	if (ret)
		return name_dev(nl, ifindex, ret, err);
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), compare);
	for (size_t i = 0; i < list.count && !ret; i++)
		if (!is_hidden(&list, i))
			ret = fn(&list.items[i].filter, arg, err);
	return ret;
}

static int keep(const struct cv_filter *filter, void *arg, struct cv_err *err)
{
	struct cv_filters *filters = arg;
	struct cv_filter *grown;

	/* A power of two: the list is full. */
	if (!(filters->count & (filters->count - 1))) {
		grown = reallocarray(filters->items, filters->count ? 2 * filters->count : 1,
				     sizeof(*grown));
		if (!grown)
			return cv_err_set(err, -ENOMEM, "filters: %s", strerrordesc_np(ENOMEM));
		filters->items = grown;
	}
	filters->items[filters->count++] = *filter;
	return 0;
}

int cv_filters_read(struct cv_nl *nl, uint32_t ifindex, bool ingress, struct cv_filters *out,
		    struct cv_err *err)
{
	return cv_filter_list(nl, ifindex, ingress, keep, out, err);
}

void cv_filters_fini(struct cv_filters *filters)
{
	free(filters->items);
	*filters = (struct cv_filters){ 0 };
}
