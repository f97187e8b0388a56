/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One netlink socket: send a request and run its reply. Asks for extended acks; the kernel's own
 * words end up in the error text as "(kernel: ...)". What the messages say is built and parsed
 * beside it, one file an object: nl_link, nl_tc, nl_route, nl_rule.
 */
#ifndef CV_NL_H
#define CV_NL_H

#include <netlink/msg.h>
#include <stddef.h>

#include "err.h"

struct cv_nl;

/* Opens a socket in the network namespace the process is in. On failure *out is untouched. */
int cv_nl_open(struct cv_nl **out, struct cv_err *err);
/* The same to netfilter (nftables); header and types of messages are other ones. */
int cv_nl_open_netfilter(struct cv_nl **out, struct cv_err *err);
/* The same over a socket that is open already, and that is taken; for tests, which play the kernel. */
int cv_nl_open_fd(struct cv_nl **out, int fd, struct cv_err *err);
void cv_nl_close(struct cv_nl **nl);

/* A place for what nl_link.c remembers of devices. */
struct cv_picture;
struct cv_picture **cv_nl_picture(struct cv_nl *nl);
/* The same for what nl_route.c remembers of ways. */
struct cv_ways;
struct cv_ways **cv_nl_ways(struct cv_nl *nl);

/* A new message of that type, with NLM_F_REQUEST and flags set, and a header of that size
 * appended and zeroed; *header points at it. NULL without memory. */
struct nl_msg *cv_nl_msg(int type, int flags, size_t header_size, void **header);
void cv_nl_msg_free(struct nl_msg **msg);
#define CV_NL_MSG_FREE CV_CLEANUP(cv_nl_msg_free)

/* Sends msg and waits for its ack. Returns 0 or a negative errno; what failed ("route 10.9.0.0/16
 * in table 254: add") is the text put in front of the kernel's reason. */
int cv_nl_request(struct cv_nl *nl, struct nl_msg *msg, struct cv_err *err, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

/* Called for each message of an answer; a negative return ends it and is handed on. */
typedef int (*cv_nl_fn)(struct nlmsghdr *hdr, void *arg, struct cv_err *err);

/* Sends a question (a dump, if its flags say NLM_F_DUMP) and calls fn for each message of the
 * answer. An interrupted dump is asked again, at most 5 times; fn must take repeats, and learns of
 * a new start by hdr == NULL. */
int cv_nl_query(struct cv_nl *nl, struct nl_msg *msg, cv_nl_fn fn, void *arg, struct cv_err *err,
		const char *what, ...) __attribute__((format(printf, 6, 7)));

/* Fills err as a request that the kernel refused does, and returns code; kernel: its own words, may
 * be empty. */
int cv_nl_refusal(struct cv_err *err, int code, const char *kernel, const char *what);

/* ---- many at once ---- */

/*
 * Messages that go to the kernel together. It works them off one after the other inside one system
 * call, which no signal cuts short, and goes on behind one that it refuses.
 */
struct cv_nl_batch {
	char *bytes; /* owned */
	size_t size;
	size_t room;
	size_t count; /* of messages */
};

void cv_nl_batch_fini(struct cv_nl_batch *batch);
/* Appends a copy of a request. Returns 0, or -ENOMEM without a text. */
int cv_nl_batch_add(struct cv_nl_batch *batch, struct nl_msg *msg);

/* Called with the number of each message that was refused, in their order, and with why. Returns 0 if
 * that is as well, else fills err and returns a negative errno; behind the first of these it is not
 * called any more. */
typedef int (*cv_nl_refused_fn)(size_t number, int code, const char *kernel, void *arg,
				struct cv_err *err);
/* Sends all of them: in one system call if a socket can hold that much, else in as few as that
 * takes; behind one with a refusal that counts no other is begun. Empties the batch. */
int cv_nl_batch_send(struct cv_nl *nl, struct cv_nl_batch *batch, cv_nl_refused_fn refused,
		     void *arg, struct cv_err *err);

/* Called with the number of each question that was answered, and with the answer. */
typedef void (*cv_nl_answer_fn)(size_t number, struct nlmsghdr *hdr, void *arg);
/* The same with questions of one answer each, which are no dumps. Some may get none: what is refused, or
 * what there was no room for, is to be asked for itself. Empties the batch. */
void cv_nl_batch_ask(struct cv_nl *nl, struct cv_nl_batch *batch, cv_nl_answer_fn answered,
		     void *arg);

#endif
