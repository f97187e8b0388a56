/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that the user names: see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define FIRST_BYTES 65536 /* room to begin with where the size is not known */
#define SILENCE_MS 60000 /* how long a pipe may say nothing */

/* A file at work. */
struct reader {
	int fd; /* borrowed */
	size_t max_bytes;
	char *text; /* owned */
	size_t len, room;
};

/* Makes room for at least one more byte and the zero at the end. */
static int make_room(struct reader *reader)
{
	size_t room = reader->room * 2;
	char *grown;

	if (reader->len + 1 < reader->room)
		return 0;
	grown = realloc(reader->text, room);
	if (!grown)
		return -ENOMEM;
	reader->text = grown;
	reader->room = room;
	return 0;
}

static int wait_for_more(const struct reader *reader)
{
	struct pollfd pipe = { .fd = reader->fd, .events = POLLIN };
	int rc = poll(&pipe, 1, SILENCE_MS);

	if (rc < 0 && errno != EINTR)
		return -errno;
	return rc ? 0 : -ETIMEDOUT;
}

/* Returns how many bytes came, 0 at the end, or a negative errno. */
static ssize_t read_some(struct reader *reader)
{
	ssize_t got;
	int rc;

	do {
		rc = 0;
		got = read(reader->fd, reader->text + reader->len, reader->room - 1 - reader->len);
		if (got < 0 && errno == EAGAIN)
			rc = wait_for_more(reader);
		else if (got < 0 && errno != EINTR)
			rc = -errno;
	} while (got < 0 && !rc);
	return rc ? rc : got;
}

static int read_all(struct reader *reader, const struct stat *st)
{
	ssize_t got;

	reader->room = (S_ISREG(st->st_mode) ? st->st_size : FIRST_BYTES) + 2;
	reader->text = malloc(reader->room);
	do {
		if (!reader->text || make_room(reader))
			return -ENOMEM;
		got = read_some(reader);
		if (got < 0)
			return (int)got;
		reader->len += got;
	} while (got && reader->len <= reader->max_bytes);
	reader->text[reader->len] = '\0';
	return reader->len > reader->max_bytes ? -EFBIG : 0;
}

/* A FIFO is not waited for to be opened by somebody else; all others are read as they come. */
static int open_file(const char *file, int *fd)
{
	struct stat st;

	*fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0 || fstat(*fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISFIFO(st.st_mode) || !fcntl(*fd, F_SETFL, O_RDONLY) ? 0 : -errno;
}

static int read_open(struct reader *reader)
{
	struct stat st;
	int rc;

	if (fstat(reader->fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > reader->max_bytes)
		return -EFBIG;
	rc = read_all(reader, &st);
	/* Most likely nobody writes to it; that nothing is wanted should be said in a file. */
	return !rc && !reader->len && S_ISFIFO(st.st_mode) ? -EPIPE : rc;
}

static const char *reason_of(int rc)
{
	return rc == -EPIPE	  ? "a pipe from which nothing comes"
	       : rc == -ETIMEDOUT ? "a pipe from which nothing came for a minute"
				  : strerrordesc_np(-rc);
}

int cv_file_read(const char *what, const char *file, size_t max_bytes, char **text, size_t *len,
		 struct cv_err *err)
{
	struct reader reader = { .fd = STDIN_FILENO, .max_bytes = max_bytes };
	CV_CLOSE int fd = -1;
	int rc = 0;

	if (strcmp(file, "-") != 0) {
		rc = open_file(file, &fd);
		reader.fd = fd;
	}
	if (!rc)
		rc = read_open(&reader);
	if (!rc) {
		*text = reader.text;
		*len = reader.len;
		return 0;
	}
	free(reader.text);
	if (rc == -EFBIG)
		cv_err_set(err, rc, "%s %s: larger than %zu bytes", what, file, max_bytes);
	else
		cv_err_set(err, rc, "%s %s: %s", what, file, reason_of(rc));
	if (err)
		err->kind = CV_ERR_INPUT; /* nothing was tried */
	return rc;
}

size_t cv_file_mark_bytes(const char *text, size_t len)
{
	size_t bytes = strlen(BYTE_ORDER_MARK);

	return len >= bytes && !memcmp(text, BYTE_ORDER_MARK, bytes) ? bytes : 0;
}
