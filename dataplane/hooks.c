/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Attaching the hooks of the host: see hooks.h. */
#include "hooks.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "bpffs.h"
#include "gate.h"
#include "host.h"
#include "map.h"
#include "object.h"
#include "own.h"
#include "plan.h"
#include "preload.h"

/* ---- which there are ---- */

#define LOST_CREATE "sockets of a routed app are not marked when they are made"
#define LOST_BIND "who receives by UDP is not known before it does"
#define LOST_CONNECT "who connects is not known before data is sent"
#define LOST_SENDMSG "who sends by UDP is not known"
#define LOST_RECVMSG "who receives by UDP is not known"
#define LOST_ACCEPT "who accepts a connection counts as who listens"
#define LOST_RELEASE "packets of closed TCP connections have no owner"
#define LOST_OPEN "sockets that were open before an app was added are not known as its own"
#define LOST_FILES "every command loads what asks the kernel which executable is which"
#define LOST_USE(what) "a process that was given a socket by another is not known when it " what

/* A program is pinned, or its link is, by its name. */
struct hook {
	const char *name;
	enum cv_object object;
	const char *lost; /* without it */
};

static const struct hook hooks[] = {
	{ "cv_sock_create", CV_OBJECT_OWNER, LOST_CREATE },
	{ "cv_post_bind4", CV_OBJECT_OWNER, LOST_BIND },
	{ "cv_post_bind6", CV_OBJECT_OWNER, LOST_BIND },
	{ "cv_connect4", CV_OBJECT_OWNER, LOST_CONNECT },
	{ "cv_connect6", CV_OBJECT_OWNER, LOST_CONNECT },
	{ "cv_sendmsg4", CV_OBJECT_OWNER, LOST_SENDMSG },
	{ "cv_sendmsg6", CV_OBJECT_OWNER, LOST_SENDMSG },
	{ "cv_recvmsg4", CV_OBJECT_OWNER, LOST_RECVMSG },
	{ "cv_recvmsg6", CV_OBJECT_OWNER, LOST_RECVMSG },
	{ "cv_getpeername4", CV_OBJECT_OWNER, LOST_ACCEPT },
	{ "cv_getpeername6", CV_OBJECT_OWNER, LOST_ACCEPT },
	{ "cv_sockops", CV_OBJECT_OWNER, "who listens is not known" },
	{ "cv_sock_release", CV_OBJECT_OWNER, LOST_RELEASE },
	{ CV_PROG_ITER, CV_OBJECT_OWNER, "open sockets of apps are not counted" },
	{ "cv_sock_recv", CV_OBJECT_REFRESH, LOST_USE("receives") },
	{ "cv_sock_send", CV_OBJECT_REFRESH, LOST_USE("sends by UDP") },
	{ "cv_tcp_send", CV_OBJECT_REFRESH, LOST_USE("sends by TCP") },
	{ "cv_task_new", CV_OBJECT_LINEAGE, "what a process descends from is not known" },
	{ "cv_task_exec", CV_OBJECT_LINEAGE, "which scripts are run is not known" },
	{ CV_PROG_FILL_TASKS, CV_OBJECT_BACKFILL, LOST_OPEN },
	{ CV_PROG_FILL_KNOWN, CV_OBJECT_BACKFILL, LOST_OPEN },
	{ CV_PROG_FILL_REST, CV_OBJECT_BACKFILL, LOST_OPEN },
	{ CV_PROG_FILL_TCP, CV_OBJECT_BACKFILL, LOST_OPEN },
	{ CV_PROG_FILL_MARKS, CV_OBJECT_BACKFILL, LOST_OPEN },
	{ CV_PROG_FILL_CHECK, CV_OBJECT_BACKFILL, LOST_OPEN },
	{ "cv_gate", CV_OBJECT_GATE, "apps with a gate are not held back" },
	{ CV_PROG_FILES, CV_OBJECT_SELF, LOST_FILES },
};
#define HOOKS (sizeof(hooks) / sizeof(*hooks))
_Static_assert(HOOKS <= CV_MAX_HOOKS, "refused hooks are bits");

