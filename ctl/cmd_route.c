/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "route": prefixes that go into a tunnel, for everybody or for one app. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

static int parse_tunnel(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("tunnel", text, ((struct cv_route_conf *)conf)->tunnel, err);
}

static bool format_tunnel(const void *conf, FILE *out)
{
	fputs(((const struct cv_route_conf *)conf)->tunnel, out);
	return true;
}

static int parse_app(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("app", text, ((struct cv_route_conf *)conf)->app, err);
}

static bool format_app(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	fputs(route->app, out);
	return route->app[0];
}

static int parse_table(void *conf, const char *text, struct cv_err *err)
{
	struct cv_route_conf *route = conf;

	if (!strcmp(text, "main")) {
		route->table = CV_TABLE_MAIN;
		return 0;
	}
	return cv_arg_number("table", text, 1, UINT32_MAX, &route->table, err);
}

static bool format_table(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	if (route->table)
		fprintf(out, "%u", route->table);
	return route->table;
}

static int parse_metric(void *conf, const char *text, struct cv_err *err)
{
	struct cv_route_conf *route = conf;

	route->has_metric = true;
	return cv_arg_number("metric", text, 0, UINT32_MAX, &route->metric, err);
}

static bool format_metric(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	if (route->has_metric)
		fprintf(out, "%u", route->metric);
	return route->has_metric;
}

static int parse_src(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("src", text, &((struct cv_route_conf *)conf)->src, err);
}

static bool format_src(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	if (route->src.family)
		cv_put_addr(out, &route->src);
	return route->src.family;
}

static int parse_via(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("via", text, &((struct cv_route_conf *)conf)->via, err);
}

static bool format_via(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	if (route->via.family)
		cv_put_addr(out, &route->via);
	return route->via.family;
}

static int parse_dev(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ifname("dev", text, ((struct cv_route_conf *)conf)->dev, err);
}

static bool format_dev(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	fputs(route->dev, out);
	return route->dev[0];
}

static int parse_hook(void *conf, const char *text, struct cv_err *err)
{
	(void)conf;
	if (!strcmp(text, "xmit"))
		return 0;
	cv_err_input(err, "hook \"%s\": not supported", text);
	return cv_err_hint(err, "xmit carries local and forwarded packets");
}

static const struct cv_word words[] = {
	{ .name = "tunnel",
	  .value = "NAME",
	  .help = "where packets to the prefix go",
	  .parse = parse_tunnel,
	  .format = format_tunnel },
	{ .name = "app",
	  .value = "NAME",
	  .help = "only those of this app's sockets",
	  .parse = parse_app,
	  .format = format_app },
	{ .name = "table",
	  .value = "N|main",
	  .help = "routing table (main; an app has one of its own)",
	  .parse = parse_table,
	  .format = format_table },
	{ .name = "metric",
	  .value = "N",
	  .help = "of the route",
	  .parse = parse_metric,
	  .format = format_metric },
	{ .name = "src",
	  .value = "ADDR",
	  .help = "preferred inner source address",
	  .parse = parse_src,
	  .format = format_src },
	{ .name = "via",
	  .value = "ADDR",
	  .help = "gateway of the route (none: the outer packet is routed anew)",
	  .parse = parse_via,
	  .format = format_via },
	{ .name = "dev",
	  .value = "IFNAME",
	  .help = "device of the route (that of the route to the tunnel's remote)",
	  .parse = parse_dev,
	  .format = format_dev },
	{ .name = "hook",
	  .value = "xmit",
	  .help = "where packets are encapsulated (xmit)",
	  .parse = parse_hook },
};

static void init(void *conf)
{
	*(struct cv_route_conf *)conf = (struct cv_route_conf){ 0 };
}

static int set_key(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_prefix("route", text, &((struct cv_route_conf *)conf)->to, err);
}

static void put_key(const void *conf, FILE *out)
{
	char text[CV_PREFIX_TEXT];

	fputs(cv_prefix_format(&((const struct cv_route_conf *)conf)->to, text), out);
}

static void fini(void *conf)
{
	(void)conf;
}

static int add(struct cv_state *state, void *conf, struct cv_err *err)
{
	return cv_state_add_route(state, conf, err);
}

CV_NOUN_ACCESS(route, routes, route_count)

/* True if nothing that was said of the wanted route contradicts the one at hand. */
static bool could_be(const struct cv_route_conf *route, const struct cv_route_conf *wanted)
{
	return cv_addr_equal(&route->to.addr, &wanted->to.addr) &&
	       route->to.bits == wanted->to.bits &&
	       (!wanted->app[0] || !strcmp(route->app, wanted->app)) &&
	       (!wanted->tunnel[0] || !strcmp(route->tunnel, wanted->tunnel)) &&
	       (!wanted->table || route->table == wanted->table) &&
	       (!wanted->has_metric || route->metric == wanted->metric);
}

