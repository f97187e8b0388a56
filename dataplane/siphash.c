/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SipHash (Aumasson and Bernstein, 2012) with one round a word and three at the end. */
#include "siphash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotate(uint64_t word, unsigned int bits)
{
	return word << bits | word >> (64 - bits);
}

static void mix(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v);
	v[0] ^= word;
}

uint64_t cv_siphash(const uint64_t key[2], const void *data, size_t size)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575ULL, /* "somepseudorandomlygeneratedbytes" */
		key[1] ^ 0x646f72616e646f6dULL,
		key[0] ^ 0x6c7967656e657261ULL,
		key[1] ^ 0x7465646279746573ULL,
	};
	const char *bytes = data;
	size_t left = size;
	uint64_t word;

	for (; left >= sizeof(word); left -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		absorb(v, le64toh(word));
	}
	word = 0;
	memcpy(&word, bytes, left);
	absorb(v, le64toh(word) | (uint64_t)size << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
