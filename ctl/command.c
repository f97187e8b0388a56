/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Dispatch of one line of words: see command.h. */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

/* ---- objects ---- */

static const struct cv_noun *find_noun(const char *name)
{
	for (size_t i = 0; i < cv_noun_count; i++)
		if (!strcmp(cv_nouns[i]->name, name))
			return cv_nouns[i];
	return NULL;
}

/* A conf that is released with everything it owns, unless the state took it. */
struct owned_conf {
	const struct cv_noun *noun;
	void *conf;
};

static void free_conf(struct owned_conf *owned)
{
	if (owned->conf)
		owned->noun->fini(owned->conf);
	free(owned->conf);
}

static int parse_conf(struct cv_session *session, const struct cv_noun *noun, int argc, char **argv,
		      struct owned_conf *out, struct cv_err *err)
{
	int rc;

	if (argc < 1) {
		cv_err_input(err, "%s: which one?", noun->name);
		cv_err_hint(err, "give %s; 'culvert %s help' lists the words", noun->key,
			    noun->name);
		return -EINVAL;
	}
	out->noun = noun;
	out->conf = calloc(1, noun->conf_size);
	if (!out->conf)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", noun->name);
	noun->init(out->conf);
	*cv_conf_place(noun, out->conf) = session->place;
	rc = noun->set_key(out->conf, argv[0], err);
	if (rc)
		return rc;
	rc = cv_words_from_args(noun, out->conf, argc - 1, argv + 1, err);
	if (rc)
		return cv_err_prefix(err, "%s %s", noun->name, argv[0]);
	err->code = 0; /* what is wrong with it is reported by the noun itself */
	return noun->load ? noun->load(out->conf, session->report) : 0;
}

/* Opens the instance to be changed. */
static int open_wanted(struct cv_session *session, struct cv_state **wanted, struct cv_err *err)
{
	int rc = cv_session_open(session, CV_ACCESS_WRITE, err);

	return rc ? rc : cv_session_wanted(session, wanted, err);
}

static int add_conf(struct cv_session *session, struct cv_state *wanted, struct owned_conf *owned,
		    struct cv_err *err)
{
	int rc = owned->noun->add(wanted, owned->conf, err);

	/* The state took what the conf owns, or released it. */
	free(CV_TAKE_PTR(owned->conf));
	session->is_changed = true;
	return rc;
}

/* Opens the instance to change this one object. *edits is NULL if that takes the whole state. is_there: as
 * far as is known now. */
static int open_edits(struct cv_session *session, const struct owned_conf *owned, bool is_replaced,
		      struct cv_edits **edits, bool *is_there, struct cv_err *err)
{
	bool is_for_edits = owned->noun == &cv_noun_rule || owned->noun == &cv_noun_set;
	int rc = is_for_edits ? cv_session_edit(session, edits, err) : 0;

	if (rc || !*edits)
		return rc;
	*is_there = cv_edits_find(*edits, owned->noun, owned->conf);
	if (!cv_edits_can(*edits, owned->noun, owned->conf, is_replaced && *is_there))
		*edits = NULL;
	return 0;
}

static int exists_already(const struct cv_noun *noun, const char *key, struct cv_err *err)
{
	cv_err_set(err, -EEXIST, "%s %s: exists", noun->name, key);
	return noun->has_replace ? cv_err_hint(err, "use '%s replace' or delete it", noun->name)
				 : cv_err_hint(err, "delete it first");
}

static int is_missing(const struct cv_noun *noun, const char *key, struct cv_err *err)
{
	cv_err_set(err, -ENOENT, "%s %s: there is none", noun->name, key);
	return cv_err_hint(err, "'culvert %s' shows those that are", noun->name);
}

static int run_add(struct cv_session *session, const struct cv_noun *noun, int argc, char **argv,
		   struct cv_err *err)
{
	CV_CLEANUP(free_conf) struct owned_conf owned = { 0 };
	struct cv_edits *edits = NULL;
	struct cv_state *wanted;
	bool is_there = false;
	int rc = parse_conf(session, noun, argc, argv, &owned, err);

	if (!rc)
		rc = open_edits(session, &owned, false, &edits, &is_there, err);
	if (!rc && edits && is_there)
		return exists_already(noun, argv[0], err);
	if (!rc && edits) {
		cv_edits_put(edits, noun, CV_TAKE_PTR(owned.conf), true);
		return 0;
	}
	if (!rc)
		rc = open_wanted(session, &wanted, err);
	if (rc)
		return rc;
	err->code = 0;
	if (noun->find(wanted, owned.conf, err))
		return exists_already(noun, argv[0], err);
	return err->code ? err->code : add_conf(session, wanted, &owned, err);
}

