/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program runs of what few rules do: police, pace, sample, mirror and redirect; and of rules that
 * continue. Rates are so low that the time which a test takes does not count; where time has to have
 * passed, the bucket is written.
 */
#include "classifier.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define RULE_ID 5
#define ONES 0xffffffffu
#define BYTES 100 /* of a frame, as UDP4 and UDP6 have them */
#define UDP4(...) PACKET(ETH(), IP4(__VA_ARGS__), UDP(1000, 80), DATA(BYTES - 14 - 20 - 8))
#define UDP6(...) PACKET(ETH(), IP6(__VA_ARGS__), UDP(1000, 80), DATA(BYTES - 14 - 40 - 8))

/* ---- rules ---- */

/* A rule for every packet, in both directions, unless its match says otherwise. */
struct plain_rule {
	struct cv_rule rule;
	struct cv_actions actions;
	struct cv_match match;
};

static void put_rules(const struct plain_rule *plain, uint32_t count, uint32_t flags)
{
	struct cv_compiled_rule compiled[CV_MAX_CONTINUES + 1] = { 0 };
	struct cv_match matches[CV_MAX_CONTINUES + 1];
	struct cv_rules rules = { .rules = compiled,
				  .rule_count = count,
				  .matches = matches,
				  .match_count = count,
				  .flags = flags };

	assert_true(count <= ARRAY_LEN(compiled));
	for (uint32_t i = 0; i < count; i++) {
		compiled[i] = (struct cv_compiled_rule){ plain[i].rule, plain[i].actions };
		matches[i] = plain[i].match;
		matches[i].rule = i;
		matches[i].dirs = 1 << CV_DIR_IN | 1 << CV_DIR_OUT;
	}
	fill_compiled(&rules);
}

static void put_rule(const struct plain_rule *rule)
{
	struct plain_rule with_id = *rule;

	with_id.rule.id = RULE_ID;
	put_rules(&with_id, 1, 0);
}

static void run_frame(int prog_fd, const struct layer *packet, struct run_result *result)
{
	struct run_ctx ctx = { 0 };
	struct frame frame;

	frame_build(&frame, packet);
	run_program(prog_fd, &frame, &ctx, result);
}

static int verdict_of(int prog_fd, const struct layer *packet)
{
	struct run_result result;

	run_frame(prog_fd, packet, &result);
	return result.verdict;
}

static uint64_t packets_of(uint32_t id)
{
	struct cv_rule_stats stats;

	take_rule_stats(id, &stats);
	return stats.packets;
}

/* ---- buckets ---- */

static uint64_t ticks_now(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (now.tv_sec * NS_PER_SECOND + now.tv_nsec) << CV_TICK_BITS;
}

#define TICKS_A_SECOND (NS_PER_SECOND << CV_TICK_BITS)

static struct cv_meter meter_of(uint32_t id)
{
	struct cv_meter meter = { .police.full_ticks = 0 };

	bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_METERS)), &id, &meter);
	return meter;
}

static void set_meter(uint32_t id, uint64_t police_ticks, uint64_t pace_ticks)
{
	struct cv_meter meter = { .police.full_ticks = police_ticks,
				  .pace.full_ticks = pace_ticks };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(MAP(CV_MAP_METERS)), &id, &meter, BPF_ANY),
			 0);
}

#define POLICE(rate, burst, ...)                                                                   \
	.rule.flags = CV_ACTION_POLICE,                                                            \
	.actions = { .police_bytes_ps = (rate), .police_burst_bytes = (burst), __VA_ARGS__ }

/* ---- police ---- */

static void what_the_burst_holds_passes_and_the_rest_is_dropped(void **state)
{
	static const struct plain_rule rule = { POLICE(1, 3 * BYTES + 50) };

	(void)state;
	need_programs();
	put_rule(&rule);
	for (int i = 0; i < 3; i++)
		assert_verdict(verdict_of(classifier.ingress, UDP4()), TC_ACT_UNSPEC);
	assert_only_drop(0, CV_R_OK);
	assert_verdict(verdict_of(classifier.ingress, UDP4()), TC_ACT_SHOT);
	assert_only_drop(0, CV_R_POLICE);
	/* The other direction is the same rule's. */
	assert_verdict(verdict_of(classifier.egress, UDP6()), TC_ACT_SHOT);
	assert_only_drop(0, CV_R_POLICE);
	assert_int_equal(packets_of(RULE_ID), 5);
}

