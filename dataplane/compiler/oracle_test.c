/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of oracle.c: each condition alone, at its bounds, and the order of matches. That compiled
 * sets mean what users wrote is compile_test.c's affair.
 */
#include "oracle.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct cv_oracle_packet a_packet(void)
{
	return (struct cv_oracle_packet){
		.src = { htonl(0x0a080001) },
		.dst = { htonl(0x0a090001) },
		.ifindex = 7,
		.mark = 0x02000005,
		.app = 3,
		.tunnel = 2,
		.sport = 40000,
		.dport = 443,
		.family = 4,
		.proto = IPPROTO_TCP,
		.dscp = 46,
		.has_ports = true,
	};
}

/* A match with ports from..to on both sides. */
#define PORTS(s1, s2, d1, d2)                                                                      \
	.flags = CV_MATCH_PORTS, .sport_min = (s1), .sport_max = (s2), .dport_min = (d1),          \
	.dport_max = (d2)

static const struct {
	const char *what;
	struct cv_match match;
	bool holds;
} cases[] = {
	{ "no condition", { .family = 6, .proto = 99 }, true },
	{ "family", { .flags = CV_MATCH_FAMILY, .family = 4 }, true },
	{ "other family", { .flags = CV_MATCH_FAMILY, .family = 6 }, false },
	{ "proto", { .flags = CV_MATCH_PROTO, .proto = IPPROTO_TCP }, true },
	{ "other proto", { .flags = CV_MATCH_PROTO, .proto = IPPROTO_UDP }, false },
	{ "ports", { PORTS(0, 65535, 443, 443) }, true },
	{ "ports at their lower bounds", { PORTS(40000, 40001, 443, 444) }, true },
	{ "ports at their upper bounds", { PORTS(39999, 40000, 442, 443) }, true },
	{ "sport too low", { PORTS(40001, 65535, 0, 65535) }, false },
	{ "sport too high", { PORTS(0, 39999, 0, 65535) }, false },
	{ "dport too low", { PORTS(0, 65535, 444, 65535) }, false },
	{ "dport too high", { PORTS(0, 65535, 0, 442) }, false },
	{ "dscp", { .flags = CV_MATCH_DSCP, .extra.dscps = 1ULL << 46 }, true },
	{ "other dscp", { .flags = CV_MATCH_DSCP, .extra.dscps = 1ULL << 0 }, false },
	{ "app", { .flags = CV_MATCH_APP, .extra.app = 3 }, true },
	{ "other app", { .flags = CV_MATCH_APP, .extra.app = 4 }, false },
	{ "any app", { .flags = CV_MATCH_APP, .extra.app = CV_APP_ANY }, true },
	{ "no app", { .flags = CV_MATCH_APP, .extra.app = CV_APP_NONE }, false },
	{ "dev", { .flags = CV_MATCH_DEV, .extra.ifindex = 7 }, true },
	{ "other dev", { .flags = CV_MATCH_DEV, .extra.ifindex = 8 }, false },
	{ "mark", { .flags = CV_MATCH_MARK, .extra.mark = 5, .extra.mark_mask = 0xff }, true },
	{ "other mark",
	  { .flags = CV_MATCH_MARK, .extra.mark = 4, .extra.mark_mask = 0xff },
	  false },
	{ "whole mark",
	  { .flags = CV_MATCH_MARK, .extra.mark = 5, .extra.mark_mask = UINT32_MAX },
	  false },
	{ "tunnel", { .flags = CV_MATCH_TUNNEL, .extra.tunnel = 2 }, true },
	{ "other tunnel", { .flags = CV_MATCH_TUNNEL, .extra.tunnel = 1 }, false },
	{ "two conditions",
	  { .flags = CV_MATCH_DSCP | CV_MATCH_DEV, .extra.dscps = 1ULL << 46, .extra.ifindex = 7 },
	  true },
	{ "one of two",
	  { .flags = CV_MATCH_DSCP | CV_MATCH_DEV, .extra.dscps = 1ULL << 46, .extra.ifindex = 8 },
	  false },
};

static void each_condition_holds_or_not(void **unused)
{
	const struct cv_oracle_packet packet = a_packet();

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		if (cv_oracle_holds(&cases[i].match, &packet) != cases[i].holds)
			fail_msg("%s", cases[i].what);
}

static void a_packet_without_ports_meets_no_port(void **unused)
{
	const struct cv_match match = { PORTS(0, 65535, 0, 65535) };
	struct cv_oracle_packet packet = a_packet();

	(void)unused;
	packet.has_ports = false;
	assert_false(cv_oracle_holds(&match, &packet));
}

