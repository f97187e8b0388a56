/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: any words of the command line. The first byte picks the noun, what follows is its name and its words
 * with blanks between. What is taken is written as YAML, and must be taken again, and be the same.
 */
#include "words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CV_WORDS_MAX 256

/* A conf that is released with everything it owns. */
struct owned_conf {
	const struct cv_noun *noun;
	void *conf;
};

static void free_conf(struct owned_conf *owned)
{
	owned->noun->fini(owned->conf);
	free(owned->conf);
}

static void make_conf(struct owned_conf *owned, const struct cv_noun *noun)
{
	owned->noun = noun;
	owned->conf = malloc(noun->conf_size);
	if (!owned->conf)
		abort();
	noun->init(owned->conf);
}

static char *conf_text(const struct owned_conf *owned)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	cv_words_to_yaml(owned->noun, owned->conf, out);
	if (fclose(out))
		abort();
	return text;
}

static void check_round_trip(const struct owned_conf *owned)
{
	CV_FREE char *text = conf_text(owned);
	CV_FREE char *key = cv_key_text(owned->noun, owned->conf);
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_CLEANUP(cv_yaml_free) struct cv_yaml_node *root = NULL;
	CV_CLEANUP(free_conf) struct owned_conf again;
	CV_FREE char *other = NULL;

	make_conf(&again, owned->noun);
	if (!key || cv_report_new(&report, NULL, false) ||
	    cv_yaml_parse(&root, "fuzz", text, strlen(text), report) ||
	    owned->noun->set_key(again.conf, key, NULL) ||
	    cv_words_from_yaml(owned->noun, again.conf, root, report))
		abort();
	other = conf_text(&again);
	if (strcmp(text, other) != 0)
		abort();
}

static int split(char *text, char *words[CV_WORDS_MAX])
{
	char *word;
	int count = 0;

	while (count < CV_WORDS_MAX && (word = strsep(&text, " ")))
		words[count++] = word;
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CV_FREE char *text = size ? strndup((const char *)data + 1, size - 1) : NULL;
	CV_CLEANUP(free_conf) struct owned_conf owned;
	char *words[CV_WORDS_MAX];
	struct cv_err err;
	int count;

	make_conf(&owned, cv_nouns[size ? data[0] % cv_noun_count : 0]);
	if (!text)
		return 0;
	count = split(text, words);
	if (!owned.noun->set_key(owned.conf, words[0], &err) &&
	    !cv_words_from_args(owned.noun, owned.conf, count - 1, words + 1, &err))
		check_round_trip(&owned);
	else if (err.kind != CV_ERR_INPUT || !err.text[0])
		abort();
	return 0;
}
