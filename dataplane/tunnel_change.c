/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tunnel_change.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "culvert.h"
#include "plan.h"

_Static_assert((int)CV_MODE_COUNT == (int)CV_TUNNEL_MODE_COUNT, "modes have one number each");

#define VALUE_MAX 64

struct text {
	char *at;
	size_t size;
	size_t used;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
	va_list args;

	if (text->used && text->used < text->size)
		text->used += snprintf(text->at + text->used, text->size - text->used, ", ");
	if (text->used >= text->size)
		return;
	va_start(args, format);
	text->used += vsnprintf(text->at + text->used, text->size - text->used, format, args);
	va_end(args);
}

/* ---- values, as the command line has them ---- */

typedef void (*show_fn)(const struct cv_tunnel *tunnel, char value[VALUE_MAX]);

static void show_number(char value[VALUE_MAX], uint32_t number)
{
	snprintf(value, VALUE_MAX, "%u", number);
}

static void show_mode(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	snprintf(value, VALUE_MAX, "%s", cv_tunnel_mode_names[tunnel->mode % CV_TUNNEL_MODE_COUNT]);
}

static void show_addr(const struct cv_tunnel *tunnel, const uint32_t words[4],
		      char value[VALUE_MAX])
{
	struct cv_addr addr = cv_addr_from_abi(tunnel->family, words);
	char text[CV_PREFIX_TEXT];

	snprintf(value, VALUE_MAX, "%s", cv_addr_format(&addr, text));
}

static void show_local(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	show_addr(tunnel, tunnel->local, value);
}

static void show_remote(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	if (tunnel->remote_kind == CV_REMOTE_ONE)
		show_addr(tunnel, tunnel->remote, value);
	else
		snprintf(value, VALUE_MAX, "%s",
			 tunnel->remote_kind == CV_REMOTE_SET ? "several" : "peers");
}

static void show_key(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	uint32_t key = ntohl(tunnel->key);

	if (tunnel->flags & CV_TUNNEL_KEY)
		show_number(value, tunnel->mode == CV_MODE_GRE ? key : key >> 8);
	else
		snprintf(value, VALUE_MAX, "none");
}

static void show_ttl(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	if (tunnel->flags & CV_TUNNEL_TTL_INHERIT)
		snprintf(value, VALUE_MAX, "inherit");
	else
		show_number(value, tunnel->ttl);
}

static void show_dscp(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	if (tunnel->flags & CV_TUNNEL_DSCP_UNIFORM)
		snprintf(value, VALUE_MAX, "uniform");
	else if (tunnel->flags & CV_TUNNEL_DSCP_INHERIT)
		snprintf(value, VALUE_MAX, "inherit");
	else
		show_number(value, tunnel->dscp);
}

static void show_df(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	snprintf(value, VALUE_MAX, "%s",
		 tunnel->flags & CV_TUNNEL_DF_INHERIT ? "inherit"
		 : tunnel->flags & CV_TUNNEL_DF_ON    ? "on"
						      : "off");
}

static void show_ecn(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	snprintf(value, VALUE_MAX, "%s", tunnel->flags & CV_TUNNEL_ECN ? "on" : "off");
}

static void show_probe(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	snprintf(value, VALUE_MAX, "%s", tunnel->flags & CV_TUNNEL_NO_PROBE ? "off" : "on");
}

static void show_mtu(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	show_number(value, tunnel->mtu_bytes);
}

static void show_mss(const struct cv_tunnel *tunnel, char value[VALUE_MAX])
{
	snprintf(value, VALUE_MAX, "%u/%u", tunnel->mss4, tunnel->mss6);
}

static const struct {
	const char *word;
	show_fn show;
} values[] = {
	{ "mode", show_mode }, { "local", show_local }, { "remote", show_remote },
	{ "key", show_key },   { "ttl", show_ttl },	{ "dscp", show_dscp },
	{ "df", show_df },     { "ecn", show_ecn },	{ "probe", show_probe },
	{ "mtu", show_mtu },   { "mss", show_mss },
};

/* ---- parts, of which only that they differ is told ---- */

static bool header_differs(const struct cv_tunnel *live, const struct cv_tunnel *wanted)
{
	bool is_same_key = live->key == wanted->key && live->mode == wanted->mode;

	return is_same_key && (memcmp(live->payload4, wanted->payload4, sizeof(live->payload4)) ||
			       memcmp(live->payload6, wanted->payload6, sizeof(live->payload6)));
}

static void add_parts(struct text *text, const struct cv_tunnel *live,
		      const struct cv_tunnel *wanted)
{
	uint32_t flags = live->flags ^ wanted->flags;

	if (header_differs(live, wanted))
		add(text, "header");
	if (live->remote_slot != wanted->remote_slot && live->remote_kind == wanted->remote_kind)
		add(text, "remotes");
	if (live->allow_generation != wanted->allow_generation || flags & CV_TUNNEL_ALLOW)
		add(text, "allow");
	if (live->old_key != wanted->old_key || live->switch_ns != wanted->switch_ns)
		add(text, "old key");
	if (flags & CV_TUNNEL_RULES)
		add(text, "rules that drop");
	if (live->guard_mark != wanted->guard_mark)
		add(text, "mark mask");
	if (live->return_mark != wanted->return_mark)
		add(text, "mark of replies");
	if (live->ifindex != wanted->ifindex)
		add(text, "device to the remote");
	if (live->generation != wanted->generation)
		add(text, "program");
}

void cv_tunnel_change(const struct cv_tunnel *live, const struct cv_tunnel *wanted, char *text,
		      size_t size)
{
	struct text out = { .at = text, .size = size };
	char before[VALUE_MAX], after[VALUE_MAX];

	*text = '\0';
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		values[i].show(live, before);
		values[i].show(wanted, after);
		if (strcmp(before, after) != 0)
			add(&out, "%s %s -> %s", values[i].word, before, after);
	}
	add_parts(&out, live, wanted);
}
