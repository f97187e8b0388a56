/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of config.c with all nouns: good state files, what they are written as and that this
 * reads back as the same state; bad ones, with everything that is reported of them.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "config_fuzz.c" /* same_state(), and each good file goes through the fuzz target, too */
#include "own.h"
#include "yaml_scan.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

static int parse_once(struct cv_state *state, const char *file, const char *text, char **printed)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;
	int rc;

	stream = open_memstream(printed, &size);
	assert_non_null(stream);
	assert_int_equal(cv_report_new(&report, stream, false), 0);
	cv_state_init(state);
	rc = cv_config_parse(state, file, text, strlen(text), report);
	assert_int_equal(rc, cv_report_errors(report) ? -EINVAL : 0);
	cv_report_free(&report);
	assert_int_equal(cv_finish_file(&stream), 0);
	return rc;
}

/* The scanner leaves what has this behind it to libyaml, which makes nothing of it. */
#define CV_END "\n# \xc2\x85"

static bool is_scanned(const char *text)
{
	CV_CLEANUP(cv_scan_free) struct cv_scan *scan = NULL;
	const struct cv_yaml_node *key, *value;
	int rc;

	assert_int_equal(cv_scan_new(&scan, "f", text, strlen(text)), 0);
	while ((rc = cv_scan_section(scan, &key, &value)) > 0)
		;
	return !rc;
}

/* What the scanner reads, libyaml reads as the same state, with the same faults. */
static void assert_read_alike(const struct cv_state *state, const char *file, const char *text,
			      const char *printed)
{
	CV_FREE char *with_end = NULL;
	CV_FREE char *printed_again = NULL;
	struct cv_state again;

	assert_true(asprintf(&with_end, "%s" CV_END, text) > 0);
	assert_false(is_scanned(with_end));
	parse_once(&again, file, with_end, &printed_again);
	assert_string_equal(printed_again, printed);
	assert_true(same_state(state, &again));
	cv_state_fini(&again);
}

/* Parses; *printed (caller frees) is what was reported. */
static int parse(struct cv_state *state, const char *file, const char *text, char **printed)
{
	int rc = parse_once(state, file, text, printed);

	if (is_scanned(text))
		assert_read_alike(state, file, text, *printed);
	return rc;
}

static void parse_good(struct cv_state *state, const char *text)
{
	CV_FREE char *printed = NULL;

	parse(state, "f", text, &printed);
	assert_string_equal(printed, "");
}

/* A text is what is written, or it is not: with one character less, more, or another one. */
static void assert_is(const struct cv_state *state, const char *text)
{
	size_t len = strlen(text);
	CV_FREE char *other = NULL;

	assert_true(cv_config_is(state, text));
	assert_true(asprintf(&other, "%s\n", text) > 0);
	assert_false(cv_config_is(state, other));
	other[len] = '\0';
	for (size_t i = 0; i < len; i++) {
		other[i] ^= 1;
		assert_false(cv_config_is(state, other));
		other[i] ^= 1;
	}
	if (len)
		other[len - 1] = '\0';
	assert_int_equal(cv_config_is(state, other), !len);
}

/* A copy is the same, and stays it when the first one is gone, which it frees. */
static void assert_copied(struct cv_state *state, const char *text)
{
	struct cv_state copy;
	struct cv_err err;

	cv_state_init(&copy);
	assert_int_equal(cv_state_copy(&copy, state, &err), 0);
	assert_true(same_state(state, &copy));
	cv_state_fini(state);
	assert_true(cv_config_is(&copy, text));
	cv_state_fini(&copy);
}

/* Written as `expected`, which reads as the same state and is written as itself. */
static void assert_written(const char *text, const char *expected)
{
	struct cv_state state, again;
	CV_FREE char *written = NULL;
	CV_FREE char *rewritten = NULL;

	parse_good(&state, text);
	written = cv_config_text(&state);
	assert_string_equal(written, expected);
	assert_is(&state, expected);
	parse_good(&again, written);
	assert_true(same_state(&state, &again));
	rewritten = cv_config_text(&again);
	assert_string_equal(rewritten, expected);
	assert_copied(&again, expected);
	cv_state_fini(&state);
	LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text));
}

static void assert_bad(const char *text, const char *expected)
{
	CV_FREE char *printed = NULL;
	struct cv_state state;

	assert_int_equal(parse(&state, "f", text, &printed), *expected ? -EINVAL : 0);
	assert_string_equal(printed, expected);
	cv_state_fini(&state);
}

/* ---- good files ---- */

#define BLUE "  blue: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7}\n"
#define WEB "  web: {exe: /usr/bin/web}\n"

