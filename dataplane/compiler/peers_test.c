/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of the peer compiler: every set answers as a walk over all prefixes does, for the first
 * and last address of each prefix, those beside it, and random ones; and no set passes the bounds
 * that the program in the kernel counts on.
 */
#include "peers.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define MOST 3000 /* prefixes of a set */
#define ADDR_BITS 128

/* ---- sets ---- */

struct list {
	struct cv_peer_prefix items[2 * MOST];
	size_t count;
};

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dULL;
}

static uint64_t mask_of(unsigned int len, int half)
{
	unsigned int bits = half ? (len > 64 ? len - 64 : 0) : (len > 64 ? 64 : len);

	return bits ? ~0ULL << (64 - bits) : 0;
}

static void add(struct list *list, uint8_t family, uint64_t high, uint64_t low, unsigned int len)
{
	struct cv_peer_prefix *prefix = &list->items[list->count++];

	assert_true(list->count <= 2 * MOST);
	*prefix = (struct cv_peer_prefix){ .family = family, .len = len };
	prefix->bits[0] = high & mask_of(len, 0);
	prefix->bits[1] = low & mask_of(len, 1);
}

static void add_text(struct list *list, const char *text, unsigned int len)
{
	struct cv_prefix prefix = { .addr.family = strchr(text, ':') ? 6 : 4, .bits = len };
	struct cv_addr nobody = { 0 };

	assert_int_equal(
		inet_pton(prefix.addr.family == 4 ? AF_INET : AF_INET6, text, prefix.addr.bytes),
		1);
	list->items[list->count++] = cv_peer_prefix_of(&prefix, &nobody);
}

/* Each prefix once, with a remote that tells it apart. */
static void finish(struct list *list)
{
	list->count = cv_peer_prefixes_sort(list->items, list->count);
	for (size_t i = 0; i < list->count; i++)
		for (int word = 0; word < 4; word++)
			list->items[i].remote[word] = 4 * i + word + 1;
}

/* ---- what must come out ---- */

static bool covers(const struct cv_peer_prefix *prefix, uint8_t family, const uint64_t bits[2])
{
	return prefix->family == family &&
	       !((prefix->bits[0] ^ bits[0]) & mask_of(prefix->len, 0)) &&
	       !((prefix->bits[1] ^ bits[1]) & mask_of(prefix->len, 1));
}

static const struct cv_peer_prefix *walk(const struct list *list, uint8_t family,
					 const uint64_t bits[2])
{
	const struct cv_peer_prefix *best = NULL;

	for (size_t i = 0; i < list->count; i++)
		if (covers(&list->items[i], family, bits) &&
		    (!best || list->items[i].len > best->len))
			best = &list->items[i];
	return best;
}

static struct cv_addr addr_of(uint8_t family, const uint64_t bits[2])
{
	struct cv_addr addr = { .family = family };

	for (int i = 0; i < (family == 4 ? 4 : 16); i++)
		addr.bytes[i] = bits[i / 8] >> (56 - i % 8 * 8);
	return addr;
}

static void assert_answer(const struct cv_peer_set *set, const struct list *list,
			  uint8_t remote_family, uint8_t family, const uint64_t bits[2])
{
	const struct cv_peer_prefix *best = walk(list, family, bits);
	struct cv_addr addr = addr_of(family, bits);
	const uint32_t *remote = cv_peers_find(set, remote_family, &addr);
	char text[CV_PREFIX_TEXT];

	if (!remote != !best || (best && memcmp(remote, best->remote, remote_family == 4 ? 4 : 16)))
		fail_msg("%s: remote %u, expected %u", cv_addr_format(&addr, text),
			 remote ? *remote : 0, best ? best->remote[0] : 0);
}

