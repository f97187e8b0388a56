/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The elements of a set as text: those that its words give, and those of its file. */
#ifndef CV_ELEMENTS_H
#define CV_ELEMENTS_H

#include <stdio.h>

#include "culvert.h"
#include "out.h"
#include "report.h"

/* Adds the elements of a list with commas to those of the set, whose type is known. */
int cv_elements_parse(const char *word, const char *text, struct cv_set_conf *set,
		      struct cv_err *err);

/* Writes the set's own element of that number; the same into JSON, numbers as numbers. */
void cv_element_put(FILE *out, const struct cv_set_conf *set, size_t index);
void cv_element_json(struct cv_json *json, const struct cv_set_conf *set, size_t index);
/* Writes the set's own elements, with commas between; at most that many. */
void cv_elements_put(FILE *out, const struct cv_set_conf *set, size_t most);

/* How many elements the set has of its own. */
size_t cv_elements_count(const struct cv_set_conf *set);

/*
 * Reads the elements of the set's file, if it has one: one or a list with commas a line, blanks around
 * them as one likes, comments from # to the end of a line. Reports every line that is wrong with its
 * place. Returns -EINVAL if there was one, or if the file cannot be read.
 */
int cv_elements_read(struct cv_set_conf *set, struct cv_report *report);

#endif
