/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Apps: which programs they are, in the terms in which the socket hooks recognise them, and the
 * mark that the sockets of a routed app are born with. The set of a network namespace changes by
 * one update of its slot; so does the set of outer apps, whose sockets are in other ones.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backfill.h"
#include "cgroup.h"
#include "compiler/apps.h"
#include "exe.h"
#include "gate.h"
#include "hooks.h"
#include "host.h"
#include "map.h"
#include "netns.h"
#include "object.h"
#include "own.h"
#include "path.h"
#include "plan.h"

const struct cv_slot_shape cv_app_shape = {
	.name = CV_STRING(CV_MAP_APPS),
	.value_size = sizeof(struct cv_app_set),
	.max_entries = 1,
	.is_passed_on = true,
};

static const uint64_t outer_key; /* of CV_MAP_APPS */

/* The host's maps are made with the first app of the host; without them there are no apps. */
static int read_set(const struct cv_instance *inst, uint64_t key, struct cv_app_set *apps,
		    struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_APPS), err);

	if (fd == -ENOENT) {
		memset(apps, 0, sizeof(*apps));
		return 0;
	}
	return fd < 0 ? fd : cv_slot_read(fd, &key, &cv_app_shape, apps, err);
}

int cv_live_apps(const struct cv_instance *inst, struct cv_app_set *apps, struct cv_err *err)
{
	return read_set(inst, inst->netns_cookie, apps, err);
}

int cv_live_outer_apps(const struct cv_instance *inst, struct cv_app_set *apps, struct cv_err *err)
{
	return read_set(inst, outer_key, apps, err);
}

int cv_live_both_apps(const struct cv_instance *inst, struct cv_app_set *own,
		      struct cv_app_set *outer, struct cv_err *err)
{
	int rc = cv_live_apps(inst, own, err);

	if (!rc)
		rc = cv_live_outer_apps(inst, outer, err);
	if (!rc && outer->netns_cookie != inst->netns_cookie)
		memset(outer, 0, sizeof(*outer));
	return rc;
}

/* ---- plan: what the system has to say of each app ---- */

/* The apps of a plan while they are looked up. */
struct lookup {
	struct cv_instance *inst;
	const struct cv_plan *plan;
	struct cv_app_source
		*sources; /* owned, as are the paths in their confs; in the state's order */
	size_t count; /* at most twice as many as the state has */
	struct cv_cgroups cgroups;
};

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* True if the app was there before the change, selected by the same. */
static bool is_old_news(const struct cv_plan *plan, const char *name)
{
	const struct cv_app_conf *old = plan->before ? cv_state_find_app(plan->before, name) : NULL;
	const struct cv_app_conf *conf = cv_state_find_app(plan->state, name);

	return old && same_text(old->exe, conf->exe) && same_text(old->unit, conf->unit) &&
	       same_text(old->cgroup, conf->cgroup) && same_text(old->netns, conf->netns) &&
	       !strcmp(old->exe_sha256, conf->exe_sha256);
}

/* Warns of something that keeps an app from being anybody: once, `status` goes on saying it. */
#define warn_of(lookup, conf, ...)                                                                 \
	do {                                                                                       \
		if (!is_old_news((lookup)->plan, (conf)->name))                                    \
			cv_log((lookup)->inst, CV_LOG_WARN, __VA_ARGS__);                          \
	} while (0)

static void lookup_fini(struct lookup *lookup)
{
	for (size_t i = 0; i < lookup->count; i++) {
		free(lookup->sources[i].conf.exe);
		free(lookup->sources[i].conf.parent_exe);
	}
	free(lookup->sources);
}

/* An app that cannot be what is asked for is refused; a lenient plan leaves it out. */
static int refuse(const struct lookup *lookup, struct cv_app_source *source, int rc,
		  struct cv_err *err)
{
	if (!lookup->plan->is_lenient) {
		cv_err_at(err, &source->conf.place);
		return rc;
	}
	source->is_own = false;
	source->is_outer = false;
	return 0;
}

