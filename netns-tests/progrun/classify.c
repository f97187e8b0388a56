/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of the classifier without tunnels: which packet meets which match, and what a rule
 * does to it. Every row is a test. Rows of the first table run at ingress and at egress.
 */
#include "classifier.h"
#include "host.h"

#define RULE_ID 5 /* not the index of the rule: counters are found by id */
#define HIT_MARK 0xabc0u

/* ---- words of the tables ---- */

#define NET(a, b, c, d)                                                                            \
	{                                                                                          \
		BE32((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))                             \
	}
#define NET6(a, b, c, d)                                                                           \
	{                                                                                          \
		BE32(a), BE32(b), BE32(c), BE32(d)                                                 \
	}
#define ONES 0xffffffffu

#define M_FAMILY(f) .flags = CV_MATCH_FAMILY, .family = (f)
#define M_PROTO(p) .flags = CV_MATCH_PROTO, .proto = (p)
#define M_DPORT(from, to)                                                                          \
	.flags = CV_MATCH_PORTS, .sport_max = 65535, .dport_min = (from), .dport_max = (to)
#define M_SPORT(from, to)                                                                          \
	.flags = CV_MATCH_PORTS, .dport_max = 65535, .sport_min = (from), .sport_max = (to)
#define M_ANY_PORT M_DPORT(0, 65535)
#define M_DSCP(d) .flags = CV_MATCH_DSCP, .extra.dscps = 1ULL << (d)
#define M_APP(a) .flags = CV_MATCH_APP, .extra.app = (a)
#define M_DEV(i) .flags = CV_MATCH_DEV, .extra.ifindex = (i)
#define M_MARK(value, mask) .flags = CV_MATCH_MARK, .extra.mark = (value), .extra.mark_mask = (mask)
#define M_SRC4(addr, mask)                                                                         \
	.flags = CV_MATCH_SRC | CV_MATCH_FAMILY, .family = 4, .src = addr, .src_mask = mask
#define M_DST4(addr, mask)                                                                         \
	.flags = CV_MATCH_DST | CV_MATCH_FAMILY, .family = 4, .dst = addr, .dst_mask = mask
#define M_SRC6(addr, mask)                                                                         \
	.flags = CV_MATCH_SRC | CV_MATCH_FAMILY, .family = 6, .src = addr, .src_mask = mask
#define M_DST6(addr, mask)                                                                         \
	.flags = CV_MATCH_DST | CV_MATCH_FAMILY, .family = 6, .dst = addr, .dst_mask = mask
#define M_TUNNEL(id) .flags = CV_MATCH_TUNNEL, .extra.tunnel = (id)
#define M_ALL .flags = 0

#define NET_24 NET(192, 0, 2, 0)
#define MASK_24 NET(255, 255, 255, 0)
#define MASK_32 NET(255, 255, 255, 255)
#define NET6_64 NET6(0x20010db8, 0x00010002, 0, 0)
#define MASK6_64 NET6(ONES, ONES, 0, 0)
#define HOST6 NET6(0x20010db8, 0x00010002, 0x00030004, 0x00050006)
#define MASK6_128 NET6(ONES, ONES, ONES, ONES)
#define MASK6_127 NET6(ONES, ONES, ONES, 0xfffffffe)

#define TCP4 PACKET(ETH(), IP4(), TCP(1000, 80), DATA(10))
#define UDP4 PACKET(ETH(), IP4(), UDP(1000, 80), DATA(10))
#define ICMP4 PACKET(ETH(), IP4(), ICMP, DATA(10))
#define TCP6 PACKET(ETH(), IP6(), TCP(1000, 80), DATA(10))
#define UDP6 PACKET(ETH(), IP6(), UDP(1000, 80), DATA(10))
#define FROM4(addr) PACKET(ETH(), IP4(.src = addr), TCP(1000, 80))
#define TO4(addr) PACKET(ETH(), IP4(.dst = addr), TCP(1000, 80))
#define FROM6(addr) PACKET(ETH(), IP6(.src = addr), TCP(1000, 80))
#define TO6(addr) PACKET(ETH(), IP6(.dst = addr), TCP(1000, 80))
#define TOS4(value) PACKET(ETH(), IP4(.tos = (value)), TCP(1000, 80))
#define TOS6(value) PACKET(ETH(), IP6(.tos = (value)), TCP(1000, 80))
#define HOP EXT(EXT_HOP)
#define DST EXT(EXT_DST)
#define IN_TAGS4(...) PACKET(ETH(), __VA_ARGS__, IP4(), TCP(1000, 80))

/* ---- one match: hit or not ---- */

enum outcome { IS_MISS, IS_HIT };
#define HIT .outcome = IS_HIT
#define MISS .outcome = IS_MISS

struct match_row {
	const char *name;
	struct cv_match match;
	const struct layer *packet;
	enum outcome outcome;
	uint16_t cut; /* bytes that arrive; 0: all */
	uint32_t mark;
};

