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

static int next_path(const char *path, char *next, struct cv_err *err)
{
	if (snprintf(next, PATH_MAX, "%s.next", path) >= PATH_MAX)
		return cv_err_set(err, -ENAMETOOLONG, "%s: path too long", path);
	return 0;
}

void cv_text_tidy(const char *path)
{
	char next[PATH_MAX];

	if (!next_path(path, next, NULL))
		unlink(next);
}

int cv_text_write(const char *path, void (*put)(FILE *file, const void *arg), const void *arg,
		  struct cv_err *err)
{
	CV_FCLOSE FILE *file = NULL;
	char next[PATH_MAX];
	int rc = next_path(path, next, err);

	if (rc)
		return rc;
	file = fopen(next, "we");
	if (file)
		put(file, arg);
	if (file && !fflush(file) && !ferror(file) && !rename(next, path))
		return 0;
	rc = cv_err_set(err, -errno, "%s: write: %s", path, strerrordesc_np(errno));
	unlink(next);
	return rc;
}