/* In which network namespaces its sockets are. */
static int find_netns(const struct lookup *lookup, struct cv_app_source *source, struct cv_err *err)
{
	const char *netns = source->conf.netns;
	bool is_any = netns && !strcmp(netns, "any");
	int rc;

	source->is_own = !netns || is_any;
	source->is_outer = is_any;
	if (source->is_own)
		return 0;
	source->netns_cookie = CV_APP_NOBODY;
	rc = cv_netns_cookie(netns, &source->netns_cookie, err);
	if (rc && rc != -ENOENT)
		return rc;
	if (rc)
		warn_of(lookup, &source->conf,
			"app %s: netns %s does not exist; the app is nobody until it does and the state is applied again",
			source->conf.name, netns);
	source->is_own = source->netns_cookie == lookup->inst->netns_cookie;
	source->is_outer = !source->is_own;
	return 0;
}

/* Puts the kernel's paths in place of the user's. */
static int find_paths(const struct cv_app_conf *conf, struct cv_app_source *source,
		      struct cv_err *err)
{
	int rc = conf->exe ? cv_exe_path(conf->exe, &source->conf.exe, err) : 0;

	if (!rc && conf->parent_exe)
		rc = cv_exe_path(conf->parent_exe, &source->conf.parent_exe, err);
	if (!rc && conf->exe && cv_exe_is_glob(conf->exe) &&
	    strlen(source->conf.exe) >= CV_MAX_GLOB)
		rc = cv_err_set(err, -ENAMETOOLONG, "exe %s: a glob of more than %d characters",
				source->conf.exe, CV_MAX_GLOB - 1);
	return rc;
}

/* Both bind by their names whenever they appear: that they do not exist may be meant, or a slip. */
static void warn_of_cgroups(const struct lookup *lookup, const struct cv_app_conf *conf)
{
	char unit[CV_UNIT_NAME];

	if (conf->cgroup && !cv_cgroup_exists(&lookup->cgroups, conf->cgroup))
		warn_of(lookup, conf,
			"app %s: cgroup %s does not exist; the app is nobody until it does",
			conf->name, conf->cgroup);
	if (conf->unit && cv_unit_name(conf->unit, unit) && !cv_unit_exists(&lookup->cgroups, unit))
		warn_of(lookup, conf,
			"app %s: unit %s does not run; the app is nobody until it does", conf->name,
			unit);
}

static void warn_of_descent(const struct lookup *lookup, const struct cv_app_conf *conf)
{
	if (conf->parent_exe && !cv_object_has_task_storage())
		warn_of(lookup, conf, "app %s: parent-exe: " CV_NO_DESCENT, conf->name);
}

static int look_up_names(const struct lookup *lookup, const struct cv_app_conf *conf,
			 struct cv_app_source *source, struct cv_err *err)
{
	int rc;

	source->conf = *conf;
	source->conf.exe = NULL;
	source->conf.parent_exe = NULL;
	source->exe_inode = CV_APP_NOBODY;
	rc = find_netns(lookup, source, err);
	if (!rc)
		rc = find_paths(conf, source, err);
	if (rc) {
		cv_err_prefix(err, "app %s", conf->name);
		return refuse(lookup, source, rc, err);
	}
	warn_of_cgroups(lookup, conf);
	warn_of_descent(lookup, conf);
	return 0;
}

/* ---- plan: executables, some at a time ---- */

#define EXES_AT_ONCE 128 /* files that are open at one moment */

struct exes {
	struct cv_exe items[EXES_AT_ONCE];
	size_t count;
};

static void exes_close(struct exes *exes)
{
	for (size_t i = 0; i < exes->count; i++)
		cv_exe_close(&exes->items[i]);
}

static bool has_exe(const struct cv_app_source *source)
{
	return source->conf.exe && !cv_exe_is_glob(source->conf.exe);
}

static void warn_of_exe(const struct lookup *lookup, const struct cv_app_conf *conf)
{
	warn_of(lookup, conf, "app %s: exe %s does not exist; the app is nobody until it does%s",
		conf->name, conf->exe,
		conf->exe_sha256[0] ? " and the state is applied again" : "");
}

/* The contents are read after the time of the last change was: a change since then shows. */
static int pin_contents(const struct lookup *lookup, const struct cv_exe *exe,
			struct cv_app_source *source, struct cv_err *err)
{
	const struct cv_app_conf *conf = &source->conf;
	bool has = false;
	int rc;

