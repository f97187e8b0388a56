/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules that change while packets run: one thread changes them as the tool does, in place, many at
 * once, or by another image, and another runs packets. What a packet meets must be what the oracle
 * says of the rules as they were at some moment between its coming and its going.
 * CULVERT_LIVE_SECONDS: how long each kind of change is made, if not as long as CI has time for. A
 * machine that is CULVERT_TEST_SLOWNESS times slower goes on until it has made enough changes, at most as
 * many times as long.
 */
#include "classifier.h"

#include <pthread.h>
#include <stdatomic.h>

#include "compiler/changes.h"
#include "compiler/random_rules.h"
#include "image.h"
#include "oracle_frame.h"

#define POOL 150 /* contents that rules may have */
#define NAMES 60
#define PACKETS 96
#define RING 1024 /* versions that the runner may look back */
#define SECONDS 2

/* A rule of a version: what it asks is a rule's of the pool; its mark is nobody else's, ever. */
struct entry {
	uint32_t name;
	uint32_t content;
	uint32_t mark;
};

struct version {
	struct entry entries[NAMES];
	size_t count;
};

static struct cv_rules pool;
static struct cv_oracle_packet packets[PACKETS];
static struct frame frames[PACKETS];

/* Between the threads. A version counts from started on, and the one before it until done. */
static uint32_t expected[RING][PACKETS]; /* marks, by version */
static atomic_uint started, done;
static atomic_bool is_over;

struct runner {
	unsigned long runs;
	unsigned long wrong;
	unsigned long during; /* runs while a change was at work */
	uint32_t packet; /* of the first that was wrong */
	uint32_t mark;
	uint32_t first, last; /* versions it may have met */
};

/* ---- versions ---- */

static uint32_t next_mark = 0x10000;

static void set_entry(struct random *random, struct entry *entry)
{
	entry->content = random_below(random, POOL);
	entry->mark = next_mark++;
}

static bool has_name(const struct version *version, uint32_t name)
{
	for (size_t i = 0; i < version->count; i++)
		if (version->entries[i].name == name)
			return true;
	return false;
}

static void take_out(struct version *version, size_t at)
{
	memmove(&version->entries[at], &version->entries[at + 1],
		(--version->count - at) * sizeof(*version->entries));
}

static void put_in(struct version *version, size_t at, struct entry entry)
{
	memmove(&version->entries[at + 1], &version->entries[at],
		(version->count++ - at) * sizeof(*version->entries));
	version->entries[at] = entry;
}

static void insert_one(struct random *random, struct version *version)
{
	struct entry entry = { .name = random_below(random, NAMES) };

	while (has_name(version, entry.name))
		entry.name = (entry.name + 1) % NAMES;
	set_entry(random, &entry);
	put_in(version, random_below(random, version->count + 1), entry);
}

static void move_one(struct random *random, struct version *version)
{
	size_t from = random_below(random, version->count);
	struct entry entry = version->entries[from];

	take_out(version, from);
	put_in(version, random_below(random, version->count + 1), entry);
}

static void edit_one(struct random *random, struct version *version)
{
	uint32_t kind = random_below(random, 4);

	if (version->count <= NAMES / 4 || (kind == 0 && version->count < NAMES))
		insert_one(random, version);
	else if (kind == 1)
		take_out(version, random_below(random, version->count));
	else if (kind == 2)
		move_one(random, version);
	else
		set_entry(random, &version->entries[random_below(random, version->count)]);
}

static void compile_version(const struct version *version, struct cv_rules *rules)
{
	*rules = (struct cv_rules){
		.rules = calloc(NAMES, sizeof(*rules->rules)),
		.matches = calloc(3 * NAMES, sizeof(*rules->matches)),
		.netns_cookie = pool.netns_cookie,
	};
	for (size_t i = 0; i < version->count; i++) {
		const struct entry *entry = &version->entries[i];
		struct cv_rule *rule = &rules->rules[rules->rule_count].rule;

		*rule = (struct cv_rule){ .flags = CV_ACTION_MARK,
					  .mark = entry->mark,
					  .mark_mask = UINT32_MAX };
		snprintf(rule->name, sizeof(rule->name), "r%u", entry->name);
		for (size_t m = 0; m < pool.match_count; m++)
			if (pool.matches[m].rule == entry->content) {
				struct cv_match *match = &rules->matches[rules->match_count++];

				*match = pool.matches[m];
				match->rule = rules->rule_count;
			}
		rules->rule_count++;
	}
}

