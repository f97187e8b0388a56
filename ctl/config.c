/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The state file: see config.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "own.h"
#include "words.h"
#include "yaml.h"

#define CV_OPTIONS "options"
#define CV_MARK_MASK "mark-mask"
#define CV_MARK_SHARED "mark-shared"

#define CV_FAULTY_MAX 256 /* objects beyond it get their consequential faults reported, too */

/* A parse at work. */
struct parse {
	struct cv_state *state;
	struct cv_report *report;
	bool has_places;
	/* Objects some word of which was refused: what follows from that is not reported as well. */
	struct cv_place faulty[CV_FAULTY_MAX];
	size_t faulty_count;
};

static void fault_at(struct parse *parse, const struct cv_yaml_node *node, const char *hint,
		     const char *text)
{
	struct cv_err err;

	cv_err_input(&err, "%s", text);
	if (hint)
		cv_err_hint(&err, "%s", hint);
	cv_err_at(&err, &node->place);
	cv_report_error(parse->report, &err);
}

static bool is_nothing(const struct cv_yaml_node *node)
{
	return node->kind == CV_YAML_SCALAR && !*node->text && !node->is_quoted;
}

/* ---- one object ---- */

static void parse_object(struct parse *parse, const struct cv_noun *noun,
			 const struct cv_yaml_node *key, const struct cv_yaml_node *body)
{
	CV_FREE void *conf = calloc(1, noun->conf_size);
	struct cv_err err = { 0 };

	if (!conf) {
		fault_at(parse, key, NULL, "out of memory");
		return;
	}
	noun->init(conf);
	if (parse->has_places)
		*cv_conf_place(noun, conf) = key->place;
	if (noun->set_key(conf, key->text, &err)) {
		cv_err_at(&err, &key->place);
		cv_report_error(parse->report, &err);
		noun->fini(conf);
		return;
	}
	/* It stays in the state, so that what refers to it is not reported as well. */
	if ((cv_words_from_yaml(noun, conf, body, parse->report) ||
	     (parse->has_places && noun->load && noun->load(conf, parse->report))) &&
	    parse->faulty_count < CV_FAULTY_MAX)
		parse->faulty[parse->faulty_count++] = key->place;
	if (noun->add(parse->state, conf, &err))
		cv_report_error(parse->report, &err);
}

/* ---- peers, line by line ---- */

