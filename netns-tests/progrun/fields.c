/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of the classifier: the fields that few rules ask for, and the packets that ICMP errors
 * quote. Every row is a test of a match and of the same match negated, at ingress and at egress.
 */
#include "classifier.h"
#include "compiler/compile.h"

#define RULE_ID 5
#define HIT_MARK 0xabc0u
#define ONES 0xffffffffu

/* ---- words of the table ---- */

#define M_ECN(bits) .flags = CV_MATCH_ECN, .extra.ecns = (bits)
#define M_DSCP(d) .flags = CV_MATCH_DSCP, .extra.dscps = 1ULL << (d)
#define M_TCP(bits, mask)                                                                          \
	.flags = CV_MATCH_TCP_FLAGS, .extra.tcp_flags = (bits), .extra.tcp_mask = (mask)
#define M_TYPE(type) .flags = CV_MATCH_ICMP_TYPE, .extra.icmp_type = (type)
#define M_CODE(code) .flags = CV_MATCH_ICMP_CODE, .extra.icmp_code = (code)
#define M_LEN(min, max) .flags = CV_MATCH_LEN, .extra.len_min = (min), .extra.len_max = (max)
#define M_FRAGMENT .flags = CV_MATCH_FRAGMENT
#define M_VLAN(min, max) .flags = CV_MATCH_VLAN, .extra.vlan_min = (min), .extra.vlan_max = (max)
#define M_ETHERTYPE(type) .flags = CV_MATCH_ETHERTYPE, .extra.ethertype = (type)
#define M_LABEL(label) .flags = CV_MATCH_FLOW_LABEL, .extra.flow_label = (label)
#define M_DEV(i) .flags = CV_MATCH_DEV, .extra.ifindex = (i)
#define M_MARK(value, mask) .flags = CV_MATCH_MARK, .extra.mark = (value), .extra.mark_mask = (mask)
#define M_TUNNEL(id) .flags = CV_MATCH_TUNNEL, .extra.tunnel = (id)
#define M_APP(a) .flags = CV_MATCH_APP, .extra.app = (a)
#define ALSO(flag) .flags = CV_MATCH_ETHERTYPE | (flag), .extra.ethertype = TYPE_ARP

#define Q_DPORT(port)                                                                              \
	.flags = CV_MATCH_QUOTED | CV_MATCH_PORTS, .sport_max = 65535, .dport_min = (port),        \
	.dport_max = (port)
#define Q_ANY_PORT .flags = CV_MATCH_QUOTED | CV_MATCH_PORTS, .sport_max = 65535, .dport_max = 65535

#define FIN 0x01
#define SYN 0x02
#define ACK 0x10
#define CWR 0x80

#define TCP_WITH(bits) TCP(1000, 80, .tcp_flags = (bits))
#define FLAGS4(bits) PACKET(ETH(), IP4(), TCP_WITH(bits))
#define FLAGS6(bits) PACKET(ETH(), IP6(), TCP_WITH(bits))
#define TCP4 FLAGS4(ACK)
#define TCP6 FLAGS6(ACK)
#define UDP4 PACKET(ETH(), IP4(), UDP(1000, 80), DATA(10))
#define TOS4(value) PACKET(ETH(), IP4(.tos = (value)), UDP(1000, 80))
#define TOS6(value) PACKET(ETH(), IP6(.tos = (value)), UDP(1000, 80))
#define ICMP4_IS(type, code) PACKET(ETH(), IP4(), ICMP_OF(type, code))
#define ICMP6_IS(type, code) PACKET(ETH(), IP6(), ICMP6_OF(type, code))
#define LEN4(bytes) PACKET(ETH(), IP4(), DATA((bytes)-20))
#define LEN6(bytes) PACKET(ETH(), IP6(), DATA((bytes)-40))
#define FRAGMENT4(bits) PACKET(ETH(), IP4(.fragment = (bits)), UDP(1000, 80), DATA(8))
#define TAG(tci) VLAN(.key = (tci))
#define TAGGED4(...) PACKET(ETH(), __VA_ARGS__, IP4(), UDP(1000, 80))
#define ARP PACKET(ETH(.type = TYPE_ARP), DATA(28))
#define LABEL(label) PACKET(ETH(), IP6(.key = (label)), UDP(1000, 80))
#define DST6 EXT(EXT_DST)
#define ERROR4(type, code, ...) PACKET(ETH(), IP4(), ICMP_OF(type, code), IP4(), __VA_ARGS__)
#define ERROR6(type, code, ...) PACKET(ETH(), IP6(), ICMP6_OF(type, code), IP6(), __VA_ARGS__)
#define QUOTES4(from, to)                                                                          \
	PACKET(ETH(), IP4(), ICMP_OF(3, 1), IP4(.src = (from), .dst = (to)), UDP(1, 2))

/* What becomes of a match and of its negation. */
enum outcome {
	HOLDS, /* it holds, and negated it does not */
	FAILS, /* the other way round */
	IS_NOT_THERE, /* the packet has no such field */
};
#define HITS .outcome = HOLDS
#define MISSES .outcome = FAILS
#define NEITHER .outcome = IS_NOT_THERE

struct field_row {
	const char *name;
	struct cv_match match;
	const struct layer *packet;
	enum outcome outcome;
	uint16_t cut; /* bytes that arrive; 0: all */
	uint16_t gso_bytes;
	uint32_t mark;
};

