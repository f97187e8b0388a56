/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of changes.c: which changes are found between two lists of rules, and random lists that
 * follow each other in one image, which is read back after each.
 */
#include "changes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define COOKIE 77

/* ---- rules to compare ---- */

static void init_rules(struct cv_rules *rules, size_t count)
{
	*rules = (struct cv_rules){ .netns_cookie = COOKIE };
	rules->rules = calloc(count + 1, sizeof(*rules->rules));
	rules->matches = calloc(3 * count + 1, sizeof(*rules->matches));
	assert_non_null(rules->rules);
	assert_non_null(rules->matches);
}

/* A rule to the ports port and, if there are more matches, those behind it. */
static void add_rule(struct cv_rules *rules, const char *name, uint16_t port, size_t matches)
{
	struct cv_rule *rule = &rules->rules[rules->rule_count].rule;

	snprintf(rule->name, sizeof(rule->name), "%s", name);
	rule->flags = CV_ACTION_MARK;
	rule->mark = port;
	rule->mark_mask = ~0u;
	for (size_t i = 0; i < matches; i++)
		rules->matches[rules->match_count++] = (struct cv_match){
			.flags = CV_MATCH_PORTS,
			.rule = rules->rule_count,
			.sport_max = UINT16_MAX,
			.dport_min = port + i,
			.dport_max = port + i,
			.dirs = 1 << CV_DIR_IN,
		};
	rules->rule_count++;
}

/* Rules whose names are the letters, each to the port that is its letter. */
static void spell(struct cv_rules *rules, const char *letters)
{
	init_rules(rules, strlen(letters));
	for (const char *letter = letters; *letter; letter++)
		add_rule(rules, (char[]){ *letter, '\0' }, *letter, 1);
}

/* The changes as text: -a removes a, =a replaces it, +ab inserts a behind b, +a^ before all. */
static void describe(const struct cv_changes *changes, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < changes->count; i++) {
		const struct cv_rule_change *change = &changes->items[i];
		const struct cv_rules *rules =
			change->kind == CV_CHANGE_REMOVE ? changes->live : changes->wanted;
		size_t at = strlen(out);

		snprintf(out + at, size - at, "%s%c%s", i ? " " : "", "-=+"[change->kind],
			 rules -> rules[change->rule].rule.name);
		at = strlen(out);
		if (change->kind == CV_CHANGE_INSERT)
			snprintf(out + at, size - at, "%s", change->behind ? change->behind : "^");
	}
}

struct row {
	const char *live;
	const char *wanted;
	const char *changes;
};

static const struct row rows[] = {
	{ "abc", "abc", "" },
	{ "abc", "ac", "-b" },
	{ "abc", "abcd", "+dc" },
	{ "abc", "dabc", "+d^" },
	{ "abc", "abdc", "+db" },
	{ "abc", "adc", "-b +da" },
	{ "abcd", "bcda", "-a +ad" }, /* one moves, the others stay */
	{ "abcd", "dabc", "-d +d^" },
	{ "abcde", "edcba", "-b -c -d -e +c^ +d^ +e^ +bc" },
	{ "ab", "axyzb", "+ya +xa +zy" }, /* the middle one first */
	{ "abc", "xbycz", "-a +x^ +yb +zc" },
};

static void changes_are_as_few_as_can_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
		CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
		CV_CLEANUP(cv_rules_fini) struct cv_rules wanted = { 0 };
		char text[256];

		spell(&live, rows[i].live);
		spell(&wanted, rows[i].wanted);
		assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
		describe(&changes, text, sizeof(text));
		print_message("%s -> %s\n", rows[i].live, rows[i].wanted);
		assert_string_equal(text, rows[i].changes);
		assert_int_equal(cv_changes_none(&changes), !rows[i].changes[0]);
		assert_false(changes.must_rebuild);
	}
}

/* ---- of a few ---- */

static const struct {
	const char *live; /* of many others */
	const char *wanted;
	struct cv_rule_place places[2];
	size_t place_count;
	const char *changes;
} few[] = {
	{ "b", "", { { 0 } }, 0, "-b" },
	{ "", "x", { { "x", "q" } }, 1, "+xq" },
	{ "", "x", { { "x", NULL } }, 1, "+x^" },
	{ "b", "b", { { 0 } }, 0, "" },
	{ "b", "b", { { "b", "z" } }, 1, "-b +bz" }, /* it moves */
	{ "bc", "cx", { { "c", "z" }, { "x", "c" } }, 2, "-b -c +cz +xc" },
};

