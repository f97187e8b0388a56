/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map ABI: what the programs in the kernel and the tool in user space say to each other, and
 * what other people's programs may read. It is the only header that both sides include.
 *
 * Stored structs have fixed-width members, explicit padding that every writer zeroes (hash keys
 * compare it), and a size assertion. Addresses are 16 bytes in network order: an IPv4 address
 * stands in the first word, the other three are zero. Ports and marks are host order unless typed
 * __be16 or __be32.
 *
 * A change of a key, a value or a meaning raises CV_ABI_VERSION. Appending a map does not.
 */
#ifndef CV_ABI_H
#define CV_ABI_H

#include <linux/types.h>

#define CV_ABI_MAGIC 0x63756c76u /* "culv" */
#define CV_ABI_TEXT(version) CV_ABI_TEXT_(version)
#define CV_ABI_TEXT_(version) #version
#ifndef CV_ABI_VERSION /* a test builds the one to come */
#define CV_ABI_VERSION 1
#endif
#define CV_ABI_DIR                                                                                 \
	"v" CV_ABI_TEXT(                                                                           \
		CV_ABI_VERSION) /* first path component below the bpffs: pins of one ABI version */

/* Limits. What is beyond them is refused by the tool, never cut off. */
#define CV_NAME_LEN 32 /* names of objects, with the closing zero */
#define CV_COMM_LEN 16 /* TASK_COMM_LEN of the kernel */
#define CV_BUILD_LEN 32
#define CV_MAX_TUNNELS 1024 /* id 0 is never a tunnel */
#define CV_TUNNEL_VERSIONS 2 /* of what a tunnel sends; between changes one of them is there */
#define CV_MAX_TUNNEL_ENTRIES ((CV_TUNNEL_VERSIONS + 1) * CV_MAX_TUNNELS)
#define CV_MAX_ENDPOINTS 524288 /* senders that are known, all tunnels together */
#define CV_MAX_PEERS 131072 /* all tunnels together */
#define CV_MAX_REMOTE_SLOTS (2 * CV_MAX_TUNNELS) /* a tunnel has two, and one of them is live */
#define CV_MAX_REMOTES 64 /* of one tunnel, without peers */
#define CV_REMOTE_BUCKETS 16384 /* flows are spread over so many shares; power of 2 */
#define CV_MAX_SEGMENTS 8 /* of one SRv6 tunnel */
#define CV_MAX_ALLOWED 131072 /* inner source prefixes, all tunnels together */
#define CV_MAX_DROPS 65536 /* (tunnel, reason) pairs */
#define CV_MAX_DEVS 1024
#define CV_MAX_APPS 1024 /* of one network namespace */
#define CV_APP_BUCKETS 2048 /* power of 2 */
#define CV_MAX_GLOB 256 /* length of a glob, with the closing zero */
#define CV_MAX_PATH 4096 /* PATH_MAX of the kernel */
#define CV_MAX_CGROUP_DEPTH 16 /* below the cgroup2 mount; what is deeper is not told apart */
#define CV_MAX_LINEAGE 16 /* executables that a process descends from; the oldest are forgotten */
#define CV_MAX_CLOSED 16384 /* closed TCP sockets whose owner is remembered; power of 2 */
#define CV_MAX_FLOWS 4096 /* fragmented datagrams and pings whose owner is remembered */
#define CV_MAX_GATES 4096 /* closed gates of one host */
#define CV_SCRATCH_BUFFERS 64 /* processes that are being identified at one moment */
#define CV_MAX_INSTANCES 4096 /* network namespaces with a culvert state on one host */
#define CV_MAX_RULES (1 << 20)
#define CV_MAX_RULE_IDS (2 * CV_MAX_RULES) /* those of rules that go are not given out at once */
#define CV_MAX_SETS 256 /* with a name */
#define CV_MAX_EXT_HEADERS 6 /* IPv6 extension headers walked; a longer chain has no ports */
#define CV_MAX_VLAN_TAGS 2 /* in-band tags walked; a deeper stack is not IP to us */
#define CV_MAX_PROBES 1024 /* traces of probes that are remembered; the oldest go */
#define CV_MAX_PAYLOAD_HDR 136 /* all behind the outer IP header: SRH with CV_MAX_SEGMENTS */
#define CV_SHORT_PAYLOAD_HDR 32 /* the same of every mode but srv6: UDP, VXLAN, Ethernet are 30 */
#define CV_MAX_HDR_LEN (40 + CV_MAX_PAYLOAD_HDR)
#define CV_MAX_GUARDS 1024 /* id 0 is never a guard */
#define CV_MAX_CACHES 1024 /* CPUs that can have a flow cache */
#define CV_MAX_GUARD_SOURCES 32
#define CV_LENGTH_BUCKETS 12
#define CV_MAX_METERS 16384 /* rules that police or pace, of one instance */
#define CV_MAX_BUCKETS 16384 /* apps and sources that are policed; the oldest are forgotten */
#define CV_EVENT_RING_BYTES (256 * 1024) /* events that nobody has taken out yet; power of 2 */
#define CV_EVENT_BYTES 128 /* of the frame */
#define CV_PACE_HORIZON_NS 2000000000ULL
#define CV_MAX_TUPLES 64 /* of one root of rules: a bit each in a pruning word */
#define CV_MAX_STEPS 2048 /* of one search for a rule, whatever the packet */

/* Map names; the kernel keeps 15 characters. */
#define CV_MAP_META cv_meta
#define CV_MAP_TUNNELS cv_tunnels
#define CV_MAP_TUNNEL_STATS cv_tun_stats
#define CV_MAP_ENDPOINTS cv_endpoints
#define CV_MAP_PORTS cv_ports
#define CV_MAP_REMOTES cv_remotes
#define CV_MAP_PEERS_SMALL cv_peers_small
#define CV_MAP_PEERS_MEDIUM cv_peers_mid
#define CV_MAP_PEERS_LARGE cv_peers_large
#define CV_MAP_PATHS cv_paths
#define CV_MAP_SEGMENT cv_segment
#define CV_MAP_ALLOWED cv_allowed
#define CV_MAP_PROBES cv_probes
#define CV_MAP_DROPS cv_drops
#define CV_MAP_RULES cv_rules
#define CV_MAP_LIVE cv_live
#define CV_MAP_CACHES cv_caches
#define CV_MAP_RULE_STATS cv_rule_stats
#define CV_MAP_DEVS cv_devs
#define CV_MAP_APPS cv_apps
#define CV_MAP_OWNERS cv_owners
#define CV_MAP_HOST_DROPS cv_host_drops
#define CV_MAP_HOST cv_host
#define CV_MAP_TASKS cv_tasks
#define CV_MAP_LINEAGES cv_lineages
#define CV_MAP_SCRATCH cv_scratch
#define CV_MAP_CLOSED cv_closed
#define CV_MAP_FLOWS cv_flows
#define CV_MAP_LOCALS cv_locals
#define CV_MAP_GATES cv_gates
#define CV_MAP_SOURCES cv_sources
#define CV_MAP_GUARDS cv_guards
#define CV_MAP_GUARD_STATS cv_guard_stats
#define CV_MAP_METERS cv_meters
#define CV_MAP_BUCKETS cv_buckets
#define CV_MAP_EVENTS cv_events
#define CV_MAP_XMIT_PROGRAMS cv_xmit_progs
#define CV_MAP_IN_PROGRAMS cv_in_progs
#define CV_MAP_OUT_PROGRAMS cv_out_progs

/*
 * Every way in which a packet can leave the happy path.
 * X(enum suffix, JSON key, what happened). Append only: a retired entry keeps its number.
 *
 * "goes on": the packet is handed to the stack as it came. "dropped": it ends here.
 */
#define CV_REASONS(X)                                                                              \
	X(OK, "ok", "nothing went wrong")                                                          \
	X(RULE_DROP, "rule_drop", "a rule dropped it")                                             \
	X(LOOP, "loop", "encapsulated already, and routed into a tunnel again: dropped")           \
	X(NO_TUNNEL, "no_tunnel", "its route names a tunnel that is gone: dropped")                \
	X(ENCAP_INNER, "encap_inner", "not an IPv4 or IPv6 packet, cannot encapsulate: dropped")   \
	X(ENCAP_SIZE, "encap_size", "larger than the outer header can say: dropped")               \
	X(ENCAP_GSO, "encap_gso", "the kernel encapsulates no UDP or SCTP GSO here: dropped")      \
	X(ENCAP_FAILED, "encap_failed", "the kernel refused to push the outer header: dropped")    \
	X(DECAP_PEER, "decap_peer", "for a tunnel's local address, not from its remote: goes on")  \
	X(DECAP_KEY, "decap_key", "from a tunnel's remote, with another key or none: goes on")     \
	X(DECAP_FRAGMENT, "decap_fragment", "a fragment of an outer packet: goes on")              \
	X(DECAP_GRE_FLAGS, "decap_gre_flags",                                                      \
	  "GRE checksum, sequence, routing or version: goes on")                                   \
	X(DECAP_HEADER, "decap_header", "outer or tunnel header cut off or wrong: goes on")        \
	X(DECAP_INNER, "decap_inner", "no whole IPv4 or IPv6 packet inside: dropped")              \
	X(DECAP_SOURCE, "decap_source", "inner source not in the tunnel's allow list: dropped")    \
	X(DECAP_ECN, "decap_ecn", "outer CE on an inner packet without ECN (RFC 6040): dropped")   \
	X(DECAP_FAILED, "decap_failed",                                                            \
	  "the kernel refused to take the outer header off: dropped")                              \
	X(OWNER_FULL, "owner_full", "no memory for a socket's owner record: it counts as none")    \
	X(MARK_REFUSED, "mark_refused", "the kernel refused to mark a socket of a routed app")     \
	X(NO_PEER, "no_peer", "no peer of the tunnel has that destination: dropped")               \
	X(DECAP_GUE, "decap_gue", "GUE control message, version, flags or fields: goes on")        \
	X(DECAP_VXLAN, "decap_vxlan", "VXLAN without a VNI, or with unknown flags: goes on")       \
	X(DECAP_GENEVE, "decap_geneve",                                                            \
	  "Geneve control message, version or critical option: goes on")                           \
	X(DECAP_ROUTING, "decap_routing",                                                          \
	  "source route, IPv6 segments left, or an AH to be checked: goes on")                     \
	X(SEGMENT_ROUTE, "segment_route",                                                          \
	  "segment of a UDP or SCTP GSO packet, no route to the remote carries it: dropped")       \
	X(GUARD, "guard", "the guard of its route refused it: dropped")                            \
	X(NO_GUARD, "no_guard", "its route names a guard that is gone: dropped")                   \
	X(PROBE, "probe", "a probe of the other end's tunnel check: sent back")                    \
	X(GATE, "gate", "its app is gated, and no route of it is live: dropped")                   \
	X(LATE_MARK, "late_mark",                                                                  \
	  "a socket changed hands and has no or the former app's mark: until 'culvert repair'")    \
	X(SCRATCH_FULL, "scratch_full",                                                            \
	  "too many processes to be identified at one moment: a socket counts as none")            \
	X(POLICE, "police", "above the rate of a rule that polices: dropped")                      \
	X(PACE_HORIZON, "pace_horizon",                                                            \
	  "would wait for more than 2 s for its rule's pace: dropped")                             \
	X(METER_FULL, "meter_full", "no memory to measure a rate by: goes on unmeasured")          \
	X(REDIRECT_GONE, "redirect_gone",                                                          \
	  "the device that its rule redirects to is gone: dropped")                                \
	X(MIRROR_FAILED, "mirror_failed",                                                          \
	  "the copy for a mirror device could not be sent: goes on")                               \
	X(EVENT_LOST, "event_lost", "no room for an event, nobody takes them out: goes on")        \
	X(NO_PROGRAM, "no_program", "the program of all tunnels or guards is gone: dropped")

