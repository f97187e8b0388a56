/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Typed values: see args.h. */
#include "args.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "addr_hint.h"
#include "out.h"
#include "own.h"

#define CV_MAX_PORT 65535
#define CV_MAX_DSCP 63
#define CV_MAPPED_BITS 96 /* in front of an IPv4 address in the form of an IPv6 one */

/* The value of a digit, or one that no base has. */
static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10U : UINT8_MAX;
}

/* Reads a number at *text and moves *text behind it. Returns false if there is none or it does not
 * fit 32 bits. */
static bool take_number(const char **text, unsigned int base, uint32_t *out)
{
	const char *at = *text;
	uint64_t value = 0;

	while (digit_of(*at) < base && value <= UINT32_MAX)
		value = value * base + digit_of(*at++);
	if (at == *text || value > UINT32_MAX)
		return false;
	*out = value;
	*text = at;
	return true;
}

/* Decimal, or hexadecimal with 0x; a leading zero is not octal. */
static bool take_any_base(const char **text, uint32_t *out)
{
	bool is_hex = (*text)[0] == '0' && ((*text)[1] | 0x20) == 'x';

	if (is_hex)
		*text += 2;
	return take_number(text, is_hex ? 16 : 10, out);
}

int cv_arg_number(const char *word, const char *text, uint32_t min, uint32_t max, uint32_t *out,
		  struct cv_err *err)
{
	const char *p = text;
	uint32_t value;

	if (!take_any_base(&p, &value) || *p || value < min || value > max)
		return cv_err_input(err, "%s \"%s\": not a number from %u to %u", word, text, min,
				    max);
	*out = value;
	return 0;
}

int cv_arg_name(const char *word, const char *text, char *out, struct cv_err *err)
{
	size_t len = strlen(text);
	bool is_good = len && len <= CV_NAME_MAX && isalnum((unsigned char)text[0]);

	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			is_good = false;
	if (!is_good)
		return cv_err_input(err,
				    "%s \"%s\": not a name (1 to %d letters, digits, '-' or '_', "
				    "beginning with a letter or digit)",
				    word, text, CV_NAME_MAX);
	memcpy(out, text, len + 1);
	return 0;
}

int cv_arg_ifname(const char *word, const char *text, char *out, struct cv_err *err)
{
	size_t len = strlen(text);

	if (!len || len > CV_IFNAME_MAX || !cv_utf8_is_good(text) || strpbrk(text, "/ \t\n:") ||
	    !strcmp(text, ".") || !strcmp(text, ".."))
		return cv_err_input(err,
				    "%s \"%s\": not a device name (1 to %d characters, no '/', "
				    "':' or blank)",
				    word, text, CV_IFNAME_MAX);
	memcpy(out, text, len + 1);
	return 0;
}

static bool take_addr(const char *text, struct cv_addr *out)
{
	*out = (struct cv_addr){ 0 };
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, text, out->bytes) == 1)
		out->family = 6;
	return out->family;
}

int cv_arg_addr(const char *word, const char *text, struct cv_addr *out, struct cv_err *err)
{
	struct cv_addr addr, inner;
	char right[CV_PREFIX_TEXT];

	if (!take_addr(text, &addr)) {
		cv_err_input(err, "%s \"%s\": not an IPv4 or IPv6 address", word, text);
		cv_hint_addr(err, text, false, NULL);
		return -EINVAL;
	}
	if (cv_addr_is_mapped(&addr, &inner)) {
		cv_err_input(err, "%s \"%s\": an IPv4 address in the form of an IPv6 one", word,
			     text);
		return cv_err_hint(err, "%s", cv_addr_format(&inner, right));
	}
	*out = addr;
	return 0;
}

/* Clears what is behind the prefix. Returns true if there was something. */
static bool clear_host_bits(struct cv_prefix *prefix)
{
	unsigned int bytes = prefix->addr.family == 4 ? 4 : 16;
	bool had = false;

	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int kept = prefix->bits > i * 8 ? prefix->bits - i * 8 : 0;
		uint8_t mask = kept >= 8 ? 0xff : 0xff << (8 - kept);

		had |= prefix->addr.bytes[i] & ~mask;
		prefix->addr.bytes[i] &= mask;
	}
	return had;
}

