/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames of every kind that a device may receive, most of them near what the rules of a set ask for:
 * values at the ends of ranges, options, extension headers, fragments, tags, ICMP errors with what
 * they quote, headers that are cut off, and bytes that were changed at random.
 */
#ifndef CV_WILD_H
#define CV_WILD_H

#include "random.h"
#include "ruleset.h"

#define WILD_MAX 512

struct wild {
	uint8_t bytes[WILD_MAX];
	size_t len;
};

/* What BPF_PROG_TEST_RUN takes: at least a whole IP header directly behind Ethernet's. */
void wild_draw(struct random *random, const struct ruleset *set, struct wild *wild);

#endif
