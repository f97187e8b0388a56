/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "allowed.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "map.h"
#include "own.h"

static struct cv_allowed_key key_of(uint32_t id, uint32_t generation,
				    const struct cv_prefix *prefix)
{
	struct cv_allowed_key key = {
		.prefix_bits = CV_ALLOWED_BASE_BITS + prefix->bits,
		.tunnel = id,
		.generation = generation,
		.family = prefix->addr.family,
	};

	cv_addr_to_abi(&prefix->addr, key.source);
	return key;
}

/* ---- what is there ---- */

static int compare_lists(const void *a, const void *b)
{
	const struct cv_allowed_key *left = a, *right = b;

	if (left->tunnel != right->tunnel)
		return left->tunnel < right->tunnel ? -1 : 1;
	return (left->generation > right->generation) - (left->generation < right->generation);
}

/* By the list that they are of, then in any order. */
static int compare_keys(const void *a, const void *b)
{
	int order = compare_lists(a, b);

	return order ? order : memcmp(a, b, sizeof(struct cv_allowed_key));
}

int cv_allowed_read(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_ALLOWED), err);
	struct cv_map_copy *live = &plan->live_allowed;
	int rc = fd < 0 ? fd
			: cv_map_read(fd, sizeof(struct cv_allowed_key), sizeof(uint32_t),
				      CV_MAX_ALLOWED, live, err);

	if (!rc && live->count)
		qsort(live->keys, live->count, sizeof(struct cv_allowed_key), compare_keys);
	return rc;
}

/* How many keys the list has that this one is of. */
static size_t count_list(const struct cv_map_copy *live, const struct cv_allowed_key *of)
{
	const struct cv_allowed_key *keys = (const struct cv_allowed_key *)live->keys;
	size_t at = of - keys, first = at;

	while (first && !compare_lists(&keys[first - 1], of))
		first--;
	while (at < live->count && !compare_lists(&keys[at], of))
		at++;
	return at - first;
}

bool cv_allowed_is_live(const struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
			uint32_t generation)
{
	const struct cv_map_copy *live = &plan->live_allowed;
	const struct cv_allowed_key *found = NULL;

	for (size_t i = 0; i < conf->allow.count; i++) {
		struct cv_allowed_key key = key_of(id, generation, &conf->allow.items[i]);

		found = live->count
				? bsearch(&key, live->keys, live->count, sizeof(key), compare_keys)
				: NULL;
		if (!found)
			return false;
	}
	return found && count_list(live, found) == conf->allow.count;
}

/* ---- grow ---- */

static int write_list(int fd, const struct cv_tunnel_conf *conf, uint32_t id, uint32_t generation,
		      struct cv_err *err)
{
	for (size_t i = 0; i < conf->allow.count; i++) {
		struct cv_allowed_key key = key_of(id, generation, &conf->allow.items[i]);
		uint32_t one = 1;

		if (bpf_map_update_elem(fd, &key, &one, BPF_ANY))
			return cv_err_set(err, -errno, "tunnel %s: allow list: %s", conf->name,
					  strerrordesc_np(errno));
	}
	return 0;
}

int cv_allowed_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_ALLOWED), err);
	int rc = fd < 0 ? fd : 0;

	for (size_t i = 0; !rc && i < plan->state->tunnel_count; i++) {
		const struct cv_tunnel_conf *conf = &plan->state->tunnels[i];
		uint32_t id = plan->tunnel_plans[i].id;

		if (!id || plan->tunnels[id].allow_generation != plan->generation)
			continue;
		rc = cv_tunnel_act(plan, CV_ACT_ADD, "map", "allow list", conf->name, err);
		if (rc > 0)
			rc = write_list(fd, conf, id, plan->generation, err);
	}
	return rc;
}

/* ---- shrink ---- */

static bool is_wanted(const struct cv_plan *plan, const struct cv_allowed_key *key)
{
	const struct cv_tunnel *tunnel = &plan->tunnels[key->tunnel % CV_MAX_TUNNELS];

	return tunnel->mode && tunnel->flags & CV_TUNNEL_ALLOW &&
	       tunnel->allow_generation == key->generation;
}

/* Removes the list that begins at that key, up to the key behind it. */
static int shrink_list(int fd, const struct cv_plan *plan, const struct cv_allowed_key *key,
		       const struct cv_allowed_key *end, struct cv_err *err)
{
	const struct cv_tunnel *live = &plan->live_tunnels[key->tunnel % CV_MAX_TUNNELS];
	int rc = cv_tunnel_act(plan, CV_ACT_DEL, "map", "allow list", live->name, err);

	if (rc <= 0)
		return rc;
	for (; key < end; key++)
		if (bpf_map_delete_elem(fd, key) && errno != ENOENT)
			return cv_err_set(err, -errno, "allow list: remove: %s",
					  strerrordesc_np(errno));
	return 0;
}

int cv_allowed_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_ALLOWED), err);
	const struct cv_allowed_key *keys = (const struct cv_allowed_key *)plan->live_allowed.keys;
	size_t count = plan->live_allowed.count;
	int rc = fd < 0 ? fd : 0;

	for (size_t first = 0, next = 0; !rc && first < count; first = next) {
		while (next < count && !compare_lists(&keys[first], &keys[next]))
			next++;
		if (!is_wanted(plan, &keys[first]))
			rc = shrink_list(fd, plan, &keys[first], &keys[next], err);
	}
	return rc;
}
