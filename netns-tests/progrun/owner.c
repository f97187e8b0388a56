/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose packet it is: real sockets of this process, of which records say that they belong to apps.
 * What a test packet on its way out is sent by is a socket that the kernel makes for each run; the
 * small program `sender` gives it a record and goes over to the program under test.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "classifier.h"
#include "timing.h"

#define TCP_PORT 80
#define UDP_PORT 90
#define CONNECTED_PORT 91
#define STRANGER_PORT 5000
#define ECHO_ID 0x1234
#define NETNS 0x1111 /* cookie of the instance, as the records of all sockets have it */
#define OTHER_NETNS 0x2222

/* Who owns what. */
enum app {
	NOBODY = CV_APP_NONE,
	LISTENER,
	ACCEPTED,
	CLIENT,
	CLOSED,
	SERVER, /* UDP, bound to any address */
	PEER, /* UDP, connected */
	SENDER,
	OUTSIDER, /* what our apps with `netns` say of a socket of another namespace */
	APP_COUNT
};

/* Rule marks tell the owner: the app, and whether it is exact. */
#define EXACT_MARK 0x100
#define NOBODY_MARK 0xff

/* One family of addresses: here (an address of lo), there (reached through a tap device). */
struct family {
	int family;
	const char *client; /* of lo, too */
	const char *here;
	const char *stranger;
	const char *elsewhere; /* behind the tap device: would be forwarded */
};

static const struct family families[] = {
	{ AF_INET, "10.0.0.1", "10.0.0.2", "10.1.0.9", "10.2.0.1" },
	{ AF_INET6, "fd00::1", "fd00::2", "fd01::9", "fd02::1" },
};

/* The sockets of one family. */
struct sockets {
	int listener;
	int accepted;
	int client;
	int server;
	int peer;
	uint16_t client_port;
	uint16_t closed_port;
};

static struct {
	struct sockets of[ARRAY_LEN(families)];
	int tap;
	uint8_t tap_mac[6];
	int record; /* array of one: what sender puts on the socket */
	int sender_in; /* programs: sender, going over to ingress and to egress */
	int sender_out;
} world;

/* ---- sockets ---- */

static socklen_t fill_address(struct sockaddr_storage *out, int family, const char *text,
			      uint16_t port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = family;
	if (family == AF_INET6) {
		in6->sin6_port = htons(port);
		assert_int_equal(text ? inet_pton(family, text, &in6->sin6_addr) : 1, 1);
		return sizeof(*in6);
	}
	in4->sin_port = htons(port);
	assert_int_equal(text ? inet_pton(family, text, &in4->sin_addr) : 1, 1);
	return sizeof(*in4);
}

static void bind_to(int fd, int family, const char *text, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t len = fill_address(&address, family, text, port);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
}

static void connect_to(int fd, int family, const char *text, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t len = fill_address(&address, family, text, port);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
}

/* A socket that IPv4 and IPv6 do not share. */
static int open_socket(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 address;
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin6_port);
}

static struct cv_owner owner_of(uint32_t app, uint8_t source)
{
	return (struct cv_owner){ .app = app, .netns_cookie = NETNS, .source = source };
}

static void own(int fd, uint32_t app, uint8_t source)
{
	struct cv_owner owner = owner_of(app, source);

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_OWNERS)), &fd, &owner, BPF_ANY),
			 0);
}

static int open_client(const struct family *family)
{
	int fd = open_socket(family->family, SOCK_STREAM);

	bind_to(fd, family->family, family->client, 0);
	connect_to(fd, family->family, family->here, TCP_PORT);
	return fd;
}

/* Leaves a client's end in TIME_WAIT, and its record where the release hook puts it. */
static uint16_t leave_closed(const struct family *family, int listener)
{
	struct cv_closed closed = { .owner = owner_of(CLOSED, CV_OWNER_CONNECT) };
	int client = open_client(family);
	CV_CLOSE int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	socklen_t size = sizeof(uint64_t);
	uint16_t port = port_of(client);
	uint32_t index;
	char end;

	assert_int_equal(getsockopt(client, SOL_SOCKET, SO_COOKIE, &closed.cookie, &size), 0);
	index = closed.cookie & (CV_MAX_CLOSED - 1);
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_CLOSED)), &index, &closed, BPF_ANY), 0);
	close(client);
	assert_int_equal(read(accepted, &end, 1), 0);
	return port;
}

