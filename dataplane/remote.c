/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "remote.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
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

/* What a remote draws for a bucket: as many bits as a double has. */
static uint64_t draw(uint64_t remote_hash, uint64_t bucket_hash)
{
	return mix(remote_hash ^ bucket_hash) >> 11;
}

/* The smaller, the better: an exponential variable whose rate is the weight. */
static double weigh(uint64_t drawn, uint32_t weight)
{
	return -log(((double)drawn + 0.5) / 0x1p53) / weight;
}

static uint8_t best_of_weighted(const uint64_t *hashes, const uint32_t *weights, size_t count,
				uint64_t bucket_hash)
{
	double best = INFINITY;
	uint8_t chosen = 0;

	for (size_t i = 0; i < count; i++) {
		double weighed = weigh(draw(hashes[i], bucket_hash), weights[i]);

		if (weighed < best) {
			best = weighed;
			chosen = (uint8_t)i;
		}
	}
	return chosen;
}

/* The same with equal weights: who draws most. Of two logarithms that are one number the first would
 * have been taken, which happens once in many millions of buckets. */
static uint8_t best_of_equal(const uint64_t *hashes, size_t count, uint64_t bucket_hash)
{
	uint64_t most = 0;
	uint8_t chosen = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t drawn = draw(hashes[i], bucket_hash);

		if (!i || drawn > most) {
			most = drawn;
			chosen = (uint8_t)i;
		}
	}
	return chosen;
}

static bool are_equal(const uint32_t *weights, size_t count)
{
	for (size_t i = 1; weights && i < count; i++)
		if (weights[i] != weights[0])
			return false;
	return true;
}

void cv_remote_spread(const struct cv_addr *remotes, const uint32_t *weights, size_t count,
		      uint8_t bucket[CV_REMOTE_BUCKETS])
{
	bool is_equal = are_equal(weights, count);
	uint64_t hashes[CV_MAX_REMOTES];

	for (size_t i = 0; i < count; i++)
		hashes[i] = hash_addr(&remotes[i]);
	for (uint32_t b = 0; b < CV_REMOTE_BUCKETS; b++)
		bucket[b] = is_equal ? best_of_equal(hashes, count, mix(b + 1))
				     : best_of_weighted(hashes, weights, count, mix(b + 1));
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

int cv_remote_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_REMOTES), err);
	CV_CLEANUP(cv_slot_batch_close) struct cv_slot_batch batch = { .map_fd = fd };
	int rc = fd < 0 ? fd : 0;

	for (size_t i = 0; !rc && i < plan->remote_count; i++) {
		const struct cv_remote_plan *remote = &plan->remotes[i];

		if (remote->is_live)
			continue;
		rc = cv_tunnel_act(plan, CV_ACT_ADD, "map", "remotes",
				   plan->tunnels[remote->slot / 2].name, err);
		if (rc > 0)
			rc = cv_slot_batch_add(&batch, remote->slot,
					       cv_slot_make(&set_shape, remote->set, err), err);
	}
	if (!rc)
		rc = cv_slot_batch_put(&batch, err);
	return rc ? cv_err_prefix(err, "remotes") : 0;
}

static bool reads_set(const struct cv_tunnel *tunnel)
{
	return tunnel->mode && tunnel->remote_kind == CV_REMOTE_SET;
}

static bool is_left(const struct cv_plan *plan, uint32_t id)
{
	const struct cv_tunnel *live = &plan->live_tunnels[id];
	const struct cv_tunnel *wanted = &plan->tunnels[id];

	return reads_set(live) && !(reads_set(wanted) && wanted->remote_slot == live->remote_slot);
}

static int empty_slot(int fd, const struct cv_tunnel *live, struct cv_err *err)
{
	if (bpf_map_delete_elem(fd, &live->remote_slot) && errno != ENOENT)
		return cv_err_set(err, -errno, "remotes of tunnel %s: remove: %s", live->name,
				  strerrordesc_np(errno));
	return 0;
}

/* Slots that are emptied one by one wait for all programs that run, each for itself. So with many, one
 * empty set takes the place of all. */
#define CV_FEW_SLOTS 8

struct emptying {
	struct cv_slot_batch batch;
	int nothing; /* the empty set; -1: slots are emptied */
};

static void end_emptying(struct emptying *emptying)
{
	cv_slot_batch_close(&emptying->batch);
	if (emptying->nothing >= 0)
		close(emptying->nothing);
}

static int start_emptying(struct emptying *emptying, const struct cv_plan *plan, struct cv_err *err)
{
	CV_FREE struct cv_remote_set *zeros = calloc(1, sizeof(*zeros));
	uint32_t count = 0;

	if (!zeros)
		return cv_err_set(err, -ENOMEM, "remotes: out of memory");
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++)
		count += is_left(plan, id);
	if (count <= CV_FEW_SLOTS || !cv_acts_are_made(plan))
		return 0;
	emptying->nothing = cv_slot_make(&set_shape, zeros, err);
	return emptying->nothing < 0 ? emptying->nothing : 0;
}

static int empty_one(struct emptying *emptying, const struct cv_tunnel *live, struct cv_err *err)
{
	int copy;

	if (emptying->nothing < 0)
		return empty_slot(emptying->batch.map_fd, live, err);
	copy = fcntl(emptying->nothing, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return cv_err_set(err, -errno, "remotes of tunnel %s: %s", live->name,
				  strerrordesc_np(errno));
	return cv_slot_batch_add(&emptying->batch, live->remote_slot, copy, err);
}

int cv_remote_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_REMOTES), err);
	CV_CLEANUP(end_emptying)
	struct emptying emptying = { .batch = { .map_fd = fd }, .nothing = -1 };
	int rc = fd < 0 ? fd : start_emptying(&emptying, plan, err);

	for (uint32_t id = 1; !rc && id < CV_MAX_TUNNELS; id++) {
		const struct cv_tunnel *live = &plan->live_tunnels[id];

		if (!is_left(plan, id))
			continue;
		rc = cv_tunnel_act(plan, CV_ACT_DEL, "map", "remotes", live->name, err);
		if (rc > 0)
			rc = empty_one(&emptying, live, err);
	}
	return rc ? rc : cv_slot_batch_put(&emptying.batch, err);
}
