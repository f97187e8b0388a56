/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of the classifier's flow cache: what it remembers is what a search would find, and it
 * steps aside where it does not pay. All runs are on one CPU but where another one is asked for.
 * `progrun_cache time RULES` prints what a remembered packet takes, and one that is searched for.
 */
#include "classifier.h"
#include "host.h"
#include "timing.h"

#include "cache.h"
#include "../rulesets/forms.h"
#include "../rulesets/trace.h"
#include "../rulesets/wire.h"

#define RULE_ID 5
#define ONES 0xffffffffu

#define UDP4 PACKET(ETH(), IP4(), UDP(1000, 80))
#define UDP6 PACKET(ETH(), IP6(), UDP(1000, 80))
#define M_DPORT(port)                                                                              \
	.flags = CV_MATCH_PORTS, .sport_max = 65535, .dport_min = (port), .dport_max = (port)

/* ---- the cache of a CPU ---- */

static void run_on_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
}

/* The array of the cache of CPU 0. The caller closes it. */
static int open_cache(void)
{
	uint32_t cpu = 0, id;
	int fd;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_CACHES)), &cpu, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	return fd;
}

static struct cv_cache *read_cache(void)
{
	static struct cv_cache cache;
	CV_CLOSE int fd = open_cache();
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &cache), 0);
	return &cache;
}

static void write_cache(const struct cv_cache *cache)
{
	CV_CLOSE int fd = open_cache();
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(fd, &zero, cache, 0), 0);
}

static int empty_cache(void **state)
{
	static const struct cv_cache empty;
	struct cv_err err = { 0 };

	(void)state;
	if (!progrun.object)
		return 0;
	run_on_cpu(0);
	if (cv_caches_make(bpf_map__fd(MAP(CV_MAP_CACHES)), &err))
		fail_msg("%s", err.text);
	write_cache(&empty);
	return 0;
}

/* ---- rules and packets ---- */

static uint64_t netns_cookie; /* of the next image */

/* Rules that mark with 1, 2 and so on, one match each, in that order. */
static void fill_matches(const struct cv_match *matches, size_t count, uint32_t flags)
{
	static struct test_rules set;

	set = (struct test_rules){ .flags = flags, .netns_cookie = netns_cookie };
	for (size_t i = 0; i < count; i++) {
		set.rules[i] = (struct cv_rule){
			.id = RULE_ID, .flags = CV_ACTION_MARK, .mark = i + 1, .mark_mask = ONES
		};
		set.matches[i] = matches[i];
		set.matches[i].rule = i;
	}
	for (int dir = 0; dir < CV_DIR_COUNT; dir++)
		set.lists[dir].count = count;
	fill_rules(&set);
}

/* What mark it leaves with; cut: bytes that arrive, 0: all. */
static uint32_t mark_after(int prog_fd, const struct layer *packet, uint32_t mark, uint16_t cut)
{
	const struct run_ctx ctx = { .mark = mark };
	struct run_result result;
	struct frame frame;

	frame_build(&frame, packet);
	if (cut)
		frame.len = cut;
	run_program(prog_fd, &frame, &ctx, &result);
	return result.mark;
}

static uint32_t mark_of(const struct layer *packet)
{
	return mark_after(classifier.ingress, packet, 0, 0);
}

static void assert_asked(uint64_t asked, uint64_t hits)
{
	const struct cv_cache *cache = read_cache();

	assert_int_equal(cache->asked, asked);
	assert_int_equal(cache->hits, hits);
}

/* ---- what is remembered ---- */

static void the_second_packet_of_a_flow_is_remembered(void **state)
{
	const struct cv_match matches[] = { { M_DPORT(81) }, { M_DPORT(80) } };

	(void)state;
	need_programs();
	fill_matches(matches, 2, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mark_of(UDP4), 2);
		assert_int_equal(mark_of(UDP6), 2);
	}
	assert_asked(6, 4);
}

static void that_no_rule_is_met_is_remembered(void **state)
{
	const struct cv_match match = { M_DPORT(81) };

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mark_of(UDP4), 0);
	assert_asked(3, 2);
}

