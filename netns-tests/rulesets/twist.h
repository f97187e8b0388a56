/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules of a set made odd: conditions that few rules have, also turned into "not"; sets; what an ICMP
 * error quotes; and rules that continue.
 */
#ifndef CV_TWIST_H
#define CV_TWIST_H

#include "compiler/rules.h"
#include "random.h"

#define TWIST_FIELDS (1 << 0) /* such as the packets of a flow have in common */
#define TWIST_SIZES (1 << 1) /* such as they do not: no flow cache can remember them */
#define TWIST_SETS (1 << 2)
#define TWIST_CONTINUE (1 << 3)
#define TWIST_ALL (TWIST_FIELDS | TWIST_SIZES | TWIST_SETS | TWIST_CONTINUE)

/* Of so many rules one gets conditions of these kinds, one of as many continues; every rule gets a
 * verdict. Returns 0, or -ENOMEM. */
int twist_rules(struct cv_rules *rules, struct random *random, unsigned int kinds,
		unsigned int one_in);

#endif
