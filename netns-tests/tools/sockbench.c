/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What sockets cost: CPU time of this process for one operation, the minimum of many short runs,
 * because a minimum holds still where a mean follows whatever else the machine does. For the price
 * of hooks: run it with them and without, in turn.
 *
 *   sockbench MODE [-4|-6] [-n OPERATIONS] [-r ROUNDS]
 *
 * create: socket() and close(), UDP. On loopback: accept: socket(), connect(), accept() and both
 * close(), TCP; rr: a byte there and back between two processes, on one TCP connection and one CPU;
 * bulk: 64 KB through one. Prints nanoseconds per operation: one number.
 *
 * memory: opens OPERATIONS connected UDP sockets, and prints the bytes of kernel memory that each
 * took (Slab of /proc/meminfo, which other processes move, too).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "number.h"

#define OPERATIONS_DEFAULT 2000
#define ROUNDS_DEFAULT 40
#define COUNT_MAX 10000000
#define BULK_BYTES (64 << 10)

struct bench {
	int family;
	int listener;
	int client; /* rr and bulk: both ends of a connection */
	int server;
	clockid_t helper; /* CPU time of the process at the other end; 0: there is none */
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

static void die(const char *what)
{
	fprintf(stderr, "sockbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void listen_on_loopback(struct bench *bench)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&bench->addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&bench->addr;

	if (bench->family == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		bench->addr_len = sizeof(*v4);
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_addr = in6addr_loopback;
		bench->addr_len = sizeof(*v6);
	}
	bench->listener = open_socket(bench->family, SOCK_STREAM);
	if (bind(bench->listener, (struct sockaddr *)&bench->addr, bench->addr_len))
		die("bind");
	if (listen(bench->listener, 16))
		die("listen");
	if (getsockname(bench->listener, (struct sockaddr *)&bench->addr, &bench->addr_len))
		die("getsockname");
}

static void one_create(struct bench *bench)
{
	close(open_socket(bench->family, SOCK_DGRAM));
}

static void one_accept(struct bench *bench)
{
	/* A reset instead of TIME_WAIT: else the ports run out within a second. */
	struct linger no_wait = { .l_onoff = 1, .l_linger = 0 };
	int client = open_socket(bench->family, SOCK_STREAM);
	int server;

	if (connect(client, (struct sockaddr *)&bench->addr, bench->addr_len))
		die("connect");
	server = accept(bench->listener, NULL, NULL);
	if (server < 0)
		die("accept");
	if (setsockopt(client, SOL_SOCKET, SO_LINGER, &no_wait, sizeof(no_wait)))
		die("SO_LINGER");
	close(client);
	close(server);
}

static void connect_pair(struct bench *bench)
{
	listen_on_loopback(bench);
	bench->client = open_socket(bench->family, SOCK_STREAM);
	if (connect(bench->client, (struct sockaddr *)&bench->addr, bench->addr_len))
		die("connect");
	bench->server = accept(bench->listener, NULL, NULL);
	if (bench->server < 0)
		die("accept");
}

static void one_bulk(struct bench *bench)
{
	static char data[BULK_BYTES];
	size_t got = 0;

	if (send(bench->client, data, sizeof(data), 0) != sizeof(data))
		die("send");
	while (got < sizeof(data)) {
		ssize_t len = recv(bench->server, data, sizeof(data) - got, 0);

		if (len <= 0)
			die("recv");
		got += (size_t)len;
	}
}

static void stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
}

/* Starts a process that answers each byte, and dies with this one. */
static void start_echo(struct bench *bench)
{
	pid_t pid;
	char byte;

	connect_pair(bench);
	stay_on_one_cpu();
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(bench->client);
		while (recv(bench->server, &byte, 1, 0) == 1 &&
		       send(bench->server, &byte, 1, 0) == 1)
			;
		_exit(0);
	}
	close(bench->server);
	if (clock_getcpuclockid(pid, &bench->helper))
		die("clock_getcpuclockid");
}

static void one_rr(struct bench *bench)
{
	char byte = 0;

	if (send(bench->client, &byte, 1, 0) != 1 || recv(bench->client, &byte, 1, 0) != 1)
		die("rr");
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		die("clock_gettime");
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CPU time of this process and its helper. */
static uint64_t cpu_ns(const struct bench *bench)
{
	uint64_t ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	return bench->helper ? ns + clock_ns(bench->helper) : ns;
}

static double best_of(void (*one)(struct bench *), struct bench *bench, long operations,
		      long rounds)
{
	uint64_t best = UINT64_MAX;

	for (long round = 0; round < rounds; round++) {
		uint64_t begin = cpu_ns(bench);
		uint64_t took;

		for (long i = 0; i < operations; i++)
			one(bench);
		took = cpu_ns(bench) - begin;
		if (took < best)
			best = took;
	}
	return (double)best / (double)operations;
}

static long slab_bytes(void)
{
	char line[128];
	long kilobytes = -1;
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		die("/proc/meminfo");
	while (kilobytes < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, "Slab:", 5))
			kilobytes = strtol(line + 5, NULL, 10);
	fclose(file);
	return kilobytes * 1024;
}

static double memory_of_each(struct bench *bench, long sockets)
{
	struct rlimit files;
	long before;

	listen_on_loopback(bench); /* for its address */
	if (getrlimit(RLIMIT_NOFILE, &files))
		die("RLIMIT_NOFILE");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("RLIMIT_NOFILE");
	before = slab_bytes();
	for (long i = 0; i < sockets; i++)
		if (connect(open_socket(bench->family, SOCK_DGRAM), (struct sockaddr *)&bench->addr,
			    bench->addr_len))
			die("connect");
	return (double)(slab_bytes() - before) / (double)sockets;
}

static const struct mode {
	const char *name;
	void (*prepare)(struct bench *bench);
	void (*one)(struct bench *bench); /* NULL: memory */
} modes[] = {
	{ "create", NULL, one_create }, { "accept", listen_on_loopback, one_accept },
	{ "rr", start_echo, one_rr },	{ "bulk", connect_pair, one_bulk },
	{ "memory", NULL, NULL },
};

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}

static void usage(void)
{
	fputs("usage: sockbench create|accept|rr|bulk|memory [-4|-6] [-n OPERATIONS] [-r ROUNDS]\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	struct bench bench = { .family = AF_INET, .listener = -1, .client = -1, .server = -1 };
	long operations = OPERATIONS_DEFAULT;
	long rounds = ROUNDS_DEFAULT;
	const struct mode *mode = argc > 1 ? find_mode(argv[1]) : NULL;
	int opt;

	if (!mode)
		usage();
	optind = 2;
	while ((opt = getopt(argc, argv, "46n:r:")) != -1) {
		if (opt == '4')
			bench.family = AF_INET;
		else if (opt == '6')
			bench.family = AF_INET6;
		else if (opt == 'n')
			operations = parse_number("sockbench", optarg, COUNT_MAX);
		else if (opt == 'r')
			rounds = parse_number("sockbench", optarg, COUNT_MAX);
		else
			usage();
	}
	if (optind != argc)
		usage();
	if (mode->prepare)
		mode->prepare(&bench);
	printf("%.1f\n", mode->one ? best_of(mode->one, &bench, operations, rounds)
				   : memory_of_each(&bench, operations));
	return 0;
}
