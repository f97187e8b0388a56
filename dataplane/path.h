/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looking at what lies in directories, so that what could not be looked at is never taken for what is
 * not there: on such a guess something would be removed, or made a second time.
 */
#ifndef CV_PATH_H
#define CV_PATH_H

#include <dirent.h>
#include <stdbool.h>

/* True if an error number says that something is not there. */
bool cv_errno_is_absence(int code);
/* True if nothing is there. Not if that cannot be told: who opens it then learns why. */
bool cv_path_is_absent(const char *path);

/* Opens a directory, to be closed. NULL with *rc 0 if there is none, else with a negative errno. */
DIR *cv_dir_open(const char *path, int *rc);
/* The next entry but . and ..; NULL at the end, or with a negative errno in *rc. Of no directory there is
 * none, and *rc stays. */
struct dirent *cv_dir_next(DIR *dir, int *rc);

#endif
