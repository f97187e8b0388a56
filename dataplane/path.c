/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looking at what lies in directories: see path.h. */
#include "path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool cv_errno_is_absence(int code)
{
	return code == ENOENT || code == ENOTDIR;
}

bool cv_path_is_absent(const char *path)
{
	return access(path, F_OK) && cv_errno_is_absence(errno);
}

DIR *cv_dir_open(const char *path, int *rc)
{
	DIR *dir = opendir(path);

	*rc = dir || cv_errno_is_absence(errno) ? 0 : -errno;
	return dir;
}

struct dirent *cv_dir_next(DIR *dir, int *rc)
{
	struct dirent *entry;

	if (!dir)
		return NULL;
	do {
		errno = 0; /* the end leaves it alone */
		entry = readdir(dir);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	if (!entry)
		*rc = -errno;
	return entry;
}
