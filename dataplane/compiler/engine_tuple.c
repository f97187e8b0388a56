/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tuples: which lengths of prefixes and which exact fields are hashed together. Lengths are those
 * few that lose the least of the prefixes that there are; of the combinations of them that
 * occur at most CV_MAX_TUPLES are kept, and the records of the others go to less exact ones.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_parts.h"
#include "own.h"

#define LADDER_IPV4 5 /* lengths, 0 among them */
#define LADDER_IPV6 7
#define LADDER_MAX 7
#define BITS_MAX 128
/* What a hashed field is worth against a bit of a prefix. */
#define PORT_WORTH 16
#define PROTO_WORTH 3
/* What a prefix is worth of which not one bit is hashed: all such records meet in one bucket. */
#define WHOLE_WORTH 1024

struct ladder {
	uint8_t steps[LADDER_MAX]; /* ascending, the first one 0 */
	uint32_t count;
};

/* ---- lengths ---- */

/* What is lost if what lies between two steps goes to the lower one. */
static uint64_t lost_between(const uint64_t *counts, const uint64_t *bits, uint32_t low,
			     uint32_t end)
{
	uint64_t lost = (bits[end] - bits[low]) - low * (counts[end] - counts[low]);

	return low ? lost : lost + WHOLE_WORTH * (counts[end] - counts[1]);
}

/*
 * The best steps for a histogram of lengths, by dynamic programming: cost[k][b]: the least that is lost
 * of lengths below b with k steps below b.
 */
static struct ladder choose_ladder(const uint32_t *histogram, uint32_t max_bits, uint32_t max_steps)
{
	static const uint64_t infinite = UINT64_MAX / 2;
	uint64_t counts[BITS_MAX + 2] = { 0 }, bits[BITS_MAX + 2] = { 0 };
	uint64_t cost[LADDER_MAX + 1][BITS_MAX + 2];
	uint8_t last[LADDER_MAX + 1][BITS_MAX + 2] = { 0 };
	struct ladder ladder = { 0 };
	uint32_t best = 1, end = max_bits + 1;

	for (uint32_t b = 0; b <= max_bits; b++) {
		counts[b + 1] = counts[b] + histogram[b];
		bits[b + 1] = bits[b] + (uint64_t)histogram[b] * b;
	}
	for (uint32_t b = 0; b <= end; b++)
		cost[1][b] = b ? lost_between(counts, bits, 0, b) : infinite;
	for (uint32_t k = 2; k <= max_steps; k++)
		for (uint32_t b = 0; b <= end; b++) {
			cost[k][b] = infinite;
			for (uint32_t step = 1; step < b; step++) {
				uint64_t with =
					cost[k - 1][step] + lost_between(counts, bits, step, b);

				if (with < cost[k][b]) {
					cost[k][b] = with;
					last[k][b] = step;
				}
			}
		}
	for (uint32_t k = 2; k <= max_steps; k++)
		if (cost[k][end] < cost[best][end])
			best = k;
	ladder.count = best;
	for (uint32_t k = best; k > 0; k--) {
		ladder.steps[k - 1] = last[k][end];
		end = last[k][end];
	}
	return ladder;
}

void cv_levels_choose(const uint32_t *histogram, uint8_t *levels, uint32_t count)
{
	struct ladder ladder = choose_ladder(histogram, BITS_MAX, count + 1);

	for (uint32_t i = 0; i < count; i++)
		levels[i] = i + 1 < ladder.count ? ladder.steps[i + 1] : 64;
}

static uint8_t step_of(const struct ladder *ladder, uint8_t bits)
{
	uint32_t i = ladder->count - 1;

	while (ladder->steps[i] > bits)
		i--;
	return i;
}

/* ---- shapes ---- */

static bool item_has_sport(const struct cv_item *item)
{
	return item->record.rule & CV_RECORD_PORTS &&
	       item->record.sport_min == item->record.sport_max;
}

static bool item_has_dport(const struct cv_item *item)
{
	return item->record.rule & CV_RECORD_PORTS &&
	       item->record.dport_min == item->record.dport_max;
}

static bool item_has_shape(const struct cv_item *item, const struct cv_shape *shape)
{
	return item->record.src_bits >= shape->src_bits &&
	       item->record.dst_bits >= shape->dst_bits &&
	       (!shape->has_sport || item_has_sport(item)) &&
	       (!shape->has_dport || item_has_dport(item)) &&
	       (!shape->has_proto || item->record.rule & CV_RECORD_PROTO);
}

