/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a process descends from: which executables its ancestors ran, and itself before it became
 * what it is. Written at fork and exec (lineage.bpf.c) while some app asks for it; of processes that
 * are older, what their parents run that still live.
 */
#ifndef CV_LINEAGE_H
#define CV_LINEAGE_H

#include <stdbool.h>

#include "exe.h"
#include "maps.h"

#define CV_MAX_ANCESTORS                                                                           \
	32 /* of a process that is older than the hooks; those above are not seen */

static __always_inline bool cv_lineage_has(const struct cv_lineage *lineage, __u64 hash)
{
	for (__u32 i = 0; i < CV_MAX_LINEAGE; i++)
		if (lineage->parents[i] == hash)
			return true;
	return false;
}

/* Adds what a process was before. */
static __always_inline void cv_lineage_add(struct cv_lineage *lineage, __u64 hash)
{
	if (hash && !cv_lineage_has(lineage, hash))
		lineage->parents[lineage->count++ % CV_MAX_LINEAGE] = hash;
}

struct cv_ancestry {
	const struct cv_host *host;
	struct cv_scratch *scratch;
	struct task_struct *task; /* the next ancestor */
	__u32 first; /* of the ring, where the nearest parent stands last */
};

/* bpf_loop body: adds what one ancestor runs. */
static long cv_ancestor_step(__u32 i, struct cv_ancestry *ancestry)
{
	struct cv_lineage *lineage = &ancestry->scratch->lineage;
	struct task_struct *task = ancestry->task;
	__u64 hash;

	if (!task || !ancestry->first)
		return 1;
	hash = cv_exe_hash(ancestry->host, ancestry->scratch, task);
	if (hash && !cv_lineage_has(lineage, hash))
		lineage->parents[--ancestry->first % CV_MAX_LINEAGE] = hash;
	ancestry->task = BPF_CORE_READ(task, real_parent);
	return ancestry->task == task; /* the first task of all is its own parent */
}

/* Fills scratch->lineage with what a parent (struct task_struct *) and those above it run now: the
 * ring counts as full, so that what is added later first takes the places that are empty, and then
 * those of the oldest. */
__noinline int cv_lineage_walk(const struct cv_host *host, struct cv_scratch *scratch,
			       __u64 parent_address)
{
	struct cv_ancestry ancestry = { .host = host,
					.scratch = scratch,
					.task = (void *)parent_address };

	if (!host || !scratch)
		return 0;
	ancestry.first = CV_MAX_LINEAGE + cv_unknown_zero(scratch);
	__builtin_memset(&scratch->lineage, 0, sizeof(scratch->lineage));
	scratch->lineage.count = CV_MAX_LINEAGE;
	bpf_loop(CV_MAX_ANCESTORS, cv_ancestor_step, &ancestry, 0);
	return 0;
}

/* Fills scratch->lineage with that of a task. */
static __always_inline void cv_lineage_read(const struct cv_host *host, struct cv_scratch *scratch,
					    struct task_struct *task)
{
	struct cv_lineage *lineage = NULL;

	if (cv_has_task_storage)
		lineage = bpf_task_storage_get(&CV_MAP_LINEAGES, task, NULL, 0);
	if (lineage)
		scratch->lineage = *lineage;
	else
		cv_lineage_walk(host, scratch, (__u64)BPF_CORE_READ(task, real_parent));
}

#endif
