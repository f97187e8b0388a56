/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The engine's image against the oracle: built, read back, changed in place. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"
#include "engine_parts.h"
#include "random_rules.h"
#include "own.h"

/* ---- an image of this process ---- */

static void arena_new(struct cv_arena *arena)
{
	struct cv_arena_source source = cv_arena_heap();

	assert_true(cv_arena_init(arena, &source));
}

static void build(struct cv_arena *arena, const struct cv_rules *rules)
{
	struct cv_err err = { 0 };

	arena_new(arena);
	if (cv_engine_build(arena, rules, NULL, &err))
		fail_msg("%s", err.text);
}

static struct cv_engine_packet engine_packet(const struct cv_oracle_packet *packet,
					     enum cv_direction dir)
{
	struct cv_engine_packet out = {
		.root = packet->family == 6 ? CV_ROOT_IPV6 : CV_ROOT_IPV4,
		.sport = packet->sport,
		.dport = packet->dport,
		.proto = packet->proto,
		.dir = dir,
		.has_ports = packet->has_ports,
		.is_ip = true,
	};

	if (packet->family == 4) {
		out.src[1] = be32toh(packet->src[0]);
		out.dst[1] = be32toh(packet->dst[0]);
		return out;
	}
	for (int half = 0; half < 2; half++) {
		out.src[half] = (uint64_t)be32toh(packet->src[2 * half]) << 32 |
				be32toh(packet->src[2 * half + 1]);
		out.dst[half] = (uint64_t)be32toh(packet->dst[2 * half]) << 32 |
				be32toh(packet->dst[2 * half + 1]);
	}
	return out;
}

static bool extra_holds(const struct cv_extra *extra, const void *arg)
{
	static const struct cv_rules no_sets;
	struct cv_match match = { .flags = extra->flags, .extra = *extra };

	return cv_oracle_holds(&no_sets, &match, arg);
}

static const struct cv_rule_cell *find(const struct cv_arena *arena, uint16_t generation,
				       const struct cv_oracle_packet *packet, enum cv_direction dir,
				       uint32_t after, uint32_t *steps)
{
	struct cv_engine_packet asked = engine_packet(packet, dir);
	uint32_t cell =
		cv_engine_find(arena, generation, &asked, after, extra_holds, packet, steps);

	return cell ? cv_arena_at(arena, cell) : NULL;
}

/* Rules by index are called r0, r1, ... */
static void assert_packet(const struct cv_arena *arena, uint16_t generation,
			  const struct cv_rules *rules, const struct cv_oracle_packet *packet,
			  enum cv_direction dir)
{
	uint32_t after = 0, steps = 0;
	size_t first = 0;

	for (int i = 0; i < 3; i++) {
		long expected = random_expected(rules, first, packet, dir);
		const struct cv_rule_cell *rule =
			find(arena, generation, packet, dir, after, &steps);

		if (steps > cv_arena_image(arena)->steps)
			fail_msg("%u steps, promised: %u", steps, cv_arena_image(arena)->steps);
		if (!rule && expected < 0)
			return;
		if (!rule || expected < 0 ||
		    strcmp(cv_rule_name(arena, rule), rules->rules[expected].rule.name))
			fail_msg("after %u: %s, expected: %s", after,
				 rule ? cv_rule_name(arena, rule) : "none",
				 expected < 0 ? "none" : rules->rules[expected].rule.name);
		after = rule->order;
		first = expected + 1;
	}
}

static void assert_answers(const struct cv_arena *arena, uint16_t generation,
			   const struct cv_rules *rules, struct random *random, size_t packets)
{
	struct cv_oracle_packet packet;

	for (size_t i = 0; i < packets; i++) {
		random_packet(random, rules, &packet);
		assert_packet(arena, generation, rules, &packet,
			      random_below(random, CV_DIR_COUNT));
	}
}

/* ---- built ---- */

