/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Chains and links of tcx by bpf(2) itself: libbpf 1.1 and the headers of Linux 6.1 do not know them. */
#include "tcx.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "own.h"

/* <linux/bpf.h> of 6.6 */
#define CV_BPF_TCX_INGRESS 46
#define CV_BPF_TCX_EGRESS 47
#define CV_BPF_LINK_TYPE_TCX 11
#define CV_BPF_F_BEFORE (1U << 3)
#define CV_BPF_F_AFTER (1U << 4)
#define CV_BPF_F_ID (1U << 5)
#define CV_BPF_F_LINK (1U << 13)

#define LO_IFINDEX 1 /* of every network namespace */
#define CHAIN_MAX 64 /* BPF_MPROG_MAX */

/* Members of union bpf_attr. */
struct query_attr {
	uint32_t ifindex;
	uint32_t attach_type;
	uint32_t query_flags;
	uint32_t attach_flags;
	uint64_t prog_ids;
	uint32_t count;
	uint32_t pad;
	uint64_t prog_attach_flags;
	uint64_t link_ids;
	uint64_t link_attach_flags;
	uint64_t revision;
};

struct link_create_attr {
	uint32_t prog_fd;
	uint32_t ifindex;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t relative_id;
	uint32_t pad;
	uint64_t expected_revision;
};

/* struct bpf_link_info. */
struct link_info {
	uint32_t type;
	uint32_t id;
	uint32_t prog_id;
	uint32_t pad;
	uint32_t ifindex;
	uint32_t attach_type;
};

static int call(enum bpf_cmd cmd, void *attr, size_t size)
{
	int rc = (int)syscall(SYS_bpf, cmd, attr, size);

	return rc < 0 ? -errno : rc;
}

static uint32_t attach_type(bool ingress)
{
	return ingress ? CV_BPF_TCX_INGRESS : CV_BPF_TCX_EGRESS;
}

static int query(uint32_t ifindex, bool ingress, uint32_t *progs, uint32_t *links, uint32_t *count,
		 uint64_t *revision)
{
	struct query_attr attr = { .ifindex = ifindex,
				   .attach_type = attach_type(ingress),
				   .prog_ids = (uintptr_t)progs,
				   .link_ids = (uintptr_t)links,
				   .count = *count };
	int rc = call(BPF_PROG_QUERY, &attr, sizeof(attr));

	*count = attr.count;
	*revision = attr.revision;
	return rc;
}

bool cv_tcx_is_supported(void)
{
	uint32_t count = 0;
	uint64_t revision;

	/* An older kernel knows no such type of attachment, or not all of the question. */
	int rc = query(LO_IFINDEX, true, NULL, NULL, &count, &revision);

	return rc != -EINVAL && rc != -E2BIG;
}

bool cv_tcx_is_hidden(void)
{
	uint32_t count = 0;
	uint64_t revision;

	return query(LO_IFINDEX, true, NULL, NULL, &count, &revision) == -EPERM;
}

int cv_tcx_query(uint32_t ifindex, bool ingress, struct cv_tcx_chain *out, struct cv_err *err)
{
	uint32_t progs[CHAIN_MAX], links[CHAIN_MAX] = { 0 };
	uint32_t count = CHAIN_MAX;
	uint64_t revision = 0;
	int rc = query(ifindex, ingress, progs, links, &count, &revision);

	*out = (struct cv_tcx_chain){ .revision = revision, .is_hidden = rc == -EPERM };
	/* The first two: no tcx. The third: no program has ever been there. */
	if (out->is_hidden || rc == -EINVAL || rc == -E2BIG || rc == -ENOENT || (!rc && !count))
		return 0;
	if (rc)
		return cv_err_set(err, rc, "tcx of dev with index %u: %s", ifindex,
				  strerrordesc_np(-rc));
	out->items = calloc(count, sizeof(*out->items));
	if (!out->items)
		return cv_err_set(err, -ENOMEM, "tcx: %s", strerrordesc_np(ENOMEM));
	for (uint32_t i = 0; i < count; i++)
		out->items[i] = (struct cv_tcx_program){ progs[i], links[i] };
	out->count = count;
	return 0;
}

void cv_tcx_chain_fini(struct cv_tcx_chain *chain)
{
	free(chain->items);
	*chain = (struct cv_tcx_chain){ 0 };
}

