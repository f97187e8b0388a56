// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sockets that were open before their app was: their records are written or brought up to date, and
 * their marks follow. Walks, one after the other; user space reads each to its end:
 *
 *   tasks  all tasks: what was found out about them before holds no more
 *   known  open files: a process that was seen using a socket is asked anew what app it is
 *   rest   open files: all other sockets, by whoever has them open
 *   tcp    TCP sockets of one network namespace: those that no process has open yet; marks
 *   marks  open files: sockets whose mark only setsockopt() can change; user space does
 *
 * A socket on its way between processes (SCM_RIGHTS) is in nobody's hands: it is not seen, and
 * gets its record when the receiver uses it.
 */
#define CV_USE_APPS
#define CV_USE_OWNERS

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "record.h"

#define CV_AF_INET 2
#define CV_AF_INET6 10
#define CV_AF_PACKET 17
#define CV_TCP_LISTEN 10
#define CV_SOCK_DEAD (1 << 0) /* bit SOCK_DEAD of skc_flags (kernel: include/net/sock.h) */
#define CV_MAX_BACKLOG 65536 /* of a listener; what waits behind that many is not looked at */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct socket {
	struct sock *sk;
};
struct request_sock {
	struct request_sock *dl_next;
	struct sock *sk;
};
struct request_sock_queue {
	struct request_sock *rskq_accept_head;
};
struct inet_connection_sock {
	struct request_sock_queue icsk_accept_queue;
};
struct tcp_sock {
	struct inet_connection_sock inet_conn;
};
struct upid {
	int nr;
};
struct pid {
	unsigned int level;
	struct upid numbers[1];
};
struct task_struct___pid {
	int pid;
	struct pid *thread_pid;
};
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};
#pragma clang attribute pop

/* ---- what all walks ask ---- */

/* The socket behind an open file, NULL if it is none, or one that no app can be asked about. */
static __always_inline struct sock *cv_open_socket(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (!ctx->task || !file)
		return NULL;
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : NULL;
	if (!sk)
		return NULL;
	family = sk->__sk_common.skc_family;
	return family == CV_AF_INET || family == CV_AF_INET6 || family == CV_AF_PACKET ? sk : NULL;
}

static __always_inline bool cv_view_of(struct cv_view *view, struct sock *sk)
{
	return cv_view_open(view, sk->__sk_common.skc_net.net->net_cookie);
}

static __always_inline struct cv_owner *cv_record_of(void *sk)
{
	return bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);
}

/* True if the apps of today have been asked. */
static __always_inline bool cv_is_resolved(const struct cv_owner *owner, const struct cv_view *view)
{
	return owner->generation == cv_generation(view->own) &&
	       owner->outer_generation == cv_generation(view->outer);
}

/* The mark that the socket is to have. */
static __always_inline __u32 cv_mark_due(const struct cv_owner *owner, const struct cv_view *view,
					 __u32 now)
{
	if (!view->own || (!owner->mark && !(owner->fill & CV_FILL_UNMARK)))
		return now;
	return (now & ~view->own->mark_mask) | owner->mark;
}

/* ---- records of sockets that are open ---- */

/* refresh.bpf.c goes by it whatever its generation; the mark that the task's sockets had stays. */
SEC("iter/task")
int cv_fill_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct cv_task *kept;

	kept = task ? bpf_task_storage_get(&CV_MAP_TASKS, task, NULL, 0) : NULL;
	if (kept)
		kept->exec_id = 0;
	return 0;
}

/* Writes the record for a task. Returns it, NULL if the socket needs none. */
static __always_inline struct cv_owner *cv_fill(struct sock *sk, const struct cv_view *view,
						struct task_struct *task, __u8 source)
{
	__u32 now = sk->sk_mark, mask = view->own ? view->own->mark_mask : 0;
	struct cv_change change;
	struct cv_owner *owner;

	/* A mark that has to go must be remembered until it is gone. */
	cv_record_refresh(sk, view, task, source, now & mask, now, &change);
	owner = cv_record_of(sk);
	if (owner && !change.mark && cv_mark_wanted(view, now, &change) != now)
		owner->fill |= CV_FILL_UNMARK;
	return owner;
}

