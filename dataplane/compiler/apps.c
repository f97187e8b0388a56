/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The app compiler: see apps.h. */
#include "apps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "own.h"
#include "siphash.h"

/* ---- words ---- */

bool cv_exe_is_glob(const char *exe)
{
	return strpbrk(exe, "*?[");
}

bool cv_unit_name(const char *unit, char name[CV_UNIT_NAME])
{
	static const char *const suffixes[] = { ".service", ".scope", ".slice" };
	const char *suffix = strrchr(unit, '.');

	if (!suffix)
		return snprintf(name, CV_UNIT_NAME, "%s.service", unit) < CV_UNIT_NAME;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (!strcmp(suffix, suffixes[i]))
			return snprintf(name, CV_UNIT_NAME, "%s", unit) < CV_UNIT_NAME;
	return false;
}

/* Name of the next directory of a path: *name is moved there. Returns its length, 0 at the end. */
static size_t next_dir(const char **name)
{
	const char *start = *name + strspn(*name, "/");
	size_t length = strcspn(start, "/");

	*name = start;
	if (length == 1 && *start == '.') {
		*name = start + 1;
		return next_dir(name);
	}
	return length;
}

uint32_t cv_cgroup_depth(const char *path)
{
	uint32_t depth = 0;

	for (size_t length; (length = next_dir(&path)); path += length)
		depth++;
	return depth;
}

static bool is_same_path(const char *a, const char *b)
{
	size_t length;

	do {
		length = next_dir(&a);
		if (next_dir(&b) != length || memcmp(a, b, length))
			return false;
		a += length;
		b += length;
	} while (length);
	return true;
}

/* ---- globs ---- */

/* What one place of a glob stands for. */
enum step {
	STEP_CHAR,
	STEP_ANY, /* one character but '/': ? and [...] */
	STEP_STAR, /* any of these */
	STEP_STARS, /* any characters */
};

struct glob_step {
	enum step step;
	char character;
};

size_t cv_glob_class(const char *text)
{
	const char *first = text + 1 + (text[1] == '!'),
		   *end = *first ? strchr(first + 1, ']') : NULL;

	return end && end - first <= CV_MAX_GLOB_CLASS ? end - text + 1 : 0;
}

/* Takes the first step off a glob. A class counts as any character: it is not looked into. */
static struct glob_step take_step(const char **glob)
{
	const char *text = *glob;
	size_t length = 1;
	struct glob_step step = { STEP_CHAR, *text };

	if (text[0] == '*') {
		length = strspn(text, "*");
		step.step = length > 1 ? STEP_STARS : STEP_STAR;
	} else if (text[0] == '?') {
		step.step = STEP_ANY;
	} else if (text[0] == '[' && cv_glob_class(text)) {
		length = cv_glob_class(text);
		step.step = STEP_ANY;
	}
	*glob += length;
	return step;
}

static size_t take_steps(const char *glob, struct glob_step *steps, size_t max)
{
	size_t count = 0;

	while (*glob && count < max)
		steps[count++] = take_step(&glob);
	return count;
}

static bool is_star(const struct glob_step *step)
{
	return step->step == STEP_STAR || step->step == STEP_STARS;
}

/* True if the star can stand for what the other step stands for. */
static bool star_takes(const struct glob_step *star, const struct glob_step *other)
{
	return star->step == STEP_STARS || other->step != STEP_CHAR || other->character != '/';
}

/* True if there is a character that both stand for. */
static bool steps_meet(const struct glob_step *a, const struct glob_step *b)
{
	if (a->step == STEP_CHAR && b->step == STEP_CHAR)
		return a->character == b->character;
	return (a->step == STEP_CHAR ? a->character : b->character) != '/';
}

/* True if there is a path that both globs stand for. meets[j]: what is left of a from step i on and
 * of b from step j on have one in common; below[j]: the same for i + 1. */
static bool globs_meet(const char *a_text, const char *b_text)
{
	struct glob_step a[CV_MAX_GLOB], b[CV_MAX_GLOB];
	size_t a_count = take_steps(a_text, a, CV_MAX_GLOB);
	size_t b_count = take_steps(b_text, b, CV_MAX_GLOB);
	bool meets[CV_MAX_GLOB + 1] = { 0 }, below[CV_MAX_GLOB + 1] = { 0 };

	for (size_t i = a_count + 1; i-- > 0;) {
		memcpy(below, meets, sizeof(below));
		for (size_t j = b_count + 1; j-- > 0;) {
			bool has_a = i < a_count, has_b = j < b_count;
			bool a_star = has_a && is_star(&a[i]), b_star = has_b && is_star(&b[j]);

			if (a_star || b_star)
				meets[j] =
					(a_star && below[j]) || (b_star && meets[j + 1]) ||
					(a_star && has_b && star_takes(&a[i], &b[j]) &&
					 meets[j + 1]) ||
					(b_star && has_a && star_takes(&b[j], &a[i]) && below[j]);
			else
				meets[j] = has_a && has_b ? steps_meet(&a[i], &b[j]) && below[j + 1]
							  : has_a == has_b;
		}
	}
	return meets[0];
}

