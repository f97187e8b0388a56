/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of set_image.c: sets that are written to an image are read back as they were, and the trees
 * say of every value near an end what the set says, walked as abi.h describes them. Then changes in
 * place: each generation meets its own sets.
 */
#include "set_image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"
#include "set.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct cv_arena arena;

static int make_arena(void **unused)
{
	struct cv_arena_source source = cv_arena_heap();

	(void)unused;
	cv_arena_init(&arena, &source);
	return 0;
}

static int free_arena(void **unused)
{
	(void)unused;
	cv_arena_heap_fini(&arena);
	return 0;
}

static uint64_t seed = 20251121;

static uint64_t random_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* ---- a walk, as a program does it ---- */

/* Cell of the set of that number that packets of a generation meet, by the words of abi.h alone. */
static const struct cv_set *set_at(uint32_t number, uint32_t generation)
{
	const struct cv_set_slot *slots =
		cv_arena_at(&arena, cv_arena_image(&arena)->sets + (number - 1) / CV_SET_SLOTS);
	uint64_t word = slots[(number - 1) % CV_SET_SLOTS].word;
	uint32_t from = CV_SET_SLOT_FROM(word);
	uint32_t root =
		from && generation >= from ? CV_SET_SLOT_NEXT(word) : CV_SET_SLOT_ROOT(word);

	return root ? cv_arena_at(&arena, root) : NULL;
}

static bool has_number(const struct cv_set_tree *tree, uint32_t number)
{
	uint32_t below = 0, node = 0;

	for (int level = 0; level < CV_SET_LEVELS && tree->levels[level]; level++) {
		const uint32_t *keys = cv_arena_at(&arena, tree->levels[level] + 2 * node);

		assert_int_equal(tree->levels[level] % 2, 0);
		for (below = 0; below < CV_SET_NUMBERS && keys[below] < number; below++)
			;
		node = node * (CV_SET_NUMBERS + 1) + below;
	}
	return (below & 1) != !!(tree->keys & CV_SET_FROM_ZERO);
}

static bool has_address(const struct cv_set *set, const uint64_t address[2])
{
	uint32_t below = 0, node = 0;

	for (int level = 0; level < CV_SET_LEVELS && set->highs.levels[level]; level++) {
		const uint64_t *highs = cv_arena_at(&arena, set->highs.levels[level] + 2 * node);
		const uint64_t *lows = NULL;

		if (set->lows.keys)
			lows = cv_arena_at(&arena, set->lows.levels[level] + 2 * node);
		for (below = 0; below < CV_SET_HALVES; below++)
			if (highs[below] > address[0] ||
			    (highs[below] == address[0] && (!lows || lows[below] >= address[1])))
				break;
		node = node * (CV_SET_HALVES + 1) + below;
	}
	return (below & 1) != !!(set->highs.keys & CV_SET_FROM_ZERO);
}

/* Asks for the ends of every interval and what is beside them, up to a number of intervals. */
static void assert_walked(const struct cv_set *image, const struct cv_compiled_set *set)
{
	size_t step = 1 + set->number_count / 20000, wrong = 0;

	for (size_t i = 0; i < set->number_count; i += step)
		for (int beside = -1; beside < 2; beside++) {
			uint32_t first = set->numbers[i].min[1] + beside;
			uint32_t last = set->numbers[i].max[1] + beside;

			wrong +=
				has_number(&image->numbers, first) != cv_set_has_number(set, first);
			wrong += has_number(&image->numbers, last) != cv_set_has_number(set, last);
		}
	step = 1 + set->address_count / 20000;
	for (size_t i = 0; i < set->address_count; i += step)
		for (int beside = -1; beside < 2; beside++) {
			const struct cv_interval *interval = &set->addresses[i];
			uint64_t first[2] = { interval->min[0], interval->min[1] + beside };
			uint64_t last[2] = { interval->max[0], interval->max[1] + beside };
			uint64_t other[2] = { interval->max[0] + beside, random_bits() };

			wrong += has_address(image, first) != cv_set_has_address(set, first);
			wrong += has_address(image, last) != cv_set_has_address(set, last);
			wrong += has_address(image, other) != cv_set_has_address(set, other);
		}
	assert_int_equal(wrong, 0);
	for (uint64_t value = 0; value < 3; value++) {
		assert_int_equal(has_number(&image->numbers, value), cv_set_has_number(set, value));
		assert_int_equal(has_number(&image->numbers, -value - 1),
				 cv_set_has_number(set, -value - 1));
	}
}

