/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of addr.c: text forms, equality, and containment against a model that compares bit by
 * bit, at every length of both families.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "culvert.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct cv_addr addr_of(const char *text)
{
	struct cv_addr addr = { .family = strchr(text, ':') ? 6 : 4 };

	assert_int_equal(inet_pton(addr.family == 4 ? AF_INET : AF_INET6, text, addr.bytes), 1);
	return addr;
}

static void addresses_have_their_usual_text(void **state)
{
	static const char *const texts[] = {
		"0.0.0.0",
		"192.0.2.1",
		"255.255.255.255",
		"::",
		"::1",
		"2001:db8::1",
		"2001:db8:1:2:3:4:5:6",
		"::ffff:192.0.2.1",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		struct cv_addr addr = addr_of(texts[i]);
		char buf[CV_PREFIX_TEXT];

		assert_ptr_equal(cv_addr_format(&addr, buf), buf);
		assert_string_equal(buf, texts[i]);
	}
}

static void every_byte_is_written(void **state)
{
	(void)state;
	for (unsigned int i = 0; i <= UINT8_MAX; i++) {
		struct cv_addr addr = { .family = 4, .bytes = { i, 255 - i, i, 1 } };
		char buf[CV_PREFIX_TEXT], expected[CV_PREFIX_TEXT];

		snprintf(expected, sizeof(expected), "%u.%u.%u.1", i, 255 - i, i);
		assert_string_equal(cv_addr_format(&addr, buf), expected);
	}
	for (unsigned int i = 1; i <= 128; i++) {
		struct cv_prefix prefix = { .addr.family = 6, .bits = i };
		char buf[CV_PREFIX_TEXT], expected[CV_PREFIX_TEXT];

		snprintf(expected, sizeof(expected), "::/%u", i);
		assert_string_equal(cv_prefix_format(&prefix, buf), expected);
	}
}

static void address_not_given_is_any(void **state)
{
	struct cv_addr addr = { 0 };
	char buf[CV_PREFIX_TEXT];

	(void)state;
	assert_string_equal(cv_addr_format(&addr, buf), "any");
}

static void prefixes_have_their_usual_text(void **state)
{
	static const struct {
		const char *addr;
		uint8_t bits;
		const char *expected;
	} cases[] = {
		{ "10.9.0.0", 16, "10.9.0.0/16" },
		{ "192.0.2.7", 32, "192.0.2.7/32" },
		{ "128.0.0.0", 1, "128.0.0.0/1" },
		{ "0.0.0.0", 0, "0.0.0.0/0" },
		{ "0.0.0.0", 1, "0.0.0.0/1" },
		{ "2001:db8::", 32, "2001:db8::/32" },
		{ "::", 0, "::/0" },
		{ "::1", 128, "::1/128" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128,
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_prefix prefix = { .addr = addr_of(cases[i].addr), .bits = cases[i].bits };
		char buf[CV_PREFIX_TEXT];

		assert_ptr_equal(cv_prefix_format(&prefix, buf), buf);
		assert_string_equal(buf, cases[i].expected);
	}
}

static void prefix_of_both_families_is_default(void **state)
{
	struct cv_prefix prefix = { 0 };
	char buf[CV_PREFIX_TEXT];

	(void)state;
	assert_string_equal(cv_prefix_format(&prefix, buf), "default");
}

static void hosts_have_unicast_addresses(void **state)
{
	static const char *const hosts[] = { "1.0.0.1", "223.255.255.255", "127.0.0.1", "::1",
					     "fe80::1" };
	static const char *const others[] = { "0.0.0.0", "224.0.0.1", "255.255.255.255",
					      "::", "ff02::1" };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(hosts); i++) {
		struct cv_addr host = addr_of(hosts[i]), other = addr_of(others[i]);

		assert_true(cv_addr_is_unicast(&host));
		assert_false(cv_addr_is_unicast(&other));
	}
}

static void equal_means_family_and_every_bit_of_it(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1", "0.0.0.0", "::" };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		for (size_t j = 0; j < CV_COUNT(texts); j++) {
			struct cv_addr a = addr_of(texts[i]), b = addr_of(texts[j]);

			assert_int_equal(cv_addr_equal(&a, &b), i == j);
		}
	for (unsigned int bit = 0; bit < 128; bit++) {
		struct cv_addr a = addr_of("2001:db8::1"), b = a;

		b.bytes[bit / 8] ^= 0x80 >> bit % 8;
		assert_false(cv_addr_equal(&a, &b));
		a.family = b.family = 4;
		assert_int_equal(cv_addr_equal(&a, &b), bit >= 32);
	}
}

