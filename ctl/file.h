/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that the user names, read whole. */
#ifndef CV_FILE_H
#define CV_FILE_H

#include <stddef.h>

#include "culvert.h"

/* Reads a file of at most max_bytes; "-" is stdin. what says what it is ("state file"). *text:
 * caller frees; a zero follows it. Every failure is one of kind CV_ERR_INPUT; so is a pipe from
 * which nothing comes, as a FIFO that nobody writes to. */
int cv_file_read(const char *what, const char *file, size_t max_bytes, char **text, size_t *len,
		 struct cv_err *err);

/* Length of the byte order mark that a text begins with, 0: it has none. */
size_t cv_file_mark_bytes(const char *text, size_t len);

#endif
