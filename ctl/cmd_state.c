/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The verbs on a whole state: check, apply, repair, save, status, down, version, help. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acts.h"
#include "args.h"
#include "command.h"
#include "config.h"
#include "elements.h"
#include "origin.h"
#include "out.h"
#include "own.h"
#include "pending.h"
#include "schema.h"
#include "sources.h"

static int no_words(const char *verb, int argc, char **argv, struct cv_err *err)
{
	return argc ? cv_err_input(err, "%s: unknown word \"%s\"", verb, argv[0]) : 0;
}

static int one_file(const char *verb, int argc, struct cv_err *err)
{
	if (argc == 1)
		return 0;
	cv_err_input(err, argc ? "%s: more than one file" : "%s: which file?", verb);
	return cv_err_hint(err, "culvert %s FILE, - for standard input", verb);
}

/* The state files live as long as the command: places and errors point into them. */
static struct cv_parts parts;

static void free_parts(void)
{
	cv_parts_fini(&parts);
}

/* Adds the files of a state to the others. *files: those of this one, borrowed. */
static int read_files(struct cv_session *session, const char *file, struct cv_parts *files)
{
	size_t first = parts.count;
	int rc;

	if (!parts.count)
		atexit(free_parts);
	session->parts = &parts;
	rc = cv_parts_read(&parts, file, session->report);
	if (!rc)
		*files = (struct cv_parts){ parts.items + first, parts.count - first };
	return rc;
}

static int read_state(struct cv_session *session, const struct cv_parts *files,
		      struct cv_state *state)
{
	int rc;

	cv_state_init(state);
	rc = cv_config_parse_parts(state, files->items, files->count, session->report);
	if (rc)
		cv_state_fini(state);
	return rc;
}

#define CV_WARNINGS_MAX 20 /* told of one file; the rest are counted */
#define CV_WARN_APPLY_MAX 2000 /* rules of a file that is applied: more would hold it up */

struct warnings {
	struct cv_report *report;
	size_t count;
};

static void warn(const struct cv_err *warning, void *arg)
{
	struct warnings *warnings = arg;

	if (warnings->count++ < CV_WARNINGS_MAX)
		cv_report_warning_at(warnings->report, warning);
}

/* Tells of what is hardly meant. */
static void warn_of_state(struct cv_session *session, const struct cv_state *state)
{
	struct warnings warnings = { .report = session->report };
	struct cv_err err;
	char text[64];

	if (cv_state_warn(state, warn, &warnings, &err))
		cv_report_warning(session->report, err.text);
	if (warnings.count <= CV_WARNINGS_MAX)
		return;
	snprintf(text, sizeof(text), "%zu more rules never match",
		 warnings.count - CV_WARNINGS_MAX);
	cv_report_warning(session->report, text);
}

static int run_check(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	struct cv_parts files;
	struct cv_state state;
	int rc = one_file("check", argc, err);

	if (!rc)
		rc = read_files(session, argv[0], &files);
	if (!rc)
		rc = read_state(session, &files, &state);
	if (rc)
		return rc;
	warn_of_state(session, &state);
	cv_state_fini(&state);
	return 0;
}

/* Takes a word without a value out of the words. */
static bool take_flag(const char *flag, int *argc, char **argv)
{
	for (int i = 0; i < *argc; i++)
		if (!strcmp(argv[i], flag)) {
			memmove(&argv[i], &argv[i + 1], (*argc - i - 1) * sizeof(*argv));
			(*argc)--;
			return true;
		}
	return false;
}

/* Takes --confirm SECONDS out of the words. */
static int take_confirm(int *argc, char **argv, uint32_t *seconds, struct cv_err *err)
{
	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--confirm"))
			continue;
		if (i + 1 == *argc)
			return cv_err_input(err, "apply: --confirm: how many seconds?");
		if (cv_arg_number("--confirm", argv[i + 1], 1, CV_SECONDS_MAX, seconds, err))
			return err->code;
		memmove(&argv[i], &argv[i + 2], (*argc - i - 2) * sizeof(*argv));
		*argc -= 2;
		return 0;
	}
	return 0;
}

/* Reads a file, and makes what it says what is wanted, unless the kernel is known to
 * hold that, or all of it but a few rules. */
