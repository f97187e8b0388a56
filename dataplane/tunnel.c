/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tunnels: the table that both directions read (tunnel_table.h), who may send to us (peers), which
 * inner sources are allowed, and one lwt program each.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "allowed.h"
#include "endpoint.h"
#include "map.h"
#include "mode.h"
#include "object.h"
#include "own.h"
#include "peer.h"
#include "plan.h"
#include "remote.h"
#include "tunnel_change.h"
#include "tunnel_table.h"

#define CV_IPV4_LEAST_PATH 576 /* RFC 791: what every host takes */
#define CV_TCP4_HEADERS 40 /* what is not payload of a segment: IPv4 and TCP without options */
#define CV_TCP6_HEADERS 60

/* ---- plan ---- */

uint32_t cv_tunnel_find(const struct cv_tunnel *tunnels, const char *name)
{
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++)
		if (tunnels[id].mode && !strcmp(tunnels[id].name, name))
			return id;
	return 0;
}

#define CV_LOCALS 16

/* What planning all tunnels needs to know once. */
struct planning {
	struct cv_instance *inst;
	struct cv_plan *plan;
	struct cv_names live_names; /* of live_tunnels */
	uint32_t next_id; /* no id below it is free */
	struct cv_path paths[CV_MAX_TUNNELS]; /* what ICMP announced, by id */
	struct cv_peer_ways ways;
	struct cv_program_pins pins;
	struct cv_addr locals[CV_LOCALS]; /* that were asked for lately; family 0: none */
	bool local_is_here[CV_LOCALS];
	uint32_t next_local;
};

static void end_planning(struct planning *planning)
{
	cv_names_fini(&planning->live_names);
	cv_peer_ways_fini(&planning->ways);
	cv_program_pins_close(&planning->pins);
}

static uint32_t live_id(const struct planning *planning, const char *name)
{
	uint32_t id = cv_names_find(&planning->live_names, name);

	return id != CV_NAMES_NONE && planning->plan->live_tunnels[id].mode ? id : 0;
}

/* A tunnel keeps its id as long as it lives; a new one gets one that neither generation has. */
static uint32_t choose_id(struct planning *planning, const char *name)
{
	const struct cv_plan *plan = planning->plan;
	uint32_t id = live_id(planning, name);

	if (id)
		return id;
	for (id = planning->next_id; id < CV_MAX_TUNNELS; id++) {
		if (plan->live_tunnels[id].mode || plan->tunnels[id].mode)
			continue;
		planning->next_id = id + 1;
		return id;
	}
	return 0;
}

static uint32_t flags_of(const struct cv_tunnel_conf *conf)
{
	return (conf->has_key || conf->has_vni ? CV_TUNNEL_KEY : 0) |
	       (conf->df == CV_DF_ON ? CV_TUNNEL_DF_ON : 0) |
	       (conf->df == CV_DF_INHERIT ? CV_TUNNEL_DF_INHERIT : 0) |
	       (conf->ttl_from == CV_INHERIT ? CV_TUNNEL_TTL_INHERIT : 0) |
	       (conf->dscp_from != CV_FIXED ? CV_TUNNEL_DSCP_INHERIT : 0) |
	       (conf->dscp_from == CV_UNIFORM ? CV_TUNNEL_DSCP_UNIFORM : 0) |
	       (conf->ecn_off ? 0 : CV_TUNNEL_ECN) | (conf->allow.count ? CV_TUNNEL_ALLOW : 0) |
	       (conf->probe_off ? CV_TUNNEL_NO_PROBE : 0);
}

static void fill_from_conf(const struct cv_plan *plan, const struct cv_tunnel_conf *conf,
			   struct cv_tunnel *tunnel)
{
	memcpy(tunnel->name, conf->name, sizeof(conf->name));
	cv_addr_to_abi(&conf->local, tunnel->local);
	tunnel->family = conf->local.family;
	tunnel->ttl = conf->ttl;
	tunnel->dscp = conf->dscp;
	tunnel->flags = flags_of(conf);
	tunnel->guard_mark = plan->state->mark_mask;
	cv_mode_fill(conf, tunnel);
}

static const struct cv_addr any_addr;
static const struct cv_prefix everything;

