/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sends a trace through network namespaces as a card would (XDP live frames), each of which has the
 * same rules in another system, at device in0:
 *   rulebench check STYLE COUNT FAMILY TRACE PACKETS [shuffled] NETNS KIND ...
 *     what comes out at device sink must have the mark of the rule that the oracle says. KIND: exact;
 *     nft (what its set can hold); iptables (marks of chains); u32 (classes).
 *   rulebench time STYLE COUNT FAMILY TRACE PACKETS [shuffled] ROUNDS NETNS[/PACKETS] ...
 *     prints for each: NETNS, ns a packet as the sum of the fastest runs of each part of the trace, and
 *     the median. With fewer packets only the first ones of the trace are sent there.
 *   rulebench floor NETNS
 *     has the packets there meet ../bench/floor.bpf.c.
 * TRACE: uniform, zipf. NETNS: a name. The kernel's own clock brackets the packets alone, from
 * their device to where they end; namespaces take turns.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bench/live.h"
#include "../rulesets/forms.h"
#include "../rulesets/workload.h"
#include "../rulesets/wire.h"
#include "floor.skel.h"
#include "live.skel.h"
#include "number.h"
#include "own.h"

#define PACKETS_MAX 4000000
#define PART 2000 /* packets of one run */
#define ROUNDS_MAX 100
#define SYSTEMS_MAX 16
#define BATCH 64
#define WRONG_TOLD 3 /* one by one, of a system */

_Static_assert(LIVE_LEN == WIRE_LEN, "frames are as rulesets/wire.h makes them");

/* A namespace with the rules in one system. */
struct system {
	const char *name;
	const char *kind;
	int netns;
	unsigned int ifindex; /* of in0 */
	size_t packets; /* of the trace, that are sent */
	uint32_t *runs; /* owned; ns a packet, by part and round */
};

struct bench {
	struct workload work;
	struct live_bpf *skel;
	struct live_frame *frames; /* the map's memory */
	uint64_t *marks;
	int home; /* network namespace that the program began in */
	struct system systems[SYSTEMS_MAX];
	size_t system_count;
	long rounds;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "rulebench: %s: %s\n", what, strerror(error));
	exit(1);
}

static void usage(void)
{
	fprintf(stderr, "usage: rulebench check|time STYLE COUNT 4|6|both uniform|zipf PACKETS "
			"[shuffled] (NETNS KIND)...|ROUNDS NETNS[/PACKETS]...\n"
			"       rulebench floor NETNS\n");
	exit(2);
}

/* ---- rules, packets, program ---- */

static void make_packets(struct bench *bench, const struct ruleset_conf *conf, enum trace_kind kind,
			 size_t packets)
{
	int rc = workload_make(&bench->work, conf, kind, packets);

	if (rc)
		die("rules", -rc);
}

static void *map_memory(const struct bpf_map *map, size_t count, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, (count * size + page - 1) / page * page, PROT_READ | PROT_WRITE,
			    MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		die("mmap", errno);
	return memory;
}

/* That a clsact is there already is no news. */
static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static void load(struct bench *bench)
{
	size_t count = bench->work.trace.count;

	libbpf_set_print(silent);
	bench->skel = live_bpf__open();
	if (!bench->skel || bpf_map__set_max_entries(bench->skel->maps.live_trace, count) ||
	    bpf_map__set_max_entries(bench->skel->maps.live_marks, count) ||
	    live_bpf__load(bench->skel))
		die("programs", errno);
	bench->frames = map_memory(bench->skel->maps.live_trace, count, sizeof(*bench->frames));
	bench->marks = map_memory(bench->skel->maps.live_marks, count, sizeof(*bench->marks));
	for (size_t i = 0; i < count; i++)
		wire_frame((uint8_t *)&bench->frames[i], &bench->work.trace.packets[i], i);
}

/* ---- namespaces ---- */

static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET))
		die("setns", errno);
}

static int open_netns(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path, errno);
	return fd;
}

static void add_system(struct bench *bench, const char *name, const char *kind, size_t packets)
{
	struct system *system = &bench->systems[bench->system_count++];

	if (bench->system_count == SYSTEMS_MAX)
		die(name, E2BIG);
	*system = (struct system){
		.name = name, .kind = kind, .netns = open_netns(name), .packets = packets
	};
	enter(system->netns);
	system->ifindex = if_nametoindex("in0");
	if (!system->ifindex)
		die("in0", errno);
}

