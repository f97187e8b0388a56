/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters of rules: see counters.h. A slot that was used is never emptied: taking an element out of
 * a map of maps waits for a grace period of the kernel, each time, and a hundred of them are a second.
 * All at once they can be set to another array, which is that of the first slot, so that such a slot
 * is as good as empty.
 */
#include "counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "map.h"
#include "own.h"

struct cv_counters {
	int slots_fd;
	int cpus;
	struct cv_stats_chunk *chunks[CV_STATS_CHUNKS]; /* mapped, an element a CPU; NULL: none */
};

static int create_chunk(int cpus, struct cv_err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, CV_STRING(CV_MAP_RULE_STATS), sizeof(uint32_t),
				sizeof(struct cv_stats_chunk), cpus, &opts);

	if (fd < 0)
		return cv_err_set(err, -errno, "counters of rules: create: %s",
				  strerrordesc_np(errno));
	cv_map_keep_id(fd);
	return fd;
}

static int count_cpus(struct cv_err *err)
{
	int cpus = libbpf_num_possible_cpus();

	return cpus > 0 ? cpus : cv_err_set(err, cpus, "number of CPUs: cannot be told");
}

int cv_counters_create(const struct cv_instance *inst, struct cv_err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int cpus = count_cpus(err);
	CV_CLOSE int chunk = cpus < 0 ? -1 : create_chunk(cpus, err);
	CV_CLOSE int slots = -1;

	if (chunk < 0)
		return cpus < 0 ? cpus : chunk;
	opts.inner_map_fd = chunk;
	slots = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, CV_STRING(CV_MAP_RULE_STATS),
			       sizeof(uint32_t), sizeof(uint32_t), CV_STATS_CHUNKS, &opts);
	if (slots < 0)
		return cv_err_set(err, -errno, "counters of rules: create slots: %s",
				  strerrordesc_np(errno));
	return cv_pin_set(slots, inst->maps, CV_STRING(CV_MAP_RULE_STATS), err);
}

/* ---- open and close ---- */

static size_t chunk_size(const struct cv_counters *counters)
{
	return counters->cpus * sizeof(struct cv_stats_chunk);
}

static int map_chunk(struct cv_counters *counters, uint32_t index, int fd, struct cv_err *err)
{
	void *memory = cv_map_memory(fd, chunk_size(counters), MAP_SHARED);

	if (memory == MAP_FAILED)
		return cv_err_set(err, -errno, "counters of rules: map: %s",
				  strerrordesc_np(errno));
	counters->chunks[index] = memory;
	return 0;
}

static int map_by_id(struct cv_counters *counters, uint32_t index, uint32_t id, struct cv_err *err)
{
	CV_CLOSE int fd = cv_map_by_id(id);

	if (fd < 0)
		return cv_err_set(err, -errno, "counters of rules: open by id: %s",
				  strerrordesc_np(errno));
	return map_chunk(counters, index, fd, err);
}

/* Rules get the lowest ids that are free, so slots are set one after another. */
static int map_all(struct cv_counters *counters, struct cv_err *err)
{
	uint32_t ids[CV_STATS_CHUNKS];
	int count = cv_slots_read(counters->slots_fd, 0, CV_STATS_CHUNKS, ids), rc = 0;

	if (count < 0)
		return cv_err_set(err, count, "counters of rules: read slots: %s",
				  strerrordesc_np(-count));
	for (int i = 0; !rc && i < count; i++)
		if (!i || ids[i] != ids[0])
			rc = map_by_id(counters, i, ids[i], err);
	return rc;
}

void cv_counters_close(struct cv_counters **counters_ptr)
{
	struct cv_counters *counters = *counters_ptr;

	if (!counters)
		return;
	for (size_t i = 0; i < CV_STATS_CHUNKS; i++)
		if (counters->chunks[i])
			munmap(counters->chunks[i], chunk_size(counters));
	cv_close_fd(&counters->slots_fd);
	free(counters);
	*counters_ptr = NULL;
}

