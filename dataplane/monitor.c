/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading the stream of events (abi.h: struct cv_event). The ring has one place at which it is read, so
 * there is one reader at a time; the lock of the instance is not held, for others are to go on.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "map.h"
#include "own.h"
#include "plan.h"

#define NS_PER_SECOND 1000000000LL

struct cv_monitor {
	struct ring_buffer *ring;
	int lock_fd;
	int drops_fd;
	int apps_fd; /* of the host; -1: there are no apps */
	uint64_t netns_cookie;
	struct cv_app_set *apps; /* owned */
	struct cv_tunnel *tunnels; /* owned; CV_MAX_TUNNELS */
	uint64_t lost_before;
	uint64_t since_ns; /* CLOCK_BOOTTIME; events from before are nobody's */
	int64_t offset_ns; /* from CLOCK_BOOTTIME to CLOCK_REALTIME */
	cv_event_fn fn; /* of the call at work */
	void *arg;
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* ---- names ---- */

static void read_apps(struct cv_monitor *monitor)
{
	if (monitor->apps_fd >= 0 && cv_slot_read(monitor->apps_fd, &monitor->netns_cookie,
						  &cv_app_shape, monitor->apps, NULL))
		monitor->apps->count = 0;
}

static const char *find_app(const struct cv_app_set *apps, uint32_t id)
{
	for (uint32_t i = 0; i < apps->count; i++)
		if (apps->apps[i].id == id)
			return apps->apps[i].name;
	return NULL;
}

/* One that is not known has come since the names were read. */
static const char *app_name(struct cv_monitor *monitor, uint32_t id)
{
	const char *name = id == CV_APP_NONE ? "" : find_app(monitor->apps, id);

	if (name)
		return name;
	read_apps(monitor);
	name = find_app(monitor->apps, id);
	return name ? name : "";
}

static int see(void *arg, void *data, size_t size)
{
	struct cv_monitor *monitor = arg;
	const struct cv_event *event = data;
	struct cv_event_info info = { .bytes = event->bytes };

	if (size < sizeof(*event) || event->time_ns < monitor->since_ns)
		return 0;
	info.time_ns = event->time_ns + monitor->offset_ns;
	info.is_in = event->dir == CV_DIR_IN;
	info.mark = event->mark;
	info.len_bytes = event->len_bytes;
	info.captured_bytes = event->captured_bytes;
	memcpy(info.rule, event->rule, sizeof(info.rule));
	snprintf(info.app, sizeof(info.app), "%s", app_name(monitor, event->app));
	snprintf(info.tunnel, sizeof(info.tunnel), "%s",
		 monitor->tunnels[event->tunnel % CV_MAX_TUNNELS].name);
	if (!if_indextoname(event->ifindex, info.dev))
		snprintf(info.dev, sizeof(info.dev), "if%u", event->ifindex);
	return monitor->fn(&info, monitor->arg);
}

/* ---- open, wait, close ---- */

static uint64_t count_lost(const struct cv_monitor *monitor)
{
	struct cv_drop_key key = { .reason = CV_R_EVENT_LOST };
	uint64_t total = 0, packets;

	for (key.tunnel = 0; key.tunnel < CV_MAX_TUNNELS; key.tunnel++)
		if (!cv_percpu_sum(monitor->drops_fd, &key, &packets, 1, NULL))
			total += packets;
	return total;
}

/* The directory of the pins is what everybody can lock without leaving anything behind. */
static int lock(struct cv_monitor *monitor, const struct cv_instance *inst, struct cv_err *err)
{
	monitor->lock_fd = open(inst->maps, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (monitor->lock_fd < 0)
		return cv_err_set(err, -errno, "%s: %s", inst->maps, strerrordesc_np(errno));
	if (!flock(monitor->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	cv_err_set(err, -EBUSY, "monitor: another one reads the events of this instance");
	return cv_err_hint(err, "an event is told to one reader");
}

static int open_maps(struct cv_monitor *monitor, struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int ring_fd = cv_instance_map(inst, CV_STRING(CV_MAP_EVENTS), err);

	if (ring_fd < 0)
		return ring_fd;
	monitor->drops_fd = cv_instance_map(inst, CV_STRING(CV_MAP_DROPS), err);
	if (monitor->drops_fd < 0)
		return monitor->drops_fd;
	monitor->apps_fd = cv_host_map(inst, CV_STRING(CV_MAP_APPS), NULL);
	monitor->ring = ring_buffer__new(ring_fd, see, monitor, NULL);
	if (!monitor->ring)
		return cv_err_set(err, -errno, "events: %s", strerrordesc_np(errno));
	return cv_live_tunnels(inst, monitor->tunnels, err);
}

int cv_monitor_open(struct cv_monitor **out, struct cv_instance *inst, struct cv_err *err)
{
	CV_CLEANUP(cv_monitor_close) struct cv_monitor *monitor = calloc(1, sizeof(*monitor));
	int rc;

	if (!monitor)
		return cv_err_set(err, -ENOMEM, "monitor: out of memory");
	monitor->lock_fd = monitor->drops_fd = monitor->apps_fd = -1;
	monitor->apps = calloc(1, sizeof(*monitor->apps));
	monitor->tunnels = calloc(CV_MAX_TUNNELS, sizeof(*monitor->tunnels));
	if (!monitor->apps || !monitor->tunnels)
		return cv_err_set(err, -ENOMEM, "monitor: out of memory");
	if (!cv_instance_exists(inst)) {
		cv_err_set(err, -ENOENT, "monitor: there is nothing in this network namespace");
		return cv_err_hint(err, "add a dev, and a rule with sample 1/N");
	}
	rc = lock(monitor, inst, err);
	if (!rc)
		rc = open_maps(monitor, inst, err);
	if (rc)
		return rc;
	monitor->netns_cookie = inst->netns_cookie;
	monitor->since_ns = now_ns(CLOCK_BOOTTIME);
	monitor->offset_ns = now_ns(CLOCK_REALTIME) - (int64_t)monitor->since_ns;
	monitor->lost_before = count_lost(monitor);
	read_apps(monitor);
	*out = CV_TAKE_PTR(monitor);
	return 0;
}

void cv_monitor_close(struct cv_monitor **monitor_ptr)
{
	struct cv_monitor *monitor = *monitor_ptr;

	if (!monitor)
		return;
	ring_buffer__free(monitor->ring);
	if (monitor->lock_fd >= 0)
		close(monitor->lock_fd);
	if (monitor->drops_fd >= 0)
		close(monitor->drops_fd);
	if (monitor->apps_fd >= 0)
		close(monitor->apps_fd);
	free(monitor->apps);
	free(monitor->tunnels);
	free(monitor);
	*monitor_ptr = NULL;
}

int cv_monitor_wait(struct cv_monitor *monitor, int timeout_ms, cv_event_fn fn, void *arg,
		    struct cv_err *err)
{
	int rc;

	monitor->fn = fn;
	monitor->arg = arg;
	rc = ring_buffer__poll(monitor->ring, timeout_ms);
	if (rc >= 0 || rc == -EINTR || rc == -ECANCELED)
		return 0;
	return cv_err_set(err, rc, "events: read: %s", strerrordesc_np(-rc));
}

uint64_t cv_monitor_lost(const struct cv_monitor *monitor)
{
	return count_lost(monitor) - monitor->lost_before;
}
