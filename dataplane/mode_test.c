/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of mode.c: the header templates byte by byte, their lengths, keys and addresses. */
#include "mode.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define IPIP 4
#define IPV6 41
#define GRE 47
#define UDP 17
#define ROUTING 43

static struct cv_addr addr_of(const char *text)
{
	struct cv_addr addr = { .family = strchr(text, ':') ? 6 : 4 };

	assert_int_equal(inet_pton(addr.family == 4 ? AF_INET : AF_INET6, text, addr.bytes), 1);
	return addr;
}

/* A tunnel and what must come of it; hexadecimal, with spaces for the eye. */
struct mode_case {
	struct cv_tunnel_conf conf; /* without addresses */
	const char *const *segments;
	enum cv_mode mode;
	uint8_t proto4, proto6;
	const char *payload4, *payload6;
	uint32_t key; /* as the header has it */
};

static const struct mode_case cases[] = {
	{ { .mode = CV_TUNNEL_MODE_IPIP }, NULL, CV_MODE_IPIP, IPIP, IPV6, "", "", 0 },
	{ { .mode = CV_TUNNEL_MODE_GRE },
	  NULL,
	  CV_MODE_GRE,
	  GRE,
	  GRE,
	  "0000 0800",
	  "0000 86dd",
	  0 },
	{ { .mode = CV_TUNNEL_MODE_GRE, .has_key = true, .key = 0x11223344 },
	  NULL,
	  CV_MODE_GRE,
	  GRE,
	  GRE,
	  "2000 0800 11223344",
	  "2000 86dd 11223344",
	  0x11223344 },
	{ { .mode = CV_TUNNEL_MODE_GRE, .has_key = true },
	  NULL,
	  CV_MODE_GRE,
	  GRE,
	  GRE,
	  "2000 0800 00000000",
	  "2000 86dd 00000000",
	  0 },
	{ { .mode = CV_TUNNEL_MODE_GUE },
	  NULL,
	  CV_MODE_GUE,
	  UDP,
	  UDP,
	  "0000 17c0 0000 0000 00 04 0000",
	  "0000 17c0 0000 0000 00 29 0000",
	  0 },
	{ { .mode = CV_TUNNEL_MODE_GUE, .has_variant = true, .variant = 1, .dport = 0xffff },
	  NULL,
	  CV_MODE_GUE,
	  UDP,
	  UDP,
	  "0000 ffff 0000 0000",
	  "0000 ffff 0000 0000",
	  0 },
	{ { .mode = CV_TUNNEL_MODE_FOU },
	  NULL,
	  CV_MODE_FOU,
	  UDP,
	  UDP,
	  "0000 15b3 0000 0000",
	  "0000 15b3 0000 0000",
	  0 },
	{ { .mode = CV_TUNNEL_MODE_VXLAN,
	    .has_vni = true,
	    .vni = 0x123456,
	    .inner_smac = { true, { 2, 0, 0x5e, 0, 0x53, 1 } },
	    .inner_dmac = { true, { 2, 0, 0x5e, 0, 0x53, 2 } } },
	  NULL,
	  CV_MODE_VXLAN,
	  UDP,
	  UDP,
	  "0000 12b5 0000 0000 08000000 12345600 02005e005302 02005e005301 0800",
	  "0000 12b5 0000 0000 08000000 12345600 02005e005302 02005e005301 86dd",
	  0x12345600 },
	{ { .mode = CV_TUNNEL_MODE_GENEVE,
	    .has_vni = true,
	    .vni = CV_VNI_MAX,
	    .dport = 1,
	    .inner_smac = { true, { 2, 0, 0x5e, 0, 0x53, 1 } },
	    .inner_dmac = { true, { 2, 0, 0x5e, 0, 0x53, 2 } } },
	  NULL,
	  CV_MODE_GENEVE,
	  UDP,
	  UDP,
	  "0000 0001 0000 0000 0000 6558 ffffff00 02005e005302 02005e005301 0800",
	  "0000 0001 0000 0000 0000 6558 ffffff00 02005e005302 02005e005301 86dd",
	  0xffffff00 },
};

