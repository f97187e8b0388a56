/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Somebody else's program on tcx: one that returns the same number for every packet.
 *
 *   tcx ingress|egress IFNAME first|last NAME NUMBER PIN
 *
 * It stays when this ends: its link is pinned at PIN. Exit status 77: this kernel has no tcx.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <linux/bpf.h> of Linux 6.6, which brought it. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define F_BEFORE (1U << 3)

static void die(const char *what)
{
	fprintf(stderr, "tcx: %s: %s\n", what, strerror(errno));
	exit(errno == EINVAL ? 77 : 1);
}

static int load(const char *name, int number)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = number },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, 2, NULL);
}

int main(int argc, char **argv)
{
	/* The members of union bpf_attr for BPF_LINK_CREATE. */
	struct {
		uint32_t prog_fd, ifindex, attach_type, flags, relative_fd, pad;
		uint64_t expected_revision;
	} attr = { 0 };
	int prog, link;

	if (argc != 7) {
		fprintf(stderr, "usage: tcx ingress|egress IFNAME first|last NAME NUMBER PIN\n");
		return 1;
	}
	prog = load(argv[4], atoi(argv[5]));
	if (prog < 0)
		die("program");
	attr.prog_fd = (uint32_t)prog;
	attr.ifindex = if_nametoindex(argv[2]);
	attr.attach_type = strcmp(argv[1], "ingress") ? TCX_EGRESS : TCX_INGRESS;
	attr.flags = strcmp(argv[3], "first") ? 0 : F_BEFORE;
	link = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (link < 0)
		die("link");
	if (bpf_obj_pin(link, argv[6]))
		die(argv[6]);
	return 0;
}
