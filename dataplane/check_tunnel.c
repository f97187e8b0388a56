/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a tunnel makes sense: its words with its mode, its addresses, and it beside others. */
#include <string.h>

#include "abi.h"
#include "check.h"
#include "mode.h"

static bool is_udp(const struct cv_tunnel_conf *tunnel)
{
	return tunnel->mode == CV_TUNNEL_MODE_GUE || tunnel->mode == CV_TUNNEL_MODE_FOU ||
	       cv_tunnel_mode_has_ethernet(tunnel->mode);
}

static bool is_srv6(const struct cv_tunnel_conf *tunnel)
{
	return tunnel->mode == CV_TUNNEL_MODE_SRV6;
}

/* The words that only some modes have. */
static void check_words(struct check *check, const struct cv_tunnel_conf *tunnel)
{
	bool has_vni = cv_tunnel_mode_has_ethernet(tunnel->mode);
	const struct {
		const char *word;
		bool is_given, is_fitting;
		const char *hint;
	} words[] = {
		{ "key", tunnel->has_key, tunnel->mode == CV_TUNNEL_MODE_GRE,
		  has_vni ? "vxlan and geneve have vni N" : "leave key out, or use mode gre" },
		{ "vni", tunnel->has_vni, has_vni, "leave vni out, or use mode vxlan or geneve" },
		{ "dport", tunnel->dport, is_udp(tunnel), "gue, fou, vxlan and geneve have one" },
		{ "variant", tunnel->has_variant, tunnel->mode == CV_TUNNEL_MODE_GUE,
		  "gue has one" },
		{ "inner-smac", tunnel->inner_smac.is_given, has_vni, "vxlan and geneve have one" },
		{ "inner-dmac", tunnel->inner_dmac.is_given, has_vni, "vxlan and geneve have one" },
		{ "segments", tunnel->segments.count, is_srv6(tunnel), "srv6 has them" },
		{ "sid", tunnel->sid.family, is_srv6(tunnel), "srv6 has one" },
	};

	for (size_t i = 0; tunnel->mode && i < sizeof(words) / sizeof(*words); i++)
		if (words[i].is_given && !words[i].is_fitting)
			FAULT(check, &tunnel->place, words[i].hint, "tunnel %s: %s has no %s",
			      tunnel->name, cv_tunnel_mode_names[tunnel->mode], words[i].word);
	if (tunnel->overlap_seconds && !tunnel->has_key && !tunnel->has_vni)
		FAULT(check, &tunnel->place, "it is for a change of key or vni",
		      "tunnel %s: overlap without a key", tunnel->name);
	if (has_vni && !tunnel->has_vni)
		FAULT(check, &tunnel->place, "give vni N", "tunnel %s: mode %s without a vni",
		      tunnel->name, cv_tunnel_mode_names[tunnel->mode]);
}

static bool has_twice(const struct cv_addrs *addrs, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (cv_addr_equal(&addrs->items[i], &addrs->items[index]))
			return true;
	return false;
}

/* One address that the tunnel sends to. */
static void check_remote(struct check *check, const struct cv_tunnel_conf *tunnel, size_t index)
{
	const struct cv_addr *remote = &tunnel->remotes.items[index];
	char text[CV_PREFIX_TEXT];

	if (tunnel->local.family && tunnel->local.family != remote->family)
		FAULT(check, &tunnel->place, "local and remote are both IPv4 or both IPv6",
		      "tunnel %s: local is IPv%u, remote is IPv%u", tunnel->name,
		      tunnel->local.family, remote->family);
	else if (cv_addr_equal(&tunnel->local, remote))
		FAULT(check, &tunnel->place, "", "tunnel %s: remote is the same address as local",
		      tunnel->name);
	if (!cv_addr_is_unicast(remote))
		FAULT(check, &tunnel->place, "a remote is one host",
		      "tunnel %s: remote %s is no host's address", tunnel->name,
		      cv_addr_format(remote, text));
	if (has_twice(&tunnel->remotes, index))
		FAULT(check, &tunnel->place, "a weight N makes one of them count more",
		      "tunnel %s: remote %s is given twice", tunnel->name,
		      cv_addr_format(remote, text));
}

