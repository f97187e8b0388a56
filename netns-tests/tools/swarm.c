/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Starts many processes that live as short as they can, as fast as the machine can: programs and
 * addresses take turns.
 *
 *   swarm COUNT ATONCE PORT ADDR,ADDR... PROGRAM...    each process is: PROGRAM PORT ADDR
 *
 * ATONCE of them live at a time. Where the kernel lets it, their process ids begin anew now and then,
 * in this process namespace. Prints how many processes there were in a second, and how many had the
 * id of an earlier one. Exit status 1 if one of them failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "number.h"

#define ADDRS_MAX 8
#define COUNT_MAX 10000000
#define IDS 500 /* so many processes, then their ids begin anew */
#define PID_LIMIT (4 * 1024 * 1024) /* the kernel's */

struct swarm {
	char *addrs[ADDRS_MAX];
	long addr_count;
	char **programs;
	long program_count;
	char *port;
	int last_id; /* /proc/sys/kernel/ns_last_pid, or -1 */
	char first_id[16]; /* what stood there */
	long reused;
	long failed;
	bool seen[PID_LIMIT + 1];
};

static struct swarm swarm;

static void parse_addrs(char *text)
{
	char *addr = strtok(text, ",");

	for (; addr && swarm.addr_count < ADDRS_MAX; addr = strtok(NULL, ","))
		swarm.addrs[swarm.addr_count++] = addr;
}

/* Notes where process ids begin. */
static void note_first_id(void)
{
	ssize_t len;

	swarm.last_id = open("/proc/sys/kernel/ns_last_pid", O_RDWR | O_CLOEXEC);
	len = pread(swarm.last_id, swarm.first_id, sizeof(swarm.first_id) - 1, 0);
	if (len < 0)
		swarm.last_id = -1;
}

/* Lets the next process id be the first one, if that is free. */
static void begin_ids_anew(void)
{
	if (swarm.last_id < 0)
		return;
	if (pwrite(swarm.last_id, swarm.first_id, strlen(swarm.first_id), 0) < 0) {
		fprintf(stderr, "swarm: ns_last_pid: %s\n", strerror(errno));
		exit(1);
	}
}

/* Starts the process of that number: all programs take turns with each address. */
static void start(long number)
{
	char *program = swarm.programs[number % swarm.program_count];
	char *addr = swarm.addrs[number / swarm.program_count % swarm.addr_count];
	char *argv[] = { program, swarm.port, addr, NULL };
	char *environment[] = { NULL };
	pid_t pid;
	int error = posix_spawn(&pid, program, NULL, NULL, argv, environment);

	if (error) {
		fprintf(stderr, "swarm: %s: %s\n", program, strerror(error));
		exit(1);
	}
	swarm.reused += swarm.seen[pid];
	swarm.seen[pid] = true;
}

/* Waits until one process has ended. */
static void reap(void)
{
	int status;

	if (wait(&status) < 0) {
		fprintf(stderr, "swarm: wait: %s\n", strerror(errno));
		exit(1);
	}
	swarm.failed += status != 0;
}

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double begin = now_seconds();
	long count;
	long at_once;

	if (argc < 6) {
		fputs("usage: swarm COUNT ATONCE PORT ADDR,ADDR... PROGRAM...\n", stderr);
		return 2;
	}
	count = parse_number("swarm", argv[1], COUNT_MAX);
	at_once = parse_number("swarm", argv[2], COUNT_MAX);
	swarm.port = argv[3];
	parse_addrs(argv[4]);
	swarm.programs = argv + 5;
	swarm.program_count = argc - 5;
	note_first_id();
	for (long number = 0; number < count; number++) {
		if (number % IDS == 0)
			begin_ids_anew();
		if (number >= at_once)
			reap();
		start(number);
	}
	for (long left = count < at_once ? count : at_once; left > 0; left--)
		reap();
	printf("%ld processes, %.0f a second, %ld with a used process id, %ld failed\n", count,
	       (double)count / (now_seconds() - begin), swarm.reused, swarm.failed);
	return swarm.failed != 0;
}
