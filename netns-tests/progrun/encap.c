/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of encapsulation at lwt xmit: the bytes of every outer header against frames that
 * are built from layers, which the strict decoder must take, too; what is inherited; which remote a
 * flow goes to; the segment size in a SYN.
 *
 * The kernel's test run gives packets no route, which bpf_lwt_push_encap() of older kernels follows
 * into nothing and dies: skipped there.
 */
#include "progrun.h"

#include "culvert.h"
#include "decoder.h"
#include "mode.h"
#include "remote.h"
#include "stubs.h"
#include "timing.h"
#include "tunnel.skel.h"

#define SAFE_SINCE_MAJOR 6
#define SAFE_SINCE_MINOR 18

#define TUNNEL_ID 5
#define VERSION 1 /* of what it sends by */
#define TUNNEL_ENTRY CV_TUNNEL_OUT(TUNNEL_ID, VERSION)
#define SLOT (2 * TUNNEL_ID + 1)
#define GUARD 0x7f000000u
#define LOCAL4 "192.0.2.2"
#define LOCAL6 "2001:db8::2"
#define REMOTE4 DECODER_LOCAL4
#define REMOTE6 DECODER_LOCAL6
#define KEY 0x11223344u
#define VNI 0x123456u
#define UDP_PORT_MIN 49152
#define FUZZ_ROUNDS 5000

struct encapper {
	struct cv_tunnel_bpf *skel;
	struct cv_stub_bpf *stubs;
	int xmit; /* the stub, as packets find it */
	int tunnels; /* the array behind the slot */
};

static struct encapper encapper;

static int encap_setup(void **state)
{
	static struct cv_tunnel slots[CV_MAX_TUNNELS];
	struct cv_tunnel_bpf *skel;

	(void)state;
	if (!kernel_is_at_least(SAFE_SINCE_MAJOR, SAFE_SINCE_MINOR)) {
		progrun.why_not = "a test run of bpf_lwt_push_encap() kills kernels before 6.18";
		return 0;
	}
	if (!progrun_enter())
		return 0;
	skel = cv_tunnel_bpf__open();
	assert_non_null(skel);
	prepare_maps(skel->obj);
	encapper.skel = skel;
	if (!take_loaded(skel->obj, cv_tunnel_bpf__load(skel)))
		return 0;
	encapper.stubs = stubs_load(TUNNEL_ENTRY);
	assert_non_null(encapper.stubs);
	stubs_lead_to(encapper.stubs->maps.cv_xmit_progs, CV_SHARED_TUNNEL, skel->progs.cv_xmit);
	encapper.xmit = bpf_program__fd(encapper.stubs->progs.cv_stub_xmit);
	encapper.tunnels = fill_tunnels(MAP(CV_MAP_TUNNELS), slots, VERSION);
	return 0;
}

static int encap_teardown(void **state)
{
	(void)state;
	cv_stub_bpf__destroy(encapper.stubs);
	cv_tunnel_bpf__destroy(encapper.skel);
	return 0;
}

/* ---- shapes: every mode in both families ---- */

struct shape {
	const char *name;
	enum cv_tunnel_mode mode;
	enum decoder_mode decoder_mode;
	uint8_t family;
	uint16_t port;
	uint32_t variant;
	bool has_key; /* or VNI */
	uint32_t key;
	const char *const *segments; /* in the order of the way, with NULL behind them */
	const struct layer *headers; /* behind the outer IP header */
};

/* Made of the addresses. */
#define MACS4 .mac = "\x02\x00\xc0\x00\x02\x01", .smac = "\x02\x00\xc0\x00\x02\x02"
#define MACS6 .mac = "\x02\x00\x00\x00\x00\x01", .smac = "\x02\x00\x00\x00\x00\x02"
#define WAY ((const char *const[]){ "2001:db8:a::1", "2001:db8:b::1", REMOTE6, NULL })
#define SEGMENT(n) "2001:db8:" #n "::1"
#define LONG_WAY                                                                                   \
	((const char *const[]){ SEGMENT(1), SEGMENT(2), SEGMENT(3), SEGMENT(4), SEGMENT(5),        \
				SEGMENT(6), SEGMENT(7), SEGMENT(8), NULL })
#define BOTH(name, mode, decoded_as, port, variant, has_key, key, ...)                             \
	{ name " in IPv4", mode,    decoded_as, 4,    port,                                        \
	  variant,	   has_key, key,	NULL, PACKET(__VA_ARGS__) },                       \
	{                                                                                          \
		name " in IPv6", mode, decoded_as, 6, port, variant, has_key, key, NULL,           \
			PACKET(__VA_ARGS__)                                                        \
	}
#define NONE                                                                                       \
	{                                                                                          \
		.kind = L_END                                                                      \
	}

