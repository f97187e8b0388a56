/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marks that iptables and ip6tables ask for and set: the tables that the kernel itself has
 * ("legacy"). Those of iptables-nft are rules of nftables, with the same matches and targets in
 * them. Only tables that are there already are asked for: asking makes a table.
 */
#include "marks/marks.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter/xt_HMARK.h>
#include <linux/netfilter/xt_TPROXY.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "own.h"

/* ---- matches and targets ---- */

static void use_write(struct cv_mark_use *use, uint32_t bits, uint32_t ones)
{
	*use = (struct cv_mark_use){ .how = CV_MARK_WRITES, .bits = bits | ones, .ones = ones };
}

static bool use_mark_match(const struct cv_xt_extension *extension, struct cv_mark_use *use)
{
	struct xt_mark_mtinfo1 info;

	if (extension->len < sizeof(info))
		return false;
	memcpy(&info, extension->data, sizeof(info));
	*use = (struct cv_mark_use){
		.how = CV_MARK_MATCHES,
		.bits = info.mask,
		.ones = info.mark & info.mask,
		.is_inverted = info.invert,
	};
	return true;
}

static bool use_mark_target(const struct cv_xt_extension *extension, struct cv_mark_use *use)
{
	struct xt_mark_tginfo2 info;

	if (extension->len < sizeof(info))
		return false;
	memcpy(&info, extension->data, sizeof(info));
	use_write(use, info.mask, info.mark);
	return true;
}

/* What is restored is what somebody saved: other bits of it are not known to be 1. */
static bool use_connmark(const struct cv_xt_extension *extension, struct cv_mark_use *use)
{
	struct xt_connmark_tginfo1 info;
	struct xt_connmark_tginfo2 info2 = { 0 };
	bool is_old = extension->revision < 2;

	if (extension->len < (is_old ? sizeof(info) : sizeof(info2)))
		return false;
	memcpy(&info, extension->data, sizeof(info));
	memcpy(&info2, extension->data, is_old ? 0 : sizeof(info2));
	use_write(use, info.nfmask, 0);
	return (is_old ? info.mode : info2.mode) == XT_CONNMARK_RESTORE;
}

static bool use_tproxy(const struct cv_xt_extension *extension, struct cv_mark_use *use)
{
	struct xt_tproxy_target_info info;

	if (extension->len < sizeof(info))
		return false;
	memcpy(&info, extension->data, sizeof(info));
	use_write(use, info.mark_mask, info.mark_value);
	return true;
}

static bool use_hmark(const struct cv_xt_extension *extension, struct cv_mark_use *use)
{
	struct xt_hmark_info info;

	if (extension->len < sizeof(info))
		return false;
	memcpy(&info, extension->data, sizeof(info));
	use_write(use, UINT32_MAX, cv_mark_ones(info.hoffset, info.hoffset + info.hmodulus - 1));
	return true;
}

bool cv_xt_use(const struct cv_xt_extension *extension, struct cv_mark_use *use)
{
	static const struct {
		const char *name;
		bool is_target;
		bool (*read)(const struct cv_xt_extension *extension, struct cv_mark_use *use);
	} readers[] = {
		{ "mark", false, use_mark_match },  { "MARK", true, use_mark_target },
		{ "CONNMARK", true, use_connmark }, { "TPROXY", true, use_tproxy },
		{ "HMARK", true, use_hmark },
	};

	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		if (extension->is_target == readers[i].is_target &&
		    !strcmp(extension->name, readers[i].name))
			return readers[i].read(extension, use);
	return false;
}

/* ---- a table ---- */

static const char *const hook_names[NF_INET_NUMHOOKS] = { "PREROUTING", "INPUT", "FORWARD",
							  "OUTPUT", "POSTROUTING" };

static uint8_t moment_of(int hook)
{
	return hook == NF_INET_PRE_ROUTING ? CV_MARK_ARRIVING
	       : hook == NF_INET_LOCAL_OUT ? CV_MARK_SENDING
					   : 0;
}

/* What differs between the families is the size of what stands in front. */
struct shape {
	size_t target_offset, next_offset; /* where these are */
	size_t first_match;
};

