/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One run of the command: see session.h. */
#include "session.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "carry.h"
#include "config.h"
#include "elements.h"
#include "own.h"
#include "pending.h"
#include "revise.h"
#include "words.h"

static void print_log(enum cv_log_level level, const char *text, void *arg)
{
	struct cv_session *session = arg;
	size_t len = strcspn(text, "\n");

	session->has_spoken |= level != CV_LOG_DEBUG;
	if (session->is_glancing && level != CV_LOG_DEBUG)
		return;
	cv_progress_end(&session->progress);
	if (level == CV_LOG_WARN)
		cv_report_warning(session->report, text);
	else if (level == CV_LOG_INFO && !session->is_quiet && !session->is_json)
		fprintf(stderr, "culvert: %.*s\n", (int)len, text);
	else if (level == CV_LOG_DEBUG && session->is_verbose)
		fprintf(stderr, "%s%s", text, text[len] ? "" : "\n");
}

/* Makes state, which is empty, the applied one, or what the first len bytes say of it. */
static int read_applied(const struct cv_session *session, size_t len, struct cv_state *state,
			struct cv_err *err)
{
	CV_CLEANUP(cv_report_free) struct cv_report *silent = NULL;
	int rc = cv_report_new(&silent, NULL, false);

	if (rc)
		return cv_err_set(err, rc, "state: out of memory");
	if (!cv_config_parse(state, NULL, session->text.bytes, len, silent))
		return 0;
	cv_state_fini(state);
	cv_err_set(err, -EPROTO, "instance %s: its applied state cannot be read",
		   cv_instance_name(session->inst));
	return cv_err_hint(err, "'culvert down' clears it away");
}

static void forget(struct cv_session *session)
{
	cv_state_fini(&session->applied);
	cv_state_fini(&session->undone);
	cv_state_fini(&session->wanted);
	cv_edits_clear(&session->edits);
	cv_text_fini(&session->text);
	session->has_wanted = session->is_loaded = session->has_no_edits = false;
}

static int load_text(struct cv_session *session, struct cv_err *err)
{
	cv_state_fini(&session->applied);
	return session->text.bytes ? 0 : cv_instance_applied(session->inst, &session->text, err);
}

static int load(struct cv_session *session, struct cv_err *err)
{
	int rc = load_text(session, err);

	if (!rc)
		rc = read_applied(session, session->text.len, &session->applied, err);
	session->is_loaded = !rc;
	return rc;
}

static bool is_open(const struct cv_session *session, enum cv_access access)
{
	return session->inst && (session->access == CV_ACCESS_WRITE || access == CV_ACCESS_READ);
}

/* Tells of a change whose maker died on the way. */
static void warn_of_interruption(const struct cv_session *session)
{
	struct cv_interruption was;
	char text[CV_WHAT_MAX + 256], began[32] = "";
	time_t seconds;
	struct tm local;
	struct cv_err err;
	int found = cv_instance_interrupted(session->inst, &was, &err);

	if (found < 0) {
		cv_err_prefix(&err, "whether a change was interrupted cannot be told");
		cv_report_warning(session->report, err.text);
	}
	if (found <= 0)
		return;
	seconds = was.began_seconds;
	if (localtime_r(&seconds, &local))
		strftime(began, sizeof(began), "%F %T", &local);
	snprintf(
		text, sizeof(text),
		"'%s' of process %d was interrupted (begun %s): the %s state works, and some of the %s one may be left; 'culvert repair' %s it",
		was.what, was.pid, began, was.is_turned ? "new" : "old",
		was.is_turned ? "old" : "new", was.is_turned ? "finishes" : "undoes");
	cv_report_warning(session->report, text);
}

int cv_session_open_raw(struct cv_session *session, enum cv_access access, struct cv_err *err)
{
	int rc;

	if (is_open(session, access))
		return 0;
	cv_session_close(session);
	session->options.log = print_log;
	session->options.log_arg = session;
	rc = cv_instance_open(&session->inst, &session->options, access, err);
	session->access = access;
	if (!rc)
		warn_of_interruption(session);
	return rc ? rc : cv_pending_settle(session, err);
}

/* What was to be edited is changed in the whole state instead. */
static int replay_edits(struct cv_session *session, struct cv_err *err)
{
	struct cv_state *wanted;
	int rc = cv_session_wanted(session, &wanted, err);

	if (!rc)
		rc = cv_edits_replay(&session->edits, wanted, err);
	session->is_changed = true;
	return rc;
}

int cv_session_open(struct cv_session *session, enum cv_access access, struct cv_err *err)
{
	int rc = cv_session_open_raw(session, access, err);

	if (!rc && !session->is_loaded)
		rc = load(session, err);
	return rc || !session->edits.count ? rc : replay_edits(session, err);
}