static int wrong_prefix(const char *word, const char *text, struct cv_err *err)
{
	bool is_told;

	cv_err_input(err, "%s \"%s\": not a prefix", word, text);
	cv_hint_addr(err, text, true, &is_told);
	return is_told ? -EINVAL : cv_err_hint(err, "as 10.9.0.0/16 or 2001:db8::/32");
}

/* Of what stands in packets, nothing is inside; all of it together may be meant: ::ffff:0:0/96. */
static int check_mapped(const char *word, const char *text, const struct cv_prefix *prefix,
			struct cv_err *err)
{
	struct cv_prefix inner = { .bits = prefix->bits - CV_MAPPED_BITS };
	char right[CV_PREFIX_TEXT];

	if (prefix->bits <= CV_MAPPED_BITS || !cv_addr_is_mapped(&prefix->addr, &inner.addr))
		return 0;
	cv_err_input(err, "%s \"%s\": an IPv4 prefix in the form of an IPv6 one", word, text);
	return cv_err_hint(err, "%s", cv_prefix_format(&inner, right));
}

static int wrong_length(const char *word, const char *text, uint8_t family, uint32_t max,
			struct cv_err *err)
{
	cv_err_input(err, "%s \"%s\": not a prefix, IPv%u has a length of 0 to %u", word, text,
		     family, max);
	cv_hint_addr(err, text, true, NULL);
	return -EINVAL;
}

int cv_arg_prefix(const char *word, const char *text, struct cv_prefix *out, struct cv_err *err)
{
	const char *slash = strchrnul(text, '/');
	size_t len = slash - text;
	char addr[CV_PREFIX_TEXT], right[CV_PREFIX_TEXT];
	struct cv_prefix prefix = { 0 };
	uint32_t bits = 0, max;

	if (!strcmp(text, "default")) {
		*out = prefix;
		return 0;
	}
	/* What does not fit is no address; nor is the part of it that does. */
	*(char *)mempcpy(addr, text, len < sizeof(addr) ? len : sizeof(addr) - 1) = '\0';
	if (!take_addr(addr, &prefix.addr))
		return wrong_prefix(word, text, err);
	max = bits = prefix.addr.family == 4 ? 32 : 128;
	if (*slash && cv_arg_number(word, slash + 1, 0, max, &bits, NULL))
		return wrong_length(word, text, prefix.addr.family, max, err);
	prefix.bits = bits;
	if (clear_host_bits(&prefix)) {
		cv_err_input(err, "%s \"%s\": has host bits set", word, text);
		return cv_err_hint(err, "the network is %s", cv_prefix_format(&prefix, right));
	}
	if (check_mapped(word, text, &prefix, err))
		return -EINVAL;
	*out = prefix;
	return 0;
}

/* Calls one() with each part of a list with commas. */
static int each_part(const char *word, const char *text,
		     int (*one)(const char *word, const char *part, void *out, struct cv_err *err),
		     void *out, struct cv_err *err)
{
	CV_FREE char *copy = NULL;
	char *rest, *part;
	int rc = 0;

	if (!strchr(text, ','))
		return one(word, text, out, err);
	rest = copy = strdup(text);
	if (!copy)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", word);
	while (!rc && (part = strsep(&rest, ",")))
		rc = one(word, part, out, err);
	return rc;
}

static int add_prefix(const char *word, const char *part, void *out, struct cv_err *err)
{
	struct cv_prefixes *prefixes = out;
	struct cv_prefix prefix = { 0 };
	struct cv_prefix *grown;
	int rc = cv_arg_prefix(word, part, &prefix, err);

	if (rc)
		return rc;
	if (!prefix.addr.family) {
		cv_err_input(err, "%s \"%s\": not a prefix", word, part);
		return cv_err_hint(err, "0.0.0.0/0 is all of IPv4, ::/0 all of IPv6");
	}
	grown = reallocarray(prefixes->items, prefixes->count + 1, sizeof(*grown));
	if (!grown)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", word);
	prefixes->items = grown;
	grown[prefixes->count++] = prefix;
	return 0;
}

int cv_arg_prefixes(const char *word, const char *text, struct cv_prefixes *out, struct cv_err *err)
{
	return each_part(word, text, add_prefix, out, err);
}

static int add_addr(const char *word, const char *part, void *out, struct cv_err *err)
{
	struct cv_addrs *addrs = out;
	struct cv_addr addr = { 0 };
	struct cv_addr *grown;
	int rc = cv_arg_addr(word, part, &addr, err);

	if (rc)
		return rc;
	grown = reallocarray(addrs->items, addrs->count + 1, sizeof(*grown));
	if (!grown)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", word);
	addrs->items = grown;
	grown[addrs->count++] = addr;
	return 0;
}

