/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether replies to routed apps get past a strict rp_filter. */
#ifndef CV_REPLY_H
#define CV_REPLY_H

#include "instance.h"

struct cv_plan;

enum cv_reply {
	CV_REPLY_PASSES, /* or does not come that way */
	CV_REPLY_NO_CONSENT, /* dropped: src-valid-mark is not given */
	CV_REPLY_IS_OFF, /* dropped: somebody took back what src-valid-mark had set */
	CV_REPLY_NO_MARK, /* dropped: the tunnel's replies have the mark of another app */
};

/* Chooses the marks of what comes out of the plan's tunnels; after the apps. */
void cv_reply_plan(struct cv_plan *plan);

/* Looks at the replies to packets of that route that come through that tunnel, which is live, and on
 * that device. */
enum cv_reply cv_reply_check(struct cv_instance *inst, const struct cv_dev_conf *dev,
			     const struct cv_route_conf *route, const struct cv_tunnel *tunnel);

#endif
