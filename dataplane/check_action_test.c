/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of check_action.c: one rule after the other in a state with an app that is routed and one
 * that is not, with all that is reported. Marks are in check_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "abi.h"
#include "culvert.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static void init_state(struct cv_state *state)
{
	struct cv_app_conf web = { .name = "web", .has_uid = true };
	struct cv_app_conf db = { .name = "db", .has_uid = true, .uid = { 1, 1 } };
	struct cv_tunnel_conf tunnel = { .name = "blue",
					 .mode = CV_TUNNEL_MODE_GRE,
					 .is_nonlocal = true,
					 .has_peers = true,
					 .local = { 4, { 192, 0, 2, 1 } } };
	struct cv_route_conf route = { .tunnel = "blue", .app = "web" };

	cv_state_init(state);
	assert_int_equal(cv_state_add_app(state, &web, NULL), 0);
	assert_int_equal(cv_state_add_app(state, &db, NULL), 0);
	assert_int_equal(cv_state_add_tunnel(state, &tunnel, NULL), 0);
	assert_int_equal(cv_state_add_route(state, &route, NULL), 0);
}

struct faults {
	char text[1024];
	size_t len;
};

static void add_fault(const struct cv_err *err, void *arg)
{
	struct faults *faults = arg;

	assert_int_equal(err->kind, CV_ERR_INPUT);
	assert_int_equal(err->place.line, 7);
	faults->len += snprintf(faults->text + faults->len, sizeof(faults->text) - faults->len,
				"%s%s%s\n", err->text, err->hint[0] ? "; " : "", err->hint);
}

static void assert_faults(const struct cv_rule_conf *rule, const char *expected)
{
	struct cv_rule_conf conf = *rule;
	struct faults faults = { .len = 0 };
	struct cv_state state;
	int errors;

	strcpy(conf.name, "r");
	conf.place = (struct cv_place){ .line = 7 };
	init_state(&state);
	assert_int_equal(cv_state_add_rule(&state, &conf, NULL), 0);
	errors = cv_state_check(&state, add_fault, &faults);
	assert_string_equal(faults.text, expected);
	assert_int_equal(!errors, !faults.len);
	cv_state_fini(&state);
}

#define ACTION(...) .action = { __VA_ARGS__ }
#define DIR_IN .match.dir = CV_DIR_ONLY_IN
#define IN_ETH1 DIR_IN, .match.dev = "eth1"
#define DIR_OUT .match.dir = CV_DIR_ONLY_OUT
#define VERDICT(value) .has_verdict = true, .verdict = (value)

static void faults_of_actions(void **unused)
{
	static const struct {
		struct cv_rule_conf rule;
		const char *faults;
	} cases[] = {
		{ { IN_ETH1, ACTION(.route_mark = "web") }, "" },
		{ { IN_ETH1, ACTION(.route_mark = "web", .has_mark = true, .mark = 1) }, "" },
		{ { IN_ETH1, ACTION(.route_mark = "wed") },
		  "rule r: route-mark: there is no app wed; did you mean \"web\"?\n" },
		{ { IN_ETH1, ACTION(.route_mark = "db") },
		  "rule r: route-mark: app db has no route; add a route with that app\n" },
		{ { DIR_OUT, .match.dev = "eth1", ACTION(.route_mark = "web") },
		  "rule r: route-mark: what leaves is routed already; add dir in to match\n" },
		{ { .match.dev = "eth1", ACTION(.route_mark = "web") },
		  "rule r: route-mark: what leaves is routed already; add dir in to match\n" },

		{ { DIR_IN, ACTION(.route_mark = "web") },
		  "rule r: route-mark: the packets come in by one device, which is not given; add dev IFNAME to match\n" },
		{ { IN_ETH1, .match.not_fields = 1 << CV_FIELD_DEV, ACTION(.route_mark = "web") },
		  "rule r: route-mark: the packets come in by one device, which is not given; add dev IFNAME to match\n" },

		{ { ACTION(.police_bits_ps = 8) }, "" },
		{ { ACTION(.police_bits_ps = 8, .police_burst_bytes = 1,
			   .police_scope = CV_PER_APP) },
		  "" },
		{ { ACTION(.police_burst_bytes = 1) },
		  "rule r: burst and per belong to police, which is not there; add police RATE\n" },
		{ { ACTION(.police_scope = CV_PER_SOURCE) },
		  "rule r: burst and per belong to police, which is not there; add police RATE\n" },
		{ { DIR_OUT, ACTION(.pace_bits_ps = 8) }, "" },
		{ { ACTION(.pace_bits_ps = 8) },
		  "rule r: pace: only what leaves can be sent later; add dir out to match\n" },
		{ { DIR_IN, ACTION(.pace_bits_ps = 8) },
		  "rule r: pace: only what leaves can be sent later; add dir out to match\n" },

		{ { ACTION(.redirect = "eth1") }, "" },
		{ { ACTION(.redirect = "eth1", .redirect_way = CV_TO_NEIGHBOUR, VERDICT(CV_NEXT)) },
		  "" },
		{ { ACTION(.redirect_way = CV_TO_INGRESS) },
		  "rule r: ingress and neigh belong to redirect, which is not there; add redirect IFNAME\n" },
		{ { ACTION(.redirect = "eth1", VERDICT(CV_ACCEPT)) },
		  "rule r: redirect and accept: a packet goes one way; leave one of the two out; mirror sends a copy\n" },
		{ { ACTION(.redirect = "eth1", VERDICT(CV_DROP)) },
		  "rule r: redirect and drop: a packet goes one way; leave one of the two out; mirror sends a copy\n" },
		{ { ACTION(.redirect = "eth1", VERDICT(CV_CONTINUE)) },
		  "rule r: redirect and continue: a packet goes one way; leave one of the two out; mirror sends a copy\n" },
		{ { DIR_OUT, .match.dev = "eth1", ACTION(.redirect = "eth1") },
		  "rule r: redirect: it is on eth1 already\n" },
		{ { DIR_IN, .match.dev = "eth1",
		    ACTION(.redirect = "eth1", .redirect_way = CV_TO_INGRESS) },
		  "rule r: redirect: it is on eth1 already\n" },
		{ { DIR_IN, .match.dev = "eth1", ACTION(.redirect = "eth1") }, "" },
		{ { DIR_OUT, .match.dev = "eth1",
		    ACTION(.redirect = "eth1", .redirect_way = CV_TO_INGRESS) },
		  "" },
		{ { DIR_OUT, .match.dev = "eth1", .match.not_fields = 1 << CV_FIELD_DEV,
		    ACTION(.redirect = "eth1") },
		  "" },
		{ { ACTION(.mirror = "eth1", VERDICT(CV_DROP)) }, "" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		assert_faults(&cases[i].rule, cases[i].faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_of_actions),
	};

	return cmocka_run_group_tests_name("check_action", tests, NULL, NULL);
}
