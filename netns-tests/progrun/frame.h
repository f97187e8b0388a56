/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames for program runs, from a list of layers: what a header says about the next one, about its
 * own length and its checksum is filled in from the list unless the layer says otherwise. Knows
 * nothing of bpf/. Each program is one .c file, so this is a header with code in it.
 */
#ifndef CV_FRAME_H
#define CV_FRAME_H

#include <arpa/inet.h>
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FRAME_MAX 2048
#define FRAME_MAX_LAYERS 24
#define ETH_LEN 14
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define TYPE_ARP 0x0806
#define TYPE_ETHERNET 0x6558

enum layer_kind {
	L_END,
	L_ETH,
	L_VLAN,
	L_IP4,
	L_IP6,
	L_EXT,
	L_FRAG,
	L_SRH,
	L_PORTS,
	L_GRE,
	L_GUE,
	L_VXLAN,
	L_GENEVE,
	L_DATA,
	L_PAD
};

/* Zero or NULL: the usual. */
struct layer {
	enum layer_kind kind;
	const char *src; /* of an IP header */
	const char *dst;
	const char *mac; /* 6 bytes, destination; usually zeros, the address of lo */
	const char *smac; /* 6 bytes, source */
	const char *const *list; /* of L_SRH: segments, the one visited last first, and NULL */
	const char *raw; /* of L_DATA; options of IPv4 and TCP */
	uint16_t type; /* of what follows: ethertype */
	uint16_t tpid; /* of a VLAN tag itself */
	uint8_t proto; /* of a header itself: IP protocol number */
	uint8_t next; /* of what follows: IP protocol number */
	uint8_t tos;
	uint8_t ttl;
	uint8_t version; /* low four bits: 0xf0 says 0 */
	uint8_t ihl; /* low four bits: 0xf0 says 0 */
	uint8_t options; /* bytes of options: IPv4, Geneve, TCP */
	uint8_t tcp_flags;
	uint8_t units; /* of an extension header: its length field */
	uint8_t segments; /* left, of a routing header */
	uint16_t fragment; /* IPv4: flags and offset; IPv6: offset and flag of the header */
	int16_t len_off; /* added to the right length */
	uint16_t check_xor; /* spoils the right checksum */
	uint16_t flags; /* GRE */
	uint32_t key; /* GRE; VNI of VXLAN and Geneve; tag of VLAN; flow label of IPv6 */
	uint32_t spoil; /* exclusive-ored into the first word of GUE, VXLAN and Geneve */
	uint8_t reserved; /* the byte behind the VNI */
	uint16_t sport;
	uint16_t dport;
	uint16_t size; /* bytes of L_DATA, L_PAD; length that UDP says */
};

#define ETH(...)                                                                                   \
	{                                                                                          \
		.kind = L_ETH, __VA_ARGS__                                                         \
	}
#define VLAN(...)                                                                                  \
	{                                                                                          \
		.kind = L_VLAN, __VA_ARGS__                                                        \
	}
#define IP4(...)                                                                                   \
	{                                                                                          \
		.kind = L_IP4, __VA_ARGS__                                                         \
	}
#define IP6(...)                                                                                   \
	{                                                                                          \
		.kind = L_IP6, __VA_ARGS__                                                         \
	}
#define GRE(...)                                                                                   \
	{                                                                                          \
		.kind = L_GRE, __VA_ARGS__                                                         \
	}
#define GUE(...)                                                                                   \
	{                                                                                          \
		.kind = L_GUE, __VA_ARGS__                                                         \
	}
#define VXLAN(number, ...)                                                                         \
	{                                                                                          \
		.kind = L_VXLAN, .key = (number), __VA_ARGS__                                      \
	}
#define GENEVE(number, ...)                                                                        \
	{                                                                                          \
		.kind = L_GENEVE, .key = (number), __VA_ARGS__                                     \
	}
#define SRH(left, ...)                                                                             \
	{                                                                                          \
		.kind = L_SRH, .segments = (left), .list = (const char *const[])                   \
		{                                                                                  \
			__VA_ARGS__, NULL                                                          \
		}                                                                                  \
	}
#define EXT(type, ...)                                                                             \
	{                                                                                          \
		.kind = L_EXT, .proto = (type), __VA_ARGS__                                        \
	}
#define FRAG(off_and_flag)                                                                         \
	{                                                                                          \
		.kind = L_FRAG, .fragment = (off_and_flag)                                         \
	}
