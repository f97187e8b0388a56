/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "tunnel". */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

#define CV_DEFAULT_TTL 64
#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *const modes[] = {
	[CV_TUNNEL_MODE_NONE] = "none",
	[CV_TUNNEL_MODE_IPIP] = "ipip",
	[CV_TUNNEL_MODE_GRE] = "gre",
};

static int parse_mode(void *conf, const char *text, struct cv_err *err)
{
	size_t index;
	int rc = cv_arg_choice("mode", text, modes + 1, CV_COUNT(modes) - 1, &index, err);

	if (!rc)
		((struct cv_tunnel_conf *)conf)->mode = index + 1;
	return rc;
}

static bool format_mode(const void *conf, FILE *out)
{
	fputs(modes[((const struct cv_tunnel_conf *)conf)->mode], out);
	return true;
}

static int parse_local(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("local", text, &((struct cv_tunnel_conf *)conf)->local, err);
}

static bool format_local(const void *conf, FILE *out)
{
	cv_put_addr(out, &((const struct cv_tunnel_conf *)conf)->local);
	return true;
}

static int parse_remote(void *conf, const char *text, struct cv_err *err)
{
	if (strchr(text, ',')) {
		cv_err_input(err, "remote \"%s\": several remotes are not supported", text);
		return cv_err_hint(err, "make a tunnel for each");
	}
	return cv_arg_addr("remote", text, &((struct cv_tunnel_conf *)conf)->remote, err);
}

static bool format_remote(const void *conf, FILE *out)
{
	cv_put_addr(out, &((const struct cv_tunnel_conf *)conf)->remote);
	return true;
}

static int parse_key(void *conf, const char *text, struct cv_err *err)
{
	struct cv_tunnel_conf *tunnel = conf;

	tunnel->has_key = true;
	return cv_arg_number("key", text, 0, UINT32_MAX, &tunnel->key, err);
}

static bool format_key(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->has_key)
		fprintf(out, "%u", tunnel->key);
	return tunnel->has_key;
}

static int parse_ttl(void *conf, const char *text, struct cv_err *err)
{
	struct cv_tunnel_conf *tunnel = conf;
	uint32_t ttl = 0;
	int rc = 0;

	tunnel->ttl_from = strcmp(text, "inherit") ? CV_FIXED : CV_INHERIT;
	if (tunnel->ttl_from == CV_FIXED)
		rc = cv_arg_number("ttl", text, 1, UINT8_MAX, &ttl, err);
	tunnel->ttl = ttl;
	return rc;
}

static bool format_ttl(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->ttl_from == CV_INHERIT)
		fputs("inherit", out);
	else if (tunnel->ttl != CV_DEFAULT_TTL)
		fprintf(out, "%u", tunnel->ttl);
	else
		return false;
	return true;
}

static int parse_dscp(void *conf, const char *text, struct cv_err *err)
{
	struct cv_tunnel_conf *tunnel = conf;

	tunnel->dscp_from = strcmp(text, "inherit") ? CV_FIXED : CV_INHERIT;
	tunnel->dscp = 0;
	return tunnel->dscp_from == CV_FIXED ? cv_arg_dscp("dscp", text, &tunnel->dscp, err) : 0;
}

static bool format_dscp(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->dscp_from == CV_FIXED)
		fprintf(out, "%u", tunnel->dscp);
	return tunnel->dscp_from == CV_FIXED;
}

static int parse_ecn(void *conf, const char *text, struct cv_err *err)
{
	bool is_on;
	int rc = cv_arg_bool("ecn", text, &is_on, err);

	if (!rc)
		((struct cv_tunnel_conf *)conf)->ecn_off = !is_on;
	return rc;
}

static bool format_ecn(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->ecn_off)
		fputs("off", out);
	return tunnel->ecn_off;
}

static const char *const dfs[] = {
	[CV_DF_ON] = "on",
	[CV_DF_OFF] = "off",
	[CV_DF_INHERIT] = "inherit",
};

static int parse_df(void *conf, const char *text, struct cv_err *err)
{
	size_t index;
	int rc = cv_arg_choice("df", text, dfs, CV_COUNT(dfs), &index, err);

	if (!rc)
		((struct cv_tunnel_conf *)conf)->df = index;
	return rc;
}

static bool format_df(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->df != CV_DF_ON)
		fputs(dfs[tunnel->df], out);
	return tunnel->df != CV_DF_ON;
}

