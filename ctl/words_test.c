/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of words.c with a noun of their own: words from the command line and from YAML, and
 * out again as YAML, as words, as JSON and as help. Then the real nouns: that their tables are
 * whole, and what one line of words each means.
 */
#include "words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "args.h"
#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MAX_ARGS 40

/* ---- a noun with one word of each kind ---- */

struct thing {
	char key[CV_NAME_MAX + 1];
	bool is_wet;
	bool has_size;
	uint32_t size;
	char color[16];
	struct cv_ranges ports;
	bool has_inner_size;
	uint32_t inner_size;
	bool is_loud;
	struct cv_place place;
};

static int parse_wet(void *conf, const char *text, struct cv_err *err)
{
	struct thing *thing = conf;

	thing->is_wet = true;
	return text ? cv_arg_bool("wet", text, &thing->is_wet, err) : 0;
}

static bool format_wet(const void *conf, FILE *out)
{
	if (!((const struct thing *)conf)->is_wet)
		fputs("false", out);
	return true;
}

static int parse_size(void *conf, const char *text, struct cv_err *err)
{
	((struct thing *)conf)->has_size = true;
	return cv_arg_number("size", text, 1, 99, &((struct thing *)conf)->size, err);
}

static bool format_size(const void *conf, FILE *out)
{
	const struct thing *thing = conf;

	if (thing->has_size)
		fprintf(out, "%u", thing->size);
	return thing->has_size;
}

static int parse_color(void *conf, const char *text, struct cv_err *err)
{
	struct thing *thing = conf;

	if (strlen(text) >= sizeof(thing->color))
		return cv_err_input(err, "color \"%s\": too long", text);
	strcpy(thing->color, text);
	return 0;
}

static bool format_color(const void *conf, FILE *out)
{
	fputs(((const struct thing *)conf)->color, out);
	return ((const struct thing *)conf)->color[0];
}

static int parse_ports(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_port_ranges("ports", text, &((struct thing *)conf)->ports, err);
}

static bool format_ports(const void *conf, FILE *out)
{
	cv_put_ranges(out, &((const struct thing *)conf)->ports);
	return ((const struct thing *)conf)->ports.count;
}

static int parse_inner_size(void *conf, const char *text, struct cv_err *err)
{
	((struct thing *)conf)->has_inner_size = true;
	return cv_arg_number("size", text, 1, 9, &((struct thing *)conf)->inner_size, err);
}

static bool format_inner_size(const void *conf, FILE *out)
{
	const struct thing *thing = conf;

	if (thing->has_inner_size)
		fprintf(out, "%u", thing->inner_size);
	return thing->has_inner_size;
}

static int parse_loud(void *conf, const char *text, struct cv_err *err)
{
	(void)text;
	(void)err;
	((struct thing *)conf)->is_loud = true;
	return 0;
}

static const struct cv_word outer_words[] = {
	{ .name = "wet", .help = "is it?", .parse = parse_wet, .format = format_wet },
	{ .name = "size",
	  .value = "N",
	  .help = "how large",
	  .parse = parse_size,
	  .format = format_size },
	{ .name = "color",
	  .value = "NAME",
	  .help = "which",
	  .parse = parse_color,
	  .format = format_color },
	{ .name = "ports",
	  .value = "N[,...]",
	  .help = "several",
	  .is_list = true,
	  .parse = parse_ports,
	  .format = format_ports },
};

static const struct cv_word inner_words[] = {
	{ .name = "size",
	  .value = "N",
	  .help = "how large inside",
	  .parse = parse_inner_size,
	  .format = format_inner_size },
	{ .name = "loud",
	  .help = "short for something",
	  .is_command_line_only = true,
	  .parse = parse_loud },
};

static const struct cv_group outer = { NULL, CV_WORDS_OF(outer_words) };
static const struct cv_group inner = { "inside", CV_WORDS_OF(inner_words) };

static void put_thing_key(const void *conf, FILE *out)
{
	fputs(((const struct thing *)conf)->key, out);
}

#define CV_THING                                                                                   \
	.name = "thing", .section = "things", .key = "NAME", .help = "things",                     \
	.groups = { CV_GROUP(CV_WORDS_OF(outer_words)),                                            \
		    CV_GROUP(.name = "inside", CV_WORDS_OF(inner_words)) },                        \
	.group_count = 2, .conf_size = sizeof(struct thing),                                       \
	.place_offset = offsetof(struct thing, place), .put_key = put_thing_key

static const struct cv_noun thing_noun = { CV_THING, .has_replace = true };
static const struct cv_noun listed_noun = { CV_THING, .list_key = "name" };

/* ---- the command line ---- */

/* Splits at blanks and fills the conf. */
static int from_words(const struct cv_noun *noun, void *conf, const char *words, struct cv_err *err)
{
	CV_FREE char *copy = strdup(words);
	char *argv[MAX_ARGS + 1] = { NULL };
	char *rest = copy, *word;
	int argc = 0;

	assert_non_null(copy);
	while ((word = strsep(&rest, " ")) && argc < MAX_ARGS)
		if (*word)
			argv[argc++] = word;
	return cv_words_from_args(noun, conf, argc, argv, err);
}

