/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The record of a change that is to be confirmed: what is read is what was written, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confirm.h"
#include "text.h"

static char dir[] = "/tmp/culvert-confirm-XXXXXX";
static struct cv_instance inst = { .netns_cookie = 7 };

static int make_dir(void **state)
{
	(void)state;
	inst.options.state_dir = mkdtemp(dir);
	return inst.options.state_dir ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void is_read_back(void **state)
{
	struct cv_pending pending = { .seconds = 60,
				      .by = "somebody",
				      .command = "apply a b.yaml" };
	struct cv_pending found;
	char *former = NULL;
	struct cv_err err;

	(void)state;
	assert_int_equal(0, cv_pending_get(&inst, &found, NULL));
	assert_int_equal(cv_pending_begin(&inst, &pending, "rules: {}\n", &err), 0);
	assert_int_equal(1, cv_pending_get(&inst, &found, NULL));
	assert_memory_equal(&found, &pending, sizeof(found));
	assert_in_range(cv_pending_seconds_left(&found), 59, 60);
	assert_int_equal(cv_pending_former(&inst, &former, &err), 0);
	assert_string_equal(former, "rules: {}\n");
	free(former);
	assert_int_equal(cv_pending_end(&inst, &err), 0);
	assert_int_equal(0, cv_pending_get(&inst, &found, NULL));
	assert_int_equal(cv_pending_end(&inst, &err), 0);
}

static void texts_cannot_add_lines(void **state)
{
	struct cv_pending pending = { .seconds = 60, .by = "a\nb", .command = "apply x\n\nfailed" };
	struct cv_pending found;
	struct cv_err err;

	(void)state;
	assert_int_equal(cv_pending_begin(&inst, &pending, "", &err), 0);
	assert_int_equal(1, cv_pending_get(&inst, &found, NULL));
	assert_string_equal(found.by, "a b");
	assert_string_equal(found.command, "apply x  failed");
	assert_string_equal(found.failed, "");
	assert_int_equal(cv_pending_fail(&inst, "dev d0:\ngone", &err), 0);
	assert_int_equal(1, cv_pending_get(&inst, &found, NULL));
	assert_string_equal(found.failed, "dev d0: gone");
	assert_int_equal(cv_pending_seconds_left(&found), 0);
	assert_int_equal(cv_pending_end(&inst, &err), 0);
}

static void put(FILE *file, const void *arg)
{
	fputs(arg, file);
}

static void of_another_run_of_the_machine_there_is_none(void **state)
{
	struct cv_pending pending = { .seconds = 60, .by = "a", .command = "b" }, found;
	static const char *const texts[] = {
		"00000000-0000-0000-0000-000000000000 1 9000000000000000 60\na\nb\n\n",
		"",
		"\n\n\n\n",
		"x",
		"1 2 3",
	};
	char path[PATH_MAX];
	struct cv_err err;

	(void)state;
	assert_int_equal(cv_pending_begin(&inst, &pending, "", &err), 0);
	assert_int_equal(cv_confirm_path(&inst, "pending", path, &err), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(cv_text_write(path, put, texts[i], &err), 0);
		assert_int_equal(0, cv_pending_get(&inst, &found, NULL));
	}
	assert_int_equal(cv_pending_end(&inst, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_read_back),
		cmocka_unit_test(texts_cannot_add_lines),
		cmocka_unit_test(of_another_run_of_the_machine_there_is_none),
	};

	return cmocka_run_group_tests_name("confirm", tests, make_dir, remove_dir);
}
