/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Guards of routes: which packets may pass on the hooks in and out, and how many did. One stub each
 * (stub.h), which knows its id only; a guard never changes, another one gets another id. The maps
 * come with the shared program.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/lwtunnel.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "object.h"
#include "own.h"
#include "path.h"
#include "plan.h"

_Static_assert(CV_LENGTHS == CV_LENGTH_BUCKETS, "cv_meter_info holds every bucket");

/* Opens a map of guards. -ENOENT: there was no guard yet. */
static int open_map(const struct cv_instance *inst, const char *name, struct cv_err *err)
{
	return cv_pin_open(inst->maps, name, err);
}

int cv_live_guards(const struct cv_instance *inst, struct cv_guard *guards, struct cv_err *err)
{
	CV_CLOSE int fd = open_map(inst, CV_STRING(CV_MAP_GUARDS), err);

	memset(guards, 0, CV_MAX_GUARDS * sizeof(*guards));
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	for (uint32_t id = 1; id < CV_MAX_GUARDS; id++)
		if (bpf_map_lookup_elem(fd, &id, &guards[id]))
			return cv_err_set(err, -errno, "guards: read: %s", strerrordesc_np(errno));
	return 0;
}

/* ---- plan ---- */

static void set_mask(uint32_t mask[4], uint8_t bits)
{
	uint8_t *bytes = (uint8_t *)mask;

	memset(bytes, 0, 16);
	memset(bytes, 0xff, bits / 8);
	if (bits % 8)
		bytes[bits / 8] = (uint8_t)(0xff << (8 - bits % 8));
}

static void fill_sources(const struct cv_prefixes *from, struct cv_guard *guard)
{
	for (size_t i = 0; i < from->count && guard->source_count < CV_MAX_GUARD_SOURCES; i++) {
		const struct cv_prefix *prefix = &from->items[i];
		struct cv_guard_source *source = &guard->sources[guard->source_count];

		/* "default" is every source; one of the other family never comes this way. */
		if (prefix->addr.family && prefix->addr.family != guard->family)
			continue;
		cv_addr_to_abi(&prefix->addr, source->addr);
		set_mask(source->mask, prefix->bits);
		guard->source_count++;
	}
}

static void fill_conditions(const struct cv_plan *plan, const struct cv_route_conf *conf,
			    struct cv_guard *guard)
{
	if (conf->from.count) {
		guard->flags |= CV_GUARD_FROM;
		fill_sources(&conf->from, guard);
	}
	if (conf->from_tunnel[0]) {
		guard->flags |= CV_GUARD_TUNNEL;
		guard->tunnel = cv_plan_tunnel(plan, conf->from_tunnel);
	}
	if (conf->has_from_mark) {
		guard->flags |= CV_GUARD_MARK;
		guard->mark = conf->from_mark;
		guard->mark_mask = conf->from_mark_mask;
	}
	if (conf->is_drop)
		guard->flags |= CV_GUARD_DROP;
}

static enum cv_role role_of(const struct cv_guard *guard)
{
	return guard->hook == LWT_BPF_IN ? CV_ROLE_GUARD_IN : CV_ROLE_GUARD_OUT;
}

static const char *pin_name(uint32_t id, char *buf, size_t size)
{
	snprintf(buf, size, "%u", id);
	return buf;
}

int cv_guard_open(const struct cv_instance *inst, uint32_t id, struct cv_err *err)
{
	char name[16];
	int fd = cv_pin_open(inst->guards, pin_name(id, name, sizeof(name)), err);

	return fd != -ENOENT ? fd
			     : cv_err_set(err, fd, "program %s/%s of a route's guard is gone",
					  inst->guards, name);
}

/* True if the guard's pin is its stub, and goes on to where our shared programs are put. */
static bool stub_is_live(const struct cv_instance *inst, const struct cv_plan *plan, uint32_t id,
			 const struct cv_guard *guard)
{
	CV_CLOSE int prog = cv_guard_open(inst, id, NULL);

	return prog >= 0 && cv_stub_is(prog, role_of(guard), id, plan->stub_arrays[role_of(guard)]);
}

void cv_guard_plan_start(const struct cv_instance *inst, struct cv_plan *plan)
{
	for (uint32_t id = 1; id < CV_MAX_GUARDS; id++)
		plan->guard_is_live[id] = plan->live_guards[id].family &&
					  stub_is_live(inst, plan, id, &plan->live_guards[id]);
}

