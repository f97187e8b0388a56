/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a rule matches: a field is a row of the table here, and a member of struct cv_match_conf. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "rule_words.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct cv_match_conf *match_of(void *conf)
{
	return &((struct cv_rule_conf *)conf)->match;
}

static const struct cv_match_conf *const_match_of(const void *conf)
{
	return &((const struct cv_rule_conf *)conf)->match;
}

/* ---- "not" and sets: fields of enum cv_field ---- */

#define CV_SET_SIGN '@'

static bool takes_set(int field)
{
	enum cv_set_type type;

	return cv_field_set_type(field, &type);
}

static int parse_set(const struct cv_word *word, struct cv_match_conf *match, const char *text,
		     struct cv_err *err)
{
	char name[CV_NAME_MAX + 1];
	int rc = cv_arg_name(word->name, text + 1, name, err);

	if (rc)
		return rc;
	rc = cv_match_conf_put_set(match, word->field, name);
	return rc ? cv_err_set(err, rc, "%s: out of memory", word->name) : 0;
}

static int parse_field(const struct cv_word *word, void *conf, const char *text, struct cv_err *err)
{
	struct cv_match_conf *match = match_of(conf);

	if (cv_word_take_not(word, &text))
		match->not_fields |= 1u << word->field;
	if (*text != CV_SET_SIGN)
		return word->parse(conf, text, err);
	if (takes_set(word->field))
		return parse_set(word, match, text, err);
	cv_err_input(err, "%s \"%s\": no set can stand here", word->name, text);
	return cv_err_hint(err, "sets can stand for src, dst, proto, sport, dport, dscp, mark, len "
				"and vlan");
}

static bool format_field(const struct cv_word *word, const void *conf, FILE *out)
{
	const struct cv_match_conf *match = const_match_of(conf);
	const char *set = cv_match_conf_set(match, word->field);

	if (match->not_fields >> word->field & 1)
		fputs("not ", out);
	if (!set)
		return word->format(conf, out);
	fprintf(out, "%c%s", CV_SET_SIGN, set);
	return true;
}

static const struct cv_kind kind_field = { parse_field, format_field };

/* ---- one field after the other ---- */

static const char *const dirs[] = { [CV_DIR_ONLY_IN - 1] = "in", [CV_DIR_ONLY_OUT - 1] = "out" };

static int parse_dir(void *conf, const char *text, struct cv_err *err)
{
	size_t index;
	int rc = cv_arg_choice("dir", text, dirs, CV_COUNT(dirs), &index, err);

	if (!rc)
		match_of(conf)->dir = index + 1;
	return rc;
}

static bool format_dir(const void *conf, FILE *out)
{
	enum cv_dir dir = const_match_of(conf)->dir;

	if (dir != CV_DIR_BOTH)
		fputs(dirs[dir - 1], out);
	return dir != CV_DIR_BOTH;
}

static int parse_dev(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ifname("dev", text, match_of(conf)->dev, err);
}

static bool format_dev(const void *conf, FILE *out)
{
	fputs(const_match_of(conf)->dev, out);
	return const_match_of(conf)->dev[0];
}

static int parse_app(void *conf, const char *text, struct cv_err *err)
{
	struct cv_match_conf *match = match_of(conf);
	bool is_not = match->not_fields >> CV_FIELD_APP & 1;

	match->has_app = true;
	match->app_match = !strcmp(text, "any")	   ? CV_APP_MATCH_ANY
			   : !strcmp(text, "none") ? CV_APP_MATCH_NONE
						   : CV_APP_MATCH_NAME;
	if (is_not && match->app_match != CV_APP_MATCH_NAME) {
		cv_err_input(err, "app \"not %s\": only a name can be negated", text);
		return cv_err_hint(err, "app %s says it",
				   match->app_match == CV_APP_MATCH_ANY ? "none" : "any");
	}
	return match->app_match == CV_APP_MATCH_NAME ? cv_arg_name("app", text, match->app, err)
						     : 0;
}

static bool format_app(const void *conf, FILE *out)
{
	const struct cv_match_conf *match = const_match_of(conf);

	if (match->has_app)
		fputs(match->app_match == CV_APP_MATCH_ANY    ? "any"
		      : match->app_match == CV_APP_MATCH_NONE ? "none"
							      : match->app,
		      out);
	return match->has_app;
}

/* A bare word, or true or false in the state file. */
static int parse_exact(void *conf, const char *text, struct cv_err *err)
{
	struct cv_match_conf *match = match_of(conf);

	match->app_is_exact = true;
	return text ? cv_arg_bool("exact", text, &match->app_is_exact, err) : 0;
}

static bool format_exact(const void *conf, FILE *out)
{
	(void)out;
	return const_match_of(conf)->app_is_exact;
}