static void an_image_answers_as_the_oracle(void **state)
{
	static const size_t counts[] = { 1, 3, 20, 200, 1500 };

	(void)state;
	for (size_t style = 0; style < RANDOM_STYLES; style++)
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			struct random random = { 1000 * style + i };
			CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
			CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

			random_rules(&random, &random_styles[style], counts[i], &rules);
			build(&arena, &rules);
			assert_answers(&arena, CV_ENGINE_FIRST, &rules, &random, 3000);
		}
}

static void an_image_of_no_rules_has_none(void **state)
{
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	struct cv_rules rules = { .netns_cookie = 5, .flags = CV_RULES_NEED_TCP };
	struct random random = { 1 };

	(void)state;
	build(&arena, &rules);
	assert_int_equal(cv_arena_image(&arena)->netns_cookie, 5);
	assert_int_equal(cv_arena_image(&arena)->flags, CV_RULES_NEED_TCP);
	assert_int_equal(arena.segment_count, 1);
	assert_answers(&arena, CV_ENGINE_FIRST, &rules, &random, 10);
}

static void the_same_rules_give_the_same_cells(void **state)
{
	struct random random = { 7 };
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena one, other;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

	(void)state;
	random_rules(&random, &random_styles[1], 3000, &rules);
	build(&one, &rules);
	build(&other, &rules);
	assert_int_equal(one.used, other.used);
	assert_int_equal(one.segment_count, other.segment_count);
	for (uint32_t i = 0; i < one.segment_count; i++)
		assert_memory_equal(one.segments[i], other.segments[i], sizeof(*one.segments[i]));
}

static void a_few_rules_take_one_segment(void **state)
{
	for (size_t style = 0; style < RANDOM_STYLES; style++) {
		struct random random = { style };
		CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
		CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

		(void)state;
		random_rules(&random, &random_styles[style], 40, &rules);
		build(&arena, &rules);
		assert_int_equal(arena.segment_count, 1);
	}
}

/* ---- read back ---- */

static int compare_matches(const void *a, const void *b)
{
	const struct cv_match *left = a, *right = b;

	if (left->rule != right->rule)
		return left->rule > right->rule ? 1 : -1;
	return memcmp(left, right, sizeof(*left));
}

static void assert_rules(const struct cv_arena *arena, uint16_t generation,
			 const struct cv_rules *rules)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules back = { 0 };

	assert_int_equal(cv_engine_read(arena, generation, &back, NULL), 0);
	assert_int_equal(back.rule_count, rules->rule_count);
	assert_int_equal(back.match_count, rules->match_count);
	assert_int_equal(back.netns_cookie, rules->netns_cookie);
	assert_int_equal(back.flags, rules->flags);
	assert_memory_equal(back.rules, rules->rules, rules->rule_count * sizeof(*rules->rules));
	qsort(rules->matches, rules->match_count, sizeof(*rules->matches), compare_matches);
	assert_memory_equal(back.matches, rules->matches,
			    rules->match_count * sizeof(*rules->matches));
}

static void what_was_built_is_read_back(void **state)
{
	(void)state;
	for (size_t style = 0; style < RANDOM_STYLES; style++) {
		struct random random = { style };
		CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
		CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

		random_rules(&random, &random_styles[style], 700, &rules);
		build(&arena, &rules);
		assert_rules(&arena, CV_ENGINE_FIRST, &rules);
	}
}

/* ---- changed in place ---- */

/* Rules by the side of an image: what it must come to. */
struct model {
	struct cv_rules rules;
	size_t match_room;
	uint32_t names; /* given out */
};

static void model_init(struct model *model, struct random *random, const struct random_style *style,
		       size_t count, size_t room)
{
	random_rules(random, style, count, &model->rules);
	model->rules.rules = reallocarray(model->rules.rules, room, sizeof(*model->rules.rules));
	model->match_room = 3 * room;
	model->rules.matches = reallocarray(model->rules.matches, model->match_room,
					    sizeof(*model->rules.matches));
	assert_non_null(model->rules.rules);
	assert_non_null(model->rules.matches);
	model->names = count;
}

