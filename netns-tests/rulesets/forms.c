/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule sets in others' words: see forms.h. */
#include "forms.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "own.h"

/* ---- compiled ---- */

static void fill_prefix(__be32 addr[4], __be32 mask[4], const struct ruleset_prefix *prefix)
{
	uint8_t bytes[16] = { 0 };

	for (unsigned int bit = 0; bit < prefix->bits; bit++)
		bytes[bit / 8] |= 0x80 >> bit % 8;
	memcpy(addr, prefix->bytes, sizeof(prefix->bytes));
	memcpy(mask, bytes, sizeof(bytes));
}

void form_match(struct cv_match *match, const struct ruleset_rule *rule)
{
	*match = (struct cv_match){ .dirs = (1 << CV_DIR_COUNT) - 1 };
	if (rule->family) {
		match->flags |= CV_MATCH_FAMILY;
		match->family = rule->family;
	}
	if (rule->has_proto) {
		match->flags |= CV_MATCH_PROTO;
		match->proto = rule->proto;
	}
	if (ruleset_has_ports(rule)) {
		match->flags |= CV_MATCH_PORTS;
		match->sport_min = rule->sport.min;
		match->sport_max = rule->sport.max;
		match->dport_min = rule->dport.min;
		match->dport_max = rule->dport.max;
	}
	if (rule->src.bits) {
		match->flags |= CV_MATCH_SRC;
		fill_prefix(match->src, match->src_mask, &rule->src);
	}
	if (rule->dst.bits) {
		match->flags |= CV_MATCH_DST;
		fill_prefix(match->dst, match->dst_mask, &rule->dst);
	}
}

int form_compiled(struct cv_rules *rules, const struct ruleset *set)
{
	*rules = (struct cv_rules){ 0 };
	rules->rules = calloc(set->count, sizeof(*rules->rules));
	rules->matches = calloc(set->count, sizeof(*rules->matches));
	if (!rules->rules || !rules->matches) {
		cv_rules_fini(rules);
		return -ENOMEM;
	}
	rules->rule_count = rules->match_count = set->count;
	for (size_t i = 0; i < set->count; i++) {
		struct cv_rule *rule = &rules->rules[i].rule;

		snprintf(rule->name, sizeof(rule->name), "r%zu", i);
		rule->id = i;
		rule->flags = CV_ACTION_MARK;
		rule->mark = form_mark(i);
		rule->mark_mask = 0xffffffff;
		form_match(&rules->matches[i], &set->rules[i]);
		rules->matches[i].rule = i;
	}
	return 0;
}

/* ---- texts ---- */

static const char *prefix_text(const struct ruleset_rule *rule, const struct ruleset_prefix *prefix,
			       char text[INET6_ADDRSTRLEN + 4])
{
	inet_ntop(rule->family == 6 ? AF_INET6 : AF_INET, prefix->bytes, text, INET6_ADDRSTRLEN);
	sprintf(text + strlen(text), "/%u", prefix->bits);
	return text;
}

static void put_ports(FILE *file, const char *before, struct ruleset_ports ports, char between)
{
	if (ruleset_is_any_port(ports))
		return;
	fprintf(file, "%s%u", before, ports.min);
	if (ports.max != ports.min)
		fprintf(file, "%c%u", between, ports.max);
}

static void put_state_match(FILE *file, const struct ruleset_rule *rule)
{
	char text[INET6_ADDRSTRLEN + 4];

	fprintf(file, "dir: in");
	if (rule->family)
		fprintf(file, ", family: %u", rule->family);
	if (rule->src.bits)
		fprintf(file, ", src: \"%s\"", prefix_text(rule, &rule->src, text));
	if (rule->dst.bits)
		fprintf(file, ", dst: \"%s\"", prefix_text(rule, &rule->dst, text));
	if (rule->has_proto)
		fprintf(file, ", proto: %u", rule->proto);
	put_ports(file, ", sport: ", rule->sport, '-');
	put_ports(file, ", dport: ", rule->dport, '-');
}

