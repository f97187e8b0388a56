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

/* The rules that the image is to have; borrows nothing. */
static void pick_kept(const struct bench *bench, struct cv_rules *kept)
{
	*kept = (struct cv_rules){ 0 };
	kept->rules = calloc(bench->rules.rule_count, sizeof(*kept->rules));
	kept->matches = calloc(bench->rules.match_count, sizeof(*kept->matches));
	if (!kept->rules || !kept->matches)
		die("rules", NULL);
	for (size_t i = 0; i < bench->rules.rule_count; i++) {
		if (!bench->is_kept[i])
			continue;
		kept->rules[kept->rule_count] = bench->rules.rules[i];
		kept->matches[kept->match_count] = bench->rules.matches[i];
		kept->matches[kept->match_count++].rule = kept->rule_count++;
	}
}

/* Builds an image of the rules that are kept, in place of the one before. Returns ns. */
static uint64_t build(struct bench *bench, const struct cv_rules *kept)
{
	const struct cv_arena_source heap = cv_arena_heap();
	struct cv_err err = { 0 };
	uint64_t begin = now_ns();

	cv_arena_heap_fini(&bench->arena);
	if (!cv_arena_init(&bench->arena, &heap) ||
	    cv_engine_build(&bench->arena, kept, NULL, &err))
		die("build", &err);
	bench->generation = CV_ENGINE_FIRST;
	return now_ns() - begin;
}

/* Returns the fastest of some builds, ns. */
static uint64_t build_often(struct bench *bench)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules kept = { 0 };
	uint64_t fastest = UINT64_MAX;

	for (size_t i = 0; i < bench->rules.rule_count; i++)
		bench->is_kept[i] = !is_spare(bench, i);
	pick_kept(bench, &kept);
	for (int i = 0; i < BUILDS; i++) {
		uint64_t took = build(bench, &kept);

		fastest = took < fastest ? took : fastest;
	}
	return fastest;
}

static void build_anew(struct bench *bench)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules kept = { 0 };

	pick_kept(bench, &kept);
	build(bench, &kept);
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

	return cell ? ((struct cv_rule_cell *)cv_arena_at(&bench->arena, cell))->mark : 0;
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

/* What a change takes, ns. */
struct times {
	uint64_t open; /* finding one's way in the image */
	uint64_t change; /* all else */
};

/* One rule that is there or not, as is wanted. */
static size_t draw_rule(struct bench *bench, bool is_kept)
{
	size_t rule;

	do
		rule = random_below(&bench->random, bench->rules.rule_count);
	while (bench->is_kept[rule] != is_kept);
	return rule;
}

/* Makes so many changes that packets see at one instant, rules coming and going in turn. False: they
 * could not be made in place, and the image was built anew. */
static bool change(struct bench *bench, size_t count, bool is_going, struct times *times)
{
	CV_CLEANUP(cv_engine_close) struct cv_engine_update *update = NULL;
	uint64_t begin = now_ns(), opened;
	struct cv_err err;
	int rc = cv_engine_open(&update, &bench->arena, bench->generation, &err);

	opened = now_ns();
	for (size_t i = 0; i < count && !rc; i++)
		rc = change_one(bench, update, draw_rule(bench, is_going ^ (i & 1)));
	if (rc) {
		cv_engine_close(&update);
		build_anew(bench);
		return false;
	}
	bench->generation = cv_engine_commit(update);
	*times = (struct times){ .open = opened - begin, .change = now_ns() - opened };
	return true;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

struct latencies {
	double open_us; /* median */
	double median_us; /* of one change, once the image is open */
	double p99_us;
	double max_us;
	double transaction_ms; /* TRANSACTION rules, with opening */
	long rebuilt; /* so often a change could not be made in place */
};

/* Sorts. */
static double quantile_us(uint64_t *times, long count, double share)
{
	qsort(times, count, sizeof(*times), compare_u64);
	return count ? times[(long)((double)(count - 1) * share)] / 1e3 : 0;
}

static struct latencies change_many(struct bench *bench)
{
	CV_FREE uint64_t *opens = calloc(bench->changes, sizeof(*opens));
	CV_FREE uint64_t *changes = calloc(bench->changes, sizeof(*changes));
	struct latencies latencies = { 0 };
	struct times times = { 0 };
	long done = 0;

	if (!opens || !changes)
		die("changes", NULL);
	for (long i = 0; i < bench->changes; i++) {
		if (!change(bench, 1, i & 1, &times)) {
			latencies.rebuilt++;
			continue;
		}
		opens[done] = times.open;
		changes[done++] = times.change;
	}
	latencies.open_us = quantile_us(opens, done, 0.5);
	latencies.median_us = quantile_us(changes, done, 0.5);
	latencies.p99_us = quantile_us(changes, done, 0.99);
	latencies.max_us = quantile_us(changes, done, 1);
	/* From a fresh image, which has room for it. */
	build_anew(bench);
	if (change(bench, TRANSACTION, false, &times))
		latencies.transaction_ms = (times.open + times.change) / 1e6;
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
	printf(" open_us %.1f change_median_us %.1f change_p99_us %.1f change_max_us %.1f transaction_ms %.2f "
	       "rebuilt %ld wrong_after %ld",
	       latencies->open_us, latencies->median_us, latencies->p99_us, latencies->max_us,
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
	took = build_often(&bench);
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
