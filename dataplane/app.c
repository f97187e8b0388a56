/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Apps: which programs they are, in the terms in which the socket hooks recognise them, and the
 * mark that the sockets of a routed app are born with. The set of a network namespace changes by
 * one update of its slot.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "bpffs.h"
#include "hooks.h"
#include "map.h"
#include "object.h"
#include "own.h"
#include "plan.h"

const struct cv_slot_shape cv_app_shape = {
	.name = CV_STRING(CV_MAP_APPS),
	.value_size = sizeof(struct cv_app_set),
	.max_entries = 1,
	.is_passed_on = true,
};

/* The host's maps are made with the first app of the host; without them there are no apps. */
int cv_live_apps(const struct cv_instance *inst, struct cv_app_set *apps, struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_APPS), err);

	if (fd == -ENOENT) {
		memset(apps, 0, sizeof(*apps));
		return 0;
	}
	return fd < 0 ? fd : cv_slot_read(fd, &inst->netns_cookie, &cv_app_shape, apps, err);
}

/* ---- plan ---- */

/* An executable is what the kernel runs: device and inode of the file, links followed. */
static int resolve_exe(struct cv_instance *inst, const struct cv_app_conf *conf, struct cv_app *app,
		       struct cv_err *err)
{
	struct stat st;

	app->flags |= CV_APP_EXE;
	app->exe_inode = CV_APP_NOBODY;
	if (stat(conf->exe, &st)) {
		if (errno != ENOENT && errno != ENOTDIR)
			return cv_err_set(err, -errno, "app %s: exe %s: %s", conf->name, conf->exe,
					  strerrordesc_np(errno));
		cv_log(inst, CV_LOG_WARN,
		       "app %s: exe %s does not exist; it is nobody until it "
		       "does and the state is applied again",
		       conf->name, conf->exe);
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		cv_err_set(err, -EINVAL, "app %s: exe %s is not a file", conf->name, conf->exe);
		return cv_err_hint(err, "give the path of the program itself");
	}
	app->exe_inode = st.st_ino;
	app->exe_dev = major(st.st_dev) << 20 | minor(st.st_dev); /* kernel: MKDEV() */
	return 0;
}

static uint32_t path_depth(const char *path)
{
	uint32_t depth = 0;

	for (const char *p = path; *p; p++)
		if (*p != '/' && (p == path || p[-1] == '/'))
			depth++;
	return depth;
}

/* The id of a cgroup is the inode number of its directory (kernel: kernfs_id()). */
static int resolve_cgroup(struct cv_instance *inst, const struct cv_app_conf *conf,
			  struct cv_app *app, struct cv_err *err)
{
	char mount[PATH_MAX], path[PATH_MAX];
	uint32_t root_level;
	struct stat st;
	int rc = cv_cgroup2_mount(mount, &root_level, err);

	if (rc)
		return rc;
	if (snprintf(path, sizeof(path), "%s/%s", mount, conf->cgroup) >= (int)sizeof(path))
		return cv_err_set(err, -ENAMETOOLONG, "app %s: cgroup: path too long", conf->name);
	app->flags |= CV_APP_CGROUP;
	app->cgroup_id = CV_APP_NOBODY;
	app->cgroup_level = root_level + path_depth(conf->cgroup);
	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		app->cgroup_id = st.st_ino;
		return 0;
	}
	cv_log(inst, CV_LOG_WARN,
	       "app %s: cgroup %s does not exist; it is nobody until it does and "
	       "the state is applied again",
	       conf->name, conf->cgroup);
	return 0;
}

static int resolve_app(struct cv_instance *inst, const struct cv_app_conf *conf, struct cv_app *app,
		       struct cv_err *err)
{
	int rc = 0;

	memcpy(app->name, conf->name, sizeof(conf->name));
	memcpy(app->comm, conf->comm, sizeof(conf->comm));
	app->uid_min = conf->uid.min;
	app->uid_max = conf->uid.max;
	app->gid_min = conf->gid.min;
	app->gid_max = conf->gid.max;
	app->flags = (conf->has_uid ? CV_APP_UID : 0) | (conf->has_gid ? CV_APP_GID : 0) |
		     (conf->comm[0] ? CV_APP_COMM : 0);
	if (conf->exe)
		rc = resolve_exe(inst, conf, app, err);
	if (!rc && conf->cgroup)
		rc = resolve_cgroup(inst, conf, app, err);
	return rc;
}

