/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of probes at clsact ingress: which are turned round, what they look like then, to the
 * last byte and checksum, and which are taken out like any other packet, or refused.
 */
#include "progrun.h"

#include "classifier.h"

#define HERE4 "192.0.2.1"
#define THERE4 "192.0.2.2"
#define HERE6 "2001:db8::1"
#define THERE6 "2001:db8::2"
#define PROBE CV_PROBE_PORT
#define CLIENT 40000
#define VXLAN_PORT 4789
#define VNI 7

enum tunnel_id { T_GRE4 = 1, T_GRE6, T_IPIP6, T_VXLAN, T_KEY, T_ALLOW, T_OFF, T_SRV6, T_COUNT };

/* ---- tunnels ---- */

struct tunnel {
	const char *remote;
	const char *local;
	uint8_t family;
	uint8_t mode;
	uint32_t flags;
	uint32_t key; /* as the header has it */
	uint16_t port;
};

static const struct tunnel tunnels[T_COUNT] = {
	[T_GRE4] = { THERE4, HERE4, 4, CV_MODE_GRE, CV_TUNNEL_ECN, 0, 0 },
	[T_GRE6] = { THERE6, HERE6, 6, CV_MODE_GRE, CV_TUNNEL_ECN, 0, 0 },
	[T_IPIP6] = { THERE6, HERE6, 6, CV_MODE_IPIP, CV_TUNNEL_ECN, 0, 0 },
	[T_VXLAN] = { THERE4, HERE4, 4, CV_MODE_VXLAN, CV_TUNNEL_KEY, VNI << 8, VXLAN_PORT },
	[T_KEY] = { "192.0.2.3", HERE4, 4, CV_MODE_GRE, CV_TUNNEL_KEY, 42, 0 },
	[T_ALLOW] = { "192.0.2.4", HERE4, 4, CV_MODE_GRE, CV_TUNNEL_ALLOW, 0, 0 },
	[T_OFF] = { "192.0.2.5", HERE4, 4, CV_MODE_GRE, CV_TUNNEL_NO_PROBE, 0, 0 },
	[T_SRV6] = { "2001:db8::8", HERE6, 6, CV_MODE_SRV6, CV_TUNNEL_ECN, 0, 0 },
};

static void to_address(uint8_t family, const char *text, __be32 address[4])
{
	memset(address, 0, 16);
	assert_int_equal(inet_pton(family == 4 ? AF_INET : AF_INET6, text, address), 1);
}

static void put_endpoints(uint32_t id, const struct tunnel *tunnel)
{
	int fd = bpf_map__fd(MAP(CV_MAP_ENDPOINTS));
	struct cv_endpoint endpoint = { .tunnel = id };
	struct cv_endpoint_key key = {
		.kind = CV_ENDPOINT_EXACT,
		.family = tunnel->family,
		.mode = tunnel->mode,
		.port = tunnel->port,
		.key = BE32(tunnel->key),
		.has_key = !!(tunnel->flags & CV_TUNNEL_KEY),
	};

	to_address(tunnel->family, tunnel->local, key.local);
	to_address(tunnel->family, tunnel->remote, key.remote);
	assert_int_equal(bpf_map_update_elem(fd, &key, &endpoint, BPF_ANY), 0);
	key.kind = CV_ENDPOINT_PAIR;
	key.key = 0;
	key.has_key = 0;
	assert_int_equal(bpf_map_update_elem(fd, &key, &endpoint, BPF_ANY), 0);
	key.kind = CV_ENDPOINT_LOCAL;
	memset(key.remote, 0, sizeof(key.remote));
	assert_int_equal(bpf_map_update_elem(fd, &key, &endpoint, BPF_ANY), 0);
}

