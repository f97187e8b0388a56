/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lists multiplied out: a rule with lists becomes one match for each combination of their values. What
 * overlaps or touches is one value; a list that is negated is the list of all others, or a set; and of
 * lists whose product is too large the longest become sets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile_parts.h"
#include "own.h"
#include "set.h"

#define CV_MAX_PRODUCT 256 /* matches of one rule while lists can become sets */
#define CV_MAX_PORT UINT16_MAX

/* In the order in which they are multiplied out. */
enum axis {
	AXIS_SRC,
	AXIS_DST,
	AXIS_SPORT,
	AXIS_DPORT,
	AXIS_LEN,
	AXIS_VLAN,
	AXIS_MARK,
	AXIS_COUNT
};

static const struct {
	enum cv_field field;
	enum cv_set_field set_field;
	size_t size; /* of an item */
	uint32_t max; /* of ranges */
	uint32_t flag; /* of a condition that can be turned round in a match; 0: it cannot */
} axes[AXIS_COUNT] = {
	[AXIS_SRC] = { CV_FIELD_SRC, CV_SET_FIELD_SRC, sizeof(struct cv_prefix), 0, 0 },
	[AXIS_DST] = { CV_FIELD_DST, CV_SET_FIELD_DST, sizeof(struct cv_prefix), 0, 0 },
	[AXIS_SPORT] = { CV_FIELD_SPORT, CV_SET_FIELD_SPORT, sizeof(struct cv_range), CV_MAX_PORT,
			 0 },
	[AXIS_DPORT] = { CV_FIELD_DPORT, CV_SET_FIELD_DPORT, sizeof(struct cv_range), CV_MAX_PORT,
			 0 },
	[AXIS_LEN] = { CV_FIELD_LEN, CV_SET_FIELD_LEN, sizeof(struct cv_range), UINT32_MAX,
		       CV_MATCH_LEN },
	[AXIS_VLAN] = { CV_FIELD_VLAN, CV_SET_FIELD_VLAN, sizeof(struct cv_range), CV_VLAN_MAX,
			CV_MATCH_VLAN },
	[AXIS_MARK] = { CV_FIELD_MARK, CV_SET_FIELD_MARK, sizeof(struct cv_mark_condition), 0, 0 },
};

struct list {
	const void *items; /* struct cv_prefix, cv_range or cv_mark_condition */
	size_t count; /* 0: nothing is asked */
	void *owned;
};

/* A multiplication at work. */
struct product {
	struct compile *compile;
	const struct cv_rule_conf *conf;
	struct cv_match base;
	struct list lists[AXIS_COUNT];
};

static void free_lists(struct product *product)
{
	for (int axis = 0; axis < AXIS_COUNT; axis++)
		free(product->lists[axis].owned);
}

static int no_memory(const struct product *product, struct cv_err *err)
{
	return cv_err_set(err, -ENOMEM, "rule %s: out of memory", product->conf->name);
}

/* ---- prefixes: sorted, none in another, neighbours joined ---- */

static int compare_prefixes(const void *a, const void *b)
{
	const struct cv_prefix *x = a, *y = b;
	int order = x->addr.family - y->addr.family;

	if (!order)
		order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));
	return order ? order : x->bits - y->bits;
}

static bool covers(const struct cv_prefix *a, const struct cv_prefix *b)
{
	return a->addr.family == b->addr.family && a->bits <= b->bits &&
	       cv_prefix_contains(a, &b->addr);
}

/* True if both are halves of one prefix, a the lower one. */
static bool are_halves(const struct cv_prefix *a, const struct cv_prefix *b)
{
	struct cv_prefix other = *a;
	unsigned int bit = a->bits - 1;

	if (!a->bits || a->bits != b->bits)
		return false;
	other.addr.bytes[bit / 8] |= 0x80 >> bit % 8;
	return compare_prefixes(a, &other) && !compare_prefixes(b, &other);
}

/* Returns how many are left. */
static size_t normalise_prefixes(struct cv_prefix *items, size_t count)
{
	size_t kept = 0;

	qsort(items, count, sizeof(*items), compare_prefixes);
	for (size_t i = 0; i < count; i++) {
		if (kept && covers(&items[kept - 1], &items[i]))
			continue;
		items[kept++] = items[i];
		for (; kept > 1 && are_halves(&items[kept - 2], &items[kept - 1]); kept--)
			items[kept - 2].bits--;
	}
	return kept;
}

/* ---- ranges: sorted, neighbours joined, or all others ---- */

static int compare_ranges(const void *a, const void *b)
{
	const struct cv_range *x = a, *y = b;

	return (x->min > y->min) - (x->min < y->min);
}

