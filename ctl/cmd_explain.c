/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `explain`: what becomes of a packet that is given in words. */
#include <netinet/in.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "out.h"
#include "own.h"

#define CV_LEN_MIN 20
#define CV_LEN_MAX 65575 /* an IPv6 header and the longest payload */
#define CV_PID_MAX 4194304 /* PID_MAX_LIMIT of the kernel */
#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- words ---- */

static struct cv_packet_conf *packet_of(void *conf)
{
	return conf;
}

static int parse_dir(void *conf, const char *text, struct cv_err *err)
{
	static const char *const dirs[] = { "in", "out" };
	size_t index;
	int rc = cv_arg_choice("dir", text, dirs, CV_COUNT(dirs), &index, err);

	if (!rc)
		packet_of(conf)->dir = index ? CV_DIR_ONLY_OUT : CV_DIR_ONLY_IN;
	return rc;
}

static int parse_proto(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_proto("proto", text, &packet_of(conf)->proto, err);
}

static int parse_src(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("src", text, &packet_of(conf)->src, err);
}

static int parse_dst(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("dst", text, &packet_of(conf)->dst, err);
}

static int parse_port(const char *word, const char *text, uint16_t *out, struct cv_err *err)
{
	uint32_t port;
	int rc = cv_arg_number(word, text, 0, UINT16_MAX, &port, err);

	if (!rc)
		*out = (uint16_t)port;
	return rc;
}

static int parse_sport(void *conf, const char *text, struct cv_err *err)
{
	return parse_port("sport", text, &packet_of(conf)->sport, err);
}

static int parse_dport(void *conf, const char *text, struct cv_err *err)
{
	return parse_port("dport", text, &packet_of(conf)->dport, err);
}

static int parse_dev(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ifname("dev", text, packet_of(conf)->dev, err);
}

static int parse_mark(void *conf, const char *text, struct cv_err *err)
{
	packet_of(conf)->has_mark = true;
	return cv_arg_number("mark", text, 0, UINT32_MAX, &packet_of(conf)->mark, err);
}

static int parse_dscp(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_dscp("dscp", text, &packet_of(conf)->dscp, err);
}

static int parse_app(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("app", text, packet_of(conf)->app, err);
}

static int parse_pid(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("pid", text, 1, CV_PID_MAX, &packet_of(conf)->pid, err);
}

static int parse_len(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("len", text, CV_LEN_MIN, CV_LEN_MAX, &packet_of(conf)->len_bytes, err);
}

static int parse_ecn(void *conf, const char *text, struct cv_err *err)
{
	uint8_t bits = 0;
	int rc = cv_arg_ecns("ecn", text, &bits, err);

	if (!rc && bits & (bits - 1))
		return cv_err_input(err, "ecn \"%s\": a packet has one", text);
	while (!rc && (bits >>= 1))
		packet_of(conf)->ecn++;
	return rc;
}

static int parse_tcp_flags(void *conf, const char *text, struct cv_err *err)
{
	packet_of(conf)->has_tcp_flags = true;
	return cv_arg_tcp_flag_set("tcp-flags", text, &packet_of(conf)->tcp_flags, err);
}

static int parse_icmp_type(void *conf, const char *text, struct cv_err *err)
{
	struct cv_packet_conf *packet = packet_of(conf);

	packet->has_icmp = true;
	return cv_arg_icmp_type("icmp-type", text, &packet->icmp_type, &packet->icmp_name, err);
}

static int parse_icmp_code(void *conf, const char *text, struct cv_err *err)
{
	uint32_t code = 0;
	int rc = cv_arg_number("icmp-code", text, 0, UINT8_MAX, &code, err);

	packet_of(conf)->has_icmp = true;
	packet_of(conf)->icmp_code = code;
	return rc;
}

static int parse_fragment(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_bool("fragment", text, &packet_of(conf)->is_fragment, err);
}

static int parse_vlan(void *conf, const char *text, struct cv_err *err)
{
	uint32_t vlan = 0;
	int rc = cv_arg_number("vlan", text, 0, CV_VLAN_MAX, &vlan, err);

	packet_of(conf)->has_vlan = true;
	packet_of(conf)->vlan = vlan;
	return rc;
}

static int parse_flow_label(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("flow-label", text, 0, CV_FLOW_LABEL_MAX, &packet_of(conf)->flow_label,
			     err);
}

static int parse_tunnel(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("tunnel", text, packet_of(conf)->tunnel, err);
}

