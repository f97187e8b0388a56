/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs of routes and nexthop objects as attributes: see nl_lwt.h. */
#include "nl_lwt.h"

#include <errno.h>
#include <linux/lwtunnel.h>
#include <netlink/attr.h>
#include <string.h>

static const int hook_attrs[CV_LWT_HOOKS] = {
	[CV_LWT_IN] = LWT_BPF_IN,
	[CV_LWT_OUT] = LWT_BPF_OUT,
	[CV_LWT_XMIT] = LWT_BPF_XMIT,
};

bool cv_lwt_equal(const struct cv_lwt *a, const struct cv_lwt *b)
{
	if (a->is_bpf != b->is_bpf)
		return false;
	for (int hook = 0; hook < CV_LWT_HOOKS; hook++)
		if (strcmp(a->names[hook], b->names[hook]))
			return false;
	return true;
}

static int put_program(struct nl_msg *msg, int attr, int fd, const char *name)
{
	struct nlattr *program = nla_nest_start(msg, attr);

	if (!program || nla_put_u32(msg, LWT_BPF_PROG_FD, (uint32_t)fd) ||
	    nla_put_string(msg, LWT_BPF_PROG_NAME, name))
		return -EMSGSIZE;
	nla_nest_end(msg, program);
	return 0;
}

int cv_lwt_put(struct nl_msg *msg, int type_attr, int encap_attr, const struct cv_lwt *lwt,
	       const int fds[CV_LWT_HOOKS])
{
	struct nlattr *encap;

	if (!lwt->is_bpf)
		return 0;
	if (nla_put_u16(msg, type_attr, LWTUNNEL_ENCAP_BPF))
		return -EMSGSIZE;
	encap = nla_nest_start(msg, encap_attr);
	if (!encap)
		return -EMSGSIZE;
	for (int hook = 0; hook < CV_LWT_HOOKS; hook++)
		if (lwt->names[hook][0] &&
		    put_program(msg, hook_attrs[hook], fds[hook], lwt->names[hook]))
			return -EMSGSIZE;
	nla_nest_end(msg, encap);
	return 0;
}

static int read_name(struct nlattr *program, char *name)
{
	static struct nla_policy policy[LWT_BPF_PROG_MAX + 1] = {
		[LWT_BPF_PROG_NAME] = { .type = NLA_STRING },
	};
	struct nlattr *attrs[LWT_BPF_PROG_MAX + 1];

	if (nla_parse_nested(attrs, LWT_BPF_PROG_MAX, program, policy) < 0)
		return -EBADMSG;
	if (attrs[LWT_BPF_PROG_NAME])
		nla_strlcpy(name, attrs[LWT_BPF_PROG_NAME], CV_LWT_NAME_LEN);
	return 0;
}

int cv_lwt_read(struct nlattr *type, struct nlattr *encap, struct cv_lwt *lwt)
{
	struct nlattr *hooks[LWT_BPF_MAX + 1];
	int rc = 0;

	*lwt = (struct cv_lwt){ .is_bpf = false };
	if (!type || !encap || nla_get_u16(type) != LWTUNNEL_ENCAP_BPF)
		return 0;
	lwt->is_bpf = true;
	if (nla_parse_nested(hooks, LWT_BPF_MAX, encap, NULL) < 0)
		return -EBADMSG;
	for (int hook = 0; !rc && hook < CV_LWT_HOOKS; hook++)
		if (hooks[hook_attrs[hook]])
			rc = read_name(hooks[hook_attrs[hook]], lwt->names[hook]);
	return rc;
}