static void open_sockets(const struct family *family, struct sockets *sockets)
{
	sockets->listener = open_socket(family->family, SOCK_STREAM);
	bind_to(sockets->listener, family->family, NULL, TCP_PORT);
	assert_int_equal(listen(sockets->listener, 8), 0);
	sockets->client = open_client(family);
	sockets->client_port = port_of(sockets->client);
	sockets->accepted = accept4(sockets->listener, NULL, NULL, SOCK_CLOEXEC);
	sockets->closed_port = leave_closed(family, sockets->listener);
	sockets->server = open_socket(family->family, SOCK_DGRAM);
	bind_to(sockets->server, family->family, NULL, UDP_PORT);
	sockets->peer = open_socket(family->family, SOCK_DGRAM);
	bind_to(sockets->peer, family->family, family->here, CONNECTED_PORT);
	connect_to(sockets->peer, family->family, family->client, STRANGER_PORT);
	own(sockets->listener, LISTENER, CV_OWNER_LISTEN);
	own(sockets->accepted, ACCEPTED, CV_OWNER_ACCEPT);
	own(sockets->client, CLIENT, CV_OWNER_CONNECT);
	own(sockets->server, SERVER, CV_OWNER_CREATE);
	own(sockets->peer, PEER, CV_OWNER_CONNECT);
}

/* ---- devices ---- */

static void run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

static void open_tap(void)
{
	struct ifreq request = { .ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI };

	world.tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (world.tap < 0 || ioctl(world.tap, TUNSETIFF, &request)) {
		progrun.object = NULL;
		progrun.why_not = "no tap device";
		return;
	}
	assert_int_equal(ioctl(world.tap, SIOCGIFHWADDR, &request), 0);
	memcpy(world.tap_mac, request.ifr_hwaddr.sa_data, sizeof(world.tap_mac));
}

static void set_addresses(void)
{
	run("ip link set lo up && ip link set tap0 up");
	run("ip addr add 10.0.0.1/32 dev lo && ip addr add 10.0.0.2/32 dev lo");
	run("ip addr add fd00::1/128 dev lo nodad && ip addr add fd00::2/128 dev lo nodad");
	run("ip addr add 10.1.0.1/24 dev tap0 && ip addr add fd01::1/64 dev tap0 nodad");
	run("ip route add default via 10.1.0.9 && ip route add default via fd01::9");
}

/* Forwarding of both families, on or off. */
static void forward(bool is_on)
{
	run(is_on ? "echo 1 >/proc/sys/net/ipv4/ip_forward"
		  : "echo 0 >/proc/sys/net/ipv4/ip_forward");
	run(is_on ? "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
		  : "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding");
}

/* ---- the program sender ---- */

#define INSN(...)                                                                                  \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define CALL(helper) INSN(.code = BPF_JMP | BPF_CALL, .imm = (helper))
#define MOVE(to, from) INSN(.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from))
#define SET(to, value) INSN(.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (value))
#define LOAD_MAP(to, fd)                                                                           \
	INSN(.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = (to), .src_reg = BPF_PSEUDO_MAP_FD,     \
	     .imm = (fd)),                                                                         \
		INSN(.code = 0)
/* To the end if r0 is NULL; count: instructions between here and there. */
#define END_IF_NULL(count) INSN(.code = BPF_JMP | BPF_JEQ | BPF_K, .off = (count))

/* Gives the socket on the packet the record in world.record, then runs the program under test. */
static int load_sender(int prog)
{
	int programs = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "test_programs", sizeof(uint32_t),
				      sizeof(uint32_t), 1, NULL);
	const struct bpf_insn insns[] = {
		MOVE(BPF_REG_6, BPF_REG_1),
		INSN(.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_0, .src_reg = BPF_REG_6,
		     .off = offsetof(struct __sk_buff, sk)),
		END_IF_NULL(22),
		MOVE(BPF_REG_1, BPF_REG_0),
		CALL(BPF_FUNC_sk_fullsock),
		END_IF_NULL(19),
		MOVE(BPF_REG_7, BPF_REG_0),
		INSN(.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4),
		LOAD_MAP(BPF_REG_1, world.record),
		MOVE(BPF_REG_2, BPF_REG_10),
		INSN(.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4),
		CALL(BPF_FUNC_map_lookup_elem),
		END_IF_NULL(11),
		MOVE(BPF_REG_3, BPF_REG_0),
		LOAD_MAP(BPF_REG_1, bpf_map__fd(MAP(CV_MAP_OWNERS))),
		MOVE(BPF_REG_2, BPF_REG_7),
		SET(BPF_REG_4, BPF_SK_STORAGE_GET_F_CREATE),
		CALL(BPF_FUNC_sk_storage_get),
		MOVE(BPF_REG_1, BPF_REG_6),
		LOAD_MAP(BPF_REG_2, programs),
		SET(BPF_REG_3, 0),
		CALL(BPF_FUNC_tail_call),
		SET(BPF_REG_0, TC_ACT_SHOT),
		INSN(.code = BPF_JMP | BPF_EXIT),
	};
	uint32_t zero = 0;
	int fd;

	assert_true(programs >= 0);
	assert_int_equal(bpf_map_update_elem(programs, &zero, &prog, BPF_ANY), 0);
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "test_sender", "GPL", insns, ARRAY_LEN(insns),
			   NULL);
	assert_true(fd >= 0);
	return fd;
}