static void good_files_are_written_in_one_form(void **unused)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "", "" },
		{ "# nothing\n", "" },
		{ "---\n", "" },
		{ "{}\n", "" },
		{ "devices:\napps:\ntunnels:\nroutes:\nrules:\n", "" },
		{ "devices: {}\nroutes: []\nrules: {}\n", "" },
		{ "options: {}\n", "" },
		/* Without a side it is both; one side alone is that one. */
		{ "devices: {eth0: }\n", "devices:\n  eth0: {ingress: true, egress: true}\n" },
		{ "devices:\n  eth0:\n  eth1: {}\n",
		  "devices:\n  eth0: {ingress: true, egress: true}\n  eth1: {ingress: true, egress: true}\n" },
		{ "devices: {eth0: {ingress: true}}\n",
		  "devices:\n  eth0: {ingress: true, egress: false}\n" },
		{ "devices: {eth0: {ingress: false, egress: on, prio: 0x10}}\n",
		  "devices:\n  eth0: {ingress: false, egress: true, prio: 16}\n" },
		{ "devices: {eth0: {ingress: yes, egress: 'no'}}\n",
		  "devices:\n  eth0: {ingress: true, egress: false}\n" },
		{ "devices: {\"null\": , \"a@b\": , 1: }\n",
		  "devices:\n"
		  "  \"null\": {ingress: true, egress: true}\n"
		  "  \"a@b\": {ingress: true, egress: true}\n"
		  "  \"1\": {ingress: true, egress: true}\n" },
		/* Selectors of apps, each alone and together; what must be quoted is. */
		{ "apps: {a: {exe: /x}, b: {cgroup: /y}, c: {uid: 0}, d: {gid: 5-9}, e: {comm: z}}\n",
		  "apps:\n"
		  "  a: {exe: /x}\n"
		  "  b: {cgroup: /y}\n"
		  "  c: {uid: 0}\n"
		  "  d: {gid: 5-9}\n"
		  "  e: {comm: z}\n" },
		{ "apps:\n  a:\n    comm: \"a: b, c\"\n    uid: 7-7\n    exe: '/a b/#c'\n",
		  "apps:\n  a: {exe: \"/a b/#c\", uid: 7, comm: \"a: b, c\"}\n" },
		{ "apps: {a: {comm: \"null\"}, b: {comm: 007}, c: {comm: ~}}\n",
		  "apps:\n  a: {comm: \"null\"}\n  b: {comm: \"007\"}\n  c: {comm: \"~\"}\n" },
		{ "apps: {a: {gate: false, uid: 0}, b: {gate: yes, comm: x}, c: {unit: 7, cgroup: 0}}\n",
		  "apps:\n  a: {uid: 0}\n  b: {comm: x, gate: true}\n  c: {unit: \"7\", cgroup: \"0\"}\n" },
		{ "apps: {a: {exe: /opt/**/x*, gate: true, parent-exe: '/p'}}\n",
		  "apps:\n  a: {exe: \"/opt/**/x*\", parent-exe: /p, gate: true}\n" },
		/* Tunnels: defaults are not written. */
		{ "tunnels: {b: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, nonlocal: false}}\n",
		  "tunnels:\n  b: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7}\n" },
		{ "tunnels:\n" BLUE, "tunnels:\n" BLUE },
		{ "tunnels:\n"
		  "  blue:\n"
		  "    mode: gre\n"
		  "    local: 192.0.2.1\n"
		  "    remote: [192.0.2.7]\n"
		  "    ttl: 64\n"
		  "    dscp: inherit\n"
		  "    ecn: on\n"
		  "    df: on\n"
		  "    mtu: auto\n",
		  "tunnels:\n" BLUE },
		{ "tunnels: {b: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, key: 0, ttl: inherit, dscp: ef, ecn: false, df: off, mtu: 68}}\n",
		  "tunnels:\n"
		  "  b: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, key: 0, ttl: inherit, dscp: 46, ecn: off, df: off, mtu: 68}\n" },
		{ "tunnels: {b: {mode: ipip, local: \"::1\", remote: '2001:DB8::7', df: inherit, dscp: 0, ttl: 1, mtu: 65535}}\n",
		  "tunnels:\n"
		  "  b: {mode: ipip, local: \"::1\", remote: \"2001:db8::7\", ttl: 1, dscp: 0, df: inherit, mtu: 65535}\n" },
		/* IPv6 without quotes, where YAML lets it pass. */
		{ "tunnels:\n  b:\n    mode: gre\n    local: ::1\n    remote: 2001:db8::7\n",
		  "tunnels:\n  b: {mode: gre, local: \"::1\", remote: \"2001:db8::7\"}\n" },
		{ "tunnels: {b: {mode: gre, local: 2001:db8::1, remote: 2001:db8::7, allow: [2001:db8::/32]}}\n",
		  "tunnels:\n"
		  "  b: {mode: gre, local: \"2001:db8::1\", remote: \"2001:db8::7\", allow: \"2001:db8::/32\"}\n" },
		/* Lists and comma strings. */
		{ "tunnels:\n  b: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, allow: \"10.9.0.0/16,::/0\"}\n",
		  "tunnels:\n  b: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, allow: [10.9.0.0/16, \"::/0\"]}\n" },
		{ "tunnels:\n  b:\n    mode: gre\n    local: 192.0.2.1\n    remote: 192.0.2.7\n    allow:\n    - 10.9.0.1\n    - 0.0.0.0/0\n",
		  "tunnels:\n  b: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, allow: [10.9.0.1/32, 0.0.0.0/0]}\n" },
		/* Routes. */
		{ "routes:\n- {to: 10.9.0.0/16, tunnel: blue}\ntunnels:\n" BLUE,
		  "tunnels:\n" BLUE "routes:\n  - {to: 10.9.0.0/16, tunnel: blue}\n" },
		{ "tunnels:\n" BLUE "apps:\n" WEB "routes:\n"
		  "- tunnel: blue\n"
		  "  to: default\n"
		  "  app: web\n"
		  "- {to: 10.9.0.1, tunnel: blue, table: main, metric: 0, src: 10.9.0.2, via: 10.9.0.3, dev: eth0, hook: xmit}\n"
		  "- {to: \"::/0\", tunnel: blue, table: 4294967295, metric: 4294967295}\n",
		  "apps:\n" WEB "tunnels:\n" BLUE "routes:\n"
		  "  - {to: default, tunnel: blue, app: web}\n"
		  "  - {to: 10.9.0.1/32, tunnel: blue, table: 254, metric: 0, src: 10.9.0.2, via: 10.9.0.3, dev: eth0}\n"
		  "  - {to: \"::/0\", tunnel: blue, table: 4294967295, metric: 4294967295}\n" },
		/* Rules. */
		{ "rules: {r: , s: {match: , action: }, t: {match: {}}}\n",
		  "rules:\n"
		  "  r: {match: {}, action: {}}\n"
		  "  s: {match: {}, action: {}}\n"
		  "  t: {match: {}, action: {}}\n" },
		{ "rules:\n  r: {action: {verdict: next}}\n  s: {action: {verdict: accept}, prio: 0}\n  t: {action: {verdict: drop}, prio: 4294967295}\n",
		  "rules:\n"
		  "  r: {match: {}, action: {verdict: next}}\n"
		  "  s: {prio: 0, match: {}, action: {verdict: accept}}\n"
		  "  t: {prio: 4294967295, match: {}, action: {verdict: drop}}\n" },
		{ "apps:\n" WEB "tunnels:\n" BLUE "rules:\n"
		  "  r:\n"
		  "    action: {dscp: le, mark: 0x10, priority: \"1:30\"}\n"
		  "    match:\n"
		  "      tunnel: blue\n"
		  "      mark: 1/3\n"
		  "      dscp: 46\n"
		  "      dport: [80, 443, 8000-8080]\n"
		  "      sport: 1024-65535\n"
		  "      proto: 6\n"
		  "      dst: 10.0.0.0/8\n"
		  "      src: [\"::/0\", 10.9.0.0/16]\n"
		  "      app: web\n"
		  "      dev: eth0\n"
		  "      dir: in\n",
		  "apps:\n" WEB "tunnels:\n" BLUE "rules:\n"
		  "  r: {match: {dir: in, dev: eth0, app: web, src: [\"::/0\", 10.9.0.0/16], dst: 10.0.0.0/8, proto: tcp, sport: 1024-65535, dport: [80, 443, 8000-8080], dscp: 46, mark: 0x1/0x3, tunnel: blue}, action: {mark: 0x10, priority: \"1:30\", dscp: 1}}\n" },
		{ "rules:\n  r: {match: {app: any, family: 6}, action: {mark: 1/1}}\n  s: {match: {app: none, family: 4, mark: 5/0xffffffff}, action: {priority: \"0:0\", dscp: 0}}\n",
		  "rules:\n"
		  "  r: {match: {app: any, family: 6}, action: {mark: 0x1/0x1}}\n"
		  "  s: {match: {app: none, family: 4, mark: 0x5}, action: {priority: \"0:0\", dscp: 0}}\n" },
		{ "rules:\n"
		  "  r: {match: {ecn: [ect0, ce], proto: tcp, tcp-flags: not syn/syn+ack, len: not 0-99, fragment: no, vlan: [1, 5-7], dport: \"not 80,443\"}}\n"
		  "  s:\n"
		  "    match:\n"
		  "      dport: not 80,443\n"
		  "      proto: udp\n"
		  "      ecn: not not-ect\n"
		  "      dscp: not ef\n"
		  "      mark: not 1/3\n"
		  "      src: not ::/0,10.0.0.0/8\n"
		  "      fragment: true\n"
		  "      quoted: false\n"
		  "  t: {match: {icmp-type: echo-request, proto: icmpv6, icmp-code: 0, flow-label: 0xabcde}}\n"
		  "  u: {match: {icmp-type: 3, icmp-code: 4, proto: 1}}\n"
		  "  v: {match: {ethertype: 0x806, vlan: not 7, dev: not eth0}}\n"
		  "  w: {match: {ethertype: not 0x1234}}\n"
		  "  x: {match: {quoted: true, proto: not udp, src: not 10.0.0.1}}\n",
		  "rules:\n"
		  "  r: {match: {proto: tcp, dport: \"not 80,443\", ecn: [ect0, ce], tcp-flags: \"not syn/syn+ack\", len: \"not 0-99\", fragment: no, vlan: [1, 5-7]}, action: {}}\n"
		  "  s: {match: {src: \"not ::/0,10.0.0.0/8\", proto: udp, dport: \"not 80,443\", dscp: \"not 46\", ecn: \"not not-ect\", mark: \"not 0x1/0x3\", fragment: yes}, action: {}}\n"
		  "  t: {match: {proto: icmpv6, icmp-type: echo-request, icmp-code: 0, flow-label: 703710}, action: {}}\n"
		  "  u: {match: {proto: icmp, icmp-type: destination-unreachable, icmp-code: 4}, action: {}}\n"
		  "  v: {match: {dev: \"not eth0\", vlan: \"not 7\", ethertype: arp}, action: {}}\n"
		  "  w: {match: {ethertype: \"not 0x1234\"}, action: {}}\n"
		  "  x: {match: {src: \"not 10.0.0.1/32\", proto: \"not udp\", quoted: true}, action: {}}\n" },
		/* priority without quotes is text, too: nothing here is YAML 1.1's base 60. */
		{ "rules:\n  r: {action: {priority: 1:30}}\n",
		  "rules:\n  r: {match: {}, action: {priority: \"1:30\"}}\n" },
		/* Options: the mask holds for rules that stand before it. */
		{ "rules:\n  r: {action: {mark: 0x7f000000}}\noptions: {mark-mask: 0xff}\n",
		  "options: {mark-mask: 0xff}\nrules:\n  r: {match: {}, action: {mark: 0x7f000000}}\n" },
		{ "options: {mark-mask: 2130706432}\n", "" },
		{ "options: {mark-shared: no}\n", "" },
		{ "options: {flow-cache: on}\n", "" },
		{ "options: {flow-cache: off}\n", "options: {flow-cache: false}\n" },
		{ "options: {flow-cache: no, mark-mask: 0x30}\n",
		  "options: {mark-mask: 0x30, flow-cache: false}\n" },
		{ "options: {mark-shared: on}\n", "options: {mark-shared: true}\n" },
		{ "options: {mark-shared: true, mark-mask: 0x30}\n",
		  "options: {mark-mask: 0x30, mark-shared: true}\n" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++)
		assert_written(cases[i].text, cases[i].expected);
}

