/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of nl_route.c, nl_rule.c, nl_nexthop.c and nl_link.c: what is written for the kernel is
 * read again as the same, since the kernel's lists have the form of the requests; and devices and
 * ways are asked for once, or together, while they are remembered. The other end of a pair of sockets is played.
 */
#include "nl_route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "nl_link.h"
#include "nl_nexthop.h"
#include "nl_rule.h"
#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- the other end ---- */

static struct cv_nl *open_kernel(int *kernel)
{
	struct cv_nl *nl = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	*kernel = fds[1];
	assert_int_equal(cv_nl_open_fd(&nl, fds[0], NULL), 0);
	return nl;
}

/* Answers a question before it is asked, with messages that are numbered for it, and their end. */
static void answer(int kernel, uint32_t seq, char *messages, size_t size)
{
	const struct {
		struct nlmsghdr hdr;
		struct nlmsgerr ack;
	} end = { .hdr = { .nlmsg_len = sizeof(end),
			   .nlmsg_type = NLMSG_ERROR,
			   .nlmsg_flags = NLM_F_CAPPED,
			   .nlmsg_seq = seq } };
	struct nlmsghdr *hdr;

	for (size_t at = 0; at < size; at += NLMSG_ALIGN(hdr->nlmsg_len)) {
		hdr = (struct nlmsghdr *)(messages + at);
		hdr->nlmsg_seq = seq;
	}
	if (size)
		assert_int_equal(send(kernel, messages, size, 0), size);
	assert_int_equal(send(kernel, &end, sizeof(end), 0), sizeof(end));
}

/* ---- routes ---- */

static const struct cv_fib_route routes[] = {
	{ .to = { .addr = { .family = 4, .bytes = { 10, 9 } }, .bits = 16 },
	  .table = 254,
	  .protocol = 201,
	  .type = RTN_UNICAST,
	  .ifindex = 3,
	  .mtu_bytes = 1400,
	  .lwt = { .is_bpf = true,
		   .names = { [CV_LWT_OUT] = "culvert/1/out/@7/12",
			      [CV_LWT_XMIT] = "culvert/1/xmit/blue/3" } } },
	{ .to = { .addr = { .family = 4 }, .bits = 0 },
	  .table = 786433,
	  .metric = 7,
	  .protocol = 201,
	  .type = RTN_UNICAST,
	  .ifindex = 4,
	  .via = { .family = 4, .bytes = { 192, 0, 2, 1 } },
	  .src = { .family = 4, .bytes = { 192, 0, 2, 9 } } },
	{ .to = { .addr = { .family = 4, .bytes = { 10, 10 } }, .bits = 15 },
	  .table = 254,
	  .protocol = 201,
	  .type = RTN_UNICAST,
	  .ifindex = 4,
	  .via = { .family = 6, .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } } },
	{ .to = { .addr = { .family = 4, .bytes = { 10, 11 } }, .bits = 32 },
	  .table = 255,
	  .protocol = 201,
	  .type = RTN_LOCAL,
	  .ifindex = 1,
	  .lwt = { .is_bpf = true, .names = { [CV_LWT_IN] = "culvert/1/in/@8/12" } } },
	{ .to = { .addr = { .family = 4, .bytes = { 10, 12 } }, .bits = 24 },
	  .table = 300,
	  .protocol = 201,
	  .type = RTN_UNICAST,
	  .nh_id = 0xc0de0001 },
};

static const struct cv_fib_route route6 = {
	.to = { .addr = { .family = 6, .bytes = { 0xfd, 0, 0, 9 } }, .bits = 32 },
	.table = 254,
	.metric = 1024,
	.protocol = 201,
	.type = RTN_UNICAST,
	.ifindex = 3,
	.via = { .family = 6, .bytes = { 0xfe, 0x80, [15] = 1 } },
	.lwt = { .is_bpf = true, .names = { [CV_LWT_XMIT] = "culvert/1/xmit/red/3" } },
};

struct seen {
	const struct cv_fib_route *expected;
	size_t count;
};

