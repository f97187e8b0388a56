/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts what leaves a device by app and process: reads culvert's owner records, changes nothing.
 * docs/maps.md says how to build, load and attach it.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* Culvert's own map: the loader puts the pinned one in its place. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, __u32);
	__type(value, struct cv_owner);
} CV_MAP_OWNERS SEC(".maps");

struct user {
	__u64 netns_cookie; /* app ids are those of one network namespace */
	__u32 app; /* CV_APP_NONE: of no app, or nobody looked */
	__u32 tgid;
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct user);
	__type(value, struct traffic);
} traffic_by_user SEC(".maps");

/* The record of the socket that sends the packet, or NULL. A SYN-ACK has no socket of its own yet:
 * its listener answers for it. */
static __always_inline const struct cv_owner *owner_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct bpf_sock *full;

	if (!sk)
		return NULL;
	full = bpf_sk_fullsock(sk);
	if (!full)
		full = bpf_get_listener_sock(sk);
	return full ? bpf_sk_storage_get(&CV_MAP_OWNERS, full, NULL, 0) : NULL;
}

SEC("tc")
int count_owners(struct __sk_buff *skb)
{
	const struct cv_owner *owner = owner_of(skb);
	struct traffic one = { .packets = 1, .bytes = skb->len };
	struct user user = { .app = CV_APP_NONE };
	struct traffic *traffic;

	if (owner) {
		user.netns_cookie = owner->netns_cookie;
		user.app = owner->app;
		user.tgid = owner->tgid;
	}
	traffic = bpf_map_lookup_elem(&traffic_by_user, &user);
	if (traffic) {
		traffic->packets++;
		traffic->bytes += skb->len;
	} else {
		bpf_map_update_elem(&traffic_by_user, &user, &one, BPF_NOEXIST);
	}
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
