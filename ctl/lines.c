/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines of an applied state: see lines.h. */
#include "lines.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "yaml.h"

#define CV_INDENT "  "
#define CV_OPENS ": {"
#define CV_PRIO "prio: "
#define CV_TYPE "type: "

/* ---- sections ---- */

/* The line that begins there, in text that ends at end. */
static struct cv_line line_at(const char *begin, const char *end)
{
	const char *newline = begin < end ? memchr(begin, '\n', end - begin) : NULL;

	return newline ? (struct cv_line){ begin, newline + 1 } : (struct cv_line){ 0 };
}

static bool begins(struct cv_line line, const char *with)
{
	size_t len = strlen(with);

	return (size_t)(line.end - line.begin) >= len && !memcmp(line.begin, with, len);
}

/* The section whose head the line is. */
static struct cv_line *section_of(struct cv_lines *lines, struct cv_line head)
{
	for (size_t i = 0; i < cv_noun_count && i < CV_SECTIONS_MAX; i++) {
		size_t len = strlen(cv_nouns[i]->section);

		if (begins(head, cv_nouns[i]->section) && !memcmp(head.begin + len, ":\n", 2))
			return &lines->sections[i];
	}
	return NULL;
}

/* The rules stand last and may be very many: where they end is not looked for. */
int cv_lines_read(struct cv_lines *lines, const char *text)
{
	const char *end = text + strlen(text);
	struct cv_line line, *section = NULL;

	*lines = (struct cv_lines){ 0 };
	for (line = line_at(text, end); line.begin; line = line_at(line.end, end)) {
		if (begins(line, CV_INDENT)) {
			if (!section)
				return -EINVAL;
			section->end = line.end;
			continue;
		}
		section = begins(line, "options: ") ? &lines->options : section_of(lines, line);
		if (!section || section->begin)
			return -EINVAL;
		*section = (struct cv_line){ line.end, line.end };
		if (section == &lines->options)
			*section = line;
		if (section == &lines->sections[cv_noun_count - 1])
			section->end = line.end = end;
	}
	return 0;
}

struct cv_line cv_lines_of(const struct cv_lines *lines, const struct cv_noun *noun)
{
	for (size_t i = 0; i < cv_noun_count && i < CV_SECTIONS_MAX; i++)
		if (cv_nouns[i] == noun)
			return lines->sections[i];
	return (struct cv_line){ 0 };
}

/* ---- lines ---- */

bool cv_line_same(struct cv_line a, struct cv_line b)
{
	return a.begin && b.begin && a.end - a.begin == b.end - b.begin &&
	       !memcmp(a.begin, b.begin, a.end - a.begin);
}

struct cv_line cv_line_first(struct cv_line section)
{
	return line_at(section.begin, section.end);
}

struct cv_line cv_line_next(struct cv_line section, struct cv_line line)
{
	return line_at(line.end, section.end);
}

struct cv_line cv_line_find(struct cv_line section, const char *key)
{
	char wanted[2 * CV_NAME_MAX];
	const char *found;
	int len = snprintf(wanted, sizeof(wanted), "\n" CV_INDENT "%s" CV_OPENS, key);

	if (!section.begin || len >= (int)sizeof(wanted))
		return (struct cv_line){ 0 };
	/* Before a section there is always a newline. */
	found = memmem(section.begin - 1, section.end - section.begin + 1, wanted, len);
	return found ? line_at(found + 1, section.end) : (struct cv_line){ 0 };
}

/* ---- within a line ---- */

/* What stands behind the key and the opening brace, NULL: there are none. */
static const char *behind_key(struct cv_line line)
{
	const char *at = memmem(line.begin, line.end - line.begin, CV_OPENS, strlen(CV_OPENS));

	return at && begins(line, CV_INDENT) ? at + strlen(CV_OPENS) : NULL;
}

bool cv_line_name(struct cv_line line, char name[CV_NAME_MAX + 1])
{
	const char *end = behind_key(line), *begin = line.begin + strlen(CV_INDENT);

	if (!end)
		return false;
	end -= strlen(CV_OPENS);
	/* Names have no quotes and nothing that would be escaped between them. */
	if (*begin == '"' || *begin == '\'') {
		begin++;
		end--;
	}
	if (end <= begin || end - begin > CV_NAME_MAX)
		return false;
	memcpy(name, begin, end - begin);
	name[end - begin] = '\0';
	return true;
}

bool cv_line_prio(struct cv_line line, uint32_t *prio)
{
	const char *at = behind_key(line);

	if (!at)
		return false;
	*prio = CV_DEFAULT_RULE_PRIO;
	if (!strncmp(at, CV_PRIO, strlen(CV_PRIO)))
		*prio = strtoul(at + strlen(CV_PRIO), NULL, 10);
	return true;
}

size_t cv_line_type_len(struct cv_line line)
{
	const char *at = behind_key(line);

	if (!at || strncmp(at, CV_TYPE, strlen(CV_TYPE)) != 0)
		return 0;
	return at + strcspn(at, ",}") - line.begin;
}

/* ---- lines of files ---- */

enum {
	PLAIN = 1,
	MARK, /* begins or ends something */
};

/* What may stand in a line that is kept: no comment, nothing that is escaped. */
static const uint8_t kinds[256] = {
	['a' ... 'z'] = PLAIN, ['A' ... 'Z'] = PLAIN, ['0' ... '9'] = PLAIN, [' '] = PLAIN,
	['_'] = PLAIN,	       ['-'] = PLAIN,	      ['.'] = PLAIN,	     ['/'] = PLAIN,
	[':'] = PLAIN,	       [','] = PLAIN,	      ['@'] = PLAIN,	     ['['] = PLAIN,
	[']'] = PLAIN,	       ['+'] = PLAIN,	      ['='] = PLAIN,	     ['"'] = MARK,
	['{'] = MARK,	       ['}'] = MARK,
};

/* True if a mapping begins there that ends at end, and is all that stands there. */
static bool is_one_mapping(const char *at, const char *end)
{
	bool is_quoted = false;
	int depth = 0;

	for (; at < end && kinds[(uint8_t)*at]; at++) {
		if (kinds[(uint8_t)*at] == PLAIN)
			continue;
		if (*at == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted)
			depth += *at == '{' ? 1 : -1;
		if (!depth)
			return at + 1 == end;
	}
	return false;
}

bool cv_line_is_written(struct cv_line line, const struct cv_rule_conf *rule)
{
	char head[sizeof("  : {prio: 4294967295") + CV_NAME_MAX];
	size_t name = sizeof("  ") - 1, body = name + strlen(rule->name) + sizeof(": ") - 1;
	size_t len = line.end - line.begin;

	if (!line.begin || !cv_yaml_is_plain_name(rule->name))
		return false;
	snprintf(head, sizeof(head), rule->has_prio ? "  %s: {prio: %u" : "  %s: {", rule->name,
		 rule->prio);
	if (len <= strlen(head) || memcmp(line.begin, head, strlen(head)))
		return false;
	if (rule->has_prio && line.begin[strlen(head)] != ',')
		return false;
	return is_one_mapping(line.begin + body, line.end - 1);
}
