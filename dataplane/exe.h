/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Executables as apps name them, and what the kernel calls them: see bpf/exe.h. */
#ifndef CV_EXE_H
#define CV_EXE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "host.h"

/* What `exe` of an app is at this moment. */
struct cv_exe {
	int fd; /* owned; -1: there is no such file */
	bool is_script; /* an interpreter runs it, and is what the kernel calls the executable */
	struct cv_host_file file; /* see cv_exes_identify() */
};

/*
 * The path by which the kernel knows path: links followed, as far as it exists. Of a glob that is
 * what is before the directory with the first wildcard. *out: caller frees.
 */
int cv_exe_path(const char *path, char **out, struct cv_err *err);

/* Opens the executable. That it does not exist is no error; -EINVAL: it is not a file. */
int cv_exe_open(struct cv_exe *exe, const char *path, struct cv_err *err);
void cv_exe_close(struct cv_exe *exe);

/* Asks the kernel for the identities of those that are open. */
int cv_exes_identify(struct cv_instance *inst, struct cv_exe *exes, size_t count,
		     struct cv_err *err);

/* True if the contents have that SHA-256, in hex digits. */
int cv_exe_has_sha256(const struct cv_exe *exe, const char *sha256, bool *has, struct cv_err *err);

#endif
