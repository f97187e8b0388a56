/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule sets look as filters do, and the indexed oracle says what the plain one does. */
#include "ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forms.h"
#include "index.h"
#include "own.h"
#include "trace.h"

#define SEED 7

static void make(struct ruleset *set, enum ruleset_style style, enum ruleset_family family,
		 size_t count, bool is_shuffled)
{
	const struct ruleset_conf conf = { .style = style,
					   .family = family,
					   .count = count,
					   .seed = SEED,
					   .is_shuffled = is_shuffled };

	assert_int_equal(ruleset_make(set, &conf), 0);
	assert_int_equal(set->count, count);
}

static void same_conf_same_set(void **state)
{
	(void)state;
	for (int style = 0; style < RULESET_STYLE_COUNT; style++) {
		CV_CLEANUP(ruleset_fini) struct ruleset one = { 0 };
		CV_CLEANUP(ruleset_fini) struct ruleset other = { 0 };

		make(&one, style, RULESET_BOTH, 500, false);
		make(&other, style, RULESET_BOTH, 500, false);
		assert_memory_equal(one.rules, other.rules, 500 * sizeof(*one.rules));
	}
}

/* Shares in hundredths of the rules. */
struct shape_row {
	enum ruleset_style style;
	size_t tuples_max;
	size_t pairs_min;
	size_t any_source[2];
	size_t any_destination[2];
	size_t broad[2];
	size_t port_pairs_max;
};

static const struct shape_row shape_rows[] = {
	{ RULESET_ACL, 260, 97, { 0, 1 }, { 0, 2 }, { 0, 1 }, 212 },
	{ RULESET_FW, 260, 75, { 38, 46 }, { 12, 18 }, { 1, 4 }, 482 },
	{ RULESET_IPC, 400, 96, { 6, 10 }, { 4, 9 }, { 1, 3 }, 392 },
};

static void assert_share(size_t part, size_t whole, const size_t hundredths[2])
{
	assert_in_range(part * 100 / whole, hundredths[0], hundredths[1]);
}

static void sets_look_as_filters_do(void **state)
{
	const size_t count = 10000;

	(void)state;
	for (size_t i = 0; i < sizeof(shape_rows) / sizeof(shape_rows[0]); i++) {
		const struct shape_row *row = &shape_rows[i];
		CV_CLEANUP(ruleset_fini) struct ruleset set = { 0 };
		struct ruleset_shape shape;

		make(&set, row->style, RULESET_IPV4, count, false);
		assert_int_equal(ruleset_measure(&shape, &set), 0);
		assert_in_range(shape.tuples, 60, row->tuples_max);
		assert_in_range(shape.pairs, count * row->pairs_min / 100, count);
		assert_in_range(shape.port_pairs, 100, row->port_pairs_max);
		assert_share(shape.any_source, count, row->any_source);
		assert_share(shape.any_destination, count, row->any_destination);
		assert_share(shape.broad, count, row->broad);
	}
}

/* Of every kind, also ones that meet no rule. */
static void draw_any(struct random *random, const struct ruleset *set,
		     struct cv_oracle_packet *packet)
{
	const struct ruleset_rule *rule = &set->rules[random_below(random, set->count)];

	switch (random_below(random, 4)) {
	case 0:
		trace_draw_anywhere(random, set->conf.family == RULESET_IPV6 ? 6 : 4, packet);
		break;
	case 1:
		trace_draw_edge(random, rule, packet);
		break;
	default:
		trace_draw_inside(random, rule, packet);
	}
}

static void index_is_as_the_oracle(enum ruleset_style style, enum ruleset_family family,
				   bool is_shuffled)
{
	CV_CLEANUP(ruleset_fini) struct ruleset set = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	CV_CLEANUP(index_fini) struct index index = { 0 };
	struct random random = { .state = SEED };
	struct cv_oracle_packet packet;
	size_t met = 0;

	make(&set, style, family, 1500, is_shuffled);
	assert_int_equal(form_compiled(&rules, &set), 0);
	assert_int_equal(index_make(&index, &rules), 0);
	for (int i = 0; i < 3000; i++) {
		const struct cv_compiled_rule *rule;

		draw_any(&random, &set, &packet);
		rule = cv_oracle_find(&rules, &packet, CV_DIR_IN);
		assert_ptr_equal(index_find(&index, &packet, CV_DIR_IN), rule);
		met += !!rule;
	}
	assert_in_range(met, 1500, 2950);
}

static void index_and_oracle_agree(void **state)
{
	(void)state;
	for (int style = 0; style < RULESET_STYLE_COUNT; style++)
		for (int family = 0; family < RULESET_FAMILY_COUNT; family++)
			index_is_as_the_oracle(style, family, family == RULESET_BOTH);
}

static void uniform_packets_meet_their_rules(void **state)
{
	CV_CLEANUP(ruleset_fini) struct ruleset set = { 0 };
	struct random random = { .state = SEED };
	const struct cv_rules no_rules = { 0 };
	struct cv_oracle_packet packet;
	struct cv_match match;

	(void)state;
	make(&set, RULESET_MIX, RULESET_BOTH, 2000, true);
	for (size_t i = 0; i < set.count; i++) {
		trace_draw_inside(&random, &set.rules[i], &packet);
		form_match(&match, &set.rules[i]);
		assert_true(cv_oracle_holds(&no_rules, &match, &packet));
	}
}

static int compare_packets(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cv_oracle_packet));
}

/* How often the most frequent packet comes. */
static size_t most_frequent(struct trace *trace)
{
	size_t best = 0, run = 0;

	qsort(trace->packets, trace->count, sizeof(*trace->packets), compare_packets);
	for (size_t i = 0; i < trace->count; i++) {
		run = i && !compare_packets(&trace->packets[i], &trace->packets[i - 1]) ? run + 1
											: 1;
		best = run > best ? run : best;
	}
	return best;
}

/* The first of 65,536 flows is in one of 11.67 packets: that is the sum of 1/k. */
static void zipf_prefers_few_flows(void **state)
{
	CV_CLEANUP(ruleset_fini) struct ruleset set = { 0 };
	CV_CLEANUP(trace_fini) struct trace trace = { 0 };
	CV_CLEANUP(trace_fini) struct trace uniform = { 0 };

	(void)state;
	make(&set, RULESET_ACL, RULESET_IPV4, 1000, false);
	assert_int_equal(trace_make(&trace, &set, TRACE_ZIPF, 20000, SEED), 0);
	assert_in_range(most_frequent(&trace), 1600, 1830);
	assert_int_equal(trace_make(&uniform, &set, TRACE_UNIFORM, 20000, SEED), 0);
	assert_in_range(most_frequent(&uniform), 1, 40);
}

/* What pipapo takes does not overlap in first and last packets, and is most of an ordinary set. */
static void nft_takes_most_rules(void **state)
{
	bool is_kept[2000];

	(void)state;
	for (int style = 0; style < RULESET_MIX; style++) {
		CV_CLEANUP(ruleset_fini) struct ruleset set = { 0 };

		make(&set, style, RULESET_IPV4, 2000, false);
		assert_in_range(form_nft_subset(&set, is_kept), 1600, 2000);
		assert_true(is_kept[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_conf_same_set),
		cmocka_unit_test(sets_look_as_filters_do),
		cmocka_unit_test(index_and_oracle_agree),
		cmocka_unit_test(uniform_packets_meet_their_rules),
		cmocka_unit_test(zipf_prefers_few_flows),
		cmocka_unit_test(nft_takes_most_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