/* The example of cli.md. */
static void example_of_the_contract_is_good(void **unused)
{
	struct cv_state state;

	(void)unused;
	parse_good(
		&state,
		"devices:\n"
		"  eth0: {ingress: true, egress: true}\n"
		"apps:\n"
		"  backup: {exe: /usr/bin/restic}\n"
		"  web:    {cgroup: /system.slice/nginx.service}\n"
		"tunnels:\n"
		"  blue: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7, key: 42, allow: [10.9.0.0/16]}\n"
		"routes:\n"
		"  - {to: 10.9.0.0/16, tunnel: blue}\n"
		"  - {to: default, tunnel: blue, app: backup}\n"
		"rules:\n"
		"  backup-low: {prio: 10, match: {app: backup, dir: out}, action: {dscp: 8, priority: \"1:30\"}}\n"
		"  no-telnet:  {prio: 20, match: {proto: tcp, dport: 23}, action: {verdict: drop}}\n");
	assert_int_equal(state.dev_count, 1);
	assert_int_equal(state.app_count, 2);
	assert_string_equal(state.apps[1].cgroup, "/system.slice/nginx.service");
	assert_int_equal(state.tunnel_count, 1);
	assert_int_equal(state.tunnels[0].mode, CV_TUNNEL_MODE_GRE);
	assert_int_equal(state.tunnels[0].key, 42);
	assert_int_equal(state.tunnels[0].ttl, 64);
	assert_int_equal(state.tunnels[0].allow.count, 1);
	assert_int_equal(state.route_count, 2);
	assert_int_equal(state.routes[1].to.addr.family, 0);
	assert_string_equal(state.routes[1].app, "backup");
	assert_int_equal(state.rule_count, 2);
	assert_int_equal(state.rules[0].action.priority, 0x10030);
	assert_int_equal(state.rules[0].match.dir, CV_DIR_ONLY_OUT);
	assert_int_equal(state.rules[1].match.dport.items[0].min, 23);
	assert_int_equal(state.rules[1].action.verdict, CV_DROP);
	cv_state_fini(&state);
}

static void objects_know_where_they_stand(void **unused)
{
	static const char text[] = "devices: {eth0: , eth1: }\n"
				   "apps:\n" WEB "tunnels:\n" BLUE "routes:\n"
				   "  - {tunnel: blue, to: 10.9.0.0/16}\n"
				   "rules:\n"
				   "  r:\n"
				   "    action: {verdict: drop}\n";
	CV_FREE char *printed = NULL;
	struct cv_state state;

	(void)unused;
	parse_good(&state, text);
	assert_string_equal(state.devs[1].place.file, "f");
	assert_int_equal(state.devs[1].place.line, 1);
	assert_int_equal(state.devs[1].place.column, 19);
	assert_int_equal(state.apps[0].place.line, 3);
	assert_int_equal(state.tunnels[0].place.line, 5);
	assert_int_equal(state.tunnels[0].place.column, 3);
	assert_int_equal(state.routes[0].place.line, 7);
	assert_int_equal(state.routes[0].place.column, 24);
	assert_int_equal(state.rules[0].place.line, 9);
	cv_state_fini(&state);

	assert_int_equal(parse(&state, NULL, text, &printed), 0);
	assert_string_equal(printed, "");
	assert_null(state.devs[1].place.file);
	assert_int_equal(state.devs[1].place.line, 0);
	assert_int_equal(state.rules[0].place.line, 0);
	cv_state_fini(&state);
}

#define MANY "  many: {mode: gre, local: 192.0.2.1, remote: peers}\n"

/* Peers are read line by line as long as they look as written, and as YAML from there on. */
static void peers_read_the_same_in_any_form(void **unused)
{
	static const char expected[] = "tunnels:\n" MANY "peers:\n"
				       "  - {to: 10.1.0.0/16, remote: 192.0.2.7, tunnel: many}\n"
				       "  - {to: \"fd00::/8\", remote: 192.0.2.8, tunnel: many}\n"
				       "  - {to: default, remote: 192.0.2.9, tunnel: many}\n";

	(void)unused;
	assert_written(expected, expected);
	assert_written("peers:\n"
		       "  - {to: 10.1.0.0/16, remote: 192.0.2.7, tunnel: many}\n"
		       "  - {to: 'fd00::/8', remote: 192.0.2.8, tunnel: many}\n"
		       "  - {to: default, remote: 192.0.2.9, tunnel: many}\n"
		       "tunnels:\n" MANY,
		       expected);
	assert_written("tunnels:\n" MANY "peers:\n"
		       "  - {to: 10.1.0.0/16, remote: 192.0.2.7, tunnel: many}\n"
		       "  - {to: \"fd00::/8\",\n"
		       "     remote: 192.0.2.8, tunnel: many}\n"
		       "  - {to: default, remote: 192.0.2.9, tunnel: many}",
		       expected);
	assert_written("tunnels:\n" MANY "peers: # three\n"
		       "- to: 10.1.0.0/16\n"
		       "  tunnel: many\n"
		       "  remote: 192.0.2.7\n"
		       "- {to: \"fd00::/8\", remote: \"192.0.2.8\", tunnel: many}\n"
		       "- {to: default, remote: 192.0.2.9, tunnel: many}\n",
		       expected);
}

