/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finding structs by name: an open hash table of indexes, see names.h. */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "own.h"

#define FNV_OFFSET 0x811c9dc5u /* of FNV-1a, 32 bits */
#define FNV_PRIME 0x01000193u

static uint32_t hash_of(const char *name)
{
	uint32_t hash = FNV_OFFSET;

	for (const unsigned char *byte = (const unsigned char *)name; *byte; byte++)
		hash = (hash ^ *byte) * FNV_PRIME;
	return hash;
}

/* The slot of that name: where it stands, or the free one where it would. */
static uint32_t *slot_of(const struct cv_names *names, const char *name)
{
	for (uint32_t at = hash_of(name);; at++) {
		uint32_t *slot = &names->slots[at & names->mask];

		if (!*slot || !strcmp(names->first + (*slot - 1) * names->stride, name))
			return slot;
	}
}

int cv_names_init(struct cv_names *names, const void *first, size_t stride, size_t count)
{
	size_t room = 2;

	while (room < 2 * count) /* half of them free: short ways to go */
		room *= 2;
	*names = (struct cv_names){
		.first = first, .stride = stride, .mask = room - 1, .count = count
	};
	names->slots = calloc(room, sizeof(*names->slots));
	if (!names->slots)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		uint32_t *slot = slot_of(names, names->first + i * stride);

		if (!*slot)
			*slot = i + 1;
	}
	return 0;
}

/* Enters what is left of a hash. False if that is there: with the place, it is nearly all of the hash. */
static bool enter(uint32_t *tags, size_t room, uint64_t hash)
{
	uint32_t tag = hash >> 32 | 1;
	size_t at = hash & (room - 1);

	for (; tags[at]; at = (at + 1) & (room - 1))
		if (tags[at] == tag)
			return false;
	tags[at] = tag;
	return true;
}

bool cv_names_are_distinct(const void *first, size_t stride, size_t count)
{
	CV_FREE uint32_t *tags = NULL;
	size_t room = 2;

	while (room < 2 * count)
		room *= 2;
	tags = calloc(room, sizeof(*tags));
	for (size_t i = 0; tags && i < count; i++)
		if (!enter(tags, room, cv_hash_text((const char *)first + i * stride)))
			return false;
	return tags;
}

uint32_t cv_names_find(const struct cv_names *names, const char *name)
{
	return *slot_of(names, name) - 1; /* of 0: CV_NAMES_NONE */
}

uint32_t cv_names_find_next(struct cv_names *names, const char *name)
{
	uint32_t found = names->next;

	if (found >= names->count || strcmp(names->first + found * names->stride, name) != 0)
		found = cv_names_find(names, name);
	if (found != CV_NAMES_NONE)
		names->next = found + 1;
	return found;
}

void cv_names_fini(struct cv_names *names)
{
	free(names->slots);
	*names = (struct cv_names){ 0 };
}
