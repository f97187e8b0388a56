/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Noticing that something changed around an instance: notifications of rtnetlink and, of files, of
 * inotify. It only says that a repair may be due, and how urgently; what there is to do the repair
 * finds out by itself, so nothing is lost if a notification is.
 */
#include <errno.h>
#include <fnmatch.h>
#include <linux/fib_rules.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "instance.h"
#include "own.h"

#define BUFFER_BYTES 32768
#define RECEIVE_BYTES (4 * 1024 * 1024) /* a flush of a large table is thousands of messages */
#define NAMES "/run/netns"
#define FILE_EVENTS                                                                                \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB)

/* A name in a directory that is watched. */
struct spot {
	int wd;
	char *name; /* owned; NULL: any */
	enum cv_stir stir;
};

struct cv_watch {
	int netlink;
	int files;
	const struct cv_instance *inst;
	struct spot *spots; /* owned */
	size_t spot_count;
	char **devs; /* owned; names, or globs */
	size_t dev_count;
	bool is_stale; /* the applied state, or a directory, is another one: see cv_watch_follow() */
};

/* ---- rtnetlink ---- */

static const int groups[] = {
	RTNLGRP_LINK,	     RTNLGRP_TC,	 RTNLGRP_IPV4_IFADDR,
	RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,	 RTNLGRP_NEXTHOP,
};

static int open_netlink(struct cv_err *err)
{
	CV_CLOSE int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	struct sockaddr_nl here = { .nl_family = AF_NETLINK };
	const int bytes = RECEIVE_BYTES;

	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)))
		return cv_err_set(err, -errno, "rtnetlink socket: %s", strerrordesc_np(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])))
			return cv_err_set(err, -errno, "rtnetlink group %d: %s", groups[i],
					  strerrordesc_np(errno));
	return CV_TAKE_FD(fd);
}

/* What is taken away of ours is urgent. What others add or take away may be in the way, or be the underlay.
 */
static enum cv_stir judge_protocol(uint8_t protocol, bool is_del)
{
	if (protocol != CV_ROUTE_PROTOCOL)
		return CV_STIR_CALM;
	return is_del ? CV_STIR_URGENT : CV_STIR_NONE;
}

static uint8_t rule_protocol(const struct nlmsghdr *hdr)
{
	const struct nlattr *attr =
		nlmsg_find_attr((struct nlmsghdr *)hdr, sizeof(struct fib_rule_hdr), FRA_PROTOCOL);

	return attr ? nla_get_u8(attr) : 0;
}

static enum cv_stir judge_link(const struct cv_watch *watch, const struct nlmsghdr *hdr)
{
	const struct nlattr *attr =
		nlmsg_find_attr((struct nlmsghdr *)hdr, sizeof(struct ifinfomsg), IFLA_IFNAME);

	for (size_t i = 0; attr && i < watch->dev_count; i++)
		if (!fnmatch(watch->devs[i], nla_get_string(attr), 0))
			return CV_STIR_URGENT;
	return CV_STIR_CALM;
}

static enum cv_stir judge(const struct cv_watch *watch, const struct nlmsghdr *hdr)
{
	const struct rtmsg *route = NLMSG_DATA(hdr);
	const struct nhmsg *nexthop = NLMSG_DATA(hdr);

	switch (hdr->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return judge_link(watch, hdr);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (route->rtm_flags & RTM_F_CLONED)
			return CV_STIR_NONE; /* what is cached for one destination */
		return judge_protocol(route->rtm_protocol, hdr->nlmsg_type == RTM_DELROUTE);
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		return judge_protocol(nexthop->nh_protocol, hdr->nlmsg_type == RTM_DELNEXTHOP);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return judge_protocol(rule_protocol(hdr), hdr->nlmsg_type == RTM_DELRULE);
	case RTM_DELTFILTER:
	case RTM_DELQDISC:
		return CV_STIR_URGENT;
	default:
		return CV_STIR_CALM;
	}
}

