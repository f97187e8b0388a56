/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host as the socket hooks see it: by what key they hash, where the paths that are meant begin,
 * and which file is which.
 */
#ifndef CV_HOST_H
#define CV_HOST_H

#include <stddef.h>

#include "instance.h"

/* Reads what the hooks have to know of the host. With write access it is made when it is not there
 * yet, and brought up to date if it is; the hash key stays. */
int cv_host_read(struct cv_instance *inst, struct cv_host *out, struct cv_err *err);

/* Writes it. */
int cv_host_write(const struct cv_instance *inst, const struct cv_host *host, struct cv_err *err);

/* Asks the kernel what files this process has open: out[i] is what it says of fds[i]. */
int cv_host_files(struct cv_instance *inst, const int *fds, size_t count, struct cv_host_file *out,
		  struct cv_err *err);

#endif
