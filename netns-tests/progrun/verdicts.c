/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs against the oracle: frames of every kind (../rulesets/wild.h) on rule sets of every
 * style, with conditions that few rules have. Verdict and mark of each must be what the plain
 * definition says of what a second reader sees in the frame.
 *
 * VERDICT_PACKETS: frames of each case; VERDICT_SIZES: rules, with commas. For the whole proof
 * VERDICT_PACKETS=10000000 VERDICT_SIZES=1000,10000,100000,1000000.
 */
#include "classifier.h"
#include "host.h"

#include "cache.h"
#include "../rulesets/forms.h"
#include "../rulesets/hostile.h"
#include "../rulesets/index.h"
#include "../rulesets/reader.h"
#include "../rulesets/twist.h"
#include "../rulesets/wild.h"

#define PACKETS 20000
#define SIZES "1000,10000"
#define TOLD 3 /* wrong ones, one by one */
#define SEED 11
#define LOOPBACK 1 /* ifindex */
#define TWISTED 8 /* one rule of so many, but ... */
#define TWISTED_MAX 1000 /* rules: many that no address tells apart are refused */

struct verdict_case {
	enum ruleset_style style;
	enum ruleset_family family;
	bool is_shuffled;
	unsigned int twists; /* TWIST_* */
	bool has_cache;
};

static const struct verdict_case cases[] = {
	{ RULESET_ACL, RULESET_BOTH, .twists = TWIST_ALL },
	{ RULESET_FW, RULESET_BOTH, .is_shuffled = true, .twists = TWIST_ALL },
	{ RULESET_IPC, RULESET_BOTH, .twists = TWIST_ALL },
	{ RULESET_MIX, RULESET_BOTH, .is_shuffled = true, .twists = TWIST_ALL },
	{ RULESET_FW, RULESET_IPV4, .is_shuffled = false },
	{ RULESET_IPC, RULESET_IPV6, .is_shuffled = true },
	{ RULESET_MIX, RULESET_BOTH, .twists = TWIST_ALL & ~TWIST_SIZES, .has_cache = true },
	{ RULESET_FW, RULESET_BOTH, .is_shuffled = true, .has_cache = true },
};

/* A frame that comes, and comes again: flow caches are to have something to remember. */
struct arrival {
	struct wild wild;
	uint32_t mark;
	bool is_in;
};
#define ARRIVALS 256

struct judge {
	struct ruleset set;
	struct cv_rules rules;
	struct index index;
	struct random random;
	struct arrival arrivals[ARRIVALS]; /* the latest */
	size_t arrived;
	long wrong;
	long refused; /* frames that BPF_PROG_TEST_RUN does not take */
	long met; /* packets that met a rule */
};

static void judge_fini(struct judge *judge)
{
	index_fini(&judge->index);
	cv_rules_fini(&judge->rules);
	ruleset_fini(&judge->set);
}

static void judge_init(struct judge *judge, const struct verdict_case *wanted, size_t count)
{
	const struct ruleset_conf conf = { .style = wanted->style,
					   .family = wanted->family,
					   .is_shuffled = wanted->is_shuffled,
					   .count = count,
					   .seed = SEED };

	*judge = (struct judge){ .random.state = SEED };
	assert_int_equal(ruleset_make(&judge->set, &conf), 0);
	assert_int_equal(form_compiled(&judge->rules, &judge->set), 0);
	if (wanted->twists)
		assert_int_equal(
			twist_rules(&judge->rules, &judge->random, wanted->twists,
				    count / TWISTED_MAX < TWISTED ? TWISTED : count / TWISTED_MAX),
			0);
	assert_int_equal(index_make(&judge->index, &judge->rules), 0);
}

/* ---- what should come out ---- */

struct outcome {
	int verdict;
	uint32_t mark;
	uint32_t rules; /* that the packet met */
};

static int verdict_of(const struct cv_rule *rule)
{
	return rule->verdict == CV_VERDICT_DROP	    ? TC_ACT_SHOT
	       : rule->verdict == CV_VERDICT_ACCEPT ? TC_ACT_OK
						    : TC_ACT_UNSPEC;
}

/* One rule after the other, each with the mark that those before it left. */
static struct outcome expect(const struct judge *judge, const struct wild *wild,
			     enum cv_direction dir, uint32_t mark)
{
	struct index_part part = { .end = judge->rules.match_count };
	struct outcome outcome = { .verdict = TC_ACT_UNSPEC, .mark = mark };
	struct cv_oracle_packet packet, quoted;

