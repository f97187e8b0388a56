/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of confs: see state_list.h. */
#include "state_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4

static const char *item(const struct cv_list *list, size_t number)
{
	return (const char *)*list->items + number * list->size;
}

static const struct cv_list_index *index_at(const struct cv_list *list, size_t number)
{
	bool is_there = number < CV_LIST_INDEXES && list->indexes[number].chains;

	return is_there ? &list->indexes[number] : NULL;
}

/* Of many lists nobody ever looks for anything. */
static bool has_chains(const struct cv_list_index *index)
{
	return index->is_followed || index->chains->heads;
}

static int link_all(const struct cv_list *list, const struct cv_list_index *index, size_t room)
{
	if (cv_chains_grow(index->chains, room))
		return -ENOMEM;
	for (size_t i = 0; i < *list->count; i++)
		cv_chains_link(index->chains, index->hash(item(list, i)), i);
	return 0;
}

static int grow_index(const struct cv_list *list, const struct cv_list_index *index, size_t room)
{
	if (has_chains(index))
		return link_all(list, index, room);
	index->chains->room = room;
	return 0;
}

/* Makes room for one more: twice as much as before, and every conf is linked anew. */
static int grow(const struct cv_list *list)
{
	size_t room = list->indexes[0].chains->room;
	const struct cv_list_index *index;
	void *items;

	if (*list->count < room)
		return 0;
	room = room ? 2 * room : FIRST_ROOM;
	items = reallocarray(*list->items, room, list->size);
	if (!items)
		return -ENOMEM;
	*list->items = items;
	/* The first one says how much room there is: it comes last. */
	for (size_t i = CV_LIST_INDEXES; i-- > 0;) {
		index = index_at(list, i);
		if (index && grow_index(list, index, room))
			return -ENOMEM;
	}
	return 0;
}

int cv_list_add(const struct cv_list *list, const void *conf)
{
	const struct cv_list_index *index;

	if (grow(list))
		return -ENOMEM;
	for (size_t i = 0; (index = index_at(list, i)); i++)
		if (has_chains(index))
			cv_chains_link(index->chains, index->hash(conf), *list->count);
	memcpy((void *)item(list, (*list->count)++), conf, list->size);
	return 0;
}

void cv_list_remove(const struct cv_list *list, uint32_t number)
{
	const char *conf = item(list, number);
	const struct cv_list_index *index;

	for (size_t i = 0; (index = index_at(list, i)); i++) {
		if (!has_chains(index))
			continue;
		cv_chains_unlink(index->chains, index->hash(conf), number);
		cv_chains_shift(index->chains, number, *list->count);
	}
	(*list->count)--;
	memmove((void *)conf, conf + list->size, (*list->count - number) * list->size);
}

/* False without memory for chains. */
static bool is_indexed(const struct cv_list *list, const struct cv_list_index *index)
{
	return has_chains(index) || !link_all(list, index, index->chains->room);
}

static uint32_t look_at_all(const struct cv_list *list,
			    bool (*is_it)(const void *conf, const void *key), const void *key)
{
	for (size_t i = 0; i < *list->count; i++)
		if (is_it(item(list, i), key))
			return i;
	return CV_NOBODY;
}

static uint32_t look_back(const struct cv_list *list, uint32_t number,
			  bool (*is_it)(const void *conf, const void *key), const void *key)
{
	while (number-- > 0)
		if (is_it(item(list, number), key))
			return number;
	return CV_NOBODY;
}

uint32_t cv_list_find(const struct cv_list *list, const struct cv_list_index *index, uint64_t hash,
		      bool (*is_it)(const void *conf, const void *key), const void *key)
{
	uint32_t found = CV_NOBODY, number;

	if (!index->chains->room)
		return CV_NOBODY;
	if (!is_indexed(list, index))
		return look_at_all(list, is_it, key);
	number = cv_chains_first(index->chains, hash);
	for (; number != CV_NOBODY; number = index->chains->next[number])
		if (number < found && is_it(item(list, number), key))
			found = number;
	return found;
}

uint32_t cv_list_find_before(const struct cv_list *list, const struct cv_list_index *index,
			     uint32_t number, bool (*is_it)(const void *conf, const void *key),
			     const void *key)
{
	if (!is_indexed(list, index))
		return look_back(list, number, is_it, key);
	/* What comes later is linked in front. */
	number = index->chains->next[number];
	while (number != CV_NOBODY && !is_it(item(list, number), key))
		number = index->chains->next[number];
	return number;
}

void cv_list_free(const struct cv_list *list)
{
	const struct cv_list_index *index;

	free(*list->items);
	for (size_t i = 0; (index = index_at(list, i)); i++)
		cv_chains_fini(index->chains);
}