static void set_record(const struct cv_owner *owner)
{
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(world.record, &zero, owner, BPF_ANY), 0);
}

static int world_setup(void **state)
{
	group_setup(state);
	if (!progrun.object)
		return 0;
	open_tap();
	if (!progrun.object)
		return 0;
	set_addresses();
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		open_sockets(&families[i], &world.of[i]);
	world.record = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_record", sizeof(uint32_t),
				      sizeof(struct cv_owner), 1, NULL);
	assert_true(world.record >= 0);
	world.sender_in = load_sender(classifier.ingress);
	world.sender_out = load_sender(classifier.egress);
	return 0;
}

static int world_teardown(void **state)
{
	close(world.tap);
	return group_teardown(state);
}

/* ---- asking ---- */

#define MATCHES_PER_APP 2

/* Rules that tell who owns a packet of that direction by the mark that they set. */
static struct test_rules telling_rules(enum cv_direction dir)
{
	struct test_rules set = { .flags = CV_RULES_NEED_OWNER(dir), .netns_cookie = NETNS };
	uint32_t count = 0;

	for (uint32_t app = NOBODY + 1; app < APP_COUNT; app++)
		for (uint32_t i = 0; i < MATCHES_PER_APP; i++, count++) {
			set.matches[count] = (struct cv_match){
				.flags = CV_MATCH_APP | (i ? 0 : CV_MATCH_EXACT),
				.extra.app = app,
				.rule = count,
			};
			set.rules[count] = (struct cv_rule){ .flags = CV_ACTION_MARK,
							     .mark_mask = UINT32_MAX,
							     .mark = app | (i ? 0 : EXACT_MARK) };
		}
	set.matches[count] = (struct cv_match){ .flags = CV_MATCH_APP, .rule = count };
	set.rules[count] = (struct cv_rule){ .flags = CV_ACTION_MARK,
					     .mark_mask = UINT32_MAX,
					     .mark = NOBODY_MARK };
	set.lists[dir].count = count + 1;
	return set;
}

/* Packets that were told without a record on their socket since the last call, by that source; fails
 * if any were told by another one. */
static void expect_counted(uint8_t source, uint64_t expected)
{
	__u64 counts[CV_OWNER_SOURCE_COUNT];

	for (uint32_t i = 0; i < CV_OWNER_SOURCE_COUNT; i++) {
		take_percpu(MAP(CV_MAP_SOURCES), &i, &counts[i], 1, false);
		assert_int_equal(counts[i], i == source ? expected : 0);
	}
}

static void take_sources(void)
{
	__u64 count;

	for (uint32_t i = 0; i < CV_OWNER_SOURCE_COUNT; i++)
		take_percpu(MAP(CV_MAP_SOURCES), &i, &count, 1, false);
}

/* The mark that telling_rules() put on the frame. */
static uint32_t told(int prog, enum cv_direction dir, const struct frame *frame, uint32_t ifindex)
{
	struct test_rules set = telling_rules(dir);
	struct run_ctx ctx = { .ifindex = ifindex };
	struct run_result result;

	fill_rules(&set);
	run_program(prog, frame, &ctx, &result);
	return result.mark;
}

static const char *mark_text(uint32_t mark)
{
	static const char *const names[] = { "nobody", "listener", "accepted", "client",  "closed",
					     "server", "peer",	   "sender",   "outsider" };
	static char text[2][40];
	static size_t turn;
	uint32_t app = mark & ~EXACT_MARK;

	if (mark == NOBODY_MARK)
		app = NOBODY;
	turn ^= 1;
	snprintf(text[turn], sizeof(text[turn]), "%s%s", app < APP_COUNT ? names[app] : "?",
		 mark & EXACT_MARK ? ", exactly" : "");
	return text[turn];
}

#define EXACTLY(app) ((app) | EXACT_MARK)

