/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Peers of the wanted state. There may be 100,000 of them, so they are found by a hash of their
 * prefix, and the last one takes the place of one that goes.
 */
#include "state.h"

#include <errno.h>
#include <string.h>

#include "own.h"
#include "state_list.h"

/* Prefixes of length 0 have one chain: "default" is that of both families. */
static uint64_t hash_of(const struct cv_prefix *to)
{
	return to->bits ? cv_hash_bytes(to->bits, to->addr.bytes, sizeof(to->addr.bytes)) : 0;
}

static uint64_t hash_peer(const void *conf)
{
	return hash_of(&((const struct cv_peer_conf *)conf)->to);
}

static struct cv_list peers_of(struct cv_state *state)
{
	return (struct cv_list){ (void **)&state->peers,
				 &state->peer_count,
				 sizeof(*state->peers),
				 { { &state->peer_chains, hash_peer, true } } };
}

static void link_peer(struct cv_state *state, uint32_t number)
{
	cv_chains_link(&state->peer_chains, hash_of(&state->peers[number].to), number);
}

static void unlink_peer(struct cv_state *state, uint32_t number)
{
	cv_chains_unlink(&state->peer_chains, hash_of(&state->peers[number].to), number);
}

int cv_state_add_peer(struct cv_state *state, struct cv_peer_conf *conf, struct cv_err *err)
{
	struct cv_list all = peers_of(state);

	return cv_list_add(&all, conf) ? cv_err_set(err, -ENOMEM, "state: out of memory") : 0;
}

struct cv_peer_conf *cv_state_next_peer(const struct cv_state *state, const struct cv_prefix *to,
					const struct cv_peer_conf *last)
{
	uint32_t number;

	if (!state->peer_count)
		return NULL;
	number = last ? state->peer_chains.next[last - state->peers]
		      : cv_chains_first(&state->peer_chains, hash_of(to));
	while (number != CV_NOBODY && !cv_prefix_same(&state->peers[number].to, to))
		number = state->peer_chains.next[number];
	return number == CV_NOBODY ? NULL : &state->peers[number];
}

struct cv_peer_conf *cv_state_find_peer(const struct cv_state *state,
					const struct cv_peer_conf *key)
{
	struct cv_peer_conf *found = NULL, *peer = NULL;

	while ((peer = cv_state_next_peer(state, &key->to, peer)))
		if (!strcmp(peer->tunnel, key->tunnel) && (!found || peer < found))
			found = peer;
	return found;
}

void cv_state_del_peer(struct cv_state *state, struct cv_peer_conf *conf)
{
	uint32_t number = conf - state->peers, last = state->peer_count - 1;

	unlink_peer(state, number);
	if (number != last) {
		unlink_peer(state, last);
		*conf = state->peers[last];
		link_peer(state, number);
	}
	state->peer_count--;
}

void cv_state_fini_peers(struct cv_state *state)
{
	struct cv_list all = peers_of(state);

	cv_list_free(&all);
}
