/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of nl.c: many requests at once, against a thread that plays the kernel at the other end
 * of a pair of sockets.
 */
#include "nl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "own.h"

#define MESSAGE_BYTES (1024 * 1024)
#define REFUSALS_MAX 4
#define NOBODY UINT32_MAX

/* The other end. Messages are numbered from 0 in the order in which they come. */
struct kernel {
	int fd;
	pthread_t thread;
	uint32_t refused[REFUSALS_MAX]; /* numbers of messages; NOBODY behind the last one */
	int code; /* why */
	bool is_deaf; /* answers what nobody asked first */
	/* What came. */
	size_t calls;
	size_t messages;
	size_t acks; /* messages that ask for one */
	uint32_t payload_sum;
};

static void answer(struct kernel *kernel, uint32_t seq, int code)
{
	static const char why[] = "Too many\nroutes";
	struct {
		struct nlmsghdr hdr;
		struct nlmsgerr err;
		struct nlattr attr;
		char text[sizeof(why)];
	} reply = {
		.hdr = { .nlmsg_len = offsetof(__typeof__(reply), text) + sizeof(why),
			 .nlmsg_type = NLMSG_ERROR,
			 .nlmsg_flags = NLM_F_CAPPED | NLM_F_ACK_TLVS,
			 .nlmsg_seq = seq },
		.err.error = code,
		.attr = { .nla_len = NLA_HDRLEN + sizeof(why), .nla_type = NLMSGERR_ATTR_MSG },
	};

	memcpy(reply.text, why, sizeof(why));
	if (!code) {
		reply.hdr.nlmsg_flags = NLM_F_CAPPED;
		reply.hdr.nlmsg_len = NLMSG_HDRLEN + sizeof(reply.err);
	}
	assert_int_equal(send(kernel->fd, &reply, reply.hdr.nlmsg_len, 0), reply.hdr.nlmsg_len);
}

static bool is_refused(const struct kernel *kernel, uint32_t number)
{
	for (size_t i = 0; i < REFUSALS_MAX; i++)
		if (kernel->refused[i] == number)
			return true;
	return false;
}

static void take(struct kernel *kernel, const struct nlmsghdr *hdr)
{
	bool wants_ack = hdr->nlmsg_flags & NLM_F_ACK;
	uint32_t number = kernel->messages++;

	kernel->acks += wants_ack;
	kernel->payload_sum += *(const uint32_t *)NLMSG_DATA(hdr);
	if (is_refused(kernel, number))
		answer(kernel, hdr->nlmsg_seq, kernel->code);
	else if (wants_ack)
		answer(kernel, hdr->nlmsg_seq, 0);
}

static void *run_kernel(void *arg)
{
	CV_FREE char *bytes = malloc(MESSAGE_BYTES);
	struct kernel *kernel = arg;
	ssize_t len;

	while ((len = recv(kernel->fd, bytes, MESSAGE_BYTES, 0)) > 0) {
		struct nlmsghdr *hdr = (struct nlmsghdr *)bytes;
		int left = (int)len;

		kernel->calls++;
		if (kernel->is_deaf)
			answer(kernel, 77777, -EIO);
		for (; NLMSG_OK(hdr, (uint32_t)left); hdr = NLMSG_NEXT(hdr, left))
			take(kernel, hdr);
	}
	return NULL;
}

static struct cv_nl *open_kernel(struct kernel *kernel)
{
	struct cv_nl *nl = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	kernel->fd = fds[1];
	assert_int_equal(cv_nl_open_fd(&nl, fds[0], NULL), 0);
	assert_int_equal(pthread_create(&kernel->thread, NULL, run_kernel, kernel), 0);
	return nl;
}

static void close_kernel(struct kernel *kernel, struct cv_nl *nl)
{
	cv_nl_close(&nl);
	assert_int_equal(pthread_join(kernel->thread, NULL), 0);
	close(kernel->fd);
}

static void fill(struct cv_nl_batch *batch, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t *payload;
		CV_NL_MSG_FREE struct nl_msg *msg =
			cv_nl_msg(RTM_NEWROUTE, NLM_F_CREATE, sizeof(*payload), (void **)&payload);

		assert_non_null(msg);
		*payload = i;
		assert_int_equal(cv_nl_batch_add(batch, msg), 0);
	}
	assert_int_equal(batch->count, count);
}

/* What the caller heard. */
struct heard {
	int forgiven; /* code that is as well; 0: none */
	size_t calls;
	size_t number;
	char kernel[64];
};

static int hear(size_t number, int code, const char *kernel, void *arg, struct cv_err *err)
{
	struct heard *heard = arg;

	heard->calls++;
	heard->number = number;
	strncpy(heard->kernel, kernel, sizeof(heard->kernel) - 1);
	return code == heard->forgiven ? 0 : cv_nl_refusal(err, code, kernel, "thing");
}