static void expect_told(int prog, enum cv_direction dir, const struct layer *packet,
			uint32_t ifindex, uint32_t expected)
{
	struct frame frame;
	uint32_t mark;

	if (expected == NOBODY)
		expected = NOBODY_MARK;
	frame_build(&frame, packet);
	mark = told(prog, dir, &frame, ifindex);
	if (mark != expected)
		print_error("owner: %s; expected: %s\n", mark_text(mark), mark_text(expected));
	assert_int_equal(mark, expected);
}

static void expect_in(const struct layer *packet, uint32_t expected)
{
	expect_told(classifier.ingress, CV_DIR_IN, packet, 0, expected);
}

static void expect_out(const struct layer *packet, uint32_t expected)
{
	expect_told(world.sender_out, CV_DIR_OUT, packet, 0, expected);
}

/* An IP header of the family. */
static struct layer ip(const struct family *family, const char *src, const char *dst)
{
	return (struct layer){ .kind = family->family == AF_INET ? L_IP4 : L_IP6,
			       .src = src,
			       .dst = dst };
}

/* To the client's end, or from it. */
static struct layer ip_in(const struct family *family)
{
	return ip(family, family->client, family->here);
}

static struct layer ip_out(const struct family *family)
{
	return ip(family, family->here, family->client);
}

/* Runs the body for both families. */
#define for_each_family(family, sockets)                                                           \
	const struct family *family = families;                                                    \
	const struct sockets *sockets = world.of;                                                  \
                                                                                                   \
	(void)state;                                                                               \
	need_programs();                                                                           \
	for (; family < families + ARRAY_LEN(families); family++, sockets++)

/* ---- on the way in: TCP and UDP ---- */

static void tcp_belongs_to_the_socket_of_the_connection(void **state)
{
	for_each_family (family, sockets) {
		expect_in(PACKET(ETH(), ip_in(family), TCP(sockets->client_port, TCP_PORT)),
			  EXACTLY(ACCEPTED));
		expect_in(PACKET(ETH(), ip_out(family), TCP(TCP_PORT, sockets->client_port)),
			  EXACTLY(CLIENT));
		expect_in(PACKET(ETH(), VLAN(), VLAN(), ip_in(family),
				 TCP(sockets->client_port, TCP_PORT)),
			  EXACTLY(ACCEPTED));
	}
}

static void a_syn_belongs_to_the_listener(void **state)
{
	for_each_family (family, sockets) {
		expect_in(PACKET(ETH(), ip_in(family),
				 TCP(STRANGER_PORT, TCP_PORT, .tcp_flags = TH_SYN)),
			  LISTENER);
	}
}

/* Lets a SYN of a stranger come in by the tap device: the kernel then has a request socket. */
static void send_syn(const struct family *family, const char *to)
{
	const struct layer packet[] = { ETH(.mac = (const char *)world.tap_mac),
					ip(family, family->stranger, to),
					TCP(STRANGER_PORT, TCP_PORT, .tcp_flags = TH_SYN),
					{ .kind = L_END } };
	struct frame frame;

	frame_build(&frame, packet);
	frame_mend_tcp(&frame, ETH_LEN);
	assert_int_equal(write(world.tap, frame.bytes, frame.len), frame.len);
}

static void the_last_ack_of_a_handshake_belongs_to_the_listener(void **state)
{
	for_each_family (family, sockets) {
		const struct layer packet[] = { ETH(),
						ip(family, family->stranger, family->here),
						TCP(STRANGER_PORT, TCP_PORT, .tcp_flags = TH_ACK),
						{ .kind = L_END } };

		/* Told from what a listener alone would be by its source. */
		own(sockets->listener, LISTENER, CV_OWNER_CREATE);
		expect_in(packet, EXACTLY(LISTENER));
		send_syn(family, family->here);
		expect_in(packet, LISTENER);
		expect_counted(CV_OWNER_NONE, 0);
		own(sockets->listener, LISTENER, CV_OWNER_LISTEN);
	}
}

static void time_wait_belongs_to_whoever_had_the_socket(void **state)
{
	for_each_family (family, sockets) {
		expect_in(PACKET(ETH(), ip_out(family), TCP(TCP_PORT, sockets->closed_port)),
			  CLOSED);
		expect_counted(CV_OWNER_COOKIE, 1);
	}
}

static void udp_belongs_to_the_socket_that_will_get_it(void **state)
{
	for_each_family (family, sockets) {
		expect_in(PACKET(ETH(), ip_in(family), UDP(7, UDP_PORT)), EXACTLY(SERVER));
		expect_in(PACKET(ETH(), ip_in(family), UDP(STRANGER_PORT, CONNECTED_PORT)),
			  EXACTLY(PEER));
		expect_in(PACKET(ETH(), ip_in(family), UDP(STRANGER_PORT + 1, CONNECTED_PORT)),
			  NOBODY);
	}
}

