/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libculvert: the public interface, and the only header of dataplane/ that ctl/ includes.
 *
 * An *instance* is what culvert manages in one network namespace. A *state* is what the user wants
 * there: lists of devs, apps, tunnels, peers, routes and rules. The one act that changes the kernel is
 * cv_instance_apply(): it converges the kernel on a wanted state, touching nothing that is equal,
 * and on failure converges back on the old one. Single commands are a small change of the applied
 * state, `down` is the empty state.
 *
 * The library never prints and never exits. Every call that can fail returns 0 or a negative errno
 * and fills a struct cv_err. No libbpf type and no ABI struct appears here.
 */
#ifndef CV_CULVERT_H
#define CV_CULVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "err.h"

#define CV_VERSION "0.1.0"

#define CV_NAME_MAX 31 /* letters, digits, '-' and '_', beginning with a letter or digit */
#define CV_IFNAME_MAX 15
#define CV_COMM_MAX 15
#define CV_SHA256_TEXT 65 /* 64 hex digits and the closing zero */
#define CV_OWNER_SOURCES_MAX 16
#define CV_DEFAULT_BPFFS "/run/culvert/bpf"
#define CV_DEFAULT_STATE_DIR "/run/culvert"
#define CV_DEFAULT_MARK_MASK 0x7f000000u
#define CV_DEFAULT_PRIO 100 /* of the tc filters */
#define CV_DEFAULT_HANDLE 0xc1 /* of the tc filters */
#define CV_HANDLE_MAX 0xffffu
#define CV_ANCHOR_MAX 127
#define CV_DEFAULT_RULE_PRIO 1000
#define CV_IPV4_MIN_MTU 68 /* RFC 791 */
#define CV_IPV6_MIN_MTU 1280 /* RFC 8200 */
#define CV_IPV6_METRIC 1024 /* IP6_RT_PRIO_USER: what no metric means; IPv4 has 0 */
#define CV_ROUTE_PROTOCOL 201 /* rtm_protocol of routes and ip rules: "culvert" in rt_protos */
#define CV_TABLE_MAIN 254
#define CV_TABLE_LOCAL 255
#define CV_TABLE_AUTO 0 /* main; of an app the app's own; of type local the table of that name */
#define CV_NEXTHOP_BASE 0xc0de0000u /* ids of nexthop objects of ours begin here */
#define CV_HOP_WEIGHT_MAX 256
#define CV_APP_TABLE_BASE 786432u /* 0xc0000: an app's table is this + the value of its mark */
#define CV_OWN_TABLE (CV_APP_TABLE_BASE - 1) /* what this host sends past its routes with hook in */
#define CV_OWN_RULE_PRIO 32700 /* preferences from here to 32765 lead there, just before main */
#define CV_IP_RULE_PRIO 3000 /* preference of the ip rules that select the apps' tables */

/* ---- values ---- */

