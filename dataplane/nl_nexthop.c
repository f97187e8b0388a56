/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nexthop objects: see nl_nexthop.h. */
#include "nl_nexthop.h"

#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

#include "own.h"

void cv_nexthop_list_fini(struct cv_nexthop_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].members);
	free(list->items);
	*list = (struct cv_nexthop_list){ 0 };
}

const struct cv_nexthop *cv_nexthop_find(const struct cv_nexthop_list *list, uint32_t id)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].id == id)
			return &list->items[i];
	return NULL;
}

/* ---- reading ---- */

static int read_gateway(const struct nlattr *attr, struct cv_addr *via)
{
	int len = nla_len(attr);

	if (len != 4 && len != 16)
		return -EBADMSG;
	via->family = len == 4 ? 4 : 6;
	memcpy(via->bytes, nla_data(attr), (size_t)len);
	return 0;
}

static int read_group(const struct nlattr *attr, struct cv_nexthop *nexthop)
{
	const struct nexthop_grp *members = nla_data(attr);
	size_t count = (size_t)nla_len(attr) / sizeof(*members);

	nexthop->members = calloc(count + 1, sizeof(*nexthop->members));
	if (!nexthop->members)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		nexthop->members[i] = (struct cv_nexthop_member){
			.id = members[i].id,
			.weight = members[i].weight + 1u,
		};
	nexthop->member_count = count;
	return 0;
}

static int read_nexthop(struct nlmsghdr *hdr, struct cv_nexthop *nexthop)
{
	static struct nla_policy policy[NHA_MAX + 1] = {
		[NHA_ID] = { .type = NLA_U32 },
		[NHA_OIF] = { .type = NLA_U32 },
		[NHA_ENCAP_TYPE] = { .type = NLA_U16 },
	};
	const struct nhmsg *header = nlmsg_data(hdr);
	struct nlattr *attrs[NHA_MAX + 1];
	int rc;

	if (!nlmsg_valid_hdr(hdr, sizeof(*header)) ||
	    nlmsg_parse(hdr, sizeof(*header), attrs, NHA_MAX, policy) < 0 || !attrs[NHA_ID])
		return -EBADMSG;
	*nexthop = (struct cv_nexthop){
		.id = nla_get_u32(attrs[NHA_ID]),
		.family = header->nh_family == AF_INET	  ? 4
			  : header->nh_family == AF_INET6 ? 6
							  : 0,
		.protocol = header->nh_protocol,
		.ifindex = attrs[NHA_OIF] ? nla_get_u32(attrs[NHA_OIF]) : 0,
	};
	rc = cv_lwt_read(attrs[NHA_ENCAP_TYPE], attrs[NHA_ENCAP], &nexthop->lwt);
	if (!rc && attrs[NHA_GATEWAY])
		rc = read_gateway(attrs[NHA_GATEWAY], &nexthop->via);
	if (!rc && attrs[NHA_GROUP])
		rc = read_group(attrs[NHA_GROUP], nexthop);
	return rc;
}

static int collect(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct cv_nexthop_list *list = arg;
	struct cv_nexthop *grown;
	int rc;

	if (!hdr) {
		cv_nexthop_list_fini(list);
		return 0;
	}
	if (hdr->nlmsg_type != RTM_NEWNEXTHOP)
		return 0;
	if (!(list->count & (list->count - 1))) {
		grown = reallocarray(list->items, list->count ? list->count * 2 : 1,
				     sizeof(*grown));
		if (!grown)
			return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
		list->items = grown;
	}
	rc = read_nexthop(hdr, &list->items[list->count]);
	if (rc)
		return cv_err_set(err, rc, "nexthops: malformed answer from the kernel");
	list->count++;
	return 0;
}

int cv_nexthop_list(struct cv_nl *nl, struct cv_nexthop_list *out, struct cv_err *err)
{
	CV_CLEANUP(cv_nexthop_list_fini) struct cv_nexthop_list list = { 0 };
	struct nhmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETNEXTHOP, NLM_F_DUMP, sizeof(*header), (void **)&header);
	int rc;

	if (!msg)
		return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
	rc = cv_nl_query(nl, msg, collect, &list, err, "nexthops");
	if (rc && rc != -EOPNOTSUPP)
		return rc;
	*out = list;
	list = (struct cv_nexthop_list){ 0 };
	return 0;
}

/* ---- writing ---- */

static int put_single(struct nl_msg *msg, const struct cv_nexthop *nexthop,
		      const int fds[CV_LWT_HOOKS])
{
	if (nla_put_u32(msg, NHA_OIF, nexthop->ifindex))
		return -EMSGSIZE;
	if (nexthop->via.family &&
	    nla_put(msg, NHA_GATEWAY, nexthop->via.family == 4 ? 4 : 16, nexthop->via.bytes))
		return -EMSGSIZE;
	return cv_lwt_put(msg, NHA_ENCAP_TYPE, NHA_ENCAP, &nexthop->lwt, fds);
}

static int put_group(struct nl_msg *msg, const struct cv_nexthop *nexthop)
{
	struct nlattr *attr = nla_reserve(
		msg, NHA_GROUP, (int)(nexthop->member_count * sizeof(struct nexthop_grp)));
	struct nexthop_grp *members;

	if (!attr)
		return -EMSGSIZE;
	members = nla_data(attr);
	for (size_t i = 0; i < nexthop->member_count; i++)
		members[i] = (struct nexthop_grp){
			.id = nexthop->members[i].id,
			.weight = (uint8_t)(nexthop->members[i].weight - 1),
		};
	return 0;
}

int cv_nexthop_refusal(uint32_t id, const char *verb, int code, const char *kernel,
		       struct cv_err *err)
{
	char what[64];

	snprintf(what, sizeof(what), "nexthop %u: %s", id, verb);
	return cv_nl_refusal(err, code, kernel, what);
}

static int put_nexthop(struct nl_msg *msg, struct nhmsg *header, const struct cv_nexthop *nexthop,
		       const int fds[CV_LWT_HOOKS])
{
	header->nh_family = nexthop->family == 4   ? AF_INET
			    : nexthop->family == 6 ? AF_INET6
						   : AF_UNSPEC;
	header->nh_protocol = nexthop->protocol;
	if (nla_put_u32(msg, NHA_ID, nexthop->id))
		return -EMSGSIZE;
	return nexthop->member_count ? put_group(msg, nexthop) : put_single(msg, nexthop, fds);
}

int cv_nexthop_add(struct cv_nl_batch *batch, const struct cv_nexthop *nexthop,
		   const int fds[CV_LWT_HOOKS], struct cv_err *err)
{
	struct nhmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg = cv_nl_msg(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL,
						      sizeof(*header), (void **)&header);
	int rc = msg ? put_nexthop(msg, header, nexthop, fds) : -ENOMEM;

	if (!rc)
		rc = cv_nl_batch_add(batch, msg);
	return rc ? cv_nexthop_refusal(nexthop->id, "add", rc, "", err) : 0;
}

int cv_nexthop_del(struct cv_nl_batch *batch, uint32_t id, struct cv_err *err)
{
	struct nhmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_DELNEXTHOP, 0, sizeof(*header), (void **)&header);
	int rc = msg ? 0 : -ENOMEM;

	if (!rc && nla_put_u32(msg, NHA_ID, id))
		rc = -EMSGSIZE;
	if (!rc)
		rc = cv_nl_batch_add(batch, msg);
	return rc ? cv_nexthop_refusal(id, "delete", rc, "", err) : 0;
}