static char *yaml_of(const struct cv_noun *noun, const void *conf)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	cv_words_to_yaml(noun, conf, stream);
	fclose(stream);
	return text;
}

static void words_come_in_any_order(void **state)
{
	static const struct {
		const char *words, *yaml;
	} cases[] = {
		{ "", "{wet: false, inside: {}}" },
		{ "size 5", "{wet: false, size: 5, inside: {}}" },
		{ "size 5 color red wet ports 1,2-3",
		  "{wet: true, size: 5, color: red, ports: [1, 2-3], inside: {}}" },
		{ "ports 1,2-3 wet color red size 0x5",
		  "{wet: true, size: 5, color: red, ports: [1, 2-3], inside: {}}" },
		{ "ports 7", "{wet: false, ports: 7, inside: {}}" },
		{ "color size size 7", "{wet: false, size: 7, color: size, inside: {}}" },
		{ "color inside", "{wet: false, color: inside, inside: {}}" },
		{ "inside", "{wet: false, inside: {}}" },
		{ "size 5 inside size 6 loud", "{wet: false, size: 5, inside: {size: 6}}" },
		{ "color a:b", "{wet: false, color: \"a:b\", inside: {}}" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct thing thing = { .key = "k" };
		CV_FREE char *yaml = NULL;

		assert_int_equal(from_words(&thing_noun, &thing, cases[i].words, NULL), 0);
		yaml = yaml_of(&thing_noun, &thing);
		assert_string_equal(yaml, cases[i].yaml);
		assert_int_equal(thing.is_loud, strstr(cases[i].words, "loud") != NULL);
		free(thing.ports.items);
	}
}

static void wrong_words_are_named(void **state)
{
	static const struct {
		const char *words, *text, *hint;
	} cases[] = {
		{ "size", "size: its value is missing", "size N" },
		{ "wet ports", "ports: its value is missing", "ports N[,...]" },
		{ "size 5 size 5", "size: given twice", "" },
		{ "wet wet", "wet: given twice", "" },
		{ "inside size 5 loud size 6", "size: given twice", "" },
		{ "siez 5", "unknown word \"siez\"", "did you mean \"size\"?" },
		{ "insdie size 5", "unknown word \"insdie\"", "did you mean \"inside\"?" },
		{ "xyzzy", "unknown word \"xyzzy\"", "'culvert thing help' lists the words" },
		{ "loud", "unknown word \"loud\"", "'culvert thing help' lists the words" },
		{ "inside luod", "unknown word \"luod\"", "did you mean \"loud\"?" },
		{ "inside wet", "unknown word \"wet\"", "'culvert thing help' lists the words" },
		{ "SIZE 5", "unknown word \"SIZE\"", "'culvert thing help' lists the words" },
		{ "siz 5", "unknown word \"siz\"", "did you mean \"size\"?" }, /* no prefixes */
		{ "wet true", "unknown word \"true\"", "'culvert thing help' lists the words" },
		{ "size 100", "size \"100\": not a number from 1 to 99", "" },
		{ "size 5 inside size 10", "size \"10\": not a number from 1 to 9", "" },
		{ "ports 9-7", "ports \"9-7\": the range is inverted", "7-9" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct thing thing = { .key = "k" };
		struct cv_err err;

		assert_int_equal(from_words(&thing_noun, &thing, cases[i].words, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].text);
		assert_string_equal(err.hint, cases[i].hint);
		assert_int_equal(err.kind, CV_ERR_INPUT);
		free(thing.ports.items);
		thing = (struct thing){ .key = "k" };
		assert_int_equal(from_words(&thing_noun, &thing, cases[i].words, NULL), -EINVAL);
		free(thing.ports.items);
	}
}

/* ---- the state file ---- */

/* Parses text, fills the conf, and checks what is reported. */
static void fill_from_yaml(const struct cv_noun *noun, void *conf, const char *text,
			   const char *expected)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_CLEANUP(cv_yaml_free) struct cv_yaml_node *root = NULL;
	CV_FREE char *printed = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&printed, &size);
	assert_non_null(stream);
	assert_int_equal(cv_report_new(&report, stream, false), 0);
	cv_report_source(report, "f", text, strlen(text));
	assert_int_equal(cv_yaml_parse(&root, "f", text, strlen(text), report), 0);
	assert_int_equal(cv_words_from_yaml(noun, conf, root, report), *expected ? -EINVAL : 0);
	cv_report_free(&report);
	cv_finish_file(&stream);
	assert_string_equal(printed, expected);
}

