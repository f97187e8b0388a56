/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What filters and programs do with the chain that they stand in: see ending.h. */
#include "ending.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/attr.h>
#include <string.h>

#include "nl_tc.h"
#include "own.h"

/* ---- what a program can return ---- */

/* What a register may hold: any of these. */
#define HOLDS_NEXT 1 /* a number with which packets go on */
#define HOLDS_END 2 /* one with which they do not */
#define HOLDS_UNKNOWN 4

#define REGISTERS 11
#define MAX_INSNS (1 << 20) /* as many as a program has at most */

struct registers {
	uint8_t holds[REGISTERS];
};

/* A walk over all ways through a program, until none brings anything new. */
struct walk {
	const struct bpf_insn *insns;
	size_t count;
	bool is_tcx;
	struct registers
		*before; /* owned; what may stand in the registers before each instruction */
	bool *is_waiting; /* owned; of each: it is on the list below */
	uint32_t *waiting; /* owned */
	size_t waiting_count;
	uint8_t returned;
};

static void walk_fini(struct walk *walk)
{
	free(walk->before);
	free(walk->is_waiting);
	free(walk->waiting);
}

/* What the kernel makes of a number: tcx knows three that end (tcx_action_code()), cls_bpf five
 * (cls_bpf_exec_opcode()); with any other one packets go on. */
static uint8_t kind_of_number(int32_t number, bool is_tcx)
{
	switch (number) {
	case TC_ACT_OK:
	case TC_ACT_SHOT:
	case TC_ACT_REDIRECT:
		return HOLDS_END;
	case TC_ACT_STOLEN:
	case TC_ACT_TRAP:
		return is_tcx ? HOLDS_NEXT : HOLDS_END;
	}
	return HOLDS_NEXT;
}

/* The instruction at that index can be come to with these registers. */
static void come_to(struct walk *walk, int64_t index, const struct registers *registers)
{
	bool is_new = false;

	if (index < 0 || index >= (int64_t)walk->count) {
		walk->returned |= HOLDS_UNKNOWN; /* no program that the kernel takes does that */
		return;
	}
	for (int i = 0; i < REGISTERS; i++) {
		uint8_t *holds = &walk->before[index].holds[i];

		is_new = is_new || (registers->holds[i] & ~*holds);
		*holds |= registers->holds[i];
	}
	if (is_new && !walk->is_waiting[index]) {
		walk->is_waiting[index] = true;
		walk->waiting[walk->waiting_count++] = (uint32_t)index;
	}
}

/* A number is told by its lower half: the value that a program returns has 32 bits. */
static uint8_t result_of(const struct walk *walk, const struct bpf_insn *insn,
			 const struct registers *registers)
{
	if (BPF_OP(insn->code) != BPF_MOV || insn->off)
		return HOLDS_UNKNOWN;
	return BPF_SRC(insn->code) == BPF_K ? kind_of_number(insn->imm, walk->is_tcx)
					    : registers->holds[insn->src_reg % REGISTERS];
}

static void set_register(struct registers *registers, unsigned int number, uint8_t holds)
{
	registers->holds[number % REGISTERS] = holds;
}

/* A call, an exit, or a jump. */
static void jump(struct walk *walk, int64_t index, struct registers *registers)
{
	const struct bpf_insn *insn = &walk->insns[index];

	switch (BPF_OP(insn->code)) {
	case BPF_EXIT:
		walk->returned |= registers->holds[BPF_REG_0];
		return;
	case BPF_CALL:
		/* Where it calls another program in its place, that one returns. */
		if (!insn->src_reg && insn->imm == BPF_FUNC_tail_call)
			walk->returned |= HOLDS_UNKNOWN;
		for (unsigned int i = BPF_REG_0; i <= BPF_REG_5; i++)
			set_register(registers, i, HOLDS_UNKNOWN);
		break;
	case BPF_JA:
		come_to(walk,
			index + 1 + (BPF_CLASS(insn->code) == BPF_JMP ? insn->off : insn->imm),
			registers);
		return;
	default:
		come_to(walk, index + 1 + insn->off, registers);
	}
	come_to(walk, index + 1, registers);
}

static void step(struct walk *walk, int64_t index)
{
	const struct bpf_insn *insn = &walk->insns[index];
	struct registers registers = walk->before[index];

	switch (BPF_CLASS(insn->code)) {
	case BPF_JMP:
	case BPF_JMP32:
		jump(walk, index, &registers);
		return;
	case BPF_ALU:
	case BPF_ALU64:
		set_register(&registers, insn->dst_reg, result_of(walk, insn, &registers));
		break;
	case BPF_LD:
		/* Takes two, if it is a number; a read of the packet comes to stand in r0. */
		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW)) {
			set_register(&registers, insn->dst_reg,
				     kind_of_number(insn->imm, walk->is_tcx));
			index++;
			break;
		}
		set_register(&registers, BPF_REG_0, HOLDS_UNKNOWN);
		break;
	case BPF_LDX:
		set_register(&registers, insn->dst_reg, HOLDS_UNKNOWN);
		break;
	case BPF_STX:
		/* Of the atomic ones some fetch what was there. */
		if (BPF_MODE(insn->code) == BPF_ATOMIC) {
			set_register(&registers, BPF_REG_0, HOLDS_UNKNOWN);
			set_register(&registers, insn->src_reg, HOLDS_UNKNOWN);
		}
		break;
	}
	come_to(walk, index + 1, &registers);
}

