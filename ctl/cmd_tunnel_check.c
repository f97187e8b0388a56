/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `tunnel check`: proves a tunnel end to end and prints what was found. */
#include <string.h>

#include "args.h"
#include "command.h"
#include "out.h"
#include "own.h"

#define CV_TIMEOUT_MAX 60
#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *const verdicts[] = {
	[CV_PROOF_NONE] = NULL,
	[CV_PROOF_OK] = "ok",
	[CV_PROOF_FAILED] = "failed",
	[CV_PROOF_UNPROVEN] = "unproven",
};

static const char *const peers[] = {
	[CV_PROOF_PEER_NONE] = NULL,
	[CV_PROOF_PEER_CULVERT] = "culvert",
	[CV_PROOF_PEER_OTHER] = "other",
};

static int parse_timeout(const char *text, struct cv_proof_conf *conf, struct cv_err *err)
{
	uint32_t seconds;
	int rc = cv_arg_number("timeout", text, 1, CV_TIMEOUT_MAX, &seconds, err);

	if (!rc)
		conf->timeout_ms = seconds * 1000;
	return rc;
}

static int parse_pair(const char *word, const char *text, struct cv_proof_conf *conf,
		      struct cv_err *err)
{
	static const char *const known[] = { "to", "from", "timeout" };
	size_t index;
	int rc = cv_arg_choice("word", word, known, CV_COUNT(known), &index, err);

	if (rc)
		return rc;
	if (!text)
		return cv_err_input(err, "%s: its value is missing", word);
	if (!strcmp(word, "to"))
		return cv_arg_addr("to", text, &conf->to, err);
	if (!strcmp(word, "from"))
		return cv_arg_addr("from", text, &conf->from, err);
	return parse_timeout(text, conf, err);
}

static int parse(int argc, char **argv, struct cv_proof_conf *conf, struct cv_err *err)
{
	char name[CV_NAME_MAX + 1];
	int rc;

	if (!argc) {
		cv_err_input(err, "tunnel check: which one?");
		return cv_err_hint(err, "culvert tunnel check %s", cv_tunnel_check_verb.words);
	}
	rc = cv_arg_name("tunnel", argv[0], name, err);
	for (int i = 1; !rc && i < argc; i += 2)
		rc = parse_pair(argv[i], i + 1 < argc ? argv[i + 1] : NULL, conf, err);
	if (rc)
		return cv_err_prefix(err, "tunnel %s: check", argv[0]);
	if (conf->to.family && conf->from.family && conf->to.family != conf->from.family)
		return cv_err_input(err, "tunnel %s: check: 'to' and 'from' of two families", name);
	return 0;
}

static void show_json(FILE *out, const char *name, const struct cv_proof_report *report)
{
	struct cv_json json;

	cv_json_init(&json, out);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, "tunnel", name);
	cv_json_string(&json, "peer", peers[report->peer]);
	cv_json_open_array(&json, "steps");
	for (size_t i = 0; i < report->count; i++) {
		const struct cv_proof_step *step = &report->steps[i];

		cv_json_open_object(&json, NULL);
		cv_json_number(&json, "family", step->family);
		cv_json_string(&json, "step", step->step);
		cv_json_string(&json, "verdict", verdicts[step->verdict]);
		cv_json_string(&json, "there", verdicts[step->there]);
		cv_json_string(&json, "back", verdicts[step->back]);
		cv_json_number(&json, "bytes", step->bytes);
		cv_json_string(&json, "reason", *step->reason ? step->reason : NULL);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_close(&json);
	cv_json_end(&json);
}

static int add_row(struct cv_table *table, const struct cv_proof_step *step)
{
	char family[8], bytes[16];
	const char *cells[] = { family,
				step->step,
				bytes,
				verdicts[step->there],
				verdicts[step->back],
				verdicts[step->verdict],
				*step->reason ? step->reason : NULL };

	snprintf(family, sizeof(family), "IPv%u", step->family);
	snprintf(bytes, sizeof(bytes), "%u", step->bytes);
	return cv_table_row(table, cells);
}

static int show_text(FILE *out, const struct cv_proof_report *report)
{
	static const char *const headers[] = { "INSIDE", "STEP",    "BYTES", "THERE",
					       "BACK",	 "VERDICT", "REASON" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, CV_COUNT(headers));

	for (size_t i = 0; !rc && i < report->count; i++)
		rc = add_row(table, &report->steps[i]);
	if (!rc) {
		cv_table_align_right(table, 2);
		cv_table_print(table, out);
	}
	return rc;
}

static int run(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	struct cv_proof_conf conf = { .timeout_ms = CV_PROOF_TIMEOUT_MS };
	struct cv_proof_report report;
	int rc = parse(argc, argv, &conf, err);

	if (!rc)
		rc = cv_session_commit(session, err);
	if (!rc)
		rc = cv_session_open(session, CV_ACCESS_READ, err);
	if (!rc)
		rc = cv_tunnel_prove(session->inst, &session->applied, argv[0], &conf, &report,
				     err);
	if (rc)
		return rc;
	for (size_t i = 0; i < report.count; i++)
		if (report.steps[i].verdict == CV_PROOF_FAILED)
			session->has_finding = true;
	if (!session->is_json)
		return show_text(session->out, &report);
	show_json(session->out, argv[0], &report);
	return 0;
}

const struct cv_noun_verb cv_tunnel_check_verb = {
	.name = "check",
	.words = "NAME [to ADDR] [from ADDR] [timeout SECONDS]",
	.help = "sends packets of all kinds through the tunnel and back; status 4 if one is lost",
	.run = run,
};