static void a_few_rules_leave_the_others_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(few) / sizeof(*few); i++) {
		CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
		CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
		CV_CLEANUP(cv_rules_fini) struct cv_rules wanted = { 0 };
		char text[256];

		spell(&live, few[i].live);
		spell(&wanted, few[i].wanted);
		assert_int_equal(cv_changes_few(&changes, &live, &wanted, few[i].places,
						few[i].place_count, NULL),
				 0);
		describe(&changes, text, sizeof(text));
		assert_string_equal(text, few[i].changes);
		assert_false(changes.must_rebuild);
	}
}

static void a_new_rule_without_a_place_is_no_small_change(void **state)
{
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules wanted = { 0 };

	(void)state;
	spell(&live, "a");
	spell(&wanted, "ab");
	assert_int_equal(cv_changes_few(&changes, &live, &wanted, NULL, 0, NULL), -ESTALE);
}

/* ---- content ---- */

/* Compares three rules with themselves after edit has changed the second or what all have in common. */
static void assert_edit(void (*edit)(struct cv_rules *wanted), const char *expected,
			bool must_rebuild)
{
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules wanted = { 0 };
	char text[256];

	for (int i = 0; i < 2; i++) {
		struct cv_rules *rules = i ? &wanted : &live;

		init_rules(rules, 3);
		add_rule(rules, "a", 10, 1);
		add_rule(rules, "b", 20, 3);
		add_rule(rules, "c", 30, 1);
	}
	edit(&wanted);
	assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
	describe(&changes, text, sizeof(text));
	assert_string_equal(text, expected);
	assert_int_equal(changes.must_rebuild, must_rebuild);
}

static void leave(struct cv_rules *wanted)
{
	(void)wanted;
}

static void turn_matches(struct cv_rules *wanted)
{
	struct cv_match first = wanted->matches[1];

	wanted->matches[1] = wanted->matches[3];
	wanted->matches[3] = first;
}

static void edit_mark(struct cv_rules *wanted)
{
	wanted->rules[1].rule.mark++;
}

static void edit_actions(struct cv_rules *wanted)
{
	wanted->rules[1].actions.sample_one_in = 4;
}

static void edit_match(struct cv_rules *wanted)
{
	wanted->matches[2].extra.vlan_max = 1;
}

static void drop_match(struct cv_rules *wanted)
{
	wanted->matches[3] = wanted->matches[4];
	wanted->match_count--;
}

static void edit_cookie(struct cv_rules *wanted)
{
	wanted->netns_cookie++;
}

static void need_owner(struct cv_rules *wanted)
{
	wanted->flags = CV_RULES_NEED_OWNER(CV_DIR_IN);
}

static void drop_all(struct cv_rules *wanted)
{
	wanted->rule_count = 0;
	wanted->match_count = 0;
}

static void what_is_equal_is_left_alone(void **state)
{
	(void)state;
	assert_edit(leave, "", false);
	assert_edit(turn_matches, "", false);
	assert_edit(need_owner, "", false);
}

static void what_is_not_is_replaced(void **state)
{
	(void)state;
	assert_edit(edit_mark, "=b", false);
	assert_edit(edit_actions, "=b", false);
	assert_edit(edit_match, "=b", false);
	assert_edit(drop_match, "=b", false);
}

static void what_concerns_all_is_built_anew(void **state)
{
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules wanted = { 0 };

	(void)state;
	assert_edit(edit_cookie, "", true);
	assert_edit(drop_all, "-a -b -c", true);
	spell(&live, "");
	spell(&wanted, "a");
	assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
	assert_true(changes.must_rebuild);
	cv_changes_fini(&changes);
	cv_rules_fini(&live);
	spell(&live, "a");
	live.flags = CV_RULES_NEED_OWNER(CV_DIR_IN); /* that nobody needs any more */
	assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
	assert_true(changes.must_rebuild);
}

