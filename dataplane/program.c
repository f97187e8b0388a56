/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pinned lwt programs of tunnels: one for xmit each, one for in where a route asks for it. A pin
 * outlives a change of parameters: the program knows the tunnel's id only.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "map.h"
#include "object.h"
#include "own.h"
#include "plan.h"

static const char *pin_name(enum cv_lwt_hook hook)
{
	return hook == CV_LWT_IN ? CV_PROG_IN : CV_PROG_XMIT;
}

static int program_dir(const struct cv_instance *inst, const char *tunnel, char *dir,
		       struct cv_err *err)
{
	if (snprintf(dir, PATH_MAX, "%s/%s", inst->tunnels, tunnel) >= PATH_MAX)
		return cv_err_set(err, -ENAMETOOLONG, "tunnel %s: path too long", tunnel);
	return 0;
}

int cv_program_open(const struct cv_instance *inst, const char *tunnel, enum cv_lwt_hook hook,
		    struct cv_err *err)
{
	char dir[PATH_MAX];
	int rc = program_dir(inst, tunnel, dir, err);

	if (!rc)
		rc = cv_pin_open(dir, pin_name(hook), err);
	return rc != -ENOENT ? rc
			     : cv_err_set(err, rc, "tunnel %s: its program %s/%s is gone", tunnel,
					  dir, pin_name(hook));
}

/* ---- grow ---- */

static bool needs_in(const struct cv_plan *plan, const char *tunnel)
{
	for (size_t i = 0; i < plan->state->route_count; i++) {
		const struct cv_route_conf *route = &plan->state->routes[i];

		if (route->hooks & CV_HOOK_IN && cv_route_conf_enters(route, tunnel))
			return true;
	}
	return false;
}

/* Pins a program in place of what is pinned there. */
static int replace_pin(int prog, const char *dir, const char *name, struct cv_err *err)
{
	int rc = cv_dir_make(dir, err);

	if (!rc)
		rc = cv_pin_del(dir, name, err);
	return rc ? rc : cv_pin_set(prog, dir, name, err);
}

/* True if the pin is there and of the tunnel's generation: a new generation has new programs. */
static bool is_current(const struct cv_plan *plan, const struct cv_tunnel *tunnel, const char *dir,
		       const char *name)
{
	CV_CLOSE int prog = cv_pin_open(dir, name, NULL);

	return prog >= 0 && tunnel->generation != plan->generation;
}

/* The second pin of xmit is for ip, which makes the program's name of the last part of the path. */
static int grow_program(struct cv_instance *inst, const struct cv_plan *plan, uint32_t id,
			enum cv_lwt_hook hook, struct cv_err *err)
{
	const struct cv_tunnel *tunnel = &plan->tunnels[id];
	bool is_xmit = hook == CV_LWT_XMIT;
	CV_CLOSE int prog = -1;
	char dir[PATH_MAX];
	int rc = program_dir(inst, tunnel->name, dir, err);

	if (rc)
		return rc;
	if (is_current(plan, tunnel, dir, pin_name(hook)) &&
	    (!is_xmit || is_current(plan, tunnel, inst->xmit, tunnel->name)))
		return 0;
	prog = cv_object_load_tunnel(inst, id, hook, err);
	if (prog < 0)
		return cv_err_prefix(err, "tunnel %s", tunnel->name);
	rc = replace_pin(prog, dir, pin_name(hook), err);
	if (!rc && is_xmit)
		rc = replace_pin(prog, inst->xmit, tunnel->name, err);
	return rc;
}

int cv_program_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = 0;

	for (uint32_t id = 1; !rc && id < CV_MAX_TUNNELS; id++) {
		const struct cv_tunnel *tunnel = &plan->tunnels[id];

		if (!tunnel->mode)
			continue;
		rc = grow_program(inst, plan, id, CV_LWT_XMIT, err);
		if (!rc && needs_in(plan, tunnel->name))
			rc = grow_program(inst, plan, id, CV_LWT_IN, err);
	}
	return rc;
}

/* ---- shrink ---- */

/* Those of a tunnel that is to go, and one for in that no route asks for any more. */
static int shrink_program(struct cv_instance *inst, const struct cv_plan *plan, const char *tunnel,
			  bool is_gone, struct cv_err *err)
{
	char dir[PATH_MAX];
	int rc = program_dir(inst, tunnel, dir, err);

	if (rc)
		return rc;
	if (!is_gone)
		return needs_in(plan, tunnel) ? 0 : cv_pin_del(dir, CV_PROG_IN, err);
	rc = cv_pin_del(inst->xmit, tunnel, err);
	return rc ? rc : cv_dir_remove(dir, err);
}

int cv_program_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = 0;

	for (uint32_t id = 1; !rc && id < CV_MAX_TUNNELS; id++) {
		const struct cv_tunnel *live = &plan->live_tunnels[id];

		if (live->mode)
			rc = shrink_program(inst, plan, live->name, !plan->tunnels[id].mode, err);
	}
	return rc;
}
