/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "app": applications, told by what their processes are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

static int copy_text(const char *word, const char *text, char **out, struct cv_err *err)
{
	free(*out);
	*out = strdup(text);
	return *out ? 0 : cv_err_set(err, -ENOMEM, "%s: out of memory", word);
}

static int parse_exe(void *conf, const char *text, struct cv_err *err)
{
	if (text[0] != '/') {
		cv_err_input(err, "exe \"%s\": not an absolute path", text);
		return cv_err_hint(err, "as /usr/bin/curl");
	}
	return copy_text("exe", text, &((struct cv_app_conf *)conf)->exe, err);
}

static bool format_exe(const void *conf, FILE *out)
{
	const struct cv_app_conf *app = conf;

	if (app->exe)
		fputs(app->exe, out);
	return app->exe;
}

/* True if a component of the path is "..": it could lead out of the cgroup2 mount. */
static bool climbs(const char *path)
{
	size_t len = strlen(path);

	return !strcmp(path, "..") || !strncmp(path, "../", 3) || strstr(path, "/../") ||
	       (len >= 3 && !strcmp(path + len - 3, "/.."));
}

static int parse_cgroup(void *conf, const char *text, struct cv_err *err)
{
	if (!*text || climbs(text)) {
		cv_err_input(err, "cgroup \"%s\": not a path below the cgroup2 mount", text);
		return cv_err_hint(err, "as /system.slice/nginx.service");
	}
	return copy_text("cgroup", text, &((struct cv_app_conf *)conf)->cgroup, err);
}

static bool format_cgroup(const void *conf, FILE *out)
{
	const struct cv_app_conf *app = conf;

	if (app->cgroup)
		fputs(app->cgroup, out);
	return app->cgroup;
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
	  .value = "PATH",
	  .help = "its executable, an absolute path",
	  .parse = parse_exe,
	  .format = format_exe },
	{ .name = "cgroup",
	  .value = "PATH",
	  .help = "its cgroup or one above it, relative to the cgroup2 mount",
	  .parse = parse_cgroup,
	  .format = format_cgroup },
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
	  .help = "its process name; any process can choose it",
	  .parse = parse_comm,
	  .format = format_comm },
};
static const struct cv_group group = { CV_WORDS_OF(words) };

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
		json_text(&json, "exe", conf->exe);
		json_text(&json, "cgroup", conf->cgroup);
		json_range(&json, "uid", conf->has_uid, &conf->uid);
		json_range(&json, "gid", conf->has_gid, &conf->gid);
		json_text(&json, "comm", conf->comm);
		cv_json_number(&json, "mark", infos[i].mark);
		cv_json_number(&json, "sockets", infos[i].sockets);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static int show_text(const struct cv_session *session, const struct cv_app_info *infos, size_t n)
{
	static const char *const headers[] = { "APP", "ID", "MARK", "SOCKETS", "SELECTED BY" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, sizeof(headers) / sizeof(*headers));

	for (size_t i = 0; !rc && i < n; i++) {
		CV_FREE char *selectors = cv_group_text(&group, &session->applied.apps[i]);
		char id[16], mark[16], sockets[24];
		const char *cells[] = { infos[i].name, id, infos[i].mark ? mark : NULL, sockets,
					selectors };

		if (!cv_session_shows(session, infos[i].name))
			continue;
		snprintf(id, sizeof(id), "%u", infos[i].id);
		snprintf(mark, sizeof(mark), "0x%x", infos[i].mark);
		snprintf(sockets, sizeof(sockets), "%llu", (unsigned long long)infos[i].sockets);
		rc = cv_table_row(table, cells);
	}
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
	.note = "All words given must hold. Of several apps that fit a process the one with exe wins,\n"
		"then the deeper cgroup, then uid (the narrower range), gid, comm, then the first added.",
	.has_replace = true,
	.groups = { { CV_WORDS_OF(words) } },
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
