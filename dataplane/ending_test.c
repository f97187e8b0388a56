/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of ending.c: programs of a few instructions, and filters as tc makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/msg.h>

#include "nl_tc.h"

/* ---- programs ---- */

#define INSN(how, to, from, jump, number)                                                          \
	{                                                                                          \
		.code = (how), .dst_reg = (to), .src_reg = (from), .off = (jump), .imm = (number)  \
	}
#define SET(to, number) INSN(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, number)
#define SET32(to, number) INSN(BPF_ALU | BPF_MOV | BPF_K, to, 0, 0, number)
#define COPY(to, from) INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define ADD(to, number) INSN(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, number)
#define LOAD(to) INSN(BPF_LDX | BPF_MEM | BPF_W, to, 1, 0, 0)
#define IF(jump) INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, jump, 0)
#define GO(jump) INSN(BPF_JMP | BPF_JA, 0, 0, jump, 0)
#define GO_FAR(jump) INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, jump)
#define CALL(id) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define WIDE(to, number)                                                                           \
	INSN(BPF_LD | BPF_IMM | BPF_DW, to, 0, 0, number),                                         \
	{                                                                                          \
		0                                                                                  \
	}
#define FETCH(from) INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 10, from, -8, BPF_ADD | BPF_FETCH)

#define MAX 10

static void endings_of_programs(void **unused)
{
	static const struct {
		const char *name;
		struct bpf_insn insns[MAX];
		enum cv_ending on_tcx, on_clsact;
	} cases[] = {
		{ "goes on", { SET(0, -1), EXIT }, CV_ENDS_NO, CV_ENDS_NO },
		{ "goes on, in 32 bits", { SET32(0, -1), EXIT }, CV_ENDS_NO, CV_ENDS_NO },
		{ "accepts", { SET(0, TC_ACT_OK), EXIT }, CV_ENDS_YES, CV_ENDS_YES },
		{ "drops", { SET32(0, TC_ACT_SHOT), EXIT }, CV_ENDS_YES, CV_ENDS_YES },
		{ "redirects", { SET(0, TC_ACT_REDIRECT), EXIT }, CV_ENDS_YES, CV_ENDS_YES },
		{ "steals, which tcx does not know",
		  { SET(0, TC_ACT_STOLEN), EXIT },
		  CV_ENDS_NO,
		  CV_ENDS_YES },
		{ "returns a number that nobody knows",
		  { SET(0, 77), EXIT },
		  CV_ENDS_NO,
		  CV_ENDS_NO },
		{ "accepts by way of another register",
		  { SET(6, 0), SET(0, -1), COPY(0, 6), EXIT },
		  CV_ENDS_YES,
		  CV_ENDS_YES },
		{ "goes on by way of a wide number",
		  { WIDE(0, -1), EXIT },
		  CV_ENDS_NO,
		  CV_ENDS_NO },
		{ "accepts some",
		  { LOAD(2), SET(0, -1), IF(1), SET(0, 0), EXIT },
		  CV_ENDS_MAYBE,
		  CV_ENDS_MAYBE },
		{ "accepts some and drops the others",
		  { LOAD(2), SET(0, 2), IF(1), SET(0, 0), EXIT },
		  CV_ENDS_YES,
		  CV_ENDS_YES },
		{ "what is jumped over is not returned",
		  { SET(0, -1), GO(1), SET(0, 0), EXIT },
		  CV_ENDS_NO,
		  CV_ENDS_NO },
		{ "nor by a far jump",
		  { SET(0, -1), GO_FAR(1), SET(0, 0), EXIT },
		  CV_ENDS_NO,
		  CV_ENDS_NO },
		{ "back in a loop, where it accepts",
		  { SET(0, -1), LOAD(2), IF(2), SET(0, 0), GO(-4), EXIT },
		  CV_ENDS_MAYBE,
		  CV_ENDS_MAYBE },
		{ "returns what it read", { LOAD(0), EXIT }, CV_ENDS_MAYBE, CV_ENDS_MAYBE },
		{ "returns what it reckoned",
		  { SET(0, -1), ADD(0, 1), EXIT },
		  CV_ENDS_MAYBE,
		  CV_ENDS_MAYBE },
		{ "returns what a helper did", { CALL(23), EXIT }, CV_ENDS_MAYBE, CV_ENDS_MAYBE },
		{ "forgets what a helper did",
		  { CALL(5), SET(0, -1), EXIT },
		  CV_ENDS_NO,
		  CV_ENDS_NO },
		{ "may become another program",
		  { CALL(BPF_FUNC_tail_call), SET(0, -1), EXIT },
		  CV_ENDS_MAYBE,
		  CV_ENDS_MAYBE },
		{ "returns what it fetched",
		  { SET(6, -1), FETCH(6), COPY(0, 6), EXIT },
		  CV_ENDS_MAYBE,
		  CV_ENDS_MAYBE },
		{ "runs out of the program",
		  { SET(0, -1), GO(100) },
		  CV_ENDS_MAYBE,
		  CV_ENDS_MAYBE },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t count = MAX;

		while (!cases[i].insns[count - 1].code)
			count--;
		if (cv_ending_of_insns(cases[i].insns, count, true) != cases[i].on_tcx ||
		    cv_ending_of_insns(cases[i].insns, count, false) != cases[i].on_clsact)
			fail_msg("a program that %s", cases[i].name);
	}
	assert_int_equal(cv_ending_of_insns(NULL, 0, true), CV_ENDS_MAYBE);
}

