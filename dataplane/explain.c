/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of one packet, step by step in the order in which it would meet them. Each step reads
 * what the kernel has at that place: sockets, routes, pinned maps. Nothing is changed.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#include "compiler/oracle.h"
#include "map.h"
#include "own.h"
#include "peer.h"
#include "plan.h"
#include "remote.h"
#include "socket.h"

/* Ports of outer UDP packets come from the flow's hash; this stands for them where rules are asked. */
#define ENTROPY_PORT 49152
#define PORT_AT 2 /* of the destination port in a UDP header */
#define VNI_SHIFT 8
#define SOURCE_GIVEN CV_OWNER_SOURCE_COUNT /* the words say whose it is */

/* The packet on its way, and all that it may meet. */
struct explain {
	struct cv_instance *inst;
	const struct cv_packet_conf *conf;
	struct cv_explanation *out;
	struct cv_dev_info *devs; /* owned */
	size_t dev_count;
	struct cv_oracle_packet packet; /* as it is now: inner, then outer */
	struct cv_fib_answer way; /* of the packet as it is now */
	uint32_t bound_ifindex; /* of its socket */
	bool is_at_end; /* dropped, or delivered */
	struct cv_rules rules;
	struct cv_app_set apps;
	struct cv_tunnel tunnels[CV_MAX_TUNNELS];
	struct cv_guard guards[CV_MAX_GUARDS];
};

static void explain_free(struct explain **explain)
{
	if (*explain) {
		free((*explain)->devs);
		cv_rules_fini(&(*explain)->rules);
	}
	free(*explain);
}

static bool is_arriving(const struct explain *explain)
{
	return explain->conf->dir == CV_DIR_ONLY_IN;
}

/* ---- ends ---- */

__attribute__((format(printf, 4, 5))) static void end(struct explain *explain, const char *reason,
						      const char *text, const char *where, ...)
{
	struct cv_explanation *out = explain->out;
	va_list args;

	out->drop_reason = reason;
	out->drop_text = text;
	va_start(args, where);
	vsnprintf(out->drop_where, sizeof(out->drop_where), where, args);
	va_end(args);
	explain->is_at_end = true;
}

/* Ends where a program counts the reason. */
#define END(explain, reason, ...)                                                                  \
	end(explain, cv_reason_key(reason), cv_reason_text(reason), __VA_ARGS__)

/* ---- rules ---- */

static enum cv_verdict_conf verdict_of(const struct cv_rule *rule)
{
	switch (rule->verdict) {
	case CV_VERDICT_ACCEPT:
		return CV_ACCEPT;
	case CV_VERDICT_DROP:
		return CV_DROP;
	}
	return CV_NEXT; /* also of the last rule, if that says continue */
}

static void change(struct cv_oracle_packet *packet, const struct cv_rule *rule)
{
	if (rule->flags & CV_ACTION_MARK)
		packet->mark = (packet->mark & ~rule->mark_mask) | rule->mark;
	if (rule->flags & CV_ACTION_DSCP)
		packet->dscp = rule->dscp;
}

/* The rule behind the last one that the packet meets, if that said to go on; NULL: the search is over. */
static const struct cv_compiled_rule *next_rule(const struct explain *explain,
						const struct cv_oracle_packet *packet,
						enum cv_direction dir,
						const struct cv_compiled_rule *last)
{
	return last && last->rule.verdict != CV_VERDICT_CONTINUE
		       ? NULL
		       : cv_oracle_next(&explain->rules, packet, dir, last);
}

/* Ends if a rule dropped the packet. */
static void end_if_dropped(struct explain *explain, const struct cv_explained_rule *rule)
{
	if (rule->verdict == CV_DROP)
		END(explain, CV_R_RULE_DROP, "rule %s", rule->name);
}

/* Asks the rules of a direction and does what those say that apply; the last one is told. */
static void ask_rules(struct explain *explain, enum cv_direction dir, struct cv_explained_rule *out)
{
	const struct cv_compiled_rule *rule = next_rule(explain, &explain->packet, dir, NULL);

	out->is_asked = true;
	for (int i = 0; rule && i < CV_MAX_CONTINUES; i++) {
		memcpy(out->name, rule->rule.name, sizeof(out->name));
		out->verdict = verdict_of(&rule->rule);
		change(&explain->packet, &rule->rule);
		if (rule->rule.flags & CV_ACTION_PRIORITY) {
			explain->out->has_priority = true;
			explain->out->priority = rule->rule.priority;
		}
		rule = next_rule(explain, &explain->packet, dir, rule);
	}
	end_if_dropped(explain, out);
}