static const struct cv_word words[] = {
	{ .name = "dir",
	  .value = "in|out",
	  .help = "arriving or leaving (out)",
	  .parse = parse_dir },
	{ .name = "proto", .value = "NAME|N", .help = "IP protocol", .parse = parse_proto },
	{ .name = "src", .value = "ADDR", .help = "source address", .parse = parse_src },
	{ .name = "dst", .value = "ADDR", .help = "destination address", .parse = parse_dst },
	{ .name = "sport", .value = "N", .help = "source port; needs proto", .parse = parse_sport },
	{ .name = "dport",
	  .value = "N",
	  .help = "destination port; needs proto",
	  .parse = parse_dport },
	{ .name = "dev",
	  .value = "IFNAME",
	  .help = "device that it arrives by, or that its socket is bound to",
	  .parse = parse_dev },
	{ .name = "mark", .value = "V", .help = "packet mark (its socket's)", .parse = parse_mark },
	{ .name = "dscp",
	  .value = "N",
	  .help = "DSCP, 0 to 63 or cs1, af21, ef, ...",
	  .parse = parse_dscp },
	{ .name = "app",
	  .value = "NAME",
	  .help = "its owner (whose socket it is)",
	  .parse = parse_app },
	{ .name = "pid",
	  .value = "N",
	  .help = "its socket is one of this process",
	  .parse = parse_pid },
	{ .name = "len", .value = "N", .help = "length of the IP packet", .parse = parse_len },
	{ .name = "ecn",
	  .value = "CODEPOINT",
	  .help = "not-ect, ect0, ect1, ce",
	  .parse = parse_ecn },
	{ .name = "tcp-flags",
	  .value = "SET",
	  .help = "as syn+ack; without it no rule that asks for flags applies",
	  .parse = parse_tcp_flags },
	{ .name = "icmp-type",
	  .value = "NAME|N",
	  .help = "echo-request, ...",
	  .parse = parse_icmp_type },
	{ .name = "icmp-code", .value = "N", .help = "of ICMP", .parse = parse_icmp_code },
	{ .name = "fragment",
	  .value = "yes|no",
	  .help = "a fragment, the first included",
	  .parse = parse_fragment },
	{ .name = "vlan", .value = "N", .help = "id of its outermost tag", .parse = parse_vlan },
	{ .name = "flow-label", .value = "N", .help = "of IPv6", .parse = parse_flow_label },
	{ .name = "tunnel",
	  .value = "NAME",
	  .help = "it was taken out of this tunnel",
	  .parse = parse_tunnel },
};

const struct cv_group cv_explain_words = { CV_WORDS_OF(words) };

/* A packet is no object, but its words are words as those of objects are. */
static const struct cv_noun packet_noun = {
	.name = "explain",
	.groups = { CV_GROUP(CV_WORDS_OF(words)) },
	.group_count = 1,
};

