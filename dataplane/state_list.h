/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lists of confs, as the wanted state has them: an array that doubles, in the order of adding, and
 * chains that find what has the same hash. There may be a million of one noun.
 */
#ifndef CV_STATE_LIST_H
#define CV_STATE_LIST_H

#include "chain.h"

/* One way of finding a conf. */
struct cv_list_index {
	struct cv_chains *chains;
	uint64_t (*hash)(const void *conf); /* what it says of a conf never changes */
	bool is_followed; /* chains are read by others, too; else they are made when something is looked for */
};

#define CV_LIST_INDEXES 2

/* Where the state keeps a list. */
struct cv_list {
	void **items;
	size_t *count;
	size_t size; /* of a conf */
	struct cv_list_index indexes[CV_LIST_INDEXES]; /* the second one may be empty */
};

/* Appends a copy of conf. Returns 0, or -ENOMEM. */
int cv_list_add(const struct cv_list *list, const void *conf);

/* Takes the conf of that number out; those behind it move one down. */
void cv_list_remove(const struct cv_list *list, uint32_t number);

/* The lowest number among the confs of that hash for which is_it() is true, or CV_NOBODY. */
uint32_t cv_list_find(const struct cv_list *list, const struct cv_list_index *index, uint64_t hash,
		      bool (*is_it)(const void *conf, const void *key), const void *key);

/* The same for one that was added before that number, the latest of them: of many that are alike each has
 * its neighbour at once. */
uint32_t cv_list_find_before(const struct cv_list *list, const struct cv_list_index *index,
			     uint32_t number, bool (*is_it)(const void *conf, const void *key),
			     const void *key);

/* Releases array and chains, not what the confs own. */
void cv_list_free(const struct cv_list *list);

#endif