/* ---- filters ---- */

/* One action: gact with that number, mirred with that eaction too, or one of another kind. */
struct action {
	const char *kind;
	int number;
	int eaction;
};

static void put_action(struct nl_msg *msg, int order, const struct action *action)
{
	struct tc_gact gact = { .action = action->number };
	struct tc_mirred mirred = { .action = action->number, .eaction = action->eaction };
	struct nlattr *nest = nla_nest_start(msg, order), *options;

	nla_put_string(msg, TCA_ACT_KIND, action->kind);
	options = nla_nest_start(msg, TCA_ACT_OPTIONS);
	if (!strcmp(action->kind, "mirred"))
		nla_put(msg, TCA_MIRRED_PARMS, sizeof(mirred), &mirred);
	else
		nla_put(msg, TCA_GACT_PARMS, sizeof(gact), &gact);
	nla_nest_end(msg, options);
	nla_nest_end(msg, nest);
}

#define ACTIONS 2

static enum cv_ending ending(const char *kind, uint16_t protocol, int attr,
			     const struct action *actions)
{
	struct cv_filter filter = { .protocol = protocol };
	struct nl_msg *msg = nlmsg_alloc();
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
	struct nlattr *list = nla_nest_start(msg, attr);
	enum cv_ending found;

	snprintf(filter.kind, sizeof(filter.kind), "%s", kind);
	for (int i = 0; i < ACTIONS && actions[i].kind; i++)
		put_action(msg, i + 1, &actions[i]);
	nla_nest_end(msg, list);
	nla_nest_end(msg, options);
	found = cv_ending_of_filter(&filter, options);
	nlmsg_free(msg);
	return found;
}

static void endings_of_filters(void **unused)
{
	static const struct {
		const char *name, *kind;
		uint16_t protocol;
		int attr;
		struct action actions[ACTIONS];
		enum cv_ending ending;
	} cases[] = {
#define ALL "matchall", ETH_P_ALL, TCA_MATCHALL_ACT
		{ "ok", ALL, { { "gact", TC_ACT_OK, 0 } }, CV_ENDS_YES },
		{ "drop", ALL, { { "gact", TC_ACT_SHOT, 0 } }, CV_ENDS_YES },
		{ "continue", ALL, { { "gact", TC_ACT_UNSPEC, 0 } }, CV_ENDS_NO },
		{ "pipe and nothing behind it", ALL, { { "gact", TC_ACT_PIPE, 0 } }, CV_ENDS_YES },
		{ "to another chain", ALL, { { "gact", TC_ACT_GOTO_CHAIN, 0 } }, CV_ENDS_MAYBE },
		{ "redirect", ALL, { { "mirred", TC_ACT_STOLEN, TCA_EGRESS_REDIR } }, CV_ENDS_YES },
		{ "mirror, continue",
		  ALL,
		  { { "mirred", TC_ACT_PIPE, TCA_EGRESS_MIRROR }, { "gact", TC_ACT_UNSPEC, 0 } },
		  CV_ENDS_NO },
		{ "what is not known", ALL, { { "skbedit", TC_ACT_PIPE, 0 } }, CV_ENDS_MAYBE },
		{ "ok for IPv4",
		  "matchall",
		  ETH_P_IP,
		  TCA_MATCHALL_ACT,
		  { { "gact", TC_ACT_OK, 0 } },
		  CV_ENDS_MAYBE },
		{ "ok for some",
		  "flower",
		  ETH_P_ALL,
		  TCA_FLOWER_ACT,
		  { { "gact", TC_ACT_OK, 0 } },
		  CV_ENDS_MAYBE },
		{ "continue for some",
		  "flower",
		  ETH_P_ALL,
		  TCA_FLOWER_ACT,
		  { { "gact", TC_ACT_UNSPEC, 0 } },
		  CV_ENDS_NO },
		{ "of a kind that has no actions",
		  "rsvp",
		  ETH_P_ALL,
		  1,
		  { { "gact", TC_ACT_UNSPEC, 0 } },
		  CV_ENDS_MAYBE },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (ending(cases[i].kind, cases[i].protocol, cases[i].attr, cases[i].actions) !=
		    cases[i].ending)
			fail_msg("%s", cases[i].name);
}

/* u32 with the keys given, at that handle, with the action ok. */
static enum cv_ending ending_of_u32(uint32_t handle, uint16_t protocol, uint8_t count,
				    uint32_t mask, int extra)
{
	struct cv_filter filter = { .kind = "u32", .protocol = protocol, .handle = handle };
	struct nl_msg *msg = nlmsg_alloc();
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS), *list;
	/* A selector and the two keys behind it. */
	const struct tc_u32_sel sel = { .nkeys = count };
	const struct tc_u32_key keys[2] = { [1] = { .mask = mask } };
	uint8_t match[sizeof(sel) + sizeof(keys)];
	enum cv_ending found;

	memcpy(match, &sel, sizeof(sel));
	memcpy(match + sizeof(sel), keys, sizeof(keys));
	nla_put(msg, TCA_U32_SEL, sizeof(match), match);
	if (extra)
		nla_put_u32(msg, extra, TCA_CLS_FLAGS_SKIP_SW);
	list = nla_nest_start(msg, TCA_U32_ACT);
	put_action(msg, 1, &(struct action){ "gact", TC_ACT_OK, 0 });
	nla_nest_end(msg, list);
	nla_nest_end(msg, options);
	found = cv_ending_of_filter(&filter, options);
	nlmsg_free(msg);
	return found;
}

