/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether one match is met by all packets that another is met by: condition for condition. */
#include <linux/if_ether.h>

#include "shadow.h"

static bool covers_prefix(const __be32 addr[4], const __be32 mask[4], const __be32 other[4],
			  const __be32 other_mask[4])
{
	for (int i = 0; i < 4; i++)
		if (mask[i] & ~other_mask[i] || (other[i] & mask[i]) != addr[i])
			return false;
	return true;
}

static bool covers_addresses(const struct cv_match *a, const struct cv_match *b)
{
	if (a->flags & CV_MATCH_FAMILY && !(b->flags & CV_MATCH_FAMILY && a->family == b->family))
		return false;
	/* Without a prefix address and mask are zero, which is all addresses. */
	return covers_prefix(a->src, a->src_mask, b->src, b->src_mask) &&
	       covers_prefix(a->dst, a->dst_mask, b->dst, b->dst_mask);
}

static bool covers_ports(const struct cv_match *a, const struct cv_match *b)
{
	if (a->flags & CV_MATCH_PROTO && !(b->flags & CV_MATCH_PROTO && a->proto == b->proto))
		return false;
	return !(a->flags & CV_MATCH_PORTS) ||
	       (b->flags & CV_MATCH_PORTS && a->sport_min <= b->sport_min &&
		a->sport_max >= b->sport_max && a->dport_min <= b->dport_min &&
		a->dport_max >= b->dport_max);
}

/* How what one value asks for and what another asks for lie to each other. */
enum relation { SAME, WITHIN, AROUND, APART, ACROSS };

/*
 * Two conditions of one kind on what every packet that meets b has: true if b's implies a's. relation is
 * that of the plain value of b to the plain value of a.
 */
static bool implies(const struct cv_match *a, const struct cv_match *b, uint32_t flag,
		    enum relation relation)
{
	bool is_not_a = a->extra.not_flags & flag, is_not_b = b->extra.not_flags & flag;

	if (is_not_a && is_not_b)
		return relation == SAME || relation == AROUND;
	if (is_not_a)
		return relation == APART;
	return !is_not_b && (relation == SAME || relation == WITHIN);
}

static enum relation relate_numbers(uint32_t a, uint32_t b)
{
	return a == b ? SAME : APART;
}

static enum relation relate_ranges(uint32_t a_min, uint32_t a_max, uint32_t b_min, uint32_t b_max)
{
	if (a_min == b_min && a_max == b_max)
		return SAME;
	if (a_min > b_max || a_max < b_min)
		return APART;
	if (a_min <= b_min && a_max >= b_max)
		return WITHIN;
	return b_min <= a_min && b_max >= a_max ? AROUND : ACROSS;
}

static enum relation relate_masked(uint32_t a, uint32_t a_mask, uint32_t b, uint32_t b_mask)
{
	if ((a ^ b) & a_mask & b_mask)
		return APART;
	if (a_mask == b_mask)
		return SAME;
	if (!(a_mask & ~b_mask))
		return WITHIN;
	return b_mask & ~a_mask ? ACROSS : AROUND;
}

static enum relation relate_apps(uint32_t a, uint32_t b)
{
	if (a == CV_APP_ANY && b != CV_APP_ANY)
		return b == CV_APP_NONE ? APART : WITHIN;
	if (b == CV_APP_ANY && a != CV_APP_ANY)
		return a == CV_APP_NONE ? APART : AROUND;
	return relate_numbers(a, b);
}

