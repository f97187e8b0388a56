/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pinned lwt programs of tunnels, which are stubs (stub.h): one for xmit each, one for in where a
 * route asks for it. A pin outlives most changes of parameters: the stub knows the tunnel's entry only
 * (tunnel_table.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

/* ---- plan ---- */

void cv_program_pins_open(const struct cv_instance *inst, struct cv_plan *plan,
			  struct cv_program_pins *out)
{
	for (enum cv_role role = 0; role < CV_ROLES; role++)
		plan->stub_arrays[role] = cv_stub_array(inst, role);
	out->inst = inst;
	out->tunnels = open(inst->tunnels, O_PATH | O_DIRECTORY | O_CLOEXEC);
	out->xmit = open(inst->xmit, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void cv_program_pins_close(struct cv_program_pins *pins)
{
	cv_close_fd(&pins->tunnels);
	cv_close_fd(&pins->xmit);
}

/* Looks at a pin of a tunnel without opening it, which takes a tenth of the time. */
static bool look_at_pin(const struct cv_program_pins *pins, const char *tunnel, const char *name,
			struct stat *st)
{
	char path[CV_NAME_MAX + sizeof("/" CV_PROG_XMIT)];

	snprintf(path, sizeof(path), "%s/%s", tunnel, name);
	return !fstatat(pins->tunnels, path, st, AT_SYMLINK_NOFOLLOW);
}

/* True if the two pins of xmit are one file: then they are one program. */
static bool named_is_same(const struct cv_program_pins *pins, const char *tunnel)
{
	struct stat xmit, named;

	return look_at_pin(pins, tunnel, CV_PROG_XMIT, &xmit) &&
	       !fstatat(pins->xmit, tunnel, &named, AT_SYMLINK_NOFOLLOW) &&
	       xmit.st_dev == named.st_dev && xmit.st_ino == named.st_ino;
}

/* Where the tunnel stands that its programs send by. */
static uint32_t entry_of(const struct cv_plan *plan, const struct cv_tunnel_plan *tunnel)
{
	return CV_TUNNEL_OUT(tunnel->id, plan->versions[tunnel->id]);
}

/* True if the pin is the stub of that entry, and goes on to where our shared programs are put. */
static bool is_live(const struct cv_plan *plan, const char *dir, const char *name,
		    enum cv_role role, uint32_t entry)
{
	CV_CLOSE int prog = cv_pin_open(dir, name, NULL);

	return prog >= 0 && cv_stub_is(prog, role, entry, plan->stub_arrays[role]);
}

bool cv_program_plan(const struct cv_program_pins *pins, const struct cv_plan *plan,
		     struct cv_tunnel_plan *tunnel, const char *name)
{
	char dir[PATH_MAX];
	uint32_t entry;
	struct stat st;

	if (program_dir(pins->inst, name, dir, NULL))
		return false;
	entry = entry_of(plan, tunnel);
	tunnel->xmit_is_live = is_live(plan, dir, CV_PROG_XMIT, CV_ROLE_XMIT, entry);
	tunnel->named_is_live = named_is_same(pins, name) ? tunnel->xmit_is_live
							  : is_live(plan, pins->inst->xmit, name,
								    CV_ROLE_XMIT, entry);
	tunnel->in_is_live = look_at_pin(pins, name, CV_PROG_IN, &st) &&
			     is_live(plan, dir, CV_PROG_IN, CV_ROLE_IN, entry);
	return tunnel->xmit_is_live;
}

/* ---- grow ---- */

/* What stubs are made of is opened when the first one is made. */
struct maker {
	struct cv_instance *inst;
	const struct cv_plan *plan;
	struct cv_stubs stubs[CV_ROLES];
};

static void free_maker(struct maker *maker)
{
	for (enum cv_role role = 0; role < CV_ROLES; role++)
		cv_stubs_close(&maker->stubs[role]);
}

/* Tells of a pin that is to be made. Returns 1 if it is to be made now. */
static int tell(struct maker *maker, enum cv_role role, const char *pin, const char *tunnel,
		struct cv_err *err)
{
	struct cv_stubs *stubs = &maker->stubs[role];
	int rc = cv_tunnel_act(maker->plan, CV_ACT_ADD, "program", pin, tunnel, err);

	if (rc < 0 || !(rc || cv_acts_are_tried(maker->plan)))
		return rc;
	return stubs->insns || !cv_stubs_open(stubs, maker->inst, role, err) ? rc : err->code;
}

/* Pins a program in place of what is pinned there. */
static int replace_pin(int prog, const char *dir, const char *name, struct cv_err *err)
{
	int rc = cv_dir_make(dir, err);

	if (!rc)
		rc = cv_pin_del(dir, name, err);
	return rc ? rc : cv_pin_set(prog, dir, name, err);
}

/* Gives the pin of xmit its other name: a link, which shows at a glance that both are one. */
static int name_pin(const struct cv_instance *inst, const char *dir, const char *name,
		    struct cv_err *err)
{
	int rc = cv_dir_make(inst->xmit, err);

	if (!rc)
		rc = cv_pin_del(inst->xmit, name, err);
	return rc ? rc : cv_pin_link(dir, CV_PROG_XMIT, inst->xmit, name, err);
}

/* The second pin of xmit is for ip, which makes the program's name of the last part of the path. */
static int grow_xmit(struct maker *maker, const struct cv_tunnel_plan *tunnel, const char *name,
		     struct cv_err *err)
{
	CV_CLOSE int prog = -1;
	char dir[PATH_MAX];
	int rc = program_dir(maker->inst, name, dir, err);

	if (rc || (tunnel->xmit_is_live && tunnel->named_is_live))
		return rc;
	rc = tell(maker, CV_ROLE_XMIT, CV_PROG_XMIT, name, err);
	if (rc <= 0)
		return rc;
	if (!tunnel->xmit_is_live) {
		prog = cv_stubs_load(&maker->stubs[CV_ROLE_XMIT], entry_of(maker->plan, tunnel),
				     err);
		rc = prog < 0 ? prog : replace_pin(prog, dir, CV_PROG_XMIT, err);
	}
	return rc < 0 ? rc : name_pin(maker->inst, dir, name, err);
}

static int grow_in(struct maker *maker, const struct cv_tunnel_plan *tunnel, const char *name,
		   struct cv_err *err)
{
	CV_CLOSE int prog = -1;
	char dir[PATH_MAX];
	int rc = program_dir(maker->inst, name, dir, err);

	if (rc || !tunnel->has_in || tunnel->in_is_live)
		return rc;
	rc = tell(maker, CV_ROLE_IN, CV_PROG_IN, name, err);
	if (rc <= 0)
		return rc;
	prog = cv_stubs_load(&maker->stubs[CV_ROLE_IN], entry_of(maker->plan, tunnel), err);
	return prog < 0 ? prog : replace_pin(prog, dir, CV_PROG_IN, err);
}

static int grow_stubs(struct maker *maker, struct cv_err *err)
{
	const struct cv_state *state = maker->plan->state;
	int rc = 0;

	for (size_t i = 0; !rc && i < state->tunnel_count; i++) {
		const struct cv_tunnel_plan *tunnel = &maker->plan->tunnel_plans[i];
		const char *name = state->tunnels[i].name;

		if (!tunnel->id)
			continue;
		rc = grow_xmit(maker, tunnel, name, err);
		if (!rc)
			rc = grow_in(maker, tunnel, name, err);
		if (rc) {
			cv_err_prefix(err, "tunnel %s", name);
			return cv_err_at(err, &state->tunnels[i].place);
		}
	}
	return rc;
}

static bool needs_shared(const struct cv_plan *plan, enum cv_role role)
{
	for (size_t i = 0; i < plan->state->tunnel_count; i++)
		if (plan->tunnel_plans[i].id &&
		    (role == CV_ROLE_XMIT || plan->tunnel_plans[i].has_in))
			return true;
	return false;
}

/* The stubs come first: with the first of them comes the map that leads to the shared program. */
int cv_program_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(free_maker) struct maker maker = { .inst = inst, .plan = plan };
	int rc = grow_stubs(&maker, err);

	if (!rc)
		rc = cv_shared_grow(plan, CV_ROLE_XMIT, needs_shared(plan, CV_ROLE_XMIT), err);
	return rc ? rc : cv_shared_grow(plan, CV_ROLE_IN, needs_shared(plan, CV_ROLE_IN), err);
}

/* ---- shrink ---- */

/* Those of a tunnel that is gone. */
static int shrink_gone(struct cv_instance *inst, const struct cv_plan *plan, const char *tunnel,
		       struct cv_err *err)
{
	char dir[PATH_MAX];
	int rc = program_dir(inst, tunnel, dir, err);

	if (!rc)
		rc = cv_tunnel_act(plan, CV_ACT_DEL, "program", CV_PROG_XMIT, tunnel, err);
	if (rc <= 0)
		return rc;
	rc = cv_pin_del(inst->xmit, tunnel, err);
	return rc ? rc : cv_dir_remove(dir, err);
}

/* The one for in that no route asks for any more. */
static int shrink_in(struct cv_instance *inst, const struct cv_plan *plan, const char *tunnel,
		     struct cv_err *err)
{
	char dir[PATH_MAX];
	int rc = program_dir(inst, tunnel, dir, err);

	if (!rc)
		rc = cv_tunnel_act(plan, CV_ACT_DEL, "program", CV_PROG_IN, tunnel, err);
	return rc <= 0 ? rc : cv_pin_del(dir, CV_PROG_IN, err);
}

int cv_program_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = 0;

	for (uint32_t id = 1; !rc && id < CV_MAX_TUNNELS; id++)
		if (plan->live_tunnels[id].mode && !plan->tunnels[id].mode)
			rc = shrink_gone(inst, plan, plan->live_tunnels[id].name, err);
	for (size_t i = 0; !rc && i < plan->state->tunnel_count; i++)
		if (plan->tunnel_plans[i].in_is_live && !plan->tunnel_plans[i].has_in)
			rc = shrink_in(inst, plan, plan->state->tunnels[i].name, err);
	return rc;
}
