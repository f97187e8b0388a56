/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probes: ordinary sockets whose packets go into a tunnel over the ordinary route and come back from
 * its other end (abi.h: CV_PROBE_PORT; of an end without culvert, ICMP echo). One function, one kind
 * of packet; what it proves is proof.c's affair.
 */
#ifndef CV_PROBE_H
#define CV_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "culvert.h"

struct cv_probe_path {
	struct cv_addr to;
	struct cv_addr from; /* family 0: as the kernel chooses */
	uint32_t mark; /* of the sockets */
	uint32_t nonce;
};

enum cv_probe_kind { CV_PROBE_UDP, CV_PROBE_ECHO };

struct cv_probe_shape {
	enum cv_probe_kind kind;
	uint8_t step; /* the other end remembers which arrived */
	uint8_t tos;
	bool may_fragment; /* else DF, and no fragments at the source */
	uint32_t bytes; /* of the inner IP packet, headers included; with segments: of each */
	uint32_t segments; /* datagrams in one write (UDP_SEGMENT); 0: no such write */
	uint32_t tries;
	uint32_t wait_ms; /* for the answers to one try */
};

struct cv_probe_answers {
	uint32_t count; /* different ones that came */
	bool is_changed; /* one came that was not what had been sent */
	uint8_t tos; /* of the last one */
	uint8_t reason; /* enum cv_reason: what the other end would have made of it */
	uint8_t outer_tos; /* as it arrived at the other end */
	uint32_t seen; /* steps of this nonce that arrived there so far, a bit each */
	uint32_t rtt_ms; /* of the first, rounded up */
};

/* Sends until all answers are there or the tries are used up. Returns 0, also if none came, or the
 * negative errno with which the kernel refused to send. */
int cv_probe_send(const struct cv_probe_path *path, const struct cv_probe_shape *shape,
		  struct cv_probe_answers *answers);

struct cv_probe_echo {
	bool is_connected;
	bool is_changed; /* other bytes came back than were written */
	uint32_t bytes; /* that came back */
	uint32_t retransmits; /* segments sent again */
};

/* Connects a TCP socket to the probe port, writes so many bytes at once and reads them back, all in
 * at most wait_ms. Returns 0, also if not all came back, or a negative errno. */
int cv_probe_stream(const struct cv_probe_path *path, uint32_t bytes, uint32_t wait_ms,
		    struct cv_probe_echo *echo);

/* The largest path MTU that the kernel knows towards the destination now, 0 if it cannot be told. */
uint32_t cv_probe_path_mtu(const struct cv_probe_path *path);

/* The address that packets leave from. */
int cv_probe_source(const struct cv_probe_path *path, struct cv_addr *source);

#endif