static struct cv_fib_question
question_to(const struct cv_plan *plan, const struct cv_tunnel_conf *conf, const struct cv_addr *to)
{
	return (struct cv_fib_question){
		.dst = *to,
		.src = conf->is_nonlocal ? any_addr : conf->local,
		.mark = plan->state->mark_mask,
	};
}

static size_t destinations_of(const struct cv_tunnel_conf *conf)
{
	return conf->segments.count ? 1 : conf->remotes.count;
}

/* The route to one remote: not into a tunnel. */
static int look_up_remote(struct cv_instance *inst, const struct cv_plan *plan,
			  const struct cv_tunnel_conf *conf, const struct cv_addr *to,
			  struct cv_fib_answer *answer, struct cv_err *err)
{
	struct cv_fib_question question = question_to(plan, conf, to);
	char remote[CV_PREFIX_TEXT];
	int rc = cv_fib_ask(inst->nl, &question, answer, err);

	cv_addr_format(to, remote);
	if (rc) {
		cv_err_set(err, rc, "tunnel %s: remote %s is not reachable: %s", conf->name, remote,
			   strerrordesc_np(-rc));
		return cv_err_hint(err, "add a route to it first");
	}
	if (answer->is_local)
		return cv_err_set(err, -EADDRINUSE,
				  "tunnel %s: remote %s is an address of this host", conf->name,
				  remote);
	if (answer->route.lwt.names[CV_LWT_XMIT][0]) {
		cv_err_set(err, -ELOOP, "tunnel %s: remote %s is routed into a tunnel itself (%s)",
			   conf->name, remote, answer->route.lwt.names[CV_LWT_XMIT]);
		return cv_err_hint(err, "add a route to %s that is more specific", remote);
	}
	return 0;
}

/* Looking up the remotes of one tunnel. */
struct look_up {
	struct cv_instance *inst;
	const struct cv_plan *plan;
	const struct cv_tunnel_conf *conf;
	struct cv_fib_answer *answer; /* device 0: nothing is known yet */
};

/* Peers that are to be asked for, of one tunnel. */
struct peer_questions {
	const struct look_up *look_up;
	struct cv_fib_question *items; /* owned */
	size_t count;
};

static int add_peer_question(const struct cv_addr *remote, void *arg, struct cv_err *err)
{
	struct peer_questions *questions = arg;
	const struct look_up *look_up = questions->look_up;

	(void)err;
	questions->items[questions->count++] = question_to(look_up->plan, look_up->conf, remote);
	return 0;
}

static void ask_peers_ahead(const struct look_up *look_up, const struct cv_peer_plan *peers)
{
	CV_FREE struct cv_fib_question *items = calloc(peers->remote_count + 1, sizeof(*items));
	struct peer_questions questions = { look_up, items, 0 };

	if (items && !cv_peer_each_way(peers, &everything, add_peer_question, &questions, NULL))
		cv_fib_ask_ahead(look_up->inst->nl, items, questions.count);
}

/* What all remotes together leave: the smallest MTU, and the device towards the first. */
static int look_up_next(const struct cv_addr *remote, void *arg, struct cv_err *err)
{
	const struct look_up *look_up = arg;
	struct cv_fib_answer one;
	int rc = look_up_remote(look_up->inst, look_up->plan, look_up->conf, remote, &one, err);

	if (!rc && !look_up->answer->ifindex)
		*look_up->answer = one;
	else if (!rc && one.mtu_bytes < look_up->answer->mtu_bytes)
		look_up->answer->mtu_bytes = one.mtu_bytes;
	return rc;
}

/* The kernel is asked for all remotes that the state names at once. */
static void ask_ahead(const struct planning *planning)
{
	const struct cv_plan *plan = planning->plan;
	CV_FREE struct cv_fib_question *questions = NULL;
	size_t count = 0;

	for (size_t i = 0; i < plan->state->tunnel_count; i++)
		count += destinations_of(&plan->state->tunnels[i]);
	questions = calloc(count + 1, sizeof(*questions));
	count = 0;
	for (size_t i = 0; questions && i < plan->state->tunnel_count; i++) {
		const struct cv_tunnel_conf *conf = &plan->state->tunnels[i];

		for (size_t j = 0; j < destinations_of(conf); j++)
			questions[count++] = question_to(plan, conf, cv_mode_destination(conf, j));
	}
	if (questions)
		cv_fib_ask_ahead(planning->inst->nl, questions, count);
}

