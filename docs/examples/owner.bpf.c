/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts what leaves a device by app and process, and by how that is known: reads culvert's owner
 * records, changes nothing. Stock tc loads it; docs/maps.md says how.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* Culvert's own maps: by their names the loader finds those that are pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, __u32);
	__type(value, struct cv_owner);
} CV_MAP_OWNERS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_MAX_CLOSED);
	__type(key, __u32);
	__type(value, struct cv_closed);
} CV_MAP_CLOSED SEC(".maps");

struct user {
	__u64 netns_cookie; /* app ids are those of one network namespace */
	__u32 app; /* CV_APP_NONE: of no app, or nobody looked */
	__u32 tgid;
	__u32 source; /* enum cv_owner_source */
	__u32 pad;
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

/* The record that a closed socket has left. */
static __always_inline const struct cv_owner *owner_of_closed(__u64 cookie)
{
	__u32 index = cookie & (CV_MAX_CLOSED - 1);
	const struct cv_closed *closed = bpf_map_lookup_elem(&CV_MAP_CLOSED, &index);

	return closed && closed->cookie == cookie ? &closed->owner : NULL;
}

/* The record of the socket that sends the packet, or NULL; *source: how the owner is known. */
static __always_inline const struct cv_owner *owner_of(struct __sk_buff *skb, __u32 *source)
{
	const struct cv_owner *owner;
	struct bpf_sock *sk = skb->sk;
	struct bpf_sock *full;

	if (!sk)
		return NULL;
	if (sk->state == BPF_TCP_TIME_WAIT) { /* what is left of a closed socket: its cookie */
		*source = CV_OWNER_COOKIE;
		return owner_of_closed(bpf_get_socket_cookie(skb));
	}
	full = bpf_sk_fullsock(sk);
	if (!full) { /* a SYN-ACK: its listener answers for it */
		full = bpf_get_listener_sock(sk);
		owner = full ? bpf_sk_storage_get(&CV_MAP_OWNERS, full, NULL, 0) : NULL;
		*source = CV_OWNER_LISTEN;
		return owner;
	}
	owner = bpf_sk_storage_get(&CV_MAP_OWNERS, full, NULL, 0);
	*source = owner ? owner->source : CV_OWNER_NONE;
	return owner;
}

SEC("tc")
int count_owners(struct __sk_buff *skb)
{
	struct traffic one = { .packets = 1, .bytes = skb->len };
	struct user user = { .app = CV_APP_NONE };
	const struct cv_owner *owner;
	struct traffic *traffic;
	__u32 source;

	owner = owner_of(skb, &source);
	if (owner) {
		user.netns_cookie = owner->netns_cookie;
		user.app = owner->app;
		user.tgid = owner->tgid;
		user.source = source;
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