static void a_bucket_fills_with_time(void **state)
{
	static const struct plain_rule rule = { POLICE(10, 2 * BYTES) };
	uint64_t now;

	(void)state;
	need_programs();
	put_rule(&rule);
	/* Full in 20 s: empty now. In 11 s: 90 bytes are there. In 9 s: 110 are. */
	set_meter(RULE_ID, ticks_now() + 20 * TICKS_A_SECOND, 0);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_SHOT);
	set_meter(RULE_ID, ticks_now() + 11 * TICKS_A_SECOND, 0);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_SHOT);
	now = ticks_now();
	set_meter(RULE_ID, now + 9 * TICKS_A_SECOND, 0);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_int_equal(meter_of(RULE_ID).police.full_ticks, now + 19 * TICKS_A_SECOND);
}

static void a_packet_larger_than_the_burst_passes_a_full_bucket_which_owes_the_rest(void **state)
{
	static const struct plain_rule rule = { POLICE(10, 20) };
	uint64_t before;

	(void)state;
	need_programs();
	put_rule(&rule);
	before = ticks_now();
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_in_range(meter_of(RULE_ID).police.full_ticks, before + 10 * TICKS_A_SECOND,
			ticks_now() + 10 * TICKS_A_SECOND);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_SHOT);
	set_meter(RULE_ID, ticks_now() + TICKS_A_SECOND, 0);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_SHOT);
	set_meter(RULE_ID, ticks_now(), 0);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
}

/* Of 1000 bytes a second and a burst of 1 s: how many bytes one packet takes, by what it leaves. */
static uint64_t taken_bytes(int prog_fd, const struct layer *packet, uint32_t wire_bytes,
			    uint32_t gso_bytes)
{
	static const struct plain_rule rule = { POLICE(1000, 1000) };
	struct __sk_buff in = { .wire_len = wire_bytes,
				.gso_size = gso_bytes,
				.gso_segs = gso_bytes ? 3 : 0 };
	struct frame frame;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.bytes, .ctx_in = &in,
		    .ctx_size_in = sizeof(in));
	uint64_t from = ticks_now() + 100 * TICKS_A_SECOND;

	frame_build(&frame, packet);
	opts.data_size_in = frame.len;
	put_rule(&rule);
	set_meter(RULE_ID, from, 0);
	/* Refused; so the bucket is as it was. With one that is full only then it pays. */
	assert_int_equal(bpf_prog_test_run_opts(prog_fd, &opts), 0);
	assert_int_equal(opts.retval, TC_ACT_SHOT);
	assert_int_equal(meter_of(RULE_ID).police.full_ticks, from);
	from = ticks_now();
	set_meter(RULE_ID, 0, 0);
	assert_int_equal(bpf_prog_test_run_opts(prog_fd, &opts), 0);
	assert_int_equal(opts.retval, (uint32_t)TC_ACT_UNSPEC);
	return (meter_of(RULE_ID).police.full_ticks - from) / (TICKS_A_SECOND / 1000);
}

/* The clock goes on between two reads of it: a few milliseconds are bytes here. */
static void assert_about(uint64_t bytes, uint64_t expected)
{
	assert_in_range(bytes, expected, expected + 60);
}

