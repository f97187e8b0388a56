/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of the words of a set and of its elements: what each says in a state file, which values are
 * refused and how, files of elements good and bad, and what `set show` prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cmd_set.c" /* show_text() and show_json(), without an instance */
#include "config.h"
#include "round_trip.h"

#define MAX_ARGS 16

/* Fills the conf from words. */
static int from_words(struct cv_set_conf *conf, const char *text, struct cv_err *err)
{
	CV_FREE char *copy = strdup(text);
	char *argv[MAX_ARGS + 1] = { NULL };
	char *rest = copy, *word;
	int argc = 0;

	assert_non_null(copy);
	while ((word = strsep(&rest, " ")) && argc < MAX_ARGS)
		argv[argc++] = word;
	cv_noun_set.init(conf);
	return cv_words_from_args(&cv_noun_set, conf, argc, argv, err);
}

static void add_set(struct cv_state *state, const char *name, const char *text)
{
	struct cv_set_conf conf;
	struct cv_err err;

	if (from_words(&conf, text, &err))
		fail_msg("%s: %s", text, err.text);
	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_set(state, &conf, NULL), 0);
}

/* ---- words ---- */

static void words_become_a_state_file_and_come_back(void **unused)
{
	static const struct {
		const char *words, *yaml;
	} cases[] = {
		{ "type prefix", "{type: prefix}" },
		{ "type prefix elements 10.0.0.0/8", "{type: prefix, elements: 10.0.0.0/8}" },
		{ "elements 10.0.0.0/8,::/0,192.0.2.1 type prefix",
		  "{type: prefix, elements: [10.0.0.0/8, \"::/0\", 192.0.2.1/32]}" },
		{ "type port elements 0,80-90,65535", "{type: port, elements: [0, 80-90, 65535]}" },
		{ "type proto elements 17,tcp,6-7,200-255",
		  "{type: proto, elements: [udp, tcp, 6-7, 200-255]}" },
		{ "type dscp elements ef,0,AF21,40-63",
		  "{type: dscp, elements: [46, 0, 18, 40-63]}" },
		{ "type mark elements 0,16,0xffffffff,0x10-0x1f",
		  "{type: mark, elements: [0x0, 0x10, 0xffffffff, 0x10-0x1f]}" },
		{ "type len elements 40,1500-4294967295",
		  "{type: len, elements: [40, 1500-4294967295]}" },
		{ "type vlan elements 0,1-4095", "{type: vlan, elements: [0, 1-4095]}" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_FREE char *expected = NULL;
		struct cv_state state;

		cv_state_init(&state);
		add_set(&state, "some", cases[i].words);
		assert_true(asprintf(&expected, "sets:\n  some: %s\n", cases[i].yaml) > 0);
		expect_round_trip(&state, expected);
		cv_state_fini(&state);
	}
}

static void wrong_values_are_explained(void **unused)
{
	static const struct {
		const char *words, *text, *hint;
	} cases[] = {
		{ "type ports",
		  "type \"ports\": not one of prefix, port, proto, dscp, mark, len, vlan",
		  "did you mean \"port\"?" },
		{ "type prefix elements 10.0.0.1/8", "elements \"10.0.0.1/8\": has host bits set",
		  "the network is 10.0.0.0/8" },
		{ "elements 10.0.0.1/8 type prefix", "elements \"10.0.0.1/8\": has host bits set",
		  "the network is 10.0.0.0/8" },
		{ "type prefix elements default", "elements \"default\": not a prefix",
		  "0.0.0.0/0 is all of IPv4, ::/0 all of IPv6" },
		{ "type prefix elements 80", "elements \"80\": not a prefix",
		  "as 10.9.0.0/16 or 2001:db8::/32" },
		{ "type prefix elements 10.0.0.0/8,", "elements \"\": not a prefix",
		  "as 10.9.0.0/16 or 2001:db8::/32" },
		{ "type port elements 90-80", "elements \"90-80\": the range is inverted",
		  "80-90" },
		{ "type port elements 65536",
		  "elements \"65536\": not a number or range from 0 to 65535", "" },
		{ "type port elements 10.0.0.0/8",
		  "elements \"10.0.0.0/8\": not a number or range from 0 to 65535", "" },
		{ "type proto elements tpc", "elements \"tpc\": unknown protocol",
		  "did you mean \"tcp\"?" },
		{ "type proto elements 7-6", "elements \"7-6\": the range is inverted", "6-7" },
		{ "type proto elements 255-256",
		  "elements \"255-256\": not a number or range from 0 to 255", "" },
		{ "type dscp elements 64",
		  "elements \"64\": not a DSCP (0 to 63, or cs0 to cs7, af11 to af43, ef, va, le)",
		  "" },
		{ "type dscp elements 60-64",
		  "elements \"60-64\": not a number or range from 0 to 63", "" },
		{ "type mark elements 0x10/0xff",
		  "elements \"0x10/0xff\": not a mark or range of marks", "as 0x10 or 0x10-0x1f" },
		{ "type mark elements 0x1f-0x10", "elements \"0x1f-0x10\": the range is inverted",
		  "0x10-0x1f" },
		{ "type vlan elements 4096",
		  "elements \"4096\": not a number or range from 0 to 4095", "" },
		{ "file blocked", "file \"blocked\": not an absolute path",
		  "as /etc/culvert/blocked" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_set_conf conf;
		struct cv_err err = { 0 };

		assert_int_equal(from_words(&conf, cases[i].words, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].text);
		assert_string_equal(err.hint, cases[i].hint);
		cv_set_conf_fini(&conf);
	}
}

/* ---- files ---- */

static char path[] = "/tmp/culvert-elements-XXXXXX";

static int make_file(void **unused)
{
	int fd = mkstemp(path);

	(void)unused;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **unused)
{
	(void)unused;
	return unlink(path);
}

static void write_file(const char *text, size_t len)
{
	CV_FCLOSE FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(cv_finish_file(&file), 0);
}

/* Reads the file as that of a set of these words. *printed: caller frees. */
static int read_elements(struct cv_set_conf *set, const char *words_text, char **printed)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;
	int rc;

	assert_int_equal(from_words(set, words_text, NULL), 0);
	snprintf(set->name, sizeof(set->name), "some");
	set->file = strdup(path);
	stream = open_memstream(printed, &size);
	assert_non_null(stream);
	assert_int_equal(cv_report_new(&report, stream, false), 0);
	rc = cv_noun_set.load(set, report);
	cv_report_free(&report);
	assert_int_equal(cv_finish_file(&stream), 0);
	return rc;
}

/* The elements that were read, written as those that words give. */
static char *text_of_file_elements(const struct cv_set_conf *set)
{
	struct cv_set_conf as_own = { .type = set->type,
				      .prefixes = set->file_prefixes,
				      .ranges = set->file_ranges };
	CV_FCLOSE FILE *stream = NULL;
	char *text = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	cv_elements_put(stream, &as_own, SIZE_MAX);
	assert_int_equal(cv_finish_file(&stream), 0);
	return text;
}

static void good_files_are_read(void **unused)
{
	static const struct {
		const char *type, *text, *expected;
	} cases[] = {
		{ "prefix", "", "" },
		{ "prefix", "\n\n# nothing\n \t \r\n", "" },
		{ "prefix", "10.0.0.0/8\n192.0.2.1\n", "10.0.0.0/8,192.0.2.1/32" },
		{ "prefix", "10.0.0.0/8", "10.0.0.0/8" },
		{ "prefix", "\xef\xbb\xbf", "" },
		{ "prefix", "\357\273\27710.0.0.0/8\r\n", "10.0.0.0/8" },
		{ "prefix", "  10.0.0.0/8 , 2001:db8::/32,\t::1 # both\r\n0.0.0.0/0,\n",
		  "10.0.0.0/8,2001:db8::/32,::1/128,0.0.0.0/0" },
		{ "prefix", "#10.0.0.0/8\n11.0.0.0/8#,12.0.0.0/8\n", "11.0.0.0/8" },
		{ "prefix", "255.255.255.255/32\n0.0.0.0\n128.0.0.0/1\n",
		  "255.255.255.255/32,0.0.0.0/32,128.0.0.0/1" },
		{ "port", "80,443\n8000-8999\n", "80,443,8000-8999" },
		{ "proto", "tcp\n17\n", "tcp,udp" },
		{ "dscp", "ef\n", "46" },
		{ "mark", "0x10-0x1f\n", "0x10-0x1f" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_FREE char *words_text = NULL, *printed = NULL, *text = NULL;
		struct cv_set_conf set;

		assert_true(asprintf(&words_text, "type %s", cases[i].type) > 0);
		write_file(cases[i].text, strlen(cases[i].text));
		assert_int_equal(read_elements(&set, words_text, &printed), 0);
		assert_string_equal(printed, "");
		assert_true(set.is_file_read);
		text = text_of_file_elements(&set);
		assert_string_equal(text, cases[i].expected);
		cv_set_conf_fini(&set);
	}
}

static void wrong_lines_are_named(void **unused)
{
	static const struct {
		const char *type, *text, *expected; /* F: the file */
	} cases[] = {
		{ "prefix", "10.0.0.0/8\n10.0.0.256\n",
		  "F:2:1: error: set some \"10.0.0.256\": not a prefix\n"
		  "hint: as 10.9.0.0/16 or 2001:db8::/32\n" },
		{ "prefix", "10.0.0.0/8, 10.0.0.1/8 # host bits\n\n 10.00.0.0/8\n",
		  "F:1:13: error: set some \"10.0.0.1/8\": has host bits set\n"
		  "hint: the network is 10.0.0.0/8\n"
		  "F:3:2: error: set some \"10.00.0.0/8\": not a prefix\n"
		  "hint: all four numbers, without leading zeros: 10.0.0.0/8\n" },
		{ "prefix", "10.0.0.0/33\n10.0.0.0/\n10.0.0\n10.0.0.0.0\n1.2.3.4/032\n",
		  "F:1:1: error: set some \"10.0.0.0/33\": not a prefix, IPv4 has a length of 0 to 32\n"
		  "F:2:1: error: set some \"10.0.0.0/\": not a prefix, IPv4 has a length of 0 to 32\n"
		  "F:3:1: error: set some \"10.0.0\": not a prefix\n"
		  "hint: as 10.9.0.0/16 or 2001:db8::/32\n"
		  "F:4:1: error: set some \"10.0.0.0.0\": not a prefix\n"
		  "hint: as 10.9.0.0/16 or 2001:db8::/32\n" },
		{ "prefix", "10.0.0.0/8 11.0.0.0/8\n",
		  "F:1:1: error: set some \"10.0.0.0/8 11.0.0.0/8\": not a prefix, IPv4 has a length of 0 to 32\n" },
		{ "prefix", "10.0.0.0/8,,11.0.0.0/8\n,\n",
		  "F:1:12: error: set some: an element is missing\n"
		  "F:2:1: error: set some: an element is missing\n" },
		{ "port", "80\n10.0.0.0/8\n90-80\n",
		  "F:2:1: error: set some \"10.0.0.0/8\": not a number or range from 0 to 65535\n"
		  "F:3:1: error: set some \"90-80\": the range is inverted\n"
		  "hint: 80-90\n" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_FREE char *words_text = NULL, *printed = NULL, *expected = NULL;
		CV_FCLOSE FILE *stream = NULL;
		struct cv_set_conf set;
		size_t size = 0;

		assert_true(asprintf(&words_text, "type %s", cases[i].type) > 0);
		stream = open_memstream(&expected, &size);
		for (const char *at = cases[i].expected; *at; at++)
			if (!strncmp(at, "F:", 2))
				fputs(path, stream);
			else
				fputc(*at, stream);
		assert_int_equal(cv_finish_file(&stream), 0);
		write_file(cases[i].text, strlen(cases[i].text));
		assert_int_equal(read_elements(&set, words_text, &printed), -EINVAL);
		assert_string_equal(printed, expected);
		cv_set_conf_fini(&set);
	}
}

static void text_behind_a_zero_is_not_lost(void **unused)
{
	static const char text[] = "10.0.0.0/8\0,junk\n";
	CV_FREE char *printed = NULL;
	struct cv_set_conf set;

	(void)unused;
	write_file(text, sizeof(text) - 1);
	assert_int_equal(read_elements(&set, "type prefix", &printed), -EINVAL);
	assert_non_null(strstr(printed, ":1:1: error: set some: not an element\n"));
	cv_set_conf_fini(&set);
}

static void a_file_that_is_not_there_is_the_fault_of_the_set(void **unused)
{
	CV_FREE char *printed = NULL;
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_FCLOSE FILE *stream = NULL;
	static const char text[] = "sets:\n  some: {type: prefix, file: /nowhere/at/all}\n";
	struct cv_state state;
	size_t size = 0;

	(void)unused;
	stream = open_memstream(&printed, &size);
	assert_int_equal(cv_report_new(&report, stream, false), 0);
	cv_state_init(&state);
	assert_int_equal(cv_config_parse(&state, "f", text, strlen(text), report), -EINVAL);
	assert_int_equal(cv_finish_file(&stream), 0);
	assert_string_equal(
		printed, "f:2:3: error: set some: file /nowhere/at/all: No such file or directory\n"
			 "      some: {type: prefix, file: /nowhere/at/all}\n"
			 "      ^\n");
	cv_state_fini(&state);
	/* What is applied already is not read again. */
	cv_state_init(&state);
	assert_int_equal(cv_config_parse(&state, NULL, text, strlen(text), report), 0);
	assert_false(state.sets[0].is_file_read);
	cv_state_fini(&state);
}

/* That many prefixes a.b.c.d/32, one a line. */
static void write_prefixes(uint32_t count)
{
	CV_FCLOSE FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (uint32_t i = 0; i < count; i++)
		fprintf(file, "%u.%u.%u.%u\n", i >> 16 & 0xff, i >> 8 & 0xff, i & 0xff, i % 7);
	assert_int_equal(cv_finish_file(&file), 0);
}

static void a_set_holds_a_million_elements(void **unused)
{
	struct cv_set_conf set;
	CV_FREE char *printed = NULL, *refused = NULL, *expected = NULL;

	(void)unused;
	write_prefixes(CV_SET_ELEMENTS_MAX);
	assert_int_equal(read_elements(&set, "type prefix", &printed), 0);
	assert_int_equal(set.file_prefixes.count, CV_SET_ELEMENTS_MAX);
	cv_set_conf_fini(&set);

	assert_int_equal(read_elements(&set, "type prefix elements ::/0", &refused), -EINVAL);
	assert_true(
		asprintf(&expected,
			 "%s:%u:1: error: set some: more than the %u elements that one set holds\n",
			 path, CV_SET_ELEMENTS_MAX, CV_SET_ELEMENTS_MAX) > 0);
	assert_string_equal(refused, expected);
	cv_set_conf_fini(&set);
}

static void a_copied_state_has_elements_of_its_own(void **unused)
{
	CV_FREE char *printed = NULL, *text = NULL;
	struct cv_state state, copy;
	struct cv_set_conf set;

	(void)unused;
	write_file("10.0.0.0/8\n", strlen("10.0.0.0/8\n"));
	assert_int_equal(read_elements(&set, "type prefix elements ::1", &printed), 0);
	cv_state_init(&state);
	assert_int_equal(cv_state_add_set(&state, &set, NULL), 0);
	assert_int_equal(cv_state_copy(&copy, &state, NULL), 0);
	cv_state_fini(&state);
	text = text_of_file_elements(&copy.sets[0]);
	assert_string_equal(text, "10.0.0.0/8");
	assert_int_equal(copy.sets[0].prefixes.count, 1);
	cv_state_fini(&copy);
}

/* ---- in use, and shown ---- */

static void a_set_that_a_rule_asks_is_in_use(void **unused)
{
	struct cv_rule_conf rule = { .name = "web" };
	struct cv_state state;
	char user[64];

	(void)unused;
	cv_state_init(&state);
	add_set(&state, "ports", "type port");
	add_set(&state, "others", "type port");
	assert_int_equal(cv_match_conf_put_set(&rule.match, CV_FIELD_DPORT, "ports"), 0);
	assert_int_equal(cv_state_add_rule(&state, &rule, NULL), 0);
	assert_true(cv_noun_set.find_user(&state, &state.sets[0], user, sizeof(user)));
	assert_string_equal(user, "rule web");
	assert_false(cv_noun_set.find_user(&state, &state.sets[1], user, sizeof(user)));
	cv_state_fini(&state);
}

static char *shown(const char *only, bool is_json)
{
	static const struct cv_set_info infos[] = { { "blocked", 100007 },
						    { "ports", 2 },
						    { "empty", 0 } };
	struct cv_session session = { .only = only };
	CV_FCLOSE FILE *stream = NULL;
	char *text = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	session.out = stream;
	cv_state_init(&session.applied);
	add_set(&session.applied, "blocked",
		"type prefix file /etc/blocked elements "
		"10.0.0.0/8,11.0.0.0/8,::1,12.0.0.0/8,13.0.0.0/8,14.0.0.0/8");
	add_set(&session.applied, "ports", "type port elements 80,8000-8999");
	add_set(&session.applied, "empty", "type mark");
	if (is_json)
		show_json(&session, infos);
	else
		assert_int_equal(show_text(&session, infos), 0);
	cv_state_fini(&session.applied);
	assert_int_equal(cv_finish_file(&stream), 0);
	return text;
}

static void show_is_a_table(void **unused)
{
	CV_FREE char *all = shown(NULL, false);
	CV_FREE char *one = shown("ports", false);

	(void)unused;
	assert_string_equal(
		all,
		"SET      TYPE    ELEMENTS                                             FILE          RANGES\n"
		"blocked  prefix  10.0.0.0/8,11.0.0.0/8,::1/128,12.0.0.0/8 and 2 more  /etc/blocked  100007\n"
		"ports    port    80,8000-8999                                         -                  2\n"
		"empty    mark    -                                                    -                  0\n");
	assert_string_equal(one, "SET    TYPE  ELEMENTS      FILE  RANGES\n"
				 "ports  port  80,8000-8999  -          2\n");
}

static void show_is_json(void **unused)
{
	CV_FREE char *all = shown(NULL, true);

	(void)unused;
	assert_string_equal(
		all,
		"[{\"name\":\"blocked\",\"type\":\"prefix\",\"elements\":[\"10.0.0.0/8\",\"11.0.0.0/8\",\"::1/128\",\"12.0.0.0/8\",\"13.0.0.0/8\",\"14.0.0.0/8\"],\"file\":\"/etc/blocked\",\"ranges\":100007},"
		"{\"name\":\"ports\",\"type\":\"port\",\"elements\":[80,\"8000-8999\"],\"file\":null,\"ranges\":2},"
		"{\"name\":\"empty\",\"type\":\"mark\",\"elements\":[],\"file\":null,\"ranges\":0}]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_a_state_file_and_come_back),
		cmocka_unit_test(wrong_values_are_explained),
		cmocka_unit_test(good_files_are_read),
		cmocka_unit_test(wrong_lines_are_named),
		cmocka_unit_test(text_behind_a_zero_is_not_lost),
		cmocka_unit_test(a_file_that_is_not_there_is_the_fault_of_the_set),
		cmocka_unit_test(a_set_holds_a_million_elements),
		cmocka_unit_test(a_copied_state_has_elements_of_its_own),
		cmocka_unit_test(a_set_that_a_rule_asks_is_in_use),
		cmocka_unit_test(show_is_a_table),
		cmocka_unit_test(show_is_json),
	};

	return cmocka_run_group_tests_name("cmd_set", tests, make_file, remove_file);
}