static int parse_mtu(void *conf, const char *text, struct cv_err *err)
{
	struct cv_tunnel_conf *tunnel = conf;

	tunnel->mtu_bytes = 0;
	return strcmp(text, "auto") ? cv_arg_number("mtu", text, 68, 65535, &tunnel->mtu_bytes, err)
				    : 0;
}

static bool format_mtu(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->mtu_bytes)
		fprintf(out, "%u", tunnel->mtu_bytes);
	return tunnel->mtu_bytes;
}

static int parse_allow(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_prefixes("allow", text, &((struct cv_tunnel_conf *)conf)->allow, err);
}

static bool format_allow(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	cv_put_prefixes(out, &tunnel->allow);
	return tunnel->allow.count;
}

static const struct cv_word words[] = {
	{ .name = "mode",
	  .value = "gre|ipip",
	  .help = "what is put around a packet; IPv4 and IPv6, outside and inside",
	  .parse = parse_mode,
	  .format = format_mode },
	{ .name = "local",
	  .value = "ADDR",
	  .help = "outer source: an address of this host",
	  .parse = parse_local,
	  .format = format_local },
	{ .name = "remote",
	  .value = "ADDR",
	  .help = "outer destination: the other end, and the only one that may send",
	  .is_list = true,
	  .parse = parse_remote,
	  .format = format_remote },
	{ .name = "key",
	  .value = "N",
	  .help = "GRE key, 32 bits",
	  .parse = parse_key,
	  .format = format_key },
	{ .name = "ttl",
	  .value = "N|inherit",
	  .help = "of the outer header (64)",
	  .parse = parse_ttl,
	  .format = format_ttl },
	{ .name = "dscp",
	  .value = "N|inherit",
	  .help = "of the outer header (inherit)",
	  .parse = parse_dscp,
	  .format = format_dscp },
	{ .name = "ecn",
	  .value = "on|off",
	  .help = "RFC 6040 in both directions (on)",
	  .parse = parse_ecn,
	  .format = format_ecn },
	{ .name = "df",
	  .value = "on|off|inherit",
	  .help = "do-not-fragment of an outer IPv4 header (on)",
	  .parse = parse_df,
	  .format = format_df },
	{ .name = "mtu",
	  .value = "N|auto",
	  .help = "largest inner packet (auto: what the underlay leaves)",
	  .parse = parse_mtu,
	  .format = format_mtu },
	{ .name = "allow",
	  .value = "PREFIX[,...]",
	  .help = "inner sources accepted from the remote (any)",
	  .is_list = true,
	  .parse = parse_allow,
	  .format = format_allow },
};

static void init(void *conf)
{
	*(struct cv_tunnel_conf *)conf = (struct cv_tunnel_conf){
		.ttl_from = CV_FIXED,
		.ttl = CV_DEFAULT_TTL,
		.dscp_from = CV_INHERIT,
	};
}

CV_NOUN_NAMED(tunnel)
CV_NOUN_ACCESS(tunnel, tunnels, tunnel_count)

static bool find_user(const struct cv_state *state, const void *conf, char *buf, size_t size)
{
	const struct cv_tunnel_conf *tunnel = conf;
	char to[CV_PREFIX_TEXT];

	for (size_t i = 0; i < state->route_count; i++)
		if (!strcmp(state->routes[i].tunnel, tunnel->name)) {
			snprintf(buf, size, "route %s", cv_prefix_format(&state->routes[i].to, to));
			return true;
		}
	for (size_t i = 0; i < state->rule_count; i++)
		if (!strcmp(state->rules[i].match.tunnel, tunnel->name)) {
			snprintf(buf, size, "rule %s", state->rules[i].name);
			return true;
		}
	return false;
}

static void json_drops(struct cv_json *json, const struct cv_drops *drops)
{
	cv_json_open_object(json, "drops");
	for (size_t i = 0; i < drops->count; i++)
		cv_json_number(json, drops->items[i].reason, drops->items[i].packets);
	cv_json_close(json);
}

