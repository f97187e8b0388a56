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

/* A number of the packet's own, such as its length, in a range. */
static __always_inline bool cv_is_within(__u32 value, __u32 min, __u32 max)
{
	return value >= min && value <= max;
}

/* What stands before the IP packet; not every frame has it. */
static __always_inline bool cv_link_holds(const struct cv_extra *extra, __u32 flags,
					  const struct cv_pkt *pkt)
{
	if (flags & CV_MATCH_VLAN &&
	    (pkt->vlan == CV_NO_VLAN ||
	     !cv_extra_agrees(extra, CV_MATCH_VLAN,
			      cv_is_within(pkt->vlan, extra->vlan_min, extra->vlan_max))))
		return false;
	return !(flags & CV_MATCH_ETHERTYPE) ||
	       (pkt->ethertype &&
		cv_extra_agrees(extra, CV_MATCH_ETHERTYPE, pkt->ethertype == extra->ethertype));
}

/* What stands in IP headers; only IPv6 has a flow label. */
static __always_inline bool cv_header_holds(const struct cv_extra *extra, __u32 flags,
					    const struct cv_pkt *pkt)
{
	if (flags & CV_MATCH_DSCP && !(extra->dscps >> (pkt->tos >> 2) & 1))
		return false;
	if (flags & CV_MATCH_ECN && !(extra->ecns >> (pkt->tos & 3) & 1))
		return false;
	if (flags & CV_MATCH_LEN &&
	    !cv_extra_agrees(extra, CV_MATCH_LEN,
			     cv_is_within(cv_pkt_len(pkt), extra->len_min, extra->len_max)))
		return false;
	if (flags & CV_MATCH_FRAGMENT &&
	    !cv_extra_agrees(extra, CV_MATCH_FRAGMENT, pkt->is_fragment))
		return false;
	return !(flags & CV_MATCH_FLOW_LABEL) ||
	       (pkt->family == 6 &&
		cv_extra_agrees(extra, CV_MATCH_FLOW_LABEL, pkt->flow_label == extra->flow_label));
}

/* What stands behind IP headers, if it can be read. */
static __always_inline bool cv_transport_holds(const struct cv_extra *extra, __u32 flags,
					       const struct cv_pkt *pkt)
{
	if (flags & CV_MATCH_TCP_FLAGS &&
	    (!pkt->has_tcp ||
	     !cv_extra_agrees(extra, CV_MATCH_TCP_FLAGS,
			      (pkt->tcp_flags & extra->tcp_mask) == extra->tcp_flags)))
		return false;
	if (flags & (CV_MATCH_ICMP_TYPE | CV_MATCH_ICMP_CODE) && !pkt->has_icmp)
		return false;
	if (flags & CV_MATCH_ICMP_TYPE &&
	    !cv_extra_agrees(extra, CV_MATCH_ICMP_TYPE, pkt->icmp_type == extra->icmp_type))
		return false;
	return !(flags & CV_MATCH_ICMP_CODE) ||
	       cv_extra_agrees(extra, CV_MATCH_ICMP_CODE, pkt->icmp_code == extra->icmp_code);
}

/* True if all its conditions hold. */
static __always_inline bool cv_extra_holds(const struct cv_extra *extra, const struct cv_pkt *pkt)
{
	__u32 flags = extra->flags;

	return cv_owner_holds(extra, flags, pkt) && cv_origin_holds(extra, flags, pkt) &&
	       cv_link_holds(extra, flags, pkt) && cv_header_holds(extra, flags, pkt) &&
	       cv_transport_holds(extra, flags, pkt);
}

#endif
