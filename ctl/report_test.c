/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of report.c: whole outputs in text and JSON, the cut after CV_REPORT_MAX errors, exit
 * statuses.
 */
#include "report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

struct fixture {
	FILE *stream;
	char *text;
	size_t len;
	struct cv_report *report;
};

static void open_fixture(struct fixture *fixture, bool is_json)
{
	*fixture = (struct fixture){ 0 };
	fixture->stream = open_memstream(&fixture->text, &fixture->len);
	assert_non_null(fixture->stream);
	assert_int_equal(cv_report_new(&fixture->report, fixture->stream, is_json), 0);
}

static void close_fixture(struct fixture *fixture)
{
	cv_report_free(&fixture->report);
	if (fixture->stream)
		fclose(fixture->stream);
	free(fixture->text);
}

/* Frees the report first, as the end of a run does. */
static void assert_printed(struct fixture *fixture, const char *expected)
{
	cv_report_free(&fixture->report);
	fflush(fixture->stream);
	assert_string_equal(fixture->text, expected);
}

#define FIXTURE(name, is_json)                                                                     \
	struct fixture name CV_CLEANUP(close_fixture);                                             \
	open_fixture(&name, is_json)

static void report_input(struct cv_report *report, int line, int column, const char *hint)
{
	struct cv_place place = { .file = "f.yaml", .line = line, .column = column };
	struct cv_err err;

	cv_err_input(&err, "bad word");
	cv_err_at(&err, &place);
	if (hint)
		cv_err_hint(&err, "%s", hint);
	cv_report_error(report, &err);
}

static void report_exists(struct cv_report *report)
{
	struct cv_err err;

	cv_err_set(&err, -EEXIST, "tunnel blue: route 10.9.0.0/24 exists on dev eth0");
	cv_err_hint(&err, "use 'tunnel replace' or delete it");
	cv_report_error(report, &err);
}

static void error_without_a_place_is_one_line(void **state)
{
	FIXTURE(fixture, false);

	(void)state;
	report_exists(fixture.report);
	report_input(fixture.report, 0, 0, NULL);
	assert_int_equal(cv_report_errors(fixture.report), 2);
	assert_printed(
		&fixture,
		"culvert: tunnel blue: route 10.9.0.0/24 exists on dev eth0; use 'tunnel replace' or delete it [EEXIST]\n"
		"culvert: bad word\n");
}

static void error_with_a_place_shows_the_line(void **state)
{
	static const char source[] = "a: 1\r\nb: bad\r\n\tc:\tbad\nlast: bad";
	FIXTURE(fixture, false);

	(void)state;
	cv_report_source(fixture.report, "f.yaml", source, strlen(source));
	report_input(fixture.report, 2, 4, "write good");
	report_input(fixture.report, 3, 5, NULL);
	report_input(fixture.report, 4, 0, NULL);
	report_input(fixture.report, 4, 99, NULL);
	report_input(fixture.report, 5, 1, NULL);
	assert_printed(&fixture, "f.yaml:2:4: error: bad word\n"
				 "    b: bad\n"
				 "       ^\n"
				 "hint: write good\n"
				 "f.yaml:3:5: error: bad word\n"
				 "    \tc:\tbad\n"
				 "    \t  \t^\n"
				 "f.yaml:4: error: bad word\n"
				 "    last: bad\n"
				 "f.yaml:4:99: error: bad word\n"
				 "    last: bad\n"
				 "             ^\n"
				 "f.yaml:5:1: error: bad word\n");
}

static void columns_are_characters(void **state)
{
	static const char source[] = "\xef\xbb\xbfk\xc3\xa4: \x1b\xff!";
	FIXTURE(fixture, false);

	(void)state;
	cv_report_source(fixture.report, "f.yaml", source, strlen(source));
	report_input(fixture.report, 1, 7, NULL);
	assert_printed(&fixture, "f.yaml:1:7: error: bad word\n"
				 "    k\xc3\xa4: ?\xef\xbf\xbd!\n"
				 "          ^\n");
}

static void other_files_have_no_source(void **state)
{
	FIXTURE(fixture, false);

	(void)state;
	cv_report_source(fixture.report, "other.yaml", "a: 1\n", 5);
	report_input(fixture.report, 1, 1, NULL);
	assert_printed(&fixture, "f.yaml:1:1: error: bad word\n");
}

