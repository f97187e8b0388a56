/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames of packets: see wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <string.h>

#define TTL 64
#define TCP_OFFSET_AT 12 /* byte of the TCP header */

static uint16_t sum_of(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* Returns where the header ends. */
static size_t put_ipv4(uint8_t *frame, const struct cv_oracle_packet *packet)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htons(WIRE_LEN - ETH_HLEN),
		.tos = packet->dscp << 2,
		.ttl = TTL,
		.protocol = packet->proto,
		.saddr = packet->src[0],
		.daddr = packet->dst[0],
	};

	ip.check = sum_of((const uint8_t *)&ip, sizeof(ip));
	memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
	return ETH_HLEN + sizeof(ip);
}

static size_t put_ipv6(uint8_t *frame, const struct cv_oracle_packet *packet)
{
	struct ipv6hdr ip = {
		.version = 6,
		.priority = packet->dscp >> 2,
		.flow_lbl = { (uint8_t)(packet->dscp << 6) },
		.payload_len = htons(WIRE_LEN - ETH_HLEN - sizeof(ip)),
		.nexthdr = packet->proto,
		.hop_limit = TTL,
	};

	memcpy(&ip.saddr, packet->src, sizeof(ip.saddr));
	memcpy(&ip.daddr, packet->dst, sizeof(ip.daddr));
	memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
	return ETH_HLEN + sizeof(ip);
}

void wire_frame(uint8_t frame[WIRE_LEN], const struct cv_oracle_packet *packet, uint32_t number)
{
	uint16_t type = htons(packet->family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	uint16_t ports[] = { htons(packet->sport), htons(packet->dport) };
	size_t at;

	memset(frame, 0, WIRE_LEN);
	memcpy(frame, WIRE_MAC, ETH_ALEN);
	memcpy(frame + ETH_ALEN, WIRE_MAC, ETH_ALEN);
	memcpy(frame + ETH_HLEN - sizeof(type), &type, sizeof(type));
	at = packet->family == 6 ? put_ipv6(frame, packet) : put_ipv4(frame, packet);
	memcpy(frame + at, ports, sizeof(ports));
	if (packet->proto == IPPROTO_TCP)
		frame[at + TCP_OFFSET_AT] = 5 << 4;
	memcpy(frame + WIRE_LEN - sizeof(number), &number, sizeof(number));
}
