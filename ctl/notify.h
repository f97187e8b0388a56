/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a service manager is told: sd_notify(3), without its library. */
#ifndef CV_NOTIFY_H
#define CV_NOTIFY_H

/* Sends "NAME=VALUE" lines to $NOTIFY_SOCKET. Without it, or if nobody listens, does nothing. */
void cv_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often the manager wants a sign of life, -1: not at all. */
int cv_notify_period_ms(void);

#endif
