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
#include "set.h"

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
		.ecn = 2,
		.len = 1500,
		.has_vlan = true,
		.vlan = 7,
		.has_tcp = true,
		.tcp_flags = 0x12,
		.has_ports = true,
	};
}

static const struct cv_rules no_rules;

/* A match with ports from..to on both sides. */
#define PORTS(s1, s2, d1, d2)                                                                      \
	.flags = CV_MATCH_PORTS, .sport_min = (s1), .sport_max = (s2), .dport_min = (d1),          \
	.dport_max = (d2)

#define NOT(flag) .flags = (flag), .extra.not_flags = (flag)
#define LEN(a, b) .extra.len_min = (a), .extra.len_max = (b)
#define VLAN(a, b) .extra.vlan_min = (a), .extra.vlan_max = (b)
#define TCP(set, mask) .extra.tcp_flags = (set), .extra.tcp_mask = (mask)

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
	{ "not app", { NOT(CV_MATCH_APP), .extra.app = 3 }, false },
	{ "not another app", { NOT(CV_MATCH_APP), .extra.app = 4 }, true },
	{ "not dev", { NOT(CV_MATCH_DEV), .extra.ifindex = 7 }, false },
	{ "not another dev", { NOT(CV_MATCH_DEV), .extra.ifindex = 8 }, true },
	{ "not mark", { NOT(CV_MATCH_MARK), .extra.mark = 5, .extra.mark_mask = 0xff }, false },
	{ "not another mark",
	  { NOT(CV_MATCH_MARK), .extra.mark = 4, .extra.mark_mask = 0xff },
	  true },
	{ "not tunnel", { NOT(CV_MATCH_TUNNEL), .extra.tunnel = 2 }, false },
	{ "not another tunnel", { NOT(CV_MATCH_TUNNEL), .extra.tunnel = 1 }, true },
	{ "ecn", { .flags = CV_MATCH_ECN, .extra.ecns = 1 << 2 | 1 << 3 }, true },
	{ "other ecn", { .flags = CV_MATCH_ECN, .extra.ecns = 1 << 1 | 1 << 3 }, false },
	{ "len", { .flags = CV_MATCH_LEN, LEN(1500, 1500) }, true },
	{ "len too low", { .flags = CV_MATCH_LEN, LEN(1501, 9000) }, false },
	{ "len too high", { .flags = CV_MATCH_LEN, LEN(0, 1499) }, false },
	{ "not len", { NOT(CV_MATCH_LEN), LEN(1500, 1500) }, false },
	{ "not another len", { NOT(CV_MATCH_LEN), LEN(0, 1499) }, true },
	{ "fragment", { .flags = CV_MATCH_FRAGMENT }, false },
	{ "no fragment", { NOT(CV_MATCH_FRAGMENT) }, true },
	{ "vlan", { .flags = CV_MATCH_VLAN, VLAN(7, 7) }, true },
	{ "vlan too low", { .flags = CV_MATCH_VLAN, VLAN(8, 9) }, false },
	{ "vlan too high", { .flags = CV_MATCH_VLAN, VLAN(0, 6) }, false },
	{ "not vlan", { NOT(CV_MATCH_VLAN), VLAN(7, 8) }, false },
	{ "not another vlan", { NOT(CV_MATCH_VLAN), VLAN(8, 8) }, true },
	{ "ethertype", { .flags = CV_MATCH_ETHERTYPE, .extra.ethertype = 0x0800 }, true },
	{ "other ethertype", { .flags = CV_MATCH_ETHERTYPE, .extra.ethertype = 0x86dd }, false },
	{ "not ethertype", { NOT(CV_MATCH_ETHERTYPE), .extra.ethertype = 0x0800 }, false },
	{ "not another ethertype", { NOT(CV_MATCH_ETHERTYPE), .extra.ethertype = 0x0806 }, true },
	{ "tcp flags", { .flags = CV_MATCH_TCP_FLAGS, TCP(0x02, 0x03) }, true },
	{ "other tcp flags", { .flags = CV_MATCH_TCP_FLAGS, TCP(0x02, 0x12) }, false },
	{ "not tcp flags", { NOT(CV_MATCH_TCP_FLAGS), TCP(0x02, 0x03) }, false },
	{ "not other tcp flags", { NOT(CV_MATCH_TCP_FLAGS), TCP(0x02, 0x12) }, true },
	{ "icmp type of tcp", { .flags = CV_MATCH_ICMP_TYPE }, false },
	{ "not icmp type of tcp", { NOT(CV_MATCH_ICMP_TYPE), .extra.icmp_type = 8 }, false },
	{ "flow label of IPv4", { .flags = CV_MATCH_FLOW_LABEL }, false },
	{ "not flow label of IPv4", { NOT(CV_MATCH_FLOW_LABEL), .extra.flow_label = 1 }, false },
	{ "quoted, of what quotes nothing", { .flags = CV_MATCH_QUOTED }, false },
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
		if (cv_oracle_holds(&no_rules, &cases[i].match, &packet) != cases[i].holds)
			fail_msg("%s", cases[i].what);
}

