/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of what is learned from ICMP: a message that quotes an outer packet of a tunnel tells
 * the MTU of its path, and no other message does. Every message goes on as it came.
 */
#include "classifier.h"

#define LOCAL4 "192.0.2.1"
#define LOCAL6 "2001:db8::1"
#define REMOTE4 "192.0.2.2"
#define REMOTE6 "2001:db8::2"
#define GUE_PORT 6080
#define VXLAN_PORT 4789
#define UDP_TUNNELS(id, mode, port)                                                                \
	{ id, mode, 4, LOCAL4, REMOTE4, port },                                                    \
	{                                                                                          \
		id + 1, mode, 6, LOCAL6, REMOTE6, port                                             \
	}

enum tunnel_id { T_GRE = 1, T_IPIP = 3, T_GUE = 5, T_VXLAN = 7, T_SRV6 = 9, T_END };

struct path_end {
	uint32_t tunnel;
	uint8_t mode;
	uint8_t family;
	const char *local;
	const char *remote;
	uint16_t port;
};

static const struct path_end ends[] = {
	UDP_TUNNELS(T_GRE, CV_MODE_GRE, 0),
	UDP_TUNNELS(T_IPIP, CV_MODE_IPIP, 0),
	UDP_TUNNELS(T_GUE, CV_MODE_GUE, GUE_PORT),
	UDP_TUNNELS(T_VXLAN, CV_MODE_VXLAN, VXLAN_PORT),
	{ T_SRV6, CV_MODE_SRV6, 6, LOCAL6, "2001:db8:5::1", 0 },
};

static int ends_setup(void **state)
{
	static struct cv_ports ports;
	uint32_t zero = 0;
	int rc = group_setup(state);

	if (rc || !progrun.object)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct cv_endpoint endpoint = { .tunnel = ends[i].tunnel };
		int af = ends[i].family == 4 ? AF_INET : AF_INET6;
		struct cv_endpoint_key key = {
			.port = ends[i].port,
			.mode = ends[i].mode,
			.family = ends[i].family,
			.kind = CV_ENDPOINT_PATH,
		};

		assert_int_equal(inet_pton(af, ends[i].local, key.local), 1);
		assert_int_equal(inet_pton(af, ends[i].remote, key.remote), 1);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_ENDPOINTS)), &key,
						     &endpoint, BPF_NOEXIST),
				 0);
		ports.mode[ends[i].port] = ends[i].port ? ends[i].mode : CV_MODE_NONE;
	}
	return bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_PORTS)), &zero, &ports, BPF_ANY);
}

static void put_path(uint32_t tunnel, const struct cv_path *path)
{
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_PATHS)), &tunnel, path, BPF_ANY), 0);
}

static struct cv_path path_of(uint32_t tunnel)
{
	struct cv_path path;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_PATHS)), &tunnel, &path), 0);
	return path;
}

static int forget_paths(void **state)
{
	const struct cv_path none = { 0 };

	(void)state;
	for (uint32_t i = 0; progrun.object && i < T_END; i++)
		put_path(i, &none);
	return 0;
}

/* ---- rows ---- */

struct path_row {
	const char *name;
	const struct layer *packet;
	uint32_t tunnel; /* whose path is known then; 0: nobody's */
	uint32_t mtu;
	uint16_t cut; /* bytes that are missing at the end */
};

/* From a router on the way; the quoted packet follows. */
#define ROUTER4(...) ETH(), IP4(.src = "203.0.113.9", .dst = LOCAL4, .next = 1, __VA_ARGS__)
#define ROUTER6(...) ETH(), IP6(.src = "2001:db8:9::9", .dst = LOCAL6, .next = 58, __VA_ARGS__)
#define NEEDED(mtu) RAW("\x03\x04\0\0\0\0" mtu)
#define TOO_BIG(mtu) RAW("\x02\0\0\0" mtu)
#define MTU_1300 "\x05\x14"
#define SENT4(...) IP4(.src = LOCAL4, .dst = REMOTE4, __VA_ARGS__)
#define SENT6(...) IP6(.src = LOCAL6, .dst = REMOTE6, __VA_ARGS__)
#define QUOTE4(...) PACKET(ROUTER4(), NEEDED(MTU_1300), __VA_ARGS__)
#define QUOTE6(...) PACKET(ROUTER6(), TOO_BIG("\0\0" MTU_1300), __VA_ARGS__)
#define INSIDE IP4(), UDP(7, 8)
#define NOBODY 0