static const struct field_row rows[] = {
	{ "ecn ect0 holds in IPv4", { M_ECN(1 << 2) }, TOS4(0xfe), HITS },
	{ "ecn ect1 is not ect0", { M_ECN(1 << 2) }, TOS4(0xfd), MISSES },
	{ "ecn not-ect holds whatever the DSCP is", { M_ECN(1 << 0) }, TOS4(0xfc), HITS },
	{ "one of several codepoints holds", { M_ECN(1 << 1 | 1 << 3) }, TOS4(3), HITS },
	{ "none of several codepoints fails", { M_ECN(1 << 1 | 1 << 3) }, TOS4(2), MISSES },
	{ "ecn ce holds in IPv6", { M_ECN(1 << 3) }, TOS6(0x03), HITS },
	{ "ecn ce fails in IPv6", { M_ECN(1 << 3) }, TOS6(0xfe), MISSES },

	{ "syn of syn and ack holds for a SYN", { M_TCP(SYN, SYN | ACK) }, FLAGS4(SYN), HITS },
	{ "syn of syn and ack holds whatever else is set",
	  { M_TCP(SYN, SYN | ACK) },
	  FLAGS4(SYN | CWR),
	  HITS },
	{ "syn of syn and ack fails for a SYN that acknowledges",
	  { M_TCP(SYN, SYN | ACK) },
	  FLAGS4(SYN | ACK),
	  MISSES },
	{ "syn of syn and ack fails without SYN", { M_TCP(SYN, SYN | ACK) }, FLAGS6(ACK), MISSES },
	{ "no flag of all holds for none", { M_TCP(0, 0xff) }, FLAGS6(0), HITS },
	{ "no flag of all fails for the highest", { M_TCP(0, 0xff) }, FLAGS4(CWR), MISSES },
	{ "no flag of all fails for the lowest", { M_TCP(0, 0xff) }, FLAGS4(FIN), MISSES },
	{ "all flags hold in IPv6", { M_TCP(0xff, 0xff) }, FLAGS6(0xff), HITS },
	{ "UDP has no TCP flags", { M_TCP(0, 0) }, UDP4, NEITHER },
	{ "ARP has no TCP flags",
	  { ALSO(CV_MATCH_TCP_FLAGS) },
	  PACKET(ETH(.type = TYPE_ARP), IP4(), TCP_WITH(0)),
	  NEITHER },
	{ "TCP flags that are cut off are none", { M_TCP(0, 0) }, TCP4, NEITHER, .cut = 34 + 13 },
	{ "TCP flags are read where nothing else arrived",
	  { M_TCP(ACK, ACK) },
	  TCP4,
	  HITS,
	  .cut = 34 + 14 },
	{ "TCP flags in IPv6 that are cut off are none",
	  { M_TCP(0, 0) },
	  TCP6,
	  NEITHER,
	  .cut = 54 + 13 },
	{ "TCP flags behind IPv4 options hold",
	  { M_TCP(SYN, 0xff) },
	  PACKET(ETH(), IP4(.options = 40), TCP_WITH(SYN)),
	  HITS },
	{ "TCP flags behind extension headers hold",
	  { M_TCP(SYN, 0xff) },
	  PACKET(ETH(), IP6(), EXT(EXT_HOP), EXT(EXT_DST, .units = 3), FRAG(0), TCP_WITH(SYN)),
	  HITS },
	{ "TCP flags behind as many extension headers as the limit says hold",
	  { M_TCP(SYN, 0xff) },
	  PACKET(ETH(), IP6(), DST6, DST6, DST6, DST6, DST6, DST6, TCP_WITH(SYN)),
	  HITS },
	{ "behind one extension header more there are no TCP flags",
	  { M_TCP(0, 0) },
	  PACKET(ETH(), IP6(), DST6, DST6, DST6, DST6, DST6, DST6, DST6, TCP_WITH(SYN)),
	  NEITHER },
	{ "the first fragment has TCP flags",
	  { M_TCP(SYN, 0xff) },
	  PACKET(ETH(), IP4(.fragment = IP4_MF), TCP_WITH(SYN)),
	  HITS },
	{ "a later fragment has no TCP flags",
	  { M_TCP(0, 0) },
	  PACKET(ETH(), IP4(.fragment = 3), TCP_WITH(SYN)),
	  NEITHER },
	{ "a later IPv6 fragment has no TCP flags",
	  { M_TCP(0, 0) },
	  PACKET(ETH(), IP6(), FRAG(8), TCP_WITH(SYN)),
	  NEITHER },
	{ "TCP flags behind a VLAN tag hold",
	  { M_TCP(SYN, 0xff) },
	  PACKET(ETH(), VLAN(), IP4(), TCP_WITH(SYN)),
	  HITS },

	{ "an ICMP type holds", { M_TYPE(8) }, ICMP4_IS(8, 0), HITS },
	{ "another ICMP type fails", { M_TYPE(8) }, ICMP4_IS(0, 0), MISSES },
	{ "ICMP type 0 holds for 0 only", { M_TYPE(0) }, ICMP4_IS(0, 9), HITS },
	{ "ICMP type 255 holds", { M_TYPE(255) }, ICMP4_IS(255, 0), HITS },
	{ "an ICMPv6 type holds", { M_TYPE(135) }, ICMP6_IS(135, 0), HITS },
	{ "another ICMPv6 type fails", { M_TYPE(135) }, ICMP6_IS(136, 0), MISSES },
	{ "an ICMP code holds", { M_CODE(4) }, ICMP4_IS(3, 4), HITS },
	{ "another ICMP code fails", { M_CODE(4) }, ICMP4_IS(4, 3), MISSES },
	{ "an ICMPv6 code holds", { M_CODE(255) }, ICMP6_IS(1, 255), HITS },
	{ "UDP has no ICMP type", { M_TYPE(3) }, PACKET(ETH(), IP4(), UDP(0x0300, 0)), NEITHER },
	{ "UDP has no ICMP code", { M_CODE(0) }, UDP4, NEITHER },
	{ "ICMPv6 in IPv4 is not ICMP",
	  { M_TYPE(8) },
	  PACKET(ETH(), IP4(), ICMP6_OF(8, 0)),
	  NEITHER },
	{ "ICMP in IPv6 is not ICMP", { M_TYPE(8) }, PACKET(ETH(), IP6(), ICMP_OF(8, 0)), NEITHER },
	{ "ICMP that is cut off has no type",
	  { M_TYPE(8) },
	  ICMP4_IS(8, 0),
	  NEITHER,
	  .cut = 34 + 1 },
	{ "ICMP is read where nothing else arrived",
	  { M_CODE(1) },
	  ICMP4_IS(8, 1),
	  HITS,
	  .cut = 34 + 2 },
	{ "ICMPv6 that is cut off has no type",
	  { M_TYPE(128) },
	  ICMP6_IS(128, 0),
	  NEITHER,
	  .cut = 54 + 1 },
	{ "the first fragment of a ping has a type",
	  { M_TYPE(8) },
	  PACKET(ETH(), IP4(.fragment = IP4_MF), ICMP_OF(8, 0), DATA(8)),
	  HITS },
	{ "a later fragment of a ping has no type",
	  { M_TYPE(8) },
	  PACKET(ETH(), IP4(.fragment = 1), ICMP_OF(8, 0), DATA(8)),
	  NEITHER },
	{ "a later fragment of an IPv6 ping has no type",
	  { M_TYPE(128) },
	  PACKET(ETH(), IP6(), FRAG(8 | IP6_MF), ICMP6_OF(128, 0), DATA(8)),
	  NEITHER },
	{ "ICMPv6 behind an extension header holds",
	  { M_TYPE(143) },
	  PACKET(ETH(), IP6(), EXT(EXT_HOP), ICMP6_OF(143, 0)),
	  HITS },

	{ "a length equal to both ends holds", { M_LEN(100, 100) }, LEN4(100), HITS },
	{ "a length at the lower end holds", { M_LEN(100, 200) }, LEN4(100), HITS },
	{ "a length at the upper end holds", { M_LEN(50, 100) }, LEN4(100), HITS },
	{ "a length below the range fails", { M_LEN(101, 200) }, LEN4(100), MISSES },
	{ "a length above the range fails", { M_LEN(50, 99) }, LEN4(100), MISSES },
	{ "the length of IPv6 has its header", { M_LEN(100, 100) }, LEN6(100), HITS },
	{ "the length of IPv6 fails", { M_LEN(60, 60) }, LEN6(100), MISSES },
	{ "an IPv6 header alone is 40 bytes long",
	  { M_LEN(40, 40) },
	  PACKET(ETH(), IP6(), PAD(6)),
	  HITS },
	{ "padding of a frame does not count",
	  { M_LEN(30, 30) },
	  PACKET(ETH(), IP4(), DATA(10), PAD(16)),
	  HITS },
	{ "VLAN tags do not count",
	  { M_LEN(30, 30) },
	  PACKET(ETH(), VLAN(), IP4(), DATA(10)),
	  HITS },
	{ "the length is what the header says, not what arrived",
	  { M_LEN(100, 100) },
	  LEN4(100),
	  HITS,
	  .cut = 34 + 8 },
	{ "GSO: the whole length counts", { M_LEN(900, 900) }, LEN4(900), HITS, .gso_bytes = 200 },
	{ "GSO: a length that IPv4 cannot say is that of all segments",
	  { M_LEN(900, 900) },
	  PACKET(ETH(), IP4(.len_off = -900), DATA(880)),
	  HITS,
	  .gso_bytes = 200 },
	{ "GSO: a length that IPv6 cannot say is that of all segments",
	  { M_LEN(900, 900) },
	  PACKET(ETH(), IP6(.len_off = -860), DATA(860)),
	  HITS,
	  .gso_bytes = 200 },
	{ "without GSO a length of 0 is 0",
	  { M_LEN(0, 0) },
	  PACKET(ETH(), IP4(.len_off = -900), DATA(880)),
	  HITS },
	{ "ARP has no length", { ALSO(CV_MATCH_LEN), .extra.len_max = ONES }, ARP, NEITHER },

	{ "a first fragment is a fragment", { M_FRAGMENT }, FRAGMENT4(IP4_MF), HITS },
	{ "a later fragment is a fragment", { M_FRAGMENT }, FRAGMENT4(IP4_MF | 1), HITS },
	{ "a last fragment is a fragment", { M_FRAGMENT }, FRAGMENT4(0x1fff), HITS },
	{ "a whole packet is not a fragment", { M_FRAGMENT }, UDP4, MISSES },
	{ "what must not be fragmented is not a fragment",
	  { M_FRAGMENT },
	  FRAGMENT4(IP4_DF),
	  MISSES },
	{ "a first IPv6 fragment is a fragment",
	  { M_FRAGMENT },
	  PACKET(ETH(), IP6(), FRAG(IP6_MF), UDP(1, 80)),
	  HITS },
	{ "a last IPv6 fragment behind another header is a fragment",
	  { M_FRAGMENT },
	  PACKET(ETH(), IP6(), DST6, FRAG(0xfff8), UDP(1, 80)),
	  HITS },
	{ "an IPv6 packet with the header of fragments alone is none",
	  { M_FRAGMENT },
	  PACKET(ETH(), IP6(), FRAG(0), UDP(1, 80)),
	  MISSES },
	{ "whether ARP is a fragment cannot be said", { ALSO(CV_MATCH_FRAGMENT) }, ARP, NEITHER },

	{ "a VLAN id equal to both ends holds", { M_VLAN(100, 100) }, TAGGED4(TAG(100)), HITS },
	{ "a VLAN id at the lower end holds", { M_VLAN(100, 200) }, TAGGED4(TAG(100)), HITS },
	{ "a VLAN id at the upper end holds", { M_VLAN(1, 100) }, TAGGED4(TAG(100)), HITS },
	{ "a VLAN id below the range fails", { M_VLAN(101, 200) }, TAGGED4(TAG(100)), MISSES },
	{ "a VLAN id above the range fails", { M_VLAN(1, 99) }, TAGGED4(TAG(100)), MISSES },
	{ "priority bits of a tag do not count", { M_VLAN(5, 5) }, TAGGED4(TAG(0xf005)), HITS },
	{ "the highest VLAN id holds", { M_VLAN(4095, 4095) }, TAGGED4(TAG(0xfff)), HITS },
	{ "of two tags the outer one counts",
	  { M_VLAN(20, 20) },
	  TAGGED4(VLAN(.tpid = TYPE_QINQ, .key = 20), TAG(30)),
	  HITS },
	{ "of two tags the inner one does not count",
	  { M_VLAN(30, 30) },
	  TAGGED4(VLAN(.tpid = TYPE_QINQ, .key = 20), TAG(30)),
	  MISSES },
	{ "a tag before IPv6 holds",
	  { M_VLAN(9, 9) },
	  PACKET(ETH(), TAG(9), IP6(), UDP(1, 80)),
	  HITS },
	{ "a frame without a tag has no VLAN id", { M_VLAN(0, 0xffff) }, UDP4, NEITHER },
	{ "a VLAN id without an ethertype is about IP",
	  { M_VLAN(9, 9) },
	  PACKET(ETH(), VLAN(.key = 9, .type = TYPE_ARP), DATA(28)),
	  NEITHER },

	{ "ethertype arp holds", { M_ETHERTYPE(TYPE_ARP) }, ARP, HITS },
	{ "ethertype arp fails for IPv4", { M_ETHERTYPE(TYPE_ARP) }, UDP4, MISSES },
	{ "ethertype ip holds for IPv4", { M_ETHERTYPE(TYPE_IPV4) }, UDP4, HITS },
	{ "ethertype ip fails for IPv6", { M_ETHERTYPE(TYPE_IPV4) }, TCP6, MISSES },
	{ "ethertype ipv6 holds for IPv6", { M_ETHERTYPE(TYPE_IPV6) }, TCP6, HITS },
	{ "ethertype mpls holds",
	  { M_ETHERTYPE(0x8847) },
	  PACKET(ETH(.type = 0x8847), DATA(30)),
	  HITS },
	{ "ethertype 65535 holds",
	  { M_ETHERTYPE(0xffff) },
	  PACKET(ETH(.type = 0xffff), DATA(30)),
	  HITS },
	{ "the ethertype behind a tag counts",
	  { M_ETHERTYPE(TYPE_ARP) },
	  PACKET(ETH(), VLAN(.type = TYPE_ARP), DATA(28)),
	  HITS },
	{ "the ethertype behind two tags counts",
	  { M_ETHERTYPE(TYPE_IPV4) },
	  TAGGED4(VLAN(.tpid = TYPE_QINQ), VLAN()),
	  HITS },
	{ "the ethertype of a tag does not count",
	  { M_ETHERTYPE(TYPE_VLAN) },
	  TAGGED4(TAG(9)),
	  MISSES },
	{ "behind three tags the third one is all that is known",
	  { M_ETHERTYPE(TYPE_VLAN) },
	  TAGGED4(TAG(1), TAG(2), TAG(3)),
	  HITS },
	{ "a tag that is cut off leaves no ethertype",
	  { M_ETHERTYPE(TYPE_VLAN) },
	  TAGGED4(TAG(9)),
	  NEITHER,
	  .cut = 14 + 3 },
	{ "an 802.3 frame has no ethertype",
	  { M_ETHERTYPE(4) },
	  PACKET(ETH(.type = 60), DATA(60)),
	  NEITHER },
	{ "a length behind a tag is no ethertype",
	  { M_ETHERTYPE(60) },
	  PACKET(ETH(), VLAN(.type = 60), DATA(60)),
	  NEITHER },
	{ "a wrong IPv4 header has its ethertype",
	  { M_ETHERTYPE(TYPE_IPV4) },
	  PACKET(ETH(), IP4(.version = 5), UDP(1000, 80)),
	  HITS },
	{ "a wrong IPv4 header has no fields",
	  { .flags = CV_MATCH_ETHERTYPE | CV_MATCH_DSCP,
	    .extra.ethertype = TYPE_IPV4,
	    .extra.dscps = ~0ULL },
	  PACKET(ETH(), IP4(.version = 5), UDP(1000, 80)),
	  NEITHER },
	{ "IPv4 that is said to be IPv6 has no fields",
	  { .flags = CV_MATCH_ETHERTYPE | CV_MATCH_FAMILY,
	    .family = 4,
	    .extra.ethertype = TYPE_IPV6 },
	  PACKET(ETH(.type = TYPE_IPV6), IP4(), UDP(1000, 80), DATA(40)),
	  NEITHER },
	{ "ARP has no protocol 0", { ALSO(CV_MATCH_PROTO) }, ARP, NEITHER },
	{ "ARP has no DSCP", { ALSO(CV_MATCH_DSCP), .extra.dscps = ~0ULL }, ARP, NEITHER },
	{ "ARP has no ECN", { ALSO(CV_MATCH_ECN), .extra.ecns = 0xf }, ARP, NEITHER },
	{ "ARP has no ports",
	  { ALSO(CV_MATCH_PORTS), .sport_max = 65535, .dport_max = 65535 },
	  ARP,
	  NEITHER },
	{ "ARP has no source", { ALSO(CV_MATCH_SRC) }, ARP, NEITHER },
	{ "ARP has no destination", { ALSO(CV_MATCH_DST) }, ARP, NEITHER },

	{ "a flow label holds", { M_LABEL(0xabcde) }, TCP6, HITS },
	{ "another flow label fails", { M_LABEL(0xabcdf) }, TCP6, MISSES },
	{ "the traffic class is no part of the flow label",
	  { M_LABEL(0xabcde) },
	  TOS6(0xff),
	  HITS },
	{ "the highest flow label holds", { M_LABEL(0xfffff) }, LABEL(0xfffff), HITS },
	{ "the highest bit of a flow label counts", { M_LABEL(0x00001) }, LABEL(0x80001), MISSES },
	{ "IPv4 has no flow label", { M_LABEL(0) }, UDP4, NEITHER },

	{ "the device holds", { M_DEV(1) }, UDP4, HITS },
	{ "another device fails", { M_DEV(2) }, UDP4, MISSES },
	{ "a mark holds", { M_MARK(0x70, 0xf0) }, UDP4, HITS, .mark = 0x7f },
	{ "another mark fails", { M_MARK(0x70, 0xf0) }, UDP4, MISSES, .mark = 0x6f },
	{ "what came out of no tunnel came not out of this one", { M_TUNNEL(3) }, UDP4, MISSES },
	{ "what nobody owns is not this app's", { M_APP(3) }, UDP4, MISSES },

	{ "a quoted TCP port holds", { Q_DPORT(443) }, ERROR4(3, 1, TCP(1000, 443)), HITS },
	{ "another quoted port fails", { Q_DPORT(443) }, ERROR4(3, 1, TCP(443, 1000)), NEITHER },
	{ "a quoted UDP port holds in IPv6", { Q_DPORT(53) }, ERROR6(1, 4, UDP(1000, 53)), HITS },
	{ "source quench quotes", { Q_DPORT(53) }, ERROR4(4, 0, UDP(1000, 53)), HITS },
	{ "a redirect quotes", { Q_DPORT(53) }, ERROR4(5, 0, UDP(1000, 53)), HITS },
	{ "time exceeded quotes", { Q_DPORT(53) }, ERROR4(11, 0, UDP(1000, 53)), HITS },
	{ "a parameter problem quotes", { Q_DPORT(53) }, ERROR4(12, 0, UDP(1000, 53)), HITS },
	{ "packet too big quotes", { Q_DPORT(53) }, ERROR6(2, 0, UDP(1000, 53)), HITS },
	{ "time exceeded in IPv6 quotes", { Q_DPORT(53) }, ERROR6(3, 0, UDP(1000, 53)), HITS },
	{ "a parameter problem in IPv6 quotes",
	  { Q_DPORT(53) },
	  ERROR6(4, 0, UDP(1000, 53)),
	  HITS },
	{ "an echo request quotes nothing", { Q_DPORT(53) }, ERROR4(8, 0, UDP(1000, 53)), NEITHER },
	{ "ICMP type 1 quotes nothing", { Q_DPORT(53) }, ERROR4(1, 0, UDP(1000, 53)), NEITHER },
	{ "ICMP type 35 quotes nothing", { Q_DPORT(53) }, ERROR4(35, 0, UDP(1000, 53)), NEITHER },
	{ "ICMPv6 type 5 quotes nothing", { Q_DPORT(53) }, ERROR6(5, 0, UDP(1000, 53)), NEITHER },
	{ "an echo request in IPv6 quotes nothing",
	  { Q_DPORT(53) },
	  ERROR6(128, 0, UDP(1000, 53)),
	  NEITHER },
	{ "UDP quotes nothing",
	  { Q_DPORT(53) },
	  PACKET(ETH(), IP4(), UDP(0x0301, 0), IP4(), UDP(1000, 53)),
	  NEITHER },
	{ "a packet that is not quoted is not met",
	  { Q_DPORT(53) },
	  PACKET(ETH(), IP4(), UDP(1000, 53)),
	  NEITHER },
	{ "what quotes is not met by what asks for no quoted packet",
	  { .flags = CV_MATCH_PROTO, .proto = 17 },
	  ERROR4(3, 1, UDP(1000, 53)),
	  NEITHER },
	{ "what quotes is met as what it is",
	  { .flags = CV_MATCH_PROTO, .proto = 1 },
	  ERROR4(3, 1, UDP(1000, 53)),
	  HITS },
	{ "the source is that of the packet that was sent",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_SRC | CV_MATCH_FAMILY,
	    .family = 4,
	    .src = { BE32(0xc0000201) },
	    .src_mask = { ONES } },
	  QUOTES4("192.0.2.1", "198.51.100.9"),
	  HITS },
	{ "the destination is that of the packet that was sent",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_DST | CV_MATCH_FAMILY,
	    .family = 4,
	    .dst = { BE32(0xc6336409) },
	    .dst_mask = { ONES } },
	  QUOTES4("192.0.2.1", "198.51.100.9"),
	  HITS },
	{ "the source is not that of the error",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_SRC | CV_MATCH_FAMILY,
	    .family = 4,
	    .src = { BE32(0x0a000001) },
	    .src_mask = { ONES } },
	  QUOTES4("192.0.2.1", "198.51.100.9"),
	  NEITHER },
	{ "the DSCP is that of the quoted packet",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_DSCP, .extra.dscps = 1ULL << 46 },
	  PACKET(ETH(), IP4(.tos = 4), ICMP_OF(3, 1), IP4(.tos = 46 << 2), UDP(1, 2)),
	  HITS },
	{ "the length is what the quoted header says",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_LEN, .extra.len_min = 1500, .extra.len_max = 1500 },
	  PACKET(ETH(), IP4(), ICMP_OF(3, 4), IP4(.len_off = 1500 - 28), UDP(1, 2)),
	  HITS },
	{ "a quoted packet of 8 bytes behind its header has ports",
	  { Q_DPORT(443) },
	  ERROR4(11, 0, TCP(1000, 443)),
	  HITS,
	  .cut = 34 + 8 + 20 + 8 },
	{ "a quoted packet of 8 bytes behind its header has no TCP flags",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_TCP_FLAGS },
	  ERROR4(11, 0, TCP(1000, 443)),
	  NEITHER,
	  .cut = 34 + 8 + 20 + 8 },
	{ "a quoted packet that is quoted whole has TCP flags",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_TCP_FLAGS,
	    .extra.tcp_flags = SYN,
	    .extra.tcp_mask = 0xff },
	  ERROR4(11, 0, TCP_WITH(SYN)),
	  HITS },
	{ "quoted ports that are cut off are none",
	  { Q_ANY_PORT },
	  ERROR4(11, 0, TCP(1000, 443)),
	  NEITHER,
	  .cut = 34 + 8 + 20 + 3 },
	{ "a quoted packet without ports still has its protocol",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_PROTO, .proto = 6 },
	  ERROR4(11, 0, TCP(1000, 443)),
	  HITS,
	  .cut = 34 + 8 + 20 },
	{ "a quoted header that is cut off is none",
	  { .flags = CV_MATCH_QUOTED },
	  ERROR4(11, 0, TCP(1000, 443)),
	  NEITHER,
	  .cut = 34 + 8 + 19 },
	{ "a quoted later fragment has no ports",
	  { Q_ANY_PORT },
	  PACKET(ETH(), IP4(), ICMP_OF(11, 1), IP4(.fragment = 5), UDP(1, 2)),
	  NEITHER },
	{ "a quoted packet is behind options of the error",
	  { Q_DPORT(2) },
	  PACKET(ETH(), IP4(.options = 8), ICMP_OF(3, 1), IP4(.options = 12), UDP(1, 2)),
	  HITS },
	{ "a quoted packet's extension headers are skipped",
	  { Q_DPORT(2) },
	  PACKET(ETH(), IP6(), EXT(EXT_HOP), ICMP6_OF(3, 0), IP6(), EXT(EXT_DST), UDP(1, 2)),
	  HITS },
	{ "a quoted packet of the other family is none",
	  { .flags = CV_MATCH_QUOTED },
	  PACKET(ETH(), IP4(), ICMP_OF(3, 1), IP6(), UDP(1, 2)),
	  NEITHER },
	{ "a later fragment of an error quotes nothing",
	  { .flags = CV_MATCH_QUOTED },
	  PACKET(ETH(), IP4(.fragment = 1), ICMP_OF(3, 1), IP4(), UDP(1, 2)),
	  NEITHER },
	{ "a quoted ping has its type",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_ICMP_TYPE, .extra.icmp_type = 8 },
	  ERROR4(3, 1, ICMP_OF(8, 0)),
	  HITS },
	{ "the ICMP type is not that of the error",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_ICMP_TYPE, .extra.icmp_type = 3 },
	  ERROR4(3, 1, ICMP_OF(8, 0)),
	  MISSES },
	{ "what a quoted error quotes is not looked at",
	  { Q_DPORT(2) },
	  PACKET(ETH(), IP4(), ICMP_OF(3, 1), IP4(), ICMP_OF(3, 1), IP4(), UDP(1, 2)),
	  NEITHER },
	{ "the device of a quoted packet is that of the error",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_DEV, .extra.ifindex = 1 },
	  ERROR4(3, 1, UDP(1, 2)),
	  HITS },
	{ "the mark of a quoted packet is that of the error",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_MARK, .extra.mark = 7, .extra.mark_mask = ONES },
	  ERROR4(3, 1, UDP(1, 2)),
	  HITS,
	  .mark = 7 },
	{ "the VLAN id of a quoted packet is that of the error",
	  { .flags = CV_MATCH_QUOTED | CV_MATCH_VLAN, .extra.vlan_min = 9, .extra.vlan_max = 9 },
	  PACKET(ETH(), TAG(9), IP4(), ICMP_OF(3, 1), IP4(), UDP(1, 2)),
	  HITS },
};

