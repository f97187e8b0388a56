/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Loading and pinning BPF objects: see object.h. */
#include "object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "backfill.skel.h"
#include "classify.skel.h"
#include "gate.skel.h"
#include "lineage.skel.h"
#include "map.h"
#include "own.h"
#include "path.h"
#include "owner.skel.h"
#include "refresh.skel.h"
#include "route.skel.h"
#include "segment.skel.h"
#include "self.skel.h"
#include "sockets.skel.h"
#include "stub.skel.h"
#include "tunnel.skel.h"

/* libbpf prints through one function for the whole process; the instance at work gets the lines. */
static const struct cv_instance *log_to;

/* A verifier log comes as one text, whose end says what is wrong: nothing is cut off. */
static int forward_log(enum libbpf_print_level level, const char *format, va_list args)
{
	CV_FREE char *text = NULL;

	if (!log_to || level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	if (text)
		cv_log(log_to, CV_LOG_DEBUG, "%s", text);
	return 0;
}

/* Maps that serve the whole host are pinned at another place than those of an instance. */
static const char *const host_map_names[] = {
	CV_STRING(CV_MAP_APPS),	      CV_STRING(CV_MAP_OWNERS),	 CV_STRING(CV_MAP_CLOSED),
	CV_STRING(CV_MAP_SOURCES),    CV_STRING(CV_MAP_HOST),	 CV_STRING(CV_MAP_TASKS),
	CV_STRING(CV_MAP_LINEAGES),   CV_STRING(CV_MAP_SCRATCH), CV_STRING(CV_MAP_GATES),
	CV_STRING(CV_MAP_HOST_DROPS),
};

static bool is_host_map(const char *name)
{
	for (size_t i = 0; i < sizeof(host_map_names) / sizeof(*host_map_names); i++)
		if (!strcmp(name, host_map_names[i]))
			return true;
	return false;
}

const char *cv_object_map_dir(const struct cv_instance *inst, const char *name)
{
	return is_host_map(name) ? inst->host_maps : inst->maps;
}

/* True if maps that are not there yet may be pinned: not where programs are only tried. */
static bool may_pin(const struct cv_instance *inst)
{
	return inst->access == CV_ACCESS_WRITE || inst->mount_fd >= 0;
}

/* Tells each pinned map of an opened object where its pin is, so that loading reuses it. */
static int place_maps(const struct cv_instance *inst, struct bpf_object *object, struct cv_err *err)
{
	struct bpf_map *map;
	char path[PATH_MAX];

	bpf_object__for_each_map (map, object) {
		const char *name = bpf_map__name(map);

		if (!bpf_map__pin_path(map))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", cv_object_map_dir(inst, name), name) >=
		    (int)sizeof(path))
			return cv_err_set(err, -ENAMETOOLONG, "pin of map %s: path too long", name);
		if (bpf_map__set_pin_path(map,
					  may_pin(inst) || !cv_path_is_absent(path) ? path : NULL))
			return cv_err_set(err, -ENOMEM, "map %s: out of memory", name);
	}
	return 0;
}

static int load(const struct cv_instance *inst, struct bpf_object *object, const char *name,
		struct cv_err *err)
{
	int rc = place_maps(inst, object, err);

	if (rc)
		return rc;
	rc = bpf_object__load(object);
	if (!rc)
		return 0;
	cv_err_set(err, rc, "%s programs: load: %s", name, strerrordesc_np(-rc));
	if (rc == -EPERM || rc == -EACCES)
		return cv_err_hint(err, "loading needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, -v "
					"shows the kernel's verifier log");
	return cv_err_hint(err, "the kernel refused them, -v shows its verifier log");
}

/* Takes the place of a pin that is there. */
static int pin_program(struct bpf_program *program, const char *dir, struct cv_err *err)
{
	int rc = cv_pin_del(dir, bpf_program__name(program), err);

	return rc ? rc : cv_pin_set(bpf_program__fd(program), dir, bpf_program__name(program), err);
}

static int out_of_memory(struct cv_err *err, const char *name)
{
	return cv_err_set(err, -errno, "%s programs: open: %s", name, strerrordesc_np(errno));
}

static void start_log(const struct cv_instance *inst)
{
	log_to = inst;
	libbpf_set_print(forward_log);
}

#define FNV_OFFSET 0xcbf29ce484222325ULL /* of FNV-1a, 64 bits */
#define FNV_PRIME 0x100000001b3ULL

static uint64_t add_to_hash(uint64_t hash, const void *bytes, size_t size)
{
	for (const uint8_t *byte = bytes; size--; byte++)
		hash = (hash ^ *byte) * FNV_PRIME;
	return hash;
}

/* Every object in this binary, by the name of its source. */
static const struct {
	const char *name;
	const void *(*bytes)(size_t *size);
} objects[] = {
	[CV_OBJECT_OWNER] = { "owner", cv_owner_bpf__elf_bytes },
	[CV_OBJECT_BACKFILL] = { "backfill", cv_backfill_bpf__elf_bytes },
	[CV_OBJECT_GATE] = { "gate", cv_gate_bpf__elf_bytes },
	[CV_OBJECT_REFRESH] = { "refresh", cv_refresh_bpf__elf_bytes },
	[CV_OBJECT_LINEAGE] = { "lineage", cv_lineage_bpf__elf_bytes },
	[CV_OBJECT_SELF] = { "self", cv_self_bpf__elf_bytes },
	[CV_OBJECT_SOCKETS] = { "sockets", cv_sockets_bpf__elf_bytes },
	[CV_OBJECT_TUNNEL] = { "tunnel", cv_tunnel_bpf__elf_bytes },
	[CV_OBJECT_ROUTE] = { "route", cv_route_bpf__elf_bytes },
	[CV_OBJECT_STUB] = { "stub", cv_stub_bpf__elf_bytes },
	{ "classify", cv_classify_bpf__elf_bytes },
	{ "segment", cv_segment_bpf__elf_bytes },
};

