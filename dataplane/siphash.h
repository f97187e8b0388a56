/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SipHash-1-3, the hash by which the socket hooks tell paths: bpf/exe.h has the same. */
#ifndef CV_SIPHASH_H
#define CV_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of size bytes of data; who does not know the key cannot make two that are equal. */
uint64_t cv_siphash(const uint64_t key[2], const void *data, size_t size);

#endif
