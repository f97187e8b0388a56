/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rule engine in user space: what building an image takes and how large it is, what changes in
 * place take, and whether all of it says what the oracle says.
 *   enginebench STYLE COUNT FAMILY [shuffled] [packets N] [changes N]
 * Prints one line of names and values. Half of the changes put rules in that the image does not
 * have, half take rules out. Exit status 1: some packet was classified wrongly.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "../rulesets/forms.h"
#include "../rulesets/index.h"
#include "../rulesets/trace.h"
#include "compiler/engine.h"
#include "number.h"
#include "own.h"

#define NUMBER_MAX 20000000
#define SEED_CHANGES 3
#define BUILDS 5
#define TRANSACTION 1000

struct bench {
	struct ruleset set;
	struct cv_rules rules; /* all, with those that come by changes */
	struct index index;
	bool *is_kept; /* by rule: the image has it */
	struct cv_arena arena;
	uint16_t generation;
	size_t built; /* rules in the image at first: one of SPARE is left out */
	long packets;
	long changes;
	struct random random;
};

/* One of so many rules is kept out for changes, if there are changes. */
#define SPARE 20

static void die(const char *what, const struct cv_err *err)
{
	fprintf(stderr, "enginebench: %s: %s\n", what, err ? err->text : "no memory");
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- build ---- */

static bool is_spare(const struct bench *bench, size_t rule)
{
	return bench->changes && rule % SPARE == SPARE - 1;
}

/* The rules that the image is built of; borrows nothing. */
static void pick_built(const struct bench *bench, struct cv_rules *built)
{
	*built = (struct cv_rules){ 0 };
	built->rules = calloc(bench->rules.rule_count, sizeof(*built->rules));
	built->matches = calloc(bench->rules.match_count, sizeof(*built->matches));
	if (!built->rules || !built->matches)
		die("rules", NULL);
	for (size_t i = 0; i < bench->rules.rule_count; i++) {
		if (is_spare(bench, i))
			continue;
		built->rules[built->rule_count] = bench->rules.rules[i];
		built->matches[built->match_count] = bench->rules.matches[i];
		built->matches[built->match_count++].rule = built->rule_count++;
	}
}

/* Returns the fastest of some builds, ns; the last one's image stays. */
static uint64_t build(struct bench *bench)
{
	const struct cv_arena_source heap = cv_arena_heap();
	CV_CLEANUP(cv_rules_fini) struct cv_rules built = { 0 };
	uint64_t fastest = UINT64_MAX, took;
	struct cv_err err;

	pick_built(bench, &built);
	for (int i = 0; i < BUILDS; i++) {
		if (i)
			cv_arena_heap_fini(&bench->arena);
		took = now_ns();
		cv_arena_init(&bench->arena, &heap);
		if (cv_engine_build(&bench->arena, &built, NULL, &err))
			die("build", &err);
		took = now_ns() - took;
		fastest = took < fastest ? took : fastest;
	}
	bench->generation = CV_ENGINE_FIRST;
	bench->built = built.rule_count;
	for (size_t i = 0; i < bench->rules.rule_count; i++)
		bench->is_kept[i] = !is_spare(bench, i);
	return fastest;
}

/* ---- verdicts ---- */

static struct cv_engine_packet asked_of(const struct cv_oracle_packet *packet)
{
	struct cv_engine_packet asked = {
		.root = packet->family == 6,
		.sport = packet->sport,
		.dport = packet->dport,
		.proto = packet->proto,
		.dir = CV_DIR_IN,
		.has_ports = packet->has_ports,
		.is_ip = true,
	};

	if (packet->family == 4) {
		asked.src[1] = ntohl(packet->src[0]);
		asked.dst[1] = ntohl(packet->dst[0]);
		return asked;
	}
	for (int i = 0; i < 2; i++) {
		asked.src[i] =
			(uint64_t)ntohl(packet->src[2 * i]) << 32 | ntohl(packet->src[2 * i + 1]);
		asked.dst[i] =
			(uint64_t)ntohl(packet->dst[2 * i]) << 32 | ntohl(packet->dst[2 * i + 1]);
	}
	return asked;
}

static bool no_extra(const struct cv_extra *extra, const void *arg)
{
	(void)arg;
	return !extra->flags;
}

static uint32_t mark_of(const struct bench *bench, const struct cv_oracle_packet *packet,
			uint32_t *steps)
{
	struct cv_engine_packet asked = asked_of(packet);
	uint32_t cell =
		cv_engine_find(&bench->arena, bench->generation, &asked, 0, no_extra, NULL, steps);

	return cell ? ((struct cv_rule *)cv_arena_at(&bench->arena, cell))->mark : 0;
}

static void draw(struct bench *bench, struct cv_oracle_packet *packet)
{
	const struct ruleset_rule *rule =
		&bench->set.rules[random_below(&bench->random, bench->set.count)];

	if (random_below(&bench->random, 3))
		trace_draw_inside(&bench->random, rule, packet);
	else
		trace_draw_edge(&bench->random, rule, packet);
}

struct judged {
	long wrong;
	double steps; /* of a packet, mean */
	uint32_t steps_max;
};

static struct judged judge(struct bench *bench)
{
	const struct index_part part = { .is_kept = bench->is_kept,
					 .end = bench->rules.match_count };
	struct judged judged = { 0 };
	struct cv_oracle_packet packet;
	uint32_t steps = 0;

	for (long i = 0; i < bench->packets; i++) {
		size_t first;
		uint32_t mark;

		draw(bench, &packet);
		first = index_first(&bench->index, &packet, CV_DIR_IN, &part);
		mark = mark_of(bench, &packet, &steps);
		judged.wrong += mark != (first == part.end ? 0 : form_mark(first));
		judged.steps += steps;
		judged.steps_max = steps > judged.steps_max ? steps : judged.steps_max;
	}
	judged.steps /= bench->packets ? (double)bench->packets : 1;
	return judged;
}

/* ---- changes ---- */

/* The name of the last rule before that one which the image has, or NULL. */
static const char *name_before(const struct bench *bench, size_t rule)
{
	while (rule-- > 0)
		if (bench->is_kept[rule])
			return bench->rules.rules[rule].rule.name;
	return NULL;
}

/* Puts a rule in that is not there, or takes out one that is. Returns what the engine does. */
static int change_one(struct bench *bench, struct cv_engine_update *update, size_t rule)
{
	const struct cv_engine_rule coming = {
		.rule = &bench->rules.rules[rule],
		.matches = &bench->rules.matches[rule],
		.match_count = 1,
	};
	struct cv_err err;
	int rc;

	if (bench->is_kept[rule])
		rc = cv_engine_remove(update, coming.rule->rule.name, &err);
	else
		rc = cv_engine_insert(update, &coming, name_before(bench, rule), &err);
	if (!rc)
		bench->is_kept[rule] = !bench->is_kept[rule];
	return rc;
}

/* As many changes as one. Returns ns, 0 if the engine wants to be built anew. */
static uint64_t change(struct bench *bench, size_t count, bool is_new_wanted)
{
	CV_CLEANUP(cv_engine_close) struct cv_engine_update *update = NULL;
	uint64_t begin = now_ns();
	struct cv_err err;
	int rc = cv_engine_open(&update, &bench->arena, bench->generation, &err);

	for (size_t i = 0; i < count && !rc; i++) {
		size_t rule;

		do
			rule = random_below(&bench->random, bench->rules.rule_count);
		while (bench->is_kept[rule] == (is_new_wanted ^ (i & 1)));
		rc = change_one(bench, update, rule);
	}
	if (rc)
		return 0;
	bench->generation = cv_engine_commit(update);
	return now_ns() - begin;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

struct latencies {
	double median_us;
	double p99_us;
	double max_us;
	double transaction_ms; /* TRANSACTION rules, at one instant */
	long rebuilt; /* so often a change could not be made in place */
};

static struct latencies change_many(struct bench *bench)
{
	CV_FREE uint64_t *times = calloc(bench->changes, sizeof(*times));
	struct latencies latencies = { 0 };

	if (!times)
		die("changes", NULL);
	for (long i = 0; i < bench->changes; i++) {
		times[i] = change(bench, 1, i & 1);
		latencies.rebuilt += !times[i];
	}
	qsort(times, bench->changes, sizeof(*times), compare_u64);
	latencies.median_us = times[bench->changes / 2] / 1e3;
	latencies.p99_us = times[bench->changes * 99 / 100] / 1e3;
	latencies.max_us = times[bench->changes - 1] / 1e3;
	latencies.transaction_ms = change(bench, TRANSACTION, true) / 1e6;
	return latencies;
}

/* ---- the whole ---- */

static void usage(void)
{
	fprintf(stderr, "usage: enginebench acl|fw|ipc|mix COUNT 4|6|both [shuffled] [packets N] "
			"[changes N]\n");
	exit(2);
}

static void read_args(struct bench *bench, struct ruleset_conf *conf, int argc, char **argv)
{
	if (argc < 4 || !ruleset_conf_read(conf, argv[1], argv[2], argv[3]))
		usage();
	for (char **word = argv + 4; *word; word++) {
		if (!strcmp(*word, "shuffled"))
			conf->is_shuffled = true;
		else if (!strcmp(*word, "packets") && word[1])
			bench->packets = parse_number("enginebench", *++word, NUMBER_MAX);
		else if (!strcmp(*word, "changes") && word[1])
			bench->changes = parse_number("enginebench", *++word, NUMBER_MAX);
		else
			usage();
	}
}

static void make_rules(struct bench *bench, const struct ruleset_conf *conf)
{
	if (ruleset_make(&bench->set, conf) || form_compiled(&bench->rules, &bench->set) ||
	    index_make(&bench->index, &bench->rules))
		die("rules", NULL);
	bench->is_kept = calloc(bench->set.count, sizeof(*bench->is_kept));
	if (!bench->is_kept)
		die("rules", NULL);
}

static void print_latencies(const struct latencies *latencies, const struct judged *after)
{
	printf(" change_median_us %.1f change_p99_us %.1f change_max_us %.1f transaction_ms %.2f "
	       "rebuilt %ld wrong_after %ld",
	       latencies->median_us, latencies->p99_us, latencies->max_us,
	       latencies->transaction_ms, latencies->rebuilt, after->wrong);
}

/* What is still held when this ends is the kernel's to release. */
int main(int argc, char **argv)
{
	static struct bench bench = { .packets = 200000, .random.state = SEED_CHANGES };
	struct cv_engine_stats stats;
	struct ruleset_conf conf;
	struct judged before, after = { 0 };
	uint64_t took;

	read_args(&bench, &conf, argc, argv);
	make_rules(&bench, &conf);
	took = build(&bench);
	cv_engine_stats(&bench.arena, &stats);
	before = judge(&bench);
	printf("build_ms %.1f bytes %llu tuples %u steps %u steps_mean %.1f steps_seen %u wrong %ld",
	       took / 1e6, (unsigned long long)stats.bytes, stats.tuples, stats.steps, before.steps,
	       before.steps_max, before.wrong);
	if (bench.changes) {
		struct latencies latencies = change_many(&bench);

		after = judge(&bench);
		print_latencies(&latencies, &after);
	}
	printf("\n");
	return before.wrong || after.wrong;
}
