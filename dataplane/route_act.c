/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Acts on routes, ip rules and nexthop objects in words: see route_act.h. */
#include "route_act.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "object.h"
#include "own.h"

static const char *const hook_names[CV_LWT_HOOKS] = { "in", "out", "xmit" };
static const char *const verbs[] = {
	[CV_ACT_ADD] = "add", [CV_ACT_CHANGE] = "replace", [CV_ACT_DEL] = "del"
};

/* A text of an act, as a stream that does not write beyond its room. */
#define TEXT(name, part) CV_FCLOSE FILE *name = fmemopen(part, sizeof(part) - 1, "w")

/* ---- parts ---- */

static void put_dev(FILE *out, struct cv_instance *inst, uint32_t ifindex)
{
	struct cv_link link;

	if (!cv_link_by_index(inst->nl, ifindex, &link, NULL))
		fputs(link.name, out);
	else
		fprintf(out, "if%u", ifindex);
}

static void put_addr(FILE *out, const struct cv_addr *addr)
{
	char text[CV_PREFIX_TEXT];

	fputs(cv_addr_format(addr, text), out);
}

/* " via [inet6] ADDR dev NAME" */
static void put_target(FILE *out, struct cv_instance *inst, uint8_t family,
		       const struct cv_addr *via, uint32_t ifindex)
{
	if (via->family) {
		fputs(via->family != family ? " via inet6 " : " via ", out);
		put_addr(out, via);
	}
	if (ifindex) {
		fputs(" dev ", out);
		put_dev(out, inst, ifindex);
	}
}

/* Where the program of that name is pinned. */
static void put_pin(FILE *out, const struct cv_instance *inst, enum cv_lwt_hook hook,
		    const char *name)
{
	struct cv_program_name meaning;

	if (!cv_program_name_read(NULL, hook, name, &meaning))
		fputs(name, out);
	else if (meaning.guard)
		fprintf(out, "%s/%u", inst->guards, meaning.guard);
	else if (hook == CV_LWT_XMIT)
		fprintf(out, "%s/%s", inst->xmit, meaning.tunnel);
	else
		fprintf(out, "%s/%s/%s", inst->tunnels, meaning.tunnel, CV_PROG_IN);
}

static void put_encap(FILE *out, const struct cv_instance *inst, const struct cv_lwt *lwt)
{
	if (lwt->is_bpf)
		fputs(" encap bpf", out);
	for (int hook = 0; hook < CV_LWT_HOOKS; hook++) {
		if (!lwt->names[hook][0])
			continue;
		fprintf(out, " %s pinned ", hook_names[hook]);
		put_pin(out, inst, hook, lwt->names[hook]);
	}
}

/* ---- routes ---- */

static void put_place(FILE *out, const struct cv_fib_route *fib)
{
	char to[CV_PREFIX_TEXT];

	fprintf(out, "%s table %u", cv_prefix_format(&fib->to, to), fib->table);
	if (fib->metric)
		fprintf(out, " metric %u", fib->metric);
}

static void put_route(FILE *out, struct cv_instance *inst, const struct cv_fib_route *fib)
{
	if (fib->nh_id)
		fprintf(out, " nhid %u", fib->nh_id);
	else
		put_target(out, inst, fib->to.addr.family, &fib->via, fib->ifindex);
	if (fib->src.family) {
		fputs(" src ", out);
		put_addr(out, &fib->src);
	}
	if (fib->mtu_bytes)
		fprintf(out, " mtu %u", fib->mtu_bytes);
	if (!fib->nh_id)
		put_encap(out, inst, &fib->lwt);
}

static void put_route_command(FILE *out, struct cv_instance *inst, enum cv_act_kind kind,
			      const struct cv_fib_route *fib)
{
	fprintf(out, "ip %sroute %s %s", fib->to.addr.family == 6 ? "-6 " : "", verbs[kind],
		fib->type == RTN_LOCAL ? "local " : "");
	put_place(out, fib);
	fprintf(out, " protocol %u", fib->protocol);
	if (kind != CV_ACT_DEL)
		put_route(out, inst, fib);
}

static void put_numbers(FILE *out, const char *word, uint32_t now, uint32_t wanted)
{
	if (now == wanted)
		return;
	fprintf(out, "%s%s ", ftell(out) ? ", " : "", word);
	if (now)
		fprintf(out, "%u -> ", now);
	else
		fputs("none -> ", out);
	if (wanted)
		fprintf(out, "%u", wanted);
	else
		fputs("none", out);
}