struct cv_addr {
	uint8_t family; /* 4, 6; 0: not given */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

struct cv_prefix {
	struct cv_addr addr; /* family 0: both families, "default" */
	uint8_t bits;
};

struct cv_range {
	uint32_t min;
	uint32_t max;
};

struct cv_addrs {
	struct cv_addr *items; /* owned */
	size_t count;
};

struct cv_numbers {
	uint32_t *items; /* owned */
	size_t count;
};

struct cv_mac {
	bool is_given;
	uint8_t bytes[6];
};

struct cv_prefixes {
	struct cv_prefix *items; /* owned */
	size_t count;
};

struct cv_ranges {
	struct cv_range *items; /* owned */
	size_t count;
};

/* Text forms, in buf of at least CV_PREFIX_TEXT bytes; each returns buf. */
#define CV_PREFIX_TEXT 64
const char *cv_mac_format(const struct cv_mac *mac, char *buf);
const char *cv_addr_format(const struct cv_addr *addr, char *buf);
const char *cv_prefix_format(const struct cv_prefix *prefix, char *buf);

bool cv_addr_equal(const struct cv_addr *a, const struct cv_addr *b);
/* False for one of a group, for the broadcast address, for ones that are reserved, and for none at all. */
bool cv_addr_is_unicast(const struct cv_addr *addr);
/* Sorts addresses; of equal ones, unused bytes included, one is kept. Returns how many are left. */
size_t cv_addrs_sort(struct cv_addr *addrs, size_t count);
/* True if addr is one of those, which are sorted. */
bool cv_addrs_have(const struct cv_addr *addrs, size_t count, const struct cv_addr *addr);
/* True if both stand for the same addresses, or one is "default" and the other all of a family. */
bool cv_prefix_same(const struct cv_prefix *a, const struct cv_prefix *b);
/* True if addr lies inside prefix; a prefix of family 0 contains every address. */
bool cv_prefix_contains(const struct cv_prefix *prefix, const struct cv_addr *addr);

/* ---- the wanted state ---- */

/* Where our programs are to stand among others on tcx. */
enum cv_tcx_place {
	CV_TCX_ANYWHERE, /* behind those that were there before */
	CV_TCX_FIRST,
	CV_TCX_LAST,
	CV_TCX_BEFORE, /* the anchor */
	CV_TCX_AFTER,
};

struct cv_dev_conf {
	char name[CV_IFNAME_MAX + 1]; /* or a pattern of names: "veth*" */
	bool ingress;
	bool egress;
	bool has_sides; /* ingress or egress was given */
	uint32_t prio; /* of the tc filters; 0: CV_DEFAULT_PRIO */
	uint32_t handle; /* of them; 0: CV_DEFAULT_HANDLE */
	bool tcx; /* attached by tcx, not by filters on clsact */
	enum cv_tcx_place place_on_tcx;
	char anchor[CV_ANCHOR_MAX + 1]; /* name or id of a program, or path of a link's pin */
	bool optional; /* it need not be there; a pattern's devices never need to */
	bool src_valid_mark; /* consent to set net.ipv4.conf.DEV.src_valid_mark */
	struct cv_place place;
};

struct cv_app_conf {
	char name[CV_NAME_MAX + 1];
	char *exe; /* owned; absolute path, or a glob of such paths, or NULL */
	char exe_sha256[CV_SHA256_TEXT]; /* of what the executable contains; empty: not given */
	char *parent_exe; /* owned; absolute path, or NULL */
	char *unit; /* owned; name of a systemd unit, or NULL */
	char *cgroup; /* owned; path relative to the cgroup2 mount, or NULL */
	char *netns; /* owned; name, path or "any"; NULL: that of the instance */
	char comm[CV_COMM_MAX + 1]; /* empty: not given */
	bool gate; /* its packets are held back while no route of it is live */
	bool has_uid;
	bool has_gid;
	struct cv_range uid;
	struct cv_range gid;
	struct cv_place place;
};

enum cv_tunnel_mode {
	CV_TUNNEL_MODE_NONE,
	CV_TUNNEL_MODE_IPIP,
	CV_TUNNEL_MODE_GRE,
	CV_TUNNEL_MODE_GUE,
	CV_TUNNEL_MODE_FOU,
	CV_TUNNEL_MODE_VXLAN,
	CV_TUNNEL_MODE_GENEVE,
	CV_TUNNEL_MODE_SRV6,
	CV_TUNNEL_MODE_COUNT
};
/* By mode, as the command line has them; the first stands for no mode. */
extern const char *const cv_tunnel_mode_names[CV_TUNNEL_MODE_COUNT];
enum cv_inherit { CV_INHERIT, CV_FIXED, CV_UNIFORM };
enum cv_df { CV_DF_ON, CV_DF_OFF, CV_DF_INHERIT };
enum cv_mss { CV_MSS_OFF, CV_MSS_AUTO, CV_MSS_FIXED };

#define CV_GUE_PORT 6080 /* IANA */
#define CV_FOU_PORT 5555
#define CV_VXLAN_PORT 4789 /* RFC 7348 */
#define CV_GENEVE_PORT 6081 /* RFC 8926 */
#define CV_VNI_MAX 0xffffffu
#define CV_VLAN_MAX 4095
#define CV_SET_ELEMENTS_MAX 1000000u /* of one set, its own and those of its file */
#define CV_FLOW_LABEL_MAX 0xfffffu

struct cv_tunnel_conf {
	char name[CV_NAME_MAX + 1];
	enum cv_tunnel_mode mode;
	struct cv_addr local;
	bool is_nonlocal; /* local is not an address of this host: the tunnel only sends */
	bool has_peers; /* the remotes are those of the tunnel's peers */
	struct cv_addrs remotes;
	struct cv_numbers weights; /* of the remotes, in their order; none: all equal */
	bool has_key;
	uint32_t key; /* GRE key; host order */
	bool has_vni;
	uint32_t vni; /* VXLAN, Geneve: 24 bits */
	uint32_t overlap_seconds; /* how long an old key or VNI stays valid after a change */
	bool has_variant;
	uint32_t variant; /* GUE: 0 (default) or 1 */
	uint32_t dport; /* UDP modes; 0: the mode's own */
	struct cv_mac inner_smac; /* VXLAN, Geneve; not given: made from local and remote */
	struct cv_mac inner_dmac;
	struct cv_addrs segments; /* SRv6: none: the remote is the only one */
	struct cv_addr sid; /* SRv6: what we take packets out at; not given: local */
	enum cv_inherit ttl_from; /* default: fixed 64 */
	uint8_t ttl;
	enum cv_inherit dscp_from; /* default: inherit */
	uint8_t dscp;
	bool ecn_off; /* default: RFC 6040 */
	enum cv_df df;
	uint32_t mtu_bytes; /* of an inner packet; 0: underlay route's MTU less the outer headers */
	enum cv_mss mss_from; /* default: off */
	uint32_t mss_bytes;
	struct cv_prefixes allow; /* inner sources accepted; none: any */
	bool probe_off; /* default: probes of the other end's check are answered */
	struct cv_place place;
};

/* The UDP port that the tunnel sends to and receives on, 0 for a mode without UDP. */
uint32_t cv_tunnel_conf_port(const struct cv_tunnel_conf *tunnel);
/* True for the modes that put an Ethernet header inside. */
bool cv_tunnel_mode_has_ethernet(enum cv_tunnel_mode mode);
/* The inner Ethernet addresses that are sent: given, or locally administered ones made from the
 * tunnel's local address and its first remote. */
void cv_tunnel_conf_macs(const struct cv_tunnel_conf *tunnel, struct cv_mac *source,
			 struct cv_mac *destination);

/* Where a route has a program. */
#define CV_HOOK_IN (1 << 0) /* what this host received, before it is forwarded or delivered */
#define CV_HOOK_OUT (1 << 1) /* what it forwards or sends, before it is fragmented */
#define CV_HOOK_XMIT (1 << 2) /* the same, after */

/* One of several tunnels that the flows of a route are spread over. */
struct cv_nexthop_conf {
	char tunnel[CV_NAME_MAX + 1];
	uint32_t weight; /* 1..CV_HOP_WEIGHT_MAX; 0: 1 */
	struct cv_addr via;
	char dev[CV_IFNAME_MAX + 1]; /* empty: as in struct cv_route_conf */
};

/* What goes where in a tunnel with has_peers. */
struct cv_peer_conf {
	struct cv_prefix to; /* inner destinations; the longest prefix decides */
	struct cv_addr remote;
	char tunnel[CV_NAME_MAX + 1];
	struct cv_place place;
};

/* Finds items of a list; its own business. */
struct cv_chains {
	uint32_t *heads; /* owned, as are all lists here */
	uint32_t *next;
	size_t room;
};

struct cv_route_conf {
	struct cv_prefix to;
	char tunnel[CV_NAME_MAX + 1]; /* empty: none, or those of nexthops */
	char app[CV_NAME_MAX + 1]; /* empty: everybody */
	uint32_t table; /* CV_TABLE_AUTO */
	bool has_metric;
	uint32_t metric;
	struct cv_addr src;
	struct cv_addr via;
	char dev[CV_IFNAME_MAX + 1]; /* empty: the device of the route to the tunnel's remote */
	uint8_t hooks; /* CV_HOOK_*, as given: see cv_route_conf_hooks() */
	bool is_local; /* delivered to this host, not forwarded (ip route add local) */
	/* The guard: packets for which all of these hold that are given ... */
	struct cv_prefixes from;
	char from_tunnel[CV_NAME_MAX + 1]; /* they were taken out of it */
	bool has_from_mark;
	uint32_t from_mark;
	uint32_t from_mark_mask;
	bool has_policy;
	bool is_drop; /* ... are dropped, else only they pass */
	uint32_t nhid; /* nexthop object or group that somebody else made; 0: none */
	struct cv_nexthop_conf *nexthops; /* owned */
	size_t nexthop_count;
	struct cv_place place;
};

/* True if the route has a condition or a policy for packets that meet it. */
bool cv_route_conf_has_guard(const struct cv_route_conf *route);
/* The hooks on which the route will have programs. */
uint8_t cv_route_conf_hooks(const struct cv_route_conf *route);
/* True if packets of the route go into that tunnel. */
bool cv_route_conf_enters(const struct cv_route_conf *route, const char *tunnel);
/* True if they do, or are told by having come out of it. */
bool cv_route_conf_uses(const struct cv_route_conf *route, const char *tunnel);

enum cv_app_match { CV_APP_MATCH_NAME, CV_APP_MATCH_ANY, CV_APP_MATCH_NONE };
enum cv_dir { CV_DIR_BOTH, CV_DIR_ONLY_IN, CV_DIR_ONLY_OUT };
enum cv_fragment_match { CV_FRAGMENT_EITHER, CV_FRAGMENT_YES, CV_FRAGMENT_NO };

/* Fields of a match that may be turned into "not", or be asked of a set, or both. */
enum cv_field {
	CV_FIELD_DEV,
	CV_FIELD_APP,
	CV_FIELD_SRC,
	CV_FIELD_DST,
	CV_FIELD_PROTO,
	CV_FIELD_SPORT,
	CV_FIELD_DPORT,
	CV_FIELD_DSCP,
	CV_FIELD_ECN,
	CV_FIELD_TCP_FLAGS,
	CV_FIELD_ICMP_TYPE,
	CV_FIELD_MARK,
	CV_FIELD_TUNNEL,
	CV_FIELD_LEN,
	CV_FIELD_VLAN,
	CV_FIELD_ETHERTYPE,
	CV_FIELD_FLOW_LABEL,
	CV_FIELD_COUNT
};

/* The fields for which a set of that type can stand. */
enum cv_set_type {
	CV_SET_PREFIX, /* src, dst */
	CV_SET_PORT, /* sport, dport */
	CV_SET_PROTO,
	CV_SET_DSCP,
	CV_SET_MARK,
	CV_SET_LEN,
	CV_SET_VLAN,
	CV_SET_TYPE_COUNT
};

/* By type, as the command line has them. */
extern const char *const cv_set_type_names[CV_SET_TYPE_COUNT];
/* The type of the sets that can stand for the field; false: none can. */
bool cv_field_set_type(enum cv_field field, enum cv_set_type *type);

/* Values that rules ask for by the name of the set; it changes without them. */
struct cv_set_conf {
	char name[CV_NAME_MAX + 1];
	bool has_type;
	enum cv_set_type type;
	struct cv_prefixes prefixes; /* CV_SET_PREFIX */
	struct cv_ranges ranges; /* all others */
	char *file; /* owned; absolute path of more elements, one or a list with commas a line; NULL */
	bool is_file_read; /* these are what it has; else what it has is in the kernel */
	struct cv_prefixes file_prefixes;
	struct cv_ranges file_ranges;
	char *unread; /* owned; elements whose type is to come, while words are read */
	struct cv_place place;
};

struct cv_match_conf {
	enum cv_dir dir;
	char dev[CV_IFNAME_MAX + 1];
	bool has_app;
	enum cv_app_match app_match;
	char app[CV_NAME_MAX + 1];
	bool app_is_exact; /* the process itself was seen using the socket */
	uint8_t family; /* 0, 4, 6 */
	struct cv_prefixes src;
	struct cv_prefixes dst;
	bool has_proto;
	uint8_t proto;
	struct cv_ranges sport;
	struct cv_ranges dport;
	bool has_dscp;
	uint8_t dscp;
	uint8_t ecns; /* a bit for each of the four codepoints; 0: not asked */
	bool has_tcp_flags;
	uint8_t tcp_flags; /* byte 13 of the header */
	uint8_t tcp_mask;
	bool has_icmp_type;
	uint8_t icmp_type;
	uint8_t icmp_name; /* ctl's number of the name that the type was given by; 0: by its number */
	bool has_icmp_code;
	uint8_t icmp_code;
	bool has_mark;
	uint32_t mark;
	uint32_t mark_mask;
	char tunnel[CV_NAME_MAX + 1];
	struct cv_ranges len; /* of the IP packet, bytes */
	enum cv_fragment_match fragment;
	struct cv_ranges vlan; /* ids of the outermost tag */
	bool has_ethertype;
	uint16_t ethertype; /* host order */
	bool has_flow_label;
	uint32_t flow_label;
	bool is_quoted; /* of an ICMP error, what it quotes: all that headers say is its */
	uint32_t not_fields; /* 1 << enum cv_field: it must not be as given */
	char (*sets)[CV_NAME_MAX + 1]; /* owned; see cv_match_conf_set(); NULL: it asks for none */
};

/* The name of the set that stands for the value of a field; NULL: none does. */
const char *cv_match_conf_set(const struct cv_match_conf *match, enum cv_field field);
/* Puts one there. -ENOMEM sets no text. */
int cv_match_conf_put_set(struct cv_match_conf *match, enum cv_field field, const char *name);

enum cv_verdict_conf { CV_NEXT, CV_ACCEPT, CV_DROP, CV_CONTINUE };
enum cv_police_scope { CV_PER_RULE, CV_PER_APP, CV_PER_SOURCE };
enum cv_redirect_way { CV_TO_EGRESS, CV_TO_INGRESS, CV_TO_NEIGHBOUR };

struct cv_action_conf {
	bool has_mark;
	uint32_t mark;
	bool has_mark_mask; /* without one: every bit that is not culvert's own */
	uint32_t mark_mask;
	char route_mark[CV_NAME_MAX +
			1]; /* app whose mark it gets, so that it is routed as the app's */
	bool has_priority;
	uint32_t priority; /* MAJOR << 16 | MINOR */
	bool has_dscp;
	uint8_t dscp;
	uint64_t police_bits_ps; /* 0: not policed */
	uint32_t police_burst_bytes; /* 0: what passes in 10 ms, 64 KiB at least */
	enum cv_police_scope police_scope;
	uint64_t pace_bits_ps; /* 0: not paced */
	char redirect[CV_IFNAME_MAX + 1];
	enum cv_redirect_way redirect_way;
	char mirror[CV_IFNAME_MAX + 1];
	uint32_t sample_one_in; /* 0: not sampled */
	bool has_verdict; /* else next */
	enum cv_verdict_conf verdict;
};

struct cv_rule_conf {
	char name[CV_NAME_MAX + 1];
	bool has_prio;
	uint32_t prio; /* lowest first, then order of adding; CV_DEFAULT_RULE_PRIO */
	struct cv_match_conf match;
	struct cv_action_conf action;
	struct cv_place place;
};

/* The rule's prio, or the default. */
uint32_t cv_rule_conf_prio(const struct cv_rule_conf *rule);

struct cv_state {
	uint32_t mark_mask; /* CV_DEFAULT_MARK_MASK; contiguous bits, at least two */
	struct cv_place mark_mask_place;
	bool mark_is_shared; /* go on where others use bits of the mask too */
	bool flow_cache_is_off; /* packets of a flow are not remembered: a rule is searched for each */
	struct cv_dev_conf *devs; /* owned, as are all lists and what they point to */
	size_t dev_count;
	struct cv_chains dev_chains;
	struct cv_app_conf *apps;
	size_t app_count;
	struct cv_chains app_chains;
	struct cv_tunnel_conf *tunnels;
	size_t tunnel_count;
	struct cv_chains tunnel_chains;
	struct cv_peer_conf *peers; /* in no order that stays */
	size_t peer_count;
	struct cv_chains peer_chains;
	struct cv_route_conf *routes;
	size_t route_count;
	struct cv_chains route_chains;
	struct cv_chains route_app_chains;
	struct cv_set_conf *sets;
	size_t set_count;
	struct cv_chains set_chains;
	struct cv_rule_conf *rules; /* in the order of adding */
	size_t rule_count;
	struct cv_chains rule_chains;
};

void cv_state_init(struct cv_state *state);
void cv_state_fini(struct cv_state *state);
/* Makes out, which was initialised and is empty, the same as state, with which it shares nothing. */
int cv_state_copy(struct cv_state *out, const struct cv_state *state, struct cv_err *err);

/* Release what a conf owns, not the conf itself. */
void cv_app_conf_fini(struct cv_app_conf *app);
void cv_tunnel_conf_fini(struct cv_tunnel_conf *tunnel);
void cv_route_conf_fini(struct cv_route_conf *route);
void cv_set_conf_fini(struct cv_set_conf *set);
void cv_rule_conf_fini(struct cv_rule_conf *rule);

/* Append a conf; takes what it owns, also on failure (-ENOMEM). */
int cv_state_add_dev(struct cv_state *state, struct cv_dev_conf *conf, struct cv_err *err);
int cv_state_add_app(struct cv_state *state, struct cv_app_conf *conf, struct cv_err *err);
int cv_state_add_tunnel(struct cv_state *state, struct cv_tunnel_conf *conf, struct cv_err *err);
int cv_state_add_peer(struct cv_state *state, struct cv_peer_conf *conf, struct cv_err *err);
int cv_state_add_route(struct cv_state *state, struct cv_route_conf *conf, struct cv_err *err);
int cv_state_add_set(struct cv_state *state, struct cv_set_conf *conf, struct cv_err *err);
int cv_state_add_rule(struct cv_state *state, struct cv_rule_conf *conf, struct cv_err *err);

/* The object of that name, or NULL; borrowed until the state changes. */
struct cv_dev_conf *cv_state_find_dev(const struct cv_state *state, const char *name);
/* True if the name is a pattern: of all devices whose names it fits (as in a shell), but the pair on
 * which packets are segmented, and those that the state names themselves or by an earlier pattern. */
bool cv_dev_conf_is_pattern(const struct cv_dev_conf *dev);
/* What the state says of the device of that name; NULL: nothing. */
const struct cv_dev_conf *cv_state_dev_of(const struct cv_state *state, const char *name);
struct cv_app_conf *cv_state_find_app(const struct cv_state *state, const char *name);
struct cv_tunnel_conf *cv_state_find_tunnel(const struct cv_state *state, const char *name);
struct cv_set_conf *cv_state_find_set(const struct cv_state *state, const char *name);
struct cv_rule_conf *cv_state_find_rule(const struct cv_state *state, const char *name);
/* The peer of that tunnel for that prefix, the first one that was added; "default" is that of both
 * families. */
struct cv_peer_conf *cv_state_find_peer(const struct cv_state *state,
					const struct cv_peer_conf *key);
/* The next peer for that prefix, whatever its tunnel; last NULL: the first one. */
struct cv_peer_conf *cv_state_next_peer(const struct cv_state *state, const struct cv_prefix *to,
					const struct cv_peer_conf *last);
/* Another one that was added before a route of the state, and that is the same as far as it is found by. */
const struct cv_route_conf *cv_state_route_before(const struct cv_state *state,
						  const struct cv_route_conf *route);
/* The route to that prefix in that table for that app with that metric. */
struct cv_route_conf *cv_state_find_route(const struct cv_state *state,
					  const struct cv_route_conf *key);
/* True if there is a route for that app: its sockets have a mark. */
bool cv_state_routes_app(const struct cv_state *state, const char *app);

/* Take one object out (it must be one of the state's own) and release it. */
void cv_state_del_dev(struct cv_state *state, struct cv_dev_conf *conf);
void cv_state_del_app(struct cv_state *state, struct cv_app_conf *conf);
void cv_state_del_tunnel(struct cv_state *state, struct cv_tunnel_conf *conf);
void cv_state_del_peer(struct cv_state *state, struct cv_peer_conf *conf);
void cv_state_del_route(struct cv_state *state, struct cv_route_conf *conf);
void cv_state_del_set(struct cv_state *state, struct cv_set_conf *conf);
void cv_state_del_rule(struct cv_state *state, struct cv_rule_conf *conf);

/* Called for each fault of a state. */
typedef void (*cv_fault_fn)(const struct cv_err *err, void *arg);

/*
 * Checks what can be checked without looking at the system: references, duplicates, families,
 * limits. Calls fault for every error found, with its place. Returns the number of errors.
 */
int cv_state_check(const struct cv_state *state, cv_fault_fn fault, void *arg);

/*
 * Calls warn for each rule that no packet can ever meet, with its place: it asks for what cannot be, or
 * for a device that the state has nothing of, or rules before it match all its packets. The state has passed cv_state_check(). -E2BIG: there are so
 * many rules that not all of them were compared, which would take longer than a second.
 */
int cv_state_warn(const struct cv_state *state, cv_fault_fn warn, void *arg, struct cv_err *err);

/* The nearest of count words to `word` (edit distance of at most 2, and less than its length), or
 * NULL. */
const char *cv_nearest(const char *word, const char *const *words, size_t count);

/* ---- an instance ---- */

enum cv_log_level { CV_LOG_DEBUG, CV_LOG_INFO, CV_LOG_WARN };
typedef void (*cv_log_fn)(enum cv_log_level level, const char *text, void *arg);

#define CV_DEFAULT_WAIT_SECONDS 30
#define CV_WAIT_FOR_EVER UINT32_MAX

struct cv_instance_options {
	const char *netns; /* name under /run/netns, a path, or NULL: the caller's own */
	const char *bpffs; /* NULL: CV_DEFAULT_BPFFS */
	const char *state_dir; /* NULL: CV_DEFAULT_STATE_DIR */
	const char *cgroup_dir; /* where the socket hooks go; NULL: root of the cgroup2 mount */
	uint32_t wait_seconds; /* for others who change something; CV_WAIT_FOR_EVER */
	cv_log_fn log; /* may be NULL */
	void *log_arg;
};

enum cv_access { CV_ACCESS_READ, CV_ACCESS_WRITE };

struct cv_instance;

/*
 * Enters the network namespace (of this process, for good; the mount namespace stays) and looks at
 * what is there. CV_ACCESS_WRITE checks capabilities, mounts the bpffs if needed, takes the lock (-EBUSY
 * if others hold it for too long), and clears away instances whose network namespace is gone.
 * CV_ACCESS_READ waits for nobody: see struct cv_glance. A namespace in which culvert never ran is an
 * empty instance, not an error. The options' strings are borrowed until close.
 */
int cv_instance_open(struct cv_instance **out, const struct cv_instance_options *options,
		     enum cv_access access, struct cv_err *err);
/* Closes the handle and drops the lock. Changes nothing in the kernel. */
void cv_instance_close(struct cv_instance **inst);

const char *cv_instance_name(const struct cv_instance *inst);

#define CV_COMMAND_TEXT 160

/* Somebody who changes something now. */
struct cv_writer {
	int pid; /* 0: nobody, or a process that this one cannot see */
	bool is_stopped;
	char command[CV_COMMAND_TEXT]; /* the words that it was started with */
};

/* Which state the instance is in, another one after each change, and who changes it. Who reads without
 * the lock takes a glance before and behind: what he read is of one state only if they do not differ. */
struct cv_glance {
	uint32_t meta_id; /* id of the map that begins with an instance; 0: there is none */
	uint32_t generation;
	uint64_t text_inode; /* of the applied state's file */
	uint64_t text_ns; /* its time of change */
	struct cv_writer writer;
};

void cv_instance_glance(const struct cv_instance *inst, struct cv_glance *out);
/* True also if they are of one state that somebody is about to change; not if he is stopped. */
bool cv_glance_differs(const struct cv_glance *before, const struct cv_glance *after);

/* A text that was read; ends with a zero. */
struct cv_text {
	const char *bytes; /* owned; NULL: none */
	size_t len;
};
/* Writes a text. What goes wrong is told by the file. */
typedef void (*cv_text_fn)(FILE *file, const void *arg);

/* The text of the last successful cv_instance_apply(), "" if none; the caller releases it. */
int cv_instance_applied(const struct cv_instance *inst, struct cv_text *text, struct cv_err *err);
void cv_text_fini(struct cv_text *text);
/* It is not needed for a while: gives back the memory that it takes, and reads it again when it is
 * needed. */
void cv_text_rest(const struct cv_text *text);

/* ---- changing it ---- */

enum cv_act_kind { CV_ACT_ADD, CV_ACT_CHANGE, CV_ACT_DEL };

#define CV_ACT_NAME_MAX 192
#define CV_ACT_WHAT_MAX 256
#define CV_ACT_COMMAND_MAX 512

/* One thing that a change does to the kernel. */
struct cv_act {
	enum cv_act_kind kind;
	const char *noun; /* "dev", "tunnel", "route", "ip rule", "map" ...; static */
	char name[CV_ACT_NAME_MAX]; /* which one: "eth0 ingress" */
	char what[CV_ACT_WHAT_MAX]; /* of it changes: "prio 100 -> 90"; may be empty */
	char command[CV_ACT_COMMAND_MAX]; /* of ip, tc or bpftool that does the same; empty: none */
	bool is_inner; /* bookkeeping of culvert's own, which no other tool shows */
	const struct cv_place *place; /* of what asked for it; NULL: nothing in the state did */
};

/* Called for each act before it is done; borrowed. A negative return ends the change. */
typedef int (*cv_act_fn)(const struct cv_act *act, void *arg);

/* Called now and then while a change is made: what it works at (static), and how many acts it has come
 * to so far. */
typedef void (*cv_progress_fn)(const char *about, size_t acts, void *arg);

enum cv_change_mode {
	CV_CHANGE_MAKE,
	CV_CHANGE_TRY, /* programs are loaded, and dropped again; nothing is changed */
	CV_CHANGE_LOOK, /* the acts are told, and nothing else; read access is enough */
};

/* A part of a text; borrowed. */
struct cv_piece {
	const char *bytes;
	size_t len;
};

/* Where a rule goes among those that are asked. */
struct cv_rule_place {
	const char *rule;
	const char *behind; /* the rule that is asked right before it; NULL: it is the first */
};

/* Texts as a number: equal ones in the same order have the same. Never 0. */
uint64_t cv_texts_hash(const struct cv_piece *texts, size_t count);

/* Which texts a state was read from, by their hashes. */
struct cv_origin {
	uint64_t whole; /* 0: of none that are known */
	uint64_t rest; /* but for one section of rules; 0: there is none */
	uint64_t rules; /* that section */
};

/* What the text that is applied was made of, by this build: what is read from the same texts is
 * what is applied. False: that is not known. */
bool cv_instance_origin(const struct cv_instance *inst, struct cv_origin *out);

/* What cv_instance_apply() is to do. What takes long with many rules and is not needed, or not
 * before packets meet the new state, is asked for when it is time. */
struct cv_change {
	const struct cv_state *old; /* what the kernel holds now; its rules may be missing */
	const struct cv_state *wanted; /* it has passed cv_state_check(), as has old */
	const char *old_text; /* what cv_instance_applied() gave */
	enum cv_change_mode mode;
	const char *what; /* the command, for whoever finds it interrupted */
	bool is_same; /* wanted is what is applied: its text need not be written */
	struct cv_origin origin; /* of the files that wanted was read from */
	bool is_repair; /* what changed around it is heeded, too */
	/* The old state with its rules; borrowed until the change is done. */
	int (*read_old)(void *arg, const struct cv_state **old, struct cv_err *err);
	/* Writes what cv_instance_applied() is to give back. */
	cv_text_fn write_text;
	cv_act_fn tell; /* NULL: nobody listens */
	cv_progress_fn progress; /* NULL: nobody watches */
	void *arg; /* of all four */
};

/* Makes the kernel hold `wanted` in place of `old`, or looks at what that would take. On failure it
 * holds `old` again; err->kind says CV_ERR_LEFT if that failed too. What is equal is not touched: a
 * change that finds nothing to do writes nothing. */
int cv_instance_apply(struct cv_instance *inst, const struct cv_change *change, struct cv_err *err);

/* Of how many rules the state is that is applied, if cv_instance_stands() may tell that nothing is
 * to be done for them; else 0. */
uint32_t cv_instance_rules_of(const struct cv_instance *inst);

/*
 * True if the kernel holds what is applied, so that cv_instance_apply() would have nothing to do. head is that
 * state without its rules: all else is compared with the kernel as ever, and of the rules the whole image that
 * packets look them up in, by a hash. False says nothing: there may be something to do. mode: CV_CHANGE_MAKE does what a
 * change does beside its acts, such as looking for open sockets in a repair.
 */
bool cv_instance_stands(struct cv_instance *inst, const struct cv_state *head,
			enum cv_change_mode mode, bool is_repair);

#define CV_WHAT_MAX 256

/* A change whose maker died on the way. */
struct cv_interruption {
	int pid;
	int64_t began_seconds; /* since 1970 */
	bool is_turned; /* the new state works, else the old one; some of the other is left */
	char what[CV_WHAT_MAX]; /* the command; may be empty */
};

/* Returns 1 if a change of the instance was interrupted, 0 if not, else a negative errno.
 * cv_instance_apply() of what is applied undoes or finishes it, as does any other that works. */
int cv_instance_interrupted(const struct cv_instance *inst, struct cv_interruption *out,
			    struct cv_err *err);

/* A small change: of a few rules, of what a few sets hold, and of nothing else. */
struct cv_edit {
	/* The rules that change, as they are and as they are to be, and the sets that are to hold something
	 * else, the latter in wanted only. Besides each has all options and devices, and the apps, tunnels
	 * and sets that its rules name, these with or without what they hold. */
	const struct cv_state *old;
	const struct cv_state *wanted;
	/* Of the rules that come or move, so that each finds the one before it. */
	const struct cv_rule_place *places;
	size_t place_count;
	const char *what; /* the command, for whoever finds it interrupted */
	/* Of files that say what comes of it, after cv_instance_stands() was true; NULL: there are none. */
	const struct cv_origin *origin;
	/* What cv_instance_applied() is to give back. */
	const struct cv_piece *text;
	size_t piece_count;
};

/* True if it can be done: the kernel has the rules of the state that was applied last. */
bool cv_instance_can_edit(const struct cv_instance *inst);
/*
 * Changes rules by what it costs to change these, however many others there are; nothing else is looked
 * at or put back. -ESTALE (no text): it cannot be done so, and nothing was; cv_instance_apply() can, or
 * says why not.
 */
int cv_instance_edit(struct cv_instance *inst, const struct cv_edit *edit, struct cv_err *err);

/* Takes away everything of this instance, also after a crash, and the host-wide parts with the
 * last one. */
int cv_instance_down(struct cv_instance *inst, struct cv_err *err);

/* ---- changes that are to be confirmed ---- */

#define CV_PENDING_TEXT 256

/* A change that is rolled back unless it is confirmed in time. */
struct cv_pending {
	uint64_t id; /* no two of the machine's run have the same */
	uint32_t seconds; /* that were given to confirm it */
	int64_t deadline_ns; /* of CLOCK_BOOTTIME */
	char by[CV_PENDING_TEXT]; /* who made it */
	char command[CV_PENDING_TEXT]; /* with which one */
	char failed
		[CV_PENDING_TEXT]; /* why it could not be rolled back; empty: that was not tried */
};

/* Returns 1 if there is one, 0 if there is none, else a negative errno. */
int cv_pending_get(const struct cv_instance *inst, struct cv_pending *out, struct cv_err *err);
/* Seconds until it is rolled back, rounded up; 0: it is to be done now, or it failed. */
uint32_t cv_pending_seconds_left(const struct cv_pending *pending);
/* The text of the state from before. *text: caller frees. */
int cv_pending_former(const struct cv_instance *inst, char **text, struct cv_err *err);

/* Writes it down, before the change is made; seconds, by and command are given, the rest is filled in. */
int cv_pending_begin(const struct cv_instance *inst, struct cv_pending *pending, const char *former,
		     struct cv_err *err);
/* The time begins anew: the change works only now. */
int cv_pending_renew(const struct cv_instance *inst, struct cv_pending *pending,
		     struct cv_err *err);
/* It could not be rolled back; it stays for somebody to see. */
int cv_pending_fail(const struct cv_instance *inst, const char *why, struct cv_err *err);
/* It is confirmed, or rolled back; that there is none is no error. */
int cv_pending_end(const struct cv_instance *inst, struct cv_err *err);
/* Removes what is left of one whose end was broken off. The lock is held, and there is none. */
int cv_pending_tidy(const struct cv_instance *inst, struct cv_err *err);

/*
 * Starts two sentries: processes of this program that outlive this one, its session and its terminal,
 * watch over the deadline and each other, and start a new one in place of one that died. command is what
 * each is started as, to which two words are added for cv_sentry_wait(). Returns when both watch.
 */
int cv_sentries_start(char *const command[], struct cv_err *err);

/* What a sentry does: waits for the deadline. Returns 1 when it has come, 0 when the change is confirmed
 * or taken back already. The other arguments are those that cv_sentries_start() was given, and added. */
int cv_sentry_wait(const struct cv_instance *inst, char *const command[], const char *ready,
		   const char *partner, struct cv_err *err);

/* ---- what is: read from the kernel ---- */

#define CV_HOOK_CLSACT "clsact"
#define CV_HOOK_TCX "tcx"

/* A device: each that a pattern fits, or the pattern itself if it fits none. */
struct cv_dev_info {
	char name[CV_IFNAME_MAX + 1];
	const struct cv_dev_conf *conf; /* of the state; borrowed */
	uint32_t ifindex; /* 0: it does not exist */
	bool ingress; /* our filter or link is attached there now */
	bool egress;
	bool is_misplaced; /* on tcx it does not stand where it was asked to */
	uint32_t prio; /* of the tc filters */
	uint32_t handle;
};

struct cv_app_info {
	char name[CV_NAME_MAX + 1];
	uint32_t id;
	uint32_t mark; /* 0: not routed */
	uint64_t sockets; /* open sockets it owns now */
	uint64_t sources[CV_OWNER_SOURCES_MAX]; /* of these, by how that is known */
	bool is_held; /* its gate is closed */
	uint64_t held_packets; /* dropped by it since it closed */
};

/* JSON key of a source by its number ("create"), NULL behind the last; static. */
const char *cv_owner_source_name(uint32_t source);

struct cv_drop_info {
	const char *reason; /* JSON key, static */
	const char *text; /* static */
	uint64_t packets;
};

#define CV_DROPS_MAX 64

struct cv_drops {
	struct cv_drop_info items[CV_DROPS_MAX];
	size_t count;
};

struct cv_tunnel_info {
	char name[CV_NAME_MAX + 1];
	uint32_t id;
	uint32_t mtu_bytes;
	uint32_t
		path_mtu_bytes; /* of an outer packet, as ICMP announced it of late; 0: it did not */
	uint32_t generation;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_segments; /* of tx_packets: parts of UDP or SCTP GSO packets */
	uint64_t probes; /* of the other end's check, answered; in none of the others */
	struct cv_drops drops;
};

#define CV_PROGRAM_NAME_MAX 95
#define CV_PROGRAM_TAG_MAX 16
#define CV_LENGTHS 12

/* One program of a route, as far as it can be known from the name that the kernel reports. */
struct cv_route_program {
	char name[CV_PROGRAM_NAME_MAX + 1]; /* empty: there is none on that hook */
	uint32_t prog_id; /* 0: not known */
	char tag[CV_PROGRAM_TAG_MAX + 1]; /* empty: not known */
	bool has_generation;
	uint32_t generation;
};

/* A way that packets of a route may take. */
struct cv_route_hop {
	uint32_t id; /* nexthop object; 0: the route's own */
	uint32_t weight; /* 0: it is the only one */
	char tunnel[CV_NAME_MAX + 1]; /* empty: none that is known */
	char dev[CV_IFNAME_MAX + 1];
	struct cv_addr via;
	struct cv_route_program in, out, xmit;
};

struct cv_length_info {
	uint32_t min;
	uint32_t max; /* UINT32_MAX: no bound */
	uint64_t packets;
};

/* A GSO or GRO packet counts once, with its whole length. */
struct cv_meter_info {
	uint64_t packets; /* that passed */
	uint64_t bytes; /* from the IP header on */
	uint64_t dropped;
	struct cv_length_info lengths[CV_LENGTHS];
};

struct cv_route_info {
	struct cv_prefix to;
	char app[CV_NAME_MAX + 1];
	uint32_t table;
	uint32_t metric;
	uint32_t mtu_bytes;
	uint8_t protocol;
	bool is_foreign; /* somebody else made it */
	bool is_local;
	uint32_t nhid; /* 0: none */
	size_t first_hop; /* of struct cv_routes */
	size_t hop_count; /* 0 only for a nhid that is gone */
	bool has_meter; /* a guard of ours counts */
	struct cv_meter_info meter;
};

struct cv_routes {
	struct cv_route_info *items; /* owned */
	size_t count;
	struct cv_route_hop *hops; /* owned */
	size_t hop_count;
};

struct cv_rule_info {
	char name[CV_NAME_MAX + 1];
	size_t index; /* of the state's rules */
	uint64_t packets;
	uint64_t bytes;
	bool is_hit; /* some packet met it */
	uint64_t idle_seconds; /* since the last one */
};

struct cv_set_info {
	char name[CV_NAME_MAX + 1];
	uint64_t ranges; /* of values that the kernel has of it: neighbours are one */
};

enum cv_mark_how { CV_MARK_MATCHES, CV_MARK_WRITES, CV_MARK_UNKNOWN };

#define CV_MARK_PLACE_MAX 191
#define CV_MARK_NOTE_MAX 127

/* Who uses bits of packet marks, and where. */
struct cv_mark_user {
	const char *user; /* CV_MARK_OWN, "ip rule", "nft", "iptables", "ip6tables", "tc"; static */
	char place[CV_MARK_PLACE_MAX + 1];
	enum cv_mark_how how;
	uint32_t bits;
	uint32_t collision; /* of these, those that culvert and it cannot both use */
	char note[CV_MARK_NOTE_MAX + 1]; /* what comes of bits that both use; may be empty */
};

#define CV_MARK_OWN "culvert"

struct cv_mark_users {
	struct cv_mark_user *items; /* owned */
	size_t count;
};

/* Whether packets end at a filter or program. */
enum cv_ending {
	CV_ENDS_NO, /* all go on to what stands behind it */
	CV_ENDS_MAYBE, /* some do not, or it cannot be told */
	CV_ENDS_YES, /* none goes on */
};

/* Where a filter or program stands. */
enum cv_position {
	CV_STANDS_ALONE, /* we are not there */
	CV_STANDS_BEFORE, /* packets meet it, then us */
	CV_STANDS_AFTER,
};

/* Somebody else's filter or program next to ours. */
struct cv_foreign_info {
	char dev[CV_IFNAME_MAX + 1];
	bool ingress;
	bool is_tcx; /* else it is a filter on clsact */
	uint32_t prio; /* of a filter */
	char kind[16]; /* bpf, u32, ... */
	char name[64]; /* may be empty */
	uint32_t prog_id; /* 0: it is no program */
	uint32_t link_id; /* on tcx; 0: attached without a link */
	enum cv_position position;
	enum cv_ending ending;
};

/* The image in which packets look rules up. */
struct cv_image_info {
	uint32_t rules;
	uint32_t steps; /* that a packet may take at most */
	uint64_t bytes;
	uint64_t
		garbage_bytes; /* of them, what changes have left; one of the next builds it anew */
};

struct cv_status {
	char instance[CV_NAME_MAX + 1];
	uint32_t abi;
	uint32_t generation;
	uint32_t mark_mask;
	struct cv_image_info image; /* all zero without rules */
	struct cv_drops drops; /* those that belong to no tunnel, and the host's socket hooks' */
	uint64_t sources
		[CV_OWNER_SOURCES_MAX]; /* how often owners became known on this host, by how */
	struct cv_foreign_info *foreign; /* owned */
	size_t foreign_count;
	struct cv_mark_users marks; /* culvert first; none while it uses no marks */
	char **problems; /* owned */
	size_t problem_count;
	struct cv_writer writer;
	/* The devices on which large packets of UDP and SCTP are segmented; empty: there are none. */
	char segment_in[CV_IFNAME_MAX + 1];
	char segment_out[CV_IFNAME_MAX + 1];
};

/* Each allocates *out (caller frees, also with count 0), in the order of the state given, which is
 * the applied one. Routes come in the order in which the kernel lists them, those of others that have
 * programs too; rules in that in which packets meet them. */
int cv_dev_list(struct cv_instance *inst, const struct cv_state *state, struct cv_dev_info **out,
		size_t *count, struct cv_err *err);
int cv_app_list(struct cv_instance *inst, const struct cv_state *state, struct cv_app_info **out,
		size_t *count, struct cv_err *err);
int cv_tunnel_list(struct cv_instance *inst, const struct cv_state *state,
		   struct cv_tunnel_info **out, size_t *count, struct cv_err *err);
int cv_route_list(struct cv_instance *inst, const struct cv_state *state, struct cv_routes *out,
		  struct cv_err *err);
void cv_routes_fini(struct cv_routes *routes);
int cv_rule_list(struct cv_instance *inst, const struct cv_state *state, struct cv_rule_info **out,
		 size_t *count, struct cv_err *err);
int cv_set_list(struct cv_instance *inst, const struct cv_state *state, struct cv_set_info **out,
		size_t *count, struct cv_err *err);

/* ---- proving a tunnel ---- */

enum cv_proof {
	CV_PROOF_NONE, /* was not asked */
	CV_PROOF_OK,
	CV_PROOF_FAILED,
	CV_PROOF_UNPROVEN, /* cannot be told from here */
};

/* Who answers at the other end. */
enum cv_proof_peer {
	CV_PROOF_PEER_NONE, /* nobody */
	CV_PROOF_PEER_CULVERT,
	CV_PROOF_PEER_OTHER, /* answers pings through the tunnel, and nothing more */
};

#define CV_PROOF_REASON_MAX 512
#define CV_PROOF_STEPS_MAX 16 /* of both inner families together */
#define CV_PROOF_TIMEOUT_MS 1000

struct cv_proof_step {
	uint8_t family; /* inner: 4, 6 */
	const char *step; /* static */
	enum cv_proof verdict;
	enum cv_proof
		there; /* of the way to the other end, and back; NONE: it is no packet's way */
	enum cv_proof back;
	uint32_t bytes; /* of the inner IP packet; of tcp-64k and udp-segment: what one write has */
	char reason[CV_PROOF_REASON_MAX]; /* empty: ok */
};

struct cv_proof_conf {
	struct cv_addr to; /* family 0: the first address of the first route of each family */
	struct cv_addr from; /* family 0: as the kernel chooses */
	uint32_t timeout_ms; /* of one step */
};

struct cv_proof_report {
	enum cv_proof_peer peer;
	struct cv_proof_step steps[CV_PROOF_STEPS_MAX];
	size_t count;
};

/* Sends probes through the tunnel of that name from this network namespace and waits for what comes
 * back. Returns 0 also if steps failed; an error means that nothing could be tried. */
int cv_tunnel_prove(struct cv_instance *inst, const struct cv_state *state, const char *name,
		    const struct cv_proof_conf *conf, struct cv_proof_report *report,
		    struct cv_err *err);

/* Finds the other users of packet marks, as far as they can be read, and says of each whether it
 * collides with what the state uses marks for. None if that is nothing. */
int cv_marks_find(struct cv_instance *inst, const struct cv_state *state, struct cv_mark_users *out,
		  struct cv_err *err);
void cv_mark_users_fini(struct cv_mark_users *users);

int cv_status_get(struct cv_instance *inst, const struct cv_state *state, struct cv_status *out,
		  struct cv_err *err);
void cv_status_fini(struct cv_status *status);

/* ---- watching ---- */

/* How urgently one should look whether something is to be repaired. */
enum cv_stir {
	CV_STIR_NONE,
	CV_STIR_CALM, /* something changed that may matter */
	CV_STIR_LATE, /* the same, and it may be complete only a little later */
	CV_STIR_URGENT, /* something was taken away that may be ours */
};

struct cv_stirred {
	enum cv_stir stir;
	uint32_t
		port; /* netlink socket of who took something away, mostly its process id; 0: not known */
};

struct cv_watch;

/* Begins to listen. The instance is borrowed until close. */
int cv_watch_open(struct cv_watch **out, const struct cv_instance *inst, struct cv_err *err);
void cv_watch_close(struct cv_watch **watch);

/* Tells it what is applied: which devices and files matter. To be called again when cv_watch_is_stale(). */
int cv_watch_follow(struct cv_watch *watch, const struct cv_state *state, struct cv_err *err);
bool cv_watch_is_stale(const struct cv_watch *watch);

/* Waits until something changed, other_fd is readable (returns 1), or timeout_ms are over (-1: for
 * ever). */
int cv_watch_wait(struct cv_watch *watch, int other_fd, int timeout_ms, struct cv_stirred *out);

/* ---- explaining one packet ---- */

/* A packet in words, where it enters this network namespace or is sent by it. */
struct cv_packet_conf {
	enum cv_dir dir; /* CV_DIR_BOTH: as CV_DIR_ONLY_OUT */
	struct cv_addr src, dst; /* of one family */
	uint8_t proto; /* 0: not given */
	uint16_t sport, dport; /* 0: not given */
	char dev[CV_IFNAME_MAX + 1]; /* it arrives by; out: its socket is bound to */
	bool has_mark; /* else it has its socket's */
	uint32_t mark;
	uint8_t dscp;
	uint8_t ecn; /* codepoint */
	uint32_t len_bytes; /* of the IP packet; 0: not given */
	/* What is not given the packet has none of. */
	bool has_tcp_flags;
	uint8_t tcp_flags;
	bool has_icmp; /* type and code */
	uint8_t icmp_type;
	uint8_t icmp_name; /* as in struct cv_match_conf */
	uint8_t icmp_code;
	bool has_vlan;
	uint16_t vlan;
	bool is_fragment;
	uint32_t flow_label;
	char app[CV_NAME_MAX + 1]; /* whose it is; empty: its socket says */
	uint32_t pid; /* its socket is one of this process; 0: not given */
	char tunnel[CV_NAME_MAX + 1]; /* it was taken out of; empty: none */
};

/* Source of an owner whose socket this process may not look for; the packet is taken for nobody's. */
#define CV_EXPLAINED_UNKNOWN "unknown"

struct cv_explained_owner {
	char app[CV_NAME_MAX + 1]; /* empty: none */
	const char
		*source; /* "given", CV_EXPLAINED_UNKNOWN, or as cv_owner_source_name(); static */
	bool is_exact;
	bool has_socket; /* there is one that the packet belongs to */
	uint32_t pid; /* of who used it last; 0: not known */
};

struct cv_explained_route {
	bool is_there;
	bool is_local; /* delivered to this host */
	struct cv_prefix to;
	uint32_t table;
	uint32_t metric;
	bool has_rule;
	uint32_t rule_prio; /* of the ip rule that leads to the table */
	uint32_t mark; /* with which it was looked up */
	struct cv_addr via;
	char dev[CV_IFNAME_MAX + 1];
	uint32_t mtu_bytes;
	char tunnel[CV_NAME_MAX + 1]; /* empty: none */
	bool has_guard;
};

#define CV_EXPLAINED_REMOTES 64

/* The outer header, as far as it is the same for every packet. */
struct cv_explained_outer {
	bool is_there;
	enum cv_tunnel_mode mode;
	struct cv_addr local;
	struct cv_addr remotes[CV_EXPLAINED_REMOTES]; /* of several, the flow's hash chooses one */
	size_t remote_count;
	uint8_t proto;
	uint16_t dport; /* UDP; 0: none */
	bool has_key;
	uint32_t key; /* of GRE, or VNI */
	bool is_ttl_inherited;
	uint8_t ttl;
	uint8_t dscp;
	struct cv_explained_route route; /* to the first of the remotes */
};

/* A place where rules are asked. */
struct cv_explained_rule {
	bool is_asked; /* the packet comes by, and there is a program */
	char name[CV_NAME_MAX + 1]; /* empty: none applies */
	enum cv_verdict_conf verdict;
};

struct cv_explanation {
	struct cv_explained_owner owner;
	bool is_forwarded; /* another host sent it, and it is not for this one */
	struct cv_explained_rule ingress;
	struct cv_explained_route route;
	bool is_too_large; /* for the route's MTU; what this host itself sends is then sent in parts */
	struct cv_explained_rule encap; /* asked of the inner packet, for drops only */
	struct cv_explained_outer outer;
	struct cv_explained_rule egress; /* asked of the outer packet */
	/* Behind the last rule. */
	uint32_t mark;
	uint8_t dscp;
	bool has_priority;
	uint32_t priority; /* MAJOR << 16 | MINOR */
	/* Where it ends. */
	const char *drop_reason; /* JSON key, static; NULL: it is not dropped */
	const char *drop_text; /* static */
	char drop_where[CV_PREFIX_TEXT + CV_NAME_MAX];
};

/* Says what becomes of a packet, by what the kernel has now; changes nothing and sends nothing. */
int cv_explain(struct cv_instance *inst, const struct cv_state *state,
	       const struct cv_packet_conf *packet, struct cv_explanation *out, struct cv_err *err);

/* ---- events ---- */

/* A packet that a rule with `sample` has told of, as that rule has left it. */
struct cv_event_info {
	uint64_t time_ns; /* since 1970 */
	char rule[CV_NAME_MAX + 1];
	char app[CV_NAME_MAX + 1]; /* empty: none */
	char tunnel[CV_NAME_MAX + 1]; /* it was taken out of; empty: none */
	char dev[CV_IFNAME_MAX + 1];
	bool is_in;
	uint32_t mark;
	uint32_t len_bytes; /* of the frame */
	const uint8_t *bytes; /* what it begins with, from the Ethernet header on; borrowed */
	size_t captured_bytes;
};

/* Called for each event; a negative return ends cv_monitor_wait(). */
typedef int (*cv_event_fn)(const struct cv_event_info *event, void *arg);

struct cv_monitor;

/* Begins to read the events of an instance, from now on. The instance may be closed then. -EBUSY:
 * somebody else reads them. */
int cv_monitor_open(struct cv_monitor **out, struct cv_instance *inst, struct cv_err *err);
void cv_monitor_close(struct cv_monitor **monitor);

/* Waits for events, at most timeout_ms, and calls fn for those that came. Returns 0 also if none did,
 * or if a signal came. */
int cv_monitor_wait(struct cv_monitor *monitor, int timeout_ms, cv_event_fn fn, void *arg,
		    struct cv_err *err);

/* How many events found no room since it was opened. */
uint64_t cv_monitor_lost(const struct cv_monitor *monitor);

#endif