static int parse_family(void *conf, const char *text, struct cv_err *err)
{
	static const char *const families[] = { "4", "6" };
	size_t index;
	int rc = cv_arg_choice("family", text, families, CV_COUNT(families), &index, err);

	if (!rc)
		match_of(conf)->family = index ? 6 : 4;
	return rc;
}

static bool format_family(const void *conf, FILE *out)
{
	uint8_t family = const_match_of(conf)->family;

	if (family)
		fprintf(out, "%u", family);
	return family;
}

static int parse_src(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_prefixes("src", text, &match_of(conf)->src, err);
}

static bool format_src(const void *conf, FILE *out)
{
	cv_put_prefixes(out, &const_match_of(conf)->src);
	return const_match_of(conf)->src.count;
}

static int parse_dst(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_prefixes("dst", text, &match_of(conf)->dst, err);
}

static bool format_dst(const void *conf, FILE *out)
{
	cv_put_prefixes(out, &const_match_of(conf)->dst);
	return const_match_of(conf)->dst.count;
}

/* Of which protocol a type of that name is, is known as soon as both words were read. */
static int settle_icmp_type(struct cv_match_conf *match, struct cv_err *err)
{
	bool is_icmp = match->has_proto && !(match->not_fields >> CV_FIELD_PROTO & 1) &&
		       (match->proto == IPPROTO_ICMP || match->proto == IPPROTO_ICMPV6);

	if (!match->icmp_name || !is_icmp)
		return 0;
	return cv_icmp_type("icmp-type", match->proto, match->icmp_name, &match->icmp_type, err);
}

static int parse_proto(void *conf, const char *text, struct cv_err *err)
{
	int rc = cv_arg_proto("proto", text, &match_of(conf)->proto, err);

	match_of(conf)->has_proto = !rc;
	return rc ? rc : settle_icmp_type(match_of(conf), err);
}

static bool format_proto(const void *conf, FILE *out)
{
	if (const_match_of(conf)->has_proto)
		cv_put_proto(out, const_match_of(conf)->proto);
	return const_match_of(conf)->has_proto;
}

static int parse_sport(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_port_ranges("sport", text, &match_of(conf)->sport, err);
}

static bool format_sport(const void *conf, FILE *out)
{
	cv_put_ranges(out, &const_match_of(conf)->sport);
	return const_match_of(conf)->sport.count;
}

static int parse_dport(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_port_ranges("dport", text, &match_of(conf)->dport, err);
}

static bool format_dport(const void *conf, FILE *out)
{
	cv_put_ranges(out, &const_match_of(conf)->dport);
	return const_match_of(conf)->dport.count;
}

static int parse_match_dscp(void *conf, const char *text, struct cv_err *err)
{
	match_of(conf)->has_dscp = true;
	return cv_arg_dscp("dscp", text, &match_of(conf)->dscp, err);
}

static bool format_match_dscp(const void *conf, FILE *out)
{
	if (const_match_of(conf)->has_dscp)
		cv_put_number(out, const_match_of(conf)->dscp);
	return const_match_of(conf)->has_dscp;
}

static int parse_match_mark(void *conf, const char *text, struct cv_err *err)
{
	struct cv_match_conf *match = match_of(conf);
	bool has_mask;

	match->has_mark = true;
	return cv_arg_mark("mark", text, &match->mark, &match->mark_mask, &has_mask, err);
}

static bool format_match_mark(const void *conf, FILE *out)
{
	const struct cv_match_conf *match = const_match_of(conf);

	if (match->has_mark)
		cv_put_mark(out, match->mark, match->mark_mask != UINT32_MAX, match->mark_mask);
	return match->has_mark;
}

static int parse_tunnel(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("tunnel", text, match_of(conf)->tunnel, err);
}

static bool format_tunnel(const void *conf, FILE *out)
{
	fputs(const_match_of(conf)->tunnel, out);
	return const_match_of(conf)->tunnel[0];
}

static int parse_ecn(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ecns("ecn", text, &match_of(conf)->ecns, err);
}

static bool format_ecn(const void *conf, FILE *out)
{
	cv_put_ecns(out, const_match_of(conf)->ecns);
	return const_match_of(conf)->ecns;
}

static int parse_tcp_flags(void *conf, const char *text, struct cv_err *err)
{
	struct cv_match_conf *match = match_of(conf);

	match->has_tcp_flags = true;
	return cv_arg_tcp_flags("tcp-flags", text, &match->tcp_flags, &match->tcp_mask, err);
}

static bool format_tcp_flags(const void *conf, FILE *out)
{
	const struct cv_match_conf *match = const_match_of(conf);

	if (match->has_tcp_flags)
		cv_put_tcp_flags(out, match->tcp_flags, match->tcp_mask);
	return match->has_tcp_flags;
}