static struct shape shape_of(uint8_t family)
{
	if (family == 4)
		return (struct shape){ offsetof(struct ipt_entry, target_offset),
				       offsetof(struct ipt_entry, next_offset),
				       offsetof(struct ipt_entry, elems) };
	return (struct shape){ offsetof(struct ip6t_entry, target_offset),
			       offsetof(struct ip6t_entry, next_offset),
			       offsetof(struct ip6t_entry, elems) };
}

/* A walk over the rules of a table. */
struct walk {
	struct cv_marks *marks;
	const struct cv_xt_table *table;
	char chain[XT_FUNCTION_MAXNAMELEN + 1];
	uint32_t rule; /* number in its chain, from 1 */
	uint8_t moments;
};

static int add_use(struct walk *walk, struct cv_mark_use *use, struct cv_err *err)
{
	const char *tool = walk->table->family == 4 ? "iptables" : "ip6tables";

	use->moments = walk->moments;
	return cv_marks_add(walk->marks, use, tool, err, "%s table %s chain %s rule %u", tool,
			    walk->table->name, walk->chain, walk->rule);
}

/* The moments of all hooks that the table has: a chain may be called from any of them. */
static uint8_t table_moments(const struct cv_xt_table *table)
{
	uint8_t moments = 0;

	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (table->hooks & 1u << hook)
			moments |= moment_of(hook);
	return moments;
}

/* Notes where a chain begins: on a hook, or with an entry that has its name. */
static void enter_chain(struct walk *walk, size_t at, const struct cv_xt_extension *target)
{
	const struct cv_xt_table *table = walk->table;

	walk->rule++;
	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(table->hooks & 1u << hook) || table->hook_entry[hook] != at)
			continue;
		snprintf(walk->chain, sizeof(walk->chain), "%s", hook_names[hook]);
		walk->moments = moment_of(hook);
		walk->rule = 1;
	}
	if (strcmp(target->name, XT_ERROR_TARGET) != 0)
		return;
	snprintf(walk->chain, sizeof(walk->chain), "%.*s", (int)target->len,
		 (const char *)target->data);
	walk->moments = table_moments(table);
	walk->rule = 0;
}

/* Reads the match or target at `at`, which ends before `end`. Returns its size, 0 if it is none. */
static size_t read_extension(const uint8_t *at, size_t room, bool is_target,
			     char name[XT_EXTENSION_MAXNAMELEN + 1], struct cv_xt_extension *out)
{
	struct xt_entry_match head; /* a target has the same */

	if (room < sizeof(head))
		return 0;
	memcpy(&head, at, sizeof(head));
	if (head.u.match_size < sizeof(head) || head.u.match_size > room)
		return 0;
	memcpy(name, head.u.user.name, XT_EXTENSION_MAXNAMELEN);
	name[XT_EXTENSION_MAXNAMELEN] = '\0';
	*out = (struct cv_xt_extension){ .name = name,
					 .revision = head.u.user.revision,
					 .is_target = is_target,
					 .data = at + sizeof(head),
					 .len = head.u.match_size - sizeof(head) };
	return head.u.match_size;
}

static int walk_entry(struct walk *walk, const uint8_t *entry, size_t at, const struct shape *shape,
		      uint16_t target_offset, uint16_t next_offset, struct cv_err *err)
{
	char name[XT_EXTENSION_MAXNAMELEN + 1];
	struct cv_xt_extension extension;
	struct cv_mark_use use;
	size_t offset, bytes;
	int rc = 0;

	if (!read_extension(entry + target_offset, next_offset - target_offset, true, name,
			    &extension))
		return cv_err_set(err, -EBADMSG, "a rule without a target");
	enter_chain(walk, at, &extension);
	if (cv_xt_use(&extension, &use))
		rc = add_use(walk, &use, err);
	for (offset = shape->first_match; !rc && offset < target_offset; offset += bytes) {
		bytes = read_extension(entry + offset, target_offset - offset, false, name,
				       &extension);
		if (!bytes)
			return cv_err_set(err, -EBADMSG, "a match that is cut off");
		if (cv_xt_use(&extension, &use))
			rc = add_use(walk, &use, err);
	}
	return rc;
}

