/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of siphash.c. The hashes are those that CPython 3.11, another SipHash-1-3, has for the
 * same bytes with PYTHONHASHSEED=0 (key 0) and 42.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "siphash.h"

static const uint64_t zero_key[2];
static const uint64_t seed_42[2] = { 0xdc504fd368cd90afULL, 0xb920bb9ffe99e9c1ULL };

static const struct {
	const char *text;
	uint64_t with_zero_key;
	uint64_t with_seed_42;
} vectors[] = {
	{ "a", 0x407448d2b89b1813ULL, 0xfe4a47335692551eULL },
	{ "/", 0x25582f928c81f862ULL, 0x10b3949e41362e05ULL },
	{ "1234567", 0xa33d651594fdae81ULL, 0xf426c87f0d9890aeULL },
	{ "12345678", 0x3489982430560a87ULL, 0x84eb586ab30cc7f5ULL },
	{ "123456789", 0x0fbc0f0007965fcfULL, 0x2cc2cece25c33444ULL },
	{ "system.slice", 0xdff0ecf6f6b00639ULL, 0xbe0877b4ddd5515bULL },
	{ "/usr/bin/curl", 0x746599506892039dULL, 0x061d4eb4b32f09b5ULL },
	{ "0123456789abcdef", 0x1d42b30f7e060c24ULL, 0xfb45b65d4dce0272ULL },
};

static void hashes_of_texts(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		size_t size = strlen(vectors[i].text);

		assert_int_equal(cv_siphash(zero_key, vectors[i].text, size),
				 vectors[i].with_zero_key);
		assert_int_equal(cv_siphash(seed_42, vectors[i].text, size),
				 vectors[i].with_seed_42);
	}
}

static void hash_of_a_long_text(void **unused)
{
	char text[255];

	(void)unused;
	memset(text, 'x', sizeof(text));
	assert_int_equal(cv_siphash(zero_key, text, sizeof(text)), 0x4bd34c40ef7d284bULL);
	assert_int_equal(cv_siphash(seed_42, text, sizeof(text)), 0x0ce58c22d01e4c1eULL);
}

/* Where the text stands in memory is nobody's business. */
static void hash_of_an_unaligned_text(void **unused)
{
	char text[] = "x/usr/bin/curl";

	(void)unused;
	assert_int_equal(cv_siphash(zero_key, text + 1, strlen(text + 1)), 0x746599506892039dULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_of_texts),
		cmocka_unit_test(hash_of_a_long_text),
		cmocka_unit_test(hash_of_an_unaligned_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