static const struct match_row match_rows[] = {
	{ "a match without conditions holds for IPv4", { M_ALL }, TCP4, HIT },
	{ "a match without conditions holds for IPv6", { M_ALL }, TCP6, HIT },
	{ "family 4 holds for IPv4", { M_FAMILY(4) }, TCP4, HIT },
	{ "family 4 does not hold for IPv6", { M_FAMILY(4) }, TCP6, MISS },
	{ "family 6 holds for IPv6", { M_FAMILY(6) }, UDP6, HIT },
	{ "family 6 does not hold for IPv4", { M_FAMILY(6) }, UDP4, MISS },
	{ "proto tcp holds for TCP in IPv4", { M_PROTO(6) }, TCP4, HIT },
	{ "proto tcp does not hold for UDP in IPv4", { M_PROTO(6) }, UDP4, MISS },
	{ "proto udp holds for UDP in IPv6", { M_PROTO(17) }, UDP6, HIT },
	{ "proto udp does not hold for TCP in IPv6", { M_PROTO(17) }, TCP6, MISS },
	{ "proto icmp holds for ICMP", { M_PROTO(1) }, ICMP4, HIT },
	{ "proto 0 does not hold for TCP", { M_PROTO(0) }, TCP4, MISS },

	{ "a destination port equal to both ends holds", { M_DPORT(80, 80) }, TCP4, HIT },
	{ "a destination port at the lower end holds", { M_DPORT(80, 90) }, UDP4, HIT },
	{ "a destination port at the upper end holds", { M_DPORT(70, 80) }, UDP4, HIT },
	{ "a destination port above the range fails", { M_DPORT(70, 79) }, TCP4, MISS },
	{ "a destination port below the range fails", { M_DPORT(81, 90) }, TCP4, MISS },
	{ "a source port at the lower end holds", { M_SPORT(1000, 2000) }, TCP4, HIT },
	{ "a source port at the upper end holds", { M_SPORT(1, 1000) }, TCP4, HIT },
	{ "a source port above the range fails", { M_SPORT(1, 999) }, TCP4, MISS },
	{ "a source port below the range fails", { M_SPORT(1001, 2000) }, TCP4, MISS },
	{ "a source port is no destination port", { M_DPORT(1000, 1000) }, TCP4, MISS },
	{ "a destination port is no source port", { M_SPORT(80, 80) }, TCP6, MISS },
	{ "a destination port in IPv6 holds", { M_DPORT(80, 80) }, UDP6, HIT },
	{ "a destination port in IPv6 fails", { M_DPORT(81, 81) }, UDP6, MISS },
	{ "a source port in IPv6 holds", { M_SPORT(1000, 1000) }, TCP6, HIT },
	{ "the source port fails where the destination port holds",
	  { .flags = CV_MATCH_PORTS,
	    .sport_min = 1,
	    .sport_max = 2,
	    .dport_min = 80,
	    .dport_max = 80 },
	  TCP4,
	  MISS },
	{ "port 65535 holds in 65535",
	  { M_DPORT(65535, 65535) },
	  PACKET(ETH(), IP4(), UDP(65535, 65535)),
	  HIT },
	{ "port 0 holds in 0", { M_DPORT(0, 0) }, PACKET(ETH(), IP4(), UDP(0, 0)), HIT },
	{ "SCTP has ports", { M_DPORT(80, 80) }, PACKET(ETH(), IP4(), PORTS(132, 1, 80)), HIT },
	{ "DCCP has ports", { M_DPORT(80, 80) }, PACKET(ETH(), IP6(), PORTS(33, 1, 80)), HIT },
	{ "UDP-Lite has ports", { M_DPORT(80, 80) }, PACKET(ETH(), IP4(), PORTS(136, 1, 80)), HIT },
	{ "ICMP has no ports", { M_ANY_PORT }, ICMP4, MISS },
	{ "ICMPv6 has no ports", { M_ANY_PORT }, PACKET(ETH(), IP6(), ICMP6), MISS },
	{ "ESP has no ports", { M_ANY_PORT }, PACKET(ETH(), IP4(), PORTS(50, 1000, 80)), MISS },
	{ "a port rule for one protocol misses the other",
	  { .flags = CV_MATCH_PORTS | CV_MATCH_PROTO,
	    .proto = 17,
	    .sport_max = 65535,
	    .dport_min = 80,
	    .dport_max = 80 },
	  TCP4,
	  MISS },

	{ "dscp holds in IPv4", { M_DSCP(46) }, TOS4(46 << 2), HIT },
	{ "dscp holds in IPv4 whatever the ECN bits say", { M_DSCP(46) }, TOS4(46 << 2 | 3), HIT },
	{ "another dscp in IPv4 fails", { M_DSCP(46) }, TOS4(45 << 2 | 3), MISS },
	{ "dscp holds in IPv6", { M_DSCP(46) }, TOS6(46 << 2), HIT },
	{ "dscp holds in IPv6 whatever the ECN bits say", { M_DSCP(46) }, TOS6(46 << 2 | 3), HIT },
	{ "another dscp in IPv6 fails", { M_DSCP(46) }, TOS6(47 << 2), MISS },
	{ "dscp 63 holds in IPv6", { M_DSCP(63) }, TOS6(0xff), HIT },
	{ "dscp 0 fails where the field is not 0", { M_DSCP(0) }, TOS4(4), MISS },

	{ "no app holds for a packet without a socket", { M_APP(CV_APP_NONE) }, TCP4, HIT },
	{ "any app fails for a packet without a socket", { M_APP(CV_APP_ANY) }, TCP4, MISS },
	{ "one app fails for a packet without a socket", { M_APP(3) }, UDP6, MISS },

	{ "the device holds", { M_DEV(1) }, TCP4, HIT },
	{ "another device fails", { M_DEV(2) }, TCP4, MISS },
	{ "device 0 is none", { M_DEV(0) }, TCP6, MISS },

	{ "a mark under a full mask holds", { M_MARK(0x70, ONES) }, TCP4, HIT, .mark = 0x70 },
	{ "one more bit in the mark fails", { M_MARK(0x70, ONES) }, TCP4, MISS, .mark = 0x71 },
	{ "bits outside the mask do not count",
	  { M_MARK(0x70, 0xf0) },
	  TCP6,
	  HIT,
	  .mark = 0xf0f7f },
	{ "a bit inside the mask counts", { M_MARK(0x70, 0xf0) }, TCP6, MISS, .mark = 0x60 },
	{ "mark 0 holds for a packet without a mark", { M_MARK(0, ONES) }, TCP4, HIT },
	{ "the highest bit of the mark counts",
	  { M_MARK(0x80000000u, 0x80000000u) },
	  TCP4,
	  HIT,
	  .mark = 0x80000001u },

	{ "the first source of a /24 holds", { M_SRC4(NET_24, MASK_24) }, FROM4("192.0.2.0"), HIT },
	{ "the last source of a /24 holds",
	  { M_SRC4(NET_24, MASK_24) },
	  FROM4("192.0.2.255"),
	  HIT },
	{ "the source before a /24 fails",
	  { M_SRC4(NET_24, MASK_24) },
	  FROM4("192.0.1.255"),
	  MISS },
	{ "the source behind a /24 fails", { M_SRC4(NET_24, MASK_24) }, FROM4("192.0.3.0"), MISS },
	{ "a destination is no source", { M_SRC4(NET_24, MASK_24) }, TO4("192.0.2.1"), MISS },
	{ "the destination in a /24 holds", { M_DST4(NET_24, MASK_24) }, TO4("192.0.2.9"), HIT },
	{ "the destination behind a /24 fails",
	  { M_DST4(NET_24, MASK_24) },
	  TO4("192.0.3.0"),
	  MISS },
	{ "a source is no destination", { M_DST4(NET_24, MASK_24) }, FROM4("192.0.2.1"), MISS },
	{ "a /32 holds for its address", { M_DST4(NET_24, MASK_32) }, TO4("192.0.2.0"), HIT },
	{ "a /32 fails for the next address", { M_DST4(NET_24, MASK_32) }, TO4("192.0.2.1"), MISS },
	{ "0.0.0.0/0 holds for any IPv4 source",
	  { M_SRC4(NET(0, 0, 0, 0), NET(0, 0, 0, 0)) },
	  TCP4,
	  HIT },
	{ "0.0.0.0/0 fails for IPv6", { M_SRC4(NET(0, 0, 0, 0), NET(0, 0, 0, 0)) }, TCP6, MISS },
	{ "a source in a /64 holds",
	  { M_SRC6(NET6_64, MASK6_64) },
	  FROM6("2001:db8:1:2::ffff"),
	  HIT },
	{ "a source beside a /64 fails",
	  { M_SRC6(NET6_64, MASK6_64) },
	  FROM6("2001:db8:1:3::"),
	  MISS },
	{ "a source whose first word differs fails",
	  { M_SRC6(NET6_64, MASK6_64) },
	  FROM6("2001:db9:1:2::"),
	  MISS },
	{ "an IPv6 destination is no source",
	  { M_SRC6(NET6_64, MASK6_64) },
	  TO6("2001:db8:1:2::1"),
	  MISS },
	{ "a /128 holds for its address",
	  { M_DST6(HOST6, MASK6_128) },
	  TO6("2001:db8:1:2:3:4:5:6"),
	  HIT },
	{ "a /128 fails for a difference in the last word",
	  { M_DST6(HOST6, MASK6_128) },
	  TO6("2001:db8:1:2:3:4:5:7"),
	  MISS },
	{ "a /128 fails for a difference in the third word",
	  { M_DST6(HOST6, MASK6_128) },
	  TO6("2001:db8:1:2:3:5:5:6"),
	  MISS },
	{ "a /127 holds for the second address",
	  { M_DST6(HOST6, MASK6_127) },
	  TO6("2001:db8:1:2:3:4:5:7"),
	  HIT },
	{ "an IPv6 source is no destination",
	  { M_DST6(HOST6, MASK6_128) },
	  FROM6("2001:db8:1:2:3:4:5:6"),
	  MISS },
	{ "::/0 fails for IPv4", { M_DST6(NET6(0, 0, 0, 0), NET6(0, 0, 0, 0)) }, TCP4, MISS },

	{ "a tunnel fails for a packet that came out of none", { M_TUNNEL(1) }, TCP4, MISS },
	{ "a tunnel fails for an IPv6 packet that came out of none", { M_TUNNEL(7) }, TCP6, MISS },

	{ "the first IPv4 fragment has ports",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP4(.fragment = IP4_MF), UDP(1000, 80), DATA(8)),
	  HIT },
	{ "a later IPv4 fragment has no ports and matches no port rule",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP4(.fragment = IP4_MF | 2), UDP(1000, 80), DATA(8)),
	  MISS },
	{ "the last IPv4 fragment has no ports and matches no port rule",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP4(.fragment = 0x1fff), UDP(1000, 80), DATA(8)),
	  MISS },
	{ "a later IPv4 fragment still has its protocol",
	  { M_PROTO(17) },
	  PACKET(ETH(), IP4(.fragment = 2), UDP(1000, 80)),
	  HIT },
	{ "an IPv4 packet that must not be fragmented has ports",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP4(.fragment = IP4_DF), UDP(1000, 80)),
	  HIT },
	{ "the first IPv6 fragment has ports",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), FRAG(IP6_MF), UDP(1000, 80), DATA(8)),
	  HIT },
	{ "an IPv6 atomic fragment has ports",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), FRAG(0), UDP(1000, 80), DATA(8)),
	  HIT },
	{ "a later IPv6 fragment has no ports and matches no port rule",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP6(), FRAG(8 | IP6_MF), UDP(1000, 80), DATA(8)),
	  MISS },
	{ "the last IPv6 fragment has no ports and matches no port rule",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP6(), FRAG(0xfff8), UDP(1000, 80), DATA(8)),
	  MISS },
	{ "a later IPv6 fragment still has its protocol",
	  { M_PROTO(17) },
	  PACKET(ETH(), IP6(), FRAG(8), UDP(1000, 80)),
	  HIT },

	{ "IPv4 options are skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP4(.options = 4), UDP(1000, 80)),
	  HIT },
	{ "40 bytes of IPv4 options are skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP4(.options = 40), TCP(1000, 80)),
	  HIT },
	{ "IPv4 options are not taken for ports",
	  { M_DPORT(0x0101, 0x0101) },
	  PACKET(ETH(), IP4(.options = 40), TCP(1000, 80)),
	  MISS },

	{ "hop-by-hop options are skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), HOP, UDP(1, 80)),
	  HIT },
	{ "long hop-by-hop options are skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), EXT(EXT_HOP, .units = 7), UDP(1, 80)),
	  HIT },
	{ "destination options are skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), EXT(EXT_DST, .units = 1), TCP(1, 80)),
	  HIT },
	{ "a routing header is skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), EXT(EXT_ROUTING, .units = 2), TCP(1, 80)),
	  HIT },
	{ "an authentication header, which counts in 4 bytes, is skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), EXT(EXT_AH, .units = 4), TCP(1, 80)),
	  HIT },
	{ "one of each extension header is skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), HOP, DST, EXT(EXT_ROUTING), FRAG(0), EXT(EXT_AH, .units = 2),
		 UDP(1, 80)),
	  HIT },
	{ "behind extension headers the protocol is the last one",
	  { M_PROTO(17) },
	  PACKET(ETH(), IP6(), HOP, DST, UDP(1, 80)),
	  HIT },
	{ "an extension header is not the protocol",
	  { M_PROTO(EXT_DST) },
	  PACKET(ETH(), IP6(), DST, UDP(1, 80)),
	  MISS },
	{ "a fragment header behind others hides the ports of a later fragment",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP6(), HOP, DST, FRAG(8), UDP(1, 80)),
	  MISS },
	{ "one extension header less than the limit is skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), DST, DST, DST, DST, DST, UDP(1, 80)),
	  HIT },
	{ "as many extension headers as the limit says are skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), IP6(), DST, DST, DST, DST, DST, DST, UDP(1, 80)),
	  HIT },
	{ "behind one extension header more than the limit there are no ports",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP6(), DST, DST, DST, DST, DST, DST, DST, UDP(1, 80)),
	  MISS },
	{ "no next header has no ports",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP6(.next = 59), UDP(1000, 80)),
	  MISS },
	{ "an extension header that says it is longer than the packet hides the ports",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP6(.next = EXT_DST),
		 RAW("\x11\xff\x01\x04\0\0\0\0\x03\xe8\0\x50\0\x08\0\0")),
	  MISS },

	/* Behind a tag: BPF_PROG_TEST_RUN wants a whole header behind the ethertypes of IP. */
	{ "an IPv4 header that is cut off is not IP",
	  { M_ALL },
	  IN_TAGS4(VLAN()),
	  MISS,
	  .cut = 18 + 19 },
	{ "an IPv4 header alone behind a tag is IP",
	  { M_ALL },
	  IN_TAGS4(VLAN()),
	  HIT,
	  .cut = 18 + 20 },
	{ "an IPv4 header alone is IP", { M_ALL }, TCP4, HIT, .cut = 14 + 20 },
	{ "ports that are cut off are none", { M_ANY_PORT }, TCP4, MISS, .cut = 14 + 23 },
	{ "ports are read where nothing else of TCP arrived",
	  { M_DPORT(80, 80) },
	  TCP4,
	  HIT,
	  .cut = 14 + 24 },
	{ "an IPv6 header that is cut off is not IP",
	  { M_ALL },
	  PACKET(ETH(), VLAN(), IP6(), TCP(1, 80)),
	  MISS,
	  .cut = 18 + 39 },
	{ "an IPv6 header alone is IP", { M_ALL }, TCP6, HIT, .cut = 14 + 40 },
	{ "ports in IPv6 that are cut off are none", { M_ANY_PORT }, TCP6, MISS, .cut = 14 + 43 },
	{ "ports in IPv6 are read where nothing else arrived",
	  { M_DPORT(80, 80) },
	  TCP6,
	  HIT,
	  .cut = 14 + 44 },
	{ "an extension header that is cut off hides the ports",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP6(), DST, UDP(1, 80)),
	  MISS,
	  .cut = 14 + 47 },
	{ "an IPv4 header of 4 words is not IP",
	  { M_ALL },
	  PACKET(ETH(), IP4(.ihl = 4), TCP(1000, 80)),
	  MISS },
	{ "an IPv4 header of 0 words is not IP",
	  { M_ALL },
	  PACKET(ETH(), IP4(.ihl = 0xf0), TCP(1000, 80)),
	  MISS },
	{ "IPv4 options that are longer than the packet hide the ports",
	  { M_ANY_PORT },
	  PACKET(ETH(), IP4(.ihl = 15), TCP(1000, 80)),
	  MISS },

	{ "one VLAN tag is skipped", { M_DPORT(80, 80) }, IN_TAGS4(VLAN()), HIT },
	{ "one VLAN tag before IPv6 is skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), VLAN(), IP6(), TCP(1000, 80)),
	  HIT },
	{ "two VLAN tags are skipped",
	  { M_DPORT(80, 80) },
	  IN_TAGS4(VLAN(.tpid = TYPE_QINQ), VLAN()),
	  HIT },
	{ "two VLAN tags before IPv6 are skipped",
	  { M_DPORT(80, 80) },
	  PACKET(ETH(), VLAN(), VLAN(), IP6(), TCP(1000, 80)),
	  HIT },
	{ "behind three VLAN tags nothing is IP",
	  { M_ALL },
	  IN_TAGS4(VLAN(), VLAN(), VLAN()),
	  MISS },
	{ "ARP behind a VLAN tag is not IP", { M_ALL }, IN_TAGS4(VLAN(.type = TYPE_ARP)), MISS },
	{ "a VLAN tag that is cut off is not IP",
	  { M_ALL },
	  IN_TAGS4(VLAN()),
	  MISS,
	  .cut = 14 + 3 },

	{ "ARP is not IP", { M_ALL }, PACKET(ETH(.type = TYPE_ARP), IP4(), TCP(1000, 80)), MISS },
	{ "an 802.3 length is not IP",
	  { M_ALL },
	  PACKET(ETH(.type = 60), IP4(), TCP(1000, 80)),
	  MISS },
	{ "MPLS is not IP", { M_ALL }, PACKET(ETH(.type = 0x8847), IP4(), TCP(1000, 80)), MISS },
	{ "an IPv6 header under the ethertype of IPv4 is not IP",
	  { M_ALL },
	  PACKET(ETH(.type = TYPE_IPV4), IP6(), TCP(1000, 80)),
	  MISS },
	{ "an IPv4 header under the ethertype of IPv6 is not IP",
	  { M_ALL },
	  PACKET(ETH(.type = TYPE_IPV6), IP4(), TCP(1000, 80), DATA(40)),
	  MISS },
	{ "version 5 is not IP", { M_ALL }, PACKET(ETH(), IP4(.version = 5), TCP(1000, 80)), MISS },
	{ "version 0 is not IP",
	  { M_ALL },
	  PACKET(ETH(), IP6(.version = 0xf0), TCP(1000, 80)),
	  MISS },
};

