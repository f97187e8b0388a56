/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a rule of nftables does with marks. A rule is a little program on registers; it is run here
 * with bits of which it is only known whether they are those of the packet's mark, and which may be
 * 1 otherwise.
 */
#include "marks/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "own.h"

#define WORDS 20 /* of 4 bytes: registers 1 to 4, which are four each, and one more to run over */

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
	struct cv_nft_rule where;
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
	use->moments = rule->where.moments;
	return cv_marks_add(rule->where.marks, use, "nft", err,
			    "nft table %s %s chain %s rule handle %llu",
			    family_name(rule->where.family), rule->where.table, rule->where.chain,
			    (unsigned long long)rule->where.handle);
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
	return word_of(rule, cv_nft_number(attrs, type));
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
			rc = compare(rule, &word[i], cv_nft_number(attrs, NFTA_CMP_OP),
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
			 cv_nft_number(attrs, NFTA_RANGE_OP) == NFT_RANGE_NEQ, err);
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
	if (cv_nft_number(attrs, NFTA_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END)
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
	CV_NL_MSG_FREE struct nl_msg *msg = cv_nft_msg(NFT_MSG_GETSETELEM, rule->where.family);
	int rc;

	if (!msg || nla_put_string(msg, NFTA_SET_ELEM_LIST_TABLE, rule->where.table) ||
	    nla_put_string(msg, NFTA_SET_ELEM_LIST_SET, set))
		return cv_err_set(err, -ENOMEM, "nftables: %s", strerrordesc_np(ENOMEM));
	rc = cv_nl_query(rule->where.nl, msg, parse_elements, elements, err, "nftables set %s",
			 set);
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
	bool is_inverted = cv_nft_number(attrs, NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
	bool is_asked = attrs[NFTA_LOOKUP_DREG];
	int rc = 0;

	elements.count = words_from(rule, word, NFT_REG_SIZE);
	for (size_t i = 0; i < elements.count; i++)
		is_asked = is_asked || word[i].keep;
	if (is_asked)
		rc = read_set(rule, cv_nft_text(attrs, NFTA_LOOKUP_SET), &elements, err);
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
	bool is_mark = cv_nft_number(attrs, NFTA_META_KEY) == NFT_META_MARK;
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
	uint32_t op = cv_nft_number(attrs, NFTA_BITWISE_OP);
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
	load_modulus(rule, word_in(rule, attrs, NFTA_NG_DREG), cv_nft_number(attrs, NFTA_NG_OFFSET),
		     cv_nft_number(attrs, NFTA_NG_MODULUS));
	return 0;
}

static int run_hash(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	load_modulus(rule, word_in(rule, attrs, NFTA_HASH_DREG),
		     cv_nft_number(attrs, NFTA_HASH_OFFSET),
		     cv_nft_number(attrs, NFTA_HASH_MODULUS));
	return 0;
}

static int run_ct(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	if (!attrs[NFTA_CT_DREG])
		return 0;
	forget(rule, word_in(rule, attrs, NFTA_CT_DREG));
	if (cv_nft_number(attrs, NFTA_CT_KEY) == NFT_CT_MARK)
		*word_in(rule, attrs, NFTA_CT_DREG) = saved_word;
	return 0;
}

static int run_socket(struct rule *rule, struct nlattr *const attrs[], struct cv_err *err)
{
	(void)err;
	forget(rule, word_in(rule, attrs, NFTA_SOCKET_DREG));
	if (cv_nft_number(attrs, NFTA_SOCKET_KEY) == NFT_SOCKET_MARK)
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
		.name = cv_nft_text(attrs, NFTA_MATCH_NAME),
		.revision = (uint8_t)cv_nft_number(attrs, NFTA_MATCH_REV),
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
} kinds[] = {
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
	name = cv_nft_text(parts, NFTA_EXPR_NAME);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

bool cv_nft_is_about_marks(struct nlattr *expressions)
{
	struct nlattr *attrs[EXPRESSION_ATTRS + 1], *element;
	int left;

	nla_for_each_nested (element, expressions, left) {
		const struct expression *expression = read_expression(element, attrs);

		if (expression && expression->is_about_marks &&
		    (expression->run != run_meta ||
		     cv_nft_number(attrs, NFTA_META_KEY) == NFT_META_MARK))
			return true;
	}
	return false;
}

int cv_nft_run(const struct cv_nft_rule *where, struct nlattr *expressions, struct cv_err *err)
{
	struct rule rule = { .where = *where };
	struct nlattr *attrs[EXPRESSION_ATTRS + 1], *element;
	int left, rc = 0;

	for (size_t i = 0; i < WORDS; i++)
		rule.words[i] = unknown_word;
	nla_for_each_nested (element, expressions, left) {
		const struct expression *expression = read_expression(element, attrs);

		if (!rc && (!expression || expression->run != run_cmp))
			rc = flush_bounds(&rule, err);
		if (!rc && expression)
			rc = expression->run(&rule, attrs, err);
	}
	return rc ? rc : flush_bounds(&rule, err);
}