static void bytes_are_those_on_the_wire(void **state)
{
	const struct layer *tcp = PACKET(ETH(), IP4(), TCP(1000, 80, .options = 12), DATA(934));

	(void)state;
	need_programs();
	assert_about(taken_bytes(classifier.egress, UDP4(), 0, 0), BYTES);
	assert_about(taken_bytes(classifier.ingress, UDP6(), 0, 0), BYTES);
	/* As the kernel has worked it out. */
	assert_about(taken_bytes(classifier.egress, tcp, 5000, 400), 5000);
	/* Frames of 14 + 20 + 32 + 934 bytes in three parts: two more headers. */
	assert_about(taken_bytes(classifier.ingress, tcp, 0, 400), 1000 + 2 * (14 + 20 + 32));
	assert_about(taken_bytes(classifier.ingress, tcp, 5000, 400), 1000 + 2 * (14 + 20 + 32));
	assert_about(taken_bytes(classifier.ingress, UDP6(), 0, 20), BYTES + 2 * (14 + 40 + 8));
}

static void a_bucket_of_another_rate_begins_anew(void **state)
{
	static const struct plain_rule slow = { POLICE(1, 10 * BYTES) };
	static const struct plain_rule quick = { POLICE(1000000, 10 * BYTES) };

	(void)state;
	need_programs();
	put_rule(&slow);
	for (int i = 0; i < 10; i++)
		assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_SHOT);
	put_rule(&quick);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_in_range(meter_of(RULE_ID).police.full_ticks, 1, ticks_now() + TICKS_A_SECOND);
}

static void sources_have_buckets_of_their_own(void **state)
{
	static const struct plain_rule rule = { POLICE(1, BYTES, .police_per = CV_POLICE_SOURCE) };

	(void)state;
	need_programs();
	put_rule(&rule);
	assert_verdict(verdict_of(classifier.ingress, UDP4()), TC_ACT_UNSPEC);
	assert_verdict(verdict_of(classifier.ingress, UDP4()), TC_ACT_SHOT);
	assert_verdict(verdict_of(classifier.ingress, UDP4(.src = "10.0.0.9")), TC_ACT_UNSPEC);
	assert_verdict(verdict_of(classifier.ingress, UDP4(.src = "10.0.0.9", .dst = "10.1.1.1")),
		       TC_ACT_SHOT);
	assert_verdict(verdict_of(classifier.ingress, UDP6(.src = "fd00::9")), TC_ACT_UNSPEC);
	assert_verdict(verdict_of(classifier.ingress, UDP6(.src = "fd00::1:0:0:9")), TC_ACT_UNSPEC);
	assert_verdict(verdict_of(classifier.ingress, UDP6(.src = "fd00::9")), TC_ACT_SHOT);
}

/* Packets of no app share one. */
static void packets_of_an_app_share_a_bucket_whatever_their_source(void **state)
{
	static const struct plain_rule rule = { POLICE(1, BYTES, .police_per = CV_POLICE_APP) };
	struct cv_bucket_key key = { .rule = RULE_ID };
	struct cv_bucket bucket;

	(void)state;
	need_programs();
	put_rule(&rule);
	assert_verdict(verdict_of(classifier.ingress, UDP4()), TC_ACT_UNSPEC);
	assert_verdict(verdict_of(classifier.ingress, UDP4(.src = "10.0.0.9")), TC_ACT_SHOT);
	assert_verdict(verdict_of(classifier.ingress, UDP6()), TC_ACT_SHOT);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_BUCKETS)), &key, &bucket), 0);
}

static void what_is_policed_away_meets_no_other_rule(void **state)
{
	static const struct plain_rule rules[] = {
		{ POLICE(1, BYTES), .rule.id = 1, .rule.verdict = CV_VERDICT_CONTINUE },
		{ .rule = { .id = 2 } },
	};

	(void)state;
	need_programs();
	put_rules(rules, 2, 0);
	set_meter(1, 0, 0);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_SHOT);
	assert_only_drop(0, CV_R_POLICE);
	assert_int_equal(packets_of(1), 2);
	assert_int_equal(packets_of(2), 1);
}

/* ---- pace ---- */

/* Runs at egress; when the packet may leave, in nanoseconds of CLOCK_MONOTONIC. */
static uint64_t departure(int prog_fd, uint64_t tstamp, int *verdict)
{
	struct __sk_buff in = { .tstamp = tstamp }, out = { 0 };
	struct frame frame;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.bytes, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out));

	frame_build(&frame, UDP4());
	opts.data_size_in = frame.len;
	assert_int_equal(bpf_prog_test_run_opts(prog_fd, &opts), 0);
	*verdict = opts.retval;
	return out.tstamp;
}