/* Of the rules that a packet meets only the first is remembered. */
static void a_rule_that_continues_is_remembered(void **state)
{
	static struct test_rules set;

	(void)state;
	need_programs();
	for (size_t i = 0; i < 2; i++) {
		set.rules[i] = (struct cv_rule){
			.id = RULE_ID, .flags = CV_ACTION_MARK, .mark = 1 << i, .mark_mask = 1 << i
		};
		set.matches[i] = (struct cv_match){ M_DPORT(80), .rule = i };
	}
	set.rules[0].verdict = CV_VERDICT_CONTINUE;
	set.lists[CV_DIR_IN].count = 2;
	fill_rules(&set);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mark_of(UDP4), 3);
	assert_asked(3, 2);
}

static void after_a_change_nothing_is_remembered(void **state)
{
	const struct cv_match matches[] = { { M_DPORT(81) }, { M_DPORT(80) } };

	(void)state;
	need_programs();
	fill_matches(matches, 2, 0);
	assert_int_equal(mark_of(UDP4), 2);
	assert_int_equal(mark_of(UDP4), 2);
	fill_matches(matches + 1, 1, 0);
	assert_int_equal(mark_of(UDP4), 1);
	assert_int_equal(mark_of(UDP4), 1);
	fill_matches(matches, 1, 0);
	assert_int_equal(mark_of(UDP4), 0);
	assert_asked(5, 2);
}

/* The same cell of the other bank is another rule. */
static void after_a_swap_of_banks_nothing_is_remembered(void **state)
{
	const struct cv_match matches[] = { { M_DPORT(80) }, { M_DPORT(81) } };
	uint32_t second = CV_ARENA_SEGMENTS;
	CV_CLEANUP(cv_close_fd) int fd = -1;

	(void)state;
	need_programs();
	fill_matches(matches, 2, 0);
	assert_int_equal(mark_of(UDP4), 1);
	fd = progrun.segments[0];
	progrun.segments[0] = 0; /* the next image gets an array of its own in bank 0 */
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_RULES)), &second, &fd, 0), 0);
	fill_matches(matches + 1, 1, 0);
	write_live(CV_LIVE_WORD(++progrun.changes, 1, CV_ENGINE_FIRST));
	assert_int_equal(mark_of(UDP4), 1);
	write_live(CV_LIVE_WORD(++progrun.changes, 0, CV_ENGINE_FIRST));
	assert_int_equal(mark_of(UDP4), 0);
	assert_asked(3, 0);
}

static void a_cpu_does_not_know_what_another_one_remembers(void **state)
{
	const struct cv_match match = { M_DPORT(80) };

	(void)state;
	need_programs();
	if (progrun.cpus < 2) {
		print_message("skip: one CPU\n");
		skip();
	}
	fill_matches(&match, 1, 0);
	assert_int_equal(mark_of(UDP4), 1);
	run_on_cpu(1);
	assert_int_equal(mark_of(UDP4), 1);
	run_on_cpu(0);
	assert_asked(1, 0);
	assert_int_equal(mark_of(UDP4), 1);
	assert_asked(2, 1);
}

/* ---- no two are mixed up ---- */

struct pair_row {
	const char *name;
	struct cv_match match; /* holds for the first packet, and not for the second */
	const struct layer *first;
	const struct layer *second;
	uint32_t needs;
	uint32_t marks[2]; /* before */
	uint16_t cut; /* bytes of the second that arrive; 0: all */
};

#define M_SRC6(a, b, c, d)                                                                         \
	.flags = CV_MATCH_SRC | CV_MATCH_FAMILY, .family = 6,                                      \
	.src = { BE32(a), BE32(b), BE32(c), BE32(d) }, .src_mask = { ONES, ONES, ONES, ONES }
#define M_DST6(a, b, c, d)                                                                         \
	.flags = CV_MATCH_DST | CV_MATCH_FAMILY, .family = 6,                                      \
	.dst = { BE32(a), BE32(b), BE32(c), BE32(d) }, .dst_mask = { ONES, ONES, ONES, ONES }
#define FROM6(addr) PACKET(ETH(), IP6(.src = (addr)), UDP(1, 2))
#define TO6(addr) PACKET(ETH(), IP6(.dst = (addr)), UDP(1, 2))
#define M_SPORT(port)                                                                              \
	.flags = CV_MATCH_PORTS, .dport_max = 65535, .sport_min = (port), .sport_max = (port)
#define TOS4(value) PACKET(ETH(), IP4(.tos = (value)), UDP(1, 2))

