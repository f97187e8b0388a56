// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lwt programs that all tunnels share; the stub of a tunnel (stub.bpf.c) goes on to them. Every
 * packet that a route with `encap bpf xmit` of a tunnel sends is put into it. With `in` beside it,
 * what was received is put into it before the kernel forwards it, as far as that hook can.
 */
#define CV_USE_TUNNELS
#define CV_USE_PEERS
#define CV_USE_SEGMENT
#define CV_USE_RULES

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "action.h"
#include "count.h"
#include "encap.h"
#include "match.h"
#include "packet.h"
#include "segment.h"
#include "tunnel.h"

/* What comes of a rule: it drops, or lets pass, or its order says where to go on. */
#define CV_FOLLOW_PASS 0
#define CV_FOLLOW_DROP 0xffffffff

/* Follows the rule at that cell; a packet that ends here is counted for that entry's tunnel, 0: it is not.
 * This and cv_send() are global functions so that their stack does not lie below that of a search. */
__attribute__((noinline)) __u32 cv_follow_one(struct cv_pkt *pkt, __u64 live, __u32 cell,
					      __u32 entry)
{
	const struct cv_rule_cell *rule = cv_rule_at(live, cell);

	if (!pkt || !rule)
		return CV_FOLLOW_PASS;
	if (entry)
		cv_count_rule(rule->id, pkt->bytes);
	if (entry && rule->verdict == CV_VERDICT_DROP)
		cv_count_reason(CV_TUNNEL_ID(entry), CV_R_RULE_DROP);
	if (rule->verdict == CV_VERDICT_DROP)
		return CV_FOLLOW_DROP;
	if (rule->verdict != CV_VERDICT_CONTINUE || rule->flags & CV_ACTION_UNSURE)
		return CV_FOLLOW_PASS;
	cv_rule_show(pkt, rule);
	return rule->order;
}

/*
 * Follows the rules that the packet meets. True if the last one drops it. What they do is done on
 * clsact egress, and there they count what passes; here later rules just see mark and DSCP as they
 * would be. Counts for that entry's tunnel, 0: does not. (Its id is kept nowhere: on Linux 6.1 there is
 * stack for one of them.)
 */
static __always_inline bool cv_follow(struct __sk_buff *skb, struct cv_pkt *pkt, __u64 live,
				      __u32 entry)
{
	__u32 after = 0, cell;
	int i;

	for (i = 0; i < CV_MAX_CONTINUES; i++) {
		cell = cv_rule_cell(skb, pkt, live, CV_DIR_ENCAP, after);
		after = cv_follow_one(pkt, live, cell, entry);
		if (after == CV_FOLLOW_PASS || after == CV_FOLLOW_DROP)
			return after == CV_FOLLOW_DROP;
	}
	return false;
}

/* Fills pkt with all that rules may ask for. Returns 0. A global function, as cv_follow_one() is. */
__attribute__((noinline)) int cv_parse_inner(struct __sk_buff *skb, struct cv_pkt *pkt, __u64 live)
{
	const struct cv_image *image = cv_cell(CV_LIVE_BANK(live), 0);

	if (!pkt || !image)
		return 0; /* never, but the verifier asks */
	cv_parse_ip(skb, pkt, 0);
	if (image->flags & CV_RULES_NEED_FIELDS)
		cv_read_fields(skb, pkt, image->flags);
	cv_read_no_link(pkt);
	return 0;
}

/* True if a rule drops the inner packet: clsact egress sees only the outer header. pkt is then as
 * rules have changed it. */