/* Before encapsulation only a drop counts: what rules change there is seen by those behind them alone. */
static void ask_drops(struct explain *explain, struct cv_explained_rule *out)
{
	struct cv_oracle_packet packet = explain->packet;
	const struct cv_compiled_rule *rule = next_rule(explain, &packet, CV_DIR_ENCAP, NULL);

	out->is_asked = true;
	for (int i = 0; rule && i < CV_MAX_CONTINUES; i++) {
		if (rule->rule.flags & CV_ACTION_UNSURE)
			return;
		if (rule->rule.verdict == CV_VERDICT_DROP) {
			memcpy(out->name, rule->rule.name, sizeof(out->name));
			out->verdict = CV_DROP;
		}
		change(&packet, &rule->rule);
		rule = next_rule(explain, &packet, CV_DIR_ENCAP, rule);
	}
	end_if_dropped(explain, out);
}

/* True if our filter is on that side of the device. */
static bool has_filter(const struct explain *explain, uint32_t ifindex, bool ingress)
{
	for (size_t i = 0; i < explain->dev_count; i++) {
		const struct cv_dev_info *dev = &explain->devs[i];

		if (dev->ifindex == ifindex && (ingress ? dev->ingress : dev->egress))
			return true;
	}
	return false;
}

/* ---- the owner ---- */

static const struct cv_app *app_of_id(const struct explain *explain, uint32_t id)
{
	for (uint32_t i = 0; i < explain->apps.count; i++)
		if (explain->apps.apps[i].id == id)
			return &explain->apps.apps[i];
	return NULL;
}

static const struct cv_app *app_of_name(const struct explain *explain, const char *name)
{
	for (uint32_t i = 0; i < explain->apps.count; i++)
		if (!strcmp(explain->apps.apps[i].name, name))
			return &explain->apps.apps[i];
	return NULL;
}

/* source: enum cv_owner_source, or SOURCE_GIVEN. */
static void set_app(struct explain *explain, const struct cv_app *app, uint32_t source)
{
	struct cv_explained_owner *owner = &explain->out->owner;
	bool is_given = source == SOURCE_GIVEN;

	owner->source = is_given ? "given" : cv_owner_source_name(source);
	owner->is_exact = is_given || CV_OWNER_IS_EXACT(source);
	explain->packet.is_exact = owner->is_exact;
	if (!app)
		return;
	memcpy(owner->app, app->name, sizeof(owner->app));
	explain->packet.app = app->id;
}

static int give_owner(struct explain *explain, struct cv_err *err)
{
	const char *name = explain->conf->app;
	const struct cv_app *app = app_of_name(explain, name);

	if (!app) {
		cv_err_set(err, -ENOENT, "app %s: there is none", name);
		return cv_err_hint(err, "'culvert app' shows those that are");
	}
	set_app(explain, app, SOURCE_GIVEN);
	if (!is_arriving(explain) && !explain->conf->has_mark)
		explain->packet.mark = app->mark;
	return 0;
}

/* The packet's socket, as this host has it: what the packet comes from, or goes to. */
static struct cv_socket_key socket_key(const struct explain *explain)
{
	const struct cv_oracle_packet *packet = &explain->packet;
	bool is_in = is_arriving(explain);
	struct cv_socket_key key = {
		.family = packet->family,
		.proto = packet->proto,
		.local_port = is_in ? packet->dport : packet->sport,
		.remote_port = is_in ? packet->sport : packet->dport,
		.pid = explain->conf->pid,
	};

