/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bpffs that holds the pins, the cgroup2 mount, and what the process may do: the surroundings
 * of an instance. */
#ifndef CV_BPFFS_H
#define CV_BPFFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

/* Mounts a bpffs at dir unless dir lies on one. Refuses where the mount would vanish with the
 * calling process's own mount namespace (`ip netns exec` makes one). */
int cv_bpffs_mount(const char *dir, struct cv_err *err);
/* Unmounts dir if cv_bpffs_mount() mounted it and nothing is left in it. Never fails: what is still
 * in use stays. */
void cv_bpffs_unmount(const char *dir);
/* Lets a group into dir if cv_bpffs_mount() mounted it: a folder of somebody else's stays as it is. */
void cv_bpffs_admit(const char *dir, gid_t group);
bool cv_is_bpffs(const char *dir);

/* Where the cgroup2 hierarchy is mounted, and how deep below its root that mount begins. -ENOENT
 * with a text if it is not mounted. path has PATH_MAX bytes. */
int cv_cgroup2_mount(char *path, uint32_t *root_level, struct cv_err *err);

/* Refuses with CV_ERR_PERMISSION if the process lacks a capability that changing needs. admin_reason: what
 * CAP_SYS_ADMIN is needed for; NULL: it is not. */
int cv_check_capabilities(const char *admin_reason, struct cv_err *err);
bool cv_has_capability(int cap);

#endif
