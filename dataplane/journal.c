/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The journal of changes: see journal.h. */
#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ledger.h"
#include "lock.h"
#include "map.h"
#include "own.h"

#define CV_JOURNAL_FILE "change"

static int journal_path(const struct cv_instance *inst, char *path, struct cv_err *err)
{
	if (snprintf(path, PATH_MAX, "%s/" CV_JOURNAL_FILE, inst->state_dir) >= PATH_MAX)
		return cv_err_set(err, -ENAMETOOLONG, "journal: path too long");
	return 0;
}

/* Which file state.yaml is: another one after it was replaced. */
struct identity {
	uint64_t inode; /* 0: there is none */
	int64_t seconds;
	int64_t nanoseconds;
};

static int identify_state(const struct cv_instance *inst, struct identity *out, struct cv_err *err)
{
	char path[PATH_MAX];
	struct stat st;
	int rc = cv_applied_path(inst, path, err);

	*out = (struct identity){ 0 };
	if (rc)
		return rc;
	if (!stat(path, &st))
		*out = (struct identity){ st.st_ino, st.st_mtim.tv_sec, st.st_mtim.tv_nsec };
	else if (errno != ENOENT)
		return cv_err_set(err, -errno, "%s: %s", path, strerrordesc_np(errno));
	return 0;
}

int cv_journal_begin(const struct cv_instance *inst, const char *what, struct cv_err *err)
{
	CV_FCLOSE FILE *file = NULL;
	struct identity state;
	char path[PATH_MAX];
	int rc = journal_path(inst, path, err);

	if (!rc)
		rc = identify_state(inst, &state, err);
	if (!rc)
		rc = cv_dir_make(inst->state_dir, err);
	if (rc)
		return rc;
	file = fopen(path, "we");
	if (!file ||
	    fprintf(file, "%d %" PRId64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s\n", getpid(),
		    (int64_t)time(NULL), state.inode, state.seconds, state.nanoseconds,
		    what ? what : "") < 0 ||
	    fflush(file)) {
		rc = cv_err_set(err, -errno, "%s: write: %s", path, strerrordesc_np(errno));
		unlink(path);
	}
	return rc;
}

int cv_journal_end(const struct cv_instance *inst, struct cv_err *err)
{
	char path[PATH_MAX];
	int rc = journal_path(inst, path, err);

	if (rc)
		return rc;
	cv_applied_tidy(inst);
	cv_ledger_tidy(inst);
	if (!unlink(path) || errno == ENOENT)
		return 0;
	return cv_err_set(err, -errno, "%s: remove: %s", path, strerrordesc_np(errno));
}

void cv_journal_done(const struct cv_instance *inst)
{
	struct cv_err why;

	if (cv_journal_end(inst, &why))
		cv_log(inst, CV_LOG_WARN,
		       "the change is made, but noted as interrupted: %s; 'culvert repair' tries it again",
		       why.text);
}

/* True if the file that was opened at path lies there still, and nobody is at work on what it tells of:
 * a change that ends meanwhile takes its file away before its lock. */
static bool is_left(const struct cv_instance *inst, FILE *file, const char *path)
{
	struct cv_writer writer;
	struct stat ours, theirs;

	if (inst->access != CV_ACCESS_WRITE && cv_lock_holder(inst, &writer))
		return false;
	return !fstat(fileno(file), &ours) && !stat(path, &theirs) && ours.st_ino == theirs.st_ino;
}

int cv_instance_interrupted(const struct cv_instance *inst, struct cv_interruption *out,
			    struct cv_err *err)
{
	struct identity now, then;
	CV_FCLOSE FILE *file = NULL;
	char path[PATH_MAX];
	int pid, rc = identify_state(inst, &now, err);

	*out = (struct cv_interruption){ 0 };
	if (!rc)
		rc = journal_path(inst, path, err);
	if (rc)
		return rc;
	file = fopen(path, "re");
	if (!file && errno != ENOENT)
		return cv_err_set(err, -errno, "%s: %s", path, strerrordesc_np(errno));
	if (!file || !is_left(inst, file, path))
		return 0;
	if (fscanf(file, "%d %" SCNd64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " ", &pid,
		   &out->began_seconds, &then.inode, &then.seconds, &then.nanoseconds) == 5) {
		out->pid = pid;
		out->is_turned = then.inode != now.inode || then.seconds != now.seconds ||
				 then.nanoseconds != now.nanoseconds;
		if (fgets(out->what, sizeof(out->what), file))
			out->what[strcspn(out->what, "\n")] = '\0';
	}
	return 1;
}
