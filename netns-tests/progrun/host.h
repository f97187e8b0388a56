/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Devices and sockets of the network namespace that a test stands in. */
#ifndef CV_HOST_H
#define CV_HOST_H

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "progrun.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* A tap device of this network namespace; it goes with the fd. */
static inline int open_tap(struct ifreq *request)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	*request = (struct ifreq){ .ifr_flags = IFF_TAP | IFF_NO_PI };
	if (fd >= 0 && ioctl(fd, TUNSETIFF, request)) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline uint32_t index_of(const char *name)
{
	CV_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFINDEX, &request), 0);
	return request.ifr_ifindex;
}

/* A UDP socket at port 80 of this network namespace, with an owner record. */
static inline int open_owned_socket(uint32_t app, uint64_t *netns_cookie)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	struct cv_owner owner = { .app = app };
	socklen_t size = sizeof(*netns_cookie);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, netns_cookie, &size), 0);
	owner.netns_cookie = *netns_cookie;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_OWNERS)), &fd, &owner, BPF_ANY),
			 0);
	return fd;
}

#endif