static void a_packet_of_nobody_meets_no_app(void **unused)
{
	const struct cv_match any = { .flags = CV_MATCH_APP, .extra.app = CV_APP_ANY };
	const struct cv_match none = { .flags = CV_MATCH_APP, .extra.app = CV_APP_NONE };
	struct cv_oracle_packet packet = a_packet();

	(void)unused;
	packet.app = CV_APP_NONE;
	assert_false(cv_oracle_holds(&any, &packet));
	assert_true(cv_oracle_holds(&none, &packet));
}

static void an_exact_owner_may_be_asked_for(void **unused)
{
	const struct cv_match exact = { .flags = CV_MATCH_APP | CV_MATCH_EXACT, .extra.app = 3 };
	struct cv_oracle_packet packet = a_packet();

	(void)unused;
	assert_false(cv_oracle_holds(&exact, &packet));
	packet.is_exact = true;
	assert_true(cv_oracle_holds(&exact, &packet));
}

static void addresses_lie_in_prefixes(void **unused)
{
	struct cv_match match = {
		.flags = CV_MATCH_SRC,
		.src = { htonl(0x20010db8), 0, htonl(0x80000000) },
		.src_mask = { 0xffffffff, 0xffffffff, htonl(0x80000000) },
	};
	struct cv_oracle_packet packet = { .family = 6, .src = { htonl(0x20010db8) } };

	(void)unused;
	assert_false(cv_oracle_holds(&match, &packet));
	packet.src[2] = htonl(0x80000000);
	packet.src[3] = htonl(1);
	assert_true(cv_oracle_holds(&match, &packet));
	memcpy(match.dst, match.src, sizeof(match.dst));
	memcpy(match.dst_mask, match.src_mask, sizeof(match.dst_mask));
	match.flags = CV_MATCH_DST;
	assert_false(cv_oracle_holds(&match, &packet));
	memcpy(packet.dst, packet.src, sizeof(packet.dst));
	assert_true(cv_oracle_holds(&match, &packet));
}

/* Two rules, the first of which asks for an app. */
static void init_rules(struct cv_rules *rules, uint32_t flags)
{
	*rules = (struct cv_rules){ .flags = flags, .rule_count = 2, .match_count = 3 };
	rules->rules = calloc(rules->rule_count, sizeof(*rules->rules));
	rules->matches = calloc(rules->match_count, sizeof(*rules->matches));
	assert_non_null(rules->rules);
	assert_non_null(rules->matches);
	for (size_t i = 0; i < rules->match_count; i++) {
		rules->matches[i].rule = i > 0;
		rules->matches[i].dirs = (1 << CV_DIR_COUNT) - 1;
	}
	rules->matches[0].flags = CV_MATCH_APP;
	rules->matches[0].extra.app = 3;
}

static void the_first_match_wins(void **unused)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	struct cv_oracle_packet packet = a_packet();

	(void)unused;
	init_rules(&rules, CV_RULES_NEED_OWNER(CV_DIR_OUT));
	assert_ptr_equal(cv_oracle_find(&rules, &packet, CV_DIR_OUT), &rules.rules[0]);
	packet.app = 4;
	assert_ptr_equal(cv_oracle_find(&rules, &packet, CV_DIR_OUT), &rules.rules[1]);
	rules.matches[2].dirs = 0;
	rules.matches[1].dirs = 1 << CV_DIR_IN;
	assert_null(cv_oracle_find(&rules, &packet, CV_DIR_OUT));
	assert_ptr_equal(cv_oracle_find(&rules, &packet, CV_DIR_IN), &rules.rules[1]);
}

static void the_owner_is_known_only_where_it_is_asked_for(void **unused)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	const struct cv_oracle_packet packet = a_packet();

	(void)unused;
	init_rules(&rules, CV_RULES_NEED_OWNER(CV_DIR_OUT) | CV_RULES_NEED_OWNER(CV_DIR_ENCAP));
	assert_ptr_equal(cv_oracle_find(&rules, &packet, CV_DIR_OUT), &rules.rules[0]);
	assert_ptr_equal(cv_oracle_find(&rules, &packet, CV_DIR_IN), &rules.rules[1]);
	assert_ptr_equal(cv_oracle_find(&rules, &packet, CV_DIR_ENCAP), &rules.rules[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_condition_holds_or_not),
		cmocka_unit_test(a_packet_without_ports_meets_no_port),
		cmocka_unit_test(a_packet_of_nobody_meets_no_app),
		cmocka_unit_test(an_exact_owner_may_be_asked_for),
		cmocka_unit_test(addresses_lie_in_prefixes),
		cmocka_unit_test(the_first_match_wins),
		cmocka_unit_test(the_owner_is_known_only_where_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
