/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The state file: see config.h. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "own.h"
#include "words.h"
#include "yaml.h"
#include "yaml_scan.h"

#define CV_SECTIONS_MAX 16
#define CV_FAULTY_MAX 256 /* objects beyond it get their consequential faults reported, too */

/* ---- options: words of the state itself ---- */

static int parse_mark_mask(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("mark-mask", text, 1, UINT32_MAX,
			     &((struct cv_state *)conf)->mark_mask, err);
}

static bool format_mark_mask(const void *conf, FILE *out)
{
	uint32_t mask = ((const struct cv_state *)conf)->mark_mask;

	if (mask != CV_DEFAULT_MARK_MASK)
		fprintf(out, "0x%x", mask);
	return mask != CV_DEFAULT_MARK_MASK;
}

static int parse_flow_cache(void *conf, const char *text, struct cv_err *err)
{
	bool is_on = true;
	int rc = cv_arg_flag("flow-cache", text, &is_on, err);

	((struct cv_state *)conf)->flow_cache_is_off = !is_on;
	return rc;
}

static bool format_flow_cache(const void *conf, FILE *out)
{
	bool is_off = ((const struct cv_state *)conf)->flow_cache_is_off;

	if (is_off)
		fputs("false", out);
	return is_off;
}

static const struct cv_word option_words[] = {
	{ .name = "mark-mask",
	  .value = "N",
	  .help = "the bits of packet marks that are culvert's: two or more neighbouring ones (0x7f000000)",
	  .parse = parse_mark_mask,
	  .format = format_mark_mask },
	{ .name = "mark-shared",
	  .help = "go on although somebody else on this host uses some of those bits",
	  .kind = &cv_kind_flag,
	  .offset = offsetof(struct cv_state, mark_is_shared) },
	{ .name = "flow-cache",
	  .help = "remember which rule the packets of a flow met (true)",
	  .parse = parse_flow_cache,
	  .format = format_flow_cache },
};

static void init_options(void *conf)
{
	cv_state_init(conf);
}

static void fini_options(void *conf)
{
	(void)conf;
}

const struct cv_noun cv_config_options = {
	.name = "options",
	.section = "options",
	.help = "what holds for all of a state",
	.groups = { CV_GROUP(CV_WORDS_OF(option_words)) },
	.group_count = 1,
	.conf_size = sizeof(struct cv_state),
	.place_offset = offsetof(struct cv_state, mark_mask_place),
	.init = init_options,
	.fini = fini_options,
};

