/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marks that nftables rules ask for and set. A rule is a little program on registers; it is run here
 * with bits of which it is only known whether they are those of the packet's mark, and which may be
 * 1 otherwise.
 */
#include "marks/marks.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "own.h"

#define WORDS 20 /* of 4 bytes: registers 1 to 4, which are four each, and one more to run over */

/* ---- questions ---- */

static struct nl_msg *nft_msg(int type, uint8_t family)
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
	CV_NL_MSG_FREE struct nl_msg *msg = nft_msg(type, NFPROTO_UNSPEC);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "nftables: %s", strerrordesc_np(ENOMEM));
	return cv_nl_query(nl, msg, fn, arg, err, "nftables");
}

/* All numbers of nftables are in network order. */
static uint32_t get_be32(struct nlattr *const attrs[], int type)
{
	return attrs[type] && nla_len(attrs[type]) >= 4 ? ntohl(nla_get_u32(attrs[type])) : 0;
}

static const char *get_string(struct nlattr *const attrs[], int type)
{
	return attrs[type] ? nla_get_string(attrs[type]) : "";
}

/* ---- what a register holds ---- */

struct word {
	uint32_t keep; /* bits that are those of the packet's mark */
	uint32_t ones; /* bits that may be 1 without the mark having them */
	bool is_swapped; /* in network order */
	bool has_min;
	uint32_t min; /* it was compared with: greater or equal */
};

static const struct word unknown_word = { .ones = UINT32_MAX };
/* Of what others saved no bit is known to be 1. */
static const struct word saved_word = { .ones = 0 };

/* One rule at work. */
struct rule {
	struct cv_marks *marks;
	struct cv_nl *nl;
	uint8_t family;
	uint8_t moments;
	const char *table;
	const char *chain;
	uint64_t handle;
	struct word words[WORDS];
};

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_ARP:
		return "arp";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_NETDEV:
		return "netdev";
	}
	return "?";
}

static int add_use(const struct rule *rule, struct cv_mark_use *use, struct cv_err *err)
{
	use->moments = rule->moments;
	return cv_marks_add(rule->marks, use, "nft", err,
			    "nft table %s %s chain %s rule handle %llu", family_name(rule->family),
			    rule->table, rule->chain, (unsigned long long)rule->handle);
}

static int add_match(const struct rule *rule, const struct word *word, uint32_t ones,
		     bool is_inverted, struct cv_err *err)
{
	struct cv_mark_use use = {
		.how = CV_MARK_MATCHES,
		.bits = word->keep,
		.ones = ones & word->keep,
		.is_inverted = is_inverted,
	};

	return add_use(rule, &use, err);
}

/* The first word of a register; one that nobody reads for a number that is none. */
static struct word *word_of(struct rule *rule, uint32_t reg)
{
	uint32_t i = WORDS - 1;

	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		i = (reg - NFT_REG_1) * (NFT_REG_SIZE / NFT_REG32_SIZE);
	else if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		i = reg - NFT_REG32_00;
	return &rule->words[i];
}

static struct word *word_in(struct rule *rule, struct nlattr *const attrs[], int type)
{
	return word_of(rule, get_be32(attrs, type));
}

/* How many words of a rule there are from that one on, and not more than bytes say. */
static size_t words_from(const struct rule *rule, const struct word *word, size_t bytes)
{
	size_t left = &rule->words[WORDS] - word;

	return bytes / 4 < left ? bytes / 4 : left;
}

/* Something that says nothing of marks is loaded; it may be as long as a register. */
static void forget(struct rule *rule, struct word *word)
{
	size_t count = words_from(rule, word, NFT_REG_SIZE);

	for (size_t i = 0; i < count; i++)
		word[i] = unknown_word;
}

/* The bytes of a data attribute, and how many; none: a verdict. */
static const uint8_t *data_of(struct nlattr *attr, size_t *bytes)
{
	struct nlattr *value =
		attr ? nla_find(nla_data(attr), nla_len(attr), NFTA_DATA_VALUE) : NULL;

	*bytes = value ? nla_len(value) : 0;
	return value ? nla_data(value) : NULL;
}

static uint32_t number_at(const uint8_t *data, size_t i, bool is_swapped)
{
	uint32_t number;

	memcpy(&number, data + 4 * i, sizeof(number));
	return is_swapped ? ntohl(number) : number;
}

/* ---- comparisons ---- */

