/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was meant by a text that is no address, or no prefix. */
#ifndef CV_ADDR_HINT_H
#define CV_ADDR_HINT_H

#include <stdbool.h>

#include "culvert.h"

/* Adds to err what should have been written, if that can be told: brackets, a port, a zone, a length or a netmask,
 * leading zeros, missing parts. Returns err's code, and whether there was something in *is_told (may be NULL). */
int cv_hint_addr(struct cv_err *err, const char *text, bool is_prefix, bool *is_told);

/* The IPv4 address that stands in the form of an IPv6 one (::ffff:192.0.2.1); false: none. */
bool cv_addr_is_mapped(const struct cv_addr *addr, struct cv_addr *out);

#endif