/* ---- rule sets ---- */

static struct test_rules rule_set(void)
{
	struct test_rules set = { 0 };

	set.rules[0] = (struct cv_rule){
		.id = RULE_ID, .flags = CV_ACTION_MARK, .mark = HIT_MARK, .mark_mask = ONES
	};
	return set;
}

/* Where the IP header begins, by the layers before it. */
static size_t l3_of(const struct layer *packet)
{
	size_t at = 0;

	while (packet->kind == L_ETH || packet->kind == L_VLAN)
		at += layer_size(packet++);
	return at;
}

static void assert_rule_counted(uint32_t id, uint64_t packets, uint64_t bytes)
{
	struct cv_rule_stats stats;

	for (uint32_t i = 0; i < 2 * RULE_ID; i++) {
		take_rule_stats(i, &stats);
		assert_int_equal(stats.packets, i == id ? packets : 0);
		assert_int_equal(stats.bytes, i == id ? bytes : 0);
	}
}

static void run_match_row_at(const struct match_row *row, int prog_fd, enum cv_direction dir)
{
	struct test_rules set = rule_set();
	struct run_ctx ctx = { .mark = row->mark };
	struct run_result result;
	struct frame frame;

	frame_build(&frame, row->packet);
	if (row->cut)
		frame.len = row->cut;
	/* Not at the beginning of the matches, and between ones that hold for everything. */
	set.matches[3] = row->match;
	set.lists[dir] = (struct test_list){ .first = 3, .count = 1 };
	if (row->match.flags & CV_MATCH_APP)
		set.flags = CV_RULES_NEED_OWNER(dir);
	fill_rules(&set);
	run_program(prog_fd, &frame, &ctx, &result);
	assert_verdict(result.verdict, TC_ACT_UNSPEC);
	assert_int_equal(result.mark, row->outcome == IS_HIT ? HIT_MARK : row->mark);
	assert_rule_counted(RULE_ID, row->outcome == IS_HIT,
			    row->outcome == IS_HIT ? frame.len - l3_of(row->packet) : 0);
	assert_frame(&result.frame, &frame);
	assert_only_drop(0, CV_R_OK);
}

