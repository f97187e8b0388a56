/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For tests of words: a state is written as a file, read, and written again. */
#ifndef CV_ROUND_TRIP_H
#define CV_ROUND_TRIP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "culvert.h"
#include "own.h"
#include "report.h"

/* Fails unless the state is written as expected, and so again after it was read. */
static inline void expect_round_trip(const struct cv_state *state, const char *expected)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_FREE char *text = cv_config_text(state);
	CV_FREE char *again = NULL;
	struct cv_state read;

	assert_string_equal(text, expected);
	cv_state_init(&read);
	assert_int_equal(cv_report_new(&report, stderr, false), 0);
	assert_int_equal(cv_config_parse(&read, "f", text, strlen(text), report), 0);
	again = cv_config_text(&read);
	assert_string_equal(again, text);
	cv_state_fini(&read);
}

#endif
