/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of args.c: for every kind of value what is taken, at its boundaries too, and the whole
 * message for what is not; formatters write what the parsers read.
 */
#include "args.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

#define NAME_31 "a234567890123456789012345678901"
#define IFNAME_15 "eth456789012345"

/* ---- how a parser is tried ---- */

/* Parses and writes the value to stream. */
typedef int (*try_fn)(const char *text, FILE *stream, struct cv_err *err);

/* Either the value, or the message and the hint. */
struct value_case {
	const char *text, *value, *message, *hint;
};

/* The value as text, or NULL with err filled. Caller frees. */
static char *try_one(try_fn try, const char *text, struct cv_err *err)
{
	CV_FREE char *value = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;
	int rc;

	stream = open_memstream(&value, &size);
	assert_non_null(stream);
	rc = try(text, stream, err);
	assert_int_equal(cv_finish_file(&stream), 0);
	assert_true(rc == 0 || rc == -EINVAL);
	return rc ? NULL : CV_TAKE_PTR(value);
}

static void run_case(try_fn try, const struct value_case *one)
{
	struct cv_err err = { .text = "no text", .hint = "no hint" };
	CV_FREE char *value = try_one(try, one->text, &err);
	CV_FREE char *value_without_err = try_one(try, one->text, NULL);

	if (!value != !one->value)
		print_error("text \"%s\": %s\n", one->text, value ? value : err.text);
	assert_int_equal(!value, !one->value);
	assert_int_equal(!value_without_err, !one->value);
	if (value) {
		assert_string_equal(value, one->value);
		assert_string_equal(value_without_err, one->value);
		return;
	}
	assert_string_equal(err.text, one->message);
	assert_string_equal(err.hint, one->hint ? one->hint : "");
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_int_equal(err.code, -EINVAL);
	assert_int_equal(err.place.line, 0);
}

static void run_cases(try_fn try, const struct value_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		run_case(try, &cases[i]);
}

#define GOOD(text_, value_)                                                                        \
	{                                                                                          \
		.text = (text_), .value = (value_)                                                 \
	}
#define BAD(text_, ...)                                                                            \
	{                                                                                          \
		.text = (text_), .message = __VA_ARGS__                                            \
	}

/* ---- numbers ---- */

static int try_ttl(const char *text, FILE *stream, struct cv_err *err)
{
	uint32_t value;
	int rc = cv_arg_number("ttl", text, 1, 255, &value, err);

	if (!rc)
		fprintf(stream, "%u", value);
	return rc;
}

static int try_key(const char *text, FILE *stream, struct cv_err *err)
{
	uint32_t value;
	int rc = cv_arg_number("key", text, 0, UINT32_MAX, &value, err);

	if (!rc)
		fprintf(stream, "%u", value);
	return rc;
}

#define NO_TTL(text) BAD(text, "ttl \"" text "\": not a number from 1 to 255", NULL)
#define NO_KEY(text) BAD(text, "key \"" text "\": not a number from 0 to 4294967295", NULL)

static void numbers_are_decimal_or_hexadecimal_in_their_range(void **state)
{
	static const struct value_case ttls[] = {
		GOOD("1", "1"),
		GOOD("64", "64"),
		GOOD("255", "255"),
		GOOD("0x1", "1"),
		GOOD("0xff", "255"),
		GOOD("0XfF", "255"),
		GOOD("010", "10"), /* a leading zero is not octal */
		GOOD("000000000000000000000000000000255", "255"),
		NO_TTL("0"),
		NO_TTL("256"),
		NO_TTL("0x100"),
		NO_TTL(""),
		NO_TTL(" 1"),
		NO_TTL("1 "),
		NO_TTL("+1"),
		NO_TTL("-1"),
		NO_TTL("1.0"),
		NO_TTL("1e1"),
		NO_TTL("0x"),
		NO_TTL("0xg"),
		NO_TTL("0x-1"),
		NO_TTL("x1"),
		NO_TTL("ff"),
		NO_TTL("inherit"),
		NO_TTL("1,2"),
		NO_TTL("18446744073709551617"), /* 1 if cut to 64 bits */
		NO_TTL("4294967297"), /* 1 if cut to 32 bits */
	};
	static const struct value_case keys[] = {
		GOOD("0", "0"),
		GOOD("0x0", "0"),
		GOOD("4294967295", "4294967295"),
		GOOD("0xffffffff", "4294967295"),
		NO_KEY("4294967296"),
		NO_KEY("0x100000000"),
		NO_KEY("99999999999999999999"),
		NO_KEY("-0"),
	};

	(void)state;
	run_cases(try_ttl, ttls, CV_COUNT(ttls));
	run_cases(try_key, keys, CV_COUNT(keys));
}

/* ---- names ---- */

static int try_name(const char *text, FILE *stream, struct cv_err *err)
{
	char name[CV_NAME_MAX + 1];
	int rc = cv_arg_name("tunnel", text, name, err);

	if (!rc)
		fputs(name, stream);
	return rc;
}

static int try_ifname(const char *text, FILE *stream, struct cv_err *err)
{
	char name[CV_IFNAME_MAX + 1];
	int rc = cv_arg_ifname("dev", text, name, err);

	if (!rc)
		fputs(name, stream);
	return rc;
}

#define NO_NAME(text)                                                                                 \
	BAD(text,                                                                                     \
	    "tunnel \"" text                                                                          \
	    "\": not a name (1 to 31 letters, digits, '-' or '_', beginning with a letter or digit)", \
	    NULL)