static size_t normalise_ranges(struct cv_range *items, size_t count)
{
	size_t kept = 0;

	qsort(items, count, sizeof(*items), compare_ranges);
	for (size_t i = 0; i < count; i++) {
		if (!kept || items[i].min > (uint64_t)items[kept - 1].max + 1)
			items[kept++] = items[i];
		else if (items[i].max > items[kept - 1].max)
			items[kept - 1].max = items[i].max;
	}
	return kept;
}

/* Turns ranges, which are normalised and have room for one more, into all other values up to max. */
static size_t complement(struct cv_range *items, size_t count, uint32_t max)
{
	uint64_t next = 0;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct cv_range range = items[i];

		if (range.min > next)
			items[kept++] = (struct cv_range){ next, range.min - 1 };
		next = (uint64_t)range.max + 1;
	}
	if (next <= max)
		items[kept++] = (struct cv_range){ next, max };
	return kept;
}

/* ---- marks ---- */

#define CV_MARK_BITS 32
#define CV_MAX_MARKS (CV_MARK_BITS * CV_MARK_BITS) /* two negated masks */

/* Adds to out what of a mark holds together with a condition. Returns how many that are. */
static size_t join_marks(const struct cv_mark_condition *a, const struct cv_mark_condition *b,
			 struct cv_mark_condition *out)
{
	bool is_apart = (a->mark ^ b->mark) & a->mask & b->mask;
	size_t count = 0;

	if (b->is_not && is_apart) {
		out[0] = *a;
		return 1;
	}
	if (!b->is_not) {
		out[0] = (struct cv_mark_condition){ a->mark | b->mark, a->mask | b->mask, false };
		return !is_apart;
	}
	/* One of the bits at least is another. */
	for (uint32_t bit = 1; bit; bit <<= 1)
		if (b->mask & ~a->mask & bit)
			out[count++] = (struct cv_mark_condition){ a->mark | (~b->mark & bit),
								   a->mask | bit, false };
	return count;
}

/* Each once. */
static size_t keep_different(struct cv_mark_condition *items, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		size_t j = 0;

		while (j < kept &&
		       (items[j].mark != items[i].mark || items[j].mask != items[i].mask))
			j++;
		items[j] = items[i];
		kept += j == kept;
	}
	return kept;
}

/* A match has room for one condition, plain or negated: two are worked into plain ones, of which one
 * must hold. Returns how many. */
static size_t spread_marks(const struct cv_mark_conditions *marks, struct cv_mark_condition *out)
{
	static const struct cv_mark_condition anything;
	bool is_plain_second = !marks->items[1].is_not;
	struct cv_mark_condition first[CV_MARK_BITS];
	size_t first_count, count = 0;

	first_count = join_marks(&anything, &marks->items[is_plain_second], first);
	for (size_t i = 0; i < first_count; i++)
		count += join_marks(&first[i], &marks->items[!is_plain_second], out + count);
	return keep_different(out, count);
}

/* ---- lists of a rule ---- */

/* Makes a set of what stands in a list, and asks that in its place. */
static int ask_set(struct product *product, enum axis axis, bool is_not, struct cv_err *err)
{
	CV_CLEANUP(cv_compiled_set_fini) struct cv_compiled_set set = { 0 };
	struct list *list = &product->lists[axis];
	bool is_address = axis == AXIS_SRC || axis == AXIS_DST;
	uint16_t number = 0;
	int rc;

	/* The lists of the state are not const, but only read. */
	if (is_address)
		rc = cv_set_add_prefixes(&set,
					 &(struct cv_prefixes){ (void *)list->items, list->count });
	else
		rc = cv_set_add_ranges(&set,
				       &(struct cv_ranges){ (void *)list->items, list->count });
	if (rc)
		return no_memory(product, err);
	cv_set_normalise(&set);
	rc = cv_compile_anonymous(product->compile, product->conf, &set, &number, err);
	if (rc)
		return rc;
	cv_match_ask_set(&product->base, number, axes[axis].set_field, is_not);
	list->count = 0;
	return 0;
}

/* An own copy of a list, with room for one more. */
static int own_list(struct product *product, enum axis axis, struct cv_err *err)
{
	struct list *list = &product->lists[axis];

	list->owned = calloc(list->count + 1, axes[axis].size);
	if (!list->owned)
		return no_memory(product, err);
	memcpy(list->owned, list->items, list->count * axes[axis].size);
	list->items = list->owned;
	return 0;
}

/* What is in none of a list with all of one family is of the other one. False if it cannot be. */
static bool leave_whole_families(struct product *product, const struct cv_prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->count; i++)
		if (!prefixes->items[i].bits &&
		    !cv_match_ask_family(&product->base,
					 prefixes->items[i].addr.family == 4 ? 6 : 4))
			return false;
	return true;
}