/* Whether the applied state, which was not read yet, can be edited. */
static bool can_edit(const struct cv_session *session)
{
	return !session->has_no_edits && !session->is_loaded && !session->has_wanted &&
	       !session->tell && session->mode == CV_CHANGE_MAKE && session->inst &&
	       cv_instance_can_edit(session->inst);
}

int cv_session_edit(struct cv_session *session, struct cv_edits **edits, struct cv_err *err)
{
	int rc = cv_session_open_raw(session, CV_ACCESS_WRITE, err);

	*edits = NULL;
	if (rc)
		return rc;
	if (!session->edits.text && can_edit(session)) {
		rc = load_text(session, err);
		if (!rc)
			cv_edits_begin(&session->edits, session->text.bytes);
	}
	session->has_no_edits = !session->edits.text;
	if (session->edits.text)
		*edits = &session->edits;
	return rc;
}

int cv_session_open_anew(struct cv_session *session, enum cv_access access, struct cv_err *err)
{
	int rc = cv_session_open_raw(session, access, err);

	if (!rc && session->is_loaded)
		return 0;
	if (!rc)
		rc = load_text(session, err);
	if (!rc)
		rc = read_applied(session, cv_config_head_len(session->text.bytes),
				  &session->applied, err);
	return rc;
}

/* True if the applied text was made of just these files. */
static bool is_of(const struct cv_instance *inst, const struct cv_origin *origin)
{
	struct cv_origin found;

	return origin->whole && cv_instance_origin(inst, &found) && found.whole == origin->whole;
}

#define CV_GLANCE_RULES 2000 /* fewer are read at once, and warned of */

static bool can_glance(const struct cv_session *session)
{
	return !session->is_loaded && !session->has_wanted && !session->edits.text &&
	       !session->confirm_seconds;
}

/* origin NULL: whatever it is of. */
static bool may_stand(const struct cv_instance *inst, const struct cv_origin *origin)
{
	return cv_instance_rules_of(inst) > CV_GLANCE_RULES && (!origin || is_of(inst, origin));
}

/* True if the applied text was made of the same files, but for what these say of rules. */
static bool may_be_revised(const struct cv_instance *inst, const struct cv_origin *origin)
{
	struct cv_origin found;

	return cv_instance_rules_of(inst) > CV_GLANCE_RULES && origin->rest &&
	       cv_instance_origin(inst, &found) && found.rest == origin->rest;
}

typedef bool (*may_fn)(const struct cv_instance *inst, const struct cv_origin *origin);

/* Asked before anything is said, or waited for, on the way to the instance. */
static bool is_worth_it(const struct cv_session *session, may_fn may,
			const struct cv_origin *origin)
{
	struct cv_instance *inst = NULL;
	bool is_it;

	if (session->inst)
		return may(session->inst, origin);
	is_it = !cv_instance_open(&inst, &session->options, CV_ACCESS_READ, NULL) &&
		may(inst, origin);
	cv_instance_close(&inst);
	return is_it;
}

static bool open_glance(struct cv_session *session, enum cv_access access, may_fn may,
			const struct cv_origin *origin)
{
	struct cv_pending pending;
	struct cv_err err;

	return can_glance(session) && is_worth_it(session, may, origin) &&
	       !cv_session_open_raw(session, access, &err) && may(session->inst, origin) &&
	       !cv_pending_find(session, &pending, &err) && !load_text(session, &err);
}

/* True if the kernel holds what is applied, and there is nothing to be said of it. */
static bool stands(struct cv_session *session, bool is_repair)
{
	enum cv_change_mode mode =
		session->access == CV_ACCESS_WRITE ? CV_CHANGE_MAKE : CV_CHANGE_LOOK;
	struct cv_state head;
	struct cv_err err;
	bool is_it;

	cv_state_init(&head);
	session->is_glancing = true;
	session->has_spoken = false;
	is_it = !read_applied(session, cv_config_head_len(session->text.bytes), &head, &err) &&
		cv_instance_stands(session->inst, &head, mode, is_repair);
	session->is_glancing = false;
	cv_state_fini(&head);
	return is_it && !session->has_spoken;
}

bool cv_session_stands(struct cv_session *session, enum cv_access access,
		       const struct cv_origin *origin, bool is_repair)
{
	return open_glance(session, access, may_stand, origin) && stands(session, is_repair);
}