static int check_packet(const struct cv_packet_conf *packet, struct cv_err *err)
{
	if (!packet->src.family || !packet->dst.family) {
		cv_err_input(err, "%s: not given", packet->src.family ? "dst" : "src");
		return cv_err_hint(err,
				   "a packet has a source and a destination: src ADDR dst ADDR");
	}
	if (packet->src.family != packet->dst.family)
		return cv_err_input(err, "src and dst are of two families");
	if ((packet->sport || packet->dport) && !packet->proto) {
		cv_err_input(err, "%s: ports without proto", packet->sport ? "sport" : "dport");
		return cv_err_hint(err, "proto tcp or proto udp");
	}
	if (packet->has_tcp_flags && packet->proto != IPPROTO_TCP) {
		cv_err_input(err, "tcp-flags: of another protocol");
		return cv_err_hint(err, "proto tcp");
	}
	if (packet->has_icmp &&
	    packet->proto != (packet->src.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		cv_err_input(err, "icmp-type, icmp-code: of another protocol");
		return cv_err_hint(err, "proto %s", packet->src.family == 4 ? "icmp" : "icmpv6");
	}
	if (packet->flow_label && packet->src.family != 6)
		return cv_err_input(err, "flow-label: IPv4 has none");
	if (packet->tunnel[0] && packet->dir != CV_DIR_ONLY_IN) {
		cv_err_input(err, "tunnel %s: only what arrives comes out of one", packet->tunnel);
		return cv_err_hint(err, "dir in");
	}
	if (packet->app[0] && packet->pid)
		return cv_err_input(err, "app and pid: both say whose it is");
	return 0;
}

static int parse(int argc, char **argv, struct cv_packet_conf *packet, struct cv_err *err)
{
	int rc = cv_words_from_args(&packet_noun, packet, argc, argv, err);

	if (!rc)
		rc = check_packet(packet, err);
	if (!rc && packet->icmp_name)
		rc = cv_icmp_type("icmp-type", packet->proto, packet->icmp_name, &packet->icmp_type,
				  err);
	return rc ? cv_err_prefix(err, "explain") : 0;
}

/* ---- JSON ---- */

static const char *const verdicts[] = {
	[CV_NEXT] = "next", [CV_ACCEPT] = "accept", [CV_DROP] = "drop"
};

/* The last place where a rule applied speaks for all. */
static const struct cv_explained_rule *last_rule(const struct cv_explanation *explanation)
{
	const struct cv_explained_rule *const places[] = {
		&explanation->egress,
		&explanation->encap,
		&explanation->ingress,
	};

	for (size_t i = 0; i < CV_COUNT(places); i++)
		if (places[i]->name[0])
			return places[i];
	return NULL;
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void json_addr(struct cv_json *json, const char *key, const struct cv_addr *addr)
{
	char text[CV_PREFIX_TEXT];

	cv_json_string(json, key, addr->family ? cv_addr_format(addr, text) : NULL);
}

static void json_route(struct cv_json *json, const struct cv_explained_route *route)
{
	char to[CV_PREFIX_TEXT];

	if (!route->is_there) {
		cv_json_null(json, "route");
		return;
	}
	cv_json_open_object(json, "route");
	cv_json_string(json, "to", cv_prefix_format(&route->to, to));
	cv_json_number(json, "table", route->table);
	cv_json_number(json, "metric", route->metric);
	cv_json_number(json, "mark", route->mark);
	if (route->has_rule)
		cv_json_number(json, "ip_rule", route->rule_prio);
	else
		cv_json_null(json, "ip_rule");
	json_addr(json, "via", &route->via);
	cv_json_string(json, "dev", route->dev);
	cv_json_number(json, "mtu", route->mtu_bytes);
	cv_json_bool(json, "local", route->is_local);
	cv_json_bool(json, "guard", route->has_guard);
	cv_json_close(json);
}

static void json_outer(struct cv_json *json, const struct cv_explained_outer *outer)
{
	if (!outer->is_there) {
		cv_json_null(json, "outer");
		return;
	}
	cv_json_open_object(json, "outer");
	cv_json_string(json, "mode", cv_tunnel_mode_names[outer->mode]);
	json_addr(json, "local", &outer->local);
	cv_json_open_array(json, "remote");
	for (size_t i = 0; i < outer->remote_count; i++)
		json_addr(json, NULL, &outer->remotes[i]);
	cv_json_close(json);
	cv_json_number(json, "proto", outer->proto);
	if (outer->dport)
		cv_json_number(json, "dport", outer->dport);
	if (outer->has_key)
		cv_json_number(json, "key", outer->key);
	if (outer->is_ttl_inherited)
		cv_json_string(json, "ttl", "inherit");
	else
		cv_json_number(json, "ttl", outer->ttl);
	cv_json_number(json, "dscp", outer->dscp);
	json_route(json, &outer->route);
	cv_json_close(json);
}

static void json_rule(struct cv_json *json, const char *key, const struct cv_explained_rule *rule)
{
	if (!rule->is_asked) {
		cv_json_null(json, key);
		return;
	}
	cv_json_open_object(json, key);
	cv_json_string(json, "rule", or_null(rule->name));
	cv_json_string(json, "verdict", verdicts[rule->verdict]);
	cv_json_close(json);
}

static void json_drop(struct cv_json *json, const struct cv_explanation *explanation)
{
	if (!explanation->drop_reason) {
		cv_json_null(json, "drop");
		return;
	}
	cv_json_open_object(json, "drop");
	cv_json_string(json, "reason", explanation->drop_reason);
	cv_json_string(json, "where", explanation->drop_where);
	cv_json_string(json, "text", explanation->drop_text);
	cv_json_close(json);
}

static void json_owner(struct cv_json *json, const struct cv_explained_owner *owner)
{
	cv_json_string(json, "app", or_null(owner->app));
	cv_json_string(json, "owner_source", owner->source);
	cv_json_bool(json, "exact", owner->is_exact);
	cv_json_bool(json, "socket", owner->has_socket);
	if (owner->pid)
		cv_json_number(json, "pid", owner->pid);
	else
		cv_json_null(json, "pid");
}

static void json_priority(struct cv_json *json, const struct cv_explanation *explanation)
{
	char text[16];

	snprintf(text, sizeof(text), "%x:%x", explanation->priority >> 16,
		 explanation->priority & 0xffff);
	cv_json_string(json, "priority", explanation->has_priority ? text : NULL);
}

static void show_json(FILE *out, const struct cv_explanation *explanation)
{
	const struct cv_explained_rule *rule = last_rule(explanation);
	struct cv_json json;

	cv_json_init(&json, out);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, "rule", rule ? rule->name : NULL);
	cv_json_string(&json, "verdict", verdicts[rule ? rule->verdict : CV_NEXT]);
	cv_json_number(&json, "mark", explanation->mark);
	cv_json_number(&json, "dscp", explanation->dscp);
	json_priority(&json, explanation);
	json_owner(&json, &explanation->owner);
	cv_json_bool(&json, "forwarded", explanation->is_forwarded);
	json_rule(&json, "ingress", &explanation->ingress);
	json_route(&json, &explanation->route);
	json_rule(&json, "encap", &explanation->encap);
	cv_json_string(&json, "tunnel", or_null(explanation->route.tunnel));
	json_outer(&json, &explanation->outer);
	json_rule(&json, "egress", &explanation->egress);
	if (explanation->route.is_there)
		cv_json_number(&json, "mtu", explanation->route.mtu_bytes);
	else
		cv_json_null(&json, "mtu");
	cv_json_bool(&json, "too_large", explanation->is_too_large);
	json_drop(&json, explanation);
	cv_json_close(&json);
	cv_json_end(&json);
}

/* ---- text ---- */

/* The route that the packet takes in the end. */
static const struct cv_explained_route *last_route(const struct cv_explanation *explanation)
{
	return explanation->outer.is_there ? &explanation->outer.route : &explanation->route;
}

/* One line of the story: what the packet meets, and what comes of it. */
static void begin(FILE *out, const char *place)
{
	fprintf(out, "%-8s ", place);
}

static void put_end(FILE *out, const struct cv_addr *addr, uint16_t port)
{
	cv_put_addr(out, addr);
	if (port)
		fprintf(out, addr->family == 6 ? " port %u" : ":%u", port);
}

static void tell_packet(FILE *out, const struct cv_packet_conf *packet)
{
	begin(out, packet->dir == CV_DIR_ONLY_IN ? "in" : "out");
	if (packet->proto) {
		cv_put_proto(out, packet->proto);
		fputc(' ', out);
	}
	put_end(out, &packet->src, packet->sport);
	fputs(" -> ", out);
	put_end(out, &packet->dst, packet->dport);
	if (packet->tunnel[0])
		fprintf(out, ", taken out of tunnel %s", packet->tunnel);
	if (packet->dev[0])
		fprintf(out, ", dev %s", packet->dev);
	fputc('\n', out);
}

static void tell_owner(FILE *out, const struct cv_explanation *explanation)
{
	const struct cv_explained_owner *owner = &explanation->owner;

	begin(out, "owner");
	if (!strcmp(owner->source, "given"))
		fprintf(out, "app %s, as given\n", owner->app);
	else if (!strcmp(owner->source, CV_EXPLAINED_UNKNOWN))
		fputs("not known, taken for none: to look for its socket needs CAP_BPF, CAP_NET_ADMIN and "
		      "CAP_PERFMON; 'app NAME' says whose it is\n",
		      out);
	else if (explanation->is_forwarded && !owner->has_socket)
		fputs("none: another host's packet\n", out);
	else if (!owner->has_socket)
		fputs("none: no socket with that tuple is open\n", out);
	else if (!owner->pid)
		fputs("none: no app has used its socket\n", out);
	else
		fprintf(out, "%s%s, known by %s%s, process %u\n", owner->app[0] ? "app " : "no app",
			owner->app, owner->source, owner->is_exact ? "" : " (not exact)",
			owner->pid);
}

static void tell_rule(FILE *out, const char *place, const struct cv_explained_rule *rule)
{
	if (!rule->is_asked)
		return;
	begin(out, place);
	if (rule->name[0])
		fprintf(out, "rule %s: %s\n", rule->name, verdicts[rule->verdict]);
	else
		fputs("no rule applies\n", out);
}

/* Where a packet leaves without being seen, that is said. */
static void tell_egress(FILE *out, const struct cv_explanation *explanation)
{
	const struct cv_explained_route *route = last_route(explanation);

	tell_rule(out, "egress", &explanation->egress);
	if (explanation->egress.is_asked || explanation->drop_reason || route->is_local)
		return;
	begin(out, "egress");
	fprintf(out, "no rule is asked: dev %s has no filter of culvert's\n", route->dev);
}

static void tell_route(FILE *out, const struct cv_explained_route *route)
{
	char to[CV_PREFIX_TEXT];

	if (!route->is_there)
		return;
	begin(out, "route");
	fprintf(out, "%s%s table %u", route->is_local ? "local " : "",
		cv_prefix_format(&route->to, to), route->table);
	if (route->has_rule)
		fprintf(out, " by ip rule %u", route->rule_prio);
	if (route->mark)
		fprintf(out, " for mark 0x%x", route->mark);
	if (route->tunnel[0])
		fprintf(out, " tunnel %s", route->tunnel);
	if (route->via.family) {
		fputs(" via ", out);
		cv_put_addr(out, &route->via);
	}
	fprintf(out, " dev %s mtu %u\n", route->dev, route->mtu_bytes);
}

static void tell_size(FILE *out, const struct cv_packet_conf *packet,
		      const struct cv_explanation *explanation)
{
	if (!packet->len_bytes || !explanation->route.is_there || explanation->drop_reason)
		return;
	begin(out, "size");
	fprintf(out, "%u bytes %s %u%s\n", packet->len_bytes,
		explanation->is_too_large ? "are more than" : "fit into",
		explanation->route.mtu_bytes, explanation->is_too_large ? ": sent in parts" : "");
}

static void tell_outer(FILE *out, const char *tunnel, const struct cv_explained_outer *outer)
{
	if (!outer->is_there)
		return;
	begin(out, "tunnel");
	fprintf(out, "%s: %s ", tunnel, cv_tunnel_mode_names[outer->mode]);
	cv_put_addr(out, &outer->local);
	fputs(" -> ", out);
	for (size_t i = 0; i < outer->remote_count; i++) {
		fputs(i ? "," : "", out);
		cv_put_addr(out, &outer->remotes[i]);
	}
	if (outer->remote_count > 1)
		fputs(" (by flow)", out);
	fputs(" proto ", out);
	cv_put_proto(out, outer->proto);
	if (outer->dport)
		fprintf(out, " dport %u", outer->dport);
	if (outer->has_key)
		fprintf(out, " key %u", outer->key);
	if (outer->is_ttl_inherited)
		fputs(" ttl as inside", out);
	else
		fprintf(out, " ttl %u", outer->ttl);
	fprintf(out, " dscp %u\n", outer->dscp);
	tell_route(out, &outer->route);
}

static void tell_end(FILE *out, const struct cv_explanation *explanation)
{
	const struct cv_explained_route *route = last_route(explanation);

	if (explanation->drop_reason) {
		begin(out, "dropped");
		fprintf(out, "at %s (%s): %s\n", explanation->drop_where, explanation->drop_reason,
			explanation->drop_text);
		return;
	}
	begin(out, route->is_local ? "arrives" : "leaves");
	if (route->is_local)
		fputs("on this host", out);
	else
		fprintf(out, "by %s", route->dev);
	fprintf(out, " with mark 0x%x, dscp %u", explanation->mark, explanation->dscp);
	if (explanation->has_priority)
		fprintf(out, ", priority %x:%x", explanation->priority >> 16,
			explanation->priority & 0xffff);
	fputc('\n', out);
}

static void show_text(FILE *out, const struct cv_packet_conf *packet,
		      const struct cv_explanation *explanation)
{
	tell_packet(out, packet);
	tell_owner(out, explanation);
	tell_rule(out, "ingress", &explanation->ingress);
	tell_route(out, &explanation->route);
	tell_size(out, packet, explanation);
	tell_rule(out, "inside", &explanation->encap);
	tell_outer(out, explanation->route.tunnel, &explanation->outer);
	tell_egress(out, explanation);
	tell_end(out, explanation);
}

/* ---- the verb ---- */

static int explain(struct cv_session *session, const void *arg, struct cv_err *err)
{
	const struct cv_packet_conf *packet = arg;
	struct cv_explanation explanation;
	int rc = cv_explain(session->inst, &session->applied, packet, &explanation, err);

	if (rc)
		return rc;
	if (session->is_json)
		show_json(session->out, &explanation);
	else
		show_text(session->out, packet, &explanation);
	return 0;
}

int cv_explain_run(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	struct cv_packet_conf packet = { .dir = CV_DIR_BOTH };
	int rc = parse(argc, argv, &packet, err);

	return rc ? rc : cv_session_read(session, explain, &packet, err);
}
