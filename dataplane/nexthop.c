/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nexthop objects of ours: see nexthop.h. They are told by protocol and id. */
#include "nexthop.h"

#include <errno.h>
#include <string.h>

#include "chain.h"
#include "own.h"

#define ID_COUNT 0x10000u

struct cv_nexthop_pool {
	struct cv_instance *inst;
	struct cv_nexthop_list live;
	struct cv_nexthop_list ours; /* by content; those of live first, whose members they share */
	size_t shared; /* how many these are */
	struct cv_chains chains; /* of ours */
	uint32_t next_id; /* all below it are taken */
};

static bool is_our_id(uint32_t id)
{
	return id >= CV_NEXTHOP_BASE && id < CV_NEXTHOP_BASE + ID_COUNT;
}

static bool is_ours(const struct cv_nexthop *nexthop)
{
	return nexthop->protocol == CV_ROUTE_PROTOCOL && is_our_id(nexthop->id);
}

static bool same_nexthop(const struct cv_nexthop *a, const struct cv_nexthop *b)
{
	return a->family == b->family && a->ifindex == b->ifindex &&
	       cv_addr_equal(&a->via, &b->via) && cv_lwt_equal(&a->lwt, &b->lwt) &&
	       a->member_count == b->member_count &&
	       (!a->members || !b->members ||
		!memcmp(a->members, b->members, a->member_count * sizeof(*a->members)));
}

static uint64_t hash_of(const struct cv_nexthop *nexthop)
{
	uint64_t hash = cv_hash_bytes(nexthop->family, nexthop->members,
				      nexthop->member_count * sizeof(*nexthop->members));

	for (int hook = 0; hook < CV_LWT_HOOKS; hook++)
		hash ^= cv_hash_text(nexthop->lwt.names[hook]);
	return hash;
}

/* ---- the pool ---- */

/* members are taken if it returns 0. */
static int add_ours(struct cv_nexthop_pool *pool, const struct cv_nexthop *nexthop,
		    struct cv_err *err)
{
	struct cv_nexthop_list *ours = &pool->ours;
	size_t room = pool->chains.room ? 2 * pool->chains.room : 16;
	struct cv_nexthop *grown;

	if (ours->count == pool->chains.room) {
		grown = reallocarray(ours->items, room, sizeof(*grown));
		if (!grown || cv_chains_grow(&pool->chains, room)) {
			ours->items = grown ? grown : ours->items;
			return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
		}
		ours->items = grown;
		for (size_t i = 0; i < ours->count; i++)
			cv_chains_link(&pool->chains, hash_of(&grown[i]), i);
	}
	cv_chains_link(&pool->chains, hash_of(nexthop), ours->count);
	ours->items[ours->count++] = *nexthop;
	return 0;
}

int cv_nexthop_pool_new(struct cv_nexthop_pool **out, struct cv_instance *inst, struct cv_err *err)
{
	CV_CLEANUP(cv_nexthop_pool_free)
	struct cv_nexthop_pool *pool = calloc(1, sizeof(*pool));
	int rc;

	if (!pool)
		return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
	pool->inst = inst;
	pool->next_id = CV_NEXTHOP_BASE;
	rc = cv_nexthop_list(inst->nl, &pool->live, err);
	for (size_t i = 0; !rc && i < pool->live.count; i++)
		if (is_ours(&pool->live.items[i])) {
			rc = add_ours(pool, &pool->live.items[i], err);
			pool->shared = pool->ours.count;
		}
	if (!rc)
		*out = CV_TAKE_PTR(pool);
	return rc;
}

void cv_nexthop_pool_free(struct cv_nexthop_pool **pool_ptr)
{
	struct cv_nexthop_pool *pool = *pool_ptr;

	if (!pool)
		return;
	for (size_t i = pool->shared; i < pool->ours.count; i++)
		free(pool->ours.items[i].members);
	free(pool->ours.items);
	cv_chains_fini(&pool->chains);
	cv_nexthop_list_fini(&pool->live);
	free(pool);
	*pool_ptr = NULL;
}

