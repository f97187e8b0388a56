/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stands beside ours on tcx and clsact: see neighbour.h. */
#include "neighbour.h"

#include <errno.h>
#include <string.h>

#include "own.h"

struct search {
	struct cv_foreign_info *items; /* owned */
	size_t count;
	const char *dev;
};

static void search_fini(struct search *search)
{
	free(search->items);
}

static struct cv_foreign_info *add(struct search *search, const struct cv_dev_side *side,
				   struct cv_err *err)
{
	struct cv_foreign_info *grown =
		reallocarray(search->items, search->count + 1, sizeof(*grown));

	if (!grown) {
		cv_err_set(err, -ENOMEM, "status: out of memory");
		return NULL;
	}
	search->items = grown;
	grown += search->count++;
	*grown = (struct cv_foreign_info){ .ingress = side->ingress };
	snprintf(grown->dev, sizeof(grown->dev), "%s", search->dev);
	return grown;
}

/* We stand here: those that were found on this side so far stand before. */
static void pass_ours(struct search *search, size_t first)
{
	for (size_t i = first; i < search->count; i++)
		if (search->items[i].position == CV_STANDS_ALONE)
			search->items[i].position = CV_STANDS_BEFORE;
}

static int look_at_tcx(struct search *search, const struct cv_dev_side *side, size_t first,
		       bool *was_passed, struct cv_err *err)
{
	for (size_t i = 0; i < side->tcx.count; i++) {
		const struct cv_tcx_program *program = &side->tcx.items[i];
		struct cv_foreign_info *info;

		if (program->link_id && program->link_id == side->link.id) {
			pass_ours(search, first);
			*was_passed = true;
			continue;
		}
		info = add(search, side, err);
		if (!info)
			return -ENOMEM;
		info->is_tcx = true;
		info->prog_id = program->prog_id;
		info->link_id = program->link_id;
		memcpy(info->kind, "bpf", sizeof("bpf"));
		cv_prog_name(program->prog_id, info->name);
		info->ending = cv_ending_of_program(program->prog_id, true);
		info->position = *was_passed ? CV_STANDS_AFTER : CV_STANDS_ALONE;
	}
	return 0;
}

/* Filters of other chains are met only where one of chain 0 leads to them. */
static int look_at_clsact(struct search *search, const struct cv_dev_side *side, size_t first,
			  bool *was_passed, struct cv_err *err)
{
	for (size_t i = 0; i < side->filters.count && !side->filters.items[i].chain; i++) {
		const struct cv_filter *filter = &side->filters.items[i];
		struct cv_foreign_info *info;

		if (cv_filter_is_culverts(filter)) {
			pass_ours(search, first);
			*was_passed = true;
			continue;
		}
		info = add(search, side, err);
		if (!info)
			return -ENOMEM;
		info->prio = filter->prio;
		info->prog_id = filter->prog_id;
		memcpy(info->kind, filter->kind, sizeof(info->kind));
		memcpy(info->name, filter->name, sizeof(info->name));
		info->ending = filter->direct_action && filter->prog_id
				       ? cv_ending_of_program(filter->prog_id, false)
				       : filter->ending;
		info->position = *was_passed ? CV_STANDS_AFTER : CV_STANDS_ALONE;
	}
	return 0;
}

static int look_at_side(struct cv_instance *inst, struct search *search, uint32_t ifindex,
			bool ingress, enum cv_qdisc qdisc, struct cv_err *err)
{
	CV_CLEANUP(cv_dev_side_fini) struct cv_dev_side side = { 0 };
	size_t first = search->count;
	bool was_passed = false;
	int rc = cv_dev_side_look(inst, ifindex, ingress, qdisc, &side, err);

	if (rc == -ENODEV) /* it went a moment ago */
		return 0;
	if (!rc)
		rc = look_at_tcx(search, &side, first, &was_passed, err);
	return rc ? rc : look_at_clsact(search, &side, first, &was_passed, err);
}

int cv_neighbours_find(struct cv_instance *inst, const struct cv_dev_info *infos, size_t info_count,
		       struct cv_foreign_info **out, size_t *count, struct cv_err *err)
{
	CV_CLEANUP(cv_qdiscs_fini) struct cv_qdiscs qdiscs = { 0 };
	CV_CLEANUP(search_fini) struct search search = { .items = NULL };
	int rc = cv_tc_qdiscs(inst->nl, &qdiscs, err);

	for (size_t i = 0; !rc && i < info_count; i++) {
		uint32_t ifindex = infos[i].ifindex;
		enum cv_qdisc qdisc = cv_qdiscs_find(&qdiscs, ifindex);

		search.dev = infos[i].name;
		for (int ingress = 1; !rc && ifindex && ingress >= 0; ingress--)
			rc = look_at_side(inst, &search, ifindex, ingress, qdisc, err);
	}
	if (rc)
		return rc;
	*count = search.count;
	*out = CV_TAKE_PTR(search.items);
	return 0;
}

/* ---- problems ---- */

static void describe(const struct cv_foreign_info *info, char *text, size_t size)
{
	if (info->is_tcx)
		snprintf(text, size, "tcx program %s with id %u", info->name, info->prog_id);
	else
		snprintf(text, size, "the filter %s %s with prio %u", info->kind, info->name,
			 info->prio);
}

static bool is_about(const struct cv_rule_conf *rule, const struct cv_foreign_info *info)
{
	bool is_it = !strcmp(rule->match.dev, info->dev);
	bool is_other_way = rule->match.dir == (info->ingress ? CV_DIR_ONLY_OUT : CV_DIR_ONLY_IN);

	return !is_other_way &&
	       (!rule->match.dev[0] || is_it != !!(rule->match.not_fields & 1 << CV_FIELD_DEV));
}

/* A rule that takes packets from what stands behind us; NULL: there is none. */
static const struct cv_rule_conf *find_accepting(const struct cv_state *state,
						 const struct cv_foreign_info *info)
{
	for (size_t i = 0; i < state->rule_count; i++)
		if (state->rules[i].action.verdict == CV_ACCEPT && is_about(&state->rules[i], info))
			return &state->rules[i];
	return NULL;
}

int cv_neighbour_problems(const struct cv_state *state, const struct cv_foreign_info *foreign,
			  size_t count, cv_problem_fn add_line, void *arg)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++) {
		const struct cv_foreign_info *info = &foreign[i];
		const char *side = cv_dev_side_name(info->ingress);
		const struct cv_rule_conf *rule;
		char who[160];

		describe(info, who, sizeof(who));
		if (info->position == CV_STANDS_BEFORE && info->ending == CV_ENDS_YES)
			rc = cv_problem_tell(
				add_line, arg,
				"dev %s %s: all packets end at %s, and none comes to culvert",
				info->dev, side, who);
		if (info->position != CV_STANDS_AFTER)
			continue;
		rule = find_accepting(state, info);
		if (!rc && rule)
			rc = cv_problem_tell(
				add_line, arg,
				"dev %s %s: what rule %s accepts does not come to %s, which stands behind culvert",
				info->dev, side, rule->name, who);
	}
	return rc;
}
