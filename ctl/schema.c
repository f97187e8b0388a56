/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The JSON Schema of state files: see schema.h. What a value can be is read from how help writes it
 * ("N|auto", "PREFIX[,...]|@SET"), from the names that its word gives, and, for the range of a number and for
 * free text, from the word's own parser, which is asked. What is not understood is free text.
 */
#include "schema.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "out.h"
#include "own.h"
#include "words.h"

#define DRAFT "http://json-schema.org/draft-07/schema#"
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- what stands for what, in how help writes values ---- */

#define NUMBER "(0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,10})"
#define BYTE "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4 BYTE "([.]" BYTE "){3}"
#define IPV6 "[0-9A-Fa-f]*:[0-9A-Fa-f:.]*"
#define NAME "[A-Za-z0-9][A-Za-z0-9_-]{0,30}"
#define RANGE "[0-9]{1,10}(-[0-9]{1,10})?"
#define FLAGS "[a-z0-9A-Fx+]+"
#define DECIMAL "[0-9]+([.][0-9]*)?"

static const struct token {
	const char *text;
	const char *pattern;
	bool is_number; /* of it YAML may make one */
	bool is_name; /* more than the pattern, if the parser takes more */
} tokens[] = {
	{ "N", NUMBER, true, false },
	{ "ID", NUMBER, true, false },
	{ "SECONDS", NUMBER, true, false },
	{ "N[-M]", RANGE, true, false },
	{ "A[-B]", RANGE, true, false },
	{ "V[/M]", NUMBER "(/" NUMBER ")?", true, false },
	{ "1/N", "1/[0-9]+", false, false },
	{ "MAJ:MIN", "[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}", false, false },
	{ "SET/MASK", FLAGS "/" FLAGS, false, false },
	{ "HEX", "[0-9A-Fa-f]{64}", false, false },
	{ "MAC", "[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}", false, false },
	{ "RATE", DECIMAL "(([KkMmGgTt][Ii]?)?([Bb][Ii][Tt]|[Bb][Pp][Ss]))?", true, false },
	{ "SIZE", DECIMAL "([KkMmGg]?[Bb]|[KkMmGg]([Bb][Ii][Tt])?)?", true, false },
	{ "ADDR", IPV4 "|" IPV6, false, false },
	{ "PREFIX", IPV4 "(/(3[0-2]|[12]?[0-9]))?|" IPV6 "(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?",
	  false, false },
	{ "IFNAME", "[^/:\\s]{1,15}", true, true },
	{ "NAME", NAME, true, true },
	{ "APP", NAME, true, true },
	{ "@SET", "@" NAME, false, false },
	{ "PATH", "/.*", false, true },
	{ "GLOB", "/.*", false, true },
};

static const struct token *find_token(const char *text)
{
	for (size_t i = 0; i < COUNT(tokens); i++)
		if (!strcmp(tokens[i].text, text))
			return &tokens[i];
	return NULL;
}

/* ---- asking the parser ---- */

/* A word, and what it is a word of. */
struct asked {
	const struct cv_noun *noun;
	const struct cv_group *group;
	const struct cv_word *word;
};

/* Whether that text can be a value of the word, in an object that has nothing else yet. */
static bool is_taken(const struct asked *asked, const char *text)
{
	CV_FREE void *conf = malloc(asked->noun->conf_size);
	void *item;
	bool is_good;

	if (!conf)
		return false;
	asked->noun->init(conf);
	item = asked->group->list ? asked->group->open(conf) : conf;
	is_good = item && !cv_word_parse(asked->word, item, text, NULL);
	asked->noun->fini(conf);
	return is_good;
}

static bool is_number_taken(const struct asked *asked, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return is_taken(asked, text);
}

#define MIN_MAX 1000 /* no number's range begins beyond it */
#define MAX_MAX ((uint64_t)1 << 53) /* JSON has no larger ones */

/* Finds the range of a number, all of which is taken. False: no number is. */
static bool find_range(const struct asked *asked, uint64_t *min, uint64_t *max)
{
	uint64_t beyond = MAX_MAX;

	for (*min = 0; *min < MIN_MAX && !is_number_taken(asked, *min);)
		(*min)++;
	if (*min == MIN_MAX)
		return false;
	*max = *min;
	while (beyond - *max > 1) {
		uint64_t middle = *max + (beyond - *max) / 2;

		if (is_number_taken(asked, middle))
			*max = middle;
		else
			beyond = middle;
	}
	return true;
}

/* ---- the forms of a value ---- */

struct form {
	char *pattern; /* owned: of a value that stands alone; NULL: any text */
	char *item; /* owned: of an item of a list; NULL: it is none */
	const char *const *literals; /* borrowed, as are the texts */
	size_t literal_count;
	bool is_number;
	uint64_t min, max;
	bool is_bool; /* also what YAML takes for true and false */
};

