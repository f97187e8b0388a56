/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which app a task is: what was gathered of it (task.h) against the apps of a network namespace.
 * Runs once for each program that a process becomes, not for each socket and never per packet; the
 * answer is kept in the task's storage.
 */
#ifndef CV_APP_H
#define CV_APP_H

#include <stdbool.h>

#include "glob.h"
#include "maps.h"
#include "task.h"

#define CV_APP_NOT_FOUND 0xffffffffu

/* The apps that sockets of a network namespace are asked for; at least one of both is there. */
struct cv_view {
	__u64 netns_cookie;
	const struct cv_app_set *own; /* of the instance there */
	const struct cv_app_set *outer; /* of an instance elsewhere that knows them too */
};

static __always_inline const struct cv_app_set *cv_apps_of(__u64 netns_cookie)
{
	__u32 zero = 0;
	void *slot = bpf_map_lookup_elem(&CV_MAP_APPS, &netns_cookie);

	return slot ? bpf_map_lookup_elem(slot, &zero) : NULL;
}

/* False if nobody asks for sockets of that network namespace. */
static __always_inline bool cv_view_open(struct cv_view *view, __u64 netns_cookie)
{
	const struct cv_host *host = cv_host_get();

	view->netns_cookie = netns_cookie;
	view->own = cv_apps_of(netns_cookie);
	view->outer = host && host->flags & CV_HOST_OUTER ? cv_apps_of(0) : NULL;
	if (view->own)
		return true;
	barrier_var(
		view); /* two pointers are not joined into one condition: the verifier refuses */
	return view->outer;
}

static __always_inline __u32 cv_generation(const struct cv_app_set *set)
{
	return set ? set->generation : 0;
}

/* ---- one app ---- */

static __always_inline bool cv_exe_holds(const struct cv_app *app, const struct cv_scratch *scratch)
{
	bool is_file = app->exe_inode == scratch->exe_inode && app->exe_dev == scratch->exe_dev;

	if (app->flags & CV_APP_PINNED)
		return is_file && app->exe_ctime_ns == scratch->exe_ctime_ns;
	return is_file || (app->exe_hash && (app->exe_hash == scratch->exe_hashes[0] ||
					     app->exe_hash == scratch->exe_hashes[1]));
}

/* A hash that is looked for among others of the task. */
struct cv_hash_search {
	const struct cv_scratch *scratch;
	__u64 hash;
	bool is_found;
};

static long cv_unit_step(__u32 i, struct cv_hash_search *search)
{
	search->is_found = search->scratch->unit_hashes[i % CV_MAX_CGROUP_DEPTH] == search->hash;
	return search->is_found ? 1 : 0;
}

static __always_inline bool cv_unit_holds(const struct cv_app *app,
					  const struct cv_scratch *scratch)
{
	struct cv_hash_search search = { .scratch = scratch, .hash = app->unit_hash };

	bpf_loop(scratch->depth_count, cv_unit_step, &search, 0);
	return search.is_found;
}

static long cv_parent_step(__u32 i, struct cv_hash_search *search)
{
	search->is_found = search->scratch->lineage.parents[i % CV_MAX_LINEAGE] == search->hash;
	return search->is_found ? 1 : 0;
}

static __always_inline bool cv_parent_holds(const struct cv_app *app,
					    const struct cv_scratch *scratch)
{
	struct cv_hash_search search = { .scratch = scratch, .hash = app->parent_hash };
	__u32 count = scratch->lineage.count;

	bpf_loop(count < CV_MAX_LINEAGE ? count : CV_MAX_LINEAGE, cv_parent_step, &search, 0);
	return search.is_found;
}

static __always_inline bool cv_cgroup_holds(const struct cv_app *app,
					    const struct cv_scratch *scratch)
{
	__u32 depth = app->cgroup_depth;

	return depth < scratch->depth_count && depth < CV_MAX_CGROUP_DEPTH &&
	       scratch->cgroup_hashes[depth] == app->cgroup_hash;
}

static __always_inline bool cv_comm_equal(const char *a, const char *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1];
}

/* True if all conditions of the app of that index, but for its glob, hold for a socket of that network namespace. */
__noinline int cv_app_holds(const struct cv_app_set *set, __u32 index,
			    const struct cv_scratch *scratch, __u64 netns_cookie)
{
	const struct cv_app *app;
	__u32 flags;

	if (!set || !scratch)
		return false;
	app = &set->apps[index & (CV_MAX_APPS - 1)];
	flags = app->flags;
	if (flags & CV_APP_EXE && !cv_exe_holds(app, scratch))
		return false;
	if (flags & CV_APP_UID && (scratch->uid < app->uid_min || scratch->uid > app->uid_max))
		return false;
	if (flags & CV_APP_GID && (scratch->gid < app->gid_min || scratch->gid > app->gid_max))
		return false;
	if (flags & CV_APP_COMM && !cv_comm_equal(app->comm, scratch->comm))
		return false;
	if (flags & CV_APP_NETNS && app->netns_cookie != netns_cookie)
		return false;
	if (flags & CV_APP_CGROUP && !cv_cgroup_holds(app, scratch))
		return false;
	if (flags & CV_APP_UNIT && !cv_unit_holds(app, scratch))
		return false;
	return !(flags & CV_APP_PARENT) || cv_parent_holds(app, scratch);
}