static const struct mode_case srv6_cases[] = {
	{ { .mode = CV_TUNNEL_MODE_SRV6 },
	  NULL,
	  CV_MODE_SRV6,
	  ROUTING,
	  ROUTING,
	  "04 02 04 00 00 00 0000 20010db8000000000000000000000007",
	  "29 02 04 00 00 00 0000 20010db8000000000000000000000007",
	  0 },
	{ { .mode = CV_TUNNEL_MODE_SRV6 },
	  (const char *const[]){ "2001:db8::a", "2001:db8::b", "2001:db8::c", NULL },
	  CV_MODE_SRV6,
	  ROUTING,
	  ROUTING,
	  "04 06 04 02 02 00 0000 20010db800000000000000000000000c 20010db800000000000000000000000b 20010db800000000000000000000000a",
	  "29 06 04 02 02 00 0000 20010db800000000000000000000000c 20010db800000000000000000000000b 20010db800000000000000000000000a",
	  0 },
};

static size_t from_hex(const char *text, uint8_t *bytes)
{
	size_t len = 0;
	unsigned int byte;

	for (; *text; text += *text == ' ' ? 1 : 2)
		if (*text != ' ') {
			assert_int_equal(sscanf(text, "%2x", &byte), 1);
			bytes[len++] = byte;
		}
	return len;
}

static void assert_template(const uint8_t *actual, const char *expected)
{
	uint8_t bytes[CV_MAX_PAYLOAD_HDR] = { 0 }; /* nothing behind the header */

	from_hex(expected, bytes);
	assert_memory_equal(actual, bytes, sizeof(bytes));
}

static void run_case(const struct mode_case *test, const char *local, const char *remote)
{
	struct cv_addr remotes[] = { addr_of(remote), addr_of(remote) }, segments[CV_MAX_SEGMENTS];
	uint8_t bytes[CV_MAX_PAYLOAD_HDR];
	struct cv_tunnel_conf conf = test->conf;
	struct cv_tunnel tunnel = { 0 };

	conf.local = addr_of(local);
	conf.remotes = (struct cv_addrs){ remotes, 1 };
	conf.segments.items = segments;
	while (test->segments && test->segments[conf.segments.count]) {
		segments[conf.segments.count] = addr_of(test->segments[conf.segments.count]);
		conf.segments.count++;
	}
	tunnel.family = conf.local.family;
	cv_mode_fill(&conf, &tunnel);
	assert_int_equal(tunnel.mode, test->mode);
	assert_int_equal(tunnel.proto4, test->proto4);
	assert_int_equal(tunnel.proto6, test->proto6);
	assert_int_equal(ntohl(tunnel.key), test->key);
	assert_template(tunnel.payload4, test->payload4);
	assert_template(tunnel.payload6, test->payload6);
	assert_int_equal(tunnel.hdr_len,
			 from_hex(test->payload4, bytes) + (tunnel.family == 4 ? 20 : 40));
	assert_true(test->conf.mode == CV_TUNNEL_MODE_SRV6 ||
		    from_hex(test->payload4, bytes) <= CV_SHORT_PAYLOAD_HDR);
}

static void templates_are_right_in_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		run_case(&cases[i], "192.0.2.1", "192.0.2.7");
		run_case(&cases[i], "2001:db8::1", "2001:db8::7");
	}
	for (size_t i = 0; i < CV_COUNT(srv6_cases); i++)
		run_case(&srv6_cases[i], "2001:db8::1", "2001:db8::7");
}

static void longest_segment_list_has_room(void **state)
{
	struct cv_addr segments[CV_MAX_SEGMENTS] = { { 0 } }, remote = addr_of("::1");
	struct cv_tunnel_conf conf = {
		.mode = CV_TUNNEL_MODE_SRV6,
		.remotes = { &remote, 1 },
		.segments = { segments, CV_MAX_SEGMENTS },
	};
	struct cv_tunnel tunnel = { .family = 6 };

	(void)state;
	for (uint8_t i = 0; i < CV_MAX_SEGMENTS; i++)
		memset(segments[i].bytes, i + 1, sizeof(segments[i].bytes));
	cv_mode_fill(&conf, &tunnel);
	assert_int_equal(tunnel.hdr_len, CV_MAX_HDR_LEN);
	assert_int_equal(tunnel.payload4[1], 2 * CV_MAX_SEGMENTS);
	assert_int_equal(tunnel.payload4[3], CV_MAX_SEGMENTS - 1);
	for (size_t i = 0; i < CV_MAX_SEGMENTS; i++)
		assert_memory_equal(tunnel.payload6 + 8 + 16 * i,
				    segments[CV_MAX_SEGMENTS - 1 - i].bytes, 16);
}