static int see_route(const struct cv_fib_route *route, void *arg, struct cv_err *err)
{
	struct seen *seen = arg;
	const struct cv_fib_route *expected = &seen->expected[seen->count++];

	(void)err;
	assert_true(cv_fib_same_place(route, expected));
	assert_int_equal(cv_fib_place_hash(route), cv_fib_place_hash(expected));
	assert_int_equal(route->protocol, expected->protocol);
	assert_int_equal(route->type, expected->type);
	assert_int_equal(route->ifindex, expected->ifindex);
	assert_int_equal(route->mtu_bytes, expected->mtu_bytes);
	assert_int_equal(route->nh_id, expected->nh_id);
	assert_true(cv_addr_equal(&route->via, &expected->via));
	assert_true(cv_addr_equal(&route->src, &expected->src));
	assert_true(cv_lwt_equal(&route->lwt, &expected->lwt));
	return 0;
}

static void read_back(const struct cv_fib_route *expected, size_t count)
{
	static const int fds[CV_LWT_HOOKS] = { 5, 6, 7 };
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	CV_CLOSE int kernel = -1;
	struct cv_nl_batch batch = { 0 };
	struct seen seen = { .expected = expected };

	nl = open_kernel(&kernel);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(cv_fib_add(&batch, &expected[i], fds, CV_FIB_NEW, NULL), 0);
	assert_int_equal(batch.count, count);
	answer(kernel, 1, batch.bytes, batch.size);
	assert_int_equal(cv_fib_list(nl, expected->to.addr.family, 0, NULL, see_route, &seen, NULL),
			 0);
	assert_int_equal(seen.count, count);
	cv_nl_batch_fini(&batch);
}

static void routes_are_read_as_they_were_written(void **unused)
{
	(void)unused;
	read_back(routes, CV_COUNT(routes));
	read_back(&route6, 1);
}

static void places_differ_by_prefix_table_and_metric(void **unused)
{
	struct cv_fib_route other = routes[0];

	(void)unused;
	other.protocol = 4;
	other.mtu_bytes = 1;
	other.ifindex = 99;
	assert_true(cv_fib_same_place(&other, &routes[0]));
	other.metric = 5;
	assert_false(cv_fib_same_place(&other, &routes[0]));
	other = routes[0];
	other.table = 5;
	assert_false(cv_fib_same_place(&other, &routes[0]));
	other = routes[0];
	other.to.bits = 17;
	assert_false(cv_fib_same_place(&other, &routes[0]));
	other = routes[0];
	other.to.addr.family = 6;
	assert_false(cv_fib_same_place(&other, &routes[0]));
}

/* To the kernel a zero means "whichever". */
static void what_would_delete_any_route_is_refused(void **unused)
{
	struct cv_fib_route route = routes[0];
	struct cv_nl_batch batch = { 0 };

	(void)unused;
	route.protocol = 0;
	assert_int_equal(cv_fib_del(&batch, &route, NULL), -EINVAL);
	route = routes[0];
	route.table = 0;
	assert_int_equal(cv_fib_del(&batch, &route, NULL), -EINVAL);
	assert_int_equal(batch.count, 0);
	assert_int_equal(cv_fib_del(&batch, &routes[0], NULL), 0);
	assert_int_equal(batch.count, 1);
	cv_nl_batch_fini(&batch);
}

/* ---- ip rules ---- */

static const struct cv_fib_rule rules[] = {
	{ .family = 4,
	  .priority = 3000,
	  .mark = 0x1000000,
	  .mark_mask = 0x7f000000,
	  .table = 786433,
	  .protocol = 201,
	  .is_for_own = true },
	{ .family = 4,
	  .priority = 3000,
	  .mark = 0x1000000,
	  .mark_mask = 0x7f000000,
	  .table = 77,
	  .protocol = 201,
	  .iif = "eth0" },
	{ .family = 4,
	  .priority = 32700,
	  .table = 254,
	  .protocol = 201,
	  .is_for_own = true,
	  .to = { .addr = { .family = 4, .bytes = { 10, 9 } }, .bits = 16 },
	  .has_suppress = true,
	  .suppress_bits = 0 },
};

static int see_rule(const struct cv_fib_rule *rule, void *arg, struct cv_err *err)
{
	size_t *count = arg;

	(void)err;
	for (size_t i = 0; i < CV_COUNT(rules); i++)
		assert_int_equal(cv_fib_rule_equal(rule, &rules[i]), i == *count);
	assert_int_equal(cv_fib_rule_hash(rule), cv_fib_rule_hash(&rules[*count]));
	(*count)++;
	return 0;
}

