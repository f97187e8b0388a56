/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Taking over what other pins were made for: see takeover.h. */
#include "takeover.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "map.h"
#include "nl_nexthop.h"
#include "nl_route.h"
#include "own.h"
#include "path.h"
#include "plan.h"

/* ---- pins of another version ---- */

/* An instance of this network namespace that another version of the ABI has made. */
struct other {
	uint32_t version; /* 0: there is none */
	struct cv_meta meta; /* of it magic, version, generation and build stand still for ever */
};

/* Returns 1 if there is an instance of that version, 0 if there is none. */
static int read_meta(const struct cv_instance *inst, uint32_t version, struct cv_meta *meta,
		     struct cv_err *err)
{
	CV_CLOSE int fd = -1;
	char maps[PATH_MAX];
	uint32_t zero = 0;

	if (snprintf(maps, sizeof(maps), "%s/v%u/%s/maps", inst->options.bpffs, version,
		     inst->name) >= (int)sizeof(maps))
		return 0;
	fd = cv_pin_open(maps, CV_STRING(CV_MAP_META), err);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (bpf_map_lookup_elem(fd, &zero, meta))
		return cv_err_set(err, -errno, "%s: meta map: %s", maps, strerrordesc_np(errno));
	return meta->magic == CV_ABI_MAGIC;
}

/* The newest of another version. */
static int find_other(const struct cv_instance *inst, struct other *other, struct cv_err *err)
{
	int rc, found;
	CV_DIR_CLOSE DIR *dir = cv_dir_open(inst->options.bpffs, &rc);
	struct dirent *entry;

	*other = (struct other){ 0 };
	while (!rc && (entry = cv_dir_next(dir, &rc))) {
		struct cv_meta meta;
		uint32_t version;
		char end;

		if (sscanf(entry->d_name, "v%u%c", &version, &end) != 1 ||
		    version == CV_ABI_VERSION || version < other->version)
			continue;
		found = read_meta(inst, version, &meta, err);
		if (found < 0)
			return found;
		if (found)
			*other = (struct other){ version, meta };
	}
	return rc ? cv_err_set(err, rc, "bpffs %s: %s", inst->options.bpffs, strerrordesc_np(-rc))
		  : 0;
}

static int refuse(const struct cv_instance *inst, const struct other *other, struct cv_err *err)
{
	cv_err_set(err, -EPROTO,
		   "instance %s: made by culvert %.*s with map ABI %u, this is %s with map ABI %u",
		   inst->name, CV_BUILD_LEN, other->meta.build, other->version, CV_VERSION,
		   CV_ABI_VERSION);
	if (other->version > CV_ABI_VERSION)
		return cv_err_hint(err, "use that one; its 'culvert down' makes way for this one");
	return cv_err_hint(err, "'culvert repair' takes it over, traffic flows on meanwhile");
}

/* Nobody is to change it while we take it over. */
static int lock_other(struct cv_instance *inst, uint32_t version, struct cv_err *err)
{
	char root[PATH_MAX];

	snprintf(root, sizeof(root), "%s/v%u", inst->options.bpffs, version);
	inst->older_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (inst->older_fd < 0 || flock(inst->older_fd, LOCK_EX))
		return cv_err_set(err, -errno, "pin directory %s: lock: %s", root,
				  strerrordesc_np(errno));
	return 0;
}

int cv_takeover_check(struct cv_instance *inst, struct cv_err *err)
{
	struct other other = { 0 };
	struct cv_interruption was;
	bool exists = cv_instance_exists(inst);
	int rc;

	/* One that was taken over up to its last step still has the pins of both. */
	if (exists && !cv_instance_interrupted(inst, &was, NULL))
		return 0;
	rc = find_other(inst, &other, err);
	if (rc || !other.version)
		return rc;
	if (exists && inst->access != CV_ACCESS_WRITE)
		return 0;
	if (other.version > CV_ABI_VERSION || inst->access != CV_ACCESS_WRITE)
		return refuse(inst, &other, err);
	return lock_other(inst, other.version, err);
}

int cv_takeover_finish(struct cv_instance *inst, struct cv_err *err)
{
	struct other other = { 0 };
	int rc = inst->older_fd < 0 ? 0 : find_other(inst, &other, err);

	if (!rc && other.version) {
		cv_log(inst, CV_LOG_INFO, "instance %s: taken over from map ABI %u, made by %.*s",
		       inst->name, other.version, CV_BUILD_LEN, other.meta.build);
		rc = cv_instance_remove_version(inst, other.version, err);
	}
	cv_close_fd(&inst->older_fd);
	inst->older_fd = -1;
	return rc;
}

/* ---- generations ---- */

static void heed_names(const struct cv_lwt *lwt, uint32_t *generation)
{
	for (int hook = 0; hook < CV_LWT_HOOKS; hook++) {
		struct cv_program_name name;

		if (cv_program_name_read(NULL, hook, lwt->names[hook], &name) &&
		    name.generation > *generation)
			*generation = name.generation;
	}
}

static int heed_route(const struct cv_fib_route *route, void *arg, struct cv_err *err)
{
	(void)err;
	heed_names(&route->lwt, arg);
	return 0;
}

int cv_takeover_generation(struct cv_instance *inst, uint32_t *generation, struct cv_err *err)
{
	CV_CLEANUP(cv_nexthop_list_fini) struct cv_nexthop_list nexthops = { 0 };
	int rc;

	*generation = 0;
	rc = cv_fib_list(inst->nl, 4, CV_ROUTE_PROTOCOL, NULL, heed_route, generation, err);
	if (!rc)
		rc = cv_fib_list(inst->nl, 6, CV_ROUTE_PROTOCOL, NULL, heed_route, generation, err);
	if (!rc)
		rc = cv_nexthop_list(inst->nl, &nexthops, err);
	for (size_t i = 0; i < nexthops.count; i++)
		heed_names(&nexthops.items[i].lwt, generation);
	return rc;
}
