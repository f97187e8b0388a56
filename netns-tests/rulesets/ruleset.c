/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule sets like those of real filters: see ruleset.h. */
#include "ruleset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"
#include "random.h"

const char *const ruleset_style_names[RULESET_STYLE_COUNT] = {
	[RULESET_ACL] = "acl",
	[RULESET_FW] = "fw",
	[RULESET_IPC] = "ipc",
	[RULESET_MIX] = "mix",
};

const char *const ruleset_family_names[RULESET_FAMILY_COUNT] = {
	[RULESET_IPV4] = "4",
	[RULESET_IPV6] = "6",
	[RULESET_BOTH] = "both",
};

#define COUNT_MAX 2000000
#define LENGTHS 16
#define PORT_PAIRS 512
#define EXACT_PORTS 96
#define PORT_ANY                                                                                   \
	{                                                                                          \
		0, 65535                                                                           \
	}
#define PORT_HIGH                                                                                  \
	{                                                                                          \
		1024, 65535                                                                        \
	}
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_GRE 47
#define PROTO_ESP 50
#define PROTO_ICMP6 58

/* How often a prefix has that length, in any unit; lengths are those of IPv4. */
struct length {
	uint8_t bits;
	uint8_t weight;
};

/* One side of a style: its addresses. */
struct side {
	double any; /* share of rules that take any address */
	double fresh; /* share of the others that bring a prefix of their own */
	size_t fresh_max; /* there are no more prefixes than this; 0: no bound */
	struct length lengths[LENGTHS];
};

/* What a side's ports are, in hundredths; the rest is a range. */
struct port_mix {
	uint8_t any;
	uint8_t high; /* 1024 to 65535 */
	uint8_t exact;
};

struct style {
	struct side src;
	struct side dst;
	double core; /* share of rules that are broad on both sides */
	size_t port_pairs; /* distinct ones */
	struct port_mix sport;
	struct port_mix dport;
	uint8_t tcp; /* hundredths of the rules; the rest of the four is "any" */
	uint8_t udp;
	uint8_t icmp;
	uint8_t tunnelled; /* ESP, GRE */
	uint8_t disorder; /* how far, in bits of prefix, a rule may stand before a narrower one */
};

