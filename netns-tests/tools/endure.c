/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Applies two states in turn while datagrams and TCP connections go through them, and tells what was lost,
 * came twice, took the wrong way or broke.
 *
 *   endure COUNT RATE FAR-NETNS FLOWS STATE1 STATE2 CULVERT-COMMAND...
 *
 * RATE: datagrams a second, of all flows together. FLOWS: a file with a line "ADDRESS DSCP1 DSCP2" for
 * each flow: the DSCP says at the far end by which way a datagram came, which must be the one of the state
 * that stood when it was sent, or one of both while they changed. 20 connections exchange small messages
 * without a pause longer than a few milliseconds. Prints a line of JSON; exit status 1 if a command
 * failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "number.h"

#define FLOWS_MAX 16
#define CONNECTIONS 20
#define UDP_PORT 9100
#define TCP_PORT 9101
#define NUMBERS_MAX (1u << 25) /* datagrams of a flow */
#define RECEIVE_BUFFER (64 << 20)
#define TICK_NS 1000000L
#define QUIET_MS 1000
#define ANSWER_SECONDS 10 /* a connection that has none for so long is broken */
#define MESSAGE_BYTES 256
#define PAUSE_NS 3000000L /* of a connection */

enum phase { FIRST, SECOND, CHANGING };

struct datagram {
	uint32_t flow;
	uint32_t phase;
	uint64_t number;
};

struct flow {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	long dscps[2];
};

/* What all processes see. */
struct shared {
	atomic_uint phase;
	atomic_bool is_over;
	atomic_bool is_listening;
	atomic_long sent, came, twice, misrouted;
	atomic_long exchanges, broken, longest_us;
	/* Of the first datagram that came the wrong way. */
	atomic_long wrong_flow, wrong_phase, wrong_dscp;
	atomic_uchar seen[FLOWS_MAX][NUMBERS_MAX / 8];
};

static struct shared *shared;
static struct flow flows[FLOWS_MAX];
static size_t flow_count;

static void die(const char *what)
{
	fprintf(stderr, "endure: %s: %s\n", what, strerror(errno));
	_exit(2);
}

static void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt");
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- flows ---- */

static void set_addr(struct flow *flow, const char *text, uint16_t port)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&flow->addr;
	struct sockaddr_in *four = (struct sockaddr_in *)&flow->addr;

	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		flow->addr_len = sizeof(*four);
		return;
	}
	if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
		die(text);
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	flow->addr_len = sizeof(*six);
}

static void read_flows(const char *path)
{
	FILE *file = fopen(path, "re");
	char addr[64];

	if (!file)
		die(path);
	while (flow_count < FLOWS_MAX &&
	       fscanf(file, "%63s %ld %ld", addr, &flows[flow_count].dscps[0],
		      &flows[flow_count].dscps[1]) == 3)
		set_addr(&flows[flow_count++], addr, UDP_PORT);
	fclose(file);
}

static struct sockaddr_storage with_port(const struct flow *flow, uint16_t port)
{
	struct sockaddr_storage addr = flow->addr;

	/* The port stands at the same place in both families. */
	((struct sockaddr_in *)&addr)->sin_port = htons(port);
	return addr;
}

/* ---- the far end ---- */

static void enter(const char *netns)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static int listen_at(int family, int type, uint16_t port)
{
	struct sockaddr_storage any = { .ss_family = family };
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	((struct sockaddr_in *)&any)->sin_port = htons(port);
	if (fd < 0)
		die("socket");
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, CONNECTIONS))
		die("listen");
	return fd;
}

static void note(const struct datagram *datagram, long dscp)
{
	const struct flow *flow = &flows[datagram->flow];
	bool is_first = dscp == flow->dscps[0], is_second = dscp == flow->dscps[1];
	unsigned char bit = 1u << datagram->number % 8;

	if (atomic_fetch_or(&shared->seen[datagram->flow][datagram->number / 8], bit) & bit) {
		atomic_fetch_add(&shared->twice, 1);
		return;
	}
	atomic_fetch_add(&shared->came, 1);
	if (datagram->phase == FIRST	? is_first
	    : datagram->phase == SECOND ? is_second
					: is_first || is_second)
		return;
	if (!atomic_fetch_add(&shared->misrouted, 1)) {
		shared->wrong_flow = datagram->flow;
		shared->wrong_phase = datagram->phase;
		shared->wrong_dscp = dscp;
	}
}