static void rules_are_read_as_they_were_written(void **unused)
{
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	CV_CLOSE int kernel = -1;
	struct cv_nl_batch batch = { 0 };
	size_t count = 0;

	(void)unused;
	nl = open_kernel(&kernel);
	for (size_t i = 0; i < CV_COUNT(rules); i++)
		assert_int_equal(cv_fib_rule_add(&batch, &rules[i], NULL), 0);
	answer(kernel, 1, batch.bytes, batch.size);
	assert_int_equal(cv_fib_rule_list(nl, 4, see_rule, &count, NULL), 0);
	assert_int_equal(count, CV_COUNT(rules));
	cv_nl_batch_fini(&batch);
}

static void what_would_delete_any_rule_is_refused(void **unused)
{
	struct cv_nl_batch batch = { 0 };
	struct cv_fib_rule rule = rules[1];
	struct cv_err err;

	(void)unused;
	rule.mark = 0;
	assert_int_equal(cv_fib_rule_del(&batch, &rule, &err), -EINVAL);
	assert_non_null(strstr(err.text, "must not be 0"));
	rule = rules[1];
	rule.protocol = 0;
	assert_int_equal(cv_fib_rule_del(&batch, &rule, NULL), -EINVAL);
	assert_int_equal(batch.count, 0);
}

/* ---- nexthop objects ---- */

static void nexthops_are_read_as_they_were_written(void **unused)
{
	static const int fds[CV_LWT_HOOKS] = { 5, 6, 7 };
	struct cv_nexthop_member members[] = { { 0xc0de0000, 1 }, { 0xc0de0007, 256 } };
	const struct cv_nexthop wanted[] = {
		{ .id = 0xc0de0000,
		  .family = 4,
		  .protocol = 201,
		  .ifindex = 3,
		  .via = { .family = 4, .bytes = { 192, 0, 2, 1 } },
		  .lwt = { .is_bpf = true, .names = { [CV_LWT_XMIT] = "culvert/1/xmit/blue/3" } } },
		{ .id = 0xc0de0007, .family = 6, .protocol = 201, .ifindex = 4 },
		{ .id = 0xc0de0009, .protocol = 201, .members = members, .member_count = 2 },
	};
	CV_CLEANUP(cv_nexthop_list_fini) struct cv_nexthop_list list = { 0 };
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	CV_CLOSE int kernel = -1;
	struct cv_nl_batch batch = { 0 };

	(void)unused;
	nl = open_kernel(&kernel);
	for (size_t i = 0; i < CV_COUNT(wanted); i++)
		assert_int_equal(cv_nexthop_add(&batch, &wanted[i], fds, NULL), 0);
	answer(kernel, 1, batch.bytes, batch.size);
	assert_int_equal(cv_nexthop_list(nl, &list, NULL), 0);
	assert_int_equal(list.count, CV_COUNT(wanted));
	for (size_t i = 0; i < CV_COUNT(wanted); i++) {
		const struct cv_nexthop *found = cv_nexthop_find(&list, wanted[i].id);

		assert_non_null(found);
		assert_int_equal(found->family, wanted[i].family);
		assert_int_equal(found->protocol, wanted[i].protocol);
		assert_int_equal(found->ifindex, wanted[i].ifindex);
		assert_true(cv_addr_equal(&found->via, &wanted[i].via));
		assert_true(cv_lwt_equal(&found->lwt, &wanted[i].lwt));
		assert_int_equal(found->member_count, wanted[i].member_count);
	}
	assert_memory_equal(cv_nexthop_find(&list, 0xc0de0009)->members, members, sizeof(members));
	assert_null(cv_nexthop_find(&list, 1));
	cv_nl_batch_fini(&batch);
}

/* ---- what is remembered ---- */

static void put_link(struct cv_nl_batch *batch, int ifindex, const char *name)
{
	struct ifinfomsg *info;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_NEWLINK, 0, sizeof(*info), (void **)&info);

	assert_non_null(msg);
	info->ifi_index = ifindex;
	assert_int_equal(nla_put_string(msg, IFLA_IFNAME, name), 0);
	assert_int_equal(nla_put_u32(msg, IFLA_MTU, 1000u + (uint32_t)ifindex), 0);
	assert_int_equal(cv_nl_batch_add(batch, msg), 0);
}

#define DEVICES 100

