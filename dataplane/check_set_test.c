/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of check_set.c: sets that make no sense, each beside the nearest that do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi.h"
#include "culvert.h"
#include "own.h"

static void print_fault(const struct cv_err *err, void *arg)
{
	fprintf(arg, "%d: %s; %s\n", err->place.line, err->text, err->hint);
}

static void assert_faults(struct cv_state *state, const char *expected)
{
	CV_FREE char *printed = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&printed, &size);
	assert_non_null(stream);
	cv_state_check(state, print_fault, stream);
	assert_int_equal(cv_finish_file(&stream), 0);
	assert_string_equal(printed, expected);
	cv_state_fini(state);
}

static struct cv_set_conf *add(struct cv_state *state, const char *name)
{
	struct cv_set_conf conf = { .has_type = true,
				    .type = CV_SET_PORT,
				    .place = { "f", (int)state->set_count + 1, 1 } };

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_set(state, &conf, NULL), 0);
	return &state->sets[state->set_count - 1];
}

static void fill(struct cv_ranges *ranges, size_t count)
{
	ranges->items = calloc(count, sizeof(*ranges->items));
	assert_non_null(ranges->items);
	ranges->count = count;
}

static void sets_may_be_empty_and_of_any_type(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	for (int type = 0; type < CV_SET_TYPE_COUNT; type++) {
		char name[] = { 'a' + type, 0 };

		add(&state, name)->type = type;
	}
	assert_faults(&state, "");
}

static void a_name_is_that_of_one_set(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add(&state, "a");
	add(&state, "b");
	add(&state, "a");
	assert_faults(&state, "3: set a: given twice, first at f:1:1; \n");
}

static void a_set_has_a_type(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add(&state, "a")->has_type = false;
	assert_faults(&state,
		      "1: set a: no type; type prefix, port, proto, dscp, mark, len or vlan\n");
}

static void elements_are_bounded(void **unused)
{
	struct cv_set_conf *set;
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	set = add(&state, "a");
	fill(&set->ranges, CV_SET_ELEMENTS_MAX - 1);
	fill(&set->file_ranges, 1);
	assert_faults(&state, "");

	cv_state_init(&state);
	set = add(&state, "a");
	fill(&set->ranges, CV_SET_ELEMENTS_MAX);
	fill(&set->file_ranges, 1);
	assert_faults(&state,
		      "1: set a: 1000001 elements: more than the 1000000 that one set holds; "
		      "use broader prefixes, or two sets\n");
}

static void add_many(struct cv_state *state, int count)
{
	cv_state_init(state);
	for (int i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		add(state, name);
	}
}

static void sets_are_bounded(void **unused)
{
	struct cv_state state;

	(void)unused;
	add_many(&state, CV_MAX_SETS);
	assert_faults(&state, "");
	add_many(&state, CV_MAX_SETS + 1);
	assert_faults(&state, "257: 257 sets: more than the 256 that one instance holds; \n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_may_be_empty_and_of_any_type),
		cmocka_unit_test(a_name_is_that_of_one_set),
		cmocka_unit_test(a_set_has_a_type),
		cmocka_unit_test(elements_are_bounded),
		cmocka_unit_test(sets_are_bounded),
	};

	return cmocka_run_group_tests_name("check_set", tests, NULL, NULL);
}
