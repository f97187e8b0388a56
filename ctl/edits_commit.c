/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Edits made in text and kernel: of the text of the applied state small ones are put together, which have
 * the rules that change and what these name; the library compares them. See edits.h.
 */
#include "edits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "own.h"

/* ---- small states: what the edits are of, and nothing else ---- */

/* A commit at work. */
struct commit {
	const struct cv_edits *edits;
	char *lines[CV_EDITS_MAX]; /* owned, as are the states; NULL: the object goes */
	bool has_changes;
	struct cv_state touched; /* the rules that there are, with what they name missing */
	struct cv_state old;
	struct cv_state wanted;
	/* Of the rules that come or move, sorted by key. */
	struct place {
		uint64_t key; /* in which order rules are asked */
		uint64_t behind; /* key of the rule before it */
		struct cv_line line; /* of that one; begin NULL: not seen yet */
		size_t item;
		char names[2][CV_NAME_MAX + 1]; /* of both */
	} places[CV_EDITS_MAX];
	size_t place_count;
};

static void fini_commit(struct commit *commit)
{
	for (size_t i = 0; i < commit->edits->count; i++)
		free(commit->lines[i]);
	/* What files of sets have is the edits'. */
	for (size_t i = 0; i < commit->wanted.set_count; i++) {
		commit->wanted.sets[i].file_prefixes = (struct cv_prefixes){ 0 };
		commit->wanted.sets[i].file_ranges = (struct cv_ranges){ 0 };
	}
	cv_state_fini(&commit->touched);
	cv_state_fini(&commit->old);
	cv_state_fini(&commit->wanted);
}

static char *line_of(const struct cv_edits_item *item)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	if (item->words.begin)
		return strndup(item->words.begin, item->words.end - item->words.begin);
	stream = open_memstream(&text, &size);
	if (!stream)
		return NULL;
	cv_config_line(item->noun, item->conf, stream);
	return cv_finish_file(&stream) ? NULL : CV_TAKE_PTR(text);
}

static void put_line(FILE *out, struct cv_line line)
{
	fwrite(line.begin, 1, line.end - line.begin, out);
}

/* The line of an object that a rule names, by its key in that section. */
static bool put_named(const struct commit *commit, FILE *out, const struct cv_noun *noun,
		      const void *conf)
{
	char key[CV_EDITS_KEY_SIZE] = "";
	struct cv_line line;

	if (!cv_edits_key(noun, conf, key))
		return false;
	line = cv_line_find(cv_lines_of(&commit->edits->lines, noun), key);
	if (line.begin)
		put_line(out, line);
	return true;
}

/* Names, each once. */
struct wanted_names {
	const char *names[CV_EDITS_MAX * (CV_FIELD_COUNT + 2)];
	size_t count;
};

static void want(struct wanted_names *wanted, const char *name)
{
	if (!name || !*name)
		return;
	for (size_t i = 0; i < wanted->count; i++)
		if (!strcmp(wanted->names[i], name))
			return;
	wanted->names[wanted->count++] = name;
}

/* Calls fn for each rule that the edits touch, as it is and as it is to be. */
static void each_rule(const struct commit *commit,
		      void (*fn)(struct wanted_names *wanted, const struct cv_rule_conf *rule),
		      struct wanted_names *wanted)
{
	for (size_t i = 0; i < commit->touched.rule_count; i++)
		fn(wanted, &commit->touched.rules[i]);
	for (size_t i = 0; i < commit->edits->count; i++)
		if (commit->edits->items[i].noun == &cv_noun_rule && commit->edits->items[i].conf)
			fn(wanted, commit->edits->items[i].conf);
}

static void want_app(struct wanted_names *wanted, const struct cv_rule_conf *rule)
{
	want(wanted, rule->match.app);
}

static void want_tunnel(struct wanted_names *wanted, const struct cv_rule_conf *rule)
{
	want(wanted, rule->match.tunnel);
}

static void want_sets(struct wanted_names *wanted, const struct cv_rule_conf *rule)
{
	for (int field = 0; field < CV_FIELD_COUNT; field++)
		want(wanted, cv_match_conf_set(&rule->match, field));
}

