/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of the app compiler: which of two apps comes first, which two cannot be told apart, and
 * whether the hooks find each app of a set where they look for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps.h"
#include "own.h"
#include "siphash.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_SHA "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const uint64_t key[2] = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };

#define UID(low, high) .has_uid = true, .uid = { low, high }
#define GID(low, high) .has_gid = true, .gid = { low, high }

/* ---- words ---- */

static void units_have_whole_names(void **unused)
{
	static const struct {
		const char *unit;
		const char *name; /* NULL: none */
	} cases[] = {
		{ "sshd", "sshd.service" },
		{ "sshd.service", "sshd.service" },
		{ "user@1000.service", "user@1000.service" },
		{ "init.scope", "init.scope" },
		{ "system.slice", "system.slice" },
		{ "dbus.socket", NULL },
		{ "org.example", NULL },
	};
	char name[CV_UNIT_NAME], long_name[CV_UNIT_NAME + 1];

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		assert_int_equal(cv_unit_name(cases[i].unit, name), !!cases[i].name);
		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
	}
	memset(long_name, 'a', CV_UNIT_NAME);
	long_name[CV_UNIT_NAME - strlen(".service")] = '\0';
	assert_false(cv_unit_name(long_name, name));
	assert_true(cv_unit_name(long_name + 1, name));
}

static void globs_are_told_from_paths(void **unused)
{
	(void)unused;
	assert_false(cv_exe_is_glob("/usr/bin/web"));
	assert_true(cv_exe_is_glob("/usr/bin/*"));
	assert_true(cv_exe_is_glob("/usr/bin/web?"));
	assert_true(cv_exe_is_glob("/usr/bin/web[0-9]"));
}

static void classes_have_an_end(void **unused)
{
	(void)unused;
	assert_int_equal(cv_glob_class("[a]x"), 3);
	assert_int_equal(cv_glob_class("[a-z0-9]"), 8);
	assert_int_equal(cv_glob_class("[!a]"), 4);
	assert_int_equal(cv_glob_class("[]a]x"), 4);
	assert_int_equal(cv_glob_class("[!]]x"), 4);
	assert_int_equal(cv_glob_class("["), 0);
	assert_int_equal(cv_glob_class("[!"), 0);
	assert_int_equal(cv_glob_class("[]"), 0);
	assert_int_equal(cv_glob_class("[a"), 0);
	assert_int_equal(cv_glob_class("[0123456789012345678901234567890]"), 33);
	assert_int_equal(cv_glob_class("[01234567890123456789012345678901]"), 0);
}

/* ---- sets ---- */

static struct cv_app_source source_of(const char *name, struct cv_app_conf conf)
{
	struct cv_app_source source = { .conf = conf, .exe_inode = CV_APP_NOBODY, .is_own = true };

	snprintf(source.conf.name, sizeof(source.conf.name), "%s", name);
	return source;
}

static struct cv_app_set *compile(const struct cv_app_source *sources, size_t count, bool is_outer)
{
	struct cv_app_set *set = calloc(1, sizeof(*set));

	assert_non_null(set);
	cv_apps_compile(set, sources, count, key, is_outer);
	return set;
}

static struct cv_app_set *compile_one(struct cv_app_conf conf)
{
	struct cv_app_source source = source_of("one", conf);

	return compile(&source, 1, false);
}

