/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "app": applications, told by what their processes are. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "sources.h"
#include "words.h"

/* True if a component of the path is "..". */
static bool climbs(const char *path)
{
	size_t len = strlen(path);

	return !strcmp(path, "..") || !strncmp(path, "../", 3) || strstr(path, "/../") ||
	       (len >= 3 && !strcmp(path + len - 3, "/.."));
}

/* Executables are told by the path that the kernel has of them. */
static int check_path(const char *word, const char *text, struct cv_err *err)
{
	const char *fault = text[0] != '/'		    ? "not an absolute path"
			    : climbs(text)		    ? "has a component \"..\""
			    : text[strlen(text) - 1] == '/' ? "the path of a directory"
							    : NULL;

	if (!fault)
		return 0;
	cv_err_input(err, "%s \"%s\": %s", word, text, fault);
	return cv_err_hint(err, "as /usr/bin/curl");
}

/* Behind a class of a glob that begins at text, [a-z] or [!a-z]: a "]" that stands first is one of its
 * characters, and none of them is "/". NULL: it has no end. */
static const char *behind_class(const char *text)
{
	const char *first = text + 1 + (text[1] == '!');
	const char *end = *first ? strpbrk(first + 1, "]/") : NULL;

	return *first != '/' && end && *end == ']' ? end + 1 : NULL;
}

static int check_exe(const char *word, const char *text, struct cv_err *err)
{
	int rc = check_path(word, text, err);

	for (const char *at = strchr(text, '['); !rc && at; at = strchr(at, '[')) {
		at = behind_class(at);
		if (at)
			continue;
		cv_err_input(err, "%s \"%s\": a \"[\" of the glob is not closed", word, text);
		return cv_err_hint(err, "[[] stands for the character itself");
	}
	return rc;
}

static int check_parent_exe(const char *word, const char *text, struct cv_err *err)
{
	int rc = check_path(word, text, err);

	if (rc || !strpbrk(text, "*?["))
		return rc;
	cv_err_input(err, "%s \"%s\": a glob", word, text);
	return cv_err_hint(err, "it is the path of one executable; only exe can be a glob");
}

