/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of rule_match.c: each word of a match, negated and as a set where that is possible, on
 * the command line, in the state file and in JSON; and what is said of values that are wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"
#include "rule_words.h"
#include "words.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MAX_ARGS 32

/* Reads words with one blank between them into conf, which is empty. */
static int read_words(struct cv_rule_conf *conf, const char *words, struct cv_err *err)
{
	CV_FREE char *copy = strdup(words);
	char *rest = copy, *word;
	char *argv[MAX_ARGS] = { "match" };
	int argc = 1;

	while ((word = strsep(&rest, " "))) {
		assert_true(argc < MAX_ARGS);
		argv[argc++] = word;
	}
	return cv_words_from_args(&cv_noun_rule, conf, argc, argv, err);
}

static char *yaml_of(const struct cv_rule_conf *conf)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	cv_words_to_yaml(&cv_noun_rule, conf, stream);
	fclose(stream);
	return text;
}

static char *json_of(const struct cv_rule_conf *conf)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct cv_json json;

	assert_non_null(stream);
	cv_json_init(&json, stream);
	cv_json_open_object(&json, NULL);
	cv_group_to_json(&cv_rule_match_group, conf, &json);
	cv_json_close(&json);
	cv_json_end(&json);
	fclose(stream);
	return text;
}

static void read_yaml(struct cv_rule_conf *conf, const char *text)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_CLEANUP(cv_yaml_free) struct cv_yaml_node *root = NULL;

	assert_int_equal(cv_report_new(&report, stderr, false), 0);
	cv_report_source(report, "f", text, strlen(text));
	assert_int_equal(cv_yaml_parse(&root, "f", text, strlen(text), report), 0);
	assert_int_equal(cv_words_from_yaml(&cv_noun_rule, conf, root, report), 0);
}

/* What words say is the same as a line of the state file, which is the same as the words that are
 * shown of it. */
static void assert_reads_back(const char *words, const char *shown, const char *json)
{
	struct cv_rule_conf conf = { 0 }, again = { 0 }, third = { 0 };
	CV_FREE char *yaml = NULL, *yaml_again = NULL, *text = NULL, *yaml_third = NULL;
	CV_FREE char *read_json = NULL;

	assert_int_equal(read_words(&conf, words, NULL), 0);
	yaml = yaml_of(&conf);
	text = cv_group_text(&cv_rule_match_group, &conf);
	read_json = json_of(&conf);
	assert_string_equal(text, shown);
	assert_string_equal(read_json, json);
	read_yaml(&again, yaml);
	yaml_again = yaml_of(&again);
	assert_string_equal(yaml_again, yaml);
	assert_int_equal(read_words(&third, text, NULL), 0);
	yaml_third = yaml_of(&third);
	assert_string_equal(yaml_third, yaml);
	cv_rule_conf_fini(&conf);
	cv_rule_conf_fini(&again);
	cv_rule_conf_fini(&third);
}

