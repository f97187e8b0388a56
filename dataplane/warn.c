/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is allowed in a state, and hardly meant: rules that never match. Looks at nothing but the state;
 * names stand for numbers of their own here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "compiler/compile.h"
#include "compiler/shadow.h"
#include "nearest.h"
#include "own.h"

/* What the compiler's questions are answered from. */
struct context {
	const struct cv_state *state;
	struct cv_app *apps; /* owned; as many as the state has */
	const char **devs; /* owned; names that rules have, each once */
	uint32_t dev_count;
	struct cv_chains dev_chains;
};

static void free_context(struct context *context)
{
	free(context->apps);
	free(context->devs);
	cv_chains_fini(&context->dev_chains);
}

static const struct cv_app *resolve_app(const void *arg, const char *name)
{
	const struct context *context = arg;
	const struct cv_app_conf *conf = cv_state_find_app(context->state, name);
	struct cv_app *app = conf ? &context->apps[conf - context->state->apps] : NULL;

	if (app)
		app->id = app - context->apps + 1;
	return app;
}

static uint32_t resolve_tunnel(const void *arg, const char *name)
{
	const struct context *context = arg;
	const struct cv_tunnel_conf *conf = cv_state_find_tunnel(context->state, name);

	return conf ? conf - context->state->tunnels + 1 : 0;
}

/* Makes room for one more name. */
static int grow_devs(struct context *context)
{
	size_t room = context->dev_chains.room ? 2 * context->dev_chains.room : 16;
	const char **grown;

	if (context->dev_count < context->dev_chains.room)
		return 0;
	grown = reallocarray(context->devs, room, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	context->devs = grown;
	if (cv_chains_grow(&context->dev_chains, room))
		return -ENOMEM;
	for (uint32_t i = 0; i < context->dev_count; i++)
		cv_chains_link(&context->dev_chains, cv_hash_text(grown[i]), i);
	return 0;
}

/* 0, as for a device that there is not, if there is no memory for its name. */
static uint32_t resolve_ifindex(const void *arg, const char *name)
{
	struct context *context = (struct context *)arg;
	uint64_t hash = cv_hash_text(name);
	uint32_t number = CV_NOBODY;

	if (context->dev_count)
		number = cv_chains_first(&context->dev_chains, hash);
	for (; number != CV_NOBODY; number = context->dev_chains.next[number])
		if (!strcmp(context->devs[number], name))
			return number + 1;
	if (grow_devs(context))
		return 0;
	cv_chains_link(&context->dev_chains, hash, context->dev_count);
	context->devs[context->dev_count++] = name;
	return context->dev_count;
}

static uint32_t resolve_rule_id(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 0;
}

static int compile(struct context *context, struct cv_rules *rules, struct cv_err *err)
{
	const struct cv_resolver resolver = {
		.app = resolve_app,
		.tunnel = resolve_tunnel,
		.ifindex = resolve_ifindex,
		.rule_id = resolve_rule_id,
		.arg = context,
	};

	context->apps = calloc(context->state->app_count + 1, sizeof(*context->apps));
	if (!context->apps)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	return cv_compile(rules, context->state, &resolver, err);
}

/* " (f:3:3)", or nothing for what was not asked for in a file. */
static const char *put_place(char *buf, size_t size, const struct cv_place *place)
{
	buf[0] = '\0';
	if (place->file && place->line)
		snprintf(buf, size, " (%s:%d:%d)", place->file, place->line, place->column);
	return buf;
}

static void report(const struct cv_rule_conf *rule, const struct cv_rule_conf *by,
		   bool is_by_several, cv_fault_fn warn, void *arg)
{
	struct cv_err warning;
	char place[256];

	if (!by) {
		cv_err_input(&warning, "rule %s: never matches: what it asks for excludes itself",
			     rule->name);
		cv_err_hint(&warning, "mend it, or delete it");
	} else {
		put_place(place, sizeof(place), &by->place);
		cv_err_input(
			&warning,
			is_by_several
				? "rule %s: never matches: rule %s%s and others before it match all its packets"
				: "rule %s: never matches: rule %s%s before it matches all its packets",
			rule->name, by->name, place);
		cv_err_hint(&warning, "move it before that, or delete it");
	}
	cv_err_at(&warning, &rule->place);
	warn(&warning, arg);
}

/* A device that the state has nothing of is not classified at all: most likely its name is misspelt. */
static void report_dev(const struct cv_state *state, const struct cv_rule_conf *rule,
		       cv_fault_fn warn, void *arg)
{
	struct cv_nearest nearest = { .word = rule->match.dev };
	struct cv_err warning;

	for (size_t i = 0; i < state->dev_count; i++)
		cv_nearest_look(&nearest, state->devs[i].name);
	cv_err_input(&warning, "rule %s: never matches: dev %s is none of the devices", rule->name,
		     rule->match.dev);
	if (nearest.found)
		cv_err_hint(&warning, "did you mean \"%s\"?", nearest.found);
	else
		cv_err_hint(&warning, "add it to the devices");
	cv_err_at(&warning, &rule->place);
	warn(&warning, arg);
}

/* Without any device, filters were added by other means. */
static void warn_of_devs(const struct cv_state *state, cv_fault_fn warn, void *arg)
{
	for (size_t i = 0; state->dev_count && i < state->rule_count; i++) {
		const struct cv_match_conf *match = &state->rules[i].match;

		if (match->dev[0] && !(match->not_fields >> CV_FIELD_DEV & 1) &&
		    !cv_state_dev_of(state, match->dev))
			report_dev(state, &state->rules[i], warn, arg);
	}
}

int cv_state_warn(const struct cv_state *state, cv_fault_fn warn, void *arg, struct cv_err *err)
{
	CV_CLEANUP(free_context) struct context context = { .state = state };
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	CV_FREE size_t *order = calloc(state->rule_count + 1, sizeof(*order));
	CV_FREE struct cv_shadow *shadows = NULL;
	size_t count = 0;
	int rc;

	warn_of_devs(state, warn, arg);
	rc = compile(&context, &rules, err);
	if (rc)
		return rc;
	if (!order || cv_rule_order(state, order))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_shadow_find(&rules, CV_SHADOW_MAX_STEPS, &shadows, &count);
	if (rc == -ENOMEM)
		return cv_err_set(err, rc, "rules: out of memory");
	for (size_t i = 0; i < count; i++)
		report(&state->rules[order[shadows[i].rule]],
		       shadows[i].by == CV_SHADOW_NOBODY ? NULL
							 : &state->rules[order[shadows[i].by]],
		       shadows[i].is_by_several, warn, arg);
	return 0;
}
