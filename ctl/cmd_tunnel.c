/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "tunnel". */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

#define CV_DEFAULT_TTL 64
#define CV_WEIGHT_MAX 1000
#define CV_OVERLAP_MAX 86400
/* What SRv6 tunnels do, in the terms of RFC 8986, and where. */
#define CV_SRV6_ENCAP "H.Encaps, lwt xmit"
#define CV_SRV6_DECAP "End.DT46, clsact ingress"
#define CV_MSS_MIN 88 /* the least that Linux keeps: TCP_MIN_MSS */
#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static int parse_mode(void *conf, const char *text, struct cv_err *err)
{
	size_t index;
	int rc = cv_arg_choice("mode", text, cv_tunnel_mode_names + 1, CV_TUNNEL_MODE_COUNT - 1,
			       &index, err);

	if (!rc)
		((struct cv_tunnel_conf *)conf)->mode = index + 1;
	return rc;
}

static bool format_mode(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->mode)
		fputs(cv_tunnel_mode_names[tunnel->mode], out);
	return tunnel->mode;
}

static int parse_local(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("local", text, &((struct cv_tunnel_conf *)conf)->local, err);
}

static bool format_local(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->local.family)
		cv_put_addr(out, &tunnel->local);
	return tunnel->local.family;
}

static int parse_remote(void *conf, const char *text, struct cv_err *err)
{
	struct cv_tunnel_conf *tunnel = conf;

	tunnel->has_peers = !strcmp(text, "peers");
	return tunnel->has_peers ? 0 : cv_arg_addrs("remote", text, &tunnel->remotes, err);
}

static bool format_remote(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->has_peers)
		fputs("peers", out);
	else
		cv_put_addrs(out, &tunnel->remotes);
	return tunnel->has_peers || tunnel->remotes.count;
}

static int parse_weight(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_numbers("weight", text, 1, CV_WEIGHT_MAX,
			      &((struct cv_tunnel_conf *)conf)->weights, err);
}

static bool format_weight(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	cv_put_numbers(out, &tunnel->weights);
	return tunnel->weights.count;
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

static int parse_vni(void *conf, const char *text, struct cv_err *err)
{
	struct cv_tunnel_conf *tunnel = conf;

	tunnel->has_vni = true;
	return cv_arg_number("vni", text, 0, CV_VNI_MAX, &tunnel->vni, err);
}

static bool format_vni(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->has_vni)
		fprintf(out, "%u", tunnel->vni);
	return tunnel->has_vni;
}

static int parse_overlap(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("overlap", text, 0, CV_OVERLAP_MAX,
			     &((struct cv_tunnel_conf *)conf)->overlap_seconds, err);
}

static bool format_overlap(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->overlap_seconds)
		fprintf(out, "%u", tunnel->overlap_seconds);
	return tunnel->overlap_seconds;
}

static int parse_dport(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("dport", text, 1, UINT16_MAX, &((struct cv_tunnel_conf *)conf)->dport,
			     err);
}

static bool format_dport(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->dport)
		fprintf(out, "%u", tunnel->dport);
	return tunnel->dport;
}

static int parse_variant(void *conf, const char *text, struct cv_err *err)
{
	struct cv_tunnel_conf *tunnel = conf;

	tunnel->has_variant = true;
	return cv_arg_number("variant", text, 0, 1, &tunnel->variant, err);
}

static bool format_variant(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->has_variant)
		fprintf(out, "%u", tunnel->variant);
	return tunnel->has_variant;
}

static int parse_inner_smac(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_mac("inner-smac", text, &((struct cv_tunnel_conf *)conf)->inner_smac, err);
}

static bool format_inner_smac(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->inner_smac.is_given)
		cv_put_mac(out, &tunnel->inner_smac);
	return tunnel->inner_smac.is_given;
}

static int parse_inner_dmac(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_mac("inner-dmac", text, &((struct cv_tunnel_conf *)conf)->inner_dmac, err);
}

static bool format_inner_dmac(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->inner_dmac.is_given)
		cv_put_mac(out, &tunnel->inner_dmac);
	return tunnel->inner_dmac.is_given;
}

static int parse_segments(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addrs("segments", text, &((struct cv_tunnel_conf *)conf)->segments, err);
}

