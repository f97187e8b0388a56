/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nexthop objects of ours: one for each way of a route with several tunnels, and a group of them
 * that the route names. They are told by protocol and id. None is ever edited: a change makes new
 * ones, the route is replaced in one step, and what no route uses any more goes.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "own.h"
#include "plan.h"

#define ID_COUNT 0x10000u

static bool is_our_id(uint32_t id)
{
	return id >= CV_NEXTHOP_BASE && id < CV_NEXTHOP_BASE + ID_COUNT;
}

static bool is_ours(const struct cv_nexthop *nexthop)
{
	return nexthop->protocol == CV_ROUTE_PROTOCOL && is_our_id(nexthop->id);
}

/* ---- grow ---- */

static bool same_nexthop(const struct cv_nexthop *a, const struct cv_nexthop *b)
{
	return a->family == b->family && a->ifindex == b->ifindex &&
	       cv_addr_equal(&a->via, &b->via) && cv_lwt_equal(&a->lwt, &b->lwt) &&
	       a->member_count == b->member_count &&
	       (!a->member_count ||
		!memcmp(a->members, b->members, a->member_count * sizeof(*a->members)));
}

static uint32_t free_id(const struct cv_nexthop_list *live)
{
	for (uint32_t id = CV_NEXTHOP_BASE; is_our_id(id); id++)
		if (!cv_nexthop_find(live, id))
			return id;
	return 0;
}

/* The id of one of ours that is equal; made if there is none. live is read anew then. */
static int find_or_add(struct cv_instance *inst, struct cv_nexthop_list *live,
		       struct cv_nexthop *wanted, const int fds[CV_LWT_HOOKS], uint32_t *id,
		       struct cv_err *err)
{
	int rc;

	for (size_t i = 0; i < live->count; i++)
		if (is_ours(&live->items[i]) && same_nexthop(&live->items[i], wanted)) {
			*id = live->items[i].id;
			return 0;
		}
	wanted->id = *id = free_id(live);
	if (!*id)
		return cv_err_set(err, -ENOSPC, "nexthops: no id is free");
	rc = cv_nexthop_add(inst->nl, wanted, fds, err);
	if (rc)
		return rc;
	cv_nexthop_list_fini(live);
	return cv_nexthop_list(inst->nl, live, err);
}

static int grow_hop(struct cv_instance *inst, const struct cv_plan *plan,
		    const struct cv_route_plan *route, const struct cv_hop_plan *hop,
		    struct cv_nexthop_list *live, struct cv_nexthop_member *member,
		    struct cv_err *err)
{
	struct cv_nexthop wanted = {
		/* One with a gateway is of the gateway's family; IPv4 routes may use it, too. */
		.family = hop->via.family ? hop->via.family : route->fib.to.addr.family,
		.protocol = CV_ROUTE_PROTOCOL,
		.ifindex = hop->ifindex,
		.via = hop->via,
		.lwt = hop->lwt,
	};
	CV_CLEANUP(cv_programs_close) struct cv_programs programs = CV_NO_PROGRAMS;
	int rc = cv_route_programs(inst, plan, route, hop->tunnel, &hop->lwt, &programs, err);

	member->weight = hop->weight;
	return rc ? rc : find_or_add(inst, live, &wanted, programs.fds, &member->id, err);
}

static int compare_members(const void *a, const void *b)
{
	const struct cv_nexthop_member *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

int cv_nexthop_grow(struct cv_instance *inst, const struct cv_plan *plan,
		    const struct cv_route_plan *route, struct cv_nexthop_list *live, uint32_t *id,
		    struct cv_err *err)
{
	CV_FREE struct cv_nexthop_member *members = calloc(route->hop_count, sizeof(*members));
	struct cv_nexthop group = {
		.protocol = CV_ROUTE_PROTOCOL,
		.members = members,
		.member_count = route->hop_count,
	};
	int rc = 0;

	if (!members)
		return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
	for (size_t i = 0; !rc && i < route->hop_count; i++)
		rc = grow_hop(inst, plan, route, &route->hops[i], live, &members[i], err);
	if (rc)
		return rc;
	qsort(members, route->hop_count, sizeof(*members), compare_members);
	return find_or_add(inst, live, &group, NULL, id, err);
}

/* ---- shrink ---- */

/* Which of ours some route uses, ours or another's: deleting it would delete that route. */
struct use {
	bool is_used[ID_COUNT];
};

static bool uses_ours(const struct cv_fib_route *route, void *arg)
{
	(void)arg;
	return is_our_id(route->nh_id);
}

static int note_route(const struct cv_fib_route *route, void *arg, struct cv_err *err)
{
	struct use *use = arg;

	(void)err;
	use->is_used[route->nh_id - CV_NEXTHOP_BASE] = true;
	return 0;
}

static void note_members(const struct cv_nexthop *group, struct use *use)
{
	for (size_t i = 0; i < group->member_count; i++)
		if (is_our_id(group->members[i].id))
			use->is_used[group->members[i].id - CV_NEXTHOP_BASE] = true;
}

/* Deletes those that nothing uses: groups first, then what only they used. */
static int shrink_unused(struct cv_instance *inst, const struct cv_nexthop_list *live,
			 struct use *use, struct cv_err *err)
{
	int rc = 0;

	for (int groups = 1; groups >= 0; groups--)
		for (size_t i = 0; !rc && i < live->count; i++) {
			const struct cv_nexthop *nexthop = &live->items[i];

			if (!!nexthop->member_count != groups)
				continue;
			if (!is_ours(nexthop) || use->is_used[nexthop->id - CV_NEXTHOP_BASE])
				note_members(nexthop, use);
			else
				rc = cv_nexthop_del(inst->nl, nexthop->id, err);
			if (rc == -ENOENT)
				rc = 0; /* its device went away between the list and now */
		}
	return rc;
}

int cv_nexthop_shrink(struct cv_instance *inst, struct cv_err *err)
{
	CV_CLEANUP(cv_nexthop_list_fini) struct cv_nexthop_list live = { 0 };
	CV_FREE struct use *use = calloc(1, sizeof(*use));
	bool has_ours = false;
	int rc;

	if (!use)
		return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
	rc = cv_nexthop_list(inst->nl, &live, err);
	for (size_t i = 0; i < live.count; i++)
		has_ours = has_ours || is_ours(&live.items[i]);
	if (rc || !has_ours)
		return rc;
	rc = cv_fib_list(inst->nl, 4, 0, uses_ours, note_route, use, err);
	if (!rc)
		rc = cv_fib_list(inst->nl, 6, 0, uses_ours, note_route, use, err);
	return rc ? rc : shrink_unused(inst, &live, use, err);
}