static void peers_know_where_they_stand(void **unused)
{
	struct cv_state state;

	(void)unused;
	parse_good(&state, "tunnels:\n" MANY "peers:\n"
			   "  - {to: 10.1.0.0/16, remote: 192.0.2.7, tunnel: many}\n"
			   "  - {to: \"fd00::/8\", remote: 192.0.2.8, tunnel: many}\n"
			   "  - {to: \"fd00::/9\", tunnel: many, remote: 192.0.2.8}\n"
			   "rules:\n"
			   "  r:\n"
			   "    action: {verdict: drop}\n");
	for (int i = 0; i < 3; i++) {
		assert_string_equal(state.peers[i].place.file, "f");
		assert_int_equal(state.peers[i].place.line, 4 + i);
		assert_int_equal(state.peers[i].place.column, 10);
	}
	assert_int_equal(state.rules[0].place.line, 8);
	cv_state_fini(&state);
}

static void file_is_added_to_what_is_there(void **unused)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	static const char text[] = "routes: [{to: 10.9.0.0/16, tunnel: blue}]\n";
	struct cv_state state;

	(void)unused;
	parse_good(&state, "tunnels:\n" BLUE);
	assert_int_equal(cv_report_new(&report, stderr, false), 0);
	assert_int_equal(cv_config_parse(&state, "g", text, strlen(text), report), 0);
	assert_int_equal(state.tunnel_count, 1);
	assert_int_equal(state.route_count, 1);
	cv_state_fini(&state);
}

static void whatever_objects_own_is_written_and_copied(void **unused)
{
	static const char all[] =
		"devices:\n"
		"  eth0: {ingress: true, egress: true}\n"
		"apps:\n"
		"  a: {exe: /usr/bin/a, parent-exe: /usr/bin/b, cgroup: /c, netns: any}\n"
		"  b: {unit: b.service}\n"
		"tunnels:\n"
		"  one: {mode: gre, local: 192.0.2.1, remote: [192.0.2.7, 192.0.2.8], weight: [1, 2], key: 1, allow: 10.0.0.0/8}\n"
		"  two: {mode: srv6, local: \"2001:db8::1\", remote: \"2001:db8::2\", segments: [\"2001:db8::3\", \"2001:db8::2\"]}\n"
		"  many: {mode: gre, local: 192.0.2.1, remote: peers, key: 2}\n"
		"peers:\n"
		"  - {to: 10.1.0.0/16, remote: 192.0.2.9, tunnel: many}\n"
		"routes:\n"
		"  - {to: 10.2.0.0/16, hook: [xmit, out], from: [10.3.0.0/16, 10.4.0.0/16], nexthops: [{tunnel: one, weight: 2}, {tunnel: many}]}\n"
		"sets:\n"
		"  nets: {type: prefix, elements: [10.5.0.0/16, 10.6.0.0/16], file: /dev/null}\n"
		"  ports: {type: port, elements: [80, 443-444]}\n"
		"rules:\n"
		"  r: {match: {src: \"@nets\", dst: [10.7.0.0/16, \"2001:db8::/32\"], proto: tcp, sport: [1, 2], dport: \"@ports\", len: 40-100, vlan: [7, 8]}, action: {mark: 0x1}}\n"
		"  s: {match: {src: [10.7.0.0/16, 10.8.0.0/16], proto: tcp, dport: [3, 4]}, action: {verdict: drop}}\n";

	(void)unused;
	assert_written(all, all);
}

static void a_set_may_be_empty(void **unused)
{
	(void)unused;
	assert_written(
		"sets: {none: {type: len, elements: []}, file: {elements: [], type: port, file: /dev/null}}\n",
		"sets:\n  none: {type: len}\n  file: {type: port, file: /dev/null}\n");
}

static void rules_stand_last(void **unused)
{
	static const char devices[] = "devices:\n  eth0: {ingress: true, egress: true}\n";
	CV_FREE char *all = NULL;

	(void)unused;
	assert_int_equal(cv_config_head_len(""), 0);
	assert_int_equal(cv_config_head_len("rules:\n  a: {}\n"), 0);
	assert_int_equal(cv_config_head_len(devices), strlen(devices));
	assert_true(asprintf(&all, "%srules:\n  rules: {}\n", devices) > 0);
	assert_int_equal(cv_config_head_len(all), strlen(devices));
}

/* ---- bad files ---- */

#define HINT_QUOTE "hint: quote an IPv6 address that starts or ends with ':' or stands in [ ]\n"
#define HINT_IPV6 "an IPv6 address in { } or [ ] must be quoted\n"

static void sections_are_mappings_or_lists(void **unused)
{
	(void)unused;
	assert_bad("- a\n", "f:1:1: error: not a mapping\n"
			    "    - a\n"
			    "    ^\n"
			    "hint: devices:, apps:, tunnels:, peers:, routes:, sets:, rules:\n");
	assert_bad("a\n", "f:1:1: error: not a mapping\n"
			  "    a\n"
			  "    ^\n"
			  "hint: devices:, apps:, tunnels:, peers:, routes:, sets:, rules:\n");
	assert_bad("devices: eth0\n", "f:1:10: error: not a mapping of names\n"
				      "    devices: eth0\n"
				      "             ^\n"
				      "hint: as NAME: {key: value, ...}\n");
	assert_bad("tunnels: [blue]\n", "f:1:10: error: not a mapping of names\n"
					"    tunnels: [blue]\n"
					"             ^\n"
					"hint: as NAME: {key: value, ...}\n");
	assert_bad("rules: \"\"\n", "f:1:8: error: not a mapping of names\n"
				    "    rules: \"\"\n"
				    "           ^\n"
				    "hint: as NAME: {key: value, ...}\n");
	assert_bad("routes: {to: default}\n", "f:1:9: error: not a list\n"
					      "    routes: {to: default}\n"
					      "            ^\n"
					      "hint: as - {to: PREFIX, tunnel: NAME}\n");
	assert_bad("options: [1]\n", "f:1:10: error: not a mapping\n"
				     "    options: [1]\n"
				     "             ^\n"
				     "hint: as {mark-mask: 0x7f000000}\n");
	assert_bad("devices: {eth0: up}\n", "f:1:17: error: dev: not a mapping\n"
					    "    devices: {eth0: up}\n"
					    "                    ^\n"
					    "hint: as {key: value, ...}\n");
	assert_bad("rules: {r: {match: tcp, action: [drop]}}\n",
		   "f:1:20: error: match: not a mapping\n"
		   "    rules: {r: {match: tcp, action: [drop]}}\n"
		   "                       ^\n"
		   "hint: as {key: value, ...}\n"
		   "f:1:33: error: action: not a mapping\n"
		   "    rules: {r: {match: tcp, action: [drop]}}\n"
		   "                                    ^\n"
		   "hint: as {key: value, ...}\n");
}

