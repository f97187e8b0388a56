/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Words in and out: see words.h. */
#include "words.h"

#include <ctype.h>
#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "own.h"

#define CV_MAX_WORDS 64 /* of one noun, all groups */
#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define CV_LISTED_MAX 4 /* keys that a hint lists; of more it says where they stand */
#define CV_NOT "not"

const struct cv_noun *const cv_nouns[] = {
	&cv_noun_dev,	&cv_noun_app, &cv_noun_tunnel, &cv_noun_peer,
	&cv_noun_route, &cv_noun_set, &cv_noun_rule,
};
const size_t cv_noun_count = CV_COUNT(cv_nouns);

struct cv_place *cv_conf_place(const struct cv_noun *noun, void *conf)
{
	return (struct cv_place *)((char *)conf + noun->place_offset);
}

/* ---- words that are one member of the conf ---- */

static int parse_flag(const struct cv_word *word, void *member, const char *text,
		      struct cv_err *err)
{
	return cv_arg_flag(word->name, text, member, err);
}

static bool format_flag(const struct cv_word *word, const void *member, FILE *out)
{
	(void)word;
	(void)out;
	return *(const bool *)member;
}

const struct cv_kind cv_kind_flag = { parse_flag, format_flag };

static int parse_text(const struct cv_word *word, void *member, const char *text,
		      struct cv_err *err)
{
	char **out = member;
	int rc = word->check ? word->check(word->name, text, err) : 0;

	if (rc)
		return rc;
	free(*out);
	*out = strdup(text);
	return *out ? 0 : cv_err_set(err, -ENOMEM, "%s: out of memory", word->name);
}

static bool format_text(const struct cv_word *word, const void *member, FILE *out)
{
	const char *text = *(char *const *)member;

	(void)word;
	if (text)
		fputs(text, out);
	return text;
}

const struct cv_kind cv_kind_text = { parse_text, format_text };

int cv_word_parse(const struct cv_word *word, void *conf, const char *text, struct cv_err *err)
{
	return word->kind ? word->kind->parse(word, (char *)conf + word->offset, text, err)
			  : word->parse(conf, text, err);
}

static bool format_word(const struct cv_word *word, const void *conf, FILE *out)
{
	if (word->kind)
		return word->kind->format(word, (const char *)conf + word->offset, out);
	return word->format && word->format(conf, out);
}

bool cv_word_take_not(const struct cv_word *word, const char **text)
{
	if (!word->takes_not || strncmp(*text, CV_NOT " ", strlen(CV_NOT " ")) != 0)
		return false;
	*text += strlen(CV_NOT);
	*text += strspn(*text, " ");
	return true;
}

/* Most names differ in their first character, and there are many of them to be compared. */
static bool same_name(const char *a, const char *b)
{
	return *a == *b && !strcmp(a, b);
}

static const struct cv_word *find_word(const struct cv_group *group, const char *name)
{
	for (size_t i = 0; i < group->word_count; i++)
		if (same_name(group->words[i].name, name))
			return &group->words[i];
	return NULL;
}

/* How a group is called in the state file, or on the command line. NULL: it has no name. */
static const char *group_name(const struct cv_group *group, bool in_yaml)
{
	return in_yaml && group->list ? group->list : group->name;
}

static const struct cv_group *find_group(const struct cv_noun *noun, const char *name, bool in_yaml)
{
	for (size_t i = 0; i < noun->group_count; i++) {
		const char *known = group_name(noun->groups[i], in_yaml);

		if (known && same_name(known, name))
			return noun->groups[i];
	}
	return NULL;
}

/* Says which keys there are, when they are few. */
static int list_hint(const char *owner, const char *const *names, size_t count, struct cv_err *err)
{
	char list[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < count && used < sizeof(list); i++)
		used += snprintf(list + used, sizeof(list) - used, "%s%s",
				 !i		 ? ""
				 : i + 1 < count ? ", "
						 : " and ",
				 names[i]);
	return cv_err_hint(err, "%s has %s", owner, list);
}

