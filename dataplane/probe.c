/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets that send probes: see probe.h. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "abi.h"
#include "own.h"

#define MAX_DATAGRAM 65536
#define MAX_SEGMENTS 64 /* of one write: UDP_MAX_SEGMENTS of the first kernels that have it */
#define TRANSPORT_HEADER 8 /* UDP and ICMP echo alike */

/* What linux/in.h and netinet/udp.h of older systems lack. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

/* ---- sockets ---- */

static socklen_t fill_address(union address *out, const struct cv_addr *addr, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (addr->family == 4) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		memcpy(&out->v4.sin_addr, addr->bytes, sizeof(out->v4.sin_addr));
		return sizeof(out->v4);
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(port);
	memcpy(&out->v6.sin6_addr, addr->bytes, sizeof(out->v6.sin6_addr));
	return sizeof(out->v6);
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int set_ip_options(int fd, uint8_t family, const struct cv_probe_shape *shape)
{
	int rc;

	if (family == 4) {
		rc = set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER,
				shape->may_fragment ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO);
		if (!rc)
			rc = set_option(fd, IPPROTO_IP, IP_TOS, shape->tos);
		return rc ? rc : set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
	}
	rc = set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			shape->may_fragment ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_DO);
	if (!rc)
		rc = set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, !shape->may_fragment);
	if (!rc)
		rc = set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, shape->tos);
	return rc ? rc : set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

/* Opens a socket that is bound to the path's source and carries its mark. An fd or -errno. */
static int open_bound(const struct cv_probe_path *path, int type, int protocol)
{
	int domain = path->to.family == 4 ? AF_INET : AF_INET6;
	CV_CLOSE int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	union address from;
	socklen_t len;

	if (fd < 0)
		return -errno;
	if (path->mark && set_option(fd, SOL_SOCKET, SO_MARK, path->mark))
		return -errno;
	if (path->from.family) {
		len = fill_address(&from, &path->from, 0);
		if (bind(fd, &from.any, len))
			return -errno;
	}
	return CV_TAKE_FD(fd);
}

static int connect_to(int fd, const struct cv_probe_path *path, uint16_t port)
{
	union address to;
	socklen_t len = fill_address(&to, &path->to, port);

	return connect(fd, &to.any, len) ? -errno : 0;
}

static int open_datagram(const struct cv_probe_path *path, const struct cv_probe_shape *shape)
{
	bool is_udp = shape->kind == CV_PROBE_UDP;
	int icmp = path->to.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	CV_CLOSE int fd = is_udp ? open_bound(path, SOCK_DGRAM, IPPROTO_UDP)
				 : open_bound(path, SOCK_RAW, icmp);
	int rc;

	if (fd < 0)
		return fd;
	rc = set_ip_options(fd, path->to.family, shape);
	if (!rc)
		rc = set_option(fd, SOL_SOCKET, SO_RCVBUF, 4 * MAX_DATAGRAM);
	if (!rc)
		rc = connect_to(fd, path, is_udp ? CV_PROBE_PORT : 0);
	return rc ? rc : CV_TAKE_FD(fd);
}

uint32_t cv_probe_path_mtu(const struct cv_probe_path *path)
{
	bool is_v4 = path->to.family == 4;
	CV_CLOSE int fd = open_bound(path, SOCK_DGRAM, IPPROTO_UDP);
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (fd < 0 || connect_to(fd, path, CV_PROBE_PORT) ||
	    getsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_MTU : IPV6_MTU, &mtu,
		       &len))
		return 0;
	return mtu;
}