static void keys_of_yaml_are_the_words(void **state)
{
	static const struct {
		const char *text, *yaml;
	} cases[] = {
		{ "{}", "{wet: false, inside: {}}" },
		{ "{wet: true}", "{wet: true, inside: {}}" },
		{ "{wet: false}", "{wet: false, inside: {}}" },
		{ "wet: yes\nsize: 5\ninside:\n  size: 6\n",
		  "{wet: true, size: 5, inside: {size: 6}}" },
		{ "{ports: [1, 2-3]}", "{wet: false, ports: [1, 2-3], inside: {}}" },
		{ "{ports: \"1,2-3\"}", "{wet: false, ports: [1, 2-3], inside: {}}" },
		{ "ports: 1,2-3", "{wet: false, ports: [1, 2-3], inside: {}}" },
		{ "ports:\n- 1\n- 2-3\n", "{wet: false, ports: [1, 2-3], inside: {}}" },
		{ "ports: [\"1,2\", 3]", "{wet: false, ports: [1, 2, 3], inside: {}}" },
		{ "ports: [7]", "{wet: false, ports: 7, inside: {}}" },
		{ "inside:", "{wet: false, inside: {}}" },
		{ "inside: {}", "{wet: false, inside: {}}" },
		{ "color: \"a:b\"", "{wet: false, color: \"a:b\", inside: {}}" },
		{ "color: 'true'", "{wet: false, color: true, inside: {}}" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct thing thing = { .key = "k" };
		CV_FREE char *yaml = NULL;

		fill_from_yaml(&thing_noun, &thing, cases[i].text, "");
		yaml = yaml_of(&thing_noun, &thing);
		assert_string_equal(yaml, cases[i].yaml);
		free(thing.ports.items);
	}
}

#define HINT_IPV6 "an IPv6 address in { } or [ ] must be quoted\n"

static void wrong_keys_are_reported_with_their_places(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "[]", "f:1:1: error: thing: not a mapping\n"
			"    []\n"
			"    ^\n"
			"hint: as {key: value, ...}\n" },
		{ "{inside: 5}", "f:1:10: error: inside: not a mapping\n"
				 "    {inside: 5}\n"
				 "             ^\n"
				 "hint: as {key: value, ...}\n" },
		{ "{siez: 5}", "f:1:2: error: unknown key \"siez\"\n"
			       "    {siez: 5}\n"
			       "     ^\n"
			       "hint: did you mean \"size\"?\n" },
		{ "{xyzzy: 5}", "f:1:2: error: unknown key \"xyzzy\"\n"
				"    {xyzzy: 5}\n"
				"     ^\n"
				"hint: a thing has the keys that 'culvert thing help' lists\n" },
		{ "{wet:::1}", "f:1:2: error: unknown key \"wet:::1\"\n"
			       "    {wet:::1}\n"
			       "     ^\n"
			       "hint: a key ends with ':' and a blank; quote an IPv6 address\n" },
		{ "{inside: {loud: true}}",
		  "f:1:11: error: unknown key \"loud\"\n"
		  "    {inside: {loud: true}}\n"
		  "              ^\n"
		  "hint: \"loud\" stands alone on the command line only; 'culvert thing help' lists the keys\n" },
		{ "{inside: {inside: {}}}", "f:1:11: error: unknown key \"inside\"\n"
					    "    {inside: {inside: {}}}\n"
					    "              ^\n"
					    "hint: inside has size\n" },
		{ "{size: 100}", "f:1:8: error: size \"100\": not a number from 1 to 99\n"
				 "    {size: 100}\n"
				 "           ^\n" },
		{ "{size: }", "f:1:8: error: size: has no value\n"
			      "    {size: }\n"
			      "           ^\n"
			      "hint: size: N; " HINT_IPV6 },
		{ "{size: \"\"}", "f:1:8: error: size: has no value\n"
				  "    {size: \"\"}\n"
				  "           ^\n" },
		{ "{ports: []}", "f:1:9: error: ports: has no value\n"
				 "    {ports: []}\n"
				 "            ^\n"
				 "hint: ports: N[,...]; " HINT_IPV6 },
		{ "{size: [1]}", "f:1:8: error: size: a list, not a single value\n"
				 "    {size: [1]}\n"
				 "           ^\n" },
		{ "{size: {a: b}}", "f:1:8: error: size: a mapping, not a single value\n"
				    "    {size: {a: b}}\n"
				    "           ^\n"
				    "hint: " HINT_IPV6 },
		{ "{ports: {a: b}}", "f:1:9: error: ports: a mapping, not a single value\n"
				     "    {ports: {a: b}}\n"
				     "            ^\n"
				     "hint: " HINT_IPV6 },
		{ "{ports: [1, {a: b}]}", "f:1:13: error: ports: item 2 is not a single value\n"
					  "    {ports: [1, {a: b}]}\n"
					  "                ^\n"
					  "hint: " HINT_IPV6 },
		{ "{wet: maybe}",
		  "f:1:7: error: wet \"maybe\": not one of false, true, off, on, no, yes\n"
		  "    {wet: maybe}\n"
		  "          ^\n" },
		{ "{wet: [true]}", "f:1:7: error: wet: a list, not a single value\n"
				   "    {wet: [true]}\n"
				   "          ^\n" },
		{ "siez: 5\nsize: 0\ninside: {size: 0, lod: 1}\n",
		  "f:1:1: error: unknown key \"siez\"\n"
		  "    siez: 5\n"
		  "    ^\n"
		  "hint: did you mean \"size\"?\n"
		  "f:2:7: error: size \"0\": not a number from 1 to 99\n"
		  "    size: 0\n"
		  "          ^\n"
		  "f:3:16: error: size \"0\": not a number from 1 to 9\n"
		  "    inside: {size: 0, lod: 1}\n"
		  "                   ^\n"
		  "f:3:19: error: unknown key \"lod\"\n"
		  "    inside: {size: 0, lod: 1}\n"
		  "                      ^\n"
		  "hint: inside has size\n" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct thing thing = { .key = "k" };

		fill_from_yaml(&thing_noun, &thing, cases[i].text, cases[i].expected);
		free(thing.ports.items);
	}
}

