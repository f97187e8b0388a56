/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What sockets cost: CPU time of this process for one operation, the minimum of many short runs,
 * because a minimum holds still where a mean follows whatever else the machine does. For the price
 * of hooks at socket birth: run it in a cgroup with them and in one without, in turn.
 *
 *   sockbench create|accept [-4|-6] [-n OPERATIONS] [-r ROUNDS]
 *
 * create: socket() and close(), UDP. accept: socket(), connect(), accept() and both close(), TCP
 * on loopback. Prints nanoseconds per operation: one number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPERATIONS_DEFAULT 2000
#define ROUNDS_DEFAULT 40
#define COUNT_MAX 10000000

struct bench {
	int family;
	int listener; /* accept only */
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

static uint64_t cpu_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now))
		die("clock_gettime");
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double best_of(void (*one)(struct bench *), struct bench *bench, long operations,
		      long rounds)
{
	uint64_t best = UINT64_MAX;

	for (long round = 0; round < rounds; round++) {
		uint64_t begin = cpu_ns();
		uint64_t took;

		for (long i = 0; i < operations; i++)
			one(bench);
		took = cpu_ns() - begin;
		if (took < best)
			best = took;
	}
	return (double)best / (double)operations;
}

static long parse_count(const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > COUNT_MAX) {
		fprintf(stderr, "sockbench: '%s' is not a number from 1 to %d\n", text, COUNT_MAX);
		exit(2);
	}
	return value;
}

static void usage(void)
{
	fputs("usage: sockbench create|accept [-4|-6] [-n OPERATIONS] [-r ROUNDS]\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	struct bench bench = { .family = AF_INET, .listener = -1 };
	long operations = OPERATIONS_DEFAULT;
	long rounds = ROUNDS_DEFAULT;
	bool is_accept;
	int opt;

	if (argc < 2 || (strcmp(argv[1], "create") && strcmp(argv[1], "accept")))
		usage();
	is_accept = !strcmp(argv[1], "accept");
	optind = 2;
	while ((opt = getopt(argc, argv, "46n:r:")) != -1) {
		if (opt == '4')
			bench.family = AF_INET;
		else if (opt == '6')
			bench.family = AF_INET6;
		else if (opt == 'n')
			operations = parse_count(optarg);
		else if (opt == 'r')
			rounds = parse_count(optarg);
		else
			usage();
	}
	if (optind != argc)
		usage();
	if (is_accept)
		listen_on_loopback(&bench);
	printf("%.1f\n", best_of(is_accept ? one_accept : one_create, &bench, operations, rounds));
	return 0;
}
