/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of who collides with culvert's marks: what well-known programs do with marks, and what
 * is read of tables of iptables and filters of tc, in memory as the kernel gives them.
 */
#include "marks/marks.h"

#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_skbedit.h>
#include <netlink/attr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "marks/nft.h"
#include "own.h"

#define MASK CV_DEFAULT_MARK_MASK
#define ALL UINT32_MAX

/* ---- judging ---- */

#define MATCHES(value, mask) CV_MARK_MATCHES, mask, value, false
#define MATCHES_NOT(value, mask) CV_MARK_MATCHES, mask, value, true
#define WRITES(value, mask) CV_MARK_WRITES, mask, value, false
#define ARRIVING CV_MARK_ARRIVING
#define SENDING CV_MARK_SENDING

static void real_programs_are_judged(void **unused)
{
	static const struct {
		const char *who;
		uint32_t mask; /* culvert's */
		enum cv_mark_how how;
		uint32_t bits, ones;
		bool is_inverted;
		uint8_t moments;
		uint32_t collision;
	} rows[] = {
		{ "tailscale's rule", MASK, MATCHES(0x80000, 0xff0000), 0, 0 },
		{ "tailscale marks what it sends", MASK, WRITES(0x80000, 0xff0000), SENDING, 0 },
		{ "tailscale marks subnet traffic", MASK, WRITES(0x40000, 0xff0000), ARRIVING, 0 },
		{ "tailscale with a mask on its bits", 0xff0000, MATCHES(0x80000, 0xff0000), 0,
		  0x80000 },
		{ "wg-quick's rule", MASK, MATCHES_NOT(0xca6c, ALL), 0, 0 },
		{ "wg-quick saves", MASK, MATCHES(0xca6c, ALL), 0, 0 },
		{ "wg-quick restores", MASK, WRITES(0, ALL), ARRIVING, 0 },
		{ "wg-quick with a mask on its bits", 0xf000, MATCHES_NOT(0xca6c, ALL), 0, 0xc000 },
		{ "mullvad's rule", MASK, MATCHES_NOT(0x6d6f6c65, ALL), 0, 0x6d000000 },
		{ "mullvad marks what is excluded", MASK, WRITES(0x6d6f6c65, ALL), SENDING, MASK },
		{ "cilium to its proxy", MASK, MATCHES(0x200, 0xf00), 0, 0 },
		{ "cilium encrypts", MASK, WRITES(0xe00, 0xf00), ARRIVING, 0 },
		{ "kube-proxy masquerades", MASK, WRITES(0x4000, 0x4000), SENDING, 0 },
		{ "kube-proxy clears", MASK, WRITES(0, 0x4000), 0, 0 },
		{ "kube-proxy drops", MASK, MATCHES(0x8000, 0x8000), 0, 0 },
		{ "calico accepts", MASK, WRITES(0x10000, 0x10000), ARRIVING, 0 },
		{ "calico in user chains", MASK, WRITES(0, 0xf0000), SENDING | ARRIVING, 0 },
		{ "calico's endpoints", MASK, MATCHES(0xc1200000, 0xfff00000), 0, 0x41000000 },
		{ "docker swarm's ingress", MASK, WRITES(0x100, ALL), ARRIVING, 0 },
		/* Edges. */
		{ "any mark at all", MASK, MATCHES_NOT(0, ALL), 0, 0 },
		{ "only the bit above", MASK, MATCHES(0x80000000, 0x80000000), 0, 0 },
		{ "the lowest bit", MASK, MATCHES(0x01000000, 0x01000000), 0, 0x01000000 },
		{ "our bits must be zero", MASK, MATCHES(0, 0xff000000), 0, 0 },
		{ "cleared when it is sent", MASK, WRITES(0x1, ALL), SENDING, MASK },
		{ "cleared after its route", MASK, WRITES(0x1, ALL), 0, 0 },
		{ "set after its route", MASK, WRITES(0x02000000, 0x02000000), 0, 0x02000000 },
		{ "a bit that is flipped", MASK, WRITES(0x04000000, 0x04000000), 0, 0x04000000 },
		{ "asks for an app's", MASK, MATCHES(0x01000000, MASK), 0, 0x01000000 },
		{ "asks for what is in a tunnel", MASK, MATCHES(MASK, MASK), 0, 0 },
		{ "NAT passes tunnels by", MASK, MATCHES_NOT(0, MASK), 0, 0 },
		{ "sets an app's", MASK, WRITES(0x01000000, MASK), 0, 0x01000000 },
		{ "nobody knows", MASK, CV_MARK_UNKNOWN, ALL, ALL, false, SENDING, 0 },
		{ "culvert uses no marks", 0, WRITES(ALL, ALL), SENDING, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cv_mark_claim claim = { .mask = rows[i].mask, .moments = SENDING };
		struct cv_mark_use use = { rows[i].how, rows[i].bits, rows[i].ones,
					   rows[i].is_inverted, rows[i].moments };
		const char *note;
		uint32_t collision = cv_mark_judge(&claim, &use, &note);

		if (collision != rows[i].collision)
			fail_msg("%s: collides on 0x%x, not 0x%x", rows[i].who, collision,
				 rows[i].collision);
		if (!*note != (use.how == CV_MARK_UNKNOWN || !(use.bits & claim.mask)))
			fail_msg("%s: note '%s'", rows[i].who, note);
	}
}

static void marks_on_arrival_count_with_consent(void **unused)
{
	struct cv_dev_conf dev = { .name = "eth0", .ingress = true };
	struct cv_route_conf route = { .tunnel = "blue", .app = "web" };
	struct cv_tunnel_conf tunnel = { .name = "blue" };
	struct cv_mark_use use = { CV_MARK_WRITES, ALL, 0, false, ARRIVING };
	struct cv_mark_claim claim;
	struct cv_state state;
	const char *note;

	(void)unused;
	cv_state_init(&state);
	assert_int_equal(cv_mark_claim(&state).mask, 0);
	cv_state_add_tunnel(&state, &tunnel, NULL);
	claim = cv_mark_claim(&state);
	assert_int_equal(claim.mask, MASK);
	assert_int_equal(claim.moments, 0);
	cv_state_add_dev(&state, &dev, NULL);
	cv_state_add_route(&state, &route, NULL);
	claim = cv_mark_claim(&state);
	assert_int_equal(claim.moments, SENDING);
	assert_int_equal(cv_mark_judge(&claim, &use, &note), 0);
	state.devs[0].src_valid_mark = true;
	claim = cv_mark_claim(&state);
	assert_int_equal(claim.moments, SENDING | ARRIVING);
	assert_int_equal(cv_mark_judge(&claim, &use, &note), MASK);
	cv_state_fini(&state);
}

static void ones_of_ranges(void **unused)
{
	static const struct {
		uint32_t min, max, ones;
	} rows[] = {
		{ 0, 0, 0 },
		{ 5, 5, 5 },
		{ 4, 7, 7 },
		{ 0x10, 0x20, 0x3f },
		{ 0, ALL, ALL },
		{ 1, ALL, ALL },
		{ 0x100, 0x1ff, 0x1ff },
		{ 0x80000000, 0x80000001, 0x80000001 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(cv_mark_ones(rows[i].min, rows[i].max), rows[i].ones);
}

/* ---- what was found ---- */

static void free_marks(struct cv_marks *marks)
{
	cv_mark_users_fini(&marks->users);
}
#define MARKS CV_CLEANUP(free_marks) struct cv_marks

static void assert_user(const struct cv_marks *marks, size_t i, uint32_t bits, uint32_t collision,
			const char *place)
{
	assert_true(i < marks->users.count);
	assert_string_equal(marks->users.items[i].place, place);
	assert_int_equal(marks->users.items[i].bits, bits);
	assert_int_equal(marks->users.items[i].collision, collision);
}

/* ---- iptables ---- */

struct blob {
	uint8_t bytes[4096];
	size_t len;
};

/* Appends a match or a target. */
static void put_extension(struct blob *blob, const char *name, uint8_t revision, const void *data,
			  size_t len)
{
	struct xt_entry_match head = { .u.user.match_size =
					       (uint16_t)(sizeof(head) + XT_ALIGN(len)),
				       .u.user.revision = revision };

	strcpy(head.u.user.name, name);
	memcpy(blob->bytes + blob->len, &head, sizeof(head));
	memcpy(blob->bytes + blob->len + sizeof(head), data, len);
	blob->len += head.u.match_size;
}

/* Begins a rule; close_rule() ends it. */
static struct ipt_entry *open_rule(struct blob *blob)
{
	struct ipt_entry *entry = (struct ipt_entry *)(blob->bytes + blob->len);

	blob->len += sizeof(*entry);
	return entry;
}

static void put_match(struct blob *blob, uint32_t mark, uint32_t mask)
{
	struct xt_mark_mtinfo1 info = { .mark = mark, .mask = mask };

	put_extension(blob, "mark", 1, &info, sizeof(info));
}

static void close_rule(struct blob *blob, struct ipt_entry *entry, const char *target,
		       const void *data, size_t len)
{
	entry->target_offset = (uint16_t)(blob->bytes + blob->len - (uint8_t *)entry);
	put_extension(blob, target, 2, data, len);
	entry->next_offset = (uint16_t)(blob->bytes + blob->len - (uint8_t *)entry);
}

static const uint32_t output_only[NF_INET_NUMHOOKS];

static struct cv_xt_table table_of(const struct blob *blob, size_t len)
{
	return (struct cv_xt_table){ .family = 4,
				     .name = "mangle",
				     .hooks = 1 << NF_INET_LOCAL_OUT,
				     .hook_entry = output_only,
				     .entries = blob->bytes,
				     .bytes = len };
}

static void make_blob(struct blob *blob)
{
	struct xt_mark_tginfo2 set = { .mark = 0x1, .mask = ALL };
	struct ipt_entry *entry = open_rule(blob);
	char user[XT_FUNCTION_MAXNAMELEN] = "user";
	int verdict = -NF_ACCEPT - 1;

	put_match(blob, 0x1000000, 0x1000000);
	put_match(blob, 0x7, 0xff);
	close_rule(blob, entry, "", &verdict, sizeof(verdict));
	entry = open_rule(blob);
	close_rule(blob, entry, "", &verdict, sizeof(verdict));
	entry = open_rule(blob);
	close_rule(blob, entry, "ERROR", user, sizeof(user));
	entry = open_rule(blob);
	close_rule(blob, entry, "MARK", &set, sizeof(set));
}

static void tables_of_iptables_are_read(void **unused)
{
	MARKS marks = { .claim = { MASK, SENDING } };
	struct blob blob = { .len = 0 };
	struct cv_xt_table table;

	(void)unused;
	make_blob(&blob);
	table = table_of(&blob, blob.len);
	assert_int_equal(cv_xt_walk(&marks, &table, NULL), 0);
	assert_int_equal(marks.users.count, 3);
	assert_user(&marks, 0, 0x1000000, 0x1000000, "iptables table mangle chain OUTPUT rule 1");
	assert_user(&marks, 1, 0xff, 0, "iptables table mangle chain OUTPUT rule 1");
	assert_user(&marks, 2, ALL, MASK, "iptables table mangle chain user rule 1");
}

/* Wherever a table is cut off, and whichever of its bytes is another one: no fault, nothing read
 * beyond its end. */
static void broken_tables_do_no_harm(void **unused)
{
	struct blob blob = { .len = 0 };
	struct cv_xt_table table;

	(void)unused;
	make_blob(&blob);
	for (size_t len = 0; len < blob.len; len++) {
		MARKS marks = { .claim = { MASK, SENDING } };
		CV_FREE void *copy = malloc(len ? len : 1);

		table = table_of(&blob, len);
		memcpy(copy, blob.bytes, len);
		table.entries = copy;
		cv_xt_walk(&marks, &table, NULL);
	}
	for (size_t i = 0; i < blob.len; i++) {
		MARKS marks = { .claim = { MASK, SENDING } };
		CV_FREE uint8_t *copy = malloc(blob.len);

		memcpy(copy, blob.bytes, blob.len);
		copy[i] ^= 0xff;
		table = table_of(&blob, blob.len);
		table.entries = copy;
		cv_xt_walk(&marks, &table, NULL);
	}
}

/* ---- nftables ---- */

static void texts_without_an_end_are_none(void **unused)
{
	struct {
		struct nlattr head;
		char text[4];
	} whole = { { sizeof(whole), 1 }, "abc" }, open = { { sizeof(open), 1 }, "" };
	struct nlattr *attrs[] = { NULL, &whole.head, &open.head };

	(void)unused;
	memset(open.text, 'x', sizeof(open.text));
	assert_string_equal(cv_nft_text(attrs, 0), "");
	assert_string_equal(cv_nft_text(attrs, 1), "abc");
	assert_string_equal(cv_nft_text(attrs, 2), "");
}

/* ---- tc ---- */

static struct nl_msg *open_filter(const char *kind, uint32_t handle, struct nlattr **options)
{
	struct tcmsg *header;
	struct nl_msg *msg = cv_nl_msg(RTM_NEWTFILTER, 0, sizeof(*header), (void **)&header);

	header->tcm_handle = handle;
	header->tcm_info = TC_H_MAKE(7 << 16, 0);
	nla_put_string(msg, TCA_KIND, kind);
	*options = nla_nest_start(msg, TCA_OPTIONS);
	return msg;
}

static void put_action(struct nl_msg *msg, int type, const char *kind, uint32_t mark, uint32_t mask)
{
	struct nlattr *list = nla_nest_start(msg, type), *action = nla_nest_start(msg, 1), *options;

	nla_put_string(msg, TCA_ACT_KIND, kind);
	options = nla_nest_start(msg, TCA_ACT_OPTIONS);
	nla_put_u32(msg, TCA_SKBEDIT_MARK, mark);
	if (mask)
		nla_put_u32(msg, TCA_SKBEDIT_MASK, mask);
	nla_nest_end(msg, options);
	nla_nest_end(msg, action);
	nla_nest_end(msg, list);
}

#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

static void look(struct cv_marks *marks, struct nl_msg *msg, struct nlattr *options,
		 uint32_t parent)
{
	nla_nest_end(msg, options);
	assert_int_equal(cv_tc_look(marks, "eth0", parent, nlmsg_hdr(msg), NULL), 0);
	cv_nl_msg_free(&msg);
}

static void filters_of_tc_are_read(void **unused)
{
	MARKS marks = { .claim = { MASK, SENDING | ARRIVING } };
	struct tc_u32_mark mark = { .val = 0x2000000, .mask = 0x2000000 };
	struct nlattr *options;
	struct nl_msg *msg;

	(void)unused;
	msg = open_filter("fw", 0x1000000, &options);
	look(&marks, msg, options, EGRESS);
	msg = open_filter("fw", 0x1, &options);
	nla_put_u32(msg, TCA_FW_MASK, 0xff);
	put_action(msg, TCA_FW_ACT, "skbedit", 0x2, 0xff);
	look(&marks, msg, options, TC_H_MAKE(5 << 16, 0));
	msg = open_filter("u32", 0x800, &options);
	nla_put(msg, TCA_U32_MARK, sizeof(mark), &mark);
	put_action(msg, TCA_U32_ACT, "connmark", 0, 0);
	look(&marks, msg, options, INGRESS);
	msg = open_filter("matchall", 0x1, &options);
	put_action(msg, TCA_MATCHALL_ACT, "skbedit", 0x3, 0);
	look(&marks, msg, options, EGRESS);
	msg = open_filter("bpf", 0x1, &options);
	nla_put_string(msg, TCA_BPF_NAME, "cil_from_netdev");
	look(&marks, msg, options, INGRESS);
	msg = open_filter("bpf", 0xc1, &options);
	nla_put_string(msg, TCA_BPF_NAME, "culvert:ingress");
	look(&marks, msg, options, INGRESS);

	assert_user(&marks, 0, ALL, 0x1000000,
		    "tc filter dev eth0 egress pref 7 handle 0x1000000 fw");
	assert_user(&marks, 1, 0xff, 0, "tc filter dev eth0 parent 5: pref 7 handle 0x1 fw");
	assert_user(&marks, 2, 0xff, 0, "tc filter dev eth0 parent 5: pref 7 handle 0x1 skbedit");
	assert_user(&marks, 3, 0x2000000, 0x2000000,
		    "tc filter dev eth0 ingress pref 7 handle 0x800 u32");
	assert_user(&marks, 4, ALL, MASK,
		    "tc filter dev eth0 ingress pref 7 handle 0x800 connmark");
	assert_user(&marks, 5, ALL, 0, "tc filter dev eth0 egress pref 7 handle 0x1 skbedit");
	assert_user(&marks, 6, 0, 0,
		    "tc filter dev eth0 ingress pref 7 handle 0x1 bpf program cil_from_netdev");
	assert_int_equal(marks.users.items[6].how, CV_MARK_UNKNOWN);
	assert_int_equal(marks.users.count, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_programs_are_judged),
		cmocka_unit_test(marks_on_arrival_count_with_consent),
		cmocka_unit_test(ones_of_ranges),
		cmocka_unit_test(tables_of_iptables_are_read),
		cmocka_unit_test(broken_tables_do_no_harm),
		cmocka_unit_test(texts_without_an_end_are_none),
		cmocka_unit_test(filters_of_tc_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
