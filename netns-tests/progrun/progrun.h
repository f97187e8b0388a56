/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs (BPF_PROG_TEST_RUN): private maps that are filled by hand, one run at a time, and
 * every counter read and cleared after it. Nothing is pinned or attached; the test stands in a
 * network namespace of its own, where lo has index 1 and address 0. Which object is loaded is said
 * by classifier.h or by the test.
 */
#ifndef CV_PROGRUN_H
#define CV_PROGRUN_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi.h"
#include "compiler/engine.h"
#include "frame.h"
#include "own.h"

#define BE32(x) (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(x) : (uint32_t)(x))

/* What the maps are reached by; NULL object: the programs could not be loaded. */
struct progrun {
	struct bpf_object *object;
	const char *why_not;
	int cpus;
	int segments[CV_ARENA_SEGMENTS]; /* of rules: what is in their slots; 0: nothing */
	uint32_t changes; /* of rules, so far */
	int counters_fd; /* array of the first rules' */
	struct cv_stats_chunk *counters; /* mapped: an element a CPU */
};

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

struct run_ctx {
	uint32_t ifindex; /* 0: lo */
	uint32_t mark;
	uint32_t priority;
	uint32_t gso_bytes;
};

struct run_result {
	int verdict; /* TC_ACT_* */
	uint32_t mark;
	uint32_t priority;
	struct frame frame;
};

static struct progrun progrun;

static inline const char *verdict_name(int verdict)
{
	return verdict == TC_ACT_UNSPEC ? "next"
	       : verdict == TC_ACT_OK	? "accept"
	       : verdict == TC_ACT_SHOT ? "drop"
					: "another verdict";
}

static inline const char *reason_key(uint32_t reason)
{
	static const char *const keys[] = {
#define REASON_KEY(name, key, text) key,
		CV_REASONS(REASON_KEY)
#undef REASON_KEY
	};

	return reason < CV_R_COUNT ? keys[reason] : "unknown reason";
}

/* ---- loading ---- */

static inline int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* To be called before an object is opened. Returns false if no test can run. */
static inline bool progrun_enter(void)
{
	progrun.cpus = libbpf_num_possible_cpus();
	if (unshare(CLONE_NEWNET)) {
		progrun.why_not = "no network namespace of its own: not root?";
		return false;
	}
	if (!getenv("V"))
		libbpf_set_print(silent);
	return true;
}

#define MAP_TEXT_(name) #name
#define MAP_TEXT(name) MAP_TEXT_(name)

static inline int create_counters(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	size_t size = sizeof(*progrun.counters);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_counters", sizeof(uint32_t), size,
				progrun.cpus, &opts);

	if (fd < 0)
		return fd;
	progrun.counters =
		mmap(NULL, progrun.cpus * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(progrun.counters != MAP_FAILED);
	return fd;
}

/* No map of a test is shared, and that of counters knows the number of CPUs. */
static inline void prepare_maps(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object)
		assert_int_equal(bpf_map__set_pin_path(map, NULL), 0);
	map = bpf_object__find_map_by_name(object, MAP_TEXT(CV_MAP_RULE_STATS));
	progrun.counters_fd = map ? create_counters() : -1;
	if (progrun.counters_fd >= 0)
		assert_int_equal(bpf_map__set_inner_map_fd(map, progrun.counters_fd), 0);
}

/* Counters of the first rules; the others count nothing. */
static inline void put_counters(const struct bpf_object *object)
{
	const struct bpf_map *map =
		bpf_object__find_map_by_name(object, MAP_TEXT(CV_MAP_RULE_STATS));
	uint32_t zero = 0;

	if (map)
		assert_int_equal(
			bpf_map_update_elem(bpf_map__fd(map), &zero, &progrun.counters_fd, 0), 0);
}

/* rc: what came of loading the object. Returns false if its programs cannot be run. */
static inline bool take_loaded(struct bpf_object *object, int rc)
{
	if (!rc) {
		progrun.object = object;
		put_counters(object);
		return true;
	}
	/* Only what this kernel or this user may not do is a reason to skip. */
	assert_true(errno == EPERM || errno == ENOSYS);
	progrun.why_not = "the kernel does not let us load BPF programs";
	return false;
}

/* MAP(CV_MAP_DROPS): the map of that name. */
#define MAP(name) map_of(MAP_TEXT(name))

static inline struct bpf_map *map_of(const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(progrun.object, name);

	assert_non_null(map);
	return map;
}

/* To be called first in every test. */
static inline void need_programs(void)
{
	if (progrun.object)
		return;
	print_message("skip: %s\n", progrun.why_not);
	skip();
}

static inline bool kernel_is_at_least(int major, int minor)
{
	struct utsname name;
	int has_major = 0, has_minor = 0;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%d.%d", &has_major, &has_minor), 2);
	return has_major > major || (has_major == major && has_minor >= minor);
}

#define NS_PER_SECOND 1000000000ull