int cv_xt_walk(struct cv_marks *marks, const struct cv_xt_table *table, struct cv_err *err)
{
	struct walk walk = { .marks = marks, .table = table };
	struct shape shape = shape_of(table->family);
	uint16_t target_offset, next_offset;
	int rc = 0;

	for (size_t at = 0; !rc && at < table->bytes; at += next_offset) {
		const uint8_t *entry = (const uint8_t *)table->entries + at;

		if (table->bytes - at < shape.first_match)
			return cv_err_set(err, -EBADMSG, "a rule that is cut off");
		memcpy(&target_offset, entry + shape.target_offset, sizeof(target_offset));
		memcpy(&next_offset, entry + shape.next_offset, sizeof(next_offset));
		if (target_offset < shape.first_match || next_offset <= target_offset ||
		    next_offset > table->bytes - at)
			return cv_err_set(err, -EBADMSG, "a rule that is cut off");
		rc = walk_entry(&walk, entry, at, &shape, target_offset, next_offset, err);
	}
	return rc;
}

/* ---- asking the kernel ---- */

_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
		       offsetof(struct ipt_get_entries, entrytable) ==
			       offsetof(struct ip6t_get_entries, entrytable),
	       "both families are asked in the same way");

static int read_table(struct cv_marks *marks, int fd, uint8_t family, const char *name,
		      struct cv_err *err)
{
	int level = family == 4 ? IPPROTO_IP : IPPROTO_IPV6;
	CV_FREE struct ipt_get_entries *entries = NULL;
	struct ipt_getinfo info = { 0 };
	struct cv_xt_table table = { .family = family, .name = name };
	socklen_t len = sizeof(info);

	snprintf(info.name, sizeof(info.name), "%s", name);
	if (getsockopt(fd, level, IPT_SO_GET_INFO, &info, &len))
		return cv_err_set(err, -errno, "table %s: %s", name, strerrordesc_np(errno));
	len = sizeof(*entries) + info.size;
	entries = calloc(1, len);
	if (!entries)
		return cv_err_set(err, -ENOMEM, "marks: %s", strerrordesc_np(ENOMEM));
	memcpy(entries->name, info.name, sizeof(entries->name));
	entries->size = info.size;
	/* -EAGAIN: the table was replaced between the two questions. */
	if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, entries, &len))
		return cv_err_set(err, -errno, "table %s: %s", name, strerrordesc_np(errno));
	table.hooks = info.valid_hooks;
	table.hook_entry = info.hook_entry;
	table.entries = entries->entrytable;
	table.bytes = info.size;
	return cv_xt_walk(marks, &table, err);
}

/* A change of a table between two questions is looked at once more, not for ever. */
#define TRIES 5

static int read_tables(struct cv_marks *marks, uint8_t family, struct cv_err *err)
{
	const char *path = family == 4 ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names";
	CV_FCLOSE FILE *names = fopen(path, "re");
	CV_CLOSE int fd = -1;
	char name[XT_TABLE_MAXNAMELEN];
	int rc = 0;

	if (!names)
		return errno == ENOENT
			       ? 0
			       : cv_err_set(err, -errno, "%s: %s", path, strerrordesc_np(errno));
	while (!rc && fscanf(names, "%31s", name) == 1) {
		if (fd < 0)
			fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC,
				    IPPROTO_RAW);
		if (fd < 0)
			return cv_err_set(err, -errno, "socket: %s", strerrordesc_np(errno));
		rc = -EAGAIN;
		for (int i = 0; rc == -EAGAIN && i < TRIES; i++)
			rc = read_table(marks, fd, family, name, err);
	}
	return rc;
}

int cv_marks_xt(struct cv_marks *marks, struct cv_err *err)
{
	int rc = 0;

	for (uint8_t family = 4; !rc && family <= 6; family += 2) {
		struct cv_err why;

		if (read_tables(marks, family, &why))
			rc = cv_marks_skip(marks, family == 4 ? "iptables" : "ip6tables", &why,
					   err);
	}
	return rc;
}