	if (exe->is_script) {
		cv_err_set(err, -EINVAL, "exe-sha256: %s is a script", conf->exe);
		return cv_err_hint(err, "only of a program itself can it be told what runs");
	}
	rc = cv_exe_has_sha256(exe, conf->exe_sha256, &has, err);
	if (rc)
		return rc;
	if (!has) {
		source->exe_inode = CV_APP_NOBODY;
		warn_of(lookup, conf,
			"app %s: exe-sha256: the contents of %s differ; the app is nobody until they do not and the state is applied again",
			conf->name, conf->exe);
	}
	return 0;
}

static int check_script(const struct cv_app_conf *conf, struct cv_err *err)
{
	if (cv_object_has_task_storage())
		return 0;
	cv_err_set(err, -EOPNOTSUPP, "exe %s is a script: " CV_NO_SCRIPTS, conf->exe);
	return cv_err_hint(err, "select it by unit, cgroup, uid, gid or comm");
}

/* Processes of a script are those of its interpreter, so its inode tells nobody. */
static int note_exe(const struct lookup *lookup, const struct cv_exe *exe,
		    struct cv_app_source *source, struct cv_err *err)
{
	if (exe->fd < 0) {
		warn_of_exe(lookup, &source->conf);
		return 0;
	}
	source->is_script = exe->is_script;
	source->exe_inode = exe->is_script ? CV_APP_NOBODY : exe->file.inode;
	source->exe_dev = exe->is_script ? 0 : exe->file.dev;
	source->exe_ctime_ns = exe->file.ctime_ns;
	if (source->conf.exe_sha256[0])
		return pin_contents(lookup, exe, source, err);
	return exe->is_script ? check_script(&source->conf, err) : 0;
}

/* Looks at the executables of count apps. */
static int look_up_exes(const struct lookup *lookup, struct cv_app_source *sources, size_t count,
			struct cv_err *err)
{
	CV_CLEANUP(exes_close) struct exes exes = { .count = count };
	int rc = 0;

	for (size_t i = 0; i < count; i++)
		exes.items[i].fd = -1;
	for (size_t i = 0; !rc && i < count; i++) {
		if (!has_exe(&sources[i]))
			continue;
		rc = cv_exe_open(&exes.items[i], sources[i].conf.exe, err);
		if (rc) {
			cv_err_prefix(err, "app %s", sources[i].conf.name);
			rc = refuse(lookup, &sources[i], rc, err);
		}
	}
	if (!rc)
		rc = cv_exes_identify(lookup->inst, exes.items, count, err);
	for (size_t i = 0; !rc && i < count; i++) {
		if (!has_exe(&sources[i]))
			continue;
		rc = note_exe(lookup, &exes.items[i], &sources[i], err);
		if (rc) {
			cv_err_prefix(err, "app %s", sources[i].conf.name);
			rc = refuse(lookup, &sources[i], rc, err);
		}
	}
	return rc;
}

static int look_up_apps(struct lookup *lookup, struct cv_err *err)
{
	const struct cv_state *state = lookup->plan->state;
	int rc = 0;

	lookup->sources = calloc(2 * state->app_count + 1, sizeof(*lookup->sources));
	if (!lookup->sources)
		return cv_err_set(err, -ENOMEM, "apps: out of memory");
	lookup->count = state->app_count;
	cv_cgroups_find(&lookup->cgroups);
	for (size_t i = 0; !rc && i < lookup->count; i++)
		rc = look_up_names(lookup, &state->apps[i], &lookup->sources[i], err);
	for (size_t i = 0; !rc && i < lookup->count; i += EXES_AT_ONCE) {
		size_t left = lookup->count - i;

		rc = look_up_exes(lookup, &lookup->sources[i],
				  left < EXES_AT_ONCE ? left : EXES_AT_ONCE, err);
	}
	return rc;
}

/* What the words did not tell: two paths that are one. */
static int check_ties(const struct lookup *lookup, struct cv_err *err)
{
	CV_FREE uint64_t *ranks = calloc(lookup->count + 1, sizeof(*ranks));

	if (!ranks)
		return cv_err_set(err, -ENOMEM, "apps: out of memory");
	for (size_t i = 0; i < lookup->count; i++)
		ranks[i] = cv_app_rank(&lookup->sources[i].conf);
	for (size_t i = 1; !lookup->plan->is_lenient && i < lookup->count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct cv_app_conf *a = &lookup->sources[j].conf;
			const struct cv_app_conf *b = &lookup->sources[i].conf;

			if (ranks[i] != ranks[j] || !cv_apps_tie(a, b))
				continue;
			cv_err_set(err, -EINVAL,
				   "app %s and app %s: equally specific, and a process can be both",
				   a->name, b->name);
			if (b->exe)
				cv_err_hint(err, "links followed, both have exe %s", b->exe);
			return cv_err_at(err, &b->place);
		}
	return 0;
}

