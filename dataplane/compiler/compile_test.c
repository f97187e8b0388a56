/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of compile.c: the image, asked by oracle.c as the packet path does, against the definition
 * of what rules mean, with random rules and packets; and by hand what each part of the image says.
 */
#include "compile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compile_parts.h"
#include "oracle.h"
#include "own.h"
#include "set.h"
#include "shadow.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NOT_FOUND (-1L)

/* ---- the world that names stand for ---- */

/* db and mail have no route: no mark tells their sockets. */
static const struct cv_app apps[] = {
	{ .name = "web", .id = 11, .mark = 0x01000000 },
	{ .name = "backup", .id = 12, .mark = 0x02000000 },
	{ .name = "db", .id = 13 },
	{ .name = "mail", .id = 14 },
};

static const char *const tunnels[] = { "blue", "red" }; /* ids 1, 2 */
static const char *const devs[] = { "eth0", "eth1" }; /* ifindexes 1, 2 */

static const struct cv_app *find_app(const void *arg, const char *name)
{
	(void)arg;
	for (size_t i = 0; i < CV_COUNT(apps); i++)
		if (!strcmp(apps[i].name, name))
			return &apps[i];
	return NULL;
}

static uint32_t index_of(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i + 1;
	return 0;
}

static uint32_t find_tunnel(const void *arg, const char *name)
{
	(void)arg;
	return index_of(tunnels, CV_COUNT(tunnels), name);
}

static uint32_t find_ifindex(const void *arg, const char *name)
{
	(void)arg;
	return index_of(devs, CV_COUNT(devs), name);
}

/* Names of rules are r0, r1, ... */
static uint32_t find_rule_id(void *arg, const char *name)
{
	(void)arg;
	return 1000 + (uint32_t)strtoul(name + 1, NULL, 10);
}

static const struct cv_resolver resolver = {
	.app = find_app,
	.tunnel = find_tunnel,
	.ifindex = find_ifindex,
	.rule_id = find_rule_id,
};

/* The first app_count of the apps are in the state. */
static void init_state(struct cv_state *state, size_t app_count)
{
	cv_state_init(state);
	for (size_t i = 0; i < app_count; i++) {
		struct cv_app_conf conf = { .has_uid = true };

		memcpy(conf.name, apps[i].name, sizeof(conf.name));
		assert_int_equal(cv_state_add_app(state, &conf, NULL), 0);
	}
}

/* The next rule; borrowed until the one after it. */
static struct cv_rule_conf *add_rule(struct cv_state *state)
{
	struct cv_rule_conf conf = { .place = { .file = "f", .column = 3 } };

	snprintf(conf.name, sizeof(conf.name), "r%zu", state->rule_count);
	conf.place.line = 1 + (int)state->rule_count;
	assert_int_equal(cv_state_add_rule(state, &conf, NULL), 0);
	return &state->rules[state->rule_count - 1];
}

static void set_app(struct cv_rule_conf *rule, const char *name)
{
	rule->match.has_app = true;
	rule->match.app_match = !strcmp(name, "any")	? CV_APP_MATCH_ANY
				: !strcmp(name, "none") ? CV_APP_MATCH_NONE
							: CV_APP_MATCH_NAME;
	if (rule->match.app_match == CV_APP_MATCH_NAME)
		snprintf(rule->match.app, sizeof(rule->match.app), "%s", name);
}

static void add_prefix(struct cv_prefixes *list, const char *text, uint8_t bits)
{
	struct cv_prefix prefix = { .addr.family = strchr(text, ':') ? 6 : 4, .bits = bits };

	inet_pton(prefix.addr.family == 4 ? AF_INET : AF_INET6, text, prefix.addr.bytes);
	list->items = reallocarray(list->items, list->count + 1, sizeof(*list->items));
	assert_non_null(list->items);
	list->items[list->count++] = prefix;
}

static void add_range(struct cv_ranges *list, uint32_t min, uint32_t max)
{
	list->items = reallocarray(list->items, list->count + 1, sizeof(*list->items));
	assert_non_null(list->items);
	list->items[list->count++] = (struct cv_range){ min, max };
}

static void free_rules(struct cv_rules **rules)
{
	if (*rules)
		cv_rules_fini(*rules);
	free(*rules);
}

/* Caller frees. */
static struct cv_rules *compile(const struct cv_state *state)
{
	struct cv_rules *rules = calloc(1, sizeof(*rules));
	struct cv_err err;

	assert_non_null(rules);
	assert_int_equal(cv_compile(rules, state, &resolver, &err), 0);
	return rules;
}

/* The match of that number of those that are asked in a direction, NULL behind the last. */
static const struct cv_match *match_at(const struct cv_rules *rules, enum cv_direction dir,
				       size_t n)
{
	for (size_t i = 0; i < rules->match_count; i++)
		if (rules->matches[i].dirs & 1 << dir && !n--)
			return &rules->matches[i];
	return NULL;
}

static size_t count_of(const struct cv_rules *rules, enum cv_direction dir)
{
	size_t count = 0;

	while (match_at(rules, dir, count))
		count++;
	return count;
}

/* ---- a packet, and the definition ---- */

struct packet {
	struct cv_addr src, dst; /* family 0: no IP packet */
	uint16_t ethertype; /* 0: none */
	uint8_t proto, tos;
	bool has_ports, has_tcp, has_icmp, has_vlan, is_fragment;
	uint16_t sport, dport, vlan;
	uint8_t tcp_flags, icmp_type, icmp_code;
	uint32_t ifindex, mark, tunnel, len, flow_label;
	const struct cv_app *app; /* whose socket it really is; NULL: nobody's */
	bool is_exact;
	const struct packet *quoted; /* NULL: it is no ICMP error */
};