/* Our own way: two segments. */
static void put_segments(struct cv_tunnel *tunnel)
{
	static const uint8_t list[8] = { IPPROTO_IPIP, 4, 4, 1, 1 };

	to_address(6, "2001:db8::9", tunnel->remote);
	tunnel->hdr_len = 40 + 8 + 32;
	tunnel->proto4 = EXT_ROUTING;
	tunnel->proto6 = EXT_ROUTING;
	memcpy(tunnel->payload4, list, sizeof(list));
	to_address(6, "2001:db8::8", (void *)(tunnel->payload4 + 8));
	to_address(6, "2001:db8::9", (void *)(tunnel->payload4 + 24));
	memcpy(tunnel->payload6, tunnel->payload4, sizeof(tunnel->payload6));
	tunnel->payload6[0] = IPPROTO_IPV6;
}

static void put_tunnel(uint32_t id, const struct tunnel *conf, struct cv_tunnel *tunnel)
{
	put_endpoints(id, conf);
	snprintf(tunnel->name, sizeof(tunnel->name), "t%u", id);
	to_address(conf->family, conf->local, tunnel->local);
	to_address(conf->family, conf->remote, tunnel->remote);
	tunnel->mode = conf->mode;
	tunnel->family = conf->family;
	tunnel->flags = conf->flags;
	tunnel->key = BE32(conf->key);
	if (conf->mode == CV_MODE_SRV6)
		put_segments(tunnel);
}

static int tunnels_setup(void **state)
{
	CV_FREE struct cv_tunnel *slots = calloc(CV_MAX_TUNNELS, sizeof(*slots));
	static struct cv_ports ports;
	uint32_t zero = 0;
	int rc = group_setup(state);

	assert_non_null(slots);
	if (rc || !progrun.object)
		return rc;
	for (uint32_t id = 1; id < T_COUNT; id++)
		put_tunnel(id, &tunnels[id], &slots[id]);
	ports.mode[VXLAN_PORT] = CV_MODE_VXLAN;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_PORTS)), &zero, &ports, 0), 0);
	close(fill_tunnels(MAP(CV_MAP_TUNNELS), slots, 0));
	return 0;
}

/* ---- rows ---- */

enum end { TURNED, TAKEN_OUT, GOES_ON, DROPPED };

struct mirror_row {
	const char *name;
	const struct layer *outer; /* Ethernet to tunnel header */
	const struct layer *inner;
	const struct layer *back_outer; /* as they come out, if turned */
	const struct layer *back_inner;
	const struct layer *before; /* inner layers of a packet that came first */
	enum end end;
	uint32_t tunnel;
	uint32_t reason; /* counted, besides that it was a probe; CV_R_OK: nothing */
	bool has_no_check; /* inner UDP */
	bool is_longer; /* back than it came */
	bool is_late; /* long after what came before */
};

#define THERE_MAC "\2\0\0\0\0\0" /* as frame.h has them */
#define HERE_MAC "\0\0\0\0\0\0"
#define BACK_ETH(...) ETH(.mac = THERE_MAC, .smac = HERE_MAC, __VA_ARGS__)
#define IN4(...) IP4(.src = THERE4, .dst = HERE4, __VA_ARGS__)
#define OUT4(...) IP4(.src = HERE4, .dst = THERE4, __VA_ARGS__)
#define IN6(...) IP6(.src = THERE6, .dst = HERE6, __VA_ARGS__)
#define OUT6(...) IP6(.src = HERE6, .dst = THERE6, __VA_ARGS__)
#define A4(...) IP4(.src = "10.8.0.1", .dst = "10.9.0.1", __VA_ARGS__)
#define B4(...) IP4(.src = "10.9.0.1", .dst = "10.8.0.1", __VA_ARGS__)
#define A6(...) IP6(.src = "fd00:8::1", .dst = "fd00:9::1", __VA_ARGS__)
#define B6(...) IP6(.src = "fd00:9::1", .dst = "fd00:8::1", __VA_ARGS__)
#define ASK UDP(CLIENT, PROBE)
#define REPLY UDP(PROBE, CLIENT)

