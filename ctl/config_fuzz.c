/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: any bytes as a state file, or as several. A state that is taken has no faults, is written, and must
 * be the same state, and the same text, when it is read again. config_test.c includes this file.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- whether two states are the same; places do not count ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_range(const struct cv_range *a, const struct cv_range *b)
{
	return a->min == b->min && a->max == b->max;
}

static bool same_ranges(const struct cv_ranges *a, const struct cv_ranges *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_range(&a->items[i], &b->items[i]))
			return false;
	return true;
}

static bool same_addr(const struct cv_addr *a, const struct cv_addr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static bool same_prefix(const struct cv_prefix *a, const struct cv_prefix *b)
{
	return a->bits == b->bits && same_addr(&a->addr, &b->addr);
}

static bool same_prefixes(const struct cv_prefixes *a, const struct cv_prefixes *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_prefix(&a->items[i], &b->items[i]))
			return false;
	return true;
}

static bool same_dev(const struct cv_dev_conf *a, const struct cv_dev_conf *b)
{
	return same_text(a->name, b->name) && a->ingress == b->ingress && a->egress == b->egress &&
	       a->has_sides == b->has_sides && a->prio == b->prio && a->handle == b->handle &&
	       a->tcx == b->tcx && a->place_on_tcx == b->place_on_tcx &&
	       same_text(a->anchor, b->anchor) && a->optional == b->optional &&
	       a->src_valid_mark == b->src_valid_mark;
}

static bool same_app(const struct cv_app_conf *a, const struct cv_app_conf *b)
{
	return same_text(a->name, b->name) && same_text(a->exe, b->exe) &&
	       same_text(a->exe_sha256, b->exe_sha256) && same_text(a->parent_exe, b->parent_exe) &&
	       same_text(a->unit, b->unit) && same_text(a->cgroup, b->cgroup) &&
	       same_text(a->netns, b->netns) && same_text(a->comm, b->comm) && a->gate == b->gate &&
	       a->has_uid == b->has_uid && same_range(&a->uid, &b->uid) &&
	       a->has_gid == b->has_gid && same_range(&a->gid, &b->gid);
}

static bool same_addrs(const struct cv_addrs *a, const struct cv_addrs *b)
{
	for (size_t i = 0; a->count == b->count && i < a->count; i++)
		if (!same_addr(&a->items[i], &b->items[i]))
			return false;
	return a->count == b->count;
}

static bool same_numbers(const struct cv_numbers *a, const struct cv_numbers *b)
{
	return a->count == b->count &&
	       (!a->count || !memcmp(a->items, b->items, a->count * sizeof(*a->items)));
}