static void unknown_keys_get_a_suggestion(void **unused)
{
	(void)unused;
	assert_bad("device: {eth0: }\n", "f:1:1: error: unknown key \"device\"\n"
					 "    device: {eth0: }\n"
					 "    ^\n"
					 "hint: did you mean \"devices\"?\n");
	assert_bad("firewall: {}\n",
		   "f:1:1: error: unknown key \"firewall\"\n"
		   "    firewall: {}\n"
		   "    ^\n"
		   "hint: devices, apps, tunnels, peers, routes, sets, rules or options\n");
	assert_bad("option: {}\n", "f:1:1: error: unknown key \"option\"\n"
				   "    option: {}\n"
				   "    ^\n"
				   "hint: did you mean \"options\"?\n");
	assert_bad("tunnels:\n"
		   "  blue: {mode: gre, local: 192.0.2.1, remoet: 192.0.2.7}\n",
		   "f:2:39: error: unknown key \"remoet\"\n"
		   "      blue: {mode: gre, local: 192.0.2.1, remoet: 192.0.2.7}\n"
		   "                                          ^\n"
		   "hint: did you mean \"remote\"?\n");
	assert_bad("rules:\n  r: {proto: tcp}\n", "f:2:7: error: unknown key \"proto\"\n"
						  "      r: {proto: tcp}\n"
						  "          ^\n"
						  "hint: did you mean \"prio\"?\n");
	assert_bad("rules:\n  r: {match: {protocol: tcp}}\n",
		   "f:2:15: error: unknown key \"protocol\"\n"
		   "      r: {match: {protocol: tcp}}\n"
		   "                  ^\n"
		   "hint: a rule has the keys that 'culvert rule help' lists\n");
	assert_bad("devices: {eth0: {ingres: true}}\n", "f:1:18: error: unknown key \"ingres\"\n"
							"    devices: {eth0: {ingres: true}}\n"
							"                     ^\n"
							"hint: did you mean \"ingress\"?\n");
}

static void duplicate_keys_are_refused(void **unused)
{
	(void)unused;
	assert_bad("devices: {eth0: , eth0: }\n",
		   "f:1:19: error: duplicate key \"eth0\", first on line 1\n"
		   "    devices: {eth0: , eth0: }\n"
		   "                      ^\n");
	assert_bad("apps: {a: {exe: /x}}\n"
		   "tunnels: {}\n"
		   "apps: {b: {exe: /x}}\n",
		   "f:3:1: error: duplicate key \"apps\", first on line 1\n"
		   "    apps: {b: {exe: /x}}\n"
		   "    ^\n");
	assert_bad("tunnels:\n"
		   "  b:\n"
		   "    mode: gre\n"
		   "    local: 192.0.2.1\n"
		   "    local: 192.0.2.2\n"
		   "    mode: gre\n",
		   "f:5:5: error: duplicate key \"local\", first on line 4\n"
		   "        local: 192.0.2.2\n"
		   "        ^\n"
		   "f:6:5: error: duplicate key \"mode\", first on line 3\n"
		   "        mode: gre\n"
		   "        ^\n"
		   "f:2:3: error: tunnel b: no remote address\n"
		   "      b:\n"
		   "      ^\n"
		   "hint: give remote ADDR\n");
}

static void unquoted_ipv6_is_told_in_flow_style(void **unused)
{
	(void)unused;
	assert_bad("tunnels:\n"
		   "  blue: {mode: gre, local: ::1, remote: ::2}\n",
		   "f:2:28: error: did not find expected node content while parsing a flow node\n"
		   "      blue: {mode: gre, local: ::1, remote: ::2}\n"
		   "                               ^\n" HINT_QUOTE);
	assert_bad("tunnels:\n"
		   "  blue: {mode: gre, remote: 2001:db8::, key: 5}\n",
		   "f:2:38: error: found unexpected ':' while scanning a plain scalar\n"
		   "      blue: {mode: gre, remote: 2001:db8::, key: 5}\n"
		   "                                         ^\n" HINT_QUOTE);
	assert_bad("tunnels:\n"
		   "  blue: {allow: [2001:db8::]}\n",
		   "f:2:27: error: found unexpected ':' while scanning a plain scalar\n"
		   "      blue: {allow: [2001:db8::]}\n"
		   "                              ^\n" HINT_QUOTE);
	assert_bad("routes:\n"
		   "  - {to: ::/0, tunnel: blue}\n",
		   "f:2:10: error: did not find expected node content while parsing a flow node\n"
		   "      - {to: ::/0, tunnel: blue}\n"
		   "             ^\n" HINT_QUOTE);
}

static void unquoted_ipv6_is_told_in_block_style(void **unused)
{
	(void)unused;
	assert_bad("tunnels:\n"
		   "  blue:\n"
		   "    local: 2001:db8::\n",
		   "f:3:21: error: mapping values are not allowed in this context\n"
		   "        local: 2001:db8::\n"
		   "                        ^\n" HINT_QUOTE);
	assert_bad("tunnels:\n"
		   "  blue:\n"
		   "    mode: gre\n"
		   "    local: 192.0.2.1\n"
		   "    remote: 192.0.2.7\n"
		   "    allow:\n"
		   "    - 2001:db8::\n",
		   "f:7:7: error: allow: item 1 is not a single value\n"
		   "        - 2001:db8::\n"
		   "          ^\n"
		   "hint: quote it: \"2001:db8::\"\n");
	assert_bad("tunnels:\n"
		   "  blue:\n"
		   "    local: {a: 5}\n"
		   "    mode: gre\n"
		   "    remote: 192.0.2.7\n"
		   "    allow:\n"
		   "    - 2001: db8::/32\n"
		   "    - [1]\n",
		   "f:3:12: error: local: a mapping, not a single value\n"
		   "        local: {a: 5}\n"
		   "               ^\n"
		   "hint: " HINT_IPV6 "f:7:7: error: allow: item 1 is not a single value\n"
		   "        - 2001: db8::/32\n"
		   "          ^\n"
		   "hint: quote it: \"2001:db8::/32\"\n");
	assert_bad("routes:\n"
		   "  - to: 2001:db8::\n",
		   "f:2:18: error: mapping values are not allowed in this context\n"
		   "      - to: 2001:db8::\n"
		   "                     ^\n" HINT_QUOTE);
	assert_bad("routes:\n"
		   "- to:\n"
		   "    2001:db8::\n"
		   "  tunnel: blue\n",
		   "f:3:5: error: to: not a single value\n"
		   "        2001:db8::\n"
		   "        ^\n"
		   "hint: a prefix; " HINT_IPV6);
}

