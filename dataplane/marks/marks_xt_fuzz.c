/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: any bytes as a table of iptables or ip6tables as the kernel hands it out, or as the data of
 * one match or target. The first byte says which. What is changed at random begins with a good table.
 */
#include "marks/marks.h"

#include <linux/if.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); /* libFuzzer's */

#define EXTENSION                                                                                  \
	2 /* first byte modulo 3: one match or target; else a table of one family or the other */

/* ---- a good table ---- */

static const struct {
	const char *name;
	uint8_t revision;
	bool is_target;
} extensions[] = {
	{ "mark", 1, false },	 { "MARK", 2, true },	{ "CONNMARK", 1, true },
	{ "CONNMARK", 2, true }, { "TPROXY", 1, true }, { "HMARK", 0, true },
	{ "ERROR", 0, true },	 { "", 0, true },
};

#define EXTENSIONS (sizeof(extensions) / sizeof(*extensions))
#define EXTENSION_BYTES 64 /* more than each of them has */

static size_t put_extension(uint8_t *at, size_t which)
{
	struct xt_entry_match head = { .u.user.match_size = sizeof(head) + EXTENSION_BYTES,
				       .u.user.revision = extensions[which].revision };

	strcpy(head.u.user.name, extensions[which].name);
	memcpy(at, &head, sizeof(head));
	memset(at + sizeof(head), (int)which + 1, EXTENSION_BYTES);
	return head.u.match_size;
}

/* A rule with a match and that target. */
static size_t put_rule(uint8_t *at, bool is_six, size_t target)
{
	size_t head = is_six ? sizeof(struct ip6t_entry) : sizeof(struct ipt_entry);
	size_t target_at = head + put_extension(at + head, 0);
	size_t end = target_at + put_extension(at + target_at, target);
	struct ip6t_entry six = { .target_offset = (uint16_t)target_at,
				  .next_offset = (uint16_t)end };
	struct ipt_entry four = { .target_offset = (uint16_t)target_at,
				  .next_offset = (uint16_t)end };

	memcpy(at, is_six ? (void *)&six : (void *)&four, head);
	return end;
}

#define RULE_BYTES                                                                                 \
	(sizeof(struct ip6t_entry) + 2 * (sizeof(struct xt_entry_match) + EXTENSION_BYTES))

/* Puts as many rules as there is room for, one with each target. */
static size_t put_table(uint8_t *data, size_t max_size, bool is_six)
{
	size_t size = 1;

	data[0] = is_six;
	for (size_t i = 1; i < EXTENSIONS && size + RULE_BYTES <= max_size; i++)
		size += put_rule(data + size, is_six, i);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	if (max_size && (size < 2 || seed % 256 == 0))
		size = put_table(data, max_size, seed / 256 % 2);
	return LLVMFuzzerMutate(data, size, max_size);
}

/* ---- what is read ---- */

static void check_use(const struct cv_mark_use *use)
{
	if (use->how == CV_MARK_WRITES && use->ones & ~use->bits)
		abort();
}

/* The second byte says which, and of what revision. */
static void read_extension(const uint8_t *data, size_t size)
{
	size_t which = size ? data[0] % EXTENSIONS : 0;
	CV_FREE void *copy = malloc(size ? size : 1);
	struct cv_xt_extension extension = { .name = extensions[which].name,
					     .revision = size ? data[0] / EXTENSIONS % 4 : 0,
					     .is_target = extensions[which].is_target,
					     .data = copy };
	struct cv_mark_use use;

	if (!copy)
		abort();
	extension.len = size ? size - 1 : 0;
	memcpy(copy, data + !!size, extension.len);
	if (cv_xt_use(&extension, &use))
		check_use(&use);
}

static void read_table(uint8_t family, const uint8_t *data, size_t size)
{
	static const uint32_t hook_entry[NF_INET_NUMHOOKS] = { 0, 0, 0, 200, 0 };
	struct cv_marks marks = { .claim = { .mask = CV_DEFAULT_MARK_MASK, .moments = 3 } };
	struct cv_xt_table table = { .family = family,
				     .name = "mangle",
				     .hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_OUT,
				     .hook_entry = hook_entry,
				     .bytes = size };
	CV_FREE void *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	table.entries = copy;
	cv_xt_walk(&marks, &table, NULL);
	for (size_t i = 0; i < marks.users.count; i++)
		if (!strlen(marks.users.items[i].place))
			abort();
	cv_mark_users_fini(&marks.users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] % 3 == EXTENSION)
		read_extension(data + 1, size - 1);
	else
		read_table(data[0] % 3 ? 6 : 4, data + 1, size - 1);
	return 0;
}
