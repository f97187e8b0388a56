/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What rules mean, said plainly: see oracle.h. */
#include "oracle.h"

#include <stddef.h>

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

bool cv_oracle_holds(const struct cv_match *match, const struct cv_oracle_packet *packet)
{
	__u32 flags = match->flags;

	if (flags & CV_MATCH_FAMILY && match->family != packet->family)
		return false;
	if (flags & CV_MATCH_PROTO && match->proto != packet->proto)
		return false;
	if (flags & CV_MATCH_PORTS &&
	    !(packet->has_ports && is_in_range(packet->sport, match->sport_min, match->sport_max) &&
	      is_in_range(packet->dport, match->dport_min, match->dport_max)))
		return false;
	if (flags & CV_MATCH_DSCP && !(match->extra.dscps >> packet->dscp & 1))
		return false;
	if (flags & CV_MATCH_APP && !is_owner(match->extra.app, packet->app))
		return false;
	if (flags & CV_MATCH_EXACT && !packet->is_exact)
		return false;
	if (flags & CV_MATCH_DEV && match->extra.ifindex != packet->ifindex)
		return false;
	if (flags & CV_MATCH_MARK && match->extra.mark != (packet->mark & match->extra.mark_mask))
		return false;
	if (flags & CV_MATCH_SRC && !is_in(packet->src, match->src, match->src_mask))
		return false;
	if (flags & CV_MATCH_DST && !is_in(packet->dst, match->dst, match->dst_mask))
		return false;
	if (flags & CV_MATCH_TUNNEL && match->extra.tunnel != packet->tunnel)
		return false;
	return true;
}

const struct cv_compiled_rule *cv_oracle_find(const struct cv_rules *rules,
					      const struct cv_oracle_packet *packet,
					      enum cv_direction dir)
{
	struct cv_oracle_packet asked = *packet;

	if (dir == CV_DIR_ENCAP || !(rules->flags & CV_RULES_NEED_OWNER(dir))) {
		asked.app = CV_APP_NONE;
		asked.is_exact = false;
	}
	for (size_t i = 0; i < rules->match_count; i++) {
		const struct cv_match *match = &rules->matches[i];

		if (match->dirs & 1 << dir && cv_oracle_holds(match, &asked))
			return &rules->rules[match->rule];
	}
	return NULL;
}