static const struct shape shapes[] = {
	BOTH("IP in IP", CV_TUNNEL_MODE_IPIP, D_IPIP, 0, 0, false, 0, NONE),
	BOTH("GRE", CV_TUNNEL_MODE_GRE, D_GRE, 0, 0, false, 0, GRE()),
	BOTH("GRE with key", CV_TUNNEL_MODE_GRE, D_GRE, 0, 0, true, KEY,
	     GRE(.flags = GRE_KEY, .key = KEY)),
	BOTH("GRE with key 0", CV_TUNNEL_MODE_GRE, D_GRE, 0, 0, true, 0, GRE(.flags = GRE_KEY)),
	BOTH("GUE", CV_TUNNEL_MODE_GUE, D_GUE, 6080, 0, false, 0, UDP(0, 6080), GUE()),
	BOTH("GUE variant 1", CV_TUNNEL_MODE_GUE, D_GUE, 6080, 1, false, 0, UDP(0, 6080)),
	BOTH("FOU", CV_TUNNEL_MODE_FOU, D_FOU, 5555, 0, false, 0, UDP(0, 5555)),
	BOTH("FOU at another port", CV_TUNNEL_MODE_FOU, D_FOU, 65535, 0, false, 0, UDP(0, 65535)),
	{ "VXLAN in IPv4", CV_TUNNEL_MODE_VXLAN, D_VXLAN, 4, 4789, 0, true, VNI, NULL,
	  PACKET(UDP(0, 4789), VXLAN(VNI), ETH(MACS4)) },
	{ "VXLAN in IPv6", CV_TUNNEL_MODE_VXLAN, D_VXLAN, 6, 4789, 0, true, VNI, NULL,
	  PACKET(UDP(0, 4789), VXLAN(VNI), ETH(MACS6)) },
	{ "Geneve in IPv4", CV_TUNNEL_MODE_GENEVE, D_GENEVE, 4, 6081, 0, true, VNI, NULL,
	  PACKET(UDP(0, 6081), GENEVE(VNI), ETH(MACS4)) },
	{ "Geneve in IPv6", CV_TUNNEL_MODE_GENEVE, D_GENEVE, 6, 6081, 0, true, VNI, NULL,
	  PACKET(UDP(0, 6081), GENEVE(VNI), ETH(MACS6)) },
	{ "SRv6 to its remote", CV_TUNNEL_MODE_SRV6, D_SRV6, 6, 0, 0, false, 0, NULL,
	  PACKET(SRH(0, REMOTE6)) },
	{ "SRv6 over three segments", CV_TUNNEL_MODE_SRV6, D_SRV6, 6, 0, 0, false, 0, WAY,
	  PACKET(SRH(2, REMOTE6, "2001:db8:b::1", "2001:db8:a::1")) },
	{ "SRv6 over eight segments", CV_TUNNEL_MODE_SRV6, D_SRV6, 6, 0, 0, false, 0, LONG_WAY,
	  PACKET(SRH(7, SEGMENT(8), SEGMENT(7), SEGMENT(6), SEGMENT(5), SEGMENT(4), SEGMENT(3),
		     SEGMENT(2), SEGMENT(1))) },
};

#define SHAPE_GRE4 (&shapes[2])
#define SHAPE_GRE6 (&shapes[3])

static struct cv_addr addr_of(const char *text)
{
	struct cv_addr addr = { .family = strchr(text, ':') ? 6 : 4 };

	assert_int_equal(inet_pton(addr.family == 4 ? AF_INET : AF_INET6, text, addr.bytes), 1);
	return addr;
}

static void to_abi(const char *text, __be32 address[4])
{
	struct cv_addr addr = addr_of(text);

	memcpy(address, addr.bytes, sizeof(addr.bytes));
}

/* A tunnel as it is without further words, ECN on and DF on. */
static struct cv_tunnel tunnel_of(const struct shape *shape)
{
	struct cv_addr remote = addr_of(shape->family == 4 ? REMOTE4 : REMOTE6);
	struct cv_addr segments[CV_MAX_SEGMENTS];
	struct cv_tunnel_conf conf = {
		.mode = shape->mode,
		.local = addr_of(shape->family == 4 ? LOCAL4 : LOCAL6),
		.remotes = { &remote, 1 },
		.segments = { segments, 0 },
		.dport = shape->port,
		.variant = shape->variant,
	};
	struct cv_tunnel tunnel = {
		.name = "test",
		.family = shape->family,
		.ttl = 64,
		.flags = CV_TUNNEL_DF_ON | CV_TUNNEL_ECN | CV_TUNNEL_DSCP_INHERIT |
			 (shape->has_key ? CV_TUNNEL_KEY : 0),
		.guard_mark = GUARD,
	};

	conf.has_key = shape->mode == CV_TUNNEL_MODE_GRE && shape->has_key;
	conf.has_vni = shape->mode != CV_TUNNEL_MODE_GRE && shape->has_key;
	conf.key = conf.has_key ? shape->key : 0;
	conf.vni = conf.has_vni ? shape->key : 0;
	while (shape->segments && shape->segments[conf.segments.count]) {
		segments[conf.segments.count] = addr_of(shape->segments[conf.segments.count]);
		conf.segments.count++;
	}
	to_abi(shape->family == 4 ? LOCAL4 : LOCAL6, tunnel.local);
	memcpy(tunnel.remote, cv_mode_destination(&conf, 0)->bytes, sizeof(tunnel.remote));
	cv_mode_fill(&conf, &tunnel);
	return tunnel;
}

static void put_tunnel(const struct cv_tunnel *tunnel)
{
	uint32_t entry = TUNNEL_ENTRY;

	assert_int_equal(bpf_map_update_elem(encapper.tunnels, &entry, tunnel, BPF_ANY), 0);
}

/* ---- one packet ---- */

/* What may differ from packet to packet in the outer header. */
struct outer {
	uint8_t tos;
	uint8_t ttl;
	bool has_df;
	const char *remote; /* NULL: the shape's */
};

static size_t ip_size(uint8_t family)
{
	return family == 4 ? 20 : 40;
}

static uint8_t family_of(const struct frame *frame)
{
	return frame->bytes[ETH_LEN] >> 4;
}

static const char *destination_of(const struct shape *shape, const struct outer *outer)
{
	if (outer->remote)
		return outer->remote;
	return shape->segments ? shape->segments[0] : shape->family == 4 ? REMOTE4 : REMOTE6;
}