static bool asks_any_app(const struct commit *commit)
{
	const struct cv_edits *edits = commit->edits;
	bool is_asked = false;

	for (size_t i = 0; i < commit->touched.rule_count; i++)
		is_asked |= commit->touched.rules[i].match.has_app &&
			    commit->touched.rules[i].match.app_match == CV_APP_MATCH_ANY;
	for (size_t i = 0; i < edits->count; i++) {
		const struct cv_rule_conf *rule = edits->items[i].conf;

		is_asked |= edits->items[i].noun == &cv_noun_rule && rule && rule->match.has_app &&
			    rule->match.app_match == CV_APP_MATCH_ANY;
	}
	return is_asked;
}

static void put_section(const struct commit *commit, FILE *out, const struct cv_noun *noun)
{
	struct cv_line section = cv_lines_of(&commit->edits->lines, noun);

	fprintf(out, "%s:\n", noun->section);
	if (section.begin)
		put_line(out, section);
}

static bool put_apps(const struct commit *commit, FILE *out)
{
	struct wanted_names wanted = { .count = 0 };
	bool is_good = true;

	if (asks_any_app(commit)) {
		put_section(commit, out, &cv_noun_app);
		return true;
	}
	each_rule(commit, want_app, &wanted);
	fprintf(out, "%s:\n", cv_noun_app.section);
	for (size_t i = 0; is_good && i < wanted.count; i++) {
		struct cv_app_conf app = { 0 };

		snprintf(app.name, sizeof(app.name), "%s", wanted.names[i]);
		is_good = put_named(commit, out, &cv_noun_app, &app);
	}
	return is_good;
}

static bool put_tunnels(const struct commit *commit, FILE *out)
{
	struct wanted_names wanted = { .count = 0 };
	bool is_good = true;

	each_rule(commit, want_tunnel, &wanted);
	fprintf(out, "%s:\n", cv_noun_tunnel.section);
	for (size_t i = 0; is_good && i < wanted.count; i++) {
		struct cv_tunnel_conf tunnel = { 0 };

		snprintf(tunnel.name, sizeof(tunnel.name), "%s", wanted.names[i]);
		is_good = put_named(commit, out, &cv_noun_tunnel, &tunnel);
	}
	return is_good;
}

/* Of a set that is asked the type will do: there may be a million elements behind it. */
static bool put_set(const struct commit *commit, FILE *out, const char *name)
{
	struct cv_set_conf set = { 0 };
	char key[CV_EDITS_KEY_SIZE] = "";
	struct cv_line line;
	size_t len;

	snprintf(set.name, sizeof(set.name), "%s", name);
	if (!cv_edits_key(&cv_noun_set, &set, key))
		return false;
	line = cv_line_find(cv_lines_of(&commit->edits->lines, &cv_noun_set), key);
	if (!line.begin)
		return true;
	len = cv_line_type_len(line);
	fwrite(line.begin, 1, len, out);
	fputs("}\n", out);
	return len;
}

/* Sets that rules ask, and those that are to hold something else where that is wanted. */
static bool put_sets(const struct commit *commit, FILE *out, bool is_wanted)
{
	struct wanted_names wanted = { .count = 0 };
	const struct cv_edits *edits = commit->edits;
	bool is_good = true;

	each_rule(commit, want_sets, &wanted);
	fprintf(out, "%s:\n", cv_noun_set.section);
	for (size_t i = 0; is_good && i < wanted.count; i++) {
		struct cv_set_conf set = { 0 };
		char key[CV_EDITS_KEY_SIZE] = "";

		snprintf(set.name, sizeof(set.name), "%s", wanted.names[i]);
		is_good = cv_edits_key(&cv_noun_set, &set, key);
		if (is_good && !cv_edits_item(edits, &cv_noun_set, key))
			is_good = put_set(commit, out, wanted.names[i]);
	}
	for (size_t i = 0; is_wanted && i < edits->count; i++)
		if (edits->items[i].noun == &cv_noun_set)
			fputs(commit->lines[i], out);
	return is_good;
}