static void many_files_may_have_sources(void **state)
{
	static const char first[] = "a\nb\nc\n", second[] = "x\ny\n";
	static const struct cv_place places[] = {
		{ "first", 3, 1 }, { "second", 2, 1 }, { "first", 1, 1 },
		{ "first", 2, 1 }, { "second", 9, 1 }, { "second", 1, 1 },
	};
	FIXTURE(fixture, false);

	(void)state;
	cv_report_source(fixture.report, "first", "old\n", 4);
	cv_report_source(fixture.report, "second", second, strlen(second));
	cv_report_source(fixture.report, "first", first, strlen(first));
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		struct cv_err err;

		cv_err_input(&err, "bad");
		cv_err_at(&err, &places[i]);
		cv_report_error(fixture.report, &err);
	}
	assert_printed(&fixture, "first:3:1: error: bad\n    c\n    ^\n"
				 "second:2:1: error: bad\n    y\n    ^\n"
				 "first:1:1: error: bad\n    a\n    ^\n"
				 "first:2:1: error: bad\n    b\n    ^\n"
				 "second:9:1: error: bad\n"
				 "second:1:1: error: bad\n    x\n    ^\n");
}

static void long_lines_are_cut_around_the_column(void **state)
{
	char source[1001], part[97], caret[49];
	char expected[600];
	FIXTURE(fixture, false);

	(void)state;
	for (size_t i = 0; i < sizeof(source) - 1; i++)
		source[i] = (char)('0' + i % 10);
	source[sizeof(source) - 1] = '\0';
	cv_report_source(fixture.report, "f.yaml", source, strlen(source));
	report_input(fixture.report, 1, 501, NULL);
	report_input(fixture.report, 1, 2, NULL);
	memcpy(part, source + 453, 96);
	part[96] = '\0';
	memset(caret, ' ', 47);
	strcpy(caret + 47, "^");
	snprintf(expected, sizeof(expected),
		 "f.yaml:1:501: error: bad word\n    ...%s...\n       %s\n"
		 "f.yaml:1:2: error: bad word\n    %.96s...\n     ^\n",
		 part, caret, source);
	assert_int_equal(part[47], '0');
	assert_printed(&fixture, expected);
}

static void one_json_error_is_one_object(void **state)
{
	FIXTURE(fixture, true);

	(void)state;
	report_exists(fixture.report);
	fflush(fixture.stream);
	assert_int_equal(fixture.len, 0);
	assert_printed(
		&fixture,
		"{\"error\":{\"code\":\"EEXIST\",\"message\":\"tunnel blue: route 10.9.0.0/24 exists on dev eth0\",\"hint\":\"use 'tunnel replace' or delete it\"}}\n");
}

static void several_json_errors_are_a_list(void **state)
{
	FIXTURE(fixture, true);

	(void)state;
	report_input(fixture.report, 3, 5, "say \"good\"");
	report_exists(fixture.report);
	cv_report_warning(fixture.report, "dev eth0: no clsact");
	assert_printed(
		&fixture,
		"{\"error\":{\"code\":\"EINVAL\",\"message\":\"bad word\",\"hint\":\"say \\\"good\\\"\",\"file\":\"f.yaml\",\"line\":3,\"column\":5},"
		"\"errors\":[{\"code\":\"EINVAL\",\"message\":\"bad word\",\"hint\":\"say \\\"good\\\"\",\"file\":\"f.yaml\",\"line\":3,\"column\":5},"
		"{\"code\":\"EEXIST\",\"message\":\"tunnel blue: route 10.9.0.0/24 exists on dev eth0\",\"hint\":\"use 'tunnel replace' or delete it\"}],"
		"\"warnings\":[\"dev eth0: no clsact\"]}\n");
}

static void nothing_reported_prints_nothing(void **state)
{
	FIXTURE(text, false);
	FIXTURE(json, true);

	(void)state;
	assert_int_equal(cv_report_status(text.report), 0);
	assert_printed(&text, "");
	assert_printed(&json, "");
}

