/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the checks of a state share; cv_state_check() in culvert.h is the way in. */
#ifndef CV_CHECK_H
#define CV_CHECK_H

#include "culvert.h"

/* A checking run: where faults go, and how many there were. */
struct check {
	const struct cv_state *state;
	cv_fault_fn fault;
	void *arg;
	int errors;
	/* For each tunnel, bits by its remotes: of two without a common bit no remote is the same.
	 * NULL: not known. */
	const uint64_t *remote_bits;
	bool may_have_twins; /* of rules, some may have one name */
};

/* Hands a fault on, with the place of the object at fault. */
void cv_check_report(struct check *check, struct cv_err *err, const struct cv_place *place);

#define FAULT(check, place, hint_text, ...)                                                        \
	do {                                                                                       \
		struct cv_err fault_;                                                              \
                                                                                                   \
		cv_err_input(&fault_, __VA_ARGS__);                                                \
		if (*(hint_text))                                                                  \
			cv_err_hint(&fault_, "%s", hint_text);                                     \
		cv_check_report(check, &fault_, place);                                            \
	} while (0)

/* Reports that there is none of that name, and which one may be meant. noun is "app", "tunnel" or "set";
 * the format says who asks for it ("route %s"). */
void cv_check_missing(struct check *check, const struct cv_place *place, const char *noun,
		      const char *name, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Reports that an object stands there a second time; the format says which ("dev %s"). */
void cv_check_twice(struct check *check, const struct cv_place *place, const struct cv_place *first,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* True if a list is within its bound; what is beyond it is not looked at in detail. */
bool cv_check_limit(struct check *check, const char *what, size_t count, size_t limit,
		    const struct cv_place *place);

/* True if only their remotes tell the packets that arrive for two tunnels apart. */
bool cv_check_is_alike(const struct cv_tunnel_conf *a, const struct cv_tunnel_conf *b);

/* Checks all apps, each alone and against those before it. */
void cv_check_apps(struct check *check);

/* Checks all peers, and the tunnels that have them beside others. */
void cv_check_peers(struct check *check);

/* Checks all sets, each alone. */
void cv_check_sets(struct check *check);

/* Checks one tunnel, and it against those before it. */
void cv_check_tunnel(struct check *check, const struct cv_tunnel_conf *tunnel);

/* Checks all rules: what they match and what they do. */
void cv_check_rules(struct check *check);

/* Checks what one rule does. */
void cv_check_action(struct check *check, const struct cv_rule_conf *rule);

/* Checks how many rules measure a rate. */
void cv_check_meters(struct check *check);

#endif