int cv_probe_source(const struct cv_probe_path *path, struct cv_addr *source)
{
	CV_CLOSE int fd = open_bound(path, SOCK_DGRAM, IPPROTO_UDP);
	int rc = fd < 0 ? fd : connect_to(fd, path, CV_PROBE_PORT);
	union address name;
	socklen_t len = sizeof(name);

	if (rc)
		return rc;
	if (getsockname(fd, &name.any, &len))
		return -errno;
	*source = (struct cv_addr){ .family = path->to.family };
	if (source->family == 4)
		memcpy(source->bytes, &name.v4.sin_addr, sizeof(name.v4.sin_addr));
	else
		memcpy(source->bytes, &name.v6.sin6_addr, sizeof(name.v6.sin6_addr));
	return 0;
}

/* ---- datagrams ---- */

/* One exchange: what is sent, and what came back of it. */
struct exchange {
	const struct cv_probe_path *path;
	const struct cv_probe_shape *shape;
	struct cv_probe_answers *answers;
	int fd;
	uint32_t payload_bytes; /* behind the UDP or ICMP header */
	uint32_t wanted; /* datagrams */
	uint64_t begin_us;
	uint64_t came; /* a bit each */
	uint8_t *out; /* owned; all datagrams of a try */
	uint8_t *in; /* owned; MAX_DATAGRAM */
};

static void free_exchange(struct exchange *exchange)
{
	cv_close_fd(&exchange->fd);
	free(exchange->out);
	free(exchange->in);
}

static uint32_t ip_header_bytes(const struct cv_probe_path *path)
{
	return path->to.family == 4 ? 20 : 40;
}

/* Bytes that no two datagrams of a run have at the same place, for a sum must not hide a swap. */
static void fill_payload(const struct exchange *exchange, uint8_t *at, uint32_t number)
{
	struct cv_probe head = {
		.magic = htonl(CV_PROBE_MAGIC),
		.nonce = htonl(exchange->path->nonce),
		.number = htonl(number),
		.step = exchange->shape->step,
	};
	uint32_t word = exchange->path->nonce ^ (number + 1) * 2654435761u;

	for (uint32_t i = 0; i < exchange->payload_bytes; i++) {
		word = word * 1664525 + 1013904223;
		at[i] = word >> 24;
	}
	memcpy(at, &head, sizeof(head));
}

static uint16_t internet_check(const uint8_t *bytes, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += i & 1 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The kernel fills in the checksum of ICMPv6, not of ICMP. */
static void fill_echo_header(const struct exchange *exchange, uint8_t *at)
{
	struct icmphdr icmp = {
		.type = exchange->path->to.family == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
		.un.echo.id = htons((uint16_t)exchange->path->nonce),
		.un.echo.sequence = htons(exchange->shape->step),
	};

	memcpy(at, &icmp, sizeof(icmp));
	icmp.checksum = internet_check(at, sizeof(icmp) + exchange->payload_bytes);
	if (exchange->path->to.family == 4)
		memcpy(at, &icmp, sizeof(icmp));
}

static int prepare(struct exchange *exchange)
{
	const struct cv_probe_shape *shape = exchange->shape;
	uint32_t headers = ip_header_bytes(exchange->path) + TRANSPORT_HEADER;
	uint32_t echo = shape->kind == CV_PROBE_ECHO ? TRANSPORT_HEADER : 0;

	exchange->payload_bytes = shape->bytes - headers;
	exchange->wanted = shape->segments ? shape->segments : 1;
	if (shape->bytes < headers + sizeof(struct cv_probe) || exchange->wanted > MAX_SEGMENTS)
		return -EINVAL;
	exchange->out = malloc((size_t)exchange->wanted * exchange->payload_bytes + echo);
	exchange->in = malloc(MAX_DATAGRAM);
	if (!exchange->out || !exchange->in)
		return -ENOMEM;
	for (uint32_t i = 0; i < exchange->wanted; i++)
		fill_payload(exchange, exchange->out + echo + i * exchange->payload_bytes, i);
	if (echo)
		fill_echo_header(exchange, exchange->out);
	exchange->fd = open_datagram(exchange->path, shape);
	if (exchange->fd < 0)
		return exchange->fd;
	return shape->segments
		       ? set_option(exchange->fd, IPPROTO_UDP, UDP_SEGMENT, exchange->payload_bytes)
		       : 0;
}

static int send_all(const struct exchange *exchange)
{
	size_t len = (size_t)exchange->wanted * exchange->payload_bytes;

	if (exchange->shape->kind == CV_PROBE_ECHO)
		len += TRANSPORT_HEADER;
	return send(exchange->fd, exchange->out, len, 0) < 0 ? -errno : 0;
}

static uint8_t received_tos(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int traffic_class;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			return *(uint8_t *)CMSG_DATA(c);
		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_TCLASS)
			continue;
		memcpy(&traffic_class, CMSG_DATA(c), sizeof(traffic_class));
		return traffic_class;
	}
	return 0;
}