static int take_prefixes(struct product *product, enum axis axis,
			 const struct cv_prefixes *prefixes, struct cv_err *err)
{
	bool is_not = cv_match_conf_is_not(&product->conf->match, axes[axis].field);
	struct list *list = &product->lists[axis];
	int rc = 0;

	*list = (struct list){ .items = prefixes->items, .count = prefixes->count };
	if (is_not && !leave_whole_families(product, prefixes))
		return 0;
	if (list->count && is_not)
		rc = ask_set(product, axis, true, err);
	else if (list->count > 1)
		rc = own_list(product, axis, err);
	if (!rc && list->owned)
		list->count = normalise_prefixes(list->owned, list->count);
	return rc ? rc : 1;
}

/* Returns 0 if no value is left. */
static int take_ranges(struct product *product, enum axis axis, const struct cv_ranges *ranges,
		       struct cv_err *err)
{
	bool is_not = cv_match_conf_is_not(&product->conf->match, axes[axis].field);
	struct list *list = &product->lists[axis];

	*list = (struct list){ .items = ranges->items, .count = ranges->count };
	if (!list->count)
		return 1;
	if (is_not && axes[axis].flag && list->count == 1) {
		product->base.extra.not_flags |= axes[axis].flag;
		return 1;
	}
	if (list->count == 1 && !is_not)
		return 1;
	if (own_list(product, axis, err))
		return -ENOMEM;
	list->count = normalise_ranges(list->owned, list->count);
	if (is_not)
		list->count = complement(list->owned, list->count, axes[axis].max);
	return list->count > 0;
}

static int take_marks(struct product *product, const struct cv_mark_conditions *marks,
		      struct cv_err *err)
{
	struct list *list = &product->lists[AXIS_MARK];

	*list = (struct list){ .items = marks->items, .count = marks->count };
	if (list->count < 2)
		return 1;
	list->items = list->owned = calloc(CV_MAX_MARKS, sizeof(struct cv_mark_condition));
	if (!list->owned)
		return no_memory(product, err);
	list->count = spread_marks(marks, list->owned);
	return list->count > 0;
}

/* Returns 0 if one of them has no value. */
static int take_lists(struct product *product, const struct cv_mark_conditions *marks,
		      struct cv_err *err)
{
	const struct cv_match_conf *match = &product->conf->match;
	int rc = take_prefixes(product, AXIS_SRC, &match->src, err);

	if (rc > 0)
		rc = take_prefixes(product, AXIS_DST, &match->dst, err);
	if (rc > 0)
		rc = take_ranges(product, AXIS_SPORT, &match->sport, err);
	if (rc > 0)
		rc = take_ranges(product, AXIS_DPORT, &match->dport, err);
	if (rc > 0)
		rc = take_ranges(product, AXIS_LEN, &match->len, err);
	if (rc > 0)
		rc = take_ranges(product, AXIS_VLAN, &match->vlan, err);
	return rc > 0 ? take_marks(product, marks, err) : rc;
}

/* ---- long lists ---- */

static uint64_t product_of(const struct product *product)
{
	uint64_t count = 1;

	for (int axis = 0; axis < AXIS_COUNT && count < UINT32_MAX; axis++)
		if (product->lists[axis].count)
			count *= product->lists[axis].count;
	return count;
}

static enum axis longest(const struct product *product)
{
	enum axis best = AXIS_SRC;

	for (int axis = AXIS_SRC; axis < AXIS_MARK; axis++)
		if (product->lists[axis].count >= product->lists[best].count)
			best = axis;
	return best;
}

/* Prefixes are sorted by family: a list of one family is about that alone. */
static bool keep_family(struct product *product, enum axis axis)
{
	const struct cv_prefix *items = product->lists[axis].items;
	size_t count = product->lists[axis].count;

	if (axis > AXIS_DST || items[0].addr.family != items[count - 1].addr.family)
		return true;
	return cv_match_ask_family(&product->base, items[0].addr.family);
}

/* Returns 0 if that shows that no packet can meet them. */
static int shorten_lists(struct product *product, struct cv_err *err)
{
	int rc = 0;

	while (!rc && product_of(product) > CV_MAX_PRODUCT) {
		enum axis axis = longest(product);

		if (product->lists[axis].count < 2 ||
		    product->base.extra.sets[CV_MAX_SET_REFS - 1].set)
			break;
		if (!keep_family(product, axis))
			return 0;
		rc = ask_set(product, axis, false, err);
	}
	return rc ? rc : 1;
}

/* ---- matches ---- */

static void prefix_to_abi(const struct cv_prefix *prefix, __be32 addr[4], __be32 mask[4])
{
	uint8_t bytes[16] = { 0 };
	unsigned int whole = prefix->bits / 8, rest = prefix->bits % 8;

	memset(bytes, 0xff, whole);
	if (rest)
		bytes[whole] = 0xff << (8 - rest);
	memcpy(mask, bytes, sizeof(bytes));
	memcpy(addr, prefix->addr.bytes, sizeof(bytes));
}

