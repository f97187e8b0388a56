/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an operator should know of what rules do: where it does not come about as things are. */
#include <errno.h>
#include <string.h>

#include "dev_find.h"
#include "nl_link.h"
#include "nl_tc.h"
#include "own.h"
#include "plan.h"

/* A run over the rules. */
struct review {
	struct cv_instance *inst;
	const struct cv_state *state;
	struct cv_rules live; /* owned */
	struct cv_dev_conf *devs; /* owned; those that there are; NULL: not asked for yet */
	size_t dev_count;
	cv_problem_fn add;
	void *arg;
	struct cv_err *err;
};

static void review_fini(struct review *review)
{
	cv_rules_fini(&review->live);
	free(review->devs);
}

/* ---- devices that packets are sent to ---- */

static const struct cv_actions *live_actions(const struct review *review, const char *name)
{
	for (size_t i = 0; i < review->live.rule_count; i++)
		if (!strcmp(review->live.rules[i].rule.name, name))
			return &review->live.rules[i].actions;
	return NULL;
}

static int review_device(const struct review *review, const struct cv_rule_conf *conf,
			 const char *verb, const char *name, uint32_t ifindex)
{
	struct cv_link link;

	if (cv_link_by_name(review->inst->nl, name, &link, NULL))
		return cv_problem_tell(review->add, review->arg,
				       "rule %s: device %s, which it %s to, does not exist",
				       conf->name, name, verb);
	if (link.ifindex == ifindex)
		return 0;
	return cv_problem_tell(
		review->add, review->arg,
		"rule %s: device %s, which it %s to, was made anew; 'culvert repair' finds it",
		conf->name, name, verb);
}

static int review_devices(const struct review *review, const struct cv_rule_conf *conf)
{
	const struct cv_actions *live = live_actions(review, conf->name);
	int rc = 0;

	if (live && conf->action.redirect[0])
		rc = review_device(review, conf, "redirects", conf->action.redirect,
				   live->redirect_ifindex);
	if (!rc && live && conf->action.mirror[0])
		rc = review_device(review, conf, "mirrors", conf->action.mirror,
				   live->mirror_ifindex);
	return rc;
}

/* ---- departure times ---- */

static bool concerns(const struct cv_rule_conf *conf, const struct cv_dev_conf *dev)
{
	bool is_it = !strcmp(conf->match.dev, dev->name);

	return dev->egress &&
	       (!conf->match.dev[0] || is_it != !!(conf->match.not_fields & 1 << CV_FIELD_DEV));
}

/* Devices that are not there are somebody else's problem. */
static int review_pace(const struct review *review, const struct cv_rule_conf *conf,
		       const struct cv_dev_conf *dev)
{
	struct cv_link link;
	bool is_heeded = true;
	int rc;

	if (!concerns(conf, dev) || cv_link_by_name(review->inst->nl, dev->name, &link, NULL))
		return 0;
	rc = cv_tc_has_departures(review->inst->nl, link.ifindex, &is_heeded, review->err);
	if (rc || is_heeded)
		return rc;
	return cv_problem_tell(
		review->add, review->arg,
		"rule %s: pace has no effect on dev %s, whose qdisc is not fq; 'tc qdisc replace dev %s root fq'",
		conf->name, dev->name, dev->name);
}

static int review_paces(struct review *review, const struct cv_rule_conf *conf)
{
	int rc = 0;

	if (!conf->action.pace_bits_ps)
		return 0;
	if (!review->devs)
		rc = cv_devs_confs(review->inst, review->state, &review->devs, &review->dev_count,
				   review->err);
	for (size_t i = 0; !rc && i < review->dev_count; i++)
		rc = review_pace(review, conf, &review->devs[i]);
	return rc;
}

/* ---- all of them ---- */

static bool sends_elsewhere(const struct cv_state *state)
{
	for (size_t i = 0; i < state->rule_count; i++)
		if (state->rules[i].action.redirect[0] || state->rules[i].action.mirror[0])
			return true;
	return false;
}

static int review_rules(struct review *review)
{
	int rc = 0;

	/* The live rules are read only where they are needed: there may be very many. */
	if (cv_instance_exists(review->inst) && sends_elsewhere(review->state))
		rc = cv_live_rules(review->inst, &review->live, review->err);
	for (size_t i = 0; !rc && i < review->state->rule_count; i++) {
		const struct cv_rule_conf *conf = &review->state->rules[i];

		rc = review_paces(review, conf);
		if (!rc && (conf->action.redirect[0] || conf->action.mirror[0]))
			rc = review_devices(review, conf);
	}
	return rc;
}

int cv_rule_problems(struct cv_instance *inst, const struct cv_state *state, cv_problem_fn add,
		     void *arg, struct cv_err *err)
{
	CV_CLEANUP(review_fini)
	struct review review = { .inst = inst, .state = state, .add = add, .arg = arg, .err = err };

	return review_rules(&review);
}

static int warn(const char *text, void *arg)
{
	cv_log(arg, CV_LOG_WARN, "%s", text);
	return 0;
}

int cv_pace_warn_of(struct cv_instance *inst, const struct cv_state *before,
		    const struct cv_state *state, struct cv_err *err)
{
	CV_CLEANUP(review_fini)
	struct review review = {
		.inst = inst, .state = state, .add = warn, .arg = inst, .err = err
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < state->rule_count; i++) {
		const struct cv_rule_conf *conf = &state->rules[i];
		const struct cv_rule_conf *old = conf->action.pace_bits_ps && before
							 ? cv_state_find_rule(before, conf->name)
							 : NULL;

		if (!old || !old->action.pace_bits_ps)
			rc = review_paces(&review, conf);
	}
	return rc;
}

int cv_pace_warn(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	return plan->is_lenient ? 0 : cv_pace_warn_of(inst, plan->before, plan->state, err);
}
