/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a file changes: see revise.h. */
#include "revise.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "own.h"

#define CV_AHEAD 8 /* rules that went may stand before the one that comes next */

/* A comparison at work: lines that are equal were passed. */
struct revision {
	struct cv_edits *edits;
	struct cv_line applied; /* the sections */
	struct cv_line wanted;
	struct cv_line old; /* the lines at hand; begin NULL: behind the last one */
	struct cv_line new;
};

static size_t length(struct cv_line line)
{
	return line.end - line.begin;
}

/* How many bytes of both are the same, up to the end of a line. */
static size_t same_bytes(struct cv_line a, struct cv_line b)
{
	size_t room = length(a) < length(b) ? length(a) : length(b), at = 0;
	const size_t step = 4096;

	while (room - at >= step && !memcmp(a.begin + at, b.begin + at, step))
		at += step;
	while (at < room && a.begin[at] == b.begin[at])
		at++;
	while (at && a.begin[at - 1] != '\n')
		at--;
	return at;
}

static void pass_same(struct revision *revision)
{
	struct cv_line *old = &revision->old, *new = &revision->new;
	struct cv_line rest = { old->begin, revision->applied.end };
	struct cv_line other = { new->begin, revision->wanted.end };
	size_t same;

	if (!old->begin || !new->begin)
		return;
	same = same_bytes(rest, other);
	*old = cv_line_first((struct cv_line){ old->begin + same, rest.end });
	*new = cv_line_first((struct cv_line){ new->begin + same, other.end });
}

/* The rule of a line; NULL: it has none that is good and is written so. The caller frees it. */
static struct cv_rule_conf *read_rule(struct cv_line line)
{
	CV_CLEANUP(cv_report_free) struct cv_report *silent = NULL;
	CV_CLEANUP(cv_state_fini) struct cv_state state;
	CV_FREE struct cv_rule_conf *rule = malloc(sizeof(*rule));
	CV_FREE char *text = NULL;
	int len = asprintf(&text, "%s:\n%.*s", cv_noun_rule.section, (int)length(line), line.begin);

	cv_state_init(&state);
	if (len < 0)
		text = NULL;
	if (!rule || !text || cv_report_new(&silent, NULL, false) ||
	    cv_config_parse_unchecked(&state, text, len, silent) || state.rule_count != 1 ||
	    !cv_line_is_written(line, &state.rules[0]))
		return NULL;
	*rule = state.rules[0];
	state.rule_count = 0; /* what it owns was taken */
	return CV_TAKE_PTR(rule);
}

static void free_rule(struct cv_rule_conf **rule)
{
	if (*rule)
		cv_rule_conf_fini(*rule);
	free(*rule);
}

/* The rule of the file's line takes the place of the one that has its name, or comes behind all. */
static bool put(struct revision *revision, bool is_new)
{
	CV_CLEANUP(free_rule) struct cv_rule_conf *rule = read_rule(revision->new);

	if (!rule || !cv_edits_can(revision->edits, &cv_noun_rule, rule, !is_new) ||
	    cv_edits_find(revision->edits, &cv_noun_rule, rule) == is_new)
		return false;
	cv_edits_put_line(revision->edits, CV_TAKE_PTR(rule), revision->new, is_new);
	revision->new = cv_line_next(revision->wanted, revision->new);
	return true;
}

/* The rule of the applied line goes. */
static bool del(struct revision *revision)
{
	struct cv_rule_conf rule = { 0 };

	if (!cv_line_name(revision->old, rule.name) ||
	    !cv_edits_can(revision->edits, &cv_noun_rule, &rule, false) ||
	    !cv_edits_find(revision->edits, &cv_noun_rule, &rule))
		return false;
	cv_edits_del(revision->edits, &cv_noun_rule, &rule);
	revision->old = cv_line_next(revision->applied, revision->old);
	return true;
}

static bool has_same_name(struct cv_line a, struct cv_line b)
{
	char names[2][CV_NAME_MAX + 1];

	return a.begin && b.begin && cv_line_name(a, names[0]) && cv_line_name(b, names[1]) &&
	       !strcmp(names[0], names[1]);
}

/* True if the rules at hand went, and those behind them stayed. */
static bool went(const struct revision *revision)
{
	struct cv_line line = revision->old;

	for (int i = 0; line.begin && i < CV_AHEAD; i++) {
		line = cv_line_next(revision->applied, line);
		if (cv_line_same(line, revision->new) || has_same_name(line, revision->new))
			return true;
	}
	return false;
}

/* The lines at hand differ. */
static bool step(struct revision *revision)
{
	if (!revision->old.begin)
		return put(revision, true);
	if (revision->new.begin && has_same_name(revision->old, revision->new)) {
		if (!put(revision, false))
			return false;
		revision->old = cv_line_next(revision->applied, revision->old);
		return true;
	}
	return (!revision->new.begin || went(revision)) && del(revision);
}

bool cv_revise(struct cv_edits *edits, struct cv_line rules)
{
	struct revision revision = {
		.edits = edits,
		.applied = cv_lines_of(&edits->lines, &cv_noun_rule),
		.wanted = rules,
	};

	revision.old = cv_line_first(revision.applied);
	revision.new = cv_line_first(revision.wanted);
	for (pass_same(&revision); revision.old.begin || revision.new.begin; pass_same(&revision))
		if (!step(&revision))
			return false;
	return edits->count;
}
