/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a rule matches: a field is a row of the table here, and a member of struct cv_match_conf. */
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

	match->has_app = true;
	match->app_match = !strcmp(text, "any")	   ? CV_APP_MATCH_ANY
			   : !strcmp(text, "none") ? CV_APP_MATCH_NONE
						   : CV_APP_MATCH_NAME;
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

static int parse_proto(void *conf, const char *text, struct cv_err *err)
{
	match_of(conf)->has_proto = true;
	return cv_arg_proto("proto", text, &match_of(conf)->proto, err);
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
		fprintf(out, "%u", const_match_of(conf)->dscp);
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
	  .parse = parse_dev,
	  .format = format_dev },
	{ .name = "app",
	  .value = "NAME|any|none",
	  .is_name = true,
	  .help = "owned by this app's socket",
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
	  .value = "PREFIX[,...]",
	  .help = "source address",
	  .is_list = true,
	  .parse = parse_src,
	  .format = format_src },
	{ .name = "dst",
	  .value = "PREFIX[,...]",
	  .help = "destination address",
	  .is_list = true,
	  .parse = parse_dst,
	  .format = format_dst },
	{ .name = "proto",
	  .value = "NAME|N",
	  .help = "IP protocol",
	  .parse = parse_proto,
	  .format = format_proto },
	{ .name = "sport",
	  .value = "A[-B][,...]",
	  .help = "source port; needs proto",
	  .is_list = true,
	  .parse = parse_sport,
	  .format = format_sport },
	{ .name = "dport",
	  .value = "A[-B][,...]",
	  .help = "destination port; needs proto",
	  .is_list = true,
	  .parse = parse_dport,
	  .format = format_dport },
	{ .name = "dscp",
	  .value = "N",
	  .help = "DSCP, 0 to 63 or cs1, af21, ef, ...",
	  .parse = parse_match_dscp,
	  .format = format_match_dscp },
	{ .name = "mark",
	  .value = "V[/M]",
	  .help = "packet mark",
	  .parse = parse_match_mark,
	  .format = format_match_mark },
	{ .name = "tunnel",
	  .value = "NAME",
	  .is_name = true,
	  .help = "taken out of this tunnel",
	  .parse = parse_tunnel,
	  .format = format_tunnel },
};

const struct cv_group cv_rule_match_group = { "match", CV_WORDS_OF(match_words) };