static int parse_icmp_type(void *conf, const char *text, struct cv_err *err)
{
	struct cv_match_conf *match = match_of(conf);
	int rc = cv_arg_icmp_type("icmp-type", text, &match->icmp_type, &match->icmp_name, err);

	match->has_icmp_type = !rc;
	return rc ? rc : settle_icmp_type(match, err);
}

static bool format_icmp_type(const void *conf, FILE *out)
{
	const struct cv_match_conf *match = const_match_of(conf);

	if (match->has_icmp_type)
		cv_put_icmp_type(out, match->proto, match->icmp_type);
	return match->has_icmp_type;
}

static int parse_icmp_code(void *conf, const char *text, struct cv_err *err)
{
	struct cv_match_conf *match = match_of(conf);
	uint32_t code = 0;
	int rc = cv_arg_number("icmp-code", text, 0, UINT8_MAX, &code, err);

	if (rc)
		return rc;
	match->has_icmp_code = true;
	match->icmp_code = code;
	return 0;
}

static bool format_icmp_code(const void *conf, FILE *out)
{
	if (const_match_of(conf)->has_icmp_code)
		fprintf(out, "%u", const_match_of(conf)->icmp_code);
	return const_match_of(conf)->has_icmp_code;
}

static int parse_len(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ranges("len", text, UINT32_MAX, &match_of(conf)->len, err);
}

static bool format_len(const void *conf, FILE *out)
{
	cv_put_ranges(out, &const_match_of(conf)->len);
	return const_match_of(conf)->len.count;
}

static int parse_fragment(void *conf, const char *text, struct cv_err *err)
{
	bool is_fragment;
	int rc = cv_arg_bool("fragment", text, &is_fragment, err);

	if (!rc)
		match_of(conf)->fragment = is_fragment ? CV_FRAGMENT_YES : CV_FRAGMENT_NO;
	return rc;
}

static bool format_fragment(const void *conf, FILE *out)
{
	enum cv_fragment_match fragment = const_match_of(conf)->fragment;

	if (fragment != CV_FRAGMENT_EITHER)
		fputs(fragment == CV_FRAGMENT_YES ? "yes" : "no", out);
	return fragment != CV_FRAGMENT_EITHER;
}

static int parse_vlan(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ranges("vlan", text, CV_VLAN_MAX, &match_of(conf)->vlan, err);
}

static bool format_vlan(const void *conf, FILE *out)
{
	cv_put_ranges(out, &const_match_of(conf)->vlan);
	return const_match_of(conf)->vlan.count;
}

static int parse_ethertype(void *conf, const char *text, struct cv_err *err)
{
	match_of(conf)->has_ethertype = true;
	return cv_arg_ethertype("ethertype", text, &match_of(conf)->ethertype, err);
}

static bool format_ethertype(const void *conf, FILE *out)
{
	if (const_match_of(conf)->has_ethertype)
		cv_put_ethertype(out, const_match_of(conf)->ethertype);
	return const_match_of(conf)->has_ethertype;
}

static int parse_flow_label(void *conf, const char *text, struct cv_err *err)
{
	struct cv_match_conf *match = match_of(conf);

	match->has_flow_label = true;
	return cv_arg_number("flow-label", text, 0, CV_FLOW_LABEL_MAX, &match->flow_label, err);
}

static bool format_flow_label(const void *conf, FILE *out)
{
	if (const_match_of(conf)->has_flow_label)
		fprintf(out, "%u", const_match_of(conf)->flow_label);
	return const_match_of(conf)->has_flow_label;
}

static int parse_quoted(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_flag("quoted", text, &match_of(conf)->is_quoted, err);
}

static bool format_quoted(const void *conf, FILE *out)
{
	(void)out;
	return const_match_of(conf)->is_quoted;
}

#define CV_FIELD(field_) .takes_not = true, .kind = &kind_field, .field = (field_)

