/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "peer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "map.h"
#include "own.h"

/* The maps that sets of a size are in. */
static const struct {
	const char *map;
	uint32_t cells;
} sizes[CV_PEER_SIZE_COUNT] = {
#define SIZE(name, map, cells) [CV_PEERS_##name] = { CV_STRING(map), cells },
	CV_PEER_SIZES(SIZE)
#undef SIZE
};

/* ---- gathering ---- */

void cv_peer_plan_fini(struct cv_peer_plan *peers)
{
	free(peers->prefixes);
	free(peers->remotes);
	free(peers->ways);
	cv_peer_set_fini(&peers->set);
}

static void add_prefix(struct cv_peer_plan *peers, const struct cv_peer_conf *conf, uint8_t family)
{
	struct cv_prefix to = conf->to;

	to.addr.family = family;
	peers->prefixes[peers->prefix_count++] = cv_peer_prefix_of(&to, &conf->remote);
}

/* "default" stands for a prefix of each family. */
static int gather(struct cv_peer_plan *peers, const struct cv_state *state, const char *tunnel)
{
	size_t count = 0;

	for (size_t i = 0; i < state->peer_count; i++)
		count += !strcmp(state->peers[i].tunnel, tunnel);
	peers->prefixes = calloc(2 * count + 1, sizeof(*peers->prefixes));
	peers->remotes = calloc(count + 1, sizeof(*peers->remotes));
	peers->ways = calloc(count + 1, sizeof(*peers->ways));
	if (!peers->prefixes || !peers->remotes || !peers->ways)
		return -ENOMEM;
	for (size_t i = 0; i < state->peer_count; i++) {
		const struct cv_peer_conf *conf = &state->peers[i];

		if (strcmp(conf->tunnel, tunnel) != 0)
			continue;
		if (conf->to.addr.family != 6)
			add_prefix(peers, conf, 4);
		if (conf->to.addr.family != 4)
			add_prefix(peers, conf, 6);
		peers->remotes[peers->remote_count++] = conf->remote;
	}
	peers->remote_count = cv_addrs_sort(peers->remotes, peers->remote_count);
	return 0;
}

/* The prefixes of all routes, as peers whose remote is the number of their prefix, from 1. */
struct cv_peer_routes {
	struct cv_peer_prefix *items; /* owned */
	size_t count;
	struct cv_peer_set set;
};

static void free_routes(struct cv_peer_routes **routes)
{
	if (!*routes)
		return;
	free((*routes)->items);
	cv_peer_set_fini(&(*routes)->set);
	free(*routes);
	*routes = NULL;
}

void cv_peer_ways_fini(struct cv_peer_ways *ways)
{
	free_routes(&ways->families[0]);
	free_routes(&ways->families[1]);
}

static int add_route(const struct cv_fib_route *route, void *arg, struct cv_err *err)
{
	static const struct cv_addr nobody;
	struct cv_peer_routes *routes = arg;
	size_t count = routes->count;
	struct cv_peer_prefix *grown;

	if (!(count & (count - 1))) {
		grown = reallocarray(routes->items, count ? 2 * count : 1, sizeof(*grown));
		if (!grown)
			return cv_err_set(err, -ENOMEM, "routes: out of memory");
		routes->items = grown;
	}
	routes->items[routes->count++] = cv_peer_prefix_of(&route->to, &nobody);
	return 0;
}

static int compile_routes(struct cv_peer_routes *routes, struct cv_err *err)
{
	size_t kept = cv_peer_prefixes_sort(routes->items, routes->count);

	for (size_t i = 0; i < kept; i++)
		routes->items[i].remote[0] = i + 1;
	routes->count = kept;
	return cv_peers_compile(&routes->set, routes->items, kept, 4, err);
}

static int read_routes(struct cv_instance *inst, uint8_t family, struct cv_peer_routes **out,
		       struct cv_err *err)
{
	CV_CLEANUP(free_routes) struct cv_peer_routes *routes = calloc(1, sizeof(*routes));
	int rc;

	if (!routes)
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	rc = cv_fib_list(inst->nl, family, 0, NULL, add_route, routes, err);
	if (!rc)
		rc = compile_routes(routes, err);
	if (!rc)
		*out = CV_TAKE_PTR(routes);
	return rc;
}

#define CV_FEW_REMOTES 32 /* asking for each is less than reading all routes */

static void give_each_a_way(struct cv_peer_plan *peers)
{
	for (size_t i = 0; i < peers->remote_count; i++)
		peers->ways[i] = i;
	peers->way_count = peers->remote_count;
}

int cv_peer_find_ways(struct cv_instance *inst, struct cv_peer_ways *ways,
		      struct cv_peer_plan *peers, uint8_t family, struct cv_err *err)
{
	struct cv_peer_routes **routes = &ways->families[family == 6];
	int rc = 0;

	if (peers->remote_count <= CV_FEW_REMOTES) {
		give_each_a_way(peers);
		return 0;
	}
	if (!*routes)
		rc = read_routes(inst, family, routes, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < peers->remote_count; i++) {
		const uint32_t *number = cv_peers_find(&(*routes)->set, 4, &peers->remotes[i]);

		peers->ways[i] = number ? *number : 0;
	}
	peers->way_count = (*routes)->count + 1;
	return 0;
}

