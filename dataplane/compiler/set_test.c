/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of set.c: what is left of elements when they are sorted and merged, by hand at the ends of
 * both families, and for random elements against the plain definition: a value is in the set if an
 * element has it.
 */
#include "set.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static void free_set(struct cv_compiled_set *set)
{
	cv_compiled_set_fini(set);
}
#define CV_SET_FREE CV_CLEANUP(free_set)

static struct cv_prefix prefix_of(const char *text)
{
	struct cv_prefix prefix = { .addr.family = strchr(text, ':') ? 6 : 4 };
	char addr[64];
	unsigned int bits;

	assert_int_equal(sscanf(text, "%63[^/]/%u", addr, &bits), 2);
	assert_int_equal(
		inet_pton(prefix.addr.family == 4 ? AF_INET : AF_INET6, addr, prefix.addr.bytes),
		1);
	prefix.bits = bits;
	return prefix;
}

/* Adds prefixes with blanks between, or ranges N-M. */
static void add(struct cv_compiled_set *set, const char *text)
{
	CV_FREE char *copy = strdup(text);
	char *rest = copy, *part;

	while ((part = strsep(&rest, " "))) {
		struct cv_range range = { 0 };
		struct cv_prefix prefix;

		if (sscanf(part, "%u-%u", &range.min, &range.max) == 2) {
			assert_int_equal(cv_set_add_ranges(set, &(struct cv_ranges){ &range, 1 }),
					 0);
		} else if (*part) {
			prefix = prefix_of(part);
			assert_int_equal(
				cv_set_add_prefixes(set, &(struct cv_prefixes){ &prefix, 1 }), 0);
		}
	}
	cv_set_normalise(set);
}

/* The set as "MIN-MAX ..." in hexadecimal, numbers before addresses. */
static char *text_of(const struct cv_compiled_set *set)
{
	CV_FCLOSE FILE *stream = NULL;
	char *text = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < set->number_count; i++) {
		const struct cv_interval *interval = &set->numbers[i];

		assert_int_equal(interval->min[0] | interval->max[0], 0);
		fprintf(stream, "%s%lx-%lx", i ? " " : "", interval->min[1], interval->max[1]);
	}
	for (size_t i = 0; i < set->address_count; i++) {
		const struct cv_interval *interval = &set->addresses[i];

		fprintf(stream, "%s%lx:%lx-%lx:%lx", i || set->number_count ? " " : "",
			interval->min[0], interval->min[1], interval->max[0], interval->max[1]);
	}
	assert_int_equal(cv_finish_file(&stream), 0);
	return text;
}