static void names_are_letters_digits_and_dashes(void **state)
{
	static const struct value_case cases[] = {
		GOOD("a", "a"),	      GOOD("0", "0"),	    GOOD("backup-low_2", "backup-low_2"),
		GOOD("Z-", "Z-"),     GOOD("null", "null"), GOOD(NAME_31, NAME_31),
		NO_NAME(NAME_31 "2"), NO_NAME(""),	    NO_NAME("-a"),
		NO_NAME("_a"),	      NO_NAME("a b"),	    NO_NAME("a.b"),
		NO_NAME("a/b"),	      NO_NAME("a\n"),	    NO_NAME("\xc3\xa4"),
	};

	(void)state;
	run_cases(try_name, cases, CV_COUNT(cases));
}

#define NO_IFNAME(text)                                                                            \
	BAD(text,                                                                                  \
	    "dev \"" text "\": not a device name (1 to 15 characters, no '/', ':' or blank)",      \
	    NULL)

static void device_names_are_the_kernels(void **state)
{
	static const struct value_case cases[] = {
		GOOD("lo", "lo"),
		GOOD("eth0.100", "eth0.100"),
		GOOD("br-1a2b", "br-1a2b"),
		GOOD("...", "..."),
		GOOD("a@b", "a@b"),
		GOOD(IFNAME_15, IFNAME_15),
		NO_IFNAME(IFNAME_15 "6"),
		NO_IFNAME(""),
		NO_IFNAME("eth\xff"),
		NO_IFNAME("."),
		NO_IFNAME(".."),
		NO_IFNAME("a/b"),
		NO_IFNAME("eth0:1"),
		NO_IFNAME("a b"),
		NO_IFNAME("a\tb"),
		NO_IFNAME("a\n"),
	};

	(void)state;
	run_cases(try_ifname, cases, CV_COUNT(cases));
}

/* ---- addresses ---- */

static int try_addr(const char *text, FILE *stream, struct cv_err *err)
{
	struct cv_addr addr;
	int rc = cv_arg_addr("local", text, &addr, err);

	if (rc)
		return rc;
	for (int i = addr.family == 4 ? 4 : 16; i < 16; i++)
		assert_int_equal(addr.bytes[i], 0);
	cv_put_addr(stream, &addr);
	fprintf(stream, " of IPv%u", addr.family);
	return 0;
}

#define NO_ADDR(text) BAD(text, "local \"" text "\": not an IPv4 or IPv6 address", NULL)

static void addresses_are_of_either_family(void **state)
{
	static const struct value_case cases[] = {
		GOOD("192.0.2.1", "192.0.2.1 of IPv4"),
		GOOD("0.0.0.0", "0.0.0.0 of IPv4"),
		GOOD("255.255.255.255", "255.255.255.255 of IPv4"),
		GOOD("::", ":: of IPv6"),
		GOOD("2001:DB8:0::1", "2001:db8::1 of IPv6"),
		NO_ADDR(""),
		NO_ADDR("192.0.2"),
		NO_ADDR("192.0.2.256"),
		NO_ADDR("192.0.2.1.1"),
		NO_ADDR(" 192.0.2.1"),
		NO_ADDR("192.0.2.1 "),
		NO_ADDR(":::"),
		NO_ADDR("any"),
		NO_ADDR("example.org"),
	};

	(void)state;
	run_cases(try_addr, cases, CV_COUNT(cases));
}

static int try_prefix(const char *text, FILE *stream, struct cv_err *err)
{
	char buf[CV_PREFIX_TEXT];
	struct cv_prefix prefix;
	int rc = cv_arg_prefix("route", text, &prefix, err);

	if (!rc)
		fprintf(stream, "%s of %u", cv_prefix_format(&prefix, buf), prefix.addr.family);
	return rc;
}

#define NO_PREFIX(text)                                                                            \
	BAD(text, "route \"" text "\": not a prefix", "as 10.9.0.0/16 or 2001:db8::/32")
#define NO_LENGTH(text, family, max)                                                               \
	BAD(text, "route \"" text "\": not a prefix, IPv" family " has a length of 0 to " max, NULL)
#define HOST_BITS(text, network)                                                                   \
	BAD(text, "route \"" text "\": has host bits set", "the network is " network)

static void prefixes_have_no_host_bits(void **state)
{
	static const struct value_case cases[] = {
		GOOD("default", "default of 0"),
		GOOD("0.0.0.0/0", "0.0.0.0/0 of 4"),
		GOOD("::/0", "::/0 of 6"),
		GOOD("10.9.0.0/16", "10.9.0.0/16 of 4"),
		GOOD("10.9.0.1", "10.9.0.1/32 of 4"),
		GOOD("10.9.0.1/32", "10.9.0.1/32 of 4"),
		GOOD("10.9.0.0/31", "10.9.0.0/31 of 4"),
		GOOD("128.0.0.0/1", "128.0.0.0/1 of 4"),
		GOOD("2001:db8::/32", "2001:db8::/32 of 6"),
		GOOD("2001:db8::1", "2001:db8::1/128 of 6"),
		GOOD("2001:db8::2/127", "2001:db8::2/127 of 6"),
		NO_PREFIX(""),
		NO_PREFIX("/16"),
		BAD("10.9/16", "route \"10.9/16\": not a prefix",
		    "all four numbers, without leading zeros: 10.9.0.0/16"),
		NO_PREFIX("any"),
		NO_PREFIX("Default"),
		NO_PREFIX("default/0"),
		NO_PREFIX("10.9.0.0 /16"),
		NO_LENGTH("10.9.0.0/33", "4", "32"),
		NO_LENGTH("10.9.0.0/", "4", "32"),
		NO_LENGTH("10.9.0.0/-1", "4", "32"),
		NO_LENGTH("10.9.0.0/16/16", "4", "32"),
		NO_LENGTH("::/129", "6", "128"),
		NO_LENGTH("::/x", "6", "128"),
		HOST_BITS("10.9.1.0/16", "10.9.0.0/16"),
		HOST_BITS("10.9.0.1/31", "10.9.0.0/31"),
		HOST_BITS("10.0.0.0/0", "0.0.0.0/0"),
		HOST_BITS("192.0.2.255/25", "192.0.2.128/25"),
		HOST_BITS("2001:db8::1/127", "2001:db8::/127"),
		HOST_BITS("8000::/0", "::/0"),
		HOST_BITS("2001:db8:8000::/32", "2001:db8::/32"),
	};

	(void)state;
	run_cases(try_prefix, cases, CV_COUNT(cases));
}

