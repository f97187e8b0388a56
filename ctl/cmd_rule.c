/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "rule": what is matched, and what is done. A match field or an action is a row of one
 * of the two tables here, and a member of the conf that the rule compiler reads. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct cv_match_conf *match_of(void *conf)
{
	return &((struct cv_rule_conf *)conf)->match;
}

static const struct cv_match_conf *const_match_of(const void *conf)
{
	return &((const struct cv_rule_conf *)conf)->match;
}

static struct cv_action_conf *action_of(void *conf)
{
	return &((struct cv_rule_conf *)conf)->action;
}

static const struct cv_action_conf *const_action_of(const void *conf)
{
	return &((const struct cv_rule_conf *)conf)->action;
}

/* ---- match ---- */

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

/* ---- action ---- */

static int parse_action_mark(void *conf, const char *text, struct cv_err *err)
{
	struct cv_action_conf *action = action_of(conf);

	action->has_mark = true;
	return cv_arg_mark("mark", text, &action->mark, &action->mark_mask, &action->has_mark_mask,
			   err);
}

static bool format_action_mark(const void *conf, FILE *out)
{
	const struct cv_action_conf *action = const_action_of(conf);

	if (action->has_mark)
		cv_put_mark(out, action->mark, action->has_mark_mask, action->mark_mask);
	return action->has_mark;
}

static int parse_priority(void *conf, const char *text, struct cv_err *err)
{
	action_of(conf)->has_priority = true;
	return cv_arg_priority("priority", text, &action_of(conf)->priority, err);
}

static bool format_priority(const void *conf, FILE *out)
{
	const struct cv_action_conf *action = const_action_of(conf);

	if (action->has_priority)
		fprintf(out, "%x:%x", action->priority >> 16, action->priority & 0xffff);
	return action->has_priority;
}

static int parse_action_dscp(void *conf, const char *text, struct cv_err *err)
{
	action_of(conf)->has_dscp = true;
	return cv_arg_dscp("dscp", text, &action_of(conf)->dscp, err);
}

static bool format_action_dscp(const void *conf, FILE *out)
{
	if (const_action_of(conf)->has_dscp)
		fprintf(out, "%u", const_action_of(conf)->dscp);
	return const_action_of(conf)->has_dscp;
}

static const char *const verdicts[] = {
	[CV_NEXT] = "next",
	[CV_ACCEPT] = "accept",
	[CV_DROP] = "drop",
};

static int set_verdict(void *conf, enum cv_verdict_conf verdict, struct cv_err *err)
{
	struct cv_action_conf *action = action_of(conf);

	if (action->has_verdict)
		return cv_err_input(err, "%s: there is a verdict already, %s", verdicts[verdict],
				    verdicts[action->verdict]);
	action->has_verdict = true;
	action->verdict = verdict;
	return 0;
}

static int parse_verdict(void *conf, const char *text, struct cv_err *err)
{
	size_t index;
	int rc = cv_arg_choice("verdict", text, verdicts, CV_COUNT(verdicts), &index, err);

	return rc ? rc : set_verdict(conf, index, err);
}

static bool format_verdict(const void *conf, FILE *out)
{
	const struct cv_action_conf *action = const_action_of(conf);

	if (action->has_verdict)
		fputs(verdicts[action->verdict], out);
	return action->has_verdict;
}

static int parse_next(void *conf, const char *text, struct cv_err *err)
{
	(void)text;
	return set_verdict(conf, CV_NEXT, err);
}

static int parse_accept(void *conf, const char *text, struct cv_err *err)
{
	(void)text;
	return set_verdict(conf, CV_ACCEPT, err);
}

static int parse_drop(void *conf, const char *text, struct cv_err *err)
{
	(void)text;
	return set_verdict(conf, CV_DROP, err);
}

static const struct cv_word action_words[] = {
	{ .name = "mark",
	  .value = "V[/M]",
	  .help = "sets the packet mark (without M: all bits that are not culvert's)",
	  .parse = parse_action_mark,
	  .format = format_action_mark },
	{ .name = "priority",
	  .value = "MAJ:MIN",
	  .help = "sets the class of the queueing discipline, hexadecimal as in tc",
	  .parse = parse_priority,
	  .format = format_priority },
	{ .name = "dscp",
	  .value = "N",
	  .help = "sets the DSCP, 0 to 63 or cs1, af21, ef, ...",
	  .parse = parse_action_dscp,
	  .format = format_action_dscp },
	{ .name = "verdict",
	  .value = "next|accept|drop",
	  .help = "what becomes of the packet; the verdict alone will do",
	  .parse = parse_verdict,
	  .format = format_verdict },
	{ .name = "next",
	  .help = "on to the next tc filter (this is the default)",
	  .is_command_line_only = true,
	  .parse = parse_next },
	{ .name = "accept",
	  .help = "ends the tc chain",
	  .is_command_line_only = true,
	  .parse = parse_accept },
	{ .name = "drop",
	  .help = "drops it; before it goes into a tunnel, too",
	  .is_command_line_only = true,
	  .parse = parse_drop },
};