int cv_peer_gather(struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
		   struct cv_err *err)
{
	struct cv_peer_plan *peers = &plan->peers[plan->peer_count++];

	peers->tunnel = id;
	if (gather(peers, plan->state, conf->name))
		return cv_err_set(err, -ENOMEM, "tunnel %s: peers: out of memory", conf->name);
	return 0;
}

struct cv_peer_plan *cv_peer_of(const struct cv_plan *plan, uint32_t id)
{
	for (size_t i = 0; i < plan->peer_count; i++)
		if (plan->peers[i].tunnel == id)
			return &plan->peers[i];
	return NULL;
}

int cv_peer_each_way(const struct cv_peer_plan *peers, const struct cv_prefix *inside,
		     cv_peer_remote_fn fn, void *arg, struct cv_err *err)
{
	CV_FREE bool *is_done = calloc(peers->way_count + 1, sizeof(*is_done));
	int rc = 0;

	if (!is_done)
		return cv_err_set(err, -ENOMEM, "peers: out of memory");
	for (size_t i = 0; !rc && i < peers->remote_count; i++) {
		if (is_done[peers->ways[i]] || !cv_prefix_contains(inside, &peers->remotes[i]))
			continue;
		is_done[peers->ways[i]] = true;
		rc = fn(&peers->remotes[i], arg, err);
	}
	return rc;
}

/* ---- plan ---- */

static uint32_t size_for(uint32_t cells)
{
	uint32_t size = 0;

	while (size < CV_PEER_SIZE_COUNT - 1 && sizes[size].cells < cells)
		size++;
	return size;
}

/* Opens the array in a slot. -ENOENT sets no text. */
static int open_set(const struct cv_instance *inst, uint32_t remote_slot, struct cv_err *err)
{
	uint32_t size = remote_slot / CV_MAX_REMOTE_SLOTS, slot = remote_slot % CV_MAX_REMOTE_SLOTS;
	CV_CLOSE int fd = cv_instance_map(inst, sizes[size % CV_PEER_SIZE_COUNT].map, err);
	uint32_t id;
	int set;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &slot, &id))
		return errno == ENOENT ? -ENOENT
				       : cv_err_set(err, -errno, "peers: read slot: %s",
						    strerrordesc_np(errno));
	set = cv_map_by_id(id);
	return set >= 0 ? set
			: cv_err_set(err, -errno, "peers: open by id: %s", strerrordesc_np(errno));
}

/* Maps the first size bytes of the array that a live tunnel reads; to be unmapped. -ENOENT sets no
 * text. */
static int map_set(const struct cv_instance *inst, const struct cv_tunnel *live, size_t size,
		   void **cells, struct cv_err *err)
{
	CV_CLOSE int fd = open_set(inst, live->remote_slot, err);

	if (fd < 0)
		return fd;
	*cells = cv_map_memory(fd, size, MAP_SHARED);
	if (*cells == MAP_FAILED)
		return cv_err_set(err, -errno, "peers: map: %s", strerrordesc_np(errno));
	return 0;
}

/* 1 if the live tunnel reads just this set, 0 if not, or a negative errno. */
static int set_is_live(const struct cv_instance *inst, const struct cv_tunnel *live,
		       const struct cv_peer_set *set, struct cv_err *err)
{
	size_t size = set->cell_count * sizeof(*set->cells);
	void *now;
	int rc;

	if (!live->mode || live->remote_kind != CV_REMOTE_PEERS ||
	    live->remote_slot / CV_MAX_REMOTE_SLOTS != size_for(set->cell_count))
		return 0;
	rc = map_set(inst, live, size, &now, err);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	rc = !memcmp(now, set->cells, size);
	munmap(now, size);
	return rc;
}

int cv_peer_find_remote(const struct cv_instance *inst, const struct cv_tunnel *live,
			const struct cv_addr *to, struct cv_addr *remote, struct cv_err *err)
{
	uint32_t cells = sizes[live->remote_slot / CV_MAX_REMOTE_SLOTS % CV_PEER_SIZE_COUNT].cells;
	size_t size = cells * sizeof(struct cv_peer_cell);
	struct cv_peer_set set = { .cell_count = cells };
	const uint32_t *found;
	int rc = map_set(inst, live, size, (void **)&set.cells, err);

	if (rc)
		return rc;
	found = cv_peers_find(&set, live->family, to);
	if (found)
		*remote = cv_addr_from_abi(live->family, found);
	munmap(set.cells, size);
	return found ? 0 : -ENOENT;
}

int cv_peer_plan(struct cv_instance *inst, struct cv_plan *plan, uint32_t id,
		 struct cv_tunnel *tunnel, struct cv_err *err)
{
	const struct cv_tunnel *live = &plan->live_tunnels[id];
	struct cv_peer_plan *peers = cv_peer_of(plan, id);
	int rc = cv_peers_compile(&peers->set, peers->prefixes, peers->prefix_count, tunnel->family,
				  err);

