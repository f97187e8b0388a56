/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a rule does: an action is a row of the table here, and a member of struct cv_action_conf. */
#include "args.h"
#include "rule_words.h"

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

const struct cv_group cv_rule_action_group = { "action", CV_WORDS_OF(action_words) };