static void a_packet_without_ports_meets_no_port(void **unused)
{
	const struct cv_match match = { PORTS(0, 65535, 0, 65535) };
	struct cv_oracle_packet packet = a_packet();

	(void)unused;
	packet.has_ports = false;
	assert_false(cv_oracle_holds(&no_rules, &match, &packet));
}

/* What a packet does not have is neither so nor not so. */
static void what_a_packet_has_not_is_in_neither_form(void **unused)
{
	static const struct cv_match matches[] = {
		{ .flags = CV_MATCH_VLAN, VLAN(0, 4095) },
		{ NOT(CV_MATCH_VLAN), VLAN(8, 9) },
		{ .flags = CV_MATCH_TCP_FLAGS },
		{ NOT(CV_MATCH_TCP_FLAGS), TCP(1, 1) },
		{ .flags = CV_MATCH_ICMP_CODE },
		{ NOT(CV_MATCH_ICMP_CODE), .extra.icmp_code = 1 },
	};
	struct cv_oracle_packet packet = a_packet();

	(void)unused;
	packet.has_vlan = packet.has_tcp = false;
	for (size_t i = 0; i < CV_COUNT(matches); i++)
		assert_false(cv_oracle_holds(&no_rules, &matches[i], &packet));
}

static void icmp_and_flow_labels_can_be_asked(void **unused)
{
	struct cv_oracle_packet packet = {
		.family = 6, .has_icmp = true, .icmp_type = 128, .icmp_code = 3, .flow_label = 9
	};
	static const struct {
		struct cv_match match;
		bool holds;
	} table[] = {
		{ { .flags = CV_MATCH_ICMP_TYPE, .extra.icmp_type = 128 }, true },
		{ { .flags = CV_MATCH_ICMP_TYPE, .extra.icmp_type = 129 }, false },
		{ { NOT(CV_MATCH_ICMP_TYPE), .extra.icmp_type = 128 }, false },
		{ { NOT(CV_MATCH_ICMP_TYPE), .extra.icmp_type = 129 }, true },
		{ { .flags = CV_MATCH_ICMP_CODE, .extra.icmp_code = 3 }, true },
		{ { .flags = CV_MATCH_ICMP_CODE, .extra.icmp_code = 2 }, false },
		{ { .flags = CV_MATCH_FLOW_LABEL, .extra.flow_label = 9 }, true },
		{ { .flags = CV_MATCH_FLOW_LABEL, .extra.flow_label = 8 }, false },
		{ { NOT(CV_MATCH_FLOW_LABEL), .extra.flow_label = 9 }, false },
		{ { NOT(CV_MATCH_FLOW_LABEL), .extra.flow_label = 8 }, true },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(table); i++)
		assert_int_equal(cv_oracle_holds(&no_rules, &table[i].match, &packet),
				 table[i].holds);
}