static void show_json(const struct cv_session *session, const struct cv_tunnel_info *infos,
		      size_t n)
{
	struct cv_json json;
	char addr[CV_PREFIX_TEXT];

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct cv_tunnel_conf *conf = &session->applied.tunnels[i];

		if (!cv_session_shows(session, infos[i].name))
			continue;
		cv_json_open_object(&json, NULL);
		cv_json_string(&json, "name", infos[i].name);
		cv_json_number(&json, "id", infos[i].id);
		cv_json_string(&json, "mode", modes[conf->mode]);
		cv_json_string(&json, "local", cv_addr_format(&conf->local, addr));
		cv_json_open_array(&json, "remote");
		cv_json_string(&json, NULL, cv_addr_format(&conf->remote, addr));
		cv_json_close(&json);
		if (conf->has_key)
			cv_json_number(&json, "key", conf->key);
		else
			cv_json_null(&json, "key");
		cv_json_number(&json, "mtu", infos[i].mtu_bytes);
		cv_json_number(&json, "tx_packets", infos[i].tx_packets);
		cv_json_number(&json, "tx_bytes", infos[i].tx_bytes);
		cv_json_number(&json, "rx_packets", infos[i].rx_packets);
		cv_json_number(&json, "rx_bytes", infos[i].rx_bytes);
		json_drops(&json, &infos[i].drops);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static int add_row(struct cv_table *table, const struct cv_tunnel_conf *conf,
		   const struct cv_tunnel_info *info)
{
	char local[CV_PREFIX_TEXT], remote[CV_PREFIX_TEXT], key[16], mtu[16];
	char tx[48], rx[48], drops[24];
	uint64_t dropped = 0;
	const char *cells[] = { info->name,
				modes[conf->mode],
				cv_addr_format(&conf->local, local),
				cv_addr_format(&conf->remote, remote),
				conf->has_key ? key : NULL,
				mtu,
				tx,
				rx,
				drops };

	for (size_t i = 0; i < info->drops.count; i++)
		dropped += info->drops.items[i].packets;
	snprintf(key, sizeof(key), "%u", conf->key);
	snprintf(mtu, sizeof(mtu), "%u", info->mtu_bytes);
	snprintf(tx, sizeof(tx), "%llu/%llu", (unsigned long long)info->tx_packets,
		 (unsigned long long)info->tx_bytes);
	snprintf(rx, sizeof(rx), "%llu/%llu", (unsigned long long)info->rx_packets,
		 (unsigned long long)info->rx_bytes);
	snprintf(drops, sizeof(drops), "%llu", (unsigned long long)dropped);
	return cv_table_row(table, cells);
}

static void show_reasons(const struct cv_session *session, const struct cv_tunnel_info *infos,
			 size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < infos[i].drops.count; j++)
			if (cv_session_shows(session, infos[i].name))
				fprintf(session->out, "%s: %llu %s: %s\n", infos[i].name,
					(unsigned long long)infos[i].drops.items[j].packets,
					infos[i].drops.items[j].reason,
					infos[i].drops.items[j].text);
}

static int show_text(const struct cv_session *session, const struct cv_tunnel_info *infos, size_t n)
{
	static const char *const headers[] = { "TUNNEL",	"MODE",		 "LOCAL",
					       "REMOTE",	"KEY",		 "MTU",
					       "TX PKTS/BYTES", "RX PKTS/BYTES", "REFUSED" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, CV_COUNT(headers));

	for (size_t i = 0; !rc && i < n; i++)
		if (cv_session_shows(session, infos[i].name))
			rc = add_row(table, &session->applied.tunnels[i], &infos[i]);
	if (!rc)
		cv_table_print(table, session->out);
	return rc;
}

static int show(struct cv_session *session, struct cv_err *err)
{
	CV_FREE struct cv_tunnel_info *infos = NULL;
	size_t n;
	int rc = cv_tunnel_list(session->inst, &session->applied, &infos, &n, err);

	if (rc)
		return rc;
	if (session->is_json) {
		show_json(session, infos, n);
		return 0;
	}
	rc = show_text(session, infos, n);
	if (!rc && session->has_stats)
		show_reasons(session, infos, n);
	return rc;
}

const struct cv_noun cv_noun_tunnel = {
	.name = "tunnel",
	.section = "tunnels",
	.key = "NAME",
	.help = "tunnels to one remote each",
	.has_replace = true,
	.groups = { { CV_WORDS_OF(words) } },
	.group_count = 1,
	.conf_size = sizeof(struct cv_tunnel_conf),
	.place_offset = offsetof(struct cv_tunnel_conf, place),
	.init = init,
	.set_key = set_key,
	.put_key = put_key,
	.fini = fini,
	.add = add,
	.find = find,
	.del = del,
	.find_user = find_user,
	.count = count,
	.at = at,
	.show = show,
};