static void check_remotes(struct check *check, const struct cv_tunnel_conf *tunnel)
{
	size_t count = tunnel->remotes.count;

	if (!count && !tunnel->has_peers)
		FAULT(check, &tunnel->place, "give remote ADDR", "tunnel %s: no remote address",
		      tunnel->name);
	if (count > CV_MAX_REMOTES)
		FAULT(check, &tunnel->place,
		      "remote peers, with a peer for each prefix, has no limit",
		      "tunnel %s: %zu remotes, %u are the most", tunnel->name, count,
		      CV_MAX_REMOTES);
	if (tunnel->weights.count && tunnel->weights.count != count)
		FAULT(check, &tunnel->place, "one for each remote, in their order",
		      "tunnel %s: %zu weights for %zu remotes", tunnel->name, tunnel->weights.count,
		      count);
	for (size_t i = 0; i < count && count <= CV_MAX_REMOTES; i++)
		check_remote(check, tunnel, i);
}

static void check_srv6(struct check *check, const struct cv_tunnel_conf *tunnel)
{
	if (tunnel->local.family == 4)
		FAULT(check, &tunnel->place, "", "tunnel %s: srv6 needs IPv6 outside",
		      tunnel->name);
	if (tunnel->has_peers)
		FAULT(check, &tunnel->place, "a tunnel for each segment list",
		      "tunnel %s: srv6 has no peers", tunnel->name);
	if (tunnel->remotes.count > 1)
		FAULT(check, &tunnel->place, "a tunnel for each",
		      "tunnel %s: srv6 with several remotes", tunnel->name);
	if (tunnel->segments.count > CV_MAX_SEGMENTS)
		FAULT(check, &tunnel->place, "", "tunnel %s: %zu segments, %u are the most",
		      tunnel->name, tunnel->segments.count, CV_MAX_SEGMENTS);
	for (size_t i = 0; i < tunnel->segments.count; i++)
		if (tunnel->segments.items[i].family != 6)
			FAULT(check, &tunnel->place, "", "tunnel %s: a segment is an IPv6 address",
			      tunnel->name);
	if (tunnel->sid.family == 4)
		FAULT(check, &tunnel->place, "", "tunnel %s: a sid is an IPv6 address",
		      tunnel->name);
}

static bool share_remote(const struct cv_tunnel_conf *a, const struct cv_tunnel_conf *b)
{
	for (size_t i = 0; i < a->remotes.count; i++)
		for (size_t j = 0; j < b->remotes.count; j++)
			if (cv_addr_equal(&a->remotes.items[i], &b->remotes.items[j]))
				return true;
	return false;
}

/* Quicker than the above; only false is certain. */
static bool may_share_remote(const struct check *check, const struct cv_tunnel_conf *a,
			     const struct cv_tunnel_conf *b)
{
	const struct cv_tunnel_conf *first = check->state->tunnels;
	const uint64_t *bits = check->remote_bits;

	return !bits || bits[a - first] & bits[b - first];
}

/* True if packets of both come from one sender and arrive at one address. */
static bool same_path(const struct cv_tunnel_conf *a, const struct cv_tunnel_conf *b)
{
	return cv_addr_equal(cv_mode_arrival(a), cv_mode_arrival(b)) && share_remote(a, b);
}

/* True if their packets arrive alike, whatever their remotes and keys. */
static bool same_arrival(const struct cv_tunnel_conf *a, const struct cv_tunnel_conf *b)
{
	return a->mode == b->mode && cv_tunnel_conf_port(a) == cv_tunnel_conf_port(b) &&
	       cv_addr_equal(cv_mode_arrival(a), cv_mode_arrival(b));
}

/* IP in IPv6 is either, for a segment list may be gone when it arrives. */
static bool is_srv6_beside_ipip(const struct cv_tunnel_conf *a, const struct cv_tunnel_conf *b)
{
	return (is_srv6(a) && b->mode == CV_TUNNEL_MODE_IPIP) ||
	       (is_srv6(b) && a->mode == CV_TUNNEL_MODE_IPIP);
}

static bool same_key(const struct cv_tunnel_conf *a, const struct cv_tunnel_conf *b)
{
	return a->has_key == b->has_key && a->key == b->key && a->has_vni == b->has_vni &&
	       a->vni == b->vni;
}

