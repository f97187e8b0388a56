/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of shadow.c and cover.c: what is said to be never met is never met by any packet of few
 * values, and by hand what is found, and what is not.
 */
#include "shadow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oracle.h"
#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define BOTH (1 << CV_DIR_IN | 1 << CV_DIR_OUT)
#define STEPS (1u << 20)

static unsigned int seed;

static unsigned int pick(unsigned int count)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16 & 0x7fff) % count;
}

static bool chance(unsigned int one_in)
{
	return !pick(one_in);
}

/* ---- rules made by hand ---- */

/* A rule for each match, with that verdict; matches of neighbours with one number are one rule's. */
struct row {
	struct cv_match match;
	enum cv_verdict verdict;
	uint32_t actions;
};

static void make_rules(struct cv_rules *rules, const struct row *rows, size_t count)
{
	*rules = (struct cv_rules){ .match_count = count };
	rules->rules = calloc(2 * count + 1, sizeof(*rules->rules));
	rules->matches = calloc(count + 1, sizeof(*rules->matches));
	assert_non_null(rules->rules);
	assert_non_null(rules->matches);
	for (size_t i = 0; i < count; i++) {
		struct cv_match *match = &rules->matches[i];

		*match = rows[i].match;
		match->dirs = match->dirs ? match->dirs : BOTH;
		match->extra.flags = match->flags & CV_MATCH_EXTRAS;
		rules->rules[match->rule].rule.verdict = rows[i].verdict;
		rules->rules[match->rule].rule.flags = rows[i].actions;
		rules->rule_count = match->rule + 1;
	}
}

#define RULE(number, ...)                                                                          \
	{                                                                                          \
		.match = {.rule = (number), __VA_ARGS__ }                                          \
	}
#define NET(a, bits)                                                                               \
	.family = 4, .src = { htonl((uint32_t)(a) << 24) },                                        \
	.src_mask = { htonl(UINT32_MAX << (32 - (bits))) }
#define SRC (CV_MATCH_FAMILY | CV_MATCH_SRC)
#define DPORT(a, b) .sport_max = 65535, .dport_min = (a), .dport_max = (b)

/* What is found: "2<0" rule 2 by rule 0, "2<0+" by it and others, "2!" of itself. */
static void assert_found(const struct row *rows, size_t count, const char *expected)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	CV_FREE struct cv_shadow *shadows = NULL;
	char text[256] = "";
	size_t found = 0;

	make_rules(&rules, rows, count);
	assert_int_equal(cv_shadow_find(&rules, STEPS, &shadows, &found), 0);
	for (size_t i = 0; i < found; i++) {
		size_t used = strlen(text);

		if (shadows[i].by == CV_SHADOW_NOBODY)
			snprintf(text + used, sizeof(text) - used, "%s%zu!", i ? " " : "",
				 shadows[i].rule);
		else
			snprintf(text + used, sizeof(text) - used, "%s%zu<%zu%s", i ? " " : "",
				 shadows[i].rule, shadows[i].by,
				 shadows[i].is_by_several ? "+" : "");
	}
	assert_string_equal(text, expected);
}

#define FOUND(rows, expected) assert_found(rows, CV_COUNT(rows), expected)

static void broader_rules_cover_later_ones(void **unused)
{
	static const struct row same[] = { RULE(0, .flags = 0), RULE(1, .flags = 0) };
	static const struct row ports[] = {
		RULE(0, .flags = CV_MATCH_PROTO | CV_MATCH_PORTS, .proto = 6, DPORT(80, 90)),
		RULE(1, .flags = CV_MATCH_PROTO | CV_MATCH_PORTS, .proto = 6, DPORT(80, 90)),
		RULE(2, .flags = CV_MATCH_PROTO | CV_MATCH_PORTS, .proto = 6, DPORT(81, 90)),
		RULE(3, .flags = CV_MATCH_PROTO | CV_MATCH_PORTS, .proto = 6, DPORT(81, 91)),
		RULE(4, .flags = CV_MATCH_PROTO, .proto = 6),
		RULE(5, .flags = CV_MATCH_PROTO | CV_MATCH_PORTS, .proto = 6, DPORT(1, 2)),
		RULE(6, .flags = CV_MATCH_PROTO | CV_MATCH_PORTS, .proto = 17, DPORT(81, 82)),
	};
	struct row nets[] = {
		RULE(0, .flags = SRC, NET(10, 9)),
		RULE(1, .flags = SRC, NET(10, 8)),
		RULE(2, .flags = SRC, NET(10, 16)),
		RULE(3, .flags = SRC, NET(11, 16)),
		RULE(4, .flags = 0),
		RULE(5, .flags = SRC, NET(12, 16)),
	};

	(void)unused;
	FOUND(same, "1<0");
	FOUND(ports, "1<0 2<0 5<4");
	FOUND(nets, "2<0 5<4");
}

