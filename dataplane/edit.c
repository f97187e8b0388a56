/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Small changes of rules: only what changes is compiled, and put in place into the image that packets
 * meet. All that can fail is done before the turn: the new text takes the place of the old one, and
 * then one store lets packets meet the new rules. A stop between the two leaves an image whose stamp
 * does not fit the text, and the next change makes it what the text says.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "compiler/compile.h"
#include "counters.h"
#include "image.h"
#include "journal.h"
#include "mend.h"
#include "nl_link.h"
#include "object.h"
#include "own.h"
#include "plan.h"
#include "readers.h"
#include "stamp.h"

/* An edit at work. */
struct work {
	struct cv_instance *inst;
	const struct cv_edit *edit;
	struct cv_banks *banks; /* owned, as is all that is pointed to from here on */
	struct cv_figures figures; /* of all rules, as they are */
	struct cv_memo *memo; /* of them, too */
	struct cv_meta meta;
	struct cv_app_set *apps; /* NULL: no rule of the edit names one */
	struct cv_app_set *outer;
	struct cv_tunnel *tunnels; /* CV_MAX_TUNNELS, by id */
	bool *is_taken; /* CV_MAX_RULE_IDS; NULL: not looked at yet */
	bool is_short; /* of memory */
	/* Borrowed: the first failure of looking for a device, and its text. */
	int *failed;
	struct cv_err *err;
	uint32_t next_id; /* none below is free */
	uint32_t forgone; /* what no rule needs any more */
	struct cv_rules old;
	struct cv_rules wanted;
	struct cv_changes changes;
};

static void fini_work(struct work *work)
{
	cv_changes_fini(&work->changes);
	cv_rules_fini(&work->old);
	cv_rules_fini(&work->wanted);
	cv_banks_close(&work->banks);
	free(work->memo);
	free(work->apps);
	free(work->outer);
	free(work->tunnels);
	free(work->is_taken);
}

static int out_of_memory(struct cv_err *err)
{
	return cv_err_set(err, -ENOMEM, "rules: out of memory");
}

static void close_banks(struct cv_banks **banks)
{
	cv_banks_close(banks);
}

bool cv_instance_can_edit(const struct cv_instance *inst)
{
	CV_CLEANUP(close_banks) struct cv_banks *banks = NULL;
	struct cv_figures figures;
	struct cv_interruption was;

	return cv_instance_exists(inst) && !cv_pin_missing(inst) &&
	       !cv_instance_interrupted(inst, &was, NULL) && !cv_banks_open(&banks, inst, NULL) &&
	       cv_stamp_read(inst, cv_banks_word(banks), &figures);
}

/* ---- what there is ---- */

static int read_apps(struct work *work, struct cv_err *err)
{
	if (!work->edit->old->app_count && !work->edit->wanted->app_count)
		return 0;
	work->apps = calloc(1, sizeof(*work->apps));
	work->outer = calloc(1, sizeof(*work->outer));
	return work->apps && work->outer
		       ? cv_live_both_apps(work->inst, work->apps, work->outer, err)
		       : out_of_memory(err);
}

static int read_tunnels(struct work *work, struct cv_err *err)
{
	work->tunnels = calloc(CV_MAX_TUNNELS, sizeof(*work->tunnels));
	return work->tunnels ? cv_live_tunnels(work->inst, work->tunnels, err) : out_of_memory(err);
}

static int read_live(struct work *work, struct cv_err *err)
{
	int rc = cv_banks_open(&work->banks, work->inst, err);

	if (rc)
		return rc;
	work->memo = malloc(sizeof(*work->memo));
	if (!work->memo)
		return out_of_memory(err);
	if (!cv_stamp_recall(work->inst, cv_banks_word(work->banks), &work->figures, work->memo))
		return -ESTALE;
	rc = cv_meta_read(work->inst, &work->meta, err);
	if (rc)
		return rc;
	if (strcmp(work->meta.build, cv_object_build()) != 0)
		return -ESTALE;
	rc = read_apps(work, err);
	return rc ? rc : read_tunnels(work, err);
}

/* ---- compiling ---- */

static const struct cv_app *resolve_app(const void *arg, const char *name)
{
	const struct work *work = arg;
	const struct cv_app *app = work->apps ? cv_app_find(work->apps, name) : NULL;

	return app || !work->outer ? app : cv_app_find(work->outer, name);
}

static uint32_t resolve_tunnel(const void *arg, const char *name)
{
	const struct work *work = arg;

	return cv_tunnel_find(work->tunnels, name);
}