static size_t first_match(const struct cv_rules *rules, size_t rule)
{
	size_t i = 0;

	while (i < rules->match_count && rules->matches[i].rule < rule)
		i++;
	return i;
}

static void model_remove(struct model *model, size_t at)
{
	struct cv_rules *rules = &model->rules;
	size_t first = first_match(rules, at), end = first_match(rules, at + 1);

	memmove(rules->rules + at, rules->rules + at + 1,
		(rules->rule_count - at - 1) * sizeof(*rules->rules));
	rules->rule_count--;
	memmove(rules->matches + first, rules->matches + end,
		(rules->match_count - end) * sizeof(*rules->matches));
	rules->match_count -= end - first;
	for (size_t i = first; i < rules->match_count; i++)
		rules->matches[i].rule--;
}

static void model_insert(struct model *model, size_t at, const struct cv_engine_rule *rule)
{
	struct cv_rules *rules = &model->rules;
	size_t first = first_match(rules, at);

	memmove(rules->rules + at + 1, rules->rules + at,
		(rules->rule_count - at) * sizeof(*rules->rules));
	rules->rules[at] = *rule->rule;
	rules->rule_count++;
	memmove(rules->matches + first + rule->match_count, rules->matches + first,
		(rules->match_count - first) * sizeof(*rules->matches));
	memcpy(rules->matches + first, rule->matches, rule->match_count * sizeof(*rule->matches));
	rules->match_count += rule->match_count;
	for (size_t i = first; i < rules->match_count; i++)
		rules->matches[i].rule =
			i < first + rule->match_count ? at : rules->matches[i].rule + 1;
}

/* One change by chance, of the image and of the model. Returns what the engine does. */
static int change(struct cv_engine_update *update, struct model *model, struct random *random,
		  const struct random_style *style)
{
	struct cv_rules *rules = &model->rules;
	uint32_t at = rules->rule_count ? random_below(random, rules->rule_count) : 0;
	struct cv_compiled_rule compiled;
	struct cv_match matches[3];
	struct cv_engine_rule rule = { .rule = &compiled, .matches = matches };
	uint32_t kind = rules->rule_count ? random_below(random, 3) : 0;
	int rc;

	rule.match_count = random_rule(random, style, model->names, &compiled, matches);
	if (kind == 0) {
		model->names++;
		rc = cv_engine_insert(update, &rule, at ? rules->rules[at - 1].rule.name : NULL,
				      NULL);
		model_insert(model, at, &rule);
	} else if (kind == 1) {
		rc = cv_engine_remove(update, rules->rules[at].rule.name, NULL);
		model_remove(model, at);
	} else {
		memcpy(compiled.rule.name, rules->rules[at].rule.name, sizeof(compiled.rule.name));
		rc = cv_engine_replace(update, &rule, NULL);
		model_remove(model, at);
		model_insert(model, at, &rule);
	}
	return rc;
}

struct changes {
	size_t rules;
	size_t transactions;
	size_t changes; /* of each */
	size_t packets; /* after each */
};

/* Packets of the generation before see the rules of before until the commit. */
static void run_changes(const struct random_style *style, const struct changes *changes,
			struct random *random)
{
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	struct model model = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules before = { 0 };
	uint16_t generation = CV_ENGINE_FIRST;
	size_t rebuilds = 0;

	model_init(&model, random, style, changes->rules,
		   changes->rules + changes->transactions * changes->changes);
	build(&arena, &model.rules);
	for (size_t i = 0; i < changes->transactions; i++) {
		struct cv_engine_update *update = NULL;
		int rc = cv_engine_open(&update, &arena, generation, NULL);

		cv_rules_fini(&before);
		assert_int_equal(cv_engine_read(&arena, generation, &before, NULL), 0);
		for (size_t j = 0; !rc && j < changes->changes; j++)
			rc = change(update, &model, random, style);
		assert_answers(&arena, generation, &before, random, changes->packets);
		if (!rc)
			generation = cv_engine_commit(update);
		cv_engine_close(&update);
		assert_true(!rc || rc == -ESTALE);
		if (rc) {
			rebuilds++;
			cv_arena_heap_fini(&arena);
			build(&arena, &model.rules);
			generation = CV_ENGINE_FIRST;
		}
		assert_answers(&arena, generation, &model.rules, random, changes->packets);
	}
	assert_true(rebuilds < changes->transactions / 4);
	cv_rules_fini(&model.rules);
}

