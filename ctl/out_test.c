/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of out.c: JSON on one line with everything escaped, and the layout of tables.
 */
#include "out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

struct capture {
	FILE *stream;
	char *text;
	size_t len;
};

static int open_capture(void **state)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	assert_non_null(capture);
	capture->stream = open_memstream(&capture->text, &capture->len);
	assert_non_null(capture->stream);
	*state = capture;
	return 0;
}

static int close_capture(void **state)
{
	struct capture *capture = *state;

	fclose(capture->stream);
	free(capture->text);
	free(capture);
	return 0;
}

static void assert_written(struct capture *capture, const char *expected)
{
	fflush(capture->stream);
	assert_string_equal(capture->text, expected);
}

static void json_document_is_one_compact_line(void **state)
{
	struct capture *capture = *state;
	struct cv_json json;

	cv_json_init(&json, capture->stream);
	cv_json_open_array(&json, NULL);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, "name", "blue");
	cv_json_number(&json, "bytes", UINT64_MAX);
	cv_json_bool(&json, "up", true);
	cv_json_bool(&json, "down", false);
	cv_json_null(&json, "key");
	cv_json_string(&json, "exe", NULL);
	cv_json_open_array(&json, "remote");
	cv_json_string(&json, NULL, "192.0.2.1");
	cv_json_number(&json, NULL, 0);
	cv_json_close(&json);
	cv_json_open_object(&json, "drops");
	cv_json_close(&json);
	cv_json_close(&json);
	cv_json_open_object(&json, NULL);
	cv_json_close(&json);
	cv_json_close(&json);
	cv_json_end(&json);
	assert_written(
		capture,
		"[{\"name\":\"blue\",\"bytes\":18446744073709551615,\"up\":true,\"down\":false,\"key\":null,\"exe\":null,\"remote\":[\"192.0.2.1\",0],\"drops\":{}},{}]\n");
}

static void json_text_is_escaped(void **state)
{
	struct capture *capture = *state;
	struct cv_json json;

	cv_json_init(&json, capture->stream);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, "\"k\\", "a\"b\\c\b\f\n\r\t\x01\x1f\x7f/ \xc3\xa4 \xf0\x9f\x98\x80");
	cv_json_close(&json);
	cv_json_end(&json);
	assert_written(
		capture,
		"{\"\\\"k\\\\\":\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f/ \xc3\xa4 \xf0\x9f\x98\x80\"}\n");
}

#define BAD "\xef\xbf\xbd"

static void bytes_that_are_not_utf8_are_replaced(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "a\xff"
		  "b",
		  "\"a" BAD "b\"" },
		{ "\x80", "\"" BAD "\"" }, /* nothing to continue */
		{ "\xc3", "\"" BAD "\"" }, /* cut off */
		{ "\xe2\x82", "\"" BAD BAD "\"" },
		{ "\xc0\x80", "\"" BAD BAD "\"" }, /* too long for what it says */
		{ "\xed\xa0\x80", "\"" BAD BAD BAD "\"" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\"" }, /* above U+10FFFF */
		{ "\xf8\x88\x80\x80\x80", "\"" BAD BAD BAD BAD BAD "\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text CV_FREE = NULL;
		size_t len = 0;
		FILE *stream = open_memstream(&text, &len);
		struct cv_json json;

		cv_json_init(&json, stream);
		cv_json_string(&json, NULL, cases[i].text);
		fclose(stream);
		assert_string_equal(text, cases[i].expected);
	}
}

static void texts_are_utf8_or_not(void **state)
{
	(void)state;
	assert_true(cv_utf8_is_good(""));
	assert_true(cv_utf8_is_good("a\n\x7f"));
	assert_true(cv_utf8_is_good("gr\xc3\xbc\xf0\x9f\xa6\x80"));
	assert_false(cv_utf8_is_good("gr\xfc"));
	assert_false(cv_utf8_is_good("a\xc3"));
	assert_false(cv_utf8_is_good("\xed\xa0\x80"));
}

static void json_nests_to_its_limit(void **state)
{
	struct capture *capture = *state;
	struct cv_json json;

	cv_json_init(&json, capture->stream);
	for (int i = 0; i < CV_JSON_DEPTH; i++)
		cv_json_open_array(&json, NULL);
	for (int i = 0; i < CV_JSON_DEPTH; i++)
		cv_json_close(&json);
	cv_json_end(&json);
	assert_written(capture, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n");
}

static void text_cannot_steer_a_terminal(void **state)
{
	struct capture *capture = *state;

	assert_int_equal(cv_put_text(capture->stream, "a\x1b[2J\tb\n\xc2\x9b\xff\xc3\xa4"), 11);
	assert_written(capture, "a?[2J?b??" BAD "\xc3\xa4");
}

static void table_columns_are_as_wide_as_their_widest_cell(void **state)
{
	static const char *const headers[] = { "NAME", "BYTES", "APP" };
	static const char *const rows[][3] = {
		{ "blue", "7", "web" },
		{ "gr\xc3\xbcn-und-lang", "123456", NULL },
		{ "x", NULL,
		  "a\x1b"
		  "b" },
	};
	struct capture *capture = *state;
	struct cv_table *table CV_CLEANUP(cv_table_free) = NULL;

	assert_int_equal(cv_table_new(&table, headers, 3), 0);
	cv_table_align_right(table, 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(cv_table_row(table, rows[i]), 0);
	cv_table_print(table, capture->stream);
	assert_written(capture, "NAME            BYTES  APP\n"
				"blue                7  web\n"
				"gr\xc3\xbcn-und-lang  123456  -\n"
				"x              -       a?b\n");
}

static void table_lines_have_no_blanks_at_the_end(void **state)
{
	static const char *const headers[] = { "NAME", "NOTE" };
	static const char *const row[] = { "blue", "" };
	struct capture *capture = *state;
	struct cv_table *table CV_CLEANUP(cv_table_free) = NULL;

	assert_int_equal(cv_table_new(&table, headers, 2), 0);
	assert_int_equal(cv_table_row(table, row), 0);
	cv_table_print(table, capture->stream);
	assert_written(capture, "NAME  NOTE\nblue\n");
}

static void table_holds_many_rows(void **state)
{
	static const char *const headers[] = { "N" };
	struct capture *capture = *state;
	struct cv_table *table CV_CLEANUP(cv_table_free) = NULL;
	size_t lines = 0;

	assert_int_equal(cv_table_new(&table, headers, 1), 0);
	for (int i = 0; i < 1000; i++) {
		char text[16];
		const char *cell = text;

		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(cv_table_row(table, &cell), 0);
	}
	cv_table_print(table, capture->stream);
	fflush(capture->stream);
	for (const char *at = capture->text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 1001);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_capture, close_capture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(json_document_is_one_compact_line),
		TEST(json_text_is_escaped),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
		cmocka_unit_test(texts_are_utf8_or_not),
		TEST(json_nests_to_its_limit),
		TEST(text_cannot_steer_a_terminal),
		TEST(table_columns_are_as_wide_as_their_widest_cell),
		TEST(table_lines_have_no_blanks_at_the_end),
		TEST(table_holds_many_rows),
	};

	return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}