/* At every length the one bit behind the prefix is refused, and the last bit inside is not. */
static void host_bits_are_found_at_every_length(void **state)
{
	(void)state;
	for (unsigned int max = 32; max <= 128; max += 96)
		for (unsigned int bits = 1; bits < max; bits++)
			for (unsigned int bit = bits - 1; bit <= bits; bit++) {
				struct cv_prefix wanted = { .addr.family = max == 32 ? 4 : 6,
							    .bits = bits };
				char text[CV_PREFIX_TEXT];
				struct cv_prefix prefix;

				wanted.addr.bytes[bit / 8] = 0x80 >> bit % 8;
				cv_prefix_format(&wanted, text);
				assert_int_equal(cv_arg_prefix("to", text, &prefix, NULL),
						 bit < bits ? 0 : -EINVAL);
			}
}

static int try_prefixes(const char *text, FILE *stream, struct cv_err *err)
{
	struct cv_prefixes prefixes = { 0 };
	int rc = cv_arg_prefixes("src", text, &prefixes, err);

	if (!rc)
		cv_put_prefixes(stream, &prefixes);
	free(prefixes.items);
	return rc;
}

#define NO_SRC(text, part)                                                                         \
	BAD(text, "src \"" part "\": not a prefix", "as 10.9.0.0/16 or 2001:db8::/32")

static void prefixes_come_in_lists(void **state)
{
	static const struct value_case cases[] = {
		GOOD("10.9.0.0/16", "10.9.0.0/16"),
		GOOD("10.9.0.0/16,10.8.0.0/16", "10.9.0.0/16,10.8.0.0/16"),
		GOOD("::/0,10.9.0.1,0.0.0.0/0", "::/0,10.9.0.1/32,0.0.0.0/0"),
		GOOD("10.0.0.0/8,10.0.0.0/8", "10.0.0.0/8,10.0.0.0/8"),
		NO_SRC("", ""),
		NO_SRC(",", ""),
		NO_SRC("10.9.0.0/16,", ""),
		NO_SRC(",10.9.0.0/16", ""),
		NO_SRC("10.9.0.0/16,,10.8.0.0/16", ""),
		NO_SRC("10.9.0.0/16, 10.8.0.0/16", " 10.8.0.0/16"),
		NO_SRC("10.9.0.0/16,x", "x"),
		BAD("10.9.0.0/16,10.8.0.1/16", "src \"10.8.0.1/16\": has host bits set",
		    "the network is 10.8.0.0/16"),
		BAD("default", "src \"default\": not a prefix",
		    "0.0.0.0/0 is all of IPv4, ::/0 all of IPv6"),
		BAD("10.9.0.0/16,default", "src \"default\": not a prefix",
		    "0.0.0.0/0 is all of IPv4, ::/0 all of IPv6"),
	};

	(void)state;
	run_cases(try_prefixes, cases, CV_COUNT(cases));
}

/* ---- ranges ---- */

static int try_range(const char *text, FILE *stream, struct cv_err *err)
{
	struct cv_range range;
	int rc = cv_arg_range("uid", text, UINT32_MAX - 1, &range, err);

	if (!rc)
		cv_put_range(stream, &range);
	return rc;
}

#define NO_RANGE(text)                                                                             \
	BAD(text, "uid \"" text "\": not a number or range from 0 to 4294967294", NULL)

static void ranges_go_upwards(void **state)
{
	static const struct value_case cases[] = {
		GOOD("0", "0"),
		GOOD("1000-1999", "1000-1999"),
		GOOD("7-7", "7"),
		GOOD("0-4294967294", "0-4294967294"),
		GOOD("4294967294", "4294967294"),
		GOOD("007", "7"),
		NO_RANGE("4294967295"),
		NO_RANGE("0-4294967295"),
		NO_RANGE("4294967296"),
		NO_RANGE(""),
		NO_RANGE("-"),
		NO_RANGE("-5"),
		NO_RANGE("5-"),
		NO_RANGE("1-2-3"),
		NO_RANGE("1 -2"),
		NO_RANGE("1--2"),
		NO_RANGE("root"),
		NO_RANGE("0x10"),
		BAD("2-1", "uid \"2-1\": the range is inverted", "1-2"),
		BAD("4294967294-0", "uid \"4294967294-0\": the range is inverted", "0-4294967294"),
	};

	(void)state;
	run_cases(try_range, cases, CV_COUNT(cases));
}

static int try_ports(const char *text, FILE *stream, struct cv_err *err)
{
	struct cv_ranges ranges = { 0 };
	int rc = cv_arg_port_ranges("dport", text, &ranges, err);

	if (!rc)
		cv_put_ranges(stream, &ranges);
	free(ranges.items);
	return rc;
}

#define NO_PORT(text, part)                                                                        \
	BAD(text, "dport \"" part "\": not a number or range from 0 to 65535", NULL)

