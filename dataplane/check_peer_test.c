/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of check_peer.c: peers that make no sense, each beside the nearest that do. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi.h"
#include "culvert.h"
#include "own.h"

static struct cv_addr addr_of(const char *text)
{
	struct cv_addr addr = { .family = strchr(text, ':') ? 6 : 4 };

	assert_int_equal(inet_pton(addr.family == 4 ? AF_INET : AF_INET6, text, addr.bytes), 1);
	return addr;
}

static void add_tunnel(struct cv_state *state, const char *name, const char *local,
		       const char *remote, uint32_t key)
{
	struct cv_tunnel_conf conf = {
		.mode = CV_TUNNEL_MODE_GRE,
		.local = addr_of(local),
		.has_peers = !remote,
		.has_key = key,
		.key = key,
	};

	snprintf(conf.name, sizeof(conf.name), "%s", name);
	if (remote) {
		conf.remotes.items = calloc(1, sizeof(*conf.remotes.items));
		assert_non_null(conf.remotes.items);
		conf.remotes.items[conf.remotes.count++] = addr_of(remote);
	}
	assert_int_equal(cv_state_add_tunnel(state, &conf, NULL), 0);
}

static void add_peer(struct cv_state *state, const char *to, uint8_t bits, const char *remote,
		     const char *tunnel)
{
	struct cv_peer_conf conf = { .to = { addr_of(to), bits } };

	if (remote)
		conf.remote = addr_of(remote);
	snprintf(conf.tunnel, sizeof(conf.tunnel), "%s", tunnel);
	assert_int_equal(cv_state_add_peer(state, &conf, NULL), 0);
}

static void print_fault(const struct cv_err *err, void *arg)
{
	fprintf(arg, "%s\n", err->text);
}

/* What every case adds to: many and more have peers, one has not. */
static void make_state(struct cv_state *state)
{
	cv_state_init(state);
	add_tunnel(state, "many", "192.0.2.1", NULL, 0);
	add_tunnel(state, "more", "2001:db8::1", NULL, 0);
	add_tunnel(state, "one", "192.0.2.1", "192.0.2.9", 0);
	add_peer(state, "10.1.0.0", 16, "192.0.2.2", "many");
	add_peer(state, "fd00:1::", 32, "192.0.2.2", "many");
}

static void assert_faults(struct cv_state *state, const char *expected)
{
	CV_FREE char *printed = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&printed, &size);
	assert_non_null(stream);
	cv_state_check(state, print_fault, stream);
	assert_int_equal(cv_finish_file(&stream), 0);
	assert_string_equal(printed, expected);
	cv_state_fini(state);
}

static void good_peers_have_no_fault(void **unused)
{
	struct cv_state state;

	(void)unused;
	make_state(&state);
	add_peer(&state, "10.1.0.0", 17, "192.0.2.2", "many");
	add_peer(&state, "10.1.0.0", 16, "2001:db8::2", "more");
	add_peer(&state, "0.0.0.0", 0, "192.0.2.3", "many");
	add_peer(&state, "::", 0, "192.0.2.3", "many");
	assert_faults(&state, "");
}

static void faults_of_single_peers(void **unused)
{
	static const struct {
		const char *to;
		uint8_t bits;
		const char *remote;
		const char *tunnel;
		const char *expected;
	} cases[] = {
		{ "10.2.0.0", 16, NULL, "many", "peer 10.2.0.0/16: no remote address\n" },
		{ "10.2.0.0", 16, "192.0.2.2", "", "peer 10.2.0.0/16: no tunnel\n" },
		{ "10.2.0.0", 16, "192.0.2.2", "none",
		  "peer 10.2.0.0/16: there is no tunnel none\n" },
		{ "10.2.0.0", 16, "192.0.2.2", "one",
		  "peer 10.2.0.0/16: tunnel one has remotes of its own\n" },
		{ "10.1.0.0", 16, "192.0.2.3", "many",
		  "peer 10.1.0.0/16 tunnel many: given twice\n" },
		{ "10.2.0.0", 16, "2001:db8::2", "many",
		  "peer 10.2.0.0/16: remote is IPv6, tunnel many is IPv4\n" },
		{ "10.2.0.0", 16, "192.0.2.1", "many",
		  "peer 10.2.0.0/16: remote is the same address as local of tunnel many\n" },
		{ "10.2.0.0", 16, "224.0.0.5", "many",
		  "peer 10.2.0.0/16: remote 224.0.0.5 is no host's address\n" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cv_state state;

		make_state(&state);
		add_peer(&state, cases[i].to, cases[i].bits, cases[i].remote, cases[i].tunnel);
		assert_faults(&state, cases[i].expected);
	}
}

static void default_is_both_families(void **unused)
{
	struct cv_peer_conf both = { .tunnel = "many" };
	struct cv_state state;

	(void)unused;
	make_state(&state);
	both.remote = addr_of("192.0.2.2");
	assert_int_equal(cv_state_add_peer(&state, &both, NULL), 0);
	add_peer(&state, "0.0.0.0", 0, "192.0.2.3", "many");
	assert_faults(&state, "peer 0.0.0.0/0 tunnel many: given twice\n");
}

static void a_sender_belongs_to_one_tunnel(void **unused)
{
	struct cv_state state;

	(void)unused;
	make_state(&state);
	add_peer(&state, "10.2.0.0", 16, "192.0.2.9", "many");
	assert_faults(&state, "tunnel one: same mode, local and key as tunnel many, and both have "
			      "remote 192.0.2.9\n");
	make_state(&state);
	add_tunnel(&state, "keyed", "192.0.2.1", NULL, 7);
	add_peer(&state, "10.2.0.0", 16, "192.0.2.9", "keyed");
	assert_faults(&state, "");
	make_state(&state);
	add_tunnel(&state, "again", "192.0.2.1", NULL, 0);
	add_peer(&state, "10.2.0.0", 16, "192.0.2.3", "again");
	add_peer(&state, "10.3.0.0", 16, "192.0.2.2", "again");
	assert_faults(&state, "tunnel again: same mode, local and key as tunnel many, and both "
			      "have remote 192.0.2.2\n");
}

static void there_is_a_limit(void **unused)
{
	struct cv_state state;
	char to[32];

	(void)unused;
	make_state(&state);
	for (uint32_t i = 0; state.peer_count < CV_MAX_PEERS; i++) {
		snprintf(to, sizeof(to), "11.%u.%u.%u", i >> 16, i >> 8 & 0xff, i & 0xff);
		add_peer(&state, to, 32, "192.0.2.2", "many");
	}
	add_peer(&state, "12.0.0.0", 8, "192.0.2.2", "many");
	assert_faults(&state, "131073 peers: more than the 131072 that one instance holds\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_peers_have_no_fault),
		cmocka_unit_test(faults_of_single_peers),
		cmocka_unit_test(default_is_both_families),
		cmocka_unit_test(a_sender_belongs_to_one_tunnel),
		cmocka_unit_test(there_is_a_limit),
	};

	return cmocka_run_group_tests_name("check_peer", tests, NULL, NULL);
}