/* Before there is a peer, the device that has the local address stands for the underlay. */
static int look_up_local(struct cv_instance *inst, const struct cv_tunnel_conf *conf,
			 struct cv_fib_answer *answer, struct cv_err *err)
{
	struct cv_link link;
	int rc = cv_fib_lookup(inst->nl, &conf->local, &any_addr, 0, answer, err);

	if (rc)
		return rc;
	rc = cv_link_by_index(inst->nl, answer->route.ifindex, &link, err);
	answer->ifindex = link.ifindex;
	answer->mtu_bytes = link.mtu_bytes;
	return rc;
}

static int look_up_remotes(struct planning *planning, const struct cv_tunnel_conf *conf,
			   uint32_t id, struct cv_fib_answer *answer, struct cv_err *err)
{
	struct cv_instance *inst = planning->inst;
	struct cv_plan *plan = planning->plan;
	struct look_up look_up = { inst, plan, conf, answer };
	struct cv_peer_plan *peers;
	int rc = 0;

	for (size_t i = 0; !rc && i < destinations_of(conf); i++)
		rc = look_up_next(cv_mode_destination(conf, i), &look_up, err);
	if (!conf->has_peers)
		return rc;
	peers = cv_peer_of(plan, id);
	rc = cv_peer_find_ways(inst, &planning->ways, peers, conf->local.family, err);
	if (rc)
		return rc;
	ask_peers_ahead(&look_up, peers);
	rc = cv_peer_each_way(peers, &everything, look_up_next, &look_up, err);
	if (!rc && !answer->ifindex)
		rc = look_up_local(inst, conf, answer, err);
	return rc;
}

/* True if it is an address of this host. Many tunnels have the same local address. */
static bool is_here(struct planning *planning, const struct cv_addr *addr)
{
	uint32_t next = planning->next_local++ % CV_LOCALS;
	struct cv_fib_answer answer;

	for (size_t i = 0; i < CV_LOCALS; i++)
		if (!memcmp(&planning->locals[i], addr, sizeof(*addr)))
			return planning->local_is_here[i];
	planning->locals[next] = *addr;
	planning->local_is_here[next] =
		!cv_fib_lookup(planning->inst->nl, addr, &any_addr, 0, &answer, NULL) &&
		answer.is_local;
	return planning->local_is_here[next];
}

static int check_local(struct planning *planning, const struct cv_tunnel_conf *conf,
		       struct cv_err *err)
{
	char local[CV_PREFIX_TEXT];
	bool is_local = is_here(planning, &conf->local);

	if (is_local != conf->is_nonlocal)
		return 0;
	cv_addr_format(&conf->local, local);
	if (is_local) {
		cv_err_set(err, -EADDRINUSE,
			   "tunnel %s: nonlocal, but %s is an address of this host", conf->name,
			   local);
		return cv_err_hint(err, "leave nonlocal out");
	}
	cv_err_set(err, -EADDRNOTAVAIL, "tunnel %s: local %s is no address of this host",
		   conf->name, local);
	return cv_err_hint(err, "'ip address' shows those that are; a tunnel that only sends may "
				"have another one: nonlocal");
}

static int read_paths(const struct cv_instance *inst, struct cv_path paths[CV_MAX_TUNNELS],
		      struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_PATHS), err);

	return fd < 0 ? fd : cv_array_read(fd, CV_MAX_TUNNELS, paths, err);
}

/* What ICMP announced of late; 0 if nothing. */
static uint32_t fresh_mtu(const struct cv_path *path)
{
	bool is_fresh = path->mtu_bytes && cv_boot_ns() - path->seen_ns < CV_PATH_FRESH_NS;

	return is_fresh ? path->mtu_bytes : 0;
}

/* What mtu auto makes of an MTU that ICMP announced: less room than the underlay's, but not so
 * little that a forged message could stop IPv6, or IPv4 (RFC 791: every host takes 576). */
