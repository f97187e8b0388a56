/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of tunnels: what arrives by id, what is sent by id and version (struct cv_tunnel). All of
 * it changes by one update of a slot.
 */
#ifndef CV_TUNNEL_TABLE_H
#define CV_TUNNEL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "instance.h"

struct cv_plan;

/* Reads or writes all CV_MAX_TUNNEL_ENTRIES; zeros if there is no table yet. */
int cv_tunnel_table_read(const struct cv_instance *inst, struct cv_tunnel *entries,
			 struct cv_err *err);
int cv_tunnel_table_write(const struct cv_instance *inst, const struct cv_tunnel *entries,
			  struct cv_err *err);

/* The version that the tunnel of that id sends by. Between a crash and its repair there may be two:
 * then the one that was there at the turn of that generation. */
uint32_t cv_tunnel_version(const struct cv_tunnel *entries, uint32_t id, uint32_t generation);

/* True if packets come out the same of both, apart from what they may be as large as. */
bool cv_tunnel_sends_alike(const struct cv_tunnel *a, const struct cv_tunnel *b);

/* The version that a wanted tunnel is to send by: the one it has, unless what it sends changes while
 * routes leave it that must not send by the new one. */
uint32_t cv_tunnel_choose_version(const struct cv_plan *plan, uint32_t id,
				  const struct cv_tunnel *wanted);

/* What the table is to hold of the plan's tunnels; with_old: and beside it what is live and goes, or
 * is being replaced by another version. */
void cv_tunnel_table_fill(const struct cv_plan *plan, bool with_old, struct cv_tunnel *entries);

#endif