/* ---- plan: ids and marks ---- */

static bool outer_is_ours(const struct cv_instance *inst, const struct cv_plan *plan)
{
	return plan->live_outer->count && plan->live_outer->netns_cookie == inst->netns_cookie;
}

const struct cv_app *cv_app_find(const struct cv_app_set *set, const char *name)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (!strcmp(set->apps[i].name, name))
			return &set->apps[i];
	return NULL;
}

static const struct cv_app *find_live_app(const struct lookup *lookup, const char *name)
{
	const struct cv_app *app = cv_app_find(lookup->plan->live_apps, name);

	if (!app && outer_is_ours(lookup->inst, lookup->plan))
		app = cv_app_find(lookup->plan->live_outer, name);
	return app;
}

/* What script a process runs is seen when it is started. */
static void warn_of_scripts(const struct lookup *lookup)
{
	for (size_t i = 0; !lookup->plan->is_lenient && i < lookup->count; i++) {
		const struct cv_app_source *source = &lookup->sources[i];
		const struct cv_app *live = find_live_app(lookup, source->conf.name);

		if (source->is_script && !(live && live->flags & CV_APP_SCRIPT))
			cv_log(lookup->inst, CV_LOG_WARN,
			       "app %s: exe %s is a script: processes of it that run already are told from their next start on",
			       source->conf.name, source->conf.exe);
	}
}

static bool mark_is_used(const struct lookup *lookup, uint32_t mark)
{
	const struct cv_app_set *live = lookup->plan->live_apps;

	for (uint32_t i = 0; i < live->count; i++)
		if (live->apps[i].mark == mark)
			return true;
	for (size_t i = 0; i < lookup->count; i++)
		if (lookup->sources[i].mark == mark)
			return true;
	return false;
}

/*
 * A mark that no app has or had a moment ago: the search begins at a place that moves with every
 * new app, so that a mark rests as long as possible before sockets of another app get it. The
 * highest value is the guard's (abi.h: cv_tunnel.guard_mark). 0 if all are taken.
 */
static uint32_t choose_mark(const struct lookup *lookup, uint32_t id)
{
	uint32_t mask = lookup->plan->state->mark_mask, unit = cv_mark_unit(mask);
	uint32_t values = mask / unit - 1;

	for (uint32_t i = 0; i < values; i++) {
		uint32_t mark = ((id - 1 + i) % values + 1) * unit;

		if (!mark_is_used(lookup, mark))
			return mark;
	}
	return 0;
}

static int choose_id_and_mark(const struct lookup *lookup, struct cv_app_source *source,
			      uint32_t *next_id, struct cv_err *err)
{
	const struct cv_plan *plan = lookup->plan;
	const char *name = source->conf.name;
	const struct cv_app *live = find_live_app(lookup, name);
	bool keeps_mark =
		live && live->mark && plan->live_apps->mark_mask == plan->state->mark_mask;

	source->id = live ? live->id : (*next_id)++;
	if (!cv_state_routes_app(plan->state, name))
		return 0;
	source->mark = keeps_mark ? live->mark : choose_mark(lookup, source->id);
	if (source->mark)
		return 0;
	cv_err_set(err, -ENOSPC, "app %s: no mark is free in mark-mask 0x%x", name,
		   plan->state->mark_mask);
	cv_err_hint(err, "give the mask more bits, or remove routes of other apps");
	return refuse(lookup, source, -ENOSPC, err);
}

static int choose_ids_and_marks(const struct lookup *lookup, uint32_t *next_id, struct cv_err *err)
{
	const struct cv_plan *plan = lookup->plan;
	int rc = 0;

	*next_id = plan->live_apps->next_id;
	if (outer_is_ours(lookup->inst, plan) && plan->live_outer->next_id > *next_id)
		*next_id = plan->live_outer->next_id;
	if (!*next_id)
		*next_id = 1;
	for (size_t i = 0; !rc && i < lookup->count; i++)
		if (lookup->sources[i].is_own || lookup->sources[i].is_outer)
			rc = choose_id_and_mark(lookup, &lookup->sources[i], next_id, err);
	return rc;
}