static uint32_t heed_path(const struct cv_tunnel_plan *planned, uint32_t path_bytes,
			  uint32_t hdr_len, uint32_t room)
{
	uint32_t least = planned->has_ipv6 ? CV_IPV6_MIN_MTU : CV_IPV4_LEAST_PATH - hdr_len;
	uint32_t path_room = path_bytes > hdr_len + least ? path_bytes - hdr_len : least;

	return path_bytes && path_room < room ? path_room : room;
}

/* An inner packet of mtu bytes must fit the underlay with its outer header, unless the outer packet
 * may be fragmented. */
static int choose_mtu(const struct cv_tunnel_plan *planned, const struct cv_tunnel_conf *conf,
		      uint32_t underlay_bytes, uint32_t path_bytes, struct cv_tunnel *tunnel,
		      struct cv_err *err)
{
	uint32_t room = underlay_bytes - tunnel->hdr_len;

	if (underlay_bytes < tunnel->hdr_len + (uint32_t)CV_IPV4_MIN_MTU)
		return cv_err_set(err, -EMSGSIZE,
				  "tunnel %s: the route to its remote has an mtu of "
				  "%u, %u of which are headers",
				  conf->name, underlay_bytes, tunnel->hdr_len);
	if (conf->mtu_bytes > room && conf->df == CV_DF_ON) {
		cv_err_set(err, -EMSGSIZE,
			   "tunnel %s: mtu %u does not fit: the route to its remote "
			   "has %u, less %u of headers",
			   conf->name, conf->mtu_bytes, underlay_bytes, tunnel->hdr_len);
		return cv_err_hint(err, "at most mtu %u, or leave it out", room);
	}
	tunnel->mtu_bytes = conf->mtu_bytes ? conf->mtu_bytes
					    : heed_path(planned, path_bytes, tunnel->hdr_len, room);
	return 0;
}

static uint16_t mss_of(const struct cv_tunnel_conf *conf, uint32_t mtu_bytes, uint32_t headers)
{
	if (conf->mss_from == CV_MSS_OFF)
		return 0;
	return conf->mss_from == CV_MSS_FIXED ? conf->mss_bytes : mtu_bytes - headers;
}

/* Until both ends know the new key, both use the old one: for the first half of the time in which
 * both accept both. */
static void choose_old_key(const struct cv_tunnel_conf *conf, const struct cv_tunnel *live,
			   struct cv_tunnel *tunnel)
{
	uint64_t now = cv_boot_ns();
	bool is_switching = live->mode && live->switch_ns > now;

	if (is_switching && live->key == tunnel->key) {
		tunnel->old_key = live->old_key;
		tunnel->switch_ns = live->switch_ns;
		return;
	}
	if (!conf->overlap_seconds || live->mode != tunnel->mode || live->key == tunnel->key ||
	    !(live->flags & tunnel->flags & CV_TUNNEL_KEY))
		return;
	tunnel->old_key = is_switching ? live->old_key : live->key;
	tunnel->switch_ns = now + conf->overlap_seconds * CV_NS_PER_SECOND / 2;
}

static void choose_generations(const struct cv_plan *plan, const struct cv_tunnel_conf *conf,
			       uint32_t id, bool keeps_program, struct cv_tunnel *tunnel)
{
	const struct cv_tunnel *live = &plan->live_tunnels[id];

	tunnel->generation = keeps_program ? live->generation : plan->generation;
	if (!conf->allow.count)
		return;
	tunnel->allow_generation = plan->generation;
	if (live->mode && live->flags & CV_TUNNEL_ALLOW &&
	    cv_allowed_is_live(plan, conf, id, live->allow_generation))
		tunnel->allow_generation = live->allow_generation;
}

/* The kernel checks a UDP checksum over IPv6 unless a socket says otherwise. */
static void warn_about_checksum(struct cv_instance *inst, const struct cv_tunnel_conf *conf)
{
	if (conf->local.family == 6 && cv_tunnel_conf_port(conf))
		cv_log(inst, CV_LOG_WARN,
		       "tunnel %s: its outer UDP checksum is zero (RFC 6935); culvert accepts that, "
		       "a kernel device at the other end needs udp6zerocsumrx",
		       conf->name);
}

