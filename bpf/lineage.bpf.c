// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a process descends from is handed down when it is made, and added to when it becomes another
 * program. Attached while some app has a parent-exe or is a script.
 */
#define CV_USE_APPS

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "lineage.h"
#include "maps.h"

/* ---- what a script is called ---- */

/* Where in a scratch buffer's text the name is that the program was called by: behind the path of
 * the directory that it may be relative to, and a '/'. */
#define CV_NAME_AT (CV_MAX_PATH + 1)

/* Reads a text of the kernel to there. Returns its length. */
static __always_inline __u32 cv_name_read(struct cv_scratch *scratch, const char *name)
{
	long size = bpf_probe_read_kernel_str(scratch->text + CV_NAME_AT, CV_MAX_PATH - 1, name);

	return size > 0 ? size - 1 : 0;
}

/* Hash of the path of the script that is run. A name that leads through a symbolic link or ".." is
 * not the path that user space means, and hashes as another. */
static __always_inline __u64 cv_script_hash(const struct cv_host *host, struct cv_scratch *scratch,
					    struct fs_struct *fs, const char *name)
{
	__u32 len = cv_name_read(scratch, name), at;

	/* Another root: its paths are not those of the host. */
	if (!len || cv_path_read(host, scratch, (__u64)&fs->root) != CV_MAX_PATH)
		return 0;
	if (scratch->text[CV_NAME_AT] == '/')
		return cv_text_hash(host, scratch, CV_NAME_AT, len);
	if (scratch->text[CV_NAME_AT] == '.' && scratch->text[CV_NAME_AT + 1] == '/')
		len = cv_name_read(scratch, name + 2);
	at = cv_path_read(host, scratch, (__u64)&fs->pwd);
	if (at == CV_NO_PATH)
		return 0;
	scratch->text[CV_MAX_PATH] = '/';
	return cv_text_hash(host, scratch, at, CV_NAME_AT - at + len);
}

/* True for "/usr/bin/env" and the like, which looks for the interpreter that a script wants. */
static __always_inline bool cv_is_env(struct cv_scratch *scratch, const char *interpreter)
{
	__u32 len = cv_name_read(scratch, interpreter);
	const char *end = scratch->text + CV_NAME_AT + (len & (CV_MAX_PATH / 2 - 1));

	return len > 4 && end[-4] == '/' && end[-3] == 'e' && end[-2] == 'n' && end[-1] == 'v';
}

/* ---- fork ---- */

/* Gives one to a task that is older than the hooks. NULL without memory. */
static __always_inline struct cv_lineage *cv_lineage_make(struct task_struct *task)
{
	const struct cv_host *host = cv_host_get();
	struct cv_scratch *scratch = host ? cv_scratch_take() : NULL;
	struct cv_lineage *lineage = NULL;

	if (!scratch)
		return NULL;
	cv_lineage_walk(host, scratch, (__u64)BPF_CORE_READ(task, real_parent));
	scratch->lineage.exe = cv_exe_hash(host, scratch, task);
	lineage =
		bpf_task_storage_get(&CV_MAP_LINEAGES, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (lineage)
		*lineage = scratch->lineage;
	cv_scratch_give_back(scratch);
	return lineage;
}

/* Arguments: the new task, flags. Threads, too: any of them may become another program. */
SEC("tp_btf/task_newtask")
int cv_task_new(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf(), *child = (void *)ctx[0];
	struct cv_lineage *from, *to;

	if (child->flags & CV_PF_KTHREAD)
		return 0;
	from = bpf_task_storage_get(&CV_MAP_LINEAGES, task, NULL, 0);
	if (!from)
		from = cv_lineage_make(task);
	if (!from)
		return 0;
	to = bpf_task_storage_get(&CV_MAP_LINEAGES, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (to)
		*to = *from;
	return 0;
}

/* ---- exec ---- */

static __always_inline void cv_lineage_exec(const struct cv_host *host, struct cv_scratch *scratch,
					    struct cv_lineage *lineage, struct task_struct *task,
					    struct linux_binprm *bprm)
{
	bool is_script = bprm->filename != bprm->interp;
	__u64 script = lineage->is_env ? lineage->script : 0;

	if (is_script)
		script = cv_script_hash(host, scratch, BPF_CORE_READ(task, fs), bprm->filename);
	cv_lineage_add(lineage, lineage->exe);
	if (script != lineage->script)
		cv_lineage_add(lineage, lineage->script);
	lineage->is_env = is_script && cv_is_env(scratch, bprm->interp);
	lineage->script = script;
	lineage->exe = cv_exe_hash(host, scratch, task);
}

/* Arguments: the task, which is another program already; its id before; what it is made of. */
SEC("tp_btf/sched_process_exec")
int cv_task_exec(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct linux_binprm *bprm = (void *)ctx[2];
	const struct cv_host *host = cv_host_get();
	struct cv_lineage *lineage;
	struct cv_scratch *scratch;

	lineage = bpf_task_storage_get(&CV_MAP_LINEAGES, task, NULL, 0);
	if (!lineage) {
		lineage = cv_lineage_make(task);
		if (lineage)
			lineage->exe = 0; /* what it was before nobody knows any more */
	}
	scratch = lineage && host ? cv_scratch_take() : NULL;
	if (!scratch)
		return 0;
	cv_lineage_exec(host, scratch, lineage, task, bprm);
	cv_scratch_give_back(scratch);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