static void ports_come_in_lists(void **state)
{
	static const struct value_case cases[] = {
		GOOD("0", "0"),
		GOOD("65535", "65535"),
		GOOD("0-65535", "0-65535"),
		GOOD("80,443,8000-8080", "80,443,8000-8080"),
		GOOD("80,80-80", "80,80"),
		NO_PORT("", ""),
		NO_PORT("65536", "65536"),
		NO_PORT("80-65536", "80-65536"),
		NO_PORT("80,", ""),
		NO_PORT("80,,81", ""),
		NO_PORT("80, 81", " 81"),
		NO_PORT("80,http", "http"),
		BAD("1,443-80", "dport \"443-80\": the range is inverted", "80-443"),
	};

	(void)state;
	run_cases(try_ports, cases, CV_COUNT(cases));
}

/* ---- marks ---- */

static int try_mark(const char *text, FILE *stream, struct cv_err *err)
{
	uint32_t mark, mask;
	bool has_mask;
	int rc = cv_arg_mark("mark", text, &mark, &mask, &has_mask, err);

	if (!rc)
		fprintf(stream, "0x%x/0x%x %s", mark, mask, has_mask ? "masked" : "whole");
	return rc;
}

#define NO_MARK(text) BAD(text, "mark \"" text "\": not a mark", "as 0x10 or 0x10/0xff")

static void marks_may_have_a_mask(void **state)
{
	static const struct value_case cases[] = {
		GOOD("0", "0x0/0xffffffff whole"),
		GOOD("16", "0x10/0xffffffff whole"),
		GOOD("0x10", "0x10/0xffffffff whole"),
		GOOD("0xffffffff", "0xffffffff/0xffffffff whole"),
		GOOD("4294967295", "0xffffffff/0xffffffff whole"),
		GOOD("0x10/0xff", "0x10/0xff masked"),
		GOOD("16/255", "0x10/0xff masked"),
		GOOD("0x1/0xffffffff", "0x1/0xffffffff masked"),
		GOOD("0/0", "0x0/0x0 masked"),
		GOOD("0x100/0xff", "0x100/0xff masked"), /* check.c's affair */
		NO_MARK(""),
		NO_MARK("/"),
		NO_MARK("0x10/"),
		NO_MARK("/0xff"),
		NO_MARK("0x10/0xff/0xff"),
		NO_MARK("0x100000000"),
		NO_MARK("0x10/0x100000000"),
		NO_MARK("-1"),
		NO_MARK("ff"),
		NO_MARK("0x10 "),
		NO_MARK("0x10:0xff"),
	};

	(void)state;
	run_cases(try_mark, cases, CV_COUNT(cases));
}

/* ---- protocols ---- */

static int try_proto(const char *text, FILE *stream, struct cv_err *err)
{
	uint8_t proto;
	int rc = cv_arg_proto("proto", text, &proto, err);

	if (!rc)
		fprintf(stream, "%u", proto);
	return rc;
}

#define SOME_PROTOS "tcp, udp, icmp, icmpv6, ... or a number from 0 to 255"

static void protocols_have_a_name_or_a_number(void **state)
{
	static const struct value_case cases[] = {
		GOOD("tcp", "6"),
		GOOD("udp", "17"),
		GOOD("icmp", "1"),
		GOOD("icmpv6", "58"),
		GOOD("sctp", "132"),
		GOOD("gre", "47"),
		GOOD("ipip", "4"),
		GOOD("ipv6", "41"),
		GOOD("esp", "50"),
		GOOD("ah", "51"),
		GOOD("igmp", "2"),
		GOOD("dccp", "33"),
		GOOD("udplite", "136"),
		GOOD("0", "0"),
		GOOD("255", "255"),
		GOOD("0x11", "17"),
		BAD("256", "proto \"256\": unknown protocol", SOME_PROTOS),
		BAD("", "proto \"\": unknown protocol", SOME_PROTOS),
		BAD("quic-like", "proto \"quic-like\": unknown protocol", SOME_PROTOS),
		BAD("tpc", "proto \"tpc\": unknown protocol", "did you mean \"tcp\"?"),
		BAD("TCP", "proto \"TCP\": unknown protocol", SOME_PROTOS),
		BAD("icmp6", "proto \"icmp6\": unknown protocol", "did you mean \"icmp\"?"),
	};

	(void)state;
	run_cases(try_proto, cases, CV_COUNT(cases));
}

static void every_protocol_reads_back(void **state)
{
	unsigned int named = 0;

	(void)state;
	for (unsigned int proto = 0; proto <= UINT8_MAX; proto++) {
		CV_FREE char *text = NULL;
		size_t size = 0;
		FILE *stream = open_memstream(&text, &size);
		uint8_t read;

		assert_non_null(stream);
		cv_put_proto(stream, proto);
		fclose(stream);
		assert_int_equal(cv_arg_proto("proto", text, &read, NULL), 0);
		assert_int_equal(read, proto);
		named += text[0] > '9';
	}
	assert_int_equal(named, 13);
}

/* ---- DSCP ---- */

static int try_dscp(const char *text, FILE *stream, struct cv_err *err)
{
	uint8_t dscp;
	int rc = cv_arg_dscp("dscp", text, &dscp, err);

	if (!rc)
		fprintf(stream, "%u", dscp);
	return rc;
}

#define NO_DSCP(text)                                                                              \
	BAD(text,                                                                                  \
	    "dscp \"" text "\": not a DSCP (0 to 63, or cs0 to cs7, af11 to af43, ef, va, le)",    \
	    NULL)