/* Each before the next. */
static const struct cv_app_conf by_rank[] = {
	{ .exe = "/a", .exe_sha256 = SHA },
	{ .exe = "/a", .unit = "a.service" },
	{ .exe = "/a", UID(0, 0) },
	{ .exe = "/a" },
	{ .exe = "/usr/lib/*/web" },
	{ .exe = "/usr/lib/[a-z]*", UID(0, 0) },
	{ .exe = "/usr/lib/**" },
	{ .exe = "/usr/*/w", .unit = "a" },
	{ .exe = "/*" },
	{ .unit = "a.service", .cgroup = "/x" },
	{ .unit = "a.scope" },
	{ .unit = "a-b-c.slice" },
	{ .unit = "a-b.slice" },
	{ .unit = "a.slice" },
	{ .cgroup = "/x/y/z" },
	{ .cgroup = "//x/./y/", .parent_exe = "/p" },
	{ .cgroup = "/x/y" },
	{ .cgroup = "/", UID(0, 0) },
	{ .cgroup = "/" },
	{ .parent_exe = "/p", .comm = "c" },
	{ .parent_exe = "/p" },
	{ UID(0, 0), GID(0, 0) },
	{ UID(0, 0) },
	{ UID(0, 9), GID(0, 0) },
	{ UID(0, 10), GID(0, 0) },
	{ UID(0, 10), GID(0, 5) },
	{ GID(0, 0) },
	{ GID(0, 9), .comm = "c" },
	{ GID(0, 9) },
	{ .comm = "c", .netns = "n" },
	{ .comm = "c" },
	{ .comm = "c", .netns = "any" },
	{ .netns = "n" },
	{ .netns = "any" },
};

static void the_most_specific_comes_first(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < CV_COUNT(by_rank); i++)
		for (size_t j = i + 1; j < CV_COUNT(by_rank); j++) {
			struct cv_app_source two[] = { source_of("less", by_rank[j]),
						       source_of("more", by_rank[i]) };
			CV_FREE struct cv_app_set *set = compile(two, 2, false);

			if (strcmp(set->apps[0].name, "more") || strcmp(set->apps[1].name, "less"))
				fail_msg("app %zu of the table is not before app %zu", i, j);
			assert_false(cv_apps_tie(&by_rank[i], &by_rank[j]));
			assert_true(cv_app_rank(&by_rank[i]) != cv_app_rank(&by_rank[j]));
		}
}

static void equals_stay_in_their_order(void **unused)
{
	struct cv_app_source sources[100];
	CV_FREE struct cv_app_set *set = NULL;
	char name[CV_NAME_LEN];

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(sources); i++) {
		snprintf(name, sizeof(name), "app%zu", i);
		sources[i] = source_of(name, (struct cv_app_conf){ .comm = "c" });
	}
	set = compile(sources, CV_COUNT(sources), false);
	for (size_t i = 0; i < CV_COUNT(sources); i++)
		assert_string_equal(set->apps[i].name, sources[i].conf.name);
}

static void classes_stand_one_after_the_other(void **unused)
{
	struct cv_app_source sources[CV_COUNT(by_rank)];
	CV_FREE struct cv_app_set *set = NULL;
	uint32_t i = 0;

	(void)unused;
	for (size_t n = 0; n < CV_COUNT(by_rank); n++)
		sources[n] = source_of("app", by_rank[CV_COUNT(by_rank) - 1 - n]);
	set = compile(sources, CV_COUNT(sources), false);
	assert_int_equal(set->count, CV_COUNT(by_rank));
	for (; i < set->first_glob; i++)
		assert_true(set->apps[i].flags & CV_APP_EXE);
	for (; i < set->first_unit; i++)
		assert_int_equal(set->apps[i].flags & (CV_APP_EXE | CV_APP_GLOB), CV_APP_GLOB);
	for (; i < set->first_cgroup; i++)
		assert_int_equal(set->apps[i].flags & (CV_APP_EXE | CV_APP_GLOB | CV_APP_UNIT),
				 CV_APP_UNIT);
	for (; i < set->first_other; i++)
		assert_int_equal(set->apps[i].flags &
					 (CV_APP_EXE | CV_APP_GLOB | CV_APP_UNIT | CV_APP_CGROUP),
				 CV_APP_CGROUP);
	for (; i < set->count; i++)
		assert_false(set->apps[i].flags &
			     (CV_APP_EXE | CV_APP_GLOB | CV_APP_UNIT | CV_APP_CGROUP));
	assert_int_equal(set->first_glob, 4);
	assert_int_equal(set->first_unit, 9);
	assert_int_equal(set->first_cgroup, 14);
	assert_int_equal(set->first_other, 19);
	assert_int_equal(set->flags, CV_APP_EXE | CV_APP_GLOB | CV_APP_PINNED | CV_APP_UNIT |
					     CV_APP_CGROUP | CV_APP_PARENT | CV_APP_UID |
					     CV_APP_GID | CV_APP_COMM | CV_APP_NETNS);
}

