/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The oracle: which rule of a compiled set a packet meets, by the plain definition of a match, one
 * after the other. Pure and slow; what the packet path does (bpf/match.h) must come to the same.
 */
#ifndef CV_ORACLE_H
#define CV_ORACLE_H

#include <stdbool.h>

#include "rules.h"

/* What of a packet rules can ask for: the members of struct cv_pkt of bpf/packet.h. */
struct cv_oracle_packet {
	__be32 src[4];
	__be32 dst[4];
	__u32 ifindex;
	__u32 mark;
	__u32 app; /* of its socket, where that can be asked */
	__u32 tunnel; /* it was taken out of; 0: none */
	__u32 len; /* of the IP packet */
	__u32 flow_label; /* IPv6 */
	__u16 sport;
	__u16 dport;
	__u16 vlan; /* id of the outermost tag */
	__u16 ethertype; /* of a frame without an IP packet; 0: none */
	__u8 family; /* 4, 6; 0: no IP packet */
	__u8 proto;
	__u8 dscp;
	__u8 ecn; /* codepoint */
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	bool has_ports;
	bool has_vlan;
	bool has_tcp; /* flags that can be read */
	bool has_icmp; /* type and code that can be read */
	bool is_fragment;
	bool is_exact; /* how app is known is in CV_OWNER_EXACT */
	/* Borrowed: what it quotes, if it is an ICMP error; what no header says (app, mark, device, VLAN,
	 * tunnel) is as in the error. NULL: nothing. */
	const struct cv_oracle_packet *quoted;
};

/* True if every condition of the match, which is one of rules, holds. */
bool cv_oracle_holds(const struct cv_rules *rules, const struct cv_match *match,
		     const struct cv_oracle_packet *packet);

/* The rule that the packet meets in that direction, NULL if none; borrowed from rules. The app of a
 * packet is heeded only where programs ask for it. */
const struct cv_compiled_rule *cv_oracle_find(const struct cv_rules *rules,
					      const struct cv_oracle_packet *packet,
					      enum cv_direction dir);

/* The same among the rules behind one of them, which said continue; NULL: among all. */
const struct cv_compiled_rule *cv_oracle_next(const struct cv_rules *rules,
					      const struct cv_oracle_packet *packet,
					      enum cv_direction dir,
					      const struct cv_compiled_rule *last);

#endif
