/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Settings of devices for IPv4 (net.ipv4.conf.DEV.NAME) in the network namespace that this process
 * is in. */
#ifndef CV_SYSCTL_H
#define CV_SYSCTL_H

#include "err.h"

#define CV_RP_FILTER "rp_filter"
#define CV_RP_FILTER_STRICT 1
#define CV_SRC_VALID_MARK "src_valid_mark"

/* What counts for a device: the larger of its own setting and that for all; 0 if neither can be
 * read. */
int cv_sysctl_get(const char *dev, const char *name);
/* Sets that of the device. -ENOENT if there is no such device, or setting. */
int cv_sysctl_set(const char *dev, const char *name, int value, struct cv_err *err);

#endif
