/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* BPF maps and pins: see map.h. */
#include "map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own.h"
#include "path.h"

#define CV_DIR_DEPTH 8

static int pin_path(char *path, const char *dir, const char *name, struct cv_err *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return cv_err_set(err, -ENAMETOOLONG, "pin %s: path too long", name);
	return 0;
}

static int open_pin(const char *path)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	int fd = bpf_obj_get(path);

	return fd < 0 && errno == EACCES ? bpf_obj_get_opts(path, &opts) : fd;
}

int cv_pin_open(const char *dir, const char *name, struct cv_err *err)
{
	char path[PATH_MAX];
	int fd = pin_path(path, dir, name, err);

	if (fd)
		return fd;
	fd = open_pin(path);
	if (fd >= 0)
		return fd;
	fd = -errno;
	if (fd == -ENOENT)
		return fd;
	cv_err_set(err, fd, "pin %s: open: %s", path, strerrordesc_np(-fd));
	if (fd == -EACCES || fd == -EPERM)
		cv_err_hint(
			err,
			"reading needs root, or membership in the group culvert if the host has one");
	return fd;
}

bool cv_pin_exists(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return !pin_path(path, dir, name, NULL) && !cv_path_is_absent(path);
}

int cv_pin_set(int fd, const char *dir, const char *name, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = pin_path(path, dir, name, err);

	if (rc)
		return rc;
	rc = bpf_obj_pin(fd, path);
	/* Somebody took the directory away. */
	if (rc && errno == ENOENT && !cv_dir_make(dir, NULL))
		rc = bpf_obj_pin(fd, path);
	return rc ? cv_err_set(err, -errno, "pin %s: %s", path, strerrordesc_np(errno)) : 0;
}

/* A bpffs knows no names with dots. */
int cv_pin_replace(int fd, const char *dir, const char *name, struct cv_err *err)
{
	char next[NAME_MAX], from[PATH_MAX], to[PATH_MAX];
	int rc;

	snprintf(next, sizeof(next), "%s-next", name);
	rc = pin_path(from, dir, next, err);
	if (!rc)
		rc = pin_path(to, dir, name, err);
	if (!rc)
		rc = cv_pin_del(dir, next, err);
	if (rc)
		return rc;
	rc = cv_pin_set(fd, dir, next, err);
	if (!rc && rename(from, to))
		rc = cv_err_set(err, -errno, "pin %s: replace: %s", to, strerrordesc_np(errno));
	if (rc)
		unlink(from); /* it would hold what is pinned: a link stays attached */
	return rc;
}

int cv_pin_link(const char *from_dir, const char *from, const char *dir, const char *name,
		struct cv_err *err)
{
	char old[PATH_MAX], new[PATH_MAX];
	int rc = pin_path(old, from_dir, from, err);

	if (!rc)
		rc = pin_path(new, dir, name, err);
	if (rc || !link(old, new))
		return rc;
	return cv_err_set(err, -errno, "pin %s: link: %s", new, strerrordesc_np(errno));
}

int cv_pin_del(const char *dir, const char *name, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = pin_path(path, dir, name, err);

	if (rc)
		return rc;
	if (!unlink(path) || errno == ENOENT)
		return 0;
	return cv_err_set(err, -errno, "pin %s: remove: %s", path, strerrordesc_np(errno));
}

int cv_dir_make(const char *dir, struct cv_err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/", dir) >= (int)sizeof(path))
		return cv_err_set(err, -ENAMETOOLONG, "directory %s: path too long", dir);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return cv_err_set(err, -errno, "directory %s: make: %s", path,
					  strerrordesc_np(errno));
		*slash = '/';
	}
	return 0;
}

int cv_dir_link(const char *dir, const char *name, const char *target, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = pin_path(path, dir, name, err);

	if (rc)
		return rc;
	if (!access(path, F_OK) || !symlink(target, path) || errno == EEXIST)
		return 0;
	return cv_err_set(err, -errno, "link %s: make: %s", path, strerrordesc_np(errno));
}