/* The DSCP that a datagram came with. */
static long dscp_of(struct msghdr *msg)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_TOS)
			return *(uint8_t *)CMSG_DATA(cmsg) >> 2;
		if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_TCLASS)
			return *(int *)CMSG_DATA(cmsg) >> 2;
	}
	return -1;
}

static bool receive_one(int fd)
{
	struct datagram datagram;
	char control[128];
	struct iovec iov = { &datagram, sizeof(datagram) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };

	if (recvmsg(fd, &msg, MSG_DONTWAIT) != sizeof(datagram))
		return false;
	if (datagram.flow < flow_count && datagram.number < NUMBERS_MAX)
		note(&datagram, dscp_of(&msg));
	return true;
}

static void *receive(void *arg)
{
	struct pollfd fds[] = {
		{ .fd = listen_at(AF_INET, SOCK_DGRAM, UDP_PORT), .events = POLLIN },
		{ .fd = listen_at(AF_INET6, SOCK_DGRAM, UDP_PORT), .events = POLLIN }
	};

	(void)arg;
	set_option(fds[0].fd, IPPROTO_IP, IP_RECVTOS, 1);
	set_option(fds[1].fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	for (int i = 0; i < 2; i++)
		set_option(fds[i].fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
	shared->is_listening = true;
	while (poll(fds, 2, -1) > 0)
		for (int i = 0; i < 2; i++)
			while (receive_one(fds[i].fd)) {
			}
	return NULL;
}

static void *echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buffer[MESSAGE_BYTES];
	ssize_t len;

	while ((len = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		if (send(fd, buffer, len, MSG_NOSIGNAL) != len)
			break;
	close(fd);
	return NULL;
}

static void start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, arg))
		die("thread");
}

static void *serve(void *arg)
{
	int listener = listen_at((int)(intptr_t)arg, SOCK_STREAM, TCP_PORT), fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		start(echo, (void *)(intptr_t)fd);
	}
	die("accept");
	return NULL;
}

static pid_t start_far_end(const char *netns)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter(netns);
	start(serve, (void *)(intptr_t)AF_INET);
	start(serve, (void *)(intptr_t)AF_INET6);
	receive(NULL);
	_exit(0);
}

/* ---- the near end ---- */

static void wait_until(int64_t ns)
{
	int64_t left;

	while ((left = ns - now_ns()) > 0) {
		struct timespec time = { left / 1000000000, left % 1000000000 };

		ppoll(NULL, 0, &time, NULL);
	}
}

static void send_one(const int *fds, uint64_t number)
{
	struct datagram datagram = { .flow = number % flow_count,
				     .phase = shared->phase,
				     .number = number / flow_count };

	while (send(fds[datagram.flow], &datagram, sizeof(datagram), 0) < 0)
		if (errno != EINTR && errno != ENOBUFS)
			die("send");
	atomic_fetch_add(&shared->sent, 1);
}

static void *send_all(void *arg)
{
	long rate = (intptr_t)arg;
	int64_t begin = now_ns(), tick = 0;
	int fds[FLOWS_MAX];
	uint64_t number = 0;

	for (size_t i = 0; i < flow_count; i++) {
		fds[i] = socket(flows[i].addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 ||
		    connect(fds[i], (struct sockaddr *)&flows[i].addr, flows[i].addr_len))
			die("connect");
	}
	while (!shared->is_over) {
		wait_until(begin + ++tick * TICK_NS);
		while (number < (uint64_t)(tick * rate / 1000))
			send_one(fds, number++);
	}
	return NULL;
}

