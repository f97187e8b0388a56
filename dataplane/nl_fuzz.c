/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: any bytes as what the kernel answers to questions about routes, ip rules, nexthop
 * objects, devices, filters and nftables' rules, and to a batch. The first byte says which question is asked; behind
 * it stand messages (struct step). What is changed at random begins with a ruleset of nftables.
 */
#include "nl.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "marks/marks.h"
#include "marks/nft.h"
#include "nl_link.h"
#include "nl_nexthop.h"
#include "nl_route.h"
#include "nl_rule.h"
#include "nl_tc.h"
#include "own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); /* libFuzzer's */

#define ANSWERS 6 /* a dump that was interrupted is asked for anew five times */
#define ANSWER_BYTES 8192
#define IFINDEX 2

/* ---- the other end of the socket ---- */

/* What stands before the contents of a message. */
struct step {
	uint8_t type; /* index into types */
	uint8_t flags; /* of nlmsg_flags those that mean something in answers */
	uint8_t size[2]; /* of the contents that follow, little-endian */
};

static const uint16_t types[] = {
	RTM_NEWROUTE,
	RTM_NEWRULE,
	RTM_NEWNEXTHOP,
	RTM_NEWLINK,
	RTM_NEWQDISC,
	RTM_NEWTFILTER,
	RTM_DELTFILTER,
	NLMSG_ERROR,
	NLMSG_DONE,
	NLMSG_NOOP,
	NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN,
	NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE,
	NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM,
};

static uint16_t flags_of(uint8_t flags)
{
	return (flags & 1 ? NLM_F_MULTI : 0) | (flags & 2 ? NLM_F_DUMP_INTR : 0) |
	       (flags & 4 ? NLM_F_ACK_TLVS : 0) | (flags & 8 ? NLM_F_CAPPED : 0);
}

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Appends a message to an answer of that length, if it fits. Returns the new length. */
static size_t put_message(char *answer, size_t length, const struct nlmsghdr *hdr,
			  const void *contents, size_t size)
{
	size_t end = length + NLMSG_ALIGN(NLMSG_HDRLEN + size);

	if (end > ANSWER_BYTES)
		return length;
	memset(answer + length, 0, end - length);
	memcpy(answer + length, hdr, sizeof(*hdr));
	if (size)
		memcpy(answer + length + NLMSG_HDRLEN, contents, size);
	return end;
}

/* The messages that the bytes are, all with that number. */
static size_t put_messages(char *answer, const uint8_t *data, size_t size, uint32_t seq)
{
	struct step step;
	size_t length = 0;

	while (size >= sizeof(step)) {
		struct nlmsghdr hdr = { .nlmsg_seq = seq };
		size_t contents;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		contents = min(size, step.size[0] + 256u * step.size[1]);
		hdr.nlmsg_type = types[step.type % (sizeof(types) / sizeof(*types))];
		hdr.nlmsg_flags = flags_of(step.flags);
		/* A bit more or less than there is, too. */
		hdr.nlmsg_len = NLMSG_HDRLEN + contents + (step.flags & 16 ? 8 : 0) -
				(step.flags & 32 ? 8 : 0);
		length = put_message(answer, length, &hdr, data, contents);
		data += contents;
		size -= contents;
	}
	return length;
}

/* Answers before it is asked: questions are numbered from 1. The last message of each answer ends it. */
static void answer(int fd, const uint8_t *data, size_t size)
{
	static const struct nlmsgerr ack;

	for (uint32_t seq = 1; seq <= ANSWERS; seq++) {
		const struct nlmsghdr end = { .nlmsg_len = NLMSG_HDRLEN + sizeof(ack),
					      .nlmsg_type = NLMSG_ERROR,
					      .nlmsg_flags = NLM_F_CAPPED,
					      .nlmsg_seq = seq };
		char bytes[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
		size_t length = put_messages(bytes, data, size, seq);

		if (length && send(fd, bytes, length, MSG_DONTWAIT) < 0)
			abort();
		length = put_message(bytes, 0, &end, &ack, sizeof(ack));
		if (send(fd, bytes, length, MSG_DONTWAIT) < 0)
			abort();
	}
}

/* ---- questions ---- */

/* Looks at every byte of a result: the sanitizers tell what is not there. */
static void read_all(const void *result, size_t size)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum |= ((const uint8_t *)result)[i];
	if (sum == 0xff && !size)
		abort();
}

static int take_route(const struct cv_fib_route *route, void *arg, struct cv_err *err)
{
	char text[CV_PREFIX_TEXT];

	(void)arg;
	(void)err;
	if (route->to.bits > (route->to.addr.family == 4 ? 32 : 128))
		abort();
	read_all(cv_prefix_format(&route->to, text), strlen(text));
	read_all(route, sizeof(*route));
	return 0;
}

static void ask_routes4(struct cv_nl *nl)
{
	cv_fib_list(nl, 4, 0, NULL, take_route, NULL, NULL);
}

static void ask_routes6(struct cv_nl *nl)
{
	cv_fib_list(nl, 6, CV_ROUTE_PROTOCOL, NULL, take_route, NULL, NULL);
}

