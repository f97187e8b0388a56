/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Conditions of a rule that have one value: a field of the state becomes members of a match here. */
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "compile_parts.h"
#include "own.h"
#include "set.h"

#define CV_ALL_ECNS 0xf

bool cv_match_conf_is_not(const struct cv_match_conf *conf, enum cv_field field)
{
	return conf->not_fields >> field & 1;
}

bool cv_match_ask_family(struct cv_match *match, uint8_t family)
{
	if (match->flags & CV_MATCH_FAMILY)
		return match->family == family;
	match->flags |= CV_MATCH_FAMILY;
	match->family = family;
	return true;
}

/* Adds a condition that can be turned round in a match. */
static void ask(struct cv_match *match, const struct cv_match_conf *conf, uint32_t flag,
		enum cv_field field)
{
	match->flags |= flag;
	if (cv_match_conf_is_not(conf, field))
		match->extra.not_flags |= flag;
}

/* ---- names ---- */

/* What is not there is nobody's: "not" it holds always. */
static bool ask_origin(const struct compile *compile, const struct cv_match_conf *conf,
		       struct cv_match *match)
{
	const struct cv_resolver *resolver = compile->resolver;

	if (conf->dev[0]) {
		match->extra.ifindex = resolver->ifindex(resolver->arg, conf->dev);
		if (match->extra.ifindex)
			ask(match, conf, CV_MATCH_DEV, CV_FIELD_DEV);
		else if (!cv_match_conf_is_not(conf, CV_FIELD_DEV))
			return false;
	}
	if (conf->tunnel[0]) {
		match->extra.tunnel = resolver->tunnel(resolver->arg, conf->tunnel);
		if (match->extra.tunnel)
			ask(match, conf, CV_MATCH_TUNNEL, CV_FIELD_TUNNEL);
		else if (!cv_match_conf_is_not(conf, CV_FIELD_TUNNEL))
			return false;
	}
	return true;
}

static const struct {
	enum cv_field field;
	enum cv_set_field set_field;
} set_fields[] = {
	{ CV_FIELD_SRC, CV_SET_FIELD_SRC },	{ CV_FIELD_DST, CV_SET_FIELD_DST },
	{ CV_FIELD_PROTO, CV_SET_FIELD_PROTO }, { CV_FIELD_SPORT, CV_SET_FIELD_SPORT },
	{ CV_FIELD_DPORT, CV_SET_FIELD_DPORT }, { CV_FIELD_DSCP, CV_SET_FIELD_DSCP },
	{ CV_FIELD_MARK, CV_SET_FIELD_MARK },	{ CV_FIELD_LEN, CV_SET_FIELD_LEN },
	{ CV_FIELD_VLAN, CV_SET_FIELD_VLAN },
};

/* cv_state_check() has seen that there are no more than a match can ask. */
static bool ask_named_sets(const struct compile *compile, const struct cv_match_conf *conf,
			   struct cv_match *match)
{
	const struct cv_state *state = compile->state;

	for (size_t i = 0; i < sizeof(set_fields) / sizeof(*set_fields); i++) {
		const char *name = cv_match_conf_set(conf, set_fields[i].field);
		const struct cv_set_conf *set = name ? cv_state_find_set(state, name) : NULL;

		if (!name)
			continue;
		if (!set || !cv_match_ask_set(match, set - state->sets + 1, set_fields[i].set_field,
					      cv_match_conf_is_not(conf, set_fields[i].field)))
			return false;
	}
	return true;
}

/* ---- headers ---- */

static int ask_other_proto(struct compile *compile, const struct cv_rule_conf *conf,
			   struct cv_match *match, struct cv_err *err)
{
	CV_CLEANUP(cv_compiled_set_fini) struct cv_compiled_set set = { 0 };
	struct cv_range range = { conf->match.proto, conf->match.proto };
	uint16_t number = 0;
	int rc;

	if (cv_set_add_ranges(&set, &(struct cv_ranges){ &range, 1 }))
		return cv_err_set(err, -ENOMEM, "rule %s: out of memory", conf->name);
	rc = cv_compile_anonymous(compile, conf, &set, &number, err);
	return rc ? rc : cv_match_ask_set(match, number, CV_SET_FIELD_PROTO, true);
}

static int ask_proto(struct compile *compile, const struct cv_rule_conf *conf,
		     struct cv_match *match, struct cv_err *err)
{
	if (!conf->match.has_proto)
		return 1;
	if (cv_match_conf_is_not(&conf->match, CV_FIELD_PROTO))
		return ask_other_proto(compile, conf, match, err);
	match->flags |= CV_MATCH_PROTO;
	match->proto = conf->match.proto;
	return 1;
}