static void put_old_rules(const struct commit *commit, FILE *out)
{
	fprintf(out, "%s:\n", cv_noun_rule.section);
	for (size_t i = 0; i < commit->edits->count; i++)
		if (commit->edits->items[i].noun == &cv_noun_rule &&
		    commit->edits->items[i].line.begin)
			put_line(out, commit->edits->items[i].line);
}

static void put_wanted_rules(const struct commit *commit, FILE *out)
{
	fprintf(out, "%s:\n", cv_noun_rule.section);
	for (size_t i = 0; i < commit->edits->count; i++)
		if (commit->edits->items[i].noun == &cv_noun_rule && commit->lines[i])
			fputs(commit->lines[i], out);
}

static bool put_state(const struct commit *commit, FILE *out, bool is_wanted)
{
	const struct cv_lines *lines = &commit->edits->lines;

	if (lines->options.begin)
		put_line(out, lines->options);
	put_section(commit, out, &cv_noun_dev);
	if (!put_apps(commit, out) || !put_tunnels(commit, out) ||
	    !put_sets(commit, out, is_wanted))
		return false;
	if (is_wanted)
		put_wanted_rules(commit, out);
	else
		put_old_rules(commit, out);
	return true;
}

/* Reads a text that was put together. What is wrong with it is for the whole state to tell. */
static int read_text(struct cv_state *out, char *text, size_t len, bool is_checked,
		     struct cv_err *err)
{
	CV_CLEANUP(cv_report_free) struct cv_report *silent = NULL;
	int rc;

	if (cv_report_new(&silent, NULL, false))
		return cv_err_set(err, -ENOMEM, "state: out of memory");
	rc = is_checked ? cv_config_parse(out, NULL, text, len, silent)
			: cv_config_parse_unchecked(out, text, len, silent);
	return rc ? -ESTALE : 0;
}

/* The rules that are touched, as they are. */
static int read_touched(struct commit *commit, struct cv_err *err)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	if (!stream)
		return cv_err_set(err, -ENOMEM, "state: out of memory");
	put_old_rules(commit, stream);
	if (cv_finish_file(&stream))
		return cv_err_set(err, -ENOMEM, "state: out of memory");
	return read_text(&commit->touched, text, size, false, err);
}

static int read_state(struct commit *commit, bool is_wanted, struct cv_err *err)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;
	bool is_good;

	stream = open_memstream(&text, &size);
	if (!stream)
		return cv_err_set(err, -ENOMEM, "state: out of memory");
	is_good = put_state(commit, stream, is_wanted);
	if (cv_finish_file(&stream))
		return cv_err_set(err, -ENOMEM, "state: out of memory");
	return is_good ? read_text(is_wanted ? &commit->wanted : &commit->old, text, size, true,
				   err)
		       : -ESTALE;
}

/* What the files of sets have was read with the words. */
static void lend_files(struct commit *commit)
{
	for (size_t i = 0; i < commit->edits->count; i++) {
		const struct cv_edits_item *item = &commit->edits->items[i];
		const struct cv_set_conf *conf = item->conf;
		struct cv_set_conf *set = item->noun == &cv_noun_set
						  ? cv_state_find_set(&commit->wanted, conf->name)
						  : NULL;

		if (!set)
			continue;
		set->is_file_read = conf->is_file_read;
		set->file_prefixes = conf->file_prefixes;
		set->file_ranges = conf->file_ranges;
	}
}

/* ---- places ---- */

static uint64_t key_of(uint32_t prio, uint32_t index)
{
	return (uint64_t)prio << 32 | index;
}

#define CV_FIRST_NEW (1u << 31) /* index of the first rule behind those that there are */

static int compare_places(const void *a, const void *b)
{
	uint64_t left = ((const struct place *)a)->key, right = ((const struct place *)b)->key;

	return (left > right) - (left < right);
}

/* Whether the rule comes, or changes its place; prio is that of its line. */
static bool moves(const struct cv_edits_item *item, uint32_t prio)
{
	return item->is_last || prio != cv_rule_conf_prio(item->conf);
}