static void dscps_have_a_name_or_a_number(void **state)
{
	static const struct value_case cases[] = {
		GOOD("0", "0"),	    GOOD("63", "63"), GOOD("0x2e", "46"), GOOD("ef", "46"),
		GOOD("EF", "46"),   GOOD("va", "44"), GOOD("le", "1"),	  NO_DSCP("64"),
		NO_DSCP(""),	    NO_DSCP("-1"),    NO_DSCP("cs8"),	  NO_DSCP("af44"),
		NO_DSCP("af14"),    NO_DSCP("af01"),  NO_DSCP("af51"),	  NO_DSCP("ef "),
		NO_DSCP("inherit"),
	};

	(void)state;
	run_cases(try_dscp, cases, CV_COUNT(cases));
}

/* RFC 2474: CSx is 8x. RFC 2597: AFxy is 8x + 2y. */
static void dscp_classes_are_those_of_the_rfcs(void **state)
{
	uint8_t dscp;
	char text[8];

	(void)state;
	for (int class = 0; class < 8; class ++) {
		snprintf(text, sizeof(text), "cs%d", class);
		assert_int_equal(cv_arg_dscp("dscp", text, &dscp, NULL), 0);
		assert_int_equal(dscp, 8 * class);
		for (int drop = 1; class >= 1 && class <= 4 && drop <= 3; drop++) {
			snprintf(text, sizeof(text), "af%d%d", class, drop);
			assert_int_equal(cv_arg_dscp("dscp", text, &dscp, NULL), 0);
			assert_int_equal(dscp, 8 * class + 2 * drop);
		}
	}
}

/* ---- priority ---- */

static int try_priority(const char *text, FILE *stream, struct cv_err *err)
{
	uint32_t priority;
	int rc = cv_arg_priority("priority", text, &priority, err);

	if (!rc)
		fprintf(stream, "0x%x", priority);
	return rc;
}

#define NO_CLASS(text)                                                                             \
	BAD(text, "priority \"" text "\": not a class",                                            \
	    "MAJOR:MINOR in hexadecimal as tc has it, for instance \"1:30\"")

static void priorities_are_classes_as_in_tc(void **state)
{
	static const struct value_case cases[] = {
		GOOD("1:30", "0x10030"),
		GOOD("0:0", "0x0"),
		GOOD("ffff:ffff", "0xffffffff"),
		GOOD("FFFF:a", "0xffff000a"),
		GOOD("0:1", "0x1"),
		NO_CLASS("10000:0"),
		NO_CLASS("0:10000"),
		NO_CLASS("1:"),
		NO_CLASS(":1"),
		NO_CLASS(":"),
		NO_CLASS(""),
		NO_CLASS("1"),
		NO_CLASS("1:2:3"),
		NO_CLASS("1:g"),
		NO_CLASS("1: 2"),
		NO_CLASS(" 1:2"),
		NO_CLASS("1:-2"),
		NO_CLASS("1.2"),
	};

	(void)state;
	run_cases(try_priority, cases, CV_COUNT(cases));
}

/* ---- choices ---- */

static int try_bool(const char *text, FILE *stream, struct cv_err *err)
{
	bool value;
	int rc = cv_arg_bool("ecn", text, &value, err);

	if (!rc)
		fputs(value ? "yes" : "no", stream);
	return rc;
}

#define NO_BOOL(text, hint)                                                                        \
	BAD(text, "ecn \"" text "\": not one of false, true, off, on, no, yes", hint)

static void bools_are_three_pairs_of_words(void **state)
{
	static const struct value_case cases[] = {
		GOOD("false", "no"),
		GOOD("true", "yes"),
		GOOD("off", "no"),
		GOOD("on", "yes"),
		GOOD("no", "no"),
		GOOD("yes", "yes"),
		NO_BOOL("", NULL),
		NO_BOOL("1", NULL),
		NO_BOOL("0", NULL),
		NO_BOOL("TRUE", NULL),
		NO_BOOL("ture", "did you mean \"true\"?"),
		NO_BOOL("yes ", "did you mean \"yes\"?"),
		NO_BOOL("maybe not", NULL),
	};

	(void)state;
	run_cases(try_bool, cases, CV_COUNT(cases));
}

static int try_mode(const char *text, FILE *stream, struct cv_err *err)
{
	static const char *const modes[] = { "ipip", "gre", "vxlan" };
	size_t index;
	int rc = cv_arg_choice("mode", text, modes, CV_COUNT(modes), &index, err);

	if (!rc)
		fprintf(stream, "%zu", index);
	return rc;
}

static void choices_are_exact(void **state)
{
	static const struct value_case cases[] = {
		GOOD("ipip", "0"),
		GOOD("gre", "1"),
		GOOD("vxlan", "2"),
		BAD("gr", "mode \"gr\": not one of ipip, gre, vxlan", "did you mean \"gre\"?"),
		BAD("vxaln", "mode \"vxaln\": not one of ipip, gre, vxlan",
		    "did you mean \"vxlan\"?"),
		BAD("GRE", "mode \"GRE\": not one of ipip, gre, vxlan", NULL),
		BAD("", "mode \"\": not one of ipip, gre, vxlan", NULL),
		BAD("geneve", "mode \"geneve\": not one of ipip, gre, vxlan", NULL),
	};

	(void)state;
	run_cases(try_mode, cases, CV_COUNT(cases));
}

/* ---- ECN, TCP flags, ether types, ICMP types ---- */

static int try_ecns(const char *text, FILE *stream, struct cv_err *err)
{
	uint8_t bits;
	int rc = cv_arg_ecns("ecn", text, &bits, err);

	if (!rc)
		cv_put_ecns(stream, bits);
	return rc;
}