/* True if the record is of that task, and says more than that it had the socket open. */
static __always_inline bool cv_is_known_user(const struct cv_owner *owner,
					     const struct cv_view *view, struct task_struct *task)
{
	return owner->tgid == (__u32)task->tgid && owner->exec_id == cv_exec_id(task) &&
	       (CV_OWNER_IS_EXACT(owner->source) || cv_is_resolved(owner, view));
}

SEC("iter/task_file")
int cv_fill_known(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = cv_open_socket(ctx);
	struct task_struct *task = ctx->task;
	struct cv_owner *owner;
	struct cv_view view;

	owner = sk && task ? cv_record_of(sk) : NULL;
	if (owner && cv_view_of(&view, sk) && cv_is_known_user(owner, &view, task))
		cv_fill(sk, &view, task, owner->source);
	return 0;
}

/*
 * True if a task's claim to a socket that it has open is better than the record: there is none, it
 * is older than the apps, or this walk wrote it for a process that came earlier and is not more of an
 * app.
 */
static __always_inline bool cv_claims(const struct cv_owner *owner, const struct cv_view *view,
				      struct task_struct *task)
{
	struct cv_who who = {};

	if (!owner || !cv_is_resolved(owner, view))
		return true;
	if (owner->source != CV_OWNER_BACKFILL || !(owner->fill & CV_FILL_FRESH))
		return false;
	if (!owner->app && !owner->outer_app)
		return true;
	cv_task_find(view, task, &who);
	return who.app || who.outer_app;
}

SEC("iter/task_file")
int cv_fill_rest(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = cv_open_socket(ctx);
	struct task_struct *task = ctx->task;
	struct cv_owner *owner;
	struct cv_view view;

	if (!sk || !task || !cv_view_of(&view, sk) || !cv_claims(cv_record_of(sk), &view, task))
		return 0;
	owner = cv_fill(sk, &view, task, CV_OWNER_BACKFILL);
	if (owner)
		owner->fill |= CV_FILL_FRESH;
	return 0;
}

/* ---- TCP ---- */

/* Connections that wait to be accepted. */
struct cv_backlog {
	struct request_sock *next;
	const struct cv_owner *listener;
	const struct cv_view *view;
};

/* bpf_loop body: a connection that nobody has accepted is the listener's. */
static long cv_backlog_step(__u32 i, struct cv_backlog *backlog)
{
	struct request_sock *request = backlog->next;
	struct cv_owner *owner;
	struct sock *sk;
	__u32 before;

	if (!request)
		return 1;
	backlog->next = request->dl_next;
	sk = request->sk;
	owner = sk ? bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE)
		   : NULL;
	if (!owner || cv_is_resolved(owner, backlog->view))
		return 0;
	before = owner->mark;
	*owner = *backlog->listener;
	owner->source = CV_OWNER_LISTEN;
	owner->fill = before && !owner->mark ? CV_FILL_UNMARK : 0;
	return 0;
}

/* The walk holds the listener's lock: only its owner takes connections out, and not now. */
static __always_inline void cv_backlog_fill(struct tcp_sock *listener, const struct cv_view *view)
{
	struct cv_backlog backlog = {
		.next = listener->inet_conn.icsk_accept_queue.rskq_accept_head,
		.listener = cv_record_of(listener),
		.view = view,
	};

	if (backlog.listener && cv_is_resolved(backlog.listener, view))
		bpf_loop(CV_MAX_BACKLOG, cv_backlog_step, &backlog, 0);
}

/* A flow of an MPTCP connection has no file of its own, its connection has. */
static __always_inline void cv_fill_flow(struct sock *sk)
{
	struct socket *socket = sk->sk_socket;
	struct sock *connection = socket ? socket->sk : NULL;
	struct cv_owner *owner, *from;

	from = connection && connection != sk ? cv_record_of(connection) : NULL;
	if (!from)
		return;
	owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner)
		*owner = *from;
}

struct cv_id_search {
	const struct cv_app_set *set;
	__u32 id;
	__u32 mark; /* of the app with that id */
	__u32 found; /* its id, CV_APP_NONE without one */
};

static long cv_id_step(__u32 i, struct cv_id_search *search)
{
	const struct cv_app *app = &search->set->apps[i & (CV_MAX_APPS - 1)];

	if (app->id != search->id)
		return 0;
	search->found = app->id;
	search->mark = app->mark;
	return 1;
}

/* Its process has closed it, and what it has sent is still on its way: whose it is cannot be asked
 * anew, but whether that app is there still, and what its mark is. */
