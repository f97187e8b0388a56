/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When `watch` repairs: soon after something was taken away, several events together; later and later
 * while repairs find nothing to do; and at a bounded rate against somebody who takes the same away again
 * and again. Only thinks: times come in, times go out, all in milliseconds.
 */
#ifndef CV_PACE_H
#define CV_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "culvert.h"

#define CV_PACE_MENDS 8

struct cv_pace {
	int64_t due_ms; /* when to repair; 0: not at all */
	int64_t late_ms; /* the same for the second look at what may have been incomplete; 0: none */
	int64_t last_ms; /* when the last repair ended */
	int64_t mended_ms; /* when the last that found something to do ended */
	unsigned int idle; /* repairs in a row that found nothing to do */
	unsigned int fights; /* repairs of late that did again what one of late had done */
	uint64_t mends[CV_PACE_MENDS]; /* what the last ones did */
	unsigned int mend_count;
};

/* Something happened. */
void cv_pace_stir(struct cv_pace *pace, enum cv_stir stir, int64_t now_ms);
/* How long to wait, -1: for ever, 0: repair now. */
int cv_pace_wait_ms(const struct cv_pace *pace, int64_t now_ms);
/* Puts it off. */
void cv_pace_defer(struct cv_pace *pace, int64_t now_ms);
/* A repair ended; what: a number that tells what it had to do, 0 for nothing. Returns how long the next one waits at least, if that is
 * because somebody takes away what is repaired, else 0. */
int cv_pace_done(struct cv_pace *pace, uint64_t what, int64_t now_ms);

#endif