#define NO_ECN(text, part) BAD(text, "ecn \"" part "\": not one of not-ect, ect1, ect0, ce", NULL)

/* RFC 3168: 00 not-ect, 01 ect1, 10 ect0, 11 ce. */
static void ecn_codepoints_are_bits(void **state)
{
	static const struct value_case cases[] = {
		GOOD("not-ect", "not-ect"), GOOD("ce,ect0,ect1", "ect1,ect0,ce"),
		GOOD("ce,ce", "ce"),	    NO_ECN("", ""),
		NO_ECN("CE", "CE"),	    NO_ECN("3", "3"),
		NO_ECN("ce,", ""),
	};
	uint8_t bits;

	(void)state;
	run_cases(try_ecns, cases, CV_COUNT(cases));
	assert_int_equal(cv_arg_ecns("ecn", "ect0", &bits, NULL), 0);
	assert_int_equal(bits, 1 << 2);
	assert_int_equal(cv_arg_ecns("ecn", "ect1,ce", &bits, NULL), 0);
	assert_int_equal(bits, 1 << 1 | 1 << 3);
}

static int try_tcp_flags(const char *text, FILE *stream, struct cv_err *err)
{
	uint8_t flags, mask;
	int rc = cv_arg_tcp_flags("tcp-flags", text, &flags, &mask, err);

	if (!rc)
		cv_put_tcp_flags(stream, flags, mask);
	return rc;
}

#define NO_FLAGS(text)                                                                             \
	BAD(text, "tcp-flags \"" text "\": not SET/MASK",                                          \
	    "as syn/syn+ack or 0x02/0x12; the flags are fin, syn, rst, psh, ack, urg, ece, cwr")
#define OUTSIDE(text)                                                                              \
	BAD(text, "tcp-flags \"" text "\": flags are outside the mask, it would never match",      \
	    "what stands before the '/' must stand behind it, too")

static void tcp_flags_have_a_mask(void **state)
{
	static const struct value_case cases[] = {
		GOOD("syn/syn+ack", "syn/syn+ack"),
		GOOD("0x02/0x12", "syn/syn+ack"),
		GOOD("2/18", "syn/syn+ack"),
		GOOD("none/all", "none/all"),
		GOOD("0/255", "none/all"),
		GOOD("cwr+ece+urg+psh+rst+fin/all", "fin+rst+psh+urg+ece+cwr/all"),
		GOOD("all/0xff", "all/all"),
		GOOD("ack+ack/ack", "ack/ack"),
		NO_FLAGS("syn"),
		NO_FLAGS(""),
		NO_FLAGS("/"),
		NO_FLAGS("syn/"),
		NO_FLAGS("/syn"),
		NO_FLAGS("syn+/syn"),
		NO_FLAGS("SYN/SYN"),
		NO_FLAGS("syn/256"),
		NO_FLAGS("syn,ack/all"),
		NO_FLAGS("syn/syn/syn"),
		NO_FLAGS("fin+syn+rst+psh+ack+urg+ece+cwr+fin+syn+rst+psh+ack+urg+ece+cwr+fin/all"),
		OUTSIDE("syn/ack"),
		OUTSIDE("syn+ack/syn"),
		OUTSIDE("1/0"),
	};

	(void)state;
	run_cases(try_tcp_flags, cases, CV_COUNT(cases));
}

static int try_tcp_flag_set(const char *text, FILE *stream, struct cv_err *err)
{
	uint8_t flags;
	int rc = cv_arg_tcp_flag_set("tcp-flags", text, &flags, err);

	if (!rc)
		fprintf(stream, "%u", flags);
	return rc;
}

#define NO_FLAG_SET(text)                                                                          \
	BAD(text, "tcp-flags \"" text "\": not flags of TCP",                                      \
	    "as syn+ack; the flags are fin, syn, rst, psh, ack, urg, ece, cwr")

static void a_packet_has_flags_without_a_mask(void **state)
{
	static const struct value_case cases[] = {
		GOOD("syn", "2"),	GOOD("syn+ack", "18"),	GOOD("none", "0"),
		GOOD("0x12", "18"),	NO_FLAG_SET("syn/all"), NO_FLAG_SET(""),
		NO_FLAG_SET("syn ack"),
	};

	(void)state;
	run_cases(try_tcp_flag_set, cases, CV_COUNT(cases));
}

/* Each name is one bit of byte 13 of the header, FIN the lowest. */
static void tcp_flags_are_bits_of_the_header(void **state)
{
	static const char *const names[] = {
		"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		char text[16];
		uint8_t flags, mask;

		snprintf(text, sizeof(text), "%s/%s", names[i], names[i]);
		assert_int_equal(cv_arg_tcp_flags("tcp-flags", text, &flags, &mask, NULL), 0);
		assert_int_equal(flags, 1 << i);
		assert_int_equal(mask, 1 << i);
	}
}

static int try_ethertype(const char *text, FILE *stream, struct cv_err *err)
{
	uint16_t type;
	int rc = cv_arg_ethertype("ethertype", text, &type, err);

	if (!rc)
		cv_put_ethertype(stream, type);
	return rc;
}

static void ether_types_have_a_name_or_a_number(void **state)
{
	static const struct value_case cases[] = {
		GOOD("arp", "arp"),
		GOOD("0x0806", "arp"),
		GOOD("ipv4", "ip"),
		GOOD("2048", "ip"),
		GOOD("0x86dd", "ipv6"),
		GOOD("mpls", "mpls"),
		GOOD("0x88f", "0x088f"),
		GOOD("0xffff", "0xffff"),
		BAD("0x10000", "ethertype \"0x10000\": unknown ether type",
		    "arp, ip, ipv6, mpls, ... or a number from 0 to 0xffff"),
		BAD("apr", "ethertype \"apr\": unknown ether type", "did you mean \"arp\"?"),
	};

	(void)state;
	run_cases(try_ethertype, cases, CV_COUNT(cases));
}