static bool is_in_prefix(const struct cv_prefix *prefix, const struct cv_addr *addr)
{
	if (prefix->addr.family != addr->family)
		return false;
	for (unsigned int bit = 0; bit < prefix->bits; bit++)
		if ((prefix->addr.bytes[bit / 8] ^ addr->bytes[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

static bool is_in_prefixes(const struct cv_prefixes *list, const struct cv_addr *addr)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_in_prefix(&list->items[i], addr))
			return true;
	return false;
}

static bool is_in_ranges(const struct cv_ranges *list, uint32_t number)
{
	for (size_t i = 0; i < list->count; i++)
		if (number >= list->items[i].min && number <= list->items[i].max)
			return true;
	return false;
}

static bool is_owner(const struct cv_match_conf *match, const struct packet *packet)
{
	const struct cv_app *app = packet->app;

	switch (match->app_match) {
	case CV_APP_MATCH_ANY:
		return app;
	case CV_APP_MATCH_NONE:
		return !app;
	case CV_APP_MATCH_NAME:
		break;
	}
	return app && !strcmp(app->name, match->app);
}

/* A condition on a packet: whether it is given, whether the packet has what it is about, and whether
 * it is as the rule says. */
static bool agrees(const struct cv_match_conf *match, enum cv_field field, bool is_given, bool has,
		   bool is_so)
{
	return !is_given || (has && is_so != (match->not_fields >> field & 1));
}

/* A condition that is a list of prefixes or the set that stands for it. */
static bool address_agrees(const struct cv_state *state, const struct cv_match_conf *match,
			   enum cv_field field, const struct cv_prefixes *list,
			   const struct cv_addr *addr)
{
	const char *name = cv_match_conf_set(match, field);

	if (name)
		list = &cv_state_find_set(state, name)->prefixes;
	return agrees(match, field, name || list->count, addr->family, is_in_prefixes(list, addr));
}

static bool number_agrees(const struct cv_state *state, const struct cv_match_conf *match,
			  enum cv_field field, const struct cv_ranges *list, bool has,
			  uint32_t number)
{
	const char *name = cv_match_conf_set(match, field);

	if (name)
		list = &cv_state_find_set(state, name)->ranges;
	return agrees(match, field, name || list->count, has, is_in_ranges(list, number));
}

static const struct cv_ranges nothing;

static bool header_holds(const struct cv_state *state, const struct cv_match_conf *match,
			 const struct packet *packet)
{
	bool is_ip = packet->src.family;
	uint8_t dscp = packet->tos >> 2, ecn = packet->tos & 3;

	if (match->family && match->family != packet->src.family)
		return false;
	if (match->fragment != CV_FRAGMENT_EITHER &&
	    (!is_ip || packet->is_fragment != (match->fragment == CV_FRAGMENT_YES)))
		return false;
	return address_agrees(state, match, CV_FIELD_SRC, &match->src, &packet->src) &&
	       address_agrees(state, match, CV_FIELD_DST, &match->dst, &packet->dst) &&
	       agrees(match, CV_FIELD_PROTO, match->has_proto, is_ip,
		      match->proto == packet->proto) &&
	       number_agrees(state, match, CV_FIELD_PROTO, &nothing, is_ip, packet->proto) &&
	       agrees(match, CV_FIELD_DSCP, match->has_dscp, is_ip, match->dscp == dscp) &&
	       number_agrees(state, match, CV_FIELD_DSCP, &nothing, is_ip, dscp) &&
	       agrees(match, CV_FIELD_ECN, match->ecns, is_ip, match->ecns >> ecn & 1) &&
	       number_agrees(state, match, CV_FIELD_LEN, &match->len, is_ip, packet->len) &&
	       agrees(match, CV_FIELD_FLOW_LABEL, match->has_flow_label, packet->src.family == 6,
		      match->flow_label == packet->flow_label);
}

static bool transport_holds(const struct cv_state *state, const struct cv_match_conf *match,
			    const struct packet *packet)
{
	if (match->has_icmp_code && (!packet->has_icmp || match->icmp_code != packet->icmp_code))
		return false;
	return number_agrees(state, match, CV_FIELD_SPORT, &match->sport, packet->has_ports,
			     packet->sport) &&
	       number_agrees(state, match, CV_FIELD_DPORT, &match->dport, packet->has_ports,
			     packet->dport) &&
	       agrees(match, CV_FIELD_TCP_FLAGS, match->has_tcp_flags, packet->has_tcp,
		      (packet->tcp_flags & match->tcp_mask) == match->tcp_flags) &&
	       agrees(match, CV_FIELD_ICMP_TYPE, match->has_icmp_type, packet->has_icmp,
		      match->icmp_type == packet->icmp_type);
}

/* What stands before the IP packet, or nowhere in it. */
static bool surroundings_hold(const struct cv_state *state, const struct cv_match_conf *match,
			      const struct packet *packet, enum cv_direction dir)
{
	bool is_ip = packet->src.family;

	return agrees(match, CV_FIELD_DEV, match->dev[0], true,
		      find_ifindex(NULL, match->dev) == packet->ifindex) &&
	       agrees(match, CV_FIELD_APP, match->has_app, is_ip, is_owner(match, packet)) &&
	       (!match->app_is_exact || packet->is_exact) &&
	       agrees(match, CV_FIELD_TUNNEL, match->tunnel[0], is_ip && dir == CV_DIR_IN,
		      find_tunnel(NULL, match->tunnel) == packet->tunnel) &&
	       agrees(match, CV_FIELD_MARK, match->has_mark, true,
		      (packet->mark & match->mark_mask) == match->mark) &&
	       number_agrees(state, match, CV_FIELD_MARK, &nothing, true, packet->mark) &&
	       number_agrees(state, match, CV_FIELD_VLAN, &match->vlan, packet->has_vlan,
			     packet->vlan) &&
	       agrees(match, CV_FIELD_ETHERTYPE, match->has_ethertype, packet->ethertype,
		      match->ethertype == packet->ethertype);
}

/* Every condition that is given holds; of a list, one of the alternatives. */
static bool rule_holds(const struct cv_state *state, const struct cv_match_conf *match,
		       const struct packet *packet, enum cv_direction dir)
{
	if (match->dir == (dir == CV_DIR_IN ? CV_DIR_ONLY_OUT : CV_DIR_ONLY_IN))
		return false;
	if (match->is_quoted)
		packet = packet->quoted;
	if (!packet || (!packet->src.family && !match->has_ethertype))
		return false;
	return header_holds(state, match, packet) && transport_holds(state, match, packet) &&
	       surroundings_hold(state, match, packet, dir);
}

static uint32_t prio_of(const struct cv_rule_conf *rule)
{
	return rule->has_prio ? rule->prio : CV_DEFAULT_RULE_PRIO;
}

/* True if rule a is met before rule b. */
static bool is_before(const struct cv_state *state, size_t a, size_t b)
{
	uint32_t x = prio_of(&state->rules[a]), y = prio_of(&state->rules[b]);

	return x < y || (x == y && a < b);
}

/* Of the rules that hold the one met first: its index in the state. */
static long definition(const struct cv_state *state, const struct packet *packet,
		       enum cv_direction dir)
{
	long first = NOT_FOUND;

	for (size_t i = 0; i < state->rule_count; i++)
		if (rule_holds(state, &state->rules[i].match, packet, dir) &&
		    (first == NOT_FOUND || is_before(state, i, (size_t)first)))
			first = (long)i;
	return first;
}

/* ---- the image, asked as the packet path does ---- */

static struct cv_oracle_packet ask_about(const struct packet *packet)
{
	struct cv_oracle_packet asked = {
		.ifindex = packet->ifindex,
		.mark = packet->mark,
		.app = packet->app ? packet->app->id : CV_APP_NONE,
		.is_exact = packet->is_exact,
		.tunnel = packet->tunnel,
		.len = packet->len,
		.flow_label = packet->flow_label,
		.sport = packet->sport,
		.dport = packet->dport,
		.vlan = packet->vlan,
		.ethertype = packet->ethertype,
		.family = packet->src.family,
		.proto = packet->proto,
		.dscp = packet->tos >> 2,
		.ecn = packet->tos & 3,
		.tcp_flags = packet->tcp_flags,
		.icmp_type = packet->icmp_type,
		.icmp_code = packet->icmp_code,
		.has_ports = packet->has_ports,
		.has_vlan = packet->has_vlan,
		.has_tcp = packet->has_tcp,
		.has_icmp = packet->has_icmp,
		.is_fragment = packet->is_fragment,
	};

	memcpy(asked.src, packet->src.bytes, packet->src.family == 4 ? 4 : 16);
	memcpy(asked.dst, packet->dst.bytes, packet->dst.family == 4 ? 4 : 16);
	return asked;
}

/* Index into set->rules. */
static long find_in_image(const struct cv_rules *set, const struct packet *packet,
			  enum cv_direction dir)
{
	struct cv_oracle_packet asked = ask_about(packet), quoted;
	const struct cv_compiled_rule *rule;

	if (packet->quoted) {
		quoted = ask_about(packet->quoted);
		asked.quoted = &quoted;
	}
	rule = cv_oracle_find(set, &asked, dir);
	return rule ? rule - set->rules : NOT_FOUND;
}

/* ---- random rules and packets from few values, so that they meet ---- */

static unsigned int seed;

static unsigned int pick(unsigned int count)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16 & 0x7fff) % count;
}

static bool chance(unsigned int one_in)
{
	return !pick(one_in);
}

static const struct {
	const char *text;
	uint8_t bits;
} prefixes[] = {
	{ "0.0.0.0", 0 },   { "10.0.0.0", 8 },	    { "10.9.0.0", 16 }, { "10.9.128.0", 17 },
	{ "10.9.0.1", 32 }, { "128.0.0.0", 1 },	    { "::", 0 },	{ "2001:db8::", 32 },
	{ "::", 96 },	    { "2001:db8::1", 128 }, { "fe80::", 10 },	{ "2001:db8:0:1::", 65 },
};

static const char *const addresses[] = {
	"10.9.0.1", "10.9.128.1",  "10.8.0.1",	      "192.0.2.1",
	"0.0.0.1",  "2001:db8::1", "2001:db8:0:1::1", "fe80::1",
	"::1",	    "::a09:1",	   "2001:db9::1",     "2001:db8:0:1:8000::1",
};

static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, 0 };
static const uint32_t lengths[] = { 40, 100, 1500, 65536 };
static const uint16_t vlans[] = { 0, 1, 7, 4095 };
static const uint16_t ethertypes[] = { 0x0800, 0x86dd, 0x0806, 0x8847 };
static const uint8_t tcp_flags[] = { 0, 0x02, 0x12, 0x10, 0xff };
static const uint8_t icmp_types[] = { 0, 3, 8, 128 };
static const uint32_t flow_labels[] = { 0, 9, 0xfffff };
static const uint16_t ports[] = { 0, 22, 80, 443, 65535 };
static const uint32_t marks[] = { 0, 0x1, 0x3, 0x11 };

static const struct {
	uint32_t mark, mask;
} mark_matches[] = {
	{ 0, 0 }, { 0x1, 0x1 }, { 0x0, 0x1 }, { 0x11, 0xff }, { 0x3, 0x80ffffff },
};

/* These look at culvert's own bits. */
static const struct {
	uint32_t mark, mask;
} own_mark_matches[] = {
	{ 0x01000000, 0x7f000000 },
	{ 0x1, 0xffffffff },
	{ 0, 0x7f000000 },
	{ 0, 0x01000000 },
};

static void random_prefixes(struct cv_prefixes *list)
{
	for (unsigned int count = chance(2) ? 0 : 1 + pick(3); count; count--) {
		unsigned int i = pick(CV_COUNT(prefixes));

		add_prefix(list, prefixes[i].text, prefixes[i].bits);
	}
}

/* Of two of the numbers. */
static void random_range(struct cv_ranges *list, const uint32_t *numbers, unsigned int count)
{
	uint32_t a = numbers[pick(count)], b = numbers[pick(count)];

	add_range(list, a < b ? a : b, a < b ? b : a);
}

static void random_ports(struct cv_ranges *list)
{
	for (unsigned int count = chance(2) ? 0 : 1 + pick(2); count; count--) {
		uint16_t a = ports[pick(CV_COUNT(ports))], b = ports[pick(CV_COUNT(ports))];

		add_range(list, a < b ? a : b, a < b ? b : a);
	}
}

/* What of the rules is random: whose owners they may name, and whether marks of culvert's own. */
struct variety {
	const char *const *owners;
	size_t owner_count;
	size_t app_count; /* in the state */
	bool has_own_marks;
	bool has_exact;
};

static void random_mark_match(const struct variety *variety, struct cv_match_conf *match)
{
	unsigned int i = pick(CV_COUNT(mark_matches)), own = pick(CV_COUNT(own_mark_matches));
	bool is_own = variety->has_own_marks && chance(2);

	match->has_mark = true;
	match->mark = is_own ? own_mark_matches[own].mark : mark_matches[i].mark;
	match->mark_mask = is_own ? own_mark_matches[own].mask : mark_matches[i].mask;
}

/* Sets of few values, one of each type; their names are those of the types. */
static void add_sets(struct cv_state *state)
{
	static const uint32_t values[CV_SET_TYPE_COUNT][2] = {
		[CV_SET_PORT] = { 22, 443 },  [CV_SET_PROTO] = { 6, 58 },  [CV_SET_DSCP] = { 0, 0 },
		[CV_SET_MARK] = { 0x1, 0x3 }, [CV_SET_LEN] = { 41, 1500 }, [CV_SET_VLAN] = { 1, 7 },
	};

	for (int type = 0; type < CV_SET_TYPE_COUNT; type++) {
		struct cv_set_conf conf = { .type = type };

		snprintf(conf.name, sizeof(conf.name), "%s", cv_set_type_names[type]);
		if (type == CV_SET_PREFIX) {
			add_prefix(&conf.prefixes, "10.9.0.0", 16);
			add_prefix(&conf.prefixes, "2001:db8::", 32);
		} else {
			add_range(&conf.ranges, values[type][0], values[type][1]);
		}
		assert_int_equal(cv_state_add_set(state, &conf, NULL), 0);
	}
}

/* A field that has no value may ask a set. */
static void random_set(struct cv_match_conf *match, enum cv_field field, bool has_value)
{
	enum cv_set_type type;

	if (has_value || !chance(12) || !cv_field_set_type(field, &type))
		return;
	assert_int_equal(cv_match_conf_put_set(match, field, cv_set_type_names[type]), 0);
}

