/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stamps of what was applied: see stamp.h. */
#include "stamp.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object.h"
#include "own.h"
#include "siphash.h"

#define CV_STAMP_FILE "stamp"
#define CV_ACTION_METER (CV_ACTION_POLICE | CV_ACTION_PACE)

/* The file; it never leaves this machine. */
struct stamp {
	char build[CV_BUILD_LEN];
	/* The text; its ctime is not to be set by anybody. */
	uint64_t device;
	uint64_t inode;
	uint64_t bytes;
	struct timespec modified;
	struct timespec changed;
	struct cv_origin origin; /* what it was made of */
	uint64_t word;
	struct cv_figures figures;
	struct cv_memo memo;
};

struct cv_figures cv_figures_of(const struct cv_rules *rules)
{
	struct cv_figures figures = { .rules = rules->rule_count, .matches = rules->match_count };

	for (size_t i = 0; i < rules->rule_count; i++)
		figures.meters += !!(rules->rules[i].rule.flags & CV_ACTION_METER);
	memcpy(figures.needs, rules->needs, sizeof(figures.needs));
	return figures;
}

static bool stamp_path(const struct cv_instance *inst, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/" CV_STAMP_FILE, inst->state_dir) < PATH_MAX;
}

/* What the stamp of the text that stands there is to be, without origin and rules. */
static bool make(const struct cv_instance *inst, struct stamp *out)
{
	char path[PATH_MAX];
	struct stat text;

	if (cv_applied_path(inst, path, NULL) || stat(path, &text))
		return false;
	memset(out, 0, sizeof(*out)); /* it is compared, and written */
	snprintf(out->build, sizeof(out->build), "%s", cv_object_build());
	out->device = text.st_dev;
	out->inode = text.st_ino;
	out->bytes = text.st_size;
	out->modified = text.st_mtim;
	out->changed = text.st_ctim;
	return true;
}

/* Reads the stamp. False if there is none of the text that stands there. */
static bool read_stamp(const struct cv_instance *inst, struct stamp *out)
{
	CV_CLOSE int fd = -1;
	struct stamp wanted;
	char path[PATH_MAX];

	if (!make(inst, &wanted) || !stamp_path(inst, path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, out, sizeof(*out)) == sizeof(*out) &&
	       !memcmp(out, &wanted, offsetof(struct stamp, origin));
}

bool cv_stamp_read(const struct cv_instance *inst, uint64_t word, struct cv_figures *figures)
{
	struct stamp found;

	if (!read_stamp(inst, &found) || found.word != word)
		return false;
	*figures = found.figures;
	return true;
}

bool cv_stamp_recall(const struct cv_instance *inst, uint64_t word, struct cv_figures *figures,
		     struct cv_memo *memo)
{
	struct stamp found;

	if (!read_stamp(inst, &found) || found.word != word)
		return false;
	*figures = found.figures;
	*memo = found.memo;
	return true;
}

uint32_t cv_instance_rules_of(const struct cv_instance *inst)
{
	struct stamp found;

	return read_stamp(inst, &found) && found.memo.image ? found.figures.rules : 0;
}

bool cv_instance_origin(const struct cv_instance *inst, struct cv_origin *out)
{
	struct stamp found;

	if (!read_stamp(inst, &found))
		return false;
	*out = found.origin;
	return true;
}

uint64_t cv_texts_hash(const struct cv_piece *texts, size_t count)
{
	static const uint64_t keys[2] = { CV_ABI_MAGIC, CV_ABI_VERSION };
	uint64_t hashes[2] = { 0 };

	for (size_t i = 0; i < count; i++) {
		hashes[1] = cv_siphash(keys, texts[i].bytes, texts[i].len);
		hashes[0] = cv_siphash(keys, hashes, sizeof(hashes));
	}
	return hashes[0] ? hashes[0] : 1;
}

/* Their padding is zero, too. */
static bool is_same(const void *stamp, const void *other, size_t size)
{
	return !memcmp(stamp, other, size);
}

void cv_stamp_write(const struct cv_instance *inst, uint64_t word, const struct cv_figures *figures,
		    const struct cv_memo *memo, const struct cv_origin *origin)
{
	CV_CLOSE int fd = -1;
	struct stamp stamp, found = { .word = 0 };
	bool is_there = read_stamp(inst, &found);
	char path[PATH_MAX];

	if (!make(inst, &stamp) || !stamp_path(inst, path))
		return;
	if (origin && origin->whole)
		stamp.origin = *origin;
	else if (is_there)
		stamp.origin = found.origin;
	stamp.word = word;
	stamp.figures = *figures;
	if (memo)
		stamp.memo = *memo;
	if (is_there && is_same(&stamp, &found, sizeof(stamp)))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	/* A part of one is none. */
	if (fd >= 0 && write(fd, &stamp, sizeof(stamp)) != sizeof(stamp))
		unlink(path);
}