	if (rc)
		return cv_err_prefix(err, "tunnel %s", tunnel->name);
	rc = set_is_live(inst, live, &peers->set, err);
	if (rc < 0)
		return rc;
	peers->is_live = rc;
	peers->remote_slot =
		rc ? live->remote_slot
		   : CV_PEER_SLOT(size_for(peers->set.cell_count), cv_plan_free_slot(plan, id));
	tunnel->remote_kind = CV_REMOTE_PEERS;
	tunnel->remote_slot = peers->remote_slot;
	return 0;
}

/* ---- grow ---- */

static int fill_cells(int fd, const struct cv_peer_set *set, struct cv_err *err)
{
	CV_FREE uint32_t *keys = calloc(set->cell_count, sizeof(*keys));
	uint32_t count = set->cell_count;
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	if (!keys)
		return cv_err_set(err, -ENOMEM, "peers: out of memory");
	for (uint32_t i = 0; i < count; i++)
		keys[i] = i;
	if (bpf_map_update_batch(fd, keys, set->cells, &count, &opts))
		return cv_err_set(err, -errno, "peers: fill: %s", strerrordesc_np(errno));
	return 0;
}

/* Returns the array of a set. */
static int make_set(const struct cv_peer_plan *peers, struct cv_err *err)
{
	uint32_t size = peers->remote_slot / CV_MAX_REMOTE_SLOTS;
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG | BPF_F_MMAPABLE);
	CV_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, sizes[size].map, sizeof(uint32_t),
					 sizeof(struct cv_peer_cell), sizes[size].cells, &opts);
	int rc;

	if (fd < 0)
		return cv_err_set(err, -errno, "peers: create: %s", strerrordesc_np(errno));
	cv_map_keep_id(fd);
	rc = fill_cells(fd, &peers->set, err);
	return rc ? rc : CV_TAKE_FD(fd);
}

/* The sets of one size, which go into one map. */
static int grow_size(struct cv_instance *inst, const struct cv_plan *plan, uint32_t size,
		     struct cv_err *err)
{
	CV_CLOSE int map = cv_instance_map(inst, sizes[size].map, err);
	CV_CLEANUP(cv_slot_batch_close) struct cv_slot_batch batch = { .map_fd = map };
	int rc = map < 0 ? map : 0;

	for (size_t i = 0; !rc && i < plan->peer_count; i++) {
		const struct cv_peer_plan *peers = &plan->peers[i];

		if (!peers->set.cells || peers->is_live ||
		    peers->remote_slot / CV_MAX_REMOTE_SLOTS != size)
			continue;
		rc = cv_tunnel_act(plan, CV_ACT_ADD, "map", "peers",
				   plan->tunnels[peers->tunnel].name, err);
		if (rc > 0)
			rc = cv_slot_batch_add(&batch, peers->remote_slot % CV_MAX_REMOTE_SLOTS,
					       make_set(peers, err), err);
	}
	return rc ? rc : cv_slot_batch_put(&batch, err);
}

int cv_peer_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = 0;

	for (uint32_t size = 0; !rc && plan->peer_count && size < CV_PEER_SIZE_COUNT; size++)
		rc = grow_size(inst, plan, size, err);
	return rc;
}

/* ---- shrink ---- */

static bool has_peers(const struct cv_tunnel *tunnel)
{
	return tunnel->mode && tunnel->remote_kind == CV_REMOTE_PEERS;
}

/* An empty slot is left alone: changing one waits for all programs that run. */
static int empty_slot(const struct cv_plan *plan, int fd, uint32_t slot, const char *tunnel,
		      struct cv_err *err)
{
	uint32_t id;
	int rc;

	if (bpf_map_lookup_elem(fd, &slot, &id) && errno == ENOENT)
		return 0;
	rc = cv_tunnel_act(plan, CV_ACT_DEL, "map", "peers", tunnel, err);
	if (rc <= 0)
		return rc;
	if (bpf_map_delete_elem(fd, &slot) && errno != ENOENT)
		return cv_err_set(err, -errno, "peers of tunnel %s: remove: %s", tunnel,
				  strerrordesc_np(errno));
	return 0;
}

/* Empties the slots of all tunnels in the map of one size, but those that are read. */
static int shrink_size(struct cv_instance *inst, const struct cv_plan *plan, uint32_t size,
		       struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, sizes[size].map, err);
	int rc = fd < 0 ? fd : 0;

	for (uint32_t slot = 2; !rc && slot < CV_MAX_REMOTE_SLOTS; slot++) {
		const struct cv_tunnel *live = &plan->live_tunnels[slot / 2];
		const struct cv_tunnel *wanted = &plan->tunnels[slot / 2];

		if (has_peers(wanted) && wanted->remote_slot == CV_PEER_SLOT(size, slot))
			continue;
		if (has_peers(live) || has_peers(wanted))
			rc = empty_slot(plan, fd, slot, has_peers(live) ? live->name : wanted->name,
					err);
	}
	return rc;
}

int cv_peer_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = 0;

	for (uint32_t size = 0; !rc && size < CV_PEER_SIZE_COUNT; size++)
		rc = shrink_size(inst, plan, size, err);
	return rc;
}
