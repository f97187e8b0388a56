/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "endpoint.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "map.h"
#include "mode.h"
#include "own.h"
#include "peer.h"

uint64_t cv_boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * CV_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* ---- plan ---- */

static int append(struct cv_plan *plan, const struct cv_endpoint_key *key, uint32_t tunnel,
		  struct cv_err *err)
{
	size_t count = plan->endpoint_count;
	struct cv_endpoint_plan *grown;

	if (!(count & (count - 1))) {
		grown = reallocarray(plan->endpoints, count ? 2 * count : 1, sizeof(*grown));
		if (!grown)
			return cv_err_set(err, -ENOMEM, "endpoints: out of memory");
		plan->endpoints = grown;
	}
	plan->endpoints[plan->endpoint_count++] =
		(struct cv_endpoint_plan){ .key = *key, .tunnel = tunnel };
	return 0;
}

/* What outer packets look like to whom they cross: as ICMP quotes them. */
static int add_path(struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
		    const struct cv_addr *destination, struct cv_err *err)
{
	struct cv_endpoint_key key = {
		.port = (uint16_t)cv_tunnel_conf_port(conf),
		.mode = plan->tunnels[id].mode,
		.family = plan->tunnels[id].family,
		.kind = CV_ENDPOINT_PATH,
	};

	cv_addr_to_abi(&conf->local, key.local);
	cv_addr_to_abi(destination, key.remote);
	return append(plan, &key, id, err);
}

int cv_endpoint_add(struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
		    const struct cv_addr *remote, struct cv_err *err)
{
	const struct cv_tunnel *tunnel = &plan->tunnels[id];
	struct cv_endpoint_key key = {
		.key = tunnel->key,
		.port = (uint16_t)cv_tunnel_conf_port(conf),
		.mode = tunnel->mode,
		.family = tunnel->family,
		.kind = CV_ENDPOINT_EXACT,
		.has_key = !!(tunnel->flags & CV_TUNNEL_KEY),
	};
	int rc;

	cv_addr_to_abi(cv_mode_arrival(conf), key.local);
	cv_addr_to_abi(remote, key.remote);
	rc = append(plan, &key, id, err);
	key.key = 0;
	key.has_key = 0;
	key.kind = CV_ENDPOINT_PAIR;
	if (!rc)
		rc = append(plan, &key, id, err);
	return rc;
}

int cv_endpoint_plan(struct cv_plan *plan, const struct cv_tunnel_conf *conf, uint32_t id,
		     struct cv_err *err)
{
	struct cv_endpoint_key local = {
		.port = (uint16_t)cv_tunnel_conf_port(conf),
		.mode = plan->tunnels[id].mode,
		.family = plan->tunnels[id].family,
		.kind = CV_ENDPOINT_LOCAL,
	};
	const struct cv_peer_plan *peers = conf->has_peers ? cv_peer_of(plan, id) : NULL;
	int rc = 0;

	/* Nothing arrives for an address that is not here. */
	for (size_t i = 0; !rc && !conf->is_nonlocal && i < conf->remotes.count; i++)
		rc = cv_endpoint_add(plan, conf, id, &conf->remotes.items[i], err);
	for (size_t i = 0; !rc && i < conf->remotes.count; i++)
		rc = add_path(plan, conf, id, cv_mode_destination(conf, i), err);
	for (size_t i = 0; !rc && peers && !conf->is_nonlocal && i < peers->remote_count; i++)
		rc = cv_endpoint_add(plan, conf, id, &peers->remotes[i], err);
	for (size_t i = 0; !rc && peers && i < peers->remote_count; i++)
		rc = add_path(plan, conf, id, &peers->remotes[i], err);
	if (rc || conf->is_nonlocal)
		return rc;
	cv_addr_to_abi(cv_mode_arrival(conf), local.local);
	return append(plan, &local, id, err);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cv_endpoint_key));
}

/* Of two tunnels that an endpoint is near to, the one with the lower id. */
static int compare_endpoints(const void *a, const void *b)
{
	const struct cv_endpoint_plan *left = a, *right = b;
	int order = compare_keys(a, b);

	return order ? order : (left->tunnel > right->tunnel) - (left->tunnel < right->tunnel);
}

static void sort_endpoints(struct cv_plan *plan)
{
	size_t kept = 0;

	if (plan->endpoint_count)
		qsort(plan->endpoints, plan->endpoint_count, sizeof(*plan->endpoints),
		      compare_endpoints);
	for (size_t i = 0; i < plan->endpoint_count; i++)
		if (!kept || compare_keys(&plan->endpoints[kept - 1], &plan->endpoints[i]))
			plan->endpoints[kept++] = plan->endpoints[i];
	plan->endpoint_count = kept;
}