static void an_empty_class_has_no_width(void **unused)
{
	CV_FREE struct cv_app_set *set = compile_one((struct cv_app_conf){ .comm = "c" });

	(void)unused;
	assert_int_equal(set->count, 1);
	assert_int_equal(set->first_glob, 0);
	assert_int_equal(set->first_unit, 0);
	assert_int_equal(set->first_cgroup, 0);
	assert_int_equal(set->first_other, 0);
}

static void what_is_the_callers_stays(void **unused)
{
	struct cv_app_source source = source_of("one", (struct cv_app_conf){ .comm = "c" });
	CV_FREE struct cv_app_set *set = calloc(1, sizeof(*set));

	(void)unused;
	assert_non_null(set);
	set->generation = 1;
	set->mark_mask = 2;
	set->next_id = 3;
	set->netns_cookie = 4;
	cv_apps_compile(set, &source, 1, key, false);
	assert_int_equal(set->generation, 1);
	assert_int_equal(set->mark_mask, 2);
	assert_int_equal(set->next_id, 3);
	assert_int_equal(set->netns_cookie, 4);
}

static void outer_apps_have_a_set_of_their_own(void **unused)
{
	struct cv_app_source sources[] = {
		source_of("own", (struct cv_app_conf){ .comm = "c" }),
		source_of("outer", (struct cv_app_conf){ .comm = "c", .netns = "n" }),
		source_of("both", (struct cv_app_conf){ .comm = "c", .netns = "any" }),
		source_of("neither", (struct cv_app_conf){ .comm = "c" }),
	};
	CV_FREE struct cv_app_set *own = NULL;
	CV_FREE struct cv_app_set *outer = NULL;

	(void)unused;
	sources[1].is_own = false;
	sources[1].is_outer = true;
	sources[1].netns_cookie = 7;
	sources[2].is_outer = true;
	sources[3].is_own = false;
	own = compile(sources, CV_COUNT(sources), false);
	outer = compile(sources, CV_COUNT(sources), true);
	assert_int_equal(own->count, 2);
	assert_string_equal(own->apps[0].name, "own");
	assert_string_equal(own->apps[1].name, "both");
	assert_int_equal(own->flags, CV_APP_COMM);
	assert_int_equal(outer->count, 2);
	assert_string_equal(outer->apps[0].name, "outer");
	assert_int_equal(outer->apps[0].netns_cookie, 7);
	assert_string_equal(outer->apps[1].name, "both");
	assert_int_equal(outer->apps[1].flags, CV_APP_COMM);
}

/* ---- one app ---- */

static uint64_t hash(const char *text)
{
	return cv_siphash(key, text, strlen(text));
}