static void run_match_row(void **state)
{
	const struct match_row *row = *state;

	need_programs();
	run_match_row_at(row, classifier.ingress, CV_DIR_IN);
	run_match_row_at(row, classifier.egress, CV_DIR_OUT);
}

/* ---- what a rule does ---- */

struct action_row {
	const char *name;
	struct cv_rule rule;
	const struct layer *packet;
	const struct layer *result; /* NULL: as it came */
	int verdict;
	uint32_t mark_in;
	uint32_t mark_out;
	uint32_t priority_in;
	uint32_t priority_out;
	uint32_t reason;
};

#define A_DSCP(value) .flags = CV_ACTION_DSCP, .dscp = (value)
#define A_MARK(value, mask) .flags = CV_ACTION_MARK, .mark = (value), .mark_mask = (mask)
#define NEXT .verdict = TC_ACT_UNSPEC

static const struct action_row action_rows[] = {
	{ "a rule without actions changes nothing",
	  { .verdict = CV_VERDICT_NEXT },
	  TCP4,
	  NEXT,
	  .mark_in = 7,
	  .mark_out = 7,
	  .priority_in = 9,
	  .priority_out = 9 },
	{ "accept ends the tc chain",
	  { .verdict = CV_VERDICT_ACCEPT },
	  TCP4,
	  .verdict = TC_ACT_OK },
	{ "accept ends the tc chain for IPv6",
	  { .verdict = CV_VERDICT_ACCEPT },
	  TCP6,
	  .verdict = TC_ACT_OK },
	{ "drop drops and is counted as such",
	  { .verdict = CV_VERDICT_DROP },
	  TCP4,
	  .verdict = TC_ACT_SHOT,
	  .reason = CV_R_RULE_DROP },
	{ "drop drops IPv6",
	  { .verdict = CV_VERDICT_DROP },
	  UDP6,
	  .verdict = TC_ACT_SHOT,
	  .reason = CV_R_RULE_DROP },
	{ "a verdict that nobody defined drops",
	  { .verdict = CV_VERDICT_COUNT },
	  TCP4,
	  .verdict = TC_ACT_SHOT,
	  .reason = CV_R_RULE_DROP },

	{ "a mark under a full mask replaces the old one",
	  { A_MARK(0x1234, ONES) },
	  TCP4,
	  NEXT,
	  .mark_in = 0xffffffff,
	  .mark_out = 0x1234 },
	{ "a mark changes the bits of its mask only",
	  { A_MARK(0x0500, 0x0f00) },
	  TCP6,
	  NEXT,
	  .mark_in = 0xa5a5aaa5,
	  .mark_out = 0xa5a5a5a5 },
	{ "mark 0 clears the bits of its mask",
	  { A_MARK(0, 0xffff0000) },
	  TCP4,
	  NEXT,
	  .mark_in = 0xdeadbeef,
	  .mark_out = 0xbeef },
	{ "a mark is set on a packet that has none",
	  { A_MARK(0x80000001u, 0x80000001u) },
	  UDP4,
	  NEXT,
	  .mark_out = 0x80000001u },
	{ "a mark without its flag is not set",
	  { .mark = 1, .mark_mask = ONES },
	  TCP4,
	  NEXT,
	  .mark_in = 2,
	  .mark_out = 2 },
	{ "a mark is set also where the packet is accepted",
	  { A_MARK(5, ONES), .verdict = CV_VERDICT_ACCEPT },
	  TCP4,
	  .verdict = TC_ACT_OK,
	  .mark_out = 5 },

	{ "the priority is set",
	  { .flags = CV_ACTION_PRIORITY, .priority = 0x00010020 },
	  TCP4,
	  NEXT,
	  .priority_in = 6,
	  .priority_out = 0x00010020 },
	{ "priority 0 is set",
	  { .flags = CV_ACTION_PRIORITY },
	  TCP6,
	  NEXT,
	  .priority_in = 6,
	  .priority_out = 0 },
	{ "a priority without its flag is not set",
	  { .priority = 5 },
	  TCP4,
	  NEXT,
	  .priority_in = 6,
	  .priority_out = 6 },

	{ "dscp is written into IPv4, and the checksum is right",
	  { A_DSCP(46) },
	  TOS4(0),
	  TOS4(46 << 2),
	  NEXT },
	{ "dscp in IPv4 leaves the ECN bits",
	  { A_DSCP(46) },
	  TOS4(10 << 2 | 3),
	  TOS4(46 << 2 | 3),
	  NEXT },
	{ "dscp 0 clears the field in IPv4", { A_DSCP(0) }, TOS4(0xff), TOS4(3), NEXT },
	{ "dscp 63 fills the field in IPv4", { A_DSCP(63) }, TOS4(1), TOS4(0xfd), NEXT },
	{ "the same dscp changes nothing in IPv4", { A_DSCP(46) }, TOS4(46 << 2 | 1), NULL, NEXT },
	{ "dscp in IPv4 does not mend a checksum that was wrong",
	  { A_DSCP(1) },
	  PACKET(ETH(), IP4(.check_xor = 0x0100), TCP(1000, 80)),
	  PACKET(ETH(), IP4(.tos = 4, .check_xor = 0x0100), TCP(1000, 80)),
	  NEXT },
	{ "dscp in IPv4 with options",
	  { A_DSCP(46) },
	  PACKET(ETH(), IP4(.options = 12), TCP(1000, 80)),
	  PACKET(ETH(), IP4(.options = 12, .tos = 46 << 2), TCP(1000, 80)),
	  NEXT },
	{ "dscp behind two VLAN tags",
	  { A_DSCP(34) },
	  PACKET(ETH(), VLAN(), VLAN(), IP4(.tos = 2), TCP(1000, 80)),
	  PACKET(ETH(), VLAN(), VLAN(), IP4(.tos = 34 << 2 | 2), TCP(1000, 80)),
	  NEXT },
	{ "dscp is written into IPv6", { A_DSCP(46) }, TOS6(0), TOS6(46 << 2), NEXT },
	{ "dscp in IPv6 leaves the ECN bits",
	  { A_DSCP(45) },
	  TOS6(10 << 2 | 3),
	  TOS6(45 << 2 | 3),
	  NEXT },
	{ "dscp 0 clears the field in IPv6", { A_DSCP(0) }, TOS6(0xff), TOS6(3), NEXT },
	{ "dscp 63 fills the field in IPv6", { A_DSCP(63) }, TOS6(2), TOS6(0xfe), NEXT },
	{ "dscp in IPv6 behind a VLAN tag",
	  { A_DSCP(21) },
	  PACKET(ETH(), VLAN(), IP6(.tos = 1), TCP(1000, 80)),
	  PACKET(ETH(), VLAN(), IP6(.tos = 21 << 2 | 1), TCP(1000, 80)),
	  NEXT },
	{ "a dscp without its flag is not written", { .dscp = 46 }, TOS4(4), NULL, NEXT },
	{ "mark, priority and dscp at once",
	  { .flags = CV_ACTION_MARK | CV_ACTION_PRIORITY | CV_ACTION_DSCP,
	    .mark = 1,
	    .mark_mask = 1,
	    .priority = 2,
	    .dscp = 3 },
	  TOS4(0),
	  TOS4(12),
	  NEXT,
	  .mark_in = 2,
	  .mark_out = 3,
	  .priority_out = 2 },
};