static void every_word_reads_back(void **state)
{
	static const struct {
		const char *words, *shown, *json; /* shown NULL: as words */
	} cases[] = {
		{ "dir out", NULL, "{\"dir\":\"out\"}" },
		{ "dev eth0", NULL, "{\"dev\":\"eth0\"}" },
		{ "dev not 007", NULL, "{\"dev\":{\"not\":\"007\"}}" },
		{ "app any exact", NULL, "{\"app\":\"any\",\"exact\":true}" },
		{ "app not web", NULL, "{\"app\":{\"not\":\"web\"}}" },
		{ "family 6", NULL, "{\"family\":6}" },
		{ "src 10.0.0.1,::/0", "src 10.0.0.1/32,::/0",
		  "{\"src\":[\"10.0.0.1/32\",\"::/0\"]}" },
		{ "src not 10.0.0.0/8,::/0", NULL,
		  "{\"src\":{\"not\":[\"10.0.0.0/8\",\"::/0\"]}}" },
		{ "src @blocked", NULL, "{\"src\":\"@blocked\"}" },
		{ "dst not @inside", NULL, "{\"dst\":{\"not\":\"@inside\"}}" },
		{ "dst 10.0.0.0/8", NULL, "{\"dst\":\"10.0.0.0/8\"}" },
		{ "proto 17", "proto udp", "{\"proto\":\"udp\"}" },
		{ "proto not 200", NULL, "{\"proto\":{\"not\":200}}" },
		{ "proto @p", NULL, "{\"proto\":\"@p\"}" },
		{ "sport not 80,443-444", NULL, "{\"sport\":{\"not\":[80,\"443-444\"]}}" },
		{ "sport @web", NULL, "{\"sport\":\"@web\"}" },
		{ "dport 80,443", NULL, "{\"dport\":[80,443]}" },
		{ "dport not 7", NULL, "{\"dport\":{\"not\":7}}" },
		{ "dport not @web", NULL, "{\"dport\":{\"not\":\"@web\"}}" },
		{ "dscp ef", "dscp 46", "{\"dscp\":46}" },
		{ "dscp not 0", NULL, "{\"dscp\":{\"not\":0}}" },
		{ "dscp @voice", NULL, "{\"dscp\":\"@voice\"}" },
		{ "ecn ce,ect0", "ecn ect0,ce", "{\"ecn\":[\"ect0\",\"ce\"]}" },
		{ "ecn not not-ect", NULL, "{\"ecn\":{\"not\":\"not-ect\"}}" },
		{ "tcp-flags 0x02/0x12", "tcp-flags syn/syn+ack",
		  "{\"tcp-flags\":\"syn/syn+ack\"}" },
		{ "tcp-flags not none/rst", NULL, "{\"tcp-flags\":{\"not\":\"none/rst\"}}" },
		{ "icmp-type echo-request proto icmp", "proto icmp icmp-type echo-request",
		  "{\"proto\":\"icmp\",\"icmp-type\":\"echo-request\"}" },
		{ "proto icmpv6 icmp-type 128", "proto icmpv6 icmp-type echo-request",
		  "{\"proto\":\"icmpv6\",\"icmp-type\":\"echo-request\"}" },
		{ "proto icmp icmp-type not 200 icmp-code 0", NULL,
		  "{\"proto\":\"icmp\",\"icmp-type\":{\"not\":200},\"icmp-code\":0}" },
		{ "mark 1/0x3", "mark 0x1/0x3", "{\"mark\":\"0x1/0x3\"}" },
		{ "mark not 0x1", NULL, "{\"mark\":{\"not\":\"0x1\"}}" },
		{ "mark not @marks", NULL, "{\"mark\":{\"not\":\"@marks\"}}" },
		{ "tunnel blue", NULL, "{\"tunnel\":\"blue\"}" },
		{ "tunnel not 7", NULL, "{\"tunnel\":{\"not\":\"7\"}}" },
		{ "len 0-99,1500", NULL, "{\"len\":[\"0-99\",1500]}" },
		{ "len not 4294967295", NULL, "{\"len\":{\"not\":4294967295}}" },
		{ "len @jumbo", NULL, "{\"len\":\"@jumbo\"}" },
		{ "fragment yes", NULL, "{\"fragment\":\"yes\"}" },
		{ "fragment no", NULL, "{\"fragment\":\"no\"}" },
		{ "vlan 1,5-4095", NULL, "{\"vlan\":[1,\"5-4095\"]}" },
		{ "vlan not 0", NULL, "{\"vlan\":{\"not\":0}}" },
		{ "vlan not @guests", NULL, "{\"vlan\":{\"not\":\"@guests\"}}" },
		{ "ethertype 0x806", "ethertype arp", "{\"ethertype\":\"arp\"}" },
		{ "ethertype not 0x1234", NULL, "{\"ethertype\":{\"not\":\"0x1234\"}}" },
		{ "flow-label 0xfffff", "flow-label 1048575", "{\"flow-label\":1048575}" },
		{ "flow-label not 0", NULL, "{\"flow-label\":{\"not\":0}}" },
		{ "quoted", NULL, "{\"quoted\":true}" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		char json[256];

		snprintf(json, sizeof(json), "%s\n", cases[i].json);
		assert_reads_back(cases[i].words, cases[i].shown ? cases[i].shown : cases[i].words,
				  json);
	}
}

/* One argument may have what two would say. */
static void not_may_stand_in_the_value(void **state)
{
	char *argv[] = { "match", "dport", "not  80,443" };
	struct cv_rule_conf conf = { 0 };
	CV_FREE char *text = NULL;

	(void)state;
	assert_int_equal(cv_words_from_args(&cv_noun_rule, &conf, 3, argv, NULL), 0);
	text = cv_group_text(&cv_rule_match_group, &conf);
	assert_string_equal(text, "dport not 80,443");
	cv_rule_conf_fini(&conf);
}

#define SETS "sets can stand for src, dst, proto, sport, dport, dscp, mark, len and vlan"

static void wrong_values_are_explained(void **state)
{
	static const struct {
		const char *words, *text, *hint;
	} cases[] = {
		{ "dport not", "dport: its value is missing", "dport A[-B][,...]|@SET" },
		{ "dport", "dport: its value is missing", "dport A[-B][,...]|@SET" },
		{ "dport not not 80", "dport \"not\": not a number or range from 0 to 65535", "" },
		{ "dport 80 dport not 80", "dport: given twice", "" },
		{ "icmp-code not 1", "icmp-code \"not\": not a number from 0 to 255", "" },
		{ "app not any", "app \"not any\": only a name can be negated",
		  "app none says it" },
		{ "app not none", "app \"not none\": only a name can be negated",
		  "app any says it" },
		{ "app @x", "app \"@x\": no set can stand here", SETS },
		{ "dev not @x", "dev \"@x\": no set can stand here", SETS },
		{ "dport @",
		  "dport \"\": not a name (1 to 31 letters, digits, '-' or '_', "
		  "beginning with a letter or digit)",
		  "" },
		{ "dport 80,@web", "dport \"@web\": not a number or range from 0 to 65535", "" },
		{ "dport 9-7", "dport \"9-7\": the range is inverted", "7-9" },
		{ "src 10.0.0.1/8", "src \"10.0.0.1/8\": has host bits set",
		  "the network is 10.0.0.0/8" },
		{ "vlan 4096", "vlan \"4096\": not a number or range from 0 to 4095", "" },
		{ "ecn ect", "ecn \"ect\": not one of not-ect, ect1, ect0, ce",
		  "did you mean \"ect1\"?" },
		{ "fragment maybe", "fragment \"maybe\": not one of false, true, off, on, no, yes",
		  "" },
		{ "flow-label 0x100000", "flow-label \"0x100000\": not a number from 0 to 1048575",
		  "" },
		{ "proto icmp icmp-type packet-too-big",
		  "icmp-type \"packet-too-big\": not a type of ICMP for IPv4",
		  "give proto icmpv6" },
		{ "icmp-type timestamp-reply proto icmpv6",
		  "icmp-type \"timestamp-reply\": not a type of ICMPv6", "give proto icmp" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_rule_conf conf = { 0 };
		struct cv_err err;

		assert_int_equal(read_words(&conf, cases[i].words, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].text);
		assert_string_equal(err.hint, cases[i].hint);
		cv_rule_conf_fini(&conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_reads_back),
		cmocka_unit_test(not_may_stand_in_the_value),
		cmocka_unit_test(wrong_values_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