/* The frame that must come out when `in` goes in; what is chosen freely is as in `out`. */
static void expect(const struct shape *shape, const struct outer *outer, const struct frame *in,
		   const struct frame *out, struct frame *expected)
{
	struct layer head[FRAME_MAX_LAYERS] = {
		{ .kind = L_ETH },
		{ .kind = shape->family == 4 ? L_IP4 : L_IP6,
		  .src = shape->family == 4 ? LOCAL4 : LOCAL6,
		  .dst = destination_of(shape, outer),
		  .tos = outer->tos,
		  .ttl = outer->ttl,
		  .fragment = outer->has_df ? IP4_DF : 0 },
	};
	struct layer inner[] = {
		{ .kind = family_of(in) == 4 ? L_IP4 : L_IP6 },
		DATA(in->len - ETH_LEN - ip_size(family_of(in))),
		{ .kind = L_END },
	};
	size_t count = 2, l4 = ETH_LEN + ip_size(shape->family);
	uint8_t *ip = expected->bytes + ETH_LEN;

	for (const struct layer *layer = shape->headers; layer->kind != L_END; layer++)
		head[count++] = *layer;
	frame_build_joined(expected, head, inner);
	memcpy(expected->bytes + expected->len - (in->len - ETH_LEN), in->bytes + ETH_LEN,
	       in->len - ETH_LEN);
	memset(expected->bytes, 0, ETH_LEN);
	if (shape->port)
		memcpy(expected->bytes + l4, out->bytes + l4, 2);
	if (shape->family == 6) {
		ip[1] = (ip[1] & 0xf0) | (out->bytes[ETH_LEN + 1] & 0x0f);
		memcpy(ip + 2, out->bytes + ETH_LEN + 2, 2);
		return;
	}
	if (outer->has_df)
		frame_be16(ip + 4, 0);
	else
		memcpy(ip + 4, out->bytes + ETH_LEN + 4, 2);
	frame_be16(ip + 10, 0);
	frame_be16(ip + 10, frame_checksum(ip, 20));
}

static void assert_tx(uint64_t bytes)
{
	struct cv_tunnel_stats stats;

	take_tunnel_stats(TUNNEL_ID, &stats);
	assert_int_equal(stats.tx_packets, bytes > 0);
	assert_int_equal(stats.tx_bytes, bytes);
	assert_int_equal(stats.rx_packets, 0);
}

static void run_xmit(const struct frame *in, uint32_t mark, struct run_result *result)
{
	struct run_ctx ctx = { .mark = mark };

	run_program(encapper.xmit, in, &ctx, result);
}

static void assert_dropped(const struct frame *in, const struct run_ctx *ctx, uint32_t reason)
{
	struct run_result result;

	run_program(encapper.xmit, in, ctx, &result);
	assert_int_equal(result.verdict, BPF_DROP);
	assert_only_drop(TUNNEL_ID, reason);
	assert_tx(0);
}

/* Sends a packet through the tunnel that was put, and compares all that comes out. */
static void assert_sent(const struct shape *shape, const struct outer *outer,
			const struct frame *in, struct run_result *result)
{
	struct frame expected;
	size_t l4 = ETH_LEN + ip_size(shape->family);

	run_xmit(in, 0, result);
	assert_only_drop(TUNNEL_ID, CV_R_OK);
	assert_int_equal(result->verdict, BPF_LWT_REROUTE);
	assert_int_equal(result->mark, GUARD);
	assert_tx(in->len - ETH_LEN);
	memset(result->frame.bytes, 0, ETH_LEN); /* no Ethernet header there yet */
	expect(shape, outer, in, &result->frame, &expected);
	assert_frame(&result->frame, &expected);
	if (shape->port)
		assert_true(frame_get16(result->frame.bytes + l4) >= UDP_PORT_MIN);
}

static const struct outer usual = { .ttl = 64, .has_df = true };

#define INNER4 PACKET(ETH(), IP4(), UDP(7, 8), DATA(21))
#define INNER6 PACKET(ETH(), IP6(), TCP(7, 8), DATA(22))
#define EMPTY4 PACKET(ETH(), IP4())
#define EMPTY6 PACKET(ETH(), IP6())
#define OPTIONS4 PACKET(ETH(), IP4(.options = 40), TCP(7, 8), DATA(1))
#define EXT6 PACKET(ETH(), IP6(), EXT(EXT_DST), FRAG(8), DATA(16))
#define LARGE4 PACKET(ETH(), IP4(), DATA(1400))
#define LARGE6 PACKET(ETH(), IP6(), DATA(1401))

static const struct layer *const inners[] = { INNER4,	INNER6, EMPTY4, EMPTY6,
					      OPTIONS4, EXT6,	LARGE4, LARGE6 };

/* ---- every shape ---- */

/* The other end must take the packet out, and find it where it was put. */
static void assert_decoded(const struct shape *shape, const struct frame *in,
			   const struct frame *out)
{
	struct decoder_tunnel tunnels[] = {
		{ .id = 1,
		  .mode = shape->decoder_mode,
		  .family = shape->family,
		  .remote = shape->family == 4 ? LOCAL4 : LOCAL6,
		  .port = shape->port,
		  .has_key = shape->has_key,
		  .key = shape->key,
		  .has_ecn = true },
		{ 0 },
	};
	struct frame frame = *out;
	struct decoded decoded;

	frame_be16(frame.bytes + 12, shape->family == 4 ? TYPE_IPV4 : TYPE_IPV6);
	decode(&frame, tunnels, &decoded);
	if (decoded.refused)
		fail_msg("the other end refuses it: %s", decoded.refused);
	assert_int_equal(frame.len - decoded.inner_at, in->len - ETH_LEN);
}

static void bytes_of_the_outer_header(void **state)
{
	const struct shape *shape = *state;
	struct cv_tunnel tunnel;
	struct run_result result;
	struct frame in;

	need_programs();
	tunnel = tunnel_of(shape);
	put_tunnel(&tunnel);
	for (size_t i = 0; i < ARRAY_LEN(inners); i++) {
		frame_build(&in, inners[i]);
		assert_sent(shape, &usual, &in, &result);
		if (!shape->segments)
			assert_decoded(shape, &in, &result.frame);
	}
}

static void set_inner(struct frame *frame, uint8_t tos, uint8_t ttl)
{
	uint8_t *ip = frame->bytes + ETH_LEN;

	if (family_of(frame) == 6) {
		frame_be16(ip, (frame_get16(ip) & 0xf00f) | tos << 4);
		ip[7] = ttl;
		return;
	}
	ip[1] = tos;
	ip[8] = ttl;
}