static void every_match_of_a_rule_must_be_covered(void **unused)
{
	struct row rows[] = {
		RULE(0, .flags = SRC, NET(10, 8)),  RULE(1, .flags = SRC, NET(11, 8)),
		RULE(2, .flags = SRC, NET(10, 16)), RULE(2, .flags = SRC, NET(12, 16)),
		RULE(3, .flags = SRC, NET(10, 16)), RULE(3, .flags = SRC, NET(11, 16)),
		RULE(4, .flags = SRC, NET(11, 16)), RULE(4, .flags = SRC, NET(11, 17)),
	};

	(void)unused;
	FOUND(rows, "3<0+ 4<1");
}

static void both_directions_must_be_covered(void **unused)
{
	static const struct row rows[] = {
		RULE(0, .dirs = 1 << CV_DIR_IN),
		RULE(1, .dirs = 1 << CV_DIR_IN | 1 << CV_DIR_ENCAP),
		RULE(2, .dirs = BOTH),
		RULE(3, .dirs = 1 << CV_DIR_OUT),
	};

	(void)unused;
	FOUND(rows, "1<0 3<2");
}

static void rules_that_cannot_be_met_are_found(void **unused)
{
	static const struct row rows[] = { RULE(1, .flags = CV_MATCH_PROTO), RULE(3, .flags = 0) };

	(void)unused;
	FOUND(rows, "0! 2!");
}

/* A rule that says continue hides nothing. */
static void the_search_goes_on_behind_continue(void **unused)
{
	struct row rows[] = { RULE(0, .flags = 0), RULE(1, .flags = 0), RULE(2, .flags = 0) };

	(void)unused;
	rows[0].verdict = CV_VERDICT_CONTINUE;
	FOUND(rows, "2<1");
}

/* What a rule before has changed may be what one behind asks for. */
static void marks_that_change_in_between_hide_nothing(void **unused)
{
	struct row rows[] = {
		RULE(0, .flags = CV_MATCH_MARK, .extra.mark = 1, .extra.mark_mask = 1),
		RULE(1, .flags = CV_MATCH_PROTO, .proto = 6),
		RULE(2, .flags = CV_MATCH_PROTO, .proto = 17),
		RULE(3, .flags = CV_MATCH_MARK, .extra.mark = 1, .extra.mark_mask = 1),
		RULE(4, .flags = CV_MATCH_PROTO, .proto = 17),
	};

	(void)unused;
	FOUND(rows, "3<0 4<2");
	rows[1].verdict = CV_VERDICT_CONTINUE;
	FOUND(rows, "3<0 4<2");
	rows[1].actions = CV_ACTION_MARK;
	FOUND(rows, "4<2");
	rows[1].actions = CV_ACTION_DSCP;
	FOUND(rows, "4<2");
	rows[1].verdict = CV_VERDICT_NEXT;
	FOUND(rows, "3<0 4<2");
}

static void too_much_work_is_given_up(void **unused)
{
	static const struct row rows[] = { RULE(0, .flags = CV_MATCH_PROTO, .proto = 1),
					   RULE(1, .flags = CV_MATCH_PROTO, .proto = 2) };
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	CV_FREE struct cv_shadow *shadows = NULL;
	size_t found = 0;

	(void)unused;
	make_rules(&rules, rows, CV_COUNT(rows));
	assert_int_equal(cv_shadow_find(&rules, 8, &shadows, &found), 0);
	free(CV_TAKE_PTR(shadows));
	assert_int_equal(cv_shadow_find(&rules, 7, &shadows, &found), -E2BIG);
}

/* ---- conditions of few rules ---- */

