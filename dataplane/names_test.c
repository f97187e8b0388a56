/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

struct thing {
	int number;
	char name[16];
};

static void every_name_of_many_is_found(void **state)
{
	enum { COUNT = 100000 };
	CV_FREE struct thing *things = calloc(COUNT, sizeof(*things));
	CV_CLEANUP(cv_names_fini) struct cv_names names = { 0 };

	(void)state;
	assert_non_null(things);
	for (int i = 0; i < COUNT; i++)
		snprintf(things[i].name, sizeof(things[i].name), "r%d", i);
	assert_int_equal(cv_names_init(&names, things->name, sizeof(*things), COUNT), 0);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(cv_names_find(&names, things[i].name), i);
	assert_int_equal(cv_names_find(&names, "r100000"), CV_NAMES_NONE);
	assert_int_equal(cv_names_find(&names, ""), CV_NAMES_NONE);
}

static void two_with_one_name_are_not_distinct(void **state)
{
	char names[1000][32];

	(void)state;
	for (int i = 0; i < 1000; i++)
		snprintf(names[i], sizeof(names[i]), "name%d", i);
	assert_true(cv_names_are_distinct(names, sizeof(*names), 1000));
	assert_true(cv_names_are_distinct(NULL, sizeof(*names), 0));
	for (int i = 0; i < 999; i += 111) {
		snprintf(names[i], sizeof(names[i]), "name999");
		assert_false(cv_names_are_distinct(names, sizeof(*names), 1000));
		snprintf(names[i], sizeof(names[i]), "name%d", i);
	}
}

static void of_two_with_one_name_the_first_is_found(void **state)
{
	struct thing things[] = { { 0, "a" }, { 1, "b" }, { 2, "b" } };
	CV_CLEANUP(cv_names_fini) struct cv_names names = { 0 };

	(void)state;
	assert_int_equal(cv_names_init(&names, things->name, sizeof(*things), 3), 0);
	assert_int_equal(cv_names_find(&names, "b"), 1);
}

static void nothing_is_found_among_nothing(void **state)
{
	CV_CLEANUP(cv_names_fini) struct cv_names names = { 0 };

	(void)state;
	assert_int_equal(cv_names_init(&names, NULL, sizeof(struct thing), 0), 0);
	assert_int_equal(cv_names_find(&names, "a"), CV_NAMES_NONE);
}

static void names_out_of_their_order_are_found_too(void **state)
{
	static const struct {
		const char *name;
		uint32_t index;
	} rows[] = { { "a", 0 },
		     { "b", 1 },
		     { "z", CV_NAMES_NONE },
		     { "c", 2 },
		     { "d", CV_NAMES_NONE },
		     { "a", 0 },
		     { "c", 2 },
		     { "b", 1 } };
	struct thing things[] = { { 0, "a" }, { 1, "b" }, { 2, "c" } };
	CV_CLEANUP(cv_names_fini) struct cv_names names = { 0 };

	(void)state;
	assert_int_equal(cv_names_init(&names, things->name, sizeof(*things), 3), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(cv_names_find_next(&names, rows[i].name), rows[i].index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_of_many_is_found),
		cmocka_unit_test(two_with_one_name_are_not_distinct),
		cmocka_unit_test(of_two_with_one_name_the_first_is_found),
		cmocka_unit_test(nothing_is_found_among_nothing),
		cmocka_unit_test(names_out_of_their_order_are_found_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
