/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one way to change the kernel: converging it on a wanted state, in an order in which no packet
 * goes the wrong way. What encapsulates comes after what decapsulates and before what marks sockets
 * for it; then the text of the state is replaced, which is the turn; then what goes is taken away in
 * reverse. A failure is undone by converging on the state from before; so is a crash before the turn,
 * and one behind it is brought to its end by converging on the new state (`culvert repair`).
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "bpffs.h"
#include "gate.h"
#include "journal.h"
#include "marks/marks.h"
#include "mend.h"
#include "object.h"
#include "own.h"
#include "path.h"
#include "plan.h"
#include "readers.h"
#include "segment.h"
#include "takeover.h"

/* Whether the kernel takes ours. */
static int try_classifier(struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int ingress = cv_object_load_classify(inst, CV_PROG_INGRESS, err);
	CV_CLOSE int egress = ingress < 0 ? -1 : cv_object_load_classify(inst, CV_PROG_EGRESS, err);

	return ingress < 0 ? ingress : egress < 0 ? egress : 0;
}

/* Programs of another build give way to ours; what uses them is moved over by the steps that follow.
 */
static int upgrade(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	struct cv_act act = { .kind = CV_ACT_CHANGE, .noun = "program", .name = "classifier" };
	int rc;

	if (!plan->is_upgrade)
		return 0;
	cv_act_what(&act, "to build %s", cv_object_build());
	rc = cv_act(plan, &act, err);
	if (!rc && cv_acts_are_tried(plan))
		return try_classifier(inst, err);
	return rc <= 0 ? rc : cv_object_pin_classify(inst, err);
}

struct step {
	const char *about; /* for whoever waits */
	int (*run)(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err);
};

/* Behind them the wanted state works, and what is left of the old one is in nobody's way. */
static const struct step grow_steps[] = {
	{ "gates", cv_gate_close }, /* what is to be routed only leaves when all else is done */
	{ "programs", upgrade },
	{ "tunnels", cv_tunnel_grow }, /* tables and programs; nothing uses them yet */
	{ "tunnels", cv_segment_grow }, /* their large UDP packets have a way */
	{ "devices", cv_dev_grow }, /* ready to decapsulate */
	{ "rules", cv_rule_grow }, /* from here on packets meet the new rules */
	{ "routes", cv_route_grow }, /* ready to encapsulate */
	{ "apps", cv_app_grow }, /* sockets are born with the marks that lead there */
	{ NULL, NULL },
};

static const struct step shrink_steps[] = {
	{ "old apps", cv_app_shrink },
	{ "old routes", cv_route_shrink },
	{ "old devices", cv_dev_shrink },
	{ "old tunnels", cv_tunnel_shrink },
	{ "old tunnels", cv_segment_shrink },
	{ "gates", cv_gate_open },
	{ "old rules", cv_meter_shrink },
	{ "rules", cv_pace_warn },
	{ NULL, NULL },
};

static int run_steps(const struct cv_plan *plan, const struct step *steps, struct cv_err *err)
{
	struct cv_acts *acts = plan->acts;
	int rc = 0;

	for (; !rc && steps->run; steps++) {
		acts->about = steps->about;
		cv_acts_progress(acts);
		rc = steps->run(acts->inst, plan, err);
	}
	return rc;
}

static int write_meta(const struct cv_plan *plan, struct cv_err *err)
{
	struct cv_meta meta;
	int rc = cv_meta_read(plan->acts->inst, &meta, err);

	if (rc)
		return rc;
	meta.generation = plan->generation;
	meta.mark_mask = plan->state->mark_mask;
	snprintf(meta.build, sizeof(meta.build), "%s", cv_object_build());
	return cv_meta_write(plan->acts->inst, &meta, err);
}

/* The text of the state that a plan is for; made when it is needed. */
struct text {
	bool is_written; /* it is what is applied already */
	cv_text_fn write;
	const void *arg;
};

/* The turn: by one rename the new state is the one that is brought back after a crash. */
static int turn(const struct cv_plan *plan, const struct text *text, struct cv_err *err)
{
	int rc = text->is_written ? 0 : cv_acts_begin(plan->acts, err);

	if (!rc && plan->acts->made)
		rc = write_meta(plan, err);
	if (rc || text->is_written)
		return rc;
	rc = cv_applied_prepare(plan->acts->inst, text->write, text->arg, err);
	return rc ? rc : cv_applied_turn(plan->acts->inst, err);
}

/* From what is to what the plan wants. text: NULL if there is no turn to take. */
static int converge(const struct cv_plan *plan, const struct text *text, struct cv_err *err)
{
	int rc = run_steps(plan, grow_steps, err);

	if (!rc && text && cv_acts_are_made(plan))
		rc = turn(plan, text, err);
	return rc ? rc : run_steps(plan, shrink_steps, err);
}

/* ---- apply ---- */

static void write_old_text(FILE *out, const void *arg)
{
	fputs(((const struct cv_change *)arg)->old_text, out);
}

