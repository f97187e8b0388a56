/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of check.c: one good state, and a table of single changes to it with the whole of what
 * is reported then. Beside each change that is a fault stands the nearest one that is none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi.h"
#include "culvert.h"
#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- states ---- */

static struct cv_addr addr_of(const char *text)
{
	struct cv_addr addr = { .family = strchr(text, ':') ? 6 : 4 };

	assert_int_equal(inet_pton(addr.family == 4 ? AF_INET : AF_INET6, text, addr.bytes), 1);
	return addr;
}

static struct cv_prefix prefix_of(const char *text, uint8_t bits)
{
	return (struct cv_prefix){ .addr = addr_of(text), .bits = bits };
}

/* Lines tell objects apart in what is reported. */
static struct cv_place line(int number)
{
	return (struct cv_place){ .file = "f", .line = number, .column = 1 };
}

static void add_prefix(struct cv_prefixes *list, const char *text, uint8_t bits)
{
	list->items = reallocarray(list->items, list->count + 1, sizeof(*list->items));
	assert_non_null(list->items);
	list->items[list->count++] = prefix_of(text, bits);
}

static void add_range(struct cv_ranges *list, uint32_t min, uint32_t max)
{
	list->items = reallocarray(list->items, list->count + 1, sizeof(*list->items));
	assert_non_null(list->items);
	list->items[list->count++] = (struct cv_range){ min, max };
}

static void add_dev(struct cv_state *state, const char *name, int at)
{
	struct cv_dev_conf conf = { .ingress = true, .egress = true, .place = line(at) };

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_dev(state, &conf, NULL), 0);
}

static void add_app(struct cv_state *state, const char *name, int at)
{
	struct cv_app_conf conf = { .place = line(at) };

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_true(asprintf(&conf.exe, "/usr/bin/%s", name) > 0);
	assert_int_equal(cv_state_add_app(state, &conf, NULL), 0);
}

static void add_tunnel(struct cv_state *state, const char *name, const char *local,
		       const char *remote, int at)
{
	struct cv_tunnel_conf conf = {
		.mode = CV_TUNNEL_MODE_GRE,
		.local = addr_of(local),
		.remotes.items = calloc(1, sizeof(*conf.remotes.items)),
		.remotes.count = 1,
		.place = line(at),
	};

	conf.remotes.items[0] = addr_of(remote);
	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_tunnel(state, &conf, NULL), 0);
}

static void add_route(struct cv_state *state, struct cv_prefix to, const char *tunnel,
		      const char *app, int at)
{
	struct cv_route_conf conf = { .to = to, .place = line(at) };

	snprintf(conf.tunnel, sizeof(conf.tunnel), "%s", tunnel);
	snprintf(conf.app, sizeof(conf.app), "%s", app);
	assert_int_equal(cv_state_add_route(state, &conf, NULL), 0);
}

static void add_rule(struct cv_state *state, const char *name, int at)
{
	struct cv_rule_conf conf = { .place = line(at) };

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_rule(state, &conf, NULL), 0);
}

/* What every change begins from. */
static void make_good_state(struct cv_state *state)
{
	struct cv_prefix everything = { 0 };

	cv_state_init(state);
	add_dev(state, "eth0", 10);
	add_dev(state, "eth1", 11);
	add_app(state, "web", 20);
	add_app(state, "db", 21);
	add_tunnel(state, "blue", "192.0.2.1", "192.0.2.7", 30);
	add_tunnel(state, "red", "2001:db8::1", "2001:db8::7", 31);
	add_route(state, prefix_of("10.9.0.0", 16), "blue", "", 40);
	add_route(state, everything, "red", "web", 41);
	add_rule(state, "first", 50);
	add_rule(state, "second", 51);
}

/* ---- what is reported ---- */

/* FILE:LINE:COL: TEXT; HINT of each fault, a line each. */
static void print_fault(const struct cv_err *err, void *arg)
{
	FILE *stream = arg;

	assert_int_equal(err->kind, CV_ERR_INPUT);
	assert_int_equal(err->code, -EINVAL);
	if (err->place.line)
		fprintf(stream, "%s:%d:%d: ", err->place.file, err->place.line, err->place.column);
	fprintf(stream, "%s%s%s\n", err->text, err->hint[0] ? "; " : "", err->hint);
}

static void assert_faults(const char *name, const struct cv_state *state, const char *expected)
{
	CV_FREE char *printed = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;
	int lines = 0, count;

	stream = open_memstream(&printed, &size);
	assert_non_null(stream);
	count = cv_state_check(state, print_fault, stream);
	assert_int_equal(cv_finish_file(&stream), 0);
	if (strcmp(printed, expected) != 0)
		print_error("case \"%s\"\n", name);
	assert_string_equal(printed, expected);
	for (const char *p = printed; *p; p++)
		lines += *p == '\n';
	assert_int_equal(count, lines);
}

struct fault_case {
	const char *name;
	void (*change)(struct cv_state *state);
	const char *expected; /* "": no fault */
};

static void run_cases(const struct fault_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cv_state state;

		make_good_state(&state);
		cases[i].change(&state);
		assert_faults(cases[i].name, &state, cases[i].expected);
		cv_state_fini(&state);
	}
}

/* ---- mark mask ---- */

static void mark_masks_are_runs_of_two_or_more_bits(void **unused)
{
	static const struct {
		uint32_t mask;
		bool is_good;
	} cases[] = {
		{ 0x7f000000, true },  { 0x3, true },	      { 0xc0000000, true },
		{ 0xffffffff, true },  { 0x00ff0000, true },  { 0xfffffffe, true },
		{ 0, false },	       { 0x1, false },	      { 0x80000000, false },
		{ 0x5, false },	       { 0x7f00000f, false }, { 0x80000001, false },
		{ 0xf0f00000, false },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_state state;
		char expected[128] = "";

		cv_state_init(&state);
		state.mark_mask = cases[i].mask;
		if (!cases[i].is_good)
			snprintf(expected, sizeof(expected),
				 "mark-mask 0x%x: not a run of two or more neighbouring bits; "
				 "for instance 0x7f000000\n",
				 cases[i].mask);
		assert_faults("mark mask", &state, expected);
		cv_state_fini(&state);
	}
}

/* ---- devs ---- */

static void dev_on_one_side(struct cv_state *state)
{
	state->devs[0].egress = false;
	state->devs[1].ingress = false;
}

static void dev_on_no_side(struct cv_state *state)
{
	state->devs[1].ingress = state->devs[1].egress = false;
}

static void dev_twice(struct cv_state *state)
{
	add_dev(state, "eth0", 12);
}

static void dev_of_another_name(struct cv_state *state)
{
	add_dev(state, "eth00", 12);
}

static void dev_on_tcx(struct cv_state *state)
{
	state->devs[0].tcx = true;
	state->devs[0].place_on_tcx = CV_TCX_FIRST;
}

static void place_without_tcx(struct cv_state *state)
{
	state->devs[0].place_on_tcx = CV_TCX_AFTER;
}

