/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether rules make sense: what each asks for can be met, and what it names is there. */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "abi.h"
#include "check.h"
#include "names.h"

/* ---- fields ---- */

static const struct {
	const char *word;
	bool takes_set;
	enum cv_set_type type;
} fields[CV_FIELD_COUNT] = {
	[CV_FIELD_DEV] = { .word = "dev" },
	[CV_FIELD_APP] = { .word = "app" },
	[CV_FIELD_SRC] = { "src", true, CV_SET_PREFIX },
	[CV_FIELD_DST] = { "dst", true, CV_SET_PREFIX },
	[CV_FIELD_PROTO] = { "proto", true, CV_SET_PROTO },
	[CV_FIELD_SPORT] = { "sport", true, CV_SET_PORT },
	[CV_FIELD_DPORT] = { "dport", true, CV_SET_PORT },
	[CV_FIELD_DSCP] = { "dscp", true, CV_SET_DSCP },
	[CV_FIELD_ECN] = { .word = "ecn" },
	[CV_FIELD_TCP_FLAGS] = { .word = "tcp-flags" },
	[CV_FIELD_ICMP_TYPE] = { .word = "icmp-type" },
	[CV_FIELD_MARK] = { "mark", true, CV_SET_MARK },
	[CV_FIELD_TUNNEL] = { .word = "tunnel" },
	[CV_FIELD_LEN] = { "len", true, CV_SET_LEN },
	[CV_FIELD_VLAN] = { "vlan", true, CV_SET_VLAN },
	[CV_FIELD_ETHERTYPE] = { .word = "ethertype" },
	[CV_FIELD_FLOW_LABEL] = { .word = "flow-label" },
};

const char *const cv_set_type_names[CV_SET_TYPE_COUNT] = {
	[CV_SET_PREFIX] = "prefix", [CV_SET_PORT] = "port", [CV_SET_PROTO] = "proto",
	[CV_SET_DSCP] = "dscp",	    [CV_SET_MARK] = "mark", [CV_SET_LEN] = "len",
	[CV_SET_VLAN] = "vlan",
};

bool cv_field_set_type(enum cv_field field, enum cv_set_type *type)
{
	*type = fields[field].type;
	return fields[field].takes_set;
}

static bool is_not(const struct cv_match_conf *match, enum cv_field field)
{
	return match->not_fields >> field & 1;
}

static bool is_plain_proto(const struct cv_match_conf *match, uint8_t proto)
{
	return match->has_proto && match->proto == proto && !is_not(match, CV_FIELD_PROTO);
}

static bool asks_ports(const struct cv_match_conf *match)
{
	return match->sport.count || match->dport.count ||
	       cv_match_conf_set(match, CV_FIELD_SPORT) || cv_match_conf_set(match, CV_FIELD_DPORT);
}

static bool asks_icmp(const struct cv_match_conf *match)
{
	return match->has_icmp_type || match->has_icmp_code;
}