static bool add_src(struct cv_match *match, const void *item)
{
	const struct cv_prefix *prefix = item;

	match->flags |= CV_MATCH_SRC;
	prefix_to_abi(prefix, match->src, match->src_mask);
	return cv_match_ask_family(match, prefix->addr.family);
}

static bool add_dst(struct cv_match *match, const void *item)
{
	const struct cv_prefix *prefix = item;

	match->flags |= CV_MATCH_DST;
	prefix_to_abi(prefix, match->dst, match->dst_mask);
	return cv_match_ask_family(match, prefix->addr.family);
}

/* One side alone leaves the other open. */
static void open_ports(struct cv_match *match)
{
	if (match->flags & CV_MATCH_PORTS)
		return;
	match->flags |= CV_MATCH_PORTS;
	match->sport_max = match->dport_max = CV_MAX_PORT;
}

static bool add_sport(struct cv_match *match, const void *item)
{
	const struct cv_range *range = item;

	open_ports(match);
	match->sport_min = range->min;
	match->sport_max = range->max;
	return true;
}

static bool add_dport(struct cv_match *match, const void *item)
{
	const struct cv_range *range = item;

	open_ports(match);
	match->dport_min = range->min;
	match->dport_max = range->max;
	return true;
}

static bool add_len(struct cv_match *match, const void *item)
{
	const struct cv_range *range = item;

	match->flags |= CV_MATCH_LEN;
	match->extra.len_min = range->min;
	match->extra.len_max = range->max;
	return true;
}

static bool add_vlan(struct cv_match *match, const void *item)
{
	const struct cv_range *range = item;

	match->flags |= CV_MATCH_VLAN;
	match->extra.vlan_min = range->min;
	match->extra.vlan_max = range->max;
	return true;
}

static bool add_mark(struct cv_match *match, const void *item)
{
	const struct cv_mark_condition *condition = item;

	match->flags |= CV_MATCH_MARK;
	match->extra.not_flags |= condition->is_not ? CV_MATCH_MARK : 0;
	match->extra.mark = condition->mark;
	match->extra.mark_mask = condition->mask;
	return true;
}

static bool (*const adds[AXIS_COUNT])(struct cv_match *match, const void *item) = {
	[AXIS_SRC] = add_src,	  [AXIS_DST] = add_dst, [AXIS_SPORT] = add_sport,
	[AXIS_DPORT] = add_dport, [AXIS_LEN] = add_len, [AXIS_VLAN] = add_vlan,
	[AXIS_MARK] = add_mark,
};

static int too_many_matches(const struct product *product, struct cv_err *err)
{
	const struct cv_rule_conf *conf = product->conf;

	cv_err_input(err,
		     "rule %s: with its lists multiplied out there are more than the %zu matches "
		     "that one instance holds",
		     conf->name, product->compile->max_matches);
	cv_err_hint(err, "use shorter lists or sets");
	return cv_err_at(err, &conf->place);
}

static int emit(const struct product *product, const struct cv_match *match, struct cv_err *err)
{
	struct compile *compile = product->compile;
	struct cv_rules *out = compile->out;

	if (out->match_count == compile->max_matches)
		return too_many_matches(product, err);
	if (out->match_count == compile->match_room) {
		size_t room = compile->match_room ? compile->match_room * 2 : 64;
		struct cv_match *grown = reallocarray(out->matches, room, sizeof(*grown));

		if (!grown)
			return no_memory(product, err);
		out->matches = grown;
		compile->match_room = room;
	}
	out->matches[out->match_count] = *match;
	out->matches[out->match_count++].extra.flags = match->flags & CV_MATCH_EXTRAS;
	return 0;
}

/* All combinations of the lists from that one on. */
static int emit_lists(const struct product *product, const struct cv_match *base, int axis,
		      struct cv_err *err)
{
	const struct list *list = &product->lists[axis];
	int rc = 0;

	if (axis == AXIS_COUNT)
		return emit(product, base, err);
	if (!list->count)
		return emit_lists(product, base, axis + 1, err);
	for (size_t i = 0; !rc && i < list->count; i++) {
		struct cv_match match = *base;

		if (adds[axis](&match, (const char *)list->items + i * axes[axis].size))
			rc = emit_lists(product, &match, axis + 1, err);
	}
	return rc;
}

int cv_multiply(struct compile *compile, const struct cv_rule_conf *conf,
		const struct cv_match *base, const struct cv_mark_conditions *marks,
		struct cv_err *err)
{
	CV_CLEANUP(free_lists)
	struct product product = { .compile = compile, .conf = conf, .base = *base };
	int rc = take_lists(&product, marks, err);

	if (rc > 0)
		rc = shorten_lists(&product, err);
	return rc > 0 ? emit_lists(&product, &product.base, 0, err) : rc;
}