	memcpy(key.local, is_in ? packet->dst : packet->src, sizeof(key.local));
	memcpy(key.remote, is_in ? packet->src : packet->dst, sizeof(key.remote));
	return key;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

static void set_proto(struct cv_oracle_packet *packet, uint8_t proto)
{
	packet->proto = proto;
	packet->has_ports = has_ports(proto);
}

static void take_socket(struct explain *explain, const struct cv_socket *socket)
{
	const struct cv_owner *record = &socket->owner;
	struct cv_explained_owner *owner = &explain->out->owner;
	uint32_t source = record->source;

	/* What leaves a listener is sent for a connection that has no socket yet. */
	if (socket->is_listener && !is_arriving(explain) && source != CV_OWNER_NONE)
		source = CV_OWNER_LISTEN;
	owner->has_socket = true;
	owner->pid = record->tgid;
	set_app(explain, app_of_id(explain, record->app), source);
	set_proto(&explain->packet, socket->proto);
	if (is_arriving(explain))
		return;
	/* What was not said of the packet is its socket's. */
	explain->bound_ifindex = socket->ifindex;
	if (!explain->conf->has_mark)
		explain->packet.mark = socket->mark;
}

static int find_owner(struct explain *explain, struct cv_err *err)
{
	struct cv_socket_key key = socket_key(explain);
	struct cv_socket socket;
	int rc;

	if (explain->conf->app[0])
		return give_owner(explain, err);
	set_app(explain, NULL, CV_OWNER_NONE);
	if (explain->out->is_forwarded)
		return 0;
	rc = cv_socket_find(explain->inst, &key, &socket, err);
	if (rc == -EPERM || rc == -EACCES)
		explain->out->owner.source = CV_EXPLAINED_UNKNOWN;
	if (rc)
		return rc == -ENOENT || rc == -EPERM || rc == -EACCES ? 0 : rc;
	take_socket(explain, &socket);
	return 0;
}

/* ---- routes ---- */

/* The first ip rule that leads the packet to the table, which the kernel does not report. */
struct rule_search {
	const struct explain *explain;
	const struct cv_addr *dst;
	struct cv_explained_route *route;
};

static int match_ip_rule(const struct cv_fib_rule *rule, void *arg, struct cv_err *err)
{
	struct rule_search *search = arg;
	struct cv_explained_route *route = search->route;
	uint32_t mark = search->explain->packet.mark;

	(void)err;
	if (route->has_rule || rule->table != route->table ||
	    (mark & rule->mark_mask) != rule->mark || !cv_prefix_contains(&rule->to, search->dst) ||
	    (rule->is_for_own && search->explain->out->is_forwarded) ||
	    (rule->iif[0] && strcmp(rule->iif, search->explain->conf->dev)))
		return 0;
	route->has_rule = true;
	route->rule_prio = rule->priority;
	return 0;
}

static int fill_route(struct explain *explain, const struct cv_addr *dst,
		      struct cv_explained_route *route, struct cv_err *err)
{
	const struct cv_fib_answer *way = &explain->way;
	struct rule_search search = { explain, dst, route };
	struct cv_program_name name;
	struct cv_link link;
	int rc = cv_link_by_index(explain->inst->nl, way->ifindex, &link, err);

	if (rc)
		return rc;
	*route = (struct cv_explained_route){
		.is_there = true,
		.is_local = way->is_local,
		.to = way->route.to,
		.table = way->route.table,
		.metric = way->route.metric,
		.mark = explain->packet.mark,
		.via = way->via,
		.mtu_bytes = way->mtu_bytes,
	};
	memcpy(route->dev, link.name, sizeof(route->dev));
	if (cv_program_name_read(explain->tunnels, CV_LWT_XMIT, way->lwt.names[CV_LWT_XMIT], &name))
		memcpy(route->tunnel, name.tunnel, sizeof(route->tunnel));
	return cv_fib_rule_list(explain->inst->nl, dst->family, match_ip_rule, &search, err);
}

/* Asks the kernel for a way. That there is none is an answer. */
static int look_up(struct explain *explain, const struct cv_fib_question *question,
		   struct cv_explained_route *route, struct cv_err *err)
{
	char to[CV_PREFIX_TEXT];
	int rc = cv_fib_ask(explain->inst->nl, question, &explain->way, err);

