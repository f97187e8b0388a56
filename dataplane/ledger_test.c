/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of ledger.c: its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ledger.h"
#include "own.h"

static void text_says_it_all(void **unused)
{
	const struct cv_dev devs[] = {
		{ .name = "eth0",
		  .flags = CV_DEV_INGRESS | CV_DEV_CLSACT,
		  .prio = 65535,
		  .old_prio = 100,
		  .old_handle = 0xffff,
		  .handle = 0xc1 },
		{ .name = "fifteen-letters", .flags = UINT32_MAX, .prio = 1 },
	};
	CV_CLEANUP(cv_ledger_fini) struct cv_ledger ledger = { 0 }, read = { 0 };
	CV_FREE char *text = NULL;

	(void)unused;
	assert_int_equal(cv_ledger_add(&ledger, 7, &devs[0], NULL), 0);
	assert_int_equal(cv_ledger_add(&ledger, UINT32_MAX, &devs[1], NULL), 0);
	text = cv_ledger_format(&ledger);
	assert_non_null(text);
	assert_int_equal(cv_ledger_parse(text, &read, NULL), 0);
	assert_int_equal(read.count, 2);
	assert_memory_equal(cv_ledger_find(&read, 7), &devs[0], sizeof(devs[0]));
	assert_memory_equal(cv_ledger_find(&read, UINT32_MAX), &devs[1], sizeof(devs[1]));
	assert_null(cv_ledger_find(&read, 8));
}

/* What the map has said of a device counts. */
static void text_adds_only_what_is_not_known(void **unused)
{
	const struct cv_dev known = { .name = "eth0", .prio = 5 };
	CV_CLEANUP(cv_ledger_fini) struct cv_ledger ledger = { 0 };

	(void)unused;
	assert_int_equal(cv_ledger_add(&ledger, 7, &known, NULL), 0);
	assert_int_equal(
		cv_ledger_parse(
			"dev eth0 ifindex 7 flags 0x1 prio 6 handle 0x1 old-prio 0 old-handle 0x0\n"
			"dev eth1 ifindex 8 flags 0x1 prio 6 handle 0x1 old-prio 0 old-handle 0x0",
			&ledger, NULL),
		0);
	assert_int_equal(ledger.count, 2);
	assert_int_equal(cv_ledger_find(&ledger, 7)->prio, 5);
	assert_string_equal(cv_ledger_find(&ledger, 8)->name, "eth1");
}

static void what_is_not_understood_is_left_out(void **unused)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"# dev eth0 ifindex 7 flags 0x1 prio 6 handle 0x1 old-prio 0 old-handle 0x0\n",
		"dev eth0 ifindex 7 flags 0x1 prio 6 handle 0x1 old-prio 0\n",
		"dev eth0 ifindex x flags 0x1 prio 6 handle 0x1 old-prio 0 old-handle 0x0\n",
		"dev a-name-that-is-too-long ifindex 7 flags 0x1 prio 6 handle 0x1 old-prio 0 old-handle 0x0\n",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		CV_CLEANUP(cv_ledger_fini) struct cv_ledger ledger = { 0 };

		assert_int_equal(cv_ledger_parse(texts[i], &ledger, NULL), 0);
		assert_int_equal(ledger.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_says_it_all),
		cmocka_unit_test(text_adds_only_what_is_not_known),
		cmocka_unit_test(what_is_not_understood_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