int cv_arg_addrs(const char *word, const char *text, struct cv_addrs *out, struct cv_err *err)
{
	return each_part(word, text, add_addr, out, err);
}

/* A list of numbers while it is read. */
struct number_list {
	struct cv_numbers *out;
	uint32_t min, max;
};

static int add_number(const char *word, const char *part, void *arg, struct cv_err *err)
{
	struct number_list *list = arg;
	uint32_t number = 0;
	uint32_t *grown;
	int rc = cv_arg_number(word, part, list->min, list->max, &number, err);

	if (rc)
		return rc;
	grown = reallocarray(list->out->items, list->out->count + 1, sizeof(*grown));
	if (!grown)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", word);
	list->out->items = grown;
	grown[list->out->count++] = number;
	return 0;
}

int cv_arg_numbers(const char *word, const char *text, uint32_t min, uint32_t max,
		   struct cv_numbers *out, struct cv_err *err)
{
	struct number_list list = { .out = out, .min = min, .max = max };

	return each_part(word, text, add_number, &list, err);
}

int cv_arg_mac(const char *word, const char *text, struct cv_mac *out, struct cv_err *err)
{
	unsigned int b[6];
	int end = 0;

	if (strspn(text, "0123456789abcdefABCDEF:") != strlen(text) ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &end) != 6 ||
	    text[end]) {
		cv_err_input(err, "%s \"%s\": not an Ethernet address", word, text);
		return cv_err_hint(err, "as 02:00:5e:00:53:01");
	}
	if (b[0] & 1)
		return cv_err_input(err, "%s \"%s\": a group address, not that of one device", word,
				    text);
	out->is_given = true;
	for (size_t i = 0; i < sizeof(out->bytes); i++)
		out->bytes[i] = b[i];
	return 0;
}

int cv_arg_range(const char *word, const char *text, uint32_t max, struct cv_range *out,
		 struct cv_err *err)
{
	struct cv_range range = { 0 };
	const char *p = text;
	bool is_good = take_number(&p, 10, &range.min);

	range.max = range.min;
	if (is_good && *p == '-') {
		p++;
		is_good = take_number(&p, 10, &range.max);
	}
	if (!is_good || *p || range.max > max || range.min > max)
		return cv_err_input(err, "%s \"%s\": not a number or range from 0 to %u", word,
				    text, max);
	if (range.min > range.max) {
		cv_err_input(err, "%s \"%s\": the range is inverted", word, text);
		return cv_err_hint(err, "%u-%u", range.max, range.min);
	}
	*out = range;
	return 0;
}

/* A list of ranges while it is read. */
struct range_list {
	struct cv_ranges *out;
	uint32_t max;
};

static int add_range(const char *word, const char *part, void *arg, struct cv_err *err)
{
	struct range_list *list = arg;
	struct cv_range range = { 0 };
	struct cv_range *grown;
	int rc = cv_arg_range(word, part, list->max, &range, err);

	if (rc)
		return rc;
	grown = reallocarray(list->out->items, list->out->count + 1, sizeof(*grown));
	if (!grown)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", word);
	list->out->items = grown;
	grown[list->out->count++] = range;
	return 0;
}

int cv_arg_ranges(const char *word, const char *text, uint32_t max, struct cv_ranges *out,
		  struct cv_err *err)
{
	struct range_list list = { .out = out, .max = max };

	return each_part(word, text, add_range, &list, err);
}

int cv_arg_port_ranges(const char *word, const char *text, struct cv_ranges *out,
		       struct cv_err *err)
{
	return cv_arg_ranges(word, text, CV_MAX_PORT, out, err);
}

int cv_arg_mark(const char *word, const char *text, uint32_t *mark, uint32_t *mask, bool *has_mask,
		struct cv_err *err)
{
	const char *p = text;
	uint32_t m = UINT32_MAX;
	uint32_t value = 0;
	bool is_good = take_any_base(&p, &value);
	bool is_masked = is_good && *p == '/';

	if (is_masked) {
		p++;
		is_good = take_any_base(&p, &m);
	}
	if (!is_good || *p) {
		cv_err_input(err, "%s \"%s\": not a mark", word, text);
		return cv_err_hint(err, "as 0x10 or 0x10/0xff");
	}
	*mark = value;
	*mask = m;
	*has_mask = is_masked;
	return 0;
}

