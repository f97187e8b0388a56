/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a task is, gathered for the search of its app: executable, cgroups, user, name. Paths are
 * read from the kernel's own structures, a name at a time, and end up as hashes (abi.h: cv_app).
 */
#ifndef CV_TASK_H
#define CV_TASK_H

#include <stdbool.h>
#include <bpf/bpf_core_read.h>

#include "exe.h"
#include "kernel.h"
#include "lineage.h"
#include "maps.h"
#include "siphash.h"

/* ---- cgroups ---- */

struct cv_levels {
	const struct cv_host *host;
	struct cv_scratch *scratch;
	struct cgroup *cgroup;
	__u32 level; /* of the root below which paths are meant */
	__u32 count; /* of levels from there to the task's cgroup, that one included */
	bool is_in_slices; /* all above are slices: what stands here is a unit of the system */
};

static __always_inline struct cgroup *cv_ancestor(struct cgroup *cgroup, __u32 level)
{
	__u64 offset = bpf_core_field_offset(struct cgroup, ancestors);
	struct cgroup *ancestor = NULL;

	bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
			      (void *)cgroup + offset + level * sizeof(ancestor));
	return ancestor;
}

static __always_inline bool cv_is_slice(const struct cv_scratch *scratch, __u32 len)
{
	const char *end = scratch->text + (len & CV_MAX_NAME);

	return len > 6 && end[-6] == '.' && end[-5] == 's' && end[-4] == 'l' && end[-3] == 'i' &&
	       end[-2] == 'c' && end[-1] == 'e';
}

/* bpf_loop body: adds the hashes of the cgroup that is i levels below the root. */
static long cv_level_step(__u32 i, struct cv_levels *levels)
{
	struct cgroup *cgroup = cv_ancestor(levels->cgroup, levels->level + i);
	struct cv_scratch *scratch = levels->scratch;
	const struct cv_host *host = levels->host;
	__u32 depth = i & (CV_MAX_CGROUP_DEPTH - 1);
	long len;

	if (!depth) {
		scratch->unit_hashes[0] = 0;
		scratch->cgroup_hashes[0] = host->hash_key[0];
		return 0;
	}
	len = bpf_probe_read_kernel_str(scratch->text, CV_MAX_NAME + 1,
					BPF_CORE_READ(cgroup, kn, name));
	if (len < 2)
		return 1;
	len = (len - 1) & CV_MAX_NAME;
	scratch->cgroup_hashes[depth] = cv_siphash(
		scratch, 0, len, scratch->cgroup_hashes[(i - 1) & (CV_MAX_CGROUP_DEPTH - 1)],
		host->hash_key[1]);
	scratch->unit_hashes[depth] =
		levels->is_in_slices ? cv_text_hash(host, scratch, 0, len) : 0;
	levels->is_in_slices = levels->is_in_slices && cv_is_slice(scratch, len);
	scratch->depth_count = depth + 1;
	return 0;
}

/* Hashes of a cgroup (struct cgroup *) and those above it, from the root on below which paths are
 * meant. */
__noinline int cv_cgroups_read(const struct cv_host *host, struct cv_scratch *scratch,
			       __u64 cgroup_address)
{
	struct cgroup *cgroup = (void *)cgroup_address, *root;
	struct cv_levels levels = { .host = host, .scratch = scratch, .cgroup = cgroup };
	__u32 level = BPF_CORE_READ(cgroup, level);

	if (!host || !scratch)
		return 0;
	levels.level = host->cgroup_root_level;
	/* True, which the verifier must not know: it would take the branch of a loop that asks for
	 * it as the only one, and remove the other (seen on 6.18). */
	levels.is_in_slices = !cv_unknown_zero(scratch);
	if (level < levels.level)
		return 0;
	root = cv_ancestor(cgroup, levels.level);
	if (BPF_CORE_READ(root, kn, id) != host->cgroup_root_id)
		return 0;
	scratch->depth_count = 1;
	level -= levels.level;
	if (level >= CV_MAX_CGROUP_DEPTH)
		level = CV_MAX_CGROUP_DEPTH - 1;
	bpf_loop(level + 1, cv_level_step, &levels, 0);
	return 0;
}

/* ---- all of it ---- */

/* Gathers what the apps ask for: flags are CV_APP_*. The scratch buffer's text is the path of the
 * executable afterwards. */
static __always_inline void cv_task_read(const struct cv_host *host, struct cv_scratch *scratch,
					 struct task_struct *task, __u32 flags)
{
	scratch->uid = BPF_CORE_READ(task, cred, uid.val);
	scratch->gid = BPF_CORE_READ(task, cred, gid.val);
	bpf_probe_read_kernel_str(scratch->comm, sizeof(scratch->comm), task->comm);
	scratch->depth_count = 0;
	if (flags & (CV_APP_UNIT | CV_APP_CGROUP))
		cv_cgroups_read(host, scratch, (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp));
	scratch->lineage.script = 0;
	scratch->lineage.count = 0;
	if (flags & (CV_APP_PARENT | CV_APP_SCRIPT))
		cv_lineage_read(host, scratch, task);
	scratch->exe_hashes[1] = scratch->lineage.script;
	if (flags & (CV_APP_EXE | CV_APP_GLOB))
		cv_exe_read(host, scratch, task);
}

#endif