static void a_changed_image_answers_as_the_oracle(void **state)
{
	static const struct changes many = { 300, 60, 40, 200 }, few = { 12, 60, 3, 200 };

	(void)state;
	for (size_t style = 0; style < RANDOM_STYLES; style++) {
		struct random random = { 77 + style };

		run_changes(&random_styles[style], &many, &random);
		run_changes(&random_styles[style], &few, &random);
	}
}

static void a_change_that_is_given_up_is_not_seen(void **state)
{
	struct random random = { 5 };
	struct cv_engine_update *update = NULL;
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;

	(void)state;
	random_rules(&random, &random_styles[0], 50, &rules);
	build(&arena, &rules);
	assert_int_equal(cv_engine_open(&update, &arena, CV_ENGINE_FIRST, NULL), 0);
	assert_int_equal(cv_engine_remove(update, "r7", NULL), 0);
	cv_engine_close(&update);
	assert_null(update);
	assert_answers(&arena, CV_ENGINE_FIRST, &rules, &random, 1000);
	assert_rules(&arena, CV_ENGINE_FIRST, &rules);
	assert_int_equal(cv_engine_open(&update, &arena, CV_ENGINE_FIRST, NULL), -ESTALE);
}

static void a_rule_that_is_not_there_is_not_found(void **state)
{
	struct random random = { 6 };
	struct cv_engine_update *update = NULL;
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	struct cv_engine_rule rule;

	(void)state;
	random_rules(&random, &random_styles[0], 5, &rules);
	build(&arena, &rules);
	rule = (struct cv_engine_rule){ .rule = &rules.rules[3] };
	assert_int_equal(cv_engine_open(&update, &arena, CV_ENGINE_FIRST, NULL), 0);
	assert_int_equal(cv_engine_remove(update, "r5", NULL), -ENOENT);
	assert_int_equal(cv_engine_insert(update, &rule, "r5", NULL), -ENOENT);
	assert_int_equal(cv_engine_remove(update, "r3", NULL), 0);
	assert_int_equal(cv_engine_remove(update, "r3", NULL), -ENOENT);
	assert_int_equal(cv_engine_replace(update, &rule, NULL), -ENOENT);
	assert_int_equal(cv_engine_insert(update, &rule, "r2", NULL), 0);
	assert_int_equal(cv_engine_replace(update, &rule, NULL), 0);
	assert_int_equal(cv_engine_commit(update), CV_ENGINE_FIRST + 1);
	cv_engine_close(&update);
}

/* Halves of what is left fit between two rules until nothing is. */
static void the_gap_between_two_rules_is_used_up(void **state)
{
	struct random random = { 6 };
	struct cv_engine_update *update = NULL;
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	int rc = 0, count = 0;

	(void)state;
	random_rules(&random, &random_styles[0], 2, &rules);
	build(&arena, &rules);
	assert_int_equal(cv_engine_open(&update, &arena, CV_ENGINE_FIRST, NULL), 0);
	for (; !rc; count++) {
		struct cv_compiled_rule compiled = rules.rules[0];
		struct cv_engine_rule rule = { .rule = &compiled };

		snprintf(compiled.rule.name, sizeof(compiled.rule.name), "new%d", count);
		rc = cv_engine_insert(update, &rule, "r0", NULL);
	}
	assert_int_equal(rc, -ESTALE);
	assert_int_equal(count, 17);
	cv_engine_close(&update);
}

/* ---- plain rules ---- */

