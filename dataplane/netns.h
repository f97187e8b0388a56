/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network namespaces: entering one, and telling one from another. */
#ifndef CV_NETNS_H
#define CV_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* Enters the network namespace named (a name under /run/netns, or a path), with this thread. The
 * mount namespace stays as it is. NULL: stays. */
int cv_netns_enter(const char *netns, struct cv_err *err);

/* Identity of the one this thread is in: the cookie is never used twice while the machine runs, the
 * inode can be looked for in /proc. */
int cv_netns_identity(uint64_t *cookie, uint64_t *inode, struct cv_err *err);

/* Cookie of the one named; this thread stays where it is. -ENOENT: there is none of that name. */
int cv_netns_cookie(const char *netns, uint64_t *cookie, struct cv_err *err);

/* True if a network namespace with that inode and cookie can still be reached: by a process, a file
 * descriptor or a mount. */
bool cv_netns_lives(uint64_t cookie, uint64_t inode);

#endif
