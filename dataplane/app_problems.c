/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an operator should know of the apps: who is nobody, and what a repair would mend. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cgroup.h"
#include "compiler/apps.h"
#include "exe.h"
#include "netns.h"
#include "object.h"
#include "own.h"
#include "plan.h"

/* One app that is looked at. */
struct review {
	struct cv_instance *inst;
	const struct cv_app_conf *conf;
	const struct cv_app *live; /* NULL: the hooks do not know it */
	const struct cv_cgroups *cgroups;
	cv_problem_fn add;
	void *arg;
};

static int report(const struct review *review, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int report(const struct review *review, const char *format, ...)
{
	CV_FREE char *what = NULL;
	CV_FREE char *text = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&what, format, args);
	va_end(args);
	if (len < 0 || asprintf(&text, "app %s: %s", review->conf->name, what) < 0)
		return -ENOMEM;
	return review->add(text, review->arg);
}

/* ---- executables ---- */

static bool is_same_file(const struct cv_app *live, const struct cv_exe *exe)
{
	return live->exe_inode == exe->file.inode && live->exe_dev == exe->file.dev &&
	       (!(live->flags & CV_APP_PINNED) || live->exe_ctime_ns == exe->file.ctime_ns);
}

/* The hooks know another file, or none: what it contains decides. */
static int review_contents(const struct review *review, const struct cv_exe *exe)
{
	const struct cv_app_conf *conf = review->conf;
	bool has = false;

	if (cv_exe_has_sha256(exe, conf->exe_sha256, &has, NULL) || has)
		return report(review,
			      "exe %s was replaced or changed; 'culvert repair' looks at it again",
			      conf->exe);
	return report(review, "exe-sha256: the contents of %s differ", conf->exe);
}

/* Hard links and bind mounts are told by the inode, which the hooks may not know (two apps with one
 * inode); that is no problem. */
static int review_file(const struct review *review, struct cv_exe *exe)
{
	const struct cv_app *live = review->live;

	if (exe->fd < 0)
		return report(review, "exe %s does not exist", review->conf->exe);
	if (exe->is_script && !cv_object_has_task_storage())
		return report(review, "exe %s is a script: " CV_NO_SCRIPTS, review->conf->exe);
	if (!live || cv_exes_identify(review->inst, exe, 1, NULL) || is_same_file(live, exe))
		return 0;
	if (live->flags & CV_APP_PINNED)
		return review_contents(review, exe);
	if (exe->is_script != !!(live->flags & CV_APP_SCRIPT))
		return report(review,
			      "exe %s %s a script; 'culvert repair' tells its processes again",
			      review->conf->exe, exe->is_script ? "became" : "is no longer");
	if (exe->is_script || live->exe_inode == CV_APP_NOBODY)
		return 0;
	return report(
		review,
		"exe %s was replaced; 'culvert repair' tells its hard links and bind mounts too",
		review->conf->exe);
}

static int review_exe(const struct review *review)
{
	CV_CLEANUP(cv_exe_close) struct cv_exe exe = { .fd = -1 };
	const char *path = review->conf->exe;
	struct cv_err why;

	if (!path || cv_exe_is_glob(path))
		return 0;
	if (cv_exe_open(&exe, path, &why))
		return report(review, "%s", why.text);
	return review_file(review, &exe);
}

static int review_parent(const struct review *review)
{
	CV_CLEANUP(cv_exe_close) struct cv_exe exe = { .fd = -1 };
	const char *path = review->conf->parent_exe;

	if (!path)
		return 0;
	if (!cv_exe_open(&exe, path, NULL) && exe.fd < 0)
		return report(review, "parent-exe %s does not exist", path);
	return cv_object_has_task_storage() ? 0 : report(review, "parent-exe: " CV_NO_DESCENT);
}

/* ---- groups and namespaces ---- */

static int review_groups(const struct review *review)
{
	const struct cv_app_conf *conf = review->conf;
	char unit[CV_UNIT_NAME];
	int rc = 0;

	if (conf->cgroup && !cv_cgroup_exists(review->cgroups, conf->cgroup))
		rc = report(review, "cgroup %s does not exist", conf->cgroup);
	if (!rc && conf->unit && cv_unit_name(conf->unit, unit) &&
	    !cv_unit_exists(review->cgroups, unit))
		rc = report(review, "unit %s does not run", unit);
	return rc;
}

static int review_netns(const struct review *review)
{
	const char *netns = review->conf->netns;
	uint64_t cookie;
	int rc;

	if (!netns || !strcmp(netns, "any"))
		return 0;
	rc = cv_netns_cookie(netns, &cookie, NULL);
	if (rc == -ENOENT)
		return report(review, "netns %s does not exist", netns);
	if (rc || !review->live || review->live->netns_cookie == cookie)
		return 0;
	return report(review, "netns %s was made anew; 'culvert repair' looks at it again", netns);
}

static int review_app(const struct review *review)
{
	int rc = review_exe(review);

	if (!rc)
		rc = review_parent(review);
	if (!rc)
		rc = review_groups(review);
	if (!rc)
		rc = review_netns(review);
	return rc;
}

int cv_app_problems(struct cv_instance *inst, const struct cv_state *state, cv_problem_fn add,
		    void *arg, struct cv_err *err)
{
	CV_FREE struct cv_app_set *own = calloc(1, sizeof(*own));
	CV_FREE struct cv_app_set *outer = calloc(1, sizeof(*outer));
	int rc = own && outer ? cv_live_both_apps(inst, own, outer, err) : -ENOMEM;
	struct cv_cgroups cgroups;

	cv_cgroups_find(&cgroups);
	for (size_t i = 0; !rc && i < state->app_count; i++) {
		const struct cv_app_conf *conf = &state->apps[i];
		const struct cv_app *live = cv_app_find(own, conf->name);
		struct review review = { inst, conf, live, &cgroups, add, arg };

		if (!live)
			review.live = cv_app_find(outer, conf->name);
		rc = review_app(&review);
	}
	return rc;
}
