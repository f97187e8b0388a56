/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What packets cost on their whole way from a socket to one in another network namespace of the same
 * host: one thread sends a little and then takes it in, so that all of it happens on one CPU. The
 * minimum of many short runs, because a minimum holds still where a mean follows whatever else the
 * machine does.
 *
 *   pathbench udp|tcp NETNS ADDR [-r RUNS]
 *
 * NETNS: path of the receiver's network namespace, where ADDR is. udp: datagrams of 64 bytes; prints
 * nanoseconds for each, and fails if one in a hundred is lost. tcp: a stream in blocks of 64 KiB;
 * prints nanoseconds for each 1000 bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST 16 /* datagrams: few enough for any receive buffer */
#define BURSTS_A_RUN 10
#define DATAGRAM_BYTES 64
#define BLOCK_BYTES 65536
#define BLOCKS_A_RUN 12
#define BLOCKS_AHEAD 4
#define RUNS_DEFAULT 400
#define RUNS_MAX 1000000
#define PORT 5300
#define LOST_MAX 100 /* one in so many */

struct path {
	int sender;
	int receiver;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	long sent, came; /* datagrams */
};

static char buffer[BLOCK_BYTES];

static void die(const char *what)
{
	fprintf(stderr, "pathbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(void)
{
	fputs("usage: pathbench udp|tcp NETNS ADDR [-r RUNS]\n", stderr);
	exit(2);
}

static void parse_addr(const char *text, struct path *path)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&path->addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&path->addr;

	v4->sin_port = htons(PORT);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		path->addr_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		path->addr_len = sizeof(*v6);
	} else {
		usage();
	}
}

/* A socket that is bound to the path's address in the network namespace; the thread comes back. */
static int open_there(const struct path *path, const char *netns, int type)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(netns, O_RDONLY | O_CLOEXEC);
	int one = 1, fd;

	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET))
		die(netns);
	fd = socket(path->addr.ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)&path->addr, path->addr_len))
		die("receiver");
	if (setns(here, CLONE_NEWNET))
		die("setns");
	close(there);
	close(here);
	return fd;
}

static void connect_sender(struct path *path, int type)
{
	path->sender = socket(path->addr.ss_family, type | SOCK_CLOEXEC, 0);
	if (path->sender < 0 ||
	    connect(path->sender, (const struct sockaddr *)&path->addr, path->addr_len))
		die("sender");
}

static void open_udp(struct path *path, const char *netns)
{
	path->receiver = open_there(path, netns, SOCK_DGRAM);
	connect_sender(path, SOCK_DGRAM);
}

static void open_tcp(struct path *path, const char *netns)
{
	int listener = open_there(path, netns, SOCK_STREAM);

	if (listen(listener, 1))
		die("listen");
	connect_sender(path, SOCK_STREAM);
	path->receiver = accept(listener, NULL, NULL);
	if (path->receiver < 0)
		die("accept");
	close(listener);
}

/* One run; returns how many datagrams came. */
static long run_udp(struct path *path)
{
	long came = 0;

	for (int i = 0; i < BURSTS_A_RUN; i++) {
		for (int j = 0; j < BURST; j++)
			if (send(path->sender, buffer, DATAGRAM_BYTES, 0) < 0)
				die("send");
		for (int j = 0; j < BURST; j++)
			came += recv(path->receiver, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0;
	}
	path->sent += (long)BURSTS_A_RUN * BURST;
	path->came += came;
	return came;
}

/* Sends until the socket takes no more, or all of the rest, and returns how much it was. */
static long send_some(struct path *path, long rest)
{
	long sent = 0;

	while (sent < rest) {
		ssize_t put = send(path->sender, buffer,
				   rest - sent < BLOCK_BYTES ? (size_t)(rest - sent) : BLOCK_BYTES,
				   MSG_DONTWAIT);

		if (put < 0 && errno == EAGAIN)
			break;
		if (put < 0)
			die("send");
		sent += put;
	}
	return sent;
}

static long receive_all(struct path *path)
{
	long came = 0;

	for (;;) {
		ssize_t got = recv(path->receiver, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			return came;
		if (got <= 0)
			die("recv");
		came += got;
	}
}

/* One run; returns how many thousand bytes came, which are all. Several blocks are under way before
 * the receiver reads, as with a receiver that is kept busy: it acknowledges less than each packet. */
static long run_tcp(struct path *path)
{
	const long total = (long)BLOCKS_A_RUN * BLOCK_BYTES;
	long sent = 0, came = 0;

	while (came < total) {
		long ahead = (long)BLOCKS_AHEAD * BLOCK_BYTES - (sent - came);

		sent += send_some(path, ahead < total - sent ? ahead : total - sent);
		came += receive_all(path);
	}
	return total / 1000;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now))
		die("clock_gettime");
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double best_of(long (*run)(struct path *), struct path *path, long runs)
{
	double best = 0;

	for (long i = 0; i < runs; i++) {
		uint64_t begin = now_ns();
		long units = run(path);
		double each = (double)(now_ns() - begin) / (double)(units ? units : 1);

		if (units && (best == 0 || each < best))
			best = each;
	}
	return best;
}

int main(int argc, char **argv)
{
	struct path path = { 0 };
	long runs = RUNS_DEFAULT;
	bool is_tcp;
	int opt;

	while ((opt = getopt(argc, argv, "r:")) != -1) {
		if (opt != 'r')
			usage();
		runs = strtol(optarg, NULL, 10);
	}
	if (argc - optind != 3 || runs < 1 || runs > RUNS_MAX)
		usage();
	is_tcp = !strcmp(argv[optind], "tcp");
	if (!is_tcp && strcmp(argv[optind], "udp"))
		usage();
	parse_addr(argv[optind + 2], &path);
	if (is_tcp)
		open_tcp(&path, argv[optind + 1]);
	else
		open_udp(&path, argv[optind + 1]);
	printf("%.2f\n", best_of(is_tcp ? run_tcp : run_udp, &path, runs));
	if (path.came < path.sent - path.sent / LOST_MAX) {
		fprintf(stderr, "pathbench: %ld of %ld datagrams came\n", path.came, path.sent);
		return 1;
	}
	return 0;
}
