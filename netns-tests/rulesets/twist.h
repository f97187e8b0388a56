/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules of a set made odd: conditions that few rules have, also turned into "not"; sets; what an ICMP
 * error quotes; and rules that continue.
 */
#ifndef CV_TWIST_H
#define CV_TWIST_H

#include "compiler/rules.h"
#include "random.h"

/* Of so many rules one gets conditions of another kind, one of as many continues. Returns 0, or -ENOMEM. */
int twist_rules(struct cv_rules *rules, struct random *random, unsigned int one_in);

#endif
