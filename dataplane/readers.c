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
#include "tunnel_table.h"

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

static void add_id(struct ids *ids, uint32_t id)
{
	/* Free slots of one map often have the same one. */
	if (ids->count < CV_INNER_MAX && (!ids->count || ids->items[ids->count - 1] != id))
		ids->items[ids->count++] = id;
}

static int add_id_at(int map_fd, const void *key, void *arg, struct cv_err *err)
{
	uint32_t id;

	(void)err;
	if (!bpf_map_lookup_elem(map_fd, key, &id))
		add_id(arg, id);
	return 0;
}

/* Slots are not tried one after another where most are empty: before Linux 6.8 each takes a grace
 * period. */
static void add_ids_from(const struct cv_instance *inst, const char *name, uint32_t first,
			 uint32_t count, struct ids *ids)
{
	CV_CLOSE int fd = cv_pin_open(inst->maps, name, NULL);
	CV_FREE uint32_t *items = calloc(count, sizeof(*items));
	int read = fd < 0 || !items ? 0 : cv_slots_read(fd, first, count, items);

	for (int i = 0; i < read; i++)
		add_id(ids, items[i]);
}

/* What live tunnels choose a remote of. */
static void add_ids_of_tunnels(const struct cv_instance *inst, struct ids *ids)
{
#define MAP_OF_SIZE(name, map, cells) CV_STRING(map),
	static const char *const sizes[] = { CV_PEER_SIZES(MAP_OF_SIZE) };
#undef MAP_OF_SIZE
	CV_FREE struct cv_tunnel *entries = calloc(CV_MAX_TUNNEL_ENTRIES, sizeof(*entries));

	if (!entries || cv_tunnel_table_read(inst, entries, NULL))
		return;
	for (uint32_t i = 0; i < CV_MAX_TUNNEL_ENTRIES; i++) {
		uint32_t size = entries[i].remote_slot / CV_MAX_REMOTE_SLOTS;
		uint32_t slot = entries[i].remote_slot % CV_MAX_REMOTE_SLOTS;

		if (!entries[i].mode)
			continue;
		if (entries[i].remote_kind == CV_REMOTE_SET)
			add_ids_from(inst, CV_STRING(CV_MAP_REMOTES), slot, 1, ids);
		if (entries[i].remote_kind == CV_REMOTE_PEERS && size < CV_PEER_SIZE_COUNT)
			add_ids_from(inst, sizes[size], slot, 1, ids);
	}
}

static void add_ids_of_apps(const struct cv_instance *inst, struct ids *ids)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_APPS), NULL);

	if (fd >= 0)
		cv_map_each(fd, sizeof(uint64_t), CV_MAX_INSTANCES, add_id_at, ids, NULL);
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void find_ids(const struct cv_instance *inst, struct ids *ids)
{
	add_ids_from(inst, CV_STRING(CV_MAP_TUNNELS), 0, 1, ids);
	add_ids_of_tunnels(inst, ids);
	for (uint32_t bank = 0; bank < CV_ARENA_BANKS; bank++)
		add_ids_from(inst, CV_STRING(CV_MAP_RULES), bank * CV_ARENA_SEGMENTS,
			     CV_ARENA_SEGMENTS, ids);
	add_ids_from(inst, CV_STRING(CV_MAP_RULE_STATS), 0, CV_STATS_CHUNKS, ids);
	add_ids_of_apps(inst, ids);
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