static void random_header(struct cv_match_conf *match)
{
	if (chance(8))
		match->ecns = 1 + pick(15);
	match->fragment = chance(10) ? CV_FRAGMENT_YES + pick(2) : CV_FRAGMENT_EITHER;
	for (unsigned int count = chance(6) ? 1 + pick(2) : 0; count; count--)
		random_range(&match->len, lengths, CV_COUNT(lengths));
	match->has_flow_label = chance(12);
	match->flow_label = match->has_flow_label ? flow_labels[pick(CV_COUNT(flow_labels))] : 0;
	match->has_ethertype = chance(8);
	match->ethertype = match->has_ethertype ? ethertypes[pick(CV_COUNT(ethertypes))] : 0;
	for (unsigned int count = chance(8) ? 1 + pick(2) : 0; count; count--) {
		uint16_t a = vlans[pick(CV_COUNT(vlans))], b = vlans[pick(CV_COUNT(vlans))];

		add_range(&match->vlan, a < b ? a : b, a < b ? b : a);
	}
	match->is_quoted = chance(10);
}

static void random_transport(struct cv_match_conf *match)
{
	bool is_icmp = match->proto == IPPROTO_ICMP || match->proto == IPPROTO_ICMPV6;

	if (match->has_proto && match->proto == IPPROTO_TCP && chance(3)) {
		match->has_tcp_flags = true;
		match->tcp_mask = tcp_flags[pick(CV_COUNT(tcp_flags))];
		match->tcp_flags = tcp_flags[pick(CV_COUNT(tcp_flags))] & match->tcp_mask;
	}
	if (!match->has_proto || !is_icmp)
		return;
	match->has_icmp_type = chance(2);
	match->icmp_type = match->has_icmp_type ? icmp_types[pick(CV_COUNT(icmp_types))] : 0;
	match->has_icmp_code = chance(3);
	match->icmp_code = match->has_icmp_code ? pick(2) : 0;
}

/* Types and codes need their protocol as it stands. */
static void random_negations(struct cv_match_conf *match)
{
	match->not_fields = chance(2) ? 0 : pick(1 << 15) & pick(1 << 15);
	match->not_fields |= chance(4) ? pick(4) << 15 : 0;
	if (match->app_match != CV_APP_MATCH_NAME)
		match->not_fields &= ~(1u << CV_FIELD_APP);
	if (match->has_icmp_type || match->has_icmp_code)
		match->not_fields &= ~(1u << CV_FIELD_PROTO);
}

static void random_rule(const struct variety *variety, struct cv_state *state)
{
	struct cv_rule_conf *rule = add_rule(state);
	struct cv_match_conf *match = &rule->match;

	rule->has_prio = !chance(4);
	rule->prio = rule->has_prio ? CV_DEFAULT_RULE_PRIO - 2 + pick(5) : 0;
	rule->action.verdict = pick(3);
	rule->action.has_verdict = rule->action.verdict != CV_NEXT;
	match->dir = chance(3) ? CV_DIR_ONLY_IN + pick(2) : CV_DIR_BOTH;
	if (chance(6))
		snprintf(match->dev, sizeof(match->dev), "%s", devs[pick(CV_COUNT(devs))]);
	if (chance(3) && variety->owner_count)
		set_app(rule, variety->owners[pick(variety->owner_count)]);
	match->app_is_exact = variety->has_exact && match->has_app &&
			      match->app_match != CV_APP_MATCH_NONE && chance(3);
	match->family = chance(4) ? 4 + 2 * pick(2) : 0;
	if (chance(3))
		random_prefixes(&match->src);
	if (chance(3))
		random_prefixes(&match->dst);
	match->has_proto = chance(2);
	match->proto = match->has_proto ? protos[pick(CV_COUNT(protos))] : 0;
	if (match->has_proto && (match->proto == IPPROTO_TCP || match->proto == IPPROTO_UDP)) {
		random_ports(&match->sport);
		random_ports(&match->dport);
	}
	match->has_dscp = chance(6);
	match->dscp = match->has_dscp ? pick(2) * 46 : 0;
	if (chance(5))
		random_mark_match(variety, match);
	if (chance(8) && match->dir != CV_DIR_ONLY_OUT)
		snprintf(match->tunnel, sizeof(match->tunnel), "%s",
			 tunnels[pick(CV_COUNT(tunnels))]);
	if (chance(2))
		random_header(match);
	random_transport(match);
	random_negations(match);
	random_set(match, CV_FIELD_SRC, match->src.count);
	random_set(match, CV_FIELD_DST, match->dst.count);
	random_set(match, CV_FIELD_PROTO, match->has_proto);
	random_set(match, CV_FIELD_SPORT, match->sport.count);
	random_set(match, CV_FIELD_DPORT, match->dport.count);
	random_set(match, CV_FIELD_DSCP, match->has_dscp);
	random_set(match, CV_FIELD_MARK, match->has_mark);
	random_set(match, CV_FIELD_LEN, match->len.count);
	random_set(match, CV_FIELD_VLAN, match->vlan.count);
}

static void random_state(const struct variety *variety, struct cv_state *state)
{
	init_state(state, variety->app_count);
	add_sets(state);
	for (unsigned int count = pick(12); count; count--)
		random_rule(variety, state);
}

static struct cv_addr random_addr(uint8_t family)
{
	struct cv_addr addr = { .family = family };
	const char *text;

	do
		text = addresses[pick(CV_COUNT(addresses))];
	while ((strchr(text, ':') ? 6 : 4) != family);
	inet_pton(family == 4 ? AF_INET : AF_INET6, text, addr.bytes);
	return addr;
}

static void random_payload(struct packet *packet)
{
	uint8_t icmp = packet->src.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (chance(8))
		return; /* cut off, or a later fragment */
	packet->has_ports = packet->proto == IPPROTO_TCP || packet->proto == IPPROTO_UDP;
	packet->sport = packet->has_ports ? ports[pick(CV_COUNT(ports))] : 0;
	packet->dport = packet->has_ports ? ports[pick(CV_COUNT(ports))] : 0;
	packet->has_tcp = packet->proto == IPPROTO_TCP && !chance(8);
	packet->tcp_flags = packet->has_tcp ? tcp_flags[pick(CV_COUNT(tcp_flags))] : 0;
	packet->has_icmp = packet->proto == icmp;
	packet->icmp_type = packet->has_icmp ? icmp_types[pick(CV_COUNT(icmp_types))] : 0;
	packet->icmp_code = packet->has_icmp ? pick(2) : 0;
}

static void random_ip(struct packet *packet)
{
	uint8_t family = 4 + 2 * pick(2);

	packet->src = random_addr(family);
	packet->dst = random_addr(family);
	packet->ethertype = family == 4 ? 0x0800 : 0x86dd;
	packet->proto = protos[pick(CV_COUNT(protos))];
	packet->tos = pick(4) | (chance(2) ? 46 << 2 : 0);
	packet->len = lengths[pick(CV_COUNT(lengths))];
	packet->is_fragment = chance(4);
	packet->flow_label = family == 6 ? flow_labels[pick(CV_COUNT(flow_labels))] : 0;
	random_payload(packet);
}

/* A socket of a routed app marks its packets; nobody else has those bits. */
static struct packet random_packet(const struct variety *variety, enum cv_direction dir)
{
	static struct packet quoted;
	struct packet packet = {
		.ifindex = 1 + pick(3),
		.mark = marks[pick(CV_COUNT(marks))],
		.app = variety->app_count && chance(2) ? &apps[pick(variety->app_count)] : NULL,
	};

	if (packet.app) {
		packet.mark |= packet.app->mark;
		packet.is_exact = chance(2);
	}
	if (dir == CV_DIR_IN)
		packet.tunnel = pick(3);
	if (dir != CV_DIR_ENCAP) {
		packet.has_vlan = chance(2);
		packet.vlan = packet.has_vlan ? vlans[pick(CV_COUNT(vlans))] : 0;
	}
	if (dir != CV_DIR_ENCAP && chance(8)) {
		packet.app = NULL; /* a frame without IP */
		packet.is_exact = false;
		packet.tunnel = 0;
		packet.ethertype = chance(8) ? 0 : ethertypes[2 + pick(2)];
		return packet;
	}
	quoted = packet;
	random_ip(&packet);
	if (chance(4)) {
		random_ip(&quoted);
		packet.quoted = &quoted;
	}
	return packet;
}

/* ---- the image against the definition ---- */

static const char *const all_owners[] = { "web", "backup", "db", "mail", "ghost", "any", "none" };
static const char *const routed_owners[] = { "web", "backup", "any" };

#define STATES 3000
#define PACKETS 60

static void assert_name(const struct cv_rules *set, long found, const struct cv_state *state,
			long expected, const char *what)
{
	const char *is = found == NOT_FOUND ? "none" : set->rules[found].rule.name;
	const char *should = expected == NOT_FOUND ? "none" : state->rules[expected].name;

	if (strcmp(is, should) != 0)
		print_error("%s, seed %u\n", what, seed);
	assert_string_equal(is, should);
}

static void compare_direction(enum cv_direction dir)
{
	static const struct variety variety = { all_owners, CV_COUNT(all_owners), CV_COUNT(apps),
						true, true };
	unsigned int met = 0;

	seed = 1 + dir;
	for (int i = 0; i < STATES; i++) {
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		struct cv_state state;

		random_state(&variety, &state);
		set = compile(&state);
		for (int j = 0; j < PACKETS; j++) {
			struct packet packet = random_packet(&variety, dir);
			long expected = definition(&state, &packet, dir);

			assert_name(set, find_in_image(set, &packet, dir), &state, expected,
				    dir == CV_DIR_IN ? "in" : "out");
			met += expected != NOT_FOUND;
		}
		cv_state_fini(&state);
	}
	assert_in_range(met, STATES * PACKETS / 10, STATES * PACKETS * 9 / 10);
}

/* By the definition of what users wrote: no packet meets a rule that is said never to match. */
static void rules_that_never_match_are_never_met(void **unused)
{
	static const struct variety variety = { all_owners, CV_COUNT(all_owners), CV_COUNT(apps),
						true, true };
	size_t said = 0;

	(void)unused;
	seed = 11;
	for (int i = 0; i < STATES; i++) {
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		CV_FREE struct cv_shadow *shadows = NULL;
		struct cv_state state;
		size_t count = 0;

		random_state(&variety, &state);
		set = compile(&state);
		assert_int_equal(cv_shadow_find(set, CV_SHADOW_MAX_STEPS, &shadows, &count), 0);
		for (int j = 0; count && j < PACKETS; j++) {
			enum cv_direction dir = pick(2);
			struct packet packet = random_packet(&variety, dir);
			long met = definition(&state, &packet, dir);

			for (size_t k = 0; met != NOT_FOUND && k < count; k++)
				assert_string_not_equal(state.rules[met].name,
							set->rules[shadows[k].rule].rule.name);
		}
		said += count;
		cv_state_fini(&state);
	}
	assert_true(said > STATES / 10);
}

