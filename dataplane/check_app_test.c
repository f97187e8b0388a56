/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of check_app.c: apps that make no sense, each beside the nearest that do. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi.h"
#include "culvert.h"
#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SHA "0123456789abcdef0123456789abcdefABCDEFABCDEFABCDEFABCDEFABCDEFAB"

/* The texts of the conf are borrowed. */
static void add_app(struct cv_state *state, const char *name, const struct cv_app_conf *model)
{
	struct cv_app_conf conf = *model;

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	conf.exe = model->exe ? strdup(model->exe) : NULL;
	conf.parent_exe = model->parent_exe ? strdup(model->parent_exe) : NULL;
	conf.unit = model->unit ? strdup(model->unit) : NULL;
	conf.cgroup = model->cgroup ? strdup(model->cgroup) : NULL;
	conf.netns = model->netns ? strdup(model->netns) : NULL;
	assert_int_equal(cv_state_add_app(state, &conf, NULL), 0);
}

static void print_fault(const struct cv_err *err, void *arg)
{
	fprintf(arg, "%s\n", err->text);
}

static void expect_faults(const struct cv_state *state, const char *expected)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *file = NULL;
	size_t size;

	file = open_memstream(&text, &size);
	assert_non_null(file);
	cv_state_check(state, print_fault, file);
	cv_finish_file(&file);
	assert_string_equal(text, expected);
}

/* ---- one app ---- */

static char long_glob[CV_MAX_GLOB + 1], long_path[PATH_MAX + 1];

static const struct {
	struct cv_app_conf conf;
	const char *faults;
} cases[] = {
	{ {}, "app a: no selector, it would be every program\n" },
	{ { .gate = true }, "app a: no selector, it would be every program\n" },
	{ { .exe = "/a" }, "" },
	{ { .parent_exe = "/a" }, "" },
	{ { .unit = "a" }, "" },
	{ { .cgroup = "/" }, "" },
	{ { .netns = "n" }, "" },
	{ { .comm = "c" }, "" },
	{ { .has_uid = true }, "" },
	{ { .has_gid = true }, "" },
	{ { .exe = "/a", .exe_sha256 = SHA }, "" },
	{ { .comm = "c", .exe_sha256 = SHA }, "app a: exe-sha256 without exe\n" },
	{ { .exe_sha256 = SHA },
	  "app a: no selector, it would be every program\napp a: exe-sha256 without exe\n" },
	{ { .exe = "/a*", .exe_sha256 = SHA }, "app a: exe-sha256: exe /a* is many files\n" },
	{ { .exe = "/a", .exe_sha256 = "0123" }, "app a: exe-sha256 0123: not 64 hex digits\n" },
	{ { .exe = "/a",
	    .exe_sha256 = "x123456789abcdef0123456789abcdefABCDEFABCDEFABCDEFABCDEFABCDEFAB" },
	  "app a: exe-sha256 x123456789abcdef0123456789abcdefABCDEFABCDEFABCDEFABCDEFABCDEFAB: not 64 hex digits\n" },
	{ { .exe = long_path + 1 }, "" },
	{ { .exe = long_path }, "app a: exe: a path of more than 4095 characters\n" },
	{ { .parent_exe = long_path }, "app a: parent-exe: a path of more than 4095 characters\n" },
	{ { .cgroup = long_path }, "app a: cgroup: a path of more than 4095 characters\n" },
	{ { .exe = long_glob + 1 }, "" },
	{ { .exe = long_glob }, "app a: exe: a glob of more than 255 characters\n" },
	{ { .exe = "/a[0-9]*" }, "" },
	{ { .exe = "/a[0-9*" },
	  "app a: exe /a[0-9*: [ without ], or more than 31 characters between\n" },
	{ { .exe = "/a[a][" },
	  "app a: exe /a[a][: [ without ], or more than 31 characters between\n" },
	{ { .unit = "a.service" }, "" },
	{ { .unit = "a.slice" }, "" },
	{ { .unit = "a.socket" },
	  "app a: unit a.socket: not a kind of unit that processes are in\n" },
	{ { .unit = "-.slice" }, "app a: unit -.slice: it has no cgroup of its own\n" },
	{ { .cgroup = "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15" }, "" },
	{ { .cgroup = "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16" },
	  "app a: cgroup /1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16: deeper than 15\n" },
	{ { .exe = "/a", .gate = true }, "" },
	{ { .netns = "n", .gate = true },
	  "app a: netns: its packets are held back in their own network namespace\n" },
};