/* A parse at work. */
struct parse {
	struct cv_state *state;
	struct cv_report *report;
	struct cv_scan *scan; /* where items come from; NULL: from the tree */
	bool has_places;
	bool is_unchecked; /* what objects name may be missing */
	struct cv_place options_place; /* where the options stand; without a line: nowhere yet */
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
	CV_FREE void *conf = malloc(noun->conf_size);
	struct cv_err err;

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

/* ---- sections ---- */

/* The next pair or item of a section, `at` being how many nodes of it were seen. False: there is
 * none, or none that the scanner can read. */
static bool next_item(struct parse *parse, const struct cv_yaml_node *section, size_t *at,
		      const struct cv_yaml_node **key, const struct cv_yaml_node **value)
{
	if (parse->scan)
		return cv_scan_item(parse->scan, key, value) > 0;
	if (*at == section->count)
		return false;
	*key = section->kind == CV_YAML_MAPPING ? section->items[(*at)++] : NULL;
	*value = section->items[(*at)++];
	return true;
}

static void parse_named(struct parse *parse, const struct cv_noun *noun,
			const struct cv_yaml_node *section)
{
	const struct cv_yaml_node *key, *body;
	size_t at = 0;

	if (section->kind != CV_YAML_MAPPING) {
		fault_at(parse, section, "as NAME: {key: value, ...}", "not a mapping of names");
		return;
	}
	while (next_item(parse, section, &at, &key, &body))
		parse_object(parse, noun, key, body);
}

static const struct cv_yaml_node *find_key(const struct cv_yaml_node *mapping, const char *key)
{
	for (size_t i = 0; i < mapping->count; i += 2)
		if (!strcmp(mapping->items[i]->text, key))
			return mapping->items[i + 1];
	return NULL;
}

static void parse_entry(struct parse *parse, const struct cv_noun *noun,
			const struct cv_yaml_node *item)
{
	const struct cv_yaml_node *key =
		item->kind == CV_YAML_MAPPING ? find_key(item, noun->list_key) : NULL;

	if (item->kind != CV_YAML_MAPPING)
		fault_at(parse, item, "as - {to: PREFIX, tunnel: NAME}", "not a mapping");
	else if (!key)
		fault_at(parse, item, "give to: PREFIX", "no \"to\"");
	else if (key->kind != CV_YAML_SCALAR || !*key->text)
		fault_at(parse, key, "a prefix; an IPv6 address in { } or [ ] must be quoted",
			 "to: not a single value");
	else
		parse_object(parse, noun, key, item);
}

static void parse_list(struct parse *parse, const struct cv_noun *noun,
		       const struct cv_yaml_node *section)
{
	const struct cv_yaml_node *key, *item;
	size_t at = 0;

	if (section->kind != CV_YAML_SEQUENCE) {
		fault_at(parse, section, "as - {to: PREFIX, tunnel: NAME}", "not a list");
		return;
	}
	while (next_item(parse, section, &at, &key, &item))
		parse_entry(parse, noun, item);
}

/* One option: a pair of the section. */
static void parse_option(struct parse *parse, const struct cv_yaml_node *key,
			 const struct cv_yaml_node *value)
{
	struct cv_yaml_node *items[] = { (struct cv_yaml_node *)key, (struct cv_yaml_node *)value };
	const struct cv_yaml_node pair = {
		.place = key->place, .kind = CV_YAML_MAPPING, .items = items, .count = 2
	};

	if (parse->has_places && !strcmp(key->text, "mark-mask"))
		parse->state->mark_mask_place = value->place;
	cv_words_from_yaml(&cv_config_options, parse->state, &pair, parse->report);
}

/* A file has one key of that name; another file must not have it, too. */
static bool are_first_options(struct parse *parse, const struct cv_yaml_node *name)
{
	const struct cv_place *first = &parse->options_place;
	struct cv_err err;

	if (!first->line) {
		parse->options_place = name->place;
		return true;
	}
	cv_err_input(&err, "options: given twice, first at %s:%d:%d", first->file, first->line,
		     first->column);
	cv_err_hint(&err, "only one file of a state can have them");
	cv_err_at(&err, &name->place);
	cv_report_error(parse->report, &err);
	return false;
}

static void parse_options(struct parse *parse, const struct cv_yaml_node *name,
			  const struct cv_yaml_node *section)
{
	const struct cv_yaml_node *key, *value;
	size_t at = 0;

	if (is_nothing(section) || !are_first_options(parse, name))
		return;
	if (section->kind != CV_YAML_MAPPING) {
		fault_at(parse, section, "as {mark-mask: 0x7f000000}", "not a mapping");
		return;
	}
	while (next_item(parse, section, &at, &key, &value))
		parse_option(parse, key, value);
}

static void unknown_section(struct parse *parse, const struct cv_yaml_node *key)
{
	const char *names[CV_SECTIONS_MAX] = { cv_config_options.section };
	const char *nearest;
	struct cv_err err;
	size_t count = 1;

	for (size_t i = 0; i < cv_noun_count && count < CV_SECTIONS_MAX; i++)
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
	if (!strcmp(key->text, cv_config_options.section)) {
		parse_options(parse, key, section);
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
		    parse->faulty[i].column == err->place.column &&
		    parse->faulty[i].file == err->place.file)
			return;
	cv_report_error(parse->report, err);
}

int cv_config_check(const struct cv_state *state, struct cv_report *report)
{
	return cv_state_check(state, report_fault, report) ? -EINVAL : 0;
}

/* ---- a text ---- */

/* How a text can be read, which is known when it was tried. */
enum form {
	FORM_TREE, /* by libyaml only: what the scanner made of it, and reported, is void */
	FORM_FAULTY, /* by the scanner, with faults in what the text says */
	FORM_GOOD, /* by the scanner, without a fault */
};

struct source {
	const char *file, *text;
	size_t len;
	enum form form;
};

static enum form parse_scanned(struct parse *parse, const struct source *source)
{
	CV_CLEANUP(cv_scan_free) struct cv_scan *scan = NULL;
	const struct cv_yaml_node *key, *section;
	size_t before = cv_report_errors(parse->report);
	int rc;

