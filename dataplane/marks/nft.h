/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the reading of an nftables ruleset (marks_nft.c) and the running of one of its rules
 * (nft_rule.c) share. */
#ifndef CV_NFT_H
#define CV_NFT_H

#include "marks/marks.h"

struct cv_nft_rule {
	struct cv_marks *marks; /* what it does with marks is added here */
	struct cv_nl *nl; /* to ask for what its sets hold */
	uint8_t family; /* NFPROTO_* */
	uint8_t moments; /* CV_MARK_* */
	const char *table;
	const char *chain;
	uint64_t handle;
};

/* Adds what the rules do that the kernel lists; nl is a socket to netfilter. */
int cv_nft_read(struct cv_marks *marks, struct cv_nl *nl, struct cv_err *err);

/* True if some expression of a rule may have to do with marks. */
bool cv_nft_is_about_marks(struct nlattr *expressions);
/* Runs a rule and adds what it does with marks. */
int cv_nft_run(const struct cv_nft_rule *where, struct nlattr *expressions, struct cv_err *err);

/* A question for a list; NULL without memory. */
struct nl_msg *cv_nft_msg(int type, uint8_t family);
/* Attributes; 0 and "" if they are not there. */
uint32_t cv_nft_number(struct nlattr *const attrs[], int type);
const char *cv_nft_text(struct nlattr *const attrs[], int type);

#endif