static const struct path_row rows[] = {
	{ "GRE in IPv4", QUOTE4(SENT4(), GRE(), INSIDE), T_GRE, .mtu = 1300 },
	{ "GRE in IPv6", QUOTE6(SENT6(), GRE(), INSIDE), T_GRE + 1, .mtu = 1300 },
	{ "IPv4 in IPv4", QUOTE4(SENT4(), INSIDE), T_IPIP, .mtu = 1300 },
	{ "IPv6 in IPv4", QUOTE4(SENT4(), IP6(), UDP(7, 8)), T_IPIP, .mtu = 1300 },
	{ "IPv4 in IPv6", QUOTE6(SENT6(), INSIDE), T_IPIP + 1, .mtu = 1300 },
	{ "GUE in IPv4", QUOTE4(SENT4(), UDP(50000, GUE_PORT), GUE(), INSIDE), T_GUE, .mtu = 1300 },
	{ "GUE in IPv6", QUOTE6(SENT6(), UDP(50000, GUE_PORT), GUE(), INSIDE), T_GUE + 1,
	  .mtu = 1300 },
	{ "VXLAN in IPv4", QUOTE4(SENT4(), UDP(50000, VXLAN_PORT), VXLAN(7)), T_VXLAN,
	  .mtu = 1300 },
	{ "VXLAN in IPv6", QUOTE6(SENT6(), UDP(50000, VXLAN_PORT), VXLAN(7)), T_VXLAN + 1,
	  .mtu = 1300 },
	{ "SRv6",
	  QUOTE6(IP6(.src = LOCAL6, .dst = "2001:db8:5::1"), SRH(1, REMOTE6, "2001:db8:5::1"),
		 INSIDE),
	  T_SRV6, .mtu = 1300 },
	{ "8 bytes behind the quoted header are enough (RFC 792)",
	  QUOTE4(SENT4(.next = 17), UDP(50000, GUE_PORT)), T_GUE, .mtu = 1300 },
	{ "a quoted header with options", QUOTE4(SENT4(.options = 12), UDP(50000, GUE_PORT)), T_GUE,
	  .mtu = 1300 },
	{ "the message itself with options",
	  PACKET(ROUTER4(.options = 8), NEEDED(MTU_1300), SENT4(), GRE(), INSIDE), T_GRE,
	  .mtu = 1300 },
	{ "an MTU of 65535", PACKET(ROUTER4(), NEEDED("\xff\xff"), SENT4(), GRE()), T_GRE,
	  .mtu = 65535 },
	{ "an IPv6 MTU of more than 16 bits",
	  PACKET(ROUTER6(), TOO_BIG("\0\1\0\0"), SENT6(), GRE()), T_GRE + 1, .mtu = 65536 },

	{ "no MTU, of an old router (RFC 1191 section 4)",
	  PACKET(ROUTER4(), NEEDED("\0\0"), SENT4(), GRE()), NOBODY, .mtu = 0 },
	{ "host unreachable", PACKET(ROUTER4(), RAW("\3\1\0\0\0\0" MTU_1300), SENT4(), GRE()),
	  NOBODY, .mtu = 0 },
	{ "an echo request", PACKET(ROUTER4(), RAW("\x08\x04\0\0\0\0" MTU_1300), SENT4(), GRE()),
	  NOBODY, .mtu = 0 },
	{ "ICMPv6 destination unreachable",
	  PACKET(ROUTER6(), RAW("\1\0\0\0\0\0" MTU_1300), SENT6(), GRE()), NOBODY, .mtu = 0 },
	{ "ICMP in IPv6", PACKET(ETH(), IP6(.next = 1), TOO_BIG("\0\0" MTU_1300), SENT6(), GRE()),
	  NOBODY, .mtu = 0 },
	{ "ICMPv6 in IPv4", PACKET(ETH(), IP4(.next = 58), NEEDED(MTU_1300), SENT4(), GRE()),
	  NOBODY, .mtu = 0 },
	{ "a packet that another host sent",
	  QUOTE4(IP4(.src = "192.0.2.3", .dst = REMOTE4), GRE(), INSIDE), NOBODY, .mtu = 0 },
	{ "a packet to another host", QUOTE4(IP4(.src = LOCAL4, .dst = "192.0.2.3"), GRE(), INSIDE),
	  NOBODY, .mtu = 0 },
	{ "a packet of the remote", QUOTE6(IP6(.src = REMOTE6, .dst = LOCAL6), GRE(), INSIDE),
	  NOBODY, .mtu = 0 },
	{ "SRv6 to another first segment", QUOTE6(SENT6(), SRH(0, REMOTE6), INSIDE), NOBODY,
	  .mtu = 0 },
	{ "TCP to the remote", QUOTE4(SENT4(), TCP(50000, GUE_PORT)), NOBODY, .mtu = 0 },
	{ "UDP to another port", QUOTE4(SENT4(), UDP(GUE_PORT, 53), DATA(9)), NOBODY, .mtu = 0 },
	{ "IPv6 quoted in ICMP of IPv4", QUOTE4(SENT6(), GRE(), INSIDE), NOBODY, .mtu = 0 },
	{ "the message ends in its header", PACKET(ROUTER4(), NEEDED(MTU_1300)), NOBODY, .cut = 1 },
	{ "the message ends in the quoted header", QUOTE4(SENT4()), NOBODY, .cut = 1 },
	{ "the message ends in the quoted IPv6 header", QUOTE6(SENT6(.next = 47)), NOBODY,
	  .cut = 1 },
	{ "the message ends in the quoted ports", QUOTE4(SENT4(), UDP(50000, GUE_PORT)), NOBODY,
	  .cut = 5 },
	{ "nothing quoted", PACKET(ROUTER6(), TOO_BIG("\0\0" MTU_1300)), NOBODY, .mtu = 0 },
	{ "a later fragment of a message",
	  PACKET(ROUTER4(.fragment = 4), NEEDED(MTU_1300), SENT4(), GRE()), NOBODY, .mtu = 0 },
	{ "a later fragment of a message in IPv6",
	  PACKET(ETH(), IP6(.dst = LOCAL6), { .kind = L_FRAG, .fragment = 32, .next = 58 },
		 TOO_BIG("\0\0" MTU_1300), SENT6(), GRE()),
	  NOBODY, .mtu = 0 },
};

