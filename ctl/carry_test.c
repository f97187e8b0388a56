/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of carry.c: whatever is carried over, the text says what config.c would write. */
#include "carry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "own.h"

#define HEAD "devices:\n  d0: {ingress: true, egress: false}\nrules:\n"
#define A "  a: {prio: 10, match: {src: 10.0.0.0/8}, action: {dscp: 8}}\n"
#define B "  b: {match: {proto: tcp, dport: 80}, action: {verdict: drop}}\n"
#define C "  c: {match: {}, action: {mark: 0x5/0xff}}\n"
#define D "  d: {prio: 3, match: {dst: 10.1.0.0/16}, action: {verdict: accept}}\n"
#define NEW_B "  b: {match: {proto: tcp, dport: 80}, action: {verdict: next}}\n"
/* The same as b, in other words. */
#define OTHER_B "  b: { match: {dport: 80, proto: tcp}, action: {verdict: drop} } # why\n"
/* Rules whose names are plain for every reader keep their lines. */
#define R1 "  r1: {prio: 10, match: {src: 10.0.0.0/8}, action: {dscp: 8}}\n"
#define R2 "  r2: {action: {verdict: drop}, match: {dport: \"80\", proto: 6}}\n"
#define WRITTEN_R2 "  r2: {match: {proto: tcp, dport: 80}, action: {verdict: drop}}\n"

static const struct {
	const char *applied;
	const char *file;
	const char *written;
	const char *anew; /* without the file; NULL: the same */
} rows[] = {
	{ HEAD A B C D, HEAD A B C D, HEAD A B C D, NULL },
	{ "", HEAD A B, HEAD A B, NULL },
	{ HEAD A B C, HEAD A OTHER_B C, HEAD A B C, NULL },
	{ HEAD A B C, HEAD A NEW_B C, HEAD A NEW_B C, NULL },
	{ HEAD A B C, HEAD A D C, HEAD A D C, NULL },
	{ HEAD A B C D, HEAD B D, HEAD B D, NULL },
	{ HEAD A B C, HEAD D C B A, HEAD D C B A, NULL }, /* the order of adding is another one */
	{ HEAD A, "rules:\n" A B, "rules:\n" A B, NULL },
	{ HEAD A B, "devices:\n  d0: {ingress: true, egress: false}\n",
	  "devices:\n  d0: {ingress: true, egress: false}\n", NULL },
	{ HEAD A B, "# of mine\n\n" HEAD A B, HEAD A B, NULL },
	{ "no text of ours\n", HEAD A, HEAD A, NULL },
	{ "", HEAD R1 R2, HEAD R1 R2, HEAD R1 WRITTEN_R2 },
	{ HEAD R2 R1 A, HEAD R1 A R2, HEAD R1 A R2, HEAD R1 A WRITTEN_R2 },
	{ HEAD R1, "rules: {\n" R2 "}\n", "rules:\n" R2, "rules:\n" WRITTEN_R2 },
	/* Lines of other forms are not kept: comments, several lines, several rules in one, prio
	 * elsewhere. */
	{ "", HEAD "  r2: {match: {dport: 80, proto: tcp}, action: {verdict: drop}} # why\n",
	  HEAD WRITTEN_R2, NULL },
	{ "", HEAD "  r2: {match: {dport: 80, proto: tcp},\n  action: {verdict: drop}}\n",
	  HEAD WRITTEN_R2, NULL },
	{ "", HEAD "  r2:\n    {match: {dport: 80, proto: tcp}, action: {verdict: drop}}\n",
	  HEAD WRITTEN_R2, NULL },
	{ "", HEAD "  r2: {match: {dport: '80', proto: tcp}, action: {verdict: drop}}\n",
	  HEAD WRITTEN_R2, NULL },
	{ "", "rules: {\n  r3: {action: {dscp: 3}}, r4: {action: {dscp: 4}}\n}\n",
	  "rules:\n  r3: {match: {}, action: {dscp: 3}}\n  r4: {match: {}, action: {dscp: 4}}\n",
	  NULL },
	{ "", "rules:\n  r3: {action: {dscp: 3}, prio: 3}\n",
	  "rules:\n  r3: {prio: 3, match: {}, action: {dscp: 3}}\n", NULL },
	{ "", "rules:\n  r3: {prio: 0x3, action: {dscp: 3}}\n",
	  "rules:\n  r3: {prio: 3, match: {}, action: {dscp: 3}}\n", NULL },
	{ "", "rules:\n  yes: {action: {dscp: 3}}\n",
	  "rules:\n  \"yes\": {match: {}, action: {dscp: 3}}\n", NULL },
};

static char *written(const struct cv_state *state, const char *applied,
		     const struct cv_parts *parts)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	cv_carry_write(state, applied, parts, stream);
	assert_int_equal(cv_finish_file(&stream), 0);
	return CV_TAKE_PTR(text);
}

/* The text reads back as the same state. */
static void expect_read_back(const char *text, const char *anew)
{
	CV_CLEANUP(cv_report_free) struct cv_report *silent = NULL;
	CV_CLEANUP(cv_state_fini) struct cv_state state;
	CV_FREE char *again = NULL;

	cv_state_init(&state);
	assert_int_equal(cv_report_new(&silent, NULL, false), 0);
	assert_int_equal(cv_config_parse(&state, NULL, text, strlen(text), silent), 0);
	again = cv_config_text(&state);
	assert_string_equal(again, anew);
}

static void the_text_is_what_would_be_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cv_part part = { (char *)"f", (char *)rows[i].file, strlen(rows[i].file) };
		const struct cv_parts parts = { &part, 1 };
		CV_CLEANUP(cv_report_free) struct cv_report *silent = NULL;
		CV_CLEANUP(cv_state_fini) struct cv_state wanted;
		CV_FREE char *carried = NULL;
		CV_FREE char *plain = NULL;

		print_message("row %zu\n", i);
		cv_state_init(&wanted);
		assert_int_equal(cv_report_new(&silent, NULL, false), 0);
		assert_int_equal(cv_config_parse(&wanted, part.file, part.text, part.len, silent),
				 0);
		carried = written(&wanted, rows[i].applied, &parts);
		plain = written(&wanted, rows[i].applied, NULL);
		assert_string_equal(carried, rows[i].written);
		assert_string_equal(plain, rows[i].anew ? rows[i].anew : rows[i].written);
		expect_read_back(carried, plain);
		assert_int_equal(cv_carry_is(&wanted, rows[i].applied, &parts),
				 !strcmp(rows[i].applied, rows[i].written));
		assert_true(cv_carry_is(&wanted, rows[i].written, &parts));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_what_would_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