static void first_rule_on_the_way_in_is_the_definitions(void **unused)
{
	(void)unused;
	compare_direction(CV_DIR_IN);
}

static void first_rule_on_the_way_out_is_the_definitions(void **unused)
{
	(void)unused;
	compare_direction(CV_DIR_OUT);
}

/* The rule that would drop the packet, or NOT_FOUND. */
static long if_drop(const struct cv_rule_conf *rules, long index)
{
	return index != NOT_FOUND && rules[index].action.verdict == CV_DROP ? index : NOT_FOUND;
}

static long drop_in_image(const struct cv_rules *set, const struct packet *packet)
{
	long found = find_in_image(set, packet, CV_DIR_ENCAP);

	return found != NOT_FOUND && set->rules[found].rule.verdict == CV_VERDICT_DROP ? found
										       : NOT_FOUND;
}

/* Where every owner that a rule names can be told by its mark. */
static void drops_before_encapsulation_are_the_definitions(void **unused)
{
	static const struct variety variety = { routed_owners, CV_COUNT(routed_owners), 2, false,
						false };
	unsigned int dropped = 0;

	(void)unused;
	seed = 7;
	for (int i = 0; i < STATES; i++) {
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		struct cv_state state;

		random_state(&variety, &state);
		set = compile(&state);
		for (int j = 0; j < PACKETS; j++) {
			struct packet packet = random_packet(&variety, CV_DIR_ENCAP);
			long expected =
				if_drop(state.rules, definition(&state, &packet, CV_DIR_ENCAP));

			assert_name(set, drop_in_image(set, &packet), &state, expected, "encap");
			dropped += expected != NOT_FOUND;
		}
		cv_state_fini(&state);
	}
	assert_in_range(dropped, STATES * PACKETS / 20, STATES * PACKETS * 9 / 10);
}

/* True if a mark cannot tell whether the rule's owner is the packet's. */
static bool has_owner_without_mark(const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;
	const struct cv_app *app = find_app(NULL, match->app);

	if (!match->has_app)
		return false;
	return match->app_match != CV_APP_MATCH_NAME || !app || !app->mark || match->has_mark ||
	       match->app_is_exact;
}

static bool some_owner_is_not_known(const struct cv_state *state, size_t up_to)
{
	for (size_t i = 0; i < state->rule_count; i++)
		if ((i == up_to || is_before(state, i, up_to)) &&
		    has_owner_without_mark(&state->rules[i]))
			return true;
	return false;
}

static long index_in(const struct cv_state *state, const struct cv_rules *set, long found)
{
	return found == NOT_FOUND ? NOT_FOUND
				  : (long)(cv_state_find_rule(state, set->rules[found].rule.name) -
					   state->rules);
}

/* Where some cannot, only what those rules would have said may differ, and no rule drops a packet
 * that it does not match. */
static void drops_before_encapsulation_differ_only_by_owners_without_mark(void **unused)
{
	static const struct variety variety = { all_owners, CV_COUNT(all_owners), CV_COUNT(apps),
						true, true };

	(void)unused;
	seed = 8;
	for (int i = 0; i < STATES; i++) {
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		struct cv_state state;

		random_state(&variety, &state);
		set = compile(&state);
		for (int j = 0; j < PACKETS; j++) {
			struct packet packet = random_packet(&variety, CV_DIR_ENCAP);
			long expected =
				if_drop(state.rules, definition(&state, &packet, CV_DIR_ENCAP));
			long found = index_in(&state, set, drop_in_image(set, &packet));

			if (found != NOT_FOUND)
				assert_true(rule_holds(&state, &state.rules[found].match, &packet,
						       CV_DIR_ENCAP));
			if (found != expected)
				assert_true(some_owner_is_not_known(
					&state, (size_t)(found == NOT_FOUND ? expected : found)));
		}
		cv_state_fini(&state);
	}
}

/* ---- the image itself ---- */

/* Members of conditions that are not given are zero (abi.h), and so is all behind the end. */
static void clear_given_extras(const struct cv_match *match, struct cv_extra *rest)
{
	uint32_t flags = match->flags;

	if (flags & CV_MATCH_DSCP)
		rest->dscps = 0;
	if (flags & CV_MATCH_APP)
		rest->app = 0;
	if (flags & CV_MATCH_DEV)
		rest->ifindex = 0;
	if (flags & CV_MATCH_MARK)
		rest->mark = rest->mark_mask = 0;
	if (flags & CV_MATCH_TUNNEL)
		rest->tunnel = 0;
	if (flags & CV_MATCH_ECN)
		rest->ecns = 0;
	if (flags & CV_MATCH_TCP_FLAGS)
		rest->tcp_flags = rest->tcp_mask = 0;
	if (flags & CV_MATCH_ICMP_TYPE)
		rest->icmp_type = 0;
	if (flags & CV_MATCH_ICMP_CODE)
		rest->icmp_code = 0;
	if (flags & CV_MATCH_LEN)
		rest->len_min = rest->len_max = 0;
	if (flags & CV_MATCH_VLAN)
		rest->vlan_min = rest->vlan_max = 0;
	if (flags & CV_MATCH_ETHERTYPE)
		rest->ethertype = 0;
	if (flags & CV_MATCH_FLOW_LABEL)
		rest->flow_label = 0;
	if (flags & CV_MATCH_SETS)
		memset(rest->sets, 0, sizeof(rest->sets));
}

static void assert_only_given_members(const struct cv_match *match)
{
	static const struct cv_match zeros;
	struct cv_match rest = *match;

	assert_int_equal(match->extra.flags, match->flags & CV_MATCH_EXTRAS);
	assert_int_equal(match->extra.not_flags & ~match->extra.flags, 0);
	rest.flags = rest.rule = rest.dirs = rest.extra.flags = rest.extra.not_flags = 0;
	if (match->flags & CV_MATCH_FAMILY)
		rest.family = 0;
	if (match->flags & CV_MATCH_PROTO)
		rest.proto = 0;
	if (match->flags & CV_MATCH_PORTS)
		rest.sport_min = rest.sport_max = rest.dport_min = rest.dport_max = 0;
	if (match->flags & CV_MATCH_SRC) {
		memset(rest.src, 0, sizeof(rest.src));
		memset(rest.src_mask, 0, sizeof(rest.src_mask));
	}
	if (match->flags & CV_MATCH_DST) {
		memset(rest.dst, 0, sizeof(rest.dst));
		memset(rest.dst_mask, 0, sizeof(rest.dst_mask));
	}
	clear_given_extras(match, &rest.extra);
	assert_memory_equal(&rest, &zeros, sizeof(rest));
}

static void assert_well_formed(const struct cv_rules *set)
{
	for (size_t i = 0; i < set->match_count; i++) {
		const struct cv_match *match = &set->matches[i];

		assert_true(match->rule < set->rule_count);
		assert_true(!i || match[-1].rule <= match->rule);
		assert_true(match->dirs && match->dirs < 1 << CV_DIR_COUNT);
		assert_only_given_members(match);
		if (match->flags & (CV_MATCH_SRC | CV_MATCH_DST))
			assert_true(match->flags & CV_MATCH_FAMILY);
		for (size_t j = 0; j < CV_MAX_SET_REFS; j++)
			assert_true(match->extra.sets[j].set <= set->set_count);
	}
	assert_int_equal(set->netns_cookie, 0);
}

static void assert_same(const struct cv_rules *a, const struct cv_rules *b)
{
	assert_int_equal(a->rule_count, b->rule_count);
	assert_memory_equal(a->rules, b->rules, a->rule_count * sizeof(*a->rules));
	assert_int_equal(a->match_count, b->match_count);
	if (a->match_count)
		assert_memory_equal(a->matches, b->matches, a->match_count * sizeof(*a->matches));
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->set_count, b->set_count);
	for (size_t i = 0; i < a->set_count; i++)
		assert_true(cv_compiled_set_equal(&a->sets[i], &b->sets[i]));
}

static void copy_ranges(struct cv_ranges *copy, const struct cv_ranges *list)
{
	*copy = (struct cv_ranges){ 0 };
	for (size_t i = 0; i < list->count; i++)
		add_range(copy, list->items[i].min, list->items[i].max);
}

static void copy_prefixes(struct cv_prefixes *copy, const struct cv_prefixes *list)
{
	*copy = (struct cv_prefixes){ 0 };
	for (size_t i = 0; i < list->count; i++) {
		add_prefix(copy, "::", 0);
		copy->items[i] = list->items[i];
	}
}

/* A deep copy: the same rules at other addresses. */
static void copy_rules(struct cv_state *copy, const struct cv_state *state, size_t app_count)
{
	init_state(copy, app_count);
	add_sets(copy);
	for (size_t i = 0; i < state->rule_count; i++) {
		struct cv_rule_conf conf = state->rules[i];
		const struct cv_match_conf *match = &state->rules[i].match;

		copy_prefixes(&conf.match.src, &match->src);
		copy_prefixes(&conf.match.dst, &match->dst);
		copy_ranges(&conf.match.sport, &match->sport);
		copy_ranges(&conf.match.dport, &match->dport);
		copy_ranges(&conf.match.len, &match->len);
		copy_ranges(&conf.match.vlan, &match->vlan);
		conf.match.sets = NULL;
		for (int field = 0; field < CV_FIELD_COUNT; field++) {
			const char *set = cv_match_conf_set(match, field);

			if (set)
				assert_int_equal(cv_match_conf_put_set(&conf.match, field, set), 0);
		}
		assert_int_equal(cv_state_add_rule(copy, &conf, NULL), 0);
	}
}

