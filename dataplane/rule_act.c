/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Acts of rules and sets: see rule_act.h. */
#include "rule_act.h"

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "act.h"
#include "compiler/set.h"
#include "names.h"
#include "own.h"

/* ---- what of a rule changes ---- */

/* Adds to what changes: printf. */
static void add(struct cv_act *act, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct cv_act *act, const char *format, ...)
{
	size_t len = strlen(act->what);
	va_list args;

	if (len && len < sizeof(act->what) - 2) {
		memcpy(act->what + len, ", ", sizeof(", "));
		len += strlen(", ");
	}
	va_start(args, format);
	vsnprintf(act->what + len, sizeof(act->what) - len, format, args);
	va_end(args);
}

static const char *const verdicts[CV_VERDICT_COUNT] = {
	[CV_VERDICT_NEXT] = "next",
	[CV_VERDICT_ACCEPT] = "accept",
	[CV_VERDICT_DROP] = "drop",
	[CV_VERDICT_CONTINUE] = "continue",
};

static const char *verdict_name(const struct cv_rule *rule)
{
	return rule->verdict < CV_VERDICT_COUNT ? verdicts[rule->verdict] : "?";
}

/* A number that a rule may have or not. */
static void add_number(struct cv_act *act, const char *word, const struct cv_rule *rules[2],
		       uint32_t flag, const uint32_t numbers[2])
{
	char texts[2][16];
	bool is_same = (rules[0]->flags & flag) == (rules[1]->flags & flag);

	if (is_same && (numbers[0] == numbers[1] || !(rules[0]->flags & flag)))
		return;
	for (int i = 0; i < 2; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%u", numbers[i]);
		if (!(rules[i]->flags & flag))
			snprintf(texts[i], sizeof(texts[i]), "none");
	}
	add(act, "%s %s -> %s", word, texts[0], texts[1]);
}

static void add_mark(struct cv_act *act, const struct cv_rule *rules[2])
{
	if (rules[0]->mark != rules[1]->mark || rules[0]->mark_mask != rules[1]->mark_mask)
		add(act, "mark 0x%x/0x%x -> 0x%x/0x%x", rules[0]->mark, rules[0]->mark_mask,
		    rules[1]->mark, rules[1]->mark_mask);
}

static void add_device(struct cv_act *act, const char *word, uint32_t live, uint32_t wanted)
{
	char names[2][IF_NAMESIZE];
	const uint32_t indexes[2] = { live, wanted };

	if (live == wanted)
		return;
	for (int i = 0; i < 2; i++)
		if (!indexes[i])
			snprintf(names[i], sizeof(names[i]), "none");
		else if (!if_indextoname(indexes[i], names[i]))
			snprintf(names[i], sizeof(names[i]), "#%u", indexes[i]);
	add(act, "%s %s -> %s", word, names[0], names[1]);
}

static void add_rate(struct cv_act *act, const char *word, uint64_t live, uint64_t wanted)
{
	if (live != wanted)
		add(act, "%s %llu -> %llu bytes/s", word, (unsigned long long)live,
		    (unsigned long long)wanted);
}

static void add_more(struct cv_act *act, const struct cv_actions *live,
		     const struct cv_actions *wanted)
{
	add_rate(act, "police", live->police_bytes_ps, wanted->police_bytes_ps);
	add_rate(act, "pace", live->pace_bytes_ps, wanted->pace_bytes_ps);
	if (live->police_burst_bytes != wanted->police_burst_bytes)
		add(act, "burst %u -> %u bytes", live->police_burst_bytes,
		    wanted->police_burst_bytes);
	if (live->police_per != wanted->police_per)
		add(act, "what police counts together");
	if (live->sample_one_in != wanted->sample_one_in)
		add(act, "sample 1/%u -> 1/%u", live->sample_one_in, wanted->sample_one_in);
	add_device(act, "redirect", live->redirect_ifindex, wanted->redirect_ifindex);
	if (live->redirect_to != wanted->redirect_to)
		add(act, "how it redirects");
	add_device(act, "mirror", live->mirror_ifindex, wanted->mirror_ifindex);
}