static int try_icmp(uint8_t proto, const char *text, FILE *stream, struct cv_err *err)
{
	uint8_t type, name;
	int rc = cv_arg_icmp_type("icmp-type", text, &type, &name, err);

	if (!rc && name)
		rc = cv_icmp_type("icmp-type", proto, name, &type, err);
	if (!rc)
		fprintf(stream, "%u=", type);
	if (!rc)
		cv_put_icmp_type(stream, proto, type);
	return rc;
}

static int try_icmpv4(const char *text, FILE *stream, struct cv_err *err)
{
	return try_icmp(IPPROTO_ICMP, text, stream, err);
}

static int try_icmpv6(const char *text, FILE *stream, struct cv_err *err)
{
	return try_icmp(IPPROTO_ICMPV6, text, stream, err);
}

static void icmp_types_are_those_of_their_protocol(void **state)
{
	static const struct value_case v4[] = {
		GOOD("echo-request", "8=echo-request"),
		GOOD("0", "0=echo-reply"),
		GOOD("255", "255=255"),
		GOOD("destination-unreachable", "3=destination-unreachable"),
		BAD("packet-too-big", "icmp-type \"packet-too-big\": not a type of ICMP for IPv4",
		    "give proto icmpv6"),
		BAD("256", "icmp-type \"256\": unknown ICMP type",
		    "echo-request, destination-unreachable, ... or a number from 0 to 255"),
		BAD("echo-requst", "icmp-type \"echo-requst\": unknown ICMP type",
		    "did you mean \"echo-request\"?"),
	};
	static const struct value_case v6[] = {
		GOOD("echo-request", "128=echo-request"),
		GOOD("echo-reply", "129=echo-reply"),
		GOOD("destination-unreachable", "1=destination-unreachable"),
		GOOD("8", "8=8"),
		GOOD("neighbor-solicitation", "135=neighbor-solicitation"),
		BAD("timestamp-request", "icmp-type \"timestamp-request\": not a type of ICMPv6",
		    "give proto icmp"),
	};

	(void)state;
	run_cases(try_icmpv4, v4, CV_COUNT(v4));
	run_cases(try_icmpv6, v6, CV_COUNT(v6));
}

/* ---- lists ---- */

static void long_lists_are_taken_whole(void **state)
{
	struct cv_ranges ranges = { 0 };
	CV_FREE char *text = NULL;
	CV_FREE char *written = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_non_null(stream);
	for (int port = 0; port < 5000; port++)
		fprintf(stream, "%s%d", port ? "," : "", port);
	fclose(stream);
	assert_int_equal(cv_arg_port_ranges("dport", text, &ranges, NULL), 0);
	assert_int_equal(ranges.count, 5000);
	stream = open_memstream(&written, &size);
	assert_non_null(stream);
	cv_put_ranges(stream, &ranges);
	fclose(stream);
	assert_string_equal(written, text);
	free(ranges.items);
}

/* ---- what was meant by a wrong address ---- */

#define LOCAL(text, hint) BAD(text, "local \"" text "\": not an IPv4 or IPv6 address", hint)
#define ROUTE(text, hint) BAD(text, "route \"" text "\": not a prefix", hint)

static void wrong_addresses_are_put_right(void **state)
{
	static const struct value_case addrs[] = {
		LOCAL("[2001:db8::1]", "without brackets: 2001:db8::1"),
		LOCAL("[2001:db8::1]:80", "without brackets: 2001:db8::1"),
		LOCAL("[192.0.2.1]", "without brackets: 192.0.2.1"),
		LOCAL("[]", NULL),
		LOCAL("[2001:db8::1", NULL),
		LOCAL("[2001:db8::1]x", NULL),
		LOCAL("fe80::1%eth0", "without the zone: fe80::1"),
		LOCAL("%eth0", NULL),
		LOCAL("192.0.2.1:80", "without the port: 192.0.2.1"),
		LOCAL("192.0.2.1:", "without the port: 192.0.2.1"),
		LOCAL("192.0.2.1:http", NULL),
		LOCAL("2001:db8:", "quote an IPv6 address that ends with ':': 2001:db8::"),
		LOCAL("2001:db8::1:2:3:4:5:", NULL),
		LOCAL("192.000.002.1", "all four numbers, without leading zeros: 192.0.2.1"),
		LOCAL("192.0.2.256", NULL),
		LOCAL("192.0.2", NULL),
		LOCAL("192.0.2.1.", NULL),
		LOCAL("192.0.2.1.1", NULL),
		LOCAL("192.0.2.1/24", "one address, without a length: 192.0.2.1"),
		LOCAL("2001:db8::1/64", "one address, without a length: 2001:db8::1"),
		LOCAL("[2001:db8::1]/64", NULL),
		LOCAL("localhost", NULL),
		LOCAL("", NULL),
		BAD("::ffff:192.0.2.1",
		    "local \"::ffff:192.0.2.1\": an IPv4 address in the form of an IPv6 one",
		    "192.0.2.1"),
		GOOD("::fffe:c000:201", "::fffe:c000:201 of IPv6"),
		GOOD("1::ffff:c000:201", "1::ffff:c000:201 of IPv6"),
	};

	(void)state;
	run_cases(try_addr, addrs, CV_COUNT(addrs));
}