static int plan_tunnel(struct planning *planning, const struct cv_tunnel_conf *conf,
		       struct cv_tunnel_plan *planned, struct cv_err *err)
{
	struct cv_instance *inst = planning->inst;
	struct cv_plan *plan = planning->plan;
	uint32_t id = choose_id(planning, conf->name);
	const struct cv_tunnel *live = &plan->live_tunnels[id];
	struct cv_tunnel tunnel = { 0 };
	struct cv_fib_answer answer = { 0 };
	int rc;

	if (!id) {
		cv_err_set(err, -ENOSPC,
			   "tunnel %s: no id is free beside those of the %u there are", conf->name,
			   CV_MAX_TUNNELS - 1);
		return cv_err_hint(err, CV_TWO_STEPS);
	}
	planned->id = id;
	fill_from_conf(plan, conf, &tunnel);
	rc = conf->has_peers ? cv_peer_gather(plan, conf, id, err) : 0;
	if (!rc)
		rc = check_local(planning, conf, err);
	if (!rc)
		rc = look_up_remotes(planning, conf, id, &answer, err);
	if (!rc)
		rc = choose_mtu(planned, conf, answer.mtu_bytes,
				live->mode ? fresh_mtu(&planning->paths[id]) : 0, &tunnel, err);
	if (!rc)
		rc = conf->has_peers ? cv_peer_plan(inst, plan, id, &tunnel, err)
				     : cv_remote_plan(inst, plan, conf, id, &tunnel, err);
	if (rc)
		return rc;
	choose_old_key(conf, live, &tunnel);
	plan->versions[id] = cv_tunnel_choose_version(plan, id, &tunnel);
	choose_generations(
		plan, conf, id,
		live->mode && cv_program_plan(&planning->pins, plan, planned, conf->name), &tunnel);
	tunnel.mss4 = mss_of(conf, tunnel.mtu_bytes, CV_TCP4_HEADERS);
	tunnel.mss6 = mss_of(conf, tunnel.mtu_bytes, CV_TCP6_HEADERS);
	tunnel.ifindex = answer.ifindex;
	plan->tunnels[id] = tunnel;
	if (!live->mode)
		warn_about_checksum(inst, conf);
	return cv_endpoint_plan(plan, conf, id, err);
}

/* What was there stays as it was. */
static int keep_live(struct planning *planning, const struct cv_tunnel_conf *conf,
		     struct cv_tunnel_plan *planned, struct cv_err *err)
{
	struct cv_plan *plan = planning->plan;
	uint32_t id = live_id(planning, conf->name);

	planned->id = id;
	if (!id)
		return 0;
	plan->tunnels[id] = plan->live_tunnels[id];
	plan->versions[id] = plan->live_versions[id];
	cv_program_plan(&planning->pins, plan, planned, conf->name);
	return cv_endpoint_plan(plan, conf, id, err);
}

static void note_route_into(struct cv_plan *plan, const struct cv_route_conf *route,
			    const char *tunnel)
{
	uint32_t index = cv_names_find(&plan->tunnel_names, tunnel);

	if (index == CV_NAMES_NONE)
		return;
	plan->tunnel_plans[index].has_in |= !!(route->hooks & CV_HOOK_IN);
	plan->tunnel_plans[index].has_ipv6 |= route->to.addr.family != 4;
}

/* Notes in every tunnel what routes ask of it. */
static void note_routes(struct cv_plan *plan)
{
	for (size_t i = 0; i < plan->state->route_count; i++) {
		const struct cv_route_conf *route = &plan->state->routes[i];

		note_route_into(plan, route, route->tunnel);
		for (size_t j = 0; j < route->nexthop_count; j++)
			note_route_into(plan, route, route->nexthops[j].tunnel);
	}
}

static int start_planning(struct planning *planning, struct cv_err *err)
{
	struct cv_instance *inst = planning->inst;
	struct cv_plan *plan = planning->plan;
	int rc = read_paths(inst, planning->paths, err);

	if (!rc)
		rc = cv_allowed_read(inst, plan, err);
	if (rc)
		return rc;
	if (cv_names_init(&planning->live_names, plan->live_tunnels->name,
			  sizeof(*plan->live_tunnels), CV_MAX_TUNNELS))
		return cv_err_set(err, -ENOMEM, "tunnels: out of memory");
	note_routes(plan);
	ask_ahead(planning);
	cv_program_pins_open(inst, plan, &planning->pins);
	return 0;
}