const char *cv_object_build(void)
{
	static char build[CV_BUILD_LEN];
	uint64_t hash = FNV_OFFSET;
	size_t size;

	if (build[0])
		return build;
	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		const void *bytes = objects[i].bytes(&size);

		hash = add_to_hash(hash, bytes, size);
	}
	snprintf(build, sizeof(build), "%s-%016" PRIx64, CV_VERSION, hash);
	return build;
}

void cv_object_close(struct bpf_object **object)
{
	bpf_object__close(*object);
	*object = NULL;
}

/* The verifier looks at the arguments of a helper only if the program may call it: here it finds the
 * first one wrong. How it says that a helper may not be called, which is what libbpf looks for, has
 * changed. */
bool cv_object_has_task_storage(void)
{
	const struct bpf_insn call[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_task_storage_get },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char log[4096] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET_SOCK_CREATE,
		    .log_level = 1, .log_buf = log, .log_size = sizeof(log));
	CV_CLOSE int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK, "cv_probe", "GPL", call,
					sizeof(call) / sizeof(*call), &opts);

	return fd < 0 && strstr(log, "R1 type=");
}

/* Tells programs of cgroups whether they have task storage here. */
static int tell_of_task_storage(struct bpf_object *object)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	struct cv_owner_bpf__rodata rodata = {
		.cv_has_task_storage = cv_object_has_task_storage(),
	};

	return bpf_map__set_initial_value(map, &rodata, sizeof(rodata));
}

int cv_object_load(const struct cv_instance *inst, enum cv_object which, const char *only,
		   struct bpf_object **out, struct cv_err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = objects[which].name);
	CV_CLEANUP(cv_object_close) struct bpf_object *object = NULL;
	struct bpf_program *program;
	const void *bytes;
	size_t size;
	int rc;

	start_log(inst);
	bytes = objects[which].bytes(&size);
	object = bpf_object__open_mem(bytes, size, &opts);
	if (!object)
		return out_of_memory(err, objects[which].name);
	if (which == CV_OBJECT_OWNER && tell_of_task_storage(object))
		return cv_err_set(err, -EINVAL, "owner programs: no setting for task storage");
	bpf_object__for_each_program (program, object)
		if (only && strcmp(bpf_program__name(program), only))
			bpf_program__set_autoload(program, false);
	rc = load(inst, object, objects[which].name, err);
	if (!rc)
		*out = CV_TAKE_PTR(object);
	return rc;
}

/* ---- tc programs ---- */

static void free_classify(struct cv_classify_bpf **skel)
{
	cv_classify_bpf__destroy(*skel);
}

int cv_object_pin_classify(struct cv_instance *inst, struct cv_err *err)
{
	CV_CLEANUP(free_classify) struct cv_classify_bpf *skel = NULL;
	int rc;

	start_log(inst);
	skel = cv_classify_bpf__open();
	if (!skel)
		return out_of_memory(err, "classify");
	rc = load(inst, skel->obj, "classify", err);
	if (!rc)
		rc = pin_program(skel->progs.cv_cls_ingress, inst->progs, err);
	if (!rc)
		rc = pin_program(skel->progs.cv_cls_egress, inst->progs, err);
	return rc;
}

int cv_object_load_classify(struct cv_instance *inst, const char *name, struct cv_err *err)
{
	CV_CLEANUP(free_classify) struct cv_classify_bpf *skel = NULL;
	struct bpf_program *prog;
	int fd;

	start_log(inst);
	skel = cv_classify_bpf__open();
	if (!skel)
		return out_of_memory(err, "classify");
	fd = load(inst, skel->obj, "classify", err);
	if (fd)
		return fd;
	prog = bpf_object__find_program_by_name(skel->obj, name);
	fd = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? cv_err_set(err, -errno, "program %s: %s", name, strerrordesc_np(errno))
		      : fd;
}

static void free_segment(struct cv_segment_bpf **skel)
{
	cv_segment_bpf__destroy(*skel);
}

static int load_segment(struct cv_instance *inst, bool is_tried, struct cv_err *err)
{
	CV_CLEANUP(free_segment) struct cv_segment_bpf *skel = NULL;
	int rc;

	start_log(inst);
	skel = cv_segment_bpf__open();
	if (!skel)
		return out_of_memory(err, "segment");
	rc = load(inst, skel->obj, "segment", err);
	return rc || is_tried ? rc : pin_program(skel->progs.cv_cls_segment, inst->progs, err);
}

int cv_object_pin_segment(struct cv_instance *inst, struct cv_err *err)
{
	return load_segment(inst, false, err);
}

int cv_object_try_segment(struct cv_instance *inst, struct cv_err *err)
{
	return load_segment(inst, true, err);
}
