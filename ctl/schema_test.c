/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of schema.c: every word of every table stands in it, with what its parser takes. Whether it
 * is a schema, and agrees with `culvert check`, a scenario asks another program.
 */
#include "schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "out.h"
#include "own.h"
#include "words.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static char *make_schema(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(cv_schema_write(out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* The text of a member as far as it is known, moved to from the place that *at is at. */
static void expect_member(const char **at, const char *key, const char *begin)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *out = NULL;
	size_t size = 0;
	struct cv_json json;
	const char *found;

	out = open_memstream(&text, &size);
	assert_non_null(out);
	cv_json_init(&json, out);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, key, begin);
	cv_json_close(&json);
	assert_int_equal(cv_finish_file(&out), 0);
	text[size - 1] = '\0'; /* the brace at the end; that at the beginning is not looked for */
	found = strstr(*at, text + 1);
	if (!found)
		fail_msg("%s is not in the schema", text);
	*at = found;
}

/* Words stand in the order of the tables. */
static void every_word_is_there(void **state)
{
	CV_FREE char *schema = make_schema();
	const char *at = schema;

	(void)state;
	for (size_t i = 0; i < cv_noun_count; i++) {
		expect_member(&at, "description", cv_nouns[i]->help);
		for (size_t j = 0; j < cv_nouns[i]->group_count; j++)
			for (size_t k = 0; k < cv_nouns[i]->groups[j]->word_count; k++) {
				const struct cv_word *word = &cv_nouns[i]->groups[j]->words[k];
				CV_FREE char *key = NULL;

				if (word->is_command_line_only)
					continue;
				assert_true(asprintf(&key, "\"%s\":{", word->name) > 0);
				at = strstr(at, key);
				if (!at)
					fail_msg("%s is not in the schema", key);
				expect_member(&at, "description", word->help);
			}
	}
}

static bool is_taken(const struct cv_noun *noun, const struct cv_group *group,
		     const struct cv_word *word, const char *text)
{
	CV_FREE void *conf = malloc(noun->conf_size);
	struct cv_err err;
	bool is_good;

	assert_non_null(conf);
	noun->init(conf);
	is_good = !cv_word_parse(word, group->list ? group->open(conf) : conf, text, &err);
	noun->fini(conf);
	return is_good;
}

/* The names that a value can have, and what help writes in small letters. */
static void every_literal_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < cv_noun_count; i++)
		for (size_t j = 0; j < cv_nouns[i]->group_count; j++)
			for (size_t k = 0; k < cv_nouns[i]->groups[j]->word_count; k++) {
				const struct cv_group *group = cv_nouns[i]->groups[j];
				const struct cv_word *word = &group->words[k];
				CV_FREE char *copy = strdup(word->value ? word->value : "yes|no");
				char *rest = copy, *part;

				for (size_t l = 0; word->choice && word->choice(l); l++)
					assert_true(is_taken(cv_nouns[i], group, word,
							     word->choice(l)));
				while (!word->is_command_line_only && (part = strsep(&rest, "|")))
					if (*part >= 'a' && *part <= 'z' &&
					    !is_taken(cv_nouns[i], group, word, part))
						fail_msg("%s %s is refused", word->name, part);
			}
}

static void expect_part(const char *part)
{
	CV_FREE char *schema = make_schema();

	if (!strstr(schema, part))
		fail_msg("%s is not in %s", part, schema);
}

/* What is found out by asking: ranges of numbers, and that a text is free. */
static void parsers_say_what_they_take(void **state)
{
	(void)state;
	expect_part(
		"\"overlap\":{\"description\":\"after a change of key or vni both are accepted so "
		"long, and the old one is sent for the first half of it (0)\",\"anyOf\":[{\"type\":"
		"\"string\",\"pattern\":\"^((0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,10}))$\"},{\"type\":"
		"\"integer\",\"minimum\":0,\"maximum\":86400}]}");
	expect_part("\"minimum\":88,\"maximum\":65535"); /* mss */
	expect_part("\"minimum\":8,\"maximum\":1000000000000"); /* police */
	expect_part("\"minimum\":0,\"maximum\":16777215"); /* vni */
	expect_part("\"comm\":{\"description\":\"its process name; any process can choose it\","
		    "\"type\":[\"string\",\"number\",\"boolean\"],\"minLength\":1}");
	expect_part(
		"\"ecn\":{\"description\":\"RFC 6040 in both directions (on)\",\"enum\":[\"on\","
		"\"off\",false,true]}");
	expect_part("\"df\":{\"description\":\"do-not-fragment of an outer IPv4 header (on)\","
		    "\"enum\":[\"on\",\"off\",\"inherit\"]}");
	expect_part("\"family\":{\"description\":\"IPv4 or IPv6\",\"enum\":[\"4\",4,\"6\",6]}");
	expect_part("\"required\":[\"mode\",\"local\",\"remote\"]");
	expect_part("\"required\":[\"to\",\"remote\",\"tunnel\"]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_is_there),
		cmocka_unit_test(every_literal_is_taken),
		cmocka_unit_test(parsers_say_what_they_take),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