/* How specific an app is: an executable before a cgroup, a deeper cgroup before a higher one, then
 * user, group and name; with all equal the one added first. */
static uint64_t rank_of(const struct cv_app *app)
{
	uint64_t uids = app->flags & CV_APP_UID ? UINT32_MAX - (app->uid_max - app->uid_min) : 0;

	return (uint64_t) !!(app->flags & CV_APP_EXE) << 63 |
	       (uint64_t)(app->flags & CV_APP_CGROUP ? app->cgroup_level + 1 : 0) << 48 |
	       (uint64_t) !!(app->flags & CV_APP_UID) << 47 | uids >> 1 << 8 |
	       (uint64_t) !!(app->flags & CV_APP_GID) << 1 | !!(app->flags & CV_APP_COMM);
}

/* Insertion keeps the order of adding among equals. */
static void insert_app(struct cv_app_set *set, const struct cv_app *app)
{
	uint32_t at = set->count++;

	for (; at && rank_of(&set->apps[at - 1]) < rank_of(app); at--)
		set->apps[at] = set->apps[at - 1];
	set->apps[at] = *app;
}

static const struct cv_app *find_app(const struct cv_app_set *set, const char *name)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (!strcmp(set->apps[i].name, name))
			return &set->apps[i];
	return NULL;
}

static bool is_routed(const struct cv_state *state, const char *app)
{
	for (size_t i = 0; i < state->route_count; i++)
		if (!strcmp(state->routes[i].app, app))
			return true;
	return false;
}

static bool mark_is_used(const struct cv_app_set *set, uint32_t mark)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->apps[i].mark == mark)
			return true;
	return false;
}

/*
 * A mark that no app has or had a moment ago: the search begins at a place that moves with every
 * new app, so that a mark rests as long as possible before sockets of another app get it. The
 * highest value is the guard's (abi.h: cv_tunnel.guard_mark). 0 if all are taken.
 */
static uint32_t choose_mark(const struct cv_plan *plan, uint32_t id)
{
	uint32_t mask = plan->state->mark_mask, unit = cv_mark_unit(mask);
	uint32_t values = mask / unit - 1;

	for (uint32_t i = 0; i < values; i++) {
		uint32_t mark = ((id - 1 + i) % values + 1) * unit;

		if (!mark_is_used(plan->live_apps, mark) && !mark_is_used(plan->apps, mark))
			return mark;
	}
	return 0;
}

static int choose_id_and_mark(struct cv_plan *plan, struct cv_app *app, struct cv_err *err)
{
	const struct cv_app *live = find_app(plan->live_apps, app->name);
	bool keeps_mark =
		live && live->mark && plan->live_apps->mark_mask == plan->state->mark_mask;

	app->id = live ? live->id : plan->apps->next_id++;
	if (!is_routed(plan->state, app->name))
		return 0;
	app->mark = keeps_mark ? live->mark : choose_mark(plan, app->id);
	if (app->mark)
		return 0;
	cv_err_set(err, -ENOSPC, "app %s: no mark is free in mark-mask 0x%x", app->name,
		   plan->state->mark_mask);
	return cv_err_hint(err, "give the mask more bits, or remove routes of other apps");
}

int cv_app_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	struct cv_app_set *set = plan->apps;

	if (plan->state->app_count && !plan->is_lenient) {
		int rc = cv_hooks_check(inst, err);

		if (rc)
			return cv_err_at(err, &plan->state->apps[0].place);
	}
	set->generation = plan->live_apps->generation;
	set->mark_mask = plan->state->mark_mask;
	set->next_id = plan->live_apps->next_id ? plan->live_apps->next_id : 1;
	for (size_t i = 0; i < plan->state->app_count; i++) {
		const struct cv_app_conf *conf = &plan->state->apps[i];
		struct cv_app app = { 0 };
		int rc = resolve_app(inst, conf, &app, err);

		if (!rc)
			rc = choose_id_and_mark(plan, &app, err);
		if (rc && !plan->is_lenient)
			return cv_err_at(err, &conf->place);
		if (rc)
			continue;
		set->flags |= app.flags;
		insert_app(set, &app);
	}
	return 0;
}

