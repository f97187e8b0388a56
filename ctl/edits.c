/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes of single lines of the applied state: see edits.h. */
#include "edits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "own.h"

/* ---- which there are ---- */

static void free_conf(const struct cv_noun *noun, void *conf)
{
	if (conf)
		noun->fini(conf);
	free(conf);
}

void cv_edits_clear(struct cv_edits *edits)
{
	for (size_t i = 0; i < edits->count; i++)
		free_conf(edits->items[i].noun, edits->items[i].conf);
	edits->count = 0;
	edits->text = NULL;
	edits->found_noun = NULL;
}

bool cv_edits_begin(struct cv_edits *edits, const char *text)
{
	cv_edits_clear(edits);
	if (cv_lines_read(&edits->lines, text))
		return false;
	edits->text = text;
	return true;
}

bool cv_edits_key(const struct cv_noun *noun, const void *conf, char out[CV_EDITS_KEY_SIZE])
{
	CV_FCLOSE FILE *stream = fmemopen(out, CV_EDITS_KEY_SIZE, "w");

	if (!stream)
		return false;
	cv_key_to_yaml(noun, conf, stream);
	return !fflush(stream) && !ferror(stream);
}

const struct cv_edits_item *cv_edits_item(const struct cv_edits *edits, const struct cv_noun *noun,
					  const char *key)
{
	for (size_t i = 0; i < edits->count; i++)
		if (edits->items[i].noun == noun && !strcmp(edits->items[i].key, key))
			return &edits->items[i];
	return NULL;
}

/* The line of an object. The one that was looked for last is not looked for again. */
static struct cv_line find_line(struct cv_edits *edits, const struct cv_noun *noun, const char *key)
{
	if (edits->found_noun == noun && !strcmp(edits->found_key, key))
		return edits->found;
	edits->found = cv_line_find(cv_lines_of(&edits->lines, noun), key);
	edits->found_noun = noun;
	snprintf(edits->found_key, sizeof(edits->found_key), "%s", key);
	return edits->found;
}

bool cv_edits_find(struct cv_edits *edits, const struct cv_noun *noun, const void *conf)
{
	char key[CV_EDITS_KEY_SIZE] = "";
	const struct cv_edits_item *item;

	if (!cv_edits_key(noun, conf, key))
		return false;
	item = cv_edits_item(edits, noun, key);
	return item ? item->conf : find_line(edits, noun, key).begin;
}

/* Sets that come or go are numbered anew in the kernel, and rules must not ask for one that goes. */
bool cv_edits_can(const struct cv_edits *edits, const struct cv_noun *noun, const void *conf,
		  bool is_replaced)
{
	char key[CV_EDITS_KEY_SIZE] = "";

	return (noun == &cv_noun_rule || (noun == &cv_noun_set && is_replaced)) &&
	       cv_edits_key(noun, conf, key) &&
	       (edits->count < CV_EDITS_MAX || cv_edits_item(edits, noun, key));
}

/* Takes the item of that object out, or makes one. */
static struct cv_edits_item take_item(struct cv_edits *edits, const struct cv_noun *noun,
				      const void *conf, size_t *at)
{
	struct cv_edits_item item = { .noun = noun };
	const struct cv_edits_item *found;

	cv_edits_key(noun, conf, item.key);
	found = cv_edits_item(edits, noun, item.key);
	*at = found ? (size_t)(found - edits->items) : edits->count;
	if (!found) {
		item.line = find_line(edits, noun, item.key);
		return item;
	}
	item = *found;
	memmove(&edits->items[*at], &edits->items[*at + 1],
		(--edits->count - *at) * sizeof(*edits->items));
	return item;
}

static void put_item(struct cv_edits *edits, const struct cv_edits_item *item, size_t at)
{
	memmove(&edits->items[at + 1], &edits->items[at],
		(edits->count++ - at) * sizeof(*edits->items));
	edits->items[at] = *item;
}

void cv_edits_put(struct cv_edits *edits, const struct cv_noun *noun, void *conf, bool is_new)
{
	size_t at;
	struct cv_edits_item item = take_item(edits, noun, conf, &at);

	free_conf(noun, item.conf);
	item.conf = conf;
	item.words = (struct cv_line){ 0 };
	item.is_last = item.is_last || is_new;
	put_item(edits, &item, is_new ? edits->count : at);
}

void cv_edits_put_line(struct cv_edits *edits, struct cv_rule_conf *conf, struct cv_line words,
		       bool is_new)
{
	char key[CV_EDITS_KEY_SIZE] = "";

	cv_edits_key(&cv_noun_rule, conf, key);
	cv_edits_put(edits, &cv_noun_rule, conf, is_new);
	((struct cv_edits_item *)cv_edits_item(edits, &cv_noun_rule, key))->words = words;
}

void cv_edits_del(struct cv_edits *edits, const struct cv_noun *noun, const void *conf)
{
	size_t at;
	struct cv_edits_item item = take_item(edits, noun, conf, &at);

	free_conf(noun, CV_TAKE_PTR(item.conf));
	item.is_last = false;
	if (item.line.begin)
		put_item(edits, &item, at);
}

/* ---- in a state ---- */

/* Where the object was: it goes, or becomes another one. */
static int replay_old(struct cv_edits_item *item, struct cv_state *state, const void *conf,
		      struct cv_err *err)
{
	void *old = item->noun->find(state, conf, err);

	if (!old)
		return cv_err_set(err, -EPROTO, "%s %s: not in the applied state", item->noun->name,
				  item->key);
	if (!item->conf || item->is_last) {
		item->noun->del(state, old);
		return 0;
	}
	/* In its place, so that the order of adding stays. */
	item->noun->fini(old);
	memcpy(old, item->conf, item->noun->conf_size);
	free(CV_TAKE_PTR(item->conf));
	return 0;
}

/* A conf with the key of an item that goes. */
static int replay_line(struct cv_edits_item *item, struct cv_state *state, struct cv_err *err)
{
	CV_FREE void *key = calloc(1, item->noun->conf_size);
	char name[CV_NAME_MAX + 1];
	int rc;

	if (!key)
		return cv_err_set(err, -ENOMEM, "state: out of memory");
	item->noun->init(key);
	if (!cv_line_name(item->line, name))
		return cv_err_set(err, -EPROTO, "%s: not a line of a state", item->key);
	rc = item->noun->set_key(key, name, err);
	return rc ? rc : replay_old(item, state, key, err);
}

int cv_edits_replay(struct cv_edits *edits, struct cv_state *state, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < edits->count; i++)
		if (edits->items[i].line.begin)
			rc = replay_line(&edits->items[i], state, err);
	for (size_t i = 0; !rc && i < edits->count; i++) {
		struct cv_edits_item *item = &edits->items[i];

		if (!item->conf)
			continue;
		rc = item->noun->add(state, item->conf, err);
		/* The state took what it owns. */
		free(CV_TAKE_PTR(item->conf));
	}
	cv_edits_clear(edits);
	return rc;
}
