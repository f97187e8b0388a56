/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The GRE header (RFC 2784, RFC 2890) for both ways. */
#ifndef CV_GRE_H
#define CV_GRE_H

#include <linux/types.h>

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |C|R|K|S|s|  0    |flags| Ver |         Protocol Type           |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                     Key, if K is set                          |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
struct cv_gre {
	__be16 flags;
	__be16 proto; /* an ethertype */
	__be32 key;
};
#define CV_GRE_BASE_LEN 4
#define CV_GRE_KEY_LEN 4
#define CV_GRE_FLAG_KEY 0x2000
/* Checksum, routing, sequence, strict source route, recursion, version: with one of them set the
 * header is another than ours. The other flags must be ignored (RFC 2784 section 2.3). */
#define CV_GRE_FLAGS_REFUSED 0xdc07

#endif
