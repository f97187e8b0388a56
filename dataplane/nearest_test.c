/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of nearest.c. */
#include "nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "culvert.h"

static void nearest_word_is_found(void **state)
{
	static const char *const words[] = { "remote", "mode", "local", "ttl", "mtu", "df" };
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{ "remte", "remote" },	{ "rmeote", "remote" }, { "remoote", "remote" },
		{ "rmeoet", "remote" }, { "moed", "mode" },	{ "lcoal", "local" },
		{ "mode", "mode" },	{ "tll", "ttl" },	{ "tl", "ttl" },
		{ "remot", "remote" },	{ "rmt", "mtu" },	{ "wxyz", NULL },
		{ "x", NULL },		{ "d", NULL },		{ "xy", NULL },
		{ "", NULL },		{ "mxyz", NULL },
	};
	char longest[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *nearest = cv_nearest(cases[i].word, words, 6);

		if (cases[i].nearest)
			assert_string_equal(nearest, cases[i].nearest);
		else
			assert_null(nearest);
	}
	memset(longest, 'm', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(cv_nearest(longest, words, 6));
	assert_null(cv_nearest("mode", NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_word_is_found),
	};

	return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
