/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marks that tc filters ask for and their actions set, on clsact, ingress and every other qdisc of
 * every device; not those of single classes of a qdisc. What a bpf program does cannot be read: it is
 * listed by name.
 */
#include "marks/marks.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_skbedit.h>
#include <netlink/attr.h>
#include <string.h>

#include "nl_link.h"
#include "nl_tc.h"
#include "own.h"

/* ---- where filters can be ---- */

struct block {
	uint32_t ifindex;
	uint32_t parent;
};

struct blocks {
	struct block *items; /* owned */
	size_t count;
};

static void blocks_fini(struct blocks *blocks)
{
	free(blocks->items);
}

static int add_block(struct blocks *blocks, uint32_t ifindex, uint32_t parent, struct cv_err *err)
{
	struct block *items = blocks->items;

	if (!(blocks->count & (blocks->count - 1))) {
		items = reallocarray(items, blocks->count ? 2 * blocks->count : 1, sizeof(*items));
		if (!items)
			return cv_err_set(err, -ENOMEM, "marks: %s", strerrordesc_np(ENOMEM));
		blocks->items = items;
	}
	items[blocks->count++] = (struct block){ ifindex, parent };
	return 0;
}

static int parse_qdisc(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct nlattr *attrs[TCA_MAX + 1];
	struct blocks *blocks = arg;
	const struct tcmsg *header;
	uint32_t ifindex;
	int rc;

	if (!hdr) {
		blocks->count = 0;
		return 0;
	}
	if (hdr->nlmsg_type != RTM_NEWQDISC)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*header), attrs, TCA_MAX, NULL) < 0 || !attrs[TCA_KIND])
		return cv_err_set(err, -EBADMSG, "qdiscs: malformed answer from the kernel");
	header = nlmsg_data(hdr);
	ifindex = (uint32_t)header->tcm_ifindex;
	if (header->tcm_parent != TC_H_CLSACT)
		return header->tcm_handle ? add_block(blocks, ifindex, header->tcm_handle, err) : 0;
	rc = add_block(blocks, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), err);
	/* Asked for egress, an `ingress` qdisc answers with what it has on ingress. */
	if (rc || strcmp(nla_get_string(attrs[TCA_KIND]), "clsact") != 0)
		return rc;
	return add_block(blocks, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), err);
}

static int list_blocks(struct cv_nl *nl, struct blocks *blocks, struct cv_err *err)
{
	struct tcmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETQDISC, NLM_F_DUMP, sizeof(*header), (void **)&header);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "qdiscs: %s", strerrordesc_np(ENOMEM));
	return cv_nl_query(nl, msg, parse_qdisc, blocks, err, "qdiscs");
}

/* ---- filters ---- */

/* One filter. */
struct filter {
	struct cv_marks *marks;
	char place[96];
	uint8_t moments;
	char kind[16];
	uint32_t handle;
	struct nlattr *options;
};

static int add_use(const struct filter *filter, struct cv_mark_use *use, const char *what,
		   struct cv_err *err)
{
	use->moments = filter->moments;
	return cv_marks_add(filter->marks, use, "tc", err, "%s %s", filter->place, what);
}

/* An attribute among options, of which there may be none at all. */
static struct nlattr *find(struct nlattr *options, int type)
{
	return options ? nla_find(nla_data(options), nla_len(options), type) : NULL;
}

static uint32_t get_u32(struct nlattr *options, int type, uint32_t otherwise)
{
	struct nlattr *attr = find(options, type);

	return attr && nla_len(attr) >= 4 ? nla_get_u32(attr) : otherwise;
}

static bool read_fw(const struct filter *filter, struct cv_mark_use *use)
{
	use->bits = get_u32(filter->options, TCA_FW_MASK, UINT32_MAX);
	use->ones = filter->handle & use->bits;
	return true;
}

static bool read_u32(const struct filter *filter, struct cv_mark_use *use)
{
	struct nlattr *attr = find(filter->options, TCA_U32_MARK);
	struct tc_u32_mark mark;

	if (!attr || nla_len(attr) < (int)sizeof(mark))
		return false;
	memcpy(&mark, nla_data(attr), sizeof(mark));
	use->bits = mark.mask;
	use->ones = mark.val & mark.mask;
	return true;
}

static int read_match(const struct filter *filter, struct cv_err *err)
{
	struct cv_mark_use use = { .how = CV_MARK_MATCHES };
	bool has_match = false;

	if (!strcmp(filter->kind, "fw"))
		has_match = read_fw(filter, &use);
	else if (!strcmp(filter->kind, "u32"))
		has_match = read_u32(filter, &use);
	return has_match ? add_use(filter, &use, filter->kind, err) : 0;
}

/* bpf filters that are not culvert's. */
static int note_program(const struct filter *filter, struct cv_err *err)
{
	struct cv_mark_use use = { .how = CV_MARK_UNKNOWN };
	char name[64] = "", what[80];
	struct nlattr *attr;

	if (strcmp(filter->kind, "bpf") != 0)
		return 0;
	attr = find(filter->options, TCA_BPF_NAME);
	if (attr)
		nla_strlcpy(name, attr, sizeof(name));
	if (!strncmp(name, "culvert:", strlen("culvert:")))
		return 0;
	snprintf(what, sizeof(what), "bpf program %s", name);
	return add_use(filter, &use, what, err);
}