static const struct pair_row pair_rows[] = {
	{ "sources differ",
	  { .flags = CV_MATCH_SRC | CV_MATCH_FAMILY,
	    .family = 4,
	    .src = { BE32(0x0a000001) },
	    .src_mask = { ONES } },
	  .first = UDP4,
	  .second = PACKET(ETH(), IP4(.src = "10.0.0.3"), UDP(1000, 80)) },
	{ "destinations differ",
	  { .flags = CV_MATCH_DST | CV_MATCH_FAMILY,
	    .family = 4,
	    .dst = { BE32(0x0a000002) },
	    .dst_mask = { ONES } },
	  .first = UDP4,
	  .second = PACKET(ETH(), IP4(.dst = "10.0.0.3"), UDP(1000, 80)) },
	{ "the second words of sources differ",
	  { M_SRC6(1, 2, 3, 4) },
	  .first = FROM6("0:1:0:2:0:3:0:4"),
	  .second = FROM6("0:1:0:9:0:3:0:4") },
	{ "the third words of sources differ",
	  { M_SRC6(1, 2, 3, 4) },
	  .first = FROM6("0:1:0:2:0:3:0:4"),
	  .second = FROM6("0:1:0:2:0:9:0:4") },
	{ "the last words of sources differ",
	  { M_SRC6(1, 2, 3, 4) },
	  .first = FROM6("0:1:0:2:0:3:0:4"),
	  .second = FROM6("0:1:0:2:0:3:0:9") },
	{ "the second words of destinations differ",
	  { M_DST6(1, 2, 3, 4) },
	  .first = TO6("0:1:0:2:0:3:0:4"),
	  .second = TO6("0:1:0:9:0:3:0:4") },
	{ "the last words of destinations differ",
	  { M_DST6(1, 2, 3, 4) },
	  .first = TO6("0:1:0:2:0:3:0:4"),
	  .second = TO6("0:1:0:2:0:3:0:9") },
	{ "source ports differ",
	  { M_SPORT(1000) },
	  .first = UDP4,
	  .second = PACKET(ETH(), IP4(), UDP(1001, 80)) },
	{ "destination ports differ",
	  { M_DPORT(80) },
	  .first = UDP4,
	  .second = PACKET(ETH(), IP4(), UDP(1000, 81)) },
	{ "one has ports, which are 0",
	  { .flags = CV_MATCH_PORTS, .sport_max = 65535, .dport_max = 65535 },
	  .first = PACKET(ETH(), IP4(.fragment = IP4_MF), UDP(0, 0)),
	  .second = PACKET(ETH(), IP4(.fragment = 1), UDP(0, 0)) },
	{ "protocols differ",
	  { .flags = CV_MATCH_PROTO, .proto = 17 },
	  .first = PACKET(ETH(), IP4(), UDP(1, 2)),
	  .second = PACKET(ETH(), IP4(), TCP(1, 2)) },
	{ "families differ",
	  { .flags = CV_MATCH_FAMILY, .family = 4 },
	  .first = PACKET(ETH(), IP4(.src = "0.0.0.1", .dst = "0.0.0.2"), UDP(1, 2)),
	  .second = PACKET(ETH(), IP6(.src = "0:1::", .dst = "0:2::"), UDP(1, 2)) },
	{ "DSCPs differ",
	  { .flags = CV_MATCH_DSCP, .extra.dscps = 1ULL << 46 },
	  .first = TOS4(46 << 2),
	  .second = TOS4(47 << 2) },
	{ "ECNs differ",
	  { .flags = CV_MATCH_ECN, .extra.ecns = 1 << 3 },
	  .first = TOS4(3),
	  .second = TOS4(2) },
	{ "one is a fragment",
	  { .flags = CV_MATCH_FRAGMENT },
	  .first = PACKET(ETH(), IP4(.fragment = IP4_MF), UDP(1, 2)),
	  .second = PACKET(ETH(), IP4(), UDP(1, 2)) },
	{ "TCP flags differ",
	  { .flags = CV_MATCH_TCP_FLAGS, .extra.tcp_flags = 2, .extra.tcp_mask = 0x12 },
	  .first = PACKET(ETH(), IP4(), TCP(1, 2, .tcp_flags = 2)),
	  .second = PACKET(ETH(), IP4(), TCP(1, 2, .tcp_flags = 0x12)),
	  .needs = CV_RULES_NEED_TCP },
	{ "ICMP types differ",
	  { .flags = CV_MATCH_ICMP_TYPE, .extra.icmp_type = 8 },
	  .first = PACKET(ETH(), IP4(), ICMP_OF(8, 0)),
	  .second = PACKET(ETH(), IP4(), ICMP_OF(0, 0)),
	  .needs = CV_RULES_NEED_ICMP },
	{ "ICMP codes differ",
	  { .flags = CV_MATCH_ICMP_CODE, .extra.icmp_code = 1 },
	  .first = PACKET(ETH(), IP4(), ICMP_OF(13, 1)),
	  .second = PACKET(ETH(), IP4(), ICMP_OF(13, 2)),
	  .needs = CV_RULES_NEED_ICMP },
	{ "one has an ICMP type, which is 0",
	  { .flags = CV_MATCH_ICMP_TYPE },
	  .first = PACKET(ETH(), IP4(.fragment = IP4_MF), ICMP_OF(0, 0)),
	  .second = PACKET(ETH(), IP4(.fragment = 1), ICMP_OF(0, 0)),
	  .needs = CV_RULES_NEED_ICMP },
	{ "one has TCP flags, which are 0",
	  { .flags = CV_MATCH_TCP_FLAGS },
	  .first = PACKET(ETH(), IP4(), TCP(1, 2)),
	  .second = PACKET(ETH(), IP4(), TCP(1, 2)),
	  .needs = CV_RULES_NEED_TCP,
	  .cut = 34 + 13 },
	{ "VLAN ids differ",
	  { .flags = CV_MATCH_VLAN, .extra.vlan_min = 9, .extra.vlan_max = 9 },
	  .first = PACKET(ETH(), VLAN(.key = 9), IP4(), UDP(1, 2)),
	  .second = PACKET(ETH(), VLAN(.key = 10), IP4(), UDP(1, 2)),
	  .needs = CV_RULES_NEED_LINK },
	{ "marks differ",
	  { .flags = CV_MATCH_MARK, .extra.mark = 7, .extra.mark_mask = ONES },
	  .first = UDP4,
	  .second = UDP4,
	  .marks = { 7, 8 } },
};