/* The clock of endpoints and key changes. */
static inline uint64_t boot_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* A row of a table as a test of its own. setup clears what an earlier test may have left behind. */
static inline struct CMUnitTest row_test(const char *name, CMUnitTestFunction run,
					 CMFixtureFunction setup, const void *row)
{
	return (struct CMUnitTest){ .name = name,
				    .test_func = run,
				    .setup_func = setup,
				    .initial_state = (void *)(uintptr_t)row };
}

/* ---- running ---- */

static inline void run_program(int prog_fd, const struct frame *in, const struct run_ctx *ctx,
			       struct run_result *result)
{
	struct __sk_buff ctx_in = {
		.ifindex = ctx->ifindex,
		.mark = ctx->mark,
		.priority = ctx->priority,
		.gso_size = ctx->gso_bytes,
		.gso_segs = ctx->gso_bytes ? 2 : 0,
	};
	struct __sk_buff ctx_out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->len,
		    .data_out = result->frame.bytes, .data_size_out = sizeof(result->frame.bytes),
		    .ctx_in = &ctx_in, .ctx_size_in = sizeof(ctx_in), .ctx_out = &ctx_out,
		    .ctx_size_out = sizeof(ctx_out));
	int rc = bpf_prog_test_run_opts(prog_fd, &opts);

	if (rc)
		frame_print("BPF_PROG_TEST_RUN does not take", in->bytes, in->len);
	assert_int_equal(rc, 0);
	result->verdict = (int)opts.retval;
	result->mark = ctx_out.mark;
	result->priority = ctx_out.priority;
	result->frame.len = opts.data_size_out;
}

/* ---- filling maps ---- */

/* An array as cv_slot_write() makes it, put into that element of the slot. Returns its fd. */
static inline int fill_slot(struct bpf_map *slot, uint32_t index, size_t value_size,
			    uint32_t entries, const void *values)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG);
	int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_slot", sizeof(uint32_t), value_size,
				   entries, &opts);
	const char *value = values;

	assert_true(inner >= 0);
	for (uint32_t i = 0; i < entries; i++)
		assert_int_equal(bpf_map_update_elem(inner, &i, value + i * value_size, 0), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(slot), &index, &inner, 0), 0);
	return inner;
}

/*
 * Reads the keys of a map, fewer than max, and returns how many there are. Whoever writes entries asks for
 * the keys first: an entry that is written comes to stand before others of its bucket, so that they would
 * come again and again.
 */
static inline size_t read_keys(struct bpf_map *map, void *keys, size_t key_size, size_t max)
{
	char *key = keys;
	size_t count = 0;

	while (!bpf_map_get_next_key(bpf_map__fd(map), count ? key - key_size : NULL, key)) {
		assert_true(++count < max);
		key += key_size;
	}
	return count;
}

/* The table of tunnels, of which all send by that version. Returns the fd of the array. */
static inline int fill_tunnels(struct bpf_map *slot, const struct cv_tunnel *by_id,
			       uint32_t version)
{
	struct cv_tunnel *entries = calloc(CV_MAX_TUNNEL_ENTRIES, sizeof(*entries));
	size_t size = CV_MAX_TUNNELS * sizeof(*entries);
	int table;

	assert_non_null(entries);
	memcpy(&entries[CV_TUNNEL_OUT(0, version)], by_id, size);
	memcpy(&entries[CV_TUNNEL_IN(0)], by_id, size);
	table = fill_slot(slot, 0, sizeof(*entries), CV_MAX_TUNNEL_ENTRIES, entries);
	free(entries);
	return table;
}

/* Rules of a test: those of a direction are lists[] of matches, in the order of their rules. */
#define TEST_RULES 256
#define TEST_MATCHES 1024
struct test_list {
	uint32_t first; /* index into matches */
	uint32_t count;
};

struct test_rules {
	uint32_t flags; /* CV_RULES_NEED_* */
	uint64_t netns_cookie;
	struct test_list lists[CV_DIR_COUNT];
	struct cv_rule rules[TEST_RULES];
	struct cv_actions actions[TEST_RULES]; /* at the index of the rule */
	struct cv_match matches[TEST_MATCHES];
};

static inline void write_live(uint64_t word)
{
	struct cv_live live = { .word = word };
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_LIVE)), &zero, &live, 0), 0);
}

/* Copies an image into bank 0, whose segments are made when they are first needed: a new one costs a
 * grace period of the kernel. */
static inline void fill_image(const struct cv_arena *arena)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	uint32_t zero = 0;

	write_live(0);
	for (uint32_t i = 0; i < arena->segment_count; i++) {
		int *fd = &progrun.segments[i];

		if (!*fd) {
			*fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_segment", sizeof(zero),
					     sizeof(struct cv_arena_segment), 1, &opts);
			assert_true(*fd >= 0);
			assert_int_equal(
				bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_RULES)), &i, fd, 0), 0);
		}
		assert_int_equal(bpf_map_update_elem(*fd, &zero, arena->segments[i], 0), 0);
	}
	write_live(CV_LIVE_WORD(++progrun.changes, 0, CV_ENGINE_FIRST));
}

