/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The peer compiler: prefixes and their remotes -> the cells that the packet path reads (abi.h:
 * struct cv_peer_cell). Pure, and the same peers in any order give the same cells.
 */
#ifndef CV_PEERS_H
#define CV_PEERS_H

#include "abi.h"
#include "culvert.h"

struct cv_peer_prefix {
	uint64_t bits
		[2]; /* host order, the first bit highest; IPv4 in the upper half of the first */
	uint8_t family; /* 4 or 6 */
	uint8_t len; /* bits behind it are zero */
	uint32_t remote[4]; /* network order */
};

struct cv_peer_set {
	struct cv_peer_cell *cells; /* owned */
	uint32_t cell_count;
};

/* prefix must have a family. */
struct cv_peer_prefix cv_peer_prefix_of(const struct cv_prefix *prefix,
					const struct cv_addr *remote);

/* Sorts prefixes; of those that are the same one is kept. Returns how many are left. */
size_t cv_peer_prefixes_sort(struct cv_peer_prefix *prefixes, size_t count);

/* Sorts prefixes, of which no two may be the same, and fills set. All remotes are of remote_family,
 * 4 or 6. */
int cv_peers_compile(struct cv_peer_set *set, struct cv_peer_prefix *prefixes, size_t count,
		     uint8_t remote_family, struct cv_err *err);

/* The remote (four words, or one with remote_family 4) for an address, NULL if there is none: what
 * bpf/peer.h does for a packet. */
const uint32_t *cv_peers_find(const struct cv_peer_set *set, uint8_t remote_family,
			      const struct cv_addr *addr);

void cv_peer_set_fini(struct cv_peer_set *set);

#endif
