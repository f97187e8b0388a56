/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files of a state: see parts.h. What they say is config.c's. */
#include "parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "own.h"
#include "yaml.h"

#define SUFFIX ".yaml"
#define FOLDER_SUFFIX ".d"

/* A reading at work. */
struct reader {
	struct cv_parts *parts;
	struct cv_report *report;
	size_t room; /* bytes that the files may still have together */
};

static bool has_suffix(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(SUFFIX) && !strcmp(name + len - strlen(SUFFIX), SUFFIX);
}

static int report_error(struct cv_report *report, const struct cv_err *err)
{
	cv_report_error(report, err);
	return -EINVAL;
}

static int report_memory(struct cv_report *report)
{
	struct cv_err err;

	cv_err_set(&err, -ENOMEM, "state file: out of memory");
	return report_error(report, &err);
}

/* Takes file. */
static int add_part(struct reader *reader, char *file)
{
	struct cv_parts *parts = reader->parts;
	struct cv_part part = { .file = file };
	struct cv_part *grown = parts->items;
	struct cv_err err;

	if (!(parts->count & (parts->count - 1)))
		grown = reallocarray(grown, parts->count ? parts->count * 2 : 1, sizeof(*grown));
	if (!grown) {
		free(file);
		return report_memory(reader->report);
	}
	parts->items = grown;
	if (cv_file_read("state file", file, reader->room, &part.text, &part.len, &err)) {
		free(file);
		return report_error(reader->report, &err);
	}
	reader->room -= part.len;
	grown[parts->count++] = part;
	return 0;
}

/* The name of the folder beside a file; NULL: it has none, or (with *rc) there is no memory. */
static char *folder_of(const char *file, int *rc)
{
	char *folder = NULL;

	if (!has_suffix(file) || strchr(file, '\0')[-(int)strlen(SUFFIX) - 1] == '/')
		return NULL;
	if (asprintf(&folder, "%.*s" FOLDER_SUFFIX, (int)(strlen(file) - strlen(SUFFIX)), file) < 0)
		*rc = -ENOMEM;
	return *rc ? NULL : folder;
}

static int is_wanted(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && has_suffix(entry->d_name);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Takes the entries. */
static int add_entries(struct reader *reader, const char *folder, struct dirent **entries,
		       int count)
{
	int rc = 0;

	for (int i = 0; i < count; i++) {
		char *file = NULL;

		if (asprintf(&file, "%s/%s", folder, entries[i]->d_name) < 0)
			rc = report_memory(reader->report);
		else if (add_part(reader, file))
			rc = -EINVAL;
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static int add_folder(struct reader *reader, const char *file)
{
	struct dirent **entries = NULL;
	struct cv_err err;
	int rc = 0, count;
	CV_FREE char *folder = folder_of(file, &rc);

	if (rc)
		return report_memory(reader->report);
	if (!folder)
		return 0;
	count = scandir(folder, &entries, is_wanted, by_bytes);
	if (count >= 0)
		return add_entries(reader, folder, entries, count);
	if (errno == ENOENT)
		return 0;
	cv_err_set(&err, -errno, "folder of state files %s: %s", folder, strerrordesc_np(errno));
	err.kind = CV_ERR_INPUT; /* nothing was tried */
	return report_error(reader->report, &err);
}

/* False if there are blanks and comments only. */
static bool says_something(const struct cv_part *part)
{
	const char *at = part->text, *end = at + part->len;

	while (at < end && *at && strchr(" \t\r\n#", *at)) {
		if (*at++ == '#')
			while (at < end && *at != '\n')
				at++;
	}
	return at < end;
}

/* A file that is empty by mistake takes everything away. */
static void warn_of_nothing(const struct reader *reader, size_t first, const char *file)
{
	char text[512];

	for (size_t i = first; i < reader->parts->count; i++)
		if (says_something(&reader->parts->items[i]))
			return;
	snprintf(text, sizeof(text), "state file %s: empty: nothing is wanted", file);
	cv_report_warning(reader->report, text);
}

/* Releases all behind the first ones. */
static void cut(struct cv_parts *parts, size_t count)
{
	for (size_t i = count; i < parts->count; i++) {
		free(parts->items[i].file);
		free(parts->items[i].text);
	}
	parts->count = count;
}

int cv_parts_read(struct cv_parts *parts, const char *file, struct cv_report *report)
{
	struct reader reader = { .parts = parts, .report = report, .room = CV_YAML_MAX_BYTES };
	size_t before = parts->count;
	char *copy = strdup(file);
	int rc = copy ? add_part(&reader, copy) : report_memory(report);

	if (strcmp(file, "-") != 0 && add_folder(&reader, file))
		rc = -EINVAL;
	if (rc)
		cut(parts, before);
	else
		warn_of_nothing(&reader, before, file);
	return rc;
}

void cv_parts_fini(struct cv_parts *parts)
{
	cut(parts, 0);
	free(parts->items);
	*parts = (struct cv_parts){ 0 };
}