static void add_action(struct cv_act *act, const struct cv_compiled_rule *live,
		       const struct cv_compiled_rule *wanted)
{
	const struct cv_rule *rules[2] = { &live->rule, &wanted->rule };

	add_mark(act, rules);
	add_number(act, "priority", rules, CV_ACTION_PRIORITY,
		   (uint32_t[]){ rules[0]->priority, rules[1]->priority });
	add_number(act, "dscp", rules, CV_ACTION_DSCP,
		   (uint32_t[]){ rules[0]->dscp, rules[1]->dscp });
	add_more(act, &live->actions, &wanted->actions);
	if (rules[0]->verdict != rules[1]->verdict)
		add(act, "%s -> %s", verdict_name(rules[0]), verdict_name(rules[1]));
}

/* ---- rules ---- */

/* The telling at work. */
struct telling {
	const struct cv_plan *plan;
	struct cv_names live; /* of plan->live_rules */
	struct cv_names wanted; /* of plan->rules */
};

static void fini_telling(struct telling *telling)
{
	cv_names_fini(&telling->live);
	cv_names_fini(&telling->wanted);
}

static int name_rules(struct cv_names *names, const struct cv_rules *rules)
{
	return cv_names_init(names, rules->rules ? rules->rules->rule.name : NULL,
			     sizeof(*rules->rules), rules->rule_count);
}

static const struct cv_place *place_of(const struct cv_plan *plan, const char *name)
{
	const struct cv_rule_conf *conf = cv_state_find_rule(plan->state, name);

	return conf ? &conf->place : NULL;
}

/* A rule that is there already, and becomes another one, or moves. */
static void describe_change(const struct telling *telling, const struct cv_rule_change *change,
			    uint32_t twin, struct cv_act *act)
{
	const struct cv_plan *plan = telling->plan;
	const struct cv_changes *changes = &plan->rule_changes;

	act->kind = CV_ACT_CHANGE;
	if (change->kind == CV_CHANGE_INSERT)
		add(act, "place among the others");
	if (!cv_changes_same_matches(changes, twin, change->rule))
		add(act, "match");
	add_action(act, &plan->live_rules.rules[twin], &plan->rules.rules[change->rule]);
}

/* Those that move are removed and inserted: that is one act. */
static int tell_rule(const struct telling *telling, const struct cv_rule_change *change,
		     struct cv_err *err)
{
	const struct cv_plan *plan = telling->plan;
	bool is_removal = change->kind == CV_CHANGE_REMOVE;
	const struct cv_rules *rules = is_removal ? &plan->live_rules : &plan->rules;
	const char *name = rules->rules[change->rule].rule.name;
	struct cv_act act = { .kind = is_removal ? CV_ACT_DEL : CV_ACT_ADD,
			      .noun = "rule",
			      .place = is_removal ? NULL : place_of(plan, name) };
	uint32_t twin = cv_names_find(&telling->live, name);

	if (is_removal && cv_names_find(&telling->wanted, name) != CV_NAMES_NONE)
		return 1;
	cv_act_name(&act, "%s", name);
	if (!is_removal && twin != CV_NAMES_NONE)
		describe_change(telling, change, twin, &act);
	return cv_act(plan, &act, err);
}

static int tell_rules(const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(fini_telling) struct telling telling = { .plan = plan };
	const struct cv_changes *changes = &plan->rule_changes;
	int rc = cv_acts_are_made(plan), is_done;

	if (name_rules(&telling.live, &plan->live_rules) ||
	    name_rules(&telling.wanted, &plan->rules))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	for (size_t i = 0; i < changes->count; i++) {
		is_done = tell_rule(&telling, &changes->items[i], err);
		if (is_done < 0)
			return is_done;
	}
	return rc;
}