static int run_replace(struct cv_session *session, const struct cv_noun *noun, int argc,
		       char **argv, struct cv_err *err)
{
	CV_CLEANUP(free_conf) struct owned_conf owned = { 0 };
	struct cv_edits *edits = NULL;
	struct cv_state *wanted;
	bool is_there = false;
	void *old;
	int rc = parse_conf(session, noun, argc, argv, &owned, err);

	if (!rc)
		rc = open_edits(session, &owned, true, &edits, &is_there, err);
	if (!rc && edits) {
		cv_edits_put(edits, noun, CV_TAKE_PTR(owned.conf), !is_there);
		return 0;
	}
	if (!rc)
		rc = open_wanted(session, &wanted, err);
	if (rc)
		return rc;
	err->code = 0;
	old = noun->find(wanted, owned.conf, err);
	if (err->code)
		return err->code;
	if (!old)
		return add_conf(session, wanted, &owned, err);
	/* In its place, so that the order of adding stays. */
	noun->fini(old);
	memcpy(old, owned.conf, noun->conf_size);
	free(CV_TAKE_PTR(owned.conf));
	session->is_changed = true;
	return 0;
}

static int run_del(struct cv_session *session, const struct cv_noun *noun, int argc, char **argv,
		   struct cv_err *err)
{
	CV_CLEANUP(free_conf) struct owned_conf owned = { 0 };
	struct cv_edits *edits = NULL;
	struct cv_state *wanted;
	bool is_there = false;
	char user[128];
	void *found;
	int rc = parse_conf(session, noun, argc, argv, &owned, err);

	if (!rc)
		rc = open_edits(session, &owned, false, &edits, &is_there, err);
	if (!rc && edits && !is_there)
		return is_missing(noun, argv[0], err);
	if (!rc && edits) {
		cv_edits_del(edits, noun, owned.conf);
		return 0;
	}
	if (!rc)
		rc = open_wanted(session, &wanted, err);
	if (rc)
		return rc;
	err->code = 0;
	found = noun->find(wanted, owned.conf, err);
	if (err->code)
		return err->code;
	if (!found)
		return is_missing(noun, argv[0], err);
	if (noun->find_user && noun->find_user(wanted, found, user, sizeof(user))) {
		cv_err_set(err, -EBUSY, "%s %s: in use by %s", noun->name, argv[0], user);
		return cv_err_hint(err, "delete that first");
	}
	noun->del(wanted, found);
	session->is_changed = true;
	return 0;
}

/* Whether there is one with that key; a route's key may be that of several. */
static bool is_there(const struct cv_noun *noun, const struct cv_state *state, const char *key)
{
	for (size_t i = 0; i < noun->count(state); i++)
		if (cv_key_is(noun, noun->at(state, i), key))
			return true;
	return noun->covers && noun->covers(state, key);
}

struct shown {
	const struct cv_noun *noun;
	const char *key; /* NULL: all */
};

static int show(struct cv_session *session, const void *arg, struct cv_err *err)
{
	const struct shown *shown = arg;
	const char *key = shown->key;
	int rc;

	if (key && !is_there(shown->noun, &session->applied, key))
		return cv_err_set(err, -ENOENT, "%s %s: there is none", shown->noun->name, key);
	session->only = key;
	rc = shown->noun->show(session, err);
	session->only = NULL;
	return rc;
}

static int run_show(struct cv_session *session, const struct cv_noun *noun, int argc, char **argv,
		    struct cv_err *err)
{
	CV_CLEANUP(free_conf) struct owned_conf owned = { 0 };
	CV_FREE char *key = NULL;
	int rc;

	if (argc > 1)
		return cv_err_input(err, "%s show: unknown word \"%s\"", noun->name, argv[1]);
	if (argc) {
		rc = parse_conf(session, noun, argc, argv, &owned, err);
		if (rc)
			return rc;
		key = cv_key_text(noun, owned.conf);
	}
	return cv_session_read(session, show, &(struct shown){ noun, key }, err);
}

static int run_help(struct cv_session *session, const struct cv_noun *noun, int argc, char **argv,
		    struct cv_err *err)
{
	(void)argc;
	(void)argv;
	(void)err;
	cv_noun_help(noun, session->out);
	return 0;
}

static const struct {
	const char *name;
	bool needs_replace;
	int (*run)(struct cv_session *session, const struct cv_noun *noun, int argc, char **argv,
		   struct cv_err *err);
} object_verbs[] = {
	{ "show", false, run_show }, { "add", false, run_add },	  { "replace", true, run_replace },
	{ "del", false, run_del },   { "help", false, run_help },
};
#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static int unknown(const char *what, const char *word, const char *const *known, size_t count,
		   struct cv_err *err)
{
	const char *nearest = cv_nearest(word, known, count);

