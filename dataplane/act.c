/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Acts: see act.h. */
#include "act.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "journal.h"
#include "plan.h"

/* In a command, pins of a pretended instance have the paths that they will have. */
static void show_path(const struct cv_instance *inst, struct cv_act *act)
{
	char *found = inst->mount_fd >= 0 ? strstr(act->command, inst->root) : NULL;
	char rest[CV_ACT_COMMAND_MAX];

	if (!found)
		return;
	snprintf(rest, sizeof(rest), "%s", found + strlen(inst->root));
	snprintf(found, act->command + sizeof(act->command) - found, "%s/" CV_ABI_DIR "%s",
		 inst->options.bpffs, rest);
}

static int tell(const struct cv_acts *acts, const struct cv_act *act)
{
	struct cv_act shown = *act;

	show_path(acts->inst, &shown);
	return acts->tell(&shown, acts->arg);
}

#define CV_ACTS_A_PROGRESS 256

void cv_acts_progress(const struct cv_acts *acts)
{
	if (acts->progress)
		acts->progress(acts->about, acts->told, acts->arg);
}

int cv_acts_begin(struct cv_acts *acts, struct cv_err *err)
{
	if (acts->mode != CV_CHANGE_MAKE || acts->made++)
		return 0;
	return cv_journal_begin(acts->inst, acts->what, err);
}

int cv_act_alone(struct cv_acts *acts, const struct cv_act *act, struct cv_err *err)
{
	int rc;

	if (acts->is_glance)
		return -ESTALE;
	if (!(++acts->told % CV_ACTS_A_PROGRESS))
		cv_acts_progress(acts);
	rc = cv_acts_begin(acts, err);
	if (!rc && acts->tell)
		rc = tell(acts, act);
	if (rc)
		return err && err->code ? rc
					: cv_err_set(err, rc, "%s %s: cannot be told: %s",
						     act->noun, act->name, strerrordesc_np(-rc));
	return acts->mode == CV_CHANGE_MAKE;
}

int cv_act(const struct cv_plan *plan, const struct cv_act *act, struct cv_err *err)
{
	return cv_act_alone(plan->acts, act, err);
}

bool cv_acts_are_told(const struct cv_plan *plan)
{
	return plan->acts->tell;
}

bool cv_acts_are_tried(const struct cv_plan *plan)
{
	return plan->acts->mode == CV_CHANGE_TRY;
}

bool cv_acts_are_made(const struct cv_plan *plan)
{
	return plan->acts->mode == CV_CHANGE_MAKE;
}

#define CV_DEFINE_TEXT(part)                                                                       \
	void cv_act_##part(struct cv_act *act, const char *format, ...)                            \
	{                                                                                          \
		va_list args;                                                                      \
                                                                                                   \
		va_start(args, format);                                                            \
		vsnprintf(act->part, sizeof(act->part), format, args);                             \
		va_end(args);                                                                      \
	}

CV_DEFINE_TEXT(name)
CV_DEFINE_TEXT(what)
CV_DEFINE_TEXT(command)