/* A set that is shuffled is so by prio: the file has the last rule first. */
void form_state(FILE *file, const struct ruleset *set, const char *dev)
{
	fprintf(file, "devices:\n  %s: {ingress: true, egress: false}\nrules:\n", dev);
	for (size_t at = 0; at < set->count; at++) {
		size_t i = set->conf.is_shuffled ? set->count - 1 - at : at;

		fprintf(file, "  r%zu: {", i);
		if (set->conf.is_shuffled)
			fprintf(file, "prio: %zu, ", i + 1);
		fprintf(file, "match: {");
		put_state_match(file, &set->rules[i]);
		fprintf(file, "}, action: {mark: %u}}\n", form_mark(i));
	}
}

static void put_iptables_rule(FILE *file, const struct ruleset_rule *rule, size_t index)
{
	char text[INET6_ADDRSTRLEN + 4];

	fprintf(file, "-A PREROUTING");
	if (rule->src.bits)
		fprintf(file, " -s %s", prefix_text(rule, &rule->src, text));
	if (rule->dst.bits)
		fprintf(file, " -d %s", prefix_text(rule, &rule->dst, text));
	if (rule->has_proto)
		fprintf(file, " -p %u", rule->proto);
	put_ports(file, " --sport ", rule->sport, ':');
	put_ports(file, " --dport ", rule->dport, ':');
	fprintf(file, " -g m%u\n", form_iptables_mark(index));
}

void form_iptables(FILE *file, const struct ruleset *set)
{
	fprintf(file, "*mangle\n:PREROUTING ACCEPT [0:0]\n");
	for (unsigned int mark = 1; mark <= FORM_IPTABLES_MARKS; mark++)
		fprintf(file, ":m%u - [0:0]\n", mark);
	for (size_t i = 0; i < set->count; i++)
		put_iptables_rule(file, &set->rules[i], i);
	for (unsigned int mark = 1; mark <= FORM_IPTABLES_MARKS; mark++)
		fprintf(file, "-A m%u -j MARK --set-mark %u\n", mark, mark);
	fprintf(file, "COMMIT\n");
}

/* ---- nft ---- */

static void put_nft_range(FILE *file, const struct ruleset_rule *rule,
			  const struct ruleset_prefix *prefix)
{
	char text[INET6_ADDRSTRLEN + 4];

	if (prefix->bits)
		fprintf(file, "%s", prefix_text(rule, prefix, text));
	else
		fprintf(file, rule->family == 6 ? "::/0" : "0.0.0.0/0");
}

static void put_nft_element(FILE *file, const struct ruleset_rule *rule, size_t index)
{
	put_nft_range(file, rule, &rule->src);
	fprintf(file, " . ");
	put_nft_range(file, rule, &rule->dst);
	if (rule->has_proto)
		fprintf(file, " . %u", rule->proto);
	else
		fprintf(file, " . 0-255");
	fprintf(file, " . %u-%u . %u-%u : %u,\n", rule->sport.min, rule->sport.max, rule->dport.min,
		rule->dport.max, form_mark(index));
}

void form_nft(FILE *file, const struct ruleset *set, const bool *is_kept, const char *dev)
{
	bool is_ipv6 = set->conf.family == RULESET_IPV6;
	const char *ip = is_ipv6 ? "ip6" : "ip";

	fprintf(file, "table netdev bench {\n  map rules {\n");
	fprintf(file, "    type %s . %s . inet_proto . inet_service . inet_service : mark\n",
		is_ipv6 ? "ipv6_addr" : "ipv4_addr", is_ipv6 ? "ipv6_addr" : "ipv4_addr");
	fprintf(file, "    flags interval\n    elements = {\n");
	for (size_t i = 0; i < set->count; i++)
		if (is_kept[i])
			put_nft_element(file, &set->rules[i], i);
	fprintf(file, "    }\n  }\n  chain classify {\n");
	fprintf(file, "    type filter hook ingress device %s priority 0;\n", dev);
	fprintf(file,
		"    meta mark set %s saddr . %s daddr . meta l4proto . th sport . th dport map @rules\n",
		ip, ip);
	fprintf(file, "  }\n}\n");
}