static void prio_on_tcx(struct cv_state *state)
{
	state->devs[0].tcx = true;
	state->devs[0].prio = 7;
}

static void handle_on_tcx(struct cv_state *state)
{
	state->devs[1].tcx = true;
	state->devs[1].handle = 7;
}

static void many_devs(struct cv_state *state, size_t count)
{
	char name[CV_IFNAME_MAX + 1];

	while (state->dev_count < count) {
		snprintf(name, sizeof(name), "veth%zu", state->dev_count);
		add_dev(state, name, 100 + (int)state->dev_count);
	}
}

static void as_many_devs_as_there_may_be(struct cv_state *state)
{
	many_devs(state, CV_MAX_DEVS);
}

static void one_dev_too_many(struct cv_state *state)
{
	many_devs(state, CV_MAX_DEVS + 1);
}

static void faults_of_devs(void **unused)
{
	static const struct fault_case cases[] = {
		{ "a dev on one side", dev_on_one_side, "" },
		{ "a dev on no side", dev_on_no_side,
		  "f:11:1: dev eth1: neither ingress nor egress; give ingress, egress or both\n" },
		{ "a dev twice", dev_twice, "f:12:1: dev eth0: given twice, first at f:10:1\n" },
		{ "a dev of another name", dev_of_another_name, "" },
		{ "a dev on tcx", dev_on_tcx, "" },
		{ "a place without tcx", place_without_tcx,
		  "f:10:1: dev eth0: first, last, before and after are places on tcx; add tcx, or give prio N\n" },
		{ "a prio on tcx", prio_on_tcx,
		  "f:10:1: dev eth0: on tcx there is no prio and no handle; give first, last, before or after\n" },
		{ "a handle on tcx", handle_on_tcx,
		  "f:11:1: dev eth1: on tcx there is no prio and no handle; give first, last, before or after\n" },
		{ "1024 devs", as_many_devs_as_there_may_be, "" },
		{ "1025 devs", one_dev_too_many,
		  "f:1124:1: 1025 devs: more than the 1024 that one instance holds\n" },
	};

	(void)unused;
	run_cases(cases, CV_COUNT(cases));
}

/* ---- apps ---- */

static void without_exe(struct cv_app_conf *app)
{
	free(app->exe);
	app->exe = NULL;
}

static void app_without_selector(struct cv_state *state)
{
	without_exe(&state->apps[1]);
}

static void app_by_cgroup(struct cv_state *state)
{
	without_exe(&state->apps[1]);
	state->apps[1].cgroup = strdup("/a");
}

static void app_by_user_root(struct cv_state *state)
{
	without_exe(&state->apps[1]);
	state->apps[1].has_uid = true;
}

static void app_by_group_root(struct cv_state *state)
{
	without_exe(&state->apps[1]);
	state->apps[1].has_gid = true;
}

static void app_by_comm(struct cv_state *state)
{
	without_exe(&state->apps[1]);
	strcpy(state->apps[1].comm, "db");
}

static void app_twice(struct cv_state *state)
{
	add_app(state, "web", 22);
}

static void app_with_a_tunnels_name(struct cv_state *state)
{
	add_app(state, "blue", 22);
}

static void many_apps(struct cv_state *state, size_t count)
{
	char name[CV_NAME_MAX + 1];

	while (state->app_count < count) {
		snprintf(name, sizeof(name), "a%zu", state->app_count);
		add_app(state, name, 100 + (int)state->app_count);
	}
}

static void as_many_apps_as_there_may_be(struct cv_state *state)
{
	many_apps(state, CV_MAX_APPS);
}

static void one_app_too_many(struct cv_state *state)
{
	many_apps(state, CV_MAX_APPS + 1);
}

static void faults_of_apps(void **unused)
{
	static const struct fault_case cases[] = {
		{ "an app without selector", app_without_selector,
		  "f:21:1: app db: no selector, it would be every program; give exe, parent-exe, unit, cgroup, uid, gid, comm or netns\n" },
		{ "an app by cgroup", app_by_cgroup, "" },
		{ "an app by uid 0", app_by_user_root, "" },
		{ "an app by gid 0", app_by_group_root, "" },
		{ "an app by comm", app_by_comm, "" },
		{ "an app twice", app_twice, "f:22:1: app web: given twice, first at f:20:1\n" },
		{ "an app with a tunnel's name", app_with_a_tunnels_name, "" },
		{ "as many apps as there may be", as_many_apps_as_there_may_be, "" },
		{ "one app too many", one_app_too_many,
		  "f:1124:1: 1025 apps: more than the 1024 that one instance holds\n" },
	};

	(void)unused;
	run_cases(cases, CV_COUNT(cases));
}

/* ---- tunnels ---- */

static void tunnel_twice(struct cv_state *state)
{
	add_tunnel(state, "blue", "192.0.2.1", "192.0.2.8", 32);
}

static void tunnel_without_mode(struct cv_state *state)
{
	state->tunnels[0].mode = CV_TUNNEL_MODE_NONE;
}

static void tunnel_ipip(struct cv_state *state)
{
	state->tunnels[0].mode = CV_TUNNEL_MODE_IPIP;
}

static void tunnel_ipip_with_key(struct cv_state *state)
{
	tunnel_ipip(state);
	state->tunnels[0].has_key = true;
}

static void tunnel_gre_with_key(struct cv_state *state)
{
	state->tunnels[0].has_key = true;
}

static void tunnel_mtu_67(struct cv_state *state)
{
	state->tunnels[0].mtu_bytes = 67;
}

static void tunnel_mtu_68(struct cv_state *state)
{
	state->tunnels[0].mtu_bytes = 68;
}

static void tunnel_without_local(struct cv_state *state)
{
	state->tunnels[0].local = (struct cv_addr){ 0 };
}

static void tunnel_without_remote(struct cv_state *state)
{
	state->tunnels[1].remotes.count = 0;
}

static void tunnel_without_addresses(struct cv_state *state)
{
	tunnel_without_local(state);
	state->tunnels[0].remotes.count = 0;
}

static void tunnel_of_two_families(struct cv_state *state)
{
	state->tunnels[0].remotes.items[0] = addr_of("2001:db8::9");
}

static void tunnel_to_itself(struct cv_state *state)
{
	state->tunnels[1].remotes.items[0] = state->tunnels[1].local;
}

static void tunnel_to_a_group(struct cv_state *state)
{
	state->tunnels[1].local = addr_of("2001:db8::9");
	state->tunnels[1].remotes.items[0] = addr_of("ff02::1");
}

static void tunnel_from_anywhere(struct cv_state *state)
{
	state->tunnels[1].local = addr_of("::");
	state->tunnels[1].remotes.items[0] = addr_of("2001:db8::9");
}

static void add_twin(struct cv_state *state)
{
	add_tunnel(state, "twin", "192.0.2.1", "192.0.2.7", 32);
}

static void twin_tunnel_with_a_key(struct cv_state *state)
{
	add_twin(state);
	state->tunnels[2].has_key = true;
}

static void twin_tunnels_with_one_key(struct cv_state *state)
{
	twin_tunnel_with_a_key(state);
	tunnel_gre_with_key(state);
}