/* ---- sets ---- */

static size_t ranges_of(const struct cv_compiled_set *set)
{
	return set->number_count + set->address_count;
}

/* live or wanted NULL: it comes, or it goes. */
static int tell_set(const struct cv_plan *plan, const struct cv_compiled_set *live,
		    const struct cv_compiled_set *wanted, struct cv_err *err)
{
	const struct cv_compiled_set *either = wanted ? wanted : live;
	const struct cv_set_conf *conf =
		wanted && wanted->name[0] ? cv_state_find_set(plan->state, wanted->name) : NULL;
	struct cv_act act = {
		.kind = !live	  ? CV_ACT_ADD
			: !wanted ? CV_ACT_DEL
				  : CV_ACT_CHANGE,
		.noun = "set",
		.is_inner = !either->name[0],
		.place = conf ? &conf->place : NULL,
	};

	if (either->name[0])
		cv_act_name(&act, "%s", either->name);
	else
		cv_act_name(&act, "for a list");
	if (live && wanted)
		add(&act, "%zu -> %zu ranges", ranges_of(live), ranges_of(wanted));
	else
		add(&act, "%zu ranges", ranges_of(either));
	return cv_act(plan, &act, err);
}

static int tell_sets(const struct cv_plan *plan, struct cv_err *err)
{
	const struct cv_changes *changes = &plan->rule_changes;
	const struct cv_rules *live = &plan->live_rules, *wanted = &plan->rules;
	CV_FREE bool *is_kept = calloc(live->set_count + 1, sizeof(*is_kept));
	int rc = cv_acts_are_made(plan);

	if (!is_kept)
		return cv_err_set(err, -ENOMEM, "sets: out of memory");
	for (size_t i = 0; rc >= 0 && changes->has_sets && wanted->sets && i < wanted->set_count;
	     i++) {
		uint16_t number = changes->set_numbers[i];
		const struct cv_compiled_set *twin = number ? &live->sets[number - 1] : NULL;

		is_kept[number] = true;
		if (!twin || !cv_compiled_set_equal(twin, &wanted->sets[i]))
			rc = tell_set(plan, twin, &wanted->sets[i], err);
	}
	for (size_t i = 0; rc >= 0 && changes->has_sets && live->sets && i < live->set_count; i++)
		if (!is_kept[i + 1] && (live->sets[i].name[0] || ranges_of(&live->sets[i])))
			rc = tell_set(plan, &live->sets[i], NULL, err);
	return rc;
}

/* ---- all of it ---- */

/* One for all, where nobody wants to know which. */
static int tell_something(const struct cv_plan *plan, struct cv_err *err)
{
	struct cv_act act = { .kind = CV_ACT_CHANGE, .noun = "rule" };

	return cv_act(plan, &act, err);
}

int cv_rule_tell(const struct cv_plan *plan, struct cv_err *err)
{
	const struct cv_changes *changes = &plan->rule_changes;
	int rc;

	if (!cv_acts_are_told(plan))
		return tell_something(plan, err);
	/* What is asked of packets for no rule any more, or asked for another network namespace. */
	if (!changes->count && !changes->has_sets)
		return cv_rule_tell_inner(plan, "all rules, built anew", 1, err);
	rc = tell_sets(plan, err);
	return rc < 0 ? rc : tell_rules(plan, err);
}

int cv_rule_tell_inner(const struct cv_plan *plan, const char *what, int count, struct cv_err *err)
{
	struct cv_act act = { .kind = count > 0 ? CV_ACT_ADD : CV_ACT_DEL,
			      .noun = "map",
			      .is_inner = true };

	if (!count)
		return 1;
	cv_act_name(&act, "%s", what);
	if (count != 1)
		cv_act_what(&act, "%d", abs(count));
	return cv_act(plan, &act, err);
}
