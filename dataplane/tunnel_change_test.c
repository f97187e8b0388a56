/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tunnel_change.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cv_tunnel blue(void)
{
	struct cv_tunnel tunnel = {
		.name = "blue",
		.mode = CV_MODE_GRE,
		.family = 4,
		.ttl = 64,
		.mtu_bytes = 1472,
		.flags = CV_TUNNEL_KEY | CV_TUNNEL_ECN | CV_TUNNEL_DF_ON,
		.key = htonl(5),
		.generation = 3,
	};

	tunnel.local[0] = htonl(0xc0000201);
	tunnel.remote[0] = htonl(0xc0000207);
	return tunnel;
}

static void assert_change(const struct cv_tunnel *wanted, const char *expected)
{
	struct cv_tunnel live = blue();
	char text[256];

	cv_tunnel_change(&live, wanted, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void nothing_is_told_of_equal_ones(void **state)
{
	struct cv_tunnel wanted = blue();

	(void)state;
	assert_change(&wanted, "");
}

static void values_are_told_as_they_are_given(void **state)
{
	struct cv_tunnel wanted = blue();

	(void)state;
	wanted.remote[0] = htonl(0xc0000208);
	wanted.key = htonl(6);
	wanted.flags |= CV_TUNNEL_TTL_INHERIT;
	wanted.mtu_bytes = 1400;
	assert_change(&wanted, "remote 192.0.2.7 -> 192.0.2.8, key 5 -> 6, ttl 64 -> inherit, "
			       "mtu 1472 -> 1400");
}

static void a_vni_is_told_without_the_byte_behind_it(void **state)
{
	struct cv_tunnel wanted = blue();

	(void)state;
	wanted.mode = CV_MODE_VXLAN;
	wanted.key = htonl(7 << 8);
	assert_change(&wanted, "mode gre -> vxlan, key 5 -> 7");
}

static void flags_are_told_as_words(void **state)
{
	struct cv_tunnel wanted = blue();

	(void)state;
	wanted.flags = CV_TUNNEL_DSCP_INHERIT | CV_TUNNEL_DSCP_UNIFORM | CV_TUNNEL_NO_PROBE |
		       CV_TUNNEL_DF_INHERIT;
	assert_change(&wanted, "key 5 -> none, dscp 0 -> uniform, df on -> inherit, ecn on -> off, "
			       "probe on -> off");
}

static void what_has_no_word_is_told_to_differ(void **state)
{
	struct cv_tunnel wanted = blue();

	(void)state;
	wanted.payload6[3] = 1;
	wanted.allow_generation = 9;
	wanted.switch_ns = 1;
	wanted.flags |= CV_TUNNEL_RULES;
	wanted.guard_mark = 1;
	wanted.return_mark = 1;
	wanted.ifindex = 7;
	wanted.generation = 4;
	assert_change(&wanted, "header, allow, old key, rules that drop, mark mask, "
			       "mark of replies, device to the remote, program");
}

static void several_remotes_are_told_in_one_word(void **state)
{
	struct cv_tunnel wanted = blue();

	(void)state;
	wanted.remote_kind = CV_REMOTE_SET;
	wanted.remote_slot = 11;
	assert_change(&wanted, "remote 192.0.2.7 -> several");
	wanted = blue();
	wanted.remote_slot = 11;
	assert_change(&wanted, "remotes");
}

static void a_text_ends_where_the_room_does(void **state)
{
	struct cv_tunnel live = blue(), wanted = blue();
	char text[32];

	(void)state;
	wanted.ttl = 9;
	wanted.dscp = 10;
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		cv_tunnel_change(&live, &wanted, text, size);
		assert_true(strlen(text) < size);
		assert_int_equal(strncmp(text, "ttl 64 -> 9, dscp 0 -> 10", strlen(text)), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_told_of_equal_ones),
		cmocka_unit_test(values_are_told_as_they_are_given),
		cmocka_unit_test(a_vni_is_told_without_the_byte_behind_it),
		cmocka_unit_test(flags_are_told_as_words),
		cmocka_unit_test(what_has_no_word_is_told_to_differ),
		cmocka_unit_test(several_remotes_are_told_in_one_word),
		cmocka_unit_test(a_text_ends_where_the_room_does),
	};

	return cmocka_run_group_tests_name("tunnel_change", tests, NULL, NULL);
}