/* ---- running a row ---- */

/* What the compiler says that the match needs. */
static uint32_t needs_of(const struct cv_match *match, enum cv_direction dir)
{
	return cv_match_needs(match) | (match->flags & CV_MATCH_APP ? CV_RULES_NEED_OWNER(dir) : 0);
}

static void fill_match(const struct cv_match *match, enum cv_direction dir)
{
	struct test_rules set = { 0 };

	set.rules[0] = (struct cv_rule){
		.id = RULE_ID, .flags = CV_ACTION_MARK, .mark = HIT_MARK, .mark_mask = ONES
	};
	set.matches[0] = *match;
	set.lists[dir].count = 1;
	set.flags = needs_of(match, dir);
	fill_rules(&set);
}

/* Conditions that are negated by another word than not_flags. */
#define HAS_NO_NOT (CV_MATCH_DSCP | CV_MATCH_ECN)

static struct cv_match negated(const struct cv_match *match)
{
	struct cv_match not = *match;

	not .extra.not_flags = match->flags & CV_MATCH_EXTRAS & ~HAS_NO_NOT;
	if (match->flags & ~CV_MATCH_ETHERTYPE) /* it only lets frames in that are no IP */
		not .extra.not_flags &= ~CV_MATCH_ETHERTYPE;
	not .extra.dscps = ~match->extra.dscps;
	not .extra.ecns = ~match->extra.ecns & 0xf;
	return not ;
}

