/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How owners are known, counted: as text and as JSON. */
#ifndef CV_SOURCES_H
#define CV_SOURCES_H

#include "culvert.h"
#include "out.h"

/* An object "sources" with one number for each. */
void cv_json_sources(struct cv_json *json, const uint64_t sources[CV_OWNER_SOURCES_MAX]);

/* "connect 12, backfill 3": those that there are. Caller frees; NULL without memory. */
char *cv_sources_text(const uint64_t sources[CV_OWNER_SOURCES_MAX]);

#endif
