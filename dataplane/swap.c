/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes that go to the kernel together: see swap.h. */
#include "swap.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/resource.h>

#include "own.h"
#include "route_act.h"

enum kind { NEXTHOP, ROUTE, RULE };

/* What a message of the batch is about, for when it is refused. */
struct item {
	enum kind kind;
	const char *verb;
	const struct cv_place *place; /* NULL: nothing in the state asked for it */
	uint32_t nexthop;
	const struct cv_fib_route *fib;
	const struct cv_fib_rule *rule;
};

struct cv_swap {
	const struct cv_plan *plan;
	struct cv_instance *inst;
	struct cv_nl_batch batch;
	struct item *items; /* owned; of each message */
	size_t count;
	size_t refused; /* number of the message that was */
	/* Programs that messages name, open until these are sent; 0: not open, else the fd + 1. */
	int tunnels[CV_MAX_TUNNELS][CV_LWT_HOOKS];
	int guards[CV_MAX_GUARDS];
};

/* ---- programs ---- */

static void close_program(int *slot)
{
	if (*slot)
		close(*slot - 1);
	*slot = 0;
}

static void close_programs(struct cv_swap *swap)
{
	for (uint32_t id = 0; id < CV_MAX_TUNNELS; id++)
		for (int hook = 0; hook < CV_LWT_HOOKS; hook++)
			close_program(&swap->tunnels[id][hook]);
	for (uint32_t id = 0; id < CV_MAX_GUARDS; id++)
		close_program(&swap->guards[id]);
}

/* There may be as many programs as tunnels and guards; a shell gives 1,024 descriptors. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_program(struct cv_swap *swap, const struct cv_route_plan *route, uint32_t tunnel,
			enum cv_lwt_hook hook, struct cv_err *err)
{
	uint32_t guard = route->guards[hook];
	int *slot = guard ? &swap->guards[guard] : &swap->tunnels[tunnel][hook];
	int fd;

	if (*slot)
		return *slot - 1;
	fd = guard ? cv_guard_open(swap->inst, guard, err)
		   : cv_program_open(swap->inst, swap->plan->tunnels[tunnel].name, hook, err);
	if (fd >= 0)
		*slot = fd + 1;
	return fd;
}

/* Opens those that lwt names: of the route's guards, and of the tunnel. Where no more can be open, what
 * was gathered until now is sent first. */
static int open_programs(struct cv_swap *swap, const struct cv_route_plan *route, uint32_t tunnel,
			 const struct cv_lwt *lwt, int fds[CV_LWT_HOOKS], struct cv_err *err)
{
	bool is_sent = false;
	int rc;

	for (int hook = 0; hook < CV_LWT_HOOKS; hook++) {
		fds[hook] = -1;
		if (!lwt->names[hook][0])
			continue;
		fds[hook] = open_program(swap, route, tunnel, hook, err);
		if (fds[hook] >= 0)
			continue;
		if (fds[hook] != -EMFILE || is_sent)
			return fds[hook];
		rc = cv_swap_send(swap, err);
		if (rc)
			return rc;
		is_sent = true;
		hook = -1;
	}
	return 0;
}

/* ---- gathering ---- */

int cv_swap_new(struct cv_swap **out, const struct cv_plan *plan, struct cv_err *err)
{
	struct cv_swap *swap = calloc(1, sizeof(*swap));

	if (!swap)
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	swap->plan = plan;
	swap->inst = plan->acts->inst;
	raise_limit();
	*out = swap;
	return 0;
}

void cv_swap_free(struct cv_swap **swap_ptr)
{
	struct cv_swap *swap = *swap_ptr;

	if (!swap)
		return;
	close_programs(swap);
	cv_nl_batch_fini(&swap->batch);
	free(swap->items);
	free(swap);
	*swap_ptr = NULL;
}

