/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rule engine's image (abi.h: struct cv_image): built of compiled rules, read back, and changed
 * in place while packets read it. bpf/engine.h looks packets up in it. Pure but for the memory that
 * the arena's source supplies: the same rules give the same cells.
 *
 * A bank is put to use like this:
 *
 *   cv_arena_init(&arena, &source); cv_engine_build(&arena, &rules, ...);
 *   the source's segments 0 to arena.segment_count - 1 go into the bank's slots;
 *   live.word = CV_LIVE_WORD(changes + 1, bank, CV_ENGINE_FIRST);
 *
 * and changed like this, with the bank's segments as source:
 *
 *   cv_engine_open(&update, &arena, CV_LIVE_GENERATION(live.word), err);
 *   cv_engine_insert(), cv_engine_remove(), cv_engine_replace() ...;
 *   segments that have come into being go into their slots (before the commit);
 *   generation = cv_engine_commit(update);
 *   live.word = CV_LIVE_WORD(changes + 1, bank, generation);
 *
 * A function that returns -ESTALE (without a text) says that the change cannot be made in place; the
 * image is to be built anew, and packets see nothing of what was begun.
 */
#ifndef CV_ENGINE_H
#define CV_ENGINE_H

#include "arena.h"
#include "err.h"
#include "rules.h"

#define CV_ENGINE_FIRST 1 /* generation of an image that was just built */

/* Rules that keep an image from being built: those of the longest bucket. */
#define CV_ENGINE_FAULTS 8
struct cv_engine_fault {
	uint32_t rules[CV_ENGINE_FAULTS]; /* indexes into cv_rules.rules, ascending */
	uint32_t count; /* of those */
};

/*
 * Writes an image of rules into an empty arena; order, born and dead of rules are the engine's. Fails
 * with CV_ERR_INPUT (-E2BIG) and a text that names rules if a packet might take more than
 * CV_MAX_STEPS, and fills fault (may be NULL) so that the caller can say where they stand; or with
 * -ENOSPC or -ENOMEM.
 */
int cv_engine_build(struct cv_arena *arena, const struct cv_rules *rules,
		    struct cv_engine_fault *fault, struct cv_err *err);

/* Builds it of memory of this process and drops it again: whether that can be done. */
int cv_engine_try(const struct cv_rules *rules, struct cv_engine_fault *fault, struct cv_err *err);

/* Adopts the image in a bank: fetches its segments from the source. -ESTALE if there is none of this
 * layout. */
int cv_engine_adopt(struct cv_arena *arena, const struct cv_arena_source *source,
		    struct cv_err *err);

/*
 * Reads back the rules that packets of that generation meet: *out, to be released by the caller, is as
 * it was built of but for order, born and dead of rules, which are 0, and but for the order of the
 * matches of one rule.
 */
int cv_engine_read(const struct cv_arena *arena, uint16_t generation, struct cv_rules *out,
		   struct cv_err *err);

/* The id of the rule of that name behind the last change. False: there is none. */
bool cv_engine_id(const struct cv_arena *arena, const char *name, uint32_t *id);
/* Calls fn with the id of each rule that packets of that generation meet, in no order. */
typedef void (*cv_engine_id_fn)(void *arg, uint32_t id);
void cv_engine_each_id(const struct cv_arena *arena, uint16_t generation, cv_engine_id_fn fn,
		       void *arg);

/* ---- changes in place ---- */

struct cv_engine_update;

/*
 * Begins a change of the image that packets of generation see. One at a time: the caller has the
 * instance's lock. -ESTALE if an earlier change was left unfinished, or if it is time to build anew
 * (generations used up, much garbage).
 */
int cv_engine_open(struct cv_engine_update **out, struct cv_arena *arena, uint16_t generation,
		   struct cv_err *err);

/* Releases update (*update may be NULL). A change that was begun and not committed leaves an image
 * that packets read as before, and that cannot be opened again. */
void cv_engine_close(struct cv_engine_update **update);

/* A rule to come. */
struct cv_engine_rule {
	const struct cv_compiled_rule *rule;
	const struct cv_match
		*matches; /* rule, order and dirs as in cv_rules but for rule, unused */
	size_t match_count;
};

/* Puts a rule in behind the rule of that name, NULL: before all. -ENOENT (no text): there is no such
 * rule; -ESTALE: no place between two rules, or more steps than CV_MAX_STEPS. */
int cv_engine_insert(struct cv_engine_update *update, const struct cv_engine_rule *rule,
		     const char *behind, struct cv_err *err);

/* Takes the rule of that name out. -ENOENT (no text). */
int cv_engine_remove(struct cv_engine_update *update, const char *name, struct cv_err *err);

/* Puts a rule in the place of the one of its name. -ENOENT (no text). */
int cv_engine_replace(struct cv_engine_update *update, const struct cv_engine_rule *rule,
		      struct cv_err *err);

/* Adds to what packets are asked for (CV_RULES_NEED_*): to be called for what new rules need. */
void cv_engine_need(struct cv_engine_update *update, uint32_t flags);

/* Ends the change: what packets of the generation that is returned will meet is complete. */
uint16_t cv_engine_commit(struct cv_engine_update *update);

/* ---- figures ---- */

struct cv_engine_stats {
	uint64_t bytes; /* of cells that are in use */
	uint64_t garbage_bytes; /* of them */
	uint32_t rules;
	uint32_t records; /* of both families */
	uint32_t tuples; /* of the root that has most */
	uint32_t longest_bucket; /* steps */
	uint32_t steps; /* that the worst packet may take; at most CV_MAX_STEPS */
};

void cv_engine_stats(const struct cv_arena *arena, struct cv_engine_stats *stats);

/*
 * What bpf/engine.h does for a packet, in user space: the cell of the rule that it meets behind that
 * order (0: from the first on), 0 if none. steps (may be NULL): how many it took. Extra conditions are
 * the caller's to answer.
 */
struct cv_engine_packet {
	uint64_t src[2]; /* host order, high half first; IPv4 in the last 32 bits */
	uint64_t dst[2];
	uint32_t root; /* enum cv_root_index */
	uint16_t sport;
	uint16_t dport;
	uint8_t proto;
	uint8_t dir; /* enum cv_direction */
	bool has_ports;
	bool is_ip;
};
typedef bool (*cv_engine_extra_fn)(const struct cv_extra *extra, const void *arg);

uint32_t cv_engine_find(const struct cv_arena *arena, uint16_t generation,
			const struct cv_engine_packet *packet, uint32_t after,
			cv_engine_extra_fn holds, const void *arg, uint32_t *steps);

#endif
