/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Chains of a hash table over the items of an array, by their numbers. */
#ifndef CV_CHAIN_H
#define CV_CHAIN_H

#include "culvert.h"

#define CV_NOBODY UINT32_MAX /* ends a chain */

/* Hashes of a text, and of bytes behind what has that hash; 0: nothing. */
uint64_t cv_hash_text(const char *text);
uint64_t cv_hash_bytes(uint64_t hash, const void *bytes, size_t size);

/* Makes room for that many items, a power of 2, and empties all chains. Returns 0, or -ENOMEM. */
int cv_chains_grow(struct cv_chains *chains, size_t room);
void cv_chains_fini(struct cv_chains *chains);

/* The first of a chain, or CV_NOBODY; there must be room. The others are next[], by number. */
uint32_t cv_chains_first(const struct cv_chains *chains, uint64_t hash);

/* Enters an item, or takes it out: also if what its hash is made of has changed since. */
void cv_chains_link(struct cv_chains *chains, uint64_t hash, uint32_t number);
void cv_chains_unlink(struct cv_chains *chains, uint64_t hash, uint32_t number);

/* The items behind that number, which is in no chain, move one down; there are count with it. */
void cv_chains_shift(struct cv_chains *chains, uint32_t number, size_t count);

#endif
