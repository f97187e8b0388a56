/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the search for a rule takes alone, in program runs (../bench/lookup.bpf.c); as root.
 *   lookupbench STYLE COUNT FAMILY TRACE PACKETS ROUNDS [shuffled]
 * TRACE: uniform, zipf. Prints ns a packet, less the same program without the search: the sum of the
 * fastest runs of each part of the trace, and the median; the same with a flow cache; and the
 * calibrator, one load from 4 MB. Each packet's rule is compared with the oracle's in every run. Exit
 * status 1: a wrong one.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bench/lookup.h"
#include "../rulesets/workload.h"
#include "cache.h"
#include "compiler/engine.h"
#include "lookup.skel.h"
#include "number.h"
#include "own.h"

#define PACKETS_MAX 4000000
#define PART 2000 /* packets of one run */
#define ROUNDS_MAX 100
#define SEED_PLACES 3

/* Programs that take turns. */
enum runner { R_NOTHING, R_RULE, R_CACHED, R_MEMORY, R_COUNT };

struct bench {
	struct workload work;
	struct lookup_bpf *skel;
	size_t parts;
	long rounds;
	uint32_t *runs[R_COUNT]; /* owned; ns a packet, by part and round */
};

static void die(const char *what, int error)
{
	fprintf(stderr, "lookupbench: %s: %s\n", what, strerror(error));
	exit(1);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: lookupbench acl|fw|ipc|mix COUNT 4|6|both uniform|zipf PACKETS ROUNDS "
		"[shuffled]\n");
	exit(2);
}

/* ---- rules and packets ---- */

static void make_packets(struct bench *bench, const struct ruleset_conf *conf, enum trace_kind kind,
			 size_t packets)
{
	int rc = workload_make(&bench->work, conf, kind, packets);

	if (rc)
		die("rules", -rc);
}

static void *map_memory(int fd, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, (size + page - 1) / page * page, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		die("mmap", errno);
	return memory;
}

static void fill_trace(struct bench *bench)
{
	struct lookup_packet *memory = map_memory(bpf_map__fd(bench->skel->maps.lookup_trace),
						  bench->work.trace.count * sizeof(*memory));

	for (size_t i = 0; i < bench->work.trace.count; i++) {
		const struct cv_oracle_packet *packet = &bench->work.trace.packets[i];
		const struct cv_compiled_rule *rule =
			index_find(&bench->work.index, packet, CV_DIR_IN);

		memory[i] = (struct lookup_packet){
			.mark = rule ? rule->rule.mark : 0,
			.sport = packet->sport,
			.dport = packet->dport,
			.family = packet->family,
			.proto = packet->proto,
			.has_ports = packet->has_ports,
		};
		memcpy(memory[i].src, packet->src, sizeof(packet->src));
		memcpy(memory[i].dst, packet->dst, sizeof(packet->dst));
	}
}

/* One ring through all places (Sattolo). */
static void fill_places(const struct bench *bench)
{
	struct lookup_place *memory = map_memory(bpf_map__fd(bench->skel->maps.lookup_places),
						 LOOKUP_PLACES * sizeof(*memory));
	struct random random = { .state = SEED_PLACES };

	for (uint32_t i = 0; i < LOOKUP_PLACES; i++)
		memory[i].next = i;
	for (uint32_t i = LOOKUP_PLACES - 1; i > 0; i--) {
		uint32_t other = random_below(&random, i), next = memory[i].next;

		memory[i].next = memory[other].next;
		memory[other].next = next;
	}
}

/* ---- the image ---- */

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* A segment of the arena in a slot of the programs' map. */
static struct cv_arena_segment *make_segment(void *arg, uint32_t index)
{
	struct bench *bench = arg;
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	CV_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bench_segment", sizeof(uint32_t),
					 sizeof(struct cv_arena_segment), 1, &opts);

	if (fd < 0 || bpf_map_update_elem(bpf_map__fd(bench->skel->maps.cv_rules), &index, &fd, 0))
		die("segment", errno);
	return map_memory(fd, sizeof(struct cv_arena_segment));
}

static void fill_image(struct bench *bench)
{
	const struct cv_arena_source source = { .make = make_segment, .arg = bench };
	struct cv_live live = { .word = CV_LIVE_WORD(1, 0, CV_ENGINE_FIRST) };
	static struct cv_arena arena;
	uint32_t zero = 0;
	struct cv_err err;

	if (!cv_arena_init(&arena, &source) ||
	    cv_engine_build(&arena, &bench->work.rules, NULL, &err)) {
		fprintf(stderr, "lookupbench: %s\n", err.text);
		exit(1);
	}
	if (bpf_map_update_elem(bpf_map__fd(bench->skel->maps.cv_live), &zero, &live, 0))
		die("live", errno);
}