static void plain_rules(struct cv_rules *rules, size_t count)
{
	*rules = (struct cv_rules){
		.rules = calloc(count, sizeof(*rules->rules)),
		.matches = calloc(count, sizeof(*rules->matches)),
		.rule_count = count,
		.match_count = count,
	};
	assert_non_null(rules->rules);
	assert_non_null(rules->matches);
	for (size_t i = 0; i < count; i++) {
		snprintf(rules->rules[i].rule.name, CV_NAME_LEN, "r%zu", i);
		rules->matches[i] = (struct cv_match){
			.flags = CV_MATCH_FAMILY, .family = 4, .dirs = 7, .rule = i
		};
	}
}

static void set_prefix(__be32 addr[4], __be32 mask[4], uint32_t value, uint32_t bits)
{
	mask[0] = htobe32(bits ? UINT32_MAX << (32 - bits) : 0);
	addr[0] = htobe32(value) & mask[0];
}

static void set_ports(struct cv_match *match, uint16_t min, uint16_t max)
{
	match->flags |= CV_MATCH_PORTS;
	match->sport_max = UINT16_MAX;
	match->dport_min = min;
	match->dport_max = max;
}

/* Orders of rules that are gone are given out again. */
static void a_rule_that_comes_and_goes_uses_nothing_up(void **state)
{
	struct random random = { 6 };
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	struct cv_compiled_rule compiled;
	struct cv_engine_rule rule = { .rule = &compiled };
	uint16_t generation = CV_ENGINE_FIRST;

	(void)state;
	random_rules(&random, &random_styles[0], 3, &rules);
	build(&arena, &rules);
	compiled = rules.rules[0];
	snprintf(compiled.rule.name, sizeof(compiled.rule.name), "guest");
	for (int i = 0; i < 40; i++) {
		struct cv_engine_update *update = NULL;

		assert_int_equal(cv_engine_open(&update, &arena, generation, NULL), 0);
		if (i)
			assert_int_equal(cv_engine_remove(update, "guest", NULL), 0);
		assert_int_equal(cv_engine_insert(update, &rule, "r0", NULL), 0);
		generation = cv_engine_commit(update);
		cv_engine_close(&update);
	}
}

/* The cache line of two cells that a cell lies in. */
static uint32_t line_of(uint32_t cell)
{
	return cell / 2;
}

/* Returns how many records there are that are alone in their bucket; all of them have their rule in their
 * cache line. */
static size_t check_lines(const struct cv_arena *arena, const struct cv_tuple *tuple)
{
	size_t count = 0;

	for (uint32_t slot = 0; slot <= tuple->slot_mask; slot++) {
		const __u32 *slots = cv_arena_at(arena, tuple->slots + slot / 8);
		uint32_t cell = CV_RECORD_CELL(slots[slot % 8]);
		const struct cv_record *record = cv_arena_at(arena, cell);

		if (!cell || !(record->rule & CV_RECORD_LAST))
			continue;
		assert_int_equal(line_of(CV_RECORD_CELL(record->rule)), line_of(cell));
		count++;
	}
	return count;
}

static void a_rule_lies_in_the_line_of_its_record(void **state)
{
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	const struct cv_root *root;
	size_t count = 0;

	(void)state;
	plain_rules(&rules, 500);
	for (size_t i = 0; i < rules.match_count; i++) {
		rules.matches[i].flags |= CV_MATCH_SRC;
		set_prefix(rules.matches[i].src, rules.matches[i].src_mask, i * 77, 32);
		/* Some take more cells. */
		if (i % 3 == 0) {
			rules.matches[i].flags |= CV_MATCH_DSCP;
			rules.matches[i].extra.dscps = 1;
		}
	}
	build(&arena, &rules);
	root = cv_arena_at(&arena, cv_arena_image(&arena)->roots[CV_ROOT_IPV4]);
	for (uint32_t i = 0; i < root->tuple_count; i++)
		count += check_lines(
			&arena,
			cv_root_tuple(&arena, cv_arena_image(&arena)->roots[CV_ROOT_IPV4], i));
	assert_in_range(count, 100, 500);
}

