/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tunnel_table.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan.h"

#define BLUE 7

static struct cv_tunnel entries[CV_MAX_TUNNEL_ENTRIES];
static struct cv_tunnel wanted_tunnels[CV_MAX_TUNNELS];
static struct cv_state before, after;
static struct cv_plan *plan;

static int setup(void **state)
{
	(void)state;
	plan = calloc(1, sizeof(*plan));
	assert_non_null(plan);
	memset(entries, 0, sizeof(entries));
	memset(wanted_tunnels, 0, sizeof(wanted_tunnels));
	cv_state_init(&before);
	cv_state_init(&after);
	plan->before = &before;
	plan->state = &after;
	plan->live_entries = entries;
	plan->live_tunnels = &entries[CV_TUNNEL_IN(0)];
	plan->tunnels = wanted_tunnels;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_state_fini(&before);
	cv_state_fini(&after);
	free(plan);
	return 0;
}

static struct cv_tunnel blue(uint32_t key, uint32_t generation)
{
	return (struct cv_tunnel){
		.name = "blue",
		.mode = CV_MODE_GRE,
		.family = 4,
		.flags = CV_TUNNEL_KEY,
		.key = htonl(key),
		.generation = generation,
	};
}

/* What is live: one version and what arrives. */
static void put_live(uint32_t version, uint32_t key, uint32_t generation)
{
	entries[CV_TUNNEL_OUT(BLUE, version)] = blue(key, generation);
	entries[CV_TUNNEL_IN(BLUE)] = blue(key, generation);
	plan->live_versions[BLUE] = version;
}

static void add_route(struct cv_state *state, uint8_t network, const char *tunnel)
{
	struct cv_route_conf route = { .to = { .addr = { .family = 4, .bytes = { 10, network } },
					       .bits = 16 } };

	snprintf(route.tunnel, sizeof(route.tunnel), "%s", tunnel);
	assert_int_equal(cv_state_add_route(state, &route, NULL), 0);
}

static uint32_t chosen(uint32_t key)
{
	struct cv_tunnel wanted = blue(key, 9);

	return cv_tunnel_choose_version(plan, BLUE, &wanted);
}

static void a_tunnel_that_keeps_its_routes_changes_in_place(void **state)
{
	(void)state;
	put_live(1, 5, 3);
	add_route(&before, 1, "blue");
	add_route(&after, 1, "blue");
	add_route(&after, 2, "blue");
	assert_int_equal(chosen(6), 1);
}

static void a_tunnel_that_a_route_leaves_gets_another_version(void **state)
{
	(void)state;
	put_live(0, 5, 3);
	add_route(&before, 1, "blue");
	add_route(&before, 2, "blue");
	add_route(&after, 1, "blue");
	assert_int_equal(chosen(6), 1);
	add_route(&after, 2, "red");
	assert_int_equal(chosen(6), 1);
}

static void routes_of_other_tunnels_and_what_is_not_sent_do_not_matter(void **state)
{
	struct cv_tunnel wanted = blue(5, 9);

	(void)state;
	put_live(0, 5, 3);
	add_route(&before, 1, "red");
	assert_int_equal(chosen(6), 0);
	add_route(&before, 2, "blue");
	wanted.mtu_bytes = 1300;
	wanted.flags |= CV_TUNNEL_RULES | CV_TUNNEL_ALLOW;
	assert_int_equal(cv_tunnel_choose_version(plan, BLUE, &wanted), 0);
	wanted.ttl = 9;
	assert_int_equal(cv_tunnel_choose_version(plan, BLUE, &wanted), 1);
}

static void where_nothing_is_known_of_before_routes_may_leave(void **state)
{
	(void)state;
	put_live(0, 5, 3);
	plan->before = NULL;
	assert_int_equal(chosen(5), 0);
	assert_int_equal(chosen(6), 1);
}

static void of_two_versions_the_one_that_sends_as_wanted_is_chosen(void **state)
{
	(void)state;
	put_live(0, 5, 3);
	put_live(1, 6, 4);
	assert_int_equal(cv_tunnel_version(entries, BLUE, 3), 0);
	assert_int_equal(cv_tunnel_version(entries, BLUE, 4), 1);
	plan->live_versions[BLUE] = 0;
	assert_int_equal(chosen(5), 0);
	assert_int_equal(chosen(6), 1);
	assert_int_equal(chosen(7), 0);
}

static void what_is_old_stays_until_the_table_is_filled_without(void **state)
{
	static struct cv_tunnel filled[CV_MAX_TUNNEL_ENTRIES];

	(void)state;
	put_live(0, 5, 3);
	wanted_tunnels[BLUE] = blue(6, 4);
	plan->versions[BLUE] = 1;
	cv_tunnel_table_fill(plan, true, filled);
	assert_int_equal(filled[CV_TUNNEL_OUT(BLUE, 0)].key, htonl(5));
	assert_int_equal(filled[CV_TUNNEL_OUT(BLUE, 1)].key, htonl(6));
	assert_int_equal(filled[CV_TUNNEL_IN(BLUE)].key, htonl(6));
	cv_tunnel_table_fill(plan, false, filled);
	assert_int_equal(filled[CV_TUNNEL_OUT(BLUE, 0)].mode, CV_MODE_NONE);
	assert_int_equal(filled[CV_TUNNEL_OUT(BLUE, 1)].key, htonl(6));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_tunnel_that_keeps_its_routes_changes_in_place),
		TEST(a_tunnel_that_a_route_leaves_gets_another_version),
		TEST(routes_of_other_tunnels_and_what_is_not_sent_do_not_matter),
		TEST(where_nothing_is_known_of_before_routes_may_leave),
		TEST(of_two_versions_the_one_that_sends_as_wanted_is_chosen),
		TEST(what_is_old_stays_until_the_table_is_filled_without),
	};

	return cmocka_run_group_tests_name("tunnel_table", tests, NULL, NULL);
}