/* RFC 6040 section 4.1 normal mode, RFC 2983, and hops: all values of the inner packet. */
static void ecn_dscp_and_hops_are_inherited_or_not(void **state)
{
	static const uint32_t inherited[] = { 0, CV_TUNNEL_DSCP_INHERIT, CV_TUNNEL_TTL_INHERIT,
					      CV_TUNNEL_ECN,
					      CV_TUNNEL_DSCP_INHERIT | CV_TUNNEL_ECN |
						      CV_TUNNEL_TTL_INHERIT };
	const struct shape *shape = *state;
	struct run_result result;
	struct cv_tunnel tunnel;
	struct frame in;

	need_programs();
	tunnel = tunnel_of(shape);
	tunnel.ttl = 33;
	tunnel.dscp = 46;
	for (uint32_t i = 0; i < ARRAY_LEN(inherited) * 2 * 256; i++) {
		uint32_t flags = inherited[i / 512];
		uint8_t value = i % 256;
		struct outer outer = {
			.tos = (flags & CV_TUNNEL_DSCP_INHERIT ? value & 0xfc : 46 << 2) |
			       (flags & CV_TUNNEL_ECN ? value & 3 : 0),
			.ttl = flags & CV_TUNNEL_TTL_INHERIT ? (value ^ 0x55) | 1 : 33,
			.has_df = true,
		};

		tunnel.flags = flags | CV_TUNNEL_DF_ON;
		put_tunnel(&tunnel);
		frame_build(&in, i / 256 % 2 ? INNER4 : INNER6);
		set_inner(&in, value, (value ^ 0x55) | 1);
		assert_sent(shape, &outer, &in, &result);
	}
}

/* ---- do not fragment ---- */

static void outer_df_is_on_off_or_inherited(void **state)
{
	static const struct {
		uint32_t flags;
		bool has_inner, is_ipv6, has_outer;
	} cases[] = {
		{ CV_TUNNEL_DF_ON, false, false, true },
		{ CV_TUNNEL_DF_ON, true, false, true },
		{ CV_TUNNEL_DF_ON, false, true, true },
		{ 0, false, false, false },
		{ 0, true, false, false },
		{ 0, false, true, false },
		{ CV_TUNNEL_DF_INHERIT, false, false, false },
		{ CV_TUNNEL_DF_INHERIT, true, false, true },
		{ CV_TUNNEL_DF_INHERIT, false, true, true },
	};
	struct run_result result;
	struct cv_tunnel tunnel;
	struct frame in;

	(void)state;
	need_programs();
	tunnel = tunnel_of(SHAPE_GRE4);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outer outer = { .ttl = 64, .has_df = cases[i].has_outer };

		tunnel.flags = cases[i].flags;
		put_tunnel(&tunnel);
		frame_build(&in, cases[i].is_ipv6 ? INNER6 : INNER4);
		if (cases[i].has_inner)
			frame_be16(in.bytes + ETH_LEN + 6, IP4_DF);
		assert_sent(SHAPE_GRE4, &outer, &in, &result);
	}
}

/* RFC 6864: without DF the ID must tell packets apart. */
static void without_df_ids_differ(void **state)
{
	uint16_t first, same = 0;
	struct run_result result;
	struct cv_tunnel tunnel;
	struct frame in;

	(void)state;
	need_programs();
	tunnel = tunnel_of(SHAPE_GRE4);
	tunnel.flags &= ~CV_TUNNEL_DF_ON;
	put_tunnel(&tunnel);
	frame_build(&in, INNER4);
	run_xmit(&in, 0, &result);
	first = frame_get16(result.frame.bytes + ETH_LEN + 4);
	for (int i = 0; i < 16; i++) {
		run_xmit(&in, 0, &result);
		same += frame_get16(result.frame.bytes + ETH_LEN + 4) == first;
	}
	assert_true(same < 3);
}

/* ---- a key that is changed ---- */

static void old_key_is_sent_until_the_switch(void **state)
{
	const struct shape *shape = *state;
	struct shape old = *shape;
	struct layer headers[4];
	struct run_result result;
	struct cv_tunnel tunnel;
	struct frame in;

	need_programs();
	memcpy(headers, shape->headers, sizeof(headers));
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		if (headers[i].key)
			headers[i].key = 0x777;
	old.headers = headers;
	for (size_t i = 0; i < 2; i++) {
		frame_build(&in, inners[i]);
		tunnel = tunnel_of(shape);
		tunnel.old_key = BE32(shape->mode == CV_TUNNEL_MODE_GRE ? 0x777 : 0x777 << 8);
		tunnel.switch_ns = boot_ns() + 3600 * NS_PER_SECOND;
		put_tunnel(&tunnel);
		assert_sent(&old, &usual, &in, &result);
		tunnel.switch_ns = boot_ns() - 1;
		put_tunnel(&tunnel);
		assert_sent(shape, &usual, &in, &result);
	}
}

/* ---- what is not sent ---- */

static void guard_mark_stops_loops(void **state)
{
	static const uint32_t passing[] = { 0, 5, 0x01000000, 0x7e000000, 0x80ffffff };
	struct run_ctx looping = { .mark = GUARD }, also = { .mark = 0xff000001 };
	struct run_result result;
	struct cv_tunnel tunnel;
	struct frame in;

	(void)state;
	need_programs();
	tunnel = tunnel_of(SHAPE_GRE4);
	put_tunnel(&tunnel);
	frame_build(&in, INNER4);
	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		run_xmit(&in, passing[i], &result);
		assert_int_equal(result.verdict, BPF_LWT_REROUTE);
		assert_int_equal(result.mark, passing[i] | GUARD);
	}
	take_tunnel_stats(TUNNEL_ID, &(struct cv_tunnel_stats){ 0 });
	assert_dropped(&in, &looping, CV_R_LOOP);
	assert_dropped(&in, &also, CV_R_LOOP);
}