static void twin_tunnels_with_two_keys(struct cv_state *state)
{
	twin_tunnels_with_one_key(state);
	state->tunnels[2].key = 1;
}

static void twin_tunnel_of_another_mode(struct cv_state *state)
{
	add_twin(state);
	state->tunnels[2].mode = CV_TUNNEL_MODE_IPIP;
}

static void twin_tunnel_with_another_local(struct cv_state *state)
{
	add_tunnel(state, "twin", "192.0.2.2", "192.0.2.7", 32);
}

static void twin_tunnel_with_another_remote(struct cv_state *state)
{
	add_tunnel(state, "twin", "192.0.2.1", "192.0.2.8", 32);
}

static void many_tunnels(struct cv_state *state, size_t count)
{
	char name[CV_NAME_MAX + 1], remote[CV_PREFIX_TEXT];

	while (state->tunnel_count < count) {
		size_t n = state->tunnel_count;

		snprintf(name, sizeof(name), "t%zu", n);
		snprintf(remote, sizeof(remote), "198.51.%zu.%zu", n / 256, n % 256);
		add_tunnel(state, name, "192.0.2.1", remote, 100 + (int)n);
	}
}

static void as_many_tunnels_as_there_may_be(struct cv_state *state)
{
	many_tunnels(state, CV_MAX_TUNNELS - 1);
}

static void one_tunnel_too_many(struct cv_state *state)
{
	many_tunnels(state, CV_MAX_TUNNELS);
}

static void faults_of_tunnels(void **unused)
{
	static const struct fault_case cases[] = {
		{ "a tunnel twice", tunnel_twice,
		  "f:32:1: tunnel blue: given twice, first at f:30:1\n" },
		{ "no mode", tunnel_without_mode,
		  "f:30:1: tunnel blue: no mode; give mode ipip, gre, gue, fou, vxlan, geneve or srv6\n" },
		{ "ipip", tunnel_ipip, "" },
		{ "ipip with a key", tunnel_ipip_with_key,
		  "f:30:1: tunnel blue: ipip has no key; leave key out, or use mode gre\n" },
		{ "gre with a key", tunnel_gre_with_key, "" },
		{ "mtu 67", tunnel_mtu_67,
		  "f:30:1: tunnel blue: mtu 67 is too small; IPv6 inside needs 1280, IPv4 68\n" },
		{ "mtu 68", tunnel_mtu_68, "" },
		{ "no local", tunnel_without_local,
		  "f:30:1: tunnel blue: no local address; give local ADDR\n" },
		{ "no remote", tunnel_without_remote,
		  "f:31:1: tunnel red: no remote address; give remote ADDR\n" },
		{ "no addresses", tunnel_without_addresses,
		  "f:30:1: tunnel blue: no local address; give local ADDR\n"
		  "f:30:1: tunnel blue: no remote address; give remote ADDR\n" },
		{ "two families", tunnel_of_two_families,
		  "f:30:1: tunnel blue: local is IPv4, remote is IPv6; local and remote are both IPv4 or both IPv6\n" },
		{ "a tunnel to itself", tunnel_to_itself,
		  "f:31:1: tunnel red: remote is the same address as local\n" },
		{ "a tunnel to a group", tunnel_to_a_group,
		  "f:31:1: tunnel red: remote ff02::1 is no host's address; a remote is one host\n" },
		{ "a tunnel from anywhere", tunnel_from_anywhere,
		  "f:31:1: tunnel red: local :: is no host's address; give an address of this host\n" },
		{ "the same endpoints", add_twin,
		  "f:32:1: tunnel twin: same mode, local, remote and key as tunnel blue; give one of them a key of its own\n" },
		{ "the same endpoints, one with key 0", twin_tunnel_with_a_key, "" },
		{ "the same endpoints and key", twin_tunnels_with_one_key,
		  "f:32:1: tunnel twin: same mode, local, remote and key as tunnel blue; give one of them a key of its own\n" },
		{ "the same endpoints, two keys", twin_tunnels_with_two_keys, "" },
		{ "the same endpoints, two modes", twin_tunnel_of_another_mode, "" },
		{ "another local", twin_tunnel_with_another_local, "" },
		{ "another remote", twin_tunnel_with_another_remote, "" },
		{ "1023 tunnels", as_many_tunnels_as_there_may_be, "" },
		{ "1024 tunnels", one_tunnel_too_many,
		  "f:1123:1: 1024 tunnels: more than the 1023 that one instance holds\n" },
	};

	(void)unused;
	run_cases(cases, CV_COUNT(cases));
}

/* ---- routes ---- */

static void route_without_tunnel(struct cv_state *state)
{
	state->routes[0].tunnel[0] = '\0';
}

static void route_to_no_tunnel(struct cv_state *state)
{
	strcpy(state->routes[0].tunnel, "blu");
}

static void route_to_the_other_tunnel(struct cv_state *state)
{
	strcpy(state->routes[0].tunnel, "red");
}

static void route_of_no_app(struct cv_state *state)
{
	strcpy(state->routes[1].app, "blue");
}

static void route_of_the_other_app(struct cv_state *state)
{
	strcpy(state->routes[1].app, "db");
}

static void route_of_an_app_in_a_table(struct cv_state *state)
{
	state->routes[1].table = 7;
}

static void route_in_a_table(struct cv_state *state)
{
	state->routes[0].table = 7;
}

static void route_twice(struct cv_state *state)
{
	add_route(state, prefix_of("10.9.0.0", 16), "red", "", 42);
}

static void route_twice_with_a_metric(struct cv_state *state)
{
	route_twice(state);
	state->routes[2].has_metric = true;
	state->routes[2].metric = 5;
}

static void route_twice_in_two_tables(struct cv_state *state)
{
	route_twice(state);
	state->routes[2].table = 7;
}

static void route_twice_for_an_app(struct cv_state *state)
{
	add_route(state, prefix_of("10.9.0.0", 16), "blue", "web", 42);
}

static void route_of_another_length(struct cv_state *state)
{
	add_route(state, prefix_of("10.9.0.0", 17), "blue", "", 42);
}

static void default_route_twice(struct cv_state *state)
{
	struct cv_prefix everything = { 0 };

	add_route(state, everything, "blue", "web", 42);
}

static void route_with_src(struct cv_state *state)
{
	state->routes[0].src = addr_of("10.8.0.1");
}

static void route_with_src_of_the_other_family(struct cv_state *state)
{
	state->routes[0].src = addr_of("2001:db8::3");
}

static void default_route_with_src(struct cv_state *state)
{
	state->routes[1].src = addr_of("2001:db8::3");
}

static void ipv6_route_via_ipv4(struct cv_state *state)
{
	add_route(state, prefix_of("2001:db8:9::", 48), "blue", "", 42);
	state->routes[2].via = addr_of("192.0.2.254");
}

static void ipv6_route_via_ipv6(struct cv_state *state)
{
	add_route(state, prefix_of("2001:db8:9::", 48), "blue", "", 42);
	state->routes[2].via = addr_of("2001:db8::fe");
}

