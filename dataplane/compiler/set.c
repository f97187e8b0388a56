/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sets of values: see set.h. */
#include "set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

void cv_compiled_set_fini(struct cv_compiled_set *set)
{
	if (!set->is_borrowed) {
		free(set->numbers);
		free(set->addresses);
	}
	*set = (struct cv_compiled_set){ 0 };
}

/* ---- elements ---- */

static int make_room(struct cv_interval **intervals, size_t count, size_t more)
{
	struct cv_interval *grown = reallocarray(*intervals, count + more + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*intervals = grown;
	return 0;
}

static uint64_t half_of(const uint8_t *bytes)
{
	uint64_t half = 0;

	for (int i = 0; i < 8; i++)
		half = half << 8 | bytes[i];
	return half;
}

/* The lowest of count bits are ones; count is at most 64. */
static uint64_t ones(unsigned int count)
{
	return count ? UINT64_MAX >> (64 - count) : 0;
}

static struct cv_interval address_interval(const struct cv_prefix *prefix)
{
	unsigned int host = 128 - prefix->bits;
	uint64_t high = half_of(prefix->addr.bytes), low = half_of(prefix->addr.bytes + 8);

	return (struct cv_interval){
		.min = { high, low },
		.max = { high | ones(host > 64 ? host - 64 : 0),
			 low | ones(host > 64 ? 64 : host) },
	};
}

static struct cv_interval ipv4_interval(const struct cv_prefix *prefix)
{
	uint64_t first = half_of(prefix->addr.bytes) >> 32;

	return (struct cv_interval){ .min = { 0, first },
				     .max = { 0, first | ones(32 - prefix->bits) } };
}

int cv_set_add_prefixes(struct cv_compiled_set *set, const struct cv_prefixes *prefixes)
{
	if (make_room(&set->numbers, set->number_count, prefixes->count) ||
	    make_room(&set->addresses, set->address_count, prefixes->count))
		return -ENOMEM;
	for (size_t i = 0; i < prefixes->count; i++) {
		const struct cv_prefix *prefix = &prefixes->items[i];

		if (prefix->addr.family == 4)
			set->numbers[set->number_count++] = ipv4_interval(prefix);
		else
			set->addresses[set->address_count++] = address_interval(prefix);
	}
	return 0;
}

int cv_set_add_ranges(struct cv_compiled_set *set, const struct cv_ranges *ranges)
{
	if (make_room(&set->numbers, set->number_count, ranges->count))
		return -ENOMEM;
	for (size_t i = 0; i < ranges->count; i++)
		set->numbers[set->number_count++] =
			(struct cv_interval){ .min = { 0, ranges->items[i].min },
					      .max = { 0, ranges->items[i].max } };
	return 0;
}

static int compare(const uint64_t a[2], const uint64_t b[2])
{
	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return (a[1] > b[1]) - (a[1] < b[1]);
}

static int compare_intervals(const void *a, const void *b)
{
	return compare(((const struct cv_interval *)a)->min, ((const struct cv_interval *)b)->min);
}

/* True if the second, which does not begin before the first, overlaps it or begins right behind it. */
static bool is_joined(const struct cv_interval *first, const struct cv_interval *second)
{
	uint64_t next[2] = { first->max[0] + (first->max[1] == UINT64_MAX), first->max[1] + 1 };
	bool is_last = !next[0] && !next[1];

	return is_last || compare(second->min, next) <= 0;
}

static bool is_sorted(const struct cv_interval *intervals, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (compare(intervals[i - 1].min, intervals[i].min) > 0)
			return false;
	return true;
}

#define DIGIT_BITS 16
#define DIGIT_VALUES (1 << DIGIT_BITS)
#define DIGITS 8 /* of a value, the lowest first */
#define FEW 4096 /* are sorted by comparisons */

static uint32_t digit_of(const struct cv_interval *interval, unsigned int digit)
{
	return interval->min[digit < DIGITS / 2] >> digit % (DIGITS / 2) * DIGIT_BITS &
	       (DIGIT_VALUES - 1);
}

/* Copies the intervals by the order of a digit; those that are equal in it keep theirs. False: they all
 * are, and nothing was copied. */
static bool order_by(unsigned int digit, const struct cv_interval *from, struct cv_interval *to,
		     size_t count, size_t *places)
{
	size_t place = 0;

	memset(places, 0, DIGIT_VALUES * sizeof(*places));
	for (size_t i = 0; i < count; i++)
		places[digit_of(&from[i], digit)]++;
	if (places[digit_of(&from[0], digit)] == count)
		return false;
	for (size_t value = 0; value < DIGIT_VALUES; value++) {
		size_t here = places[value];

		places[value] = place;
		place += here;
	}
	for (size_t i = 0; i < count; i++)
		to[places[digit_of(&from[i], digit)]++] = from[i];
	return true;
}

/* Sorts digit by digit: a million in a few passes. False: no memory, they are as they were. */
static bool sort_many(struct cv_interval *intervals, size_t count)
{
	CV_FREE struct cv_interval *copy = malloc(count * sizeof(*copy));
	CV_FREE size_t *places = malloc(DIGIT_VALUES * sizeof(*places));
	struct cv_interval *from = intervals, *to = copy;

	if (!copy || !places)
		return false;
	for (unsigned int digit = 0; digit < DIGITS; digit++) {
		struct cv_interval *sorted = to;

		if (!order_by(digit, from, to, count, places))
			continue;
		to = from;
		from = sorted;
	}
	if (from != intervals)
		memcpy(intervals, from, count * sizeof(*intervals));
	return true;
}

/* Large lists mostly come sorted. */
static void sort(struct cv_interval *intervals, size_t count)
{
	if (is_sorted(intervals, count) || (count > FEW && sort_many(intervals, count)))
		return;
	qsort(intervals, count, sizeof(*intervals), compare_intervals);
}

/* Returns how many are left. */
static size_t normalise(struct cv_interval *intervals, size_t count)
{
	size_t kept = 0;

	sort(intervals, count);
	for (size_t i = 0; i < count; i++) {
		struct cv_interval *last = kept ? &intervals[kept - 1] : NULL;

		if (!last || !is_joined(last, &intervals[i]))
			intervals[kept++] = intervals[i];
		else if (compare(intervals[i].max, last->max) > 0)
			memcpy(last->max, intervals[i].max, sizeof(last->max));
	}
	return kept;
}

void cv_set_normalise(struct cv_compiled_set *set)
{
	set->number_count = normalise(set->numbers, set->number_count);
	set->address_count = normalise(set->addresses, set->address_count);
}

const struct cv_compiled_set *cv_set_find(const struct cv_rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->set_count; i++)
		if (!strcmp(rules->sets[i].name, name))
			return &rules->sets[i];
	return NULL;
}