static void ask_way(struct cv_nl *nl)
{
	const struct cv_addr to = { .family = 4, .bytes = { 10 } };
	struct cv_fib_answer way;

	if (!cv_fib_lookup(nl, &to, NULL, 0, &way, NULL))
		read_all(&way, sizeof(way));
}

static void ask_ways(struct cv_nl *nl)
{
	const struct cv_fib_question to[] = {
		{ .dst = { .family = 4, .bytes = { 10 } } },
		{ .dst = { .family = 6, .bytes = { 0xfd, [15] = 1 } } },
		{ .dst = { .family = 6, .bytes = { 0xfd, [15] = 2 } } },
	};
	struct cv_fib_answer way;

	cv_fib_remember(nl);
	cv_fib_ask_ahead(nl, to, sizeof(to) / sizeof(*to));
	for (size_t i = 0; i < sizeof(to) / sizeof(*to); i++)
		if (!cv_fib_ask(nl, &to[i], &way, NULL))
			read_all(&way, sizeof(way));
	cv_fib_forget(nl);
}

static int take_rule(const struct cv_fib_rule *rule, void *arg, struct cv_err *err)
{
	(void)arg;
	(void)err;
	if (strnlen(rule->iif, sizeof(rule->iif)) == sizeof(rule->iif) ||
	    !cv_fib_rule_equal(rule, rule))
		abort();
	read_all(rule, sizeof(*rule));
	return 0;
}

static void ask_rules(struct cv_nl *nl)
{
	cv_fib_rule_list(nl, 4, take_rule, NULL, NULL);
	cv_fib_rule_list(nl, 6, take_rule, NULL, NULL);
}

static void ask_nexthops(struct cv_nl *nl)
{
	CV_CLEANUP(cv_nexthop_list_fini) struct cv_nexthop_list list = { 0 };

	if (cv_nexthop_list(nl, &list, NULL))
		return;
	for (size_t i = 0; i < list.count; i++) {
		const struct cv_nexthop *item = &list.items[i];
		const struct cv_nexthop *found = cv_nexthop_find(&list, item->id);

		if (!found || found->id != item->id)
			abort();
		read_all(item->members, item->member_count * sizeof(*item->members));
	}
}

static void ask_link(struct cv_nl *nl)
{
	struct cv_link link;

	if (!cv_link_by_index(nl, IFINDEX, &link, NULL))
		read_all(&link, sizeof(link));
}

static void ask_links(struct cv_nl *nl)
{
	struct cv_link link;

	cv_links_remember(nl);
	/* The picture is taken with one of them. */
	for (uint32_t ifindex = 1; ifindex < 12; ifindex++)
		if (!cv_link_by_index(nl, ifindex, &link, NULL) &&
		    cv_link_by_name(nl, link.name, &link, NULL) && link.name[0])
			break;
	cv_links_forget(nl);
}

static int take_filter(const struct cv_filter *filter, void *arg, struct cv_err *err)
{
	(void)arg;
	(void)err;
	read_all(filter->kind, strlen(filter->kind));
	read_all(filter->name, strlen(filter->name));
	return 0;
}

static void ask_filters(struct cv_nl *nl)
{
	enum cv_qdisc qdisc;
	bool has_departures;

	cv_filter_list(nl, IFINDEX, true, take_filter, NULL, NULL);
	cv_tc_qdisc(nl, IFINDEX, &qdisc, NULL);
	cv_tc_has_departures(nl, IFINDEX, &has_departures, NULL);
}

static void ask_marks(struct cv_nl *nl)
{
	struct cv_marks marks = { .claim = { .mask = CV_DEFAULT_MARK_MASK, .moments = 3 } };

	cv_marks_tc(&marks, nl, NULL);
	cv_marks_rule(&marks, nl, NULL);
	cv_mark_users_fini(&marks.users);
}

static void ask_nft(struct cv_nl *nl)
{
	struct cv_marks marks = { .claim = { .mask = CV_DEFAULT_MARK_MASK, .moments = 3 } };

	cv_nft_read(&marks, nl, NULL);
	for (size_t i = 0; i < marks.users.count; i++)
		read_all(marks.users.items[i].place, strlen(marks.users.items[i].place));
	cv_mark_users_fini(&marks.users);
}

static int hear(size_t number, int code, const char *kernel, void *arg, struct cv_err *err)
{
	if (number >= *(size_t *)arg || code >= 0)
		abort();
	return code == -1 ? 0 : cv_nl_refusal(err, code, kernel, "thing");
}

static void send_batch(struct cv_nl *nl)
{
	struct cv_nl_batch batch = { 0 };
	size_t count = ANSWERS;
	struct cv_err err;

	for (size_t i = 0; i < count; i++) {
		CV_NL_MSG_FREE struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWROUTE, NLM_F_REQUEST);

		if (!msg || cv_nl_batch_add(&batch, msg))
			abort();
	}
	cv_nl_batch_send(nl, &batch, hear, &count, &err);
}

