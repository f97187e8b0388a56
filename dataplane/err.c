/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Error values: see err.h. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int set(struct cv_err *err, enum cv_err_kind kind, int code, const char *format,
	       va_list args)
{
	if (!err)
		return code;
	*err = (struct cv_err){ .kind = kind, .code = code };
	vsnprintf(err->text, sizeof(err->text), format, args);
	return code;
}

int cv_err_set(struct cv_err *err, int code, const char *format, ...)
{
	enum cv_err_kind kind =
		code == -EPERM || code == -EACCES ? CV_ERR_PERMISSION : CV_ERR_FAILED;
	va_list args;

	va_start(args, format);
	set(err, kind, code, format, args);
	va_end(args);
	return code;
}

int cv_err_input(struct cv_err *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(err, CV_ERR_INPUT, -EINVAL, format, args);
	va_end(args);
	return -EINVAL;
}

int cv_err_hint(struct cv_err *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return -EINVAL;
	va_start(args, format);
	vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
	return err->code;
}

int cv_err_at(struct cv_err *err, const struct cv_place *place)
{
	if (!err)
		return -EINVAL;
	if (!err->place.line)
		err->place = *place;
	return err->code;
}

int cv_err_prefix(struct cv_err *err, const char *format, ...)
{
	char text[sizeof(err->text)] = "";
	va_list args;
	size_t used;

	if (!err)
		return -EINVAL;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	strncat(text, ": ", sizeof(text) - strlen(text) - 1);
	used = strlen(text);
	strncat(text, err->text, sizeof(text) - used - 1);
	memcpy(err->text, text, sizeof(text));
	return err->code;
}
