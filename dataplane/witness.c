/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this end sees of its probes: see witness.h. */
#include "witness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>

#include "map.h"
#include "own.h"
#include "plan.h"

#define MAX_MESSAGE 2048

/* ---- counters ---- */

/* Adds up the column of that name in the lines of /proc/net/snmp: a line of names, then one of
 * numbers, for each protocol. */
static uint64_t sum_of_columns(const char *path, const char *column)
{
	CV_FCLOSE FILE *file = fopen(path, "re");
	char names[2048], numbers[2048], *name, *number, *name_rest, *number_rest;
	uint64_t sum = 0;

	while (file && fgets(names, sizeof(names), file) && fgets(numbers, sizeof(numbers), file)) {
		name = strtok_r(names, " \n", &name_rest);
		number = strtok_r(numbers, " \n", &number_rest);
		for (; name && number; name = strtok_r(NULL, " \n", &name_rest),
				       number = strtok_r(NULL, " \n", &number_rest))
			if (!strcmp(name, column))
				sum += strtoull(number, NULL, 10);
	}
	return sum;
}

/* The same of /proc/net/snmp6: a name and a number in each line. */
static uint64_t value_of_line(const char *path, const char *wanted)
{
	CV_FCLOSE FILE *file = fopen(path, "re");
	char line[128], name[64];
	unsigned long long value;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %llu", name, &value) == 2 && !strcmp(name, wanted))
			return value;
	return 0;
}

/* Of the network namespace that this thread has entered. */
static uint64_t count_checksum_errors(void)
{
	return sum_of_columns("/proc/thread-self/net/snmp", "InCsumErrors") +
	       value_of_line("/proc/thread-self/net/snmp6", "Udp6InCsumErrors") +
	       value_of_line("/proc/thread-self/net/snmp6", "Icmp6InCsumErrors");
}

static int count(const struct cv_witness *witness, struct cv_tally *tally, struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(witness->inst, CV_STRING(CV_MAP_TUNNEL_STATS), err);
	struct cv_tunnel_stats stats;
	int rc;

	if (fd < 0)
		return fd;
	rc = cv_percpu_sum(fd, &witness->tunnel, (uint64_t *)&stats,
			   sizeof(stats) / sizeof(uint64_t), err);
	if (rc)
		return rc;
	tally->tx_packets = stats.tx_packets;
	tally->rx_packets = stats.rx_packets;
	tally->checksum_errors = count_checksum_errors();
	return cv_drops_read(witness->inst, witness->tunnel, &tally->drops, err);
}

static uint64_t drops_before(const struct cv_drops *drops, const char *reason)
{
	for (size_t i = 0; i < drops->count; i++)
		if (!strcmp(drops->items[i].reason, reason))
			return drops->items[i].packets;
	return 0;
}

/* The reason that was counted most since, or NULL; *packets: how often. */
static const struct cv_drop_info *worst_drop(const struct cv_tally *before,
					     const struct cv_tally *now, uint64_t *packets)
{
	const struct cv_drop_info *worst = NULL;

	*packets = 0;
	for (size_t i = 0; i < now->drops.count; i++) {
		const struct cv_drop_info *item = &now->drops.items[i];
		uint64_t more = item->packets - drops_before(&before->drops, item->reason);

		if (more > *packets) {
			*packets = more;
			worst = item;
		}
	}
	return worst;
}

/* ---- ICMP ---- */

/* One message, of either family. */
struct message {
	struct cv_addr from;
	uint8_t type;
	uint8_t code;
	uint32_t mtu_bytes; /* of "too big", else 0 */
	struct cv_addr quoted_src;
	struct cv_addr quoted_dst;
	uint8_t quoted_proto;
};

static struct cv_addr to_addr(uint8_t family, const void *bytes)
{
	struct cv_addr addr = { .family = family };

	memcpy(addr.bytes, bytes, family == 4 ? 4 : 16);
	return addr;
}

