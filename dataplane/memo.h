/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the rules of the applied state came to: enough to tell later, without reading them, that they would
 * come to the same again, and that packets meet just that. The whole live image, as the kernel has it in
 * its memory, is hashed and compared; so is what names stand for.
 */
#ifndef CV_MEMO_H
#define CV_MEMO_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define CV_MEMO_DEVICES 256

struct cv_plan;
struct cv_state;

/* A part of a stamp: no pointers, and all zero where nothing is. */
struct cv_memo {
	uint64_t image; /* hash of the live one; 0: of these rules there is no memo */
	uint64_t names; /* hash of what those of apps and tunnels stand for */
	uint32_t device_count;
	struct {
		char name[IFNAMSIZ];
		uint32_t ifindex; /* 0: there is none */
	} devices[CV_MEMO_DEVICES]; /* that rules name, each once */
	uint32_t pad;
};

/* Notes the rules of a plan that was carried out. There is no memo if more depends on them than the
 * image, if files have a part in them, or if they name too many devices. */
void cv_memo_make(struct cv_memo *memo, const struct cv_plan *plan);

/* True if other rules in place of some leave the memo as it is, but for the image. */
bool cv_memo_covers(const struct cv_memo *memo, const struct cv_state *state);

/* True if the rules of the plan, which were not read, would come to what packets meet. */
bool cv_memo_holds(const struct cv_memo *memo, const struct cv_plan *plan);

#endif