/* True if the rules stand in the applied text as they stood in the files that it was made of. */
static bool has_rules_of_files(const struct cv_session *session, const struct cv_edits *edits)
{
	struct cv_line rules = cv_lines_of(&edits->lines, &cv_noun_rule);
	const struct cv_piece section = { rules.begin, rules.end - rules.begin };
	struct cv_origin found;

	return rules.begin && cv_instance_origin(session->inst, &found) &&
	       found.rules == cv_texts_hash(&section, 1);
}

int cv_session_revise(struct cv_session *session, const struct cv_origin *origin,
		      struct cv_line rules, struct cv_err *err)
{
	CV_CLEANUP(cv_edits_clear) struct cv_edits edits = { .text = NULL };
	int rc = -ESTALE;

	/* A batch is one change. */
	if (session->is_verbose || session->place.line || !rules.begin ||
	    !open_glance(session, CV_ACCESS_WRITE, may_be_revised, origin))
		return 1;
	if (cv_edits_begin(&edits, session->text.bytes) && has_rules_of_files(session, &edits) &&
	    cv_revise(&edits, rules) && stands(session, false))
		rc = cv_edits_commit(&edits, session->inst, session->what, origin, err);
	if (rc == -ESTALE) {
		err->code = 0;
		return 1;
	}
	if (!rc)
		forget(session);
	return rc;
}

#define CV_READ_TRIES 6
#define CV_READ_PAUSE_MS 5 /* after the first; each time twice as long */

/* Calls fn and keeps what it prints. */
static int read_once(struct cv_session *session, cv_read_fn fn, const void *arg, char **text,
		     size_t *len, struct cv_err *err)
{
	FILE *out = session->out;
	int rc;

	session->out = open_memstream(text, len);
	if (!session->out) {
		session->out = out;
		return cv_err_set(err, -ENOMEM, "output: out of memory");
	}
	rc = cv_session_open(session, CV_ACCESS_READ, err);
	if (!rc)
		rc = fn(session, arg, err);
	if (fclose(session->out) && !rc)
		rc = cv_err_set(err, -ENOMEM, "output: out of memory");
	session->out = out;
	return rc;
}

/* True if what was read may be half of one state and half of another. */
static bool is_torn(const struct cv_session *session, int rc, const struct cv_glance *before)
{
	struct cv_glance after;

	if (session->access == CV_ACCESS_WRITE)
		return false; /* nobody else changes it */
	if (!session->inst)
		return rc == -ENOENT;
	cv_instance_glance(session->inst, &after);
	return cv_glance_differs(before, &after);
}