static void assert_counted(bool is_hit, uint64_t bytes)
{
	struct cv_rule_stats stats;

	take_rule_stats(RULE_ID, &stats);
	assert_int_equal(stats.packets, is_hit);
	assert_int_equal(stats.bytes, is_hit ? bytes : 0);
}

/* Where the packet begins, by the layers before it that are looked at. */
static size_t l3_of(const struct layer *packet)
{
	size_t at = ETH_LEN;

	for (int i = 0; i < CV_MAX_VLAN_TAGS && packet[1 + i].kind == L_VLAN; i++)
		at += layer_size(&packet[1 + i]);
	return at;
}

static void assert_hit(const struct field_row *row, const struct cv_match *match, bool is_hit)
{
	const struct run_ctx ctx = { .mark = row->mark, .gso_bytes = row->gso_bytes };
	const int programs[] = {
		[CV_DIR_IN] = classifier.ingress, [CV_DIR_OUT] = classifier.egress
	};
	struct run_result result;
	struct frame frame;

	frame_build(&frame, row->packet);
	if (row->cut)
		frame.len = row->cut;
	for (int dir = CV_DIR_IN; dir <= CV_DIR_OUT; dir++) {
		fill_match(match, dir);
		run_program(programs[dir], &frame, &ctx, &result);
		assert_verdict(result.verdict, TC_ACT_UNSPEC);
		assert_int_equal(result.mark, is_hit ? HIT_MARK : row->mark);
		assert_counted(is_hit, frame.len - l3_of(row->packet));
		assert_frame(&result.frame, &frame);
		assert_only_drop(0, CV_R_OK);
	}
}

