/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char dir[] = "/tmp/culvert_text_test.XXXXXX";
static char path[64], next[80];

static void put(FILE *file, const void *arg)
{
	fputs(arg, file);
}

static void expect_text(const char *wanted)
{
	struct cv_err err;
	char *text;

	assert_int_equal(cv_text_read(path, &text, &err), 0);
	assert_string_equal(text, wanted);
	free(text);
}

static void is_replaced(void **state)
{
	struct cv_err err;

	(void)state;
	expect_text("");
	assert_int_equal(cv_text_write(path, put, "one", &err), 0);
	assert_int_equal(cv_text_write(path, put, "two", &err), 0);
	expect_text("two");
	assert_int_not_equal(access(next, F_OK), 0);
	assert_int_equal(unlink(path), 0);
}

static void a_failed_write_leaves_nothing(void **state)
{
	struct cv_err err;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0); /* no file can take its place */
	assert_int_equal(cv_text_write(path, put, "one", &err), -EISDIR);
	assert_int_not_equal(access(next, F_OK), 0);
	assert_int_equal(rmdir(path), 0);
}

static void what_a_dead_writer_left_goes(void **state)
{
	struct cv_err err;
	FILE *file;

	(void)state;
	assert_int_equal(cv_text_write(path, put, "one", &err), 0);
	file = fopen(next, "w");
	assert_non_null(file);
	fclose(file);
	cv_text_tidy(path);
	assert_int_not_equal(access(next, F_OK), 0);
	expect_text("one");
	assert_int_equal(unlink(path), 0);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/text", dir);
	snprintf(next, sizeof(next), "%s.next", path);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_replaced),
		cmocka_unit_test(a_failed_write_leaves_nothing),
		cmocka_unit_test(what_a_dead_writer_left_goes),
	};

	return cmocka_run_group_tests_name("text", tests, make_dir, remove_dir);
}
