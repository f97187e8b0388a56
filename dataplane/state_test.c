/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of state.c: the five lists keep the order of adding, objects are found by what names
 * them, and everything owned is released (which the address sanitizer's leak check sees).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "culvert.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define OBJECTS 9 /* past two doublings */

/* The five lists under one shape; objects are made from a number and told by it. */
struct list {
	void (*add)(struct cv_state *state, unsigned int number);
	/* The number that names the object at an index, after looking at what it owns. */
	unsigned int (*at)(const struct cv_state *state, size_t index);
	/* Index of the object, or -1. */
	long (*find)(const struct cv_state *state, unsigned int number);
	void (*del)(struct cv_state *state, size_t index);
	size_t (*count)(const struct cv_state *state);
};

static void put_name(char *name, unsigned int number)
{
	snprintf(name, CV_IFNAME_MAX + 1, "name%u", number);
}

static unsigned int number_of(const char *name)
{
	return (unsigned int)strtoul(name + strlen("name"), NULL, 10);
}

static char *copy(const char *name)
{
	char *text = strdup(name);

	assert_non_null(text);
	return text;
}

static struct cv_prefix *one_prefix(unsigned int number)
{
	struct cv_prefix *prefix = calloc(1, sizeof(*prefix));

	assert_non_null(prefix);
	*prefix =
		(struct cv_prefix){ .addr = { .family = 4, .bytes = { 10, number } }, .bits = 16 };
	return prefix;
}

static struct cv_range *one_range(unsigned int number)
{
	struct cv_range *range = calloc(1, sizeof(*range));

	assert_non_null(range);
	*range = (struct cv_range){ .min = number, .max = number };
	return range;
}

static void add_dev(struct cv_state *state, unsigned int number)
{
	struct cv_dev_conf conf = { .ingress = true };

	put_name(conf.name, number);
	assert_int_equal(cv_state_add_dev(state, &conf, NULL), 0);
}

static unsigned int dev_at(const struct cv_state *state, size_t index)
{
	return number_of(state->devs[index].name);
}

static void add_app(struct cv_state *state, unsigned int number)
{
	struct cv_app_conf conf = { 0 };

	put_name(conf.name, number);
	conf.exe = copy(conf.name);
	conf.cgroup = copy(conf.name);
	assert_int_equal(cv_state_add_app(state, &conf, NULL), 0);
}

static unsigned int app_at(const struct cv_state *state, size_t index)
{
	assert_string_equal(state->apps[index].exe, state->apps[index].name);
	assert_string_equal(state->apps[index].cgroup, state->apps[index].name);
	return number_of(state->apps[index].name);
}

static void add_tunnel(struct cv_state *state, unsigned int number)
{
	struct cv_tunnel_conf conf = { .allow = { .items = one_prefix(number), .count = 1 } };

	put_name(conf.name, number);
	assert_int_equal(cv_state_add_tunnel(state, &conf, NULL), 0);
}

static unsigned int tunnel_at(const struct cv_state *state, size_t index)
{
	unsigned int number = number_of(state->tunnels[index].name);

	assert_int_equal(state->tunnels[index].allow.items[0].addr.bytes[1], number);
	return number;
}

static struct cv_route_conf route_of(unsigned int number)
{
	return (struct cv_route_conf){
		.to = { .addr = { .family = 4, .bytes = { 10, number } }, .bits = 16 },
		.tunnel = "blue",
	};
}

static void add_route(struct cv_state *state, unsigned int number)
{
	struct cv_route_conf conf = route_of(number);

	assert_int_equal(cv_state_add_route(state, &conf, NULL), 0);
}

static unsigned int route_at(const struct cv_state *state, size_t index)
{
	return state->routes[index].to.addr.bytes[1];
}

static void add_rule(struct cv_state *state, unsigned int number)
{
	struct cv_rule_conf conf = {
		.match = {
			.src = { .items = one_prefix(number), .count = 1 },
			.dst = { .items = one_prefix(number), .count = 1 },
			.sport = { .items = one_range(number), .count = 1 },
			.dport = { .items = one_range(number), .count = 1 },
		},
	};

	put_name(conf.name, number);
	assert_int_equal(cv_state_add_rule(state, &conf, NULL), 0);
}

static unsigned int rule_at(const struct cv_state *state, size_t index)
{
	const struct cv_match_conf *match = &state->rules[index].match;
	unsigned int number = number_of(state->rules[index].name);

	assert_int_equal(match->src.items[0].addr.bytes[1], number);
	assert_int_equal(match->dst.items[0].addr.bytes[1], number);
	assert_int_equal(match->sport.items[0].min, number);
	assert_int_equal(match->dport.items[0].max, number);
	return number;
}

#define CV_LIST_COMMON(noun, list, counter)                                                        \
	static void del_##noun(struct cv_state *state, size_t index)                               \
	{                                                                                          \
		cv_state_del_##noun(state, &state->list[index]);                                   \
	}                                                                                          \
                                                                                                   \
	static size_t count_##list(const struct cv_state *state)                                   \
	{                                                                                          \
		return state->counter;                                                             \
	}

#define CV_LIST_BY_NAME(noun, list)                                                                \
	static long find_##noun(const struct cv_state *state, unsigned int number)                 \
	{                                                                                          \
		struct cv_##noun##_conf *found;                                                    \
		char name[CV_NAME_MAX + 1];                                                        \
                                                                                                   \
		put_name(name, number);                                                            \
		found = cv_state_find_##noun(state, name);                                         \
		return found ? found - state->list : -1;                                           \
	}

CV_LIST_COMMON(dev, devs, dev_count)
CV_LIST_COMMON(app, apps, app_count)
CV_LIST_COMMON(tunnel, tunnels, tunnel_count)
CV_LIST_COMMON(route, routes, route_count)
CV_LIST_COMMON(rule, rules, rule_count)
CV_LIST_BY_NAME(dev, devs)
CV_LIST_BY_NAME(app, apps)
CV_LIST_BY_NAME(tunnel, tunnels)
CV_LIST_BY_NAME(rule, rules)

static long find_route(const struct cv_state *state, unsigned int number)
{
	struct cv_route_conf key = route_of(number);
	struct cv_route_conf *found = cv_state_find_route(state, &key);

	return found ? found - state->routes : -1;
}

static const struct list lists[] = {
	{ add_dev, dev_at, find_dev, del_dev, count_devs },
	{ add_app, app_at, find_app, del_app, count_apps },
	{ add_tunnel, tunnel_at, find_tunnel, del_tunnel, count_tunnels },
	{ add_route, route_at, find_route, del_route, count_routes },
	{ add_rule, rule_at, find_rule, del_rule, count_rules },
};

static void assert_numbers(const struct list *list, const struct cv_state *state,
			   const unsigned int *expected, size_t count)
{
	assert_int_equal(list->count(state), count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(list->at(state, i), expected[i]);
		assert_int_equal(list->find(state, expected[i]), i);
	}
}

static void objects_stand_in_the_order_of_adding(void **unused)
{
	static const unsigned int expected[OBJECTS] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		struct cv_state state;

		cv_state_init(&state);
		for (unsigned int number = OBJECTS; number; number--)
			lists[i].add(&state, number);
		assert_numbers(&lists[i], &state, expected, OBJECTS);
		assert_int_equal(lists[i].find(&state, 10), -1);
		cv_state_fini(&state);
	}
}

