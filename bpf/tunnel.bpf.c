// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lwt entry point, loaded once a tunnel: every packet that a route with
 * `encap bpf xmit` of that tunnel sends is put into it.
 */
#define CV_USE_TUNNELS
#define CV_USE_SEGMENT
#define CV_USE_RULES

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "count.h"
#include "encap.h"
#include "match.h"
#include "packet.h"
#include "segment.h"
#include "tunnel.h"

/* The one setting that is not in a map: whose program this is. Stock tools load it as 0, which is
 * no tunnel. */
const volatile __u32 cv_tunnel_id = 0;

/* True if a rule drops the inner packet; clsact egress, which comes later, sees only the outer
 * header. The packet is counted there, or here if it ends here. */
static __always_inline bool cv_dropped_by_rule(const struct cv_pkt *pkt)
{
	const struct cv_rule_set *set = cv_rules_current();
	const struct cv_rule *rule;

	if (!set)
		return false;
	rule = cv_rule_find(set, pkt, CV_DIR_ENCAP);
	if (!rule || rule->verdict != CV_VERDICT_DROP)
		return false;
	cv_count_rule(rule->id, pkt->bytes);
	return true;
}

static __always_inline int cv_finish(__u32 tunnel, const struct cv_pkt *pkt, int reason)
{
	if (reason != CV_R_OK) {
		cv_count_reason(tunnel, reason);
		return BPF_DROP;
	}
	cv_count_tx(tunnel, pkt->bytes);
	return BPF_LWT_REROUTE;
}

/* Sends the packet to where it is segmented; its segments are counted when they are encapsulated. */
static __always_inline int cv_detour(struct __sk_buff *skb, __u32 id,
				     const struct cv_tunnel *tunnel, const struct cv_pkt *pkt)
{
	__u32 zero = 0;
	const struct cv_segment *segment = bpf_map_lookup_elem(&CV_MAP_SEGMENT, &zero);
	int reason = CV_R_ENCAP_GSO;

	if (segment && segment->in_ifindex)
		reason = cv_detour_start(skb, id, tunnel, pkt);
	if (reason != CV_R_OK)
		return cv_finish(id, pkt, reason);
	return bpf_redirect(segment->in_ifindex, 0);
}

SEC("lwt_xmit")
int cv_xmit(struct __sk_buff *skb)
{
	__u32 id = cv_tunnel_id;
	const struct cv_tunnel *tunnel = cv_tunnel_get(id);
	struct cv_pkt pkt = {};

	if (!tunnel)
		return cv_finish(id, &pkt, CV_R_NO_TUNNEL);
	if (tunnel->flags & CV_TUNNEL_RULES) {
		cv_parse_ip(skb, &pkt, 0);
		if (cv_dropped_by_rule(&pkt))
			return cv_finish(id, &pkt, CV_R_RULE_DROP);
	} else {
		cv_peek_ip(skb, &pkt, 0);
	}
	if (cv_needs_detour(skb, &pkt))
		return cv_detour(skb, id, tunnel, &pkt);
	return cv_finish(id, &pkt, cv_encap(skb, tunnel, &pkt));
}

char _license[] SEC("license") = "Dual BSD/GPL";
