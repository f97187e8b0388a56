/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an operator should know at a glance: whose filters stand beside ours, and what is not as it
 * should be. Reads only. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "marks/marks.h"
#include "hooks.h"
#include "chain.h"
#include "dev_find.h"
#include "mend.h"
#include "neighbour.h"
#include "own.h"
#include "plan.h"
#include "reply.h"
#include "segment.h"
#include "tcx.h"

static int add_problem(struct cv_status *status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int add_problem(struct cv_status *status, const char *format, ...)
{
	char **grown = reallocarray(status->problems, status->problem_count + 1, sizeof(*grown));
	va_list args;
	int len;

	if (!grown)
		return -ENOMEM;
	status->problems = grown;
	va_start(args, format);
	len = vasprintf(&grown[status->problem_count], format, args);
	va_end(args);
	if (len < 0)
		return -ENOMEM;
	status->problem_count++;
	return 0;
}

int cv_problem_tell(cv_problem_fn add, void *arg, const char *format, ...)
{
	CV_FREE char *text = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return len < 0 ? -ENOMEM : add(text, arg);
}

/* ---- problems ---- */

static int add_line(const char *text, void *arg)
{
	return add_problem(arg, "%s", text);
}

static int check_dev(const struct cv_dev_info *info, struct cv_status *status)
{
	const struct cv_dev_conf *conf = info->conf;
	const char *what = conf->tcx ? "link on tcx" : "filter";
	bool lacks_ingress = conf->ingress && !info->ingress;

	if (!info->ifindex)
		return conf->optional || cv_dev_conf_is_pattern(conf)
			       ? 0
			       : add_problem(status, "dev %s: does not exist", info->name);
	if (lacks_ingress || (conf->egress && !info->egress))
		return add_problem(status, "dev %s: its %s %s is gone", info->name,
				   cv_dev_side_name(lacks_ingress), what);
	if (info->is_misplaced)
		return add_problem(status,
				   "dev %s: on tcx it does not stand where it was asked to; "
				   "'culvert repair' moves it",
				   info->name);
	return 0;
}

/* The devices, and who is beside us there. */
static int check_devs(struct cv_instance *inst, const struct cv_state *state,
		      struct cv_status *status, struct cv_err *err)
{
	CV_FREE struct cv_dev_info *infos = NULL;
	size_t count;
	int rc = cv_dev_list(inst, state, &infos, &count, err);

	for (size_t i = 0; !rc && i < count; i++)
		rc = check_dev(&infos[i], status);
	if (!rc)
		rc = cv_neighbours_find(inst, infos, count, &status->foreign,
					&status->foreign_count, err);
	return rc ? rc
		  : cv_neighbour_problems(state, status->foreign, status->foreign_count, add_line,
					  status);
}

static bool has_ingress(const struct cv_state *state)
{
	for (size_t i = 0; i < state->dev_count; i++)
		if (state->devs[i].ingress)
			return true;
	return false;
}

static int check_tunnels(const struct cv_state *state, struct cv_status *status)
{
	int rc = 0;

	if (state->tunnel_count && !has_ingress(state))
		rc = add_problem(status,
				 "no dev has ingress: nothing is taken out of tunnels here");
	for (size_t i = 0; !rc && i < state->tunnel_count; i++)
		if (!state->tunnels[i].allow.count)
			rc = add_problem(status,
					 "tunnel %s: no allow list, any inner source is accepted",
					 state->tunnels[i].name);
	return rc;
}

/* Where large packets of UDP and SCTP go, which the kernel does not encapsulate as they are. */
static int check_segment(struct cv_instance *inst, const struct cv_state *state,
			 struct cv_status *status)
{
	struct cv_err why;

	if (!state->tunnel_count || !cv_instance_exists(inst))
		return 0;
	if (!cv_segment_check(inst, &why)) {
		snprintf(status->segment_in, sizeof(status->segment_in), "%s", CV_SEGMENT_IN);
		snprintf(status->segment_out, sizeof(status->segment_out), "%s", CV_SEGMENT_OUT);
		return 0;
	}
	return add_problem(status, "large packets of UDP_SEGMENT and SCTP senders are lost: %s",
			   why.text);
}

static bool is_route_of(const struct cv_route_info *info, const struct cv_route_conf *conf)
{
	return !info->is_foreign && info->to.bits == conf->to.bits &&
	       (!conf->to.addr.family || cv_addr_equal(&info->to.addr, &conf->to.addr)) &&
	       !strcmp(info->app, conf->app);
}

/* Of what is_route_of() compares. A default route may be of both families. */
static uint64_t hash_route(const struct cv_prefix *to, const char *app)
{
	size_t size = to->addr.family == 6 ? 16 : 4;

	return cv_hash_bytes(cv_hash_text(app) + to->bits, to->addr.bytes, to->bits ? size : 0);
}

static int chain_routes(const struct cv_routes *routes, struct cv_chains *chains,
			struct cv_err *err)
{
	size_t room = 1;

	while (room < routes->count)
		room *= 2;
	if (cv_chains_grow(chains, room))
		return cv_err_set(err, -ENOMEM, "routes: out of memory");
	for (size_t i = 0; i < routes->count; i++)
		cv_chains_link(chains, hash_route(&routes->items[i].to, routes->items[i].app), i);
	return 0;
}

static int check_routes(struct cv_instance *inst, const struct cv_state *state,
			struct cv_status *status, struct cv_err *err)
{
	CV_CLEANUP(cv_routes_fini) struct cv_routes routes = { 0 };
	CV_CLEANUP(cv_chains_fini) struct cv_chains chains = { 0 };
	int rc = cv_route_list_brief(inst, &routes, err);

	if (!rc)
		rc = chain_routes(&routes, &chains, err);
	for (size_t i = 0; !rc && i < state->route_count; i++) {
		const struct cv_route_conf *conf = &state->routes[i];
		uint32_t number = cv_chains_first(&chains, hash_route(&conf->to, conf->app));
		char to[CV_PREFIX_TEXT];

		while (number != CV_NOBODY && !is_route_of(&routes.items[number], conf))
			number = chains.next[number];
		if (number == CV_NOBODY)
			rc = add_problem(status, "route %s: gone from the kernel",
					 cv_prefix_format(&conf->to, to));
	}
	return rc;
}

static int add_reply_problem(const struct cv_dev_conf *dev, const struct cv_route_conf *route,
			     const char *tunnel, enum cv_reply reply, struct cv_status *status)
{
	static const char *const remedies[] = {
		[CV_REPLY_NO_CONSENT] = "add 'src-valid-mark' to the dev",
		[CV_REPLY_IS_OFF] =
			"its src_valid_mark was set back to 0, 'culvert repair' sets it",
		[CV_REPLY_NO_MARK] =
			"they get the mark of another app, give each a tunnel of its own",
	};

	if (reply == CV_REPLY_PASSES)
		return 0;
	return add_problem(status,
			   "dev %s: rp_filter is strict and replies to app %s through tunnel %s "
			   "have no way back; %s",
			   dev->name, route->app, tunnel, remedies[reply]);
}

/* Those of the devices that there are. */
struct confs {
	struct cv_dev_conf *items; /* owned */
	size_t count;
};

static void confs_fini(struct confs *confs)
{
	free(confs->items);
}

/* The devices on which replies to packets of a route come out of a tunnel. */
static int check_replies_of(struct cv_instance *inst, const struct confs *devs,
			    const struct cv_route_conf *route, const struct cv_tunnel *tunnel,
			    struct cv_status *status)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < devs->count; i++)
		rc = add_reply_problem(&devs->items[i], route, tunnel->name,
				       cv_reply_check(inst, &devs->items[i], route, tunnel),
				       status);
	return rc;
}

