/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Differences between rules: see changes.h. */
#include "changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "own.h"
#include "set.h"
#include "set_image.h"

#define NONE UINT32_MAX

/* Up to how many changes are made in place: one takes as long as twenty rules of an image that is built
 * anew, which on the other hand waits for the kernel. */
#define IN_PLACE_CHANGES 2048
#define IN_PLACE_SHARE 20 /* of the rules */
#define IN_PLACE_SETS 1024 /* each is looked for among all */

/* A comparison at work. */
struct comparison {
	const struct cv_rules *live;
	const struct cv_rules *wanted;
	uint32_t *twin; /* of each wanted rule: the live one of its name, NONE */
	bool *is_kept; /* of each live rule: it stays in its place */
	struct cv_changes *out;
};

static void fini_comparison(struct comparison *comparison)
{
	free(comparison->twin);
	free(comparison->is_kept);
}

/* ---- tables ---- */

static uint32_t *first_matches(const struct cv_rules *rules)
{
	uint32_t *first = calloc(rules->rule_count + 1, sizeof(*first));
	uint32_t match = 0;

	for (size_t i = 0; first && i <= rules->rule_count; i++) {
		first[i] = match;
		while (match < rules->match_count && rules->matches[match].rule == i)
			match++;
	}
	return first;
}

static bool same_set(const struct cv_compiled_set *a, const struct cv_compiled_set *b)
{
	return !strcmp(a->name, b->name) && cv_compiled_set_equal(a, b);
}

/* A set with a name is the one of that name, whatever is in it; one without is one that holds the
 * same. Looked for from hint on, since most of them stand in the same order. */
static uint16_t number_of_set(const struct cv_rules *live, const struct cv_compiled_set *set,
			      size_t hint)
{
	for (size_t i = 0; i < live->set_count; i++) {
		size_t index = (hint + i) % live->set_count;

		if (set->name[0] ? !strcmp(live->sets[index].name, set->name)
				 : same_set(&live->sets[index], set))
			return index + 1;
	}
	return 0;
}

/* A number that no set has: see cv_sets_read(). */
static bool is_free(const struct cv_compiled_set *set)
{
	return !set->name[0] && !set->number_count && !set->address_count;
}

static bool pair_sets(struct comparison *comparison)
{
	const struct cv_rules *live = comparison->live, *wanted = comparison->wanted;
	struct cv_changes *out = comparison->out;
	CV_FREE bool *is_used = calloc(live->set_count + 1, sizeof(*is_used));
	uint16_t number = 0;

	out->set_numbers = calloc(wanted->set_count + 1, sizeof(*out->set_numbers));
	if (!is_used || !out->set_numbers)
		return false;
	for (size_t i = 0; i < wanted->set_count; i++) {
		number = number_of_set(live, &wanted->sets[i], number);
		out->set_numbers[i] = number;
		is_used[number] = true;
		if (!number || !same_set(&live->sets[number - 1], &wanted->sets[i]))
			out->has_sets = true;
	}
	for (size_t i = 0; i < live->set_count; i++)
		if (!is_used[i + 1] && !is_free(&live->sets[i]))
			out->has_sets = true;
	return true;
}

static bool pair_rules(struct comparison *comparison)
{
	const struct cv_rules *live = comparison->live, *wanted = comparison->wanted;
	CV_CLEANUP(cv_names_fini) struct cv_names names = { 0 };

	comparison->out->live_first = first_matches(live);
	comparison->out->first_match = first_matches(wanted);
	comparison->twin = calloc(wanted->rule_count + 1, sizeof(*comparison->twin));
	comparison->is_kept = calloc(live->rule_count + 1, sizeof(*comparison->is_kept));
	if (!comparison->out->live_first || !comparison->out->first_match || !comparison->twin ||
	    !comparison->is_kept ||
	    cv_names_init(&names, live->rules ? live->rules->rule.name : NULL, sizeof(*live->rules),
			  live->rule_count))
		return false;
	for (size_t i = 0; i < wanted->rule_count; i++)
		comparison->twin[i] = cv_names_find_next(&names, wanted->rules[i].rule.name);
	return true;
}

/* ---- content ---- */

/* The match of whichever rule, and with the numbers that sets have in the image; numbers: NULL if it
 * has them. */
static struct cv_match plain_match(const struct cv_match *match, const uint16_t *numbers)
{
	struct cv_match plain = *match;