static void what_cannot_be_sent_is_counted(void **state)
{
	struct run_ctx ctx = { 0 }, gso = { .gso_bytes = 20 };
	struct cv_tunnel tunnel;
	struct frame in;

	(void)state;
	need_programs();
	frame_build(&in, INNER4);
	tunnel = tunnel_of(SHAPE_GRE4);
	tunnel.mode = CV_MODE_NONE;
	put_tunnel(&tunnel);
	assert_dropped(&in, &ctx, CV_R_NO_TUNNEL);
	tunnel = tunnel_of(SHAPE_GRE4);
	put_tunnel(&tunnel);
	/* Of no known kind, all that a test run can make. */
	assert_dropped(&in, &gso, CV_R_ENCAP_GSO);
	frame_build(&in, PACKET(ETH(), IP4(.version = 5), UDP(7, 8)));
	assert_dropped(&in, &ctx, CV_R_ENCAP_INNER);
	frame_build(&in, PACKET(ETH(.type = TYPE_ARP), DATA(28)));
	assert_dropped(&in, &ctx, CV_R_ENCAP_INNER);
	frame_build(&in, PACKET(ETH(.type = TYPE_ARP), RAW("\x60")));
	assert_dropped(&in, &ctx, CV_R_ENCAP_INNER);
	frame_build(&in, INNER4);
	tunnel.hdr_len = 19;
	put_tunnel(&tunnel);
	assert_dropped(&in, &ctx, CV_R_ENCAP_FAILED);
	tunnel = tunnel_of(SHAPE_GRE6);
	tunnel.hdr_len = CV_MAX_HDR_LEN + 1;
	put_tunnel(&tunnel);
	assert_dropped(&in, &ctx, CV_R_ENCAP_FAILED);
	tunnel = tunnel_of(SHAPE_GRE6);
	tunnel.remote_kind = CV_REMOTE_SET;
	tunnel.remote_slot = SLOT - 1; /* empty */
	put_tunnel(&tunnel);
	assert_dropped(&in, &ctx, CV_R_NO_PEER);
}

static void rules_drop_before_encapsulation(void **state)
{
	struct test_rules set = { .lists[CV_DIR_ENCAP].count = 1 };
	struct run_ctx ctx = { 0 };
	struct cv_rule_stats stats;
	struct run_result result;
	struct cv_tunnel tunnel;
	struct frame in;

	(void)state;
	need_programs();
	set.matches[0] = (struct cv_match){ .flags = CV_MATCH_FAMILY | CV_MATCH_PROTO,
					    .family = 4,
					    .proto = 17 };
	set.rules[0] = (struct cv_rule){ .id = 3, .verdict = CV_VERDICT_DROP };
	fill_rules(&set);
	frame_build(&in, INNER4);
	tunnel = tunnel_of(SHAPE_GRE4);
	put_tunnel(&tunnel);
	assert_sent(SHAPE_GRE4, &usual, &in,
		    &result); /* the flag says that there is no such rule */
	tunnel.flags |= CV_TUNNEL_RULES;
	put_tunnel(&tunnel);
	assert_dropped(&in, &ctx, CV_R_RULE_DROP);
	take_rule_stats(3, &stats);
	assert_int_equal(stats.packets, 1);
	frame_build(&in, INNER6);
	assert_sent(SHAPE_GRE4, &usual, &in, &result);
	empty_rules();
}

/* ---- several remotes ---- */

#define REMOTES 8
#define FLOWS 16384

static void put_remotes(uint8_t family, const uint32_t *weights)
{
	static struct cv_remote_set set;
	struct cv_addr remotes[REMOTES];

	for (size_t i = 0; i < REMOTES; i++) {
		remotes[i] = addr_of(family == 4 ? "198.51.100.0" : "2001:db8:2::");
		remotes[i].bytes[family == 4 ? 3 : 15] = i;
		memcpy(set.remotes[i], remotes[i].bytes, sizeof(set.remotes[i]));
	}
	set.count = REMOTES;
	cv_remote_spread(remotes, weights, REMOTES, set.bucket);
	close(fill_slot(MAP(CV_MAP_REMOTES), SLOT, sizeof(set), 1, &set));
}

/* The remote that the frame goes to. */
static uint8_t remote_of(const struct frame *in, uint8_t family)
{
	struct run_result result;

	run_xmit(in, 0, &result);
	assert_int_equal(result.verdict, BPF_LWT_REROUTE);
	return result.frame.bytes[ETH_LEN + (family == 4 ? 19 : 39)];
}

static struct cv_tunnel tunnel_of_several(const struct shape *shape)
{
	struct cv_tunnel tunnel = tunnel_of(shape);

	tunnel.remote_kind = CV_REMOTE_SET;
	tunnel.remote_slot = SLOT;
	return tunnel;
}

/* Packets of one flow in a row: all that may differ in them. */
static const struct layer *const flows[][3] = {
	{ PACKET(ETH(), IP4(.tos = 3, .ttl = 9), TCP(7, 8), DATA(5)),
	  PACKET(ETH(), IP4(.fragment = IP4_DF), TCP(7, 8, .tcp_flags = 2), DATA(900)),
	  PACKET(ETH(), IP4(), TCP(7, 8)) },
	{ PACKET(ETH(), IP6(.tos = 3, .ttl = 9), UDP(7, 8), DATA(5)),
	  PACKET(ETH(), IP6(), UDP(7, 8), DATA(900)), PACKET(ETH(), IP6(), UDP(7, 8)) },
	/* Fragments show their ports only in the first. */
	{ PACKET(ETH(), IP4(.fragment = IP4_MF), UDP(7, 8), DATA(16)),
	  PACKET(ETH(), IP4(.fragment = IP4_MF | 3), PORTS(17, 1, 2), DATA(16)),
	  PACKET(ETH(), IP4(.fragment = 8), PORTS(17, 9, 9), DATA(3)) },
	{ PACKET(ETH(), IP6(), FRAG(IP6_MF), UDP(7, 8), DATA(16)),
	  PACKET(ETH(), IP6(), FRAG(8 | IP6_MF), PORTS(17, 1, 2), DATA(16)),
	  PACKET(ETH(), IP6(), FRAG(64), PORTS(17, 9, 9), DATA(3)) },
	{ PACKET(ETH(), IP4(), ICMP), PACKET(ETH(), IP4(), ICMP, DATA(9)),
	  PACKET(ETH(), IP4(.ttl = 3), PORTS(1, 0, 77)) },
};