static void selectors_become_conditions(void **unused)
{
	struct cv_app_source source = source_of("one", (struct cv_app_conf){ .exe = "/a",
									     .parent_exe = "/p",
									     .unit = "u",
									     .cgroup = "/x",
									     .comm = "c",
									     .netns = "n",
									     .gate = true,
									     UID(1, 2),
									     GID(3, 4) });
	CV_FREE struct cv_app_set *set = NULL;
	const struct cv_app *app;

	(void)unused;
	source.exe_inode = 5;
	source.exe_dev = 6;
	source.exe_ctime_ns = 7;
	source.netns_cookie = 8;
	source.id = 9;
	source.mark = 10;
	set = compile(&source, 1, false);
	app = &set->apps[0];
	assert_string_equal(app->name, "one");
	assert_string_equal(app->comm, "c");
	assert_int_equal(app->exe_hash, hash("/a"));
	assert_int_equal(app->exe_inode, 5);
	assert_int_equal(app->exe_dev, 6);
	assert_int_equal(app->exe_ctime_ns, 0);
	assert_int_equal(app->unit_hash, hash("u.service"));
	assert_int_equal(app->parent_hash, hash("/p"));
	assert_int_equal(app->netns_cookie, 8);
	assert_int_equal(app->uid_min, 1);
	assert_int_equal(app->uid_max, 2);
	assert_int_equal(app->gid_min, 3);
	assert_int_equal(app->gid_max, 4);
	assert_int_equal(app->id, 9);
	assert_int_equal(app->mark, 10);
	assert_int_equal(app->flags, CV_APP_EXE | CV_APP_UNIT | CV_APP_CGROUP | CV_APP_PARENT |
					     CV_APP_UID | CV_APP_GID | CV_APP_COMM | CV_APP_NETNS |
					     CV_APP_GATE);
	assert_int_equal(set->flags, app->flags | CV_APP_ROUTED);
}

static void cgroups_are_hashed_name_by_name(void **unused)
{
	static const char *const ways[] = { "/system.slice/web.service", "system.slice/web.service",
					    "//system.slice/./web.service/" };
	uint64_t chain[2] = { key[0], key[1] };

	(void)unused;
	chain[0] = cv_siphash(chain, "system.slice", 12);
	chain[0] = cv_siphash(chain, "web.service", 11);
	for (size_t i = 0; i < CV_COUNT(ways); i++) {
		CV_FREE struct cv_app_set *set =
			compile_one((struct cv_app_conf){ .cgroup = (char *)ways[i] });

		assert_int_equal(set->apps[0].cgroup_hash, chain[0]);
		assert_int_equal(set->apps[0].cgroup_depth, 2);
	}
}

static void the_root_cgroup_has_the_key_itself(void **unused)
{
	CV_FREE struct cv_app_set *set = compile_one((struct cv_app_conf){ .cgroup = "/" });

	(void)unused;
	assert_int_equal(set->apps[0].cgroup_hash, key[0]);
	assert_int_equal(set->apps[0].cgroup_depth, 0);
}

static void globs_have_a_place(void **unused)
{
	struct cv_app_source sources[] = {
		source_of("short", (struct cv_app_conf){ .exe = "/a*" }),
		source_of("path", (struct cv_app_conf){ .exe = "/a" }),
		source_of("long", (struct cv_app_conf){ .exe = "/long*" }),
	};
	CV_FREE struct cv_app_set *set = compile(sources, CV_COUNT(sources), false);

	(void)unused;
	assert_string_equal(set->apps[1].name, "long");
	assert_string_equal(set->globs[set->apps[1].glob], "/long*");
	assert_string_equal(set->apps[2].name, "short");
	assert_string_equal(set->globs[set->apps[2].glob], "/a*");
	assert_int_equal(set->apps[1].exe_hash, 0);
	assert_int_equal(set->apps[1].flags, CV_APP_GLOB);
}

/* ---- buckets, as the hooks use them ---- */

/* True if the app stands in the chain, which is in ascending order. */
static bool is_in_chain(const struct cv_app_set *set, const uint16_t *buckets, uint64_t at,
			bool by_inode, uint32_t index)
{
	uint32_t next = buckets[at % CV_APP_BUCKETS], last = 0;
	bool is_found = false;

	while (next) {
		const struct cv_app *app = &set->apps[next - 1];

		assert_true(next > last);
		is_found = is_found || next - 1 == index;
		last = next;
		next = by_inode ? app->next_inode : app->next;
	}
	return is_found;
}

static bool is_in_exe_chain(const struct cv_app_set *set, uint32_t index)
{
	return is_in_chain(set, set->exe_buckets, set->apps[index].exe_hash, false, index);
}

