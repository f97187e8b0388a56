/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Texts that are kept in files of ours, read whole and replaced in one step. */
#ifndef CV_TEXT_H
#define CV_TEXT_H

#include <stdio.h>

#include "culvert.h"
#include "err.h"

/* Reads a file; "" if there is none. *text: caller frees. */
int cv_text_read(const char *path, char **text, struct cv_err *err);

/* The same, mapped: it may be large. "" if there is none. cv_text_fini() releases it. */
int cv_text_map(const char *path, struct cv_text *text, struct cv_err *err);

/* Replaces a file by what put writes; whoever reads it has the old or the new one. */
int cv_text_write(const char *path, cv_text_fn put, const void *arg, struct cv_err *err);
/* The same in two: it is written aside, and takes the place of the old one. */
int cv_text_prepare(const char *path, cv_text_fn put, const void *arg, struct cv_err *err);
int cv_text_turn(const char *path, struct cv_err *err);

/* Removes what a writer of path that was killed has left. */
void cv_text_tidy(const char *path);

#endif
