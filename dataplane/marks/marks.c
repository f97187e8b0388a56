/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Users of packet marks: the list, and who of them collides with culvert. */
#include "marks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "own.h"
#include "plan.h"

/* ---- judging ---- */

static bool has_routed_app(const struct cv_state *state)
{
	for (size_t i = 0; i < state->route_count; i++)
		if (state->routes[i].app[0])
			return true;
	return false;
}

static bool has_src_valid_mark(const struct cv_state *state)
{
	for (size_t i = 0; i < state->dev_count; i++)
		if (state->devs[i].src_valid_mark)
			return true;
	return false;
}

struct cv_mark_claim cv_mark_claim(const struct cv_state *state)
{
	struct cv_mark_claim claim = { 0 };
	bool is_app_routed = has_routed_app(state);

	if (is_app_routed || state->tunnel_count)
		claim.mask = state->mark_mask;
	if (is_app_routed)
		claim.moments |= CV_MARK_SENDING;
	if (is_app_routed && has_src_valid_mark(state))
		claim.moments |= CV_MARK_ARRIVING;
	return claim;
}

uint32_t cv_mark_judge(const struct cv_mark_claim *claim, const struct cv_mark_use *use,
		       const char **note)
{
	uint32_t shared = use->bits & claim->mask;
	uint32_t ones = use->ones & shared;
	bool is_guard = use->how == CV_MARK_MATCHES && use->bits == ones && ones == claim->mask;

	*note = "";
	if (use->how == CV_MARK_UNKNOWN || !shared)
		return 0;
	if (is_guard)
		*note = "asks for what is in a tunnel already";
	else if (use->how == CV_MARK_MATCHES && ones)
		*note = "takes packets with culvert's marks for its own";
	else if (use->how == CV_MARK_MATCHES && use->is_inverted)
		*note = "packets with culvert's marks match";
	else if (use->how == CV_MARK_MATCHES)
		*note = "packets with culvert's marks do not match";
	else if (ones)
		*note = "sets culvert's bits";
	else if (use->moments & claim->moments)
		*note = "overwrites culvert's marks before they count";
	else
		*note = "overwrites culvert's bits where they do not count";
	if (is_guard)
		return 0;
	return use->how == CV_MARK_WRITES && use->moments & claim->moments ? shared : ones;
}

uint32_t cv_mark_ones(uint32_t min, uint32_t max)
{
	uint32_t differ = min ^ max;

	/* All bits from the highest one in which they differ downwards. */
	for (int shift = 1; shift < 32; shift *= 2)
		differ |= differ >> shift;
	return min | max | differ;
}

/* ---- the list ---- */

void cv_mark_users_fini(struct cv_mark_users *users)
{
	free(users->items);
	*users = (struct cv_mark_users){ 0 };
}

static void marks_fini(struct cv_marks *marks)
{
	cv_mark_users_fini(&marks->users);
}

/* A new user, whose place and note are not known yet; NULL without memory. */
static struct cv_mark_user *append(struct cv_marks *marks, const char *user,
				   const struct cv_mark_use *use, struct cv_err *err)
{
	struct cv_mark_users *users = &marks->users;
	struct cv_mark_user *items = users->items;

	if (!(users->count & (users->count - 1))) {
		items = reallocarray(items, users->count ? 2 * users->count : 1, sizeof(*items));
		if (!items) {
			cv_err_set(err, -ENOMEM, "marks: %s", strerrordesc_np(ENOMEM));
			return NULL;
		}
		users->items = items;
	}
	items += users->count++;
	*items = (struct cv_mark_user){ .user = user, .how = use->how, .bits = use->bits };
	return items;
}

int cv_marks_add(struct cv_marks *marks, const struct cv_mark_use *use, const char *user,
		 struct cv_err *err, const char *place, ...)
{
	struct cv_mark_user *item;
	const char *note;
	va_list args;

	if (use->how != CV_MARK_UNKNOWN && !use->bits)
		return 0;
	item = append(marks, user, use, err);
	if (!item)
		return -ENOMEM;
	item->collision = cv_mark_judge(&marks->claim, use, &note);
	snprintf(item->note, sizeof(item->note), "%s", note);
	va_start(args, place);
	vsnprintf(item->place, sizeof(item->place), place, args);
	va_end(args);
	return 0;
}

int cv_marks_skip(struct cv_marks *marks, const char *user, const struct cv_err *why,
		  struct cv_err *err)
{
	static const struct cv_mark_use unknown = { .how = CV_MARK_UNKNOWN };
	struct cv_mark_user *item =
		why->code == -ENOMEM ? NULL : append(marks, user, &unknown, err);