static void free_form(struct form *form)
{
	free(form->pattern);
	free(form->item);
}

#define ALTERNATIVES_MAX 32
#define LITERALS_MAX 64

/* How help writes a value, taken apart. */
struct parts {
	char *copy; /* owned; what the texts are in */
	const char *texts[ALTERNATIVES_MAX]; /* without what says that there may be several */
	bool are_lists[ALTERNATIVES_MAX];
	size_t count;
	const char *literals[LITERALS_MAX]; /* those that stand for themselves */
	size_t literal_count;
};

static void free_parts(struct parts *parts)
{
	free(parts->copy);
}

static bool is_literal(const char *text)
{
	return islower((unsigned char)*text) ||
	       (isdigit((unsigned char)*text) && !find_token(text));
}

static void add_literal(struct parts *parts, const char *text)
{
	if (parts->literal_count < LITERALS_MAX)
		parts->literals[parts->literal_count++] = text;
}

/* Returns 0 or -ENOMEM. */
static int take_apart(const struct cv_word *word, struct parts *parts)
{
	char *rest, *part, *list;
	const char *choice;

	*parts = (struct parts){ .copy = strdup(word->value) };
	if (!parts->copy)
		return -ENOMEM;
	rest = parts->copy;
	while (parts->count < ALTERNATIVES_MAX && (part = strsep(&rest, "|"))) {
		list = strstr(part, "[,");
		if (list)
			*list = '\0';
		if (is_literal(part))
			add_literal(parts, part);
		parts->texts[parts->count] = part;
		parts->are_lists[parts->count++] = list;
	}
	for (size_t i = 0; word->choice && (choice = word->choice(i)); i++)
		add_literal(parts, choice);
	return 0;
}

/* The pattern of one alternative; NULL: it has none of its own. */
static const char *pattern_of(const struct cv_word *word, const char *text)
{
	const struct token *token = find_token(text);

	if (token)
		return token->is_name && word->choice ? NULL : token->pattern;
	return is_literal(text) ? text : NULL;
}

/* Writes alternatives, those of lists only or all of them, with '|' between. */
static void put_alternatives(const struct cv_word *word, const struct parts *parts, bool is_item,
			     FILE *out)
{
	const char *bar = "", *choice;

	for (size_t i = 0; i < parts->count; i++) {
		const char *pattern = pattern_of(word, parts->texts[i]);

		if (!pattern || parts->are_lists[i] != is_item)
			continue;
		fprintf(out, "%s%s", bar, pattern);
		bar = "|";
	}
	for (size_t i = 0; is_item == word->is_list && word->choice && (choice = word->choice(i));
	     i++) {
		fprintf(out, "%s%s", bar, choice);
		bar = "|";
	}
}

static char *make_alternatives(const struct cv_word *word, const struct parts *parts, bool is_item)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_alternatives(word, parts, is_item, out);
	return fclose(out) ? NULL : text;
}

/* Whatever help says, the parser takes more than names. */
static bool is_free(const struct asked *asked, const struct parts *parts)
{
	bool is_named = false;

	if (is_taken(asked, "% a"))
		return true;
	for (size_t i = 0; i < parts->count; i++) {
		const struct token *token = find_token(parts->texts[i]);

		if (!token && !is_literal(parts->texts[i]) && !asked->word->choice)
			return true;
		is_named = is_named || (token && !strcmp(token->text, "NAME"));
	}
	return is_named && is_taken(asked, "a.b");
}

static bool has_literal(const struct parts *parts, const char *text)
{
	for (size_t i = 0; i < parts->literal_count; i++)
		if (!strcmp(parts->literals[i], text))
			return true;
	return false;
}

static bool may_be_number(const struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++) {
		const struct token *token = find_token(parts->texts[i]);

		if (token && token->is_number)
			return true;
	}
	return false;
}

static int make_patterns(const struct cv_word *word, const struct parts *parts, struct form *form)
{
	CV_FREE char *single = make_alternatives(word, parts, false);
	CV_FREE char *several = make_alternatives(word, parts, true);
	const char *not = word->takes_not ? "(not +)?" : "";
	int rc;

	if (!single || !several)
		return -ENOMEM;
	if (!*several)
		rc = asprintf(&form->pattern, "^%s(%s)$", not, single);
	else if (asprintf(&form->item, "^(%s)$", several) < 0)
		rc = -1;
	else
		rc = asprintf(&form->pattern, "^%s(%s%s(%s)(,(%s))*)$", not, single,
			      *single ? "|" : "", several, several);
	return rc < 0 ? -ENOMEM : 0;
}