enum cv_reason {
#define CV_REASON_ENUM(name, key, text) CV_R_##name,
	CV_REASONS(CV_REASON_ENUM)
#undef CV_REASON_ENUM
		CV_R_COUNT
};

/*
 * The program of a route is a stub: it writes the id of its tunnel or guard to skb->cb[0] and goes on,
 * by a tail call through the CV_MAP_*_PROGRAMS of its hook, to the program that all of them share.
 * The kernel puts cb back as it was behind the program of a route. Index of the array:
 */
#define CV_SHARED_TUNNEL 0
#define CV_SHARED_GUARD 1
#define CV_SHARED_COUNT 2

/* Stands in the object for the id; user space writes another constant there before it loads a stub. */
#define CV_STUB_ID 0x57ab1d00

/* Says whose pins these are; checked before anything else is read. Only user space reads it. */
struct cv_meta {
	/* Other versions of the tool read these: as far as build they are where they are for ever. */
	__u32 magic; /* CV_ABI_MAGIC */
	__u32 abi_version;
	__u32 generation; /* +1 for every change of the instance */
	__u32 mark_mask; /* the bits of packet marks that are culvert's */
	__u64 netns_cookie; /* of the network namespace that the instance belongs to */
	__u64 netns_inode; /* of /proc/PID/ns/net, to find out whether it still lives */
	char build[CV_BUILD_LEN]; /* version of the tool that made it */
};
_Static_assert(sizeof(struct cv_meta) == 64, "cv_meta is map ABI");

enum cv_mode {
	CV_MODE_NONE, /* slot is free */
	CV_MODE_IPIP, /* RFC 2003, 2473, 4213: protocol 4 or 41 after the inner family */
	CV_MODE_GRE, /* RFC 2784, 2890 (key) */
	CV_MODE_GUE, /* draft-ietf-intarea-gue: variant 0 or 1 */
	CV_MODE_FOU, /* an IP packet right behind the UDP header (kernel: net/ipv4/fou_core.c) */
	CV_MODE_VXLAN, /* RFC 7348 */
	CV_MODE_GENEVE, /* RFC 8926 */
	CV_MODE_SRV6, /* RFC 8986 H.Encaps and End.DT46 */
	CV_MODE_COUNT
};

#define CV_TUNNEL_KEY (1 << 0) /* key is sent, and required on arrival */
#define CV_TUNNEL_DF_ON (1 << 1) /* IPv4 outer: do not fragment */
#define CV_TUNNEL_DF_INHERIT                                                                       \
	(1 << 2) /* IPv4 outer: as the inner packet; IPv6 inside counts as on */
#define CV_TUNNEL_TTL_INHERIT (1 << 3)
#define CV_TUNNEL_DSCP_INHERIT (1 << 4) /* copied outwards */
#define CV_TUNNEL_ECN (1 << 5) /* RFC 6040; off: outer Not-ECT, inner left alone */
#define CV_TUNNEL_ALLOW (1 << 6) /* inner sources are checked against CV_MAP_ALLOWED */
#define CV_TUNNEL_RULES (1 << 7) /* some rule may drop packets before they are encapsulated */
#define CV_TUNNEL_DSCP_UNIFORM (1 << 8) /* RFC 2983: copied inwards on arrival */

#define CV_TUNNEL_NO_PROBE (1 << 9) /* probes are not sent back */

/* Where the outer destination comes from. */
enum cv_remote_kind {
	CV_REMOTE_ONE, /* cv_tunnel.remote */
	CV_REMOTE_SET, /* several: the flow chooses one, see struct cv_remote_set */
	CV_REMOTE_PEERS, /* the inner destination chooses */
};

/*
 * One tunnel, in the array behind CV_MAP_TUNNELS[0]. A change builds a new array beside the old one
 * and sets the slot once, so no packet sees half a tunnel.
 *
 * A tunnel stands there twice: as what arrives is judged by, and as the version that its programs send
 * by; stubs know the entry. While a tunnel changes in the same step in which routes leave it, it has
 * two versions for sending: routes that stay are moved to the new one, those that leave never see it.
 *
 * payload4 and payload6 are all that stands behind the outer IP header around an inner IPv4 or IPv6
 * packet, as it is sent but for what differs from packet to packet: UDP source port and length.
 */
struct cv_tunnel {
	char name[CV_NAME_LEN];
	__be32 local[4]; /* outer source when sending */
	__be32 remote[4]; /* outer destination with CV_REMOTE_ONE; srv6: the first segment */
	__u8 mode; /* enum cv_mode */
	__u8 family; /* of the outer header: 4 or 6 */
	__u8 hdr_len; /* all that is pushed, bytes */
	__u8 ttl; /* hops, when not inherited */
	__u8 dscp; /* 0..63, when not inherited */
	__u8 remote_kind; /* enum cv_remote_kind */
	__u8 proto4; /* outer protocol around IPv4 */
	__u8 proto6; /* outer protocol around IPv6 */
	__u32 flags; /* CV_TUNNEL_* */
	__be32 key; /* GRE key, or VNI << 8 as the header has it; 0 without CV_TUNNEL_KEY */
	__be32 old_key; /* sent in place of key until switch_ns */
	__u32 guard_mark; /* all bits of the mark mask: says "encapsulated already" */
	__u32 allow_generation; /* of this tunnel's entries in CV_MAP_ALLOWED */
	__u32 generation; /* of this tunnel's program; shown, not used by programs */
	__u32 mtu_bytes; /* of an inner packet; the route carries it, programs do not use it */
	__u32 ifindex; /* underlay device when it was set up */
	__u32 remote_slot; /* of CV_MAP_REMOTES; CV_PEER_SLOT with CV_REMOTE_PEERS */
	__u16 mss4; /* largest TCP MSS let through in a SYN over IPv4; 0: any */
	__u16 mss6;
	__u32 return_mark; /* set on what is taken out, for the kernel's rp_filter; 0: none */
	__u32 pad;
	__u64 switch_ns; /* CLOCK_BOOTTIME; 0: there is no old key */
	__u8 payload4[CV_MAX_PAYLOAD_HDR];
	__u8 payload6[CV_MAX_PAYLOAD_HDR];
};
_Static_assert(sizeof(struct cv_tunnel) == 128 + 2 * CV_MAX_PAYLOAD_HDR, "cv_tunnel is map ABI");

/* Where a tunnel stands in that array, and whose an entry is. */
#define CV_TUNNEL_OUT(id, version) ((version)*CV_MAX_TUNNELS + (id))
#define CV_TUNNEL_IN(id) (CV_TUNNEL_VERSIONS * CV_MAX_TUNNELS + (id))
#define CV_TUNNEL_ID(entry) ((entry) % CV_MAX_TUNNELS)

/*
 * The two ends of the pair on which GSO packets that the kernel does not encapsulate are segmented:
 * the one element of CV_MAP_SEGMENT. It is also the ledger of them: culvert made these devices.
 */
#define CV_SEGMENT_MAKING 0xffffffff
struct cv_segment {
	__u32 in_ifindex; /* such packets are sent to it; 0: there is no pair */
	/* Their segments come out of it, and are encapsulated; CV_SEGMENT_MAKING: the pair is being
	 * made. */
	__u32 out_ifindex;
};
_Static_assert(sizeof(struct cv_segment) == 8, "cv_segment is map ABI");

/*
 * The remotes of a tunnel with several: the one element of the array behind
 * CV_MAP_REMOTES[cv_tunnel.remote_slot]. A flow goes to remotes[bucket[hash % CV_REMOTE_BUCKETS]].
 * Each tunnel has two slots, 2 * id and 2 * id + 1, and a change is written into the one that no
 * packet reads.
 */
struct cv_remote_set {
	__u32 count;
	__u32 pad;
	__be32 remotes[CV_MAX_REMOTES][4];
	__u8 bucket[CV_REMOTE_BUCKETS];
};
_Static_assert(sizeof(struct cv_remote_set) == 8 + 16 * CV_MAX_REMOTES + CV_REMOTE_BUCKETS,
	       "cv_remote_set is map ABI");

/*
 * The peers of a tunnel with CV_REMOTE_PEERS. Sets of peers come in sizes, each with a map of slots
 * of its own: of an array whose size the verifier knows it makes the lookup inline, and by call a
 * lookup takes longer than all the rest of a step.
 * X(enum suffix, map, cells in an array)
 */
#define CV_PEER_CELLS_SMALL (1u << 12) /* 64 KB */
#define CV_PEER_CELLS_MEDIUM (1u << 18) /* 4 MB */
#define CV_PEER_CELLS_LARGE (1u << 20) /* 16 MB */
#define CV_PEER_SIZES(X)                                                                           \
	X(SMALL, CV_MAP_PEERS_SMALL, CV_PEER_CELLS_SMALL)                                          \
	X(MEDIUM, CV_MAP_PEERS_MEDIUM, CV_PEER_CELLS_MEDIUM)                                       \
	X(LARGE, CV_MAP_PEERS_LARGE, CV_PEER_CELLS_LARGE)

enum cv_peer_size {
#define CV_PEER_SIZE_ENUM(name, map, cells) CV_PEERS_##name,
	CV_PEER_SIZES(CV_PEER_SIZE_ENUM)
#undef CV_PEER_SIZE_ENUM
		CV_PEER_SIZE_COUNT
};

