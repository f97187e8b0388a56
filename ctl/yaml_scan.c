/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The quick scanner of state files: see yaml_scan.h. Functions that read something return false, or
 * NULL, where the text is not of the forms known here: the scan is then at its end. In block style
 * `at` is, behind each node, at the first character of the next line that has something on it.
 */
#include "yaml_scan.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "out.h"
#include "own.h"

#define BOM "\xef\xbb\xbf"
#define KEY_MAX 1000 /* libyaml's keys end at 1024 characters */
#define PAIRS_MAX 64 /* of an inner mapping, each of whose keys is compared with all others */
#define INDENT_END (-1) /* of the line behind the last one */

/* A pair of a mapping, or an item of a sequence, which has no key. */
struct pair {
	struct cv_yaml_node *key, *value;
};

/* The keys of one mapping of any size, by their hashes. */
struct key_set {
	uint64_t *hashes; /* owned; 0: free */
	size_t count, room; /* room: 0 or a power of two, at least twice the count */
	uint64_t last; /* of the last key, which is not among them yet; 0: there is none */
};

struct cv_scan {
	const char *file, *at, *end; /* file is borrowed, as is the text */
	const char *line_start;
	size_t extra; /* bytes of the line so far that begin no character */
	int line; /* from 1 */
	int indent; /* of the line at hand */
	bool is_flow; /* the whole text is a flow mapping, as JSON is */
	bool is_begun;
	bool is_lost; /* not a text for us */
	bool is_open; /* the section at hand has items that were not asked for */
	bool is_flow_section;
	bool has_items; /* of a flow section: one was read, so that a comma is next */
	int section_indent;
	struct cv_yaml_node *section;
	struct cv_pool section_nodes, item_nodes;
	struct cv_pool *pool; /* one of them: where nodes come from */
	struct key_set section_keys, item_keys;
};

/* ---- characters ---- */

enum {
	WORD = 1 << 0, /* ends no plain scalar, wherever it stands */
	FIRST = 1 << 1, /* may begin one */
};

static const uint8_t classes[256] = {
	['a' ... 'z'] = WORD | FIRST,
	['A' ... 'Z'] = WORD | FIRST,
	['0' ... '9'] = WORD | FIRST,
	['/'] = WORD | FIRST,
	['_'] = WORD | FIRST,
	['+'] = WORD | FIRST,
	['-'] = WORD,
	['.'] = WORD,
	['='] = WORD,
	['@'] = WORD,
	['*'] = WORD,
	['%'] = WORD,
	['~'] = WORD,
	['('] = WORD,
	[')'] = WORD,
	[';'] = WORD,
	['\\'] = WORD,
	[0x80 ... 0xff] = FIRST,
};

static bool is_class(char c, unsigned int class)
{
	return classes[(uint8_t)c] & class;
}

/* The character at hand; the text ends as if with a newline. */
static char peek(const struct cv_scan *scan)
{
	return scan->at < scan->end ? *scan->at : '\n';
}

static char peek_next(const struct cv_scan *scan)
{
	return scan->end - scan->at > 1 ? scan->at[1] : '\n';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n';
}

static bool is_flow_mark(char c)
{
	return c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
}