/* ---- grow and shrink ---- */

/* True if the set that the kernel has is the one wanted, but for its generation. */
static bool set_is_live(const struct cv_plan *plan)
{
	return !memcmp(plan->apps, plan->live_apps, sizeof(*plan->apps));
}

/* Sockets are marked from here on, so the routes and ip rules are there before. */
int cv_app_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = -1;
	int rc;

	if (!plan->apps->count)
		return 0;
	rc = cv_hooks_attach(inst, 0, err);
	if (rc || set_is_live(plan))
		return rc;
	plan->apps->generation++;
	fd = cv_host_map(inst, CV_STRING(CV_MAP_APPS), err);
	if (fd < 0)
		return fd;
	return cv_slot_write(fd, &inst->netns_cookie, &cv_app_shape, plan->apps, err);
}

int cv_app_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = -1;

	if (plan->apps->count)
		return 0;
	fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_APPS), err);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (bpf_map_delete_elem(fd, &inst->netns_cookie) && errno != ENOENT)
		return cv_err_set(err, -errno, "apps: forget: %s", strerrordesc_np(errno));
	return cv_hooks_detach(inst, err);
}

/* ---- list ---- */

/* Opens a reader over the owner records of all open sockets of the host. */
static int open_owners(const struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int prog = cv_pin_open(inst->host_progs, CV_PROG_ITER, err);
	CV_CLOSE int link = -1;
	CV_CLOSE int map = -1;
	union bpf_iter_link_info info = { 0 };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	int fd;

	if (prog < 0)
		return prog;
	map = cv_host_map(inst, CV_STRING(CV_MAP_OWNERS), err);
	if (map < 0)
		return map;
	info.map.map_fd = map;
	link = bpf_link_create(prog, 0, BPF_TRACE_ITER, &opts);
	fd = link < 0 ? -1 : bpf_iter_create(link);
	if (fd < 0)
		return cv_err_set(err, -errno, "owners: iterate: %s", strerrordesc_np(errno));
	return fd;
}

static void count_socket(const struct cv_owner *owner, uint64_t cookie, struct cv_app_info *infos,
			 size_t count)
{
	if (owner->netns_cookie != cookie || owner->app == CV_APP_NONE)
		return;
	for (size_t i = 0; i < count; i++)
		if (infos[i].id == owner->app)
			infos[i].sockets++;
}

static int count_sockets(const struct cv_instance *inst, struct cv_app_info *infos, size_t count,
			 struct cv_err *err)
{
	CV_CLOSE int fd = open_owners(inst, err);
	CV_FCLOSE FILE *file = NULL;
	struct cv_owner owner;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	file = fdopen(fd, "r");
	if (!file)
		return cv_err_set(err, -errno, "owners: %s", strerrordesc_np(errno));
	(void)CV_TAKE_FD(fd);
	while (fread(&owner, sizeof(owner), 1, file) == 1)
		count_socket(&owner, inst->netns_cookie, infos, count);
	return 0;
}

int cv_app_list(struct cv_instance *inst, const struct cv_state *state, struct cv_app_info **out,
		size_t *count, struct cv_err *err)
{
	CV_FREE struct cv_app_info *infos = calloc(state->app_count + 1, sizeof(*infos));
	CV_FREE struct cv_app_set *live = calloc(1, sizeof(*live));
	int rc = 0;

	if (!infos || !live)
		return cv_err_set(err, -ENOMEM, "apps: out of memory");
	rc = cv_live_apps(inst, live, err);
	for (size_t i = 0; !rc && i < state->app_count; i++) {
		const struct cv_app *app = find_app(live, state->apps[i].name);

		memcpy(infos[i].name, state->apps[i].name, sizeof(infos[i].name));
		infos[i].id = app ? app->id : 0;
		infos[i].mark = app ? app->mark : 0;
	}
	if (!rc && state->app_count)
		rc = count_sockets(inst, infos, state->app_count, err);
	if (rc)
		return rc;
	*count = state->app_count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