static int want_file(struct cv_session *session, const char *file, enum cv_access access,
		     bool is_trial, struct cv_err *err)
{
	struct cv_parts files;
	struct cv_state state;
	struct cv_origin origin;
	int rc = read_files(session, file, &files);

	if (rc)
		return rc;
	origin = cv_origin_of(&files);
	if (!is_trial && cv_session_stands(session, access, &origin, false))
		return 0;
	if (access == CV_ACCESS_WRITE)
		rc = cv_session_revise(session, &origin, cv_origin_rules(&files), err);
	if (rc < 0 || (access == CV_ACCESS_WRITE && !rc))
		return rc;
	rc = read_state(session, &files, &state);
	if (rc)
		return rc;
	rc = cv_session_open_anew(session, access, err);
	if (rc) {
		cv_state_fini(&state);
		return rc;
	}
	if (state.rule_count <= CV_WARN_APPLY_MAX)
		warn_of_state(session, &state);
	cv_session_want(session, &state);
	session->origin = origin;
	return 0;
}

/* Commits while acts are printed to out. *count: how many there were. */
static int commit_and_tell(struct cv_session *session, FILE *out, size_t *count, struct cv_err *err)
{
	int rc = cv_acts_print(session, out, err);

	if (rc)
		return rc;
	rc = cv_session_commit(session, err);
	*count = cv_acts_end(session);
	return rc;
}

/* Says what making the running state another one would do, in one of the two modes that change nothing. */
static int look_at(struct cv_session *session, const char *file, enum cv_change_mode mode,
		   size_t *count, struct cv_err *err)
{
	int rc = cv_session_commit(session, err); /* of a batch, what came before */

	if (!rc)
		rc = want_file(session, file, CV_ACCESS_READ, mode == CV_CHANGE_TRY, err);
	if (rc)
		return rc;
	session->mode = mode;
	rc = commit_and_tell(session, session->out, count, err);
	session->mode = CV_CHANGE_MAKE;
	return rc;
}

static int run_apply(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	bool is_trial = take_flag("--dry-run", &argc, argv);
	uint32_t seconds = 0;
	size_t count;
	int rc = take_confirm(&argc, argv, &seconds, err);

	if (!rc)
		rc = one_file("apply", argc, err);
	if (!rc && is_trial && seconds)
		rc = cv_err_input(err, "apply: --dry-run changes nothing that could be confirmed");
	if (rc)
		return rc;
	if (is_trial)
		return look_at(session, argv[0], CV_CHANGE_TRY, &count, err);
	session->confirm_seconds = seconds;
	rc = want_file(session, argv[0], CV_ACCESS_WRITE, false, err);
	return rc || !session->is_verbose ? rc : commit_and_tell(session, stderr, &count, err);
}

static int run_diff(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	size_t count = 0;
	int rc = one_file("diff", argc, err);

	if (!rc)
		rc = look_at(session, argv[0], CV_CHANGE_LOOK, &count, err);
	if (!rc && count)
		session->has_finding = true;
	return rc;
}

int cv_session_repair(struct cv_session *session, struct cv_err *err)
{
	struct cv_state *wanted;
	int rc;

	if (cv_session_stands(session, CV_ACCESS_WRITE, NULL, true))
		return 0;
	rc = cv_session_want_applied(session, &wanted, err);
	for (size_t i = 0; !rc && i < wanted->set_count; i++)
		rc = cv_elements_read(&wanted->sets[i], session->report);
	if (rc)
		return rc;
	session->is_changed = session->is_repair = true;
	rc = cv_session_commit(session, err);
	session->is_repair = false;
	return rc;
}

static int run_repair(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	int rc = no_words("repair", argc, argv, err);

	if (!rc)
		rc = cv_session_commit(session, err); /* of a batch, what came before */
	if (!rc && !session->is_quiet)
		rc = cv_acts_print(session, session->out, err);
	if (rc)
		return rc;
	rc = cv_session_repair(session, err);
	if (!session->is_quiet)
		cv_acts_end(session);
	return rc;
}

static int save(struct cv_session *session, const void *arg, struct cv_err *err)
{
	(void)arg;
	(void)err;
	cv_config_write(&session->applied, session->out);
	return 0;
}

static int run_save(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	int rc = no_words("save", argc, argv, err);

	return rc ? rc : cv_session_read(session, save, NULL, err);
}

static int run_down(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	struct cv_state nothing;
	int rc = no_words("down", argc, argv, err);

	/* The applied state is not read: it may be what is broken. */
	session->is_past_pending = true;
	if (!rc)
		rc = cv_session_open_raw(session, CV_ACCESS_WRITE, err);
	session->is_past_pending = false;
	if (!rc)
		rc = cv_instance_down(session->inst, err);
	if (!rc)
		rc = cv_pending_end(session->inst, err);
	cv_state_init(&nothing);
	if (!rc) {
		cv_session_want(session, &nothing);
		session->is_changed = false;
	}
	return rc;
}

