/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may read an instance without any capability: the members of the group CV_READERS, if the host has
 * one. Pins and files of state are readable by it, and maps that lie in maps of maps, which only
 * CAP_SYS_ADMIN may open by id, are pinned for it.
 */
#ifndef CV_READERS_H
#define CV_READERS_H

#include "instance.h"

#define CV_READERS "culvert"

/* Lets the group read what there is now; without the group does nothing. Called when a change is made: what
 * it has made anew is its maker's alone until then. Never fails: the log tells what could not be. */
void cv_readers_admit(const struct cv_instance *inst);

#endif
