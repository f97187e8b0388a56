/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "set": values that rules ask for by a name. Elements are elements.c's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "elements.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define CV_SHOWN 4 /* elements in a row of the table */

/* ---- words ---- */

/* Elements that stood before the type are read as soon as it is known. */
static int parse_type(void *conf, const char *text, struct cv_err *err)
{
	struct cv_set_conf *set = conf;
	size_t index;
	int rc = cv_arg_choice("type", text, cv_set_type_names, CV_SET_TYPE_COUNT, &index, err);

	if (rc)
		return rc;
	set->has_type = true;
	set->type = index;
	return set->unread ? cv_elements_parse("elements", set->unread, set, err) : 0;
}

static bool format_type(const void *conf, FILE *out)
{
	const struct cv_set_conf *set = conf;

	if (set->has_type)
		fputs(cv_set_type_names[set->type], out);
	return set->has_type;
}

static int parse_elements(void *conf, const char *text, struct cv_err *err)
{
	struct cv_set_conf *set = conf;

	if (set->has_type)
		return cv_elements_parse("elements", text, set, err);
	set->unread = strdup(text);
	return set->unread ? 0 : cv_err_set(err, -ENOMEM, "elements: out of memory");
}

static bool format_elements(const void *conf, FILE *out)
{
	const struct cv_set_conf *set = conf;

	cv_elements_put(out, set, SIZE_MAX);
	return cv_elements_count(set);
}

static int check_file(const char *word, const char *text, struct cv_err *err)
{
	if (*text == '/')
		return 0;
	cv_err_input(err, "%s \"%s\": not an absolute path", word, text);
	return cv_err_hint(err, "as /etc/culvert/blocked");
}

static const struct cv_word words[] = {
	{ .name = "type",
	  .is_required = true,
	  .value = "prefix|port|proto|dscp|mark|len|vlan",
	  .help = "what it has elements of",
	  .parse = parse_type,
	  .format = format_type },
	{ .name = "elements",
	  .value = "A[-B][,...]",
	  .help = "values, ranges of them, or prefixes",
	  .is_list = true,
	  .may_be_empty = true,
	  .parse = parse_elements,
	  .format = format_elements },
	{ .name = "file",
	  .value = "PATH",
	  .help = "has more elements, one or a list with commas a line",
	  .kind = &cv_kind_text,
	  .offset = offsetof(struct cv_set_conf, file),
	  .check = check_file },
};

static void init(void *conf)
{
	*(struct cv_set_conf *)conf = (struct cv_set_conf){ 0 };
}

static int load(void *conf, struct cv_report *report)
{
	return cv_elements_read(conf, report);
}

CV_NOUN_NAMED(set)
CV_NOUN_ACCESS(set, sets, set_count)

static bool asks(const struct cv_rule_conf *rule, const char *name)
{
	for (int field = 0; field < CV_FIELD_COUNT; field++) {
		const char *asked = cv_match_conf_set(&rule->match, field);

		if (asked && !strcmp(asked, name))
			return true;
	}
	return false;
}

static bool find_user(const struct cv_state *state, const void *conf, char *buf, size_t size)
{
	const struct cv_set_conf *set = conf;

	for (size_t i = 0; i < state->rule_count; i++)
		if (asks(&state->rules[i], set->name)) {
			snprintf(buf, size, "rule %s", state->rules[i].name);
			return true;
		}
	return false;
}

/* ---- show ---- */

static void json_set(struct cv_json *json, const struct cv_set_conf *set,
		     const struct cv_set_info *info)
{
	cv_json_open_object(json, NULL);
	cv_json_string(json, "name", set->name);
	cv_json_string(json, "type", cv_set_type_names[set->type]);
	cv_json_open_array(json, "elements");
	for (size_t i = 0; i < cv_elements_count(set); i++)
		cv_element_json(json, set, i);
	cv_json_close(json);
	cv_json_string(json, "file", set->file);
	cv_json_number(json, "ranges", info->ranges);
	cv_json_close(json);
}

static void show_json(const struct cv_session *session, const struct cv_set_info *infos)
{
	const struct cv_state *state = &session->applied;
	struct cv_json json;

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < state->set_count; i++)
		if (cv_session_shows(session, state->sets[i].name))
			json_set(&json, &state->sets[i], &infos[i]);
	cv_json_close(&json);
	cv_json_end(&json);
}

/* The first elements and how many more there are. Caller frees; NULL without memory. */
static char *elements_text(const struct cv_set_conf *set)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0, count = cv_elements_count(set);

	stream = open_memstream(&text, &size);
	if (!stream)
		return NULL;
	cv_elements_put(stream, set, CV_SHOWN);
	if (count > CV_SHOWN)
		fprintf(stream, " and %zu more", count - CV_SHOWN);
	return cv_finish_file(&stream) ? NULL : CV_TAKE_PTR(text);
}

static int add_row(struct cv_table *table, const struct cv_set_conf *set,
		   const struct cv_set_info *info)
{
	CV_FREE char *elements = elements_text(set);
	char ranges[24];
	const char *cells[] = { set->name, cv_set_type_names[set->type],
				elements && *elements ? elements : NULL, set->file, ranges };

	snprintf(ranges, sizeof(ranges), "%llu", (unsigned long long)info->ranges);
	return cv_table_row(table, cells);
}

static int show_text(const struct cv_session *session, const struct cv_set_info *infos)
{
	static const char *const headers[] = { "SET", "TYPE", "ELEMENTS", "FILE", "RANGES" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	const struct cv_state *state = &session->applied;
	int rc = cv_table_new(&table, headers, CV_COUNT(headers));

	for (size_t i = 0; !rc && i < state->set_count; i++)
		if (cv_session_shows(session, state->sets[i].name))
			rc = add_row(table, &state->sets[i], &infos[i]);
	if (!rc) {
		cv_table_align_right(table, CV_COUNT(headers) - 1);
		cv_table_print(table, session->out);
	}
	return rc;
}

static int show(struct cv_session *session, struct cv_err *err)
{
	CV_FREE struct cv_set_info *infos = NULL;
	size_t n;
	int rc = cv_set_list(session->inst, &session->applied, &infos, &n, err);

	if (rc)
		return rc;
	if (session->is_json) {
		show_json(session, infos);
		return 0;
	}
	rc = show_text(session, infos);
	return rc ? cv_err_set(err, rc, "sets: out of memory") : 0;
}

const struct cv_noun cv_noun_set = {
	.name = "set",
	.section = "sets",
	.key = "NAME",
	.help = "values that rules ask for as @NAME; they change without the rules",
	.note = "prefix is for src and dst, the other types are for the fields of their names, port for\n"
		"sport and dport. Elements may overlap and repeat themselves. A file is read when the\n"
		"set is added or replaced, and by apply and repair; # begins a comment in it.",
	.has_replace = true,
	.groups = { CV_GROUP(CV_WORDS_OF(words)) },
	.group_count = 1,
	.conf_size = sizeof(struct cv_set_conf),
	.place_offset = offsetof(struct cv_set_conf, place),
	.init = init,
	.set_key = set_key,
	.put_key = put_key,
	.fini = fini,
	.load = load,
	.add = add,
	.find = find,
	.del = del,
	.find_user = find_user,
	.count = count,
	.at = at,
	.show = show,
};
