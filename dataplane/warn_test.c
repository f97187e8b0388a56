/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of warn.c: which rules of a state are said never to match, in which words. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "culvert.h"
#include "own.h"

static struct cv_rule_conf *add_rule(struct cv_state *state, const char *name)
{
	struct cv_rule_conf conf = { .place = { "f", 1 + (int)state->rule_count, 3 } };

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_rule(state, &conf, NULL), 0);
	return &state->rules[state->rule_count - 1];
}

static void add_range(struct cv_ranges *list, uint32_t min, uint32_t max)
{
	list->items = reallocarray(list->items, list->count + 1, sizeof(*list->items));
	assert_non_null(list->items);
	list->items[list->count++] = (struct cv_range){ min, max };
}

static void ask_port(struct cv_rule_conf *rule, uint32_t min, uint32_t max)
{
	rule->match.has_proto = true;
	rule->match.proto = IPPROTO_TCP;
	add_range(&rule->match.dport, min, max);
}

static void print(const struct cv_err *warning, void *arg)
{
	FILE *out = arg;

	if (warning->place.line)
		fprintf(out, "%s:%d:%d: ", warning->place.file, warning->place.line,
			warning->place.column);
	fprintf(out, "%s; %s\n", warning->text, warning->hint);
}

/* Releases the state. */
static void assert_warnings(struct cv_state *state, const char *expected)
{
	CV_FREE char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(cv_state_warn(state, print, out, NULL), 0);
	fclose(out);
	assert_string_equal(text, expected);
	cv_state_fini(state);
}

static void rules_that_differ_are_no_matter(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	strcpy(add_rule(&state, "a")->match.dev, "eth0");
	strcpy(add_rule(&state, "b")->match.dev, "eth1");
	ask_port(add_rule(&state, "c"), 80, 80);
	ask_port(add_rule(&state, "d"), 80, 81);
	assert_warnings(&state, "");
}

static void both_places_are_named(void **unused)
{
	struct cv_state state;
	struct cv_rule_conf *rule;

	(void)unused;
	cv_state_init(&state);
	ask_port(add_rule(&state, "narrow"), 80, 80);
	rule = add_rule(&state, "broad");
	ask_port(rule, 0, 100);
	rule->has_prio = true;
	rule->prio = 1;
	ask_port(add_rule(&state, "other"), 100, 200);
	rule = add_rule(&state, "typed");
	ask_port(rule, 90, 150);
	rule->place = (struct cv_place){ 0 };
	assert_warnings(
		&state,
		"f:1:3: rule narrow: never matches: rule broad (f:2:3) before it matches all its packets; move it before that, or delete it\n");
}

static void several_rules_hide_another(void **unused)
{
	struct cv_state state;
	struct cv_rule_conf *rule;

	(void)unused;
	cv_state_init(&state);
	rule = add_rule(&state, "in");
	rule->match.dir = CV_DIR_ONLY_IN;
	rule->place = (struct cv_place){ 0 };
	add_rule(&state, "out")->match.dir = CV_DIR_ONLY_OUT;
	add_rule(&state, "rest");
	assert_warnings(
		&state,
		"f:3:3: rule rest: never matches: rule in and others before it match all its packets; move it before that, or delete it\n");
}

static void what_excludes_itself_is_told(void **unused)
{
	struct cv_state state;
	struct cv_rule_conf *rule;

	(void)unused;
	cv_state_init(&state);
	rule = add_rule(&state, "none");
	ask_port(rule, 0, 65535);
	rule->match.not_fields = 1u << CV_FIELD_DPORT;
	assert_warnings(
		&state,
		"f:1:3: rule none: never matches: what it asks for excludes itself; mend it, or delete it\n");
}

static void add_dev(struct cv_state *state, const char *name)
{
	struct cv_dev_conf conf = { .ingress = true };

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_dev(state, &conf, NULL), 0);
}

static void ask_dev(struct cv_state *state, const char *name, const char *dev)
{
	struct cv_rule_conf *rule = add_rule(state, name);

	snprintf(rule->match.dev, sizeof(rule->match.dev), "%s", dev);
}

static void a_device_of_no_entry_is_told(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add_dev(&state, "eth0");
	add_dev(&state, "veth*");
	ask_dev(&state, "right", "eth0");
	ask_dev(&state, "fits", "veth7");
	ask_dev(&state, "near", "eht0");
	ask_dev(&state, "far", "wlan0");
	ask_dev(&state, "not", "wlan1");
	state.rules[4].match.not_fields = 1 << CV_FIELD_DEV;
	assert_warnings(
		&state,
		"f:3:3: rule near: never matches: dev eht0 is none of the devices; did you mean \"eth0\"?\n"
		"f:4:3: rule far: never matches: dev wlan0 is none of the devices; add it to the devices\n");
	/* Somebody else's filters. */
	cv_state_init(&state);
	ask_dev(&state, "any", "eth0");
	assert_warnings(&state, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_that_differ_are_no_matter),
		cmocka_unit_test(both_places_are_named),
		cmocka_unit_test(several_rules_hide_another),
		cmocka_unit_test(what_excludes_itself_is_told),
		cmocka_unit_test(a_device_of_no_entry_is_told),
	};

	return cmocka_run_group_tests_name("warn", tests, NULL, NULL);
}