static bool same_guard(const struct cv_guard *a, const struct cv_guard *b)
{
	struct cv_guard other = *b;

	other.generation = a->generation;
	return !memcmp(a, &other, sizeof(other));
}

static uint32_t find_live(const struct cv_plan *plan, const struct cv_guard *guard)
{
	for (uint32_t id = 1; id < CV_MAX_GUARDS; id++)
		if (plan->live_guards[id].family && same_guard(&plan->live_guards[id], guard))
			return id;
	return 0;
}

/* A new guard gets an id that neither generation has. */
static uint32_t choose_id(const struct cv_plan *plan)
{
	for (uint32_t id = 1; id < CV_MAX_GUARDS; id++)
		if (!plan->live_guards[id].family && !plan->guards[id].family)
			return id;
	return 0;
}

int cv_guard_plan(struct cv_plan *plan, const struct cv_route_conf *conf,
		  const struct cv_fib_route *fib, const struct cv_guard_role *role, uint32_t *id,
		  struct cv_err *err)
{
	struct cv_guard guard = {
		.table = fib->table,
		.metric = fib->metric,
		.family = fib->to.addr.family,
		.to_bits = fib->to.bits,
		.hook = role->hook == CV_LWT_IN ? LWT_BPF_IN : LWT_BPF_OUT,
		.flags = role->counts ? CV_GUARD_COUNT : 0,
	};
	char to[CV_PREFIX_TEXT];

	cv_addr_to_abi(&fib->to.addr, guard.to);
	if (role->decides)
		fill_conditions(plan, conf, &guard);
	*id = find_live(plan, &guard);
	guard.generation =
		plan->guard_is_live[*id] ? plan->live_guards[*id].generation : plan->generation;
	if (!*id)
		*id = choose_id(plan);
	if (!*id) {
		cv_err_set(err, -ENOSPC, "route %s: all %u guards are in use",
			   cv_prefix_format(&conf->to, to), CV_MAX_GUARDS - 1);
		return cv_err_hint(err, CV_TWO_STEPS);
	}
	plan->guards[*id] = guard;
	return 0;
}

/* ---- grow ---- */

static int write_guard(const struct cv_instance *inst, uint32_t id, const struct cv_guard *guard,
		       struct cv_err *err)
{
	CV_CLOSE int fd = open_map(inst, CV_STRING(CV_MAP_GUARDS), err);

	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(fd, &id, guard, BPF_ANY))
		return cv_err_set(err, -errno, "guards: write: %s", strerrordesc_np(errno));
	return 0;
}

/* A new guard begins at zero, though its id may have been another's. */
static int clear_counters(const struct cv_instance *inst, uint32_t id, struct cv_err *err)
{
	CV_CLOSE int fd = open_map(inst, CV_STRING(CV_MAP_GUARD_STATS), err);

	return fd < 0 ? fd
		      : cv_percpu_clear(fd, &id, sizeof(struct cv_guard_stats) / sizeof(uint64_t),
					err);
}

static int tell(const struct cv_plan *plan, enum cv_act_kind kind, uint32_t id, struct cv_err *err)
{
	struct cv_act act = { .kind = kind, .noun = "program", .is_inner = true };

	cv_act_name(&act, "guard %u", id);
	return cv_act(plan, &act, err);
}

/* Loads the stub of a guard and pins it in place of what is pinned there. */
static int pin_stub(const struct cv_instance *inst, const struct cv_stubs *stubs, uint32_t id,
		    struct cv_err *err)
{
	CV_CLOSE int prog = cv_stubs_load(stubs, id, err);
	char name[16];
	int rc = prog < 0 ? prog : cv_dir_make(inst->guards, err);

	pin_name(id, name, sizeof(name));
	if (!rc)
		rc = cv_pin_del(inst->guards, name, err);
	return rc ? rc : cv_pin_set(prog, inst->guards, name, err);
}

/* What stubs are made of is opened when the first one is made, or tried. */
static int grow_stub(struct cv_instance *inst, const struct cv_plan *plan,
		     struct cv_stubs stubs[CV_ROLES], uint32_t id, struct cv_err *err)
{
	enum cv_role role = role_of(&plan->guards[id]);
	int rc = tell(plan, CV_ACT_ADD, id, err), opened = 0;

	if (rc < 0 || !(rc || cv_acts_are_tried(plan)))
		return rc;
	if (!stubs[role].insns)
		opened = cv_stubs_open(&stubs[role], inst, role, err);
	return opened || !rc ? opened : pin_stub(inst, &stubs[role], id, err);
}