/* A write that failed may have been made, for all that this one has heard of it. */
static bool is_turned(const struct cv_instance *inst, const struct cv_change *change)
{
	CV_CLEANUP(cv_text_fini) struct cv_text text = { 0 };

	return cv_instance_applied(inst, &text, NULL) || strcmp(text.bytes, change->old_text);
}

static int converge_back(struct cv_instance *inst, const struct cv_change *change,
			 struct cv_err *err)
{
	struct cv_acts acts = { .inst = inst, .mode = CV_CHANGE_MAKE, .what = change->what };
	struct text text = { .write = write_old_text, .arg = change };
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = NULL;
	const struct cv_state *old;
	int rc = change->read_old(change->arg, &old, err);

	if (!rc)
		rc = cv_plan_new(&plan, &acts, NULL, old, true, err);
	return rc ? rc : converge(plan, is_turned(inst, change) ? &text : NULL, err);
}

/* Brings back what was there before. If that fails too, err says so and what is left. nothing_changes:
 * the state before is the one that is wanted, and whole. */
static void undo(struct cv_instance *inst, const struct cv_change *change, bool nothing_changes,
		 struct cv_err *err)
{
	struct cv_err why;
	char text[sizeof(why.text)];
	int rc = converge_back(inst, change, &why);

	/* What there was before works, in pins of this version: those of the old one are nobody's. */
	if (!rc)
		rc = cv_takeover_finish(inst, &why);
	/* If somebody else's is in the way, what could be put back is: nothing is left over. */
	if (!rc || (nothing_changes && rc == -EEXIST)) {
		cv_journal_end(inst, NULL);
		return;
	}
	cv_err_prefix(&why, "undoing it failed, some of the change is left in %s", inst->dir);
	if (!err)
		return;
	memcpy(text, err->text, sizeof(text));
	if (snprintf(err->text, sizeof(err->text), "%s; %s", text, why.text) >=
	    (int)sizeof(err->text))
		err->text[sizeof(err->text) - 1] = '\0';
	err->kind = CV_ERR_LEFT;
	cv_err_hint(err, "'culvert repair' tries it again, 'culvert down' takes everything away");
}

static bool is_empty(const struct cv_state *state)
{
	return !state->dev_count && !state->app_count && !state->tunnel_count &&
	       !state->route_count && !state->set_count && !state->rule_count &&
	       state->mark_mask == CV_DEFAULT_MARK_MASK;
}

/* The instance is there. */
static int apply(struct cv_acts *acts, const struct cv_change *change, struct cv_err *err)
{
	struct text text = { .is_written = change->is_same,
			     .write = change->write_text,
			     .arg = change->arg };
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = NULL;
	struct cv_instance *inst = acts->inst;
	struct cv_interruption was;
	bool nothing_changes = change->is_same && !cv_instance_interrupted(inst, &was, NULL);
	int rc;

	cv_acts_progress(acts);
	rc = cv_plan_new(&plan, acts, change->old, change->wanted, false, err);
	if (rc)
		return rc;
	plan->is_repair = change->is_repair;
	plan->is_end = is_empty(change->wanted);
	rc = converge(plan, &text, err);
	if (!rc && acts->mode == CV_CHANGE_MAKE)
		cv_rule_stamp(inst, plan, &change->origin);
	if (rc && cv_acts_are_made(plan)) {
		inst->former_rules = &plan->live_rules;
		undo(inst, change, nothing_changes, err);
		inst->former_rules = NULL;
	}
	return rc;
}

/* Makes the instance. The journal tells of a maker that is killed on the way. */
static int create(struct cv_instance *inst, const struct cv_change *change, struct cv_err *err)
{
	int rc = cv_journal_begin(inst, change->what, err);

	if (rc)
		return rc;
	rc = cv_instance_create(inst, change->wanted->app_count, err);
	if (rc) {
		cv_journal_end(inst, NULL);
		rmdir(inst->state_dir); /* stays if a state is in it */
	}
	return rc;
}

/* Makes the change, or looks at it, where no instance is yet. */
static int apply_anew(struct cv_acts *acts, const struct cv_change *change, struct cv_err *err)
{
	bool is_made = acts->mode == CV_CHANGE_MAKE;
	bool has_apps = change->wanted->app_count;
	int rc = is_made ? create(acts->inst, change, err)
			 : cv_instance_pretend(acts->inst, has_apps && acts->mode == CV_CHANGE_TRY,
					       err);

	if (rc)
		return rc;
	rc = apply(acts, change, err);
	if (rc && is_made && err && err->kind != CV_ERR_LEFT)
		cv_journal_end(acts->inst, NULL);
	/* With an old state it is the pins that were lost, and what holds them is still to be mended. */
	if (rc && is_made && !*change->old_text && err && err->kind != CV_ERR_LEFT)
		cv_instance_remove(acts->inst, NULL);
	return rc;
}

/* True if the maps of the instance are what this build begins with; another one may have had fewer. */
static bool has_maps(const struct cv_instance *inst)
{
	struct cv_meta meta;

	return !cv_pin_missing(inst) ||
	       (!cv_meta_read(inst, &meta, NULL) && strcmp(meta.build, cv_object_build()));
}