static void wrong_prefixes_are_put_right(void **state)
{
	static const struct value_case prefixes[] = {
		ROUTE("[2001:db8::]/32", "without brackets: 2001:db8::/32"),
		ROUTE("fe80::%eth0/64", "without the zone: fe80::/64"),
		ROUTE("10/8", "all four numbers, without leading zeros: 10.0.0.0/8"),
		ROUTE("10.0/8", "all four numbers, without leading zeros: 10.0.0.0/8"),
		ROUTE("010.0.0.0/8", "all four numbers, without leading zeros: 10.0.0.0/8"),
		ROUTE("10./8", "as 10.9.0.0/16 or 2001:db8::/32"),
		ROUTE("10/33", "as 10.9.0.0/16 or 2001:db8::/32"),
		ROUTE("10/", "as 10.9.0.0/16 or 2001:db8::/32"),
		ROUTE("10", "as 10.9.0.0/16 or 2001:db8::/32"),
		BAD("10.0.0.0/255.0.0.0",
		    "route \"10.0.0.0/255.0.0.0\": not a prefix, IPv4 has a length of 0 to 32",
		    "a length, not a netmask: 10.0.0.0/8"),
		BAD("0.0.0.0/0.0.0.0",
		    "route \"0.0.0.0/0.0.0.0\": not a prefix, IPv4 has a length of 0 to 32",
		    "a length, not a netmask: 0.0.0.0/0"),
		BAD("10.0.0.0/255.0.255.0",
		    "route \"10.0.0.0/255.0.255.0\": not a prefix, IPv4 has a length of 0 to 32",
		    NULL),
		BAD("::ffff:10.0.0.0/104",
		    "route \"::ffff:10.0.0.0/104\": an IPv4 prefix in the form of an IPv6 one",
		    "10.0.0.0/8"),
		BAD("::ffff:192.0.2.1",
		    "route \"::ffff:192.0.2.1\": an IPv4 prefix in the form of an IPv6 one",
		    "192.0.2.1/32"),
		/* All of them, to be refused on the wire. */
		GOOD("::ffff:0:0/96", "::ffff:0.0.0.0/96 of 6"),
	};

	(void)state;
	run_cases(try_prefix, prefixes, CV_COUNT(prefixes));
}

/* What is told after ": " is one, whatever stands in front of and behind an address. */
static void what_is_told_is_right(void **state)
{
	static const char *const before[] = { "", "[", "0", "%", ":", "1", "." };
	static const char *const addrs[] = {
		"192.0.2.1", "2001:db8::", "::", "fe80::1", "10.9", "1"
	};
	static const char *const after[] = { "",    "]",  ":",	  ":80",  "%eth0",	  "]:80",
					     "/24", "/0", "/129", "]/64", "/255.255.0.0", "." };
	size_t told = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(before) * CV_COUNT(addrs) * CV_COUNT(after) * 2; i++) {
		bool is_prefix = i & 1;
		CV_FREE char *text = NULL;
		struct cv_prefix prefix;
		struct cv_addr addr;
		struct cv_err err = { .hint = "" };
		const char *right;
		size_t at = i / 2;

		assert_true(asprintf(&text, "%s%s%s", before[at % CV_COUNT(before)],
				     addrs[at / CV_COUNT(before) % CV_COUNT(addrs)],
				     after[at / CV_COUNT(before) / CV_COUNT(addrs)]) > 0);
		if (!(is_prefix ? cv_arg_prefix("w", text, &prefix, &err)
				: cv_arg_addr("w", text, &addr, &err)))
			continue;
		right = strstr(err.hint, ": ");
		for (const char *next; right && (next = strstr(right + 2, ": "));)
			right = next;
		if (!right)
			continue;
		told++;
		if (is_prefix ? cv_arg_prefix("w", right + 2, &prefix, &err) &&
					!strstr(err.text, "host bits")
			      : cv_arg_addr("w", right + 2, &addr, &err))
			fail_msg("%s: %s", text, err.text);
	}
	assert_true(told > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal_or_hexadecimal_in_their_range),
		cmocka_unit_test(names_are_letters_digits_and_dashes),
		cmocka_unit_test(device_names_are_the_kernels),
		cmocka_unit_test(addresses_are_of_either_family),
		cmocka_unit_test(prefixes_have_no_host_bits),
		cmocka_unit_test(wrong_addresses_are_put_right),
		cmocka_unit_test(wrong_prefixes_are_put_right),
		cmocka_unit_test(what_is_told_is_right),
		cmocka_unit_test(host_bits_are_found_at_every_length),
		cmocka_unit_test(prefixes_come_in_lists),
		cmocka_unit_test(ranges_go_upwards),
		cmocka_unit_test(ports_come_in_lists),
		cmocka_unit_test(marks_may_have_a_mask),
		cmocka_unit_test(protocols_have_a_name_or_a_number),
		cmocka_unit_test(every_protocol_reads_back),
		cmocka_unit_test(dscps_have_a_name_or_a_number),
		cmocka_unit_test(dscp_classes_are_those_of_the_rfcs),
		cmocka_unit_test(priorities_are_classes_as_in_tc),
		cmocka_unit_test(bools_are_three_pairs_of_words),
		cmocka_unit_test(choices_are_exact),
		cmocka_unit_test(ecn_codepoints_are_bits),
		cmocka_unit_test(tcp_flags_have_a_mask),
		cmocka_unit_test(a_packet_has_flags_without_a_mask),
		cmocka_unit_test(tcp_flags_are_bits_of_the_header),
		cmocka_unit_test(ether_types_have_a_name_or_a_number),
		cmocka_unit_test(icmp_types_are_those_of_their_protocol),
		cmocka_unit_test(long_lists_are_taken_whole),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