static uint32_t resolve_ifindex(const void *arg, const char *name)
{
	const struct work *work = arg;
	struct cv_link link;
	int rc = *work->failed ? *work->failed
			       : cv_link_by_name(work->inst->nl, name, &link, work->err);

	if (rc && rc != -ENODEV)
		*work->failed = rc;
	return rc ? 0 : link.ifindex;
}

static void take_id(void *arg, uint32_t id)
{
	((bool *)arg)[id] = true;
}

/* The lowest that no rule has that packets meet. */
static uint32_t new_id(struct work *work)
{
	if (!work->is_taken) {
		work->is_taken = calloc(CV_MAX_RULE_IDS, sizeof(*work->is_taken));
		if (work->is_taken)
			cv_banks_each_id(work->banks, take_id, work->is_taken);
	}
	work->is_short = work->is_short || !work->is_taken;
	if (work->is_short)
		return 0;
	while (work->is_taken[work->next_id])
		work->next_id++;
	return work->next_id++;
}

static uint32_t resolve_rule_id(void *arg, const char *name)
{
	struct work *work = arg;
	uint32_t id;

	return cv_banks_id(work->banks, name, &id) ? id : new_id(work);
}

static int compile(struct work *work, const struct cv_state *state, struct cv_rules *out,
		   struct cv_err *err)
{
	struct cv_resolver resolver = {
		.app = resolve_app,
		.tunnel = resolve_tunnel,
		.ifindex = resolve_ifindex,
		.rule_id = resolve_rule_id,
		.arg = work,
	};
	int failed = 0, rc;

	work->failed = &failed;
	work->err = err;
	rc = cv_compile(out, state, &resolver, err);
	if (rc || failed)
		return rc ? rc : failed;
	if (work->is_short)
		return out_of_memory(err);
	/* Sets that stand for lists may be those of other rules, too. */
	return out->set_count == state->set_count ? 0 : -ESTALE;
}

/* ---- what is not for an edit ---- */

static bool has_device(const struct work *work, const char *name)
{
	struct cv_link link;

	return !name[0] || !cv_link_by_name(work->inst->nl, name, &link, NULL);
}

/* Rules that need what is not there, or something beside rules. */
static bool is_plain(const struct work *work, const struct cv_state *state, bool is_old)
{
	for (size_t i = 0; i < state->rule_count; i++) {
		const struct cv_rule_conf *rule = &state->rules[i];

		if (rule->action.route_mark[0])
			return false;
		if (!is_old && (!has_device(work, rule->match.dev) ||
				!has_device(work, rule->action.redirect) ||
				!has_device(work, rule->action.mirror)))
			return false;
	}
	return true;
}

static bool has_tunnel(const struct work *work)
{
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++)
		if (work->tunnels[id].mode)
			return true;
	return false;
}

/* What all rules together need. False: tunnels have to know of it. */
static bool add_needs(struct work *work, struct cv_figures *figures)
{
	for (int i = 0; i < CV_NEEDS; i++) {
		uint32_t before = figures->needs[i], flag = 1u << i;

		figures->needs[i] += work->wanted.needs[i] - work->old.needs[i];
		if (before && !figures->needs[i])
			work->forgone |= flag;
		if (!before != !figures->needs[i] && flag == CV_RULES_DROP_ENCAP &&
		    has_tunnel(work))
			return false;
	}
	return true;
}

/* Figures of all rules behind the edit. False: a bound is passed, or something is not for an edit. */
static bool add_up(struct work *work, struct cv_figures *figures)
{
	struct cv_figures old = cv_figures_of(&work->old);
	struct cv_figures wanted = cv_figures_of(&work->wanted);

	*figures = work->figures;
	figures->rules += wanted.rules - old.rules;
	figures->matches += wanted.matches - old.matches;
	figures->meters += wanted.meters - old.meters;
	return add_needs(work, figures) && figures->rules && figures->rules <= CV_MAX_RULES &&
	       figures->matches <= CV_MAX_CONJUNCTIONS && figures->meters <= CV_MAX_METERS;
}

/* ---- doing it ---- */

static int make_counters(const struct work *work, struct cv_err *err)
{
	CV_CLEANUP(cv_counters_close) struct cv_counters *counters = NULL;
	int rc = work->next_id ? cv_counters_open(&counters, work->inst, err) : 0;

	if (rc || !counters)
		return rc;
	rc = cv_counters_grow(counters, &work->wanted, err);
	for (size_t i = 0; !rc && i < work->wanted.rule_count; i++) {
		const struct cv_rule *rule = &work->wanted.rules[i].rule;
		uint32_t id;

		if (!cv_banks_id(work->banks, rule->name, &id))
			cv_counters_clear(counters, rule->id);
	}
	return rc;
}