static const struct {
	const char *name;
	uint8_t number;
} protos[] = {
	{ "tcp", IPPROTO_TCP },		{ "udp", IPPROTO_UDP },	  { "icmp", IPPROTO_ICMP },
	{ "icmpv6", IPPROTO_ICMPV6 },	{ "sctp", IPPROTO_SCTP }, { "gre", IPPROTO_GRE },
	{ "ipip", IPPROTO_IPIP },	{ "ipv6", IPPROTO_IPV6 }, { "esp", IPPROTO_ESP },
	{ "ah", IPPROTO_AH },		{ "igmp", IPPROTO_IGMP }, { "dccp", IPPROTO_DCCP },
	{ "udplite", IPPROTO_UDPLITE },
};
#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

const char *cv_choice_proto(size_t index)
{
	return index < CV_COUNT(protos) ? protos[index].name : NULL;
}

int cv_arg_proto(const char *word, const char *text, uint8_t *out, struct cv_err *err)
{
	const char *names[CV_COUNT(protos)];
	const char *nearest;
	uint32_t number = 0;

	for (size_t i = 0; i < CV_COUNT(protos); i++) {
		names[i] = protos[i].name;
		if (!strcmp(text, protos[i].name)) {
			*out = protos[i].number;
			return 0;
		}
	}
	if (!cv_arg_number(word, text, 0, UINT8_MAX, &number, NULL)) {
		*out = number;
		return 0;
	}
	nearest = cv_nearest(text, names, CV_COUNT(names));
	cv_err_input(err, "%s \"%s\": unknown protocol", word, text);
	return nearest ? cv_err_hint(err, "did you mean \"%s\"?", nearest)
		       : cv_err_hint(err, "tcp, udp, icmp, icmpv6, ... or a number from 0 to 255");
}

static const struct {
	const char *name;
	uint8_t value;
} dscps[] = {
	{ "cs0", 0 },	{ "cs1", 8 },	{ "cs2", 16 },	{ "cs3", 24 },	{ "cs4", 32 },
	{ "cs5", 40 },	{ "cs6", 48 },	{ "cs7", 56 },	{ "af11", 10 }, { "af12", 12 },
	{ "af13", 14 }, { "af21", 18 }, { "af22", 20 }, { "af23", 22 }, { "af31", 26 },
	{ "af32", 28 }, { "af33", 30 }, { "af41", 34 }, { "af42", 36 }, { "af43", 38 },
	{ "ef", 46 },	{ "va", 44 },	{ "le", 1 },
};

const char *cv_choice_dscp(size_t index)
{
	return index < CV_COUNT(dscps) ? dscps[index].name : NULL;
}

int cv_arg_dscp(const char *word, const char *text, uint8_t *out, struct cv_err *err)
{
	uint32_t number = 0;

	for (size_t i = 0; isalpha((unsigned char)*text) && i < CV_COUNT(dscps); i++)
		if (!strcasecmp(text, dscps[i].name)) {
			*out = dscps[i].value;
			return 0;
		}
	if (cv_arg_number(word, text, 0, CV_MAX_DSCP, &number, NULL))
		return cv_err_input(err,
				    "%s \"%s\": not a DSCP (0 to 63, or cs0 to cs7, af11 to af43, "
				    "ef, va, le)",
				    word, text);
	*out = number;
	return 0;
}

/* By codepoint. */
static const char *const ecns[] = { "not-ect", "ect1", "ect0", "ce" };

const char *cv_choice_ecn(size_t index)
{
	return index < CV_COUNT(ecns) ? ecns[index] : NULL;
}

static int add_ecn(const char *word, const char *part, void *out, struct cv_err *err)
{
	size_t index;
	int rc = cv_arg_choice(word, part, ecns, CV_COUNT(ecns), &index, err);

	if (!rc)
		*(uint8_t *)out |= 1 << index;
	return rc;
}

int cv_arg_ecns(const char *word, const char *text, uint8_t *out, struct cv_err *err)
{
	uint8_t bits = 0;
	int rc = each_part(word, text, add_ecn, &bits, err);

	if (!rc)
		*out = bits;
	return rc;
}