static void a_set_alone_needs_an_image(void **state)
{
	struct cv_compiled_set set = { .name = "alone" };
	struct cv_rules nothing = { 0 }, alone = { .sets = &set, .set_count = 1 };
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };

	(void)state;
	assert_int_equal(cv_changes_find(&changes, &nothing, &alone, NULL), 0);
	assert_true(changes.must_rebuild);
	cv_changes_fini(&changes);
	assert_int_equal(cv_changes_find(&changes, &alone, &alone, NULL), 0);
	assert_true(cv_changes_none(&changes));
}

/* count rules, of which every step-th has another mark. */
static void assert_rebuilt(size_t count, size_t step, bool is_rebuilt)
{
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules wanted = { 0 };

	init_rules(&live, count);
	init_rules(&wanted, count);
	for (size_t i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "r%zu", i);
		add_rule(&live, name, i, 1);
		add_rule(&wanted, name, i, 1);
		wanted.rules[i].rule.mark += i % step == 0;
	}
	assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
	assert_int_equal(changes.must_rebuild, is_rebuilt);
}

/* Where there is no image, nothing says whose namespace it is for. */
static void without_rules_nothing_changes(void **state)
{
	struct cv_rules nothing = { 0 }, wanted = { .netns_cookie = COOKIE };
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };

	(void)state;
	assert_int_equal(cv_changes_find(&changes, &nothing, &wanted, NULL), 0);
	assert_true(cv_changes_none(&changes));
}

static void so_many_changes_are_not_made_in_place(void **state)
{
	(void)state;
	assert_rebuilt(1000, 1, false); /* takes less time than a grace period */
	assert_rebuilt(10000, 2, true);
	assert_rebuilt(100000, 40, false);
	assert_rebuilt(100000, 10, true);
}

/* ---- sets ---- */

static void add_set(struct cv_rules *rules, const char *name, uint64_t number)
{
	struct cv_compiled_set *set;

	rules->sets = reallocarray(rules->sets, rules->set_count + 1, sizeof(*rules->sets));
	assert_non_null(rules->sets);
	set = &rules->sets[rules->set_count++];
	*set = (struct cv_compiled_set){ 0 };
	snprintf(set->name, sizeof(set->name), "%s", name);
	if (!number)
		return;
	set->numbers = calloc(1, sizeof(*set->numbers));
	assert_non_null(set->numbers);
	set->numbers[0] = (struct cv_interval){ .min = { 0, number }, .max = { 0, number } };
	set->number_count = 1;
}

static void ask_set(struct cv_rules *rules, uint32_t match, uint16_t set)
{
	rules->matches[match].flags |= CV_MATCH_SETS;
	rules->matches[match].extra.sets[0] =
		(struct cv_set_ref){ .set = set, .field = CV_SET_FIELD_DPORT };
}

static void sets_are_known_by_name_or_content(void **state)
{
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules wanted = { 0 };

	(void)state;
	spell(&live, "ab");
	add_set(&live, "one", 1);
	add_set(&live, "", 0); /* a free number */
	add_set(&live, "", 2);
	ask_set(&live, 0, 1);
	ask_set(&live, 1, 3);
	spell(&wanted, "ab");
	add_set(&wanted, "", 2);
	add_set(&wanted, "one", 1);
	ask_set(&wanted, 0, 2);
	ask_set(&wanted, 1, 1);
	assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
	assert_true(cv_changes_none(&changes));
	assert_int_equal(changes.set_numbers[0], 3);
	assert_int_equal(changes.set_numbers[1], 1);
	cv_changes_fini(&changes);

	wanted.sets[1].numbers->max[1] = 5; /* the rule stays, the set changes */
	assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
	assert_int_equal(changes.count, 0);
	assert_true(changes.has_sets);
	assert_int_equal(changes.set_numbers[1], 1);
	cv_changes_fini(&changes);

	wanted.sets[0].numbers->max[1] = 5; /* another set without a name */
	assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
	assert_int_equal(changes.count, 1);
	assert_int_equal(changes.set_numbers[0], 0);
	assert_true(changes.has_sets);
}