/* A word that only an IP packet can meet, or NULL. */
static const char *ip_word(const struct cv_match_conf *match)
{
	const struct {
		const char *word;
		bool is_given;
	} words[] = {
		{ "family", match->family },
		{ "src", match->src.count || cv_match_conf_set(match, CV_FIELD_SRC) },
		{ "dst", match->dst.count || cv_match_conf_set(match, CV_FIELD_DST) },
		{ "proto", match->has_proto || cv_match_conf_set(match, CV_FIELD_PROTO) },
		{ "dscp", match->has_dscp || cv_match_conf_set(match, CV_FIELD_DSCP) },
		{ "ecn", match->ecns },
		{ "len", match->len.count || cv_match_conf_set(match, CV_FIELD_LEN) },
		{ "fragment", match->fragment != CV_FRAGMENT_EITHER },
		{ "flow-label", match->has_flow_label },
		{ "quoted", match->is_quoted },
		{ "app", match->has_app },
		{ "tunnel", match->tunnel[0] },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (words[i].is_given)
			return words[i].word;
	return NULL;
}

/* ---- protocols ---- */

static bool proto_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

/* Of a set of protocols it is not known here which they are: those without ports do not match. */
static bool may_have_ports(const struct cv_match_conf *match)
{
	return !is_not(match, CV_FIELD_PROTO) &&
	       (cv_match_conf_set(match, CV_FIELD_PROTO) ||
		(match->has_proto && proto_has_ports(match->proto)));
}

static void check_protocol(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;

	if (asks_ports(match) && !may_have_ports(match))
		FAULT(check, &rule->place, "add proto tcp or proto udp",
		      "rule %s: ports without a protocol that has them", rule->name);
	if (match->has_tcp_flags && !is_plain_proto(match, IPPROTO_TCP))
		FAULT(check, &rule->place, "add proto tcp",
		      "rule %s: tcp-flags without proto tcp, which alone has them", rule->name);
	if (asks_icmp(match) && !is_plain_proto(match, IPPROTO_ICMP) &&
	    !is_plain_proto(match, IPPROTO_ICMPV6))
		FAULT(check, &rule->place, "add proto icmp for IPv4 or proto icmpv6 for IPv6",
		      "rule %s: %s without a protocol that has it", rule->name,
		      match->has_icmp_type ? "icmp-type" : "icmp-code");
}

/* ---- families ---- */

/* The one family that a list of prefixes asks for, 0 if it is either. */
static uint8_t family_of(const struct cv_match_conf *match, enum cv_field field)
{
	const struct cv_prefixes *prefixes = field == CV_FIELD_SRC ? &match->src : &match->dst;
	uint8_t family = prefixes->count ? prefixes->items[0].addr.family : 0;

	for (size_t i = 1; i < prefixes->count; i++)
		if (prefixes->items[i].addr.family != family)
			return 0;
	return is_not(match, field) ? 0 : family;
}

static uint8_t family_of_icmp(const struct cv_match_conf *match)
{
	return !asks_icmp(match)		       ? 0
	       : is_plain_proto(match, IPPROTO_ICMP)   ? 4
	       : is_plain_proto(match, IPPROTO_ICMPV6) ? 6
						       : 0;
}

static uint8_t family_of_ethertype(const struct cv_match_conf *match)
{
	return !match->has_ethertype || is_not(match, CV_FIELD_ETHERTYPE) ? 0
	       : match->ethertype == ETH_P_IP				  ? 4
	       : match->ethertype == ETH_P_IPV6				  ? 6
									  : 0;
}

/* The first word that asks for another family than one before it. */
static void check_families(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;
	const struct {
		const char *word;
		uint8_t family;
	} words[] = {
		{ "family", match->family },
		{ "src", family_of(match, CV_FIELD_SRC) },
		{ "dst", family_of(match, CV_FIELD_DST) },
		{ match->has_icmp_type ? "icmp-type" : "icmp-code", family_of_icmp(match) },
		{ "flow-label", match->has_flow_label ? 6 : 0 },
		{ "ethertype", family_of_ethertype(match) },
	};
	size_t first = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!words[first].family)
			first = i;
		if (!words[i].family || words[i].family == words[first].family)
			continue;
		FAULT(check, &rule->place, "leave one of them out, or make two rules",
		      "rule %s: %s is of IPv%u and %s of IPv%u, it would never match", rule->name,
		      words[first].word, words[first].family, words[i].word, words[i].family);
		return;
	}
}

static void check_link(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;

	if (!match->has_ethertype || is_not(match, CV_FIELD_ETHERTYPE) ||
	    match->ethertype == ETH_P_IP || match->ethertype == ETH_P_IPV6 || !ip_word(match))
		return;
	FAULT(check, &rule->place, "leave one of them out",
	      "rule %s: ethertype 0x%04x is not IP and has no %s, it would never match", rule->name,
	      match->ethertype, ip_word(match));
}