static void flow_keeps_its_remote(void **state)
{
	const struct shape *shape = *state;
	struct cv_tunnel tunnel;
	struct frame in;
	uint8_t remote;

	need_programs();
	put_remotes(shape->family, NULL);
	tunnel = tunnel_of_several(shape);
	put_tunnel(&tunnel);
	for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
		frame_build(&in, flows[i][0]);
		remote = remote_of(&in, shape->family);
		for (size_t j = 1; j < 3; j++) {
			frame_build(&in, flows[i][j]);
			assert_int_equal(remote_of(&in, shape->family), remote);
		}
	}
}

/* Ports and addresses count in each of their bits. */
static void flows_are_spread_by_weight(void **state)
{
	static const uint32_t weights[REMOTES] = { 1, 1, 1, 1, 2, 2, 4, 4 };
	const struct shape *shape = *state;
	uint32_t counts[REMOTES] = { 0 };
	struct cv_tunnel tunnel;
	struct frame in;

	need_programs();
	put_remotes(shape->family, weights);
	tunnel = tunnel_of_several(shape);
	put_tunnel(&tunnel);
	for (uint32_t i = 0; i < FLOWS; i++) {
		bool is_ip4 = i & 1;

		frame_build(&in, is_ip4 ? INNER4 : INNER6);
		/* In turns: source port, destination port, last and first byte of an address. */
		if (i & 2)
			frame_be16(in.bytes + ETH_LEN + (is_ip4 ? 20 : 40) + (i & 4 ? 0 : 2),
				   i >> 3);
		else
			frame_be16(in.bytes + ETH_LEN + (is_ip4 ? 12 : 8) + (i & 4 ? 2 : 0),
				   i >> 3);
		counts[remote_of(&in, shape->family) % REMOTES]++;
	}
	for (size_t i = 0; i < REMOTES; i++) {
		double share = (double)counts[i] / FLOWS, due = weights[i] / 16.0;

		if (share < due - 0.025 || share > due + 0.025)
			fail_msg("remote %zu has %.4f of the flows, %.4f are its share", i, share,
				 due);
	}
}

/* How many remotes are chosen when the two bytes at `at` of the IP header take 64 values. */
static size_t remotes_of_values(const struct layer *packet, size_t at)
{
	bool is_chosen[REMOTES] = { false };
	struct frame in;
	size_t count = 0;

	frame_build(&in, packet);
	for (uint16_t value = 0; value < 64; value++) {
		frame_be16(in.bytes + ETH_LEN + at, value * 0x0401);
		is_chosen[remote_of(&in, 4) % REMOTES] = true;
	}
	for (size_t i = 0; i < REMOTES; i++)
		count += is_chosen[i];
	return count;
}

static void each_part_of_addresses_and_ports_counts(void **state)
{
	struct cv_tunnel tunnel;

	(void)state;
	need_programs();
	put_remotes(4, NULL);
	tunnel = tunnel_of_several(SHAPE_GRE4);
	put_tunnel(&tunnel);
	for (size_t at = 12; at < 24; at += 2)
		assert_true(remotes_of_values(INNER4, at) > REMOTES / 2);
	for (size_t at = 8; at < 44; at += 2)
		assert_true(remotes_of_values(INNER6, at) > REMOTES / 2);
}

/* The underlay spreads flows by the source port, and by the flow label. */
static void flows_differ_in_what_the_underlay_sees(void **state)
{
	const struct shape *shape = *state;
	uint32_t last = 0, changes = 0;
	size_t at = ETH_LEN + (shape->family == 4 ? 20 : 0);
	struct run_result result;
	struct cv_tunnel tunnel;
	struct frame in;

	need_programs();
	tunnel = tunnel_of(shape);
	put_tunnel(&tunnel);
	for (uint16_t port = 0; port < 256; port++) {
		uint32_t seen[2];

		frame_build(&in, PACKET(ETH(), IP4(), UDP(7, 8), DATA(9)));
		frame_be16(in.bytes + ETH_LEN + 20, port);
		for (int i = 0; i < 2; i++) {
			run_xmit(&in, 0, &result);
			memcpy(&seen[i], result.frame.bytes + at, sizeof(seen[i]));
		}
		assert_int_equal(seen[0], seen[1]);
		changes += seen[0] != last;
		last = seen[0];
	}
	assert_true(changes > 250);
}

/* ---- the segment size in a SYN ---- */

#define MSS4 1200
#define MSS6 1180
#define TCP_SYN 0x02
#define TCP_ACK 0x10

static void put_clamping_tunnel(void)
{
	struct cv_tunnel tunnel = tunnel_of(SHAPE_GRE4);

	tunnel.mss4 = MSS4;
	tunnel.mss6 = MSS6;
	put_tunnel(&tunnel);
}

/* A segment with these options, and the checksum right. */
static void build_segment(struct frame *frame, struct layer ip, uint8_t flags, const char *options,
			  uint8_t options_len)
{
	struct layer tcp = TCP(7, 8, .tcp_flags = flags, .raw = options, .options = options_len);

	frame_build(frame, PACKET(ETH(), ip, tcp, RAW("data!")));
	frame_mend_tcp(frame, ETH_LEN);
}

/* What comes out of the tunnel must be `expected`, whose TCP header is whole. */
static void assert_inner(const struct frame *in, const struct frame *expected)
{
	struct run_result result;
	struct frame inner = { .len = in->len };

	run_xmit(in, 0, &result);
	assert_int_equal(result.verdict, BPF_LWT_REROUTE);
	assert_int_equal(result.frame.len, in->len + 24);
	memcpy(inner.bytes, in->bytes, ETH_LEN);
	memcpy(inner.bytes + ETH_LEN, result.frame.bytes + ETH_LEN + 24, in->len - ETH_LEN);
	assert_frame(&inner, expected);
}

struct option {
	const char *bytes;
	uint8_t len;
};

static const struct option options[] = {
	{ "\2\4\x05\xb4", 4 },
	{ "\1", 1 },
	{ "\4\2", 2 },
	{ "\3\3\7", 3 },
	{ "\x08\x0a\1\2\3\4\5\6\7\x08", 10 },
};