/* The hooks of an object come and go together. */
struct group {
	enum cv_object object;
	uint32_t flag; /* CV_HOOKS_*: attached while it is asked for; 0: with any app */
	bool is_optional; /* what the kernel refuses is left out */
};

static const struct group groups[] = {
	{ CV_OBJECT_OWNER, 0, false },
	{ CV_OBJECT_REFRESH, 0, true },
	{ CV_OBJECT_LINEAGE, CV_HOOKS_LINEAGE, false },
	{ CV_OBJECT_BACKFILL, 0, false },
	{ CV_OBJECT_GATE, CV_HOOKS_GATE, false },
	{ CV_OBJECT_SELF, 0, true },
};
#define GROUPS (sizeof(groups) / sizeof(*groups))

static const struct hook *find_hook(const char *name)
{
	for (size_t i = 0; i < HOOKS; i++)
		if (!strcmp(hooks[i].name, name))
			return &hooks[i];
	return NULL;
}

static uint32_t hook_bit(const struct hook *hook)
{
	return 1u << (hook - hooks);
}

/* ---- what is attached ---- */

/* True if a pinned link is attached still; a cgroup that is deleted detaches its links. */
static bool link_is_attached(int link_fd)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(link_fd, &info, &len) &&
	       (info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.cgroup_id);
}

static bool hook_is_attached(const struct cv_instance *inst, const struct hook *hook)
{
	CV_CLOSE int link = cv_pin_open(inst->host_links, hook->name, NULL);
	CV_CLOSE int prog = -1;

	if (link >= 0)
		return link_is_attached(link);
	/* It is there. The kernel opens no link to be only read, so more is not to be seen by who may
	 * only read. */
	if (link == -EACCES || link == -EINVAL)
		return true;
	prog = cv_pin_open(inst->host_progs, hook->name, NULL);
	return prog >= 0;
}

/* True if there is something of it, attached or not. */
static bool hook_has_pin(const struct cv_instance *inst, const struct hook *hook)
{
	CV_CLOSE int link = cv_pin_open(inst->host_links, hook->name, NULL);
	CV_CLOSE int prog = cv_pin_open(inst->host_progs, hook->name, NULL);

	return link >= 0 || prog >= 0;
}

/* True if all hooks of the group are there, but for those of refused. */
static bool group_is_attached(const struct cv_instance *inst, const struct group *group,
			      uint32_t refused)
{
	for (size_t i = 0; i < HOOKS; i++)
		if (hooks[i].object == group->object && !(hook_bit(&hooks[i]) & refused) &&
		    !hook_is_attached(inst, &hooks[i]))
			return false;
	return true;
}

static bool group_has_pins(const struct cv_instance *inst, const struct group *group)
{
	for (size_t i = 0; i < HOOKS; i++)
		if (hooks[i].object == group->object && hook_is_attached(inst, &hooks[i]))
			return true;
	return false;
}

/* ---- attach ---- */

static int open_cgroup(const struct cv_instance *inst, struct cv_err *err)
{
	const char *dir = inst->options.cgroup_dir;
	char mount[PATH_MAX];
	CV_CLOSE int fd = -1;
	struct statfs fs;
	uint32_t level;
	int rc = dir ? 0 : cv_cgroup2_mount(mount, &level, err);

	if (rc)
		return rc;
	fd = open(dir ? dir : mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs))
		return cv_err_set(err, -errno, "cgroup %s: %s", dir ? dir : mount,
				  strerrordesc_np(errno));
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return cv_err_set(err, -EINVAL, "cgroup %s: not in a cgroup2 mount",
				  dir ? dir : mount);
	return CV_TAKE_FD(fd);
}

bool cv_hooks_are_attached(const struct cv_instance *inst)
{
	return group_is_attached(inst, &groups[0], 0);
}

int cv_hooks_check(const struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int fd = -1;

	if (cv_hooks_are_attached(inst))
		return 0;
	fd = open_cgroup(inst, err);
	return fd < 0 ? fd : 0;
}

