/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a rule does: an action is a row of the table here, and a member of struct cv_action_conf. */
#include <inttypes.h>

#include "args.h"
#include "rule_words.h"
#include "units.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct cv_action_conf *action_of(void *conf)
{
	return &((struct cv_rule_conf *)conf)->action;
}

static const struct cv_action_conf *const_action_of(const void *conf)
{
	return &((const struct cv_rule_conf *)conf)->action;
}

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

static int parse_route_mark(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("route-mark", text, action_of(conf)->route_mark, err);
}

static bool format_route_mark(const void *conf, FILE *out)
{
	fputs(const_action_of(conf)->route_mark, out);
	return const_action_of(conf)->route_mark[0];
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
		cv_put_number(out, const_action_of(conf)->dscp);
	return const_action_of(conf)->has_dscp;
}

static int parse_police(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_rate("police", text, &action_of(conf)->police_bits_ps, err);
}

static bool format_police(const void *conf, FILE *out)
{
	uint64_t rate = const_action_of(conf)->police_bits_ps;

	if (rate)
		cv_put_rate(out, rate);
	return rate;
}

static int parse_burst(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_size("burst", text, &action_of(conf)->police_burst_bytes, err);
}

static bool format_burst(const void *conf, FILE *out)
{
	uint32_t burst = const_action_of(conf)->police_burst_bytes;

	if (burst)
		cv_put_size(out, burst);
	return burst;
}

static const char *const scopes[] = {
	[CV_PER_RULE] = "rule",
	[CV_PER_APP] = "app",
	[CV_PER_SOURCE] = "source",
};

static int parse_per(void *conf, const char *text, struct cv_err *err)
{
	size_t index;
	int rc = cv_arg_choice("per", text, scopes, CV_COUNT(scopes), &index, err);

	if (!rc)
		action_of(conf)->police_scope = index;
	return rc;
}

static bool format_per(const void *conf, FILE *out)
{
	enum cv_police_scope scope = const_action_of(conf)->police_scope;

	if (scope != CV_PER_RULE)
		fputs(scopes[scope], out);
	return scope != CV_PER_RULE;
}

static int parse_pace(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_rate("pace", text, &action_of(conf)->pace_bits_ps, err);
}

static bool format_pace(const void *conf, FILE *out)
{
	uint64_t rate = const_action_of(conf)->pace_bits_ps;

	if (rate)
		cv_put_rate(out, rate);
	return rate;
}

static int parse_sample(void *conf, const char *text, struct cv_err *err)
{
	const char *number = text[0] == '1' && text[1] == '/' ? text + 2 : "";

	if (!cv_arg_number("sample", number, 1, UINT32_MAX, &action_of(conf)->sample_one_in, NULL))
		return 0;
	cv_err_input(err, "sample \"%s\": not a share of the packets", text);
	return cv_err_hint(err, "as 1/100, one packet of a hundred");
}

static bool format_sample(const void *conf, FILE *out)
{
	uint32_t one_in = const_action_of(conf)->sample_one_in;

	if (one_in)
		fprintf(out, "1/%" PRIu32, one_in);
	return one_in;
}

static int parse_mirror(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ifname("mirror", text, action_of(conf)->mirror, err);
}

static bool format_mirror(const void *conf, FILE *out)
{
	fputs(const_action_of(conf)->mirror, out);
	return const_action_of(conf)->mirror[0];
}

static int parse_redirect(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ifname("redirect", text, action_of(conf)->redirect, err);
}

static bool format_redirect(const void *conf, FILE *out)
{
	fputs(const_action_of(conf)->redirect, out);
	return const_action_of(conf)->redirect[0];
}

/* ingress and neigh: bare words, or true or false in the state file. */
static int parse_way(void *conf, const char *word, const char *text, enum cv_redirect_way way,
		     struct cv_err *err)
{
	struct cv_action_conf *action = action_of(conf);
	bool is_set;
	int rc = cv_arg_flag(word, text, &is_set, err);