static void key_of_a_list_is_no_word(void **state)
{
	struct thing thing = { .key = "null" };
	CV_FREE char *yaml = NULL;

	(void)state;
	fill_from_yaml(&listed_noun, &thing, "{size: 5, name: null}", "");
	yaml = yaml_of(&listed_noun, &thing);
	assert_string_equal(yaml, "{name: \"null\", wet: false, size: 5, inside: {}}");
}

/* ---- out ---- */

static const struct cv_range some_ports[] = { { 1, 1 }, { 2, 3 } };

static struct thing full_thing(void)
{
	return (struct thing){
		.key = "k",
		.is_wet = true,
		.has_size = true,
		.size = 5,
		.color = "red",
		.ports = { (struct cv_range *)some_ports, 2 },
		.has_inner_size = true,
		.inner_size = 6,
	};
}

static void word_text_is_the_value_alone(void **state)
{
	struct thing full = full_thing(), empty = { .key = "k" };
	static const char *const expected[] = { "", "5", "red", "1,2-3" };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(outer_words); i++) {
		CV_FREE char *text = cv_word_text(&outer_words[i], &full);
		CV_FREE char *none = cv_word_text(&outer_words[i], &empty);

		assert_string_equal(text, expected[i]);
		if (i)
			assert_null(none);
		else
			assert_string_equal(none, "false");
	}
	assert_null(cv_word_text(&inner_words[1], &full));
}

static void group_text_reads_as_words(void **state)
{
	struct thing full = full_thing(), read = { .key = "k" }, empty = { .key = "k" };
	CV_FREE char *text = cv_group_text(&outer, &full);
	CV_FREE char *inner_text = cv_group_text(&inner, &full);
	CV_FREE char *no_text = cv_group_text(&inner, &empty);
	CV_FREE char *again = NULL;

	(void)state;
	assert_string_equal(text, "wet size 5 color red ports 1,2-3");
	assert_string_equal(inner_text, "size 6");
	assert_string_equal(no_text, "");
	assert_int_equal(from_words(&thing_noun, &read, text, NULL), 0);
	again = cv_group_text(&outer, &read);
	assert_string_equal(again, text);
	free(read.ports.items);
}

static void assert_json(const struct thing *thing, const char *expected)
{
	CV_FREE char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct cv_json json;

	assert_non_null(stream);
	cv_json_init(&json, stream);
	cv_json_open_object(&json, NULL);
	cv_group_to_json(&outer, thing, &json);
	cv_json_close(&json);
	cv_json_end(&json);
	fclose(stream);
	assert_string_equal(text, expected);
}

static void json_has_numbers_bools_and_arrays(void **state)
{
	struct thing full = full_thing(), empty = { .key = "k" };

	(void)state;
	assert_json(&full, "{\"wet\":true,\"size\":5,\"color\":\"red\",\"ports\":[1,\"2-3\"]}\n");
	assert_json(&empty, "{\"wet\":false}\n");
	full.ports.count = 1;
	assert_json(&full, "{\"wet\":true,\"size\":5,\"color\":\"red\",\"ports\":1}\n");
}

static void help_lists_all_words(void **state)
{
	CV_FREE char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_non_null(stream);
	cv_noun_help(&thing_noun, stream);
	fclose(stream);
	assert_string_equal(text, "culvert thing: things\n"
				  "\n"
				  "  culvert thing add|replace NAME WORDS...\n"
				  "  culvert thing del NAME\n"
				  "  culvert [-j] [-s] thing [show [NAME]]\n"
				  "\n"
				  "  wet                                is it?\n"
				  "  size N                             how large\n"
				  "  color NAME                         which\n"
				  "  ports N[,...]                      several\n"
				  "  inside\n"
				  "    size N                           how large inside\n"
				  "    loud                             short for something\n");
}

static void note_follows_the_words_of_help(void **state)
{
	struct cv_noun noun = thing_noun;
	struct cv_group group = *thing_noun.groups[0];
	CV_FREE char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_non_null(stream);
	noun.has_replace = false;
	noun.note = "They are things.";
	group.word_count = 1;
	noun.groups[0] = &group;
	noun.group_count = 1;
	cv_noun_help(&noun, stream);
	fclose(stream);
	assert_string_equal(text, "culvert thing: things\n"
				  "\n"
				  "  culvert thing add NAME WORDS...\n"
				  "  culvert thing del NAME\n"
				  "  culvert [-j] [-s] thing [show [NAME]]\n"
				  "\n"
				  "  wet                                is it?\n"
				  "\n"
				  "They are things.\n");
}

static void place_of_a_conf_is_where_the_noun_says(void **state)
{
	struct thing thing = { .key = "k" };

	(void)state;
	assert_ptr_equal(cv_conf_place(&thing_noun, &thing), &thing.place);
	for (size_t i = 0; i < cv_noun_count; i++)
		assert_true(cv_nouns[i]->place_offset + sizeof(struct cv_place) <=
			    cv_nouns[i]->conf_size);
}