static int note_item(struct cv_swap *swap, const struct item *item, struct cv_err *err)
{
	struct item *grown;

	if (!(swap->count & (swap->count - 1))) {
		grown = reallocarray(swap->items, swap->count ? 2 * swap->count : 1,
				     sizeof(*grown));
		if (!grown)
			return cv_err_set(err, -ENOMEM, "routes: out of memory");
		swap->items = grown;
	}
	swap->items[swap->count++] = *item;
	return 0;
}

static int put_route(struct cv_swap *swap, const struct cv_swap_route *route, struct cv_err *err)
{
	enum cv_fib_mode mode = route->now ? CV_FIB_REPLACE : CV_FIB_NEW;
	int fds[CV_LWT_HOOKS] = { -1, -1, -1 };
	int rc = 0;

	if (!route->plan)
		return cv_fib_del(&swap->batch, route->now, err);
	if (!route->fib->nh_id)
		rc = open_programs(swap, route->plan, route->plan->tunnel, &route->fib->lwt, fds,
				   err);
	return rc ? rc : cv_fib_add(&swap->batch, route->fib, fds, mode, err);
}

int cv_swap_route(struct cv_swap *swap, const struct cv_swap_route *route, struct cv_err *err)
{
	bool is_gone = !route->plan;
	struct cv_act act = {
		.kind = is_gone	     ? CV_ACT_DEL
			: route->now ? CV_ACT_CHANGE
				     : CV_ACT_ADD,
		.noun = "route",
		.place = is_gone ? NULL : &route->plan->conf->place,
	};
	struct item item = {
		.kind = ROUTE,
		.verb = is_gone	     ? "delete"
			: route->now ? "replace"
				     : "add",
		.place = act.place,
		/* Without a nexthop group that is made with it: it is as good for the text. */
		.fib = is_gone ? route->now : &route->plan->fib,
	};
	int rc;

	if (cv_acts_are_told(swap->plan))
		cv_route_act(&act, swap->inst, is_gone ? route->now : route->fib,
			     is_gone ? NULL : route->now);
	rc = cv_act(swap->plan, &act, err);
	if (rc <= 0)
		return rc;
	rc = put_route(swap, route, err);
	return rc ? rc : note_item(swap, &item, err);
}

int cv_swap_rule(struct cv_swap *swap, enum cv_act_kind kind, const struct cv_fib_rule *rule,
		 struct cv_err *err)
{
	bool is_gone = kind == CV_ACT_DEL;
	struct item item = { .kind = RULE, .verb = is_gone ? "delete" : "add", .rule = rule };
	struct cv_act act = { .kind = kind, .noun = "ip rule" };
	int rc;

	if (cv_acts_are_told(swap->plan))
		cv_fib_rule_act(&act, rule);
	rc = cv_act(swap->plan, &act, err);
	if (rc <= 0)
		return rc;
	rc = is_gone ? cv_fib_rule_del(&swap->batch, rule, err)
		     : cv_fib_rule_add(&swap->batch, rule, err);
	return rc ? rc : note_item(swap, &item, err);
}

int cv_swap_nexthop(struct cv_swap *swap, enum cv_act_kind kind, const struct cv_nexthop *nexthop,
		    const struct cv_route_plan *route, const struct cv_hop_plan *hop,
		    struct cv_err *err)
{
	bool is_gone = kind == CV_ACT_DEL;
	struct cv_act act = { .kind = kind,
			      .noun = "nexthop",
			      .place = route ? &route->conf->place : NULL };
	struct item item = { .kind = NEXTHOP,
			     .verb = is_gone ? "delete" : "add",
			     .place = act.place,
			     .nexthop = nexthop->id };
	int fds[CV_LWT_HOOKS] = { -1, -1, -1 };
	int rc;

	if (cv_acts_are_told(swap->plan))
		cv_nexthop_act(&act, swap->inst, nexthop);
	rc = cv_act(swap->plan, &act, err);
	if (rc <= 0)
		return rc;
	rc = route && hop ? open_programs(swap, route, hop->tunnel, &hop->lwt, fds, err) : 0;
	if (!rc)
		rc = is_gone ? cv_nexthop_del(&swap->batch, nexthop->id, err)
			     : cv_nexthop_add(&swap->batch, nexthop, fds, err);
	return rc ? rc : note_item(swap, &item, err);
}