/* ---- status ---- */

/* The pair of devices on which large packets of UDP and SCTP are segmented. */
static void json_segment(struct cv_json *json, const struct cv_status *status)
{
	if (!*status->segment_in) {
		cv_json_null(json, "segment");
		return;
	}
	cv_json_open_object(json, "segment");
	cv_json_string(json, "in", status->segment_in);
	cv_json_string(json, "out", status->segment_out);
	cv_json_close(json);
}

static const char *how_text(enum cv_mark_how how)
{
	return how == CV_MARK_MATCHES ? "matches" : how == CV_MARK_WRITES ? "writes" : "unknown";
}

static void json_marks(struct cv_json *json, const struct cv_mark_users *marks)
{
	cv_json_open_array(json, "marks");
	for (size_t i = 0; i < marks->count; i++) {
		const struct cv_mark_user *user = &marks->items[i];
		char bits[16];

		snprintf(bits, sizeof(bits), "0x%x", user->bits);
		cv_json_open_object(json, NULL);
		cv_json_string(json, "bits", bits);
		cv_json_string(json, "user", user->user);
		cv_json_string(json, "place", user->place);
		cv_json_string(json, "how", how_text(user->how));
		cv_json_bool(json, "collides", user->collision);
		cv_json_string(json, "note", user->note);
		cv_json_close(json);
	}
	cv_json_close(json);
}

static const char *ending_text(enum cv_ending ending)
{
	return ending == CV_ENDS_YES ? "yes" : ending == CV_ENDS_NO ? "no" : "maybe";
}

/* NULL: we are not on that side. */
static const char *position_text(enum cv_position position)
{
	static const char *const texts[] = {
		[CV_STANDS_BEFORE] = "before", [CV_STANDS_AFTER] = "after"
	};

	return position == CV_STANDS_ALONE ? NULL : texts[position];
}

static void json_number_or_null(struct cv_json *json, const char *key, uint32_t number)
{
	if (number)
		cv_json_number(json, key, number);
	else
		cv_json_null(json, key);
}

static void json_foreign(struct cv_json *json, const struct cv_foreign_info *info)
{
	cv_json_open_object(json, NULL);
	cv_json_string(json, "dev", info->dev);
	cv_json_string(json, "dir", info->ingress ? "in" : "out");
	cv_json_string(json, "hook", info->is_tcx ? CV_HOOK_TCX : CV_HOOK_CLSACT);
	json_number_or_null(json, "prio", info->prio);
	cv_json_string(json, "kind", info->kind);
	cv_json_string(json, "name", info->name);
	json_number_or_null(json, "prog_id", info->prog_id);
	json_number_or_null(json, "link_id", info->link_id);
	cv_json_string(json, "position", position_text(info->position));
	cv_json_string(json, "ends_chain", ending_text(info->ending));
	cv_json_close(json);
}

static void print_foreign(const struct cv_foreign_info *info, FILE *out)
{
	const char *position = position_text(info->position);

	fprintf(out, "foreign: dev %s %s ", info->dev, info->ingress ? "ingress" : "egress");
	if (info->is_tcx)
		fprintf(out, "tcx program %u %s", info->prog_id, info->name);
	else
		fprintf(out, "prio %u %s %s", info->prio, info->kind, info->name);
	if (position)
		fprintf(out, ", %s culvert", position);
	fprintf(out, ", ends the chain: %s\n", ending_text(info->ending));
}

static void json_image(struct cv_json *json, const struct cv_image_info *image)
{
	cv_json_open_object(json, "image");
	cv_json_number(json, "rules", image->rules);
	cv_json_number(json, "bytes", image->bytes);
	cv_json_number(json, "garbage_bytes", image->garbage_bytes);
	cv_json_number(json, "steps", image->steps);
	cv_json_close(json);
}

/* Who changes something now. */
static void json_writer(struct cv_json *json, const struct cv_writer *writer)
{
	if (!writer->pid) {
		cv_json_null(json, "writer");
		return;
	}
	cv_json_open_object(json, "writer");
	cv_json_number(json, "pid", writer->pid);
	cv_json_string(json, "command", writer->command);
	cv_json_bool(json, "stopped", writer->is_stopped);
	cv_json_close(json);
}

/* A change that is to be confirmed. */
static bool find_pending(const struct cv_session *session, struct cv_pending *out)
{
	struct cv_err err;
	int found = cv_pending_find(session, out, &err);

	if (found < 0) {
		cv_err_prefix(&err, "whether a change is to be confirmed cannot be told");
		cv_report_warning(session->report, err.text);
	}
	return found > 0;
}