static const struct cv_endpoint_key *live_key(const struct cv_plan *plan, size_t live)
{
	return &((const struct cv_endpoint_key *)plan->live_endpoints.keys)[live];
}

static const struct cv_endpoint *live_value(const struct cv_plan *plan, size_t live)
{
	return &((const struct cv_endpoint *)plan->live_endpoints.values)[live];
}

/* Finds out which wanted endpoints are live, and which live ones wanted. */
static int compare_with_live(struct cv_plan *plan, struct cv_err *err)
{
	plan->endpoint_is_live = calloc(plan->endpoint_count + 1, sizeof(bool));
	plan->endpoint_is_wanted = calloc(plan->live_endpoints.count + 1, sizeof(bool));
	if (!plan->endpoint_is_live || !plan->endpoint_is_wanted)
		return cv_err_set(err, -ENOMEM, "endpoints: out of memory");
	for (size_t i = 0; plan->endpoint_count && i < plan->live_endpoints.count; i++) {
		const struct cv_endpoint *live = live_value(plan, i);
		const struct cv_endpoint_plan *wanted =
			bsearch(live_key(plan, i), plan->endpoints, plan->endpoint_count,
				sizeof(*plan->endpoints), compare_keys);

		plan->endpoint_is_wanted[i] = wanted;
		if (wanted)
			plan->endpoint_is_live[wanted - plan->endpoints] =
				live->tunnel == wanted->tunnel && !live->until_ns;
	}
	return 0;
}

int cv_endpoint_finish(struct cv_instance *inst, struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_ENDPOINTS), err);
	int rc;

	if (fd < 0)
		return fd;
	sort_endpoints(plan);
	rc = cv_map_read(fd, sizeof(struct cv_endpoint_key), sizeof(struct cv_endpoint),
			 CV_MAX_ENDPOINTS, &plan->live_endpoints, err);
	return rc ? rc : compare_with_live(plan, err);
}

/* ---- ports ---- */

static void add_wanted_ports(const struct cv_plan *plan, struct cv_ports *ports)
{
	for (size_t i = 0; i < plan->endpoint_count; i++)
		if (plan->endpoints[i].key.port && plan->endpoints[i].key.kind == CV_ENDPOINT_LOCAL)
			ports->mode[plan->endpoints[i].key.port] = plan->endpoints[i].key.mode;
}

static int write_ports(const struct cv_plan *plan, int fd, const struct cv_ports *ports,
		       struct cv_err *err)
{
	struct cv_act act = { .kind = CV_ACT_CHANGE,
			      .noun = "map",
			      .name = CV_STRING(CV_MAP_PORTS),
			      .is_inner = true };
	uint32_t zero = 0;
	int rc = cv_act(plan, &act, err);

	if (rc <= 0)
		return rc;
	if (bpf_map_update_elem(fd, &zero, ports, BPF_ANY))
		return cv_err_set(err, -errno, "ports: write: %s", strerrordesc_np(errno));
	return 0;
}

/* What there is, then that and the wanted ones, then these alone. */
struct port_lists {
	struct cv_ports live, grown, wanted;
};

static int change_ports(struct cv_instance *inst, const struct cv_plan *plan, bool is_growing,
			struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_PORTS), err);
	CV_FREE struct port_lists *lists = calloc(1, sizeof(*lists));
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (!lists)
		return cv_err_set(err, -ENOMEM, "ports: out of memory");
	if (bpf_map_lookup_elem(fd, &zero, &lists->live))
		return cv_err_set(err, -errno, "ports: read: %s", strerrordesc_np(errno));
	lists->grown = lists->live;
	add_wanted_ports(plan, &lists->grown);
	add_wanted_ports(plan, &lists->wanted);
	if (is_growing)
		return memcmp(&lists->grown, &lists->live, sizeof(lists->live))
			       ? write_ports(plan, fd, &lists->grown, err)
			       : 0;
	return memcmp(&lists->wanted, &lists->grown, sizeof(lists->live))
		       ? write_ports(plan, fd, &lists->wanted, err)
		       : 0;
}

/* ---- acts ---- */

/* What was answered about the endpoints of each tunnel; they are told of together. */
struct told {
	const struct cv_plan *plan;
	enum cv_act_kind kind;
	bool is_told[CV_MAX_TUNNELS];
};

static int tell(struct told *told, uint32_t tunnel, const char *name, struct cv_err *err)
{
	bool *is_told = &told->is_told[tunnel % CV_MAX_TUNNELS];

	if (*is_told)
		return cv_acts_are_made(told->plan);
	*is_told = true;
	return cv_tunnel_act(told->plan, told->kind, "map", "endpoints", name, err);
}

/* ---- grow ---- */