static void without_a_socket_nobody_owns_it(void **state)
{
	for_each_family (family, sockets) {
		expect_in(PACKET(ETH(), ip_in(family), UDP(7, 9)), NOBODY);
		expect_in(PACKET(ETH(), ip_in(family), TCP(7, 9)), NOBODY);
		expect_in(PACKET(ETH(), ip_in(family), PORTS(132, 7, TCP_PORT)), NOBODY);
		expect_counted(CV_OWNER_NONE, 0);
	}
}

static void what_is_forwarded_belongs_to_nobody_here(void **state)
{
	uint32_t tap = if_nametoindex("tap0");

	for_each_family (family, sockets) {
		const struct layer ours = ip(family, family->stranger, family->here);
		const struct layer away = ip(family, family->stranger, family->elsewhere);

		forward(true);
		expect_told(classifier.ingress, CV_DIR_IN, PACKET(ETH(), ours, UDP(7, UDP_PORT)),
			    tap, EXACTLY(SERVER));
		expect_told(classifier.ingress, CV_DIR_IN, PACKET(ETH(), away, UDP(7, UDP_PORT)),
			    tap, NOBODY);
		expect_told(classifier.ingress, CV_DIR_IN, PACKET(ETH(), ours, TCP(7, TCP_PORT)),
			    tap, LISTENER);
		expect_told(classifier.ingress, CV_DIR_IN, PACKET(ETH(), away, TCP(7, TCP_PORT)),
			    tap, NOBODY);
		forward(false);
	}
}

static void a_router_receives_multicast_and_broadcast(void **state)
{
	static const char *const groups[] = { "224.0.0.251", "255.255.255.255", "10.1.0.255",
					      "ff02::fb", "ff05::1" };
	uint32_t tap = if_nametoindex("tap0");

	(void)state;
	need_programs();
	forward(true);
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		const struct family *family = &families[!!strchr(groups[i], ':')];

		expect_told(
			classifier.ingress, CV_DIR_IN,
			PACKET(ETH(), ip(family, family->stranger, groups[i]), UDP(7, UDP_PORT)),
			tap, EXACTLY(SERVER));
	}
	forward(false);
}

/* ---- on the way in: fragments and pings ---- */

/* A fragment of a datagram for SERVER: in 8-byte units, and whether more follow. */
static void build_fragment(struct frame *frame, const struct family *family, uint16_t offset,
			   bool has_more, uint16_t port)
{
	struct layer head = ip_in(family);
	struct layer middle = FRAG(offset << 3 | (has_more ? IP6_MF : 0));
	struct layer first = UDP(7, port), later = DATA(8);

	middle.next = IPPROTO_UDP;
	if (family->family == AF_INET) {
		head.fragment = offset | (has_more ? IP4_MF : 0);
		head.next = IPPROTO_UDP;
		frame_build(frame, PACKET(ETH(), head, offset ? later : first, DATA(8)));
	} else {
		frame_build(frame, PACKET(ETH(), head, middle, offset ? later : first, DATA(8)));
	}
}

static void expect_fragment(const struct family *family, uint16_t offset, uint16_t port, uint8_t id,
			    uint32_t expected)
{
	struct frame frame;
	uint32_t mark;

	build_fragment(&frame, family, offset, offset < 4, port);
	/* The last byte of what frame.h makes the id; nobody looks at the checksum. */
	frame.bytes[family->family == AF_INET ? ETH_LEN + 5 : ETH_LEN + 40 + 7] = id;
	mark = told(classifier.ingress, CV_DIR_IN, &frame, 0);
	assert_int_equal(mark, expected == NOBODY ? NOBODY_MARK : expected);
}

static void fragments_belong_to_the_owner_of_the_first(void **state)
{
	for_each_family (family, sockets) {
		expect_fragment(family, 2, UDP_PORT, 1, NOBODY);
		expect_fragment(family, 0, UDP_PORT, 1, EXACTLY(SERVER));
		expect_counted(CV_OWNER_NONE, 0);
		expect_fragment(family, 2, UDP_PORT, 1, SERVER);
		expect_fragment(family, 4, UDP_PORT, 1, SERVER);
		expect_counted(CV_OWNER_FLOW, 2);
		expect_fragment(family, 2, UDP_PORT, 2, NOBODY);
	}
}

static void an_id_that_comes_again_is_another_packet(void **state)
{
	for_each_family (family, sockets) {
		expect_fragment(family, 0, UDP_PORT, 3, EXACTLY(SERVER));
		expect_fragment(family, 0, 9, 3, NOBODY);
		expect_fragment(family, 2, 9, 3, NOBODY);
	}
}