static void run_pair_row(void **state)
{
	const struct pair_row *row = *state;

	need_programs();
	fill_matches(&row->match, 1, row->needs);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mark_after(classifier.ingress, row->first, row->marks[0], 0), 1);
		assert_int_equal(
			mark_after(classifier.ingress, row->second, row->marks[1], row->cut),
			row->marks[1]);
	}
	assert_asked(6, 4);
}

static void directions_are_told_apart(void **state)
{
	struct test_rules set = { 0 };

	(void)state;
	need_programs();
	set.rules[0] = (struct cv_rule){
		.id = RULE_ID, .flags = CV_ACTION_MARK, .mark = 1, .mark_mask = ONES
	};
	set.lists[CV_DIR_OUT].count = 1;
	set.matches[1] = (struct cv_match){ M_DPORT(81) };
	set.lists[CV_DIR_IN] = (struct test_list){ .first = 1, .count = 1 };
	fill_rules(&set);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mark_after(classifier.ingress, UDP4, 0, 0), 0);
		assert_int_equal(mark_after(classifier.egress, UDP4, 0, 0), 1);
	}
	assert_asked(6, 4);
}

static void devices_are_told_apart(void **state)
{
	struct cv_match match = { .flags = CV_MATCH_DEV };
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct ifreq request;
	CV_CLOSE int tap = -1;
	struct frame frame;

	(void)state;
	need_programs();
	tap = open_tap(&request);
	if (tap < 0) {
		print_message("skip: no tap device: %s\n", strerrordesc_np(errno));
		skip();
	}
	match.extra.ifindex = index_of(request.ifr_name);
	fill_matches(&match, 1, 0);
	frame_build(&frame, UDP4);
	for (int i = 0; i < 3; i++) {
		ctx.ifindex = match.extra.ifindex;
		run_program(classifier.ingress, &frame, &ctx, &result);
		assert_int_equal(result.mark, 1);
		assert_int_equal(mark_of(UDP4), 0);
	}
	assert_asked(6, 4);
}

/* What the record of the socket says that the next packet is for. */
static void set_owner(int fd, uint32_t app, uint8_t source, uint64_t cookie)
{
	struct cv_owner owner = { .app = app, .source = source, .netns_cookie = cookie };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_OWNERS)), &fd, &owner, BPF_ANY),
			 0);
}