/* The payload inside an echo reply that answers us, or NULL. An IPv4 raw socket gives the IP header
 * too. */
static uint8_t *echo_payload(const struct exchange *exchange, uint8_t *at, ssize_t *len)
{
	bool is_v4 = exchange->path->to.family == 4;
	ssize_t ip = is_v4 && *len > 0 ? (at[0] & 0xf) * 4 : 0;
	struct icmphdr icmp;

	if (*len < ip + (ssize_t)sizeof(icmp))
		return NULL;
	memcpy(&icmp, at + ip, sizeof(icmp));
	if (icmp.type != (is_v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) ||
	    icmp.un.echo.id != htons((uint16_t)exchange->path->nonce))
		return NULL;
	*len -= ip + (ssize_t)sizeof(icmp);
	return at + ip + sizeof(icmp);
}

/* Takes what came for an answer if it is one: the same bytes, but for what the other end may write. */
static void take_answer(struct exchange *exchange, const uint8_t *at, ssize_t len, uint8_t tos)
{
	struct cv_probe_answers *answers = exchange->answers;
	uint32_t echo = exchange->shape->kind == CV_PROBE_ECHO ? TRANSPORT_HEADER : 0;
	struct cv_probe head;
	const uint8_t *sent;
	uint32_t number;

	if (!at || len < (ssize_t)sizeof(head))
		return;
	memcpy(&head, at, sizeof(head));
	number = ntohl(head.number);
	if (head.magic != htonl(CV_PROBE_MAGIC) || head.nonce != htonl(exchange->path->nonce) ||
	    head.step != exchange->shape->step || number >= exchange->wanted ||
	    exchange->came & 1ULL << number)
		return;
	sent = exchange->out + echo + number * exchange->payload_bytes;
	if (len != exchange->payload_bytes ||
	    memcmp(at + sizeof(head), sent + sizeof(head), len - sizeof(head)))
		answers->is_changed = true;
	exchange->came |= 1ULL << number;
	if (!answers->count++)
		answers->rtt_ms = (now_us() - exchange->begin_us) / 1000 + 1;
	answers->tos = tos;
	answers->reason = head.reason;
	answers->outer_tos = head.outer_tos;
	answers->seen = ntohl(head.seen);
}

/* Reads one packet. Returns false if none is there. */
static bool receive(struct exchange *exchange)
{
	char control[64];
	struct iovec iov = { .iov_base = exchange->in, .iov_len = MAX_DATAGRAM };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(exchange->fd, &msg, 0);
	uint8_t *at = exchange->in;

	if (len < 0)
		return errno != EAGAIN; /* an ICMP error about what was sent: the witness has it */
	if (exchange->shape->kind == CV_PROBE_ECHO)
		at = echo_payload(exchange, at, &len);
	take_answer(exchange, at, len, received_tos(&msg));
	return true;
}

static void await_answers(struct exchange *exchange)
{
	uint64_t end = now_us() + exchange->shape->wait_ms * 1000ULL;

	while (exchange->answers->count < exchange->wanted) {
		struct pollfd poll_fd = { .fd = exchange->fd, .events = POLLIN };
		uint64_t now = now_us();

		if (now >= end)
			return;
		if (poll(&poll_fd, 1, (int)((end - now) / 1000 + 1)) > 0)
			while (receive(exchange))
				;
	}
}