/* ---- the search ---- */

struct cv_app_search {
	const struct cv_app_set *set;
	const struct cv_scratch *scratch;
	__u64 netns_cookie; /* of the socket */
	__u32 found; /* index of the app, the smallest so far; or CV_APP_NOT_FOUND */
	__u32 next; /* 1 + index of the app to ask next; 0: end of the chain */
	__u32 level; /* of the next chain */
	__u32 flag; /* CV_APP_*: by what the buckets are */
};

/* The chain for the next of the task's hashes, in the order of flag's class. Returns 1 behind the
 * last one. */
static __always_inline long cv_chain_open(struct cv_app_search *search)
{
	const struct cv_scratch *scratch = search->scratch;
	const struct cv_app_set *set = search->set;
	__u32 level = search->level++;

	if (search->flag == CV_APP_EXE) {
		if (level > 2)
			return 1;
		search->next =
			level == 2
				? set->inode_buckets[scratch->exe_inode % CV_APP_BUCKETS]
				: set->exe_buckets[scratch->exe_hashes[level & 1] % CV_APP_BUCKETS];
		return 0;
	}
	if (level >= scratch->depth_count || level >= CV_MAX_CGROUP_DEPTH)
		return 1;
	search->next =
		search->flag == CV_APP_UNIT
			? set->unit_buckets[scratch->unit_hashes[level] % CV_APP_BUCKETS]
			: set->cgroup_buckets[scratch->cgroup_hashes[level] % CV_APP_BUCKETS];
	return 0;
}

/* bpf_loop body: asks one app of a chain, or opens the next chain. A chain is in the order of the
 * apps, so it ends with the first that holds. */
static long cv_chain_step(__u32 i, struct cv_app_search *search)
{
	const struct cv_app *app;
	__u32 index;

	if (!search->next)
		return cv_chain_open(search);
	index = (search->next - 1) & (CV_MAX_APPS - 1);
	app = &search->set->apps[index];
	search->next =
		search->flag == CV_APP_EXE && search->level == 3 ? app->next_inode : app->next;
	if (index >= search->found) {
		search->next = 0;
	} else if (cv_app_holds(search->set, index, search->scratch, search->netns_cookie)) {
		search->found = index;
		search->next = 0;
	}
	return 0;
}

static __always_inline void cv_search_chains(struct cv_app_search *search, __u32 flag)
{
	search->flag = flag;
	search->level = cv_unknown_zero(search->scratch);
	search->next = search->level;
	bpf_loop(CV_MAX_APPS + CV_MAX_CGROUP_DEPTH + 3, cv_chain_step, search, 0);
}

/* bpf_loop body: asks the app behind the last one. */
static long cv_line_step(__u32 i, struct cv_app_search *search)
{
	__u32 index = search->next++;
	const struct cv_app *app = &search->set->apps[index & (CV_MAX_APPS - 1)];

	if (!cv_app_holds(search->set, index, search->scratch, search->netns_cookie) ||
	    (app->flags & CV_APP_GLOB && !cv_glob_is_like(search->set, app->glob, search->scratch)))
		return 0;
	search->found = index;
	return 1;
}

/* Asks the apps from index first up to end, one after the other. */
static __always_inline void cv_search_line(struct cv_app_search *search, __u32 first, __u32 end)
{
	search->next = first;
	if (first < end)
		bpf_loop(end - first, cv_line_step, search, 0);
}

/* Index of the first app of the set that holds for what was gathered, or CV_APP_NOT_FOUND. */
__noinline __u32 cv_app_search(const struct cv_app_set *set, const struct cv_scratch *scratch,
			       __u64 netns_cookie)
{
	struct cv_app_search search = {};

	if (!set || !scratch)
		return CV_APP_NOT_FOUND;
	search.set = set;
	search.scratch = scratch;
	search.netns_cookie = netns_cookie;
	search.found = CV_APP_NOT_FOUND - cv_unknown_zero(scratch);
	if (set->first_glob)
		cv_search_chains(&search, CV_APP_EXE);
	if (search.found == CV_APP_NOT_FOUND)
		cv_search_line(&search, set->first_glob, set->first_unit);
	if (search.found == CV_APP_NOT_FOUND && set->first_unit < set->first_cgroup)
		cv_search_chains(&search, CV_APP_UNIT);
	if (search.found == CV_APP_NOT_FOUND && set->first_cgroup < set->first_other)
		cv_search_chains(&search, CV_APP_CGROUP);
	if (search.found == CV_APP_NOT_FOUND)
		cv_search_line(&search, set->first_other, set->count);
	return search.found;
}

