/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of cv_remote_spread(): who has how much, and who moves when the set changes. */
#include "remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SETS 20 /* of addresses; each test runs over all of them */

/* The i-th remote of a set: neighbours differ in one byte, as addresses of one network do. */
static struct cv_addr remote_of(uint32_t set, size_t i)
{
	struct cv_addr addr = { .family = set & 1 ? 6 : 4 };

	addr.bytes[0] = 10;
	addr.bytes[2] = (uint8_t)set;
	addr.bytes[addr.family == 4 ? 3 : 15] = (uint8_t)(i + 1);
	return addr;
}

static void fill(uint32_t set, struct cv_addr *remotes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		remotes[i] = remote_of(set, i);
}

static void one_remote_has_all(void **state)
{
	uint8_t bucket[CV_REMOTE_BUCKETS];
	struct cv_addr remote = remote_of(0, 0);
	uint32_t weight = 1000;

	(void)state;
	memset(bucket, 0xff, sizeof(bucket));
	cv_remote_spread(&remote, &weight, 1, bucket);
	for (size_t b = 0; b < CV_REMOTE_BUCKETS; b++)
		assert_int_equal(bucket[b], 0);
}

static void assert_shares(uint32_t set, const uint32_t *weights, size_t count)
{
	struct cv_addr remotes[CV_MAX_REMOTES];
	size_t counts[CV_MAX_REMOTES] = { 0 };
	uint8_t bucket[CV_REMOTE_BUCKETS];
	uint32_t total = 0;

	fill(set, remotes, count);
	cv_remote_spread(remotes, weights, count, bucket);
	for (size_t b = 0; b < CV_REMOTE_BUCKETS; b++) {
		assert_true(bucket[b] < count);
		counts[bucket[b]]++;
	}
	for (size_t i = 0; i < count; i++)
		total += weights ? weights[i] : 1;
	for (size_t i = 0; i < count; i++) {
		double due = (double)(weights ? weights[i] : 1) / total;
		double share = (double)counts[i] / CV_REMOTE_BUCKETS;

		if (share < due - 0.02 || share > due + 0.02)
			fail_msg("set %u: remote %zu of %zu has %.4f, %.4f are due", set, i, count,
				 share, due);
	}
}

