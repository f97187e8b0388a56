/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was meant by a word that is not known: see nearest.h. */
#include "nearest.h"

#include <string.h>

#include "culvert.h"

#define CV_WORD_MAX 64 /* longer words are not looked at */
#define CV_DISTANCE_MAX 2

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, swap of neighbours cost 1 each. Both words are
 * at most CV_WORD_MAX long. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t cost[CV_WORD_MAX + 1][CV_WORD_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	for (size_t i = 0; i <= a_len; i++)
		cost[i][0] = i;
	for (size_t j = 0; j <= b_len; j++)
		cost[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = smaller(best, smaller(cost[i - 1][j], cost[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = smaller(best, cost[i - 2][j - 2] + 1);
			cost[i][j] = best;
		}
	}
	return cost[a_len][b_len];
}

/* How far a word may be away, and still be nearer than what was found. */
static size_t limit_of(const struct cv_nearest *nearest)
{
	size_t limit = smaller(CV_DISTANCE_MAX, strlen(nearest->word) - 1);

	return nearest->found ? smaller(limit, nearest->distance - 1) : limit;
}

void cv_nearest_look(struct cv_nearest *nearest, const char *known)
{
	size_t len = strlen(nearest->word), known_len = strlen(known);
	size_t limit, distance;

	if (!len || len > CV_WORD_MAX || known_len > CV_WORD_MAX ||
	    (nearest->found && !nearest->distance))
		return;
	limit = limit_of(nearest);
	if (known_len > len + limit || len > known_len + limit)
		return;
	distance = edit_distance(nearest->word, known);
	if (distance > limit)
		return;
	nearest->distance = distance;
	nearest->found = known;
}

const char *cv_nearest(const char *word, const char *const *words, size_t count)
{
	struct cv_nearest nearest = { .word = word };

	for (size_t i = 0; i < count; i++)
		cv_nearest_look(&nearest, words[i]);
	return nearest.found;
}