/* The app that was searched for, or NULL. */
static __always_inline const struct cv_app *
cv_app_find(const struct cv_app_set *set, const struct cv_scratch *scratch, __u64 netns_cookie)
{
	__u32 index = set ? cv_app_search(set, scratch, netns_cookie) : CV_APP_NOT_FOUND;

	if (!set || index == CV_APP_NOT_FOUND)
		return NULL;
	return &set->apps[index & (CV_MAX_APPS - 1)];
}

/* ---- the answer, kept ---- */

/* What a task is to the apps of a view. */
struct cv_who {
	__u64 cgroup_id;
	__u64 outer_cookie;
	__u32 app;
	__u32 mark;
	__u32 old_mark; /* what its sockets were born with before it was this app */
	__u32 outer_app;
	__u32 uid;
	__u32 pad;
};

/* Another number for each program that each process becomes: process ids are used again, and counts of
 * execs are equal. */
static __always_inline __u64 cv_exec_id(struct task_struct *task)
{
	return task->group_leader->start_boottime ^ task->self_exec_id << 48;
}

static __always_inline __u64 cv_cgroup_id(struct task_struct *task)
{
	return task->cgroups->dfl_cgrp->kn->id;
}

static __always_inline __u32 cv_view_flags(const struct cv_view *view)
{
	return (view->own ? view->own->flags : 0) | (view->outer ? view->outer->flags : 0);
}

static __always_inline bool cv_task_is_current(const struct cv_task *kept,
					       const struct cv_view *view, struct task_struct *task,
					       const struct cv_who *who)
{
	return kept->exec_id == task->self_exec_id && kept->netns_cookie == view->netns_cookie &&
	       kept->generation == cv_generation(view->own) &&
	       kept->outer_generation == cv_generation(view->outer) && kept->uid == who->uid &&
	       kept->gid == task->cred->gid.val && kept->cgroup_id == who->cgroup_id &&
	       (!(cv_view_flags(view) & CV_APP_COMM) || cv_comm_equal(kept->comm, task->comm));
}

/* Finds it out anew. False if there is no place to gather it: it is no app then. */
static __noinline bool cv_task_identify(const struct cv_view *view, struct task_struct *task,
					struct cv_who *who)
{
	const struct cv_host *host = cv_host_get();
	struct cv_scratch *scratch = host ? cv_scratch_take() : NULL;
	const struct cv_app *app;

	if (!scratch)
		return false;
	cv_task_read(host, scratch, task, cv_view_flags(view));
	app = cv_app_find(view->own, scratch, view->netns_cookie);
	if (app) {
		who->app = app->id;
		who->mark = app->mark;
	}
	app = cv_app_find(view->outer, scratch, view->netns_cookie);
	if (app && view->outer) {
		who->outer_app = app->id;
		who->outer_cookie = view->outer->netns_cookie;
	}
	cv_scratch_give_back(scratch);
	return true;
}

static __always_inline void cv_task_keep(struct cv_task *kept, const struct cv_view *view,
					 struct task_struct *task, const struct cv_who *who)
{
	if (kept->mark && kept->mark != who->mark)
		kept->old_mark = kept->mark;
	kept->exec_id = task->self_exec_id;
	kept->netns_cookie = view->netns_cookie;
	kept->cgroup_id = who->cgroup_id;
	__builtin_memcpy(kept->comm, task->comm, sizeof(kept->comm));
	kept->generation = cv_generation(view->own);
	kept->outer_generation = cv_generation(view->outer);
	kept->uid = who->uid;
	kept->gid = task->cred->gid.val;
	kept->app = who->app;
	kept->mark = who->mark;
	kept->outer_app = who->outer_app;
	kept->outer_cookie = who->outer_cookie;
}

/* What a task is to the apps of a view; who is zeroed. */
static __always_inline void cv_task_find(const struct cv_view *view, struct task_struct *task,
					 struct cv_who *who)
{
	struct cv_task *kept = NULL;
	bool is_known = false;

	if (cv_has_task_storage)
		kept = bpf_task_storage_get(&CV_MAP_TASKS, task, NULL,
					    BPF_LOCAL_STORAGE_GET_F_CREATE);
	who->uid = task->cred->uid.val;
	who->cgroup_id = cv_cgroup_id(task);
	if (kept && cv_task_is_current(kept, view, task, who)) {
		who->app = kept->app;
		who->mark = kept->mark;
		who->outer_app = kept->outer_app;
		who->outer_cookie = kept->outer_cookie;
	} else {
		is_known = cv_task_identify(view, task, who);
	}
	if (kept && is_known)
		cv_task_keep(kept, view, task, who);
	if (kept)
		who->old_mark = kept->old_mark;
}

#endif