static void same_rules_give_the_same_bytes(void **unused)
{
	static const struct variety variety = { all_owners, CV_COUNT(all_owners), CV_COUNT(apps),
						true, true };

	(void)unused;
	seed = 9;
	for (int i = 0; i < 300; i++) {
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		CV_CLEANUP(free_rules) struct cv_rules *again = NULL;
		CV_CLEANUP(free_rules) struct cv_rules *of_copy = NULL;
		struct cv_state state, copy;

		random_state(&variety, &state);
		copy_rules(&copy, &state, variety.app_count);
		set = compile(&state);
		again = compile(&state);
		of_copy = compile(&copy);
		assert_well_formed(set);
		assert_same(set, again);
		assert_same(set, of_copy);
		cv_state_fini(&state);
		cv_state_fini(&copy);
	}
}

static void rules_stand_in_order_of_prio_then_of_adding(void **unused)
{
	static const struct {
		bool has_prio;
		uint32_t prio;
	} prios[] = { { true, 5 },	    { false, 0 },   { true, 0 },
		      { true, 1000 },	    { false, 0 },   { true, 5 },
		      { true, UINT32_MAX }, { true, 1001 }, { true, 999 } };
	static const size_t expected[] = { 2, 0, 5, 8, 1, 3, 4, 7, 6 };
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	size_t order[CV_COUNT(prios)];
	struct cv_state state;

	(void)unused;
	init_state(&state, 0);
	for (size_t i = 0; i < CV_COUNT(prios); i++) {
		struct cv_rule_conf *rule = add_rule(&state);

		rule->has_prio = prios[i].has_prio;
		rule->prio = prios[i].prio;
	}
	cv_rule_order(&state, order);
	assert_memory_equal(order, expected, sizeof(order));
	set = compile(&state);
	assert_int_equal(set->rule_count, CV_COUNT(prios));
	for (size_t i = 0; i < CV_COUNT(prios); i++) {
		assert_string_equal(set->rules[i].rule.name, state.rules[expected[i]].name);
		assert_int_equal(set->rules[i].rule.id, 1000 + expected[i]);
		assert_int_equal(match_at(set, CV_DIR_IN, i)->rule, i);
		assert_int_equal(match_at(set, CV_DIR_OUT, i)->rule, i);
	}
	cv_state_fini(&state);
}

static void no_rules_give_an_empty_image(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_state state;

	(void)unused;
	init_state(&state, CV_COUNT(apps));
	set = compile(&state);
	assert_int_equal(set->rule_count + set->match_count + set->flags, 0);
	cv_state_fini(&state);
}

static void actions_are_copied(void **unused)
{
	static const struct {
		struct cv_action_conf action;
		struct cv_rule expected;
	} cases[] = {
		{ { 0 }, { .verdict = CV_VERDICT_NEXT } },
		{ { .has_verdict = true, .verdict = CV_NEXT }, { .verdict = CV_VERDICT_NEXT } },
		{ { .has_verdict = true, .verdict = CV_ACCEPT }, { .verdict = CV_VERDICT_ACCEPT } },
		{ { .has_verdict = true, .verdict = CV_DROP }, { .verdict = CV_VERDICT_DROP } },
		{ { .has_dscp = true, .dscp = 46 }, { .flags = CV_ACTION_DSCP, .dscp = 46 } },
		{ { .has_dscp = true }, { .flags = CV_ACTION_DSCP } },
		{ { .has_priority = true, .priority = 0x10030 },
		  { .flags = CV_ACTION_PRIORITY, .priority = 0x10030 } },
		{ { .has_mark = true, .mark = 0x10, .has_mark_mask = true, .mark_mask = 0xff },
		  { .flags = CV_ACTION_MARK, .mark = 0x10, .mark_mask = 0xff } },
		{ { .has_mark = true, .mark = 0x10, .mark_mask = UINT32_MAX },
		  { .flags = CV_ACTION_MARK, .mark = 0x10, .mark_mask = 0x80ffffff } },
		{ { .mark = 0, .mark_mask = 0xff, .has_mark_mask = true }, { .flags = 0 } },
	};
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_state state;

	(void)unused;
	init_state(&state, 0);
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		add_rule(&state)->action = cases[i].action;
	set = compile(&state);
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_rule expected = cases[i].expected;

		memcpy(expected.name, state.rules[i].name, sizeof(expected.name));
		expected.id = 1000 + i;
		assert_memory_equal(&set->rules[i].rule, &expected, sizeof(expected));
	}
	cv_state_fini(&state);
}

/* One rule, the only match of its list on the way in. */
static void assert_match(const struct cv_match_conf *conf, const struct cv_match *expected)
{
	struct cv_match match;
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_state state;

	init_state(&state, CV_COUNT(apps));
	add_rule(&state)->match = *conf;
	set = compile(&state);
	assert_int_equal(count_of(set, CV_DIR_IN), 1);
	match = *match_at(set, CV_DIR_IN, 0);
	assert_int_equal(match.extra.flags, match.flags & CV_MATCH_EXTRAS);
	match.dirs = 0;
	match.extra.flags = 0;
	assert_memory_equal(&match, expected, sizeof(match));
	cv_state_fini(&state);
}

#define NOT(field) .not_fields = 1u << CV_FIELD_##field
#define IS_NOT(flag) .flags = (flag), .extra.not_flags = (flag)
#define TCP .has_proto = true, .proto = 6

static void plain_conditions_are_copied(void **unused)
{
	static const struct {
		struct cv_match_conf conf;
		struct cv_match expected;
	} cases[] = {
		{ { 0 }, { .flags = 0 } },
		{ { .family = 6 }, { .flags = CV_MATCH_FAMILY, .family = 6 } },
		{ { .has_proto = true }, { .flags = CV_MATCH_PROTO } },
		{ { .has_proto = true, .proto = 255 }, { .flags = CV_MATCH_PROTO, .proto = 255 } },
		{ { .has_dscp = true, .dscp = 63 },
		  { .flags = CV_MATCH_DSCP, .extra.dscps = 1ULL << 63 } },
		{ { .has_mark = true, .mark = 1, .mark_mask = 3 },
		  { .flags = CV_MATCH_MARK, .extra.mark = 1, .extra.mark_mask = 3 } },
		{ { .dev = "eth1" }, { .flags = CV_MATCH_DEV, .extra.ifindex = 2 } },
		{ { .tunnel = "red" }, { .flags = CV_MATCH_TUNNEL, .extra.tunnel = 2 } },
		{ { .has_app = true, .app = "db" }, { .flags = CV_MATCH_APP, .extra.app = 13 } },
		{ { .has_app = true, .app = "db", .app_is_exact = true },
		  { .flags = CV_MATCH_APP | CV_MATCH_EXACT, .extra.app = 13 } },
		{ { .has_app = true, .app_match = CV_APP_MATCH_ANY },
		  { .flags = CV_MATCH_APP, .extra.app = CV_APP_ANY } },
		{ { .has_app = true, .app_match = CV_APP_MATCH_NONE },
		  { .flags = CV_MATCH_APP, .extra.app = CV_APP_NONE } },
		{ { .ecns = 0x5 }, { .flags = CV_MATCH_ECN, .extra.ecns = 0x5 } },
		{ { .ecns = 0x5, NOT(ECN) }, { .flags = CV_MATCH_ECN, .extra.ecns = 0xa } },
		{ { .fragment = CV_FRAGMENT_YES }, { .flags = CV_MATCH_FRAGMENT } },
		{ { .fragment = CV_FRAGMENT_NO }, { IS_NOT(CV_MATCH_FRAGMENT) } },
		{ { TCP, .has_tcp_flags = true, .tcp_flags = 2, .tcp_mask = 0x12 },
		  { .flags = CV_MATCH_PROTO | CV_MATCH_TCP_FLAGS,
		    .proto = 6,
		    .extra.tcp_flags = 2,
		    .extra.tcp_mask = 0x12 } },
		{ { .has_proto = true, .proto = 1, .has_icmp_type = true, .icmp_type = 8 },
		  { .flags = CV_MATCH_PROTO | CV_MATCH_FAMILY | CV_MATCH_ICMP_TYPE,
		    .family = 4,
		    .proto = 1,
		    .extra.icmp_type = 8 } },
		{ { .has_proto = true, .proto = 58, .has_icmp_code = true, .icmp_code = 3 },
		  { .flags = CV_MATCH_PROTO | CV_MATCH_FAMILY | CV_MATCH_ICMP_CODE,
		    .family = 6,
		    .proto = 58,
		    .extra.icmp_code = 3 } },
		{ { .has_flow_label = true, .flow_label = 9, NOT(FLOW_LABEL) },
		  { .flags = CV_MATCH_FLOW_LABEL | CV_MATCH_FAMILY,
		    .family = 6,
		    .extra.not_flags = CV_MATCH_FLOW_LABEL,
		    .extra.flow_label = 9 } },
		{ { .is_quoted = true }, { .flags = CV_MATCH_QUOTED } },
		{ { .has_dscp = true, .dscp = 63, NOT(DSCP) },
		  { .flags = CV_MATCH_DSCP, .extra.dscps = ~(1ULL << 63) } },
		{ { .has_mark = true, .mark = 1, .mark_mask = 3, NOT(MARK) },
		  { IS_NOT(CV_MATCH_MARK), .extra.mark = 1, .extra.mark_mask = 3 } },
		{ { .dev = "eth1", NOT(DEV) }, { IS_NOT(CV_MATCH_DEV), .extra.ifindex = 2 } },
		{ { .dev = "gone", NOT(DEV) }, { .flags = 0 } },
		{ { .tunnel = "red", NOT(TUNNEL) },
		  { IS_NOT(CV_MATCH_TUNNEL), .extra.tunnel = 2 } },
		{ { .has_app = true, .app = "db", NOT(APP) },
		  { IS_NOT(CV_MATCH_APP), .extra.app = 13 } },
		{ { .has_app = true, .app = "gone", NOT(APP) }, { .flags = 0 } },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		assert_match(&cases[i].conf, &cases[i].expected);
}

static void lists_are_multiplied_out(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_match_conf *match;
	struct cv_state state;

	(void)unused;
	init_state(&state, 0);
	match = &add_rule(&state)->match;
	match->has_proto = true;
	match->proto = IPPROTO_TCP;
	match->dir = CV_DIR_ONLY_IN;
	add_prefix(&match->src, "10.0.0.0", 8);
	add_prefix(&match->src, "2001:db8::", 32);
	add_prefix(&match->dst, "10.9.0.0", 16);
	add_prefix(&match->dst, "10.7.0.0", 16);
	add_range(&match->sport, 4, 4);
	add_range(&match->sport, 1, 2);
	add_range(&match->dport, 4, 5);
	set = compile(&state);
	/* The IPv6 source meets no destination. */
	assert_int_equal(count_of(set, CV_DIR_IN), 1 * 2 * 2 * 1);
	for (uint32_t i = 0; i < 4; i++) {
		struct cv_match expected = {
			.src = { htonl(0x0a000000) },
			.src_mask = { htonl(0xff000000) },
			.dst = { htonl(i < 2 ? 0x0a070000 : 0x0a090000) },
			.dst_mask = { htonl(0xffff0000) },
			.flags = CV_MATCH_FAMILY | CV_MATCH_PROTO | CV_MATCH_PORTS | CV_MATCH_SRC |
				 CV_MATCH_DST,
			.sport_min = i % 2 ? 4 : 1,
			.sport_max = i % 2 ? 4 : 2,
			.dport_min = 4,
			.dport_max = 5,
			.family = 4,
			.proto = IPPROTO_TCP,
			.dirs = 1 << CV_DIR_IN,
		};

		assert_memory_equal(&set->matches[i], &expected, sizeof(expected));
	}
	cv_state_fini(&state);
}

static void one_sided_ports_leave_the_other_open(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_state state;

	(void)unused;
	init_state(&state, 0);
	add_range(&add_rule(&state)->match.sport, 7, 9);
	add_range(&add_rule(&state)->match.dport, 7, 9);
	set = compile(&state);
	assert_int_equal(set->matches[0].sport_min, 7);
	assert_int_equal(set->matches[0].sport_max, 9);
	assert_int_equal(set->matches[0].dport_min, 0);
	assert_int_equal(set->matches[0].dport_max, 65535);
	assert_int_equal(set->matches[1].sport_min, 0);
	assert_int_equal(set->matches[1].sport_max, 65535);
	assert_int_equal(set->matches[1].dport_min, 7);
	assert_int_equal(set->matches[1].dport_max, 9);
	cv_state_fini(&state);
}

/* ---- directions ---- */

static void assert_counts(const struct cv_state *state, uint32_t in, uint32_t out, uint32_t encap)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = compile(state);

	assert_int_equal(count_of(set, CV_DIR_IN), in);
	assert_int_equal(count_of(set, CV_DIR_OUT), out);
	assert_int_equal(count_of(set, CV_DIR_ENCAP), encap);
}