static int make_form(const struct asked *asked, const struct parts *parts, struct form *form)
{
	*form = (struct form){ .literals = parts->literals, .literal_count = parts->literal_count };
	form->is_bool =
		(has_literal(parts, "on") || has_literal(parts, "yes")) && is_taken(asked, "true");
	form->is_number = may_be_number(parts) && find_range(asked, &form->min, &form->max);
	return is_free(asked, parts) ? 0 : make_patterns(asked->word, parts, form);
}

/* ---- values ---- */

static bool is_digits(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

/* A literal, and what YAML may make of it. */
static void put_literal(struct cv_json *json, const char *text)
{
	cv_json_string(json, NULL, text);
	if (is_digits(text))
		cv_json_number(json, NULL, strtoull(text, NULL, 10));
}

static void put_literals(struct cv_json *json, const struct form *form)
{
	cv_json_open_array(json, "enum");
	for (size_t i = 0; i < form->literal_count; i++)
		put_literal(json, form->literals[i]);
	if (form->is_bool) {
		cv_json_bool(json, NULL, false);
		cv_json_bool(json, NULL, true);
	}
	cv_json_close(json);
}

static void put_pattern(struct cv_json *json, const char *pattern)
{
	cv_json_open_object(json, NULL);
	cv_json_string(json, "type", "string");
	cv_json_string(json, "pattern", pattern);
	cv_json_close(json);
}

static void put_number(struct cv_json *json, const struct form *form)
{
	cv_json_open_object(json, NULL);
	cv_json_string(json, "type", "integer");
	cv_json_number(json, "minimum", form->min);
	cv_json_number(json, "maximum", form->max);
	cv_json_close(json);
}

/* What may stand alone, or be an item of a list. */
static void put_scalars(struct cv_json *json, const struct form *form, const char *pattern,
			bool has_literals)
{
	if (has_literals) {
		cv_json_open_object(json, NULL);
		put_literals(json, form);
		cv_json_close(json);
	}
	put_pattern(json, pattern);
	if (form->is_number)
		put_number(json, form);
}

static void put_text_types(struct cv_json *json)
{
	cv_json_open_array(json, "type");
	cv_json_string(json, NULL, "string");
	cv_json_string(json, NULL, "number");
	cv_json_string(json, NULL, "boolean");
	cv_json_close(json);
	cv_json_number(json, "minLength", 1);
}

static void put_least(struct cv_json *json, const struct cv_word *word)
{
	if (!word->may_be_empty)
		cv_json_number(json, "minItems", 1);
}

/* Any text, or a list of such. */
static void put_free(struct cv_json *json, const struct cv_word *word)
{
	if (!word->is_list) {
		put_text_types(json);
		return;
	}
	cv_json_open_array(json, "anyOf");
	cv_json_open_object(json, NULL);
	put_text_types(json);
	cv_json_close(json);
	cv_json_open_object(json, NULL);
	cv_json_string(json, "type", "array");
	put_least(json, word);
	cv_json_open_object(json, "items");
	put_text_types(json);
	cv_json_close(json);
	cv_json_close(json);
	cv_json_close(json);
}

static void put_list(struct cv_json *json, const struct cv_word *word, const struct form *form)
{
	cv_json_open_object(json, NULL);
	cv_json_string(json, "type", "array");
	put_least(json, word);
	cv_json_open_object(json, "items");
	cv_json_open_array(json, "anyOf");
	put_scalars(json, form, form->item, word->choice);
	cv_json_close(json);
	cv_json_close(json);
	cv_json_close(json);
}

static void put_form(struct cv_json *json, const struct cv_word *word, const struct parts *parts,
		     const struct form *form)
{
	if (!form->pattern) {
		put_free(json, word);
	} else if (parts->count == form->literal_count && !word->is_list && !word->takes_not) {
		put_literals(json, form);
	} else {
		cv_json_open_array(json, "anyOf");
		put_scalars(json, form, form->pattern, form->literal_count);
		if (form->item)
			put_list(json, word, form);
		cv_json_close(json);
	}
}

/* A bare word of the command line. */
static void put_flag(struct cv_json *json)
{
	static const char *const texts[] = { "true", "false", "on", "off", "yes", "no" };
	const struct form form = { .literals = texts,
				   .literal_count = COUNT(texts),
				   .is_bool = true };

	put_literals(json, &form);
}

/* Returns 0 or -ENOMEM. */
static int put_word(struct cv_json *json, const struct asked *asked)
{
	CV_CLEANUP(free_parts) struct parts parts = { .copy = NULL };
	CV_CLEANUP(free_form) struct form form = { .pattern = NULL };
	const struct cv_word *word = asked->word;

	if (word->value && (take_apart(word, &parts) || make_form(asked, &parts, &form)))
		return -ENOMEM;
	cv_json_open_object(json, word->name);
	cv_json_string(json, "description", word->help);
	if (word->value)
		put_form(json, word, &parts, &form);
	else
		put_flag(json);
	cv_json_close(json);
	return 0;
}

/* ---- objects ---- */

static int put_words(struct cv_json *json, const struct cv_noun *noun, const struct cv_group *group)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < group->word_count; i++) {
		const struct asked asked = { noun, group, &group->words[i] };

		if (!asked.word->is_command_line_only)
			rc = put_word(json, &asked);
	}
	return rc;
}