static bool is_in_inode_chain(const struct cv_app_set *set, uint32_t index)
{
	return is_in_chain(set, set->inode_buckets, set->apps[index].exe_inode, true, index);
}

static void as_many_apps_as_there_may_be_are_found(void **unused)
{
	CV_FREE struct cv_app_source *sources = calloc(CV_MAX_APPS, sizeof(*sources));
	CV_FREE struct cv_app_set *set = NULL;
	static char paths[CV_MAX_APPS][32];

	(void)unused;
	assert_non_null(sources);
	for (size_t i = 0; i < CV_MAX_APPS; i++) {
		struct cv_app_conf conf = { UID(i % 7, i % 7) };

		snprintf(paths[i], sizeof(paths[i]), "/path/%zu", i);
		if (i % 3 == 0)
			conf.exe = paths[i];
		else if (i % 3 == 1)
			conf.unit = paths[i] + strlen("/path/");
		else
			conf.cgroup = paths[i];
		sources[i] = source_of("app", conf);
		if (conf.exe)
			sources[i].exe_inode = i % 8; /* long chains */
	}
	set = compile(sources, CV_MAX_APPS, false);
	assert_int_equal(set->count, CV_MAX_APPS);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct cv_app *app = &set->apps[i];

		if (i < set->first_glob)
			assert_true(is_in_exe_chain(set, i));
		else if (i < set->first_cgroup)
			assert_true(is_in_chain(set, set->unit_buckets, app->unit_hash, false, i));
		else
			assert_true(
				is_in_chain(set, set->cgroup_buckets, app->cgroup_hash, false, i));
	}
}

static void apps_of_one_path_share_a_chain(void **unused)
{
	struct cv_app_source sources[] = {
		source_of("all", (struct cv_app_conf){ .exe = "/a" }),
		source_of("root", (struct cv_app_conf){ .exe = "/a", UID(0, 0) }),
		source_of("users", (struct cv_app_conf){ .exe = "/a", UID(1000, 2000) }),
	};
	CV_FREE struct cv_app_set *set = NULL;

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(sources); i++)
		sources[i].exe_inode = 5;
	set = compile(sources, CV_COUNT(sources), false);
	for (uint32_t i = 0; i < set->count; i++) {
		assert_true(is_in_exe_chain(set, i));
		assert_true(is_in_inode_chain(set, i));
	}
	assert_string_equal(set->apps[0].name, "root");
	assert_string_equal(set->apps[2].name, "all");
}

static void what_does_not_exist_has_no_inode(void **unused)
{
	CV_FREE struct cv_app_set *set = compile_one((struct cv_app_conf){ .exe = "/a" });

	(void)unused;
	assert_true(is_in_exe_chain(set, 0));
	assert_int_equal(set->apps[0].exe_inode, CV_APP_NOBODY);
	assert_false(is_in_inode_chain(set, 0));
}

static void contents_are_told_by_inode_alone(void **unused)
{
	struct cv_app_source source =
		source_of("one", (struct cv_app_conf){ .exe = "/a", .exe_sha256 = SHA });
	CV_FREE struct cv_app_set *set = NULL;

	(void)unused;
	source.exe_inode = 5;
	source.exe_ctime_ns = 6;
	set = compile(&source, 1, false);
	assert_int_equal(set->apps[0].flags, CV_APP_EXE | CV_APP_PINNED);
	assert_int_equal(set->apps[0].exe_hash, 0);
	assert_int_equal(set->apps[0].exe_ctime_ns, 6);
	assert_false(is_in_exe_chain(set, 0));
	assert_true(is_in_inode_chain(set, 0));
}

static void scripts_say_so(void **unused)
{
	struct cv_app_source source = source_of("one", (struct cv_app_conf){ .exe = "/a" });
	CV_FREE struct cv_app_set *set = NULL;

	(void)unused;
	source.is_script = true;
	set = compile(&source, 1, false);
	assert_int_equal(set->flags, CV_APP_EXE | CV_APP_SCRIPT);
	assert_true(is_in_exe_chain(set, 0));
}

