/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that came in, and are used by another process than the one that listens. Its record
 * is written when it uses the socket (refresh.bpf.c), but only here can the socket be marked: in the
 * callback in which the kernel asks how long the header options of a segment will be, before it
 * looks for the segment's route. So the first data that the process sends takes its app's way.
 */
#ifndef CV_ACCEPT_H
#define CV_ACCEPT_H

#include <stdbool.h>

#include "record.h"

/* Asks for the callback; it costs each segment something, so it is ended soon. */
static __always_inline void cv_accept_begin(struct bpf_sock_ops *ctx)
{
	const struct cv_app_set *set = cv_apps_of(bpf_get_netns_cookie(ctx));

	if (set && set->flags & CV_APP_ROUTED)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags |
						       BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

static __always_inline void cv_accept_end(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx,
				  ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

/* True if data was sent, and the other end has it: whoever uses the socket was seen doing so. */
static __always_inline bool cv_has_answered(const struct bpf_sock_ops *ctx)
{
	return ctx->bytes_acked;
}

/* Marks the socket as its record says, once that is its user's. */
static __always_inline void cv_accept_mark(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	const struct cv_app_set *set;
	struct cv_owner *owner;
	__u32 wanted;

	if (!sk)
		return;
	owner = bpf_sk_storage_get(&CV_MAP_OWNERS, sk, NULL, 0);
	if (!owner || !CV_OWNER_IS_EXACT(owner->source)) {
		if (cv_has_answered(ctx))
			cv_accept_end(ctx);
		return;
	}
	set = cv_apps_of(owner->netns_cookie);
	wanted = set ? (sk->mark & ~set->mark_mask) | owner->mark : sk->mark;
	if (wanted != sk->mark &&
	    bpf_setsockopt(ctx, CV_SOL_SOCKET, CV_SO_MARK, &wanted, sizeof(wanted)))
		cv_count_host(CV_R_MARK_REFUSED);
	cv_accept_end(ctx);
}

#endif