/* Makes all that is remembered older than it is. */
#define FLOWS_MAX 64

static void age_flows(uint64_t ns)
{
	int fd = bpf_map__fd(MAP(CV_MAP_FLOWS));
	struct cv_flow_key keys[FLOWS_MAX];
	struct cv_flow flow;
	size_t count = read_keys(MAP(CV_MAP_FLOWS), keys, sizeof(*keys), FLOWS_MAX);

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(bpf_map_lookup_elem(fd, &keys[i], &flow), 0);
		flow.seen_ns -= ns;
		assert_int_equal(bpf_map_update_elem(fd, &keys[i], &flow, BPF_EXIST), 0);
	}
}

static void fragments_are_forgotten_in_time(void **state)
{
	for_each_family (family, sockets) {
		expect_fragment(family, 0, UDP_PORT, 4, EXACTLY(SERVER));
		age_flows(29 * NS_PER_SECOND);
		expect_fragment(family, 2, UDP_PORT, 4, SERVER);
		age_flows(2 * NS_PER_SECOND);
		expect_fragment(family, 2, UDP_PORT, 4, NOBODY);
		take_sources();
	}
}

/* An echo request or reply. */
static struct layer echo(const struct family *family, bool is_reply, uint16_t id)
{
	static char bytes[8];
	bool is_4 = family->family == AF_INET;

	memset(bytes, 0, sizeof(bytes));
	bytes[0] = is_4 ? (is_reply ? 0 : 8) : (is_reply ? (char)129 : (char)128);
	bytes[4] = (char)(id >> 8);
	bytes[5] = (char)id;
	return (struct layer){ .kind = L_DATA, .raw = bytes, .size = sizeof(bytes) };
}

/* The IP header of an ICMP message. */
static struct layer over_icmp(const struct family *family, struct layer header)
{
	header.next = family->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return header;
}

/* Sends an echo request, by a socket with what set_record() said, while rules ask for the owners of
 * what comes in. */
static void send_ping(const struct family *family, uint16_t id)
{
	struct test_rules set = telling_rules(CV_DIR_IN);
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame frame;

	/* Any rule: that the packet is looked at. */
	set.lists[CV_DIR_OUT].count = 1;
	frame_build(&frame,
		    PACKET(ETH(), over_icmp(family, ip_out(family)), echo(family, false, id)));
	fill_rules(&set);
	run_program(world.sender_out, &frame, &ctx, &result);
}

static void expect_reply(const struct family *family, uint16_t id, uint32_t expected)
{
	expect_in(PACKET(ETH(), over_icmp(family, ip_in(family)), echo(family, true, id)),
		  expected);
}

static void the_answer_to_a_ping_belongs_to_whoever_sent_it(void **state)
{
	const struct cv_owner owner = owner_of(SENDER, CV_OWNER_SEND);

	for_each_family (family, sockets) {
		expect_reply(family, ECHO_ID, NOBODY);
		set_record(&owner);
		send_ping(family, ECHO_ID);
		expect_counted(CV_OWNER_NONE, 0);
		expect_reply(family, ECHO_ID, SENDER);
		expect_reply(family, ECHO_ID, SENDER);
		expect_counted(CV_OWNER_FLOW, 2);
		expect_reply(family, ECHO_ID + 1, NOBODY);
		/* From where it was not sent to, and a request in its place. */
		expect_in(PACKET(ETH(), over_icmp(family, ip_out(family)),
				 echo(family, true, ECHO_ID)),
			  NOBODY);
		expect_in(PACKET(ETH(), over_icmp(family, ip_in(family)),
				 echo(family, false, ECHO_ID)),
			  NOBODY);
	}
}

static void an_id_that_another_program_pings_with_is_its(void **state)
{
	const struct cv_owner owner = owner_of(SENDER, CV_OWNER_SEND);
	const struct cv_owner nobody = owner_of(NOBODY, CV_OWNER_SEND);

	for_each_family (family, sockets) {
		set_record(&owner);
		send_ping(family, ECHO_ID);
		set_record(&nobody);
		send_ping(family, ECHO_ID);
		expect_reply(family, ECHO_ID, NOBODY);
	}
}

/* ---- the socket on the packet ---- */

