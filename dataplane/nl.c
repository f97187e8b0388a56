/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one place that sends to rtnetlink and netfilter and receives from it. libnl builds and parses the
 * messages; the socket is driven by hand, because libnl 3.7 drops the text of extended acks and
 * hides interrupted dumps. Not for notifications: nothing here joins a multicast group.
 */
#include "nl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "own.h"

/* The kernel fills at most 32 KiB at a time of a dump, and a single answer is smaller still. */
#define BUFFER_BYTES (128 * 1024)
#define SOCKET_BYTES (1024 * 1024)
/* The kernel answers while it is asked; only an answer it had no memory for is waited for. */
#define TIMEOUT_S 10
#define DUMPS_MAX 6 /* the first and five repeats */
#define EINTR_MAX 100
#define DATAGRAMS_MAX (1 << 20) /* of one answer; a dump of 300 million routes */
#define WHAT_BYTES 256
#define ERRNO_MAX 4095 /* MAX_ERRNO of the kernel */

struct cv_nl {
	int fd;
	uint32_t seq;
	char buffer[BUFFER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* One answer while it arrives. */
struct answer {
	cv_nl_fn fn; /* NULL: only the ack counts */
	void *arg;
	struct cv_err *err;
	const char *what;
	uint32_t seq;
	bool is_dump;
	bool is_interrupted; /* what came is not one consistent picture */
	bool is_done;
	int ret; /* the first failure; the rest of the answer is read, but not handed on */
};

static const char *reason(int code)
{
	const char *text = strerrordesc_np(-code);

	return text ? text : "unknown error";
}

static int set_errno(struct cv_err *err, int code, const char *what, const char *kernel_text)
{
	if (kernel_text && *kernel_text)
		cv_err_set(err, code, "%s: %s (kernel: %s)", what, reason(code), kernel_text);
	else
		cv_err_set(err, code, "%s: %s", what, reason(code));
	if (code == -EPERM)
		cv_err_hint(err,
			    "this needs the capability CAP_NET_ADMIN in the network namespace");
	return code;
}

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

static int open_protocol(struct cv_nl **out, int protocol, const char *name, struct cv_err *err)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	CV_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct cv_nl *nl;

	if (fd < 0)
		return set_errno(err, -errno, name, NULL);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		return set_errno(err, -errno, "netlink socket: receive timeout", NULL);
	/* Without these it works as well, only with less text, or more to filter here. */
	set_option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BYTES);
	set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	nl = malloc(sizeof(*nl));
	if (!nl)
		return set_errno(err, -ENOMEM, name, NULL);
	nl->fd = CV_TAKE_FD(fd);
	nl->seq = 0;
	*out = nl;
	return 0;
}

int cv_nl_open(struct cv_nl **out, struct cv_err *err)
{
	return open_protocol(out, NETLINK_ROUTE, "rtnetlink socket", err);
}

int cv_nl_open_netfilter(struct cv_nl **out, struct cv_err *err)
{
	return open_protocol(out, NETLINK_NETFILTER, "netfilter socket", err);
}

void cv_nl_close(struct cv_nl **nl)
{
	if (!*nl)
		return;
	close((*nl)->fd);
	free(*nl);
	*nl = NULL;
}

struct nl_msg *cv_nl_msg(int type, int flags, size_t header_size, void **header)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (!msg)
		return NULL;
	*header = nlmsg_reserve(msg, header_size, NLMSG_ALIGNTO);
	if (!*header) {
		nlmsg_free(msg);
		return NULL;
	}
	memset(*header, 0, header_size);
	return msg;
}

void cv_nl_msg_free(struct nl_msg **msg)
{
	nlmsg_free(*msg); /* takes NULL */
	*msg = NULL;
}

/* Copies the kernel's words out of the attributes of an ack, in one line. */
static void read_ext_ack(const struct nlmsghdr *hdr, size_t offset, char *text, size_t text_size)
{
	const char *attrs = (const char *)NLMSG_DATA(hdr) + NLMSG_ALIGN(offset);
	size_t payload = hdr->nlmsg_len - NLMSG_HDRLEN;
	const struct nlattr *attr;

	text[0] = '\0';
	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS) || NLMSG_ALIGN(offset) >= payload)
		return;
	attr = nla_find((struct nlattr *)attrs, (int)(payload - NLMSG_ALIGN(offset)),
			NLMSGERR_ATTR_MSG);
	if (!attr)
		return;
	nla_strlcpy(text, attr, text_size);
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