static void order_is_kept_when_objects_go_and_come(void **unused)
{
	static const unsigned int expected[] = { 2, 3, 5, 6, 7, 8, 1, 4 };

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		struct cv_state state;

		cv_state_init(&state);
		for (unsigned int number = 1; number <= OBJECTS; number++)
			lists[i].add(&state, number);
		lists[i].del(&state, 8); /* the last */
		lists[i].del(&state, 3);
		lists[i].del(&state, 0); /* the first */
		assert_int_equal(lists[i].find(&state, 1), -1);
		assert_int_equal(lists[i].find(&state, 4), -1);
		assert_int_equal(lists[i].find(&state, 9), -1);
		lists[i].add(&state, 1);
		lists[i].add(&state, 4);
		assert_numbers(&lists[i], &state, expected, CV_COUNT(expected));
		cv_state_fini(&state);
	}
}

static void lists_grow_again_after_they_were_emptied(void **unused)
{
	static const unsigned int expected[] = { 1, 2, 3 };

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		struct cv_state state;

		cv_state_init(&state);
		for (unsigned int number = 1; number <= OBJECTS; number++)
			lists[i].add(&state, number);
		while (lists[i].count(&state))
			lists[i].del(&state, lists[i].count(&state) - 1);
		for (unsigned int number = 1; number <= 3; number++)
			lists[i].add(&state, number);
		assert_numbers(&lists[i], &state, expected, CV_COUNT(expected));
		cv_state_fini(&state);
	}
}

