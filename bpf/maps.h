/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that programs use. A program file defines CV_USE_* for the groups it needs before it
 * includes anything: every map declared in an object is created or reused when it is loaded.
 *
 * Maps marked RDONLY_PROG are written by user space alone. CV_MAP_META is for user space only and
 * stands in no object.
 */
#ifndef CV_MAPS_H
#define CV_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* A slot that holds the current array of a generation; the inner map is built by user space. Sizes,
 * not types: of a struct that is named only here clang 14 writes no more than a declaration. */
#define CV_SLOT_OF(value_type, entries) CV_SLOT_WITH(value_type, entries, BPF_F_RDONLY_PROG)
#define CV_SLOT_WITH(value_type, entries, flags)                                                   \
	__uint(pinning, LIBBPF_PIN_BY_NAME);                                                       \
	__array(                                                                                   \
		values, struct {                                                                   \
			__uint(type, BPF_MAP_TYPE_ARRAY);                                          \
			__uint(max_entries, entries);                                              \
			__uint(map_flags, flags);                                                  \
			__uint(key_size, sizeof(__u32));                                           \
			__uint(value_size, sizeof(value_type));                                    \
		})

#ifdef CV_USE_TUNNELS
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	CV_SLOT_OF(struct cv_tunnel, CV_MAX_TUNNEL_ENTRIES);
} CV_MAP_TUNNELS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_MAX_TUNNELS);
	__type(key, __u32);
	__type(value, struct cv_tunnel_stats);
} CV_MAP_TUNNEL_STATS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2 * CV_MAX_TUNNELS);
	__type(key, __u32);
	CV_SLOT_OF(struct cv_remote_set, 1);
} CV_MAP_REMOTES SEC(".maps");
#endif

#ifdef CV_USE_STUBS
#define CV_SHARED_PROGRAMS                                                                         \
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                                     \
	__uint(pinning, LIBBPF_PIN_BY_NAME);                                                       \
	__uint(max_entries, CV_SHARED_COUNT);                                                      \
	__type(key, __u32);                                                                        \
	__type(value, __u32)

struct {
	CV_SHARED_PROGRAMS;
} CV_MAP_XMIT_PROGRAMS SEC(".maps");

struct {
	CV_SHARED_PROGRAMS;
} CV_MAP_IN_PROGRAMS SEC(".maps");

struct {
	CV_SHARED_PROGRAMS;
} CV_MAP_OUT_PROGRAMS SEC(".maps");
#endif

#ifdef CV_USE_SEGMENT
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cv_segment);
} CV_MAP_SEGMENT SEC(".maps");
#endif

#ifdef CV_USE_PEERS
/* MMAPABLE makes the cells begin with a page, so that none lies in two cache lines. */
#define CV_PEER_SLOTS(cells)                                                                       \
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                  \
	__uint(max_entries, CV_MAX_REMOTE_SLOTS);                                                  \
	__type(key, __u32);                                                                        \
	CV_SLOT_WITH(struct cv_peer_cell, cells, BPF_F_RDONLY_PROG | BPF_F_MMAPABLE)

struct {
	CV_PEER_SLOTS(CV_PEER_CELLS_SMALL);
} CV_MAP_PEERS_SMALL SEC(".maps");

struct {
	CV_PEER_SLOTS(CV_PEER_CELLS_MEDIUM);
} CV_MAP_PEERS_MEDIUM SEC(".maps");

struct {
	CV_PEER_SLOTS(CV_PEER_CELLS_LARGE);
} CV_MAP_PEERS_LARGE SEC(".maps");
#endif

#ifdef CV_USE_ENDPOINTS
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__uint(max_entries, CV_MAX_ENDPOINTS);
	__type(key, struct cv_endpoint_key);
	__type(value, struct cv_endpoint);
} CV_MAP_ENDPOINTS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cv_ports);
} CV_MAP_PORTS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_MAX_TUNNELS);
	__type(key, __u32);
	__type(value, struct cv_path);
} CV_MAP_PATHS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__uint(max_entries, CV_MAX_ALLOWED);
	__type(key, struct cv_allowed_key);
	__type(value, __u32);
} CV_MAP_ALLOWED SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_MAX_PROBES);
	__type(key, struct cv_trace_key);
	__type(value, __u32);
} CV_MAP_PROBES SEC(".maps");
#endif