int cv_tunnel_plan(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(end_planning)
	struct planning planning = {
		.inst = inst, .plan = plan, .pins = { .tunnels = -1, .xmit = -1 }, .next_id = 1
	};
	int rc = start_planning(&planning, err);

	for (size_t i = 0; !rc && i < plan->state->tunnel_count; i++) {
		const struct cv_tunnel_conf *conf = &plan->state->tunnels[i];

		rc = plan_tunnel(&planning, conf, &plan->tunnel_plans[i], err);
		if (rc && plan->is_lenient)
			rc = keep_live(&planning, conf, &plan->tunnel_plans[i], err);
		if (rc)
			return cv_err_at(err, &conf->place);
	}
	return rc ? rc : cv_endpoint_finish(inst, plan, err);
}

void cv_tunnel_note_rules(struct cv_plan *plan)
{
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++) {
		struct cv_tunnel *tunnel = &plan->tunnels[id];

		tunnel->flags &= ~CV_TUNNEL_RULES;
		if (tunnel->mode && plan->rules.flags & CV_RULES_DROP_ENCAP)
			tunnel->flags |= CV_TUNNEL_RULES;
	}
}

/* ---- acts ---- */

static const struct cv_place *place_of(const struct cv_plan *plan, const char *tunnel)
{
	uint32_t index = cv_names_find(&plan->tunnel_names, tunnel);

	return index == CV_NAMES_NONE ? NULL : &plan->state->tunnels[index].place;
}

int cv_tunnel_act(const struct cv_plan *plan, enum cv_act_kind kind, const char *noun,
		  const char *part, const char *tunnel, struct cv_err *err)
{
	struct cv_act act = {
		.kind = kind, .noun = noun, .is_inner = true, .place = place_of(plan, tunnel)
	};

	cv_act_name(&act, "%s of tunnel %s", part, tunnel);
	return cv_act(plan, &act, err);
}

/* Tells of one place of the table. */
static int tell_of_tunnel(const struct cv_plan *plan, const struct cv_tunnel *live,
			  const struct cv_tunnel *wanted, struct cv_err *err)
{
	const char *name = wanted->mode ? wanted->name : live->name;
	struct cv_act act = {
		.kind = !live->mode    ? CV_ACT_ADD
			: wanted->mode ? CV_ACT_CHANGE
				       : CV_ACT_DEL,
		.noun = "tunnel",
		.place = place_of(plan, name),
	};

	if (cv_acts_are_told(plan)) {
		cv_act_name(&act, "%s", name);
		if (act.kind == CV_ACT_CHANGE)
			cv_tunnel_change(live, wanted, act.what, sizeof(act.what));
	}
	return cv_act(plan, &act, err);
}

/* ---- grow ---- */

static bool is_new(const struct cv_plan *plan, uint32_t id)
{
	return plan->tunnels[id].mode && !plan->live_tunnels[id].mode;
}

static int clear_drop(int fd, const void *key_bytes, void *arg, struct cv_err *err)
{
	const struct cv_drop_key *key = key_bytes;

	(void)err;
	if (is_new(arg, key->tunnel % CV_MAX_TUNNELS))
		bpf_map_delete_elem(fd, key);
	return 0;
}

static int clear_stats(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_TUNNEL_STATS), err);
	int rc = fd < 0 ? fd : 0;

	for (uint32_t id = 1; !rc && id < CV_MAX_TUNNELS; id++)
		if (is_new(plan, id))
			rc = cv_percpu_clear(
				fd, &id, sizeof(struct cv_tunnel_stats) / sizeof(uint64_t), err);
	return rc;
}

static int clear_paths(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_PATHS), err);
	static const struct cv_path unknown;

	if (fd < 0)
		return fd;
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++)
		if (is_new(plan, id) && bpf_map_update_elem(fd, &id, &unknown, BPF_ANY))
			return cv_err_set(err, -errno, "tunnel paths: clear: %s",
					  strerrordesc_np(errno));
	return 0;
}

