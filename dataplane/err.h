/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One error: what kind, which errno, one line of text, what to do, and where it was asked for.
 * The lowest function that knows the object writes it; callers hand the code on unchanged.
 */
#ifndef CV_ERR_H
#define CV_ERR_H

/* Where in the user's words an object was asked for. file is NULL for the command line. */
struct cv_place {
	const char *file; /* borrowed */
	int line; /* from 1; 0: unknown */
	int column; /* from 1; 0: unknown */
};

/* The kind decides the exit status. */
enum cv_err_kind {
	CV_ERR_FAILED, /* it failed, the system is as it was before */
	CV_ERR_INPUT, /* wrong words or a wrong state file, nothing was tried */
	CV_ERR_LEFT, /* it failed and something is left, which the text names */
	CV_ERR_PERMISSION, /* a capability is missing, which the text names */
};

struct cv_err {
	enum cv_err_kind kind;
	int code; /* negative errno */
	char text[768]; /* object: what: why; no newline */
	char hint[256]; /* what to do; may be empty */
	struct cv_place place;
};

/* Fills err (which may be NULL) and returns code, a negative errno. The kind becomes
 * CV_ERR_PERMISSION for -EPERM and -EACCES, else CV_ERR_FAILED; hint and place are emptied. */
int cv_err_set(struct cv_err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As cv_err_set with kind CV_ERR_INPUT and code -EINVAL. */
int cv_err_input(struct cv_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* These three return err's code, or -EINVAL without an err: an error stays an error. */

/* Adds what the user can do about it. */
int cv_err_hint(struct cv_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds where it was asked for, unless err has a place already. */
int cv_err_at(struct cv_err *err, const struct cv_place *place);

/* Puts "text: " in front of err's text. */
int cv_err_prefix(struct cv_err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