int cv_tcx_attach(uint32_t ifindex, bool ingress, int prog_fd, const struct cv_tcx_chain *chain,
		  size_t index, struct cv_err *err)
{
	struct link_create_attr attr = {
		.prog_fd = (uint32_t)prog_fd,
		.ifindex = ifindex,
		.attach_type = attach_type(ingress),
		.expected_revision = chain->revision,
	};
	int fd;

	if (index < chain->count) {
		const struct cv_tcx_program *next = &chain->items[index];

		attr.flags = CV_BPF_F_BEFORE | CV_BPF_F_ID | (next->link_id ? CV_BPF_F_LINK : 0);
		attr.relative_id = next->link_id ? next->link_id : next->prog_id;
	} else if (chain->count) {
		attr.flags = CV_BPF_F_AFTER;
	}
	fd = call(BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd >= 0)
		return fd;
	cv_err_set(err, fd, "dev with index %u: tcx %s: %s", ifindex,
		   ingress ? "ingress" : "egress", strerrordesc_np(-fd));
	return fd == -ERANGE ? cv_err_hint(err, "the chain has %d programs already", CHAIN_MAX)
			     : fd;
}

int cv_tcx_link_read(int fd, struct cv_tcx_link *out, struct cv_err *err)
{
	struct link_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return cv_err_set(err, -errno, "tcx link: %s", strerrordesc_np(errno));
	if (info.type != CV_BPF_LINK_TYPE_TCX)
		return 0;
	*out = (struct cv_tcx_link){ .id = info.id,
				     .prog_id = info.prog_id,
				     .ifindex = info.ifindex,
				     .ingress = info.attach_type == CV_BPF_TCX_INGRESS };
	return 1;
}

int cv_tcx_link_update(int link_fd, int prog_fd, struct cv_err *err)
{
	if (bpf_link_update(link_fd, prog_fd, NULL))
		return cv_err_set(err, -errno, "tcx link: another program: %s",
				  strerrordesc_np(errno));
	return 0;
}

int cv_tcx_link_detach(int link_fd, struct cv_err *err)
{
	if (!bpf_link_detach(link_fd))
		return 0;
	return cv_err_set(err, -errno, "tcx link: detach: %s", strerrordesc_np(errno));
}

int cv_tcx_link_detach_id(uint32_t link_id, struct cv_err *err)
{
	CV_CLOSE int fd = bpf_link_get_fd_by_id(link_id);
	int rc;

	if (fd >= 0)
		return cv_tcx_link_detach(fd, err);
	rc = -errno;
	if (rc == -ENOENT)
		return 0;
	cv_err_set(err, rc, "tcx link %u: detach: %s", link_id, strerrordesc_np(-rc));
	return rc == -EPERM ? cv_err_hint(err, "without a pin of it that needs CAP_SYS_ADMIN") : rc;
}

/* ---- who is where ---- */

void cv_prog_name(uint32_t prog_id, char name[16])
{
	CV_CLOSE int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	name[0] = '\0';
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size))
		memcpy(name, info.name, sizeof(info.name));
}

size_t cv_tcx_find_link(const struct cv_tcx_chain *chain, uint32_t link_id)
{
	for (size_t i = 0; i < chain->count; i++)
		if (chain->items[i].link_id == link_id)
			return i;
	return CV_TCX_NOWHERE;
}

static size_t find_pin(const struct cv_tcx_chain *chain, const char *path)
{
	CV_CLOSE int fd = bpf_obj_get(path);
	struct cv_tcx_link link = { 0 };

	return fd >= 0 && cv_tcx_link_read(fd, &link, NULL) > 0 ? cv_tcx_find_link(chain, link.id)
								: CV_TCX_NOWHERE;
}

/* True if text is the id of the program, or its name as far as the kernel keeps it. */
static bool is_called(uint32_t prog_id, const char *text)
{
	char name[16], id[16];

	snprintf(id, sizeof(id), "%u", prog_id);
	if (!strcmp(id, text))
		return true;
	cv_prog_name(prog_id, name);
	return name[0] && !strncmp(name, text, sizeof(name) - 1);
}

size_t cv_tcx_find(const struct cv_tcx_chain *chain, const char *text, bool is_last)
{
	size_t found = CV_TCX_NOWHERE;

	if (*text == '/')
		return find_pin(chain, text);
	for (size_t i = 0; i < chain->count; i++)
		if ((is_last || found == CV_TCX_NOWHERE) &&
		    is_called(chain->items[i].prog_id, text))
			found = i;
	return found;
}