static void ipv4_route_via_ipv6(struct cv_state *state)
{
	state->routes[0].via = addr_of("2001:db8::fe");
}

/* Turns the route into one without a tunnel. */
static struct cv_route_conf *guard_route(struct cv_state *state, uint8_t hooks)
{
	struct cv_route_conf *route = &state->routes[0];

	route->tunnel[0] = '\0';
	route->hooks = hooks;
	route->via = addr_of("192.0.2.254");
	return route;
}

static void guard_in(struct cv_state *state)
{
	strcpy(guard_route(state, CV_HOOK_IN)->from_tunnel, "red");
}

static void guard_out(struct cv_state *state)
{
	guard_route(state, CV_HOOK_OUT)->is_drop = true;
}

static void guard_that_leads_nowhere(struct cv_state *state)
{
	guard_route(state, CV_HOOK_IN)->via.family = 0;
}

static void guard_of_no_tunnel(struct cv_state *state)
{
	strcpy(guard_route(state, CV_HOOK_IN)->from_tunnel, "rde");
}

static void guard_without_a_hook(struct cv_state *state)
{
	guard_route(state, 0)->has_policy = true;
}

static void guard_with_foreign_sources(struct cv_state *state)
{
	struct cv_route_conf *route = guard_route(state, CV_HOOK_IN);

	route->from.items = calloc(1, sizeof(*route->from.items));
	route->from.items[0] = prefix_of("2001:db8::", 32);
	route->from.count = 1;
}

static void guard_with_too_many_sources(struct cv_state *state)
{
	struct cv_route_conf *route = guard_route(state, CV_HOOK_OUT);

	route->from.count = CV_MAX_GUARD_SOURCES + 1;
	route->from.items = calloc(route->from.count, sizeof(*route->from.items));
}

static void guard_with_a_wrong_mark(struct cv_state *state)
{
	struct cv_route_conf *route = guard_route(state, CV_HOOK_OUT);

	route->has_from_mark = true;
	route->from_mark = 0x11;
	route->from_mark_mask = 0x10;
}

static void guard_on_xmit(struct cv_state *state)
{
	guard_route(state, CV_HOOK_XMIT);
}

static void tunnel_route_with_hook_out(struct cv_state *state)
{
	state->routes[0].hooks = CV_HOOK_OUT;
}

static void tunnel_route_with_a_meter(struct cv_state *state)
{
	state->routes[0].hooks = CV_HOOK_OUT | CV_HOOK_XMIT;
	state->routes[0].has_policy = true;
}

static void tunnel_route_with_a_guard_on_no_hook(struct cv_state *state)
{
	state->routes[0].has_policy = true;
}

static void tunnel_route_in_and_out(struct cv_state *state)
{
	state->routes[0].hooks = CV_HOOK_IN | CV_HOOK_OUT;
}

static void route_of_an_app_on_the_way_in(struct cv_state *state)
{
	state->routes[1].hooks = CV_HOOK_IN;
}

static void local_route(struct cv_state *state)
{
	struct cv_route_conf *route = guard_route(state, CV_HOOK_IN);

	route->via.family = 0;
	route->is_local = true;
}

static void local_route_on_the_way_out(struct cv_state *state)
{
	local_route(state);
	state->routes[0].hooks = CV_HOOK_OUT;
}

static void add_hop(struct cv_state *state, const char *tunnel)
{
	struct cv_route_conf *route = &state->routes[0];

	route->tunnel[0] = '\0';
	route->nexthops =
		reallocarray(route->nexthops, route->nexthop_count + 1, sizeof(*route->nexthops));
	assert_non_null(route->nexthops);
	route->nexthops[route->nexthop_count] = (struct cv_nexthop_conf){ .weight = 0 };
	strcpy(route->nexthops[route->nexthop_count++].tunnel, tunnel);
}

static void two_nexthops(struct cv_state *state)
{
	add_hop(state, "blue");
	add_hop(state, "red");
}

static void one_nexthop_twice(struct cv_state *state)
{
	two_nexthops(state);
	add_hop(state, "blue");
	state->routes[0].nexthops[2].weight = 7;
}

static void two_nexthops_into_one_tunnel(struct cv_state *state)
{
	one_nexthop_twice(state);
	strcpy(state->routes[0].nexthops[2].dev, "eth1");
}

static void nexthop_into_no_tunnel(struct cv_state *state)
{
	two_nexthops(state);
	add_hop(state, "green");
}

static void nexthop_without_a_tunnel(struct cv_state *state)
{
	add_hop(state, "");
}

static void nexthops_and_a_tunnel(struct cv_state *state)
{
	two_nexthops(state);
	strcpy(state->routes[0].tunnel, "blue");
}

static void nexthops_via(struct cv_state *state)
{
	two_nexthops(state);
	state->routes[0].via = addr_of("192.0.2.254");
}

static void nexthops_on_the_way_in(struct cv_state *state)
{
	two_nexthops(state);
	state->routes[0].hooks = CV_HOOK_IN;
}

static void route_with_nhid(struct cv_state *state)
{
	state->routes[0].tunnel[0] = '\0';
	state->routes[0].nhid = 7;
}

static void nhid_and_a_tunnel(struct cv_state *state)
{
	state->routes[0].nhid = 7;
}

static void default_route_in_mtu_1279(struct cv_state *state)
{
	state->tunnels[1].mtu_bytes = 1279;
}

static void default_route_in_mtu_1280(struct cv_state *state)
{
	state->tunnels[1].mtu_bytes = 1280;
}

static void ipv4_route_in_mtu_1279(struct cv_state *state)
{
	state->tunnels[0].mtu_bytes = 1279;
}

static void ipv6_route_in_mtu_1279(struct cv_state *state)
{
	add_route(state, prefix_of("2001:db8:9::", 48), "blue", "", 42);
	state->tunnels[0].mtu_bytes = 1279;
}

static void default_route_in_mtu_67(struct cv_state *state)
{
	state->tunnels[1].mtu_bytes = 67;
}