#define PORTS(number, from, to, ...)                                                               \
	{                                                                                          \
		.kind = L_PORTS, .proto = (number), .sport = (from), .dport = (to), __VA_ARGS__    \
	}
#define TCP(from, to, ...) PORTS(6, from, to, __VA_ARGS__)
#define UDP(from, to, ...) PORTS(17, from, to, __VA_ARGS__)
#define ICMP_OF(type, code) PORTS(1, (type) << 8 | (code), 0)
#define ICMP6_OF(type, code) PORTS(58, (type) << 8 | (code), 0)
#define ICMP ICMP_OF(8, 0)
#define ICMP6 ICMP6_OF(128, 0)
#define DATA(bytes)                                                                                \
	{                                                                                          \
		.kind = L_DATA, .size = (bytes)                                                    \
	}
#define RAW(text)                                                                                  \
	{                                                                                          \
		.kind = L_DATA, .raw = (text), .size = sizeof(text) - 1                            \
	}
#define PAD(bytes)                                                                                 \
	{                                                                                          \
		.kind = L_PAD, .size = (bytes)                                                     \
	}
#define PACKET(...) ((const struct layer[]){ __VA_ARGS__, { .kind = L_END } })

#define EXT_HOP 0
#define EXT_ROUTING 43
#define EXT_AH 51
#define EXT_DST 60
#define IP4_DF 0x4000
#define IP4_MF 0x2000
#define IP6_MF 0x0001
#define GRE_CSUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_SEQ 0x1000

struct frame {
	size_t len;
	uint8_t bytes[FRAME_MAX];
};

static inline void frame_be16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static inline uint16_t frame_get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