static const struct cv_word match_words[] = {
	{ .name = "dir",
	  .value = "in|out",
	  .help = "arriving or leaving",
	  .parse = parse_dir,
	  .format = format_dir },
	{ .name = "dev",
	  .value = "IFNAME",
	  .is_name = true,
	  .help = "through this device",
	  CV_FIELD(CV_FIELD_DEV),
	  .parse = parse_dev,
	  .format = format_dev },
	{ .name = "app",
	  .value = "NAME|any|none",
	  .is_name = true,
	  .help = "owned by this app's socket",
	  CV_FIELD(CV_FIELD_APP),
	  .parse = parse_app,
	  .format = format_app },
	{ .name = "exact",
	  .help = "the app itself was seen using the socket; drops nothing before a tunnel",
	  .parse = parse_exact,
	  .format = format_exact },
	{ .name = "family",
	  .value = "4|6",
	  .help = "IPv4 or IPv6",
	  .parse = parse_family,
	  .format = format_family },
	{ .name = "src",
	  .value = "PREFIX[,...]|@SET",
	  .help = "source address",
	  .is_list = true,
	  CV_FIELD(CV_FIELD_SRC),
	  .parse = parse_src,
	  .format = format_src },
	{ .name = "dst",
	  .value = "PREFIX[,...]|@SET",
	  .help = "destination address",
	  .is_list = true,
	  CV_FIELD(CV_FIELD_DST),
	  .parse = parse_dst,
	  .format = format_dst },
	{ .name = "proto",
	  .value = "NAME|N|@SET",
	  .help = "IP protocol",
	  .choice = cv_choice_proto,
	  CV_FIELD(CV_FIELD_PROTO),
	  .parse = parse_proto,
	  .format = format_proto },
	{ .name = "sport",
	  .value = "A[-B][,...]|@SET",
	  .help = "source port; needs proto",
	  .is_list = true,
	  CV_FIELD(CV_FIELD_SPORT),
	  .parse = parse_sport,
	  .format = format_sport },
	{ .name = "dport",
	  .value = "A[-B][,...]|@SET",
	  .help = "destination port; needs proto",
	  .is_list = true,
	  CV_FIELD(CV_FIELD_DPORT),
	  .parse = parse_dport,
	  .format = format_dport },
	{ .name = "dscp",
	  .value = "N|@SET",
	  .help = "DSCP, 0 to 63 or cs1, af21, ef, ...",
	  .choice = cv_choice_dscp,
	  CV_FIELD(CV_FIELD_DSCP),
	  .parse = parse_match_dscp,
	  .format = format_match_dscp },
	{ .name = "ecn",
	  .value = "CODEPOINT[,...]",
	  .help = "ECN: not-ect, ect0, ect1, ce",
	  .choice = cv_choice_ecn,
	  .is_list = true,
	  CV_FIELD(CV_FIELD_ECN),
	  .parse = parse_ecn,
	  .format = format_ecn },
	{ .name = "tcp-flags",
	  .value = "SET/MASK",
	  .help = "of the flags in MASK just those in SET, as syn/syn+ack; needs proto tcp",
	  CV_FIELD(CV_FIELD_TCP_FLAGS),
	  .parse = parse_tcp_flags,
	  .format = format_tcp_flags },
	{ .name = "icmp-type",
	  .value = "NAME|N",
	  .help = "echo-request, ...; needs proto icmp or icmpv6",
	  .choice = cv_choice_icmp_type,
	  CV_FIELD(CV_FIELD_ICMP_TYPE),
	  .parse = parse_icmp_type,
	  .format = format_icmp_type },
	{ .name = "icmp-code",
	  .value = "N",
	  .help = "needs proto icmp or icmpv6",
	  .parse = parse_icmp_code,
	  .format = format_icmp_code },
	{ .name = "mark",
	  .value = "V[/M]|@SET",
	  .help = "packet mark",
	  CV_FIELD(CV_FIELD_MARK),
	  .parse = parse_match_mark,
	  .format = format_match_mark },
	{ .name = "tunnel",
	  .value = "NAME",
	  .is_name = true,
	  .help = "taken out of this tunnel",
	  CV_FIELD(CV_FIELD_TUNNEL),
	  .parse = parse_tunnel,
	  .format = format_tunnel },
	{ .name = "len",
	  .value = "A[-B][,...]|@SET",
	  .help = "length of the IP packet in bytes; of a GSO packet the whole",
	  .is_list = true,
	  CV_FIELD(CV_FIELD_LEN),
	  .parse = parse_len,
	  .format = format_len },
	{ .name = "fragment",
	  .value = "yes|no",
	  .help = "a fragment, the first included",
	  .parse = parse_fragment,
	  .format = format_fragment },
	{ .name = "vlan",
	  .value = "N[-M][,...]|@SET",
	  .help = "id of the outermost tag; one without a tag has none",
	  .is_list = true,
	  CV_FIELD(CV_FIELD_VLAN),
	  .parse = parse_vlan,
	  .format = format_vlan },
	{ .name = "ethertype",
	  .value = "NAME|N",
	  .help = "arp, ip, mpls, ...; without it only IP packets are meant",
	  .choice = cv_choice_ethertype,
	  CV_FIELD(CV_FIELD_ETHERTYPE),
	  .parse = parse_ethertype,
	  .format = format_ethertype },
	{ .name = "flow-label",
	  .value = "N",
	  .help = "of IPv6",
	  CV_FIELD(CV_FIELD_FLOW_LABEL),
	  .parse = parse_flow_label,
	  .format = format_flow_label },
	{ .name = "quoted",
	  .help = "an ICMP error: all but dev, app, mark and vlan is asked of what it quotes",
	  .parse = parse_quoted,
	  .format = format_quoted },
};

const struct cv_group cv_rule_match_group = { "match", CV_WORDS_OF(match_words) };