static void faults_of_routes(void **unused)
{
	static const struct fault_case cases[] = {
		{ "no tunnel", route_without_tunnel,
		  "f:40:1: route 10.9.0.0/16: no tunnel; give tunnel NAME\n" },
		{ "a tunnel that there is not", route_to_no_tunnel,
		  "f:40:1: route 10.9.0.0/16: there is no tunnel blu; did you mean \"blue\"?\n" },
		{ "the other tunnel", route_to_the_other_tunnel, "" },
		{ "an app that there is not", route_of_no_app,
		  "f:41:1: route default: there is no app blue; add the app first, or mend the name\n" },
		{ "the other app", route_of_the_other_app, "" },
		{ "app and table", route_of_an_app_in_a_table,
		  "f:41:1: route default: table and app together; leave table out: every app has a table of its own\n" },
		{ "a table alone", route_in_a_table, "" },
		{ "a route twice", route_twice,
		  "f:42:1: route 10.9.0.0/16: given twice, first at f:40:1\n" },
		{ "twice, once with a metric", route_twice_with_a_metric, "" },
		{ "twice, in two tables", route_twice_in_two_tables, "" },
		{ "twice, once for an app", route_twice_for_an_app, "" },
		{ "another length", route_of_another_length, "" },
		{ "default twice", default_route_twice,
		  "f:42:1: route default: given twice, first at f:41:1\n" },
		{ "src of its family", route_with_src, "" },
		{ "src of the other family", route_with_src_of_the_other_family,
		  "f:40:1: route 10.9.0.0/16: src is IPv6\n" },
		{ "default with src", default_route_with_src, "" },
		{ "IPv6 via IPv4", ipv6_route_via_ipv4,
		  "f:42:1: route 2001:db8:9::/48: an IPv6 route has no IPv4 gateway\n" },
		{ "IPv6 via IPv6", ipv6_route_via_ipv6, "" },
		{ "IPv4 via IPv6", ipv4_route_via_ipv6, "" },
		{ "default in mtu 1279", default_route_in_mtu_1279,
		  "f:41:1: route default: mtu 1279 of tunnel red is too small for IPv6; IPv6 needs 1280 or more\n" },
		{ "default in mtu 1280", default_route_in_mtu_1280, "" },
		{ "IPv4 in mtu 1279", ipv4_route_in_mtu_1279, "" },
		{ "IPv6 in mtu 1279", ipv6_route_in_mtu_1279,
		  "f:42:1: route 2001:db8:9::/48: mtu 1279 of tunnel blue is too small for IPv6; IPv6 needs 1280 or more\n" },
		{ "one fault for mtu 67, not two", default_route_in_mtu_67,
		  "f:31:1: tunnel red: mtu 67 is too small; IPv6 inside needs 1280, IPv4 68\n" },
		{ "a guard on the way in", guard_in, "" },
		{ "a guard on the way out", guard_out, "" },
		{ "a guard that leads nowhere", guard_that_leads_nowhere,
		  "f:40:1: route 10.9.0.0/16: without a tunnel it leads nowhere; give via ADDR, dev IFNAME or type local\n" },
		{ "a guard for a tunnel that there is not", guard_of_no_tunnel,
		  "f:40:1: route 10.9.0.0/16: there is no tunnel rde; did you mean \"red\"?\n" },
		{ "a guard without a hook", guard_without_a_hook,
		  "f:40:1: route 10.9.0.0/16: from, from-tunnel, from-mark and policy need a hook; give hook in (what is received) or hook out (all)\n" },
		{ "sources of the other family", guard_with_foreign_sources,
		  "f:40:1: route 10.9.0.0/16: from is IPv6\n" },
		{ "too many sources", guard_with_too_many_sources,
		  "f:40:1: route 10.9.0.0/16: from has 33 prefixes, at most 32; a rule takes more\n" },
		{ "a mark outside its mask", guard_with_a_wrong_mark,
		  "f:40:1: route 10.9.0.0/16: from-mark 0x11 has bits outside its mask 0x10\n" },
		{ "hook xmit without a tunnel", guard_on_xmit,
		  "f:40:1: route 10.9.0.0/16: hook xmit encapsulates, and there is no tunnel; give tunnel NAME, or hook in or out for a guard\n" },
		{ "hook out alone, with a tunnel", tunnel_route_with_hook_out,
		  "f:40:1: route 10.9.0.0/16: hook out can count and drop, not encapsulate; hook xmit,out does both\n" },
		{ "hook xmit,out and a policy", tunnel_route_with_a_meter, "" },
		{ "a policy, a tunnel and no hook out", tunnel_route_with_a_guard_on_no_hook,
		  "f:40:1: route 10.9.0.0/16: from, from-tunnel, from-mark and policy are asked on hook out here; hook xmit,out guards what is encapsulated\n" },
		{ "hook in,out with a tunnel", tunnel_route_in_and_out,
		  "f:40:1: route 10.9.0.0/16: what hook in encapsulates never comes to hook out; hook xmit,out carries received packets too\n" },
		{ "hook in of an app", route_of_an_app_on_the_way_in,
		  "f:41:1: route default: hook in: what is received is of no app; leave app out, or use hook out\n" },
		{ "type local", local_route, "" },
		{ "type local, hook out", local_route_on_the_way_out,
		  "f:40:1: route 10.9.0.0/16: type local: what is delivered here is not sent on; use hook in, without tunnel and via\n" },
		{ "two nexthops", two_nexthops, "" },
		{ "a nexthop twice", one_nexthop_twice,
		  "f:40:1: route 10.9.0.0/16: a nexthop into tunnel blue is given twice; a weight N makes one of them count more\n" },
		{ "a tunnel twice, by two devices", two_nexthops_into_one_tunnel, "" },
		{ "a nexthop into no tunnel", nexthop_into_no_tunnel,
		  "f:40:1: route 10.9.0.0/16: there is no tunnel green; add the tunnel first, or mend the name\n" },
		{ "a nexthop without a tunnel", nexthop_without_a_tunnel,
		  "f:40:1: route 10.9.0.0/16: a nexthop without a tunnel; nexthop tunnel NAME\n" },
		{ "nexthops and a tunnel", nexthops_and_a_tunnel,
		  "f:40:1: route 10.9.0.0/16: tunnel and nexthop together; nexthop tunnel NAME names each of several\n" },
		{ "nexthops and via", nexthops_via,
		  "f:40:1: route 10.9.0.0/16: via and dev are those of a nexthop here; give it behind the nexthop\n" },
		{ "nexthops on the way in", nexthops_on_the_way_in,
		  "f:40:1: route 10.9.0.0/16: hook in: not with nexthops; hook xmit carries received packets too\n" },
		{ "nhid", route_with_nhid, "" },
		{ "nhid and a tunnel", nhid_and_a_tunnel,
		  "f:40:1: route 10.9.0.0/16: a nexthop object says itself where packets go and what they meet; give nhid alone\n" },
	};

	(void)unused;
	run_cases(cases, CV_COUNT(cases));
}

/* ---- rules ---- */

static struct cv_match_conf *match_of(struct cv_state *state)
{
	return &state->rules[1].match;
}

static struct cv_action_conf *action_of(struct cv_state *state)
{
	return &state->rules[1].action;
}

static void rule_twice(struct cv_state *state)
{
	add_rule(state, "first", 52);
}

static void rule_with_the_same_prio(struct cv_state *state)
{
	state->rules[0].has_prio = state->rules[1].has_prio = true;
}

static void ports_alone(struct cv_state *state)
{
	add_range(&match_of(state)->dport, 80, 80);
}

static void source_ports_of_icmp(struct cv_state *state)
{
	add_range(&match_of(state)->sport, 80, 80);
	match_of(state)->has_proto = true;
	match_of(state)->proto = IPPROTO_ICMP;
}

