/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of a tunnel with `remote peers`: the outer destination that the lwt program writes,
 * against a walk over all prefixes, with sets of every size and with remotes of both families.
 * `progrun_peer time`: what the choice among 100,000 costs.
 */
#include "progrun.h"

#include <arpa/inet.h>

#include "compiler/peers.h"
#include "stubs.h"
#include "timing.h"
#include "tunnel.skel.h"

#define TUNNEL 5
#define GUARD_MARK 0x7f000000u
#define PREFIXES 400
#define ETHERNET 14
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define REROUTE 128 /* BPF_LWT_REROUTE */
#define DROP 2 /* BPF_DROP */
#define PUSH_SINCE_MAJOR 6 /* before, a kernel may crash when a test run pushes a header */
#define PUSH_SINCE_MINOR 18

static struct cv_tunnel_bpf *skel;
static struct cv_stub_bpf *stubs;
static int xmit;

static const struct {
	const char *map;
	uint32_t cells;
} sizes[] = {
#define SIZE(name, map, cells) { MAP_TEXT(map), cells },
	CV_PEER_SIZES(SIZE)
#undef SIZE
};

static int setup(void **state)
{
	(void)state;
	if (!progrun_enter())
		return 0;
	skel = cv_tunnel_bpf__open();
	assert_non_null(skel);
	prepare_maps(skel->obj);
	if (!take_loaded(skel->obj, cv_tunnel_bpf__load(skel)))
		return 0;
	stubs = stubs_load(TUNNEL);
	assert_non_null(stubs);
	stubs_lead_to(stubs->maps.cv_xmit_progs, CV_SHARED_TUNNEL, skel->progs.cv_xmit);
	xmit = bpf_program__fd(stubs->progs.cv_stub_xmit);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_stub_bpf__destroy(stubs);
	cv_tunnel_bpf__destroy(skel);
	return 0;
}

/* ---- peers ---- */

static struct cv_peer_prefix prefixes[PREFIXES];
static size_t prefix_count;

/* Many that overlap, of all lengths, and the default of IPv4 alone. */
static void make_prefixes(uint8_t remote_family)
{
	struct cv_prefix to = { 0 };
	struct cv_addr remote = { .family = remote_family };

	srandom(5);
	for (size_t i = 0; i < PREFIXES; i++) {
		memset(&to, 0, sizeof(to));
		to.addr.family = i % 2 ? 6 : 4;
		to.bits = i ? 1 + random() % (i % 2 ? 128 : 32) : 0;
		for (int bit = 0; bit < to.bits; bit++)
			if (random() % 5 == 0)
				to.addr.bytes[bit / 8] |= 0x80 >> bit % 8;
		remote.bytes[0] = 0xfd;
		remote.bytes[remote_family == 4 ? 2 : 14] = i >> 8;
		remote.bytes[remote_family == 4 ? 3 : 15] = i & 0xff;
		prefixes[i] = cv_peer_prefix_of(&to, &remote);
	}
	prefix_count = cv_peer_prefixes_sort(prefixes, PREFIXES);
}

static uint64_t host_bits(unsigned int len, int half)
{
	unsigned int bits = half ? (len > 64 ? len - 64 : 0) : (len > 64 ? 64 : len);

	return bits == 64 ? 0 : ~0ULL >> bits;
}

static const struct cv_peer_prefix *walk(uint8_t family, const uint64_t bits[2])
{
	const struct cv_peer_prefix *best = NULL;

	for (size_t i = 0; i < prefix_count; i++) {
		const struct cv_peer_prefix *prefix = &prefixes[i];

		if (prefix->family == family && (!best || prefix->len > best->len) &&
		    !((prefix->bits[0] ^ bits[0]) & ~host_bits(prefix->len, 0)) &&
		    !((prefix->bits[1] ^ bits[1]) & ~host_bits(prefix->len, 1)))
			best = prefix;
	}
	return best;
}

