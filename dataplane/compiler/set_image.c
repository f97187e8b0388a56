/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sets in an image: see set_image.h. */
#include "set_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

#define CV_NODE_CELLS 2
#define CV_SET_CELLS (sizeof(struct cv_set) / CV_CELL_BYTES)

/* ---- keys: the last values of all runs but the last one ---- */

/* The intervals of one kind, as keys. */
struct keys {
	const struct cv_interval *intervals;
	bool is_address;
	bool from_zero;
	uint32_t count;
};

static bool is_zero(const uint64_t value[2])
{
	return !value[0] && !value[1];
}

/* True if it is the highest value of its kind. */
static bool is_top(const uint64_t value[2], bool is_address)
{
	return is_address ? value[0] == UINT64_MAX && value[1] == UINT64_MAX
			  : value[1] == UINT32_MAX;
}

static struct keys keys_of(const struct cv_interval *intervals, size_t count, bool is_address)
{
	struct keys keys = { .intervals = intervals, .is_address = is_address };

	if (!count)
		return keys;
	keys.from_zero = is_zero(intervals[0].min);
	keys.count = 2 * count - keys.from_zero - is_top(intervals[count - 1].max, is_address);
	return keys;
}

/* Key of that number: odd runs are outside, and end before the interval that follows. */
static void key_at(const struct keys *keys, uint32_t index, uint64_t key[2])
{
	uint32_t end = index + keys->from_zero;
	const struct cv_interval *interval = &keys->intervals[end / 2];

	if (end & 1) {
		memcpy(key, interval->max, sizeof(interval->max));
		return;
	}
	key[0] = interval->min[0] - !interval->min[1];
	key[1] = interval->min[1] - 1;
}

/* True if some key is not told by its high half alone. */
static bool needs_lows(const struct keys *keys)
{
	uint64_t key[2];

	for (uint32_t i = 0; i < keys->count; i++) {
		key_at(keys, i, key);
		if (key[1] != UINT64_MAX)
			return true;
	}
	return false;
}

/* ---- trees ---- */

/* Nodes of each level, from the root on. */
struct shape {
	uint32_t width; /* keys of a node */
	uint32_t depth;
	uint32_t nodes[CV_SET_LEVELS];
};

static struct shape shape_of(uint32_t key_count, uint32_t width)
{
	struct shape shape = { .width = width };
	uint32_t nodes = (key_count + width - 1) / width;

	for (uint32_t n = nodes; n; n = n == 1 ? 0 : (n + width) / (width + 1))
		shape.depth++;
	for (uint32_t level = shape.depth; level-- > 0; nodes = (nodes + width) / (width + 1))
		shape.nodes[level] = nodes;
	return shape;
}

static uint32_t cells_of(const struct shape *shape)
{
	uint32_t cells = 0;

	for (uint32_t level = 0; level < shape->depth; level++)
		cells += shape->nodes[level] * CV_NODE_CELLS;
	return cells;
}

enum part { PART_NUMBER, PART_HIGH, PART_LOW };

/* A tree at work. */
struct tree {
	const struct keys *keys;
	struct shape shape;
	enum part part;
	const struct cv_arena *arena;
};

static void put_key(void *node, uint32_t slot, enum part part, const uint64_t key[2])
{
	if (part == PART_NUMBER)
		((uint32_t *)node)[slot] = key[1];
	else
		((uint64_t *)node)[slot] = key[part == PART_LOW];
}

static uint64_t get_key(const void *node, uint32_t slot, enum part part)
{
	return part == PART_NUMBER ? ((const uint32_t *)node)[slot]
				   : ((const uint64_t *)node)[slot];
}

/* Index of the key that stands in that slot. */
static uint64_t index_of(const struct shape *shape, uint32_t level, uint32_t node, uint32_t slot)
{
	uint64_t leaf = (uint64_t)node * (shape->width + 1) + slot + 1;

	if (level + 1 == shape->depth)
		return (uint64_t)node * shape->width + slot;
	/* The first of the deepest level below that node; the key is the one before its first. */
	for (uint32_t below = level + 2; below < shape->depth; below++)
		leaf *= shape->width + 1;
	return leaf * shape->width - 1;
}

