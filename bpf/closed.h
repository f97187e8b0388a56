/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records of closed TCP sockets. What the kernel keeps of a socket in TIME_WAIT has its cookie, but
 * not its storage.
 */
#ifndef CV_CLOSED_H
#define CV_CLOSED_H

#include "maps.h"

static __always_inline struct cv_closed *cv_closed_at(__u64 cookie)
{
	__u32 index = cookie & (CV_MAX_CLOSED - 1);

	return bpf_map_lookup_elem(&CV_MAP_CLOSED, &index);
}

static __always_inline void cv_closed_keep(__u64 cookie, const struct cv_owner *owner)
{
	struct cv_closed *closed = cv_closed_at(cookie);

	if (!closed)
		return;
	/* Whoever looks meanwhile finds nothing, not one half of each. */
	*(volatile __u64 *)&closed->cookie = 0;
	closed->owner = *owner;
	barrier();
	*(volatile __u64 *)&closed->cookie = cookie;
}

/* The record of the socket with that cookie, NULL if it is not known (any more). */
static __always_inline const struct cv_owner *cv_closed_find(__u64 cookie)
{
	const struct cv_closed *closed = cv_closed_at(cookie);

	return closed && closed->cookie == cookie ? &closed->owner : NULL;
}

#endif