static enum cv_ending ending_of(uint8_t returned)
{
	if (returned == HOLDS_NEXT)
		return CV_ENDS_NO;
	return returned == HOLDS_END ? CV_ENDS_YES : CV_ENDS_MAYBE;
}

enum cv_ending cv_ending_of_insns(const struct bpf_insn *insns, size_t count, bool is_tcx)
{
	CV_CLEANUP(walk_fini)
	struct walk walk = { .insns = insns, .count = count, .is_tcx = is_tcx };
	struct registers registers;

	if (!count || count > MAX_INSNS)
		return CV_ENDS_MAYBE;
	walk.before = calloc(count, sizeof(*walk.before));
	walk.is_waiting = calloc(count, sizeof(*walk.is_waiting));
	walk.waiting = calloc(count, sizeof(*walk.waiting));
	if (!walk.before || !walk.is_waiting || !walk.waiting)
		return CV_ENDS_MAYBE;
	memset(&registers, HOLDS_UNKNOWN, sizeof(registers));
	come_to(&walk, 0, &registers);
	while (walk.waiting_count) {
		uint32_t index = walk.waiting[--walk.waiting_count];

		walk.is_waiting[index] = false;
		step(&walk, index);
	}
	return ending_of(walk.returned);
}

enum cv_ending cv_ending_of_program(uint32_t prog_id, bool is_tcx)
{
	CV_CLOSE int fd = bpf_prog_get_fd_by_id(prog_id);
	CV_FREE struct bpf_insn *insns = NULL;
	struct bpf_prog_info info = { 0 };
	uint32_t bytes, info_bytes = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &info_bytes) || !info.xlated_prog_len)
		return CV_ENDS_MAYBE;
	bytes = info.xlated_prog_len;
	insns = malloc(bytes);
	if (!insns)
		return CV_ENDS_MAYBE;
	info = (struct bpf_prog_info){ .xlated_prog_len = bytes,
				       .xlated_prog_insns = (uintptr_t)insns };
	info_bytes = sizeof(info);
	/* Without the privilege the kernel clears the pointer. */
	if (bpf_obj_get_info_by_fd(fd, &info, &info_bytes) || !info.xlated_prog_insns ||
	    info.xlated_prog_len != bytes)
		return CV_ENDS_MAYBE;
	return cv_ending_of_insns(insns, bytes / sizeof(*insns), is_tcx);
}

/* ---- what actions do ---- */

#define TC_U32_ROOT_TABLE 0x80000000 /* TC_U32_HTID() of the first table of a prio */

/* What one action makes of the packet, or of those behind it in the list. */
enum outcome {
	OUTCOME_PIPE, /* the next action has it */
	OUTCOME_NEXT, /* the next filter */
	OUTCOME_END,
	OUTCOME_UNKNOWN,
};

static enum outcome outcome_of_number(int number)
{
	switch (number) {
	case TC_ACT_PIPE:
		return OUTCOME_PIPE;
	case TC_ACT_UNSPEC:
		return OUTCOME_NEXT;
	case TC_ACT_OK:
	case TC_ACT_SHOT:
	case TC_ACT_STOLEN:
	case TC_ACT_QUEUED:
	case TC_ACT_REDIRECT:
	case TC_ACT_TRAP:
		return OUTCOME_END;
	}
	return OUTCOME_UNKNOWN; /* it goes to another chain, or begins anew */
}

static enum outcome outcome_of_gact(const struct nlattr *parameters, bool is_random)
{
	struct tc_gact gact;

	if (is_random || !parameters || nla_len(parameters) < (int)sizeof(gact))
		return OUTCOME_UNKNOWN;
	memcpy(&gact, nla_data(parameters), sizeof(gact));
	return outcome_of_number(gact.action);
}

static enum outcome outcome_of_mirred(const struct nlattr *parameters)
{
	struct tc_mirred mirred;

	if (!parameters || nla_len(parameters) < (int)sizeof(mirred))
		return OUTCOME_UNKNOWN;
	memcpy(&mirred, nla_data(parameters), sizeof(mirred));
	return mirred.eaction == TCA_EGRESS_REDIR || mirred.eaction == TCA_INGRESS_REDIR
		       ? OUTCOME_END
		       : outcome_of_number(mirred.action);
}

static enum outcome outcome_of_action(struct nlattr *action)
{
	struct nlattr *attrs[TCA_ACT_MAX + 1], *options;
	const char *kind;

