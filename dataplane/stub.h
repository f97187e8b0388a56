/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The lwt programs of tunnels and guards. What does the work is one program for all tunnels and one
 * for all guards of an instance, for each hook: the *shared* programs, which stand in arrays that
 * lead to them. The program of a single tunnel or guard is a *stub* (bpf/stub.bpf.c): it knows an
 * id, and goes on to what the array has. Another build's shared program takes the place of the old
 * one for all stubs at once; stubs themselves are the same in all builds of one ABI version.
 */
#ifndef CV_STUB_H
#define CV_STUB_H

#include <stdbool.h>
#include <stdint.h>

#include "instance.h"

enum cv_role {
	CV_ROLE_XMIT,
	CV_ROLE_IN,
	CV_ROLE_GUARD_IN,
	CV_ROLE_GUARD_OUT,
	CV_ROLES,
};

struct cv_plan;

/* Puts the shared program of a role where stubs go on to it, unless it is there; anew if this is
 * another build's. In an upgrade also one that is not needed now: whoever needs it next takes it as
 * it is. */
int cv_shared_grow(const struct cv_plan *plan, enum cv_role role, bool is_needed,
		   struct cv_err *err);

struct bpf_insn;
struct bpf_object;

/* What stubs of one role are made of. */
struct cv_stubs {
	enum cv_role role;
	struct bpf_object *object; /* owned; holds the maps that the instructions name */
	struct bpf_insn *insns; /* owned */
	size_t count;
	size_t id_at; /* the instruction whose constant is the id */
};

/* Opens it; the map that leads to the shared program is made if it is not there. */
int cv_stubs_open(struct cv_stubs *stubs, struct cv_instance *inst, enum cv_role role,
		  struct cv_err *err);
/* Loads the stub of that id. Returns its fd. */
int cv_stubs_load(const struct cv_stubs *stubs, uint32_t id, struct cv_err *err);
void cv_stubs_close(struct cv_stubs *stubs);

/* What tells a stub of the role that works: the id of the map that it goes on through. 0: there is no
 * such map. */
uint32_t cv_stub_array(const struct cv_instance *inst, enum cv_role role);
/* True if the program is the role's stub of that id and goes on through that map. */
bool cv_stub_is(int prog, enum cv_role role, uint32_t id, uint32_t array);

#endif
