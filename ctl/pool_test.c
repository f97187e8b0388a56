/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of pool.c: pieces of all sizes stay apart, a reset gives their memory to new ones. */
#include "pool.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void pieces_stay_apart(void **state)
{
	unsigned char *pieces[200];
	struct cv_pool pool = { 0 };

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		pieces[i] = cv_pool_take(&pool, i * i);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		memset(pieces[i], (int)i, i * i);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t j = 0; j < i * i; j++)
			assert_int_equal(pieces[i][j], i);
	cv_pool_free(&pool);
}

static void a_reset_gives_the_same_memory_again(void **state)
{
	struct cv_pool pool = { 0 };
	void *first;

	(void)state;
	cv_pool_reset(&pool);
	assert_non_null(cv_pool_take(&pool, 100000));
	first = cv_pool_take(&pool, 1);
	cv_pool_reset(&pool);
	assert_ptr_equal(cv_pool_take(&pool, 1), first);
	cv_pool_free(&pool);
	cv_pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_stay_apart),
		cmocka_unit_test(a_reset_gives_the_same_memory_again),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