/* Pins that others took away come back as far as they can. Returns 1 if the instance can then be worked
 * with, 0 if it is to be made anew. What is only looked at stays incomplete. */
static int find_pins(struct cv_acts *acts, struct cv_err *err)
{
	int rc = cv_instance_exists(acts->inst) ? cv_mend_pins(acts, err) : 0;

	if (rc || !cv_instance_exists(acts->inst))
		return rc;
	if (has_maps(acts->inst) || (acts->told && acts->mode != CV_CHANGE_MAKE))
		return 1;
	/* Maps of programs are found by their ids, and what is made anew may need them, too. */
	if (cv_has_capability(CAP_SYS_ADMIN))
		return 0;
	cv_err_set(err, -EPERM, "map %s: its pin is gone, and to find it CAP_SYS_ADMIN is missing",
		   cv_pin_missing(acts->inst));
	return cv_err_hint(err, "run 'culvert repair' as root");
}

/* What is left to do when everything works. */
static int finish(struct cv_instance *inst, const struct cv_change *change, struct cv_err *err)
{
	int rc = cv_takeover_finish(inst, err);

	if (!rc && is_empty(change->wanted))
		rc = cv_instance_remove(inst, err);
	else if (!rc)
		cv_journal_done(inst);
	if (!rc)
		return 0;
	if (err)
		err->kind = CV_ERR_LEFT;
	cv_err_prefix(err, "the new state works, some of the old one is left");
	return cv_err_hint(err, "'culvert repair' tries it again");
}

int cv_instance_apply(struct cv_instance *inst, const struct cv_change *change, struct cv_err *err)
{
	struct cv_acts acts = { .inst = inst,
				.mode = change->mode,
				.what = change->what,
				.tell = change->tell,
				.progress = change->progress,
				.about = "what is there",
				.arg = change->arg };
	/* Who only reads does not see all that a change is compared with. */
	int rc = change->mode == CV_CHANGE_MAKE ? 0 : cv_check_capabilities(NULL, err);

	if (!rc)
		rc = cv_marks_check(inst, change->old, change->wanted, err);
	if (!rc)
		rc = find_pins(&acts, err);
	if (rc >= 0)
		rc = rc ? apply(&acts, change, err) : apply_anew(&acts, change, err);
	if (rc || change->mode != CV_CHANGE_MAKE)
		return rc;
	if (acts.made || change->is_repair)
		cv_readers_admit(inst);
	return finish(inst, change, err);
}

/* ---- glance ---- */

bool cv_instance_stands(struct cv_instance *inst, const struct cv_state *head,
			enum cv_change_mode mode, bool is_repair)
{
	struct cv_acts acts = { .inst = inst, .mode = mode, .is_glance = true };
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = NULL;
	struct cv_interruption was;
	struct cv_err why;
	int rc;

	if (!cv_instance_exists(inst) || cv_instance_interrupted(inst, &was, NULL) ||
	    inst->older_fd >= 0)
		return false;
	rc = cv_marks_check(inst, head, head, &why);
	if (!rc)
		rc = cv_plan_new(&plan, &acts, head, head, false, &why);
	if (rc)
		return false;
	plan->is_repair = is_repair;
	rc = converge(plan, NULL, &why);
	if (rc)
		return false;
	if (is_repair)
		cv_readers_admit(inst);
	cv_log(inst, CV_LOG_DEBUG, "rules: their image is what it was, and none was read");
	return true;
}

/* ---- down ---- */

static void write_no_text(FILE *out, const void *arg)
{
	(void)out;
	(void)arg;
}

/* Without pins there may still be what they were made for. */
static bool is_anything_there(const struct cv_instance *inst)
{
	return cv_instance_exists(inst) || !cv_path_is_absent(inst->state_dir);
}

static int take_down(struct cv_acts *acts, struct cv_err *err)
{
	static const struct text text = { .write = write_no_text };
	CV_CLEANUP(cv_plan_free) struct cv_plan *plan = NULL;
	struct cv_state nothing;
	int rc = find_pins(acts, err);

	cv_state_init(&nothing);
	if (rc >= 0)
		rc = rc ? 0 : cv_instance_create(acts->inst, false, err);
	if (!rc)
		rc = cv_plan_new(&plan, acts, NULL, &nothing, true, err);
	if (!rc) {
		plan->is_end = true;
		rc = converge(plan, &text, err);
	}
	if (!rc)
		rc = cv_takeover_finish(acts->inst, err);
	return rc ? rc : cv_instance_remove(acts->inst, err);
}

int cv_instance_down(struct cv_instance *inst, struct cv_err *err)
{
	struct cv_acts acts = { .inst = inst, .mode = CV_CHANGE_MAKE, .what = "down" };
	int rc = is_anything_there(inst) ? take_down(&acts, err) : 0;

	if (!rc)
		return 0;
	if (err)
		err->kind = CV_ERR_LEFT;
	cv_err_prefix(err, "some of the instance is left");
	return cv_err_hint(err, "'culvert down' tries it again");
}
