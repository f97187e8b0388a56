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
#define KERNEL_TEXT 256
/* Of the messages that are sent at once: the kernel copies them into memory that is contiguous. */
#define BATCH_BYTES (32u * 1024 * 1024)
/* What an answer to one of them takes of the socket, with the kernel's own bookkeeping. */
#define ANSWER_BYTES 2048
#define SEND_OVERHEAD 32 /* netlink_sendmsg() leaves that much of the socket's buffer free */

struct cv_nl {
	int fd;
	uint32_t seq;
	struct cv_picture *picture; /* nl_link.c's */
	struct cv_ways *ways; /* nl_route.c's */
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

int cv_nl_refusal(struct cv_err *err, int code, const char *kernel, const char *what)
{
	return set_errno(err, code, what, kernel);
}

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

int cv_nl_open_fd(struct cv_nl **out, int fd, struct cv_err *err)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	CV_CLOSE int owned = fd;
	struct cv_nl *nl;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		return set_errno(err, -errno, "netlink socket: receive timeout", NULL);
	nl = malloc(sizeof(*nl));
	if (!nl)
		return set_errno(err, -ENOMEM, "netlink socket", NULL);
	nl->fd = CV_TAKE_FD(owned);
	nl->seq = 0;
	nl->picture = NULL;
	nl->ways = NULL;
	*out = nl;
	return 0;
}

static int open_protocol(struct cv_nl **out, int protocol, const char *name, struct cv_err *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return set_errno(err, -errno, name, NULL);
	/* Without these it works as well, only with less text, or more to filter here. */
	set_option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BYTES);
	set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	return cv_nl_open_fd(out, fd, err);
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

struct cv_picture **cv_nl_picture(struct cv_nl *nl)
{
	return &nl->picture;
}