static void owners_are_told_apart(void **state)
{
	const struct cv_match matches[] = {
		{ .flags = CV_MATCH_APP | CV_MATCH_EXACT, .extra.app = 3 },
		{ .flags = CV_MATCH_APP, .extra.app = 3 },
	};
	CV_CLOSE int fd = -1;
	uint64_t cookie;

	(void)state;
	need_programs();
	fd = open_owned_socket(3, &cookie);
	netns_cookie = cookie;
	fill_matches(matches, 2, CV_RULES_NEED_OWNER(CV_DIR_IN));
	netns_cookie = 0;
	for (int i = 0; i < 2; i++) {
		set_owner(fd, 3, CV_OWNER_CONNECT, cookie);
		assert_int_equal(mark_of(UDP4), 1);
		set_owner(fd, 3, CV_OWNER_BACKFILL, cookie);
		assert_int_equal(mark_of(UDP4), 2);
		set_owner(fd, 4, CV_OWNER_CONNECT, cookie);
		assert_int_equal(mark_of(UDP4), 0);
	}
	assert_asked(6, 3);
}

/* The one line that is in use. */
static struct cv_cache_line *used_line(struct cv_cache *cache)
{
	struct cv_cache_line *used = NULL;

	for (size_t i = 0; i < CV_CACHE_LINES; i++) {
		if (!cache->lines[i].fields[0])
			continue;
		assert_null(used);
		used = &cache->lines[i];
	}
	assert_non_null(used);
	return used;
}

/* The cache has that line alone, where a packet's may be: first of the two or second. */
static void write_line(const struct cv_cache_line *line, size_t at)
{
	static struct cv_cache cache;

	memset(&cache, 0, sizeof(cache));
	cache.lines[at] = *line;
	write_cache(&cache);
}

static bool is_compared(const struct cv_cache_line *line, size_t byte)
{
	if (byte / 4 == offsetof(struct cv_cache_line, cell) / 4)
		return false;
	return line->fields[0] & CV_CACHE_IPV6 || byte < offsetof(struct cv_cache_line, plain);
}

/* A line that differs from the packet's in any bit is another packet's, and the packet gets its own. */
static void assert_all_is_compared(const struct layer *packet)
{
	const struct cv_match match = { M_DPORT(80) };
	struct cv_cache *cache;
	struct cv_cache_line right;
	size_t at;

	fill_matches(&match, 1, 0);
	assert_int_equal(mark_of(packet), 1);
	cache = read_cache();
	at = used_line(cache) - cache->lines;
	right = cache->lines[at];
	for (size_t bit = 0; bit < 8 * sizeof(right); bit++) {
		struct cv_cache_line line = right;

		if (!is_compared(&right, bit / 8))
			continue;
		((uint8_t *)&line)[bit / 8] ^= 1 << bit % 8;
		line.cell = 0;
		if (line.fields[0] & CV_CACHE_IPV4)
			line.plain.is_known = 0;
		write_line(&line, at);
		if (mark_of(packet) != 1)
			fail_msg("bit %zu of the line is not compared", bit);
		cache = read_cache();
		assert_true(!memcmp(&cache->lines[at], &right, sizeof(right)) ||
			    !memcmp(&cache->lines[at ^ 1], &right, sizeof(right)));
	}
}

static void every_bit_of_a_line_is_compared(void **state)
{
	(void)state;
	need_programs();
	assert_all_is_compared(UDP4);
}

static void every_bit_of_a_line_is_compared_for_ipv6(void **state)
{
	(void)state;
	need_programs();
	assert_all_is_compared(UDP6);
}

/* Of IPv4 the line says itself what a plain rule does; of others it says where the rule is. */
static void what_is_remembered_is_what_is_used(void **state)
{
	const struct cv_match match = { M_DPORT(80) };
	struct cv_cache *cache;

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	assert_int_equal(mark_of(UDP4), 1);
	cache = read_cache();
	used_line(cache)->plain.mark = 7;
	write_cache(cache);
	assert_int_equal(mark_of(UDP4), 7);
	used_line(cache)->plain.is_known = 0;
	write_cache(cache);
	assert_int_equal(mark_of(UDP4), 1);
	used_line(cache)->cell = 0;
	write_cache(cache);
	assert_int_equal(mark_of(UDP4), 0);
}

