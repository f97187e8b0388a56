/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A second opinion on decapsulation, written from the RFCs and from what culvert says it supports,
 * and from nothing in bpf/: what a strict receiver does with a frame. It takes its time and checks
 * everything that the frame alone can tell.
 *
 *     RFC 791  IPv4          RFC 1071 checksum     RFC 1122 3.2.1: bad checksum is discarded
 *     RFC 8200 IPv6          RFC 2784, 2890 GRE    RFC 2003, 2473, 4213 IP in IP
 *     RFC 768  UDP           RFC 7348 VXLAN         draft-ietf-intarea-gue-09 GUE
 *     RFC 8926 Geneve        RFC 8986 4.8 End.DT46  RFC 6040 4.2 ECN, RFC 2983 DSCP
 *
 * What culvert does not support and this refuses, too: fragments, GRE checksum, routing and
 * sequence numbers, GUE fields and control messages, VXLAN extensions, Geneve control messages and
 * critical options, frames with a VLAN tag in them, more than 6 IPv6 extension headers.
 * Not an opinion on: IPv4 options but source routes, hop-by-hop and destination option headers, UDP
 * checksums (which a receiver may ignore: RFC 7348 4.1), the addresses of inner Ethernet headers.
 */
#ifndef CV_DECODER_H
#define CV_DECODER_H

#include "frame.h"

#define DECODER_MAX_EXT_HEADERS 6

enum { NOT_ECT, ECT_1, ECT_0, CE, ECN_COUNT };
#define ECN_DROP 0xff

/* RFC 6040 figure 4: outgoing by [arriving inner][arriving outer]. */
static const uint8_t ecn_figure_4[ECN_COUNT][ECN_COUNT] = {
	[NOT_ECT] = { [NOT_ECT] = NOT_ECT, [ECT_0] = NOT_ECT, [ECT_1] = NOT_ECT, [CE] = ECN_DROP },
	[ECT_0] = { [NOT_ECT] = ECT_0, [ECT_0] = ECT_0, [ECT_1] = ECT_1, [CE] = CE },
	[ECT_1] = { [NOT_ECT] = ECT_1, [ECT_0] = ECT_1, [ECT_1] = ECT_1, [CE] = CE },
	[CE] = { [NOT_ECT] = CE, [ECT_0] = CE, [ECT_1] = CE, [CE] = CE },
};

enum decoder_mode { D_NONE, D_IPIP, D_GRE, D_GUE, D_FOU, D_VXLAN, D_GENEVE, D_SRV6 };

/* A tunnel from the receiver's side. */
struct decoder_tunnel {
	uint32_t id;
	enum decoder_mode mode;
	uint8_t family; /* of the outer header */
	const char *remote;
	uint16_t port; /* UDP, on which it listens */
	bool has_key;
	uint32_t key; /* or VNI */
	bool has_ecn;
	bool is_uniform; /* DSCP */
	bool has_allow; /* from 10.1.0.0/16 and 2001:db8:1::/48 only */
};

#define DECODER_LOCAL4 "192.0.2.1"
#define DECODER_LOCAL6 "2001:db8::1"

struct decoded {
	const char *refused; /* why; NULL: to be decapsulated */
	uint32_t tunnel;
	size_t inner_at;
	uint16_t inner_type; /* ethertype */
	uint8_t inner_tos; /* with which it leaves */
};

/* The part of a frame that is looked at: an IP packet and what follows up to end. */
struct span {
	const uint8_t *bytes;
	size_t at;
	size_t end;
};

struct outer_header {
	uint8_t family;
	uint8_t proto;
	uint8_t tos;
	const uint8_t *src;
	const uint8_t *dst;
};

static inline size_t span_len(const struct span *span)
{
	return span->end - span->at;
}

/* RFC 791: an option is one byte (0 ends the list, 1 is nothing), or type, length and the rest. */
static inline bool has_source_route(const uint8_t *options, size_t len)
{
	size_t at = 0;

	while (at + 1 < len && options[at] != 0) {
		if (options[at] == 131 || options[at] == 137)
			return true;
		if (options[at] != 1 && options[at + 1] < 2)
			return false;
		at += options[at] == 1 ? 1 : options[at + 1];
	}
	return false;
}