static void other_frames_are_meant_only_with_an_ethertype(void **unused)
{
	static const struct {
		struct cv_match match;
		bool holds;
	} table[] = {
		{ { .flags = 0 }, false },
		{ { .flags = CV_MATCH_DEV, .extra.ifindex = 7 }, false },
		{ { .flags = CV_MATCH_ETHERTYPE, .extra.ethertype = 0x0806 }, true },
		{ { .flags = CV_MATCH_ETHERTYPE, .extra.ethertype = 0x0800 }, false },
		{ { NOT(CV_MATCH_ETHERTYPE), .extra.ethertype = 0x0800 }, true },
		{ { .flags = CV_MATCH_ETHERTYPE | CV_MATCH_LEN, .extra.ethertype = 0x0806 },
		  false },
	};
	struct cv_oracle_packet packet = { .ifindex = 7, .ethertype = 0x0806 };

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(table); i++)
		assert_int_equal(cv_oracle_holds(&no_rules, &table[i].match, &packet),
				 table[i].holds);
	packet.ethertype = 0;
	assert_false(cv_oracle_holds(&no_rules, &table[4].match, &packet));
}

/* A set of 10.9.0.0/16, 2001:db8::/32 and the numbers 6 and 443. */
static void sets_are_asked_by_field(void **unused)
{
	static const struct {
		struct cv_set_ref ref;
		bool holds;
	} table[] = {
		{ { 1, CV_SET_FIELD_SRC, 0 }, false },	{ { 1, CV_SET_FIELD_SRC, 1 }, true },
		{ { 1, CV_SET_FIELD_DST, 0 }, true },	{ { 1, CV_SET_FIELD_DST, 1 }, false },
		{ { 1, CV_SET_FIELD_PROTO, 0 }, true }, { { 1, CV_SET_FIELD_SPORT, 0 }, false },
		{ { 1, CV_SET_FIELD_DPORT, 0 }, true }, { { 1, CV_SET_FIELD_DPORT, 1 }, false },
		{ { 1, CV_SET_FIELD_DSCP, 1 }, true },	{ { 1, CV_SET_FIELD_MARK, 0 }, false },
		{ { 1, CV_SET_FIELD_LEN, 1 }, true },	{ { 1, CV_SET_FIELD_VLAN, 0 }, false },
		{ { 1, CV_SET_FIELD_VLAN, 1 }, true },
	};
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { .set_count = 1 };
	struct cv_prefix prefixes[] = { { { 4, { 10, 9 } }, 16 },
					{ { 6, { 0x20, 0x01, 0x0d, 0xb8 } }, 32 } };
	struct cv_range numbers[] = { { 443, 443 }, { 6, 6 } };
	struct cv_oracle_packet packet = a_packet();
	struct cv_match match = { .flags = CV_MATCH_SETS };

	(void)unused;
	rules.sets = calloc(1, sizeof(*rules.sets));
	assert_non_null(rules.sets);
	assert_int_equal(cv_set_add_prefixes(rules.sets, &(struct cv_prefixes){ prefixes, 2 }), 0);
	assert_int_equal(cv_set_add_ranges(rules.sets, &(struct cv_ranges){ numbers, 2 }), 0);
	cv_set_normalise(rules.sets);
	for (size_t i = 0; i < CV_COUNT(table); i++) {
		match.extra.sets[i % CV_MAX_SET_REFS] = table[i].ref;
		assert_int_equal(cv_oracle_holds(&rules, &match, &packet), table[i].holds);
		match.extra.sets[i % CV_MAX_SET_REFS] = (struct cv_set_ref){ 0 };
	}
	match.extra.sets[0] = (struct cv_set_ref){ 1, CV_SET_FIELD_DST, 0 };
	match.extra.sets[5] = (struct cv_set_ref){ 1, CV_SET_FIELD_SPORT, 1 };
	assert_true(cv_oracle_holds(&rules, &match, &packet));
	packet.has_ports = false;
	assert_false(cv_oracle_holds(&rules, &match, &packet));
	packet.family = 6;
	memcpy(packet.dst, prefixes[1].addr.bytes, sizeof(packet.dst));
	match.extra.sets[5].set = 0;
	assert_true(cv_oracle_holds(&rules, &match, &packet));
}