struct cv_ways **cv_nl_ways(struct cv_nl *nl)
{
	return &nl->ways;
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

/* The end of an answer: NLMSG_ERROR, which is also the ack, or NLMSG_DONE. Returns its code, 0 or a
 * negative errno; kernel_text has KERNEL_TEXT bytes. */
static int read_end(const struct nlmsghdr *hdr, char *kernel_text)
{
	size_t payload = hdr->nlmsg_len - NLMSG_HDRLEN;
	size_t offset = sizeof(int);
	int code = 0;

	kernel_text[0] = '\0';
	if (payload >= sizeof(code))
		memcpy(&code, NLMSG_DATA(hdr), sizeof(code));
	if (hdr->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *ack = NLMSG_DATA(hdr);

		if (payload < sizeof(*ack))
			return -EBADMSG;
		offset = sizeof(*ack);
		if (!(hdr->nlmsg_flags & NLM_F_CAPPED) && ack->msg.nlmsg_len > NLMSG_HDRLEN)
			offset += ack->msg.nlmsg_len - NLMSG_HDRLEN;
	}
	if (code < -ERRNO_MAX)
		return -EBADMSG;
	if (code >= 0)
		return 0;
	read_ext_ack(hdr, offset, kernel_text, KERNEL_TEXT);
	return code;
}

static void take_end(struct answer *answer, const struct nlmsghdr *hdr)
{
	char kernel_text[KERNEL_TEXT];
	int code = read_end(hdr, kernel_text);

	answer->is_done = true;
	if (code && !answer->ret)
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

static int send_bytes(struct cv_nl *nl, const void *bytes, size_t size)
{
	for (int i = 0; i < EINTR_MAX; i++) {
		if (send(nl->fd, bytes, size, 0) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return -EINTR;
}

/* Receives one datagram of the kernel into nl->buffer. Returns its length or a negative errno. */
static int receive(struct cv_nl *nl, int flags)
{
	for (int i = 0; i < EINTR_MAX; i++) {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { nl->buffer, sizeof(nl->buffer) };
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1 };
		ssize_t len = recvmsg(nl->fd, &msg, flags);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!len)
			return -ECONNRESET; /* never the kernel, but what plays it */
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
	ret = send_bytes(nl, hdr, hdr->nlmsg_len);
	for (int i = 0; i < DATAGRAMS_MAX && ret >= 0 && !answer->is_done; i++) {
		int left = ret = receive(nl, 0);

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

/* ---- many at once ---- */

void cv_nl_batch_fini(struct cv_nl_batch *batch)
{
	free(batch->bytes);
	*batch = (struct cv_nl_batch){ 0 };
}

/* Makes room for that many bytes more. */
static int grow_batch(struct cv_nl_batch *batch, size_t size)
{
	size_t room = batch->room ? batch->room : 4096;
	char *grown;

	while (room - batch->size < size)
		room *= 2;
	if (room == batch->room)
		return 0;
	grown = realloc(batch->bytes, room);
	if (!grown)
		return -ENOMEM;
	batch->bytes = grown;
	batch->room = room;
	return 0;
}

int cv_nl_batch_add(struct cv_nl_batch *batch, struct nl_msg *msg)
{
	const struct nlmsghdr *hdr = nlmsg_hdr(msg);
	size_t size = NLMSG_ALIGN(hdr->nlmsg_len);

	if (grow_batch(batch, size))
		return -ENOMEM;
	memcpy(batch->bytes + batch->size, hdr, hdr->nlmsg_len);
	memset(batch->bytes + batch->size + hdr->nlmsg_len, 0, size - hdr->nlmsg_len);
	batch->size += size;
	batch->count++;
	return 0;
}

/* Those that are sent at once. */
struct chunk {
	char *bytes; /* borrowed */
	size_t size;
	size_t first; /* number of the first message */
	size_t count;
	uint32_t first_seq;
};

/* Makes a buffer of the socket that large if it may. Returns how large it is. */
static size_t grow_socket(int fd, int force_option, int option, size_t bytes)
{
	int size = 0;
	socklen_t len = sizeof(size);

	/* The kernel doubles what it is told. */
	if (getsockopt(fd, SOL_SOCKET, option, &size, &len) || (size_t)size < bytes)
		set_option(fd, SOL_SOCKET, force_option, (int)(bytes / 2 + 1));
	if (getsockopt(fd, SOL_SOCKET, option, &size, &len) || size < 0)
		return 0;
	return (size_t)size;
}

/* How many of so many answers the socket can hold, if it is let grow. */
static size_t answer_room(struct cv_nl *nl, size_t count)
{
	size_t most = BATCH_BYTES / ANSWER_BYTES;

	return grow_socket(nl->fd, SO_RCVBUFFORCE, SO_RCVBUF,
			   (count < most ? count : most) * ANSWER_BYTES) /
	       ANSWER_BYTES;
}

/* How many of so many bytes it can send at once. */
static size_t send_room(struct cv_nl *nl, size_t bytes)
{
	size_t wanted = (bytes < BATCH_BYTES ? bytes : BATCH_BYTES) + SEND_OVERHEAD;
	size_t room = grow_socket(nl->fd, SO_SNDBUFFORCE, SO_SNDBUF, wanted);

	return (room < wanted ? room : wanted) - SEND_OVERHEAD;
}

/* The messages from there on that fit the socket, as do the answers to them; one at least. */
static struct chunk next_chunk(struct cv_nl *nl, const struct cv_nl_batch *batch, size_t offset,
			       size_t first)
{
	size_t left = batch->size - offset, bytes = send_room(nl, left);
	size_t count = answer_room(nl, batch->count - first);
	struct chunk chunk = { .bytes = batch->bytes + offset, .first = first };

	while (chunk.size < left) {
		const struct nlmsghdr *hdr = (struct nlmsghdr *)(chunk.bytes + chunk.size);
		size_t size = chunk.size + NLMSG_ALIGN(hdr->nlmsg_len);

		if (chunk.count && (size > bytes || chunk.count >= count))
			break;
		chunk.size = size;
		chunk.count++;
	}
	return chunk;
}

/* Numbers the messages. The kernel answers those that it refuses, and the last one whatever it comes
 * to. */
static void number_messages(struct cv_nl *nl, struct chunk *chunk)
{
	struct nlmsghdr *hdr = (struct nlmsghdr *)chunk->bytes;

	chunk->first_seq = nl->seq + 1;
	for (size_t at = 0; at < chunk->size; at += NLMSG_ALIGN(hdr->nlmsg_len)) {
		hdr = (struct nlmsghdr *)(chunk->bytes + at);
		hdr->nlmsg_seq = ++nl->seq;
		hdr->nlmsg_flags &= ~NLM_F_ACK;
	}
	hdr->nlmsg_flags |= NLM_F_ACK;
}

/* What comes back. */
struct answers {
	const struct chunk *chunk;
	cv_nl_refused_fn refused; /* NULL: that is as well */
	cv_nl_answer_fn answered; /* NULL: only refusals count */
	void *arg;
	struct cv_err *err;
	bool is_done;
	int ret;
};

static void take_answer(struct answers *answers, struct nlmsghdr *hdr)
{
	size_t number = hdr->nlmsg_seq - answers->chunk->first_seq;
	char kernel_text[KERNEL_TEXT];
	int code;

	/* Else it is left from a question that was given up. */
	if (number >= answers->chunk->count)
		return;
	if (hdr->nlmsg_type != NLMSG_ERROR) {
		if (answers->answered)
			answers->answered(answers->chunk->first + number, hdr, answers->arg);
		return;
	}
	answers->is_done = number == answers->chunk->count - 1;
	code = read_end(hdr, kernel_text);
	if (code && answers->refused && !answers->ret)
		answers->ret = answers->refused(answers->chunk->first + number, code, kernel_text,
						answers->arg, answers->err);
}

static int send_chunk(struct cv_nl *nl, struct chunk *chunk, struct answers *answers)
{
	bool is_short = false;
	int ret;

	number_messages(nl, chunk);
	ret = send_bytes(nl, chunk->bytes, chunk->size);
	while (ret >= 0 && !answers->is_done) {
		struct nlmsghdr *hdr = (struct nlmsghdr *)nl->buffer;
		int left = ret = receive(nl, is_short ? MSG_DONTWAIT : 0);

		/* There was no room for all answers; those that are there are read. */
		if (ret == -ENOBUFS && !is_short) {
			is_short = true;
			ret = 0;
			continue;
		}
		for (; nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left))
			take_answer(answers, hdr);
	}
	if (answers->ret)
		return answers->ret;
	if (is_short)
		ret = -ENOBUFS;
	return ret < 0 ? set_errno(answers->err, ret, "netlink: batch", NULL) : 0;
}

/* to: whom the answers go to. */
static int send_batch(struct cv_nl *nl, struct cv_nl_batch *batch, const struct answers *to)
{
	size_t offset = 0, first = 0;
	int ret = 0;

	while (!ret && offset < batch->size) {
		struct chunk chunk = next_chunk(nl, batch, offset, first);
		struct answers answers = *to;

		answers.chunk = &chunk;
		ret = send_chunk(nl, &chunk, &answers);
		offset += chunk.size;
		first += chunk.count;
	}
	cv_nl_batch_fini(batch);
	return ret;
}

int cv_nl_batch_send(struct cv_nl *nl, struct cv_nl_batch *batch, cv_nl_refused_fn refused,
		     void *arg, struct cv_err *err)
{
	return send_batch(nl, batch,
			  &(struct answers){ .refused = refused, .arg = arg, .err = err });
}

void cv_nl_batch_ask(struct cv_nl *nl, struct cv_nl_batch *batch, cv_nl_answer_fn answered,
		     void *arg)
{
	send_batch(nl, batch, &(struct answers){ .answered = answered, .arg = arg });
}