/* ---- words that are one member of the conf ---- */

struct pot {
	char *label;
	bool is_hot;
	struct cv_place place;
};

static int check_label(const char *word, const char *text, struct cv_err *err)
{
	return strlen(text) > 3 ? 0 : cv_err_input(err, "%s \"%s\": too short", word, text);
}

static const struct cv_word pot_words[] = {
	{ .name = "label",
	  .value = "TEXT",
	  .help = "what it says",
	  .kind = &cv_kind_text,
	  .offset = offsetof(struct pot, label),
	  .check = check_label },
	{ .name = "hot",
	  .help = "is it?",
	  .kind = &cv_kind_flag,
	  .offset = offsetof(struct pot, is_hot) },
};

static const struct cv_noun pot_noun = {
	.name = "pot",
	.groups = { CV_GROUP(CV_WORDS_OF(pot_words)) },
	.group_count = 1,
	.conf_size = sizeof(struct pot),
	.place_offset = offsetof(struct pot, place),
};

static void members_are_texts_and_flags(void **state)
{
	static const struct {
		const char *words, *yaml;
	} cases[] = {
		{ "", "{}" },
		{ "hot", "{hot: true}" },
		{ "label null", "{label: \"null\"}" },
		{ "hot label a:bc", "{label: \"a:bc\", hot: true}" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct pot pot = { .label = NULL };
		CV_FREE char *yaml = NULL;

		assert_int_equal(from_words(&pot_noun, &pot, cases[i].words, NULL), 0);
		yaml = yaml_of(&pot_noun, &pot);
		free(pot.label);
		assert_string_equal(yaml, cases[i].yaml);
	}
}

static void texts_are_checked_and_flags_can_be_false(void **state)
{
	struct pot pot = { .label = NULL };
	struct cv_err err;

	(void)state;
	assert_int_equal(from_words(&pot_noun, &pot, "label abc", &err), -EINVAL);
	assert_string_equal(err.text, "label \"abc\": too short");
	assert_null(pot.label);
	assert_int_equal(from_words(&pot_noun, &pot, "label abcd hot", NULL), 0);
	assert_int_equal(from_words(&pot_noun, &pot, "label abcde", NULL), 0);
	assert_string_equal(pot.label, "abcde");
	assert_true(pot.is_hot);
	fill_from_yaml(&pot_noun, &pot, "{hot: false}", "");
	assert_false(pot.is_hot);
	fill_from_yaml(&pot_noun, &pot, "{hot: maybe, label: a}",
		       "f:1:7: error: hot \"maybe\": not one of false, true, off, on, no, yes\n"
		       "    {hot: maybe, label: a}\n"
		       "          ^\n"
		       "f:1:21: error: label \"a\": too short\n"
		       "    {hot: maybe, label: a}\n"
		       "                        ^\n");
	free(pot.label);
}

/* ---- the real nouns ---- */

static void assert_word_is_whole(const struct cv_group *group, const struct cv_word *word)
{
	assert_non_null(word->name);
	assert_non_null(word->help);
	if (word->kind == &cv_kind_flag || word->kind == &cv_kind_text)
		assert_true(!word->parse && !word->format && !word->is_list);
	else
		assert_true(word->parse && !word->offset && !word->check);
	assert_true(!word->takes_not || (word->kind && word->value));
	assert_true(!word->check || word->kind == &cv_kind_text);
	assert_true(word->value || word->kind != &cv_kind_text);
	assert_true(!word->value || word->kind != &cv_kind_flag);
	assert_true(!word->is_list || word->value);
	assert_true(!word->may_be_empty || word->is_list);
	assert_true(!word->is_command_line_only || !word->format);
	for (const struct cv_word *other = group->words; other < word; other++)
		assert_string_not_equal(other->name, word->name);
}

static void tables_of_the_nouns_are_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < cv_noun_count; i++) {
		const struct cv_noun *noun = cv_nouns[i];
		size_t words = 0;

		assert_null(noun->groups[0]->name);
		assert_true(noun->group_count <= CV_MAX_GROUPS);
		assert_true(noun->init && noun->set_key && noun->put_key && noun->fini);
		assert_true(noun->add && noun->find && noun->del && noun->count && noun->at);
		assert_true(noun->show && noun->help && noun->key);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(noun->name, cv_nouns[j]->name);
			assert_string_not_equal(noun->section, cv_nouns[j]->section);
		}
		for (size_t g = 0; g < noun->group_count; g++) {
			const struct cv_group *group = noun->groups[g];

			assert_true(g == 0 || group->name);
			words += group->word_count;
			for (size_t w = 0; w < group->word_count; w++)
				assert_word_is_whole(group, &group->words[w]);
		}
		assert_true(words <= 64); /* CV_MAX_WORDS of words.c */
	}
}