static void run_row(void **state)
{
	const struct field_row *row = *state;
	struct cv_match not = negated(&row->match);

	need_programs();
	assert_hit(row, &row->match, row->outcome == HOLDS);
	if (row->match.flags & CV_MATCH_EXTRAS) /* others have no negation but sets */
		assert_hit(row, &not, row->outcome == FAILS);
}

static int clear_counters(void **state)
{
	struct cv_rule_stats stats;

	(void)state;
	if (progrun.object)
		take_rule_stats(RULE_ID, &stats);
	return 0;
}

/* ---- what rows cannot say ---- */

/* Rules that mark with 1, 2 and so on, one match each, in that order. */
static void fill_matches(const struct cv_match *matches, size_t count, uint32_t needs)
{
	struct test_rules set = { .flags = needs };

	for (size_t i = 0; i < count; i++) {
		set.rules[i] = (struct cv_rule){
			.id = RULE_ID, .flags = CV_ACTION_MARK, .mark = i + 1, .mark_mask = ONES
		};
		set.matches[i] = matches[i];
		set.matches[i].rule = i;
	}
	set.lists[CV_DIR_IN].count = count;
	fill_rules(&set);
}

static uint32_t mark_of(const struct layer *packet)
{
	const struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame frame;

	frame_build(&frame, packet);
	run_program(classifier.ingress, &frame, &ctx, &result);
	return result.mark;
}