static void load(struct bench *bench)
{
	struct bpf_map *map;
	struct cv_err err;

	libbpf_set_print(silent);
	bench->skel = lookup_bpf__open();
	if (!bench->skel ||
	    bpf_map__set_max_entries(bench->skel->maps.lookup_trace, bench->work.trace.count))
		die("programs", errno);
	/* Nothing is shared with an instance. */
	bpf_object__for_each_map (map, bench->skel->obj)
		if (bpf_map__set_pin_path(map, NULL))
			die("maps", errno);
	if (lookup_bpf__load(bench->skel))
		die("programs", errno);
	fill_trace(bench);
	fill_places(bench);
	fill_image(bench);
	if (cv_caches_make(bpf_map__fd(bench->skel->maps.cv_caches), &err)) {
		fprintf(stderr, "lookupbench: %s\n", err.text);
		exit(1);
	}
}

/* ---- runs ---- */

static int program_of(const struct bench *bench, enum runner runner)
{
	const struct bpf_program *const programs[R_COUNT] = {
		[R_NOTHING] = bench->skel->progs.lookup_nothing,
		[R_RULE] = bench->skel->progs.lookup_rule,
		[R_CACHED] = bench->skel->progs.lookup_cached,
		[R_MEMORY] = bench->skel->progs.lookup_memory,
	};

	return bpf_program__fd(programs[runner]);
}

static uint32_t run_part(const struct bench *bench, enum runner runner, size_t part)
{
	uint8_t frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = PART);

	bench->skel->bss->lookup_cursor = part * PART;
	if (bpf_prog_test_run_opts(program_of(bench, runner), &opts))
		die("run", errno);
	return opts.duration;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

struct figure {
	double fastest;
	double median;
};

static struct figure figure_of(const struct bench *bench, enum runner runner)
{
	struct figure figure = { 0 };

	for (size_t part = 0; part < bench->parts; part++) {
		uint32_t *runs = bench->runs[runner] + part * bench->rounds;

		qsort(runs, bench->rounds, sizeof(*runs), compare_u32);
		figure.fastest += runs[0] / (double)bench->parts;
		figure.median += runs[bench->rounds / 2] / (double)bench->parts;
	}
	return figure;
}

static void run_all(struct bench *bench)
{
	for (int runner = 0; runner < R_COUNT; runner++) {
		bench->runs[runner] = calloc(bench->parts * bench->rounds, sizeof(uint32_t));
		if (!bench->runs[runner])
			die("runs", ENOMEM);
	}
	for (long round = 0; round < bench->rounds; round++)
		for (int runner = 0; runner < R_COUNT; runner++)
			for (size_t part = 0; part < bench->parts; part++)
				bench->runs[runner][part * bench->rounds + round] =
					run_part(bench, runner, part);
}

/* Returns how many packets met another rule than the oracle's. */
static unsigned long long print_figures(const struct bench *bench)
{
	unsigned long long wrong = bench->skel->bss->lookup_wrong;
	struct figure nothing = figure_of(bench, R_NOTHING), rule = figure_of(bench, R_RULE);
	struct figure cached = figure_of(bench, R_CACHED), memory = figure_of(bench, R_MEMORY);

	printf("ns %.1f median %.1f cached %.1f base %.1f memory %.1f wrong %llu\n",
	       rule.fastest - nothing.fastest, rule.median - nothing.median,
	       cached.fastest - nothing.fastest, nothing.fastest, memory.fastest, wrong);
	return wrong;
}

/* What is still held when this ends is the kernel's to release. */
int main(int argc, char **argv)
{
	static struct bench bench;
	struct ruleset_conf conf;
	int kind;

	if (argc < 7 || !ruleset_conf_read(&conf, argv[1], argv[2], argv[3]))
		usage();
	kind = ruleset_choose(trace_kind_names, TRACE_KIND_COUNT, argv[4]);
	if (kind < 0)
		usage();
	conf.is_shuffled = argc > 7 && !strcmp(argv[7], "shuffled");
	bench.parts = parse_number("lookupbench", argv[5], PACKETS_MAX) / PART;
	bench.rounds = parse_number("lookupbench", argv[6], ROUNDS_MAX);
	make_packets(&bench, &conf, kind, bench.parts * PART);
	load(&bench);
	run_all(&bench);
	return print_figures(&bench) != 0;
}