/* ---- the rule itself ---- */

static int parse_prio(void *conf, const char *text, struct cv_err *err)
{
	struct cv_rule_conf *rule = conf;

	rule->has_prio = true;
	return cv_arg_number("prio", text, 0, UINT32_MAX, &rule->prio, err);
}

static bool format_prio(const void *conf, FILE *out)
{
	const struct cv_rule_conf *rule = conf;

	if (rule->has_prio)
		fprintf(out, "%u", rule->prio);
	return rule->has_prio;
}

static const struct cv_word rule_words[] = {
	{ .name = "prio",
	  .value = "N",
	  .help = "lowest first, then order of adding (1000)",
	  .parse = parse_prio,
	  .format = format_prio },
};

static const struct cv_group match_group = { "match", CV_WORDS_OF(match_words) };
static const struct cv_group action_group = { "action", CV_WORDS_OF(action_words) };

static void init(void *conf)
{
	*(struct cv_rule_conf *)conf = (struct cv_rule_conf){ 0 };
}

CV_NOUN_NAMED(rule)
CV_NOUN_ACCESS(rule, rules, rule_count)

static void show_json(const struct cv_session *session, const struct cv_rule_info *infos, size_t n)
{
	struct cv_json json;

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < n; i++) {
		if (!cv_session_shows(session, infos[i].name))
			continue;
		cv_json_open_object(&json, NULL);
		cv_json_string(&json, "name", infos[i].name);
		cv_json_number(&json, "prio",
			       cv_rule_conf_prio(&session->applied.rules[infos[i].index]));
		cv_json_open_object(&json, "match");
		cv_group_to_json(&match_group, &session->applied.rules[infos[i].index], &json);
		cv_json_close(&json);
		cv_json_open_object(&json, "action");
		cv_group_to_json(&action_group, &session->applied.rules[infos[i].index], &json);
		cv_json_close(&json);
		cv_json_number(&json, "packets", infos[i].packets);
		cv_json_number(&json, "bytes", infos[i].bytes);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static int add_row(struct cv_table *table, const struct cv_rule_conf *conf,
		   const struct cv_rule_info *info)
{
	CV_FREE char *match = cv_group_text(&match_group, conf);
	CV_FREE char *action = cv_group_text(&action_group, conf);
	char prio[16], packets[24], bytes[24];
	const char *cells[] = { info->name,
				prio,
				match && *match ? match : "any",
				action && *action ? action : "next",
				packets,
				bytes };

	snprintf(prio, sizeof(prio), "%u", cv_rule_conf_prio(conf));
	snprintf(packets, sizeof(packets), "%llu", (unsigned long long)info->packets);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)info->bytes);
	return cv_table_row(table, cells);
}

static int show_text(const struct cv_session *session, const struct cv_rule_info *infos, size_t n)
{
	static const char *const headers[] = {
		"RULE", "PRIO", "MATCH", "ACTION", "PACKETS", "BYTES"
	};
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, CV_COUNT(headers));

	for (size_t i = 0; !rc && i < n; i++)
		if (cv_session_shows(session, infos[i].name))
			rc = add_row(table, &session->applied.rules[infos[i].index], &infos[i]);
	if (!rc)
		cv_table_print(table, session->out);
	return rc;
}

static int show(struct cv_session *session, struct cv_err *err)
{
	CV_FREE struct cv_rule_info *infos = NULL;
	size_t n;
	int rc = cv_rule_list(session->inst, &session->applied, &infos, &n, err);

	if (rc)
		return rc;
	if (!session->is_json)
		return show_text(session, infos, n);
	show_json(session, infos, n);
	return 0;
}

const struct cv_noun cv_noun_rule = {
	.name = "rule",
	.section = "rules",
	.key = "NAME",
	.help = "what happens to which packets; the first match wins",
	.has_replace = true,
	.groups = { { CV_WORDS_OF(rule_words) },
		    { "match", CV_WORDS_OF(match_words) },
		    { "action", CV_WORDS_OF(action_words) } },
	.group_count = 3,
	.conf_size = sizeof(struct cv_rule_conf),
	.place_offset = offsetof(struct cv_rule_conf, place),
	.init = init,
	.set_key = set_key,
	.put_key = put_key,
	.fini = fini,
	.add = add,
	.find = find,
	.del = del,
	.count = count,
	.at = at,
	.show = show,
};