/* One of ours that is equal, or NULL. */
static const struct cv_nexthop *find_equal(const struct cv_nexthop_pool *pool,
					   const struct cv_nexthop *wanted)
{
	uint32_t number = CV_NOBODY;

	if (pool->chains.room)
		number = cv_chains_first(&pool->chains, hash_of(wanted));
	while (number != CV_NOBODY && !same_nexthop(&pool->ours.items[number], wanted))
		number = pool->chains.next[number];
	return number == CV_NOBODY ? NULL : &pool->ours.items[number];
}

static uint32_t take_id(struct cv_nexthop_pool *pool)
{
	while (is_our_id(pool->next_id) && cv_nexthop_find(&pool->live, pool->next_id))
		pool->next_id++;
	return is_our_id(pool->next_id) ? pool->next_id++ : 0;
}

/* ---- grow ---- */

/* A copy of a new one for the pool, with members of its own. */
static int keep_new(struct cv_nexthop_pool *pool, const struct cv_nexthop *nexthop,
		    struct cv_err *err)
{
	size_t size = nexthop->member_count * sizeof(*nexthop->members);
	CV_FREE struct cv_nexthop_member *members = malloc(size + 1);
	struct cv_nexthop copy = *nexthop;
	int rc;

	if (!members)
		return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
	if (size)
		memcpy(members, nexthop->members, size);
	copy.members = members;
	rc = add_ours(pool, &copy, err);
	if (!rc)
		(void)CV_TAKE_PTR(members);
	return rc;
}

/* Gives wanted the id of one of ours that is equal. If there is none the swap adds it; without one,
 * -ENOENT is returned without a text. */
static int find_or_add(struct cv_nexthop_pool *pool, struct cv_swap *swap,
		       struct cv_nexthop *wanted, const struct cv_route_plan *route,
		       const struct cv_hop_plan *hop, struct cv_err *err)
{
	const struct cv_nexthop *equal = find_equal(pool, wanted);
	int rc;

	if (equal) {
		wanted->id = equal->id;
		return 0;
	}
	if (!swap)
		return -ENOENT;
	wanted->id = take_id(pool);
	if (!wanted->id)
		return cv_err_set(err, -ENOSPC, "nexthops: no id is free");
	rc = keep_new(pool, wanted, err);
	return rc ? rc : cv_swap_nexthop(swap, CV_ACT_ADD, wanted, route, hop, err);
}

static struct cv_nexthop nexthop_of(const struct cv_route_plan *route,
				    const struct cv_hop_plan *hop)
{
	return (struct cv_nexthop){
		/* One with a gateway is of the gateway's family; IPv4 routes may use it, too. */
		.family = hop->via.family ? hop->via.family : route->fib.to.addr.family,
		.protocol = CV_ROUTE_PROTOCOL,
		.ifindex = hop->ifindex,
		.via = hop->via,
		.lwt = hop->lwt,
	};
}

