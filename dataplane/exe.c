/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Executables: see exe.h. */
#include "exe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha2.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/apps.h"
#include "own.h"

/* Length of what comes before the last '/' in the first `length` characters. */
static size_t parent_length(const char *path, size_t length)
{
	while (length && path[--length] != '/')
		;
	return length;
}

/* As realpath() of the first `length` characters; "" for the root and what stands in it. */
static int real_path(const char *path, size_t length, char out[PATH_MAX])
{
	CV_FREE char *start = strndup(path, length);

	if (!start)
		return -ENOMEM;
	if (length && !realpath(start, out))
		return -errno;
	if (!length || !strcmp(out, "/"))
		out[0] = '\0';
	return 0;
}

int cv_exe_path(const char *path, char **out, struct cv_err *err)
{
	size_t length = strlen(path);
	char real[PATH_MAX];
	int rc;

	if (cv_exe_is_glob(path))
		length = parent_length(path, strcspn(path, "*?["));
	rc = real_path(path, length, real);
	while (rc == -ENOENT || rc == -ENOTDIR) {
		length = parent_length(path, length);
		rc = real_path(path, length, real);
	}
	if (!rc && asprintf(out, "%s%s", real, path + length) < 0)
		rc = -ENOMEM;
	return rc ? cv_err_set(err, rc, "%s: %s", path, strerrordesc_np(-rc)) : 0;
}

/* A device or a FIFO does not hold us up: it is opened without waiting. */
int cv_exe_open(struct cv_exe *exe, const char *path, struct cv_err *err)
{
	CV_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char start[2];
	struct stat st;

	*exe = (struct cv_exe){ .fd = -1 };
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st))
		return cv_err_set(err, -errno, "exe %s: %s", path, strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode)) {
		cv_err_set(err, -EINVAL, "exe %s is not a file", path);
		return cv_err_hint(err, "give the path of the program itself");
	}
	exe->is_script = pread(fd, start, 2, 0) == 2 && !memcmp(start, "#!", 2);
	exe->fd = CV_TAKE_FD(fd);
	return 0;
}

void cv_exe_close(struct cv_exe *exe)
{
	if (exe->fd >= 0)
		close(CV_TAKE_FD(exe->fd));
}

int cv_exes_identify(struct cv_instance *inst, struct cv_exe *exes, size_t count,
		     struct cv_err *err)
{
	CV_FREE struct cv_host_file *files = calloc(count + 1, sizeof(*files));
	CV_FREE int *fds = calloc(count + 1, sizeof(*fds));
	size_t open_count = 0;
	int rc;

	if (!files || !fds)
		return cv_err_set(err, -ENOMEM, "exe: out of memory");
	for (size_t i = 0; i < count; i++)
		if (exes[i].fd >= 0)
			fds[open_count++] = exes[i].fd;
	if (!open_count)
		return 0;
	rc = cv_host_files(inst, fds, open_count, files, err);
	if (rc)
		return rc;
	open_count = 0;
	for (size_t i = 0; i < count; i++)
		if (exes[i].fd >= 0)
			exes[i].file = files[open_count++];
	return 0;
}

int cv_exe_has_sha256(const struct cv_exe *exe, const char *sha256, bool *has, struct cv_err *err)
{
	char digest[SHA256_DIGEST_STRING_LENGTH];
	uint8_t bytes[65536];
	SHA2_CTX context;
	off_t at = 0;
	ssize_t size;

	SHA256Init(&context);
	while ((size = pread(exe->fd, bytes, sizeof(bytes), at)) > 0) {
		SHA256Update(&context, bytes, size);
		at += size;
	}
	if (size < 0)
		return cv_err_set(err, -errno, "exe-sha256: read: %s", strerrordesc_np(errno));
	SHA256End(&context, digest);
	*has = !strcasecmp(digest, sha256);
	return 0;
}
