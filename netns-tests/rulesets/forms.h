/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A rule set in the words of those who are compared: culvert's state file and its compiled rules, nft,
 * iptables-restore, tc -batch. Rule i says that it was met by mark i + 1 (iptables, which has no map
 * of marks: by chain; u32, which here has no action that marks: by class).
 */
#ifndef CV_FORMS_H
#define CV_FORMS_H

#include "compiler/rules.h"
#include "ruleset.h"

/* The mark of the rule at index. */
static inline uint32_t form_mark(size_t index)
{
	return (uint32_t)index + 1;
}

#define FORM_IPTABLES_MARKS 64
/* The mark of the chain that the rule at index goes to. */
static inline uint32_t form_iptables_mark(size_t index)
{
	return (uint32_t)(index % FORM_IPTABLES_MARKS) + 1;
}

/* Filters in one list of u32: it numbers the first 2048 upwards, and later ones before these. */
#define FORM_U32_MAX 2000

/* The rules as the compiler makes them, asked in all directions; the caller releases *rules. Returns
 * 0, or -ENOMEM. */
int form_compiled(struct cv_rules *rules, const struct ruleset *set);

/* Fills the conjunction of one rule. */
void form_match(struct cv_match *match, const struct ruleset_rule *rule);

/* Each prints to file. The state file asks for ingress of dev. */
void form_state(FILE *file, const struct ruleset *set, const char *dev);
/* The table "bench" of the netdev family; is_kept, one for each rule: what the set can hold. */
void form_nft(FILE *file, const struct ruleset *set, const bool *is_kept, const char *dev);
void form_iptables(FILE *file, const struct ruleset *set);
/* Returns how many filters that takes: tc has masks in place of ranges. */
size_t form_u32(FILE *file, const struct ruleset *set, const char *dev);

/*
 * Which rules nft's set of concatenated ranges (pipapo) takes when they are added in their order: it
 * refuses one whose first or last packet an earlier one holds. is_kept has room for all. Returns how
 * many, or -ENOMEM.
 */
long form_nft_subset(const struct ruleset *set, bool *is_kept);

#endif
