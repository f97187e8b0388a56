/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The app compiler: apps as the user wrote them, and what was found out about each -> the set that
 * the socket hooks search (abi.h: struct cv_app_set). Pure: nothing in the system is looked at, and
 * the same input gives the same set.
 *
 * The most specific app comes first: the one with an executable, before one with a glob (the one
 * with more literal text first), a unit, a cgroup (the deeper first), a parent-exe, users (the fewer
 * first), groups, a comm, a netns. Of two that are alike in the first, the second decides, and so on.
 */
#ifndef CV_APPS_H
#define CV_APPS_H

#include "abi.h"
#include "culvert.h"

#define CV_UNIT_NAME 256 /* NAME_MAX, with the closing zero */

/* How many directories a cgroup's path has. */
uint32_t cv_cgroup_depth(const char *path);

#define CV_MAX_GLOB_CLASS 31 /* bpf/glob.h: CV_MAX_CLASS less the ']' */
/* Length of the class of a glob that text begins with, [a-z] or [!a-z]; 0: it does not end, or is
 * longer than the hooks look at. */
size_t cv_glob_class(const char *text);

/* True if exe stands for more than one path. */
bool cv_exe_is_glob(const char *exe);

/* The unit's whole name: a plain NAME is NAME.service. False if it is no kind of unit that is told
 * by its cgroup. */
bool cv_unit_name(const char *unit, char name[CV_UNIT_NAME]);

/* True if both apps may hold for one process, and neither is more specific. Two parent-exe are no
 * such case: of apps that differ in it alone the first one given holds. */
bool cv_apps_tie(const struct cv_app_conf *a, const struct cv_app_conf *b);
/* A number for how specific an app is: two that have different ones do not tie. */
uint64_t cv_app_rank(const struct cv_app_conf *conf);

/* An app with all looked up. */
struct cv_app_source {
	struct cv_app_conf conf; /* paths and globs as the kernel has them; owns nothing */
	uint64_t exe_inode; /* CV_APP_NOBODY: there is no such file, or not the one wanted */
	uint64_t exe_ctime_ns;
	uint64_t netns_cookie; /* with conf.netns, unless that is "any" */
	uint32_t exe_dev;
	uint32_t id;
	uint32_t mark;
	bool is_script;
	bool is_own; /* for sockets of the instance's network namespace */
	bool is_outer; /* for those of others */
};

/*
 * Fills set with those sources that are outer, or those that are own. The set is zeroed by the
 * caller but for generation, mark_mask, next_id and netns_cookie. The bounds are those that
 * cv_state_check() keeps.
 */
void cv_apps_compile(struct cv_app_set *set, const struct cv_app_source *sources, size_t count,
		     const uint64_t hash_key[2], bool is_outer);

#endif