/* Who takes what is ours away: by the number of his socket, which mostly is that of the process. */
static void note(struct cv_stirred *out, enum cv_stir stir, const struct nlmsghdr *hdr)
{
	if (stir > out->stir)
		out->stir = stir;
	if (stir == CV_STIR_URGENT && hdr->nlmsg_pid && hdr->nlmsg_pid != (uint32_t)getpid())
		out->port = hdr->nlmsg_pid;
}

static void read_netlink(const struct cv_watch *watch, struct cv_stirred *out)
{
	char buffer[BUFFER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(watch->netlink, buffer, sizeof(buffer), 0,
				       (struct sockaddr *)&from, &from_len);
		int left = (int)len;

		if (len < 0 && errno == ENOBUFS)
			out->stir = CV_STIR_URGENT; /* some were lost: any of them */
		else if (len < 0)
			return;
		if (len < 0 || from.nl_pid)
			continue;
		for (struct nlmsghdr *hdr = (struct nlmsghdr *)buffer; nlmsg_ok(hdr, left);
		     hdr = nlmsg_next(hdr, &left))
			note(out, judge(watch, hdr), hdr);
	}
}

/* ---- files ---- */

static void forget_spots(struct cv_watch *watch)
{
	for (size_t i = 0; i < watch->spot_count; i++)
		free(watch->spots[i].name);
	free(CV_TAKE_PTR(watch->spots));
	watch->spot_count = 0;
}

static int add_spot(struct cv_watch *watch, int wd, const char *name, enum cv_stir stir)
{
	struct spot *grown = reallocarray(watch->spots, watch->spot_count + 1, sizeof(*grown));
	char *copy = name ? strdup(name) : NULL;

	if (grown)
		watch->spots = grown;
	if (!grown || (name && !copy)) {
		free(copy);
		return -ENOMEM;
	}
	grown[watch->spot_count++] = (struct spot){ wd, copy, stir };
	return 0;
}

/* Watches DIR for NAME (NULL: any); of a directory that is not there, the one in which it would be, for
 * it. What cannot be watched is not: a repair by hand finds it. */
static int watch_name(struct cv_watch *watch, const char *dir, const char *name, enum cv_stir stir)
{
	char path[PATH_MAX], *slash;
	int wd;

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		return 0;
	wd = inotify_add_watch(watch->files, *path ? path : "/", FILE_EVENTS | IN_ONLYDIR);
	if (wd >= 0)
		return add_spot(watch, wd, name, stir);
	slash = strrchr(path, '/');
	if (errno != ENOENT || !slash)
		return 0;
	*slash = '\0';
	return watch_name(watch, path, slash + 1, stir);
}

static int watch_path(struct cv_watch *watch, const char *path, enum cv_stir stir)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || slash - path >= (ssize_t)sizeof(dir))
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return watch_name(watch, dir, slash + 1, stir);
}

static int watch_app(struct cv_watch *watch, const struct cv_app_conf *app)
{
	int rc = 0;

	if (app->exe && !strpbrk(app->exe, "*?["))
		rc = watch_path(watch, app->exe, CV_STIR_CALM);
	if (!rc && app->parent_exe)
		rc = watch_path(watch, app->parent_exe, CV_STIR_CALM);
	if (!rc && app->netns)
		rc = watch_name(watch, NAMES, NULL, CV_STIR_LATE);
	return rc;
}

static int watch_instance(struct cv_watch *watch)
{
	const struct cv_instance *inst = watch->inst;
	char path[PATH_MAX];
	int rc = cv_applied_path(inst, path, NULL);

	if (!rc)
		rc = watch_path(watch, path, CV_STIR_NONE);
	if (!rc)
		rc = watch_name(watch, inst->maps, NULL, CV_STIR_CALM);
	if (!rc && inst->options.cgroup_dir)
		rc = watch_path(watch, inst->options.cgroup_dir, CV_STIR_CALM);
	return rc;
}

static enum cv_stir judge_file(struct cv_watch *watch, const struct inotify_event *event)
{
	enum cv_stir stir = CV_STIR_NONE;

