/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of the classifier: rules that ask sets. Every row is a test of a condition and of the
 * same condition negated, at ingress and at egress. `progrun_sets time` says what asking one costs.
 */
#include "classifier.h"

#include <pthread.h>
#include <sys/mman.h>

#include "compiler/set.h"
#include "compiler/set_image.h"
#include "timing.h"

#define HIT_MARK 0xabc0u
#define MAX_ELEMENTS 4

/* ---- rules that ask one set ---- */

static void fill_elements(struct cv_compiled_set *set, const struct cv_prefix *prefixes,
			  const struct cv_range *ranges)
{
	size_t count = 0;

	while (count < MAX_ELEMENTS && prefixes[count].addr.family)
		count++;
	assert_int_equal(cv_set_add_prefixes(
				 set, &(struct cv_prefixes){ (struct cv_prefix *)prefixes, count }),
			 0);
	for (count = 0; count < MAX_ELEMENTS && ranges[count].max; count++)
		;
	assert_int_equal(
		cv_set_add_ranges(set, &(struct cv_ranges){ (struct cv_range *)ranges, count }), 0);
	cv_set_normalise(set);
}

/* A rule that marks what the condition holds for. */
static void make_rule(struct cv_compiled_rule *rule, struct cv_match *match,
		      const struct cv_set_ref *refs, size_t count)
{
	*rule = (struct cv_compiled_rule){
		.rule = { .name = "hit",
			  .flags = CV_ACTION_MARK,
			  .mark = HIT_MARK,
			  .mark_mask = UINT32_MAX },
	};
	*match = (struct cv_match){
		.flags = CV_MATCH_SETS,
		.dirs = 1 << CV_DIR_IN | 1 << CV_DIR_OUT,
		.extra.flags = CV_MATCH_SETS,
	};
	memcpy(match->extra.sets, refs, count * sizeof(*refs));
}

static bool hits(const struct frame *frame, const struct run_ctx *ctx, int prog)
{
	struct run_result result;

	run_program(prog, frame, ctx, &result);
	assert_true(result.mark == HIT_MARK || result.mark == ctx->mark);
	return result.mark == HIT_MARK;
}

/* ---- one condition ---- */

#define IP(a, b, c, d, length)                                                                     \
	{                                                                                          \
		.addr = { 4, { a, b, c, d } }, .bits = (length)                                    \
	}
#define IP_6(a, b, last, length)                                                                   \
	{                                                                                          \
		.addr = { 6, { a, b, [15] = (last) } }, .bits = (length)                           \
	}
#define PREFIXES(...) .prefixes = { __VA_ARGS__ }
#define RANGES(...) .ranges = { __VA_ARGS__ }
#define FIELD(name) .field = CV_SET_FIELD_##name

#define UDP4 PACKET(ETH(), IP4(), UDP(1000, 80))
#define TO4(address) PACKET(ETH(), IP4(.dst = (address)), UDP(1000, 80))
#define FROM4(address) PACKET(ETH(), IP4(.src = (address)), UDP(1000, 80))
#define FROM6(address) PACKET(ETH(), IP6(.src = (address)), UDP(1000, 80))
#define TO6(address) PACKET(ETH(), IP6(.dst = (address)), UDP(1000, 80))
#define TOS4(value) PACKET(ETH(), IP4(.tos = (value)), UDP(1000, 80))
#define LEN4(bytes) PACKET(ETH(), IP4(), DATA((bytes)-20))
#define ARP PACKET(ETH(.type = TYPE_ARP), DATA(28))

/* What becomes of a condition and of its negation. */
enum outcome {
	HOLDS, /* it holds, and negated it does not */
	FAILS, /* the other way round */
	IS_NOT_THERE, /* the packet has no such field */
};

struct set_row {
	const char *name;
	enum cv_set_field field;
	struct cv_prefix prefixes[MAX_ELEMENTS];
	struct cv_range ranges[MAX_ELEMENTS];
	const struct layer *packet;
	enum outcome outcome;
	uint32_t mark;
	uint32_t needs;
};