/* Lower bounds that no upper one came to: it would be the very next comparison. */
static int flush_bounds(struct rule *rule, struct cv_err *err)
{
	int rc = 0;

	for (struct word *word = rule->words; !rc && word < &rule->words[WORDS]; word++) {
		if (word->has_min)
			rc = add_match(rule, word, cv_mark_ones(word->min, UINT32_MAX), false, err);
		word->has_min = false;
	}
	return rc;
}

static int compare(struct rule *rule, struct word *word, uint32_t op, uint32_t value,
		   struct cv_err *err)
{
	uint32_t min = word->has_min ? word->min : 0;

	switch (op) {
	case NFT_CMP_EQ:
	case NFT_CMP_NEQ:
		return add_match(rule, word, value, op == NFT_CMP_NEQ, err);
	case NFT_CMP_GT:
		value = value < UINT32_MAX ? value + 1 : value;
		/* fall through */
	case NFT_CMP_GTE:
		word->has_min = true;
		word->min = value;
		return 0;
	case NFT_CMP_LT:
		value = value ? value - 1 : 0;
		break;
	}
	word->has_min = false;
	return add_match(rule, word, cv_mark_ones(min, value), false, err);
}

static int run_cmp(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	struct word *word = word_in(rule, attrs, NFTA_CMP_SREG);
	size_t bytes;
	const uint8_t *data = data_of(attrs[NFTA_CMP_DATA], &bytes);
	size_t count = words_from(rule, word, bytes);
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++)
		if (word[i].keep)
			rc = compare(rule, &word[i], get_be32(attrs, NFTA_CMP_OP),
				     number_at(data, i, word[i].is_swapped), err);
	return rc;
}

static int run_range(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	struct word *word = word_in(rule, attrs, NFTA_RANGE_SREG);
	size_t from_bytes, to_bytes;
	const uint8_t *from = data_of(attrs[NFTA_RANGE_FROM_DATA], &from_bytes);
	const uint8_t *to = data_of(attrs[NFTA_RANGE_TO_DATA], &to_bytes);

	if (!word->keep || from_bytes < 4 || to_bytes < 4)
		return 0;
	return add_match(rule, word,
			 cv_mark_ones(number_at(from, 0, word->is_swapped),
				      number_at(to, 0, word->is_swapped)),
			 get_be32(attrs, NFTA_RANGE_OP) == NFT_RANGE_NEQ, err);
}

/* ---- sets ---- */

/* What is read of a set or map: for each word of its keys and for the first of its data the bits
 * that are 1 somewhere. */
struct elements {
	const struct word *words; /* that the keys are compared with */
	size_t count;
	uint32_t ones[WORDS];
	uint32_t data_ones;
	bool is_interval;
	uint32_t min, max; /* of the first word, of an interval */
};

static void take_key(struct elements *elements, struct nlattr *key, struct nlattr *end)
{
	size_t bytes, end_bytes;
	const uint8_t *data = data_of(key, &bytes), *end_data = data_of(end, &end_bytes);

	for (size_t i = 0; i < elements->count && 4 * i + 4 <= bytes; i++) {
		uint32_t value = number_at(data, i, elements->words[i].is_swapped);
		uint32_t last = 4 * i + 4 <= end_bytes
					? number_at(end_data, i, elements->words[i].is_swapped)
					: value;

		elements->ones[i] |= cv_mark_ones(value, last);
		if (!i && value < elements->min)
			elements->min = value;
		if (!i && value > elements->max)
			elements->max = value;
	}
}

