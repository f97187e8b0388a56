/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What live.bpf.c and its loader have in common. */
#ifndef CV_LIVE_H
#define CV_LIVE_H

#include <linux/types.h>

#define LIVE_LEN 88 /* WIRE_LEN of ../rulesets/wire.h */

struct live_frame {
	__u64 words[LIVE_LEN / 8];
};

#endif