/* 100 bytes are 250 ms. */
static const struct plain_rule paced = { .rule.flags = CV_ACTION_PACE,
					 .actions.pace_bytes_ps = 400 };

static void departures_are_as_far_apart_as_the_rate_says(void **state)
{
	uint64_t now = ticks_now() >> CV_TICK_BITS, first;
	int verdict;

	(void)state;
	need_programs();
	put_rule(&paced);
	first = departure(classifier.egress, 0, &verdict);
	assert_in_range(first, now, ticks_now() >> CV_TICK_BITS);
	for (uint64_t i = 1; i < 4; i++) {
		assert_int_equal(departure(classifier.egress, 0, &verdict),
				 first + i * (NS_PER_SECOND / 4));
		assert_verdict(verdict, TC_ACT_UNSPEC);
	}
	assert_only_drop(0, CV_R_OK);
}

static void what_would_leave_behind_the_horizon_is_dropped(void **state)
{
	uint64_t at;
	int verdict;

	(void)state;
	need_programs();
	put_rule(&paced);
	at = ticks_now() + 3 * TICKS_A_SECOND;
	set_meter(RULE_ID, 0, at);
	departure(classifier.egress, 0, &verdict);
	assert_verdict(verdict, TC_ACT_SHOT);
	assert_only_drop(0, CV_R_PACE_HORIZON);
	assert_int_equal(meter_of(RULE_ID).pace.full_ticks, at);
	set_meter(RULE_ID, 0, ticks_now() + TICKS_A_SECOND);
	departure(classifier.egress, 0, &verdict);
	assert_verdict(verdict, TC_ACT_UNSPEC);
}

static void a_packet_does_not_leave_before_it_wants_to(void **state)
{
	uint64_t wanted;
	int verdict;

	(void)state;
	need_programs();
	put_rule(&paced);
	wanted = (ticks_now() >> CV_TICK_BITS) + NS_PER_SECOND;
	assert_int_equal(departure(classifier.egress, wanted, &verdict), wanted);
	assert_int_equal(departure(classifier.egress, wanted, &verdict),
			 wanted + NS_PER_SECOND / 4);
	/* A time of another clock. */
	set_meter(RULE_ID, 0, 0);
	wanted += 1000000 * NS_PER_SECOND;
	assert_true(departure(classifier.egress, wanted, &verdict) < wanted);
	assert_verdict(verdict, TC_ACT_UNSPEC);
}

static void what_arrives_is_not_paced(void **state)
{
	struct cv_meter meter;
	uint32_t id = RULE_ID;
	int verdict;

	(void)state;
	need_programs();
	put_rule(&paced);
	departure(classifier.ingress, 0, &verdict);
	assert_verdict(verdict, TC_ACT_UNSPEC);
	assert_true(bpf_map_lookup_elem(bpf_map__fd(MAP(CV_MAP_METERS)), &id, &meter));
}

/* ---- samples ---- */

static struct cv_event seen;
static int seen_count;

static int see_event(void *arg, void *data, size_t size)
{
	(void)arg;
	assert_int_equal(size, sizeof(seen));
	memcpy(&seen, data, sizeof(seen));
	seen_count++;
	return 0;
}

/* Takes all events out of the ring; the last one is then in `seen`. */
static int take_events(void)
{
	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(MAP(CV_MAP_EVENTS)), see_event, NULL, NULL);

	assert_non_null(ring);
	seen_count = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
	return seen_count;
}

