/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tunnel check`: which packets get through a tunnel and back, and why others do not. The first,
 * small packet finds out who answers; the others are compared with it.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

#include "mode.h"
#include "own.h"
#include "plan.h"
#include "probe.h"
#include "witness.h"

#define TRIES 3
#define SMALL_BYTES 68 /* both families' headers and struct cv_probe; IPv4 has no smaller mtu */
#define STREAM_BYTES 65536
#define SEGMENTS 10 /* of one UDP_SEGMENT write */
#define LARGEST_FRAGMENTED 65000
#define TOS_CE 3
#define LEAST_PATIENCE_MS 60

/* Numbers that the other end remembers; those of the table, then two that are not steps. */
enum step_number {
	STEP_SMALL,
	STEP_BELOW,
	STEP_FULL,
	STEP_ABOVE,
	STEP_STREAM,
	STEP_SEGMENTS,
	STEP_CE,
	STEP_FRAGMENTS,
	STEP_COUNT,
	STEP_SEARCH, /* for the largest packet that passes */
	STEP_ASK, /* what arrived */
};
_Static_assert(2 * STEP_COUNT <= CV_PROOF_STEPS_MAX, "the report holds both families");

struct prover {
	struct cv_instance *inst;
	const struct cv_state *state;
	const struct cv_tunnel_conf *conf;
	struct cv_proof_report *report;
	struct cv_witness witness;
	uint32_t mtu_bytes;
	uint32_t timeout_ms;
	bool has_ingress; /* some device takes packets out */

	/* Of the family at hand. */
	struct cv_probe_path path;
	enum cv_proof_peer peer;
	uint32_t rtt_ms;
	bool is_narrow; /* packets of the mtu do not pass */
};

/* ---- verdicts ---- */

static void pass(struct cv_proof_step *step)
{
	step->verdict = CV_PROOF_OK;
	step->there = CV_PROOF_OK;
	step->back = CV_PROOF_OK;
}

__attribute__((format(printf, 2, 3))) static void leave_unproven(struct cv_proof_step *step,
								 const char *format, ...)
{
	va_list args;

	step->verdict = CV_PROOF_UNPROVEN;
	step->there = CV_PROOF_UNPROVEN;
	step->back = CV_PROOF_UNPROVEN;
	va_start(args, format);
	vsnprintf(step->reason, sizeof(step->reason), format, args);
	va_end(args);
}

/* What came back as it should proves the tunnel only if it went in. */
static void pass_if_sent(struct cv_proof_step *step, const struct cv_evidence *evidence)
{
	if (evidence->sent)
		pass(step);
	else
		leave_unproven(step,
			       "it came back, but did not go into this tunnel: the route leads "
			       "into several, and the kernel chose another");
}

__attribute__((format(printf, 3, 4))) static void fail(struct cv_proof_step *step,
						       enum cv_side side, const char *format, ...)
{
	va_list args;

	step->verdict = CV_PROOF_FAILED;
	step->there = side == CV_SIDE_THERE  ? CV_PROOF_FAILED
		      : side == CV_SIDE_BACK ? CV_PROOF_OK
					     : CV_PROOF_UNPROVEN;
	step->back = side == CV_SIDE_BACK ? CV_PROOF_FAILED : CV_PROOF_UNPROVEN;
	va_start(args, format);
	vsnprintf(step->reason, sizeof(step->reason), format, args);
	va_end(args);
}

static const char *way(enum cv_side side)
{
	return side == CV_SIDE_THERE  ? "on the way there"
	       : side == CV_SIDE_BACK ? "on the way back"
				      : "on the way there or back";
}

/* "; TEXT", or nothing. */
static const char *more(const struct cv_evidence *evidence, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", *evidence->text ? "; " : "", evidence->text);
	return buf;
}

/* ---- packets ---- */

/* How long a packet may take that is expected to be lost. */
static uint32_t patience_ms(const struct prover *prover)
{
	uint32_t wait =
		4 * prover->rtt_ms > LEAST_PATIENCE_MS ? 4 * prover->rtt_ms : LEAST_PATIENCE_MS;

	return wait < prover->timeout_ms ? wait : prover->timeout_ms;
}

static struct cv_probe_shape shape_of(const struct prover *prover, enum step_number number,
				      uint32_t bytes)
{
	return (struct cv_probe_shape){
		.kind = prover->peer == CV_PROOF_PEER_OTHER ? CV_PROBE_ECHO : CV_PROBE_UDP,
		.step = number,
		.bytes = bytes,
		.tries = prover->is_narrow ? 1 : TRIES,
		.wait_ms = prover->is_narrow ? patience_ms(prover) : prover->timeout_ms / TRIES,
	};
}

/* Which way a packet of that step was lost, as the other end remembers it. */
static enum cv_side ask_side(const struct prover *prover, enum step_number number)
{
	struct cv_probe_shape shape = shape_of(prover, STEP_ASK, SMALL_BYTES);
	struct cv_probe_answers answers;

	if (prover->peer != CV_PROOF_PEER_CULVERT)
		return CV_SIDE_UNKNOWN;
	shape.tries = TRIES;
	shape.wait_ms = patience_ms(prover);
	if (cv_probe_send(&prover->path, &shape, &answers) || !answers.count)
		return CV_SIDE_UNKNOWN;
	return answers.seen & 1u << number ? CV_SIDE_BACK : CV_SIDE_THERE;
}

/* The largest packet that comes back, knowing one that does and one that does not. */
static uint32_t search_largest(const struct prover *prover, uint32_t passes, uint32_t fails)
{
	while (fails > passes + 1) {
		uint32_t middle = passes + (fails - passes) / 2;
		struct cv_probe_shape shape = shape_of(prover, STEP_SEARCH, middle);
		struct cv_probe_answers answers;

		shape.tries = 2;
		shape.wait_ms = patience_ms(prover);
		if (!cv_probe_send(&prover->path, &shape, &answers) && answers.count)
			passes = middle;
		else
			fails = middle;
	}
	return passes;
}

/* ---- reasons ---- */

/* The kernel did not send it. */
static void tell_unsent(const struct prover *prover, struct cv_proof_step *step, int rc,
			const struct cv_evidence *evidence)
{
	char buf[CV_EVIDENCE_MAX + 2];

	if (rc == -EMSGSIZE)
		fail(step, CV_SIDE_THERE,
		     "not sent: this host knows of %u bytes at most towards it, the tunnel's mtu is "
		     "%u",
		     cv_probe_path_mtu(&prover->path), prover->mtu_bytes);
	else
		fail(step, CV_SIDE_THERE, "not sent: %s%s", strerrordesc_np(-rc),
		     more(evidence, buf, sizeof(buf)));
}

static void tell_key(const struct prover *prover, struct cv_proof_step *step)
{
	const struct cv_tunnel_conf *conf = prover->conf;
	char here[32] = "none";

	if (conf->has_key)
		snprintf(here, sizeof(here), "key %u", conf->key);
	else if (conf->has_vni)
		snprintf(here, sizeof(here), "vni %u", conf->vni);
	fail(step, CV_SIDE_THERE,
	     "the other end refuses it: it has another key or vni than this "
	     "one (here: %s)",
	     here);
}

/* The other end got it and would not take it out. With another key it answers with ours, so that
 * its own packets may still not get through. */
static void tell_refused(const struct prover *prover, struct cv_proof_step *step, uint8_t reason)
{
	struct cv_addr source;
	char addr[CV_PREFIX_TEXT] = "";

	switch (reason) {
	case CV_R_DECAP_KEY:
		tell_key(prover, step);
		break;
	case CV_R_DECAP_SOURCE:
		if (!cv_probe_source(&prover->path, &source))
			cv_addr_format(&source, addr);
		fail(step, CV_SIDE_THERE,
		     "the other end refuses it: inner source %s is not in the allow list of its "
		     "tunnel",
		     addr);
		step->back = CV_PROOF_OK;
		break;
	default:
		fail(step, CV_SIDE_THERE, "the other end refuses it: %s", cv_reason_text(reason));
		step->back = CV_PROOF_OK;
		break;
	}
}

static void put_carrier(const struct prover *prover, char *buf, size_t size)
{
	const struct cv_tunnel_conf *conf = prover->conf;

	if (cv_tunnel_conf_port(conf))
		snprintf(buf, size, "UDP port %u", cv_tunnel_conf_port(conf));
	else if (conf->mode == CV_TUNNEL_MODE_GRE)
		snprintf(buf, size, "IP protocol %d (gre)", IPPROTO_GRE);
	else
		snprintf(buf, size, "IP protocol %d (%s)",
			 conf->mode == CV_TUNNEL_MODE_SRV6 ? IPPROTO_ROUTING
			 : prover->path.to.family == 4	   ? IPPROTO_IPIP
							   : IPPROTO_IPV6,
			 cv_tunnel_mode_names[conf->mode]);
}

/* True if the remote answers pings outside of the tunnel, by the way that its packets take. */
static bool remote_answers(const struct prover *prover, const struct cv_addr *remote)
{
	struct cv_probe_path path = {
		.to = *remote,
		.from = prover->conf->local,
		.mark = prover->state->mark_mask,
		.nonce = prover->path.nonce,
	};
	struct cv_probe_shape shape = {
		.kind = CV_PROBE_ECHO,
		.bytes = SMALL_BYTES,
		.tries = 2,
		.wait_ms = prover->timeout_ms / TRIES,
	};
	struct cv_probe_answers answers;

	return !cv_probe_send(&path, &shape, &answers) && answers.count;
}

/* Where nothing else is known: what the remote says outside of the tunnel. */
static void guess_silence(const struct prover *prover, char *buf, size_t size)
{
	const struct cv_tunnel_conf *conf = prover->conf;
	char remote[CV_PREFIX_TEXT], to[CV_PREFIX_TEXT], carrier[48];

	if (!prover->has_ingress) {
		snprintf(buf, size, "no device here has ingress: 'dev add IFNAME ingress'");
		return;
	}
	if (!conf->remotes.count) {
		snprintf(buf, size, "lost %s", way(CV_SIDE_UNKNOWN));
		return;
	}
	cv_addr_format(&conf->remotes.items[0], remote);
	put_carrier(prover, carrier, sizeof(carrier));
	if (remote_answers(prover, &conf->remotes.items[0]))
		snprintf(buf, size,
			 "%s itself answers pings: %s is blocked on the way there or back, or the "
			 "other end has no such tunnel (key, port), or neither culvert nor %s "
			 "answers there",
			 remote, carrier, cv_addr_format(&prover->path.to, to));
	else
		snprintf(buf, size,
			 "%s itself answers no pings either: it is down, or one of the ways there "
			 "and back is blocked",
			 remote);
}

/* Nothing came back of the first packet. */
static void tell_silence(const struct prover *prover, struct cv_proof_step *step,
			 const struct cv_evidence *evidence)
{
	char guess[CV_EVIDENCE_MAX];
	enum cv_side side = evidence->side;

	if (*evidence->text) {
		snprintf(guess, sizeof(guess), "%s", evidence->text);
	} else if (evidence->received) {
		side = CV_SIDE_BACK;
		snprintf(guess, sizeof(guess),
			 "what comes out here is lost in this host: a firewall, or a rule?");
	} else {
		guess_silence(prover, guess, sizeof(guess));
	}
	fail(step, side, "no answer: %llu packets went into the tunnel, %llu came out of it; %s",
	     (unsigned long long)evidence->sent, (unsigned long long)evidence->received, guess);
}

/* True if a ping was answered by another way: only what comes out of the tunnel proves it. */
static bool is_detour(const struct cv_probe_shape *shape, const struct cv_probe_answers *answers,
		      const struct cv_evidence *evidence)
{
	return shape->kind == CV_PROBE_ECHO && answers->count && !evidence->received;
}

static void tell_detour(const struct prover *prover, struct cv_proof_step *step,
			const struct cv_evidence *evidence)
{
	char to[CV_PREFIX_TEXT], buf[CV_EVIDENCE_MAX + 2];

	fail(step, CV_SIDE_BACK,
	     "one way only: %s answers pings, but not through the tunnel: that way back is blocked, "
	     "or the other end has no route into it%s",
	     cv_addr_format(&prover->path.to, to), more(evidence, buf, sizeof(buf)));
}

/* ---- steps ---- */

static int begin(struct prover *prover, struct cv_err *err)
{
	return cv_witness_begin(&prover->witness, &prover->path.to, err);
}

static int tell(const struct prover *prover, struct cv_evidence *evidence, struct cv_err *err)
{
	return cv_witness_tell(&prover->witness, evidence, err);
}

/* Finds out who answers. */
static int prove_small(struct prover *prover, struct cv_proof_step *step, struct cv_err *err)
{
	struct cv_probe_shape shape = shape_of(prover, STEP_SMALL, SMALL_BYTES);
	struct cv_probe_answers answers;
	struct cv_evidence evidence;
	int sent, rc;

	step->bytes = shape.bytes;
	sent = cv_probe_send(&prover->path, &shape, &answers);
	if (!sent && answers.count) {
		prover->peer = CV_PROOF_PEER_CULVERT;
	} else if (!sent) {
		shape.kind = CV_PROBE_ECHO;
		sent = cv_probe_send(&prover->path, &shape, &answers);
		if (!sent && answers.count)
			prover->peer = CV_PROOF_PEER_OTHER;
	}
	rc = tell(prover, &evidence, err);
	if (rc)
		return rc;
	prover->rtt_ms = answers.rtt_ms;
	if (sent)
		tell_unsent(prover, step, sent, &evidence);
	else if (!answers.count)
		tell_silence(prover, step, &evidence);
	else if (is_detour(&shape, &answers, &evidence))
		tell_detour(prover, step, &evidence);
	else if (prover->peer == CV_PROOF_PEER_CULVERT && answers.reason != CV_R_OK)
		tell_refused(prover, step, answers.reason);
	else if (answers.is_changed)
		fail(step, CV_SIDE_UNKNOWN, "other bytes came back than were sent");
	else
		pass_if_sent(step, &evidence);
	return 0;
}

/* A packet that must come back as it was sent. *is_lost: it did not, which is for the caller to
 * tell. */
static int prove_packet(struct prover *prover, struct cv_proof_step *step,
			const struct cv_probe_shape *shape, struct cv_probe_answers *answers,
			struct cv_evidence *evidence, bool *is_lost, struct cv_err *err)
{
	int sent = cv_probe_send(&prover->path, shape, answers);
	int rc = tell(prover, evidence, err);
	uint32_t wanted = shape->segments ? shape->segments : 1;

	*is_lost = !rc && !sent && answers->count < wanted;
	if (rc || *is_lost)
		return rc;
	if (sent)
		tell_unsent(prover, step, sent, evidence);
	else if (is_detour(shape, answers, evidence))
		tell_detour(prover, step, evidence);
	else if (shape->kind == CV_PROBE_UDP && answers->reason != CV_R_OK)
		tell_refused(prover, step, answers->reason);
	else if (answers->is_changed)
		fail(step, CV_SIDE_UNKNOWN, "other bytes came back than were sent");
	else
		pass_if_sent(step, evidence);
	return 0;
}

static int prove_size(struct prover *prover, struct cv_proof_step *step, enum step_number number,
		      uint32_t bytes, struct cv_err *err)
{
	struct cv_probe_shape shape = shape_of(prover, number, bytes);
	char buf[CV_EVIDENCE_MAX + 2];
	struct cv_probe_answers answers;
	struct cv_evidence evidence;
	enum cv_side side;
	uint32_t largest;
	bool is_lost;
	int rc;

	step->bytes = bytes;
	rc = prove_packet(prover, step, &shape, &answers, &evidence, &is_lost, err);
	if (rc || !is_lost)
		return rc;
	prover->is_narrow = true;
	side = evidence.side ? evidence.side : ask_side(prover, number);
	largest = search_largest(prover, SMALL_BYTES, bytes);
	fail(step, side, "lost %s: at most %u bytes pass, the tunnel's mtu is %u%s", way(side),
	     largest, prover->mtu_bytes, more(&evidence, buf, sizeof(buf)));
	return 0;
}

static int prove_below(struct prover *prover, struct cv_proof_step *step, struct cv_err *err)
{
	return prove_size(prover, step, STEP_BELOW, prover->mtu_bytes - 1, err);
}

static int prove_full(struct prover *prover, struct cv_proof_step *step, struct cv_err *err)
{
	return prove_size(prover, step, STEP_FULL, prover->mtu_bytes, err);
}

/* Never leaves this host: the sender has to be told. */
static int prove_above(struct prover *prover, struct cv_proof_step *step, struct cv_err *err)
{
	struct cv_probe_shape shape = shape_of(prover, STEP_ABOVE, prover->mtu_bytes + 1);
	struct cv_probe_answers answers;
	int sent;

	(void)err;
	step->bytes = shape.bytes;
	shape.tries = 1;
	shape.wait_ms = 0;
	sent = cv_probe_send(&prover->path, &shape, &answers);
	if (sent == -EMSGSIZE)
		pass(step);
	else if (sent)
		fail(step, CV_SIDE_THERE, "not sent, but for another reason than its size: %s",
		     strerrordesc_np(-sent));
	else
		fail(step, CV_SIDE_THERE,
		     "sent, though the tunnel's mtu is %u: the route into it has a larger mtu, or "
		     "none",
		     prover->mtu_bytes);
	step->there = CV_PROOF_NONE;
	step->back = CV_PROOF_NONE;
	return 0;
}

static void tell_stream(const struct prover *prover, struct cv_proof_step *step,
			const struct cv_probe_echo *echo, const struct cv_evidence *evidence)
{
	char buf[CV_EVIDENCE_MAX + 2];

	if (!echo->is_connected)
		fail(step, evidence->side, "no connection in %u ms, though UDP comes back%s",
		     prover->timeout_ms, more(evidence, buf, sizeof(buf)));
	else
		fail(step, evidence->side,
		     "%u of %u bytes came back in %u ms, %u segments were sent again: %s%s",
		     echo->bytes, STREAM_BYTES, prover->timeout_ms, echo->retransmits,
		     prover->is_narrow
			     ? "packets of the tunnel's mtu are lost"
			     : "single packets of full size pass, so GSO packets (several segments "
			       "in one) are lost: 'ethtool -K DEV tso off gso off' tells",
		     more(evidence, buf, sizeof(buf)));
}

static int prove_stream(struct prover *prover, struct cv_proof_step *step, struct cv_err *err)
{
	struct cv_probe_echo echo;
	struct cv_evidence evidence;
	int sent = cv_probe_stream(&prover->path, STREAM_BYTES, prover->timeout_ms, &echo);
	int rc = tell(prover, &evidence, err);

	step->bytes = STREAM_BYTES;
	if (rc)
		return rc;
	if (sent)
		tell_unsent(prover, step, sent, &evidence);
	else if (echo.is_changed)
		fail(step, CV_SIDE_UNKNOWN, "other bytes came back than were sent");
	else if (echo.bytes < STREAM_BYTES)
		tell_stream(prover, step, &echo, &evidence);
	else
		pass_if_sent(step, &evidence);
	return 0;
}

static int prove_segments(struct prover *prover, struct cv_proof_step *step, struct cv_err *err)
{
	struct cv_probe_shape shape = shape_of(prover, STEP_SEGMENTS, prover->mtu_bytes);
	char buf[CV_EVIDENCE_MAX + 2];
	struct cv_probe_answers answers;
	struct cv_evidence evidence;
	enum cv_side side;
	bool is_lost;
	int rc;

	shape.segments = SEGMENTS;
	step->bytes = SEGMENTS * prover->mtu_bytes;
	rc = prove_packet(prover, step, &shape, &answers, &evidence, &is_lost, err);
	if (rc || !is_lost)
		return rc;
	side = evidence.side || answers.count ? evidence.side : ask_side(prover, STEP_SEGMENTS);
	fail(step, side, "%u of %u datagrams of one UDP_SEGMENT write came back, lost %s%s",
	     answers.count, SEGMENTS, way(side), more(&evidence, buf, sizeof(buf)));
	return 0;
}

/* The mark of a congested router must come through, RFC 6040. */
static int prove_ce(struct prover *prover, struct cv_proof_step *step, struct cv_err *err)
{
	struct cv_probe_shape shape = shape_of(prover, STEP_CE, SMALL_BYTES);
	char buf[CV_EVIDENCE_MAX + 2];
	struct cv_probe_answers answers;
	struct cv_evidence evidence;
	enum cv_side side;
	bool is_lost;
	int rc;

	step->bytes = shape.bytes;
	shape.tos = TOS_CE;
	rc = prove_packet(prover, step, &shape, &answers, &evidence, &is_lost, err);
	if (rc)
		return rc;
	if (is_lost) {
		side = evidence.side ? evidence.side : ask_side(prover, STEP_CE);
		fail(step, side, "lost %s with ECN CE, though it passes without%s", way(side),
		     more(&evidence, buf, sizeof(buf)));
	} else if (step->verdict == CV_PROOF_OK && (answers.tos & TOS_CE) != TOS_CE) {
		fail(step, CV_SIDE_UNKNOWN, "the inner packet came back without its ECN mark");
	} else if (step->verdict == CV_PROOF_OK && !prover->conf->ecn_off &&
		   (answers.outer_tos & TOS_CE) != TOS_CE) {
		fail(step, CV_SIDE_THERE,
		     "the outer header arrived without its ECN mark: something "
		     "on the way clears it");
	}
	return 0;
}

static int prove_fragments(struct prover *prover, struct cv_proof_step *step, struct cv_err *err)
{
	struct cv_probe_shape shape =
		shape_of(prover, STEP_FRAGMENTS, 2 * prover->mtu_bytes + SMALL_BYTES);
	char buf[CV_EVIDENCE_MAX + 2];
	struct cv_probe_answers answers;
	struct cv_evidence evidence;
	enum cv_side side;
	bool is_lost;
	int rc;

	step->bytes = shape.bytes;
	if (shape.bytes > LARGEST_FRAGMENTED) {
		leave_unproven(step, "no datagram is larger than this mtu");
		return 0;
	}
	shape.may_fragment = true;
	rc = prove_packet(prover, step, &shape, &answers, &evidence, &is_lost, err);
	if (rc || !is_lost)
		return rc;
	side = evidence.side ? evidence.side : ask_side(prover, STEP_FRAGMENTS);
	/* The first fragment may have arrived, and others not. */
	if (side == CV_SIDE_BACK)
		side = CV_SIDE_UNKNOWN;
	fail(step, side, "a datagram in fragments is lost %s%s", way(side),
	     more(&evidence, buf, sizeof(buf)));
	return 0;
}

static const struct {
	const char *name;
	bool needs_culvert; /* at the other end */
	bool is_local; /* says something also if nothing comes back */
	int (*prove)(struct prover *prover, struct cv_proof_step *step, struct cv_err *err);
} steps[STEP_COUNT] = {
	[STEP_SMALL] = { "small", false, true, prove_small },
	[STEP_BELOW] = { "mtu-1", false, false, prove_below },
	[STEP_FULL] = { "mtu", false, false, prove_full },
	[STEP_ABOVE] = { "mtu+1", false, true, prove_above },
	[STEP_STREAM] = { "tcp-64k", true, false, prove_stream },
	[STEP_SEGMENTS] = { "udp-segment", true, false, prove_segments },
	[STEP_CE] = { "ecn-ce", true, false, prove_ce },
	[STEP_FRAGMENTS] = { "fragment", false, false, prove_fragments },
};

static struct cv_proof_step *add_step(struct prover *prover, enum step_number number)
{
	struct cv_proof_step *step = &prover->report->steps[prover->report->count++];

	*step = (struct cv_proof_step){
		.family = prover->path.to.family,
		.step = steps[number].name,
	};
	return step;
}

static int prove_family(struct prover *prover, struct cv_err *err)
{
	bool gets_through = true;
	int rc = 0;

	prover->peer = CV_PROOF_PEER_NONE;
	prover->is_narrow = false;
	for (enum step_number i = 0; !rc && i < STEP_COUNT; i++) {
		struct cv_proof_step *step = add_step(prover, i);

		if (!gets_through && !steps[i].is_local) {
			leave_unproven(step, "not tried: see small");
		} else if (steps[i].needs_culvert && prover->peer == CV_PROOF_PEER_OTHER) {
			leave_unproven(step, "the other end answers pings only: it has no culvert, "
					     "or probe off");
		} else {
			rc = begin(prover, err);
			if (!rc)
				rc = steps[i].prove(prover, step, err);
		}
		if (i == STEP_SMALL)
			gets_through = step->verdict == CV_PROOF_OK;
	}
	/* The one that says more. */
	if (prover->peer == CV_PROOF_PEER_CULVERT || prover->report->peer == CV_PROOF_PEER_NONE)
		prover->report->peer = prover->peer;
	return rc;
}

/* ---- where to ---- */

/* The first address of a prefix that may be a host's. */
static struct cv_addr first_address(const struct cv_prefix *prefix)
{
	uint8_t last = prefix->addr.family == 4 ? 3 : 15;
	struct cv_addr addr = prefix->addr;

	if (prefix->bits < (last + 1) * 8)
		addr.bytes[last] |= 1;
	return addr;
}

/* True if packets that this host sends over the route go into the tunnel. */
static bool leads_into(const struct prover *prover, const struct cv_route_conf *route)
{
	return cv_route_conf_enters(route, prover->conf->name) &&
	       cv_route_conf_hooks(route) & CV_HOOK_XMIT;
}

/* Finds the route into the tunnel for that destination or, without one, the first of that family.
 * False if there is none; *best is then as it was. */
static bool choose_route(const struct prover *prover, uint8_t family, const struct cv_addr *to,
			 const struct cv_route_conf **best)
{
	bool is_found = false;

	for (size_t i = 0; i < prover->state->route_count; i++) {
		const struct cv_route_conf *route = &prover->state->routes[i];
		bool fits = to->family ? cv_prefix_contains(&route->to, to)
				       : route->to.addr.family == family && route->to.bits;

		if (!leads_into(prover, route) || !fits)
			continue;
		if (is_found && (!to->family || route->to.bits <= (*best)->to.bits))
			continue;
		*best = route;
		is_found = true;
	}
	return is_found;
}

static bool has_default_route(const struct prover *prover, uint8_t family)
{
	for (size_t i = 0; i < prover->state->route_count; i++) {
		const struct cv_route_conf *route = &prover->state->routes[i];

		if (leads_into(prover, route) && !route->to.bits &&
		    (!route->to.addr.family || route->to.addr.family == family))
			return true;
	}
	return false;
}

static int find_mark(const struct prover *prover, const char *name, uint32_t *mark,
		     struct cv_err *err)
{
	CV_FREE struct cv_app_set *apps = calloc(1, sizeof(*apps));
	int rc;

	*mark = 0;
	if (!apps)
		return cv_err_set(err, -ENOMEM, "apps: out of memory");
	rc = cv_live_apps(prover->inst, apps, err);
	for (uint32_t i = 0; !rc && *name && i < apps->count; i++)
		if (!strcmp(apps->apps[i].name, name))
			*mark = apps->apps[i].mark;
	return rc;
}

/* True if the route found leads into the tunnel, as far as the name of its program tells: one made by
 * hand has another, and of several nexthops one speaks for all. */
static bool is_way_in(const struct prover *prover, const struct cv_route_conf *route,
		      const struct cv_fib_route *fib)
{
	const char *name = fib->lwt.names[CV_LWT_XMIT];
	char into[CV_NAME_MAX + 1];

	if (sscanf(name, "culvert/%*u/%*[a-z]/%31[^/]", into) != 1 ||
	    (route && route->nexthop_count))
		return *name;
	return !strcmp(into, prover->conf->name);
}

/* Refuses a destination whose packets would not come into this tunnel. */
static int check_path(struct prover *prover, const struct cv_route_conf *route, struct cv_err *err)
{
	const struct cv_probe_path *path = &prover->path;
	char to[CV_PREFIX_TEXT];
	struct cv_fib_answer answer;
	int rc = cv_fib_lookup(prover->inst->nl, &path->to, &path->from, path->mark, &answer, err);

	if (rc)
		return cv_err_prefix(err, "tunnel %s: check", prover->conf->name);
	if (is_way_in(prover, route, &answer.route))
		return 0;
	cv_err_set(err, -EHOSTUNREACH, "tunnel %s: check: %s is not routed into it",
		   prover->conf->name, cv_addr_format(&path->to, to));
	return cv_err_hint(err, "'ip route get %s mark %u' says where it goes; give 'to ADDR'", to,
			   path->mark);
}

static int prove_to(struct prover *prover, const struct cv_route_conf *route,
		    const struct cv_addr *to, const struct cv_addr *from, struct cv_err *err)
{
	int rc;

	prover->path.to = *to;
	prover->path.from = from->family == to->family ? *from : (struct cv_addr){ 0 };
	rc = find_mark(prover, route ? route->app : "", &prover->path.mark, err);
	if (!rc)
		rc = check_path(prover, route, err);
	return rc ? rc : prove_family(prover, err);
}

/* The families that `from` leaves. */
static bool is_asked(const struct cv_proof_conf *conf, uint8_t family)
{
	return !conf->from.family || conf->from.family == family;
}

/* The destination that was asked for; the route to it says whose mark its packets need. */
static int prove_address(struct prover *prover, const struct cv_proof_conf *conf,
			 struct cv_err *err)
{
	const struct cv_route_conf *route = NULL;

	choose_route(prover, conf->to.family, &conf->to, &route);
	return prove_to(prover, route, &conf->to, &conf->from, err);
}

static int prove_routes(struct prover *prover, const struct cv_proof_conf *conf, struct cv_err *err)
{
	static const struct cv_addr any;
	int rc = 0;

	for (uint8_t family = 4; !rc && family <= 6; family += 2) {
		const struct cv_route_conf *route = NULL;
		struct cv_addr to;

		if (!is_asked(conf, family))
			continue;
		if (choose_route(prover, family, &any, &route)) {
			to = first_address(&route->to);
			rc = prove_to(prover, route, &to, &conf->from, err);
		} else if (has_default_route(prover, family)) {
			prover->path.to.family = family;
			leave_unproven(
				add_step(prover, STEP_SMALL),
				"only a default route leads into the tunnel: give 'to ADDR'");
		}
	}
	if (rc || prover->report->count)
		return rc;
	cv_err_set(err, -ENETUNREACH, "tunnel %s: check: no route leads into it",
		   prover->conf->name);
	return cv_err_hint(err, "'route add PREFIX tunnel %s', or give 'to ADDR'",
			   prover->conf->name);
}

static int open_prover(struct prover *prover, struct cv_err *err)
{
	CV_FREE struct cv_tunnel *tunnels = calloc(CV_MAX_TUNNELS, sizeof(*tunnels));
	uint32_t id = 0;
	int rc;

	if (!tunnels)
		return cv_err_set(err, -ENOMEM, "tunnels: out of memory");
	rc = cv_live_tunnels(prover->inst, tunnels, err);
	if (rc)
		return rc;
	for (uint32_t i = 1; i < CV_MAX_TUNNELS; i++)
		if (tunnels[i].mode && !strcmp(tunnels[i].name, prover->conf->name))
			id = i;
	if (!id)
		return cv_err_set(err, -ENOENT, "tunnel %s: not set up", prover->conf->name);
	prover->mtu_bytes = tunnels[id].mtu_bytes;
	for (size_t i = 0; i < prover->state->dev_count; i++)
		prover->has_ingress |= prover->state->devs[i].ingress;
	if (getrandom(&prover->path.nonce, sizeof(prover->path.nonce), 0) < 0)
		return cv_err_set(err, -errno, "random number: %s", strerrordesc_np(errno));
	return cv_witness_open(&prover->witness, prover->inst, prover->conf, id, err);
}

int cv_tunnel_prove(struct cv_instance *inst, const struct cv_state *state, const char *name,
		    const struct cv_proof_conf *conf, struct cv_proof_report *report,
		    struct cv_err *err)
{
	struct prover prover = {
		.inst = inst,
		.state = state,
		.conf = cv_state_find_tunnel(state, name),
		.report = report,
		.timeout_ms = conf->timeout_ms,
	};
	int rc;

	*report = (struct cv_proof_report){ 0 };
	if (!prover.conf)
		return cv_err_set(err, -ENOENT, "tunnel %s: there is none", name);
	if (prover.conf->is_nonlocal)
		return cv_err_set(err, -EOPNOTSUPP,
				  "tunnel %s: check: it only sends (nonlocal), nothing comes back",
				  name);
	rc = open_prover(&prover, err);
	if (rc)
		return rc;
	if (conf->to.family)
		rc = prove_address(&prover, conf, err);
	else
		rc = prove_routes(&prover, conf, err);
	cv_witness_close(&prover.witness);
	return rc;
}