	if (event->mask & (IN_IGNORED | IN_UNMOUNT | IN_Q_OVERFLOW)) {
		watch->is_stale = true;
		return CV_STIR_URGENT;
	}
	for (size_t i = 0; i < watch->spot_count; i++) {
		const struct spot *spot = &watch->spots[i];

		if (spot->wd != event->wd ||
		    (spot->name && event->len && strcmp(spot->name, event->name)))
			continue;
		watch->is_stale = true;
		if (spot->stir > stir)
			stir = spot->stir;
	}
	return stir;
}

static void read_files(struct cv_watch *watch, struct cv_stirred *out)
{
	char buffer[BUFFER_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len;

	while ((len = read(watch->files, buffer, sizeof(buffer))) > 0) {
		const struct inotify_event *event;

		for (char *at = buffer; at < buffer + len; at += sizeof(*event) + event->len) {
			enum cv_stir stir;

			event = (const struct inotify_event *)at;
			stir = judge_file(watch, event);
			if (stir > out->stir)
				out->stir = stir;
		}
	}
}

/* ---- what there is to follow ---- */

static void forget_devs(struct cv_watch *watch)
{
	for (size_t i = 0; i < watch->dev_count; i++)
		free(watch->devs[i]);
	free(CV_TAKE_PTR(watch->devs));
	watch->dev_count = 0;
}

static int follow_devs(struct cv_watch *watch, const struct cv_state *state)
{
	forget_devs(watch);
	watch->devs = calloc(state->dev_count + state->route_count + 1, sizeof(*watch->devs));
	if (!watch->devs)
		return -ENOMEM;
	for (size_t i = 0; i < state->dev_count + state->route_count; i++) {
		const char *name = i < state->dev_count ? state->devs[i].name
							: state->routes[i - state->dev_count].dev;

		if (!*name)
			continue;
		watch->devs[watch->dev_count] = strdup(name);
		if (!watch->devs[watch->dev_count])
			return -ENOMEM;
		watch->dev_count++;
	}
	return 0;
}

int cv_watch_follow(struct cv_watch *watch, const struct cv_state *state, struct cv_err *err)
{
	int rc = follow_devs(watch, state);

	cv_close_fd(&watch->files);
	forget_spots(watch);
	watch->files = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->files < 0)
		return cv_err_set(err, -errno, "inotify: %s", strerrordesc_np(errno));
	if (!rc)
		rc = watch_instance(watch);
	for (size_t i = 0; !rc && i < state->app_count; i++)
		rc = watch_app(watch, &state->apps[i]);
	watch->is_stale = false;
	return rc ? cv_err_set(err, rc, "watch: out of memory") : 0;
}

bool cv_watch_is_stale(const struct cv_watch *watch)
{
	return watch->is_stale;
}

/* ---- the watch ---- */

int cv_watch_open(struct cv_watch **out, const struct cv_instance *inst, struct cv_err *err)
{
	CV_CLEANUP(cv_watch_close) struct cv_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return cv_err_set(err, -ENOMEM, "watch: out of memory");
	watch->inst = inst;
	watch->files = -1;
	watch->is_stale = true;
	watch->netlink = open_netlink(err);
	if (watch->netlink < 0)
		return watch->netlink;
	*out = CV_TAKE_PTR(watch);
	return 0;
}

void cv_watch_close(struct cv_watch **watch_ptr)
{
	struct cv_watch *watch = *watch_ptr;

	if (!watch)
		return;
	cv_close_fd(&watch->netlink);
	cv_close_fd(&watch->files);
	forget_spots(watch);
	forget_devs(watch);
	free(watch);
	*watch_ptr = NULL;
}

int cv_watch_wait(struct cv_watch *watch, int other_fd, int timeout_ms, struct cv_stirred *out)
{
	struct pollfd fds[] = { { .fd = watch->netlink, .events = POLLIN },
				{ .fd = watch->files, .events = POLLIN },
				{ .fd = other_fd, .events = POLLIN } };

	*out = (struct cv_stirred){ .stir = CV_STIR_NONE };
	if (poll(fds, 3, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		read_netlink(watch, out);
	if (fds[1].revents)
		read_files(watch, out);
	return fds[2].revents ? 1 : 0;
}