/* All that bpf/packet.h reads ports of. */
static void ports_of_each_protocol_that_has_them(struct cv_state *state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_UDPLITE,
					  IPPROTO_DCCP };

	for (size_t i = 0; i < CV_COUNT(protos); i++) {
		char name[CV_NAME_MAX + 1];

		snprintf(name, sizeof(name), "p%zu", i);
		add_rule(state, name, 60 + (int)i);
		state->rules[2 + i].match.has_proto = true;
		state->rules[2 + i].match.proto = protos[i];
		add_range(&state->rules[2 + i].match.sport, 1, 2);
		add_range(&state->rules[2 + i].match.dport, 3, 4);
	}
}

static void source_and_destination_of_two_families(struct cv_state *state)
{
	add_prefix(&match_of(state)->src, "10.0.0.0", 8);
	add_prefix(&match_of(state)->src, "11.0.0.0", 8);
	add_prefix(&match_of(state)->dst, "2001:db8::", 32);
}

static void source_of_both_families(struct cv_state *state)
{
	add_prefix(&match_of(state)->src, "10.0.0.0", 8);
	add_prefix(&match_of(state)->src, "2001:db8:1::", 48);
	add_prefix(&match_of(state)->dst, "2001:db8::", 32);
}

static void source_not_of_the_family(struct cv_state *state)
{
	match_of(state)->family = 6;
	add_prefix(&match_of(state)->src, "10.0.0.0", 8);
}

static void destination_not_of_the_family(struct cv_state *state)
{
	match_of(state)->family = 4;
	add_prefix(&match_of(state)->dst, "2001:db8::", 32);
}

static void source_and_destination_of_the_family(struct cv_state *state)
{
	match_of(state)->family = 4;
	add_prefix(&match_of(state)->src, "10.0.0.0", 8);
	add_prefix(&match_of(state)->dst, "11.0.0.0", 8);
}

static void match_app(struct cv_state *state, enum cv_app_match how, const char *name)
{
	match_of(state)->has_app = true;
	match_of(state)->app_match = how;
	strcpy(match_of(state)->app, name);
}

static void rule_of_no_app(struct cv_state *state)
{
	match_app(state, CV_APP_MATCH_NAME, "eth0");
}

static void rule_of_an_app(struct cv_state *state)
{
	match_app(state, CV_APP_MATCH_NAME, "db");
}

static void rule_of_any_app(struct cv_state *state)
{
	match_app(state, CV_APP_MATCH_ANY, "");
}

static void rule_of_none(struct cv_state *state)
{
	match_app(state, CV_APP_MATCH_NONE, "");
}

static void rule_of_an_exact_app(struct cv_state *state)
{
	rule_of_an_app(state);
	match_of(state)->app_is_exact = true;
}

static void rule_of_none_exactly(struct cv_state *state)
{
	rule_of_none(state);
	match_of(state)->app_is_exact = true;
}

static void rule_of_exact_alone(struct cv_state *state)
{
	match_of(state)->app_is_exact = true;
}

static void rule_of_no_tunnel(struct cv_state *state)
{
	strcpy(match_of(state)->tunnel, "web");
}

static void rule_of_a_tunnel(struct cv_state *state)
{
	strcpy(match_of(state)->tunnel, "blue");
}

static void rule_of_a_tunnel_on_the_way_out(struct cv_state *state)
{
	rule_of_a_tunnel(state);
	match_of(state)->dir = CV_DIR_ONLY_OUT;
}

static void rule_of_a_tunnel_on_the_way_in(struct cv_state *state)
{
	rule_of_a_tunnel(state);
	match_of(state)->dir = CV_DIR_ONLY_IN;
}

static void match_mark(struct cv_state *state, uint32_t mark, uint32_t mask)
{
	match_of(state)->has_mark = true;
	match_of(state)->mark = mark;
	match_of(state)->mark_mask = mask;
}

static void match_mark_outside_its_mask(struct cv_state *state)
{
	match_mark(state, 0x11, 0x0f);
}

static void match_mark_inside_its_mask(struct cv_state *state)
{
	match_mark(state, 0x11, 0xff);
}

static void match_marks_of_culvert(struct cv_state *state)
{
	match_mark(state, 0x01000000, 0x7f000000);
}

static void set_mark(struct cv_state *state, uint32_t mark, bool has_mask, uint32_t mask)
{
	action_of(state)->has_mark = true;
	action_of(state)->mark = mark;
	action_of(state)->has_mark_mask = has_mask;
	action_of(state)->mark_mask = mask;
}

static void set_mark_outside_its_mask(struct cv_state *state)
{
	set_mark(state, 0x10, true, 0x0f);
}

static void set_mark_inside_its_mask(struct cv_state *state)
{
	set_mark(state, 0x0f, true, 0x0f);
}

static void set_culverts_bits(struct cv_state *state)
{
	set_mark(state, 0x01000000, false, UINT32_MAX);
}

static void set_all_other_bits(struct cv_state *state)
{
	set_mark(state, 0x80ffffff, false, UINT32_MAX);
}

static void clear_culverts_bits(struct cv_state *state)
{
	set_mark(state, 0, true, 0x40000001);
}

static void clear_other_bits(struct cv_state *state)
{
	set_mark(state, 0, true, 0x80000001);
}

static void set_bits_that_were_culverts(struct cv_state *state)
{
	state->mark_mask = 0x3;
	set_culverts_bits(state);
}

static void match_proto(struct cv_state *state, uint8_t proto)
{
	match_of(state)->has_proto = true;
	match_of(state)->proto = proto;
}

static void negate(struct cv_state *state, enum cv_field field)
{
	match_of(state)->not_fields |= 1u << field;
}

static void ask_set(struct cv_state *state, enum cv_field field, const char *name)
{
	assert_int_equal(cv_match_conf_put_set(match_of(state), field, name), 0);
}

static void add_set(struct cv_state *state, const char *name, enum cv_set_type type)
{
	struct cv_set_conf conf = { .has_type = true, .type = type };

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_set(state, &conf, NULL), 0);
}

static void ports_of_any_protocol_but_one(struct cv_state *state)
{
	match_proto(state, IPPROTO_TCP);
	negate(state, CV_FIELD_PROTO);
	add_range(&match_of(state)->sport, 80, 80);
}

static void ports_of_a_set_of_protocols(struct cv_state *state)
{
	add_set(state, "p", CV_SET_PROTO);
	add_set(state, "web", CV_SET_PORT);
	ask_set(state, CV_FIELD_PROTO, "p");
	ask_set(state, CV_FIELD_DPORT, "web");
}

static void set_of_ports_alone(struct cv_state *state)
{
	add_set(state, "web", CV_SET_PORT);
	ask_set(state, CV_FIELD_DPORT, "web");
}

static void set_that_there_is_not(struct cv_state *state)
{
	ask_set(state, CV_FIELD_SRC, "blocked");
}

static void set_of_another_type(struct cv_state *state)
{
	add_set(state, "web", CV_SET_PORT);
	ask_set(state, CV_FIELD_DST, "web");
}

