/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which files a state is of: see origin.h. */
#include "origin.h"

#include <stdlib.h>
#include <string.h>

#include "own.h"

static const char head[] = "\nrules:\n";

/* The part with most in it. */
static const struct cv_part *largest_of(const struct cv_parts *files)
{
	const struct cv_part *largest = NULL;

	for (size_t i = 0; i < files->count; i++)
		if (!largest || files->items[i].len > largest->len)
			largest = &files->items[i];
	return largest;
}

static const char *behind_head(const struct cv_part *part)
{
	const char *found = memmem(part->text, part->len, head, strlen(head));

	if (part->len >= strlen(head) - 1 && !memcmp(part->text, head + 1, strlen(head) - 1))
		return part->text + strlen(head) - 1;
	return found ? found + strlen(head) : NULL;
}

struct cv_line cv_origin_rules(const struct cv_parts *files)
{
	const struct cv_part *part = largest_of(files);
	const char *begin = part ? behind_head(part) : NULL, *at = begin, *end, *newline;

	if (!begin)
		return (struct cv_line){ 0 };
	end = part->text + part->len;
	while (end - at >= 2 && at[0] == ' ' && at[1] == ' ') {
		newline = memchr(at, '\n', end - at);
		if (!newline)
			break;
		at = newline + 1;
	}
	return (struct cv_line){ begin, at };
}

/* The pieces of a file: the section of rules is none of them. */
static size_t cut(const struct cv_part *part, struct cv_line rules, struct cv_piece pieces[2])
{
	bool has_rules = rules.begin >= part->text && rules.begin <= part->text + part->len;

	if (!rules.begin || !has_rules) {
		pieces[0] = (struct cv_piece){ part->text, part->len };
		return 1;
	}
	pieces[0] = (struct cv_piece){ part->text, rules.begin - part->text };
	pieces[1] = (struct cv_piece){ rules.end, part->text + part->len - rules.end };
	return 2;
}

struct cv_origin cv_origin_of(const struct cv_parts *files)
{
	CV_FREE struct cv_piece *pieces = calloc(2 * files->count + 1, sizeof(*pieces));
	struct cv_line rules = cv_origin_rules(files);
	struct cv_piece section = { rules.begin, rules.end - rules.begin };
	struct cv_origin origin = { 0 };
	size_t count = 0;

	if (!pieces)
		return origin;
	for (size_t i = 0; i < files->count; i++)
		pieces[i] = (struct cv_piece){ files->items[i].text, files->items[i].len };
	origin.whole = cv_texts_hash(pieces, files->count);
	if (!rules.begin)
		return origin;
	for (size_t i = 0; i < files->count; i++)
		count += cut(&files->items[i], rules, &pieces[count]);
	origin.rest = cv_texts_hash(pieces, count);
	origin.rules = cv_texts_hash(&section, 1);
	return origin;
}