/* An unknown word: says which would be right. */
static int unknown_word(const struct cv_noun *noun, const struct cv_group *group, const char *name,
			bool in_yaml, struct cv_err *err)
{
	const struct cv_word *word = find_word(group, name);
	const char *names[CV_MAX_WORDS];
	const char *nearest;
	size_t count = 0;

	for (size_t i = 0; i < group->word_count; i++)
		if (!in_yaml || !group->words[i].is_command_line_only)
			names[count++] = group->words[i].name;
	for (size_t i = 0; i < noun->group_count; i++)
		if (noun->groups[i]->name && (!in_yaml || !group->name))
			names[count++] = group_name(noun->groups[i], in_yaml);
	nearest = cv_nearest(name, names, count);
	cv_err_input(err, "unknown %s \"%s\"", in_yaml ? "key" : "word", name);
	if (in_yaml && word && word->is_command_line_only)
		return cv_err_hint(err,
				   "\"%s\" stands alone on the command line only; "
				   "'culvert %s help' lists the keys",
				   name, noun->name);
	if (nearest)
		return cv_err_hint(err, "did you mean \"%s\"?", nearest);
	if (in_yaml && strchr(name, ':'))
		return cv_err_hint(err, "a key ends with ':' and a blank; quote an IPv6 address");
	if (in_yaml && count <= CV_LISTED_MAX)
		return list_hint(group->name ? group->name : noun->name, names, count, err);
	if (in_yaml)
		return cv_err_hint(err, "a %s has the keys that 'culvert %s help' lists",
				   noun->name, noun->name);
	return cv_err_hint(err, "'culvert %s help' lists the words", noun->name);
}

/* ---- the command line ---- */

/* A word may stand once in its group. */
struct seen {
	const struct cv_word *words[CV_MAX_WORDS];
	size_t count;
};

static int see(struct seen *seen, const struct cv_word *word, struct cv_err *err)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->words[i] == word)
			return cv_err_input(err, "%s: given twice", word->name);
	seen->words[seen->count++] = word;
	return 0;
}

static void forget(struct seen *seen, const struct cv_group *group)
{
	size_t kept = 0;

	for (size_t i = 0; i < seen->count; i++)
		if (seen->words[i] < group->words ||
		    seen->words[i] >= group->words + group->word_count)
			seen->words[kept++] = seen->words[i];
	seen->count = kept;
}

/* Starts another item of a group that may stand several times. NULL (with err filled) if it
 * cannot. */
static void *open_item(const struct cv_group *group, void *conf, struct cv_err *err)
{
	void *item = group->open(conf);

	if (!item)
		cv_err_set(err, -ENOMEM, "%s: out of memory", group->name);
	return item;
}

/* A state is kept as YAML, which has no other texts: a path of other bytes would come back as
 * another one. */
static int check_encoding(const char *word, const char *text, struct cv_err *err)
{
	if (cv_utf8_is_good(text))
		return 0;
	cv_err_input(err, "%s \"%s\": not UTF-8", word, text);
	return cv_err_hint(err, "a state holds no other texts");
}

/* The value of the word at argv[*i], at which *i then stands. "not" and what it stands before are one
 * text, which *joined owns. NULL (with err filled) if there is none. */
static const char *take_value(const struct cv_word *word, int argc, char **argv, int *i,
			      char **joined, struct cv_err *err)
{
	bool is_not = *i + 1 < argc && word->takes_not && !strcmp(argv[*i + 1], CV_NOT);

	*i += is_not ? 2 : 1;
	if (*i >= argc) {
		cv_err_input(err, "%s: its value is missing", word->name);
		cv_err_hint(err, "%s %s", word->name, word->value);
		return NULL;
	}
	if (!is_not)
		return argv[*i];
	if (asprintf(joined, CV_NOT " %s", argv[*i]) >= 0)
		return *joined;
	*joined = NULL;
	cv_err_set(err, -ENOMEM, "%s: out of memory", word->name);
	return NULL;
}

int cv_words_from_args(const struct cv_noun *noun, void *conf, int argc, char **argv,
		       struct cv_err *err)
{
	const struct cv_group *group = noun->groups[0];
	struct seen seen = { .count = 0 };
	void *target = conf;