static struct cv_rule_conf *add_verdict(struct cv_state *state, enum cv_verdict_conf verdict)
{
	struct cv_rule_conf *rule = add_rule(state);

	rule->action.has_verdict = true;
	rule->action.verdict = verdict;
	return rule;
}

static void rules_stand_in_the_lists_of_their_directions(void **unused)
{
	struct cv_state state;

	(void)unused;
	init_state(&state, 0);
	add_verdict(&state, CV_DROP)->match.dir = CV_DIR_ONLY_IN;
	assert_counts(&state, 1, 0, 0);
	add_verdict(&state, CV_DROP)->match.dir = CV_DIR_ONLY_OUT;
	assert_counts(&state, 1, 1, 1);
	add_verdict(&state, CV_DROP);
	assert_counts(&state, 2, 2, 2);
	strcpy(add_verdict(&state, CV_DROP)->match.tunnel, "blue");
	assert_counts(&state, 3, 2, 2);
	cv_state_fini(&state);
}

static void drops_before_encapsulation_are_announced(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *without = NULL;
	CV_CLEANUP(free_rules) struct cv_rules *with = NULL;
	struct cv_state state;

	(void)unused;
	init_state(&state, 0);
	add_verdict(&state, CV_ACCEPT);
	add_verdict(&state, CV_DROP)->match.dir = CV_DIR_ONLY_IN;
	without = compile(&state);
	assert_int_equal(without->flags, 0);
	add_verdict(&state, CV_DROP)->match.dir = CV_DIR_ONLY_OUT;
	with = compile(&state);
	assert_int_equal(with->flags, CV_RULES_DROP_ENCAP);
	cv_state_fini(&state);
}

static void owners_are_asked_for_only_where_a_rule_asks(void **unused)
{
	static const struct {
		const char *app;
		enum cv_dir dir;
		uint32_t flags;
	} cases[] = {
		{ "web", CV_DIR_ONLY_IN, CV_RULES_NEED_OWNER(CV_DIR_IN) },
		{ "none", CV_DIR_ONLY_OUT, CV_RULES_NEED_OWNER(CV_DIR_OUT) },
		{ "any", CV_DIR_BOTH,
		  CV_RULES_NEED_OWNER(CV_DIR_IN) | CV_RULES_NEED_OWNER(CV_DIR_OUT) },
		{ NULL, CV_DIR_BOTH, 0 },
		{ "ghost", CV_DIR_BOTH, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		struct cv_rule_conf *rule;
		struct cv_state state;

		init_state(&state, CV_COUNT(apps));
		add_verdict(&state, CV_ACCEPT)->match.has_dscp = true;
		rule = add_verdict(&state, CV_ACCEPT);
		rule->match.dir = cases[i].dir;
		if (cases[i].app)
			set_app(rule, cases[i].app);
		set = compile(&state);
		assert_int_equal(set->flags, cases[i].flags);
		cv_state_fini(&state);
	}
}

/* ---- before encapsulation ---- */

/* How the first rule's owner and verdict, with "drop everything" behind it or not, meet a packet. */
static void owners_are_known_by_mark_before_encapsulation(void **unused)
{
	static const struct {
		const char *name, *rule_app;
		enum cv_verdict_conf verdict;
		bool has_drop_behind;
		uint32_t mark;
		bool is_dropped;
		bool is_exact;
	} cases[] = {
		{ "dropped for its app", "web", CV_DROP, false, 0x01000000, true, false },
		{ "its other mark bits do not matter", "web", CV_DROP, false, 0x81000011, true,
		  false },
		{ "another app's", "web", CV_DROP, false, 0x02000000, false, false },
		{ "two apps' bits are a third one's", "web", CV_DROP, false, 0x03000000, false,
		  false },
		{ "nobody's", "web", CV_DROP, false, 0, false, false },
		{ "any app's, the first", "any", CV_DROP, false, 0x01000000, true, false },
		{ "any app's, the second", "any", CV_DROP, false, 0x02000000, true, false },
		{ "any app's, but nobody's", "any", CV_DROP, false, 0, false, false },
		{ "marked, but no app's", "any", CV_DROP, false, 0x05000000, false, false },
		{ "an app without route is not told", "db", CV_DROP, false, 0, false, false },
		{ "no owner is not told", "none", CV_DROP, false, 0, false, false },
		{ "an app that there is not", "ghost", CV_DROP, false, 0, false, false },
		{ "accepted for its app", "web", CV_ACCEPT, true, 0x01000000, false, false },
		{ "next for its app", "web", CV_NEXT, true, 0x01000000, false, false },
		{ "not accepted for another app", "web", CV_ACCEPT, true, 0x02000000, true, false },
		{ "accepted for any app", "any", CV_ACCEPT, true, 0x02000000, false, false },
		{ "how it is known is not told", "web", CV_DROP, false, 0x01000000, false, true },
		{ "accepted however it is known", "web", CV_ACCEPT, true, 0x01000000, false, true },
		{ "another app's, however known", "web", CV_ACCEPT, true, 0x02000000, true, true },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct packet packet = { .src.family = 4, .dst.family = 4, .mark = cases[i].mark };
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		struct cv_rule_conf *rule;
		struct cv_state state;

		init_state(&state, CV_COUNT(apps));
		rule = add_verdict(&state, cases[i].verdict);
		set_app(rule, cases[i].rule_app);
		rule->match.app_is_exact = cases[i].is_exact;
		if (cases[i].has_drop_behind)
			add_verdict(&state, CV_DROP);
		set = compile(&state);
		if ((drop_in_image(set, &packet) != NOT_FOUND) != cases[i].is_dropped)
			fail_msg("case \"%s\"", cases[i].name);
		cv_state_fini(&state);
	}
}

static void mark_of_rule_and_of_app_are_one_condition(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_rule_conf *rule;
	struct cv_state state;

	(void)unused;
	init_state(&state, CV_COUNT(apps));
	rule = add_verdict(&state, CV_DROP);
	set_app(rule, "web");
	rule->match.has_mark = true;
	rule->match.mark = 0x1;
	rule->match.mark_mask = 0xf;
	set = compile(&state);
	assert_int_equal(count_of(set, CV_DIR_ENCAP), 1);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->flags, CV_MATCH_MARK);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->extra.mark, 0x01000001);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->extra.mark_mask, 0x7f00000f);
	assert_int_equal(match_at(set, CV_DIR_OUT, 0)->extra.mark_mask, 0xf);
	cv_state_fini(&state);
}

static void apps_are_told_by_the_mask_of_the_state(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_state state;

	(void)unused;
	init_state(&state, CV_COUNT(apps));
	state.mark_mask = 0x03000000;
	set_app(add_verdict(&state, CV_DROP), "backup");
	set = compile(&state);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->extra.mark, 0x02000000);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->extra.mark_mask, 0x03000000);
	cv_state_fini(&state);
}

/* ---- lists, in and out ---- */

/* The only rule of a state; borrowed until another is added. */
static struct cv_match_conf *only_rule(struct cv_state *state)
{
	init_state(state, CV_COUNT(apps));
	add_sets(state);
	add_rule(state)->match.dir = CV_DIR_ONLY_IN;
	return &state->rules[0].match;
}

static void what_overlaps_or_touches_is_one_value(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_match_conf *match;
	struct cv_state state;

	(void)unused;
	match = only_rule(&state);
	add_prefix(&match->src, "10.2.0.0", 16);
	add_prefix(&match->src, "10.3.0.0", 16);
	add_prefix(&match->src, "10.0.0.0", 15);
	add_prefix(&match->src, "10.0.7.0", 24);
	add_prefix(&match->src, "::", 1);
	add_prefix(&match->src, "8000::", 1);
	add_range(&match->dport, 7, 9);
	add_range(&match->dport, 1, 3);
	add_range(&match->dport, 4, 7);
	set = compile(&state);
	assert_int_equal(set->match_count, 2);
	assert_int_equal(set->matches[0].src[0], htonl(0x0a000000));
	assert_int_equal(set->matches[0].src_mask[0], htonl(0xfffc0000));
	assert_int_equal(set->matches[0].dport_min, 1);
	assert_int_equal(set->matches[0].dport_max, 9);
	assert_int_equal(set->matches[1].family, 6);
	assert_int_equal(set->matches[1].src_mask[0], 0);
	cv_state_fini(&state);
}