#define EXTRA(flag, ...)                                                                           \
	{                                                                                          \
		.flags = (flag), __VA_ARGS__                                                       \
	}
#define NOT(flag, ...)                                                                             \
	{                                                                                          \
		.flags = (flag), .extra.not_flags = (flag), __VA_ARGS__                            \
	}

static void conditions_lie_within_each_other(void **unused)
{
	static const struct {
		struct cv_match a, b;
		bool covers, is_covered;
	} cases[] = {
		{ EXTRA(CV_MATCH_DSCP, .extra.dscps = 6), EXTRA(CV_MATCH_DSCP, .extra.dscps = 2),
		  true, false },
		{ EXTRA(CV_MATCH_ECN, .extra.ecns = 6), EXTRA(CV_MATCH_ECN, .extra.ecns = 10),
		  false, false },
		{ EXTRA(CV_MATCH_APP, .extra.app = CV_APP_ANY), EXTRA(CV_MATCH_APP, .extra.app = 3),
		  true, false },
		{ EXTRA(CV_MATCH_APP, .extra.app = CV_APP_ANY),
		  EXTRA(CV_MATCH_APP, .extra.app = CV_APP_NONE), false, false },
		{ NOT(CV_MATCH_APP, .extra.app = 3), EXTRA(CV_MATCH_APP, .extra.app = 4), true,
		  false },
		{ NOT(CV_MATCH_APP, .extra.app = 3), EXTRA(CV_MATCH_APP, .extra.app = CV_APP_NONE),
		  true, false },
		{ NOT(CV_MATCH_APP, .extra.app = 3), NOT(CV_MATCH_APP, .extra.app = 3), true,
		  true },
		{ NOT(CV_MATCH_APP, .extra.app = 3), EXTRA(CV_MATCH_APP, .extra.app = CV_APP_ANY),
		  false, false },
		{ EXTRA(CV_MATCH_MARK, .extra.mark = 1, .extra.mark_mask = 1),
		  EXTRA(CV_MATCH_MARK, .extra.mark = 3, .extra.mark_mask = 3), true, false },
		{ NOT(CV_MATCH_MARK, .extra.mark = 3, .extra.mark_mask = 3),
		  NOT(CV_MATCH_MARK, .extra.mark = 1, .extra.mark_mask = 1), true, false },
		{ NOT(CV_MATCH_MARK, .extra.mark = 3, .extra.mark_mask = 3),
		  EXTRA(CV_MATCH_MARK, .extra.mark = 0, .extra.mark_mask = 1), true, false },
		{ EXTRA(CV_MATCH_LEN, .extra.len_max = 9), EXTRA(CV_MATCH_LEN, .extra.len_max = 8),
		  true, false },
		{ NOT(CV_MATCH_LEN, .extra.len_min = 5, .extra.len_max = 9),
		  EXTRA(CV_MATCH_LEN, .extra.len_max = 4), true, false },
		{ NOT(CV_MATCH_LEN, .extra.len_min = 5, .extra.len_max = 9),
		  EXTRA(CV_MATCH_LEN, .extra.len_max = 5), false, false },
		{ NOT(CV_MATCH_VLAN, .extra.vlan_min = 5, .extra.vlan_max = 5),
		  NOT(CV_MATCH_VLAN, .extra.vlan_min = 4, .extra.vlan_max = 6), true, false },
		{ EXTRA(CV_MATCH_FRAGMENT), NOT(CV_MATCH_FRAGMENT), false, false },
		{ EXTRA(CV_MATCH_EXACT), EXTRA(CV_MATCH_EXACT | CV_MATCH_DEV, .extra.ifindex = 3),
		  true, false },
		{ EXTRA(CV_MATCH_ETHERTYPE, .extra.ethertype = 0x806), EXTRA(0), false, false },
		{ NOT(CV_MATCH_ETHERTYPE, .extra.ethertype = 0x806), EXTRA(0), true, false },
		{ NOT(CV_MATCH_ETHERTYPE, .extra.ethertype = 0x800), EXTRA(0), false, false },
		{ NOT(CV_MATCH_ETHERTYPE, .extra.ethertype = 0x800),
		  EXTRA(CV_MATCH_FAMILY, .family = 6), true, false },
		{ EXTRA(CV_MATCH_QUOTED), EXTRA(0), false, false },
		{ EXTRA(CV_MATCH_SETS, .extra.sets[0] = { 1, 2, 0 }),
		  EXTRA(CV_MATCH_SETS, .extra.sets[0] = { 2, 2, 0 }, .extra.sets[1] = { 1, 2, 0 }),
		  true, false },
		{ EXTRA(CV_MATCH_SETS, .extra.sets[0] = { 1, 2, 0 }),
		  EXTRA(CV_MATCH_SETS, .extra.sets[0] = { 1, 2, 1 }), false, false },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		if (cv_match_covers(&cases[i].a, &cases[i].b) != cases[i].covers ||
		    cv_match_covers(&cases[i].b, &cases[i].a) != cases[i].is_covered)
			fail_msg("case %zu", i);
}

/* ---- random matches against packets ---- */

static void random_extra(struct cv_match *match)
{
	static const uint32_t flags[] = {
		CV_MATCH_DSCP,	    CV_MATCH_APP,	CV_MATCH_DEV,	    CV_MATCH_MARK,
		CV_MATCH_TUNNEL,    CV_MATCH_EXACT,	CV_MATCH_ECN,	    CV_MATCH_TCP_FLAGS,
		CV_MATCH_ICMP_TYPE, CV_MATCH_ICMP_CODE, CV_MATCH_LEN,	    CV_MATCH_FRAGMENT,
		CV_MATCH_VLAN,	    CV_MATCH_ETHERTYPE, CV_MATCH_FLOW_LABEL
	};
	static const uint16_t ethertypes[] = { 0x800, 0x86dd, 0x806 };
	static const uint32_t owners[] = { CV_APP_ANY, CV_APP_NONE, 3, 4 };
	struct cv_extra *extra = &match->extra;

	for (unsigned int count = pick(4); count; count--) {
		uint32_t flag = flags[pick(CV_COUNT(flags))];

		match->flags |= flag;
		if (flag != CV_MATCH_DSCP && flag != CV_MATCH_ECN && chance(2))
			extra->not_flags |= flag;
	}
	extra->dscps = 1 + pick(3);
	extra->ecns = 1 + pick(3);
	extra->app = owners[pick(extra->not_flags & CV_MATCH_APP ? 2 : 4)];
	if (extra->not_flags & CV_MATCH_APP)
		extra->app = 3 + pick(2);
	extra->ifindex = pick(2);
	extra->mark_mask = pick(4);
	extra->mark = pick(4) & extra->mark_mask;
	extra->tunnel = pick(2);
	extra->tcp_mask = pick(4);
	extra->tcp_flags = pick(4) & extra->tcp_mask;
	extra->icmp_type = pick(2);
	extra->icmp_code = pick(2);
	extra->len_min = pick(4);
	extra->len_max = extra->len_min + pick(2);
	extra->vlan_min = pick(4);
	extra->vlan_max = extra->vlan_min + pick(2);
	extra->ethertype = ethertypes[pick(3)];
	extra->flow_label = pick(2);
}

static struct cv_match random_match(void)
{
	struct cv_match match = { .flags = 0 };

	if (chance(2)) {
		match.flags |= CV_MATCH_FAMILY;
		match.family = chance(4) ? 6 : 4;
	}
	if (match.family && chance(2)) {
		match.flags |= CV_MATCH_SRC;
		match.src_mask[0] = htonl(UINT32_MAX << pick(3));
		match.src[0] = htonl(pick(4)) & match.src_mask[0];
	}
	if (chance(3)) {
		match.flags |= CV_MATCH_PROTO;
		match.proto = 6;
	}
	if (chance(3)) {
		match.flags |= CV_MATCH_PORTS;
		match.sport_max = 65535;
		match.dport_min = pick(4);
		match.dport_max = match.dport_min + pick(2);
	}
	if (chance(8))
		match.flags |= CV_MATCH_QUOTED;
	if (chance(2))
		random_extra(&match);
	return match;
}

static struct cv_oracle_packet random_packet(void)
{
	static const uint8_t families[] = { 4, 4, 6, 0 };
	struct cv_oracle_packet packet = {
		.src = { htonl(pick(4)) },
		.family = families[pick(4)],
		.ethertype = chance(2) ? 0x806 : 0x8847,
		.proto = chance(2) ? 6 : 17,
		.has_ports = chance(2),
		.dport = pick(5),
		.dscp = pick(2),
		.ecn = pick(2),
		.app = chance(2) ? 3 + pick(2) : CV_APP_NONE,
		.ifindex = pick(2),
		.mark = pick(4),
		.tunnel = pick(2),
		.has_tcp = chance(2),
		.tcp_flags = pick(4),
		.has_icmp = chance(2),
		.icmp_type = pick(2),
		.icmp_code = pick(2),
		.len = pick(5),
		.is_fragment = chance(2),
		.is_exact = chance(2),
		.has_vlan = chance(2),
		.vlan = pick(5),
		.flow_label = pick(2),
	};

	return packet;
}

#define SETS 3000
#define RULES 12
#define PACKETS 200

/* The number of rules that were said never to be met, none of which was. */
static size_t compare_one_set(void)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	CV_FREE struct cv_shadow *shadows = NULL;
	struct row rows[RULES] = { 0 };
	size_t count = 0;

	for (uint32_t i = 0; i < RULES; i++) {
		rows[i].match = random_match();
		rows[i].match.rule = i;
		rows[i].match.dirs = chance(3) ? 1 << pick(2) : BOTH;
		rows[i].verdict = chance(6) ? CV_VERDICT_CONTINUE : CV_VERDICT_DROP;
	}
	make_rules(&rules, rows, RULES);
	rules.flags = CV_RULES_NEED_OWNER(CV_DIR_IN) | CV_RULES_NEED_OWNER(CV_DIR_OUT);
	assert_int_equal(cv_shadow_find(&rules, STEPS, &shadows, &count), 0);
	for (int i = 0; count && i < PACKETS; i++) {
		struct cv_oracle_packet packet = random_packet(), quoted = random_packet();
		const struct cv_compiled_rule *rule = NULL;
		enum cv_direction dir = pick(2);

		quoted.family = quoted.family ? quoted.family : 4;
		if (packet.family && chance(2))
			packet.quoted = &quoted;
		do {
			rule = cv_oracle_next(&rules, &packet, dir, rule);
			for (size_t j = 0; rule && j < count; j++)
				assert_ptr_not_equal(rule, &rules.rules[shadows[j].rule]);
		} while (rule && rule->rule.verdict == CV_VERDICT_CONTINUE);
	}
	return count;
}

