/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the compiler share; compile.h is the way in. */
#ifndef CV_COMPILE_PARTS_H
#define CV_COMPILE_PARTS_H

#include "compile.h"

#define CV_DIR_BIT(dir) (1 << (dir))

/* A compilation at work. */
struct compile {
	struct cv_rules *out;
	const struct cv_state *state;
	const struct cv_resolver *resolver;
	size_t match_room;
	size_t max_matches;
	size_t set_room;
	uint32_t *set_slots; /* owned; sets without a name by their content: index + 1, 0: free */
	size_t slot_count; /* 0 or a power of 2 */
};

/* ---- compile_set.c ---- */

/* Makes the named sets of the state the first sets of the rules, in their order. */
int cv_compile_sets(struct compile *compile, struct cv_err *err);

/* The number of a set without a name that holds the same values; one that is not there is added. Takes
 * what set owns, also on failure. conf is the rule that asks for it. */
int cv_compile_anonymous(struct compile *compile, const struct cv_rule_conf *conf,
			 struct cv_compiled_set *set, uint16_t *number, struct cv_err *err);

/* Asks that set too. False if the match has no room for one more. */
bool cv_match_ask_set(struct cv_match *match, uint16_t number, enum cv_set_field field,
		      bool is_not);

/* ---- condition.c ---- */

/*
 * Adds all conditions of a rule to a match but the lists, the mark and the owner, which may come to
 * several matches. Returns 1, or 0 if no packet can meet them: they contradict each other, or a lenient
 * plan left out what they name.
 */
int cv_compile_conditions(struct compile *compile, const struct cv_rule_conf *conf,
			  struct cv_match *match, struct cv_err *err);

/* True if the field is given in its negated form. */
bool cv_match_conf_is_not(const struct cv_match_conf *conf, enum cv_field field);

/* Asks for a family. False if the match asks for the other one. */
bool cv_match_ask_family(struct cv_match *match, uint8_t family);

/* ---- multiply.c ---- */

/* What is asked of a mark; several such conditions must hold together. */
struct cv_mark_condition {
	uint32_t mark;
	uint32_t mask;
	bool is_not;
};

struct cv_mark_conditions {
	struct cv_mark_condition items[2];
	size_t count;
};

/* Emits matches for all combinations of the values in the lists of a rule. */
int cv_multiply(struct compile *compile, const struct cv_rule_conf *conf,
		const struct cv_match *base, const struct cv_mark_conditions *marks,
		struct cv_err *err);

#endif