/* An attached link of a cgroup gets the program; anything else is attached anew, beside the old
 * one, which goes when its pin is replaced. */
static int attach_hook(const struct cv_instance *inst, struct bpf_program *program, int cgroup_fd,
		       struct cv_err *err)
{
	const char *name = bpf_program__name(program);
	CV_CLOSE int old = cv_pin_open(inst->host_links, name, NULL);
	bool is_tracing = bpf_program__type(program) == BPF_PROG_TYPE_TRACING;
	struct bpf_link *link;
	int rc;

	if (old >= 0 && !is_tracing && link_is_attached(old) &&
	    !bpf_link_update(old, bpf_program__fd(program), NULL))
		return 0;
	link = is_tracing ? bpf_program__attach(program)
			  : bpf_program__attach_cgroup(program, cgroup_fd);
	if (!link)
		return cv_err_set(err, -errno, "socket hook %s: attach: %s", name,
				  strerrordesc_np(errno));
	rc = cv_pin_replace(bpf_link__fd(link), inst->host_links, name, err);
	bpf_link__destroy(link); /* our handle; the pin holds the link */
	return rc;
}

static int attach_programs(const struct cv_instance *inst, struct bpf_object *object, int cgroup_fd,
			   struct cv_err *err)
{
	struct bpf_program *program;
	int rc = 0;

	bpf_object__for_each_program (program, object) {
		assert(find_hook(bpf_program__name(program)));
		if (rc || !bpf_program__autoload(program))
			continue;
		if (bpf_program__expected_attach_type(program) == BPF_TRACE_ITER)
			rc = cv_pin_replace(bpf_program__fd(program), inst->host_progs,
					    bpf_program__name(program), err);
		else
			rc = attach_hook(inst, program, cgroup_fd, err);
	}
	return rc;
}

/* Programs that were loaded beside, or are loaded now. only: NULL for all of the object. */
static int load_hooks(struct cv_instance *inst, enum cv_object which, const char *only,
		      struct bpf_object **out, struct cv_err *err)
{
	return !only && cv_preload_take(inst, which, out)
		       ? 0
		       : cv_object_load(inst, which, only, out, err);
}

static int load_and_attach(struct cv_instance *inst, enum cv_object which, const char *only,
			   int cgroup_fd, struct cv_err *err)
{
	CV_CLEANUP(cv_object_close) struct bpf_object *object = NULL;
	int rc = load_hooks(inst, which, only, &object, err);

	return rc ? rc : attach_programs(inst, object, cgroup_fd, err);
}

/* The kernel refused some hook of the group: they are tried one by one. What is refused is left out
 * if it may, and an error that says what is lost if not. */
static int attach_singly(struct cv_instance *inst, const struct group *group, int cgroup_fd,
			 uint32_t *refused, struct cv_err *err)
{
	for (size_t i = 0; i < HOOKS; i++) {
		const struct hook *hook = &hooks[i];
		int rc;

		if (hook->object != group->object)
			continue;
		rc = load_and_attach(inst, group->object, hook->name, cgroup_fd, err);
		if (!rc)
			continue;
		if (!group->is_optional) {
			cv_err_set(err, rc,
				   "socket hook %s: refused by the kernel: %s; without it %s",
				   hook->name, strerrordesc_np(-rc), hook->lost);
			if (err)
				err->kind = CV_ERR_FAILED; /* the capabilities are there */
			return cv_err_hint(err, "-v shows what the kernel says of it");
		}
		cv_log(inst, CV_LOG_INFO, "socket hook %s: refused by the kernel: %s; %s",
		       hook->name, strerrordesc_np(-rc), hook->lost);
		*refused |= hook_bit(hook);
	}
	return 0;
}

static int attach_group(struct cv_instance *inst, const struct group *group, int cgroup_fd,
			uint32_t *refused, struct cv_err *err)
{
	struct cv_err why;

	if (!load_and_attach(inst, group->object, NULL, cgroup_fd, &why))
		return 0;
	return attach_singly(inst, group, cgroup_fd, refused, err);
}

