/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether the apps of a state make sense: see check.h. */
#include "check.h"

#include <limits.h>
#include <string.h>

#include "abi.h"
#include "chain.h"
#include "compiler/apps.h"
#include "own.h"

static bool has_selector(const struct cv_app_conf *app)
{
	return app->exe || app->parent_exe || app->unit || app->cgroup || app->netns ||
	       app->comm[0] || app->has_uid || app->has_gid;
}

static void check_name(struct check *check, const struct cv_app_conf *app)
{
	const struct cv_app_conf *first = cv_state_find_app(check->state, app->name);

	if (!strcmp(app->name, "any") || !strcmp(app->name, "none"))
		FAULT(check, &app->place, "give it another name",
		      "app %s: the word has a meaning of its own in rules", app->name);
	if (first != app)
		cv_check_twice(check, &app->place, &first->place, "app %s", app->name);
}

static bool is_sha256(const char *text)
{
	return strlen(text) == CV_SHA256_TEXT - 1 &&
	       strspn(text, "0123456789abcdefABCDEF") == CV_SHA256_TEXT - 1;
}

static void check_sha256(struct check *check, const struct cv_app_conf *app)
{
	if (!app->exe_sha256[0])
		return;
	if (!is_sha256(app->exe_sha256))
		FAULT(check, &app->place, "as sha256sum prints it",
		      "app %s: exe-sha256 %s: not 64 hex digits", app->name, app->exe_sha256);
	if (!app->exe)
		FAULT(check, &app->place, "give exe PATH too", "app %s: exe-sha256 without exe",
		      app->name);
	else if (cv_exe_is_glob(app->exe))
		FAULT(check, &app->place, "give the path of one file",
		      "app %s: exe-sha256: exe %s is many files", app->name, app->exe);
}

static bool has_open_class(const char *glob)
{
	for (; *glob; glob++) {
		if (*glob != '[')
			continue;
		if (!cv_glob_class(glob))
			return true;
		glob += cv_glob_class(glob) - 1;
	}
	return false;
}

static void check_glob(struct check *check, const struct cv_app_conf *app)
{
	if (!app->exe || !cv_exe_is_glob(app->exe))
		return;
	if (strlen(app->exe) >= CV_MAX_GLOB)
		FAULT(check, &app->place, "", "app %s: exe: a glob of more than %d characters",
		      app->name, CV_MAX_GLOB - 1);
	if (has_open_class(app->exe))
		FAULT(check, &app->place, "",
		      "app %s: exe %s: [ without ], or more than %d characters between", app->name,
		      app->exe, CV_MAX_GLOB_CLASS);
}

/* The kernel takes no longer one. */
static void check_path(struct check *check, const struct cv_app_conf *app, const char *word,
		       const char *path)
{
	if (path && strlen(path) >= PATH_MAX)
		FAULT(check, &app->place, "", "app %s: %s: a path of more than %d characters",
		      app->name, word, PATH_MAX - 1);
}

static void check_groups(struct check *check, const struct cv_app_conf *app)
{
	char name[CV_UNIT_NAME];

	if (app->cgroup && cv_cgroup_depth(app->cgroup) >= CV_MAX_CGROUP_DEPTH)
		FAULT(check, &app->place, "give one above it", "app %s: cgroup %s: deeper than %d",
		      app->name, app->cgroup, CV_MAX_CGROUP_DEPTH - 1);
	if (app->unit && !cv_unit_name(app->unit, name))
		FAULT(check, &app->place, "NAME.service, NAME.scope or NAME.slice",
		      "app %s: unit %s: not a kind of unit that processes are in", app->name,
		      app->unit);
	else if (app->unit && !strcmp(name, "-.slice"))
		FAULT(check, &app->place, "cgroup / is every process",
		      "app %s: unit -.slice: it has no cgroup of its own", app->name);
}

/* Packets of sockets elsewhere are seen when they come out of there: too late to route or hold. */
static void check_netns(struct check *check, const struct cv_app_conf *app)
{
	if (!app->netns)
		return;
	if (cv_state_routes_app(check->state, app->name))
		FAULT(check, &app->place, "leave netns out, or route it there: culvert -n NETNS",
		      "app %s: netns: its packets are routed in their own network namespace",
		      app->name);
	if (app->gate)
		FAULT(check, &app->place, "leave netns out, or gate it there: culvert -n NETNS",
		      "app %s: netns: its packets are held back in their own network namespace",
		      app->name);
}

/* What tells two apps apart at once. */
struct traits {
	uint64_t rank;
	uint64_t path; /* a hash of that of the executable; 0: it is a glob, or none */
};

static struct traits *traits_of(const struct cv_state *state)
{
	struct traits *traits = calloc(state->app_count + 1, sizeof(*traits));

	for (size_t i = 0; traits && i < state->app_count; i++) {
		traits[i].rank = cv_app_rank(&state->apps[i]);
		if (state->apps[i].exe && !cv_exe_is_glob(state->apps[i].exe))
			traits[i].path = cv_hash_text(state->apps[i].exe);
	}
	return traits;
}

static bool are_apart(const struct traits *a, const struct traits *b)
{
	return a->rank != b->rank || (a->path && b->path && a->path != b->path);
}

/* traits NULL: there was no memory for them. */
static void check_ties(struct check *check, const struct cv_app_conf *app,
		       const struct traits *traits)
{
	const struct cv_app_conf *apps = check->state->apps;

	for (const struct cv_app_conf *other = apps; has_selector(app) && other < app; other++) {
		if ((traits && are_apart(&traits[other - apps], &traits[app - apps])) ||
		    !strcmp(app->name, other->name) || !cv_apps_tie(other, app))
			continue;
		FAULT(check, &app->place, "give one of them a selector more",
		      "app %s and app %s: equally specific, and a process can be both", other->name,
		      app->name);
		return;
	}
}

static void check_app(struct check *check, const struct cv_app_conf *app,
		      const struct traits *traits)
{
	check_name(check, app);
	if (!has_selector(app))
		FAULT(check, &app->place,
		      "give exe, parent-exe, unit, cgroup, uid, gid, comm or netns",
		      "app %s: no selector, it would be every program", app->name);
	check_path(check, app, "exe", app->exe);
	check_path(check, app, "parent-exe", app->parent_exe);
	check_path(check, app, "cgroup", app->cgroup);
	check_sha256(check, app);
	check_glob(check, app);
	check_groups(check, app);
	check_netns(check, app);
	check_ties(check, app, traits);
}

void cv_check_apps(struct check *check)
{
	const struct cv_state *state = check->state;
	const struct cv_app_conf *app = NULL;
	CV_FREE struct traits *traits = NULL;
	size_t globs = 0;

	if (state->app_count && !cv_check_limit(check, "apps", state->app_count, CV_MAX_APPS,
						&state->apps[state->app_count - 1].place))
		return;
	traits = traits_of(state);
	for (size_t i = 0; i < state->app_count; i++) {
		app = &state->apps[i];
		check_app(check, app, traits);
		globs += app->exe && cv_exe_is_glob(app->exe);
	}
	if (globs)
		cv_check_limit(check, "apps with a glob", globs, CV_MAX_GLOBS, &app->place);
}