	if (!item)
		return cv_err_set(err, -ENOMEM, "marks: %s", strerrordesc_np(ENOMEM));
	snprintf(item->place, sizeof(item->place), "%s", user);
	snprintf(item->note, sizeof(item->note), "cannot be read: %.100s", why->text);
	return 0;
}

/* ---- finding ---- */

/* A value of culvert's own marks, and what it means. */
static int add_own(struct cv_marks *marks, uint32_t value, const char *what, const char *name,
		   struct cv_err *err)
{
	struct cv_mark_use use = { .how = CV_MARK_WRITES, .bits = marks->claim.mask };
	struct cv_mark_user *item = append(marks, CV_MARK_OWN, &use, err);

	if (!item)
		return -ENOMEM;
	snprintf(item->place, sizeof(item->place), "0x%x: %s%s", value, what, name);
	return 0;
}

static int add_all_own(struct cv_marks *marks, struct cv_instance *inst, struct cv_err *err)
{
	CV_FREE struct cv_app_set *apps = calloc(1, sizeof(*apps));
	int rc = 0;

	if (!apps)
		return cv_err_set(err, -ENOMEM, "marks: %s", strerrordesc_np(ENOMEM));
	if (cv_instance_exists(inst))
		rc = cv_live_apps(inst, apps, err);
	for (uint32_t i = 0; !rc && i < apps->count; i++)
		if (apps->apps[i].mark)
			rc = add_own(marks, apps->apps[i].mark, "app ", apps->apps[i].name, err);
	return rc ? rc : add_own(marks, marks->claim.mask, "in a tunnel already", "", err);
}

static int add_others(struct cv_marks *marks, struct cv_instance *inst, struct cv_err *err)
{
	int rc = cv_marks_rule(marks, inst->nl, err);

	if (!rc)
		rc = cv_marks_nft(marks, err);
	if (!rc)
		rc = cv_marks_xt(marks, err);
	return rc ? rc : cv_marks_tc(marks, inst->nl, err);
}

int cv_marks_find(struct cv_instance *inst, const struct cv_state *state, struct cv_mark_users *out,
		  struct cv_err *err)
{
	CV_CLEANUP(marks_fini) struct cv_marks marks = { .claim = cv_mark_claim(state) };
	int rc = 0;

	if (marks.claim.mask)
		rc = add_all_own(&marks, inst, err);
	if (!rc && marks.claim.mask)
		rc = add_others(&marks, inst, err);
	if (rc)
		return rc;
	*out = marks.users;
	marks.users = (struct cv_mark_users){ 0 };
	return 0;
}

int cv_marks_explain(const struct cv_state *state, const struct cv_mark_user *user,
		     struct cv_err *err)
{
	cv_err_set(err, -EBUSY, "mark-mask 0x%x: bits 0x%x are used by %s too: it %s",
		   state->mark_mask, user->collision, user->place, user->note);
	return cv_err_hint(err, "choose other bits with options: {mark-mask: ...} or say options: "
				"{mark-shared: true}");
}

/* ---- refusing ---- */

static bool is_routed(const struct cv_state *state, const char *app)
{
	for (size_t i = 0; i < state->route_count; i++)
		if (!strcmp(state->routes[i].app, app))
			return true;
	return false;
}

/* True if the wanted state uses marks in a way in which the old one did not: what runs already is
 * repaired, changed elsewhere and taken away whoever came after it. */
static bool wants_more(const struct cv_state *old, const struct cv_state *wanted)
{
	struct cv_mark_claim before = cv_mark_claim(old), now = cv_mark_claim(wanted);

	if (now.mask != before.mask || now.moments & ~before.moments || old->mark_is_shared)
		return true;
	for (size_t i = 0; i < wanted->route_count; i++)
		if (wanted->routes[i].app[0] && !is_routed(old, wanted->routes[i].app))
			return true;
	for (size_t i = 0; i < wanted->tunnel_count; i++)
		if (!cv_state_find_tunnel(old, wanted->tunnels[i].name))
			return true;
	return false;
}

int cv_marks_check(struct cv_instance *inst, const struct cv_state *old,
		   const struct cv_state *wanted, struct cv_err *err)
{
	CV_CLEANUP(marks_fini) struct cv_marks marks = { .claim = cv_mark_claim(wanted) };
	int rc;

	if (!marks.claim.mask || wanted->mark_is_shared || !wants_more(old, wanted))
		return 0;
	rc = add_others(&marks, inst, err);
	for (size_t i = 0; !rc && i < marks.users.count; i++) {
		if (!marks.users.items[i].collision)
			continue;
		rc = cv_marks_explain(wanted, &marks.users.items[i], err);
		cv_err_at(err, &wanted->mark_mask_place);
	}
	return rc;
}