int cv_counters_open(struct cv_counters **out, const struct cv_instance *inst, struct cv_err *err)
{
	CV_CLEANUP(cv_counters_close) struct cv_counters *counters = calloc(1, sizeof(*counters));
	int rc;

	if (!counters)
		return cv_err_set(err, -ENOMEM, "counters of rules: out of memory");
	counters->slots_fd = -1;
	counters->cpus = count_cpus(err);
	if (counters->cpus < 0)
		return counters->cpus;
	counters->slots_fd = cv_instance_map(inst, CV_STRING(CV_MAP_RULE_STATS), err);
	rc = counters->slots_fd < 0 ? counters->slots_fd : map_all(counters, err);
	if (!rc)
		*out = CV_TAKE_PTR(counters);
	return rc;
}

/* ---- grow and shrink ---- */

/* Which chunks rules use; the first one always, for it stands in for those that are gone. */
static void note_used(const struct cv_rules *rules, bool used[CV_STATS_CHUNKS])
{
	memset(used, 0, CV_STATS_CHUNKS * sizeof(*used));
	used[0] = true;
	for (size_t i = 0; i < rules->rule_count; i++)
		used[rules->rules[i].rule.id / CV_STATS_RULES] = true;
}

/* What is to be put into slots. */
struct batch {
	uint32_t indexes[CV_STATS_CHUNKS];
	int fds[CV_STATS_CHUNKS];
	uint32_t count;
	bool is_shared; /* all fds are the first */
};

static void close_batch(const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		if (!i || !batch->is_shared)
			cv_close_fd(&batch->fds[i]);
}

static int put_batch(const struct cv_counters *counters, const struct batch *batch,
		     struct cv_err *err)
{
	uint32_t count = batch->count;

	if (!count ||
	    !bpf_map_update_batch(counters->slots_fd, batch->indexes, batch->fds, &count, NULL))
		return 0;
	return cv_err_set(err, -errno, "counters of rules: set slots: %s", strerrordesc_np(errno));
}

static int make_chunk(struct cv_counters *counters, uint32_t index, struct batch *batch,
		      struct cv_err *err)
{
	int fd = create_chunk(counters->cpus, err);

	if (fd < 0)
		return fd;
	batch->indexes[batch->count] = index;
	batch->fds[batch->count++] = fd;
	return map_chunk(counters, index, fd, err);
}

void cv_counters_compare(const struct cv_counters *counters, const struct cv_rules *rules,
			 int *missing, int *surplus)
{
	bool used[CV_STATS_CHUNKS];

	*missing = *surplus = 0;
	note_used(rules, used);
	for (uint32_t i = 0; i < CV_STATS_CHUNKS; i++) {
		*missing += used[i] && !counters->chunks[i];
		*surplus += !used[i] && counters->chunks[i];
	}
}

int cv_counters_grow(struct cv_counters *counters, const struct cv_rules *rules, struct cv_err *err)
{
	CV_CLEANUP(close_batch) struct batch batch = { 0 };
	bool used[CV_STATS_CHUNKS];
	int rc = 0;

	note_used(rules, used);
	for (uint32_t i = 0; !rc && i < CV_STATS_CHUNKS; i++)
		if (used[i] && !counters->chunks[i])
			rc = make_chunk(counters, i, &batch, err);
	return rc ? rc : put_batch(counters, &batch, err);
}

/* Opens the array of the first slot. */
static int open_first(const struct cv_counters *counters, struct cv_err *err)
{
	uint32_t zero = 0, id;
	int fd = bpf_map_lookup_elem(counters->slots_fd, &zero, &id) ? -1 : cv_map_by_id(id);

	return fd >= 0 ? fd
		       : cv_err_set(err, -errno, "counters of rules: open by id: %s",
				    strerrordesc_np(errno));
}

/* Packets that met a rule that is gone may not have counted it yet: setting an element of a map of maps
 * ends with a grace period. */
static int wait_for_packets(const struct cv_counters *counters, int first)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(counters->slots_fd, &zero, &first, BPF_ANY);
}

int cv_counters_shrink(struct cv_counters *counters, const struct cv_rules *rules,
		       struct cv_err *err)
{
	CV_CLEANUP(close_batch) struct batch batch = { .is_shared = true };
	bool used[CV_STATS_CHUNKS];
	int first = -1;

