/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SipHash-1-3 of text in a scratch buffer: a hash with a secret key, so that nobody can make a name
 * that hashes as another does. Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF".
 */
#ifndef CV_SIPHASH_H
#define CV_SIPHASH_H

#include "maps.h"

/*
 * Zero, which the verifier does not know. State of a bpf_loop() must not begin with a value that it
 * knows: where that only counts, the verifier follows it step by step; where it steers a branch, the
 * verifier of some kernels (seen on 6.18) looks at the first step alone and takes the other branch
 * out of the program.
 */
static __always_inline __u32 cv_unknown_zero(const struct cv_scratch *scratch)
{
	return scratch->is_taken - 1;
}

struct cv_sip {
	__u64 v0, v1, v2, v3;
	const struct cv_scratch *scratch;
	__u32 at; /* where the text begins in scratch->text */
};

static __always_inline __u64 cv_rotate(__u64 word, __u32 bits)
{
	return word << bits | word >> (64 - bits);
}

static __always_inline void cv_sip_round(struct cv_sip *sip)
{
	sip->v0 += sip->v1;
	sip->v1 = cv_rotate(sip->v1, 13) ^ sip->v0;
	sip->v0 = cv_rotate(sip->v0, 32);
	sip->v2 += sip->v3;
	sip->v3 = cv_rotate(sip->v3, 16) ^ sip->v2;
	sip->v0 += sip->v3;
	sip->v3 = cv_rotate(sip->v3, 21) ^ sip->v0;
	sip->v2 += sip->v1;
	sip->v1 = cv_rotate(sip->v1, 17) ^ sip->v2;
	sip->v2 = cv_rotate(sip->v2, 32);
}

static __always_inline void cv_sip_add(struct cv_sip *sip, __u64 word)
{
	sip->v3 ^= word;
	cv_sip_round(sip);
	sip->v0 ^= word;
}

/* The eight bytes at an offset of at most 2 * CV_MAX_PATH - 8. */
static __always_inline __u64 cv_sip_word(const struct cv_scratch *scratch, __u32 at)
{
	return at <= sizeof(scratch->text) - sizeof(__u64) ? *(const __u64 *)(scratch->text + at)
							   : 0;
}

/* bpf_loop body: adds one whole word. Its place is not counted in the state: on 6.12 the verifier
 * would follow that step by step. */
static long cv_sip_step(__u32 i, struct cv_sip *sip)
{
	cv_sip_add(sip, cv_sip_word(sip->scratch, sip->at + i * sizeof(__u64)));
	return 0;
}

/* Hash of len bytes of scratch->text from at on. Global, as all that takes long to verify: a global
 * function is verified once, not once for each way that leads to it. */
__noinline __u64 cv_siphash(const struct cv_scratch *scratch, __u32 at, __u32 len, __u64 key0,
			    __u64 key1)
{
	struct cv_sip sip = {
		.v0 = key0 ^ 0x736f6d6570736575ULL,
		.v1 = key1 ^ 0x646f72616e646f6dULL,
		.v2 = key0 ^ 0x6c7967656e657261ULL,
		.v3 = key1 ^ 0x7465646279746573ULL,
		.scratch = scratch,
		.at = at,
	};
	__u64 rest;

	if (!scratch)
		return 0;
	rest = len & 7 ? cv_sip_word(scratch, at + (len & ~7u)) : 0;
	bpf_loop(len / sizeof(__u64), cv_sip_step, &sip, 0);
	rest &= (1ULL << (len & 7) * 8) - 1;
	cv_sip_add(&sip, rest | (__u64)len << 56);
	sip.v2 ^= 0xff;
	cv_sip_round(&sip);
	cv_sip_round(&sip);
	cv_sip_round(&sip);
	return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

#endif
