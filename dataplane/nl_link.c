/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Questions about one network device. Devices are never changed here. */
#include "nl_link.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "own.h"

struct found {
	struct cv_link link;
	bool is_found;
};

static int parse_link(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	static struct nla_policy policy[IFLA_MAX + 1] = {
		[IFLA_IFNAME] = { .type = NLA_STRING },
		[IFLA_MTU] = { .type = NLA_U32 },
		[IFLA_IFALIAS] = { .type = NLA_STRING },
	};
	struct nlattr *attrs[IFLA_MAX + 1];
	struct found *found = arg;
	const struct ifinfomsg *info;

	if (!hdr || hdr->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*info), attrs, IFLA_MAX, policy) < 0 || !attrs[IFLA_IFNAME])
		return cv_err_set(err, -EBADMSG, "dev: malformed answer from the kernel");
	info = nlmsg_data(hdr);
	found->link = (struct cv_link){
		.ifindex = (uint32_t)info->ifi_index,
		.mtu_bytes = attrs[IFLA_MTU] ? nla_get_u32(attrs[IFLA_MTU]) : 0,
		.type = info->ifi_type,
		.is_up = info->ifi_flags & IFF_UP,
	};
	nla_strlcpy(found->link.name, attrs[IFLA_IFNAME], sizeof(found->link.name));
	if (attrs[IFLA_IFALIAS])
		nla_strlcpy(found->link.alias, attrs[IFLA_IFALIAS], sizeof(found->link.alias));
	found->is_found = true;
	return 0;
}

/* By name, or by ifindex if name is NULL. */
static int find(struct cv_nl *nl, const char *name, uint32_t ifindex, struct cv_link *out,
		struct cv_err *err)
{
	struct found found = { .is_found = false };
	struct ifinfomsg *info;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETLINK, 0, sizeof(*info), (void **)&info);
	char what[64];
	int ret;

	if (name)
		snprintf(what, sizeof(what), "dev %s", name);
	else
		snprintf(what, sizeof(what), "dev with index %u", ifindex);
	if (!msg)
		return cv_err_set(err, -ENOMEM, "%s: %s", what, strerrordesc_np(ENOMEM));
	info->ifi_index = (int)ifindex;
	if (name && nla_put_string(msg, IFLA_IFNAME, name))
		return cv_err_set(err, -EMSGSIZE, "%s: message too long", what);
	if (nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))
		return cv_err_set(err, -EMSGSIZE, "%s: message too long", what);
	ret = cv_nl_query(nl, msg, parse_link, &found, err, "%s", what);
	if (ret)
		return ret;
	if (!found.is_found)
		return cv_err_set(err, -ENODEV, "%s: %s", what, strerrordesc_np(ENODEV));
	*out = found.link;
	return 0;
}

int cv_link_by_name(struct cv_nl *nl, const char *name, struct cv_link *out, struct cv_err *err)
{
	/* The kernel calls such a name "Numerical result out of range". */
	if (!*name || strlen(name) >= IF_NAMESIZE)
		return cv_err_set(err, -ENODEV, "dev %s: %s", name, strerrordesc_np(ENODEV));
	return find(nl, name, 0, out, err);
}

int cv_link_by_index(struct cv_nl *nl, uint32_t ifindex, struct cv_link *out, struct cv_err *err)
{
	if (!ifindex || ifindex > INT32_MAX)
		return cv_err_set(err, -ENODEV, "dev with index %u: %s", ifindex,
				  strerrordesc_np(ENODEV));
	return find(nl, NULL, ifindex, out, err);
}
