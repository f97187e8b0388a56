/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marks that nftables rules ask for and set: the ruleset as the kernel lists it. What one rule does
 * with marks is nft_rule.c's.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "marks/nft.h"
#include "own.h"

/* ---- questions ---- */

struct nl_msg *cv_nft_msg(int type, uint8_t family)
{
	struct nfgenmsg *header;
	struct nl_msg *msg = cv_nl_msg(NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_DUMP,
				       sizeof(*header), (void **)&header);

	if (msg)
		header->nfgen_family = family;
	return msg;
}

static int ask(struct cv_nl *nl, int type, cv_nl_fn fn, void *arg, struct cv_err *err)
{
	CV_NL_MSG_FREE struct nl_msg *msg = cv_nft_msg(type, NFPROTO_UNSPEC);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "nftables: %s", strerrordesc_np(ENOMEM));
	return cv_nl_query(nl, msg, fn, arg, err, "nftables");
}

/* All numbers of nftables are in network order. */
uint32_t cv_nft_number(struct nlattr *const attrs[], int type)
{
	return attrs[type] && nla_len(attrs[type]) >= 4 ? ntohl(nla_get_u32(attrs[type])) : 0;
}

const char *cv_nft_text(struct nlattr *const attrs[], int type)
{
	const char *text = attrs[type] ? nla_data(attrs[type]) : "";

	/* One without an end is none of the kernel's. */
	return !attrs[type] || memchr(text, '\0', nla_len(attrs[type])) ? text : "";
}

/* ---- chains ---- */

/* A chain that stands on a hook. */
struct chain {
	uint8_t family;
	uint8_t moments;
	char *table; /* owned */
	char *name; /* owned */
};

/* The whole ruleset, as far as it has to do with marks. */
struct ruleset {
	struct chain *chains; /* owned */
	size_t chain_count;
	struct nlmsghdr **rules; /* owned copies of the kernel's messages */
	size_t rule_count;
};

static void free_chains(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->chain_count; i++) {
		free(ruleset->chains[i].table);
		free(ruleset->chains[i].name);
	}
	free(CV_TAKE_PTR(ruleset->chains));
	ruleset->chain_count = 0;
}

static void free_rules(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->rule_count; i++)
		free(ruleset->rules[i]);
	free(CV_TAKE_PTR(ruleset->rules));
	ruleset->rule_count = 0;
}

static void ruleset_fini(struct ruleset *ruleset)
{
	free_chains(ruleset);
	free_rules(ruleset);
}

static uint8_t moment_of(uint8_t family, uint32_t hook)
{
	bool is_ip = family == NFPROTO_IPV4 || family == NFPROTO_IPV6 || family == NFPROTO_INET;

	if (family == NFPROTO_NETDEV)
		return hook == NF_NETDEV_INGRESS ? CV_MARK_ARRIVING : 0;
	if (hook == NF_INET_PRE_ROUTING && family != NFPROTO_ARP)
		return CV_MARK_ARRIVING;
	if (hook == NF_INET_INGRESS && is_ip)
		return CV_MARK_ARRIVING;
	return hook == NF_INET_LOCAL_OUT && is_ip ? CV_MARK_SENDING : 0;
}

