/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is below the cgroup2 mount: see cgroup.h. */
#include "cgroup.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "bpffs.h"
#include "own.h"
#include "path.h"

/* Or if that cannot be told. */
static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) ? !cv_errno_is_absence(errno) : S_ISDIR(st.st_mode);
}

void cv_cgroups_find(struct cv_cgroups *out)
{
	uint32_t level;

	if (cv_cgroup2_mount(out->mount, &level, NULL))
		out->mount[0] = '\0';
}

bool cv_cgroup_exists(const struct cv_cgroups *cgroups, const char *path)
{
	char whole[2 * PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", cgroups->mount, path);
	return cgroups->mount[0] && is_dir(whole);
}

static bool is_slice(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix && !strcmp(suffix, ".slice");
}

static bool is_in_slices(const char *path, const char *name)
{
	int rc;
	CV_DIR_CLOSE DIR *dir = cv_dir_open(path, &rc);
	char below[PATH_MAX];
	struct dirent *entry;

	while ((entry = cv_dir_next(dir, &rc))) {
		bool is_wanted = !strcmp(entry->d_name, name);

		if (!is_wanted && !is_slice(entry->d_name))
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(below))
			continue;
		if (is_wanted ? is_dir(below) : is_in_slices(below, name))
			return true;
	}
	return rc;
}

bool cv_unit_exists(const struct cv_cgroups *cgroups, const char *name)
{
	return cgroups->mount[0] && is_in_slices(cgroups->mount, name);
}
