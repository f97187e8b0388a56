/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stubs, through which tests run the programs that tunnels and guards share, as packets do. */
#ifndef CV_STUBS_H
#define CV_STUBS_H

#include "progrun.h"

#include "stub.skel.h"

/* Writes the id where the stub has the constant that stands for it. */
static inline void stub_set_id(struct bpf_program *program, uint32_t id)
{
	size_t count = bpf_program__insn_cnt(program), found = 0;
	struct bpf_insn *insns = calloc(count, sizeof(*insns));

	assert_non_null(insns);
	memcpy(insns, bpf_program__insns(program), count * sizeof(*insns));
	for (size_t i = 0; i < count; i++) {
		if (insns[i].imm != CV_STUB_ID)
			continue;
		insns[i].imm = (int)id;
		found++;
	}
	assert_int_equal(found, 1);
	assert_int_equal(bpf_program__set_insns(program, insns, count), 0);
	free(insns);
}

/* Opens the object with maps of its own and loads its stubs with that id. NULL: cannot be loaded. */
static inline struct cv_stub_bpf *stubs_load(uint32_t id)
{
	struct cv_stub_bpf *skel = cv_stub_bpf__open();
	struct bpf_program *program;
	struct bpf_map *map;

	assert_non_null(skel);
	bpf_object__for_each_map (map, skel->obj)
		assert_int_equal(bpf_map__set_pin_path(map, NULL), 0);
	bpf_object__for_each_program (program, skel->obj)
		stub_set_id(program, id);
	if (!cv_stub_bpf__load(skel))
		return skel;
	cv_stub_bpf__destroy(skel);
	return NULL;
}

/* Has stubs of that map and index go on to a program. */
static inline void stubs_lead_to(const struct bpf_map *programs, uint32_t index,
				 const struct bpf_program *program)
{
	int fd = bpf_program__fd(program);

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(programs), &index, &fd, 0), 0);
}

#endif
