/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What rules mean, said plainly: see oracle.h. */
#include "oracle.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stddef.h>

#include "set.h"

static bool is_in(const __be32 addr[4], const __be32 prefix[4], const __be32 mask[4])
{
	for (int i = 0; i < 4; i++)
		if ((addr[i] & mask[i]) != prefix[i])
			return false;
	return true;
}

static bool is_in_range(__u16 port, __u16 min, __u16 max)
{
	return port >= min && port <= max;
}

static bool is_owner(__u32 wanted, __u32 app)
{
	return wanted == CV_APP_ANY ? app != CV_APP_NONE : app == wanted;
}

/* What a condition comes to: as the packet has it, or the other way round. */
static bool agrees(const struct cv_match *match, __u32 flag, bool holds)
{
	return holds != !!(match->extra.not_flags & flag);
}

static bool holds_addresses(const struct cv_match *match, const struct cv_oracle_packet *packet)
{
	__u32 flags = match->flags;

	if (flags & CV_MATCH_FAMILY && match->family != packet->family)
		return false;
	if (flags & CV_MATCH_SRC && !is_in(packet->src, match->src, match->src_mask))
		return false;
	return !(flags & CV_MATCH_DST) || is_in(packet->dst, match->dst, match->dst_mask);
}

static bool holds_ports(const struct cv_match *match, const struct cv_oracle_packet *packet)
{
	if (match->flags & CV_MATCH_PROTO && match->proto != packet->proto)
		return false;
	return !(match->flags & CV_MATCH_PORTS) ||
	       (packet->has_ports &&
		is_in_range(packet->sport, match->sport_min, match->sport_max) &&
		is_in_range(packet->dport, match->dport_min, match->dport_max));
}

/* What does not stand in the packet. */
static bool holds_origin(const struct cv_match *match, const struct cv_oracle_packet *packet)
{
	const struct cv_extra *extra = &match->extra;
	__u32 flags = match->flags;

	if (flags & CV_MATCH_APP && !agrees(match, CV_MATCH_APP, is_owner(extra->app, packet->app)))
		return false;
	if (flags & CV_MATCH_EXACT && !agrees(match, CV_MATCH_EXACT, packet->is_exact))
		return false;
	if (flags & CV_MATCH_DEV && !agrees(match, CV_MATCH_DEV, extra->ifindex == packet->ifindex))
		return false;
	if (flags & CV_MATCH_MARK &&
	    !agrees(match, CV_MATCH_MARK, extra->mark == (packet->mark & extra->mark_mask)))
		return false;
	return !(flags & CV_MATCH_TUNNEL) ||
	       agrees(match, CV_MATCH_TUNNEL, extra->tunnel == packet->tunnel);
}

static __u16 ethertype_of(const struct cv_oracle_packet *packet)
{
	return packet->family == 4   ? ETH_P_IP
	       : packet->family == 6 ? ETH_P_IPV6
				     : packet->ethertype;
}

/* What stands before the IP packet; not every frame has it. */
static bool holds_link(const struct cv_match *match, const struct cv_oracle_packet *packet)
{
	const struct cv_extra *extra = &match->extra;
	__u16 ethertype = ethertype_of(packet);

	if (match->flags & CV_MATCH_VLAN &&
	    (!packet->has_vlan ||
	     !agrees(match, CV_MATCH_VLAN,
		     packet->vlan >= extra->vlan_min && packet->vlan <= extra->vlan_max)))
		return false;
	return !(match->flags & CV_MATCH_ETHERTYPE) ||
	       (ethertype && agrees(match, CV_MATCH_ETHERTYPE, ethertype == extra->ethertype));
}

static bool holds_header(const struct cv_match *match, const struct cv_oracle_packet *packet)
{
	const struct cv_extra *extra = &match->extra;
	__u32 flags = match->flags;

	if (flags & CV_MATCH_DSCP && !(extra->dscps >> packet->dscp & 1))
		return false;
	if (flags & CV_MATCH_ECN && !(extra->ecns >> packet->ecn & 1))
		return false;
	if (flags & CV_MATCH_LEN &&
	    !agrees(match, CV_MATCH_LEN,
		    packet->len >= extra->len_min && packet->len <= extra->len_max))
		return false;
	if (flags & CV_MATCH_FRAGMENT && !agrees(match, CV_MATCH_FRAGMENT, packet->is_fragment))
		return false;
	return !(flags & CV_MATCH_FLOW_LABEL) ||
	       (packet->family == 6 &&
		agrees(match, CV_MATCH_FLOW_LABEL, extra->flow_label == packet->flow_label));
}

/* What stands behind IP headers, if it can be read. */
static bool holds_transport(const struct cv_match *match, const struct cv_oracle_packet *packet)
{
	const struct cv_extra *extra = &match->extra;
	__u32 flags = match->flags;

	if (flags & CV_MATCH_TCP_FLAGS &&
	    (!packet->has_tcp ||
	     !agrees(match, CV_MATCH_TCP_FLAGS,
		     extra->tcp_flags == (packet->tcp_flags & extra->tcp_mask))))
		return false;
	if (flags & (CV_MATCH_ICMP_TYPE | CV_MATCH_ICMP_CODE) && !packet->has_icmp)
		return false;
	if (flags & CV_MATCH_ICMP_TYPE &&
	    !agrees(match, CV_MATCH_ICMP_TYPE, extra->icmp_type == packet->icmp_type))
		return false;
	return !(flags & CV_MATCH_ICMP_CODE) ||
	       agrees(match, CV_MATCH_ICMP_CODE, extra->icmp_code == packet->icmp_code);
}