static void expect(const struct cv_rules *rules, uint32_t version)
{
	for (size_t i = 0; i < PACKETS; i++) {
		long rule = random_expected(rules, 0, &packets[i], CV_DIR_IN);

		expected[version % RING][i] =
			rule < 0 ? packets[i].mark : rules->rules[rule].rule.mark;
	}
}

/* ---- the thread that runs packets ---- */

static bool run_one(uint32_t packet, uint32_t *mark)
{
	struct __sk_buff in = { .mark = packets[packet].mark }, out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frames[packet].bytes,
		    .data_size_in = frames[packet].len, .ctx_in = &in, .ctx_size_in = sizeof(in),
		    .ctx_out = &out, .ctx_size_out = sizeof(out));

	if (bpf_prog_test_run_opts(classifier.ingress, &opts))
		return false;
	*mark = out.mark;
	return true;
}

static bool is_right(uint32_t packet, uint32_t mark, uint32_t first, uint32_t last)
{
	for (uint32_t version = first; version != last + 1; version++)
		if (expected[version % RING][packet] == mark)
			return true;
	return false;
}

static void check_one(struct runner *runner, uint32_t packet)
{
	uint32_t first = atomic_load(&done), mark = 0, last;
	bool has_run = run_one(packet, &mark);

	last = atomic_load(&started);
	if (last - first >= RING / 2)
		return; /* was put aside for long: what it may have met is forgotten */
	runner->runs++;
	runner->during += last != first;
	if ((has_run && is_right(packet, mark, first, last)) || runner->wrong++)
		return;
	runner->packet = packet;
	runner->mark = mark;
	runner->first = first;
	runner->last = last;
}

static void pin_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus); /* no more than a help */
}

static void *run_packets(void *arg)
{
	struct runner *runner = arg;
	struct random random = { 7 };

	pin_to(1);
	while (!atomic_load(&is_over))
		check_one(runner, random_below(&random, PACKETS));
	return NULL;
}

/* ---- the thread that changes rules ---- */

struct changer {
	struct cv_banks *banks;
	unsigned long in_place;
	unsigned long swapped;
};

static int swap_rules(struct changer *changer, const struct cv_rules *rules, struct cv_err *err)
{
	int rc = cv_banks_build(changer->banks, rules, NULL, err);

	if (!rc)
		rc = cv_banks_swap(changer->banks, err);
	changer->swapped++;
	return rc;
}

static int change_rules(struct changer *changer, const struct cv_rules *live,
			const struct cv_rules *rules, bool is_swap, struct cv_err *err)
{
	CV_CLEANUP(cv_changes_fini) struct cv_changes changes = { 0 };
	int rc = cv_changes_find(&changes, live, rules, err);

	if (!rc && !is_swap)
		rc = cv_banks_change(changer->banks, &changes, err);
	if (!is_swap && rc != -ESTALE) {
		changer->in_place++;
		return rc;
	}
	return swap_rules(changer, rules, err);
}

static void apply(struct changer *changer, struct version *version, bool is_swap)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	CV_CLEANUP(cv_rules_fini) struct cv_rules live = { 0 };
	uint32_t number = atomic_load(&done) + 1;
	struct cv_err err = { 0 };
	int rc = cv_banks_read(changer->banks, &live, &err);

	compile_version(version, &rules);
	expect(&rules, number);
	atomic_store(&started, number);
	if (!rc)
		rc = change_rules(changer, &live, &rules, is_swap, &err);
	if (rc)
		fail_msg("%d: %s", rc, err.text);
	atomic_store(&done, number);
	if (is_swap)
		assert_int_equal(cv_banks_tidy(changer->banks, &err), 0);
}

/* How many changes are made at once, and whether as another image. */
struct kind {
	const char *name;
	uint32_t edits;
	bool is_swap;
};

