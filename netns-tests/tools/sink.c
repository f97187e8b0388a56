/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Takes datagrams and TCP connections, both families, and counts by the DSCP that they came with:
 * that of each datagram (IP_RECVTOS), and that of each connection's SYN (TCP_SAVED_SYN).
 *
 *   sink PORT PORTS [COUNT]    on PORT and the following ones, PORTS in all; prints READY
 *
 * Ends when COUNT datagrams and connections have come, or none for some seconds, and prints a line for all
 * that are alike: PROTOCOL FAMILY PORT DSCP HOW-MANY. Without COUNT it takes them and never ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "number.h"

#define PORTS_MAX 256
#define DSCPS 64
#define EVENTS 256
#define BACKLOG 4096
#define RECEIVE_BUFFER (64 << 20)
#define QUIET_MS 5000

enum kind { UDP4, UDP6, TCP4, TCP6, KINDS, CONNECTION };

static const char *const kind_names[] = { "udp 4", "udp 6", "tcp 4", "tcp 6" };

struct sink {
	int epoll;
	long port;
	long ports;
	long seen[KINDS][PORTS_MAX][DSCPS];
	long total;
};

static struct sink sink;

static void die(const char *what)
{
	fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt");
}

/* What epoll gives back of a socket: kind, index of its port, descriptor. */
static void watch(int fd, enum kind kind, long index)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)kind << 48 | (uint64_t)index << 32 | (uint32_t)fd,
	};

	if (epoll_ctl(sink.epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void bind_to(int fd, int family, long port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
			      : bind(fd, (struct sockaddr *)&v6, sizeof(v6)))
		die("bind");
}

static void open_one(enum kind kind, long index)
{
	bool is_udp = kind == UDP4 || kind == UDP6;
	int family = kind == UDP4 || kind == TCP4 ? AF_INET : AF_INET6;
	int type = is_udp ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	bind_to(fd, family, sink.port + index);
	if (is_udp) {
		set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
		if (family == AF_INET)
			set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
		else
			set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	} else {
		set_option(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1);
		if (listen(fd, BACKLOG))
			die("listen");
	}
	watch(fd, kind, index);
}

static void count(enum kind kind, long index, unsigned int tos)
{
	sink.seen[kind][index][(tos >> 2) % DSCPS]++;
	sink.total++;
}

/* TOS or traffic class of a received datagram; IPv4's is a byte, IPv6's an integer. */
static unsigned int tos_of(struct msghdr *msg)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(msg); part; part = CMSG_NXTHDR(msg, part)) {
		int value;

		if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TOS)
			return *CMSG_DATA(part);
		if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_TCLASS) {
			memcpy(&value, CMSG_DATA(part), sizeof(value));
			return (unsigned int)value;
		}
	}
	return 0;
}

static void take_datagrams(int fd, enum kind kind, long index)
{
	for (;;) {
		char data[64];
		char control[64];
		struct iovec part = { .iov_base = data, .iov_len = sizeof(data) };
		struct msghdr msg = { .msg_iov = &part,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };

		if (recvmsg(fd, &msg, 0) < 0)
			return;
		count(kind, index, tos_of(&msg));
	}
}

/* TOS or traffic class of the SYN that a connection began with. */
static unsigned int tos_of_syn(int fd)
{
	uint8_t header[256];
	socklen_t len = sizeof(header);

	if (getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, header, &len) || len < 2)
		die("TCP_SAVED_SYN");
	if (header[0] >> 4 == 4)
		return header[1];
	return (header[0] << 4 | header[1] >> 4) & 0xff;
}

static void take_connections(int listener, enum kind kind, long index)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		count(kind, index, tos_of_syn(fd));
		watch(fd, CONNECTION, index);
	}
}

/* Reads what there is; whoever closed is closed, too. */
static void take_data(int fd)
{
	char data[4096];
	ssize_t len;

	do
		len = recv(fd, data, sizeof(data), 0);
	while (len > 0);
	if (len == 0 || errno != EAGAIN)
		close(fd);
}

static void take(uint64_t what)
{
	enum kind kind = what >> 48;
	long index = (long)(what >> 32 & 0xffff);
	int fd = (int)(uint32_t)what;

	if (kind == CONNECTION)
		take_data(fd);
	else if (kind == UDP4 || kind == UDP6)
		take_datagrams(fd, kind, index);
	else
		take_connections(fd, kind, index);
}

static void print_counts(void)
{
	for (int kind = 0; kind < KINDS; kind++)
		for (long index = 0; index < sink.ports; index++)
			for (int dscp = 0; dscp < DSCPS; dscp++)
				if (sink.seen[kind][index][dscp])
					printf("%s %ld %d %ld\n", kind_names[kind],
					       sink.port + index, dscp,
					       sink.seen[kind][index][dscp]);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	long expected = argc == 4 ? parse_number("sink", argv[3], INT32_MAX) : 0;

	if (argc != 3 && argc != 4) {
		fputs("usage: sink PORT PORTS [COUNT]\n", stderr);
		return 2;
	}
	sink.port = parse_number("sink", argv[1], UINT16_MAX);
	sink.ports = parse_number("sink", argv[2], PORTS_MAX);
	sink.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sink.epoll < 0)
		die("epoll_create1");
	for (int kind = 0; kind < KINDS; kind++)
		for (long index = 0; index < sink.ports; index++)
			open_one(kind, index);
	puts("READY");
	fflush(stdout);
	while (!expected || sink.total < expected) {
		bool is_waiting = !expected || !sink.total;
		int ready = epoll_wait(sink.epoll, events, EVENTS, is_waiting ? -1 : QUIET_MS);

		if (ready == 0)
			break;
		if (ready < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < ready; i++)
			take(events[i].data.u64);
	}
	print_counts();
	return 0;
}