	cv_err_input(err, "unknown %s \"%s\"", what, word);
	return nearest ? cv_err_hint(err, "did you mean \"%s\"?", nearest)
		       : cv_err_hint(err, "'culvert help' shows what there is");
}

static int run_object(struct cv_session *session, const struct cv_noun *noun, int argc, char **argv,
		      struct cv_err *err)
{
	const char *names[CV_COUNT(object_verbs) + 1];
	const char *verb = argc ? argv[0] : "show";
	size_t count = 0;

	for (size_t i = 0; i < CV_COUNT(object_verbs); i++) {
		if (object_verbs[i].needs_replace && !noun->has_replace)
			continue;
		names[count++] = object_verbs[i].name;
		if (!strcmp(verb, object_verbs[i].name))
			return object_verbs[i].run(session, noun, argc ? argc - 1 : 0,
						   argv + (argc ? 1 : 0), err);
	}
	if (noun->verb) {
		names[count++] = noun->verb->name;
		if (!strcmp(verb, noun->verb->name))
			return noun->verb->run(session, argc - 1, argv + 1, err);
	}
	unknown("verb", verb, names, count, err);
	return cv_err_prefix(err, "%s", noun->name);
}

/* ---- everything ---- */

/* Text that is not UTF-8 could not be kept in the applied state as it is. */
static int check_text(int argc, char **argv, struct cv_err *err)
{
	for (int i = 0; i < argc; i++) {
		const char *p = argv[i], *end = p + strlen(p);

		while (p < end)
			if (cv_utf8_next(&p, end) < 0)
				return cv_err_input(err, "word %d: not UTF-8 text", i + 1);
	}
	return 0;
}

static void verb_help(const struct cv_verb *verb, FILE *out)
{
	fprintf(out, "culvert %s%s%s: %s\n", verb->name, *verb->words ? " " : "", verb->words,
		verb->help);
	if (verb->group) {
		fputc('\n', out);
		cv_group_help(verb->group, out);
	}
}

int cv_command_run(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	const char *known[32];
	size_t count = 0;
	const struct cv_noun *noun = find_noun(argv[0]);
	int rc = check_text(argc, argv, err);

	if (rc)
		return rc;
	if (noun)
		return run_object(session, noun, argc - 1, argv + 1, err);
	for (size_t i = 0; i < cv_state_verb_count; i++) {
		known[count++] = cv_state_verbs[i].name;
		if (strcmp(argv[0], cv_state_verbs[i].name))
			continue;
		if (argc != 2 || strcmp(argv[1], "help"))
			return cv_state_verbs[i].run(session, argc - 1, argv + 1, err);
		verb_help(&cv_state_verbs[i], session->out);
		return 0;
	}
	for (size_t i = 0; i < cv_noun_count; i++)
		known[count++] = cv_nouns[i]->name;
	return unknown("object", argv[0], known, count, err);
}

void cv_usage(FILE *out)
{
	fputs("culvert: sends applications' traffic through tunnels, marks it, and shows that it "
	      "happens\n\n"
	      "  culvert [OPTIONS] OBJECT [VERB] [WORDS ...]     show is the default verb\n"
	      "  culvert [OPTIONS] VERB [FILE]\n"
	      "  culvert [OPTIONS] -batch FILE                   one command a line; all changes up to\n"
	      "                                                  a show or the end are one transaction\n\n"
	      "objects\n",
	      out);
	for (size_t i = 0; i < cv_noun_count; i++)
		fprintf(out, "  %-10s %s\n", cv_nouns[i]->name, cv_nouns[i]->help);
	fputs("\nverbs on the whole state\n", out);
	for (size_t i = 0; i < cv_state_verb_count; i++) {
		char left[32];

		snprintf(left, sizeof(left), "%s %s", cv_state_verbs[i].name,
			 cv_state_verbs[i].words);
		fprintf(out, "  %-14s %s\n", left, cv_state_verbs[i].help);
	}
	fputs("\noptions, before the object or verb\n"
	      "  -n NETNS       in this network namespace: a name, or a path as /proc/PID/ns/net\n"
	      "  -j             JSON\n"
	      "  -s             more statistics\n"
	      "  -q, -v         say less, say more\n"
	      "  --bpffs DIR    where programs and maps are pinned (" CV_DEFAULT_BPFFS ")\n"
	      "  --state DIR    where the applied state is kept (" CV_DEFAULT_STATE_DIR ")\n"
	      "  --cgroup DIR   where the socket hooks are attached (root of the cgroup2 mount)\n"
	      "  --wait SECONDS  how long to wait while another culvert changes something (30)\n\n"
	      "'culvert OBJECT help' lists an object's words\n",
	      out);
}