static int remove_tree(const char *path, int depth, struct cv_err *err)
{
	int rc;
	CV_DIR_CLOSE DIR *dir = cv_dir_open(path, &rc);
	struct dirent *entry;
	char child[PATH_MAX];

	while (!rc && (entry = cv_dir_next(dir, &rc))) {
		rc = pin_path(child, path, entry->d_name, err);
		if (rc)
			return rc;
		if (!unlink(child) || errno == ENOENT)
			continue;
		if (depth == CV_DIR_DEPTH || (errno != EISDIR && errno != EPERM))
			return cv_err_set(err, -errno, "%s: remove: %s", child,
					  strerrordesc_np(errno));
		rc = remove_tree(child, depth + 1, err);
		if (rc)
			return rc;
	}
	if (rc)
		return cv_err_set(err, rc, "directory %s: %s", path, strerrordesc_np(-rc));
	if (rmdir(path) && errno != ENOENT)
		return cv_err_set(err, -errno, "directory %s: remove: %s", path,
				  strerrordesc_np(errno));
	return 0;
}

int cv_dir_remove(const char *dir, struct cv_err *err)
{
	return remove_tree(dir, 1, err);
}

static char inner_dir[PATH_MAX]; /* of pins of maps by their ids; empty: nowhere */

void cv_map_ids_are_pinned(const char *dir)
{
	snprintf(inner_dir, sizeof(inner_dir), "%s", dir);
}

int cv_map_by_id(uint32_t id)
{
	int fd = bpf_map_get_fd_by_id(id), pin;
	char name[16];

	if (fd >= 0 || errno != EPERM || !*inner_dir)
		return fd;
	snprintf(name, sizeof(name), "%u", id);
	pin = cv_pin_open(inner_dir, name, NULL);
	errno = pin < 0 ? EPERM : 0;
	return pin < 0 ? -EPERM : pin;
}

void cv_map_keep_id(int map_fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	char name[16];

	if (!*inner_dir || access(inner_dir, F_OK) || bpf_obj_get_info_by_fd(map_fd, &info, &len))
		return;
	snprintf(name, sizeof(name), "%u", info.id);
	cv_pin_set(map_fd, inner_dir, name, NULL);
}

/* Copies as much of an array as there is room for, laid out as its memory is. */
static int copy_array(int map_fd, char *memory, size_t size)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	CV_FREE char *value = NULL;
	size_t step;

	if (bpf_obj_get_info_by_fd(map_fd, &info, &len))
		return -errno;
	step = (info.value_size + 7) / 8 * 8;
	value = calloc(1, step);
	if (!value)
		return -ENOMEM;
	for (uint32_t i = 0; i < info.max_entries && i * step < size; i++) {
		size_t left = size - i * step;

		if (bpf_map_lookup_elem(map_fd, &i, value))
			return -errno;
		memcpy(memory + i * step, value, left < step ? left : step);
	}
	return 0;
}

static void *copy_memory(int map_fd, size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc = memory == MAP_FAILED ? -errno : copy_array(map_fd, memory, size);

	if (!rc)
		return memory;
	if (memory != MAP_FAILED)
		munmap(memory, size);
	errno = -rc;
	return MAP_FAILED;
}

void *cv_map_memory(int map_fd, size_t size, int flags)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, map_fd, 0);

	/* What is open only to be read is no shared mapping, and maps have no others. */
	return memory == MAP_FAILED && errno == EACCES ? copy_memory(map_fd, size) : memory;
}

int cv_slot_read(int slot_fd, const void *key, const struct cv_slot_shape *shape, void *values,
		 struct cv_err *err)
{
	CV_CLOSE int inner = -1;
	uint32_t id;

	memset(values, 0, (size_t)shape->value_size * shape->max_entries);
	if (bpf_map_lookup_elem(slot_fd, key, &id))
		return errno == ENOENT ? 0
				       : cv_err_set(err, -errno, "map %s: read slot: %s",
						    shape->name, strerrordesc_np(errno));
	inner = cv_map_by_id(id);
	if (inner < 0)
		return cv_err_set(err, -errno, "map %s: open by id: %s", shape->name,
				  strerrordesc_np(errno));
	return cv_array_read(inner, shape->max_entries, values, err);
}

static bool is_zero(const char *bytes, size_t size)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