	reader_read(&packet, &quoted, wild->bytes, wild->len);
	packet.ifindex = quoted.ifindex = LOOPBACK;
	while (outcome.rules < CV_MAX_CONTINUES) {
		const struct cv_rule *rule;
		size_t first;

		packet.mark = quoted.mark = outcome.mark;
		first = index_first(&judge->index, &packet, dir, &part);
		if (first == part.end)
			break;
		rule = &judge->rules.rules[judge->rules.matches[first].rule].rule;
		outcome.rules++;
		outcome.mark = (outcome.mark & ~rule->mark_mask) | rule->mark;
		outcome.verdict = verdict_of(rule);
		if (rule->verdict != CV_VERDICT_CONTINUE)
			break;
		part.begin = first + 1;
	}
	return outcome;
}

/* ---- what does ---- */

/* Returns false if the frame cannot be run. */
static bool run_wild(int prog_fd, const struct wild *wild, uint32_t mark, struct outcome *outcome)
{
	struct __sk_buff in = { .ifindex = LOOPBACK, .mark = mark }, out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = wild->bytes, .data_size_in = wild->len,
		    .ctx_in = &in, .ctx_size_in = sizeof(in), .ctx_out = &out,
		    .ctx_size_out = sizeof(out));

	if (bpf_prog_test_run_opts(prog_fd, &opts))
		return false;
	outcome->verdict = (int)opts.retval;
	outcome->mark = out.mark;
	return true;
}

static void tell(struct judge *judge, const struct wild *wild, const struct outcome *expected,
		 const struct outcome *actual)
{
	if (judge->wrong++ >= TOLD)
		return;
	print_error("mark 0x%x, verdict %s; the oracle says mark 0x%x, verdict %s\n", actual->mark,
		    verdict_name(actual->verdict), expected->mark, verdict_name(expected->verdict));
	frame_print("frame", wild->bytes, wild->len);
}

/* One of the latest, as it was or with one thing changed. */
static struct arrival again(struct judge *judge)
{
	struct arrival arrival = judge->arrivals[random_below(&judge->random, ARRIVALS)];
	uint64_t what = random_below(&judge->random, 8);

	if (what == 0)
		arrival.mark = random_below(&judge->random, 16);
	else if (what == 1)
		arrival.is_in = !arrival.is_in;
	else if (what == 2)
		arrival.wild.bytes[random_between(&judge->random, ETH_LEN, arrival.wild.len - 1)] ^=
			1 << random_below(&judge->random, 8);
	return arrival;
}

/* A new frame, or one of the latest. */
static struct arrival next_arrival(struct judge *judge)
{
	struct arrival *arrival = &judge->arrivals[judge->arrived % ARRIVALS];

	if (judge->arrived >= ARRIVALS && random_below(&judge->random, 2))
		return again(judge);
	judge->arrived++;
	arrival->is_in = random_below(&judge->random, 2);
	arrival->mark = random_below(&judge->random, 16);
	wild_draw(&judge->random, &judge->set, &arrival->wild);
	return *arrival;
}

static void judge_one(struct judge *judge)
{
	struct arrival arrival = next_arrival(judge);
	struct outcome expected, actual;

	if (!run_wild(arrival.is_in ? classifier.ingress : classifier.egress, &arrival.wild,
		      arrival.mark, &actual)) {
		judge->refused++;
		return;
	}
	expected =
		expect(judge, &arrival.wild, arrival.is_in ? CV_DIR_IN : CV_DIR_OUT, arrival.mark);
	judge->met += expected.rules != 0;
	if (actual.verdict != expected.verdict || actual.mark != expected.mark)
		tell(judge, &arrival.wild, &expected, &actual);
}

/* ---- the flow cache ---- */

/* Makes empty caches, or takes them away. All runs are on the first CPU. */
static void set_cache(bool is_wanted)
{
	int map = bpf_map__fd(MAP(CV_MAP_CACHES));
	struct cv_err err = { 0 };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	for (uint32_t cpu = 0; cpu < (uint32_t)progrun.cpus; cpu++)
		bpf_map_delete_elem(map, &cpu);
	if (is_wanted && cv_caches_make(map, &err))
		fail_msg("%s", err.text);
}

/* Packets that the cache knew. */
static uint64_t cache_hits(void)
{
	static struct cv_cache cache;
	uint32_t zero = 0, id;
	CV_CLOSE int fd = -1;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_CACHES)), &zero, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &cache), 0);
	return cache.hits;
}

static long packets_wanted(void)
{
	const char *text = getenv("VERDICT_PACKETS");

	return text ? atol(text) : PACKETS;
}

/* Puts the image of the judge's rules before the programs. Returns false if that many steps are too
 * many: then it says which rules are at fault. */
