/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Texts in files: see text.h. */
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- mapped ---- */

/* Of memory for a text, with one zero behind it at least. */
static size_t room_of(size_t len)
{
	return len + sysconf(_SC_PAGESIZE);
}

void cv_text_fini(struct cv_text *text)
{
	if (text->bytes)
		munmap((void *)text->bytes, room_of(text->len));
	*text = (struct cv_text){ 0 };
}

void cv_text_rest(const struct cv_text *text)
{
	if (text->len)
		madvise((void *)text->bytes, text->len, MADV_DONTNEED);
}

/* The file is replaced, never written again. fd is not looked at if len is 0. */
static int map_file(int fd, size_t len, struct cv_text *out)
{
	void *memory = mmap(NULL, room_of(len), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*out = (struct cv_text){ memory, len };
	/* Behind the end of the file its last page is zero, and so is the next one. */
	if (!len || mmap(memory, len, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_POPULATE, fd, 0) !=
			    MAP_FAILED)
		return 0;
	cv_text_fini(out);
	return -errno;
}

int cv_text_map(const char *path, struct cv_text *text, struct cv_err *err)
{
	CV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = { 0 };
	int rc;

	if ((fd < 0 && errno != ENOENT) || (fd >= 0 && fstat(fd, &st)))
		return cv_err_set(err, -errno, "%s: %s", path, strerrordesc_np(errno));
	if (st.st_size > CV_TEXT_MAX)
		return cv_err_set(err, -EFBIG, "%s: cannot be ours, too large", path);
	rc = map_file(fd, st.st_size, text);
	return rc ? cv_err_set(err, rc, "%s: read: %s", path, strerrordesc_np(-rc)) : 0;
}

/* ---- written ---- */

static int next_path(const char *path, char next[PATH_MAX], struct cv_err *err)
{
	if (snprintf(next, PATH_MAX, "%s.next", path) < PATH_MAX)
		return 0;
	return cv_err_set(err, -ENAMETOOLONG, "%s: path too long", path);
}

void cv_text_tidy(const char *path)
{
	char next[PATH_MAX];

	if (!next_path(path, next, NULL))
		unlink(next);
}

int cv_text_prepare(const char *path, cv_text_fn put, const void *arg, struct cv_err *err)
{
	CV_FCLOSE FILE *file = NULL;
	char next[PATH_MAX];
	int rc = next_path(path, next, err);

	if (rc)
		return rc;
	file = fopen(next, "we");
	if (!file)
		return cv_err_set(err, -errno, "%s: write: %s", path, strerrordesc_np(errno));
	put(file, arg);
	rc = fflush(file) ? -errno : ferror(file) ? -EIO : 0;
	if (!rc)
		return 0;
	unlink(next);
	return cv_err_set(err, rc, "%s: write: %s", path, strerrordesc_np(-rc));
}

int cv_text_turn(const char *path, struct cv_err *err)
{
	char next[PATH_MAX];
	int rc = next_path(path, next, err);

	if (rc || !rename(next, path))
		return rc;
	rc = -errno;
	/* It may have been made all the same: then nothing is left aside. */
	if (access(next, F_OK) && errno == ENOENT)
		return 0;
	unlink(next);
	return cv_err_set(err, rc, "%s: write: %s", path, strerrordesc_np(-rc));
}

int cv_text_write(const char *path, cv_text_fn put, const void *arg, struct cv_err *err)
{
	int rc = cv_text_prepare(path, put, arg, err);

	return rc ? rc : cv_text_turn(path, err);
}
