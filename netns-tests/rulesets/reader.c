/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What frames say: see reader.h. */
#include "reader.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define MAX_TAGS 2
#define MAX_EXTENSIONS 6
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define ICMP_HEADER 8

/* Bytes that arrived. */
struct view {
	const uint8_t *bytes;
	size_t len;
};

static bool has(const struct view *view, size_t at, size_t count)
{
	return at + count <= view->len;
}

static uint16_t get16(const struct view *view, size_t at)
{
	return view->bytes[at] << 8 | view->bytes[at + 1];
}

static bool is_tag(uint16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

/* Returns where the payload of the frame begins. */
static size_t read_link(struct cv_oracle_packet *packet, const struct view *view)
{
	uint16_t type = get16(view, 2 * ETH_ALEN);
	size_t at = ETH_HLEN;

	if (is_tag(type) && has(view, at, 2)) {
		packet->has_vlan = true;
		packet->vlan = get16(view, at) & 0xfff;
	}
	for (int tags = 0; tags < MAX_TAGS && is_tag(type); tags++) {
		type = has(view, at, 4) ? get16(view, at + 2) : 0;
		at += 4;
	}
	packet->ethertype = type >= ETH_P_802_3_MIN ? type : 0;
	return at;
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_AH;
}

/* What stands behind an IP header, if it is the beginning of what the protocol says. */
static void read_transport(struct cv_oracle_packet *packet, const struct view *view, size_t at)
{
	uint8_t icmp = packet->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	switch (packet->proto) {
	case IPPROTO_TCP:
		packet->has_tcp = has(view, at, 14);
		packet->tcp_flags = packet->has_tcp ? view->bytes[at + 13] : 0;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		break;
	default:
		packet->has_icmp = packet->proto == icmp && has(view, at, 2);
		packet->icmp_type = packet->has_icmp ? view->bytes[at] : 0;
		packet->icmp_code = packet->has_icmp ? view->bytes[at + 1] : 0;
		return;
	}
	packet->has_ports = has(view, at, 4);
	packet->sport = packet->has_ports ? get16(view, at) : 0;
	packet->dport = packet->has_ports ? get16(view, at + 2) : 0;
}

/* These return where what follows the header begins, 0 where there is nothing that can be read. */
static size_t read_ipv4(struct cv_oracle_packet *packet, const struct view *view, size_t at)
{
	size_t header = (view->bytes[at] & 0xf) * 4;
	uint16_t fragment;

	if (!has(view, at, IPV4_HEADER) || header < IPV4_HEADER)
		return 0;
	fragment = get16(view, at + 6);
	packet->family = 4;
	packet->dscp = view->bytes[at + 1] >> 2;
	packet->ecn = view->bytes[at + 1] & 3;
	packet->len = get16(view, at + 2);
	packet->is_fragment = fragment & 0x3fff; /* more to come, or not the first */
	packet->proto = view->bytes[at + 9];
	memcpy(packet->src, view->bytes + at + 12, 4);
	memcpy(packet->dst, view->bytes + at + 16, 4);
	return fragment & 0x1fff ? 0 : at + header;
}

static size_t skip_extensions(struct cv_oracle_packet *packet, const struct view *view, size_t at)
{
	for (int walked = 0; is_extension(packet->proto); walked++) {
		uint8_t type = packet->proto;
		uint16_t fragment;

		if (walked == MAX_EXTENSIONS || !has(view, at, 8))
			return 0;
		packet->proto = view->bytes[at];
		if (type != IPPROTO_FRAGMENT) {
			at += type == IPPROTO_AH ? (view->bytes[at + 1] + 2) * 4
						 : (view->bytes[at + 1] + 1) * 8;
			continue;
		}
		fragment = get16(view, at + 2);
		packet->is_fragment |= (fragment & 0xfff9) != 0;
		if (fragment & 0xfff8)
			return 0;
		at += 8;
	}
	return at;
}

static size_t read_ipv6(struct cv_oracle_packet *packet, const struct view *view, size_t at)
{
	const uint8_t *header = view->bytes + at;

	if (!has(view, at, IPV6_HEADER))
		return 0;
	packet->family = 6;
	packet->dscp = (header[0] & 0xf) << 2 | header[1] >> 6;
	packet->ecn = header[1] >> 4 & 3;
	packet->flow_label = (header[1] & 0xf) << 16 | header[2] << 8 | header[3];
	packet->len = IPV6_HEADER + get16(view, at + 4);
	packet->proto = header[6];
	memcpy(packet->src, header + 8, 16);
	memcpy(packet->dst, header + 24, 16);
	return skip_extensions(packet, view, at + IPV6_HEADER);
}

/* The packet whose header begins there, of whatever family it says. Returns where what it carries
 * begins, 0 if that cannot be read. */
static size_t read_ip(struct cv_oracle_packet *packet, const struct view *view, size_t at)
{
	uint8_t version = has(view, at, 1) ? view->bytes[at] >> 4 : 0;
	size_t inside = version == 4   ? read_ipv4(packet, view, at)
			: version == 6 ? read_ipv6(packet, view, at)
				       : 0;

	if (inside)
		read_transport(packet, view, inside);
	return inside;
}

static bool is_error(const struct cv_oracle_packet *packet)
{
	if (!packet->has_icmp)
		return false;
	switch (packet->icmp_type) {
	case 1: /* unreachable */
	case 2: /* too big */
		return packet->family == 6;
	case 3: /* unreachable; time exceeded */
	case 4: /* source quench; parameter problem */
		return true;
	case 5: /* redirect */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		return packet->family == 4;
	default:
		return false;
	}
}

/* Forgets what was read of what is no IP packet. */
static void keep_link(struct cv_oracle_packet *packet)
{
	*packet = (struct cv_oracle_packet){ .has_vlan = packet->has_vlan,
					     .vlan = packet->vlan,
					     .ethertype = packet->ethertype };
}

void reader_read(struct cv_oracle_packet *packet, struct cv_oracle_packet *quoted,
		 const uint8_t *frame, size_t len)
{
	const struct view view = { frame, len };
	uint8_t family;
	size_t inside;

	*packet = *quoted = (struct cv_oracle_packet){ 0 };
	if (!has(&view, 0, ETH_HLEN))
		return;
	inside = read_ip(packet, &view, read_link(packet, &view));
	family = packet->ethertype == ETH_P_IP ? 4 : packet->ethertype == ETH_P_IPV6 ? 6 : 0;
	if (!family || packet->family != family) {
		keep_link(packet);
		return;
	}
	if (!inside || !is_error(packet))
		return;
	read_ip(quoted, &view, inside + ICMP_HEADER);
	if (quoted->family != packet->family)
		return;
	quoted->has_vlan = packet->has_vlan;
	quoted->vlan = packet->vlan;
	packet->quoted = quoted;
}