static void endings_of_u32(void **unused)
{
	(void)unused;
	assert_int_equal(ending_of_u32(0x80000800, ETH_P_ALL, 2, 0, 0), CV_ENDS_YES);
	assert_int_equal(ending_of_u32(0x80000800, ETH_P_ALL, 0, 0, 0), CV_ENDS_YES);
	assert_int_equal(ending_of_u32(0x80000800, ETH_P_ALL, 1, 1, 0), CV_ENDS_YES);
	assert_int_equal(ending_of_u32(0x80000800, ETH_P_ALL, 2, 1, 0), CV_ENDS_MAYBE);
	assert_int_equal(ending_of_u32(0x80000800, ETH_P_ALL, 3, 0, 0), CV_ENDS_MAYBE);
	assert_int_equal(ending_of_u32(0x80000800, ETH_P_IP, 2, 0, 0), CV_ENDS_MAYBE);
	assert_int_equal(ending_of_u32(0x80100800, ETH_P_ALL, 2, 0, 0), CV_ENDS_MAYBE);
	assert_int_equal(ending_of_u32(0x80001800, ETH_P_ALL, 2, 0, 0), CV_ENDS_MAYBE);
	assert_int_equal(ending_of_u32(0x80000800, ETH_P_ALL, 2, 0, TCA_U32_LINK), CV_ENDS_MAYBE);
	assert_int_equal(ending_of_u32(0x80000800, ETH_P_ALL, 2, 0, TCA_U32_FLAGS), CV_ENDS_MAYBE);
}

static enum cv_ending ending_of_classic(const struct sock_filter *ops, size_t count)
{
	const struct cv_filter filter = { .kind = "bpf", .direct_action = true };
	struct nl_msg *msg = nlmsg_alloc();
	struct nlattr *options = nla_nest_start(msg, TCA_OPTIONS);
	enum cv_ending found;

	nla_put(msg, TCA_BPF_OPS, (int)(count * sizeof(*ops)), ops);
	nla_nest_end(msg, options);
	found = cv_ending_of_filter(&filter, options);
	nlmsg_free(msg);
	return found;
}

static void endings_of_classic_programs(void **unused)
{
	const struct cv_filter modern = { .kind = "bpf", .direct_action = true };
	const struct sock_filter next = { BPF_RET | BPF_K, 0, 0, UINT32_MAX };
	const struct sock_filter ok = { BPF_RET | BPF_K, 0, 0, 0 };
	const struct sock_filter drops_some[] = { { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 7 },
						  { BPF_RET | BPF_K, 0, 0, 2 },
						  next };
	const struct sock_filter accumulator = { BPF_RET | BPF_A, 0, 0, 0 };

	(void)unused;
	assert_int_equal(ending_of_classic(&next, 1), CV_ENDS_NO);
	assert_int_equal(ending_of_classic(&ok, 1), CV_ENDS_YES);
	assert_int_equal(ending_of_classic(drops_some, 3), CV_ENDS_MAYBE);
	assert_int_equal(ending_of_classic(drops_some, 2), CV_ENDS_YES);
	assert_int_equal(ending_of_classic(&accumulator, 1), CV_ENDS_MAYBE);
	assert_int_equal(ending_of_classic(NULL, 0), CV_ENDS_MAYBE);
	assert_int_equal(cv_ending_of_filter(&modern, NULL), CV_ENDS_MAYBE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endings_of_programs),
		cmocka_unit_test(endings_of_filters),
		cmocka_unit_test(endings_of_u32),
		cmocka_unit_test(endings_of_classic_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
