/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is different between the rules that packets meet and those that they are to meet, by name and
 * content, as changes of an image in place. Pure.
 */
#ifndef CV_CHANGES_H
#define CV_CHANGES_H

#include "culvert.h"
#include "engine.h"
#include "rules.h"

enum cv_rule_change_kind {
	CV_CHANGE_REMOVE,
	CV_CHANGE_REPLACE, /* the rule keeps its place */
	CV_CHANGE_INSERT,
};

struct cv_rule_change {
	enum cv_rule_change_kind kind;
	uint32_t rule; /* index; of rules that are there to remove, else of those wanted */
	const char *
		behind; /* to insert: name of the rule before it; borrowed; NULL: it is the first */
};

/* Borrows the rules it was made of. */
struct cv_changes {
	const struct cv_rules *live;
	const struct cv_rules *wanted;
	struct cv_rule_change
		*items; /* owned, as are all lists; in the order in which they can be made */
	size_t count;
	uint32_t *first_match; /* of each wanted rule, and of the one behind the last */
	uint32_t *live_first; /* the same of the live ones */
	uint16_t *set_numbers; /* of each wanted set in the image; 0: it is not there yet */
	bool is_of_few; /* rules and sets that are not named stay: see cv_changes_few() */
	bool has_sets; /* sets differ */
	bool must_rebuild; /* not to be made in place: too many, or in what all rules have in common */
};

/* Compares live, as cv_engine_read() gave them, with wanted, names of rules being unique in both. *out
 * is empty before. */
int cv_changes_find(struct cv_changes *out, const struct cv_rules *live,
		    const struct cv_rules *wanted, struct cv_err *err);

/*
 * The same of a few rules of an image, all others staying as they are: live and wanted have what is to
 * change, and places those of the rules that come or move, in an order in which each finds the one
 * before it. Sets without a name are in neither. Sets with a name are in both for rules to ask them; one
 * that wanted alone has is one whose content is to be that from now on.
 */
int cv_changes_few(struct cv_changes *out, const struct cv_rules *live,
		   const struct cv_rules *wanted, const struct cv_rule_place *places,
		   size_t place_count, struct cv_err *err);

/* True if a live rule and a wanted one have the same conditions, whatever their order. */
bool cv_changes_same_matches(const struct cv_changes *changes, uint32_t live, uint32_t wanted);

/* True if there is nothing to be done. */
bool cv_changes_none(const struct cv_changes *changes);

/*
 * Makes the changes in an image whose packets are of generation. *next is the generation of which they
 * are when all is done. -ESTALE (no text): it cannot be done in place, packets see nothing of it.
 */
int cv_changes_make(const struct cv_changes *changes, struct cv_arena *arena, uint16_t generation,
		    uint16_t *next, struct cv_err *err);

void cv_changes_fini(struct cv_changes *changes);

#endif