	plain.rule = 0;
	for (int i = 0; numbers && i < CV_MAX_SET_REFS; i++)
		if (plain.extra.sets[i].set)
			plain.extra.sets[i].set = numbers[plain.extra.sets[i].set - 1];
	return plain;
}

static int compare_matches(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cv_match));
}

/* Copies the matches of a rule, in an order of no meaning. */
static struct cv_match *sorted_matches(const struct cv_match *matches, size_t count,
				       const uint16_t *numbers)
{
	struct cv_match *sorted = calloc(count + 1, sizeof(*sorted));

	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = plain_match(&matches[i], numbers);
	if (sorted)
		qsort(sorted, count, sizeof(*sorted), compare_matches);
	return sorted;
}

/* Returns 1 if both rules have the same conditions, whatever their order, 0 or -ENOMEM. */
static int same_matches(const struct cv_changes *changes, uint32_t live, uint32_t wanted)
{
	const uint32_t *live_first = &changes->live_first[live];
	const uint32_t *wanted_first = &changes->first_match[wanted];
	const uint16_t *numbers = changes->set_numbers;
	const struct cv_match *a = changes->live->matches + live_first[0];
	const struct cv_match *b = changes->wanted->matches + wanted_first[0];
	size_t count = live_first[1] - live_first[0];
	CV_FREE struct cv_match *a_sorted = NULL;
	CV_FREE struct cv_match *b_sorted = NULL;

	if (count != wanted_first[1] - wanted_first[0])
		return 0;
	if (count == 1) {
		struct cv_match a_plain = plain_match(a, NULL);
		struct cv_match b_plain = plain_match(b, numbers);

		return !compare_matches(&a_plain, &b_plain);
	}
	a_sorted = sorted_matches(a, count, NULL);
	b_sorted = sorted_matches(b, count, numbers);
	if (!a_sorted || !b_sorted)
		return -ENOMEM;
	return !memcmp(a_sorted, b_sorted, count * sizeof(*a_sorted));
}

static bool same_rule(const struct cv_compiled_rule *a, const struct cv_compiled_rule *b)
{
	return !memcmp(&a->rule, &b->rule, sizeof(a->rule)) &&
	       !memcmp(&a->actions, &b->actions, sizeof(a->actions));
}

/* ---- order ---- */

/* Of the live rules that are wanted, in the order in which they are: marks as many as can stay where
 * they are, the longest run of them that ascends. */
static bool find_kept(struct comparison *comparison)
{
	size_t count = comparison->wanted->rule_count, length = 0;
	CV_FREE uint32_t *ends = calloc(count + 1, sizeof(*ends)); /* of runs, by their length */
	CV_FREE uint32_t *before = calloc(count + 1, sizeof(*before)); /* of each in its run */
	const uint32_t *twin = comparison->twin;

	if (!ends || !before)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		size_t low = 0, high = length;

		if (twin[i] == NONE)
			continue;
		while (low < high) {
			size_t middle = (low + high) / 2;

			if (twin[ends[middle]] < twin[i])
				low = middle + 1;
			else
				high = middle;
		}
		before[i] = low ? ends[low - 1] : NONE;
		ends[low] = i;
		if (low == length)
			length++;
	}
	for (uint32_t i = length ? ends[length - 1] : NONE; i != NONE; i = before[i])
		comparison->is_kept[twin[i]] = true;
	return true;
}

/* ---- changes ---- */

static bool is_kept(const struct comparison *comparison, uint32_t wanted)
{
	uint32_t twin = comparison->twin[wanted];

	return twin != NONE && comparison->is_kept[twin];
}

static void add_change(struct comparison *comparison, enum cv_rule_change_kind kind, uint32_t rule,
		       const char *behind)
{
	struct cv_changes *out = comparison->out;

	out->items[out->count++] = (struct cv_rule_change){ kind, rule, behind };
}

/* Those that go, and those that move. */
static void add_removals(struct comparison *comparison)
{
	for (uint32_t i = 0; i < comparison->live->rule_count; i++)
		if (!comparison->is_kept[i])
			add_change(comparison, CV_CHANGE_REMOVE, i, NULL);
}

static int add_replacements(struct comparison *comparison)
{
	for (uint32_t i = 0; i < comparison->wanted->rule_count; i++) {
		uint32_t twin = comparison->twin[i];
		int is_same;

		if (!is_kept(comparison, i))
			continue;
		is_same = same_matches(comparison->out, twin, i);
		if (is_same < 0)
			return is_same;
		if (!is_same ||
		    !same_rule(&comparison->live->rules[twin], &comparison->wanted->rules[i]))
			add_change(comparison, CV_CHANGE_REPLACE, i, NULL);
	}
	return 0;
}

