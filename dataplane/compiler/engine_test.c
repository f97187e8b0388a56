/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The engine's image against the oracle: built, read back, changed in place. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"
#include "random_rules.h"
#include "own.h"

/* ---- an image of this process ---- */

static void arena_new(struct cv_arena *arena)
{
	struct cv_arena_source source = cv_arena_heap();

	assert_true(cv_arena_init(arena, &source));
}

static void build(struct cv_arena *arena, const struct cv_rules *rules)
{
	struct cv_err err = { 0 };

	arena_new(arena);
	if (cv_engine_build(arena, rules, NULL, &err))
		fail_msg("%s", err.text);
}

static struct cv_engine_packet engine_packet(const struct cv_oracle_packet *packet,
					     enum cv_direction dir)
{
	struct cv_engine_packet out = {
		.root = packet->family == 6 ? CV_ROOT_IPV6 : CV_ROOT_IPV4,
		.sport = packet->sport,
		.dport = packet->dport,
		.proto = packet->proto,
		.dir = dir,
		.has_ports = packet->has_ports,
		.is_ip = true,
	};

	if (packet->family == 4) {
		out.src[1] = be32toh(packet->src[0]);
		out.dst[1] = be32toh(packet->dst[0]);
		return out;
	}
	for (int half = 0; half < 2; half++) {
		out.src[half] = (uint64_t)be32toh(packet->src[2 * half]) << 32 |
				be32toh(packet->src[2 * half + 1]);
		out.dst[half] = (uint64_t)be32toh(packet->dst[2 * half]) << 32 |
				be32toh(packet->dst[2 * half + 1]);
	}
	return out;
}

static bool extra_holds(const struct cv_extra *extra, const void *arg)
{
	static const struct cv_rules no_sets;
	struct cv_match match = { .flags = extra->flags, .extra = *extra };

	return cv_oracle_holds(&no_sets, &match, arg);
}

static const struct cv_rule *find(const struct cv_arena *arena, uint16_t generation,
				  const struct cv_oracle_packet *packet, enum cv_direction dir,
				  uint32_t after, uint32_t *steps)
{
	struct cv_engine_packet asked = engine_packet(packet, dir);
	uint32_t cell =
		cv_engine_find(arena, generation, &asked, after, extra_holds, packet, steps);

	return cell ? cv_arena_at(arena, cell) : NULL;
}

/* Rules by index are called r0, r1, ... */
static void assert_packet(const struct cv_arena *arena, uint16_t generation,
			  const struct cv_rules *rules, const struct cv_oracle_packet *packet,
			  enum cv_direction dir)
{
	uint32_t after = 0, steps = 0;
	size_t first = 0;

	for (int i = 0; i < 3; i++) {
		long expected = random_expected(rules, first, packet, dir);
		const struct cv_rule *rule = find(arena, generation, packet, dir, after, &steps);

		if (steps > cv_arena_image(arena)->steps)
			fail_msg("%u steps, promised: %u", steps, cv_arena_image(arena)->steps);
		if (!rule && expected < 0)
			return;
		if (!rule || expected < 0 || strcmp(rule->name, rules->rules[expected].rule.name))
			fail_msg("after %u: %s, expected: %s", after, rule ? rule->name : "none",
				 expected < 0 ? "none" : rules->rules[expected].rule.name);
		after = rule->order;
		first = expected + 1;
	}
}

static void assert_answers(const struct cv_arena *arena, uint16_t generation,
			   const struct cv_rules *rules, struct random *random, size_t packets)
{
	struct cv_oracle_packet packet;

	for (size_t i = 0; i < packets; i++) {
		random_packet(random, rules, &packet);
		assert_packet(arena, generation, rules, &packet,
			      random_below(random, CV_DIR_COUNT));
	}
}

/* ---- built ---- */

static void an_image_answers_as_the_oracle(void **state)
{
	static const size_t counts[] = { 1, 3, 20, 200, 1500 };

	(void)state;
	for (size_t style = 0; style < RANDOM_STYLES; style++)
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			struct random random = { 1000 * style + i };
			CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
			CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

			random_rules(&random, &random_styles[style], counts[i], &rules);
			build(&arena, &rules);
			assert_answers(&arena, CV_ENGINE_FIRST, &rules, &random, 3000);
		}
}

static void an_image_of_no_rules_has_none(void **state)
{
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	struct cv_rules rules = { .netns_cookie = 5, .flags = CV_RULES_NEED_TCP };
	struct random random = { 1 };

	(void)state;
	build(&arena, &rules);
	assert_int_equal(cv_arena_image(&arena)->netns_cookie, 5);
	assert_int_equal(cv_arena_image(&arena)->flags, CV_RULES_NEED_TCP);
	assert_int_equal(arena.segment_count, 1);
	assert_answers(&arena, CV_ENGINE_FIRST, &rules, &random, 10);
}

static void the_same_rules_give_the_same_cells(void **state)
{
	struct random random = { 7 };
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena one, other;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

	(void)state;
	random_rules(&random, &random_styles[1], 3000, &rules);
	build(&one, &rules);
	build(&other, &rules);
	assert_int_equal(one.used, other.used);
	assert_int_equal(one.segment_count, other.segment_count);
	for (uint32_t i = 0; i < one.segment_count; i++)
		assert_memory_equal(one.segments[i], other.segments[i], sizeof(*one.segments[i]));
}

static void a_few_rules_take_one_segment(void **state)
{
	for (size_t style = 0; style < RANDOM_STYLES; style++) {
		struct random random = { style };
		CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
		CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

		(void)state;
		random_rules(&random, &random_styles[style], 40, &rules);
		build(&arena, &rules);
		assert_int_equal(arena.segment_count, 1);
	}
}

/* ---- read back ---- */

static int compare_matches(const void *a, const void *b)
{
	const struct cv_match *left = a, *right = b;

	if (left->rule != right->rule)
		return left->rule > right->rule ? 1 : -1;
	return memcmp(left, right, sizeof(*left));
}

static void assert_rules(const struct cv_arena *arena, uint16_t generation,
			 const struct cv_rules *rules)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules back = { 0 };

	assert_int_equal(cv_engine_read(arena, generation, &back, NULL), 0);
	assert_int_equal(back.rule_count, rules->rule_count);
	assert_int_equal(back.match_count, rules->match_count);
	assert_int_equal(back.netns_cookie, rules->netns_cookie);
	assert_int_equal(back.flags, rules->flags);
	assert_memory_equal(back.rules, rules->rules, rules->rule_count * sizeof(*rules->rules));
	qsort(rules->matches, rules->match_count, sizeof(*rules->matches), compare_matches);
	assert_memory_equal(back.matches, rules->matches,
			    rules->match_count * sizeof(*rules->matches));
}

static void what_was_built_is_read_back(void **state)
{
	(void)state;
	for (size_t style = 0; style < RANDOM_STYLES; style++) {
		struct random random = { style };
		CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
		CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

		random_rules(&random, &random_styles[style], 700, &rules);
		build(&arena, &rules);
		assert_rules(&arena, CV_ENGINE_FIRST, &rules);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_answers_as_the_oracle),
		cmocka_unit_test(an_image_of_no_rules_has_none),
		cmocka_unit_test(the_same_rules_give_the_same_cells),
		cmocka_unit_test(a_few_rules_take_one_segment),
		cmocka_unit_test(what_was_built_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