static void elements_are_sorted_and_merged(void **unused)
{
	static const struct {
		const char *elements, *expected;
	} cases[] = {
		{ "", "" },
		{ "7-7", "7-7" },
		{ "0-0", "0-0" },
		{ "0-4294967295", "0-ffffffff" },
		{ "4294967295-4294967295", "ffffffff-ffffffff" },
		{ "5-6 1-2", "1-2 5-6" },
		{ "1-2 3-4", "1-4" },
		{ "3-4 1-2", "1-4" },
		{ "1-2 4-5", "1-2 4-5" },
		{ "1-9 3-4 2-10", "1-a" },
		{ "1-9 1-9", "1-9" },
		{ "1-9 9-9 10-10 12-12", "1-a c-c" },
		{ "4294967295-4294967295 0-0", "0-0 ffffffff-ffffffff" },
		{ "0-4294967295 4294967295-4294967295", "0-ffffffff" },
		{ "10.0.0.0/8", "a000000-affffff" },
		{ "10.0.0.0/8 10.7.0.0/16", "a000000-affffff" },
		{ "10.0.0.0/9 10.128.0.0/9", "a000000-affffff" },
		{ "0.0.0.0/0", "0-ffffffff" },
		{ "192.0.2.1/32 192.0.2.3/32", "c0000201-c0000201 c0000203-c0000203" },
		{ "255.255.255.255/32 0.0.0.0/1", "0-7fffffff ffffffff-ffffffff" },
		{ "::/0", "0:0-ffffffffffffffff:ffffffffffffffff" },
		{ "::/128", "0:0-0:0" },
		{ "::/1 8000::/1", "0:0-ffffffffffffffff:ffffffffffffffff" },
		{ "2001:db8::/32", "20010db800000000:0-20010db8ffffffff:ffffffffffffffff" },
		{ "2001:db8::/64 2001:db8:0:1::/64",
		  "20010db800000000:0-20010db800000001:ffffffffffffffff" },
		{ "2001:db8::/65 2001:db8:0:0:8000::/65",
		  "20010db800000000:0-20010db800000000:ffffffffffffffff" },
		{ "2001:db8::ffff:ffff:ffff:ffff/128 2001:db8:0:1::/128",
		  "20010db800000000:ffffffffffffffff-20010db800000001:0" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128 ::/128",
		  "0:0-0:0 ffffffffffffffff:ffffffffffffffff-ffffffffffffffff:ffffffffffffffff" },
		{ "fe80::/10 10.0.0.0/8", "a000000-affffff fe80000000000000:0-"
					  "febfffffffffffff:ffffffffffffffff" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_SET_FREE struct cv_compiled_set set = { 0 };
		CV_FREE char *text = NULL;

		add(&set, cases[i].elements);
		text = text_of(&set);
		if (strcmp(text, cases[i].expected) != 0)
			print_error("%s\n", cases[i].elements);
		assert_string_equal(text, cases[i].expected);
	}
}

static void order_and_repetition_do_not_count(void **unused)
{
	CV_SET_FREE struct cv_compiled_set a = { .name = "a" }, b = { .name = "b" };

	(void)unused;
	add(&a, "10.0.0.0/8 fe80::/10 192.0.2.0/24");
	add(&b, "192.0.2.0/24 10.0.0.0/8 10.0.0.0/8 fe80::/10");
	assert_true(cv_compiled_set_equal(&a, &b));
	add(&b, "192.0.3.0/32");
	assert_false(cv_compiled_set_equal(&a, &b));
}

/* ---- against the plain definition ---- */

static uint64_t seed = 20251121;

static uint64_t random_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Prefixes that are close together, so that they overlap and touch. */
static struct cv_prefix random_prefix(unsigned int spread)
{
	struct cv_prefix prefix = { .addr.family = random_bits() % 2 ? 4 : 6 };
	unsigned int all = prefix.addr.family == 4 ? 32 : 128;

	prefix.bits = all - random_bits() % spread;
	prefix.addr.bytes[0] = random_bits() % 4 ? 10 : random_bits() % 2 ? 0 : 255;
	for (unsigned int i = all / 8 - spread / 8; i < all / 8; i++)
		prefix.addr.bytes[i] = random_bits();
	for (unsigned int bit = prefix.bits; bit < all; bit++)
		prefix.addr.bytes[bit / 8] &= ~(0x80 >> bit % 8);
	return prefix;
}

static bool is_in_some(const struct cv_prefix *prefixes, size_t count, const struct cv_addr *addr)
{
	for (size_t i = 0; i < count; i++)
		if (cv_prefix_contains(&prefixes[i], addr))
			return true;
	return false;
}

static bool set_has(const struct cv_compiled_set *set, const struct cv_addr *addr)
{
	uint64_t halves[2] = { 0 };

	for (int i = 0; i < 16; i++)
		halves[i / 8] = halves[i / 8] << 8 | addr->bytes[i];
	return addr->family == 4 ? cv_set_has_number(set, halves[0] >> 32)
				 : cv_set_has_address(set, halves);
}

/* An address at or just beside one end of the prefix. */
static struct cv_addr address_near(const struct cv_prefix *prefix)
{
	struct cv_addr addr = prefix->addr;
	unsigned int all = addr.family == 4 ? 32 : 128;
	bool is_last = random_bits() % 2;
	int step = (int)(random_bits() % 3) - 1;

	for (unsigned int bit = prefix->bits; is_last && bit < all; bit++)
		addr.bytes[bit / 8] |= 0x80 >> bit % 8;
	for (unsigned int i = all / 8; step && i-- > 0;) {
		addr.bytes[i] += step;
		if (addr.bytes[i] != (step > 0 ? 0 : 0xff))
			break;
	}
	return addr;
}

static void random_prefixes_are_as_they_are_defined(void **unused)
{
	enum { ROUNDS = 300, MOST = 60, ASKED = 400 };
	struct cv_prefix prefixes[MOST];

	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		CV_SET_FREE struct cv_compiled_set set = { 0 };
		size_t count = 1 + random_bits() % MOST;
		int differences = 0;

		for (size_t i = 0; i < count; i++)
			prefixes[i] = random_prefix(8 + 8 * (round % 2));
		assert_int_equal(
			cv_set_add_prefixes(&set, &(struct cv_prefixes){ prefixes, count }), 0);
		cv_set_normalise(&set);
		for (int i = 0; i < ASKED; i++) {
			struct cv_addr addr = address_near(&prefixes[random_bits() % count]);

			differences += set_has(&set, &addr) != is_in_some(prefixes, count, &addr);
		}
		assert_int_equal(differences, 0);
		for (size_t i = 1; i < set.number_count; i++)
			assert_true(set.numbers[i].min[1] > set.numbers[i - 1].max[1] + 1);
	}
}