/* By bit of byte 13 of the header. */
static const char *const tcp_flags[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr" };

/* Reads flags up to end (a character of text, or its end). False if there is anything else. */
static bool take_tcp_flags(const char *text, const char *end, uint8_t *out)
{
	char copy[64];
	char *rest = copy, *part;
	uint32_t number = 0;

	if ((size_t)(end - text) >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)(end - text), text);
	*out = !strcmp(copy, "all") ? UINT8_MAX : 0;
	if (*out || !strcmp(copy, "none"))
		return true;
	if (!cv_arg_number("", copy, 0, UINT8_MAX, &number, NULL)) {
		*out = number;
		return true;
	}
	while ((part = strsep(&rest, "+"))) {
		size_t bit = 0;

		while (bit < CV_COUNT(tcp_flags) && strcmp(part, tcp_flags[bit]) != 0)
			bit++;
		if (bit == CV_COUNT(tcp_flags))
			return false;
		*out |= 1 << bit;
	}
	return true;
}

int cv_arg_tcp_flag_set(const char *word, const char *text, uint8_t *out, struct cv_err *err)
{
	if (take_tcp_flags(text, strchr(text, '\0'), out))
		return 0;
	cv_err_input(err, "%s \"%s\": not flags of TCP", word, text);
	return cv_err_hint(err, "as syn+ack; the flags are fin, syn, rst, psh, ack, urg, ece, cwr");
}

int cv_arg_tcp_flags(const char *word, const char *text, uint8_t *flags, uint8_t *mask,
		     struct cv_err *err)
{
	const char *slash = strchr(text, '/');
	uint8_t set, asked;

	if (!slash || !take_tcp_flags(text, slash, &set) ||
	    !take_tcp_flags(slash + 1, strchr(text, '\0'), &asked)) {
		cv_err_input(err, "%s \"%s\": not SET/MASK", word, text);
		return cv_err_hint(err, "as syn/syn+ack or 0x02/0x12; the flags are fin, syn, rst, "
					"psh, ack, urg, ece, cwr");
	}
	if (set & ~asked) {
		cv_err_input(err, "%s \"%s\": flags are outside the mask, it would never match",
			     word, text);
		return cv_err_hint(err, "what stands before the '/' must stand behind it, too");
	}
	*flags = set;
	*mask = asked;
	return 0;
}

/* The first name of a number is the one that is written. */
static const struct {
	const char *name;
	uint16_t number;
} ethertypes[] = {
	{ "ip", 0x0800 },      { "ipv4", 0x0800 },  { "ipv6", 0x86dd },
	{ "arp", 0x0806 },     { "rarp", 0x8035 },  { "mpls", 0x8847 },
	{ "mpls-mc", 0x8848 }, { "pppoe", 0x8864 }, { "pppoe-discovery", 0x8863 },
	{ "lldp", 0x88cc },    { "eapol", 0x888e }, { "macsec", 0x88e5 },
	{ "ptp", 0x88f7 },     { "cfm", 0x8902 },
};

const char *cv_choice_ethertype(size_t index)
{
	return index < CV_COUNT(ethertypes) ? ethertypes[index].name : NULL;
}

int cv_arg_ethertype(const char *word, const char *text, uint16_t *out, struct cv_err *err)
{
	const char *names[CV_COUNT(ethertypes)];
	const char *nearest;
	uint32_t number = 0;

	for (size_t i = 0; i < CV_COUNT(ethertypes); i++) {
		names[i] = ethertypes[i].name;
		if (!strcmp(text, ethertypes[i].name)) {
			*out = ethertypes[i].number;
			return 0;
		}
	}
	if (!cv_arg_number(word, text, 0, UINT16_MAX, &number, NULL)) {
		*out = number;
		return 0;
	}
	nearest = cv_nearest(text, names, CV_COUNT(names));
	cv_err_input(err, "%s \"%s\": unknown ether type", word, text);
	return nearest ? cv_err_hint(err, "did you mean \"%s\"?", nearest)
		       : cv_err_hint(err, "arp, ip, ipv6, mpls, ... or a number from 0 to 0xffff");
}

#define CV_NO_TYPE 256

