/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state file's text to a tree with places: see yaml.h. Everything the subset leaves out is
 * refused here; what keys and values mean is not known here. libyaml is used in this file only.
 */
#include "yaml.h"

#include <arpa/inet.h>
#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h> /* libyaml's: found because ctl/ is searched for "yaml.h" only (-iquote) */

#include "out.h"
#include "own.h"

#define BOM "\xef\xbb\xbf"

#define HINT_IPV6 "quote an IPv6 address that starts or ends with ':' or stands in [ ]"
#define HINT_TAB "use blanks, not tabs, to indent"
#define HINT_QUOTE "quote a value that begins with one of % @ * & ! | > `"
#define HINT_UTF8 "a state file is UTF-8: save it so"
#define HINT_BLANK "a key ends with ':' and a blank"

/* Where we are in the text. Lines end with newlines only, as in an editor: libyaml has others. */
struct cursor {
	const char *at;
	size_t index; /* characters before at */
	int line, column; /* from 1 */
};

struct parse {
	yaml_parser_t parser;
	struct cursor cursor;
	const char *file, *text, *end; /* text is behind a byte order mark */
	struct cv_report *report;
	bool has_faults;
};

static void rewind_cursor(struct parse *parse)
{
	parse->cursor = (struct cursor){ .at = parse->text, .line = 1, .column = 1 };
}

static void step_cursor(struct parse *parse)
{
	struct cursor *cursor = &parse->cursor;

	cursor->index++;
	if (cv_utf8_next(&cursor->at, parse->end) == '\n') {
		cursor->line++;
		cursor->column = 1;
	} else {
		cursor->column++;
	}
}

static struct cv_place here(const struct parse *parse)
{
	return (struct cv_place){ .file = parse->file,
				  .line = parse->cursor.line,
				  .column = parse->cursor.column };
}

/* Marks come in the order of the text, but for those of a syntax error. */
static struct cv_place place_of(struct parse *parse, const yaml_mark_t *mark)
{
	if (mark->index < parse->cursor.index)
		rewind_cursor(parse);
	while (parse->cursor.index < mark->index && parse->cursor.at < parse->end)
		step_cursor(parse);
	return here(parse);
}

static struct cv_place place_of_byte(struct parse *parse, size_t offset)
{
	rewind_cursor(parse);
	while ((size_t)(parse->cursor.at - parse->text) < offset && parse->cursor.at < parse->end)
		step_cursor(parse);
	return here(parse);
}