static bool bit_of(const struct cv_addr *addr, unsigned int bit)
{
	return addr->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* The model. */
static bool naively_contains(const struct cv_prefix *prefix, const struct cv_addr *addr)
{
	if (!prefix->addr.family)
		return true;
	if (prefix->addr.family != addr->family)
		return false;
	for (unsigned int bit = 0; bit < prefix->bits; bit++)
		if (bit_of(&prefix->addr, bit) != bit_of(addr, bit))
			return false;
	return true;
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16 & 0x7fff;
}

static struct cv_addr random_addr(uint8_t family, unsigned int *seed)
{
	struct cv_addr addr = { .family = family };

	for (unsigned int i = 0; i < (family == 4 ? 4 : 16); i++)
		addr.bytes[i] = next_random(seed);
	return addr;
}

/* Addresses that part from the prefix at each bit in turn, those equal to it, and random ones. */
static void containment_is_that_of_the_model(uint8_t family)
{
	unsigned int max = family == 4 ? 32 : 128;
	unsigned int seed = family;

	for (int round = 0; round < 8; round++)
		for (unsigned int bits = 0; bits <= max; bits++) {
			struct cv_prefix prefix = { .addr = random_addr(family, &seed),
						    .bits = bits };
			struct cv_addr addr = prefix.addr, any = random_addr(family, &seed);

			assert_true(cv_prefix_contains(&prefix, &addr));
			assert_int_equal(cv_prefix_contains(&prefix, &any),
					 naively_contains(&prefix, &any));
			for (unsigned int flip = 0; flip < max; flip++) {
				addr.bytes[flip / 8] ^= 0x80 >> flip % 8;
				assert_int_equal(naively_contains(&prefix, &addr), flip >= bits);
				assert_int_equal(cv_prefix_contains(&prefix, &addr), flip >= bits);
				addr.bytes[flip / 8] ^= 0x80 >> flip % 8;
			}
		}
}

static void ipv4_prefixes_contain_what_the_model_says(void **state)
{
	(void)state;
	containment_is_that_of_the_model(4);
}

static void ipv6_prefixes_contain_what_the_model_says(void **state)
{
	(void)state;
	containment_is_that_of_the_model(6);
}

static void prefix_contains_nothing_of_the_other_family(void **state)
{
	struct cv_addr zeros4 = addr_of("0.0.0.0"), zeros6 = addr_of("::");

	(void)state;
	for (unsigned int bits = 0; bits <= 32; bits++) {
		struct cv_prefix four = { .addr = zeros4, .bits = bits };
		struct cv_prefix six = { .addr = zeros6, .bits = bits };

		assert_true(cv_prefix_contains(&four, &zeros4));
		assert_false(cv_prefix_contains(&four, &zeros6));
		assert_true(cv_prefix_contains(&six, &zeros6));
		assert_false(cv_prefix_contains(&six, &zeros4));
	}
}

static void default_contains_both_families(void **state)
{
	struct cv_addr four = addr_of("192.0.2.1"), six = addr_of("2001:db8::1");
	struct cv_prefix prefix = { 0 };

	(void)state;
	assert_true(cv_prefix_contains(&prefix, &four));
	assert_true(cv_prefix_contains(&prefix, &six));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_have_their_usual_text),
		cmocka_unit_test(every_byte_is_written),
		cmocka_unit_test(address_not_given_is_any),
		cmocka_unit_test(prefixes_have_their_usual_text),
		cmocka_unit_test(prefix_of_both_families_is_default),
		cmocka_unit_test(hosts_have_unicast_addresses),
		cmocka_unit_test(equal_means_family_and_every_bit_of_it),
		cmocka_unit_test(ipv4_prefixes_contain_what_the_model_says),
		cmocka_unit_test(ipv6_prefixes_contain_what_the_model_says),
		cmocka_unit_test(prefix_contains_nothing_of_the_other_family),
		cmocka_unit_test(default_contains_both_families),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
