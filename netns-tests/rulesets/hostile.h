/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule sets that are made to hurt an engine that relies on rules being different. */
#ifndef CV_HOSTILE_H
#define CV_HOSTILE_H

#include "ruleset.h"

/* X(enum suffix, what it is) */
#define HOSTILE_KINDS(X)                                                                           \
	X(RANGES, "port ranges that all overlap, on any address")                                  \
	X(PORTS, "one address with thousands of port ranges")                                      \
	X(LENGTHS, "a pair of prefix lengths for every rule")                                      \
	X(TUPLE, "hosts to hosts, nothing else")                                                   \
	X(NEIGHBOURS, "hosts of one network, to one host and port")                                \
	X(SHADOW, "each rule in the shadow of the one before")                                     \
	X(NESTED, "each rule around the one before")                                               \
	X(PROTOCOLS, "all protocols of few addresses")

enum hostile_kind {
#define HOSTILE_ENUM(name, text) HOSTILE_##name,
	HOSTILE_KINDS(HOSTILE_ENUM)
#undef HOSTILE_ENUM
		HOSTILE_COUNT
};
extern const char *const hostile_texts[HOSTILE_COUNT];

/* Makes *set, which the caller releases. Returns 0, or -ENOMEM. */
int hostile_make(struct ruleset *set, enum hostile_kind kind, size_t count);

#endif
