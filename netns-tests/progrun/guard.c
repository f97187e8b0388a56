/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of guards of routes, on both hooks: which packets pass, and what is counted of them.
 * The tunnel that a packet came out of cannot be said to a test run; scenarios do that.
 */
#include <arpa/inet.h>
#include <string.h>

#include "progrun.h"

#include "route.skel.h"
#include "stubs.h"

#define GUARD_ID 5

static struct {
	struct cv_route_bpf *skel;
	struct cv_stub_bpf *stubs;
	int progs[2];
} guards;

static int guards_setup(void **state)
{
	(void)state;
	if (!progrun_enter())
		return 0;
	guards.skel = cv_route_bpf__open();
	assert_non_null(guards.skel);
	prepare_maps(guards.skel->obj);
	if (!take_loaded(guards.skel->obj, cv_route_bpf__load(guards.skel)))
		return 0;
	guards.stubs = stubs_load(GUARD_ID);
	assert_non_null(guards.stubs);
	stubs_lead_to(guards.stubs->maps.cv_in_progs, CV_SHARED_GUARD,
		      guards.skel->progs.cv_guard_in);
	stubs_lead_to(guards.stubs->maps.cv_out_progs, CV_SHARED_GUARD,
		      guards.skel->progs.cv_guard_out);
	guards.progs[0] = bpf_program__fd(guards.stubs->progs.cv_stub_g_in);
	guards.progs[1] = bpf_program__fd(guards.stubs->progs.cv_stub_g_out);
	return 0;
}

static int guards_teardown(void **state)
{
	(void)state;
	cv_stub_bpf__destroy(guards.stubs);
	cv_route_bpf__destroy(guards.skel);
	return 0;
}

/* ---- rows ---- */

struct guard_row {
	const char *name;
	const struct layer *packet;
	uint8_t family; /* of the guard; 0: there is none */
	uint8_t flags;
	const char *sources[3]; /* ADDR/BITS */
	uint32_t guard_mark, guard_mask;
	uint32_t mark;
	uint32_t reason; /* CV_R_OK: it passes */
};

#define FROM4(...) PACKET(ETH(), IP4(.src = __VA_ARGS__), UDP(7, 8))
#define FROM6(...) PACKET(ETH(), IP6(.src = __VA_ARGS__), UDP(7, 8))
#define COUNTED(bytes) PACKET(ETH(), IP4(), DATA((bytes)-20))