static void what_is_said_never_to_be_met_never_is(void **unused)
{
	size_t found = 0;

	(void)unused;
	seed = 5;
	for (int i = 0; i < SETS; i++)
		found += compare_one_set();
	assert_true(found > SETS);
}

/* What covers a match by the definition of few values is mostly found to. */
static void matches_that_cover_hold_wherever_the_other_does(void **unused)
{
	static const struct cv_rules no_rules;
	unsigned int covering = 0;

	(void)unused;
	seed = 6;
	for (int i = 0; i < 100000; i++) {
		struct cv_match a = random_match(), b = random_match();
		struct cv_oracle_packet packet, quoted;

		if (!cv_match_covers(&a, &b))
			continue;
		covering++;
		for (int j = 0; j < 30; j++) {
			packet = random_packet();
			quoted = random_packet();
			packet.quoted = &quoted;
			if (cv_oracle_holds(&no_rules, &b, &packet))
				assert_true(cv_oracle_holds(&no_rules, &a, &packet));
		}
	}
	assert_true(covering > 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broader_rules_cover_later_ones),
		cmocka_unit_test(every_match_of_a_rule_must_be_covered),
		cmocka_unit_test(both_directions_must_be_covered),
		cmocka_unit_test(rules_that_cannot_be_met_are_found),
		cmocka_unit_test(the_search_goes_on_behind_continue),
		cmocka_unit_test(marks_that_change_in_between_hide_nothing),
		cmocka_unit_test(too_much_work_is_given_up),
		cmocka_unit_test(conditions_lie_within_each_other),
		cmocka_unit_test(what_is_said_never_to_be_met_never_is),
		cmocka_unit_test(matches_that_cover_hold_wherever_the_other_does),
	};

	return cmocka_run_group_tests_name("shadow", tests, NULL, NULL);
}