/* What remote_slot of such a tunnel holds: a size, and a slot in the map of that size. */
#define CV_PEER_SLOT(size, slot) ((size)*CV_MAX_REMOTE_SLOTS + (slot))

/*
 * The array in the slot is a level- and path-compressed trie of prefixes. A cell is four steps of
 * the trie, or a peer.
 *
 *   step:       cell number : 20 | bits skipped : 7 | bits tested : 5
 *   peer.outer: cell number : 20 | 0 : 4 | bits of the prefix : 8
 *
 * A step skips some bits of the destination and tests the next few: their value is the number of the
 * next step, counted from the first one in the cell. A step that tests no bits leads to a peer, or to
 * a few that stand one behind the other: as many as it would skip bits; that of cell 0 to none. Cell 0
 * holds the steps at which lookups begin, CV_PEERS_IPV4 and CV_PEERS_IPV6.
 *
 * A peer takes one cell; in an IPv6 tunnel the next one has its remote; with a prefix longer than 64
 * bits one more, the last, has the prefix's other half.
 *
 * Of several peers the last one whose prefix covers the destination is the right one; their prefixes
 * are in ascending order, and of at most 64 bits. If none does, since skipped bits are not compared, the
 * right one, if any, is among those whose prefixes enclose that of the first: outer leads to the
 * longest of them, and so on.
 */
struct cv_peer {
	__be32 remote; /* IPv4 */
	__u32 outer;
	__u64 prefix; /* first 64 bits in host order, the first bit highest */
};
_Static_assert(sizeof(struct cv_peer) == 16, "cv_peer is map ABI");

#define CV_PEER_CELL_STEPS 4
struct cv_peer_cell {
	union {
		__u32 steps[CV_PEER_CELL_STEPS];
		struct cv_peer peer;
		__be32 remote[4]; /* IPv6 */
		__u64 prefix_low; /* the last 64 bits */
	};
};
_Static_assert(sizeof(struct cv_peer_cell) == 16, "cv_peer_cell is map ABI");

#define CV_PEERS_IPV4 0
#define CV_PEERS_IPV6 1
#define CV_PEER_CELL(word) ((word) >> 12) /* of a step, or of outer */
#define CV_PEER_MAX_CELLS CV_PEER_CELLS_LARGE
#define CV_PEER_SKIPPED(step) ((step) >> 5 & 0x7f)
#define CV_PEER_TESTED(step) ((step)&0x1f)
#define CV_PEER_PREFIX_BITS(outer) ((outer)&0xff)
#define CV_PEER_COUNT(step) CV_PEER_SKIPPED(step) /* of a step that leads to peers */
#define CV_PEER_MAX_COUNT 4
#define CV_PEER_MAX_DEPTH 32 /* steps that test bits, one after the other */
#define CV_PEER_MAX_OUTER 129 /* peers that enclose each other: prefixes of 0 to 128 bits */

/* What a UDP destination port carries: the one element of CV_MAP_PORTS. */
struct cv_ports {
	__u8 mode[65536]; /* enum cv_mode; CV_MODE_NONE: not ours */
};

/* How long ICMP is believed: as the kernel does (mtu_expires). */
#define CV_PATH_FRESH_NS (600 * 1000000000ULL)

/* What ICMP said about the path to a tunnel's remote, at the tunnel's id in CV_MAP_PATHS. */
struct cv_path {
	__u32 mtu_bytes; /* of an outer packet, as the last message had it; 0: none came */
	__u32 messages;
	__u64 seen_ns; /* CLOCK_BOOTTIME of the last one */
};
_Static_assert(sizeof(struct cv_path) == 16, "cv_path is map ABI");

enum cv_endpoint_kind {
	CV_ENDPOINT_EXACT, /* local, remote and key */
	CV_ENDPOINT_PAIR, /* local and remote, key zero: tells "another key" from "another sender" */
	CV_ENDPOINT_LOCAL, /* local only, remote and key zero */
	CV_ENDPOINT_PATH, /* as we send: outer source and destination; for ICMP about our packets */
};

/* Key of CV_MAP_ENDPOINTS, for packets that arrive: local is their destination. */
struct cv_endpoint_key {
	__be32 local[4];
	__be32 remote[4];
	__be32 key; /* GRE key, or VNI << 8; 0 without one */
	__u16 port; /* UDP destination port of the UDP modes, else 0 */
	__u8 mode; /* enum cv_mode */
	__u8 family; /* outer: 4 or 6 */
	__u8 kind; /* enum cv_endpoint_kind */
	__u8 has_key; /* 1: the packet carries a key, which may be 0 */
	__u8 pad[2];
};
_Static_assert(sizeof(struct cv_endpoint_key) == 44, "cv_endpoint_key is map ABI");

struct cv_endpoint {
	__u32 tunnel;
	__u32 pad;
	__u64 until_ns; /* CLOCK_BOOTTIME until which it is valid; 0: for good */
};
_Static_assert(sizeof(struct cv_endpoint) == 16, "cv_endpoint is map ABI");

/* Key of CV_MAP_ALLOWED (longest prefix). Value: __u32, 1. */
struct cv_allowed_key {
	__u32 prefix_bits; /* CV_ALLOWED_BASE_BITS + the inner prefix's own */
	__u32 tunnel;
	__u32 generation; /* allow_generation of that tunnel */
	__u32 family; /* 4 or 6 */
	__be32 source[4];
};
#define CV_ALLOWED_BASE_BITS 96
_Static_assert(sizeof(struct cv_allowed_key) == 32, "cv_allowed_key is map ABI");

/*
 * Probes prove a tunnel end to end: UDP and TCP packets inside it to this port, from any other. The
 * program that would take them out sends them back as they came, all addresses and the inner ports
 * exchanged. A system port that IANA has given to nobody: no client has it as its own.
 */
#define CV_PROBE_PORT 291
#define CV_PROBE_MAGIC 0x63767072u /* "cvpr" */

/* What the payload of a UDP probe begins with. The second half is the answer's. */
struct cv_probe {
	__be32 magic;
	__be32 nonce; /* of one run of the check */
	__be32 number; /* of this packet */
	__u8 step; /* 0..31 */
	__u8 reason; /* enum cv_reason: what would have become of it, CV_R_OK: taken out */
	__u8 outer_tos; /* as it arrived */
	__u8 is_answer; /* 1: it was there */
	__be32 seen; /* steps of that nonce of which packets arrived so far, a bit each */
};
_Static_assert(sizeof(struct cv_probe) == 20, "cv_probe is wire format");

enum cv_probe_trace {
	CV_TRACE_STEPS, /* id: nonce; value: cv_probe.seen, host order */
	CV_TRACE_FRAGMENT, /* id: of the IP datagram, whose later fragments go back too; value: when */
};

/* Key of CV_MAP_PROBES. Value: __u32. */
struct cv_trace_key {
	__u32 tunnel;
	__u32 kind; /* enum cv_probe_trace */
	__be32 id;
	__u32 family; /* inner: 4 or 6 */
	__be32 src[4]; /* inner */
	__be32 dst[4];
};
_Static_assert(sizeof(struct cv_trace_key) == 48, "cv_trace_key is map ABI");

/* Per CPU. Packets as the hook sees them: a GSO or GRO packet counts once, with all its bytes. */
struct cv_tunnel_stats {
	__u64 tx_packets; /* encapsulated here */
	__u64 tx_bytes; /* inner bytes: from the inner IP header on */
	__u64 rx_packets; /* taken out here */
	__u64 rx_bytes;
	__u64 tx_segments; /* of tx_packets: were segmented for it, out of UDP or SCTP GSO packets */
};
_Static_assert(sizeof(struct cv_tunnel_stats) == 40, "cv_tunnel_stats is map ABI");

/* Key of CV_MAP_DROPS. Value: __u64 a CPU. Tunnel 0: no tunnel is known. */
struct cv_drop_key {
	__u32 tunnel;
	__u32 reason; /* enum cv_reason */
};
_Static_assert(sizeof(struct cv_drop_key) == 8, "cv_drop_key is map ABI");

/* Wherever a rule is asked. */
enum cv_direction {
	CV_DIR_IN, /* clsact ingress, after decapsulation */
	CV_DIR_OUT, /* clsact egress: a tunnelled packet shows its outer header */
	CV_DIR_ENCAP, /* before encapsulation: only whether a rule would drop the inner packet */
	CV_DIR_COUNT
};

#define CV_MATCH_FAMILY (1 << 0) /* also set by every field that only one family has */
#define CV_MATCH_PROTO (1 << 1)
#define CV_MATCH_PORTS (1 << 2) /* both ranges are checked; a packet without ports fails */
#define CV_MATCH_DSCP (1 << 3)
#define CV_MATCH_APP (1 << 4)
#define CV_MATCH_DEV (1 << 5)
#define CV_MATCH_MARK (1 << 6)
#define CV_MATCH_SRC (1 << 7)
#define CV_MATCH_DST (1 << 8)
#define CV_MATCH_TUNNEL (1 << 9)
#define CV_MATCH_EXACT (1 << 10) /* how the app is known is in CV_OWNER_EXACT */
#define CV_MATCH_ECN (1 << 11)
#define CV_MATCH_TCP_FLAGS (1 << 12) /* TCP whose header can be read */
#define CV_MATCH_ICMP_TYPE (1 << 13) /* ICMP of the packet's family whose header can be read */
#define CV_MATCH_ICMP_CODE (1 << 14)
#define CV_MATCH_LEN (1 << 15)
#define CV_MATCH_FRAGMENT (1 << 16) /* a fragment, the first included */
#define CV_MATCH_VLAN (1 << 17) /* has a tag with an id in the range */
#define CV_MATCH_ETHERTYPE (1 << 18) /* without it only IP packets are meant */
#define CV_MATCH_FLOW_LABEL (1 << 19)
#define CV_MATCH_QUOTED (1 << 20) /* of an ICMP error: the packet that it quotes */
#define CV_MATCH_SETS (1 << 21) /* all of sets[] */
/* Conditions of struct cv_extra. */
#define CV_MATCH_EXTRAS                                                                            \
	(CV_MATCH_DSCP | CV_MATCH_APP | CV_MATCH_DEV | CV_MATCH_MARK | CV_MATCH_TUNNEL |           \
	 CV_MATCH_EXACT | CV_MATCH_ECN | CV_MATCH_TCP_FLAGS | CV_MATCH_ICMP_TYPE |                 \
	 CV_MATCH_ICMP_CODE | CV_MATCH_LEN | CV_MATCH_FRAGMENT | CV_MATCH_VLAN |                   \
	 CV_MATCH_ETHERTYPE | CV_MATCH_FLOW_LABEL | CV_MATCH_SETS)