/* Takes text away from the front of a line if it begins with it. */
static bool take(char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Takes a value up to `end`, plain or quoted, and closes it with a zero. NULL if it is neither, as
 * cv_yaml_put_scalar() would write it. */
static char *take_value(char **at, const char *end)
{
	bool is_quoted = take(at, "\"");
	char *value = *at;
	char *last = value + strcspn(value, is_quoted ? "\"\\\n" : ",}\":[]{#& \n");

	*at = last;
	if (last == value || (is_quoted && !take(at, "\"")) || !take(at, end))
		return NULL;
	*last = '\0';
	return value;
}

/* Reads a line as put_object() writes a peer. False if it is anything else, or anything is wrong. */
static bool parse_peer_line(char *line, struct cv_peer_conf *peer)
{
	char *to, *remote, *tunnel;

	if (!take(&line, "  - {to: ") || !(to = take_value(&line, ", remote: ")) ||
	    !(remote = take_value(&line, ", tunnel: ")) || !(tunnel = take_value(&line, "}")) ||
	    *line)
		return false;
	return !cv_arg_prefix("", to, &peer->to, NULL) &&
	       !cv_arg_addr("", remote, &peer->remote, NULL) &&
	       !cv_arg_name("", tunnel, peer->tunnel, NULL);
}

#define CV_PEER_LINE_MAX 256
#define CV_PEER_KEY_COLUMN 10 /* of the value of "to" */

/* The peer of one line of the text, which ends at `end`; false: not one that can be taken. */
static bool take_peer(struct parse *parse, const char *file, const char *text, const char *end,
		      int line)
{
	struct cv_peer_conf peer = { 0 };
	char copy[CV_PEER_LINE_MAX];

	if (end - text >= CV_PEER_LINE_MAX)
		return false;
	memcpy(copy, text, end - text);
	copy[end - text] = '\0';
	if (!parse_peer_line(copy, &peer))
		return false;
	if (parse->has_places)
		peer.place = (struct cv_place){ file, line, CV_PEER_KEY_COLUMN };
	return !cv_state_add_peer(parse->state, &peer, NULL);
}

/* Where the line behind "peers:" begins; NULL: there is none. */
static const char *find_peers(const char *text, size_t len)
{
	static const char key[] = "\npeers:\n";
	const char *found;

	if (len >= strlen(key + 1) && !memcmp(text, key + 1, strlen(key + 1)))
		return text + strlen(key + 1);
	found = memmem(text, len, key, strlen(key));
	return found ? found + strlen(key) : NULL;
}

static int count_lines(const char *text, const char *end)
{
	int lines = 0;

	while (text < end)
		lines += *text++ == '\n';
	return lines;
}

/*
 * Takes the peers out of a text: with 100,000 of them, reading them as YAML is most of what a small
 * command takes. Only lines right behind "peers:" that look just as `save` writes them are taken,
 * and an empty line stands for each in what is left, so that all places stay what they are. Returns
 * what is left, of *rest_len bytes: caller frees, NULL without memory.
 */
static char *take_peers(struct parse *parse, const char *file, const char *text, size_t len,
			size_t *rest_len)
{
	const char *end = text + len, *at = find_peers(text, len), *newline;
	char *rest = malloc(len + 1), *out = rest;
	int line;

	if (!rest)
		return NULL;
	at = at ? at : end;
	out = mempcpy(out, text, at - text);
	line = count_lines(text, at) + 1;
	while ((newline = memchr(at, '\n', end - at)) &&
	       take_peer(parse, file, at, newline, line++)) {
		at = newline + 1;
		*out++ = '\n';
	}
	out = mempcpy(out, at, end - at);
	*out = '\0';
	*rest_len = out - rest;
	return rest;
}

/* ---- sections ---- */

static void parse_named(struct parse *parse, const struct cv_noun *noun,
			const struct cv_yaml_node *section)
{
	if (section->kind != CV_YAML_MAPPING) {
		fault_at(parse, section, "as NAME: {key: value, ...}", "not a mapping of names");
		return;
	}
	for (size_t i = 0; i < section->count; i += 2)
		parse_object(parse, noun, section->items[i], section->items[i + 1]);
}

static const struct cv_yaml_node *find_key(const struct cv_yaml_node *mapping, const char *key)
{
	for (size_t i = 0; i < mapping->count; i += 2)
		if (!strcmp(mapping->items[i]->text, key))
			return mapping->items[i + 1];
	return NULL;
}

static void parse_list(struct parse *parse, const struct cv_noun *noun,
		       const struct cv_yaml_node *section)
{
	if (section->kind != CV_YAML_SEQUENCE) {
		fault_at(parse, section, "as - {to: PREFIX, tunnel: NAME}", "not a list");
		return;
	}
	for (size_t i = 0; i < section->count; i++) {
		const struct cv_yaml_node *item = section->items[i];
		const struct cv_yaml_node *key =
			item->kind == CV_YAML_MAPPING ? find_key(item, noun->list_key) : NULL;

		if (item->kind != CV_YAML_MAPPING)
			fault_at(parse, item, "as - {to: PREFIX, tunnel: NAME}", "not a mapping");
		else if (!key)
			fault_at(parse, item, "give to: PREFIX", "no \"to\"");
		else if (key->kind != CV_YAML_SCALAR || !*key->text)
			fault_at(parse, key,
				 "a prefix; an IPv6 address in { } or [ ] must be quoted",
				 "to: not a single value");
		else
			parse_object(parse, noun, key, item);
	}
}

static int parse_mark_mask(struct parse *parse, const struct cv_yaml_node *value,
			   struct cv_err *err)
{
	if (parse->has_places)
		parse->state->mark_mask_place = value->place;
	return cv_arg_number(CV_MARK_MASK, value->text, 1, UINT32_MAX, &parse->state->mark_mask,
			     err);
}

static int parse_mark_shared(struct parse *parse, const struct cv_yaml_node *value,
			     struct cv_err *err)
{
	return cv_arg_bool(CV_MARK_SHARED, value->text, &parse->state->mark_is_shared, err);
}

static void parse_option(struct parse *parse, const struct cv_yaml_node *key,
			 const struct cv_yaml_node *value)
{
	static const struct {
		const char *key;
		int (*parse)(struct parse *parse, const struct cv_yaml_node *value,
			     struct cv_err *err);
	} options[] = {
		{ CV_MARK_MASK, parse_mark_mask },
		{ CV_MARK_SHARED, parse_mark_shared },
	};
	const struct cv_yaml_node *at = key;
	struct cv_err err;
	int rc = cv_err_input(&err, "unknown key \"%s\"", key->text);

	cv_err_hint(&err, "options has " CV_MARK_MASK " and " CV_MARK_SHARED);
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		if (strcmp(key->text, options[i].key))
			continue;
		at = value;
		rc = value->kind == CV_YAML_SCALAR
			     ? options[i].parse(parse, value, &err)
			     : cv_err_input(&err, "%s: not a single value", key->text);
	}
	if (!rc)
		return;
	cv_err_at(&err, &at->place);
	cv_report_error(parse->report, &err);
}

static void parse_options(struct parse *parse, const struct cv_yaml_node *section)
{
	if (is_nothing(section))
		return;
	if (section->kind != CV_YAML_MAPPING) {
		fault_at(parse, section, "as {" CV_MARK_MASK ": 0x7f000000}", "not a mapping");
		return;
	}
	for (size_t i = 0; i < section->count; i += 2)
		parse_option(parse, section->items[i], section->items[i + 1]);
}

