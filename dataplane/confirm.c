/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes that are to be confirmed, as they are written down: STATE/confirm-COOKIE/ holds what is needed
 * to take one back. It stands beside the instance's own directory, which goes with an empty state.
 */
#include "confirm.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "map.h"
#include "own.h"
#include "path.h"
#include "text.h"

#define CV_FORMER_FILE "former.yaml"
#define CV_PENDING_FILE "pending"
#define CV_BOOT_ID "/proc/sys/kernel/random/boot_id"

int64_t cv_boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* ---- paths ---- */

int cv_confirm_path(const struct cv_instance *inst, const char *name, char *path,
		    struct cv_err *err)
{
	if (snprintf(path, PATH_MAX, "%s/confirm-%" PRIu64 "%s%s", inst->options.state_dir,
		     inst->netns_cookie, *name ? "/" : "", name) >= PATH_MAX)
		return cv_err_set(err, -ENAMETOOLONG, "state directory: path too long");
	return 0;
}

/* ---- the record ---- */

/* The kernel's state does not outlive the machine's run, nor do times of CLOCK_BOOTTIME. */
static int read_boot_id(char *out, size_t size, struct cv_err *err)
{
	CV_FCLOSE FILE *file = fopen(CV_BOOT_ID, "re");

	if (!file || !fgets(out, (int)size, file))
		return cv_err_set(err, -EIO, "%s: cannot be read", CV_BOOT_ID);
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

/* Takes the rest of a line. */
static void read_text(FILE *file, char *out, size_t size)
{
	if (!fgets(out, (int)size, file))
		*out = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static int parse(FILE *file, struct cv_pending *out, struct cv_err *err)
{
	char boot[64], now[64];
	int rc;

	if (fscanf(file, "%63s %" SCNu64 " %" SCNd64 " %" SCNu32 "\n", boot, &out->id,
		   &out->deadline_ns, &out->seconds) != 4)
		return ferror(file) ? cv_err_set(err, -EIO, "record of what is to be confirmed: %s",
						 strerrordesc_np(EIO))
				    : 0;
	read_text(file, out->by, sizeof(out->by));
	read_text(file, out->command, sizeof(out->command));
	read_text(file, out->failed, sizeof(out->failed));
	rc = read_boot_id(now, sizeof(now), err);
	return rc ? rc : !strcmp(boot, now);
}

int cv_pending_get(const struct cv_instance *inst, struct cv_pending *out, struct cv_err *err)
{
	CV_FCLOSE FILE *file = NULL;
	char path[PATH_MAX];
	int rc = cv_confirm_path(inst, CV_PENDING_FILE, path, err);

	*out = (struct cv_pending){ 0 };
	if (rc)
		return rc;
	file = fopen(path, "re");
	if (!file && errno != ENOENT)
		return cv_err_set(err, -errno, "%s: %s", path, strerrordesc_np(errno));
	return file ? parse(file, out, err) : 0;
}

uint32_t cv_pending_seconds_left(const struct cv_pending *pending)
{
	int64_t left_ns = pending->deadline_ns - cv_boottime_ns();

	return left_ns <= 0 || *pending->failed ? 0
						: (uint32_t)((left_ns + 999999999) / 1000000000);
}

/* Texts that come from outside must not look like further lines. */
static void put_line(FILE *file, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
	fputc('\n', file);
}

struct record {
	const struct cv_pending *pending;
	char boot[64];
};

static void put_record(FILE *file, const void *arg)
{
	const struct record *record = arg;
	const struct cv_pending *pending = record->pending;

	fprintf(file, "%s %" PRIu64 " %" PRId64 " %" PRIu32 "\n", record->boot, pending->id,
		pending->deadline_ns, pending->seconds);
	put_line(file, pending->by);
	put_line(file, pending->command);
	put_line(file, pending->failed);
}

static int write_record(const struct cv_instance *inst, const struct cv_pending *pending,
			struct cv_err *err)
{
	struct record record = { .pending = pending };
	char path[PATH_MAX];
	int rc = cv_confirm_path(inst, CV_PENDING_FILE, path, err);

	if (!rc)
		rc = read_boot_id(record.boot, sizeof(record.boot), err);
	return rc ? rc : cv_text_write(path, put_record, &record, err);
}

/* ---- the former state ---- */

static void put_text(FILE *file, const void *arg)
{
	fputs(arg, file);
}

static int write_former(const struct cv_instance *inst, const char *text, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = cv_confirm_path(inst, "", path, err);

	if (!rc)
		rc = cv_dir_make(path, err);
	if (!rc)
		rc = cv_confirm_path(inst, CV_FORMER_FILE, path, err);
	return rc ? rc : cv_text_write(path, put_text, text, err);
}

int cv_pending_former(const struct cv_instance *inst, char **text, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = cv_confirm_path(inst, CV_FORMER_FILE, path, err);

	return rc ? rc : cv_text_read(path, text, err);
}

/* ---- begin and end ---- */

int cv_pending_begin(const struct cv_instance *inst, struct cv_pending *pending, const char *former,
		     struct cv_err *err)
{
	int rc = write_former(inst, former, err);

	pending->id = cv_boottime_ns();
	pending->deadline_ns = pending->id + pending->seconds * 1000000000ll;
	if (!rc)
		rc = write_record(inst, pending, err);
	if (rc)
		cv_pending_end(inst, NULL);
	return rc;
}

int cv_pending_renew(const struct cv_instance *inst, struct cv_pending *pending, struct cv_err *err)
{
	pending->deadline_ns = cv_boottime_ns() + pending->seconds * 1000000000ll;
	return write_record(inst, pending, err);
}

int cv_pending_fail(const struct cv_instance *inst, const char *why, struct cv_err *err)
{
	struct cv_pending pending;
	int found = cv_pending_get(inst, &pending, err);

	if (found <= 0)
		return found;
	snprintf(pending.failed, sizeof(pending.failed), "%s", why);
	return write_record(inst, &pending, err);
}

int cv_pending_tidy(const struct cv_instance *inst, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = cv_confirm_path(inst, "", path, err);

	return rc || cv_path_is_absent(path) ? rc : cv_pending_end(inst, err);
}

int cv_pending_end(const struct cv_instance *inst, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = cv_confirm_path(inst, CV_PENDING_FILE, path, err);

	/* Without its record the rest is nothing: what is interrupted here is no half. */
	if (!rc && unlink(path) && errno != ENOENT && !cv_path_is_absent(path))
		rc = cv_err_set(err, -errno, "%s: remove: %s", path, strerrordesc_np(errno));
	if (!rc)
		rc = cv_confirm_path(inst, "", path, err);
	if (rc)
		return rc;
	rc = cv_dir_remove(path, err);
	if (rc && err) {
		err->kind = CV_ERR_LEFT;
		cv_err_prefix(err, "nothing is to be confirmed any more, but its files are left");
		cv_err_hint(err, "'culvert repair' tries it again");
	}
	return rc;
}