/* Conditions that a frame without an IP packet never meets. */
#define CV_MATCH_IP                                                                                \
	(CV_MATCH_FAMILY | CV_MATCH_PROTO | CV_MATCH_PORTS | CV_MATCH_SRC | CV_MATCH_DST |         \
	 CV_MATCH_DSCP | CV_MATCH_ECN | CV_MATCH_LEN | CV_MATCH_FRAGMENT)

#define CV_APP_NONE 0 /* also: what a packet without a known owner has */
#define CV_APP_ANY 0xffffffffu /* in a match: any app but none */

/* What of a packet is looked up in a set. X(enum suffix, word) */
#define CV_SET_FIELDS(X)                                                                           \
	X(SRC, "src")                                                                              \
	X(DST, "dst")                                                                              \
	X(PROTO, "proto")                                                                          \
	X(SPORT,                                                                                   \
	  "sport") /* a packet without ports is in no set of them, nor is it "not" in one */       \
	X(DPORT, "dport")                                                                          \
	X(DSCP, "dscp")                                                                            \
	X(MARK, "mark")                                                                            \
	X(LEN, "len")                                                                              \
	X(VLAN, "vlan") /* one without a tag neither */

enum cv_set_field {
#define CV_SET_FIELD_ENUM(name, word) CV_SET_FIELD_##name,
	CV_SET_FIELDS(CV_SET_FIELD_ENUM)
#undef CV_SET_FIELD_ENUM
		CV_SET_FIELD_COUNT
};

/* A condition that asks a set. */
struct cv_set_ref {
	__u16 set; /* number of it in the image, from 1 on; 0: no condition */
	__u8 field; /* enum cv_set_field */
	__u8 is_not; /* 1: must not be in it */
};
_Static_assert(sizeof(struct cv_set_ref) == 4, "cv_set_ref is map ABI");

#define CV_MAX_SET_REFS 6 /* of one match */

#define CV_SET_LEVELS 7
#define CV_SET_NUMBERS 16 /* keys of a node of numbers */
#define CV_SET_HALVES 8 /* keys of a node of halves of addresses */
#define CV_SET_FROM_ZERO (1u << 31)

/*
 * A set cuts all values into runs that are in it and runs that are not, one after the other. The keys
 * are the last values of the runs but the last one, ascending; how many of them are below a value says
 * whether it is in the set.
 *
 * They stand in a B-tree without pointers: nodes of 64 bytes, which begin at even cells, all of one
 * level one behind the other, those of the deepest level with all keys. Node N of a level has the nodes
 * from N * (keys + 1) on below it, and has of all of them but the first the key before their first
 * one. What is left over of a node is filled with ones, and no key is all ones.
 */
struct cv_set_tree {
	__u32 levels[CV_SET_LEVELS]; /* cell of the first node, from the root on; 0: no level */
	__u32 keys; /* how many, and CV_SET_FROM_ZERO: the first run is in the set */
};
_Static_assert(sizeof(struct cv_set_tree) == 32, "cv_set_tree is map ABI");

/*
 * A set of an image. Numbers, which IPv4 addresses are too, and IPv6 addresses have trees of their own.
 * A key of an address is in two halves: lows has the same shape as highs, and is left out where every
 * low half is all ones (no prefix longer than 64).
 */
struct cv_set {
	char name[CV_NAME_LEN]; /* empty: made by the compiler, for a list that is negated */
	struct cv_set_tree numbers; /* of __u32, host order */
	struct cv_set_tree highs; /* of __u64, host order, as are lows */
	struct cv_set_tree lows;
};
_Static_assert(sizeof(struct cv_set) == 128, "cv_set is map ABI");

/*
 * Where the set of that number is. One that changes is built anew beside the old one, and its turn comes
 * in the very instant in which rules change. Written by one store.
 *
 *   word: 0 : 4 | generation from which on it is the next one : 16 | cell of that : 22 | cell : 22
 *
 * Cells are those of a struct cv_set, 0: there is none. Stands in the table at cv_image.sets, the set
 * of number 1 first.
 */
struct cv_set_slot {
	__u64 word;
};
_Static_assert(sizeof(struct cv_set_slot) == 8, "cv_set_slot is map ABI");
#define CV_SET_CELL_MASK ((1u << CV_ARENA_CELL_BITS) - 1)
#define CV_SET_SLOT_ROOT(word) ((__u32)(word)&CV_SET_CELL_MASK)
#define CV_SET_SLOT_NEXT(word) ((__u32)((word) >> CV_ARENA_CELL_BITS) & CV_SET_CELL_MASK)
#define CV_SET_SLOT_FROM(word) ((__u32)((word) >> 2 * CV_ARENA_CELL_BITS))
#define CV_SET_SLOT_WORD(root, next, from)                                                         \
	((__u64)(from) << 2 * CV_ARENA_CELL_BITS | (__u64)(next) << CV_ARENA_CELL_BITS | (root))
#define CV_SET_SLOTS (CV_CELL_BYTES / sizeof(struct cv_set_slot)) /* of one cell */

/*
 * The conditions that few rules have. Those that are in flags must hold, those that are in not_flags
 * too must not: "not dev eth0". A condition on what a packet has none of (TCP flags of UDP) holds in
 * neither form.
 */
struct cv_extra {
	__u64 dscps; /* a bit for each DSCP, "not" and lists worked in */
	__u32 flags; /* those of CV_MATCH_EXTRAS; the others' members are zero */
	__u32 not_flags; /* of APP, DEV, MARK, TUNNEL, TCP_FLAGS, ICMP_*, LEN, VLAN, ... */
	__u32 app; /* id, CV_APP_NONE or CV_APP_ANY */
	__u32 ifindex;
	__u32 mark;
	__u32 mark_mask;
	__u32 tunnel; /* the packet was taken out of it */
	__u32 len_min; /* of the IP packet, bytes; a GSO packet has its whole length */
	__u32 len_max;
	__u32 flow_label; /* 20 bits */
	__u16 vlan_min; /* 12 bits; of the outermost tag */
	__u16 vlan_max;
	__u16 ethertype; /* behind all tags, host order */
	__u8 tcp_flags; /* flags & tcp_mask, as in byte 13 of the header */
	__u8 tcp_mask;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 ecns; /* a bit for each of the four codepoints */
	__u8 pad[13];
	struct cv_set_ref sets[CV_MAX_SET_REFS];
};
_Static_assert(sizeof(struct cv_extra) == 96, "cv_extra is map ABI");

/* One conjunction of conditions; a rule with lists becomes several. Order is order. */
struct cv_match {
	__be32 src[4];
	__be32 src_mask[4];
	__be32 dst[4];
	__be32 dst_mask[4];
	__u32 flags; /* CV_MATCH_*: conditions that hold; the others' members are zero */
	__u32 rule; /* index of it among all */
	__u16 sport_min;
	__u16 sport_max;
	__u16 dport_min;
	__u16 dport_max;
	__u8 family; /* 4 or 6 */
	__u8 proto; /* IP protocol number */
	__u8 dirs; /* a bit for each enum cv_direction in which it is asked */
	__u8 pad[5];
	struct cv_extra extra;
};
_Static_assert(sizeof(struct cv_match) == 184, "cv_match is map ABI");

#define CV_ACTION_MARK (1 << 0)
#define CV_ACTION_PRIORITY (1 << 1)
#define CV_ACTION_DSCP (1 << 2)
#define CV_ACTION_POLICE (1 << 3)
#define CV_ACTION_PACE (1 << 4)
#define CV_ACTION_REDIRECT (1 << 5)
#define CV_ACTION_MIRROR (1 << 6)
#define CV_ACTION_SAMPLE (1 << 7)
/* Before encapsulation nobody can say whether this rule, which says continue, applies: the search ends
 * there, and nothing is dropped. */
#define CV_ACTION_UNSURE (1 << 8)
/* Those of struct cv_actions. */
#define CV_ACTION_MORE                                                                             \
	(CV_ACTION_POLICE | CV_ACTION_PACE | CV_ACTION_REDIRECT | CV_ACTION_MIRROR |               \
	 CV_ACTION_SAMPLE)

enum cv_verdict {
	CV_VERDICT_NEXT, /* TC_ACT_UNSPEC: the next filter decides */
	CV_VERDICT_ACCEPT, /* TC_ACT_OK: ends the tc chain */
	CV_VERDICT_DROP,
	CV_VERDICT_CONTINUE, /* the next rule that matches decides; behind the last one: next */
	CV_VERDICT_COUNT
};

#define CV_MAX_CONTINUES 16 /* rules that one packet meets; behind the last one: next */

enum cv_police_per {
	CV_POLICE_RULE, /* all packets of the rule share a bucket */
	CV_POLICE_APP, /* those of an app do */
	CV_POLICE_SOURCE, /* those of a source address do */
};

enum cv_redirect_to {
	CV_REDIRECT_EGRESS, /* as it is, out of the device */
	CV_REDIRECT_INGRESS, /* as if it had come in by the device */
	CV_REDIRECT_NEIGH, /* out of the device, to the Ethernet address that is resolved for it */
};

/* The actions that few rules have; stands right behind a cv_rule that has one of them. */
struct cv_actions {
	__u64 police_bytes_ps; /* token bucket: bytes a second */
	__u64 pace_bytes_ps; /* departure times of the rule's packets (EDT) */
	__u32 police_burst_bytes;
	__u32 sample_one_in; /* to the event stream: one packet of so many */
	__u32 redirect_ifindex;
	__u32 mirror_ifindex;
	__u8 police_per; /* enum cv_police_per */
	__u8 redirect_to; /* enum cv_redirect_to */
	__u8 pad[30];
};
_Static_assert(sizeof(struct cv_actions) == 64, "cv_actions is map ABI");

#define CV_TICK_BITS 4 /* ticks: 16ths of nanoseconds of CLOCK_MONOTONIC, so that rates are exact */

/* When the last byte that was let through so far would have been through at the rate: a bucket is
 * full from then on. 0 in whatever is new. */
struct cv_bucket {
	__u64 full_ticks;
};
_Static_assert(sizeof(struct cv_bucket) == 8, "cv_bucket is map ABI");