bool cv_check_is_alike(const struct cv_tunnel_conf *a, const struct cv_tunnel_conf *b)
{
	return same_arrival(a, b) && same_key(a, b);
}

/* The first prefix of a's allow list that has addresses in common with b's; NULL if none has. */
static const struct cv_prefix *shared_allow(const struct cv_tunnel_conf *a,
					    const struct cv_tunnel_conf *b)
{
	for (size_t i = 0; i < a->allow.count; i++)
		for (size_t j = 0; j < b->allow.count; j++)
			if (cv_prefix_contains(&a->allow.items[i], &b->allow.items[j].addr) ||
			    cv_prefix_contains(&b->allow.items[j], &a->allow.items[i].addr))
				return &a->allow.items[i];
	return NULL;
}

static void check_beside(struct check *check, const struct cv_tunnel_conf *tunnel,
			 const struct cv_tunnel_conf *other)
{
	const struct cv_prefix *shared;
	char text[CV_PREFIX_TEXT];

	if (is_udp(tunnel) && is_udp(other) && tunnel->mode != other->mode &&
	    cv_tunnel_conf_port(tunnel) == cv_tunnel_conf_port(other))
		FAULT(check, &tunnel->place, "give one of them another dport",
		      "tunnel %s: port %u is that of tunnel %s, whose mode is %s", tunnel->name,
		      cv_tunnel_conf_port(tunnel), other->name, cv_tunnel_mode_names[other->mode]);
	if (is_srv6_beside_ipip(tunnel, other) && same_path(tunnel, other))
		FAULT(check, &tunnel->place, "give the srv6 one a sid of its own",
		      "tunnel %s: what arrives cannot be told from that of tunnel %s, whose mode is %s",
		      tunnel->name, other->name, cv_tunnel_mode_names[other->mode]);
	if (tunnel->mode != other->mode || !share_remote(tunnel, other) ||
	    !same_arrival(tunnel, other))
		return;
	shared = shared_allow(tunnel, other);
	if (same_key(tunnel, other))
		FAULT(check, &tunnel->place,
		      tunnel->has_vni ? "give one of them a vni of its own"
				      : "give one of them a key of its own",
		      "tunnel %s: same mode, local, remote and key as tunnel %s", tunnel->name,
		      other->name);
	else if (shared)
		FAULT(check, &tunnel->place, "an inner source belongs to one of them",
		      "tunnel %s: allow %s overlaps that of tunnel %s, which has the same ends",
		      tunnel->name, cv_prefix_format(shared, text), other->name);
}

void cv_check_tunnel(struct check *check, const struct cv_tunnel_conf *tunnel)
{
	const struct cv_state *state = check->state;
	const struct cv_tunnel_conf *first = cv_state_find_tunnel(state, tunnel->name);
	char text[CV_PREFIX_TEXT];

	if (first != tunnel)
		cv_check_twice(check, &tunnel->place, &first->place, "tunnel %s", tunnel->name);
	if (!tunnel->mode)
		FAULT(check, &tunnel->place, "give mode ipip, gre, gue, fou, vxlan, geneve or srv6",
		      "tunnel %s: no mode", tunnel->name);
	if (!tunnel->local.family)
		FAULT(check, &tunnel->place, "give local ADDR", "tunnel %s: no local address",
		      tunnel->name);
	else if (!cv_addr_is_unicast(&tunnel->local))
		FAULT(check, &tunnel->place, "give an address of this host",
		      "tunnel %s: local %s is no host's address", tunnel->name,
		      cv_addr_format(&tunnel->local, text));
	if (tunnel->mtu_bytes && tunnel->mtu_bytes < CV_IPV4_MIN_MTU)
		FAULT(check, &tunnel->place, "IPv6 inside needs 1280, IPv4 68",
		      "tunnel %s: mtu %u is too small", tunnel->name, tunnel->mtu_bytes);
	check_words(check, tunnel);
	check_remotes(check, tunnel);
	if (is_srv6(tunnel))
		check_srv6(check, tunnel);
	for (const struct cv_tunnel_conf *other = state->tunnels; other < tunnel; other++)
		if (other->mode != tunnel->mode || may_share_remote(check, tunnel, other))
			check_beside(check, tunnel, other);
}
