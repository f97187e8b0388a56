/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who owns what: a local that owns something carries one of these attributes, is initialised where
 * it is declared, and leaves its function only through CV_TAKE_PTR or CV_TAKE_FD.
 */
#ifndef CV_OWN_H
#define CV_OWN_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CV_CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void cv_free_ptr(void *ptr)
{
	free(*(void **)ptr);
}
static inline void cv_close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void cv_close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}
static inline void cv_close_dir(DIR **dir) { if (*dir) closedir(*dir); }
/* Closes a stream whose result counts; a memory stream's buffer is final only after it. */
static inline int cv_finish_file(FILE **file)
{
	int rc = fclose(*file);
	*file = NULL;
	return rc;
}

#define CV_FREE CV_CLEANUP(cv_free_ptr)
#define CV_CLOSE CV_CLEANUP(cv_close_fd)
#define CV_FCLOSE CV_CLEANUP(cv_close_file)
#define CV_DIR_CLOSE CV_CLEANUP(cv_close_dir)

#define CV_TAKE_PTR(ptr)                                                                           \
	({                                                                                         \
		__typeof__(ptr) taken_ = (ptr);                                                    \
		(ptr) = NULL;                                                                      \
		taken_;                                                                            \
	})
#define CV_TAKE_FD(fd)                                                                             \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

#endif