/* ---- sending ---- */

/* Gone is gone: its device went away between the list and now. */
static bool is_as_well(const struct item *item, int code)
{
	return !strcmp(item->verb, "delete") && (code == -ESRCH || code == -ENOENT);
}

static int take_refusal(size_t number, int code, const char *kernel, void *arg, struct cv_err *err)
{
	struct cv_swap *swap = arg;
	const struct item *item = &swap->items[number];

	if (is_as_well(item, code))
		return 0;
	swap->refused = number;
	switch (item->kind) {
	case NEXTHOP:
		return cv_nexthop_refusal(item->nexthop, item->verb, code, kernel, err);
	case ROUTE:
		return cv_fib_refusal(item->fib, item->verb, code, kernel, err);
	default:
		return cv_fib_rule_refusal(item->rule, item->verb, code, kernel, err);
	}
}

/* ---- what is in the way ---- */

struct foreign {
	const struct cv_fib_route *wanted;
	struct cv_fib_route found;
	bool is_found;
};

static bool is_in_the_way(const struct cv_fib_route *route, void *arg)
{
	return cv_fib_same_place(route, ((const struct foreign *)arg)->wanted);
}

static int note_foreign(const struct cv_fib_route *route, void *arg, struct cv_err *err)
{
	struct foreign *foreign = arg;

	(void)err;
	if (!foreign->is_found)
		foreign->found = *route;
	foreign->is_found = true;
	return 0;
}

/* " (via 192.0.2.1 dev eth0 protocol 4)", or nothing if it is gone meanwhile. */
static void describe_foreign(struct cv_instance *inst, const struct cv_fib_route *fib, char *text,
			     size_t size)
{
	struct foreign foreign = { .wanted = fib };
	char via[CV_PREFIX_TEXT];
	struct cv_link link;
	FILE *out = fmemopen(text, size, "w");

	text[0] = '\0';
	if (!out)
		return;
	cv_fib_list(inst->nl, fib->to.addr.family, 0, is_in_the_way, note_foreign, &foreign, NULL);
	if (foreign.is_found) {
		fputs(" (", out);
		if (foreign.found.via.family)
			fprintf(out, "via %s ", cv_addr_format(&foreign.found.via, via));
		if (!cv_link_by_index(inst->nl, foreign.found.ifindex, &link, NULL))
			fprintf(out, "dev %s ", link.name);
		fprintf(out, "protocol %u)", foreign.found.protocol);
	}
	fclose(out);
}

int cv_route_in_the_way(struct cv_instance *inst, const struct cv_fib_route *fib,
			struct cv_err *err)
{
	char to[CV_PREFIX_TEXT], text[128];

	describe_foreign(inst, fib, text, sizeof(text));
	cv_err_set(err, -EEXIST, "route %s: there is one already in table %u, not culvert's%s",
		   cv_prefix_format(&fib->to, to), fib->table, text);
	if (fib->type == RTN_LOCAL && fib->table == CV_TABLE_LOCAL)
		return cv_err_hint(err, "an address of a device: a rule can match what is for it");
	return cv_err_hint(err, "give another metric M, or delete it");
}

int cv_swap_send(struct cv_swap *swap, struct cv_err *err)
{
	const struct item *refused;
	int rc;

	swap->refused = swap->count;
	rc = cv_nl_batch_send(swap->inst->nl, &swap->batch, take_refusal, swap, err);
	refused = swap->refused < swap->count ? &swap->items[swap->refused] : NULL;
	close_programs(swap);
	if (rc == -EEXIST && refused && refused->kind == ROUTE)
		rc = cv_route_in_the_way(swap->inst, refused->fib, err);
	if (rc && refused && refused->place)
		cv_err_at(err, refused->place);
	swap->count = 0;
	return rc;
}