/* The rules that the next packets meet, as the compiler makes them. */
static inline void fill_compiled(const struct cv_rules *rules)
{
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena = { 0 };
	struct cv_arena_source source = cv_arena_heap();
	struct cv_err err = { 0 };

	assert_true(cv_arena_init(&arena, &source));
	if (cv_engine_build(&arena, rules, NULL, &err))
		fail_msg("%s", err.text);
	fill_image(&arena);
}

static inline void fill_rules(const struct test_rules *test)
{
	static struct cv_compiled_rule compiled[TEST_RULES];
	static struct cv_match matches[TEST_MATCHES];
	struct cv_rules rules = { .rules = compiled,
				  .rule_count = TEST_RULES,
				  .matches = matches,
				  .flags = test->flags,
				  .netns_cookie = test->netns_cookie };

	for (size_t i = 0; i < TEST_RULES; i++)
		compiled[i] = (struct cv_compiled_rule){ test->rules[i], test->actions[i] };
	for (int dir = 0; dir < CV_DIR_COUNT; dir++)
		for (uint32_t i = 0; i < test->lists[dir].count; i++) {
			struct cv_match *match = &matches[rules.match_count++];

			*match = test->matches[test->lists[dir].first + i];
			match->dirs = 1 << dir;
		}
	fill_compiled(&rules);
}

static inline void empty_rules(void)
{
	write_live(0);
}

/* ---- counters: every take_ function sets to zero what it reads ---- */

static inline void take_percpu(struct bpf_map *map, const void *key, __u64 *sums, size_t counters,
			       bool is_hash)
{
	CV_FREE __u64 *values = calloc(progrun.cpus, counters * sizeof(*values));
	int fd = bpf_map__fd(map);

	assert_non_null(values);
	memset(sums, 0, counters * sizeof(*sums));
	assert_int_equal(bpf_map_lookup_elem(fd, key, values), 0);
	for (size_t i = 0; i < progrun.cpus * counters; i++)
		sums[i % counters] += values[i];
	memset(values, 0, progrun.cpus * counters * sizeof(*values));
	if (is_hash)
		assert_int_equal(bpf_map_delete_elem(fd, key), 0);
	else
		assert_int_equal(bpf_map_update_elem(fd, key, values, 0), 0);
}

/* Of those that wait to be counted on a CPU. */
static inline void take_waiting(struct cv_waiting *waiting, uint32_t id,
				struct cv_rule_stats *stats)
{
	for (int i = 0; i < CV_COUNTS_WAITING; i++) {
		if (waiting->packets[i] >> 32 != (uint64_t)id + 1)
			continue;
		stats->packets++;
		stats->bytes += (uint32_t)waiting->packets[i];
		stats->last_ns = waiting->last_ns;
		waiting->packets[i] = 0;
	}
}

static inline void take_rule_stats(uint32_t id, struct cv_rule_stats *stats)
{
	*stats = (struct cv_rule_stats){ 0 };
	for (int cpu = 0; cpu < progrun.cpus; cpu++) {
		struct cv_rule_stats *counted = &progrun.counters[cpu].rules[id];

		stats->packets += counted->packets;
		stats->bytes += counted->bytes;
		if (counted->last_ns > stats->last_ns)
			stats->last_ns = counted->last_ns;
		*counted = (struct cv_rule_stats){ 0 };
		take_waiting(&progrun.counters[cpu].waiting, id, stats);
	}
}

static inline void take_tunnel_stats(uint32_t id, struct cv_tunnel_stats *stats)
{
	take_percpu(MAP(CV_MAP_TUNNEL_STATS), &id, (__u64 *)stats, sizeof(*stats) / sizeof(__u64),
		    false);
}

/* One packet under that reason and nothing under any other; CV_R_OK: nothing at all. */
static inline void assert_only_drop(uint32_t tunnel, uint32_t reason)
{
	struct bpf_map *map = MAP(CV_MAP_DROPS);
	struct cv_drop_key key;
	__u64 count = 0, total = 0;
	bool is_right = true;

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, &key)) {
		take_percpu(map, &key, &count, 1, true);
		total += count;
		if (key.tunnel == tunnel && key.reason == reason)
			continue;
		print_error("counted: %s of tunnel %u\n", reason_key(key.reason), key.tunnel);
		is_right = false;
	}
	if (!is_right || total != (reason != CV_R_OK))
		print_error("expected: %s of tunnel %u; %llu counted\n", reason_key(reason), tunnel,
			    (unsigned long long)total);
	assert_true(is_right);
	assert_int_equal(total, reason != CV_R_OK);
}

static inline void assert_verdict(int actual, int expected)
{
	if (actual != expected)
		print_error("verdict: %s, expected: %s\n", verdict_name(actual),
			    verdict_name(expected));
	assert_int_equal(actual, expected);
}

static inline void assert_frame(const struct frame *actual, const struct frame *expected)
{
	if (actual->len == expected->len && !memcmp(actual->bytes, expected->bytes, actual->len))
		return;
	frame_print("frame", actual->bytes, actual->len);
	frame_print("expected", expected->bytes, expected->len);
	fail_msg("the frame is not what it should be");
}

#endif
