/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel knows of the apps: their sockets, how each is known, and whose gates are closed. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "map.h"
#include "object.h"
#include "own.h"
#include "plan.h"

const char *cv_owner_source_name(uint32_t source)
{
	static const char *const names[] = {
#define SOURCE_NAME(name, key, exact) [CV_OWNER_##name] = (key),
		CV_OWNER_SOURCES(SOURCE_NAME)
#undef SOURCE_NAME
	};

	return source < CV_OWNER_SOURCE_COUNT ? names[source] : NULL;
}
_Static_assert(CV_OWNER_SOURCE_COUNT <= CV_OWNER_SOURCES_MAX, "struct cv_app_info has them all");

/* ---- sockets ---- */

/* Opens a reader over the owner records of all open sockets of the host. -ENOENT: there are none. */
static int open_owners(const struct cv_instance *inst, FILE **out, struct cv_err *err)
{
	CV_CLOSE int prog = cv_pin_open(inst->host_progs, CV_PROG_ITER, err);
	union bpf_iter_link_info info = { 0 };
	CV_CLOSE int map = -1;

	if (prog < 0)
		return prog;
	map = cv_host_map(inst, CV_STRING(CV_MAP_OWNERS), err);
	if (map < 0)
		return map;
	info.map.map_fd = map;
	*out = cv_iterator_open(prog, &info);
	return *out ? 0 : cv_err_set(err, -errno, "owners: iterate: %s", strerrordesc_np(errno));
}

/* Id of the instance's app that has the socket; CV_APP_NONE if none has. */
static uint32_t app_of(const struct cv_owner *owner, uint64_t cookie)
{
	if (owner->netns_cookie == cookie)
		return owner->app;
	return owner->outer_cookie == cookie ? owner->outer_app : CV_APP_NONE;
}

static void count_socket(const struct cv_owner *owner, uint64_t cookie, struct cv_app_info *infos,
			 size_t count)
{
	uint32_t app = app_of(owner, cookie);

	for (size_t i = 0; app != CV_APP_NONE && i < count; i++)
		if (infos[i].id == app) {
			infos[i].sockets++;
			infos[i].sources[owner->source % CV_OWNER_SOURCES_MAX]++;
		}
}

static int count_sockets(const struct cv_instance *inst, struct cv_app_info *infos, size_t count,
			 struct cv_err *err)
{
	CV_FCLOSE FILE *file = NULL;
	struct cv_owner owner;
	int rc = open_owners(inst, &file, err);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	while (fread(&owner, sizeof(owner), 1, file) == 1)
		count_socket(&owner, inst->netns_cookie, infos, count);
	return 0;
}

/* ---- gates ---- */

/* The map is there while gates are. */
static int read_gates(const struct cv_instance *inst, struct cv_app_info *infos, size_t count,
		      struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_GATES), err);
	int rc = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	for (size_t i = 0; !rc && i < count; i++) {
		struct cv_gate_key key = { .netns_cookie = inst->netns_cookie, .app = infos[i].id };

		rc = cv_percpu_sum(fd, &key, &infos[i].held_packets, 1, err);
		infos[i].is_held = !rc;
		rc = rc == -ENOENT ? 0 : rc;
	}
	return rc;
}

/* ---- list ---- */

static int fill_infos(const struct cv_instance *inst, const struct cv_state *state,
		      struct cv_app_info *infos, struct cv_err *err)
{
	CV_FREE struct cv_app_set *live = calloc(1, sizeof(*live));
	CV_FREE struct cv_app_set *outer = calloc(1, sizeof(*outer));
	int rc;

	if (!live || !outer)
		return cv_err_set(err, -ENOMEM, "apps: out of memory");
	rc = cv_live_both_apps(inst, live, outer, err);
	for (size_t i = 0; !rc && i < state->app_count; i++) {
		const struct cv_app *app = cv_app_find(live, state->apps[i].name);

		if (!app)
			app = cv_app_find(outer, state->apps[i].name);
		memcpy(infos[i].name, state->apps[i].name, sizeof(infos[i].name));
		infos[i].id = app ? app->id : 0;
		infos[i].mark = app ? app->mark : 0;
	}
	return rc;
}

int cv_sources_read(const struct cv_instance *inst, uint64_t sources[CV_OWNER_SOURCES_MAX],
		    struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_SOURCES), err);
	int rc = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	for (uint32_t source = 0; !rc && source < CV_OWNER_SOURCE_COUNT; source++)
		rc = cv_percpu_sum(fd, &source, &sources[source], 1, err);
	return rc;
}

int cv_app_list(struct cv_instance *inst, const struct cv_state *state, struct cv_app_info **out,
		size_t *count, struct cv_err *err)
{
	CV_FREE struct cv_app_info *infos = calloc(state->app_count + 1, sizeof(*infos));
	int rc;

	if (!infos)
		return cv_err_set(err, -ENOMEM, "apps: out of memory");
	rc = fill_infos(inst, state, infos, err);
	if (!rc && state->app_count)
		rc = count_sockets(inst, infos, state->app_count, err);
	if (!rc && state->app_count)
		rc = read_gates(inst, infos, state->app_count, err);
	if (rc)
		return rc;
	*count = state->app_count;
	*out = CV_TAKE_PTR(infos);
	return 0;
}
