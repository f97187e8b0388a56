/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rates and sizes, in the words that tc has for them: 10mbit, 1.5gbit, 100kbps, 32kb. */
#ifndef CV_UNITS_H
#define CV_UNITS_H

#include <stdint.h>
#include <stdio.h>

#include "err.h"

/* Bits a second: a number with bit, kbit, mbit, gbit or tbit, or with bps and so on for bytes; an i
 * behind the first letter makes powers of 1024. Without a unit: bits. */
int cv_arg_rate(const char *word, const char *text, uint64_t *bits_ps, struct cv_err *err);
/* Bytes: a number with b, k or kb, m or mb, g or gb, or with kbit, mbit or gbit; all are powers of
 * 1024. Without a unit: bytes. */
int cv_arg_size(const char *word, const char *text, uint32_t *bytes, struct cv_err *err);

/* In the largest unit of which it is a whole number. */
void cv_put_rate(FILE *out, uint64_t bits_ps);
void cv_put_size(FILE *out, uint32_t bytes);

#endif