/* Puts a set into that size's slot of the tunnel. */
static void fill_set(const struct cv_peer_set *set, uint32_t size, uint32_t slot)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG | BPF_F_MMAPABLE);
	CV_CLOSE int array = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_peers", sizeof(uint32_t),
					    sizeof(struct cv_peer_cell), sizes[size].cells, &opts);
	int fd = bpf_map__fd(map_of(sizes[size].map));

	assert_true(array >= 0);
	for (uint32_t i = 0; i < set->cell_count; i++)
		assert_int_equal(bpf_map_update_elem(array, &i, &set->cells[i], 0), 0);
	assert_int_equal(bpf_map_update_elem(fd, &slot, &array, 0), 0);
}

static void make_tunnel(struct cv_tunnel *tunnel, uint8_t remote_family)
{
	tunnel->mode = CV_MODE_IPIP;
	tunnel->family = remote_family;
	tunnel->hdr_len = remote_family == 4 ? IPV4_HEADER : IPV6_HEADER;
	tunnel->ttl = 64;
	tunnel->proto4 = IPPROTO_IPIP;
	tunnel->proto6 = IPPROTO_IPV6;
	tunnel->guard_mark = GUARD_MARK;
}

/* Puts the prefixes into a set of that size, and the tunnel that reads it into the table. */
static void fill(uint32_t size, uint8_t remote_family)
{
	CV_CLEANUP(cv_peer_set_fini) struct cv_peer_set set = { 0 };
	CV_FREE struct cv_tunnel *tunnels = calloc(CV_MAX_TUNNELS, sizeof(*tunnels));
	uint32_t slot = 2 * TUNNEL + 1;
	struct cv_err err;

	assert_non_null(tunnels);
	make_prefixes(remote_family);
	assert_int_equal(cv_peers_compile(&set, prefixes, prefix_count, remote_family, &err), 0);
	fill_set(&set, size, slot);
	make_tunnel(&tunnels[TUNNEL], remote_family);
	tunnels[TUNNEL].remote_kind = CV_REMOTE_PEERS;
	tunnels[TUNNEL].remote_slot = CV_PEER_SLOT(size, slot);
	close(fill_tunnels(MAP(CV_MAP_TUNNELS), tunnels, 0));
}

/* ---- packets ---- */

static void put_bits(uint8_t *at, const uint64_t bits[2], size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = bits[i / 8] >> (56 - i % 8 * 8);
}

static void make_packet(struct frame *frame, uint8_t family, const uint64_t to[2])
{
	uint8_t *ip = frame->bytes + ETHERNET;

	memset(frame, 0, sizeof(*frame));
	frame->len = ETHERNET + (family == 4 ? IPV4_HEADER : IPV6_HEADER);
	if (family == 4) {
		frame_be16(frame->bytes + 12, 0x0800);
		ip[0] = 0x45;
		frame_be16(ip + 2, IPV4_HEADER);
		ip[8] = 64;
		ip[9] = IPPROTO_NONE;
		put_bits(ip + 16, to, 4);
		frame_be16(ip + 10, frame_checksum(ip, IPV4_HEADER));
	} else {
		frame_be16(frame->bytes + 12, 0x86dd);
		ip[0] = 0x60;
		ip[6] = IPPROTO_NONE;
		ip[7] = 64;
		put_bits(ip + 24, to, 16);
	}
}

/* Sends one packet; it must go to the peer that the walk finds, or be dropped. */
static void assert_goes(uint8_t remote_family, uint8_t family, const uint64_t to[2])
{
	const struct cv_peer_prefix *peer = walk(family, to);
	size_t remote_at = ETHERNET + (remote_family == 4 ? 16 : 24);
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame frame;

	make_packet(&frame, family, to);
	run_program(xmit, &frame, &ctx, &result);
	assert_only_drop(TUNNEL, peer ? CV_R_OK : CV_R_NO_PEER);
	assert_int_equal(result.verdict, peer ? REROUTE : DROP);
	if (!peer)
		return;
	assert_int_equal(result.frame.len,
			 frame.len + (remote_family == 4 ? IPV4_HEADER : IPV6_HEADER));
	assert_memory_equal(result.frame.bytes + remote_at, peer->remote,
			    remote_family == 4 ? 4 : 16);
}