static const struct {
	const char *name;
	uint16_t type, type_v6; /* CV_NO_TYPE: that protocol has none of the name */
} icmp_types[] = {
	{ "echo-reply", 0, 129 },
	{ "destination-unreachable", 3, 1 },
	{ "packet-too-big", CV_NO_TYPE, 2 },
	{ "redirect", 5, 137 },
	{ "echo-request", 8, 128 },
	{ "router-advertisement", 9, 134 },
	{ "router-solicitation", 10, 133 },
	{ "time-exceeded", 11, 3 },
	{ "parameter-problem", 12, 4 },
	{ "timestamp-request", 13, CV_NO_TYPE },
	{ "timestamp-reply", 14, CV_NO_TYPE },
	{ "neighbor-solicitation", CV_NO_TYPE, 135 },
	{ "neighbor-advertisement", CV_NO_TYPE, 136 },
	{ "mld-query", CV_NO_TYPE, 130 },
	{ "mld-report", CV_NO_TYPE, 131 },
	{ "mld-done", CV_NO_TYPE, 132 },
	{ "mld2-report", CV_NO_TYPE, 143 },
};

const char *cv_choice_icmp_type(size_t index)
{
	return index < CV_COUNT(icmp_types) ? icmp_types[index].name : NULL;
}

static uint16_t type_in(size_t row, uint8_t proto)
{
	return proto == IPPROTO_ICMPV6 ? icmp_types[row].type_v6
	       : proto == IPPROTO_ICMP ? icmp_types[row].type
				       : CV_NO_TYPE;
}

int cv_arg_icmp_type(const char *word, const char *text, uint8_t *type, uint8_t *name,
		     struct cv_err *err)
{
	const char *names[CV_COUNT(icmp_types)];
	const char *nearest;
	uint32_t number = 0;

	for (size_t i = 0; i < CV_COUNT(icmp_types); i++) {
		names[i] = icmp_types[i].name;
		if (!strcmp(text, icmp_types[i].name)) {
			*name = i + 1;
			return 0;
		}
	}
	if (!cv_arg_number(word, text, 0, UINT8_MAX, &number, NULL)) {
		*type = number;
		*name = 0;
		return 0;
	}
	nearest = cv_nearest(text, names, CV_COUNT(names));
	cv_err_input(err, "%s \"%s\": unknown ICMP type", word, text);
	return nearest ? cv_err_hint(err, "did you mean \"%s\"?", nearest)
		       : cv_err_hint(err, "echo-request, destination-unreachable, ... or a number "
					  "from 0 to 255");
}

int cv_icmp_type(const char *word, uint8_t proto, uint8_t name, uint8_t *out, struct cv_err *err)
{
	uint16_t type = type_in(name - 1, proto);

	if (type == CV_NO_TYPE) {
		cv_err_input(err, "%s \"%s\": not a type of %s", word, icmp_types[name - 1].name,
			     proto == IPPROTO_ICMPV6 ? "ICMPv6" : "ICMP for IPv4");
		return cv_err_hint(err, "give proto %s",
				   proto == IPPROTO_ICMPV6 ? "icmp" : "icmpv6");
	}
	*out = type;
	return 0;
}

int cv_arg_priority(const char *word, const char *text, uint32_t *out, struct cv_err *err)
{
	uint32_t major, minor;
	const char *p = text;

	if (!take_number(&p, 16, &major) || *p++ != ':' || !take_number(&p, 16, &minor) || *p ||
	    major > UINT16_MAX || minor > UINT16_MAX) {
		cv_err_input(err, "%s \"%s\": not a class", word, text);
		return cv_err_hint(
			err, "MAJOR:MINOR in hexadecimal as tc has it, for instance \"1:30\"");
	}
	*out = major << 16 | minor;
	return 0;
}

int cv_arg_bool(const char *word, const char *text, bool *out, struct cv_err *err)
{
	static const char *const choices[] = { "false", "true", "off", "on", "no", "yes" };
	size_t index;
	int rc = cv_arg_choice(word, text, choices, CV_COUNT(choices), &index, err);

	if (!rc)
		*out = index & 1;
	return rc;
}

int cv_arg_flag(const char *word, const char *text, bool *out, struct cv_err *err)
{
	if (text)
		return cv_arg_bool(word, text, out, err);
	*out = true;
	return 0;
}

int cv_arg_choice(const char *word, const char *text, const char *const *choices, size_t count,
		  size_t *out, struct cv_err *err)
{
	const char *nearest;
	char list[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		if (!strcmp(text, choices[i])) {
			*out = i;
			return 0;
		}
	for (size_t i = 0; i < count && used < sizeof(list); i++)
		used += snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
				 choices[i]);
	cv_err_input(err, "%s \"%s\": not one of %s", word, text, list);
	nearest = cv_nearest(text, choices, count);
	return nearest ? cv_err_hint(err, "did you mean \"%s\"?", nearest) : -EINVAL;
}