static void put_addrs(FILE *out, const char *word, const struct cv_addr *now,
		      const struct cv_addr *wanted)
{
	char from[CV_PREFIX_TEXT], to[CV_PREFIX_TEXT];

	if (cv_addr_equal(now, wanted))
		return;
	fprintf(out, "%s%s %s -> %s", ftell(out) ? ", " : "", word,
		now->family ? cv_addr_format(now, from) : "none",
		wanted->family ? cv_addr_format(wanted, to) : "none");
}

static void put_devs(FILE *out, struct cv_instance *inst, uint32_t now, uint32_t wanted)
{
	if (now == wanted)
		return;
	fprintf(out, "%sdev ", ftell(out) ? ", " : "");
	put_dev(out, inst, now);
	fputs(" -> ", out);
	put_dev(out, inst, wanted);
}

static void put_programs(FILE *out, const struct cv_lwt *now, const struct cv_lwt *wanted)
{
	for (int hook = 0; hook < CV_LWT_HOOKS; hook++) {
		const char *from = now->names[hook], *to = wanted->names[hook];

		if (strcmp(from, to) != 0)
			fprintf(out, "%s%s %s -> %s", ftell(out) ? ", " : "", hook_names[hook],
				*from ? from : "none", *to ? to : "none");
	}
}

static void put_differences(FILE *out, struct cv_instance *inst, const struct cv_fib_route *now,
			    const struct cv_fib_route *wanted)
{
	put_numbers(out, "type", now->type, wanted->type);
	put_numbers(out, "nhid", now->nh_id, wanted->nh_id);
	put_addrs(out, "src", &now->src, &wanted->src);
	put_numbers(out, "mtu", now->mtu_bytes, wanted->mtu_bytes);
	put_numbers(out, "other metrics", now->other_metrics, wanted->other_metrics);
	if (now->nh_id || wanted->nh_id)
		return;
	put_addrs(out, "via", &now->via, &wanted->via);
	put_devs(out, inst, now->ifindex, wanted->ifindex);
	put_programs(out, &now->lwt, &wanted->lwt);
}

void cv_route_act(struct cv_act *act, struct cv_instance *inst, const struct cv_fib_route *fib,
		  const struct cv_fib_route *now)
{
	TEXT(name, act->name);
	TEXT(what, act->what);
	TEXT(command, act->command);

	if (!name || !what || !command)
		return;
	put_place(name, fib);
	if (now)
		put_differences(what, inst, now, fib);
	put_route_command(command, inst, act->kind, fib);
}

/* ---- ip rules ---- */

static void put_rule(FILE *out, const struct cv_fib_rule *rule)
{
	char to[CV_PREFIX_TEXT];

	fprintf(out, "pref %u", rule->priority);
	if (rule->to.addr.family)
		fprintf(out, " to %s", cv_prefix_format(&rule->to, to));
	if (rule->mark_mask)
		fprintf(out, " fwmark 0x%x/0x%x", rule->mark, rule->mark_mask);
	if (rule->is_for_own || rule->iif[0])
		fprintf(out, " iif %s", rule->is_for_own ? "lo" : rule->iif);
	fprintf(out, " lookup %u", rule->table);
	if (rule->has_suppress)
		fprintf(out, " suppress_prefixlength %u", rule->suppress_bits);
}

void cv_fib_rule_act(struct cv_act *act, const struct cv_fib_rule *rule)
{
	TEXT(name, act->name);
	TEXT(command, act->command);

	if (!name || !command)
		return;
	fprintf(name, "IPv%u ", rule->family);
	put_rule(name, rule);
	fprintf(command, "ip %srule %s ", rule->family == 6 ? "-6 " : "", verbs[act->kind]);
	put_rule(command, rule);
	fprintf(command, " protocol %u", rule->protocol);
}

/* ---- nexthop objects ---- */

static void put_nexthop(FILE *out, struct cv_instance *inst, const struct cv_nexthop *nexthop)
{
	for (size_t i = 0; i < nexthop->member_count; i++)
		fprintf(out, "%s%u,%u", i ? "/" : " group ", nexthop->members[i].id,
			nexthop->members[i].weight);
	if (nexthop->member_count)
		return;
	put_target(out, inst, nexthop->family, &nexthop->via, nexthop->ifindex);
	put_encap(out, inst, &nexthop->lwt);
}

void cv_nexthop_act(struct cv_act *act, struct cv_instance *inst, const struct cv_nexthop *nexthop)
{
	TEXT(name, act->name);
	TEXT(command, act->command);

	if (!name || !command)
		return;
	fprintf(name, "%u", nexthop->id);
	fprintf(command, "ip %snexthop %s id %u", nexthop->family == 6 ? "-6 " : "",
		verbs[act->kind], nexthop->id);
	if (act->kind == CV_ACT_DEL)
		return;
	fprintf(command, " protocol %u", nexthop->protocol);
	put_nexthop(command, inst, nexthop);
}