static const struct set_row rows[] = {
	{ "a source in a prefix is in the set", FIELD(SRC), PREFIXES(IP(192, 0, 2, 0, 24)),
	  .packet = FROM4("192.0.2.255"), .outcome = HOLDS },
	{ "the address before a prefix is not", FIELD(SRC), PREFIXES(IP(192, 0, 2, 0, 24)),
	  .packet = FROM4("192.0.1.255"), .outcome = FAILS },
	{ "the address behind a prefix is not", FIELD(SRC), PREFIXES(IP(192, 0, 2, 0, 24)),
	  .packet = FROM4("192.0.3.0"), .outcome = FAILS },
	{ "a source is no destination", FIELD(DST), PREFIXES(IP(192, 0, 2, 0, 24)),
	  .packet = PACKET(ETH(), IP4(.src = "192.0.2.1", .dst = "198.51.100.1"), UDP(1, 2)),
	  .outcome = FAILS },
	{ "a destination in a single address is in the set", FIELD(DST),
	  PREFIXES(IP(10, 0, 0, 1, 32), IP(10, 0, 0, 3, 32)), .packet = TO4("10.0.0.3"),
	  .outcome = HOLDS },
	{ "the address between two is not", FIELD(DST),
	  PREFIXES(IP(10, 0, 0, 1, 32), IP(10, 0, 0, 3, 32)), .packet = TO4("10.0.0.2"),
	  .outcome = FAILS },
	{ "the highest address is in its prefix", FIELD(DST), PREFIXES(IP(255, 255, 255, 255, 32)),
	  .packet = TO4("255.255.255.255"), .outcome = HOLDS },
	{ "the lowest address is in its prefix", FIELD(SRC), PREFIXES(IP(0, 0, 0, 0, 32)),
	  .packet = FROM4("0.0.0.0"), .outcome = HOLDS },
	{ "every address is in 0.0.0.0/0", FIELD(SRC), PREFIXES(IP(0, 0, 0, 0, 0)),
	  .packet = FROM4("255.255.255.255"), .outcome = HOLDS },
	{ "IPv6 is not in 0.0.0.0/0", FIELD(SRC), PREFIXES(IP(0, 0, 0, 0, 0)),
	  .packet = FROM6("2001:db8::1"), .outcome = FAILS },
	{ "IPv4 is not in ::/0", FIELD(SRC), PREFIXES(IP_6(0, 0, 0, 0)),
	  .packet = FROM4("192.0.2.1"), .outcome = FAILS },
	{ "IPv6 is in ::/0", FIELD(SRC), PREFIXES(IP_6(0, 0, 0, 0)), .packet = FROM6("::"),
	  .outcome = HOLDS },
	{ "nothing is in an empty set", FIELD(SRC), .packet = FROM4("192.0.2.1"),
	  .outcome = FAILS },
	{ "an address in an IPv6 prefix is in the set", FIELD(DST), PREFIXES(IP_6(0x20, 1, 0, 16)),
	  .packet = TO6("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), .outcome = HOLDS },
	{ "one behind an IPv6 prefix is not", FIELD(DST), PREFIXES(IP_6(0x20, 1, 0, 16)),
	  .packet = TO6("2002::"), .outcome = FAILS },
	{ "a single IPv6 address is in the set", FIELD(SRC),
	  PREFIXES(IP_6(0x20, 1, 7, 128), IP_6(0x20, 1, 9, 128)), .packet = FROM6("2001::9"),
	  .outcome = HOLDS },
	{ "one between two of the same high half is not", FIELD(SRC),
	  PREFIXES(IP_6(0x20, 1, 7, 128), IP_6(0x20, 1, 9, 128)), .packet = FROM6("2001::8"),
	  .outcome = FAILS },
	{ "the last address of an IPv6 prefix that begins at :: is in the set", FIELD(SRC),
	  PREFIXES(IP_6(0, 0, 0, 8)), .packet = FROM6("ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	  .outcome = HOLDS },
	{ "the last of all IPv6 addresses is not", FIELD(SRC), PREFIXES(IP_6(0, 0, 0, 8)),
	  .packet = FROM6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), .outcome = FAILS },
	{ "the last address of another prefix beside one is in the set", FIELD(DST),
	  PREFIXES(IP_6(0, 0, 0, 8), IP_6(0x20, 1, 0, 16)),
	  .packet = TO6("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), .outcome = HOLDS },
	{ "ARP has no source address", FIELD(SRC), PREFIXES(IP(0, 0, 0, 0, 0)), .packet = ARP,
	  .outcome = IS_NOT_THERE },

	{ "a destination port in a range is in the set", FIELD(DPORT),
	  RANGES({ 443, 443 }, { 80, 90 }), .packet = UDP4, .outcome = HOLDS },
	{ "a destination port beside a range is not", FIELD(DPORT), RANGES({ 81, 90 }, { 1, 79 }),
	  .packet = UDP4, .outcome = FAILS },
	{ "a source port is in the set", FIELD(SPORT), RANGES({ 1000, 1000 }), .packet = UDP4,
	  .outcome = HOLDS },
	{ "port 65535 is in the set", FIELD(DPORT), RANGES({ 65535, 65535 }),
	  .packet = PACKET(ETH(), IP6(), TCP(1, 65535)), .outcome = HOLDS },
	{ "ICMP has no ports", FIELD(DPORT), RANGES({ 0, 65535 }),
	  .packet = PACKET(ETH(), IP4(), ICMP), .outcome = IS_NOT_THERE },
	{ "a later fragment has no ports", FIELD(DPORT), RANGES({ 0, 65535 }),
	  .packet = PACKET(ETH(), IP4(.fragment = 1), UDP(1000, 80)), .outcome = IS_NOT_THERE },
	{ "a protocol is in the set", FIELD(PROTO), RANGES({ 6, 6 }, { 17, 17 }), .packet = UDP4,
	  .outcome = HOLDS },
	{ "another protocol is not", FIELD(PROTO), RANGES({ 6, 6 }, { 18, 255 }), .packet = UDP4,
	  .outcome = FAILS },
	{ "a DSCP is in the set whatever the ECN bits say", FIELD(DSCP), RANGES({ 46, 46 }),
	  .packet = TOS4(46 << 2 | 3), .outcome = HOLDS },
	{ "another DSCP is not", FIELD(DSCP), RANGES({ 0, 45 }), .packet = TOS4(46 << 2),
	  .outcome = FAILS },
	{ "a mark is in the set", FIELD(MARK), RANGES({ 0x80000000, 0xffffffff }), .packet = UDP4,
	  .outcome = HOLDS, .mark = 0xfffffffe },
	{ "another mark is not", FIELD(MARK), RANGES({ 1, 0x7f }), .packet = UDP4, .outcome = FAILS,
	  .mark = 0x80 },
	{ "a length is in the set", FIELD(LEN), RANGES({ 1, 39 }, { 100, 1500 }),
	  .packet = LEN4(100), .outcome = HOLDS },
	{ "another length is not", FIELD(LEN), RANGES({ 1, 99 }, { 101, 1500 }),
	  .packet = LEN4(100), .outcome = FAILS },
	{ "a VLAN id is in the set", FIELD(VLAN), RANGES({ 7, 9 }),
	  .packet = PACKET(ETH(), VLAN(.key = 0xe009), IP4(), UDP(1, 2)), .outcome = HOLDS,
	  .needs = CV_RULES_NEED_LINK },
	{ "another VLAN id is not", FIELD(VLAN), RANGES({ 7, 8 }),
	  .packet = PACKET(ETH(), VLAN(.key = 0xe009), IP4(), UDP(1, 2)), .outcome = FAILS,
	  .needs = CV_RULES_NEED_LINK },
	{ "a frame without a tag has no VLAN id", FIELD(VLAN), RANGES({ 0, 65535 }), .packet = UDP4,
	  .outcome = IS_NOT_THERE, .needs = CV_RULES_NEED_LINK },
};

static void assert_row(const struct set_row *row, bool is_not, bool expected)
{
	struct cv_compiled_set sets[2] = { { .name = "other" }, { .name = "asked" } };
	struct cv_set_ref ref = { .set = 2, .field = row->field, .is_not = is_not };
	const struct run_ctx ctx = { .mark = row->mark };
	struct cv_compiled_rule rule;
	struct cv_match match;
	struct cv_rules rules = { .rules = &rule,
				  .rule_count = 1,
				  .matches = &match,
				  .match_count = 1,
				  .sets = sets,
				  .set_count = 2,
				  .flags = row->needs };
	struct frame frame;

	make_rule(&rule, &match, &ref, 1);
	fill_elements(&sets[1], row->prefixes, row->ranges);
	fill_compiled(&rules);
	frame_build(&frame, row->packet);
	assert_int_equal(hits(&frame, &ctx, classifier.ingress), expected);
	assert_int_equal(hits(&frame, &ctx, classifier.egress), expected);
	cv_compiled_set_fini(&sets[1]);
}

static void run_row(void **state)
{
	const struct set_row *row = *state;

	need_programs();
	assert_row(row, false, row->outcome == HOLDS);
	assert_row(row, true, row->outcome == FAILS);
}

/* ---- several ---- */

static void all_conditions_must_hold(void **state)
{
	static struct cv_interval numbers[] = { { { 0, 80 }, { 0, 80 } },
						{ { 0, 17 }, { 0, 17 } },
						{ { 0, 1000 }, { 0, 1000 } } };
	struct cv_compiled_set sets[] = { { "a", &numbers[0], 1, NULL, 0, false },
					  { "b", &numbers[1], 1, NULL, 0, false },
					  { "c", &numbers[2], 1, NULL, 0, false } };
	struct cv_set_ref refs[CV_MAX_SET_REFS] = {
		{ 1, CV_SET_FIELD_DPORT, 0 }, { 2, CV_SET_FIELD_PROTO, 0 },
		{ 3, CV_SET_FIELD_SPORT, 0 }, { 1, CV_SET_FIELD_SPORT, 1 },
		{ 2, CV_SET_FIELD_DPORT, 1 }, { 3, CV_SET_FIELD_LEN, 1 }
	};
	const struct run_ctx ctx = { 0 };
	struct cv_compiled_rule rule;
	struct cv_match match;
	struct cv_rules rules = { .rules = &rule,
				  .rule_count = 1,
				  .matches = &match,
				  .match_count = 1,
				  .sets = sets,
				  .set_count = 3 };
	struct frame frame;

	(void)state;
	need_programs();
	frame_build(&frame, UDP4);
	make_rule(&rule, &match, refs, ARRAY_LEN(refs));
	fill_compiled(&rules);
	assert_true(hits(&frame, &ctx, classifier.ingress));
	for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
		make_rule(&rule, &match, refs, ARRAY_LEN(refs));
		match.extra.sets[i].is_not ^= 1;
		fill_compiled(&rules);
		assert_false(hits(&frame, &ctx, classifier.ingress));
	}
}

static void a_later_set_has_its_turn_with_its_generation(void **state)
{
	static struct cv_interval numbers[] = { { { 0, 79 }, { 0, 79 } },
						{ { 0, 80 }, { 0, 80 } } };
	struct cv_compiled_set before = { "a", &numbers[0], 1, NULL, 0, false };
	struct cv_compiled_set after = { "a", &numbers[1], 1, NULL, 0, false };
	const struct cv_set_ref ref = { 1, CV_SET_FIELD_DPORT, 0 };
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena = { 0 };
	struct cv_arena_source source = cv_arena_heap();
	const struct run_ctx ctx = { 0 };
	struct cv_compiled_rule rule;
	struct cv_match match;
	struct cv_rules rules = { .rules = &rule,
				  .rule_count = 1,
				  .matches = &match,
				  .match_count = 1,
				  .sets = &before,
				  .set_count = 1 };
	struct frame frame;
	uint16_t number;

	(void)state;
	need_programs();
	frame_build(&frame, UDP4);
	make_rule(&rule, &match, &ref, 1);
	assert_true(cv_arena_init(&arena, &source));
	assert_int_equal(cv_engine_build(&arena, &rules, NULL, NULL), 0);
	rules.sets = &after;
	assert_int_equal(cv_sets_change(&arena, CV_ENGINE_FIRST, &rules, &number), 0);
	assert_int_equal(number, 1);
	fill_image(&arena);
	assert_false(hits(&frame, &ctx, classifier.ingress));
	write_live(CV_LIVE_WORD(++progrun.changes, 0, CV_ENGINE_FIRST + 1));
	assert_true(hits(&frame, &ctx, classifier.ingress));
}

/* ---- large ones ---- */

static uint64_t seed = 20251121;

static uint64_t random_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* That many prefixes, half of them single addresses; shorter ones of IPv6 have at most 64 bits if
 * is_short, and then there are no single ones. */
static void fill_random(struct cv_compiled_set *set, uint8_t family, bool is_short, size_t count)
{
	CV_FREE struct cv_prefix *prefixes = calloc(count, sizeof(*prefixes));
	unsigned int all = family == 4 ? 32 : is_short ? 64 : 128;

	assert_non_null(prefixes);
	for (size_t i = 0; i < count; i++) {
		struct cv_prefix *prefix = &prefixes[i];

		prefix->addr.family = family;
		prefix->bits = random_bits() % 2 ? all : all - 8;
		for (unsigned int byte = 0; byte < prefix->bits / 8; byte++)
			prefix->addr.bytes[byte] = random_bits();
		if (family == 6)
			memcpy(prefix->addr.bytes, "\x20\x01\x0d\xb8", 4);
	}
	assert_int_equal(cv_set_add_prefixes(set, &(struct cv_prefixes){ prefixes, count }), 0);
	cv_set_normalise(set);
}

/* A value near an end of one of the intervals, or anywhere. */
static void random_value(const struct cv_compiled_set *set, uint8_t family, uint64_t value[2])
{
	const struct cv_interval *intervals = family == 4 ? set->numbers : set->addresses;
	size_t count = family == 4 ? set->number_count : set->address_count;
	const struct cv_interval *interval = &intervals[random_bits() % count];
	const uint64_t *end = random_bits() % 2 ? interval->min : interval->max;

	value[0] = end[0] + random_bits() % 3 - 1;
	value[1] = end[1] + random_bits() % 3 - 1;
	if (random_bits() % 4 == 0)
		value[0] = end[0];
	if (random_bits() % 4 == 0)
		value[1] = random_bits();
	if (family == 4) {
		value[0] = 0;
		value[1] &= UINT32_MAX;
	}
}

/* Writes the value as source address of the IP header behind the Ethernet header. */
static void put_source(struct frame *frame, uint8_t family, const uint64_t value[2])
{
	uint64_t words[2] = { htobe64(value[0]), htobe64(value[1]) };
	uint8_t *ip = frame->bytes + ETH_LEN;

	if (family == 4)
		memcpy(ip + 12, (uint8_t *)words + 12, 4);
	else
		memcpy(ip + 8, words, 16);
}

/* Fills the maps with one rule that asks for sources of the set. */
static void ask_for_source(struct cv_compiled_set *set)
{
	const struct cv_set_ref ref = { 1, CV_SET_FIELD_SRC, 0 };
	struct cv_compiled_rule rule;
	struct cv_match match;
	struct cv_rules rules = { .rules = &rule,
				  .rule_count = 1,
				  .matches = &match,
				  .match_count = 1,
				  .sets = set,
				  .set_count = 1 };

	make_rule(&rule, &match, &ref, 1);
	fill_compiled(&rules);
}

static void a_large_set_has_what_its_prefixes_have(void **state)
{
	enum { ASKED = 20000 };
	static const struct {
		uint8_t family;
		bool is_short;
		size_t count;
	} kinds[] = { { 4, false, 100000 }, { 6, true, 50000 }, { 6, false, 50000 } };
	const struct run_ctx ctx = { 0 };
	struct frame frame;

	(void)state;
	need_programs();
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CV_CLEANUP(cv_compiled_set_fini) struct cv_compiled_set set = { .name = "large" };
		uint8_t family = kinds[i].family;
		int wrong = 0, inside = 0;

		fill_random(&set, family, kinds[i].is_short, kinds[i].count);
		ask_for_source(&set);
		frame_build(&frame, family == 4 ? UDP4 : PACKET(ETH(), IP6(), UDP(1, 2)));
		for (int j = 0; j < ASKED; j++) {
			uint64_t value[2];
			bool expected;

			random_value(&set, family, value);
			put_source(&frame, family, value);
			expected = family == 4 ? cv_set_has_number(&set, value[1])
					       : cv_set_has_address(&set, value);
			inside += expected;
			wrong += hits(&frame, &ctx, classifier.ingress) != expected;
		}
		assert_int_equal(wrong, 0);
		assert_in_range(inside, ASKED / 10, ASKED * 9 / 10);
	}
}

/* ---- changes while packets run ---- */

/* Segment of bank 1, where nothing else of these tests is. */
static struct cv_arena_segment *map_segment(void *arg, uint32_t index)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_mapped", sizeof(index),
				sizeof(struct cv_arena_segment), 1, &opts);
	size_t page = sysconf(_SC_PAGESIZE);
	size_t size = (sizeof(struct cv_arena_segment) + page - 1) / page * page;
	uint32_t slot = CV_ARENA_SEGMENTS + index;
	void *mapped;

	if (fd < 0 || bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_RULES)), &slot, &fd, 0))
		return NULL;
	mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*(int *)arg = fd;
	return mapped == MAP_FAILED ? NULL : mapped;
}