static void warnings_leave_the_status(void **state)
{
	FIXTURE(fixture, false);

	(void)state;
	cv_report_warning(fixture.report, "dev eth0: no\nclsact");
	assert_int_equal(cv_report_status(fixture.report), 0);
	assert_int_equal(cv_report_errors(fixture.report), 0);
	assert_printed(&fixture, "culvert: warning: dev eth0: no?clsact\n");
}

static void warnings_may_have_a_place(void **state)
{
	static const struct cv_place place = { "f.yaml", 3, 5 };
	FIXTURE(text, false);
	FIXTURE(json, true);
	struct cv_err warning, placeless;

	(void)state;
	cv_err_input(&warning, "rule r: never matches");
	placeless = warning;
	cv_err_hint(&warning, "mend it");
	cv_err_at(&warning, &place);
	cv_report_warning_at(text.report, &warning);
	cv_report_warning_at(text.report, &placeless);
	cv_report_warning_at(json.report, &warning);
	assert_int_equal(cv_report_status(text.report), 0);
	assert_int_equal(cv_report_errors(text.report), 0);
	assert_printed(&text, "f.yaml:3:5: warning: rule r: never matches\nhint: mend it\n"
			      "culvert: warning: rule r: never matches\n");
	assert_printed(&json, "{\"warnings\":[\"f.yaml:3:5: rule r: never matches\"]}\n");
}

static void the_last_error_gives_the_status(void **state)
{
	static const struct {
		enum cv_err_kind kind;
		int status;
	} cases[] = {
		{ CV_ERR_LEFT, 3 },
		{ CV_ERR_PERMISSION, 5 },
		{ CV_ERR_INPUT, 1 },
		{ CV_ERR_FAILED, 2 },
	};
	FIXTURE(fixture, false);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cv_err err = { .kind = cases[i].kind, .code = -EIO, .text = "x" };

		cv_report_error(fixture.report, &err);
		assert_int_equal(cv_report_status(fixture.report), cases[i].status);
	}
}

static size_t count_text(const char *text, const char *part)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, part)); at++)
		count++;
	return count;
}

static void a_file_with_many_errors_is_cut_off(void **state)
{
	FIXTURE(text, false);
	FIXTURE(json, true);

	(void)state;
	for (int i = 1; i <= 100000; i++) {
		report_input(text.report, i, 1, NULL);
		report_input(json.report, i, 1, NULL);
	}
	assert_int_equal(cv_report_errors(text.report), 100000);
	cv_report_free(&text.report);
	cv_report_free(&json.report);
	fflush(text.stream);
	fflush(json.stream);
	assert_int_equal(count_text(text.text, "error: bad word"), CV_REPORT_MAX);
	assert_int_equal(count_text(text.text, "\nculvert: 99900 more errors not shown\n"), 1);
	assert_int_equal(count_text(json.text, "bad word"), CV_REPORT_MAX + 1);
	assert_int_equal(count_text(json.text, "],\"errors_not_shown\":99900}\n"), 1);
}

static void without_a_stream_errors_are_only_counted(void **state)
{
	(void)state;
	for (int is_json = 0; is_json <= 1; is_json++) {
		struct cv_report *report CV_CLEANUP(cv_report_free) = NULL;

		assert_int_equal(cv_report_new(&report, NULL, is_json), 0);
		cv_report_warning(report, "never seen");
		for (int i = 0; i <= CV_REPORT_MAX; i++)
			report_input(report, 1, 1, NULL);
		assert_int_equal(cv_report_errors(report), CV_REPORT_MAX + 1);
		assert_int_equal(cv_report_status(report), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_without_a_place_is_one_line),
		cmocka_unit_test(error_with_a_place_shows_the_line),
		cmocka_unit_test(columns_are_characters),
		cmocka_unit_test(other_files_have_no_source),
		cmocka_unit_test(many_files_may_have_sources),
		cmocka_unit_test(long_lines_are_cut_around_the_column),
		cmocka_unit_test(one_json_error_is_one_object),
		cmocka_unit_test(several_json_errors_are_a_list),
		cmocka_unit_test(nothing_reported_prints_nothing),
		cmocka_unit_test(warnings_leave_the_status),
		cmocka_unit_test(warnings_may_have_a_place),
		cmocka_unit_test(the_last_error_gives_the_status),
		cmocka_unit_test(a_file_with_many_errors_is_cut_off),
		cmocka_unit_test(without_a_stream_errors_are_only_counted),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