	if (!rc)
		return fill_route(explain, &question->dst, route, err);
	if (rc == -EPERM || rc == -ENOMEM || rc == -EBADMSG)
		return rc;
	end(explain, "no_route", "no route leads there", "route to %s: %s",
	    cv_addr_format(&question->dst, to), strerrordesc_np(-rc));
	return 0;
}

static int ifindex_of(const struct explain *explain, uint32_t *ifindex, struct cv_err *err)
{
	struct cv_link link;
	int rc = 0;

	*ifindex = 0;
	if (!explain->conf->dev[0])
		return 0;
	rc = cv_link_by_name(explain->inst->nl, explain->conf->dev, &link, err);
	if (!rc)
		*ifindex = link.ifindex;
	return rc;
}

static struct cv_addr addr_of(const struct explain *explain, const __be32 words[4])
{
	return cv_addr_from_abi(explain->packet.family, words);
}

/* What another host sent has no source that the kernel would take from this one, but a device. */
static int find_route(struct explain *explain, struct cv_err *err)
{
	const struct cv_oracle_packet *packet = &explain->packet;
	bool is_in = is_arriving(explain);
	struct cv_fib_question question = {
		.dst = addr_of(explain, packet->dst),
		.mark = packet->mark,
		.proto = packet->proto,
		.sport = packet->sport,
		.dport = packet->dport,
	};
	uint32_t ifindex;
	int rc = ifindex_of(explain, &ifindex, err);

	if (rc)
		return rc;
	if (is_in)
		question.ifindex_in = ifindex;
	else
		question.ifindex_out = ifindex ? ifindex : explain->bound_ifindex;
	if (question.ifindex_in || (!is_in && !explain->out->is_forwarded))
		question.src = addr_of(explain, packet->src);
	rc = look_up(explain, &question, &explain->out->route, err);
	return rc;
}

static int deliver(struct explain *explain, struct cv_err *err)
{
	(void)err;
	explain->is_at_end = explain->out->route.is_local;
	return 0;
}

/* ---- the route's programs ---- */

static bool is_in_prefix(const __be32 addr[4], const struct cv_guard_source *source)
{
	for (int i = 0; i < 4; i++)
		if ((addr[i] & source->mask[i]) != source->addr[i])
			return false;
	return true;
}

static bool has_source(const struct cv_guard *guard, const __be32 src[4])
{
	for (uint32_t i = 0; i < guard->source_count; i++)
		if (is_in_prefix(src, &guard->sources[i]))
			return true;
	return false;
}

/* As bpf/guard.h has it. */
static bool guard_holds(const struct cv_guard *guard, const struct cv_oracle_packet *packet)
{
	if (guard->flags & CV_GUARD_MARK && (packet->mark & guard->mark_mask) != guard->mark)
		return false;
	if (guard->flags & CV_GUARD_TUNNEL && packet->tunnel != guard->tunnel)
		return false;
	return !(guard->flags & CV_GUARD_FROM) || has_source(guard, packet->src);
}

/* The guards of the hooks that the packet passes: what was received passes that of `in`, too. */
static int pass_guards(struct explain *explain, struct cv_err *err)
{
	struct cv_explained_route *route = &explain->out->route;
	enum cv_lwt_hook hook = explain->out->is_forwarded ? CV_LWT_IN : CV_LWT_OUT;
	char to[CV_PREFIX_TEXT];

	(void)err;
	for (; hook <= CV_LWT_OUT && !explain->is_at_end; hook++) {
		const char *text = explain->way.lwt.names[hook];
		struct cv_program_name name;
		const struct cv_guard *guard;

		if (!cv_program_name_read(explain->tunnels, hook, text, &name) || !name.guard)
			continue;
		guard = &explain->guards[name.guard % CV_MAX_GUARDS];
		route->has_guard = true;
		cv_prefix_format(&route->to, to);
		if (!guard->family)
			END(explain, CV_R_NO_GUARD, "route %s", to);
		else if (guard_holds(guard, &explain->packet) == !!(guard->flags & CV_GUARD_DROP))
			END(explain, CV_R_GUARD, "route %s", to);
	}
	return 0;
}

/* ---- the gate ---- */

static int pass_gate(struct explain *explain, struct cv_err *err)
{
	struct cv_gate_key key = {
		.netns_cookie = explain->inst->netns_cookie,
		.app = explain->packet.app,
	};
	CV_CLOSE int fd = cv_pin_open(explain->inst->host_maps, CV_STRING(CV_MAP_GATES), err);
	uint64_t packets;
	int rc = fd < 0 ? fd : cv_percpu_sum(fd, &key, &packets, 1, err);

	if (!rc && key.app != CV_APP_NONE)
		END(explain, CV_R_GATE, "app %s", explain->out->owner.app);
	return rc == -ENOENT ? 0 : rc;
}

/* ---- its size ---- */

/* This host cuts what it sends to size, by itself or in the socket; a router answers with ICMP. */
static int check_size(struct explain *explain, struct cv_err *err)
{
	const struct cv_explained_route *route = &explain->out->route;
	char to[CV_PREFIX_TEXT];

	(void)err;
	explain->out->is_too_large = explain->conf->len_bytes > route->mtu_bytes;
	if (explain->out->is_too_large && explain->out->is_forwarded)
		end(explain, "mtu",
		    "larger than the route's MTU; ICMP tells its sender, unless it may be fragmented",
		    "route %s, mtu %u", cv_prefix_format(&route->to, to), route->mtu_bytes);
	return 0;
}

/* ---- the tunnel ---- */

static int add_remotes(const struct explain *explain, const struct cv_tunnel *tunnel,
		       struct cv_explained_outer *outer, struct cv_err *err)
{
	CV_FREE struct cv_remote_set *set = calloc(1, sizeof(*set));
	int rc;

