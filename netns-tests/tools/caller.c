/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program that says who it is and ends, for tests of whose packets are whose: copies of it are
 * the executables. Each thing it says has a first packet of its own: one datagram and one TCP
 * connection to each address. Whoever sees any of these packets knows by its port who sent it.
 *
 *   caller [SCRIPT] PORT ADDR...    to that port, or the one that the digit at the end of the name
 *                                   that it was executed by adds: caller3 7000 takes port 7003
 *   caller [SCRIPT] - ADDR...       prints READY; to each port that it reads, one a line; then
 *                                   prints that line
 *
 * SCRIPT, a word with a slash, is what the kernel puts there when the caller interprets a script.
 * Link it statically: it then lives less than a millisecond.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

struct destination {
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

static void die(const char *what)
{
	fprintf(stderr, "caller: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *own_name(void)
{
	const char *path = (const char *)getauxval(AT_EXECFN); /* NOLINT: so the kernel gives it */
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What the last character of the own name adds to a port. */
static int own_number(void)
{
	const char *name = own_name();
	size_t len = strlen(name);
	char last = len > 0 ? name[len - 1] : 'x';

	return last >= '0' && last <= '9' ? last - '0' : 0;
}

static int parse_port(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || (*end && *end != '\n') || value < 1 || value > UINT16_MAX) {
		fprintf(stderr, "caller: '%s' is not a port\n", text);
		exit(2);
	}
	return (int)value;
}

static struct destination parse_destination(const char *text, int port)
{
	struct destination to = {};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&to.addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to.addr;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		to.addr_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		to.addr_len = sizeof(*v6);
	} else {
		fprintf(stderr, "caller: '%s' is not an address\n", text);
		exit(2);
	}
	return to;
}

static int open_socket(const struct destination *to, int type)
{
	int fd = socket(to->addr.ss_family, type, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void say_by_datagram(const struct destination *to)
{
	const char *name = own_name();
	int fd = open_socket(to, SOCK_DGRAM);

	if (sendto(fd, name, strlen(name), 0, (const struct sockaddr *)&to->addr, to->addr_len) < 0)
		die("sendto");
	close(fd);
}

static void say_by_connection(const struct destination *to)
{
	const char *name = own_name();
	int fd = open_socket(to, SOCK_STREAM);

	if (connect(fd, (const struct sockaddr *)&to->addr, to->addr_len))
		die("connect");
	if (send(fd, name, strlen(name), MSG_NOSIGNAL) < 0)
		die("send");
	close(fd);
}

static void say_to(char **addrs, int port)
{
	for (; *addrs; addrs++) {
		struct destination to = parse_destination(*addrs, port);

		say_by_datagram(&to);
		say_by_connection(&to);
	}
}

int main(int argc, char **argv)
{
	char **words = argv + 1;
	char line[16];

	if (argc > 1 && strchr(*words, '/'))
		words++;
	if (argv + argc - words < 2) {
		fputs("usage: caller [SCRIPT] PORT|- ADDR...\n", stderr);
		return 2;
	}
	if (strcmp(*words, "-")) {
		say_to(words + 1, parse_port(*words) + own_number());
		return 0;
	}
	puts("READY");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		say_to(words + 1, parse_port(line));
		fputs(line, stdout);
		fflush(stdout);
	}
	return 0;
}