static uint32_t literal_length(const char *glob)
{
	uint32_t length = 0;

	while (*glob)
		if (take_step(&glob).step == STEP_CHAR)
			length++;
	return length;
}

/* ---- which app is more specific ---- */

enum {
	RANK_EXE,
	RANK_GLOB,
	RANK_UNIT,
	RANK_CGROUP,
	RANK_PARENT,
	RANK_UID,
	RANK_GID,
	RANK_COMM,
	RANK_NETNS,
	RANK_PARTS
};

struct rank {
	uint32_t parts[RANK_PARTS]; /* the first that differs decides: higher is more specific */
};

/* Services and scopes do not stand in each other; slices do, as many as their name has dashes. */
static uint32_t rank_of_unit(const char *unit)
{
	const char *suffix = strrchr(unit, '.');
	uint32_t depth = 1;

	if (!suffix || strcmp(suffix, ".slice"))
		return UINT32_MAX;
	for (; unit < suffix; unit++)
		if (*unit == '-')
			depth++;
	return depth;
}

static uint32_t rank_of_range(bool is_given, const struct cv_range *range)
{
	return is_given ? UINT32_MAX - (range->max - range->min) : 0;
}

/* A network namespace that is named is less than all of them, and so is the instance's own. */
static uint32_t rank_of_netns(const char *netns)
{
	return !netns ? 1 : strcmp(netns, "any") ? 2 : 0;
}

static struct rank rank_of(const struct cv_app_conf *conf)
{
	bool is_glob = conf->exe && cv_exe_is_glob(conf->exe);

	return (struct rank){ {
		[RANK_EXE] = !conf->exe || is_glob ? 0
			     : conf->exe_sha256[0] ? 2
						   : 1,
		[RANK_GLOB] = is_glob ? 1 + literal_length(conf->exe) : 0,
		[RANK_UNIT] = conf->unit ? rank_of_unit(conf->unit) : 0,
		[RANK_CGROUP] = conf->cgroup ? 1 + cv_cgroup_depth(conf->cgroup) : 0,
		[RANK_PARENT] = !!conf->parent_exe,
		[RANK_UID] = rank_of_range(conf->has_uid, &conf->uid),
		[RANK_GID] = rank_of_range(conf->has_gid, &conf->gid),
		[RANK_COMM] = !!conf->comm[0],
		[RANK_NETNS] = rank_of_netns(conf->netns),
	} };
}

/* Positive: a is more specific than b. */
static int compare_ranks(const struct rank *a, const struct rank *b)
{
	for (size_t i = 0; i < RANK_PARTS; i++)
		if (a->parts[i] != b->parts[i])
			return a->parts[i] > b->parts[i] ? 1 : -1;
	return 0;
}

static bool is_same_unit(const char *a, const char *b)
{
	char a_name[CV_UNIT_NAME], b_name[CV_UNIT_NAME];

	return cv_unit_name(a, a_name) && cv_unit_name(b, b_name) && !strcmp(a_name, b_name);
}

static bool ranges_meet(const struct cv_range *a, const struct cv_range *b)
{
	return a->min <= b->max && b->min <= a->max;
}

/* True if there is a path that both stand for, and both are paths or both globs. */
static bool exes_meet(const char *a, const char *b)
{
	bool is_glob = cv_exe_is_glob(a);

	if (is_glob != cv_exe_is_glob(b))
		return false;
	return is_glob ? globs_meet(a, b) : !strcmp(a, b);
}

/* True unless both are given and differ. */
static bool may_be_same(const char *a, const char *b)
{
	return !a || !b || !*a || !*b || !strcmp(a, b);
}

/* False if some selector says that a process that is one cannot be the other, or that one of them is
 * more specific. */