	if (rc || !is_set)
		return rc;
	if (action->redirect_way != CV_TO_EGRESS)
		return cv_err_input(err, "%s: ingress and neigh together", word);
	action->redirect_way = way;
	return 0;
}

static int parse_ingress(void *conf, const char *text, struct cv_err *err)
{
	return parse_way(conf, "ingress", text, CV_TO_INGRESS, err);
}

static bool format_ingress(const void *conf, FILE *out)
{
	(void)out;
	return const_action_of(conf)->redirect_way == CV_TO_INGRESS;
}

static int parse_neigh(void *conf, const char *text, struct cv_err *err)
{
	return parse_way(conf, "neigh", text, CV_TO_NEIGHBOUR, err);
}

static bool format_neigh(const void *conf, FILE *out)
{
	(void)out;
	return const_action_of(conf)->redirect_way == CV_TO_NEIGHBOUR;
}

static const char *const verdicts[] = {
	[CV_NEXT] = "next",
	[CV_ACCEPT] = "accept",
	[CV_DROP] = "drop",
	[CV_CONTINUE] = "continue",
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

static int parse_continue(void *conf, const char *text, struct cv_err *err)
{
	(void)text;
	return set_verdict(conf, CV_CONTINUE, err);
}

static const struct cv_word action_words[] = {
	{ .name = "mark",
	  .value = "V[/M]",
	  .help = "sets the packet mark (without M: all bits that are not culvert's)",
	  .parse = parse_action_mark,
	  .format = format_action_mark },
	{ .name = "route-mark",
	  .value = "APP",
	  .is_name = true,
	  .help = "routes it as what this app sends; needs dir in",
	  .parse = parse_route_mark,
	  .format = format_route_mark },
	{ .name = "priority",
	  .value = "MAJ:MIN",
	  .help = "sets the class of the queueing discipline, hexadecimal as in tc",
	  .parse = parse_priority,
	  .format = format_priority },
	{ .name = "dscp",
	  .value = "N",
	  .help = "sets the DSCP, 0 to 63 or cs1, af21, ef, ...",
	  .choice = cv_choice_dscp,
	  .parse = parse_action_dscp,
	  .format = format_action_dscp },
	{ .name = "police",
	  .value = "RATE",
	  .help = "drops what exceeds the rate; as tc has it: 10mbit, 100kbps",
	  .parse = parse_police,
	  .format = format_police },
	{ .name = "burst",
	  .value = "SIZE",
	  .help = "what may come at once (32kb; without it what passes in 10 ms, 64kb at least)",
	  .parse = parse_burst,
	  .format = format_burst },
	{ .name = "per",
	  .value = "rule|app|source",
	  .help = "police: who shares a rate (rule: all its packets)",
	  .parse = parse_per,
	  .format = format_per },
	{ .name = "pace",
	  .value = "RATE",
	  .help = "spreads departures over time; needs dir out and the fq qdisc",
	  .parse = parse_pace,
	  .format = format_pace },
	{ .name = "sample",
	  .value = "1/N",
	  .help = "tells 'culvert monitor' of one packet of N",
	  .parse = parse_sample,
	  .format = format_sample },
	{ .name = "mirror",
	  .value = "IFNAME",
	  .is_name = true,
	  .help = "sends a copy out of this device",
	  .parse = parse_mirror,
	  .format = format_mirror },
	{ .name = "redirect",
	  .value = "IFNAME",
	  .is_name = true,
	  .help = "sends it out of this device instead",
	  .parse = parse_redirect,
	  .format = format_redirect },
	{ .name = "ingress",
	  .help = "redirect: as if it had come in by the device",
	  .parse = parse_ingress,
	  .format = format_ingress },
	{ .name = "neigh",
	  .help = "redirect: to the Ethernet address of its next hop there",
	  .parse = parse_neigh,
	  .format = format_neigh },
	{ .name = "verdict",
	  .value = "next|accept|drop|continue",
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
	{ .name = "continue",
	  .help = "on to the next rule that matches",
	  .is_command_line_only = true,
	  .parse = parse_continue },
};

const struct cv_group cv_rule_action_group = { "action", CV_WORDS_OF(action_words) };