static int compare_members(const void *a, const void *b)
{
	const struct cv_nexthop_member *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* The id of the group of a route with hops; members has room for them. swap: see find_or_add(). */
static int group_of(struct cv_nexthop_pool *pool, struct cv_swap *swap,
		    const struct cv_route_plan *route, struct cv_nexthop_member *members,
		    uint32_t *id, struct cv_err *err)
{
	struct cv_nexthop group = {
		.protocol = CV_ROUTE_PROTOCOL,
		.members = members,
		.member_count = route->hop_count,
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < route->hop_count; i++) {
		const struct cv_hop_plan *hop = &route->hops[i];
		struct cv_nexthop wanted = nexthop_of(route, hop);

		rc = find_or_add(pool, swap, &wanted, route, hop, err);
		members[i] = (struct cv_nexthop_member){ .id = wanted.id, .weight = hop->weight };
	}
	if (rc)
		return rc;
	qsort(members, route->hop_count, sizeof(*members), compare_members);
	rc = find_or_add(pool, swap, &group, route, NULL, err);
	*id = group.id;
	return rc;
}

int cv_nexthop_grow(struct cv_nexthop_pool *pool, struct cv_swap *swap,
		    const struct cv_route_plan *route, uint32_t *id, struct cv_err *err)
{
	CV_FREE struct cv_nexthop_member *members = calloc(route->hop_count, sizeof(*members));

	return members ? group_of(pool, swap, route, members, id, err)
		       : cv_err_set(err, -ENOMEM, "nexthops: out of memory");
}

/* ---- shrink ---- */

/* Which of ours are used: deleting one would delete the routes that use it. */
struct use {
	bool is_used[ID_COUNT];
};

static void note_id(struct use *use, uint32_t id)
{
	if (is_our_id(id))
		use->is_used[id - CV_NEXTHOP_BASE] = true;
}

/* Of a group that is only going to be made the kernel tells no members. */
static void note_hops(const struct cv_nexthop_pool *pool, const struct cv_route_plan *route,
		      struct use *use)
{
	for (size_t i = 0; i < route->hop_count; i++) {
		struct cv_nexthop wanted = nexthop_of(route, &route->hops[i]);
		const struct cv_nexthop *equal = find_equal(pool, &wanted);

		if (equal)
			note_id(use, equal->id);
	}
}

static int note_plan(struct cv_nexthop_pool *pool, const struct cv_plan *plan, struct use *use,
		     struct cv_err *err)
{
	for (size_t i = 0; i < plan->route_count; i++) {
		const struct cv_route_plan *route = &plan->routes[i];
		CV_FREE struct cv_nexthop_member *members =
			calloc(route->hop_count + 1, sizeof(*members));
		uint32_t id = route->fib.nh_id;

		if (!members)
			return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
		note_hops(pool, route, use);
		if (!route->hop_count || !group_of(pool, NULL, route, members, &id, NULL))
			note_id(use, id);
	}
	return 0;
}

static bool is_foreign_user(const struct cv_fib_route *route, void *arg)
{
	(void)arg;
	return is_our_id(route->nh_id) && !cv_route_is_ours(route);
}

static int note_route(const struct cv_fib_route *route, void *arg, struct cv_err *err)
{
	(void)err;
	note_id(arg, route->nh_id);
	return 0;
}

/* Groups first, then what only they used; without a swap it is only counted what would go. */
static int shrink_unused(const struct cv_nexthop_pool *pool, struct cv_swap *swap, struct use *use,
			 struct cv_err *err)
{
	int rc = 0, count = 0;

	for (int groups = 1; groups >= 0; groups--)
		for (size_t i = 0; rc >= 0 && i < pool->live.count; i++) {
			const struct cv_nexthop *nexthop = &pool->live.items[i];

			if (!!nexthop->member_count != groups)
				continue;
			if (is_ours(nexthop) && !use->is_used[nexthop->id - CV_NEXTHOP_BASE]) {
				count++;
				rc = swap ? cv_swap_nexthop(swap, CV_ACT_DEL, nexthop, NULL, NULL,
							    err)
					  : 0;
				continue;
			}
			for (size_t j = 0; j < nexthop->member_count; j++)
				note_id(use, nexthop->members[j].id);
		}
	return rc < 0 ? rc : count;
}

int cv_nexthop_shrink(struct cv_nexthop_pool *pool, struct cv_swap *swap,
		      const struct cv_plan *plan, struct cv_err *err)
{
	CV_FREE struct use *use = calloc(1, sizeof(*use));
	int rc;

	if (!use)
		return cv_err_set(err, -ENOMEM, "nexthops: out of memory");
	rc = pool->ours.count ? note_plan(pool, plan, use, err) : 0;
	if (rc || !shrink_unused(pool, NULL, use, err))
		return rc;
	rc = cv_fib_list(pool->inst->nl, 4, 0, is_foreign_user, note_route, use, err);
	if (!rc)
		rc = cv_fib_list(pool->inst->nl, 6, 0, is_foreign_user, note_route, use, err);
	if (!rc)
		rc = shrink_unused(pool, swap, use, err);
	return rc < 0 ? rc : 0;
}