static int parse_chain(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct nlattr *attrs[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct ruleset *ruleset = arg;
	struct chain chain, *chains;

	if (!hdr) {
		free_chains(ruleset);
		return 0;
	}
	if (nlmsg_parse(hdr, sizeof(struct nfgenmsg), attrs, NFTA_CHAIN_MAX, NULL) < 0 ||
	    !attrs[NFTA_CHAIN_HOOK] ||
	    nla_parse_nested(hook, NFTA_HOOK_MAX, attrs[NFTA_CHAIN_HOOK], NULL) < 0)
		return 0;
	chains = reallocarray(ruleset->chains, ruleset->chain_count + 1, sizeof(*chains));
	if (!chains)
		return cv_err_set(err, -ENOMEM, "nftables: %s", strerrordesc_np(ENOMEM));
	ruleset->chains = chains;
	chain.family = ((struct nfgenmsg *)nlmsg_data(hdr))->nfgen_family;
	chain.moments = moment_of(chain.family, cv_nft_number(hook, NFTA_HOOK_HOOKNUM));
	chain.table = strdup(cv_nft_text(attrs, NFTA_CHAIN_TABLE));
	chain.name = strdup(cv_nft_text(attrs, NFTA_CHAIN_NAME));
	chains[ruleset->chain_count++] = chain;
	return chain.table && chain.name
		       ? 0
		       : cv_err_set(err, -ENOMEM, "nftables: %s", strerrordesc_np(ENOMEM));
}

/* When packets meet a rule. A chain without a hook may be called from any of its table. */
static uint8_t moments_of(const struct ruleset *ruleset, const struct cv_nft_rule *rule)
{
	uint8_t moments = 0;

	for (size_t i = 0; i < ruleset->chain_count; i++) {
		const struct chain *chain = &ruleset->chains[i];

		if (chain->family != rule->family || strcmp(chain->table, rule->table) != 0)
			continue;
		if (!strcmp(chain->name, rule->chain))
			return chain->moments;
		moments |= chain->moments;
	}
	return moments;
}

/* ---- rules ---- */

static int keep_rule(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct ruleset *ruleset = arg;
	struct nlattr *list;
	struct nlmsghdr **rules, *copy;

	if (!hdr) {
		free_rules(ruleset);
		return 0;
	}
	list = nlmsg_find_attr(hdr, sizeof(struct nfgenmsg), NFTA_RULE_EXPRESSIONS);
	if (!list || !cv_nft_is_about_marks(list))
		return 0;
	rules = reallocarray(ruleset->rules, ruleset->rule_count + 1, sizeof(struct nlmsghdr *));
	if (rules)
		ruleset->rules = rules;
	copy = rules ? malloc(hdr->nlmsg_len) : NULL;
	if (!copy)
		return cv_err_set(err, -ENOMEM, "nftables: %s", strerrordesc_np(ENOMEM));
	memcpy(copy, hdr, hdr->nlmsg_len);
	ruleset->rules[ruleset->rule_count++] = copy;
	return 0;
}

static int look_at_rule(struct cv_marks *marks, struct cv_nl *nl, const struct ruleset *ruleset,
			struct nlmsghdr *hdr, struct cv_err *err)
{
	struct nlattr *attrs[NFTA_RULE_MAX + 1];
	struct cv_nft_rule rule = { .marks = marks, .nl = nl };

	if (nlmsg_parse(hdr, sizeof(struct nfgenmsg), attrs, NFTA_RULE_MAX, NULL) < 0)
		return 0;
	rule.family = ((struct nfgenmsg *)nlmsg_data(hdr))->nfgen_family;
	rule.table = cv_nft_text(attrs, NFTA_RULE_TABLE);
	rule.chain = cv_nft_text(attrs, NFTA_RULE_CHAIN);
	if (attrs[NFTA_RULE_HANDLE])
		rule.handle = be64toh(nla_get_u64(attrs[NFTA_RULE_HANDLE]));
	rule.moments = moments_of(ruleset, &rule);
	return cv_nft_run(&rule, attrs[NFTA_RULE_EXPRESSIONS], err);
}

int cv_nft_read(struct cv_marks *marks, struct cv_nl *nl, struct cv_err *err)
{
	CV_CLEANUP(ruleset_fini) struct ruleset ruleset = { 0 };
	int rc = ask(nl, NFT_MSG_GETCHAIN, parse_chain, &ruleset, err);

	if (!rc)
		rc = ask(nl, NFT_MSG_GETRULE, keep_rule, &ruleset, err);
	/* Sets are asked for here, when nothing else is being answered. */
	for (size_t i = 0; !rc && i < ruleset.rule_count; i++)
		rc = look_at_rule(marks, nl, &ruleset, ruleset.rules[i], err);
	return rc;
}

/* True if the kernel's module list of what it has built in names nf_tables, or cannot be read. */
static bool is_built_in(void)
{
	CV_FCLOSE FILE *file = NULL;
	char path[64 + sizeof(((struct utsname *)NULL)->release)], line[256];
	struct utsname name;

	if (uname(&name))
		return true;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", name.release);
	file = fopen(path, "re");
	if (!file)
		return true;
	while (fgets(line, sizeof(line), file))
		if (strstr(line, "/nf_tables.ko"))
			return true;
	return false;
}

/* False if the module is not loaded: then there are no rules, and asking for them would load it. */
static bool has_nftables(void)
{
	return access("/proc/modules", F_OK) || !access("/sys/module/nf_tables", F_OK) ||
	       is_built_in();
}

int cv_marks_nft(struct cv_marks *marks, struct cv_err *err)
{
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	struct cv_err why = { 0 };
	int rc = has_nftables() ? cv_nl_open_netfilter(&nl, &why) : -EPROTONOSUPPORT;

	if (!rc)
		rc = cv_nft_read(marks, nl, &why);
	/* The kernel has no nftables at all. */
	if (!rc || rc == -EPROTONOSUPPORT || rc == -EOPNOTSUPP || rc == -EINVAL)
		return 0;
	return cv_marks_skip(marks, "nftables", &why, err);
}