/* Seven are asked for one by one, then all of them once. */
static void devices_are_found_in_a_picture(void **unused)
{
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	CV_CLOSE int kernel = -1;
	struct cv_nl_batch one = { 0 }, all = { 0 };
	struct cv_link link;
	char name[16];

	(void)unused;
	nl = open_kernel(&kernel);
	put_link(&one, 5, "eth5");
	for (int i = 1; i <= DEVICES; i++) {
		snprintf(name, sizeof(name), "eth%d", i);
		put_link(&all, i, name);
	}
	for (uint32_t seq = 1; seq <= 7; seq++)
		answer(kernel, seq, one.bytes, one.size);
	answer(kernel, 8, all.bytes, all.size);
	cv_links_remember(nl);
	cv_links_remember(nl);
	for (int i = 0; i < 7; i++)
		assert_int_equal(cv_link_by_name(nl, "eth5", &link, NULL), 0);
	cv_links_forget(nl); /* the other one still counts */
	for (uint32_t i = 1; i <= DEVICES; i++) {
		assert_int_equal(cv_link_by_index(nl, i, &link, NULL), 0);
		snprintf(name, sizeof(name), "eth%u", i);
		assert_string_equal(link.name, name);
		assert_int_equal(link.mtu_bytes, 1000 + i);
		assert_int_equal(cv_link_by_name(nl, name, &link, NULL), 0);
		assert_int_equal(link.ifindex, i);
	}
	assert_int_equal(cv_link_by_name(nl, "eth0", &link, NULL), -ENODEV);
	assert_int_equal(cv_link_by_index(nl, DEVICES + 1, &link, NULL), -ENODEV);
	cv_links_forget(nl);
	/* Asked for again, and nobody answers. */
	shutdown(kernel, SHUT_WR);
	assert_int_equal(cv_link_by_name(nl, "eth5", &link, NULL), -ECONNRESET);
	cv_nl_batch_fini(&one);
	cv_nl_batch_fini(&all);
}

static void a_way_is_asked_for_once(void **unused)
{
	const struct cv_addr to = { .family = 6, .bytes = { 0xfd, 0, 0, 9 } };
	struct cv_fib_route way = route6;
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	CV_CLOSE int kernel = -1;
	struct cv_nl_batch batch = { 0 };
	struct cv_fib_answer answers[2];

	(void)unused;
	way.mtu_bytes = 1400; /* so that the device is not asked for */
	nl = open_kernel(&kernel);
	assert_int_equal(cv_fib_add(&batch, &way, (int[]){ 5, 6, 7 }, CV_FIB_NEW, NULL), 0);
	answer(kernel, 1, batch.bytes, batch.size);
	answer(kernel, 2, batch.bytes, batch.size);
	shutdown(kernel, SHUT_WR);
	cv_fib_remember(nl);
	for (int i = 0; i < 2; i++)
		assert_int_equal(cv_fib_lookup(nl, &to, NULL, 0, &answers[i], NULL), 0);
	assert_memory_equal(&answers[0], &answers[1], sizeof(answers[0]));
	assert_int_equal(answers[0].mtu_bytes, 1400);
	assert_int_equal(cv_fib_lookup(nl, &to, NULL, 1, &answers[1], NULL), -ECONNRESET);
	cv_fib_forget(nl);
	assert_int_equal(cv_fib_lookup(nl, &to, NULL, 0, &answers[1], NULL), -ECONNRESET);
	cv_nl_batch_fini(&batch);
}

/* What the kernel says of a route of IPv6. */
static void put_way(struct cv_nl_batch *batch, const struct cv_prefix *to, uint32_t mtu_bytes)
{
	struct cv_fib_route way = route6;

	*batch = (struct cv_nl_batch){ 0 };
	way.to = *to;
	way.mtu_bytes = mtu_bytes;
	assert_int_equal(cv_fib_add(batch, &way, (int[]){ 5, 6, 7 }, CV_FIB_NEW, NULL), 0);
}

#define QUESTIONS 40
#define EXCEPTION 7 /* of them this one has a path MTU of its own */
#define ELSEWHERE 9 /* and this one a route of its own */
#define NOWHERE 11 /* and this one none */

static void fill_questions(struct cv_fib_question questions[QUESTIONS])
{
	for (uint8_t i = 0; i < QUESTIONS; i++)
		questions[i] =
			(struct cv_fib_question){ .dst = { .family = 6,
							   .bytes = { 0xfd, 0, 0, 9, [15] = i } } };
}

/* The kernel's part: which route matches each, what it knows of single destinations, and the ways of the
 * first, of the exception and of what has a route of its own. */