static void write_text(FILE *out, const void *arg)
{
	const struct cv_edit *edit = arg;

	for (size_t i = 0; i < edit->piece_count; i++)
		fwrite(edit->text[i].bytes, 1, edit->text[i].len, out);
}

static int prepare(struct work *work, const struct cv_figures *figures, struct cv_err *err)
{
	const struct cv_edit *edit = work->edit;
	int rc = make_counters(work, err);

	if (!rc)
		rc = cv_caches_fit(work->inst, figures->matches, edit->wanted->flow_cache_is_off,
				   err);
	if (!rc)
		rc = cv_applied_prepare(work->inst, write_text, edit, err);
	if (!rc && !cv_changes_none(&work->changes))
		rc = cv_banks_prepare(work->banks, &work->changes, err);
	work->meta.generation++;
	return rc ? rc : cv_meta_write(work->inst, &work->meta, err);
}

/* Of an image that was compared before there is a memo again. */
static void stamp(const struct work *work, const struct cv_figures *figures)
{
	const struct cv_edit *edit = work->edit;
	bool is_known = edit->origin && cv_memo_covers(work->memo, edit->wanted);

	if (is_known)
		work->memo->image = cv_banks_hash(work->banks);
	cv_stamp_write(work->inst, cv_banks_word(work->banks), figures,
		       is_known ? work->memo : NULL, edit->origin);
}

/* From here on the new state stands. */
static int turn(struct work *work, const struct cv_figures *figures, struct cv_err *err)
{
	int rc = cv_applied_turn(work->inst, err);

	if (rc)
		return rc;
	if (!cv_changes_none(&work->changes))
		cv_banks_turn(work->banks);
	if (work->forgone)
		cv_banks_forgo(work->banks, work->forgone);
	stamp(work, figures);
	return 0;
}

static bool measures(const struct cv_rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->rule_count; i++)
		if (!strcmp(rules->rules[i].rule.name, name))
			return rules->rules[i].rule.flags & (CV_ACTION_POLICE | CV_ACTION_PACE);
	return false;
}

/* What rules measured that do not any more, or are gone. */
static int forget_meters(const struct work *work, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < work->old.rule_count; i++) {
		const struct cv_rule *rule = &work->old.rules[i].rule;

		if (measures(&work->old, rule->name) && !measures(&work->wanted, rule->name))
			rc = cv_meter_forget(work->inst, rule->id, err);
	}
	return rc;
}

static int plan(struct work *work, struct cv_figures *figures, struct cv_err *err)
{
	const struct cv_edit *edit = work->edit;
	int rc = read_live(work, err);

	if (rc)
		return rc;
	if (!is_plain(work, edit->old, true) || !is_plain(work, edit->wanted, false))
		return -ESTALE;
	rc = compile(work, edit->old, &work->old, err);
	if (!rc)
		rc = compile(work, edit->wanted, &work->wanted, err);
	if (!rc && !add_up(work, figures))
		rc = -ESTALE;
	return rc ? rc
		  : cv_changes_few(&work->changes, &work->old, &work->wanted, edit->places,
				   edit->place_count, err);
}

static int make(struct work *work, const struct cv_figures *figures, struct cv_err *err)
{
	int rc = cv_journal_begin(work->inst, work->edit->what, err);

	if (!rc)
		rc = prepare(work, figures, err);
	if (!rc)
		rc = turn(work, figures, err);
	if (rc) {
		cv_journal_end(work->inst, NULL);
		return rc;
	}
	cv_readers_admit(work->inst);
	cv_journal_done(work->inst);
	return 0;
}

int cv_instance_edit(struct cv_instance *inst, const struct cv_edit *edit, struct cv_err *err)
{
	CV_CLEANUP(fini_work) struct work work = { .inst = inst, .edit = edit };
	struct cv_figures figures;
	int rc = cv_instance_exists(inst) ? plan(&work, &figures, err) : -ESTALE;

	if (rc)
		return rc;
	rc = make(&work, &figures, err);
	if (!rc)
		cv_log(inst, CV_LOG_DEBUG, "rules: %zu changed and %u not looked at",
		       work.changes.count, figures.rules);
	if (!rc)
		rc = forget_meters(&work, err);
	return rc ? rc : cv_pace_warn_of(inst, edit->old, edit->wanted, err);
}
