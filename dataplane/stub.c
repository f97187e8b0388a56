/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared programs and stubs: see stub.h. */
#include "stub.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "map.h"
#include "object.h"
#include "own.h"
#include "plan.h"

#define CV_STUB_MAPS 4 /* more than a stub uses: the array, and what counts drops */

static const struct role {
	enum cv_object object; /* of the shared program */
	const char *shared; /* its name, and that of its pin */
	const char *stub; /* in the object of stubs */
	const char *array;
	uint32_t index;
	enum bpf_prog_type type;
	const char *name; /* what the kernel shows of a stub; its id stands behind */
} roles[CV_ROLES] = {
	[CV_ROLE_XMIT] = { CV_OBJECT_TUNNEL, "cv_xmit", "cv_stub_xmit",
			   CV_STRING(CV_MAP_XMIT_PROGRAMS), CV_SHARED_TUNNEL,
			   BPF_PROG_TYPE_LWT_XMIT, "cv_xmit" },
	[CV_ROLE_IN] = { CV_OBJECT_TUNNEL, "cv_in", "cv_stub_in", CV_STRING(CV_MAP_IN_PROGRAMS),
			 CV_SHARED_TUNNEL, BPF_PROG_TYPE_LWT_IN, "cv_in" },
	[CV_ROLE_GUARD_IN] = { CV_OBJECT_ROUTE, "cv_guard_in", "cv_stub_g_in",
			       CV_STRING(CV_MAP_IN_PROGRAMS), CV_SHARED_GUARD, BPF_PROG_TYPE_LWT_IN,
			       "cv_guard" },
	[CV_ROLE_GUARD_OUT] = { CV_OBJECT_ROUTE, "cv_guard_out", "cv_stub_g_out",
				CV_STRING(CV_MAP_OUT_PROGRAMS), CV_SHARED_GUARD,
				BPF_PROG_TYPE_LWT_OUT, "cv_guard" },
};

/* ---- shared programs ---- */

/* The program that stubs of the role go on to now, by its id; 0: none. */
static uint32_t shared_id(int array, const struct role *role)
{
	uint32_t id = 0;

	return bpf_map_lookup_elem(array, &role->index, &id) ? 0 : id;
}

/* From the moment of the update on, all packets of all stubs take this program. */
static int put_in(const struct cv_instance *inst, const struct role *role, int prog,
		  struct cv_err *err)
{
	CV_CLOSE int array = cv_instance_map(inst, role->array, err);
	int rc = array < 0 ? array : cv_pin_replace(prog, inst->progs, role->shared, err);

	if (!rc && bpf_map_update_elem(array, &role->index, &prog, BPF_ANY))
		rc = cv_err_set(err, -errno, "map %s: %s", role->array, strerrordesc_np(errno));
	return rc;
}

/* Loads it, and puts it in if the change is made. */
static int load_shared(const struct cv_plan *plan, const struct role *role, struct cv_err *err)
{
	CV_CLEANUP(cv_object_close) struct bpf_object *object = NULL;
	const struct bpf_program *program;
	int rc = cv_object_load(plan->acts->inst, role->object, role->shared, &object, err);

	if (rc || !cv_acts_are_made(plan))
		return rc;
	program = bpf_object__find_program_by_name(object, role->shared);
	return put_in(plan->acts->inst, role, bpf_program__fd(program), err);
}

int cv_shared_grow(const struct cv_plan *plan, enum cv_role role, bool is_needed,
		   struct cv_err *err)
{
	const struct cv_instance *inst = plan->acts->inst;
	CV_CLOSE int array = cv_pin_open(inst->maps, roles[role].array, NULL);
	CV_CLOSE int pinned = cv_pin_open(inst->progs, roles[role].shared, NULL);
	uint32_t live = array >= 0 ? shared_id(array, &roles[role]) : 0;
	struct cv_act act = { .kind = live ? CV_ACT_CHANGE : CV_ACT_ADD,
			      .noun = "program",
			      .is_inner = !plan->is_upgrade };
	int rc;