static void faults_of_one_app(void **unused)
{
	(void)unused;
	memset(long_glob, '*', CV_MAX_GLOB);
	memset(long_path, 'a', PATH_MAX);
	long_path[0] = long_path[1] = '/';
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_CLEANUP(cv_state_fini) struct cv_state state;

		cv_state_init(&state);
		add_app(&state, "a", &cases[i].conf);
		expect_faults(&state, cases[i].faults);
	}
}

static void words_of_rules_are_no_names(void **unused)
{
	CV_CLEANUP(cv_state_fini) struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add_app(&state, "any", &(struct cv_app_conf){ .comm = "a" });
	add_app(&state, "none", &(struct cv_app_conf){ .comm = "b" });
	expect_faults(&state, "app any: the word has a meaning of its own in rules\n"
			      "app none: the word has a meaning of its own in rules\n");
}

static void outer_apps_are_not_routed(void **unused)
{
	CV_CLEANUP(cv_state_fini) struct cv_state state;
	struct cv_route_conf route = { .app = "a", .tunnel = "t" };
	struct cv_tunnel_conf tunnel = {
		.name = "t",
		.mode = CV_TUNNEL_MODE_GRE,
		.local = { 4, { 192, 0, 2, 1 } },
		.remotes = { .items = calloc(1, sizeof(struct cv_addr)), .count = 1 },
	};

	(void)unused;
	tunnel.remotes.items[0] = (struct cv_addr){ 4, { 192, 0, 2, 2 } };
	cv_state_init(&state);
	assert_int_equal(cv_state_add_tunnel(&state, &tunnel, NULL), 0);
	assert_int_equal(cv_state_add_route(&state, &route, NULL), 0);
	add_app(&state, "b", &(struct cv_app_conf){ .comm = "b", .netns = "any" });
	add_app(&state, "a", &(struct cv_app_conf){ .comm = "a" });
	expect_faults(&state, "");
	cv_state_del_app(&state, cv_state_find_app(&state, "a"));
	add_app(&state, "a", &(struct cv_app_conf){ .comm = "a", .netns = "any" });
	expect_faults(&state,
		      "app a: netns: its packets are routed in their own network namespace\n");
}

/* ---- several ---- */

static void ties_name_both(void **unused)
{
	CV_CLEANUP(cv_state_fini) struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add_app(&state, "a", &(struct cv_app_conf){ .exe = "/a" });
	add_app(&state, "b", &(struct cv_app_conf){ .exe = "/b" });
	add_app(&state, "c", &(struct cv_app_conf){ .exe = "/a", .comm = "c" });
	expect_faults(&state, "");
	add_app(&state, "d", &(struct cv_app_conf){ .exe = "/a" });
	expect_faults(&state, "app a and app d: equally specific, and a process can be both\n");
}

static void what_is_given_twice_is_no_tie(void **unused)
{
	CV_CLEANUP(cv_state_fini) struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add_app(&state, "a", &(struct cv_app_conf){ .exe = "/a" });
	add_app(&state, "a", &(struct cv_app_conf){ .exe = "/a" });
	expect_faults(&state, "app a: given twice\n");
}

/* Two of no selector are wrong each, not both together. */
static void without_selectors_there_is_no_tie(void **unused)
{
	CV_CLEANUP(cv_state_fini) struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add_app(&state, "a", &(struct cv_app_conf){});
	add_app(&state, "b", &(struct cv_app_conf){});
	expect_faults(&state, "app a: no selector, it would be every program\n"
			      "app b: no selector, it would be every program\n");
}

static void globs_have_a_limit(void **unused)
{
	CV_CLEANUP(cv_state_fini) struct cv_state state;
	char name[CV_NAME_LEN], exe[64];

	(void)unused;
	cv_state_init(&state);
	for (int i = 0; i <= CV_MAX_GLOBS; i++) {
		expect_faults(&state, "");
		snprintf(name, sizeof(name), "a%d", i);
		snprintf(exe, sizeof(exe), "/%d/*", i);
		add_app(&state, name, &(struct cv_app_conf){ .exe = exe });
	}
	expect_faults(&state, "65 apps with a glob: more than the 64 that one instance holds\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_of_one_app),
		cmocka_unit_test(words_of_rules_are_no_names),
		cmocka_unit_test(outer_apps_are_not_routed),
		cmocka_unit_test(ties_name_both),
		cmocka_unit_test(what_is_given_twice_is_no_tie),
		cmocka_unit_test(without_selectors_there_is_no_tie),
		cmocka_unit_test(globs_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