/* ---- there and back ---- */

/* Writes one set as the only one, reads it back, and walks it. */
static void assert_kept(struct cv_compiled_set *set)
{
	struct cv_rules rules = { .sets = set, .set_count = 1 }, back = { 0 };

	assert_int_equal(cv_sets_write(&arena, &rules, NULL), 0);
	assert_int_equal(cv_sets_read(&arena, 1, &back, NULL), 0);
	assert_int_equal(back.set_count, 1);
	assert_string_equal(back.sets[0].name, set->name);
	assert_true(cv_compiled_set_equal(&back.sets[0], set));
	cv_rules_fini(&back);
	assert_walked(set_at(1, 1), set);
}

static void ends_of_both_families(void **unused)
{
	static const struct cv_interval number_cases[][3] = {
		{ { { 0, 7 }, { 0, 7 } } },
		{ { { 0, 0 }, { 0, 0 } } },
		{ { { 0, 0 }, { 0, UINT32_MAX } } },
		{ { { 0, UINT32_MAX }, { 0, UINT32_MAX } } },
		{ { { 0, 0 }, { 0, 5 } },
		  { { 0, 9 }, { 0, 9 } },
		  { { 0, 11 }, { 0, UINT32_MAX } } },
	};
	static const struct cv_interval address_cases[][3] = {
		{ { { 0, 0 }, { 0, 0 } } },
		{ { { 0, 0 }, { UINT64_MAX, UINT64_MAX } } },
		{ { { UINT64_MAX, UINT64_MAX }, { UINT64_MAX, UINT64_MAX } } },
		{ { { UINT64_MAX, 0 }, { UINT64_MAX, 5 } } },
		{ { { 5, 0 }, { 5, UINT64_MAX } } },
		{ { { 0, 0 }, { 5, UINT64_MAX } }, { { 7, 0 }, { 8, UINT64_MAX } } },
		{ { { 5, 0 }, { 5, 0 } }, { { 5, 2 }, { 5, 2 } }, { { 5, 4 }, { 6, 0 } } },
		{ { { 0, UINT64_MAX }, { 1, 0 } }, { { 1, UINT64_MAX }, { 2, 3 } } },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(number_cases) + CV_COUNT(address_cases); i++) {
		bool is_number = i < CV_COUNT(number_cases);
		struct cv_interval copy[3];
		struct cv_compiled_set set = { .name = "ends" };
		size_t count = 1;

		memcpy(copy,
		       is_number ? number_cases[i] : address_cases[i - CV_COUNT(number_cases)],
		       sizeof(copy));
		while (count < 3 && (copy[count].max[0] || copy[count].max[1]))
			count++;
		if (is_number)
			set = (struct cv_compiled_set){ "ends", copy, count, NULL, 0, false };
		else
			set = (struct cv_compiled_set){ "ends", NULL, 0, copy, count, false };
		assert_kept(&set);
	}
}

static void an_empty_set_has_nothing(void **unused)
{
	struct cv_compiled_set set = { .name = "empty" };

	(void)unused;
	assert_kept(&set);
	assert_false(has_number(&set_at(1, 1)->numbers, 0));
	assert_false(has_address(set_at(1, 1), (uint64_t[2]){ 0, 0 }));
}

/* Single values, two apart: as many keys as 2 * count. */
static void fill(struct cv_compiled_set *set, size_t numbers, size_t addresses, bool has_lows)
{
	set->numbers = calloc(numbers + 1, sizeof(*set->numbers));
	set->addresses = calloc(addresses + 1, sizeof(*set->addresses));
	assert_true(set->numbers && set->addresses);
	for (size_t i = 0; i < numbers; i++) {
		set->numbers[i].min[1] = 1 + 4 * i + random_bits() % 2;
		set->numbers[i].max[1] = 2 + 4 * i;
	}
	for (size_t i = 0; i < addresses; i++) {
		uint64_t high = 0x2001000000000000 + i * (has_lows ? 1 : 0x10002);

		set->addresses[i] = (struct cv_interval){
			.min = { high, has_lows ? random_bits() % 100 : 0 },
			.max = { high, has_lows ? 100 + random_bits() % 100 : UINT64_MAX },
		};
	}
	set->number_count = numbers;
	set->address_count = addresses;
}

