/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Messages to a service manager: see notify.h. */
#include "notify.h"

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "own.h"

void cv_notify(const char *format, ...)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	CV_CLOSE int fd = -1;
	char text[512];
	va_list args;
	int len;

	if (!path || strlen(path) >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(to.sun_path, path, strlen(path));
	if (*path == '@')
		to.sun_path[0] = '\0'; /* an abstract name */
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && len < (int)sizeof(text))
		sendto(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
		       offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

int cv_notify_period_ms(void)
{
	const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	long long us = period ? atoll(period) : 0;

	if (us <= 0 || (pid && atoi(pid) != getpid()))
		return -1;
	us /= 2 * 1000; /* twice as often as is asked for */
	return us < 1 ? 1 : us > INT_MAX ? INT_MAX : (int)us;
}