static void write_node(const struct tree *tree, uint32_t level, uint32_t number, uint32_t cell)
{
	void *node = cv_arena_at(tree->arena, cell);
	uint64_t key[2];

	memset(node, 0xff, CV_NODE_CELLS * CV_CELL_BYTES);
	for (uint32_t slot = 0; slot < tree->shape.width; slot++) {
		uint64_t index = index_of(&tree->shape, level, number, slot);

		if (index >= tree->keys->count)
			return;
		key_at(tree->keys, index, key);
		put_key(node, slot, tree->part, key);
	}
}

/* Writes a tree from that cell on. Returns the first cell behind it. */
static uint32_t write_tree(const struct tree *tree, uint32_t cell, struct cv_set_tree *out)
{
	out->keys = tree->keys->count | (tree->keys->from_zero ? CV_SET_FROM_ZERO : 0);
	for (uint32_t level = 0; level < tree->shape.depth; level++) {
		out->levels[level] = cell;
		for (uint32_t i = 0; i < tree->shape.nodes[level]; i++, cell += CV_NODE_CELLS)
			write_node(tree, level, i, cell);
	}
	return cell;
}

/* ---- one set ---- */

/* All that an image has of a set. */
struct layout {
	struct keys numbers, addresses;
	struct shape number_shape, high_shape, low_shape;
};

static struct layout layout_of(const struct cv_compiled_set *set)
{
	struct layout layout = {
		.numbers = keys_of(set->numbers, set->number_count, false),
		.addresses = keys_of(set->addresses, set->address_count, true),
	};

	layout.number_shape = shape_of(layout.numbers.count, CV_SET_NUMBERS);
	layout.high_shape = shape_of(layout.addresses.count, CV_SET_HALVES);
	if (needs_lows(&layout.addresses))
		layout.low_shape = layout.high_shape;
	return layout;
}

/* Writes a set to cells of its own. Returns the first one, 0 if there is no memory. */
static uint32_t write_set(struct cv_arena *arena, const struct cv_compiled_set *set)
{
	struct layout layout = layout_of(set);
	struct tree numbers = { &layout.numbers, layout.number_shape, PART_NUMBER, arena };
	struct tree highs = { &layout.addresses, layout.high_shape, PART_HIGH, arena };
	struct tree lows = { &layout.addresses, layout.low_shape, PART_LOW, arena };
	uint32_t cells = cells_of(&layout.number_shape) + cells_of(&layout.high_shape) +
			 cells_of(&layout.low_shape);
	/* Begins where neither it nor a node can lie in two segments. */
	uint32_t taken = cv_arena_take(arena, CV_SET_CELLS - 1 + CV_SET_CELLS + cells, true);
	uint32_t root = (taken + CV_SET_CELLS - 1) / CV_SET_CELLS * CV_SET_CELLS;
	uint32_t cell = root + CV_SET_CELLS;
	struct cv_set *out;

	if (!taken)
		return 0;
	out = cv_arena_at(arena, root);
	memcpy(out->name, set->name, sizeof(out->name));
	cell = write_tree(&numbers, cell, &out->numbers);
	cell = write_tree(&highs, cell, &out->highs);
	/* Programs tell by the keys of lows, whatever these are, that there are any. */
	if (layout.low_shape.depth)
		write_tree(&lows, cell, &out->lows);
	return root;
}

/* One tree of an image, to be read. */
struct source {
	const struct cv_arena *arena;
	enum part part;
	uint32_t width;
	uint32_t keys; /* 0: there are none */
	uint32_t leaves; /* cell of the first node of the deepest level */
	uint32_t cells;
	bool from_zero;
};

static struct source source_of(const struct cv_arena *arena, const struct cv_set_tree *tree,
			       enum part part)
{
	struct source source = {
		.arena = arena,
		.part = part,
		.width = part == PART_NUMBER ? CV_SET_NUMBERS : CV_SET_HALVES,
		.keys = tree->keys & ~CV_SET_FROM_ZERO,
		.from_zero = tree->keys & CV_SET_FROM_ZERO,
	};

	for (uint32_t level = 0; level < CV_SET_LEVELS && tree->levels[level]; level++)
		source.leaves = tree->levels[level];
	if (source.keys)
		source.cells = source.leaves - tree->levels[0] +
			       (source.keys + source.width - 1) / source.width * CV_NODE_CELLS;
	return source;
}