/* The end of an answer: NLMSG_ERROR, which is also the ack, or NLMSG_DONE. */
static void take_end(struct answer *answer, const struct nlmsghdr *hdr)
{
	size_t payload = hdr->nlmsg_len - NLMSG_HDRLEN;
	size_t offset = sizeof(int);
	char kernel_text[256];
	int code = 0;

	answer->is_done = true;
	if (payload >= sizeof(code))
		memcpy(&code, NLMSG_DATA(hdr), sizeof(code));
	if (hdr->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *ack = NLMSG_DATA(hdr);

		if (payload < sizeof(*ack)) {
			code = -EBADMSG;
		} else {
			offset = sizeof(*ack);
			if (!(hdr->nlmsg_flags & NLM_F_CAPPED) && ack->msg.nlmsg_len > NLMSG_HDRLEN)
				offset += ack->msg.nlmsg_len - NLMSG_HDRLEN;
		}
	}
	if (code < -ERRNO_MAX)
		code = -EBADMSG;
	if (code >= 0 || answer->ret)
		return;
	read_ext_ack(hdr, offset, kernel_text, sizeof(kernel_text));
	answer->ret = set_errno(answer->err, code, answer->what, kernel_text);
}

static void take_message(struct answer *answer, struct nlmsghdr *hdr)
{
	if (hdr->nlmsg_seq != answer->seq)
		return; /* left from a question that was given up */
	if (answer->is_dump && hdr->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->is_interrupted = true;
	switch (hdr->nlmsg_type) {
	case NLMSG_NOOP:
		return;
	case NLMSG_ERROR:
	case NLMSG_DONE:
		take_end(answer, hdr);
		return;
	}
	if (answer->fn && !answer->ret && !answer->is_interrupted)
		answer->ret = answer->fn(hdr, answer->arg, answer->err);
}

static int send_message(struct cv_nl *nl, struct nlmsghdr *hdr)
{
	for (int i = 0; i < EINTR_MAX; i++) {
		if (send(nl->fd, hdr, hdr->nlmsg_len, 0) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return -EINTR;
}

/* Receives one datagram of the kernel into nl->buffer. Returns its length or a negative errno. */
static int receive(struct cv_nl *nl)
{
	for (int i = 0; i < EINTR_MAX; i++) {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { nl->buffer, sizeof(nl->buffer) };
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1 };
		ssize_t len = recvmsg(nl->fd, &msg, 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (from.nl_pid == 0)
			return (int)len;
	}
	return -EINTR;
}

/* Sends msg and reads its answer up to the end, also after a failure, so that the next question
 * finds the socket empty. */
static void ask(struct cv_nl *nl, struct nl_msg *msg, struct answer *answer)
{
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	int ret;

	answer->seq = hdr->nlmsg_seq = ++nl->seq;
	answer->is_done = answer->is_interrupted = false;
	ret = send_message(nl, hdr);
	for (int i = 0; i < DATAGRAMS_MAX && ret >= 0 && !answer->is_done; i++) {
		int left = ret = receive(nl);

		if (ret == -ENOBUFS && answer->is_dump) {
			answer->is_interrupted = true;
			ret = 0;
			continue;
		}
		for (hdr = (struct nlmsghdr *)nl->buffer; nlmsg_ok(hdr, left);
		     hdr = nlmsg_next(hdr, &left))
			take_message(answer, hdr);
	}
	if (ret >= 0 && !answer->is_done)
		ret = -EOVERFLOW;
	if (ret < 0 && !answer->ret)
		answer->ret = set_errno(answer->err, ret, answer->what, NULL);
}

static void format_what(char *what, const char *format, va_list args)
{
	vsnprintf(what, WHAT_BYTES, format, args);
}

int cv_nl_request(struct cv_nl *nl, struct nl_msg *msg, struct cv_err *err, const char *what, ...)
{
	char text[WHAT_BYTES];
	struct answer answer = { .err = err, .what = text };
	va_list args;

	va_start(args, what);
	format_what(text, what, args);
	va_end(args);
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	ask(nl, msg, &answer);
	return answer.ret;
}

int cv_nl_query(struct cv_nl *nl, struct nl_msg *msg, cv_nl_fn fn, void *arg, struct cv_err *err,
		const char *what, ...)
{
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	char text[WHAT_BYTES];
	struct answer answer = { .fn = fn, .arg = arg, .err = err, .what = text };
	va_list args;

	va_start(args, what);
	format_what(text, what, args);
	va_end(args);
	answer.is_dump = (hdr->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	if (!answer.is_dump)
		hdr->nlmsg_flags |= NLM_F_ACK; /* ends the answer, also an empty one */
	for (int i = 0; i < DUMPS_MAX; i++) {
		int ret = i ? fn(NULL, arg, err) : 0;

		if (ret)
			return ret;
		ask(nl, msg, &answer);
		if (answer.ret || !answer.is_interrupted)
			return answer.ret;
	}
	return cv_err_set(err, -EAGAIN, "%s: the kernel's list changed while it was read, %d times",
			  text, DUMPS_MAX);
}