static void many_requests_go_in_one_call(void **unused)
{
	struct kernel kernel = { .refused = { NOBODY, NOBODY, NOBODY, NOBODY } };
	struct cv_nl *nl = open_kernel(&kernel);
	struct cv_nl_batch batch = { 0 };
	struct heard heard = { 0 };

	(void)unused;
	fill(&batch, 50);
	assert_int_equal(cv_nl_batch_send(nl, &batch, hear, &heard, NULL), 0);
	assert_int_equal(batch.count, 0);
	assert_null(batch.bytes);
	assert_int_equal(heard.calls, 0);
	close_kernel(&kernel, nl);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.messages, 50);
	assert_int_equal(kernel.acks, 1);
	assert_int_equal(kernel.payload_sum, 49 * 50 / 2);
}

static void nothing_is_sent_for_an_empty_batch(void **unused)
{
	struct kernel kernel = { .refused = { NOBODY, NOBODY, NOBODY, NOBODY } };
	struct cv_nl *nl = open_kernel(&kernel);
	struct cv_nl_batch batch = { 0 };

	(void)unused;
	assert_int_equal(cv_nl_batch_send(nl, &batch, hear, NULL, NULL), 0);
	close_kernel(&kernel, nl);
	assert_int_equal(kernel.calls, 0);
}

/* The last one is answered whatever it comes to, so it can be refused like any other. */
static void the_first_refusal_is_told(void **unused)
{
	static const struct {
		uint32_t refused[REFUSALS_MAX];
		size_t number;
	} cases[] = {
		{ { 0, NOBODY, NOBODY, NOBODY }, 0 },
		{ { 3, 7, 8, 9 }, 3 },
		{ { 9, NOBODY, NOBODY, NOBODY }, 9 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kernel kernel = { .code = -EINVAL, .is_deaf = true };
		struct cv_nl_batch batch = { 0 };
		struct heard heard = { 0 };
		struct cv_err err;
		struct cv_nl *nl;

		memcpy(kernel.refused, cases[i].refused, sizeof(kernel.refused));
		nl = open_kernel(&kernel);
		fill(&batch, 10);
		assert_int_equal(cv_nl_batch_send(nl, &batch, hear, &heard, &err), -EINVAL);
		assert_string_equal(err.text, "thing: Invalid argument (kernel: Too many routes)");
		assert_int_equal(heard.calls, 1);
		assert_int_equal(heard.number, cases[i].number);
		assert_string_equal(heard.kernel, "Too many routes");
		close_kernel(&kernel, nl);
	}
}

static void what_is_as_well_is_no_failure(void **unused)
{
	struct kernel kernel = { .refused = { 1, 2, 9, NOBODY }, .code = -ESRCH };
	struct heard heard = { .forgiven = -ESRCH };
	struct cv_nl *nl = open_kernel(&kernel);
	struct cv_nl_batch batch = { 0 };

	(void)unused;
	fill(&batch, 10);
	assert_int_equal(cv_nl_batch_send(nl, &batch, hear, &heard, NULL), 0);
	assert_int_equal(heard.calls, 3);
	close_kernel(&kernel, nl);
}

/* More answers than a socket is let hold: 16,384 at a time, or fewer if nobody may raise limits. */
#define MANY 40000

static void what_no_socket_holds_goes_in_several_calls(void **unused)
{
	struct kernel kernel = { .refused = { NOBODY, NOBODY, NOBODY, NOBODY } };
	struct cv_nl *nl = open_kernel(&kernel);
	struct cv_nl_batch batch = { 0 };
	struct heard heard = { 0 };

	(void)unused;
	fill(&batch, MANY);
	assert_int_equal(cv_nl_batch_send(nl, &batch, hear, &heard, NULL), 0);
	close_kernel(&kernel, nl);
	assert_true(kernel.calls >= 3);
	assert_int_equal(kernel.acks, kernel.calls);
	assert_int_equal(kernel.messages, MANY);
	assert_int_equal(kernel.payload_sum, (uint32_t)((uint64_t)MANY * (MANY - 1) / 2));
}

/* Numbers go on from call to call, and behind a refusal no other call is begun. */
static void calls_end_with_a_refusal(void **unused)
{
	struct kernel kernel = { .refused = { 17, NOBODY, NOBODY, NOBODY }, .code = -ENOBUFS };
	struct cv_nl *nl = open_kernel(&kernel);
	struct cv_nl_batch batch = { 0 };
	struct heard heard = { 0 };

	(void)unused;
	fill(&batch, MANY);
	assert_int_equal(cv_nl_batch_send(nl, &batch, hear, &heard, NULL), -ENOBUFS);
	assert_int_equal(heard.number, 17);
	assert_int_equal(kernel.calls, 1);
	fill(&batch, MANY);
	kernel.refused[0] = kernel.messages + MANY - 1;
	assert_int_equal(cv_nl_batch_send(nl, &batch, hear, &heard, NULL), -ENOBUFS);
	assert_int_equal(heard.number, MANY - 1);
	close_kernel(&kernel, nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_requests_go_in_one_call),
		cmocka_unit_test(nothing_is_sent_for_an_empty_batch),
		cmocka_unit_test(the_first_refusal_is_told),
		cmocka_unit_test(what_is_as_well_is_no_failure),
		cmocka_unit_test(what_no_socket_holds_goes_in_several_calls),
		cmocka_unit_test(calls_end_with_a_refusal),
	};

	return cmocka_run_group_tests_name("nl", tests, NULL, NULL);
}
