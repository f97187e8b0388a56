/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of action.c: what the packet path gets to read of each action, and of actions before
 * encapsulation. */
#include "action.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define OURS 0x7f000000u

static const struct cv_app *find_app(const void *arg, const char *name)
{
	static const struct cv_app web = { .name = "web", .id = 11, .mark = 0x02000000 };
	static const struct cv_app db = { .name = "db", .id = 12 };

	(void)arg;
	return !strcmp(name, "web") ? &web : !strcmp(name, "db") ? &db : NULL;
}

static uint32_t find_tunnel(const void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 0;
}

static uint32_t find_ifindex(const void *arg, const char *name)
{
	(void)arg;
	return !strcmp(name, "eth1") ? 4 : 0;
}

static uint32_t find_rule_id(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 77;
}

static const struct cv_resolver resolver = {
	.app = find_app,
	.tunnel = find_tunnel,
	.ifindex = find_ifindex,
	.rule_id = find_rule_id,
};

static void actions_are_what_packets_meet(void **unused)
{
	static const struct {
		struct cv_action_conf conf;
		struct cv_rule rule;
		struct cv_actions actions;
	} cases[] = {
		{ { .verdict = CV_CONTINUE, .has_verdict = true },
		  { .verdict = CV_VERDICT_CONTINUE },
		  { 0 } },
		{ { .route_mark = "web" },
		  { .flags = CV_ACTION_MARK, .mark = 0x02000000, .mark_mask = OURS },
		  { 0 } },
		{ { .route_mark = "web", .has_mark = true, .mark = 5 },
		  { .flags = CV_ACTION_MARK, .mark = 0x02000005, .mark_mask = 0xffffffff },
		  { 0 } },
		{ { .route_mark = "web",
		    .has_mark = true,
		    .mark = 5,
		    .has_mark_mask = true,
		    .mark_mask = 7 },
		  { .flags = CV_ACTION_MARK, .mark = 0x02000005, .mark_mask = OURS | 7 },
		  { 0 } },
		{ { .route_mark = "db" }, { .flags = 0 }, { 0 } }, /* no route any more */
		{ { .route_mark = "gone" }, { .flags = 0 }, { 0 } },

		{ { .police_bits_ps = 10000000, .police_burst_bytes = 3000 },
		  { .flags = CV_ACTION_POLICE },
		  { .police_bytes_ps = 1250000, .police_burst_bytes = 3000 } },
		{ { .police_bits_ps = 8 },
		  { .flags = CV_ACTION_POLICE },
		  { .police_bytes_ps = 1, .police_burst_bytes = 65536 } },
		{ { .police_bits_ps = 1000000000000 },
		  { .flags = CV_ACTION_POLICE },
		  { .police_bytes_ps = 125000000000, .police_burst_bytes = 1250000000 } },
		{ { .police_bits_ps = 8, .police_burst_bytes = 9, .police_scope = CV_PER_APP },
		  { .flags = CV_ACTION_POLICE },
		  { .police_bytes_ps = 1, .police_burst_bytes = 9, .police_per = CV_POLICE_APP } },
		{ { .police_bits_ps = 8, .police_burst_bytes = 9, .police_scope = CV_PER_SOURCE },
		  { .flags = CV_ACTION_POLICE },
		  { .police_bytes_ps = 1,
		    .police_burst_bytes = 9,
		    .police_per = CV_POLICE_SOURCE } },
		{ { .pace_bits_ps = 8000 },
		  { .flags = CV_ACTION_PACE },
		  { .pace_bytes_ps = 1000 } },
		{ { .sample_one_in = 100 },
		  { .flags = CV_ACTION_SAMPLE },
		  { .sample_one_in = 100 } },
		{ { .mirror = "eth1" }, { .flags = CV_ACTION_MIRROR }, { .mirror_ifindex = 4 } },
		{ { .mirror = "gone" }, { .flags = CV_ACTION_MIRROR }, { .mirror_ifindex = 0 } },
		{ { .redirect = "eth1" },
		  { .flags = CV_ACTION_REDIRECT },
		  { .redirect_ifindex = 4 } },
		{ { .redirect = "eth1", .redirect_way = CV_TO_INGRESS },
		  { .flags = CV_ACTION_REDIRECT },
		  { .redirect_ifindex = 4, .redirect_to = CV_REDIRECT_INGRESS } },
		{ { .redirect = "eth1", .redirect_way = CV_TO_NEIGHBOUR },
		  { .flags = CV_ACTION_REDIRECT },
		  { .redirect_ifindex = 4, .redirect_to = CV_REDIRECT_NEIGH } },
		{ { .redirect = "gone" },
		  { .flags = CV_ACTION_REDIRECT },
		  { .redirect_ifindex = 0 } },
	};
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_rule_conf conf = { .name = "r", .action = cases[i].conf };
		struct cv_rule rule = cases[i].rule;
		struct cv_compiled_rule out = { .rule.id = 0 };

		strcpy(rule.name, "r");
		rule.id = 77;
		cv_compile_actions(&state, &resolver, &conf, &out);
		assert_memory_equal(&out.rule, &rule, sizeof(rule));
		assert_memory_equal(&out.actions, &cases[i].actions, sizeof(out.actions));
	}
}