/* Whose packets share a bucket: key of CV_MAP_BUCKETS. */
struct cv_bucket_key {
	__u32 rule; /* id */
	__u32 app; /* CV_POLICE_APP; else 0 */
	__be32 src[4]; /* CV_POLICE_SOURCE; else zeros */
};
_Static_assert(sizeof(struct cv_bucket_key) == 24, "cv_bucket_key is map ABI");

/* What is measured for a rule as a whole: value of CV_MAP_METERS, by the rule's id. */
struct cv_meter {
	struct cv_bucket police; /* CV_POLICE_RULE */
	struct cv_bucket pace; /* when the next packet may depart */
};
_Static_assert(sizeof(struct cv_meter) == 16, "cv_meter is map ABI");

/* What a match leads to. Stands in the arena before the first record of the rule, and in one cache
 * line with it, if it can. */
struct cv_rule_cell {
	__u32 name; /* where it stands: a cell, and which eighth of that (CV_NAME_CELL, CV_NAME_BYTE) */
	__u32 id; /* of its counters, below CV_MAX_RULE_IDS; kept while the rule lives */
	__u32 order; /* ascending in the order in which rules are asked */
	__u32 mark;
	__u32 mark_mask; /* bits that the action sets */
	__u32 priority; /* skb->priority, MAJOR << 16 | MINOR */
	__u16 flags; /* CV_ACTION_*; with one of CV_ACTION_MORE a struct cv_actions follows */
	__u16 born; /* generations of the image in which it is; not for packets, which see records */
	__u16 dead;
	__u8 dscp;
	__u8 verdict; /* enum cv_verdict */
};
_Static_assert(sizeof(struct cv_rule_cell) == 32, "cv_rule_cell is a cell");

/* Names end with a zero and lie close together; behind one may be another. */
#define CV_NAME_UNIT 4 /* bytes */
#define CV_NAME_CELL(name) ((name) / 8)
#define CV_NAME_BYTE(name) ((name) % 8 * CV_NAME_UNIT)

#define CV_RULES_NEED_OWNER(dir) (1u << (dir)) /* some match of that direction has an app */
/* What some match asks for, and is read of a packet only then. */
#define CV_RULES_NEED_TCP (1u << 8) /* flags */
#define CV_RULES_NEED_ICMP (1u << 9)
#define CV_RULES_NEED_LINK (1u << 10) /* frames that are no IP, too: some match has an ethertype */
#define CV_RULES_NEED_QUOTED (1u << 11)
#define CV_RULES_DROP_ENCAP (1u << 12) /* some rule may drop before encapsulation */
/* What was found for a packet says nothing about others with the same struct cv_cache_line: some match
 * asks for a length or a flow label. Or the cache was turned off. */
#define CV_RULES_NO_CACHE (1u << 13)

/*
 * The arena: memory that programs read and user space writes in place. It consists of cells; a cell
 * number is an address. The cells of a bank lie in segments, each the one element of an array behind
 * a slot of CV_MAP_RULES: segment i of bank b in slot b * CV_ARENA_SEGMENTS + i.
 *
 * Arrays of what is no larger than a cell may go on from one segment to the next. What takes several
 * cells lies in one segment.
 */
#define CV_CELL_BYTES 32
#define CV_ARENA_SEGMENT_BITS 13 /* cells of a segment */
#define CV_ARENA_SEGMENT_CELLS (1u << CV_ARENA_SEGMENT_BITS)
#define CV_ARENA_SEGMENTS 512 /* of one bank: 128 MiB */
#define CV_ARENA_BANKS 2
#define CV_ARENA_CELL_BITS 22 /* of a cell number */
#define CV_ARENA_SLACK_CELLS 128 /* behind the last: what begins there may be read whole */

struct cv_arena_segment {
	__u8 cells[CV_ARENA_SEGMENT_CELLS + CV_ARENA_SLACK_CELLS][CV_CELL_BYTES];
};
_Static_assert(sizeof(struct cv_arena_segment) == 262144 + 4096, "cv_arena_segment is map ABI");

/*
 * What packets go by: the one element of CV_MAP_LIVE. Written by one store, so that a whole new
 * image, or a change of the one that there is, shows itself at one instant.
 *
 *   word: number of changes : 32 | 0 : 15 | bank : 1 | generation : 16
 *
 * The generation counts the changes of the image in that bank, from 1 on; 0: there are no rules.
 */
struct cv_live {
	__u64 word;
};
_Static_assert(sizeof(struct cv_live) == 8, "cv_live is map ABI");
#define CV_LIVE_GENERATION(word) ((__u32)(word)&0xffff)
#define CV_LIVE_BANK(word) ((__u32)(word) >> 16 & 1)
#define CV_LIVE_WORD(changes, bank, generation)                                                    \
	((__u64)(changes) << 32 | (__u64)(bank) << 16 | (generation))
#define CV_GENERATION_NEVER 0xffff /* above all that are given out */

/* Records are looked for in one of these, by the packet. */
enum cv_root_index {
	CV_ROOT_IPV4, /* and frames that are no IP */
	CV_ROOT_IPV6,
	CV_ROOT_QUOTED_IPV4, /* of a packet that an ICMP error quotes */
	CV_ROOT_QUOTED_IPV6,
	CV_ROOT_COUNT
};

#define CV_IMAGE_MAGIC 0x63766933u /* "cvi3": of this layout */

/*
 * Compiled rules, as packets look them up: stands at cell 0 of a bank, which has one while a
 * generation of it is live. What is in it only grows: flags and dirs may say more than is needed.
 */
struct cv_image {
	__u32 magic; /* CV_IMAGE_MAGIC */
	__u32 flags; /* CV_RULES_NEED_* */
	__u64 netns_cookie; /* owners of sockets of another network namespace are not asked */
	__u32 dirs; /* a bit for each enum cv_direction in which some record is asked */
	__u32 roots[CV_ROOT_COUNT]; /* cells of struct cv_root; 0: no record is in it */
	__u32 sets; /* cell of the table of sets */
	__u32 set_count;
	/* From here on for user space. */
	__u32 used_cells;
	__u32 garbage_cells; /* that nothing leads to any more */
	__u32 entries; /* cell of the first struct cv_rule_entry */
	__u32 entry_room;
	__u32 entry_count; /* used, with those of rules that are gone */
	__u32 order_gap; /* rules that were built have its multiples as orders */
	__u32 order_end; /* the last of these */
	__u32 orders; /* cell of the newest struct cv_order_chunk */
	__u32 rule_count; /* live ones */
	__u32 record_count; /* with those that are dead */
	__u32 built_count; /* records when the image was built */
	__u32 steps; /* that the worst packet may take */
	__u16 generation; /* newest that was committed */
	__u16 is_open; /* 1: a change was begun; if nobody is at it, build the image anew */
	__u32 names; /* where the next name may stand, as in cv_rule_cell.name */
	__u32 names_end;
	__u8 pad[24];
};
_Static_assert(sizeof(struct cv_image) == 128, "cv_image is map ABI");

/*
 * A rule of the image, for user space: a hash table by name, in which the next entry is tried if one
 * is taken. Rules that are gone stay.
 */
struct cv_rule_entry {
	__u32 rule; /* cell of struct cv_rule_cell; 0: free */
	/* Where its records are: one place, a cell of struct cv_place_chunk, or nowhere (0).
	 *   place: 1 : 1 | tuple : 6 | enum cv_root_index : 2 | slot : 23
	 *   chunk: 0 : 1 | cell : 31 */
	__u32 places;
};
_Static_assert(sizeof(struct cv_rule_entry) == 8, "cv_rule_entry is map ABI");
#define CV_PLACE(root, tuple, slot) (1u << 31 | (__u32)(tuple) << 25 | (__u32)(root) << 23 | (slot))
#define CV_PLACE_IS_ONE(places) ((places) >> 31)
#define CV_PLACE_TUPLE(place) ((place) >> 25 & 63)
#define CV_PLACE_ROOT(place) ((place) >> 23 & 3)
#define CV_PLACE_SLOT(place) ((place) & (CV_MAX_SLOTS - 1))
#define CV_MAX_SLOTS (1u << 23) /* of one tuple */

#define CV_PLACE_CHUNK 7
struct cv_place_chunk {
	__u32 next; /* cell; 0: no more */
	__u32 places[CV_PLACE_CHUNK]; /* 0: free */
};
_Static_assert(sizeof(struct cv_place_chunk) == CV_CELL_BYTES, "cv_place_chunk is a cell");

/* Orders of rules that came into an image that was there, in no order; the next chunk is older. */
#define CV_ORDER_CHUNK 7
struct cv_order_chunk {
	__u32 next; /* cell; 0: no more */
	__u32 orders[CV_ORDER_CHUNK]; /* 0: free */
};
_Static_assert(sizeof(struct cv_order_chunk) == CV_CELL_BYTES, "cv_order_chunk is a cell");

/*
 * Pruning words: which tuples can have a record for a packet, as far as one of its fields says. A bit
 * that is clear is certain, one that is set is not. Word i is the (i % 4)-th of cell + i / 4. Words of
 * addresses and protocols of a root lie in one segment, and so do words of ports.
 */
struct cv_words {
	__u64 any; /* bits that all words have beside their own */
	__u32 cell; /* of the first word */
	__u16 mask; /* number of words - 1 */
	/* IPv6: a word is chosen by a hash of the first 64 - shift bits, or of all 128. */
	__u8 shift;
	__u8 has_low; /* 1: all of them */
};
_Static_assert(sizeof(struct cv_words) == 16, "cv_words is map ABI");

/* By how many of its first bits, or by which, a word of an address is chosen; IPv4 and IPv6. */
#define CV_ADDR_WORDS 3

/* Words of ports: the block of a port is named by the number at port / CV_PORT_BLOCK in a list of
 * 16-bit numbers at cv_words.cell; word port % CV_PORT_BLOCK of that block is the port's. Blocks
 * stand one after the other behind the list. */
#define CV_PORT_BLOCK 64
#define CV_PORT_BLOCKS (65536 / CV_PORT_BLOCK)
#define CV_MAX_PORT_BLOCKS 250 /* that differ */
#define CV_PORT_LIST_CELLS (CV_PORT_BLOCKS * 2 / CV_CELL_BYTES)
#define CV_PORT_BLOCK_CELLS (CV_PORT_BLOCK * 8 / CV_CELL_BYTES)