static void an_event_tells_of_the_packet_as_the_rule_has_left_it(void **state)
{
	static const struct plain_rule rule = {
		.rule = { .name = "look",
			  .flags = CV_ACTION_SAMPLE | CV_ACTION_MARK | CV_ACTION_DSCP,
			  .mark = 0x77,
			  .mark_mask = ONES,
			  .dscp = 46 },
		.actions.sample_one_in = 1,
	};
	uint64_t before = boot_ns();
	struct frame frame;

	(void)state;
	need_programs();
	put_rule(&rule);
	verdict_of(classifier.egress, PACKET(ETH(), IP4(), UDP(1000, 80), DATA(200)));
	assert_int_equal(take_events(), 1);
	frame_build(&frame, PACKET(ETH(), IP4(.tos = 46 << 2), UDP(1000, 80), DATA(200)));
	assert_in_range(seen.time_ns, before, boot_ns());
	assert_string_equal(seen.rule, "look");
	assert_int_equal(seen.rule_id, RULE_ID);
	assert_int_equal(seen.ifindex, 1);
	assert_int_equal(seen.mark, 0x77);
	assert_int_equal(seen.app, CV_APP_NONE);
	assert_int_equal(seen.tunnel, 0);
	assert_int_equal(seen.len_bytes, 14 + 20 + 8 + 200);
	assert_int_equal(seen.captured_bytes, CV_EVENT_BYTES);
	assert_int_equal(seen.dir, CV_DIR_OUT);
	assert_memory_equal(seen.bytes, frame.bytes, CV_EVENT_BYTES);
	/* A short one, on its way in. */
	verdict_of(classifier.ingress, UDP6());
	assert_int_equal(take_events(), 1);
	frame_build(&frame, UDP6(.tos = 46 << 2));
	assert_int_equal(seen.dir, CV_DIR_IN);
	assert_int_equal(seen.captured_bytes, BYTES);
	assert_memory_equal(seen.bytes, frame.bytes, BYTES);
	for (int i = BYTES; i < CV_EVENT_BYTES; i++)
		assert_int_equal(seen.bytes[i], 0);
}

static void about_one_packet_of_so_many_is_told_of(void **state)
{
	static const struct plain_rule rule = { .rule.flags = CV_ACTION_SAMPLE,
						.actions.sample_one_in = 4 };

	(void)state;
	need_programs();
	put_rule(&rule);
	for (int i = 0; i < 800; i++)
		verdict_of(classifier.egress, UDP4());
	/* 200 are meant; this is 8 standard deviations to each side. */
	assert_in_range(take_events(), 100, 300);
}

static void an_event_without_room_is_counted_and_the_packet_goes_on(void **state)
{
	static const struct plain_rule rule = { .rule.flags = CV_ACTION_SAMPLE,
						.actions.sample_one_in = 1 };
	int room = CV_EVENT_RING_BYTES / (int)(sizeof(struct cv_event) + 8);

	(void)state;
	need_programs();
	put_rule(&rule);
	take_events();
	for (int i = 0; i < room; i++)
		assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_only_drop(0, CV_R_OK);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_only_drop(0, CV_R_EVENT_LOST);
	assert_int_equal(take_events(), room);
}

/* ---- other devices ---- */

/* A tap device of this network namespace that is up; it goes with the fd. */
static int open_tap(uint32_t *ifindex)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	CV_CLOSE int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request)) {
		print_message("skip: no tap device: %s\n", strerrordesc_np(errno));
		skip();
	}
	assert_int_equal(ioctl(sock, SIOCGIFINDEX, &request), 0);
	*ifindex = request.ifr_ifindex;
	request.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(sock, SIOCSIFFLAGS, &request), 0);
	return fd;
}

/* The next frame that left by the tap device and has that length; the kernel sends some itself. */
static bool take_frame(int tap, size_t len, struct frame *out)
{
	ssize_t got;

	do {
		got = read(tap, out->bytes, sizeof(out->bytes));
		out->len = got > 0 ? got : 0;
	} while (got > 0 && out->len != len);
	return got > 0;
}