/* The end that sends and the one that receives come to the same two addresses. */
static void ethernet_addresses_are_made_of_the_ends(void **state)
{
	static const struct {
		const char *local, *remote;
		uint8_t source[6], destination[6];
	} pairs[] = {
		{ "192.0.2.1", "198.51.100.7", { 2, 0, 192, 0, 2, 1 }, { 2, 0, 198, 51, 100, 7 } },
		{ "2001:db8::a1b2:c3d4",
		  "2001:db8::ff:1",
		  { 2, 0, 0xa1, 0xb2, 0xc3, 0xd4 },
		  { 2, 0, 0, 0xff, 0, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(pairs); i++) {
		struct cv_addr remote = addr_of(pairs[i].remote), local = addr_of(pairs[i].local);
		struct cv_tunnel_conf here = { .local = local, .remotes = { &remote, 1 } };
		struct cv_tunnel_conf there = { .local = remote, .remotes = { &local, 1 } };
		struct cv_mac source, destination, back_source, back_destination;

		cv_tunnel_conf_macs(&here, &source, &destination);
		assert_memory_equal(source.bytes, pairs[i].source, 6);
		assert_memory_equal(destination.bytes, pairs[i].destination, 6);
		cv_tunnel_conf_macs(&there, &back_source, &back_destination);
		assert_memory_equal(back_source.bytes, destination.bytes, 6);
		assert_memory_equal(back_destination.bytes, source.bytes, 6);
	}
}

static void given_ethernet_addresses_are_taken(void **state)
{
	struct cv_addr remote = addr_of("192.0.2.7");
	struct cv_tunnel_conf conf = {
		.local = addr_of("192.0.2.1"),
		.remotes = { &remote, 1 },
		.inner_dmac = { true, { 6, 5, 4, 3, 2, 1 } },
	};
	struct cv_mac source, destination;

	(void)state;
	cv_tunnel_conf_macs(&conf, &source, &destination);
	assert_memory_equal(source.bytes, "\x02\x00\xc0\x00\x02\x01", 6);
	assert_memory_equal(destination.bytes, conf.inner_dmac.bytes, 6);
	/* The remotes are those of peers: nobody's address. */
	conf.remotes.count = 0;
	conf.inner_dmac.is_given = false;
	cv_tunnel_conf_macs(&conf, &source, &destination);
	assert_memory_equal(destination.bytes, "\x02\x00\x00\x00\x00\x00", 6);
}

static void srv6_sends_to_its_first_segment_and_arrives_at_its_sid(void **state)
{
	struct cv_addr remotes[] = { addr_of("2001:db8::7"), addr_of("2001:db8::8") };
	struct cv_addr segment = addr_of("2001:db8:a::1");
	struct cv_tunnel_conf conf = {
		.local = addr_of("2001:db8::1"),
		.remotes = { remotes, 2 },
	};

	(void)state;
	assert_ptr_equal(cv_mode_destination(&conf, 1), &remotes[1]);
	assert_ptr_equal(cv_mode_arrival(&conf), &conf.local);
	conf.segments = (struct cv_addrs){ &segment, 1 };
	conf.sid = addr_of("2001:db8:c::1");
	assert_ptr_equal(cv_mode_destination(&conf, 0), &segment);
	assert_ptr_equal(cv_mode_arrival(&conf), &conf.sid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_are_right_in_every_byte),
		cmocka_unit_test(longest_segment_list_has_room),
		cmocka_unit_test(ethernet_addresses_are_made_of_the_ends),
		cmocka_unit_test(given_ethernet_addresses_are_taken),
		cmocka_unit_test(srv6_sends_to_its_first_segment_and_arrives_at_its_sid),
	};

	return cmocka_run_group_tests_name("mode", tests, NULL, NULL);
}