/* Setting an element of a map of maps returns behind a grace period. */
static void settle(void *arg)
{
	uint32_t slot = CV_ARENA_SEGMENTS + CV_ARENA_SEGMENTS - 1;

	bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_RULES)), &slot, arg, 0);
}

/* Packets of another CPU, by which of two rules they met; 0: none. */
struct packets {
	struct frame frame;
	volatile bool is_over;
	unsigned long met[3];
	unsigned long turns;
};

static void *run_packets(void *arg)
{
	struct packets *packets = arg;
	uint32_t last = 0;

	while (!packets->is_over) {
		struct __sk_buff in = { 0 }, out = { 0 };
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packets->frame.bytes,
			    .data_size_in = packets->frame.len, .ctx_in = &in,
			    .ctx_size_in = sizeof(in), .ctx_out = &out,
			    .ctx_size_out = sizeof(out));

		if (bpf_prog_test_run_opts(classifier.ingress, &opts))
			break;
		packets->met[out.mark < 3 ? out.mark : 0]++;
		packets->turns += out.mark != last;
		last = out.mark;
	}
	return NULL;
}

/* Two sets of one port each, 80 in one of them; the rule of the first marks 1, that of the other 2. */
static void make_pair(struct cv_rules *rules, struct cv_interval *ports, bool is_swapped)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct cv_set_ref ref = { i + 1, CV_SET_FIELD_DPORT, 0 };

		make_rule(&rules->rules[i], &rules->matches[i], &ref, 1);
		rules->rules[i].rule.mark = i + 1;
		snprintf(rules->rules[i].rule.name, CV_NAME_LEN, "rule%u", i);
		rules->matches[i].rule = i;
		ports[i] = (struct cv_interval){ { 0, 80 + (i ^ is_swapped) },
						 { 0, 80 + (i ^ is_swapped) } };
		rules->sets[i] =
			(struct cv_compiled_set){ .numbers = &ports[i], .number_count = 1 };
		snprintf(rules->sets[i].name, CV_NAME_LEN, "set%u", i);
	}
}