static enum relation relate(const struct cv_extra *a, const struct cv_extra *b, uint32_t flag)
{
	switch (flag) {
	case CV_MATCH_APP:
		return relate_apps(a->app, b->app);
	case CV_MATCH_DEV:
		return relate_numbers(a->ifindex, b->ifindex);
	case CV_MATCH_TUNNEL:
		return relate_numbers(a->tunnel, b->tunnel);
	case CV_MATCH_MARK:
		return relate_masked(a->mark, a->mark_mask, b->mark, b->mark_mask);
	case CV_MATCH_TCP_FLAGS:
		return relate_masked(a->tcp_flags, a->tcp_mask, b->tcp_flags, b->tcp_mask);
	case CV_MATCH_ICMP_TYPE:
		return relate_numbers(a->icmp_type, b->icmp_type);
	case CV_MATCH_ICMP_CODE:
		return relate_numbers(a->icmp_code, b->icmp_code);
	case CV_MATCH_LEN:
		return relate_ranges(a->len_min, a->len_max, b->len_min, b->len_max);
	case CV_MATCH_VLAN:
		return relate_ranges(a->vlan_min, a->vlan_max, b->vlan_min, b->vlan_max);
	case CV_MATCH_FLOW_LABEL:
		return relate_numbers(a->flow_label, b->flow_label);
	default:
		return SAME; /* exact, fragment: there is but one value */
	}
}

#define CV_MATCH_RELATED                                                                           \
	(CV_MATCH_APP | CV_MATCH_EXACT | CV_MATCH_DEV | CV_MATCH_TUNNEL | CV_MATCH_MARK |          \
	 CV_MATCH_TCP_FLAGS | CV_MATCH_ICMP_TYPE | CV_MATCH_ICMP_CODE | CV_MATCH_LEN |             \
	 CV_MATCH_VLAN | CV_MATCH_FLOW_LABEL | CV_MATCH_FRAGMENT)

static bool covers_ethertype(const struct cv_match *a, const struct cv_match *b)
{
	uint16_t type = a->extra.ethertype;

	if (!(a->flags & CV_MATCH_ETHERTYPE))
		return !(b->flags & CV_MATCH_ETHERTYPE);
	if (b->flags & CV_MATCH_ETHERTYPE)
		return implies(a, b, CV_MATCH_ETHERTYPE, relate_numbers(type, b->extra.ethertype));
	/* Only IP packets meet b. */
	return a->extra.not_flags & CV_MATCH_ETHERTYPE &&
	       (type == ETH_P_IP     ? b->flags & CV_MATCH_FAMILY && b->family == 6
		: type == ETH_P_IPV6 ? b->flags & CV_MATCH_FAMILY && b->family == 4
				     : true);
}

static bool asks_set(const struct cv_extra *extra, const struct cv_set_ref *ref)
{
	for (int i = 0; i < CV_MAX_SET_REFS; i++)
		if (extra->sets[i].set == ref->set && extra->sets[i].field == ref->field &&
		    extra->sets[i].is_not == ref->is_not)
			return true;
	return false;
}

/* What a set holds may change: only the same one is within it. */
static bool covers_sets(const struct cv_match *a, const struct cv_match *b)
{
	for (int i = 0; a->flags & CV_MATCH_SETS && i < CV_MAX_SET_REFS; i++)
		if (a->extra.sets[i].set && !asks_set(&b->extra, &a->extra.sets[i]))
			return false;
	return true;
}

static bool covers_extra(const struct cv_match *a, const struct cv_match *b)
{
	uint32_t related = a->flags & CV_MATCH_RELATED;

	if (a->flags & CV_MATCH_DSCP &&
	    (!(b->flags & CV_MATCH_DSCP) || b->extra.dscps & ~a->extra.dscps))
		return false;
	if (a->flags & CV_MATCH_ECN &&
	    (!(b->flags & CV_MATCH_ECN) || b->extra.ecns & ~a->extra.ecns))
		return false;
	if (related & ~b->flags)
		return false;
	for (uint32_t flag = 1; flag && flag <= related; flag <<= 1)
		if (related & flag && !implies(a, b, flag, relate(&a->extra, &b->extra, flag)))
			return false;
	return covers_sets(a, b);
}

bool cv_match_covers(const struct cv_match *a, const struct cv_match *b)
{
	return covers_ports(a, b) && !((a->flags ^ b->flags) & CV_MATCH_QUOTED) &&
	       covers_addresses(a, b) && covers_ethertype(a, b) &&
	       (!(a->flags & CV_MATCH_EXTRAS) || covers_extra(a, b));
}
