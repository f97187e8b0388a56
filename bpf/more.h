/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The actions that few rules have (struct cv_actions), in the order in which they are done: police,
 * pace, sample, mirror; redirect is the verdict's part.
 */
#ifndef CV_MORE_H
#define CV_MORE_H

#include "events.h"
#include "pace.h"
#include "police.h"
#include "redirect.h"

/* Returns CV_R_OK, or the reason to drop the packet. */
static __always_inline int cv_do_more(struct __sk_buff *skb, struct cv_pkt *pkt, __u64 live,
				      const struct cv_rule_cell *rule,
				      const struct cv_actions *actions, __u32 dir)
{
	__u32 bytes = cv_wire_bytes(skb, pkt, dir);

	if (rule->flags & CV_ACTION_POLICE && !cv_police(pkt, rule->id, actions, bytes))
		return CV_R_POLICE;
	if (rule->flags & CV_ACTION_PACE && dir == CV_DIR_OUT &&
	    !cv_pace(skb, pkt, rule->id, actions->pace_bytes_ps, bytes))
		return CV_R_PACE_HORIZON;
	if (rule->flags & CV_ACTION_SAMPLE)
		cv_sample(skb, pkt, live, rule, dir, actions->sample_one_in);
	if (rule->flags & CV_ACTION_MIRROR)
		cv_copy_to(skb, pkt, dir, actions->mirror_ifindex);
	return CV_R_OK;
}

#endif
