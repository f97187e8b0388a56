/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether the peers make sense: each with its tunnel, and tunnels that have peers beside others. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "own.h"

static void check_remote(struct check *check, const struct cv_peer_conf *peer,
			 const struct cv_tunnel_conf *tunnel, const char *to)
{
	char text[CV_PREFIX_TEXT];

	if (!peer->remote.family)
		FAULT(check, &peer->place, "give remote ADDR", "peer %s: no remote address", to);
	else if (tunnel->local.family && tunnel->local.family != peer->remote.family)
		FAULT(check, &peer->place, "the remotes are of the family of the tunnel's local",
		      "peer %s: remote is IPv%u, tunnel %s is IPv%u", to, peer->remote.family,
		      tunnel->name, tunnel->local.family);
	else if (cv_addr_equal(&tunnel->local, &peer->remote))
		FAULT(check, &peer->place, "",
		      "peer %s: remote is the same address as local of tunnel %s", to,
		      tunnel->name);
	else if (!cv_addr_is_unicast(&peer->remote))
		FAULT(check, &peer->place, "a remote is one host",
		      "peer %s: remote %s is no host's address", to,
		      cv_addr_format(&peer->remote, text));
}

/* One that was added before it; of many that are alike each has its neighbour at once. */
static const struct cv_peer_conf *peer_before(const struct cv_state *state,
					      const struct cv_peer_conf *peer)
{
	struct cv_peer_conf *before = (struct cv_peer_conf *)peer;

	do
		before = cv_state_next_peer(state, &peer->to, before);
	while (before && strcmp(before->tunnel, peer->tunnel) != 0);
	return before;
}

static void check_peer(struct check *check, const struct cv_peer_conf *peer,
		       const struct cv_tunnel_conf *tunnel)
{
	const struct cv_peer_conf *first = peer_before(check->state, peer);
	char to[CV_PREFIX_TEXT];

	cv_prefix_format(&peer->to, to);
	if (!peer->tunnel[0])
		FAULT(check, &peer->place, "give tunnel NAME", "peer %s: no tunnel", to);
	else if (!tunnel)
		cv_check_missing(check, &peer->place, "tunnel", peer->tunnel, "peer %s", to);
	else if (!tunnel->has_peers)
		FAULT(check, &peer->place, "give the tunnel \"remote peers\"",
		      "peer %s: tunnel %s has remotes of its own", to, peer->tunnel);
	if (first)
		cv_check_twice(check, &peer->place, &first->place, "peer %s tunnel %s", to,
			       peer->tunnel);
	if (tunnel && tunnel->has_peers)
		check_remote(check, peer, tunnel, to);
}

/* ---- one sender, two tunnels ---- */

static int add_remote(struct cv_addrs *addrs, const struct cv_addr *remote)
{
	struct cv_addr *grown;

	if (!(addrs->count & (addrs->count - 1))) {
		grown = reallocarray(addrs->items, addrs->count ? 2 * addrs->count : 1,
				     sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		addrs->items = grown;
	}
	addrs->items[addrs->count++] = *remote;
	return 0;
}

/* All remotes of a tunnel, sorted. Caller frees the items, also on failure. */
static int remotes_of(const struct cv_state *state, const struct cv_tunnel_conf *tunnel,
		      struct cv_addrs *out)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < tunnel->remotes.count; i++)
		rc = add_remote(out, &tunnel->remotes.items[i]);
	for (size_t i = 0; !rc && tunnel->has_peers && i < state->peer_count; i++)
		if (!strcmp(state->peers[i].tunnel, tunnel->name))
			rc = add_remote(out, &state->peers[i].remote);
	out->count = cv_addrs_sort(out->items, out->count);
	return rc;
}

static void free_addrs(struct cv_addrs *addrs)
{
	free(addrs->items);
}

static void check_alike(struct check *check, const struct cv_tunnel_conf *tunnel,
			const struct cv_tunnel_conf *other)
{
	CV_CLEANUP(free_addrs) struct cv_addrs ours = { 0 };
	CV_CLEANUP(free_addrs) struct cv_addrs theirs = { 0 };
	char text[CV_PREFIX_TEXT];

	if (remotes_of(check->state, tunnel, &ours) || remotes_of(check->state, other, &theirs)) {
		FAULT(check, &tunnel->place, "", "tunnel %s: out of memory", tunnel->name);
		return;
	}
	for (size_t i = 0; i < ours.count; i++) {
		if (!cv_addrs_have(theirs.items, theirs.count, &ours.items[i]))
			continue;
		FAULT(check, &tunnel->place, "give one of them a key of its own",
		      "tunnel %s: same mode, local and key as tunnel %s, and both have remote %s",
		      tunnel->name, other->name, cv_addr_format(&ours.items[i], text));
		return;
	}
}

void cv_check_peers(struct check *check)
{
	const struct cv_state *state = check->state;
	const struct cv_tunnel_conf *tunnel = NULL;

	if (state->peer_count && !cv_check_limit(check, "peers", state->peer_count, CV_MAX_PEERS,
						 &state->peers[state->peer_count - 1].place))
		return;
	for (size_t i = 0; i < state->peer_count; i++) {
		/* Neighbours mostly have the same tunnel. */
		if (!tunnel || strcmp(tunnel->name, state->peers[i].tunnel) != 0)
			tunnel = cv_state_find_tunnel(state, state->peers[i].tunnel);
		check_peer(check, &state->peers[i], tunnel);
	}
	for (size_t i = 0; i < state->tunnel_count; i++)
		for (size_t j = 0; j < i; j++)
			if ((state->tunnels[i].has_peers || state->tunnels[j].has_peers) &&
			    cv_check_is_alike(&state->tunnels[i], &state->tunnels[j]))
				check_alike(check, &state->tunnels[i], &state->tunnels[j]);
}