static void what_a_plain_rule_does_is_remembered(void **state)
{
	static const struct cv_rule rules[] = {
		{ .id = RULE_ID, .flags = CV_ACTION_MARK, .mark = 2, .mark_mask = 3 },
		{ .id = RULE_ID, .flags = CV_ACTION_PRIORITY, .priority = 9 },
		{ .id = RULE_ID, .verdict = CV_VERDICT_ACCEPT },
		{ .id = RULE_ID, .verdict = CV_VERDICT_DROP },
	};
	const struct run_ctx ctx = { .mark = 0xfd };

	(void)state;
	need_programs();
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct test_rules set = { .rules = { rules[i] }, .lists[CV_DIR_IN].count = 1 };
		struct run_result first, result;
		struct cv_rule_stats stats;
		struct frame frame;

		fill_rules(&set);
		take_rule_stats(RULE_ID, &stats);
		frame_build(&frame, UDP4);
		run_program(classifier.ingress, &frame, &ctx, &first);
		for (int again = 0; again < 3; again++) {
			run_program(classifier.ingress, &frame, &ctx, &result);
			assert_int_equal(result.verdict, first.verdict);
			assert_int_equal(result.mark, first.mark);
			assert_int_equal(result.priority, first.priority);
		}
		assert_int_equal(first.mark, i ? 0xfd : 0xfe);
		assert_int_equal(first.priority, i == 1 ? 9 : 0);
		take_rule_stats(RULE_ID, &stats);
		assert_int_equal(stats.packets, 4);
		assert_int_equal(stats.bytes, 4 * (frame.len - 14));
	}
	assert_asked(16, 12);
}

static void either_of_two_lines_may_be_the_packets(void **state)
{
	const struct cv_match match = { M_DPORT(80) };
	struct cv_cache_line right, other;
	struct cv_cache *cache;
	size_t at;

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	assert_int_equal(mark_of(UDP4), 1);
	cache = read_cache();
	at = used_line(cache) - cache->lines;
	assert_int_equal(at % 2, 0);
	right = other = cache->lines[at];
	other.src++;
	cache->lines[at] = other;
	cache->lines[at + 1] = right;
	write_cache(cache);
	assert_int_equal(mark_of(UDP4), 1);
	assert_asked(2, 1);
	/* A line that says nothing any more gives way before one that does. */
	cache->lines[at + 1].changes--;
	write_cache(cache);
	assert_int_equal(mark_of(UDP4), 1);
	cache = read_cache();
	assert_memory_equal(&cache->lines[at], &other, sizeof(other));
	assert_memory_equal(&cache->lines[at + 1], &right, sizeof(right));
}

static void an_empty_line_is_nobodys(void **state)
{
	const struct cv_match match = { .flags = 0 };

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	write_live(CV_LIVE_WORD(0, 0, CV_ENGINE_FIRST));
	assert_int_equal(
		mark_of(PACKET(ETH(), IP4(.src = "0.0.0.0", .dst = "0.0.0.0", .next = 0), DATA(8))),
		1);
	assert_asked(1, 0);
}

/* ---- what is not asked ---- */

static void frames_without_ip_are_not_remembered(void **state)
{
	const struct cv_match match = { .flags = CV_MATCH_ETHERTYPE, .extra.ethertype = TYPE_ARP };

	(void)state;
	need_programs();
	fill_matches(&match, 1, CV_RULES_NEED_LINK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(mark_of(PACKET(ETH(.type = TYPE_ARP), DATA(28))), 1);
	assert_asked(0, 0);
}

static void what_is_quoted_is_searched_for(void **state)
{
	const struct cv_match match = { .flags = CV_MATCH_QUOTED | CV_MATCH_PORTS,
					.sport_max = 65535,
					.dport_min = 80,
					.dport_max = 80 };

	(void)state;
	need_programs();
	fill_matches(&match, 1, CV_RULES_NEED_QUOTED);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mark_of(PACKET(ETH(), IP4(), ICMP_OF(3, 1), IP4(), UDP(1000, 80))),
				 1);
		assert_int_equal(mark_of(PACKET(ETH(), IP4(), ICMP_OF(3, 1), IP4(), UDP(1000, 81))),
				 0);
	}
	assert_asked(0, 0);
}

static void rules_that_ask_for_more_turn_it_off(void **state)
{
	const struct cv_match match = { .flags = CV_MATCH_LEN,
					.extra.len_min = 100,
					.extra.len_max = 200 };

	(void)state;
	need_programs();
	fill_matches(&match, 1, CV_RULES_NO_CACHE);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mark_of(PACKET(ETH(), IP4(), UDP(1, 2), DATA(100))), 1);
		assert_int_equal(mark_of(PACKET(ETH(), IP4(), UDP(1, 2), DATA(200))), 0);
	}
	assert_asked(0, 0);
}