static void ports_that_must_not_be_are_all_others(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_match_conf *match;
	struct cv_state state;

	(void)unused;
	match = only_rule(&state);
	match->not_fields = 1u << CV_FIELD_SPORT | 1u << CV_FIELD_DPORT;
	add_range(&match->sport, 443, 443);
	add_range(&match->sport, 80, 80);
	add_range(&match->dport, 0, 1023);
	set = compile(&state);
	assert_int_equal(set->match_count, 3);
	for (size_t i = 0; i < 3; i++) {
		static const uint16_t sports[3][2] = { { 0, 79 }, { 81, 442 }, { 444, 65535 } };

		assert_int_equal(set->matches[i].sport_min, sports[i][0]);
		assert_int_equal(set->matches[i].sport_max, sports[i][1]);
		assert_int_equal(set->matches[i].dport_min, 1024);
		assert_int_equal(set->matches[i].dport_max, 65535);
	}
	cv_state_fini(&state);
}

static void what_leaves_no_value_matches_nothing(void **unused)
{
	struct cv_match_conf *match;
	struct cv_state state;

	(void)unused;
	match = only_rule(&state);
	match->not_fields = 1u << CV_FIELD_DPORT;
	add_range(&match->dport, 0, 1000);
	add_range(&match->dport, 1001, 65535);
	assert_counts(&state, 0, 0, 0);
	cv_state_fini(&state);
}

/* One range is a condition turned round, several are all others. */
static void lengths_and_vlans_can_be_negated(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_match_conf *match;
	struct cv_state state;

	(void)unused;
	match = only_rule(&state);
	match->not_fields = 1u << CV_FIELD_LEN | 1u << CV_FIELD_VLAN;
	add_range(&match->len, 100, 200);
	add_range(&match->vlan, 0, 0);
	add_range(&match->vlan, 7, 9);
	set = compile(&state);
	assert_int_equal(set->match_count, 2);
	assert_int_equal(set->matches[0].extra.not_flags, CV_MATCH_LEN);
	assert_int_equal(set->matches[0].extra.len_min, 100);
	assert_int_equal(set->matches[0].extra.len_max, 200);
	assert_int_equal(set->matches[0].extra.vlan_min, 1);
	assert_int_equal(set->matches[0].extra.vlan_max, 6);
	assert_int_equal(set->matches[1].extra.vlan_min, 10);
	assert_int_equal(set->matches[1].extra.vlan_max, 4095);
	cv_state_fini(&state);
}

static void assert_ref(const struct cv_match *match, size_t at, uint16_t number,
		       enum cv_set_field field, bool is_not)
{
	const struct cv_set_ref *ref = &match->extra.sets[at];

	assert_true(match->flags & CV_MATCH_SETS);
	assert_int_equal(ref->set, number);
	assert_int_equal(ref->field, field);
	assert_int_equal(ref->is_not, is_not);
}

static void named_sets_have_the_numbers_of_the_state(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_match_conf *match;
	struct cv_state state;

	(void)unused;
	match = only_rule(&state);
	assert_int_equal(cv_match_conf_put_set(match, CV_FIELD_SRC, "prefix"), 0);
	assert_int_equal(cv_match_conf_put_set(match, CV_FIELD_DPORT, "port"), 0);
	match->not_fields = 1u << CV_FIELD_DPORT;
	set = compile(&state);
	assert_int_equal(set->match_count, 1);
	assert_int_equal(set->set_count, CV_SET_TYPE_COUNT);
	assert_string_equal(set->sets[CV_SET_PORT].name, "port");
	assert_int_equal(set->sets[CV_SET_PORT].number_count, 1);
	assert_int_equal(set->matches[0].flags, CV_MATCH_SETS);
	assert_ref(&set->matches[0], 0, CV_SET_PREFIX + 1, CV_SET_FIELD_SRC, false);
	assert_ref(&set->matches[0], 1, CV_SET_PORT + 1, CV_SET_FIELD_DPORT, true);
	cv_state_fini(&state);
}

/* Two rules that negate the same values ask one set. */
static void negated_addresses_and_protocols_are_sets(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_state state;

	(void)unused;
	init_state(&state, 0);
	for (int i = 0; i < 2; i++) {
		struct cv_match_conf *match = &add_rule(&state)->match;

		match->not_fields = 1u << CV_FIELD_SRC | 1u << CV_FIELD_PROTO;
		match->has_proto = true;
		match->proto = 17;
		add_prefix(&match->src, i ? "10.0.0.0" : "11.0.0.0", 8);
		add_prefix(&match->src, i ? "11.0.0.0" : "10.0.0.0", 8);
	}
	set = compile(&state);
	assert_int_equal(set->match_count, 2);
	assert_int_equal(set->set_count, 2);
	assert_string_equal(set->sets[0].name, "");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(set->matches[i].flags, CV_MATCH_SETS);
		assert_ref(&set->matches[i], 0, 1, CV_SET_FIELD_PROTO, true);
		assert_ref(&set->matches[i], 1, 2, CV_SET_FIELD_SRC, true);
	}
	assert_int_equal(set->sets[1].number_count, 1);
	assert_int_equal(set->sets[1].numbers[0].min[1], 0x0a000000);
	assert_int_equal(set->sets[1].numbers[0].max[1], 0x0bffffff);
	cv_state_fini(&state);
}

static void what_is_of_no_family_matches_nothing(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *one = NULL;
	CV_CLEANUP(free_rules) struct cv_rules *none = NULL;
	struct cv_match_conf *match;
	struct cv_state state;

	(void)unused;
	match = only_rule(&state);
	match->not_fields = 1u << CV_FIELD_DST;
	add_prefix(&match->dst, "0.0.0.0", 0);
	one = compile(&state);
	assert_int_equal(one->match_count, 1);
	assert_int_equal(one->matches[0].family, 6);
	add_prefix(&match->dst, "::", 0);
	none = compile(&state);
	assert_int_equal(none->match_count, 0);
	cv_state_fini(&state);
}

static void long_lists_become_sets(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_match_conf *match;
	struct cv_state state;

	(void)unused;
	match = only_rule(&state);
	for (unsigned int i = 0; i < 128; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.0.%u.0", i * 2);
		add_prefix(&match->src, text, 24);
		add_range(&match->dport, i * 2, i * 2);
	}
	add_range(&match->sport, 7, 7);
	add_range(&match->sport, 9, 9);
	set = compile(&state);
	assert_int_equal(set->match_count, 256);
	assert_int_equal(set->set_count, CV_SET_TYPE_COUNT + 1);
	assert_int_equal(set->sets[CV_SET_TYPE_COUNT].number_count, 128);
	for (size_t i = 0; i < 256; i++) {
		assert_ref(&set->matches[i], 0, CV_SET_TYPE_COUNT + 1, CV_SET_FIELD_DPORT, false);
		assert_int_equal(set->matches[i].sport_min, i % 2 ? 9 : 7);
	}
	cv_state_fini(&state);
}

/* What is looked up is still of one family, if all of the list is. */
static void long_lists_of_one_family_are_about_it(void **unused)
{
	struct cv_match_conf *match;

	(void)unused;
	for (int is_mixed = 0; is_mixed < 2; is_mixed++) {
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		struct cv_state state;

		match = only_rule(&state);
		for (unsigned int i = 0; i < 300; i++) {
			char text[32];

			snprintf(text, sizeof(text), "10.%u.%u.0", i / 100, i % 100 * 2);
			add_prefix(&match->dst, text, 24);
		}
		if (is_mixed)
			add_prefix(&match->dst, "2001:db8::", 32);
		set = compile(&state);
		assert_int_equal(set->match_count, 1);
		assert_int_equal(set->matches[0].flags,
				 CV_MATCH_SETS | (is_mixed ? 0 : CV_MATCH_FAMILY));
		assert_int_equal(set->matches[0].family, is_mixed ? 0 : 4);
		assert_ref(&set->matches[0], 0, CV_SET_TYPE_COUNT + 1, CV_SET_FIELD_DST, false);
		cv_state_fini(&state);
	}
}

/* ---- ether types ---- */

static const struct cv_match *ethertype_match(struct cv_rules **set, uint16_t ethertype,
					      bool is_not, const char *dst)
{
	struct cv_match_conf *match;
	struct cv_state state;

	match = only_rule(&state);
	match->has_ethertype = true;
	match->ethertype = ethertype;
	match->not_fields = is_not ? 1u << CV_FIELD_ETHERTYPE : 0;
	if (dst)
		add_prefix(&match->dst, dst, 8);
	free_rules(set);
	*set = compile(&state);
	cv_state_fini(&state);
	return (*set)->match_count ? (*set)->matches : NULL;
}

static void ether_types_of_ip_are_families(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	const struct cv_match *match;

	(void)unused;
	match = ethertype_match(&set, 0x0800, false, NULL);
	assert_int_equal(match->flags, CV_MATCH_FAMILY);
	assert_int_equal(match->family, 4);
	match = ethertype_match(&set, 0x0806, true, "10.0.0.0");
	assert_int_equal(match->flags, CV_MATCH_FAMILY | CV_MATCH_DST);
	assert_null(ethertype_match(&set, 0x0800, true, "10.0.0.0"));
	assert_null(ethertype_match(&set, 0x0806, false, "10.0.0.0"));
	assert_int_equal(set->flags, 0);
	match = ethertype_match(&set, 0x0800, true, NULL);
	assert_int_equal(match->flags, CV_MATCH_ETHERTYPE);
	assert_int_equal(match->extra.not_flags, CV_MATCH_ETHERTYPE);
	match = ethertype_match(&set, 0x0806, false, NULL);
	assert_int_equal(match->flags, CV_MATCH_ETHERTYPE);
	assert_int_equal(match->extra.ethertype, 0x0806);
	assert_int_equal(set->flags, CV_RULES_NEED_LINK);
}