static bool format_segments(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	cv_put_addrs(out, &tunnel->segments);
	return tunnel->segments.count;
}

static int parse_sid(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("sid", text, &((struct cv_tunnel_conf *)conf)->sid, err);
}

static bool format_sid(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->sid.family)
		cv_put_addr(out, &tunnel->sid);
	return tunnel->sid.family;
}

static int parse_mss(void *conf, const char *text, struct cv_err *err)
{
	struct cv_tunnel_conf *tunnel = conf;

	tunnel->mss_from = !strcmp(text, "off")	   ? CV_MSS_OFF
			   : !strcmp(text, "auto") ? CV_MSS_AUTO
						   : CV_MSS_FIXED;
	tunnel->mss_bytes = 0;
	if (tunnel->mss_from != CV_MSS_FIXED)
		return 0;
	return cv_arg_number("mss", text, CV_MSS_MIN, UINT16_MAX, &tunnel->mss_bytes, err);
}

static bool format_mss(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->mss_from == CV_MSS_AUTO)
		fputs("auto", out);
	else if (tunnel->mss_from == CV_MSS_FIXED)
		fprintf(out, "%u", tunnel->mss_bytes);
	return tunnel->mss_from != CV_MSS_OFF;
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

	tunnel->dscp_from = !strcmp(text, "inherit")   ? CV_INHERIT
			    : !strcmp(text, "uniform") ? CV_UNIFORM
						       : CV_FIXED;
	tunnel->dscp = 0;
	return tunnel->dscp_from == CV_FIXED ? cv_arg_dscp("dscp", text, &tunnel->dscp, err) : 0;
}

static bool format_dscp(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->dscp_from == CV_FIXED)
		fprintf(out, "%u", tunnel->dscp);
	else if (tunnel->dscp_from == CV_UNIFORM)
		fputs("uniform", out);
	return tunnel->dscp_from != CV_INHERIT;
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

static int parse_probe(void *conf, const char *text, struct cv_err *err)
{
	bool is_on;
	int rc = cv_arg_bool("probe", text, &is_on, err);

	if (!rc)
		((struct cv_tunnel_conf *)conf)->probe_off = !is_on;
	return rc;
}

static bool format_probe(const void *conf, FILE *out)
{
	const struct cv_tunnel_conf *tunnel = conf;

	if (tunnel->probe_off)
		fputs("off", out);
	return tunnel->probe_off;
}