static void without_caches_packets_are_searched_for(void **state)
{
	const struct cv_match match = { M_DPORT(80) };
	struct cv_err err = { 0 };
	uint32_t cpu = 0, id;

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	assert_int_equal(cv_caches_drop(bpf_map__fd(MAP(CV_MAP_CACHES)), &err), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(mark_of(UDP4), 1);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_CACHES)), &cpu, &id), -ENOENT);
	/* There is none to take out. */
	assert_int_equal(cv_caches_drop(bpf_map__fd(MAP(CV_MAP_CACHES)), &err), 0);
}

static void caches_are_made_once(void **state)
{
	int fd = bpf_map__fd(MAP(CV_MAP_CACHES));
	uint32_t ids[2] = { 0 };

	(void)state;
	need_programs();
	for (int i = 0; i < 2; i++) {
		struct cv_err err = { 0 };
		uint32_t cpu = progrun.cpus - 1;

		assert_int_equal(cv_caches_make(fd, &err), 0);
		assert_int_equal(bpf_map_lookup_elem(fd, &cpu, &ids[i]), 0);
	}
	assert_int_equal(ids[0], ids[1]);
}

/* ---- whether it pays ---- */

/* Runs the program on so many packets, of which every so-manieth begins a new flow. */
static void run_flows(size_t packets, size_t packets_of_flow)
{
	struct run_result result;
	const struct run_ctx ctx = { 0 };
	struct frame frame;

	for (size_t i = 0; i < packets; i++) {
		uint32_t flow = i / packets_of_flow;

		frame_build(&frame, UDP4);
		frame_be16(frame.bytes + 34, flow);
		frame_be16(frame.bytes + 36, 1000 + (flow >> 16));
		run_program(classifier.ingress, &frame, &ctx, &result);
	}
}

static void it_rests_where_too_few_are_remembered(void **state)
{
	const struct cv_match match = { M_DPORT(80) };

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	run_flows(CV_CACHE_WINDOW - 1, 1);
	assert_int_equal(read_cache()->rest, 0);
	run_flows(1, 1);
	assert_int_equal(read_cache()->rest, CV_CACHE_REST);
	run_flows(10, 10);
	assert_int_equal(read_cache()->rest, CV_CACHE_REST - 10);
	assert_int_equal(read_cache()->asked, CV_CACHE_WINDOW);
}

static void it_goes_on_where_enough_are_remembered(void **state)
{
	const struct cv_match match = { M_DPORT(80) };

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	run_flows(2 * CV_CACHE_WINDOW, 2);
	assert_int_equal(read_cache()->asked, 2 * CV_CACHE_WINDOW);
	assert_int_equal(read_cache()->rest, 0);
}

/* Whether it rests after a window, of whose packets so many were remembered. */
static bool rests_after(uint64_t hits)
{
	struct cv_cache *cache = read_cache();

	cache->asked = 3 * CV_CACHE_WINDOW - 1;
	cache->window_hits = 5000;
	cache->hits = cache->window_hits + hits;
	cache->rest = 0;
	write_cache(cache);
	mark_of(UDP4);
	return read_cache()->rest;
}

static void a_quarter_is_enough(void **state)
{
	const struct cv_match match = { M_DPORT(80) };

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	assert_true(rests_after(0));
	assert_true(rests_after(CV_CACHE_WINDOW / 4 - 1));
	assert_false(rests_after(CV_CACHE_WINDOW / 4));
	assert_int_equal(read_cache()->window_hits, 5000 + CV_CACHE_WINDOW / 4);
}

static void after_a_rest_it_is_asked_again(void **state)
{
	const struct cv_match match = { M_DPORT(80) };
	struct cv_cache *cache = read_cache();

	(void)state;
	need_programs();
	fill_matches(&match, 1, 0);
	cache->rest = 2;
	write_cache(cache);
	for (int i = 0; i < 4; i++)
		assert_int_equal(mark_of(UDP4), 1);
	assert_asked(2, 1);
}

/* ---- how long it takes ---- */

#define TIMED_PACKETS 20000
#define TIMED_ROUNDS 9

/* The rules of a set for packets that come in; with_cache: they may be remembered. */
static void fill_set(const struct ruleset *set, bool with_cache)
{
	struct cv_rules rules = { 0 };

	assert_int_equal(form_compiled(&rules, set), 0);
	rules.flags = with_cache ? 0 : CV_RULES_NO_CACHE;
	fill_compiled(&rules);
	cv_rules_fini(&rules);
}

