/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of the words of a tunnel: what each says in a state file, and what a state with one
 * tunnel, or with one beside another, is told.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "own.h"
#include "round_trip.h"
#include "words.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MAX_ARGS 64

#define ENDS4 "local 192.0.2.1 remote 192.0.2.7 "
#define ENDS6 "local 2001:db8::1 remote 2001:db8::7 "
#define YAML4 "local: 192.0.2.1, remote: 192.0.2.7"
#define YAML6 "local: \"2001:db8::1\", remote: \"2001:db8::7\""

/* Adds a tunnel of these words to the state. */
static void add_tunnel(struct cv_state *state, const char *name, const char *words)
{
	CV_FREE char *copy = strdup(words);
	char *argv[MAX_ARGS + 1] = { NULL };
	char *rest = copy, *word;
	struct cv_tunnel_conf conf;
	struct cv_err err;
	int argc = 0;

	assert_non_null(copy);
	while ((word = strsep(&rest, " ")) && argc < MAX_ARGS)
		if (*word)
			argv[argc++] = word;
	cv_noun_tunnel.init(&conf);
	if (cv_words_from_args(&cv_noun_tunnel, &conf, argc, argv, &err))
		fail_msg("%s: %s", words, err.text);
	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_tunnel(state, &conf, NULL), 0);
}

/* ---- words and state files ---- */

static void words_become_a_state_file_and_come_back(void **unused)
{
	static const struct {
		const char *words, *yaml;
	} cases[] = {
		{ "mode ipip " ENDS4, "{mode: ipip, " YAML4 "}" },
		{ "mode gre key 0 " ENDS6, "{mode: gre, " YAML6 ", key: 0}" },
		{ "mode gre nonlocal " ENDS4,
		  "{mode: gre, local: 192.0.2.1, nonlocal: true, remote: 192.0.2.7}" },
		{ "mode gre key 4294967295 overlap 86400 " ENDS4,
		  "{mode: gre, " YAML4 ", key: 4294967295, overlap: 86400}" },
		{ "mode gre key 1 overlap 0 " ENDS4, "{mode: gre, " YAML4 ", key: 1}" },
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,192.0.2.8 weight 3,1000",
		  "{mode: gre, local: 192.0.2.1, remote: [192.0.2.7, 192.0.2.8], weight: [3, 1000]}" },
		{ "mode gue variant 1 dport 6081 " ENDS4,
		  "{mode: gue, " YAML4 ", dport: 6081, variant: 1}" },
		{ "mode gue variant 0 " ENDS4, "{mode: gue, " YAML4 ", variant: 0}" },
		{ "mode fou dport 65535 " ENDS6, "{mode: fou, " YAML6 ", dport: 65535}" },
		{ "mode vxlan vni 16777215 " ENDS4, "{mode: vxlan, " YAML4 ", vni: 16777215}" },
		{ "mode vxlan vni 0 inner-smac 02:00:5E:00:53:01 inner-dmac 2:0:5e:0:53:2 " ENDS4,
		  "{mode: vxlan, " YAML4
		  ", vni: 0, inner-smac: \"02:00:5e:00:53:01\", inner-dmac: \"02:00:5e:00:53:02\"}" },
		{ "mode geneve vni 7 dport 6082 " ENDS6,
		  "{mode: geneve, " YAML6 ", vni: 7, dport: 6082}" },
		{ "mode srv6 segments 2001:db8:a::1,2001:db8:b::1 sid 2001:db8:c::1 " ENDS6,
		  "{mode: srv6, " YAML6
		  ", segments: [\"2001:db8:a::1\", \"2001:db8:b::1\"], sid: \"2001:db8:c::1\"}" },
		{ "mode gre dscp uniform ttl inherit ecn off df inherit " ENDS4,
		  "{mode: gre, " YAML4 ", ttl: inherit, dscp: uniform, ecn: off, df: inherit}" },
		{ "mode gre probe off " ENDS4, "{mode: gre, " YAML4 ", probe: off}" },
		{ "mode gre probe on " ENDS4, "{mode: gre, " YAML4 "}" },
		{ "mode gre mss auto mtu auto " ENDS4, "{mode: gre, " YAML4 ", mss: auto}" },
		{ "mode gre mss 88 mtu 1280 " ENDS4, "{mode: gre, " YAML4 ", mtu: 1280, mss: 88}" },
		{ "mode gre mss off ttl 64 dscp inherit ecn on df on " ENDS4,
		  "{mode: gre, " YAML4 "}" },
		{ "mode gre local 192.0.2.1 remote peers allow 10.0.0.0/8,2001:db8::/32",
		  "{mode: gre, local: 192.0.2.1, remote: peers, allow: [10.0.0.0/8, \"2001:db8::/32\"]}" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_FREE char *expected = NULL;
		struct cv_state state;

		cv_state_init(&state);
		add_tunnel(&state, "blue", cases[i].words);
		assert_true(asprintf(&expected, "tunnels:\n  blue: %s\n", cases[i].yaml) > 0);
		expect_round_trip(&state, expected);
		cv_state_fini(&state);
	}
}

