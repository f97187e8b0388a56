/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of state_list.c: confs are found by what names them, at once, while others come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "culvert.h"

static void add(struct cv_state *state, unsigned int number)
{
	struct cv_rule_conf conf = { .has_prio = true, .prio = number };

	snprintf(conf.name, sizeof(conf.name), "rule-%u", number);
	assert_int_equal(cv_state_add_rule(state, &conf, NULL), 0);
}

static struct cv_rule_conf *find(const struct cv_state *state, unsigned int number)
{
	char name[CV_NAME_MAX + 1];

	snprintf(name, sizeof(name), "rule-%u", number);
	return cv_state_find_rule(state, name);
}

static struct cv_rule_conf *search(const struct cv_state *state, unsigned int number)
{
	for (size_t i = 0; i < state->rule_count; i++)
		if (state->rules[i].prio == number)
			return &state->rules[i];
	return NULL;
}

#define NUMBERS 200
#define STEPS 3000

/* Names stand there once or several times: the first one is found, and the order stays. */
static void rules_are_found_as_by_a_search(void **unused)
{
	unsigned int seed = 1;
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	for (int step = 0; step < STEPS; step++) {
		unsigned int number;
		struct cv_rule_conf *rule;

		seed = seed * 1103515245u + 12345u;
		number = (seed >> 16) % NUMBERS;
		rule = find(&state, number);
		assert_ptr_equal(rule, search(&state, number));
		if (rule && seed >> 8 & 1)
			cv_state_del_rule(&state, rule);
		else
			add(&state, number);
	}
	for (unsigned int number = 0; number < NUMBERS; number++)
		assert_ptr_equal(find(&state, number), search(&state, number));
	assert_true(state.rule_count > NUMBERS / 2);
	cv_state_fini(&state);
}

/* The test would take minutes if each were searched for. */
static void many_rules_are_found_at_once(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	for (unsigned int i = 0; i < 100000; i++)
		add(&state, i);
	for (unsigned int round = 0; round < 10; round++)
		for (unsigned int i = 0; i < 100000; i++)
			assert_ptr_equal(find(&state, i), &state.rules[i]);
	assert_null(find(&state, 100000));
	cv_state_fini(&state);
}

static void add_route(struct cv_state *state, uint8_t network)
{
	struct cv_route_conf conf = {
		.to = { .addr = { .family = 4, .bytes = { 10, network } }, .bits = 16 },
	};

	assert_int_equal(cv_state_add_route(state, &conf, NULL), 0);
}

/* Also if nothing was looked for until then. */
static void the_same_before_is_found(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	for (uint8_t i = 0; i < 100; i++)
		add_route(&state, i % 50);
	assert_null(cv_state_route_before(&state, &state.routes[49]));
	assert_ptr_equal(cv_state_route_before(&state, &state.routes[50]), &state.routes[0]);
	assert_ptr_equal(cv_state_route_before(&state, &state.routes[99]), &state.routes[49]);
	cv_state_fini(&state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_found_as_by_a_search),
		cmocka_unit_test(many_rules_are_found_at_once),
		cmocka_unit_test(the_same_before_is_found),
	};

	return cmocka_run_group_tests_name("state_list", tests, NULL, NULL);
}