/* Replies to routed apps that the kernel drops. */
static int check_replies(struct cv_instance *inst, const struct cv_state *state,
			 struct cv_status *status, struct cv_err *err)
{
	CV_FREE struct cv_tunnel *tunnels = calloc(CV_MAX_TUNNELS, sizeof(*tunnels));
	CV_CLEANUP(confs_fini) struct confs devs = { 0 };
	int rc = tunnels ? cv_devs_confs(inst, state, &devs.items, &devs.count, err) : -ENOMEM;

	if (!rc && cv_instance_exists(inst))
		rc = cv_live_tunnels(inst, tunnels, err);
	for (size_t i = 0; i < state->route_count; i++)
		for (uint32_t id = 1; !rc && state->routes[i].app[0] && id < CV_MAX_TUNNELS; id++)
			if (cv_route_conf_enters(&state->routes[i], tunnels[id].name))
				rc = check_replies_of(inst, &devs, &state->routes[i], &tunnels[id],
						      status);
	return rc;
}

/* Users of culvert's bits that came later, or that it was told to live with. */
static int check_marks(const struct cv_state *state, struct cv_status *status)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < status->marks.count; i++) {
		struct cv_err why;

		if (!status->marks.items[i].collision)
			continue;
		cv_marks_explain(state, &status->marks.items[i], &why);
		rc = add_problem(status, "%s", why.text);
	}
	return rc;
}

/* Without one of them not all owners are known, or not from the first packet on. */
static int check_hooks(struct cv_instance *inst, struct cv_status *status)
{
	struct cv_missing_hook missing[CV_MAX_HOOKS];
	size_t count = cv_instance_exists(inst) ? cv_hooks_missing(inst, missing) : 0;
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++)
		rc = add_problem(status, "socket hook %s: %s: %s", missing[i].name,
				 missing[i].is_refused ? "refused by the kernel" : "not attached",
				 missing[i].lost);
	return rc;
}

