/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is saved is read back as the same state: for random states, with every word of every table, whose
 * values are texts that YAML, or a person, could take for something else. Which texts a word takes, its
 * parser is asked.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_fuzz.c" /* same_state() */
#include "own.h"
#include "words.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define CV_STATES 3000
#define CV_OBJECTS_MAX 3 /* of a noun, in a state */

/* ---- chance: the same each time ---- */

static uint64_t seed;

static size_t below(size_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % limit;
}

/* ---- texts ---- */

static const char *const texts[] = {
	/* what YAML takes for something else */
	"yes",
	"no",
	"on",
	"off",
	"y",
	"n",
	"true",
	"false",
	"True",
	"null",
	"Null",
	"NULL",
	"~",
	"1e3",
	"0x10",
	"0o7",
	"007",
	"0b1",
	"1_000",
	"-1",
	"+1",
	".5",
	"1.",
	".inf",
	".nan",
	"1:30",
	"12:30:45",
	"2001-01-01",
	"=",
	"<<",
	"-",
	"--",
	"---",
	"...",
	"?",
	":",
	"- x",
	"? x",
	": x",
	"x:",
	"x: y",
	":x",
	"#",
	"#x",
	"x #y",
	"x#y",
	"!",
	"!x",
	"&x",
	"*x",
	"*",
	"@",
	"@x",
	"`x`",
	"%x",
	"|",
	">",
	"|x",
	"[",
	"]",
	"[x]",
	"{",
	"}",
	"{x: y}",
	",",
	"x,y",
	"'",
	"\"",
	"'x'",
	"\"x\"",
	"it's",
	"\\",
	"\\n",
	"a\\",
	" x",
	"x ",
	"x y",
	"\tx",
	"x\t",
	"\n",
	"x\ny",
	"\r",
	"\x01",
	"\x7f",
	"\xc2\x85",
	"\xe2\x80\xa8",
	"\xef\xbb\xbfx",
	/* other scripts */
	"gr\xc3\xbc\xc3\x9f",
	"\xe6\x97\xa5\xe6\x9c\xac",
	"\xd0\xb4\xd0\xb0",
	"\xf0\x9f\xa6\x80",
	/* paths */
	"/",
	"/x",
	"/usr/bin/curl",
	"/a b/c",
	"/a: b",
	"/#x",
	"/x/*",
	"/x/**",
	"/x[a-z]",
	"/x{y}",
	"/dev/null",
	"/\xc3\xa4",
	"/'",
	"/\"",
	"/x,y",
	"a/b",
	"nginx.service",
	"user-1000.slice",
	"a@b.service",
	"\\x2d.service",
	"any",
	"none",
	"peers",
	"default",
	/* numbers, ranges, marks */
	"0",
	"1",
	"4",
	"6",
	"7",
	"63",
	"64",
	"100",
	"255",
	"1000",
	"1280",
	"4095",
	"65535",
	"4294967295",
	"1-5",
	"0-0",
	"5-9",
	"0-4294967295",
	"1,2",
	"1,3-5,9",
	"80,443,8000-8999",
	"0x1",
	"0xff",
	"0x1/0xf",
	"7/7",
	"0x0/0xffffffff",
	"1/100",
	"1/1",
	"1:30",
	"0:0",
	"ffff:ffff",
	"not 5",
	"not 1,2",
	"not 1-5",
	"not  7",
	"not x",
	"not any",
	/* addresses */
	"192.0.2.1",
	"192.0.2.7",
	"2001:db8::1",
	"::",
	"::1",
	"fe80::1",
	"192.0.2.1,192.0.2.7",
	"::1,2001:db8::",
	"10.0.0.0/8",
	"0.0.0.0/0",
	"::/0",
	"2001:db8::/32",
	"10.0.0.0/8,::/0",
	"10.0.0.0/8,192.0.2.0/24",
	"not 10.0.0.0/8",
	"not ::/0,10.0.0.0/8",
	"02:00:5e:00:53:01",
	"@set",
	"not @set",
	"not @1",
	/* words */
	"gre",
	"ipip",
	"gue",
	"fou",
	"vxlan",
	"geneve",
	"srv6",
	"inherit",
	"uniform",
	"auto",
	"main",
	"in",
	"out",
	"xmit",
	"xmit,out",
	"in,xmit",
	"local",
	"unicast",
	"accept",
	"drop",
	"next",
	"continue",
	"rule",
	"app",
	"source",
	"tcp",
	"udp",
	"icmp",
	"icmpv6",
	"sctp",
	"17",
	"not tcp",
	"echo-request",
	"destination-unreachable",
	"packet-too-big",
	"ef",
	"cs1",
	"af21",
	"le",
	"not ef",
	"ect0",
	"ce,ect1",
	"not not-ect",
	"not-ect,ect0,ect1,ce",
	"syn/syn+ack",
	"none/all",
	"not fin/fin",
	"0x02/0x12",
	"arp",
	"ip",
	"ipv6",
	"0x88b5",
	"not arp",
	"10mbit",
	"8bit",
	"1.5gbit",
	"100kbps",
	"7",
	"1tbit",
	"32kb",
	"1b",
	"4294967295b",
	"1mb",
	"prefix",
	"port",
	"proto",
	"dscp",
	"mark",
	"len",
	"vlan",
	"eth0",
	"veth*",
	"a.b",
	"a-b_c",
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
};

/* ---- words ---- */

