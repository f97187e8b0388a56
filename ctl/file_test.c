/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of file.c: files are read whole, up to a limit, and what cannot be read is told. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ---- pipes ---- */

/* A FIFO, removed at the end of the test. */
static void make_fifo(char name[])
{
	close(mkstemp(name));
	assert_int_equal(unlink(name), 0);
	assert_int_equal(mkfifo(name, 0600), 0);
}

static void a_fifo_that_nobody_writes_to_is_refused(void **state)
{
	char name[] = "/tmp/culvert-file-XXXXXX";
	char *text = NULL;
	struct cv_err err;
	size_t len;

	(void)state;
	make_fifo(name);
	assert_int_equal(read_file(name, &text, &len, &err), -EPIPE);
	unlink(name);
	assert_non_null(strstr(err.text, ": a pipe from which nothing comes"));
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_null(text);
}

/* Writes a part, and the other one when the reader has waited for it. */
static void write_slowly(int fd)
{
	ssize_t rc = write(fd, "one ", 4);

	usleep(50000);
	rc += write(fd, "two", 3);
	_exit(rc != 7);
}

static void expect_pipe_read(const char *name, int fd, const char *expected)
{
	char *text CV_FREE = NULL;
	int status;
	size_t len;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		write_slowly(fd);
	close(fd);
	assert_int_equal(read_file(name, &text, &len, NULL), 0);
	assert_string_equal(text, expected);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_pipe_is_read_to_its_end(void **state)
{
	char fifo[] = "/tmp/culvert-file-XXXXXX", name[64];
	int ends[2], fd;

	(void)state;
	make_fifo(fifo);
	fd = open(fifo, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	expect_pipe_read(fifo, fd, "one two");
	unlink(fifo);
	/* As the shell's <(...) has it. */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	snprintf(name, sizeof(name), "/dev/fd/%d", ends[0]);
	expect_pipe_read(name, ends[1], "one two");
	close(ends[0]);
}

/* What was written before it was opened, by somebody who is gone. */
static void what_is_left_in_a_pipe_is_read(void **state)
{
	char *text CV_FREE = NULL;
	char name[64];
	int ends[2];
	size_t len;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "text", 4), 4);
	close(ends[1]);
	snprintf(name, sizeof(name), "/dev/fd/%d", ends[0]);
	assert_int_equal(read_file(name, &text, &len, NULL), 0);
	assert_string_equal(text, "text");
	close(ends[0]);
}

/* Of no known size, and longer than the room at first. */
static void other_files_are_read_whole(void **state)
{
	char *text CV_FREE = NULL;
	struct cv_err err;
	size_t len;

	(void)state;
	assert_int_equal(cv_file_read("file", "/proc/self/smaps", 10000000, &text, &len, &err), 0);
	assert_true(len > 0);
	assert_int_equal(strlen(text), len);
	assert_int_equal(text[len - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unreadable_files_are_input_errors),
		cmocka_unit_test(a_stream_without_end_is_read_up_to_the_limit),
		cmocka_unit_test(files_are_read_whole),
		cmocka_unit_test(a_fifo_that_nobody_writes_to_is_refused),
		cmocka_unit_test(a_pipe_is_read_to_its_end),
		cmocka_unit_test(what_is_left_in_a_pipe_is_read),
		cmocka_unit_test(other_files_are_read_whole),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