static void wrong_values_are_explained(void **unused)
{
	static const struct {
		const char *words, *text;
	} cases[] = {
		{ "vni 16777216", "vni \"16777216\": not a number from 0 to 16777215" },
		{ "vni -1", "vni \"-1\": not a number from 0 to 16777215" },
		{ "key 4294967296", "key \"4294967296\": not a number from 0 to 4294967295" },
		{ "overlap 86401", "overlap \"86401\": not a number from 0 to 86400" },
		{ "dport 0", "dport \"0\": not a number from 1 to 65535" },
		{ "dport 65536", "dport \"65536\": not a number from 1 to 65535" },
		{ "variant 2", "variant \"2\": not a number from 0 to 1" },
		{ "weight 0", "weight \"0\": not a number from 1 to 1000" },
		{ "weight 1,1001", "weight \"1001\": not a number from 1 to 1000" },
		{ "weight 1,,2", "weight \"\": not a number from 1 to 1000" },
		{ "mss 87", "mss \"87\": not a number from 88 to 65535" },
		{ "mss none", "mss \"none\": not a number from 88 to 65535" },
		{ "dscp uniforn",
		  "dscp \"uniforn\": not a DSCP (0 to 63, or cs0 to cs7, af11 to af43, ef, va, le)" },
		{ "remote peer", "remote \"peer\": not an IPv4 or IPv6 address" },
		{ "remote 192.0.2.7,peers", "remote \"peers\": not an IPv4 or IPv6 address" },
		{ "segments 2001:db8::1,x", "segments \"x\": not an IPv4 or IPv6 address" },
		{ "sid 2001:db8::1/64", "sid \"2001:db8::1/64\": not an IPv4 or IPv6 address" },
		{ "inner-smac 02:00:5e:00:53",
		  "inner-smac \"02:00:5e:00:53\": not an Ethernet address" },
		{ "inner-smac 02:00:5e:00:53:01:02",
		  "inner-smac \"02:00:5e:00:53:01:02\": not an Ethernet address" },
		{ "inner-dmac 02:00:5e:00:53:1g",
		  "inner-dmac \"02:00:5e:00:53:1g\": not an Ethernet address" },
		{ "inner-dmac 02:00:5e:00:53:001",
		  "inner-dmac \"02:00:5e:00:53:001\": not an Ethernet address" },
		{ "inner-dmac ff:ff:ff:ff:ff:ff",
		  "inner-dmac \"ff:ff:ff:ff:ff:ff\": a group address, not that of one device" },
		{ "inner-smac 01:00:5e:00:00:01",
		  "inner-smac \"01:00:5e:00:00:01\": a group address, not that of one device" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_FREE char *copy = strdup(cases[i].words);
		struct cv_tunnel_conf conf;
		char *argv[2] = { copy };
		struct cv_err err;

		assert_non_null(copy);
		argv[1] = strchr(copy, ' ');
		*argv[1]++ = '\0';
		cv_noun_tunnel.init(&conf);
		assert_int_equal(cv_words_from_args(&cv_noun_tunnel, &conf, 2, argv, &err),
				 -EINVAL);
		assert_string_equal(err.text, cases[i].text);
		cv_tunnel_conf_fini(&conf);
	}
}

/* ---- what is checked ---- */

/* Every fault, as TEXT; HINT. */
static void print_fault(const struct cv_err *err, void *arg)
{
	fprintf(arg, *err->hint ? "%s; %s\n" : "%s\n", err->text, err->hint);
}

struct check_case {
	const char *blue; /* words */
	const char *red; /* NULL: there is one tunnel only */
	const char *faults;
};

static void run_check_cases(const struct check_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CV_FREE char *printed = NULL;
		struct cv_state state;
		size_t size = 0;
		FILE *stream = open_memstream(&printed, &size);

		assert_non_null(stream);
		cv_state_init(&state);
		add_tunnel(&state, "blue", cases[i].blue);
		if (cases[i].red)
			add_tunnel(&state, "red", cases[i].red);
		cv_state_check(&state, print_fault, stream);
		assert_int_equal(fclose(stream), 0);
		if (strcmp(printed, cases[i].faults))
			print_error("%s | %s\n", cases[i].blue, cases[i].red ? cases[i].red : "");
		assert_string_equal(printed, cases[i].faults);
		cv_state_fini(&state);
	}
}