static void the_first_rule_wins_that_the_error_or_its_quoted_packet_meets(void **state)
{
	const struct cv_match error = { M_TYPE(3) }, quoted = { Q_DPORT(53) };
	const uint32_t needs = CV_RULES_NEED_ICMP | CV_RULES_NEED_QUOTED;

	(void)state;
	need_programs();
	fill_matches((struct cv_match[]){ error, quoted }, 2, needs);
	assert_int_equal(mark_of(ERROR4(3, 1, UDP(1, 53))), 1);
	assert_int_equal(mark_of(ERROR4(11, 0, UDP(1, 53))), 2);
	assert_int_equal(mark_of(ERROR4(3, 1, UDP(1, 54))), 1);
	assert_int_equal(mark_of(ERROR4(11, 0, UDP(1, 54))), 0);
	fill_matches((struct cv_match[]){ quoted, error }, 2, needs);
	assert_int_equal(mark_of(ERROR4(3, 1, UDP(1, 53))), 1);
	assert_int_equal(mark_of(ERROR4(3, 1, UDP(1, 54))), 2);
}

/* The actions are about the error: its own fields are the packet's again. */
static void a_rule_about_a_quoted_packet_acts_on_the_error(void **state)
{
	struct test_rules set = { 0 };
	const struct run_ctx ctx = { 0 };
	struct frame frame, expected;
	struct run_result result;

	(void)state;
	need_programs();
	set.rules[0] = (struct cv_rule){ .id = RULE_ID, .flags = CV_ACTION_DSCP, .dscp = 46 };
	set.matches[0] = (struct cv_match){ Q_DPORT(53) };
	set.lists[CV_DIR_IN].count = 1;
	set.flags = CV_RULES_NEED_QUOTED;
	fill_rules(&set);
	frame_build(&frame, PACKET(ETH(), IP4(.tos = 1), ICMP_OF(3, 1), IP4(.tos = 8), UDP(1, 53)));
	frame_build(&expected, PACKET(ETH(), IP4(.tos = 46 << 2 | 1), ICMP_OF(3, 1), IP4(.tos = 8),
				      UDP(1, 53)));
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_frame(&result.frame, &expected);
}

