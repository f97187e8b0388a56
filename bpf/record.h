/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The owner record of a socket: written when a task makes, uses or takes over the socket, read per
 * packet (owner.h). A routed app's mark goes into the socket's mark, so that the first route lookup
 * follows it already.
 */
#ifndef CV_RECORD_H
#define CV_RECORD_H

#include <stdbool.h>

#include "app.h"
#include "maps.h"
#include "source.h"

#define CV_SOL_SOCKET 1
#define CV_SO_MARK 36

/* What bringing a record up to date found out. */
struct cv_change {
	__u32 before; /* our bits of the socket's mark as they were put in before */
	__u32 mark; /* those wanted now */
};

static __always_inline bool cv_record_is_current(const struct cv_owner *owner,
						 const struct cv_view *view,
						 struct task_struct *task)
{
	return owner->generation == cv_generation(view->own) &&
	       owner->outer_generation == cv_generation(view->outer) &&
	       owner->tgid == (__u32)task->tgid && owner->exec_id == cv_exec_id(task) &&
	       owner->uid == task->cred->uid.val && owner->cgroup_id == cv_cgroup_id(task);
}

/* A process that was only thought to have the socket is seen using it. */
static __always_inline void cv_record_confirm(struct cv_owner *owner, __u8 source)
{
	if (CV_OWNER_IS_EXACT(owner->source) || !CV_OWNER_IS_EXACT(source))
		return;
	owner->source = source;
	cv_count_source(source);
}

/* A socket that its process had before it became another program is told so, whatever the hook. */
static __always_inline __u8 cv_source_of(const struct cv_owner *owner, struct task_struct *task,
					 __u8 source)
{
	bool is_other_program = owner->generation && owner->tgid == (__u32)task->tgid &&
				owner->exec_id != cv_exec_id(task);

	return is_other_program && CV_OWNER_IS_EXACT(source) ? CV_OWNER_EXEC : source;
}

static __always_inline void cv_record_write(struct cv_owner *owner, const struct cv_view *view,
					    struct task_struct *task, const struct cv_who *who,
					    __u8 source)
{
	owner->source = cv_source_of(owner, task, source);
	owner->app = who->app;
	owner->generation = cv_generation(view->own);
	owner->tgid = task->tgid;
	owner->mark = who->mark;
	owner->netns_cookie = view->netns_cookie;
	owner->exec_id = cv_exec_id(task);
	owner->cgroup_id = who->cgroup_id;
	owner->outer_cookie = who->outer_cookie;
	owner->outer_app = who->outer_app;
	owner->outer_generation = cv_generation(view->outer);
	owner->uid = who->uid;
	cv_count_source(owner->source);
}

/*
 * Brings a socket's record up to date with a task that uses it. keeps_none: also a socket of no app
 * gets a record, so that the next datagram need not ask again. now: the socket's mark. sk is what
 * bpf_sk_storage_get() of the kind of program takes.
 */
static __always_inline void cv_record_refresh(void *sk, const struct cv_view *view,
					      struct task_struct *task, __u8 source,
					      bool keeps_none, __u32 now, struct cv_change *change)
{
	struct cv_owner *owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);
	__u32 mask = view->own ? view->own->mark_mask : 0;
	struct cv_who who = {};

	change->before = owner ? owner->mark : 0;
	change->mark = change->before;
	if (owner && cv_record_is_current(owner, view, task)) {
		cv_record_confirm(owner, source);
		return;
	}
	cv_task_find(view, task, &who);
	/* Without a record the socket may have a mark from its birth, by the same task. */
	if (!owner && who.old_mark && (now & mask) == who.old_mark)
		change->before = who.old_mark;
	change->mark = who.mark;
	if (!owner && !who.app && !who.outer_app && !keeps_none)
		return;
	if (!owner)
		owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner) {
		cv_count_host(CV_R_OWNER_FULL);
		return;
	}
	cv_record_write(owner, view, task, &who, source);
}

/* The socket's mark with our bits set to the app's. Bits that a socket of no app has there are left
 * alone unless we had put them in. */
static __always_inline __u32 cv_mark_wanted(const struct cv_view *view, __u32 now,
					    const struct cv_change *change)
{
	__u32 mask = view->own ? view->own->mark_mask : 0;

	if (!change->mark && (!change->before || (now & mask) != change->before))
		return now;
	return (now & ~mask) | change->mark;
}

#endif