#define NO_KEY "leave key out, or use mode gre"
#define NO_VNI "leave vni out, or use mode vxlan or geneve"

static void words_fit_the_mode(void **unused)
{
	static const struct check_case cases[] = {
		{ "mode ipip key 1 " ENDS4, NULL, "tunnel blue: ipip has no key; " NO_KEY "\n" },
		{ "mode gue key 1 " ENDS4, NULL, "tunnel blue: gue has no key; " NO_KEY "\n" },
		{ "mode fou key 1 " ENDS4, NULL, "tunnel blue: fou has no key; " NO_KEY "\n" },
		{ "mode srv6 key 1 " ENDS6, NULL, "tunnel blue: srv6 has no key; " NO_KEY "\n" },
		{ "mode vxlan vni 1 key 0 " ENDS4, NULL,
		  "tunnel blue: vxlan has no key; vxlan and geneve have vni N\n" },
		{ "mode geneve key 1 " ENDS4, NULL,
		  "tunnel blue: geneve has no key; vxlan and geneve have vni N\n"
		  "tunnel blue: mode geneve without a vni; give vni N\n" },
		{ "mode gre vni 0 " ENDS4, NULL, "tunnel blue: gre has no vni; " NO_VNI "\n" },
		{ "mode ipip vni 1 " ENDS4, NULL, "tunnel blue: ipip has no vni; " NO_VNI "\n" },
		{ "mode gue vni 1 " ENDS4, NULL, "tunnel blue: gue has no vni; " NO_VNI "\n" },
		{ "mode fou vni 1 " ENDS4, NULL, "tunnel blue: fou has no vni; " NO_VNI "\n" },
		{ "mode srv6 vni 1 " ENDS6, NULL, "tunnel blue: srv6 has no vni; " NO_VNI "\n" },
		{ "mode vxlan " ENDS4, NULL,
		  "tunnel blue: mode vxlan without a vni; give vni N\n" },
		{ "mode vxlan vni 0 " ENDS4, NULL, "" },
		{ "mode geneve vni 0 " ENDS6, NULL, "" },
		{ "mode gre dport 47 " ENDS4, NULL,
		  "tunnel blue: gre has no dport; gue, fou, vxlan and geneve have one\n" },
		{ "mode ipip dport 47 " ENDS4, NULL,
		  "tunnel blue: ipip has no dport; gue, fou, vxlan and geneve have one\n" },
		{ "mode srv6 dport 47 " ENDS6, NULL,
		  "tunnel blue: srv6 has no dport; gue, fou, vxlan and geneve have one\n" },
		{ "mode vxlan variant 0 vni 1 " ENDS4, NULL,
		  "tunnel blue: vxlan has no variant; gue has one\n" },
		{ "mode fou variant 1 " ENDS4, NULL,
		  "tunnel blue: fou has no variant; gue has one\n" },
		{ "mode gre inner-smac 02:00:5e:00:53:01 " ENDS4, NULL,
		  "tunnel blue: gre has no inner-smac; vxlan and geneve have one\n" },
		{ "mode gue inner-dmac 02:00:5e:00:53:01 " ENDS4, NULL,
		  "tunnel blue: gue has no inner-dmac; vxlan and geneve have one\n" },
		{ "mode gre segments 2001:db8::9 " ENDS6, NULL,
		  "tunnel blue: gre has no segments; srv6 has them\n" },
		{ "mode ipip sid 2001:db8::9 " ENDS6, NULL,
		  "tunnel blue: ipip has no sid; srv6 has one\n" },
		{ "mode gre overlap 10 " ENDS4, NULL,
		  "tunnel blue: overlap without a key; it is for a change of key or vni\n" },
		{ "mode ipip overlap 10 " ENDS4, NULL,
		  "tunnel blue: overlap without a key; it is for a change of key or vni\n" },
		{ "mode gre overlap 10 key 0 " ENDS4, NULL, "" },
		{ "mode vxlan overlap 10 vni 0 " ENDS4, NULL, "" },
		{ "mode gre overlap 0 " ENDS4, NULL, "" },
	};

	(void)unused;
	run_check_cases(cases, CV_COUNT(cases));
}