static bool read_message4(const uint8_t *at, ssize_t len, struct message *message)
{
	struct iphdr ip, quoted;
	struct icmphdr icmp;
	ssize_t header;

	if (len < (ssize_t)sizeof(ip))
		return false;
	memcpy(&ip, at, sizeof(ip));
	header = ip.ihl * 4;
	if (len < header + (ssize_t)(sizeof(icmp) + sizeof(quoted)))
		return false;
	memcpy(&icmp, at + header, sizeof(icmp));
	memcpy(&quoted, at + header + sizeof(icmp), sizeof(quoted));
	*message = (struct message){
		.from = to_addr(4, &ip.saddr),
		.type = icmp.type,
		.code = icmp.code,
		.mtu_bytes = icmp.type == ICMP_DEST_UNREACH && icmp.code == ICMP_FRAG_NEEDED
				     ? ntohs(icmp.un.frag.mtu)
				     : 0,
		.quoted_src = to_addr(4, &quoted.saddr),
		.quoted_dst = to_addr(4, &quoted.daddr),
		.quoted_proto = quoted.protocol,
	};
	return icmp.type == ICMP_DEST_UNREACH || icmp.type == ICMP_TIME_EXCEEDED;
}

static bool read_message6(const uint8_t *at, ssize_t len, const struct sockaddr_in6 *from,
			  struct message *message)
{
	struct icmp6_hdr icmp;
	struct ip6_hdr quoted;

	if (len < (ssize_t)(sizeof(icmp) + sizeof(quoted)))
		return false;
	memcpy(&icmp, at, sizeof(icmp));
	memcpy(&quoted, at + sizeof(icmp), sizeof(quoted));
	*message = (struct message){
		.from = to_addr(6, &from->sin6_addr),
		.type = icmp.icmp6_type,
		.code = icmp.icmp6_code,
		.mtu_bytes = icmp.icmp6_type == ICMP6_PACKET_TOO_BIG ? ntohl(icmp.icmp6_mtu) : 0,
		.quoted_src = to_addr(6, &quoted.ip6_src),
		.quoted_dst = to_addr(6, &quoted.ip6_dst),
		.quoted_proto = quoted.ip6_nxt,
	};
	return icmp.icmp6_type == ICMP6_DST_UNREACH || icmp.icmp6_type == ICMP6_PACKET_TOO_BIG ||
	       icmp.icmp6_type == ICMP6_TIME_EXCEEDED;
}

static bool is_tunnel_proto(const struct cv_tunnel_conf *conf, uint8_t proto)
{
	if (cv_tunnel_conf_port(conf))
		return proto == IPPROTO_UDP;
	if (conf->mode == CV_TUNNEL_MODE_GRE)
		return proto == IPPROTO_GRE;
	return proto == IPPROTO_IPIP || proto == IPPROTO_IPV6 || proto == IPPROTO_ROUTING;
}

/* True if the message is about an outer packet of the tunnel, or about a probe inside it. */
static bool is_about_us(const struct cv_witness *witness, const struct message *message)
{
	return cv_addr_equal(&message->quoted_dst, &witness->to) ||
	       (cv_addr_equal(&message->quoted_src, &witness->conf->local) &&
		is_tunnel_proto(witness->conf, message->quoted_proto));
}

/* Reads one message of a socket. Returns false if none is there. */
static bool next_message(int fd, struct message *message, bool *is_one)
{
	uint8_t bytes[MAX_MESSAGE];
	struct sockaddr_in6 from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len = fd < 0 ? -1
			     : recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT,
					(struct sockaddr *)&from, &from_len);

	if (len < 0)
		return false;
	*is_one = from.sin6_family == AF_INET6 ? read_message6(bytes, len, &from, message)
					       : read_message4(bytes, len, message);
	return true;
}

/* The last message about us that came on a socket; reads all. */
static bool last_message(const struct cv_witness *witness, int fd, struct message *last)
{
	struct message message;
	bool is_one, is_found = false;

	while (next_message(fd, &message, &is_one))
		if (is_one && is_about_us(witness, &message)) {
			*last = message;
			is_found = true;
		}
	return is_found;
}

static const char *unreachable4(uint8_t code)
{
	switch (code) {
	case ICMP_PORT_UNREACH:
		return "port unreachable";
	case ICMP_PROT_UNREACH:
		return "protocol unreachable";
	case ICMP_FRAG_NEEDED:
		return "fragmentation needed";
	case ICMP_NET_ANO:
	case ICMP_HOST_ANO:
	case ICMP_PKT_FILTERED:
		return "administratively prohibited";
	default:
		return "destination unreachable";
	}
}