static bool has_address(const struct cv_compiled_set *set, __u8 family, const __be32 addr[4])
{
	uint64_t halves[2] = { (uint64_t)ntohl(addr[0]) << 32 | ntohl(addr[1]),
			       (uint64_t)ntohl(addr[2]) << 32 | ntohl(addr[3]) };

	return family == 6 ? cv_set_has_address(set, halves)
			   : cv_set_has_number(set, ntohl(addr[0]));
}

static bool holds_set(const struct cv_rules *rules, const struct cv_set_ref *ref,
		      const struct cv_oracle_packet *packet)
{
	const struct cv_compiled_set *set = &rules->sets[ref->set - 1];
	const __u32 numbers[CV_SET_FIELD_COUNT] = {
		[CV_SET_FIELD_PROTO] = packet->proto, [CV_SET_FIELD_SPORT] = packet->sport,
		[CV_SET_FIELD_DPORT] = packet->dport, [CV_SET_FIELD_DSCP] = packet->dscp,
		[CV_SET_FIELD_MARK] = packet->mark,   [CV_SET_FIELD_LEN] = packet->len,
		[CV_SET_FIELD_VLAN] = packet->vlan,
	};
	bool is_port = ref->field == CV_SET_FIELD_SPORT || ref->field == CV_SET_FIELD_DPORT;

	if ((is_port && !packet->has_ports) ||
	    (ref->field == CV_SET_FIELD_VLAN && !packet->has_vlan))
		return false;
	if (ref->field == CV_SET_FIELD_SRC)
		return has_address(set, packet->family, packet->src) != ref->is_not;
	if (ref->field == CV_SET_FIELD_DST)
		return has_address(set, packet->family, packet->dst) != ref->is_not;
	return cv_set_has_number(set, numbers[ref->field]) != ref->is_not;
}

static bool holds_sets(const struct cv_rules *rules, const struct cv_match *match,
		       const struct cv_oracle_packet *packet)
{
	for (int i = 0; match->flags & CV_MATCH_SETS && i < CV_MAX_SET_REFS; i++)
		if (match->extra.sets[i].set && !holds_set(rules, &match->extra.sets[i], packet))
			return false;
	return true;
}

/* Conditions that only an IP packet can meet, in either form. */
#define CV_MATCH_OF_IP                                                                             \
	(CV_MATCH_FAMILY | CV_MATCH_PROTO | CV_MATCH_PORTS | CV_MATCH_SRC | CV_MATCH_DST |         \
	 CV_MATCH_DSCP | CV_MATCH_ECN | CV_MATCH_LEN | CV_MATCH_FRAGMENT)

/* Without an ethertype only IP packets are meant. */
static bool concerns(__u32 flags, const struct cv_oracle_packet *packet)
{
	return packet->family || (flags & CV_MATCH_ETHERTYPE && !(flags & CV_MATCH_OF_IP));
}

bool cv_oracle_holds(const struct cv_rules *rules, const struct cv_match *match,
		     const struct cv_oracle_packet *packet)
{
	if (match->flags & CV_MATCH_QUOTED)
		packet = packet->quoted;
	return packet && concerns(match->flags, packet) && holds_addresses(match, packet) &&
	       holds_ports(match, packet) && holds_origin(match, packet) &&
	       holds_link(match, packet) && holds_header(match, packet) &&
	       holds_transport(match, packet) && holds_sets(rules, match, packet);
}

const struct cv_compiled_rule *cv_oracle_next(const struct cv_rules *rules,
					      const struct cv_oracle_packet *packet,
					      enum cv_direction dir,
					      const struct cv_compiled_rule *last)
{
	struct cv_oracle_packet asked = *packet;
	struct cv_oracle_packet quoted = packet->quoted ? *packet->quoted : *packet;

	if (dir == CV_DIR_ENCAP || !(rules->flags & CV_RULES_NEED_OWNER(dir))) {
		asked.app = quoted.app = CV_APP_NONE;
		asked.is_exact = quoted.is_exact = false;
	}
	asked.quoted = packet->quoted ? &quoted : NULL;
	for (size_t i = 0; i < rules->match_count; i++) {
		const struct cv_match *match = &rules->matches[i];
		const struct cv_compiled_rule *rule = &rules->rules[match->rule];

		if ((!last || rule > last) && match->dirs & 1 << dir &&
		    cv_oracle_holds(rules, match, &asked))
			return rule;
	}
	return NULL;
}

const struct cv_compiled_rule *cv_oracle_find(const struct cv_rules *rules,
					      const struct cv_oracle_packet *packet,
					      enum cv_direction dir)
{
	return cv_oracle_next(rules, packet, dir, NULL);
}