static const struct cv_word words[] = {
	{ .name = "mode",
	  .is_required = true,
	  .value = "ipip|gre|gue|fou|vxlan|geneve|srv6",
	  .help = "what is put around a packet; IPv4 and IPv6, outside (srv6: IPv6) and inside",
	  .parse = parse_mode,
	  .format = format_mode },
	{ .name = "local",
	  .is_required = true,
	  .value = "ADDR",
	  .help = "outer source: an address of this host",
	  .parse = parse_local,
	  .format = format_local },
	{ .name = "nonlocal",
	  .help = "local is no address of this host: the tunnel only sends",
	  .kind = &cv_kind_flag,
	  .offset = offsetof(struct cv_tunnel_conf, is_nonlocal) },
	{ .name = "remote",
	  .is_required = true,
	  .value = "ADDR[,...]|peers",
	  .help = "outer destination: the other end, and the only one that may send; each flow goes to one of several",
	  .is_list = true,
	  .parse = parse_remote,
	  .format = format_remote },
	{ .name = "weight",
	  .value = "N[,...]",
	  .help = "how much each remote counts, in their order (1 each)",
	  .is_list = true,
	  .parse = parse_weight,
	  .format = format_weight },
	{ .name = "key",
	  .value = "N",
	  .help = "GRE key, 32 bits",
	  .parse = parse_key,
	  .format = format_key },
	{ .name = "vni",
	  .value = "N",
	  .help = "VXLAN or Geneve network, 24 bits",
	  .parse = parse_vni,
	  .format = format_vni },
	{ .name = "overlap",
	  .value = "SECONDS",
	  .help = "after a change of key or vni both are accepted so long, and the old one is sent for the first half of it (0)",
	  .parse = parse_overlap,
	  .format = format_overlap },
	{ .name = "dport",
	  .value = "N",
	  .help = "UDP port (gue 6080, fou 5555, vxlan 4789, geneve 6081)",
	  .parse = parse_dport,
	  .format = format_dport },
	{ .name = "variant",
	  .value = "0|1",
	  .help = "GUE: with its header, or the IP packet right behind UDP (0)",
	  .parse = parse_variant,
	  .format = format_variant },
	{ .name = "inner-smac",
	  .value = "MAC",
	  .help = "source of the inner Ethernet header (made from local)",
	  .parse = parse_inner_smac,
	  .format = format_inner_smac },
	{ .name = "inner-dmac",
	  .value = "MAC",
	  .help = "its destination (made from remote)",
	  .parse = parse_inner_dmac,
	  .format = format_inner_dmac },
	{ .name = "segments",
	  .value = "ADDR[,...]",
	  .help = "SRv6: where a packet goes through, the end last (remote)",
	  .is_list = true,
	  .parse = parse_segments,
	  .format = format_segments },
	{ .name = "sid",
	  .value = "ADDR",
	  .help = "SRv6: where packets of the remote arrive here (local)",
	  .parse = parse_sid,
	  .format = format_sid },
	{ .name = "ttl",
	  .value = "N|inherit",
	  .help = "of the outer header (64)",
	  .parse = parse_ttl,
	  .format = format_ttl },
	{ .name = "dscp",
	  .value = "N|inherit|uniform",
	  .help = "of the outer header; uniform: copied inwards on arrival too (inherit)",
	  .choice = cv_choice_dscp,
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
	{ .name = "mss",
	  .value = "auto|N|off",
	  .help = "largest TCP segment let through in a SYN, both ways (off)",
	  .parse = parse_mss,
	  .format = format_mss },
	{ .name = "allow",
	  .value = "PREFIX[,...]",
	  .help = "inner sources accepted from the remote (any)",
	  .is_list = true,
	  .parse = parse_allow,
	  .format = format_allow },
	{ .name = "probe",
	  .value = "on|off",
	  .help = "answer the other end's 'tunnel check' (on)",
	  .parse = parse_probe,
	  .format = format_probe },
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
		if (cv_route_conf_uses(&state->routes[i], tunnel->name)) {
			snprintf(buf, size, "route %s", cv_prefix_format(&state->routes[i].to, to));
			return true;
		}
	for (size_t i = 0; i < state->peer_count; i++)
		if (!strcmp(state->peers[i].tunnel, tunnel->name)) {
			snprintf(buf, size, "peer %s", cv_prefix_format(&state->peers[i].to, to));
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

static void json_addrs(struct cv_json *json, const char *key, const struct cv_addrs *addrs)
{
	char addr[CV_PREFIX_TEXT];

	cv_json_open_array(json, key);
	for (size_t i = 0; i < addrs->count; i++)
		cv_json_string(json, NULL, cv_addr_format(&addrs->items[i], addr));
	cv_json_close(json);
}

/* What only some modes have. The key is always there. */
static void json_parameters(struct cv_json *json, const struct cv_tunnel_conf *conf)
{
	struct cv_mac source, destination;
	char addr[CV_PREFIX_TEXT];

	if (conf->has_key)
		cv_json_number(json, "key", conf->key);
	else
		cv_json_null(json, "key");
	if (conf->has_vni)
		cv_json_number(json, "vni", conf->vni);
	if (cv_tunnel_conf_port(conf))
		cv_json_number(json, "dport", cv_tunnel_conf_port(conf));
	if (conf->mode == CV_TUNNEL_MODE_GUE)
		cv_json_number(json, "variant", conf->variant);
	if (cv_tunnel_mode_has_ethernet(conf->mode)) {
		cv_tunnel_conf_macs(conf, &source, &destination);
		cv_json_string(json, "inner_smac", cv_mac_format(&source, addr));
		cv_json_string(json, "inner_dmac", cv_mac_format(&destination, addr));
	}
	if (conf->mode != CV_TUNNEL_MODE_SRV6)
		return;
	json_addrs(json, "segments", conf->segments.count ? &conf->segments : &conf->remotes);
	cv_json_string(json, "sid",
		       cv_addr_format(conf->sid.family ? &conf->sid : &conf->local, addr));
	cv_json_string(json, "encap", CV_SRV6_ENCAP);
	cv_json_string(json, "decap", CV_SRV6_DECAP);
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
		cv_json_string(&json, "mode", cv_tunnel_mode_names[conf->mode]);
		cv_json_string(&json, "local", cv_addr_format(&conf->local, addr));
		json_addrs(&json, "remote", &conf->remotes);
		json_parameters(&json, conf);
		cv_json_number(&json, "mtu", infos[i].mtu_bytes);
		if (infos[i].path_mtu_bytes)
			cv_json_number(&json, "path_mtu", infos[i].path_mtu_bytes);
		else
			cv_json_null(&json, "path_mtu");
		cv_json_number(&json, "tx_packets", infos[i].tx_packets);
		cv_json_number(&json, "tx_bytes", infos[i].tx_bytes);
		cv_json_number(&json, "rx_packets", infos[i].rx_packets);
		cv_json_number(&json, "rx_bytes", infos[i].rx_bytes);
		cv_json_number(&json, "tx_segments", infos[i].tx_segments);
		cv_json_number(&json, "probes", infos[i].probes);
		json_drops(&json, &infos[i].drops);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

/* The first remote, and how many more there are. */
static void put_remote(const struct cv_tunnel_conf *conf, char *buf, size_t size)
{
	char addr[CV_PREFIX_TEXT];

	if (conf->has_peers)
		snprintf(buf, size, "peers");
	else if (conf->remotes.count > 1)
		snprintf(buf, size, "%s +%zu", cv_addr_format(&conf->remotes.items[0], addr),
			 conf->remotes.count - 1);
	else
		snprintf(buf, size, "%s", cv_addr_format(&conf->remotes.items[0], addr));
}

static int add_row(struct cv_table *table, const struct cv_tunnel_conf *conf,
		   const struct cv_tunnel_info *info)
{
	char local[CV_PREFIX_TEXT], remote[CV_PREFIX_TEXT + 16], key[16], mtu[32];
	char tx[48], rx[48], drops[24];
	uint64_t dropped = 0;
	const char *cells[] = { info->name,
				cv_tunnel_mode_names[conf->mode],
				cv_addr_format(&conf->local, local),
				remote,
				conf->has_key || conf->has_vni ? key : NULL,
				mtu,
				tx,
				rx,
				drops };

	for (size_t i = 0; i < info->drops.count; i++)
		dropped += info->drops.items[i].packets;
	put_remote(conf, remote, sizeof(remote));
	snprintf(key, sizeof(key), "%u", conf->has_vni ? conf->vni : conf->key);
	if (info->path_mtu_bytes)
		snprintf(mtu, sizeof(mtu), "%u (path %u)", info->mtu_bytes, info->path_mtu_bytes);
	else
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

/* What an SRv6 tunnel does with packets, a line each. */
static void show_behaviours(const struct cv_session *session, const struct cv_tunnel_conf *conf)
{
	if (conf->mode != CV_TUNNEL_MODE_SRV6 || !cv_session_shows(session, conf->name))
		return;
	fprintf(session->out, "%s: out: " CV_SRV6_ENCAP ", segments ", conf->name);
	cv_put_addrs(session->out, conf->segments.count ? &conf->segments : &conf->remotes);
	fprintf(session->out, "\n%s: in: " CV_SRV6_DECAP ", sid ", conf->name);
	cv_put_addr(session->out, conf->sid.family ? &conf->sid : &conf->local);
	fputc('\n', session->out);
}

static int show_text(const struct cv_session *session, const struct cv_tunnel_info *infos, size_t n)
{
	static const char *const headers[] = { "TUNNEL",	"MODE",		 "LOCAL",
					       "REMOTE",	"KEY/VNI",	 "MTU",
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
	for (size_t i = 0; !rc && i < n; i++)
		show_behaviours(session, &session->applied.tunnels[i]);
	if (!rc && session->has_stats)
		show_reasons(session, infos, n);
	return rc;
}

const struct cv_noun cv_noun_tunnel = {
	.name = "tunnel",
	.section = "tunnels",
	.key = "NAME",
	.help = "tunnels to one or more remotes",
	.has_replace = true,
	.groups = { CV_GROUP(CV_WORDS_OF(words)) },
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
	.verb = &cv_tunnel_check_verb,
};