/* One address and its two neighbours. */
static void assert_around(const struct cv_peer_set *set, const struct list *list,
			  uint8_t remote_family, uint8_t family, uint64_t high, uint64_t low)
{
	for (int step = -1; step <= 1; step++) {
		uint64_t bits[2] = { high, low };

		if (family == 4) {
			bits[0] += (uint64_t)step << 32;
		} else {
			bits[1] += step;
			if (step < 0 && !low)
				bits[0]--;
			if (step > 0 && !~low)
				bits[0]++;
		}
		assert_answer(set, list, remote_family, family, bits);
	}
}

static void assert_around_prefix(const struct cv_peer_set *set, const struct list *list,
				 uint8_t remote_family, const struct cv_peer_prefix *prefix)
{
	uint64_t host = next_random(), high = prefix->bits[0] | ~mask_of(prefix->len, 0);
	uint64_t bits[2] = { prefix->bits[0] | (host & ~mask_of(prefix->len, 0)),
			     prefix->bits[1] | (host * 3 & ~mask_of(prefix->len, 1)) };

	if (prefix->family == 4) {
		high &= ~0ULL << 32;
		bits[0] &= ~0ULL << 32;
		bits[1] = 0;
	}
	assert_around(set, list, remote_family, prefix->family, prefix->bits[0], prefix->bits[1]);
	assert_around(set, list, remote_family, prefix->family, high,
		      prefix->family == 4 ? 0 : prefix->bits[1] | ~mask_of(prefix->len, 1));
	assert_answer(set, list, remote_family, prefix->family, bits);
}

/* Compiles the list, shuffled, and asks for all that is near a prefix. */
static void assert_set(struct list *list, uint8_t remote_family)
{
	CV_CLEANUP(cv_peer_set_fini) struct cv_peer_set set = { 0 };
	CV_FREE struct cv_peer_prefix *shuffled = calloc(list->count + 1, sizeof(*shuffled));
	struct cv_err err;

	assert_non_null(shuffled);
	finish(list);
	memcpy(shuffled, list->items, list->count * sizeof(*shuffled));
	for (size_t i = list->count; i > 1; i--) {
		size_t other = next_random() % i;
		struct cv_peer_prefix swap = shuffled[i - 1];

		shuffled[i - 1] = shuffled[other];
		shuffled[other] = swap;
	}
	assert_int_equal(cv_peers_compile(&set, shuffled, list->count, remote_family, &err), 0);
	for (size_t i = 0; i < list->count; i++)
		assert_around_prefix(&set, list, remote_family, &list->items[i]);
	for (int i = 0; i < 1000; i++) {
		uint64_t bits[2] = { next_random(), next_random() };
		uint64_t bits4[2] = { bits[0] & ~0ULL << 32, 0 };

		assert_answer(&set, list, remote_family, 6, bits);
		assert_answer(&set, list, remote_family, 4, bits4);
	}
}

/* Both families of remotes: what a peer takes differs. */
static void assert_list(struct list *list)
{
	assert_set(list, 4);
	assert_set(list, 6);
}

static struct list *new_list(void)
{
	struct list *list = calloc(1, sizeof(*list));

	assert_non_null(list);
	random_state = 88172645463325252ULL;
	return list;
}

/* ---- tests ---- */

static void nobody_is_found_in_an_empty_set(void **unused)
{
	CV_FREE struct list *list = new_list();

	(void)unused;
	assert_list(list);
}

static void default_takes_all_of_its_family(void **unused)
{
	CV_FREE struct list *list = new_list();

	(void)unused;
	add(list, 4, 0, 0, 0);
	assert_list(list);
	add(list, 6, 0, 0, 0);
	assert_list(list);
}

static void longest_prefix_decides(void **unused)
{
	CV_FREE struct list *list = new_list();

	(void)unused;
	add_text(list, "0.0.0.0", 0);
	add_text(list, "10.0.0.0", 8);
	add_text(list, "10.1.0.0", 16);
	add_text(list, "10.1.2.0", 24);
	add_text(list, "10.1.2.3", 32);
	add_text(list, "255.255.255.255", 32);
	add_text(list, "2001:db8::", 32);
	add_text(list, "2001:db8:1::", 48);
	add_text(list, "2001:db8:1:2::", 64);
	add_text(list, "2001:db8:1:2::3", 128);
	add_text(list, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128);
	assert_list(list);
}

