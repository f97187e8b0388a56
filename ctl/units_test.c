/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of units.c: what is taken, at its boundaries too, how it is written, and that what is
 * written is read as the same. */
#include "units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

struct unit_case {
	const char *text;
	uint64_t value;
	const char *written;
};

static char *rate_text(uint64_t bits_ps)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	cv_put_rate(stream, bits_ps);
	assert_int_equal(cv_finish_file(&stream), 0);
	return CV_TAKE_PTR(text);
}

static char *size_text(uint32_t bytes)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	cv_put_size(stream, bytes);
	assert_int_equal(cv_finish_file(&stream), 0);
	return CV_TAKE_PTR(text);
}

/* The words and factors of tc, lib/utils_math.c of iproute2. */
static void rates_are_those_of_tc(void **state)
{
	static const struct unit_case cases[] = {
		{ "8", 8, "8bit" },
		{ "8bit", 8, "8bit" },
		{ "1000", 1000, "1kbit" },
		{ "1001", 1001, "1001bit" },
		{ "10mbit", 10000000, "10mbit" },
		{ "10Mbit", 10000000, "10mbit" },
		{ "1.5gbit", 1500000000, "1500mbit" },
		{ "0.064mbit", 64000, "64kbit" },
		{ "1tbit", 1000000000000, "1tbit" },
		{ "999999999999", 999999999999, "999999999999bit" },
		{ "1kibit", 1024, "1024bit" },
		{ "1mibit", 1048576, "1048576bit" },
		{ "1gibit", 1073741824, "1073741824bit" },
		{ "1bps", 8, "8bit" },
		{ "100kbps", 800000, "800kbit" },
		{ "2mbps", 16000000, "16mbit" },
		{ "1gbps", 8000000000, "8gbit" },
		{ "1kibps", 8192, "8192bit" },
		{ "1mibps", 8388608, "8388608bit" },
		{ "1gibps", 8589934592, "8589934592bit" },
		{ "0.125tbps", 1000000000000, "1tbit" },
		{ "8.4", 8, "8bit" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_FREE char *written = NULL;
		struct cv_err err;
		uint64_t value = 0;

		assert_int_equal(cv_arg_rate("police", cases[i].text, &value, &err), 0);
		assert_int_equal(value, cases[i].value);
		written = rate_text(value);
		assert_string_equal(written, cases[i].written);
		assert_int_equal(cv_arg_rate("police", written, &value, &err), 0);
		assert_int_equal(value, cases[i].value);
	}
}

static void sizes_are_those_of_tc(void **state)
{
	static const struct unit_case cases[] = {
		{ "1", 1, "1b" },
		{ "1500", 1500, "1500b" },
		{ "1500b", 1500, "1500b" },
		{ "32kb", 32768, "32kb" },
		{ "32k", 32768, "32kb" },
		{ "1.5k", 1536, "1536b" },
		{ "2m", 2097152, "2mb" },
		{ "2MB", 2097152, "2mb" },
		{ "1g", 1073741824, "1gb" },
		{ "3gb", 3221225472, "3gb" },
		{ "8kbit", 1024, "1kb" },
		{ "1mbit", 131072, "128kb" },
		{ "1gbit", 134217728, "128mb" },
		{ "4294967295", 4294967295, "4294967295b" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_FREE char *written = NULL;
		struct cv_err err;
		uint32_t value = 0;

		assert_int_equal(cv_arg_size("burst", cases[i].text, &value, &err), 0);
		assert_int_equal(value, cases[i].value);
		written = size_text(value);
		assert_string_equal(written, cases[i].written);
		assert_int_equal(cv_arg_size("burst", written, &value, &err), 0);
		assert_int_equal(value, cases[i].value);
	}
}

static void what_is_no_rate_is_refused(void **state)
{
	static const char *const texts[] = {
		"",	    "mbit",
		"-1mbit",   "+1mbit",
		"1 mbit",   " 1mbit",
		"1mbit ",   "1.2.3mbit",
		"1..2",	    ".5mbit",
		"1e6",	    "0x10",
		"inf",	    "nan",
		"0",	    "7",
		"0.9kb",    "1mb",
		"1kb",	    "1mbits",
		"1%",	    "1tbps",
		"1001gbit", "1xbit",
		"1,5mbit",  "99999999999999999999999",
		"0.1bit",
	};
	char message[128];
	struct cv_err err;
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		value = 5;
		assert_int_equal(cv_arg_rate("pace", texts[i], &value, &err), -EINVAL);
		assert_int_equal(value, 5);
		snprintf(message, sizeof(message), "pace \"%s\": not a rate from 8bit to 1tbit",
			 texts[i]);
		assert_string_equal(err.text, message);
		assert_int_equal(err.kind, CV_ERR_INPUT);
		assert_string_equal(
			err.hint,
			"a number with kbit, mbit or gbit, as 10mbit; with kbps, mbps or gbps it is bytes a second");
	}
	assert_int_equal(cv_arg_rate("pace", "7", &value, NULL), -EINVAL);
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const texts[] = { "",    "kb",   "-1",   "0",	  "0.4b", "4gb",
					     "1tb", "1kib", "1bps", "4294967296", "1e3",  "0x1" };
	char message[128];
	struct cv_err err;
	uint32_t value;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		value = 5;
		assert_int_equal(cv_arg_size("burst", texts[i], &value, &err), -EINVAL);
		assert_int_equal(value, 5);
		snprintf(message, sizeof(message),
			 "burst \"%s\": not a size from 1b to 4294967295b", texts[i]);
		assert_string_equal(err.text, message);
		assert_string_equal(err.hint, "a number of bytes, or one with kb or mb, as 32kb");
	}
	assert_int_equal(cv_arg_size("burst", "0", &value, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_those_of_tc),
		cmocka_unit_test(sizes_are_those_of_tc),
		cmocka_unit_test(what_is_no_rate_is_refused),
		cmocka_unit_test(what_is_no_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