static void packets_of_another_cpu_meet_both_changes_or_none(void **state)
{
	enum { CHANGES = 100 };
	static struct packets packets;
	static struct cv_arena arena;
	struct cv_compiled_rule compiled[2];
	struct cv_match matches[2];
	struct cv_compiled_set sets[2];
	struct cv_interval ports[2];
	struct cv_rules rules = { .rules = compiled,
				  .rule_count = 2,
				  .matches = matches,
				  .match_count = 2,
				  .sets = sets,
				  .set_count = 2 };
	int fd = -1;
	struct cv_arena_source source = { .make = map_segment, .settle = settle, .arg = &fd };
	uint16_t numbers[2];
	pthread_t reader;

	(void)state;
	need_programs();
	frame_build(&packets.frame, UDP4);
	make_pair(&rules, ports, false);
	assert_true(cv_arena_init(&arena, &source));
	assert_int_equal(cv_engine_build(&arena, &rules, NULL, NULL), 0);
	write_live(CV_LIVE_WORD(1, 1, CV_ENGINE_FIRST));
	assert_int_equal(pthread_create(&reader, NULL, run_packets, &packets), 0);
	for (uint16_t i = 0; i < CHANGES; i++) {
		make_pair(&rules, ports, !(i % 2));
		assert_int_equal(cv_sets_change(&arena, CV_ENGINE_FIRST + i, &rules, numbers), 0);
		write_live(CV_LIVE_WORD(2 + i, 1, CV_ENGINE_FIRST + i + 1));
	}
	packets.is_over = true;
	pthread_join(reader, NULL);
	write_live(0);
	print_message("%lu packets, %lu turns\n", packets.met[1] + packets.met[2], packets.turns);
	assert_int_equal(packets.met[0], 0);
	assert_true(packets.met[1] && packets.met[2]);
	assert_in_range(packets.turns, CHANGES / 4, CHANGES + 1);
}