/* The name of a wanted rule; NULL behind the last. */
static const char *name_of(const struct comparison *comparison, uint32_t wanted)
{
	const struct cv_rules *rules = comparison->wanted;

	return wanted < rules->rule_count ? rules->rules[wanted].rule.name : NULL;
}

/* Rules from first to end - 1 come in behind that one: the middle one first, since each takes the middle
 * of what room there is between two numbers. */
static void add_run(struct comparison *comparison, uint32_t first, uint32_t end, const char *behind)
{
	uint32_t middle = first + (end - first) / 2;

	if (first == end)
		return;
	add_change(comparison, CV_CHANGE_INSERT, middle, behind);
	add_run(comparison, first, middle, behind);
	add_run(comparison, middle + 1, end, name_of(comparison, middle));
}

static void add_insertions(struct comparison *comparison)
{
	uint32_t count = comparison->wanted->rule_count;
	const char *behind = NULL;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t first = i;

		while (i < count && !is_kept(comparison, i))
			i++;
		add_run(comparison, first, i, behind);
		behind = name_of(comparison, i);
	}
}

static bool pair(struct comparison *comparison)
{
	struct cv_changes *out = comparison->out;

	out->items = calloc(comparison->live->rule_count + 2 * comparison->wanted->rule_count + 1,
			    sizeof(*out->items));
	return out->items && pair_sets(comparison) && pair_rules(comparison);
}

static int compare(struct comparison *comparison)
{
	int rc;

	if (!pair(comparison) || !find_kept(comparison))
		return -ENOMEM;
	add_removals(comparison);
	rc = add_replacements(comparison);
	if (!rc)
		add_insertions(comparison);
	return rc;
}

static bool is_empty(const struct cv_rules *rules)
{
	return !rules->rule_count && !rules->set_count;
}

int cv_changes_find(struct cv_changes *out, const struct cv_rules *live,
		    const struct cv_rules *wanted, struct cv_err *err)
{
	CV_CLEANUP(fini_comparison)
	struct comparison comparison = { .live = live, .wanted = wanted, .out = out };

	*out = (struct cv_changes){
		.live = live,
		.wanted = wanted,
		/* What no rule asks for any more would be looked up of packets until the next image;
		 * without rules and sets there is none. */
		.must_rebuild = is_empty(live) != is_empty(wanted) ||
				(!is_empty(wanted) && (live->netns_cookie != wanted->netns_cookie ||
						       live->flags & ~wanted->flags)),
	};
	if (compare(&comparison))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	if (out->count > IN_PLACE_CHANGES && out->count > wanted->rule_count / IN_PLACE_SHARE)
		out->must_rebuild = true;
	if (out->has_sets && wanted->set_count > IN_PLACE_SETS)
		out->must_rebuild = true;
	return 0;
}

/* ---- of a few rules ---- */

static bool has_place(const struct cv_rule_place *places, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(places[i].rule, name))
			return true;
	return false;
}

/* Rules that are wanted and have no place given stay where they are. */
static bool keep_others(struct comparison *comparison, const struct cv_rule_place *places,
			size_t place_count)
{
	for (uint32_t i = 0; i < comparison->wanted->rule_count; i++) {
		if (has_place(places, place_count, name_of(comparison, i)))
			continue;
		if (comparison->twin[i] == NONE)
			return false;
		comparison->is_kept[comparison->twin[i]] = true;
	}
	return true;
}

static bool add_places(struct comparison *comparison, const struct cv_rule_place *places,
		       size_t place_count)
{
	CV_CLEANUP(cv_names_fini) struct cv_names names = { 0 };
	const struct cv_rules *wanted = comparison->wanted;

	if (cv_names_init(&names, wanted->rules ? wanted->rules->rule.name : NULL,
			  sizeof(*wanted->rules), wanted->rule_count))
		return false;
	for (size_t i = 0; i < place_count; i++)
		add_change(comparison, CV_CHANGE_INSERT, cv_names_find(&names, places[i].rule),
			   places[i].behind);
	return true;
}

