/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of exe.c, in a directory of their own. What asks the kernel is tested by scenarios. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "exe.h"
#include "own.h"

static char dir[PATH_MAX]; /* no part of it is a link */

static const char *below(const char *name)
{
	static char path[PATH_MAX + 256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	CV_FCLOSE FILE *file = fopen(below(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

/* real/{program,script,empty}, link -> real, real/other -> program, real/gone -> nothing */
static int set_up(void **unused)
{
	char name[] = "/tmp/culvert-exe-XXXXXX";

	(void)unused;
	if (!mkdtemp(name) || !realpath(name, dir))
		return -1;
	assert_int_equal(mkdir(below("real"), 0700), 0);
	assert_int_equal(symlink("real", below("link")), 0);
	assert_int_equal(symlink("program", below("real/other")), 0);
	assert_int_equal(symlink("nothing", below("real/gone")), 0);
	write_file("real/program", "abc");
	write_file("real/script", "#!/bin/sh\n");
	write_file("real/empty", "");
	assert_int_equal(mkfifo(below("real/fifo"), 0600), 0);
	return 0;
}

static int tear_down(void **unused)
{
	static const char *const names[] = { "real/program", "real/script", "real/empty",
					     "real/fifo",    "real/other",  "real/gone",
					     "link" };

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(below(names[i]));
	return rmdir(below("real")) || rmdir(dir);
}

/* ---- paths ---- */

static void paths_are_the_kernels(void **unused)
{
	static const struct {
		const char *given;
		const char *real;
	} cases[] = {
		{ "real/program", "real/program" },
		{ "link/program", "real/program" },
		{ "link/other", "real/program" },
		{ "link/../real//program", "real/program" },
		{ "link/missing", "real/missing" },
		{ "link/missing/below", "real/missing/below" },
		{ "link/gone", "real/gone" },
		{ "link/program/below", "real/program/below" },
		{ "link/pro*", "real/pro*" },
		{ "link/*/x", "real/*/x" },
		{ "link/missing/?", "real/missing/?" },
		{ "link?/x", "link?/x" },
		{ "link/[a-z]", "real/[a-z]" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CV_FREE char *real = NULL;

		assert_int_equal(cv_exe_path(below(cases[i].given), &real, NULL), 0);
		assert_string_equal(real, below(cases[i].real));
	}
}

static void the_root_has_no_slash_too_many(void **unused)
{
	static const char *const paths[] = { "/no such file", "/*", "/**/x", "/no such dir/x" };

	(void)unused;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		CV_FREE char *real = NULL;

		assert_int_equal(cv_exe_path(paths[i], &real, NULL), 0);
		assert_string_equal(real, paths[i]);
	}
}

static void links_in_a_circle_are_an_error(void **unused)
{
	CV_FREE char *real = NULL;
	struct cv_err err;

	(void)unused;
	assert_int_equal(symlink("circle", below("circle")), 0);
	assert_int_equal(cv_exe_path(below("circle"), &real, &err), -ELOOP);
	assert_non_null(strstr(err.text, "/circle: Too many levels of symbolic links"));
	assert_null(real);
	unlink(below("circle"));
}

/* ---- files ---- */

static void scripts_are_told_from_programs(void **unused)
{
	static const struct {
		const char *name;
		bool is_script;
	} cases[] = { { "real/program", false }, { "real/script", true }, { "real/empty", false } };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CV_CLEANUP(cv_exe_close) struct cv_exe exe = { .fd = -1 };

		assert_int_equal(cv_exe_open(&exe, below(cases[i].name), NULL), 0);
		assert_true(exe.fd >= 0);
		assert_int_equal(exe.is_script, cases[i].is_script);
	}
}

static void what_does_not_exist_is_no_error(void **unused)
{
	struct cv_exe exe;

	(void)unused;
	assert_int_equal(cv_exe_open(&exe, below("real/missing"), NULL), 0);
	assert_int_equal(exe.fd, -1);
	assert_int_equal(cv_exe_open(&exe, below("real/gone"), NULL), 0);
	assert_int_equal(exe.fd, -1);
	assert_int_equal(cv_exe_open(&exe, below("real/program/below"), NULL), 0);
	assert_int_equal(exe.fd, -1);
}

/* Opening a FIFO without a writer would wait for one. */
static void what_is_no_file_is_an_error(void **unused)
{
	static const char *const names[] = { "real", "real/fifo" };
	struct cv_exe exe;
	struct cv_err err;

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(cv_exe_open(&exe, below(names[i]), &err), -EINVAL);
		assert_int_equal(exe.fd, -1);
		assert_non_null(strstr(err.text, " is not a file"));
	}
}

/* FIPS 180-2, appendix B.1. */
static void contents_have_a_hash(void **unused)
{
	static const char sha256[] =
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	static const char upper[] =
		"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
	static const char other[] =
		"ca7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	CV_CLEANUP(cv_exe_close) struct cv_exe exe = { .fd = -1 };
	bool has = false;

	(void)unused;
	assert_int_equal(cv_exe_open(&exe, below("real/program"), NULL), 0);
	assert_int_equal(cv_exe_has_sha256(&exe, sha256, &has, NULL), 0);
	assert_true(has);
	has = false;
	assert_int_equal(cv_exe_has_sha256(&exe, upper, &has, NULL), 0);
	assert_true(has);
	assert_int_equal(cv_exe_has_sha256(&exe, other, &has, NULL), 0);
	assert_false(has);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_the_kernels),
		cmocka_unit_test(the_root_has_no_slash_too_many),
		cmocka_unit_test(links_in_a_circle_are_an_error),
		cmocka_unit_test(scripts_are_told_from_programs),
		cmocka_unit_test(what_does_not_exist_is_no_error),
		cmocka_unit_test(what_is_no_file_is_an_error),
		cmocka_unit_test(contents_have_a_hash),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
