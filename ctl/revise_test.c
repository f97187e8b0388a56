/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of revise.c: which rules of a file are found to differ from those that are applied. */
#include "revise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define HEAD "devices:\n  d0: {ingress: true, egress: false}\nrules:\n"
#define A "  a: {prio: 10, match: {src: 10.0.0.0/8}, action: {dscp: 8}}\n"
#define B "  b: {match: {proto: tcp, dport: 80}, action: {verdict: drop}}\n"
#define C "  c: {match: {}, action: {mark: 0x5/0xff}}\n"
#define D "  d: {prio: 3, match: {dst: 10.1.0.0/16}, action: {verdict: accept}}\n"
#define NEW_B "  b: {action: {verdict: next}, match: {proto: 6, dport: 80}}\n"
#define NEW_C "  c: {prio: 5, action: {dscp: 3}}\n"

#define TWICE(text) text text

static const struct {
	const char *about;
	const char *applied;
	const char *file;
	const char *found; /* NULL: that it is not for edits */
} rows[] = {
	{ "nothing", A B C, A B C, NULL },
	{ "a rule behind the others", A B, A B C, "+c" },
	{ "several of them", A, A B C, "+b +c" },
	{ "another one of that name", A B C, A NEW_B C, "~b" },
	{ "all others", A B, A NEW_B, "~b" },
	{ "two beside each other", A B C, A NEW_B NEW_C, "~b ~c" },
	{ "one that went", A B C, A C, "-b" },
	{ "the first one that went", A B C, B C, "-a" },
	{ "the last one that went", A B C, A B, "-c" },
	{ "all that went", A B, "", "-a -b" },
	{ "one that went, and another one", A B C D, A NEW_C D, "-b ~c" },
	{ "one that went, and one behind the others", A B C, A C D, "-b +d" },
	{ "one that comes first", A B, C A B, NULL },
	{ "one between others", A B, A C B, NULL },
	{ "another order", A B C, B A C, NULL },
	{ "one twice", A B, TWICE(A) B, NULL },
	{ "one twice, at the end", A B, A B A, NULL },
	{ "one with a fault", A B, A B "  x: {match: {dport: many}, action: {dscp: 3}}\n", NULL },
	{ "one without an end", A B, A B "  x: {match: {dport: 7}, action: {dscp: 3}\n", NULL },
	{ "one that goes on", A B, A B "  x: {match: {},\n  action: {dscp: 3}}\n", NULL },
	{ "one with a comment", A B, A B "  x: {action: {dscp: 3}} # why\n", NULL },
	{ "one with its prio behind", A B, A B "  x: {action: {dscp: 3}, prio: 7}\n", NULL },
	{ "a comment", A B, A "  # why\n" B, NULL },
	{ "an empty line", A B, A "  \n" B, NULL },
	{ "no newline", A B, A "  b: {match: {proto: tcp, dport: 80}, action: {verdict: drop}}",
	  "-b" },
};

/* As "+c ~b -a", in the order in which they are to be made. */
static void describe(const struct cv_edits *edits, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (size_t i = 0; i < edits->count; i++) {
		const struct cv_edits_item *item = &edits->items[i];

		assert_ptr_equal(item->noun, &cv_noun_rule);
		assert_true(!item->conf == !item->words.begin);
		used += snprintf(out + used, size - used, "%s%c%s", i ? " " : "",
				 !item->conf	 ? '-'
				 : item->is_last ? '+'
						 : '~',
				 item->key);
	}
}

static void what_differs_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CV_CLEANUP(cv_edits_clear) struct cv_edits edits = { .text = NULL };
		struct cv_line file = { rows[i].file, strchr(rows[i].file, '\0') };
		CV_FREE char *text = NULL;
		char found[64];

		print_message("%s\n", rows[i].about);
		assert_true(asprintf(&text, HEAD "%s", rows[i].applied) > 0);
		assert_true(cv_edits_begin(&edits, text));
		assert_int_equal(cv_revise(&edits, file), rows[i].found != NULL);
		describe(&edits, found, sizeof(found));
		if (rows[i].found)
			assert_string_equal(found, rows[i].found);
	}
}

#define RULES 5000

/* Rules by number, but that one of them has another action. */
static char *many(size_t count, size_t other)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < count; i++)
		fprintf(stream,
			"  rule%zu: {match: {dport: %zu, proto: tcp}, action: {dscp: %d}}\n", i,
			i + 1, i == other ? 9 : 8);
	assert_int_equal(cv_finish_file(&stream), 0);
	return CV_TAKE_PTR(text);
}

static void expect_many(size_t count, size_t other, const char *expected)
{
	CV_CLEANUP(cv_edits_clear) struct cv_edits edits = { .text = NULL };
	CV_FREE char *applied = many(RULES, SIZE_MAX);
	CV_FREE char *file = many(count, other);
	CV_FREE char *text = NULL;
	char found[CV_EDITS_MAX * 16];

	assert_true(asprintf(&text, HEAD "%s", applied) > 0);
	assert_true(cv_edits_begin(&edits, text));
	assert_int_equal(cv_revise(&edits, (struct cv_line){ file, strchr(file, '\0') }),
			 expected != NULL);
	describe(&edits, found, sizeof(found));
	if (expected)
		assert_string_equal(found, expected);
}

static void few_are_found_among_many(void **state)
{
	(void)state;
	expect_many(RULES + 1, SIZE_MAX, "+rule5000");
	expect_many(RULES - 1, SIZE_MAX, "-rule4999");
	expect_many(RULES, 1234, "~rule1234");
	expect_many(RULES + 1, 0, "~rule0 +rule5000");
	expect_many(RULES + CV_EDITS_MAX + 1, SIZE_MAX, NULL);
	expect_many(RULES - CV_EDITS_MAX - 1, SIZE_MAX, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_differs_is_found),
		cmocka_unit_test(few_are_found_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