static void a_packet_out_belongs_to_its_socket(void **state)
{
	const struct cv_owner owner = owner_of(SENDER, CV_OWNER_CREATE);
	const struct cv_owner vague = owner_of(SENDER, CV_OWNER_BACKFILL);

	for_each_family (family, sockets) {
		set_record(&owner);
		expect_out(PACKET(ETH(), ip_out(family), TCP(1, 2)), EXACTLY(SENDER));
		expect_out(PACKET(ETH(), ip_out(family), PORTS(50, 1, 2)), EXACTLY(SENDER));
		set_record(&vague);
		expect_out(PACKET(ETH(), ip_out(family), UDP(1, 2)), SENDER);
		expect_told(classifier.egress, CV_DIR_OUT, PACKET(ETH(), ip_out(family), TCP(1, 2)),
			    0, NOBODY);
		expect_counted(CV_OWNER_NONE, 0);
	}
}

static void a_socket_of_another_namespace_is_ours_only_as_an_outer_one(void **state)
{
	const struct cv_owner stranger = { .app = SENDER, .netns_cookie = OTHER_NETNS };
	const struct cv_owner outsider = { .app = SENDER,
					   .netns_cookie = OTHER_NETNS,
					   .outer_app = OUTSIDER,
					   .outer_cookie = NETNS,
					   .source = CV_OWNER_CONNECT };
	const struct cv_owner theirs = { .app = SENDER,
					 .netns_cookie = OTHER_NETNS,
					 .outer_app = OUTSIDER,
					 .outer_cookie = OTHER_NETNS + 1 };

	for_each_family (family, sockets) {
		const struct layer *packet = PACKET(ETH(), ip_in(family), UDP(7, UDP_PORT));

		set_record(&stranger);
		expect_out(packet, NOBODY);
		expect_told(world.sender_in, CV_DIR_IN, packet, 0, EXACTLY(SERVER));
		set_record(&theirs);
		expect_out(packet, NOBODY);
		expect_told(world.sender_in, CV_DIR_IN, packet, 0, EXACTLY(SERVER));
		set_record(&outsider);
		expect_out(packet, EXACTLY(OUTSIDER));
		expect_told(world.sender_in, CV_DIR_IN, packet, 0, EXACTLY(OUTSIDER));
	}
}

static void a_sender_of_this_namespace_does_not_own_what_comes_in(void **state)
{
	struct cv_owner owner = owner_of(SENDER, CV_OWNER_CREATE);

	/* Nor if one of the apps for other namespaces would hold for it. */
	owner.outer_app = OUTSIDER;
	owner.outer_cookie = NETNS;

	for_each_family (family, sockets) {
		set_record(&owner);
		expect_told(world.sender_in, CV_DIR_IN,
			    PACKET(ETH(), ip_in(family), UDP(7, UDP_PORT)), 0, EXACTLY(SERVER));
		expect_told(world.sender_in, CV_DIR_IN, PACKET(ETH(), ip_in(family), UDP(7, 9)), 0,
			    NOBODY);
	}
}

static void exact_asks_for_every_source(void **state)
{
	static const bool is_exact[] = {
#define SOURCE_EXACT(name, key, exact) exact,
		CV_OWNER_SOURCES(SOURCE_EXACT)
#undef SOURCE_EXACT
	};

	for_each_family (family, sockets) {
		for (uint8_t source = 0; source < CV_OWNER_SOURCE_COUNT; source++) {
			const struct cv_owner owner = owner_of(SENDER, source);

			set_record(&owner);
			expect_out(PACKET(ETH(), ip_out(family), TCP(1, 2)),
				   is_exact[source] ? EXACTLY(SENDER) : SENDER);
		}
	}
	take_sources();
}

/* ---- timing ---- */

#define TIME_REPEAT 20000 /* no run changes the packet */
#define TIME_ROUNDS 41

/* A packet's run with a rule that asks for the owner, and with one that does not. */
struct owner_timing {
	const char *name;
	int prog;
	enum cv_direction dir;
	struct frame frame;
	double with[TIME_ROUNDS]; /* ns */
	double without[TIME_ROUNDS];
};

/* One rule, which no packet meets. */
static double time_with(const struct owner_timing *timing, uint32_t flags)
{
	struct test_rules set = { .flags = flags, .netns_cookie = NETNS };
	struct frame out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = timing->frame.bytes,
		    .data_size_in = timing->frame.len, .data_out = out.bytes,
		    .data_size_out = sizeof(out.bytes), .repeat = TIME_REPEAT);

	set.matches[0] = (struct cv_match){ .flags = CV_MATCH_APP, .extra.app = APP_COUNT };
	set.lists[timing->dir].count = 1;
	fill_rules(&set);
	assert_int_equal(bpf_prog_test_run_opts(timing->prog, &opts), 0);
	return opts.duration;
}