static void pause_ms(unsigned int ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

int cv_session_read(struct cv_session *session, cv_read_fn fn, const void *arg, struct cv_err *err)
{
	int rc = cv_session_commit(session, err);

	for (int tries = 1; !rc; tries++) {
		CV_FREE char *text = NULL;
		struct cv_glance before = { 0 };
		size_t len = 0;

		rc = cv_session_open_raw(session, CV_ACCESS_READ, err);
		if (!rc) {
			cv_instance_glance(session->inst, &before);
			rc = read_once(session, fn, arg, &text, &len, err);
		}
		if (tries == CV_READ_TRIES || !is_torn(session, rc, &before)) {
			if (text)
				fwrite(text, 1, len, session->out);
			break;
		}
		forget(session);
		pause_ms(CV_READ_PAUSE_MS << tries);
		rc = err->code = 0;
	}
	return rc;
}

int cv_session_wanted(struct cv_session *session, struct cv_state **out, struct cv_err *err)
{
	int rc = 0;

	if (!session->has_wanted)
		rc = cv_state_copy(&session->wanted, &session->applied, err);
	if (rc)
		return rc;
	session->has_wanted = true;
	session->is_checked = false;
	session->origin = (struct cv_origin){ 0 };
	*out = &session->wanted;
	return 0;
}

int cv_session_want_applied(struct cv_session *session, struct cv_state **out, struct cv_err *err)
{
	int rc = cv_session_open(session, CV_ACCESS_WRITE, err);

	if (rc)
		return rc;
	cv_session_want(session, &session->applied);
	session->is_loaded = session->is_changed = false;
	/* What is in the files of sets is still to come. */
	session->is_checked = !session->wanted.set_count;
	*out = &session->wanted;
	return 0;
}

static int read_old(void *arg, const struct cv_state **old, struct cv_err *err)
{
	struct cv_session *session = arg;

	*old = session->is_loaded ? &session->applied : &session->undone;
	return session->is_loaded ? 0
				  : read_applied(session, session->text.len, &session->undone, err);
}

static void write_text(FILE *out, const void *arg)
{
	const struct cv_session *session = arg;

	cv_carry_write(&session->wanted, session->text.bytes, session->parts, out);
}

/* Whether what is wanted is what is applied. Mostly the number of objects says that it is not. */
static bool is_same(const struct cv_session *session)
{
	struct cv_origin known;

	if (is_of(session->inst, &session->origin))
		return true;
	/* The text, of which it was read, is this build's. */
	if (session->is_repair && cv_instance_origin(session->inst, &known))
		return true;
	for (size_t i = 0; session->is_loaded && i < cv_noun_count; i++)
		if (cv_nouns[i]->count(&session->applied) != cv_nouns[i]->count(&session->wanted))
			return false;
	return cv_carry_is(&session->wanted, session->text.bytes, session->parts);
}

static void print_progress(const char *about, size_t acts, void *arg)
{
	cv_progress_show(&((struct cv_session *)arg)->progress, about, acts);
}

/* Changes that are to be confirmed, or come while one is, are made in the whole state. */
static bool is_to_be_confirmed(const struct cv_session *session)
{
	struct cv_pending pending;

	return session->confirm_seconds || cv_pending_find(session, &pending, NULL);
}

/* Returns 1 if there is something else to be committed. */
static int commit_edits(struct cv_session *session, struct cv_err *err)
{
	int rc;

	if (!session->edits.count)
		return 1;
	rc = is_to_be_confirmed(session)
		     ? -ESTALE
		     : cv_edits_commit(&session->edits, session->inst, session->what, NULL, err);
	if (!rc)
		forget(session);
	if (rc != -ESTALE)
		return rc;
	err->code = 0;
	rc = cv_session_open(session, CV_ACCESS_WRITE, err);
	return rc ? rc : 1;
}

/* Applies what is wanted, or looks at what that takes. */
static int apply_wanted(struct cv_session *session, struct cv_err *err)
{
	struct cv_change change = { .old = session->is_repair ? &session->wanted
							      : &session->applied,
				    .wanted = &session->wanted,
				    .old_text = session->text.bytes,
				    .mode = session->mode,
				    .what = session->what,
				    .is_repair = session->is_repair,
				    .is_same = is_same(session),
				    .origin = session->origin,
				    .read_old = read_old,
				    .write_text = write_text,
				    .tell = session->tell,
				    .progress = print_progress,
				    .arg = session };
	struct cv_pending pending;
	int rc = cv_pending_open(session, change.is_same, &pending, err);

	cv_text_rest(&session->text);
	cv_progress_begin(&session->progress, session->is_quiet || session->is_json);
	if (!rc)
		rc = cv_instance_apply(session->inst, &change, err);
	cv_progress_end(&session->progress);
	return cv_pending_close(session, &pending, rc, err);
}

int cv_session_commit(struct cv_session *session, struct cv_err *err)
{
	int rc = commit_edits(session, err);

	if (rc <= 0 || !session->is_changed)
		return rc < 0 ? rc : 0;
	session->is_changed = false;
	if (!session->is_checked && cv_config_check(&session->wanted, session->report))
		return -EINVAL;
	rc = apply_wanted(session, err);
	if (rc)
		return rc;
	/* What follows in a batch, if anything, starts from what was written. */
	forget(session);
	return 0;
}

/* Elements of files are read again; where that fails, those that are in the kernel stay. */
static void read_elements(struct cv_state *state, struct cv_report *silent)
{
	for (size_t i = 0; i < state->set_count; i++)
		if (cv_elements_read(&state->sets[i], silent))
			state->sets[i].is_file_read = false;
}

int cv_session_put_back(struct cv_session *session, const char *text, struct cv_err *err)
{
	CV_CLEANUP(cv_report_free) struct cv_report *silent = NULL;
	struct cv_state state;
	int rc = cv_session_open_anew(session, CV_ACCESS_WRITE, err);

	if (!rc && cv_report_new(&silent, NULL, false))
		rc = cv_err_set(err, -ENOMEM, "state: out of memory");
	if (rc)
		return rc;
	cv_state_init(&state);
	if (cv_config_parse(&state, NULL, text, strlen(text), silent)) {
		cv_state_fini(&state);
		return cv_err_set(err, -EPROTO, "the former state cannot be read");
	}
	read_elements(&state, silent);
	cv_session_want(session, &state);
	return cv_session_commit(session, err);
}

void cv_session_want(struct cv_session *session, struct cv_state *state)
{
	cv_edits_clear(&session->edits);
	cv_state_fini(&session->wanted);
	session->wanted = *state;
	cv_state_init(state);
	session->has_wanted = session->is_checked = session->is_changed = true;
	session->origin = (struct cv_origin){ 0 };
}

bool cv_session_shows(const struct cv_session *session, const char *key)
{
	return !session->only || !strcmp(session->only, key);
}

void cv_session_close(struct cv_session *session)
{
	forget(session);
	cv_instance_close(&session->inst);
}