static bool ask_header(const struct cv_match_conf *conf, struct cv_match *match)
{
	struct cv_extra *extra = &match->extra;

	if (conf->has_dscp) {
		match->flags |= CV_MATCH_DSCP;
		extra->dscps = 1ULL << conf->dscp;
		if (cv_match_conf_is_not(conf, CV_FIELD_DSCP))
			extra->dscps = ~extra->dscps;
	}
	if (conf->ecns) {
		match->flags |= CV_MATCH_ECN;
		extra->ecns = conf->ecns;
		if (cv_match_conf_is_not(conf, CV_FIELD_ECN))
			extra->ecns ^= CV_ALL_ECNS;
	}
	if (conf->fragment != CV_FRAGMENT_EITHER)
		match->flags |= CV_MATCH_FRAGMENT;
	if (conf->fragment == CV_FRAGMENT_NO)
		extra->not_flags |= CV_MATCH_FRAGMENT;
	if (conf->has_flow_label) {
		ask(match, conf, CV_MATCH_FLOW_LABEL, CV_FIELD_FLOW_LABEL);
		extra->flow_label = conf->flow_label;
	}
	return (!conf->ecns || extra->ecns) &&
	       (!conf->has_flow_label || cv_match_ask_family(match, 6));
}

static bool ask_transport(const struct cv_match_conf *conf, struct cv_match *match)
{
	struct cv_extra *extra = &match->extra;

	if (conf->has_tcp_flags) {
		ask(match, conf, CV_MATCH_TCP_FLAGS, CV_FIELD_TCP_FLAGS);
		extra->tcp_flags = conf->tcp_flags;
		extra->tcp_mask = conf->tcp_mask;
	}
	if (conf->has_icmp_type) {
		ask(match, conf, CV_MATCH_ICMP_TYPE, CV_FIELD_ICMP_TYPE);
		extra->icmp_type = conf->icmp_type;
	}
	if (conf->has_icmp_code) {
		match->flags |= CV_MATCH_ICMP_CODE;
		extra->icmp_code = conf->icmp_code;
	}
	return !(conf->has_icmp_type || conf->has_icmp_code) ||
	       cv_match_ask_family(match, conf->proto == IPPROTO_ICMP ? 4 : 6);
}

/* ---- ether types ---- */

static uint8_t family_of(uint16_t ethertype)
{
	return ethertype == ETH_P_IP ? 4 : ethertype == ETH_P_IPV6 ? 6 : 0;
}

/* True if only an IP packet can meet what is asked. */
static bool is_of_ip(const struct cv_match_conf *conf)
{
	for (size_t i = 0; i < sizeof(set_fields) / sizeof(*set_fields); i++)
		if (cv_match_conf_set(conf, set_fields[i].field) &&
		    set_fields[i].field != CV_FIELD_VLAN && set_fields[i].field != CV_FIELD_MARK)
			return true;
	return conf->family || conf->src.count || conf->dst.count || conf->has_proto ||
	       conf->has_dscp || conf->ecns || conf->len.count ||
	       conf->fragment != CV_FRAGMENT_EITHER || conf->has_flow_label || conf->is_quoted ||
	       conf->has_app || conf->tunnel[0];
}

/* For IP packets an ether type is a family; only a rule that is about other frames asks for it. */
static bool ask_ethertype(const struct cv_match_conf *conf, struct cv_match *match)
{
	bool is_not = cv_match_conf_is_not(conf, CV_FIELD_ETHERTYPE), is_ip = is_of_ip(conf);
	uint8_t family = family_of(conf->ethertype);

	if (!conf->has_ethertype)
		return true;
	if (family && !is_not)
		return cv_match_ask_family(match, family);
	if (is_ip && is_not)
		return !family || cv_match_ask_family(match, family == 4 ? 6 : 4);
	ask(match, conf, CV_MATCH_ETHERTYPE, CV_FIELD_ETHERTYPE);
	match->extra.ethertype = conf->ethertype;
	return !is_ip;
}

int cv_compile_conditions(struct compile *compile, const struct cv_rule_conf *conf,
			  struct cv_match *match, struct cv_err *err)
{
	const struct cv_match_conf *asked = &conf->match;

	if (asked->family && !cv_match_ask_family(match, asked->family))
		return 0;
	if (asked->is_quoted)
		match->flags |= CV_MATCH_QUOTED;
	if (!ask_origin(compile, asked, match) || !ask_header(asked, match) ||
	    !ask_transport(asked, match) || !ask_ethertype(asked, match) ||
	    !ask_named_sets(compile, asked, match))
		return 0;
	return ask_proto(compile, conf, match, err);
}
