/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Header templates. Each mode writes what stands behind the outer IP header once, for an inner IPv4
 * and an inner IPv6 packet; the program in the kernel copies it and fills in UDP source port and
 * length.
 */
#include "mode.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/seg6.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <string.h>

#define GRE_FLAG_KEY 0x2000 /* RFC 2890 */
#define VXLAN_FLAG_VNI 0x08 /* RFC 7348 */
#define VNI_SHIFT 8 /* the VNI is the upper 24 bits of its word */
#define ETH_P_TRANSPARENT 0x6558 /* ETH_P_TEB: an Ethernet frame */
#define MAC_LOCAL_UNICAST 0x02 /* IEEE 802: locally administered, not a group */

/* One template while it is written. */
struct payload {
	uint8_t *bytes; /* CV_MAX_PAYLOAD_HDR */
	uint8_t family; /* of the inner packet */
	uint8_t len;
};

static void put(struct payload *payload, const void *bytes, size_t len)
{
	memcpy(payload->bytes + payload->len, bytes, len);
	payload->len += len;
}

static void put_be16(struct payload *payload, uint16_t value)
{
	uint16_t wire = htons(value);

	put(payload, &wire, sizeof(wire));
}

static uint16_t ethertype(const struct payload *payload)
{
	return payload->family == 4 ? ETH_P_IP : ETH_P_IPV6;
}

