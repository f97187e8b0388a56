/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy routing rules that send marked packets, or those of this host, to a table. Other selectors
 * are not written. */
#include "nl_rule.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

#include "chain.h"
#include "own.h"

struct rule_list {
	struct cv_fib_rule *items; /* owned */
	size_t count;
	size_t capacity;
};

static void rule_list_fini(struct rule_list *list)
{
	free(list->items);
}

static uint8_t os_family(uint8_t family)
{
	return family == 4 ? AF_INET : AF_INET6;
}

/* The device that packets come in by, as the kernel has it; empty: any. */
static const char *iif_of(const struct cv_fib_rule *rule)
{
	return rule->is_for_own ? "lo" : rule->iif;
}

static void format_rule(const struct cv_fib_rule *rule, char *text, size_t text_size)
{
	char to[CV_PREFIX_TEXT], iif[sizeof(" iif ") + CV_IFNAME_MAX] = "";

	if (*iif_of(rule))
		snprintf(iif, sizeof(iif), " iif %s", iif_of(rule));
	if (rule->mark_mask)
		snprintf(text, text_size, "IPv%u rule %u: fwmark 0x%x/0x%x%s lookup %u",
			 rule->family, rule->priority, rule->mark, rule->mark_mask, iif,
			 rule->table);
	else
		snprintf(text, text_size, "IPv%u rule %u: to %s%s lookup %u", rule->family,
			 rule->priority, cv_prefix_format(&rule->to, to), iif, rule->table);
}

static int addr_bytes(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

/* What beside the mark a packet is selected by. */
static int put_selectors(struct nl_msg *msg, struct fib_rule_hdr *header,
			 const struct cv_fib_rule *rule)
{
	header->dst_len = rule->to.addr.family ? rule->to.bits : 0;
	if (header->dst_len && nla_put(msg, FRA_DST, addr_bytes(rule->family), rule->to.addr.bytes))
		return -EMSGSIZE;
	if (*iif_of(rule) && nla_put_string(msg, FRA_IIFNAME, iif_of(rule)))
		return -EMSGSIZE;
	if (rule->has_suppress && nla_put_u32(msg, FRA_SUPPRESS_PREFIXLEN, rule->suppress_bits))
		return -EMSGSIZE;
	return 0;
}

static int put_rule(struct nl_msg *msg, struct fib_rule_hdr *header, const struct cv_fib_rule *rule)
{
	header->family = os_family(rule->family);
	header->action = FR_ACT_TO_TBL;
	header->table = rule->table <= UINT8_MAX ? (uint8_t)rule->table : RT_TABLE_UNSPEC;
	if (nla_put_u32(msg, FRA_TABLE, rule->table) ||
	    nla_put_u32(msg, FRA_PRIORITY, rule->priority) ||
	    nla_put_u8(msg, FRA_PROTOCOL, rule->protocol))
		return -EMSGSIZE;
	if (rule->mark_mask && (nla_put_u32(msg, FRA_FWMARK, rule->mark) ||
				nla_put_u32(msg, FRA_FWMASK, rule->mark_mask)))
		return -EMSGSIZE;
	return put_selectors(msg, header, rule);
}

bool cv_fib_rule_equal(const struct cv_fib_rule *a, const struct cv_fib_rule *b)
{
	return a->family == b->family && a->priority == b->priority && a->mark == b->mark &&
	       a->mark_mask == b->mark_mask && a->table == b->table && a->protocol == b->protocol &&
	       a->is_for_own == b->is_for_own && !strcmp(a->iif, b->iif) &&
	       a->is_inverted == b->is_inverted && cv_addr_equal(&a->to.addr, &b->to.addr) &&
	       a->to.bits == b->to.bits && a->has_suppress == b->has_suppress &&
	       a->suppress_bits == b->suppress_bits;
}

uint64_t cv_fib_rule_hash(const struct cv_fib_rule *rule)
{
	const uint32_t numbers[] = { rule->family, rule->priority, rule->mark, rule->table };

	return cv_hash_bytes(cv_hash_text(rule->iif), numbers, sizeof(numbers));
}

int cv_fib_rule_refusal(const struct cv_fib_rule *rule, const char *verb, int code,
			const char *kernel, struct cv_err *err)
{
	char what[160], text[128];

	format_rule(rule, text, sizeof(text));
	snprintf(what, sizeof(what), "%s: %s", text, verb);
	return cv_nl_refusal(err, code, kernel, what);
}

static int change_rule(struct cv_nl_batch *batch, int type, int flags,
		       const struct cv_fib_rule *rule, const char *verb, struct cv_err *err)
{
	struct fib_rule_hdr *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(type, flags, sizeof(*header), (void **)&header);
	int ret = msg ? put_rule(msg, header, rule) : -ENOMEM;

	if (!ret)
		ret = cv_nl_batch_add(batch, msg);
	return ret ? cv_fib_rule_refusal(rule, verb, ret, "", err) : 0;
}

int cv_fib_rule_add(struct cv_nl_batch *batch, const struct cv_fib_rule *rule, struct cv_err *err)
{
	return change_rule(batch, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, "add", err);
}

int cv_fib_rule_del(struct cv_nl_batch *batch, const struct cv_fib_rule *rule, struct cv_err *err)
{
	/* To the kernel a zero means "whichever", and the first rule that fits would go. */
	bool is_marked = rule->mark && rule->mark_mask;

	if ((!is_marked && !rule->is_for_own) || !rule->table || !rule->protocol)
		return cv_fib_rule_refusal(rule, "delete", -EINVAL,
					   "mark, mask, table and protocol must not be 0", err);
	return change_rule(batch, RTM_DELRULE, 0, rule, "delete", err);
}

static int append(struct rule_list *list, const struct cv_fib_rule *rule, struct cv_err *err)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct cv_fib_rule *items = reallocarray(list->items, capacity, sizeof(*items));

		if (!items)
			return cv_err_set(err, -ENOMEM, "rules: %s", strerrordesc_np(ENOMEM));
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = *rule;
	return 0;
}

