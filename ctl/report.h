/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How errors reach the user. Text: one line (and, where there is a file, the source line with a
 * caret and a hint); with -j one JSON object on stderr for the whole run. Collects, so that all
 * errors of a file come in one run.
 */
#ifndef CV_REPORT_H
#define CV_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "culvert.h"

#define CV_REPORT_MAX 100 /* errors printed of one file; the rest are counted */

struct cv_report;

/* Errors go to stream, as text or (is_json) as one object when the report is freed; NULL: they are
 * only counted. */
int cv_report_new(struct cv_report **out, FILE *stream, bool is_json);
/* Prints what is still to print (the JSON object; the number of errors not shown). */
void cv_report_free(struct cv_report **report);

/* The text of a file, so that source lines can be shown; both borrowed until the report is freed.
 * There may be many files; of one that comes again the last text counts. */
void cv_report_source(struct cv_report *report, const char *file, const char *text, size_t len);

/*
 * Adds an error. With a place that has a line:
 *     FILE:LINE:COL: error: TEXT
 *         source line
 *            ^
 *     hint: HINT
 * else: culvert: TEXT; HINT [ECODE]
 * JSON: {"error":{"code":"EINVAL","message":TEXT,"hint":..,"file":..,"line":..,"column":..}}, hint
 * and place left out where there is none; of several errors the first is "error", and "errors" is
 * the list of all.
 */
void cv_report_error(struct cv_report *report, const struct cv_err *err);

/* Warnings never change the exit status: "culvert: warning: TEXT"; in JSON they are in "warnings". */
void cv_report_warning(struct cv_report *report, const char *text);

/* The same with a place: as an error, but "warning"; in JSON the place stands before the text. */
void cv_report_warning_at(struct cv_report *report, const struct cv_err *warning);

size_t cv_report_errors(const struct cv_report *report);
/* Exit status for what was reported (cli.md): 0, or that of the last error's kind: 1 CV_ERR_INPUT,
 * 2 CV_ERR_FAILED, 3 CV_ERR_LEFT, 5 CV_ERR_PERMISSION. */
int cv_report_status(const struct cv_report *report);

#endif
