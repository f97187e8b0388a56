/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may read an instance without any capability: the members of the group CV_READERS, if the host has
 * one. Pins and files of state are readable by it. Maps that lie in maps of maps, which only CAP_SYS_ADMIN
 * may open by id, are pinned for it, and for those who change something without that capability.
 */
#ifndef CV_READERS_H
#define CV_READERS_H

#include "instance.h"

#define CV_READERS "culvert"

/* True if an instance that is made now is to have pins of maps in maps of maps. */
bool cv_readers_need_ids(void);

/* Lets the group read what there is now; without the group does nothing. Called when a change is made: what
 * it has made anew is its maker's alone until then. Never fails: the log tells what could not be. */
void cv_readers_admit(const struct cv_instance *inst);

#endif
