/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a task is, gathered for the search of its app: executable, cgroups, user, name. Paths are
 * read from the kernel's own structures, a name at a time, and end up as hashes (abi.h: cv_app).
 */
#ifndef CV_TASK_H
#define CV_TASK_H

#include <stdbool.h>
#include <bpf/bpf_core_read.h>

#include "kernel.h"
#include "maps.h"
#include "siphash.h"

/* Set before loading: programs of cgroups have no task storage before Linux 6.2. What a task is to
 * the apps is found out for each socket anew then, and what it descends from is not known. */
const volatile bool cv_has_task_storage = true;

#define CV_MAX_NAME 255 /* of a file or a cgroup */
#define CV_MAX_WALK 128 /* names and mounts on the way from a file to the root */

static __always_inline const struct cv_host *cv_host_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&CV_MAP_HOST, &zero);
}

static __always_inline void cv_count_host(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&CV_MAP_HOST_DROPS, &reason);

	if (count)
		(*count)++;
}

/* ---- a place to gather ---- */

struct cv_scratch_search {
	__u32 first;
	struct cv_scratch *found;
};

static long cv_scratch_step(__u32 i, struct cv_scratch_search *search)
{
	__u32 index = (search->first + i) % CV_SCRATCH_BUFFERS;
	struct cv_scratch *scratch = bpf_map_lookup_elem(&CV_MAP_SCRATCH, &index);

	if (!scratch || __sync_val_compare_and_swap(&scratch->is_taken, 0, 1))
		return 0;
	search->found = scratch;
	return 1;
}

/* Takes a buffer: a task can be interrupted while it is being identified, by another one that will
 * be, so one a processor would not do. NULL if all are taken. */
static __always_inline struct cv_scratch *cv_scratch_take(void)
{
	struct cv_scratch_search search = { .first = bpf_get_smp_processor_id() };

	bpf_loop(CV_SCRATCH_BUFFERS, cv_scratch_step, &search, 0);
	if (!search.found)
		cv_count_host(CV_R_SCRATCH_FULL);
	return search.found;
}

static __always_inline void cv_scratch_give_back(struct cv_scratch *scratch)
{
	__sync_val_compare_and_swap(&scratch->is_taken, 1, 0);
}

/* ---- paths of files ---- */

struct cv_walk {
	struct cv_scratch *scratch;
	struct dentry *dentry;
	struct mount *mount;
	struct mount *root; /* the one whose root is the directory at root_at */
	__u32 at; /* where the path begins so far */
	__u32 root_at;
	bool is_whole; /* the root of the mount namespace was reached */
};

/* bpf_loop body: puts one name in front, or goes over to the mount above. */
static long cv_walk_step(__u32 i, struct cv_walk *walk)
{
	struct dentry *dentry = walk->dentry, *parent = BPF_CORE_READ(dentry, d_parent);
	struct mount *mount = walk->mount, *above;
	__u32 len, at;

	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		/* Of several that are mounted on one another the last one is seen: "/" lies on the
		 * root that the kernel began with. */
		if (walk->root_at != walk->at) {
			walk->root = mount;
			walk->root_at = walk->at;
		}
		above = BPF_CORE_READ(mount, mnt_parent);
		if (above == mount) {
			walk->is_whole = true;
			return 1;
		}
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = above;
		return 0;
	}
	len = BPF_CORE_READ(dentry, d_name.len);
	if (parent == dentry || len > CV_MAX_NAME || len + 1 > walk->at)
		return 1;
	at = (walk->at - len - 1) & (CV_MAX_PATH - 1);
	walk->scratch->text[at] = '/';
	bpf_probe_read_kernel(&walk->scratch->text[at + 1], len & CV_MAX_NAME,
			      BPF_CORE_READ(dentry, d_name.name));
	walk->at = at;
	walk->dentry = parent;
	return 0;
}