/* ---- names ---- */

static void check_set(struct check *check, const struct cv_rule_conf *rule, enum cv_field field)
{
	const char *name = cv_match_conf_set(&rule->match, field);
	const struct cv_set_conf *set = cv_state_find_set(check->state, name);

	if (!set)
		cv_check_missing(check, &rule->place, "set", name, "rule %s", rule->name);
	else if (set->type != fields[field].type)
		FAULT(check, &rule->place, "use a set of the type that the field has",
		      "rule %s: %s asks set %s, whose type is %s", rule->name, fields[field].word,
		      name, cv_set_type_names[set->type]);
}

static void check_sets(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;
	size_t count = 0;

	for (int field = 0; field < CV_FIELD_COUNT; field++) {
		if (cv_match_conf_set(match, field))
			check_set(check, rule, field);
		count += !!cv_match_conf_set(match, field);
	}
	count += is_not(match, CV_FIELD_SRC) && !cv_match_conf_set(match, CV_FIELD_SRC);
	count += is_not(match, CV_FIELD_DST) && !cv_match_conf_set(match, CV_FIELD_DST);
	count += is_not(match, CV_FIELD_PROTO) && !cv_match_conf_set(match, CV_FIELD_PROTO);
	if (count > CV_MAX_SET_REFS)
		FAULT(check, &rule->place,
		      "let one rule mark what some of them meet and continue, another match the mark",
		      "rule %s: %zu sets and negated src, dst, proto: a rule asks %u at most",
		      rule->name, count, CV_MAX_SET_REFS);
}

static void check_names(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;
	const struct cv_place *place = &rule->place;

	if (match->has_app && match->app_match == CV_APP_MATCH_NAME &&
	    !cv_state_find_app(check->state, match->app))
		cv_check_missing(check, place, "app", match->app, "rule %s", rule->name);
	if (match->tunnel[0] && !cv_state_find_tunnel(check->state, match->tunnel))
		cv_check_missing(check, place, "tunnel", match->tunnel, "rule %s", rule->name);
	check_sets(check, rule);
}

/* ---- a rule ---- */

static void check_match(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_match_conf *match = &rule->match;
	const struct cv_place *place = &rule->place;

	check_protocol(check, rule);
	check_families(check, rule);
	check_link(check, rule);
	check_names(check, rule);
	if (match->app_is_exact && (!match->has_app || match->app_match == CV_APP_MATCH_NONE))
		FAULT(check, place, "add app NAME or app any, or leave exact out",
		      "rule %s: exact without an app, it would never match", rule->name);
	if (match->tunnel[0] && match->dir == CV_DIR_ONLY_OUT)
		FAULT(check, place, "a tunnel is known on the way in only",
		      "rule %s: tunnel with dir out would never match", rule->name);
	if (match->has_mark && match->mark & ~match->mark_mask)
		FAULT(check, place, "the mask must have all bits of the mark",
		      "rule %s: mark 0x%x has bits outside its mask 0x%x", rule->name, match->mark,
		      match->mark_mask);
}

static void check_rule(struct check *check, const struct cv_rule_conf *rule)
{
	const struct cv_rule_conf *first =
		check->may_have_twins ? cv_state_find_rule(check->state, rule->name) : rule;

	if (first != rule)
		cv_check_twice(check, &rule->place, &first->place, "rule %s", rule->name);
	check_match(check, rule);
	cv_check_action(check, rule);
}

void cv_check_rules(struct check *check)
{
	const struct cv_state *state = check->state;

	if (state->rule_count && !cv_check_limit(check, "rules", state->rule_count, CV_MAX_RULES,
						 &state->rules[state->rule_count - 1].place))
		return;
	check->may_have_twins =
		!cv_names_are_distinct(state->rules, sizeof(*state->rules), state->rule_count);
	for (size_t i = 0; i < state->rule_count; i++)
		check_rule(check, &state->rules[i]);
	cv_check_meters(check);
}