static bool covers(const struct cv_shape *wide, const struct cv_shape *narrow)
{
	return wide->src_bits <= narrow->src_bits && wide->dst_bits <= narrow->dst_bits &&
	       wide->has_sport <= narrow->has_sport && wide->has_dport <= narrow->has_dport &&
	       wide->has_proto <= narrow->has_proto;
}

static uint32_t worth(const struct cv_shape *shape)
{
	return shape->src_bits + shape->dst_bits + PORT_WORTH * shape->has_sport +
	       PORT_WORTH * shape->has_dport + PROTO_WORTH * shape->has_proto;
}

uint32_t cv_shape_best(const struct cv_shapes *shapes, const struct cv_item *item)
{
	uint32_t best = 0, best_worth = 0;

	for (uint32_t i = 0; i < shapes->count; i++) {
		const struct cv_shape *shape = &shapes->shapes[i];

		if (worth(shape) + 1 > best_worth && item_has_shape(item, shape)) {
			best = i;
			best_worth = worth(shape) + 1;
		}
	}
	return best;
}

/* ---- choosing shapes ---- */

#define CLASSES (LADDER_MAX * LADDER_MAX * 8)

struct class
{
	struct cv_shape shape;
	uint64_t count; /* of records */
	uint32_t heir; /* what its records would go to */
	uint64_t loss; /* what that would cost */
};

static uint32_t class_of(const struct cv_item *item, const struct ladder *src,
			 const struct ladder *dst)
{
	uint32_t addresses = step_of(src, item->record.src_bits) * LADDER_MAX +
			     step_of(dst, item->record.dst_bits);

	return addresses * 8 + item_has_sport(item) * 4 + item_has_dport(item) * 2 +
	       !!(item->record.rule & CV_RECORD_PROTO);
}

static struct cv_shape shape_of_class(uint32_t index, const struct ladder *src,
				      const struct ladder *dst)
{
	return (struct cv_shape){
		.src_bits = src->steps[index / 8 / LADDER_MAX],
		.dst_bits = dst->steps[index / 8 % LADDER_MAX],
		.has_sport = index & 4,
		.has_dport = index & 2,
		.has_proto = index & 1,
	};
}

/* How many records of a class meet in a bucket, in 1/16. */
static uint64_t crowd(const struct class *class, uint64_t more)
{
	uint32_t bits = worth(&class->shape);

	return (class->count + more) * 16 >> (bits < 20 ? bits : 20);
}

/* Says what it would cost to give up class i: what its records lose, and how long the buckets become
 * that they go to. Class 0 is never given up. */
static void find_heir(struct class *classes, uint32_t count, uint32_t i)
{
	uint32_t heir = 0;

	for (uint32_t j = 1; j < count; j++)
		if (j != i && covers(&classes[j].shape, &classes[i].shape) &&
		    worth(&classes[j].shape) > worth(&classes[heir].shape))
			heir = j;
	classes[i].heir = heir;
	classes[i].loss =
		classes[i].count * (worth(&classes[i].shape) - worth(&classes[heir].shape) +
				    crowd(&classes[heir], classes[i].count));
}

/* Gives up the class that costs least. Returns how many are left. */
static uint32_t give_up_one(struct class *classes, uint32_t count)
{
	uint32_t least = 1;

	for (uint32_t i = 1; i < count; i++) {
		find_heir(classes, count, i);
		if (classes[i].loss < classes[least].loss)
			least = i;
	}
	classes[classes[least].heir].count += classes[least].count;
	classes[least] = classes[count - 1];
	return count - 1;
}

static uint32_t collect_classes(struct class *classes, const uint64_t *counts,
				const struct ladder *src, const struct ladder *dst)
{
	uint32_t count = 1;

	classes[0] = (struct class){ .count = counts[0] };
	for (uint32_t i = 1; i < CLASSES; i++)
		if (counts[i])
			classes[count++] = (struct class){ .shape = shape_of_class(i, src, dst),
							   .count = counts[i] };
	return count;
}

