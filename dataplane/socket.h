/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose socket a packet belongs to: the same question as bpf/owner.h answers for a packet at hand. */
#ifndef CV_SOCKET_H
#define CV_SOCKET_H

#include "instance.h"

/* What is known of a socket that is looked for. */
struct cv_socket_key {
	__be32 local[4];
	__be32 remote[4];
	uint8_t family;
	uint8_t proto; /* 0: any */
	uint16_t local_port; /* 0: any */
	uint16_t remote_port;
	uint32_t pid; /* of who used it last; 0: anybody's */
};

/* How well a socket fits: 0 if a packet of that key is not its own, and more the closer it is. A
 * connected socket is closer than one that is bound, and that than one that takes what comes. */
int cv_socket_fit(const struct cv_socket *socket, const struct cv_socket_key *key);

/* Finds the open socket of this network namespace that fits best. -ENOENT, without a text, if none
 * does. */
int cv_socket_find(const struct cv_instance *inst, const struct cv_socket_key *key,
		   struct cv_socket *out, struct cv_err *err);

#endif