/* Sends packets of the trace from first on into the namespace that was entered. Returns ns a packet. */
static uint32_t send_part(struct bench *bench, const struct system *system, size_t first,
			  size_t count)
{
	uint8_t frame[LIVE_LEN] = { 0 };
	struct xdp_md ctx = { .data_end = sizeof(frame), .ingress_ifindex = system->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = (int)count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	bench->skel->bss->live_cursor = first;
	if (bpf_prog_test_run_opts(bpf_program__fd(bench->skel->progs.live_source), &opts))
		die("live frames", errno);
	return opts.duration;
}

/* ---- check ---- */

static void watch_sink(const struct bench *bench)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("sink"),
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .flags = BPF_TC_F_REPLACE,
		    .prog_fd = bpf_program__fd(bench->skel->progs.live_sink));
	int rc = bpf_tc_hook_create(&hook);

	if (!rc || rc == -EEXIST)
		rc = bpf_tc_attach(&hook, &opts);
	if (rc)
		die("sink", -rc);
}

/* The mark that a packet has to have; 0: it meets no rule. */
static uint32_t expected_mark(const struct bench *bench, const struct system *system,
			      const bool *is_kept, const struct cv_oracle_packet *packet)
{
	const struct index_part part = { .is_kept = is_kept, .end = bench->work.rules.match_count };
	size_t first = index_first(&bench->work.index, packet, CV_DIR_IN, &part);

	if (first == part.end)
		return 0;
	if (!strcmp(system->kind, "iptables"))
		return form_iptables_mark(first);
	return !strcmp(system->kind, "u32") ? form_mark(first) & 0xffff : form_mark(first);
}

/* Of elements that overlap nft promises any: one that it holds and that matches is right. */
static bool is_some_rule(const struct bench *bench, const bool *is_kept, uint32_t mark,
			 const struct cv_oracle_packet *packet)
{
	return mark && mark <= bench->work.set.count && is_kept[mark - 1] &&
	       cv_oracle_holds(&bench->work.rules, &bench->work.rules.matches[mark - 1], packet);
}

static void tell_wrong(const struct bench *bench, const struct system *system, size_t packet,
		       uint32_t mark)
{
	if (bench->marks[packet])
		fprintf(stderr, "%s: packet %zu: mark %u, the oracle says %u\n", system->name,
			packet, (uint32_t)bench->marks[packet] - 1, mark);
	else
		fprintf(stderr, "%s: packet %zu did not arrive\n", system->name, packet);
}

/* Returns how many are wrong; adds to *others those that nft gave to another rule than the first. */
static size_t compare_marks(const struct bench *bench, const struct system *system,
			    const bool *is_kept, size_t *others)
{
	size_t wrong = 0;

	for (size_t i = 0; i < bench->work.trace.count; i++) {
		const struct cv_oracle_packet *packet = &bench->work.trace.packets[i];
		uint32_t mark = expected_mark(bench, system, is_kept, packet);

		if (bench->marks[i] == (uint64_t)mark + 1)
			continue;
		if (is_kept && mark && bench->marks[i] &&
		    is_some_rule(bench, is_kept, bench->marks[i] - 1, packet))
			++*others;
		else if (wrong++ < WRONG_TOLD)
			tell_wrong(bench, system, i, mark);
	}
	return wrong;
}

/* Returns how many packets were classified wrongly. */
static size_t check_system(struct bench *bench, const struct system *system)
{
	CV_FREE bool *is_kept = NULL;
	size_t wrong, others = 0;

	if (!strcmp(system->kind, "nft")) {
		is_kept = calloc(bench->work.set.count, sizeof(*is_kept));
		if (!is_kept || form_nft_subset(&bench->work.set, is_kept) < 0)
			die("nft", ENOMEM);
	}
	enter(system->netns);
	watch_sink(bench);
	memset(bench->marks, 0, bench->work.trace.count * sizeof(*bench->marks));
	send_part(bench, system, 0, bench->work.trace.count);
	wrong = compare_marks(bench, system, is_kept, &others);
	printf("%s: %zu packets, %zu wrong", system->name, bench->work.trace.count, wrong);
	printf(others ? ", %zu to another rule than the first\n" : "\n", others);
	return wrong;
}

