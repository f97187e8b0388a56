// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How the kernel sees the files that a process has open. What stat() says may be another device or
 * inode than the hooks meet: user space asks for a file here, and compares like with like.
 */
#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	void *task;
	__u32 fd;
	struct file *file;
};
#pragma clang attribute pop

/* Writes a struct cv_host_file for each file descriptor of the tasks that the iterator is for. */
SEC("iter/task_file")
int cv_iter_files(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct cv_host_file out = {};
	struct inode *inode;

	if (!file)
		return 0;
	inode = file->f_inode;
	out.fd = ctx->fd;
	out.dev = inode->i_sb->s_dev;
	out.inode = inode->i_ino;
	out.ctime_ns = cv_ctime_ns(inode);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