static void srv6_has_its_own_needs(void **unused)
{
	static const struct check_case cases[] = {
		{ "mode srv6 " ENDS6, NULL, "" },
		{ "mode srv6 " ENDS4, NULL, "tunnel blue: srv6 needs IPv6 outside\n" },
		{ "mode srv6 local 2001:db8::1 remote 2001:db8::7,2001:db8::8", NULL,
		  "tunnel blue: srv6 with several remotes; a tunnel for each\n" },
		{ "mode srv6 local 2001:db8::1 remote peers", NULL,
		  "tunnel blue: srv6 has no peers; a tunnel for each segment list\n" },
		{ "mode srv6 segments ::1,::2,::3,::4,::5,::6,::7,::8 " ENDS6, NULL, "" },
		{ "mode srv6 segments ::1,::2,::3,::4,::5,::6,::7,::8,::9 " ENDS6, NULL,
		  "tunnel blue: 9 segments, 8 are the most\n" },
		{ "mode srv6 segments 192.0.2.1,::2 " ENDS6, NULL,
		  "tunnel blue: a segment is an IPv6 address\n" },
		{ "mode srv6 sid 192.0.2.1 " ENDS6, NULL,
		  "tunnel blue: a sid is an IPv6 address\n" },
	};

	(void)unused;
	run_check_cases(cases, CV_COUNT(cases));
}

static void remotes_are_several_and_differ(void **unused)
{
	static const struct check_case cases[] = {
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,192.0.2.8", NULL, "" },
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,192.0.2.8 weight 1,2", NULL, "" },
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,192.0.2.8 weight 1", NULL,
		  "tunnel blue: 1 weights for 2 remotes; one for each remote, in their order\n" },
		{ "mode gre weight 1,2,3 " ENDS4, NULL,
		  "tunnel blue: 3 weights for 1 remotes; one for each remote, in their order\n" },
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,192.0.2.8,192.0.2.7", NULL,
		  "tunnel blue: remote 192.0.2.7 is given twice; a weight N makes one of them count more\n" },
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,192.0.2.1", NULL,
		  "tunnel blue: remote is the same address as local\n" },
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,2001:db8::7", NULL,
		  "tunnel blue: local is IPv4, remote is IPv6; local and remote are both IPv4 or both IPv6\n" },
	};

	(void)unused;
	run_check_cases(cases, CV_COUNT(cases));
}

static char *words_with_remotes(size_t count)
{
	size_t size = 0;
	char *words = NULL;
	FILE *stream = open_memstream(&words, &size);

	assert_non_null(stream);
	fprintf(stream, "mode gre local 192.0.2.1 remote 198.51.100.0");
	for (size_t i = 1; i < count; i++)
		fprintf(stream, ",198.51.100.%zu", i);
	assert_int_equal(fclose(stream), 0);
	return words;
}

static void as_many_remotes_as_there_may_be(void **unused)
{
	CV_FREE char *most = words_with_remotes(64);
	CV_FREE char *more = words_with_remotes(65);
	const struct check_case cases[] = {
		{ most, NULL, "" },
		{ more, NULL,
		  "tunnel blue: 65 remotes, 64 are the most; remote peers, with a peer for each prefix, has no limit\n" },
	};

	(void)unused;
	run_check_cases(cases, CV_COUNT(cases));
}

#define TWINS(mode)                                                                                \
	"tunnel red: same mode, local, remote and key as tunnel blue; give one of them a " mode    \
	" of its own\n"

