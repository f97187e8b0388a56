/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one act that changes the kernel: converging it on a wanted state, in an order in which no
 * packet goes the wrong way. What encapsulates comes after what decapsulates and before what marks
 * sockets for it; what goes is taken away in reverse. A failure is undone by converging on the
 * state from before.
 */
#include <errno.h>
#include <string.h>

#include "gate.h"
#include "marks/marks.h"
#include "object.h"
#include "own.h"
#include "plan.h"
#include "segment.h"

/* Programs of another build give way to ours; what uses them is moved over by the steps that follow.
 */
static int upgrade(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	return plan->is_upgrade ? cv_object_pin_classify(inst, err) : 0;
}

typedef int (*step_fn)(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);

static const step_fn steps[] = {
	cv_gate_close, /* what is to be routed only leaves when all else is done */
	upgrade,	   cv_tunnel_grow, /* tables and programs; nothing uses them yet */
	cv_segment_grow, /* their large UDP packets have a way */
	cv_dev_grow, /* ready to decapsulate */
	cv_rule_grow, /* from here on packets meet the new rules */
	cv_route_grow, /* ready to encapsulate */
	cv_app_grow, /* sockets are born with the marks that lead there */
	cv_app_shrink,	   cv_route_shrink, cv_dev_shrink,   cv_tunnel_shrink,
	cv_segment_shrink, cv_gate_open,    cv_meter_shrink, cv_pace_warn,
};

static int run_steps(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(steps) / sizeof(*steps); i++)
		rc = steps[i](inst, plan, err);
	return rc;
}

static int write_meta(const struct cv_instance *inst, const struct cv_plan *plan,
		      struct cv_err *err)
{
	struct cv_meta meta;
	int rc = cv_meta_read(inst, &meta, err);

	if (rc)
		return rc;
	meta.generation = plan->generation;
	meta.mark_mask = plan->state->mark_mask;
	snprintf(meta.build, sizeof(meta.build), "%s", cv_object_build());
	return cv_meta_write(inst, &meta, err);
}

/* Brings back what was there before. If that fails too, err says so and what is left. */
static void undo(struct cv_instance *inst, const struct cv_change *change, struct cv_err *err)
{
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = NULL;
	const struct cv_state *old;
	struct cv_err why;
	int rc = change->read_old(change->arg, &old, &why);

	if (!rc)
		rc = cv_plan_new(&plan, inst, NULL, old, true, &why);
	if (!rc)
		rc = run_steps(inst, plan, &why);
	if (!rc)
		return;
	cv_err_prefix(&why, "undoing it failed, some of the change is left in %s", inst->dir);
	if (err) {
		char text[sizeof(err->text)];

		memcpy(text, err->text, sizeof(text));
		if (snprintf(err->text, sizeof(err->text), "%s; %s", text, why.text) >=
		    (int)sizeof(err->text))
			err->text[sizeof(err->text) - 1] = '\0';
		err->kind = CV_ERR_LEFT;
		cv_err_hint(err, "'culvert down' takes everything away");
	}
}

static bool is_empty(const struct cv_state *state)
{
	return !state->dev_count && !state->app_count && !state->tunnel_count &&
	       !state->route_count && !state->set_count && !state->rule_count;
}

static int write_applied(const struct cv_instance *inst, const struct cv_change *change,
			 struct cv_err *err)
{
	CV_FREE char *text = change->make_text(change->arg);

	return text ? cv_applied_write(inst, text, err)
		    : cv_err_set(err, -ENOMEM, "state: out of memory");
}

int cv_instance_apply(struct cv_instance *inst, const struct cv_change *change, struct cv_err *err)
{
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = NULL;
	const struct cv_state *wanted = change->wanted;
	bool is_new = !cv_instance_exists(inst);
	int rc = cv_marks_check(inst, change->old, wanted, err);

	if (!rc && is_new)
		rc = cv_instance_create(inst, err);
	if (rc)
		return rc;
	rc = cv_plan_new(&plan, inst, change->old, wanted, false, err);
	if (!rc) {
		plan->is_repair = change->is_same;
		rc = run_steps(inst, plan, err);
		if (!rc)
			rc = write_meta(inst, plan, err);
		if (!rc)
			rc = write_applied(inst, change, err);
		if (rc) {
			inst->former_rules = &plan->live_rules;
			undo(inst, change, err);
			inst->former_rules = NULL;
		}
	}
	if (rc && is_new && err && err->kind != CV_ERR_LEFT)
		cv_instance_remove(inst, NULL);
	if (!rc && is_empty(wanted) && wanted->mark_mask == CV_DEFAULT_MARK_MASK)
		rc = cv_instance_remove(inst, err);
	return rc;
}

int cv_instance_down(struct cv_instance *inst, struct cv_err *err)
{
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = NULL;
	struct cv_state nothing;
	int rc;

	if (!cv_instance_exists(inst))
		return 0;
	cv_state_init(&nothing);
	rc = cv_plan_new(&plan, inst, NULL, &nothing, true, err);
	if (!rc)
		rc = run_steps(inst, plan, err);
	if (!rc)
		rc = cv_instance_remove(inst, err);
	if (rc && err)
		err->kind = CV_ERR_LEFT;
	return rc;
}
