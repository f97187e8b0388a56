/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines of rules that stay as they are: see carry.h. */
#include "carry.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "lines.h"
#include "own.h"

#define CV_AHEAD 8 /* lines of rules that went may stand before the one that is looked for */
#define CV_SEARCHES_MAX 64 /* through all lines */

/* Where the lines of a file begin. */
struct index {
	const char *file; /* as places have it; NULL: no file */
	const char *end;
	const char **lines; /* owned */
	size_t count;
};

struct carry {
	struct index index; /* of the largest file */
	struct cv_line section; /* the rules of the applied text */
	struct cv_line at; /* the line behind the last one that was used */
	size_t searches;
};

static void fini_carry(struct carry *carry)
{
	free(carry->index.lines);
}

/* ---- lines of the file ---- */

static size_t count_lines(const char *text, const char *end)
{
	size_t count = 0;

	for (; (text = memchr(text, '\n', end - text)); text++)
		count++;
	return count;
}

/* Without memory there is no index, and every rule is put into words. */
static void index_part(struct index *index, const struct cv_part *part)
{
	const char *at = part->text, *end = part->text + part->len;
	size_t count = count_lines(at, end), i = 0;

	index->lines = calloc(count + 1, sizeof(*index->lines));
	if (!index->lines)
		return;
	index->file = part->file;
	index->end = end;
	index->count = count;
	for (; i < count; at = strchr(at, '\n') + 1)
		index->lines[i++] = at;
	index->lines[count] = at;
}

static void index_largest(struct index *index, const struct cv_parts *parts)
{
	const struct cv_part *largest = NULL;

	for (size_t i = 0; parts && i < parts->count; i++)
		if (!largest || parts->items[i].len > largest->len)
			largest = &parts->items[i];
	if (largest)
		index_part(index, largest);
}

/* The line of the file that the rule was read from. */
static struct cv_line raw_line(const struct index *index, const struct cv_rule_conf *rule)
{
	size_t line = rule->place.line;

	if (!index->file || rule->place.file != index->file || !line || line > index->count)
		return (struct cv_line){ 0 };
	return (struct cv_line){ index->lines[line - 1], index->lines[line] };
}

/* ---- lines of the applied text ---- */

static void open_carry(struct carry *carry, const char *applied, const struct cv_parts *parts)
{
	struct cv_lines lines;

	*carry = (struct carry){ 0 };
	index_largest(&carry->index, parts);
	if (cv_lines_read(&lines, applied))
		return;
	carry->section = cv_lines_of(&lines, &cv_noun_rule);
	carry->at = cv_line_first(carry->section);
}

/* The applied line that is the same, which is then behind the carry; begin NULL: there is none, as
 * far as was looked. */
static struct cv_line take_same(struct carry *carry, const struct cv_rule_conf *rule,
				struct cv_line raw)
{
	struct cv_line line = carry->at;
	char key[CV_NAME_MAX + 1];

	for (int i = 0; line.begin && i < CV_AHEAD && !cv_line_same(line, raw); i++)
		line = cv_line_next(carry->section, line);
	if (!cv_line_same(line, raw) && carry->searches++ < CV_SEARCHES_MAX) {
		snprintf(key, sizeof(key), "%s", rule->name);
		line = cv_line_find(carry->section, key);
	}
	if (!cv_line_same(line, raw))
		return (struct cv_line){ 0 };
	carry->at = cv_line_next(carry->section, line);
	return line;
}

/* ---- all of it ---- */

/* The state without its rules, which stand last. */
static struct cv_state head_of(const struct cv_state *state)
{
	struct cv_state head = *state;

	head.rule_count = 0;
	return head;
}

static void put(struct cv_line *run, FILE *out)
{
	if (run->begin)
		fwrite(run->begin, 1, run->end - run->begin, out);
	*run = (struct cv_line){ 0 };
}

/* Lines that stood one behind the other are one run, which is written when it ends. */
static void write_rule(struct carry *carry, const struct cv_rule_conf *rule, struct cv_line *run,
		       FILE *out)
{
	struct cv_line raw = raw_line(&carry->index, rule), line = { 0 };

	if (raw.begin)
		line = cv_line_is_written(raw, rule) ? raw : take_same(carry, rule, raw);
	if (line.begin && line.begin == run->end) {
		run->end = line.end;
		return;
	}
	put(run, out);
	*run = line;
	if (!line.begin)
		cv_config_line(&cv_noun_rule, rule, out);
}

void cv_carry_write(const struct cv_state *state, const char *applied, const struct cv_parts *parts,
		    FILE *out)
{
	CV_CLEANUP(fini_carry) struct carry carry;
	struct cv_state head = head_of(state);
	struct cv_line run = { 0 };

	open_carry(&carry, applied, parts);
	cv_config_write(&head, out);
	if (state->rule_count)
		fprintf(out, "%s:\n", cv_noun_rule.section);
	for (size_t i = 0; i < state->rule_count && !ferror(out); i++)
		write_rule(&carry, &state->rules[i], &run, out);
	put(&run, out);
}

/* True if the rule is the applied one of that line. */
static bool is_line(const struct carry *carry, const struct cv_rule_conf *rule, struct cv_line line)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	if (cv_line_same(line, raw_line(&carry->index, rule)))
		return true;
	stream = open_memstream(&text, &size);
	if (!stream)
		return false;
	cv_config_line(&cv_noun_rule, rule, stream);
	return !cv_finish_file(&stream) &&
	       cv_line_same(line, (struct cv_line){ text, text + size });
}

static bool is_head(const struct cv_state *state, const char *applied, size_t len)
{
	struct cv_state head = head_of(state);
	CV_FREE char *text = cv_config_text(&head);

	return text && strlen(text) == len && !memcmp(text, applied, len);
}

bool cv_carry_is(const struct cv_state *state, const char *applied, const struct cv_parts *parts)
{
	CV_CLEANUP(fini_carry) struct carry carry;
	size_t i = 0;

	open_carry(&carry, applied, parts);
	if (!is_head(state, applied, cv_config_head_len(applied)))
		return false;
	for (; i < state->rule_count && carry.at.begin; i++) {
		if (!is_line(&carry, &state->rules[i], carry.at))
			return false;
		carry.at = cv_line_next(carry.section, carry.at);
	}
	return i == state->rule_count && !carry.at.begin;
}