static bool is_of_another_build(const struct cv_host *host)
{
	return strcmp(host->hooks_build, cv_object_build()) != 0;
}

/* Tells of the hooks of a group: those that are not attached, or all if the group is replaced. Returns 1
 * if they are to be attached now. */
static int tell_of_group(const struct cv_plan *plan, const struct group *group, bool is_upgrade,
			 uint32_t refused, struct cv_err *err)
{
	struct cv_act act = { .noun = "hook" };
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < HOOKS; i++) {
		bool is_there = hook_is_attached(plan->acts->inst, &hooks[i]);

		if (hooks[i].object != group->object || hook_bit(&hooks[i]) & refused)
			continue;
		if (is_there && !is_upgrade)
			continue;
		act.kind = is_there ? CV_ACT_CHANGE : CV_ACT_ADD;
		cv_act_name(&act, "%s", hooks[i].name);
		cv_act_what(&act, "%s", is_there ? "of another build" : "");
		rc = cv_act(plan, &act, err);
	}
	return rc;
}

/* Whether the kernel takes it; of what may be left out that does not matter. */
static int try_group(struct cv_instance *inst, const struct group *group, struct cv_err *err)
{
	CV_CLEANUP(cv_object_close) struct bpf_object *object = NULL;
	int rc = load_hooks(inst, group->object, NULL, &object, err);

	return group->is_optional ? 0 : rc;
}

/* Attaches those groups that are missing, and in an upgrade all that are there. */
static int attach_groups(struct cv_instance *inst, const struct cv_plan *plan, uint32_t wanted,
			 bool is_upgrade, uint32_t *refused, struct cv_err *err)
{
	CV_CLOSE int cgroup = -1;
	int rc = 0;

	for (size_t i = 0; !rc && i < GROUPS; i++) {
		const struct group *group = &groups[i];
		bool is_asked_for = !group->flag || wanted & group->flag;

		if (is_upgrade ? !is_asked_for && !group_has_pins(inst, group)
			       : !is_asked_for || group_is_attached(inst, group, *refused))
			continue;
		rc = tell_of_group(plan, group, is_upgrade, *refused, err);
		if (!rc && cv_acts_are_tried(plan))
			rc = try_group(inst, group, err);
		if (rc <= 0)
			continue;
		if (cgroup < 0)
			cgroup = open_cgroup(inst, err);
		rc = cgroup < 0 ? cgroup : attach_group(inst, group, cgroup, refused, err);
	}
	return rc;
}

int cv_hooks_attach(struct cv_instance *inst, const struct cv_plan *plan, uint32_t wanted,
		    struct cv_err *err)
{
	struct cv_host host, before;
	bool is_upgrade;
	int rc = cv_host_read(inst, &host, err);

	if (rc)
		return rc;
	before = host;
	is_upgrade = is_of_another_build(&host);
	if (is_upgrade)
		host.refused_hooks = 0;
	rc = attach_groups(inst, plan, wanted, is_upgrade, &host.refused_hooks, err);
	if (rc || !cv_acts_are_made(plan))
		return rc;
	snprintf(host.hooks_build, sizeof(host.hooks_build), "%s", cv_object_build());
	return memcmp(&host, &before, sizeof(host)) ? cv_host_write(inst, &host, err) : 0;
}

/* ---- what is needed ---- */

struct needs {
	const struct cv_instance *inst;
	const struct cv_plan *plan; /* NULL: as they are now */
	struct cv_app_set *set; /* to read into */
	bool has_apps;
	uint32_t app_flags; /* CV_APP_* of all apps of the host */
};

/* True if the apps under that key are those that the plan has. */
static bool is_of_plan(const struct needs *needs, uint64_t key)
{
	uint64_t cookie = needs->inst->netns_cookie;

	return needs->plan &&
	       (key == cookie || (!key && needs->plan->live_outer->netns_cookie == cookie));
}

