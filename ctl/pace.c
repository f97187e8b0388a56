/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pace of repairs: see pace.h. */
#include "pace.h"

#define CV_GATHER_MS 30 /* what is flushed by one command comes within */
#define CV_LATE_MS 500
#define CV_IDLE_MS 100 /* after one repair for nothing; each further one doubles it */
#define CV_IDLE_MAX_MS 10000
#define CV_QUIET_MS 30000 /* without events: what was is forgotten */
#define CV_FIGHT_MS 10000 /* two repairs within that time are one fight */
#define CV_FIGHTS_FREE 5 /* that are not held up */
#define CV_FIGHT_MAX_MS 60000

static int64_t doubled(int64_t first_ms, unsigned int times, int64_t max_ms)
{
	int64_t ms = times < 32 ? first_ms << times : max_ms;

	return ms < max_ms ? ms : max_ms;
}

/* Between repairs of what is taken away again and again; 0: at once. */
static int64_t fight_ms(const struct cv_pace *pace)
{
	return pace->fights <= CV_FIGHTS_FREE
		       ? 0
		       : doubled(1000, pace->fights - CV_FIGHTS_FREE - 1, CV_FIGHT_MAX_MS);
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void cv_pace_stir(struct cv_pace *pace, enum cv_stir stir, int64_t now_ms)
{
	int64_t at_ms = later(now_ms + CV_GATHER_MS, pace->mended_ms + fight_ms(pace));

	if (stir == CV_STIR_NONE)
		return;
	if (now_ms - pace->last_ms > CV_QUIET_MS)
		pace->idle = 0;
	if (stir != CV_STIR_URGENT && pace->idle)
		at_ms = later(at_ms,
			      pace->last_ms + doubled(CV_IDLE_MS, pace->idle - 1, CV_IDLE_MAX_MS));
	if (!pace->due_ms || at_ms < pace->due_ms)
		pace->due_ms = at_ms;
	if (stir == CV_STIR_LATE)
		pace->late_ms = now_ms + CV_LATE_MS;
}

int cv_pace_wait_ms(const struct cv_pace *pace, int64_t now_ms)
{
	int64_t at_ms = pace->due_ms;

	if (pace->late_ms && (!at_ms || pace->late_ms < at_ms))
		at_ms = pace->late_ms;
	if (!at_ms)
		return -1;
	return at_ms > now_ms ? (int)(at_ms - now_ms) : 0;
}

void cv_pace_defer(struct cv_pace *pace, int64_t now_ms)
{
	pace->due_ms = now_ms + CV_IDLE_MS;
}

static bool is_again(const struct cv_pace *pace, uint64_t what)
{
	for (size_t i = 0; i < CV_PACE_MENDS; i++)
		if (pace->mends[i] == what)
			return true;
	return false;
}

int cv_pace_done(struct cv_pace *pace, uint64_t what, int64_t now_ms)
{
	pace->due_ms = 0;
	if (pace->late_ms && pace->late_ms <= now_ms)
		pace->late_ms = 0;
	pace->last_ms = now_ms;
	if (!what) {
		pace->idle++;
		return 0;
	}
	/* Who comes each time after we gave in a little is the same. Many devices that appear one after the
	 * other are no fight. */
	if (!pace->mended_ms || now_ms - pace->mended_ms > fight_ms(pace) + CV_FIGHT_MS)
		pace->fights = 1;
	else if (is_again(pace, what))
		pace->fights++;
	pace->mends[pace->mend_count++ % CV_PACE_MENDS] = what;
	pace->idle = 0;
	pace->mended_ms = now_ms;
	return (int)fight_ms(pace);
}