static const struct style styles[] = {
	[RULESET_ACL] = {
		.src = { .any = 0.001,
			 .fresh = 0.99,
			 .lengths = { { 32, 46 }, { 31, 2 }, { 30, 5 }, { 29, 5 }, { 28, 8 },
				      { 27, 6 }, { 26, 4 }, { 25, 3 }, { 24, 12 }, { 23, 3 },
				      { 22, 2 }, { 21, 1 }, { 20, 1 }, { 18, 1 }, { 17, 1 } } },
		.dst = { .any = 0.005,
			 .fresh = 0.5,
			 .fresh_max = 400,
			 .lengths = { { 32, 58 }, { 30, 4 }, { 29, 3 }, { 28, 4 }, { 27, 4 },
				      { 26, 3 }, { 24, 14 }, { 23, 3 }, { 22, 2 }, { 21, 2 },
				      { 20, 2 }, { 16, 1 } } },
		.core = 0.004,
		.port_pairs = 210,
		.sport = { .any = 96, .high = 2, .exact = 2 },
		.dport = { .any = 6, .high = 10, .exact = 72 },
		.tcp = 76,
		.udp = 14,
		.icmp = 4,
		.tunnelled = 2,
		.disorder = 3,
	},
	[RULESET_FW] = {
		.src = { .any = 0.42,
			 .fresh = 0.34,
			 .lengths = { { 32, 62 }, { 30, 3 }, { 29, 3 }, { 28, 6 }, { 27, 3 },
				      { 26, 3 }, { 24, 12 }, { 23, 2 }, { 22, 2 }, { 20, 2 },
				      { 18, 1 }, { 17, 1 } } },
		.dst = { .any = 0.15,
			 .fresh = 0.78,
			 .lengths = { { 32, 70 }, { 30, 3 }, { 29, 3 }, { 28, 5 }, { 27, 3 },
				      { 26, 2 }, { 24, 9 }, { 23, 2 }, { 22, 1 }, { 20, 1 },
				      { 17, 1 } } },
		.core = 0.023,
		.port_pairs = 480,
		.sport = { .any = 62, .high = 14, .exact = 20 },
		.dport = { .any = 20, .high = 12, .exact = 60 },
		.tcp = 66,
		.udp = 18,
		.icmp = 6,
		.tunnelled = 3,
		.disorder = 6,
	},
	[RULESET_IPC] = {
		.src = { .any = 0.08,
			 .fresh = 0.93,
			 .lengths = { { 32, 44 }, { 31, 2 }, { 30, 6 }, { 29, 5 }, { 28, 6 },
				      { 27, 5 }, { 26, 4 }, { 25, 3 }, { 24, 12 }, { 23, 3 },
				      { 22, 3 }, { 21, 2 }, { 20, 2 }, { 19, 1 }, { 18, 1 },
				      { 17, 1 } } },
		.dst = { .any = 0.06,
			 .fresh = 0.96,
			 .lengths = { { 32, 48 }, { 31, 2 }, { 30, 5 }, { 29, 4 }, { 28, 6 },
				      { 27, 5 }, { 26, 4 }, { 25, 3 }, { 24, 11 }, { 23, 3 },
				      { 22, 3 }, { 21, 2 }, { 20, 2 }, { 19, 1 }, { 18, 1 },
				      { 17, 1 } } },
		.core = 0.017,
		.port_pairs = 390,
		.sport = { .any = 70, .high = 10, .exact = 16 },
		.dport = { .any = 38, .high = 10, .exact = 46 },
		.tcp = 55,
		.udp = 25,
		.icmp = 6,
		.tunnelled = 2,
		.disorder = 3,
	},
};

/* Prefixes that rules of one side have; those of one style and family. */
struct pool {
	struct ruleset_prefix *prefixes;
	size_t count;
};

struct port_pair {
	struct ruleset_ports sport;
	struct ruleset_ports dport;
};

/* What the making of one style's rules of one family needs. */
struct maker {
	const struct style *style;
	uint8_t family;
	struct pool src;
	struct pool dst;
	struct port_pair ports[PORT_PAIRS];
	struct random random;
};

/* ---- addresses ---- */

static void clear_tail(struct ruleset_prefix *prefix)
{
	for (unsigned int bit = prefix->bits; bit < 128; bit++)
		prefix->bytes[bit / 8] &= ~(0x80 >> bit % 8);
}

/* As ISPs and sites hand them out: hosts, networks of 64 bits, sites of 48 and 56, providers. */
static uint8_t length_of_ipv6(struct random *random, uint8_t bits)
{
	if (bits == 32)
		return random_chance(random, 0.6) ? 128 : 64;
	if (bits > 27)
		return random_chance(random, 0.8) ? 64 : 124;
	if (bits > 24)
		return 56;
	if (bits == 24)
		return random_chance(random, 0.5) ? 48 : 52;
	if (bits > 19)
		return 40 + 4 * (bits & 1);
	return bits > 16 ? 36 : bits * 2;
}

static uint8_t draw_length(struct maker *maker, const struct side *side)
{
	unsigned int total = 0, at;
	uint8_t bits = 32;

	for (int i = 0; i < LENGTHS; i++)
		total += side->lengths[i].weight;
	at = random_below(&maker->random, total);
	for (int i = 0; i < LENGTHS; i++) {
		bits = side->lengths[i].bits;
		if (at < side->lengths[i].weight)
			break;
		at -= side->lengths[i].weight;
	}
	return maker->family == 6 ? length_of_ipv6(&maker->random, bits) : bits;
}

/* Any address that a packet from elsewhere may have. */
static void draw_address(struct random *random, uint8_t family, uint8_t bytes[16])
{
	for (int i = 0; i < 16; i += 8) {
		uint64_t value = random_u64(random);

		memcpy(bytes + i, &value, sizeof(value));
	}
	if (family == 6) {
		bytes[0] = 0x20 | (bytes[0] & 0x1f);
		return;
	}
	memset(bytes + 4, 0, 12);
	do
		bytes[0] = 1 + random_below(random, 223);
	while (bytes[0] == 127);
}

