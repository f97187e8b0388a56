/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of decapsulation at clsact ingress: what is taken out of a tunnel and what comes
 * out, what is refused and under which reason, and random frames against a second decoder.
 */
#include "cache.h"
#include "classifier.h"
#include "decoder.h"
#include "timing.h"

#define FUZZ_ROUNDS 25000
#define FUZZ_SHOWN 3 /* frames of one kind of mismatch that are printed */
#define FUZZ_KINDS 64

/* ---- tunnels ---- */

#define LOCAL4 DECODER_LOCAL4
#define LOCAL6 DECODER_LOCAL6

enum tunnel_id {
	T_GRE4 = 1,
	T_IPIP4,
	T_KEY4,
	T_KEY0_4,
	T_ALLOW4,
	T_PLAIN4,
	T_TWIN_A,
	T_TWIN_B,
	T_GRE6,
	T_IPIP6,
	T_KEY6,
	T_KEY0_6,
	T_ALLOW6,
	T_PLAIN6,
	T_GUE4,
	T_GUE6,
	T_FOU4,
	T_FOU6,
	T_VXLAN4,
	T_VXLAN6,
	T_VXLAN_OTHER,
	T_VXLAN_PORT,
	T_VXLAN_0,
	T_GENEVE4,
	T_GENEVE6,
	T_SRV6,
	T_UNIFORM4,
	T_UNIFORM6,
	T_ALLOW_VXLAN,
	T_ALLOW_SRV6,
	T_OVERLAP,
	T_MSS4,
	T_MSS6,
	T_GONE = 40, /* has endpoints only */
	T_BEYOND = CV_MAX_TUNNELS, /* has endpoints only */
};

#define KEY 0x11223344u
#define VNI 0x123456u
#define GUE_PORT 6080
#define FOU_PORT 5555
#define VXLAN_PORT 4789
#define VXLAN_OTHER_PORT 8472
#define GENEVE_PORT 6081
#define MSS 1200

static const struct decoder_tunnel tunnels[] = {
	{ T_GRE4, D_GRE, 4, .remote = "192.0.2.2", .has_ecn = true },
	{ T_IPIP4, D_IPIP, 4, .remote = "192.0.2.3", .has_ecn = true },
	{ T_KEY4, D_GRE, 4, .remote = "192.0.2.4", .has_key = true, .key = KEY, .has_ecn = true },
	{ T_KEY0_4, D_GRE, 4, .remote = "192.0.2.5", .has_key = true, .has_ecn = true },
	{ T_ALLOW4, D_GRE, 4, .remote = "192.0.2.6", .has_ecn = true, .has_allow = true },
	{ T_PLAIN4, D_GRE, 4, .remote = "192.0.2.7" },
	{ T_TWIN_A, D_GRE, 4, .remote = "192.0.2.8", .has_key = true, .key = 1, .has_ecn = true },
	{ T_TWIN_B, D_GRE, 4, .remote = "192.0.2.8", .has_key = true, .key = 2, .has_ecn = true },
	{ T_GRE6, D_GRE, 6, .remote = "2001:db8::2", .has_ecn = true },
	{ T_IPIP6, D_IPIP, 6, .remote = "2001:db8::3", .has_ecn = true },
	{ T_KEY6, D_GRE, 6, .remote = "2001:db8::4", .has_key = true, .key = KEY, .has_ecn = true },
	{ T_KEY0_6, D_GRE, 6, .remote = "2001:db8::5", .has_key = true, .has_ecn = true },
	{ T_ALLOW6, D_GRE, 6, .remote = "2001:db8::6", .has_ecn = true, .has_allow = true },
	{ T_PLAIN6, D_GRE, 6, .remote = "2001:db8::7" },
	{ T_GUE4, D_GUE, 4, .remote = "192.0.2.10", GUE_PORT, .has_ecn = true },
	{ T_GUE6, D_GUE, 6, .remote = "2001:db8::10", GUE_PORT, .has_ecn = true },
	{ T_FOU4, D_FOU, 4, .remote = "192.0.2.11", FOU_PORT, .has_ecn = true },
	{ T_FOU6, D_FOU, 6, .remote = "2001:db8::11", FOU_PORT, .has_ecn = true },
	{ T_VXLAN4, D_VXLAN, 4, .remote = "192.0.2.12", VXLAN_PORT, true, VNI, .has_ecn = true },
	{ T_VXLAN6, D_VXLAN, 6, .remote = "2001:db8::12", VXLAN_PORT, true, VNI, .has_ecn = true },
	{ T_VXLAN_OTHER, D_VXLAN, 4, .remote = "192.0.2.12", VXLAN_PORT, true, 7, .has_ecn = true },
	{ T_VXLAN_PORT, D_VXLAN, 4, "192.0.2.12", VXLAN_OTHER_PORT, true, 8, .has_ecn = true },
	{ T_VXLAN_0, D_VXLAN, 4, .remote = "192.0.2.22", VXLAN_PORT, true, 0, .has_ecn = true },
	{ T_GENEVE4, D_GENEVE, 4, .remote = "192.0.2.13", GENEVE_PORT, true, VNI, .has_ecn = true },
	{ T_GENEVE6, D_GENEVE, 6, "2001:db8::13", GENEVE_PORT, true, VNI, .has_ecn = true },
	{ T_SRV6, D_SRV6, 6, .remote = "2001:db8::14", .has_ecn = true },
	{ T_UNIFORM4, D_GRE, 4, .remote = "192.0.2.15", .has_ecn = true, .is_uniform = true },
	{ T_UNIFORM6, D_FOU, 6, "2001:db8::15", FOU_PORT, .has_ecn = true, .is_uniform = true },
	{ T_ALLOW_VXLAN, D_VXLAN, 4, "192.0.2.16", VXLAN_PORT, true, VNI, .has_allow = true },
	{ T_ALLOW_SRV6, D_SRV6, 6, .remote = "2001:db8::16", .has_ecn = true, .has_allow = true },
	{ T_MSS4, D_GRE, 4, .remote = "192.0.2.18" },
	{ T_MSS6, D_SRV6, 6, .remote = "2001:db8::18" },
	{ 0 },
};

static const struct decoder_tunnel peers_only[] = {
	{ T_GONE, D_GRE, 4, .remote = "192.0.2.40" },
	{ T_BEYOND, D_GRE, 4, .remote = "192.0.2.41" },
	{ 0 },
};

#define FROM4(last, ...) IP4(.src = "192.0.2." #last, .dst = LOCAL4, __VA_ARGS__)
#define FROM6(last, ...) IP6(.src = "2001:db8::" #last, .dst = LOCAL6, __VA_ARGS__)

static void to_address(uint8_t family, const char *text, __be32 address[4])
{
	memset(address, 0, 16);
	assert_int_equal(inet_pton(family == 4 ? AF_INET : AF_INET6, text, address), 1);
}

static void put_endpoint(const struct cv_endpoint_key *key, uint32_t tunnel, uint64_t until_ns)
{
	int fd = bpf_map__fd(MAP(CV_MAP_ENDPOINTS));
	struct cv_endpoint endpoint = { .tunnel = tunnel, .until_ns = until_ns };

	/* Who came first stays, as in dataplane/endpoint.c. */
	if (bpf_map_update_elem(fd, key, &endpoint, BPF_NOEXIST))
		assert_int_equal(errno, EEXIST);
}

static const uint8_t abi_modes[] = {
	[D_IPIP] = CV_MODE_IPIP, [D_GRE] = CV_MODE_GRE,	    [D_GUE] = CV_MODE_GUE,
	[D_FOU] = CV_MODE_FOU,	 [D_VXLAN] = CV_MODE_VXLAN, [D_GENEVE] = CV_MODE_GENEVE,
	[D_SRV6] = CV_MODE_SRV6,
};

static __be32 abi_key(const struct decoder_tunnel *tunnel)
{
	bool is_vni = tunnel->mode == D_VXLAN || tunnel->mode == D_GENEVE;

	return is_vni ? BE32(tunnel->key << 8) : BE32(tunnel->key);
}

static struct cv_endpoint_key exact_key(const struct decoder_tunnel *tunnel)
{
	struct cv_endpoint_key key = {
		.key = abi_key(tunnel),
		.port = tunnel->port,
		.mode = abi_modes[tunnel->mode],
		.family = tunnel->family,
		.kind = CV_ENDPOINT_EXACT,
		.has_key = tunnel->has_key,
	};

	to_address(tunnel->family, tunnel->family == 4 ? LOCAL4 : LOCAL6, key.local);
	to_address(tunnel->family, tunnel->remote, key.remote);
	return key;
}

static void put_endpoints(const struct decoder_tunnel *tunnel)
{
	struct cv_endpoint_key key = exact_key(tunnel);

	put_endpoint(&key, tunnel->id, 0);
	key.key = 0;
	key.has_key = 0;
	key.kind = CV_ENDPOINT_PAIR;
	put_endpoint(&key, tunnel->id, 0);
	memset(key.remote, 0, sizeof(key.remote));
	key.kind = CV_ENDPOINT_LOCAL;
	put_endpoint(&key, tunnel->id, 0);
}

#define ALLOW_GENERATION 7
#define ALLOW6_GENERATION 5

static void put_tunnel(const struct decoder_tunnel *conf, struct cv_tunnel *tunnel)
{
	put_endpoints(conf);
	snprintf(tunnel->name, sizeof(tunnel->name), "t%u", conf->id);
	to_address(conf->family, conf->family == 4 ? LOCAL4 : LOCAL6, tunnel->local);
	to_address(conf->family, conf->remote, tunnel->remote);
	tunnel->mode = abi_modes[conf->mode];
	tunnel->family = conf->family;
	tunnel->flags = (conf->has_key ? CV_TUNNEL_KEY : 0) | (conf->has_ecn ? CV_TUNNEL_ECN : 0) |
			(conf->has_allow ? CV_TUNNEL_ALLOW : 0) |
			(conf->is_uniform ? CV_TUNNEL_DSCP_UNIFORM : 0);
	tunnel->key = abi_key(conf);
	if (conf->id == T_MSS4 || conf->id == T_MSS6) {
		tunnel->mss4 = MSS;
		tunnel->mss6 = MSS - 20;
	}
	if (conf->has_allow)
		tunnel->allow_generation = conf->family == 4 ? ALLOW_GENERATION : ALLOW6_GENERATION;
}

struct allowed {
	uint32_t tunnel;
	uint32_t generation;
	uint8_t family;
	const char *prefix;
	uint32_t bits;
};

static const struct allowed allowed[] = {
	{ T_ALLOW4, ALLOW_GENERATION, 4, "10.1.0.0", 16 },
	{ T_ALLOW4, ALLOW_GENERATION, 4, "10.1.2.0", 24 },
	{ T_ALLOW4, ALLOW_GENERATION, 4, "10.1.2.3", 32 },
	{ T_ALLOW4, ALLOW_GENERATION, 6, "2001:db8:1::", 48 },
	{ T_ALLOW4, ALLOW_GENERATION, 6, "2001:db8:1:2::", 64 },
	{ T_ALLOW4, ALLOW_GENERATION - 1, 4, "10.2.0.0", 16 },
	{ T_ALLOW4, ALLOW_GENERATION + 1, 6, "2001:db8:2::", 48 },
	{ T_ALLOW6, ALLOW6_GENERATION, 4, "10.1.0.0", 16 },
	{ T_ALLOW6, ALLOW6_GENERATION, 6, "2001:db8:1::", 48 },
	{ T_ALLOW_VXLAN, ALLOW_GENERATION, 4, "10.1.0.0", 16 },
	{ T_ALLOW_VXLAN, ALLOW_GENERATION, 6, "2001:db8:1::", 48 },
	{ T_ALLOW_SRV6, ALLOW6_GENERATION, 4, "10.1.0.0", 16 },
	{ T_ALLOW_SRV6, ALLOW6_GENERATION, 6, "2001:db8:1::", 48 },
	{ T_GRE4, ALLOW_GENERATION, 4, "10.3.0.0", 16 },
};

static void put_allowed(const struct allowed *entry)
{
	struct cv_allowed_key key = {
		.prefix_bits = CV_ALLOWED_BASE_BITS + entry->bits,
		.tunnel = entry->tunnel,
		.generation = entry->generation,
		.family = entry->family,
	};
	int fd = bpf_map__fd(MAP(CV_MAP_ALLOWED));
	uint32_t one = 1;

	to_address(entry->family, entry->prefix, key.source);
	assert_int_equal(bpf_map_update_elem(fd, &key, &one, BPF_ANY), 0);
}

static void put_ports(void)
{
	static struct cv_ports ports;
	uint32_t zero = 0;

	for (const struct decoder_tunnel *tunnel = tunnels; tunnel->id; tunnel++)
		if (tunnel->port)
			ports.mode[tunnel->port] = abi_modes[tunnel->mode];
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_PORTS)), &zero, &ports, 0), 0);
}

/* A tunnel whose key was changed: the old one stays valid for a while, one before it is not. */
static void put_old_keys(void)
{
	static const struct decoder_tunnel keys[] = {
		{ T_OVERLAP, D_GRE, 4, .remote = "192.0.2.17", .has_key = true, .key = 3 },
		{ T_OVERLAP, D_GRE, 4, .remote = "192.0.2.17", .has_key = true, .key = 2 },
		{ T_OVERLAP, D_GRE, 4, .remote = "192.0.2.17", .has_key = true, .key = 1 },
	};
	struct cv_endpoint_key old = exact_key(&keys[1]), older = exact_key(&keys[2]);

	put_endpoints(&keys[0]);
	put_endpoint(&old, T_OVERLAP, boot_ns() + 3600 * NS_PER_SECOND);
	put_endpoint(&older, T_OVERLAP, boot_ns() - 1);
}