/* The first and the last packet of a rule's space. */
static void corner_of(struct cv_oracle_packet *packet, const struct ruleset_rule *rule,
		      bool is_last)
{
	uint8_t src[16], dst[16];

	memcpy(src, rule->src.bytes, sizeof(src));
	memcpy(dst, rule->dst.bytes, sizeof(dst));
	for (unsigned int bit = 0; is_last && bit < ruleset_width(rule->family); bit++) {
		if (bit >= rule->src.bits)
			src[bit / 8] |= 0x80 >> bit % 8;
		if (bit >= rule->dst.bits)
			dst[bit / 8] |= 0x80 >> bit % 8;
	}
	*packet = (struct cv_oracle_packet){
		.family = rule->family,
		.proto = rule->has_proto ? rule->proto
			 : is_last	 ? 255
					 : 0,
		.sport = is_last ? rule->sport.max : rule->sport.min,
		.dport = is_last ? rule->dport.max : rule->dport.min,
		.has_ports = true, /* to nft, whatever the protocol */
	};
	memcpy(packet->src, src, sizeof(src));
	memcpy(packet->dst, dst, sizeof(dst));
}

long form_nft_subset(const struct ruleset *set, bool *is_kept)
{
	CV_CLEANUP(cv_rules_fini) struct cv_rules rules = { 0 };
	CV_CLEANUP(index_fini) struct index index = { 0 };
	struct cv_oracle_packet packet;
	long kept = 0;

	if (form_compiled(&rules, set) || index_make(&index, &rules))
		return -ENOMEM;
	for (size_t i = 0; i < set->count; i++) {
		const struct index_part earlier = { .is_kept = is_kept, .end = i };

		is_kept[i] = true;
		for (int is_last = 0; is_last < 2 && is_kept[i]; is_last++) {
			corner_of(&packet, &set->rules[i], is_last);
			is_kept[i] = index_first(&index, &packet, CV_DIR_IN, &earlier) == i;
		}
		kept += is_kept[i];
	}
	return kept;
}

/* ---- tc u32 ---- */

struct port_mask {
	uint16_t value;
	uint16_t mask;
};

/* A range as prefixes. Returns how many, at most 30. */
static size_t expand_ports(struct ruleset_ports ports, struct port_mask masks[32])
{
	uint32_t at = ports.min, end = (uint32_t)ports.max + 1, size;
	size_t count = 0;

	while (at < end) {
		size = 1;
		while (!(at & (2 * size - 1)) && at + 2 * size <= end)
			size *= 2;
		masks[count++] = (struct port_mask){ at, (uint16_t)-size };
		at += size;
	}
	return count;
}

static void put_u32_filter(FILE *file, const struct ruleset_rule *rule, struct port_mask sport,
			   struct port_mask dport)
{
	char text[INET6_ADDRSTRLEN + 4];

	if (rule->src.bits)
		fprintf(file, " match ip src %s", prefix_text(rule, &rule->src, text));
	if (rule->dst.bits)
		fprintf(file, " match ip dst %s", prefix_text(rule, &rule->dst, text));
	if (rule->has_proto)
		fprintf(file, " match ip protocol %u 0xff", rule->proto);
	if (sport.mask)
		fprintf(file, " match ip sport %u 0x%x", sport.value, sport.mask);
	if (dport.mask)
		fprintf(file, " match ip dport %u 0x%x", dport.value, dport.mask);
	if (!rule->src.bits && !rule->dst.bits && !rule->has_proto)
		fprintf(file, " match u32 0 0");
}

static size_t put_u32_rule(FILE *file, const struct ruleset_rule *rule, size_t index,
			   size_t filters, const char *dev)
{
	struct port_mask sports[32], dports[32];
	size_t sport_count = expand_ports(rule->sport, sports);
	size_t dport_count = expand_ports(rule->dport, dports);

	for (size_t i = 0; i < sport_count; i++)
		for (size_t j = 0; j < dport_count; j++) {
			fprintf(file, "filter add dev %s ingress protocol ip prio %zu u32", dev,
				10 + (filters + i * dport_count + j) / FORM_U32_MAX);
			put_u32_filter(file, rule, sports[i], dports[j]);
			fprintf(file, " classid 1:%x\n", form_mark(index));
		}
	return sport_count * dport_count;
}

size_t form_u32(FILE *file, const struct ruleset *set, const char *dev)
{
	size_t filters = 0;

	for (size_t i = 0; i < set->count; i++)
		filters += put_u32_rule(file, &set->rules[i], i, filters, dev);
	return filters;
}