/* Networks lie side by side: most new prefixes share their first bits with one that is there. */
static void draw_neighbour(struct maker *maker, const struct pool *pool,
			   struct ruleset_prefix *prefix)
{
	const struct ruleset_prefix *old =
		&pool->prefixes[random_below(&maker->random, pool->count)];
	unsigned int unit = maker->family == 6 ? 16 : 8;
	unsigned int shared = unit * random_between(&maker->random, 1, 3);

	for (unsigned int i = 0; i < shared / 8; i++)
		prefix->bytes[i] = old->bytes[i];
}

static struct ruleset_prefix new_prefix(struct maker *maker, struct pool *pool, uint8_t bits)
{
	struct ruleset_prefix prefix = { .bits = bits };

	draw_address(&maker->random, maker->family, prefix.bytes);
	if (pool->count && random_chance(&maker->random, 0.75))
		draw_neighbour(maker, pool, &prefix);
	clear_tail(&prefix);
	pool->prefixes[pool->count++] = prefix;
	return prefix;
}

static struct ruleset_prefix draw_prefix(struct maker *maker, struct pool *pool,
					 const struct side *side)
{
	bool is_full = side->fresh_max && pool->count >= side->fresh_max;

	if (!pool->count || (!is_full && random_chance(&maker->random, side->fresh)))
		return new_prefix(maker, pool, draw_length(maker, side));
	return pool->prefixes[random_below(&maker->random, pool->count)];
}

static struct ruleset_prefix draw_broad(struct maker *maker)
{
	static const uint8_t lengths[] = { 0, 8, 12, 16, 16 };
	struct ruleset_prefix prefix = { 0 };

	prefix.bits = lengths[random_below(&maker->random, sizeof(lengths))];
	if (maker->family == 6)
		prefix.bits *= 2;
	draw_address(&maker->random, maker->family, prefix.bytes);
	clear_tail(&prefix);
	return prefix;
}

static void draw_addresses(struct maker *maker, struct ruleset_rule *rule)
{
	const struct style *style = maker->style;

	if (random_chance(&maker->random, style->core)) {
		rule->src = draw_broad(maker);
		rule->dst = draw_broad(maker);
	} else if (random_chance(&maker->random, style->src.any)) {
		rule->dst = draw_prefix(maker, &maker->dst, &style->dst);
	} else {
		rule->src = draw_prefix(maker, &maker->src, &style->src);
		if (!random_chance(&maker->random, style->dst.any / (1 - style->src.any)))
			rule->dst = draw_prefix(maker, &maker->dst, &style->dst);
	}
}

/* ---- ports and protocols ---- */

/* Few services are meant by most rules. */
static uint16_t draw_exact(struct random *random)
{
	static const uint16_t services[] = { 80,   443, 53,  25,   22,	 110, 21,   123,
					     143,  23,	161, 8080, 3306, 389, 1521, 1433,
					     3389, 445, 139, 514,  179,	 500, 993,  5060 };
	size_t known = sizeof(services) / sizeof(services[0]);
	size_t rank = random_below(random, 1 + random_below(random, EXACT_PORTS));

	return rank < known ? services[rank] : 1024 + rank * 397 % 20000;
}

static struct ruleset_ports draw_ports(struct random *random, const struct port_mix *mix)
{
	int at = (int)random_below(random, 100);
	struct ruleset_ports ports = PORT_ANY;
	uint16_t exact;

	if (at < mix->any)
		return ports;
	if (at < mix->any + mix->high)
		return (struct ruleset_ports)PORT_HIGH;
	exact = draw_exact(random);
	ports.min = ports.max = exact;
	if (at >= mix->any + mix->high + mix->exact)
		ports.max = exact + random_between(random, 1, 1u << random_between(random, 2, 14));
	return ports;
}