/* More than are sorted by comparisons, all bytes of addresses at random. */
static void many_prefixes_are_sorted_too(void **unused)
{
	enum { MANY = 40000 };
	CV_FREE struct cv_prefix *prefixes = calloc(MANY, sizeof(*prefixes));
	CV_SET_FREE struct cv_compiled_set set = { 0 };

	(void)unused;
	assert_non_null(prefixes);
	for (size_t i = 0; i < MANY; i++) {
		struct cv_prefix *prefix = &prefixes[i];

		prefix->addr.family = i % 2 ? 4 : 6;
		prefix->bits = i % 2 ? 24 + i % 3 * 4 : 64 + i % 3 * 32;
		for (unsigned int byte = 0; byte < prefix->bits / 8; byte++)
			prefix->addr.bytes[byte] = random_bits();
	}
	assert_int_equal(cv_set_add_prefixes(&set, &(struct cv_prefixes){ prefixes, MANY }), 0);
	cv_set_normalise(&set);
	assert_true(set.number_count > MANY / 3 && set.address_count > MANY / 3);
	for (size_t i = 1; i < set.number_count; i++)
		assert_true(set.numbers[i].min[1] > set.numbers[i - 1].max[1] + 1);
	for (size_t i = 1; i < set.address_count; i++)
		assert_true(set.addresses[i].min[0] > set.addresses[i - 1].max[0] ||
			    (set.addresses[i].min[0] == set.addresses[i - 1].max[0] &&
			     set.addresses[i].min[1] > set.addresses[i - 1].max[1]));
	for (size_t i = 0; i < MANY; i++)
		assert_true(set_has(&set, &prefixes[i].addr));
}

static void a_set_has_the_elements_of_its_file_too(void **unused)
{
	struct cv_prefix own = prefix_of("10.0.0.0/8"), of_file = prefix_of("11.0.0.0/8");
	struct cv_set_conf conf = {
		.name = "blocked",
		.prefixes = { &own, 1 },
		.is_file_read = true,
		.file_prefixes = { &of_file, 1 },
	};
	CV_SET_FREE struct cv_compiled_set set = { 0 };
	CV_FREE char *text = NULL;

	(void)unused;
	assert_int_equal(cv_set_compile(&set, &conf, NULL, NULL), 0);
	assert_string_equal(set.name, "blocked");
	text = text_of(&set);
	assert_string_equal(text, "a000000-bffffff");
}

static void a_file_that_was_not_read_leaves_the_set_as_it_is(void **unused)
{
	struct cv_prefix own = prefix_of("10.0.0.0/8");
	struct cv_set_conf conf = {
		.name = "blocked",
		.prefixes = { &own, 1 },
		.file = (char *)"/nowhere",
	};
	struct cv_compiled_set live[2] = { { .name = "other" }, { .name = "blocked" } };
	struct cv_rules kept = { .sets = live, .set_count = 2 }, none = { 0 };
	CV_SET_FREE struct cv_compiled_set set = { 0 };
	struct cv_err err;

	(void)unused;
	add(&live[1], "11.0.0.0/8 fe80::/10");
	assert_int_equal(cv_set_compile(&set, &conf, &kept, NULL), 0);
	assert_true(cv_compiled_set_equal(&set, &live[1]));
	cv_compiled_set_fini(&live[1]);
	cv_compiled_set_fini(&set);
	assert_int_equal(cv_set_compile(&set, &conf, &none, &err), -ENOENT);
	assert_string_equal(err.text,
			    "set blocked: what its file had is not in the kernel any more");
	assert_int_equal(cv_set_compile(&set, &conf, NULL, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_are_sorted_and_merged),
		cmocka_unit_test(order_and_repetition_do_not_count),
		cmocka_unit_test(random_prefixes_are_as_they_are_defined),
		cmocka_unit_test(many_prefixes_are_sorted_too),
		cmocka_unit_test(a_set_has_the_elements_of_its_file_too),
		cmocka_unit_test(a_file_that_was_not_read_leaves_the_set_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