static void close_stubs(struct cv_stubs (*stubs)[CV_ROLES])
{
	for (enum cv_role role = 0; role < CV_ROLES; role++)
		cv_stubs_close(&(*stubs)[role]);
}

static bool needs_shared(const struct cv_plan *plan, enum cv_role role)
{
	for (uint32_t id = 1; id < CV_MAX_GUARDS; id++)
		if (plan->guards[id].family && role_of(&plan->guards[id]) == role)
			return true;
	return false;
}

/* Stubs before shared programs: with the first stub comes the map that leads to them. */
static int grow_programs(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLEANUP(close_stubs) struct cv_stubs stubs[CV_ROLES] = { 0 };
	int rc = 0;

	for (uint32_t id = 1; !rc && id < CV_MAX_GUARDS; id++)
		if (plan->guards[id].generation == plan->generation)
			rc = grow_stub(inst, plan, stubs, id, err);
	for (enum cv_role role = CV_ROLE_GUARD_IN; !rc && role < CV_ROLES; role++)
		rc = cv_shared_grow(plan, role, needs_shared(plan, role), err);
	return rc;
}

/* Their maps come with the shared programs. */
int cv_guard_grow(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	int rc = grow_programs(inst, plan, err);

	for (uint32_t id = 1; !rc && cv_acts_are_made(plan) && id < CV_MAX_GUARDS; id++) {
		if (plan->guards[id].generation != plan->generation)
			continue;
		if (!plan->live_guards[id].family)
			rc = clear_counters(inst, id, err);
		if (!rc)
			rc = write_guard(inst, id, &plan->guards[id], err);
	}
	return rc;
}

/* ---- shrink ---- */

/* Whose programs are pinned: a change that was broken off may have come no further. */
static int find_pins(const struct cv_instance *inst, bool is_pinned[CV_MAX_GUARDS],
		     struct cv_err *err)
{
	int rc;
	CV_DIR_CLOSE DIR *dir = cv_dir_open(inst->guards, &rc);
	struct dirent *entry;

	while (!rc && (entry = cv_dir_next(dir, &rc))) {
		unsigned long id = strtoul(entry->d_name, NULL, 10);

		if (id && id < CV_MAX_GUARDS)
			is_pinned[id] = true;
	}
	return rc ? cv_err_set(err, rc, "directory %s: %s", inst->guards, strerrordesc_np(-rc)) : 0;
}

int cv_guard_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	static const struct cv_guard none;
	bool is_pinned[CV_MAX_GUARDS] = { false };
	int rc = find_pins(inst, is_pinned, err);

	for (uint32_t id = 1; !rc && id < CV_MAX_GUARDS; id++) {
		bool is_live = plan->live_guards[id].family;
		char name[16];

		if ((!is_live && !is_pinned[id]) || plan->guards[id].family)
			continue;
		rc = tell(plan, CV_ACT_DEL, id, err);
		if (rc <= 0)
			continue;
		rc = cv_pin_del(inst->guards, pin_name(id, name, sizeof(name)), err);
		if (!rc && is_live)
			rc = write_guard(inst, id, &none, err);
	}
	return rc;
}

/* ---- what they counted ---- */

static void fill_lengths(const __u64 *counts, struct cv_length_info *lengths)
{
	for (uint32_t i = 0; i < CV_LENGTH_BUCKETS; i++)
		lengths[i] = (struct cv_length_info){
			.min = i ? 32u << i : 0,
			.max = i < CV_LENGTH_BUCKETS - 1 ? (64u << i) - 1 : UINT32_MAX,
			.packets = counts[i],
		};
}

int cv_guard_meter(const struct cv_instance *inst, uint32_t id, bool counts,
		   struct cv_meter_info *meter, struct cv_err *err)
{
	CV_CLOSE int fd = open_map(inst, CV_STRING(CV_MAP_GUARD_STATS), err);
	struct cv_guard_stats stats;
	int rc;

	if (fd < 0)
		return fd;
	rc = cv_percpu_sum(fd, &id, (uint64_t *)&stats, sizeof(stats) / sizeof(uint64_t), err);
	if (rc)
		return rc;
	meter->dropped += stats.dropped;
	if (!counts)
		return 0;
	meter->packets = stats.packets;
	meter->bytes = stats.bytes;
	fill_lengths(stats.lengths, meter->lengths);
	return 0;
}
