/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow cache: what rule packets like this one met is remembered per CPU (abi.h: struct cv_cache).
 * Programs run with bottom halves off, on tc hooks and in routes alike, so on one CPU none comes
 * between another's reading or writing of a line.
 */
#ifndef CV_CACHE_H
#define CV_CACHE_H

#include "action.h"
#include "arena.h"
#include "count.h"
#include "field.h"
#include "maps.h"
#include "packet.h"

_Static_assert(CV_MAX_TUNNELS <= 1 << 15 && CV_DIR_COUNT <= 4,
	       "they fit into cv_cache_line.fields");

static __always_inline __u32 cv_cache_bits(const struct cv_pkt *pkt, __u32 dir)
{
	return CV_CACHE_DIR(dir) | (pkt->family == 4 ? CV_CACHE_IPV4 : CV_CACHE_IPV6) |
	       pkt->has_ports * CV_CACHE_PORTS | pkt->is_fragment * CV_CACHE_FRAGMENT |
	       pkt->has_tcp * CV_CACHE_TCP | pkt->has_icmp * CV_CACHE_ICMP;
}

/* Fills fields as struct cv_cache_line says. */
static __always_inline void cv_cache_fields(const struct cv_pkt *pkt, __u32 dir, __u64 *fields)
{
	__u64 ports = (__u32)pkt->sport << 16 | pkt->dport;

	ports |= (__u32)pkt->icmp_type << 8 | pkt->icmp_code; /* with ports there are none */
	fields[0] = ports << 32 | (__u64)pkt->proto << 24 | (__u32)pkt->tos << 16 |
		    (__u32)pkt->tcp_flags << 8 | cv_cache_bits(pkt, dir);
	fields[1] = (__u64)pkt->ifindex << 32 | pkt->mark;
	fields[2] = (__u64)pkt->app << 32 | (__u64)pkt->vlan << 16 | pkt->tunnel |
		    (__u32)CV_OWNER_IS_EXACT(pkt->owner_source) << 15;
}

static __always_inline __u64 cv_halves(const __be32 *words)
{
	return (__u64)words[0] << 32 | words[1];
}

static __always_inline __u64 cv_cache_hash(const struct cv_pkt *pkt, const __u64 *fields)
{
	__u64 hash = ((__u64)pkt->src[0] << 32 | pkt->dst[0]) * CV_HASH_1 + fields[0] * CV_HASH_2 +
		     (fields[1] ^ fields[2]) * CV_HASH_3;

	if (pkt->family == 6)
		hash += (cv_halves(pkt->src + 2) + pkt->src[1]) * CV_HASH_4 +
			(cv_halves(pkt->dst + 2) + pkt->dst[1]) * CV_HASH_3;
	return hash ^ hash >> 29;
}

/* a: of a line, behind the first word. */
static __always_inline __u64 cv_rest_differs(const __be32 *a, const __be32 *b)
{
	return (a[0] ^ b[1]) | (a[1] ^ b[2]) | (a[2] ^ b[3]);
}

/* This CPU's cache, or NULL if it has none. */
static __always_inline struct cv_cache *cv_cache_of_cpu(void)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	void *slot = bpf_map_lookup_elem(&CV_MAP_CACHES, &cpu);

	return slot ? bpf_map_lookup_elem(slot, &zero) : NULL;
}

/* Counts a packet. False if there is no cache, or it rests. */
static __always_inline bool cv_cache_ask(struct cv_cache *cache)
{
	if (!cache)
		return false;
	if (cache->rest) {
		cache->rest--;
		return false;
	}
	if (!(++cache->asked & (CV_CACHE_WINDOW - 1))) {
		if (cache->hits - cache->window_hits < CV_CACHE_PAYS)
			cache->rest = CV_CACHE_REST;
		cache->window_hits = cache->hits;
	}
	return true;
}

/* The first of the two lines that may be the packet's. */
static __always_inline struct cv_cache_line *
cv_cache_pair_of(struct cv_cache *cache, const struct cv_pkt *pkt, const __u64 *fields)
{
	return &cache->lines[cv_cache_hash(pkt, fields) >> (65 - CV_CACHE_BITS) << 1];
}

static __always_inline bool cv_cache_line_is(const struct cv_cache_line *line,
					     const struct cv_pkt *pkt, const __u64 *fields,
					     __u32 changes)
{
	if ((line->fields[0] ^ fields[0]) | (line->fields[1] ^ fields[1]) |
	    (line->fields[2] ^ fields[2]) | (line->changes ^ changes) | (line->src ^ pkt->src[0]) |
	    (line->dst ^ pkt->dst[0]))
		return false;
	return pkt->family == 4 || !(cv_rest_differs(line->rest.src, pkt->src) |
				     cv_rest_differs(line->rest.dst, pkt->dst));
}

/* The packet's line, or NULL. */
static __always_inline const struct cv_cache_line *
cv_cache_find(struct cv_cache *cache, const struct cv_pkt *pkt, __u64 live, __u32 dir)
{
	const struct cv_cache_line *pair;
	__u64 fields[3];

	cv_cache_fields(pkt, dir, fields);
	pair = cv_cache_pair_of(cache, pkt, fields);
	if (cv_cache_line_is(pair, pkt, fields, live >> 32))
		return pair;
	return cv_cache_line_is(pair + 1, pkt, fields, live >> 32) ? pair + 1 : NULL;
}