static void every_size_around_that_of_a_node(void **unused)
{
	/* In keys: up to two nodes of leaves each, then one short of and one more than a full tree of
	 * two and three levels. */
	(void)unused;
	for (size_t count = 1; count < 5000; count += count < 40 ? 1 : count / 40 * 3 + 1) {
		struct cv_compiled_set set = { .name = "sized" };

		fill(&set, count, count, count % 2);
		assert_kept(&set);
		cv_compiled_set_fini(&set);
	}
	for (size_t power = CV_SET_NUMBERS; power < 90000; power *= CV_SET_NUMBERS + 1)
		for (size_t count = power / 2 - 1; count <= power / 2 + 1; count++) {
			struct cv_compiled_set set = { .name = "sized" };

			fill(&set, count, 0, false);
			assert_kept(&set);
			cv_compiled_set_fini(&set);
		}
}

static void a_million_of_each_family(void **unused)
{
	struct cv_compiled_set set = { .name = "large" };

	(void)unused;
	fill(&set, CV_SET_ELEMENTS_MAX, 0, false);
	assert_kept(&set);
	cv_compiled_set_fini(&set);
	fill(&set, 0, CV_SET_ELEMENTS_MAX, true);
	assert_kept(&set);
	cv_compiled_set_fini(&set);
}

static void random_prefixes(void **unused)
{
	enum { MOST = 200000 };
	CV_FREE struct cv_prefix *prefixes = calloc(MOST, sizeof(*prefixes));

	(void)unused;
	assert_non_null(prefixes);
	for (size_t count = 3; count <= MOST; count *= 7) {
		struct cv_compiled_set set = { .name = "random" };

		for (size_t i = 0; i < count; i++) {
			struct cv_prefix *prefix = &prefixes[i];
			unsigned int all = i % 2 ? 128 : 32;

			*prefix = (struct cv_prefix){ .addr.family = i % 2 ? 6 : 4 };
			prefix->bits = i % 64 < 2 ? 0 : 1 + random_bits() % all;
			prefix->bits = count > 100 && prefix->bits < all / 4 ? all : prefix->bits;
			for (unsigned int bit = 0; bit < prefix->bits; bit++)
				if (random_bits() & 1)
					prefix->addr.bytes[bit / 8] |= 0x80 >> bit % 8;
		}
		assert_int_equal(
			cv_set_add_prefixes(&set, &(struct cv_prefixes){ prefixes, count }), 0);
		cv_set_normalise(&set);
		assert_kept(&set);
		cv_compiled_set_fini(&set);
	}
}

/* ---- changes in place ---- */

static int settled;

static void settle(void *arg)
{
	(void)arg;
	settled++;
}

#define MAX_SETS 12
static struct cv_interval wanted_intervals[MAX_SETS];
static struct cv_compiled_set wanted[MAX_SETS];
static uint16_t numbers[MAX_SETS];

/* Wants sets "NAME=VALUE ...", each of one number; without a name: "=VALUE". */
static struct cv_rules want(const char *text)
{
	struct cv_rules rules = { .sets = wanted };
	CV_FREE char *copy = strdup(text);
	char *rest = copy, *part;

	while ((part = strsep(&rest, " "))) {
		struct cv_compiled_set *set = &wanted[rules.set_count];
		char *value = strchr(part, '=');

		if (!value)
			continue;
		*value++ = '\0';
		*set = (struct cv_compiled_set){ .numbers = &wanted_intervals[rules.set_count],
						 .number_count = 1 };
		snprintf(set->name, sizeof(set->name), "%s", part);
		set->numbers->min[1] = set->numbers->max[1] = strtoul(value, NULL, 10);
		rules.set_count++;
	}
	return rules;
}

/* What the sets of the image are in a generation, as want() has them; '-' for a number that is free. */
static void assert_sets(uint16_t generation, const char *expected)
{
	char text[256] = "";
	struct cv_rules rules = { 0 };
	size_t used = 0;

	assert_int_equal(cv_sets_read(&arena, generation, &rules, NULL), 0);
	for (size_t i = 0; i < rules.set_count; i++) {
		const struct cv_compiled_set *set = &rules.sets[i];

		used += snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", set->name);
		if (set->number_count)
			used += snprintf(text + used, sizeof(text) - used, "=%lu",
					 set->numbers[0].min[1]);
		else
			used += snprintf(text + used, sizeof(text) - used, "-");
		assert_int_equal(!set_at(i + 1, generation), !set->number_count);
	}
	cv_rules_fini(&rules);
	assert_string_equal(text, expected);
}