static void what_is_read_is_announced(void **unused)
{
	static const struct {
		struct cv_match_conf conf;
		const char *set; /* asked for field */
		uint32_t flags;
		enum cv_field field;
	} cases[] = {
		{ { TCP }, NULL, .flags = 0 },
		{ { TCP, .has_tcp_flags = true }, NULL, .flags = CV_RULES_NEED_TCP },
		{ { .has_proto = true, .proto = 1, .has_icmp_type = true },
		  NULL,
		  .flags = CV_RULES_NEED_ICMP },
		{ { .has_proto = true, .proto = 1, .has_icmp_code = true },
		  NULL,
		  .flags = CV_RULES_NEED_ICMP },
		{ { .has_ethertype = true }, NULL, .flags = CV_RULES_NEED_LINK },
		{ { .is_quoted = true }, NULL, .flags = CV_RULES_NEED_QUOTED },
		{ { .ecns = 1, .fragment = CV_FRAGMENT_NO }, NULL, .flags = 0 },
		{ { .has_flow_label = true }, NULL, .flags = CV_RULES_NO_CACHE },
		{ { .dev = "eth0" }, "vlan", .flags = CV_RULES_NEED_LINK, .field = CV_FIELD_VLAN },
		{ { .dev = "eth0" }, "len", .flags = CV_RULES_NO_CACHE, .field = CV_FIELD_LEN },
		{ { .dev = "eth0" }, "port", .flags = 0, .field = CV_FIELD_DPORT },
		{ { .has_app = true, .app = "web", .dir = CV_DIR_ONLY_OUT },
		  NULL,
		  .flags = CV_RULES_NEED_OWNER(CV_DIR_OUT) },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
		struct cv_match_conf *match;
		struct cv_state state;

		match = only_rule(&state);
		*match = cases[i].conf;
		if (cases[i].set)
			assert_int_equal(cv_match_conf_put_set(match, cases[i].field, cases[i].set),
					 0);
		set = compile(&state);
		assert_int_equal(set->flags, cases[i].flags);
		cv_state_fini(&state);
	}
}

static void what_is_asked_of_a_length_is_not_remembered(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_state state;

	(void)unused;
	add_range(&only_rule(&state)->len, 100, 200);
	set = compile(&state);
	assert_int_equal(set->flags, CV_RULES_NO_CACHE);
	cv_state_fini(&state);
}

static void no_frame_is_asked_for_before_encapsulation(void **unused)
{
	struct cv_state state;

	(void)unused;
	init_state(&state, 0);
	add_range(&add_verdict(&state, CV_DROP)->match.vlan, 7, 7);
	assert_counts(&state, 1, 1, 0);
	cv_state_fini(&state);
}

/* ---- marks before encapsulation ---- */

/* "mark not 1/3" of an app is one of two bits beside the app's own. */
static void marks_of_apps_and_negated_marks_are_spread(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_rule_conf *rule;
	struct cv_state state;

	(void)unused;
	init_state(&state, CV_COUNT(apps));
	rule = add_verdict(&state, CV_DROP);
	set_app(rule, "web");
	rule->match.has_mark = true;
	rule->match.mark = 0x1;
	rule->match.mark_mask = 0x3;
	rule->match.not_fields = 1u << CV_FIELD_MARK;
	set = compile(&state);
	assert_int_equal(count_of(set, CV_DIR_ENCAP), 2);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->extra.mark, 0x01000000);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->extra.mark_mask, 0x7f000001);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 1)->extra.mark, 0x01000002);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 1)->extra.mark_mask, 0x7f000002);
	assert_int_equal(match_at(set, CV_DIR_OUT, 0)->extra.not_flags, CV_MATCH_MARK);
	cv_state_fini(&state);
}

/* "Not the other app's mark" is said already by the app's own. */
static void negated_marks_that_the_app_has_not_are_no_condition(void **unused)
{
	CV_CLEANUP(free_rules) struct cv_rules *set = NULL;
	struct cv_rule_conf *rule;
	struct cv_state state;

	(void)unused;
	init_state(&state, CV_COUNT(apps));
	rule = add_verdict(&state, CV_DROP);
	set_app(rule, "web");
	rule->match.has_mark = true;
	rule->match.mark = 0x02000000;
	rule->match.mark_mask = 0x7f000001;
	rule->match.not_fields = 1u << CV_FIELD_MARK;
	set = compile(&state);
	assert_int_equal(count_of(set, CV_DIR_ENCAP), 1);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->extra.mark, 0x01000000);
	assert_int_equal(match_at(set, CV_DIR_ENCAP, 0)->extra.mark_mask, 0x7f000000);
	cv_state_fini(&state);
}

/* ---- bounds ---- */

static void more_matches_than_there_may_be_are_refused(void **unused)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	struct compile compile = { .out = &rules, .max_matches = 3 };
	const struct cv_mark_conditions no_marks = { .count = 0 };
	const struct cv_match base = { .dirs = 1 };
	struct cv_match_conf *match;
	struct cv_state state;
	struct cv_err err;

	(void)unused;
	match = only_rule(&state);
	compile.state = &state;
	for (uint32_t i = 0; i < 3; i++)
		add_range(&match->sport, i * 2, i * 2);
	assert_int_equal(cv_multiply(&compile, &state.rules[0], &base, &no_marks, &err), 0);
	assert_int_equal(rules.match_count, 3);
	assert_int_equal(cv_multiply(&compile, &state.rules[0], &base, &no_marks, &err), -EINVAL);
	assert_string_equal(
		err.text,
		"rule r0: with its lists multiplied out there are more than the 3 matches that one instance holds");
	assert_string_equal(err.hint, "use shorter lists or sets");
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_int_equal(err.place.line, 1);
	cv_state_fini(&state);
}

static void free_slots(struct compile *compile)
{
	free(compile->set_slots);
}

static void more_sets_than_there_may_be_are_refused(void **unused)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	struct cv_rule_conf conf = { .name = "r", .place = { "f", 7, 3 } };
	struct cv_state state = { .set_count = 0 };
	CV_CLEANUP(free_slots) struct compile compile = { .out = &rules, .state = &state };
	struct cv_err err;
	int rc = 0;

	(void)unused;
	for (uint32_t i = 0; !rc && i < 70000; i++) {
		struct cv_range range = { i, i };
		struct cv_compiled_set set = { 0 };
		uint16_t number = 0;

		assert_int_equal(cv_set_add_ranges(&set, &(struct cv_ranges){ &range, 1 }), 0);
		rc = cv_compile_anonymous(&compile, &conf, &set, &number, &err);
		if (!rc)
			assert_int_equal(number, i + 1);
	}
	assert_int_equal(rc, -EINVAL);
	assert_int_equal(rules.set_count, UINT16_MAX);
	assert_string_equal(
		err.text,
		"rule r: with what it negates and its long lists there are more than the 65535 sets that one instance holds");
	assert_string_equal(err.hint, "let several rules ask one set with a name");
	assert_int_equal(err.place.line, 7);
}

/* None of the rules but the last is looked at: the memory of the others is never there. */
static void one_rule_more_than_there_may_be_is_refused(void **unused)
{
	CV_FREE struct cv_rule_conf *rules = calloc(CV_MAX_RULES + 1, sizeof(*rules));
	const struct cv_state state = { .rules = rules, .rule_count = CV_MAX_RULES + 1 };
	struct cv_rules set = { 0 };
	char expected[128];
	struct cv_err err;

	(void)unused;
	assert_non_null(rules);
	rules[CV_MAX_RULES].place = (struct cv_place){ "f", 7, 3 };
	assert_int_equal(cv_compile(&set, &state, &resolver, &err), -EINVAL);
	snprintf(expected, sizeof(expected), "%u rules: more than the %u that one instance holds",
		 CV_MAX_RULES + 1, CV_MAX_RULES);
	assert_string_equal(err.text, expected);
	assert_int_equal(err.place.line, 7);
	assert_null(set.rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_that_never_match_are_never_met),
		cmocka_unit_test(first_rule_on_the_way_in_is_the_definitions),
		cmocka_unit_test(first_rule_on_the_way_out_is_the_definitions),
		cmocka_unit_test(drops_before_encapsulation_are_the_definitions),
		cmocka_unit_test(drops_before_encapsulation_differ_only_by_owners_without_mark),
		cmocka_unit_test(same_rules_give_the_same_bytes),
		cmocka_unit_test(rules_stand_in_order_of_prio_then_of_adding),
		cmocka_unit_test(no_rules_give_an_empty_image),
		cmocka_unit_test(actions_are_copied),
		cmocka_unit_test(plain_conditions_are_copied),
		cmocka_unit_test(lists_are_multiplied_out),
		cmocka_unit_test(one_sided_ports_leave_the_other_open),
		cmocka_unit_test(what_overlaps_or_touches_is_one_value),
		cmocka_unit_test(ports_that_must_not_be_are_all_others),
		cmocka_unit_test(what_leaves_no_value_matches_nothing),
		cmocka_unit_test(lengths_and_vlans_can_be_negated),
		cmocka_unit_test(named_sets_have_the_numbers_of_the_state),
		cmocka_unit_test(negated_addresses_and_protocols_are_sets),
		cmocka_unit_test(what_is_of_no_family_matches_nothing),
		cmocka_unit_test(long_lists_become_sets),
		cmocka_unit_test(long_lists_of_one_family_are_about_it),
		cmocka_unit_test(ether_types_of_ip_are_families),
		cmocka_unit_test(what_is_read_is_announced),
		cmocka_unit_test(what_is_asked_of_a_length_is_not_remembered),
		cmocka_unit_test(no_frame_is_asked_for_before_encapsulation),
		cmocka_unit_test(marks_of_apps_and_negated_marks_are_spread),
		cmocka_unit_test(negated_marks_that_the_app_has_not_are_no_condition),
		cmocka_unit_test(more_matches_than_there_may_be_are_refused),
		cmocka_unit_test(more_sets_than_there_may_be_are_refused),
		cmocka_unit_test(rules_stand_in_the_lists_of_their_directions),
		cmocka_unit_test(drops_before_encapsulation_are_announced),
		cmocka_unit_test(owners_are_asked_for_only_where_a_rule_asks),
		cmocka_unit_test(owners_are_known_by_mark_before_encapsulation),
		cmocka_unit_test(mark_of_rule_and_of_app_are_one_condition),
		cmocka_unit_test(apps_are_told_by_the_mask_of_the_state),
		cmocka_unit_test(one_rule_more_than_there_may_be_is_refused),
	};

	return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