static void every_set_in_its_field(struct cv_state *state)
{
	static const enum cv_field fields[] = { CV_FIELD_SRC,  CV_FIELD_DST, CV_FIELD_DSCP,
						CV_FIELD_MARK, CV_FIELD_LEN, CV_FIELD_VLAN };
	static const enum cv_set_type types[] = { CV_SET_PREFIX, CV_SET_PREFIX, CV_SET_DSCP,
						  CV_SET_MARK,	 CV_SET_LEN,	CV_SET_VLAN };

	for (size_t i = 0; i < CV_COUNT(fields); i++) {
		char name[CV_NAME_MAX + 1];

		snprintf(name, sizeof(name), "s%zu", i);
		add_set(state, name, types[i]);
		ask_set(state, fields[i], name);
	}
}

static void one_set_more(struct cv_state *state)
{
	every_set_in_its_field(state);
	match_proto(state, IPPROTO_TCP);
	negate(state, CV_FIELD_PROTO);
}

static void tcp_flags(struct cv_state *state)
{
	match_proto(state, IPPROTO_TCP);
	match_of(state)->has_tcp_flags = true;
}

static void tcp_flags_of_udp(struct cv_state *state)
{
	tcp_flags(state);
	match_proto(state, IPPROTO_UDP);
}

static void tcp_flags_of_all_but_tcp(struct cv_state *state)
{
	tcp_flags(state);
	negate(state, CV_FIELD_PROTO);
}

static void icmp_type_of(struct cv_state *state, uint8_t proto)
{
	match_proto(state, proto);
	match_of(state)->has_icmp_type = true;
}

static void icmp_type(struct cv_state *state)
{
	icmp_type_of(state, IPPROTO_ICMP);
}

static void icmpv6_type(struct cv_state *state)
{
	icmp_type_of(state, IPPROTO_ICMPV6);
	match_of(state)->family = 6;
}

static void icmp_type_of_tcp(struct cv_state *state)
{
	icmp_type_of(state, IPPROTO_TCP);
}

static void icmp_code_alone(struct cv_state *state)
{
	match_of(state)->has_icmp_code = true;
}

static void icmp_type_of_ipv6(struct cv_state *state)
{
	icmp_type(state);
	add_prefix(&match_of(state)->dst, "2001:db8::", 32);
}

static void icmpv6_code_of_ipv4(struct cv_state *state)
{
	match_proto(state, IPPROTO_ICMPV6);
	match_of(state)->has_icmp_code = true;
	match_of(state)->family = 4;
}

static void flow_label_of_ipv4(struct cv_state *state)
{
	match_of(state)->has_flow_label = true;
	add_prefix(&match_of(state)->src, "10.0.0.0", 8);
}

static void not_from_ipv4_to_ipv6(struct cv_state *state)
{
	add_prefix(&match_of(state)->src, "10.0.0.0", 8);
	negate(state, CV_FIELD_SRC);
	add_prefix(&match_of(state)->dst, "2001:db8::", 32);
}

static void ask_ethertype(struct cv_state *state, uint16_t ethertype)
{
	match_of(state)->has_ethertype = true;
	match_of(state)->ethertype = ethertype;
}

static void arp_on_a_vlan(struct cv_state *state)
{
	ask_ethertype(state, 0x0806);
	add_range(&match_of(state)->vlan, 7, 7);
	strcpy(match_of(state)->dev, "eth0");
}

static void arp_to_an_address(struct cv_state *state)
{
	ask_ethertype(state, 0x0806);
	add_prefix(&match_of(state)->dst, "10.0.0.0", 8);
}

static void all_but_arp_to_an_address(struct cv_state *state)
{
	arp_to_an_address(state);
	negate(state, CV_FIELD_ETHERTYPE);
}

static void ipv6_by_ethertype_to_ipv4(struct cv_state *state)
{
	ask_ethertype(state, 0x86dd);
	add_prefix(&match_of(state)->dst, "10.0.0.0", 8);
}

static void quoted_ports(struct cv_state *state)
{
	match_of(state)->is_quoted = true;
	match_proto(state, IPPROTO_UDP);
	add_range(&match_of(state)->sport, 53, 53);
}

static void quoted_dscp(struct cv_state *state)
{
	quoted_ports(state);
	match_of(state)->has_dscp = true;
}