static void json_pending(struct cv_json *json, const struct cv_session *session)
{
	struct cv_pending pending;

	if (!find_pending(session, &pending)) {
		cv_json_null(json, "confirm");
		return;
	}
	cv_json_open_object(json, "confirm");
	cv_json_number(json, "deadline_seconds", cv_pending_seconds_left(&pending));
	cv_json_string(json, "by", pending.by);
	cv_json_string(json, "command", pending.command);
	cv_json_string(json, "failed", *pending.failed ? pending.failed : NULL);
	cv_json_close(json);
}

static void print_pending(const struct cv_session *session)
{
	struct cv_pending pending;

	if (!find_pending(session, &pending))
		return;
	if (*pending.failed)
		fprintf(session->out, "not confirmed, and rolling back failed: '%s' of %s: %s\n",
			pending.command, pending.by, pending.failed);
	else
		fprintf(session->out,
			"to be confirmed within %u s, or it is rolled back: '%s' of %s\n",
			cv_pending_seconds_left(&pending), pending.command, pending.by);
}

static void status_json(const struct cv_session *session, const struct cv_status *status)
{
	const struct cv_state *state = &session->applied;
	char mask[16];
	struct cv_json json;

	cv_json_init(&json, session->out);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, "instance", status->instance);
	cv_json_number(&json, "abi", status->abi);
	cv_json_number(&json, "generation", status->generation);
	cv_json_number(&json, "devices", state->dev_count);
	cv_json_number(&json, "apps", state->app_count);
	cv_json_number(&json, "tunnels", state->tunnel_count);
	cv_json_number(&json, "peers", state->peer_count);
	cv_json_number(&json, "routes", state->route_count);
	cv_json_number(&json, "sets", state->set_count);
	cv_json_number(&json, "rules", state->rule_count);
	snprintf(mask, sizeof(mask), "0x%x", status->mark_mask);
	cv_json_string(&json, "mark_mask", mask);
	json_image(&json, &status->image);
	json_segment(&json, status);
	json_writer(&json, &status->writer);
	json_pending(&json, session);
	cv_json_open_object(&json, "drops");
	for (size_t i = 0; i < status->drops.count; i++)
		cv_json_number(&json, status->drops.items[i].reason,
			       status->drops.items[i].packets);
	cv_json_close(&json);
	cv_json_sources(&json, status->sources);
	cv_json_open_array(&json, "foreign");
	for (size_t i = 0; i < status->foreign_count; i++)
		json_foreign(&json, &status->foreign[i]);
	cv_json_close(&json);
	json_marks(&json, &status->marks);
	cv_json_open_array(&json, "problems");
	for (size_t i = 0; i < status->problem_count; i++)
		cv_json_string(&json, NULL, status->problems[i]);
	cv_json_close(&json);
	cv_json_close(&json);
	cv_json_end(&json);
}

/* The map of bits: culvert's first, then everybody else's. */
static int print_marks(const struct cv_mark_users *marks, FILE *out)
{
	static const char *const headers[] = { "MARK BITS", "USER", "HOW", "WHERE", "NOTE" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, sizeof(headers) / sizeof(*headers));

	for (size_t i = 0; !rc && i < marks->count; i++) {
		const struct cv_mark_user *user = &marks->items[i];
		char bits[16] = "?", note[sizeof(user->note) + sizeof("collides: ")];
		const char *cells[] = { bits, user->user, how_text(user->how), user->place, note };

		if (user->how != CV_MARK_UNKNOWN)
			snprintf(bits, sizeof(bits), "0x%08x", user->bits);
		snprintf(note, sizeof(note), "%s%s", user->collision ? "collides: " : "",
			 user->note);
		rc = cv_table_row(table, cells);
	}
	if (!rc && marks->count)
		cv_table_print(table, out);
	return rc;
}

static int print_sources(const struct cv_status *status, FILE *out)
{
	CV_FREE char *text = cv_sources_text(status->sources);

	if (!text)
		return -ENOMEM;
	if (*text)
		fprintf(out, "owners known on this host: %s\n", text);
	return 0;
}

