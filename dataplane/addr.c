/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses and prefixes: text forms and comparison. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "culvert.h"

const char *cv_mac_format(const struct cv_mac *mac, char *buf)
{
	snprintf(buf, CV_PREFIX_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac->bytes[0], mac->bytes[1],
		 mac->bytes[2], mac->bytes[3], mac->bytes[4], mac->bytes[5]);
	return buf;
}

/* Writes a number in decimal, without a closing zero. Returns what is behind it. */
static char *put_byte(char *buf, uint8_t number)
{
	if (number >= 100)
		*buf++ = (char)('0' + number / 100);
	if (number >= 10)
		*buf++ = (char)('0' + number / 10 % 10);
	*buf++ = (char)('0' + number % 10);
	return buf;
}

/* By hand: inet_ntop() takes ten times as long, and states have 100,000s of these. */
static const char *format_ipv4(const uint8_t bytes[4], char *buf)
{
	char *at = buf;

	for (int i = 0; i < 4; i++) {
		at = put_byte(at, bytes[i]);
		*at++ = '.';
	}
	at[-1] = '\0';
	return buf;
}

const char *cv_addr_format(const struct cv_addr *addr, char *buf)
{
	if (addr->family == 4)
		return format_ipv4(addr->bytes, buf);
	if (!addr->family || !inet_ntop(AF_INET6, addr->bytes, buf, CV_PREFIX_TEXT))
		snprintf(buf, CV_PREFIX_TEXT, "any");
	return buf;
}

const char *cv_prefix_format(const struct cv_prefix *prefix, char *buf)
{
	char *at;

	if (!prefix->bits) {
		snprintf(buf, CV_PREFIX_TEXT, "%s",
			 !prefix->addr.family	    ? "default"
			 : prefix->addr.family == 4 ? "0.0.0.0/0"
						    : "::/0");
		return buf;
	}
	at = strchr(cv_addr_format(&prefix->addr, buf), '\0');
	*at++ = '/';
	*put_byte(at, prefix->bits) = '\0';
	return buf;
}

bool cv_addr_equal(const struct cv_addr *a, const struct cv_addr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16);
}

bool cv_addr_is_unicast(const struct cv_addr *addr)
{
	static const uint8_t zeros[16];

	if (addr->family == 4)
		return addr->bytes[0] && addr->bytes[0] < 224;
	return memcmp(addr->bytes, zeros, sizeof(zeros)) && addr->bytes[0] != 0xff;
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cv_addr));
}

size_t cv_addrs_sort(struct cv_addr *addrs, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(addrs, count, sizeof(*addrs), compare_addrs);
	for (size_t i = 0; i < count; i++)
		if (!kept || compare_addrs(&addrs[kept - 1], &addrs[i]))
			addrs[kept++] = addrs[i];
	return kept;
}

bool cv_addrs_have(const struct cv_addr *addrs, size_t count, const struct cv_addr *addr)
{
	return count && bsearch(addr, addrs, count, sizeof(*addrs), compare_addrs);
}

bool cv_prefix_same(const struct cv_prefix *a, const struct cv_prefix *b)
{
	if (!a->bits && !b->bits)
		return !a->addr.family || !b->addr.family || a->addr.family == b->addr.family;
	return a->bits == b->bits && cv_addr_equal(&a->addr, &b->addr);
}

bool cv_prefix_contains(const struct cv_prefix *prefix, const struct cv_addr *addr)
{
	unsigned int bytes = prefix->bits / 8, rest = prefix->bits % 8;

	if (!prefix->addr.family)
		return true;
	if (prefix->addr.family != addr->family || memcmp(prefix->addr.bytes, addr->bytes, bytes))
		return false;
	return !rest || !((prefix->addr.bytes[bytes] ^ addr->bytes[bytes]) >> (8 - rest));
}