	for (int i = 0; i < argc; i++) {
		const struct cv_group *opened = find_group(noun, argv[i], false);
		const struct cv_word *word = find_word(group, argv[i]);
		CV_FREE char *joined = NULL;
		const char *value = NULL;
		int rc;

		if (opened) {
			group = opened;
			target = group->list ? open_item(group, conf, err) : conf;
			if (!target)
				return -ENOMEM;
			if (group->list)
				forget(&seen, group);
			continue;
		}
		if (!word)
			return unknown_word(noun, group, argv[i], false, err);
		rc = see(&seen, word, err);
		if (rc)
			return rc;
		if (word->value) {
			value = take_value(word, argc, argv, &i, &joined, err);
			if (!value || check_encoding(word->name, value, err))
				return err ? err->code : -EINVAL;
		}
		rc = cv_word_parse(word, target, value, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- the state file ---- */

static void report_at(struct cv_report *report, struct cv_err *err, const struct cv_place *place)
{
	cv_err_at(err, place);
	cv_report_error(report, err);
}

/* What YAML took for a mapping may be an IPv6 address: "2001:db8::" is a key "2001:db8:" without a value,
 * "2001: db8::/32" one with a value. */
static int hint_mapping(const struct cv_yaml_node *node, struct cv_err *err)
{
	struct cv_prefix prefix;
	char text[CV_PREFIX_TEXT];

	if (node->kind != CV_YAML_MAPPING)
		return -EINVAL;
	if (node->count == 2 && node->items[1]->kind == CV_YAML_SCALAR &&
	    snprintf(text, sizeof(text), "%s:%s", node->items[0]->text, node->items[1]->text) <
		    (int)sizeof(text) &&
	    !cv_arg_prefix("", text, &prefix, NULL))
		return cv_err_hint(err, "quote it: \"%s\"", text);
	return cv_err_hint(err, "an IPv6 address in { } or [ ] must be quoted");
}

/* Whether a node can be an item of a list. */
static int check_item(const struct cv_word *word, const struct cv_yaml_node *item, size_t number,
		      struct cv_err *err)
{
	const char *text = item->text;

	if (item->kind == CV_YAML_SCALAR && !cv_word_take_not(word, &text))
		return 0;
	if (item->kind == CV_YAML_SCALAR) {
		cv_err_input(err, "%s: item %zu is negated, which only the whole list can be",
			     word->name, number);
		cv_err_hint(err, "as %s: \"" CV_NOT " A,B\"", word->name);
	} else {
		cv_err_input(err, "%s: item %zu is not a single value", word->name, number);
		hint_mapping(item, err);
	}
	return cv_err_at(err, &item->place);
}

/* A scalar, or a sequence of scalars joined by commas, which *joined then owns. NULL (with err
 * filled) if it is neither. */
static const char *value_text(const struct cv_word *word, const struct cv_yaml_node *node,
			      char **joined, struct cv_err *err)
{
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	if (node->kind == CV_YAML_SCALAR)
		return node->text;
	if (node->kind != CV_YAML_SEQUENCE || !word->is_list) {
		cv_err_input(err, "%s: a %s, not a single value", word->name,
			     node->kind == CV_YAML_SEQUENCE ? "list" : "mapping");
		hint_mapping(node, err);
		return NULL;
	}
	stream = open_memstream(joined, &size);
	for (size_t i = 0; stream && i < node->count; i++) {
		if (check_item(word, node->items[i], i + 1, err))
			return NULL;
		fprintf(stream, "%s%s", i ? "," : "", node->items[i]->text);
	}
	if (!stream || cv_finish_file(&stream)) {
		cv_err_set(err, -ENOMEM, "%s: out of memory", word->name);
		return NULL;
	}
	return *joined;
}

static int word_from_yaml(const struct cv_word *word, void *conf, const struct cv_yaml_node *node,
			  struct cv_report *report)
{
	struct cv_err err;
	CV_FREE char *joined = NULL;
	const char *text = value_text(word, node, &joined, &err);
	int rc = -EINVAL;

	if (text && word->may_be_empty && node->kind == CV_YAML_SEQUENCE && !node->count)
		return 0;
	if (text && !*text && word->value) {
		cv_err_input(&err, "%s: has no value", word->name);
		if (!node->is_quoted)
			cv_err_hint(&err, "%s: %s; an IPv6 address in { } or [ ] must be quoted",
				    word->name, word->value);
	} else if (text) {
		rc = cv_word_parse(word, conf, text, &err);
	}
	if (rc)
		report_at(report, &err, &node->place);
	return rc;
}

static int group_from_yaml(const struct cv_noun *noun, const struct cv_group *group, void *conf,
			   const struct cv_yaml_node *node, struct cv_report *report);

/* A list of mappings, one for each item. */
static int items_from_yaml(const struct cv_noun *noun, const struct cv_group *group, void *conf,
			   const struct cv_yaml_node *node, struct cv_report *report)
{
	struct cv_err err;
	int rc = 0;

	if (node->kind != CV_YAML_SEQUENCE) {
		cv_err_input(&err, "%s: not a list", group->list);
		cv_err_hint(&err, "as [{key: value, ...}, ...]");
		report_at(report, &err, &node->place);
		return -EINVAL;
	}
	for (size_t i = 0; i < node->count; i++) {
		void *item = open_item(group, conf, &err);

		if (!item) {
			report_at(report, &err, &node->place);
			return -ENOMEM;
		}
		if (group_from_yaml(noun, group, item, node->items[i], report))
			rc = -EINVAL;
	}
	return rc;
}

static int group_from_yaml(const struct cv_noun *noun, const struct cv_group *group, void *conf,
			   const struct cv_yaml_node *node, struct cv_report *report)
{
	struct cv_err err;
	int rc = 0;

	if (node->kind == CV_YAML_SCALAR && !*node->text && !node->is_quoted)
		return 0; /* "eth0:" alone: nothing is said */
	if (node->kind != CV_YAML_MAPPING) {
		cv_err_input(&err, "%s: not a mapping", group->name ? group->name : noun->name);
		cv_err_hint(&err, "as {key: value, ...}");
		report_at(report, &err, &node->place);
		return -EINVAL;
	}
	for (size_t i = 0; i < node->count; i += 2) {
		const struct cv_yaml_node *key = node->items[i], *value = node->items[i + 1];
		const struct cv_word *word = find_word(group, key->text);
		const struct cv_group *inner =
			group->name ? NULL : find_group(noun, key->text, true);

		if (noun->list_key && !group->name && !strcmp(key->text, noun->list_key))
			continue;
		if (inner) {
			if (inner->list ? items_from_yaml(noun, inner, conf, value, report)
					: group_from_yaml(noun, inner, conf, value, report))
				rc = -EINVAL;
		} else if (word && !word->is_command_line_only) {
			if (word_from_yaml(word, conf, value, report))
				rc = -EINVAL;
		} else {
			unknown_word(noun, group, key->text, true, &err);
			report_at(report, &err, &key->place);
			rc = -EINVAL;
		}
	}
	return rc;
}

int cv_words_from_yaml(const struct cv_noun *noun, void *conf, const struct cv_yaml_node *node,
		       struct cv_report *report)
{
	return group_from_yaml(noun, noun->groups[0], conf, node, report);
}

/* ---- out ---- */

#define CV_VALUE_ROOM 4096

/* Where one value at a time is written, to be looked at before it goes out. There is one for all: a
 * memory stream for each value would take most of the time in which a large state is written. Most
 * values are still in the stream's buffer when they are complete. */
static struct {
	FILE *stream;
	char buffer[CV_VALUE_ROOM]; /* the stream's */
	char *text; /* of a longer value; owned, as is the stream; to the end of the program */
	size_t len, room;
	bool is_short; /* of memory: something is missing in text */
} scratch;

static ssize_t take_bytes(void *cookie, const char *bytes, size_t count)
{
	size_t needed = scratch.len + count + 1;

	(void)cookie;
	if (needed > scratch.room) {
		char *grown = realloc(scratch.text, needed * 2);

		if (!grown) {
			scratch.is_short = true;
			return (ssize_t)count;
		}
		scratch.text = grown;
		scratch.room = needed * 2;
	}
	*(char *)mempcpy(scratch.text + scratch.len, bytes, count) = '\0';
	scratch.len += count;
	return (ssize_t)count;
}

static FILE *open_scratch(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = take_bytes });

	if (!stream)
		return NULL;
	setvbuf(stream, scratch.buffer, _IOFBF, sizeof(scratch.buffer));
	__fsetlocking(stream, FSETLOCKING_BYCALLER);
	return stream;
}

/* The stream for the next value; NULL without memory. */
static FILE *begin_value(void)
{
	scratch.len = 0;
	scratch.is_short = false;
	if (!scratch.stream)
		scratch.stream = open_scratch();
	else
		__fpurge(scratch.stream);
	return scratch.stream;
}

/* What was written since; NULL without memory. Good until the next begin_value(). */
static char *end_value(void)
{
	size_t pending = __fpending(scratch.stream);

	if (!scratch.len && pending < sizeof(scratch.buffer)) {
		scratch.buffer[pending] = '\0';
		return scratch.buffer;
	}
	fflush(scratch.stream);
	return scratch.is_short ? NULL : scratch.text;
}

/* NULL: it is not set, or there is no memory. Good until the next value. */
static char *format_value(const struct cv_word *word, const void *conf)
{
	FILE *stream = begin_value();

	return stream && format_word(word, conf, stream) ? end_value() : NULL;
}

/* The same for what stands first. */
static char *format_key(const struct cv_noun *noun, const void *conf)
{
	FILE *stream = begin_value();

	if (!stream)
		return NULL;
	noun->put_key(conf, stream);
	return end_value();
}

char *cv_key_text(const struct cv_noun *noun, const void *conf)
{
	const char *text = format_key(noun, conf);

	return text ? strdup(text) : NULL;
}

char *cv_word_text(const struct cv_word *word, const void *conf)
{
	const char *text = format_value(word, conf);

	return text ? strdup(text) : NULL;
}

bool cv_key_is(const struct cv_noun *noun, const void *conf, const char *key)
{
	const char *text = format_key(noun, conf);

	return text && !strcmp(text, key);
}

void cv_key_to_yaml(const struct cv_noun *noun, const void *conf, FILE *out)
{
	const char *text = format_key(noun, conf);

	if (noun->list_key)
		cv_yaml_put_scalar(out, text ? text : "");
	else
		cv_yaml_put_name(out, text ? text : "");
}

static void put_yaml_value(const struct cv_word *word, char *text, FILE *out)
{
	const char *rest = text;
	bool is_list = word->is_list && strchr(text, ',') && !cv_word_take_not(word, &rest);
	char *part;

	if (!word->value) {
		fputs(*text ? text : "true", out);
		return;
	}
	if (word->is_name || word->kind == &cv_kind_text) {
		cv_yaml_put_name(out, text);
		return;
	}
	if (!is_list) {
		cv_yaml_put_scalar(out, text);
		return;
	}
	fputc('[', out);
	for (bool is_first = true; (part = strsep(&text, ",")); is_first = false) {
		if (!is_first)
			fputs(", ", out);
		cv_yaml_put_scalar(out, part);
	}
	fputc(']', out);
}

/* Writes "key: value, ..." without braces; true if there was one. */
static bool put_group(const struct cv_group *group, const void *conf, bool is_first, FILE *out)
{
	for (size_t i = 0; i < group->word_count; i++) {
		char *text = format_value(&group->words[i], conf);

		if (!text)
			continue;
		fputs(is_first ? "" : ", ", out);
		fputs(group->words[i].name, out);
		fputs(": ", out);
		put_yaml_value(&group->words[i], text, out);
		is_first = false;
	}
	return !is_first;
}

static void put_items(const struct cv_group *group, const void *conf, FILE *out)
{
	fprintf(out, "%s: [", group->list);
	for (size_t i = 0; i < group->item_count(conf); i++) {
		fputs(i ? ", {" : "{", out);
		put_group(group, group->item(conf, i), true, out);
		fputc('}', out);
	}
	fputc(']', out);
}

void cv_words_to_yaml(const struct cv_noun *noun, const void *conf, FILE *out)
{
	bool has_some = false;

	fputc('{', out);
	if (noun->list_key) {
		fprintf(out, "%s: ", noun->list_key);
		cv_key_to_yaml(noun, conf, out);
		has_some = true;
	}
	for (size_t i = 0; i < noun->group_count; i++) {
		const struct cv_group *group = noun->groups[i];

		if (!group->name) {
			has_some = put_group(group, conf, !has_some, out) || has_some;
			continue;
		}
		if (group->list) {
			if (!group->item_count(conf))
				continue;
			fputs(has_some ? ", " : "", out);
			put_items(group, conf, out);
			has_some = true;
			continue;
		}
		fprintf(out, "%s%s: {", has_some ? ", " : "", group->name);
		put_group(group, conf, true, out);
		fputc('}', out);
		has_some = true;
	}
	fputc('}', out);
}

char *cv_group_text(const struct cv_group *group, const void *conf)
{
	CV_FREE char *all = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;
	bool is_first = true;

	stream = open_memstream(&all, &size);
	for (size_t i = 0; stream && i < group->word_count; i++) {
		const struct cv_word *word = &group->words[i];
		const char *text = format_value(word, conf);

		if (!text)
			continue;
		fprintf(stream, "%s%s%s%s", is_first ? "" : " ", word->name, *text ? " " : "",
			text);
		is_first = false;
	}
	if (!stream || cv_finish_file(&stream))
		return NULL;
	return CV_TAKE_PTR(all);
}

static void put_json_value(struct cv_json *json, const struct cv_word *word, const char *key,
			   const char *text)
{
	const char *p = text;

	while (isdigit((unsigned char)*p))
		p++;
	if (p != text && !*p && !word->is_name)
		cv_json_number(json, key, strtoull(text, NULL, 10));
	else
		cv_json_string(json, key, text);
}

static void put_json_values(struct cv_json *json, const struct cv_word *word, const char *key,
			    const char *text)
{
	CV_FREE char *copy = word->is_list && strchr(text, ',') ? strdup(text) : NULL;
	char *rest = copy, *part;

	if (!copy) {
		put_json_value(json, word, key, text);
		return;
	}
	cv_json_open_array(json, key);
	while ((part = strsep(&rest, ",")))
		put_json_value(json, word, NULL, part);
	cv_json_close(json);
}

void cv_group_to_json(const struct cv_group *group, const void *conf, struct cv_json *json)
{
	for (size_t i = 0; i < group->word_count; i++) {
		const struct cv_word *word = &group->words[i];
		const char *text = format_value(word, conf);
		const char *value = text;

		if (!text)
			continue;
		if (!word->value) {
			cv_json_bool(json, word->name, strcmp(text, "false"));
		} else if (cv_word_take_not(word, &value)) {
			cv_json_open_object(json, word->name);
			put_json_values(json, word, CV_NOT, value);
			cv_json_close(json);
		} else {
			put_json_values(json, word, word->name, text);
		}
	}
}

void cv_group_help(const struct cv_group *group, FILE *out)
{
	if (group->name)
		fprintf(out, "  %s%s\n", group->name,
			group->list ? "   (may stand several times, behind all other words)" : "");
	for (size_t i = 0; i < group->word_count; i++) {
		const struct cv_word *word = &group->words[i];
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s%s%s", group->name ? "  " : "", word->name,
			 word->takes_not ? " [" CV_NOT "]" : "", word->value ? " " : "",
			 word->value ? word->value : "");
		fprintf(out, "  %-34s %s\n", left, word->help);
	}
}

void cv_noun_help(const struct cv_noun *noun, FILE *out)
{
	fprintf(out, "culvert %s: %s\n\n", noun->name, noun->help);
	fprintf(out, "  culvert %s add%s %s WORDS...\n", noun->name,
		noun->has_replace ? "|replace" : "", noun->key);
	fprintf(out, "  culvert %s del %s\n", noun->name, noun->key);
	fprintf(out, "  culvert [-j] [-s] %s [show [%s]]\n", noun->name, noun->key);
	if (noun->verb)
		fprintf(out, "  culvert [-j] %s %s %s\n      %s\n", noun->name, noun->verb->name,
			noun->verb->words, noun->verb->help);
	fputc('\n', out);
	for (size_t i = 0; i < noun->group_count; i++)
		cv_group_help(noun->groups[i], out);
	if (noun->note)
		fprintf(out, "\n%s\n", noun->note);
}