static void faults_of_matches(void **unused)
{
	static const struct fault_case cases[] = {
		{ "a rule twice", rule_twice,
		  "f:52:1: rule first: given twice, first at f:50:1\n" },
		{ "the same prio", rule_with_the_same_prio, "" },
		{ "ports alone", ports_alone,
		  "f:51:1: rule second: ports without a protocol that has them; add proto tcp or proto udp\n" },
		{ "ports of icmp", source_ports_of_icmp,
		  "f:51:1: rule second: ports without a protocol that has them; add proto tcp or proto udp\n" },
		{ "ports of protocols that have them", ports_of_each_protocol_that_has_them, "" },
		{ "src and dst of two families", source_and_destination_of_two_families,
		  "f:51:1: rule second: src is of IPv4 and dst of IPv6, it would never match; leave one of them out, or make two rules\n" },
		{ "src of both families", source_of_both_families, "" },
		{ "src against family", source_not_of_the_family,
		  "f:51:1: rule second: family is of IPv6 and src of IPv4, it would never match; leave one of them out, or make two rules\n" },
		{ "dst against family", destination_not_of_the_family,
		  "f:51:1: rule second: family is of IPv4 and dst of IPv6, it would never match; leave one of them out, or make two rules\n" },
		{ "src, dst and family of one kind", source_and_destination_of_the_family, "" },
		{ "an app that there is not", rule_of_no_app,
		  "f:51:1: rule second: there is no app eth0; add the app first, or mend the name\n" },
		{ "an app", rule_of_an_app, "" },
		{ "any app", rule_of_any_app, "" },
		{ "no app", rule_of_none, "" },
		{ "an app, exactly", rule_of_an_exact_app, "" },
		{ "no app, exactly", rule_of_none_exactly,
		  "f:51:1: rule second: exact without an app, it would never match; add app NAME or app any, or leave exact out\n" },
		{ "exact alone", rule_of_exact_alone,
		  "f:51:1: rule second: exact without an app, it would never match; add app NAME or app any, or leave exact out\n" },
		{ "a tunnel that there is not", rule_of_no_tunnel,
		  "f:51:1: rule second: there is no tunnel web; did you mean \"red\"?\n" },
		{ "a tunnel", rule_of_a_tunnel, "" },
		{ "a tunnel on the way out", rule_of_a_tunnel_on_the_way_out,
		  "f:51:1: rule second: tunnel with dir out would never match; a tunnel is known on the way in only\n" },
		{ "a tunnel on the way in", rule_of_a_tunnel_on_the_way_in, "" },
		{ "a mark outside its mask", match_mark_outside_its_mask,
		  "f:51:1: rule second: mark 0x11 has bits outside its mask 0xf; the mask must have all bits of the mark\n" },
		{ "a mark inside its mask", match_mark_inside_its_mask, "" },
		{ "culvert's own mark", match_marks_of_culvert, "" },
		{ "ports of all but tcp", ports_of_any_protocol_but_one,
		  "f:51:1: rule second: ports without a protocol that has them; add proto tcp or proto udp\n" },
		{ "ports of a set of protocols", ports_of_a_set_of_protocols, "" },
		{ "a set of ports alone", set_of_ports_alone,
		  "f:51:1: rule second: ports without a protocol that has them; add proto tcp or proto udp\n" },
		{ "a set that there is not", set_that_there_is_not,
		  "f:51:1: rule second: there is no set blocked; add the set first, or mend the name\n" },
		{ "a set of another type", set_of_another_type,
		  "f:51:1: rule second: dst asks set web, whose type is port; use a set of the type that the field has\n" },
		{ "six sets", every_set_in_its_field, "" },
		{ "one set more", one_set_more,
		  "f:51:1: rule second: 7 sets and negated src, dst, proto: a rule asks 6 at most; let one rule mark what some of them meet and continue, another match the mark\n" },
		{ "tcp flags", tcp_flags, "" },
		{ "tcp flags of udp", tcp_flags_of_udp,
		  "f:51:1: rule second: tcp-flags without proto tcp, which alone has them; add proto tcp\n" },
		{ "tcp flags of all but tcp", tcp_flags_of_all_but_tcp,
		  "f:51:1: rule second: tcp-flags without proto tcp, which alone has them; add proto tcp\n" },
		{ "icmp type", icmp_type, "" },
		{ "icmpv6 type", icmpv6_type, "" },
		{ "icmp type of tcp", icmp_type_of_tcp,
		  "f:51:1: rule second: icmp-type without a protocol that has it; add proto icmp for IPv4 or proto icmpv6 for IPv6\n" },
		{ "icmp code alone", icmp_code_alone,
		  "f:51:1: rule second: icmp-code without a protocol that has it; add proto icmp for IPv4 or proto icmpv6 for IPv6\n" },
		{ "icmp type of IPv6", icmp_type_of_ipv6,
		  "f:51:1: rule second: dst is of IPv6 and icmp-type of IPv4, it would never match; leave one of them out, or make two rules\n" },
		{ "icmpv6 code of IPv4", icmpv6_code_of_ipv4,
		  "f:51:1: rule second: family is of IPv4 and icmp-code of IPv6, it would never match; leave one of them out, or make two rules\n" },
		{ "flow label of IPv4", flow_label_of_ipv4,
		  "f:51:1: rule second: src is of IPv4 and flow-label of IPv6, it would never match; leave one of them out, or make two rules\n" },
		{ "not from IPv4, to IPv6", not_from_ipv4_to_ipv6, "" },
		{ "arp on a vlan", arp_on_a_vlan, "" },
		{ "arp to an address", arp_to_an_address,
		  "f:51:1: rule second: ethertype 0x0806 is not IP and has no dst, it would never match; leave one of them out\n" },
		{ "all but arp to an address", all_but_arp_to_an_address, "" },
		{ "IPv6 by ethertype to IPv4", ipv6_by_ethertype_to_ipv4,
		  "f:51:1: rule second: dst is of IPv4 and ethertype of IPv6, it would never match; leave one of them out, or make two rules\n" },
		{ "quoted ports", quoted_ports, "" },
		{ "quoted dscp", quoted_dscp, "" },
	};

	(void)unused;
	run_cases(cases, CV_COUNT(cases));
}

static void faults_of_actions(void **unused)
{
	static const struct fault_case cases[] = {
		{ "mark outside its mask", set_mark_outside_its_mask,
		  "f:51:1: rule second: mark 0x10 has bits outside its mask 0xf\n" },
		{ "mark inside its mask", set_mark_inside_its_mask, "" },
		{ "culvert's own bits", set_culverts_bits,
		  "f:51:1: rule second: mark 0x1000000 touches culvert's own bits 0x7f000000; use other bits, or move mark-mask\n" },
		{ "all other bits", set_all_other_bits, "" },
		{ "a mask that clears own bits", clear_culverts_bits,
		  "f:51:1: rule second: mark 0x0 touches culvert's own bits 0x7f000000; use other bits, or move mark-mask\n" },
		{ "a mask that clears others", clear_other_bits, "" },
		{ "own bits with another mark-mask", set_bits_that_were_culverts, "" },
	};

	(void)unused;
	run_cases(cases, CV_COUNT(cases));
}

/* They are not looked at one by one: the memory of all but the last is never there. */
static void a_rule_too_many_is_named(void **unused)
{
	struct cv_rule_conf *rules = calloc(CV_MAX_RULES + 1, sizeof(*rules));
	struct cv_state state;
	char expected[128];

	(void)unused;
	assert_non_null(rules);
	rules[CV_MAX_RULES].place = (struct cv_place){ "f", 356, 1 };
	cv_state_init(&state);
	state.rules = rules;
	state.rule_count = CV_MAX_RULES + 1;
	snprintf(expected, sizeof(expected),
		 "f:356:1: %u rules: more than the %u that one instance holds\n", CV_MAX_RULES + 1,
		 CV_MAX_RULES);
	assert_faults("one rule too many", &state, expected);
	state.rule_count = 0;
	cv_state_fini(&state);
}

/* ---- all together ---- */

static void good_states_have_no_faults(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	assert_faults("empty", &state, "");
	make_good_state(&state);
	assert_faults("good", &state, "");
	cv_state_fini(&state);
}

static void all_faults_come_in_one_run(void **unused)
{
	struct cv_state state;

	(void)unused;
	make_good_state(&state);
	state.mark_mask = 0x80000000;
	dev_on_no_side(&state);
	app_without_selector(&state);
	tunnel_without_mode(&state);
	tunnel_mtu_67(&state);
	route_to_no_tunnel(&state);
	ports_alone(&state);
	set_mark_outside_its_mask(&state);
	assert_faults(
		"all", &state,
		"mark-mask 0x80000000: not a run of two or more neighbouring bits; for instance 0x7f000000\n"
		"f:11:1: dev eth1: neither ingress nor egress; give ingress, egress or both\n"
		"f:21:1: app db: no selector, it would be every program; give exe, parent-exe, unit, cgroup, uid, gid, comm or netns\n"
		"f:30:1: tunnel blue: no mode; give mode ipip, gre, gue, fou, vxlan, geneve or srv6\n"
		"f:30:1: tunnel blue: mtu 67 is too small; IPv6 inside needs 1280, IPv4 68\n"
		"f:40:1: route 10.9.0.0/16: there is no tunnel blu; did you mean \"blue\"?\n"
		"f:51:1: rule second: ports without a protocol that has them; add proto tcp or proto udp\n"
		"f:51:1: rule second: mark 0x10 has bits outside its mask 0xf\n");
	cv_state_fini(&state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_states_have_no_faults),
		cmocka_unit_test(mark_masks_are_runs_of_two_or_more_bits),
		cmocka_unit_test(faults_of_devs),
		cmocka_unit_test(faults_of_apps),
		cmocka_unit_test(faults_of_tunnels),
		cmocka_unit_test(faults_of_routes),
		cmocka_unit_test(faults_of_matches),
		cmocka_unit_test(faults_of_actions),
		cmocka_unit_test(a_rule_too_many_is_named),
		cmocka_unit_test(all_faults_come_in_one_run),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