#ifdef CV_USE_RULES
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, CV_MAX_CACHES);
	__type(key, __u32);
	CV_SLOT_WITH(struct cv_cache, 1, 0);
} CV_MAP_CACHES SEC(".maps");

/* No program writes these two, but RDONLY_PROG keeps user space, too, from mapping them to write. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, CV_ARENA_BANKS *CV_ARENA_SEGMENTS);
	__type(key, __u32);
	CV_SLOT_WITH(struct cv_arena_segment, 1, BPF_F_MMAPABLE);
} CV_MAP_RULES SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cv_live);
} CV_MAP_LIVE SEC(".maps");

/* Made by user space: an array has an element a CPU. MMAPABLE, so that
 * user space reads and clears many counters without a system call each, and no counter lies in two
 * cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, CV_STATS_CHUNKS);
	__type(key, __u32);
	CV_SLOT_WITH(struct cv_stats_chunk, 1, BPF_F_MMAPABLE);
} CV_MAP_RULE_STATS SEC(".maps");

/* Memory is taken only for pairs that happen. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CV_MAX_DROPS);
	__type(key, struct cv_drop_key);
	__type(value, __u64);
} CV_MAP_DROPS SEC(".maps");
#endif

#ifdef CV_USE_ACTIONS
/* An entry is made by the first packet of a rule that polices or paces; user space takes away those
 * of rules that are gone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CV_MAX_METERS);
	__type(key, __u32);
	__type(value, struct cv_meter);
} CV_MAP_METERS SEC(".maps");

/* What is forgotten begins with a full bucket. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_MAX_BUCKETS);
	__type(key, struct cv_bucket_key);
	__type(value, struct cv_bucket);
} CV_MAP_BUCKETS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_EVENT_RING_BYTES);
} CV_MAP_EVENTS SEC(".maps");
#endif

#ifdef CV_USE_GUARDS
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__uint(max_entries, CV_MAX_GUARDS);
	__type(key, __u32);
	__type(value, struct cv_guard);
} CV_MAP_GUARDS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_MAX_GUARDS);
	__type(key, __u32);
	__type(value, struct cv_guard_stats);
} CV_MAP_GUARD_STATS SEC(".maps");

/* Made by user space: says where packets are taken out of tunnels. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CV_MAX_DEVS);
	__type(key, __u32);
	__type(value, struct cv_dev);
} CV_MAP_DEVS SEC(".maps");
#endif

#ifdef CV_USE_OWNERS
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, __u32);
	__type(value, struct cv_owner);
} CV_MAP_OWNERS SEC(".maps");

/* Index: the low bits of the socket's cookie, which what is left of it in TIME_WAIT keeps. Cookies are
 * counted, so the oldest give way. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_MAX_CLOSED);
	__type(key, __u32);
	__type(value, struct cv_closed);
} CV_MAP_CLOSED SEC(".maps");

/* Index: enum cv_owner_source. Sockets, and packets that were told without one. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_OWNER_SOURCE_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} CV_MAP_SOURCES SEC(".maps");
#endif

#ifdef CV_USE_FLOWS
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_MAX_FLOWS);
	__type(key, struct cv_flow_key);
	__type(value, struct cv_flow);
} CV_MAP_FLOWS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, 1 << CV_LOCAL_BITS);
	__type(key, __u32);
	__type(value, struct cv_local);
} CV_MAP_LOCALS SEC(".maps");
#endif

#ifdef CV_USE_APPS
/* Programs do not write CV_MAP_APPS and CV_MAP_HOST, but hand their values to global functions, and
 * the verifier wants them writable then. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, CV_MAX_INSTANCES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	CV_SLOT_WITH(struct cv_app_set, 1, 0);
} CV_MAP_APPS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cv_host);
} CV_MAP_HOST SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct cv_task);
} CV_MAP_TASKS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct cv_lineage);
} CV_MAP_LINEAGES SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_SCRATCH_BUFFERS);
	__type(key, __u32);
	__type(value, struct cv_scratch);
} CV_MAP_SCRATCH SEC(".maps");

/* Host-wide: the socket hooks serve every instance. Index: enum cv_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(max_entries, CV_R_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} CV_MAP_HOST_DROPS SEC(".maps");
#endif

#ifdef CV_USE_GATES
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CV_MAX_GATES);
	__type(key, struct cv_gate_key);
	__type(value, __u64);
} CV_MAP_GATES SEC(".maps");
#endif

#endif