/* The item of a rule's line, edits->count if it has none. */
static size_t item_of(const struct cv_edits *edits, struct cv_line line)
{
	size_t i = 0;

	while (i < edits->count && edits->items[i].line.begin != line.begin)
		i++;
	return i;
}

static void add_place(struct commit *commit, size_t item, uint32_t index)
{
	struct place *place = &commit->places[commit->place_count++];
	const struct cv_rule_conf *conf = commit->edits->items[item].conf;

	*place = (struct place){ .key = key_of(cv_rule_conf_prio(conf), index), .item = item };
	snprintf(place->names[0], sizeof(place->names[0]), "%s", conf->name);
}

/* Rules that stay in their lines and move, and those that come. */
static bool find_places(struct commit *commit)
{
	const struct cv_edits *edits = commit->edits;
	struct cv_line section = cv_lines_of(&edits->lines, &cv_noun_rule), line;
	uint32_t index = 0;

	for (size_t i = 0; i < edits->count; i++)
		if (edits->items[i].is_last && edits->items[i].noun == &cv_noun_rule)
			add_place(commit, i, CV_FIRST_NEW + i);
	for (line = cv_line_first(section); line.begin; line = cv_line_next(section, line)) {
		size_t item = item_of(edits, line);
		uint32_t prio;

		if (item < edits->count && edits->items[item].conf && !edits->items[item].is_last) {
			if (!cv_line_prio(line, &prio))
				return false;
			if (moves(&edits->items[item], prio))
				add_place(commit, item, index);
		}
		index++;
	}
	qsort(commit->places, commit->place_count, sizeof(*commit->places), compare_places);
	return true;
}

/* The rule of a line stays where it is: notes it for the place behind it, if it is the nearest. */
static void offer(struct commit *commit, struct cv_line line, uint64_t key)
{
	for (size_t i = 0; i < commit->place_count; i++) {
		struct place *place = &commit->places[i];

		if (key > place->key)
			continue;
		if (!place->line.begin || key > place->behind) {
			place->line = line;
			place->behind = key;
		}
		return;
	}
}

/* Looks through all rules for those before the places. */
static bool find_neighbours(struct commit *commit)
{
	const struct cv_edits *edits = commit->edits;
	struct cv_line section = cv_lines_of(&edits->lines, &cv_noun_rule), line;
	uint32_t index = 0;

	for (line = cv_line_first(section); line.begin; line = cv_line_next(section, line)) {
		size_t item = item_of(edits, line);
		bool is_here = item == edits->count || edits->items[item].conf;
		uint32_t prio;

		if (!cv_line_prio(line, &prio))
			return false;
		if (item < edits->count && is_here)
			is_here = !moves(&edits->items[item], prio);
		if (is_here)
			offer(commit, line, key_of(prio, index));
		index++;
	}
	return true;
}

/* *behind: of each place. */
static bool name_places(struct commit *commit, struct cv_rule_place *out)
{
	for (size_t i = 0; i < commit->place_count; i++) {
		struct place *place = &commit->places[i];

		out[i] = (struct cv_rule_place){ .rule = place->names[0] };
		if (place->line.begin) {
			if (!cv_line_name(place->line, place->names[1]))
				return false;
			out[i].behind = place->names[1];
		} else if (i) {
			out[i].behind = commit->places[i - 1].names[0];
		}
	}
	return true;
}

/* ---- the new text ---- */

#define CV_PIECES_MAX (3 * CV_EDITS_MAX + 2)

struct pieces {
	struct cv_piece items[CV_PIECES_MAX];
	size_t count;
};

static void add_piece(struct pieces *pieces, const char *bytes, size_t len)
{
	if (len)
		pieces->items[pieces->count++] = (struct cv_piece){ bytes, len };
}

static int compare_lines(const void *a, const void *b)
{
	const struct cv_edits_item *left = *(const struct cv_edits_item *const *)a;
	const struct cv_edits_item *right = *(const struct cv_edits_item *const *)b;

	return (left->line.begin > right->line.begin) - (left->line.begin < right->line.begin);
}