static void a_copy_is_the_frame_as_the_rule_has_left_it(void **state)
{
	struct plain_rule rule = { .rule = { .flags = CV_ACTION_MIRROR | CV_ACTION_DSCP,
					     .dscp = 10,
					     .verdict = CV_VERDICT_DROP } };
	const struct layer *in = PACKET(ETH(), IP4(), TCP(1, 2), DATA(333));
	struct frame copy, expected;
	CV_CLOSE int tap = -1;

	(void)state;
	need_programs();
	tap = open_tap(&rule.actions.mirror_ifindex);
	put_rule(&rule);
	frame_build(&expected, PACKET(ETH(), IP4(.tos = 40), TCP(1, 2), DATA(333)));
	assert_verdict(verdict_of(classifier.egress, in), TC_ACT_SHOT);
	assert_only_drop(0, CV_R_RULE_DROP);
	assert_true(take_frame(tap, expected.len, &copy));
	assert_frame(&copy, &expected);
	assert_verdict(verdict_of(classifier.ingress, in), TC_ACT_SHOT);
	assert_only_drop(0, CV_R_RULE_DROP);
	assert_true(take_frame(tap, expected.len, &copy));
	assert_frame(&copy, &expected);
}

static void a_copy_that_cannot_be_sent_is_counted_and_the_packet_goes_on(void **state)
{
	struct plain_rule rule = { .rule.flags = CV_ACTION_MIRROR, .actions.mirror_ifindex = 999 };

	(void)state;
	need_programs();
	put_rule(&rule);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_only_drop(0, CV_R_MIRROR_FAILED);
	rule.actions.mirror_ifindex = 0;
	put_rule(&rule);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_only_drop(0, CV_R_MIRROR_FAILED);
	/* lo itself, by which it leaves. */
	rule.actions.mirror_ifindex = 1;
	put_rule(&rule);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	assert_only_drop(0, CV_R_OK);
}

static void a_packet_is_redirected_unless_it_is_there_already(void **state)
{
	struct plain_rule rule = { .rule.flags = CV_ACTION_REDIRECT };
	CV_CLOSE int tap = -1;

	(void)state;
	need_programs();
	tap = open_tap(&rule.actions.redirect_ifindex);
	for (__u8 to = CV_REDIRECT_EGRESS; to <= CV_REDIRECT_NEIGH; to++) {
		rule.actions.redirect_to = to;
		put_rule(&rule);
		assert_int_equal(verdict_of(classifier.ingress, UDP4()), TC_ACT_REDIRECT);
		assert_int_equal(verdict_of(classifier.egress, UDP6()), TC_ACT_REDIRECT);
	}
	/* lo, where all of these packets are. */
	rule.actions.redirect_ifindex = 1;
	rule.actions.redirect_to = CV_REDIRECT_EGRESS;
	put_rule(&rule);
	assert_int_equal(verdict_of(classifier.ingress, UDP4()), TC_ACT_REDIRECT);
	assert_verdict(verdict_of(classifier.egress, UDP4()), TC_ACT_UNSPEC);
	rule.actions.redirect_to = CV_REDIRECT_INGRESS;
	put_rule(&rule);
	assert_verdict(verdict_of(classifier.ingress, UDP4()), TC_ACT_UNSPEC);
	assert_int_equal(verdict_of(classifier.egress, UDP4()), TC_ACT_REDIRECT);
	assert_only_drop(0, CV_R_OK);
}

static void a_packet_for_a_device_that_is_gone_is_dropped_and_counted(void **state)
{
	struct plain_rule rule = { .rule.flags = CV_ACTION_REDIRECT };

	(void)state;
	need_programs();
	for (uint32_t ifindex = 0; ifindex <= 999; ifindex += 999) {
		rule.actions.redirect_ifindex = ifindex;
		put_rule(&rule);
		assert_verdict(verdict_of(classifier.ingress, UDP4()), TC_ACT_SHOT);
		assert_only_drop(0, CV_R_REDIRECT_GONE);
		assert_verdict(verdict_of(classifier.egress, UDP6()), TC_ACT_SHOT);
		assert_only_drop(0, CV_R_REDIRECT_GONE);
	}
}

/* ---- continue ---- */