static bool has_pair(const struct maker *maker, size_t count, const struct port_pair *pair)
{
	for (size_t i = 0; i < count; i++)
		if (!memcmp(&maker->ports[i], pair, sizeof(*pair)))
			return true;
	return false;
}

static void make_ports(struct maker *maker)
{
	const struct style *style = maker->style;
	struct port_pair pair;

	for (size_t i = 0; i < style->port_pairs; i++) {
		do {
			pair.sport = draw_ports(&maker->random, &style->sport);
			pair.dport = draw_ports(&maker->random, &style->dport);
		} while (has_pair(maker, i, &pair) ||
			 (ruleset_is_any_port(pair.sport) && ruleset_is_any_port(pair.dport)));
		maker->ports[i] = pair;
	}
}

/* Without ports: what has none, or all of a protocol. The first pairs are the usual ones. */
static void draw_service(struct maker *maker, struct ruleset_rule *rule)
{
	const struct style *style = maker->style;
	struct random *random = &maker->random;
	int at = (int)random_below(random, 100);
	size_t pair;

	rule->sport = rule->dport = (struct ruleset_ports)PORT_ANY;
	rule->has_proto = true;
	if ((at -= style->icmp) < 0) {
		rule->proto = maker->family == 6 ? PROTO_ICMP6 : PROTO_ICMP;
	} else if ((at -= style->tunnelled) < 0) {
		rule->proto = random_chance(random, 0.5) ? PROTO_ESP : PROTO_GRE;
	} else if ((at -= style->tcp + style->udp) < 0) {
		rule->proto = at < -style->udp ? PROTO_TCP : PROTO_UDP;
		if (random_below(random, 100) < 8)
			return;
		pair = random_below(random, 1 + random_below(random, style->port_pairs));
		rule->sport = maker->ports[pair].sport;
		rule->dport = maker->ports[pair].dport;
	} else {
		rule->has_proto = false;
	}
}

/* ---- no rule stands twice ---- */

/* Open addressing over indexes of rules + 1. */
struct seen {
	uint32_t *slots;
	size_t mask;
};

