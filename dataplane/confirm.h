/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes that are to be confirmed, from within: where they are written down. The rest is in
 * culvert.h. */
#ifndef CV_CONFIRM_H
#define CV_CONFIRM_H

#include "instance.h"

/* Path of a file of the instance's change that is to be confirmed; name empty: of their directory. path
 * has PATH_MAX bytes. */
int cv_confirm_path(const struct cv_instance *inst, const char *name, char *path,
		    struct cv_err *err);

/* The clock of deadlines: it goes on while the machine sleeps. */
int64_t cv_boottime_ns(void);

#endif