int cv_slot_make(const struct cv_slot_shape *shape, const void *values, struct cv_err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .map_flags = shape->is_passed_on ? 0 : BPF_F_RDONLY_PROG);
	CV_CLOSE int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, shape->name, sizeof(uint32_t),
					    shape->value_size, shape->max_entries, &opts);
	const char *value = values;
	uint32_t i;

	if (inner < 0)
		return cv_err_set(err, -errno, "map %s: create: %s", shape->name,
				  strerrordesc_np(errno));
	cv_map_keep_id(inner);
	for (i = 0; i < shape->max_entries; i++, value += shape->value_size) {
		if (is_zero(value, shape->value_size))
			continue;
		if (bpf_map_update_elem(inner, &i, value, BPF_ANY))
			return cv_err_set(err, -errno, "map %s: fill: %s", shape->name,
					  strerrordesc_np(errno));
	}
	return CV_TAKE_FD(inner);
}

int cv_slot_write(int slot_fd, const void *key, const struct cv_slot_shape *shape,
		  const void *values, struct cv_err *err)
{
	CV_CLOSE int inner = cv_slot_make(shape, values, err);

	if (inner < 0)
		return inner;
	if (bpf_map_update_elem(slot_fd, key, &inner, BPF_ANY))
		return cv_err_set(err, -errno, "map %s: set slot: %s", shape->name,
				  strerrordesc_np(errno));
	return 0;
}

int cv_slots_read(int slots_fd, uint32_t first, uint32_t count, uint32_t *ids)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		uint32_t slot = first + i;

		if (bpf_map_lookup_elem(slots_fd, &slot, &ids[i]))
			return errno == ENOENT ? (int)i : -errno;
	}
	return i;
}

void cv_slot_batch_close(struct cv_slot_batch *batch)
{
	while (batch->count)
		close(batch->arrays[--batch->count]);
}

int cv_slot_batch_put(struct cv_slot_batch *batch, struct cv_err *err)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t count = batch->count;

	if (count &&
	    bpf_map_update_batch(batch->map_fd, batch->slots, batch->arrays, &count, &opts))
		return cv_err_set(err, -errno, "set slots: %s", strerrordesc_np(errno));
	cv_slot_batch_close(batch);
	return 0;
}

int cv_slot_batch_add(struct cv_slot_batch *batch, uint32_t slot, int array, struct cv_err *err)
{
	if (array < 0)
		return array;
	batch->slots[batch->count] = slot;
	batch->arrays[batch->count++] = array;
	return batch->count < CV_SLOTS_AT_ONCE ? 0 : cv_slot_batch_put(batch, err);
}

int cv_percpu_sum(int map_fd, const void *key, uint64_t *sums, size_t counters, struct cv_err *err)
{
	int cpus = libbpf_num_possible_cpus();
	CV_FREE uint64_t *values = calloc(cpus > 0 ? cpus : 1, counters * sizeof(*values));

	memset(sums, 0, counters * sizeof(*sums));
	if (cpus < 0 || !values)
		return cv_err_set(err, -ENOMEM, "counters: out of memory");
	if (bpf_map_lookup_elem(map_fd, key, values))
		return errno == ENOENT ? -ENOENT
				       : cv_err_set(err, -errno, "counters: read: %s",
						    strerrordesc_np(errno));
	for (size_t i = 0; i < cpus * counters; i++)
		sums[i % counters] += values[i];
	return 0;
}

int cv_percpu_clear(int map_fd, const void *key, size_t counters, struct cv_err *err)
{
	int cpus = libbpf_num_possible_cpus();
	CV_FREE uint64_t *zeros = calloc(cpus > 0 ? cpus : 1, counters * sizeof(*zeros));

	if (cpus < 0 || !zeros)
		return cv_err_set(err, -ENOMEM, "counters: out of memory");
	if (bpf_map_update_elem(map_fd, key, zeros, BPF_ANY))
		return cv_err_set(err, -errno, "counters: clear: %s", strerrordesc_np(errno));
	return 0;
}