/* The mean of the middle half of what its packets take. */
static double time_trace(int prog_fd, const struct trace *trace)
{
	static double times[TIMED_PACKETS];

	for (size_t i = 0; i < trace->count; i++) {
		struct timed timed = { .prog = prog_fd, .frame.len = WIRE_LEN };

		wire_frame(timed.frame.bytes, &trace->packets[i], i);
		times[i] = time_once(&timed);
	}
	return middle_of(times, trace->count);
}

/* Prints for packets of that kind what the program takes, net of an empty one. */
static void print_trace(const struct ruleset *set, enum trace_kind kind)
{
	int empty = empty_program(BPF_PROG_TYPE_SCHED_CLS);
	double rounds[3][TIMED_ROUNDS];
	struct trace trace;

	assert_int_equal(trace_make(&trace, set, kind, TIMED_PACKETS, 1), 0);
	for (int round = 0; round < TIMED_ROUNDS; round++) {
		rounds[0][round] = time_trace(empty, &trace);
		fill_set(set, false);
		rounds[1][round] = time_trace(classifier.ingress, &trace);
		fill_set(set, true);
		time_trace(classifier.ingress, &trace); /* what comes before */
		rounds[2][round] = time_trace(classifier.ingress, &trace);
	}
	for (int i = 0; i < 3; i++)
		rounds[i][0] = middle_of(rounds[i], TIMED_ROUNDS);
	printf("%7zu rules, %-8s search %6.1f ns, with a cache %6.1f ns\n", set->count,
	       kind == TRACE_ZIPF ? "zipf" : "uniform", rounds[1][0] - rounds[0][0],
	       rounds[2][0] - rounds[0][0]);
	trace_fini(&trace);
	close(empty);
}

static int print_set_times(const char *count)
{
	const struct ruleset_conf conf = { .style = RULESET_ACL,
					   .family = RULESET_IPV4,
					   .count = strtoul(count, NULL, 10),
					   .seed = 1 };
	struct ruleset set;

	group_setup(NULL);
	need_programs();
	empty_cache(NULL);
	assert_int_equal(ruleset_make(&set, &conf), 0);
	print_trace(&set, TRACE_UNIFORM);
	print_trace(&set, TRACE_ZIPF);
	ruleset_fini(&set);
	return group_teardown(NULL);
}

#define TEST(function) cmocka_unit_test_setup(function, empty_cache)

int main(int argc, char **argv)
{
	const struct CMUnitTest others[] = {
		TEST(the_second_packet_of_a_flow_is_remembered),
		TEST(that_no_rule_is_met_is_remembered),
		TEST(a_rule_that_continues_is_remembered),
		TEST(after_a_change_nothing_is_remembered),
		TEST(after_a_swap_of_banks_nothing_is_remembered),
		TEST(a_cpu_does_not_know_what_another_one_remembers),
		TEST(directions_are_told_apart),
		TEST(devices_are_told_apart),
		TEST(owners_are_told_apart),
		TEST(every_bit_of_a_line_is_compared),
		TEST(every_bit_of_a_line_is_compared_for_ipv6),
		TEST(what_is_remembered_is_what_is_used),
		TEST(what_a_plain_rule_does_is_remembered),
		TEST(either_of_two_lines_may_be_the_packets),
		TEST(an_empty_line_is_nobodys),
		TEST(frames_without_ip_are_not_remembered),
		TEST(what_is_quoted_is_searched_for),
		TEST(rules_that_ask_for_more_turn_it_off),
		TEST(without_caches_packets_are_searched_for),
		TEST(caches_are_made_once),
		TEST(it_rests_where_too_few_are_remembered),
		TEST(it_goes_on_where_enough_are_remembered),
		TEST(a_quarter_is_enough),
		TEST(after_a_rest_it_is_asked_again),
	};
	struct CMUnitTest tests[ARRAY_LEN(pair_rows) + ARRAY_LEN(others)];
	size_t count = 0;

	if (argc > 2 && !strcmp(argv[1], "time"))
		return print_set_times(argv[2]);
	for (size_t i = 0; i < ARRAY_LEN(pair_rows); i++)
		tests[count++] =
			row_test(pair_rows[i].name, run_pair_row, empty_cache, &pair_rows[i]);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[count++] = others[i];
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