/* The text with other lines in it; new rules stand at its end. */
static void make_pieces(const struct commit *commit, struct pieces *pieces)
{
	const struct cv_edits *edits = commit->edits;
	const struct cv_edits_item *sorted[CV_EDITS_MAX];
	const char *at = edits->text;

	for (size_t i = 0; i < edits->count; i++)
		sorted[i] = &edits->items[i];
	qsort(sorted, edits->count, sizeof(*sorted), compare_lines);
	for (size_t i = 0; i < edits->count; i++) {
		const char *line = commit->lines[sorted[i] - edits->items];

		if (!sorted[i]->line.begin)
			continue;
		add_piece(pieces, at, sorted[i]->line.begin - at);
		if (line && !sorted[i]->is_last)
			add_piece(pieces, line, strlen(line));
		at = sorted[i]->line.end;
	}
	add_piece(pieces, at, strlen(at));
	for (size_t i = 0; i < edits->count; i++)
		if (edits->items[i].is_last)
			add_piece(pieces, commit->lines[i], strlen(commit->lines[i]));
}

/* ---- all of it ---- */

/* Rules ask a set for what its type has. */
static bool keeps_type(struct cv_line old, struct cv_line wanted)
{
	size_t len = cv_line_type_len(old);

	return old.begin && wanted.begin && len == cv_line_type_len(wanted) &&
	       !memcmp(old.begin, wanted.begin, len);
}

/* Whether the item changes anything: a file may have other elements than before. */
static bool is_change(const struct cv_edits_item *item, struct cv_line wanted)
{
	const struct cv_set_conf *set = item->noun == &cv_noun_set ? item->conf : NULL;

	return item->is_last || !wanted.begin || (set && set->file) ||
	       !cv_line_same(item->line, wanted);
}

static int make_lines(struct commit *commit, struct cv_err *err)
{
	const struct cv_edits *edits = commit->edits;

	for (size_t i = 0; i < edits->count; i++) {
		const struct cv_edits_item *item = &edits->items[i];
		struct cv_line wanted = { 0 };

		if (item->conf)
			commit->lines[i] = line_of(item);
		if (item->conf && !commit->lines[i])
			return cv_err_set(err, -ENOMEM, "state: out of memory");
		if (commit->lines[i])
			wanted = (struct cv_line){ commit->lines[i],
						   commit->lines[i] + strlen(commit->lines[i]) };
		if (item->noun == &cv_noun_set && !keeps_type(item->line, wanted))
			return -ESTALE;
		commit->has_changes |= is_change(item, wanted);
	}
	return 0;
}

static int prepare(struct commit *commit, struct cv_err *err)
{
	int rc = make_lines(commit, err);

	if (!rc)
		rc = read_touched(commit, err);
	if (!rc)
		rc = read_state(commit, false, err);
	if (!rc)
		rc = read_state(commit, true, err);
	if (!rc)
		lend_files(commit);
	return rc;
}

int cv_edits_commit(const struct cv_edits *edits, struct cv_instance *inst, const char *what,
		    const struct cv_origin *origin, struct cv_err *err)
{
	CV_CLEANUP(fini_commit) struct commit commit = { .edits = edits };
	struct cv_rule_place places[CV_EDITS_MAX];
	struct pieces pieces = { .count = 0 };
	struct cv_edit edit = {
		.old = &commit.old,
		.wanted = &commit.wanted,
		.places = places,
		.what = what,
		.origin = origin,
		.text = pieces.items,
	};
	struct cv_line rules = cv_lines_of(&edits->lines, &cv_noun_rule);
	int rc;

	cv_state_init(&commit.touched);
	cv_state_init(&commit.old);
	cv_state_init(&commit.wanted);
	if (!rules.begin || rules.begin == rules.end)
		return -ESTALE;
	rc = prepare(&commit, err);
	if (rc || !commit.has_changes)
		return rc;
	if (!find_places(&commit) || (commit.place_count && !find_neighbours(&commit)) ||
	    !name_places(&commit, places))
		return -ESTALE;
	make_pieces(&commit, &pieces);
	edit.place_count = commit.place_count;
	edit.piece_count = pieces.count;
	return cv_instance_edit(inst, &edit, err);
}