/* Bits that a lookup skips differ from those of the peer that it comes to. */
static void skipped_bits_are_compared_in_the_end(void **unused)
{
	CV_FREE struct list *list = new_list();

	(void)unused;
	add_text(list, "10.0.0.0", 8);
	add_text(list, "10.1.2.0", 25);
	add_text(list, "10.1.2.128", 25);
	add_text(list, "fd00::", 8);
	add_text(list, "fd00::1:0:0", 97);
	add_text(list, "fd00::1:8000:0", 97);
	assert_list(list);
}

/* All lengths of one address, and beside each of them its brother: as deep as it can be. */
static void prefixes_of_every_length_enclose_each_other(void **unused)
{
	for (int brothers = 0; brothers < 2; brothers++) {
		CV_FREE struct list *list = new_list();
		uint64_t high = next_random(), low = next_random();

		(void)unused;
		for (unsigned int len = 0; len <= ADDR_BITS; len++) {
			unsigned int last = len ? len - 1 : 0;

			add(list, 6, high, low, len);
			if (len <= 32)
				add(list, 4, high, 0, len);
			if (brothers)
				add(list, 6, high ^ (last < 64 ? 1ULL << (63 - last) : 0),
				    low ^ (last < 64 ? 0 : 1ULL << (127 - last)), len);
		}
		assert_list(list);
	}
}

/* 1..., 01..., 001...: one prefix leaves the way of all others every `width` bits. */
static struct list *new_staircase(unsigned int width)
{
	struct list *list = new_list();

	for (unsigned int len = 1; len <= ADDR_BITS; len += width)
		add(list, 6, len <= 64 ? 1ULL << (64 - len) : 0, len > 64 ? 1ULL << (128 - len) : 0,
		    len);
	return list;
}

static void staircases_lead_down(void **unused)
{
	(void)unused;
	for (unsigned int width = 1; width <= 5; width++) {
		CV_FREE struct list *list = new_staircase(width);

		assert_list(list);
	}
}

static void neighbours_of_every_length(void **unused)
{
	CV_FREE struct list *list = new_list();

	(void)unused;
	for (unsigned int i = 0; i < 256; i++) {
		add(list, 4, (uint64_t)(0x0a000000 + i) << 32, 0, 32);
		add(list, 6, 0x20010db800000000, i, 128);
		add(list, 6, 0x20010db800000000 + i, 0, 64);
	}
	assert_list(list);
}

/* shift: how much of the space is left out, so that many overlap. */
static void random_set(unsigned int shift, unsigned int round)
{
	CV_FREE struct list *list = new_list();

	random_state += 1000003ULL * round + shift;
	for (unsigned int i = 0; i < MOST / (round % 3 + 1); i++) {
		uint64_t high = next_random() >> shift, low = next_random();

		if (next_random() % 2)
			add(list, 6, high, low, next_random() % (ADDR_BITS + 1));
		else
			add(list, 4, high, 0, next_random() % 33);
	}
	assert_list(list);
}

static void random_sets_agree_with_a_walk(void **unused)
{
	(void)unused;
	for (unsigned int round = 0; round < 3; round++) {
		random_set(0, round);
		random_set(8, round);
		random_set(20, round);
	}
}

