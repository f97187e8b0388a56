/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Progress on a terminal: see progress.h. */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define CV_NS_PER_SECOND 1000000000ull

static uint64_t now_ns(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * CV_NS_PER_SECOND + now.tv_nsec;
}

void cv_progress_begin(struct cv_progress *progress, bool is_silent)
{
	*progress = (struct cv_progress){
		.is_wanted = !is_silent && isatty(STDERR_FILENO),
		.begin_ns = now_ns(),
	};
}

void cv_progress_show(struct cv_progress *progress, const char *about, size_t acts)
{
	uint64_t past_ns = progress->is_wanted ? now_ns() - progress->begin_ns : 0;

	if (past_ns < CV_NS_PER_SECOND)
		return;
	progress->is_shown = true;
	/* Back to the line's begin, and away with what stood there. */
	fprintf(stderr, "\r\033[Kculvert: %s, %zu changes, %llu s", about, acts,
		(unsigned long long)(past_ns / CV_NS_PER_SECOND));
	fflush(stderr);
}

void cv_progress_end(struct cv_progress *progress)
{
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
	progress->is_shown = false;
}