/* In place of a cell: the packet's is not known, and is to be kept, or need not be; or its rule was
 * obeyed, and the next filter decides, or none does. */
#define CV_CACHE_MISS 0xffffffffu
#define CV_CACHE_NONE 0xfffffffeu
#define CV_CACHE_NEXT 0xfffffffdu
#define CV_CACHE_ACCEPT 0xfffffffcu

/* True if packets with the same line meet the same rule. What an ICMP error quotes is in no line. */
static __always_inline bool cv_cache_can(const struct cv_image *image, const struct cv_pkt *pkt)
{
	return !(image->flags & CV_RULES_NO_CACHE) && pkt->family && !cv_quotes(pkt);
}

/* The line of packets like this one in that direction. NULL: unknown says why. */
static __always_inline const struct cv_cache_line *
cv_cache_known(const struct cv_pkt *pkt, __u64 live, __u32 dir, __u32 *unknown)
{
	struct cv_cache *cache = cv_cache_of_cpu();
	const struct cv_cache_line *line;

	*unknown = CV_CACHE_NONE;
	if (!pkt || !cv_cache_ask(cache))
		return NULL;
	*unknown = CV_CACHE_MISS;
	line = cv_cache_find(cache, pkt, live, dir);
	if (line)
		cache->hits++;
	return line;
}

/* The cell of the rule that packets like this one met in that direction, 0 for none, or
 * CV_CACHE_MISS or CV_CACHE_NONE. A global function, as the next two are: what they have on the stack
 * is gone when a rule is searched for, which takes nearly all that there is. */
__attribute__((noinline)) __u32 cv_cache_recall(const struct cv_pkt *pkt, __u64 live, __u32 dir)
{
	__u32 unknown;
	const struct cv_cache_line *line = cv_cache_known(pkt, live, dir, &unknown);

	return line ? line->cell : unknown;
}

/* Does what the rule says. Returns CV_CACHE_NEXT or CV_CACHE_ACCEPT. */
static __always_inline __u32 cv_plain_obey(struct __sk_buff *skb, const struct cv_pkt *pkt,
					   const struct cv_plain *plain)
{
	if (plain->flags & CV_ACTION_PRIORITY)
		skb->priority = plain->priority;
	if (plain->flags & CV_ACTION_MARK)
		skb->mark = (pkt->mark & ~plain->mark_mask) | plain->mark;
	cv_count_rule(plain->id, pkt->bytes);
	return plain->verdict == CV_VERDICT_ACCEPT ? CV_CACHE_ACCEPT : CV_CACHE_NEXT;
}

/* The same, but a rule that the line itself tells is obeyed: one place in memory less to wait for. */
__attribute__((noinline)) __u32 cv_cache_obey(struct __sk_buff *skb, const struct cv_pkt *pkt,
					      __u64 live, __u32 dir)
{
	__u32 unknown;
	const struct cv_cache_line *line = cv_cache_known(pkt, live, dir, &unknown);

	if (!pkt || !line)
		return unknown;
	return pkt->family == 4 && line->plain.is_known ? cv_plain_obey(skb, pkt, &line->plain)
							: line->cell;
}

/* Of the two the one that says nothing, or any. */
static __always_inline struct cv_cache_line *
cv_cache_choose(const struct cv_cache *cache, struct cv_cache_line *pair, __u32 changes)
{
	if (pair[0].changes != changes)
		return pair;
	return pair[1].changes != changes || cache->asked & 1 ? pair + 1 : pair;
}

static __always_inline void cv_plain_fill(struct cv_plain *plain, __u64 live, __u32 cell)
{
	const struct cv_rule_cell *rule = cv_rule_at(live, cell);

	plain->is_known = 0;
	if (!rule || !cv_is_plain(rule) || rule->verdict == CV_VERDICT_CONTINUE)
		return;
	plain->id = rule->id;
	plain->mark = rule->mark;
	plain->mark_mask = rule->mark_mask;
	plain->priority = rule->priority;
	plain->flags = rule->flags;
	plain->verdict = rule->verdict;
	plain->is_known = 1;
}

/* Remembers the cell for such packets, in place of whatever its line said. Returns 0. */
__attribute__((noinline)) int cv_cache_keep(const struct cv_pkt *pkt, __u64 live, __u32 dir,
					    __u32 cell)
{
	struct cv_cache *cache = cv_cache_of_cpu();
	struct cv_cache_line *line;
	__u64 fields[3];

	if (!pkt || !cache)
		return 0;
	cv_cache_fields(pkt, dir, fields);
	line = cv_cache_choose(cache, cv_cache_pair_of(cache, pkt, fields), live >> 32);
	line->fields[0] = fields[0];
	line->fields[1] = fields[1];
	line->fields[2] = fields[2];
	line->changes = live >> 32;
	line->cell = cell;
	line->src = pkt->src[0];
	line->dst = pkt->dst[0];
	if (pkt->family == 4) {
		cv_plain_fill(&line->plain, live, cell);
		return 0;
	}
	__builtin_memcpy(line->rest.src, pkt->src + 1, sizeof(line->rest.src));
	__builtin_memcpy(line->rest.dst, pkt->dst + 1, sizeof(line->rest.dst));
	return 0;
}

#endif