	if (nla_parse_nested(attrs, TCA_ACT_MAX, action, NULL) < 0 || !attrs[TCA_ACT_KIND] ||
	    !attrs[TCA_ACT_OPTIONS] ||
	    !memchr(nla_data(attrs[TCA_ACT_KIND]), '\0', nla_len(attrs[TCA_ACT_KIND])))
		return OUTCOME_UNKNOWN;
	kind = nla_data(attrs[TCA_ACT_KIND]);
	options = attrs[TCA_ACT_OPTIONS];
	if (!strcmp(kind, "gact"))
		return outcome_of_gact(
			nla_find(nla_data(options), nla_len(options), TCA_GACT_PARMS),
			nla_find(nla_data(options), nla_len(options), TCA_GACT_PROB));
	if (!strcmp(kind, "mirred"))
		return outcome_of_mirred(
			nla_find(nla_data(options), nla_len(options), TCA_MIRRED_PARMS));
	return OUTCOME_UNKNOWN;
}

/* With no action left that has it, or none at all, a packet that matched has met its filter. */
static enum outcome outcome_of_actions(struct nlattr *actions)
{
	struct nlattr *attrs[CV_TC_ACTIONS_MAX + 1];
	enum outcome outcome = OUTCOME_PIPE;

	if (!actions)
		return OUTCOME_END;
	if (nla_parse_nested(attrs, CV_TC_ACTIONS_MAX, actions, NULL) < 0)
		return OUTCOME_UNKNOWN;
	for (int i = 1; outcome == OUTCOME_PIPE && i <= CV_TC_ACTIONS_MAX; i++)
		if (attrs[i])
			outcome = outcome_of_action(attrs[i]);
	return outcome == OUTCOME_PIPE ? OUTCOME_END : outcome;
}

/* True if that flag says that the filter is for the network card alone. */
static bool is_for_hardware(const struct nlattr *flags)
{
	return flags && nla_len(flags) >= 4 && nla_get_u32(flags) & TCA_CLS_FLAGS_SKIP_SW;
}

/* u32 compares nothing, in the table that packets come to first: "match u32 0 0". */
static bool u32_takes_all(const struct cv_filter *filter, struct nlattr **attrs)
{
	struct tc_u32_sel sel;
	struct tc_u32_key key;
	const char *keys;

	if (TC_U32_HTID(filter->handle) != TC_U32_ROOT_TABLE || TC_U32_HASH(filter->handle) ||
	    !attrs[TCA_U32_SEL] || attrs[TCA_U32_MARK] || attrs[TCA_U32_LINK] ||
	    is_for_hardware(attrs[TCA_U32_FLAGS]) || nla_len(attrs[TCA_U32_SEL]) < (int)sizeof(sel))
		return false;
	memcpy(&sel, nla_data(attrs[TCA_U32_SEL]), sizeof(sel));
	if (nla_len(attrs[TCA_U32_SEL]) < (int)(sizeof(sel) + sel.nkeys * sizeof(key)))
		return false;
	keys = (const char *)nla_data(attrs[TCA_U32_SEL]) + sizeof(sel);
	for (size_t i = 0; i < sel.nkeys; i++) {
		memcpy(&key, keys + i * sizeof(key), sizeof(key));
		if (key.mask)
			return false;
	}
	return true;
}

/* True if the filter is for every packet there is. */
static bool takes_all(const struct cv_filter *filter, const struct nlattr *options)
{
	struct nlattr *attrs[TCA_U32_MAX + 1];

	if (filter->protocol != ETH_P_ALL || !options)
		return false;
	if (!strcmp(filter->kind, "matchall"))
		return !is_for_hardware(
			nla_find(nla_data(options), nla_len(options), TCA_MATCHALL_FLAGS));
	return !strcmp(filter->kind, "u32") &&
	       nla_parse_nested(attrs, TCA_U32_MAX, (struct nlattr *)options, NULL) >= 0 &&
	       u32_takes_all(filter, attrs);
}

/* Of a classic program (tc's bytecode), which the kernel lists as it is. */
static enum cv_ending ending_of_classic(const struct nlattr *ops)
{
	size_t count = ops ? nla_len(ops) / sizeof(struct sock_filter) : 0;
	uint8_t returned = 0;

	for (size_t i = 0; i < count; i++) {
		struct sock_filter op;

		memcpy(&op, (const char *)nla_data(ops) + i * sizeof(op), sizeof(op));
		if (BPF_CLASS(op.code) != BPF_RET)
			continue;
		returned |= BPF_RVAL(op.code) == BPF_K ? kind_of_number((int32_t)op.k, false)
						       : HOLDS_UNKNOWN;
	}
	return ending_of(returned);
}

enum cv_ending cv_ending_of_filter(const struct cv_filter *filter, const struct nlattr *options)
{
	if (filter->direct_action)
		return ending_of_classic(
			options ? nla_find(nla_data(options), nla_len(options), TCA_BPF_OPS)
				: NULL);
	switch (outcome_of_actions(cv_tc_actions(filter->kind, options))) {
	case OUTCOME_NEXT:
		return CV_ENDS_NO;
	case OUTCOME_END:
		return takes_all(filter, options) ? CV_ENDS_YES : CV_ENDS_MAYBE;
	default:
		return CV_ENDS_MAYBE;
	}
}