static void run_action_row_at(const struct action_row *row, int prog_fd, enum cv_direction dir)
{
	struct test_rules set = { 0 };
	struct run_ctx ctx = { .mark = row->mark_in, .priority = row->priority_in };
	struct frame frame, expected;
	struct run_result result;

	frame_build(&frame, row->packet);
	frame_build(&expected, row->result ? row->result : row->packet);
	set.rules[0] = row->rule;
	set.rules[0].id = RULE_ID;
	set.lists[dir].count = 1;
	fill_rules(&set);
	run_program(prog_fd, &frame, &ctx, &result);
	assert_verdict(result.verdict, row->verdict);
	assert_int_equal(result.mark, row->mark_out);
	assert_int_equal(result.priority, row->priority_out);
	assert_frame(&result.frame, &expected);
	assert_rule_counted(RULE_ID, 1, frame.len - l3_of(row->packet));
	assert_only_drop(0, row->reason);
}

static void run_action_row(void **state)
{
	const struct action_row *row = *state;

	need_programs();
	run_action_row_at(row, classifier.ingress, CV_DIR_IN);
	run_action_row_at(row, classifier.egress, CV_DIR_OUT);
}

/* IPv4 header checksums wrap in their own ways: every DSCP to every other, with several headers. */
static void every_dscp_leaves_a_right_checksum(void **state)
{
	struct layer packet[] = { ETH(), IP4(), TCP(1000, 80), { .kind = L_END } };
	struct frame frame, expected;
	struct run_ctx ctx = { 0 };
	struct run_result result;

	(void)state;
	need_programs();
	for (unsigned int to = 0; to < 64; to++) {
		struct test_rules set = { .lists[CV_DIR_OUT].count = 1 };

		set.rules[0] = (struct cv_rule){ A_DSCP(to) };
		fill_rules(&set);
		for (unsigned int from = 0; from < 256; from += 3) {
			/* Another TTL moves the checksum to another place. */
			packet[1].tos = from;
			packet[1].ttl = 1 + (from * 5 + to) % 255;
			frame_build(&frame, packet);
			packet[1].tos = (from & 3) | to << 2;
			frame_build(&expected, packet);
			run_program(classifier.egress, &frame, &ctx, &result);
			assert_frame(&result.frame, &expected);
		}
	}
}