static bool has_required(const struct cv_group *group)
{
	for (size_t i = 0; i < group->word_count; i++)
		if (group->words[i].is_required)
			return true;
	return false;
}

/* Behind "properties": nothing else may stand there, and this must. */
static void put_rest(struct cv_json *json, const char *key, const struct cv_group *group)
{
	cv_json_bool(json, "additionalProperties", false);
	if (!has_required(group) && !key)
		return;
	cv_json_open_array(json, "required");
	if (key)
		cv_json_string(json, NULL, key);
	for (size_t i = 0; i < group->word_count; i++)
		if (group->words[i].is_required)
			cv_json_string(json, NULL, group->words[i].name);
	cv_json_close(json);
}

static void put_type(struct cv_json *json, const char *type, bool may_be_nothing)
{
	if (!may_be_nothing) {
		cv_json_string(json, "type", type);
		return;
	}
	cv_json_open_array(json, "type");
	cv_json_string(json, NULL, type);
	cv_json_string(json, NULL, "null");
	cv_json_close(json);
}

/* "match", "action", and lists as "nexthops". */
static int put_group(struct cv_json *json, const struct cv_noun *noun, const struct cv_group *group)
{
	int rc;

	cv_json_open_object(json, group->list ? group->list : group->name);
	if (group->list) {
		cv_json_string(json, "type", "array");
		cv_json_open_object(json, "items");
	}
	put_type(json, "object", !group->list);
	cv_json_open_object(json, "properties");
	rc = put_words(json, noun, group);
	cv_json_close(json);
	put_rest(json, NULL, group);
	if (group->list)
		cv_json_close(json);
	cv_json_close(json);
	return rc;
}

/* What stands first: a value of a list's items, or the name of a mapping's key. */
static void put_key(struct cv_json *json, const char *name, const struct cv_noun *noun)
{
	const struct token *token = find_token(noun->key);
	bool is_prefix = !strcmp(noun->key, "PREFIX");
	CV_FREE char *pattern = NULL;

	cv_json_open_object(json, name);
	if (token &&
	    asprintf(&pattern, "^(%s%s)$", token->pattern, is_prefix ? "|default" : "") >= 0)
		cv_json_string(json, "pattern", pattern);
	if (noun->list_key)
		cv_json_string(json, "type", "string");
	cv_json_close(json);
}

/* The members of one object. */
static int put_object(struct cv_json *json, const struct cv_noun *noun)
{
	int rc;

	put_type(json, "object", !noun->list_key && !has_required(noun->groups[0]));
	cv_json_open_object(json, "properties");
	if (noun->list_key)
		put_key(json, noun->list_key, noun);
	rc = put_words(json, noun, noun->groups[0]);
	for (size_t i = 1; !rc && i < noun->group_count; i++)
		rc = put_group(json, noun, noun->groups[i]);
	cv_json_close(json);
	put_rest(json, noun->list_key, noun->groups[0]);
	return rc;
}

static int put_section(struct cv_json *json, const struct cv_noun *noun)
{
	int rc;

	cv_json_open_object(json, noun->section);
	cv_json_string(json, "description", noun->help);
	put_type(json, noun->list_key ? "array" : "object", true);
	if (!noun->list_key)
		put_key(json, "propertyNames", noun);
	cv_json_open_object(json, noun->list_key ? "items" : "additionalProperties");
	rc = put_object(json, noun);
	cv_json_close(json);
	cv_json_close(json);
	return rc;
}

static int put_options(struct cv_json *json)
{
	int rc;

	cv_json_open_object(json, cv_config_options.section);
	cv_json_string(json, "description", cv_config_options.help);
	rc = put_object(json, &cv_config_options);
	cv_json_close(json);
	return rc;
}

static int put_sections(struct cv_json *json)
{
	int rc;

	cv_json_open_object(json, "properties");
	rc = put_options(json);
	for (size_t i = 0; !rc && i < cv_noun_count; i++)
		rc = put_section(json, cv_nouns[i]);
	cv_json_close(json);
	return rc;
}

int cv_schema_write(FILE *out)
{
	struct cv_json json;
	int rc;

	cv_json_init(&json, out);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, "$schema", DRAFT);
	cv_json_string(&json, "title", "culvert state file");
	cv_json_string(&json, "description",
		       "what culvert holds in one network namespace: see culvert.yaml(5)");
	put_type(&json, "object", true);
	rc = put_sections(&json);
	cv_json_bool(&json, "additionalProperties", false);
	cv_json_close(&json);
	cv_json_end(&json);
	return rc;
}
