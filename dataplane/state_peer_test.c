/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of state_peer.c: peers are found by prefix and tunnel, whatever came and went before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "culvert.h"

#define PEERS 300 /* past several doublings */
#define ROUNDS 20000

/* The peer of a number: few prefixes and tunnels, so that many share one. */
static struct cv_peer_conf peer_of(unsigned int number)
{
	struct cv_peer_conf peer = {
		.to = { .addr = { .family = 4, .bytes = { 10, number % 50 } }, .bits = 16 },
		.remote = { .family = 4, .bytes = { 192, 0, 2, 1 } },
	};

	snprintf(peer.tunnel, sizeof(peer.tunnel), "t%u", number / 50);
	return peer;
}

static void add_peer(struct cv_state *state, unsigned int number)
{
	struct cv_peer_conf peer = peer_of(number);

	assert_int_equal(cv_state_add_peer(state, &peer, NULL), 0);
}

static struct cv_peer_conf *find_peer(const struct cv_state *state, unsigned int number)
{
	struct cv_peer_conf peer = peer_of(number);

	return cv_state_find_peer(state, &peer);
}

static size_t count_prefix(const struct cv_state *state, const struct cv_prefix *to)
{
	struct cv_peer_conf *peer = NULL;
	size_t count = 0;

	while ((peer = cv_state_next_peer(state, to, peer)))
		count++;
	return count;
}

static void peers_are_found_by_prefix_and_tunnel(void **unused)
{
	struct cv_peer_conf other = peer_of(0);
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	assert_null(find_peer(&state, 0));
	for (unsigned int i = 0; i < PEERS; i++)
		add_peer(&state, i);
	for (unsigned int i = 0; i < PEERS; i++)
		assert_ptr_equal(find_peer(&state, i), &state.peers[i]);
	assert_int_equal(count_prefix(&state, &other.to), PEERS / 50);
	other.to.bits = 15;
	assert_null(cv_state_find_peer(&state, &other));
	cv_state_fini(&state);
}

static void the_first_of_two_is_found(void **unused)
{
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	add_peer(&state, 7);
	add_peer(&state, 7);
	assert_ptr_equal(find_peer(&state, 7), &state.peers[0]);
	cv_state_fini(&state);
}

static void default_is_that_of_both_families(void **unused)
{
	static const uint8_t families[] = { 0, 4, 6 };
	struct cv_peer_conf all = { .tunnel = "t" };
	struct cv_state state;

	(void)unused;
	cv_state_init(&state);
	assert_int_equal(cv_state_add_peer(&state, &all, NULL), 0);
	for (size_t i = 0; i < sizeof(families); i++) {
		struct cv_peer_conf one = all;

		one.to.addr.family = families[i];
		assert_ptr_equal(cv_state_find_peer(&state, &one), state.peers);
	}
	state.peers[0].to.addr.family = 6;
	all.to.addr.family = 4;
	assert_null(cv_state_find_peer(&state, &all));
	cv_state_fini(&state);
}

/* Comes and goes at random; what is there must be found, and nothing else. */
static void peers_come_and_go(void **unused)
{
	bool is_there[PEERS] = { false };
	struct cv_state state;
	size_t count = 0;

	(void)unused;
	cv_state_init(&state);
	srandom(1);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned int number = random() % PEERS, asked = random() % PEERS;

		if (is_there[number])
			cv_state_del_peer(&state, find_peer(&state, number));
		else
			add_peer(&state, number);
		is_there[number] = !is_there[number];
		count += is_there[number] ? 1 : -1;
		assert_int_equal(state.peer_count, count);
		assert_int_equal(!!find_peer(&state, asked), is_there[asked]);
	}
	for (unsigned int i = 0; i < PEERS; i++) {
		struct cv_peer_conf wanted = peer_of(i), *found = find_peer(&state, i);

		assert_int_equal(!!found, is_there[i]);
		if (found)
			assert_memory_equal(found, &wanted, sizeof(wanted));
	}
	cv_state_fini(&state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_are_found_by_prefix_and_tunnel),
		cmocka_unit_test(the_first_of_two_is_found),
		cmocka_unit_test(default_is_that_of_both_families),
		cmocka_unit_test(peers_come_and_go),
	};

	return cmocka_run_group_tests_name("state_peer", tests, NULL, NULL);
}
