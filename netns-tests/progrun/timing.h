/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long programs run, net of an empty program: `progrun_encap time`, `progrun_decap time`. Not a
 * test. A program that changes its packet cannot be repeated on it, so each run is one system call;
 * the kernel's own clock brackets the program alone. Programs take turns, for a machine's speed
 * wanders; bpf_stats must be off.
 */
#ifndef CV_TIMING_H
#define CV_TIMING_H

#include "progrun.h"

#define TIMING_ROUNDS 40
#define TIMING_RUNS 2000 /* of each program in a round */
#define TIMING_MAX 64

/* One program with one packet. */
struct timed {
	const char *name;
	int prog;
	struct frame frame;
	void (*prepare)(const void *arg); /* before its runs of a round; may be NULL */
	const void *arg;
	uint32_t id; /* that a shared program finds without its stub */
	double rounds[TIMING_ROUNDS]; /* ns */
};

static inline int empty_program(enum bpf_prog_type type)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "test_empty", "GPL", insns, ARRAY_LEN(insns), NULL);

	assert_true(fd >= 0);
	return fd;
}

static inline int compare_times(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The mean of the middle half: as robust as a median, and finer than a clock that ticks in tens. */
static inline double middle_of(double *times, size_t count)
{
	double sum = 0;

	qsort(times, count, sizeof(*times), compare_times);
	for (size_t i = count / 4; i < count - count / 4; i++)
		sum += times[i];
	return sum / (double)(count - count / 4 * 2);
}

static inline uint32_t time_once(const struct timed *timed)
{
	struct __sk_buff ctx = { .cb = { timed->id } };
	struct frame out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = timed->frame.bytes,
		    .data_size_in = timed->frame.len, .data_out = out.bytes,
		    .data_size_out = sizeof(out.bytes), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(timed->prog, &opts), 0);
	return opts.duration;
}

static inline void time_round(struct timed *timed, size_t round)
{
	static double times[TIMING_RUNS];

	if (timed->prepare)
		timed->prepare(timed->arg);
	for (size_t i = 0; i < TIMING_RUNS; i++)
		times[i] = time_once(timed);
	timed->rounds[round] = middle_of(times, TIMING_RUNS);
}

/* The first is the empty program, which the others are told against. */
static inline void print_times(struct timed *timed, size_t count)
{
	double empty = 0;

	for (size_t round = 0; round < TIMING_ROUNDS; round++)
		for (size_t i = 0; i < count; i++)
			time_round(&timed[i], round);
	for (size_t i = 0; i < count; i++) {
		double middle = middle_of(timed[i].rounds, TIMING_ROUNDS);

		if (!i)
			empty = middle;
		else
			printf("%-36s %6.1f ns\n", timed[i].name, middle - empty);
	}
}

#endif
