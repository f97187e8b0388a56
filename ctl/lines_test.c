/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of lines.c: the applied text is taken apart as it was written. */
#include "lines.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "options: {mark-mask: 0xf000000}\n"
			   "devices:\n"
			   "  d0: {ingress: true}\n"
			   "sets:\n"
			   "  s: {type: port, elements: [80, 443]}\n"
			   "  empty: {type: prefix}\n"
			   "rules:\n"
			   "  a: {prio: 10, match: {src: 10.0.0.0/8}, action: {dscp: 8}}\n"
			   "  \"1\": {match: {}, action: {verdict: drop}}\n"
			   "  ab: {prio: 4294967295, match: {}, action: {dscp: 1}}\n";

static void assert_line(struct cv_line line, const char *expected)
{
	assert_non_null(line.begin);
	assert_int_equal(line.end - line.begin, strlen(expected));
	assert_memory_equal(line.begin, expected, strlen(expected));
}

static void objects_are_found_in_their_sections(void **state)
{
	struct cv_lines lines;
	struct cv_line rules;

	(void)state;
	assert_int_equal(cv_lines_read(&lines, text), 0);
	rules = cv_lines_of(&lines, &cv_noun_rule);
	assert_line(lines.options, "options: {mark-mask: 0xf000000}\n");
	assert_line(cv_lines_of(&lines, &cv_noun_dev), "  d0: {ingress: true}\n");
	assert_null(cv_lines_of(&lines, &cv_noun_route).begin);
	assert_line(cv_line_find(rules, "a"),
		    "  a: {prio: 10, match: {src: 10.0.0.0/8}, action: {dscp: 8}}\n");
	assert_line(cv_line_find(rules, "\"1\""),
		    "  \"1\": {match: {}, action: {verdict: drop}}\n");
	assert_null(cv_line_find(rules, "b").begin);
	assert_null(cv_line_find(rules, "s").begin); /* of another section */
	assert_null(cv_line_find(cv_lines_of(&lines, &cv_noun_set), "a").begin);
}

static void rules_have_names_and_prios(void **state)
{
	static const struct {
		const char *name;
		uint32_t prio;
	} rows[] = { { "a", 10 }, { "1", CV_DEFAULT_RULE_PRIO }, { "ab", UINT32_MAX } };
	struct cv_lines lines;
	struct cv_line section, line;
	char name[CV_NAME_MAX + 1];
	uint32_t prio;

	(void)state;
	assert_int_equal(cv_lines_read(&lines, text), 0);
	section = cv_lines_of(&lines, &cv_noun_rule);
	line = cv_line_first(section);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(cv_line_name(line, name));
		assert_string_equal(name, rows[i].name);
		assert_true(cv_line_prio(line, &prio));
		assert_int_equal(prio, rows[i].prio);
		line = cv_line_next(section, line);
	}
	assert_null(line.begin);
}

static void sets_begin_with_their_type(void **state)
{
	struct cv_lines lines;
	struct cv_line sets, line;

	(void)state;
	assert_int_equal(cv_lines_read(&lines, text), 0);
	sets = cv_lines_of(&lines, &cv_noun_set);
	line = cv_line_find(sets, "s");
	assert_int_equal(cv_line_type_len(line), strlen("  s: {type: port"));
	line = cv_line_find(sets, "empty");
	assert_int_equal(cv_line_type_len(line), strlen("  empty: {type: prefix"));
	assert_int_equal(cv_line_type_len(cv_lines_of(&lines, &cv_noun_dev)), 0);
}

static void what_nobody_wrote_is_refused(void **state)
{
	static const char *const texts[] = {
		"  a: {}\n",
		"nonsense:\n  a: {}\n",
		"devices:\n  d0: {}\ndevices:\n  d1: {}\n",
		"options: {}\noptions: {}\n",
		"# devices:\n",
	};
	struct cv_lines lines;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(cv_lines_read(&lines, texts[i]), -EINVAL);
	assert_int_equal(cv_lines_read(&lines, ""), 0);
	assert_null(cv_lines_of(&lines, &cv_noun_rule).begin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_found_in_their_sections),
		cmocka_unit_test(rules_have_names_and_prios),
		cmocka_unit_test(sets_begin_with_their_type),
		cmocka_unit_test(what_nobody_wrote_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
