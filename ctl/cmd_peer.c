/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "peer": which remote of a tunnel packets for a prefix go to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

static int parse_remote(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("remote", text, &((struct cv_peer_conf *)conf)->remote, err);
}

static bool format_remote(const void *conf, FILE *out)
{
	const struct cv_peer_conf *peer = conf;

	if (peer->remote.family)
		cv_put_addr(out, &peer->remote);
	return peer->remote.family;
}

static int parse_tunnel(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("tunnel", text, ((struct cv_peer_conf *)conf)->tunnel, err);
}

static bool format_tunnel(const void *conf, FILE *out)
{
	const struct cv_peer_conf *peer = conf;

	fputs(peer->tunnel, out);
	return peer->tunnel[0];
}

static const struct cv_word words[] = {
	{ .name = "remote",
	  .is_required = true,
	  .value = "ADDR",
	  .help = "outer destination of packets to the prefix; it may send, too",
	  .parse = parse_remote,
	  .format = format_remote },
	{ .name = "tunnel",
	  .is_required = true,
	  .value = "NAME",
	  .help = "a tunnel with \"remote peers\"",
	  .is_name = true,
	  .parse = parse_tunnel,
	  .format = format_tunnel },
};

static void init(void *conf)
{
	*(struct cv_peer_conf *)conf = (struct cv_peer_conf){ 0 };
}

static int set_key(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_prefix("peer", text, &((struct cv_peer_conf *)conf)->to, err);
}

static void put_key(const void *conf, FILE *out)
{
	char text[CV_PREFIX_TEXT];

	fputs(cv_prefix_format(&((const struct cv_peer_conf *)conf)->to, text), out);
}

static void fini(void *conf)
{
	(void)conf;
}

static int add(struct cv_state *state, void *conf, struct cv_err *err)
{
	return cv_state_add_peer(state, conf, err);
}

CV_NOUN_ACCESS(peer, peers, peer_count)

/* A peer is named by prefix and tunnel; `del` may leave the tunnel out if there is one only. */
static void *find(const struct cv_state *state, const void *conf, struct cv_err *err)
{
	const struct cv_peer_conf *wanted = conf;
	struct cv_peer_conf *found;
	char to[CV_PREFIX_TEXT];

	if (wanted->tunnel[0])
		return cv_state_find_peer(state, wanted);
	found = cv_state_next_peer(state, &wanted->to, NULL);
	if (!found || !cv_state_next_peer(state, &wanted->to, found))
		return found;
	cv_err_set(err, -ENOTUNIQ, "peer %s: several tunnels have one",
		   cv_prefix_format(&wanted->to, to));
	cv_err_hint(err, "add tunnel NAME");
	return NULL;
}

static void show_json(const struct cv_session *session)
{
	const struct cv_state *state = &session->applied;
	char text[CV_PREFIX_TEXT];
	struct cv_json json;

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < state->peer_count; i++) {
		const struct cv_peer_conf *peer = &state->peers[i];

		if (!cv_session_shows(session, cv_prefix_format(&peer->to, text)))
			continue;
		cv_json_open_object(&json, NULL);
		cv_json_string(&json, "to", text);
		cv_json_string(&json, "remote", cv_addr_format(&peer->remote, text));
		cv_json_string(&json, "tunnel", peer->tunnel);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static int show_text(const struct cv_session *session)
{
	static const char *const headers[] = { "TO", "REMOTE", "TUNNEL" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	const struct cv_state *state = &session->applied;
	int rc = cv_table_new(&table, headers, sizeof(headers) / sizeof(*headers));

	for (size_t i = 0; !rc && i < state->peer_count; i++) {
		const struct cv_peer_conf *peer = &state->peers[i];
		char to[CV_PREFIX_TEXT], remote[CV_PREFIX_TEXT];
		const char *cells[] = { cv_prefix_format(&peer->to, to),
					cv_addr_format(&peer->remote, remote), peer->tunnel };

		if (cv_session_shows(session, to))
			rc = cv_table_row(table, cells);
	}
	if (!rc)
		cv_table_print(table, session->out);
	return rc;
}

/* All that there is to show was asked for: the kernel adds nothing to it. */
static int show(struct cv_session *session, struct cv_err *err)
{
	int rc;

	if (session->is_json) {
		show_json(session);
		return 0;
	}
	rc = show_text(session);
	return rc ? cv_err_set(err, rc, "peers: out of memory") : 0;
}

const struct cv_noun cv_noun_peer = {
	.name = "peer",
	.section = "peers",
	.key = "PREFIX",
	.list_key = "to",
	.help = "remotes by inner destination, for tunnels with \"remote peers\"",
	.note = "The longest prefix that a packet's inner destination is in decides; \"default\" is "
		"all of\nIPv4 and IPv6. A packet that no peer has is dropped (no_peer).",
	.has_replace = true,
	.groups = { CV_GROUP(CV_WORDS_OF(words)) },
	.group_count = 1,
	.conf_size = sizeof(struct cv_peer_conf),
	.place_offset = offsetof(struct cv_peer_conf, place),
	.init = init,
	.set_key = set_key,
	.put_key = put_key,
	.fini = fini,
	.add = add,
	.find = find,
	.del = del,
	.count = count,
	.at = at,
	.show = show,
};