static void lists_do_not_touch_each_other(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		lists[i].add(&state, 1);
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		lists[i].del(&state, 0);
		for (size_t j = 0; j < CV_COUNT(lists); j++)
			assert_int_equal(lists[j].count(&state), j > i);
	}
	cv_state_fini(&state);
}

static void first_of_two_with_one_name_is_found(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		struct cv_state state;

		cv_state_init(&state);
		lists[i].add(&state, 1);
		lists[i].add(&state, 2);
		lists[i].add(&state, 2);
		assert_int_equal(lists[i].find(&state, 2), 1);
		cv_state_fini(&state);
	}
}

static void names_are_compared_whole(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add_tunnel(&state, 12);
	assert_null(cv_state_find_tunnel(&state, "name1"));
	assert_null(cv_state_find_tunnel(&state, "name123"));
	assert_null(cv_state_find_tunnel(&state, "NAME12"));
	assert_null(cv_state_find_tunnel(&state, ""));
	assert_non_null(cv_state_find_tunnel(&state, "name12"));
	cv_state_fini(&state);
}

/* IPv6 makes 1024 of no metric; "default" stands for a route of each family. */
static void default_is_a_route_of_both_families(void **unused)
{
	struct cv_route_conf both = { .app = "web" }, six = both, four = both;
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	six.to.addr.family = 6;
	four.to.addr.family = 4;
	assert_int_equal(cv_state_add_route(&state, &both, NULL), 0);
	assert_ptr_equal(cv_state_find_route(&state, &six), &state.routes[0]);
	assert_ptr_equal(cv_state_find_route(&state, &four), &state.routes[0]);
	six.metric = four.metric = 1024;
	assert_ptr_equal(cv_state_find_route(&state, &six), &state.routes[0]);
	assert_null(cv_state_find_route(&state, &four));
	cv_state_fini(&state);
}

static void route_is_named_by_prefix_table_app_and_metric(void **unused)
{
	struct cv_route_conf base = route_of(9), key;
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	strcpy(base.app, "web");
	base.table = 7;
	base.has_metric = true;
	base.metric = 5;
	assert_int_equal(cv_state_add_route(&state, &base, NULL), 0);
	assert_ptr_equal(cv_state_find_route(&state, &base), &state.routes[0]);

	key = base;
	strcpy(key.tunnel, "red");
	strcpy(key.dev, "eth0");
	key.src.family = 4;
	key.via.family = 4;
	assert_ptr_equal(cv_state_find_route(&state, &key), &state.routes[0]);

	key = base;
	key.to.bits = 17;
	assert_null(cv_state_find_route(&state, &key));
	key = base;
	key.to.addr.bytes[1]++;
	assert_null(cv_state_find_route(&state, &key));
	key = base;
	key.to.addr.family = 6;
	assert_null(cv_state_find_route(&state, &key));
	key = base;
	key.table = 8;
	assert_null(cv_state_find_route(&state, &key));
	key = base;
	key.metric = 6;
	assert_null(cv_state_find_route(&state, &key));
	key = base;
	key.app[0] = '\0';
	assert_null(cv_state_find_route(&state, &key));
	cv_state_fini(&state);
}

static void add_route_of_app(struct cv_state *state, unsigned int app, uint8_t family)
{
	struct cv_route_conf conf = { .to.addr.family = family };

	snprintf(conf.app, sizeof(conf.app), "app%u", app);
	assert_int_equal(cv_state_add_route(state, &conf, NULL), 0);
}

static void default_routes_are_found_by_family_or_without(void **unused)
{
	struct cv_route_conf key = { .app = "app2" };
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add_route_of_app(&state, 1, 0);
	add_route_of_app(&state, 2, 4);
	assert_ptr_equal(cv_state_find_route(&state, &key), &state.routes[1]);
	key.to.addr.family = 6;
	assert_null(cv_state_find_route(&state, &key));
	key.to.addr.family = 4;
	strcpy(key.app, "app1");
	assert_ptr_equal(cv_state_find_route(&state, &key), &state.routes[0]);
	assert_true(cv_state_routes_app(&state, "app2"));
	assert_false(cv_state_routes_app(&state, "app3"));
	cv_state_del_route(&state, &state.routes[1]);
	assert_false(cv_state_routes_app(&state, "app2"));
	assert_true(cv_state_routes_app(&state, "app1"));
	cv_state_fini(&state);
}