static int check(struct bench *bench, char **words)
{
	size_t wrong = 0;

	for (; words[0] && words[1]; words += 2)
		add_system(bench, words[0], words[1], bench->work.trace.count);
	for (size_t i = 0; i < bench->system_count; i++)
		wrong += check_system(bench, &bench->systems[i]);
	return wrong != 0;
}

/* ---- time ---- */

static int compare_u32(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static size_t part_count(const struct system *system)
{
	return (system->packets + PART - 1) / PART;
}

static void time_round(struct bench *bench, struct system *system, long round)
{
	size_t parts = part_count(system);

	enter(system->netns);
	for (size_t part = 0; part < parts; part++) {
		size_t first = part * PART, rest = system->packets - first;

		system->runs[part * bench->rounds + round] =
			send_part(bench, system, first, rest < PART ? rest : PART);
	}
}

static void print_system(const struct bench *bench, const struct system *system)
{
	size_t parts = part_count(system);
	double fastest = 0, median = 0;

	for (size_t part = 0; part < parts; part++) {
		uint32_t *runs = system->runs + part * bench->rounds;

		qsort(runs, bench->rounds, sizeof(*runs), compare_u32);
		fastest += runs[0];
		median += runs[bench->rounds / 2];
	}
	printf("%s %.1f %.1f\n", system->name, fastest / (double)parts, median / (double)parts);
}

static int time_systems(struct bench *bench, char **words)
{
	bench->rounds = parse_number("rulebench", *words++, ROUNDS_MAX);
	for (; *words; words++) {
		char *packets = strchr(*words, '/');

		if (packets)
			*packets++ = 0;
		add_system(bench, *words, "",
			   packets ? (size_t)parse_number("rulebench", packets, PACKETS_MAX)
				   : bench->work.trace.count);
	}
	for (size_t i = 0; i < bench->system_count; i++) {
		struct system *system = &bench->systems[i];

		if (system->packets > bench->work.trace.count)
			system->packets = bench->work.trace.count;
		system->runs = calloc(part_count(system) * bench->rounds, sizeof(*system->runs));
		if (!system->runs)
			die("memory", ENOMEM);
	}
	for (long round = 0; round < bench->rounds; round++)
		for (size_t i = 0; i < bench->system_count; i++)
			time_round(bench, &bench->systems[i], round);
	for (size_t i = 0; i < bench->system_count; i++)
		print_system(bench, &bench->systems[i]);
	return 0;
}

/* ---- floor ---- */

/* The filter holds the program when this ends. */
static int put_floor(const char *netns)
{
	struct floor_bpf *floor;
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);
	int rc;

	libbpf_set_print(silent);
	floor = floor_bpf__open_and_load();
	if (!floor)
		die("programs", errno);
	enter(open_netns(netns));
	hook.ifindex = (int)if_nametoindex("in0");
	opts.prog_fd = bpf_program__fd(floor->progs.floor_ingress);
	rc = bpf_tc_hook_create(&hook);
	if (!rc || rc == -EEXIST)
		rc = bpf_tc_attach(&hook, &opts);
	if (rc)
		die("in0", -rc);
	return 0;
}

/* What is still held when this ends is the kernel's to release. */
int main(int argc, char **argv)
{
	static struct bench bench;
	struct ruleset_conf conf;
	int kind;
	char **words = argv + 7;

	if (argc == 3 && !strcmp(argv[1], "floor"))
		return put_floor(argv[2]);
	if (argc < 9 || !ruleset_conf_read(&conf, argv[2], argv[3], argv[4]))
		usage();
	kind = ruleset_choose(trace_kind_names, TRACE_KIND_COUNT, argv[5]);
	if (kind < 0)
		usage();
	conf.is_shuffled = !strcmp(*words, "shuffled");
	make_packets(&bench, &conf, kind, parse_number("rulebench", argv[6], PACKETS_MAX));
	load(&bench);
	words += conf.is_shuffled;
	if (!strcmp(argv[1], "check"))
		return check(&bench, words);
	if (!strcmp(argv[1], "time"))
		return time_systems(&bench, words);
	usage();
	return 2;
}