static void what_no_rule_needs_is_not_read(void **state)
{
	const struct {
		struct cv_match match;
		const struct layer *packet;
		uint32_t need;
	} cases[] = {
		{ { M_TCP(0, 0) }, TCP4, CV_RULES_NEED_TCP },
		{ { M_TYPE(8) }, ICMP4_IS(8, 0), CV_RULES_NEED_ICMP },
		{ { M_ETHERTYPE(TYPE_ARP) }, ARP, CV_RULES_NEED_LINK },
		{ { Q_DPORT(53) }, ERROR4(3, 1, UDP(1, 53)), CV_RULES_NEED_QUOTED },
	};

	(void)state;
	need_programs();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		fill_matches(&cases[i].match, 1, 0);
		assert_int_equal(mark_of(cases[i].packet), 0);
		fill_matches(&cases[i].match, 1, cases[i].need);
		assert_int_equal(mark_of(cases[i].packet), 1);
	}
}

/* A program that puts a tag into skb metadata, as devices and VLAN devices do, and goes on with the
 * classifier. */
static int tagging_program(uint16_t tci, int classifier_fd)
{
	const uint32_t zero = 0;
	int next = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "test_next", 4, 4, 1, NULL);
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(TYPE_VLAN) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = tci },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = 2,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = next },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_SHOT },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "test_tag", "GPL", insns, ARRAY_LEN(insns),
			       NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(next, &zero, &classifier_fd, 0), 0);
	/* The map is the program's, and lets go of what it holds when its last fd is closed. */
	return fd;
}