/* Magic, nonce, number, and the half that is the answer's. */
#define HEAD "cvpr\0\0\0\7\0\0\0\1"
#define PAYLOAD                                                                                    \
	RAW(HEAD "\3\0\0\0\0\0\0\0"                                                                \
		 "what follows")
#define ANSWER(reason, tos, seen) RAW(HEAD "\3" reason tos "\1\0\0\0" seen "what follows")
#define TAKEN ANSWER("\0", "\0", "\10") /* step 3: bit 3 */
#define PAST(step)                                                                                 \
	RAW(HEAD step "\0\0\0\0\0\0\0"                                                             \
		      "what follows")

_Static_assert(CV_R_DECAP_KEY == 9, "the answers below say so");
_Static_assert(CV_R_DECAP_SOURCE == 14, "the answers below say so");
_Static_assert(CV_R_DECAP_ECN == 15, "the answers below say so");

#define GRE4 PACKET(ETH(), IN4(), GRE())
#define GRE4_BACK PACKET(BACK_ETH(), OUT4(), GRE())
#define FROM4(last, ...) PACKET(ETH(), IP4(.src = "192.0.2." #last, .dst = HERE4), GRE(__VA_ARGS__))
#define TO4(last, ...)                                                                             \
	PACKET(BACK_ETH(), IP4(.src = HERE4, .dst = "192.0.2." #last), GRE(__VA_ARGS__))
#define IN_VXLAN PACKET(ETH(), IN4(), UDP(50000, VXLAN_PORT), VXLAN(VNI), ETH())
#define OUT_VXLAN PACKET(BACK_ETH(), OUT4(), UDP(50000, VXLAN_PORT), VXLAN(VNI), BACK_ETH())
#define TURNS(id) .end = TURNED, .tunnel = (id)

static const struct mirror_row rows[] = {
	/* ---- what is turned ---- */
	{ "UDP in IPv4, GRE over IPv4", GRE4, PACKET(A4(), ASK, PAYLOAD), GRE4_BACK,
	  PACKET(B4(), REPLY, TAKEN), TURNS(T_GRE4) },
	{ "UDP in IPv6, GRE over IPv4", GRE4, PACKET(A6(), ASK, PAYLOAD), GRE4_BACK,
	  PACKET(B6(), REPLY, TAKEN), TURNS(T_GRE4) },
	{ "UDP in IPv4, GRE over IPv6", PACKET(ETH(), IN6(), GRE()), PACKET(A4(), ASK, PAYLOAD),
	  PACKET(BACK_ETH(), OUT6(), GRE()), PACKET(B4(), REPLY, TAKEN), TURNS(T_GRE6) },
	{ "UDP in IPv6, in IPv6", PACKET(ETH(), IN6()), PACKET(A6(), ASK, PAYLOAD),
	  PACKET(BACK_ETH(), OUT6()), PACKET(B6(), REPLY, TAKEN), TURNS(T_IPIP6) },
	{ "VXLAN: the inner Ethernet addresses too, the outer ports not", IN_VXLAN,
	  PACKET(A4(), ASK, PAYLOAD), OUT_VXLAN, PACKET(B4(), REPLY, TAKEN), TURNS(T_VXLAN) },
	{ "TCP goes back as it is", GRE4, PACKET(A4(), TCP(CLIENT, PROBE), PAYLOAD), GRE4_BACK,
	  PACKET(B4(), TCP(PROBE, CLIENT), PAYLOAD), TURNS(T_GRE4) },
	{ "UDP without a checksum stays without one", GRE4, PACKET(A4(), ASK, PAYLOAD), GRE4_BACK,
	  PACKET(B4(), REPLY, TAKEN), TURNS(T_GRE4), .has_no_check = true },
	{ "UDP that is no probe of ours goes back as it is", GRE4,
	  PACKET(A4(), ASK, RAW("another magic, another use")), GRE4_BACK,
	  PACKET(B4(), REPLY, RAW("another magic, another use")), TURNS(T_GRE4) },
	{ "UDP without room for an answer goes back as it is", GRE4, PACKET(A4(), ASK, RAW("cvpr")),
	  GRE4_BACK, PACKET(B4(), REPLY, RAW("cvpr")), TURNS(T_GRE4) },
	{ "the outer DSCP and ECN are told", PACKET(ETH(), IN4(.tos = 0x2b), GRE()),
	  PACKET(A4(.tos = 3), ASK, PAYLOAD), PACKET(BACK_ETH(), OUT4(.tos = 0x2b), GRE()),
	  PACKET(B4(.tos = 3), REPLY, ANSWER("\0", "\x2b", "\10")), TURNS(T_GRE4) },
	{ "steps that arrived before are told", GRE4, PACKET(A4(), ASK, PAYLOAD), GRE4_BACK,
	  PACKET(B4(), REPLY, ANSWER("\0", "\0", "\x0a")), TURNS(T_GRE4),
	  .before = PACKET(A4(), ASK, PAST("\1")) },
	{ "an inner packet with options", GRE4, PACKET(A4(.options = 8), ASK, PAYLOAD), GRE4_BACK,
	  PACKET(B4(.options = 8), REPLY, TAKEN), TURNS(T_GRE4) },
	{ "a first fragment", GRE4, PACKET(A4(.fragment = IP4_MF), ASK, PAYLOAD), GRE4_BACK,
	  PACKET(B4(.fragment = IP4_MF), REPLY, TAKEN), TURNS(T_GRE4), .has_no_check = true },
	{ "a later fragment behind its first", GRE4,
	  PACKET(A4(.fragment = 5, .next = 17), DATA(24)), GRE4_BACK,
	  PACKET(B4(.fragment = 5, .next = 17), DATA(24)), TURNS(T_GRE4),
	  .before = PACKET(A4(.fragment = IP4_MF), ASK, PAYLOAD) },
	{ "a later fragment behind its first, IPv6", GRE4,
	  PACKET(A6(), { .kind = L_FRAG, .fragment = 40, .next = 17 }, DATA(24)), GRE4_BACK,
	  PACKET(B6(), { .kind = L_FRAG, .fragment = 40, .next = 17 }, DATA(24)), TURNS(T_GRE4),
	  .before = PACKET(A6(), FRAG(IP6_MF), ASK, PAYLOAD) },
	{ "SRv6: back it takes our segments, and may be longer",
	  PACKET(ETH(), IP6(.src = "2001:db8::8", .dst = HERE6), SRH(0, HERE6)),
	  PACKET(A4(), ASK, PAYLOAD),
	  PACKET(BACK_ETH(), IP6(.src = HERE6, .dst = "2001:db8::9"),
		 SRH(1, "2001:db8::8", "2001:db8::9")),
	  PACKET(B4(), REPLY, TAKEN), TURNS(T_SRV6), .is_longer = true },

	/* ---- what is turned, and was refused ---- */
	{ "another key: the answer has the sender's own and says so",
	  FROM4(3, .flags = GRE_KEY, .key = 43), PACKET(A4(), ASK, PAYLOAD),
	  TO4(3, .flags = GRE_KEY, .key = 43), PACKET(B4(), REPLY, ANSWER("\11", "\0", "\10")),
	  TURNS(T_KEY), .reason = CV_R_DECAP_KEY },
	{ "no key where one is wanted", FROM4(3), PACKET(A6(), ASK, PAYLOAD), TO4(3),
	  PACKET(B6(), REPLY, ANSWER("\11", "\0", "\10")), TURNS(T_KEY), .reason = CV_R_DECAP_KEY },
	{ "a key where none is wanted", FROM4(2, .flags = GRE_KEY, .key = 42),
	  PACKET(A4(), ASK, PAYLOAD), TO4(2, .flags = GRE_KEY, .key = 42),
	  PACKET(B4(), REPLY, ANSWER("\11", "\0", "\10")), TURNS(T_GRE4),
	  .reason = CV_R_DECAP_KEY },
	{ "an inner source that is not allowed", FROM4(4), PACKET(A4(), ASK, PAYLOAD), TO4(4),
	  PACKET(B4(), REPLY, ANSWER("\16", "\0", "\10")), TURNS(T_ALLOW),
	  .reason = CV_R_DECAP_SOURCE },
	{ "CE outside of what has no ECN", PACKET(ETH(), IN4(.tos = 3), GRE()),
	  PACKET(A4(), ASK, PAYLOAD), PACKET(BACK_ETH(), OUT4(.tos = 3), GRE()),
	  PACKET(B4(), REPLY, ANSWER("\17", "\3", "\10")), TURNS(T_GRE4),
	  .reason = CV_R_DECAP_ECN },

	/* ---- what is not ---- */
	{ "from a stranger", FROM4(99), PACKET(A4(), ASK, PAYLOAD), .end = GOES_ON, .tunnel = T_OFF,
	  .reason = CV_R_DECAP_PEER },
	{ "an answer is not turned again", GRE4, PACKET(A4(), REPLY, PAYLOAD), .end = TAKEN_OUT },
	{ "from the probe port to the probe port", GRE4, PACKET(A4(), UDP(PROBE, PROBE), PAYLOAD),
	  .end = TAKEN_OUT },
	{ "to another port", GRE4, PACKET(A4(), UDP(CLIENT, PROBE + 1), PAYLOAD),
	  .end = TAKEN_OUT },
	{ "SCTP to that port", GRE4, PACKET(A4(), PORTS(132, CLIENT, PROBE), PAYLOAD),
	  .end = TAKEN_OUT },
	{ "no probe at all outside of a tunnel", PACKET(ETH()), PACKET(A4(), ASK, PAYLOAD),
	  .end = GOES_ON },
	{ "a tunnel with probe off", FROM4(5), PACKET(A4(), ASK, PAYLOAD), .end = TAKEN_OUT },
	{ "the last hop of the outer packet: a loop must end", PACKET(ETH(), IN4(.ttl = 1), GRE()),
	  PACKET(A4(), ASK, PAYLOAD), .end = TAKEN_OUT },
	{ "a later fragment whose first was not seen", GRE4,
	  PACKET(A4(.fragment = 5, .next = 17), DATA(24)), .end = TAKEN_OUT },
	{ "a later fragment of another packet", GRE4,
	  PACKET(A4(.fragment = 5, .next = 17), DATA(24)), .end = TAKEN_OUT,
	  .before = PACKET(A4(.fragment = IP4_MF), UDP(CLIENT, PROBE + 1), PAYLOAD) },
	{ "a later fragment of TCP behind the first one of a UDP probe", GRE4,
	  PACKET(A4(.fragment = 5, .next = 6), DATA(24)), .end = TAKEN_OUT,
	  .before = PACKET(A4(.fragment = IP4_MF), ASK, PAYLOAD) },
	{ "a later fragment long after its first", GRE4,
	  PACKET(A4(.fragment = 5, .next = 17), DATA(24)), .end = TAKEN_OUT,
	  .before = PACKET(A4(.fragment = IP4_MF), ASK, PAYLOAD), .is_late = true },
	{ "a probe that is cut off", GRE4, PACKET(A4(.len_off = 9), ASK, PAYLOAD), .end = DROPPED,
	  .tunnel = T_GRE4, .reason = CV_R_DECAP_INNER },
};

/* ---- running ---- */

static size_t size_of(const struct layer *layers)
{
	size_t size = 0;

	for (; layers->kind != L_END; layers++)
		size += layer_size(layers);
	return size;
}

/* RFC 768 over the inner packet, which begins at ip_at and ends with the frame. */
static void mend_check(struct frame *frame, size_t ip_at, const struct layer *inner)
{
	bool is_v4 = inner->kind == L_IP4;
	size_t l4 = ip_at + layer_size(inner), addresses = ip_at + (is_v4 ? 12 : 8);
	size_t addresses_len = is_v4 ? 8 : 32, len = frame->len - l4;
	uint8_t proto = inner[1].proto, sum[FRAME_MAX] = { 0, proto };
	size_t check = l4 + (proto == 6 ? 16 : 6);

	frame_be16(frame->bytes + check, 0);
	frame_be16(sum + 2, len);
	memcpy(sum + 4, frame->bytes + addresses, addresses_len);
	memcpy(sum + 4 + addresses_len, frame->bytes + l4, len);
	frame_be16(frame->bytes + check,
		   frame_checksum(sum, (4 + addresses_len + len + 1) & ~(size_t)1));
}

static void build(struct frame *frame, const struct mirror_row *row, const struct layer *outer,
		  const struct layer *inner)
{
	bool is_whole = inner[1].kind == L_PORTS && (inner[1].proto == 17 || inner[1].proto == 6);

	frame_build_joined(frame, outer, inner);
	if (is_whole && !row->has_no_check)
		mend_check(frame, size_of(outer), inner);
}

static void clear_map(struct bpf_map *map)
{
	char key[sizeof(struct cv_trace_key)];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

#define TRACES_MAX 64

/* As if what is remembered were of an hour ago. */
static void age_traces(void)
{
	int fd = bpf_map__fd(MAP(CV_MAP_PROBES));
	struct cv_trace_key keys[TRACES_MAX];
	size_t count = read_keys(MAP(CV_MAP_PROBES), keys, sizeof(*keys), TRACES_MAX);
	uint32_t value;

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(bpf_map_lookup_elem(fd, &keys[i], &value), 0);
		value -= 3600000;
		assert_int_equal(bpf_map_update_elem(fd, &keys[i], &value, BPF_EXIST), 0);
	}
}

static int clear(void **state)
{
	(void)state;
	if (!progrun.object)
		return 0;
	clear_map(MAP(CV_MAP_PROBES));
	clear_map(MAP(CV_MAP_DROPS));
	return 0;
}

/* One probe, and the reason beside it. */
static void assert_counted(const struct mirror_row *row)
{
	struct cv_drop_key key = { .tunnel = row->tunnel, .reason = CV_R_PROBE };
	__u64 count = 0;

	if (row->end == TURNED) {
		take_percpu(MAP(CV_MAP_DROPS), &key, &count, 1, true);
		assert_int_equal(count, 1);
	}
	assert_only_drop(row->tunnel, row->reason);
}

static void run_row(void **state)
{
	static const int verdicts[] = {
		[TURNED] = TC_ACT_REDIRECT,
		[TAKEN_OUT] = TC_ACT_UNSPEC,
		[GOES_ON] = TC_ACT_UNSPEC,
		[DROPPED] = TC_ACT_SHOT,
	};
	const struct mirror_row *row = *state;
	struct run_ctx ctx = { 0 };
	struct frame frame, expected;
	struct run_result result;

	need_programs();
	if (row->before) {
		build(&frame, row, row->outer, row->before);
		run_program(classifier.ingress, &frame, &ctx, &result);
		clear_map(MAP(CV_MAP_DROPS));
	}
	if (row->is_late)
		age_traces();
	build(&frame, row, row->outer, row->inner);
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_verdict(result.verdict, verdicts[row->end]);
	assert_counted(row);
	if (row->end == TURNED) {
		build(&expected, row, row->back_outer, row->back_inner);
		assert_frame(&result.frame, &expected);
		assert_int_equal(result.frame.len > frame.len, row->is_longer);
	} else if (row->end == TAKEN_OUT) {
		assert_int_equal(result.frame.len, frame.len - size_of(row->outer) + ETH_LEN);
	} else {
		assert_frame(&result.frame, &frame);
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(rows)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i] = row_test(rows[i].name, run_row, clear, &rows[i]);
	return cmocka_run_group_tests(tests, tunnels_setup, group_teardown);
}