static __always_inline bool cv_dropped_by_rule(struct __sk_buff *skb, struct cv_pkt *pkt,
					       __u32 entry)
{
	__u64 live;
	const struct cv_image *image = cv_rules_current(&live);

	if (!image || !cv_rules_ask(image, CV_DIR_ENCAP))
		return false;
	cv_parse_inner(skb, pkt, live);
	if (!cv_follow(skb, pkt, live, 0))
		return false;
	cv_parse_inner(skb, pkt, live);
	return cv_follow(skb, pkt, live, entry);
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
static __always_inline int cv_detour(struct __sk_buff *skb, __u32 entry,
				     const struct cv_tunnel *tunnel, const struct cv_pkt *pkt)
{
	__u32 zero = 0;
	const struct cv_segment *segment = bpf_map_lookup_elem(&CV_MAP_SEGMENT, &zero);
	int reason = CV_R_ENCAP_GSO;

	if (segment && segment->in_ifindex)
		reason = cv_detour_start(skb, entry, tunnel, pkt);
	if (reason != CV_R_OK)
		return cv_finish(CV_TUNNEL_ID(entry), pkt, reason);
	return bpf_redirect(segment->in_ifindex, 0);
}

/*
 * True if the packet can be encapsulated where packets come in. Not so: what the kernel has to answer
 * or fragment first (hops used up, too large for the tunnel's mtu), GSO packets that would need a
 * byte of the outer header mended or that only xmit finds a way for, SYNs whose MSS is to be lowered,
 * and whatever a rule may drop. Nor what just came out of a tunnel: the inner hop count cannot be
 * lowered here, and a packet that two routers send to each other that way would never die.
 */
static __always_inline bool cv_in_can(struct __sk_buff *skb, const struct cv_tunnel *tunnel,
				      const struct cv_pkt *pkt)
{
	__u32 gso_size = CV_CTX(skb, gso_size);
	__u32 from_tunnel = CV_CTX(skb, tc_index);
	__u8 proto = pkt->family == 4 ? tunnel->proto4 : tunnel->proto6;
	struct tcphdr *tcp = NULL;
	__u32 l4 = 0;

	if (pkt->ttl <= 1 || tunnel->flags & CV_TUNNEL_RULES || from_tunnel)
		return false;
	if (cv_find_tcp(skb, 0, pkt->family, &l4))
		tcp = cv_at(skb, l4, sizeof(*tcp));
	if (tcp && tcp->syn && (pkt->family == 4 ? tunnel->mss4 : tunnel->mss6))
		return false;
	if (!gso_size)
		return pkt->bytes <= tunnel->mtu_bytes;
	return tcp && cv_pushed_proto(proto, true) == proto &&
	       l4 + tcp->doff * 4 + gso_size <= tunnel->mtu_bytes;
}

/* Encapsulates what no rule drops, or sends it on its detour. */
__attribute__((noinline)) int cv_send(struct __sk_buff *skb, struct cv_pkt *pkt, __u32 entry)
{
	const struct cv_tunnel *tunnel = cv_tunnel_get(entry);
	__u32 id = CV_TUNNEL_ID(entry);

	if (!pkt)
		return BPF_DROP; /* never, but the verifier asks */
	if (!tunnel)
		return cv_finish(id, pkt, CV_R_NO_TUNNEL);
	cv_peek_ip(skb, pkt, 0);
	if (cv_needs_detour(skb, pkt))
		return cv_detour(skb, entry, tunnel, pkt);
	return cv_finish(id, pkt, cv_encap(skb, tunnel, pkt, true));
}

SEC("lwt_xmit")
int cv_xmit(struct __sk_buff *skb)
{
	__u32 entry = CV_CTX(skb, cb[0]);
	const struct cv_tunnel *tunnel = cv_tunnel_get(entry);
	struct cv_pkt pkt = {};

	if (tunnel && tunnel->flags & CV_TUNNEL_RULES && cv_dropped_by_rule(skb, &pkt, entry))
		return BPF_DROP;
	return cv_send(skb, &pkt, entry);
}

SEC("lwt_in")
int cv_in(struct __sk_buff *skb)
{
	__u32 entry = CV_CTX(skb, cb[0]), id = CV_TUNNEL_ID(entry);
	const struct cv_tunnel *tunnel = cv_tunnel_get(entry);
	struct cv_pkt pkt = {};

	if (!tunnel)
		return cv_finish(id, &pkt, CV_R_NO_TUNNEL);
	/* What cannot be done here goes on to the program on xmit, behind the kernel's forwarding. */
	if (!cv_peek_ip(skb, &pkt, 0) || !cv_in_can(skb, tunnel, &pkt))
		return BPF_OK;
	return cv_finish(id, &pkt, cv_encap(skb, tunnel, &pkt, false));
}

char _license[] SEC("license") = "Dual BSD/GPL";