/* Stands before its tuples, which come one a cell. */
struct cv_root {
	struct cv_words src[CV_ADDR_WORDS];
	struct cv_words dst[CV_ADDR_WORDS];
	struct cv_words sport; /* mask: number of blocks */
	struct cv_words dport;
	struct cv_words proto; /* by its low bits */
	__u64 no_ports; /* tuples with records that do not ask for ports */
	__u64 dirs[4]; /* by enum cv_direction */
	__u32 tuple_count;
	__u8 src_shift; /* IPv4: src[0] is by the bits from that one on, unhashed */
	__u8 dst_shift;
	__u8 pad[2];
	__u8 bit_numbers[64]; /* number of a bit b: at b * CV_BIT_FACTOR >> 58 */
};
_Static_assert(sizeof(struct cv_root) == 256, "cv_root is map ABI");
#define CV_BIT_FACTOR 0x03f79d71b4cb0a89ull /* de Bruijn: all of its six bits in a row differ */
#define CV_ROOT_CELLS (sizeof(struct cv_root) / CV_CELL_BYTES)

/*
 * Records whose conditions are all as exact as these masks say, or more so. A slot is chosen by a
 * hash of what of the packet is under the masks: 32 bits, the cell of the first record of a bucket
 * (0: none) and above it a bit or more that say by another part of the hash which keys it has.
 */
struct cv_tuple {
	__u32 slots; /* cell of the first slot */
	__u32 slot_mask; /* number of slots - 1 */
	__u32 best; /* no record of it or of a tuple behind it has a lower order */
	__u32 src_mask; /* host order; IPv6: number of bits */
	__u32 dst_mask;
	__u32 ports_mask; /* source ports in the upper half */
	__u32 proto_mask;
	__u32 steps; /* that its longest bucket may take */
};
_Static_assert(sizeof(struct cv_tuple) == CV_CELL_BYTES, "cv_tuple is a cell");
#define CV_SLOT_BLOOM_BITS (32 - CV_ARENA_CELL_BITS)

/* What of a packet, or of a record, is hashed. */
struct cv_tuple_key {
	__u64 src_high; /* host order; IPv4: 0 */
	__u64 src_low;
	__u64 dst_high;
	__u64 dst_low;
	__u32 ports; /* source port in the upper half */
	__u32 proto;
};

#define CV_HASH_1 0x9e3779b97f4a7c15ull
#define CV_HASH_2 0xc2b2ae3d27d4eb4full
#define CV_HASH_3 0x165667b19e3779f9ull
#define CV_HASH_4 0xd6e8feb86659fd93ull

/* The slot is chosen by CV_HASH_SLOT of it, the bit above its cell by CV_HASH_BLOOM. */
static inline __attribute__((always_inline)) __u64 cv_tuple_hash4(__u32 src, __u32 dst, __u32 ports,
								  __u32 proto)
{
	__u64 hash = ((__u64)src << 32 | dst) * CV_HASH_1;

	hash = ((hash ^ hash >> 32) + ((__u64)ports << 32 | proto)) * CV_HASH_2;
	return hash ^ hash >> 29;
}

static inline __attribute__((always_inline)) __u64 cv_tuple_hash6(const struct cv_tuple_key *key)
{
	__u64 src = key->src_high * CV_HASH_1 + key->src_low * CV_HASH_3;
	__u64 dst = key->dst_high * CV_HASH_2 + key->dst_low * CV_HASH_4;
	__u64 hash = (src ^ src >> 32) * CV_HASH_2 + (dst ^ dst >> 32);

	hash = ((hash ^ hash >> 32) + ((__u64)key->ports << 32 | key->proto)) * CV_HASH_1;
	return hash ^ hash >> 29;
}

#define CV_HASH_SLOT(hash) ((__u32)((hash) >> 32))
#define CV_HASH_BLOOM(hash)                                                                        \
	(1u << (CV_ARENA_CELL_BITS + (((hash)&0xffff) * CV_SLOT_BLOOM_BITS >> 16)))
/* Of a number that a pruning word is chosen by. */
#define CV_HASH_WORD(number) ((__u32)((__u64)(number)*CV_HASH_1 >> 40))
/* The number for the words of an IPv6 address. */
#define CV_ADDR_NUMBER(words, high, low)                                                           \
	(((high) >> (words)->shift) + (low)*CV_HASH_3 * (words)->has_low)
#define CV_PROTO_WORDS 64 /* chosen by the low bits */
#define CV_WORD_BITS_IPV4 24 /* src[1] and dst[1] are by a hash of so many bits */

/*
 * A conjunction of conditions. A bucket is a run of records in ascending order; the last one has
 * CV_RECORD_LAST, or a cell with CV_RECORD_JUMP says where the run goes on. A record takes one cell;
 * one of IPv6 has struct cv_record6 behind it, and one with CV_RECORD_EXTRA its struct cv_extra
 * behind all that. It holds for packets of generations from born to dead - 1.
 */
struct cv_record {
	__u32 rule; /* cell of its struct cv_rule_cell; above it CV_RECORD_* */
	__u32 order; /* of the rule */
	__u16 born;
	__u16 dead; /* CV_GENERATION_NEVER: it lives */
	__u8 src_bits; /* length of the prefix */
	__u8 dst_bits;
	__u8 proto;
	__u8 dirs; /* a bit for each enum cv_direction */
	__u16 sport_min; /* 0 to 65535 without CV_RECORD_PORTS */
	__u16 sport_max;
	__u16 dport_min;
	__u16 dport_max;
	union {
		struct {
			__u32 src; /* host order; bits behind the prefix are zero */
			__u32 dst;
		};
		__u64 src_high; /* IPv6 */
	};
};
_Static_assert(sizeof(struct cv_record) == CV_CELL_BYTES, "cv_record is a cell");

struct cv_record6 {
	__u64 src_low;
	__u64 dst_high;
	__u64 dst_low;
	__u64 pad;
};
_Static_assert(sizeof(struct cv_record6) == CV_CELL_BYTES, "cv_record6 is a cell");

#define CV_RECORD_CELL(word) ((word) & ((1u << CV_ARENA_CELL_BITS) - 1))
#define CV_RECORD_LAST (1u << 22) /* the run ends with it */
#define CV_RECORD_JUMP (1u << 23) /* no record: the run goes on at that cell */
#define CV_RECORD_EXTRA (1u << 24)
#define CV_RECORD_PORTS (1u << 25)
#define CV_RECORD_PROTO (1u << 26)
#define CV_RECORD_FAMILY (1u << 27) /* of one family alone */
#define CV_RECORD_LINK (1u << 28) /* frames that are no IP are meant, too */
#define CV_RECORD_SRC (1u << 29) /* asks for an address, if only for one of 0 bits */
#define CV_RECORD_DST (1u << 30)

/* What a rule does to a packet that marks it, gives it a priority, passes it, and does nothing else:
 * then its cell need not be read. Members as in struct cv_rule_cell. */
struct cv_plain {
	__u32 id;
	__u32 mark;
	__u32 mark_mask;
	__u32 priority;
	__u16 flags;
	__u8 verdict;
	__u8 is_known; /* 0: see the cell */
	__u32 pad;
};
_Static_assert(sizeof(struct cv_plain) == 24, "cv_plain is map ABI");

/*
 * What rule packets like this one met, of one CPU: only programs that run on it read or write it. All
 * that conditions ask for is compared, so a line is never taken for another; what no rule needs is
 * not read of a packet, and is zero. For another number of changes (cv_live) a line says nothing.
 */
struct cv_cache_line {
	/*
	 *   [0]: sport : 16 | dport : 16 | proto : 8 | DSCP and ECN : 8 | TCP flags : 8 | CV_CACHE_* : 8
	 *   [1]: ifindex : 32 | mark : 32
	 *   [2]: app : 32 | VLAN id : 16 | app is exact : 1 | tunnel : 15
	 *
	 * ICMP has type and code in place of dport.
	 */
	__u64 fields[3];
	__u32 changes; /* as in cv_live.word */
	__u32 cell; /* of the first rule that it met; 0: it met none */
	__be32 src; /* IPv6: first word */
	__be32 dst;
	union {
		struct {
			__be32 src[3];
			__be32 dst[3];
		} rest; /* IPv6 */
		struct cv_plain plain; /* IPv4 */
	};
};
_Static_assert(sizeof(struct cv_cache_line) == 64, "cv_cache_line is map ABI");
#define CV_CACHE_DIR(dir) (dir) /* 2 bits */
#define CV_CACHE_IPV4 (1 << 2) /* a line without one of these is empty */
#define CV_CACHE_IPV6 (1 << 3)
#define CV_CACHE_PORTS (1 << 4)
#define CV_CACHE_FRAGMENT (1 << 5)
#define CV_CACHE_TCP (1 << 6)
#define CV_CACHE_ICMP (1 << 7)

/* A packet's line is one of two that stand side by side. */
#define CV_CACHE_BITS 15
#define CV_CACHE_LINES (1u << CV_CACHE_BITS)
#define CV_CACHE_WINDOW 4096 /* packets after which is seen whether it pays; power of 2 */
#define CV_CACHE_PAYS (CV_CACHE_WINDOW / 4) /* that many of them must be found */
#define CV_CACHE_REST (16 * CV_CACHE_WINDOW) /* packets for which it rests if it does not pay */

/* The one element of the array behind CV_MAP_CACHES[CPU]; CPUs without one search for every packet. */
struct cv_cache {
	__u64 asked; /* packets */
	__u64 hits;
	__u64 window_hits; /* hits when the window began */
	__u32 rest; /* packets that it is not asked for yet */
	__u32 pad[9];
	struct cv_cache_line lines[CV_CACHE_LINES];
};
_Static_assert(sizeof(struct cv_cache) == 64 + 64 * CV_CACHE_LINES, "cv_cache is map ABI");

/* What met the rule of an id. */
struct cv_rule_stats {
	__u64 packets;
	__u64 bytes; /* from the IP header on */
	__u64 last_ns; /* CLOCK_MONOTONIC of the last packet, as fine as the kernel's tick; 0: none came */
	__u64 pad;
};
_Static_assert(sizeof(struct cv_rule_stats) == 32, "cv_rule_stats is map ABI");

#define CV_COUNTS_WAITING 16 /* power of 2 */

/*
 * The last packets of one CPU, which are not in their rules' counters yet. Of many rules each has its
 * counters in a place that no cache of the CPU holds: many of these are waited for in the time of one.
 * All that wait came in the same tick of the kernel. Who reads counters adds what waits for them, and
 * begins anew if turns is odd, or has changed meanwhile.
 */