	if (!(live && plan->is_upgrade) &&
	    (!is_needed || (live && pinned >= 0 && live == cv_prog_id(pinned))))
		return 0;
	cv_act_name(&act, "%s", roles[role].shared);
	if (plan->is_upgrade)
		cv_act_what(&act, "to build %s", cv_object_build());
	rc = cv_act(plan, &act, err);
	return rc < 0 || !(rc || cv_acts_are_tried(plan)) ? rc
							  : load_shared(plan, &roles[role], err);
}

/* ---- stubs ---- */

void cv_stubs_close(struct cv_stubs *stubs)
{
	cv_object_close(&stubs->object);
	free(stubs->insns);
	*stubs = (struct cv_stubs){ 0 };
}

static bool sets_id(const struct bpf_insn *insn)
{
	return BPF_OP(insn->code) == BPF_MOV && BPF_SRC(insn->code) == BPF_K &&
	       (BPF_CLASS(insn->code) == BPF_ALU || BPF_CLASS(insn->code) == BPF_ALU64) &&
	       insn->imm == CV_STUB_ID;
}

/* Takes what was loaded, in which maps have fds by now. */
static int take_instructions(struct cv_stubs *stubs, struct cv_err *err)
{
	const struct bpf_program *program =
		bpf_object__find_program_by_name(stubs->object, roles[stubs->role].stub);
	size_t found = 0;

	stubs->count = bpf_program__insn_cnt(program);
	stubs->insns = calloc(stubs->count, sizeof(*stubs->insns));
	if (!stubs->insns)
		return cv_err_set(err, -ENOMEM, "stubs: out of memory");
	memcpy(stubs->insns, bpf_program__insns(program), stubs->count * sizeof(*stubs->insns));
	for (size_t i = 0; i < stubs->count; i++) {
		if (!sets_id(&stubs->insns[i]))
			continue;
		stubs->id_at = i;
		found++;
	}
	return found == 1 ? 0 : cv_err_set(err, -EINVAL, "stubs: %zu places for an id", found);
}

int cv_stubs_open(struct cv_stubs *stubs, struct cv_instance *inst, enum cv_role role,
		  struct cv_err *err)
{
	CV_CLEANUP(cv_stubs_close) struct cv_stubs opened = { .role = role };
	int rc = cv_object_load(inst, CV_OBJECT_STUB, roles[role].stub, &opened.object, err);

	if (!rc)
		rc = take_instructions(&opened, err);
	if (rc)
		return rc;
	*stubs = opened;
	opened = (struct cv_stubs){ 0 };
	return 0;
}

static void name_of(enum cv_role role, uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	snprintf(name, BPF_OBJ_NAME_LEN, "%s_%u", roles[role].name, id);
}

int cv_stubs_load(const struct cv_stubs *stubs, uint32_t id, struct cv_err *err)
{
	const struct role *role = &roles[stubs->role];
	char name[BPF_OBJ_NAME_LEN];
	int fd;

	stubs->insns[stubs->id_at].imm = (int)id;
	name_of(stubs->role, id, name);
	fd = bpf_prog_load(role->type, name, "Dual BSD/GPL", stubs->insns, stubs->count, NULL);
	return fd >= 0 ? fd
		       : cv_err_set(err, -errno, "program %s: load: %s", name,
				    strerrordesc_np(errno));
}

/* ---- telling them ---- */

uint32_t cv_stub_array(const struct cv_instance *inst, enum cv_role role)
{
	CV_CLOSE int fd = cv_pin_open(inst->maps, roles[role].array, NULL);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

bool cv_stub_is(int prog, enum cv_role role, uint32_t id, uint32_t array)
{
	uint32_t maps[CV_STUB_MAPS] = { 0 };
	struct bpf_prog_info info = {
		.nr_map_ids = CV_STUB_MAPS,
		.map_ids = (uintptr_t)maps,
	};
	uint32_t len = sizeof(info);
	char name[BPF_OBJ_NAME_LEN];

	name_of(role, id, name);
	if (!array || bpf_obj_get_info_by_fd(prog, &info, &len) ||
	    info.type != (uint32_t)roles[role].type || strcmp(info.name, name) != 0)
		return false;
	for (size_t i = 0; i < CV_STUB_MAPS; i++)
		if (maps[i] == array)
			return true;
	return false;
}