static int write_endpoint(int fd, const struct cv_plan *plan,
			  const struct cv_endpoint_plan *endpoint, struct cv_err *err)
{
	struct cv_endpoint wanted = { .tunnel = endpoint->tunnel };

	if (bpf_map_update_elem(fd, &endpoint->key, &wanted, BPF_ANY))
		return cv_err_set(err, -errno, "tunnel %s: remote: %s",
				  plan->tunnels[endpoint->tunnel].name, strerrordesc_np(errno));
	return 0;
}

static int write_endpoints(int fd, const struct cv_plan *plan, struct cv_err *err)
{
	struct told told = { .plan = plan, .kind = CV_ACT_ADD };
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < plan->endpoint_count; i++) {
		const struct cv_endpoint_plan *endpoint = &plan->endpoints[i];

		if (plan->endpoint_is_live[i])
			continue;
		rc = tell(&told, endpoint->tunnel, plan->tunnels[endpoint->tunnel].name, err);
		if (rc > 0)
			rc = write_endpoint(fd, plan, endpoint, err);
	}
	return rc < 0 ? rc : 0;
}

/* How long the old key of a tunnel stays valid, by its id. */
static uint32_t overlap_of(const struct cv_plan *plan, uint32_t id)
{
	const struct cv_tunnel_conf *conf =
		cv_state_find_tunnel(plan->state, plan->tunnels[id].name);

	return conf ? conf->overlap_seconds : 0;
}

/* For how long an endpoint that is not wanted is to stay, because its key is the one that its tunnel had
 * until now; 0: it is not. */
static uint32_t seconds_left(const struct cv_plan *plan, const struct cv_endpoint_key *key,
			     const struct cv_endpoint *endpoint)
{
	const struct cv_tunnel *tunnel = &plan->tunnels[endpoint->tunnel % CV_MAX_TUNNELS];

	if (key->kind != CV_ENDPOINT_EXACT || endpoint->until_ns || !tunnel->mode ||
	    key->key == tunnel->key)
		return 0;
	return overlap_of(plan, endpoint->tunnel % CV_MAX_TUNNELS);
}

/* Gives it an end. */
static int end_old_key(int fd, const struct cv_plan *plan, const struct cv_endpoint_key *key,
		       struct cv_endpoint endpoint, struct cv_err *err)
{
	const char *name = plan->tunnels[endpoint.tunnel % CV_MAX_TUNNELS].name;
	uint32_t seconds = seconds_left(plan, key, &endpoint);
	int rc = seconds ? cv_tunnel_act(plan, CV_ACT_CHANGE, "map", "old key", name, err) : 0;

	if (rc <= 0)
		return rc;
	endpoint.until_ns = cv_boot_ns() + seconds * CV_NS_PER_SECOND;
	if (bpf_map_update_elem(fd, key, &endpoint, BPF_EXIST))
		return cv_err_set(err, -errno, "tunnel %s: old key: %s", name,
				  strerrordesc_np(errno));
	return 0;
}

int cv_endpoint_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_ENDPOINTS), err);
	int rc;

	if (fd < 0)
		return fd;
	rc = write_endpoints(fd, plan, err);
	for (size_t i = 0; !rc && i < plan->live_endpoints.count; i++)
		if (!plan->endpoint_is_wanted[i])
			rc = end_old_key(fd, plan, live_key(plan, i), *live_value(plan, i), err);
	return rc ? rc : change_ports(inst, plan, true, err);
}

/* ---- shrink ---- */

/* True if an endpoint that is not wanted stays for now: it has an end that is to come, or was to be
 * given one. */
static bool stays_for_now(const struct cv_plan *plan, size_t live)
{
	const struct cv_endpoint *endpoint = live_value(plan, live);

	return plan->tunnels[endpoint->tunnel % CV_MAX_TUNNELS].mode &&
	       (endpoint->until_ns > cv_boot_ns() ||
		seconds_left(plan, live_key(plan, live), endpoint));
}

static int shrink_endpoint(struct told *told, int fd, size_t live, struct cv_err *err)
{
	const struct cv_plan *plan = told->plan;
	uint32_t tunnel = live_value(plan, live)->tunnel;
	int rc = tell(told, tunnel, plan->live_tunnels[tunnel % CV_MAX_TUNNELS].name, err);

	if (rc <= 0)
		return rc;
	if (bpf_map_delete_elem(fd, live_key(plan, live)) && errno != ENOENT)
		return cv_err_set(err, -errno, "endpoint: remove: %s", strerrordesc_np(errno));
	return 0;
}

int cv_endpoint_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_ENDPOINTS), err);
	struct told told = { .plan = plan, .kind = CV_ACT_DEL };
	int rc = fd < 0 ? fd : 0;

	for (size_t i = 0; !rc && i < plan->live_endpoints.count; i++)
		if (!plan->endpoint_is_wanted[i] && !stays_for_now(plan, i))
			rc = shrink_endpoint(&told, fd, i, err);
	return rc ? rc : change_ports(inst, plan, false, err);
}