struct cv_waiting {
	__u64 turns; /* raised when those that wait are about to be counted, and when they are */
	__u64 tick; /* of the kernel's, in which they came */
	__u64 last_ns; /* cv_rule_stats.last_ns for them */
	__u64 count;
	__u64 pad[4];
	__u64 packets
		[CV_COUNTS_WAITING]; /* 1 + id of the rule : 32 | bytes : 32; 0: none waits there */
};
_Static_assert(sizeof(struct cv_waiting) == 64 + 8 * CV_COUNTS_WAITING, "cv_waiting is map ABI");

/*
 * Counters of some rules on one CPU. The slot of CV_MAP_RULE_STATS that rule_id / CV_STATS_RULES says
 * has an array of them, an element a CPU; a slot whose array is that of the first slot stands empty.
 * Behind a slot that was never set none ever was.
 */
#define CV_STATS_RULES_BITS 10
#define CV_STATS_RULES (1u << CV_STATS_RULES_BITS)
#define CV_STATS_CHUNKS 2048
struct cv_stats_chunk {
	struct cv_rule_stats rules[CV_STATS_RULES];
	struct cv_waiting waiting; /* in the array of the first slot; in others there are none */
};
_Static_assert(sizeof(struct cv_stats_chunk) == 32768 + 192, "cv_stats_chunk is map ABI");
_Static_assert(CV_MAX_RULE_IDS <= CV_STATS_CHUNKS * CV_STATS_RULES, "every rule can be counted");

/* A packet that a rule has sampled: a record of the ring CV_MAP_EVENTS. */
struct cv_event {
	__u64 time_ns; /* CLOCK_BOOTTIME */
	char rule[CV_NAME_LEN]; /* ends with a zero, behind which may be anything */
	__u32 rule_id;
	__u32 ifindex;
	__u32 mark;
	__u32 app; /* CV_APP_NONE also where no rule of that direction asks for apps */
	__u32 tunnel; /* it was taken out of; 0: none */
	__u32 len_bytes; /* of the frame, Ethernet header included; a GSO packet counts once */
	__u16 captured_bytes; /* of bytes */
	__u8 dir; /* CV_DIR_IN or CV_DIR_OUT */
	__u8 owner_source; /* enum cv_owner_source */
	__u8 pad[4];
	__u8 bytes[CV_EVENT_BYTES]; /* from the Ethernet header on; zero behind captured_bytes */
};
_Static_assert(sizeof(struct cv_event) == 72 + CV_EVENT_BYTES, "cv_event is map ABI");

#define CV_DEV_INGRESS (1 << 0)
#define CV_DEV_EGRESS (1 << 1)
#define CV_DEV_CLSACT_OURS (1 << 2) /* culvert made the clsact qdisc, and may remove it */
#define CV_DEV_SRC_VALID_MARK (1 << 3) /* culvert set that sysctl, which was 0 */
#define CV_DEV_CLSACT (1 << 4) /* its filters may stand on clsact; always, with none of both bits */
#define CV_DEV_TCX (1 << 5) /* its links may be on tcx */

/* Value of CV_MAP_DEVS, by ifindex: the ledger of what is attached. */
struct cv_dev {
	char name[16]; /* IFNAMSIZ */
	__u32 flags; /* CV_DEV_* */
	__u32 prio; /* of the tc filters */
	__u16 old_prio; /* while they move: where they may stand still; else 0 */
	__u16 old_handle;
	__u32 handle; /* of the tc filters; 0: 0xc1 */
};
_Static_assert(sizeof(struct cv_dev) == 32, "cv_dev is map ABI");

#define CV_HOST_OUTER (1 << 0) /* CV_MAP_APPS[0] is there */

/* What the socket hooks have to know of the host: the one element of CV_MAP_HOST. */
struct cv_host {
	__u64 hash_key[2]; /* random: nobody can make a path that hashes as another does */
	__u64 root_inode; /* of the root directory in whose mount namespace paths are meant */
	__u64 cgroup_root_id; /* of the directory on which cgroup2 is mounted */
	__u32 root_dev; /* kernel encoding: MAJOR << 20 | MINOR */
	__u32 cgroup_root_level; /* its depth in the whole hierarchy */
	__u32 user_namespace; /* inode number of the one that mount namespaces must belong to */
	__u32 flags; /* CV_HOST_* */
	__u32 refused_hooks; /* by this kernel, as bits: for the tool that attached the hooks */
	__u32 pad;
	char hooks_build[CV_BUILD_LEN]; /* version of that tool */
};
_Static_assert(sizeof(struct cv_host) == 88, "cv_host is map ABI");

/* How the kernel sees a file that a process has open: what cv_iter_files (bpf/self.bpf.c) writes. */
struct cv_host_file {
	__u32 fd;
	__u32 dev; /* kernel encoding: MAJOR << 20 | MINOR */
	__u64 inode;
	__u64 ctime_ns;
};
_Static_assert(sizeof(struct cv_host_file) == 24, "cv_host_file is map ABI");

#define CV_APP_EXE (1 << 0) /* exe_hash or exe_inode */
#define CV_APP_GLOB (1 << 1) /* the path of the executable is like glob */
#define CV_APP_PINNED (1 << 2) /* exe_inode alone, unchanged since exe_ctime_ns (exe-sha256) */
#define CV_APP_UNIT (1 << 3)
#define CV_APP_CGROUP (1 << 4)
#define CV_APP_PARENT (1 << 5)
#define CV_APP_UID (1 << 6)
#define CV_APP_GID (1 << 7)
#define CV_APP_COMM (1 << 8)
#define CV_APP_NETNS (1 << 9) /* netns_cookie */
#define CV_APP_SCRIPT (1 << 10) /* exe is a script: an interpreter runs it */
#define CV_APP_GATE (1 << 11) /* held back while it is not routed */
#define CV_APP_ROUTED (1 << 12) /* of a set: some app of it has a mark */

#define CV_APP_NOBODY 0xffffffffffffffffULL /* inode of what does not exist (yet) */

/*
 * One application: all conditions in flags must hold for the task that uses the socket.
 *
 * Paths are told by their hash: SipHash-1-3 with cv_host.hash_key of the text without its closing
 * zero, "/usr/bin/curl". That of a cgroup is chained: hash of the last name, keyed with
 * { hash of the path above it, hash_key[1] }, where the path of cgroup_root is hash_key[0]. That of
 * a unit is the hash of its name.
 */
struct cv_app {
	char name[CV_NAME_LEN];
	char comm[CV_COMM_LEN]; /* zero-padded */
	__u64 exe_hash;
	__u64 exe_inode;
	__u64 exe_ctime_ns;
	__u64 unit_hash;
	__u64 cgroup_hash;
	__u64 parent_hash;
	__u64 netns_cookie; /* of the socket's network namespace */
	__u32 exe_dev; /* kernel encoding: MAJOR << 20 | MINOR */
	__u32 uid_min;
	__u32 uid_max;
	__u32 gid_min;
	__u32 gid_max;
	__u32 id; /* never reused in an instance; 0 is CV_APP_NONE */
	__u32 mark; /* bits for its sockets, inside the mark mask; 0: not routed */
	__u32 flags; /* CV_APP_* */
	__u16 next; /* 1 + index of the next app in the same bucket; 0: the last */
	__u16 next_inode; /* the same in inode_buckets */
	__u16 glob; /* index of it in cv_app_set.globs */
	__u16 cgroup_depth; /* of the cgroup below cgroup_root, which has 0 */
};
_Static_assert(sizeof(struct cv_app) == 144, "cv_app is map ABI");

#define CV_MAX_GLOBS 64

/*
 * The apps of one network namespace, most specific first: the one element of the array behind
 * CV_MAP_APPS[netns cookie]. The first whose conditions all hold is the one.
 *
 * They come in classes, in this order: with an executable, with a glob, with a unit, with a cgroup,
 * all others. Those with an executable, a unit or a cgroup are found through buckets, by
 * the low bits of that hash: 1 + index of the first one, 0: none. Those of the
 * other two classes are asked one after the other.
 *
 * CV_MAP_APPS[0] has the apps of sockets in other network namespaces than the instance's own: one
 * instance of the host can have such apps.
 */
struct cv_app_set {
	__u32 generation; /* an owner record with another one is resolved anew */
	__u32 count;
	__u32 mark_mask;
	__u32 next_id; /* for the next new app */
	__u32 flags; /* CV_APP_* of all apps together: what has to be known of a task */
	__u32 first_glob; /* index of the first app of the class */
	__u32 first_unit;
	__u32 first_cgroup;
	__u32 first_other;
	__u32 pad;
	__u64 netns_cookie; /* of the instance */
	__u16 exe_buckets[CV_APP_BUCKETS]; /* by exe_hash */
	__u16 inode_buckets[CV_APP_BUCKETS]; /* by exe_inode */
	__u16 unit_buckets[CV_APP_BUCKETS];
	__u16 cgroup_buckets[CV_APP_BUCKETS];
	struct cv_app apps[CV_MAX_APPS];
	char globs[CV_MAX_GLOBS][CV_MAX_GLOB];
};
_Static_assert(sizeof(struct cv_app_set) ==
		       48 + 8 * CV_APP_BUCKETS + 144 * CV_MAX_APPS + CV_MAX_GLOBS * CV_MAX_GLOB,
	       "cv_app_set is map ABI");

/* How an owner is known, and whether exactly: the process itself was seen doing it. */
#define CV_OWNER_SOURCES(X)                                                                        \
	X(NONE, "none", 0) /* there is no record */                                                \
	X(CREATE, "create", 1) /* made or bound the socket */                                      \
	X(CONNECT, "connect", 1)                                                                   \
	X(ACCEPT, "accept", 1)                                                                     \
	X(SEND, "send", 1)                                                                         \
	X(RECV, "recv", 1)                                                                         \
	X(EXEC, "exec", 1) /* used a socket that its process had before it became this program */  \
	X(LISTEN, "listener", 0) /* whoever listens on the socket that it came in by */            \
	X(BACKFILL, "backfill", 0) /* had it open when the app was added */                        \
	X(COOKIE, "cookie", 0) /* closed: who had it before */                                     \
	X(FLOW, "flow", 0) /* as the first fragment, or the request that this answers */

enum cv_owner_source {
#define CV_OWNER_SOURCE_ENUM(name, key, exact) CV_OWNER_##name,
	CV_OWNER_SOURCES(CV_OWNER_SOURCE_ENUM)
#undef CV_OWNER_SOURCE_ENUM
		CV_OWNER_SOURCE_COUNT
};

/* Sources that are exact, as bits. */
#define CV_OWNER_EXACT_BIT(name, key, exact) | (exact) << CV_OWNER_##name
#define CV_OWNER_EXACT (0 CV_OWNER_SOURCES(CV_OWNER_EXACT_BIT))
#define CV_OWNER_IS_EXACT(source) (CV_OWNER_EXACT >> (source)&1)