	if (!set)
		return cv_err_set(err, -ENOMEM, "remotes: out of memory");
	rc = cv_remote_read(explain->inst, tunnel, set, err);
	_Static_assert(CV_EXPLAINED_REMOTES == CV_MAX_REMOTES, "all remotes have room");
	for (uint32_t i = 0; !rc && i < set->count && i < CV_MAX_REMOTES; i++)
		outer->remotes[outer->remote_count++] =
			cv_addr_from_abi(tunnel->family, set->remotes[i]);
	return rc;
}

static int add_peer(const struct explain *explain, const struct cv_tunnel *tunnel,
		    struct cv_explained_outer *outer, struct cv_err *err)
{
	struct cv_addr to = addr_of(explain, explain->packet.dst);
	int rc = cv_peer_find_remote(explain->inst, tunnel, &to, &outer->remotes[0], err);

	outer->remote_count = !rc;
	return rc == -ENOENT ? 0 : rc;
}

static int choose_remote(const struct explain *explain, const struct cv_tunnel *tunnel,
			 struct cv_explained_outer *outer, struct cv_err *err)
{
	if (tunnel->remote_kind == CV_REMOTE_SET)
		return add_remotes(explain, tunnel, outer, err);
	if (tunnel->remote_kind == CV_REMOTE_PEERS)
		return add_peer(explain, tunnel, outer, err);
	outer->remotes[0] = cv_addr_from_abi(tunnel->family, tunnel->remote);
	outer->remote_count = 1;
	return 0;
}

static uint16_t port_of(const struct cv_tunnel *tunnel)
{
	uint16_t port;

	if (tunnel->proto4 != IPPROTO_UDP)
		return 0;
	memcpy(&port, tunnel->payload4 + PORT_AT, sizeof(port));
	return ntohs(port);
}

static void fill_header(const struct explain *explain, const struct cv_tunnel *tunnel,
			struct cv_explained_outer *outer)
{
	bool has_vni = tunnel->mode == CV_MODE_VXLAN || tunnel->mode == CV_MODE_GENEVE;
	const struct cv_oracle_packet *inner = &explain->packet;