static inline const char *decode_outer4(struct span *span, struct outer_header *outer)
{
	const uint8_t *ip = span->bytes + span->at;
	size_t header, total;

	if (span_len(span) < 20)
		return "outer IPv4 header is cut off";
	if (ip[0] >> 4 != 4)
		return "outer version is not 4";
	header = (ip[0] & 15) * 4;
	total = frame_get16(ip + 2);
	if (header < 20 || header > span_len(span))
		return "outer IPv4 header length is wrong";
	if (total < header)
		return "outer IPv4 total length is less than the header";
	if (total > span_len(span))
		return "outer IPv4 packet is cut off";
	if (frame_checksum(ip, header))
		return "outer IPv4 checksum is wrong";
	if (frame_get16(ip + 6) & 0x3fff)
		return "outer IPv4 packet is a fragment";
	if (has_source_route(ip + 20, header - 20))
		return "outer IPv4 packet has a source route";
	*outer = (struct outer_header){
		.family = 4, .proto = ip[9], .tos = ip[1], .src = ip + 12, .dst = ip + 16
	};
	span->end = span->at + total; /* the rest is padding of the link */
	span->at += header;
	return NULL;
}

/* One extension header; *next: what it names. */
static inline const char *decode_ext(struct span *span, uint8_t *next)
{
	const uint8_t *ext = span->bytes + span->at;
	size_t len;

	if (span_len(span) < 8)
		return "outer IPv6 extension header is cut off";
	len = *next == 44 ? 8 : (ext[1] + 1) * 8;
	if (len > span_len(span))
		return "outer IPv6 extension header is cut off";
	if (*next == 44 && frame_get16(ext + 2) & 0xfff9)
		return "outer IPv6 packet is a fragment";
	if (*next == 43 && ext[3])
		return "outer IPv6 routing header has segments left: it is not for us yet";
	*next = ext[0];
	span->at += len;
	return NULL;
}

static inline const char *decode_outer6(struct span *span, struct outer_header *outer)
{
	const uint8_t *ip = span->bytes + span->at;
	size_t payload;
	uint8_t next;

	if (span_len(span) < 40)
		return "outer IPv6 header is cut off";
	if (ip[0] >> 4 != 6)
		return "outer version is not 6";
	payload = frame_get16(ip + 4);
	if (payload + 40 > span_len(span))
		return "outer IPv6 packet is cut off";
	*outer = (struct outer_header){
		.family = 6, .tos = frame_get16(ip) >> 4, .src = ip + 8, .dst = ip + 24
	};
	span->at += 40;
	span->end = span->at + payload;
	next = ip[6];
	for (int i = 0; next == 0 || next == 43 || next == 44 || next == 60; i++) {
		const char *refused = i == DECODER_MAX_EXT_HEADERS
					      ? "more outer IPv6 extension headers than supported"
					      : decode_ext(span, &next);

		if (refused)
			return refused;
	}
	/* An authentication header is not skipped: nobody has verified it here. */
	outer->proto = next;
	return NULL;
}

struct payload {
	enum decoder_mode mode;
	uint16_t port;
	bool has_key;
	uint32_t key;
	uint16_t type;
};

static inline const char *decode_gre(struct span *span, struct payload *payload)
{
	const uint8_t *gre = span->bytes + span->at;
	uint16_t flags;

	if (span_len(span) < 4)
		return "GRE header is cut off";
	flags = frame_get16(gre);
	payload->type = frame_get16(gre + 2);
	payload->mode = D_GRE;
	/* RFC 2784 2.3: bits 1 to 5 must be 0 (RFC 2890 gives K and S back), 6 to 12 are ignored. */
	if (flags & 0xdc00)
		return "GRE flags that are not supported";
	if (flags & 7)
		return "GRE version is not 0";
	if (payload->type != TYPE_IPV4 && payload->type != TYPE_IPV6)
		return "GRE carries another protocol";
	span->at += 4;
	if (!(flags & 0x2000))
		return NULL;
	if (span_len(span) < 4)
		return "GRE key is cut off";
	payload->has_key = true;
	payload->key = (uint32_t)frame_get16(gre + 4) << 16 | frame_get16(gre + 6);
	span->at += 4;
	return NULL;
}

/* The version of the IP header says what it is. */
static inline const char *decode_bare_ip(struct span *span, struct payload *payload)
{
	uint8_t version;

	if (span_len(span) < 1)
		return "no IP header behind the UDP header";
	version = span->bytes[span->at] >> 4;
	if (version != 4 && version != 6)
		return "neither IPv4 nor IPv6 behind the UDP header";
	payload->type = version == 4 ? TYPE_IPV4 : TYPE_IPV6;
	return NULL;
}

