/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static char dir[] = "/tmp/culvert_path_test.XXXXXX";
static char loop[64], file[64], below[80];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(loop, sizeof(loop), "%s/loop", dir);
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(below, sizeof(below), "%s/below", file);
	return symlink("loop", loop) || close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static int remove_dir(void **state)
{
	(void)state;
	return unlink(loop) || unlink(file) || rmdir(dir);
}

static void only_what_the_kernel_says_is_absent(void **state)
{
	char none[64];

	(void)state;
	snprintf(none, sizeof(none), "%s/none", dir);
	assert_true(cv_path_is_absent(none));
	assert_true(cv_path_is_absent(below));
	assert_false(cv_path_is_absent(file));
	assert_false(cv_path_is_absent(loop)); /* ELOOP: it cannot be told */
}

static void a_directory_that_is_not_there_is_no_failure(void **state)
{
	int rc = 1;

	(void)state;
	assert_null(cv_dir_open(below, &rc));
	assert_int_equal(rc, 0);
	assert_null(cv_dir_next(NULL, &rc));
	assert_int_equal(rc, 0);
}

static void one_that_cannot_be_opened_is(void **state)
{
	int rc = 1;

	(void)state;
	assert_null(cv_dir_open(loop, &rc));
	assert_int_equal(rc, -ELOOP);
	assert_null(cv_dir_next(NULL, &rc));
	assert_int_equal(rc, -ELOOP);
}

static void entries_come_without_the_two_that_all_have(void **state)
{
	int rc = 1, count = 0;
	DIR *found = cv_dir_open(dir, &rc);
	struct dirent *entry;

	(void)state;
	assert_non_null(found);
	assert_int_equal(rc, 0);
	while ((entry = cv_dir_next(found, &rc))) {
		assert_true(!strcmp(entry->d_name, "loop") || !strcmp(entry->d_name, "file"));
		count++;
	}
	assert_int_equal(count, 2);
	assert_int_equal(rc, 0);
	closedir(found);
}

static void an_end_that_is_none_is_told(void **state)
{
	int rc = 0;
	DIR *found = cv_dir_open(dir, &rc);

	(void)state;
	assert_non_null(found);
	/* Behind the stream's back. */
	close(dirfd(found));
	assert_null(cv_dir_next(found, &rc));
	assert_int_equal(rc, -EBADF);
	closedir(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_kernel_says_is_absent),
		cmocka_unit_test(a_directory_that_is_not_there_is_no_failure),
		cmocka_unit_test(one_that_cannot_be_opened_is),
		cmocka_unit_test(entries_come_without_the_two_that_all_have),
		cmocka_unit_test(an_end_that_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