static void take_element(struct elements *elements, struct nlattr *element)
{
	struct nlattr *attrs[NFTA_SET_ELEM_MAX + 1];
	const uint8_t *data;
	size_t bytes;

	if (nla_parse_nested(attrs, NFTA_SET_ELEM_MAX, element, NULL) < 0)
		return;
	if (get_be32(attrs, NFTA_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END)
		elements->is_interval = true;
	take_key(elements, attrs[NFTA_SET_ELEM_KEY], attrs[NFTA_SET_ELEM_KEY_END]);
	data = data_of(attrs[NFTA_SET_ELEM_DATA], &bytes);
	if (bytes >= 4)
		elements->data_ones |= number_at(data, 0, false);
}

static int parse_elements(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct elements *elements = arg;
	struct nlattr *list, *element;
	int left;

	(void)err;
	list = hdr ? nlmsg_find_attr(hdr, sizeof(struct nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS)
		   : NULL;
	if (list)
		nla_for_each_nested (element, list, left)
			take_element(elements, element);
	return 0;
}

static int read_set(const struct rule *rule, const char *set, struct elements *elements,
		    struct cv_err *err)
{
	CV_NL_MSG_FREE struct nl_msg *msg = nft_msg(NFT_MSG_GETSETELEM, rule->family);
	int rc;

	if (!msg || nla_put_string(msg, NFTA_SET_ELEM_LIST_TABLE, rule->table) ||
	    nla_put_string(msg, NFTA_SET_ELEM_LIST_SET, set))
		return cv_err_set(err, -ENOMEM, "nftables: %s", strerrordesc_np(ENOMEM));
	rc = cv_nl_query(rule->nl, msg, parse_elements, elements, err, "nftables set %s", set);
	/* The ends of intervals are elements of their own; what lies between is not asked for. */
	if (!rc && elements->is_interval)
		elements->ones[0] =
			cv_mark_ones(elements->min, elements->max ? elements->max - 1 : 0);
	return rc;
}

static int run_lookup(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	struct word *word = word_in(rule, attrs, NFTA_LOOKUP_SREG);
	struct elements elements = { .words = word, .min = UINT32_MAX };
	bool is_inverted = get_be32(attrs, NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
	bool is_asked = attrs[NFTA_LOOKUP_DREG];
	int rc = 0;

	elements.count = words_from(rule, word, NFT_REG_SIZE);
	for (size_t i = 0; i < elements.count; i++)
		is_asked = is_asked || word[i].keep;
	if (is_asked)
		rc = read_set(rule, get_string(attrs, NFTA_LOOKUP_SET), &elements, err);
	for (size_t i = 0; !rc && i < elements.count; i++)
		if (word[i].keep)
			rc = add_match(rule, &word[i], elements.ones[i], is_inverted, err);
	if (attrs[NFTA_LOOKUP_DREG]) {
		word = word_in(rule, attrs, NFTA_LOOKUP_DREG);
		forget(rule, word);
		*word = (struct word){ .ones = elements.data_ones };
	}
	return rc;
}

/* ---- loading, computing, setting ---- */

static int run_meta(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	bool is_mark = get_be32(attrs, NFTA_META_KEY) == NFT_META_MARK;
	struct cv_mark_use use = { .how = CV_MARK_WRITES };
	struct word *word;

	if (attrs[NFTA_META_DREG]) {
		word = word_in(rule, attrs, NFTA_META_DREG);
		forget(rule, word);
		if (is_mark)
			*word = (struct word){ .keep = UINT32_MAX };
	}
	if (!is_mark || !attrs[NFTA_META_SREG])
		return 0;
	word = word_in(rule, attrs, NFTA_META_SREG);
	use.bits = ~word->keep | word->ones;
	use.ones = word->ones;
	return add_use(rule, &use, err);
}

static int run_immediate(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	struct word *word = word_in(rule, attrs, NFTA_IMMEDIATE_DREG);
	size_t bytes;
	const uint8_t *data = data_of(attrs[NFTA_IMMEDIATE_DATA], &bytes);
	size_t count = words_from(rule, word, bytes);

	(void)err;
	for (size_t i = 0; i < count; i++)
		word[i] = (struct word){ .ones = number_at(data, i, false) };
	return 0;
}

/* What a shift leaves; where the bits came from is not followed, so it counts as asked for here. */
static int shift(struct rule *rule, const struct word *from, struct word *to, uint32_t op,
		 uint32_t by, struct cv_err *err)
{
	bool is_left = op == NFT_BITWISE_LSHIFT;
	uint32_t all = is_left ? UINT32_MAX >> (by & 31) : UINT32_MAX << (by & 31);
	uint32_t ones = from->keep | from->ones;
	int rc = 0;

	if (from->keep & all)
		rc = add_match(rule, &(struct word){ .keep = from->keep & all }, UINT32_MAX, false,
			       err);
	*to = (struct word){ .ones = is_left ? ones << (by & 31) : ones >> (by & 31) };
	return rc;
}

static int run_bitwise(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	struct word *from = word_in(rule, attrs, NFTA_BITWISE_SREG);
	struct word *to = word_in(rule, attrs, NFTA_BITWISE_DREG);
	uint32_t op = get_be32(attrs, NFTA_BITWISE_OP);
	size_t mask_bytes, xor_bytes, bytes;
	const uint8_t *mask = data_of(attrs[NFTA_BITWISE_MASK], &mask_bytes);
	const uint8_t * xor = data_of(attrs[NFTA_BITWISE_XOR], &xor_bytes);
	const uint8_t *by = data_of(attrs[NFTA_BITWISE_DATA], &bytes);

	if ((op == NFT_BITWISE_LSHIFT || op == NFT_BITWISE_RSHIFT) && bytes >= 4)
		return shift(rule, from, to, op, number_at(by, 0, false), err);
	if (op != NFT_BITWISE_BOOL) {
		forget(rule, to); /* of two registers */
		return 0;
	}
	for (size_t i = 0; 4 * i + 4 <= mask_bytes && 4 * i + 4 <= xor_bytes &&
			   &from[i] < &rule->words[WORDS] && &to[i] < &rule->words[WORDS];
	     i++) {
		uint32_t kept = number_at(mask, i, from[i].is_swapped);
		uint32_t flipped = number_at(xor, i, from[i].is_swapped);

		to[i] = (struct word){ .keep = from[i].keep & kept & ~flipped,
				       .ones = (from[i].ones & kept) | flipped,
				       .is_swapped = from[i].is_swapped };
	}
	return 0;
}

static int run_byteorder(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	struct word *to = word_in(rule, attrs, NFTA_BYTEORDER_DREG);

	(void)err;
	*to = *word_in(rule, attrs, NFTA_BYTEORDER_SREG);
	to->is_swapped = !to->is_swapped && htonl(1) != 1;
	return 0;
}

/* A number from offset on, below offset + modulus. */
static void load_modulus(struct rule *rule, struct word *word, uint32_t offset, uint32_t modulus)
{
	forget(rule, word);
	if (modulus)
		*word = (struct word){ .ones = cv_mark_ones(offset, offset + modulus - 1) };
}

static int run_numgen(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	load_modulus(rule, word_in(rule, attrs, NFTA_NG_DREG), get_be32(attrs, NFTA_NG_OFFSET),
		     get_be32(attrs, NFTA_NG_MODULUS));
	return 0;
}

static int run_hash(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	load_modulus(rule, word_in(rule, attrs, NFTA_HASH_DREG), get_be32(attrs, NFTA_HASH_OFFSET),
		     get_be32(attrs, NFTA_HASH_MODULUS));
	return 0;
}

static int run_ct(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	if (!attrs[NFTA_CT_DREG])
		return 0;
	forget(rule, word_in(rule, attrs, NFTA_CT_DREG));
	if (get_be32(attrs, NFTA_CT_KEY) == NFT_CT_MARK)
		*word_in(rule, attrs, NFTA_CT_DREG) = saved_word;
	return 0;
}

static int run_socket(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	forget(rule, word_in(rule, attrs, NFTA_SOCKET_DREG));
	if (get_be32(attrs, NFTA_SOCKET_KEY) == NFT_SOCKET_MARK)
		*word_in(rule, attrs, NFTA_SOCKET_DREG) = saved_word;
	return 0;
}

/* Whatever else loads a register that its first attribute, or its second, names. */
static int run_load(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	forget(rule, word_in(rule, attrs, 1));
	return 0;
}

static int run_load_second(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	forget(rule, word_in(rule, attrs, 2));
	return 0;
}

_Static_assert((int)NFTA_MATCH_NAME == (int)NFTA_TARGET_NAME &&
		       (int)NFTA_MATCH_REV == (int)NFTA_TARGET_REV &&
		       (int)NFTA_MATCH_INFO == (int)NFTA_TARGET_INFO,
	       "both are read in the same way");

static int run_xt(struct rule *rule, struct nlattr *const attrs[], bool is_target,
		  struct cv_err *err)
{
	struct nlattr *info = attrs[NFTA_MATCH_INFO];
	struct cv_xt_extension extension = {
		.name = get_string(attrs, NFTA_MATCH_NAME),
		.revision = (uint8_t)get_be32(attrs, NFTA_MATCH_REV),
		.is_target = is_target,
		.data = info ? nla_data(info) : "",
		.len = info ? nla_len(info) : 0,
	};
	struct cv_mark_use use;

	return cv_xt_use(&extension, &use) ? add_use(rule, &use, err) : 0;
}

static int run_match(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	return run_xt(rule, attrs, false, err);
}

static int run_target(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	return run_xt(rule, attrs, true, err);
}

/* ---- a rule ---- */

#define EXPRESSION_ATTRS 16

static const struct expression {
	const char *name;
	int (*run)(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err);
	bool is_about_marks; /* a rule without one of these is not looked at */
} expressions[] = {
	{ "meta", run_meta, true },
	{ "match", run_match, true },
	{ "target", run_target, true },
	{ "cmp", run_cmp, false },
	{ "range", run_range, false },
	{ "lookup", run_lookup, false },
	{ "immediate", run_immediate, false },
	{ "bitwise", run_bitwise, false },
	{ "byteorder", run_byteorder, false },
	{ "numgen", run_numgen, false },
	{ "hash", run_hash, false },
	{ "ct", run_ct, false },
	{ "socket", run_socket, false },
	{ "payload", run_load, false },
	{ "exthdr", run_load, false },
	{ "fib", run_load, false },
	{ "rt", run_load, false },
	{ "osf", run_load, false },
	{ "xfrm", run_load, false },
	{ "tunnel", run_load_second, false },
};

/* Reads one expression. NULL: one that neither reads nor writes registers. */
static const struct expression *read_expression(struct nlattr *element,
						struct nlattr *attrs[EXPRESSION_ATTRS + 1])
{
	struct nlattr *parts[NFTA_EXPR_MAX + 1];
	const char *name;

	if (nla_parse_nested(parts, NFTA_EXPR_MAX, element, NULL) < 0 || !parts[NFTA_EXPR_DATA] ||
	    nla_parse_nested(attrs, EXPRESSION_ATTRS, parts[NFTA_EXPR_DATA], NULL) < 0)
		return NULL;
	name = get_string(parts, NFTA_EXPR_NAME);
	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++)
		if (!strcmp(name, expressions[i].name))
			return &expressions[i];
	return NULL;
}

static bool is_about_marks(struct nlattr *list)
{
	struct nlattr *attrs[EXPRESSION_ATTRS + 1], *element;
	int left;

	nla_for_each_nested (element, list, left) {
		const struct expression *expression = read_expression(element, attrs);

		if (expression && expression->is_about_marks &&
		    (expression->run != run_meta ||
		     get_be32(attrs, NFTA_META_KEY) == NFT_META_MARK))
			return true;
	}
	return false;
}

static int run_rule(struct rule *rule, struct nlattr *list, struct cv_err *err)
{
	struct nlattr *attrs[EXPRESSION_ATTRS + 1], *element;
	int left, rc = 0;

	nla_for_each_nested (element, list, left) {
		const struct expression *expression = read_expression(element, attrs);

		if (!rc && (!expression || expression->run != run_cmp))
			rc = flush_bounds(rule, err);
		if (!rc && expression)
			rc = expression->run(rule, attrs, err);
	}
	return rc ? rc : flush_bounds(rule, err);
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
	chain.moments = moment_of(chain.family, get_be32(hook, NFTA_HOOK_HOOKNUM));
	chain.table = strdup(get_string(attrs, NFTA_CHAIN_TABLE));
	chain.name = strdup(get_string(attrs, NFTA_CHAIN_NAME));
	chains[ruleset->chain_count++] = chain;
	return chain.table && chain.name
		       ? 0
		       : cv_err_set(err, -ENOMEM, "nftables: %s", strerrordesc_np(ENOMEM));
}

/* When packets meet a rule. A chain without a hook may be called from any of its table. */
static uint8_t moments_of(const struct ruleset *ruleset, const struct rule *rule)
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
	if (!list || !is_about_marks(list))
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
	struct rule rule = { .marks = marks, .nl = nl };

	if (nlmsg_parse(hdr, sizeof(struct nfgenmsg), attrs, NFTA_RULE_MAX, NULL) < 0)
		return 0;
	rule.family = ((struct nfgenmsg *)nlmsg_data(hdr))->nfgen_family;
	rule.table = get_string(attrs, NFTA_RULE_TABLE);
	rule.chain = get_string(attrs, NFTA_RULE_CHAIN);
	if (attrs[NFTA_RULE_HANDLE])
		rule.handle = be64toh(nla_get_u64(attrs[NFTA_RULE_HANDLE]));
	rule.moments = moments_of(ruleset, &rule);
	for (size_t i = 0; i < WORDS; i++)
		rule.words[i] = unknown_word;
	return run_rule(&rule, attrs[NFTA_RULE_EXPRESSIONS], err);
}

static int read_ruleset(struct cv_marks *marks, struct cv_nl *nl, struct cv_err *err)
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
		rc = read_ruleset(marks, nl, &why);
	/* The kernel has no nftables at all. */
	if (!rc || rc == -EPROTONOSUPPORT || rc == -EOPNOTSUPP || rc == -EINVAL)
		return 0;
	return cv_marks_skip(marks, "nftables", &why, err);
}