static void a_set_that_nobody_wants_any_more_is_a_change(void **state)
{
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules wanted = { 0 };

	(void)state;
	spell(&live, "a");
	add_set(&live, "one", 1);
	spell(&wanted, "a");
	assert_int_equal(cv_changes_find(&changes, &live, &wanted, NULL), 0);
	assert_true(changes.has_sets);
}

/* ---- one image, many changes ---- */

#define RULES 60
#define ROUNDS 400

/* Some of the rules of those names, in some order, with some content. */
static void random_rules(struct cv_rules *rules, unsigned int *seed)
{
	size_t count = 1 + rand_r(seed) % RULES;
	char names[RULES];

	for (int i = 0; i < RULES; i++)
		names[i] = ' ' + 1 + i;
	for (int i = RULES - 1; i > 0; i--) {
		int j = rand_r(seed) % 4 ? i : rand_r(seed) % (i + 1);
		char name = names[i];

		names[i] = names[j];
		names[j] = name;
	}
	init_rules(rules, count);
	for (size_t i = 0; i < count; i++)
		add_rule(rules, (char[]){ names[i], '\0' }, 100 + rand_r(seed) % 3,
			 1 + rand_r(seed) % 3);
}

static void assert_meets(const struct cv_arena *arena, uint16_t generation,
			 const struct cv_rules *rules)
{
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };

	assert_int_equal(cv_engine_read(arena, generation, &live, NULL), 0);
	assert_int_equal(cv_changes_find(&changes, &live, rules, NULL), 0);
	assert_true(cv_changes_none(&changes));
}

/* Returns the generation behind that one, or of a new image if rules cannot be changed in place. */
static uint16_t change_rules(struct cv_arena *arena, uint16_t generation,
			     const struct cv_rules *rules, const struct cv_rules *before,
			     uint32_t *rebuilt)
{
	struct cv_arena_source source = cv_arena_heap();
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	uint16_t next = 0;
	int rc;

	assert_int_equal(cv_engine_read(arena, generation, &live, NULL), 0);
	assert_int_equal(cv_changes_find(&changes, &live, rules, NULL), 0);
	rc = cv_changes_make(&changes, arena, generation, &next, NULL);
	assert_meets(arena, generation, before);
	if (!rc)
		return next;
	assert_int_equal(rc, -ESTALE);
	(*rebuilt)++;
	cv_arena_heap_fini(arena);
	assert_true(cv_arena_init(arena, &source));
	assert_int_equal(cv_engine_build(arena, rules, NULL, NULL), 0);
	return CV_ENGINE_FIRST;
}

static void an_image_follows_whatever_rules_there_are(void **state)
{
	struct cv_arena_source source = cv_arena_heap();
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	uint16_t generation = CV_ENGINE_FIRST;
	unsigned int seed = 1;
	uint32_t rebuilt = 0;
	struct cv_arena arena;

	(void)state;
	random_rules(&rules, &seed);
	assert_true(cv_arena_init(&arena, &source));
	assert_int_equal(cv_engine_build(&arena, &rules, NULL, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct cv_rules before = rules;

		random_rules(&rules, &seed);
		generation = change_rules(&arena, generation, &rules, &before, &rebuilt);
		assert_meets(&arena, generation, &rules);
		cv_rules_fini(&before);
	}
	print_message("%u of %u images built anew\n", rebuilt, ROUNDS);
	assert_in_range(rebuilt, 0, ROUNDS / 2);
	cv_arena_heap_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_as_few_as_can_be),
		cmocka_unit_test(a_few_rules_leave_the_others_alone),
		cmocka_unit_test(a_new_rule_without_a_place_is_no_small_change),
		cmocka_unit_test(what_is_equal_is_left_alone),
		cmocka_unit_test(what_is_not_is_replaced),
		cmocka_unit_test(what_concerns_all_is_built_anew),
		cmocka_unit_test(a_set_alone_needs_an_image),
		cmocka_unit_test(without_rules_nothing_changes),
		cmocka_unit_test(so_many_changes_are_not_made_in_place),
		cmocka_unit_test(sets_are_known_by_name_or_content),
		cmocka_unit_test(a_set_that_nobody_wants_any_more_is_a_change),
		cmocka_unit_test(an_image_follows_whatever_rules_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
