/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hints for addresses: see addr_hint.h. Each way in which other programs write one, or people do, is tried
 * in turn; what comes out is told only if it is an address.
 */
#include "addr_hint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 96 /* longer ones are not looked at */
#define IPV4_PARTS 4
#define IPV4_BITS 32

/* A text taken apart at its '/'. */
struct written {
	char addr[TEXT_MAX];
	const char *length; /* behind the '/'; NULL: there is none */
};

static int family_of(const char *text)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1    ? 4
	       : inet_pton(AF_INET6, text, bytes) == 1 ? 6
						       : 0;
}

/* "[ADDR]", with a port or not: ADDR. */
static bool drop_brackets(struct written *written)
{
	char *end = strchr(written->addr, ']');

	if (written->addr[0] != '[' || !end || (end[1] && end[1] != ':'))
		return false;
	*end = '\0';
	memmove(written->addr, written->addr + 1, end - written->addr);
	return true;
}

/* "ADDR%eth0": ADDR. */
static bool drop_zone(struct written *written)
{
	char *zone = strchr(written->addr, '%');

	if (zone)
		*zone = '\0';
	return zone;
}

/* "192.0.2.1:80": 192.0.2.1. */
static bool drop_port(struct written *written)
{
	char *port = strchr(written->addr, ':');

	if (!port || strchr(port + 1, ':') || strspn(port + 1, "0123456789") != strlen(port + 1))
		return false;
	*port = '\0';
	return true;
}

/* "2001:db8:", of which YAML took the last colon for its own. */
static bool add_colon(struct written *written)
{
	size_t len = strlen(written->addr);

	if (!len || written->addr[len - 1] != ':' || len + 1 >= sizeof(written->addr))
		return false;
	written->addr[len] = ':';
	written->addr[len + 1] = '\0';
	return true;
}

/* "192.000.2.1" and, with a length, "10.9": four parts without leading zeros. */
static bool complete_ipv4(struct written *written)
{
	unsigned long parts[IPV4_PARTS] = { 0 };
	const char *at = written->addr;
	int count = 0;
	char *end;

	do {
		if (count == IPV4_PARTS || !isdigit((unsigned char)*at))
			return false;
		parts[count] = strtoul(at, &end, 10);
		if (parts[count++] > UINT8_MAX)
			return false;
		at = *end == '.' ? end + 1 : end;
	} while (*end == '.');
	if (*end || (count < IPV4_PARTS && !written->length))
		return false;
	snprintf(written->addr, sizeof(written->addr), "%lu.%lu.%lu.%lu", parts[0], parts[1],
		 parts[2], parts[3]);
	return true;
}

/* "255.255.0.0": 16. Returns -1 for what is no netmask. */
static int bits_of_mask(const char *text)
{
	struct in_addr addr;
	uint32_t mask;

	if (!text || inet_pton(AF_INET, text, &addr) != 1)
		return -1;
	mask = ntohl(addr.s_addr);
	return ~mask & (~mask + 1) ? -1 : mask ? IPV4_BITS - __builtin_ctz(mask) : 0;
}

static bool has_length(const struct written *written, int family)
{
	const char *length = written->length;

	return !length ||
	       (*length && strlen(length) <= 3 && strspn(length, "0123456789") == strlen(length) &&
		atoi(length) <= (family == 4 ? 32 : 128));
}

static void take_apart(const char *text, struct written *written)
{
	char *slash;

	snprintf(written->addr, sizeof(written->addr), "%s", text);
	slash = strchr(written->addr, '/');
	if (slash)
		*slash = '\0';
	slash = strchr(text, '/');
	written->length = slash ? slash + 1 : NULL;
}

/* Makes of the address what it should be; what says which way it was wrong. NULL: not known. */
static const char *mend(struct written *written)
{
	static const struct {
		bool (*mend)(struct written *written);
		const char *what;
	} ways[] = {
		{ drop_brackets, "without brackets" },
		{ drop_zone, "without the zone" },
		{ drop_port, "without the port" },
		{ add_colon, "quote an IPv6 address that ends with ':'" },
		{ complete_ipv4, "all four numbers, without leading zeros" },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct written tried = *written;

		if (ways[i].mend(&tried) && family_of(tried.addr)) {
			*written = tried;
			return ways[i].what;
		}
	}
	return NULL;
}

static int tell(struct cv_err *err, const char *what, const struct written *written,
		const char *length, bool *is_told)
{
	if (is_told)
		*is_told = true;
	return cv_err_hint(err, "%s: %s%s%s", what, written->addr, length ? "/" : "",
			   length ? length : "");
}

int cv_hint_addr(struct cv_err *err, const char *text, bool is_prefix, bool *is_told)
{
	struct written written;
	const char *what;
	char length[16];
	int family, bits;

	if (is_told)
		*is_told = false;
	if (strlen(text) >= sizeof(written.addr))
		return err ? err->code : 0;
	take_apart(text, &written);
	family = family_of(written.addr);
	bits = bits_of_mask(written.length);
	if (!is_prefix && family && written.length)
		return tell(err, "one address, without a length", &written, NULL, is_told);
	if (is_prefix && family == 4 && bits >= 0) {
		snprintf(length, sizeof(length), "%d", bits);
		return tell(err, "a length, not a netmask", &written, length, is_told);
	}
	what = family ? NULL : mend(&written);
	family = family_of(written.addr);
	if (!what || !has_length(&written, family) || (!is_prefix && written.length))
		return err ? err->code : 0;
	return tell(err, what, &written, written.length, is_told);
}

bool cv_addr_is_mapped(const struct cv_addr *addr, struct cv_addr *out)
{
	static const uint8_t prefix[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (addr->family != 6 || memcmp(addr->bytes, prefix, sizeof(prefix)) != 0)
		return false;
	*out = (struct cv_addr){ .family = 4 };
	memcpy(out->bytes, addr->bytes + sizeof(prefix), 4);
	return true;
}