static const struct guard_row rows[] = {
	{ "no guard: dropped", FROM4("10.0.0.1"), .reason = CV_R_NO_GUARD },
	{ "nothing is asked: passes", FROM4("10.0.0.1"), 4, 0, .reason = CV_R_OK },
	{ "nothing is asked, drop: dropped", FROM4("10.0.0.1"), 4, CV_GUARD_DROP,
	  .reason = CV_R_GUARD },
	{ "first address of a source prefix",
	  FROM4("10.8.0.0"),
	  4,
	  CV_GUARD_FROM,
	  { "10.8.0.0/13" },
	  .reason = CV_R_OK },
	{ "last address of a source prefix",
	  FROM4("10.15.255.255"),
	  4,
	  CV_GUARD_FROM,
	  { "10.8.0.0/13" },
	  .reason = CV_R_OK },
	{ "one before a source prefix",
	  FROM4("10.7.255.255"),
	  4,
	  CV_GUARD_FROM,
	  { "10.8.0.0/13" },
	  .reason = CV_R_GUARD },
	{ "one behind a source prefix",
	  FROM4("10.16.0.0"),
	  4,
	  CV_GUARD_FROM,
	  { "10.8.0.0/13" },
	  .reason = CV_R_GUARD },
	{ "a source host",
	  FROM4("192.0.2.9"),
	  4,
	  CV_GUARD_FROM,
	  { "10.0.0.0/8", "192.0.2.9/32" },
	  .reason = CV_R_OK },
	{ "a source in the last prefix, drop",
	  FROM4("192.0.2.9"),
	  4,
	  CV_GUARD_FROM | CV_GUARD_DROP,
	  { "10.0.0.0/8", "11.0.0.0/8", "192.0.2.0/24" },
	  .reason = CV_R_GUARD },
	{ "a source in none, drop: passes",
	  FROM4("192.0.3.9"),
	  4,
	  CV_GUARD_FROM | CV_GUARD_DROP,
	  { "10.0.0.0/8", "11.0.0.0/8", "192.0.2.0/24" },
	  .reason = CV_R_OK },
	{ "every source",
	  FROM4("255.255.255.254"),
	  4,
	  CV_GUARD_FROM,
	  { "0.0.0.0/0" },
	  .reason = CV_R_OK },
	{ "no source left for the family", FROM4("10.0.0.1"), 4, CV_GUARD_FROM,
	  .reason = CV_R_GUARD },
	{ "IPv6 source prefix, last address",
	  FROM6("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
	  6,
	  CV_GUARD_FROM,
	  { "2001:db8::/32" },
	  .reason = CV_R_OK },
	{ "IPv6 source prefix, one behind",
	  FROM6("2001:db9::"),
	  6,
	  CV_GUARD_FROM,
	  { "2001:db8::/32" },
	  .reason = CV_R_GUARD },
	{ "IPv6 source host, last bit differs",
	  FROM6("2001:db8::2"),
	  6,
	  CV_GUARD_FROM,
	  { "2001:db8::3/128" },
	  .reason = CV_R_GUARD },
	{ "IPv6 source of 127 bits",
	  FROM6("2001:db8::3"),
	  6,
	  CV_GUARD_FROM,
	  { "2001:db8::2/127" },
	  .reason = CV_R_OK },
	{ "the mark", FROM4("10.0.0.1"), 4, CV_GUARD_MARK, .guard_mark = 0x20, .guard_mask = 0xf0,
	  .mark = 0x7f00002f, .reason = CV_R_OK },
	{ "another mark", FROM4("10.0.0.1"), 4, CV_GUARD_MARK, .guard_mark = 0x20,
	  .guard_mask = 0xf0, .mark = 0x30, .reason = CV_R_GUARD },
	{ "the mark, another source",
	  FROM4("10.0.0.1"),
	  4,
	  CV_GUARD_MARK | CV_GUARD_FROM,
	  { "11.0.0.0/8" },
	  .guard_mark = 0x20,
	  .guard_mask = 0xf0,
	  .mark = 0x20,
	  .reason = CV_R_GUARD },
	{ "out of no tunnel that takes packets out here", FROM4("10.0.0.1"), 4, CV_GUARD_TUNNEL,
	  .reason = CV_R_GUARD },
};

static void set_mask(uint32_t mask[4], int bits)
{
	for (int word = 0; word < 4; word++, bits -= 32)
		mask[word] = bits <= 0	  ? 0
			     : bits >= 32 ? 0xffffffff
					  : BE32(0xffffffffu << (32 - bits));
}

static void fill_guard(const struct guard_row *row, struct cv_guard *guard)
{
	*guard = (struct cv_guard){
		.family = row->family,
		.flags = row->flags | CV_GUARD_COUNT,
		.mark = row->guard_mark,
		.mark_mask = row->guard_mask,
	};
	for (size_t i = 0; i < ARRAY_LEN(row->sources) && row->sources[i]; i++) {
		struct cv_guard_source *source = &guard->sources[guard->source_count++];
		char addr[INET6_ADDRSTRLEN];
		int bits;

		assert_int_equal(sscanf(row->sources[i], "%45[^/]/%d", addr, &bits), 2);
		assert_int_equal(
			inet_pton(row->family == 4 ? AF_INET : AF_INET6, addr, source->addr), 1);
		set_mask(source->mask, bits);
	}
}

static void write_guard(const struct cv_guard *guard)
{
	uint32_t id = GUARD_ID;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_GUARDS)), &id, guard, 0), 0);
}