static void put_digits(FILE *out, uint32_t number, unsigned int base)
{
	char text[16];
	char *at = text + sizeof(text);

	do
		*--at = "0123456789abcdef"[number % base];
	while (number /= base);
	fwrite_unlocked(at, 1, text + sizeof(text) - at, out);
}

void cv_put_number(FILE *out, uint32_t number)
{
	put_digits(out, number, 10);
}

static void put_hex(FILE *out, uint32_t number)
{
	fputs_unlocked("0x", out);
	put_digits(out, number, 16);
}

void cv_put_addr(FILE *out, const struct cv_addr *addr)
{
	char text[CV_PREFIX_TEXT];

	fputs(cv_addr_format(addr, text), out);
}

void cv_put_addrs(FILE *out, const struct cv_addrs *addrs)
{
	char text[CV_PREFIX_TEXT];

	for (size_t i = 0; i < addrs->count; i++) {
		if (i)
			putc_unlocked(',', out);
		fputs_unlocked(cv_addr_format(&addrs->items[i], text), out);
	}
}

void cv_put_numbers(FILE *out, const struct cv_numbers *numbers)
{
	for (size_t i = 0; i < numbers->count; i++) {
		if (i)
			putc_unlocked(',', out);
		cv_put_number(out, numbers->items[i]);
	}
}

void cv_put_mac(FILE *out, const struct cv_mac *mac)
{
	char text[CV_PREFIX_TEXT];

	fputs(cv_mac_format(mac, text), out);
}

void cv_put_prefixes(FILE *out, const struct cv_prefixes *prefixes)
{
	char text[CV_PREFIX_TEXT];

	for (size_t i = 0; i < prefixes->count; i++) {
		if (i)
			putc_unlocked(',', out);
		fputs_unlocked(cv_prefix_format(&prefixes->items[i], text), out);
	}
}

void cv_put_range(FILE *out, const struct cv_range *range)
{
	cv_put_number(out, range->min);
	if (range->max == range->min)
		return;
	putc_unlocked('-', out);
	cv_put_number(out, range->max);
}

void cv_put_ranges(FILE *out, const struct cv_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++) {
		if (i)
			fputc(',', out);
		cv_put_range(out, &ranges->items[i]);
	}
}

void cv_put_proto(FILE *out, uint8_t proto)
{
	for (size_t i = 0; i < CV_COUNT(protos); i++)
		if (protos[i].number == proto) {
			fputs(protos[i].name, out);
			return;
		}
	fprintf(out, "%u", proto);
}

void cv_put_ecns(FILE *out, uint8_t bits)
{
	const char *comma = "";

	for (size_t i = 0; i < CV_COUNT(ecns); i++) {
		if (!(bits >> i & 1))
			continue;
		fprintf(out, "%s%s", comma, ecns[i]);
		comma = ",";
	}
}

static void put_tcp_flags(FILE *out, uint8_t flags)
{
	const char *plus = "";

	if (!flags || flags == UINT8_MAX) {
		fputs(flags ? "all" : "none", out);
		return;
	}
	for (size_t i = 0; i < CV_COUNT(tcp_flags); i++) {
		if (!(flags >> i & 1))
			continue;
		fprintf(out, "%s%s", plus, tcp_flags[i]);
		plus = "+";
	}
}

void cv_put_tcp_flags(FILE *out, uint8_t flags, uint8_t mask)
{
	put_tcp_flags(out, flags);
	fputc('/', out);
	put_tcp_flags(out, mask);
}

void cv_put_ethertype(FILE *out, uint16_t ethertype)
{
	for (size_t i = 0; i < CV_COUNT(ethertypes); i++)
		if (ethertypes[i].number == ethertype) {
			fputs(ethertypes[i].name, out);
			return;
		}
	fprintf(out, "0x%04x", ethertype);
}

void cv_put_icmp_type(FILE *out, uint8_t proto, uint8_t type)
{
	for (size_t i = 0; i < CV_COUNT(icmp_types); i++)
		if (type_in(i, proto) == type) {
			fputs(icmp_types[i].name, out);
			return;
		}
	fprintf(out, "%u", type);
}

void cv_put_mark(FILE *out, uint32_t mark, bool has_mask, uint32_t mask)
{
	put_hex(out, mark);
	if (!has_mask)
		return;
	putc_unlocked('/', out);
	put_hex(out, mask);
}