static void missing_values_are_told(void **unused)
{
	(void)unused;
	assert_bad("tunnels:\n"
		   "  blue: {mode: gre, local: 192.0.2.1, remote: }\n",
		   "f:2:47: error: remote: has no value\n"
		   "      blue: {mode: gre, local: 192.0.2.1, remote: }\n"
		   "                                                  ^\n"
		   "hint: remote: ADDR[,...]|peers; " HINT_IPV6);
	assert_bad("apps:\n"
		   "  web:\n"
		   "    exe:\n"
		   "    uid: \"\"\n",
		   "f:3:9: error: exe: has no value\n"
		   "        exe:\n"
		   "            ^\n"
		   "hint: exe: PATH|GLOB; " HINT_IPV6 "f:4:10: error: uid: has no value\n"
		   "        uid: \"\"\n"
		   "             ^\n");
	assert_bad("rules: {r: {match: {src: []}}}\n", "f:1:26: error: src: has no value\n"
						       "    rules: {r: {match: {src: []}}}\n"
						       "                             ^\n"
						       "hint: src: PREFIX[,...]|@SET; " HINT_IPV6);
	assert_bad("sets: {none: {type: len, elements: }}\n",
		   "f:1:36: error: elements: has no value\n"
		   "    sets: {none: {type: len, elements: }}\n"
		   "                                       ^\n"
		   "hint: elements: A[-B][,...]; " HINT_IPV6);
	assert_bad("routes:\n"
		   "- {tunnel: blue}\n"
		   "- {to: , tunnel: blue}\n"
		   "- 10.9.0.0/16\n"
		   "-\n",
		   "f:2:3: error: no \"to\"\n"
		   "    - {tunnel: blue}\n"
		   "      ^\n"
		   "hint: give to: PREFIX\n"
		   "f:3:8: error: to: not a single value\n"
		   "    - {to: , tunnel: blue}\n"
		   "           ^\n"
		   "hint: a prefix; " HINT_IPV6 "f:4:3: error: not a mapping\n"
		   "    - 10.9.0.0/16\n"
		   "      ^\n"
		   "hint: as - {to: PREFIX, tunnel: NAME}\n"
		   "f:5:2: error: not a mapping\n"
		   "    -\n"
		   "     ^\n"
		   "hint: as - {to: PREFIX, tunnel: NAME}\n");
}

static void values_of_the_wrong_kind_are_told(void **unused)
{
	(void)unused;
	assert_bad("devices: {eth0: {ingress: maybe, prio: [1]}}\n",
		   "f:1:27: error: ingress \"maybe\": not one of false, true, off, on, no, yes\n"
		   "    devices: {eth0: {ingress: maybe, prio: [1]}}\n"
		   "                              ^\n"
		   "f:1:40: error: prio: a list, not a single value\n"
		   "    devices: {eth0: {ingress: maybe, prio: [1]}}\n"
		   "                                           ^\n");
	assert_bad("devices: {eth0: {ingress: , egress: True}}\n",
		   "f:1:27: error: ingress \"\": not one of false, true, off, on, no, yes\n"
		   "    devices: {eth0: {ingress: , egress: True}}\n"
		   "                              ^\n"
		   "f:1:37: error: egress \"True\": not one of false, true, off, on, no, yes\n"
		   "    devices: {eth0: {ingress: , egress: True}}\n"
		   "                                        ^\n"
		   "hint: did you mean \"true\"?\n");
	assert_bad(
		"tunnels:\n"
		"  blue:\n"
		"    mode: gr\n"
		"    local: {192.0.2.1: }\n"
		"    remote: [192.0.2.7, 192.0.2.8]\n"
		"    key: x\n"
		"    allow: 10.9.0.1/16\n",
		"f:3:11: error: mode \"gr\": not one of ipip, gre, gue, fou, vxlan, geneve, srv6\n"
		"        mode: gr\n"
		"              ^\n"
		"hint: did you mean \"gre\"?\n"
		"f:4:12: error: local: a mapping, not a single value\n"
		"        local: {192.0.2.1: }\n"
		"               ^\n"
		"hint: " HINT_IPV6 "f:6:10: error: key \"x\": not a number from 0 to 4294967295\n"
		"        key: x\n"
		"             ^\n"
		"f:7:12: error: allow \"10.9.0.1/16\": has host bits set\n"
		"        allow: 10.9.0.1/16\n"
		"               ^\n"
		"hint: the network is 10.9.0.0/16\n");
	assert_bad("rules:\n"
		   "  r: {match: {dport: [80, x]}, action: {verdict: dorp}}\n",
		   "f:2:22: error: dport \"x\": not a number or range from 0 to 65535\n"
		   "      r: {match: {dport: [80, x]}, action: {verdict: dorp}}\n"
		   "                         ^\n"
		   "f:2:50: error: verdict \"dorp\": not one of next, accept, drop, continue\n"
		   "      r: {match: {dport: [80, x]}, action: {verdict: dorp}}\n"
		   "                                                     ^\n"
		   "hint: did you mean \"drop\"?\n");
	assert_bad("rules:\n"
		   "  r: {action: {verdict: [drop]}}\n",
		   "f:2:25: error: verdict: a list, not a single value\n"
		   "      r: {action: {verdict: [drop]}}\n"
		   "                            ^\n");
}

static void wrong_names_and_prefixes_are_told(void **unused)
{
	(void)unused;
	assert_bad(
		"devices: {eth0/1: }\n",
		"f:1:11: error: dev \"eth0/1\": not a device name (1 to 15 characters, no '/', ':' or blank)\n"
		"    devices: {eth0/1: }\n"
		"              ^\n");
	assert_bad(
		"rules: {a b: }\n",
		"f:1:9: error: rule \"a b\": not a name (1 to 31 letters, digits, '-' or '_', beginning with a letter or digit)\n"
		"    rules: {a b: }\n"
		"            ^\n");
	assert_bad("routes:\n"
		   "- {to: 10.9.0.1/16, tunnel: blue}\n"
		   "- {tunnel: blue, to: x}\n",
		   "f:2:8: error: route \"10.9.0.1/16\": has host bits set\n"
		   "    - {to: 10.9.0.1/16, tunnel: blue}\n"
		   "           ^\n"
		   "hint: the network is 10.9.0.0/16\n"
		   "f:3:22: error: route \"x\": not a prefix\n"
		   "    - {tunnel: blue, to: x}\n"
		   "                         ^\n"
		   "hint: as 10.9.0.0/16 or 2001:db8::/32\n");
}

static void wrong_options_are_told(void **unused)
{
	(void)unused;
	assert_bad("options: {mark-mask: x}\n",
		   "f:1:22: error: mark-mask \"x\": not a number from 1 to 4294967295\n"
		   "    options: {mark-mask: x}\n"
		   "                         ^\n");
	assert_bad(
		"options: {mark-shared: maybe}\n",
		"f:1:24: error: mark-shared \"maybe\": not one of false, true, off, on, no, yes\n"
		"    options: {mark-shared: maybe}\n"
		"                           ^\n");
	assert_bad("options: {mark-sharing: true}\n",
		   "f:1:11: error: unknown key \"mark-sharing\"\n"
		   "    options: {mark-sharing: true}\n"
		   "              ^\n"
		   "hint: options has mark-mask, mark-shared and flow-cache\n");
	assert_bad("options: {mark-mask: [3]}\n",
		   "f:1:22: error: mark-mask: a list, not a single value\n"
		   "    options: {mark-mask: [3]}\n"
		   "                         ^\n");
}

