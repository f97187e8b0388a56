/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of the reading of state files that are no state files, or very faulty ones: megabytes of
 * nesting, of zero bytes, of one word, and a hundred thousand errors. Each has one clear message, or the
 * first hundred and how many more there are, in a moment.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MANY 100000
#define LONG ((size_t)4 << 20)
#define SECONDS_MAX 5 /* a hundred times what each takes, but for sanitizers */

/* What was reported of a text. */
struct reported {
	char *text; /* owned */
	size_t size, errors;
	int rc;
};

static void free_reported(struct reported *reported)
{
	free(reported->text);
}

static double cpu_seconds(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_text(const char *text, size_t len, struct reported *reported)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	double begin = cpu_seconds();
	struct cv_state state;
	FILE *stream;

	*reported = (struct reported){ .size = 0 };
	stream = open_memstream(&reported->text, &reported->size);
	assert_non_null(stream);
	assert_int_equal(cv_report_new(&report, stream, false), 0);
	cv_state_init(&state);
	reported->rc = cv_config_parse(&state, "f", text, len, report);
	cv_state_fini(&state);
	reported->errors = cv_report_errors(report);
	cv_report_free(&report);
	assert_int_equal(fclose(stream), 0);
#ifndef __SANITIZE_ADDRESS__
	assert_true(cpu_seconds() - begin < SECONDS_MAX);
#else
	(void)begin;
#endif
}

/* ---- one message ---- */

/* The first line, and that there is no other error. */
static void expect_one(const char *text, size_t len, const char *line)
{
	CV_CLEANUP(free_reported) struct reported reported;

	read_text(text, len, &reported);
	assert_int_equal(reported.rc, -EINVAL);
	*strchrnul(reported.text, '\n') = '\0';
	assert_string_equal(reported.text, line);
	assert_int_equal(reported.errors, 1);
}

/* Before, then a text as often as makes 4 MiB of it, then another one. */
static void expect_one_of_many(const char *before, const char *text, const char *behind,
			       const char *line)
{
	size_t count = LONG / strlen(text);
	CV_FREE char *all = malloc(strlen(before) + count * strlen(text) + strlen(behind) + 1);
	char *at = stpcpy(all, before);

	assert_non_null(all);
	while (count--)
		at = stpcpy(at, text);
	stpcpy(at, behind);
	expect_one(all, strlen(all), line);
}

static void nesting_ends_the_parse(void **state)
{
	(void)state;
	expect_one_of_many("", "[", "", "f:1:17: error: nested more than 16 deep");
	expect_one_of_many("", "{a: ", "", "f:1:65: error: nested more than 16 deep");
	expect_one_of_many("", "- ", "", "f:1:33: error: nested more than 16 deep");
	expect_one_of_many("", "? ", "", "f:1:33: error: nested more than 16 deep");
	expect_one_of_many("rules:\n  r: ", "[", "", "f:2:20: error: nested more than 16 deep");
	expect_one_of_many("rules: {r: {match: {src: ", "[{a: ", "",
			   "f:1:56: error: nested more than 16 deep");
}

static void each_line_deeper_ends_the_parse(void **state)
{
	CV_FREE char *text = malloc(LONG + 8192);
	char *at = text;

	(void)state;
	assert_non_null(text);
	for (int depth = 0; at - text < (ptrdiff_t)LONG; depth++)
		at += sprintf(at, "%*sa:\n", depth, "");
	expect_one(text, at - text, "f:17:17: error: nested more than 16 deep");
}

static void long_words_are_cut_in_messages(void **state)
{
	(void)state;
	expect_one_of_many("", "x", "", "f:1:1: error: not a mapping");
	expect_one_of_many("a: \"", "x", "",
			   "f:1:4: error: found unexpected end of stream while scanning a quoted "
			   "scalar");
	expect_one_of_many("'", "x", "': 1",
			   "f:1:4194307: error: mapping values are not allowed in this context");
	expect_one_of_many("# ", "x", "\ndevices: [eth0]", "f:2:10: error: not a mapping of names");
}