static uint64_t read_half(const struct source *source, uint32_t index)
{
	const void *node =
		cv_arena_at(source->arena, source->leaves + index / source->width * CV_NODE_CELLS);

	return get_key(node, index % source->width, source->part);
}

/* The keys of one kind in an image. */
struct image_keys {
	struct source first; /* numbers, or high halves */
	struct source lows;
	bool is_address;
};

static struct image_keys image_keys_of(const struct cv_arena *arena, const struct cv_set *set,
				       bool is_address)
{
	return (struct image_keys){
		.first = is_address ? source_of(arena, &set->highs, PART_HIGH)
				    : source_of(arena, &set->numbers, PART_NUMBER),
		.lows = source_of(arena, &set->lows, PART_LOW),
		.is_address = is_address,
	};
}

static void read_key(const struct image_keys *keys, uint32_t index, uint64_t key[2])
{
	uint64_t first = read_half(&keys->first, index);

	key[0] = keys->is_address ? first : 0;
	key[1] = !keys->is_address ? first
		 : keys->lows.keys ? read_half(&keys->lows, index)
				   : UINT64_MAX;
}

/* What stands between a key and the next one is inside if the key is the last value of what is not.
 */
static int read_intervals(const struct image_keys *keys, struct cv_interval **out, size_t *count)
{
	struct cv_interval current = { .min = { 0 } };
	bool is_inside = keys->first.from_zero;

	*out = calloc(keys->first.keys / 2 + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (uint32_t i = 0; i < keys->first.keys; i++, is_inside = !is_inside) {
		read_key(keys, i, current.max);
		if (is_inside)
			(*out)[(*count)++] = current;
		current.min[0] = current.max[0] + (current.max[1] == UINT64_MAX);
		current.min[1] = current.max[1] + 1;
	}
	if (!is_inside)
		return 0;
	current.max[0] = keys->is_address ? UINT64_MAX : 0;
	current.max[1] = keys->is_address ? UINT64_MAX : UINT32_MAX;
	(*out)[(*count)++] = current;
	return 0;
}

static int read_set(const struct cv_arena *arena, uint32_t root, struct cv_compiled_set *out)
{
	const struct cv_set *set = cv_arena_at(arena, root);
	struct image_keys numbers = image_keys_of(arena, set, false);
	struct image_keys addresses = image_keys_of(arena, set, true);
	int rc = read_intervals(&numbers, &out->numbers, &out->number_count);

	memcpy(out->name, set->name, sizeof(out->name));
	return rc ? rc : read_intervals(&addresses, &out->addresses, &out->address_count);
}

static bool has_keys(const struct image_keys *image, const struct keys *keys)
{
	if (image->first.keys != keys->count || image->first.from_zero != keys->from_zero)
		return false;
	for (uint32_t i = 0; i < keys->count; i++) {
		uint64_t live[2], wanted[2];

		read_key(image, i, live);
		key_at(keys, i, wanted);
		if (memcmp(live, wanted, sizeof(live)) != 0)
			return false;
	}
	return true;
}

/* True if the set of that root holds the same values. */
static bool is_same(const struct cv_arena *arena, uint32_t root, const struct cv_compiled_set *set)
{
	const struct cv_set *live = cv_arena_at(arena, root);
	struct image_keys numbers = image_keys_of(arena, live, false);
	struct image_keys addresses = image_keys_of(arena, live, true);
	struct keys wanted_numbers = keys_of(set->numbers, set->number_count, false);
	struct keys wanted_addresses = keys_of(set->addresses, set->address_count, true);

	return has_keys(&numbers, &wanted_numbers) && has_keys(&addresses, &wanted_addresses);
}

/* ---- the table ---- */

static struct cv_set_slot *slot_at(const struct cv_arena *arena, uint32_t table, uint32_t index)
{
	struct cv_set_slot *slots = cv_arena_at(arena, table + index / CV_SET_SLOTS);

	return &slots[index % CV_SET_SLOTS];
}

/* Slots of a table for count sets: it has room for more. */
static uint32_t room_for(uint32_t count)
{
	uint32_t room = CV_SET_SLOTS;

	while (room < count)
		room *= 2;
	return room;
}

/* Cell of the set that packets of that generation meet there, 0: none. */
static uint32_t root_of(const struct cv_set_slot *slot, uint16_t generation)
{
	uint64_t word = slot->word;
	uint32_t from = CV_SET_SLOT_FROM(word);

	return from && generation >= from ? CV_SET_SLOT_NEXT(word) : CV_SET_SLOT_ROOT(word);
}

static int no_room(struct cv_err *err, const struct cv_compiled_set *set)
{
	cv_err_set(err, -ENOSPC,
		   "set %s: with it the rules are larger than the %u MiB that they may take",
		   *set->name ? set->name : "of a list",
		   CV_ARENA_SEGMENTS * (CV_ARENA_SEGMENT_CELLS * CV_CELL_BYTES >> 10) >> 10);
	return cv_err_hint(err, "use smaller sets, or broader prefixes");
}

int cv_sets_write(struct cv_arena *arena, const struct cv_rules *rules, struct cv_err *err)
{
	uint32_t table, room = room_for(rules->set_count);

	if (!rules->set_count)
		return 0;
	table = cv_arena_take(arena, room / CV_SET_SLOTS, true);
	if (!table)
		return no_room(err, &rules->sets[0]);
	for (size_t i = 0; i < rules->set_count; i++) {
		uint32_t root = write_set(arena, &rules->sets[i]);

		if (!root)
			return no_room(err, &rules->sets[i]);
		slot_at(arena, table, i)->word = CV_SET_SLOT_WORD(root, 0, 0);
	}
	cv_arena_image(arena)->sets = table;
	cv_arena_image(arena)->set_count = rules->set_count;
	return 0;
}

int cv_sets_read(const struct cv_arena *arena, uint16_t generation, struct cv_rules *out,
		 struct cv_err *err)
{
	const struct cv_image *image = cv_arena_image(arena);
	int rc = 0;

	out->sets = calloc(image->set_count + 1, sizeof(*out->sets));
	if (!out->sets)
		return cv_err_set(err, -ENOMEM, "sets: out of memory");
	for (uint32_t i = 0; !rc && i < image->set_count; i++, out->set_count++) {
		uint32_t root = root_of(slot_at(arena, image->sets, i), generation);

		if (root)
			rc = read_set(arena, root, &out->sets[i]);
	}
	return rc ? cv_err_set(err, rc, "sets: out of memory") : 0;
}

/* ---- changes in place ---- */

/* A change at work. */
struct change {
	struct cv_arena *arena;
	struct cv_image *image;
	uint16_t generation;
	bool is_settled; /* nobody meets an earlier generation any more */
};

static struct cv_set_slot *slot_of(const struct change *change, uint32_t number)
{
	return slot_at(change->arena, change->image->sets, number - 1);
}

static uint32_t cells_of_set(const struct cv_arena *arena, uint32_t root)
{
	const struct cv_set *set = cv_arena_at(arena, root);

	return CV_SET_CELLS + source_of(arena, &set->numbers, PART_NUMBER).cells +
	       source_of(arena, &set->highs, PART_HIGH).cells +
	       source_of(arena, &set->lows, PART_LOW).cells;
}

/* Lets the next generation meet the set of that root, 0: none. */
static void turn(struct change *change, uint32_t number, uint32_t root)
{
	struct cv_set_slot *slot = slot_of(change, number);
	uint32_t now = root_of(slot, change->generation);

	/* What the slot had before `now` is forgotten: no packet may be on its way with it. */
	if (CV_SET_SLOT_FROM(slot->word) && !change->is_settled && change->arena->source.settle) {
		change->arena->source.settle(change->arena->source.arg);
		change->is_settled = true;
	}
	if (now)
		change->image->garbage_cells += cells_of_set(change->arena, now);
	__atomic_store_n(&slot->word, CV_SET_SLOT_WORD(now, root, change->generation + 1),
			 __ATOMIC_RELEASE);
}

/* Makes the table larger by one set. Returns its number, 0 if there is no memory. Packets that find the
 * new table find in it what the old one has. */
static uint32_t grow(struct change *change)
{
	struct cv_image *image = change->image;
	uint32_t count = image->set_count, room = count ? room_for(count) : 0;
	uint32_t table;

	if (count == room) {
		table = cv_arena_take(change->arena, room_for(count + 1) / CV_SET_SLOTS, true);
		if (!table)
			return 0;
		for (uint32_t i = 0; i < count; i++)
			*slot_at(change->arena, table, i) = *slot_at(change->arena, image->sets, i);
		image->garbage_cells += room / CV_SET_SLOTS;
		__atomic_store_n(&image->sets, table, __ATOMIC_RELEASE);
	}
	return ++image->set_count;
}

/* The number of a set that can be used anew, or a new one; 0: there is no memory. */
static uint32_t free_number(struct change *change)
{
	for (uint32_t number = 1; number <= change->image->set_count; number++) {
		const struct cv_set_slot *slot = slot_of(change, number);

		if (!root_of(slot, change->generation) && !root_of(slot, change->generation + 1))
			return number;
	}
	return grow(change);
}

/* True if the set of that number has that name, or if it is without one and holds the same. */
static bool is_number_of(const struct change *change, uint32_t number,
			 const struct cv_compiled_set *set)
{
	uint32_t root = root_of(slot_of(change, number), change->generation);
	const struct cv_set *live = root ? cv_arena_at(change->arena, root) : NULL;

	return live && !strcmp(live->name, set->name) &&
	       (*set->name || is_same(change->arena, root, set));
}

/* The number that the set has now, 0: none. guess is looked at first. */
static uint32_t find_number(const struct change *change, const struct cv_compiled_set *set,
			    uint32_t guess)
{
	uint32_t count = change->image->set_count;

	if (guess <= count && is_number_of(change, guess, set))
		return guess;
	for (uint32_t number = 1; number <= count; number++)
		if (is_number_of(change, number, set))
			return number;
	return 0;
}

/* Returns the number that the set has from the next generation on, 0 if there is no memory. */
static uint32_t put_set(struct change *change, const struct cv_compiled_set *set, uint32_t guess)
{
	uint32_t number = find_number(change, set, guess), root;

	if (number &&
	    is_same(change->arena, root_of(slot_of(change, number), change->generation), set))
		return number;
	root = write_set(change->arena, set);
	if (root && !number)
		number = free_number(change);
	if (!root || !number)
		return 0;
	turn(change, number, root);
	return number;
}

/* Drops every set that no number of those names. */
static int drop_others(struct change *change, const uint16_t *numbers, size_t count)
{
	CV_FREE bool *is_wanted = calloc(change->image->set_count + 1, sizeof(*is_wanted));

	if (!is_wanted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		is_wanted[numbers[i]] = true;
	for (uint32_t number = 1; number <= change->image->set_count; number++)
		if (!is_wanted[number] && root_of(slot_of(change, number), change->generation))
			turn(change, number, 0);
	return 0;
}

int cv_sets_change(struct cv_arena *arena, uint16_t generation, const struct cv_rules *rules,
		   uint16_t *numbers)
{
	struct change change = { arena, cv_arena_image(arena), generation, false };

	/* Mostly they are the ones from before, in the same order. */
	for (size_t i = 0; i < rules->set_count; i++) {
		numbers[i] = put_set(&change, &rules->sets[i], i ? numbers[i - 1] + 1u : 1);
		if (!numbers[i])
			return -ESTALE;
	}
	return drop_others(&change, numbers, rules->set_count) ? -ESTALE : 0;
}

uint16_t cv_set_number(const struct cv_arena *arena, uint16_t generation, const char *name)
{
	const struct cv_image *image = cv_arena_image(arena);

	for (uint32_t i = 0; i < image->set_count; i++) {
		uint32_t root = root_of(slot_at(arena, image->sets, i), generation);

		if (root && !strcmp(((const struct cv_set *)cv_arena_at(arena, root))->name, name))
			return i + 1;
	}
	return 0;
}

uint16_t cv_set_change(struct cv_arena *arena, uint16_t generation,
		       const struct cv_compiled_set *set)
{
	struct change change = { arena, cv_arena_image(arena), generation, false };
	uint16_t number = cv_set_number(arena, generation, set->name);

	return number ? put_set(&change, set, number) : 0;
}