/* The message goes on as it came. */
static void send_message(const struct path_row *row)
{
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame frame;

	frame_build(&frame, row->packet);
	frame.len -= row->cut;
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_verdict(result.verdict, TC_ACT_UNSPEC);
	assert_frame(&result.frame, &frame);
}

static void run_row(void **state)
{
	const struct path_row *row = *state;

	need_programs();
	send_message(row);
	for (uint32_t i = 0; i < T_END; i++) {
		struct cv_path path = path_of(i);

		assert_int_equal(path.mtu_bytes, i && i == row->tunnel ? row->mtu : 0);
		assert_int_equal(path.messages, i && i == row->tunnel);
	}
}

/* ---- several messages ---- */

static void smallest_mtu_of_late_is_kept(void **state)
{
	static const char *const mtus[] = { "\x05\x14", "\x05\x78", "\x04\xb0", "\x05\x14" };
	static const uint32_t known[] = { 1300, 1300, 1200, 1200 };
	uint64_t before = boot_ns();
	struct cv_path path;

	(void)state;
	need_programs();
	for (size_t i = 0; i < ARRAY_LEN(mtus); i++) {
		char header[8] = { 3, 4 };
		struct path_row row = {
			.packet = PACKET(ROUTER4(), { .kind = L_DATA, .raw = header, .size = 8 },
					 SENT4(), GRE()),
		};

		memcpy(header + 6, mtus[i], 2);
		send_message(&row);
		path = path_of(T_GRE);
		assert_int_equal(path.mtu_bytes, known[i]);
		assert_int_equal(path.messages, i + 1);
		assert_in_range(path.seen_ns, before, boot_ns());
	}
}

/* The path may have changed: the kernel forgets after ten minutes, too. */
static void old_mtu_gives_way(void **state)
{
	struct cv_path path = { .mtu_bytes = 1200, .messages = 3 };

	(void)state;
	need_programs();
	path.seen_ns = boot_ns() - 590 * NS_PER_SECOND;
	put_path(T_GRE, &path);
	send_message(&rows[0]);
	assert_int_equal(path_of(T_GRE).mtu_bytes, 1200);
	path.seen_ns = boot_ns() - 601 * NS_PER_SECOND;
	put_path(T_GRE, &path);
	send_message(&rows[0]);
	assert_int_equal(path_of(T_GRE).mtu_bytes, 1300);
	assert_int_equal(path_of(T_GRE).messages, 4);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(rows) + 2];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[count++] = row_test(rows[i].name, run_row, forget_paths, &rows[i]);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test_setup(smallest_mtu_of_late_is_kept,
								   forget_paths);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test_setup(old_mtu_gives_way, forget_paths);
	return cmocka_run_group_tests(tests, ends_setup, group_teardown);
}
