/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pins of maps that somebody has removed: see mend.h. */
#include "mend.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "map.h"
#include "object.h"
#include "own.h"

#define CV_MAX_PROGRAM_MAPS 64 /* of the verifier */

/* ---- what is missing ---- */

static const char *const always[] = {
	CV_STRING(CV_MAP_META),		CV_STRING(CV_MAP_DEVS),
	CV_STRING(CV_MAP_TUNNELS),	CV_STRING(CV_MAP_TUNNEL_STATS),
	CV_STRING(CV_MAP_ENDPOINTS),	CV_STRING(CV_MAP_PORTS),
	CV_STRING(CV_MAP_REMOTES),	CV_STRING(CV_MAP_PEERS_SMALL),
	CV_STRING(CV_MAP_PEERS_MEDIUM), CV_STRING(CV_MAP_PEERS_LARGE),
	CV_STRING(CV_MAP_PATHS),	CV_STRING(CV_MAP_ALLOWED),
	CV_STRING(CV_MAP_PROBES),	CV_STRING(CV_MAP_DROPS),
	CV_STRING(CV_MAP_RULES),	CV_STRING(CV_MAP_LIVE),
	CV_STRING(CV_MAP_CACHES),	CV_STRING(CV_MAP_RULE_STATS),
	CV_STRING(CV_MAP_METERS),	CV_STRING(CV_MAP_BUCKETS),
	CV_STRING(CV_MAP_EVENTS),	CV_STRING(CV_MAP_FLOWS),
	CV_STRING(CV_MAP_LOCALS),	CV_STRING(CV_MAP_OWNERS),
	CV_STRING(CV_MAP_CLOSED),	CV_STRING(CV_MAP_SOURCES),
};

const char *cv_pin_missing(const struct cv_instance *inst)
{
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		if (!cv_pin_exists(cv_object_map_dir(inst, always[i]), always[i]))
			return always[i];
	return NULL;
}

/* ---- maps of programs ---- */

/* Where pins are only looked at, what is missing is met again in every program. */
struct mending {
	struct cv_acts *acts;
	char told[CV_MAX_PROGRAM_MAPS][BPF_OBJ_NAME_LEN];
	size_t told_count;
};

static bool was_told(struct mending *mending, const char *name)
{
	for (size_t i = 0; i < mending->told_count; i++)
		if (!strcmp(mending->told[i], name))
			return true;
	if (mending->told_count < CV_MAX_PROGRAM_MAPS)
		snprintf(mending->told[mending->told_count++], BPF_OBJ_NAME_LEN, "%s", name);
	return false;
}

static int pin_again(struct mending *mending, int map_fd, const char *name, struct cv_err *err)
{
	const char *dir = cv_object_map_dir(mending->acts->inst, name);
	struct cv_act act = { .kind = CV_ACT_ADD, .noun = "map" };
	int rc;

	if (cv_pin_exists(dir, name) || was_told(mending, name))
		return 0;
	cv_act_name(&act, "%s", name);
	cv_act_what(&act, "its pin was gone");
	rc = cv_act_alone(mending->acts, &act, err);
	return rc <= 0 ? rc : cv_pin_set(map_fd, dir, name, err);
}

/* One that may not be opened by its id cannot be had: what needs it is then made anew. */
static int heed_map(struct mending *mending, uint32_t id, struct cv_err *err)
{
	CV_CLOSE int fd = cv_map_by_id(id);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	/* Others are the constants of a program, which have no pin. */
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || strncmp(info.name, "cv_", 3))
		return 0;
	return pin_again(mending, fd, info.name, err);
}

static int heed_program(struct mending *mending, int prog_fd, struct cv_err *err)
{
	uint32_t ids[CV_MAX_PROGRAM_MAPS];
	struct bpf_prog_info info = { .nr_map_ids = CV_MAX_PROGRAM_MAPS,
				      .map_ids = (uintptr_t)ids };
	uint32_t len = sizeof(info);
	int rc = 0;

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return 0;
	for (uint32_t i = 0; !rc && i < info.nr_map_ids && i < CV_MAX_PROGRAM_MAPS; i++)
		rc = heed_map(mending, ids[i], err);
	return rc;
}

/* The program that a pin of a link or program stands for. An fd or a negative errno. */
static int open_program(const char *dir, const char *name, bool is_link)
{
	CV_CLOSE int fd = cv_pin_open(dir, name, NULL);
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0 || !is_link)
		return CV_TAKE_FD(fd);
	return bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno
						       : bpf_prog_get_fd_by_id(info.prog_id);
}

static int heed_pins(struct mending *mending, const char *path, bool are_links, struct cv_err *err)
{
	CV_DIR_CLOSE DIR *dir = opendir(path);
	struct dirent *entry;
	int rc = 0;

	while (!rc && dir && (entry = readdir(dir))) {
		CV_CLOSE int fd =
			entry->d_name[0] == '.' ? -1 : open_program(path, entry->d_name, are_links);

		if (fd >= 0)
			rc = heed_program(mending, fd, err);
	}
	return rc;
}

int cv_mend_pins(struct cv_acts *acts, struct cv_err *err)
{
	struct mending mending = { .acts = acts };
	struct cv_instance *inst = acts->inst;
	int rc = acts->mode == CV_CHANGE_MAKE ? cv_instance_make_dirs(inst, err) : 0;

	if (!rc)
		rc = heed_pins(&mending, inst->progs, false, err);
	if (!rc)
		rc = heed_pins(&mending, inst->host_links, true, err);
	return rc ? rc : heed_pins(&mending, inst->host_progs, false, err);
}