static void report_fault(struct parse *parse, const struct cv_place *place, const char *hint,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void report_fault(struct parse *parse, const struct cv_place *place, const char *hint,
			 const char *format, ...)
{
	struct cv_err err;
	char text[sizeof(err.text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cv_err_input(&err, "%s", text);
	cv_err_at(&err, place);
	if (hint)
		cv_err_hint(&err, "%s", hint);
	cv_report_error(parse->report, &err);
	parse->has_faults = true;
}

static int report_memory(struct parse *parse)
{
	struct cv_err err;

	cv_err_set(&err, -ENOMEM, "state file %s: %s", parse->file, strerrordesc_np(ENOMEM));
	cv_report_error(parse->report, &err);
	parse->has_faults = true;
	return -EINVAL;
}

/* A run of the characters of an address; quoted ones and parts of words are passed over. */
struct run {
	const char *from, *to;
};

static bool next_run(struct run *run, const char *line, const char *end)
{
	static const char chars[] = "0123456789abcdefABCDEF:.";

	for (const char *at = run->to; at < end; at = run->to) {
		size_t len = 0;

		while (at + len < end && at[len] && strchr(chars, at[len]))
			len++;
		run->from = at;
		run->to = at + (len ? len : 1);
		if (len && (at == line || !strchr("\"'_", at[-1])))
			return true;
	}
	return false;
}

static bool is_ipv6(const char *from, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (len >= sizeof(text))
		return false;
	memcpy(text, from, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

/* Is there an unquoted address that begins or ends with ':', or one of the form [ADDR]:PORT? */
static bool has_ipv6_trap(const char *line, const char *end)
{
	struct run run = { .to = line };

	while (next_run(&run, line, end)) {
		char next = '\0';

		if (run.to < end)
			next = *run.to;
		if (!is_ipv6(run.from, (size_t)(run.to - run.from)))
			continue;
		if (run.from[0] == ':')
			return true;
		if (run.to[-1] == ':' && next != '/' && next != '%')
			return true;
		if (run.from > line && run.from[-1] == '[' && end - run.to > 1 && next == ']' &&
		    run.to[1] == ':')
			return true;
	}
	return false;
}

static char char_at(struct parse *parse, const yaml_mark_t *mark)
{
	place_of(parse, mark);
	return parse->cursor.at < parse->end ? *parse->cursor.at : '\0';
}

static bool is_trap_char(char found)
{
	return found && strchr("%@*&!|>`", found);
}

static bool is_ipv6_line(struct parse *parse, const yaml_mark_t *mark)
{
	const char *line, *end;

	place_of(parse, mark);
	line = parse->cursor.at;
	while (line > parse->text && line[-1] != '\n')
		line--;
	end = memchr(line, '\n', (size_t)(parse->end - line));
	return has_ipv6_trap(line, end ? end : parse->end);
}

/* The traps of this field, looked for where libyaml stopped and where the thing it read began. */
static const char *find_hint(struct parse *parse)
{
	const yaml_parser_t *parser = &parse->parser;
	const yaml_mark_t *mark = &parser->problem_mark, *context = &parser->context_mark;

	if (char_at(parse, mark) == '\t')
		return HINT_TAB;
	if (is_trap_char(char_at(parse, mark)))
		return HINT_QUOTE;
	if (parser->context && is_trap_char(char_at(parse, context)))
		return HINT_QUOTE;
	if (is_ipv6_line(parse, mark) || (parser->context && is_ipv6_line(parse, context)))
		return HINT_IPV6;
	if (strcmp(parser->problem, "could not find expected ':'") == 0)
		return HINT_BLANK;
	return NULL;
}

static void report_bytes(struct parse *parse)
{
	const yaml_parser_t *parser = &parse->parser;
	struct cv_place place = place_of_byte(parse, parser->problem_offset);
	const char *hint = strstr(parser->problem, "UTF-8") ? HINT_UTF8 : NULL;

	if (parser->problem_value >= 0)
		report_fault(parse, &place, hint, "%s (0x%02x)", parser->problem,
			     (unsigned int)parser->problem_value);
	else
		report_fault(parse, &place, hint, "%s", parser->problem);
}

/* Keys without ':' and quoted scalars without end are noticed far behind: show their beginning. */
static bool is_noticed_late(const yaml_parser_t *parser)
{
	return parser->context && (strstr(parser->context, "simple key") ||
				   strcmp(parser->problem, "found unexpected end of stream") == 0);
}

static void report_syntax(struct parse *parse)
{
	const yaml_parser_t *parser = &parse->parser;
	const char *hint = find_hint(parse);
	struct cv_place begun = place_of(parse, &parser->context_mark);
	struct cv_place place = place_of(parse, &parser->problem_mark);

	if (is_noticed_late(parser))
		place = begun;
	if (!parser->context || strstr(parser->context, "for the next token"))
		report_fault(parse, &place, hint, "%s", parser->problem);
	else if (begun.line == place.line)
		report_fault(parse, &place, hint, "%s %s", parser->problem, parser->context);
	else
		report_fault(parse, &place, hint, "%s %s that begins on line %d", parser->problem,
			     parser->context, begun.line);
}

/* Returns 0, or -EINVAL when there is nothing more to read; the fault is reported. */
static int next_event(struct parse *parse, yaml_event_t *event)
{
	const yaml_parser_t *parser = &parse->parser;

	yaml_event_delete(event);
	if (yaml_parser_parse(&parse->parser, event))
		return 0;
	if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
		return report_memory(parse);
	if (parser->error == YAML_READER_ERROR)
		report_bytes(parse);
	else
		report_syntax(parse);
	return -EINVAL;
}

void cv_yaml_free(struct cv_yaml_node **node)
{
	struct cv_yaml_node *old = *node;

	*node = NULL;
	if (!old)
		return;
	for (size_t i = 0; i < old->count; i++)
		cv_yaml_free(&old->items[i]);
	free(old->items);
	free(old->text);
	free(old);
}

/* Takes item. Doubles the room whenever count is a power of two. */
static int add_item(struct cv_yaml_node *parent, struct cv_yaml_node **item)
{
	size_t count = parent->count;

	if (!(count & (count - 1))) {
		struct cv_yaml_node **items =
			reallocarray(parent->items, count ? count * 2 : 1, sizeof(*items));

		if (!items)
			return -ENOMEM;
		parent->items = items;
	}
	parent->items[parent->count++] = CV_TAKE_PTR(*item);
	return 0;
}

static void check_properties(struct parse *parse, const struct cv_place *place,
			     const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		report_fault(parse, place, HINT_QUOTE, "anchors (&%.64s) are not supported",
			     (const char *)anchor);
	if (tag && strcmp((const char *)tag, "!") != 0)
		report_fault(parse, place, HINT_QUOTE, "tags (%.64s) are not supported",
			     (const char *)tag);
}

/* An alias stands for an empty scalar, so that the parse can go on. */
static void check_alias(struct parse *parse, const struct cv_place *place,
			const yaml_event_t *event)
{
	report_fault(parse, place, HINT_QUOTE, "aliases (*%.64s) are not supported",
		     (const char *)event->data.alias.anchor);
}

static int fill_scalar(struct parse *parse, const yaml_event_t *event, struct cv_yaml_node *node)
{
	const char *text = (const char *)event->data.scalar.value;
	yaml_scalar_style_t style = event->data.scalar.style;

	check_properties(parse, &node->place, event->data.scalar.anchor, event->data.scalar.tag);
	if (strlen(text) != event->data.scalar.length)
		report_fault(parse, &node->place, NULL, "a value must not contain a zero byte");
	node->is_quoted = style != YAML_PLAIN_SCALAR_STYLE && style != YAML_ANY_SCALAR_STYLE;
	node->text = strdup(text);
	return node->text ? 0 : report_memory(parse);
}

static int compare_keys(const void *a, const void *b)
{
	const struct cv_yaml_node *first = a, *second = b;

	return strcmp(first->text, second->text);
}

static void keep_key(void *key)
{
	(void)key;
}

static void free_keys(void **keys)
{
	tdestroy(*keys, keep_key);
}

/* Returns 1 for a key that was reported: its pair is left out of the tree. keys: the keys of the
 * mapping so far, a search tree (a list would be slow for 100,000 keys). */
static int check_key(struct parse *parse, const struct cv_yaml_node *key, void **keys)
{
	struct cv_yaml_node **found;

	if (key->kind != CV_YAML_SCALAR) {
		report_fault(parse, &key->place, NULL, "a key must be a word, not a %s",
			     key->kind == CV_YAML_MAPPING ? "mapping" : "sequence");
		return 1;
	}
	if (!key->is_quoted && strcmp(key->text, "<<") == 0) {
		report_fault(parse, &key->place, NULL, "merge keys (<<) are not supported");
		return 1;
	}
	found = tsearch(key, keys, compare_keys);
	if (!found)
		return report_memory(parse);
	if (*found == key)
		return 0;
	report_fault(parse, &key->place, NULL, "duplicate key \"%.64s\", first on line %d",
		     key->text, (*found)->place.line);
	return 1;
}

static int build_node(struct parse *parse, const yaml_event_t *event, int depth,
		      struct cv_yaml_node **out);

/* The items up to the end event; a mapping's are key, value, key, value. */
static int build_items(struct parse *parse, struct cv_yaml_node *node, int depth,
		       yaml_event_type_t end)
{
	void *keys CV_CLEANUP(free_keys) = NULL;
	bool is_left_out = false; /* the value to come is of a key that was refused */

	for (;;) {
		yaml_event_t event CV_CLEANUP(yaml_event_delete) = { 0 };
		struct cv_yaml_node *item CV_CLEANUP(cv_yaml_free) = NULL;
		bool is_key = node->kind == CV_YAML_MAPPING && node->count % 2 == 0 && !is_left_out;
		int rc = 0;

		if (next_event(parse, &event) < 0)
			return -EINVAL;
		if (event.type == end)
			return 0;
		if (build_node(parse, &event, depth, &item) < 0)
			return -EINVAL;
		if (is_key)
			rc = check_key(parse, item, &keys);
		if (rc < 0)
			return -EINVAL;
		if (!rc && !is_left_out && add_item(node, &item) < 0)
			return report_memory(parse);
		is_left_out = rc;
	}
}

/* Too deep ends the parse: libyaml's time grows with the square of the depth. */
static int fill_collection(struct parse *parse, const yaml_event_t *event, int depth,
			   struct cv_yaml_node *node)
{
	if (depth > CV_YAML_DEPTH) {
		report_fault(parse, &node->place, NULL, "nested more than %d deep", CV_YAML_DEPTH);
		return -EINVAL;
	}
	if (event->type == YAML_SEQUENCE_START_EVENT) {
		check_properties(parse, &node->place, event->data.sequence_start.anchor,
				 event->data.sequence_start.tag);
		node->kind = CV_YAML_SEQUENCE;
		return build_items(parse, node, depth + 1, YAML_SEQUENCE_END_EVENT);
	}
	check_properties(parse, &node->place, event->data.mapping_start.anchor,
			 event->data.mapping_start.tag);
	node->kind = CV_YAML_MAPPING;
	return build_items(parse, node, depth + 1, YAML_MAPPING_END_EVENT);
}

/* The node that begins with event. depth: of this node, from 1; recursion ends at CV_YAML_DEPTH. */
static int build_node(struct parse *parse, const yaml_event_t *event, int depth,
		      struct cv_yaml_node **out)
{
	struct cv_yaml_node *node CV_CLEANUP(cv_yaml_free) = calloc(1, sizeof(*node));
	int code = 0;

	if (!node)
		return report_memory(parse);
	node->kind = CV_YAML_SCALAR;
	node->place = place_of(parse, &event->start_mark);
	if (event->type == YAML_SCALAR_EVENT) {
		code = fill_scalar(parse, event, node);
	} else if (event->type == YAML_ALIAS_EVENT) {
		check_alias(parse, &node->place, event);
		node->text = strdup("");
		code = node->text ? 0 : report_memory(parse);
	} else {
		code = fill_collection(parse, event, depth, node);
	}
	if (code == 0)
		*out = CV_TAKE_PTR(node);
	return code;
}

static void check_directives(struct parse *parse, const yaml_event_t *event)
{
	struct cv_place place = place_of(parse, &event->start_mark);

	if (event->data.document_start.version_directive ||
	    event->data.document_start.tag_directives.start !=
		    event->data.document_start.tag_directives.end)
		report_fault(parse, &place, NULL, "directives (%%YAML, %%TAG) are not supported");
}

/* Reads to the end of the stream. Further documents are read for their faults only. */
static int build_documents(struct parse *parse, struct cv_yaml_node **out)
{
	yaml_event_t event CV_CLEANUP(yaml_event_delete) = { 0 };
	struct cv_yaml_node *first CV_CLEANUP(cv_yaml_free) = NULL;
	size_t documents = 0;

	do {
		struct cv_yaml_node *root CV_CLEANUP(cv_yaml_free) = NULL;
		struct cv_place place;

		if (next_event(parse, &event) < 0)
			return -EINVAL;
		if (event.type != YAML_DOCUMENT_START_EVENT)
			continue;
		place = place_of(parse, &event.start_mark);
		if (documents++ == 1)
			report_fault(parse, &place, NULL, "a state file is one document only");
		check_directives(parse, &event);
		if (next_event(parse, &event) < 0 || build_node(parse, &event, 1, &root) < 0)
			return -EINVAL;
		if (documents == 1)
			first = CV_TAKE_PTR(root);
	} while (event.type != YAML_STREAM_END_EVENT);
	*out = CV_TAKE_PTR(first);
	return 0;
}

/* A document of nothing but "---" is an empty file too. */
static bool is_empty(const struct cv_yaml_node *root)
{
	return root && root->kind == CV_YAML_SCALAR && !root->is_quoted && !root->text[0];
}

static void free_parser(struct parse *parse)
{
	yaml_parser_delete(&parse->parser);
}

int cv_yaml_parse(struct cv_yaml_node **out, const char *file, const char *text, size_t len,
		  struct cv_report *report)
{
	struct parse parse CV_CLEANUP(free_parser) = { .file = file, .report = report };
	struct cv_yaml_node *root CV_CLEANUP(cv_yaml_free) = NULL;
	size_t skip = len >= strlen(BOM) && !memcmp(text, BOM, strlen(BOM)) ? strlen(BOM) : 0;

	parse.text = text + skip;
	parse.end = text + len;
	rewind_cursor(&parse);
	if (!yaml_parser_initialize(&parse.parser))
		return report_memory(&parse);
	yaml_parser_set_encoding(&parse.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parse.parser, (const unsigned char *)parse.text, len - skip);
	if (build_documents(&parse, &root) < 0)
		return -EINVAL;
	if (is_empty(root))
		cv_yaml_free(&root);
	*out = CV_TAKE_PTR(root);
	return parse.has_faults ? -EINVAL : 0;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Plain only where no YAML reader can see anything else: words, numbers, paths, IPv4 prefixes. */
static bool is_plain(const char *text)
{
	if (!is_alnum(text[0]) && text[0] != '/' && text[0] != '_')
		return false;
	for (const char *at = text; *at; at++)
		if (!is_alnum(*at) && *at != '/' && *at != '_' && *at != '.' && *at != '+' &&
		    *at != '-')
			return false;
	return strcasecmp(text, "null") != 0;
}

/* What may not stand in a YAML file, or would be taken for a line break or a byte order mark. */
static bool must_escape(int32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
	       code == 0xfeff || code == 0xfffe || code == 0xffff || code == '"' || code == '\\';
}

static void put_escape(FILE *stream, int32_t code)
{
	if (code == '"' || code == '\\')
		fprintf(stream, "\\%c", code);
	else if (code == '\n')
		fputs("\\n", stream);
	else if (code == '\t')
		fputs("\\t", stream);
	else if (code < 0x100)
		fprintf(stream, "\\x%02X", (unsigned int)code);
	else
		fprintf(stream, "\\u%04X", (unsigned int)code);
}

/* Words that YAML 1.1 has for true, false and nothing; numbers and dates begin with a digit. */
static bool is_no_name(const char *text)
{
	static const char *const words[] = { "y",   "n",    "yes",   "no",  "on",
					     "off", "true", "false", "null" };

	if (*text >= '0' && *text <= '9')
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if ((*text | 0x20) == *words[i] && !strcasecmp(text, words[i]))
			return true;
	return false;
}

static void put_quoted(FILE *stream, const char *text)
{
	const char *end = text + strlen(text);

	fputc('"', stream);
	while (text < end) {
		const char *start = text;
		int32_t code = cv_utf8_next(&text, end);

		if (code < 0)
			fputs("\xef\xbf\xbd", stream);
		else if (must_escape(code))
			put_escape(stream, code);
		else
			fwrite(start, 1, (size_t)(text - start), stream);
	}
	fputc('"', stream);
}

void cv_yaml_put_scalar(FILE *stream, const char *text)
{
	if (is_plain(text))
		fputs(text, stream);
	else
		put_quoted(stream, text);
}

bool cv_yaml_is_plain_name(const char *text)
{
	return is_plain(text) && !is_no_name(text);
}

void cv_yaml_put_name(FILE *stream, const char *text)
{
	if (cv_yaml_is_plain_name(text))
		fputs(text, stream);
	else
		put_quoted(stream, text);
}