static void tunnels_are_told_apart(void **unused)
{
	static const struct check_case cases[] = {
		{ "mode vxlan vni 1 " ENDS4, "mode vxlan vni 1 " ENDS4, TWINS("vni") },
		{ "mode vxlan vni 1 " ENDS4, "mode vxlan vni 2 " ENDS4, "" },
		{ "mode vxlan vni 1 " ENDS4, "mode vxlan vni 1 dport 8472 " ENDS4, "" },
		{ "mode vxlan vni 1 " ENDS4, "mode vxlan vni 1 dport 4789 " ENDS4, TWINS("vni") },
		{ "mode gue " ENDS4, "mode gue variant 1 " ENDS4, TWINS("key") },
		{ "mode gue " ENDS4, "mode gue dport 7 " ENDS4, "" },
		{ "mode gue " ENDS4, "mode fou dport 6080 local 192.0.2.9 remote 192.0.2.10",
		  "tunnel red: port 6080 is that of tunnel blue, whose mode is gue; give one of them another dport\n" },
		{ "mode vxlan vni 1 dport 6081 " ENDS4, "mode geneve vni 1 " ENDS6,
		  "tunnel red: port 6081 is that of tunnel blue, whose mode is vxlan; give one of them another dport\n" },
		{ "mode gre " ENDS4, "mode ipip " ENDS4, "" },
		{ "mode srv6 " ENDS6, "mode srv6 sid 2001:db8::9 " ENDS6, "" },
		{ "mode srv6 sid 2001:db8::9 " ENDS6, "mode srv6 sid 2001:db8::9 " ENDS6,
		  TWINS("key") },
		{ "mode ipip " ENDS6, "mode srv6 " ENDS6,
		  "tunnel red: what arrives cannot be told from that of tunnel blue, whose mode is ipip; give the srv6 one a sid of its own\n" },
		{ "mode srv6 " ENDS6, "mode ipip " ENDS6,
		  "tunnel red: what arrives cannot be told from that of tunnel blue, whose mode is srv6; give the srv6 one a sid of its own\n" },
		{ "mode ipip " ENDS6, "mode srv6 sid 2001:db8::9 " ENDS6, "" },
		{ "mode ipip " ENDS6, "mode srv6 local 2001:db8::1 remote 2001:db8::8", "" },
		/* One remote in common is enough. */
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,192.0.2.8",
		  "mode gre local 192.0.2.1 remote 192.0.2.9,192.0.2.8", TWINS("key") },
		{ "mode gre local 192.0.2.1 remote 192.0.2.7,192.0.2.8",
		  "mode gre local 192.0.2.1 remote 192.0.2.9,192.0.2.10", "" },
		{ "mode gre key 1 allow 10.0.0.0/8 " ENDS4,
		  "mode gre key 2 allow 10.9.0.0/16 " ENDS4,
		  "tunnel red: allow 10.9.0.0/16 overlaps that of tunnel blue, which has the same ends; an inner source belongs to one of them\n" },
		{ "mode gre key 1 allow 10.9.0.0/16 " ENDS4,
		  "mode gre key 2 allow 192.168.0.0/16,10.0.0.0/8 " ENDS4,
		  "tunnel red: allow 10.0.0.0/8 overlaps that of tunnel blue, which has the same ends; an inner source belongs to one of them\n" },
		{ "mode gre key 1 allow 10.0.0.0/9 " ENDS4,
		  "mode gre key 2 allow 10.128.0.0/9 " ENDS4, "" },
		{ "mode gre key 1 allow 10.0.0.0/8 " ENDS4,
		  "mode gre key 2 allow 2001:db8::/32 " ENDS4, "" },
		{ "mode gre allow 10.0.0.0/8 " ENDS4,
		  "mode gre allow 10.0.0.0/8 local 192.0.2.1 remote 192.0.2.8", "" },
	};

	(void)unused;
	run_check_cases(cases, CV_COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_a_state_file_and_come_back),
		cmocka_unit_test(wrong_values_are_explained),
		cmocka_unit_test(words_fit_the_mode),
		cmocka_unit_test(srv6_has_its_own_needs),
		cmocka_unit_test(remotes_are_several_and_differ),
		cmocka_unit_test(as_many_remotes_as_there_may_be),
		cmocka_unit_test(tunnels_are_told_apart),
	};

	return cmocka_run_group_tests_name("cmd_tunnel", tests, NULL, NULL);
}