static void take_stats(struct cv_guard_stats *stats)
{
	uint32_t id = GUARD_ID;

	take_percpu(MAP(CV_MAP_GUARD_STATS), &id, (__u64 *)stats, sizeof(*stats) / sizeof(__u64),
		    false);
}

static uint64_t take_drops(uint32_t reason)
{
	struct cv_drop_key key = { .reason = reason };
	__u64 count = 0;

	if (reason != CV_R_OK)
		take_percpu(MAP(CV_MAP_DROPS), &key, &count, 1, true);
	return count;
}

static void guard_decides(void **state)
{
	const struct guard_row *row = *state;
	bool passes = row->reason == CV_R_OK;
	struct cv_guard_stats stats;
	struct cv_guard guard;
	struct frame in;

	need_programs();
	fill_guard(row, &guard);
	write_guard(&guard);
	frame_build(&in, row->packet);
	for (size_t hook = 0; hook < ARRAY_LEN(guards.progs); hook++) {
		struct run_ctx ctx = { .mark = row->mark };
		struct run_result result;

		run_program(guards.progs[hook], &in, &ctx, &result);
		take_stats(&stats);
		assert_int_equal(result.verdict, passes ? BPF_OK : BPF_DROP);
		assert_int_equal(take_drops(row->reason), !passes);
		assert_int_equal(stats.packets, passes);
		assert_int_equal(stats.bytes, passes ? in.len - ETH_LEN : 0);
		assert_int_equal(stats.dropped, row->reason == CV_R_GUARD);
	}
}

/* ---- lengths ---- */

static void lengths_fall_into_buckets(void **state)
{
	static const struct {
		uint32_t bytes;
		int bucket;
	} cases[] = { { 28, 0 },  { 63, 0 },  { 64, 1 },  { 127, 1 },  { 128, 2 },  { 255, 2 },
		      { 256, 3 }, { 511, 3 }, { 512, 4 }, { 1023, 4 }, { 1024, 5 }, { 1499, 5 } };
	struct cv_guard guard = { .family = 4, .flags = CV_GUARD_COUNT };

	(void)state;
	need_programs();
	write_guard(&guard);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run_ctx ctx = { .mark = 0 };
		struct run_result result;
		struct cv_guard_stats stats;
		struct frame in;

		frame_build(&in, COUNTED(cases[i].bytes));
		run_program(guards.progs[i % 2], &in, &ctx, &result);
		take_stats(&stats);
		for (int bucket = 0; bucket < CV_LENGTH_BUCKETS; bucket++)
			assert_int_equal(stats.lengths[bucket], bucket == cases[i].bucket);
	}
}

static void guard_that_does_not_count_counts_drops_only(void **state)
{
	struct cv_guard guard = { .family = 4 };
	struct run_ctx ctx = { .mark = 0 };
	struct run_result result;
	struct cv_guard_stats stats;
	struct frame in;

	(void)state;
	need_programs();
	frame_build(&in, COUNTED(100));
	write_guard(&guard);
	run_program(guards.progs[0], &in, &ctx, &result);
	take_stats(&stats);
	assert_int_equal(stats.packets + stats.bytes + stats.dropped, 0);
	guard.flags = CV_GUARD_DROP;
	write_guard(&guard);
	run_program(guards.progs[0], &in, &ctx, &result);
	take_stats(&stats);
	assert_int_equal(stats.packets + stats.bytes, 0);
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(take_drops(CV_R_GUARD), 1);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(rows) + 2] = {
		cmocka_unit_test(lengths_fall_into_buckets),
		cmocka_unit_test(guard_that_does_not_count_counts_drops_only),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i + 2] = row_test(rows[i].name, guard_decides, NULL, &rows[i]);
	return cmocka_run_group_tests_name("guard", tests, guards_setup, guards_teardown);
}
