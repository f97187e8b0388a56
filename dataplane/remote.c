/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "remote.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "map.h"
#include "mode.h"
#include "own.h"

/* ---- sharing out ---- */

/* The finalizer of SplitMix64: every bit of the input changes every bit of the output. */
static uint64_t mix(uint64_t word)
{
	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ULL;
	word = (word ^ word >> 27) * 0x94d049bb133111ebULL;
	return word ^ word >> 31;
}

static uint64_t hash_addr(const struct cv_addr *addr)
{
	uint64_t halves[2];

	memcpy(halves, addr->bytes, sizeof(halves));
	return mix(mix(halves[0]) ^ halves[1]);
}

/* The smaller, the better: an exponential variable whose rate is the weight. */
static double draw(uint64_t remote_hash, uint32_t bucket, uint32_t weight)
{
	uint64_t bits = mix(remote_hash ^ mix(bucket + 1)) >> 11; /* 53 bits, as a double has */

	return -log(((double)bits + 0.5) / 0x1p53) / weight;
}

void cv_remote_spread(const struct cv_addr *remotes, const uint32_t *weights, size_t count,
		      uint8_t bucket[CV_REMOTE_BUCKETS])
{
	uint64_t hashes[CV_MAX_REMOTES];

	for (size_t i = 0; i < count; i++)
		hashes[i] = hash_addr(&remotes[i]);
	for (uint32_t b = 0; b < CV_REMOTE_BUCKETS; b++) {
		double best = INFINITY;

		for (size_t i = 0; i < count; i++) {
			double drawn = draw(hashes[i], b, weights ? weights[i] : 1);

			if (drawn < best) {
				best = drawn;
				bucket[b] = (uint8_t)i;
			}
		}
	}
}

/* ---- plan ---- */

static const struct cv_slot_shape set_shape = {
	.name = CV_STRING(CV_MAP_REMOTES),
	.value_size = sizeof(struct cv_remote_set),
	.max_entries = 1,
};

static struct cv_remote_set *new_set(const struct cv_tunnel_conf *conf)
{
	struct cv_remote_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->count = conf->remotes.count;
	for (size_t i = 0; i < conf->remotes.count; i++)
		cv_addr_to_abi(&conf->remotes.items[i], set->remotes[i]);
	cv_remote_spread(conf->remotes.items, conf->weights.items, conf->remotes.count,
			 set->bucket);
	return set;
}

int cv_remote_read(const struct cv_instance *inst, const struct cv_tunnel *live,
		   struct cv_remote_set *set, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_REMOTES), err);

	return fd < 0 ? fd : cv_slot_read(fd, &live->remote_slot, &set_shape, set, err);
}

/* 1 if the live tunnel reads just this set, 0 if not, or a negative errno. */
static int set_is_live(struct cv_instance *inst, const struct cv_tunnel *live,
		       const struct cv_remote_set *set, struct cv_err *err)
{
	CV_FREE struct cv_remote_set *now = calloc(1, sizeof(*now));
	int rc;

	if (!now)
		return cv_err_set(err, -ENOMEM, "remotes: out of memory");
	if (!live->mode || live->remote_kind != CV_REMOTE_SET)
		return 0;
	rc = cv_remote_read(inst, live, now, err);
	return rc ? rc : !memcmp(now, set, sizeof(*set));
}

int cv_remote_plan(struct cv_instance *inst, struct cv_plan *plan,
		   const struct cv_tunnel_conf *conf, uint32_t id, struct cv_tunnel *tunnel,
		   struct cv_err *err)
{
	const struct cv_tunnel *live = &plan->live_tunnels[id];
	struct cv_remote_plan *remote = &plan->remotes[plan->remote_count];
	int rc;

	tunnel->remote_kind = CV_REMOTE_ONE;
	if (conf->remotes.count < 2 || conf->segments.count) {
		cv_addr_to_abi(cv_mode_destination(conf, 0), tunnel->remote);
		return 0;
	}
	tunnel->remote_kind = CV_REMOTE_SET;
	remote->set = new_set(conf);
	if (!remote->set)
		return cv_err_set(err, -ENOMEM, "remotes: out of memory");
	plan->remote_count++;
	rc = set_is_live(inst, live, remote->set, err);
	if (rc < 0)
		return rc;
	remote->is_live = rc;
	tunnel->remote_slot = rc ? live->remote_slot : cv_plan_free_slot(plan, id);
	remote->slot = tunnel->remote_slot;
	return 0;
}

/* ---- grow and shrink ---- */

/* Of several changes of slots each would wait for all programs that run; together they wait once. */
#define CV_SLOTS_AT_ONCE 256

/* Sets that are made and not yet put into their slots. */
struct batch {
	int map; /* of slots */
	uint32_t slots[CV_SLOTS_AT_ONCE];
	int sets[CV_SLOTS_AT_ONCE]; /* owned */
	uint32_t count;
};

static void close_batch(struct batch *batch)
{
	while (batch->count)
		close(batch->sets[--batch->count]);
}

static int put_batch(struct batch *batch, struct cv_err *err)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t count = batch->count;

	if (count && bpf_map_update_batch(batch->map, batch->slots, batch->sets, &count, &opts))
		return cv_err_set(err, -errno, "remotes: set slots: %s", strerrordesc_np(errno));
	close_batch(batch);
	return 0;
}

static int write_set(struct batch *batch, const struct cv_remote_plan *remote, struct cv_err *err)
{
	int set = cv_slot_make(&set_shape, remote->set, err);

	if (set < 0)
		return set;
	batch->slots[batch->count] = remote->slot;
	batch->sets[batch->count++] = set;
	return batch->count < CV_SLOTS_AT_ONCE ? 0 : put_batch(batch, err);
}

int cv_remote_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_REMOTES), err);
	CV_CLEANUP(close_batch) struct batch batch = { .map = fd };
	int rc = fd < 0 ? fd : 0;

	for (size_t i = 0; !rc && i < plan->remote_count; i++) {
		const struct cv_remote_plan *remote = &plan->remotes[i];

		if (remote->is_live)
			continue;
		rc = cv_tunnel_act(plan, CV_ACT_ADD, "map", "remotes",
				   plan->tunnels[remote->slot / 2].name, err);
		if (rc > 0)
			rc = write_set(&batch, remote, err);
	}
	return rc ? rc : put_batch(&batch, err);
}

static bool reads_set(const struct cv_tunnel *tunnel)
{
	return tunnel->mode && tunnel->remote_kind == CV_REMOTE_SET;
}

int cv_remote_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_REMOTES), err);
	int rc = fd < 0 ? fd : 0;

	for (uint32_t id = 1; !rc && id < CV_MAX_TUNNELS; id++) {
		const struct cv_tunnel *live = &plan->live_tunnels[id];
		const struct cv_tunnel *wanted = &plan->tunnels[id];

		if (!reads_set(live) ||
		    (reads_set(wanted) && wanted->remote_slot == live->remote_slot))
			continue;
		rc = cv_tunnel_act(plan, CV_ACT_DEL, "map", "remotes", live->name, err);
		if (rc <= 0)
			continue;
		rc = 0;
		if (bpf_map_delete_elem(fd, &live->remote_slot) && errno != ENOENT)
			rc = cv_err_set(err, -errno, "remotes of tunnel %s: remove: %s", live->name,
					strerrordesc_np(errno));
	}
	return rc;
}