static void faults_of_the_state_stand_at_their_objects(void **unused)
{
	(void)unused;
	assert_bad("devices: {eth0: {ingress: false, egress: false}}\n",
		   "f:1:11: error: dev eth0: neither ingress nor egress\n"
		   "    devices: {eth0: {ingress: false, egress: false}}\n"
		   "              ^\n"
		   "hint: give ingress, egress or both\n");
	assert_bad("apps:\n"
		   "  web:\n"
		   "routes:\n"
		   "- {to: default, tunnel: blue}\n"
		   "rules:\n"
		   "  r: {match: {dport: 22}}\n",
		   "f:2:3: error: app web: no selector, it would be every program\n"
		   "      web:\n"
		   "      ^\n"
		   "hint: give exe, parent-exe, unit, cgroup, uid, gid, comm or netns\n"
		   "f:4:8: error: route default: there is no tunnel blue\n"
		   "    - {to: default, tunnel: blue}\n"
		   "           ^\n"
		   "hint: add the tunnel first, or mend the name\n"
		   "f:6:3: error: rule r: ports without a protocol that has them\n"
		   "      r: {match: {dport: 22}}\n"
		   "      ^\n"
		   "hint: add proto tcp or proto udp\n");
	assert_bad("tunnels:\n" BLUE "routes:\n"
		   "- {to: 10.9.0.0/16, tunnel: blue}\n"
		   "- {to: 10.9.0.0/16, tunnel: blue}\n",
		   "f:5:8: error: route 10.9.0.0/16: given twice, first at f:4:8\n"
		   "    - {to: 10.9.0.0/16, tunnel: blue}\n"
		   "           ^\n");
}

static void faults_of_rules_are_told(void **unused)
{
	(void)unused;
	assert_bad(
		"rules:\n"
		"  a: {match: {src: 10.9.0.1/16, dst: not 10.9.0.1/8}}\n"
		"  b: {match: {proto: tcpp, dscp: 64, dport: 90-80}}\n"
		"  c:\n"
		"    match:\n"
		"      proto: icmp\n"
		"      icmp-type: packet-too-big\n"
		"      vlan: [1, not 2]\n"
		"      dport: not\n"
		"  d: {match: {proto: tcp, icmp-type: 8}}\n"
		"  e: {match: {proto: tcp, sport: 1, sport: 2}}\n"
		"  f: {match: {src: \"@nowhere\", app: not any, tcp-flags: syn/ack}}\n"
		"  g: {match: {src: \"@nowhere\", dport: \"@none\", app: none, exact: true}}\n",
		"f:11:37: error: duplicate key \"sport\", first on line 11\n"
		"      e: {match: {proto: tcp, sport: 1, sport: 2}}\n"
		"                                        ^\n"
		"f:2:20: error: src \"10.9.0.1/16\": has host bits set\n"
		"      a: {match: {src: 10.9.0.1/16, dst: not 10.9.0.1/8}}\n"
		"                       ^\n"
		"hint: the network is 10.9.0.0/16\n"
		"f:2:38: error: dst \"10.9.0.1/8\": has host bits set\n"
		"      a: {match: {src: 10.9.0.1/16, dst: not 10.9.0.1/8}}\n"
		"                                         ^\n"
		"hint: the network is 10.0.0.0/8\n"
		"f:3:22: error: proto \"tcpp\": unknown protocol\n"
		"      b: {match: {proto: tcpp, dscp: 64, dport: 90-80}}\n"
		"                         ^\n"
		"hint: did you mean \"tcp\"?\n"
		"f:3:34: error: dscp \"64\": not a DSCP (0 to 63, or cs0 to cs7, af11 to af43, ef, va, le)\n"
		"      b: {match: {proto: tcpp, dscp: 64, dport: 90-80}}\n"
		"                                     ^\n"
		"f:3:45: error: dport \"90-80\": the range is inverted\n"
		"      b: {match: {proto: tcpp, dscp: 64, dport: 90-80}}\n"
		"                                                ^\n"
		"hint: 80-90\n"
		"f:7:18: error: icmp-type \"packet-too-big\": not a type of ICMP for IPv4\n"
		"          icmp-type: packet-too-big\n"
		"                     ^\n"
		"hint: give proto icmpv6\n"
		"f:8:17: error: vlan: item 2 is negated, which only the whole list can be\n"
		"          vlan: [1, not 2]\n"
		"                    ^\n"
		"hint: as vlan: \"not A,B\"\n"
		"f:9:14: error: dport \"not\": not a number or range from 0 to 65535\n"
		"          dport: not\n"
		"                 ^\n"
		"f:12:37: error: app \"not any\": only a name can be negated\n"
		"      f: {match: {src: \"@nowhere\", app: not any, tcp-flags: syn/ack}}\n"
		"                                        ^\n"
		"hint: app none says it\n"
		"f:12:57: error: tcp-flags \"syn/ack\": flags are outside the mask, it would never match\n"
		"      f: {match: {src: \"@nowhere\", app: not any, tcp-flags: syn/ack}}\n"
		"                                                            ^\n"
		"hint: what stands before the '/' must stand behind it, too\n"
		"f:10:3: error: rule d: icmp-type without a protocol that has it\n"
		"      d: {match: {proto: tcp, icmp-type: 8}}\n"
		"      ^\n"
		"hint: add proto icmp for IPv4 or proto icmpv6 for IPv6\n"
		"f:13:3: error: rule g: ports without a protocol that has them\n"
		"      g: {match: {src: \"@nowhere\", dport: \"@none\", app: none, exact: true}}\n"
		"      ^\n"
		"hint: add proto tcp or proto udp\n"
		"f:13:3: error: rule g: there is no set nowhere\n"
		"      g: {match: {src: \"@nowhere\", dport: \"@none\", app: none, exact: true}}\n"
		"      ^\n"
		"hint: add the set first, or mend the name\n"
		"f:13:3: error: rule g: there is no set none\n"
		"      g: {match: {src: \"@nowhere\", dport: \"@none\", app: none, exact: true}}\n"
		"      ^\n"
		"hint: add the set first, or mend the name\n"
		"f:13:3: error: rule g: exact without an app, it would never match\n"
		"      g: {match: {src: \"@nowhere\", dport: \"@none\", app: none, exact: true}}\n"
		"      ^\n"
		"hint: add app NAME or app any, or leave exact out\n");
}

static void faults_among_peers_are_told(void **unused)
{
	(void)unused;
	assert_bad("tunnels:\n" MANY "peers:\n"
		   "  - {to: 10.1.0.0/16, remote: 192.0.2.7, tunnel: many}\n"
		   "  - {to: 10.1.0.1/16, remote: 192.0.2.7, tunnel: many}\n"
		   "  - {to: 10.1.0.0/16, remote: 192.0.2.8, tunnel: many}\n"
		   "  - {to: 10.2.0.0/16, remote: 192.0.2.8, tunnel: none}\n"
		   "  - {to: 10.3.0.0/16, remote: , tunnel: many}\n"
		   "peers:\n",
		   "f:9:1: error: duplicate key \"peers\", first on line 3\n"
		   "    peers:\n"
		   "    ^\n"
		   "f:5:10: error: peer \"10.1.0.1/16\": has host bits set\n"
		   "      - {to: 10.1.0.1/16, remote: 192.0.2.7, tunnel: many}\n"
		   "             ^\n"
		   "hint: the network is 10.1.0.0/16\n"
		   "f:8:31: error: remote: has no value\n"
		   "      - {to: 10.3.0.0/16, remote: , tunnel: many}\n"
		   "                                  ^\n"
		   "hint: remote: ADDR; " HINT_IPV6
		   "f:6:10: error: peer 10.1.0.0/16 tunnel many: given twice, first at f:4:10\n"
		   "      - {to: 10.1.0.0/16, remote: 192.0.2.8, tunnel: many}\n"
		   "             ^\n"
		   "f:7:10: error: peer 10.2.0.0/16: there is no tunnel none\n"
		   "      - {to: 10.2.0.0/16, remote: 192.0.2.8, tunnel: none}\n"
		   "             ^\n"
		   "hint: add the tunnel first, or mend the name\n");
}