static int tunnels_setup(void **state)
{
	CV_FREE struct cv_tunnel *slots = calloc(CV_MAX_TUNNELS, sizeof(*slots));
	int rc = group_setup(state);

	assert_non_null(slots);
	if (rc || !progrun.object)
		return rc;
	for (const struct decoder_tunnel *tunnel = tunnels; tunnel->id; tunnel++)
		put_tunnel(tunnel, &slots[tunnel->id]);
	for (const struct decoder_tunnel *tunnel = peers_only; tunnel->id; tunnel++)
		put_endpoints(tunnel);
	put_old_keys();
	slots[T_OVERLAP] = slots[T_TWIN_A];
	slots[T_OVERLAP].key = BE32(3);
	put_ports();
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		put_allowed(&allowed[i]);
	close(fill_tunnels(MAP(CV_MAP_TUNNELS), slots, 0));
	return 0;
}

/* ---- rows ---- */

enum end { PASSES, DECAPSULATED, DROPPED };

struct decap_row {
	const char *name;
	const struct layer *outer; /* Ethernet to tunnel header */
	const struct layer *inner;
	enum end end;
	uint32_t tunnel; /* taken out of, or counted for; 0: none is known */
	uint32_t reason;
	const struct layer *result; /* inner layers that come out; NULL: as they went in */
	uint16_t cut; /* bytes that are missing at the end */
	uint32_t gso_bytes;
	bool is_not_ip; /* no rule is asked */
};

#define INNER4 PACKET(IP4(.src = "10.1.2.3"), UDP(7, 8), DATA(21))
#define INNER6 PACKET(IP6(.src = "2001:db8:1::9"), TCP(7, 8), DATA(21))
#define NOTHING PACKET({ .kind = L_END })
#define DECAPS(id) .end = DECAPSULATED, .tunnel = (id)
#define GOES_ON(id, why) .end = PASSES, .tunnel = (id), .reason = CV_R_##why
#define DROPS(id, why) .end = DROPPED, .tunnel = (id), .reason = CV_R_##why
#define UNTOUCHED .end = PASSES

#define GRE4(...) PACKET(ETH(), FROM4(2), GRE(__VA_ARGS__))
#define GRE6(...) PACKET(ETH(), FROM6(2), GRE(__VA_ARGS__))
#define OPTIONS(text) .raw = (text), .options = sizeof(text) - 1
#define KEYED .flags = GRE_KEY
#define SENDER4(last) PACKET(ETH(), FROM4(last), GRE())
#define SOURCE4(text) PACKET(IP4(.src = text), UDP(7, 8))
#define SOURCE6(text) PACKET(IP6(.src = text), UDP(7, 8))
#define ALLOW4 PACKET(ETH(), FROM4(6), GRE())
#define ALLOW6 PACKET(ETH(), FROM6(6), GRE())
#define DST EXT(EXT_DST)

#define GUE4(...) PACKET(ETH(), FROM4(10), UDP(4000, GUE_PORT), GUE(__VA_ARGS__))
#define GUE6(...) PACKET(ETH(), FROM6(10), UDP(4000, GUE_PORT), GUE(__VA_ARGS__))
#define GUE4_BARE PACKET(ETH(), FROM4(10), UDP(4000, GUE_PORT))
#define GUE6_BARE PACKET(ETH(), FROM6(10), UDP(4000, GUE_PORT))
#define FOU4 PACKET(ETH(), FROM4(11), UDP(4000, FOU_PORT))
#define FOU6 PACKET(ETH(), FROM6(11), UDP(4000, FOU_PORT))
#define VXLAN4(...) PACKET(ETH(), FROM4(12), UDP(4000, VXLAN_PORT), VXLAN(__VA_ARGS__), ETH())
#define VXLAN6(...) PACKET(ETH(), FROM6(12), UDP(4000, VXLAN_PORT), VXLAN(__VA_ARGS__), ETH())
#define VXLAN4_OF(...) PACKET(ETH(), FROM4(12), UDP(4000, VXLAN_PORT), VXLAN(VNI), ETH(__VA_ARGS__))
#define GENEVE4(...) PACKET(ETH(), FROM4(13), UDP(4000, GENEVE_PORT), GENEVE(__VA_ARGS__), ETH())
#define GENEVE6(...) PACKET(ETH(), FROM6(13), UDP(4000, GENEVE_PORT), GENEVE(__VA_ARGS__), ETH())
#define GENEVE4_OF(...)                                                                            \
	PACKET(ETH(), FROM4(13), UDP(4000, GENEVE_PORT), GENEVE(VNI), ETH(__VA_ARGS__))
#define GENEVE4_IP(...) PACKET(ETH(), FROM4(13), UDP(4000, GENEVE_PORT), GENEVE(__VA_ARGS__))
#define SRV6_PLAIN PACKET(ETH(), FROM6(14))
#define SRV6_SRH PACKET(ETH(), FROM6(14), SRH(0, LOCAL6, "2001:db8:5::1"))
#define SRH_THEN(number)                                                                           \
	{                                                                                          \
		.kind = L_SRH, .list = (const char *const[]){ LOCAL6, NULL }, .next = (number)     \
	}
#define OLD_KEY(number) PACKET(ETH(), FROM4(17), GRE(KEYED, .key = (number)))

/* What holds for every mode over UDP: id4 and id6 are its tunnels with the remotes `last`; its header
 * follows. */