/* The set as it was when its file was read. */
static int keep(struct cv_compiled_set *out, const struct cv_set_conf *conf,
		const struct cv_rules *kept, struct cv_err *err)
{
	const struct cv_compiled_set *set = kept ? cv_set_find(kept, conf->name) : NULL;

	if (!set) {
		cv_err_set(err, -ENOENT, "set %s: what its file had is not in the kernel any more",
			   conf->name);
		cv_err_hint(err, "'culvert repair' reads it again");
		cv_err_at(err, &conf->place);
		return -ENOENT;
	}
	*out = *set;
	out->is_borrowed = true;
	return 0;
}

int cv_set_compile(struct cv_compiled_set *out, const struct cv_set_conf *conf,
		   const struct cv_rules *kept, struct cv_err *err)
{
	memcpy(out->name, conf->name, sizeof(conf->name));
	if (conf->file && !conf->is_file_read)
		return keep(out, conf, kept, err);
	if (cv_set_add_prefixes(out, &conf->prefixes) || cv_set_add_ranges(out, &conf->ranges) ||
	    cv_set_add_prefixes(out, &conf->file_prefixes) ||
	    cv_set_add_ranges(out, &conf->file_ranges))
		return cv_err_set(err, -ENOMEM, "set %s: out of memory", conf->name);
	cv_set_normalise(out);
	return 0;
}

/* ---- questions ---- */

static bool has(const struct cv_interval *intervals, size_t count, const uint64_t value[2])
{
	size_t first = 0;

	while (count) { /* intervals[first .. first + count - 1] are left */
		size_t middle = first + count / 2;

		if (compare(value, intervals[middle].min) < 0) {
			count /= 2;
		} else if (compare(value, intervals[middle].max) <= 0) {
			return true;
		} else {
			count -= count / 2 + 1;
			first = middle + 1;
		}
	}
	return false;
}

bool cv_set_has_number(const struct cv_compiled_set *set, uint32_t number)
{
	return has(set->numbers, set->number_count, (uint64_t[2]){ 0, number });
}

bool cv_set_has_address(const struct cv_compiled_set *set, const uint64_t address[2])
{
	return has(set->addresses, set->address_count, address);
}

static bool is_equal(const struct cv_interval *a, size_t a_count, const struct cv_interval *b,
		     size_t b_count)
{
	return a_count == b_count && (a == b || !a_count || !memcmp(a, b, a_count * sizeof(*a)));
}

bool cv_compiled_set_equal(const struct cv_compiled_set *a, const struct cv_compiled_set *b)
{
	return is_equal(a->numbers, a->number_count, b->numbers, b->number_count) &&
	       is_equal(a->addresses, a->address_count, b->addresses, b->address_count);
}