	note_used(rules, used);
	for (uint32_t i = 0; i < CV_STATS_CHUNKS; i++) {
		if (used[i] || !counters->chunks[i])
			continue;
		if (first < 0 && (first = open_first(counters, err)) < 0)
			return first;
		munmap(counters->chunks[i], chunk_size(counters));
		counters->chunks[i] = NULL;
		batch.indexes[batch.count] = i;
		batch.fds[batch.count++] = first;
	}
	if (batch.count && wait_for_packets(counters, first))
		return cv_err_set(err, -errno, "counters of rules: set slots: %s",
				  strerrordesc_np(errno));
	return put_batch(counters, &batch, err);
}

/* ---- counters ---- */

static struct cv_rule_stats *stats_of(const struct cv_counters *counters, uint32_t id, int cpu)
{
	struct cv_stats_chunk *chunk = counters->chunks[id / CV_STATS_RULES];

	return chunk ? &chunk[cpu].rules[id % CV_STATS_RULES] : NULL;
}

/* How often packets that waited were counted on the CPU; none are being counted now. */
static uint64_t wait_for_turn(const struct cv_waiting *waiting)
{
	uint64_t turns;

	while ((turns = __atomic_load_n(&waiting->turns, __ATOMIC_ACQUIRE)) & 1)
		sched_yield();
	return turns;
}

/* True if some were counted since. */
static bool has_moved_on(const struct cv_waiting *waiting, uint64_t turns)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&waiting->turns, __ATOMIC_RELAXED) != turns;
}

/* What of an id waits to be counted. */
static struct cv_rule_stats waiting_for(const struct cv_waiting *waiting, uint32_t id)
{
	struct cv_rule_stats sum = { 0 };

	for (size_t i = 0; i < CV_COUNTS_WAITING; i++) {
		uint64_t packet = __atomic_load_n(&waiting->packets[i], __ATOMIC_ACQUIRE);

		if (packet >> 32 != (uint64_t)id + 1)
			continue;
		sum.packets++;
		sum.bytes += (uint32_t)packet;
		sum.last_ns = waiting->last_ns;
	}
	return sum;
}

/* What waits for the id is counted later, and is of the rule that had it before. */
static void clear_cpu(const struct cv_waiting *waiting, struct cv_rule_stats *stats, uint32_t id)
{
	uint64_t turns;

	do {
		struct cv_rule_stats before;

		turns = wait_for_turn(waiting);
		before = waiting_for(waiting, id);
		*stats = (struct cv_rule_stats){ .packets = -before.packets,
						 .bytes = -before.bytes };
	} while (has_moved_on(waiting, turns));
}

void cv_counters_clear(struct cv_counters *counters, uint32_t id)
{
	for (int cpu = 0; cpu < counters->cpus; cpu++) {
		struct cv_rule_stats *stats = stats_of(counters, id, cpu);

		if (stats)
			clear_cpu(&counters->chunks[0][cpu].waiting, stats, id);
	}
}

static struct cv_rule_stats read_cpu(const struct cv_waiting *waiting,
				     const struct cv_rule_stats *stats, uint32_t id)
{
	struct cv_rule_stats sum;
	uint64_t turns;

	do {
		turns = wait_for_turn(waiting);
		sum = waiting_for(waiting, id);
		sum.packets += __atomic_load_n(&stats->packets, __ATOMIC_RELAXED);
		sum.bytes += __atomic_load_n(&stats->bytes, __ATOMIC_RELAXED);
		if (stats->last_ns > sum.last_ns)
			sum.last_ns = stats->last_ns;
	} while (has_moved_on(waiting, turns));
	return sum;
}

struct cv_rule_stats cv_counters_sum(const struct cv_counters *counters, uint32_t id)
{
	struct cv_rule_stats sum = { 0 };

	for (int cpu = 0; cpu < counters->cpus; cpu++) {
		const struct cv_rule_stats *stats = stats_of(counters, id, cpu);
		struct cv_rule_stats counted;

		if (!stats)
			continue;
		counted = read_cpu(&counters->chunks[0][cpu].waiting, stats, id);
		sum.packets += counted.packets;
		sum.bytes += counted.bytes;
		/* Without a packet it is that of the rule that had the id before. */
		if (counted.packets && counted.last_ns > sum.last_ns)
			sum.last_ns = counted.last_ns;
	}
	return sum;
}
