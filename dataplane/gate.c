/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Gates of apps: see gate.h. */
#include "gate.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "hooks.h"
#include "map.h"
#include "own.h"

/* ---- which ---- */

static const struct cv_app *find_app(const struct cv_app_set *set, uint32_t id)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->apps[i].id == id)
			return &set->apps[i];
	return NULL;
}

/* True if the gate of an app of the wanted state is closed while the change is made. */
static bool closes(const struct cv_plan *plan, const struct cv_app *app)
{
	const struct cv_app *live = find_app(plan->live_apps, app->id);

	return app->flags & CV_APP_GATE && (!app->mark || !live || !live->mark);
}

/* True if it is when the change is made. */
static bool stays_closed(const struct cv_plan *plan, uint32_t id)
{
	const struct cv_app *app = find_app(plan->apps, id);

	return app && app->flags & CV_APP_GATE && !app->mark;
}

/* ---- close ---- */

static int close_gate(const struct cv_plan *plan, int map_fd, const struct cv_app *app,
		      struct cv_err *err)
{
	struct cv_gate_key key = { .netns_cookie = plan->acts->inst->netns_cookie, .app = app->id };
	CV_FREE uint64_t *zeros = calloc(libbpf_num_possible_cpus(), sizeof(*zeros));

	if (!zeros)
		return cv_err_set(err, -ENOMEM, "gate of app %s: out of memory", app->name);
	if (bpf_map_update_elem(map_fd, &key, zeros, BPF_NOEXIST) && errno != EEXIST)
		return cv_err_set(err, -errno, "gate of app %s: %s", app->name,
				  strerrordesc_np(errno));
	return 0;
}

static int close_gates(const struct cv_instance *inst, const struct cv_plan *plan,
		       struct cv_err *err)
{
	CV_CLOSE int fd = cv_host_map(inst, CV_STRING(CV_MAP_GATES), err);
	int rc = fd < 0 ? fd : 0;

	for (uint32_t i = 0; !rc && i < plan->apps->count; i++)
		if (closes(plan, &plan->apps->apps[i]))
			rc = close_gate(plan, fd, &plan->apps->apps[i], err);
	return rc;
}

/* True if the gate stands as it will when the change is made, and the app is known. */
static bool is_closed_for_good(const struct cv_instance *inst, const struct cv_plan *plan,
			       const struct cv_app *app)
{
	struct cv_gate_key key = { .netns_cookie = inst->netns_cookie, .app = app->id };
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_GATES), NULL);
	CV_FREE uint64_t *drops = calloc(libbpf_num_possible_cpus(), sizeof(*drops));

	return stays_closed(plan, app->id) && find_app(plan->live_apps, app->id) && fd >= 0 &&
	       drops && !bpf_map_lookup_elem(fd, &key, drops);
}

/* Tells of the gates that have to be closed. Returns 1 if that is to be done now, 0 if it is not or there
 * are none. */
static int tell_of_closing(const struct cv_plan *plan, struct cv_err *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc >= 0 && i < plan->apps->count; i++) {
		const struct cv_app *app = &plan->apps->apps[i];
		struct cv_act act = { .kind = CV_ACT_ADD, .noun = "gate", .is_inner = true };

		if (!closes(plan, app) || is_closed_for_good(plan->acts->inst, plan, app))
			continue;
		cv_act_name(&act, "%s", app->name);
		rc = cv_act(plan, &act, err);
	}
	return rc;
}

/*
 * Before the first socket is known to be of such an app, its gate is closed. The apps are then known
 * early. cv_app_grow() puts them once more in its own place, and finds sockets that were being made.
 */
int cv_gate_close(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = tell_of_closing(plan, err);

	if (rc <= 0)
		return rc;
	rc = cv_hooks_attach(inst, plan, CV_HOOKS_GATE, err);
	if (!rc)
		rc = close_gates(inst, plan, err);
	return rc ? rc : cv_app_put(inst, plan, err);
}

/* ---- open ---- */

struct opening {
	const struct cv_instance *inst;
	const struct cv_plan *plan;
};

static int delete_gate(int map_fd, const struct cv_gate_key *key, struct cv_err *err)
{
	if (bpf_map_delete_elem(map_fd, key) && errno != ENOENT)
		return cv_err_set(err, -errno, "gate of app %u: open: %s", key->app,
				  strerrordesc_np(errno));
	return 0;
}

static int open_gate(int map_fd, const void *entry, void *arg, struct cv_err *err)
{
	struct cv_act act = { .kind = CV_ACT_DEL, .noun = "gate", .is_inner = true };
	const struct cv_gate_key *key = entry;
	const struct opening *opening = arg;
	const struct cv_app *app = find_app(opening->plan->apps, key->app);
	int rc;

	if (key->netns_cookie != opening->inst->netns_cookie ||
	    stays_closed(opening->plan, key->app))
		return 0;
	cv_act_name(&act, "%s", app ? app->name : "of an app that is gone");
	rc = cv_act(opening->plan, &act, err);
	return rc <= 0 ? rc : delete_gate(map_fd, key, err);
}

int cv_gate_open(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_GATES), err);
	struct opening opening = { .inst = inst, .plan = plan };
	int rc;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = cv_map_each(fd, sizeof(struct cv_gate_key), CV_MAX_GATES, open_gate, &opening, err);
	/* Where it is only looked at, cv_app_shrink() has told of them all. */
	if (rc || !cv_acts_are_made(plan) || cv_gate_is_closed(inst))
		return rc;
	return cv_hooks_detach(inst, plan, err);
}

/* ---- ask and forget ---- */

bool cv_gate_is_closed(const struct cv_instance *inst)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_GATES), NULL);
	struct cv_gate_key key;

	if (fd < 0)
		return fd != -ENOENT;
	return !bpf_map_get_next_key(fd, NULL, &key) || errno != ENOENT;
}

static int forget_gate(int map_fd, const void *entry, void *arg, struct cv_err *err)
{
	const struct cv_gate_key *key = entry;
	const uint64_t *netns_cookie = arg;

	return key->netns_cookie == *netns_cookie ? delete_gate(map_fd, key, err) : 0;
}

void cv_gate_forget(const struct cv_instance *inst, uint64_t netns_cookie)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_GATES), NULL);

	if (fd >= 0)
		cv_map_each(fd, sizeof(struct cv_gate_key), CV_MAX_GATES, forget_gate,
			    &netns_cookie, NULL);
}