/* Of every length, so that they end anywhere in a cell and fill more cells than are taken at once. */
static void names_come_back(void **state)
{
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules, back;

	(void)state;
	plain_rules(&rules, 400);
	for (size_t i = 0; i < rules.rule_count; i++) {
		char *name = rules.rules[i].rule.name;
		size_t len = strlen(name);

		memset(name + len, 'x', i % (CV_NAME_LEN - len));
	}
	build(&arena, &rules);
	assert_int_equal(cv_engine_read(&arena, CV_ENGINE_FIRST, &back, NULL), 0);
	assert_int_equal(back.rule_count, rules.rule_count);
	for (size_t i = 0; i < rules.rule_count; i++) {
		assert_string_equal(back.rules[i].rule.name, rules.rules[i].rule.name);
		assert_non_null(cv_entry_find(&arena, rules.rules[i].rule.name));
	}
}

/* Packets without ports are not looked for among records that ask for ports. */
static void what_cannot_hold_is_not_looked_at(void **state)
{
	struct cv_oracle_packet packet = { .family = 4, .proto = 6 };
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules;
	const struct cv_rule_cell *rule;
	uint32_t steps = 0;

	(void)state;
	plain_rules(&rules, 50);
	for (size_t i = 0; i < 50; i++)
		set_ports(&rules.matches[i], i, 100 + i);
	build(&arena, &rules);
	assert_null(find(&arena, CV_ENGINE_FIRST, &packet, CV_DIR_IN, 0, &steps));
	assert_int_equal(steps, 0);
	packet.has_ports = true;
	packet.dport = 60000;
	assert_null(find(&arena, CV_ENGINE_FIRST, &packet, CV_DIR_IN, 0, &steps));
	assert_int_equal(steps, 0);
	packet.dport = 149;
	rule = find(&arena, CV_ENGINE_FIRST, &packet, CV_DIR_IN, 0, &steps);
	assert_non_null(rule);
	assert_string_equal(cv_rule_name(&arena, rule), "r49");
}

/* ---- sets made to hurt ---- */

/* Right, with the bound kept; or refused, and then rules are named. */
static void assert_right_or_refused(struct cv_rules *rules, bool may_refuse)
{
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena;
	CV_CLEANUP(cv_rules_fini) struct cv_rules owned = *rules;
	struct random random = { 3 };
	struct cv_engine_fault fault;
	struct cv_err err = { 0 };
	int rc;

	arena_new(&arena);
	rc = cv_engine_build(&arena, &owned, &fault, &err);
	if (rc && may_refuse) {
		assert_int_equal(rc, -E2BIG);
		assert_int_equal(err.kind, CV_ERR_INPUT);
		assert_in_range(fault.count, 1, CV_ENGINE_FAULTS);
		for (uint32_t i = 0; i < fault.count; i++)
			assert_non_null(strstr(err.text, owned.rules[fault.rules[i]].rule.name));
		return;
	}
	if (rc)
		fail_msg("%s", err.text);
	assert_true(cv_arena_image(&arena)->steps <= CV_MAX_STEPS);
	assert_answers(&arena, CV_ENGINE_FIRST, &owned, &random, 300);
}

static void ranges_that_all_overlap(void **state)
{
	struct cv_rules rules;

	(void)state;
	for (size_t count = 500; count <= 5000; count *= 10) {
		plain_rules(&rules, count);
		for (size_t i = 0; i < count; i++)
			set_ports(&rules.matches[i], 30000 - i, 30000 + i);
		assert_right_or_refused(&rules, count > 500);
	}
}

static void one_address_with_many_ranges(void **state)
{
	struct cv_rules rules;

	(void)state;
	plain_rules(&rules, 5000);
	for (size_t i = 0; i < 5000; i++) {
		struct cv_match *match = &rules.matches[i];

		match->flags |= CV_MATCH_DST;
		set_prefix(match->dst, match->dst_mask, 0x0a000001, 32);
		set_ports(match, 10 * i, 10 * i + 7);
	}
	assert_right_or_refused(&rules, true);
}

