/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Chains of a hash table: see chain.h. */
#include "chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t cv_hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
	for (const uint8_t *byte = bytes; size--; byte++)
		hash = (hash ^ *byte) * 0x100000001b3; /* FNV-1a */
	return hash ^ hash >> 29;
}

uint64_t cv_hash_text(const char *text)
{
	return cv_hash_bytes(0, text, strlen(text));
}

int cv_chains_grow(struct cv_chains *chains, size_t room)
{
	uint32_t *next = reallocarray(chains->next, room, sizeof(*next)), *heads;

	if (!next)
		return -ENOMEM;
	chains->next = next;
	heads = reallocarray(chains->heads, room, sizeof(*heads));
	if (!heads)
		return -ENOMEM;
	chains->heads = heads;
	chains->room = room;
	memset(heads, 0xff, room * sizeof(*heads)); /* CV_NOBODY */
	return 0;
}

void cv_chains_fini(struct cv_chains *chains)
{
	free(chains->heads);
	free(chains->next);
}

static uint32_t *head_of(const struct cv_chains *chains, uint64_t hash)
{
	return &chains->heads[(hash ^ hash >> 32) & (chains->room - 1)];
}

uint32_t cv_chains_first(const struct cv_chains *chains, uint64_t hash)
{
	return *head_of(chains, hash);
}

void cv_chains_link(struct cv_chains *chains, uint64_t hash, uint32_t number)
{
	uint32_t *head = head_of(chains, hash);

	chains->next[number] = *head;
	*head = number;
}

/* Takes the item out of the chain that begins there. False if it is not in it. */
static bool unlink_from(struct cv_chains *chains, uint32_t *link, uint32_t number)
{
	while (*link != number && *link != CV_NOBODY)
		link = &chains->next[*link];
	if (*link == CV_NOBODY)
		return false;
	*link = chains->next[number];
	return true;
}

void cv_chains_unlink(struct cv_chains *chains, uint64_t hash, uint32_t number)
{
	if (unlink_from(chains, head_of(chains, hash), number))
		return;
	for (size_t i = 0; i < chains->room; i++)
		if (unlink_from(chains, &chains->heads[i], number))
			return;
}

static void lower(uint32_t *numbers, size_t count, uint32_t above)
{
	for (size_t i = 0; i < count; i++)
		numbers[i] -= numbers[i] > above && numbers[i] != CV_NOBODY;
}

void cv_chains_shift(struct cv_chains *chains, uint32_t number, size_t count)
{
	memmove(&chains->next[number], &chains->next[number + 1],
		(count - number - 1) * sizeof(*chains->next));
	lower(chains->next, count - 1, number);
	lower(chains->heads, chains->room, number);
}