static bool same_mac(const struct cv_mac *a, const struct cv_mac *b)
{
	return a->is_given == b->is_given && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static bool same_tunnel(const struct cv_tunnel_conf *a, const struct cv_tunnel_conf *b)
{
	return same_text(a->name, b->name) && a->mode == b->mode &&
	       same_addr(&a->local, &b->local) && a->is_nonlocal == b->is_nonlocal &&
	       a->has_peers == b->has_peers && same_addrs(&a->remotes, &b->remotes) &&
	       same_numbers(&a->weights, &b->weights) && a->has_key == b->has_key &&
	       a->key == b->key && a->has_vni == b->has_vni && a->vni == b->vni &&
	       a->overlap_seconds == b->overlap_seconds && a->has_variant == b->has_variant &&
	       a->variant == b->variant && a->dport == b->dport &&
	       same_mac(&a->inner_smac, &b->inner_smac) &&
	       same_mac(&a->inner_dmac, &b->inner_dmac) && same_addrs(&a->segments, &b->segments) &&
	       same_addr(&a->sid, &b->sid) && a->mss_from == b->mss_from &&
	       a->mss_bytes == b->mss_bytes && a->ttl_from == b->ttl_from && a->ttl == b->ttl &&
	       a->dscp_from == b->dscp_from && a->dscp == b->dscp && a->ecn_off == b->ecn_off &&
	       a->df == b->df && a->mtu_bytes == b->mtu_bytes &&
	       same_prefixes(&a->allow, &b->allow) && a->probe_off == b->probe_off;
}

static bool same_nexthop(const struct cv_nexthop_conf *a, const struct cv_nexthop_conf *b)
{
	return same_text(a->tunnel, b->tunnel) && a->weight == b->weight &&
	       same_addr(&a->via, &b->via) && same_text(a->dev, b->dev);
}

static bool same_nexthops(const struct cv_route_conf *a, const struct cv_route_conf *b)
{
	for (size_t i = 0; a->nexthop_count == b->nexthop_count && i < a->nexthop_count; i++)
		if (!same_nexthop(&a->nexthops[i], &b->nexthops[i]))
			return false;
	return a->nexthop_count == b->nexthop_count;
}

/* "xmit" alone is what no hook means. */
static uint8_t hooks_of(const struct cv_route_conf *route)
{
	return route->hooks ? route->hooks : CV_HOOK_XMIT;
}

static bool same_route(const struct cv_route_conf *a, const struct cv_route_conf *b)
{
	return same_prefix(&a->to, &b->to) && same_text(a->tunnel, b->tunnel) &&
	       same_text(a->app, b->app) && a->table == b->table &&
	       a->has_metric == b->has_metric && a->metric == b->metric &&
	       same_addr(&a->src, &b->src) && same_addr(&a->via, &b->via) &&
	       same_text(a->dev, b->dev) && hooks_of(a) == hooks_of(b) &&
	       a->is_local == b->is_local && same_prefixes(&a->from, &b->from) &&
	       same_text(a->from_tunnel, b->from_tunnel) && a->has_from_mark == b->has_from_mark &&
	       a->from_mark == b->from_mark && a->from_mark_mask == b->from_mark_mask &&
	       a->has_policy == b->has_policy && a->is_drop == b->is_drop && a->nhid == b->nhid &&
	       same_nexthops(a, b);
}

static bool same_set(const struct cv_set_conf *a, const struct cv_set_conf *b)
{
	return same_text(a->name, b->name) && a->has_type == b->has_type && a->type == b->type &&
	       same_prefixes(&a->prefixes, &b->prefixes) && same_ranges(&a->ranges, &b->ranges) &&
	       same_text(a->file, b->file);
}

static bool same_peer(const struct cv_peer_conf *a, const struct cv_peer_conf *b)
{
	return same_prefix(&a->to, &b->to) && same_addr(&a->remote, &b->remote) &&
	       same_text(a->tunnel, b->tunnel);
}

static bool same_sets(const struct cv_match_conf *a, const struct cv_match_conf *b)
{
	for (int i = 0; i < CV_FIELD_COUNT; i++)
		if (!same_text(cv_match_conf_set(a, i), cv_match_conf_set(b, i)))
			return false;
	return true;
}

static bool same_match(const struct cv_match_conf *a, const struct cv_match_conf *b)
{
	return a->dir == b->dir && same_text(a->dev, b->dev) && a->has_app == b->has_app &&
	       a->app_match == b->app_match && same_text(a->app, b->app) &&
	       a->app_is_exact == b->app_is_exact && a->family == b->family &&
	       same_prefixes(&a->src, &b->src) && same_prefixes(&a->dst, &b->dst) &&
	       a->has_proto == b->has_proto && a->proto == b->proto &&
	       same_ranges(&a->sport, &b->sport) && same_ranges(&a->dport, &b->dport) &&
	       a->has_dscp == b->has_dscp && a->dscp == b->dscp && a->ecns == b->ecns &&
	       a->has_tcp_flags == b->has_tcp_flags && a->tcp_flags == b->tcp_flags &&
	       a->tcp_mask == b->tcp_mask && a->has_icmp_type == b->has_icmp_type &&
	       a->icmp_type == b->icmp_type && a->has_icmp_code == b->has_icmp_code &&
	       a->icmp_code == b->icmp_code && a->has_mark == b->has_mark && a->mark == b->mark &&
	       a->mark_mask == b->mark_mask && same_text(a->tunnel, b->tunnel) &&
	       same_ranges(&a->len, &b->len) && a->fragment == b->fragment &&
	       same_ranges(&a->vlan, &b->vlan) && a->has_ethertype == b->has_ethertype &&
	       a->ethertype == b->ethertype && a->has_flow_label == b->has_flow_label &&
	       a->flow_label == b->flow_label && a->is_quoted == b->is_quoted &&
	       a->not_fields == b->not_fields && same_sets(a, b);
}

static bool same_action(const struct cv_action_conf *a, const struct cv_action_conf *b)
{
	return a->has_mark == b->has_mark && a->mark == b->mark &&
	       a->has_mark_mask == b->has_mark_mask && a->mark_mask == b->mark_mask &&
	       same_text(a->route_mark, b->route_mark) && a->has_priority == b->has_priority &&
	       a->priority == b->priority && a->has_dscp == b->has_dscp && a->dscp == b->dscp &&
	       a->police_bits_ps == b->police_bits_ps &&
	       a->police_burst_bytes == b->police_burst_bytes &&
	       a->police_scope == b->police_scope && a->pace_bits_ps == b->pace_bits_ps &&
	       same_text(a->redirect, b->redirect) && a->redirect_way == b->redirect_way &&
	       same_text(a->mirror, b->mirror) && a->sample_one_in == b->sample_one_in &&
	       a->has_verdict == b->has_verdict && a->verdict == b->verdict;
}

static bool same_rule(const struct cv_rule_conf *a, const struct cv_rule_conf *b)
{
	return same_text(a->name, b->name) && a->has_prio == b->has_prio && a->prio == b->prio &&
	       same_match(&a->match, &b->match) && same_action(&a->action, &b->action);
}

static bool same_state(const struct cv_state *a, const struct cv_state *b)
{
	bool is_same = a->mark_mask == b->mark_mask && a->mark_is_shared == b->mark_is_shared &&
		       a->flow_cache_is_off == b->flow_cache_is_off &&
		       a->dev_count == b->dev_count && a->app_count == b->app_count &&
		       a->tunnel_count == b->tunnel_count && a->peer_count == b->peer_count &&
		       a->route_count == b->route_count && a->rule_count == b->rule_count &&
		       a->set_count == b->set_count;

	for (size_t i = 0; is_same && i < a->dev_count; i++)
		is_same = same_dev(&a->devs[i], &b->devs[i]);
	for (size_t i = 0; is_same && i < a->app_count; i++)
		is_same = same_app(&a->apps[i], &b->apps[i]);
	for (size_t i = 0; is_same && i < a->tunnel_count; i++)
		is_same = same_tunnel(&a->tunnels[i], &b->tunnels[i]);
	for (size_t i = 0; is_same && i < a->route_count; i++)
		is_same = same_route(&a->routes[i], &b->routes[i]);
	for (size_t i = 0; is_same && i < a->peer_count; i++)
		is_same = same_peer(&a->peers[i], &b->peers[i]);
	for (size_t i = 0; is_same && i < a->set_count; i++)
		is_same = same_set(&a->sets[i], &b->sets[i]);
	for (size_t i = 0; is_same && i < a->rule_count; i++)
		is_same = same_rule(&a->rules[i], &b->rules[i]);
	return is_same;
}

/* ---- one input ---- */

/* Texts of several files have this between them. */
#define CV_NEXT_FILE "\n%%\n"
#define CV_FILES_MAX 8

/* Splits the text; returns how many there are. */
static size_t split(char *text, size_t len, struct cv_part parts[CV_FILES_MAX])
{
	static char *const files[CV_FILES_MAX] = { "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7" };
	char *end = text + len, *next;
	size_t count = 0;

	do {
		next = count + 1 < CV_FILES_MAX
			       ? memmem(text, end - text, CV_NEXT_FILE, strlen(CV_NEXT_FILE))
			       : NULL;
		parts[count] = (struct cv_part){ .file = files[count],
						 .text = text,
						 .len = (next ? next : end) - text };
		count++;
		text = next ? next + strlen(CV_NEXT_FILE) : end;
	} while (next);
	return count;
}

/* With places, or without as a state that is applied. */
static int parse_texts(struct cv_state *state, bool has_places, const char *text, size_t len,
		       struct cv_report *report)
{
	struct cv_part parts[CV_FILES_MAX];

	if (!has_places)
		return cv_config_parse(state, NULL, text, len, report);
	return cv_config_parse_parts(state, parts, split((char *)text, len, parts), report);
}

/* True if text is a good state; fills state in any case. */
static bool read_state(struct cv_state *state, bool has_places, const char *text, size_t len)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_FREE char *printed = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0, errors;
	int rc;

	stream = open_memstream(&printed, &size);
	if (!stream || cv_report_new(&report, stream, false))
		abort();
	cv_state_init(state);
	rc = parse_texts(state, has_places, text, len, report);
	errors = cv_report_errors(report);
	if (rc ? rc != -EINVAL || !errors || cv_report_status(report) != 1 : errors > 0)
		abort();
	if (!rc && cv_config_check(state, report))
		abort();
	cv_report_free(&report); /* writes to the stream */
	return !rc;
}

static void check_round_trip(const struct cv_state *state)
{
	CV_FREE char *text = cv_config_text(state);
	CV_FREE char *again = NULL;
	struct cv_state other;

	if (!text || !read_state(&other, false, text, strlen(text)) || !same_state(state, &other))
		abort();
	again = cv_config_text(&other);
	if (!again || strcmp(again, text) != 0)
		abort();
	cv_state_fini(&other);
}

static void count_warning(const struct cv_err *warning, void *arg)
{
	if (!warning->text[0] || ++*(size_t *)arg == 0)
		abort();
}

/* Rules that pass the checks can be compiled, and each is warned of twice at most: of its device,
 * and of what it matches. */
static void check_rules(const struct cv_state *state)
{
	size_t warnings = 0;
	struct cv_err err;
	int rc = cv_state_warn(state, count_warning, &warnings, &err);

	if ((rc && rc != -E2BIG) || warnings > 2 * state->rule_count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_state state;

	if (read_state(&state, true, (const char *)data, size)) {
		check_round_trip(&state);
		check_rules(&state);
	}
	cv_state_fini(&state);
	return 0;
}