/* ---- order, lists, slots ---- */

static void run_set(const struct test_rules *set, int prog_fd, struct run_result *result)
{
	struct run_ctx ctx = { 0 };
	struct frame frame;

	frame_build(&frame, TCP4);
	fill_rules(set);
	run_program(prog_fd, &frame, &ctx, result);
}

#define TCP4_BYTES (20 + 20 + 10)

/* Three rules of one mark each, asked in the order of the matches. */
static struct test_rules three_rules(void)
{
	struct test_rules set = { .lists[CV_DIR_IN] = { .first = 2, .count = 3 } };

	for (uint32_t i = 0; i < 3; i++) {
		set.rules[i] = (struct cv_rule){ .id = 6 + i, A_MARK(i + 1, ONES) };
		set.matches[2 + i].rule = i;
	}
	return set;
}

static void the_first_match_wins(void **state)
{
	struct test_rules set = three_rules();
	struct run_result result;

	(void)state;
	need_programs();
	run_set(&set, classifier.ingress, &result);
	assert_int_equal(result.mark, 1);
	assert_rule_counted(6, 1, TCP4_BYTES);
}

static void a_match_that_fails_leaves_the_packet_to_the_next(void **state)
{
	struct test_rules set = three_rules();
	struct run_result result;

	(void)state;
	need_programs();
	set.matches[2] = (struct cv_match){ M_PROTO(17) };
	run_set(&set, classifier.ingress, &result);
	assert_int_equal(result.mark, 2);
	assert_rule_counted(7, 1, TCP4_BYTES);
}

