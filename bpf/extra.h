/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The conditions of a match that few rules have (struct cv_extra). The engine asks for them where all
 * others hold.
 */
#ifndef CV_EXTRA_H
#define CV_EXTRA_H

#include "abi.h"
#include "packet.h"

/* What a condition comes to: as the packet has it, or the other way round. */
static __always_inline bool cv_extra_agrees(const struct cv_extra *extra, __u32 flag, bool holds)
{
	return holds != !!(extra->not_flags & flag);
}

static __always_inline bool cv_app_matches(__u32 wanted, __u32 app)
{
	return wanted == CV_APP_ANY ? app != CV_APP_NONE : app == wanted;
}

static __always_inline bool cv_owner_holds(const struct cv_extra *extra, __u32 flags,
					   const struct cv_pkt *pkt)
{
	if (flags & CV_MATCH_APP &&
	    !cv_extra_agrees(extra, CV_MATCH_APP, cv_app_matches(extra->app, pkt->app)))
		return false;
	return !(flags & CV_MATCH_EXACT) ||
	       cv_extra_agrees(extra, CV_MATCH_EXACT, CV_OWNER_IS_EXACT(pkt->owner_source));
}

/* What does not stand in the packet. */
static __always_inline bool cv_origin_holds(const struct cv_extra *extra, __u32 flags,
					    const struct cv_pkt *pkt)
{
	if (flags & CV_MATCH_DEV &&
	    !cv_extra_agrees(extra, CV_MATCH_DEV, extra->ifindex == pkt->ifindex))
		return false;
	if (flags & CV_MATCH_MARK &&
	    !cv_extra_agrees(extra, CV_MATCH_MARK, (pkt->mark & extra->mark_mask) == extra->mark))
		return false;
	return !(flags & CV_MATCH_TUNNEL) ||
	       cv_extra_agrees(extra, CV_MATCH_TUNNEL, extra->tunnel == pkt->tunnel);
}

/* True if all conditions in flags hold. */
static __always_inline bool cv_conditions_hold(const struct cv_extra *extra, __u32 flags,
					       const struct cv_pkt *pkt)
{
	if (flags & CV_MATCH_DSCP && !(extra->dscps >> (pkt->tos >> 2) & 1))
		return false;
	return cv_owner_holds(extra, flags, pkt) && cv_origin_holds(extra, flags, pkt);
}

/* True if all its conditions hold. */
static __always_inline bool cv_extra_holds(const struct cv_extra *extra, const struct cv_pkt *pkt)
{
	return cv_conditions_hold(extra, extra->flags, pkt);
}

#endif