static bool may_be_both(const struct cv_app_conf *a, const struct cv_app_conf *b)
{
	return may_be_same(a->comm, b->comm) && may_be_same(a->parent_exe, b->parent_exe) &&
	       may_be_same(a->netns, b->netns) &&
	       (!a->has_uid || !b->has_uid || ranges_meet(&a->uid, &b->uid)) &&
	       (!a->has_gid || !b->has_gid || ranges_meet(&a->gid, &b->gid)) &&
	       (!a->unit || !b->unit || is_same_unit(a->unit, b->unit)) &&
	       (!a->cgroup || !b->cgroup || is_same_path(a->cgroup, b->cgroup)) &&
	       (!a->exe || !b->exe || exes_meet(a->exe, b->exe)) &&
	       !strcasecmp(a->exe_sha256, b->exe_sha256);
}

bool cv_apps_tie(const struct cv_app_conf *a, const struct cv_app_conf *b)
{
	struct rank a_rank, b_rank;

	if (!may_be_both(a, b))
		return false;
	a_rank = rank_of(a);
	b_rank = rank_of(b);
	return !compare_ranks(&a_rank, &b_rank);
}

uint64_t cv_app_rank(const struct cv_app_conf *conf)
{
	struct rank rank = rank_of(conf);

	return cv_hash_bytes(0, rank.parts, sizeof(rank.parts));
}

/* ---- one app ---- */

static uint64_t hash_text(const uint64_t key[2], const char *text)
{
	return cv_siphash(key, text, strlen(text));
}

static uint64_t hash_cgroup(const uint64_t key[2], const char *path)
{
	uint64_t chain[2] = { key[0], key[1] };

	for (size_t length; (length = next_dir(&path)); path += length)
		chain[0] = cv_siphash(chain, path, length);
	return chain[0];
}

static uint64_t hash_unit(const uint64_t key[2], const char *unit)
{
	char name[CV_UNIT_NAME] = "";

	cv_unit_name(unit, name);
	return hash_text(key, name);
}

static uint32_t flags_of(const struct cv_app_source *source)
{
	const struct cv_app_conf *conf = &source->conf;
	bool is_glob = conf->exe && cv_exe_is_glob(conf->exe);

	return (is_glob	    ? CV_APP_GLOB
		: conf->exe ? CV_APP_EXE
			    : 0) |
	       (conf->exe_sha256[0] ? CV_APP_PINNED : 0) | (conf->unit ? CV_APP_UNIT : 0) |
	       (conf->cgroup ? CV_APP_CGROUP : 0) | (conf->parent_exe ? CV_APP_PARENT : 0) |
	       (conf->has_uid ? CV_APP_UID : 0) | (conf->has_gid ? CV_APP_GID : 0) |
	       (conf->comm[0] ? CV_APP_COMM : 0) |
	       (conf->netns && strcmp(conf->netns, "any") ? CV_APP_NETNS : 0) |
	       (source->is_script ? CV_APP_SCRIPT : 0) | (conf->gate ? CV_APP_GATE : 0);
}

/* All but its place in the buckets. */
static void fill_app(const struct cv_app_source *source, const uint64_t key[2], struct cv_app *app)
{
	const struct cv_app_conf *conf = &source->conf;
	uint32_t flags = flags_of(source);

	memcpy(app->name, conf->name, sizeof(conf->name));
	memcpy(app->comm, conf->comm, sizeof(conf->comm));
	app->flags = flags;
	app->exe_inode = CV_APP_NOBODY;
	if (flags & CV_APP_EXE) {
		app->exe_hash = flags & CV_APP_PINNED ? 0 : hash_text(key, conf->exe);
		app->exe_inode = source->exe_inode;
		app->exe_dev = source->exe_dev;
		app->exe_ctime_ns = flags & CV_APP_PINNED ? source->exe_ctime_ns : 0;
	}
	app->unit_hash = conf->unit ? hash_unit(key, conf->unit) : 0;
	app->cgroup_hash = conf->cgroup ? hash_cgroup(key, conf->cgroup) : 0;
	app->cgroup_depth = conf->cgroup ? cv_cgroup_depth(conf->cgroup) : 0;
	app->parent_hash = conf->parent_exe ? hash_text(key, conf->parent_exe) : 0;
	app->netns_cookie = flags & CV_APP_NETNS ? source->netns_cookie : 0;
	app->uid_min = conf->uid.min;
	app->uid_max = conf->uid.max;
	app->gid_min = conf->gid.min;
	app->gid_max = conf->gid.max;
	app->id = source->id;
	app->mark = source->mark;
}

/* ---- the set ---- */

struct ranked {
	const struct cv_app_source *source;
	struct rank rank;
};