static void a_tag_in_metadata_is_the_outermost(void **state)
{
	const struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame frame;
	CV_CLOSE int fd = -1;

	(void)state;
	need_programs();
	fd = tagging_program(0x6000 | 100, classifier.ingress);
	frame_build(&frame, TAGGED4(TAG(9)));
	fill_matches((struct cv_match[]){ { M_VLAN(9, 9) }, { M_VLAN(100, 100) } }, 2,
		     CV_RULES_NEED_LINK);
	run_program(fd, &frame, &ctx, &result);
	assert_int_equal(result.mark, 2);
	frame_build(&frame, UDP4);
	fill_matches((struct cv_match[]){ { M_ETHERTYPE(TYPE_VLAN) }, { M_ETHERTYPE(TYPE_IPV4) } },
		     2, CV_RULES_NEED_LINK);
	run_program(fd, &frame, &ctx, &result);
	assert_int_equal(result.mark, 2);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(the_first_rule_wins_that_the_error_or_its_quoted_packet_meets),
		cmocka_unit_test(a_rule_about_a_quoted_packet_acts_on_the_error),
		cmocka_unit_test(what_no_rule_needs_is_not_read),
		cmocka_unit_test(a_tag_in_metadata_is_the_outermost),
	};
	struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(others)];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[count++] = row_test(rows[i].name, run_row, clear_counters, &rows[i]);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[count++] = others[i];
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