	if (cv_scan_new(&scan, source->file, source->text, source->len))
		return FORM_TREE;
	parse->scan = scan;
	while ((rc = cv_scan_section(scan, &key, &section)) > 0)
		parse_section(parse, key, section);
	parse->scan = NULL;
	if (rc)
		return FORM_TREE;
	return cv_report_errors(parse->report) > before ? FORM_FAULTY : FORM_GOOD;
}

/* Reads all of them, saying nothing. Returns true if there is nothing to be said. */
static bool parse_silently(struct parse *parse, struct source *sources, size_t count)
{
	CV_CLEANUP(cv_report_free) struct cv_report *silent = NULL;
	struct cv_report *report = parse->report;
	bool is_good = true;

	if (cv_report_new(&silent, NULL, false))
		return false;
	parse->report = silent;
	for (size_t i = 0; i < count; i++) {
		sources[i].form = parse_scanned(parse, &sources[i]);
		is_good = is_good && sources[i].form == FORM_GOOD;
	}
	parse->report = report;
	return is_good;
}

static void free_tree(struct cv_yaml_node **node)
{
	cv_yaml_free(node);
}

/* With faults that are not of syntax there is a tree, whose own faults are reported too. Returns 0
 * if there is one, or nothing in it. */
static int parse_tree(struct parse *parse, const struct source *source)
{
	CV_CLEANUP(free_tree) struct cv_yaml_node *root = NULL;
	int rc = cv_yaml_parse(&root, source->file, source->text, source->len, parse->report);

	if (root && root->kind != CV_YAML_MAPPING && !is_nothing(root))
		fault_at(parse, root, "devices:, apps:, tunnels:, peers:, routes:, sets:, rules:",
			 "not a mapping");
	else if (root && root->kind == CV_YAML_MAPPING)
		for (size_t i = 0; i < root->count; i += 2)
			parse_section(parse, root->items[i], root->items[i + 1]);
	return root ? 0 : rc;
}

/* Reads all of them once more from the beginning, now that it is known how. Returns 0 if each has a
 * form, or -EINVAL. */
static int parse_aloud(struct parse *parse, const struct source *sources, size_t count)
{
	int rc = 0;

	cv_state_fini(parse->state);
	parse->faulty_count = 0;
	parse->options_place.line = 0;
	for (size_t i = 0; i < count; i++) {
		if (sources[i].form != FORM_TREE)
			parse_scanned(parse, &sources[i]);
		else if (parse_tree(parse, &sources[i]))
			rc = -EINVAL;
	}
	return rc;
}

/* Most texts are good, and read in one go. Faults are reported in a second one, when it is known which
 * texts are for the scanner: of others libyaml says what is wrong, if anything is. */
static int parse_sources(struct parse *parse, struct source *sources, size_t count)
{
	size_t before = cv_report_errors(parse->report);

	for (size_t i = 0; i < count; i++)
		cv_report_source(parse->report, sources[i].file, sources[i].text, sources[i].len);
	/* Where a text cannot be read, it is not known either what is missing. */
	if ((parse_silently(parse, sources, count) || !parse_aloud(parse, sources, count)) &&
	    !parse->is_unchecked)
		cv_state_check(parse->state, report_new_fault, parse);
	return cv_report_errors(parse->report) > before ? -EINVAL : 0;
}

int cv_config_parse(struct cv_state *state, const char *file, const char *text, size_t len,
		    struct cv_report *report)
{
	struct parse parse = { .state = state, .report = report, .has_places = file };
	struct source source = { .file = file ? file : "applied state", .text = text, .len = len };

