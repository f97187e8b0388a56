/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The group that may read: see readers.h. */
#include "readers.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>

#include "bpffs.h"
#include "map.h"
#include "own.h"

#define CV_GROUPS "/etc/group"
#define CV_OPEN_DIRS 8
#define CV_INNER_MAX 65536

/* ---- the group ---- */

/* Local groups only: a directory service that is reached through a tunnel must not be asked while that is
 * made. */
static gid_t find_group(void)
{
	CV_FCLOSE FILE *file = fopen(CV_GROUPS, "re");
	const struct group *group;

	while (file && (group = fgetgrent(file)))
		if (!strcmp(group->gr_name, CV_READERS))
			return group->gr_gid;
	return 0;
}

/* ---- pins and files ---- */

static gid_t readers; /* of the walk at work: nftw() hands on no argument */

static int admit_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	mode_t mode = S_ISDIR(st->st_mode) ? 0750 : 0640;

	(void)type;
	(void)walk;
	if (S_ISLNK(st->st_mode) || (st->st_gid == readers && (st->st_mode & 07777) == mode))
		return 0;
	/* What went away meanwhile needs nothing. */
	if ((lchown(path, -1, readers) || chmod(path, mode)) && errno != ENOENT)
		return -errno;
	return 0;
}

static void admit_below(const struct cv_instance *inst, const char *path)
{
	int rc = nftw(path, admit_one, CV_OPEN_DIRS, FTW_PHYS);

	if (rc < 0 && errno != ENOENT)
		cv_log(inst, CV_LOG_WARN, "%s: group " CV_READERS " may not read all of it: %s",
		       path, strerrordesc_np(errno));
}

/* ---- maps in maps ---- */

/* Ids of maps that lie in maps of maps. */
struct ids {
	uint32_t items[CV_INNER_MAX];
	size_t count;
};

static int add_id(int map_fd, const void *key, void *arg, struct cv_err *err)
{
	struct ids *ids = arg;
	uint32_t id;

	(void)err;
	if (bpf_map_lookup_elem(map_fd, key, &id) || !id || ids->count == CV_INNER_MAX)
		return 0;
	/* Free slots of one map often have the same one. */
	if (!ids->count || ids->items[ids->count - 1] != id)
		ids->items[ids->count++] = id;
	return 0;
}

static void add_ids_of(const char *dir, const char *name, struct ids *ids)
{
	CV_CLOSE int fd = cv_pin_open(dir, name, NULL);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
		cv_map_each(fd, info.key_size, info.max_entries, add_id, ids, NULL);
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void find_ids(const struct cv_instance *inst, struct ids *ids)
{
	static const char *const names[] = {
		CV_STRING(CV_MAP_TUNNELS),     CV_STRING(CV_MAP_REMOTES),
		CV_STRING(CV_MAP_PEERS_SMALL), CV_STRING(CV_MAP_PEERS_MEDIUM),
		CV_STRING(CV_MAP_PEERS_LARGE), CV_STRING(CV_MAP_RULES),
		CV_STRING(CV_MAP_RULE_STATS),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		add_ids_of(inst->maps, names[i], ids);
	add_ids_of(inst->host_maps, CV_STRING(CV_MAP_APPS), ids);
	qsort(ids->items, ids->count, sizeof(*ids->items), compare_ids);
}

static void pin_id(const struct cv_instance *inst, uint32_t id)
{
	char name[16], path[PATH_MAX];
	CV_CLOSE int fd = -1;

	snprintf(name, sizeof(name), "%u", id);
	if (snprintf(path, sizeof(path), "%s/%s", inst->inner, name) >= (int)sizeof(path) ||
	    !access(path, F_OK))
		return;
	fd = bpf_map_get_fd_by_id(id);
	if (fd >= 0)
		cv_pin_set(fd, inst->inner, name, NULL);
}

/* A pin would keep a map that no packet reads any more. */
static void unpin_others(const struct cv_instance *inst, const struct ids *ids)
{
	CV_DIR_CLOSE DIR *dir = opendir(inst->inner);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		uint32_t id = (uint32_t)atoll(entry->d_name);

		if (id && !bsearch(&id, ids->items, ids->count, sizeof(id), compare_ids))
			cv_pin_del(inst->inner, entry->d_name, NULL);
	}
}

static void pin_inner_maps(const struct cv_instance *inst)
{
	CV_FREE struct ids *ids = calloc(1, sizeof(*ids));

	if (!ids || cv_dir_make(inst->inner, NULL))
		return;
	find_ids(inst, ids);
	unpin_others(inst, ids);
	for (size_t i = 0; i < ids->count; i++)
		if (!i || ids->items[i] != ids->items[i - 1])
			pin_id(inst, ids->items[i]);
}

bool cv_readers_need_ids(void)
{
	return find_group() || !cv_has_capability(CAP_SYS_ADMIN);
}

void cv_readers_admit(const struct cv_instance *inst)
{
	readers = find_group();
	if (readers || !access(inst->inner, F_OK))
		pin_inner_maps(inst);
	if (!readers)
		return;
	cv_bpffs_admit(inst->options.bpffs, readers);
	admit_below(inst, inst->root);
	admit_below(inst, inst->state_dir);
}