static __always_inline void cv_fill_orphan(struct cv_owner *owner, const struct cv_view *view)
{
	struct cv_id_search search = { .set = view->own, .id = owner->app };
	__u32 before = owner->mark;

	if (view->own)
		bpf_loop(view->own->count, cv_id_step, &search, 0);
	owner->app = search.found;
	owner->mark = search.mark;
	owner->generation = cv_generation(view->own);
	owner->outer_generation = cv_generation(view->outer);
	if (before && !owner->mark)
		owner->fill |= CV_FILL_UNMARK;
}

SEC("iter/tcp")
int cv_fill_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct tcp_sock *tcp;
	struct cv_owner *owner;
	struct cv_view view;
	struct sock *sk;
	__u32 due;

	tcp = common ? bpf_skc_to_tcp_sock(common) : NULL;
	sk = (struct sock *)tcp;
	if (!tcp || !cv_view_of(&view, sk))
		return 0;
	owner = cv_record_of(sk);
	if (!owner || !cv_is_resolved(owner, &view)) {
		cv_fill_flow(sk);
		owner = cv_record_of(sk);
	}
	if (sk->__sk_common.skc_state == CV_TCP_LISTEN)
		cv_backlog_fill(tcp, &view);
	if (owner && sk->__sk_common.skc_flags & CV_SOCK_DEAD && !cv_is_resolved(owner, &view))
		cv_fill_orphan(owner, &view);
	if (!owner || !cv_is_resolved(owner, &view))
		return 0;
	due = cv_mark_due(owner, &view, sk->sk_mark);
	owner->fill &= ~CV_FILL_UNMARK;
	if (due != sk->sk_mark && bpf_setsockopt(tcp, CV_SOL_SOCKET, CV_SO_MARK, &due, sizeof(due)))
		cv_count_host(CV_R_MARK_REFUSED);
	return 0;
}

/* ---- marks that are not TCP's ---- */

/* The number of a task in the pid namespace of whoever reads. */
static __always_inline __u32 cv_pid_for_reader(struct task_struct *task)
{
	struct task_struct___pid *reader = (void *)bpf_get_current_task(), *pids = (void *)task;
	__u32 level = BPF_CORE_READ(reader, thread_pid, level);
	void *numbers = (void *)BPF_CORE_READ(pids, thread_pid) +
			bpf_core_field_offset(struct pid, numbers);
	int number = 0;

	bpf_probe_read_kernel(&number, sizeof(number),
			      numbers + level * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, nr));
	return number;
}

/* A socket whose mark is another one than it is to have, as far as setsockopt() can change that. */
static __always_inline bool cv_needs_mark(struct sock *sk, const struct cv_owner *owner, __u32 *due)
{
	struct cv_view view;

	if (sk->__sk_common.skc_family == CV_AF_PACKET || sk->sk_protocol == IPPROTO_TCP ||
	    !cv_view_of(&view, sk) || !cv_is_resolved(owner, &view))
		return false;
	*due = cv_mark_due(owner, &view, sk->sk_mark);
	return *due != sk->sk_mark;
}

SEC("iter/task_file")
int cv_fill_marks(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = cv_open_socket(ctx);
	struct task_struct *task = ctx->task;
	struct cv_fill_mark out = {};
	struct cv_owner *owner;

	owner = sk && task ? cv_record_of(sk) : NULL;
	if (!owner)
		return 0;
	owner->fill &= ~CV_FILL_FRESH;
	if (!cv_needs_mark(sk, owner, &out.mark))
		return 0;
	out.cookie = bpf_get_socket_cookie(sk);
	out.pid = cv_pid_for_reader(task);
	out.fd = ctx->fd;
	out.is_thread = ((struct task_struct___pid *)task)->pid != task->tgid;
	out.is_unmark = !!(owner->fill & CV_FILL_UNMARK);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

/* After user space has done what it could: what is as it was is counted, and let be. */
SEC("iter/task_file")
int cv_fill_check(struct bpf_iter__task_file *ctx)
{
	struct sock *sk = cv_open_socket(ctx);
	struct cv_owner *owner = sk ? cv_record_of(sk) : NULL;
	__u32 due;

	if (!owner)
		return 0;
	if (cv_needs_mark(sk, owner, &due))
		cv_count_host(CV_R_MARK_REFUSED);
	owner->fill &= ~CV_FILL_UNMARK;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