static const char *message_text(const struct message *message)
{
	bool is_v4 = message->from.family == 4;

	if (is_v4)
		return message->type == ICMP_TIME_EXCEEDED ? "time exceeded"
							   : unreachable4(message->code);
	switch (message->type) {
	case ICMP6_PACKET_TOO_BIG:
		return "packet too big";
	case ICMP6_TIME_EXCEEDED:
		return "time exceeded";
	default:
		return message->code == ICMP6_DST_UNREACH_NOPORT  ? "port unreachable"
		       : message->code == ICMP6_DST_UNREACH_ADMIN ? "administratively prohibited"
								  : "destination unreachable";
	}
}

/* ---- together ---- */

int cv_witness_open(struct cv_witness *witness, struct cv_instance *inst,
		    const struct cv_tunnel_conf *conf, uint32_t tunnel, struct cv_err *err)
{
	*witness = (struct cv_witness){
		.inst = inst,
		.conf = conf,
		.tunnel = tunnel,
		.icmp4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP),
		.icmp6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6),
	};
	if (witness->icmp4 < 0) {
		cv_err_set(err, -errno, "tunnel %s: check: ICMP socket: %s", conf->name,
			   strerrordesc_np(errno));
		return cv_err_hint(err, "sending probes needs CAP_NET_RAW and CAP_NET_ADMIN");
	}
	return 0; /* without IPv6 there is no icmp6 */
}

void cv_witness_close(struct cv_witness *witness)
{
	cv_close_fd(&witness->icmp4);
	cv_close_fd(&witness->icmp6);
}

int cv_witness_begin(struct cv_witness *witness, const struct cv_addr *to, struct cv_err *err)
{
	struct message ignored;

	witness->to = *to;
	last_message(witness, witness->icmp4, &ignored);
	last_message(witness, witness->icmp6, &ignored);
	return count(witness, &witness->before, err);
}

static void tell_message(const struct message *message, struct cv_evidence *evidence)
{
	char from[CV_PREFIX_TEXT], mtu[32] = "";

	evidence->side = CV_SIDE_THERE;
	if (message->mtu_bytes)
		snprintf(mtu, sizeof(mtu), ", mtu %u", message->mtu_bytes);
	snprintf(evidence->text, sizeof(evidence->text), "%s says \"%s%s\" (ICMP)",
		 cv_addr_format(&message->from, from), message_text(message), mtu);
}

static void tell_drop(const struct cv_drop_info *drop, uint64_t packets,
		      struct cv_evidence *evidence)
{
	bool is_decap = !strncmp(drop->reason, "decap_", strlen("decap_"));

	evidence->side = is_decap ? CV_SIDE_BACK : CV_SIDE_THERE;
	snprintf(evidence->text, sizeof(evidence->text), "this end counted %llu %s: %s",
		 (unsigned long long)packets, drop->reason, drop->text);
}

int cv_witness_tell(const struct cv_witness *witness, struct cv_evidence *evidence,
		    struct cv_err *err)
{
	const struct cv_drop_info *drop;
	struct message message;
	struct cv_tally now;
	uint64_t packets;
	int rc = count(witness, &now, err);

	if (rc)
		return rc;
	*evidence = (struct cv_evidence){
		.sent = now.tx_packets - witness->before.tx_packets,
		.received = now.rx_packets - witness->before.rx_packets,
	};
	drop = worst_drop(&witness->before, &now, &packets);
	if (last_message(witness, witness->icmp4, &message) ||
	    last_message(witness, witness->icmp6, &message)) {
		tell_message(&message, evidence);
	} else if (drop) {
		tell_drop(drop, packets, evidence);
	} else if (now.checksum_errors > witness->before.checksum_errors) {
		snprintf(evidence->text, sizeof(evidence->text),
			 "%llu answers had a wrong checksum: something on the way, or checksum "
			 "offload at either end, spoils it ('ethtool -K DEV tx off rx off' tells)",
			 (unsigned long long)(now.checksum_errors -
					      witness->before.checksum_errors));
	}
	return 0;
}
