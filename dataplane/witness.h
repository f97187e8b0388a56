/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this end sees while probes are under way: what its own programs counted, what the stack
 * refused, and what ICMP said about the packets. So a probe that does not come back has a reason as
 * good as one side can tell.
 */
#ifndef CV_WITNESS_H
#define CV_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "instance.h"

#define CV_EVIDENCE_MAX 320

/* Numbers that only grow. */
struct cv_tally {
	uint64_t tx_packets; /* into the tunnel */
	uint64_t rx_packets; /* out of it */
	uint64_t checksum_errors; /* datagrams and segments that the stack threw away */
	struct cv_drops drops;
};

struct cv_witness {
	struct cv_instance *inst;
	const struct cv_tunnel_conf *conf;
	uint32_t tunnel; /* id */
	struct cv_addr to; /* inner destination */
	struct cv_tally before;
	int icmp4; /* raw sockets */
	int icmp6;
};

enum cv_side { CV_SIDE_UNKNOWN, CV_SIDE_THERE, CV_SIDE_BACK };

struct cv_evidence {
	enum cv_side side; /* on which way packets were lost, if that is plain */
	uint64_t sent; /* packets that went into the tunnel */
	uint64_t received; /* that came out of it */
	char text[CV_EVIDENCE_MAX]; /* empty: nothing was seen */
};

int cv_witness_open(struct cv_witness *witness, struct cv_instance *inst,
		    const struct cv_tunnel_conf *conf, uint32_t tunnel, struct cv_err *err);
void cv_witness_close(struct cv_witness *witness);

/* Forgets what was so far. to: where the next probes go. */
int cv_witness_begin(struct cv_witness *witness, const struct cv_addr *to, struct cv_err *err);
/* What happened since. */
int cv_witness_tell(const struct cv_witness *witness, struct cv_evidence *evidence,
		    struct cv_err *err);

#endif
