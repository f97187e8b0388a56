/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of stubs: each hands its packet and its id over to the shared program of its own
 * role, whichever that is now, and drops and counts where there is none.
 */
#include "stubs.h"

#define ID 5
#define ENTRY CV_TUNNEL_OUT(ID, 1) /* of a tunnel; of a guard a number like any other */

static struct cv_stub_bpf *stubs;

static int stubs_setup(void **state)
{
	(void)state;
	if (!progrun_enter())
		return 0;
	stubs = stubs_load(ENTRY);
	if (stubs)
		progrun.object = stubs->obj;
	else
		take_loaded(NULL, -errno);
	return 0;
}

static int stubs_teardown(void **state)
{
	(void)state;
	cv_stub_bpf__destroy(stubs);
	return 0;
}

static const struct role {
	const char *names[2]; /* of the tests */
	const char *program;
	const char *map;
	enum bpf_prog_type type;
	uint32_t index;
	uint32_t tunnel; /* whose drops are counted */
} roles[] = {
	{ { "the stub of a tunnel on xmit hands over",
	    "without a shared program the stub of a tunnel on xmit drops" },
	  "cv_stub_xmit",
	  MAP_TEXT(CV_MAP_XMIT_PROGRAMS),
	  BPF_PROG_TYPE_LWT_XMIT,
	  CV_SHARED_TUNNEL,
	  ID },
	{ { "the stub of a tunnel on in hands over",
	    "without a shared program the stub of a tunnel on in drops" },
	  "cv_stub_in",
	  MAP_TEXT(CV_MAP_IN_PROGRAMS),
	  BPF_PROG_TYPE_LWT_IN,
	  CV_SHARED_TUNNEL,
	  ID },
	{ { "the stub of a guard on in hands over",
	    "without a shared program the stub of a guard on in drops" },
	  "cv_stub_g_in",
	  MAP_TEXT(CV_MAP_IN_PROGRAMS),
	  BPF_PROG_TYPE_LWT_IN,
	  CV_SHARED_GUARD,
	  0 },
	{ { "the stub of a guard on out hands over",
	    "without a shared program the stub of a guard on out drops" },
	  "cv_stub_g_out",
	  MAP_TEXT(CV_MAP_OUT_PROGRAMS),
	  BPF_PROG_TYPE_LWT_OUT,
	  CV_SHARED_GUARD,
	  0 },
};

/* A program whose verdict is the id that it was given, and addend: not one that a packet may get. */
static int teller(enum bpf_prog_type type, int addend)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_0,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct __sk_buff, cb) },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_0, .imm = addend },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "test_teller", "GPL", insns, ARRAY_LEN(insns), NULL);

	assert_true(fd >= 0);
	return fd;
}

static int run_stub(const struct role *role)
{
	const struct bpf_program *program =
		bpf_object__find_program_by_name(stubs->obj, role->program);
	struct run_ctx ctx = { 0 };
	struct run_result result;
	struct frame in;

	frame_build(&in, PACKET(ETH(), IP4(), UDP(7, 8)));
	run_program(bpf_program__fd(program), &in, &ctx, &result);
	return result.verdict;
}

static void put_shared(const struct role *role, uint32_t index, int addend)
{
	CV_CLOSE int fd = teller(role->type, addend);

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map_of(role->map)), &index, &fd, 0), 0);
}

static void take_away(const struct role *role)
{
	for (uint32_t index = 0; index < CV_SHARED_COUNT; index++)
		bpf_map_delete_elem(bpf_map__fd(map_of(role->map)), &index);
}

static void hands_over(void **state)
{
	const struct role *role = *state;

	need_programs();
	put_shared(role, role->index, 100);
	assert_int_equal(run_stub(role), ENTRY + 100);
	put_shared(role, role->index, 200);
	assert_int_equal(run_stub(role), ENTRY + 200);
	take_away(role);
	assert_only_drop(0, CV_R_OK);
}

static void drops_without_shared_program(void **state)
{
	const struct role *role = *state;

	need_programs();
	put_shared(role, !role->index, 100);
	assert_int_equal(run_stub(role), BPF_DROP);
	assert_only_drop(role->tunnel, CV_R_NO_PROGRAM);
	take_away(role);
}

int main(void)
{
	struct CMUnitTest tests[2 * ARRAY_LEN(roles)];

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		tests[2 * i] = row_test(roles[i].names[0], hands_over, NULL, &roles[i]);
		tests[2 * i + 1] =
			row_test(roles[i].names[1], drops_without_shared_program, NULL, &roles[i]);
	}
	return cmocka_run_group_tests_name("stub", tests, stubs_setup, stubs_teardown);
}