	outer->mode = (enum cv_tunnel_mode)tunnel->mode;
	outer->local = cv_addr_from_abi(tunnel->family, tunnel->local);
	outer->proto = inner->family == 4 ? tunnel->proto4 : tunnel->proto6;
	outer->dport = port_of(tunnel);
	outer->has_key = tunnel->flags & CV_TUNNEL_KEY;
	outer->key = ntohl(tunnel->key) >> (has_vni ? VNI_SHIFT : 0);
	outer->is_ttl_inherited = tunnel->flags & CV_TUNNEL_TTL_INHERIT;
	outer->ttl = tunnel->ttl;
	outer->dscp = tunnel->flags & CV_TUNNEL_DSCP_INHERIT ? inner->dscp : tunnel->dscp;
}

/* From here on the outer packet is the packet. The socket stays. */
static void wrap(struct explain *explain, const struct cv_tunnel *tunnel)
{
	const struct cv_explained_outer *outer = &explain->out->outer;
	struct cv_oracle_packet *packet = &explain->packet;

	*packet = (struct cv_oracle_packet){
		.mark = packet->mark | tunnel->guard_mark,
		.app = packet->app,
		.is_exact = packet->is_exact,
		.ifindex = packet->ifindex,
		.tunnel = packet->tunnel,
		.len = packet->len,
		.family = tunnel->family,
		.proto = outer->proto,
		.dscp = outer->dscp,
		.ecn = packet->ecn,
		.has_ports = outer->dport,
		.sport = outer->dport ? ENTROPY_PORT : 0,
		.dport = outer->dport,
	};
	memcpy(packet->src, tunnel->local, sizeof(packet->src));
	cv_addr_to_abi(&outer->remotes[0], packet->dst);
}

static int route_outer(struct explain *explain, struct cv_err *err)
{
	struct cv_explained_outer *outer = &explain->out->outer;
	struct cv_fib_question question = {
		.dst = outer->remotes[0],
		.mark = explain->packet.mark,
		.proto = outer->proto,
	};

	return look_up(explain, &question, &outer->route, err);
}

/* The tunnel that the route leads into, NULL if none. */
static const struct cv_tunnel *tunnel_of(struct explain *explain)
{
	const char *name = explain->out->route.tunnel;
	uint32_t id = cv_tunnel_find(explain->tunnels, name);

	if (*name && !id)
		END(explain, CV_R_NO_TUNNEL, "tunnel %s", name);
	return id ? &explain->tunnels[id] : NULL;
}

static int enter_tunnel(struct explain *explain, struct cv_err *err)
{
	struct cv_explained_outer *outer = &explain->out->outer;
	const struct cv_tunnel *tunnel = tunnel_of(explain);
	int rc;

	if (!tunnel)
		return 0;
	if (tunnel->flags & CV_TUNNEL_RULES)
		ask_drops(explain, &explain->out->encap);
	if (!explain->is_at_end &&
	    (explain->packet.mark & tunnel->guard_mark) == tunnel->guard_mark)
		END(explain, CV_R_LOOP, "tunnel %s", tunnel->name);
	if (explain->is_at_end)
		return 0;
	rc = choose_remote(explain, tunnel, outer, err);
	if (rc)
		return rc;
	if (!outer->remote_count) {
		END(explain, CV_R_NO_PEER, "tunnel %s", tunnel->name);
		return 0;
	}
	fill_header(explain, tunnel, outer);
	outer->is_there = true;
	wrap(explain, tunnel);
	return route_outer(explain, err);
}

/* ---- the device ---- */

static int leave(struct explain *explain, struct cv_err *err)
{
	(void)err;
	explain->packet.ifindex = explain->way.ifindex;
	explain->packet.tunnel = 0;
	if (has_filter(explain, explain->packet.ifindex, false))
		ask_rules(explain, CV_DIR_OUT, &explain->out->egress);
	return 0;
}

/* Out of a tunnel, if it came by one, and past the rules. */
static int arrive(struct explain *explain, struct cv_err *err)
{
	uint32_t ifindex;
	int rc = ifindex_of(explain, &ifindex, err);

	explain->packet.ifindex = ifindex;
	if (!rc && (!ifindex || has_filter(explain, ifindex, true)))
		ask_rules(explain, CV_DIR_IN, &explain->out->ingress);
	return rc;
}

/* ---- all of it ---- */

/* Sent by this host, or for it: else only forwarded, and then no socket here has to do with it. */
static int find_end(struct explain *explain, struct cv_err *err)
{
	const struct cv_oracle_packet *packet = &explain->packet;
	struct cv_addr own = addr_of(explain, is_arriving(explain) ? packet->dst : packet->src);
	struct cv_fib_answer answer;

	(void)err;
	explain->out->is_forwarded =
		cv_fib_lookup(explain->inst->nl, &own, NULL, 0, &answer, NULL) || !answer.is_local;
	return 0;
}

/* Sources that a tunnel does not accept. */
static int check_source(struct explain *explain, struct cv_err *err)
{
	const struct cv_tunnel *tunnel = &explain->tunnels[explain->packet.tunnel];
	struct cv_allowed_key key = {
		.prefix_bits = CV_ALLOWED_BASE_BITS + (explain->packet.family == 4 ? 32 : 128),
		.tunnel = explain->packet.tunnel,
		.generation = tunnel->allow_generation,
		.family = explain->packet.family,
	};
	CV_CLOSE int fd = -1;
	uint32_t value;

	if (!key.tunnel || !(tunnel->flags & CV_TUNNEL_ALLOW))
		return 0;
	fd = cv_instance_map(explain->inst, CV_STRING(CV_MAP_ALLOWED), err);
	if (fd < 0)
		return fd;
	memcpy(key.source, explain->packet.src, sizeof(key.source));
	if (bpf_map_lookup_elem(fd, &key, &value))
		END(explain, CV_R_DECAP_SOURCE, "tunnel %s", tunnel->name);
	return 0;
}

typedef int (*step_fn)(struct explain *explain, struct cv_err *err);

static const step_fn steps_out[] = {
	find_end, find_owner, find_route,   pass_guards, pass_gate,
	deliver,  check_size, enter_tunnel, leave,	 NULL,
};
/* What is not for this host goes on as what another host sent. */
static const step_fn steps_in[] = {
	check_source, find_end,	  find_owner,	arrive, find_route, deliver,
	pass_guards,  check_size, enter_tunnel, leave,	NULL,
};

static int walk(struct explain *explain, struct cv_err *err)
{
	const step_fn *step = is_arriving(explain) ? steps_in : steps_out;
	int rc = 0;

	for (; !rc && *step && !explain->is_at_end; step++)
		rc = (*step)(explain, err);
	explain->out->mark = explain->packet.mark;
	explain->out->dscp = explain->packet.dscp;
	return rc;
}

static int set_packet(struct explain *explain, struct cv_err *err)
{
	const struct cv_packet_conf *conf = explain->conf;

	explain->packet = (struct cv_oracle_packet){
		.family = conf->dst.family,
		.dscp = conf->dscp,
		.ecn = conf->ecn,
		.mark = conf->mark,
		.len = conf->len_bytes,
		.flow_label = conf->flow_label,
		.sport = conf->sport,
		.dport = conf->dport,
		.has_vlan = conf->has_vlan,
		.vlan = conf->vlan,
		.has_tcp = conf->has_tcp_flags,
		.tcp_flags = conf->tcp_flags,
		.has_icmp = conf->has_icmp,
		.icmp_type = conf->icmp_type,
		.icmp_code = conf->icmp_code,
		.is_fragment = conf->is_fragment,
	};
	set_proto(&explain->packet, conf->proto);
	cv_addr_to_abi(&conf->src, explain->packet.src);
	cv_addr_to_abi(&conf->dst, explain->packet.dst);
	if (!conf->tunnel[0])
		return 0;
	explain->packet.tunnel = cv_tunnel_find(explain->tunnels, conf->tunnel);
	if (explain->packet.tunnel)
		return 0;
	cv_err_set(err, -ENOENT, "tunnel %s: there is none", conf->tunnel);
	return cv_err_hint(err, "'culvert tunnel' shows those that are");
}

static int read_live(struct explain *explain, const struct cv_state *state, struct cv_err *err)
{
	struct cv_instance *inst = explain->inst;
	int rc = cv_live_rules(inst, &explain->rules, err);

	if (!rc)
		rc = cv_live_apps(inst, &explain->apps, err);
	if (!rc)
		rc = cv_live_tunnels(inst, explain->tunnels, err);
	if (!rc)
		rc = cv_live_guards(inst, explain->guards, err);
	if (!rc)
		rc = cv_dev_list(inst, state, &explain->devs, &explain->dev_count, err);
	return rc;
}

int cv_explain(struct cv_instance *inst, const struct cv_state *state,
	       const struct cv_packet_conf *packet, struct cv_explanation *out, struct cv_err *err)
{
	CV_CLEANUP(explain_free) struct explain *explain = calloc(1, sizeof(*explain));
	int rc;

	if (!explain)
		return cv_err_set(err, -ENOMEM, "explain: out of memory");
	if (!cv_instance_exists(inst)) {
		cv_err_set(err, -ENOENT, "explain: nothing is applied in this network namespace");
		return cv_err_hint(err, "apply a state first");
	}
	*out = (struct cv_explanation){ 0 };
	explain->inst = inst;
	explain->conf = packet;
	explain->out = out;
	rc = read_live(explain, state, err);
	if (!rc)
		rc = set_packet(explain, err);
	return rc ? rc : walk(explain, err);
}