static void one_address_with_every_port(void **state)
{
	struct cv_rules rules;

	(void)state;
	plain_rules(&rules, 65536);
	for (size_t i = 0; i < 65536; i++) {
		struct cv_match *match = &rules.matches[i];

		match->flags |= CV_MATCH_DST;
		set_prefix(match->dst, match->dst_mask, 0x0a000001, 32);
		set_ports(match, i, i);
	}
	assert_right_or_refused(&rules, false);
}

/* As many pairs as there are, and each of them again with other addresses. */
static void all_pairs_of_prefix_lengths(void **state)
{
	struct random random = { 4 };
	struct cv_rules rules;

	(void)state;
	plain_rules(&rules, 10000);
	for (size_t i = 0; i < 10000; i++) {
		struct cv_match *match = &rules.matches[i];

		match->flags |= CV_MATCH_SRC | CV_MATCH_DST;
		set_prefix(match->src, match->src_mask, random_next(&random), i % 33);
		set_prefix(match->dst, match->dst_mask, random_next(&random), i / 33 % 33);
	}
	assert_right_or_refused(&rules, true);
}

static void many_rules_in_one_tuple(void **state)
{
	struct cv_rules rules;

	(void)state;
	plain_rules(&rules, 100000);
	for (size_t i = 0; i < 100000; i++) {
		struct cv_match *match = &rules.matches[i];

		match->flags |= CV_MATCH_SRC | CV_MATCH_DST;
		set_prefix(match->src, match->src_mask, 0x0a000000 + i, 32);
		set_prefix(match->dst, match->dst_mask, 0x0b000000 + i * 3, 32);
	}
	assert_right_or_refused(&rules, false);
}

/* Each prefix lies in the one behind it; the last rules hold for what no other does. */
static void chains_of_shadows(void **state)
{
	struct cv_rules rules;

	(void)state;
	plain_rules(&rules, 3300);
	for (size_t i = 0; i < 3300; i++) {
		struct cv_match *match = &rules.matches[i];

		match->flags |= CV_MATCH_DST;
		set_prefix(match->dst, match->dst_mask, 0x0a000000 + i % 100, 32 - i / 100);
	}
	assert_right_or_refused(&rules, true);
}

static void conditions_that_nothing_tells_apart(void **state)
{
	struct cv_rules rules;

	(void)state;
	plain_rules(&rules, 3000);
	for (size_t i = 0; i < 3000; i++) {
		rules.matches[i].flags |= CV_MATCH_MARK;
		rules.matches[i].extra.mark = i;
		rules.matches[i].extra.mark_mask = UINT32_MAX;
	}
	assert_right_or_refused(&rules, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_answers_as_the_oracle),
		cmocka_unit_test(an_image_of_no_rules_has_none),
		cmocka_unit_test(the_same_rules_give_the_same_cells),
		cmocka_unit_test(a_few_rules_take_one_segment),
		cmocka_unit_test(what_was_built_is_read_back),
		cmocka_unit_test(a_changed_image_answers_as_the_oracle),
		cmocka_unit_test(a_change_that_is_given_up_is_not_seen),
		cmocka_unit_test(a_rule_that_is_not_there_is_not_found),
		cmocka_unit_test(the_gap_between_two_rules_is_used_up),
		cmocka_unit_test(a_rule_that_comes_and_goes_uses_nothing_up),
		cmocka_unit_test(a_rule_lies_in_the_line_of_its_record),
		cmocka_unit_test(names_come_back),
		cmocka_unit_test(what_cannot_hold_is_not_looked_at),
		cmocka_unit_test(ranges_that_all_overlap),
		cmocka_unit_test(one_address_with_many_ranges),
		cmocka_unit_test(one_address_with_every_port),
		cmocka_unit_test(all_pairs_of_prefix_lengths),
		cmocka_unit_test(many_rules_in_one_tuple),
		cmocka_unit_test(chains_of_shadows),
		cmocka_unit_test(conditions_that_nothing_tells_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
