/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The engine in the kernel against the oracle: random rules, and packets made of them, at their bounds
 * and beside them. CULVERT_ENGINE_PACKETS: how many of each style, if not as few as CI has time for.
 */
#include "classifier.h"

#include "compiler/random_rules.h"
#include "oracle_frame.h"

#define PACKETS_OF_A_STYLE 30000
#define MARK_OF_RULE(index) (0x10000u + (index))

static uint32_t packets_of_a_style(void)
{
	const char *text = getenv("CULVERT_ENGINE_PACKETS");

	return text ? strtoul(text, NULL, 10) : PACKETS_OF_A_STYLE;
}

/* ---- what the kernel says ---- */

static void check_packet(const struct cv_rules *rules, const struct cv_oracle_packet *packet,
			 enum cv_direction dir)
{
	int prog = dir == CV_DIR_IN ? classifier.ingress : classifier.egress;
	const struct run_ctx ctx = { .mark = packet->mark };
	long expected = random_expected(rules, 0, packet, dir);
	struct run_result result;
	struct frame frame;

	put_frame(packet, &frame);
	run_program(prog, &frame, &ctx, &result);
	if (result.mark == (expected < 0 ? packet->mark : MARK_OF_RULE(expected)))
		return;
	frame_print("packet", frame.bytes, frame.len);
	fail_msg("direction %d: mark %#x, expected: rule %ld", dir, result.mark, expected);
}

static void check_set(const struct random_style *style, uint32_t rule_count, uint32_t packets,
		      struct random *random)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	struct cv_oracle_packet packet;

	random_rules(random, style, rule_count, &rules);
	for (size_t i = 0; i < rules.rule_count; i++) {
		struct cv_rule *rule = &rules.rules[i].rule;

		rule->id = 0;
		rule->flags = CV_ACTION_MARK;
		rule->mark = MARK_OF_RULE(i);
		rule->mark_mask = UINT32_MAX;
		rule->verdict = CV_VERDICT_NEXT;
	}
	fill_compiled(&rules);
	for (uint32_t i = 0; i < packets; i++) {
		random_packet(random, &rules, &packet);
		packet.tunnel = 0;
		check_packet(&rules, &packet, random_below(random, 2));
	}
}

static void a_style_is_answered_as_by_the_oracle(void **state)
{
	static const uint32_t counts[] = { 1, 4, 40, 400, 2000 };
	const struct random_style *style = *state;
	struct random random = { style - random_styles };
	uint32_t packets = packets_of_a_style() / ARRAY_LEN(counts);

	need_programs();
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		check_set(style, counts[i], packets, &random);
}

int main(void)
{
	struct CMUnitTest tests[RANDOM_STYLES];

	for (size_t i = 0; i < RANDOM_STYLES; i++)
		tests[i] = row_test(random_styles[i].name, a_style_is_answered_as_by_the_oracle,
				    NULL, &random_styles[i]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
