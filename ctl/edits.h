/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of a few rules and sets, made on the text of the applied state without reading all of it: with
 * a hundred thousand rules that takes longer than everything else. What cannot be done so is done
 * on the whole state (cv_edits_replay()), with the same result.
 */
#ifndef CV_EDITS_H
#define CV_EDITS_H

#include "culvert.h"
#include "lines.h"
#include "words.h"

#define CV_EDITS_MAX 32 /* each is looked for among all */
#define CV_EDITS_KEY_SIZE (2 * CV_NAME_MAX)

struct cv_edits_item {
	const struct cv_noun *noun;
	void *conf; /* owned; NULL: the object goes */
	char key[CV_EDITS_KEY_SIZE]; /* as it is written */
	struct cv_line line; /* that it has, if any */
	struct cv_line words; /* of a file, that it is to keep; begin NULL: it is put into words */
	bool is_last; /* it is new: it comes behind all that there are */
};

struct cv_edits {
	const char *text; /* borrowed; NULL: there can be no edits */
	struct cv_lines lines;
	struct cv_edits_item items[CV_EDITS_MAX]; /* new ones in the order of adding */
	size_t count;
	/* The line that was looked for last. */
	const struct cv_noun *found_noun;
	char found_key[CV_EDITS_KEY_SIZE];
	struct cv_line found;
};

/* Begins edits of the text, which must live as long. False if there can be none. */
bool cv_edits_begin(struct cv_edits *edits, const char *text);
void cv_edits_clear(struct cv_edits *edits);

/* True if an object with the key of conf is there by now. */
bool cv_edits_find(struct cv_edits *edits, const struct cv_noun *noun, const void *conf);

/* True if that object can be changed by an edit: is_replaced, or added or deleted. */
bool cv_edits_can(const struct cv_edits *edits, const struct cv_noun *noun, const void *conf,
		  bool is_replaced);
/* Puts it in: it is there, or is_new. Takes conf. */
void cv_edits_put(struct cv_edits *edits, const struct cv_noun *noun, void *conf, bool is_new);
/* The same of a rule that has a line in a file, as cv_line_is_written() wants it: it is kept. */
void cv_edits_put_line(struct cv_edits *edits, struct cv_rule_conf *conf, struct cv_line words,
		       bool is_new);
/* Takes it out: it is there. */
void cv_edits_del(struct cv_edits *edits, const struct cv_noun *noun, const void *conf);

/* Writes the key of conf as it stands in the text. */
bool cv_edits_key(const struct cv_noun *noun, const void *conf, char out[CV_EDITS_KEY_SIZE]);
/* The change of the object with that key, NULL: there is none. */
const struct cv_edits_item *cv_edits_item(const struct cv_edits *edits, const struct cv_noun *noun,
					  const char *key);

/* Makes the changes in a state, and clears them. */
int cv_edits_replay(struct cv_edits *edits, struct cv_state *state, struct cv_err *err);

/* Makes them in text and kernel. origin: that of files which say just that, once
 * cv_instance_stands() was true; NULL: there are none. -ESTALE (no text): that cannot be done, and
 * nothing was. */
int cv_edits_commit(const struct cv_edits *edits, struct cv_instance *inst, const char *what,
		    const struct cv_origin *origin, struct cv_err *err);

#endif