int cv_changes_few(struct cv_changes *out, const struct cv_rules *live,
		   const struct cv_rules *wanted, const struct cv_rule_place *places,
		   size_t place_count, struct cv_err *err)
{
	CV_CLEANUP(fini_comparison)
	struct comparison comparison = { .live = live, .wanted = wanted, .out = out };

	*out = (struct cv_changes){ .live = live, .wanted = wanted, .is_of_few = true };
	if (!pair(&comparison))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	if (!keep_others(&comparison, places, place_count))
		return -ESTALE;
	add_removals(&comparison);
	if (add_replacements(&comparison) || !add_places(&comparison, places, place_count))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	return 0;
}

bool cv_changes_same_matches(const struct cv_changes *changes, uint32_t live, uint32_t wanted)
{
	return same_matches(changes, live, wanted) > 0;
}

bool cv_changes_none(const struct cv_changes *changes)
{
	return !changes->count && !changes->has_sets && !changes->must_rebuild;
}

/* ---- in an image ---- */

/* The numbers that sets have in the image; those whose content is wanted get it. */
static int change_few_sets(const struct cv_changes *changes, struct cv_arena *arena,
			   uint16_t generation, uint16_t *numbers)
{
	for (size_t i = 0; i < changes->wanted->set_count; i++) {
		const struct cv_compiled_set *set = &changes->wanted->sets[i];

		numbers[i] = changes->set_numbers[i] ? cv_set_number(arena, generation, set->name)
						     : cv_set_change(arena, generation, set);
		if (!set->name[0] || !numbers[i])
			return -ESTALE;
	}
	return 0;
}

/* Sets that stay have the same number before and after: rules that stay ask for it. */
static int change_sets(const struct cv_changes *changes, struct cv_arena *arena,
		       uint16_t generation, uint16_t *numbers)
{
	int rc;

	if (changes->is_of_few)
		return change_few_sets(changes, arena, generation, numbers);
	memcpy(numbers, changes->set_numbers, changes->wanted->set_count * sizeof(*numbers));
	if (!changes->has_sets)
		return 0;
	rc = cv_sets_change(arena, generation, changes->wanted, numbers);
	for (size_t i = 0; !rc && i < changes->wanted->set_count; i++)
		if (changes->set_numbers[i] && changes->set_numbers[i] != numbers[i])
			rc = -ESTALE;
	return rc;
}

static int put_rule(const struct cv_changes *changes, const struct cv_rule_change *change,
		    struct cv_engine_update *update, const uint16_t *numbers, struct cv_err *err)
{
	const struct cv_rules *wanted = changes->wanted;
	const uint32_t *first = &changes->first_match[change->rule];
	size_t count = first[1] - first[0];
	CV_FREE struct cv_match *matches = calloc(count + 1, sizeof(*matches));
	struct cv_engine_rule rule = { &wanted->rules[change->rule], matches, count };

	if (!matches)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	for (size_t i = 0; i < count; i++)
		matches[i] = plain_match(&wanted->matches[first[0] + i], numbers);
	return change->kind == CV_CHANGE_REPLACE
		       ? cv_engine_replace(update, &rule, err)
		       : cv_engine_insert(update, &rule, change->behind, err);
}

static int make_all(const struct cv_changes *changes, struct cv_engine_update *update,
		    const uint16_t *numbers, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < changes->count; i++) {
		const struct cv_rule_change *change = &changes->items[i];

		if (change->kind == CV_CHANGE_REMOVE)
			rc = cv_engine_remove(update, changes->live->rules[change->rule].rule.name,
					      err);
		else
			rc = put_rule(changes, change, update, numbers, err);
	}
	return rc;
}

static void close_update(struct cv_engine_update **update)
{
	cv_engine_close(update);
}

int cv_changes_make(const struct cv_changes *changes, struct cv_arena *arena, uint16_t generation,
		    uint16_t *next, struct cv_err *err)
{
	CV_CLEANUP(close_update) struct cv_engine_update *update = NULL;
	CV_FREE uint16_t *numbers = calloc(changes->wanted->set_count + 1, sizeof(*numbers));
	int rc;

	if (changes->must_rebuild)
		return -ESTALE;
	if (!numbers)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_engine_open(&update, arena, generation, err);
	if (!rc)
		rc = change_sets(changes, arena, generation, numbers);
	if (!rc)
		rc = make_all(changes, update, numbers, err);
	if (rc)
		return rc == -ENOENT ? -ESTALE : rc;
	cv_engine_need(update, changes->wanted->flags);
	*next = cv_engine_commit(update);
	return 0;
}

void cv_changes_fini(struct cv_changes *changes)
{
	free(changes->items);
	free(changes->first_match);
	free(changes->live_first);
	free(changes->set_numbers);
	*changes = (struct cv_changes){ 0 };
}