static bool is_taken(const struct cv_noun *noun, const struct cv_group *group,
		     const struct cv_word *word, const char *text)
{
	CV_FREE void *conf = malloc(noun->conf_size);
	bool is_good;

	assert_non_null(conf);
	noun->init(conf);
	is_good = !cv_word_parse(word, group->list ? group->open(conf) : conf, text, NULL);
	noun->fini(conf);
	return is_good;
}

/* One that the word takes, so that it is tried more often than by chance; NULL: there is none. */
static const char *pick_text(const struct cv_noun *noun, const struct cv_group *group,
			     const struct cv_word *word)
{
	size_t at = below(CV_COUNT(texts));

	if (!word->value)
		return below(2) ? "true" : "no";
	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		const char *text = texts[(at + i) % CV_COUNT(texts)];

		if (is_taken(noun, group, word, text))
			return text;
	}
	return NULL;
}

/* Of each word, how often it was set: by its number in the table of all. */
#define CV_ALL_WORDS 256
static size_t set_count[CV_ALL_WORDS];

/* Sets some words of a group. What does not go with another one is left out. */
static void set_words(const struct cv_noun *noun, const struct cv_group *group, void *conf,
		      size_t *number)
{
	for (size_t i = 0; i < group->word_count; i++) {
		const struct cv_word *word = &group->words[i];
		size_t at = (*number)++;
		const char *text;

		assert_true(at < CV_ALL_WORDS);
		if (word->is_command_line_only || below(3))
			continue;
		text = pick_text(noun, group, word);
		if (!text)
			fail_msg("%s takes none of the texts", word->name);
		if (!cv_word_parse(word, conf, text, NULL))
			set_count[at]++;
	}
}

/* ---- objects ---- */

static bool set_key(const struct cv_noun *noun, void *conf, size_t index)
{
	for (int tries = 0; tries < 1000; tries++) {
		const char *text = texts[below(CV_COUNT(texts))];
		CV_FREE char *name = NULL;

		/* Names must differ; of a list's items only the whole does. */
		if (!noun->list_key && index)
			assert_true(asprintf(&name, "%s%zu", text, index) > 0);
		if (!noun->set_key(conf, name ? name : text, NULL))
			return true;
	}
	return false;
}

static void add_object(struct cv_state *state, const struct cv_noun *noun, size_t index,
		       size_t number)
{
	CV_FREE void *conf = malloc(noun->conf_size);
	struct cv_err err;

	assert_non_null(conf);
	noun->init(conf);
	assert_true(set_key(noun, conf, index));
	if (!noun->list_key && noun->find(state, conf, &err)) {
		noun->fini(conf);
		return;
	}
	for (size_t i = 0; i < noun->group_count; i++) {
		const struct cv_group *group = noun->groups[i];
		size_t items = group->list ? below(3) : 1, first = number;

		for (size_t j = 0; j < items; j++) {
			number = first;
			set_words(noun, group, group->list ? group->open(conf) : conf, &number);
		}
		number = first + group->word_count;
	}
	assert_int_equal(noun->add(state, conf, &err), 0);
}

static void make_state(struct cv_state *state)
{
	size_t number = 0;

	cv_state_init(state);
	if (!below(3))
		set_words(&cv_config_options, cv_config_options.groups[0], state, &number);
	number = cv_config_options.groups[0]->word_count;
	for (size_t i = 0; i < cv_noun_count; i++) {
		size_t count = below(CV_OBJECTS_MAX + 1);

		for (size_t j = 0; j < count; j++)
			add_object(state, cv_nouns[i], j, number);
		for (size_t j = 0; j < cv_nouns[i]->group_count; j++)
			number += cv_nouns[i]->groups[j]->word_count;
	}
}

/* ---- saved and read ---- */

/* Whether the state makes sense is not asked: it is the same one, or not. */
static void expect_read(const struct cv_state *state, const char *text, const char *expected)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_FREE char *again = NULL;
	struct cv_state read;

	assert_int_equal(cv_report_new(&report, NULL, false), 0);
	cv_state_init(&read);
	cv_config_parse(&read, NULL, text, strlen(text), report);
	again = cv_config_text(&read);
	assert_string_equal(again, expected);
	assert_true(same_state(state, &read));
	assert_true(cv_config_is(&read, expected));
	cv_state_fini(&read);
}

static void what_is_saved_is_read_back(void **unused)
{
	(void)unused;
	for (seed = 0; seed < CV_STATES; seed++) {
		uint64_t old = seed;
		CV_FREE char *text = NULL;
		CV_FREE char *for_libyaml = NULL;
		struct cv_state state;

		make_state(&state);
		text = cv_config_text(&state);
		assert_non_null(text);
		expect_read(&state, text, text);
		/* A comment of a kind that the scanner leaves to libyaml. */
		assert_true(asprintf(&for_libyaml, "%s# \xc2\x85\n", text) > 0);
		expect_read(&state, for_libyaml, text);
		cv_state_fini(&state);
		seed = old;
	}
}

static void every_word_was_set(void **unused)
{
	size_t number = cv_config_options.groups[0]->word_count;

	(void)unused;
	for (size_t i = 0; i < cv_noun_count; i++)
		for (size_t j = 0; j < cv_nouns[i]->group_count; j++)
			for (size_t k = 0; k < cv_nouns[i]->groups[j]->word_count; k++, number++)
				if (!cv_nouns[i]->groups[j]->words[k].is_command_line_only &&
				    set_count[number] < 100)
					fail_msg("%s %s was set %zu times only", cv_nouns[i]->name,
						 cv_nouns[i]->groups[j]->words[k].name,
						 set_count[number]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_saved_is_read_back),
		cmocka_unit_test(every_word_was_set),
	};

	return cmocka_run_group_tests_name("save", tests, NULL, NULL);
}