static bool fill_bounded(const struct judge *judge)
{
	CV_CLEANUP(cv_arena_heap_fini) struct cv_arena arena = { 0 };
	const struct cv_arena_source source = cv_arena_heap();
	struct cv_err err = { 0 };
	int rc;

	assert_true(cv_arena_init(&arena, &source));
	rc = cv_engine_build(&arena, &judge->rules, NULL, &err);
	if (!rc) {
		fill_image(&arena);
		return true;
	}
	assert_int_equal(rc, -E2BIG);
	assert_int_equal(err.kind, CV_ERR_INPUT);
	assert_non_null(strstr(err.text, "rules r"));
	print_message("# refused: %s\n", err.text);
	return false;
}

static void judge_many(struct judge *judge, long packets)
{
	for (long i = 0; i < packets; i++)
		judge_one(judge);
	print_message("# %zu rules: %ld frames, %ld met a rule, %ld wrong\n", judge->set.count,
		      packets - judge->refused, judge->met, judge->wrong);
	assert_int_equal(judge->wrong, 0);
	assert_in_range(judge->refused, 0, packets / 20);
	assert_in_range(judge->met, packets / 3, packets);
}

static void run_case(const struct verdict_case *wanted, size_t count)
{
	CV_CLEANUP(judge_fini) struct judge judge;

	set_cache(wanted->has_cache);
	judge_init(&judge, wanted, count);
	fill_compiled(&judge.rules);
	judge_many(&judge, packets_wanted());
	if (wanted->has_cache)
		assert_in_range(cache_hits(), packets_wanted() / 10, packets_wanted());
}

static void verdicts_are_the_oracles(void **state)
{
	const char *sizes = getenv("VERDICT_SIZES");

	need_programs();
	for (sizes = sizes ? sizes : SIZES; sizes; sizes = strchr(sizes, ',')) {
		sizes += *sizes == ',';
		run_case(*state, atol(sizes));
	}
}

/* ---- sets that are made to hurt ---- */

struct hostile_case {
	enum hostile_kind kind;
	size_t count;
	bool may_be_refused;
};

static const struct hostile_case hostile_cases[] = {
	{ HOSTILE_RANGES, 1000, .may_be_refused = false },
	{ HOSTILE_RANGES, 5000, .may_be_refused = true },
	{ HOSTILE_PORTS, 1000, .may_be_refused = false },
	{ HOSTILE_PORTS, 5000, .may_be_refused = true },
	{ HOSTILE_LENGTHS, 1000, .may_be_refused = false },
	{ HOSTILE_LENGTHS, 10000, .may_be_refused = true },
	{ HOSTILE_TUPLE, 100000, .may_be_refused = false },
	{ HOSTILE_NEIGHBOURS, 100000, .may_be_refused = false },
	{ HOSTILE_SHADOW, 1000, .may_be_refused = false },
	{ HOSTILE_NESTED, 1000, .may_be_refused = false },
	{ HOSTILE_PROTOCOLS, 6000, .may_be_refused = false },
};

static void hostile_sets_are_right_or_refused(void **state)
{
	const struct hostile_case *hostile = *state;
	CV_CLEANUP(judge_fini) struct judge judge = { .random.state = SEED };

	need_programs();
	set_cache(false);
	assert_int_equal(hostile_make(&judge.set, hostile->kind, hostile->count), 0);
	assert_int_equal(form_compiled(&judge.rules, &judge.set), 0);
	assert_int_equal(index_make(&judge.index, &judge.rules), 0);
	if (fill_bounded(&judge))
		judge_many(&judge, packets_wanted());
	else
		assert_true(hostile->may_be_refused);
}

#define NAME_MAX_LEN 96

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(cases) + ARRAY_LEN(hostile_cases)];
	static char names[ARRAY_LEN(tests)][NAME_MAX_LEN];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++, count++) {
		snprintf(names[count], NAME_MAX_LEN,
			 "%s rules%s of family %s%s give the oracle's verdicts",
			 ruleset_style_names[cases[i].style],
			 cases[i].is_shuffled ? ", shuffled," : "",
			 ruleset_family_names[cases[i].family],
			 cases[i].has_cache ? ", with a flow cache," : "");
		tests[count] = row_test(names[count], verdicts_are_the_oracles, NULL, &cases[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(hostile_cases); i++, count++) {
		snprintf(names[count], NAME_MAX_LEN, "%zu rules, %s: %s", hostile_cases[i].count,
			 hostile_texts[hostile_cases[i].kind],
			 hostile_cases[i].may_be_refused ? "the oracle's verdicts, or refused"
							 : "the oracle's verdicts");
		tests[count] = row_test(names[count], hostile_sets_are_right_or_refused, NULL,
					&hostile_cases[i]);
	}
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