static void bytes_that_are_no_text_are_told(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *line;
	} cases[] = {
#define BYTES(text) text, sizeof(text) - 1
		{ BYTES("a:\0\n"), "f:1:3: error: control characters are not allowed (0x00)" },
		{ BYTES("# \x01\n"), "f:1:3: error: control characters are not allowed (0x01)" },
		{ BYTES("apps: {a: {comm: \x7f}}"),
		  "f:1:18: error: control characters are not allowed (0x7f)" },
		{ BYTES("# gr\xfc\xdf"
			"e\n"),
		  "f:1:5: error: invalid leading UTF-8 octet (0xfc)" },
		{ BYTES("# \xc3(\n"), "f:1:4: error: invalid trailing UTF-8 octet (0x28)" },
		{ BYTES("# \xed\xa0\x80\n"), "f:1:3: error: invalid Unicode character (0xd800)" },
		{ BYTES("# \xc3"), "f:1:3: error: incomplete UTF-8 octet sequence" },
		{ BYTES("\xff\xfe"
			"a\0:\0\n\0"),
		  "f:1:1: error: invalid leading UTF-8 octet (0xff)" },
	};
	CV_FREE char *zeros = calloc(1, LONG);
	CV_FREE char *ones = malloc(LONG);

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		expect_one(cases[i].text, cases[i].len, cases[i].line);
	assert_non_null(zeros);
	assert_non_null(ones);
	expect_one(zeros, LONG, "f:1:1: error: control characters are not allowed (0x00)");
	memset(ones, 0xff, LONG);
	expect_one(ones, LONG, "f:1:1: error: invalid leading UTF-8 octet (0xff)");
}

static void another_encoding_has_a_hint(void **state)
{
	static const char text[] = "# gr\xfc\n";
	CV_CLEANUP(free_reported) struct reported reported;

	(void)state;
	read_text(text, strlen(text), &reported);
	assert_string_equal(reported.text, "f:1:5: error: invalid leading UTF-8 octet (0xfc)\n"
					   "    # gr\xef\xbf\xbd\n"
					   "        ^\n"
					   "hint: a state file is UTF-8: save it so\n");
}