static void shares_are_as_the_weights(void **state)
{
	static const uint32_t weights[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint32_t extremes[] = { 1, 1000, 1, 1000 };

	(void)state;
	for (uint32_t set = 0; set < SETS; set++) {
		for (size_t count = 1; count <= 8; count++) {
			assert_shares(set, NULL, count);
			assert_shares(set, weights, count);
		}
		assert_shares(set, NULL, CV_MAX_REMOTES);
		assert_shares(set, extremes, 4);
	}
}

/* A single set may be off by chance; all together are not. */
static void shares_are_exact_on_average(void **state)
{
	static const uint32_t weights[] = { 1, 3, 4, 8 };
	size_t counts[4] = { 0 };

	(void)state;
	for (uint32_t set = 0; set < 200; set++) {
		struct cv_addr remotes[4];
		uint8_t bucket[CV_REMOTE_BUCKETS];

		fill(set, remotes, 4);
		cv_remote_spread(remotes, weights, 4, bucket);
		for (size_t b = 0; b < CV_REMOTE_BUCKETS; b++)
			counts[bucket[b]]++;
	}
	for (size_t i = 0; i < 4; i++) {
		double share = (double)counts[i] / CV_REMOTE_BUCKETS / 200;

		assert_true(share > weights[i] / 16.0 - 0.002 && share < weights[i] / 16.0 + 0.002);
	}
}

/* With gone < count: the remote that is in `many` and not in `few`. */
static void assert_only_its_own_move(const struct cv_addr *many, const uint32_t *weights,
				     size_t count, size_t gone)
{
	struct cv_addr few[CV_MAX_REMOTES];
	uint32_t few_weights[CV_MAX_REMOTES];
	uint8_t before[CV_REMOTE_BUCKETS], after[CV_REMOTE_BUCKETS];
	size_t kept = 0, moved = 0;

	for (size_t i = 0; i < count; i++)
		if (i != gone) {
			few[kept] = many[i];
			few_weights[kept++] = weights ? weights[i] : 1;
		}
	cv_remote_spread(many, weights, count, before);
	cv_remote_spread(few, weights ? few_weights : NULL, kept, after);
	for (size_t b = 0; b < CV_REMOTE_BUCKETS; b++) {
		bool is_same = cv_addr_equal(&many[before[b]], &few[after[b]]);

		assert_int_equal(is_same, before[b] != gone);
		moved += !is_same;
	}
	if (!weights)
		assert_true((double)moved / CV_REMOTE_BUCKETS <= 1.0 / count + 0.02);
}

/* Read backwards: who comes takes its share, and nobody else's flows move. */
static void one_that_goes_moves_only_its_own(void **state)
{
	static const uint32_t weights[] = { 5, 1, 1, 7, 2, 1, 1000, 3 };
	struct cv_addr remotes[CV_MAX_REMOTES];

	(void)state;
	for (uint32_t set = 0; set < SETS; set++) {
		fill(set, remotes, CV_MAX_REMOTES);
		for (size_t count = 2; count <= 8; count++)
			for (size_t gone = 0; gone < count; gone++) {
				assert_only_its_own_move(remotes, NULL, count, gone);
				assert_only_its_own_move(remotes, weights, count, gone);
			}
	}
	assert_only_its_own_move(remotes, NULL, CV_MAX_REMOTES, 17);
}

static void more_weight_only_attracts(void **state)
{
	uint32_t light[] = { 1, 1, 1, 1 }, heavy[] = { 1, 1, 3, 1 };
	uint8_t before[CV_REMOTE_BUCKETS], after[CV_REMOTE_BUCKETS];
	struct cv_addr remotes[4];

	(void)state;
	fill(3, remotes, 4);
	cv_remote_spread(remotes, light, 4, before);
	cv_remote_spread(remotes, heavy, 4, after);
	for (size_t b = 0; b < CV_REMOTE_BUCKETS; b++)
		assert_true(after[b] == before[b] || after[b] == 2);
}

static void order_does_not_matter(void **state)
{
	static const size_t order[] = { 3, 0, 4, 1, 2 };
	static const uint32_t weights[] = { 1, 2, 3, 4, 5 };

	(void)state;
	for (uint32_t set = 0; set < SETS; set++) {
		uint8_t bucket[CV_REMOTE_BUCKETS], shuffled[CV_REMOTE_BUCKETS];
		struct cv_addr remotes[5], others[5];
		uint32_t other_weights[5];

		fill(set, remotes, 5);
		for (size_t i = 0; i < 5; i++) {
			others[i] = remotes[order[i]];
			other_weights[i] = weights[order[i]];
		}
		cv_remote_spread(remotes, weights, 5, bucket);
		cv_remote_spread(others, other_weights, 5, shuffled);
		for (size_t b = 0; b < CV_REMOTE_BUCKETS; b++)
			assert_int_equal(order[shuffled[b]], bucket[b]);
	}
}

/* Equal weights are the same whatever their size, and the same as none. */
static void equal_weights_are_none(void **state)
{
	uint32_t weights[] = { 7, 7, 7 };
	uint8_t with[CV_REMOTE_BUCKETS], without[CV_REMOTE_BUCKETS];
	struct cv_addr remotes[3];

	(void)state;
	fill(5, remotes, 3);
	cv_remote_spread(remotes, weights, 3, with);
	cv_remote_spread(remotes, NULL, 3, without);
	assert_memory_equal(with, without, sizeof(with));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_remote_has_all),
		cmocka_unit_test(shares_are_as_the_weights),
		cmocka_unit_test(shares_are_exact_on_average),
		cmocka_unit_test(one_that_goes_moves_only_its_own),
		cmocka_unit_test(more_weight_only_attracts),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(equal_weights_are_none),
	};

	return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