static bool has_new(const struct cv_plan *plan)
{
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++)
		if (is_new(plan, id))
			return true;
	return false;
}

/* New tunnels begin at zero, though their ids may have been others'. */
static int clear_counters(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int drops = cv_instance_map(inst, CV_STRING(CV_MAP_DROPS), err);
	int rc = drops < 0 ? drops : 0;

	if (rc || !has_new(plan))
		return rc;
	rc = clear_stats(inst, plan, err);
	if (!rc)
		rc = clear_paths(inst, plan, err);
	return rc ? rc
		  : cv_map_each(drops, sizeof(struct cv_drop_key), CV_MAX_DROPS, clear_drop,
				(void *)plan, err);
}

/* What differs of a tunnel from what is to be, NULL if nothing does: of what arrives, else of what it
 * sends. */
static const struct cv_tunnel *find_change(const struct cv_plan *plan, uint32_t id,
					   const struct cv_tunnel *both)
{
	uint32_t arrives = CV_TUNNEL_IN(id);
	uint32_t sends = CV_TUNNEL_OUT(id, plan->live_versions[id]);
	size_t size = sizeof(*both);

	if (memcmp(&both[arrives], &plan->live_entries[arrives], size) != 0)
		return &plan->live_entries[arrives];
	for (uint32_t version = 0; version < CV_TUNNEL_VERSIONS; version++) {
		uint32_t entry = CV_TUNNEL_OUT(id, version);

		if (memcmp(&both[entry], &plan->live_entries[entry], size) != 0)
			return &plan->live_entries[sends];
	}
	return NULL;
}

/* Wanted and live together, wanted first: what is to go works until its routes are gone. Returns 1 if
 * they are to be written now. */
static int join_tables(const struct cv_plan *plan, struct cv_tunnel *both, struct cv_err *err)
{
	int rc = 0;

	cv_tunnel_table_fill(plan, true, both);
	for (uint32_t id = 1; rc >= 0 && id < CV_MAX_TUNNELS; id++) {
		const struct cv_tunnel *live = find_change(plan, id, both);

		if (live)
			rc = tell_of_tunnel(plan, live, &both[CV_TUNNEL_IN(id)], err);
	}
	return rc;
}

static int grow_table(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_FREE struct cv_tunnel *both = calloc(CV_MAX_TUNNEL_ENTRIES, sizeof(*both));
	int rc = both ? join_tables(plan, both, err)
		      : cv_err_set(err, -ENOMEM, "tunnels: out of memory");

	if (rc <= 0)
		return rc;
	rc = clear_counters(inst, plan, err);
	return rc ? rc : cv_tunnel_table_write(inst, both, err);
}

int cv_tunnel_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = cv_allowed_grow(inst, plan, err);

	if (!rc)
		rc = cv_remote_grow(inst, plan, err);
	if (!rc)
		rc = cv_peer_grow(inst, plan, err);
	/* Before a remote is sent to it may answer. */
	if (!rc)
		rc = cv_endpoint_grow(inst, plan, err);
	if (!rc)
		rc = grow_table(inst, plan, err);
	return rc ? rc : cv_program_grow(inst, plan, err);
}

/* ---- shrink ---- */

/* Tells what goes: tunnels, and versions that nothing sends by any more. */
static int tell_of_rest(const struct cv_plan *plan, uint32_t id, struct cv_err *err)
{
	const struct cv_tunnel *live = &plan->live_tunnels[id], *wanted = &plan->tunnels[id];
	uint32_t other = CV_TUNNEL_OUT(id, !plan->versions[id]);

	if (live->mode && !wanted->mode)
		return tell_of_tunnel(plan, live, wanted, err);
	if (wanted->mode && plan->live_entries[other].mode)
		return cv_tunnel_act(plan, CV_ACT_DEL, "map", "old version", wanted->name, err);
	return 0;
}

