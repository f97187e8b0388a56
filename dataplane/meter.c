/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rates that rules measure: programs make what they need, and what no rule needs any more goes
 * here. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "map.h"
#include "own.h"
#include "plan.h"
#include "rule_act.h"

/* Ids of rules that measure, a bit each. */
struct measuring {
	uint8_t *bits; /* owned */
	size_t count; /* of bits */
	const struct cv_plan *plan;
};

static int find_measuring(const struct cv_rules *rules, struct measuring *out, struct cv_err *err)
{
	for (size_t i = 0; i < rules->rule_count; i++)
		if (rules->rules[i].rule.id >= out->count)
			out->count = (size_t)rules->rules[i].rule.id + 1;
	out->bits = calloc(out->count / 8 + 1, 1);
	if (!out->bits)
		return cv_err_set(err, -ENOMEM, "meters: out of memory");
	for (size_t i = 0; i < rules->rule_count; i++) {
		const struct cv_rule *rule = &rules->rules[i].rule;

		if (rule->flags & (CV_ACTION_POLICE | CV_ACTION_PACE))
			out->bits[rule->id / 8] |= 1 << rule->id % 8;
	}
	return 0;
}

static int forget(int map_fd, uint32_t id, struct cv_err *err)
{
	if (bpf_map_delete_elem(map_fd, &id) && errno != ENOENT)
		return cv_err_set(err, -errno, "meters: delete: %s", strerrordesc_np(errno));
	return 0;
}

static int forget_unless_measuring(int map_fd, const void *key, void *arg, struct cv_err *err)
{
	const struct measuring *measuring = arg;
	uint32_t id;
	int rc;

	memcpy(&id, key, sizeof(id));
	if (id < measuring->count && measuring->bits[id / 8] >> id % 8 & 1)
		return 0;
	rc = cv_rule_tell_inner(measuring->plan, "rate of a rule", -1, err);
	return rc <= 0 ? rc : forget(map_fd, id, err);
}

int cv_meter_shrink(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_METERS), err);
	struct measuring measuring = { .plan = plan };
	uint32_t first;
	int rc;

	if (fd < 0)
		return fd;
	if (bpf_map_get_next_key(fd, NULL, &first) && errno == ENOENT)
		return 0;
	rc = find_measuring(&plan->rules, &measuring, err);
	if (!rc)
		rc = cv_map_each(fd, sizeof(uint32_t), CV_MAX_METERS, forget_unless_measuring,
				 &measuring, err);
	free(measuring.bits);
	return rc;
}

int cv_meter_forget(const struct cv_instance *inst, uint32_t id, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_METERS), err);

	return fd < 0 ? fd : forget(fd, id, err);
}