/* Fills text with the options in that order, and *mss_at with where the MSS stands. */
static uint8_t join_options(const uint8_t *order, char *text, uint8_t *mss_at)
{
	uint8_t len = 0;

	memset(text, 0, 40);
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!order[i])
			*mss_at = len + 2;
		memcpy(text + len, options[order[i]].bytes, options[order[i]].len);
		len += options[order[i]].len;
	}
	return len;
}

static void assert_clamped(struct layer ip, const char *text, uint8_t mss_at, uint16_t limit)
{
	struct frame in, expected;
	size_t tcp_at = ETH_LEN + (ip.kind == L_IP4 ? 20 : 40);

	build_segment(&in, ip, TCP_SYN, text, 20);
	expected = in;
	frame_be16(expected.bytes + tcp_at + 20 + mss_at, limit);
	frame_mend_tcp(&expected, ETH_LEN);
	assert_inner(&in, &expected);
}

/* All 120 orders, so at odd offsets, too. */
static void mss_is_lowered_wherever_it_stands(void **state)
{
	uint8_t order[ARRAY_LEN(options)], mss_at = 0;
	const struct layer ip4 = IP4(), ip6 = IP6();
	char text[40];

	(void)state;
	need_programs();
	put_clamping_tunnel();
	for (uint32_t i = 0; i < 5 * 5 * 5 * 5 * 5; i++) {
		uint32_t digits = i, used = 0;

		for (size_t j = 0; j < ARRAY_LEN(order); j++, digits /= 5) {
			order[j] = digits % 5;
			used |= 1 << order[j];
		}
		if (used != 0x1f)
			continue;
		assert_int_equal(join_options(order, text, &mss_at), 20);
		assert_clamped(ip4, text, mss_at, MSS4);
		assert_clamped(ip6, text, mss_at, MSS6);
	}
}

static void mss_of_every_value(void **state)
{
	char text[4] = { 2, 4 };
	struct frame in, expected;

	(void)state;
	need_programs();
	put_clamping_tunnel();
	for (uint32_t mss = 0; mss < 65536; mss += mss < 1150 || mss > 1250 ? 37 : 1) {
		frame_be16((uint8_t *)text + 2, mss);
		build_segment(&in, (struct layer)IP4(), TCP_SYN | TCP_ACK, text, 4);
		expected = in;
		frame_be16(expected.bytes + ETH_LEN + 42, mss < MSS4 ? mss : MSS4);
		frame_mend_tcp(&expected, ETH_LEN);
		assert_inner(&in, &expected);
	}
}

static void assert_left_alone(const struct frame *in)
{
	assert_inner(in, in);
}

static void other_segments_are_left_alone(void **state)
{
	static const struct option odd[] = {
		{ "\2\3\x05\xb4", 4 }, /* a length that the option does not have */
		{ "\2\6\x05\xb4\0\0\0\0", 8 },
		{ "\3\0\2\4\x05\xb4\0\0", 8 }, /* lengths that lead nowhere */
		{ "\3\1\2\4\x05\xb4\0\0", 8 },
		{ "\3\xff\2\4\x05\xb4\0\0", 8 },
		{ "\0\0\0\0\2\4\x05\xb4", 8 }, /* behind the end */
		{ "\0\4\0\0\2\4\x05\xb4", 8 },
		{ "\1\1\2\4", 4 }, /* beyond the header */
		{ "\1\1\1\2", 4 },
		{ "\1\1\1\1", 4 },
	};
	const struct layer ip4 = IP4(), fragment = IP4(.fragment = 1), ip6 = IP6();
	struct frame in;

	(void)state;
	need_programs();
	put_clamping_tunnel();
	build_segment(&in, ip4, TCP_ACK, options[0].bytes, 4);
	assert_left_alone(&in);
	build_segment(&in, ip6, TCP_ACK, options[0].bytes, 4);
	assert_left_alone(&in);
	build_segment(&in, fragment, TCP_SYN, options[0].bytes, 4);
	assert_left_alone(&in);
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		build_segment(&in, ip4, TCP_SYN, odd[i].bytes, odd[i].len);
		assert_left_alone(&in);
	}
	build_segment(&in, ip4, TCP_SYN, NULL, 0);
	assert_left_alone(&in);
	/* Options that are longer than the packet. */
	in.bytes[ETH_LEN + 20 + 12] = 0xf0;
	assert_left_alone(&in);
	in.bytes[ETH_LEN + 20 + 12] = 0x40;
	assert_left_alone(&in);
	frame_build(&in, PACKET(ETH(), IP6(), EXT(EXT_DST), TCP(7, 8, .tcp_flags = TCP_SYN)));
	assert_left_alone(&in);
	frame_build(&in,
		    PACKET(ETH(), IP4(), UDP(7, 8), RAW("\0\0\0\0\x60\2\0\0\0\0\0\0\2\4\5\xb4")));
	assert_left_alone(&in);
}

static void without_a_limit_syns_are_left_alone(void **state)
{
	struct cv_tunnel tunnel;
	struct frame in;

	(void)state;
	need_programs();
	tunnel = tunnel_of(SHAPE_GRE4);
	put_tunnel(&tunnel);
	build_segment(&in, (struct layer)IP4(), TCP_SYN, options[0].bytes, 4);
	assert_left_alone(&in);
}

/* The segment of `frame` behind a longer IPv4 header, whose options its checksum does not cover. */
static struct frame behind_options(const struct frame *frame)
{
	size_t len = frame->len - ETH_LEN - 20;
	struct frame longer;

	frame_build(&longer, PACKET(ETH(), IP4(.options = 8, .next = 6), DATA(len)));
	memcpy(longer.bytes + ETH_LEN + 28, frame->bytes + ETH_LEN + 20, len);
	return longer;
}

static void syn_behind_ipv4_options_is_found(void **state)
{
	struct frame in, expected;

	(void)state;
	need_programs();
	put_clamping_tunnel();
	build_segment(&in, (struct layer)IP4(), TCP_SYN, options[0].bytes, 4);
	expected = in;
	frame_be16(expected.bytes + ETH_LEN + 42, MSS4);
	frame_mend_tcp(&expected, ETH_LEN);
	in = behind_options(&in);
	expected = behind_options(&expected);
	assert_inner(&in, &expected);
}