static int check_rules(const struct cv_state *state, struct cv_status *status)
{
	if (status->image.rules == state->rule_count)
		return 0;
	return add_problem(status, "%u of %zu rules are in the kernel: 'culvert repair'",
			   status->image.rules, state->rule_count);
}

/* A state without pins: somebody has unmounted the bpffs, or another one hides it. */
static int check_pins(const struct cv_instance *inst, const struct cv_state *state,
		      struct cv_status *status)
{
	if (cv_instance_exists(inst) ||
	    !(state->dev_count || state->app_count || state->tunnel_count || state->route_count ||
	      state->set_count || state->rule_count))
		return 0;
	return add_problem(status, "its pins are gone, the bpffs was unmounted: 'culvert repair' "
				   "makes them anew");
}

/* Somebody has removed one of them. */
static int check_map_pins(const struct cv_instance *inst, struct cv_status *status)
{
	const char *name = cv_instance_exists(inst) ? cv_pin_missing(inst) : NULL;

	return name ? add_problem(status, "map %s: its pin is gone: 'culvert repair'", name) : 0;
}

/* What this process may not look at is not to be taken for what is not there. */
static int check_sight(const struct cv_state *state, struct cv_status *status)
{
	return !state->dev_count || !cv_tcx_is_hidden()
		       ? 0
		       : add_problem(status, "programs of others on tcx cannot be seen without "
					     "CAP_NET_ADMIN");
}

static int find_problems(struct cv_instance *inst, const struct cv_state *state,
			 struct cv_status *status, struct cv_err *err)
{
	int rc = check_pins(inst, state, status);

	if (!rc)
		rc = check_map_pins(inst, status);
	if (!rc)
		rc = check_devs(inst, state, status, err);
	if (!rc)
		rc = check_tunnels(state, status);
	if (!rc)
		rc = check_segment(inst, state, status);
	if (!rc)
		rc = check_routes(inst, state, status, err);
	if (!rc)
		rc = check_rules(state, status);
	if (!rc)
		rc = cv_app_problems(inst, state, add_line, status, err);
	if (!rc)
		rc = cv_rule_problems(inst, state, add_line, status, err);
	if (!rc)
		rc = check_replies(inst, state, status, err);
	if (!rc)
		rc = check_marks(state, status);
	if (!rc)
		rc = check_hooks(inst, status);
	if (!rc)
		rc = check_sight(state, status);
	return rc == -ENOMEM ? cv_err_set(err, rc, "status: out of memory") : rc;
}

/* What stands in the status may be half of one state and half of another. */
static int check_writer(const struct cv_instance *inst, const struct cv_glance *before,
			struct cv_status *status, struct cv_err *err)
{
	struct cv_glance after;
	int rc;

	cv_instance_glance(inst, &after);
	status->writer = after.writer.pid ? after.writer : before->writer;
	if (inst->access == CV_ACCESS_WRITE || !cv_glance_differs(before, &after))
		return 0;
	rc = add_problem(status, "it was changed while this was read, which may be of two states");
	return rc ? cv_err_set(err, rc, "status: out of memory") : 0;
}

int cv_status_get(struct cv_instance *inst, const struct cv_state *state, struct cv_status *out,
		  struct cv_err *err)
{
	struct cv_status status = { .abi = CV_ABI_VERSION, .mark_mask = state->mark_mask };
	struct cv_glance before;
	struct cv_meta meta;
	int rc = 0;

	cv_instance_glance(inst, &before);
	memcpy(status.instance, inst->name, sizeof(status.instance));
	if (cv_instance_exists(inst)) {
		rc = cv_meta_read(inst, &meta, err);
		if (!rc)
			rc = cv_drops_read(inst, 0, &status.drops, err);
		if (!rc)
			rc = cv_host_drops_add(inst, &status.drops, err);
		if (!rc)
			rc = cv_sources_read(inst, status.sources, err);
		if (!rc)
			rc = cv_rule_image(inst, &status.image, err);
		status.generation = rc ? 0 : meta.generation;
	}
	if (!rc)
		rc = cv_marks_find(inst, state, &status.marks, err);
	cv_links_remember(inst->nl);
	if (!rc)
		rc = find_problems(inst, state, &status, err);
	cv_links_forget(inst->nl);
	if (!rc)
		rc = check_writer(inst, &before, &status, err);
	if (rc) {
		cv_status_fini(&status);
		return rc;
	}
	*out = status;
	return 0;
}

void cv_status_fini(struct cv_status *status)
{
	for (size_t i = 0; i < status->problem_count; i++)
		free(status->problems[i]);
	free(status->problems);
	free(status->foreign);
	cv_mark_users_fini(&status->marks);
}