/* Who owns a socket: value of CV_MAP_OWNERS (socket storage, copied to accepted sockets). Sockets
 * that no app can be asked about, and TCP and UDP sockets that are not used yet, have none. */
struct cv_owner {
	__u32 app; /* of the instance of the socket's network namespace; CV_APP_NONE: no app */
	__u32 generation; /* of the app set that said so */
	__u32 tgid; /* process that was last seen using it, in the initial pid namespace */
	__u32 mark; /* what was put into the socket's mark */
	__u64 netns_cookie; /* of the socket */
	__u64 exec_id; /* of that process and the program that it is: another one after each exec */
	__u64 cgroup_id; /* of that process */
	__u64 outer_cookie; /* another instance that knows the socket too; 0: none does */
	__u32 outer_app; /* its app */
	__u32 outer_generation; /* of CV_MAP_APPS[0] */
	__u32 uid;
	__u8 source; /* enum cv_owner_source */
	__u8 fill; /* CV_FILL_*: of a backfill that is at work */
	__u8 pad[2];
};
_Static_assert(sizeof(struct cv_owner) == 64, "cv_owner is map ABI");

/* The record that a closed TCP socket has left, for what is left of it in TIME_WAIT: value of
 * CV_MAP_CLOSED, at the low bits of the socket's cookie. */
struct cv_closed {
	__u64 cookie; /* of the socket; another one: it has been forgotten */
	struct cv_owner owner;
};
_Static_assert(sizeof(struct cv_closed) == 72, "cv_closed is map ABI");

#define CV_FILL_FRESH (1 << 0) /* this backfill wrote the record */
#define CV_FILL_UNMARK (1 << 1) /* the socket has bits of a mark that its app had before */

/* A socket whose mark only user space can change: what cv_fill_marks (bpf/backfill.bpf.c) writes. */
struct cv_fill_mark {
	__u64 cookie; /* of the socket: the descriptor may be another one's by now */
	__u32 pid; /* of a task that has it open, in the pid namespace of the reader */
	__u32 fd; /* in that task */
	__u32 mark; /* the whole mark that it is to have */
	__u8 is_thread; /* 1: pid is a thread with descriptors of its own */
	__u8 is_unmark; /* 1: it is to lose one */
	__u8 pad[2];
};
_Static_assert(sizeof(struct cv_fill_mark) == 24, "cv_fill_mark is map ABI");

/* What was found out about a task, for its next sockets: value of CV_MAP_TASKS (task storage). Holds
 * while all members above app are those of the task. Not for other people's programs. */
struct cv_task {
	__u64 exec_id;
	__u64 netns_cookie; /* of the socket that was asked for */
	__u64 cgroup_id;
	char comm[CV_COMM_LEN];
	__u32 generation;
	__u32 outer_generation;
	__u32 uid;
	__u32 gid;
	__u32 app;
	__u32 mark;
	__u32 old_mark; /* what its sockets were born with before */
	__u32 outer_app;
	__u64 outer_cookie;
};
_Static_assert(sizeof(struct cv_task) == 80, "cv_task is map ABI");

/* What a process descends from: value of CV_MAP_LINEAGES (task storage), handed down at fork. Hashes
 * of paths, 0: none that can be told. Not for other people's programs. */
struct cv_lineage {
	__u64 exe; /* what it runs */
	__u64 script; /* what that interprets */
	__u32 is_env; /* that is env: the program that it becomes is the interpreter */
	__u32 count; /* of executables and scripts before, the forgotten included */
	__u64 parents[CV_MAX_LINEAGE]; /* these, each once, in a ring */
};
_Static_assert(sizeof(struct cv_lineage) == 24 + 8 * CV_MAX_LINEAGE, "cv_lineage is map ABI");

/* What is gathered of a task that is being identified: a value of CV_MAP_SCRATCH, taken for a
 * moment. Not for other people's programs. */
struct cv_scratch {
	__u32 is_taken;
	__u32 exe_dev;
	__u64 exe_inode;
	__u64 exe_ctime_ns;
	__u64 exe_hashes[2]; /* of the executable, and of the script that it runs; 0: not known */
	__u64 unit_hashes[CV_MAX_CGROUP_DEPTH]; /* 0: no unit of the system at that depth */
	__u64 cgroup_hashes[CV_MAX_CGROUP_DEPTH]; /* [0]: of the root */
	__u32 depth_count; /* of these two */
	__u32 uid;
	__u32 gid;
	__u32 path; /* where the path of the executable begins in text */
	char comm[CV_COMM_LEN];
	struct cv_lineage lineage;
	char text[2 * CV_MAX_PATH]; /* what is a path ends at CV_MAX_PATH */
};
_Static_assert(sizeof(struct cv_scratch) ==
		       72 + 16 * CV_MAX_CGROUP_DEPTH + sizeof(struct cv_lineage) + 2 * CV_MAX_PATH,
	       "cv_scratch is map ABI");

/*
 * Key of CV_MAP_FLOWS: packets that say less of themselves than one before them did. CV_FLOW_FRAGMENT:
 * a packet that arrives in fragments, of which only the first shows ports; id as in cv_pkt, and
 * proto 0 for IPv6. CV_FLOW_PING: source, destination and id of the echo reply that is awaited.
 */
struct cv_flow_key {
	__be32 src[4];
	__be32 dst[4];
	__be32 id;
	__u8 kind; /* CV_FLOW_* */
	__u8 family;
	__u8 proto;
	__u8 pad;
};
_Static_assert(sizeof(struct cv_flow_key) == 40, "cv_flow_key is map ABI");
#define CV_FLOW_FRAGMENT 1
#define CV_FLOW_PING 2

/* Whose they are: value of CV_MAP_FLOWS. Packets of no app have none. */
struct cv_flow {
	__u64 seen_ns; /* CLOCK_BOOTTIME, of the packet that said it */
	__u32 app;
	__u32 pad;
};
_Static_assert(sizeof(struct cv_flow) == 16, "cv_flow is map ABI");

#define CV_LOCAL_BITS 6

/* An address that was this host's a moment ago: value of CV_MAP_LOCALS, per CPU, at a hash of the
 * address. Not for other people's programs. */
struct cv_local {
	__be32 addr[4];
	__u64 seen_jiffies; /* when the routing tables said so */
	__u32 ifindex; /* of the device that the packet came in by */
	__u8 family;
	__u8 pad[3];
};
_Static_assert(sizeof(struct cv_local) == 32, "cv_local is map ABI");

/* Key of CV_MAP_GATES: packets of this app do not leave. Value: __u64 a CPU, how many were dropped. */
struct cv_gate_key {
	__u64 netns_cookie;
	__u32 app;
	__u32 pad;
};
_Static_assert(sizeof(struct cv_gate_key) == 16, "cv_gate_key is map ABI");

/*
 * An open socket, or a TCP socket in TIME_WAIT: what the iterators of sockets.bpf.c write for each.
 * Not for other people's programs.
 */
struct cv_socket {
	__be32 local[4]; /* zeros: any */
	__be32 remote[4]; /* zeros: not connected */
	struct cv_owner owner; /* source CV_OWNER_NONE: there is no record */
	__u32 mark;
	__u32 ifindex; /* of the device that it is bound to; 0: none */
	__u16 local_port; /* of TCP and UDP, as are all ports */
	__u16 remote_port;
	__u8 family; /* of its packets: 4 or 6 */
	__u8 takes_ipv4; /* IPv6, bound to no address, and not closed to IPv4 */
	__u8 proto;
	__u8 is_listener; /* of TCP */
};
_Static_assert(sizeof(struct cv_socket) == 48 + sizeof(struct cv_owner), "cv_socket is read whole");

#define CV_GUARD_FROM (1 << 0) /* the source is in one of the prefixes */
#define CV_GUARD_TUNNEL (1 << 1) /* it was taken out of that tunnel */
#define CV_GUARD_MARK (1 << 2)
#define CV_GUARD_DROP (1 << 3) /* packets for which all conditions hold are dropped, not passed */
#define CV_GUARD_COUNT (1 << 4) /* packets that pass are counted */

struct cv_guard_source {
	__be32 addr[4];
	__be32 mask[4];
};
_Static_assert(sizeof(struct cv_guard_source) == 32, "cv_guard_source is map ABI");

/*
 * The guard of one route on one hook: which packets may pass, and whether they are counted. Value of
 * CV_MAP_GUARDS, at the id that its program was loaded with. A guard never changes: another one gets
 * another id.
 */
struct cv_guard {
	__be32 to[4]; /* the route: prefix, table and metric */
	__u32 table;
	__u32 metric;
	__u32 generation; /* of the instance when it was made */
	__u32 tunnel; /* CV_GUARD_TUNNEL: id */
	__u32 mark; /* CV_GUARD_MARK: packet mark & mark_mask */
	__u32 mark_mask;
	__u8 family; /* of the route: 4 or 6; 0: no guard has this id */
	__u8 to_bits;
	__u8 hook; /* LWT_BPF_IN or LWT_BPF_OUT of linux/lwtunnel.h */
	__u8 flags; /* CV_GUARD_* */
	__u32 source_count;
	struct cv_guard_source sources[CV_MAX_GUARD_SOURCES];
};
_Static_assert(sizeof(struct cv_guard) == 48 + 32 * CV_MAX_GUARD_SOURCES, "cv_guard is map ABI");

/*
 * Per CPU, at the guard's id. Lengths are those of IP packets; a GSO or GRO packet counts once, with
 * its whole length. lengths[0] has those below 64 bytes, lengths[i] those from 32 << i to
 * (64 << i) - 1, the last one all that are longer.
 */
struct cv_guard_stats {
	__u64 packets; /* that passed */
	__u64 bytes;
	__u64 dropped;
	__u64 lengths[CV_LENGTH_BUCKETS];
};
_Static_assert(sizeof(struct cv_guard_stats) == 24 + 8 * CV_LENGTH_BUCKETS,
	       "cv_guard_stats is map ABI");

/*
 * The name of a route's program, all that the kernel reports back of it:
 * culvert/ABI/HOOK/TUNNEL/GENERATION, with @ID in place of a tunnel for the program of a guard. The kernel compares programs of two routes by this name
 * alone, so it must differ whenever the program does.
 */
#define CV_ROUTE_NAME_FORMAT "culvert/%u/%s/%s/%u"
#define CV_ROUTE_NAME_LEN 96

#endif
