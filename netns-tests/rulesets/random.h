/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers that look random and are the same everywhere for the same seed (splitmix64). */
#ifndef CV_RANDOM_H
#define CV_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_u64(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* One of 0 to count - 1. */
static inline uint64_t random_below(struct random *random, uint64_t count)
{
	return (uint64_t)((unsigned __int128)random_u64(random) * count >> 64);
}

static inline uint64_t random_between(struct random *random, uint64_t min, uint64_t max)
{
	return min + random_below(random, max - min + 1);
}

/* From 0 up to, but not, 1. */
static inline double random_share(struct random *random)
{
	return (double)(random_u64(random) >> 11) * 0x1p-53;
}

static inline bool random_chance(struct random *random, double share)
{
	return random_share(random) < share;
}

#endif
