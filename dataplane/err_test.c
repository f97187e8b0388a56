/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of err.c: kinds and codes, what each function keeps and what it empties, long texts,
 * and that an error stays an error for a caller who wants no text.
 */
#include "err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct cv_place here = { .file = "f.yaml", .line = 3, .column = 7 };

/* An err in which every member says something. */
static struct cv_err full_err(void)
{
	struct cv_err err;

	cv_err_input(&err, "mtu \"x\": not a number");
	cv_err_hint(&err, "68 to 65535");
	cv_err_at(&err, &here);
	return err;
}

static void assert_place(const struct cv_err *err, const struct cv_place *place)
{
	assert_ptr_equal(err->place.file, place->file);
	assert_int_equal(err->place.line, place->line);
	assert_int_equal(err->place.column, place->column);
}

static void kind_follows_from_the_code(void **state)
{
	static const struct {
		int code;
		enum cv_err_kind kind;
	} cases[] = {
		{ -EPERM, CV_ERR_PERMISSION }, { -EACCES, CV_ERR_PERMISSION },
		{ -ENOENT, CV_ERR_FAILED },    { -EINVAL, CV_ERR_FAILED },
		{ -ENOMEM, CV_ERR_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_err err;

		assert_int_equal(cv_err_set(&err, cases[i].code, "dev %s: %d", "eth0", 5),
				 cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_int_equal(err.kind, cases[i].kind);
		assert_string_equal(err.text, "dev eth0: 5");
	}
}

static void input_is_einval_of_kind_input(void **state)
{
	struct cv_err err;

	(void)state;
	assert_int_equal(cv_err_input(&err, "ttl \"%s\"", "0"), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_string_equal(err.text, "ttl \"0\"");
}

static void new_error_empties_hint_and_place(void **state)
{
	static const struct cv_place nowhere = { 0 };
	struct cv_err err = full_err();

	(void)state;
	cv_err_set(&err, -ENOENT, "gone");
	assert_string_equal(err.hint, "");
	assert_place(&err, &nowhere);
	err = full_err();
	cv_err_input(&err, "wrong");
	assert_string_equal(err.hint, "");
	assert_place(&err, &nowhere);
}

static void hint_keeps_all_else_and_returns_the_code(void **state)
{
	struct cv_err err = full_err();

	(void)state;
	err.code = -ENOSPC;
	assert_int_equal(cv_err_hint(&err, "try %d", 9), -ENOSPC);
	assert_string_equal(err.hint, "try 9");
	assert_string_equal(err.text, "mtu \"x\": not a number");
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_place(&err, &here);
}

static void first_place_stays(void **state)
{
	static const struct cv_place other = { .file = "g.yaml", .line = 9, .column = 1 };
	struct cv_err err;

	(void)state;
	cv_err_set(&err, -EEXIST, "there already");
	assert_int_equal(cv_err_at(&err, &here), -EEXIST);
	assert_place(&err, &here);
	assert_int_equal(cv_err_at(&err, &other), -EEXIST);
	assert_place(&err, &here);
}

static void place_without_a_line_gives_way(void **state)
{
	static const struct cv_place file_only = { .file = "g.yaml" };
	struct cv_err err;

	(void)state;
	cv_err_set(&err, -EEXIST, "there already");
	cv_err_at(&err, &file_only);
	assert_place(&err, &file_only);
	cv_err_at(&err, &here);
	assert_place(&err, &here);
}

static void prefix_stands_in_front_and_keeps_all_else(void **state)
{
	struct cv_err err = full_err();

	(void)state;
	assert_int_equal(cv_err_prefix(&err, "tunnel %s", "blue"), -EINVAL);
	assert_string_equal(err.text, "tunnel blue: mtu \"x\": not a number");
	assert_string_equal(err.hint, "68 to 65535");
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_place(&err, &here);
}

static void long_texts_are_cut_and_terminated(void **state)
{
	char filler[2000];
	struct cv_err err;

	(void)state;
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	cv_err_set(&err, -EIO, "%s", filler);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	cv_err_hint(&err, "%s", filler);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
	cv_err_prefix(&err, "dev eth0");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "dev eth0: xxx", strlen("dev eth0: xxx"));
	cv_err_set(&err, -EIO, "short");
	cv_err_prefix(&err, "%s", filler);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(err.text[sizeof(err.text) - 2], 'x');
}

static void prefix_leaves_what_fits_exactly(void **state)
{
	char filler[2000];
	struct cv_err err;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	filler[sizeof(err.text) - 1 - strlen("a: ")] = '\0';
	cv_err_set(&err, -EIO, "%s", filler);
	cv_err_prefix(&err, "a");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "a: x", 4);
	assert_string_equal(err.text + 3, filler);
}

static void without_err_an_error_stays_an_error(void **state)
{
	(void)state;
	assert_int_equal(cv_err_set(NULL, -ENOENT, "gone"), -ENOENT);
	assert_int_equal(cv_err_set(NULL, -EPERM, "no"), -EPERM);
	assert_int_equal(cv_err_input(NULL, "wrong"), -EINVAL);
	assert_int_equal(cv_err_hint(NULL, "try"), -EINVAL);
	assert_int_equal(cv_err_at(NULL, &here), -EINVAL);
	assert_int_equal(cv_err_prefix(NULL, "dev eth0"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kind_follows_from_the_code),
		cmocka_unit_test(input_is_einval_of_kind_input),
		cmocka_unit_test(new_error_empties_hint_and_place),
		cmocka_unit_test(hint_keeps_all_else_and_returns_the_code),
		cmocka_unit_test(first_place_stays),
		cmocka_unit_test(place_without_a_line_gives_way),
		cmocka_unit_test(prefix_stands_in_front_and_keeps_all_else),
		cmocka_unit_test(long_texts_are_cut_and_terminated),
		cmocka_unit_test(prefix_leaves_what_fits_exactly),
		cmocka_unit_test(without_err_an_error_stays_an_error),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