static int read_action(const struct filter *filter, struct nlattr *action, struct cv_err *err)
{
	struct nlattr *attrs[TCA_ACT_MAX + 1];
	struct cv_mark_use use = { .how = CV_MARK_WRITES };
	struct nlattr *options;
	const char *kind;

	if (nla_parse_nested(attrs, TCA_ACT_MAX, action, NULL) < 0 || !attrs[TCA_ACT_KIND])
		return 0;
	kind = nla_get_string(attrs[TCA_ACT_KIND]);
	options = attrs[TCA_ACT_OPTIONS];
	if (!strcmp(kind, "connmark")) {
		use.bits = UINT32_MAX; /* of the connection's mark nobody knows which are 1 */
	} else if (!strcmp(kind, "skbedit") && find(options, TCA_SKBEDIT_MARK)) {
		use.bits = get_u32(options, TCA_SKBEDIT_MASK, UINT32_MAX);
		use.ones = get_u32(options, TCA_SKBEDIT_MARK, 0) & use.bits;
	}
	return add_use(filter, &use, kind, err);
}

static int read_actions(const struct filter *filter, struct cv_err *err)
{
	struct nlattr *actions = cv_tc_actions(filter->kind, filter->options);
	struct nlattr *attrs[CV_TC_ACTIONS_MAX + 1];
	int rc = 0;

	if (!actions || nla_parse_nested(attrs, CV_TC_ACTIONS_MAX, actions, NULL) < 0)
		return 0;
	for (int i = 1; !rc && i <= CV_TC_ACTIONS_MAX; i++)
		if (attrs[i])
			rc = read_action(filter, attrs[i], err);
	return rc;
}

static void describe(const char *dev, uint32_t parent, const struct tcmsg *header,
		     struct filter *filter)
{
	bool is_ingress = parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	bool is_egress = parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
	char side[32];

	snprintf(side, sizeof(side), "parent %x:", TC_H_MAJ(parent) >> 16);
	snprintf(filter->place, sizeof(filter->place), "tc filter dev %s %s pref %u handle 0x%x",
		 dev,
		 is_ingress  ? "ingress"
		 : is_egress ? "egress"
			     : side,
		 TC_H_MAJ(header->tcm_info) >> 16, header->tcm_handle);
	filter->moments = is_ingress ? CV_MARK_ARRIVING : 0;
	filter->handle = header->tcm_handle;
}

int cv_tc_look(struct cv_marks *marks, const char *dev, uint32_t parent, struct nlmsghdr *hdr,
	       struct cv_err *err)
{
	struct nlattr *attrs[TCA_MAX + 1];
	struct filter filter = { .marks = marks };
	int rc;

	if (nlmsg_parse(hdr, sizeof(struct tcmsg), attrs, TCA_MAX, NULL) < 0 || !attrs[TCA_KIND])
		return cv_err_set(err, -EBADMSG, "filters: malformed answer from the kernel");
	filter.options = attrs[TCA_OPTIONS];
	nla_strlcpy(filter.kind, attrs[TCA_KIND], sizeof(filter.kind));
	describe(dev, parent, nlmsg_data(hdr), &filter);
	if (!filter.handle)
		return 0; /* it belongs to the kind of filter, not to one of them */
	rc = read_match(&filter, err);
	if (!rc)
		rc = note_program(&filter, err);
	return rc ? rc : read_actions(&filter, err);
}

/* The filters of one block while they are listed. */
struct listing {
	struct cv_marks *marks;
	size_t users; /* of the list when the listing began */
	uint32_t parent;
	const char *dev;
};

static int parse_filter(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct listing *listing = arg;

	if (!hdr) {
		listing->marks->users.count = listing->users;
		return 0;
	}
	if (hdr->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	return cv_tc_look(listing->marks, listing->dev, listing->parent, hdr, err);
}

static int list_filters(struct cv_marks *marks, struct cv_nl *nl, const struct block *block,
			struct cv_err *err)
{
	struct listing listing = {
		.marks = marks,
		.users = marks->users.count,
		.parent = block->parent,
	};
	struct tcmsg *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETTFILTER, NLM_F_DUMP, sizeof(*header), (void **)&header);
	struct cv_link link;

	if (!msg)
		return cv_err_set(err, -ENOMEM, "filters: %s", strerrordesc_np(ENOMEM));
	if (cv_link_by_index(nl, block->ifindex, &link, NULL))
		return 0; /* it went away */
	listing.dev = link.name;
	header->tcm_ifindex = (int)block->ifindex;
	header->tcm_parent = block->parent;
	return cv_nl_query(nl, msg, parse_filter, &listing, err, "dev %s: filters", link.name);
}

int cv_marks_tc(struct cv_marks *marks, struct cv_nl *nl, struct cv_err *err)
{
	CV_CLEANUP(blocks_fini) struct blocks blocks = { 0 };
	struct cv_err why = { 0 };
	int rc = list_blocks(nl, &blocks, &why);

	for (size_t i = 0; !rc && i < blocks.count; i++)
		rc = list_filters(marks, nl, &blocks.items[i], &why);
	return rc ? cv_marks_skip(marks, "tc", &why, err) : 0;
}