#define UDP_ROWS(mode, id4, id6, last, port, ...)                                                  \
	{ mode " from a stranger", PACKET(ETH(), FROM4(99), UDP(4000, port), ##__VA_ARGS__),       \
	  INNER4, GOES_ON(id4, DECAP_PEER) },                                                      \
		{ mode " from a stranger in IPv6",                                                 \
		  PACKET(ETH(), FROM6(99), UDP(4000, port), ##__VA_ARGS__), INNER4,                \
		  GOES_ON(id6, DECAP_PEER) },                                                      \
		{ mode " to an address that is no tunnel's",                                       \
		  PACKET(ETH(), IP4(.src = "192.0.2." #last, .dst = "192.0.2.99"),                 \
			 UDP(4000, port), ##__VA_ARGS__),                                          \
		  INNER4, UNTOUCHED },                                                             \
		{ mode " to another port",                                                         \
		  PACKET(ETH(), FROM4(last), UDP(4000, 9), ##__VA_ARGS__), INNER4, UNTOUCHED },    \
		{ mode " from the port, to another",                                               \
		  PACKET(ETH(), FROM4(last), UDP(port, 4000), ##__VA_ARGS__), INNER4, UNTOUCHED }, \
		{ mode " over UDP-Lite",                                                           \
		  PACKET(ETH(), FROM4(last), PORTS(136, 4000, port), ##__VA_ARGS__), INNER4,       \
		  UNTOUCHED },                                                                     \
		{ mode " in a frame for another host",                                             \
		  PACKET(ETH(.mac = "\x02\0\0\0\0\x77"), FROM4(last), UDP(4000, port),             \
			 ##__VA_ARGS__),                                                           \
		  INNER4, UNTOUCHED },                                                             \
		{ mode ": first fragment",                                                         \
		  PACKET(ETH(), FROM4(last, .fragment = IP4_MF), UDP(4000, port), ##__VA_ARGS__),  \
		  INNER4, GOES_ON(id4, DECAP_FRAGMENT) },                                          \
		{ mode ": later fragment, which shows no port",                                    \
		  PACKET(ETH(), FROM4(last, .fragment = 1), UDP(4000, port), ##__VA_ARGS__),       \
		  INNER4, UNTOUCHED },                                                             \
		{ mode ": first fragment in IPv6",                                                 \
		  PACKET(ETH(), FROM6(last), FRAG(IP6_MF), UDP(4000, port), ##__VA_ARGS__),        \
		  INNER4, GOES_ON(id6, DECAP_FRAGMENT) },                                          \
		{ mode ": later fragment in IPv6",                                                 \
		  PACKET(ETH(), FROM6(last), FRAG(8), UDP(4000, port), ##__VA_ARGS__), INNER4,     \
		  UNTOUCHED },                                                                     \
		{ mode " behind a routing header with segments left",                              \
		  PACKET(ETH(), FROM6(last), EXT(EXT_ROUTING, .units = 2, .segments = 1),          \
			 UDP(4000, port), ##__VA_ARGS__),                                          \
		  INNER4, GOES_ON(id6, DECAP_ROUTING) },                                           \
		{ mode " behind an authentication header",                                         \
		  PACKET(ETH(), FROM6(last), EXT(EXT_AH, .units = 4), UDP(4000, port),             \
			 ##__VA_ARGS__),                                                           \
		  INNER4, GOES_ON(id6, DECAP_ROUTING) },                                           \
		{ mode " behind destination options",                                              \
		  PACKET(ETH(), FROM6(last), DST, UDP(4000, port), ##__VA_ARGS__), INNER6,         \
		  DECAPS(id6) },                                                                   \
		{ mode " with IPv4 options outside",                                               \
		  PACKET(ETH(), FROM4(last, .options = 12), UDP(4000, port), ##__VA_ARGS__),       \
		  INNER4, DECAPS(id4) },                                                           \
		{ mode " with a UDP checksum, which nobody has to verify",                         \
		  PACKET(ETH(), FROM4(last), UDP(4000, port, .check_xor = 0x1234), ##__VA_ARGS__), \
		  INNER4, DECAPS(id4) },                                                           \
		{ mode ": the UDP datagram is one byte longer than the IP packet",                 \
		  PACKET(ETH(), FROM4(last), UDP(4000, port, .len_off = 1), ##__VA_ARGS__),        \
		  INNER4, GOES_ON(id4, DECAP_HEADER) },                                            \
		{ mode ": the UDP datagram is longer than the IPv6 packet",                        \
		  PACKET(ETH(), FROM6(last), UDP(4000, port, .len_off = 1), ##__VA_ARGS__),        \
		  INNER4, GOES_ON(id6, DECAP_HEADER) },                                            \
		{ mode ": a UDP length of 7",                                                      \
		  PACKET(ETH(), FROM4(last), UDP(4000, port, .size = 7), ##__VA_ARGS__), INNER4,   \
		  GOES_ON(id4, DECAP_HEADER) },                                                    \
		{ mode ": a UDP length of 65535",                                                  \
		  PACKET(ETH(), FROM4(last), UDP(4000, port, .size = 65535), ##__VA_ARGS__),       \
		  INNER4, GOES_ON(id4, DECAP_HEADER) },                                            \
		{ mode ": the UDP datagram leaves out the end of the inner packet",                \
		  PACKET(ETH(), FROM4(last), UDP(4000, port, .len_off = -1), ##__VA_ARGS__),       \
		  INNER4, DROPS(id4, DECAP_INNER) },                                               \
		{ mode ": the UDP datagram ends with its header",                                  \
		  PACKET(ETH(), FROM6(last), UDP(4000, port, .size = 8), ##__VA_ARGS__), INNER4,   \
		  DROPS(id6, DECAP_INNER) },                                                       \
		{ mode ": the IPv4 packet leaves out the end of the datagram",                     \
		  PACKET(ETH(), FROM4(last, .len_off = -1), UDP(4000, port), ##__VA_ARGS__),       \
		  INNER4, GOES_ON(id4, DECAP_HEADER) },                                            \
		{ mode ": the IPv4 packet is longer than what arrived",                            \
		  PACKET(ETH(), FROM4(last, .len_off = 1), UDP(4000, port), ##__VA_ARGS__),        \
		  INNER4, DROPS(id4, DECAP_INNER) },                                               \
		{ mode ": the IPv6 packet is longer than what arrived",                            \
		  PACKET(ETH(), FROM6(last, .len_off = 1), UDP(4000, port), ##__VA_ARGS__),        \
		  INNER4, DROPS(id6, DECAP_INNER) },                                               \
		{ mode ": a wrong outer IPv4 checksum",                                            \
		  PACKET(ETH(), FROM4(last, .check_xor = 1), UDP(4000, port), ##__VA_ARGS__),      \
		  INNER4, GOES_ON(id4, DECAP_HEADER) },                                            \
		{ mode ": a wrong checksum of an outer header with options",                       \
		  PACKET(ETH(), FROM4(last, .options = 4, .check_xor = 1), UDP(4000, port),        \
			 ##__VA_ARGS__),                                                           \
		  INNER4, GOES_ON(id4, DECAP_HEADER) },                                            \
		{ mode ": an inner IPv4 header of 4 words",                                        \
		  PACKET(ETH(), FROM4(last), UDP(4000, port), ##__VA_ARGS__),                      \
		  PACKET(IP4(.ihl = 4), UDP(7, 8)), DROPS(id4, DECAP_INNER) },                     \
		{ mode ": an inner IPv4 length that is less than the header",                      \
		  PACKET(ETH(), FROM4(last), UDP(4000, port), ##__VA_ARGS__),                      \
		  PACKET(IP4(.len_off = -9), UDP(7, 8)), DROPS(id4, DECAP_INNER) },                \
		{ mode ": an inner IPv4 length of one more than there is",                         \
		  PACKET(ETH(), FROM4(last), UDP(4000, port), ##__VA_ARGS__),                      \
		  PACKET(IP4(.len_off = 1), UDP(7, 8)), DROPS(id4, DECAP_INNER) },                 \
		{ mode ": an inner IPv6 length of one more than there is",                         \
		  PACKET(ETH(), FROM6(last), UDP(4000, port), ##__VA_ARGS__),                      \
		  PACKET(IP6(.len_off = 1), UDP(7, 8)), DROPS(id6, DECAP_INNER) },                 \
		{ mode ": an inner IPv4 header that is not all there",                             \
		  PACKET(ETH(), FROM6(last), UDP(4000, port), ##__VA_ARGS__),                      \
		  PACKET(IP4(), UDP(7, 8)), DROPS(id6, DECAP_INNER), .cut = 10 },                  \
		{ mode ": a tunnel in a tunnel is taken out once",                                 \
		  PACKET(ETH(), FROM4(last), UDP(4000, port), ##__VA_ARGS__),                      \
		  PACKET(FROM4(last), UDP(4000, port), DATA(40)), DECAPS(id4) },                   \
		{ mode ": bytes of the datagram behind the inner packet stay behind it",           \
		  PACKET(ETH(), FROM4(last), UDP(4000, port), ##__VA_ARGS__),                      \
		  PACKET(IP4(.len_off = -9), DATA(9)), DECAPS(id4) },                              \
	{                                                                                          \
		mode ": CE outside, Not-ECT inside",                                               \
			PACKET(ETH(), FROM4(last, .tos = CE), UDP(4000, port), ##__VA_ARGS__),     \
			INNER4, DROPS(id4, DECAP_ECN)                                              \
	}

static const struct decap_row rows[] = {
	/* ---- the good ---- */
	{ "GRE in IPv4 with IPv4 inside", GRE4(), INNER4, DECAPS(T_GRE4) },
	{ "GRE in IPv4 with IPv6 inside", GRE4(), INNER6, DECAPS(T_GRE4) },
	{ "GRE in IPv6 with IPv4 inside", GRE6(), INNER4, DECAPS(T_GRE6) },
	{ "GRE in IPv6 with IPv6 inside", GRE6(), INNER6, DECAPS(T_GRE6) },
	{ "GRE with key in IPv4 with IPv4 inside", PACKET(ETH(), FROM4(4), GRE(KEYED, .key = KEY)),
	  INNER4, DECAPS(T_KEY4) },
	{ "GRE with key in IPv4 with IPv6 inside", PACKET(ETH(), FROM4(4), GRE(KEYED, .key = KEY)),
	  INNER6, DECAPS(T_KEY4) },
	{ "GRE with key in IPv6 with IPv4 inside", PACKET(ETH(), FROM6(4), GRE(KEYED, .key = KEY)),
	  INNER4, DECAPS(T_KEY6) },
	{ "GRE with key in IPv6 with IPv6 inside", PACKET(ETH(), FROM6(4), GRE(KEYED, .key = KEY)),
	  INNER6, DECAPS(T_KEY6) },
	{ "IPv4 in IPv4", PACKET(ETH(), FROM4(3)), INNER4, DECAPS(T_IPIP4) },
	{ "IPv6 in IPv4", PACKET(ETH(), FROM4(3)), INNER6, DECAPS(T_IPIP4) },
	{ "IPv4 in IPv6", PACKET(ETH(), FROM6(3)), INNER4, DECAPS(T_IPIP6) },
	{ "IPv6 in IPv6", PACKET(ETH(), FROM6(3)), INNER6, DECAPS(T_IPIP6) },
	{ "GRE with key 0 where key 0 is expected", PACKET(ETH(), FROM4(5), GRE(KEYED)), INNER4,
	  DECAPS(T_KEY0_4) },
	{ "GRE with key 0 in IPv6 where key 0 is expected", PACKET(ETH(), FROM6(5), GRE(KEYED)),
	  INNER4, DECAPS(T_KEY0_6) },
	{ "the key tells two tunnels of one pair apart: first",
	  PACKET(ETH(), FROM4(8), GRE(KEYED, .key = 1)), INNER4, DECAPS(T_TWIN_A) },
	{ "the key tells two tunnels of one pair apart: second",
	  PACKET(ETH(), FROM4(8), GRE(KEYED, .key = 2)), INNER4, DECAPS(T_TWIN_B) },
	{ "an inner IPv4 header alone is a packet", GRE4(), PACKET(IP4()), DECAPS(T_GRE4) },
	{ "an inner IPv6 header alone is a packet", GRE6(), PACKET(IP6()), DECAPS(T_GRE6) },
	{ "an inner packet with IPv4 options", GRE4(), PACKET(IP4(.options = 40), UDP(7, 8)),
	  DECAPS(T_GRE4) },
	{ "an inner fragment", GRE4(), PACKET(IP4(.fragment = 5), DATA(16)), DECAPS(T_GRE4) },
	{ "an inner packet with extension headers", GRE6(), PACKET(IP6(), DST, FRAG(8), DATA(16)),
	  DECAPS(T_GRE6) },
	{ "a tunnel in a tunnel is taken out once", GRE4(),
	  PACKET(FROM4(2), GRE(), IP4(), UDP(7, 8)), DECAPS(T_GRE4) },
	{ "a wrong inner checksum is the stack's affair", GRE4(),
	  PACKET(IP4(.check_xor = 1), UDP(7, 8)), DECAPS(T_GRE4) },
	{ "padding of Ethernet behind the packet stays behind it", GRE4(), PACKET(IP4(), PAD(18)),
	  DECAPS(T_GRE4) },
	{ "padding of Ethernet behind IPv6", GRE6(), PACKET(IP6(), PAD(3)), DECAPS(T_GRE6) },
	{ "bytes of the outer packet behind the inner one stay behind it", GRE4(),
	  PACKET(IP4(.len_off = -9), DATA(9)), DECAPS(T_GRE4) },
	{ "do-not-fragment outside is no fragment",
	  PACKET(ETH(), FROM4(2, .fragment = IP4_DF), GRE()), INNER4, DECAPS(T_GRE4) },
	{ "TTL 1 outside is for us: nothing is forwarded", PACKET(ETH(), FROM4(2, .ttl = 1), GRE()),
	  INNER4, DECAPS(T_GRE4) },
	/* Options say nothing about the content, and the header goes with them. */
	{ "options outside in IPv4 are taken off with the header",
	  PACKET(ETH(), FROM4(2, .options = 8), GRE()), INNER4, DECAPS(T_GRE4) },
	{ "40 bytes of options outside, another family inside",
	  PACKET(ETH(), FROM4(3, .options = 40)), INNER6, DECAPS(T_IPIP4) },
	/* Linux' own ip6_tunnel and ip6_gre send one (encapsulation limit, RFC 2473) by default. */
	{ "a destination options header outside is taken off with the header",
	  PACKET(ETH(), FROM6(2), DST, GRE()), INNER6, DECAPS(T_GRE6) },
	{ "a destination options header outside, another family inside",
	  PACKET(ETH(), FROM6(3), DST), INNER4, DECAPS(T_IPIP6) },
	{ "a hop-by-hop header outside is taken off with the header",
	  PACKET(ETH(), FROM6(2), EXT(EXT_HOP), GRE()), INNER4, DECAPS(T_GRE6) },
	{ "a routing header that has done its work is taken off",
	  PACKET(ETH(), FROM6(2), EXT(EXT_ROUTING, .units = 2), GRE()), INNER4, DECAPS(T_GRE6) },
	{ "an atomic fragment outside is a whole packet (RFC 8200 4.5)",
	  PACKET(ETH(), FROM6(2), FRAG(0), GRE()), INNER4, DECAPS(T_GRE6) },
	{ "as many extension headers outside as the limit says",
	  PACKET(ETH(), FROM6(2), DST, DST, DST, DST, DST, DST, GRE()), INNER4, DECAPS(T_GRE6) },
	{ "bits 6 to 12 of the GRE flags are ignored (RFC 2784 2.3)", GRE4(.flags = 0x03f8), INNER4,
	  DECAPS(T_GRE4) },
	{ "without ECN the outer CE is not looked at", PACKET(ETH(), FROM4(7, .tos = 3), GRE()),
	  INNER4, DECAPS(T_PLAIN4) },

	/* ---- the good of the later modes ---- */
	{ "GUE in IPv4 with IPv4 inside", GUE4(), INNER4, DECAPS(T_GUE4) },
	{ "GUE in IPv4 with IPv6 inside", GUE4(), INNER6, DECAPS(T_GUE4) },
	{ "GUE in IPv6 with IPv4 inside", GUE6(), INNER4, DECAPS(T_GUE6) },
	{ "GUE in IPv6 with IPv6 inside", GUE6(), INNER6, DECAPS(T_GUE6) },
	{ "GUE variant 1 in IPv4 with IPv4 inside", GUE4_BARE, INNER4, DECAPS(T_GUE4) },
	{ "GUE variant 1 in IPv4 with IPv6 inside", GUE4_BARE, INNER6, DECAPS(T_GUE4) },
	{ "GUE variant 1 in IPv6 with IPv4 inside", GUE6_BARE, INNER4, DECAPS(T_GUE6) },
	{ "GUE variant 1 in IPv6 with IPv6 inside", GUE6_BARE, INNER6, DECAPS(T_GUE6) },
	{ "FOU in IPv4 with IPv4 inside", FOU4, INNER4, DECAPS(T_FOU4) },
	{ "FOU in IPv4 with IPv6 inside", FOU4, INNER6, DECAPS(T_FOU4) },
	{ "FOU in IPv6 with IPv4 inside", FOU6, INNER4, DECAPS(T_FOU6) },
	{ "FOU in IPv6 with IPv6 inside", FOU6, INNER6, DECAPS(T_FOU6) },
	{ "VXLAN in IPv4 with IPv4 inside", VXLAN4(VNI), INNER4, DECAPS(T_VXLAN4) },
	{ "VXLAN in IPv4 with IPv6 inside", VXLAN4(VNI), INNER6, DECAPS(T_VXLAN4) },
	{ "VXLAN in IPv6 with IPv4 inside", VXLAN6(VNI), INNER4, DECAPS(T_VXLAN6) },
	{ "VXLAN in IPv6 with IPv6 inside", VXLAN6(VNI), INNER6, DECAPS(T_VXLAN6) },
	{ "Geneve in IPv4 with IPv4 inside", GENEVE4(VNI), INNER4, DECAPS(T_GENEVE4) },
	{ "Geneve in IPv4 with IPv6 inside", GENEVE4(VNI), INNER6, DECAPS(T_GENEVE4) },
	{ "Geneve in IPv6 with IPv4 inside", GENEVE6(VNI), INNER4, DECAPS(T_GENEVE6) },
	{ "Geneve in IPv6 with IPv6 inside", GENEVE6(VNI), INNER6, DECAPS(T_GENEVE6) },
	{ "SRv6 with IPv4 inside", SRV6_PLAIN, INNER4, DECAPS(T_SRV6) },
	{ "SRv6 with IPv6 inside", SRV6_PLAIN, INNER6, DECAPS(T_SRV6) },
	{ "SRv6 with a segment list, IPv4 inside", SRV6_SRH, INNER4, DECAPS(T_SRV6) },
	{ "SRv6 with a segment list, IPv6 inside", SRV6_SRH, INNER6, DECAPS(T_SRV6) },
	{ "the inner DSCP is the outer one: IPv4",
	  PACKET(ETH(), FROM4(15, .tos = 10 << 2 | ECT_1), GRE()),
	  PACKET(IP4(.tos = 46 << 2 | ECT_0), UDP(7, 8)), DECAPS(T_UNIFORM4),
	  .result = PACKET(IP4(.tos = 10 << 2 | ECT_1), UDP(7, 8)) },
	{ "the inner DSCP is the outer one: IPv6",
	  PACKET(ETH(), FROM6(15, .tos = 10 << 2 | CE), UDP(4000, FOU_PORT)),
	  PACKET(IP6(.tos = 46 << 2 | ECT_0), UDP(7, 8)), DECAPS(T_UNIFORM6),
	  .result = PACKET(IP6(.tos = 10 << 2 | CE), UDP(7, 8)) },

	/* ---- UDP ---- */
	UDP_ROWS("GUE", T_GUE4, T_GUE6, 10, GUE_PORT, GUE()),
	UDP_ROWS("GUE variant 1", T_GUE4, T_GUE6, 10, GUE_PORT),
	UDP_ROWS("FOU", T_FOU4, T_FOU6, 11, FOU_PORT),
	UDP_ROWS("VXLAN", T_VXLAN4, T_VXLAN6, 12, VXLAN_PORT, VXLAN(VNI), ETH()),
	UDP_ROWS("Geneve", T_GENEVE4, T_GENEVE6, 13, GENEVE_PORT, GENEVE(VNI), ETH()),

	/* ---- GUE ---- */
	{ "GUE control message", GUE4(.spoil = 0x20000000), INNER4, GOES_ON(T_GUE4, DECAP_GUE) },
	{ "GUE with one word of fields", GUE4(.spoil = 0x01000000), INNER4,
	  GOES_ON(T_GUE4, DECAP_GUE) },
	{ "GUE with 31 words of fields, beyond the packet", GUE4(.spoil = 0x1f000000), INNER4,
	  GOES_ON(T_GUE4, DECAP_GUE) },
	{ "GUE variant 2", GUE4(.spoil = 0x80000000), INNER4, GOES_ON(T_GUE4, DECAP_GUE) },
	{ "GUE variant 3", GUE6(.spoil = 0xc0000000), INNER4, GOES_ON(T_GUE6, DECAP_GUE) },
	{ "GUE with the first flag", GUE4(.spoil = 0x00008000), INNER4,
	  GOES_ON(T_GUE4, DECAP_GUE) },
	{ "GUE with the private flag", GUE6(.spoil = 0x00000001), INNER4,
	  GOES_ON(T_GUE6, DECAP_GUE) },
	{ "GUE that carries UDP", GUE4(.next = 17), INNER4, GOES_ON(T_GUE4, DECAP_HEADER) },
	{ "GUE that carries no next header", GUE6(.next = 59), INNER4,
	  GOES_ON(T_GUE6, DECAP_HEADER) },
	{ "GUE that carries Ethernet", GUE4(.next = 143), INNER4, GOES_ON(T_GUE4, DECAP_HEADER) },
	{ "IPv6 where GUE says IPv4", GUE4(.next = 4), INNER6, DROPS(T_GUE4, DECAP_INNER) },
	{ "IPv4 where GUE says IPv6", GUE6(.next = 41), INNER4, DROPS(T_GUE6, DECAP_INNER) },
	{ "version 5 in GUE", GUE4(), PACKET(IP4(.version = 5), UDP(7, 8)),
	  DROPS(T_GUE4, DECAP_INNER) },
	{ "nothing inside GUE", GUE4(.next = 4), NOTHING, DROPS(T_GUE4, DECAP_INNER) },
	{ "GUE variant 1 with version 5", GUE4_BARE, PACKET(IP4(.version = 5), UDP(7, 8)),
	  GOES_ON(T_GUE4, DECAP_HEADER) },
	{ "GUE variant 1 with version 7", GUE6_BARE, PACKET(IP6(.version = 7), UDP(7, 8)),
	  GOES_ON(T_GUE6, DECAP_HEADER) },
	{ "nothing behind the UDP header of GUE", GUE4_BARE, NOTHING,
	  GOES_ON(T_GUE4, DECAP_HEADER) },
	{ "GUE at the port of FOU", PACKET(ETH(), FROM4(11), UDP(4000, FOU_PORT), GUE()), INNER4,
	  GOES_ON(T_FOU4, DECAP_HEADER) },
	{ "GUE from the remote of a FOU tunnel",
	  PACKET(ETH(), FROM4(11), UDP(4000, GUE_PORT), GUE()), INNER4,
	  GOES_ON(T_GUE4, DECAP_PEER) },

	/* ---- FOU ---- */
	{ "FOU with version 5", FOU4, PACKET(IP4(.version = 5), UDP(7, 8)),
	  GOES_ON(T_FOU4, DECAP_HEADER) },
	{ "FOU with version 0", FOU6, PACKET(IP6(.version = 0xf0), UDP(7, 8)),
	  GOES_ON(T_FOU6, DECAP_HEADER) },
	{ "FOU with version 15", FOU4, PACKET(IP4(.version = 15), UDP(7, 8)),
	  GOES_ON(T_FOU4, DECAP_HEADER) },
	{ "nothing behind the UDP header of FOU", FOU4, NOTHING, GOES_ON(T_FOU4, DECAP_HEADER) },
	{ "one byte behind the UDP header of FOU", FOU4, PACKET(RAW("\x45")),
	  DROPS(T_FOU4, DECAP_INNER) },
	{ "FOU with an IPv6 header that says version 4", FOU6, PACKET(IP6(.version = 4)),
	  DROPS(T_FOU6, DECAP_INNER) },
	{ "FOU from the remote of a GUE tunnel", PACKET(ETH(), FROM4(10), UDP(4000, FOU_PORT)),
	  INNER4, GOES_ON(T_FOU4, DECAP_PEER) },

	/* ---- VXLAN ---- */
	{ "VXLAN without the bit that says there is a VNI", VXLAN4(VNI, .spoil = 0x08000000),
	  INNER4, GOES_ON(T_VXLAN4, DECAP_VXLAN) },
	{ "VXLAN with a group policy", VXLAN4(VNI, .spoil = 0x80000000), INNER4,
	  GOES_ON(T_VXLAN4, DECAP_VXLAN) },
	{ "VXLAN-GPE", VXLAN6(VNI, .spoil = 0x04000000), INNER4, GOES_ON(T_VXLAN6, DECAP_VXLAN) },
	{ "VXLAN with remote checksum offload", VXLAN4(VNI, .spoil = 0x00200000), INNER4,
	  GOES_ON(T_VXLAN4, DECAP_VXLAN) },
	{ "VXLAN with the last reserved flag", VXLAN6(VNI, .spoil = 0x00000001), INNER4,
	  GOES_ON(T_VXLAN6, DECAP_VXLAN) },
	{ "VXLAN with the byte behind the VNI in use", VXLAN4(VNI, .reserved = 1), INNER4,
	  GOES_ON(T_VXLAN4, DECAP_VXLAN) },
	{ "VXLAN with another VNI", VXLAN4(VNI + 1), INNER4, GOES_ON(T_VXLAN4, DECAP_KEY) },
	{ "VXLAN with another VNI in IPv6", VXLAN6(VNI ^ 0x800000), INNER4,
	  GOES_ON(T_VXLAN6, DECAP_KEY) },
	{ "VXLAN with VNI 0", VXLAN4(0), INNER4, GOES_ON(T_VXLAN4, DECAP_KEY) },
	{ "VXLAN with the VNI in the other byte order", VXLAN4(0x563412), INNER4,
	  GOES_ON(T_VXLAN4, DECAP_KEY) },
	{ "the VNI tells two tunnels of one pair apart", VXLAN4(7), INNER4, DECAPS(T_VXLAN_OTHER) },
	{ "VNI 0 where it is expected",
	  PACKET(ETH(), FROM4(22), UDP(4000, VXLAN_PORT), VXLAN(0), ETH()), INNER4,
	  DECAPS(T_VXLAN_0) },
	{ "the port tells two tunnels of one pair apart",
	  PACKET(ETH(), FROM4(12), UDP(4000, VXLAN_OTHER_PORT), VXLAN(8), ETH()), INNER4,
	  DECAPS(T_VXLAN_PORT) },
	{ "a VNI of another port",
	  PACKET(ETH(), FROM4(12), UDP(4000, VXLAN_OTHER_PORT), VXLAN(VNI), ETH()), INNER4,
	  GOES_ON(T_VXLAN_PORT, DECAP_KEY) },
	{ "VXLAN at the port of Geneve",
	  PACKET(ETH(), FROM4(13), UDP(4000, GENEVE_PORT), VXLAN(VNI), ETH()), INNER4,
	  DROPS(T_GENEVE4, DECAP_INNER) },
	{ "ARP inside VXLAN", VXLAN4_OF(.type = TYPE_ARP), INNER4, DROPS(T_VXLAN4, DECAP_INNER) },
	{ "a VLAN tag inside VXLAN", VXLAN4_OF(), PACKET(VLAN(), IP4(), UDP(7, 8)),
	  DROPS(T_VXLAN4, DECAP_INNER) },
	{ "IPv6 where the inner Ethernet header says IPv4", VXLAN4_OF(.type = TYPE_IPV4), INNER6,
	  DROPS(T_VXLAN4, DECAP_INNER) },
	{ "IPv4 where the inner Ethernet header says IPv6", VXLAN4_OF(.type = TYPE_IPV6), INNER4,
	  DROPS(T_VXLAN4, DECAP_INNER) },
	{ "nothing inside the inner Ethernet frame", VXLAN4_OF(.type = TYPE_IPV4), NOTHING,
	  DROPS(T_VXLAN4, DECAP_INNER) },
	{ "nothing behind the VXLAN header",
	  PACKET(ETH(), FROM4(12), UDP(4000, VXLAN_PORT), VXLAN(VNI)), NOTHING,
	  GOES_ON(T_VXLAN4, DECAP_HEADER) },
	{ "an inner Ethernet address of another host is no matter",
	  VXLAN4_OF(.mac = "\x02\0\0\0\0\x77"), INNER4, DECAPS(T_VXLAN4) },
	{ "VXLAN in VXLAN is taken out once", VXLAN4(VNI),
	  PACKET(FROM4(12), UDP(4000, VXLAN_PORT), VXLAN(VNI), ETH(), IP4(), UDP(7, 8)),
	  DECAPS(T_VXLAN4) },

	/* ---- Geneve ---- */
	{ "Geneve version 1", GENEVE4(VNI, .spoil = 0x40000000), INNER4,
	  GOES_ON(T_GENEVE4, DECAP_GENEVE) },
	{ "Geneve version 2", GENEVE6(VNI, .spoil = 0x80000000), INNER4,
	  GOES_ON(T_GENEVE6, DECAP_GENEVE) },
	{ "Geneve control message", GENEVE4(VNI, .spoil = 0x00800000), INNER4,
	  GOES_ON(T_GENEVE4, DECAP_GENEVE) },
	{ "Geneve with a critical option", GENEVE4(VNI, .options = 8, .spoil = 0x00400000), INNER4,
	  GOES_ON(T_GENEVE4, DECAP_GENEVE) },
	{ "Geneve that says critical without an option", GENEVE6(VNI, .spoil = 0x00400000), INNER4,
	  GOES_ON(T_GENEVE6, DECAP_GENEVE) },
	{ "Geneve with an option that nobody knows", GENEVE4(VNI, .options = 8), INNER4,
	  DECAPS(T_GENEVE4) },
	{ "Geneve with 252 bytes of options", GENEVE6(VNI, .options = 252), INNER6,
	  DECAPS(T_GENEVE6) },
	{ "Geneve options of 63 words, beyond the packet", GENEVE4(VNI, .spoil = 0x3f000000),
	  INNER4, GOES_ON(T_GENEVE4, DECAP_HEADER) },
	{ "Geneve options beyond the packet, and IP behind them",
	  GENEVE4_IP(VNI, .spoil = 0x3f000000), INNER4, DROPS(T_GENEVE4, DECAP_INNER) },
	{ "Geneve options that reach into the inner frame", GENEVE4(VNI, .spoil = 0x01000000),
	  INNER4, DROPS(T_GENEVE4, DECAP_INNER) },
	{ "Geneve options that leave a word of them outside",
	  GENEVE4(VNI, .options = 8, .spoil = 0x03000000), INNER4, DROPS(T_GENEVE4, DECAP_INNER) },
	{ "reserved bits of Geneve are ignored (RFC 8926 3.4)",
	  GENEVE4(VNI, .spoil = 0x003f0000, .reserved = 0xff), INNER4, DECAPS(T_GENEVE4) },
	{ "IPv4 right behind Geneve", GENEVE4_IP(VNI), INNER4, DECAPS(T_GENEVE4) },
	{ "IPv6 right behind Geneve and an option", GENEVE4_IP(VNI, .options = 4), INNER6,
	  DECAPS(T_GENEVE4) },
	{ "ARP right behind Geneve", GENEVE4_IP(VNI, .type = TYPE_ARP), INNER4,
	  DROPS(T_GENEVE4, DECAP_INNER) },
	{ "IPv6 where Geneve says IPv4", GENEVE4_IP(VNI, .type = TYPE_IPV4), INNER6,
	  DROPS(T_GENEVE4, DECAP_INNER) },
	{ "ARP inside Geneve", GENEVE4_OF(.type = TYPE_ARP), INNER4,
	  DROPS(T_GENEVE4, DECAP_INNER) },
	{ "Geneve with another VNI", GENEVE4(VNI - 1), INNER4, GOES_ON(T_GENEVE4, DECAP_KEY) },
	{ "Geneve with VNI 0", GENEVE6(0), INNER4, GOES_ON(T_GENEVE6, DECAP_KEY) },
	{ "nothing behind the Geneve header", GENEVE4_IP(VNI, .type = TYPE_ETHERNET), NOTHING,
	  GOES_ON(T_GENEVE4, DECAP_HEADER) },
	{ "Geneve at the port of VXLAN",
	  PACKET(ETH(), FROM4(12), UDP(4000, VXLAN_PORT), GENEVE(VNI), ETH()), INNER4,
	  GOES_ON(T_VXLAN4, DECAP_VXLAN) },

	/* ---- SRv6 ---- */
	{ "SRv6 from a stranger", PACKET(ETH(), FROM6(99), SRH(0, LOCAL6)), INNER4,
	  GOES_ON(T_IPIP6, DECAP_PEER) },
	{ "SRv6 to an address that is no SID",
	  PACKET(ETH(), IP6(.src = "2001:db8::14", .dst = "2001:db8::9"), SRH(0, LOCAL6)), INNER4,
	  UNTOUCHED },
	{ "SRv6 with segments left is not for us yet",
	  PACKET(ETH(), FROM6(14), SRH(1, "2001:db8:5::1", LOCAL6)), INNER4,
	  GOES_ON(T_SRV6, DECAP_ROUTING) },
	{ "SRv6 with 255 segments left", PACKET(ETH(), FROM6(14), SRH(255, LOCAL6)), INNER6,
	  GOES_ON(T_SRV6, DECAP_ROUTING) },
	{ "SRv6 behind a hop-by-hop header", PACKET(ETH(), FROM6(14), EXT(EXT_HOP), SRH(0, LOCAL6)),
	  INNER6, DECAPS(T_SRV6) },
	{ "two segment lists, both done", PACKET(ETH(), FROM6(14), SRH(0, LOCAL6), SRH(0, LOCAL6)),
	  INNER4, DECAPS(T_SRV6) },
	{ "two segment lists, one not done",
	  PACKET(ETH(), FROM6(14), SRH(0, LOCAL6), SRH(1, LOCAL6, LOCAL6)), INNER4,
	  GOES_ON(T_SRV6, DECAP_ROUTING) },
	{ "an unfinished segment list in front of one that is done",
	  PACKET(ETH(), FROM6(14), SRH(1, LOCAL6, LOCAL6), SRH(0, LOCAL6)), INNER4,
	  GOES_ON(T_SRV6, DECAP_ROUTING) },
	{ "a segment list that is longer than the packet",
	  PACKET(ETH(), FROM6(14, .next = EXT_ROUTING), RAW("\x04\xff\x04\0\x7f\0\0\0")), INNER4,
	  DROPS(T_SRV6, DECAP_INNER) },
	{ "a segment list that ends in the inner packet",
	  PACKET(ETH(), FROM6(14, .next = EXT_ROUTING), RAW("\x29\x02\x04\0\0\0\0\0")), INNER6,
	  DROPS(T_SRV6, DECAP_INNER) },
	{ "SRv6 that carries UDP", PACKET(ETH(), FROM6(14), SRH(0, LOCAL6)), PACKET(UDP(7, 8)),
	  UNTOUCHED },
	{ "SRv6 that carries Ethernet", PACKET(ETH(), FROM6(14), SRH_THEN(143)), INNER4,
	  UNTOUCHED },
	{ "IPv6 where the segment list says IPv4", PACKET(ETH(), FROM6(14), SRH_THEN(4)), INNER6,
	  DROPS(T_SRV6, DECAP_INNER) },
	{ "IPv4 where the segment list says IPv6", PACKET(ETH(), FROM6(14), SRH_THEN(41)), INNER4,
	  DROPS(T_SRV6, DECAP_INNER) },
	{ "nothing behind the segment list", PACKET(ETH(), FROM6(14), SRH_THEN(4)), NOTHING,
	  DROPS(T_SRV6, DECAP_INNER) },
	{ "SRv6, first fragment", PACKET(ETH(), FROM6(14), FRAG(IP6_MF), SRH(0, LOCAL6)), INNER4,
	  GOES_ON(T_SRV6, DECAP_FRAGMENT) },
	{ "SRv6, later fragment", PACKET(ETH(), FROM6(14), FRAG(8), IP6()), INNER4,
	  GOES_ON(T_SRV6, DECAP_FRAGMENT) },
	{ "SRv6 behind an authentication header",
	  PACKET(ETH(), FROM6(14), EXT(EXT_AH, .units = 4), SRH(0, LOCAL6)), INNER4,
	  GOES_ON(T_SRV6, DECAP_ROUTING) },
	{ "the IPv6 packet leaves out the end of the inner one",
	  PACKET(ETH(), FROM6(14, .len_off = -1), SRH(0, LOCAL6)), INNER4,
	  DROPS(T_SRV6, DECAP_INNER) },
	{ "the IPv6 packet with a segment list is longer than what arrived",
	  PACKET(ETH(), FROM6(14, .len_off = 1), SRH(0, LOCAL6)), INNER4,
	  DROPS(T_SRV6, DECAP_INNER) },
	{ "an inner IPv6 length of one more than there is", SRV6_SRH,
	  PACKET(IP6(.len_off = 1), UDP(7, 8)), DROPS(T_SRV6, DECAP_INNER) },
	{ "SRv6 in SRv6 is taken out once", SRV6_SRH,
	  PACKET(FROM6(14), SRH(0, LOCAL6), IP6(), UDP(7, 8)), DECAPS(T_SRV6) },
	{ "SRv6: CE outside, Not-ECT inside", PACKET(ETH(), FROM6(14, .tos = CE), SRH(0, LOCAL6)),
	  INNER4, DROPS(T_SRV6, DECAP_ECN) },
	{ "GRE from the remote of an SRv6 tunnel", PACKET(ETH(), FROM6(14), GRE()), INNER4,
	  GOES_ON(T_GRE6, DECAP_PEER) },

	/* ---- a key that was changed ---- */
	{ "the key as it is", OLD_KEY(3), INNER4, DECAPS(T_OVERLAP) },
	{ "the key as it was, which is valid still", OLD_KEY(2), INNER4, DECAPS(T_OVERLAP) },
	{ "a key that was valid once", OLD_KEY(1), INNER4, GOES_ON(T_OVERLAP, DECAP_KEY) },

	/* ---- allow lists ---- */
	{ "VXLAN with an allow list: in it",
	  PACKET(ETH(), FROM4(16), UDP(4000, VXLAN_PORT), VXLAN(VNI), ETH()), SOURCE4("10.1.9.9"),
	  DECAPS(T_ALLOW_VXLAN) },
	{ "VXLAN with an allow list: not in it",
	  PACKET(ETH(), FROM4(16), UDP(4000, VXLAN_PORT), VXLAN(VNI), ETH()), SOURCE4("10.2.0.0"),
	  DROPS(T_ALLOW_VXLAN, DECAP_SOURCE) },
	{ "SRv6 with an allow list: in it", PACKET(ETH(), FROM6(16), SRH(0, LOCAL6)),
	  SOURCE6("2001:db8:1::5"), DECAPS(T_ALLOW_SRV6) },
	{ "SRv6 with an allow list: not in it", PACKET(ETH(), FROM6(16), SRH(0, LOCAL6)),
	  SOURCE6("2001:db8:3::5"), DROPS(T_ALLOW_SRV6, DECAP_SOURCE) },
	{ "an inner source in the allowed /16", ALLOW4, SOURCE4("10.1.99.1"), DECAPS(T_ALLOW4) },
	{ "an inner source in the /24 in it", ALLOW4, SOURCE4("10.1.2.9"), DECAPS(T_ALLOW4) },
	{ "an inner source that is the /32 in it", ALLOW4, SOURCE4("10.1.2.3"), DECAPS(T_ALLOW4) },
	{ "the first address of the /16", ALLOW4, SOURCE4("10.1.0.0"), DECAPS(T_ALLOW4) },
	{ "the last address of the /16", ALLOW4, SOURCE4("10.1.255.255"), DECAPS(T_ALLOW4) },
	{ "the address before the /16", ALLOW4, SOURCE4("10.0.255.255"),
	  DROPS(T_ALLOW4, DECAP_SOURCE) },
	{ "the address behind the /16 (allowed in an older generation)", ALLOW4,
	  SOURCE4("10.2.0.0"), DROPS(T_ALLOW4, DECAP_SOURCE) },
	{ "a source that another tunnel allows", ALLOW4, SOURCE4("10.3.0.1"),
	  DROPS(T_ALLOW4, DECAP_SOURCE) },
	{ "an inner IPv6 source in the /48", ALLOW4, SOURCE6("2001:db8:1:ffff::1"),
	  DECAPS(T_ALLOW4) },
	{ "an inner IPv6 source in the /64 in it", ALLOW4, SOURCE6("2001:db8:1:2::1"),
	  DECAPS(T_ALLOW4) },
	{ "an inner IPv6 source behind the /48 (allowed in a newer generation)", ALLOW4,
	  SOURCE6("2001:db8:2::"), DROPS(T_ALLOW4, DECAP_SOURCE) },
	{ "an IPv6 source whose first word is an allowed IPv4 prefix", ALLOW4, SOURCE6("a01:203::"),
	  DROPS(T_ALLOW4, DECAP_SOURCE) },
	{ "allow lists work in IPv6 outer headers: IPv4", ALLOW6, SOURCE4("10.1.0.1"),
	  DECAPS(T_ALLOW6) },
	{ "allow lists work in IPv6 outer headers: IPv6", ALLOW6, SOURCE6("2001:db8:1::"),
	  DECAPS(T_ALLOW6) },
	{ "allow lists refuse in IPv6 outer headers: IPv4", ALLOW6, SOURCE4("11.1.0.1"),
	  DROPS(T_ALLOW6, DECAP_SOURCE) },
	{ "allow lists refuse in IPv6 outer headers: IPv6", ALLOW6, SOURCE6("::1"),
	  DROPS(T_ALLOW6, DECAP_SOURCE) },

	/* ---- who ---- */
	{ "GRE from a stranger", SENDER4(99), INNER4, GOES_ON(T_GRE4, DECAP_PEER) },
	{ "IP in IP from a stranger", PACKET(ETH(), FROM4(99)), INNER4,
	  GOES_ON(T_IPIP4, DECAP_PEER) },
	{ "GRE in IPv6 from a stranger", PACKET(ETH(), FROM6(99), GRE()), INNER4,
	  GOES_ON(T_GRE6, DECAP_PEER) },
	{ "a source that differs from the remote in its network part",
	  PACKET(ETH(), IP6(.src = "2001:db8:0:1::2", .dst = LOCAL6), GRE()), INNER4,
	  GOES_ON(T_GRE6, DECAP_PEER) },
	{ "GRE to an address that is no tunnel's",
	  PACKET(ETH(), IP4(.src = "192.0.2.2", .dst = "192.0.2.99"), GRE()), INNER4, UNTOUCHED },
	{ "GRE the other way round", PACKET(ETH(), IP4(.src = LOCAL4, .dst = "192.0.2.2"), GRE()),
	  INNER4, UNTOUCHED },
	{ "GRE from the remote of an IP in IP tunnel", SENDER4(3), INNER4,
	  GOES_ON(T_GRE4, DECAP_PEER) },
	{ "IP in IP from the remote of a GRE tunnel", PACKET(ETH(), FROM4(2)), INNER4,
	  GOES_ON(T_IPIP4, DECAP_PEER) },
	{ "UDP from the remote of a tunnel", PACKET(ETH(), FROM4(2), UDP(1, 2)), NOTHING,
	  UNTOUCHED },
	{ "a peer whose tunnel is gone", SENDER4(40), INNER4, DROPS(T_GONE, NO_TUNNEL) },
	{ "a peer whose tunnel id is out of range", SENDER4(41), INNER4,
	  DROPS(T_BEYOND, NO_TUNNEL) },
	{ "a frame for another host", PACKET(ETH(.mac = "\x02\0\0\0\0\x77"), FROM4(2), GRE()),
	  INNER4, UNTOUCHED },
	{ "a broadcast frame", PACKET(ETH(.mac = "\xff\xff\xff\xff\xff\xff"), FROM4(2), GRE()),
	  INNER4, UNTOUCHED },
	{ "a multicast frame", PACKET(ETH(.mac = "\x33\x33\0\0\0\x01"), FROM6(2), GRE()), INNER6,
	  UNTOUCHED },
	{ "a frame with a VLAN tag in it", PACKET(ETH(), VLAN(), FROM4(2), GRE()), INNER4,
	  UNTOUCHED },

	/* ---- keys ---- */
	{ "another key", PACKET(ETH(), FROM4(4), GRE(KEYED, .key = KEY + 1)), INNER4,
	  GOES_ON(T_KEY4, DECAP_KEY) },
	{ "the key in the other byte order", PACKET(ETH(), FROM4(4), GRE(KEYED, .key = 0x44332211)),
	  INNER4, GOES_ON(T_KEY4, DECAP_KEY) },
	{ "no key where one is expected", SENDER4(4), INNER4, GOES_ON(T_KEY4, DECAP_KEY) },
	{ "a key where none is expected", GRE4(KEYED, .key = KEY), INNER4,
	  GOES_ON(T_GRE4, DECAP_KEY) },
	{ "key 0 where no key is expected", GRE4(KEYED), INNER4, GOES_ON(T_GRE4, DECAP_KEY) },
	{ "no key where key 0 is expected", SENDER4(5), INNER4, GOES_ON(T_KEY0_4, DECAP_KEY) },
	{ "key 0 where another is expected", PACKET(ETH(), FROM4(4), GRE(KEYED)), INNER4,
	  GOES_ON(T_KEY4, DECAP_KEY) },
	{ "a third key of a pair with two", PACKET(ETH(), FROM4(8), GRE(KEYED, .key = 3)), INNER4,
	  GOES_ON(T_TWIN_A, DECAP_KEY) },
	{ "another key in IPv6", PACKET(ETH(), FROM6(4), GRE(KEYED, .key = KEY + 1)), INNER4,
	  GOES_ON(T_KEY6, DECAP_KEY) },
	{ "no key in IPv6 where one is expected", PACKET(ETH(), FROM6(4), GRE()), INNER6,
	  GOES_ON(T_KEY6, DECAP_KEY) },
	{ "key 0 in IPv6 where no key is expected", GRE6(KEYED), INNER4,
	  GOES_ON(T_GRE6, DECAP_KEY) },

	/* ---- GRE ---- */
	{ "GRE with checksum", GRE4(.flags = GRE_CSUM), INNER4, GOES_ON(T_GRE4, DECAP_GRE_FLAGS) },
	{ "GRE with routing", GRE4(.flags = GRE_ROUTING), INNER4,
	  GOES_ON(T_GRE4, DECAP_GRE_FLAGS) },
	{ "GRE with sequence numbers", GRE4(.flags = GRE_SEQ), INNER4,
	  GOES_ON(T_GRE4, DECAP_GRE_FLAGS) },
	{ "GRE with key and sequence numbers",
	  PACKET(ETH(), FROM4(4), GRE(.flags = GRE_KEY | GRE_SEQ, .key = KEY)), INNER4,
	  GOES_ON(T_KEY4, DECAP_GRE_FLAGS) },
	{ "GRE with strict source route", GRE4(.flags = 0x0800), INNER4,
	  GOES_ON(T_GRE4, DECAP_GRE_FLAGS) },
	{ "GRE with bit 5, which must be 0", GRE4(.flags = 0x0400), INNER4,
	  GOES_ON(T_GRE4, DECAP_GRE_FLAGS) },
	{ "GRE version 1 (PPTP)", GRE4(.flags = 0x3001, .type = 0x880b), INNER4,
	  GOES_ON(T_GRE4, DECAP_GRE_FLAGS) },
	{ "GRE version 1 that carries IPv4", GRE4(.flags = 1), INNER4,
	  GOES_ON(T_GRE4, DECAP_GRE_FLAGS) },
	{ "GRE version 4", GRE6(.flags = 4), INNER4, GOES_ON(T_GRE6, DECAP_GRE_FLAGS) },
	{ "GRE with checksum from a stranger", PACKET(ETH(), FROM4(99), GRE(.flags = GRE_CSUM)),
	  INNER4, GOES_ON(T_GRE4, DECAP_PEER) },
	{ "GRE that carries Ethernet", GRE4(.type = 0x6558), INNER4,
	  GOES_ON(T_GRE4, DECAP_HEADER) },
	{ "GRE that carries WCCP", GRE4(.type = 0x883e), INNER4, GOES_ON(T_GRE4, DECAP_HEADER) },
	{ "GRE that carries MPLS", GRE6(.type = 0x8847), INNER6, GOES_ON(T_GRE6, DECAP_HEADER) },
	{ "GRE that carries protocol 1", GRE4(.type = 0x0001), INNER4,
	  GOES_ON(T_GRE4, DECAP_HEADER) },

	/* ---- outer fragments and chains ---- */
	{ "the first fragment of an outer packet",
	  PACKET(ETH(), FROM4(2, .fragment = IP4_MF), GRE()), INNER4,
	  GOES_ON(T_GRE4, DECAP_FRAGMENT) },
	{ "a later fragment of an outer packet",
	  PACKET(ETH(), FROM4(2, .fragment = IP4_MF | 1), GRE()), INNER4,
	  GOES_ON(T_GRE4, DECAP_FRAGMENT) },
	{ "the last fragment of an outer packet", PACKET(ETH(), FROM4(3, .fragment = 0x1fff)),
	  INNER4, GOES_ON(T_IPIP4, DECAP_FRAGMENT) },
	{ "a fragment of an outer packet for a tunnel with key",
	  PACKET(ETH(), FROM4(4, .fragment = 1), GRE(KEYED, .key = KEY)), INNER4,
	  GOES_ON(T_KEY4, DECAP_FRAGMENT) },
	{ "an outer fragment from a stranger", PACKET(ETH(), FROM4(99, .fragment = 1), GRE()),
	  INNER4, GOES_ON(T_GRE4, DECAP_PEER) },
	{ "the first fragment of an outer IPv6 packet",
	  PACKET(ETH(), FROM6(2), FRAG(IP6_MF), GRE()), INNER4, GOES_ON(T_GRE6, DECAP_FRAGMENT) },
	{ "a later fragment of an outer IPv6 packet", PACKET(ETH(), FROM6(3), FRAG(0x0010), IP6()),
	  INNER4, GOES_ON(T_IPIP6, DECAP_FRAGMENT) },
	{ "a fragment header with another one behind it is a fragment still",
	  PACKET(ETH(), FROM6(2), FRAG(IP6_MF), FRAG(0), GRE()), INNER4,
	  GOES_ON(T_GRE6, DECAP_FRAGMENT) },
	{ "more extension headers outside than the limit says",
	  PACKET(ETH(), FROM6(2), DST, DST, DST, DST, DST, DST, DST, GRE()), INNER4, UNTOUCHED },
	{ "a routing header with segments left: the destination is not us yet (RFC 8200 4.4)",
	  PACKET(ETH(), FROM6(2), EXT(EXT_ROUTING, .units = 2, .segments = 1), GRE()), INNER4,
	  GOES_ON(T_GRE6, DECAP_ROUTING) },
	{ "an authentication header that nobody has verified",
	  PACKET(ETH(), FROM6(2), EXT(EXT_AH, .units = 4), GRE()), INNER4,
	  GOES_ON(T_GRE6, DECAP_ROUTING) },

	/* ---- source routes: who wrote one chose where the packet comes along ---- */
	{ "a loose source route outside",
	  PACKET(ETH(), FROM4(2, OPTIONS("\x83\x07\x04\1\2\3\4\0")), GRE()), INNER4,
	  GOES_ON(T_GRE4, DECAP_ROUTING) },
	{ "a strict source route behind other options",
	  PACKET(ETH(), FROM4(10, OPTIONS("\1\x94\x04\0\0\x89\x03\x04")), UDP(4000, GUE_PORT),
		 GUE()),
	  INNER4, GOES_ON(T_GUE4, DECAP_ROUTING) },
	{ "the bytes of a source route in another option",
	  PACKET(ETH(), FROM4(2, OPTIONS("\x07\x07\x04\x83\x07\x04\0\0")), GRE()), INNER4,
	  DECAPS(T_GRE4) },
	{ "the bytes of a source route behind the end of options",
	  PACKET(ETH(), FROM4(2, OPTIONS("\1\0\x83\x07\x04\0\0\0")), GRE()), INNER4,
	  DECAPS(T_GRE4) },

	/* ---- outer lengths and kinds ---- */
	{ "the outer IPv4 length leaves out the end of the inner packet",
	  PACKET(ETH(), FROM4(2, .len_off = -1), GRE()), INNER4, DROPS(T_GRE4, DECAP_INNER) },
	{ "the outer IPv4 length ends in the tunnel header",
	  PACKET(ETH(), FROM4(2, .len_off = -51), GRE()), INNER4, DROPS(T_GRE4, DECAP_INNER) },
	{ "the outer IPv6 length leaves out the end of the inner packet",
	  PACKET(ETH(), FROM6(2, .len_off = -1), GRE()), INNER4, DROPS(T_GRE6, DECAP_INNER) },
	{ "the outer IPv4 packet is longer than what arrived",
	  PACKET(ETH(), FROM4(2, .len_off = 1), GRE()), INNER4, DROPS(T_GRE4, DECAP_INNER) },
	{ "the outer IPv6 packet is longer than what arrived",
	  PACKET(ETH(), FROM6(2, .len_off = 1), GRE()), INNER6, DROPS(T_GRE6, DECAP_INNER) },
	{ "an outer IPv4 checksum that is wrong (RFC 1122 3.2.1.2)",
	  PACKET(ETH(), FROM4(2, .check_xor = 0x0100), GRE()), INNER4,
	  GOES_ON(T_GRE4, DECAP_HEADER) },
	{ "an outer IPv6 header under the ethertype of IPv4",
	  PACKET(ETH(.type = TYPE_IPV4), FROM6(2), GRE()), INNER4, UNTOUCHED, .is_not_ip = true },
	{ "an outer IPv4 header under the ethertype of IPv6",
	  PACKET(ETH(.type = TYPE_IPV6), FROM4(2), GRE()), INNER4, UNTOUCHED, .is_not_ip = true },
	{ "an outer IPv4 header that is too short", PACKET(ETH(), FROM4(2, .ihl = 4), GRE()),
	  INNER4, UNTOUCHED, .is_not_ip = true },
	{ "outer options that are longer than the packet",
	  PACKET(ETH(), FROM4(2, .ihl = 15), GRE()), NOTHING, GOES_ON(T_GRE4, DECAP_HEADER) },

	/* ---- inner packets ---- */
	{ "nothing inside GRE", GRE4(.type = TYPE_IPV4), NOTHING, DROPS(T_GRE4, DECAP_INNER) },
	{ "nothing inside IP in IP", PACKET(ETH(), FROM4(3, .next = 4)), NOTHING,
	  DROPS(T_IPIP4, DECAP_INNER) },
	{ "nothing inside GRE in IPv6", GRE6(.type = TYPE_IPV6), NOTHING,
	  DROPS(T_GRE6, DECAP_INNER) },
	{ "IPv6 where GRE says IPv4", GRE4(.type = TYPE_IPV4), INNER6, DROPS(T_GRE4, DECAP_INNER) },
	{ "IPv4 where GRE says IPv6", GRE4(.type = TYPE_IPV6), INNER4, DROPS(T_GRE4, DECAP_INNER) },
	{ "IPv6 where protocol 4 is", PACKET(ETH(), FROM4(3, .next = 4)), INNER6,
	  DROPS(T_IPIP4, DECAP_INNER) },
	{ "IPv4 where protocol 41 is", PACKET(ETH(), FROM6(3, .next = 41)), INNER4,
	  DROPS(T_IPIP6, DECAP_INNER) },
	{ "version 5 inside", GRE4(), PACKET(IP4(.version = 5), UDP(7, 8)),
	  DROPS(T_GRE4, DECAP_INNER) },
	{ "an inner IPv4 header of 4 words", GRE4(), PACKET(IP4(.ihl = 4), UDP(7, 8)),
	  DROPS(T_GRE4, DECAP_INNER) },
	{ "inner IPv4 options that are longer than the packet", GRE4(),
	  PACKET(IP4(.ihl = 8), UDP(7, 8)), DROPS(T_GRE4, DECAP_INNER) },
	{ "an inner IPv4 length that is less than the header", GRE4(),
	  PACKET(IP4(.len_off = -9), UDP(7, 8)), DROPS(T_GRE4, DECAP_INNER) },
	{ "an inner IPv4 length that is one more than what arrived", GRE4(),
	  PACKET(IP4(.len_off = 1), UDP(7, 8)), DROPS(T_GRE4, DECAP_INNER) },
	{ "an inner IPv6 length that is one more than what arrived", GRE6(),
	  PACKET(IP6(.len_off = 1), UDP(7, 8)), DROPS(T_GRE6, DECAP_INNER) },
	{ "an inner IPv4 length of 65535", PACKET(ETH(), FROM6(3)),
	  PACKET(IP4(.len_off = (int16_t)(65535 - 28)), UDP(7, 8)), DROPS(T_IPIP6, DECAP_INNER) },
	{ "an inner IPv6 length of 65535", PACKET(ETH(), FROM4(3)),
	  PACKET(IP6(.len_off = (int16_t)(65535 - 8)), UDP(7, 8)), DROPS(T_IPIP4, DECAP_INNER) },
	{ "ECN: Not-ECT inside CE", PACKET(ETH(), FROM4(2, .tos = CE), GRE()), INNER4,
	  DROPS(T_GRE4, DECAP_ECN) },
	{ "ECN: CE marks IPv6 in IPv4", PACKET(ETH(), FROM4(3, .tos = CE)),
	  PACKET(IP6(.tos = 46 << 2 | ECT_0), UDP(7, 8)), DECAPS(T_IPIP4),
	  .result = PACKET(IP6(.tos = 46 << 2 | CE), UDP(7, 8)) },
	{ "an allow list is asked before ECN", PACKET(ETH(), FROM4(6, .tos = CE), GRE()),
	  SOURCE4("10.9.0.1"), DROPS(T_ALLOW4, DECAP_SOURCE) },
	/* A GSO packet of no known kind, all that a program run can make, is not shrunk by the kernel. */
	{ "the kernel refuses to take the header off", GRE4(), INNER4, DROPS(T_GRE4, DECAP_FAILED),
	  .gso_bytes = 20 },
};

/* ---- running a row ---- */

#define MARK_OF_TUNNEL 0x10u
#define MARK_OF_OTHERS 0x20u
#define RULE_OF_TUNNEL 3
#define RULE_OF_OTHERS 4

/* Tells apart, by mark and counter, a packet that rules know to come from the tunnel and one that
 * they know to come from none. */
static void fill_tunnel_rules(uint32_t tunnel)
{
	struct test_rules set = { .lists[CV_DIR_IN].count = 2 };

	set.matches[0] = (struct cv_match){ .flags = CV_MATCH_TUNNEL, .extra.tunnel = tunnel };
	set.matches[1] = (struct cv_match){ .flags = CV_MATCH_TUNNEL, .rule = 1 };
	set.rules[0] = (struct cv_rule){ .id = RULE_OF_TUNNEL,
					 .flags = CV_ACTION_MARK,
					 .mark = MARK_OF_TUNNEL,
					 .mark_mask = ~0u };
	set.rules[1] = (struct cv_rule){ .id = RULE_OF_OTHERS,
					 .flags = CV_ACTION_MARK,
					 .mark = MARK_OF_OTHERS,
					 .mark_mask = ~0u };
	fill_rules(&set);
}

static void assert_rule_bytes(uint32_t id, uint64_t bytes)
{
	struct cv_rule_stats stats;

	take_rule_stats(id, &stats);
	assert_int_equal(stats.packets, bytes > 0);
	assert_int_equal(stats.bytes, bytes);
}

static void assert_rx(uint32_t id, uint64_t bytes)
{
	struct cv_tunnel_stats stats;

	if (id >= CV_MAX_TUNNELS)
		return;
	take_tunnel_stats(id, &stats);
	assert_int_equal(stats.rx_packets, bytes > 0);
	assert_int_equal(stats.rx_bytes, bytes);
	assert_int_equal(stats.tx_packets, 0);
}

static bool is_untouched(const struct run_result *result, const struct frame *frame)
{
	return result->frame.len == frame->len &&
	       !memcmp(result->frame.bytes, frame->bytes, frame->len);
}

static void assert_end(const struct decap_row *row, const struct frame *frame,
		       const struct frame *expected, const struct run_result *result)
{
	uint64_t inner = row->end == DECAPSULATED ? expected->len - ETH_LEN : 0;
	uint64_t outer = row->end == PASSES && !row->is_not_ip ? frame->len - ETH_LEN : 0;

	if (outer && frame->bytes[12] == TYPE_VLAN >> 8)
		outer -= 4;
	/* First what is most telling when it is wrong. */
	assert_only_drop(row->tunnel, row->end == DECAPSULATED ? CV_R_OK : row->reason);
	assert_verdict(result->verdict, row->end == DROPPED ? TC_ACT_SHOT : TC_ACT_UNSPEC);
	if (row->end == DECAPSULATED)
		assert_frame(&result->frame, expected);
	else if (row->reason != CV_R_DECAP_FAILED)
		assert_frame(&result->frame, frame);
	assert_int_equal(result->mark, inner ? MARK_OF_TUNNEL : outer ? MARK_OF_OTHERS : 0);
	assert_rule_bytes(RULE_OF_TUNNEL, inner);
	assert_rule_bytes(RULE_OF_OTHERS, outer);
	assert_rx(row->tunnel, inner);
}

static void run_row(void **state)
{
	static const struct layer ethernet[] = { ETH(), { .kind = L_END } };
	const struct decap_row *row = *state;
	struct run_ctx ctx = { .gso_bytes = row->gso_bytes };
	struct frame frame, expected;
	struct run_result result;

	need_programs();
	frame_build_joined(&frame, row->outer, row->inner);
	frame_build_joined(&expected, ethernet, row->result ? row->result : row->inner);
	memcpy(expected.bytes, frame.bytes, 12);
	frame.len -= row->cut;
	fill_tunnel_rules(row->end == DECAPSULATED ? row->tunnel : T_GRE4);
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_end(row, &frame, &expected, &result);
}

/* What a test before may have left. */
static int clear_counters(void **state)
{
	struct cv_tunnel_stats tunnel_stats;
	struct cv_rule_stats rule_stats;
	struct cv_drop_key key;
	int drops;

	(void)state;
	if (!progrun.object)
		return 0;
	drops = bpf_map__fd(MAP(CV_MAP_DROPS));
	while (!bpf_map_get_next_key(drops, NULL, &key))
		bpf_map_delete_elem(drops, &key);
	for (uint32_t i = 0; i <= T_GONE; i++)
		take_tunnel_stats(i, &tunnel_stats);
	take_rule_stats(RULE_OF_TUNNEL, &rule_stats);
	take_rule_stats(RULE_OF_OTHERS, &rule_stats);
	return 0;
}

/* ---- egress never decapsulates ---- */

static void at_egress_nothing_is_taken_out(void **state)
{
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame frame;

	(void)state;
	need_programs();
	frame_build_joined(&frame, GRE4(), INNER4);
	run_program(classifier.egress, &frame, &ctx, &result);
	assert_verdict(result.verdict, TC_ACT_UNSPEC);
	assert_frame(&result.frame, &frame);
	assert_only_drop(0, CV_R_OK);
}

/* After decapsulation rules see the inner packet: addresses, ports, dscp; and they may drop it. */
static void rules_see_the_inner_packet(void **state)
{
	struct test_rules set = { .lists[CV_DIR_IN].count = 1 };
	struct run_ctx ctx = { .mark = 0x70 };
	struct run_result result;
	struct frame frame;

	(void)state;
	need_programs();
	frame_build_joined(&frame, PACKET(ETH(), FROM4(2, .tos = CE), GRE()),
			   PACKET(IP4(.src = "10.1.2.3", .tos = 46 << 2 | ECT_0), UDP(7, 8)));
	set.matches[0] = (struct cv_match){
		.flags = CV_MATCH_FAMILY | CV_MATCH_PROTO | CV_MATCH_PORTS | CV_MATCH_DSCP |
			 CV_MATCH_SRC | CV_MATCH_DEV | CV_MATCH_MARK | CV_MATCH_TUNNEL,
		.src = { BE32(0x0a010203) },
		.src_mask = { ~0u },
		.family = 4,
		.proto = 17,
		.sport_min = 7,
		.sport_max = 7,
		.dport_min = 8,
		.dport_max = 8,
		.extra.dscps = 1ULL << 46,
		.extra.ifindex = 1,
		.extra.mark = 0x70,
		.extra.mark_mask = ~0u,
		.extra.tunnel = T_GRE4,
	};
	set.rules[0] = (struct cv_rule){ .id = RULE_OF_TUNNEL, .verdict = CV_VERDICT_DROP };
	fill_rules(&set);
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_verdict(result.verdict, TC_ACT_SHOT);
	assert_rule_bytes(RULE_OF_TUNNEL, 28);
	assert_rx(T_GRE4, 28);
	assert_only_drop(T_GRE4, CV_R_RULE_DROP);
}

/* The dscp that a rule writes meets the ECN bits that decapsulation wrote. */
static void a_rule_writes_dscp_beside_the_new_ecn_bits(const struct layer *outer,
						       struct layer inner)
{
	struct test_rules set = { .lists[CV_DIR_IN].count = 1 };
	struct layer packet[] = { ETH(), inner, UDP(7, 8), { .kind = L_END } };
	struct run_ctx ctx = { 0 };
	struct frame frame, expected;
	struct run_result result;

	packet[1].tos = 10 << 2 | ECT_0;
	frame_build_joined(&frame, outer, packet + 1);
	packet[1].tos = 46 << 2 | CE;
	frame_build(&expected, packet);
	set.rules[0] = (struct cv_rule){ .flags = CV_ACTION_DSCP, .dscp = 46 };
	fill_rules(&set);
	run_program(classifier.ingress, &frame, &ctx, &result);
	assert_frame(&result.frame, &expected);
}

/* The flow cache must not take one for the other. */
static void the_same_packet_out_of_two_tunnels_is_told_apart(void **state)
{
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct cv_err err = { 0 };
	struct frame first, second;

	(void)state;
	need_programs();
	assert_int_equal(cv_caches_make(bpf_map__fd(MAP(CV_MAP_CACHES)), &err), 0);
	fill_tunnel_rules(T_GRE4);
	frame_build_joined(&first, GRE4(), INNER4);
	frame_build_joined(&second, GRE6(), INNER4);
	for (int i = 0; i < 3; i++) {
		run_program(classifier.ingress, &first, &ctx, &result);
		assert_int_equal(result.mark, MARK_OF_TUNNEL);
		run_program(classifier.ingress, &second, &ctx, &result);
		assert_int_equal(result.mark, 0);
	}
	assert_int_equal(cv_caches_drop(bpf_map__fd(MAP(CV_MAP_CACHES)), &err), 0);
}

static void dscp_after_decapsulation_keeps_the_new_ecn_bits(void **state)
{
	const struct layer inner4 = IP4(), inner6 = IP6();

	(void)state;
	need_programs();
	a_rule_writes_dscp_beside_the_new_ecn_bits(PACKET(ETH(), FROM4(3, .tos = CE)), inner4);
	a_rule_writes_dscp_beside_the_new_ecn_bits(PACKET(ETH(), FROM6(3, .tos = CE)), inner6);
}

/* ---- ECN: the whole table ---- */

struct ecn_case {
	const char *name;
	struct layer outer[4]; /* [1].tos is filled in */
	struct layer inner[4]; /* [0].tos is filled in */
	uint32_t tunnel;
	bool has_ecn;
};

#define ECN_CASE(text, outer_ip, inner_ip, id, is_on)                                              \
	{                                                                                          \
		text, { ETH(), outer_ip, GRE() }, { inner_ip, UDP(7, 8), DATA(5) }, id, is_on      \
	}

static const struct ecn_case ecn_cases[] = {
	ECN_CASE("the table of RFC 6040 4.2, IPv4 in IPv4", FROM4(2), IP4(), T_GRE4, true),
	ECN_CASE("the table of RFC 6040 4.2, IPv6 in IPv4", FROM4(2), IP6(), T_GRE4, true),
	ECN_CASE("the table of RFC 6040 4.2, IPv4 in IPv6", FROM6(2), IP4(), T_GRE6, true),
	ECN_CASE("the table of RFC 6040 4.2, IPv6 in IPv6", FROM6(2), IP6(), T_GRE6, true),
	ECN_CASE("ecn off leaves all 16 alone, IPv4 in IPv4", FROM4(7), IP4(), T_PLAIN4, false),
	ECN_CASE("ecn off leaves all 16 alone, IPv6 in IPv4", FROM4(7), IP6(), T_PLAIN4, false),
	ECN_CASE("ecn off leaves all 16 alone, IPv4 in IPv6", FROM6(7), IP4(), T_PLAIN6, false),
	ECN_CASE("ecn off leaves all 16 alone, IPv6 in IPv6", FROM6(7), IP6(), T_PLAIN6, false),
};

static void run_ecn_cell(const struct ecn_case *test, uint8_t outer_ecn, uint8_t inner_ecn)
{
	uint8_t out = test->has_ecn ? ecn_figure_4[inner_ecn][outer_ecn] : inner_ecn;
	struct ecn_case cell = *test;
	struct layer result[4];
	struct decap_row row = {
		.name = test->name,
		.outer = cell.outer,
		.inner = cell.inner,
		.end = out == ECN_DROP ? DROPPED : DECAPSULATED,
		.tunnel = test->tunnel,
		.reason = CV_R_DECAP_ECN,
		.result = result,
	};
	void *state = &row;

	/* DSCP differ: neither may leak into the other. */
	cell.outer[1].tos = 10 << 2 | outer_ecn;
	cell.inner[0].tos = 46 << 2 | inner_ecn;
	memcpy(result, cell.inner, sizeof(result));
	result[0].tos = 46 << 2 | (out & 3);
	run_row(&state);
}

static void run_ecn_case(void **state)
{
	const struct ecn_case *test = *state;

	need_programs();
	for (uint8_t outer_ecn = 0; outer_ecn < ECN_COUNT; outer_ecn++)
		for (uint8_t inner_ecn = 0; inner_ecn < ECN_COUNT; inner_ecn++)
			run_ecn_cell(test, outer_ecn, inner_ecn);
}

/* ---- frames that are cut off, and random ones: from these ---- */

struct good {
	const char *name;
	const struct layer *outer;
	const struct layer *inner;
	uint32_t tunnel;
	/* Length from which the tunnel is found, and what is missing is the inner packet; 0: from
	 * where that begins. */
	size_t claimed_at;
};

/* IP right behind a UDP header: its first byte says what it is. */
#define AFTER_VERSION(ip_header) .claimed_at = ETH_LEN + (ip_header) + 8 + 1

#define AFTER_GUE(ip_header) .claimed_at = ETH_LEN + (ip_header) + 8 + 4

#define KEY4 PACKET(ETH(), FROM4(4), GRE(KEYED, .key = KEY))
#define KEY6 PACKET(ETH(), FROM6(4), GRE(KEYED, .key = KEY))
#define IPIP4 PACKET(ETH(), FROM4(3))
#define IPIP6 PACKET(ETH(), FROM6(3))

static const struct good goods[] = {
	{ "GRE, 4 in 4", GRE4(), INNER4, .tunnel = T_GRE4 },
	{ "GRE, 6 in 4", GRE4(), INNER6, .tunnel = T_GRE4 },
	{ "GRE, 4 in 6", GRE6(), INNER4, .tunnel = T_GRE6 },
	{ "GRE, 6 in 6", GRE6(), INNER6, .tunnel = T_GRE6 },
	{ "GRE with key, 4 in 4", KEY4, INNER4, .tunnel = T_KEY4 },
	{ "GRE with key, 6 in 4", KEY4, INNER6, .tunnel = T_KEY4 },
	{ "GRE with key, 4 in 6", KEY6, INNER4, .tunnel = T_KEY6 },
	{ "GRE with key, 6 in 6", KEY6, INNER6, .tunnel = T_KEY6 },
	{ "IP in IP, 4 in 4", IPIP4, INNER4, .tunnel = T_IPIP4 },
	{ "IP in IP, 6 in 4", IPIP4, INNER6, .tunnel = T_IPIP4 },
	{ "IP in IP, 4 in 6", IPIP6, INNER4, .tunnel = T_IPIP6 },
	{ "IP in IP, 6 in 6", IPIP6, INNER6, .tunnel = T_IPIP6 },
	{ "GRE with allow list, 4 in 4, ECN, options, padding",
	  PACKET(ETH(), FROM4(6, .tos = ECT_1, .options = 8), GRE()),
	  PACKET(IP4(.src = "10.1.2.3", .tos = ECT_0, .options = 4), UDP(7, 8), PAD(6)),
	  .tunnel = T_ALLOW4 },
	{ "GRE with allow list, 6 in 6, ECN, extension headers",
	  PACKET(ETH(), FROM6(6, .tos = CE), DST, EXT(EXT_ROUTING), FRAG(0), GRE()),
	  PACKET(IP6(.src = "2001:db8:1::9", .tos = ECT_1), DST, UDP(7, 8)), .tunnel = T_ALLOW6 },
	{ "IP in IP, 4 in 6, two fragment headers", PACKET(ETH(), FROM6(3), FRAG(0), FRAG(0)),
	  INNER4, .tunnel = T_IPIP6 },
	{ "GUE, 4 in 4", GUE4(), INNER4, .tunnel = T_GUE4 },
	{ "GUE, 6 in 4", GUE4(), INNER6, .tunnel = T_GUE4 },
	{ "GUE, 4 in 6", GUE6(), INNER4, .tunnel = T_GUE6 },
	{ "GUE, 6 in 6", GUE6(), INNER6, .tunnel = T_GUE6 },
	{ "GUE variant 1, 4 in 4", GUE4_BARE, INNER4, .tunnel = T_GUE4, AFTER_GUE(20) },
	{ "GUE variant 1, 6 in 4", GUE4_BARE, INNER6, .tunnel = T_GUE4, AFTER_GUE(20) },
	{ "GUE variant 1, 4 in 6", GUE6_BARE, INNER4, .tunnel = T_GUE6, AFTER_GUE(40) },
	{ "GUE variant 1, 6 in 6", GUE6_BARE, INNER6, .tunnel = T_GUE6, AFTER_GUE(40) },
	{ "FOU, 4 in 4", FOU4, INNER4, .tunnel = T_FOU4, AFTER_VERSION(20) },
	{ "FOU, 6 in 4", FOU4, INNER6, .tunnel = T_FOU4, AFTER_VERSION(20) },
	{ "FOU, 4 in 6", FOU6, INNER4, .tunnel = T_FOU6, AFTER_VERSION(40) },
	{ "FOU, 6 in 6", FOU6, INNER6, .tunnel = T_FOU6, AFTER_VERSION(40) },
	{ "VXLAN, 4 in 4", VXLAN4(VNI), INNER4, .tunnel = T_VXLAN4 },
	{ "VXLAN, 6 in 4", VXLAN4(VNI), INNER6, .tunnel = T_VXLAN4 },
	{ "VXLAN, 4 in 6", VXLAN6(VNI), INNER4, .tunnel = T_VXLAN6 },
	{ "VXLAN, 6 in 6", VXLAN6(VNI), INNER6, .tunnel = T_VXLAN6 },
	{ "Geneve, 4 in 4", GENEVE4(VNI), INNER4, .tunnel = T_GENEVE4 },
	{ "Geneve, 6 in 4", GENEVE4(VNI), INNER6, .tunnel = T_GENEVE4 },
	{ "Geneve, 4 in 6", GENEVE6(VNI), INNER4, .tunnel = T_GENEVE6 },
	{ "Geneve, 6 in 6, options", GENEVE6(VNI, .options = 12), INNER6, .tunnel = T_GENEVE6 },
	{ "Geneve, 4 in 4 without Ethernet, options", GENEVE4_IP(VNI, .options = 8), INNER4,
	  .tunnel = T_GENEVE4, .claimed_at = ETH_LEN + 20 + 8 + 8 },
	{ "SRv6, 4 in 6", SRV6_PLAIN, INNER4, .tunnel = T_SRV6 },
	{ "SRv6, 6 in 6", SRV6_PLAIN, INNER6, .tunnel = T_SRV6 },
	{ "SRv6, 4 in 6, segment list", SRV6_SRH, INNER4, .tunnel = T_SRV6,
	  .claimed_at = ETH_LEN + 40 + 8 },
	{ "SRv6, 6 in 6, segment list", SRV6_SRH, INNER6, .tunnel = T_SRV6,
	  .claimed_at = ETH_LEN + 40 + 8 },
	{ "SRv6 with allow list, 6 in 6", PACKET(ETH(), FROM6(16, .tos = ECT_1)),
	  PACKET(IP6(.src = "2001:db8:1::9", .tos = ECT_0), UDP(7, 8)), .tunnel = T_ALLOW_SRV6 },
	{ "VXLAN with allow list, 4 in 4",
	  PACKET(ETH(), FROM4(16, .tos = CE), UDP(4000, VXLAN_PORT), VXLAN(VNI), ETH()),
	  PACKET(IP4(.src = "10.1.2.3"), UDP(7, 8), PAD(6)), .tunnel = T_ALLOW_VXLAN },
	{ "GRE with uniform DSCP, 4 in 4", PACKET(ETH(), FROM4(15, .tos = 10 << 2 | CE), GRE()),
	  PACKET(IP4(.tos = ECT_0), UDP(7, 8)), .tunnel = T_UNIFORM4 },
	{ "FOU with uniform DSCP, 6 in 6",
	  PACKET(ETH(), FROM6(15, .tos = 46 << 2), UDP(4000, FOU_PORT)),
	  PACKET(IP6(.tos = 10 << 2), UDP(7, 8)), .tunnel = T_UNIFORM6, AFTER_VERSION(40) },
	{ "VXLAN of an old port, 4 in 4",
	  PACKET(ETH(), FROM4(12), UDP(4000, VXLAN_OTHER_PORT), VXLAN(8), ETH()), INNER4,
	  .tunnel = T_VXLAN_PORT },
};

/* The least that BPF_PROG_TEST_RUN takes: it wants a whole IP header behind these ethertypes. */
static size_t least_len(const struct frame *frame)
{
	uint16_t type = frame_get16(frame->bytes + 12);

	return ETH_LEN + (type == TYPE_IPV4 ? 20 : type == TYPE_IPV6 ? 40 : 1);
}

static bool is_tunnel_header(enum layer_kind kind)
{
	return kind == L_GRE || kind == L_PORTS || kind == L_GUE || kind == L_VXLAN ||
	       kind == L_GENEVE;
}

static size_t size_of(const struct layer *layers)
{
	size_t size = 0;

	for (; layers->kind != L_END && layers->kind != L_PAD; layers++)
		size += layer_size(layers);
	return size;
}

static const struct layer *tunnel_header(const struct layer *outer)
{
	while (outer->kind != L_END && !is_tunnel_header(outer->kind))
		outer++;
	return outer;
}

/* Where it is cut tells the reason: in the inner packet, the tunnel header, or before it. */
static void run_cut(const struct good *good, const struct frame *frame)
{
	const struct layer *tunnel = tunnel_header(good->outer);
	size_t inner_at = size_of(good->outer), tunnel_at = inner_at - size_of(tunnel);
	bool is_udp = tunnel->kind == L_PORTS, is_ip4 = frame->bytes[12] == TYPE_IPV4 >> 8;
	struct decap_row row = { .name = good->name, .tunnel = good->tunnel };
	struct run_ctx ctx = { 0 };
	struct run_result result;

	if (frame->len >= (good->claimed_at ? good->claimed_at : inner_at)) {
		row.end = DROPPED;
		row.reason = CV_R_DECAP_INNER;
	} else if (frame->len >= tunnel_at + (is_udp ? 4 : 0)) {
		row.reason = CV_R_DECAP_HEADER;
	} else {
		/* Options are as long as IPv4 says; a cut extension header does not tell what follows,
		 * and a cut UDP header no port. */
		row.reason = is_ip4 && !is_udp ? CV_R_DECAP_HEADER : CV_R_OK;
	}
	fill_tunnel_rules(T_GRE4);
	run_program(classifier.ingress, frame, &ctx, &result);
	assert_end(&row, frame, frame, &result);
}

static void cut_off_anywhere(void **state)
{
	const struct good *good = *state;
	struct frame frame;
	size_t whole;

	need_programs();
	frame_build_joined(&frame, good->outer, good->inner);
	whole = size_of(good->outer) + size_of(good->inner);
	for (frame.len = least_len(&frame); frame.len < whole; frame.len++)
		run_cut(good, &frame);
}

/* ---- random frames ---- */

/* xorshift64*: the same frames on every machine. */
static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1dull) >> 32) % bound;
}

static void flip_bytes(struct frame *frame)
{
	/* Mostly in the headers. */
	size_t reach = random_below(4) && frame->len > 110 ? 110 : frame->len;

	for (uint32_t i = random_below(3) + 1; i; i--)
		frame->bytes[random_below(reach)] = random_below(256);
}

static void flip_bits(struct frame *frame)
{
	for (uint32_t i = random_below(3) + 1; i; i--)
		frame->bytes[random_below(frame->len)] ^= 1 << random_below(8);
}

/* At one of the places where lengths, fragments and families are. */
static void change_field(struct frame *frame, size_t inner_at)
{
	static const uint8_t offsets[] = { 0, 1, 2, 3, 4, 5, 6, 7, 9 };
	static const uint8_t values[] = { 0,  1,    4,	  6,	8,    41,   43,	  44,	47,  51,
					  60, 0x44, 0x45, 0x46, 0x4f, 0x60, 0x80, 0xdd, 0xff };
	size_t at = (random_below(2) ? inner_at : ETH_LEN) + offsets[random_below(sizeof(offsets))];

	if (random_below(4) == 0) /* between the headers */
		at = ETH_LEN + 20 + random_below(inner_at > 74 ? inner_at - 34 : 40);
	if (at >= frame->len)
		return;
	frame->bytes[at] = random_below(2) ? values[random_below(sizeof(values))]
					   : frame->bytes[at] + random_below(17) - 8;
}

static void change_len(struct frame *frame)
{
	size_t least = least_len(frame);

	if (random_below(3)) {
		frame->len = least + random_below(frame->len - least);
		return;
	}
	for (uint32_t i = random_below(40); i; i--)
		frame->bytes[frame->len++] = random_below(256);
}

/* Most frames get a right outer checksum again, or no other fault would be seen behind it. */
static void mend_checksum(struct frame *frame)
{
	size_t header = (frame->bytes[ETH_LEN] & 15) * 4;

	if (frame_get16(frame->bytes + 12) != TYPE_IPV4 || header < 20 ||
	    ETH_LEN + header > frame->len)
		return;
	frame_be16(frame->bytes + ETH_LEN + 10, 0);
	frame_be16(frame->bytes + ETH_LEN + 10, frame_checksum(frame->bytes + ETH_LEN, header));
}

static void mutate(struct frame *frame, size_t inner_at)
{
	for (uint32_t i = random_below(2) + 1; i; i--) {
		switch (random_below(4)) {
		case 0:
			flip_bytes(frame);
			break;
		case 1:
			flip_bits(frame);
			break;
		case 2:
			change_field(frame, inner_at);
			break;
		default:
			if (frame->len > least_len(frame))
				change_len(frame);
		}
	}
	if (random_below(8))
		mend_checksum(frame);
}

/* Fills the frame that must come out; the checksum of IPv4 is left to is_expected(). */
static void expect_inner(const struct frame *frame, const struct decoded *decoded,
			 struct frame *expected)
{
	uint8_t *ip = expected->bytes + ETH_LEN;

	memcpy(expected->bytes, frame->bytes, 12);
	frame_be16(expected->bytes + 12, decoded->inner_type);
	expected->len = ETH_LEN + frame->len - decoded->inner_at;
	memcpy(ip, frame->bytes + decoded->inner_at, frame->len - decoded->inner_at);
	if (decoded->inner_type == TYPE_IPV4)
		ip[1] = decoded->inner_tos;
	else
		frame_be16(ip, (frame_get16(ip) & 0xf00f) | decoded->inner_tos << 4);
}

/* A checksum that was right must be right, and one that was wrong must be wrong. */
static bool is_expected(const struct frame *frame, const struct decoded *decoded,
			const struct run_result *result)
{
	struct frame expected, actual = result->frame;
	size_t header = (frame->bytes[decoded->inner_at] & 15) * 4;

	if (result->verdict != TC_ACT_UNSPEC)
		return false;
	expect_inner(frame, decoded, &expected);
	if (decoded->inner_type == TYPE_IPV4) {
		if (!frame_checksum(frame->bytes + decoded->inner_at, header) !=
		    !frame_checksum(actual.bytes + ETH_LEN, header))
			return false;
		frame_be16(expected.bytes + ETH_LEN + 10, 0);
		frame_be16(actual.bytes + ETH_LEN + 10, 0);
	}
	return actual.len == expected.len && !memcmp(actual.bytes, expected.bytes, actual.len);
}

struct mismatch {
	const char *what;
	unsigned int count;
};

static void report_mismatch(struct mismatch *kinds, const char *what, const struct frame *frame)
{
	while (kinds->what && kinds->what != what)
		kinds++;
	kinds->what = what;
	if (kinds->count++ < FUZZ_SHOWN)
		frame_print(what, frame->bytes, frame->len);
}

/* Runs one frame; returns what is wrong, or NULL. */
static const char *judge(const struct frame *frame, bool *is_accepted)
{
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct decoded decoded;

	decode(frame, tunnels, &decoded);
	*is_accepted = !decoded.refused;
	run_program(classifier.ingress, frame, &ctx, &result);
	if (decoded.refused)
		return is_untouched(&result, frame) ? NULL : decoded.refused;
	if (is_expected(frame, &decoded, &result))
		return NULL;
	return is_untouched(&result, frame) ? "refused without need"
					    : "decapsulated to another frame";
}

/* ---- ECN and DSCP: every outer byte over those inside, in every mode ---- */

static void set_tos(struct frame *frame, size_t at, uint8_t tos)
{
	uint8_t *ip = frame->bytes + at;
	size_t header = (ip[0] & 15) * 4;

	if (ip[0] >> 4 == 6) {
		frame_be16(ip, (frame_get16(ip) & 0xf00f) | tos << 4);
		return;
	}
	ip[1] = tos;
	frame_be16(ip + 10, 0);
	frame_be16(ip + 10, frame_checksum(ip, header));
}

static void every_outer_tos(void **state)
{
	static const uint8_t inner_dscps[] = { 0, 1, 46, 63 };
	const struct good *good = *state;
	struct frame frame;
	bool is_accepted;

	need_programs();
	empty_rules();
	frame_build_joined(&frame, good->outer, good->inner);
	for (uint32_t i = 0; i < 256 * ARRAY_LEN(inner_dscps) * ECN_COUNT; i++) {
		uint8_t inner = inner_dscps[i % ARRAY_LEN(inner_dscps)] << 2 |
				i / ARRAY_LEN(inner_dscps) % ECN_COUNT;
		const char *what;

		set_tos(&frame, ETH_LEN, i / (ARRAY_LEN(inner_dscps) * ECN_COUNT));
		set_tos(&frame, size_of(good->outer), inner);
		what = judge(&frame, &is_accepted);
		if (!what)
			continue;
		frame_print(what, frame.bytes, frame.len);
		fail_msg("%s", what);
	}
}

/* ---- random frames ---- */

static void random_frames(void **state)
{
	struct mismatch kinds[FUZZ_KINDS] = { 0 };
	const struct good *good = *state;
	unsigned int accepted = 0, failed = 0;
	struct frame frame;
	bool is_accepted;

	need_programs();
	empty_rules();
	random_state = 0x63756c76 + (good - goods);
	for (int i = 0; i < FUZZ_ROUNDS; i++) {
		const char *what;

		frame_build_joined(&frame, good->outer, good->inner);
		if (i) /* the first is good */
			mutate(&frame, size_of(good->outer));
		if (frame.len < least_len(&frame))
			continue;
		what = judge(&frame, &is_accepted);
		accepted += is_accepted;
		if (what)
			report_mismatch(kinds, what, &frame);
	}
	for (struct mismatch *kind = kinds; kind->what; kind++) {
		print_error("%u frames: %s\n", kind->count, kind->what);
		failed += kind->count;
	}
	/* Both answers must have been asked for often. */
	assert_in_range(accepted, FUZZ_ROUNDS / 20, FUZZ_ROUNDS - FUZZ_ROUNDS / 20);
	assert_int_equal(failed, 0);
}

/* ---- timing ---- */

static int time_all(void)
{
	static const char *const not_ours = "no tunnel: UDP in IPv4";
	static struct timed timed[TIMING_MAX];
	size_t count = 0;
	void *state;

	tunnels_setup(&state);
	if (!progrun.object) {
		printf("skip: %s\n", progrun.why_not);
		return 0;
	}
	timed[count++] =
		(struct timed){ .name = "empty", .prog = empty_program(BPF_PROG_TYPE_SCHED_CLS) };
	timed[count++] = (struct timed){ .name = not_ours, .prog = classifier.ingress };
	frame_build(&timed[0].frame, PACKET(ETH(), IP4(), UDP(7, 8), DATA(21)));
	timed[1].frame = timed[0].frame;
	for (size_t i = 0; i < ARRAY_LEN(goods); i++) {
		timed[count].name = goods[i].name;
		timed[count].prog = classifier.ingress;
		frame_build_joined(&timed[count++].frame, goods[i].outer, goods[i].inner);
	}
	print_times(timed, count);
	return 0;
}

/* ---- all ---- */

static const char *named(const char *what, const char *which)
{
	static char names[3 * ARRAY_LEN(goods)][100];
	static size_t count;

	assert_true(count < ARRAY_LEN(names));
	snprintf(names[count], sizeof(names[count]), "%s: %s", what, which);
	return names[count++];
}

int main(int argc, char **argv)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test_setup(at_egress_nothing_is_taken_out, clear_counters),
		cmocka_unit_test_setup(rules_see_the_inner_packet, clear_counters),
		cmocka_unit_test_setup(the_same_packet_out_of_two_tunnels_is_told_apart,
				       clear_counters),
		cmocka_unit_test_setup(dscp_after_decapsulation_keeps_the_new_ecn_bits,
				       clear_counters),
	};
	struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(others) + ARRAY_LEN(ecn_cases) +
				3 * ARRAY_LEN(goods)];
	size_t count = 0;

	if (argc > 1 && !strcmp(argv[1], "time"))
		return time_all();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[count++] = row_test(rows[i].name, run_row, clear_counters, &rows[i]);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[count++] = others[i];
	for (size_t i = 0; i < ARRAY_LEN(ecn_cases); i++)
		tests[count++] =
			row_test(ecn_cases[i].name, run_ecn_case, clear_counters, &ecn_cases[i]);
	for (size_t i = 0; i < ARRAY_LEN(goods); i++)
		tests[count++] = row_test(named("cut off anywhere", goods[i].name),
					  cut_off_anywhere, clear_counters, &goods[i]);
	for (size_t i = 0; i < ARRAY_LEN(goods); i++)
		tests[count++] = row_test(named("every outer ECN and DSCP", goods[i].name),
					  every_outer_tos, clear_counters, &goods[i]);
	for (size_t i = 0; i < ARRAY_LEN(goods); i++)
		tests[count++] = row_test(named("25,000 random frames", goods[i].name),
					  random_frames, clear_counters, &goods[i]);
	return cmocka_run_group_tests(tests, tunnels_setup, group_teardown);
}