static uint32_t get_u32(struct nlattr *const attrs[], int type)
{
	return attrs[type] ? nla_get_u32(attrs[type]) : 0;
}

static void read_selectors(struct nlattr *const attrs[], const struct fib_rule_hdr *header,
			   struct cv_fib_rule *rule)
{
	const char *iif = attrs[FRA_IIFNAME] ? nla_get_string(attrs[FRA_IIFNAME]) : "";
	uint32_t suppress = attrs[FRA_SUPPRESS_PREFIXLEN]
				    ? nla_get_u32(attrs[FRA_SUPPRESS_PREFIXLEN])
				    : UINT32_MAX;

	rule->is_for_own = !strcmp(iif, "lo");
	if (!rule->is_for_own)
		snprintf(rule->iif, sizeof(rule->iif), "%s", iif);
	rule->is_inverted = header->flags & FIB_RULE_INVERT;
	if (attrs[FRA_DST] && nla_len(attrs[FRA_DST]) == addr_bytes(rule->family)) {
		rule->to.addr.family = rule->family;
		rule->to.bits = header->dst_len;
		memcpy(rule->to.addr.bytes, nla_data(attrs[FRA_DST]),
		       (size_t)addr_bytes(rule->family));
	}
	if (suppress <= UINT8_MAX) {
		rule->has_suppress = true;
		rule->suppress_bits = (uint8_t)suppress;
	}
}

static int parse_rule(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	static struct nla_policy policy[FRA_MAX + 1] = {
		[FRA_PRIORITY] = { .type = NLA_U32 },
		[FRA_FWMARK] = { .type = NLA_U32 },
		[FRA_FWMASK] = { .type = NLA_U32 },
		[FRA_TABLE] = { .type = NLA_U32 },
		[FRA_PROTOCOL] = { .type = NLA_U8 },
		[FRA_IIFNAME] = { .type = NLA_STRING },
		[FRA_SUPPRESS_PREFIXLEN] = { .type = NLA_U32 },
	};
	struct nlattr *attrs[FRA_MAX + 1];
	const struct fib_rule_hdr *header;
	struct rule_list *list = arg;
	struct cv_fib_rule rule;

	if (!hdr) {
		list->count = 0;
		return 0;
	}
	if (hdr->nlmsg_type != RTM_NEWRULE)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*header), attrs, FRA_MAX, policy) < 0)
		return cv_err_set(err, -EBADMSG, "rules: malformed answer from the kernel");
	header = nlmsg_data(hdr);
	if (header->family != AF_INET && header->family != AF_INET6)
		return 0;
	rule = (struct cv_fib_rule){
		.family = header->family == AF_INET ? 4 : 6,
		.priority = get_u32(attrs, FRA_PRIORITY),
		.mark = get_u32(attrs, FRA_FWMARK),
		.mark_mask = get_u32(attrs, FRA_FWMASK),
		.table = attrs[FRA_TABLE] ? nla_get_u32(attrs[FRA_TABLE]) : header->table,
		.protocol = attrs[FRA_PROTOCOL] ? nla_get_u8(attrs[FRA_PROTOCOL]) : 0,
	};
	read_selectors(attrs, header, &rule);
	return append(list, &rule, err);
}

int cv_fib_rule_list(struct cv_nl *nl, uint8_t family, cv_fib_rule_fn fn, void *arg,
		     struct cv_err *err)
{
	CV_CLEANUP(rule_list_fini) struct rule_list list = { .items = NULL };
	struct fib_rule_hdr *header;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETRULE, NLM_F_DUMP, sizeof(*header), (void **)&header);
	int ret;

	if (!msg)
		return cv_err_set(err, -ENOMEM, "rules: %s", strerrordesc_np(ENOMEM));
	header->family = os_family(family);
	ret = cv_nl_query(nl, msg, parse_rule, &list, err, "IPv%u rules", family);
	for (size_t i = 0; i < list.count && !ret; i++)
		if (list.items[i].family == family)
			ret = fn(&list.items[i], arg, err);
	return ret;
}