static int add_needs(int map_fd, const void *key, void *arg, struct cv_err *err)
{
	struct needs *needs = arg;
	int rc;

	if (is_of_plan(needs, *(const uint64_t *)key))
		return 0;
	rc = cv_slot_read(map_fd, key, &cv_app_shape, needs->set, err);
	needs->has_apps = true;
	needs->app_flags |= rc ? 0 : needs->set->flags;
	return rc;
}

/* What the apps of all network namespaces ask for, with those of the plan in place of the instance's own:
 * where it is only looked at, these are the old ones still. No map of them: there are none. */
static int find_needs(const struct cv_instance *inst, const struct cv_plan *plan, bool *has_apps,
		      uint32_t *wanted, struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_APPS), err);
	CV_FREE struct cv_app_set *set = calloc(1, sizeof(*set));
	struct needs needs = { .inst = inst, .plan = plan, .set = set };
	int rc = 0;

	if (plan) {
		needs.has_apps = plan->apps->count || plan->outer->count;
		needs.app_flags = plan->apps->flags | plan->outer->flags;
	}

	if (!set)
		return cv_err_set(err, -ENOMEM, "apps: out of memory");
	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd >= 0)
		rc = cv_map_each(fd, sizeof(uint64_t), CV_MAX_INSTANCES, add_needs, &needs, err);
	*has_apps = needs.has_apps;
	*wanted = (needs.app_flags & (CV_APP_PARENT | CV_APP_SCRIPT) ? CV_HOOKS_LINEAGE : 0) |
		  (cv_gate_is_closed(inst) ? CV_HOOKS_GATE : 0);
	return rc;
}

/* ---- detach ---- */

static int detach_hook(const struct cv_plan *plan, const struct hook *hook, struct cv_err *err)
{
	const struct cv_instance *inst = plan->acts->inst;
	struct cv_act act = { .kind = CV_ACT_DEL, .noun = "hook" };
	int rc;

	if (!hook_has_pin(inst, hook))
		return 0;
	cv_act_name(&act, "%s", hook->name);
	rc = cv_act(plan, &act, err);
	if (rc <= 0)
		return rc;
	rc = cv_pin_del(inst->host_links, hook->name, err);
	return rc ? rc : cv_pin_del(inst->host_progs, hook->name, err);
}

static int detach_group(const struct cv_plan *plan, enum cv_object object, struct cv_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < HOOKS; i++)
		if (hooks[i].object == object)
			rc = detach_hook(plan, &hooks[i], err);
	return rc;
}

int cv_hooks_detach(struct cv_instance *inst, const struct cv_plan *plan, struct cv_err *err)
{
	uint32_t wanted = 0;
	bool has_apps = false;
	int rc = find_needs(inst, plan, &has_apps, &wanted, err);

	for (size_t i = 0; !rc && i < GROUPS; i++)
		if (!has_apps || (groups[i].flag && !(groups[i].flag & wanted)))
			rc = detach_group(plan, groups[i].object, err);
	return rc;
}

/* ---- what is missing ---- */

static bool group_should_be_there(const struct hook *hook, uint32_t wanted)
{
	for (size_t i = 0; i < GROUPS; i++)
		if (groups[i].object == hook->object)
			return !groups[i].flag || groups[i].flag & wanted;
	return false;
}

size_t cv_hooks_missing(struct cv_instance *inst, struct cv_missing_hook out[CV_MAX_HOOKS])
{
	struct cv_host host = { 0 };
	uint32_t wanted = 0;
	bool has_apps = false;
	size_t count = 0;

	if (find_needs(inst, NULL, &has_apps, &wanted, NULL) || !has_apps ||
	    cv_host_read(inst, &host, NULL))
		return 0;
	for (size_t i = 0; i < HOOKS; i++) {
		if (!group_should_be_there(&hooks[i], wanted) || hook_is_attached(inst, &hooks[i]))
			continue;
		out[count++] = (struct cv_missing_hook){
			.name = hooks[i].name,
			.lost = hooks[i].lost,
			.is_refused = host.refused_hooks & hook_bit(&hooks[i]),
		};
	}
	return count;
}
