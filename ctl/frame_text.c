/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames for people: see frame_text.h. */
#include "frame_text.h"

#include <netinet/in.h>
#include <string.h>

#include "args.h"

#define ETHERNET_BYTES 14
#define VLAN_BYTES 4
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define IPV4_OFFSET 0x1fff
#define IPV6_OFFSET 0xfff8
#define MAX_EXTENSIONS 6

/* Bytes that are read one after the other. */
struct cursor {
	const uint8_t *bytes;
	size_t len;
	size_t at;
};

static bool has(const struct cursor *cursor, size_t bytes)
{
	return cursor->at <= cursor->len && cursor->len - cursor->at >= bytes;
}

static uint16_t be16(const struct cursor *cursor, size_t at)
{
	return cursor->bytes[cursor->at + at] << 8 | cursor->bytes[cursor->at + at + 1];
}

static void read_ports(struct cv_frame_text *out, const struct cursor *cursor)
{
	bool has_ports = out->proto == IPPROTO_TCP || out->proto == IPPROTO_UDP ||
			 out->proto == IPPROTO_SCTP || out->proto == IPPROTO_DCCP ||
			 out->proto == IPPROTO_UDPLITE;

	if (!has_ports || !has(cursor, 4))
		return;
	out->has_ports = true;
	out->sport = be16(cursor, 0);
	out->dport = be16(cursor, 2);
}

static void read_ipv4(struct cv_frame_text *out, struct cursor *cursor)
{
	const uint8_t *ip = cursor->bytes + cursor->at;
	bool is_later;

	if (!has(cursor, IPV4_BYTES) || ip[0] >> 4 != 4)
		return;
	out->src.family = out->dst.family = 4;
	memcpy(out->src.bytes, ip + 12, 4);
	memcpy(out->dst.bytes, ip + 16, 4);
	out->proto = ip[9];
	is_later = be16(cursor, 6) & IPV4_OFFSET;
	cursor->at += (ip[0] & 0xf) * 4;
	if (!is_later)
		read_ports(out, cursor);
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT || proto == IPPROTO_AH;
}

static size_t extension_bytes(uint8_t proto, const uint8_t *header)
{
	if (proto == IPPROTO_FRAGMENT)
		return 8;
	return proto == IPPROTO_AH ? ((size_t)header[1] + 2) * 4 : ((size_t)header[1] + 1) * 8;
}

/* Those behind which rules look for a protocol, too. False in a later fragment: what follows is data. */
static bool skip_extensions(struct cv_frame_text *out, struct cursor *cursor)
{
	for (int i = 0; i < MAX_EXTENSIONS && is_extension(out->proto) && has(cursor, 8); i++) {
		const uint8_t *header = cursor->bytes + cursor->at;
		bool is_later = out->proto == IPPROTO_FRAGMENT && be16(cursor, 2) & IPV6_OFFSET;

		cursor->at += extension_bytes(out->proto, header);
		out->proto = header[0];
		if (is_later)
			return false;
	}
	return true;
}

static void read_ipv6(struct cv_frame_text *out, struct cursor *cursor)
{
	const uint8_t *ip = cursor->bytes + cursor->at;

	if (!has(cursor, IPV6_BYTES) || ip[0] >> 4 != 6)
		return;
	out->src.family = out->dst.family = 6;
	memcpy(out->src.bytes, ip + 8, 16);
	memcpy(out->dst.bytes, ip + 24, 16);
	out->proto = ip[6];
	cursor->at += IPV6_BYTES;
	if (skip_extensions(out, cursor))
		read_ports(out, cursor);
}

void cv_frame_read(struct cv_frame_text *out, const uint8_t *bytes, size_t len)
{
	struct cursor cursor = { .bytes = bytes, .len = len, .at = ETHERNET_BYTES - 2 };

	*out = (struct cv_frame_text){ 0 };
	while (has(&cursor, 2) && (be16(&cursor, 0) == TYPE_VLAN || be16(&cursor, 0) == TYPE_QINQ))
		cursor.at += VLAN_BYTES;
	if (!has(&cursor, 2))
		return;
	out->ethertype = be16(&cursor, 0);
	cursor.at += 2;
	if (out->ethertype == TYPE_IPV4)
		read_ipv4(out, &cursor);
	else if (out->ethertype == TYPE_IPV6)
		read_ipv6(out, &cursor);
}

static void put_end(FILE *out, const struct cv_addr *addr, bool has_port, uint16_t port)
{
	bool is_bracketed = has_port && addr->family == 6;

	if (is_bracketed)
		fputc('[', out);
	cv_put_addr(out, addr);
	if (is_bracketed)
		fputc(']', out);
	if (has_port)
		fprintf(out, ":%u", port);
}

void cv_frame_put(FILE *out, const struct cv_frame_text *frame)
{
	if (!frame->src.family) {
		fprintf(out, "ethertype 0x%x", frame->ethertype);
		return;
	}
	cv_put_proto(out, frame->proto);
	fputc(' ', out);
	put_end(out, &frame->src, frame->has_ports, frame->sport);
	fputs(" > ", out);
	put_end(out, &frame->dst, frame->has_ports, frame->dport);
}