static uint64_t hash_bytes(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

static int seen_make(struct seen *seen, size_t count)
{
	size_t size = 16;

	while (size < 2 * count)
		size *= 2;
	seen->slots = calloc(size, sizeof(*seen->slots));
	seen->mask = size - 1;
	return seen->slots ? 0 : -ENOMEM;
}

static void seen_fini(struct seen *seen)
{
	free(seen->slots);
}

/* Returns false if items, each of that size, have the one at index already. */
static bool seen_add(struct seen *seen, const void *items, size_t size, size_t index)
{
	const char *at = items, *item = at + index * size;
	size_t slot = hash_bytes(item, size) & seen->mask;

	for (; seen->slots[slot]; slot = (slot + 1) & seen->mask)
		if (!memcmp(at + (seen->slots[slot] - 1) * size, item, size))
			return false;
	seen->slots[slot] = index + 1;
	return true;
}

/* ---- the set ---- */

static int maker_init(struct maker *maker, enum ruleset_style style, uint8_t family, size_t count,
		      uint64_t seed)
{
	maker->style = &styles[style];
	maker->family = family;
	maker->random.state = seed ^ (uint64_t)style << 40 ^ (uint64_t)family << 48;
	/* Rules that stand twice are drawn again. */
	maker->src.prefixes = calloc(4 * count + 64, sizeof(*maker->src.prefixes));
	maker->dst.prefixes = calloc(4 * count + 64, sizeof(*maker->dst.prefixes));
	if (!maker->src.prefixes || !maker->dst.prefixes)
		return -ENOMEM;
	make_ports(maker);
	return 0;
}

static void maker_fini(struct maker *maker)
{
	free(maker->src.prefixes);
	free(maker->dst.prefixes);
}

static void draw_rule(struct maker *maker, enum ruleset_family family, struct ruleset_rule *rule)
{
	memset(rule, 0, sizeof(*rule)); /* compared as bytes */
	draw_addresses(maker, rule);
	draw_service(maker, rule);
	rule->family = maker->family;
	if (family == RULESET_BOTH && !rule->src.bits && !rule->dst.bits &&
	    rule->proto != PROTO_ICMP && rule->proto != PROTO_ICMP6)
		rule->family = 0;
}

/* Makers by style and by family: 4, 6. */
struct makers {
	struct maker of[RULESET_MIX][2];
};

static void makers_fini(struct makers *makers)
{
	for (int style = 0; style < RULESET_MIX; style++)
		for (int family = 0; family < 2; family++)
			maker_fini(&makers->of[style][family]);
	free(makers);
}

static void makers_free(struct makers **makers)
{
	if (*makers)
		makers_fini(*makers);
	*makers = NULL;
}

static int makers_init(struct makers *makers, const struct ruleset_conf *conf)
{
	int rc = 0;

	for (int style = 0; style < RULESET_MIX && !rc; style++)
		for (int family = 0; family < 2 && !rc; family++)
			rc = maker_init(&makers->of[style][family], style, family ? 6 : 4,
					conf->count, conf->seed);
	return rc;
}

static struct maker *choose_maker(struct makers *makers, const struct ruleset_conf *conf,
				  struct random *random)
{
	int style = conf->style == RULESET_MIX ? (int)random_below(random, RULESET_MIX)
					       : (int)conf->style;
	int family = conf->family == RULESET_BOTH ? (int)random_below(random, 2)
						  : conf->family == RULESET_IPV6;

	return &makers->of[style][family];
}

static int draw_rules(struct ruleset *set, struct makers *makers, struct random *random)
{
	CV_CLEANUP(seen_fini) struct seen seen = { 0 };
	int rc = seen_make(&seen, set->conf.count);

	while (!rc && set->count < set->conf.count) {
		struct maker *maker = choose_maker(makers, &set->conf, random);

		if (maker->src.count > 4 * set->conf.count ||
		    maker->dst.count > 4 * set->conf.count)
			return -ENOSPC; /* a style that has no more rules to give */
		draw_rule(maker, set->conf.family, &set->rules[set->count]);
		if (seen_add(&seen, set->rules, sizeof(*set->rules), set->count))
			set->count++;
	}
	return rc;
}

/* ---- order ---- */

struct placed {
	struct ruleset_rule rule;
	uint64_t key;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *left = a, *right = b;

	return (left->key > right->key) - (left->key < right->key);
}

/* The more bits are asked, the earlier; in the low half what decides between equals. */
static uint64_t place_of(const struct ruleset_rule *rule, uint8_t disorder, struct random *random)
{
	unsigned int width = rule->family == 6 ? 4 : 1;
	unsigned int asked = (rule->src.bits + rule->dst.bits) / width;
	uint64_t place;

	asked += ruleset_is_any_port(rule->sport) ? 0 : 4;
	asked += ruleset_is_any_port(rule->dport) ? 0 : 4;
	asked += rule->has_proto ? 2 : 0;
	place = 128 - asked + random_below(random, disorder + 1);
	return place << 32 | random_below(random, 1ull << 32);
}

static int order_rules(struct ruleset *set, struct random *random)
{
	CV_FREE struct placed *placed = calloc(set->count, sizeof(*placed));
	uint8_t disorder = set->conf.style == RULESET_MIX ? 6 : styles[set->conf.style].disorder;

	if (!placed)
		return -ENOMEM;
	for (size_t i = 0; i < set->count; i++) {
		placed[i].rule = set->rules[i];
		placed[i].key = set->conf.is_shuffled ? random_u64(random)
						      : place_of(&set->rules[i], disorder, random);
	}
	qsort(placed, set->count, sizeof(*placed), compare_placed);
	for (size_t i = 0; i < set->count; i++)
		set->rules[i] = placed[i].rule;
	return 0;
}

int ruleset_choose(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

bool ruleset_conf_read(struct ruleset_conf *conf, const char *style, const char *count,
		       const char *family)
{
	int style_index = ruleset_choose(ruleset_style_names, RULESET_STYLE_COUNT, style);
	int family_index = ruleset_choose(ruleset_family_names, RULESET_FAMILY_COUNT, family);
	char *end;

	*conf = (struct ruleset_conf){ .seed = 1, .count = strtoul(count, &end, 10) };
	if (style_index < 0 || family_index < 0 || *end || !conf->count || conf->count > COUNT_MAX)
		return false;
	conf->style = style_index;
	conf->family = family_index;
	return true;
}

int ruleset_make(struct ruleset *set, const struct ruleset_conf *conf)
{
	CV_CLEANUP(makers_free) struct makers *makers = calloc(1, sizeof(*makers));
	CV_CLEANUP(ruleset_fini) struct ruleset made = { .conf = *conf };
	struct random random = { .state = conf->seed };
	int rc;

	made.rules = calloc(conf->count, sizeof(*made.rules));
	if (!makers || !made.rules)
		return -ENOMEM;
	rc = makers_init(makers, conf);
	if (!rc)
		rc = draw_rules(&made, makers, &random);
	if (!rc)
		rc = order_rules(&made, &random);
	if (rc)
		return rc;
	*set = made;
	made = (struct ruleset){ 0 };
	return 0;
}

void ruleset_fini(struct ruleset *set)
{
	free(set->rules);
	*set = (struct ruleset){ 0 };
}

/* ---- what a set looks like ---- */

/* One feature of a rule, as bytes that are equal where the feature is. */
struct feature {
	uint8_t bytes[36];
};

enum feature_kind { F_TUPLE, F_SRC, F_DST, F_PAIR, F_PORTS };

static void feature_of(struct feature *feature, const struct ruleset_rule *rule,
		       enum feature_kind kind)
{
	uint8_t *at = feature->bytes;

	memset(feature, 0, sizeof(*feature));
	if (kind == F_PORTS) {
		memcpy(at, &rule->sport, sizeof(rule->sport));
		memcpy(at + sizeof(rule->sport), &rule->dport, sizeof(rule->dport));
		return;
	}
	at[0] = rule->family;
	if (kind != F_DST)
		at[1] = rule->src.bits;
	if (kind != F_SRC)
		at[2] = rule->dst.bits;
	if (kind == F_SRC || kind == F_PAIR)
		memcpy(at + 3, rule->src.bytes, 16);
	if (kind == F_DST || kind == F_PAIR)
		memcpy(at + 19, rule->dst.bytes, 16);
}

static int count_distinct(size_t *distinct, const struct ruleset *set, enum feature_kind kind)
{
	CV_FREE struct feature *features = calloc(set->count, sizeof(*features));
	CV_CLEANUP(seen_fini) struct seen seen = { 0 };

	if (!features || seen_make(&seen, set->count))
		return -ENOMEM;
	*distinct = 0;
	for (size_t i = 0; i < set->count; i++) {
		feature_of(&features[i], &set->rules[i], kind);
		*distinct += seen_add(&seen, features, sizeof(*features), i);
	}
	return 0;
}

static bool is_broad(const struct ruleset_rule *rule)
{
	unsigned int limit = rule->family == 6 ? 32 : 16;

	return rule->src.bits <= limit && rule->dst.bits <= limit;
}

int ruleset_measure(struct ruleset_shape *shape, const struct ruleset *set)
{
	*shape = (struct ruleset_shape){ 0 };
	for (size_t i = 0; i < set->count; i++) {
		shape->any_source += !set->rules[i].src.bits;
		shape->any_destination += !set->rules[i].dst.bits;
		shape->broad += is_broad(&set->rules[i]);
	}
	if (count_distinct(&shape->tuples, set, F_TUPLE) ||
	    count_distinct(&shape->sources, set, F_SRC) ||
	    count_distinct(&shape->destinations, set, F_DST) ||
	    count_distinct(&shape->pairs, set, F_PAIR) ||
	    count_distinct(&shape->port_pairs, set, F_PORTS))
		return -ENOMEM;
	return 0;
}