/* A tunnel with a wrong word is there still for the route, and is not said to have no mode. */
static void what_follows_from_a_fault_is_not_reported(void **unused)
{
	(void)unused;
	assert_bad(
		"tunnels:\n"
		"  blue: {mode: x, local: 192.0.2.1, remote: 192.0.2.7}\n"
		"routes:\n"
		"  - {to: default, tunnel: blue}\n",
		"f:2:16: error: mode \"x\": not one of ipip, gre, gue, fou, vxlan, geneve, srv6\n"
		"      blue: {mode: x, local: 192.0.2.1, remote: 192.0.2.7}\n"
		"                   ^\n");
}

static void all_faults_come_in_one_run(void **unused)
{
	(void)unused;
	assert_bad(
		"devces: {}\n"
		"options: {mark-mask: x}\n"
		"apps:\n"
		"  web: {exe: web}\n"
		"  w w: {exe: /web}\n"
		"tunnels:\n"
		"  blue: {mode: gre, local: 192.0.2.1, remote: 192.0.2.1}\n"
		"  red: {mode: gre, local: 192.0.2.1, remote: 192.0.2.2, ttl: 0, vlan: 5}\n"
		"routes:\n"
		"  - {to: 10.9.0.0/33, tunnel: blue}\n"
		"  - {to: 10.9.0.0/16, tunnel: green, app: web}\n"
		"rules:\n"
		"  r: {match: {proto: tpc}}\n",
		"f:1:1: error: unknown key \"devces\"\n"
		"    devces: {}\n"
		"    ^\n"
		"hint: did you mean \"devices\"?\n"
		"f:2:22: error: mark-mask \"x\": not a number from 1 to 4294967295\n"
		"    options: {mark-mask: x}\n"
		"                         ^\n"
		"f:4:14: error: exe \"web\": not an absolute path\n"
		"      web: {exe: web}\n"
		"                 ^\n"
		"hint: as /usr/bin/curl\n"
		"f:5:3: error: app \"w w\": not a name (1 to 31 letters, digits, '-' or '_', beginning with a letter or digit)\n"
		"      w w: {exe: /web}\n"
		"      ^\n"
		"f:8:62: error: ttl \"0\": not a number from 1 to 255\n"
		"      red: {mode: gre, local: 192.0.2.1, remote: 192.0.2.2, ttl: 0, vlan: 5}\n"
		"                                                                 ^\n"
		"f:8:65: error: unknown key \"vlan\"\n"
		"      red: {mode: gre, local: 192.0.2.1, remote: 192.0.2.2, ttl: 0, vlan: 5}\n"
		"                                                                    ^\n"
		"hint: a tunnel has the keys that 'culvert tunnel help' lists\n"
		"f:10:10: error: route \"10.9.0.0/33\": not a prefix, IPv4 has a length of 0 to 32\n"
		"      - {to: 10.9.0.0/33, tunnel: blue}\n"
		"             ^\n"
		"f:13:22: error: proto \"tpc\": unknown protocol\n"
		"      r: {match: {proto: tpc}}\n"
		"                         ^\n"
		"hint: did you mean \"tcp\"?\n"
		"f:7:3: error: tunnel blue: remote is the same address as local\n"
		"      blue: {mode: gre, local: 192.0.2.1, remote: 192.0.2.1}\n"
		"      ^\n"
		"f:11:10: error: route 10.9.0.0/16: there is no tunnel green\n"
		"      - {to: 10.9.0.0/16, tunnel: green, app: web}\n"
		"             ^\n"
		"hint: add the tunnel first, or mend the name\n");
}

static void faults_of_the_applied_state_name_it(void **unused)
{
	CV_FREE char *printed = NULL;
	struct cv_state state;

	(void)unused;
	assert_int_equal(parse(&state, NULL, "devices: {eth0: {prio: 0}}\n", &printed), -EINVAL);
	assert_string_equal(printed,
			    "applied state:1:24: error: prio \"0\": not a number from 1 to 65535\n"
			    "    devices: {eth0: {prio: 0}}\n"
			    "                           ^\n");
	cv_state_fini(&state);
}

static void check_alone_reports_every_fault(void **unused)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	CV_FREE char *printed = NULL;
	CV_FCLOSE FILE *stream = NULL;
	struct cv_state state;
	size_t size = 0;

	(void)unused;
	parse_good(&state, "devices: {eth0: , eth1: }\n");
	stream = open_memstream(&printed, &size);
	assert_non_null(stream);
	assert_int_equal(cv_report_new(&report, stream, false), 0);
	assert_int_equal(cv_config_check(&state, report), 0);
	state.devs[0].ingress = state.devs[0].egress = false;
	state.devs[0].place = (struct cv_place){ 0 };
	strcpy(state.devs[1].name, "eth0");
	assert_int_equal(cv_config_check(&state, report), -EINVAL);
	cv_report_free(&report);
	cv_finish_file(&stream);
	assert_string_equal(
		printed,
		"culvert: dev eth0: neither ingress nor egress; give ingress, egress or both\n"
		"f:1:19: error: dev eth0: given twice\n");
	cv_state_fini(&state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_objects_own_is_written_and_copied),
		cmocka_unit_test(a_set_may_be_empty),
		cmocka_unit_test(rules_stand_last),
		cmocka_unit_test(good_files_are_written_in_one_form),
		cmocka_unit_test(example_of_the_contract_is_good),
		cmocka_unit_test(objects_know_where_they_stand),
		cmocka_unit_test(peers_read_the_same_in_any_form),
		cmocka_unit_test(peers_know_where_they_stand),
		cmocka_unit_test(file_is_added_to_what_is_there),
		cmocka_unit_test(sections_are_mappings_or_lists),
		cmocka_unit_test(unknown_keys_get_a_suggestion),
		cmocka_unit_test(duplicate_keys_are_refused),
		cmocka_unit_test(unquoted_ipv6_is_told_in_flow_style),
		cmocka_unit_test(unquoted_ipv6_is_told_in_block_style),
		cmocka_unit_test(missing_values_are_told),
		cmocka_unit_test(values_of_the_wrong_kind_are_told),
		cmocka_unit_test(wrong_names_and_prefixes_are_told),
		cmocka_unit_test(wrong_options_are_told),
		cmocka_unit_test(faults_of_the_state_stand_at_their_objects),
		cmocka_unit_test(faults_of_rules_are_told),
		cmocka_unit_test(faults_among_peers_are_told),
		cmocka_unit_test(what_follows_from_a_fault_is_not_reported),
		cmocka_unit_test(all_faults_come_in_one_run),
		cmocka_unit_test(faults_of_the_applied_state_name_it),
		cmocka_unit_test(check_alone_reports_every_fault),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