/* ---- plan: scripts behind links ---- */

static int add_twin(struct lookup *lookup, const struct cv_app_source *source, const char *exe)
{
	struct cv_app_source *twin = &lookup->sources[lookup->count];
	const char *parent_exe = source->conf.parent_exe;

	*twin = *source;
	twin->conf.exe = strdup(exe);
	twin->conf.parent_exe = parent_exe ? strdup(parent_exe) : NULL;
	lookup->count++;
	return twin->conf.exe && (!parent_exe || twin->conf.parent_exe) ? 0 : -ENOMEM;
}

/*
 * Of a script the kernel says only by what name it was started, links not followed. So one that the
 * user names by a link stands in the set by that name, too.
 */
static int add_twins(struct lookup *lookup, struct cv_err *err)
{
	const struct cv_state *state = lookup->plan->state;

	for (size_t i = 0; i < state->app_count; i++) {
		struct cv_app_source *source = &lookup->sources[i];
		const char *exe = state->apps[i].exe;

		if (!exe || !has_exe(source) || !source->is_script ||
		    !strcmp(source->conf.exe, exe))
			continue;
		if (lookup->count >= CV_MAX_APPS) {
			cv_err_set(err, -ENOSPC,
				   "app %s: exe %s: a link to a script, for which there is no room",
				   source->conf.name, exe);
			cv_err_hint(err, "it counts as two of %d apps; give exe %s", CV_MAX_APPS,
				    source->conf.exe);
			return refuse(lookup, source, -ENOSPC, err);
		}
		if (add_twin(lookup, source, exe))
			return cv_err_set(err, -ENOMEM, "apps: out of memory");
	}
	return 0;
}

/* ---- plan: the sets ---- */

/* Where generations begin in a slot that is empty: at none that an owner record of an earlier set
 * may still have. */
static uint32_t first_generation(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int compile(const struct lookup *lookup, struct cv_plan *plan, uint32_t next_id,
		   struct cv_err *err)
{
	struct cv_app_set *const sets[] = { plan->apps, plan->outer };
	const struct cv_app_set *const live[] = { plan->live_apps, plan->live_outer };
	struct cv_host host;
	uint64_t key[2];
	int rc;

	if (!lookup->count)
		return 0;
	rc = cv_host_read(lookup->inst, &host, err);
	if (rc)
		return rc;
	key[0] = host.hash_key[0];
	key[1] = host.hash_key[1];
	for (size_t i = 0; i < 2; i++) {
		sets[i]->generation =
			live[i]->generation ? live[i]->generation : first_generation();
		sets[i]->mark_mask = plan->state->mark_mask;
		sets[i]->next_id = next_id;
		sets[i]->netns_cookie = lookup->inst->netns_cookie;
		cv_apps_compile(sets[i], lookup->sources, lookup->count, key,
				sets[i] == plan->outer);
	}
	return 0;
}

/* True if the network namespace of that cookie has an instance; those of namespaces that are gone
 * were cleared away when ours was opened. */
static bool instance_lives(const struct cv_instance *inst, uint64_t cookie)
{
	char dir[PATH_MAX + CV_NAME_MAX];

	snprintf(dir, sizeof(dir), "%s/ns-%llu", inst->root, (unsigned long long)cookie);
	return !cv_path_is_absent(dir);
}

/* One instance of the host can have outer apps. */
static int check_outer(const struct lookup *lookup, struct cv_err *err)
{
	const struct cv_plan *plan = lookup->plan;
	uint64_t cookie = plan->live_outer->netns_cookie;
	const char *name;

	if (!plan->outer->count || !plan->live_outer->count || plan->is_lenient ||
	    outer_is_ours(lookup->inst, plan) || !instance_lives(lookup->inst, cookie))
		return 0;
	name = plan->outer->apps[0].name;
	cv_err_set(err, -EBUSY, "app %s: netns: instance ns-%llu has such apps already", name,
		   (unsigned long long)cookie);
	cv_err_hint(err, "one instance of a host can have them");
	return cv_err_at(err, &cv_state_find_app(plan->state, name)->place);
}

int cv_app_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(lookup_fini) struct lookup lookup = { .inst = inst, .plan = plan };
	uint32_t next_id;
	int rc = 0;

	if (plan->state->app_count && !plan->is_lenient) {
		rc = cv_hooks_check(inst, err);
		if (rc)
			return cv_err_at(err, &plan->state->apps[0].place);
	}
	rc = look_up_apps(&lookup, err);
	if (!rc)
		rc = check_ties(&lookup, err);
	if (rc)
		return rc;
	warn_of_scripts(&lookup);
	rc = choose_ids_and_marks(&lookup, &next_id, err);
	if (!rc)
		rc = add_twins(&lookup, err);
	if (!rc)
		rc = compile(&lookup, plan, next_id, err);
	return rc ? rc : check_outer(&lookup, err);
}