static int status_text(const struct cv_session *session, const struct cv_status *status)
{
	const struct cv_state *state = &session->applied;
	FILE *out = session->out;
	int rc = 0;

	fprintf(out, "instance %s, generation %u, map ABI %u, mark mask 0x%x\n", status->instance,
		status->generation, status->abi, status->mark_mask);
	fprintf(out,
		"%zu devices, %zu apps, %zu tunnels, %zu peers, %zu routes, %zu sets, %zu rules\n",
		state->dev_count, state->app_count, state->tunnel_count, state->peer_count,
		state->route_count, state->set_count, state->rule_count);
	if (*status->segment_in)
		fprintf(out, "UDP_SEGMENT and SCTP packets are segmented between %s and %s\n",
			status->segment_in, status->segment_out);
	print_pending(session);
	if (status->writer.pid)
		fprintf(out, "changed now by pid %d: '%s'%s\n", status->writer.pid,
			status->writer.command, status->writer.is_stopped ? ", stopped" : "");
	for (size_t i = 0; i < status->drops.count; i++)
		fprintf(out, "counted: %llu %s: %s\n",
			(unsigned long long)status->drops.items[i].packets,
			status->drops.items[i].reason, status->drops.items[i].text);
	if (session->has_stats && status->image.rules)
		fprintf(out, "rules take %llu KiB (%llu garbage), a packet at most %u steps\n",
			(unsigned long long)status->image.bytes / 1024,
			(unsigned long long)status->image.garbage_bytes / 1024,
			status->image.steps);
	if (session->has_stats)
		rc = print_sources(status, out);
	for (size_t i = 0; i < status->foreign_count; i++)
		print_foreign(&status->foreign[i], out);
	for (size_t i = 0; i < status->problem_count; i++)
		fprintf(out, "problem: %s\n", status->problems[i]);
	return rc ? rc : print_marks(&status->marks, out);
}

static int show_status(struct cv_session *session, const void *arg, struct cv_err *err)
{
	struct cv_status status;
	int rc = cv_status_get(session->inst, &session->applied, &status, err);

	(void)arg;
	if (rc)
		return rc;
	if (session->is_json)
		status_json(session, &status);
	else
		rc = status_text(session, &status);
	cv_status_fini(&status);
	return rc;
}

static int run_status(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	int rc = no_words("status", argc, argv, err);

	return rc ? rc : cv_session_read(session, show_status, NULL, err);
}

static int run_version(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	int rc = no_words("version", argc, argv, err);
	struct cv_json json;

	if (rc)
		return rc;
	if (!session->is_json) {
		fputs("culvert " CV_VERSION "\n", session->out);
		return 0;
	}
	cv_json_init(&json, session->out);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, "version", CV_VERSION);
	cv_json_close(&json);
	cv_json_end(&json);
	return 0;
}

static int run_schema(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	int rc = no_words("schema", argc, argv, err);

	if (rc)
		return rc;
	rc = cv_schema_write(session->out);
	return rc ? cv_err_set(err, rc, "schema: out of memory") : 0;
}

static int run_help(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	if (argc)
		return cv_command_run(session, 2, (char *[]){ argv[0], (char *)"help", NULL }, err);
	cv_usage(session->out);
	return 0;
}

const struct cv_verb cv_state_verbs[] = {
	{ "check", "FILE", "checks a state file; needs no privilege, looks at nothing else",
	  run_check, NULL },
	{ "diff", "FILE",
	  "what 'apply' would change, compared with the kernel; exit status 4 if anything",
	  run_diff, NULL },
	{ "apply", "FILE [--dry-run] [--confirm SECONDS]",
	  "makes the running state what the file says, or changes nothing; --dry-run: loads and verifies all, and says what it would change; --confirm: rolls it back then, unless 'confirm' comes before",
	  run_apply, NULL },
	{ "confirm", "[--rollback]",
	  "keeps what was applied with --confirm; --rollback: takes it back at once",
	  cv_confirm_run, NULL },
	{ "repair", "",
	  "puts back what is missing, and follows changes of the underlay's routes and MTU",
	  run_repair, NULL },
	{ "watch", "", "stays, and repairs at once what others take away", cv_watch_run, NULL },
	{ "save", "", "prints the running state as a state file", run_save, NULL },
	{ "status", "", "what is running, who stands beside it, and what is wrong", run_status,
	  NULL },
	{ "explain", "PACKET", "what becomes of a packet, and why; sends nothing", cv_explain_run,
	  &cv_explain_words },
	{ "monitor", "[WORDS]", "a line for each packet that a rule with sample tells of",
	  cv_monitor_run, &cv_monitor_words },
	{ "down", "", "takes everything away", run_down, NULL },
	{ "schema", "", "prints a JSON Schema of state files, for editors", run_schema, NULL },
	{ "version", "", "prints the version", run_version, NULL },
	{ "help", "[OBJECT]", "prints this", run_help, NULL },
};
const size_t cv_state_verb_count = sizeof(cv_state_verbs) / sizeof(*cv_state_verbs);
