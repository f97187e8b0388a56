/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The state file: YAML <-> struct cv_state. Which keys there are is in the nouns' tables of words. */
#ifndef CV_CONFIG_H
#define CV_CONFIG_H

#include "culvert.h"
#include "parts.h"
#include "report.h"
#include "words.h"

/* The options: not an object, but with words as one has; its conf is the state. */
extern const struct cv_noun cv_config_options;

/*
 * Makes state, which was initialised and is empty, what text says. file names it in places and must outlive
 * the state; NULL: the objects get no places. Reports every fault of the file in one run, those of
 * cv_state_check() included. Returns -EINVAL if there was one.
 */
int cv_config_parse(struct cv_state *state, const char *file, const char *text, size_t len,
		    struct cv_report *report);

/* The same of several texts, which together say what the state is: lists of routes and peers add
 * up, any other object stands in one of them, and so do the options. */
int cv_config_parse_parts(struct cv_state *state, const struct cv_part *parts, size_t count,
			  struct cv_report *report);

/* As cv_config_parse() without a file, but for what cv_state_check() says. */
int cv_config_parse_unchecked(struct cv_state *state, const char *text, size_t len,
			      struct cv_report *report);

/* Writes the line of one object, as it stands in a state file. */
void cv_config_line(const struct cv_noun *noun, const void *conf, FILE *out);
/* Writes a state file that reads back as the same state. */
void cv_config_write(const struct cv_state *state, FILE *out);
/* The same as text; caller frees; NULL without memory. */
char *cv_config_text(const struct cv_state *state);

/* True if that is what would be written. Takes no longer than up to the first difference. */
bool cv_config_is(const struct cv_state *state, const char *text);
/* Of a text that was written so: how long it is up to the rules, which stand last. */
size_t cv_config_head_len(const char *text);

/* Reports every fault of a state. Returns -EINVAL if there was one. */
int cv_config_check(const struct cv_state *state, struct cv_report *report);

#endif