static void add_timing(struct owner_timing *timing, const char *name, const struct family *family,
		       int prog, enum cv_direction dir, const struct layer *packet)
{
	static char names[TIMING_MAX][60];
	static size_t count;

	assert_true(count < TIMING_MAX);
	snprintf(names[count], sizeof(names[count]), "%s, IPv%d", name,
		 family->family == AF_INET ? 4 : 6);
	timing->name = names[count++];
	timing->prog = prog;
	timing->dir = dir;
	frame_build(&timing->frame, packet);
}

static size_t add_timings(struct owner_timing *timings, const struct family *family,
			  const struct sockets *sockets)
{
	const struct layer head = ip_in(family);
	const struct {
		const char *name;
		const struct layer *packet;
	} arrivals[] = {
		{ "in, TCP connection", PACKET(ETH(), head, TCP(sockets->client_port, TCP_PORT)) },
		{ "in, TCP listener", PACKET(ETH(), head, TCP(STRANGER_PORT + 1, TCP_PORT)) },
		{ "in, TCP in TIME_WAIT",
		  PACKET(ETH(), ip_out(family), TCP(TCP_PORT, sockets->closed_port)) },
		{ "in, TCP without a socket", PACKET(ETH(), head, TCP(7, 9)) },
		{ "in, UDP bound to any address", PACKET(ETH(), head, UDP(7, UDP_PORT)) },
		{ "in, UDP connected", PACKET(ETH(), head, UDP(STRANGER_PORT, CONNECTED_PORT)) },
		{ "in, UDP without a socket", PACKET(ETH(), head, UDP(7, 9)) },
	};
	size_t count = 0;

	for (; count < ARRAY_LEN(arrivals); count++)
		add_timing(&timings[count], arrivals[count].name, family, classifier.ingress,
			   CV_DIR_IN, arrivals[count].packet);
	add_timing(&timings[count++], "out, TCP", family, world.sender_out, CV_DIR_OUT,
		   PACKET(ETH(), head, TCP(1, 2)));
	add_timing(&timings[count++], "out, UDP", family, world.sender_out, CV_DIR_OUT,
		   PACKET(ETH(), head, UDP(1, 2)));
	add_timing(&timings[count++], "out, UDP without a record", family, classifier.egress,
		   CV_DIR_OUT, PACKET(ETH(), head, UDP(1, 2)));
	return count;
}

static int time_all(void)
{
	static struct owner_timing timings[TIMING_MAX];
	const struct cv_owner owner = owner_of(SENDER, CV_OWNER_CREATE);
	size_t count = 0;
	void *state;

	world_setup(&state);
	if (!progrun.object) {
		printf("skip: %s\n", progrun.why_not);
		return 0;
	}
	set_record(&owner);
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		count += add_timings(timings + count, &families[i], &world.of[i]);
	for (size_t round = 0; round < TIME_ROUNDS; round++)
		for (struct owner_timing *at = timings; at < timings + count; at++) {
			at->without[round] = time_with(at, 0);
			at->with[round] = time_with(at, CV_RULES_NEED_OWNER(at->dir));
		}
	for (struct owner_timing *at = timings; at < timings + count; at++)
		printf("%-36s %6.1f ns\n", at->name,
		       middle_of(at->with, TIME_ROUNDS) - middle_of(at->without, TIME_ROUNDS));
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_belongs_to_the_socket_of_the_connection),
		cmocka_unit_test(a_syn_belongs_to_the_listener),
		cmocka_unit_test(the_last_ack_of_a_handshake_belongs_to_the_listener),
		cmocka_unit_test(time_wait_belongs_to_whoever_had_the_socket),
		cmocka_unit_test(udp_belongs_to_the_socket_that_will_get_it),
		cmocka_unit_test(without_a_socket_nobody_owns_it),
		cmocka_unit_test(what_is_forwarded_belongs_to_nobody_here),
		cmocka_unit_test(a_router_receives_multicast_and_broadcast),
		cmocka_unit_test(fragments_belong_to_the_owner_of_the_first),
		cmocka_unit_test(an_id_that_comes_again_is_another_packet),
		cmocka_unit_test(fragments_are_forgotten_in_time),
		cmocka_unit_test(the_answer_to_a_ping_belongs_to_whoever_sent_it),
		cmocka_unit_test(an_id_that_another_program_pings_with_is_its),
		cmocka_unit_test(a_packet_out_belongs_to_its_socket),
		cmocka_unit_test(a_socket_of_another_namespace_is_ours_only_as_an_outer_one),
		cmocka_unit_test(a_sender_of_this_namespace_does_not_own_what_comes_in),
		cmocka_unit_test(exact_asks_for_every_source),
	};

	if (argc > 1 && !strcmp(argv[1], "time"))
		return time_all();
	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