static bool exchange(int fd, uint64_t number)
{
	char message[MESSAGE_BYTES] = "", answer[MESSAGE_BYTES];

	memcpy(message, &number, sizeof(number));
	return send(fd, message, sizeof(message), MSG_NOSIGNAL) == sizeof(message) &&
	       recv(fd, answer, sizeof(answer), MSG_WAITALL) == sizeof(answer) &&
	       !memcmp(message, answer, sizeof(message));
}

static void note_wait(long us)
{
	long longest = shared->longest_us;

	while (us > longest && !atomic_compare_exchange_weak(&shared->longest_us, &longest, us)) {
	}
}

static void *talk(void *arg)
{
	const struct flow *flow = arg;
	struct sockaddr_storage addr = with_port(flow, TCP_PORT);
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, flow->addr_len))
		die("connect by TCP");
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (uint64_t number = 0; !shared->is_over; number++) {
		int64_t begin = now_ns();

		if (!exchange(fd, number)) {
			atomic_fetch_add(&shared->broken, 1);
			break;
		}
		note_wait((now_ns() - begin) / 1000);
		atomic_fetch_add(&shared->exchanges, 1);
		wait_until(now_ns() + PAUSE_NS);
	}
	close(fd);
	return NULL;
}

/* ---- the changes ---- */

static int run(char **command, const char *verb, const char *file)
{
	char *argv[32];
	size_t argc = 0;
	int status = 0;
	pid_t pid;

	while (command[argc] && argc < 28) {
		argv[argc] = command[argc];
		argc++;
	}
	argv[argc++] = (char *)verb;
	argv[argc++] = (char *)file;
	argv[argc] = NULL;
	pid = fork();
	if (!pid) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Applies the two states in turn. Returns how many commands failed. */
static int change(long count, char **files, char **command)
{
	int failed = 0;

	for (long i = 1; i <= count; i++) {
		shared->phase = CHANGING;
		if (run(command, "apply", files[i % 2])) {
			failed++;
			continue; /* which state stands is not known */
		}
		shared->phase = i % 2 ? SECOND : FIRST;
	}
	return failed;
}

static void settle(void)
{
	long came = -1;

	while (came != shared->came) {
		came = shared->came;
		wait_until(now_ns() + QUIET_MS * INT64_C(1000000));
	}
}

static void report(long count, int failed, int64_t took_ns)
{
	printf("{\"applies\": %ld, \"failed\": %d, \"seconds\": %.1f, \"sent\": %ld, \"lost\": %ld, "
	       "\"twice\": %ld, \"misrouted\": %ld, \"exchanges\": %ld, \"broken\": %ld, \"longest_ms\": %.1f",
	       count, failed, took_ns / 1e9, shared->sent, shared->sent - shared->came,
	       shared->twice, shared->misrouted, shared->exchanges, shared->broken,
	       shared->longest_us / 1e3);
	if (shared->misrouted)
		printf(", \"first_wrong\": {\"flow\": %ld, \"phase\": %ld, \"dscp\": %ld}",
		       shared->wrong_flow, shared->wrong_phase, shared->wrong_dscp);
	printf("}\n");
}

int main(int argc, char **argv)
{
	long count, rate;
	int64_t begin;
	int failed;

	if (argc < 8) {
		fputs("usage: endure COUNT RATE FAR-NETNS FLOWS STATE1 STATE2 COMMAND...\n",
		      stderr);
		return 2;
	}
	count = parse_number("endure", argv[1], 1000000);
	rate = parse_number("endure", argv[2], 1000000);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		die("mmap");
	read_flows(argv[4]);
	start_far_end(argv[3]);
	while (!shared->is_listening)
		wait_until(now_ns() + TICK_NS);
	for (size_t i = 0; i < CONNECTIONS; i++)
		start(talk, &flows[i % flow_count]);
	start(send_all, (void *)(intptr_t)rate);
	begin = now_ns();
	failed = change(count, argv + 5, argv + 7);
	shared->is_over = true;
	settle();
	report(count, failed, now_ns() - begin);
	fflush(stdout);
	_exit(failed ? 1 : 0);
}