/* Hard links: by its inode alone nobody could say which it is. */
static void an_inode_of_two_paths_tells_neither(void **unused)
{
	struct cv_app_source sources[] = {
		source_of("a", (struct cv_app_conf){ .exe = "/a" }),
		source_of("b", (struct cv_app_conf){ .exe = "/b" }),
		source_of("elsewhere", (struct cv_app_conf){ .exe = "/c" }),
	};
	CV_FREE struct cv_app_set *set = NULL;

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(sources); i++) {
		sources[i].exe_inode = 5;
		sources[i].exe_dev = i == 2 ? 2 : 1;
	}
	set = compile(sources, CV_COUNT(sources), false);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(is_in_exe_chain(set, i));
		assert_int_equal(set->apps[i].exe_inode, CV_APP_NOBODY);
		assert_false(is_in_inode_chain(set, i));
	}
	assert_string_equal(set->apps[2].name, "elsewhere");
	assert_true(is_in_inode_chain(set, 2));
}

static void contents_and_path_share_an_inode(void **unused)
{
	struct cv_app_source sources[] = {
		source_of("path", (struct cv_app_conf){ .exe = "/a" }),
		source_of("contents", (struct cv_app_conf){ .exe = "/a", .exe_sha256 = SHA }),
	};
	CV_FREE struct cv_app_set *set = NULL;

	(void)unused;
	sources[0].exe_inode = 5;
	sources[1].exe_inode = 5;
	set = compile(sources, CV_COUNT(sources), false);
	assert_string_equal(set->apps[0].name, "contents");
	assert_true(is_in_inode_chain(set, 0));
	assert_true(is_in_inode_chain(set, 1));
}

/* ---- ties ---- */

struct tie_case {
	struct cv_app_conf a;
	struct cv_app_conf b;
	bool is_tie;
};