bool cv_shapes_choose(struct cv_shapes *shapes, const struct cv_item *items, size_t count,
		      bool is_ipv6)
{
	CV_FREE struct class *classes = calloc(CLASSES, sizeof(*classes));
	CV_FREE uint64_t *counts = calloc(CLASSES, sizeof(*counts));
	uint32_t src_bits[BITS_MAX + 1] = { 0 }, dst_bits[BITS_MAX + 1] = { 0 };
	uint32_t max_bits = is_ipv6 ? 128 : 32, max_steps = is_ipv6 ? LADDER_IPV6 : LADDER_IPV4;
	struct ladder src, dst;
	uint32_t class_count;

	if (!classes || !counts)
		return false;
	for (size_t i = 0; i < count; i++) {
		src_bits[items[i].record.src_bits]++;
		dst_bits[items[i].record.dst_bits]++;
	}
	src = choose_ladder(src_bits, max_bits, max_steps);
	dst = choose_ladder(dst_bits, max_bits, max_steps);
	for (size_t i = 0; i < count; i++)
		counts[class_of(&items[i], &src, &dst)]++;
	class_count = collect_classes(classes, counts, &src, &dst);
	while (class_count > CV_MAX_TUPLES)
		class_count = give_up_one(classes, class_count);
	shapes->count = class_count;
	for (uint32_t i = 0; i < class_count; i++)
		shapes->shapes[i] = classes[i].shape;
	return true;
}

/* ---- tuples ---- */

static uint32_t mask4(uint8_t bits)
{
	return bits ? UINT32_MAX << (32 - bits) : 0;
}

struct cv_tuple cv_tuple_of_shape(const struct cv_shape *shape, bool is_ipv6)
{
	return (struct cv_tuple){
		.src_mask = is_ipv6 ? shape->src_bits : mask4(shape->src_bits),
		.dst_mask = is_ipv6 ? shape->dst_bits : mask4(shape->dst_bits),
		.ports_mask =
			(shape->has_sport ? 0xffff0000u : 0) | (shape->has_dport ? 0xffffu : 0),
		.proto_mask = shape->has_proto ? 0xff : 0,
	};
}

struct cv_shape cv_tuple_to_shape(const struct cv_tuple *tuple, bool is_ipv6)
{
	return (struct cv_shape){
		.src_bits = is_ipv6 ? tuple->src_mask : __builtin_popcount(tuple->src_mask),
		.dst_bits = is_ipv6 ? tuple->dst_mask : __builtin_popcount(tuple->dst_mask),
		.has_sport = tuple->ports_mask >> 16,
		.has_dport = tuple->ports_mask & 0xffff,
		.has_proto = tuple->proto_mask,
	};
}

/* The first count of 64 bits. */
static uint64_t first_bits(uint64_t half, uint32_t count)
{
	return !count ? 0 : count >= 64 ? half : half & UINT64_MAX << (64 - count);
}

uint64_t cv_tuple_hash(const struct cv_tuple *tuple, bool is_ipv6, const struct cv_tuple_key *key)
{
	uint32_t src = tuple->src_mask, dst = tuple->dst_mask;
	struct cv_tuple_key masked = {
		.ports = key->ports & tuple->ports_mask,
		.proto = key->proto & tuple->proto_mask,
	};

	if (!is_ipv6)
		return cv_tuple_hash4((uint32_t)key->src_low & src, (uint32_t)key->dst_low & dst,
				      masked.ports, masked.proto);
	masked.src_high = first_bits(key->src_high, src);
	masked.src_low = first_bits(key->src_low, src > 64 ? src - 64 : 0);
	masked.dst_high = first_bits(key->dst_high, dst);
	masked.dst_low = first_bits(key->dst_low, dst > 64 ? dst - 64 : 0);
	return cv_tuple_hash6(&masked);
}

struct cv_tuple_key cv_item_key(const struct cv_item *item, bool is_ipv6)
{
	const struct cv_record *record = &item->record;

	return (struct cv_tuple_key){
		.src_high = is_ipv6 ? record->src_high : 0,
		.src_low = is_ipv6 ? item->more.src_low : record->src,
		.dst_high = is_ipv6 ? item->more.dst_high : 0,
		.dst_low = is_ipv6 ? item->more.dst_low : record->dst,
		.ports = (uint32_t)record->sport_min << 16 | record->dport_min,
		.proto = record->proto,
	};
}