static const struct kind kinds[] = {
	{ "one rule changes in place", 1, false },
	{ "many rules change at one instant", 20, false },
	{ "all rules go into another image", 5, true },
};

static double setting(const char *name, double otherwise)
{
	const char *text = getenv(name);

	return text ? strtod(text, NULL) : otherwise;
}

static bool is_enough(const struct kind *kind, const struct changer *changer)
{
	return kind->is_swap ? changer->swapped > 3 : changer->in_place > changer->swapped;
}

static void make_pool(void)
{
	struct random random = { 3 };

	cv_rules_fini(&pool);
	random_rules(&random, &random_styles[4], POOL, &pool); /* overlaps */
	for (size_t i = 0; i < PACKETS; i++) {
		random_packet(&random, &pool, &packets[i]);
		packets[i].tunnel = 0;
		put_frame(&packets[i], &frames[i]);
	}
}

static void open_banks(struct changer *changer)
{
	struct cv_err err = { 0 };

	if (cv_banks_open_maps(&changer->banks, bpf_map__fd(MAP(CV_MAP_RULES)),
			       bpf_map__fd(MAP(CV_MAP_LIVE)), &err))
		fail_msg("%s", err.text);
}

static bool has_time(uint64_t start, double seconds)
{
	return boot_ns() - start < (uint64_t)(seconds * NS_PER_SECOND);
}

static void change_for_a_while(struct changer *changer, const struct kind *kind)
{
	struct version version = { .count = 0 };
	struct random random = { 11 };
	double seconds = setting("CULVERT_LIVE_SECONDS", SECONDS);
	double slowness = setting("CULVERT_TEST_SLOWNESS", 1);
	uint64_t start = boot_ns();

	while (version.count < NAMES / 2)
		insert_one(&random, &version);
	apply(changer, &version, true);
	while (has_time(start, is_enough(kind, changer) ? seconds : seconds * slowness)) {
		for (uint32_t i = 0; i < kind->edits; i++)
			edit_one(&random, &version);
		apply(changer, &version, kind->is_swap);
	}
}

static void tell(const struct kind *kind, const struct changer *changer,
		 const struct runner *runner)
{
	print_message(
		"%s: %lu changes in place, %lu images; %lu packets, %lu of them during a change\n",
		kind->name, changer->in_place, changer->swapped, runner->runs, runner->during);
	if (!runner->wrong)
		return;
	frame_print("packet", frames[runner->packet].bytes, frames[runner->packet].len);
	for (uint32_t version = runner->first; version != runner->last + 1; version++)
		print_error("version %u: mark %#x\n", version,
			    expected[version % RING][runner->packet]);
	fail_msg("%lu packets met other rules than there were; the first one mark %#x",
		 runner->wrong, runner->mark);
}

/* Those of its slots that ever were set; they are so one after another. */
static uint32_t read_bank(uint32_t bank, uint32_t *ids)
{
	uint32_t count = 0, slot = bank * CV_ARENA_SEGMENTS;

	while (count < CV_ARENA_SEGMENTS &&
	       !bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_RULES)), &slot, &ids[count])) {
		count++;
		slot++;
	}
	return count;
}

/* Memory is given back: all slots that packets do not read hold the array of the first that they do. */
static uint32_t count_arrays(void)
{
	uint32_t ids[CV_ARENA_BANKS * CV_ARENA_SEGMENTS];
	uint32_t count = read_bank(0, ids), different = 0;

	count += read_bank(1, &ids[count]);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t j = 0;

		while (ids[j] != ids[i])
			j++;
		different += j == i;
	}
	return different;
}

static void packets_meet_what_was_or_what_comes(void **state)
{
	const struct kind *kind = *state;
	struct changer changer = { 0 };
	struct runner runner = { 0 };
	pthread_t thread;

	need_programs();
	make_pool();
	open_banks(&changer);
	pin_to(0);
	atomic_store(&is_over, false);
	expect(&(struct cv_rules){ 0 }, atomic_load(&done));
	assert_int_equal(cv_banks_swap(changer.banks, NULL), 0); /* no rules */
	assert_int_equal(pthread_create(&thread, NULL, run_packets, &runner), 0);
	change_for_a_while(&changer, kind);
	atomic_store(&is_over, true);
	pthread_join(thread, NULL);
	tell(kind, &changer, &runner);
	assert_true(runner.runs > 100);
	assert_true(is_enough(kind, &changer));
	assert_int_equal(cv_banks_tidy(changer.banks, NULL), 0);
	assert_int_equal(count_arrays(), 1);
	cv_banks_close(&changer.banks);
}

