/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1000000

static void nothing_happens_for_ever(void **state)
{
	struct cv_pace pace = { 0 };

	(void)state;
	assert_int_equal(cv_pace_wait_ms(&pace, NOW), -1);
	cv_pace_stir(&pace, CV_STIR_NONE, NOW);
	assert_int_equal(cv_pace_wait_ms(&pace, NOW), -1);
}

static void several_events_are_one_repair(void **state)
{
	struct cv_pace pace = { 0 };

	(void)state;
	for (int i = 0; i < 20; i++)
		cv_pace_stir(&pace, CV_STIR_URGENT, NOW + i);
	assert_int_equal(cv_pace_wait_ms(&pace, NOW + 19), 11);
	assert_int_equal(cv_pace_wait_ms(&pace, NOW + 30), 0);
	assert_int_equal(cv_pace_done(&pace, 3, NOW + 130), 0);
	assert_int_equal(cv_pace_wait_ms(&pace, NOW + 130), -1);
}

/* A router that learns routes all the time must not have us look all the time. */
static void what_is_for_nothing_comes_later_and_later(void **state)
{
	struct cv_pace pace = { 0 };
	int64_t now = NOW;
	int repairs = 0;

	(void)state;
	for (; now < NOW + 60000; now += 10) {
		cv_pace_stir(&pace, CV_STIR_CALM, now);
		if (cv_pace_wait_ms(&pace, now))
			continue;
		repairs++;
		cv_pace_done(&pace, 0, now);
	}
	assert_in_range(repairs, 8, 14);
	/* What is urgent is as fast as ever. */
	cv_pace_stir(&pace, CV_STIR_URGENT, now);
	assert_in_range(cv_pace_wait_ms(&pace, now), 0, 30);
	cv_pace_done(&pace, 1, now + 50);
	/* And it is remembered no longer than it lasts. */
	cv_pace_stir(&pace, CV_STIR_CALM, now + 60000);
	assert_int_equal(cv_pace_wait_ms(&pace, now + 60000), 30);
}

static void a_fight_is_bounded(void **state)
{
	struct cv_pace pace = { 0 };
	int repairs = 0, held_ms = 0;

	(void)state;
	for (int64_t now = NOW; now < NOW + 600000; now += 10) {
		cv_pace_stir(&pace, CV_STIR_URGENT, now);
		if (cv_pace_wait_ms(&pace, now))
			continue;
		repairs++;
		held_ms = cv_pace_done(&pace, 1, now);
		assert_int_equal(held_ms > 0, repairs > 5);
	}
	assert_in_range(repairs, 12, 25);
	assert_int_equal(held_ms, 60000);
	/* When the other one is gone, it is forgotten. */
	cv_pace_done(&pace, 0, NOW + 700000);
	cv_pace_stir(&pace, CV_STIR_URGENT, NOW + 800000);
	assert_int_equal(cv_pace_wait_ms(&pace, NOW + 800000), 30);
	assert_int_equal(cv_pace_done(&pace, 1, NOW + 800050), 0);
}

static void what_may_be_incomplete_is_looked_at_twice(void **state)
{
	struct cv_pace pace = { 0 };

	(void)state;
	cv_pace_stir(&pace, CV_STIR_LATE, NOW);
	assert_int_equal(cv_pace_wait_ms(&pace, NOW), 30);
	cv_pace_done(&pace, 0, NOW + 30);
	assert_int_equal(cv_pace_wait_ms(&pace, NOW + 30), 470);
	cv_pace_done(&pace, 0, NOW + 500);
	assert_int_equal(cv_pace_wait_ms(&pace, NOW + 500), -1);
}

static void different_things_are_no_fight(void **state)
{
	struct cv_pace pace = { 0 };
	int held_ms = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(cv_pace_done(&pace, 1 + i, NOW + 100 * i), 0);
	/* Two that take turns are one. */
	for (int i = 0; i < 20; i++)
		held_ms = cv_pace_done(&pace, 1000 + i % 2, NOW + 20000 + 100 * i);
	assert_true(held_ms > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_happens_for_ever),
		cmocka_unit_test(several_events_are_one_repair),
		cmocka_unit_test(what_is_for_nothing_comes_later_and_later),
		cmocka_unit_test(a_fight_is_bounded),
		cmocka_unit_test(different_things_are_no_fight),
		cmocka_unit_test(what_may_be_incomplete_is_looked_at_twice),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
