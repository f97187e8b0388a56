/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of socket.c: which sockets a packet may belong to, and which of them is closer. */
#include "socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HERE "10.8.0.1"
#define THERE "10.9.0.1"

static void set_addr(__be32 out[4], const char *text)
{
	memset(out, 0, 4 * sizeof(*out));
	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, out), 1);
}

/* TCP from HERE:40000 to THERE:443. */
static struct cv_socket_key a_key(void)
{
	struct cv_socket_key key = {
		.family = 4, .proto = IPPROTO_TCP, .local_port = 40000, .remote_port = 443
	};

	set_addr(key.local, HERE);
	set_addr(key.remote, THERE);
	return key;
}

/* One that is bound to the port alone. */
static struct cv_socket a_socket(void)
{
	return (struct cv_socket){ .family = 4, .proto = IPPROTO_TCP, .local_port = 40000 };
}

static struct cv_socket a_connected_socket(void)
{
	struct cv_socket socket = a_socket();

	set_addr(socket.local, HERE);
	set_addr(socket.remote, THERE);
	socket.remote_port = 443;
	return socket;
}

static void the_connected_one_is_closest(void **unused)
{
	const struct cv_socket_key key = a_key();
	struct cv_socket both = a_socket(), any = a_socket(), bound = a_socket();
	struct cv_socket connected = a_connected_socket();

	(void)unused;
	both.family = 6;
	both.takes_ipv4 = 1;
	set_addr(bound.local, HERE);
	assert_true(cv_socket_fit(&both, &key) > 0);
	assert_true(cv_socket_fit(&any, &key) > cv_socket_fit(&both, &key));
	assert_true(cv_socket_fit(&bound, &key) > cv_socket_fit(&any, &key));
	assert_true(cv_socket_fit(&connected, &key) > cv_socket_fit(&bound, &key));
}

static void what_differs_does_not_fit(void **unused)
{
	const struct cv_socket good = a_connected_socket();
	const struct cv_socket_key key = a_key();
	struct cv_socket others[7];

	(void)unused;
	for (size_t i = 0; i < 7; i++)
		others[i] = good;
	others[0].proto = IPPROTO_UDP;
	others[1].family = 6;
	others[2].local_port++;
	others[3].remote_port++;
	set_addr(others[4].local, THERE);
	set_addr(others[5].remote, HERE);
	others[6].local[3] = 1;
	assert_true(cv_socket_fit(&good, &key) > 0);
	for (size_t i = 0; i < 7; i++)
		if (cv_socket_fit(&others[i], &key))
			fail_msg("socket %zu fits", i);
}

static void what_is_not_asked_for_may_be_anything(void **unused)
{
	struct cv_socket socket = a_connected_socket();
	struct cv_socket_key key = a_key();

	(void)unused;
	key.proto = 0;
	key.local_port = key.remote_port = 0;
	assert_true(cv_socket_fit(&socket, &key) > 0);
	key.pid = 77;
	assert_int_equal(cv_socket_fit(&socket, &key), 0);
	socket.owner.tgid = 77;
	assert_true(cv_socket_fit(&socket, &key) > 0);
}

static void sockets_without_ports_have_none_to_differ(void **unused)
{
	struct cv_socket_key key = a_key();
	struct cv_socket ping = { .family = 4, .proto = IPPROTO_ICMP, .local_port = 5 };

	(void)unused;
	key.proto = IPPROTO_ICMP;
	assert_true(cv_socket_fit(&ping, &key) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_connected_one_is_closest),
		cmocka_unit_test(what_differs_does_not_fit),
		cmocka_unit_test(what_is_not_asked_for_may_be_anything),
		cmocka_unit_test(sockets_without_ports_have_none_to_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