#define MARK(value, mask) .flags = CV_ACTION_MARK, .mark = (value), .mark_mask = (mask)
#define CONTINUE .verdict = CV_VERDICT_CONTINUE
#define IF_MARK(value)                                                                             \
	.flags = CV_MATCH_MARK, .extra = {                                                         \
		.flags = CV_MATCH_MARK,                                                            \
		.mark = (value),                                                                   \
		.mark_mask = ONES,                                                                 \
	}
#define IF_DSCP(value)                                                                             \
	.flags = CV_MATCH_DSCP, .extra = {                                                         \
		.flags = CV_MATCH_DSCP,                                                            \
		.dscps = 1ULL << (value),                                                          \
	}

static void later_rules_see_the_mark_and_the_dscp_of_earlier_ones(void **state)
{
	static const struct plain_rule rules[] = {
		{ .rule = { .id = 1, MARK(0x10, 0xf0), CONTINUE } },
		{ .rule = { .id = 2 }, .match = { IF_MARK(0) } },
		{ .rule = { .id = 3, .flags = CV_ACTION_DSCP, .dscp = 8, CONTINUE },
		  .match = { IF_MARK(0x10) } },
		{ .rule = { .id = 4 }, .match = { IF_DSCP(0) } },
		{ .rule = { .id = 5, MARK(0x02, 0x0f), CONTINUE }, .match = { IF_DSCP(8) } },
		{ .rule = { .id = 6, .verdict = CV_VERDICT_ACCEPT }, .match = { IF_MARK(0x12) } },
		{ .rule = { .id = 7 } },
	};
	const int programs[] = { classifier.ingress, classifier.egress };
	struct run_result result;
	struct frame expected;

	(void)state;
	need_programs();
	put_rules(rules, ARRAY_LEN(rules), 0);
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		run_frame(programs[i], UDP4(.tos = 3), &result);
		frame_build(&expected, UDP4(.tos = 8 << 2 | 3));
		assert_verdict(result.verdict, TC_ACT_OK);
		assert_int_equal(result.mark, 0x12);
		assert_frame(&result.frame, &expected);
		for (uint32_t id = 1; id <= 7; id++)
			assert_int_equal(packets_of(id), id == 1 || id == 3 || id == 5 || id == 6);
	}
	assert_only_drop(0, CV_R_OK);
}

static void behind_the_last_rule_that_continues_the_packet_goes_on(void **state)
{
	static const struct plain_rule rule = { .rule = { MARK(5, ONES), CONTINUE } };
	struct run_result result;

	(void)state;
	need_programs();
	put_rule(&rule);
	run_frame(classifier.egress, UDP4(), &result);
	assert_verdict(result.verdict, TC_ACT_UNSPEC);
	assert_int_equal(result.mark, 5);
	assert_int_equal(packets_of(RULE_ID), 1);
}

static void so_many_rules_continue_and_no_more(void **state)
{
	struct plain_rule rules[CV_MAX_CONTINUES + 1] = { 0 };
	struct run_result result;

	(void)state;
	need_programs();
	for (uint32_t i = 0; i < ARRAY_LEN(rules); i++)
		rules[i].rule = (struct cv_rule){ .id = i, MARK(1u << i, 1u << i), CONTINUE };
	rules[CV_MAX_CONTINUES].rule.verdict = CV_VERDICT_DROP;
	put_rules(rules, ARRAY_LEN(rules), 0);
	run_frame(classifier.egress, UDP4(), &result);
	assert_verdict(result.verdict, TC_ACT_UNSPEC);
	assert_int_equal(result.mark, (1u << CV_MAX_CONTINUES) - 1);
	for (uint32_t i = 0; i < ARRAY_LEN(rules); i++)
		assert_int_equal(packets_of(i), i < CV_MAX_CONTINUES);
}

static void a_drop_at_the_end_of_a_chain_is_counted_once(void **state)
{
	static const struct plain_rule rules[] = {
		{ .rule = { .id = 1, CONTINUE } },
		{ .rule = { .id = 2, CONTINUE } },
		{ .rule = { .id = 3, .verdict = CV_VERDICT_DROP } },
	};

	(void)state;
	need_programs();
	put_rules(rules, ARRAY_LEN(rules), 0);
	assert_verdict(verdict_of(classifier.ingress, UDP6()), TC_ACT_SHOT);
	assert_only_drop(0, CV_R_RULE_DROP);
	for (uint32_t id = 1; id <= 3; id++)
		assert_int_equal(packets_of(id), 1);
}

