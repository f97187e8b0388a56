/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Routes that would carry the outer packets of a tunnel: see route_loop.h. */
#include "route_loop.h"

#include <errno.h>
#include <string.h>

#include "mode.h"
#include "own.h"
#include "peer.h"

/* The route that outer packets take now; one answer for all remotes that a peer's way leads to. */
struct answer {
	bool is_known;
	uint32_t table;
	uint32_t metric;
	uint8_t bits;
};

struct destination {
	struct cv_addr addr;
	const struct cv_tunnel_conf *tunnel;
	size_t answer; /* number */
};

struct cv_loops {
	struct cv_instance *inst;
	const struct cv_plan *plan;
	struct destination *items; /* owned; sorted by address */
	size_t count;
	struct answer *answers; /* owned */
	size_t answer_count;
};

void cv_loops_free(struct cv_loops **loops_ptr)
{
	struct cv_loops *loops = *loops_ptr;

	if (!loops)
		return;
	free(loops->items);
	free(loops->answers);
	free(loops);
	*loops_ptr = NULL;
}

/* ---- gathering ---- */

static const struct cv_peer_plan *peers_of(const struct cv_plan *plan,
					   const struct cv_tunnel_conf *tunnel)
{
	return tunnel->has_peers ? cv_peer_of(plan, cv_plan_tunnel(plan, tunnel->name)) : NULL;
}

static int make_room(struct cv_loops *loops, struct cv_err *err)
{
	const struct cv_state *state = loops->plan->state;
	size_t items = 0, answers = 0;

	for (size_t i = 0; i < state->tunnel_count; i++) {
		const struct cv_peer_plan *peers = peers_of(loops->plan, &state->tunnels[i]);

		items += state->tunnels[i].remotes.count + (peers ? peers->remote_count : 0);
		answers += state->tunnels[i].remotes.count + (peers ? peers->way_count + 1 : 0);
	}
	loops->items = calloc(items + 1, sizeof(*loops->items));
	loops->answers = calloc(answers + 1, sizeof(*loops->answers));
	return loops->items && loops->answers ? 0
					      : cv_err_set(err, -ENOMEM, "routes: out of memory");
}

static void add(struct cv_loops *loops, const struct cv_addr *addr,
		const struct cv_tunnel_conf *tunnel, size_t answer)
{
	loops->items[loops->count++] = (struct destination){ *addr, tunnel, answer };
}

static void gather(struct cv_loops *loops, const struct cv_tunnel_conf *tunnel)
{
	const struct cv_peer_plan *peers = peers_of(loops->plan, tunnel);

	for (size_t i = 0; i < tunnel->remotes.count; i++)
		add(loops, cv_mode_destination(tunnel, i), tunnel, loops->answer_count++);
	if (!peers)
		return;
	for (size_t i = 0; i < peers->remote_count; i++)
		add(loops, &peers->remotes[i], tunnel, loops->answer_count + peers->ways[i]);
	loops->answer_count += peers->way_count + 1;
}

static int compare_addrs(const struct cv_addr *a, const struct cv_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16);
}

static int compare(const void *a, const void *b)
{
	return compare_addrs(&((const struct destination *)a)->addr,
			     &((const struct destination *)b)->addr);
}

int cv_loops_new(struct cv_loops **out, struct cv_instance *inst, const struct cv_plan *plan,
		 struct cv_err *err)
{
	CV_CLEANUP(cv_loops_free) struct cv_loops *loops = calloc(1, sizeof(*loops));
	int rc;

	if (!loops)
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	loops->inst = inst;
	loops->plan = plan;
	rc = make_room(loops, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < plan->state->tunnel_count; i++)
		gather(loops, &plan->state->tunnels[i]);
	qsort(loops->items, loops->count, sizeof(*loops->items), compare);
	*out = CV_TAKE_PTR(loops);
	return 0;
}

/* ---- asking ---- */

static int ask(struct cv_loops *loops, const struct destination *destination, struct cv_err *err)
{
	static const struct cv_addr any;
	const struct cv_tunnel_conf *tunnel = destination->tunnel;
	struct cv_fib_answer now;
	int rc;

	if (loops->answers[destination->answer].is_known)
		return 0;
	rc = cv_fib_lookup(loops->inst->nl, &destination->addr,
			   tunnel->is_nonlocal ? &any : &tunnel->local,
			   loops->plan->state->mark_mask, &now, err);
	if (rc)
		return rc;
	loops->answers[destination->answer] = (struct answer){ .is_known = true,
							       .table = now.route.table,
							       .metric = now.route.metric,
							       .bits = now.route.to.bits };
	return 0;
}

static int check_one(struct cv_loops *loops, const struct cv_route_plan *route,
		     const struct destination *destination, struct cv_err *err)
{
	const struct answer *now = &loops->answers[destination->answer];
	const struct cv_fib_route *fib = &route->fib;
	char to[CV_PREFIX_TEXT], remote[CV_PREFIX_TEXT];
	int rc = ask(loops, destination, err);

	if (rc || now->table != fib->table || now->bits > fib->to.bits ||
	    (now->bits == fib->to.bits && now->metric < fib->metric))
		return rc;
	cv_addr_format(&destination->addr, remote);
	cv_err_set(err, -ELOOP, "route %s: remote %s of tunnel %s would be routed into tunnel %s",
		   cv_prefix_format(&fib->to, to), remote, destination->tunnel->name,
		   route->hop_count ? route->conf->nexthops[0].tunnel : route->conf->tunnel);
	return cv_err_hint(err, "first add a more specific route to %s over the underlay", remote);
}

/* The first destination that is not below an address. */
static size_t first_from(const struct cv_loops *loops, const struct cv_addr *addr)
{
	size_t low = 0, high = loops->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_addrs(&loops->items[middle].addr, addr) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Routes of apps are not asked: outer packets carry the guard mark, which selects no app's table. */
int cv_loops_check(struct cv_loops *loops, const struct cv_route_plan *route, struct cv_err *err)
{
	const struct cv_prefix *to = &route->fib.to;
	int rc = 0;

	if (route->conf->app[0])
		return 0;
	for (size_t i = first_from(loops, &to->addr);
	     !rc && i < loops->count && cv_prefix_contains(to, &loops->items[i].addr); i++)
		rc = check_one(loops, route, &loops->items[i], err);
	return rc;
}