/* A route is named by prefix, app, table and metric; `del` may leave out what is not needed. */
static void *find(const struct cv_state *state, const void *conf, struct cv_err *err)
{
	const struct cv_route_conf *wanted = conf;
	struct cv_route_conf *found = cv_state_find_route(state, wanted);
	char to[CV_PREFIX_TEXT];

	if (found || wanted->tunnel[0])
		return found;
	for (size_t i = 0; i < state->route_count; i++) {
		if (!could_be(&state->routes[i], wanted))
			continue;
		if (found) {
			cv_err_set(err, -ENOTUNIQ, "route %s: there are several",
				   cv_prefix_format(&wanted->to, to));
			cv_err_hint(err, "add app NAME, table N or metric N");
			return NULL;
		}
		found = &state->routes[i];
	}
	return found;
}

static const char *prefix_text(const struct cv_prefix *prefix, char *buf)
{
	return prefix->bits ? cv_prefix_format(prefix, buf) : "default";
}

static void show_json(const struct cv_session *session, const struct cv_route_info *infos, size_t n)
{
	struct cv_json json;
	char to[CV_PREFIX_TEXT];

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < n; i++) {
		if (!cv_session_shows(session, prefix_text(&infos[i].to, to)))
			continue;
		cv_json_open_object(&json, NULL);
		cv_json_string(&json, "to", prefix_text(&infos[i].to, to));
		cv_json_number(&json, "family", infos[i].to.addr.family);
		cv_json_string(&json, "tunnel", infos[i].tunnel);
		cv_json_string(&json, "app", infos[i].app[0] ? infos[i].app : NULL);
		cv_json_number(&json, "table", infos[i].table);
		cv_json_number(&json, "metric", infos[i].metric);
		cv_json_string(&json, "dev", infos[i].dev);
		cv_json_number(&json, "mtu", infos[i].mtu_bytes);
		cv_json_string(&json, "hook", "xmit");
		cv_json_number(&json, "prog_id", infos[i].prog_id);
		cv_json_number(&json, "generation", infos[i].generation);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static int show_text(const struct cv_session *session, const struct cv_route_info *infos, size_t n)
{
	static const char *const headers[] = { "TO",  "TUNNEL", "APP",	"TABLE",     "DEV",
					       "MTU", "HOOK",	"PROG", "GENERATION" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, sizeof(headers) / sizeof(*headers));

	for (size_t i = 0; !rc && i < n; i++) {
		char to[CV_PREFIX_TEXT], number[16], mtu[16], prog[16], generation[16];
		const char *cells[] = { cv_prefix_format(&infos[i].to, to),
					infos[i].tunnel,
					infos[i].app[0] ? infos[i].app : NULL,
					infos[i].table == CV_TABLE_MAIN ? "main" : number,
					infos[i].dev,
					mtu,
					"xmit",
					prog,
					generation };

		if (!cv_session_shows(session, prefix_text(&infos[i].to, to)))
			continue;
		snprintf(number, sizeof(number), "%u", infos[i].table);
		snprintf(mtu, sizeof(mtu), "%u", infos[i].mtu_bytes);
		snprintf(prog, sizeof(prog), "%u", infos[i].prog_id);
		snprintf(generation, sizeof(generation), "%u", infos[i].generation);
		rc = cv_table_row(table, cells);
	}
	if (!rc)
		cv_table_print(table, session->out);
	return rc;
}

static int show(struct cv_session *session, struct cv_err *err)
{
	CV_FREE struct cv_route_info *infos = NULL;
	size_t n;
	int rc = cv_route_list(session->inst, &session->applied, &infos, &n, err);

	if (rc)
		return rc;
	if (!session->is_json)
		return show_text(session, infos, n);
	show_json(session, infos, n);
	return 0;
}

const struct cv_noun cv_noun_route = {
	.name = "route",
	.section = "routes",
	.key = "PREFIX",
	.list_key = "to",
	.help = "prefixes that go into a tunnel; \"default\" is all of IPv4 and IPv6",
	.has_replace = true,
	.groups = { { CV_WORDS_OF(words) } },
	.group_count = 1,
	.conf_size = sizeof(struct cv_route_conf),
	.place_offset = offsetof(struct cv_route_conf, place),
	.init = init,
	.set_key = set_key,
	.put_key = put_key,
	.fini = fini,
	.add = add,
	.find = find,
	.del = del,
	.count = count,
	.at = at,
	.show = show,
};
