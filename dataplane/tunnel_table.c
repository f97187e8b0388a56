/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tunnel_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "own.h"
#include "plan.h"

/* What the other end does not see of what is sent. */
#define CV_UNSENT_FLAGS (CV_TUNNEL_ALLOW | CV_TUNNEL_NO_PROBE | CV_TUNNEL_RULES)

static const struct cv_slot_shape table_shape = {
	.name = CV_STRING(CV_MAP_TUNNELS),
	.value_size = sizeof(struct cv_tunnel),
	.max_entries = CV_MAX_TUNNEL_ENTRIES,
};

int cv_tunnel_table_read(const struct cv_instance *inst, struct cv_tunnel *entries,
			 struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_TUNNELS), err);
	uint32_t zero = 0;

	return fd < 0 ? fd : cv_slot_read(fd, &zero, &table_shape, entries, err);
}

int cv_tunnel_table_write(const struct cv_instance *inst, const struct cv_tunnel *entries,
			  struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_TUNNELS), err);
	uint32_t zero = 0;

	return fd < 0 ? fd : cv_slot_write(fd, &zero, &table_shape, entries, err);
}

int cv_live_tunnels(const struct cv_instance *inst, struct cv_tunnel *tunnels, struct cv_err *err)
{
	CV_FREE struct cv_tunnel *entries = calloc(CV_MAX_TUNNEL_ENTRIES, sizeof(*entries));
	int rc;

	if (!entries)
		return cv_err_set(err, -ENOMEM, "tunnels: out of memory");
	rc = cv_tunnel_table_read(inst, entries, err);
	memcpy(tunnels, &entries[CV_TUNNEL_IN(0)], CV_MAX_TUNNELS * sizeof(*tunnels));
	return rc;
}

uint32_t cv_tunnel_version(const struct cv_tunnel *entries, uint32_t id, uint32_t generation)
{
	const struct cv_tunnel *first = &entries[CV_TUNNEL_OUT(id, 0)];
	const struct cv_tunnel *second = &entries[CV_TUNNEL_OUT(id, 1)];

	if (!first->mode || !second->mode)
		return second->mode ? 1 : 0;
	if (first->generation > generation || second->generation > generation)
		return first->generation > second->generation ? 1 : 0;
	return first->generation > second->generation ? 0 : 1;
}

/* Leaves of a tunnel what the other end sees. */
static struct cv_tunnel sent_part(const struct cv_tunnel *tunnel)
{
	struct cv_tunnel part = *tunnel;

	part.flags &= ~CV_UNSENT_FLAGS;
	part.allow_generation = part.generation = 0;
	part.mtu_bytes = part.ifindex = part.return_mark = 0;
	part.mss4 = part.mss6 = 0;
	part.switch_ns = 0;
	return part;
}

bool cv_tunnel_sends_alike(const struct cv_tunnel *a, const struct cv_tunnel *b)
{
	struct cv_tunnel left = sent_part(a), right = sent_part(b);

	return !memcmp(&left, &right, sizeof(left));
}

/* True if a route into the tunnel goes elsewhere in the wanted state, or is gone. */
static bool is_left_by_a_route(const struct cv_plan *plan, const char *tunnel)
{
	const struct cv_state *before = plan->before;

	if (!before)
		return true;
	for (size_t i = 0; i < before->route_count; i++) {
		const struct cv_route_conf *stays;

		if (!cv_route_conf_enters(&before->routes[i], tunnel))
			continue;
		stays = cv_state_find_route(plan->state, &before->routes[i]);
		if (!stays || !cv_route_conf_enters(stays, tunnel))
			return true;
	}
	return false;
}

uint32_t cv_tunnel_choose_version(const struct cv_plan *plan, uint32_t id,
				  const struct cv_tunnel *wanted)
{
	uint32_t now = plan->live_versions[id], other = !now;
	const struct cv_tunnel *live = &plan->live_entries[CV_TUNNEL_OUT(id, now)];
	const struct cv_tunnel *beside = &plan->live_entries[CV_TUNNEL_OUT(id, other)];

	if (!live->mode || cv_tunnel_sends_alike(live, wanted))
		return now;
	if (beside->mode)
		return cv_tunnel_sends_alike(beside, wanted) ? other : now;
	return is_left_by_a_route(plan, wanted->name) ? other : now;
}

void cv_tunnel_table_fill(const struct cv_plan *plan, bool with_old, struct cv_tunnel *entries)
{
	if (with_old)
		memcpy(entries, plan->live_entries, CV_MAX_TUNNEL_ENTRIES * sizeof(*entries));
	else
		memset(entries, 0, CV_MAX_TUNNEL_ENTRIES * sizeof(*entries));
	for (uint32_t id = 1; id < CV_MAX_TUNNELS; id++) {
		if (!plan->tunnels[id].mode)
			continue;
		entries[CV_TUNNEL_IN(id)] = plan->tunnels[id];
		entries[CV_TUNNEL_OUT(id, plan->versions[id])] = plan->tunnels[id];
	}
}