static void play_ways(int kernel, const struct cv_fib_question questions[QUESTIONS])
{
	struct cv_prefix exception = { questions[EXCEPTION].dst, 128 };
	struct cv_prefix elsewhere = { questions[ELSEWHERE].dst, 128 };
	struct cv_nl_batch shared, own, learned;
	uint32_t seq = 0;

	put_way(&shared, &route6.to, 1400);
	put_way(&own, &elsewhere, 1300);
	put_way(&learned, &exception, 1280);
	for (int i = 0; i < QUESTIONS; i++)
		if (i == NOWHERE)
			answer(kernel, ++seq, NULL, 0);
		else if (i == ELSEWHERE)
			answer(kernel, ++seq, own.bytes, own.size);
		else
			answer(kernel, ++seq, shared.bytes, shared.size);
	answer(kernel, ++seq, learned.bytes, learned.size);
	answer(kernel, ++seq, shared.bytes, shared.size);
	answer(kernel, ++seq, learned.bytes, learned.size);
	answer(kernel, ++seq, own.bytes, own.size);
	shutdown(kernel, SHUT_WR);
	cv_nl_batch_fini(&shared);
	cv_nl_batch_fini(&own);
	cv_nl_batch_fini(&learned);
}

/* Of many destinations of one route the kernel tells the way of the first, and of those of which it
 * learned something. What it did not answer is asked for when its turn comes. */
static void many_ways_are_asked_for_together(void **unused)
{
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	struct cv_fib_question questions[QUESTIONS];
	CV_CLOSE int kernel = -1;
	struct cv_fib_answer out;

	(void)unused;
	fill_questions(questions);
	nl = open_kernel(&kernel);
	play_ways(kernel, questions);
	cv_fib_remember(nl);
	cv_fib_ask_ahead(nl, questions, QUESTIONS);
	cv_fib_ask_ahead(nl, questions, EXCEPTION); /* known: nobody is asked */
	for (int i = 0; i < QUESTIONS; i++) {
		int ret = cv_fib_ask(nl, &questions[i], &out, NULL);

		assert_int_equal(ret, i == NOWHERE ? -ECONNRESET : 0);
		if (ret)
			continue;
		assert_int_equal(out.mtu_bytes, i == EXCEPTION	 ? 1280
						: i == ELSEWHERE ? 1300
								 : 1400);
		assert_int_equal(out.route.to.bits, i == ELSEWHERE ? 128 : route6.to.bits);
		assert_int_equal(out.ifindex, route6.ifindex);
		assert_string_equal(out.lwt.names[CV_LWT_XMIT], "culvert/1/xmit/red/3");
	}
	cv_fib_forget(nl);
}

/* Of a few each way is asked for. */
static void ways_of_a_few_are_asked_for_each(void **unused)
{
	const struct cv_fib_question questions[] = {
		{ .dst = { .family = 6, .bytes = { 0xfd, 0, 0, 9, [15] = 1 } } },
		{ .dst = { .family = 6, .bytes = { 0xfd, 0, 0, 9, [15] = 2 } } },
	};
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	CV_CLOSE int kernel = -1;
	struct cv_nl_batch batch;
	struct cv_fib_answer out;

	(void)unused;
	nl = open_kernel(&kernel);
	for (uint32_t seq = 1; seq <= 4; seq++) {
		put_way(&batch, &route6.to, 1400 + seq);
		answer(kernel, seq, batch.bytes, batch.size);
		cv_nl_batch_fini(&batch);
	}
	shutdown(kernel, SHUT_WR);
	cv_fib_remember(nl);
	cv_fib_ask_ahead(nl, questions, CV_COUNT(questions));
	for (uint32_t i = 0; i < CV_COUNT(questions); i++) {
		assert_int_equal(cv_fib_ask(nl, &questions[i], &out, NULL), 0);
		assert_int_equal(out.mtu_bytes, 1400 + 3 + i);
	}
	cv_fib_forget(nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_are_read_as_they_were_written),
		cmocka_unit_test(places_differ_by_prefix_table_and_metric),
		cmocka_unit_test(what_would_delete_any_route_is_refused),
		cmocka_unit_test(rules_are_read_as_they_were_written),
		cmocka_unit_test(what_would_delete_any_rule_is_refused),
		cmocka_unit_test(nexthops_are_read_as_they_were_written),
		cmocka_unit_test(devices_are_found_in_a_picture),
		cmocka_unit_test(a_way_is_asked_for_once),
		cmocka_unit_test(many_ways_are_asked_for_together),
		cmocka_unit_test(ways_of_a_few_are_asked_for_each),
	};

	return cmocka_run_group_tests_name("nl_route", tests, NULL, NULL);
}