static bool take(struct cv_scan *scan, char c)
{
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

/* Takes a character beyond ASCII, unless it is a control, a line break or a byte order mark. */
static bool take_wide(struct cv_scan *scan)
{
	const char *start = scan->at;
	int32_t code = cv_utf8_next(&scan->at, scan->end);

	scan->extra += scan->at - start - 1;
	return code >= 0xa0 && code != 0x2028 && code != 0x2029 && code != 0xfeff &&
	       code != 0xfffe && code != 0xffff;
}

/* Takes any character that may stand in a quoted scalar, a newline not among them. */
static bool take_visible(struct cv_scan *scan)
{
	uint8_t c = peek(scan);

	if (c & 0x80)
		return take_wide(scan);
	scan->at++;
	return c >= ' ' && c < 0x7f;
}

static void skip_blanks(struct cv_scan *scan)
{
	while (scan->at < scan->end && *scan->at == ' ')
		scan->at++;
}

static struct cv_place here(const struct cv_scan *scan)
{
	size_t bytes = scan->at - scan->line_start;

	return (struct cv_place){ scan->file, scan->line, (int)(bytes - scan->extra) + 1 };
}

/* ---- lines ---- */

/* Takes a comment, if there is one. What has no blank in front is none. */
static bool take_comment(struct cv_scan *scan)
{
	if (peek(scan) != '#')
		return true;
	if (scan->at > scan->line_start && scan->at[-1] != ' ')
		return false;
	while (peek(scan) != '\n')
		if (!take(scan, '\t') && !take_visible(scan))
			return false;
	return true;
}

/* Takes what is left of a line, nothing but blanks and a comment. */
static bool end_line(struct cv_scan *scan)
{
	skip_blanks(scan);
	if (!take_comment(scan) || peek(scan) != '\n')
		return false;
	scan->at += scan->at < scan->end;
	scan->line_start = scan->at;
	scan->extra = 0;
	scan->line++;
	return true;
}

/* Goes to the next line with something on it, from the beginning of a line. */
static bool find_line(struct cv_scan *scan)
{
	for (;;) {
		skip_blanks(scan);
		scan->indent = (int)(scan->at - scan->line_start);
		if (scan->at == scan->end)
			scan->indent = INDENT_END;
		if (scan->at == scan->end || (*scan->at != '#' && *scan->at != '\n'))
			return true;
		if (!end_line(scan))
			return false;
	}
}

static bool next_line(struct cv_scan *scan)
{
	return end_line(scan) && find_line(scan);
}

/* Takes blanks, newlines and comments between the parts of a flow collection. */
static bool skip_flow(struct cv_scan *scan)
{
	for (;;) {
		skip_blanks(scan);
		if (scan->at == scan->end)
			return false;
		if (*scan->at != '\n' && *scan->at != '#')
			return true;
		if (!end_line(scan))
			return false;
	}
}

/* ---- keys ---- */

/* FNV-1a, and a last mix for its low bits. */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

/* The place of a hash, or the free one for it. */
static uint64_t *find_hash(const struct key_set *keys, uint64_t hash)
{
	size_t at = hash & (keys->room - 1);

	while (keys->hashes[at] && keys->hashes[at] != hash)
		at = (at + 1) & (keys->room - 1);
	return &keys->hashes[at];
}

static bool grow_keys(struct key_set *keys)
{
	struct key_set grown = *keys;

	grown.room = keys->room ? keys->room * 4 : 64;
	grown.hashes = calloc(grown.room, sizeof(*grown.hashes));
	if (!grown.hashes)
		return false;
	for (size_t i = 0; i < keys->room; i++)
		if (keys->hashes[i])
			*find_hash(&grown, keys->hashes[i]) = keys->hashes[i];
	free(keys->hashes);
	*keys = grown;
	return true;
}

/* Adds the last key to the others. False for one that was there; and, next to never, for another one
 * with the same hash. */
static bool settle_key(struct key_set *keys)
{
	uint64_t *place;

	if (!keys->last)
		return true;
	if (keys->count * 2 >= keys->room && !grow_keys(keys))
		return false;
	place = find_hash(keys, keys->last);
	if (*place)
		return false;
	*place = keys->last;
	keys->count++;
	keys->last = 0;
	return true;
}

/* False for one key too late: by then its place has come into the cache. */
static bool add_key(struct key_set *keys, const char *key)
{
	if (!settle_key(keys))
		return false;
	keys->last = hash_text(key);
	if (keys->room)
		__builtin_prefetch(&keys->hashes[keys->last & (keys->room - 1)], 1);
	return true;
}

static void free_keys(struct key_set *keys)
{
	free(keys->hashes);
	*keys = (struct key_set){ 0 };
}

/* ---- nodes ---- */

static struct cv_yaml_node *new_node(struct cv_scan *scan, enum cv_yaml_kind kind)
{
	struct cv_yaml_node *node = cv_pool_take(scan->pool, sizeof(*node));

	if (node)
		*node = (struct cv_yaml_node){ .kind = kind, .place = here(scan) };
	return node;
}

/* A scalar with its text, in one piece. */
static struct cv_yaml_node *new_scalar(struct cv_scan *scan, const struct cv_place *place,
				       const char *from, const char *to)
{
	struct cv_yaml_node *node = cv_pool_take(scan->pool, sizeof(*node) + (to - from) + 1);

	if (!node)
		return NULL;
	*node = (struct cv_yaml_node){ .place = *place, .text = (char *)(node + 1) };
	*(char *)mempcpy(node->text, from, to - from) = '\0';
	return node;
}

static bool add_item(struct cv_scan *scan, struct cv_yaml_node *parent, struct cv_yaml_node *item)
{
	size_t count = parent->count;

	/* Room for four, then twice as much whenever it is used up. */
	if (!count || (count >= 4 && !(count & (count - 1)))) {
		size_t room = count ? count * 2 : 4;
		struct cv_yaml_node **items = cv_pool_take(scan->pool, room * sizeof(*items));

		if (!items)
			return false;
		if (count)
			memcpy(items, parent->items, count * sizeof(*items));
		parent->items = items;
	}
	parent->items[parent->count++] = item;
	return true;
}

static bool add_pair(struct cv_scan *scan, struct cv_yaml_node *parent, const struct pair *pair)
{
	if (!pair->key)
		return add_item(scan, parent, pair->value);
	for (size_t i = 0; i < parent->count; i += 2) {
		const char *text = parent->items[i]->text;

		if (*text == *pair->key->text && !strcmp(text, pair->key->text))
			return false;
	}
	return parent->count < 2 * PAIRS_MAX && add_item(scan, parent, pair->key) &&
	       add_item(scan, parent, pair->value);
}

/* ---- scalars ---- */

/* What a plain scalar has at hand, which is not a word character: 1 it goes on behind it, 0 it ends
 * here, -1 not for us. */
static int pass_mark(struct cv_scan *scan, bool is_flow)
{
	char c = peek(scan), next = peek_next(scan);

	if (c == '\n' || (is_flow && is_flow_mark(c)))
		return 0;
	if (c == '#' && scan->at[-1] == ' ')
		return 0;
	if (c == ':' && is_blank(next))
		return 0;
	if (is_flow && (c == '?' || (c == ':' && (is_flow_mark(next) || next == '?'))))
		return -1;
	return take_visible(scan) ? 1 : -1;
}

static const char *pass_word(const char *at, const char *end)
{
	while (at < end && is_class(*at, WORD))
		at++;
	return at;
}

static struct cv_yaml_node *scan_plain(struct cv_scan *scan, bool is_flow)
{
	struct cv_place place = here(scan);
	const char *from = scan->at, *to;
	int rc;

	if (!is_class(peek(scan), FIRST))
		return NULL;
	do {
		scan->at = pass_word(scan->at, scan->end);
		rc = pass_mark(scan, is_flow);
	} while (rc > 0);
	for (to = scan->at; to[-1] == ' ';)
		to--;
	return rc < 0 ? NULL : new_scalar(scan, &place, from, to);
}

/* One that stands for itself: escapes and line breaks are not for us. */
static struct cv_yaml_node *scan_quoted(struct cv_scan *scan)
{
	struct cv_place place = here(scan);
	char quote = *scan->at++;
	const char *from = scan->at;
	struct cv_yaml_node *node;

	while (peek(scan) != quote)
		if ((quote == '"' && peek(scan) == '\\') || !take_visible(scan))
			return NULL;
	node = new_scalar(scan, &place, from, scan->at++);
	if (node)
		node->is_quoted = true;
	return node; /* 'it''s' ends in front of its second half, which can be nothing else */
}

static struct cv_yaml_node *scan_scalar(struct cv_scan *scan, bool is_flow)
{
	return peek(scan) == '"' || peek(scan) == '\'' ? scan_quoted(scan)
						       : scan_plain(scan, is_flow);
}

/* A key and its colon, on one line. */
static struct cv_yaml_node *scan_key(struct cv_scan *scan, bool is_flow)
{
	const char *start = scan->at;
	struct cv_yaml_node *key = scan_scalar(scan, is_flow);

	if (!key)
		return NULL;
	skip_blanks(scan);
	if (scan->at - start > KEY_MAX || !take(scan, ':'))
		return NULL;
	/* In JSON a value may follow at once. */
	return is_blank(peek(scan)) || (is_flow && key->is_quoted) ? key : NULL;
}

/* ---- flow style ---- */

static struct cv_yaml_node *scan_flow(struct cv_scan *scan, int depth);

static bool is_flow_begin(const struct cv_scan *scan)
{
	return peek(scan) == '{' || peek(scan) == '[';
}

static char flow_end(const struct cv_yaml_node *node)
{
	return node->kind == CV_YAML_MAPPING ? '}' : ']';
}

/* The beginning of a collection. */
static struct cv_yaml_node *open_flow(struct cv_scan *scan)
{
	struct cv_yaml_node *node =
		new_node(scan, peek(scan) == '{' ? CV_YAML_MAPPING : CV_YAML_SEQUENCE);

	scan->at++;
	return node;
}

/* What follows in a collection: 1 an item, 0 nothing (its end was taken), -1 neither. */
static int next_flow_item(struct cv_scan *scan, char end, bool has_items)
{
	if (!skip_flow(scan))
		return -1;
	if (take(scan, end))
		return 0;
	return !has_items || (take(scan, ',') && skip_flow(scan)) ? 1 : -1;
}

static bool scan_flow_item(struct cv_scan *scan, enum cv_yaml_kind parent, int depth,
			   struct pair *pair)
{
	pair->key = NULL;
	if (parent == CV_YAML_MAPPING) {
		pair->key = scan_key(scan, true);
		if (!pair->key || !skip_flow(scan))
			return false;
	}
	pair->value = is_flow_begin(scan) ? scan_flow(scan, depth) : scan_scalar(scan, true);
	return pair->value;
}

static struct cv_yaml_node *scan_flow(struct cv_scan *scan, int depth)
{
	struct cv_yaml_node *node = depth > CV_YAML_DEPTH ? NULL : open_flow(scan);
	struct pair pair;
	int rc;

	if (!node)
		return NULL;
	while ((rc = next_flow_item(scan, flow_end(node), node->count)) > 0)
		if (!scan_flow_item(scan, node->kind, depth + 1, &pair) ||
		    !add_pair(scan, node, &pair))
			return NULL;
	return rc < 0 ? NULL : node;
}

/* ---- block style ---- */

static struct cv_yaml_node *scan_block(struct cv_scan *scan, int depth);

static bool is_entry(const struct cv_scan *scan)
{
	return peek(scan) == '-' && peek_next(scan) == ' ';
}

/* A value that begins at hand and ends with its line. */
static struct cv_yaml_node *scan_inline(struct cv_scan *scan, int depth)
{
	struct cv_yaml_node *node =
		is_flow_begin(scan) ? scan_flow(scan, depth) : scan_scalar(scan, false);

	return node && next_line(scan) ? node : NULL;
}

enum where { IN_LINE, BELOW, NOWHERE, LOST };

/* Goes to the value of a key that stands at that indent. *nothing: the value, if there is none. */
static enum where find_value(struct cv_scan *scan, int indent, struct cv_yaml_node **nothing)
{
	const char *colon = scan->at;
	struct cv_place place;

	skip_blanks(scan);
	if (peek(scan) != '\n' && peek(scan) != '#')
		return IN_LINE;
	scan->at = colon;
	place = here(scan);
	*nothing = new_scalar(scan, &place, colon, colon);
	if (!*nothing || !next_line(scan))
		return LOST;
	return scan->indent > indent || (scan->indent == indent && is_entry(scan)) ? BELOW
										   : NOWHERE;
}

static struct cv_yaml_node *scan_value(struct cv_scan *scan, int indent, int depth)
{
	struct cv_yaml_node *nothing = NULL;

	switch (find_value(scan, indent, &nothing)) {
	case IN_LINE:
		return scan_inline(scan, depth);
	case BELOW:
		return scan_block(scan, depth);
	case NOWHERE:
		return nothing;
	case LOST:
		break;
	}
	return NULL;
}

/* What stands behind the dash of an entry: a value, or a mapping that begins there. */
static struct cv_yaml_node *scan_entry(struct cv_scan *scan, int depth)
{
	struct cv_yaml_node *key;
	const char *start;
	size_t extra = scan->extra;

	scan->at++;
	skip_blanks(scan);
	start = scan->at;
	if (is_flow_begin(scan))
		return scan_inline(scan, depth);
	key = scan_scalar(scan, false);
	if (!key)
		return NULL;
	skip_blanks(scan);
	if (peek(scan) != ':')
		return next_line(scan) ? key : NULL;
	scan->at = start;
	scan->extra = extra;
	scan->indent = (int)(start - scan->line_start);
	return scan_block(scan, depth);
}

static bool scan_block_item(struct cv_scan *scan, enum cv_yaml_kind parent, int indent, int depth,
			    struct pair *pair)
{
	pair->key = NULL;
	if (parent == CV_YAML_SEQUENCE) {
		pair->value = scan_entry(scan, depth);
	} else {
		pair->key = scan_key(scan, false);
		pair->value = pair->key ? scan_value(scan, indent, depth) : NULL;
	}
	return pair->value;
}

/* A line that is indented more than the collection that it follows ends all of them, and is then no
 * section. */
static bool has_block_item(const struct cv_scan *scan, enum cv_yaml_kind parent, int indent)
{
	return scan->indent == indent && (parent == CV_YAML_MAPPING || is_entry(scan));
}

/* The beginning of a collection. */
static struct cv_yaml_node *open_block(struct cv_scan *scan)
{
	return new_node(scan, is_entry(scan) ? CV_YAML_SEQUENCE : CV_YAML_MAPPING);
}

static struct cv_yaml_node *scan_block(struct cv_scan *scan, int depth)
{
	struct cv_yaml_node *node = depth > CV_YAML_DEPTH ? NULL : open_block(scan);
	int indent = scan->indent;
	struct pair pair;

	if (!node)
		return NULL;
	do {
		if (!scan_block_item(scan, node->kind, indent, depth + 1, &pair) ||
		    !add_pair(scan, node, &pair))
			return NULL;
	} while (has_block_item(scan, node->kind, indent));
	return node;
}

/* ---- sections and their items ---- */

#define SECTION_DEPTH 2
#define ITEM_DEPTH 3

int cv_scan_new(struct cv_scan **out, const char *file, const char *text, size_t len)
{
	struct cv_scan *scan = calloc(1, sizeof(*scan));

	if (!scan)
		return -ENOMEM;
	scan->file = file;
	scan->at = text;
	scan->end = text + len;
	if (len >= strlen(BOM) && !memcmp(text, BOM, strlen(BOM)))
		scan->at += strlen(BOM);
	scan->line_start = scan->at;
	scan->line = 1;
	*out = scan;
	return 0;
}

void cv_scan_free(struct cv_scan **scan)
{
	if (!*scan)
		return;
	cv_pool_free(&(*scan)->section_nodes);
	cv_pool_free(&(*scan)->item_nodes);
	free_keys(&(*scan)->section_keys);
	free_keys(&(*scan)->item_keys);
	free(*scan);
	*scan = NULL;
}

/* Up to the first section: the mark of a document's beginning, and the brace of JSON. */
static bool begin(struct cv_scan *scan)
{
	scan->is_begun = true;
	if (!find_line(scan))
		return false;
	if (scan->indent == 0 && scan->end - scan->at >= 3 && !memcmp(scan->at, "---", 3)) {
		scan->at += 3;
		if (!next_line(scan))
			return false;
	}
	scan->is_flow = take(scan, '{');
	return true;
}

/* 1 there is another section, 0 none, -1 what is there is not for us. */
static int next_section(struct cv_scan *scan)
{
	int rc;

	if (!scan->is_flow)
		return scan->indent == INDENT_END ? 0 : scan->indent == 0 ? 1 : -1;
	rc = next_flow_item(scan, '}', scan->section);
	if (rc)
		return rc;
	return next_line(scan) && scan->indent == INDENT_END ? 0 : -1;
}

/* The value of a section, of which only the beginning is read if it has items. */
static struct cv_yaml_node *open_section(struct cv_scan *scan)
{
	struct cv_yaml_node *nothing = NULL;
	enum where where = IN_LINE;

	if (!scan->is_flow)
		where = find_value(scan, 0, &nothing);
	if (where == LOST || (scan->is_flow && !skip_flow(scan)))
		return NULL;
	if (where == NOWHERE)
		return nothing;
	scan->is_flow_section = where == IN_LINE;
	scan->is_open = where == BELOW || is_flow_begin(scan);
	if (!scan->is_open)
		return scan->is_flow ? scan_scalar(scan, true) : scan_inline(scan, SECTION_DEPTH);
	scan->section_indent = scan->indent;
	return scan->is_flow_section ? open_flow(scan) : open_block(scan);
}

static int lose(struct cv_scan *scan)
{
	scan->is_lost = true;
	return -1;
}

int cv_scan_section(struct cv_scan *scan, const struct cv_yaml_node **key,
		    const struct cv_yaml_node **value)
{
	struct cv_yaml_node *name;
	int rc;

	while ((rc = cv_scan_item(scan, key, value)) > 0)
		;
	if (rc < 0 || (!scan->is_begun && !begin(scan)))
		return lose(scan);
	cv_pool_reset(&scan->section_nodes);
	scan->pool = &scan->section_nodes;
	rc = next_section(scan);
	if (rc <= 0)
		return rc || !settle_key(&scan->section_keys) ? lose(scan) : 0;
	name = scan_key(scan, scan->is_flow);
	if (!name || !add_key(&scan->section_keys, name->text))
		return lose(scan);
	free_keys(&scan->item_keys);
	scan->section = open_section(scan);
	if (!scan->section)
		return lose(scan);
	*key = name;
	*value = scan->section;
	return 1;
}

/* 1 there is another item, 0 none, -1 what is there is not for us. */
static int next_item(struct cv_scan *scan)
{
	int rc;

	if (!scan->is_flow_section)
		return has_block_item(scan, scan->section->kind, scan->section_indent);
	rc = next_flow_item(scan, flow_end(scan->section), scan->has_items);
	if (rc || scan->is_flow)
		return rc;
	return next_line(scan) ? 0 : -1;
}

int cv_scan_item(struct cv_scan *scan, const struct cv_yaml_node **key,
		 const struct cv_yaml_node **value)
{
	struct pair pair = { 0 };
	bool is_good;
	int rc;

	if (scan->is_lost || !scan->is_open)
		return scan->is_lost ? -1 : 0;
	rc = next_item(scan);
	scan->has_items = scan->is_open = rc > 0;
	if (rc <= 0)
		return rc || !settle_key(&scan->item_keys) ? lose(scan) : 0;
	cv_pool_reset(&scan->item_nodes);
	scan->pool = &scan->item_nodes;
	is_good = scan->is_flow_section
			  ? scan_flow_item(scan, scan->section->kind, ITEM_DEPTH, &pair)
			  : scan_block_item(scan, scan->section->kind, scan->section_indent,
					    ITEM_DEPTH, &pair);
	if (!is_good || (pair.key && !add_key(&scan->item_keys, pair.key->text)))
		return lose(scan);
	*key = pair.key;
	*value = pair.value;
	return 1;
}