static void each_direction_asks_its_own_list(void **state)
{
	struct test_rules set = three_rules();
	struct run_result result;

	(void)state;
	need_programs();
	run_set(&set, classifier.egress, &result);
	assert_int_equal(result.mark, 0);
	set.lists[CV_DIR_OUT] = (struct test_list){ .first = 3, .count = 1 };
	run_set(&set, classifier.egress, &result);
	assert_int_equal(result.mark, 2);
	assert_rule_counted(7, 1, TCP4_BYTES);
	run_set(&set, classifier.ingress, &result);
	assert_int_equal(result.mark, 1);
	assert_rule_counted(6, 1, TCP4_BYTES);
}

static void the_last_of_all_matches_is_found(void **state)
{
	struct test_rules set = { .lists[CV_DIR_IN] = { .count = TEST_MATCHES } };
	struct run_result result;

	(void)state;
	need_programs();
	for (size_t i = 0; i < TEST_MATCHES; i++)
		set.matches[i] = (struct cv_match){ M_PROTO(17) };
	set.matches[TEST_MATCHES - 1] = (struct cv_match){ .rule = TEST_RULES - 1 };
	set.rules[TEST_RULES - 1] = (struct cv_rule){ .id = RULE_ID, A_MARK(99, ONES) };
	run_set(&set, classifier.ingress, &result);
	assert_int_equal(result.mark, 99);
	assert_rule_counted(RULE_ID, 1, TCP4_BYTES);
}

static void without_rules_packets_pass(void **state)
{
	struct run_ctx ctx = { .mark = 3 };
	struct run_result result;
	struct frame frame;

	(void)state;
	need_programs();
	empty_rules();
	frame_build(&frame, TCP4);
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_verdict(result.verdict, TC_ACT_UNSPEC);
	assert_int_equal(result.mark, 3);
	assert_frame(&result.frame, &frame);
	run_program(classifier.egress, &frame, &ctx, &result);
	assert_verdict(result.verdict, TC_ACT_UNSPEC);
	assert_rule_counted(0, 0, 0);
	assert_only_drop(0, CV_R_OK);
}

static void counters_add_up(void **state)
{
	struct test_rules set = three_rules();
	struct run_result result;

	(void)state;
	need_programs();
	for (int i = 0; i < 3; i++)
		run_set(&set, classifier.ingress, &result);
	assert_rule_counted(6, 3, 3 * TCP4_BYTES);
}

/* The clock of cv_rule_stats.last_ns. */
static uint64_t coarse_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC_COARSE, &now), 0);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static void the_last_packet_is_remembered(void **state)
{
	struct test_rules set = three_rules();

	(void)state;
	need_programs();
	for (int i = 0; i < 3; i++) {
		uint64_t before = coarse_ns();
		struct cv_rule_stats stats;
		struct run_result result;

		run_set(&set, classifier.ingress, &result);
		take_rule_stats(6, &stats);
		assert_in_range(stats.last_ns, before, coarse_ns());
		while (coarse_ns() <= stats.last_ns)
			; /* the next one finds another time */
	}
}

static void a_rule_whose_counters_are_not_there_still_acts(void **state)
{
	struct test_rules set = rule_set();
	struct run_result result;

	(void)state;
	need_programs();
	set.rules[0].id = CV_STATS_RULES;
	set.lists[CV_DIR_IN].count = 1;
	run_set(&set, classifier.ingress, &result);
	assert_int_equal(result.mark, HIT_MARK);
	set.rules[0].id = UINT32_MAX;
	run_set(&set, classifier.ingress, &result);
	assert_int_equal(result.mark, HIT_MARK);
}

/* More than wait to be counted at a time. */
static void many_packets_are_all_counted(void **state)
{
	const int rounds = 3 * CV_COUNTS_WAITING + 5;
	struct test_rules set = three_rules();
	struct run_result result;

	(void)state;
	need_programs();
	for (int i = 0; i < rounds; i++) {
		set.rules[0].id = i % 2 ? 6 : 8;
		run_set(&set, classifier.ingress, &result);
	}
	for (int id = 6; id <= 8; id++) {
		struct cv_rule_stats stats;

		take_rule_stats(id, &stats);
		assert_int_equal(stats.packets, id == 7 ? 0 : rounds / 2 + (id == 8));
		assert_int_equal(stats.bytes, stats.packets * TCP4_BYTES);
	}
}

/* Counters that were given back: the slot has the array of the first one. */
static void packets_of_another_slot_are_not_counted_in_the_first(void **state)
{
	const struct bpf_map *map = MAP(CV_MAP_RULE_STATS);
	struct test_rules set = three_rules();
	struct run_result result;
	uint32_t second = 1;

	(void)state;
	need_programs();
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &second, &progrun.counters_fd, 0),
			 0);
	set.rules[0].id = CV_STATS_RULES + 6;
	for (int i = 0; i < 2 * CV_COUNTS_WAITING; i++)
		run_set(&set, classifier.ingress, &result);
	assert_rule_counted(0, 0, 0);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), &second), 0);
}