/* ---- what was broken off ---- */

static struct cv_live read_live(void)
{
	struct cv_live live;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_LIVE)), &zero, &live), 0);
	return live;
}

/* As a tool that was killed before the word was written has left them. */
static void leave_segments(uint32_t bank, uint32_t count)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot = bank * CV_ARENA_SEGMENTS + i;
		CV_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_segment", sizeof(slot),
						 sizeof(struct cv_arena_segment), 1, &opts);

		assert_true(fd >= 0);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_RULES)), &slot, &fd, 0),
				 0);
	}
}

/* As one that was killed in the midst of a change in place has left it. */
static void leave_open(void)
{
	uint32_t slot = CV_LIVE_BANK(read_live().word) * CV_ARENA_SEGMENTS, id;
	struct cv_image *image;
	int fd;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_RULES)), &slot, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	image = mmap(NULL, sizeof(struct cv_arena_segment), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		     0);
	assert_true(image != MAP_FAILED);
	image->is_open = 1;
	munmap(image, sizeof(struct cv_arena_segment));
	close(fd);
}

static void assert_all_right(const struct version *version)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };

	compile_version(version, &rules);
	for (size_t i = 0; i < PACKETS; i++) {
		long rule = random_expected(&rules, 0, &packets[i], CV_DIR_IN);
		uint32_t mark = 0;

		assert_true(run_one(i, &mark));
		assert_int_equal(mark, rule < 0 ? packets[i].mark : rules.rules[rule].rule.mark);
	}
}

static void what_was_broken_off_is_taken_up(void **state)
{
	struct version version = { .count = 0 };
	struct changer changer = { 0 };
	struct random random = { 5 };

	(void)state;
	need_programs();
	make_pool();
	open_banks(&changer);
	while (version.count < 10)
		insert_one(&random, &version);
	apply(&changer, &version, true);
	cv_banks_close(&changer.banks);

	leave_segments(!CV_LIVE_BANK(read_live().word), 3);
	leave_open();
	assert_all_right(&version);
	open_banks(&changer);
	changer.swapped = 0;
	edit_one(&random, &version);
	apply(&changer, &version, false);
	assert_int_equal(changer.swapped, 1); /* not in place */
	assert_all_right(&version);
	assert_int_equal(cv_banks_tidy(changer.banks, NULL), 0);
	assert_int_equal(count_arrays(), 1);
	edit_one(&random, &version);
	apply(&changer, &version, false);
	assert_int_equal(changer.swapped, 1);
	assert_all_right(&version);
	cv_banks_close(&changer.banks);
}

static void without_rules_there_is_nothing_left_to_meet(void **state)
{
	struct version version = { .count = 0 };
	struct changer changer = { 0 };
	struct random random = { 5 };

	(void)state;
	need_programs();
	make_pool();
	open_banks(&changer);
	insert_one(&random, &version);
	apply(&changer, &version, true);
	take_out(&version, 0);
	apply(&changer, &version, true);
	assert_int_equal(CV_LIVE_GENERATION(read_live().word), 0);
	assert_all_right(&version);
	leave_segments(0, 2);
	leave_segments(1, 2);
	cv_banks_close(&changer.banks);
	open_banks(&changer);
	assert_int_equal(cv_banks_tidy(changer.banks, NULL), 0);
	assert_int_equal(count_arrays(), 1);
	insert_one(&random, &version);
	apply(&changer, &version, true);
	assert_all_right(&version);
	assert_int_equal(count_arrays(), 1);
	cv_banks_close(&changer.banks);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(kinds) + 2] = {
		cmocka_unit_test(what_was_broken_off_is_taken_up),
		cmocka_unit_test(without_rules_there_is_nothing_left_to_meet),
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		tests[2 + i] = row_test(kinds[i].name, packets_meet_what_was_or_what_comes, NULL,
					&kinds[i]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
