/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who else uses bits of packet marks, as far as it can be read: ip rules, nftables, iptables and tc,
 * one file each. Nothing is changed, no program is run, no kernel module is loaded.
 *
 * A user collides with culvert if packets that carry culvert's marks would get another treatment
 * for it, or other packets would look like culvert's. Somebody who only wants those bits to be zero
 * does not, nor does one who asks for all of them, and no others, to be one: that means packets that are in
 * a tunnel already.
 */
#ifndef CV_MARKS_H
#define CV_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "culvert.h"
#include "nl.h"

/* Which packets meet a rule, of those that are routed only after it. */
#define CV_MARK_ARRIVING (1 << 0) /* received: before it is known where they go */
#define CV_MARK_SENDING (1 << 1) /* of this host's sockets: routed anew if their mark changes */

/* What one rule does with marks. */
struct cv_mark_use {
	enum cv_mark_how how;
	uint32_t bits; /* that are compared or written */
	uint32_t ones; /* of these, those that are 1 in some value compared with or written */
	bool is_inverted; /* all other values match */
	uint8_t moments; /* CV_MARK_ARRIVING, CV_MARK_SENDING */
};

/* What culvert wants marks for. */
struct cv_mark_claim {
	uint32_t mask; /* 0: it uses none */
	uint8_t moments; /* when packets carry them already */
};

/* A list of users while it grows. */
struct cv_marks {
	struct cv_mark_claim claim;
	struct cv_mark_users users;
};

/* What a state wants. */
struct cv_mark_claim cv_mark_claim(const struct cv_state *state);
/* The bits on which a use collides with the claim, 0 if it does not. *note: what comes of it if they
 * share bits, or an empty text; static. */
uint32_t cv_mark_judge(const struct cv_mark_claim *claim, const struct cv_mark_use *use,
		       const char **note);

/* Adds a user; what it does to no bit at all is left out. Only memory can be missing. */
int cv_marks_add(struct cv_marks *marks, const struct cv_mark_use *use, const char *user,
		 struct cv_err *err, const char *place, ...) __attribute__((format(printf, 5, 6)));
/* Notes that a source could not be read, and why. */
int cv_marks_skip(struct cv_marks *marks, const char *user, const struct cv_err *why,
		  struct cv_err *err);

/* The bits that are 1 in some number from min to max. */
uint32_t cv_mark_ones(uint32_t min, uint32_t max);

/* Fills err with the collision of a user; returns its code. */
int cv_marks_explain(const struct cv_state *state, const struct cv_mark_user *user,
		     struct cv_err *err);

/* Refuses a state that would use marks as the old one did not, if somebody collides with it. */
int cv_marks_check(struct cv_instance *inst, const struct cv_state *old,
		   const struct cv_state *wanted, struct cv_err *err);

/* The sources. What cannot be read is noted as such. */
int cv_marks_rule(struct cv_marks *marks, struct cv_nl *nl, struct cv_err *err);
int cv_marks_nft(struct cv_marks *marks, struct cv_err *err);
int cv_marks_xt(struct cv_marks *marks, struct cv_err *err);
int cv_marks_tc(struct cv_marks *marks, struct cv_nl *nl, struct cv_err *err);

/* One filter of a device, as the kernel lists it: hdr is an RTM_NEWTFILTER. */
int cv_tc_look(struct cv_marks *marks, const char *dev, uint32_t parent, struct nlmsghdr *hdr,
	       struct cv_err *err);

/* A match or target of iptables, which nftables may have too: what stands in its data. False if it
 * has nothing to do with marks. */
struct cv_xt_extension {
	const char *name;
	uint8_t revision;
	bool is_target; /* else a match */
	const void *data;
	size_t len;
};
bool cv_xt_use(const struct cv_xt_extension *extension, struct cv_mark_use *use);
/* The rules of one iptables table as the kernel has them in memory, `bytes` of them. */
struct cv_xt_table {
	uint8_t family; /* 4, 6 */
	const char *name;
	uint32_t hooks; /* bits: the table has a chain on that hook */
	const uint32_t *hook_entry; /* where that begins */
	const void *entries;
	size_t bytes;
};
int cv_xt_walk(struct cv_marks *marks, const struct cv_xt_table *table, struct cv_err *err);

#endif