int cv_probe_send(const struct cv_probe_path *path, const struct cv_probe_shape *shape,
		  struct cv_probe_answers *answers)
{
	CV_CLEANUP(free_exchange)
	struct exchange exchange = {
		.path = path,
		.shape = shape,
		.answers = answers,
		.fd = -1,
	};
	int rc;

	memset(answers, 0, sizeof(*answers));
	rc = prepare(&exchange);
	exchange.begin_us = now_us();
	for (uint32_t i = 0; !rc && i < shape->tries && answers->count < exchange.wanted; i++) {
		rc = send_all(&exchange);
		/* What came back of an earlier try: the socket says it once. */
		if (rc == -ECONNREFUSED || rc == -EHOSTUNREACH)
			rc = send_all(&exchange);
		if (!rc)
			await_answers(&exchange);
	}
	return rc;
}

/* ---- a stream ---- */

static bool wait_until(int fd, short events, uint64_t end_us)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	uint64_t now = now_us();

	return now < end_us && poll(&poll_fd, 1, (int)((end_us - now) / 1000 + 1)) > 0;
}

static int connect_stream(int fd, const struct cv_probe_path *path, uint64_t end_us,
			  struct cv_probe_echo *echo)
{
	int rc = connect_to(fd, path, CV_PROBE_PORT), error = 0;
	socklen_t len = sizeof(error);

	if (rc && rc != -EINPROGRESS)
		return rc;
	if (!wait_until(fd, POLLOUT, end_us))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	echo->is_connected = !error;
	return -error;
}

/* Writes and reads at the same time: the other end keeps nothing back. */
static int run_echo(int fd, const uint8_t *out, uint8_t *in, uint32_t bytes, uint64_t end_us,
		    struct cv_probe_echo *echo)
{
	uint32_t sent = 0;

	while (echo->bytes < bytes) {
		ssize_t n;

		if (!wait_until(fd, sent < bytes ? POLLIN | POLLOUT : POLLIN, end_us))
			return 0;
		n = sent < bytes ? send(fd, out + sent, bytes - sent, MSG_NOSIGNAL) : 0;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		sent += n > 0 ? n : 0;
		n = recv(fd, in, bytes - echo->bytes, 0);
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			continue;
		if (memcmp(in, out + echo->bytes, n))
			echo->is_changed = true;
		echo->bytes += n;
	}
	return 0;
}

int cv_probe_stream(const struct cv_probe_path *path, uint32_t bytes, uint32_t wait_ms,
		    struct cv_probe_echo *echo)
{
	CV_CLOSE int fd = open_bound(path, SOCK_STREAM, IPPROTO_TCP);
	CV_FREE uint8_t *out = malloc(bytes), *in = malloc(bytes);
	const struct linger reset = { .l_onoff = 1 };
	uint64_t end_us = now_us() + wait_ms * 1000ULL;
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int rc;

	memset(echo, 0, sizeof(*echo));
	if (fd < 0)
		return fd;
	if (!out || !in)
		return -ENOMEM;
	for (uint32_t i = 0; i < bytes; i++)
		out[i] = (i * 2654435761u + path->nonce) >> 24;
	/* Nothing of it stays behind: it has no other end that could close. */
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    set_option(fd, SOL_SOCKET, SO_SNDBUF, 2 * bytes) ||
	    set_option(fd, SOL_SOCKET, SO_RCVBUF, 2 * bytes))
		return -errno;
	rc = connect_stream(fd, path, end_us, echo);
	if (!rc && echo->is_connected)
		rc = run_echo(fd, out, in, bytes, end_us, echo);
	if (!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		echo->retransmits = info.tcpi_total_retrans;
	return rc;
}
