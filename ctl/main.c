/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The culvert command: global options, then one command or a batch, then one commit. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "report.h"
#include "session.h"

#define CV_EXIT_FINDING 4 /* it was done, and something is not as it should be */

/* Takes the value of an option. */
static int take_value(int argc, char **argv, int *at, const char **value, struct cv_err *err)
{
	if (*at + 1 >= argc)
		return cv_err_input(err, "%s: its value is missing", argv[*at]);
	*value = argv[++*at];
	return 0;
}

/* Takes the value of an option that is a number of seconds. */
static int take_seconds(int argc, char **argv, int *at, uint32_t *seconds, struct cv_err *err)
{
	const char *option = argv[*at], *value = NULL;
	int rc = take_value(argc, argv, at, &value, err);

	return rc ? rc : cv_arg_number(option, value, 0, CV_SECONDS_MAX, seconds, err);
}

static const char *const option_names[] = { "-n",	"-j",	  "-s",	     "-q",
					    "-v",	"-batch", "--bpffs", "--state",
					    "--cgroup", "--wait", "--help",  "--version" };

static int unknown_option(const char *option, struct cv_err *err)
{
	const char *nearest =
		cv_nearest(option, option_names, sizeof(option_names) / sizeof(*option_names));

	cv_err_input(err, "unknown option \"%s\"", option);
	return nearest ? cv_err_hint(err, "did you mean \"%s\"?", nearest)
		       : cv_err_hint(err, "'culvert help' lists them");
}

/* Options up to the first word that is none. Returns its index, or a negative errno. */
static int parse_options(struct cv_session *session, int argc, char **argv, const char **batch,
			 const char **word, struct cv_err *err)
{
	int at, rc = 0;

	for (at = 1; !rc && at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
		const char *option = argv[at];

		if (!strcmp(option, "-n"))
			rc = take_value(argc, argv, &at, &session->options.netns, err);
		else if (!strcmp(option, "--bpffs"))
			rc = take_value(argc, argv, &at, &session->options.bpffs, err);
		else if (!strcmp(option, "--state"))
			rc = take_value(argc, argv, &at, &session->options.state_dir, err);
		else if (!strcmp(option, "--cgroup"))
			rc = take_value(argc, argv, &at, &session->options.cgroup_dir, err);
		else if (!strcmp(option, "--wait"))
			rc = take_seconds(argc, argv, &at, &session->options.wait_seconds, err);
		else if (!strcmp(option, "-batch"))
			rc = take_value(argc, argv, &at, batch, err);
		else if (!strcmp(option, "-j"))
			session->is_json = true;
		else if (!strcmp(option, "-s"))
			session->has_stats = true;
		else if (!strcmp(option, "-q"))
			session->is_quiet = true;
		else if (!strcmp(option, "-v"))
			session->is_verbose = true;
		else if (!strcmp(option, "-h") || !strcmp(option, "--help"))
			*word = "help";
		else if (!strcmp(option, "-V") || !strcmp(option, "--version"))
			*word = "version";
		else
			rc = unknown_option(option, err);
	}
	return rc ? rc : at;
}

/* The words of a command, as they were given. */
static const char *join_words(int argc, char **argv)
{
	static char text[CV_WHAT_MAX];
	size_t len = 0;

	for (int i = 0; i < argc && len < sizeof(text); i++)
		len += snprintf(text + len, sizeof(text) - len, i ? " %s" : "%s", argv[i]);
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return text;
}

static int nothing_to_do(struct cv_err *err)
{
	cv_err_input(err, "no object and no verb");
	return cv_err_hint(err, "'culvert help' shows what there is");
}

static int run(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	const char *batch = NULL, *word = NULL;
	int at = parse_options(session, argc, argv, &batch, &word, err);
	int rc;

	if (at < 0)
		return at;
	if (cv_report_new(&session->report, stderr, session->is_json))
		return cv_err_set(err, -ENOMEM, "out of memory");
	session->what = batch ? "batch" : join_words(argc - at, argv + at);
	if (word)
		rc = cv_command_run(session, 1, (char *[]){ (char *)word, NULL }, err);
	else if (batch && at < argc)
		rc = cv_err_input(err, "-batch and \"%s\" together", argv[at]);
	else if (batch)
		rc = cv_batch_run(session, batch, err);
	else if (at == argc)
		rc = nothing_to_do(err);
	else
		rc = cv_command_run(session, argc - at, argv + at, err);
	return rc ? rc : cv_session_commit(session, err);
}

/* An error that was not reported on its way is reported now. */
static int finish(struct cv_session *session, int rc, const struct cv_err *err)
{
	int status;

	if (!session->report && cv_report_new(&session->report, stderr, session->is_json))
		return CV_ERR_FAILED;
	if (rc && err->code)
		cv_report_error(session->report, err);
	if (fflush(stdout) && !rc) {
		struct cv_err write_err;

		cv_err_set(&write_err, -errno, "standard output: %s", strerrordesc_np(errno));
		cv_report_error(session->report, &write_err);
	}
	status = cv_report_status(session->report);
	if (!status && session->has_finding)
		status = CV_EXIT_FINDING;
	cv_session_close(session);
	cv_report_free(&session->report);
	return status;
}

int main(int argc, char **argv)
{
	struct cv_session session = { .out = stdout,
				      .options.wait_seconds = CV_DEFAULT_WAIT_SECONDS };
	struct cv_err err = { 0 };
	int rc;

	cv_state_init(&session.applied);
	cv_state_init(&session.undone);
	cv_state_init(&session.wanted);
	rc = run(&session, argc, argv, &err);
	return finish(&session, rc, &err);
}