/* The first and the last address of each prefix, and those beside them. */
static void assert_all_go(uint8_t remote_family)
{
	for (size_t i = 0; i < prefix_count; i++) {
		const struct cv_peer_prefix *prefix = &prefixes[i];
		bool is_v4 = prefix->family == 4;
		uint64_t last = is_v4 ? ~0ULL << 32 : ~0ULL;
		uint64_t edges[][2] = {
			{ prefix->bits[0], prefix->bits[1] },
			{ prefix->bits[0] | (host_bits(prefix->len, 0) & last),
			  is_v4 ? 0 : prefix->bits[1] | host_bits(prefix->len, 1) },
			{ prefix->bits[0] ^ 1ULL << 32, prefix->bits[1] },
			{ prefix->bits[0], is_v4 ? 0 : prefix->bits[1] ^ 1 },
			{ prefix->bits[0] ^ 1ULL << 63, prefix->bits[1] },
		};

		for (size_t j = 0; j < ARRAY_LEN(edges); j++)
			assert_goes(remote_family, prefix->family, edges[j]);
	}
}

/* ---- tests ---- */

struct row {
	const char *name;
	uint32_t size;
	uint8_t remote_family;
};

static const struct row rows[] = {
	{ "few peers with IPv4 remotes: the longest prefix decides", CV_PEERS_SMALL, 4 },
	{ "few peers with IPv6 remotes: the longest prefix decides", CV_PEERS_SMALL, 6 },
	{ "a set of the middle size, IPv4 remotes", CV_PEERS_MEDIUM, 4 },
	{ "a set of the middle size, IPv6 remotes", CV_PEERS_MEDIUM, 6 },
	{ "a set of the largest size, IPv4 remotes", CV_PEERS_LARGE, 4 },
	{ "a set of the largest size, IPv6 remotes", CV_PEERS_LARGE, 6 },
};

static void need_push(void)
{
	need_programs();
	if (kernel_is_at_least(PUSH_SINCE_MAJOR, PUSH_SINCE_MINOR))
		return;
	print_message("skip: this kernel may not push a header in a test run\n");
	skip();
}

static void run_row(void **state)
{
	const struct row *row = *state;

	need_push();
	fill(row->size, row->remote_family);
	assert_all_go(row->remote_family);
}

/* No header is pushed here: this runs on every kernel. */
static void without_a_set_there_is_no_peer(void **state)
{
	uint64_t to[2] = { 0x0a000001ULL << 32, 0 };
	uint32_t slot = 2 * TUNNEL + 1;

	(void)state;
	need_programs();
	fill(CV_PEERS_SMALL, 4);
	bpf_map_delete_elem(bpf_map__fd(map_of(sizes[CV_PEERS_SMALL].map)), &slot);
	prefix_count = 0;
	assert_goes(4, 4, to);
}

static void a_packet_that_is_not_ip_has_no_peer(void **state)
{
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame frame = { .len = 64 };

	(void)state;
	need_programs();
	fill(CV_PEERS_SMALL, 4);
	frame_be16(frame.bytes + 12, 0x0800);
	run_program(xmit, &frame, &ctx, &result);
	assert_only_drop(TUNNEL, CV_R_ENCAP_INNER);
	assert_int_equal(result.verdict, DROP);
}

/* ---- timing ---- */

#define MANY 100000
#define DESTINATIONS 65536 /* random ones, each inside one of the prefixes */

/* Prefixes of the lengths that one meets, 70 % of them IPv4, all over the space. */
static struct cv_peer_prefix *many_prefixes(void)
{
	static const uint8_t lens4[] = { 16, 18, 20, 21, 22, 22, 23, 24, 24, 24, 24, 24, 26, 28 };
	static const uint8_t lens6[] = { 32, 36, 40, 44, 48, 48, 48, 48, 56, 64 };
	struct cv_peer_prefix *items = calloc(MANY, sizeof(*items));
	size_t count = 0;

	assert_non_null(items);
	while (count < MANY) {
		for (; count < MANY; count++) {
			struct cv_peer_prefix *item = &items[count];
			uint64_t word = (uint64_t)random() << 32 | (uint64_t)random() << 1;
			bool is_v4 = random() % 10 < 7;

			*item = (struct cv_peer_prefix){ .family = is_v4 ? 4 : 6 };
			item->len = is_v4 ? lens4[random() % sizeof(lens4)]
					  : lens6[random() % sizeof(lens6)];
			if (!is_v4)
				word = 0x2000000000000000 | word >> 3;
			item->bits[0] = word & ~host_bits(item->len, 0);
			for (int i = 0; i < 4; i++)
				item->remote[i] = (uint32_t)random();
		}
		count = cv_peer_prefixes_sort(items, count);
	}
	return items;
}

