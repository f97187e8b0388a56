/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Making and deleting a veth pair. */
#include "nl_veth.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <string.h>

#include "own.h"

static int put_peer(struct nl_msg *msg, const struct cv_veth *veth)
{
	struct nlattr *peer = nla_nest_start(msg, VETH_INFO_PEER);

	if (!peer || !nlmsg_reserve(msg, sizeof(struct ifinfomsg), NLMSG_ALIGNTO) ||
	    nla_put_string(msg, IFLA_IFNAME, veth->peer) ||
	    nla_put_u32(msg, IFLA_MTU, veth->mtu_bytes))
		return -EMSGSIZE;
	nla_nest_end(msg, peer);
	return 0;
}

static int put_veth(struct nl_msg *msg, const struct cv_veth *veth)
{
	struct nlattr *info, *data;

	if (nla_put_string(msg, IFLA_IFNAME, veth->name) ||
	    nla_put_u32(msg, IFLA_MTU, veth->mtu_bytes) ||
	    nla_put_u32(msg, IFLA_GSO_MAX_SEGS, veth->gso_max_segs) ||
	    nla_put_u32(msg, IFLA_GSO_MAX_SIZE, veth->gso_max_bytes))
		return -EMSGSIZE;
	info = nla_nest_start(msg, IFLA_LINKINFO);
	if (!info || nla_put_string(msg, IFLA_INFO_KIND, "veth"))
		return -EMSGSIZE;
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	if (!data || put_peer(msg, veth))
		return -EMSGSIZE;
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
}

int cv_veth_add(struct cv_nl *nl, const struct cv_veth *veth, struct cv_err *err)
{
	struct ifinfomsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg = cv_nl_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
						      sizeof(*header), (void **)&header);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "dev %s: %s", veth->name, strerrordesc_np(ENOMEM));
	if (put_veth(msg, veth))
		return cv_err_set(err, -EMSGSIZE, "dev %s: message too long", veth->name);
	return cv_nl_request(nl, msg, err, "veth pair %s, %s: add", veth->name, veth->peer);
}

int cv_veth_del(struct cv_nl *nl, uint32_t ifindex, struct cv_err *err)
{
	struct ifinfomsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_DELLINK, 0, sizeof(*header), (void **)&header);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "dev with index %u: %s", ifindex,
				  strerrordesc_np(ENOMEM));
	header->ifi_index = (int)ifindex;
	return cv_nl_request(nl, msg, err, "dev with index %u: delete", ifindex);
}

int cv_veth_up(struct cv_nl *nl, uint32_t ifindex, const char *alias, struct cv_err *err)
{
	struct ifinfomsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_SETLINK, 0, sizeof(*header), (void **)&header);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "dev with index %u: %s", ifindex,
				  strerrordesc_np(ENOMEM));
	header->ifi_index = (int)ifindex;
	header->ifi_flags = IFF_UP | IFF_NOARP;
	header->ifi_change = IFF_UP | IFF_NOARP;
	if (nla_put_string(msg, IFLA_IFALIAS, alias))
		return cv_err_set(err, -EMSGSIZE, "dev with index %u: message too long", ifindex);
	return cv_nl_request(nl, msg, err, "dev with index %u: bring up", ifindex);
}
