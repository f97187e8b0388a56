/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few members of the kernel's own structures that are read, relocated at load time (CO-RE). */
#ifndef CV_KERNEL_H
#define CV_KERNEL_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

#define CV_PF_KTHREAD 0x00200000 /* task_struct.flags (include/linux/sched.h) */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct super_block {
	__u32 s_dev;
};
struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};
struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
	__s64 i_ctime_sec; /* since 6.11 */
	__u32 i_ctime_nsec;
};
struct inode___6_6 { /* up to 6.5 */
	struct timespec64 i_ctime;
};
struct inode___6_10 { /* 6.6 to 6.10 */
	struct timespec64 __i_ctime;
};
struct qstr {
	union {
		struct {
			__u32 hash;
			__u32 len;
		};
		__u64 hash_len;
	};
	const unsigned char *name;
};
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};
struct vfsmount {
	struct dentry *mnt_root;
};
struct ns_common {
	unsigned int inum;
};
struct user_namespace {
	struct ns_common ns;
};
struct mnt_namespace {
	struct user_namespace *user_ns;
};
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};
struct file {
	struct path f_path;
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
	const char *name;
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
struct fs_struct {
	struct path root;
	struct path pwd;
};
struct task_struct {
	unsigned int flags;
	int tgid;
	__u64 self_exec_id;
	__u64 start_boottime;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct fs_struct *fs;
	struct mm_struct *mm;
	const struct cred *cred;
	struct css_set *cgroups;
	char comm[CV_COMM_LEN];
};
struct linux_binprm {
	const char *filename;
	const char *interp;
};
struct net {
	__u64 net_cookie;
};
typedef struct {
	struct net *net;
} possible_net_t;
typedef struct {
	__s64 counter;
} atomic64_t;
struct cv_kernel_in6 { /* struct in6_addr, which linux/in6.h has, too */
	__be32 words[4];
};
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	struct cv_kernel_in6 skc_v6_daddr;
	struct cv_kernel_in6 skc_v6_rcv_saddr;
	possible_net_t skc_net;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
};
struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	__u32 sk_mark;
	__u16 sk_protocol;
};
struct inet_timewait_sock {
	struct sock_common __tw_common;
	__u32 tw_mark;
};
struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
};
#pragma clang attribute pop

/* When the file was last changed; the members have changed their names twice. */
static __always_inline __u64 cv_ctime_ns(struct inode *inode)
{
	struct inode___6_6 *old = (void *)inode;
	struct inode___6_10 *newer = (void *)inode;

	if (bpf_core_field_exists(inode->i_ctime_sec))
		return BPF_CORE_READ(inode, i_ctime_sec) * 1000000000ULL +
		       BPF_CORE_READ(inode, i_ctime_nsec);
	if (bpf_core_field_exists(newer->__i_ctime))
		return BPF_CORE_READ(newer, __i_ctime.tv_sec) * 1000000000ULL +
		       BPF_CORE_READ(newer, __i_ctime.tv_nsec);
	return BPF_CORE_READ(old, i_ctime.tv_sec) * 1000000000ULL +
	       BPF_CORE_READ(old, i_ctime.tv_nsec);
}

#endif