/* ---- time ---- */

enum { TIME_RUNS = 20000 };

static double time_sources(const struct cv_compiled_set *set, uint8_t family)
{
	static double times[TIME_RUNS];
	static uint64_t values[TIME_RUNS][2];
	struct timed timed = { .prog = classifier.ingress };

	frame_build(&timed.frame, family == 4 ? UDP4 : PACKET(ETH(), IP6(), UDP(1, 2)));
	for (int i = 0; i < TIME_RUNS; i++)
		random_value(set, family, values[i]);
	for (int i = 0; i < TIME_RUNS; i++) {
		put_source(&timed.frame, family, values[i]);
		times[i] = time_once(&timed);
	}
	return middle_of(times, TIME_RUNS);
}

/* Each packet has another source, and a system call between it and the one before: what a large set has
 * of its tree in caches is what stays there. */
static void print_set_times(void)
{
	static const size_t counts[] = { 1, 1000, 100000, 1000000 };
	static const struct {
		const char *name;
		uint8_t family;
		bool is_short;
	} kinds[] = { { "IPv4", 4, false },
		      { "IPv6 to /64", 6, true },
		      { "IPv6 to /128", 6, false } };

	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		double one = 0;

		for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
			CV_CLEANUP(cv_compiled_set_fini)
			struct cv_compiled_set set = { .name = "timed" };
			double time;

			fill_random(&set, kinds[kind].family, kinds[kind].is_short, counts[i]);
			ask_for_source(&set);
			time = time_sources(&set, kinds[kind].family);
			one = i ? one : time;
			printf("%-13s %7zu prefixes %6.1f ns a packet, %6.1f more than with one\n",
			       kinds[kind].name, counts[i], time, time - one);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(all_conditions_must_hold),
		cmocka_unit_test(a_later_set_has_its_turn_with_its_generation),
		cmocka_unit_test(a_large_set_has_what_its_prefixes_have),
		cmocka_unit_test(packets_of_another_cpu_meet_both_changes_or_none),
	};
	struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(others)];
	size_t count = 0;

	if (argc == 2 && !strcmp(argv[1], "time")) {
		group_setup(NULL);
		print_set_times();
		return group_teardown(NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[count++] = row_test(rows[i].name, run_row, NULL, &rows[i]);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[count++] = others[i];
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