static int check_unit(const char *word, const char *text, struct cv_err *err)
{
	static const char allowed[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@";

	if (*text && strspn(text, allowed) == strlen(text))
		return 0;
	cv_err_input(err, "%s \"%s\": not the name of a systemd unit", word, text);
	return cv_err_hint(err, "as nginx.service or user.slice; a path is for cgroup");
}

/* A ".." could lead out of the cgroup2 mount. */
static int check_cgroup(const char *word, const char *text, struct cv_err *err)
{
	if (*text && !climbs(text))
		return 0;
	cv_err_input(err, "%s \"%s\": not a path below the cgroup2 mount", word, text);
	return cv_err_hint(err, "as /system.slice/nginx.service");
}

/* Not a relative path: a state file has no place that it could begin at. */
static int check_netns(const char *word, const char *text, struct cv_err *err)
{
	if (*text && !climbs(text) && strcmp(text, ".") != 0 &&
	    (text[0] == '/' || !strchr(text, '/')))
		return 0;
	cv_err_input(err, "%s \"%s\": not a network namespace", word, text);
	return cv_err_hint(err, "a name below /run/netns, a path as /proc/PID/ns/net, or any");
}

static int parse_sha256(void *conf, const char *text, struct cv_err *err)
{
	struct cv_app_conf *app = conf;

	if (strlen(text) != CV_SHA256_TEXT - 1 ||
	    strspn(text, "0123456789abcdefABCDEF") != CV_SHA256_TEXT - 1) {
		cv_err_input(err, "exe-sha256 \"%s\": not %d hexadecimal digits", text,
			     CV_SHA256_TEXT - 1);
		return cv_err_hint(err, "as sha256sum prints them");
	}
	for (size_t i = 0; i < CV_SHA256_TEXT; i++)
		app->exe_sha256[i] = tolower((unsigned char)text[i]);
	return 0;
}

static bool format_sha256(const void *conf, FILE *out)
{
	const struct cv_app_conf *app = conf;

	fputs(app->exe_sha256, out);
	return app->exe_sha256[0];
}

static int parse_uid(void *conf, const char *text, struct cv_err *err)
{
	struct cv_app_conf *app = conf;

	app->has_uid = true;
	return cv_arg_range("uid", text, UINT32_MAX - 1, &app->uid, err);
}

static bool format_uid(const void *conf, FILE *out)
{
	const struct cv_app_conf *app = conf;

	if (app->has_uid)
		cv_put_range(out, &app->uid);
	return app->has_uid;
}

static int parse_gid(void *conf, const char *text, struct cv_err *err)
{
	struct cv_app_conf *app = conf;

	app->has_gid = true;
	return cv_arg_range("gid", text, UINT32_MAX - 1, &app->gid, err);
}

static bool format_gid(const void *conf, FILE *out)
{
	const struct cv_app_conf *app = conf;

	if (app->has_gid)
		cv_put_range(out, &app->gid);
	return app->has_gid;
}

static int parse_comm(void *conf, const char *text, struct cv_err *err)
{
	struct cv_app_conf *app = conf;
	size_t len = strlen(text);

	if (!len || len > CV_COMM_MAX) {
		cv_err_input(err, "comm \"%s\": not a process name of 1 to %d characters", text,
			     CV_COMM_MAX);
		return cv_err_hint(err, "the kernel keeps no more: see /proc/PID/comm");
	}
	memcpy(app->comm, text, len + 1);
	return 0;
}

static bool format_comm(const void *conf, FILE *out)
{
	const struct cv_app_conf *app = conf;

	fputs(app->comm, out);
	return app->comm[0];
}

static const struct cv_word words[] = {
	{ .name = "exe",
	  .value = "PATH|GLOB",
	  .help = "its executable, an absolute path; * ? [ make it a glob, ** passes over /",
	  .kind = &cv_kind_text,
	  .offset = offsetof(struct cv_app_conf, exe),
	  .check = check_exe },
	{ .name = "exe-sha256",
	  .value = "HEX",
	  .help = "what that file contains, too",
	  .parse = parse_sha256,
	  .format = format_sha256 },
	{ .name = "parent-exe",
	  .value = "PATH",
	  .help = "started by this executable, at any depth",
	  .kind = &cv_kind_text,
	  .offset = offsetof(struct cv_app_conf, parent_exe),
	  .check = check_parent_exe },
	{ .name = "unit",
	  .value = "NAME",
	  .help = "its systemd unit or slice; without a suffix a service",
	  .kind = &cv_kind_text,
	  .offset = offsetof(struct cv_app_conf, unit),
	  .check = check_unit },
	{ .name = "cgroup",
	  .value = "PATH",
	  .help = "its cgroup or one above it, relative to the cgroup2 mount",
	  .kind = &cv_kind_text,
	  .offset = offsetof(struct cv_app_conf, cgroup),
	  .check = check_cgroup },
	{ .name = "uid",
	  .value = "N[-M]",
	  .help = "its user",
	  .parse = parse_uid,
	  .format = format_uid },
	{ .name = "gid",
	  .value = "N[-M]",
	  .help = "its group",
	  .parse = parse_gid,
	  .format = format_gid },
	{ .name = "comm",
	  .value = "NAME",
	  .is_name = true,
	  .help = "its process name; any process can choose it",
	  .parse = parse_comm,
	  .format = format_comm },
	{ .name = "netns",
	  .value = "NAME|PATH|any",
	  .help = "its sockets are in another network namespace, and seen at a veth of this one",
	  .kind = &cv_kind_text,
	  .offset = offsetof(struct cv_app_conf, netns),
	  .check = check_netns },
	{ .name = "gate",
	  .help = "its packets are held back while no route of it is live",
	  .kind = &cv_kind_flag,
	  .offset = offsetof(struct cv_app_conf, gate) },
};
/* All but the last say what its processes are. */
static const struct cv_group selectors = { .words = words,
					   .word_count = sizeof(words) / sizeof(*words) - 1 };

static void init(void *conf)
{
	*(struct cv_app_conf *)conf = (struct cv_app_conf){ 0 };
}

CV_NOUN_NAMED(app)
CV_NOUN_ACCESS(app, apps, app_count)

static bool find_user(const struct cv_state *state, const void *conf, char *buf, size_t size)
{
	const struct cv_app_conf *app = conf;
	char to[CV_PREFIX_TEXT];

	for (size_t i = 0; i < state->route_count; i++)
		if (!strcmp(state->routes[i].app, app->name)) {
			snprintf(buf, size, "route %s", cv_prefix_format(&state->routes[i].to, to));
			return true;
		}
	for (size_t i = 0; i < state->rule_count; i++)
		if (!strcmp(state->rules[i].match.app, app->name)) {
			snprintf(buf, size, "rule %s", state->rules[i].name);
			return true;
		}
	return false;
}

static void json_text(struct cv_json *json, const char *key, const char *text)
{
	cv_json_string(json, key, text && *text ? text : NULL);
}

/* A single id is a number, a range is text. */
static void json_range(struct cv_json *json, const char *key, bool is_set,
		       const struct cv_range *range)
{
	char text[32];

	if (!is_set) {
		cv_json_null(json, key);
	} else if (range->min == range->max) {
		cv_json_number(json, key, range->min);
	} else {
		snprintf(text, sizeof(text), "%u-%u", range->min, range->max);
		cv_json_string(json, key, text);
	}
}

static void json_selectors(struct cv_json *json, const struct cv_app_conf *conf)
{
	json_text(json, "exe", conf->exe);
	json_text(json, "exe_sha256", conf->exe_sha256);
	json_text(json, "parent_exe", conf->parent_exe);
	json_text(json, "unit", conf->unit);
	json_text(json, "cgroup", conf->cgroup);
	json_range(json, "uid", conf->has_uid, &conf->uid);
	json_range(json, "gid", conf->has_gid, &conf->gid);
	json_text(json, "comm", conf->comm);
	json_text(json, "netns", conf->netns);
}

static void show_json(const struct cv_session *session, const struct cv_app_info *infos, size_t n)
{
	struct cv_json json;

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct cv_app_conf *conf = &session->applied.apps[i];

		if (!cv_session_shows(session, infos[i].name))
			continue;
		cv_json_open_object(&json, NULL);
		cv_json_string(&json, "name", infos[i].name);
		cv_json_number(&json, "id", infos[i].id);
		json_selectors(&json, conf);
		cv_json_bool(&json, "gate", conf->gate);
		cv_json_bool(&json, "held", infos[i].is_held);
		cv_json_number(&json, "held_packets", infos[i].held_packets);
		cv_json_number(&json, "mark", infos[i].mark);
		cv_json_number(&json, "sockets", infos[i].sockets);
		cv_json_sources(&json, infos[i].sources);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static int add_row(struct cv_table *table, const struct cv_app_conf *conf,
		   const struct cv_app_info *info)
{
	CV_FREE char *sources = cv_sources_text(info->sources);
	CV_FREE char *selected = cv_group_text(&selectors, conf);
	char id[16], mark[16], sockets[24], held[24];
	const char *cells[] = { info->name, id,	     info->mark ? mark : NULL,
				sockets,    sources, info->is_held ? held : NULL,
				selected };

	if (!sources || !selected)
		return -ENOMEM;
	if (!*sources)
		cells[4] = NULL;
	snprintf(id, sizeof(id), "%u", info->id);
	snprintf(mark, sizeof(mark), "0x%x", info->mark);
	snprintf(sockets, sizeof(sockets), "%llu", (unsigned long long)info->sockets);
	snprintf(held, sizeof(held), "%llu", (unsigned long long)info->held_packets);
	return cv_table_row(table, cells);
}

static int show_text(const struct cv_session *session, const struct cv_app_info *infos, size_t n)
{
	static const char *const headers[] = { "APP",	   "ID",   "MARK",	 "SOCKETS",
					       "KNOWN BY", "HELD", "SELECTED BY" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, sizeof(headers) / sizeof(*headers));

	for (size_t i = 0; !rc && i < n; i++)
		if (cv_session_shows(session, infos[i].name))
			rc = add_row(table, &session->applied.apps[i], &infos[i]);
	if (!rc)
		cv_table_print(table, session->out);
	return rc;
}

static int show(struct cv_session *session, struct cv_err *err)
{
	CV_FREE struct cv_app_info *infos = NULL;
	size_t n;
	int rc = cv_app_list(session->inst, &session->applied, &infos, &n, err);

	if (rc)
		return rc;
	if (!session->is_json)
		return show_text(session, infos, n);
	show_json(session, infos, n);
	return 0;
}

const struct cv_noun cv_noun_app = {
	.name = "app",
	.section = "apps",
	.key = "NAME",
	.help = "applications, told by what their processes are",
	.note = "All words given must hold. Of several apps that fit a process the most specific one is its:\n"
		"exe (a path, then the glob with more literal text) before unit, cgroup (the deeper one),\n"
		"parent-exe, uid and gid (the narrower range), comm, netns. Two that are equally specific\n"
		"are refused if one process could be both.",
	.has_replace = true,
	.groups = { CV_GROUP(CV_WORDS_OF(words)) },
	.group_count = 1,
	.conf_size = sizeof(struct cv_app_conf),
	.place_offset = offsetof(struct cv_app_conf, place),
	.init = init,
	.set_key = set_key,
	.put_key = put_key,
	.fini = fini,
	.add = add,
	.find = find,
	.del = del,
	.find_user = find_user,
	.count = count,
	.at = at,
	.show = show,
};