static uint8_t ip_in_ip(const struct payload *payload)
{
	return payload->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

static uint8_t fill_ipip(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	(void)conf;
	return ip_in_ip(payload);
}

static uint8_t fill_gre(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	uint32_t key = htonl(conf->key);

	put_be16(payload, conf->has_key ? GRE_FLAG_KEY : 0);
	put_be16(payload, ethertype(payload));
	if (conf->has_key)
		put(payload, &key, sizeof(key));
	return IPPROTO_GRE;
}

/* Source port and length are the packet's. No checksum: RFC 768, and RFC 6935 for tunnels. */
static void put_udp(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	struct udphdr udp = { .dest = htons((uint16_t)cv_tunnel_conf_port(conf)) };

	put(payload, &udp, sizeof(udp));
}

static uint8_t fill_gue(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	uint8_t gue[4] = { 0, ip_in_ip(payload) };

	put_udp(conf, payload);
	/* Variant 1: the IP header itself stands in its place. */
	if (conf->variant == 0)
		put(payload, gue, sizeof(gue));
	return IPPROTO_UDP;
}

static uint8_t fill_fou(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	put_udp(conf, payload);
	return IPPROTO_UDP;
}

static void put_vni(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	uint32_t vni = htonl(conf->vni << VNI_SHIFT);

	put(payload, &vni, sizeof(vni));
}

static void put_ethernet(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	struct cv_mac source, destination;

	cv_tunnel_conf_macs(conf, &source, &destination);
	put(payload, destination.bytes, sizeof(destination.bytes));
	put(payload, source.bytes, sizeof(source.bytes));
	put_be16(payload, ethertype(payload));
}

static uint8_t fill_vxlan(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	uint8_t flags[4] = { VXLAN_FLAG_VNI };

	put_udp(conf, payload);
	put(payload, flags, sizeof(flags));
	put_vni(conf, payload);
	put_ethernet(conf, payload);
	return IPPROTO_UDP;
}

static uint8_t fill_geneve(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	put_udp(conf, payload);
	put_be16(payload, 0);
	put_be16(payload, ETH_P_TRANSPARENT);
	put_vni(conf, payload);
	put_ethernet(conf, payload);
	return IPPROTO_UDP;
}

/* The segments a packet has to visit, last one first (RFC 8754 section 2). */
static uint8_t fill_srv6(const struct cv_tunnel_conf *conf, struct payload *payload)
{
	size_t count = conf->segments.count ? conf->segments.count : 1;
	struct ipv6_sr_hdr srh = {
		.nexthdr = ip_in_ip(payload),
		.hdrlen = (uint8_t)(2 * count),
		.type = IPV6_SRCRT_TYPE_4,
		.segments_left = (uint8_t)(count - 1),
		.first_segment = (uint8_t)(count - 1),
	};

	put(payload, &srh, sizeof(srh));
	for (size_t i = count; i > 0; i--)
		put(payload,
		    conf->segments.count ? conf->segments.items[i - 1].bytes
					 : conf->remotes.items[0].bytes,
		    16);
	return IPPROTO_ROUTING;
}

/* Writes one template. Returns the outer protocol. */
typedef uint8_t (*fill_fn)(const struct cv_tunnel_conf *conf, struct payload *payload);

const char *const cv_tunnel_mode_names[CV_TUNNEL_MODE_COUNT] = {
	[CV_TUNNEL_MODE_NONE] = "none",	    [CV_TUNNEL_MODE_IPIP] = "ipip",
	[CV_TUNNEL_MODE_GRE] = "gre",	    [CV_TUNNEL_MODE_GUE] = "gue",
	[CV_TUNNEL_MODE_FOU] = "fou",	    [CV_TUNNEL_MODE_VXLAN] = "vxlan",
	[CV_TUNNEL_MODE_GENEVE] = "geneve", [CV_TUNNEL_MODE_SRV6] = "srv6",
};

static const struct mode {
	enum cv_mode abi;
	fill_fn fill;
	uint16_t port; /* default; 0: no UDP */
} modes[CV_TUNNEL_MODE_COUNT] = {
	[CV_TUNNEL_MODE_IPIP] = { CV_MODE_IPIP, fill_ipip, 0 },
	[CV_TUNNEL_MODE_GRE] = { CV_MODE_GRE, fill_gre, 0 },
	[CV_TUNNEL_MODE_GUE] = { CV_MODE_GUE, fill_gue, CV_GUE_PORT },
	[CV_TUNNEL_MODE_FOU] = { CV_MODE_FOU, fill_fou, CV_FOU_PORT },
	[CV_TUNNEL_MODE_VXLAN] = { CV_MODE_VXLAN, fill_vxlan, CV_VXLAN_PORT },
	[CV_TUNNEL_MODE_GENEVE] = { CV_MODE_GENEVE, fill_geneve, CV_GENEVE_PORT },
	[CV_TUNNEL_MODE_SRV6] = { CV_MODE_SRV6, fill_srv6, 0 },
};

void cv_mode_fill(const struct cv_tunnel_conf *conf, struct cv_tunnel *tunnel)
{
	const struct mode *mode = &modes[conf->mode];
	struct payload v4 = { .bytes = tunnel->payload4, .family = 4 };
	struct payload v6 = { .bytes = tunnel->payload6, .family = 6 };

	tunnel->mode = mode->abi;
	tunnel->key = conf->has_key ? htonl(conf->key) : htonl(conf->vni << VNI_SHIFT);
	tunnel->proto4 = mode->fill(conf, &v4);
	tunnel->proto6 = mode->fill(conf, &v6);
	tunnel->hdr_len =
		v4.len + (tunnel->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

const struct cv_addr *cv_mode_destination(const struct cv_tunnel_conf *conf, size_t remote)
{
	return conf->segments.count ? &conf->segments.items[0] : &conf->remotes.items[remote];
}

const struct cv_addr *cv_mode_arrival(const struct cv_tunnel_conf *conf)
{
	return conf->sid.family ? &conf->sid : &conf->local;
}

uint32_t cv_tunnel_conf_port(const struct cv_tunnel_conf *tunnel)
{
	return tunnel->dport ? tunnel->dport : modes[tunnel->mode].port;
}

bool cv_tunnel_mode_has_ethernet(enum cv_tunnel_mode mode)
{
	return mode == CV_TUNNEL_MODE_VXLAN || mode == CV_TUNNEL_MODE_GENEVE;
}

/* 02: and the address, or the last five bytes of a longer one: both ends come to the same. */
static struct cv_mac mac_of(const struct cv_addr *addr)
{
	struct cv_mac mac = { .bytes = { MAC_LOCAL_UNICAST } };

	if (addr->family == 4)
		memcpy(mac.bytes + 2, addr->bytes, 4);
	else
		memcpy(mac.bytes + 1, addr->bytes + 11, 5);
	return mac;
}

void cv_tunnel_conf_macs(const struct cv_tunnel_conf *tunnel, struct cv_mac *source,
			 struct cv_mac *destination)
{
	static const struct cv_addr nobody;

	*source = tunnel->inner_smac.is_given ? tunnel->inner_smac : mac_of(&tunnel->local);
	*destination =
		tunnel->inner_dmac.is_given
			? tunnel->inner_dmac
			: mac_of(tunnel->remotes.count ? &tunnel->remotes.items[0] : &nobody);
}