static void (*const questions[])(struct cv_nl *nl) = {
	ask_routes4, ask_routes6, ask_way,   ask_rules,	 ask_nexthops, ask_link,
	ask_links,   ask_filters, ask_marks, send_batch, ask_ways,     ask_nft,
};

/* The expressions of an nftables rule, which are looked into without a question of their own, but for
 * what sets hold. */
static void run_nft(struct cv_nl *nl, const uint8_t *data, size_t size)
{
	struct cv_marks marks = { .claim = { .mask = CV_DEFAULT_MARK_MASK, .moments = 3 } };
	struct cv_nft_rule where = {
		.marks = &marks, .nl = nl, .moments = 3, .table = "t", .chain = "c"
	};
	struct nlattr *list = malloc(NLA_HDRLEN + size);

	if (!list)
		abort();
	list->nla_type = 0;
	list->nla_len = (uint16_t)(NLA_HDRLEN + size);
	memcpy((char *)list + NLA_HDRLEN, data, size);
	if (cv_nft_is_about_marks(list))
		cv_nft_run(&where, list, NULL);
	free(list);
	cv_mark_users_fini(&marks.users);
}

/* ---- a good ruleset ---- */

#define ASK_NFT (sizeof(questions) / sizeof(*questions) - 1)
#define NEW_CHAIN 10 /* indexes into types */
#define NEW_RULE 11

/* Appends what a message has behind its header, as one of the input. */
static size_t put_step(uint8_t *data, size_t size, size_t max_size, uint8_t type,
		       struct nl_msg *msg)
{
	size_t contents = nlmsg_datalen(nlmsg_hdr(msg));
	const struct step step = { .type = type,
				   .flags = 1,
				   .size = { contents & 255, (uint8_t)(contents >> 8) } };

	if (size + sizeof(step) + contents > max_size)
		return size;
	memcpy(data + size, &step, sizeof(step));
	memcpy(data + size + sizeof(step), nlmsg_data(nlmsg_hdr(msg)), contents);
	return size + sizeof(step) + contents;
}

static size_t put_chain(uint8_t *data, size_t size, size_t max_size)
{
	CV_NL_MSG_FREE struct nl_msg *msg = cv_nft_msg(NFT_MSG_NEWCHAIN, 2);
	struct nlattr *hook;

	if (!msg)
		abort();
	nla_put_string(msg, NFTA_CHAIN_TABLE, "t");
	nla_put_string(msg, NFTA_CHAIN_NAME, "c");
	hook = nla_nest_start(msg, NFTA_CHAIN_HOOK);
	nla_put_u32(msg, NFTA_HOOK_HOOKNUM, 0);
	nla_nest_end(msg, hook);
	return put_step(data, size, max_size, NEW_CHAIN, msg);
}

/* Loads the mark into a register, or writes it from there. */
static void put_meta(struct nl_msg *msg, int registered)
{
	struct nlattr *element = nla_nest_start(msg, NFTA_LIST_ELEM), *expression;

	nla_put_string(msg, NFTA_EXPR_NAME, "meta");
	expression = nla_nest_start(msg, NFTA_EXPR_DATA);
	nla_put_u32(msg, NFTA_META_KEY, __builtin_bswap32(NFT_META_MARK));
	nla_put_u32(msg, registered, __builtin_bswap32(NFT_REG_1));
	nla_nest_end(msg, expression);
	nla_nest_end(msg, element);
}

static size_t put_rule(uint8_t *data, size_t size, size_t max_size)
{
	CV_NL_MSG_FREE struct nl_msg *msg = cv_nft_msg(NFT_MSG_NEWRULE, 2);
	struct nlattr *list;

	if (!msg)
		abort();
	nla_put_string(msg, NFTA_RULE_TABLE, "t");
	nla_put_string(msg, NFTA_RULE_CHAIN, "c");
	list = nla_nest_start(msg, NFTA_RULE_EXPRESSIONS);
	put_meta(msg, NFTA_META_DREG);
	put_meta(msg, NFTA_META_SREG);
	nla_nest_end(msg, list);
	return put_step(data, size, max_size, NEW_RULE, msg);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	if (max_size && (size < 2 || seed % 1024 == 0)) {
		data[0] = ASK_NFT;
		size = put_chain(data, 1, max_size);
		size = put_rule(data, size, max_size);
	}
	return LLVMFuzzerMutate(data, size, max_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t count = sizeof(questions) / sizeof(*questions);
	CV_CLEANUP(cv_nl_close) struct cv_nl *nl = NULL;
	CV_CLOSE int kernel = -1;
	int fds[2];

	if (!size || size > ANSWER_BYTES / 2)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		abort();
	kernel = fds[1];
	if (cv_nl_open_fd(&nl, fds[0], NULL))
		abort();
	answer(kernel, data + 1, size - 1);
	/* What is not answered is at its end at once. */
	shutdown(kernel, SHUT_WR);
	if (data[0] % (count + 1) < count)
		questions[data[0] % (count + 1)](nl);
	else
		run_nft(nl, data + 1, size - 1);
	return 0;
}
