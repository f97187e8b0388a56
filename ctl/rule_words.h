/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two groups of words of a rule: what it matches (rule_match.c), what it does (rule_action.c). */
#ifndef CV_RULE_WORDS_H
#define CV_RULE_WORDS_H

#include "words.h"

extern const struct cv_group cv_rule_match_group;
extern const struct cv_group cv_rule_action_group;

#endif