static void change(uint16_t generation, const char *text)
{
	struct cv_rules rules = want(text);

	assert_int_equal(cv_sets_change(&arena, generation, &rules, numbers), 0);
}

static void each_generation_meets_its_sets(void **unused)
{
	struct cv_rules rules = want("a=1 b=2");
	uint32_t garbage;

	(void)unused;
	arena.source.settle = settle;
	settled = 0;
	assert_int_equal(cv_sets_write(&arena, &rules, NULL), 0);
	change(1, "b=2 a=3");
	assert_int_equal(numbers[0], 2);
	assert_int_equal(numbers[1], 1);
	assert_sets(1, "a=1 b=2");
	assert_sets(2, "a=3 b=2");
	garbage = cv_arena_image(&arena)->garbage_cells;
	assert_true(garbage);

	change(2, "a=3 b=2");
	assert_int_equal(cv_arena_image(&arena)->garbage_cells, garbage);
	assert_int_equal(settled, 0); /* nothing was forgotten */
	change(3, "a=4 b=2");
	assert_int_equal(settled, 1);
	assert_sets(3, "a=3 b=2");
	assert_sets(4, "a=4 b=2");

	change(4, "b=5");
	assert_sets(4, "a=4 b=2");
	assert_sets(5, "- b=5");
	change(5, "b=5 c=6");
	assert_int_equal(numbers[1], 1); /* its number is used anew */
	assert_sets(5, "- b=5");
	assert_sets(6, "c=6 b=5");
}

static void a_table_grows(void **unused)
{
	(void)unused;
	change(1, "a=1");
	assert_sets(2, "a=1");
	change(2, "a=1 b=2 c=3 d=4");
	change(3, "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9");
	assert_sets(3, "a=1 b=2 c=3 d=4 - - - - -");
	assert_sets(4, "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9");
}

static void lists_without_a_name_are_told_by_what_they_hold(void **unused)
{
	struct cv_rules rules = want("=1 a=1 =2");

	(void)unused;
	assert_int_equal(cv_sets_write(&arena, &rules, NULL), 0);
	change(1, "=2 =3 =1 a=1");
	assert_int_equal(numbers[0], 3);
	assert_int_equal(numbers[1], 4);
	assert_int_equal(numbers[2], 1);
	assert_int_equal(numbers[3], 2);
	change(2, "=3 a=1");
	assert_sets(3, "- a=1 - =3");
}

static struct cv_arena_segment *make_few(void *arg, uint32_t index)
{
	uint32_t most = *(uint32_t *)arg;

	return index < most ? calloc(1, sizeof(struct cv_arena_segment)) : NULL;
}

static void without_room_nothing_is_seen(void **unused)
{
	uint32_t most = 1;
	struct cv_arena_source source = { .make = make_few, .arg = &most };
	struct cv_rules rules = want("a=1");
	struct cv_compiled_set large = { .name = "large" };
	struct cv_err err;

	(void)unused;
	cv_arena_heap_fini(&arena);
	cv_arena_init(&arena, &source);
	assert_int_equal(cv_sets_write(&arena, &rules, NULL), 0);
	fill(&large, 100000, 0, false);
	rules = (struct cv_rules){ .sets = &large, .set_count = 1 };
	assert_int_equal(cv_sets_change(&arena, 1, &rules, numbers), -ESTALE);
	assert_sets(1, "a=1");
	assert_sets(2, "a=1");
	assert_int_equal(cv_sets_write(&arena, &rules, &err), -ENOSPC);
	assert_string_equal(
		err.text,
		"set large: with it the rules are larger than the 128 MiB that they may take");
	cv_compiled_set_fini(&large);
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, free_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ARENA(ends_of_both_families),
		IN_ARENA(an_empty_set_has_nothing),
		IN_ARENA(every_size_around_that_of_a_node),
		IN_ARENA(a_million_of_each_family),
		IN_ARENA(random_prefixes),
		IN_ARENA(each_generation_meets_its_sets),
		IN_ARENA(a_table_grows),
		IN_ARENA(lists_without_a_name_are_told_by_what_they_hold),
		IN_ARENA(without_room_nothing_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
