/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ledger of devices, in a map and in a file: see ledger.h. */
#include "ledger.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "map.h"
#include "own.h"
#include "text.h"

#define CV_LEDGER_FILE "ledger"
#define CV_LEDGER_HEAD "# culvert: what it has done to devices; see culvert(8)\n"

int cv_ledger_add(struct cv_ledger *ledger, uint32_t ifindex, const struct cv_dev *dev,
		  struct cv_err *err)
{
	if (ledger->count == ledger->capacity) {
		size_t capacity = ledger->capacity ? 2 * ledger->capacity : 16;
		struct cv_ledger_entry *grown =
			reallocarray(ledger->items, capacity, sizeof(*grown));

		if (!grown)
			return cv_err_set(err, -ENOMEM, "ledger: out of memory");
		ledger->items = grown;
		ledger->capacity = capacity;
	}
	ledger->items[ledger->count++] = (struct cv_ledger_entry){ ifindex, *dev };
	return 0;
}

const struct cv_dev *cv_ledger_find(const struct cv_ledger *ledger, uint32_t ifindex)
{
	for (size_t i = 0; i < ledger->count; i++)
		if (ledger->items[i].ifindex == ifindex)
			return &ledger->items[i].dev;
	return NULL;
}

void cv_ledger_fini(struct cv_ledger *ledger)
{
	free(ledger->items);
	*ledger = (struct cv_ledger){ 0 };
}

/* ---- the text ---- */

char *cv_ledger_format(const struct cv_ledger *ledger)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	fputs(CV_LEDGER_HEAD, file);
	for (size_t i = 0; i < ledger->count; i++) {
		const struct cv_dev *dev = &ledger->items[i].dev;

		fprintf(file,
			"dev %s ifindex %u flags 0x%x prio %u handle 0x%x old-prio %u old-handle 0x%x\n",
			dev->name, ledger->items[i].ifindex, dev->flags, dev->prio, dev->handle,
			dev->old_prio, dev->old_handle);
	}
	if (cv_finish_file(&file)) {
		free(text);
		return NULL;
	}
	return text;
}

static bool parse_line(const char *line, uint32_t *ifindex, struct cv_dev *dev)
{
	*dev = (struct cv_dev){ 0 };
	return sscanf(line,
		      "dev %15s ifindex %u flags 0x%x prio %u handle 0x%x old-prio %hu "
		      "old-handle 0x%hx",
		      dev->name, ifindex, &dev->flags, &dev->prio, &dev->handle, &dev->old_prio,
		      &dev->old_handle) == 7;
}

int cv_ledger_parse(const char *text, struct cv_ledger *out, struct cv_err *err)
{
	int rc = 0;

	while (!rc && *text) {
		const char *end = strchrnul(text, '\n');
		uint32_t ifindex;
		struct cv_dev dev;

		if (parse_line(text, &ifindex, &dev) && !cv_ledger_find(out, ifindex))
			rc = cv_ledger_add(out, ifindex, &dev, err);
		text = *end ? end + 1 : end;
	}
	return rc;
}

static void set_path(const struct cv_instance *inst, char path[PATH_MAX])
{
	/* A path that is too long is one that does not exist. */
	if (snprintf(path, PATH_MAX, "%s/" CV_LEDGER_FILE, inst->state_dir) >= PATH_MAX)
		path[0] = '\0';
}

/* Empty: there is none. */
static int read_text(const struct cv_instance *inst, char **out, struct cv_err *err)
{
	char path[PATH_MAX];

	set_path(inst, path);
	return cv_text_read(path, out, err);
}

static void put_text(FILE *file, const void *arg)
{
	fputs(arg, file);
}

static int write_text(const struct cv_instance *inst, const struct cv_ledger *ledger,
		      struct cv_err *err)
{
	CV_FREE char *text = cv_ledger_format(ledger);
	CV_FREE char *old = NULL;
	char path[PATH_MAX];
	int rc;

	if (!text)
		return cv_err_set(err, -ENOMEM, "ledger: out of memory");
	rc = read_text(inst, &old, err);
	if (rc || !strcmp(text, old))
		return rc;
	rc = cv_dir_make(inst->state_dir, err);
	if (rc)
		return rc;
	set_path(inst, path);
	return cv_text_write(path, put_text, text, err);
}

void cv_ledger_tidy(const struct cv_instance *inst)
{
	char path[PATH_MAX];

	set_path(inst, path);
	cv_text_tidy(path);
}

/* ---- the map ---- */

static int read_map(int map_fd, struct cv_ledger *out, struct cv_err *err)
{
	struct cv_map_copy copy = { 0 };
	int rc = cv_map_read(map_fd, sizeof(uint32_t), sizeof(struct cv_dev), CV_MAX_DEVS, &copy,
			     err);

	for (size_t i = 0; !rc && i < copy.count; i++) {
		struct cv_dev dev;
		uint32_t ifindex;

		memcpy(&ifindex, copy.keys + i * sizeof(ifindex), sizeof(ifindex));
		memcpy(&dev, copy.values + i * sizeof(dev), sizeof(dev));
		rc = cv_ledger_add(out, ifindex, &dev, err);
	}
	cv_map_copy_fini(&copy);
	return rc;
}

static int write_entry(int map_fd, const struct cv_ledger *live,
		       const struct cv_ledger_entry *entry, struct cv_err *err)
{
	const struct cv_dev *old = cv_ledger_find(live, entry->ifindex);

	if (old && !memcmp(old, &entry->dev, sizeof(*old)))
		return 0;
	if (bpf_map_update_elem(map_fd, &entry->ifindex, &entry->dev, BPF_ANY))
		return cv_err_set(err, -errno, "dev %s: ledger: %s", entry->dev.name,
				  strerrordesc_np(errno));
	return 0;
}

static int write_map(const struct cv_instance *inst, const struct cv_ledger *ledger,
		     struct cv_err *err)
{
	CV_CLEANUP(cv_ledger_fini) struct cv_ledger live = { 0 };
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_DEVS), err);
	int rc = fd < 0 ? fd : read_map(fd, &live, err);

	/* Those that go make room first. */
	for (size_t i = 0; !rc && i < live.count; i++)
		if (!cv_ledger_find(ledger, live.items[i].ifindex))
			bpf_map_delete_elem(fd, &live.items[i].ifindex);
	for (size_t i = 0; !rc && i < ledger->count; i++)
		rc = write_entry(fd, &live, &ledger->items[i], err);
	return rc;
}

/* ---- both ---- */

int cv_ledger_read(const struct cv_instance *inst, struct cv_ledger *out, struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->maps, CV_STRING(CV_MAP_DEVS), err);
	CV_FREE char *text = NULL;
	int rc = read_text(inst, &text, err);

	if (!rc && fd >= 0)
		rc = read_map(fd, out, err);
	else if (!rc && fd != -ENOENT)
		rc = fd;
	return rc ? rc : cv_ledger_parse(text, out, err);
}

int cv_ledger_write(const struct cv_instance *inst, const struct cv_ledger *ledger,
		    struct cv_err *err)
{
	int rc = write_text(inst, ledger, err);

	return rc ? rc : write_map(inst, ledger, err);
}