/* The rules of a state with the apps web and db, and one rule. */
static void compile_one(const struct cv_rule_conf *conf, struct cv_rules *out)
{
	struct cv_app_conf web = { .name = "web" }, db = { .name = "db" };
	struct cv_rule_conf rule = *conf;
	struct cv_state state;

	cv_state_init(&state);
	assert_int_equal(cv_state_add_app(&state, &web, NULL), 0);
	assert_int_equal(cv_state_add_app(&state, &db, NULL), 0);
	strcpy(rule.name, "r");
	assert_int_equal(cv_state_add_rule(&state, &rule, NULL), 0);
	assert_int_equal(cv_compile(out, &state, &resolver, NULL), 0);
	cv_state_fini(&state);
}

#define OWNER_IN CV_RULES_NEED_OWNER(CV_DIR_IN)
#define OWNER_OUT CV_RULES_NEED_OWNER(CV_DIR_OUT)

static void who_owns_packets_is_asked_where_an_action_needs_it(void **unused)
{
	static const struct {
		enum cv_dir dir;
		struct cv_action_conf action;
		uint32_t flags;
	} cases[] = {
		{ CV_DIR_BOTH, { .police_bits_ps = 8 }, 0 },
		{ CV_DIR_BOTH, { .police_bits_ps = 8, .police_scope = CV_PER_SOURCE }, 0 },
		{ CV_DIR_BOTH,
		  { .police_bits_ps = 8, .police_scope = CV_PER_APP },
		  OWNER_IN | OWNER_OUT },
		{ CV_DIR_ONLY_IN, { .police_bits_ps = 8, .police_scope = CV_PER_APP }, OWNER_IN },
		{ CV_DIR_ONLY_OUT, { .police_bits_ps = 8, .police_scope = CV_PER_APP }, OWNER_OUT },
		{ CV_DIR_ONLY_OUT, { .sample_one_in = 5 }, OWNER_OUT },
		{ CV_DIR_ONLY_OUT, { .pace_bits_ps = 8 }, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
		struct cv_rule_conf conf = { .match.dir = cases[i].dir, .action = cases[i].action };

		compile_one(&conf, &rules);
		assert_int_equal(rules.flags, cases[i].flags);
	}
}

/* Whether the one rule is asked before encapsulation, and its flags. */
static uint32_t flags_before_encapsulation(const struct cv_rule_conf *conf, bool *is_asked)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };

	compile_one(conf, &rules);
	*is_asked = false;
	for (size_t i = 0; i < rules.match_count; i++)
		*is_asked |= rules.matches[i].dirs >> CV_DIR_ENCAP & 1;
	return rules.rules[0].rule.flags;
}

/* web is told by its mark, db is not. */
static void a_rule_of_an_unknown_owner_that_continues_ends_the_search(void **unused)
{
	static const struct {
		const char *app;
		struct cv_action_conf action;
		bool is_asked, is_unsure;
	} cases[] = {
		{ "web", { .verdict = CV_CONTINUE, .has_mark = true, .mark = 1 }, true, false },
		{ "db", { .verdict = CV_CONTINUE, .has_mark = true, .mark = 1 }, true, true },
		{ "db", { .verdict = CV_CONTINUE, .has_dscp = true }, true, true },
		{ "db", { .verdict = CV_CONTINUE, .has_priority = true }, false, false },
		{ "db", { .verdict = CV_NEXT, .has_mark = true, .mark = 1 }, true, false },
		{ "db", { .verdict = CV_DROP, .has_mark = true, .mark = 1 }, false, false },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_rule_conf conf = { .match = { .has_app = true },
					     .action = cases[i].action };
		bool is_asked;
		uint32_t flags;

		strcpy(conf.match.app, cases[i].app);
		flags = flags_before_encapsulation(&conf, &is_asked);
		assert_int_equal(is_asked, cases[i].is_asked);
		assert_int_equal(!!(flags & CV_ACTION_UNSURE), cases[i].is_unsure);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions_are_what_packets_meet),
		cmocka_unit_test(who_owns_packets_is_asked_where_an_action_needs_it),
		cmocka_unit_test(a_rule_of_an_unknown_owner_that_continues_ends_the_search),
	};

	return cmocka_run_group_tests_name("action", tests, NULL, NULL);
}