/* For qsort: the most specific first, of equal ones the one that was given first. */
static int compare_ranked(const void *a_ptr, const void *b_ptr)
{
	const struct ranked *a = a_ptr, *b = b_ptr;
	int order = compare_ranks(&b->rank, &a->rank);

	return order ? order : a->source < b->source ? -1 : 1;
}

static size_t rank_sources(const struct cv_app_source *sources, size_t count, bool is_outer,
			   struct ranked *ranked)
{
	size_t n = 0;

	for (size_t i = 0; i < count && n < CV_MAX_APPS; i++)
		if (is_outer ? sources[i].is_outer : sources[i].is_own)
			ranked[n++] = (struct ranked){ &sources[i], rank_of(&sources[i].conf) };
	qsort(ranked, n, sizeof(*ranked), compare_ranked);
	return n;
}

static bool is_told_by_path(const struct cv_app *app)
{
	return !(app->flags & CV_APP_PINNED) && app->exe_inode != CV_APP_NOBODY;
}

/* An inode that stands for two paths (hard links, each with an app) tells neither. */
static void drop_shared_inodes(struct cv_app_set *set)
{
	bool is_shared[CV_MAX_APPS] = { 0 };

	for (uint32_t i = 0; i < set->first_glob; i++)
		for (uint32_t j = 0; j < i && is_told_by_path(&set->apps[i]); j++) {
			const struct cv_app *a = &set->apps[i], *b = &set->apps[j];

			if (is_told_by_path(b) && a->exe_inode == b->exe_inode &&
			    a->exe_dev == b->exe_dev && a->exe_hash != b->exe_hash)
				is_shared[i] = is_shared[j] = true;
		}
	for (uint32_t i = 0; i < set->first_glob; i++)
		if (is_shared[i])
			set->apps[i].exe_inode = CV_APP_NOBODY;
}

static void find_classes(struct cv_app_set *set)
{
	uint32_t *const firsts[] = { &set->first_glob, &set->first_unit, &set->first_cgroup,
				     &set->first_other };
	static const uint32_t flags[] = { CV_APP_EXE, CV_APP_GLOB, CV_APP_UNIT, CV_APP_CGROUP };
	uint32_t i = 0;

	for (size_t class = 0; class < sizeof(flags) / sizeof(*flags); class ++) {
		while (i < set->count && set->apps[i].flags & flags[class])
			i++;
		*firsts[class] = i;
	}
}

static void push(uint16_t *buckets, uint64_t hash, uint16_t *next, uint32_t index)
{
	uint16_t *bucket = &buckets[hash & (CV_APP_BUCKETS - 1)];

	*next = *bucket;
	*bucket = index + 1;
}

/* Puts an app in front of those that are in its buckets already. */
static void fill_buckets(struct cv_app_set *set, uint32_t index)
{
	struct cv_app *app = &set->apps[index];

	if (index < set->first_glob) {
		if (!(app->flags & CV_APP_PINNED))
			push(set->exe_buckets, app->exe_hash, &app->next, index);
		if (app->exe_inode != CV_APP_NOBODY)
			push(set->inode_buckets, app->exe_inode, &app->next_inode, index);
	} else if (index >= set->first_unit && index < set->first_cgroup) {
		push(set->unit_buckets, app->unit_hash, &app->next, index);
	} else if (index >= set->first_cgroup && index < set->first_other) {
		push(set->cgroup_buckets, app->cgroup_hash, &app->next, index);
	}
}

static void add_glob(struct cv_app_set *set, struct cv_app *app, const char *glob, uint32_t number)
{
	snprintf(set->globs[number], sizeof(set->globs[number]), "%s", glob);
	app->glob = number;
}

void cv_apps_compile(struct cv_app_set *set, const struct cv_app_source *sources, size_t count,
		     const uint64_t hash_key[2], bool is_outer)
{
	struct ranked ranked[CV_MAX_APPS];
	uint32_t globs = 0;

	set->count = rank_sources(sources, count, is_outer, ranked);
	for (uint32_t i = 0; i < set->count; i++) {
		struct cv_app *app = &set->apps[i];

		fill_app(ranked[i].source, hash_key, app);
		set->flags |= app->flags | (app->mark ? CV_APP_ROUTED : 0);
		if (app->flags & CV_APP_GLOB && globs < CV_MAX_GLOBS)
			add_glob(set, app, ranked[i].source->conf.exe, globs++);
	}
	find_classes(set);
	drop_shared_inodes(set);
	for (uint32_t i = set->count; i-- > 0;)
		fill_buckets(set, i);
}
