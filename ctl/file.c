/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that the user names: see file.h. */
#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "own.h"

#define READ_STEP 65536

static int read_stream(FILE *stream, size_t max_bytes, char **text, size_t *len)
{
	char *data CV_FREE = NULL;
	size_t used = 0, got;

	do {
		char *bigger = realloc(data, used + READ_STEP + 1);

		if (!bigger)
			return -ENOMEM;
		data = bigger;
		errno = 0;
		got = fread(data + used, 1, READ_STEP, stream);
		used += got;
		if (ferror(stream))
			return errno ? -errno : -EIO;
	} while (got > 0 && used <= max_bytes);
	if (used > max_bytes)
		return -EFBIG;
	data[used] = '\0';
	*text = CV_TAKE_PTR(data);
	*len = used;
	return 0;
}

/* What can be told without reading it. */
static bool is_too_large(FILE *stream, size_t max_bytes)
{
	struct stat st;

	return !fstat(fileno(stream), &st) && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size > max_bytes;
}

int cv_file_read(const char *what, const char *file, size_t max_bytes, char **text, size_t *len,
		 struct cv_err *err)
{
	FILE *opened CV_FCLOSE = NULL;
	FILE *stream = stdin;
	int rc = 0;

	if (strcmp(file, "-") != 0) {
		stream = opened = fopen(file, "re");
		rc = opened ? 0 : -errno;
	}
	if (!rc && is_too_large(stream, max_bytes))
		rc = -EFBIG;
	if (!rc)
		rc = read_stream(stream, max_bytes, text, len);
	if (!rc)
		return 0;
	if (rc == -EFBIG)
		cv_err_set(err, rc, "%s %s: larger than %zu bytes", what, file, max_bytes);
	else
		cv_err_set(err, rc, "%s %s: %s", what, file, strerrordesc_np(-rc));
	if (err)
		err->kind = CV_ERR_INPUT; /* nothing was tried */
	return rc;
}