static const struct tie_case tie_cases[] = {
	{ { .exe = "/a" }, { .exe = "/a" }, true },
	{ { .exe = "/a" }, { .exe = "/b" }, false },
	{ { .exe = "/a", UID(0, 0) }, { .exe = "/a", UID(0, 0) }, true },
	{ { .exe = "/a", UID(0, 0) }, { .exe = "/a", UID(1, 1) }, false },
	{ { .exe = "/a", UID(0, 0) }, { .exe = "/a", GID(0, 0) }, false },
	{ { .exe = "/a", .exe_sha256 = SHA }, { .exe = "/a", .exe_sha256 = SHA }, true },
	{ { .exe = "/a", .exe_sha256 = SHA }, { .exe = "/a", .exe_sha256 = OTHER_SHA }, false },
	{ { .exe = "/a*" }, { .exe = "/*a" }, true },
	{ { .exe = "/a*" }, { .exe = "/b*" }, false },
	{ { .exe = "/*a" }, { .exe = "/*b" }, false },
	{ { .exe = "/a*c" }, { .exe = "/*bc" }, true },
	{ { .exe = "/a?" }, { .exe = "/*a" }, true },
	{ { .exe = "/a??c" }, { .exe = "/a?c" }, false },
	{ { .exe = "/x/*" }, { .exe = "/*/x" }, true },
	{ { .exe = "/x/*" }, { .exe = "/*/y" }, true },
	{ { .exe = "/x/?/a" }, { .exe = "/x/**/b" }, false },
	{ { .exe = "/x/**" }, { .exe = "/**/x" }, true },
	{ { .exe = "/x**" }, { .exe = "/?/" }, true },
	{ { .exe = "/x*" }, { .exe = "/?/" }, false },
	{ { .exe = "/x/**" }, { .exe = "/*/x" }, true },
	{ { .exe = "/x/**y" }, { .exe = "/x/*/" }, false },
	{ { .exe = "/xx/*" }, { .exe = "/*/a/" }, false },
	{ { .exe = "/x/[a-c]" }, { .exe = "/x/?" }, true },
	{ { .exe = "/x/[a-c]/" }, { .exe = "/x/?y" }, false },
	{ { .exe = "/x[/]y" }, { .exe = "/x/*" }, false },
	{ { .unit = "a" }, { .unit = "a.service" }, true },
	{ { .unit = "a" }, { .unit = "b" }, false },
	{ { .unit = "a" }, { .unit = "a.scope" }, false },
	{ { .unit = "a-b.slice" }, { .unit = "a-c.slice" }, false },
	{ { .cgroup = "/a" }, { .cgroup = "//a/" }, true },
	{ { .cgroup = "/a" }, { .cgroup = "/b" }, false },
	{ { .cgroup = "/a" }, { .cgroup = "/ab" }, false },
	{ { .cgroup = "/" }, { .cgroup = "/" }, true },
	{ { .parent_exe = "/a" }, { .parent_exe = "/a" }, true },
	{ { .parent_exe = "/a" }, { .parent_exe = "/b" }, false },
	{ { UID(0, 10) }, { UID(10, 20) }, true },
	{ { UID(0, 9) }, { UID(10, 19) }, false },
	{ { UID(0, 10) }, { UID(10, 21) }, false },
	{ { GID(0, 10) }, { GID(10, 20) }, true },
	{ { GID(0, 9) }, { GID(10, 19) }, false },
	{ { .comm = "a" }, { .comm = "a" }, true },
	{ { .comm = "a" }, { .comm = "b" }, false },
	{ { .comm = "a" }, { .comm = "a", UID(0, 0) }, false },
	{ { .netns = "a" }, { .netns = "a" }, true },
	{ { .netns = "a" }, { .netns = "b" }, false },
	{ { .netns = "a" }, { .netns = "any" }, false },
	{ { .netns = "any" }, { .netns = "any" }, true },
};

static void ties_are_seen_from_both_sides(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < CV_COUNT(tie_cases); i++) {
		const struct tie_case *c = &tie_cases[i];

		if (cv_apps_tie(&c->a, &c->b) != c->is_tie ||
		    cv_apps_tie(&c->b, &c->a) != c->is_tie)
			fail_msg("case %zu: %s and %s", i, c->a.exe ? c->a.exe : c->a.name,
				 c->b.exe ? c->b.exe : c->b.name);
		if (c->is_tie)
			assert_int_equal(cv_app_rank(&c->a), cv_app_rank(&c->b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_have_whole_names),
		cmocka_unit_test(globs_are_told_from_paths),
		cmocka_unit_test(classes_have_an_end),
		cmocka_unit_test(the_most_specific_comes_first),
		cmocka_unit_test(equals_stay_in_their_order),
		cmocka_unit_test(classes_stand_one_after_the_other),
		cmocka_unit_test(an_empty_class_has_no_width),
		cmocka_unit_test(what_is_the_callers_stays),
		cmocka_unit_test(outer_apps_have_a_set_of_their_own),
		cmocka_unit_test(selectors_become_conditions),
		cmocka_unit_test(cgroups_are_hashed_name_by_name),
		cmocka_unit_test(the_root_cgroup_has_the_key_itself),
		cmocka_unit_test(globs_have_a_place),
		cmocka_unit_test(as_many_apps_as_there_may_be_are_found),
		cmocka_unit_test(apps_of_one_path_share_a_chain),
		cmocka_unit_test(what_does_not_exist_has_no_inode),
		cmocka_unit_test(contents_are_told_by_inode_alone),
		cmocka_unit_test(scripts_say_so),
		cmocka_unit_test(an_inode_of_two_paths_tells_neither),
		cmocka_unit_test(contents_and_path_share_an_inode),
		cmocka_unit_test(ties_are_seen_from_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
