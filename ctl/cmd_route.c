/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "route": prefixes that go into a tunnel, for everybody or for one app, or whose packets
 * meet a guard. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static int parse_tunnel(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("tunnel", text, ((struct cv_route_conf *)conf)->tunnel, err);
}

static bool format_tunnel(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	fputs(route->tunnel, out);
	return route->tunnel[0];
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

/* In the order in which they are written: what encapsulates first. */
static const struct {
	const char *name;
	uint8_t hook;
} hook_names[] = { { "xmit", CV_HOOK_XMIT }, { "in", CV_HOOK_IN }, { "out", CV_HOOK_OUT } };

static const char *choice_of_hook(size_t index)
{
	return index < CV_COUNT(hook_names) ? hook_names[index].name : NULL;
}

static int add_hook(struct cv_route_conf *route, const char *name, const char *text,
		    struct cv_err *err)
{
	for (size_t i = 0; i < CV_COUNT(hook_names); i++) {
		if (strcmp(name, hook_names[i].name))
			continue;
		if (route->hooks & hook_names[i].hook)
			return cv_err_input(err, "hook \"%s\": %s stands there twice", text, name);
		route->hooks |= hook_names[i].hook;
		return 0;
	}
	cv_err_input(err, "hook \"%s\": not known", text);
	return cv_err_hint(err, "xmit, in, out, or two of them with a comma");
}

static int parse_hook(void *conf, const char *text, struct cv_err *err)
{
	struct cv_route_conf *route = conf;
	CV_FREE char *copy = strdup(text);
	char *rest = copy, *name;
	int rc = copy ? 0 : cv_err_set(err, -ENOMEM, "hook: out of memory");

	route->hooks = 0;
	while (!rc && (name = strsep(&rest, ",")))
		rc = add_hook(route, name, text, err);
	return rc;
}

/* xmit alone is what a tunnel has anyway. */
static bool format_hook(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;
	const char *comma = "";

	if (!route->hooks || route->hooks == CV_HOOK_XMIT)
		return false;
	for (size_t i = 0; i < CV_COUNT(hook_names); i++)
		if (route->hooks & hook_names[i].hook) {
			fprintf(out, "%s%s", comma, hook_names[i].name);
			comma = ",";
		}
	return true;
}

static int parse_type(void *conf, const char *text, struct cv_err *err)
{
	static const char *const types[] = { "unicast", "local" };
	size_t index = 0;
	int rc = cv_arg_choice("type", text, types, CV_COUNT(types), &index, err);

	((struct cv_route_conf *)conf)->is_local = index;
	return rc;
}

static bool format_type(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	if (route->is_local)
		fputs("local", out);
	return route->is_local;
}

static int parse_from(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_prefixes("from", text, &((struct cv_route_conf *)conf)->from, err);
}

static bool format_from(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	cv_put_prefixes(out, &route->from);
	return route->from.count;
}

static int parse_from_tunnel(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("from-tunnel", text, ((struct cv_route_conf *)conf)->from_tunnel, err);
}

static bool format_from_tunnel(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	fputs(route->from_tunnel, out);
	return route->from_tunnel[0];
}

static int parse_from_mark(void *conf, const char *text, struct cv_err *err)
{
	struct cv_route_conf *route = conf;
	bool has_mask;

	route->has_from_mark = true;
	return cv_arg_mark("from-mark", text, &route->from_mark, &route->from_mark_mask, &has_mask,
			   err);
}

static bool format_from_mark(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	if (route->has_from_mark)
		cv_put_mark(out, route->from_mark, route->from_mark_mask != UINT32_MAX,
			    route->from_mark_mask);
	return route->has_from_mark;
}

static int parse_policy(void *conf, const char *text, struct cv_err *err)
{
	static const char *const policies[] = { "accept", "drop" };
	struct cv_route_conf *route = conf;
	size_t index = 0;
	int rc = cv_arg_choice("policy", text, policies, CV_COUNT(policies), &index, err);

	route->has_policy = true;
	route->is_drop = index;
	return rc;
}

static bool format_policy(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	if (route->has_policy)
		fputs(route->is_drop ? "drop" : "accept", out);
	return route->has_policy;
}

static int parse_nhid(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("nhid", text, 1, UINT32_MAX, &((struct cv_route_conf *)conf)->nhid,
			     err);
}

static bool format_nhid(const void *conf, FILE *out)
{
	const struct cv_route_conf *route = conf;

	if (route->nhid)
		fprintf(out, "%u", route->nhid);
	return route->nhid;
}

/* ---- nexthops ---- */

static void *open_nexthop(void *conf)
{
	struct cv_route_conf *route = conf;
	struct cv_nexthop_conf *grown =
		reallocarray(route->nexthops, route->nexthop_count + 1, sizeof(*route->nexthops));

	if (!grown)
		return NULL;
	route->nexthops = grown;
	grown[route->nexthop_count] = (struct cv_nexthop_conf){ .weight = 0 };
	return &grown[route->nexthop_count++];
}

static size_t nexthop_count(const void *conf)
{
	return ((const struct cv_route_conf *)conf)->nexthop_count;
}

static const void *nexthop_at(const void *conf, size_t index)
{
	return &((const struct cv_route_conf *)conf)->nexthops[index];
}

static int parse_hop_tunnel(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("tunnel", text, ((struct cv_nexthop_conf *)conf)->tunnel, err);
}

static bool format_hop_tunnel(const void *conf, FILE *out)
{
	const struct cv_nexthop_conf *hop = conf;

	fputs(hop->tunnel, out);
	return hop->tunnel[0];
}

static int parse_weight(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("weight", text, 1, CV_HOP_WEIGHT_MAX,
			     &((struct cv_nexthop_conf *)conf)->weight, err);
}

static bool format_weight(const void *conf, FILE *out)
{
	const struct cv_nexthop_conf *hop = conf;

	if (hop->weight)
		fprintf(out, "%u", hop->weight);
	return hop->weight;
}

static int parse_hop_via(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_addr("via", text, &((struct cv_nexthop_conf *)conf)->via, err);
}

static bool format_hop_via(const void *conf, FILE *out)
{
	const struct cv_nexthop_conf *hop = conf;

	if (hop->via.family)
		cv_put_addr(out, &hop->via);
	return hop->via.family;
}

static int parse_hop_dev(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ifname("dev", text, ((struct cv_nexthop_conf *)conf)->dev, err);
}

static bool format_hop_dev(const void *conf, FILE *out)
{
	const struct cv_nexthop_conf *hop = conf;

	fputs(hop->dev, out);
	return hop->dev[0];
}

static const struct cv_word nexthop_words[] = {
	{ .name = "tunnel",
	  .is_required = true,
	  .value = "NAME",
	  .help = "where flows of this share go",
	  .is_name = true,
	  .parse = parse_hop_tunnel,
	  .format = format_hop_tunnel },
	{ .name = "weight",
	  .value = "N",
	  .help = "share of the flows (1), 1 to 256",
	  .parse = parse_weight,
	  .format = format_weight },
	{ .name = "via",
	  .value = "ADDR",
	  .help = "gateway",
	  .parse = parse_hop_via,
	  .format = format_hop_via },
	{ .name = "dev",
	  .value = "IFNAME",
	  .is_name = true,
	  .help = "device (that of the route to the tunnel's remote)",
	  .parse = parse_hop_dev,
	  .format = format_hop_dev },
};

static const struct cv_word words[] = {
	{ .name = "tunnel",
	  .value = "NAME",
	  .is_name = true,
	  .help = "where packets to the prefix go",
	  .parse = parse_tunnel,
	  .format = format_tunnel },
	{ .name = "app",
	  .value = "NAME",
	  .is_name = true,
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
	  .is_name = true,
	  .help = "device of the route (that of the route to the tunnel's remote)",
	  .parse = parse_dev,
	  .format = format_dev },
	{ .name = "hook",
	  .value = "HOOK[,HOOK]",
	  .help = "xmit: encapsulate (default); in: what is received; out: guard and meter",
	  .choice = choice_of_hook,
	  .is_list = true,
	  .parse = parse_hook,
	  .format = format_hook },
	{ .name = "type",
	  .value = "unicast|local",
	  .help = "the prefix is delivered to this host; with hook in",
	  .parse = parse_type,
	  .format = format_type },
	{ .name = "from",
	  .value = "PREFIX[,PREFIX...]",
	  .help = "guard: packets with such a source",
	  .is_list = true,
	  .parse = parse_from,
	  .format = format_from },
	{ .name = "from-tunnel",
	  .value = "NAME",
	  .help = "guard: packets that were taken out of this tunnel",
	  .is_name = true,
	  .parse = parse_from_tunnel,
	  .format = format_from_tunnel },
	{ .name = "from-mark",
	  .value = "V[/M]",
	  .help = "guard: packets with this mark",
	  .parse = parse_from_mark,
	  .format = format_from_mark },
	{ .name = "policy",
	  .value = "accept|drop",
	  .help = "guard: what happens if all conditions hold (accept); else the contrary",
	  .parse = parse_policy,
	  .format = format_policy },
	{ .name = "nhid",
	  .value = "ID",
	  .help = "nexthop object or group that 'ip nexthop' made",
	  .parse = parse_nhid,
	  .format = format_nhid },
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
	cv_route_conf_fini(conf);
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

/* True if words stand there that are for adding only. */
static bool is_whole(const struct cv_route_conf *route)
{
	return route->tunnel[0] || route->nexthop_count || route->nhid || route->hooks;
}

/* A route is named by prefix, app, table and metric; `del` may leave out what is not needed. */
static void *find(const struct cv_state *state, const void *conf, struct cv_err *err)
{
	const struct cv_route_conf *wanted = conf;
	struct cv_route_conf *found = cv_state_find_route(state, wanted);
	char to[CV_PREFIX_TEXT];

	if (found || is_whole(wanted))
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

/* ---- show ---- */

/* One route and its ways. */
struct shown {
	const struct cv_route_info *info;
	const struct cv_route_hop *hops;
};

static struct shown shown_at(const struct cv_routes *routes, size_t index)
{
	const struct cv_route_info *info = &routes->items[index];

	return (struct shown){ .info = info, .hops = &routes->hops[info->first_hop] };
}

/* The one way of a route that has no nexthops, or NULL. */
static const struct cv_route_hop *only_hop(const struct shown *shown)
{
	return shown->info->hop_count == 1 && !shown->hops->id ? shown->hops : NULL;
}

static const struct cv_route_program *program_of(const struct cv_route_hop *hop, uint8_t hook)
{
	return hook == CV_HOOK_IN ? &hop->in : hook == CV_HOOK_OUT ? &hop->out : &hop->xmit;
}

/* What speaks for the others: what encapsulates, if anything does. */
static const struct cv_route_program *main_program(const struct cv_route_hop *hop)
{
	for (size_t i = 0; i < CV_COUNT(hook_names); i++)
		if (program_of(hop, hook_names[i].hook)->name[0])
			return program_of(hop, hook_names[i].hook);
	return &hop->xmit;
}

/* "xmit,out"; all ways of a route have the same hooks if it is ours. */
static const char *hook_text(const struct shown *shown, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (size_t i = 0; shown->info->hop_count && i < CV_COUNT(hook_names); i++)
		if (program_of(shown->hops, hook_names[i].hook)->name[0])
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? "," : "",
						hook_names[i].name);
	return buf;
}

static void json_number_or_null(struct cv_json *json, const char *key, bool is_known,
				uint64_t value)
{
	if (is_known)
		cv_json_number(json, key, value);
	else
		cv_json_null(json, key);
}

/* prog_id, tag and generation; hop NULL: there are several. */
static void json_program(struct cv_json *json, const struct cv_route_program *program)
{
	json_number_or_null(json, "prog_id", program && program->prog_id,
			    program ? program->prog_id : 0);
	cv_json_string(json, "tag", program && program->tag[0] ? program->tag : NULL);
	json_number_or_null(json, "generation", program && program->has_generation,
			    program ? program->generation : 0);
}

static void json_programs(struct cv_json *json, const struct cv_route_hop *hop)
{
	cv_json_open_array(json, "programs");
	for (size_t i = 0; hop && i < CV_COUNT(hook_names); i++) {
		const struct cv_route_program *program = program_of(hop, hook_names[i].hook);

		if (!program->name[0])
			continue;
		cv_json_open_object(json, NULL);
		cv_json_string(json, "hook", hook_names[i].name);
		cv_json_string(json, "name", program->name);
		json_program(json, program);
		cv_json_close(json);
	}
	cv_json_close(json);
}

static void json_nexthops(struct cv_json *json, const struct shown *shown)
{
	char via[CV_PREFIX_TEXT];

	cv_json_open_array(json, "nexthops");
	for (size_t i = 0; !only_hop(shown) && i < shown->info->hop_count; i++) {
		const struct cv_route_hop *hop = &shown->hops[i];

		cv_json_open_object(json, NULL);
		json_number_or_null(json, "id", hop->id, hop->id);
		cv_json_string(json, "tunnel", hop->tunnel[0] ? hop->tunnel : NULL);
		json_number_or_null(json, "weight", hop->weight, hop->weight);
		cv_json_string(json, "dev", hop->dev[0] ? hop->dev : NULL);
		cv_json_string(json, "via",
			       hop->via.family ? cv_addr_format(&hop->via, via) : NULL);
		json_program(json, main_program(hop));
		json_programs(json, hop);
		cv_json_close(json);
	}
	cv_json_close(json);
}

static void json_meter(struct cv_json *json, const struct cv_route_info *info)
{
	const struct cv_meter_info *meter = &info->meter;

	json_number_or_null(json, "packets", info->has_meter, meter->packets);
	json_number_or_null(json, "bytes", info->has_meter, meter->bytes);
	json_number_or_null(json, "dropped", info->has_meter, meter->dropped);
	cv_json_open_array(json, "lengths");
	for (size_t i = 0; info->has_meter && i < CV_LENGTHS; i++) {
		const struct cv_length_info *length = &meter->lengths[i];

		cv_json_open_object(json, NULL);
		cv_json_number(json, "min", length->min);
		json_number_or_null(json, "max", length->max != UINT32_MAX, length->max);
		cv_json_number(json, "packets", length->packets);
		cv_json_close(json);
	}
	cv_json_close(json);
}

static void json_route(struct cv_json *json, const struct shown *shown)
{
	const struct cv_route_info *info = shown->info;
	const struct cv_route_hop *hop = only_hop(shown);
	char to[CV_PREFIX_TEXT], hooks[16];

	cv_json_open_object(json, NULL);
	cv_json_string(json, "to", prefix_text(&info->to, to));
	cv_json_number(json, "family", info->to.addr.family);
	cv_json_string(json, "type", info->is_local ? "local" : "unicast");
	cv_json_string(json, "tunnel", hop && hop->tunnel[0] ? hop->tunnel : NULL);
	cv_json_string(json, "app", info->app[0] ? info->app : NULL);
	cv_json_number(json, "table", info->table);
	cv_json_number(json, "metric", info->metric);
	cv_json_string(json, "dev", hop && hop->dev[0] ? hop->dev : NULL);
	cv_json_number(json, "mtu", info->mtu_bytes);
	cv_json_number(json, "protocol", info->protocol);
	cv_json_bool(json, "foreign", info->is_foreign);
	cv_json_string(json, "hook", hook_text(shown, hooks, sizeof(hooks)));
	json_program(json, hop ? main_program(hop) : NULL);
	json_programs(json, hop);
	json_number_or_null(json, "nhid", info->nhid, info->nhid);
	json_nexthops(json, shown);
	json_meter(json, info);
	cv_json_close(json);
}

static bool is_shown(const struct cv_session *session, const struct cv_route_info *info)
{
	char to[CV_PREFIX_TEXT];

	return cv_session_shows(session, prefix_text(&info->to, to));
}

static void show_json(const struct cv_session *session, const struct cv_routes *routes)
{
	struct cv_json json;

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < routes->count; i++) {
		struct shown shown = shown_at(routes, i);

		if (is_shown(session, shown.info))
			json_route(&json, &shown);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

/* The tunnels of all ways, "a,b"; NULL: none is known. Caller frees. */
static char *tunnels_text(const struct shown *shown)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;
	const char *comma = "";

	stream = open_memstream(&text, &size);
	for (size_t i = 0; stream && i < shown->info->hop_count; i++)
		if (shown->hops[i].tunnel[0]) {
			fprintf(stream, "%s%s", comma, shown->hops[i].tunnel);
			comma = ",";
		}
	if (!stream || cv_finish_file(&stream) || !*text)
		return NULL;
	return CV_TAKE_PTR(text);
}

static int add_row(struct cv_table *table, const struct shown *shown)
{
	const struct cv_route_info *info = shown->info;
	const struct cv_route_hop *hop = only_hop(shown);
	const struct cv_route_program *program = hop ? main_program(hop) : NULL;
	CV_FREE char *tunnels = tunnels_text(shown);
	char to[CV_PREFIX_TEXT], number[16], mtu[16], hooks[16], prog[16], generation[16];
	const char *cells[] = { cv_prefix_format(&info->to, to),
				tunnels,
				info->app[0] ? info->app : NULL,
				info->table == CV_TABLE_MAIN ? "main" : number,
				hop && hop->dev[0] ? hop->dev : NULL,
				info->mtu_bytes ? mtu : NULL,
				hook_text(shown, hooks, sizeof(hooks)),
				program && program->prog_id ? prog : NULL,
				program && program->has_generation ? generation : NULL,
				info->is_foreign ? "foreign" : "culvert" };

	snprintf(number, sizeof(number), "%u", info->table);
	snprintf(mtu, sizeof(mtu), "%u", info->mtu_bytes);
	snprintf(prog, sizeof(prog), "%u", program ? program->prog_id : 0);
	snprintf(generation, sizeof(generation), "%u", program ? program->generation : 0);
	return cv_table_row(table, cells);
}

static int show_text(const struct cv_session *session, const struct cv_routes *routes)
{
	static const char *const headers[] = { "TO",  "TUNNEL", "APP",	"TABLE",      "DEV",
					       "MTU", "HOOK",	"PROG", "GENERATION", "BY" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, CV_COUNT(headers));

	for (size_t i = 0; !rc && i < routes->count; i++) {
		struct shown shown = shown_at(routes, i);

		if (is_shown(session, shown.info))
			rc = add_row(table, &shown);
	}
	if (!rc)
		cv_table_print(table, session->out);
	return rc;
}

static void show_lengths(FILE *out, const struct cv_meter_info *meter)
{
	for (size_t i = 0; i < CV_LENGTHS; i++) {
		const struct cv_length_info *length = &meter->lengths[i];
		char max[16] = "";

		if (!length->packets)
			continue;
		if (length->max != UINT32_MAX)
			snprintf(max, sizeof(max), "%u", length->max);
		fprintf(out, "  %u-%s bytes: %llu\n", length->min, max,
			(unsigned long long)length->packets);
	}
}

static void show_details(const struct cv_session *session, const struct shown *shown)
{
	const struct cv_meter_info *meter = &shown->info->meter;
	char to[CV_PREFIX_TEXT];

	prefix_text(&shown->info->to, to);
	for (size_t i = 0; !only_hop(shown) && i < shown->info->hop_count; i++) {
		const struct cv_route_hop *hop = &shown->hops[i];

		fprintf(session->out, "%s: nexthop %u: %s%s%s, weight %u\n", to, hop->id,
			hop->tunnel[0] ? "tunnel " : "program ",
			hop->tunnel[0] ? hop->tunnel : main_program(hop)->name,
			hop->dev[0] ? "" : ", no device", hop->weight ? hop->weight : 1);
	}
	if (!shown->info->has_meter)
		return;
	fprintf(session->out, "%s: %llu packets, %llu bytes; %llu dropped\n", to,
		(unsigned long long)meter->packets, (unsigned long long)meter->bytes,
		(unsigned long long)meter->dropped);
	show_lengths(session->out, meter);
}

static int show(struct cv_session *session, struct cv_err *err)
{
	CV_CLEANUP(cv_routes_fini) struct cv_routes routes = { 0 };
	int rc = cv_route_list(session->inst, &session->applied, &routes, err);

	if (rc)
		return rc;
	if (session->is_json) {
		show_json(session, &routes);
		return 0;
	}
	rc = show_text(session, &routes);
	for (size_t i = 0; !rc && session->has_stats && i < routes.count; i++) {
		struct shown shown = shown_at(&routes, i);

		if (is_shown(session, shown.info))
			show_details(session, &shown);
	}
	return rc;
}

const struct cv_noun cv_noun_route = {
	.name = "route",
	.section = "routes",
	.key = "PREFIX",
	.list_key = "to",
	.help = "prefixes that go into a tunnel; \"default\" is all of IPv4 and IPv6",
	.note = "Without a tunnel, hook in and hook out are for a guard: an ordinary route (via, dev, "
		"or type local)\nwhose packets are counted, and dropped unless from, from-tunnel and "
		"from-mark, as far as given,\nhold. 'culvert -s route' shows what was counted.",
	.has_replace = true,
	.groups = { CV_GROUP(CV_WORDS_OF(words)),
		    CV_GROUP(.name = "nexthop", CV_WORDS_OF(nexthop_words), .list = "nexthops",
			     .open = open_nexthop, .item_count = nexthop_count,
			     .item = nexthop_at) },
	.group_count = 2,
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