/* RFC 1071 over an even number of bytes: 0 if a checksum among them is right. */
static inline uint16_t frame_checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += frame_get16(bytes + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static inline uint16_t layer_ethertype(const struct layer *layer)
{
	switch (layer->kind) {
	case L_VLAN:
		return layer->tpid ? layer->tpid : TYPE_VLAN;
	case L_IP4:
		return TYPE_IPV4;
	case L_IP6:
		return TYPE_IPV6;
	default:
		return 0x88b5; /* for experiments */
	}
}

static inline uint8_t layer_protocol(const struct layer *layer)
{
	switch (layer->kind) {
	case L_IP4:
		return 4;
	case L_IP6:
		return 41;
	case L_FRAG:
		return 44;
	case L_GRE:
		return 47;
	case L_SRH:
		return EXT_ROUTING;
	case L_PORTS:
	case L_EXT:
		return layer->proto;
	default:
		return 59; /* no next header */
	}
}

static inline size_t segment_count(const struct layer *layer)
{
	size_t count = 0;

	while (layer->list[count])
		count++;
	return count;
}

static inline size_t layer_size(const struct layer *layer)
{
	switch (layer->kind) {
	case L_ETH:
		return ETH_LEN;
	case L_VLAN:
		return 4;
	case L_IP4:
		return 20 + layer->options;
	case L_IP6:
		return 40;
	case L_EXT:
		return layer->proto == EXT_AH ? (layer->units + 2) * 4 : (layer->units + 1) * 8;
	case L_FRAG:
		return 8;
	case L_PORTS:
		return layer->proto == 6     ? 20 + layer->options
		       : layer->proto == 33  ? 16
		       : layer->proto == 132 ? 12
					     : 8;
	case L_SRH:
		return 8 + 16 * segment_count(layer);
	case L_GUE:
		return 4;
	case L_VXLAN:
		return 8;
	case L_GENEVE:
		return 8 + layer->options;
	case L_GRE:
		/* Checksum and routing share a word. */
		return 4 + (layer->flags & (GRE_CSUM | GRE_ROUTING) ? 4 : 0) +
		       (layer->flags & GRE_KEY ? 4 : 0) + (layer->flags & GRE_SEQ ? 4 : 0);
	default:
		return layer->size;
	}
}

static inline void fill_ip4(uint8_t *at, const struct layer *layer, size_t total)
{
	uint8_t ihl = layer->ihl ? layer->ihl & 0xf : layer_size(layer) / 4;

	at[0] = (layer->version ? layer->version & 0xf : 4) << 4 | ihl;
	at[1] = layer->tos;
	frame_be16(at + 2, total + layer->len_off);
	frame_be16(at + 4, 0x1234);
	frame_be16(at + 6, layer->fragment);
	at[8] = layer->ttl ? layer->ttl : 64;
	at[9] = layer->next ? layer->next : layer_protocol(layer + 1);
	assert(inet_pton(AF_INET, layer->src ? layer->src : "10.0.0.1", at + 12) == 1);
	assert(inet_pton(AF_INET, layer->dst ? layer->dst : "10.0.0.2", at + 16) == 1);
	memset(at + 20, 1, layer->options); /* no operation */
	memcpy(at + 20, layer->raw ? layer->raw : "", layer->raw ? layer->options : 0);
	frame_be16(at + 10, frame_checksum(at, layer_size(layer)) ^ layer->check_xor);
}

static inline void fill_ip6(uint8_t *at, const struct layer *layer, size_t total)
{
	uint32_t label = layer->key ? layer->key : 0xabcde;

	at[0] = (layer->version ? layer->version & 0xf : 6) << 4 | layer->tos >> 4;
	at[1] = layer->tos << 4 | label >> 16;
	frame_be16(at + 2, label);
	frame_be16(at + 4, total - 40 + layer->len_off);
	at[6] = layer->next ? layer->next : layer_protocol(layer + 1);
	at[7] = layer->ttl ? layer->ttl : 64;
	assert(inet_pton(AF_INET6, layer->src ? layer->src : "fd00::1", at + 8) == 1);
	assert(inet_pton(AF_INET6, layer->dst ? layer->dst : "fd00::2", at + 24) == 1);
}

static inline void fill_ext(uint8_t *at, const struct layer *layer)
{
	at[0] = layer->next ? layer->next : layer_protocol(layer + 1);
	if (layer->kind == L_FRAG) {
		frame_be16(at + 2, layer->fragment);
		frame_be16(at + 6, 0x4321);
		return;
	}
	at[1] = layer->units;
	if (layer->proto == EXT_ROUTING) {
		at[2] = 4;
		at[3] = layer->segments;
	} else if (layer->proto != EXT_AH) {
		at[2] = 1; /* PadN */
		at[3] = layer_size(layer) - 4;
	}
}

static inline void fill_ports(uint8_t *at, const struct layer *layer, size_t total)
{
	frame_be16(at, layer->sport);
	frame_be16(at + 2, layer->dport);
	if (layer->proto == 6) {
		at[12] = (5 + layer->options / 4) << 4;
		at[13] = layer->tcp_flags;
		memcpy(at + 20, layer->raw ? layer->raw : "", layer->raw ? layer->options : 0);
	}
	if (layer->proto == 17)
		frame_be16(at + 4, layer->size ? layer->size : total + layer->len_off);
}

static inline void fill_gre(uint8_t *at, const struct layer *layer)
{
	size_t key = 4 + (layer->flags & (GRE_CSUM | GRE_ROUTING) ? 4 : 0);

	frame_be16(at, layer->flags);
	frame_be16(at + 2, layer->type ? layer->type : layer_ethertype(layer + 1));
	if (layer->flags & GRE_KEY) {
		frame_be16(at + key, layer->key >> 16);
		frame_be16(at + key + 2, layer->key);
	}
}

static inline void frame_be32(uint8_t *at, uint32_t value)
{
	frame_be16(at, value >> 16);
	frame_be16(at + 2, value);
}

/* RFC 8754 section 2. */
static inline void fill_srh(uint8_t *at, const struct layer *layer)
{
	size_t count = segment_count(layer);

	at[0] = layer->next ? layer->next : layer_protocol(layer + 1);
	at[1] = 2 * count;
	at[2] = 4;
	at[3] = layer->segments;
	at[4] = count - 1;
	for (size_t i = 0; i < count; i++)
		assert(inet_pton(AF_INET6, layer->list[i], at + 8 + 16 * i) == 1);
}

static inline void fill_gue(uint8_t *at, const struct layer *layer)
{
	uint8_t proto = layer->next ? layer->next : layer_protocol(layer + 1);

	frame_be32(at, (uint32_t)proto << 16 ^ layer->spoil);
}

static inline void fill_vxlan(uint8_t *at, const struct layer *layer)
{
	frame_be32(at, 0x08000000 ^ layer->spoil);
	frame_be32(at + 4, layer->key << 8 | layer->reserved);
}

/* Options are of no known kind, and all of one word. */
static inline void fill_geneve(uint8_t *at, const struct layer *layer)
{
	uint16_t type = layer->type		     ? layer->type
			: (layer + 1)->kind == L_ETH ? TYPE_ETHERNET
						     : layer_ethertype(layer + 1);

	frame_be32(at, ((uint32_t)layer->options << 22 | type) ^ layer->spoil);
	frame_be32(at + 4, layer->key << 8 | layer->reserved);
	for (size_t i = 0; i < layer->options; i += 4)
		frame_be32(at + 8 + i, 0xffff0100);
}

static inline void fill_data(uint8_t *at, const struct layer *layer)
{
	for (size_t i = 0; i < layer->size; i++)
		at[i] = layer->raw ? layer->raw[i] : (int)(i * 7 + 3);
}

/* total: bytes from the layer's first to the last that belongs to an IP packet. */
static inline void fill_layer(uint8_t *at, const struct layer *layer, size_t total)
{
	switch (layer->kind) {
	case L_ETH:
		if (layer->mac)
			memcpy(at, layer->mac, 6);
		memcpy(at + 6, layer->smac ? layer->smac : "\2\0\0\0\0\0", 6);
		frame_be16(at + 12, layer->type ? layer->type : layer_ethertype(layer + 1));
		break;
	case L_VLAN:
		frame_be16(at, layer->key ? layer->key : 7);
		frame_be16(at + 2, layer->type ? layer->type : layer_ethertype(layer + 1));
		break;
	case L_IP4:
		fill_ip4(at, layer, total);
		break;
	case L_IP6:
		fill_ip6(at, layer, total);
		break;
	case L_EXT:
	case L_FRAG:
		fill_ext(at, layer);
		break;
	case L_PORTS:
		fill_ports(at, layer, total);
		break;
	case L_GRE:
		fill_gre(at, layer);
		break;
	case L_SRH:
		fill_srh(at, layer);
		break;
	case L_GUE:
		fill_gue(at, layer);
		break;
	case L_VXLAN:
		fill_vxlan(at, layer);
		break;
	case L_GENEVE:
		fill_geneve(at, layer);
		break;
	case L_DATA:
		fill_data(at, layer);
		break;
	default: /* padding is zeros */
		break;
	}
}

static inline void frame_build(struct frame *frame, const struct layer *layers)
{
	size_t end = 0, at = 0;

	memset(frame, 0, sizeof(*frame));
	for (const struct layer *layer = layers; layer->kind != L_END; layer++) {
		frame->len += layer_size(layer);
		if (layer->kind != L_PAD)
			end = frame->len;
	}
	assert(frame->len <= sizeof(frame->bytes));
	for (const struct layer *layer = layers; layer->kind != L_END; layer++) {
		fill_layer(frame->bytes + at, layer, end - at);
		at += layer_size(layer);
	}
}

/* As frame_build(), of two lists. */
static inline void frame_build_joined(struct frame *frame, const struct layer *outer,
				      const struct layer *inner)
{
	struct layer joined[FRAME_MAX_LAYERS] = { 0 };
	size_t count = 0;

	for (; outer->kind != L_END; outer++)
		joined[count++] = *outer;
	for (; inner->kind != L_END; inner++)
		joined[count++] = *inner;
	assert(count < FRAME_MAX_LAYERS);
	frame_build(frame, joined);
}

/* RFC 9293 3.1: 0 if the checksum of the TCP segment in the IP packet without options or extension
 * headers at ip_at, to the frame's end, is right. */
static inline uint16_t frame_tcp_checksum(const struct frame *frame, size_t ip_at)
{
	bool is_ip4 = frame->bytes[ip_at] >> 4 == 4;
	size_t addresses = ip_at + (is_ip4 ? 12 : 8), tcp_at = ip_at + (is_ip4 ? 20 : 40);
	uint8_t sum[FRAME_MAX + 40] = { 0 };
	size_t len = frame->len - tcp_at;

	frame_be16(sum, len);
	frame_be16(sum + 2, 6);
	memcpy(sum + 4, frame->bytes + addresses, tcp_at - addresses);
	memcpy(sum + 4 + tcp_at - addresses, frame->bytes + tcp_at, len);
	return frame_checksum(sum, (4 + tcp_at - addresses + len + 1) & ~1ul);
}

/* Fills that checksum in. */
static inline void frame_mend_tcp(struct frame *frame, size_t ip_at)
{
	size_t at = ip_at + (frame->bytes[ip_at] >> 4 == 4 ? 20 : 40) + 16;

	frame_be16(frame->bytes + at, 0);
	frame_be16(frame->bytes + at, frame_tcp_checksum(frame, ip_at));
}

static inline void frame_print(const char *what, const uint8_t *bytes, size_t len)
{
	char text[2 * FRAME_MAX + 1] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	printf("# %s (%zu bytes): %s\n", what, len, text);
	fflush(stdout); /* in order with what goes to stderr */
}

#endif