/* True if that is the root of a mount namespace which a user of the host may not have made up. */
static __always_inline bool cv_is_host_root(const struct cv_host *host, struct mount *mount)
{
	struct inode *root = BPF_CORE_READ(mount, mnt.mnt_root, d_inode);

	return BPF_CORE_READ(mount, mnt_ns, user_ns, ns.inum) == host->user_namespace &&
	       BPF_CORE_READ(root, i_ino) == host->root_inode &&
	       BPF_CORE_READ(root, i_sb, s_dev) == host->root_dev;
}

/*
 * Writes the path of an open file (struct file *) into scratch->text, from the offset that is returned up to CV_MAX_PATH;
 * CV_MAX_PATH if it has none that means anything here: in a container with a root of its own,
 * deleted with its mount, or too long.
 */
__noinline __u32 cv_path_read(const struct cv_host *host, struct cv_scratch *scratch,
			      __u64 file_address)
{
	struct file *file = (void *)file_address;
	struct vfsmount *mnt = BPF_CORE_READ(file, f_path.mnt);
	struct cv_walk walk = {
		.scratch = scratch,
		.dentry = BPF_CORE_READ(file, f_path.dentry),
		.mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt),
		.at = CV_MAX_PATH,
	};

	if (!host || !scratch)
		return CV_MAX_PATH;
	walk.root_at = cv_unknown_zero(scratch);
	bpf_loop(CV_MAX_WALK, cv_walk_step, &walk, 0);
	return walk.is_whole && cv_is_host_root(host, walk.root) ? walk.at : CV_MAX_PATH;
}

static __always_inline __u64 cv_text_hash(const struct cv_host *host,
					  const struct cv_scratch *scratch, __u32 at, __u32 len)
{
	return cv_siphash(scratch, at, len, host->hash_key[0], host->hash_key[1]);
}

/* Hash of the path of a task's executable, which then stands in scratch->text from scratch->path
 * on; 0 if it cannot be told. */
static __always_inline __u64 cv_exe_hash(const struct cv_host *host, struct cv_scratch *scratch,
					 struct task_struct *task)
{
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);

	scratch->path = exe ? cv_path_read(host, scratch, (__u64)exe) : CV_MAX_PATH;
	if (scratch->path >= CV_MAX_PATH)
		return 0;
	return cv_text_hash(host, scratch, scratch->path, CV_MAX_PATH - scratch->path);
}

static __always_inline void cv_exe_read(const struct cv_host *host, struct cv_scratch *scratch,
					struct task_struct *task)
{
	struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);

	scratch->exe_inode = 0;
	scratch->exe_dev = 0;
	scratch->exe_ctime_ns = 0;
	scratch->exe_hashes[0] = cv_exe_hash(host, scratch, task);
	if (!inode)
		return;
	scratch->exe_inode = BPF_CORE_READ(inode, i_ino);
	scratch->exe_dev = BPF_CORE_READ(inode, i_sb, s_dev);
	scratch->exe_ctime_ns = cv_ctime_ns(inode);
}

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
	struct cv_lineage *lineage;

	scratch->uid = BPF_CORE_READ(task, cred, uid.val);
	scratch->gid = BPF_CORE_READ(task, cred, gid.val);
	bpf_probe_read_kernel_str(scratch->comm, sizeof(scratch->comm), task->comm);
	scratch->depth_count = 0;
	if (flags & (CV_APP_UNIT | CV_APP_CGROUP))
		cv_cgroups_read(host, scratch, (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp));
	scratch->lineage.script = 0;
	scratch->lineage.count = 0;
	if (cv_has_task_storage && flags & (CV_APP_PARENT | CV_APP_SCRIPT)) {
		lineage = bpf_task_storage_get(&CV_MAP_LINEAGES, task, NULL, 0);
		if (lineage)
			scratch->lineage = *lineage;
	}
	scratch->exe_hashes[1] = scratch->lineage.script;
	if (flags & (CV_APP_EXE | CV_APP_GLOB))
		cv_exe_read(host, scratch, task);
}

#endif
