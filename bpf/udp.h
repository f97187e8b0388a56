/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The headers of the modes over UDP. GUE, VXLAN and Geneve stand behind the UDP header. */
#ifndef CV_UDP_H
#define CV_UDP_H

#include <linux/types.h>

struct cv_udp {
	__be16 source;
	__be16 dest;
	__be16 len;
	__be16 check; /* 0: none (RFC 768; RFC 6935 for IPv6) */
};

/*
 * Variant 0; variant 1 is an IP header in its place, which the first two bits tell.
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |Var|C|  Hlen   |   Protocol    |             Flags             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
struct cv_gue {
	__u8 version; /* variant, control bit, length of the optional fields: 0 is all that is ours */
	__u8 proto; /* IP protocol number */
	__be16 flags;
};
#define CV_GUE_VARIANT_SHIFT 6

struct cv_vxlan {
	__be32 flags;
	__be32 vni; /* 24 bits, then 8 that are reserved */
};
#define CV_VXLAN_FLAGS 0x08000000 /* the VNI is there, and nothing else that changes the meaning */

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |Ver|  Opt Len  |O|C|    Rsvd.  |          Protocol Type        |
 * |        Virtual Network Identifier (VNI)       |    Reserved   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
struct cv_geneve {
	__u8 version; /* 2 bits, then the length of the options in words */
	__u8 flags;
	__be16 proto; /* an ethertype */
	__be32 vni; /* 24 bits, then 8 that are reserved */
};
#define CV_GENEVE_VERSION_SHIFT 6
#define CV_GENEVE_OPT_LEN 0x3f
#define CV_GENEVE_CONTROL 0x80
#define CV_GENEVE_CRITICAL 0x40 /* some option must be understood: none is */

#define CV_VNI_MASK 0xffffff00
#define CV_ETH_P_TEB 0x6558 /* an Ethernet frame, as ETH_P_TEB of linux/if_ether.h */

#endif
