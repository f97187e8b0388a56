/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The text of an applied state as config.c writes it: sections, and in them a line for each object. */
#ifndef CV_LINES_H
#define CV_LINES_H

#include "words.h"

/* A piece of the text. begin NULL: there is none. */
struct cv_line {
	const char *begin;
	const char *end; /* behind its last character, a newline */
};

#define CV_SECTIONS_MAX 16

struct cv_lines {
	struct cv_line options;
	struct cv_line sections[CV_SECTIONS_MAX]; /* of the nouns by number, without their heads */
};

/* Finds the sections. Returns -EINVAL if the text is not as config.c writes it. */
int cv_lines_read(struct cv_lines *lines, const char *text);

/* The section of a noun. */
struct cv_line cv_lines_of(const struct cv_lines *lines, const struct cv_noun *noun);

/* The line of the object of that section whose key is so written. */
struct cv_line cv_line_find(struct cv_line section, const char *key);

/* True if both are there, and the same. */
bool cv_line_same(struct cv_line a, struct cv_line b);

/* The first line of a section, and the one behind a line. */
struct cv_line cv_line_first(struct cv_line section);
struct cv_line cv_line_next(struct cv_line section, struct cv_line line);

/* The name at the beginning of a rule's line, and its prio. False: the line is not as it should be. */
bool cv_line_name(struct cv_line line, char name[CV_NAME_MAX + 1]);
bool cv_line_prio(struct cv_line line, uint32_t *prio);

/* True if the line of a file, which the rule was read from, is of the form in which rules are
 * written and looked for here: two blanks, a name that needs no quotes, and one mapping, in which
 * the prio comes first, if there is one. */
bool cv_line_is_written(struct cv_line line, const struct cv_rule_conf *rule);

/* Of a set's line, what it has up to its type, which comes first: its length, 0 if that is not so. */
size_t cv_line_type_len(struct cv_line line);

#endif