/* Lines may end as on other systems; a byte order mark is no part of the first one. */
static void line_ends_and_marks_move_no_place(void **state)
{
	static const char *const texts[] = {
		"devices:\n  eth0:\n  eth1: {prio: x}\n",
		"devices:\r\n  eth0:\r\n  eth1: {prio: x}\r\n",
		"\xef\xbb\xbf"
		"devices:\n  eth0:\n  eth1: {prio: x}",
		"\xef\xbb\xbf"
		"devices:\r\n  eth0:\r\n  eth1: {prio: x}",
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		expect_one(texts[i], strlen(texts[i]),
			   "f:3:16: error: prio \"x\": not a number from 1 to 65535");
	expect_one("devices:\n\teth0:\n", strlen("devices:\n\teth0:\n"),
		   "f:2:1: error: found character that cannot start any token");
}

/* ---- a hundred thousand errors ---- */

static size_t count_text(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		count++;
	return count;
}

/* A line for each object; the number of it stands for %d in format. */
static void expect_hundred(const char *before, const char *format, const char *line)
{
	CV_CLEANUP(free_reported) struct reported reported;
	CV_FREE char *text = NULL;
	CV_FREE char *last = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t len = 0;

	stream = open_memstream(&text, &len);
	assert_non_null(stream);
	fputs(before, stream);
	for (int i = 0; i < MANY; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		fprintf(stream, format, i);
#pragma GCC diagnostic pop
	}
	assert_int_equal(cv_finish_file(&stream), 0);
	read_text(text, len, &reported);
	assert_int_equal(reported.rc, -EINVAL);
	assert_true(reported.errors >= MANY);
	assert_int_equal(count_text(reported.text, ": error: "), CV_REPORT_MAX);
	assert_true(asprintf(&last, "culvert: %zu more errors not shown\n",
			     reported.errors - CV_REPORT_MAX) > 0);
	assert_string_equal(reported.text + reported.size - strlen(last), last);
	*strchrnul(reported.text, '\n') = '\0';
	assert_string_equal(reported.text, line);
}

static void of_many_errors_the_first_are_told(void **state)
{
	(void)state;
	expect_hundred("rules:\n", "  r%d: {match: {prot: tcp}}\n",
		       "f:2:16: error: unknown key \"prot\"");
	expect_hundred("rules:\n", "  r%d: {match: {proto: tcp, dport: x}, prio: -1}\n",
		       "f:2:35: error: dport \"x\": not a number or range from 0 to 65535");
	expect_hundred("", "section%d:\n", "f:1:1: error: unknown key \"section0\"");
	expect_hundred("devices:\n", "  a-device-that-is-%d:\n",
		       "f:2:3: error: dev \"a-device-that-is-0\": not a device name (1 to 15 "
		       "characters, no '/', ':' or blank)");
	expect_hundred("routes:\n", "  - {to: nowhere%d}\n",
		       "f:2:10: error: route \"nowhere0\": not a prefix");
}

/* The scanner leaves these to libyaml. */
static void of_many_errors_in_yaml_the_first_are_told(void **state)
{
	(void)state;
	expect_hundred("rules:\n  r: {prio: 0}\n", "  r: {prio: %d}\n",
		       "f:3:3: error: duplicate key \"r\", first on line 2");
	expect_hundred("apps:\n", "  a%d: &x {exe: /x}\n",
		       "f:2:7: error: anchors (&x) are not supported");
}

/* For each, one that is the same could be looked for among all of them. */
static void of_many_that_are_the_same_the_first_are_told(void **state)
{
	(void)state;
	expect_hundred("tunnels: {t: {mode: gre, local: 192.0.2.1, remote: peers}}\n"
		       "routes:\n  - {to: 10.0.0.0/8, tunnel: t}\n",
		       "  - {to: 10.0.0.0/8, tunnel: t} # %d\n",
		       "f:4:10: error: route 10.0.0.0/8: given twice, first at f:3:10");
	expect_hundred("tunnels: {t: {mode: gre, local: 192.0.2.1, remote: peers}}\n"
		       "peers:\n  - {to: 10.0.0.0/8, remote: 192.0.2.2, tunnel: t}\n",
		       "  - {to: 10.0.0.0/8, remote: 192.0.2.2, tunnel: t} # %d\n",
		       "f:4:10: error: peer 10.0.0.0/8 tunnel t: given twice, first at f:3:10");
}

/* For each, the nearest of a thousand names could be looked for. */
static void of_many_wrong_names_the_first_are_told(void **state)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t len = 0;

	(void)state;
	stream = open_memstream(&text, &len);
	assert_non_null(stream);
	fputs("tunnels:\n", stream);
	for (int i = 0; i < 1000; i++)
		fprintf(stream,
			"  tunnel-%d: {mode: gre, local: 192.0.2.1, remote: 198.51.100.1, key: %d}\n",
			i, i);
	fputs("routes:\n", stream);
	assert_int_equal(cv_finish_file(&stream), 0);
	expect_hundred(text, "  - {to: 10.0.0.0/8, metric: %d, tunnel: tunel-7}\n",
		       "f:1003:10: error: route 10.0.0.0/8: there is no tunnel tunel-7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nesting_ends_the_parse),
		cmocka_unit_test(each_line_deeper_ends_the_parse),
		cmocka_unit_test(long_words_are_cut_in_messages),
		cmocka_unit_test(bytes_that_are_no_text_are_told),
		cmocka_unit_test(another_encoding_has_a_hint),
		cmocka_unit_test(line_ends_and_marks_move_no_place),
		cmocka_unit_test(of_many_errors_the_first_are_told),
		cmocka_unit_test(of_many_errors_in_yaml_the_first_are_told),
		cmocka_unit_test(of_many_that_are_the_same_the_first_are_told),
		cmocka_unit_test(of_many_wrong_names_the_first_are_told),
	};

	return cmocka_run_group_tests_name("bad_input", tests, NULL, NULL);
}