static int shrink_table(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_FREE struct cv_tunnel *entries = calloc(CV_MAX_TUNNEL_ENTRIES, sizeof(*entries));
	bool is_written = false;
	int rc = entries ? 0 : cv_err_set(err, -ENOMEM, "tunnels: out of memory");

	for (uint32_t id = 1; rc >= 0 && id < CV_MAX_TUNNELS; id++) {
		rc = tell_of_rest(plan, id, err);
		is_written |= rc > 0;
	}
	if (rc < 0 || !is_written)
		return rc < 0 ? rc : 0;
	cv_tunnel_table_fill(plan, false, entries);
	return cv_tunnel_table_write(inst, entries, err);
}

/* The pins go before the table: a pin without its tunnel would be taken for a program of the next
 * tunnel of that name, which may get another id. */
int cv_tunnel_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = cv_program_shrink(inst, plan, err);

	if (!rc)
		rc = cv_endpoint_shrink(inst, plan, err);
	if (!rc)
		rc = shrink_table(inst, plan, err);
	/* What only a tunnel leads to is met by no packet any more, and goes with its maps; to empty slots
	 * waits for all programs that run, for each anew. */
	if (rc || plan->is_end)
		return rc;
	rc = cv_remote_shrink(inst, plan, err);
	if (!rc)
		rc = cv_peer_shrink(inst, plan, err);
	return rc ? rc : cv_allowed_shrink(inst, plan, err);
}

/* ---- list ---- */

/* What is read once for all tunnels. */
struct listing {
	const struct cv_instance *inst;
	struct cv_tunnel tunnels[CV_MAX_TUNNELS];
	struct cv_path paths[CV_MAX_TUNNELS];
	int stats_fd;
};

static void free_listing(struct listing **listing)
{
	if (*listing && (*listing)->stats_fd >= 0)
		close((*listing)->stats_fd);
	free(*listing);
}

static int start_listing(struct listing *listing, struct cv_err *err)
{
	int rc;

	listing->stats_fd = cv_instance_map(listing->inst, CV_STRING(CV_MAP_TUNNEL_STATS), err);
	if (listing->stats_fd < 0)
		return listing->stats_fd;
	rc = cv_live_tunnels(listing->inst, listing->tunnels, err);
	return rc ? rc : read_paths(listing->inst, listing->paths, err);
}

static int fill_info(const struct listing *listing, uint32_t id, struct cv_tunnel_info *info,
		     struct cv_err *err)
{
	size_t counters = sizeof(struct cv_tunnel_stats) / sizeof(uint64_t);
	const struct cv_tunnel *tunnel = &listing->tunnels[id];
	struct cv_tunnel_stats stats;
	int rc = cv_percpu_sum(listing->stats_fd, &id, (uint64_t *)&stats, counters, err);

	if (rc)
		return rc;
	info->id = id;
	info->mtu_bytes = tunnel->mtu_bytes;
	info->path_mtu_bytes = fresh_mtu(&listing->paths[id]);
	info->generation = tunnel->generation;
	info->tx_packets = stats.tx_packets;
	info->tx_bytes = stats.tx_bytes;
	info->rx_packets = stats.rx_packets;
	info->rx_bytes = stats.rx_bytes;
	info->tx_segments = stats.tx_segments;
	rc = cv_probes_read(listing->inst, id, &info->probes, err);
	return rc ? rc : cv_drops_read(listing->inst, id, &info->drops, err);
}

int cv_tunnel_list(struct cv_instance *inst, const struct cv_state *state,
		   struct cv_tunnel_info **out, size_t *count, struct cv_err *err)
{
	CV_FREE struct cv_tunnel_info *infos = calloc(state->tunnel_count + 1, sizeof(*infos));
	CV_CLEANUP(free_listing) struct listing *listing = calloc(1, sizeof(*listing));
	int rc = 0;

	if (!infos || !listing)
		return cv_err_set(err, -ENOMEM, "tunnels: out of memory");
	listing->inst = inst;
	listing->stats_fd = -1;
	if (state->tunnel_count)
		rc = start_listing(listing, err);
	for (size_t i = 0; !rc && i < state->tunnel_count; i++) {
		uint32_t id = cv_tunnel_find(listing->tunnels, state->tunnels[i].name);

		memcpy(infos[i].name, state->tunnels[i].name, sizeof(infos[i].name));
		rc = id ? fill_info(listing, id, &infos[i], err) : 0;
	}
	if (rc)
		return rc;
	*count = state->tunnel_count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