static void unknown_section(struct parse *parse, const struct cv_yaml_node *key)
{
	const char *names[16] = { CV_OPTIONS };
	const char *nearest;
	struct cv_err err;
	size_t count = 1;

	for (size_t i = 0; i < cv_noun_count; i++)
		names[count++] = cv_nouns[i]->section;
	nearest = cv_nearest(key->text, names, count);
	cv_err_input(&err, "unknown key \"%s\"", key->text);
	if (nearest)
		cv_err_hint(&err, "did you mean \"%s\"?", nearest);
	else
		cv_err_hint(&err, "devices, apps, tunnels, peers, routes, sets, rules or options");
	cv_err_at(&err, &key->place);
	cv_report_error(parse->report, &err);
}

static void parse_section(struct parse *parse, const struct cv_yaml_node *key,
			  const struct cv_yaml_node *section)
{
	if (!strcmp(key->text, CV_OPTIONS)) {
		parse_options(parse, section);
		return;
	}
	for (size_t i = 0; i < cv_noun_count; i++) {
		const struct cv_noun *noun = cv_nouns[i];

		if (strcmp(key->text, noun->section))
			continue;
		if (is_nothing(section))
			return;
		if (noun->list_key)
			parse_list(parse, noun, section);
		else
			parse_named(parse, noun, section);
		return;
	}
	unknown_section(parse, key);
}

static void report_fault(const struct cv_err *err, void *arg)
{
	cv_report_error(arg, err);
}

static void report_new_fault(const struct cv_err *err, void *arg)
{
	const struct parse *parse = arg;

	for (size_t i = 0; i < parse->faulty_count; i++)
		if (parse->faulty[i].line == err->place.line &&
		    parse->faulty[i].column == err->place.column)
			return;
	cv_report_error(parse->report, err);
}

int cv_config_check(const struct cv_state *state, struct cv_report *report)
{
	return cv_state_check(state, report_fault, report) ? -EINVAL : 0;
}

static void free_tree(struct cv_yaml_node **node)
{
	cv_yaml_free(node);
}

int cv_config_parse(struct cv_state *state, const char *file, const char *text, size_t len,
		    struct cv_report *report)
{
	CV_CLEANUP(free_tree) struct cv_yaml_node *root = NULL;
	struct parse parse = { .state = state, .report = report, .has_places = file };
	size_t before = cv_report_errors(report), rest_len = 0;
	const char *name = file ? file : "applied state";
	CV_FREE char *rest = take_peers(&parse, name, text, len, &rest_len);
	struct cv_err err;

	/* With faults that are not of syntax there is a tree, whose own faults are reported too. */
	if (rest)
		cv_yaml_parse(&root, name, rest, rest_len, report);
	cv_report_source(report, name, text, len);
	if (!rest) {
		cv_err_set(&err, -ENOMEM, "state file %s: out of memory", name);
		cv_report_error(report, &err);
	}
	if (root && root->kind != CV_YAML_MAPPING && !is_nothing(root))
		fault_at(&parse, root, "devices:, apps:, tunnels:, peers:, routes:, sets:, rules:",
			 "not a mapping");
	else if (root && root->kind == CV_YAML_MAPPING)
		for (size_t i = 0; i < root->count; i += 2)
			parse_section(&parse, root->items[i], root->items[i + 1]);
	if (root || cv_report_errors(report) == before)
		cv_state_check(state, report_new_fault, &parse);
	return cv_report_errors(report) > before ? -EINVAL : 0;
}

/* ---- out ---- */

static void put_object(const struct cv_noun *noun, const void *conf, FILE *out)
{
	CV_FREE char *key = cv_key_text(noun, conf);

	fputs(noun->list_key ? "  - " : "  ", out);
	if (!noun->list_key) {
		cv_yaml_put_scalar(out, key ? key : "");
		fputs(": ", out);
	}
	cv_words_to_yaml(noun, conf, out);
	fputc('\n', out);
}

static void put_options(const struct cv_state *state, FILE *out)
{
	bool has_mask = state->mark_mask != CV_DEFAULT_MARK_MASK;

	if (!has_mask && !state->mark_is_shared)
		return;
	fputs(CV_OPTIONS ": {", out);
	if (has_mask)
		fprintf(out, CV_MARK_MASK ": 0x%x", state->mark_mask);
	if (state->mark_is_shared)
		fprintf(out, "%s" CV_MARK_SHARED ": true", has_mask ? ", " : "");
	fputs("}\n", out);
}

void cv_config_write(const struct cv_state *state, FILE *out)
{
	put_options(state, out);
	for (size_t i = 0; i < cv_noun_count; i++) {
		const struct cv_noun *noun = cv_nouns[i];

		if (noun->count(state))
			fprintf(out, "%s:\n", noun->section);
		for (size_t j = 0; j < noun->count(state); j++)
			put_object(noun, noun->at(state, j), out);
	}
}

char *cv_config_text(const struct cv_state *state)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	if (!stream)
		return NULL;
	cv_config_write(state, stream);
	return cv_finish_file(&stream) ? NULL : CV_TAKE_PTR(text);
}