struct destination {
	uint64_t bits[2];
	uint8_t family;
};

static struct destination *many_destinations(const struct cv_peer_prefix *items)
{
	struct destination *list = calloc(DESTINATIONS, sizeof(*list));

	assert_non_null(list);
	for (size_t i = 0; i < DESTINATIONS; i++) {
		const struct cv_peer_prefix *item = &items[(size_t)random() % MANY];
		uint64_t word = (uint64_t)random() << 32 | (uint64_t)random() << 1;

		list[i].family = item->family;
		list[i].bits[0] = item->bits[0] | (word & host_bits(item->len, 0));
		if (item->family == 4)
			list[i].bits[0] &= ~0ULL << 32;
	}
	return list;
}

/* One pass over the destinations: a packet to each, in a program run of its own. */
static double time_pass(struct timed *timed, const struct destination *list)
{
	static double times[DESTINATIONS];

	for (size_t i = 0; i < DESTINATIONS; i++) {
		make_packet(&timed->frame, list[i].family, list[i].bits);
		times[i] = time_once(timed);
	}
	return middle_of(times, DESTINATIONS);
}

#define PASSES 20

/* The same packets with a fixed remote and with peers, in turn: the tunnel changes, no program. */
static void time_family(uint8_t remote_family)
{
	CV_FREE struct cv_peer_prefix *items = many_prefixes();
	CV_FREE struct destination *list = many_destinations(items);
	CV_FREE struct cv_tunnel *tunnels = calloc(CV_MAX_TUNNELS, sizeof(*tunnels));
	CV_CLEANUP(cv_peer_set_fini) struct cv_peer_set set = { 0 };
	struct timed timed = { .prog = xmit };
	double passes[2][PASSES], fixed, peers;
	uint32_t size = CV_PEERS_SMALL, id = TUNNEL, slot = 2 * TUNNEL;
	struct cv_err err;
	int table;

	assert_non_null(tunnels);
	assert_int_equal(cv_peers_compile(&set, items, MANY, remote_family, &err), 0);
	while (sizes[size].cells < set.cell_count)
		size++;
	fill_set(&set, size, slot);
	make_tunnel(&tunnels[TUNNEL], remote_family);
	tunnels[TUNNEL].remote_slot = CV_PEER_SLOT(size, slot);
	table = fill_tunnels(MAP(CV_MAP_TUNNELS), tunnels, 0);
	for (int i = 0; i < 2 * PASSES; i++) {
		tunnels[TUNNEL].remote_kind = i % 2 ? CV_REMOTE_PEERS : CV_REMOTE_ONE;
		assert_int_equal(bpf_map_update_elem(table, &id, &tunnels[TUNNEL], 0), 0);
		passes[i % 2][i / 2] = time_pass(&timed, list);
	}
	close(table);
	fixed = middle_of(passes[0], PASSES);
	peers = middle_of(passes[1], PASSES);
	printf("100,000 peers, IPv%u outside: %.1f ns more than a fixed remote; best pass %.1f; %.1f MB\n",
	       remote_family, peers - fixed, passes[1][0] - passes[0][0],
	       set.cell_count * sizeof(*set.cells) / 1e6);
}

static int time_all(void)
{
	setup(NULL);
	if (!progrun.object || !kernel_is_at_least(PUSH_SINCE_MAJOR, PUSH_SINCE_MINOR)) {
		puts("skip: this kernel may not push a header in a test run");
		return 0;
	}
	srandom(1);
	time_family(4);
	time_family(6);
	return teardown(NULL);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[ARRAY_LEN(rows) + 2];
	size_t count = 0;

	if (argc == 2 && !strcmp(argv[1], "time"))
		return time_all();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[count++] = row_test(rows[i].name, run_row, NULL, &rows[i]);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(without_a_set_there_is_no_peer);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(a_packet_that_is_not_ip_has_no_peer);
	return cmocka_run_group_tests(tests, setup, teardown);
}