static void a_frame_that_is_no_ip_has_no_dscp(void **state)
{
	static const struct plain_rule rule = {
		.rule = { .flags = CV_ACTION_DSCP | CV_ACTION_MARK,
			  .dscp = 63,
			  .mark = 4,
			  .mark_mask = ONES },
		.match = { .flags = CV_MATCH_ETHERTYPE,
			   .extra = { .flags = CV_MATCH_ETHERTYPE, .ethertype = TYPE_ARP } },
	};
	const struct layer *arp = PACKET(ETH(.type = TYPE_ARP), IP4(), UDP(1, 2));
	struct run_result result;
	struct frame frame;

	(void)state;
	need_programs();
	put_rules(&rule, 1, CV_RULES_NEED_LINK);
	frame_build(&frame, arp);
	run_frame(classifier.egress, arp, &result);
	assert_int_equal(result.mark, 4);
	assert_frame(&result.frame, &frame);
}

/* ---- all ---- */

static int clear(void **state)
{
	struct cv_bucket_key key;
	struct cv_drop_key drop;
	uint32_t id;

	(void)state;
	if (!progrun.object)
		return 0;
	for (id = 0; id < 32; id++)
		packets_of(id);
	while (!bpf_map_get_next_key(bpf_map__fd(MAP(CV_MAP_METERS)), NULL, &id))
		bpf_map_delete_elem(bpf_map__fd(MAP(CV_MAP_METERS)), &id);
	while (!bpf_map_get_next_key(bpf_map__fd(MAP(CV_MAP_BUCKETS)), NULL, &key))
		bpf_map_delete_elem(bpf_map__fd(MAP(CV_MAP_BUCKETS)), &key);
	while (!bpf_map_get_next_key(bpf_map__fd(MAP(CV_MAP_DROPS)), NULL, &drop))
		bpf_map_delete_elem(bpf_map__fd(MAP(CV_MAP_DROPS)), &drop);
	return 0;
}

#define TEST(function) cmocka_unit_test_setup(function, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_burst_holds_passes_and_the_rest_is_dropped),
		TEST(a_bucket_fills_with_time),
		TEST(a_packet_larger_than_the_burst_passes_a_full_bucket_which_owes_the_rest),
		TEST(bytes_are_those_on_the_wire),
		TEST(a_bucket_of_another_rate_begins_anew),
		TEST(sources_have_buckets_of_their_own),
		TEST(packets_of_an_app_share_a_bucket_whatever_their_source),
		TEST(what_is_policed_away_meets_no_other_rule),
		TEST(departures_are_as_far_apart_as_the_rate_says),
		TEST(what_would_leave_behind_the_horizon_is_dropped),
		TEST(a_packet_does_not_leave_before_it_wants_to),
		TEST(what_arrives_is_not_paced),
		TEST(an_event_tells_of_the_packet_as_the_rule_has_left_it),
		TEST(about_one_packet_of_so_many_is_told_of),
		TEST(an_event_without_room_is_counted_and_the_packet_goes_on),
		TEST(a_copy_is_the_frame_as_the_rule_has_left_it),
		TEST(a_copy_that_cannot_be_sent_is_counted_and_the_packet_goes_on),
		TEST(a_packet_is_redirected_unless_it_is_there_already),
		TEST(a_packet_for_a_device_that_is_gone_is_dropped_and_counted),
		TEST(later_rules_see_the_mark_and_the_dscp_of_earlier_ones),
		TEST(behind_the_last_rule_that_continues_the_packet_goes_on),
		TEST(so_many_rules_continue_and_no_more),
		TEST(a_drop_at_the_end_of_a_chain_is_counted_once),
		TEST(a_frame_that_is_no_ip_has_no_dscp),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