#define APPS 30000

/* The test would take minutes if each were searched for. */
static void many_routes_of_one_prefix_are_found_at_once(void **unused)
{
	struct cv_route_conf key = { .to.addr.family = 4 };
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	for (unsigned int i = 0; i < APPS; i++)
		add_route_of_app(&state, i, 4);
	for (unsigned int round = 0; round < 10; round++)
		for (unsigned int i = 0; i < APPS; i++) {
			snprintf(key.app, sizeof(key.app), "app%u", i);
			assert_ptr_equal(cv_state_find_route(&state, &key), &state.routes[i]);
			assert_true(cv_state_routes_app(&state, key.app));
		}
	cv_state_fini(&state);
}

/* `route replace` writes over the conf that it finds, and that may have had another metric. */
static void what_was_changed_in_its_place_can_be_taken_out(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	for (unsigned int number = 1; number <= OBJECTS; number++)
		add_route(&state, number);
	state.routes[3].metric = 77;
	cv_state_del_route(&state, &state.routes[3]);
	assert_int_equal(find_route(&state, 4), -1);
	assert_int_equal(find_route(&state, 5), 3);
	assert_int_equal(state.route_count, OBJECTS - 1);
	cv_state_fini(&state);
}

static void new_state_is_empty_with_the_default_mask(void **unused)
{
	struct cv_state state;

	(void)unused;
	memset(&state, 0xff, sizeof(state));
	cv_state_init(&state);
	assert_int_equal(state.mark_mask, CV_DEFAULT_MARK_MASK);
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		assert_int_equal(lists[i].count(&state), 0);
		assert_int_equal(lists[i].find(&state, 1), -1);
	}
	cv_state_fini(&state);
}

static void finished_state_is_a_new_one(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	state.mark_mask = 0xf0;
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		lists[i].add(&state, 1);
	cv_state_fini(&state);
	assert_int_equal(state.mark_mask, CV_DEFAULT_MARK_MASK);
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		assert_int_equal(lists[i].count(&state), 0);
	cv_state_fini(&state);
	add_app(&state, 1);
	assert_int_equal(find_app(&state, 1), 0);
	cv_state_fini(&state);
}

static void confs_release_what_they_own(void **unused)
{
	struct cv_app_conf app = {
		.exe = copy("/a"),
		.parent_exe = copy("/b"),
		.unit = copy("c"),
		.cgroup = copy("/d"),
		.netns = copy("e"),
	};
	struct cv_tunnel_conf tunnel = { .allow = { .items = one_prefix(1), .count = 1 } };
	struct cv_rule_conf rule = {
		.match = {
			.src = { .items = one_prefix(1), .count = 1 },
			.dst = { .items = one_prefix(1), .count = 1 },
			.sport = { .items = one_range(1), .count = 1 },
			.dport = { .items = one_range(1), .count = 1 },
		},
	};
	struct cv_app_conf no_app = { 0 };
	struct cv_tunnel_conf no_tunnel = { 0 };
	struct cv_rule_conf no_rule = { 0 };

	(void)unused;
	cv_app_conf_fini(&app);
	cv_tunnel_conf_fini(&tunnel);
	cv_rule_conf_fini(&rule);
	cv_app_conf_fini(&no_app);
	cv_tunnel_conf_fini(&no_tunnel);
	cv_rule_conf_fini(&no_rule);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_stand_in_the_order_of_adding),
		cmocka_unit_test(order_is_kept_when_objects_go_and_come),
		cmocka_unit_test(lists_grow_again_after_they_were_emptied),
		cmocka_unit_test(lists_do_not_touch_each_other),
		cmocka_unit_test(first_of_two_with_one_name_is_found),
		cmocka_unit_test(names_are_compared_whole),
		cmocka_unit_test(default_is_a_route_of_both_families),
		cmocka_unit_test(route_is_named_by_prefix_table_app_and_metric),
		cmocka_unit_test(default_routes_are_found_by_family_or_without),
		cmocka_unit_test(many_routes_of_one_prefix_are_found_at_once),
		cmocka_unit_test(what_was_changed_in_its_place_can_be_taken_out),
		cmocka_unit_test(new_state_is_empty_with_the_default_mask),
		cmocka_unit_test(finished_state_is_a_new_one),
		cmocka_unit_test(confs_release_what_they_own),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