/* ---- random packets ---- */

/* xorshift64*: the same frames on every machine. */
static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1dull) >> 32) % bound;
}

/* Whatever is inside: it leaves as it came, with the right header around it. */
static void random_packets_leave_as_they_came(void **state)
{
	const struct shape *shape = *state;
	struct run_result result;
	struct cv_tunnel tunnel;
	struct frame in;

	need_programs();
	tunnel = tunnel_of(shape);
	tunnel.flags = CV_TUNNEL_DF_ON;
	put_tunnel(&tunnel);
	random_state = 0x63756c76 + (shape - shapes);
	for (int i = 0; i < FUZZ_ROUNDS; i++) {
		frame_build(&in, inners[random_below(ARRAY_LEN(inners))]);
		for (uint32_t n = random_below(4); n; n--)
			in.bytes[ETH_LEN + 1 + random_below(in.len - ETH_LEN - 1)] =
				random_below(256);
		assert_sent(shape, &usual, &in, &result);
	}
}

/* ---- timing ---- */

static void prepare_shape(const void *arg)
{
	struct cv_tunnel tunnel = tunnel_of(arg);

	put_tunnel(&tunnel);
}

static void prepare_several(const void *arg)
{
	struct cv_tunnel tunnel = tunnel_of_several(arg);

	put_tunnel(&tunnel);
}

static void add_timed(struct timed *timed, const char *name, int prog,
		      void (*prepare)(const void *), const struct shape *shape)
{
	*timed = (struct timed){ .name = name, .prog = prog, .prepare = prepare, .arg = shape };
	frame_build(&timed->frame, INNER4);
}

static int time_all(void)
{
	static struct timed timed[TIMING_MAX];
	size_t count = 0;
	void *state;

	encap_setup(&state);
	if (!progrun.object) {
		printf("skip: %s\n", progrun.why_not);
		return 0;
	}
	add_timed(&timed[count++], "empty", empty_program(BPF_PROG_TYPE_LWT_XMIT), NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		add_timed(&timed[count++], shapes[i].name, encapper.xmit, prepare_shape,
			  &shapes[i]);
	add_timed(&timed[count], "GRE in IPv4, without its stub",
		  bpf_program__fd(encapper.skel->progs.cv_xmit), prepare_shape, SHAPE_GRE4);
	timed[count++].id = TUNNEL_ENTRY;
	put_remotes(4, NULL);
	add_timed(&timed[count++], "GRE in IPv4, 8 remotes", encapper.xmit, prepare_several,
		  SHAPE_GRE4);
	print_times(timed, count);
	return 0;
}

/* ---- all ---- */

/* What a test before may have left. */
static int clear_counters(void **state)
{
	struct cv_tunnel_stats stats;
	struct cv_drop_key key;
	int drops;

	(void)state;
	if (!progrun.object)
		return 0;
	drops = bpf_map__fd(MAP(CV_MAP_DROPS));
	while (!bpf_map_get_next_key(drops, NULL, &key))
		bpf_map_delete_elem(drops, &key);
	take_tunnel_stats(TUNNEL_ID, &stats);
	return 0;
}

static const char *named(const char *what, const char *which)
{
	static char names[8 * ARRAY_LEN(shapes)][100];
	static size_t count;

	assert_true(count < ARRAY_LEN(names));
	snprintf(names[count], sizeof(names[count]), "%s: %s", what, which);
	return names[count++];
}

int main(int argc, char **argv)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test_setup(outer_df_is_on_off_or_inherited, clear_counters),
		cmocka_unit_test_setup(without_df_ids_differ, clear_counters),
		cmocka_unit_test_setup(guard_mark_stops_loops, clear_counters),
		cmocka_unit_test_setup(what_cannot_be_sent_is_counted, clear_counters),
		cmocka_unit_test_setup(rules_drop_before_encapsulation, clear_counters),
		cmocka_unit_test_setup(each_part_of_addresses_and_ports_counts, clear_counters),
		cmocka_unit_test_setup(mss_is_lowered_wherever_it_stands, clear_counters),
		cmocka_unit_test_setup(mss_of_every_value, clear_counters),
		cmocka_unit_test_setup(other_segments_are_left_alone, clear_counters),
		cmocka_unit_test_setup(without_a_limit_syns_are_left_alone, clear_counters),
		cmocka_unit_test_setup(syn_behind_ipv4_options_is_found, clear_counters),
	};
	struct CMUnitTest tests[ARRAY_LEN(others) + 7 * ARRAY_LEN(shapes)];
	size_t count = 0;

	if (argc > 1 && !strcmp(argv[1], "time"))
		return time_all();
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		const struct shape *shape = &shapes[i];

		tests[count++] = row_test(named("bytes of the outer header", shape->name),
					  bytes_of_the_outer_header, clear_counters, shape);
		tests[count++] =
			row_test(named("ECN, DSCP and hops", shape->name),
				 ecn_dscp_and_hops_are_inherited_or_not, clear_counters, shape);
		tests[count++] = row_test(named("random packets", shape->name),
					  random_packets_leave_as_they_came, clear_counters, shape);
		if (shape->has_key && shape->key)
			tests[count++] =
				row_test(named("old key until the switch", shape->name),
					 old_key_is_sent_until_the_switch, clear_counters, shape);
		if (shape->port || shape->family == 6)
			tests[count++] = row_test(named("flows in the underlay", shape->name),
						  flows_differ_in_what_the_underlay_sees,
						  clear_counters, shape);
		if (shape->segments)
			continue;
		tests[count++] = row_test(named("a flow keeps its remote", shape->name),
					  flow_keeps_its_remote, clear_counters, shape);
		if (shape == SHAPE_GRE4 || shape == SHAPE_GRE6)
			tests[count++] =
				row_test(named("flows are spread by weight", shape->name),
					 flows_are_spread_by_weight, clear_counters, shape);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[count++] = others[i];
	return _cmocka_run_group_tests("encap", tests, count, encap_setup, encap_teardown);
}