int cv_array_read(int map_fd, uint32_t count, void *values, struct cv_err *err)
{
	CV_FREE uint32_t *keys = calloc(count, sizeof(*keys));
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t next, read = count;

	if (!keys)
		return cv_err_set(err, -ENOMEM, "map entries: out of memory");
	/* An array that ends there says so. */
	if (bpf_map_lookup_batch(map_fd, NULL, &next, keys, values, &read, &opts) &&
	    errno != ENOENT)
		return cv_err_set(err, -errno, "map entries: read: %s", strerrordesc_np(errno));
	return 0;
}

int cv_map_each(int map_fd, size_t key_size, size_t max, cv_map_key_fn fn, void *arg,
		struct cv_err *err)
{
	CV_FREE char *keys = NULL;
	size_t count = 0;
	int rc;

	for (;;) {
		if (!(count & (count - 1))) {
			char *grown = reallocarray(keys, count ? count * 2 : 1, key_size);

			if (!grown)
				return cv_err_set(err, -ENOMEM, "map keys: out of memory");
			keys = grown;
		}
		if (count == max ||
		    bpf_map_get_next_key(map_fd, count ? keys + (count - 1) * key_size : NULL,
					 keys + count * key_size))
			break;
		count++;
	}
	if (count < max && errno != ENOENT) /* the end */
		return cv_err_set(err, -errno, "map keys: read: %s", strerrordesc_np(errno));
	for (size_t i = 0; i < count; i++) {
		rc = fn(map_fd, keys + i * key_size, arg, err);
		if (rc)
			return rc;
	}
	return 0;
}

#define CV_BATCH 65536 /* entries; more than any bucket of a hash map holds */

/* Makes room for as many entries as one call may bring. */
static int grow_copy(struct cv_map_copy *copy, size_t key_size, size_t value_size)
{
	char *keys = reallocarray(copy->keys, copy->count + CV_BATCH, key_size), *values;

	if (!keys)
		return -ENOMEM;
	copy->keys = keys;
	values = reallocarray(copy->values, copy->count + CV_BATCH, value_size);
	if (!values)
		return -ENOMEM;
	copy->values = values;
	return 0;
}

int cv_map_read(int map_fd, size_t key_size, size_t value_size, size_t max, struct cv_map_copy *out,
		struct cv_err *err)
{
	CV_CLEANUP(cv_map_copy_fini) struct cv_map_copy copy = { 0 };
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	/* Where a call ended: a number for hash maps, a key for others. */
	CV_FREE char *at = calloc(1, key_size + sizeof(uint32_t));
	CV_FREE char *next = calloc(1, key_size + sizeof(uint32_t));
	uint32_t count;
	int rc = 0;

	if (!at || !next)
		return cv_err_set(err, -ENOMEM, "map entries: out of memory");
	while (!rc && copy.count < max) {
		if (grow_copy(&copy, key_size, value_size))
			return cv_err_set(err, -ENOMEM, "map entries: out of memory");
		count = CV_BATCH;
		rc = bpf_map_lookup_batch(map_fd, copy.count ? at : NULL, next,
					  copy.keys + copy.count * key_size,
					  copy.values + copy.count * value_size, &count, &opts);
		if (rc && errno != ENOENT) /* the end */
			return cv_err_set(err, -errno, "map entries: read: %s",
					  strerrordesc_np(errno));
		copy.count += count;
		memcpy(at, next, key_size + sizeof(uint32_t));
	}
	*out = copy;
	copy = (struct cv_map_copy){ 0 };
	return 0;
}

void cv_map_copy_fini(struct cv_map_copy *copy)
{
	free(copy->keys);
	free(copy->values);
	*copy = (struct cv_map_copy){ 0 };
}

FILE *cv_iterator_open(int prog_fd, const union bpf_iter_link_info *info)
{
	union bpf_iter_link_info copy = { 0 };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = info ? &copy : NULL,
		    .iter_info_len = info ? sizeof(copy) : 0);
	CV_CLOSE int link = -1;
	CV_CLOSE int fd = -1;
	FILE *file;

	if (info)
		copy = *info;
	link = bpf_link_create(prog_fd, 0, BPF_TRACE_ITER, &opts);
	fd = link < 0 ? -1 : bpf_iter_create(link);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (file)
		(void)CV_TAKE_FD(fd);
	return file;
}

uint32_t cv_prog_id(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}
