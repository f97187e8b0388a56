/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "rule". What it matches and what it does is words of rule_match.c and rule_action.c. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "rule_words.h"
#include "session.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

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
		cv_put_number(out, rule->prio);
	return rule->has_prio;
}

static const struct cv_word rule_words[] = {
	{ .name = "prio",
	  .value = "N",
	  .help = "lowest first, then order of adding (1000)",
	  .parse = parse_prio,
	  .format = format_prio },
};

static const struct cv_group rule_group = { CV_WORDS_OF(rule_words) };

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
		cv_group_to_json(&cv_rule_match_group, &session->applied.rules[infos[i].index],
				 &json);
		cv_json_close(&json);
		cv_json_open_object(&json, "action");
		cv_group_to_json(&cv_rule_action_group, &session->applied.rules[infos[i].index],
				 &json);
		cv_json_close(&json);
		cv_json_number(&json, "packets", infos[i].packets);
		cv_json_number(&json, "bytes", infos[i].bytes);
		if (infos[i].is_hit)
			cv_json_number(&json, "last_hit", infos[i].idle_seconds);
		else
			cv_json_null(&json, "last_hit");
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static void format_last_hit(const struct cv_rule_info *info, char *out, size_t size)
{
	if (info->is_hit)
		snprintf(out, size, "%llus ago", (unsigned long long)info->idle_seconds);
	else
		snprintf(out, size, "never");
}

static int add_row(struct cv_table *table, const struct cv_rule_conf *conf,
		   const struct cv_rule_info *info)
{
	CV_FREE char *match = cv_group_text(&cv_rule_match_group, conf);
	CV_FREE char *action = cv_group_text(&cv_rule_action_group, conf);
	char prio[16], packets[24], bytes[24], last_hit[32];
	const char *cells[] = { info->name,
				prio,
				match && *match ? match : "any",
				action && *action ? action : "next",
				packets,
				bytes,
				last_hit };

	snprintf(prio, sizeof(prio), "%u", cv_rule_conf_prio(conf));
	snprintf(packets, sizeof(packets), "%llu", (unsigned long long)info->packets);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)info->bytes);
	format_last_hit(info, last_hit, sizeof(last_hit));
	return cv_table_row(table, cells);
}

/* The last column with -s only. */
static int show_text(const struct cv_session *session, const struct cv_rule_info *infos, size_t n)
{
	static const char *const headers[] = { "RULE",	  "PRIO",  "MATCH",   "ACTION",
					       "PACKETS", "BYTES", "LAST HIT" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, CV_COUNT(headers) - !session->has_stats);

	for (size_t i = 0; !rc && i < n; i++)
		if (cv_session_shows(session, infos[i].name))
			rc = add_row(table, &session->applied.rules[infos[i].index], &infos[i]);
	if (!rc)
		cv_table_print(table, session->out);
	return rc;
}

/* One that no packet ever meets, as cv_state_warn() tells of it. */
static void print_shadowed(const struct cv_err *warning, void *arg)
{
	const struct cv_session *session = arg;
	char name[CV_NAME_MAX + 1] = "";

	sscanf(warning->text, "rule %31[^:]:", name);
	if (cv_session_shows(session, name))
		fprintf(session->out, "%s\n", warning->text);
}

static int show(struct cv_session *session, struct cv_err *err)
{
	CV_FREE struct cv_rule_info *infos = NULL;
	size_t n;
	int rc = cv_rule_list(session->inst, &session->applied, &infos, &n, err);

	if (rc)
		return rc;
	if (session->is_json) {
		show_json(session, infos, n);
		return 0;
	}
	rc = show_text(session, infos, n);
	if (!rc && session->is_verbose)
		rc = cv_state_warn(&session->applied, print_shadowed, session, err);
	return rc;
}

const struct cv_noun cv_noun_rule = {
	.name = "rule",
	.section = "rules",
	.key = "NAME",
	.help = "what happens to which packets; the first match wins",
	.has_replace = true,
	.groups = { &rule_group, &cv_rule_match_group, &cv_rule_action_group },
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
