/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which app is the current task: its executable, cgroup, user and name against the app set of its
 * network namespace. Runs when a socket is born or changes hands, never per packet.
 */
#ifndef CV_APP_H
#define CV_APP_H

#include <stdbool.h>
#include <bpf/bpf_core_read.h>

#include "maps.h"

/* The few kernel members that are read, relocated at load time (CO-RE). */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct super_block {
	__u32 s_dev;
};
struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};
struct file {
	struct inode *f_inode;
};
struct mm_struct {
	struct file *exe_file;
};
typedef struct {
	__u32 val;
} kuid_t;
typedef struct {
	__u32 val;
} kgid_t;
struct cred {
	kuid_t uid;
	kgid_t gid;
};
struct kernfs_node {
	__u64 id;
};
struct cgroup {
	struct kernfs_node *kn;
	int level;
	struct cgroup *ancestors[];
};
struct css_set {
	struct cgroup *dfl_cgrp;
};
struct task_struct {
	int tgid;
	__u64 self_exec_id;
	struct mm_struct *mm;
	const struct cred *cred;
	struct css_set *cgroups;
	char comm[CV_COMM_LEN];
};
#pragma clang attribute pop

/* What a task is known by. Only what some app asks for is filled. */
struct cv_task {
	__u64 exe_inode;
	char comm[CV_COMM_LEN]; /* 8-byte aligned: compared as two words */
	__u32 exe_dev;
	__u32 uid;
	__u32 gid;
	__u32 pad;
};

/* Reads the task itself: sockops programs may not call the helpers for user, name and cgroup on the
 * older kernels (seen on 6.1 and 6.12). */
static __always_inline void cv_task_read(struct cv_task *task, __u32 flags)
{
	struct task_struct *current = bpf_get_current_task_btf();

	task->uid = current->cred->uid.val;
	task->gid = current->cred->gid.val;
	if (flags & CV_APP_COMM)
		bpf_probe_read_kernel_str(task->comm, sizeof(task->comm), current->comm);
	if (flags & CV_APP_EXE) {
		struct mm_struct *mm = current->mm;
		struct inode *inode;

		if (!mm || !mm->exe_file)
			return; /* a kernel thread */
		inode = mm->exe_file->f_inode;
		task->exe_inode = inode->i_ino;
		task->exe_dev = inode->i_sb->s_dev;
	}
}

/* Id of the cgroup at that depth above the current task, 0 if the task is not that deep. */
static __always_inline __u64 cv_ancestor_cgroup_id(__u32 level)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	struct cgroup *cgroup = BPF_CORE_READ(current, cgroups, dfl_cgrp);
	struct cgroup *ancestor = NULL;
	__u64 offset = bpf_core_field_offset(struct cgroup, ancestors);

	if (level > (__u32)BPF_CORE_READ(cgroup, level))
		return 0;
	bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
			      (char *)cgroup + offset + level * sizeof(ancestor));
	return BPF_CORE_READ(ancestor, kn, id);
}

static __always_inline bool cv_comm_equal(const char *a, const char *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1];
}

/* True if all conditions of the app hold for the current task. */
static __always_inline bool cv_app_holds(const struct cv_app *app, const struct cv_task *task)
{
	__u32 flags = app->flags;

	if (flags & CV_APP_EXE &&
	    (app->exe_inode != task->exe_inode || app->exe_dev != task->exe_dev))
		return false;
	if (flags & CV_APP_UID && (task->uid < app->uid_min || task->uid > app->uid_max))
		return false;
	if (flags & CV_APP_GID && (task->gid < app->gid_min || task->gid > app->gid_max))
		return false;
	if (flags & CV_APP_COMM && !cv_comm_equal(app->comm, task->comm))
		return false;
	if (flags & CV_APP_CGROUP && cv_ancestor_cgroup_id(app->cgroup_level) != app->cgroup_id)
		return false;
	return true;
}

struct cv_app_search {
	const struct cv_app_set *set;
	const struct cv_task *task;
	const struct cv_app *found;
};

/* bpf_loop body: looks at one app. Returns 1 to end the search. */
static long cv_app_step(__u32 i, struct cv_app_search *search)
{
	const struct cv_app *app = &search->set->apps[i & (CV_MAX_APPS - 1)];

	if (!cv_app_holds(app, search->task))
		return 0;
	search->found = app;
	return 1;
}

/* The apps of a network namespace, or NULL if culvert has none there. */
static __always_inline const struct cv_app_set *cv_apps_of(__u64 netns_cookie)
{
	__u32 zero = 0;
	void *slot = bpf_map_lookup_elem(&CV_MAP_APPS, &netns_cookie);

	return slot ? bpf_map_lookup_elem(slot, &zero) : NULL;
}

/* The first app of the set that the current task is. *id is CV_APP_NONE and *mark 0 without one. */
static __always_inline void cv_app_find(const struct cv_app_set *set, struct cv_task *task,
					__u32 *id, __u32 *mark)
{
	struct cv_app_search search = { .set = set, .task = task };

	cv_task_read(task, set->flags);
	bpf_loop(set->count, cv_app_step, &search, 0);
	*id = search.found ? search.found->id : CV_APP_NONE;
	*mark = search.found ? search.found->mark : 0;
}

#endif
