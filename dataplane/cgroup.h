/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is below the cgroup2 mount. The hooks need none of it: they know cgroups and units by name. */
#ifndef CV_CGROUP_H
#define CV_CGROUP_H

#include <limits.h>
#include <stdbool.h>

/* Where cgroups are. Found once for many questions: a host may have thousands of mounts. */
struct cv_cgroups {
	char mount[PATH_MAX]; /* "": not mounted */
};

void cv_cgroups_find(struct cv_cgroups *out);

/* True if there is such a cgroup, or if that cannot be told; path is relative to the mount. */
bool cv_cgroup_exists(const struct cv_cgroups *cgroups, const char *path);

/* The same of a unit of that whole name: below slices, and nothing else. */
bool cv_unit_exists(const struct cv_cgroups *cgroups, const char *name);

#endif