	return parse_sources(&parse, &source, 1);
}

int cv_config_parse_unchecked(struct cv_state *state, const char *text, size_t len,
			      struct cv_report *report)
{
	struct parse parse = { .state = state, .report = report, .is_unchecked = true };
	struct source source = { .file = "applied state", .text = text, .len = len };

	return parse_sources(&parse, &source, 1);
}

int cv_config_parse_parts(struct cv_state *state, const struct cv_part *parts, size_t count,
			  struct cv_report *report)
{
	struct parse parse = { .state = state, .report = report, .has_places = true };
	CV_FREE struct source *sources = calloc(count, sizeof(*sources));
	struct cv_err err;

	if (!sources) {
		cv_err_set(&err, -ENOMEM, "state file: out of memory");
		cv_report_error(report, &err);
		return -EINVAL;
	}
	for (size_t i = 0; i < count; i++)
		sources[i] = (struct source){ .file = parts[i].file,
					      .text = parts[i].text,
					      .len = parts[i].len };
	return parse_sources(&parse, sources, count);
}

/* ---- out ---- */

void cv_config_line(const struct cv_noun *noun, const void *conf, FILE *out)
{
	fputs(noun->list_key ? "  - " : "  ", out);
	if (!noun->list_key) {
		cv_key_to_yaml(noun, conf, out);
		fputs(": ", out);
	}
	cv_words_to_yaml(noun, conf, out);
	fputc('\n', out);
}

static void put_options(const struct cv_state *state, FILE *out)
{
	CV_FREE char *set = cv_group_text(cv_config_options.groups[0], state);

	if (!set || !*set)
		return;
	fprintf(out, "%s: ", cv_config_options.section);
	cv_words_to_yaml(&cv_config_options, state, out);
	fputc('\n', out);
}

void cv_config_write(const struct cv_state *state, FILE *out)
{
	int locking = __fsetlocking(out, FSETLOCKING_BYCALLER);

	put_options(state, out);
	for (size_t i = 0; i < cv_noun_count; i++) {
		const struct cv_noun *noun = cv_nouns[i];

		if (noun->count(state))
			fprintf(out, "%s:\n", noun->section);
		for (size_t j = 0; j < noun->count(state) && !ferror(out); j++)
			cv_config_line(noun, noun->at(state, j), out);
	}
	__fsetlocking(out, locking);
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

/* A stream that takes only what is expected: it fails at the first difference. */
static ssize_t take_expected(void *cookie, const char *bytes, size_t count)
{
	const char **expected = cookie;

	if (strncmp(*expected, bytes, count) != 0)
		return 0;
	*expected += count;
	return (ssize_t)count;
}

bool cv_config_is(const struct cv_state *state, const char *text)
{
	const char *expected = text;
	CV_FCLOSE FILE *stream =
		fopencookie(&expected, "w", (cookie_io_functions_t){ .write = take_expected });

	if (!stream)
		return false;
	cv_config_write(state, stream);
	return !fflush(stream) && !ferror(stream) && !*expected;
}

size_t cv_config_head_len(const char *text)
{
	static const char begin[] = "rules:\n", later[] = "\nrules:\n";
	const char *found = strstr(text, later);

	assert(cv_nouns[cv_noun_count - 1] == &cv_noun_rule);
	if (!strncmp(text, begin, strlen(begin)))
		return 0;
	return found ? (size_t)(found + 1 - text) : strlen(text);
}