/* ---- devices and owners ---- */

static void a_second_device_is_told_from_the_first(void **state)
{
	struct test_rules set = rule_set();
	struct ifreq request;
	CV_CLOSE int tap = -1;
	struct run_result result;
	struct run_ctx ctx = { 0 };
	struct frame frame;

	(void)state;
	need_programs();
	tap = open_tap(&request);
	if (tap < 0) {
		print_message("skip: no tap device: %s\n", strerrordesc_np(errno));
		skip();
	}
	ctx.ifindex = index_of(request.ifr_name);
	frame_build(&frame, TCP4);
	set.matches[0] = (struct cv_match){ M_DEV(ctx.ifindex) };
	set.lists[CV_DIR_IN].count = 1;
	fill_rules(&set);
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_int_equal(result.mark, HIT_MARK);
	ctx.ifindex = 0;
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_int_equal(result.mark, 0);
	assert_rule_counted(RULE_ID, 1, TCP4_BYTES);
}

static bool app_is_hit(const struct layer *packet, uint32_t app, uint64_t netns_cookie,
		       uint32_t flags)
{
	struct test_rules set = rule_set();
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame frame;

	frame_build(&frame, packet);
	set.netns_cookie = netns_cookie;
	set.flags = flags;
	set.matches[0] = (struct cv_match){ M_APP(app) };
	set.lists[CV_DIR_IN].count = 1;
	fill_rules(&set);
	run_program(classifier.ingress, &frame, &ctx, &result);
	return result.mark == HIT_MARK;
}

#define IN_OWNERS CV_RULES_NEED_OWNER(CV_DIR_IN)

static void a_packet_in_belongs_to_the_socket_that_will_get_it(void **state)
{
	CV_CLOSE int fd = -1;
	uint64_t cookie;

	(void)state;
	need_programs();
	fd = open_owned_socket(3, &cookie);
	assert_true(app_is_hit(UDP4, 3, cookie, IN_OWNERS));
	assert_true(app_is_hit(UDP6, 3, cookie, IN_OWNERS));
	assert_true(app_is_hit(UDP4, CV_APP_ANY, cookie, IN_OWNERS));
	assert_false(app_is_hit(UDP4, 4, cookie, IN_OWNERS));
	assert_false(app_is_hit(UDP4, CV_APP_NONE, cookie, IN_OWNERS));
}

static void a_packet_in_for_another_port_or_protocol_has_no_owner(void **state)
{
	CV_CLOSE int fd = -1;
	uint64_t cookie;

	(void)state;
	need_programs();
	fd = open_owned_socket(3, &cookie);
	assert_false(app_is_hit(TCP4, 3, cookie, IN_OWNERS));
	assert_false(app_is_hit(ICMP4, 3, cookie, IN_OWNERS));
	assert_false(app_is_hit(PACKET(ETH(), IP4(), UDP(80, 81)), 3, cookie, IN_OWNERS));
	assert_false(
		app_is_hit(PACKET(ETH(), IP4(.fragment = 1), UDP(1, 80)), 3, cookie, IN_OWNERS));
	assert_true(app_is_hit(PACKET(ETH(), IP4(), UDP(80, 81)), CV_APP_NONE, cookie, IN_OWNERS));
}

static void an_owner_of_another_namespace_is_none_of_ours(void **state)
{
	CV_CLOSE int fd = -1;
	uint64_t cookie;

	(void)state;
	need_programs();
	fd = open_owned_socket(3, &cookie);
	assert_false(app_is_hit(UDP4, 3, cookie + 1, IN_OWNERS));
	assert_true(app_is_hit(UDP4, CV_APP_NONE, cookie + 1, IN_OWNERS));
}

static void nobody_asks_for_the_owner_where_no_rule_needs_it(void **state)
{
	CV_CLOSE int fd = -1;
	uint64_t cookie;

	(void)state;
	need_programs();
	fd = open_owned_socket(3, &cookie);
	assert_false(app_is_hit(UDP4, 3, cookie, CV_RULES_NEED_OWNER(CV_DIR_OUT)));
}

static int clear_counters(void **state)
{
	struct cv_rule_stats stats;

	(void)state;
	for (uint32_t i = 0; progrun.object && i < 2 * RULE_ID; i++)
		take_rule_stats(i, &stats);
	return 0;
}

#define TEST(function) cmocka_unit_test_setup(function, clear_counters)

int main(void)
{
	const struct CMUnitTest others[] = {
		TEST(every_dscp_leaves_a_right_checksum),
		TEST(the_first_match_wins),
		TEST(a_match_that_fails_leaves_the_packet_to_the_next),
		TEST(each_direction_asks_its_own_list),
		TEST(the_last_of_all_matches_is_found),
		TEST(without_rules_packets_pass),
		TEST(counters_add_up),
		TEST(the_last_packet_is_remembered),
		TEST(a_rule_whose_counters_are_not_there_still_acts),
		TEST(many_packets_are_all_counted),
		TEST(packets_of_another_slot_are_not_counted_in_the_first),
		TEST(a_second_device_is_told_from_the_first),
		TEST(a_packet_in_belongs_to_the_socket_that_will_get_it),
		TEST(a_packet_in_for_another_port_or_protocol_has_no_owner),
		TEST(an_owner_of_another_namespace_is_none_of_ours),
		TEST(nobody_asks_for_the_owner_where_no_rule_needs_it),
	};
	struct CMUnitTest tests[ARRAY_LEN(match_rows) + ARRAY_LEN(action_rows) + ARRAY_LEN(others)];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(match_rows); i++)
		tests[count++] =
			row_test(match_rows[i].name, run_match_row, clear_counters, &match_rows[i]);
	for (size_t i = 0; i < ARRAY_LEN(action_rows); i++)
		tests[count++] = row_test(action_rows[i].name, run_action_row, clear_counters,
					  &action_rows[i]);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[count++] = others[i];
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