static void the_order_of_the_peers_does_not_matter(void **unused)
{
	CV_CLEANUP(cv_peer_set_fini) struct cv_peer_set first = { 0 };
	CV_CLEANUP(cv_peer_set_fini) struct cv_peer_set second = { 0 };
	CV_FREE struct list *list = new_list();
	struct cv_err err;

	(void)unused;
	for (int i = 0; i < 500; i++)
		add(list, 4, next_random(), 0, 8 + next_random() % 25);
	finish(list);
	assert_int_equal(cv_peers_compile(&first, list->items, list->count, 4, &err), 0);
	for (size_t i = 0; i < list->count / 2; i++) {
		struct cv_peer_prefix swap = list->items[i];

		list->items[i] = list->items[list->count - 1 - i];
		list->items[list->count - 1 - i] = swap;
	}
	assert_int_equal(cv_peers_compile(&second, list->items, list->count, 4, &err), 0);
	assert_int_equal(first.cell_count, second.cell_count);
	assert_memory_equal(first.cells, second.cells, first.cell_count * sizeof(*first.cells));
}

/* ---- bounds ---- */

static unsigned int depth_of(const struct cv_peer_set *set, uint32_t step)
{
	unsigned int deepest = 0;

	if (!CV_PEER_TESTED(step))
		return 0;
	for (uint32_t i = 0; i < 1u << CV_PEER_TESTED(step); i++) {
		uint32_t cell = CV_PEER_CELL(step) + i / CV_PEER_CELL_STEPS;
		unsigned int depth = depth_of(set, set->cells[cell].steps[i % CV_PEER_CELL_STEPS]);

		if (depth > deepest)
			deepest = depth;
	}
	return deepest + 1;
}

/* As many peers as there may be, spread so that they share as little as they can. */
static void the_most_peers_fit(void **unused)
{
	CV_CLEANUP(cv_peer_set_fini) struct cv_peer_set set = { 0 };
	CV_FREE struct cv_peer_prefix *prefixes = calloc(CV_MAX_PEERS, sizeof(*prefixes));
	struct cv_err err;

	(void)unused;
	assert_non_null(prefixes);
	for (uint32_t i = 0; i < CV_MAX_PEERS; i++) {
		struct cv_peer_prefix *prefix = &prefixes[i];

		*prefix = (struct cv_peer_prefix){ .family = 6, .len = 128 };
		/* Pairs that differ in their last bits only, far from other pairs. */
		prefix->bits[0] = (i / 2) * 0x9e3779b97f4a7c15ULL;
		prefix->bits[1] = i % 2;
	}
	assert_int_equal(cv_peers_compile(&set, prefixes, CV_MAX_PEERS, 6, &err), 0);
	assert_true(set.cell_count <= CV_PEER_MAX_CELLS);
	assert_true(depth_of(&set, set.cells->steps[CV_PEERS_IPV6]) <= CV_PEER_MAX_DEPTH);
}

static void staircases_are_within_the_bound(void **unused)
{
	(void)unused;
	for (unsigned int width = 1; width <= 5; width++) {
		CV_CLEANUP(cv_peer_set_fini) struct cv_peer_set set = { 0 };
		CV_FREE struct list *list = new_staircase(width);
		struct cv_err err;

		finish(list);
		assert_int_equal(cv_peers_compile(&set, list->items, list->count, 4, &err), 0);
		assert_true(depth_of(&set, set.cells->steps[CV_PEERS_IPV6]) <= CV_PEER_MAX_DEPTH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_found_in_an_empty_set),
		cmocka_unit_test(default_takes_all_of_its_family),
		cmocka_unit_test(longest_prefix_decides),
		cmocka_unit_test(skipped_bits_are_compared_in_the_end),
		cmocka_unit_test(prefixes_of_every_length_enclose_each_other),
		cmocka_unit_test(staircases_lead_down),
		cmocka_unit_test(neighbours_of_every_length),
		cmocka_unit_test(random_sets_agree_with_a_walk),
		cmocka_unit_test(the_order_of_the_peers_does_not_matter),
		cmocka_unit_test(the_most_peers_fit),
		cmocka_unit_test(staircases_are_within_the_bound),
	};

	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