/* ---- grow: the sets ---- */

/* True if the kernel has the set that is wanted. */
static bool is_live(const struct cv_app_set *live, const struct cv_app_set *wanted)
{
	return live->count == wanted->count &&
	       (!wanted->count || !memcmp(live, wanted, sizeof(*wanted)));
}

/* A set without apps is written too: sockets lose the marks that they have of the one before, until
 * it is deleted. */
static int write_set(int map_fd, uint64_t key, const struct cv_app_set *live,
		     struct cv_app_set *wanted, struct cv_err *err)
{
	if (is_live(live, wanted))
		return 0;
	if (!wanted->count) {
		wanted->generation = live->generation;
		wanted->mark_mask = live->mark_mask;
		wanted->netns_cookie = live->netns_cookie;
	}
	wanted->generation++;
	return cv_slot_write(map_fd, &key, &cv_app_shape, wanted, err);
}

static int delete_set(int map_fd, uint64_t key, struct cv_err *err)
{
	if (bpf_map_delete_elem(map_fd, &key) && errno != ENOENT)
		return cv_err_set(err, -errno, "apps: forget: %s", strerrordesc_np(errno));
	return 0;
}

/* Tells the hooks whether there are outer apps: asking without need would cost every socket. */
static int note_outer(const struct cv_plan *plan, bool has_outer, struct cv_err *err)
{
	struct cv_act act = { .kind = CV_ACT_CHANGE,
			      .noun = "map",
			      .name = CV_STRING(CV_MAP_HOST),
			      .is_inner = true };
	struct cv_instance *inst = plan->acts->inst;
	struct cv_host host;
	uint32_t flags;
	int rc = cv_host_read(inst, &host, err);

	if (rc)
		return rc;
	flags = (host.flags & ~CV_HOST_OUTER) | (has_outer ? CV_HOST_OUTER : 0);
	if (flags == host.flags)
		return 0;
	rc = cv_act(plan, &act, err);
	if (rc <= 0)
		return rc;
	host.flags = flags;
	return cv_host_write(inst, &host, err);
}

/* True if neither set changes; that of outer apps may be another instance's. */
static bool both_are_live(const struct cv_instance *inst, const struct cv_plan *plan)
{
	return is_live(plan->live_apps, plan->apps) &&
	       (is_live(plan->live_outer, plan->outer) ||
		(!plan->outer->count && !outer_is_ours(inst, plan)));
}

static int write_sets(const struct cv_instance *inst, const struct cv_plan *plan,
		      struct cv_err *err)
{
	CV_CLOSE int fd = cv_host_map(inst, CV_STRING(CV_MAP_APPS), err);
	int rc;

	if (fd < 0)
		return fd;
	rc = write_set(fd, inst->netns_cookie, plan->live_apps, plan->apps, err);
	if (!rc && (plan->outer->count || outer_is_ours(inst, plan)))
		rc = write_set(fd, outer_key, plan->live_outer, plan->outer, err);
	return rc;
}

/* ---- grow: what changes ---- */

static int tell_of_app(const struct cv_plan *plan, enum cv_act_kind kind, const char *name,
		       const char *what, struct cv_err *err)
{
	const struct cv_app_conf *conf = cv_state_find_app(plan->state, name);
	struct cv_act act = { .kind = kind, .noun = "app", .place = conf ? &conf->place : NULL };

	cv_act_name(&act, "%s", name);
	cv_act_what(&act, "%s", what);
	return cv_act(plan, &act, err);
}

