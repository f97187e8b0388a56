/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of file.c: files are read whole, up to a limit, and what cannot be read is told. */
#include "file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define LIMIT 100000

static int read_file(const char *file, char **text, size_t *len, struct cv_err *err)
{
	return cv_file_read("file", file, LIMIT, text, len, err);
}

static void unreadable_files_are_input_errors(void **state)
{
	struct cv_err err;
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(read_file("/nonexistent/f", &text, &len, &err), -ENOENT);
	assert_string_equal(err.text, "file /nonexistent/f: No such file or directory");
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_int_equal(read_file("/", &text, &len, &err), -EISDIR);
	assert_null(text);
}

static void a_stream_without_end_is_read_up_to_the_limit(void **state)
{
	struct cv_err err;
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(read_file("/dev/zero", &text, &len, &err), -EFBIG);
	assert_string_equal(err.text, "file /dev/zero: larger than 100000 bytes");
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_null(text);
}

static void assert_reads(size_t size, size_t limit, int expected)
{
	char name[] = "/tmp/culvert-file-XXXXXX";
	int fd CV_CLOSE = mkstemp(name);
	char *text CV_FREE = NULL;
	size_t len = 0;
	int rc;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	rc = cv_file_read("file", name, limit, &text, &len, NULL);
	unlink(name);
	assert_int_equal(rc, expected);
	if (expected < 0)
		return;
	assert_int_equal(len, size);
	assert_int_equal(text[len], '\0');
}

static void files_are_read_whole(void **state)
{
	(void)state;
	assert_reads(0, LIMIT, 0);
	assert_reads(65536, LIMIT, 0);
	assert_reads(LIMIT, LIMIT, 0);
	assert_reads(LIMIT + 1, LIMIT, -EFBIG);
	assert_reads((size_t)1 << 40, LIMIT, -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unreadable_files_are_input_errors),
		cmocka_unit_test(a_stream_without_end_is_read_up_to_the_limit),
		cmocka_unit_test(files_are_read_whole),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