static void what_is_quoted_is_a_packet_of_its_own(void **unused)
{
	struct cv_match match = { .flags = CV_MATCH_QUOTED | CV_MATCH_PROTO, .proto = IPPROTO_UDP };
	struct cv_oracle_packet quoted = a_packet(), packet = a_packet();

	(void)unused;
	quoted.proto = IPPROTO_UDP;
	packet.quoted = &quoted;
	assert_true(cv_oracle_holds(&no_rules, &match, &packet));
	match.proto = IPPROTO_TCP;
	assert_false(cv_oracle_holds(&no_rules, &match, &packet));
	match.flags = CV_MATCH_PROTO;
	assert_true(cv_oracle_holds(&no_rules, &match, &packet));
}

static void a_packet_of_nobody_meets_no_app(void **unused)
{
	const struct cv_match any = { .flags = CV_MATCH_APP, .extra.app = CV_APP_ANY };
	const struct cv_match none = { .flags = CV_MATCH_APP, .extra.app = CV_APP_NONE };
	struct cv_oracle_packet packet = a_packet();

	(void)unused;
	packet.app = CV_APP_NONE;
	assert_false(cv_oracle_holds(&no_rules, &any, &packet));
	assert_true(cv_oracle_holds(&no_rules, &none, &packet));
}

static void an_exact_owner_may_be_asked_for(void **unused)
{
	const struct cv_match exact = { .flags = CV_MATCH_APP | CV_MATCH_EXACT, .extra.app = 3 };
	struct cv_oracle_packet packet = a_packet();

	(void)unused;
	assert_false(cv_oracle_holds(&no_rules, &exact, &packet));
	packet.is_exact = true;
	assert_true(cv_oracle_holds(&no_rules, &exact, &packet));
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
	assert_false(cv_oracle_holds(&no_rules, &match, &packet));
	packet.src[2] = htonl(0x80000000);
	packet.src[3] = htonl(1);
	assert_true(cv_oracle_holds(&no_rules, &match, &packet));
	memcpy(match.dst, match.src, sizeof(match.dst));
	memcpy(match.dst_mask, match.src_mask, sizeof(match.dst_mask));
	match.flags = CV_MATCH_DST;
	assert_false(cv_oracle_holds(&no_rules, &match, &packet));
	memcpy(packet.dst, packet.src, sizeof(packet.dst));
	assert_true(cv_oracle_holds(&no_rules, &match, &packet));
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

static void the_search_goes_on_behind_a_rule(void **unused)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	const struct cv_oracle_packet packet = a_packet();

	(void)unused;
	init_rules(&rules, CV_RULES_NEED_OWNER(CV_DIR_OUT));
	assert_ptr_equal(cv_oracle_next(&rules, &packet, CV_DIR_OUT, &rules.rules[0]),
			 &rules.rules[1]);
	assert_null(cv_oracle_next(&rules, &packet, CV_DIR_OUT, &rules.rules[1]));
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
		cmocka_unit_test(what_a_packet_has_not_is_in_neither_form),
		cmocka_unit_test(icmp_and_flow_labels_can_be_asked),
		cmocka_unit_test(other_frames_are_meant_only_with_an_ethertype),
		cmocka_unit_test(sets_are_asked_by_field),
		cmocka_unit_test(what_is_quoted_is_a_packet_of_its_own),
		cmocka_unit_test(the_search_goes_on_behind_a_rule),
		cmocka_unit_test(the_first_match_wins),
		cmocka_unit_test(the_owner_is_known_only_where_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