/* Tells in what one set differs from the other. */
static int tell_of_set(const struct cv_plan *plan, const struct cv_app_set *live,
		       const struct cv_app_set *wanted, const char *what, struct cv_err *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc >= 0 && i < wanted->count; i++) {
		const struct cv_app *app = &wanted->apps[i], *old = cv_app_find(live, app->name);

		if (!old)
			rc = tell_of_app(plan, CV_ACT_ADD, app->name, what, err);
		else if (memcmp(old, app, sizeof(*app)))
			rc = tell_of_app(plan, CV_ACT_CHANGE, app->name, what, err);
	}
	for (uint32_t i = 0; rc >= 0 && i < live->count; i++)
		if (!cv_app_find(wanted, live->apps[i].name))
			rc = tell_of_app(plan, CV_ACT_DEL, live->apps[i].name, what, err);
	return rc;
}

/* The sets differ in something. Returns 1 if it is to be changed now. */
static int tell_of_apps(const struct cv_instance *inst, const struct cv_plan *plan,
			struct cv_err *err)
{
	struct cv_act act = { .kind = CV_ACT_CHANGE,
			      .noun = "map",
			      .name = CV_STRING(CV_MAP_APPS),
			      .is_inner = true };
	int rc = tell_of_set(plan, plan->live_apps, plan->apps, "", err);

	if (rc >= 0 && (plan->outer->count || outer_is_ours(inst, plan)))
		rc = tell_of_set(plan, plan->live_outer, plan->outer, "of other namespaces", err);
	return rc < 0 ? rc : cv_act(plan, &act, err);
}

/* ---- grow and shrink ---- */

/* Sockets are marked from here on, so the routes and ip rules are there before. */
int cv_app_put(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	uint32_t flags = plan->apps->flags | plan->outer->flags;
	bool is_same = both_are_live(inst, plan);
	int rc = 0;

	if (plan->apps->count || plan->outer->count)
		rc = cv_hooks_attach(inst, plan,
				     flags & (CV_APP_PARENT | CV_APP_SCRIPT) ? CV_HOOKS_LINEAGE : 0,
				     err);
	if (!rc && !is_same && cv_acts_are_made(plan))
		rc = write_sets(inst, plan, err);
	if (!rc && plan->outer->count)
		rc = note_outer(plan, true, err);
	if (rc || (is_same && !plan->is_repair) || !cv_acts_are_made(plan))
		return rc;
	return cv_backfill(inst, err);
}

int cv_app_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = both_are_live(inst, plan) ? 0 : tell_of_apps(inst, plan, err);

	return rc < 0 ? rc : cv_app_put(inst, plan, err);
}

static int delete_own_set(const struct cv_plan *plan, int map_fd, uint64_t key, struct cv_err *err)
{
	struct cv_act act = {
		.kind = CV_ACT_DEL, .noun = "map", .name = CV_STRING(CV_MAP_APPS), .is_inner = true
	};
	uint32_t id;
	int rc;

	if (bpf_map_lookup_elem(map_fd, &key, &id))
		return 0;
	rc = cv_act(plan, &act, err);
	return rc <= 0 ? rc : delete_set(map_fd, key, err);
}

int cv_app_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_APPS), err);
	int rc = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (!plan->apps->count)
		rc = delete_own_set(plan, fd, inst->netns_cookie, err);
	if (!rc && !plan->outer->count && plan->live_outer->netns_cookie == inst->netns_cookie) {
		rc = note_outer(plan, false, err);
		if (!rc)
			rc = delete_own_set(plan, fd, outer_key, err);
	}
	/* What no app asks for any more would cost every socket of the host something for nothing. */
	return rc ? rc : cv_hooks_detach(inst, plan, err);
}

void cv_apps_forget(const struct cv_instance *inst, uint64_t cookie)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_APPS), NULL);
	CV_FREE struct cv_app_set *outer = calloc(1, sizeof(*outer));

	cv_gate_forget(inst, cookie);
	if (fd < 0 || !outer)
		return;
	delete_set(fd, cookie, NULL);
	if (!cv_slot_read(fd, &outer_key, &cv_app_shape, outer, NULL) &&
	    outer->netns_cookie == cookie)
		delete_set(fd, outer_key, NULL);
}