static inline const char *decode_gue(struct span *span, struct payload *payload)
{
	const uint8_t *gue = span->bytes + span->at;

	if (span_len(span) >= 1 && gue[0] >> 6 == 1)
		return decode_bare_ip(span, payload);
	if (span_len(span) < 4)
		return "GUE header is cut off";
	if (gue[0] >> 6)
		return "GUE variant is not known";
	if (gue[0] & 0x20)
		return "GUE control message";
	if (gue[0] & 0x1f || gue[2] || gue[3])
		return "GUE fields that are not supported";
	if (gue[1] != 4 && gue[1] != 41)
		return "GUE carries another protocol";
	payload->type = gue[1] == 4 ? TYPE_IPV4 : TYPE_IPV6;
	span->at += 4;
	return NULL;
}

static inline const char *decode_ethernet(struct span *span, struct payload *payload)
{
	if (span_len(span) < ETH_LEN)
		return "inner Ethernet header is cut off";
	payload->type = frame_get16(span->bytes + span->at + 12);
	span->at += ETH_LEN;
	return NULL;
}

static inline void take_vni(const uint8_t *at, struct payload *payload)
{
	payload->has_key = true;
	payload->key = (uint32_t)at[0] << 16 | at[1] << 8 | at[2];
}

static inline const char *decode_vxlan(struct span *span, struct payload *payload)
{
	const uint8_t *vxlan = span->bytes + span->at;

	if (span_len(span) < 8)
		return "VXLAN header is cut off";
	if (vxlan[0] != 0x08 || vxlan[1] || vxlan[2] || vxlan[3])
		return "VXLAN flags that are not supported";
	if (vxlan[7])
		return "VXLAN reserved byte is in use";
	take_vni(vxlan + 4, payload);
	span->at += 8;
	return decode_ethernet(span, payload);
}

static inline const char *decode_geneve(struct span *span, struct payload *payload)
{
	const uint8_t *geneve = span->bytes + span->at;
	size_t header;

	if (span_len(span) < 8)
		return "Geneve header is cut off";
	if (geneve[0] >> 6)
		return "Geneve version is not 0";
	if (geneve[1] & 0x80)
		return "Geneve control message";
	if (geneve[1] & 0x40)
		return "Geneve critical options";
	header = 8 + (geneve[0] & 0x3f) * 4;
	if (header > span_len(span))
		return "Geneve options are cut off";
	take_vni(geneve + 4, payload);
	payload->type = frame_get16(geneve + 2);
	span->at += header;
	return payload->type == TYPE_ETHERNET ? decode_ethernet(span, payload) : NULL;
}

static inline enum decoder_mode mode_of_port(const struct decoder_tunnel *tunnels, uint16_t port)
{
	for (; tunnels->id; tunnels++)
		if (tunnels->port == port)
			return tunnels->mode;
	return D_NONE;
}

static inline const char *decode_udp(struct span *span, const struct decoder_tunnel *tunnels,
				     struct payload *payload)
{
	const uint8_t *udp = span->bytes + span->at;
	size_t len;

	if (span_len(span) < 8)
		return "UDP header is cut off";
	len = frame_get16(udp + 4);
	if (len < 8 || len > span_len(span))
		return "UDP length is wrong";
	payload->port = frame_get16(udp + 2);
	payload->mode = payload->port ? mode_of_port(tunnels, payload->port) : D_NONE;
	span->end = span->at + len;
	span->at += 8;
	switch (payload->mode) {
	case D_GUE:
		return decode_gue(span, payload);
	case D_FOU:
		return decode_bare_ip(span, payload);
	case D_VXLAN:
		return decode_vxlan(span, payload);
	case D_GENEVE:
		return decode_geneve(span, payload);
	default:
		return "not a UDP port of a tunnel";
	}
}

static inline const char *decode_payload(struct span *span, const struct decoder_tunnel *tunnels,
					 uint8_t proto, struct payload *payload)
{
	*payload = (struct payload){ 0 };
	if (proto == 47)
		return decode_gre(span, payload);
	if (proto == 17)
		return decode_udp(span, tunnels, payload);
	if (proto != 4 && proto != 41)
		return "not a tunnel protocol";
	payload->mode = D_IPIP;
	payload->type = proto == 4 ? TYPE_IPV4 : TYPE_IPV6;
	return NULL;
}

static inline bool is_address(uint8_t family, const uint8_t *bytes, const char *text)
{
	uint8_t address[16];

	assert(inet_pton(family == 4 ? AF_INET : AF_INET6, text, address) == 1);
	return !memcmp(bytes, address, family == 4 ? 4 : 16);
}

