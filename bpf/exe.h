/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which executable a task runs: the path of a file, read from the kernel's own structures, a name at
 * a time, and its hash (abi.h: cv_app). Also the place to write it, of which there are few.
 */
#ifndef CV_EXE_H
#define CV_EXE_H

#include <stdbool.h>
#include <bpf/bpf_core_read.h>

#include "kernel.h"
#include "maps.h"
#include "siphash.h"

/* Set before loading: programs of cgroups have no task storage on older kernels (6.12). What a task
 * is to the apps is found out for each socket anew then, and what it descends from is not known. */
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

#define CV_NO_PATH (CV_MAX_PATH + 1)

/*
 * Writes a path (struct path *) into scratch->text, from the offset that is returned up to
 * CV_MAX_PATH: nothing for the root directory. CV_NO_PATH if it has none that means anything here: in
 * a container with a root of its own, deleted with its mount, or too long.
 */
__noinline __u32 cv_path_read(const struct cv_host *host, struct cv_scratch *scratch,
			      __u64 path_address)
{
	struct path *path = (void *)path_address;
	struct vfsmount *mnt = BPF_CORE_READ(path, mnt);
	struct cv_walk walk = {
		.scratch = scratch,
		.dentry = BPF_CORE_READ(path, dentry),
		.mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt),
		.at = CV_MAX_PATH,
	};

	if (!host || !scratch)
		return CV_NO_PATH;
	walk.root_at = cv_unknown_zero(scratch);
	bpf_loop(CV_MAX_WALK, cv_walk_step, &walk, 0);
	return walk.is_whole && cv_is_host_root(host, walk.root) ? walk.at : CV_NO_PATH;
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

	scratch->path = exe ? cv_path_read(host, scratch, (__u64)&exe->f_path) : CV_NO_PATH;
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

#endif
