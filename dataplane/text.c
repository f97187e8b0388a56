/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Texts in files: see text.h. */
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "own.h"

#define CV_TEXT_MAX (1u << 30) /* more than any state file that is read becomes */

int cv_text_read(const char *path, char **text, struct cv_err *err)
{
	CV_FCLOSE FILE *file = fopen(path, "re");
	CV_FREE char *buf = NULL;
	struct stat st;

	if (!file && errno != ENOENT)
		return cv_err_set(err, -errno, "%s: %s", path, strerrordesc_np(errno));
	if (file && (fstat(fileno(file), &st) || st.st_size > CV_TEXT_MAX))
		return cv_err_set(err, -EFBIG, "%s: cannot be ours, too large", path);
	buf = calloc(1, file ? st.st_size + 1 : 1);
	if (!buf)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", path);
	if (file && fread(buf, 1, st.st_size, file) != (size_t)st.st_size)
		return cv_err_set(err, -EIO, "%s: read: %s", path, strerrordesc_np(EIO));
	*text = CV_TAKE_PTR(buf);
	return 0;
}

int cv_text_write(const char *path, void (*put)(FILE *file, const void *arg), const void *arg,
		  struct cv_err *err)
{
	CV_FCLOSE FILE *file = NULL;
	char next[PATH_MAX];

	if (snprintf(next, sizeof(next), "%s.next", path) >= (int)sizeof(next))
		return cv_err_set(err, -ENAMETOOLONG, "%s: path too long", path);
	file = fopen(next, "we");
	if (file)
		put(file, arg);
	if (!file || fflush(file) || ferror(file) || rename(next, path))
		return cv_err_set(err, -errno, "%s: write: %s", path, strerrordesc_np(errno));
	return 0;
}