/* IP in IPv6 may be SRv6, too: a segment list is no more than a routing header. */
static inline bool is_mode(const struct decoder_tunnel *tunnel, enum decoder_mode mode)
{
	return tunnel->mode == mode || (tunnel->mode == D_SRV6 && mode == D_IPIP);
}

static inline const struct decoder_tunnel *find_tunnel(const struct decoder_tunnel *tunnels,
						       const struct outer_header *outer,
						       const struct payload *payload)
{
	for (; tunnels->id; tunnels++)
		if (tunnels->family == outer->family && is_mode(tunnels, payload->mode) &&
		    tunnels->port == payload->port && tunnels->has_key == payload->has_key &&
		    tunnels->key == payload->key &&
		    is_address(outer->family, outer->src, tunnels->remote) &&
		    is_address(outer->family, outer->dst,
			       outer->family == 4 ? DECODER_LOCAL4 : DECODER_LOCAL6))
			return tunnels;
	return NULL;
}

static inline const char *decode_inner4(const struct span *span, uint8_t *tos, bool *is_allowed)
{
	const uint8_t *ip = span->bytes + span->at;
	size_t header, total;

	if (span_len(span) < 20)
		return "inner IPv4 header is cut off";
	if (ip[0] >> 4 != 4)
		return "inner version is not 4";
	header = (ip[0] & 15) * 4;
	total = frame_get16(ip + 2);
	if (header < 20 || total < header)
		return "inner IPv4 lengths are wrong";
	if (total > span_len(span))
		return "inner IPv4 packet is longer than what is left of the outer one";
	*tos = ip[1];
	*is_allowed = ip[12] == 10 && ip[13] == 1;
	return NULL;
}

static inline const char *decode_inner6(const struct span *span, uint8_t *tos, bool *is_allowed)
{
	const uint8_t *ip = span->bytes + span->at;

	if (span_len(span) < 40)
		return "inner IPv6 header is cut off";
	if (ip[0] >> 4 != 6)
		return "inner version is not 6";
	if (frame_get16(ip + 4) + 40u > span_len(span))
		return "inner IPv6 packet is longer than what is left of the outer one";
	*tos = frame_get16(ip) >> 4;
	*is_allowed = !memcmp(ip + 8, "\x20\x01\x0d\xb8\0\x01", 6);
	return NULL;
}

static inline const char *decode_inner(const struct span *span, const struct decoder_tunnel *tunnel,
				       uint8_t outer_tos, struct decoded *decoded)
{
	bool is_allowed = false;
	uint8_t tos = 0, ecn;
	const char *refused;

	if (decoded->inner_type == TYPE_IPV4)
		refused = decode_inner4(span, &tos, &is_allowed);
	else if (decoded->inner_type == TYPE_IPV6)
		refused = decode_inner6(span, &tos, &is_allowed);
	else
		refused = "neither IPv4 nor IPv6 inside";
	if (refused)
		return refused;
	if (tunnel->has_allow && !is_allowed)
		return "inner source is not allowed";
	ecn = tunnel->has_ecn ? ecn_figure_4[tos & 3][outer_tos & 3] : tos & 3;
	decoded->inner_tos = ((tunnel->is_uniform ? outer_tos : tos) & 0xfc) | (ecn & 3);
	return ecn == ECN_DROP ? "ECN says drop" : NULL;
}

static inline void decode(const struct frame *frame, const struct decoder_tunnel *tunnels,
			  struct decoded *decoded)
{
	struct span span = { .bytes = frame->bytes, .at = ETH_LEN, .end = frame->len };
	const struct decoder_tunnel *tunnel;
	struct outer_header outer = { 0 };
	struct payload payload;
	uint16_t type;

	*decoded = (struct decoded){ 0 };
	decoded->refused = "no Ethernet frame for us";
	if (frame->len < ETH_LEN || memcmp(frame->bytes, "\0\0\0\0\0\0", 6))
		return;
	type = frame_get16(frame->bytes + 12);
	decoded->refused = type == TYPE_IPV4   ? decode_outer4(&span, &outer)
			   : type == TYPE_IPV6 ? decode_outer6(&span, &outer)
					       : "not IP";
	if (!decoded->refused)
		decoded->refused = decode_payload(&span, tunnels, outer.proto, &payload);
	if (decoded->refused)
		return;
	tunnel = find_tunnel(tunnels, &outer, &payload);
	if (!tunnel) {
		decoded->refused = "no such tunnel";
		return;
	}
	decoded->tunnel = tunnel->id;
	decoded->inner_at = span.at;
	decoded->inner_type = payload.type;
	decoded->refused = decode_inner(&span, tunnel, outer.tos, decoded);
}

#endif