/* One command's words behind the verb, first what stands first. */
static void words_of_the_nouns_mean_what_cli_md_says(void **state)
{
	static const struct {
		const struct cv_noun *noun;
		const char *key, *words, *yaml;
	} cases[] = {
		{ &cv_noun_dev, "eth0", "ingress", "{ingress: true, egress: false}" },
		{ &cv_noun_dev, "eth0", "egress prio 7",
		  "{ingress: false, egress: true, prio: 7}" },
		{ &cv_noun_dev, "veth*", "ingress handle 10 optional",
		  "{ingress: true, egress: false, handle: 0xa, optional: true}" },
		{ &cv_noun_dev, "eth0", "ingress tcx first",
		  "{ingress: true, egress: false, tcx: true, first: true}" },
		{ &cv_noun_dev, "eth0", "ingress tcx last",
		  "{ingress: true, egress: false, tcx: true, last: true}" },
		{ &cv_noun_dev, "eth0", "ingress tcx before 12",
		  "{ingress: true, egress: false, tcx: true, before: \"12\"}" },
		{ &cv_noun_dev, "eth0", "ingress tcx after /run/other/link",
		  "{ingress: true, egress: false, tcx: true, after: /run/other/link}" },
		{ &cv_noun_app, "web", "exe /usr/bin/curl cgroup /a.slice uid 0-99 gid 7 comm c d",
		  NULL },
		{ &cv_noun_app, "web", "exe /usr/bin/curl cgroup /a.slice uid 0-99 gid 7 comm c",
		  "{exe: /usr/bin/curl, cgroup: /a.slice, uid: 0-99, gid: 7, comm: c}" },
		{ &cv_noun_tunnel, "blue", "mode gre local 192.0.2.1 remote 192.0.2.7",
		  "{mode: gre, local: 192.0.2.1, remote: 192.0.2.7}" },
		{ &cv_noun_tunnel, "blue",
		  "mode ipip local 2001:db8::1 remote 2001:db8::7 key 0x2a ttl inherit dscp af21 ecn off df inherit mtu 1400 allow 10.9.0.0/16,::/0",
		  "{mode: ipip, local: \"2001:db8::1\", remote: \"2001:db8::7\", key: 42, ttl: inherit, dscp: 18, ecn: off, df: inherit, mtu: 1400, allow: [10.9.0.0/16, \"::/0\"]}" },
		{ &cv_noun_tunnel, "blue",
		  "mode gre local 192.0.2.1 remote 192.0.2.7 ttl 64 dscp inherit ecn on df on mtu auto",
		  "{mode: gre, local: 192.0.2.1, remote: 192.0.2.7}" },
		{ &cv_noun_tunnel, "blue",
		  "mode gre local 192.0.2.1 remote 192.0.2.7 ttl 255 dscp 0 df off",
		  "{mode: gre, local: 192.0.2.1, remote: 192.0.2.7, ttl: 255, dscp: 0, df: off}" },
		{ &cv_noun_route, "10.9.0.0/16", "tunnel blue", "{to: 10.9.0.0/16, tunnel: blue}" },
		{ &cv_noun_route, "default",
		  "tunnel blue app web metric 0 src 10.8.0.1 via 192.0.2.254 dev eth0 hook xmit",
		  "{to: default, tunnel: blue, app: web, metric: 0, src: 10.8.0.1, via: 192.0.2.254, dev: eth0}" },
		{ &cv_noun_route, "10.9.0.0/16", "tunnel blue hook in,xmit",
		  "{to: 10.9.0.0/16, tunnel: blue, hook: [xmit, in]}" },
		{ &cv_noun_route, "10.9.0.7/32",
		  "hook in type local from 10.0.0.0/8,192.0.2.1 from-tunnel 7 from-mark 1/0xff policy drop",
		  "{to: 10.9.0.7/32, hook: in, type: local, from: [10.0.0.0/8, 192.0.2.1/32], from-tunnel: \"7\", from-mark: 0x1/0xff, policy: drop}" },
		{ &cv_noun_route, "::/0",
		  "hook out type unicast via fe80::1 dev eth0 policy accept",
		  "{to: \"::/0\", via: \"fe80::1\", dev: eth0, hook: out, policy: accept}" },
		{ &cv_noun_route, "10.9.0.0/16", "nhid 7", "{to: 10.9.0.0/16, nhid: 7}" },
		{ &cv_noun_route, "10.9.0.0/16",
		  "metric 5 nexthop tunnel a nexthop weight 256 via 192.0.2.9 dev eth1 tunnel b",
		  "{to: 10.9.0.0/16, metric: 5, nexthops: [{tunnel: a}, {tunnel: b, weight: 256, via: 192.0.2.9, dev: eth1}]}" },
		{ &cv_noun_route, "::/0", "tunnel blue table main",
		  "{to: \"::/0\", tunnel: blue, table: 254}" },
		{ &cv_noun_rule, "r", "", "{match: {}, action: {}}" },
		{ &cv_noun_rule, "r",
		  "prio 10 match dir out app backup action dscp 8 priority 1:30",
		  "{prio: 10, match: {dir: out, app: backup}, action: {priority: \"1:30\", dscp: 8}}" },
		{ &cv_noun_rule, "r", "match proto tcp dport 23 action drop",
		  "{match: {proto: tcp, dport: 23}, action: {verdict: drop}}" },
		{ &cv_noun_rule, "r", "action accept", "{match: {}, action: {verdict: accept}}" },
		{ &cv_noun_rule, "r", "action verdict next",
		  "{match: {}, action: {verdict: next}}" },
		{ &cv_noun_rule, "r", "action next", "{match: {}, action: {verdict: next}}" },
		{ &cv_noun_rule, "r", "action mark 1 continue",
		  "{match: {}, action: {mark: 0x1, verdict: continue}}" },
		{ &cv_noun_rule, "r", "action police 10mbit burst 32k per source",
		  "{match: {}, action: {police: 10mbit, burst: 32kb, per: source}}" },
		{ &cv_noun_rule, "r", "action per app burst 1500 police 125kbps accept",
		  "{match: {}, action: {police: 1mbit, burst: 1500b, per: app, verdict: accept}}" },
		{ &cv_noun_rule, "r", "action police 8 per rule",
		  "{match: {}, action: {police: 8bit}}" },
		{ &cv_noun_rule, "r", "match dir out action pace 1.5gbit sample 1/1000 mirror tap0",
		  "{match: {dir: out}, action: {pace: 1500mbit, sample: 1/1000, mirror: tap0}}" },
		{ &cv_noun_rule, "r", "action redirect eth1",
		  "{match: {}, action: {redirect: eth1}}" },
		{ &cv_noun_rule, "r", "action redirect 17 ingress",
		  "{match: {}, action: {redirect: \"17\", ingress: true}}" },
		{ &cv_noun_rule, "r", "action neigh redirect eth1",
		  "{match: {}, action: {redirect: eth1, neigh: true}}" },
		{ &cv_noun_rule, "r", "match dir in action route-mark web",
		  "{match: {dir: in}, action: {route-mark: web}}" },
		{ &cv_noun_rule, "r",
		  "match dir in dev eth0 app any family 6 src ::/0,2001:db8::1 dst ::1 proto 17 sport 1-2,3 dport 0-65535 dscp ef mark 1/0x3 tunnel blue action mark 0x10 dscp le",
		  "{match: {dir: in, dev: eth0, app: any, family: 6, src: [\"::/0\", \"2001:db8::1/128\"], dst: \"::1/128\", proto: udp, sport: [1-2, 3], dport: 0-65535, dscp: 46, mark: 0x1/0x3, tunnel: blue}, action: {mark: 0x10, dscp: 1}}" },
		{ &cv_noun_rule, "r", "match exact app web action drop",
		  "{match: {app: web, exact: true}, action: {verdict: drop}}" },
		{ &cv_noun_rule, "r", "match mark 0x1/0xffffffff app none action mark 0/0xff",
		  "{match: {app: none, mark: 0x1}, action: {mark: 0x0/0xff}}" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		const struct cv_noun *noun = cases[i].noun;
		CV_FREE void *conf = calloc(1, noun->conf_size);
		CV_FREE char *yaml = NULL;
		int rc;

		assert_non_null(conf);
		noun->init(conf);
		assert_int_equal(noun->set_key(conf, cases[i].key, NULL), 0);
		rc = from_words(noun, conf, cases[i].words, NULL);
		yaml = yaml_of(noun, conf);
		noun->fini(conf);
		assert_int_equal(rc, cases[i].yaml ? 0 : -EINVAL);
		if (cases[i].yaml)
			assert_string_equal(yaml, cases[i].yaml);
	}
}

#define MODES "ipip, gre, gue, fou, vxlan, geneve, srv6"

static void wrong_words_of_the_nouns_are_explained(void **state)
{
	static const struct {
		const struct cv_noun *noun;
		const char *words, *text, *hint;
	} cases[] = {
		{ &cv_noun_dev, "ingres", "unknown word \"ingres\"", "did you mean \"ingress\"?" },
		{ &cv_noun_dev, "prio 0", "prio \"0\": not a number from 1 to 65535", "" },
		{ &cv_noun_dev, "handle 0", "handle \"0\": not a number from 1 to 65535", "" },
		{ &cv_noun_dev, "first last",
		  "last: first, last, before and after exclude each other", "" },
		{ &cv_noun_dev, "before x after x",
		  "after: first, last, before and after exclude each other", "" },
		{ &cv_noun_dev, "prio 65536", "prio \"65536\": not a number from 1 to 65535", "" },
		{ &cv_noun_tunnel, "mode gr", "mode \"gr\": not one of " MODES,
		  "did you mean \"gre\"?" },
		{ &cv_noun_tunnel, "mode none", "mode \"none\": not one of " MODES, "" },
		{ &cv_noun_tunnel, "remote 192.0.2.7,192.0.2",
		  "remote \"192.0.2\": not an IPv4 or IPv6 address", "" },
		{ &cv_noun_tunnel, "ttl 0", "ttl \"0\": not a number from 1 to 255", "" },
		{ &cv_noun_tunnel, "df maybe", "df \"maybe\": not one of on, off, inherit", "" },
		{ &cv_noun_tunnel, "mtu 67", "mtu \"67\": not a number from 68 to 65535", "" },
		{ &cv_noun_tunnel, "mtu 65536", "mtu \"65536\": not a number from 68 to 65535",
		  "" },
		{ &cv_noun_tunnel, "locla 1.2.3.4", "unknown word \"locla\"",
		  "did you mean \"local\"?" },
		{ &cv_noun_route, "table 0", "table \"0\": not a number from 1 to 4294967295", "" },
		{ &cv_noun_route, "hook up", "hook \"up\": not known",
		  "xmit, in, out, or two of them with a comma" },
		{ &cv_noun_route, "hook in,in", "hook \"in,in\": in stands there twice", "" },
		{ &cv_noun_route, "hook xmit,", "hook \"xmit,\": not known",
		  "xmit, in, out, or two of them with a comma" },
		{ &cv_noun_route, "type remote", "type \"remote\": not one of unicast, local", "" },
		{ &cv_noun_route, "policy deny", "policy \"deny\": not one of accept, drop", "" },
		{ &cv_noun_route, "nhid 0", "nhid \"0\": not a number from 1 to 4294967295", "" },
		{ &cv_noun_route, "nexthop weight 0", "weight \"0\": not a number from 1 to 256",
		  "" },
		{ &cv_noun_route, "nexthop tunnel a tunnel b", "tunnel: given twice", "" },
		{ &cv_noun_app, "exe /caf\xe9", "exe \"/caf\xe9\": not UTF-8",
		  "a state holds no other texts" },
		{ &cv_noun_app, "comm \xc3", "comm \"\xc3\": not UTF-8",
		  "a state holds no other texts" },
		{ &cv_noun_route, "nexthop tunnel a metric 5", "unknown word \"metric\"",
		  "'culvert route help' lists the words" },
		{ &cv_noun_rule, "proto tcp", "unknown word \"proto\"", "did you mean \"prio\"?" },
		{ &cv_noun_rule, "mach proto tcp", "unknown word \"mach\"",
		  "did you mean \"match\"?" },
		{ &cv_noun_rule, "match dir both", "dir \"both\": not one of in, out", "" },
		{ &cv_noun_rule, "match family 5", "family \"5\": not one of 4, 6", "" },
		{ &cv_noun_rule, "match src default", "src \"default\": not a prefix",
		  "0.0.0.0/0 is all of IPv4, ::/0 all of IPv6" },
		{ &cv_noun_rule, "action drop accept", "accept: there is a verdict already, drop",
		  "" },
		{ &cv_noun_rule, "action verdict next drop",
		  "drop: there is a verdict already, next", "" },
		{ &cv_noun_rule, "action verdict pass",
		  "verdict \"pass\": not one of next, accept, drop, continue", "" },
		{ &cv_noun_rule, "action continue drop",
		  "drop: there is a verdict already, continue", "" },
		{ &cv_noun_rule, "action police 10mb",
		  "police \"10mb\": not a rate from 8bit to 1tbit",
		  "a number with kbit, mbit or gbit, as 10mbit; with kbps, mbps or gbps it is bytes a second" },
		{ &cv_noun_rule, "action burst 4gb",
		  "burst \"4gb\": not a size from 1b to 4294967295b",
		  "a number of bytes, or one with kb or mb, as 32kb" },
		{ &cv_noun_rule, "action per flow", "per \"flow\": not one of rule, app, source",
		  "" },
		{ &cv_noun_rule, "action sample 100", "sample \"100\": not a share of the packets",
		  "as 1/100, one packet of a hundred" },
		{ &cv_noun_rule, "action sample 2/100",
		  "sample \"2/100\": not a share of the packets",
		  "as 1/100, one packet of a hundred" },
		{ &cv_noun_rule, "action sample 1/0", "sample \"1/0\": not a share of the packets",
		  "as 1/100, one packet of a hundred" },
		{ &cv_noun_rule, "action redirect eth1 ingress neigh",
		  "neigh: ingress and neigh together", "" },
		{ &cv_noun_rule, "action mirror a/b",
		  "mirror \"a/b\": not a device name (1 to 15 characters, no '/', ':' or blank)",
		  "" },
		{ &cv_noun_rule, "action route-mark -x",
		  "route-mark \"-x\": not a name (1 to 31 letters, digits, '-' or '_', beginning with a letter or digit)",
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		const struct cv_noun *noun = cases[i].noun;
		CV_FREE void *conf = calloc(1, noun->conf_size);
		struct cv_err err;

		assert_non_null(conf);
		noun->init(conf);
		assert_int_equal(from_words(noun, conf, cases[i].words, &err), -EINVAL);
		noun->fini(conf);
		assert_string_equal(err.text, cases[i].text);
		assert_string_equal(err.hint, cases[i].hint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_come_in_any_order),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(keys_of_yaml_are_the_words),
		cmocka_unit_test(wrong_keys_are_reported_with_their_places),
		cmocka_unit_test(key_of_a_list_is_no_word),
		cmocka_unit_test(word_text_is_the_value_alone),
		cmocka_unit_test(group_text_reads_as_words),
		cmocka_unit_test(json_has_numbers_bools_and_arrays),
		cmocka_unit_test(help_lists_all_words),
		cmocka_unit_test(note_follows_the_words_of_help),
		cmocka_unit_test(members_are_texts_and_flags),
		cmocka_unit_test(texts_are_checked_and_flags_can_be_false),
		cmocka_unit_test(place_of_a_conf_is_where_the_noun_says),
		cmocka_unit_test(tables_of_the_nouns_are_whole),
		cmocka_unit_test(words_of_the_nouns_mean_what_cli_md_says),
		cmocka_unit_test(wrong_words_of_the_nouns_are_explained),
	};

	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
